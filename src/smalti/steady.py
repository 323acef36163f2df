"""Steadiness: which pixels of a frame are to change, and which keep the entry that they show.

    frame, the one before -> [changes] -> box, mask -> mapping -> [kept] -> fewer pixels to paint

Pixels that are the same in two frames keep their entry, always: whatever else a mapping would make
of them, they would flicker. Where bytes count, so do pixels of an area that changes by no more than
can be seen, such as the noise of a camera that stands still: nearly all of what such a frame costs
is noise. Their entry is compared with the new picture each time, so that no error adds up.
"""

import numpy as np
from numpy.typing import NDArray

from . import color
from .animation import widened
from .cels import Box, box_of

__all__ = ["SLACK", "changes", "kept", "with_context"]

Canvas = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SLACK = 0.06
"""At size 1, how much farther in Oklab the entry that is shown may be than the new one; at the
default of 0.25 that is 0.015, where 0.02 is just noticed."""

REACH = 2
"""Pixels to each side that are asked, too: windows of 5 x 5."""

AGREED = 0.9
"""Share of a window for which the entries that are shown must do: in what moves, some do by chance,
and keeping those only breaks up what would compress."""

TILE = 64
"""Mapping begins at multiples of this, so that the patterns of ordered dithering stay in place."""


def changes(image: Canvas, before: Canvas | None) -> tuple[Box, Mask]:
    """Return the box around what is not as before, and which of its pixels are not.

    Parameters
    ----------
    image, before : (H, W, C) uint8, contiguous; None: there was nothing before
    """
    changed = np.ones(image.shape[:2], bool) if before is None else _differ(image, before)
    box = box_of(changed)
    return box, np.ascontiguousarray(changed[box.part])


def _differ(image: Canvas, other: Canvas) -> Mask:
    """Return which pixels are not the same, (H, W)."""
    if image.shape[2] == 4:
        found: Mask = (image.view(np.uint32) != other.view(np.uint32))[..., 0]
        return found
    red, green, blue = (image[..., i] != other[..., i] for i in range(3))
    return np.asarray(red | green | blue)


def with_context(image: Canvas, box: Box) -> tuple[Canvas, tuple[slice, slice]]:
    """Return the part of an image to be mapped, and where the box is in it."""
    x, y = box.x // TILE * TILE, box.y // TILE * TILE
    crop = np.ascontiguousarray(image[y : box.y + box.height, x : box.x + box.width])
    return crop, (slice(box.y - y, None), slice(box.x - x, None))


def kept(
    image: Canvas,
    shown: NDArray[np.uint8],
    indices: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    size: float,
) -> Mask:
    """Return which pixels may keep the entry that they show.

    Parameters
    ----------
    image : (h, w, C) uint8 sRGB, what is to be seen
    shown, indices : (h, w) uint8, rows of the palette: the entries they have, and would get
    palette : (k, 3|4) uint8 sRGB
    size : 0..1, how much bytes count

    Returns
    -------
    (h, w) bool
        False where the palette has a pixel's very color, and everywhere at size 0.
    """
    if size == 0:
        return np.zeros(shown.shape, bool)
    entries, points = (
        color.to_points(widened(colors.reshape(1, -1, colors.shape[-1]), 4)[0], "oklab")
        for colors in (palette, image)
    )
    old, new = (_distances(points, entries[rows.ravel()]) for rows in (shown, indices))
    near = (old <= new + size * SLACK * color.UNITS["oklab"]).reshape(shown.shape)
    exact = (new == 0).reshape(shown.shape)
    return np.asarray(near & ~exact & (_share(near) >= AGREED))


def _distances(points: NDArray[np.int16], others: NDArray[np.int16]) -> NDArray[np.float64]:
    delta = points.astype(np.int32) - others
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", delta, delta).astype(np.float64)))


def _share(mask: Mask) -> NDArray[np.float64]:
    """Return the share of true pixels of each window; beyond the edge, the picture goes on."""
    side = 2 * REACH + 1
    padded = np.pad(mask.astype(np.int32), (REACH + 1, REACH), mode="edge")
    sums = padded.cumsum(0).cumsum(1)
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(counts / side**2)
