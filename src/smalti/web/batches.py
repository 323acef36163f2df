"""Batches: many files, each with settings of its own or all with one palette, and their archive.

    [(entry, settings)] -> [Batches.start] -> Batch -> events;  Batch -> [archive] -> zip, in pieces

Each file is a job like any other. One that cannot be made is said so, and stops no
other. As with the command's `--out-dir`, a result that is no smaller than its original
is not delivered: the original is, and counts as kept.
"""

import asyncio
import csv
import io
import json
import secrets
import time
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from ..errors import SmaltiError
from ..histogram import Histogram
from ..metadata import of_copy
from . import wishes
from .images import Entry, Shelf
from .jobs import ENDS, Busy, Event, Feed, Job, Jobs

__all__ = ["Batch", "Batches", "Item", "archive", "folder_of"]

MOST = 2  # batches that are remembered
MOST_BYTES = 2**30  # of the results of one
MOST_PATH = 500  # letters
SEARCH_OPTIONS = ("k", "space", "effort", "init", "n_init", "seed", "keep")
"""What the palette of many pictures depends on."""

COLUMNS = (
    "source", "file", "status", "bytes_in", "bytes_out", "saved_percent", "colors", "psnr", "ssim",
    "score", "message",
)  # fmt: skip


@dataclass(eq=False)
class Item:
    """One file of a batch, and how it went."""

    entry: Entry
    settings: dict[str, Any]
    folder: str = ""
    """Where it lies in what was dropped: names, safe for any file system, each with a slash."""
    job: Job | None = None

    @property
    def last(self) -> Event:
        """The latest event, or the one that says that there was none."""
        return self.job.events[-1] if self.job and self.job.events else {"state": "cancelled"}

    @property
    def kept(self) -> bool:
        """Whether the original is delivered, because the result is no smaller."""
        return bool(self.last.get("larger"))

    @property
    def data(self) -> bytes:
        """What is delivered; nothing if it failed."""
        if self.last["state"] != "done" or self.job is None:
            return b""
        return self.entry.data if self.kept else self.job.data

    @property
    def name(self) -> str:
        """What it would be called if no other file were."""
        return self.entry.name if self.kept or self.job is None else self.job.target

    def row(self, name: str) -> dict[str, Any]:
        """Return its line of the report."""
        last, data = self.last, self.data
        before = len(self.entry.data)
        status = "failed" if not data else "kept" if self.kept else "compressed"
        holds = of_copy(data) if data and self.kept else ""
        error = last.get("error", {}).get("message", "cancelled" if not data else "")
        return {
            "source": f"{self.folder}{self.entry.name}",
            "file": name,
            "status": status,
            "bytes_in": before,
            "bytes_out": len(data) or None,
            "saved_percent": round(100 * (1 - len(data) / before), 2) if data else None,
            **{key: last.get(key) if data and not self.kept else None
               for key in ("colors", "psnr", "ssim", "score")},
            "message": error or "; ".join([*([f"original kept{holds}"] if holds else []),
                                           *last.get("notes", [])]),
            "settings": self.settings,
        }  # fmt: skip


@dataclass(eq=False)
class Batch(Feed):
    """Many files in the making."""

    id: str = ""
    items: list[Item] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    """`source` and `message` of files that could not even be opened: the reports name them, too."""

    def cancelled(self) -> Event:
        """Return the last event of a batch that was cancelled: what there is can be had."""
        return _totals(self, "cancelled")

    def failed(self, kind: str, message: str) -> Event:
        """Return the last event of a batch that failed as a whole."""
        return {"batch": "failed", "error": {"kind": kind, "message": message}}


class Batches:
    """The batches of a session, the newest last."""

    def __init__(self, images: Shelf, jobs: Jobs) -> None:
        self._images, self._jobs = images, jobs
        self._batches: OrderedDict[str, Batch] = OrderedDict()

    def __getitem__(self, id: str) -> Batch:  # noqa: A002
        return self._batches[id]

    def start(self, items: list[Item], refused: list[dict[str, str]], *, shared: bool) -> Batch:
        """Begin with all items.

        Raises
        ------
        Busy : two batches are in the making already.
        """
        if sum(not batch.over for batch in self._batches.values()) >= MOST:
            raise Busy("two batches are in the making; wait for one of them, or cancel it")
        batch = Batch(id=secrets.token_urlsafe(12), items=items, refused=refused)
        batch.begin(self._made(batch, shared))
        self._batches[batch.id] = batch
        for old in [old for old in self._batches.values() if old.over]:
            if len(self._batches) > MOST:
                del self._batches[old.id]
        return batch

    async def _made(self, batch: Batch, shared: bool) -> None:
        """Make all files, a few at a time."""
        if shared:
            try:
                await self._share_palette(batch)
            except SmaltiError as error:
                batch.tell(batch.failed(type(error).__name__, str(error)))
                return
        waiting = iter(batch.items)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._jobs.patience.at_once):
                group.create_task(self._work(batch, waiting))
        batch.tell(_totals(batch, "done"))

    async def _work(self, batch: Batch, waiting: Iterator[Item]) -> None:
        """Make one file after another."""
        for item in waiting:
            await self._make(batch, item)

    async def _make(self, batch: Batch, item: Item) -> None:
        entry = item.entry
        job = item.job = Job(secrets.token_urlsafe(12), entry.id, entry.name, item.settings)
        job.on_event = lambda event: batch.tell({"item": entry.id, **event})
        if sum(len(other.job.data) for other in batch.items if other.job) > MOST_BYTES:
            message = "the results of this batch are over 1 GiB; make smaller batches"
            job.tell({"state": "failed", "error": {"kind": "LimitExceeded", "message": message}})
            return
        job.tell({"state": "queued", "stage": "", "done": 0.0})
        try:
            await self._jobs.make(job, entry.data)
        except asyncio.CancelledError:
            job.tell(job.cancelled())
            raise

    async def _share_palette(self, batch: Batch) -> None:
        """Find one palette for all pictures, and put it in the place of their own."""
        first = batch.items[0].settings
        palette = first.get("palette")
        if palette is None:
            batch.tell({"batch": "palette"})
            total = None
            for item in batch.items:
                picture = await self._images.picture(item.entry)
                total = await self._images.run(_added, total, picture.histogram)
            assert total is not None  # there is an item
            colors = total.stored_colors
            request = {
                "do": "palette",
                "n": len(total),
                "channels": total.channels,
                "settings": {name: first[name] for name in SEARCH_OPTIONS if name in first},
            }
            counts = np.ascontiguousarray(total.stored_counts, "<i8")
            palette = await self._jobs.palette(request, colors.tobytes() + counts.tobytes())
        for item in batch.items:
            rest = {k: v for k, v in item.settings.items() if k not in wishes.SEARCH}
            item.settings = {**rest, "palette": palette}

    async def close(self) -> None:
        """Cancel everything."""
        for batch in list(self._batches.values()):
            await batch.stopped()


def _added(total: Histogram | None, more: Histogram) -> Histogram:
    return more if total is None else total + more


def _totals(batch: Batch, word: str) -> Event:
    made = [item for item in batch.items if item.data]
    return {
        "batch": word,
        "files": len(made),
        "failed": len(batch.refused) + sum(item.last["state"] in ENDS for item in batch.items),
        "kept": sum(item.kept for item in made),
        "bytes_in": sum(len(item.entry.data) for item in made),
        "bytes_out": sum(len(item.data) for item in made),
    }


# ---------------------------------------------------------------- the archive


class _Pipe(io.RawIOBase):
    """What `zipfile` writes to: pieces are taken out as they come in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece


def archive(batch: Batch, images: Shelf) -> Iterator[bytes]:
    """Yield a zip of the results and of two reports, one file after another.

    They are stored as they are: what has been compressed gets no smaller. Folders are kept, and
    files that were removed since are left out.
    """
    pipe = _Pipe()
    used: set[str] = set()
    items = [item for item in batch.items if item.entry.id in images]
    names = [_unique(item.name, used, item.folder) if item.data else "" for item in items]
    rows = [item.row(name) for item, name in zip(items, names, strict=True)]
    rows += [{"status": "failed", "file": "", **refused} for refused in batch.refused]
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as file:
        for item, name in zip(items, names, strict=True):
            if name:
                _put(file, name, item.data)
                yield pipe.taken()
        left = replace(batch, items=items)
        report = {"totals": _totals(left, "done"), "files": rows}
        _put(file, _unique("report.json", used), json.dumps(report, indent=1).encode())
        _put(file, _unique("report.csv", used), _table(rows).encode("utf-8-sig"))
    yield pipe.taken()


def _put(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, time.localtime()[:6])
    entry.external_attr = 0o644 << 16
    file.writestr(entry, data)


def folder_of(path: str) -> str:
    r"""Return the folders of a path as a page sent it, made safe; "" for none.

    >>> folder_of("Trip/day 1/a.png"), folder_of("../..//con/a.png"), folder_of("a.png")
    ('Trip/day 1/', 'con_/', '')
    """
    names = [_safe(name) for name in path[:MOST_PATH].replace("\\", "/").split("/")[:-1]]
    return "".join(f"{name}/" for name in names if name)


def _safe(name: str) -> str:
    """Return a name that no file system takes for a device, a folder, or something hidden."""
    bad = '<>:"/\\|?*'
    safe = "".join("_" if c in bad or not c.isprintable() else c for c in name).strip(". ")
    return f"{safe}_" if safe.split(".")[0].upper() in _DEVICES else safe


def _unique(name: str, used: set[str], folder: str = "") -> str:
    """Return a safe name that no file system takes for that of another in its folder."""
    path = PurePath(_safe(name) or "image")
    found, number = f"{folder}{path}", 1
    while found.casefold() in used:
        number += 1
        found = f"{folder}{path.stem}-{number}{path.suffix}"
    used.add(found.casefold())
    return found


_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}


def _table(rows: list[dict[str, Any]]) -> str:
    """Return the report for spreadsheets, in which no name is taken for a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _plain(value) for key, value in row.items()})
    return text.getvalue()


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
