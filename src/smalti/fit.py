"""Fitting: from a histogram to the 8-bit colors that a file stores.

    Histogram -> points -> seeds -> search -> k-means -> round -> recover -> settle -> [Palette]

The only place where color and clustering meet. After rounding, `settle` makes
the promise good that every entry is distinct and used: twins and unused entries
give way to the colors that were served worst.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, color, kmeans, search, seeds
from .errors import BadOption
from .histogram import Histogram, pack
from .kmeans import Step
from .palette import Palette
from .remap import Remapper
from .settings import Settings

__all__ = [
    "Fit",
    "Problem",
    "all_fit",
    "fit_palette",
    "has_room",
    "has_transparent",
    "nearest_centroids",
    "order_by_share",
    "steps",
]

RECOVERY = {"lloyd": 1, "turbo": 0, "fast": 1, "default": 3, "best": 21}
"""Rounds after rounding to 8 bits; the first only learns how many pixels each color has."""

COLORS_PER_THREAD = 100_000
"""Fewer are clustered in the time that another thread may take to get a processor."""

ALPHA_GAP = 16383
"""Added to the alpha coordinate of opaque colors, so that no cluster mixes them with others."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What k-means did to find a palette."""

    distinct_colors: int
    """Of the image; for effort turbo, its cells."""
    effort: str
    iterations: int
    """Of Lloyd's algorithm, in the run that was kept; those of the search included."""
    stop_reason: str
    """"converged" (nothing moved any more), "tol", "max_iter", "exact" (every color kept), or
    "searched" (the effort's budget was spent)."""
    distortion: float
    """Mean squared distance to the unrounded centroids, in units of the space, of the pixels that
    are not fully transparent; NaN for effort turbo where it counted cells, as that of their mean
    colors would be too low."""
    centroids: NDArray[np.float32]
    """(k, 3|4), unrounded, in units of the space; alpha premultiplied."""
    space: str
    milliseconds: dict[str, float] = field(default_factory=dict)
    """Wall time of the stages: histogram, palette, map."""
    order: str = "share"
    """What the rows of the palette follow: "share", or "given" where somebody counts on them."""


class Problem:
    """One clustering task: the visible colors of a histogram as points of a working space.

    A fully transparent color gets an entry of its own beforehand and takes no part, unless the
    palette has room for one color only. Kept colors are the first rows of centroids and palettes,
    and stay there until `settle`.
    """

    def __init__(
        self, histogram: Histogram, settings: Settings, weighted: Histogram | None = None
    ) -> None:
        self.transparent = has_transparent(histogram, settings)
        self.kept, self.idle = _kept(histogram, settings)
        colors, counts = _visible(weighted or histogram, self.transparent)
        if not len(colors):  # weights are on what nobody sees only
            colors, counts = _visible(histogram, self.transparent)
        self.repeats = 1
        if counts.min() > 1:  # the same picture, repeated, gives the same palette to the bit
            self.repeats = int(np.gcd.reduce(counts))
            counts = counts // self.repeats
        threads = min(settings.threads, 1 + len(colors) // COLORS_PER_THREAD)
        self.settings = settings = replace(settings, threads=threads)
        self.colors, self.counts = colors, counts
        self.k = settings.k - self.transparent - self.idle
        _check_room(self.k, len(self.kept), self.transparent, settings.k)
        self.by_share = isinstance(settings.init, str)  # the user's own centroids keep their order
        self.unit = color.UNITS[settings.space]
        self.tree = color.make_tree(
            colors, counts, settings.space, alpha_gap=ALPHA_GAP, threads=settings.threads
        )
        self.cells = self.tree
        if settings.effort != "lloyd":
            effort = search.EFFORTS[settings.effort]
            self.cells = search.make_cells(self.tree, self.k, effort, settings.threads)

    def seeds(self, run: int) -> NDArray[np.float32]:
        """Starting centroids of the given run, in fixed point."""
        settings = self.settings
        if not isinstance(settings.init, str):
            return self._own_seeds(settings.init)
        # Splitting gives one answer only; further runs start from random ones.
        init = "k-means++" if run and settings.init == "splitting" else settings.init
        return seeds.make(self.tree, self.k, init, (settings.seed + run) % 2**64)

    def _own_seeds(self, given: NDArray[Any]) -> NDArray[np.float32]:
        dims = self.colors.shape[1]
        if given.ndim != 2 or given.shape[1] not in (3, dims) or given.dtype.kind not in "uif":
            raise BadOption(
                f"init must name a method or be an array of shape (k, {dims}), got {given.shape}"
            )
        if given.dtype.kind == "f" and not np.isfinite(given).all():
            raise BadOption("init must be finite numbers, got NaN or infinity")
        if given.dtype.kind != "f" and (given.min() < 0 or given.max() > 255):
            raise BadOption("init must be colors in 0..255, or floats in the working space")
        if given.dtype.kind == "f" and self.settings.space == "oklab" and np.abs(given).max() > 2:
            raise BadOption(
                f"init has floats up to {given.max():g}, but Oklab's run from -1 to 1; for colors "
                'in 0..255 pass integers, or space="srgb"'
            )
        full = 1.0 if self.settings.space == "oklab" and given.dtype.kind == "f" else 255
        if given.shape[1] < dims:
            given = np.column_stack([given, np.full(len(given), full, given.dtype)])
        if self.transparent:
            given = given[given[:, 3] > 0]
        if len(given) != self.k:
            room = " besides the fully transparent one" if self.transparent else ""
            raise BadOption(f"init must have {self.k} rows{room}, got {len(given)}")
        if given.dtype.kind != "f":
            points = color.to_points(given.astype(np.uint8, order="C"), self.settings.space)
            points = points.astype(np.float32)
        else:
            points = (given * self.unit).astype(np.float32)
        if dims == 4:
            points[:, 3] += np.where(points[:, 3] >= full * self.unit, ALPHA_GAP, 0)
        return np.ascontiguousarray(np.clip(points, -32767, 32767))

    def plain(self, centroids: NDArray[np.float32]) -> NDArray[np.float32]:
        """Centroids in fixed point without the alpha gap, each either opaque or not."""
        if self.colors.shape[1] == 3:
            return centroids
        full = color.bounds(self.settings.space, 4)[7]
        plain = centroids.copy()
        solid = plain[:, 3] > full + ALPHA_GAP / 2
        plain[:, 3] = np.where(solid, full, np.minimum(plain[:, 3], full * 254 / 255))
        return plain

    def run(
        self, run: int, *, count_moved: bool = False, show_seeds: bool = False
    ) -> Iterator[Step]:
        """Iterations from the seeds of one run; with max_iter 0, the seeds as the only step.

        Except for effort lloyd, a search comes first; its iterations are counted but not shown.
        """
        settings = self.settings
        start, searched = self._start(run)
        for step in kmeans.lloyd(
            self.tree,
            start,
            max_iter=settings.max_iter,
            tol=settings.tol,
            unit=self.unit,
            threads=settings.threads,
            count_moved=count_moved,
            show_seeds=show_seeds,
            fixed=len(self.kept),
        ):
            if self.colors.shape[1] == 4:
                units = np.float32(self.unit)
                step = replace(step, centroids=self.plain(step.centroids * units) / units)
            if self.repeats > 1:
                moved = None if step.moved is None else step.moved * self.repeats
                step = replace(step, moved=moved, counts=step.counts * self.repeats)
            if searched:
                first = step.iteration <= 1  # there, "all moved" would be true but misleading
                step = replace(
                    step,
                    iteration=step.iteration + searched,
                    moved=None if first else step.moved,
                    stop_reason=step.stop_reason and "searched",
                )
            yield step

    def _start(self, run: int) -> tuple[NDArray[np.float32], int]:
        """Where Lloyd's algorithm starts, and the iterations that finding it took."""
        settings, fixed = self.settings, self.points(self.kept)
        if settings.effort == "lloyd":
            return search.with_fixed(self.seeds(run), fixed), 0
        return search.find(
            self.tree,
            self.cells,
            self.k,
            search.EFFORTS[settings.effort],
            start=None if settings.init == "splitting" and not run else lambda: self.seeds(run),
            seed=(settings.seed + run) * 1000 % 2**64,
            threads=settings.threads,
            fixed=fixed,
        )

    def points(self, palette: NDArray[np.uint8]) -> NDArray[np.float32]:
        """8-bit colors as centroids in fixed point, with the alpha gap."""
        points = color.to_points(palette, self.settings.space).astype(np.float32)
        if points.shape[1] == 4:
            points[:, 3] += np.where(palette[:, 3] == 255, ALPHA_GAP, 0)
        return points

    def round(self, points: NDArray[Any]) -> NDArray[np.uint8]:
        """8-bit colors of centroids in fixed point; at least one is opaque if a color is."""
        palette = color.from_points(points, self.settings.space)
        if palette.shape[1] == 4 and self.k > 0:
            opaque = self.colors[:, 3] == 255
            if opaque.any() and not (palette[:, 3] == 255).any():
                weights = self.counts[opaque, None]
                solid = color.to_points(self.colors[opaque], self.settings.space)
                mean = (solid * weights).sum(0, keepdims=True) / weights.sum()
                palette[points[:, 3].argmax()] = color.from_points(mean, self.settings.space)[0]
        palette[: len(self.kept)] = self.kept
        return palette

    def recover(self, found: Step) -> NDArray[np.uint8]:
        """Round centroids to 8 bits and lower what that has raised: assign, round the means, again.

        Stops when that no longer lowers the error, or after the rounds that the effort grants. Each
        channel is rounded by itself: in Oklab a tinted neighbor can be nearer, but a gray picture
        must keep a gray palette.
        """
        fixed = len(self.kept)
        palette = self.round(found.centroids.astype(np.float64) * self.unit)
        by_share = self.by_share and not fixed
        if by_share:
            palette = palette[order_by_share(palette, found.counts)]
        best, lowest = palette, np.inf
        for _ in range(RECOVERY[self.settings.effort]):
            points = self.points(palette)
            step = kmeans.assign_and_update(self.tree, points, self.settings.threads, fixed)
            if step.before >= lowest:
                break
            best, lowest = palette, step.before
            palette = self.round(self.plain(step.centroids))
            if by_share:  # now, as ties go by the order: then settling has little to move
                order = order_by_share(best, step.counts)
                best, palette = best[order], palette[order]
        return best

    def settle(
        self, palette: NDArray[np.uint8], histogram: Histogram
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.int64]]:
        """Make every entry distinct and used, as many as asked for if colors allow, in their order.

        Entries that serve no color (twins of an earlier one do not) are dropped, unless they are
        kept, and the colors with the largest error join. Each round lowers the total error, so it
        ends. Sorting moves ties to other rows, and then shares: always towards the larger share,
        so that ends too.
        """
        colors, counts = histogram.stored_colors, histogram.stored_counts
        k, threads = self.settings.k - self.idle, self.settings.threads
        # Previews keep the order that the last iteration left: it is nearly that of the shares.
        in_order = self.by_share and self.settings.effort != "turbo"
        whole = histogram.channels == 3 and self.tree.size == len(colors)
        tree = self.tree if whole else None
        del self.tree, self.cells  # with alpha, remapping grows its own: two would be the peak
        remapper = Remapper(colors, self.settings.space, tree, counts)
        if self.transparent:
            palette = np.concatenate([palette, np.zeros((1, 4), np.uint8)])
        if len(self.kept):  # unused ones stay, so their twins have to go by themselves
            palette = palette[np.sort(np.unique(pack(palette), return_index=True)[1])]
        while True:
            missing = k - len(palette)
            d2 = np.empty(len(colors), np.int32) if missing > 0 else None
            labels = remapper.rows(palette, threads=threads, d2=d2)
            weights = _core.weigh(labels, counts, len(palette), threads)
            rows = _used_rows(palette, weights, self.kept, by_share=in_order)
            if not np.array_equal(rows, np.arange(len(palette))):
                palette = palette[rows]
                continue
            if d2 is None or not d2.any():
                return palette, labels, weights
            worst = kmeans.worst_served(d2, counts, -(-missing // 4))
            palette = np.concatenate([palette, colors[worst]])


def _used_rows(
    palette: NDArray[np.uint8],
    weights: NDArray[np.int64],
    kept: NDArray[np.uint8],
    *,
    by_share: bool,
) -> NDArray[np.intp]:
    """Rows that serve a color or are kept: by share, ties by packed color, or as they are."""
    rows = order_by_share(palette, weights) if by_share else np.arange(len(palette))
    wanted = weights > 0
    if len(kept):
        wanted |= np.isin(pack(palette), pack(kept))
    return rows[wanted[rows]]


def order_by_share(palette: NDArray[np.uint8], weights: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.lexsort((pack(palette), -weights))


def has_transparent(histogram: Histogram, settings: Settings) -> bool:
    """Whether the fully transparent color has an entry of its own."""
    return bool((histogram.stored_colors[-1, 3:] == 0).any()) and settings.k > 1


def _visible(
    histogram: Histogram, transparent: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Colors and counts without the fully transparent color, if it has its own entry."""
    colors, counts = histogram.stored_colors, histogram.stored_counts
    if transparent and (colors[-1, 3:] == 0).any():
        return colors[:-1], counts[:-1]
    return colors, counts


def _kept(histogram: Histogram, settings: Settings) -> tuple[NDArray[np.uint8], int]:
    """Return the kept colors that pixels may take, and how many rows the others need."""
    if settings.keep is None:
        return np.empty((0, histogram.channels), np.uint8), 0
    return settings.keep.active(histogram.channels, has_transparent(histogram, settings))


def _check_room(room: int, kept: int, transparent: bool, k: int) -> None:
    """Refuse kept colors that leave no entry for what the image cannot do without."""
    if room < max(1, kept):
        what = "the fully transparent pixels" if transparent else "the opaque pixels"
        raise BadOption(f"keep takes all of k = {k:,} entries, and {what} need one; raise k")


def has_room(histogram: Histogram, settings: Settings) -> bool:
    """Whether k entries hold what is kept, and what the image cannot do without."""
    kept, idle = _kept(histogram, settings)
    least = 0 if settings.keep is None else settings.keep.least
    room = settings.k - has_transparent(histogram, settings) - idle
    return settings.k >= least and room >= max(1, len(kept))


def all_fit(histogram: Histogram, settings: Settings) -> bool:
    """Whether there is room for every color, beside those that are kept."""
    kept, idle = _kept(histogram, settings)
    extra = 0
    if len(kept):
        extra = int((~np.isin(pack(kept), pack(histogram.stored_colors))).sum())
    return len(histogram) + extra + idle <= settings.k


def steps(histogram: Histogram, settings: Settings, *, show_seeds: bool = False) -> Iterator[Step]:
    """Yield the iterations of the first run; each knows how many pixels moved."""
    if histogram.channels == 4 and histogram.opaque:
        histogram = histogram.without_alpha()
    if not all_fit(histogram, settings) and (settings.max_iter > 0 or show_seeds):
        problem = Problem(histogram, settings)
        yield from problem.run(0, count_moved=True, show_seeds=show_seeds)


def nearest_centroids(
    colors: NDArray[np.uint8], centroids: NDArray[np.float32], space: str
) -> NDArray[np.uint16]:
    """Return the row of the centroid that k-means assigns each color to.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8 sRGB, distinct
    centroids : (k, 3) or (k, 4) float32, as many channels as the colors
        Of a `Step`, in units of the space.

    Returns
    -------
    (n,) uint16
        In the order of `colors`; the lower row wins a tie.
    """
    order = _core.storage_order(colors)
    counts = np.ones(len(colors), np.int64)
    tree = color.make_tree(
        np.ascontiguousarray(colors[order]), counts, space, alpha_gap=ALPHA_GAP, keep_keys=False
    )
    points = centroids * np.float32(color.UNITS[space])
    if points.shape[1] == 4:
        points[:, 3] += np.where(points[:, 3] >= color.bounds(space, 4)[7], ALPHA_GAP, 0)
    sums = np.empty((len(points), points.shape[1] + 1), np.int64)
    stored = np.full(len(colors), 65535, np.uint16)
    _core.step(tree, np.ascontiguousarray(points, np.float32), sums, stored, 1)
    labels = np.empty_like(stored)
    labels[order] = stored
    return labels


def fit_palette(
    histogram: Histogram,
    settings: Settings,
    progress: Callable[[Step], object] | None = None,
    weighted: Histogram | None = None,
) -> tuple[Palette, NDArray[np.uint16], Fit]:
    """Find the palette of a histogram, and the palette row of each of its colors.

    Parameters
    ----------
    histogram : n distinct colors
    settings : checked options
    progress : called with each Step; may raise to cancel
    weighted : of the same image, with some colors counted more than others
        k-means minds these counts; shares are those of the pixels. Entries that it leaves over,
        having few colors, go to the others.

    Returns
    -------
    palette : by share, ties by packed color; the user's own centroids keep their order, and kept
        colors the rows that were asked for
    labels : (n,) uint16, in the order of `histogram.stored_colors`
    fit : what k-means did
    """
    visible = histogram
    if histogram.channels == 4 and histogram.opaque:  # shall neither cost time nor change anything
        visible, settings = histogram.without_alpha(), _settings_without_alpha(settings)
        weighted = weighted and weighted.without_alpha()
    if all_fit(visible, settings):
        colors, labels, weights, fit = _exact(visible, settings)
    else:
        colors, labels, weights, fit = _searched(visible, settings, progress, weighted)
    if visible is not histogram:
        colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
    if settings.keep is not None:
        colors, rows = settings.keep.place(colors)
        labels, weights = rows[labels], np.bincount(rows, weights, len(colors))
    own = not isinstance(settings.init, str) and fit.stop_reason != "exact"
    if own or (settings.keep is not None and settings.keep.ordered):
        fit = replace(fit, order="given")
    return Palette(colors, weights / weights.sum()), labels, fit


def _settings_without_alpha(settings: Settings) -> Settings:
    if not isinstance(settings.init, str) and settings.init.ndim == 2:
        return replace(settings, init=settings.init[:, :3])
    return settings


Found = tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[Any], Fit]
"""Palette, labels, weights of the entries, and how they were found."""


def _searched(
    histogram: Histogram,
    settings: Settings,
    progress: Callable[[Step], object] | None,
    weighted: Histogram | None,
) -> Found:
    problem = Problem(histogram, settings, weighted)
    best = _best_run(problem, progress)
    palette = problem.recover(best)
    palette, labels, weights = problem.settle(palette, histogram)
    fit = Fit(
        len(histogram),
        settings.effort,
        best.iteration,
        best.stop_reason or "max_iter",
        best.distortion,
        best.centroids,
        settings.space,
    )
    return palette, labels, weights, fit


def _exact(histogram: Histogram, settings: Settings) -> Found:
    """Every color kept: there is nothing to search for."""
    colors, counts = histogram.stored_colors, histogram.stored_counts
    own = np.arange(len(colors), dtype=np.uint16)
    rows = order_by_share(colors, counts)
    labels = np.empty(len(colors), np.uint16)
    labels[rows] = own
    nothing = np.empty((0, colors.shape[1]), np.float32)
    fit = Fit(len(colors), settings.effort, 0, "exact", 0.0, nothing, settings.space)
    return colors[rows], labels, counts[rows], fit


def _best_run(problem: Problem, progress: Callable[[Step], object] | None) -> Step:
    """The last step of the run with the lowest distortion, the earliest of several."""
    best: Step | None = None
    for run in range(problem.settings.n_init):
        for step in problem.run(run, count_moved=progress is not None):
            if progress:
                progress(step)
        if best is None or step.distortion < best.distortion:
            best = step
    assert best is not None  # n_init >= 1, and every run has a step
    return best
