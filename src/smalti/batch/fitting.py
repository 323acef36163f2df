"""One palette for many pictures, and palette locks extended by many.

    items -> counted in shards -> histograms, one a shard -> merged -> k-means -> [fit_many]
    items -> looked through in shards -> new colors of each -> the lock, extended -> [extend_lock]

Counts are integers, and sums of integers are exact in any order: so the palette is the same to the
bit for every number of shards, workers and machines. k-means runs once, here: all that is left of
a million pictures is one histogram.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePath
from typing import Any

from .. import histogram_file
from ..bins import Bins, Policy, Tally
from ..choose import settings_for
from ..decode import Limits
from ..errors import BadImage, BadOption, MissingFile, SmaltiError
from ..folders import Refusal
from ..histogram import Histogram
from ..lock import FULL, Brought, Lock
from ..movies import frames
from ..palette import Palette
from ..quantize import build_palette
from ..sources import real_path, shown
from . import places
from .runs import Progress, Run, run
from .work import Item

__all__ = ["BITS", "Fitted", "Locked", "extend_lock", "fit_many"]

BITS = ("auto", "8", "7", "6")
MANY = 100_000
"""Pictures from which on colors are counted in boxes of 4 x 4 x 4: the exact colors of photographs
would fill memory, and nobody sees the difference in a palette."""

SKETCH_BYTES = 2**31

FEW_BYTES = 4 * 2**20
"""Of pictures that are counted in less time than it takes to start a process."""


SHOWN = 20  # pictures whose colors are told one by one


@dataclass(frozen=True)
class Failures:
    """What could not be read."""

    refusals: list[Refusal]
    failed: list[dict[str, Any]]  # records

    def __repr__(self) -> str:
        return f"Failures({len(self.messages):,})"

    @property
    def messages(self) -> list[str]:
        """A sentence for each."""
        return [str(each.error) for each in self.refusals] + [r["message"] for r in self.failed]


@dataclass(frozen=True)
class Fitted:
    """One palette for many pictures."""

    palette: Palette
    histogram: Histogram
    pictures: int
    failures: Failures
    summary: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Locked:
    """A lock with the colors of many pictures; it is not written yet."""

    lock: Lock
    brought: list[Brought] = field(repr=False)
    pictures: int
    failures: Failures

    def lines(self) -> list[str]:
        """Return lines about what pictures brought to the lock."""
        lock = self.lock
        exact = [picture for picture in self.brought if picture.exact]
        rest = [picture for picture in self.brought if not picture.exact]
        added = lock.added
        lines = [
            f"{lock.name}: {added:,} new color{'' if added == 1 else 's'}, "
            f"{len(lock.rows):,} of {lock.limit:,} rows taken"
        ]
        lines += [f"  {picture.colors:,} from {picture.name}" for picture in exact[:SHOWN]]
        if len(exact) > SHOWN:
            lines.append(f"  ... and from {len(exact) - SHOWN:,} other pictures")
        lines += [
            f"  {picture.name}: {picture.colors:,} colors find no room and map to the nearest"
            for picture in rest[:SHOWN]
        ]
        if len(rest) > SHOWN:
            lines.append(f"  ... and so do those of {len(rest) - SHOWN:,} other pictures")
        return lines


# ---------------------------------------------------------------- counting


@dataclass(frozen=True)
class CountWork:
    """Count the colors of pictures, and add up histograms that were saved."""

    bits: int = 8
    icc: str = "srgb"
    limits: Limits = field(default_factory=Limits)

    name = "histogram"

    def settings(self) -> dict[str, Any]:
        """Return what counts depend on."""
        return {"bits": self.bits, "icc": self.icc, "limits": vars(self.limits)}

    def one(self, item: Item) -> tuple[dict[str, Any], Bins]:
        """Return how much there is in a picture, and its bins."""
        histogram = self._histogram(item)
        fields = {
            "bytes_in": item.size_bytes,
            "pixels": histogram.total,
            "colors": len(histogram),
        }
        return fields, histogram.coarsen(self.bits).bins

    def _histogram(self, item: Item) -> Histogram:
        name = shown(item.uri)
        if is_sketch(item):
            histogram = _sketch(item)
        else:
            data = places.read(item.uri, _most(self.limits), size_bytes=item.size_bytes)
            histogram = _counted(data, name, self.icc, self.limits)
        policy = Policy(icc=self.icc)
        if histogram.bits < self.bits:
            raise BadOption(
                f"{name}: was counted at {histogram.bits} bits, the others at {self.bits}; "
                f"--bits {histogram.bits} makes them alike"
            )
        if differs := histogram.policy.differs(policy):
            raise BadOption(f"{name}: was counted under another policy ({differs})")
        return histogram

    def add(self, total: Tally | None, part: Bins) -> Tally:
        """Add a picture."""
        total = total or Tally()
        total.add(part)
        return total

    def dump(self, total: Tally | None) -> bytes | None:
        """Return the file of the sum."""
        return None if total is None else histogram_file.dump(total.bins())


def _most(limits: Limits) -> int:
    return int(limits.input_mib * 2**20)


def is_sketch(item: Item) -> bool:
    """Whether an input is called like a histogram file."""
    return item.relative.lower().endswith(".hist")


def _sketch(item: Item) -> Histogram:
    try:
        return Histogram.of_bins(histogram_file.parse(places.read(item.uri, SKETCH_BYTES)))
    except BadImage as error:
        raise BadImage(f"{shown(item.uri)}: {error}") from error


def _counted(data: bytes, name: str, icc: str, limits: Limits) -> Histogram:
    try:
        images = frames(data, limits=limits, icc=icc)
        counted = (Histogram.of(image, icc=icc) for image in images)
        first, second = next(counted), next(counted, None)
        return first if second is None else Histogram.merge(chain((first, second), counted))
    except SmaltiError as error:
        raise type(error)(f"{name}: {error}") from error


def fit_many(
    sources: places.Sources,
    k: int | str = 256,
    *,
    bits: int | str = "auto",
    icc: str = "srgb",
    space: str = "oklab",
    effort: str = "default",
    seed: int = 0,
    keep: Any = None,
    skip: str | None = None,
    limits: Limits | None = None,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    state: str | None = None,
    shard: int | str = "auto",
    max_errors: int | str | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Fitted:
    """Find the palette of k colors that represents many pictures best.

    Parameters
    ----------
    sources : paths or URLs of pictures and folders, and of histograms called *.hist
    k : int, 1 to 65,536, or "auto" or "elbow"
    bits : 8, 7 or 6, or "auto"
        Below 8, boxes of colors are counted, each with its exact mean color: little memory, however
        many pictures. "auto" is 8 up to 100,000 pictures, then 6, or 7 if k > 256; or what the
        coarsest of the given histograms has.
    icc : "srgb" converts color profiles, "strip" ignores them
    space, effort, seed, keep : as for `quantize`
    skip : path or URL of a folder that is left out: where outputs go
    limits : largest picture that is decoded
    engine, address, jobs, state, shard, max_errors, on_progress : as for `compress_many`

    Returns
    -------
    Fitted
        `palette`, the same to the bit for every engine, number of jobs and order of sources; the
        `histogram` of all; `failures`, which no palette is held up by.

    Raises
    ------
    BadImage : there is no picture that can be read.
    BadOption : an option is out of range; histograms of other bits or policies.
    """
    settings, _ = settings_for(k, space=space, effort=effort, seed=seed, keep=keep)  # refuses early
    listed = _listed(sources, skip)
    bits = _bits(bits, listed.items, settings.k if isinstance(k, int) else 0)
    work = CountWork(bits, _icc(icc), limits or Limits())
    done = run(
        work, listed.items, state=state, engine=engine, address=address,
        jobs=_workers(jobs, engine, listed.items), shard=shard, max_errors=max_errors,
        on_progress=on_progress,
    )  # fmt: skip
    failures = _failures(done, listed.refusals)
    histogram = Histogram.merge(Histogram.load(payload) for payload in done.payloads())
    palette = build_palette(histogram, k, space=space, effort=effort, seed=seed, keep=keep)
    return Fitted(palette, histogram, done.summary["ok"], failures, done.summary)


def _workers(jobs: int | None, engine: str, items: Sequence[Item]) -> int | None:
    """Return how many workers to take: none but this process for a few small pictures."""
    small = engine == "local" and sum(item.size_bytes for item in items) < FEW_BYTES
    return 1 if jobs is None and small else jobs


def _icc(icc: str) -> str:
    if icc not in ("srgb", "strip"):
        raise BadOption(f"icc must be srgb or strip where palettes are shared, got {icc!r}")
    return icc


def _bits(asked: int | str, items: Sequence[Item], k: int) -> int:
    """Return the bits to count at, which are settled before anything is counted."""
    if str(asked) not in BITS:
        raise BadOption(f"bits must be {', '.join(BITS[1:])} or auto, got {asked!r}")
    if asked != "auto":
        return int(asked)
    few = 8
    for item in filter(is_sketch, items):
        with suppress(SmaltiError):  # what cannot be read fails when its turn comes
            few = min(few, _sketch(item).bits)
    usual = 8 if len(items) <= MANY else 7 if k > 256 else 6
    return min(few, usual)


def _listed(sources: places.Sources, skip: str | None) -> places.Listing:
    """Return what there is; raise, before anything is written, if that is nothing."""
    listed = places.listing(sources, skip=skip)
    if not listed.items:
        raise listed.refusals[0].error if listed.refusals else BadImage("no pictures were given")
    return listed


def _failures(done: Run, refusals: list[Refusal]) -> Failures:
    """Return what failed; raise if that is everything, or if the run was stopped by it."""
    summary = done.summary
    failed = [record for record in done.each() if not record["ok"]] if summary["failed"] else []
    failures = Failures(refusals, failed)
    if summary["stopped"]:
        raise BadImage(
            f"stopped after {summary['failed']:,} of {summary['items']:,} pictures failed, the "
            f"first: {failed[0]['message']}"
        )
    if not summary["ok"]:
        raise BadImage(failures.messages[0])
    return failures


# ---------------------------------------------------------------- locks


PART = struct.Struct("<IQ")


@dataclass(frozen=True)
class NewColorsWork:
    """Find in pictures the colors that a lock does not have."""

    lock: Lock
    icc: str = "srgb"
    limits: Limits = field(default_factory=Limits)

    name = "new colors"

    def settings(self) -> dict[str, Any]:
        """Return what is new depends on."""
        known = hashlib.sha256(self.lock.colors.tobytes()).hexdigest()
        return {"known": known, "icc": self.icc, "limits": vars(self.limits)}

    def one(self, item: Item) -> tuple[dict[str, Any], bytes | None]:
        """Return how many colors of a picture are new, and its name with their histogram."""
        data = places.read(item.uri, _most(self.limits), size_bytes=item.size_bytes)
        new = self.lock.new_colors(_counted(data, shown(item.uri), self.icc, self.limits))
        fields = {"bytes_in": item.size_bytes, "new_colors": 0 if new is None else len(new)}
        if new is None:
            return fields, None
        name, dumped = item.uri.encode(errors="surrogateescape"), new.dumped()
        return fields, PART.pack(len(name), len(dumped)) + name + dumped

    def add(self, total: list[bytes] | None, part: bytes) -> list[bytes]:
        """Put a picture's part behind the others."""
        total = [] if total is None else total
        total.append(part)
        return total

    def dump(self, total: list[bytes] | None) -> bytes | None:
        """Return all parts."""
        return None if total is None else b"".join(total)


def extend_lock(
    path: str,
    sources: places.Sources,
    *,
    full: str = "fail",
    frozen: bool = False,
    limit: int | None = None,
    icc: str = "srgb",
    space: str = "oklab",
    effort: str = "default",
    seed: int = 0,
    skip: str | None = None,
    limits: Limits | None = None,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    state: str | None = None,
    max_errors: int | str | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Locked:
    """Extend a palette lock by the colors of pictures. `Locked.lock.save(path)` writes it.

    Parameters
    ----------
    path : of the lock; where there is no file, a new one is begun
    sources : paths or URLs of pictures and folders
        Colors get their rows in the order of the names of pictures, those of one picture by share.
    full : "fail" or "nearest": what becomes of pictures with more new colors than there is room for
    frozen : whether the lock counts as full already
    limit : the most colors the lock may have; None leaves it as it is, or 256 for a new one
    space, effort, seed : of k-means, where there is room for some of the new colors only
    icc, skip, limits, engine, address, jobs, state, max_errors, on_progress : as for `fit_many`

    Raises
    ------
    OutsidePalette : there is no room for the colors of some pictures; names them.
    BadImage : the lock cannot be read, or there is no picture that can be.
    MissingFile : `frozen`, and there is no lock.
    BadOption : an option is out of range.
    """
    if full not in FULL:
        raise BadOption(f"full must be {' or '.join(FULL)}, got {full!r}")
    lock = Lock.load(path, limit=limit)
    if frozen and lock.found is None:
        raise MissingFile(f"{lock.name} does not exist, so it cannot be frozen")
    listed = _listed(sources, skip)
    items = sorted(listed.items, key=lambda item: (named_from(path, item.uri), item.uri))
    work = NewColorsWork(lock, _icc(icc), limits or Limits())
    done = run(
        work, items, state=state, engine=engine, address=address,
        jobs=_workers(jobs, engine, items), max_errors=max_errors, on_progress=on_progress,
    )  # fmt: skip
    failures = _failures(done, listed.refusals)
    art = ((named_from(path, uri), new) for uri, new in _parts(done.payloads()))
    lock, brought = lock.extended(
        art, full=full, frozen=frozen, space=space, effort=effort, seed=seed
    )
    return Locked(lock, brought, done.summary["ok"], failures)


def _parts(payloads: Iterator[bytes]) -> Iterator[tuple[str, Histogram]]:
    """Yield the uri of each picture with new colors, and their histogram."""
    for payload in payloads:
        at = 0
        while at < len(payload):
            name, size = PART.unpack_from(payload, at)
            middle = at + PART.size + name
            uri = payload[at + PART.size : middle].decode(errors="surrogateescape")
            at = middle + size
            yield uri, Histogram.load(payload[middle:at])


def named_from(lock: str, uri: str) -> str:
    """Return what a lock calls a picture: its path from the lock's folder, the same everywhere.

    >>> named_from("game/art.palette", "game/sprites/hero.png"), named_from("a.palette", "s3://b/c")
    ('sprites/hero.png', 's3://b/c')
    """
    if places.is_url(uri):
        return shown(uri)
    path = places.path_of(uri)
    folder = os.path.dirname(real_path(places.path_of(lock)))
    try:
        relative = os.path.relpath(os.path.abspath(path), folder)
    except ValueError:  # another drive
        relative = os.path.abspath(path)
    except FileNotFoundError:  # the working directory was removed
        relative = path
    return shown(PurePath(relative).as_posix())
