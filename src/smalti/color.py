"""Working spaces: where distance between colors is measured.

    colors (n, 3|4) uint8 sRGB  <->  points (n, 3|4) int16, fixed point

`srgb` is plain RGB in steps of 1/64 of an 8-bit step. `oklab` is Ottosson's
perceptual space in steps of 1/16384: the coarsest power of two at which all
2^24 colors stay distinct. Alpha is a fourth coordinate as long as a color
channel (or Oklab's lightness), and the color is premultiplied by it.

Points are integers so that sums of them are exact in any order; no libm
function takes part, so they are the same on every system.

Sources: IEC 61966-2-1 (sRGB); Ottosson (2020), https://bottosson.github.io/posts/oklab/
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core

__all__ = ["UNITS", "bounds", "from_points", "make_tree", "shown_on", "to_oklch", "to_points"]

UNITS: dict[str, float] = {"srgb": 64.0, "oklab": 16384.0}
"""Fixed-point steps that make one 8-bit step (srgb) or 1.0 (oklab)."""

CODES = {"srgb": 0, "oklab": 1}
_SRGB_KNEE = 0.04045  # IEC 61966-2-1: linear below, power law above


def _fifth_root(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method from above: only exact arithmetic, so the same bits everywhere."""
    root = np.ones_like(x)
    for _ in range(60):
        root = root - (root - x / (root * root * root * root)) / 5.0
    return root


def _srgb_to_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    base = (value + 0.055) / 1.055
    root = _fifth_root(base)
    return np.where(value <= _SRGB_KNEE, value / 12.92, base * base * root * root)  # base ** 2.4


LINEAR = _srgb_to_linear(np.arange(256, dtype=np.float64) / 255.0)
"""Linear light, 0..1, of the 256 sRGB values."""

_ROUNDING = _srgb_to_linear((np.arange(255, dtype=np.float64) + 0.5) / 255.0)
"""Linear light at which the nearest 8-bit sRGB value changes."""

# Oklab to the cube roots of LMS, and LMS to linear sRGB (Ottosson).
_LAB_TO_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_LMS_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)

# The smallest boxes around all sRGB colors, in fixed point; alpha runs as far as lightness.
_BOUNDS = {
    "srgb": ((0, 16320), (0, 16320), (0, 16320), (0, 16320)),
    "oklab": ((0, 16384), (-3832, 4526), (-5104, 3253), (0, 16384)),
}


def to_points(colors: NDArray[np.uint8], space: str) -> NDArray[np.int16]:
    """Convert 8-bit colors to fixed-point coordinates of a working space.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8, C-contiguous, sRGB with straight alpha
    space : "srgb" or "oklab"

    Returns
    -------
    (n, 3) or (n, 4) int16
        Coordinates times `UNITS[space]`, rounded; color premultiplied by alpha.

    >>> to_points(np.array([[255, 255, 255], [0, 0, 0]], np.uint8), "oklab")
    array([[16384,     0,     0],
           [    0,     0,     0]], dtype=int16)
    """
    points = np.empty(colors.shape, np.int16)
    _core.to_points(colors, CODES[space], LINEAR, points)
    return points


# Linear sRGB to LMS, and the cube roots of LMS to Oklab (Ottosson).
_RGB_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LMS_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_GRAY = 1e-4  # chroma: far above what rounding gives grays, far below that of any 8-bit color


def to_oklch(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return lightness, chroma and hue of colors, as CSS's `oklch()` takes them. Only for showing.

    Parameters
    ----------
    colors : (k, 3) or (k, 4) uint8 sRGB; alpha is ignored

    Returns
    -------
    (k, 3) float64
        Lightness 0..1, chroma 0..0.33 and hue in degrees, 0 <= h < 360. A gray has chroma and
        hue 0.

    >>> to_oklch(np.uint8([[255, 0, 0], [255, 255, 255]])).round(3).tolist()
    [[0.628, 0.258, 29.234], [1.0, 0.0, 0.0]]
    """
    linear = LINEAR[colors[:, :3]].T
    lms = [np.cbrt(_dot(row, linear)) for row in _RGB_TO_LMS]
    lightness, a, b = (_dot(row, lms) for row in _LMS_TO_LAB)
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    gray = chroma < _GRAY
    return np.column_stack([lightness, np.where(gray, 0, chroma), np.where(gray, 0, hue)])


def make_tree(
    colors: NDArray[np.uint8],
    counts: NDArray[np.int64],
    space: str,
    *,
    alpha_gap: int = 0,
    threads: int = 1,
    keep_keys: bool = True,
) -> _core.Tree:
    """Return the native tree of weighted colors as points of a working space.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8, C-contiguous, distinct, in the storage order of a histogram
    counts : (n,) int64, each >= 1
        Not copied: they must stay as they are as long as the tree is used.
    alpha_gap : int, added to the alpha coordinate of opaque colors
    keep_keys : bool
        Without its keys a tree is a sixth smaller, and no cells can be made of it.
    """
    return _core.make_tree(colors, CODES[space], LINEAR, counts, alpha_gap, threads, keep_keys)


def from_points(points: NDArray[Any], space: str) -> NDArray[np.uint8]:
    """Round coordinates of a working space to the nearest 8-bit sRGB colors.

    Parameters
    ----------
    points : (n, 3) or (n, 4), fixed point, fractions allowed, color premultiplied by alpha
    space : "srgb" or "oklab"

    Returns
    -------
    (n, 3) or (n, 4) uint8
        Each channel clipped to 0..255; (0, 0, 0, 0) where alpha rounds to 0.

    >>> from_points(np.array([[16384, 0, 0]]), "oklab")
    array([[255, 255, 255]], dtype=uint8)
    """
    values = np.asarray(points, np.float64) / UNITS[space]
    color = values[:, :3]
    alpha = None
    if values.shape[1] == 4:
        full = 255.0 if space == "srgb" else 1.0
        alpha = np.floor(np.clip(values[:, 3] / full, 0, 1) * 255 + 0.5).astype(np.uint8)
        color = color / np.maximum(values[:, 3:] / full, 1e-9)
    rgb = _oklab_to_srgb8(color) if space == "oklab" else _round8(color)
    if alpha is None:
        return rgb
    rgba = np.column_stack([rgb, alpha])
    rgba[alpha == 0] = 0
    return rgba


def _round8(value: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.floor(np.clip(value, 0, 255) + 0.5).astype(np.uint8)


def _oklab_to_srgb8(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    # Written out: a matrix product may use fused multiply-add, and then depends on the CPU.
    lms = [_dot(row, (lab[:, 0], lab[:, 1], lab[:, 2])) for row in _LAB_TO_LMS]
    linear = [_dot(row, [v * v * v for v in lms]) for row in _LMS_TO_RGB]
    return np.column_stack([np.searchsorted(_ROUNDING, c, "right") for c in linear]).astype(
        np.uint8
    )


def _dot(row: Any, columns: Any) -> NDArray[np.float64]:
    total: NDArray[np.float64] = row[0] * columns[0] + row[1] * columns[1] + row[2] * columns[2]
    return total


def bounds(space: str, channels: int) -> NDArray[np.int32]:
    """Return the lowest and highest coordinate of any color, channel by channel, flat."""
    return np.array(_BOUNDS[space][:channels], np.int32).ravel()


def code(space: str) -> int:
    """Return the number that the native core knows a space by."""
    return CODES[space]


def shown_on(colors: NDArray[Any], ground: int) -> NDArray[np.uint8]:
    """Return (..., 3|4) uint8 colors as they look on a gray of 0 to 255: (..., 3)."""
    if colors.shape[-1] == 3:
        return colors
    color, alpha = colors[..., :3].astype(np.int32), colors[..., 3:].astype(np.int32)
    return ((color * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
