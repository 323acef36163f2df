"""Palette files: the color lists that drawing programs exchange.

Three formats, each a pair of pure functions between bytes and arrays:

    .gpl   GIMP, Inkscape, Krita, Aseprite    decimal numbers and a name per color
    .hex   Lospec and pixel-art tools         RRGGBB, or RRGGBBAA, one per line
    .json  smalti                             {"colors": [{"hex": "#rrggbb", "share": 0.25}, ...]}

Rows keep their order and their exact values, so what is written is what is read
back. Alpha, which GIMP's own format lacks, is written as Aseprite does. Only
JSON carries shares, the part of the pixels that took each color.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .errors import BadImage, BadOption
from .options import MAX_K

__all__ = ["SUFFIXES", "dump", "load", "parse"]

Colors = np.ndarray
Shares = np.ndarray | None

SUFFIXES = (".gpl", ".hex", ".json")

MAX_BYTES = 16 * 2**20  # no list of 65,536 colors is near this; a mistaken video is far above


def load(path: str | Path) -> tuple[Colors, Shares]:
    """Read the palette file at `path`; its suffix names the format.

    Returns
    -------
    colors : (k, 3) uint8 sRGB, or (k, 4) with alpha when the file has alpha
    shares : (k,) float64, or None where the file has none

    Raises
    ------
    BadOption : the suffix is none of `SUFFIXES`.
    BadImage : the file is missing, unreadable, or not what its suffix says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadImage(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BadImage(f"{path}: over {MAX_BYTES // 2**20} MiB, which no palette file is")
    try:
        return parse(data, path.suffix)
    except BadImage as error:
        raise BadImage(f"{path}: {error}") from error


def parse(data: bytes, suffix: str) -> tuple[Colors, Shares]:
    r"""Read a palette from the bytes of a file of format `suffix` (".gpl", ".hex", ".json").

    >>> colors, shares = parse(b"ff8000\n102030\n", ".hex")
    >>> colors.tolist(), shares
    ([[255, 128, 0], [16, 32, 48]], None)
    """
    reader = {".gpl": _parse_gpl, ".hex": _parse_hex, ".json": _parse_json}[_known(suffix)]
    text = data.decode("utf-8-sig", errors="replace")
    rows, shares = reader(text)
    if not 1 <= len(rows) <= MAX_K:
        raise BadImage(f"a palette has 1 to {MAX_K:,} colors, this file has {len(rows):,}")
    return _as_array(rows), shares


def dump(suffix: str, colors: Colors, shares: Shares = None) -> bytes:
    r"""Return the bytes of a palette file of format `suffix`.

    Parameters
    ----------
    suffix : ".gpl", ".hex" or ".json"
    colors : (k, 3) or (k, 4) uint8 sRGB
    shares : (k,) float, written to JSON only

    >>> dump(".hex", np.uint8([[255, 128, 0], [16, 32, 48]]))
    b'ff8000\n102030\n'
    """
    rows = np.asarray(colors).tolist()
    match _known(suffix):
        case ".gpl":
            text = _render_gpl(rows)
        case ".hex":
            text = "".join(f"{_hex(row)}\n" for row in rows)
        case _:
            text = _render_json(rows, None if shares is None else np.asarray(shares).tolist())
    return text.encode()


def _known(suffix: str) -> str:
    """Return `suffix` in lower case if it is a palette format."""
    if suffix.lower() not in SUFFIXES:
        raise BadOption(
            f"a palette file ends in {', '.join(SUFFIXES)}, got {suffix or 'no suffix'!r}"
        )
    return suffix.lower()


def _as_array(rows: Sequence[Sequence[int]]) -> Colors:
    """Stack rows of 3 or 4 numbers; one row with alpha gives all of them alpha."""
    if any(len(row) == 4 for row in rows):
        rows = [[*row, 255][:4] for row in rows]
    return np.array(rows, dtype=np.uint8)


def _hex(row: Sequence[int]) -> str:
    return bytes(row).hex()


def _from_hex(text: str, where: str) -> list[int]:
    """Return the 3 or 4 numbers of RRGGBB or RRGGBBAA, with or without a leading #."""
    digits = text.removeprefix("#")
    if len(digits) not in (6, 8) or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise BadImage(f"{where}: expected RRGGBB or RRGGBBAA, got {text[:20]!r}")
    return list(bytes.fromhex(digits))


# ---------------------------------------------------------------- .hex


def _parse_hex(text: str) -> tuple[list[list[int]], Shares]:
    """One color per line; blank lines and lines that start with ; are skipped."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [
        _from_hex(line, f"line {number}")
        for number, line in lines
        if line and not line.startswith(";")
    ], None


# ---------------------------------------------------------------- .gpl


def _parse_gpl(text: str) -> tuple[list[list[int]], Shares]:
    """GIMP's format: a header, then "R G B name" per line; "Channels: RGBA" adds alpha."""
    lines = text.splitlines()
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
    return rows, None


def _gpl_row(line: str, channels: int, number: int) -> list[int]:
    fields = line.split()[:channels]
    if len(fields) < channels or not all(f.isascii() and f.isdigit() for f in fields):
        raise BadImage(f"line {number}: expected {channels} numbers, got {line[:20]!r}")
    row = [int(field) for field in fields]
    if max(row) > 255:
        raise BadImage(f"line {number}: colors are 0 to 255, got {line[:20]!r}")
    return row


def _render_gpl(rows: list[list[int]]) -> str:
    alpha = "Channels: RGBA\n" if len(rows[0]) == 4 else ""
    colors = (f"{' '.join(f'{number:3d}' for number in row)}\t#{_hex(row)}\n" for row in rows)
    return f"GIMP Palette\n{alpha}Name: smalti\n#\n{''.join(colors)}"


# ---------------------------------------------------------------- .json


def _parse_json(text: str) -> tuple[list[list[int]], Shares]:
    """{"colors": [...]} or a bare list; each item {"hex": ..., "share": ...} or "#rrggbb"."""
    import json  # imported late: 2 ms that no other format needs

    try:
        content = json.loads(text)
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


def _render_json(rows: list[list[int]], shares: list[float] | None) -> str:
    import json

    colors: list[dict[str, object]] = [{"hex": f"#{_hex(row)}"} for row in rows]
    for color, share in zip(colors, shares or [], strict=False):
        color["share"] = share
    lines = ",\n".join(f"  {json.dumps(color)}" for color in colors)
    return f'{{"colors": [\n{lines}\n]}}\n'
