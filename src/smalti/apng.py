"""APNG: the frames of an animated PNG, in and out.

    bytes -> [read_apng] -> Apng -> [patches] -> canvases;   painted frames -> [assembled] -> bytes

An APNG is a PNG whose fcTL chunks say where, how and how long frames are painted; the first one
may be the picture that viewers without animation show (IDAT), all others are in fdAT chunks, which
are IDAT chunks with a number. So `png` decodes each as the small PNG that it is.

Source: PNG specification, third edition, https://www.w3.org/TR/png-3/, 4.9 and 11.3.6.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import pixels, png
from .animation import BACKGROUND, KEEP, MAX_FRAMES, PREVIOUS, Patch, check_patch
from .errors import BadImage
from .packing import bits_for

__all__ = ["LONGEST", "MOST_PLAYS", "Apng", "Frame", "assembled", "fraction", "patches",
           "read_apng"]  # fmt: skip

LONGEST = 65_535
"""Seconds of the longest delay; also the highest numerator and denominator of one."""

MOST_PLAYS = 2**31 - 1

DISPOSALS = (KEEP, BACKGROUND, PREVIOUS)
CONTROL = struct.Struct(">IIIIIHHBB")


class Frame(NamedTuple):
    """One frame, still compressed."""

    x: int
    y: int
    width: int
    height: int
    delay: tuple[int, int]  # numerator and denominator of seconds, as stored
    dispose: str
    over: bool  # blended; else it replaces what was there
    data: bytes  # what IDAT would have


@dataclass
class Apng:
    """An animated PNG: what a still one says about itself, and frames."""

    file: png.PngFile
    frames: list[Frame]
    plays: int
    own_still: bool  # whether IDAT is a picture that is not part of the animation

    @property
    def delays(self) -> tuple[Fraction, ...]:
        """Seconds of each frame; a denominator of 0 stands for 100."""
        return tuple(Fraction(top, bottom or 100) for top, bottom in (f.delay for f in self.frames))


def read_apng(data: bytes) -> Apng | None:
    """Read the frames of an animated PNG; None if it is an ordinary one.

    Raises
    ------
    BadImage : truncated, damaged, or not what the specification allows.
    LimitExceeded : as of `read_png`.
    """
    file = png.read_png(data)
    if file.frames < 2:
        return None
    reader = _Reader(file)
    for name, content, intact in png.chunks(data):
        reader.take(name, content, intact)
        if len(reader.frames) > MAX_FRAMES:
            break
    plays = int.from_bytes(file.extras[b"acTL"][4:8], "big")
    # Of one frame too many nobody wants the pixels.
    found = reader.frames if len(reader.frames) > MAX_FRAMES else reader.done()
    return Apng(file, found, plays, reader.own_still)


class _Reader:
    """Puts frames together, chunk by chunk."""

    def __init__(self, file: png.PngFile) -> None:
        self.frames: list[Frame] = []
        self.own_still = False
        self._size, self._parts, self._number = (file.width, file.height), list[bytes](), 0

    def take(self, name: bytes, content: bytes, intact: bool) -> None:
        if name == b"IDAT":
            self.own_still |= not self.frames
            self._parts += [content] if self.frames else []
        elif name in (b"fcTL", b"fdAT"):
            if not intact or len(content) < (4 if name == b"fdAT" else CONTROL.size):
                raise BadImage(f"it is damaged: a broken {name.decode()} chunk")
            if int.from_bytes(content[:4], "big") != self._number:
                raise BadImage("it is damaged: the chunks of its frames are not in order")
            self._number += 1
            if name == b"fdAT":
                self._parts.append(content[4:])
            else:
                self._begin(content)

    def _begin(self, content: bytes) -> None:
        self.done()
        _, width, height, x, y, top, bottom, dispose, blend = CONTROL.unpack(content[:26])
        check_patch(x, y, width, height, self._size, len(self.frames))
        if dispose > 2 or blend > 1:
            raise BadImage("it is damaged: a frame is painted in a way that no PNG knows")
        how = DISPOSALS[dispose]
        self.frames.append(Frame(x, y, width, height, (top, bottom), how, bool(blend), b""))

    def done(self) -> list[Frame]:
        """Close the last frame."""
        if self.frames:
            if not self._parts:
                raise BadImage(f"it is damaged: frame {len(self.frames)} has no pixels")
            self.frames[-1] = self.frames[-1]._replace(data=b"".join(self._parts))
        self._parts = []
        return self.frames


def patches(apng: Apng) -> Iterator[Patch]:
    """Decode the frames one by one; 16-bit samples are rounded.

    Raises
    ------
    BadImage : the pixels of a frame are truncated or damaged.
    """
    file = apng.file
    for number, frame in enumerate(apng.frames, 1):
        part = replace(file, width=frame.width, height=frame.height, idat=frame.data)
        try:
            values, mode = png.samples(part)
        except BadImage as error:
            raise BadImage(f"frame {number}: {error}") from error.__cause__
        if mode == "P":
            palette = np.frombuffer(file.palette, np.uint8).reshape(-1, 3)
            values, mode = pixels.with_palette(values[:, :, 0], palette, file.transparency)
        if values.dtype == np.uint16:
            values = pixels.to_8_bits(values)
        yield Patch(frame.x, frame.y, _rgba(values, mode), frame.dispose, frame.over)


def _rgba(values: NDArray[np.uint8], mode: str) -> NDArray[np.uint8]:
    if mode in ("L", "LA"):
        values = values[:, :, [0, 0, 0, *range(1, values.shape[2])]]
    if values.shape[2] == 3:
        values = np.dstack([values, np.full(values.shape[:2], 255, np.uint8)])
    return values


# ---------------------------------------------------------------- writing


def fraction(delay: Fraction) -> tuple[int, int]:
    """Return the numerator and denominator nearest to a delay that PNG can hold.

    >>> fraction(Fraction(1, 3)), fraction(Fraction(1, 100_000))
    ((1, 3), (1, 65535))
    """
    delay = min(delay, Fraction(LONGEST))
    bottom = LONGEST if delay <= 1 else max(1, int(LONGEST / delay))
    near = delay if max(delay.as_integer_ratio()) <= LONGEST else delay.limit_denominator(bottom)
    return near.numerator, near.denominator


def assembled(
    size: tuple[int, int],
    frames: Sequence[Frame],
    plays: int,
    palette: NDArray[np.uint8],
    depth: int,
    extras: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Return the file: its first frame, as large as the canvas, is what still viewers show.

    Parameters
    ----------
    size : width, height
    frames : the first at (0, 0) and of this size
    plays : how often it is shown, 0 for ever
    palette : (k, 3) or (k, 4) uint8
    depth : bits of an index, enough for k
    extras : name and content of chunks that come before the palette
    """
    assert depth >= bits_for(len(palette))
    alpha = palette[:, 3].tobytes().rstrip(b"\xff") if palette.shape[1] == 4 else b""
    parts = [
        png.SIGNATURE,
        png.chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, png.INDEXED, 0, 0, 0)),
        png.chunk(b"acTL", struct.pack(">II", len(frames), plays)),
        *(png.chunk(name, content) for name, content in extras),
        png.chunk(b"PLTE", np.ascontiguousarray(palette[:, :3]).tobytes()),
        *([png.chunk(b"tRNS", alpha)] if alpha else []),
    ]
    number = 0
    for frame in frames:
        place = (frame.width, frame.height, frame.x, frame.y)
        how = (DISPOSALS.index(frame.dispose), frame.over)
        parts.append(png.chunk(b"fcTL", CONTROL.pack(number, *place, *frame.delay, *how)))
        number += 1
        if number == 1:
            parts.append(png.chunk(b"IDAT", frame.data))
        else:
            parts.append(png.chunk(b"fdAT", struct.pack(">I", number) + frame.data))
            number += 1
    return b"".join([*parts, png.chunk(b"IEND", b"")])
