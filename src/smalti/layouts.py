"""Layouts: the ways in which a PNG can hold one and the same image of few colors.

    indices (H, W), palette (k, 3|4) -> [layouts] -> Layout, Layout, ...

Which one is smallest depends on the picture, so that they are tried. Every
decoder gives the same RGBA pixels for all of them, colors under alpha 0 included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bands import counted, looked_up
from .ordering import orders
from .packing import BITS, bits_for, pack

__all__ = ["Layout", "layouts"]

Bytes = NDArray[np.uint8]

FEW_BYTES = 65_536
"""Below, pixels may take less as colors than with a palette: tried up to so many bytes of them."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One way to store the pixels.

    Attributes
    ----------
    name : for people
    kind : "indexed", "gray", "gray and alpha", "truecolor" or "truecolor and alpha"
    depth : bits of a sample: 1, 2, 4 or 8
    table : (k,) or (k, c) uint8, the sample or samples of each index
    palette : (k', 3|4) uint8, what is stored when `kind` is "indexed", else empty
    clear : the gray sample that is fully transparent, or None
    filtered : whether row filters are worth a try; else none is
    """

    name: str
    kind: str
    depth: int
    table: Bytes
    palette: Bytes
    clear: int | None = None
    filtered: bool = False

    def samples(self, indices: Bytes) -> bytes:
        """Return the rows as PNG has them before filtering."""
        if self.table.ndim > 1:
            return looked_up(self.table, indices).tobytes()
        if self.depth == 8:
            return _samples(indices, self.table)
        return pack(_translated(indices, self.table), self.depth)


def _translated(indices: Bytes, table: Bytes) -> Bytes:
    """Return `table[indices]`; NumPy would first make 8 bytes of each index."""
    return np.frombuffer(_samples(indices, table), np.uint8).reshape(indices.shape)


def _samples(indices: Bytes, table: Bytes) -> bytes:
    whole = np.zeros(256, np.uint8)
    whole[: len(table)] = table
    return indices.tobytes().translate(whole.tobytes())


NO_PALETTE = np.empty((0, 3), np.uint8)


def layouts(
    indices: Bytes, palette: Bytes, *, reorder: bool, colors: bool, thorough: int
) -> Iterator[Layout]:
    """Yield the layouts worth trying.

    Parameters
    ----------
    indices : (H, W) uint8, each below k
    palette : (k, 3) or (k, 4) uint8, 1 <= k <= 256
    reorder : whether anything but the palette as given will do
        Entries that no pixel has are then left out, too.
    colors : whether gray and truecolor samples will do, which a profile may not fit
    thorough : 0 for few and quick ones, 1, or 2 for all
    """
    given = np.arange(len(palette), dtype=np.uint8)
    name = "palette by use" if reorder else "palette as given"
    yield from _indexed(name, palette, given, thorough if reorder else 0)
    if not reorder:
        yield from _indexed("palette as given", palette, given, 0, filtered=True)
        return
    used = np.flatnonzero(counted(indices, len(palette))).astype(np.uint8)
    compact = np.zeros(len(palette), np.uint8)
    compact[used] = np.arange(len(used), dtype=np.uint8)
    found = orders(_translated(indices, compact), palette[used], fast=not thorough)
    for i, order in enumerate(found if thorough == 2 else found[:1]):
        rows = _transparent_first(palette, used[order])
        name = "palette arranged" + (f" {i + 1}" if i else "")
        if not i and (thorough == 2 or len(used) < len(palette) or palette.shape[1] == 4):
            yield from _indexed(name, palette, rows, thorough)
        yield from _indexed(name, palette, rows, thorough, filtered=True)
    if colors:
        yield from _gray(palette, used)
        yield from _true(indices, palette, used)


def _transparent_first(palette: Bytes, rows: Bytes) -> Bytes:
    """Keep the order otherwise: tRNS ends with the last entry that is not opaque."""
    if palette.shape[1] == 3:
        return rows
    opaque = palette[rows, 3] == 255
    return np.concatenate([rows[~opaque], rows[opaque]])


def _indexed(
    name: str, palette: Bytes, rows: Bytes, thorough: int, filtered: bool = False
) -> Iterator[Layout]:
    """Yield a palette of these rows, at the least depth and, where that packs, at 8 bits."""
    table = np.zeros(len(palette), np.uint8)
    table[rows] = np.arange(len(rows), dtype=np.uint8)
    least = bits_for(len(rows))
    how = f"{name}, filtered" if filtered else name
    yield Layout(how, "indexed", least, table, palette[rows], filtered=filtered)
    if least < 8 and thorough:  # whole bytes repeat where parts of them do not
        wide = f"{how}, 8 bits"
        yield Layout(wide, "indexed", 8, table, palette[rows], filtered=filtered)


def _gray(palette: Bytes, used: Bytes) -> Iterator[Layout]:
    """Yield plain gray at the least depth, if all colors are gray and at most one is clear."""
    rows = palette[used]
    if (rows[:, :1] != rows[:, 1:3]).any():
        return
    clear = None
    if rows.shape[1] == 4:
        transparent = rows[:, 3] < 255
        levels = rows[transparent, 0]
        if transparent.sum() > 1 or rows[transparent, 3].any():
            return
        if np.isin(levels, rows[~transparent, 0]).any():
            return
        clear = int(levels[0]) if len(levels) else None
    # With a clear sample, 8 bits: Pillow, for one, takes that of fewer bits for another gray.
    depths = BITS if clear is None else (8,)
    depth = next(bits for bits in depths if not (rows[:, 0] % (255 // ((1 << bits) - 1))).any())
    table = palette[:, 0] // np.uint8(255 // ((1 << depth) - 1))
    name = f"grayscale, {depth} bit{'s' if depth > 1 else ''}"
    for filtered in (False, True):
        how = f"{name}, filtered" if filtered else name
        yield Layout(how, "gray", depth, table, NO_PALETTE, clear, filtered)


def _true(indices: Bytes, palette: Bytes, used: Bytes) -> Iterator[Layout]:
    """Yield the colors themselves, where there are few pixels."""
    rows = palette[used]
    opaque = palette.shape[1] == 3 or bool((rows[:, 3] == 255).all())
    gray = bool((rows[:, :1] == rows[:, 1:3]).all())
    if gray and opaque:
        return
    channels = [0] if gray else [0, 1, 2]
    channels += [] if opaque else [3]
    if indices.size * len(channels) > FEW_BYTES:
        return
    kind = ("gray" if gray else "truecolor") + ("" if opaque else " and alpha")
    table = np.ascontiguousarray(palette[:, channels])
    yield Layout(f"{kind}, filtered", kind, 8, table, NO_PALETTE, filtered=True)
