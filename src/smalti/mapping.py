"""Mapping: an index for every pixel, once there is a palette.

    image, Histogram, Palette, labels -> [map_pixels] -> indices (H, W)

The one place that decides between the nearest entry of every color, which costs a lookup
per pixel, and dithering, which takes each pixel in turn.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import dither as dithers
from . import histogram as histograms
from .dither import Dithering
from .fit import Fit
from .histogram import Histogram
from .image import Image
from .palette import Palette
from .remap import Remapper
from .settings import Settings
from .size import Sizing, map_rows

__all__ = ["Mapped", "map_pixels", "mixed", "nearest_indices"]

ENOUGH = 0.002
"""Mean strength below which dithering is not worth its bytes: a few pixels here and there."""

NAMES = {
    "floyd-steinberg": "Floyd–Steinberg",
    "atkinson": "Atkinson",
    "sierra-lite": "Sierra Lite",
    "bayer": "Bayer's matrix",
    "blue-noise": "blue noise",
}


class Mapped(NamedTuple):
    """Palette colors and indices; what dithering there is and why; and if all are the nearest."""

    palette: NDArray[np.uint8]
    indices: NDArray[Any]
    dithering: str = ""
    nearest: bool = True


def map_pixels(
    image: Image,
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    fit: Fit,
    dithering: Dithering,
    settings: Settings,
    sizing: Sizing = Sizing(),  # noqa: B008 (it cannot change)
) -> Mapped:
    """Give every pixel its palette row; where nothing is lost there is nothing to dither.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    histogram : of that image
    palette, labels, fit : as `fit_palette` returns them
    sizing : with an amount above 0, indices are chosen for few bytes, too, and entries may move

    Returns
    -------
    Mapped
        `indices` (H, W) uint8, or uint16 when the palette has more than 256 colors.
    """
    indices = histograms.map_labels(image, histogram, labels, k=palette.k, threads=settings.threads)
    if fit.stop_reason == "exact":
        return Mapped(palette.colors, indices)
    if dithering.method == "auto" and settings.effort == "turbo":
        dithering = Dithering("none")
    if sizing.amount and palette.k <= dithers.MOST_COLORS:
        indices = indices.astype(np.uint8, copy=False)
        return _sized(image, histogram, palette.colors, indices, dithering, settings, sizing)
    return mixed(image, palette.colors, indices, dithering, settings)


def _sized(
    image: Image,
    histogram: Histogram,
    palette: NDArray[np.uint8],
    indices: NDArray[np.uint8],
    dithering: Dithering,
    settings: Settings,
    sizing: Sizing,
) -> Mapped:
    """Map for few bytes; errors are handed on unless there shall be no dithering."""

    def nearest(colors: NDArray[np.uint8]) -> NDArray[Any]:
        remapper = Remapper(histogram.stored_colors, settings.space, counts=histogram.stored_counts)
        labels = remapper.rows(colors, threads=settings.threads)
        del remapper  # which takes more memory than the picture where many colors are distinct
        k, threads = len(colors), settings.threads
        return histograms.map_labels(own, histogram, labels, k=k, threads=threads)

    own = image  # with the channels of the histogram
    image, entries = _of_equal_channels(image, palette)
    strength = 0.0 if dithering.method == "none" else dithering.strength
    bands = np.zeros(indices.shape, np.uint8)
    if not dithering.adaptive:
        bands[:] = dithers.FULL
    elif strength:
        bands = dithers.strengths(image, entries, indices, threads=settings.threads)
    entries, indices = map_rows(
        image, entries, indices, settings.space, sizing,
        bands=bands, strength=strength, nearest=nearest, threads=settings.threads,
    )  # fmt: skip
    how = "none" if strength == 0 else "some, as far as it costs few bytes"
    return Mapped(
        np.ascontiguousarray(entries[:, : palette.shape[1]]),
        indices,
        f"{how} (size {sizing.amount:g})",
        nearest=False,
    )


def nearest_indices(
    image: Image, palette: NDArray[np.uint8], space: str, threads: int
) -> NDArray[Any]:
    """Map an image onto a palette that was made elsewhere, each pixel to the nearest entry."""
    histogram = Histogram.of(image, threads=threads)
    remapper = Remapper(histogram.stored_colors, space, counts=histogram.stored_counts)
    labels = remapper.rows(palette, threads=threads)
    del remapper
    return histograms.map_labels(image, histogram, labels, k=len(palette), threads=threads)


def mixed(
    image: Image,
    palette: NDArray[np.uint8],
    indices: NDArray[Any],
    dithering: Dithering,
    settings: Settings,
) -> Mapped:
    """Dither an image that has been mapped to the nearest entries, as far as asked for or needed.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    palette : (k, 3|4) uint8 sRGB, channels not necessarily those of the image
    indices : (H, W), of the nearest entries

    Raises
    ------
    BadOption : a method was asked for, and the palette has more than 256 colors.
    """
    dithering.refuse_above(len(palette))
    if dithering.method == "none" or len(palette) > dithers.MOST_COLORS:
        return Mapped(palette, indices)
    image, entries = _of_equal_channels(image, palette)
    strengths, method = None, dithering.method
    if method == "auto" or dithering.adaptive:
        needed = dithers.strengths(image, entries, indices, threads=settings.threads)
        if method == "auto" and needed.mean() < ENOUGH * dithers.FULL:
            return Mapped(palette, indices, "none: without it the picture shows no bands")
        strengths = needed if dithering.adaptive else None
    if strengths is None:
        strengths = np.full(indices.shape, dithers.FULL, np.uint8)
    method = "floyd-steinberg" if method == "auto" else method
    note = _note(method, dithering.adaptive, strengths)
    weaker = round(dithering.strength * dithers.FULL)
    if weaker < dithers.FULL:
        strengths = ((strengths.astype(np.uint16) * weaker) >> 7).astype(np.uint8)
    space = settings.space
    mixture = dithers.dithered(image, entries, indices, space, method, strengths)
    return Mapped(palette, mixture, note, nearest=False)


def _note(method: str, adaptive: bool, strengths: NDArray[np.uint8]) -> str:
    if not adaptive:
        return f"{NAMES[method]} on all pixels"
    share = 100 * np.count_nonzero(strengths) / strengths.size
    return f"{NAMES[method]} on {share:.0f} % of the pixels, where bands would show"


def _of_equal_channels(image: Image, palette: NDArray[np.uint8]) -> tuple[Image, NDArray[np.uint8]]:
    """Return both with alpha if one has it."""
    channels = max(image.shape[2], palette.shape[1])
    if image.shape[2] < channels:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    if palette.shape[1] < channels:
        palette = np.column_stack([palette, np.full(len(palette), 255, np.uint8)])
    return image, palette
