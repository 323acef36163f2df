"""What an image is here, and the only checks of its shape and dtype.

An image is a (H, W, 3) uint8 array of sRGB pixels, or (H, W, 4) with straight
alpha. Everything else is refused with the way out, rather than guessed at: a
float array silently truncated is a black picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage, BadOption

__all__ = ["check_image", "from_float", "from_uint16"]

Image = NDArray[np.uint8]


def check_image(array: Any, channels: str = "rgb") -> Image:
    """Return `array` as a C-contiguous image, or say why it is none.

    Parameters
    ----------
    array : (H, W, 3), (H, W, 4) or gray (H, W) uint8, any strides
        Not modified, and not copied when it is contiguous already.
    channels : "rgb" or "bgr"
        "bgr" reads OpenCV's order, (B, G, R) or (B, G, R, A).

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8, sRGB

    Raises
    ------
    BadImage : wrong dtype or shape, or no pixels.
    BadOption : `channels` is neither.

    >>> check_image(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    if channels not in ("rgb", "bgr"):
        raise BadOption(f'channels must be "rgb" or "bgr", got {channels!r}')
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise BadImage(
            f"image must be a uint8 array of shape (H, W, 3), got {array.dtype} of shape "
            f"{array.shape}; {_way_out(array)}"
        )
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise BadImage(
            f"image must have shape (H, W, 3) or (H, W, 4), got {array.shape}; "
            "for a list of pixels (n, 3) pass pixels[None]"
        )
    if array.size == 0:
        raise BadImage(f"image must have at least one pixel, got shape {array.shape}")
    if channels == "bgr":
        array = array[:, :, [2, 1, 0, 3][: array.shape[2]]]
    return np.ascontiguousarray(array)


def _way_out(array: NDArray[Any]) -> str:
    if array.dtype == np.uint16:
        return "for 16-bit images call smalti.from_uint16(image) first"
    if array.dtype.kind == "f":
        return "for floats in 0..1 call smalti.from_float(image) first"
    if array.dtype == np.bool_:
        return "for a mask pass mask * np.uint8(255)"
    return "for integers in 0..255 pass image.astype(np.uint8)"


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
    BadImage : not floats, NaN, or a value outside 0..1.

    >>> from_float(np.array([[[0.0, 0.5, 1.0]]]))
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    array = np.asarray(array)
    if array.dtype.kind != "f":
        raise BadImage(f"from_float expects floats in 0..1, got {array.dtype}; {_way_out(array)}")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # also false for NaN
        hint = "; divide by 255 first if that is its range" if 1 < high <= 255 and low >= 0 else ""
        raise BadImage(f"float image must be within 0..1, got {low:g} to {high:g}{hint}")
    rounded: Image = np.floor(array.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    return rounded


def from_uint16(array: Any) -> Image:
    """Round 16-bit values to 8-bit: 65535 becomes 255, to the nearest rather than cut off.

    Parameters
    ----------
    array : (H, W), (H, W, 3) or (H, W, 4) uint16, sRGB-encoded

    Returns
    -------
    uint8 array of the same shape

    Raises
    ------
    BadImage : the dtype is not uint16.

    >>> from_uint16(np.array([[[0, 128, 65535]]], np.uint16))
    array([[[  0,   0, 255]]], dtype=uint8)
    """
    array = np.asarray(array)
    if array.dtype != np.uint16:
        raise BadImage(f"from_uint16 expects uint16, got {array.dtype}; {_way_out(array)}")
    # PNG (Third Edition) 13.12: the nearest of 255 steps of 257.
    rounded: Image = ((array.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)
    return rounded
