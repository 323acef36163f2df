"""Bins: colors as numbers along one curve, alike at 8, 7 and 6 bits per channel.

    colors (n, 3|4) -> [curve] -> keys, ascending -> [coarser] -> fewer keys -> [Tally] -> the sum

A histogram of many pictures is a sum, and a sum needs a place for each of its terms. The place of a
color is its key: opaque colors first, then partly transparent ones, then what nobody can see, each
along a Z-order curve. Dropping the low bits of keys leaves boxes of color space, still in order; at
8 bits a bin is one color. Opaque and clear colors never share a bin with others, so no binning
makes an edge see-through.

Source: Morton (1966), "A Computer Oriented Geodetic Data Base", IBM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage, BadOption

__all__ = ["BITS", "CLASSES", "Bins", "Policy", "Tally", "curve", "joined", "of_colors"]

BITS = (8, 7, 6)
MOST_PIXELS = 2**47  # times a coordinate, below 2**15, they still add up in 64 bits
"""Sums of 8-bit values stay below 2^63 with as many pixels: those of 10^9 large photographs."""

CLASS = np.uint64(32)  # the bits of a key above this one say which class of alpha it is of
CLASSES = tuple(np.uint64(c << 32) for c in (1, 2))
"""The keys at which partly transparent colors and the invisible one begin."""

SOLID = (1, 0, 2)  # channels in the order of their bits in a key: green, red, blue
PARTIAL = (3, 1, 0, 2)  # alpha before them


@dataclass(frozen=True)
class Policy:
    """What was counted. Histograms of different policies do not add up."""

    space: str = "srgb"
    alpha: str = "straight, invisible is one color"
    icc: str = "srgb"  # what was done with color profiles: "srgb" converts, "strip" ignores
    frames: str = "all"  # which pictures of a file count

    def differs(self, other: "Policy") -> str:
        """Say in words in what another policy differs; "" if in nothing."""
        mine, theirs = vars(self), vars(other)
        return ", ".join(
            f"{name}: {mine[name]} and {theirs[name]}"
            for name in mine
            if mine[name] != theirs[name]
        )


@dataclass(frozen=True, eq=False)
class Bins:
    """Boxes of color space, and the pixels in each: counts, and below 8 bits sums of colors.

    Attributes
    ----------
    keys : (n,) uint64, ascending, distinct
    counts : (n,) int64, each >= 1
    channels : 3, or 4 with alpha
    bits : 8, 7 or 6 of each channel
    sums : (n, channels) int64, the sum of the pixels' values; None at 8 bits
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    channels: int
    bits: int = 8
    sums: NDArray[np.int64] | None = None
    policy: Policy = field(default_factory=Policy)

    def colors(self) -> NDArray[np.uint8]:
        """Return the mean color of each bin, rounded once: (n, channels) uint8.

        The mean of a bin lies in its box, and boxes do not touch, so the colors are distinct, and
        in the same order.
        """
        if self.sums is None:
            return _colors_at(self.keys, self.channels)
        counts = self.counts[:, None]
        return ((2 * self.sums + counts) // (2 * counts)).astype(np.uint8)

    def widened(self, channels: int) -> "Bins":
        """Return the same bins with so many channels: alpha is 255 where there was none."""
        if self.channels == channels:
            return self
        sums = self.sums
        if sums is not None:
            sums = np.column_stack([sums, 255 * self.counts])
        return Bins(self.keys, self.counts, channels, self.bits, sums, self.policy)

    def coarsened(self, bits: int) -> "Bins":
        """Return bins of as many bits: those of a sum are the sum of those of its terms."""
        if bits not in BITS or bits > self.bits:
            few = [str(b) for b in BITS if b <= self.bits]
            raise BadOption(f"bits must be {' or '.join(few)} here, got {bits!r}")
        if bits == self.bits:
            return self
        sums = self.sums
        if sums is None:
            sums = self.colors().astype(np.int64) * self.counts[:, None]
        keys = coarser(self.keys, self.bits - bits)
        counted = Bins(keys, self.counts, self.channels, bits, sums, self.policy)
        return counted._folded()

    def _folded(self) -> "Bins":
        """Add up neighbors of one key."""
        starts = np.flatnonzero(np.diff(self.keys, prepend=self.keys[0] + np.uint64(1)))
        if len(starts) == len(self.keys):
            return self
        sums = None if self.sums is None else np.add.reduceat(self.sums, starts)
        counts = np.add.reduceat(self.counts, starts)
        return Bins(self.keys[starts], counts, self.channels, self.bits, sums, self.policy)


def of_colors(
    colors: NDArray[np.uint8], counts: NDArray[np.int64], policy: Policy | None = None
) -> Bins:
    """Return the bins of colors in any order, which may repeat, at 8 bits."""
    keys = curve(colors)
    order = np.argsort(keys, kind="stable")
    unsorted = Bins(keys[order], counts[order], colors.shape[1], policy=policy or Policy())
    return unsorted._folded()


def joined(parts: Sequence[Bins]) -> Bins:
    """Return the sum of bins of one kind, one or more, by sorting all of them at once."""
    refuse_mixed(parts)
    channels = max(part.channels for part in parts)
    parts = [part.widened(channels) for part in parts]
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")  # merges runs that are in order, as these are
    sums = None
    if parts[0].sums is not None:
        sums = np.concatenate([part.sums for part in parts if part.sums is not None])[order]
    counts = np.concatenate([part.counts for part in parts])[order]
    first = parts[0]
    return Bins(keys[order], counts, channels, first.bits, sums, first.policy)._folded()


def refuse_mixed(parts: Sequence[Bins]) -> None:
    """Raise unless bins add up: the same bits, the same policy, and not too many pixels."""
    bits = sorted({part.bits for part in parts})
    if len(bits) > 1:
        raise BadOption(
            f"histograms of {' and '.join(map(str, bits))} bits do not add up; coarsen({bits[0]}) "
            "makes the others like the coarsest"
        )
    for part in parts:
        if differs := parts[0].policy.differs(part.policy):
            raise BadOption(f"histograms of different policies do not add up ({differs})")
    if sum(int(part.counts.sum()) for part in parts) > MOST_PIXELS:
        raise BadOption(f"a histogram counts up to {MOST_PIXELS:,} pixels, these are more")


# ---------------------------------------------------------------- many histograms


MANY = 2**17
"""Opaque colors from which on a sum has a cell for each there could be: before, cells would be all
that there is to do."""

BLOCK = 12  # cells of 32 KiB are looked through together


class Tally:
    """A sum of many histograms that takes the next one in the time that reading it takes.

    Histograms wait until their colors are as many as those of the sum so far, and are then sorted
    in, so that each color is moved a few times only. Once there are many, opaque colors have a cell
    each: at 8 bits, 128 MiB of them.
    """

    def __init__(self) -> None:
        self._first: Bins | None = None  # what all others must be like
        self._channels = 3
        self._pixels = 0
        self._rest: list[Bins] = []  # without cells; the first is the sum so far
        self._waiting = 0
        self._counts: NDArray[np.int64] | None = None
        self._sums: NDArray[np.int64] | None = None

    def add(self, bins: Bins) -> None:
        """Add one histogram's bins.

        Raises
        ------
        BadOption : they have other bits or another policy, or there are too many pixels.
        """
        self._first = self._first or _part(bins, slice(0, 0))
        refuse_mixed([self._first, bins])
        self._pixels += int(bins.counts.sum())
        if self._pixels > MOST_PIXELS:
            raise BadOption(f"a histogram counts up to {MOST_PIXELS:,} pixels, these are more")
        self._channels = max(self._channels, bins.channels)
        self._rest.append(bins if self._counts is None else self._scattered(bins))
        self._waiting += len(self._rest[-1].keys)
        if self._waiting > max(2**16, len(self._rest[0].keys)):
            whole = joined(self._rest)
            if self._counts is None and np.searchsorted(whole.keys, CLASSES[0]) > MANY:
                self._make_cells(whole.bits)
                whole = self._scattered(whole)
            self._rest, self._waiting = [whole], 0

    def _make_cells(self, bits: int) -> None:
        self._counts = np.zeros(8**bits, np.int64)
        self._sums = None if bits == 8 else np.zeros((8**bits, 3), np.int64)
        self._used = np.zeros(8**bits >> BLOCK, bool)

    def _scattered(self, bins: Bins) -> Bins:
        """Add opaque colors to their cells, and return the others."""
        assert self._counts is not None
        opaque = int(np.searchsorted(bins.keys, CLASSES[0]))
        at = bins.keys[:opaque].astype(np.intp)
        self._counts[at] += bins.counts[:opaque]
        if self._sums is not None and bins.sums is not None:
            self._sums[at] += bins.sums[:opaque, :3]
        self._used[at >> BLOCK] = True
        return _part(bins, slice(opaque, None))

    def bins(self) -> Bins:
        """Return the sum.

        Raises
        ------
        BadImage : nothing was added.
        """
        if self._first is None:
            raise BadImage("there is no histogram to merge; one or more are needed")
        rest = [part for part in self._rest if len(part.keys)]
        if self._counts is None:
            return joined(rest)
        blocks = np.flatnonzero(self._used)
        counts = self._counts.reshape(-1, 1 << BLOCK)[blocks]
        block, place = np.nonzero(counts)
        at = (blocks[block] << BLOCK) + place
        sums = None if self._sums is None else self._sums[at]
        keys, bits, policy = at.astype(np.uint64), self._first.bits, self._first.policy
        opaque = Bins(keys, counts[block, place], 3, bits, sums, policy).widened(self._channels)
        return _chained(opaque, joined(rest)) if rest else opaque


def _part(bins: Bins, rows: slice) -> Bins:
    sums = None if bins.sums is None else bins.sums[rows]
    return Bins(bins.keys[rows], bins.counts[rows], bins.channels, bins.bits, sums, bins.policy)


def _chained(low: Bins, high: Bins) -> Bins:
    """Return two lots of bins of which the second follows the first."""
    sums = None
    if low.sums is not None and high.sums is not None:
        sums = np.concatenate([low.sums, high.sums])
    keys, counts = (
        np.concatenate([getattr(low, name), getattr(high, name)]) for name in ("keys", "counts")
    )
    return Bins(keys, counts, low.channels, low.bits, sums, low.policy)


# ---------------------------------------------------------------- keys


def curve(colors: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the keys of 8-bit colors: distinct ones have distinct keys, the invisible share one.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8

    Returns
    -------
    (n,) uint64
        Below 2^24 for opaque colors, from 2^32 on for partly transparent ones, and 2^33.

    >>> curve(np.uint8([[0, 0, 1], [1, 0, 0], [0, 1, 0]])).tolist()
    [1, 2, 4]
    """
    solid = _interleaved(colors, SOLID)
    if colors.shape[1] == 3:
        return solid
    alpha = colors[:, 3]
    partial = _interleaved(colors, PARTIAL) | CLASSES[0]
    keys = np.where(alpha == 255, solid, partial)
    keys[alpha == 0] = CLASSES[1]
    return keys


def _interleaved(colors: NDArray[np.uint8], order: tuple[int, ...]) -> NDArray[np.uint64]:
    step = len(order)
    keys = np.zeros(len(colors), np.uint64)
    for place, channel in enumerate(reversed(order)):
        keys |= _spread(step, place)[colors[:, channel]]
    return keys


@cache
def _spread(step: int, place: int) -> NDArray[np.uint64]:
    """Return for each byte its bits `step` apart, the lowest at `place`."""
    values = np.arange(256, dtype=np.uint64)
    spread = np.zeros(256, np.uint64)
    for bit in range(8):
        spread |= (values >> np.uint64(bit) & np.uint64(1)) << np.uint64(bit * step + place)
    return spread


def _colors_at(keys: NDArray[np.uint64], channels: int) -> NDArray[np.uint8]:
    """Return the colors of 8-bit keys, which is `curve` backwards."""
    colors = np.zeros((len(keys), channels), np.uint8)
    opaque, clear = (int(np.searchsorted(keys, begin)) for begin in CLASSES)
    _separate(keys[:opaque], SOLID, colors[:opaque])
    if channels == 4:
        colors[:opaque, 3] = 255
        _separate(keys[opaque:clear], PARTIAL, colors[opaque:clear])
    return colors


def _separate(keys: NDArray[np.uint64], order: tuple[int, ...], out: NDArray[np.uint8]) -> None:
    """Write to `out` the channels whose bits alternate in the low 32 bits of keys."""
    step = len(order)
    table = _gathered(step)
    low = (keys & np.uint64(0xFFF)).astype(np.intp)
    middle = (keys >> np.uint64(12) & np.uint64(0xFFF)).astype(np.intp)
    bits = 12 // step
    for place, channel in enumerate(reversed(order)):
        out[:, channel] = table[low, place] | table[middle, place] << np.uint8(bits)
        if step == 4:
            high = (keys >> np.uint64(24) & np.uint64(0xFF)).astype(np.intp)
            out[:, channel] |= table[high, place] << np.uint8(2 * bits)


@cache
def _gathered(step: int) -> NDArray[np.uint8]:
    """Return for each 12 bits of a key the bits of each channel: (4096, step) uint8."""
    values = np.arange(4096)[:, None]
    gathered = np.zeros((4096, step), np.uint8)
    for bit in range(12):
        gathered[:, bit % step] |= ((values[:, 0] >> bit & 1) << (bit // step)).astype(np.uint8)
    return gathered


def coarser(keys: NDArray[np.uint64], dropped: int) -> NDArray[np.uint64]:
    """Return ascending keys without the lowest bits of each channel; they stay in order."""
    coarse = keys.copy()
    opaque, clear = (int(np.searchsorted(keys, begin)) for begin in CLASSES)
    coarse[:opaque] >>= np.uint64(3 * dropped)
    low = np.uint64(0xFFFFFFFF)
    coarse[opaque:clear] = CLASSES[0] | (keys[opaque:clear] & low) >> np.uint64(4 * dropped)
    return coarse


def low_corners(bins: Bins) -> NDArray[np.uint8]:
    """Return the lowest color that each bin could hold: (n, channels) uint8.

    Opaque colors and the invisible one have no range of alpha.
    """
    size = 8 - bins.bits
    keys = bins.keys.copy()
    opaque, clear = (int(np.searchsorted(keys, begin)) for begin in CLASSES)
    keys[:opaque] <<= np.uint64(3 * size)
    low = np.uint64(0xFFFFFFFF)
    keys[opaque:clear] = CLASSES[0] | (keys[opaque:clear] & low) << np.uint64(4 * size)
    return _colors_at(keys, bins.channels)
