"""Palette files that are binary: a back room of `palette_files`.

    .ase  Adobe Swatch Exchange   blocks of a name, a color model and floats
    .aco  Photoshop swatches      two lists of 16-bit numbers, the second with names
    .act  Photoshop color table   256 times R G B, then how many count and which is clear
    .pal  Microsoft's RIFF PAL    R G B and a flag each; only read, as JASC's .pal is text

Adobe's numbers are big-endian, Microsoft's little-endian. Each format is a pair of pure functions
between bytes and rows of 8-bit sRGB numbers. Colors of other models are refused, unless their sRGB
is beyond doubt: what CMYK or Lab looks like depends on a profile or a white that no file names.

Sources: Adobe, "Photoshop File Formats Specification" (2019), for .aco and .act; Microsoft,
"Multimedia Programming Interface and Data Specifications 1.0" (1991), for RIFF PAL. Of .ase none
is published; its blocks are what the programs that read it agree on.
"""

import colorsys
import struct
from collections.abc import Iterable, Iterator

from .errors import BadImage, BadOption
from .options import MAX_K
from .sources import shown

__all__ = [
    "parse_aco",
    "parse_act",
    "parse_ase",
    "parse_riff",
    "render_aco",
    "render_act",
    "render_ase",
]

Row = list[int]

WAY_OUT = "smalti reads RGB; convert the swatches to RGB in the program they come from"


def _cut(data: bytes, start: int, size: int) -> bytes:
    part = data[start : start + size]
    if len(part) < size:
        raise BadImage(f"it is truncated: {start + size:,} bytes or more expected, {len(data):,}")
    return part


def _rounded(values: Iterable[float]) -> Row:
    return [int(value * 255 + 0.5) for value in values]


def _name(row: Row) -> bytes:
    """Return the name that a color gets, its hex code, in UTF-16 with the closing NUL."""
    return f"#{bytes(row[:3]).hex()}\0".encode("utf-16-be")


# ---------------------------------------------------------------- .ase

SIGNATURE = b"ASEF"
COLOR = 1  # type of a block; groups of colors are 0xC001 and 0xC002, and carry no color
NUMBERS = {b"RGB": 3, b"GRAY": 1}  # per color, by model


def parse_ase(data: bytes) -> list[Row]:
    """Read the colors of an Adobe Swatch Exchange file, in the order of the file."""
    if data[:4] != SIGNATURE:
        raise BadImage("an Adobe Swatch Exchange file starts with ASEF")
    rows: list[Row] = []
    for kind, block in _blocks(data):
        if kind == COLOR:
            rows.append(_ase_color(block, len(rows) + 1))
        if len(rows) > MAX_K:  # the caller refuses it; there is no need to read on
            break
    return rows


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each block."""
    count = int.from_bytes(_cut(data, 8, 4))
    start = 12
    for _ in range(count):
        kind, size = struct.unpack(">HI", _cut(data, start, 6))
        yield kind, _cut(data, start + 6, size)
        start += 6 + size


def _ase_color(block: bytes, number: int) -> Row:
    start = 2 + 2 * int.from_bytes(_cut(block, 0, 2))
    model = _cut(block, start, 4).strip(b" \0").upper()
    if model not in NUMBERS:
        words = shown(model)
        raise BadImage(f"color {number} is {words or 'of no model'}: {WAY_OUT}")
    count = NUMBERS[model]
    values = struct.unpack(f">{count}f", _cut(block, start + 4, 4 * count))
    if not all(0 <= value <= 1 for value in values):  # NaN is not, either
        raise BadImage(f"color {number}: expected numbers from 0 to 1, got {values}")
    return _rounded(values * (3 // count))


def render_ase(rows: list[Row]) -> bytes:
    """Return an Adobe Swatch Exchange file; alpha is left out."""
    return SIGNATURE + struct.pack(">HHI", 1, 0, len(rows)) + b"".join(map(_ase_block, rows))


def _ase_block(row: Row) -> bytes:
    name, normal = _name(row), 2  # neither global nor a spot color
    values = struct.pack(">3fH", *(value / 255 for value in row[:3]), normal)
    block = struct.pack(">H", len(name) // 2) + name + b"RGB " + values
    return struct.pack(">HI", COLOR, len(block)) + block


# ---------------------------------------------------------------- .aco

RGB, HSB, GRAY = 0, 1, 8  # color spaces
SPACES = {2: "CMYK", 7: "Lab", 9: "wide CMYK"}  # which others have a name in the specification
MOST = 65_535  # colors that a 16-bit count counts


def parse_aco(data: bytes) -> list[Row]:
    """Read Photoshop swatches of version 1 or 2; of a file with both, the colors are the same."""
    version, count = struct.unpack(">HH", _cut(data, 0, 4))
    if version not in (1, 2):
        raise BadImage(f"Photoshop swatches are of version 1 or 2, got {version}")
    rows, start = [], 4
    for number in range(1, count + 1):
        rows.append(_aco_color(*struct.unpack(">5H", _cut(data, start, 10)), number=number))
        start += 10
        if version == 2:
            size = 2 * int.from_bytes(_cut(data, start, 4))
            _cut(data, start + 4, size)
            start += 4 + size
    return rows


def _aco_color(space: int, *values: int, number: int) -> Row:
    if space == RGB:
        # Photoshop writes 257 times the 8-bit number, others 256 times: this undoes both.
        return [value >> 8 for value in values[:3]]
    if space == HSB:
        return _rounded(colorsys.hsv_to_rgb(*(value / 65_535 for value in values[:3])))
    if space == GRAY:
        if values[0] > 10_000:
            raise BadImage(f"color {number}: gray is 0 to 10,000, got {values[0]:,}")
        return _rounded([values[0] / 10_000] * 3)
    raise BadImage(f"color {number} is {SPACES.get(space, f'of space {space}')}: {WAY_OUT}")


def render_aco(rows: list[Row]) -> bytes:
    """Return Photoshop swatches, version 1 and then 2, as Photoshop does; alpha is left out."""
    if len(rows) > MOST:
        raise BadOption(f"an .aco file holds at most {MOST:,} colors, this palette {len(rows):,}")
    colors = [struct.pack(">5H", RGB, *(value * 257 for value in row[:3]), 0) for row in rows]
    names = [struct.pack(">I", len(_name(row)) // 2) + _name(row) for row in rows]
    named = b"".join(color + name for color, name in zip(colors, names, strict=True))
    heads = [struct.pack(">HH", version, len(rows)) for version in (1, 2)]
    return heads[0] + b"".join(colors) + heads[1] + named


# ---------------------------------------------------------------- .act

TABLE = 256
NO_INDEX = 0xFFFF


def parse_act(data: bytes) -> list[Row]:
    """Read a Photoshop color table: all 256 rows of one without a count."""
    size = 3 * TABLE
    if len(data) not in (size, size + 4):
        raise BadImage(f"a color table has {size} or {size + 4} bytes, this file {len(data):,}")
    count, clear = struct.unpack(">HH", data[size:]) if data[size:] else (TABLE, NO_INDEX)
    if not 1 <= count <= TABLE:
        raise BadImage(f"a color table has 1 to {TABLE} colors, this file says {count:,}")
    if clear != NO_INDEX and clear >= count:
        raise BadImage(f"its transparent color is number {clear:,} of {count:,}, counted from 0")
    rows = [list(data[start : start + 3]) for start in range(0, 3 * count, 3)]
    if clear != NO_INDEX:
        rows[clear].append(0)
    return rows


def render_act(rows: list[Row]) -> bytes:
    """Return a Photoshop color table; the first fully transparent color stays transparent."""
    if len(rows) > TABLE:
        raise BadOption(f"an .act file holds at most {TABLE} colors, this palette {len(rows):,}")
    table = b"".join(bytes(row[:3]) for row in rows).ljust(3 * TABLE, b"\0")
    clear = next((i for i, row in enumerate(rows) if row[3:] == [0]), NO_INDEX)
    return table + struct.pack(">HH", len(rows), clear)


# ---------------------------------------------------------------- .pal


def parse_riff(data: bytes) -> list[Row]:
    """Read the chunk `data`: version 3.0, how many colors, and R, G, B and flags of each."""
    start = 12
    while data[8:12] == b"PAL " and start + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, start)
        if name == b"data":
            content = data[start + 8 : start + 8 + size]
            count = int.from_bytes(content[2:4], "little")
            if len(content) < max(size, 4 + 4 * count):
                raise BadImage(
                    f"it is truncated: {count:,} colors do not fit its {len(data):,} bytes"
                )
            return [list(content[i : i + 3]) for i in range(4, 4 + 4 * count, 4)]
        start += 8 + size + size % 2
    raise BadImage("it is a RIFF file without the chunks of a palette, PAL and data")
