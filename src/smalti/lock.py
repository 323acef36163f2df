"""Palette locks: palettes that only grow, so that indices in files of long ago stay right.

    lock file -> [Lock] -> extended by pictures, in the order of their names -> lock file

Colors keep their rows for good. New art brings new colors, exactly, as long as there is room; then
it is refused by name, or the room that is left goes to the colors that k-means finds beside the
ones there are. A lock is text, and is only appended to: a diff shows which picture brought what.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import files, lock_text
from .bins import Tally
from .errors import BadImage, BadOption, CannotWrite, LimitExceeded, OutsidePalette
from .fit import fit_palette
from .histogram import Histogram, pack, widen
from .keep import Kept
from .lock_text import LIMIT, Row
from .options import MAX_K
from .palette import Palette
from .settings import Settings
from .sources import read_source, real_path, shown

__all__ = ["FULL", "Brought", "Lock"]

FULL = ("fail", "nearest")
"""What becomes of colors for which a lock has no room: refused, or mapped to the nearest."""

MAX_BYTES = 64 * 2**20  # 65,536 rows, each with a long name behind it
NAMED = 5  # pictures in a message; of more, the number is told


@dataclass(frozen=True)
class Brought:
    """What a picture brought to a lock."""

    name: str
    colors: int  # new ones
    exact: bool = True  # whether they are in the lock; else their nearest are


@dataclass(frozen=True)
class Lock:
    """A palette whose rows never change.

    Attributes
    ----------
    rows : each a color and where it came from
    limit : the most rows there may be
    name : of its file, for messages
    text : of the file as it would be written
    found : the bytes of the file as it was read, None if there was none

    >>> lock = Lock.new(limit=3)
    >>> red = Histogram(np.uint8([[255, 0, 0]]), [9])
    >>> lock, brought = lock.extended([("red.png", red)])
    >>> print(lock.text.decode().splitlines()[-1])
    0 #ff0000  # red.png
    """

    rows: tuple[Row, ...]
    limit: int
    name: str = "the lock"
    text: bytes = b""
    found: bytes | None = field(default=None, repr=False)
    before: int = 0  # rows there were when it was read

    def __repr__(self) -> str:
        return f"Lock({self.name}: {len(self.rows):,} of {self.limit:,} rows)"

    @property
    def added(self) -> int:
        """How many rows there are more than there were."""
        return len(self.rows) - self.before

    @classmethod
    def new(cls, limit: int = LIMIT, name: str = "the lock") -> "Lock":
        """Return a lock without colors, for up to `limit` of them."""
        _check_limit(limit)
        return cls((), limit, name, lock_text.dump((), limit))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, limit: int | None = None) -> "Lock":
        """Read a lock; where there is no file, a new one is begun.

        Parameters
        ----------
        path : of the file, whatever it is called
        limit : the most colors from now on; None leaves the file's, or 256

        Raises
        ------
        BadImage : it is no lock; says in which line.
        BadOption : `limit` is below the colors there are.
        """
        name = shown(path)
        if not os.path.exists(path):
            return cls.new(LIMIT if limit is None else limit, name)
        try:
            data, _ = read_source(path, MAX_BYTES)
        except LimitExceeded as error:
            raise BadImage(f"{name}: over {MAX_BYTES // 2**20} MiB, which no lock is") from error
        try:
            text = lock_text.parse(data)
        except BadImage as error:
            raise BadImage(f"{name}: {error}") from error
        lock = cls(text.rows, text.limit, name, data, data, len(text.rows))
        return lock if limit in (None, lock.limit) else lock._limited(limit)

    def _limited(self, limit: int) -> "Lock":
        _check_limit(limit)
        if limit < len(self.rows):
            raise BadOption(
                f"{self.name}: it has {len(self.rows):,} colors, and none goes away; the limit "
                f"cannot be {limit:,}"
            )
        return replace(self, limit=limit, text=lock_text.with_limit(self.text, limit))

    @cached_property
    def colors(self) -> NDArray[np.uint8]:
        """(k, 4) uint8 sRGB, row by row; (0, 0, 0, 0) where alpha is 0."""
        rows = [[*row.color, 255][:4] for row in self.rows]
        colors = np.array(rows, np.uint8).reshape(-1, 4)
        colors[colors[:, 3] == 0] = 0
        return colors

    @property
    def palette(self) -> Palette:
        """The colors, to map pictures to.

        Raises
        ------
        BadOption : there are none yet.
        """
        if not self.rows:
            raise BadOption(f"{self.name} has no colors yet; extend it by some pictures first")
        colors = self.colors
        return Palette(colors if (colors[:, 3] < 255).any() else colors[:, :3])

    def new_colors(self, histogram: Histogram) -> Histogram | None:
        """Return what a histogram has of colors that are not in the lock; None if it has none.

        Raises
        ------
        BadOption : it has fewer than 8 bits: boxes of colors, none of them exact.
        """
        if histogram.bits < 8:
            raise BadOption(f"a lock takes exact colors, got a histogram of {histogram.bits} bits")
        colors = widen(histogram.stored_colors, 4)
        new = ~np.isin(pack(colors), pack(self.colors))
        if not new.any():
            return None
        return Histogram(colors[new], histogram.stored_counts[new])

    def extended(
        self,
        art: Iterable[tuple[str, Histogram]],
        *,
        full: str = "fail",
        frozen: bool = False,
        **options: Any,
    ) -> tuple["Lock", list[Brought]]:
        """Return the lock with the colors of pictures, and what each of them brought.

        Parameters
        ----------
        art : names and histograms of 8 bits, in the order in which colors are given rows
            They are looked at one by one. A histogram of new colors only does as well.
        full : "fail" or "nearest": what becomes of pictures with more new colors than there is
            room for
        frozen : whether the lock counts as full already
        **options
            `space`, `effort` and `seed` of k-means, which finds the colors for what room is left

        Returns
        -------
        lock : with the same colors in the same rows, and others after them
        brought : of each picture with new colors

        Raises
        ------
        OutsidePalette : `full` is "fail", and there is not room for all; names the pictures.
        BadOption : another `full`.
        """
        if full not in FULL:
            raise BadOption(f"full must be {' or '.join(FULL)}, got {full!r}")
        limit = len(self.rows) if frozen else self.limit
        lock = self
        placed: list[Brought] = []
        left: list[Brought] = []
        small: list[tuple[str, Histogram]] = []
        large = Tally()
        for name, histogram in art:
            new = self.new_colors(histogram)
            if new is None:
                continue
            if full == "nearest":
                if len(new) <= limit - len(self.rows):
                    small.append((name, new))
                else:
                    large.add(new.bins)
            lock, count, fits = lock._joined(name, new, limit)
            if count:
                (placed if fits else left).append(Brought(name, count, fits))
        if not left:
            return lock, placed
        if full == "fail":
            raise OutsidePalette(self._no_room(left, limit - len(lock.rows), frozen))
        return self._shared(small, large, limit, left, options)

    def _joined(self, name: str, new: Histogram, limit: int) -> tuple["Lock", int, bool]:
        """Return the lock with a picture's colors if they fit, how many there are, and whether."""
        rest = self.new_colors(new)
        if rest is None:
            return self, 0, True
        if len(self.rows) + len(rest) > limit:
            return self, len(rest), False
        return self._with(_by_share(rest), name), len(rest), True

    def _shared(
        self,
        small: list[tuple[str, Histogram]],
        crowd: Tally,
        limit: int,
        left: list[Brought],
        options: dict[str, Any],
    ) -> tuple["Lock", list[Brought]]:
        """Return the lock where there is not room for all: exact colors go to pictures of few.

        `crowd` has the colors of pictures that are too large by themselves.
        """
        lock, brought = self, []
        for name, new in sorted(small, key=lambda each: (len(each[1]), each[0])):
            lock, count, fits = lock._joined(name, new, limit)
            if not fits:
                crowd.add(new.bins)
            if count:
                brought.append(Brought(name, count, fits))
        known = {picture.name for picture in brought} | {name for name, _ in small}
        brought += [picture for picture in left if picture.name not in known]
        rest = [picture for picture in brought if not picture.exact]
        room = limit - len(lock.rows)
        if rest and room:
            found = lock._best(Histogram.of_bins(crowd.bins()), room, options)
            lock = lock._with(found, f"k-means of {_crowd(rest)}")
        return lock, sorted(brought, key=lambda picture: picture.name)

    def _with(self, colors: NDArray[np.uint8], note: str) -> "Lock":
        rows = [Row(tuple(color[: 3 + (color[3] < 255)]), note) for color in colors.tolist()]
        text = lock_text.with_rows(self.text, len(self.rows), rows)
        return replace(self, rows=(*self.rows, *rows), text=text)

    def _best(self, crowd: Histogram, room: int, options: dict[str, Any]) -> NDArray[np.uint8]:
        """Return up to `room` colors that serve a crowd best beside those of the lock."""
        kept = Kept.of([tuple(color) for color in np.unique(self.colors, axis=0).tolist()])
        k = room + (0 if kept is None else len(kept.colors))
        settings = Settings.of(min(k, MAX_K), keep=kept, **options)
        found = widen(fit_palette(crowd, settings)[0].colors, 4)
        return found[~np.isin(pack(found), pack(self.colors))][:room]

    def _no_room(self, left: list[Brought], room: int, frozen: bool) -> str:
        if frozen:
            return f"{self.name} is frozen, and {_bringing(left)}"
        are = "is" if room == 1 else "are"
        return (
            f"{self.name}: {room:,} of {self.limit:,} rows {are} left, and {_bringing(left)}; "
            'raise --limit (limit), or take --full nearest (full="nearest")'
        )

    def save(self, path: str | os.PathLike[str]) -> bool:
        """Write the lock, if it has changed since it was read; return whether.

        Raises
        ------
        CannotWrite : the file is no longer what was read: somebody else has extended it. Nothing
            was written; once more, from the file as it is now, keeps both.
        """
        if self.text == self.found:
            return False
        with _alone(path):
            if _bytes_of(path) != self.found:
                raise CannotWrite(
                    f"{self.name} has changed since it was read; run this once more, and both "
                    "changes are in it"
                )
            files.write_atomic(path, self.text, overwrite=self.found is not None)
        return True


def _check_limit(limit: int) -> None:
    if not isinstance(limit, int) or not 1 <= limit <= MAX_K:
        raise BadOption(f"limit must be an integer from 1 to {MAX_K:,}, got {limit!r}")


def _by_share(new: Histogram) -> NDArray[np.uint8]:
    """Return colors by share, the invisible one first: in most games, that is row 0."""
    colors = new.stored_colors
    seen = colors[:, 3] > 0
    return colors[np.lexsort((pack(colors), -new.stored_counts, seen))]


def _bringing(pictures: list[Brought]) -> str:
    first, *others = pictures[:NAMED]
    words = [f"{first.name} brings {_counted(first.colors, 'new color')}"]
    words += [f"{picture.name} {picture.colors:,}" for picture in others]
    if len(pictures) > NAMED:
        words.append(f"and {_counted(len(pictures) - NAMED, 'other')} more")
    return ", ".join(words)


def _crowd(pictures: list[Brought]) -> str:
    one = pictures[0].name if len(pictures) == 1 else ""
    return one or _counted(len(pictures), "picture")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bytes_of(path: str | os.PathLike[str]) -> bytes | None:
    return read_source(path, MAX_BYTES)[0] if os.path.exists(path) else None


@contextmanager
def _alone(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let no other process of ours come between comparing a file and replacing it.

    The folder is what is held: the file itself will be another one afterwards. Where folders
    cannot be held (Windows, some network drives) a moment is left in which two could meet.
    """
    folder = None
    with suppress(ImportError, OSError):
        import fcntl

        folder = os.open(os.path.dirname(real_path(path)), os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if folder is not None:
            os.close(folder)  # which lets go of it
