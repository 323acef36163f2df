"""Preview: all that can be shown of an image at once, before any file is made.

    Histogram -> cells -> [palettes] -> Draft (k, palette, distortion), Draft, Draft ...
    image -> [preview_image] -> few pixels

A slider over k wants all palettes before it is moved, and neighbors that look alike. So
each grows from the one before it: one more centroid where a cell is served worst, then a little
breathing. All of it happens on cells of the color cube, of which even a large photograph has few;
shares and distortions are those of cells, and so approximate. What is saved in the end is
fitted to all colors, by `fit`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core, choose, color, search
from .errors import BadOption
from .fit import Problem, all_fit, fit_palette, has_room, has_transparent, order_by_share
from .histogram import Histogram
from .image import Image, check_image
from .options import check, check_k
from .palette import Palette
from .settings import Settings
from .snap import LEAST

__all__ = [
    "MOST",
    "Cloud",
    "Draft",
    "cloud",
    "curve",
    "palettes",
    "preview_image",
    "sizes",
]

MOST = 256
"""Colors of the largest draft: files with more have no palette."""

CELLS = 24_000
"""Of the histogram, at least, if it has so many colors: drafts are measured on them."""

STEADY = 0.005
"""A palette from elsewhere must be so much better than one grown from its neighbor."""


class Budget(NamedTuple):
    """What growing by one centroid may spend, up to some size."""

    largest: int
    cells: int
    """Breathe on the coarsest cells of which there are so many."""
    cycles: int
    iterations: int


BUDGETS = (Budget(24, 3_000, 12, 4), Budget(100, 13_000, 3, 2), Budget(MOST, CELLS, 3, 2))

SEARCHED = 16
"""Up to this size, a search that starts afresh costs next to nothing, and may find better."""


ROUNDS = 4
"""To make each entry of a draft useful: one is enough, nearly always."""


class Draft(NamedTuple):
    """The palette of one k: as good as the final one by and large, but not the same."""

    k: int
    palette: Palette
    """Of k colors, or fewer if the image has no more; its shares are approximate."""
    distortion: float
    """Mean squared distance of the pixels to it, summed over channels, in the space asked for;
    approximate, too."""


def sizes(histogram: Histogram, keep: object = None) -> range:
    """Return every k that makes sense for an image, up to 256.

    Parameters
    ----------
    histogram : of the image
    keep : colors that each palette must have, as in `quantize`
        There is no palette without room for them. The last k holds all colors of the image, and
        these, if so many can be held.

    >>> list(sizes(Histogram.of(np.uint8([[[0, 0, 0], [0, 0, 9]]]))))
    [1, 2]
    """
    settings = Settings.of(MOST, keep=keep)
    visible = _visible(histogram)
    holds = [k for k in range(1, MOST + 1) if has_room(visible, replace(settings, k=k))]
    if not holds:
        raise BadOption("keep takes all entries, and the image needs one")
    last = next((k for k in holds if all_fit(visible, replace(settings, k=k))), MOST)
    return range(holds[0], last + 1)


def palettes(
    histogram: Histogram,
    ks: Iterable[int] | None = None,
    *,
    space: str = "oklab",
    keep: object = None,
    threads: int | None = None,
) -> Iterator[Draft]:
    """Yield palettes of many sizes, each of which resembles the next.

    Parameters
    ----------
    histogram : of the image
    ks : sizes, in any order; default: all of `sizes`
        What they come in does not change them. The time is that of the largest so far, whether or
        not those below it are asked for.
    space : "oklab" or "srgb"
    keep : colors that each palette must have, as in `quantize`
    threads : never changes the result

    Yields
    ------
    Draft
        As soon as it is found. With alpha, as in `quantize`: fully transparent pixels have their
        own entry, opaque ones an opaque one. The distortion never rises with k.

    Raises
    ------
    BadOption : an option, or a k that has no room for what is kept; at once.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> [(draft.k, draft.palette.k) for draft in palettes(Histogram.of(image), [2, 3])]
    [(2, 2), (3, 3)]
    """
    settings = Settings.of(MOST, space=space, keep=keep, threads=threads)
    sensible = sizes(histogram, keep)
    wanted = list(sensible) if ks is None else [check_k(k) for k in ks]
    if wanted and min(wanted) < sensible[0]:
        raise BadOption(
            f"keep needs k = {sensible[0]} or more beside the colors of the image, "
            f"got {min(wanted)}"
        )
    return _drafts(histogram, wanted, sensible, settings)


def _drafts(
    histogram: Histogram, wanted: list[int], sensible: range, settings: Settings
) -> Iterator[Draft]:
    climb = _climb(histogram, sensible, settings)
    found: dict[int, Draft] = {}
    for k in wanted:
        while min(k, sensible[-1]) not in found:
            draft = next(climb)
            found[draft.k] = draft
        yield found[min(k, sensible[-1])]._replace(k=k)


def _climb(histogram: Histogram, ks: range, settings: Settings) -> Iterator[Draft]:
    """Yield one draft for each of ascending sizes."""
    visible = _visible(histogram)
    walk: _Walk | None = None
    for k in ks:
        this = replace(settings, k=k)
        if all_fit(visible, this):
            yield Draft(k, fit_palette(histogram, this)[0], 0.0)
            return
        if walk is None:
            walk = _Walk(visible, this if k == 1 else settings)
        elif k == 2 and has_transparent(visible, this):  # from here on clear pixels have their own
            walk = _Walk(visible, settings, walk.last)
        walk.grow(k)
        yield Draft(k, walk.palette(histogram.channels), walk.distortion)


def _visible(histogram: Histogram) -> Histogram:
    """Return the histogram without an alpha channel that says nothing."""
    if histogram.channels == 4 and histogram.opaque:
        return histogram.without_alpha()
    return histogram


class _Measured(NamedTuple):
    """8-bit colors, and how the cells are served by them."""

    colors: NDArray[np.uint8]  # (n, 3|4), the kept ones first; without the clear one
    labels: NDArray[np.uint16]
    d2: NDArray[np.int32]
    weights: NDArray[np.int64]  # (n,) pixels that each one serves
    error: float  # sum of weighted squared distances


class _Walk:
    """Palettes of one histogram, in the order of their sizes."""

    def __init__(
        self, histogram: Histogram, settings: Settings, before: _Measured | None = None
    ) -> None:
        # Effort lloyd makes no cells of its own, which would take the tree's keys.
        self._problem = problem = Problem(histogram, replace(settings, effort="lloyd"))
        self._settings = problem.settings
        self._total = histogram.total // problem.repeats
        self._levels: dict[int, _core.Tree] = {}
        self._cells = cells = _cells(problem.tree, CELLS, settings.threads)
        self._weights = cells.weights()
        self._places = problem.plain(cells.coordinates(np.arange(cells.size, dtype=np.uint32)))
        self._fixed = problem.points(problem.kept)
        self._centroids: NDArray[np.float32] | None = None
        own = color.to_points(color.from_points(self._places, settings.space), settings.space)
        self._rounding = ((self._places - own) ** 2).sum(1).astype(np.int32)
        self._runs = _runs(problem.counts, self._weights)
        self._within = 0.0 if cells is problem.tree else _spread(problem, self._runs)
        self._areas = _Areas(problem, self._runs)
        self.last = None if before is None else self._measure(before.colors)

    @property
    def distortion(self) -> float:
        """Of the latest palette, as `Draft` has it."""
        assert self.last is not None  # it has grown
        return self.last.error / self._total / self._problem.unit**2

    def grow(self, k: int) -> None:
        """Find the palette of the next size; it is never worse than the one before."""
        n = k - self._problem.transparent - self._problem.idle
        self._centroids = self._breathed(n)
        plain = self._problem.plain(self._centroids).astype(np.float64)
        found = self._completed(self._problem.round(plain), n)
        snapped = self._areas.snapped(found.colors, found.labels, found.weights, len(self._fixed))
        if snapped is not None:
            with_areas = self._measure(snapped)
            if self._is_fine(with_areas):
                found = with_areas
        if not self._is_fine(found):
            assert self.last is not None  # else there is nothing to compare with
            found = self._completed(self.last.colors, n)
            self._centroids = self._problem.points(found.colors)
        self.last = found

    def palette(self, channels: int) -> Palette:
        """Return the latest palette as the image has its colors, the most used ones first."""
        problem = self._problem
        assert self.last is not None  # it has grown
        colors, weights = self.last.colors, self.last.weights
        if problem.transparent:
            colors = np.concatenate([colors, np.zeros((1, 4), np.uint8)])
            weights = np.append(weights, self._total - weights.sum())
        order = order_by_share(colors, weights)
        colors, weights = colors[order], weights[order]
        if colors.shape[1] < channels:
            colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
        if self._settings.keep is not None:
            colors, rows = self._settings.keep.place(colors)
            weights = np.bincount(rows, weights, len(colors))
        return Palette(colors, weights / weights.sum())

    def _level(self, count: int) -> _core.Tree:
        """The coarsest cells of which there are so many, or all that there are."""
        if count not in self._levels:
            self._levels[count] = _cells(self._cells, count, self._settings.threads)
        return self._levels[count]

    def _breathed(self, n: int) -> NDArray[np.float32]:
        """Return n centroids, grown from those before if there are any."""
        budget = next(budget for budget in BUDGETS if n <= budget.largest)
        cells, threads, fixed = self._level(budget.cells), self._settings.threads, len(self._fixed)
        best, lowest = None, math.inf
        if self._centroids is not None:
            assert self.last is not None  # it has grown
            worst = self._worst(self.last.d2, n - len(self._centroids))
            places = self._cells.coordinates(worst.astype(np.uint32))
            best = np.concatenate([self._centroids, places])
            lowest, _ = _core.breathe(
                cells, best, 1, budget.cycles, budget.iterations, threads, fixed
            )
        if best is None or n <= SEARCHED:
            effort = search.EFFORTS["default"]
            coarse = self._level(effort.cells * n)
            found, _ = search.find(cells, coarse, n, effort, threads=threads, fixed=self._fixed)
            cost, _ = _core.breathe(cells, found, 1, 0, 1, threads, fixed)
            if best is None or cost < lowest * (1 - STEADY):
                best = found
        return best

    def _measure(self, colors: NDArray[np.uint8]) -> _Measured:
        """Give each cell its nearest color; opaque cells take opaque ones if there are any."""
        problem, cells = self._problem, self._cells
        labels, d2 = np.empty(cells.size, np.uint16), np.empty(cells.size, np.int32)
        entries = problem.points(colors).astype(np.int16)
        _core.nearest(cells, entries, labels, d2, self._settings.threads)
        if colors.shape[1] == 4:  # the gap that keeps opaque cells apart is no distance
            delta = self._places - color.to_points(colors, self._settings.space)[labels]
            d2 = np.einsum("nd,nd->n", delta, delta, dtype=np.float64).astype(np.int32)
        weights = _core.weigh(labels, self._weights, len(colors))
        error = float(np.dot(d2, self._weights.astype(np.float64))) + self._within
        return _Measured(colors, labels, d2, weights, error)

    def _completed(self, colors: NDArray[np.uint8], n: int) -> _Measured:
        """Drop entries that serve no cell, and add the colors that are served worst, up to n."""
        fixed = len(self._fixed)
        for _ in range(ROUNDS):
            found = self._measure(colors)
            used = found.weights > 0
            used[:fixed] = True
            worst = self._worst(found.d2, n - int(used.sum()))
            if used.all() and not len(worst):
                break
            places = self._places[worst]
            more = color.from_points(places, self._settings.space)
            colors = np.concatenate([colors[used], more])
        return found

    def _worst(self, d2: NDArray[np.int32], count: int) -> NDArray[np.intp]:
        """Return up to `count` cells whose own colors would lower the error most, worst first."""
        if count < 1:
            return np.empty(0, np.intp)
        gain = (d2 - self._rounding) * self._weights
        if count == 1:  # nearly always, and much faster
            worst = gain.argmax(keepdims=True)
        else:
            worst = np.argsort(-gain, kind="stable")[:count]
        found: NDArray[np.intp] = worst[gain[worst] > 0]
        return found

    def _is_fine(self, found: _Measured) -> bool:
        """Whether a palette is no worse than the one before, and each entry has its use."""
        used = found.weights[len(self._fixed) :].all()
        return bool(used) and (self.last is None or found.error <= self.last.error)


def _cells(tree: _core.Tree, count: int, threads: int) -> _core.Tree:
    dropped = tree.coarseness(count, threads)
    return _core.coarsen(tree, dropped, threads) if dropped else tree


def _runs(counts: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return where the colors of each cell begin: (cells,), from the pixels of both."""
    begins = np.cumsum(weights) - weights
    return np.searchsorted(np.cumsum(counts) - counts, begins)


def _spread(problem: Problem, starts: NDArray[np.intp]) -> float:
    """Return what any palette leaves, as all of a cell goes to one entry: errors to its mean."""
    points = color.to_points(problem.colors, problem.settings.space).astype(np.float64)
    counts, total = problem.counts.astype(np.float64), 0.0
    weights = np.add.reduceat(counts, starts)
    for x in points.T:
        sums = np.add.reduceat(x * counts, starts)
        total += float((x * x) @ counts - (sums * sums) @ (1 / weights))
    return max(0.0, total)


class _Areas:
    """Flat areas, whose very color an entry shall have: see `snap`, of which this is a draft."""

    def __init__(self, problem: Problem, starts: NDArray[np.intp]) -> None:
        counts, sizes = problem.counts, np.diff(starts, append=len(problem.counts))
        most = np.maximum.reduceat(counts, starts)
        rows = np.flatnonzero(counts == np.repeat(most, sizes))
        first = np.searchsorted(rows, starts)
        self._colors, self._counts = problem.colors[rows[first]], most
        self._large = most * problem.repeats >= LEAST
        self._order = np.argsort(most, kind="stable")

    def snapped(
        self,
        colors: NDArray[np.uint8],
        labels: NDArray[np.uint16],
        weights: NDArray[np.int64],
        fixed: int,
    ) -> NDArray[np.uint8] | None:
        """Return the colors with those of areas that make up half of an entry; None if none do."""
        heaviest = np.zeros(len(colors), np.intp)
        heaviest[labels[self._order]] = self._order  # the last one stays
        found = self._colors[heaviest]
        rows = self._large[heaviest] & (2 * self._counts[heaviest] > weights) & (weights > 0)
        rows[:fixed] = False
        if colors.shape[1] == 4:  # none becomes clear, or opaque, or ceases to be
            rows &= (found[:, 3] > 0) & ((found[:, 3] == 255) == (colors[:, 3] == 255))
        if (found[rows] == colors[rows]).all():
            return None
        changed = colors.copy()
        changed[rows] = found[rows]
        return changed


# ---------------------------------------------------------------- how many colors it needs


def curve(
    histogram: Histogram,
    *,
    space: str = "oklab",
    keep: object = None,
    threads: int | None = None,
) -> Iterator[choose.Point | choose.Choice]:
    """Yield what final palettes of some sizes are like, and then how many colors are suggested.

    Parameters
    ----------
    histogram, space, keep, threads : as for `palettes`

    Yields
    ------
    choose.Point
        For the sizes of `ladder.RUNGS` that the image has colors for: `k`, `distortion`, `psnr`
        and more, measured on all colors; never rising with k.
    choose.Choice
        At the end, that of "visible" and that of "elbow", with `k` and `reason`: what `choose_k`
        gives. `suggestions["visible"]` is None where no k is enough.

    Raises
    ------
    BadOption : at once.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> [(each.k, type(each).__name__) for each in curve(Histogram.of(image))][-3:]
    [(16, 'Point'), (10, 'Choice'), (3, 'Choice')]
    """
    settings = Settings.of(MOST, space=space, keep=keep, threads=threads)
    return choose.walk(histogram, settings, "visible", "elbow")


# ---------------------------------------------------------------- the picture and its colors


def preview_image(image: Image, *, max_side: int = 1024, max_pixels: int = 800_000) -> Image:
    """Return an image small enough to be mapped at every move of a slider.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8 sRGB
    max_side, max_pixels : int >= 1

    Returns
    -------
    (h, w, 4) uint8 sRGB with straight alpha
        Each pixel the mean of a box, its colors weighted by alpha. A small image as it is.

    Raises
    ------
    BadImage : wrong shape or dtype.

    >>> preview_image(np.zeros((3000, 6000, 3), np.uint8)).shape
    (512, 1024, 4)
    """
    image = check_image(image)
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width), math.sqrt(max_pixels / (height * width)))
    if scale < 1:
        size = max(1, int(width * scale)), max(1, int(height * scale))
        image = _resized(image, size)
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return image


def _resized(image: Image, size: tuple[int, int]) -> Image:
    from PIL import Image as Pictures

    # With alpha, Pillow premultiplies by itself.
    return np.asarray(Pictures.fromarray(image).resize(size, Pictures.Resampling.BOX))


class Cloud(NamedTuple):
    """Some of the colors of an image, where they lie in a working space."""

    places: NDArray[np.float32]
    """(n, 3) in units of the space, premultiplied by alpha, as centroids of a `Step` are."""
    colors: NDArray[np.uint8]
    """(n, 4) sRGB, straight alpha."""
    shares: NDArray[np.float32]
    """(n,) of all pixels; they sum to 1 only if no color is left out."""


def cloud(histogram: Histogram, n: int = 8000, *, space: str = "oklab") -> Cloud:
    """Return up to n of the visible colors as points to draw: those of `Histogram.sample`.

    >>> cloud(Histogram.of(np.uint8([[[0, 0, 0], [255, 0, 0]]])), space="srgb").places.tolist()
    [[0.0, 0.0, 0.0], [255.0, 0.0, 0.0]]
    """
    sample = histogram.sample(n)
    colors = sample.stored_colors
    places = color.to_points(colors, check("space", space))[:, :3] / color.UNITS[space]
    if colors.shape[1] == 3:
        colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
    shares = sample.stored_counts / histogram.total
    return Cloud(places.astype(np.float32), colors, shares.astype(np.float32))
