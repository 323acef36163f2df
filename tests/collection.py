"""A small collection of pictures, and how to compare what became of it."""

import hashlib
import os
from pathlib import Path

from process import file_of, picture

from smalti.batch.work import Item

__all__ = [
    "QUICK",
    "bad_bytes",
    "bad_file",
    "fill",
    "items_of",
    "outputs",
    "plain",
    "temporary",
    "times",
]

QUICK = {"k": 4, "effort": "turbo", "pack": "fast"}
"""Options that take milliseconds for a tiny picture."""


def fill(folder: Path, number: int, *, first: int = 0, size: int = 16) -> list[str]:
    """Write tiny pictures into subfolders; return their names below `folder`."""
    names = []
    for i in range(first, first + number):
        name = f"{'abc'[i % 3]}/{i:04}.bmp"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file_of(picture(i, size, size), "BMP"))
        names.append(name)
    return sorted(names)


def bad_bytes() -> bytes:
    """Return a picture's file that ends in its middle."""
    data = file_of(picture(1))
    return data[: len(data) // 2]


def bad_file(path: Path) -> Path:
    """Write such a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bad_bytes())
    return path


def items_of(folder: Path) -> list[Item]:
    """Return the files of a folder as a run takes them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        Item(str(path), str(path.relative_to(folder)), path.stat().st_size, "1") for path in paths
    ]


def outputs(folder: Path) -> dict[str, str]:
    """Return the digest of each output, by its name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
        if not path.name.startswith("smalti-")
    }


def times(folder: Path) -> dict[str, int]:
    """Return when each output was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in _files(folder)
        if not path.name.startswith("smalti-")
    }


def temporary(folder: Path) -> list[str]:
    """Return the temporary files below `folder`, hidden ones and all."""
    found = (name for _, _, names in os.walk(folder) for name in names)
    return [name for name in found if name.endswith(".tmp")]


def plain(records: list[dict]) -> list[dict]:
    """Return records without what differs from run to run."""
    return [
        {name: value for name, value in record.items() if name not in ("ms", "attempts", "target")}
        for record in records
    ]


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if ".smalti" not in path.relative_to(folder).parts)
