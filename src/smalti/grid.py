"""A grid: a coarse histogram that also maps, for `effort="turbo"`.

    image -> [Grid] -> Histogram of its cells -> palette -> [map] -> indices

The color cube is cut into boxes of 8 steps a side. One pass over the pixels finds
how many fall into each and what their mean color is; palettes are built from
these means as if they were the colors. Mapping looks up cells too: one that
lies between two palette entries is divided where they are equally far, and
only where three meet in one cell may a pixel get the second-nearest.
"""

import numpy as np
from numpy.typing import NDArray

from . import _core, color
from .histogram import Histogram
from .image import Image

__all__ = ["Grid"]

ENOUGH = 3
"""Cells per color of the palette, below which they are too few to build it from."""

LARGEST = 256
"""Palettes above this size need finer cells; the exact histogram is made for them."""


class Grid:
    """The cells of an opaque image and their mean colors.

    Attributes
    ----------
    histogram : of the mean colors, rounded to 8 bits, one for each cell
    """

    def __init__(self, native: _core.Grid, threads: int) -> None:
        self._native = native
        self._threads = threads
        self.histogram = Histogram.of_stored(native.colors(), native.counts())

    @classmethod
    def of(cls, image: Image, k: int, *, threads: int = 1) -> "Grid | None":
        """Return the grid of a (H, W, 3) image, or None where it would not do for k colors."""
        if k > LARGEST or image.shape[2] != 3:
            return None
        native = _core.make_grid(image.reshape(-1, 3), threads)
        return cls(native, threads) if native.size >= ENOUGH * k else None

    def map(self, image: Image, palette: NDArray[np.uint8], space: str) -> NDArray[np.uint8]:
        """Return for each pixel of the image the row of an entry that is nearest, or nearly so.

        Parameters
        ----------
        image : the image that this grid was made of
        palette : (k, 3) uint8, k <= 256

        Returns
        -------
        (H, W) uint8
        """
        indices = np.empty(image.shape[:2], np.uint8)
        colors, counts = self.histogram.stored_colors, self.histogram.stored_counts
        self._native.map(
            color.make_tree(colors, counts, space, threads=self._threads),
            image.reshape(-1, 3),
            color.to_points(palette, space),
            color.CODES[space],
            color.LINEAR,
            indices.reshape(-1),
            self._threads,
        )
        return indices
