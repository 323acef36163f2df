"""Mapping: an index for every pixel, once there is a palette.

    image, Histogram, Palette, labels -> [map_pixels] -> indices (H, W)

The one place that decides between the nearest entry of every color, which costs a lookup
per pixel, and dithering, which takes each pixel in turn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import dither as dithering
from . import histogram as histograms
from .fit import Fit
from .histogram import Histogram
from .image import Image
from .palette import Palette
from .remap import Remapper
from .settings import Settings

__all__ = ["dithered", "map_pixels", "nearest_indices"]


def map_pixels(
    image: Image,
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    fit: Fit,
    dither: str,
    settings: Settings,
) -> NDArray[Any]:
    """Give every pixel its palette row; where nothing is lost there is nothing to dither.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    histogram : of that image
    palette, labels, fit : as `fit_palette` returns them
    dither : one of the option's choices

    Returns
    -------
    (H, W) uint8, or uint16 when the palette has more than 256 colors
    """
    if dither == "none" or fit.stop_reason == "exact":
        return histograms.map_labels(
            image, histogram, labels, k=palette.k, threads=settings.threads
        )
    return dithered(image, palette.colors, settings.space)


def nearest_indices(
    image: Image, palette: NDArray[np.uint8], space: str, threads: int
) -> NDArray[Any]:
    """Map an image onto a palette that was made elsewhere, each pixel to the nearest entry."""
    histogram = Histogram.of(image, threads=threads)
    remapper = Remapper(histogram.stored_colors, space, counts=histogram.stored_counts)
    labels = remapper.rows(palette, threads=threads)
    return histograms.map_labels(image, histogram, labels, k=len(palette), threads=threads)


def dithered(image: Image, palette: NDArray[np.uint8], space: str) -> NDArray[np.uint8]:
    """Dither with the channels of image and palette made equal."""
    channels = max(image.shape[2], palette.shape[1])
    if image.shape[2] < channels:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    if palette.shape[1] < channels:
        palette = np.column_stack([palette, np.full(len(palette), 255, np.uint8)])
    return dithering.floyd_steinberg(image, palette, space)
