"""Palette files that are text: a back room of `palette_files`.

    bytes <-> rows of 3 or 4 numbers, 0 to 255

Each format is a pair of pure functions. Where a format tells how long it is, a file that was
cut short is refused; the lines of .gpl and .hex do not tell.

Sources: GIMP's "GPL Palette File Format" and Aseprite's extension of it; CSS Custom Properties
Level 1; the .pal files of Paint Shop Pro, whose format JASC published in its manuals.
"""

import re
from collections.abc import Sequence

import numpy as np

from .errors import BadImage
from .sources import shown

__all__ = [
    "parse_css",
    "parse_gpl",
    "parse_hex",
    "parse_json",
    "parse_pal",
    "render_css",
    "render_gpl",
    "render_hex",
    "render_json",
    "render_pal",
]

Rows = list[list[int]]
Shares = np.ndarray | None


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


def _hex(row: Sequence[int]) -> str:
    return bytes(row).hex()


def _from_hex(text: str, where: str) -> list[int]:
    """Return the 3 or 4 numbers of RRGGBB or RRGGBBAA, with or without a leading #."""
    digits = text.removeprefix("#")
    if len(digits) not in (6, 8) or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise BadImage(f"{where}: expected RRGGBB or RRGGBBAA, got {text[:20]!r}")
    return list(bytes.fromhex(digits))


# ---------------------------------------------------------------- .hex


def parse_hex(data: bytes) -> Rows:
    """One color per line; blank lines and lines that start with ; are skipped."""
    lines = ((number, line.strip()) for number, line in enumerate(_text(data).splitlines(), 1))
    return [
        _from_hex(line, f"line {number}")
        for number, line in lines
        if line and not line.startswith(";")
    ]


def render_hex(rows: Rows) -> bytes:
    return "".join(f"{_hex(row)}\n" for row in rows).encode()


# ---------------------------------------------------------------- .gpl


def parse_gpl(data: bytes) -> Rows:
    """GIMP's format: a header, then "R G B name" per line; "Channels: RGBA" adds alpha."""
    lines = _text(data).splitlines()
    if not lines or lines[0].strip() != "GIMP Palette":
        raise BadImage("a GIMP palette starts with the line 'GIMP Palette'")
    channels, rows = 3, []
    for number, line in enumerate(lines[1:], 2):
        line = line.strip()
        if line.lower().replace(" ", "") == "channels:rgba":
            channels = 4
        elif line and line[0].isdigit():
            rows.append(_gpl_row(line, channels, number))
        elif line and not line.startswith(("#", "Name:", "Columns:", "Channels:")):
            raise BadImage(f"line {number}: expected 'R G B name', got {line[:20]!r}")
    return rows


def _gpl_row(line: str, channels: int, number: int) -> list[int]:
    return _decimal(line.split()[:channels], (channels,), f"line {number}")


def _decimal(fields: list[str], lengths: tuple[int, ...], where: str) -> list[int]:
    """Return the numbers of one color, of which there must be one of `lengths`."""
    line = " ".join(fields)[:20]
    short = all(f.isascii() and f.isdigit() and len(f) <= 9 for f in fields)
    if len(fields) not in lengths or not short:
        raise BadImage(f"{where}: expected {lengths[0]} numbers, got {line!r}")
    row = [int(field) for field in fields]
    if max(row) > 255:
        raise BadImage(f"{where}: colors are 0 to 255, got {line!r}")
    return row


def render_gpl(rows: Rows) -> bytes:
    alpha = "Channels: RGBA\n" if len(rows[0]) == 4 else ""
    colors = (f"{' '.join(f'{number:3d}' for number in row)}\t#{_hex(row)}\n" for row in rows)
    return f"GIMP Palette\n{alpha}Name: smalti\n#\n{''.join(colors)}".encode()


# ---------------------------------------------------------------- .css


def parse_css(data: bytes) -> Rows:
    """Custom properties, each of them a color in hex: what `render_css` writes, and its like."""
    text = _without_comments(_text(data)).strip()
    # A file that was cut short may end within a number: then the brace is missing.
    match = re.fullmatch(r":root\s*\{([^{}]*)\}", text)
    if not match:
        raise BadImage("expected :root { --color-1: #rrggbb; ... } and nothing else")
    rows = []
    for declaration in filter(None, (part.strip() for part in match[1].split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if not name.startswith("--") or not value.startswith("#"):
            raise BadImage(f"expected --name: #rrggbb, got {declaration[:40]!r}")
        rows.append(_from_hex(value, shown(name[:20])))
    return rows


def _without_comments(text: str) -> str:
    """One pass: what a regular expression searches again and again, a hostile file repeats."""
    kept, start = [], 0
    while (opened := text.find("/*", start)) >= 0:
        kept.append(text[start:opened])
        closed = text.find("*/", opened + 2)
        if closed < 0:
            raise BadImage("a comment is never closed")
        start = closed + 2
    return "".join([*kept, text[start:]])


def render_css(rows: Rows) -> bytes:
    colors = (f"  --color-{i}: #{_hex(row)};\n" for i, row in enumerate(rows, 1))
    return f":root {{\n{''.join(colors)}}}\n".encode()


# ---------------------------------------------------------------- .pal


def parse_pal(data: bytes) -> Rows:
    """JASC-PAL, its version, the number of colors, and a line of R G B for each."""
    lines = [line.split() for line in _text(data).splitlines()]
    if lines[:2] != [["JASC-PAL"], ["0100"]]:
        raise BadImage("a .pal file starts with the lines JASC-PAL and 0100, or with RIFF")
    rest = [(number, fields) for number, fields in enumerate(lines[2:], 3) if fields]
    count, rows = rest[0][1] if rest else [], rest[1:]
    if count != [str(len(rows))]:
        said = shown(" ".join(count)[:20]) or "nothing"
        raise BadImage(f"line 3 gives the number of colors: it says {said}, {len(rows):,} follow")
    return [_decimal(fields, (3, 4), f"line {number}") for number, fields in rows]


def render_pal(rows: Rows) -> bytes:
    colors = (f"{' '.join(map(str, row[:3]))}\r\n" for row in rows)
    return f"JASC-PAL\r\n0100\r\n{len(rows)}\r\n{''.join(colors)}".encode()


# ---------------------------------------------------------------- .json


def parse_json(data: bytes) -> tuple[Rows, Shares]:
    """{"colors": [...]} or a bare list; each item {"hex": ..., "share": ...} or "#rrggbb"."""
    import json  # imported late: 2 ms that no other format needs

    try:
        content = json.loads(_text(data))
    except (ValueError, RecursionError) as error:
        raise BadImage(f"not JSON: {error}") from error
    items = content.get("colors") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise BadImage('expected {"colors": [{"hex": "#rrggbb", "share": 0.25}, ...]}')
    entries = [item if isinstance(item, dict) else {"hex": item} for item in items]
    rows = [_from_hex(str(e.get("hex")), f"color {i}") for i, e in enumerate(entries, 1)]
    return rows, _shares([entry.get("share") for entry in entries])


def _shares(values: list[object]) -> Shares:
    """Return the shares when every color has one."""
    if not values or any(value is None for value in values):
        return None
    numbers = [v for v in values if isinstance(v, int | float) and 0 <= v <= 1]
    if len(numbers) < len(values):
        raise BadImage("shares are numbers from 0 to 1")
    return np.array(numbers, dtype=np.float64)


def render_json(rows: Rows, shares: list[float] | None) -> bytes:
    import json

    colors: list[dict[str, object]] = [{"hex": f"#{_hex(row)}"} for row in rows]
    for color, share in zip(colors, shares or [], strict=False):
        color["share"] = share
    lines = ",\n".join(f"  {json.dumps(color)}" for color in colors)
    return f'{{"colors": [\n{lines}\n]}}\n'.encode()
