"""Remap: the exactly nearest palette entry of every color.

    colors (n, 3|4), palette (k, 3|4) -> [Remapper] -> labels (n,)

Nearest means the smallest squared distance between fixed-point coordinates in
the working space, ties to the lower row: what brute force over all entries
gives. With alpha there are two rules on top, so that no edge of a cut-out is
ever changed by rounding: fully transparent colors take a fully transparent
entry and opaque ones an opaque entry, wherever the palette has one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, color

__all__ = ["Remapper", "allowed_rows"]

CHUNK = 1 << 16  # rows looked up at a time


def allowed_rows(palette: NDArray[np.uint8], alpha: int) -> NDArray[np.bool_]:
    """Return which palette rows a color of this alpha may take: (k,) bool, never all False.

    >>> palette = np.array([[0, 0, 0, 0], [9, 9, 9, 200], [9, 9, 9, 255]], np.uint8)
    >>> allowed_rows(palette, 255)
    array([False, False,  True])
    """
    rows = np.ones(len(palette), bool)
    if palette.shape[1] == 4 and alpha in (0, 255):
        same = palette[:, 3] == alpha
        if same.any():
            return np.asarray(same)
    return rows


class Remapper:
    """Finds nearest palette entries for a fixed set of colors; keeps the trees for that.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8 sRGB, distinct, in the storage order of a histogram
    space : "srgb" or "oklab"
    tree : a native tree of these colors, if there is one already (RGB only)
    counts : (n,) int64, if there are any: trees have weights, though nothing here depends on them
    """

    def __init__(
        self,
        colors: NDArray[np.uint8],
        space: str,
        tree: Any = None,
        counts: NDArray[np.int64] | None = None,
    ) -> None:
        self._colors = colors
        self._counts = np.ones(len(colors), np.int64) if counts is None else counts
        self._space = space
        self._trees: dict[tuple[int, int, int], Any] = {}
        if tree is not None and colors.shape[1] == 3:
            self._trees[0, len(colors), 3] = tree

    def nearest(
        self, palette: NDArray[np.uint8], *, threads: int = 1
    ) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
        """Return the nearest palette row of each color, and how far away it is.

        Parameters
        ----------
        palette : (k, 3) or (k, 4) uint8 sRGB, 1 <= k <= 65,536

        Returns
        -------
        labels : (n,) uint16
        d2 : (n,) int32
            Squared distance in fixed point, `color.UNITS[space]` steps to a unit.
        """
        d2 = np.empty(len(self._colors), np.int32)
        return self.rows(palette, threads=threads, d2=d2), d2

    def rows(
        self,
        palette: NDArray[np.uint8],
        *,
        threads: int = 1,
        d2: NDArray[np.int32] | None = None,
    ) -> NDArray[np.uint16]:
        """Return the nearest rows only; distances are written to `d2` if there is one."""
        labels = np.empty(len(self._colors), np.uint16)
        for begin, end, alpha in self._classes():
            rows = np.flatnonzero(allowed_rows(palette, alpha)).astype(np.uint16)
            entries = palette[rows]
            if alpha == 255 and (palette.shape[1] == 3 or (entries[:, 3] == 255).all()):
                entries = entries[:, :3]  # all opaque: nothing to gain from a fourth coordinate
            elif palette.shape[1] == 3:
                entries = np.column_stack([entries, np.full(len(entries), 255, np.uint8)])
            points = color.to_points(np.ascontiguousarray(entries), self._space)
            tree = self._tree(begin, end, entries.shape[1], threads)
            part = labels[begin:end]
            _core.nearest(tree, points, part, None if d2 is None else d2[begin:end], threads)
            if len(rows) < len(palette):
                for at in range(0, len(part), CHUNK):  # NumPy widens each index to 8 bytes
                    part[at : at + CHUNK] = rows[part[at : at + CHUNK]]
        return labels

    def _classes(self) -> list[tuple[int, int, int]]:
        """Runs of the colors under one rule: (begin, end, alpha), 128 for partial alpha."""
        n = len(self._colors)
        if self._colors.shape[1] == 3:
            return [(0, n, 255)]
        alphas = self._colors[:, 3]
        opaque = int((alphas == 255).sum())
        partial = n - int(alphas[-1] == 0)  # all transparent pixels have the same color, the last
        runs = [(0, opaque, 255), (opaque, partial, 128), (partial, n, 0)]
        return [run for run in runs if run[0] < run[1]]

    def _tree(self, begin: int, end: int, dims: int, threads: int) -> Any:
        key = (begin, end, dims)
        if key not in self._trees:
            colors = self._colors[begin:end]
            if colors.shape[1] < dims:
                colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
            colors = np.ascontiguousarray(colors[:, :dims])
            counts = self._counts[begin:end]
            self._trees[key] = color.make_tree(
                colors, counts, self._space, threads=threads, keep_keys=False
            )
        return self._trees[key]
