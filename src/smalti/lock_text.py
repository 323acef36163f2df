"""The text of palette locks, which .palette files are, too: a back room of `lock`.

    smalti palette 1
    # Rows keep their numbers; new colors come at the end. limit: the most rows there may be.
    limit 64
    0 #00000000  # sprites/hero.png
    1 #1a1c2c  # sprites/hero.png

One color per line, with its row, so that a diff shows what is new and nothing else; behind it,
which picture brought it. Lines that start with # are comments. Fully transparent colors are one
color, whatever was written.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import BadImage
from .options import MAX_K
from .sources import shown

__all__ = ["LIMIT", "Row", "Text", "dump", "line_of", "parse", "parse_rows", "render_rows"]

TITLE = "smalti palette"
VERSION = 1
LIMIT = 256  # as many as an indexed file holds
NOTE = "# Rows keep their numbers; new colors come at the end. limit: the most rows there may be."

ROW = re.compile(
    r"([0-9]{1,9})[ \t]+#([0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?)(?:[ \t]+#[ \t]*(.*))?", re.ASCII
)
LIMITED = re.compile(r"limit[ \t]+([0-9]{1,9})", re.ASCII)
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


@dataclass(frozen=True)
class Row:
    """One color of a lock."""

    color: tuple[int, ...]  # 3 or 4 numbers, as it was written
    note: str = ""  # where it came from


@dataclass(frozen=True)
class Text:
    """What the text of a lock says."""

    rows: tuple[Row, ...]
    limit: int = LIMIT


def parse(data: bytes) -> Text:
    r"""Read the text of a lock.

    Raises
    ------
    BadImage : it is none, or of a later version; a row is not where it belongs, or past the limit.
        The message has the number of the line.

    >>> parse(b"smalti palette 1\nlimit 9\n0 #ff0000  # a.png\n").rows
    (Row(color=(255, 0, 0), note='a.png'),)
    """
    lines = data.decode("utf-8-sig", errors="replace").split("\n")
    _refuse_title(lines[0].strip())
    rows: list[Row] = []
    limit, said = LIMIT, False
    for number, line in enumerate(lines[1:], 2):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if match := LIMITED.fullmatch(line):
            if said or rows:
                raise BadImage(f"line {number}: limit is said once, before the first color")
            limit, said = _limit(int(match[1]), number), True
        else:
            rows.append(_row(line, number, len(rows)))
    if len(rows) > limit:
        raise BadImage(f"there are {len(rows):,} colors, more than its limit of {limit:,}")
    return Text(tuple(rows), limit)


def _refuse_title(title: str) -> None:
    name, _, version = title.rpartition(" ")
    if name != TITLE or not (version.isascii() and version.isdigit()):
        raise BadImage(f"line 1: expected '{TITLE} {VERSION}', got {title[:40]!r}")
    if int(version[:9]) != VERSION:
        raise BadImage(f"line 1: version {version[:9]} of the format, and this reads {VERSION}")


def _limit(limit: int, number: int) -> int:
    if not 1 <= limit <= MAX_K:
        raise BadImage(f"line {number}: limit must be from 1 to {MAX_K:,}, got {limit:,}")
    return limit


def _row(line: str, number: int, expected: int) -> Row:
    if line.startswith(CONFLICT):
        raise BadImage(
            f"line {number}: a conflict of two versions ({shown(line[:20])}); take one side's "
            "colors, and fit the other side's pictures to it again"
        )
    match = ROW.fullmatch(line)
    if not match:
        raise BadImage(f"line {number}: expected '{expected} #rrggbb', got {line[:40]!r}")
    if int(match[1]) != expected:
        raise BadImage(f"line {number}: expected row {expected}, got row {match[1]}")
    return Row(tuple(bytes.fromhex(match[2])), (match[3] or "").strip())


def dump(rows: Iterable[Row], limit: int) -> bytes:
    r"""Return the text of a new lock.

    >>> dump([Row((1, 2, 3))], 9).splitlines()[2:]
    [b'limit 9', b'0 #010203']
    """
    lines = [f"{TITLE} {VERSION}", NOTE, f"limit {limit}"]
    lines += [line_of(number, row) for number, row in enumerate(rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def line_of(number: int, row: Row) -> str:
    """Return the line of a row."""
    note = f"  # {row.note}" if row.note else ""
    return f"{number} #{bytes(row.color).hex()}{note}"


def with_limit(data: bytes, limit: int) -> bytes:
    """Return the text with another limit, and else unchanged."""
    line = f"limit {limit}".encode()
    changed, found = re.subn(rb"(?m)^[ \t]*limit[ \t]+[0-9]+", line, data, count=1)
    if found:
        return changed
    title, end, rest = data.partition(b"\n")
    return title + (end or b"\n") + line + b"\n" + rest


def with_rows(data: bytes, first: int, rows: Sequence[Row]) -> bytes:
    """Return the text with more rows at its end, and else unchanged: a diff shows them only."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    if rows and not data.endswith(b"\n"):
        data += end
    lines = (line_of(number, row).encode() for number, row in enumerate(rows, first))
    return data + b"".join(line + end for line in lines)


# ---------------------------------------------------------------- as a palette file


def parse_rows(data: bytes) -> list[list[int]]:
    """Return the colors, as `palette_files` wants them."""
    return [list(row.color) for row in parse(data).rows]


def render_rows(rows: Sequence[Sequence[int]]) -> bytes:
    """Return the text of a palette: as a lock, it is full."""
    return dump([Row(tuple(row)) for row in rows], len(rows))
