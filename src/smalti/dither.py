"""Dither: mixing palette entries, for gradients that a palette would turn into bands.

    image (H, W, 3|4), palette (k, 3|4), indices (H, W) -> [dithered] -> indices (H, W)

*Error diffusion* takes pixel by pixel, serpentine, the exactly nearest entry to a color plus
the errors handed to it, and hands its own error on to neighbors: Floyd–Steinberg, Atkinson,
Sierra Lite. *Ordered* dithering compares how much of a second entry each color needs with a
tile of thresholds: Bayer's, a regular pattern that compresses well, or blue noise.

Each pixel has a strength. At 0 it keeps the index it had, and neither takes nor gives error;
`strengths` finds those which need more: where bands would show. All in the working space and in
numbers that are exact or rounded once: the same on every CPU.

An error is handed on only as far as other entries can make it good: where the palette
has nothing in reach, unlimited error piles up and bursts into bright specks.

Floyd & Steinberg (1976), Proc. SID 17(2), 75-77. Bayer (1973), Proc. IEEE ICC, 26-11 to 26-15.
Ulichney (1993), Proc. SPIE 1913. Mixing two entries of any palette: after J. Yliluoma (2011),
"Arbitrary-palette positional dithering algorithm", with a measure of our own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _core, color
from .errors import BadOption
from .options import check

__all__ = ["FULL", "METHODS", "Dithering", "dithered", "floyd_steinberg", "strengths"]

FULL = 128
"""A strength of 1: strengths are whole numbers."""

DIFFUSERS = ("floyd-steinberg", "atkinson", "sierra-lite")  # by their numbers in the native core
ORDERED = ("bayer", "blue-noise")
METHODS = DIFFUSERS + ORDERED

MOST_COLORS = 256


@dataclass(frozen=True)
class Dithering:
    """The options of dithering, checked: method, strength, and whether only where needed."""

    method: str = "none"
    strength: float = 1.0
    adaptive: bool = True

    @classmethod
    def of(cls, method: str, strength: float = 1.0, adaptive: bool = True) -> "Dithering":
        """Check the options; raises BadOption. No strength is no dithering."""
        check("dither", method)
        strength = check("dither_strength", strength)
        if not isinstance(adaptive, bool | np.bool_):
            raise BadOption(f"dither_adaptive must be True or False, got {adaptive!r}")
        return cls(method if strength else "none", strength, bool(adaptive))

    def refuse_above(self, k: int) -> None:
        """Raise BadOption if a method was asked for that cannot do with so many colors."""
        if k > MOST_COLORS and self.method in METHODS:
            raise BadOption(
                f"dithering needs a palette of at most {MOST_COLORS} colors, got {k:,}; "
                'with that many colors use dither="none"'
            )


def strengths(
    image: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    indices: NDArray[np.uint8],
    *,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Find how much each pixel of a mapped image needs dithering.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8 sRGB, C-contiguous
    palette : (k, C) uint8 sRGB with the channels of the image, k <= 256
    indices : (H, W) uint8
        Of the entries that the pixels have now: the nearest ones.

    Returns
    -------
    (H, W) uint8, 0 to `FULL`
        0 where a pixel has its own color, or cannot be seen.

    Notes
    -----
    What shows are errors that neighbors share. So a pixel needs dithering as far as the mean error
    of the 3 x 3 pixels around it exceeds what is visible, 0.0049 in Oklab, and the more, the
    more they differ from each other (an eighth of their variance is added to its square): errors
    hide at edges, in text and in texture. Where all nine have one color there is no band, and
    errors show from 0.02. The mean of that excess, squared, over 9 x 9 pixels is then what
    counts: nothing where it is just visible, everything at four times that.
    """
    needed = np.empty(indices.shape, np.uint8)
    entries = color.to_points(palette, "oklab")
    _core.find_bands(image, color.LINEAR, entries, indices, needed, threads)
    return needed


def dithered(
    image: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    indices: NDArray[np.uint8],
    space: str,
    method: str,
    strengths: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Dither an image to a palette.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8 sRGB, C-contiguous
    palette : (k, C) uint8 sRGB with the channels of the image, 1 <= k <= 256
    indices : (H, W) uint8
        What pixels of strength 0 keep.
    space : "srgb" or "oklab"
    method : one of `METHODS`
    strengths : (H, W) uint8, 0 to `FULL`

    Returns
    -------
    (H, W) uint8

    Notes
    -----
    In error diffusion a value never leaves the box around the colors of the space, and the square
    of the error that a pixel hands on never exceeds half the squared distance from its entry to the
    next. Opaque pixels take opaque entries where there are any; fully transparent pixels take a
    fully transparent entry and neither give nor take error.
    """
    channels = image.shape[2]
    opaque, transparent = np.ones(len(palette), np.uint8), -1
    if channels == 4:
        if (palette[:, 3] == 255).any():
            opaque = (palette[:, 3] == 255).astype(np.uint8)
        transparent = int(palette[:, 3].argmin())
    found = indices.copy()
    common = (
        image,
        color.code(space),
        color.LINEAR,
        color.to_points(palette, space),
        opaque,
        transparent,
        color.bounds(space, channels),
        strengths,
        found,
    )
    if method in DIFFUSERS:
        _core.diffuse(DIFFUSERS.index(method), *common)
    else:
        _core.order(thresholds(method), *common)
    return found


def floyd_steinberg(
    image: NDArray[np.uint8], palette: NDArray[np.uint8], space: str
) -> NDArray[np.uint8]:
    """Dither all of an image by Floyd–Steinberg error diffusion; see `dithered`."""
    everywhere = np.full(image.shape[:2], FULL, np.uint8)
    return dithered(image, palette, everywhere, space, "floyd-steinberg", everywhere)


def thresholds(method: str) -> NDArray[np.uint16]:
    """Return the tile of an ordered method: (side, side), each above 0 and below 512.

    >>> thresholds("bayer")[:2, :4]
    array([[  4, 260,  68, 324],
           [388, 132, 452, 196]], dtype=uint16)
    """
    if method == "bayer":
        return (bayer(8) * 8 + 4).astype(np.uint16)
    from . import blue_noise

    return blue_noise.tile().astype(np.uint16) * 2 + 1


def bayer(side: int) -> NDArray[np.int64]:
    """Return Bayer's matrix, the ranks 0 to side^2 - 1, for a power of two.

    >>> bayer(2)
    array([[0, 2],
           [3, 1]])
    """
    ranks = np.zeros((1, 1), np.int64)
    while len(ranks) < side:
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return ranks
