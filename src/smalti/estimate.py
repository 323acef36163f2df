"""Estimate: about how large a file will be, before it is made.

    image, palettes -> patches -> [estimate_bytes] -> bytes, bytes, bytes ...

How well indices pack depends on the picture, and no formula knows it: a part of it is mapped
and packed as usual, and what that takes is taken for the whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from . import formats
from .attempts import Attempts, Clock
from .decode import Decoded
from .dither import Dithering
from .image import Image, check_image
from .options import check
from .palette import Palette
from .settings import Settings
from .size import DEFAULT

__all__ = ["ANCHORS", "estimate_bytes"]

MOST = 256
"""Colors: files with more have no palette."""

ANCHORS = (2, 8, 32, 128, 256)
"""Sizes whose files say how large those of the sizes between will be."""

PATCHES = 600_000
"""Pixels that a file is made of, to know what all would take."""

PATCH = 64, 256
"""Rows and columns of a patch: deflate looks back 32 KiB, more than a patch has."""

GOLDEN = 0.6180339887
"""Multiples of it, without their whole part, are spread evenly, however many they are."""

LEFT = {
    "PNG": {"fast": 1.0, "default": 0.9, "max": 0.88},
    "WEBP": {"fast": 1.0, "default": 0.87, "max": 0.85},
    "GIF": {"fast": 1.0, "default": 1.0, "max": 1.0},
}
"""What packing leaves of a file that was packed fast: medians of photographs and graphics."""


def estimate_bytes(
    image: Image,
    palettes: Iterable[Palette],
    *,
    space: str = "oklab",
    format: str = "png",  # noqa: A002 (the word everybody uses)
    pack: str = "default",
    threads: int | None = None,
) -> Iterator[int]:
    """Yield about how many bytes `compress` makes of an image in the colors of each palette.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8 sRGB
    palettes : each of at most 256 colors
    space, format, pack, threads : as for `compress`; all other options as they are by default

    Yields
    ------
    int
        From patches of the image at its full resolution, mapped and packed as usual. Half of the
        estimates are off by less than a twentieth or so; those of graphics can be by much more.

    Raises
    ------
    BadImage, BadOption : at once.
    """
    image, kind = check_image(image), formats.format_of(format, None)
    settings = Settings.of(MOST, space=space, threads=threads)
    factor = LEFT[kind][check("pack", pack)]
    return _estimates(image, palettes, kind, settings, factor)


def _estimates(
    image: Image, palettes: Iterable[Palette], kind: str, settings: Settings, factor: float
) -> Iterator[int]:
    patches = _patches(image)
    decoded = Decoded(patches, "array", None, None, None, (), 0)
    times = _steps(image) / max(1, _steps(patches))
    for given in palettes:
        colors = formats.held(given.colors, kind)[0]
        palette = Palette(np.unique(colors, axis=0)) if colors is not given.colors else given
        attempts = Attempts(
            decoded, kind, replace(settings, k=palette.k), Clock(None),
            dithering=Dithering("auto"), guard=False, weight=None, given=palette,
            size=DEFAULT, encoding={"pack": "fast"}, progress=None,
        )  # fmt: skip
        head = 80 + palette.colors.size  # about: what does not grow with the picture
        pixels = max(0, attempts(palette.k).size_bytes - head)
        yield head + round(pixels * times * factor)


def _patches(image: Image) -> Image:
    """Return patches of an image side by side: from all columns, and from heights all over it."""
    (height, width), (rows, columns) = image.shape[:2], PATCH
    bands = round(PATCHES / (width * rows))
    if bands < 1 or bands * rows >= height:
        return image
    found = np.empty((bands * rows, width, image.shape[2]), np.uint8)
    for band in range(bands):
        for i, left in enumerate(range(0, width, columns)):
            place = (band + (GOLDEN * (i + band)) % 1) / bands
            top = int(place * (height - rows))
            across = slice(left, left + columns)
            found[band * rows : (band + 1) * rows, across] = image[top : top + rows, across]
    return found


def _steps(image: Image) -> int:
    """Return how many pixels differ from their neighbor: graphics are empty in most places.

    Green alone tells, and every other row.
    """
    green = image[::2, :, 1]
    return int(np.count_nonzero(green[:, 1:] != green[:, :-1]))
