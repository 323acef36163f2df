"""Images: what was opened, by id.

    bytes -> [Shelf.add] -> Entry;  Entry -> [Shelf.picture] -> Picture (pixels, histogram)

The bytes of a file are kept as they came: jobs compress them, as the command would.
Pixels and histograms are many times larger and can be had again from the bytes, so
they are dropped, the least recently used first, when there is no more room.

Decoding and counting run in threads, at most `AT_ONCE` of them, so that a hundred
uploads need no more memory at once than two.
"""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePath, PureWindowsPath
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote

from ..decode import Limits
from ..errors import LimitExceeded
from ..histogram import Histogram
from ..image import Image
from ..load import load_with_notes
from ..preview import preview_image

__all__ = ["AT_ONCE", "Entry", "Picture", "Shelf", "clean_name"]

AT_ONCE = 2
MOST = 1000
MOST_BYTES = 2**30  # of files
ROOM = 512 * 2**20  # bytes of pixels and histograms
NAME_LENGTH = 120

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded file."""

    image: Image
    histogram: Histogram
    preview: Image
    """(h, w, 4) uint8, what the page draws while the slider moves."""

    @property
    def size_bytes(self) -> int:
        """What it holds in memory."""
        colors, counts = self.histogram.stored_colors, self.histogram.stored_counts
        return int(self.image.nbytes + self.preview.nbytes + colors.nbytes + counts.nbytes)


@dataclass(eq=False)
class Entry:
    """A file that was opened, and what is said about it."""

    id: str
    name: str
    data: bytes
    about: dict[str, Any]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: dict[Any, Any] = field(default_factory=dict)
    """Small things that were made of it once."""


class Shelf:
    """The files that were opened, and the threads that read them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._threads = ThreadPoolExecutor(AT_ONCE, "smalti")
        self._bytes = self._coming = 0
        self._closed = False

    def __iter__(self) -> Any:
        return iter(list(self._entries.values()))

    def __getitem__(self, id: str) -> Entry:  # noqa: A002
        return self._entries[id]

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return id in self._entries

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` does, done in one of the threads."""
        if self._closed:  # the server ends: nobody waits for an answer any more
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def add(self, name: str, data: bytes) -> Entry:
        """Decode a file and keep it.

        Raises
        ------
        BadImage : it cannot be read.
        LimitExceeded : it is too large, or there are too many already.
        """
        if len(self._entries) + self._coming >= MOST:
            raise LimitExceeded(f"{MOST:,} files are open, which is the limit; remove some")
        if self._bytes + len(data) > MOST_BYTES:
            raise LimitExceeded("1 GiB of files is open, which is the limit; remove some")
        self._bytes += len(data)
        self._coming += 1
        try:
            picture, about = await self.run(_read, data)
        except BaseException:
            self._bytes -= len(data)
            raise
        finally:
            self._coming -= 1
        entry = Entry(secrets.token_urlsafe(12), name, data, {})
        entry.about.update(id=entry.id, name=name, bytes=len(data), **about)
        self._entries[entry.id] = entry
        self._keep(entry.id, picture)
        return entry

    async def picture(self, entry: Entry) -> Picture:
        """Return the pixels of a file, decoded again if they were dropped."""
        async with entry.lock:  # whoever asks meanwhile gets the same
            if entry.id in self._pictures:
                self._pictures.move_to_end(entry.id)
                return self._pictures[entry.id]
            picture, _ = await self.run(_read, entry.data)
            if entry.id in self._entries:
                self._keep(entry.id, picture)
            return picture

    def remove(self, id: str) -> None:  # noqa: A002
        """Forget a file."""
        entry = self._entries.pop(id)
        self._pictures.pop(id, None)
        self._bytes -= len(entry.data)
        _trim()

    def close(self) -> None:
        """End the threads; what runs is not waited for."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _keep(self, id: str, picture: Picture) -> None:  # noqa: A002
        self._pictures[id] = picture
        while len(self._pictures) > 1 and self._held() > ROOM:
            self._pictures.popitem(last=False)

    def _held(self) -> int:
        return sum(picture.size_bytes for picture in self._pictures.values())


def _trim() -> None:
    """Make the C library return what lies free between other things: glibc does so when told to."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def _read(data: bytes) -> tuple[Picture, dict[str, Any]]:
    """Decode a file and count its colors."""
    decoded = load_with_notes(data, limits=Limits())
    histogram = Histogram.of(decoded.image, threads=AT_ONCE)
    small = preview_image(decoded.image)
    return Picture(decoded.image, histogram, small), {
        "format": decoded.format,
        "width": decoded.image.shape[1],
        "height": decoded.image.shape[0],
        "preview": [small.shape[1], small.shape[0]],
        "distinct_colors": len(histogram),
        "has_alpha": decoded.image.shape[2] == 4,
        "notes": list(decoded.notes),
    }


def clean_name(given: str) -> str:
    r"""Return a file name to show and to save as, from whatever a page sent.

    It is percent-encoded UTF-8. Folders go, and so does what cannot be printed: line breaks that
    would forge a header, and marks that turn the direction of text.

    >>> clean_name("..%2F..%2Fa%0D%0Ab.png"), clean_name("C:\\x\\%F0%9F%8E%A8.png"), clean_name("")
    ('a__b.png', '🎨.png', 'image')
    """
    name = PureWindowsPath(PurePath(unquote(given[: 9 * NAME_LENGTH])).name).name
    name = "".join(letter if letter.isprintable() else "_" for letter in name).strip()
    if len(name) > NAME_LENGTH:
        stem, dot, suffix = name.rpartition(".")
        end = dot + suffix if len(suffix) < 10 and stem else ""
        name = name[: NAME_LENGTH - len(end)] + end
    return name if name.strip(".") else "image"
