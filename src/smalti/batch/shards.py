"""Shards: lists of inputs that are done, and committed, in one step each.

    items -> [deal] -> Shard -> ShardJob -> [run_shard] -> records; a payload in the state folder

A shard's name is a hash of everything that its result depends on: its inputs'
fingerprints, the settings, and the versions of what makes the bytes. So a
committed shard whose name is still wanted is right, and nothing else needs to be
asked. Its records come last and in one step, after the outputs and the payload:
where they are, everything is.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import SmaltiError
from ..sources import shown
from . import places
from .versions import installed
from .work import Item, Work

__all__ = [
    "Shard", "ShardJob", "commit", "committed", "deal", "fields_of", "hashed", "is_whole",
    "key_of", "lines_of", "payload_of", "remove", "run_shard", "seconds", "settings_of",
    "sum_of",
]  # fmt: skip

FORMAT = 2
"""Of the files in a state folder; another number, and none of them is believed."""

NO_MEMORY = "not enough memory; fewer jobs, or a higher memory limit, leave it more"

FOLDER = "shards"
RECORDS, PAYLOAD = ".jsonl", ".bin"

SECONDS = 30.0  # of work in a shard: long against what committing takes, short enough to lose
SECONDS_PER_PIXEL = 1e-6  # of one slow core, all in
BYTES_PER_PIXEL = {".jpg": 0.3, ".jpeg": 0.3, ".mpo": 0.3, ".webp": 0.2, ".avif": 0.15, ".gif": 0.5}
USUAL_BYTES_PER_PIXEL = 1.5
AT_LEAST = 32  # shards, where there are as many inputs: something to do for every core
MOST = 4096  # inputs of a shard


@dataclass(frozen=True)
class Shard:
    """Some inputs, and the name of what they become."""

    id: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class ShardJob:
    """All that a worker needs to do a shard. This is what engines move."""

    work: Work
    items: tuple[Item, ...]
    id: str
    state: str
    settings: str  # hash of settings and versions
    known: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # key -> record that holds
    attempts: int = 1


# ---------------------------------------------------------------- names


def settings_of(work: Work) -> dict[str, Any]:
    """Return everything but the inputs that a work's results depend on."""
    return {
        "format": FORMAT,
        "work": work.name,
        "settings": work.settings(),
        "versions": {name: it for name, it in installed().items() if name != "Python"},
    }


def hashed(value: Any) -> str:
    """Return the name of a JSON value."""
    return _digest(json.dumps(value, sort_keys=True, separators=(",", ":")))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:24]


def key_of(item: Item) -> str:
    """Return a name for an input as it is now."""
    # repr keeps neighbors apart, and costs a tenth of what JSON does: there may be millions.
    return _digest(repr(fields_of(item)))


def fields_of(item: Item) -> list[Any]:
    """Return all that is known of an input."""
    return [getattr(item, name) for name in item.__dataclass_fields__]


# ---------------------------------------------------------------- dealing


def deal(items: Sequence[Item], settings: str, shard: int | str = "auto") -> Iterator[Shard]:
    """Yield the shards of a run, in the order of `items`.

    Parameters
    ----------
    items : in the order of the run
    settings : the hash of what `settings_of` returns
    shard : inputs of each, or "auto": as many as take about half a minute

    Notes
    -----
    "auto" ends a shard where the hash of an input's name says so. An input that is added or taken
    away then changes the shard it is in, and leaves all others as they were.
    """
    group: list[Item] = []
    most = _usual(items) if shard == "auto" else int(shard)
    for item in items:
        group.append(item)
        if len(group) >= most if shard != "auto" else _ends(group, most):
            yield _shard(group, settings)
            group = []
    if group:
        yield _shard(group, settings)


def _shard(group: list[Item], settings: str) -> Shard:
    return Shard(hashed([settings, [key_of(item) for item in group]]), tuple(group))


def _ends(group: list[Item], usual: int) -> bool:
    """Whether a shard ends after the last input so far: half to twice as many as usual."""
    if len(group) < max(1, usual // 2):
        return False
    name = zlib.crc32(group[-1].relative.encode(errors="surrogateescape"))
    return len(group) >= 2 * usual or name % max(1, usual // 2) == 0


def _usual(items: Sequence[Item]) -> int:
    """Return how many inputs a shard has. A power of two: a few inputs more seldom change it."""
    each = seconds(items) / max(1, len(items))
    wanted = min(SECONDS / max(each, 1e-3), len(items) / AT_LEAST, MOST)
    return 1 << max(0, int(wanted).bit_length() - 1)


def seconds(items: Sequence[Item]) -> float:
    """Return about how long inputs take to compress; other works are faster."""
    return sum(map(_pixels, items)) * SECONDS_PER_PIXEL


def _pixels(item: Item) -> float:
    suffix = item.relative[item.relative.rfind(".") :].lower()
    return item.size_bytes / BYTES_PER_PIXEL.get(suffix, USUAL_BYTES_PER_PIXEL)


# ---------------------------------------------------------------- doing


def run_shard(job: ShardJob) -> list[dict[str, Any]]:
    """Do a shard and commit it; return its records, one for each input.

    Raises
    ------
    CannotWrite : it cannot be committed. What goes wrong with an input is in its record.
    """
    total, records = None, []
    for item in job.items:
        known = job.known.get(key_of(item)) if job.known else None
        if known is not None:
            records.append(known)
            continue
        record, part = _one(job, item)
        records.append(record)
        if part is not None:
            total = job.work.add(total, part)
    commit(job, records, job.work.dump(total))
    return records


def _one(job: ShardJob, item: Item) -> tuple[dict[str, Any], Any]:
    started = time.perf_counter()
    part = None
    try:
        fields, part = job.work.one(item)
        fields = {"ok": True, "status": "done", "error": None, "message": "", **fields}
    except Exception as error:  # one input's fault is no other's
        fields = _failure(item, error)
    milliseconds = round(1000 * (time.perf_counter() - started), 1)
    base = {"uri": item.uri, "relative": item.relative}
    return {**base, **fields, "ms": milliseconds, "attempts": job.attempts}, part


def _failure(item: Item, error: Exception) -> dict[str, Any]:
    """Return the fields of a record that tell of an error."""
    message = str(error)
    if isinstance(error, MemoryError):
        message = f"{shown(item.uri)}: {NO_MEMORY}"
    elif not isinstance(error, SmaltiError):
        message = f"{shown(item.uri)}: a bug in smalti: {type(error).__name__}: {message}"
    return {
        "ok": False,
        "status": "failed",
        "error": type(error).__name__,
        "message": " ".join(message.split()),
    }


# ---------------------------------------------------------------- committing


def commit(job: ShardJob, records: Iterable[dict[str, Any]], payload: bytes | None) -> None:
    """Make a shard's result visible, in one step: its payload first, then its records."""
    if payload is not None:
        places.write(_place(job.state, job.id + PAYLOAD), payload)
    keyed = (
        {"key": key_of(item), **record} for item, record in zip(job.items, records, strict=True)
    )
    lines = "".join(json.dumps(line) + "\n" for line in keyed).encode()
    head = {
        "format": FORMAT,
        "shard": job.id,
        "settings": job.settings,
        "payload": None if payload is None else sum_of(payload),
        "records": sum_of(lines),
    }
    places.write(_place(job.state, job.id + RECORDS), f"{json.dumps(head)}\n".encode() + lines)


def sum_of(data: bytes) -> str:
    """Return what changes with any byte: what was damaged shall not be believed."""
    return hashlib.sha256(data).hexdigest()


def committed(state: str) -> set[str]:
    """Return the names of the shards that a state folder holds."""
    names = places.names(places.join(state, FOLDER))
    return {name.removesuffix(RECORDS) for name in names if name.endswith(RECORDS)}


def lines_of(state: str, shard: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the head and the records of a committed shard, each with its input's `key`.

    Where they cannot be read, are damaged, or are of another format, the head is empty.
    """
    try:
        data = places.read(_place(state, shard + RECORDS), 2**40)
        first, _, rest = data.partition(b"\n")
        head = json.loads(first)
        if not _is_head(head, shard) or head["records"] != sum_of(rest):
            return {}, []
        return head, [json.loads(line) for line in rest.splitlines()]
    except (SmaltiError, ValueError, RecursionError):  # JSON may be nested without end
        return {}, []


def _is_head(value: Any, shard: str) -> bool:
    """Whether a JSON value is the head of that shard's records, in our format."""
    names = {"format", "shard", "settings", "payload", "records"}
    return (
        isinstance(value, dict)
        and set(value) == names
        and (value["format"], value["shard"]) == (FORMAT, shard)
    )


def is_whole(state: str, shard: str, head: Mapping[str, Any]) -> bool:
    """Whether the payload that a shard's head tells of is there, as it was committed."""
    if head["payload"] is None:
        return True
    try:
        return bool(sum_of(payload_of(state, shard)) == head["payload"])
    except SmaltiError:
        return False


def payload_of(state: str, shard: str) -> bytes:
    """Return the payload that a shard committed."""
    return places.read(_place(state, shard + PAYLOAD), 2**40)


def remove(state: str, shard: str) -> None:
    """Take a shard's result away, its records first: where they are, everything is."""
    places.remove(_place(state, shard + RECORDS))
    places.remove(_place(state, shard + PAYLOAD))


def _place(state: str, name: str) -> str:
    return places.join(places.join(state, FOLDER), name)
