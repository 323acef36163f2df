"""Floods: files of so many tiny parts that reading them would take minutes, or hours.

    bytes, format -> [check_parts] -> nothing, or LimitExceeded

Sizes of pixels and files are limited, but a JPEG of 256 MiB may have 64 million markers, which
Pillow keeps in a list, and a small one thousands of scans, each of which is a pass over all of the
picture. No encoder writes a hundredth of what is allowed here. PNG and GIF are read by this
package, which counts their parts on the way.
"""

import re
import struct

from .errors import LimitExceeded

__all__ = ["MAX_FRAME_PARTS", "MAX_PARTS", "MAX_RUN_BYTES", "MAX_SCANS", "check_parts"]

MAX_PARTS = 10_000
"""Markers, chunks or pages beside those of the frames."""

MAX_FRAME_PARTS = 20_000
"""Chunks of a WebP, of which each frame is one: four times what an animation may have."""

MAX_SCANS = 100
"""Of a progressive JPEG: encoders write ten or so."""

MAX_RUN_BYTES = 16 * 2**20
"""Of a BMP with run lengths: Pillow reads them one by one, in Python."""

RUN_LENGTHS = (b"\1\0\0\0", b"\2\0\0\0")
"""How the compression of such a BMP is written in its header."""

NEXT_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
"""After a scan; what is no marker in it is 00 or a restart."""


def check_parts(data: bytes, kind: str) -> None:
    """Raise LimitExceeded if a JPEG, WebP, TIFF or BMP has more parts than any good one."""
    if kind == "JPEG":
        _check_jpeg(data)
    elif kind == "WEBP":
        _check_webp(data)
    elif kind == "TIFF":
        _check_tiff(data)
    elif kind == "BMP" and data[30:34] in RUN_LENGTHS and len(data) > MAX_RUN_BYTES:
        raise LimitExceeded(
            f"it has more than {MAX_RUN_BYTES >> 20} MiB of run lengths, which take minutes to "
            "read; save it as PNG"
        )


def _check_jpeg(data: bytes) -> None:
    """Walk as Pillow does: it reads what is between markers byte by byte, fill bytes too."""
    at, parts, scans = 2, 0, 0
    while at + 1 < len(data) and parts <= MAX_PARTS and scans <= MAX_SCANS:
        start = data.find(b"\xff", at)
        parts += 1 + (start - at if start >= 0 else 0)
        marker = data[start + 1] if 0 <= start < len(data) - 1 else 0xD9
        if marker == 0xD9:  # end of the picture
            return
        at = start + (1 if marker == 0xFF else 2)
        if marker in (0x00, 0x01, 0xFF, 0xD8) or 0xD0 <= marker <= 0xD7:  # no content
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == 0xDA:
            scans += 1
            found = NEXT_MARKER.search(data, at)
            at = found.start() if found else len(data)
    if scans > MAX_SCANS:
        raise LimitExceeded(
            f"it has more than {MAX_SCANS} scans, each a pass over all of the picture; no camera "
            "or program writes so many"
        )
    if parts > MAX_PARTS:
        raise LimitExceeded(f"it has more than {MAX_PARTS:,} JPEG markers, or as much between them")


def _check_webp(data: bytes) -> None:
    at, parts = 12, 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at, parts = at + 8 + size + size % 2, parts + 1
        if parts > MAX_FRAME_PARTS:
            raise LimitExceeded(f"it has more than {MAX_FRAME_PARTS:,} WebP chunks")


def _check_tiff(data: bytes) -> None:
    """Follow the directories, of which each names the next one."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"\x2b" in data[2:4]
    count, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    at, seen = 8 if big else 4, set[int]()
    try:
        while (start := struct.unpack_from(order + pointer, data, at)[0]) and start not in seen:
            seen.add(start)
            if len(seen) > MAX_PARTS:
                raise LimitExceeded(f"it has more than {MAX_PARTS:,} pages, where one is read")
            (entries,) = struct.unpack_from(order + count, data, start)
            at = start + struct.calcsize("=" + count) + entry * entries
    except (struct.error, OverflowError):  # whoever reads it says that it is damaged
        return
