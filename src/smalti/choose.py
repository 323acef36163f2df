"""Choosing k: how many colors an image needs, and why.

    Histogram -> ladder -> curve -> [choose_k] -> Choice (k, reason, curve)

There is no right number of colors, only good reasons for one. `visible` asks
what an eye would: the fewest colors that leave hardly a pixel noticeably
different. `elbow` asks where more colors begin to pay less, as the tutorials
do. Two scores from statistics stand beside them for comparison: they ask how
many clusters the data has, which a photograph does not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _core, color, ladder, metrics
from .errors import BadOption
from .fit import has_room
from .histogram import Histogram
from .ladder import Rung
from .options import AUTO, ELBOW, check
from .settings import Settings

__all__ = ["METHODS", "Choice", "Point", "choose_k", "elbow", "settings_for", "settled", "walk"]

METHODS = ("visible", "elbow", "silhouette", "bic")

JUST_NOTICEABLE = 0.02
"""Distance in Oklab: CSS Color Module Level 4, https://www.w3.org/TR/css-color-4/#css-gamut-mapping"""

LIMITS = {
    "subtle": (JUST_NOTICEABLE / 2, 0.05),
    "noticeable": (JUST_NOTICEABLE, 0.01),
    "obvious": (3 * JUST_NOTICEABLE, 0.001),
}
"""Distances, and which share of the pixels may have more. Neighbors that look alike may go to
either side by the first, before the step between them is noticed as the edge of a band. The few
beyond the others are single pixels; with fewer colors small things begin to lose theirs. Measured
on photographs, screenshots and drawings."""

CELLS = 1024  # at least, if there are so many colors: silhouettes are measured on them


@dataclass(frozen=True)
class Point:
    """One point of the curve: what k colors are like."""

    k: int
    distortion: float
    """Mean squared distance to the stored palette, summed over channels, in the space asked for."""
    subtle: float
    """Share of the pixels that differ by more than 0.01 in Oklab: in smooth areas, bands."""
    noticeable: float
    """Share of the pixels that differ noticeably: by more than 0.02."""
    obvious: float
    """Share of the pixels that differ by more than 0.06."""
    silhouette: float
    """-1 to 1: how much nearer colors are to their own entry than to the next; 0 for one color."""
    bic: float
    """Bayesian information criterion of k spherical clusters; lower is better."""
    psnr: float = math.nan
    """Decibels per channel in sRGB; infinite where nothing is lost."""

    @property
    def looks_the_same(self) -> bool:
        """Whether hardly a pixel differs: 5 % subtly at most, 1 % noticeably, 0.1 % obviously."""
        return all(getattr(self, name) <= share for name, (_, share) in LIMITS.items())


@dataclass(frozen=True)
class Choice:
    """A number of colors, and what speaks for it.

    Attributes
    ----------
    k : the number
    method : the one that was asked for
    reason : one sentence
    curve : what was looked at, a `Point` for each k that was tried, ascending
    suggestions : method -> what it says; for "visible" None where no k is enough
    """

    k: int
    method: str
    reason: str
    curve: tuple[Point, ...]
    suggestions: dict[str, int | None]

    def __str__(self) -> str:
        return f"k = {self.k:,}: {self.reason}"


def choose_k(
    source: Any,
    *,
    method: str = "visible",
    max_k: int = 256,
    channels: str = "rgb",
    **options: Any,
) -> Choice:
    """Choose the number of colors for an image.

    Parameters
    ----------
    source : Histogram, or an image as `quantize` takes it
    method : "visible", "elbow", "silhouette" or "bic"
        visible: the smallest k that leaves at most 1 % of the pixels noticeably different, 0.1 %
        obviously and 5 % subtly, which makes bands; or else `max_k`. elbow: where the root of the
        distortion, drawn against log k, bends most. silhouette: the highest mean silhouette. bic:
        the lowest Bayesian information criterion.
    max_k : int, 1 to 65,536
    channels : "rgb" or "bgr"
        Order of the channels of an array.
    **options
        `space`, `effort`, `init`, `n_init`, `max_iter`, `tol`, `seed`, `threads`, `keep`: as in
        `quantize`.

    Returns
    -------
    Choice
        With the curve, and with what the other methods say.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded, BadOption : as for `quantize`.

    Notes
    -----
    Silhouettes are those to centroids (Vendramin, Campello & Hruschka 2010, Statistical Analysis
    and Data Mining 3(4), doi:10.1002/sam.10080), on cells of the histogram. BIC is that of Pelleg
    & Moore (2000), X-means, Proc. 17th ICML, of distinct colors: pixels repeat each other.

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[2:] = 255
    >>> print(choose_k(image))
    k = 2: the fewest colors with which next to no pixel differs noticeably.
    """
    if method not in METHODS:
        raise BadOption(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    settings = Settings.of(max_k, **options)
    histogram = source
    if not isinstance(source, Histogram):
        histogram = Histogram.of(source, threads=settings.threads, channels=channels)
    return of_histogram(histogram, settings, method)


def of_histogram(histogram: Histogram, settings: Settings, method: str) -> Choice:
    """Return what `choose_k` does for checked options, whose `k` is the most there may be."""
    *_, choice = walk(histogram, settings, method)
    assert isinstance(choice, Choice)
    return choice


def walk(histogram: Histogram, settings: Settings, *methods: str) -> Iterator[Point | Choice]:
    """Yield the points of the ladder's rungs as they are found, and then the choice of each method.

    Their curve has further points, if it needed some between two rungs.
    """
    least = kept = 0
    if settings.keep is not None:  # where they go makes no difference here
        least, kept = _least(histogram, settings), len(settings.keep.colors)
        settings = replace(settings, keep=settings.keep.anywhere())
    top = min(max(len(histogram) + kept, least), settings.k)
    ladder_of = ladder.rungs(len(histogram), up_to_all=settings.k > ladder.RUNGS[-1])
    ks = [k for k in ladder_of if least <= k < top] + [top]
    measure = _Measure(histogram, settings)
    points: list[Point] = []
    for point in measure.points(ks):
        points.append(point)
        yield point
    points = _refined(points, measure)
    suggestions = _suggestions(points)
    for method in methods:
        k = suggestions[method] or top
        reason = _reason(method, k, points, len(histogram))
        yield Choice(k, method, reason, tuple(points), suggestions)


def _least(histogram: Histogram, settings: Settings) -> int:
    """The smallest palette that holds what is kept, and what the image cannot do without."""
    if histogram.channels == 4 and histogram.opaque:
        histogram = histogram.without_alpha()
    sizes = range(1, settings.k)
    return next((k for k in sizes if has_room(histogram, replace(settings, k=k))), settings.k)


def settings_for(k: Any, **options: Any) -> tuple[Settings, str | None]:
    """Return the settings of palette building, and, where k is a word, that word.

    Raises
    ------
    BadOption : an option is out of range, or k neither a number nor one of the words.
    """
    word = check("k", k) if isinstance(k, str) else None
    return Settings.of(k if word is None else ladder.RUNGS[-1], **options), word


def settled(
    histogram: Histogram, settings: Settings, word: str | None
) -> tuple[Settings, Choice | None]:
    """Return the settings with a number for k, and, if a word stood for it, why that number."""
    if word is None:
        return settings, None
    choice = of_histogram(histogram, settings, {AUTO: "visible", ELBOW: "elbow"}[word])
    return replace(settings, k=choice.k), choice


def elbow(ks: Sequence[int], errors: Sequence[float]) -> int:
    """Return the k at which a falling curve of errors, drawn against log k, bends most.

    Parameters
    ----------
    ks : ascending, each >= 1
    errors : one per k: root mean squared distances, or anything that falls as k rises

    Returns
    -------
    int, one of `ks`
        The one farthest below the straight line from the first point to the last, the smaller of
        two; the first where nothing falls, and of one or two points, which have no bend.

    Raises
    ------
    BadOption : not as many errors as ks, or none.

    Notes
    -----
    The knee of Satopää, Albrecht, Irwin & Raghavan (2011), Finding a "Kneedle" in a Haystack,
    doi:10.1109/ICDCSW.2011.20, without smoothing. On both axes logarithmic, as distortions are
    often shown, photographs give nearly a straight line, and the knee is anywhere.

    >>> elbow([1, 2, 4, 8, 16], [10, 4, 1, 0.8, 0.7])
    4
    """
    if len(ks) != len(errors) or not len(ks):
        raise BadOption(f"every k has one error, got {len(ks)} and {len(errors)} of them")
    x, y = np.log(np.asarray(ks, float)), np.asarray(errors, float)
    if len(ks) < 3 or not y[0] > y[-1]:
        return int(ks[0])
    way, height = (x - x[0]) / (x[-1] - x[0]), (y - y[-1]) / (y[0] - y[-1])
    return int(ks[int(np.argmax(1 - way - height))])


class _Measure:
    """Makes points of the curve of one histogram."""

    def __init__(self, histogram: Histogram, settings: Settings) -> None:
        self._histogram, self._settings = histogram, settings
        colors, counts = histogram.stored_colors, histogram.stored_counts
        tree = color.make_tree(colors, counts, settings.space, threads=settings.threads)
        dropped = tree.coarseness(CELLS)
        cells = _core.coarsen(tree, dropped) if dropped else tree
        self._cells = cells.coordinates(np.arange(cells.size, dtype=np.uint32))
        self._weights = cells.weights().astype(np.float64)

    def points(self, ks: Sequence[int]) -> Iterator[Point]:
        for rung in ladder.climb(self._histogram, ks, self._settings):
            yield Point(
                rung.k,
                rung.distortion,
                *self._differing(rung),
                self._silhouette(rung),
                self._bic(rung),
                self._psnr(rung),
            )

    def _psnr(self, rung: Rung) -> float:
        colors, counts = self._histogram.stored_colors, self._histogram.stored_counts
        error, palette = rung.distortion, rung.palette.colors
        if self._settings.space != "srgb":
            error = metrics.distortion_of(colors, palette, rung.labels, "srgb", counts)
        return metrics.psnr_of(error, self._histogram.channels)

    def _differing(self, rung: Rung) -> tuple[float, float, float]:
        """Shares of the pixels beyond each of the limits."""
        colors, counts = self._histogram.stored_colors, self._histogram.stored_counts
        limits = [(distance * color.UNITS["oklab"]) ** 2 for distance, _ in LIMITS.values()]
        beyond = [0, 0, 0]
        errors = metrics.squared_errors(colors, rung.palette.colors, rung.labels, "oklab")
        for part, d2 in errors:
            for i, limit in enumerate(limits):
                beyond[i] += int(counts[part][d2 > limit].sum())
        total = self._histogram.total
        return beyond[0] / total, beyond[1] / total, beyond[2] / total

    def _silhouette(self, rung: Rung) -> float:
        if rung.palette.k < 2:
            return 0.0
        colors = np.ascontiguousarray(rung.palette.colors[:, : self._histogram.channels])
        entries = color.to_points(colors, self._settings.space).astype(np.float32)
        total = 0.0
        for start in range(0, len(self._cells), CELLS):
            part = slice(start, start + CELLS)
            d2 = ((self._cells[part, None] - entries) ** 2).sum(-1)
            own, other = np.sqrt(np.partition(d2, 1, axis=1)[:, :2]).T
            total += float((1 - own / np.maximum(other, 1e-9)) @ self._weights[part])
        return total / float(self._weights.sum())

    def _bic(self, rung: Rung) -> float:
        n, dims = len(self._histogram), self._histogram.channels
        least = 1 / 12 / color.UNITS[self._settings.space] ** 2  # what rounding alone would leave
        variance = max(rung.distortion / dims, least)
        shares = rung.palette.shares
        assert shares is not None  # a fitted palette has them
        sizes = n * shares[shares > 0]
        fit = float((sizes * np.log(sizes / n)).sum()) - n * dims / 2 * math.log(
            2 * math.pi * math.e * variance
        )
        return -2 * fit + rung.k * (dims + 1) * math.log(n)


def _refined(points: list[Point], measure: _Measure) -> list[Point]:
    """Add what lies between the last k that looks different and the first that looks the same."""
    while True:
        good = next((i for i, point in enumerate(points) if point.looks_the_same), 0)
        low, high = points[good - 1].k if good else 0, points[good].k
        if not good or high - low < 2:
            return points
        points[good:good] = measure.points([(low + high) // 2])


def _suggestions(points: list[Point]) -> dict[str, int | None]:
    ks = [point.k for point in points]
    return {
        "visible": next((point.k for point in points if point.looks_the_same), None),
        "elbow": elbow(ks, [math.sqrt(point.distortion) for point in points]),
        "silhouette": max(points, key=lambda point: (point.silhouette, -point.k)).k,
        "bic": min(points, key=lambda point: (point.bic, point.k)).k,
    }


def _reason(method: str, k: int, points: list[Point], distinct_colors: int) -> str:
    """One sentence about why it is this k."""
    if distinct_colors == 1:
        return "the image has one color."
    here = next(point for point in points if point.k == k)
    if method == "visible":
        if not here.looks_the_same:
            return (
                f"even these leave {100 * here.noticeable:.1f} % of the pixels noticeably "
                f"different, and {100 * here.subtle:.0f} % subtly."
            )
        return "the fewest colors with which next to no pixel differs noticeably."
    return {
        "elbow": "the elbow: from here on more colors lower the error by less than before.",
        "silhouette": "the clusters of no other number are as far apart (silhouette).",
        "bic": "no other number explains the colors as well for its size (BIC).",
    }[method]
