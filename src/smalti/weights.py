"""Weights: which pixels matter more to the palette.

    "auto" | map.png | array -> [weight_map] -> (H, W) uint8 -> Histogram.weighted -> fit

The eye forgives in busy texture what it sees in a smooth sky (masking), so "auto" weighs a pixel
by how quiet its surroundings are. A map of one's own says it for a face, or a logo. Weights
only choose the palette: all pixels are mapped, and errors are those of pixels as ever.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage
from .histogram import Histogram
from .image import Image
from .load import load

__all__ = ["AUTO", "activity_weights", "is_map", "weight_map", "weighted_histogram"]

AUTO = "auto"

REACH = 2
"""Pixels to each side that count as surroundings: windows of 5 x 5."""

QUIET = 20
"""Mean step between neighbors, in 8-bit luma, at which a pixel counts half."""

LEVELS = 32
"""Weights of "auto": finer ones change nothing, and cost time."""


def is_map(given: Any) -> bool:
    """Whether somebody said which pixels matter, rather than how to find them."""
    return given is not None and not (isinstance(given, str) and given == AUTO)


def weighted_histogram(given: Any, image: Image, threads: int = 1) -> Histogram | None:
    """Count the colors of an image by `weight_map`; None where all pixels weigh the same."""
    weights = weight_map(given, image)
    return None if weights is None else Histogram.weighted(image, weights, threads=threads)


def weight_map(given: Any, image: Image) -> NDArray[np.uint8] | None:
    """Return the weight of each pixel, or None where all weigh the same.

    Parameters
    ----------
    given : None; "auto"; (H, W) uint8 or bool; or a picture as `load` takes it
        Of a picture, the luma, and that times alpha where it has any. A file called auto is
        ./auto.
    image : (H, W, 3|4) uint8 sRGB

    Raises
    ------
    MissingFile, BadImage, LimitExceeded : as for `load`.
    BadImage : a map of another size, or 0 everywhere.
    """
    if given is None:
        return None
    if not is_map(given):
        return activity_weights(image)
    weights = given
    if not (isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype == np.bool_):
        weights = _luma(load(given)).astype(np.uint8)
    if weights.shape != image.shape[:2]:
        (height, width), (rows, columns) = image.shape[:2], weights.shape
        raise BadImage(
            f"the weight map must be as large as the picture, {width:,} × {height:,} pixels, "
            f"got {columns:,} × {rows:,}"
        )
    if not weights.any():
        raise BadImage("the weight map is 0 (black) everywhere, so that no pixel counts")
    found: NDArray[np.uint8] = weights.astype(np.uint8)
    return found


def activity_weights(image: Image) -> NDArray[np.uint8]:
    """Weigh pixels by how quiet their surroundings are: smooth areas most, busy texture least.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB

    Returns
    -------
    (H, W) uint8, 1 to `LEVELS`

    >>> image = np.zeros((5, 40, 3), np.uint8)
    >>> image[:, 20::2] = 255
    >>> activity_weights(image)[2, [0, 10, 30]].tolist()
    [32, 32, 4]
    """
    luma = _luma(image)
    steps = np.zeros(luma.shape, np.int64)
    for axis in (0, 1):
        step = np.abs(np.diff(luma, axis=axis))
        after = [slice(None), slice(None)]
        after[axis] = slice(1, None)
        steps[tuple(after)] += step
    window = 2 * REACH + 1
    total = _sums(_sums(steps, REACH, 0), REACH, 1)
    quiet = 2 * QUIET * window * window  # two steps lead to each pixel
    return np.maximum(1, LEVELS * quiet // (quiet + total)).astype(np.uint8)


def _luma(image: Image) -> NDArray[np.int64]:
    """Weighted mean of the channels, 0 to 255, times alpha: Rec. 601 in 256ths."""
    red, green, blue = (image[..., i].astype(np.int64) for i in range(3))
    luma: NDArray[np.int64] = (77 * red + 150 * green + 29 * blue + 128) >> 8
    if image.shape[2] == 4:
        luma = (luma * image[..., 3] + 127) // 255
    return luma


def _sums(values: NDArray[np.int64], reach: int, axis: int) -> NDArray[np.int64]:
    """Sums of windows along an axis; beyond the edge, the picture goes on as it ends."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (reach + 1, reach)
    ends = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis)
    n, window = values.shape[axis], 2 * reach + 1
    return np.asarray(
        np.take(ends, np.arange(window, n + window), axis) - np.take(ends, np.arange(n), axis)
    )
