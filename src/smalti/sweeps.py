"""Sweep: what every number of colors costs and gives, as a table and as plots.

    image -> Histogram -> ladder -> [sweep] -> rows (k, error, bytes, time) -> text | CSV | plot

Each row is exactly what `quantize` gives at that k with dither="none", mapped, encoded and
measured; the histogram is made once for all. The errors never rise with k. `compress` takes
fewer bytes, as it does not map to the nearest entries only (its option `size`).
"""

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ladder, metrics, plots
from .choose import elbow
from .encode import encode_truecolor
from .errors import BadOption
from .histogram import Histogram, map_labels
from .image import Image
from .indexed import IndexedImage
from .ladder import Rung
from .load import load
from .options import MAX_K
from .palette import Palette
from .quantize import apply_palette
from .settings import Settings

__all__ = ["PICTURES", "Row", "Sweep", "sweep"]

PICTURES = (2, 8, 25, 100)
"""Sizes whose pictures stand beside the original, as the tutorials show them."""

WIDTH, CURVES = 12.0, 3.8  # inches of a plot, and of the height of its curves

PICTURE_SIDE = 360  # pixels at most, in plots


@dataclass(frozen=True)
class Row:
    """One number of colors: what it costs and gives."""

    k: int
    colors: int
    """In the palette: fewer than k where the image has fewer."""
    distortion: float
    """Mean squared error of the stored palette, summed over channels, in the sweep's space."""
    psnr: float
    """Decibels per channel in sRGB; infinite for a pixel-identical picture."""
    ssim: float
    bytes: int
    """Size of the PNG file."""
    webp_bytes: int | None
    """Size of the lossless WebP file, if asked for."""
    bits_per_pixel: float
    """Of the PNG file."""
    entropy: float
    """Of the indices: bits per pixel that a code for each pixel by itself needs at least."""
    milliseconds: float
    """Wall time of finding the palette and mapping the pixels; the histogram comes extra, once."""
    retried: bool
    """Whether k-means was started again from the row before, as it had ended above that."""


@dataclass(frozen=True, eq=False)
class Sweep(Sequence[Row]):
    """The rows of a sweep, ascending by k. `str()` of it is a table.

    Attributes
    ----------
    rows : (n,) Row
    space : "oklab" or "srgb", of the distortions
    distinct_colors : of the image
    histogram_milliseconds : wall time of counting them
    """

    rows: tuple[Row, ...]
    space: str
    distinct_colors: int
    histogram_milliseconds: float
    _image: Image
    _palettes: dict[int, Palette]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    @property
    def elbow(self) -> int:
        """The k at which the root of the distortion bends most: see `smalti.elbow`."""
        return elbow([row.k for row in self.rows], [math.sqrt(row.distortion) for row in self.rows])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows in plain types, an infinite PSNR as None."""
        return [
            asdict(row) | {"psnr": row.psnr if math.isfinite(row.psnr) else None}
            for row in self.rows
        ]

    def to_csv(self) -> str:
        """Return the rows as comma-separated values, with a header."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(Row.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_dicts())
        return text.getvalue()

    def __str__(self) -> str:
        head, cells = self._cells()
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in (head, *cells)
        ]
        space = {"srgb": "sRGB", "oklab": "Oklab"}[self.space]
        return "\n".join(
            [
                *lines,
                f"J: distortion in {space}, the mean squared error summed over channels; "
                f"entropy in bits per pixel.",
                f"{self.distinct_colors:,} distinct color{'s' * (self.distinct_colors > 1)}, "
                f"counted in {self.histogram_milliseconds:.0f} ms{self._about_the_elbow()}.",
            ]
        )

    def _about_the_elbow(self) -> str:
        return f"; the elbow is at k = {self.elbow:,}" if len(self) > 2 else ""

    def _repr_html_(self) -> str:
        head, cells = self._cells()

        def line(tag: str, row: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

        return "<table>" + line("th", head) + "".join(line("td", row) for row in cells) + "</table>"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the head of the table and its rows, as people read them."""
        with_webp = any(row.webp_bytes is not None for row in self.rows)
        head = ["k", "J", "PSNR", "SSIM", "PNG bytes", *(["WebP"] if with_webp else [])]
        head += ["bits/pixel", "entropy", "ms", ""]
        return head, [
            [
                f"{row.k:,}",
                f"{row.distortion:#.4g}".rstrip("."),
                f"{row.psnr:.2f}" if math.isfinite(row.psnr) else "exact",
                f"{row.ssim:.4f}",
                f"{row.bytes:,}",
                *([f"{row.webp_bytes:,}"] if with_webp else []),
                f"{row.bits_per_pixel:.2f}",
                f"{row.entropy:.2f}",
                f"{row.milliseconds:.1f}",
                "retried" if row.retried else "",
            ]
            for row in self.rows
        ]

    def picture(self, k: int) -> IndexedImage:
        """Return the picture of one of the rows, as `quantize` makes it.

        Raises
        ------
        BadOption : no row has that k.
        """
        if k not in self._palettes:
            raise BadOption(f"k must be one of the rows' {', '.join(map(str, self._palettes))}")
        return apply_palette(self._image, self._palettes[k], space=self.space, dither="none")

    def plot(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Draw error, bytes and time against k, and pictures of few colors, as .png or .svg.

        Raises
        ------
        BadOption : another suffix.
        MissingExtra : matplotlib is not installed.
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        plots.check(path)
        with plots.style():
            figure = self._drawn()
        plots.save(figure, path, overwrite=overwrite)

    def _drawn(self) -> Any:
        """Three curves above, five pictures below."""
        pictures = self._pictured()
        height, width = self._image.shape[:2]
        # Pictures as wide as a fifth of the figure, and a title; a tall one may not fill the page.
        below = [min(5.0, WIDTH / (len(PICTURES) + 1) * height / width + 0.4)] if pictures else []
        figure = plots.new_figure(WIDTH, CURVES + sum(below))
        curves, *rest = figure.subfigures(
            1 + len(below), 1, height_ratios=[CURVES, *below], squeeze=False
        ).ravel()
        first, second, third = curves.subplots(1, 3)
        self._draw_errors(first)
        self._draw_sizes(second)
        self._draw_times(third)
        for axes in (first, second, third):
            _label_ks(axes, [row.k for row in self.rows])
        if pictures:
            self._draw_pictures(rest[0], pictures)
        return figure

    def _pictured(self) -> list[int]:
        """Sizes of which pictures are drawn: the usual ones, or some of those there are."""
        usual = [k for k in PICTURES if k in self._palettes]
        if len(usual) == len(PICTURES):
            return usual
        there = [k for k in self._palettes if k > 1]
        some = np.linspace(0, len(there) - 1, min(len(PICTURES), len(there))).round().astype(int)
        return [there[i] for i in some]

    def _draw_errors(self, axes: Any) -> None:
        """On a scale of square roots: there the elbow is what is farthest below the line."""
        ks, errors = [row.k for row in self.rows], [row.distortion for row in self.rows]
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
        chord = np.geomspace(ks[0], ks[-1])
        way = np.log(chord / ks[0]) / max(math.log(ks[-1] / ks[0]), 1e-9)
        ends = math.sqrt(errors[0]), math.sqrt(errors[-1])
        axes.plot(chord, (ends[0] + way * (ends[1] - ends[0])) ** 2, ":", color=plots.FAINT)
        axes.plot(ks, errors, "o-", color=plots.BLUE)
        if len(self) > 2:
            bend = self.rows[ks.index(self.elbow)]
            ring = {"ms": 11, "mfc": "none", "mew": 2, "color": plots.RED, "clip_on": False}
            axes.plot(bend.k, bend.distortion, "o", **ring)
            axes.annotate(
                f"elbow: k = {bend.k:,}",
                (0.98, 0.97),
                xycoords="axes fraction",
                ha="right",
                va="top",
                color=plots.RED,
            )
        axes.set_ylim(bottom=0)
        space = {"srgb": "sRGB", "oklab": "Oklab"}[self.space]
        axes.set_title(f"Distortion J in {space}, on a root scale")

    def _draw_sizes(self, axes: Any) -> None:
        ks = [row.k for row in self.rows]
        axes.plot(ks, [row.bytes / 1000 for row in self.rows], "o-", color=plots.BLUE, label="PNG")
        webp = [row.webp_bytes for row in self.rows if row.webp_bytes is not None]
        if len(webp) == len(ks):
            sizes = [size / 1000 for size in webp]
            axes.plot(ks, sizes, "s--", color=plots.ORANGE, label="WebP")
            axes.legend(frameon=False)
        axes.set_title("File size in kB")
        axes.set_ylim(bottom=0)

    def _draw_times(self, axes: Any) -> None:
        times = [row.milliseconds for row in self.rows]
        axes.plot([row.k for row in self.rows], times, "o-", color=plots.BLUE)
        axes.axhline(self.histogram_milliseconds, color=plots.FAINT, linestyle=":")
        axes.set_title("Time in ms; dotted: histogram, once")
        axes.set_ylim(0, 1.15 * max(*times, self.histogram_milliseconds))

    def _draw_pictures(self, figure: Any, ks: list[int]) -> None:
        names = ["original", *(f"{k:,} colors" for k in ks)]
        shown = [self._image, *(self.picture(k).to_array() for k in ks)]
        places = figure.subplots(1, len(PICTURES) + 1)
        for axes in places:
            axes.axis("off")
        for axes, name, image in zip(places, names, shown, strict=False):
            axes.imshow(_small(image), interpolation="none")
            axes.set_title(name, loc="center")


def sweep(
    image: Any,
    ks: Sequence[int] | None = None,
    *,
    up_to_all: bool = False,
    webp: bool = False,
    channels: str = "rgb",
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> Sweep:
    """Quantize an image with many numbers of colors, and measure what each costs and gives.

    Parameters
    ----------
    image : as `quantize` takes it
    ks : sizes, 1 to 65,536 each; default: 1, 2, 3, 4, 6, 8, 12, 16, 25, 32, 48, 64, 100, 128, 180
        and 256, or up to the number of distinct colors where those are fewer
    up_to_all : go on to the number of distinct colors, where the error is 0
    webp : make WebP files as well as PNG
    channels : "rgb" or "bgr"
        Order of the channels of an array.
    progress : called before each row with the number of rows done, and of all
    **options
        `space`, `effort`, `init`, `n_init`, `max_iter`, `tol`, `seed`, `threads`: as in `quantize`.

    Returns
    -------
    Sweep
        A sequence of rows, ascending by k. Each is exactly what `quantize` gives, unless that has a
        higher distortion than the row before, which k-means does not exclude: then it is started
        again from that row's palette and the colors it serves worst.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded, BadOption : as for `quantize`.

    >>> image = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    >>> [(row.k, round(row.psnr, 1)) for row in sweep(image, [1, 4, 64], threads=1)]
    [(1, 13.2), (4, 25.2), (64, inf)]
    """
    settings = Settings.of(1, **options)
    pixels = load(image, channels)
    start = time.perf_counter()
    histogram = Histogram.of(pixels, threads=settings.threads)
    counted = (time.perf_counter() - start) * 1e3
    sizes = ladder.rungs(len(histogram), up_to_all=up_to_all)
    if ks is not None:
        sizes = ladder.check_ks([*ks, *(sizes[-1:] if up_to_all else [])])
    rows, palettes = [], {}
    for rung in _watched(ladder.climb(histogram, sizes, settings), len(sizes), progress):
        rows.append(_measured(pixels, histogram, rung, settings.threads, webp))
        palettes[rung.k] = rung.palette
    beyond = up_to_all and len(histogram) > MAX_K
    if beyond:
        rows.append(_all_colors(pixels, histogram, webp))
    return Sweep(tuple(rows), settings.space, len(histogram), counted, pixels, palettes)


def _watched(
    climbing: Iterator[Rung], total: int, progress: Callable[[int, int], object] | None
) -> Iterator[Rung]:
    for done in range(total):
        if progress:
            progress(done, total)
        yield next(climbing)


def _measured(image: Image, histogram: Histogram, rung: Rung, threads: int, webp: bool) -> Row:
    """Map, encode and measure the palette of one k."""
    colors = rung.palette.colors
    start = time.perf_counter()
    indices = map_labels(image, histogram, rung.labels, k=len(colors), threads=threads)
    mapped = (time.perf_counter() - start) * 1e3
    indexed = IndexedImage(colors, indices)
    size = len(indexed.encoded("PNG", order="auto"))
    counts, stored = histogram.stored_counts, histogram.stored_colors
    return Row(
        k=rung.k,
        colors=len(colors),
        distortion=rung.distortion,
        psnr=metrics.psnr(stored, colors[rung.labels], weights=counts),
        ssim=metrics.ssim(image, indexed.to_array()),
        bytes=size,
        webp_bytes=len(indexed.encoded("WEBP")) if webp else None,
        bits_per_pixel=8 * size / indices.size,
        entropy=_entropy(rung.palette.shares),
        milliseconds=rung.milliseconds + mapped,
        retried=rung.retried,
    )


def _all_colors(image: Image, histogram: Histogram, webp: bool) -> Row:
    """Return the row of an image that keeps more colors than a palette holds: itself."""
    size = len(encode_truecolor(image))
    return Row(
        k=len(histogram),
        colors=len(histogram),
        distortion=0.0,
        psnr=math.inf,
        ssim=1.0,
        bytes=size,
        webp_bytes=len(encode_truecolor(image, "WEBP")) if webp else None,
        bits_per_pixel=8 * size / histogram.total,
        entropy=_entropy(histogram.stored_counts / histogram.total),
        milliseconds=0.0,
        retried=False,
    )


def _entropy(shares: NDArray[np.float64] | None) -> float:
    """Bits per symbol of a source with such probabilities: Shannon (1948)."""
    assert shares is not None  # a fitted palette has them
    used = shares[shares > 0]
    return float(-(used * np.log2(used)).sum()) + 0.0  # never -0.0


def _small(image: Image) -> NDArray[np.uint8]:
    """Return every n-th pixel of a picture, so that it fits a plot; nothing is smoothed."""
    step = -(-max(image.shape[:2]) // PICTURE_SIDE)
    return image[::step, ::step]


def _label_ks(axes: Any, ks: Sequence[int]) -> None:
    """Draw k on a logarithmic axis, with numbers as people write them."""
    axes.set_xscale("log", base=2)
    axes.set_xlabel("k")
    round_ones = [k for k in (1, 4, 16, 64, 256, 1024, 4096, 16384) if ks[0] <= k < ks[-1] / 2]
    ticks = [*round_ones, ks[-1]] if len(ks) > 8 else list(ks)
    axes.set_xticks(ticks, [f"{k:,}" for k in ticks])
    axes.minorticks_off()
    axes.grid(True, color="#eeeeee")
