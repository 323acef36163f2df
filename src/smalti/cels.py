"""Cels: of each frame of an animation, only what changes is painted.

    Cel, Cel, ... -> [canvases] -> targets (H, W) -> [painted] -> patches, each with its disposal

A canvas is one number per pixel here (red, green, blue, alpha; 0 is clear), so that comparing two
is one pass. Before each frame the ground can be what was seen last, or that with the last patch
cleared, or what was there before it. The ground from which fewest pixels differ is taken, and
those are what the frame paints. Formats differ in what a patch can do: theirs to say, as `Coder`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .animation import BACKGROUND, KEEP, PREVIOUS, widened

__all__ = ["Box", "Cel", "Coder", "Painted", "Task", "canvases", "packed", "painted", "unpacked"]

Numbers = NDArray[np.uint32]
Mask = NDArray[np.bool_]

WORTH = 0.9
"""How much less there must be to paint for another ground than what was seen last."""


class Box(NamedTuple):
    """A rectangle of pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def part(self) -> tuple[slice, slice]:
        """What an array has there."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def joined(self, other: "Box") -> "Box":
        """The smallest one around both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return Box(x, y, right - x, bottom - y)


@dataclass(frozen=True)
class Cel:
    """What a frame changes: the entries of the pixels of a box that are to be other than before."""

    box: Box
    indices: NDArray[np.uint8]  # (h, w), rows of the palette
    changed: Mask  # (h, w); the others stay as they were
    palette: NDArray[np.uint8]  # (k, 3|4): shared by all cels, or its own


class Task(NamedTuple):
    """A patch to be coded: all of one shape, (h, w)."""

    box: Box
    target: Numbers
    ground: Numbers
    differs: Mask
    palette: Numbers  # (k,)


Coded = TypeVar("Coded")
Made = TypeVar("Made", covariant=True)


class Coder(Protocol[Made]):
    """How a format codes patches."""

    grid: int
    """Boxes begin at multiples of this."""
    erases: bool
    """Whether a patch can make pixels clear that were not."""
    whole: bool
    """Whether the first patch must be as large as the canvas."""
    grounds: tuple[str, ...]
    """Disposals that may be chosen."""

    def code(self, task: Task) -> Made:
        """Return the patch, as small as may be."""


@dataclass
class Painted(Generic[Coded]):
    """A frame as it is to be written."""

    box: Box
    coded: Coded
    dispose: str = KEEP


def packed(colors: NDArray[np.uint8]) -> Numbers:
    """Return one number per color, (..., 3|4) uint8: 0 whatever is below an alpha of 0."""
    flat = widened(colors.reshape(1, -1, colors.shape[-1]), 4)
    numbers = flat.view("<u4").reshape(colors.shape[:-1]).astype(np.uint32)
    numbers[numbers >> 24 == 0] = 0
    return numbers


def unpacked(numbers: Numbers) -> NDArray[np.uint8]:
    """Return (..., 4) uint8 colors: the way back from `packed`."""
    flat = np.ascontiguousarray(numbers.astype("<u4"))
    return flat.view(np.uint8).reshape(*numbers.shape, 4)


def canvases(cels: Iterable[Cel], width: int, height: int) -> Iterator[tuple[Numbers, Cel]]:
    """Yield what is to be seen, each time a new array, and the cel that made it so."""
    canvas = np.zeros((height, width), np.uint32)
    for cel in cels:
        canvas = canvas.copy()
        place = canvas[cel.box.part]
        place[cel.changed] = packed(cel.palette)[cel.indices[cel.changed]]
        yield canvas, cel


def box_of(mask: Mask, grid: int = 1) -> Box:
    """Return the box around what is true; of nothing, one pixel: there is no empty frame.

    >>> box_of(np.array([[0, 0, 0, 0], [0, 0, 0, 1]], bool), 2)
    Box(x=2, y=0, width=2, height=2)
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Box(0, 0, 1, 1)
    x, y = int(columns[0]) // grid * grid, int(rows[0]) // grid * grid
    return Box(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)


def painted(
    cels: Iterable[Cel], width: int, height: int, coder: Coder[Coded]
) -> Iterator[Painted[Coded]]:
    """Yield the frames of a file that renders as the cels do, pixel by pixel."""
    scene = _Scene(width, height, coder)
    for target, cel in canvases(cels, width, height):
        yield from scene.show(target, packed(cel.palette))
    yield from scene.end()


class _Scene(Generic[Coded]):
    """What is on stage: a frame leaves it when its successor says how to dispose of it."""

    def __init__(self, width: int, height: int, coder: Coder[Coded]) -> None:
        self._coder, self._whole = coder, Box(0, 0, width, height)
        self._seen: Numbers = np.zeros((height, width), np.uint32)
        self._before = self._seen  # the ground that the last frame was painted on
        self._last: tuple[Painted[Coded], Numbers] | None = None  # with its palette

    def show(self, target: Numbers, palette: Numbers) -> Iterator[Painted[Coded]]:
        """Paint the next picture; yield the one before it, if there is one."""
        if self._last is None:
            box = self._whole if self._coder.whole else box_of(target != 0, self._coder.grid)
            frame = self._paint(box, target, self._seen, palette)
        else:
            how, ground, differs = self._ground(target)
            self._last[0].dispose = how
            yield self._last[0]
            self._before = ground
            frame = self._paint(box_of(differs, self._coder.grid), target, ground, palette)
        self._last, self._seen = (frame, palette), target

    def end(self) -> Iterator[Painted[Coded]]:
        """Yield the last frame."""
        if self._last:
            yield self._last[0]

    def _paint(
        self, box: Box, target: Numbers, ground: Numbers, palette: Numbers
    ) -> Painted[Coded]:
        there, under = target[box.part], ground[box.part]
        return Painted(box, self._coder.code(Task(box, there, under, there != under, palette)))

    def _ground(self, target: Numbers) -> tuple[str, Numbers, Mask]:
        """Choose what becomes of the last frame: how, what is there then, and what differs."""
        differs = self._seen != target
        best = (KEEP, self._seen, differs)
        kept = not self._lacks(target, self._seen, differs)
        least = WORTH * float(np.count_nonzero(differs)) if kept else float("inf")
        if least == 0 and kept:
            return best
        for how in self._coder.grounds:
            ground = self._disposed(how)
            if ground is None:
                continue
            differs = ground != target
            if self._lacks(target, ground, differs):
                continue
            if (count := int(np.count_nonzero(differs))) < least:
                best, least, kept = (how, ground, differs), count, True
        return best if kept else self._cleared(target)

    def _lacks(self, target: Numbers, ground: Numbers, differs: Mask) -> bool:
        """Whether the format cannot make that of this ground."""
        return not self._coder.erases and bool(((target == 0) & differs).any())

    def _disposed(self, how: str) -> Numbers | None:
        assert self._last is not None
        if how == PREVIOUS:
            # Of the very first frame, viewers disagree on what was there.
            return None if not self._before.any() else self._before
        ground = self._seen.copy()
        ground[self._last[0].box.part] = 0
        return ground

    def _cleared(self, target: Numbers) -> tuple[str, Numbers, Mask]:
        """Widen the last frame over all that must become clear, and have its place cleared."""
        assert self._last is not None
        last, palette = self._last
        erased = (target == 0) & (self._seen != 0)
        box = last.box.joined(box_of(erased, self._coder.grid))
        if box != last.box:
            frame = self._paint(box, self._seen, self._before, palette)
            self._last = (frame, palette)
        ground = self._seen.copy()
        ground[box.part] = 0
        return BACKGROUND, ground, ground != target
