"""Exports for devices without a file system: packed indices and C headers.

    IndexedImage -> [pack | c_header] -> bytes | C source -> a microcontroller's flash

A display of 16 bits per pixel (RGB565) needs no conversion at run time when the
palette is stored in its format: one table lookup per pixel is the whole decoder.
"""

import re
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .encode import check_palette
from .errors import BadImage, BadOption
from .packing import bits_for, pack, unpack

if TYPE_CHECKING:
    from .indexed import IndexedImage

__all__ = ["bits_for", "c_header", "from_rgb565", "pack", "to_rgb565", "unpack"]


def to_rgb565(palette: np.ndarray) -> NDArray[np.uint16]:
    """Return colors in 16 bits: 5 of red (the high ones), 6 of green, 5 of blue.

    Parameters
    ----------
    palette : (k, 3) uint8 sRGB, or (k, 4) with alpha 255

    Returns
    -------
    (k,) uint16
        Each channel the nearest of its 32 or 64 levels.

    Raises
    ------
    BadImage : a color is not opaque, or the palette is no palette.

    >>> [hex(value) for value in to_rgb565(np.uint8([[255, 0, 0], [0, 0, 255]]))]
    ['0xf800', '0x1f']
    """
    check_palette(palette)
    if (palette[:, 3:] < 255).any():
        raise BadImage("RGB565 has no transparency, and the palette has; export it as RGBA")
    red, green, blue = palette[:, :3].astype(np.uint16).T
    red, green, blue = ((x * top + 127) // 255 for x, top in ((red, 31), (green, 63), (blue, 31)))
    packed: NDArray[np.uint16] = (red << 11 | green << 5 | blue).astype(np.uint16)
    return packed


def from_rgb565(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return what a display shows of RGB565 values: (k, 3) uint8 sRGB.

    >>> from_rgb565(np.uint16([0xF800, 0x001F, 0xFFFF])).tolist()
    [[255, 0, 0], [0, 0, 255], [255, 255, 255]]
    """
    values = values.astype(np.int32)
    levels = np.stack([values >> 11, values >> 5 & 63, values & 31], axis=-1)
    tops = np.array([31, 63, 31])
    shown: NDArray[np.uint8] = ((levels * 255 * 2 + tops) // (2 * tops)).astype(np.uint8)
    return shown


def c_header(image: "IndexedImage", name: str, *, rgb565: bool = False) -> str:
    """Return C source that holds an image: a palette, and indices packed as PNG packs them.

    Parameters
    ----------
    image : IndexedImage of at most 256 colors
    name : a C identifier, the prefix of everything that the header defines
    rgb565 : whether the palette is stored in 16 bits per color, as small displays take it,
        instead of in 3 bytes (4 with alpha)

    Returns
    -------
    str
        ASCII, C99 and C++: NAME_WIDTH, NAME_HEIGHT, NAME_COLORS, NAME_BITS and NAME_STRIDE (bytes
        per row), and the constant arrays name_palette and name_indices. The index of pixel (x, y):
        `name_indices[y * NAME_STRIDE + x * NAME_BITS / 8] >> (8 - NAME_BITS - x * NAME_BITS % 8)
        & ((1 << NAME_BITS) - 1)`.

    Raises
    ------
    BadOption : `name` is no C identifier, or the image has more than 256 colors.
    BadImage : RGB565 of a palette with transparency.

    >>> from smalti import IndexedImage
    >>> print(c_header(IndexedImage(np.uint8([[255, 128, 0]]), np.uint8([[0]])), "dot"))
    /* 1 x 1 pixels, 1 colors; rows of packed indices, leftmost pixel in the high bits. */
    #ifndef DOT_H
    #define DOT_H
    <BLANKLINE>
    #include <stdint.h>
    <BLANKLINE>
    #define DOT_WIDTH 1
    #define DOT_HEIGHT 1
    #define DOT_COLORS 1
    #define DOT_BITS 1
    #define DOT_STRIDE 1
    <BLANKLINE>
    /* 3 bytes per color: red, green, blue */
    static const uint8_t dot_palette[3] = {
        255, 128, 0
    };
    <BLANKLINE>
    static const uint8_t dot_indices[1] = {
        0
    };
    <BLANKLINE>
    #endif
    <BLANKLINE>
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise BadOption(f"the name of a C header must be a C identifier, got {name!r}")
    height, width = image.indices.shape
    bits = bits_for(len(image.palette))
    indices = pack(image.indices, bits)
    upper = name.upper()
    sizes = {"WIDTH": width, "HEIGHT": height, "COLORS": len(image.palette), "BITS": bits,
             "STRIDE": len(indices) // height}  # fmt: skip
    defines = "\n".join(f"#define {upper}_{key} {value}" for key, value in sizes.items())
    return (
        f"/* {width} x {height} pixels, {len(image.palette)} colors; rows of packed indices, "
        "leftmost pixel in the high bits. */\n"
        f"#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n{defines}\n\n"
        f"{_palette(image.palette, name, rgb565)}\n"
        f"{_array('uint8_t', f'{name}_indices', indices)}\n#endif\n"
    )


def _palette(palette: np.ndarray, name: str, rgb565: bool) -> str:
    if rgb565:
        words = (f"0x{value:04x}" for value in to_rgb565(palette).tolist())
        note = "16 bits per color: 5 red, 6 green, 5 blue"
        return f"/* {note} */\n" + _array("uint16_t", f"{name}_palette", words)
    channels = ("red", "green", "blue", "alpha")[: palette.shape[1]]
    note = f"{len(channels)} bytes per color: {', '.join(channels)}"
    return f"/* {note} */\n" + _array("uint8_t", f"{name}_palette", palette.ravel().tolist())


def _array(kind: str, name: str, values: Iterable[object]) -> str:
    words = [str(value) for value in values]
    body = textwrap.fill(", ".join(words), 96, initial_indent="    ", subsequent_indent="    ")
    return f"static const {kind} {name}[{len(words)}] = {{\n{body}\n}};\n"
