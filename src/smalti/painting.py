"""Painting: cels in, the bytes of an animated GIF, PNG or WebP out.

    cels, delays, plays -> [animated] -> bytes that render as the cels do, and notes

Of each patch, ways to code it are tried and the shortest is taken: all of its pixels; or those that
stay as they were made transparent, which runs together better, where the format blends exactly.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import apng, encode, gif, webp
from .animation import BACKGROUND, PREVIOUS, seconds, ticks, widened
from .cels import Cel, Numbers, Painted, Task, packed, painted, unpacked
from .packing import bits_for
from .png_packing import Density, pixel_data

__all__ = ["Show", "animated"]

CLEAR = np.uint32(0)

RUNS = (4, 12)
"""Shorter runs of pixels that stay as they were are painted, too, for a try: they break up phrases
that GIF's LZW knows."""


@dataclass(frozen=True)
class Show:
    """What an animation is besides its pictures."""

    width: int
    height: int
    delays: tuple[Fraction, ...]
    plays: int
    icc: bytes | None = None
    dpi: Density = None
    pack: str = "default"
    reorder: bool = False  # whether rows of the palette may move


def animated(
    cels: Sequence[Cel], show: Show, kind: str, *, own_palettes: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """Return the file, and notes on times that the format cannot hold.

    Parameters
    ----------
    cels : one per frame
    show : its delays are as many
    kind : "PNG", "WEBP" or "GIF"
    own_palettes : whether cels have palettes of their own, which PNG cannot hold
    """
    make = {"GIF": _gif, "PNG": _apng, "WEBP": _webp}[kind]
    return make(cels, show, own_palettes)


def _rows(numbers: Numbers, palette: Numbers) -> NDArray[np.uint8]:
    """Return the rows of a palette that colors have, all of which it holds."""
    order = np.argsort(palette, kind="stable").astype(np.intp)
    found = np.searchsorted(palette[order], numbers)
    rows: NDArray[np.uint8] = order[found.clip(0, len(order) - 1)].astype(np.uint8)
    return rows


# ---------------------------------------------------------------- GIF


class _GifCoded(NamedTuple):
    bits: int
    data: bytes
    clear: int | None


class _GifCoder:
    """GIF: an index of each frame can mean "leave what is there", and that only."""

    grid, erases, whole = 1, False, False

    def __init__(self, *, grounds: tuple[str, ...]) -> None:
        self.grounds = grounds

    def code(self, task: Task) -> _GifCoded:
        key, known = _free_index(task), np.isin(task.target, task.palette)
        rows = _rows(task.target, task.palette)
        ways = []
        if key is not None and not task.differs.all():
            for least in (1, *RUNS):
                clear = _runs(~task.differs, least) | ~(task.differs | known)
                ways.append(_GifCoded(*gif.lzw(np.where(clear, np.uint8(key), rows)), key))
        if not (task.target == CLEAR).any() and known.all():
            mark = key if (task.palette == CLEAR).any() else None
            ways.append(_GifCoded(*gif.lzw(rows), mark))
        return min(ways, key=lambda way: len(way.data))


def _runs(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Return what of a mask is in runs, in reading order, of at least so many.

    >>> _runs(np.array([[1, 0, 1, 1], [1, 0, 0, 0]], bool), 2).astype(int).tolist()
    [[0, 0, 1, 1], [1, 0, 0, 0]]
    """
    if least == 1:
        return mask
    flat = np.concatenate([[False], mask.ravel(), [False]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    starts, stops = ends[::2], ends[1::2]
    long = stops - starts >= least
    steps = np.zeros(mask.size + 1, np.int8)
    steps[starts[long]], steps[stops[long]] = 1, -1
    return steps[:-1].cumsum(dtype=np.int8).astype(bool).reshape(mask.shape)


def _free_index(task: Task) -> int | None:
    """Return an index that no pixel to be painted has: of the clear entry, or as low as may be."""
    clear = np.flatnonzero(task.palette == CLEAR)
    if len(clear):
        return int(clear[0])
    used = np.bincount(_rows(task.target[task.differs], task.palette), minlength=257)[:257]
    free = int(np.flatnonzero(used == 0)[0])
    return free if free < 256 else None


def _gif(cels: Sequence[Cel], show: Show, own: bool) -> tuple[bytes, tuple[str, ...]]:
    alpha = _any_clear(cels)
    grounds = ((PREVIOUS,) if not own else ()) + ((BACKGROUND,) if alpha and not own else ())
    delays, notes = _ticks(show, 100, gif.LONGEST, "GIF")
    frames = []
    coder = _GifCoder(grounds=grounds)
    for frame, cel, delay in zip(
        painted(cels, show.width, show.height, coder), cels, delays, strict=True
    ):
        table = gif.padded(_with_row(cel.palette, frame.coded.clear)) if own else b""
        frames.append(_gif_frame(frame, delay, table))
    plays, more = _plays(show.plays, gif.MOST_PLAYS, "GIF")
    keys = [frame.clear for frame in frames if frame.clear is not None]
    shared = None if own else _with_row(cels[0].palette, max(keys, default=None))
    data = gif.assembled((show.width, show.height), frames, plays, shared)
    return data, (*notes, *more)


def _with_row(palette: NDArray[np.uint8], row: int | None) -> NDArray[np.uint8]:
    """Return a palette that has a row of this number: viewers may look for it."""
    missing = 0 if row is None else max(0, row + 1 - len(palette))
    return np.vstack([palette, np.zeros((missing, palette.shape[1]), np.uint8)])


def _any_clear(cels: Sequence[Cel]) -> bool:
    """Whether some pixel may be clear."""
    return any(bool((packed(cel.palette) == CLEAR).any()) for cel in cels)


def _gif_frame(frame: Painted[_GifCoded], delay: int, table: bytes) -> gif.Frame:
    bits, data, clear = frame.coded
    return gif.Frame(*frame.box, delay, frame.dispose, clear, table, bits, data)


# ---------------------------------------------------------------- PNG


class _Coded(NamedTuple):
    data: bytes
    over: bool


def _blends_exactly(task: Task) -> bool:
    """Whether painting over gives just the target: what is painted hides what is below."""
    return bool((task.target[task.differs] >> 24 == 255).all())


class _PngCoder:
    """PNG: one palette for all frames, whose clear entry leaves what is there."""

    grid, erases, whole = 1, True, True

    def __init__(self, palette: Numbers, *, pack: str, grounds: tuple[str, ...]) -> None:
        clear = np.flatnonzero(palette == CLEAR)
        self._clear = int(clear[0]) if len(clear) else None
        self._depth, self._pack, self._palette = bits_for(len(palette)), pack, palette
        self.grounds = grounds

    def code(self, task: Task) -> _Coded:
        rows = _rows(task.target, self._palette)
        ways = [_Coded(self._pressed(rows), False)]
        if self._clear is not None and not task.differs.all() and _blends_exactly(task):
            rows[~task.differs] = self._clear
            ways.append(_Coded(self._pressed(rows), True))
        return min(ways, key=lambda way: len(way.data))

    def _pressed(self, rows: NDArray[np.uint8]) -> bytes:
        return pixel_data(rows, len(self._palette), self._depth, self._pack)


def _apng(cels: Sequence[Cel], show: Show, own: bool) -> tuple[bytes, tuple[str, ...]]:
    assert not own, "PNG has one palette for all frames"
    delays, notes = _fractions(show)
    plays, more = _plays(show.plays, apng.MOST_PLAYS, "PNG")
    tables = _png_palettes(cels[0].palette, show.reorder)
    data = min((_apng_with(table, cels, show, delays, plays) for table in tables), key=len)
    return data, (*notes, *more)


def _png_palettes(palette: NDArray[np.uint8], reorder: bool) -> list[NDArray[np.uint8]]:
    """Return the palettes worth trying: with a clear entry, for pixels that stay as they were."""
    numbers = packed(palette)
    rows = np.arange(len(palette))
    if reorder:  # entries that are not opaque first, for a short tRNS; the clear one before them
        rows = np.lexsort((numbers >> 24 == 255, numbers != CLEAR))
    given = widened(palette[rows][None], 4)[0]
    if (numbers == CLEAR).any() or len(palette) == 256:
        return [given]
    extra = np.zeros((1, 4), np.uint8)
    wider = np.vstack([extra, given] if reorder else [given, extra])
    # One entry more may double the bits of an index: then both are tried.
    return [wider, given] if bits_for(len(wider)) > bits_for(len(given)) else [wider]


def _apng_with(
    palette: NDArray[np.uint8],
    cels: Sequence[Cel],
    show: Show,
    delays: Sequence[tuple[int, int]],
    plays: int,
) -> bytes:
    numbers = packed(palette)
    # Pillow fills what is cleared with entry 0, and puts the wrong thing back after blending.
    grounds = (BACKGROUND,) if numbers[0] == CLEAR and _any_clear(cels) else ()
    coder = _PngCoder(numbers, pack=show.pack, grounds=grounds)
    frames = [
        apng.Frame(*frame.box, delay, frame.dispose, frame.coded.over, frame.coded.data)
        for frame, delay in zip(painted(cels, show.width, show.height, coder), delays, strict=True)
    ]
    size = (show.width, show.height)
    return apng.assembled(size, frames, plays, palette, bits_for(len(palette)), _extras(show))


def _extras(show: Show) -> list[tuple[bytes, bytes]]:
    """Return the chunks of color profile and density."""
    found = []
    if show.icc:
        found.append((b"iCCP", b"icc\0\0" + zlib.compress(show.icc, 9)))
    if show.dpi:
        per_meter = [max(1, round(value / 0.0254)) for value in show.dpi]
        found.append((b"pHYs", struct.pack(">IIB", *per_meter, 1)))
    return found


def _fractions(show: Show) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    delays = [apng.fraction(delay) for delay in show.delays]
    told = sum((Fraction(*delay) for delay in delays), Fraction(0))
    exact = all(Fraction(*a) == b for a, b in zip(delays, show.delays, strict=True))
    return delays, () if exact else (_rounded(show, told, "PNG"),)


# ---------------------------------------------------------------- WebP


class _WebpCoder:
    """WebP: any colors; boxes begin at even pixels."""

    grid, erases, whole = 2, True, False

    def __init__(self, *, pack: str, grounds: tuple[str, ...]) -> None:
        self._pack, self.grounds = pack, grounds

    def code(self, task: Task) -> _Coded:
        ways = [_Coded(self._pressed(task.target), False)]
        if not task.differs.all() and _blends_exactly(task):
            ways.append(_Coded(self._pressed(np.where(task.differs, task.target, CLEAR)), True))
        return min(ways, key=lambda way: len(way.data))

    def _pressed(self, numbers: Numbers) -> bytes:
        colors = unpacked(numbers)
        image = colors if colors[..., 3].min() < 255 else np.ascontiguousarray(colors[..., :3])
        return webp.bitstream(encode.encode_truecolor(image, "WEBP", pack=self._pack))


def _webp(cels: Sequence[Cel], show: Show, own: bool) -> tuple[bytes, tuple[str, ...]]:
    clears = any(bool((packed(cel.palette) >> 24 < 255).any()) for cel in cels)
    grounds = (BACKGROUND,) if clears else ()
    coder = _WebpCoder(pack=show.pack, grounds=grounds)
    delays, notes = _ticks(show, 1000, webp.LONGEST, "WebP")
    plays, more = _plays(show.plays, webp.MOST_PLAYS, "WebP")
    frames = [
        webp.Frame(*frame.box, delay, frame.dispose, frame.coded.over, frame.coded.data)
        for frame, delay in zip(painted(cels, show.width, show.height, coder), delays, strict=True)
    ]
    alpha = clears or any(frame.over for frame in frames)
    size = (show.width, show.height)
    data = webp.assembled(size, frames, plays, alpha=alpha, icc=show.icc)
    return data, (*notes, *more)


# ---------------------------------------------------------------- times


def _ticks(show: Show, rate: int, most: int, name: str) -> tuple[list[int], tuple[str, ...]]:
    delays, exact, cut = ticks(show.delays, rate, most)
    if exact and not cut:
        return delays, ()
    notes = [_rounded(show, Fraction(sum(delays), rate), name)]
    if rate == 100 and any(
        tick < 2 and delay * 100 > 1 for tick, delay in zip(delays, show.delays, strict=True)
    ):
        notes.append("delays under 0.02 s, which browsers stretch to 0.1 s")
    return delays, tuple(notes)


def _rounded(show: Show, told: Fraction, name: str) -> str:
    total = sum(show.delays, Fraction(0))
    whole = f"{seconds(told)} in all, {seconds(total)} before" if told != total else "same total"
    return f"delays rounded to what {name} holds: {whole}"


def _plays(plays: int, most: int, name: str) -> tuple[int, tuple[str, ...]]:
    if plays <= most:
        return plays, ()
    return most, (f"shown {most:,} times instead of {plays:,}: {name} counts no further",)
