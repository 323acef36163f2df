"""Weighted k-means: move k centroids to where the points near them are.

    seeds (k, d) -> [lloyd: assign, update, assign, update ...] -> centroids (k, d)

Works on the native tree of weighted points and knows nothing of color. Each
assignment is exact but looks at few distances: whole boxes of points go to the
one centroid nearest to all of the box (Kanungo et al. 2002, IEEE Trans. PAMI
24(7), doi:10.1109/TPAMI.2002.1017616). Sums are integers, so neither thread
count nor CPU shows in the result.

The loop is a generator: callers watch, stop or draw it without callbacks in
the native code.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _core

__all__ = ["Step", "lloyd", "worst_served"]

CHUNK = 1 << 16  # points compared at a time


@dataclass(frozen=True, eq=False)
class Step:
    """One iteration of Lloyd's algorithm: an assignment and an update.

    Distances are in units of the working space: 8-bit steps in `srgb`, Oklab
    units (0 black to 1 white) in `oklab`.
    """

    iteration: int
    """1 for the first; 0 for the seeds themselves: shown if asked for, or if `max_iter` is 0."""
    distortion: float
    """Mean squared distance of the pixels to their cluster's new centroid; never rises."""
    shift: float
    """How far the centroid that moved most moved."""
    moved: int | None
    """Pixels that changed their cluster (all of them at first), if asked for."""
    centroids: NDArray[np.float32]
    """(k, d) after the update."""
    counts: NDArray[np.int64]
    """(k,) pixels of each cluster."""
    stop_reason: str | None
    """Why this is the last step: "converged", "tol" or "max_iter"; None if it is not."""
    distortion_before: float = math.nan
    """The same as `distortion` before the centroids moved: what the assignment alone reached."""


def lloyd(
    tree: _core.Tree,
    centroids: NDArray[np.float32],
    *,
    max_iter: int,
    tol: float,
    unit: float = 1.0,
    threads: int = 1,
    count_moved: bool = False,
    show_seeds: bool = False,
    fixed: int = 0,
) -> Iterator[Step]:
    """Yield the iterations of Lloyd's algorithm until nothing changes.

    Parameters
    ----------
    tree : native tree of n weighted points in d dimensions
    centroids : (k, d) float32, fixed point as in the tree
        Where to start. Not modified.
    max_iter : int >= 0
    tol : float >= 0, in units
        Stop once the largest shift of a centroid is at most this. At 0 the end is a fixed
        point: the same assignments give the same centroids, and nothing can change any more.
    unit : float
        Steps of the tree's fixed point that make one unit.
    threads : int >= 1
    count_moved : bool
        Count the pixels that change clusters; costs up to a tenth of the time.
    show_seeds : bool
        Yield the seeds as step 0; costs one more assignment.
    fixed : int, 0 to k
        So many centroids, the first ones, take points but do not move.

    Yields
    ------
    Step
        Distortion never rises from one to the next. A centroid without points moves to the
        worst-served point, so that no cluster stays empty while points differ from centroids.

    Notes
    -----
    Lloyd (1982), IEEE Trans. Inf. Theory 28(2), doi:10.1109/TIT.1982.1056489.
    """
    k, dims = centroids.shape
    sums = np.empty((k, dims + 1), np.int64)
    labels = np.full(tree.size, 65535, np.uint16) if count_moved else None
    if show_seeds or max_iter == 0:
        reason = "max_iter" if max_iter == 0 else None
        yield _seeds_as_step(tree, centroids, unit, threads, reason)
    for iteration in range(1, max_iter + 1):
        moved = _core.step(tree, centroids, sums, labels, threads)
        if iteration == 1 and count_moved:
            moved = int(sums[:, dims].sum())
        updated, before, cost, shift2 = _update(tree, centroids, sums, threads, fixed)
        shift = math.sqrt(shift2) / unit
        reason = "converged" if shift == 0 else "tol" if shift <= tol else None
        if reason is None and iteration == max_iter:
            reason = "max_iter"
        centroids = updated
        scale = int(sums[:, dims].sum()) * unit**2
        yield Step(
            iteration,
            cost / scale,
            shift,
            moved if count_moved else None,
            centroids / np.float32(unit),
            sums[:, dims].copy(),
            reason,
            before / scale,
        )
        if reason:
            return


def _seeds_as_step(
    tree: _core.Tree, seeds: NDArray[np.float32], unit: float, threads: int, reason: str | None
) -> Step:
    """The seeds before anything has moved, with the pixels that are nearest to each."""
    found = assign_and_update(tree, seeds, threads)
    distortion = found.before / int(found.counts.sum()) / unit**2
    return Step(
        0, distortion, 0.0, None, seeds / np.float32(unit), found.counts, reason, distortion
    )


@dataclass(frozen=True, eq=False)
class Update:
    """One assignment and update, in fixed point."""

    before: float
    """Sum of weighted squared distances of the points to the centroids they came to."""
    after: float
    """The same to their means, or to fixed centroids."""
    centroids: NDArray[np.float32]
    counts: NDArray[np.int64]


def assign_and_update(
    tree: _core.Tree, centroids: NDArray[np.float32], threads: int = 1, fixed: int = 0
) -> Update:
    """Assign points to centroids once; return the means, and the cost before and after.

    The first `fixed` centroids stay where they are.
    """
    sums = np.empty((len(centroids), centroids.shape[1] + 1), np.int64)
    _core.step(tree, centroids, sums, None, threads)
    updated, before, after, _ = _update(tree, centroids, sums, threads, fixed)
    return Update(before, after, updated, sums[:, -1])


def _update(
    tree: _core.Tree,
    centroids: NDArray[np.float32],
    sums: NDArray[np.int64],
    threads: int,
    fixed: int = 0,
) -> tuple[NDArray[np.float32], float, float, float]:
    """Return each cluster's mean, the cost before and after, and the largest shift, squared.

    The cost is the sum of weighted squared distances to the cluster's centroid. The first `fixed`
    centroids stay.
    """
    updated, before, after, shift2 = _core.update(tree, centroids, sums)
    empty = np.flatnonzero(sums[:, -1] == 0)
    empty = empty[empty >= fixed]
    if fixed:
        away = (updated[:fixed] - centroids[:fixed]).astype(np.float64)
        after += math.fsum((away**2).sum(1) * sums[:fixed, -1])
        updated[:fixed] = centroids[:fixed]
    if len(empty):
        _revive(tree, updated, empty, threads)
    if fixed or len(empty):
        shift2 = float(((updated - centroids).astype(np.float64) ** 2).sum(1).max())
    return updated, before, after, shift2


def _revive(
    tree: _core.Tree, centroids: NDArray[np.float32], empty: NDArray[np.intp], threads: int
) -> None:
    """Move empty clusters to the points that add most to the distortion, one each."""
    alive = np.setdiff1d(np.arange(len(centroids)), empty)
    entries = np.ascontiguousarray(np.rint(centroids[alive]).astype(np.int16))
    labels, d2 = np.empty(tree.size, np.uint16), np.empty(tree.size, np.int32)
    _core.nearest(tree, entries, labels, d2, threads)
    worst = worst_served(d2, tree.weights(), len(empty))
    centroids[empty[: len(worst)]] = tree.coordinates(worst.astype(np.uint32))


def worst_served(d2: NDArray[np.int32], weights: NDArray[np.int64], count: int) -> NDArray[np.intp]:
    """Return up to `count` points that add most to the distortion, worst first, ties in order.

    Points that add nothing are left out. A part at a time: sorting all would take long.
    """
    worst, errors = np.empty(0, np.intp), np.empty(0, np.int64)
    for start in range(0, len(d2), CHUNK):
        part = slice(start, start + CHUNK)
        error = d2[part] * weights[part]
        rivals = np.flatnonzero(error > (errors[-1] if len(errors) == count else 0))
        worst, errors = np.append(worst, rivals + start), np.append(errors, error[rivals])
        order = np.argsort(-errors, kind="stable")[:count]
        worst, errors = worst[order], errors[order]
    return worst
