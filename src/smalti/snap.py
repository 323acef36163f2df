"""Snap: flat areas keep their very color.

    Histogram, Palette, labels -> [snapped] -> Palette, labels

The mean of a flat area and of the blends along its edges is a color that is neither. So an
entry most of whose pixels have one color becomes that color: logos, text and backgrounds are
stored as they are, for an error that is as good as the same. Photographs have hardly any
such entries.
"""

import numpy as np
from numpy.typing import NDArray

from .histogram import Histogram, pack, widen
from .palette import Palette
from .remap import Remapper

__all__ = ["snapped"]

LEAST = 16
"""Pixels of one color that may be an area."""


def snapped(
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    space: str,
    *,
    fixed: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> tuple[Palette, NDArray[np.uint16]]:
    """Give entries the color that more than half of their pixels have.

    Parameters
    ----------
    histogram : n distinct colors
    palette : (k, 3|4)
    labels : (n,) uint16, the nearest entry of each color
    fixed : (m, C) uint8, entries that stay as they are

    Returns
    -------
    palette : with shares of the pixels nearest to each entry now; rows in their places
    labels : (n,) uint16

    >>> histogram = Histogram.of(np.uint8([[[200, 0, 0]] * 20 + [[180, 20, 20]]]))
    >>> palette, labels = Palette(np.uint8([[198, 2, 2]])), np.zeros(2, np.uint16)
    >>> snapped(histogram, palette, labels, "oklab")[0].hex()
    ['#c80000']
    """
    colors, counts = histogram.stored_colors, histogram.stored_counts
    order = np.argsort(counts, kind="stable")
    heaviest = np.full(palette.k, -1)
    heaviest[labels[order]] = order  # the last one stays: that with the most pixels
    weights = np.bincount(labels, counts, palette.k)
    found, largest = colors[heaviest], counts[heaviest]
    rows = (heaviest >= 0) & (largest >= LEAST) & (2 * largest > weights)
    found = widen(found, palette.colors.shape[1])
    if palette.colors.shape[1] == 4:  # none becomes clear, or opaque, or ceases to be
        rows &= (found[:, 3] > 0) & ((found[:, 3] == 255) == (palette.colors[:, 3] == 255))
    if fixed is not None:
        rows &= ~np.isin(pack(palette.colors), pack(fixed))
    snapped_colors = palette.colors.copy()
    snapped_colors[rows] = found[rows]
    if (snapped_colors == palette.colors).all():
        return palette, labels
    remapper = Remapper(colors, space, counts=counts)
    labels = remapper.rows(snapped_colors, threads=threads)
    shares = np.bincount(labels, counts, palette.k) / histogram.total
    return Palette(snapped_colors, shares), labels
