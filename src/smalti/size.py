"""Size: indices that cost fewer bytes for the same look.

    image, palette, indices -> [SizeAware] -> palette, indices, both a little different

A file's size hardly depends on how many colors it has, but on how predictable its indices
are. So each row is mapped anew: of all sequences of entries near the pixels' own, the one
with the lowest sum of bits and errors (Viterbi's algorithm). Bits are what encoders make of
an index: few where it repeats the one before it or goes on copying the row above, many
elsewhere. Errors count less in busy places, where they are harder to see, more in clean
gradients where bands would show, and are handed on as in dithering, so that what one pixel
lacks its neighbors have. Entries then move to the mean of what they serve, and the rows are
mapped once more.

A pixel whose color is an entry's own keeps it, and neither takes nor gives error.

Sources: entropy-constrained quantization: Chou, Lookabaugh & Gray (1989),
doi:10.1109/29.17498; error diffusion: Floyd & Steinberg (1976), Proc. SID 17(2).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import _core, color
from .bands import parts
from .image import Image

__all__ = ["DEFAULT", "Sizing", "map_rows"]

DEFAULT = 0.25
"""Of files: what leaves the score and the errors that show where they were, for fewer bytes."""

STEEPEST = 4.0
"""At size 1, a bit is worth so many times the mean squared error of the nearest entries."""

FEEDBACK = 0.75
"""Share of its error that a pixel hands on; all of it makes noise that costs more than it gains."""

DRAWN, NOT_DRAWN = 153, 89
"""Repeats, of 255, from which a place is drawn, where noise costs bytes and is seen: there errors
are handed on against bands only. Up to the other it is not, and handing them on pays."""

FLAT, ANY_FLAT = 247, 0.05
"""Repeats of flat places. A picture that has a smaller share of them is a photograph, and no place
in it is drawn: skies repeat, too, once JPEG has smoothed them."""

CALM, STEP = 328.0, 16.0
"""Importance of an error is 1 / (CALM + standard deviation around it); `STEP` units to a step of
activity. In Oklab, CALM is 0.02."""

EVEN = 4.0
"""Times that an error counts in a clean gradient with bands, at k = 256. Entries must alternate
there as in dithering; at the price that a bit has in photographs, they stay the same: rings."""

GO_ON = 0.1
"""Bits for a pixel more in a copy: of a match in LZ77, next to nothing."""

LEAST_WORTH = 1e-12
"""Of a bit. Where it is less, errors alone decide, as they do here: none is worth as little."""

PRUNE = 25.0
"""Bits; a way that much dearer than the best is given up."""


@dataclass(frozen=True)
class Copies:
    """How an encoder copies from the row above: from how many places, and the bits to begin."""

    places: int
    bits: float
    """Without the distance, of which log2(width) more are stored."""


FORMATS = {
    "PNG": Copies(3, 8.0),  # a match of deflate: length, and a distance of some eight extra bits
    "WEBP": Copies(3, 2.0),  # distances to close pixels have short codes
    "GIF": Copies(0, 0.0),  # LZW knows phrases, not places
}


@dataclass(frozen=True)
class Sizing:
    """How much the size of the file counts, and the encoder that will make it.

    amount : 0..1, from nothing to all that makes sense
    format : "PNG", "WEBP" or "GIF"
    fixed : (n, C) uint8, palette entries that must stay as they are; None: all of them
    weights : (H, W) uint8, how much each pixel counted when the palette was made; None: all alike
    """

    amount: float = 0.0
    format: str = "PNG"
    fixed: NDArray[np.uint8] | None = None
    weights: NDArray[np.uint8] | None = None

    def movable(self, palette: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which entries of a palette may change: (k,) bool."""
        if self.fixed is None:
            return np.zeros(len(palette), bool)
        held = (palette[:, None, :3] == self.fixed[None, :, :3]).all(-1).any(1)
        return ~np.asarray(held, bool)


def map_rows(
    image: Image,
    palette: NDArray[np.uint8],
    indices: NDArray[np.uint8],
    space: str,
    sizing: Sizing,
    *,
    bands: NDArray[np.uint8],
    strength: float,
    nearest: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    threads: int = 1,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Map an image to its palette for a small file.

    Parameters
    ----------
    image : (H, W, C) uint8 sRGB
    palette : (k, C) uint8 sRGB, 1 <= k <= 256
    indices : (H, W) uint8, of the nearest entries
    bands : (H, W) uint8, 0..128, where errors must be handed on, as `dither.strengths` finds it
    strength : 0..1, how much of that is done; 0 for no dithering at all
    nearest : gives the indices of the nearest entries of another palette

    Returns
    -------
    palette : (k, C) uint8, as given but for entries that moved; distinct if they were
    indices : (H, W) uint8
    """
    copies = FORMATS[sizing.format]
    if sizing.format == "PNG" and len(palette) <= 16:  # several indices share a byte
        copies = replace(copies, places=1)
    task = _Task(image, space, copies, bands, strength, sizing.weights, threads)
    plain = task.survey(palette, indices)
    if plain.error == 0 or sizing.amount == 0:
        return palette, indices
    worth = STEEPEST * sizing.amount * sizing.amount * plain.error / int(plain.counts.sum())
    found = task.survey(palette, task.choose(palette, indices, plain, worth))
    movable = sizing.movable(palette)
    if movable.any():
        palette = _moved(palette, found, movable, space)
        indices = nearest(palette)
    return palette, task.choose(palette, indices, found, worth)


@dataclass(frozen=True)
class _Survey:
    """What indices say: repeated ones, others by index, pixels, exact ones, sums of points.

    Pixels, sums and the error are by weight: entries move to the means that the palette was made
    of, and what no pixel that counts was to be served by does not make errors look cheap.
    """

    same: int
    other: NDArray[np.int64]
    counts: NDArray[np.int64]
    exact: NDArray[np.int64]
    sums: NDArray[np.int64]
    error: float


class _Task:
    """One image on its way to an encoder."""

    def __init__(
        self,
        image: Image,
        space: str,
        copies: Copies,
        bands: NDArray[np.uint8],
        strength: float,
        weights: NDArray[np.uint8] | None,
        threads: int,
    ) -> None:
        self._image, self._space, self._threads = image, space, threads
        self._copies, self._weights = copies, weights
        self._activity, repeats, gradients = (np.empty(bands.shape, np.uint8) for _ in range(3))
        _core.activity(
            image, color.code(space), color.LINEAR, self._activity, repeats, gradients, threads
        )
        self._strengths = _strengths(bands, repeats, strength)
        self._gradients = _banded(bands, gradients)
        self._importance = (1 / (CALM + STEP * np.arange(256))).astype(np.float32)

    def survey(self, palette: NDArray[np.uint8], indices: NDArray[np.uint8]) -> _Survey:
        tally = np.empty((len(palette), 3 + palette.shape[1]), np.int64)
        same, error = _core.survey(
            self._image,
            color.code(self._space),
            color.LINEAR,
            color.to_points(palette, self._space),
            indices,
            self._activity,
            self._importance,
            self._weights,
            tally,
            self._threads,
        )
        return _Survey(same, tally[:, 0], tally[:, 1], tally[:, 2], tally[:, 3:], error)

    def choose(
        self,
        palette: NDArray[np.uint8],
        indices: NDArray[np.uint8],
        seen: _Survey,
        worth: float,
    ) -> NDArray[np.uint8]:
        """Return the indices of the cheapest rows when a bit is worth that much error."""
        total = seen.same + int(seen.other.sum()) + 1 + len(palette) / 2
        points = color.to_points(palette, self._space)
        chosen = indices.copy()
        _core.trellis(
            self._image,
            color.code(self._space),
            color.LINEAR,
            points,
            int(color.bounds(self._space, 4)[7]),
            self._activity,
            self._importance / np.float32(max(worth, LEAST_WORTH)),
            self._gradients,
            _gains(len(palette)),
            self._strengths,
            _bits((seen.same + 1) / total),
            np.array([_bits((n + 0.5) / total) for n in seen.other.tolist()], np.float32),
            self._copies.bits + _bits(1 / indices.shape[1]),
            GO_ON,
            self._copies.places,
            FEEDBACK,
            PRUNE,
            chosen,
            self._threads,
        )
        return chosen


def _strengths(
    bands: NDArray[np.uint8], repeats: NDArray[np.uint8], strength: float
) -> NDArray[np.uint8]:
    """Return how much of its error each pixel hands on, 0 to 128, in the memory of `repeats`."""
    limit = round(128 * strength)
    if np.count_nonzero(repeats >= FLAT) < ANY_FLAT * repeats.size:
        repeats[:] = limit
        return repeats
    ramp = 128 * (DRAWN - np.arange(256)) // (DRAWN - NOT_DRAWN)
    by_repeats = (ramp.clip(0, 128) * limit >> 7).astype(np.uint8)
    weaker = (np.arange(129) * limit >> 7).astype(np.uint8)
    flat, banded = repeats.reshape(-1), bands.reshape(-1)
    for part in parts(flat.size):
        flat[part] = np.maximum(weaker[banded[part]], by_repeats[flat[part]])
    return repeats


def _banded(bands: NDArray[np.uint8], gradients: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how far each pixel is in a clean gradient that would show bands, 0 to 128.

    In the memory of `gradients`, which says how far it is in a clean one.
    """
    flat, banded = gradients.reshape(-1), bands.reshape(-1)
    for part in parts(flat.size):
        flat[part] = flat[part].astype(np.uint16) * banded[part] >> 7
    return gradients


def _gains(k: int) -> NDArray[np.float32]:
    """Return how many times an error counts, by how far a pixel is in such a gradient: (256,).

    Hardly more than once at a small k: there, more colors are the better use of bytes.
    """
    return (1 + (EVEN - 1) / 128 * (k / 256) ** 2 * np.arange(256)).astype(np.float32)


def _bits(share: float) -> float:
    """-log2 of 0..1, by arithmetic alone: the same on every system, where libm is not."""
    mantissa, exponent = math.frexp(share)
    ratio = (mantissa - 1) / (mantissa + 1)
    term, sum_ = ratio, 0.0
    for odd in range(1, 33, 2):
        sum_ += term / odd
        term *= ratio * ratio
    bits = -(exponent + 2 * sum_ * 1.4426950408889634)  # 1 / ln 2
    return max(0.0, bits)  # of a share of 1, a hair less would come out


def _moved(
    palette: NDArray[np.uint8], found: _Survey, movable: NDArray[np.bool_], space: str
) -> NDArray[np.uint8]:
    """Return entries moved to the means of what they serve, where nothing forbids it."""
    rows = np.flatnonzero(movable & (found.counts > 0) & (found.exact == 0))
    means = found.sums[rows] / found.counts[rows, None]
    moved = palette.copy()
    moved[rows] = color.from_points(means, space)
    if palette.shape[1] == 4:  # what was opaque stays so, and what was not
        solid = palette[rows, 3] == 255
        moved[rows, 3] = np.where(solid, 255, np.clip(moved[rows, 3], 1, 254))
    while True:  # twins go back to where they were
        _, first, times = np.unique(moved, axis=0, return_inverse=True, return_counts=True)
        twins = (times[first.ravel()] > 1) & (moved != palette).any(1)
        if not twins.any():
            return moved
        moved[twins] = palette[twins]
