"""What an image is here, and the only checks of its shape and dtype.

An image is a (H, W, 3) uint8 array of sRGB pixels, or (H, W, 4) with straight
alpha. Everything else is refused with the way out, rather than guessed at: a
float array silently truncated is a black picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage, BadOption
from .sources import no_image

__all__ = [
    "channel_order",
    "check_image",
    "check_pixels",
    "check_same_size",
    "from_float",
    "from_uint16",
]

Image = NDArray[np.uint8]


def channel_order(channels: str, count: int) -> list[int]:
    """Return where the channels of an RGB image stand in another, or the other way round.

    Parameters
    ----------
    channels : "rgb" or "bgr"
    count : 3 or 4; alpha is last in both

    Raises
    ------
    BadOption : `channels` is neither.

    >>> channel_order("bgr", 4)
    [2, 1, 0, 3]
    """
    if channels not in ("rgb", "bgr"):
        raise BadOption(f'channels must be "rgb" or "bgr", got {channels!r}')
    return ([0, 1, 2, 3] if channels == "rgb" else [2, 1, 0, 3])[:count]


def check_pixels(pixels: Any, *, picture: bool = False) -> None:
    """Refuse what is no array of pixels; `picture`: of height and width.

    Raises
    ------
    BadImage : other than (..., 3) or (..., 4) uint8.

    >>> check_pixels("a.png")
    Traceback (most recent call last):
    ...
    smalti.errors.BadImage: metrics take uint8 arrays (..., 3|4), got str; compare takes files
    """
    shape = "(H, W, 3|4)" if picture else "(..., 3|4)"
    expected = f"metrics take uint8 arrays {shape}, got"
    if not isinstance(pixels, np.ndarray):
        raise BadImage(f"{expected} {type(pixels).__name__}; compare takes files")
    right = pixels.ndim == 3 if picture else pixels.ndim
    if pixels.dtype != np.uint8 or not right or pixels.shape[-1] not in (3, 4):
        raise BadImage(f"{expected} {pixels.dtype} of shape {pixels.shape}")


def check_same_size(original: Any, result: Any, *, picture: bool = False) -> None:
    """Refuse what cannot be compared pixel by pixel.

    Raises
    ------
    BadImage : as `check_pixels`; or the sizes differ.
    """
    for pixels in (original, result):
        check_pixels(pixels, picture=picture)
    if original.shape[:-1] != result.shape[:-1]:
        raise BadImage(f"images of one size are compared, got {original.shape} and {result.shape}")


def check_image(array: Any, channels: str = "rgb") -> Image:
    """Return `array` as a C-contiguous image, or say why it is none.

    Parameters
    ----------
    array : (H, W, 3), (H, W, 4) or gray (H, W) uint8, any strides; or what converts to one
        Not modified, and not copied when it is contiguous already.
    channels : "rgb" or "bgr"
        "bgr" reads OpenCV's order, (B, G, R) or (B, G, R, A).

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8, sRGB

    Raises
    ------
    BadImage : wrong dtype or shape, no pixels, masked, several images, or no array at all.
    BadOption : `channels` is neither.

    >>> check_image(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    order = channel_order(channels, 4)
    array = _as_array(array)
    if array.dtype != np.uint8:
        raise BadImage(
            f"image must be a uint8 array of shape (H, W, 3), got {array.dtype} of shape "
            f"{array.shape}; {_way_out(array)}"
        )
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise BadImage(
            f"image must have shape (H, W, 3) or (H, W, 4), got {array.shape}"
            f"{_other_layout(array.shape)}"
        )
    if array.size == 0:
        raise BadImage(f"image must have at least one pixel, got shape {array.shape}")
    if channels == "bgr":
        array = array[:, :, order[: array.shape[2]]]
    return np.ascontiguousarray(array)


def _as_array(source: Any) -> NDArray[Any]:
    """Return numbers as an array; refuse what would silently become something else."""
    if hasattr(source, "mask") and hasattr(source, "filled"):  # without importing numpy.ma
        raise BadImage(
            "image must not be a masked array: masked pixels have no color; pass image.filled(0)"
        )
    try:
        several = isinstance(source, list | tuple) and any(np.ndim(item) > 2 for item in source)
        array = np.asarray(source)
    except (ValueError, TypeError) as error:  # rows, or images, of different sizes
        raise no_image(source) from error
    lone = array.ndim == 0 and not hasattr(source, "dtype")  # a plain number
    if several or lone or array.dtype.kind not in "buif":
        raise no_image(source)
    return array


def _other_layout(shape: tuple[int, ...]) -> str:
    """Guess how the pixels lie in an array that is no image, and say the way out."""
    if len(shape) == 3 and shape[2] == 1:
        return "; for a gray image with a channel axis pass image[..., 0]"
    if len(shape) == 3 and shape[2] == 2:
        return "; for gray with alpha pass image[..., [0, 0, 0, 1]]"
    if len(shape) == 3 and shape[0] in (3, 4):
        return "; for channels first pass np.moveaxis(image, 0, -1)"
    if len(shape) == 3 and shape[0] == 1:
        return "; for a gray image with a channel axis pass image[0]"
    if len(shape) == 4 and shape[0] == 1:
        return "; for a batch of one pass image[0]"
    if len(shape) == 4:
        return "; for several images add their histograms: Histogram.of(a) + Histogram.of(b)"
    return ""


def _way_out(array: NDArray[Any]) -> str:
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return "for 16-bit images call smalti.from_uint16(image) first"
    if array.dtype.kind == "f":
        return "for floats in 0..1 call smalti.from_float(image) first"
    if array.dtype == np.bool_:
        return "for a mask pass mask * np.uint8(255)"
    return "for integers in 0..255 pass np.uint8(image)"


def from_float(array: Any) -> Image:
    """Round floats in 0..1 to 8-bit: 0.0 becomes 0, 1.0 becomes 255.

    Parameters
    ----------
    array : (H, W), (H, W, 3) or (H, W, 4) of a float dtype, sRGB-encoded, in 0..1

    Returns
    -------
    uint8 array of the same shape

    Raises
    ------
    BadImage : not floats, masked, NaN, or a value outside 0..1.

    >>> from_float(np.array([[[0.0, 0.5, 1.0]]]))
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    array = _as_array(array)
    if array.dtype.kind != "f":
        raise BadImage(f"from_float expects floats in 0..1, got {array.dtype}; {_way_out(array)}")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if np.isnan(low):
        raise BadImage("float image must be within 0..1, got NaN; np.nan_to_num(image) makes it 0")
    if low < 0 or high > 1:
        hint = "; divide by 255 first if that is its range" if 1 < high <= 255 and low >= 0 else ""
        raise BadImage(f"float image must be within 0..1, got {low:g} to {high:g}{hint}")
    rounded: Image = np.floor(array.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    return rounded


def from_uint16(array: Any) -> Image:
    """Round 16-bit values to 8-bit: 65535 becomes 255, to the nearest rather than cut off.

    Parameters
    ----------
    array : (H, W), (H, W, 3) or (H, W, 4) uint16 of either byte order, sRGB-encoded

    Returns
    -------
    uint8 array of the same shape

    Raises
    ------
    BadImage : the dtype is not uint16, or the array is masked.

    >>> from_uint16(np.array([[[0, 128, 65535]]], np.uint16))
    array([[[  0,   0, 255]]], dtype=uint8)
    """
    array = _as_array(array)
    if array.dtype.kind != "u" or array.dtype.itemsize != 2:
        raise BadImage(f"from_uint16 expects uint16, got {array.dtype}; {_way_out(array)}")
    # PNG (Third Edition) 13.12: the nearest of 255 steps of 257.
    rounded: Image = ((array.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)
    return rounded
