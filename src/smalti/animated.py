"""Animated attempts: what `attempts` does for a picture, for all frames of an animation.

    Animation -> histogram of all frames -> palette -> cel after cel -> bytes

One palette serves all frames: it is found from the sum of their histograms, which is all it takes.
Each frame is then mapped where it differs from the one before; a pixel that does not change keeps
its entry, whatever dithering there is, so that nothing flickers that did not (`steady`).

With `frame_palettes`, each frame has a palette of its own for what it changes, and what it does not
keeps its color. Pictures are decoded once more for each pass, and held only where that is cheap.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import marks, metadata, metrics, quality
from .animation import Animation, widened
from .attempts import Clock, Fitted, Label, Try, marked
from .bins import Tally
from .cels import Box, Cel, box_of, canvases, unpacked
from .color import UNITS
from .dither import Dithering
from .errors import BadOption
from .fit import Fit, fit_palette
from .fixed import map_to, refuse_outside
from .formats import held
from .guard import Region, fit_guarded
from .histogram import Histogram
from .kmeans import Step
from .mapping import map_pixels
from .painting import Show, animated
from .palette import Palette
from .png_packing import Encoded
from .scorer import Scorer
from .settings import Settings
from .size import Sizing
from .steady import changes, kept, with_context
from .weights import is_map, weight_map

__all__ = ["AnimatedAttempt", "AnimatedAttempts", "FrameRegion"]

Canvas = NDArray[np.uint8]

HELD_BYTES = 2**27
"""All pictures are held if they fit into this; else they are decoded anew for each pass."""

GUARDED_PIXELS = 16_000_000
"""The guard looks at as many frames as have so many pixels, from first to last."""

SCORED = 8
"""Frames that are scored, from first to last; the lowest score counts."""


@dataclass(frozen=True)
class FrameRegion(Region):
    """A small region that was kept, and the frame it was found in, counted from 1."""

    frame: int = 1

    def __str__(self) -> str:
        return f"{super().__str__()}, in frame {self.frame:,}"


class AnimatedAttempts:
    """Attempts at one animation, from one histogram. Parameters are those of `Attempts`."""

    def __init__(
        self,
        movie: Animation,
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
        frame_palettes: bool = False,
    ) -> None:
        self.movie, self.kind, self.settings, self.clock = movie, kind, settings, clock
        self.dithering, self.frame_palettes, self._progress = dithering, frame_palettes, progress
        self.size, self._given = size, given
        self._guard, self._weight = guard and not is_map(weight), weight
        self._held: list[Canvas] | None = None
        self.hard_edged = False
        self.recipe = self.former = b""  # as of `Attempts`
        self.metadata = metadata.NONE
        self.label: Label | None = None
        self.always_marked = True  # ways to code frames are too many for the shortest to be found
        self.weights: NDArray[np.uint8] | None = None  # of the last frame
        with clock("histogram"):
            self.histogram, self.weighted = self._counted()
        self.show = Show(movie.width, movie.height, movie.delays, movie.plays, **encoding)
        self._fitted: tuple[int, Fitted] | None = None
        self._latest: AnimatedAttempt | None = None

    def __call__(self, k: int, size: float | None = None) -> "AnimatedAttempt":
        if self._latest:
            self._latest.forget_cels()
        fitted = None
        if not self.frame_palettes:
            if self._fitted is None or self._fitted[0] != k:
                with self.clock("palette"):
                    self._fitted = k, self._fit(replace(self.settings, k=self._room(k)))
            fitted = self._fitted[1]
        self._latest = AnimatedAttempt(self, k, fitted, self.size if size is None else size)
        return self._latest

    def smaller(self, k: int) -> "AnimatedAttempt":
        """Return the attempt at `size`: animations are not tried both ways."""
        return self(k)

    @property
    def channels(self) -> int:
        """3, or 4 if any frame has a pixel that is not opaque."""
        return self.histogram.channels

    def pictures(self) -> Iterator[Canvas]:
        """Yield all frames, of as many channels each, with an alpha that the format holds."""
        if self._held is not None:
            yield from self._held
            return
        for image in self.movie:
            yield widened(held(image, self.kind)[0], self.channels)

    def originals(self) -> Iterator[Canvas]:
        """Yield all frames as they came in."""
        yield from (widened(image, self.channels) for image in self.movie)

    def refuse_outside(self, palette: Palette, name: str) -> None:
        """Raise OutsidePalette if some frame has a color that the palette lacks."""
        for number, image in enumerate(self.pictures(), 1):
            refuse_outside(image, Histogram.of(image), palette, f"{name}, frame {number:,}")

    def _counted(self) -> tuple[Histogram, Histogram | None]:
        """Count the colors of all frames; hold the frames, if that is not too much."""
        sums, weighted, room = Tally(), Tally(), HELD_BYTES
        pictures: list[Canvas] = []
        for image in self.movie:
            picture, hardened = held(image, self.kind)
            self.hard_edged |= hardened
            sums.add(Histogram.of(picture, threads=self.settings.threads).bins)
            self.weights = weight_map(self._weight, picture)
            if self.weights is not None:
                part = Histogram.weighted(picture, self.weights, threads=self.settings.threads)
                weighted.add(part.bins)
            room -= picture.size
            if room > 0:
                pictures.append(picture)
            else:
                pictures.clear()
        total = Histogram.of_bins(sums.bins())
        if room > 0 and not self.hard_edged:
            self._held = [widened(picture, total.channels) for picture in pictures]
        is_weighted = self._weight is not None
        return total, Histogram.of_bins(weighted.bins()) if is_weighted else None

    def _room(self, k: int) -> int:
        """Leave an entry for pixels that stay as they were, if that is all it takes."""
        lossy = len(self.histogram) > k and self.histogram.opaque and len(self.movie) > 1
        theirs = self._given is not None or self.settings.keep is not None
        free = lossy and not theirs and isinstance(self.settings.init, str)
        return k - 1 if k == 256 and free else k

    def _fit(self, settings: Settings) -> Fitted:
        histogram, progress = self.histogram, self._progress
        if self._given is not None:
            return Fitted(*map_to(histogram, self._given, settings.space, settings.threads), ())
        if not self._guard:
            return Fitted(*fit_palette(histogram, settings, progress, self.weighted), ())
        frames = list(self._guarded())
        stack = np.concatenate([image for _, image in frames])
        palette, labels, fit, regions = fit_guarded(
            stack, histogram, settings, progress, self.weighted
        )
        return Fitted(palette, labels, fit, tuple(_placed(regions, [n for n, _ in frames], stack)))

    def _guarded(self) -> Iterator[tuple[int, Canvas]]:
        """Yield some frames with their numbers, as many as the guard has time for."""
        most = max(1, GUARDED_PIXELS // (self.movie.width * self.movie.height))
        wanted = set(_spread(len(self.movie), most))
        for number, image in enumerate(self.pictures()):
            if number in wanted:
                yield number, image


def _spread(count: int, most: int) -> list[int]:
    """Return up to `most` of the numbers below `count`, from first to last."""
    chosen = min(count, most)
    return [i * (count - 1) // max(1, chosen - 1) for i in range(chosen)]


def _placed(
    regions: tuple[Region, ...], numbers: list[int], stack: Canvas
) -> Iterator[FrameRegion]:
    """Say in which frame a region of the pile of frames is."""
    height = len(stack) // len(numbers)
    for region in regions:
        frame, y = divmod(region.y, height)
        place = (region.x, y, region.pixels, region.others)
        yield FrameRegion(region.color, *place, frame=numbers[frame] + 1)


class AnimatedAttempt:
    """The animation with up to k colors; parts are computed when they are first asked for."""

    def __init__(self, of: AnimatedAttempts, k: int, fitted: Fitted | None, size: float) -> None:
        self.k, self.size, self._of, self._fitted = k, size, of, fitted
        self.dithering = ""

    @cached_property
    def cels(self) -> list[Cel]:
        """What each frame changes."""
        with self._of.clock("map"):
            if self._fitted is None:
                return list(self._own_cels())
            return list(self._shared_cels(self._fitted))

    def _shared_cels(self, fitted: Fitted) -> Iterator[Cel]:
        """Map every frame where it differs from the one before, to one palette."""
        of, before = self._of, None
        settings = replace(of.settings, k=self.k)
        colors = fitted.palette.colors
        if of.kind == "GIF":
            colors = held(colors, "GIF")[0]
        palette = Palette(colors, fitted.palette.shares)
        slack = 0.0 if fitted.fit.stop_reason == "exact" else self.size
        shown = np.zeros((of.movie.height, of.movie.width), np.uint8)
        for image in of.pictures():
            box, changed = changes(image, before)
            crop, inner = with_context(image, box)
            mapped = map_pixels(
                crop, of.histogram, palette, fitted.labels, fitted.fit, of.dithering, settings,
                Sizing(self.size, of.kind),
            )  # fmt: skip
            self.dithering = self.dithering or mapped.dithering
            indices = np.ascontiguousarray(mapped.indices[inner])
            if before is not None:
                changed &= ~kept(image[box.part], shown[box.part], indices, palette.colors, slack)
            shown[box.part][changed] = indices[changed]
            yield Cel(box, indices, changed, palette.colors)
            before = image

    def _own_cels(self) -> Iterator[Cel]:
        """Find a palette for what each frame changes, and map that."""
        of, before = self._of, None
        anew = of.kind == "GIF" and not of.histogram.opaque
        self._fits: list[Fit] = []
        for image in of.pictures():
            # What becomes clear cannot be painted in GIF: every frame is then drawn anew.
            box, changed = changes(image, None if anew else before)
            crop = np.ascontiguousarray(image[box.part])
            k = self.k
            if not changed.all():
                crop = widened(crop, 4).copy()
                crop[~changed] = 0
                k = min(256, k + of.histogram.opaque)  # "as before" is none of the colors
            palette, indices, fit = self._fit_one(crop, k)
            self._fits.append(fit)
            if before is not None and anew:
                changed = np.ones_like(changed)
            yield Cel(box, indices, changed, palette)
            before = image

    def _fit_one(self, image: Canvas, k: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Fit]:
        of = self._of
        settings = replace(of.settings, k=k)
        histogram = Histogram.of(image, threads=settings.threads)
        regions: tuple[Region, ...] = ()
        if of._guard:
            palette, labels, fit, regions = fit_guarded(image, histogram, settings, of._progress)
        else:
            palette, labels, fit = fit_palette(histogram, settings, of._progress)
        if of.kind == "GIF":
            palette = Palette(held(palette.colors, "GIF")[0], palette.shares)
        sizing = Sizing(self.size, of.kind, _fixed(settings, regions))
        mapped = map_pixels(image, histogram, palette, labels, fit, of.dithering, settings, sizing)
        self.dithering = self.dithering or mapped.dithering
        return mapped.palette, mapped.indices, fit

    @cached_property
    def fit(self) -> Fit:
        """What k-means did: for palettes of each frame, all together."""
        if self._fitted is not None:
            return self._fitted.fit
        _ = self.cels
        worst = next((fit for fit in self._fits if fit.stop_reason != "exact"), self._fits[0])
        return replace(worst, iterations=sum(fit.iterations for fit in self._fits))

    @property
    def regions(self) -> tuple[Any, ...]:
        """That the guard kept."""
        return () if self._fitted is None else self._fitted.regions

    @cached_property
    def palette(self) -> Palette:
        """As it will be stored; of palettes of each frame, all colors, by how much is painted."""
        if self._fitted is not None:
            colors = self.cels[0].palette
            return Palette(colors, self._fitted.palette.shares)
        painted = [
            Histogram.of(cel.palette[cel.indices[cel.changed]][None])
            for cel in self.cels
            if cel.changed.any()
        ]
        total = sum(painted[1:], painted[0])
        order = np.argsort(-total.counts, kind="stable")[:65_536]
        return Palette(total.colors[order], total.counts[order] / total.counts[order].sum())

    @cached_property
    def encoded(self) -> Encoded:
        """The finished file."""
        of, cels = self._of, self.cels
        with of.clock("encode"):
            show = replace(of.show, reorder=self.fit.order != "given")
            data, self.time_notes = animated(cels, show, of.kind, own_palettes=self._fitted is None)
            encoded = Encoded(data)
        return marked(self, of, encoded, lambda: marks.of_pictures(self.results()))

    @property
    def size_bytes(self) -> int:
        """Of the finished file."""
        return len(self.encoded.data)

    def results(self) -> Iterator[Canvas]:
        """Yield the frames as they will be seen, (H, W, 3|4) uint8."""
        movie = self._of.movie
        for numbers, _ in canvases(self.cels, movie.width, movie.height):
            colors = unpacked(numbers)
            opaque = colors[..., 3].min() == 255
            yield np.ascontiguousarray(colors[..., :3]) if opaque else colors

    @property
    def mapping(self) -> Iterator[NDArray[Any]]:
        """The palette and the frames: indices mean colors of frames before, too."""
        yield self.palette.colors
        yield from self.results()

    @cached_property
    def errors(self) -> dict[str, float]:
        """The mean distortion of all frames in each space."""
        of, spaces = self._of, ("srgb", "oklab")
        whole = Box(0, 0, of.movie.width, of.movie.height)
        frame, total = dict.fromkeys(spaces, 0), dict.fromkeys(spaces, 0)
        last: tuple[Canvas, NDArray[np.uint32]] | None = None
        with of.clock("measure"):
            shown = canvases(self.cels, whole.width, whole.height)
            for image, (numbers, _) in zip(of.originals(), shown, strict=True):
                box = whole
                if last:  # elsewhere, errors are what they were
                    box = changes(image, last[0])[0].joined(box_of(numbers != last[1]))
                for space in spaces:
                    frame[space] += _squares(image, numbers, box, space)
                    frame[space] -= _squares(*last, box, space) if last else 0
                    total[space] += frame[space]
                last = image, numbers
        pixels = whole.width * whole.height * len(of.movie)
        return {space: total[space] / pixels / UNITS[space] ** 2 for space in spaces}

    @cached_property
    def score(self) -> float:
        """The lowest SSIMULACRA2 points of some frames."""
        of = self._of
        wanted, scores = set(_spread(len(of.movie), SCORED)), []
        pairs = zip(of.originals(), self.results(), strict=True)
        with of.clock("measure"):
            for number, (image, result) in enumerate(pairs):
                if number in wanted:
                    scores.append(Scorer(image, of.settings.threads).score(result))
        return min(scores)

    @cached_property
    def quality(self) -> float:
        """Pngquant's quality, of the palette."""
        fitted, histogram = self._fitted, self._of.histogram
        if fitted is None:
            raise BadOption("quality is that of one palette; leave frame_palettes out")
        with self._of.clock("measure"):
            result = fitted.palette.colors[fitted.labels]
            return quality.quality_of(
                quality.distortion(histogram.stored_colors, histogram.stored_counts, result)
            )

    @property
    def lossless(self) -> bool:
        """Whether all frames are what came in, wherever that is visible."""
        return self.errors["srgb"] == 0

    def ask_quality(self) -> None:
        """Have the quality among what is known."""
        _ = self.quality

    def forget_cels(self) -> None:
        """Free the largest part; it is made again if need be."""
        self.__dict__.pop("cels", None)

    def known(self) -> Try:
        """What has been asked for so far."""
        has = self.__dict__
        size = len(has["encoded"].data) if "encoded" in has else None
        return Try(self.k, self.size, size, has.get("quality"), has.get("score"))


def _fixed(settings: Settings, regions: tuple[Region, ...]) -> NDArray[np.uint8] | None:
    """Return the colors that must not move in mapping for a small file; None for all."""
    if not isinstance(settings.init, str):
        return None
    kept = [] if settings.keep is None else settings.keep.colors.tolist()
    fixed = [color[:3] for color in [*kept, *(region.color for region in regions)]]
    return np.array(fixed, np.uint8).reshape(-1, 3)


def _squares(image: Canvas, numbers: NDArray[np.uint32], box: Box, space: str) -> int:
    """Return the sum of the squared errors in a box, a whole number of the space's steps."""
    part, result = image[box.part], unpacked(numbers[box.part])
    if result[..., 3].min() == 255:
        result = result[..., :3]
    mean = metrics.distortion(np.ascontiguousarray(part), np.ascontiguousarray(result), space)
    return round(mean * box.width * box.height * UNITS[space] ** 2)
