"""Animations: whole pictures one after another, and how long each is seen.

    file -> gif | apng | webp -> patches -> [composed] -> canvases -> ... -> [ticks] -> file

What the three formats have in common. Their frames are patches, painted on what was there before,
which is kept, cleared or put back afterwards; nobody above this module sees them, but canvases:
the pictures that people see. Delays are fractions of a second, as exact as the files have them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage

__all__ = ["BACKGROUND", "KEEP", "MAX_FRAMES", "PREVIOUS", "Animation", "Patch", "composed",
           "seconds", "ticks", "widened"]  # fmt: skip

Canvas = NDArray[np.uint8]

MAX_FRAMES = 5_000
"""More make no animation, but an attack: a frame takes 20 bytes, and much more time."""

KEEP, BACKGROUND, PREVIOUS = "keep", "background", "previous"
"""What becomes of a patch: it stays, its place is cleared, or what was there comes back."""


@dataclass(frozen=True)
class Patch:
    """One frame as a file has it, in pixels: `over` blends where it is not opaque."""

    x: int
    y: int
    pixels: Canvas  # (h, w, 4)
    dispose: str = KEEP
    over: bool = True


@dataclass(frozen=True)
class Animation:
    """An animation that was opened; iterating decodes it, each time anew.

    Attributes
    ----------
    format : "GIF", "PNG" or "WEBP"; of a still picture, what it is
    width, height : pixels of all frames
    delays : seconds that each frame is seen, exact
    plays : how often it is shown; 0 is for ever
    size_bytes : of the file
    icc, dpi, notes, metadata_bytes, mark, metadata, recipe : as of `Decoded`

    Iterating yields (H, W, 3) uint8 sRGB images, or (H, W, 4) for frames with some pixel that is
    not opaque, as `decode` would.
    """

    format: str
    width: int
    height: int
    delays: tuple[Fraction, ...]
    plays: int
    canvases: Callable[[], Iterator[Canvas]]
    size_bytes: int | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    metadata_bytes: int = 0
    mark: bytes = b""
    metadata: Any = None
    recipe: bytes = b""

    def __iter__(self) -> Iterator[Canvas]:
        return self.canvases()

    def __len__(self) -> int:
        return len(self.delays)

    @property
    def duration(self) -> Fraction:
        """Seconds that it takes once."""
        return sum(self.delays, Fraction(0))


def composed(width: int, height: int, patches: Iterable[Patch]) -> Iterator[Canvas]:
    """Yield what is seen: (H, W, 4) uint8 with straight alpha, a new array each.

    Before the first patch all is transparent, as browsers have it: a background color that a file
    names is not shown. What of a patch is outside of the canvas is cut off.
    """
    canvas = np.zeros((height, width, 4), np.uint8)
    for patch in patches:
        pixels = patch.pixels[: max(0, height - patch.y), : max(0, width - patch.x)]
        place = (slice(patch.y, patch.y + len(pixels)), slice(patch.x, patch.x + pixels.shape[1]))
        before = canvas[place].copy() if patch.dispose == PREVIOUS else None
        canvas[place] = blended(canvas[place], pixels) if patch.over else pixels
        yield canvas.copy()
        if before is not None:
            canvas[place] = before
        elif patch.dispose == BACKGROUND:
            canvas[place] = 0


def blended(below: Canvas, above: Canvas) -> Canvas:
    """Return pixels over others, (..., 4) with straight alpha, rounded to the nearest.

    >>> blended(np.uint8([0, 0, 200, 255]), np.uint8([255, 0, 0, 51])).tolist()
    [51, 0, 160, 255]
    """
    alpha = above[..., 3:]
    result = np.where(alpha == 255, above, below)
    part = (alpha[..., 0] > 0) & (alpha[..., 0] < 255)
    if not part.any():
        return result
    top, ground = above[part].astype(np.int64), below[part].astype(np.int64)
    share, rest = top[:, 3:] * 255, ground[:, 3:] * (255 - top[:, 3:])
    whole = share + rest  # 255 times the alpha that results
    result[part, :3] = (top[:, :3] * share + ground[:, :3] * rest + whole // 2) // whole
    result[part, 3] = (whole[:, 0] + 127) // 255
    return result


def widened(image: Canvas, channels: int) -> Canvas:
    """Return an image with alpha if there are to be four channels, contiguous."""
    if image.shape[2] < channels:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(image)


def check_patch(x: int, y: int, width: int, height: int, whole: tuple[int, int], n: int) -> None:
    """Raise BadImage unless frame `n`, counted from 0, lies within the canvas."""
    if width < 1 or height < 1 or x + width > whole[0] or y + height > whole[1]:
        raise BadImage(
            f"it is damaged: frame {n + 1} has {width} × {height} pixels at ({x}, {y}), which is "
            f"not inside its {whole[0]} × {whole[1]}"
        )


# ---------------------------------------------------------------- time


def ticks(delays: Sequence[Fraction], per_second: int, most: int) -> tuple[list[int], bool, bool]:
    """Return delays in whole ticks, so that every frame begins as near to its time as can be.

    Rounding each on its own would let a hundred frames of 1/60 s drift; so ends are rounded, and
    the total is right to half a tick.

    Parameters
    ----------
    delays : seconds
    per_second : ticks
    most : ticks of the longest delay that can be written

    Returns
    -------
    ticks; whether all are exact; whether some had to be cut to the longest

    >>> ticks([Fraction(1, 60)] * 6, 100, 65535)
    ([2, 1, 2, 2, 1, 2], False, False)
    """
    found, end, told = [], Fraction(0), 0
    for delay in delays:
        end += delay
        begun, told = told, _nearest(end * per_second)
        found.append(told - begun)
    exact = all(delay * per_second == tick for delay, tick in zip(delays, found, strict=True))
    return [min(tick, most) for tick in found], exact, max(found, default=0) > most


def _nearest(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def seconds(value: Fraction) -> str:
    """Return a time for people.

    >>> seconds(Fraction(12, 10)), seconds(Fraction(1, 3)), seconds(Fraction(75))
    ('1.2 s', '0.333 s', '75 s')
    """
    return f"{float(value):,.3f}".rstrip("0").rstrip(".") + " s"
