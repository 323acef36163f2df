"""Folders: the files below one, in name order, the same everywhere.

    folder -> [walk] -> paths of files, refusals

Hidden entries are left out, and links to folders are not followed, or a walk
could go in circles. What cannot be read is a refusal in its place: it fails
when its turn comes, and stops nothing else.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import BadImage, SmaltiError
from .headers import SUFFIXES
from .sources import real_path, shown

__all__ = ["Refusal", "is_called_like_a_picture", "no_pictures", "walk"]


@dataclass(frozen=True)
class Refusal:
    """A source that cannot be read, and why."""

    source: str
    error: SmaltiError


def walk(folder: Path, skip: str | None = None) -> Iterator[Path | Refusal]:
    """Yield the files below `folder`, those of a folder before those of its folders.

    Parameters
    ----------
    folder : Path
    skip : str or None
        A folder that is left out, as `os.path.realpath` calls it: where outputs go.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"{shown(folder)}: this folder cannot be read: {error.strerror}"
        yield Refusal(str(folder), BadImage(reason))
        return
    seen = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in seen:
        if not entry.is_dir():
            yield folder / entry.name
    for entry in seen:
        if entry.is_dir(follow_symlinks=False) and real_path(entry.path) != skip:
            yield from walk(folder / entry.name, skip)


def is_called_like_a_picture(name: str) -> bool:
    """Whether a walk takes a file of this name: its suffix is one of `SUFFIXES`.

    >>> is_called_like_a_picture("a/photo.JPG"), is_called_like_a_picture("a/notes.txt")
    (True, False)
    """
    return os.path.splitext(name)[1].lower() in SUFFIXES


def no_pictures(folder: str, others: int) -> Refusal:
    """Return the refusal of a folder without pictures, but with so many other files.

    >>> print(no_pictures("notes", 1).error)
    notes: no images in this folder, only 1 other file
    """
    rest = f", only {others:,} other file{'s' if others > 1 else ''}" if others else ""
    return Refusal(folder, BadImage(f"{shown(folder)}: no images in this folder{rest}"))
