"""Attempts: one picture, compressed with one number of colors or with several.

    decoded -> [Attempts] -> histogram -> attempt(k) -> palette -> indices -> bytes

What does not depend on k is done once, and whatever an attempt is not asked for
is not done at all: a search that looks at palettes only maps and encodes
nothing. Each attempt gives what `compress` with that k would.
"""

import contextlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import marks, metadata, metrics, quality
from .bands import looked_up
from .decode import Decoded
from .dither import Dithering
from .encode import Encoded, try_all
from .fit import Fit, fit_palette
from .fixed import map_to, refuse_outside
from .formats import held
from .guard import Region, fit_guarded
from .histogram import Histogram
from .indexed import IndexedImage
from .kmeans import Step
from .mapping import Mapped, map_pixels
from .palette import Palette
from .settings import Settings
from .size import Sizing
from .weights import is_map, weight_map

__all__ = ["Attempt", "Attempts", "Clock", "Fitted", "Label", "Try", "marked"]

Label = Callable[[Any, bytes], bytes]
"""Puts what is to be said about an attempt into its file."""


DRAWN = 10
"""Pixels to a color from which a picture is drawn rather than photographed."""


class Clock:
    """Wall time of each stage, and the news that it begins. What comes again adds up."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self.milliseconds: dict[str, float] = {}
        self._on_stage = on_stage

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        if self._on_stage:
            self._on_stage(stage)
        start = time.perf_counter()
        yield
        before = self.milliseconds.get(stage, 0.0)
        self.milliseconds[stage] = before + (time.perf_counter() - start) * 1000


@dataclass(frozen=True)
class Try:
    """What is known so far of one attempt of a search; None: not asked for yet."""

    k: int
    size: float = 0.0
    size_bytes: int | None = None
    quality: float | None = None
    score: float | None = None

    def __str__(self) -> str:
        known = [
            "" if self.size_bytes is None else f"{self.size_bytes:,} bytes",
            "" if self.quality is None else f"quality {self.quality:.1f}",
            "" if self.score is None else f"score {self.score:.1f}",
        ]
        size = f", size {self.size:g}" if self.size else ""
        return f"k = {self.k}{size}: {', '.join(text for text in known if text)}"


class Attempts:
    """Attempts at one picture, from one histogram.

    decoded : the picture, with no more than the format holds
    kind : "PNG", "WEBP" or "GIF"
    settings : the options of palette building; `k` is that of each attempt
    dithering : how, how much and where
    guard : whether small regions keep their colors
    weight : None, "auto" or a map of what pixels count
    given : colors to map to, instead of a palette of each attempt's own
    size : 0..1, how much bytes count in mapping, where an attempt does not say otherwise
    encoding : what `IndexedImage.encoded` takes besides format and order
    """

    def __init__(
        self,
        decoded: Decoded,
        kind: str,
        settings: Settings,
        clock: Clock,
        *,
        dithering: Dithering,
        guard: bool,
        weight: Any,
        given: Palette | None,
        size: float,
        encoding: dict[str, Any],
        progress: Callable[[Step], object] | None,
    ) -> None:
        # Marks of settings (`marks.of_settings`): what files shall carry, and, where that is
        # nothing, what the input carried and keeps as long as its pixels are the same.
        self.recipe = self.former = b""
        self.metadata = metadata.NONE  # that files shall carry
        self.always_marked = False  # a number of colors needs no mark: the pixels prove it
        self.label: Label | None = None  # what files shall say about how they were made
        self.original, self.kind, self.settings, self.clock = decoded.image, kind, settings, clock
        self.dithering, self.encoding, self._progress = dithering, encoding, progress
        self.image, self.hard_edged = held(decoded.image, kind)
        with clock("histogram"):
            self.histogram = Histogram.of(self.image, threads=settings.threads)
            self.weights, self.weighted = weight_map(weight, self.image), None
            if self.weights is not None:
                self.weighted = Histogram.weighted(
                    self.image, self.weights, threads=settings.threads
                )
        self._given, self._guard, self.size = given, guard and not is_map(weight), size
        self._latest: Attempt | None = None
        self._fitted: tuple[int, Fitted] | None = None

    def __call__(self, k: int, size: float | None = None) -> "Attempt":
        if self._latest:
            self._latest.forget_indices()
        if self._fitted is None or self._fitted[0] != k:
            with self.clock("palette"):
                self._fitted = k, self._fit(replace(self.settings, k=k))
        self._latest = Attempt(self, k, self._fitted[1], self.size if size is None else size)
        return self._latest

    def smaller(self, k: int) -> "Attempt":
        """Return the attempt at `size`, or at 0 if that promises fewer bytes: some drawings.

        Text and icons repeat, and are stored as copies wherever equal pixels have equal entries.
        Entries that are chosen row by row spoil a few of the copies, which may outweigh the rest.
        """
        if not self.size or len(self.histogram) * DRAWN > self.histogram.total:
            return self(k)
        plain = self(k, 0.0)
        bytes_of_plain = plain.estimate()
        sized = self(k)  # it is the likely one, so it comes last: its indices are kept
        return sized if sized.estimate() <= bytes_of_plain else self(k, 0.0)

    @property
    def channels(self) -> int:
        """Of the picture, 3 or 4."""
        return int(self.original.shape[2])

    def refuse_outside(self, palette: Palette, name: str) -> None:
        """Raise OutsidePalette if the picture has a color that the palette lacks."""
        refuse_outside(self.image, self.histogram, palette, name)

    def _fit(self, settings: Settings) -> "Fitted":
        histogram, weighted, progress = self.histogram, self.weighted, self._progress
        regions: tuple[Region, ...] = ()
        if self._given is not None:
            palette, labels, fit = map_to(histogram, self._given, settings.space, settings.threads)
        elif self._guard:
            palette, labels, fit, regions = fit_guarded(
                self.image, histogram, settings, progress, weighted
            )
        else:
            palette, labels, fit = fit_palette(histogram, settings, progress, weighted)
        if self.kind == "GIF":  # one color for opaque and clear pixels is neither
            palette = Palette(held(palette.colors, self.kind)[0], palette.shares)
        return Fitted(palette, labels, fit, regions)

    def sizing(self, size: float, regions: tuple[Region, ...]) -> Sizing:
        """What mapping for a small file must know; colors that were asked for do not move."""
        if self._given is not None:
            return Sizing(size, self.kind)
        keep = self.settings.keep
        kept = [] if keep is None else [tuple(color[:3]) for color in keep.colors.tolist()]
        kept += [tuple(region.color[:3]) for region in regions]
        if not isinstance(self.settings.init, str):  # the user's own centroids
            return Sizing(size, self.kind, weights=self.weights)
        fixed = np.array(kept, np.uint8).reshape(-1, 3)
        return Sizing(size, self.kind, fixed, self.weights)

    @cached_property
    def scorer(self) -> metrics.Scorer:
        """Scores against what came in."""
        return metrics.Scorer(self.original, self.settings.threads)


class Fitted(NamedTuple):
    """A palette for k colors, and the regions that it was made to keep."""

    palette: Palette
    labels: NDArray[np.uint16]
    fit: Fit
    regions: tuple[Region, ...]


class Attempt:
    """The picture with up to k colors; everything beyond the palette when it is first asked for."""

    def __init__(self, of: Attempts, k: int, fitted: Fitted, size: float) -> None:
        self.k, self.size, self.fit, self.regions = k, size, fitted.fit, fitted.regions
        self._of, self._fitted, self._labels = of, fitted.palette, fitted.labels

    @cached_property
    def mapped(self) -> Mapped:
        """Every pixel's entry, and what was decided about dithering."""
        of = self._of
        with of.clock("map"):
            return map_pixels(
                of.image,
                of.histogram,
                self._fitted,
                self._labels,
                self.fit,
                of.dithering,
                replace(of.settings, k=self.k),
                of.sizing(self.size, self.regions),
            )

    @property
    def dithering(self) -> str:
        """Which pixels were dithered, and why."""
        return self.mapped.dithering

    @cached_property
    def palette(self) -> Palette:
        """As it will be stored; shares are those of the pixels nearest to each color."""
        return Palette(self.mapped.palette, self._fitted.shares)

    @property
    def indexed(self) -> IndexedImage:
        """The picture as it will be stored."""
        return IndexedImage(self.mapped.palette, self.mapped.indices, self.fit)

    def forget_indices(self) -> None:
        """Free the largest part; it is made again if need be."""
        self.__dict__.pop("mapped", None)

    @cached_property
    def encoded(self) -> Encoded:
        """The finished file, and what was tried; colors above 256 are stored in one way only."""
        indexed, of = self.indexed, self._of
        with of.clock("encode"):
            if len(indexed.palette) > 256:
                encoded = Encoded(indexed.encoded(of.kind, **of.encoding))
            else:
                # A GIF has no other way to hold on to colors that are kept, but that no pixel has.
                own = of.kind == "GIF" and of.settings.keep is not None
                order = "given" if own or self.fit.order == "given" else "auto"
                encoded = try_all(
                    indexed.indices, indexed.palette, of.kind, order=order, **of.encoding
                )
            return marked(self, of, encoded, lambda: marks.of_picture(self.pixels))

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The finished picture, (H, W, 3|4) uint8."""
        return looked_up(self.mapped.palette, self.mapped.indices)

    def results(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the finished picture: an animation has several."""
        yield self.pixels

    @property
    def mapping(self) -> Iterator[NDArray[Any]]:
        """Palette and indices."""
        yield self.mapped.palette
        yield self.mapped.indices

    @property
    def lossless(self) -> bool:
        """Whether the finished picture is the one that came in, wherever that is visible."""
        before, after = self._of.original, self.pixels
        if after.shape[2] < before.shape[2]:  # some pixel was not opaque, and all are now
            return False
        if after.shape[2] > before.shape[2] and (after[..., 3] < 255).any():
            return False
        return bool(np.array_equal(after[..., : before.shape[2]], before))

    def estimate(self) -> int:
        """Bytes of the indices, hastily compressed: only good for comparing attempts."""
        return len(zlib.compress(np.ascontiguousarray(self.mapped.indices).data, 6))

    @property
    def size_bytes(self) -> int:
        """Of the finished file."""
        return len(self.encoded.data)

    @cached_property
    def score(self) -> float:
        """SSIMULACRA2 points of the finished picture."""
        indexed = self.indexed
        with self._of.clock("measure"):
            return self._of.scorer.score(indexed.to_array())

    @cached_property
    def quality(self) -> float:
        """Pngquant's quality, of the palette: what dithering makes of it does not count."""
        with self._of.clock("measure"):
            histogram = self._of.histogram
            result = self._fitted.colors[self._labels]
            return quality.quality_of(
                quality.distortion(histogram.stored_colors, histogram.stored_counts, result)
            )

    def ask_quality(self) -> None:
        """Have the quality among what is known."""
        _ = self.quality

    @cached_property
    def errors(self) -> dict[str, float]:
        """The distortion of the finished picture in each space.

        Without dithering all pixels of a color share an entry, so the few distinct colors,
        weighted, give the number that all pixels would. Pixels are those that came in, which the
        histogram's are not where the format made their alpha opaque or clear.
        """
        of, spaces = self._of, ("srgb", "oklab")
        measure = self._of_pixels if of.hard_edged or not self.mapped.nearest else self._of_colors
        with of.clock("measure"):
            return {space: measure(space) for space in spaces}

    def known(self) -> Try:
        """What has been asked for so far."""
        has = self.__dict__
        size = len(has["encoded"].data) if "encoded" in has else None
        return Try(self.k, self.size, size, has.get("quality"), has.get("score"))

    def _of_colors(self, space: str) -> float:
        """The distortion of the palette."""
        colors, counts = self._of.histogram.stored_colors, self._of.histogram.stored_counts
        return metrics.distortion_of(colors, self._fitted.colors, self._labels, space, counts)

    def _of_pixels(self, space: str) -> float:
        """The distortion of the finished picture."""
        pixels = self._of.original.reshape(-1, self._of.original.shape[2])
        indices = self.mapped.indices.ravel()
        return metrics.distortion_of(pixels, self.mapped.palette, indices, space)


def marked(done: Any, of: Any, encoded: Encoded, digest: Callable[[], bytes]) -> Encoded:
    """Put into the file of an attempt metadata, a mark if one is needed, a label if one is wanted.

    of : the attempts, with `metadata`, `label` and the marks of settings: `recipe` and `former`
    digest : of the pixels

    All that was tried would have been as much larger.
    """
    mark = of.recipe
    if (
        not of.always_marked and (mark or of.former) and done.lossless
    ):  # then all is decided again as it was
        mark = of.former
    if not (mark or of.metadata or of.label):
        return encoded
    data = metadata.added(encoded.data, of.metadata)
    data = marks.with_mark(data, mark + digest()) if mark else data
    data = of.label(done, data) if of.label else data
    more = len(data) - len(encoded.data)
    tried = [
        way._replace(
            quick_bytes=way.quick_bytes + more,
            bytes=None if way.bytes is None else way.bytes + more,
        )
        for way in encoded.tried
    ]
    return Encoded(data, tuple(tried))
