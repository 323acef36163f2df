"""The small-region guard: what stands out in the picture is not lost in the mean.

    image, Palette -> far pixels -> regions -> [lost_regions] -> colors to keep -> fit, once more

k-means minds the mean error, in which a red dot on a map weighs nothing: it turns green. So
whoever has a palette asks here which connected regions it would serve far worse than the rest,
and fits again with their colors kept. Most pictures have none, which costs a look at their
distinct colors. Why "far" is what it is: docs/decisions/0013-guard.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import color
from . import histogram as histograms
from .fit import Fit, fit_palette
from .histogram import Histogram
from .image import Image
from .keep import Kept
from .kmeans import Step
from .palette import Palette
from .settings import Settings
from .snap import snapped
from .swatches import hex_code

__all__ = ["Region", "fit_guarded", "lost_regions"]

UNIT = color.UNITS["oklab"]

LIMIT2 = int((0.08 * UNIT) ** 2)
"""Squared distance in Oklab that anybody sees: four times what is just noticeable."""

OUTSTANDING = 64
"""Nor is a pixel far unless its squared distance is so many times the mean. Of all pixels, one in
so many can be, at most (Chebyshev), so that few are looked at."""

SIMILAR2 = LIMIT2 // 4
"""Squared distance up to which neighbors belong to one region: half of the limit."""

LEAST_PIXELS = 9
"""Of a region: three by three. Less is a speck."""

LEAST_ERROR = 64 * LIMIT2
"""Summed over a region: large ones may be nearer, small ones have to be farther away."""

COMMON = 4
"""A color that one in so many pixels of a region has is its color; without one, the median is."""

ENTRIES_PER_REGION = 8
"""The guard may take one entry in so many: below so many entries it does nothing."""

ROUNDS = 2
"""Keeping some colors moves others, so that another region may be lost only then."""

CHUNK = 1 << 16  # colors compared at a time


@dataclass(frozen=True)
class Region:
    """A connected region that a palette would lose.

    Attributes
    ----------
    color : (r, g, b) or (r, g, b, a), 0..255
    x, y : a pixel of it, the one nearest to its middle
    pixels : how many it has
    others : how many further regions the same color serves
    """

    color: tuple[int, ...]
    x: int
    y: int
    pixels: int
    others: int = 0

    def __str__(self) -> str:
        more = f", and {self.others:,} more like it" if self.others else ""
        place = f"at ({self.x}, {self.y}), {self.pixels:,} pixels{more}"
        return f"small region kept: {hex_code(self.color)} {place}"


def fit_guarded(
    image: Image,
    histogram: Histogram,
    settings: Settings,
    progress: Callable[[Step], object] | None = None,
    weighted: Histogram | None = None,
) -> tuple[Palette, NDArray[np.uint16], Fit, tuple[Region, ...]]:
    """Find a palette that loses no region: `fit_palette`, and again with what it would lose kept.

    Flat areas have their very color in it (`snap.py`).

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    histogram : of that image
    settings, progress, weighted : as for `fit_palette`; centroids of one's own are left alone

    Returns
    -------
    palette, labels, fit : as of `fit_palette`
    regions : whose colors were promoted, worst first
    """
    found = fit_palette(histogram, settings, progress, weighted)
    saved: tuple[Region, ...] = ()
    if not isinstance(settings.init, str) or found[2].stop_reason == "exact":
        return *found, saved
    keeping = settings
    for _ in range(ROUNDS):
        room = _room(settings, len(saved))
        regions = room and lost_regions(image, histogram, found[0], found[1], room)
        if not regions:
            break
        saved += tuple(regions)
        keeping = _keeping(settings, saved)
        found = fit_palette(histogram, keeping, progress, weighted)
    palette, labels, fit = found
    fixed = None if keeping.keep is None else keeping.keep.active(histogram.channels, False)[0]
    palette, labels = snapped(
        histogram, palette, labels, settings.space, fixed=fixed, threads=settings.threads
    )
    return palette, labels, fit, saved


def _room(settings: Settings, taken: int) -> int:
    """How many entries the guard may still take."""
    kept = 0 if settings.keep is None else len(settings.keep.colors)
    # One for the transparent pixels, and one for all the others.
    return max(0, min(settings.k // ENTRIES_PER_REGION, settings.k - kept - 2) - taken)


def _keeping(settings: Settings, regions: tuple[Region, ...]) -> Settings:
    """Return settings that keep the colors of regions, too."""
    added = Kept.of([region.color for region in regions])
    assert added is not None  # there are regions
    return replace(settings, keep=added if settings.keep is None else settings.keep.and_(added))


def lost_regions(
    image: Image,
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    most: int,
) -> list[Region]:
    """Return the connected regions that a palette serves far worse than the rest of the picture.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    histogram : of that image
    palette : what it is mapped to
    labels : (n,) rows of it, in the order of `histogram.stored_colors`
    most : how many regions of different colors to return

    Returns
    -------
    list of Region
        Those with the largest summed squared error first, ties in reading order. Integers decide.
    """
    far = _far_colors(histogram, palette, labels)
    if not far.any():
        return []
    mask = histograms.map_labels(image, histogram, far.astype(np.uint16), k=2)
    at = np.flatnonzero(mask.ravel())
    at = at[~_between(image, at)]
    if len(at) < LEAST_PIXELS:
        return []
    colors = image.reshape(-1, image.shape[2])[at]
    points = color.to_points(colors, "oklab").astype(np.int64)
    rows = histograms.map_labels(colors[None], histogram, labels, k=palette.k)[0]
    d2 = ((points - _places(palette, image.shape[2])[rows]) ** 2).sum(1)
    regions = _components(at, points, image.shape[1])
    return _worst(at, colors, points, d2, regions, image.shape[1], most)


def _places(palette: Palette, channels: int) -> NDArray[np.int64]:
    """Return the entries as points of as many channels as the image has."""
    colors = palette.colors[:, :channels]
    if colors.shape[1] < channels:
        colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
    return color.to_points(np.ascontiguousarray(colors), "oklab").astype(np.int64)


def _far_colors(
    histogram: Histogram, palette: Palette, labels: NDArray[np.uint16]
) -> NDArray[np.bool_]:
    """Return which distinct colors are far from their entry: by sight, and beside the others."""
    colors, counts = histogram.stored_colors, histogram.stored_counts
    places = _places(palette, colors.shape[1]).astype(np.int32)
    d2 = np.empty(len(colors), np.int32)
    for start in range(0, len(colors), CHUNK):
        part = slice(start, start + CHUNK)
        delta = color.to_points(colors[part], "oklab") - places[labels[part]]
        np.einsum("nd,nd->n", delta, delta, out=d2[part])
    total = sum(int(d2[i : i + CHUNK] @ counts[i : i + CHUNK]) for i in range(0, len(d2), CHUNK))
    return d2 > max(LIMIT2, OUTSTANDING * total // histogram.total)


def _between(image: Image, at: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which pixels only blend what is on their two sides, as smooth edges do."""
    height, width, channels = image.shape
    y, x = np.divmod(at, width)
    pixels = image.reshape(-1, channels)

    def points(dy: int, dx: int) -> NDArray[np.int64]:
        rows = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
        return color.to_points(pixels[rows], "oklab").astype(np.int64)

    here, blends = points(0, 0), np.zeros(len(at), bool)
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        before, after = points(-dy, -dx), points(dy, dx)
        way, mine = after - before, here - before
        length2, along, mine2 = ((a * b).sum(1) for a, b in ((way, way), (mine, way), (mine, mine)))
        aside = mine2 * length2 - along * along  # squared distance from the line, times length2
        inside = (along > 0) & (along < length2) & (length2 > LIMIT2)
        blends |= inside & (aside < LIMIT2 // 4 * length2)
    return blends


def _components(at: NDArray[np.intp], points: NDArray[np.int64], width: int) -> NDArray[np.intp]:
    """Return for each pixel the first one of its region: joined are similar neighbors of 8.

    Each round hangs the root of every link's later end below that of the other, and then flattens
    the trees; the links that are left lead between larger and larger trees.
    """
    first, second = _links(at, width)
    similar = ((points[first] - points[second]) ** 2).sum(1) <= SIMILAR2
    first, second = first[similar], second[similar]
    root = np.arange(len(at))
    while len(first):
        low, high = np.sort([root[first], root[second]], axis=0)
        np.minimum.at(root, high, low)
        while (root[root] != root).any():
            root = root[root]
        open_ = root[first] != root[second]
        first, second = first[open_], second[open_]
    return root


def _links(at: NDArray[np.intp], width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of entries of `at`, ascending pixel numbers, that are neighbors in the picture."""
    pairs = []
    for step, columns in ((1, (0, width - 1)), (width - 1, (1, width)), (width, (0, width)),
                          (width + 1, (0, width - 1))):  # fmt: skip
        inside = np.flatnonzero((at % width >= columns[0]) & (at % width < columns[1]))
        there = np.searchsorted(at, at[inside] + step)
        known = there < len(at)
        known[known] = at[there[known]] == at[inside[known]] + step
        pairs.append((inside[known], there[known]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def _worst(
    at: NDArray[np.intp],
    colors: NDArray[np.uint8],
    points: NDArray[np.int64],
    d2: NDArray[np.int64],
    regions: NDArray[np.intp],
    width: int,
    most: int,
) -> list[Region]:
    """Return the regions that count, each color once, worst first."""
    roots, names, sizes = np.unique(regions, return_inverse=True, return_counts=True)
    errors = np.zeros(len(roots), np.int64)
    np.add.at(errors, names, d2)
    found: list[Region] = []
    chosen: list[NDArray[np.int64]] = []
    for i in np.argsort(-errors, kind="stable"):
        if errors[i] < LEAST_ERROR:
            break
        if sizes[i] < LEAST_PIXELS:
            continue
        here = np.flatnonzero(names == i)
        shade = _color_of(colors[here])
        point = color.to_points(shade[None], "oklab")[0].astype(np.int64)
        near = [j for j, other in enumerate(chosen) if ((point - other) ** 2).sum() <= LIMIT2]
        if near:
            found[near[0]] = replace(found[near[0]], others=found[near[0]].others + 1)
        elif len(found) < most:
            chosen.append(point)
            found.append(Region(tuple(shade.tolist()), *_middle(at[here], width), len(here)))
    return found


def _color_of(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the most frequent color, if it is frequent, or else the median of each channel."""
    distinct, counts = np.unique(colors, axis=0, return_counts=True)
    if counts.max() * COMMON >= len(colors):
        return np.asarray(distinct[counts.argmax()])
    return np.asarray(np.sort(colors, axis=0)[len(colors) // 2])


def _middle(at: NDArray[np.intp], width: int) -> tuple[int, int]:
    """Return x and y of the pixel of a region that is nearest to the mean of all."""
    y, x = np.divmod(at, width)
    n = len(at)
    nearest = ((x * n - x.sum()) ** 2 + (y * n - y.sum()) ** 2).argmin()
    return int(x[nearest]), int(y[nearest])
