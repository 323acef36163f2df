"""Ladder: palettes of many sizes from one histogram.

    Histogram -> [climb] -> Rung (k, palette, labels, errors), Rung, Rung ...

What the question "how many colors?" is answered from: `choose` looks at the
errors, `sweep` makes pictures and files of the palettes. More colors never
make it worse: a rung that ends above the one before it, which k-means does not
exclude, is started again from that one's palette and the worst-served colors.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import kmeans, metrics
from .errors import BadOption
from .fit import Fit, fit_palette
from .histogram import Histogram
from .options import MAX_K, check_k
from .palette import Palette
from .remap import Remapper
from .settings import Settings

__all__ = ["RUNGS", "Rung", "check_ks", "climb", "rungs"]

RUNGS = (1, 2, 3, 4, 6, 8, 12, 16, 25, 32, 48, 64, 100, 128, 180, 256)
"""About the same step everywhere on a logarithmic scale, and the sizes that people ask for."""


@dataclass(frozen=True, eq=False)
class Rung:
    """The palette of one k, and how far the colors of the image are from it."""

    k: int
    palette: Palette
    labels: NDArray[np.uint16]
    """(n,) palette row of each of the histogram's stored colors."""
    fit: Fit
    distortion: float
    """Mean squared distance to the stored palette, summed over channels, in the space asked for."""
    milliseconds: float
    """Wall time of finding the palette; the histogram comes extra, once for all."""
    retried: bool = False
    """Whether it was started again, because it was worse than the palette before it."""


def rungs(distinct_colors: int, *, up_to_all: bool = False) -> list[int]:
    """Return the sizes to try for an image of so many colors, ascending.

    Where the colors are no more than 256, the last one keeps them all. With `up_to_all` the
    ladder goes on to that size, or to 65,536, in steps of the square root of 2.

    >>> rungs(20)
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    >>> rungs(1000, up_to_all=True)[-5:]
    [256, 362, 512, 724, 1000]
    """
    top = min(distinct_colors, MAX_K if up_to_all else RUNGS[-1])
    longer = [round(2 ** (step / 2)) for step in range(17, 33)] if up_to_all else []
    return [k for k in (*RUNGS, *longer) if k < top] + [top]


def check_ks(ks: Sequence[int]) -> list[int]:
    """Return sizes as they are climbed: ascending, each once.

    Raises
    ------
    BadOption : one is not an integer from 1 to 65,536, or there is none.
    """
    if not len(ks):
        raise BadOption("sizes must be one k or more, got none")
    return sorted({check_k(k) for k in ks})


def climb(histogram: Histogram, ks: Sequence[int], settings: Settings) -> Iterator[Rung]:
    """Yield the palettes of ascending sizes; the distortion never rises from one to the next.

    Parameters
    ----------
    histogram : of n colors
    ks : ascending sizes; those above n give the same as n
    settings : the options of palette building; `k` is ignored
    """
    before: Rung | None = None
    for k in ks:
        start = time.perf_counter()
        palette, labels, fit = fit_palette(histogram, replace(settings, k=k))
        milliseconds = (time.perf_counter() - start) * 1e3
        error = _distortion(histogram, palette, labels, settings.space)
        rung = Rung(k, palette, labels, fit, error, milliseconds)
        if before and error > before.distortion:
            rung = _retried(histogram, before, rung, settings)
        yield rung
        before = rung


def _retried(histogram: Histogram, before: Rung, worse: Rung, settings: Settings) -> Rung:
    """The better one of two starts from the palette before: with k-means, and without."""
    start = time.perf_counter()
    colors, counts = histogram.stored_colors, histogram.stored_counts
    remapper = Remapper(colors, settings.space, counts=counts)
    _, d2 = remapper.nearest(before.palette.colors, threads=settings.threads)
    worst = kmeans.worst_served(d2, counts, worse.k - before.palette.k)
    grown = np.concatenate([before.palette.colors, colors[worst]])
    candidates = [_by_share(Palette(grown), remapper, counts, settings.threads)]
    if settings.keep is None and before.palette.k < len(grown) == worse.k:
        seeds = grown[grown[:, 3] > 0] if histogram.channels == 4 else grown
        lloyd = Settings.of(worse.k, space=settings.space, init=seeds, threads=settings.threads)
        palette = fit_palette(histogram, lloyd)[0]
        candidates.append(_by_share(palette, remapper, counts, settings.threads))
    found = [
        (_distortion(histogram, palette, labels, settings.space), palette, labels)
        for palette, labels in candidates
    ]
    error, palette, labels = min(found, key=lambda each: each[0])
    spent = (time.perf_counter() - start) * 1e3
    return Rung(
        worse.k, palette, labels, worse.fit, error, worse.milliseconds + spent, retried=True
    )


def _by_share(
    palette: Palette, remapper: Remapper, counts: NDArray[np.int64], threads: int
) -> tuple[Palette, NDArray[np.uint16]]:
    """Order a palette as others are, the most used color first."""
    labels = remapper.rows(palette.colors, threads=threads)
    weights = np.bincount(labels, counts, palette.k)
    order = np.argsort(-weights, kind="stable")
    colors = palette.colors[order]
    labels = remapper.rows(colors, threads=threads)
    return Palette(colors, np.bincount(labels, counts, palette.k) / counts.sum()), labels


def _distortion(
    histogram: Histogram, palette: Palette, labels: NDArray[np.uint16], space: str
) -> float:
    colors, counts = histogram.stored_colors, histogram.stored_counts
    return metrics.distortion_of(colors, palette.colors, labels, space, counts)
