"""Dither: error diffusion, for gradients that a palette would turn into bands.

    image (H, W, 3|4), palette (k, 3|4) -> [floyd_steinberg] -> indices (H, W)

Each pixel takes the exactly nearest entry to its color plus the errors handed
to it, and hands its own error on: 7/16 ahead, 3/16, 5/16 and 1/16 below. Rows
run in alternate directions (serpentine), so that no texture leans one way. All
in the working space and in integers: the same on every CPU.

An error is handed on only as far as other entries can make it good: where the palette
has nothing in reach, unlimited error piles up and bursts into bright specks.

Floyd & Steinberg (1976), Proc. SID 17(2), 75-77.
"""

import numpy as np
from numpy.typing import NDArray

from . import _core, color
from .errors import BadOption

__all__ = ["floyd_steinberg"]


def floyd_steinberg(
    image: NDArray[np.uint8], palette: NDArray[np.uint8], space: str
) -> NDArray[np.uint8]:
    """Dither an image to a palette by serpentine Floyd–Steinberg error diffusion.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8 sRGB, C-contiguous
    palette : (k, C) uint8 sRGB with the channels of the image, 1 <= k <= 256
    space : "srgb" or "oklab"

    Returns
    -------
    (H, W) uint8

    Raises
    ------
    BadOption : the palette has more than 256 entries.

    Notes
    -----
    A value never leaves the box around the colors of the space, and the square of the error that
    a pixel hands on never exceeds half the squared distance from its entry to the next.
    Opaque pixels take opaque entries where there are any; fully transparent pixels take a
    fully transparent entry and neither give nor take error.
    """
    if len(palette) > 256:
        raise BadOption(
            f"dithering needs a palette of at most 256 colors, got {len(palette):,}; "
            'with that many colors use dither="none"'
        )
    channels = image.shape[2]
    opaque, transparent = np.ones(len(palette), np.uint8), -1
    if channels == 4:
        if (palette[:, 3] == 255).any():
            opaque = (palette[:, 3] == 255).astype(np.uint8)
        transparent = int(palette[:, 3].argmin())
    indices = np.empty(image.shape[:2], np.uint8)
    _core.diffuse(
        0,
        image,
        color.code(space),
        color.LINEAR,
        color.to_points(palette, space),
        opaque,
        transparent,
        color.bounds(space, channels),
        np.full(image.shape[:2], 128, np.uint8),
        indices,
    )
    return indices
