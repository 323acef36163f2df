"""Opening animations: a file in, whole pictures out, one after the other.

    path | bytes | file -> [opened] -> Animation -> canvases (H, W, 3|4) uint8, once more each time

Pictures are decoded while they are looked at, so that no more than one of them is held: as `decode`
would, upright and in sRGB. Number and size of all frames are checked before the first is decoded.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import apng, gif, headers, labels, marks, pixels, webp
from . import metadata as side
from .animation import MAX_FRAMES, Animation, composed
from .decode import (
    Found,
    Limits,
    check_size,
    damage_as_bad_image,
    decode,
    density,
    finished,
    found_in_png,
)
from .errors import LimitExceeded, SmaltiError
from .floods import check_parts
from .sources import read_source, way_above

__all__ = ["frames", "kept_format", "opened", "own_format"]

Canvas = NDArray[np.uint8]
HEAD = 64
"""Bytes that tell whether a file may be an animation at all."""


def frames(source: Any, *, limits: Limits | None = None, icc: str = "srgb") -> Animation:
    """Open an animation, to look at its frames one by one: GIF, APNG or WebP.

    Parameters
    ----------
    source : path, bytes of a file, or file opened in binary mode
        A still picture is an animation of one frame.
    limits, icc : as for `decode`; frames have four times the limit of one picture, together

    Returns
    -------
    Animation
        Iterate over it for the pictures that are seen, (H, W, 3) or (H, W, 4) uint8 sRGB, never
        only what changed; `delays` are in seconds, and `plays` is 0 for ever.

    Raises
    ------
    MissingFile : there is no file of that name.
    BadImage : unreadable, truncated, or not an image. Of a damaged frame: when its turn comes.
    LimitExceeded : more pixels, bytes or frames than `limits` allow.

    >>> dot = bytes.fromhex("2c00000000010001000002024401 00")
    >>> blink = b"GIF89a" + bytes.fromhex("01000100800000ff0000ffffff") + dot + dot + b";"
    >>> movie = frames(blink)
    >>> len(movie), [image.tolist() for image in movie]
    (2, [[[[255, 0, 0]]], [[[255, 0, 0]]]])
    """
    source, movie = opened(source, limits=limits, icc=icc)
    if movie is not None:
        return movie
    still = decode(source, limits=limits, icc=icc)
    return Animation(
        still.format, still.image.shape[1], still.image.shape[0], (Fraction(0),), 1,
        lambda: iter([still.image]),
        still.size_bytes, still.icc, still.dpi, still.notes, still.metadata_bytes,
    )  # fmt: skip


def kept_format(path: str) -> str | None:
    """Return "gif" or "webp" if a file is such an animation, which keeps its format; else None.

    Whatever is wrong with the file is not said here: whoever opens it does.
    """
    head = _head(path)
    try:
        return own_format(Path(path).read_bytes() if head.startswith(b"GIF8") else head)
    except OSError:
        return None


def own_format(data: bytes) -> str | None:
    """Return what `kept_format` does, of the bytes of a file; of a WebP, the first do."""
    if data[:4] == b"RIFF" and webp.is_animated(data):
        return "webp"
    try:
        return "gif" if data.startswith(b"GIF8") and gif.count(data, 2) > 1 else None
    except LimitExceeded:
        return None


def _may_move(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like one of the formats of animations: others are not read twice."""
    return _head(path).startswith((b"GIF8", b"\x89PNG", b"RIFF"))


def _head(path: str | os.PathLike[str]) -> bytes:
    """Return the first bytes of a regular file, or nothing."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""  # a pipe would wait for ever
        with open(path, "rb") as file:
            return file.read(HEAD)
    except (OSError, ValueError):
        return b""


class _Named(io.BytesIO):
    """What was read from a file that can be read only once."""

    name: Any = None


def opened(
    source: Any, *, limits: Limits | None = None, icc: str = "srgb", metadata: bool = False
) -> tuple[Any, Animation | None]:
    """Return the source, to be read by `decode`, and the animation if it is one.

    Parameters and errors as for `frames`; `metadata` as for `decode`.
    """
    limits = limits or Limits()
    named = isinstance(source, str | os.PathLike)
    held = isinstance(source, bytes | bytearray | memoryview)
    if not (named or held or hasattr(source, "read")) or (named and not _may_move(source)):
        return source, None
    data, name = read_source(source, int(limits.input_mib * 2**20))
    if not named and not held:
        copy = _Named(data)
        copy.name = getattr(source, "name", None)
        source = copy
    try:
        movie = _animation(data, limits, icc, side.read(data) if metadata else side.NONE)
        mark, recipe = marks.find(data), labels.RECIPE.find(data)
        return source, movie and replace(movie, mark=mark, recipe=recipe)
    except SmaltiError as error:
        raise type(error)(f"{name}: {error}") from error.__cause__


def _animation(data: bytes, limits: Limits, icc: str, metadata: side.Metadata) -> Animation | None:
    for start in (_gif, _apng, _webp):
        found = start(data, limits)
        if found is not None:
            return _finished(*found, icc, len(data), metadata)
    return None


Parts = tuple[Animation, Callable[[Canvas], Found]]


def _gif(data: bytes, limits: Limits) -> Parts | None:
    if not data.startswith(b"GIF8") or gif.count(data, 2) < 2:
        return None
    file = gif.read_gif(data)
    _check(file.width, file.height, len(file.frames), limits)
    _check_frames([frame.width * frame.height for frame in file.frames], limits)

    def canvases() -> Iterator[Canvas]:
        return composed(file.width, file.height, gif.patches(file))

    movie = Animation("GIF", file.width, file.height, file.delays, file.plays, canvases)
    movie = replace(movie, metadata_bytes=file.metadata_bytes)
    return movie, lambda canvas: Found("GIF", canvas, "RGBA", None, b"", b"", None, [])


def _apng(data: bytes, limits: Limits) -> Parts | None:
    if not data.startswith(b"\x89PNG") or b"acTL" not in data:
        return None
    found = apng.read_apng(data)
    if found is None:
        return None
    file, notes = found.file, []
    _check(file.width, file.height, len(found.frames), limits)
    if found.own_still:
        notes.append("the still picture in place of the animation left out; its first frame is one")
    if int.from_bytes(file.extras[b"acTL"][:4], "big") != len(found.frames):
        notes.append(f"the file counts its frames wrong; it has {len(found.frames):,}")
    file.notes += notes

    def canvases() -> Iterator[Canvas]:
        return composed(file.width, file.height, apng.patches(found))

    movie = Animation("PNG", file.width, file.height, found.delays, found.plays, canvases)
    movie = replace(movie, metadata_bytes=file.metadata_bytes)
    return movie, lambda canvas: found_in_png(file, canvas, "RGBA")


def _webp(data: bytes, limits: Limits) -> Parts | None:
    if not (data[:4] == b"RIFF" and data[8:12] == b"WEBP" and webp.is_animated(data)):
        return None
    check_parts(data, "WEBP")
    file = webp.read_webp(data)
    _check(file.width, file.height, len(file.delays), limits)
    side: dict[str, Any] = {}

    def canvases() -> Iterator[Canvas]:
        with damage_as_bad_image("WEBP"):
            image = pixels.open_pillow(data, "WEBP")
            side.update((str(name), value) for name, value in image.info.items())
        for number in range(len(file.delays)):
            with damage_as_bad_image("WEBP"):
                image.seek(number)
                canvas = np.array(image.convert("RGBA"))
            yield canvas

    def found(canvas: Canvas) -> Found:
        kept = [side.get(name) or b"" for name in ("icc_profile", "exif", "xmp")]
        return Found("WEBP", canvas, "RGBA", kept[0] or None, kept[1], kept[2], None, [])

    movie = Animation("WEBP", file.width, file.height, tuple(file.delays), file.plays, canvases)
    return replace(movie, metadata_bytes=headers.metadata_bytes(data, "WEBP")), found


def _check(width: int, height: int, frames: int, limits: Limits) -> None:
    """Raise LimitExceeded for too many frames or pixels."""
    if frames > MAX_FRAMES:
        raise LimitExceeded(f"it has more than {MAX_FRAMES:,} frames, which no animation needs")
    check_size(width, height, limits)
    total = width * height * frames
    if total > limits.all_megapixels * 1e6:
        raise LimitExceeded(
            f"it has {frames:,} frames of {width} × {height} pixels = {total / 1e6:,.0f} "
            f"megapixels, above the limit of {limits.all_megapixels:g} over all frames, four times "
            f"that of one picture; {way_above('megapixels')}"
        )


def _check_frames(sizes: list[int], limits: Limits) -> None:
    """Raise LimitExceeded for frames that are larger than the animation, which GIF allows."""
    for megapixels, most, what in (
        (max(sizes) / 1e6, limits.megapixels, "a frame"),
        (sum(sizes) / 1e6, limits.all_megapixels, "frames"),
    ):
        if megapixels > most:
            raise LimitExceeded(
                f"it has {what} of {megapixels:,.1f} megapixels, above the limit of {most:g}; "
                f"{way_above('megapixels')}"
            )


def _finished(
    movie: Animation,
    found: Callable[[Canvas], Found],
    icc: str,
    size: int,
    metadata: side.Metadata,
) -> Animation:
    """Bring color and orientation in order, which the first picture shows."""
    raw = movie.canvases

    def canvases() -> Iterator[Canvas]:
        for canvas in raw():
            yield finished(found(canvas), icc)[0]

    whole = next(raw())  # notes are the same for all
    first = found(whole)
    image, profile = finished(first, icc)
    return replace(
        movie,
        width=image.shape[1],
        height=image.shape[0],
        canvases=canvases,
        size_bytes=size,
        icc=profile,
        dpi=density(first),
        notes=tuple(first.notes),
        metadata=first.adapted(metadata),
    )
