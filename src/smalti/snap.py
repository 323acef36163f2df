"""Snap: flat areas keep their very color.

    Histogram, Palette, labels -> [snapped] -> Palette, labels

The mean of a flat area and of the blends along its edges is a color that is neither. So an
entry half of whose pixels have one color becomes that color: logos, text and backgrounds are
stored as they are, for an error that is as good as the same. Photographs have hardly any
such entries.
"""

import numpy as np
from numpy.typing import NDArray

from .histogram import Histogram
from .palette import Palette
from .remap import Remapper

__all__ = ["snapped"]


def snapped(
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    space: str,
    *,
    threads: int = 1,
) -> tuple[Palette, NDArray[np.uint16]]:
    """Give entries the color that at least half of their pixels have.

    Parameters
    ----------
    histogram : n distinct colors
    palette : (k, 3|4)
    labels : (n,) uint16, the nearest entry of each color

    Returns
    -------
    palette : with shares of the pixels nearest to each entry now; rows in their places
    labels : (n,) uint16

    >>> histogram = Histogram.of(np.uint8([[[200, 0, 0]] * 9 + [[180, 20, 20]]]))
    >>> palette, labels = Palette(np.uint8([[198, 2, 2]])), np.zeros(2, np.uint16)
    >>> snapped(histogram, palette, labels, "oklab")[0].hex()
    ['#c80000']
    """
    colors, counts = histogram.stored_colors, histogram.stored_counts
    order = np.argsort(counts, kind="stable")
    heaviest = np.full(palette.k, -1)
    heaviest[labels[order]] = order  # the last one stays: that with the most pixels
    weights = np.bincount(labels, counts, palette.k)
    rows = np.flatnonzero((heaviest >= 0) & (2 * counts[heaviest] >= weights))
    snapped_colors = palette.colors.copy()
    snapped_colors[rows] = colors[heaviest[rows], : palette.colors.shape[1]]
    if (snapped_colors == palette.colors).all():
        return palette, labels
    remapper = Remapper(colors, space, counts=counts)
    labels = remapper.rows(snapped_colors, threads=threads)
    shares = np.bincount(labels, counts, palette.k) / histogram.total
    return Palette(snapped_colors, shares), labels
