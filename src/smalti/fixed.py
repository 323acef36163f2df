"""Fixed palettes: pictures in colors that somebody chose.

    image, Palette -> [map_to] -> the nearest entry of each color, every entry where it was

Nothing is searched for and no row moves: games, e-paper and embroidery machines count on
them. A strict palette is a promise that the picture has no other colors, which is checked here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import color, metrics
from . import histogram as histograms
from .errors import OutsidePalette
from .fit import Fit
from .histogram import Histogram, pack
from .image import Image
from .palette import Palette
from .remap import Remapper
from .swatches import hex_code

__all__ = ["Outside", "map_to", "outside", "refuse_outside"]


def map_to(
    histogram: Histogram, palette: Palette, space: str, threads: int
) -> tuple[Palette, NDArray[np.uint16], Fit]:
    """Map the colors of a histogram to a palette that is given.

    Returns
    -------
    palette : the same colors in the same rows, with the shares of this histogram
    labels : (n,) uint16, in the order of `histogram.stored_colors`
    fit : of no iteration, with the entries in the place of centroids
    """
    remapper = Remapper(histogram.stored_colors, space, counts=histogram.stored_counts)
    labels = remapper.rows(palette.colors, threads=threads)
    pixels = np.zeros(palette.k, np.int64)
    np.add.at(pixels, labels, histogram.stored_counts)
    entries = color.to_points(np.ascontiguousarray(palette.colors), space)
    error = metrics.distortion(
        histogram.stored_colors, palette.colors[labels], space, weights=histogram.stored_counts
    )
    centroids = entries.astype(np.float32) / np.float32(color.UNITS[space])
    fit = Fit(len(histogram), "none", 0, "given", error, centroids, space, order="given")
    return Palette(palette.colors, pixels / histogram.total), labels, fit


@dataclass(frozen=True)
class Outside:
    """What an image has of colors that a palette lacks, and where that begins."""

    pixels: int
    colors: int
    x: int
    y: int
    first: str  # the color at (x, y), as #rrggbb

    def __str__(self) -> str:
        return (
            f"{self.pixels:,} pixel{'s have' if self.pixels > 1 else ' has'} "
            f"{f'{self.colors:,} colors' if self.colors > 1 else 'a color'} that the palette "
            f"lacks, first at ({self.x}, {self.y}): {self.first}"
        )


def outside(image: Image, histogram: Histogram, palette: Palette) -> Outside | None:
    """Return what of an image is outside of a palette; None if nothing is.

    Fully transparent pixels need a fully transparent entry, whatever color is below: any other
    would be seen.
    """
    entries = _rgba(palette.colors)
    lacking = ~np.isin(pack(_rgba(histogram.stored_colors)), pack(entries))
    if not lacking.any():
        return None
    mask = histograms.map_labels(image, histogram, lacking.astype(np.uint16), k=2)
    y, x = divmod(int(mask.argmax()), image.shape[1])
    pixels, colors = int(histogram.stored_counts[lacking].sum()), int(lacking.sum())
    return Outside(pixels, colors, x, y, hex_code(_rgba(image[y : y + 1, x])[0].tolist()))


def refuse_outside(image: Image, histogram: Histogram, palette: Palette, name: str) -> None:
    """Raise OutsidePalette if pixels have colors that the palette lacks."""
    if found := outside(image, histogram, palette):
        raise OutsidePalette(f"{name}: {found}; if not strict, the nearest entries would do")


def _rgba(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colors with alpha, all fully transparent ones as one."""
    if colors.shape[1] == 3:
        return np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
    return np.where(colors[:, 3:] == 0, np.uint8(0), colors)
