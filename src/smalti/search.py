"""Search: palettes below what Lloyd's algorithm alone ends with, in less time.

    points -> cells -> seeds -> [find: breathe on cells, settle on all colors] -> Lloyd, once

Lloyd's algorithm stops at the nearest local minimum, 1 to 3 % above the best
known. Breathing gets below that: it moves centroids from where they are missed
least to where they are needed most, and keeps what turns out better. It happens
on cells of the color cube (colors that agree in their high bits), of which
there are few; on all colors, a few iterations at the end are enough.

The efforts differ only in the budget they spend. Sources: native/breathing.cpp.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _core, seeds

__all__ = ["EFFORTS", "Effort", "find", "make_cells", "with_fixed"]

FEW = 48
"""Up to here local minima are few and far apart, so starting again is worth its time."""

VERY_FEW = 24
"""Below, starts cost next to nothing: a palette has as many times more as it goes into this."""

CELLS_PER_SEED = 4
"""Fewer than plain k-means wants: what the seeds get wrong, breathing puts right."""


@dataclass(frozen=True)
class Effort:
    """What an effort may spend."""

    cells: int
    """Search on the coarsest cells of which there are so many per color of the palette."""
    starts: int
    """Further starts, from k-means++, for palettes of at most `FEW` colors; more for `VERY_FEW`."""
    cycles: int
    """Breathing cycles from each start."""
    largest: int
    """Palettes above this size get none, as each cycle compares all pairs of centroids."""
    iterations: int
    """Lloyd iterations in each cycle; one more for small palettes, where they cost least."""
    closing: int
    """Relaxed Lloyd iterations on all colors at the end."""


EFFORTS = {
    "turbo": Effort(cells=128, starts=0, cycles=2, largest=64, iterations=2, closing=1),
    "fast": Effort(cells=40, starts=0, cycles=6, largest=1024, iterations=2, closing=3),
    "default": Effort(cells=128, starts=2, cycles=12, largest=1024, iterations=3, closing=3),
    "best": Effort(cells=512, starts=8, cycles=60, largest=1024, iterations=5, closing=7),
}


def make_cells(tree: _core.Tree, k: int, effort: Effort, threads: int = 1) -> _core.Tree:
    """Return the cells to search on: a coarser tree, or the same if it has few points.

    `tree` gives up its keys, as nothing else needs them: a sixth of its memory.
    """
    dropped = tree.coarseness(effort.cells * k, threads)
    if not dropped:
        return tree
    cells = _core.coarsen(tree, dropped, threads)
    tree.forget_keys()
    return cells


def find(
    tree: _core.Tree,
    cells: _core.Tree,
    k: int,
    effort: Effort,
    *,
    start: Callable[[], NDArray[np.float32]] | None = None,
    seed: int = 0,
    threads: int = 1,
    fixed: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Return k centroids near the lowest distortion there is, and the iterations that took.

    Parameters
    ----------
    tree : native tree of n weighted points in d dimensions, n > k
    cells : what `make_cells` made of it
    k : int >= 1
    effort : what to spend
    start : gives the first start; default: splitting
    seed : of the further starts
    threads : never changes the result
    fixed : (m, d) float32 at whole coordinates, m <= k
        Centroids that take points but do not move; the others find their places beside them.

    Returns
    -------
    centroids : (k', d) float32, k' <= k, fixed point as in the tree; the fixed ones first
    iterations : int, of Lloyd's algorithm, on cells or on all colors
    """
    if fixed is None:
        fixed = np.empty((0, tree.dims), np.float32)
    cycles = effort.cycles if k <= effort.largest else 0
    each = effort.iterations + (k <= FEW)
    best, cost, iterations = None, math.inf, 0
    for other in _starts(cells, k, effort, start, seed, fixed):
        found, spent = _core.breathe(cells, other, 2, cycles, each, threads, len(fixed))
        iterations += spent
        if best is None or (len(other) == len(best) and found < cost):
            best, cost = other, found
    assert best is not None  # there is always a first start
    _, spent = _core.breathe(tree, best, effort.closing, 0, 1, threads, len(fixed))
    return best, iterations + spent


def _starts(
    cells: _core.Tree,
    k: int,
    effort: Effort,
    start: Callable[[], NDArray[np.float32]] | None,
    seed: int,
    fixed: NDArray[np.float32],
) -> Iterator[NDArray[np.float32]]:
    """Yield the places that breathing starts from."""
    first = start() if start else _core.split_seeds(cells, k, CELLS_PER_SEED)
    yield with_fixed(first, fixed)
    if 0 < len(fixed) < k:  # where fixed centroids serve next to nothing, this is nearer to the end
        yield np.concatenate([fixed, _core.split_seeds(cells, k - len(fixed), CELLS_PER_SEED)])
    more = max(1, VERY_FEW // k) if k <= FEW else 0
    for i in range(effort.starts * more):
        yield with_fixed(seeds.make(cells, k, "k-means++", (seed + i) % 2**64), fixed)


def with_fixed(seeds: NDArray[np.float32], fixed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return seeds of which each fixed centroid, in turn, has taken the place of the nearest.

    Parameters
    ----------
    seeds : (k, d) float32
    fixed : (m, d) float32

    Returns
    -------
    (max(k, m), d) float32
        The fixed ones first, then the seeds that are left, in their order.
    """
    left = np.ones(len(seeds), bool)
    for place in fixed[: len(seeds)]:
        d2 = ((seeds - place).astype(np.float64) ** 2).sum(1)
        left[np.where(left, d2, np.inf).argmin()] = False
    return np.concatenate([fixed, seeds[left]]) if len(fixed) else seeds
