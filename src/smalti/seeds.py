"""Seeds: where k-means starts, which decides which local minimum it ends in.

    points -> [seeds] -> centroids (k, d) -> k-means

    splitting   cut the box that gains most, along its principal axis:
                Wan, Wong & Prusinkiewicz (1988), doi:10.1007/BFb0040413
    k-means++   far colors likely, the best of several drawn each time:
                Arthur & Vassilvitskii (2007), ACM-SIAM SODA, 1027-1035
    random      distinct colors of the image, drawn by their pixel counts: Forgy (1965)
    box         points of the bounding box, colors of the image or not:
                OpenCV's KMEANS_RANDOM_CENTERS

`splitting` is deterministic and nearly always the best start; the others are
here to be compared with, and to restart from.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from . import _core

__all__ = ["RESTARTS", "make"]

RESTARTS = {"splitting": 1, "k-means++": 1, "random": 10, "box": 10}
"""Default number of runs: random starts vary too much to trust one."""

CELLS_PER_SEED = 24
"""Fewer, and the places of the cuts show in what plain k-means ends with."""

_MASK = 2**64 - 1


def make(tree: _core.Tree, k: int, init: str, seed: int) -> NDArray[np.float32]:
    """Return at most k starting centroids for the points of `tree`.

    Parameters
    ----------
    tree : native tree of n points in d dimensions
    k : int >= 1
    init : "splitting", "k-means++", "random" or "box"
    seed : 0 <= int < 2**64
        Of the random numbers; "splitting" uses none.

    Returns
    -------
    (k', d) float32, k' <= k
        Fewer rows only when there are fewer than k different points.
    """
    if init == "splitting":
        return _core.split_seeds(tree, k, CELLS_PER_SEED)
    if init == "k-means++":
        trials = 2 + (k.bit_length() * 7) // 10  # about 2 + log k, as in scikit-learn
        return tree.coordinates(_core.plus_plus(tree, k, trials, seed))
    if init == "random":
        return tree.coordinates(_draw_rows(tree, k, seed))
    return _draw_in_box(tree, k, seed)


def _random(seed: int) -> Iterator[float]:
    """Numbers in [0, 1) from Vigna's splitmix64: the same on every system, for ever."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
        yield ((z ^ z >> 31) >> 11) * 2.0**-53


def _draw_rows(tree: _core.Tree, k: int, seed: int) -> NDArray[np.uint32]:
    """Rows of k distinct points (or all of them), likely ones first; no row twice."""
    ends = np.cumsum(tree.weights())
    random = _random(seed)
    rows: dict[int, None] = {}
    for _ in range(8 * k):  # rare colors would take for ever
        if len(rows) == min(k, tree.size):
            break
        pixel = int(next(random) * int(ends[-1]))
        rows[int(np.searchsorted(ends, pixel, "right"))] = None
    for row in range(tree.size):
        if len(rows) == min(k, tree.size):
            break
        rows[row] = None
    return np.fromiter(rows, np.uint32, len(rows))


def _draw_in_box(tree: _core.Tree, k: int, seed: int) -> NDArray[np.float32]:
    low, high = tree.box()
    random = _random(seed)
    fractions = np.array([[next(random) for _ in low] for _ in range(k)])
    points: NDArray[np.float32] = (low + fractions * (high - low)).astype(np.float32)
    return points
