"""The driver: items become shards, shards are done by an engine, records are gathered.

    work, items -> plan -> [run] <-> engine -> Run: records, payloads, summary

Everything that a run knows is in its state folder: the plan, written before any
work, and the shards that were committed. A run that is started again finds them
there and does what is missing. The driver keeps the plan in memory and counts; it
holds neither records nor payloads.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import Any

from .. import options
from ..errors import BadOption, CannotWrite
from ..files import shown, sweep
from . import local, places, shards
from .shards import Shard, ShardJob
from .work import Checked, Item, Work

__all__ = ["Progress", "Run", "check", "only_run_in", "run"]

PLAN, LOCK = "plan.jsonl", "lock"
DIED = "WorkerDied"
DIED_MESSAGE = "its worker process died twice, perhaps for lack of memory; fewer jobs need less"
NOT_DONE = {
    "ok": False,
    "status": "not done",
    "error": "NotDone",
    "message": "the run was stopped before its turn",
}
LASTING = {"BadImage", "BadOption", "LimitExceeded", "NotSmaller", "OutsidePalette", "TargetMissed"}
"""Errors that the same input at the same settings meets again."""


@dataclass(frozen=True)
class Progress:
    """How far a run is. Reused items are done, but took no time.

    `step` is the name of the work: "compress", "histogram", "new colors" or "survey". A collection
    with one palette has two steps.
    """

    total: int
    done: int = 0
    reused: int = 0
    failed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    step: str = ""

    @property
    def rate(self) -> float:
        """Images per second of this run."""
        return (self.done - self.reused) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def bytes_saved(self) -> int:
        """Of all that were compressed so far."""
        return self.bytes_in - self.bytes_out if self.bytes_out else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON knows them."""
        left = self.seconds_left
        return asdict(self) | {
            "seconds": round(self.seconds, 3),
            "bytes_saved": self.bytes_saved,
            "rate": round(self.rate, 3),
            "seconds_left": None if left is None else round(left, 1),
        }


class Run:
    """A finished run: what its state folder holds, in the order of the items."""

    def __init__(self, state: str, pieces: list["_Piece"], summary: dict[str, Any]) -> None:
        self.state = state
        self.summary = summary
        self._pieces = pieces

    @property
    def records(self) -> list[dict[str, Any]]:
        """One dict for each item: `uri`, `relative`, `ok`, `status`, `error`, `message`, ..."""
        return list(self.each())

    def each(self) -> Iterator[dict[str, Any]]:
        """Yield the records one by one, in item order, without holding them all."""
        for piece in self._pieces:
            yield from piece.records(self.state)

    def payloads(self) -> Iterator[bytes]:
        """Yield what the shards committed beside their records, in the order of the items."""
        for piece in self._pieces:
            yield from piece.payloads(self.state)


def run(
    work: Work,
    items: Sequence[Item],
    *,
    state: str | None,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    shard: int | str = "auto",
    max_errors: int | str | None = None,
    resume: bool = True,
    memory_limit: int | None = None,
    folder: str | None = None,
    locked: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
) -> Run:
    """Do `work` to each of `items`, or to those that an earlier run has not done.

    Parameters
    ----------
    work : Work
    items : in the order that records and payloads shall have
    state : path or URL of a folder for the plan and the committed shards
        None: a temporary one, which goes away with the Run.
    engine : "local" or "dask"
    address : of a Dask scheduler
    jobs : workers (default: all cores); with the local engine, 1 works in this process
    shard : inputs of a shard, or "auto": about half a minute's work
    max_errors : stop when more than so many inputs fail; "3%" is of all inputs
    resume : use what an earlier run left in `state`
    memory_limit : bytes of address space that each local process may take
    folder : path or URL where the work writes files; what killed processes left there is removed
    locked : whether the caller is inside `only_run_in(state)` already
    on_progress : called with the Progress at the start and after each shard

    Returns
    -------
    Run
        Neither records nor payloads depend on the engine, on `jobs`, or on what was interrupted.

    Raises
    ------
    BadOption : an option makes no sense.
    CannotWrite : `state` cannot be written, or another run works in it.
    """
    check(engine, address, jobs, shard, max_errors, memory_limit)
    most = _most_errors(max_errors, len(items))
    do = _engine(engine, address, jobs, memory_limit)
    place = state or tempfile.mkdtemp(prefix="smalti-")
    driver = _Driver(work, place, len(items), most, on_progress or (lambda progress: None))
    try:
        alone = contextlib.nullcontext() if locked else only_run_in(place)
        with alone, driver.swept(place, folder):
            pieces = driver.plan(items, shard)
            driver.reuse(pieces, resume)
            driver.finish(pieces, do)
        result = Run(place, pieces, driver.summary(pieces, engine))
    except BaseException:
        if state is None:
            shutil.rmtree(place, ignore_errors=True)
        raise
    if state is None:
        weakref.finalize(result, shutil.rmtree, place, ignore_errors=True)
    return result


def check(
    engine: str,
    address: str | None,
    jobs: int | None,
    shard: int | str,
    max_errors: int | str | None,
    memory_limit: int | None,
) -> None:
    """Refuse options of `run` that make no sense, before anything is read."""
    if engine not in ("local", "dask"):
        raise BadOption(f"engine must be local or dask, got {engine}")
    if engine == "local" and address is not None:
        raise BadOption("an address is for the engine dask; the local one has none")
    if engine == "dask" and memory_limit is not None:
        raise BadOption("a memory limit is for the local engine; Dask's workers have their own")
    if shard != "auto" and not (isinstance(shard, int) and shard >= 1):
        raise BadOption(f"shard must be auto or a number of images from 1, got {shard}")
    options.check("jobs", jobs)
    _most_errors(max_errors, 1)


def _most_errors(given: int | str | None, total: int) -> float:
    """Return how many inputs may fail."""
    if given is None:
        return float("inf")
    text = str(given).strip()
    percent = text.endswith("%")
    with contextlib.suppress(ValueError):
        number = float(text.removesuffix("%"))
        if percent and 0 <= number <= 100:
            return total * number / 100
        if not percent and number >= 0 and number.is_integer():
            return number
    raise BadOption(f"max_errors must be a number from 0 or a percentage like 3%, got {given}")


def _engine(
    name: str, address: str | None, jobs: int | None, memory_limit: int | None
) -> Callable[[Iterator[ShardJob]], Any]:
    """Return the engine of that name, with its options."""
    if name == "local":
        return lambda some: local.run(some, workers=jobs, memory_limit=memory_limit)
    dask = import_module(".dask", __package__)
    return lambda some: dask.run(some, workers=jobs, address=address)


@contextlib.contextmanager
def only_run_in(state: str) -> Iterator[None]:
    """Refuse a second run in the same folder. Where folders have no locks, both may work:
    they would write the same.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    if places.is_url(state):
        yield
        return
    path = places.path_of(state)
    try:
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        place = shown(error.filename or path)
        raise CannotWrite(f"cannot write {place}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotWrite(
                f"another run works in {shown(path)}; wait for its end, or take another folder"
            ) from error
        except OSError:  # no locks here
            pass
        yield
    finally:
        with contextlib.suppress(OSError):  # nothing was written to it
            os.close(descriptor)


# ---------------------------------------------------------------- pieces


@dataclass
class _Piece:
    """A shard of the plan and what became of it."""

    shard: Shard
    known: dict[str, dict[str, Any]]  # key -> record of an earlier run that holds
    committed: bool = False
    fault: dict[str, Any] | None = None  # fields of all records, where there is no commit
    parts: list["_Piece"] | None = None  # what it was divided into

    def records(self, state: str) -> Iterator[dict[str, Any]]:
        if self.parts:
            for part in self.parts:
                yield from part.records(state)
        elif self.committed:
            for line in shards.lines_of(state, self.shard.id)[1]:
                del line["key"]
                yield line
        else:
            for item in self.shard.items:
                fault = self.fault or NOT_DONE
                message = f"{shown(item.uri)}: {fault['message']}"
                yield {"uri": item.uri, "relative": item.relative, **fault, "message": message}

    def payloads(self, state: str) -> Iterator[bytes]:
        if self.parts:
            for part in self.parts:
                yield from part.payloads(state)
        elif self.committed and shards.lines_of(state, self.shard.id)[0].get("payload"):
            yield shards.payload_of(state, self.shard.id)

    def ids(self) -> Iterator[str]:
        """Yield the names of the shards that hold this."""
        if self.parts:
            for part in self.parts:
                yield from part.ids()
        else:
            yield self.shard.id


class _Driver:
    """The steps of one run, and its counts."""

    def __init__(
        self,
        work: Work,
        state: str,
        total: int,
        most_errors: float,
        tell: Callable[[Progress], object],
    ) -> None:
        self._work, self._state, self._most_errors, self._tell = work, state, most_errors, tell
        self._all_settings = shards.settings_of(work)
        self._settings = shards.hashed(self._all_settings)
        self._started = time.perf_counter()
        self._progress = Progress(total, step=work.name)
        self._statuses: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._stopped = False
        self._deaths = 0

    @contextlib.contextmanager
    def swept(self, *folders: str | None) -> Iterator[None]:
        """Remove temporary files of processes that were killed: before the run, and during it."""
        paths = [places.path_of(each) for each in folders if each and not places.is_url(each)]
        for path in paths:
            sweep(path)
        try:
            yield
        except BaseException:
            self._deaths += 1  # whoever was slow to end was killed
            raise
        finally:
            for path in paths if self._deaths else ():
                sweep(path)

    # ------------------------------------------------------------ before the work

    def plan(self, items: Sequence[Item], shard: int | str) -> list[_Piece]:
        """Deal the items into shards, and write down how."""
        pieces = [_Piece(dealt, {}) for dealt in shards.deal(items, self._settings, shard)]
        head = {**self._all_settings, "items": len(items), "shards": len(pieces)}

        def lines() -> Iterator[bytes]:
            yield f"{json.dumps(head)}\n".encode()
            for piece in pieces:
                listed = [shards.fields_of(item) for item in piece.shard.items]
                yield f"{json.dumps({'shard': piece.shard.id, 'items': listed})}\n".encode()

        places.write(places.join(self._state, PLAN), lines())
        return pieces

    def reuse(self, pieces: list[_Piece], resume: bool) -> None:
        """Take over what earlier runs did and what still stands."""
        present = shards.committed(self._state) if resume else set()
        for piece in pieces:
            if piece.shard.id in present:
                self._reuse_shard(piece)
        open_pieces = [piece for piece in pieces if not piece.committed]
        strangers = present - {piece.shard.id for piece in pieces}
        if open_pieces and strangers:
            self._reuse_items(open_pieces, sorted(strangers))
        for piece in open_pieces:
            if len(piece.known) == len(piece.shard.items):  # dealt in another way: no work
                self._count(shards.run_shard(self._job(piece)), reused=len(piece.known))
                piece.committed = True
        self._tell(self._now())

    def _reuse_shard(self, piece: _Piece) -> None:
        head, lines = shards.lines_of(self._state, piece.shard.id)
        if not head or not shards.is_whole(self._state, piece.shard.id, head):
            return
        summed = head["payload"] is not None
        standing = {line["key"]: line for line in lines if self._stands(line, summed)}
        if len(standing) == len(lines) == len(piece.shard.items):
            piece.committed = True
            self._count(lines, reused=len(lines))
        elif not summed:
            piece.known = standing

    def _reuse_items(self, pieces: list[_Piece], strangers: list[str]) -> None:
        """Look for items in shards that are no longer wanted: inputs came, went or changed."""
        wanted = {shards.key_of(item) for piece in pieces for item in piece.shard.items}
        found: dict[str, dict[str, Any]] = {}
        for shard in strangers:
            head, lines = shards.lines_of(self._state, shard)
            if head and head["settings"] == self._settings and not head["payload"]:
                for line in lines:
                    if line["key"] in wanted and self._stands(line, payload=False):
                        found[line["key"]] = line
        for piece in pieces:
            keys = map(shards.key_of, piece.shard.items)
            piece.known |= {key: found[key] for key in keys if key in found}

    def _stands(self, record: dict[str, Any], payload: bool) -> bool:
        """Whether a record of an earlier run is as good as doing the item again.

        What failed is tried again, unless that would take a whole shard along for an error that
        lies in the input.
        """
        if not record["ok"]:
            return payload and record["error"] in LASTING
        return not isinstance(self._work, Checked) or self._work.stands(record)

    # ------------------------------------------------------------ the work

    def finish(self, pieces: list[_Piece], engine: Callable[[Iterator[ShardJob]], Any]) -> None:
        """Do all pieces that are not committed, the longest first."""
        todo = [piece for piece in pieces if not piece.committed]
        todo.sort(key=lambda piece: -shards.seconds(piece.shard.items))
        queue = deque(todo)
        by_id = {piece.shard.id: piece for piece in todo}
        while queue and not self._stopped:
            with contextlib.closing(engine(self._jobs(queue))) as answers:
                for job, records, message in answers:
                    piece = by_id[job.id]
                    self._deaths += job.attempts - 1 + (message == DIED)
                    if records is not None:
                        piece.committed = True
                        self._count(records, reused=len(piece.known))
                    elif message == DIED and len(job.items) > 1:
                        piece.parts = self._divided(piece)
                        by_id |= {part.shard.id: part for part in piece.parts}
                        queue.extend(piece.parts)
                    else:
                        self._fail(piece, job, message or "")
                    self._tell(self._now())
                    now = self._progress
                    if now.failed > self._most_errors and now.done < now.total:
                        self._stopped = True
                        break
        if not self._stopped:
            self._forget(pieces)

    def _jobs(self, queue: deque[_Piece]) -> Iterator[ShardJob]:
        while queue:
            yield self._job(queue.popleft())

    def _job(self, piece: _Piece) -> ShardJob:
        items, name = piece.shard.items, piece.shard.id
        return ShardJob(self._work, items, name, self._state, self._settings, piece.known)

    def _divided(self, piece: _Piece) -> list[_Piece]:
        """Return a piece for each item: one of them kills workers, and shall hurt only itself."""
        alone = shards.deal(piece.shard.items, self._settings, 1)
        return [_Piece(shard, piece.known) for shard in alone]

    def _fail(self, piece: _Piece, job: ShardJob, message: str) -> None:
        error, _, reason = message.partition(": ")  # as in "OSError: no such host"
        if error == "CannotWrite":  # not an output: the state folder itself
            raise CannotWrite(reason)
        reason = {DIED: DIED_MESSAGE, "MemoryError": shards.NO_MEMORY}.get(error, reason)
        fault = {"ok": False, "status": "failed", "error": error, "message": reason}
        piece.fault = {**fault, "attempts": job.attempts}
        self._count(list(piece.records(self._state)))

    def _forget(self, pieces: list[_Piece]) -> None:
        """Remove shards of earlier plans whose inputs are all in this one.

        Others stay: they tell of sources that another run brings into the same folder.
        """
        mine = {name for piece in pieces for name in piece.ids()}
        strangers = sorted(shards.committed(self._state) - mine)
        if not strangers:
            return
        uris = {item.uri for piece in pieces for item in piece.shard.items}
        for name in strangers:
            if all(line["uri"] in uris for line in shards.lines_of(self._state, name)[1]):
                shards.remove(self._state, name)

    # ------------------------------------------------------------ counting

    def _count(self, records: Sequence[dict[str, Any]], reused: int = 0) -> None:
        now = self._progress
        bad = [record for record in records if not record["ok"]]
        self._statuses.update(record["status"] for record in records)
        self._errors.update(record["error"] for record in bad)
        good = [record for record in records if record["ok"]]
        self._progress = replace(
            now,
            done=now.done + len(records),
            reused=now.reused + reused,
            failed=now.failed + len(bad),
            bytes_in=now.bytes_in + sum(record.get("bytes_in") or 0 for record in good),
            bytes_out=now.bytes_out + sum(record.get("bytes_out") or 0 for record in good),
        )

    def _now(self) -> Progress:
        return replace(self._progress, seconds=time.perf_counter() - self._started)

    def summary(self, pieces: list[_Piece], engine: str) -> dict[str, Any]:
        """Return the run in numbers, as JSON knows it."""
        now = self._now()
        return {
            "items": now.total,
            "ok": now.done - now.failed,
            "failed": now.failed,
            "not_done": now.total - now.done,
            "reused": now.reused,
            "statuses": dict(sorted(self._statuses.items())),
            "errors": dict(sorted(self._errors.items())),
            "bytes_in": now.bytes_in,
            "bytes_out": now.bytes_out,
            "seconds": round(now.seconds, 3),
            "shards": len(pieces),
            "engine": engine,
            "worker_deaths": self._deaths,
            "stopped": self._stopped,
            **self._all_settings,
        }
