"""From Pillow's many modes to plain arrays, without losing what Pillow would drop.

    Pillow image -> [open_pillow, samples] -> (H, W, channels) uint8 or uint16, mode

Pillow converts between its modes too, but not faithfully: 16-bit gray turns
white, 16-bit colors lose their low byte, a palette's alpha is warned about.
"""

import importlib
import io
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from . import headers
from .bands import array_of, looked_up, strips
from .errors import BadImage
from .libtiff import load

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "open_pillow",
    "quiet",
    "samples",
    "to_8_bits",
    "with_palette",
    "without_idle_alpha",
]

READERS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}
FEW_BITS = {"BGR;15": (5, 5, 5), "BGR;16": (5, 6, 5)}  # of red, green and blue
_QUIET = threading.RLock()  # a TIFF is opened a second time while the first is read


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings about odd metadata off the user's terminal.

    `warnings` keeps its filters in one place for all threads, so threads take turns
    here, for as short as can be. PNG, read without Pillow's reader, needs none of it.
    """
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_pillow(data: bytes, kind: str) -> "Image.Image":
    """Open a file with the one reader of its format: no pixel is decoded yet.

    Not `Image.open`, which first imports and asks the readers of other formats,
    and takes the limits of a global variable instead of ours.
    """
    import logging  # late: 4 ms that a PNG need not pay

    module, reader = READERS[kind]
    plugin = importlib.import_module(f"PIL.{module}")
    logger = logging.getLogger("PIL")
    if not logger.handlers:  # else Python prints what is logged and nobody handles
        logger.addHandler(logging.NullHandler())
    with quiet():
        image: Image.Image = getattr(plugin, reader)(io.BytesIO(data), "")
    return image


def samples(
    image: "Image.Image", again: Callable[[], "Image.Image"] | None = None
) -> tuple[np.ndarray, str]:
    """Return the samples of `image`, as deep as can be had.

    Parameters
    ----------
    image : any Pillow image; it is decoded here if it was not yet
    again : opens the same picture once more, for 16-bit colors

    Returns
    -------
    values : (H, W, C) uint8 or uint16
    mode : "L", "LA", "RGB", "RGBA", "CMYK" or "LAB"

    Raises
    ------
    BadImage : a kind of pixel that has no defined place between black and white.
    """
    raw = _raw_mode(image)
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(284) == 2 and max(tags.get(258, (8,))) > 8 and tags.get(277, 1) > 1:
        raise BadImage("its 16-bit channels are stored one after another; save them interleaved")
    match = re.fullmatch(r"(RGB|RGBX|RGBA|RGBa|CMYK);16([LBN])", raw)
    if match and again:
        return _sixteen_bits(image, again(), match[1], match[2])
    load(image)
    if image.mode.startswith("I;16"):
        return _gray_16(array_of(image), raw, inverted=tags.get(262) == 0), "L"
    if image.mode in ("I", "F"):
        raise headers.no_white("floating-point" if image.mode == "F" else "32-bit")
    return _eight_bits(image, raw)


def _raw_mode(image: "Image.Image") -> str:
    """Say how the file stores its samples, in Pillow's words; "" when already decoded."""
    tile = getattr(image, "tile", None)
    if not tile:
        return ""
    arguments = tile[0][3]
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def _sixteen_bits(
    image: "Image.Image", other: "Image.Image", kind: str, order: str
) -> tuple[np.ndarray, str]:
    # Pillow takes the high byte of each sample; told the opposite byte order of the
    # same file, it takes the low one. With premultiplied alpha ("RGBa") it would also
    # divide, by the wrong byte, so that is read as plain RGBA and divided here.
    native = "L" if sys.byteorder == "little" else "B"
    order = native if order == "N" else order
    stored = "RGBA" if kind == "RGBa" else kind
    halves = []
    for half, byte in ((image, order), (other, "B" if order == "L" else "L")):
        half.tile = [  # type: ignore[attr-defined]
            tile._replace(args=(f"{stored};16{byte}", *tile.args[1:]))
            for tile in half.tile  # type: ignore[attr-defined]
        ]
        load(half)
        halves.append(array_of(half).astype(np.uint16))
    values = (halves[0] << 8) | halves[1]
    if kind == "RGBa":
        alpha = np.maximum(values[:, :, 3:], 1).astype(np.uint32)
        color = (values[:, :, :3].astype(np.uint32) * 65535 + alpha // 2) // alpha
        values[:, :, :3] = np.minimum(color, 65535)
    return values, image.mode


def _gray_16(values: np.ndarray, raw: str, *, inverted: bool) -> np.ndarray:
    values = values.astype(np.uint16)[:, :, None]
    if raw == "I;12":
        values = (values << 4) | (values >> 8)  # 4095 is as white as 65535
    # TIFF may say that 0 is white; Pillow heeds that up to 8 bits only.
    return 65535 - values if inverted else values


def _eight_bits(image: "Image.Image", raw: str) -> tuple[np.ndarray, str]:
    key = image.info.get("transparency")
    mode = image.mode
    if mode == "P":
        return _indexed(image, key)
    if mode in ("1", "L"):
        values = array_of(image.convert("L"))[:, :, None]
    elif mode in ("LA", "RGB", "RGBA", "CMYK", "LAB"):
        values = array_of(image)
    elif mode in ("PA", "RGBa", "La"):
        mode = "LA" if mode == "La" else "RGBA"
        values = array_of(image.convert(mode))
    elif mode in ("RGBX", "YCbCr", "HSV"):
        mode, values = "RGB", array_of(image.convert("RGB"))
    else:
        raise BadImage(f"Pillow images of mode {mode} are not read; convert it to RGB or RGBA")
    if raw in FEW_BITS:
        values = _rounded(values, FEW_BITS[raw])
    mode = "L" if mode == "1" else mode
    if isinstance(key, int | tuple) and mode in ("L", "RGB"):
        depth = re.search(r";([24])", raw)
        opaque = (values != np.array(key) * ({"2": 85, "4": 17}[depth[1]] if depth else 1)).any(2)
        return np.dstack([values, opaque * np.uint8(255)]), mode + "A"
    return values, mode


def _rounded(values: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """Round colors of so few bits a channel, of which Pillow cuts off what is behind the point."""
    table = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    for channel, most in enumerate(2**number - 1 for number in bits):
        steps = np.arange(most + 1)
        table[steps * 255 // most, channel] = (steps * 510 + most) // (2 * most)
    rounded: np.ndarray = table[values, np.arange(3)]
    return rounded


def _indexed(image: "Image.Image", key: object) -> tuple[np.ndarray, str]:
    rgba = image.palette is not None and image.palette.mode == "RGBA"
    colors = bytes(image.getpalette("RGBA" if rgba else "RGB") or b"")
    palette = np.frombuffer(colors, np.uint8).reshape(-1, 4 if rgba else 3)
    alpha = b""
    if isinstance(key, bytes):
        alpha = key
    elif isinstance(key, int):
        alpha = b"\xff" * key + b"\0"
    return with_palette(array_of(image), palette, alpha)


def with_palette(indices: np.ndarray, palette: np.ndarray, alpha: bytes) -> tuple[np.ndarray, str]:
    """Look up the colors of `indices`: RGB, or RGBA when `alpha` has an entry below 255.

    `alpha` may be shorter than the palette (the rest is opaque), and an index
    past the palette's end, which no good file has, is black.
    """
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    table[: len(palette), : palette.shape[1]] = palette[:256]
    entries = np.frombuffer(alpha[:256], np.uint8)
    table[: len(entries), 3] = entries
    mode = "RGBA" if (table[:, 3] < 255).any() else "RGB"
    return looked_up(table[:, : len(mode)], indices), mode


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """Round 16-bit samples to the nearest of 255 steps, a band of rows at a time."""
    result = np.empty(values.shape, np.uint8)
    for rows in strips(len(values), values[0].size):
        # PNG (third edition) 13.12: exactly round(v / 257).
        result[rows] = (values[rows] * np.uint32(255) + 32895) >> 16
    return result


def without_idle_alpha(image: np.ndarray, *, owned: bool = False) -> np.ndarray:
    """Drop alpha that is opaque everywhere; set pixels that nobody sees to (0, 0, 0, 0).

    owned : nobody else has these pixels, so they may be changed where they are
    """
    if image.shape[2] == 3:
        return image
    if image[:, :, 3].min() == 255:
        return image[:, :, :3]
    owned = owned and image.flags.writeable
    for rows in strips(*image.shape[:2]):  # masks make eight bytes of each pixel
        hidden = image[rows, :, 3] == 0
        if image[rows][hidden].any():
            if not owned:
                image, owned = image.copy(), True
            image[rows][hidden] = 0  # else colors nobody sees would take room in the palette
    return image
