"""WebP animations: chunks in, chunks out; libwebp, by Pillow, does the pixels.

    bytes -> [read_webp] -> Webp;  painted frames -> [assembled] -> bytes

An animation is a RIFF file of ANMF chunks, each with the chunks of a still picture inside. Reading
them here tells times and sizes before anything is decoded. Writing them here, as libwebp's own
writer of animations merges frames that are alike, and people count on their frames.

Source: RFC 9649, https://www.rfc-editor.org/rfc/rfc9649.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from . import labels
from .animation import BACKGROUND, MAX_FRAMES, check_patch
from .errors import BadImage

__all__ = ["LONGEST", "MOST_PLAYS", "Frame", "Webp", "assembled", "bitstream", "chunks",
           "is_animated", "read_webp", "with_chunks"]  # fmt: skip

LONGEST = 2**24 - 1
"""Milliseconds of the longest delay."""

MOST_PLAYS = 65_535

ANIMATED, ALPHA, PROFILE = 0x02, 0x10, 0x20  # of the flags of VP8X
FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04}
SOURCE, CLEARED = 0x02, 0x01  # of a frame: not blended; its place cleared afterwards


class Frame(NamedTuple):
    """One frame to be written, compressed."""

    x: int  # even
    y: int  # even
    width: int
    height: int
    delay: int  # milliseconds
    dispose: str
    over: bool
    data: bytes  # a VP8L chunk


@dataclass
class Webp:
    """What an animated WebP says about itself."""

    width: int
    height: int
    delays: list[Fraction] = field(default_factory=list)
    plays: int = 1


def is_animated(data: bytes) -> bool:
    """Whether the first bytes of a WebP file say that it is an animation."""
    return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & ANIMATED)


def read_webp(data: bytes) -> Webp:
    """Read sizes and times of an animation, at most one frame more than `MAX_FRAMES`.

    Raises
    ------
    BadImage : truncated or damaged. The message does not name the file.
    """
    if len(data) < 30:
        raise BadImage("it is truncated: the WebP ends before its picture does")
    found = Webp(_three(data, 24) + 1, _three(data, 27) + 1)
    for name, start, end in chunks(data):
        if name == b"ANIM" and end - start >= 6:
            found.plays = int.from_bytes(data[start + 4 : start + 6], "little")
        elif name == b"ANMF" and end - start >= 16:
            x, y, width, height, delay = (_three(data, start + 3 * i) for i in range(5))
            place = (2 * x, 2 * y, width + 1, height + 1)
            check_patch(*place, (found.width, found.height), len(found.delays))
            found.delays.append(Fraction(delay, 1000))
            if len(found.delays) > MAX_FRAMES:
                break
    if not found.delays:
        raise BadImage("it is damaged: the WebP animation has no frames")
    return found


def _three(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each chunk of a file."""
    return _chunks(data, 12, _end(data))


def _end(data: bytes) -> int:
    """Return where the file says that it ends, unless that is beyond what there is of it."""
    said = 8 + int.from_bytes(data[4:8], "little")
    return said if 30 <= said <= len(data) else len(data)


def _chunks(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each chunk."""
    while at + 8 <= stop:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > stop:
            raise BadImage("it is truncated: the WebP ends inside a chunk")
        yield data[at : at + 4], at + 8, at + 8 + size
        at += 8 + size + size % 2


# ---------------------------------------------------------------- writing


def bitstream(still: bytes) -> bytes:
    """Return the VP8L chunk of a lossless still WebP."""
    for name, start, end in _chunks(still, 12, len(still)):
        if name == b"VP8L":
            return _chunk(name, still[start:end])
    raise BadImage("it is not a lossless WebP")


def with_chunks(data: bytes, parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a file, as smalti writes them, with more chunks at its end, and what says so."""
    if not parts:
        return data
    body = bytearray(data[12:] if data[12:16] == b"VP8X" else labels.extended(data) + data[12:])
    for name, content in parts:
        body[8] |= FLAGS.get(name, 0)  # of VP8X, after its name and size
        body += _chunk(name, content)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def assembled(
    size: tuple[int, int], frames: Sequence[Frame], plays: int, *, alpha: bool, icc: bytes | None
) -> bytes:
    """Return the file.

    Parameters
    ----------
    size : width, height
    plays : how often it is shown, 0 for ever
    alpha : whether some pixel of some frame is not opaque
    icc : color profile to embed
    """
    flags = ANIMATED | (ALPHA if alpha else 0) | (PROFILE if icc else 0)
    parts = [
        _chunk(b"VP8X", struct.pack("<I", flags) + _number(size[0] - 1) + _number(size[1] - 1)),
        *([_chunk(b"ICCP", icc)] if icc else []),
        _chunk(b"ANIM", struct.pack("<IH", 0, plays)),
        *(_chunk(b"ANMF", _framed(frame)) for frame in frames),
    ]
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _framed(frame: Frame) -> bytes:
    numbers = (frame.x // 2, frame.y // 2, frame.width - 1, frame.height - 1, frame.delay)
    how = (0 if frame.over else SOURCE) | (CLEARED if frame.dispose == BACKGROUND else 0)
    return b"".join(map(_number, numbers)) + bytes([how]) + frame.data


def _number(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
