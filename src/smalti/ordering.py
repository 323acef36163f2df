"""Orders of a palette in which entries that are neighbors in the picture have near indices.

    indices (H, W), palette (k, 3|4) -> [orders] -> permutations of the k entries

Row filters of PNG store differences between neighboring indices. In order of share, differences
say nothing, and filters only make files larger. In a good order they are small, and files of
photographs become several percent smaller than without filters.

An order is good when the sum over all neighboring pixels of the logarithm of their distance in it
is low: about the bits that the differences take. Each start is improved entry by entry; which one
ends lowest depends on the picture. On reordering for compression: Pinho and Neves (2004),
IEEE Transactions on Image Processing 13(11).
"""

import numpy as np
from numpy.typing import NDArray

from . import _core

__all__ = ["orders"]

Rows = NDArray[np.uint8]

SWEEPS = 4
"""Times through all entries; few move any more afterwards."""


def orders(indices: Rows, palette: Rows, *, fast: bool = False) -> list[Rows]:
    """Return orders of a palette that suit the picture, the most promising first.

    Parameters
    ----------
    indices : (H, W) uint8, each below k
    palette : (k, 3) or (k, 4) uint8, 1 <= k <= 256
    fast : one start and one sweep, for a tenth of the time

    Returns
    -------
    list of (k,) uint8
        Permutations: row i of the palette so ordered is row `order[i]` of the one given. Without
        `fast` there are three, of which all but the first have had one sweep only.

    Notes
    -----
    Integers only: the same orders on every CPU.

    >>> stripes = np.uint8([[0, 3, 1, 2]] * 4)
    >>> orders(stripes, np.uint8([[0, 0, 0], [60, 0, 0], [90, 0, 0], [9, 0, 0]]))[0].tolist()
    [0, 3, 1, 2]
    """
    k = len(palette)
    counts = _core.count_neighbors(np.ascontiguousarray(indices), k)
    grown = _core.grow_order(counts)
    if fast:
        _core.arrange(counts, 1, grown)
        return [grown]
    starts = [grown, _by_lightness(palette), _by_nearness(palette)]
    costs = [_core.arrange(counts, 1, start) for start in starts]
    starts = [starts[i] for i in np.argsort(costs, kind="stable")]
    _core.arrange(counts, SWEEPS - 1, starts[0])
    return starts


def _by_lightness(palette: Rows) -> Rows:
    """Sort by luma, the transparent before the opaque."""
    luma = palette[:, :3].astype(np.int64) @ np.array([2126, 7152, 722])
    alpha = palette[:, 3] if palette.shape[1] == 4 else np.full(len(palette), 255)
    return np.lexsort((luma, alpha)).astype(np.uint8)


def _by_nearness(palette: Rows) -> Rows:
    """Go from the first entry by lightness to the nearest of those left, again and again."""
    rows = palette.astype(np.int64)
    left = np.ones(len(rows), bool)
    order = [int(_by_lightness(palette)[0])]
    for _ in range(len(rows) - 1):
        left[order[-1]] = False
        d2 = ((rows - rows[order[-1]]) ** 2).sum(axis=1)
        order.append(int(np.where(left, d2, np.iinfo(np.int64).max).argmin()))
    return np.array(order, np.uint8)
