"""How far a compressed image is from its original, as numbers.

Distortion is the mean squared error per pixel, summed over the channels, in a
color space: the quantity that k-means lowers, so the one by which palettes are
compared. PSNR says the same per channel on a logarithmic scale, as image
papers do. Both take pixels of any shape, and weights, so that a histogram's few
colors give the same numbers as millions of pixels.

Original and result are converted to the working space chunk by chunk: no more
than a few MB beyond the two arrays, whatever their size.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .color import UNITS, to_points
from .errors import BadImage

__all__ = ["distortion", "psnr", "psnr_of"]

Array = NDArray[Any]

CHUNK = 1 << 16  # pixels converted at a time; 64 Ki points stay in the second-level cache


def distortion(
    original: Array,
    result: Array,
    space: str = "srgb",
    *,
    weights: Array | None = None,
) -> float:
    """Return the mean over pixels of the squared distance between two images in `space`.

    Parameters
    ----------
    original, result : (..., 3) or (..., 4) uint8 sRGB, of the same leading shape
        With alpha in either one, alpha is a coordinate like the others and color is
        premultiplied by it, as in palette building; an image without is opaque.
    space : "srgb" or "oklab"
        The unit is the square of an 8-bit step for "srgb", of Oklab's lightness (0 to 1)
        for "oklab".
    weights : (...) number >= 0, optional
        How many pixels each row stands for; 1 each when left out.

    Returns
    -------
    float >= 0
        Summed over channels, not averaged: a gray level off by one everywhere gives 3.

    Raises
    ------
    BadImage : the shapes differ.

    >>> black, gray = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 10, np.uint8)
    >>> distortion(black, gray)
    300.0
    """
    if original.shape[:-1] != result.shape[:-1]:
        raise BadImage(f"images of one size are compared, got {original.shape} and {result.shape}")
    channels = max(original.shape[-1], result.shape[-1])
    first, second = _flat(original), _flat(result)
    mass = None if weights is None else np.asarray(weights).ravel()
    total = 0.0
    for start in range(0, len(first), CHUNK):
        part = slice(start, start + CHUNK)
        difference = _points(first[part], space, channels)
        difference -= _points(second[part], space, channels)
        d2 = np.einsum("nd,nd->n", difference, difference)
        total += float(d2.sum() if mass is None else d2 @ mass[part])
    pixels = len(first) if mass is None else float(mass.sum())
    return total / pixels / UNITS[space] ** 2


def psnr(original: Array, result: Array, *, weights: Array | None = None) -> float:
    """Return the peak signal-to-noise ratio in decibels, per channel, in sRGB.

    10 log10(255² / mean squared error), the mean being over all pixels and all
    channels alike (3, or 4 when either image has alpha). Infinite for equal images.
    Arguments as for `distortion`.

    >>> black, gray = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 10, np.uint8)
    >>> round(psnr(black, gray), 2)
    28.13
    """
    channels = max(original.shape[-1], result.shape[-1])
    return psnr_of(distortion(original, result, "srgb", weights=weights), channels)


def psnr_of(distortion_srgb: float, channels: int) -> float:
    """Return the PSNR that an sRGB distortion, summed over `channels`, amounts to."""
    if distortion_srgb == 0:
        return math.inf
    return 10 * math.log10(255**2 * channels / distortion_srgb)


def _flat(image: Array) -> Array:
    return image.reshape(-1, image.shape[-1])


def _points(colors: Array, space: str, channels: int) -> Array:
    """Return working-space points as float64: integers, whose squares and sums stay exact."""
    if colors.shape[1] < channels:
        opaque = np.full((len(colors), 1), 255, np.uint8)
        colors = np.concatenate([colors, opaque], axis=1)
    return to_points(np.ascontiguousarray(colors), space).astype(np.float64)
