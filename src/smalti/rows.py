"""Rows: k-means of any numbers, not only of colors, in float64.

    X (n, d) -> [Rows: equal ones merged, weights added] -> [make_seeds] -> [lloyd] -> centroids

What `smalti.sklearn.KMeans` is made of. Merging comes first: pictures have fewer
colors than pixels, and a row that is there twice must do what one of twice the
weight does. Then rows are searched as if they were colors: rounded to 256 steps a
side, and seen in the three directions that they differ in most where they have more
than three columns, they go through the search that palettes come from. That only
has to find a good start; Lloyd's algorithm, on the rows as they are, has the last word.

Rows lie on their side, (d, n), so that columns are contiguous, and sums over them have
one order: the number of threads never shows.
"""

import heapq
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, color, kmeans, search, seeds
from .histogram import Histogram

__all__ = ["Fitted", "Rows", "lloyd", "make_seeds", "nearest"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CHUNK = 1 << 16  # rows of X turned on their side, or hashed, at a time

FEW = 1000  # rows that are looked at first

STEPS = 255
"""Of the grid that up to three columns are searched on."""

SEARCHED = 4
"""Up to so many columns the search beats splitting; with more, it depends on the data."""

CELLS_PER_SEED = 4
"""With fewer cells in use, some far outlier has left the others too few to search on."""

SEARCHES = 3
"""From different seeds; the lowest is taken. Ten runs of plain k-means hardly ever end lower then
(bench/parity.py)."""

HEAVIEST = 2**40
"""What weights of the search add up to where they are no integers; colors have had as many."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct rows and their weights."""

    columns: Floats
    """(d, n), C-contiguous."""
    weights: Floats
    """(n,), each > 0."""
    back: Labels
    """For each row of X, which of these it is; -1 where it has no weight."""
    colors: NDArray[np.uint8] | None = None
    """(n, 3), in the storage order of a histogram, if the rows are pixels,"""
    scale: float = 1.0
    """times this."""

    @classmethod
    def of(cls, X: NDArray[np.floating], weights: Floats, threads: int = 1) -> "Rows":
        """Merge the equal rows of X, (n, d) finite float32 or float64; one weight is above 0.

        >>> rows = Rows.of(np.array([[5.5, 1.0], [2.0, 1.0], [5.5, 1.0]]), np.ones(3))
        >>> rows.columns.shape, sorted(rows.weights.tolist())
        ((2, 2), [1.0, 2.0])
        """
        kept = np.flatnonzero(weights > 0)
        if len(kept) < len(X):
            heavy = cls.of(X[kept], weights[kept], threads)
            back = np.full(len(X), -1)
            back[kept] = heavy.back
            return replace(heavy, back=back)
        colors, (pixels, scale) = None, _as_pixels(X)
        if pixels is None:
            first, back = _merge(X)
        else:
            colors, back = _merge_pixels(pixels, threads)
            first = np.empty(len(colors), np.int64)
            first[back] = np.arange(len(X))
        merged: Any = np.bincount(back, weights, len(first))
        return cls(_sideways(X[first]), merged, back, colors, scale)

    @property
    def size(self) -> int:
        """Number of distinct rows."""
        return int(self.columns.shape[1])

    @property
    def dims(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def at(self, rows: NDArray[np.integer]) -> Floats:
        """Return some rows, (m, d)."""
        return np.ascontiguousarray(self.columns[:, rows].T)

    def variance(self) -> float:
        """Mean of the variances of the columns."""
        share = self.weights / self.weights.sum()
        centered = [column - (column * share).sum() for column in self.columns]
        return float(np.mean([(c * c * share).sum() for c in centered]))


def _as_pixels(X: NDArray[np.floating]) -> tuple[NDArray[np.uint8] | None, float]:
    """Return rows of up to three whole numbers in 0..255, or of such by 255, as (n, 3) uint8.

    And what X was multiplied by for that, 1 or 255.
    """
    if X.shape[1] > 3:
        return None, 1.0
    for full in (1, STEPS):
        pixels = np.zeros((len(X), 3), np.uint8)
        for part in (slice(0, FEW), slice(FEW, None)):  # a few will tell in most cases
            with np.errstate(over="ignore"):  # what does is no pixel
                values = X[part] * X.dtype.type(full)
            if not ((values >= 0) & (values < STEPS + 0.5)).all():
                break
            inside = pixels[part, : X.shape[1]]
            inside[:] = np.rint(values)
            if not np.array_equal(inside / X.dtype.type(full), X[part]):
                break
        else:
            return pixels, float(full)
    return None, 1.0


def _merge_pixels(pixels: NDArray[np.uint8], threads: int) -> tuple[NDArray[np.uint8], Labels]:
    """Return the distinct colors of pixels, and for each pixel which of them it is."""
    colors, _ = _core.count_colors(pixels, threads)
    numbers, back = np.arange(len(colors)), np.zeros(len(pixels), np.int64)
    half = np.empty(len(pixels), np.uint16)
    for shift in (0, 16):  # there are up to 2^24, and labels have 16 bits
        if len(colors) >> shift:
            labels = (numbers >> shift & 0xFFFF).astype(np.uint16)
            _core.gather(pixels, colors, labels, half, threads)
            back |= half.astype(np.int64) << shift
    return colors, back


def _sideways(X: NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(X.T, dtype=np.float64)


def _merge(X: NDArray[np.floating]) -> tuple[Labels, Labels]:
    """Return where each distinct row is first, by an order that is theirs alone, and the way back.

    Equal rows have equal keys. Should unequal ones have, too, NumPy's slower way is taken.
    """
    X = X + X.dtype.type(0)  # -0.0 is 0.0
    keys = np.concatenate([_keys(X[at : at + CHUNK]) for at in range(0, len(X), CHUNK)])
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    first, back = order[starts], np.empty(len(X), np.int64)
    back[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(X)))
    for at in range(0, len(X), CHUNK):
        part = slice(at, at + CHUNK)
        if not np.array_equal(X[first[back[part]]], X[part]):
            _, first, back = np.unique(X, axis=0, return_index=True, return_inverse=True)
            return first, back.reshape(-1)
    return first, back


def _keys(X: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Hash rows: the bits of each number, stirred, with an odd factor for its column."""
    factors = np.random.RandomState(0).randint(0, 2**63, X.shape[1:], np.uint64)
    stored = np.uint64 if X.itemsize == 8 else np.uint32
    bits: NDArray[np.uint64] = np.ascontiguousarray(X).view(stored).astype(np.uint64)
    bits ^= bits >> np.uint64(32)
    bits *= factors * np.uint64(2) + np.uint64(1)
    bits ^= bits >> np.uint64(29)
    keys: NDArray[np.uint64] = bits.sum(axis=1) * np.uint64(0x9E3779B97F4A7C15)
    return keys


def nearest(
    columns: Floats, centroids: NDArray[np.floating], threads: int = 1
) -> tuple[Labels, Floats]:
    """Return the nearest centroid of each row, ties to the lower one, and its squared distance.

    Parameters
    ----------
    columns : (d, n) float64, C-contiguous: the rows on their side
    centroids : (k, d)
    """
    n = columns.shape[1]
    labels, d2 = np.empty(n, np.int64), np.empty(n)
    places = np.ascontiguousarray(centroids, dtype=np.float64)
    _core.nearest_rows(columns, places, labels, d2, threads)
    return labels, d2


def nearest_of(
    X: NDArray[np.floating], centroids: NDArray[np.floating], threads: int = 1
) -> tuple[Labels, Floats]:
    """Return what `nearest` does, for rows as they stand, (n, d)."""
    labels, d2 = np.empty(len(X), np.int64), np.empty(len(X))
    for at in range(0, len(X), CHUNK):
        part = slice(at, at + CHUNK)
        labels[part], d2[part] = nearest(_sideways(X[part]), centroids, threads)
    return labels, d2


@dataclass(frozen=True, eq=False)
class Fitted:
    """What Lloyd's algorithm ends with."""

    centroids: Floats
    """(k, d)."""
    inertia: float
    """Sum over the rows of weight times squared distance, before the last update."""
    iterations: int


def lloyd(rows: Rows, centroids: Floats, *, max_iter: int, tol: float, threads: int = 1) -> Fitted:
    """Move centroids to a local minimum of the inertia.

    Parameters
    ----------
    rows : with more of them than centroids, no cluster stays empty
    centroids : (k, d) float64
    max_iter : int >= 1
    tol : float >= 0
        Stop once the squared shifts of all centroids add up to no more, as in scikit-learn.

    Notes
    -----
    Lloyd (1982), IEEE Trans. Inf. Theory 28(2), doi:10.1109/TIT.1982.1056489. A centroid without
    rows moves to the row that adds most to the inertia.
    """
    before, iteration, cost = None, 0, rows.weights
    weighted = rows.columns * rows.weights
    while iteration < max_iter:
        iteration += 1
        labels, d2 = nearest(rows.columns, centroids, threads)
        cost = rows.weights * d2
        if before is not None and np.array_equal(labels, before):
            break
        before = labels
        updated = _means(rows, weighted, labels, cost, centroids)
        shift2 = float(((updated - centroids) ** 2).sum())
        centroids = updated
        if shift2 <= tol:
            break
    return Fitted(centroids, float(cost.sum()), iteration)


def _means(rows: Rows, weighted: Floats, labels: Labels, cost: Floats, centroids: Floats) -> Floats:
    """Return the mean of each cluster; empty ones move to the rows that cost most."""
    k = len(centroids)
    mass = np.bincount(labels, rows.weights, k)
    sums = np.column_stack([np.bincount(labels, column, k) for column in weighted])
    alive = mass > 0
    means = centroids.copy()
    means[alive] = sums[alive] / mass[alive, None]
    empty = np.flatnonzero(~alive)
    if len(empty):
        worst = np.argsort(-cost, kind="stable")[: len(empty)]  # fewer, where there are fewer rows
        means[empty[: len(worst)]] = rows.at(worst)
    return means


def make_seeds(
    rows: Rows, k: int, init: str, random: np.random.RandomState, threads: int = 1
) -> Floats:
    """Return k different starting centroids, (k, d).

    Parameters
    ----------
    rows : more than k
    init : "splitting", "k-means++" or "random"
        "splitting" is followed by a search; for more than `SEARCHED` columns, by the better of a
        search and of splitting in all of them.
    random : of the random numbers
    """
    if init == "random":
        share = rows.weights / rows.weights.sum()
        return rows.at(random.choice(rows.size, k, replace=False, p=share))
    if init == "k-means++":
        return rows.at(_plus_plus(rows, k, random, threads))
    searched = _search_shadow(rows, k, random, threads)
    if searched is None:
        return _split(rows, k)
    if rows.dims <= SEARCHED:
        return searched
    both = searched, _split(rows, k)
    costs = [float((rows.weights * nearest(rows.columns, s, threads)[1]).sum()) for s in both]
    return both[int(np.argmin(costs))]


def _plus_plus(rows: Rows, k: int, random: np.random.RandomState, threads: int) -> Labels:
    """Greedy k-means++: each row the best of some, drawn by weight times squared distance.

    Arthur & Vassilvitskii (2007), ACM-SIAM SODA, 1027-1035; greedy as in scikit-learn.
    """
    trials = 2 + int(np.log(k))
    cost = rows.weights
    d2 = np.full(rows.size, np.inf)
    chosen = np.empty(k, np.int64)
    for j in range(k):
        ends = np.cumsum(cost)
        drawn = np.searchsorted(ends, random.random_sample(trials if j else 1) * ends[-1], "right")
        lowest = None
        for row in np.minimum(drawn, rows.size - 1):
            closer = np.minimum(d2, nearest(rows.columns, rows.at(np.array([row])), threads)[1])
            total = float((rows.weights * closer).sum())
            if lowest is None or total < lowest:
                lowest, best, chosen[j] = total, closer, row
        d2 = best
        cost = rows.weights * d2
    return chosen


def _search_shadow(
    rows: Rows, k: int, random: np.random.RandomState, threads: int
) -> Floats | None:
    """Search the shadow that rows throw on their three principal axes; up to three need none."""
    if rows.dims <= 3:
        return _searched(rows, k, random, threads)
    centered = rows.columns - _mean(rows.columns, rows.weights)[:, None]
    _, axes = np.linalg.eigh((centered * rows.weights) @ centered.T)
    shadow = Rows(np.ascontiguousarray(axes[:, -3:].T @ centered), rows.weights, rows.back)
    found = _searched(shadow, k, random, threads)
    if found is None:
        return None
    labels, d2 = nearest(shadow.columns, found, threads)
    anywhere = np.zeros((k, rows.dims))  # an empty cluster gets a row, as there are more than k
    return _means(rows, rows.columns * rows.weights, labels, rows.weights * d2, anywhere)


def _searched(rows: Rows, k: int, random: np.random.RandomState, threads: int) -> Floats | None:
    """Search for seeds on a grid of 256 steps a side; None if too little of it would be used.

    The grid is as fine in all columns, or distances would change.
    """
    histogram, low, scale = _grid(rows)
    if len(histogram) <= CELLS_PER_SEED * k < rows.size or len(histogram) <= k:
        return None
    tree = color.make_tree(
        histogram.stored_colors, histogram.stored_counts, "srgb", threads=threads
    )
    effort = search.EFFORTS["best"]  # what it takes, reading and merging the rows take, too
    cells = search.make_cells(tree, k, effort, threads)
    seed = int(random.randint(2**31))
    found = min(
        (_search(tree, cells, k, effort, seed, number, threads) for number in range(SEARCHES)),
        key=lambda each: kmeans.assign_and_update(tree, each, threads).after,
    )
    if len(found) < k:
        return None
    places = found.astype(np.float64)[:, : rows.dims] / (color.UNITS["srgb"] * scale)
    return np.ascontiguousarray(places + low)


def _search(
    tree: _core.Tree,
    cells: _core.Tree,
    k: int,
    effort: search.Effort,
    seed: int,
    number: int,
    threads: int,
) -> NDArray[np.float32]:
    """One of several searches: the first starts from splitting, the others from k-means++."""
    start = None
    if number:
        start = partial(seeds.make, cells, k, "k-means++", seed + number)
    places, _ = search.find(
        tree, cells, k, effort, start=start, seed=seed + 1000 * number, threads=threads
    )
    return places


def _grid(rows: Rows) -> tuple[Histogram, Floats, float]:
    """Return rows as colors (x - low) * scale, rounded."""
    counts = _counts(rows.weights)
    if rows.colors is not None:
        return Histogram.of_stored(rows.colors, counts), np.zeros(rows.dims), rows.scale
    low = rows.columns.min(axis=1)
    widest = float((rows.columns.max(axis=1) - low).max())
    scale = STEPS / max(widest, np.finfo(np.float64).tiny)
    points = np.zeros((rows.size, 3), np.uint8)
    for d, column in enumerate(rows.columns):
        points[:, d] = np.rint(np.minimum((column - low[d]) * scale, STEPS))
    return Histogram(points, counts), low, scale


def _counts(weights: Floats) -> NDArray[np.int64]:
    """Return weights as integers, near enough to search with."""
    total = weights.sum()
    if total < HEAVIEST and np.array_equal(weights, np.rint(weights)):
        return weights.astype(np.int64)
    counts: NDArray[np.int64] = np.rint(weights * (HEAVIEST / total)).astype(np.int64)
    return np.maximum(counts, 1)


def _split(rows: Rows, k: int) -> Floats:
    """Return the means of k boxes, by always cutting the one that gains most where it gains most.

    Cuts are across the principal axis: Wan, Wong & Prusinkiewicz (1988), doi:10.1007/BFb0040413.
    """
    boxes = [np.arange(rows.size)]
    cuts = [_best_cut(rows, boxes, 0)]
    while len(boxes) < k:
        _, box, order, middle = heapq.heappop(cuts)
        boxes[box], other = order[:middle], order[middle:]
        boxes.append(other)
        for part in (box, len(boxes) - 1):
            if len(boxes[part]) > 1:
                heapq.heappush(cuts, _best_cut(rows, boxes, part))
    return np.array([_mean(rows.columns[:, box], rows.weights[box]) for box in boxes])


def _mean(columns: Floats, weights: Floats) -> Floats:
    mean: Floats = (columns * weights).sum(axis=1) / weights.sum()
    return mean


def _best_cut(rows: Rows, boxes: list[Labels], number: int) -> tuple[float, int, Labels, int]:
    """Return minus what the best cut of a box gains, its number, its rows in order, and where."""
    box = boxes[number]
    weights = rows.weights[box]
    centered = rows.columns[:, box]
    centered -= _mean(centered, weights)[:, None]
    _, axes = np.linalg.eigh((centered * weights) @ centered.T)
    along = axes[:, -1] @ centered
    order = np.argsort(along, kind="stable")
    mass = np.cumsum(weights[order])
    sums = np.cumsum(weights[order] * along[order])
    # Of two parts whose means are a and b: the gain is v w / (v + w) (a - b)^2, and v a = -w b.
    gains = sums[:-1] ** 2 * mass[-1] / (mass[:-1] * (mass[-1] - mass[:-1]))
    at = int(np.argmax(gains))
    return -float(gains[at]), number, box[order], at + 1
