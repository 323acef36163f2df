"""GIF animations: blocks in, blocks out; Pillow's LZW does the pixels.

    bytes -> [read_gif] -> Gif -> [patches] -> canvases      painted frames -> [assembled] -> bytes

Why not Pillow's own reader and writer of frames: that one fills what is cleared with a background
color, which no browser does; this one drops frames, and decides by itself what to paint. A GIF is
a header and blocks, each a chain of at most 255 bytes, so walking them is little code.

Source: Graphics Interchange Format, version 89a (CompuServe 1990), and what browsers make of it.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .animation import BACKGROUND, KEEP, MAX_FRAMES, PREVIOUS, Patch
from .bands import array_of, looked_up
from .errors import BadImage, LimitExceeded

__all__ = ["APPLICATION", "COMMENT", "EXTENSION", "LONGEST", "MOST_PLAYS", "Frame", "Gif",
           "after_loop", "assembled", "count", "extension", "extensions", "lzw", "padded",
           "patches", "read_gif", "sub_blocks"]  # fmt: skip

LONGEST = 65_535
"""Hundredths of a second of the longest delay."""

MOST_PLAYS = 65_536

DISPOSALS = {2: BACKGROUND, 3: PREVIOUS, 4: PREVIOUS}  # 4 as browsers have it; others keep
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
EXTENSION, IMAGE, END = 0x21, 0x2C, 0x3B
MAX_BLOCKS = 6 * MAX_FRAMES
"""Of frames and extensions; a frame has two or three."""

MAX_PARTS = 2**21
"""Of what is in blocks; each has 255 bytes, where no one wants to waste time."""

ZEROS = re.compile(rb"\0+")
CONTROL, APPLICATION, COMMENT = 0xF9, 0xFF, 0xFE


class Frame(NamedTuple):
    """One frame, still compressed."""

    x: int
    y: int
    width: int
    height: int
    delay: int  # hundredths of a second, as stored
    dispose: str
    clear: int | None  # the index that leaves what was there
    palette: bytes  # its own or the one of the file
    bits: int  # LZW's minimum code size
    data: bytes  # chain of sub-blocks
    interlaced: bool = False


@dataclass
class Gif:
    """What a GIF says about itself."""

    width: int
    height: int
    frames: list[Frame] = field(default_factory=list)
    plays: int = 1
    metadata_bytes: int = 0

    @property
    def delays(self) -> tuple[Fraction, ...]:
        """Seconds of each frame."""
        return tuple(Fraction(frame.delay, 100) for frame in self.frames)


def count(data: bytes, most: int = MAX_FRAMES + 1) -> int:
    """Return the number of frames, up to `most`; of a damaged file, of those that are there.

    Raises LimitExceeded for a flood of blocks, or of their parts.
    """
    found = 0
    try:
        for kind, _, _ in _blocks(data):
            found += kind == IMAGE
            if found >= most:
                break
    except BadImage:
        pass  # whoever reads the file says so
    return found


def read_gif(data: bytes) -> Gif:
    """Read the blocks of a GIF, at most one frame more than `MAX_FRAMES`.

    Raises
    ------
    BadImage : truncated or damaged. The message does not name the file.
    LimitExceeded : as for `count`.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6) if len(data) > 12 else (0, 0, 0)
    shared = data[13 : 13 + _table_bytes(flags)]
    gif, control = Gif(width, height), b""
    for kind, start, end in _blocks(data):
        if end > len(data):
            raise BadImage("it is truncated: the GIF ends inside a block")
        if kind == IMAGE:
            gif.frames.append(_frame(data, start, end, control, shared))
            control = b""
            if len(gif.frames) > MAX_FRAMES:
                break
        elif data[start + 1] == CONTROL and end - start >= 8:
            control = data[start + 3 : start + 7]
        elif data[start + 1] == APPLICATION and data[start + 3 : start + 14] in LOOPS:
            gif.plays = _plays(data[start + 14 : end], gif.plays)
        else:
            gif.metadata_bytes += end - start
    if not gif.frames:
        raise BadImage("it is damaged: the GIF has no picture")
    first = gif.frames[0]  # browsers make room for the first frame, and cut the others off
    gif.width = max(gif.width, first.x + first.width)
    gif.height = max(gif.height, first.y + first.height)
    return gif


def _blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of images and extensions; of a truncated one the end is beyond."""
    at, blocks, parts = 13 + (_table_bytes(data[10]) if len(data) > 12 else 0), 0, 0
    while at < len(data) and data[at] != END:
        if padding := ZEROS.match(data, at):  # which writers leave now and then
            at = padding.end()
            continue
        start, kind = at, data[at]
        if kind == EXTENSION:
            at += 2
        elif kind == IMAGE and at + 10 < len(data):
            at += 11 + _table_bytes(data[at + 9])
        else:
            raise BadImage("it is damaged: something that is no GIF block follows another")
        while at < len(data) and data[at]:
            at += data[at] + 1
            parts += 1
        at, blocks = at + 1, blocks + 1
        if blocks > MAX_BLOCKS or parts > MAX_PARTS:
            raise LimitExceeded(
                f"it has more than {MAX_BLOCKS:,} blocks, or {MAX_PARTS:,} parts of such"
            )
        yield kind, start, at


def extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the label of each extension, and its chain of sub-blocks."""
    for kind, start, end in _blocks(data):
        if kind == EXTENSION:
            yield data[start + 1], data[start + 2 : end]


def sub_blocks(chain: bytes) -> Iterator[bytes]:
    """Yield the contents of a chain of sub-blocks."""
    at = 0
    while at < len(chain) and chain[at]:
        yield chain[at + 1 : at + 1 + chain[at]]
        at += chain[at] + 1


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _frame(data: bytes, start: int, end: int, control: bytes, shared: bytes) -> Frame:
    x, y, width, height, flags = struct.unpack_from("<HHHHB", data, start + 1)
    own = _table_bytes(flags)
    palette = data[start + 10 : start + 10 + own] if own else shared
    how, delay, key = struct.unpack("<BHB", control) if control else (0, 0, 0)
    return Frame(
        x, y, width, height, delay,
        dispose=DISPOSALS.get(how >> 2 & 7, KEEP),
        clear=key if how & 1 else None,
        palette=palette,
        bits=data[start + 10 + own],
        data=data[start + 11 + own : end],
        interlaced=bool(flags & 0x40),
    )  # fmt: skip


def _plays(chain: bytes, before: int) -> int:
    """Return how often to play: the file says how often to *repeat*, 0 being for ever."""
    if chain[:2] != b"\x03\x01" or len(chain) < 4:
        return before
    repeats = chain[2] | chain[3] << 8
    return repeats + 1 if repeats else 0


def patches(gif: Gif) -> Iterator[Patch]:
    """Decode the frames one by one.

    Raises
    ------
    BadImage : the pixels of a frame are truncated or damaged.
    """
    for number, frame in enumerate(gif.frames, 1):
        indices = _decoded(frame, number)
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        colors = np.frombuffer(frame.palette, np.uint8).reshape(-1, 3)
        if not len(colors):  # no table at all: gray, as Pillow has it
            colors = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        table[: len(colors), :3] = colors
        if frame.clear is not None:
            table[frame.clear] = 0
        yield Patch(frame.x, frame.y, looked_up(table, indices), frame.dispose)


def _decoded(frame: Frame, number: int) -> NDArray[np.uint8]:
    from PIL import Image

    if not frame.width * frame.height:
        return np.zeros((frame.height, frame.width), np.uint8)
    try:
        image = Image.frombytes(
            "P", (frame.width, frame.height), frame.data, "gif", frame.bits, frame.interlaced, -1
        )
    except (ValueError, OSError) as error:
        raise BadImage(f"it is damaged: frame {number} cannot be decoded") from error
    return array_of(image)


# ---------------------------------------------------------------- writing


def lzw(indices: NDArray[np.uint8]) -> tuple[int, bytes]:
    """Return the minimum code size and the compressed chain of blocks of (h, w) indices."""
    from PIL import Image

    height, width = indices.shape
    bits = max(2, int(indices.max()).bit_length())
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(indices).tobytes())
    return bits, image.tobytes("gif", "P", bits, 0) + b"\0"


def assembled(
    size: tuple[int, int], frames: Sequence[Frame], plays: int, shared: NDArray[np.uint8] | None
) -> bytes:
    """Return the file.

    Parameters
    ----------
    size : width, height
    frames : with palettes of their own, as the file has them, or b"" for the shared one
    plays : how often it is shown, 0 for ever; `MOST_PLAYS` at most
    shared : (k, 3|4) uint8, or None if every frame has its own
    """
    table = b"" if shared is None else padded(shared)
    flags = 0x70 | (0 if shared is None else 0x80 | _exponent(table))
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, flags, 0, 0), table]
    if plays != 1:
        repeats = max(0, plays - 1)
        parts.append(b"\x21\xff\x0b" + LOOPS[0] + struct.pack("<BBHB", 3, 1, repeats, 0))
    for frame in frames:
        parts += _written(frame)
    return b"".join([*parts, b"\x3b"])


def extension(label: int, content: bytes) -> bytes:
    """Return an extension: a chain of sub-blocks of up to 255 bytes each."""
    parts = [content[at : at + 255] for at in range(0, len(content), 255)]
    chain = b"".join(bytes([len(part)]) + part for part in parts)
    return bytes([EXTENSION, label]) + chain + b"\0"


def after_loop(data: bytes) -> int:
    """Return where more extensions may begin: some readers want the one about repeating first."""
    for _, start, end in _blocks(data):
        return end if data[start + 3 : start + 14] in LOOPS else start
    return len(data)


def padded(palette: NDArray[np.uint8]) -> bytes:
    """Return a color table: a power of two of entries, black where there are none."""
    table = np.ascontiguousarray(palette[:, :3]).tobytes()
    return table + bytes((3 << max(1, (len(palette) - 1).bit_length())) - len(table))


def _exponent(table: bytes) -> int:
    return (len(table) // 3).bit_length() - 2


def _written(frame: Frame) -> list[bytes]:
    how = {KEEP: 1, BACKGROUND: 2, PREVIOUS: 3}[frame.dispose] << 2 | (frame.clear is not None)
    flags = 0x80 | _exponent(frame.palette) if frame.palette else 0
    return [
        struct.pack("<BBBBHBB", EXTENSION, CONTROL, 4, how, frame.delay, frame.clear or 0, 0),
        struct.pack("<BHHHHB", IMAGE, frame.x, frame.y, frame.width, frame.height, flags),
        frame.palette,
        bytes([frame.bits]),
        frame.data,
    ]
