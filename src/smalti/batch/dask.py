"""The engine on many machines: shards on the workers of a Dask cluster.

    ShardJob -> scheduler -> worker: [run_shard] -> records

What travels is the description of a shard, and back come its records. Pictures
are read and written by the workers, and histograms go to the state folder, so
the scheduler never holds more than a few shards' names for each worker.

Everything may die. A worker: its shards go to others, and what still kills its
worker is run alone until it is certain. The scheduler, which remembers nothing:
we wait for it to come back and give it again what was not answered. A shard
that is done twice gives the same bytes.

Source: the documentation of Dask distributed, https://distributed.dask.org.
"""

import contextlib
import logging
import os
import pickle
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..errors import BadOption, MissingExtra
from ..sources import shown
from .places import exists, is_url, path_of
from .pool import ONE_THREAD, Broken, cores
from .shards import ShardJob, run_shard
from .versions import difference, installed

__all__ = ["run"]

DIED = "WorkerDied"
IN_FLIGHT = 4  # shards for each slot: enough that none waits for us, few enough to lose
PATIENCE = 60.0  # seconds for a scheduler to come back, or for a first worker
NO_WORKERS = 600.0  # seconds in which some worker has to come back
GLANCE = 5.0  # seconds between looks at how many workers there are
FAILURES = 1  # deaths that a shard may cause on our own workers before it counts as the cause
LOG = logging.getLogger("smalti.batch")
UNWATCHED: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""Of a cluster of our own, which has no pages to show what is measured here up to 1000 times a
second, and no cores to spare for it."""

Outcome = tuple[ShardJob, list[dict[str, Any]] | None, str | None]


def run(
    jobs: Iterable[ShardJob], *, workers: int | None = None, address: str | None = None
) -> Iterator[Outcome]:
    """Yield (job, records, None) as shards are committed, or (job, None, what went wrong).

    Parameters
    ----------
    jobs : looked at one by one, as there is room: 4 shards for each slot are on their way
    workers : processes of a cluster of our own on this machine (default: all cores)
        With `address` there are as many as were started.
    address : of a Dask scheduler, as tcp://host:8786
        None: a cluster of our own, which goes when this ends.

    Raises
    ------
    MissingExtra : Dask distributed is not installed.
    BadOption : there is no scheduler at `address`.
    Broken : workers have other versions, there are none, or the scheduler does not come back.
    """
    cluster = _Cluster(address, workers or cores())
    try:
        yield from _outcomes(cluster, iter(jobs))
    finally:
        cluster.close()


def _outcomes(cluster: "_Cluster", jobs: Iterator[ShardJob]) -> Iterator[Outcome]:
    suspects: deque[ShardJob] = deque()
    while True:
        while cluster.has_room() and (job := next(jobs, None)) is not None:
            cluster.give(job)
        if cluster.idle:
            if not suspects:
                return
            cluster.give(suspects.popleft())  # alone: who kills its worker now is the cause
        job, records, message = cluster.answer()
        if message == DIED and len(job.items) == 1 and job.attempts == 1:
            suspects.append(replace(job, attempts=2))  # or it was beside one
        else:
            yield job, records, message


# ---------------------------------------------------------------- on the worker


def _do(packed: bytes, expected: dict[str, str], folder: str | None) -> tuple[str, Any]:
    """Do a shard; whatever goes wrong is an answer, not a traceback in a worker's log."""
    if difference(expected, installed()):  # a worker that joined later
        return "stranger", None
    try:
        with _inside(folder):
            return "done", run_shard(pickle.loads(packed))
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


_guests = 0
_turn = threading.Condition()


@contextlib.contextmanager
def _inside(folder: str | None) -> Iterator[None]:
    """Work in the driver's folder, where its relative paths lead somewhere; None: there are none.

    A process is in one folder. Its threads may share that, and wait for others to leave it.
    """
    global _guests
    if folder is None:
        yield
        return
    with _turn:
        _turn.wait_for(lambda: _guests == 0 or os.getcwd() == folder)
        os.chdir(folder)
        _guests += 1
    try:
        yield
    finally:
        with _turn:
            _guests -= 1
            _turn.notify_all()


def _introduce(*needed: str) -> tuple[dict[str, str], list[str]]:
    """Return this worker's versions, and which places it does not see."""
    return installed(), [place for place in needed if not exists(place)]


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the process that started this worker.

    Dask calls this when a worker of our own starts.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# ---------------------------------------------------------------- the cluster


class _Cluster:
    """A scheduler and its workers, as far as we know; and what we gave them to do."""

    def __init__(self, address: str | None, workers: int) -> None:
        self._distributed = _library()
        self._address, self._versions = address, installed()
        self._own: Any = None
        self._client: Any = None
        self._at_work: dict[str, tuple[ShardJob, Any]] = {}  # key -> job, future
        self._answered: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._given = 0
        self._state = ""  # of the shards, and the folder that their relative paths begin at
        self._folder: str | None = None
        self._strangers: set[str] = set()  # addresses of workers with other versions
        self._slots, self._looked, self._seen = 0, -GLANCE, time.monotonic()
        self._loud = _hush()
        try:
            if address is None:
                self._own = self._found(workers)
            self._client = self._connected(PATIENCE / 6)
        except BaseException:
            self.close()
            raise

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._at_work

    def has_room(self) -> bool:
        """Whether another shard may be on its way."""
        if time.monotonic() - self._looked > GLANCE:
            self._look()
        return len(self._at_work) < IN_FLIGHT * max(1, self._slots)

    def give(self, job: ShardJob) -> None:
        """Send a shard on its way."""
        if self._state != job.state:
            self._state, self._folder = job.state, _folder_of(job)
            self._admit()
        self._given += 1
        key = f"smalti-{job.id}-{self._given}"
        # Packed, so that neither Dask nor another version of us looks inside.
        future = self._client.submit(
            _do,
            pickle.dumps(job),
            self._versions,
            self._folder,
            key=key,
            pure=False,
            workers=self._welcome(),
        )
        self._at_work[key] = job, future
        future.add_done_callback(self._answered.put)

    def answer(self) -> Outcome:
        """Wait for a shard to come back."""
        while True:
            try:
                future = self._answered.get(timeout=1)
            except queue.Empty:
                self._look_after()
                continue
            if future.key not in self._at_work:  # of a connection that was lost
                continue
            outcome = self._heard(future)
            if outcome is not None:
                return outcome

    def close(self) -> None:
        """Leave nothing behind: no shard on its way, no process of ours."""
        with contextlib.suppress(Exception):  # it may be gone; then there is nothing to tell it
            self._client.cancel([future for _, future in self._at_work.values()], force=True)
        self._at_work.clear()
        for each in (self._client, self._own):
            if each is not None:
                with contextlib.suppress(Exception):
                    each.close(timeout=10)
        self._client = self._own = None
        self._loud()

    # ------------------------------------------------------------ answers

    def _heard(self, future: Any) -> Outcome | None:
        """Return the outcome of a shard, or None if it is on its way once more."""
        job, _ = self._at_work.pop(future.key)
        try:
            if future.status in ("cancelled", "lost"):
                raise ConnectionError(future.status)
            kind, value = future.result(timeout=PATIENCE)
        except self._distributed.KilledWorker:
            return job, None, DIED
        except (OSError, TimeoutError, self._distributed.CancelledError):
            self._again(future.key, job)
            return None
        except Exception as error:  # a worker without smalti cannot even unpack it
            if not self._admit():
                return job, None, f"{type(error).__name__}: {error}"
            kind, value = "stranger", None
        finally:
            future.release()
        if kind == "done":
            return job, value, None
        if kind == "failed":
            return job, None, str(value)
        self._admit()
        self.give(job)
        return None

    def _again(self, key: str, job: ShardJob) -> None:
        """Give a shard once more whose answer was lost on the way."""
        if self._client.status == "running":
            self.give(job)
        else:
            self._at_work[key] = job, None
            self._reconnect()

    # ------------------------------------------------------------ who is there

    def _look_after(self) -> None:
        """Make sure that an answer can still come."""
        if self._client.status != "running":
            self._reconnect()
        elif time.monotonic() - self._looked > GLANCE:
            self._look()

    def _look(self) -> None:
        """Count the slots of the workers that are there now."""
        try:
            threads = self._client.nthreads()
        except (OSError, TimeoutError, self._distributed.CancelledError):
            return  # the scheduler is gone, which is noticed when no answer comes
        now = time.monotonic()
        before, self._slots = (
            self._slots,
            sum(count for worker, count in threads.items() if worker not in self._strangers),
        )
        self._looked = now
        if self._slots:
            self._seen = now
        elif now - self._seen > NO_WORKERS:
            raise Broken(f"no worker came back to the Dask scheduler{self._at()} in ten minutes")
        elif before:
            LOG.warning("smalti: no Dask worker is left; waiting for one")

    def _welcome(self) -> list[str] | None:
        """Return the workers that may be given something; None: all."""
        if not self._strangers:
            return None
        return sorted(set(self._client.nthreads()) - self._strangers)

    def _admit(self) -> bool:
        """Look at the versions of all workers; return whether some are new strangers.

        Raises
        ------
        Broken : there is no other worker, or no shard was given yet, and all of them can be put
            right before any work.
        """
        state = self._state if is_url(self._state) else os.path.abspath(path_of(self._state))
        needed = (state, self._folder) if self._folder else (state,)
        answers = self._client.run(_introduce, *needed, on_error="return")
        found = {worker: self._strangeness(answer) for worker, answer in answers.items()}
        strange = {worker: how for worker, how in found.items() if how}
        new = sorted(set(strange) - self._strangers)
        self._strangers |= strange.keys()
        if new and (not self._given or len(strange) == len(found)):
            more = f" ({len(new) - 1} more differ)" if len(new) > 1 else ""
            raise Broken(
                f"the Dask worker {new[0]} {strange[new[0]]}{more}; all machines need the same "
                "versions, and the same folders or buckets"
            )
        for worker in new:
            LOG.warning("smalti: Dask worker %s is left out: %s", worker, strange[worker])
        return bool(new)

    def _strangeness(self, answer: Any) -> str:
        if isinstance(answer, Exception):
            return f"cannot load smalti ({type(answer).__name__}: {shown(str(answer))})"
        versions, missing = answer
        unlike = difference(self._versions, versions)
        if unlike:
            return f"has {unlike}"
        return f"does not see {shown(missing[0])}" if missing else ""

    # ------------------------------------------------------------ coming and going

    def _at(self) -> str:
        return f" at {self._address}" if self._address else ""

    def _found(self, workers: int) -> Any:
        """Start a scheduler in this process and workers beside it."""
        pages = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # with nothing on them
        try:
            with _config(UNWATCHED):
                return self._distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    scheduler_kwargs={"allowed_failures": FAILURES, **pages},
                    security=_own_keys(),
                    env=dict(ONE_THREAD),
                    preload=[__name__],
                )
        except (RuntimeError, OSError, TimeoutError) as error:
            raise Broken(f"Dask's workers do not start: {error}") from error

    def _connected(self, patience: float) -> Any:
        """Return a client of the scheduler, once it has a worker."""
        to = self._own or self._address
        try:
            client = self._distributed.Client(to, timeout=patience, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise BadOption(
                f"no Dask scheduler answers{self._at()}; start one with dask scheduler, "
                "or leave out --address to work on this machine"
            ) from error
        except ValueError as error:
            raise BadOption(
                f"the address of a Dask scheduler looks like tcp://host:8786, got {self._address}"
            ) from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            client.close(timeout=1)
            raise Broken(
                f"the Dask scheduler{self._at()} has no workers; start some with "
                f"dask worker {self._address}"
            ) from error
        return client

    def _reconnect(self) -> None:
        """Wait for the scheduler to come back, and give it again what it has forgotten."""
        LOG.warning("smalti: the Dask scheduler%s is gone; waiting for it", self._at())
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._client = self._connected(2)
                break
            except BadOption as error:
                if time.monotonic() > deadline:
                    raise Broken(
                        f"the Dask scheduler{self._at()} did not come back; start it and its "
                        "workers again, then run the same command once more: it goes on from here"
                    ) from error
                time.sleep(1)
        self._strangers.clear()
        self._admit()
        lost, self._at_work = self._at_work, {}
        for job, _ in lost.values():
            self.give(job)


def _library() -> Any:
    """Return the module `distributed`."""
    try:
        import distributed
    except ImportError as error:
        raise MissingExtra(
            "the engine dask needs Dask distributed; install it with pip install '.[dask]'"
        ) from error
    return distributed


def _folder_of(job: ShardJob) -> str | None:
    """Return the folder that relative paths of a shard begin at; None if it has none."""
    paths = (job.state, job.items[0].uri, getattr(job.work, "out_dir", ""))
    relative = any(path and not is_url(path) and not os.path.isabs(path_of(path)) for path in paths)
    return os.getcwd() if relative else None


def _config(values: dict[str, Any]) -> Any:
    import dask.config

    return dask.config.set(values)


def _own_keys() -> Any:
    """Return keys for as long as this run, or any user of this machine might talk to our workers.

    None where the package that makes them is missing: it comes with the extra.
    """
    from distributed.security import Security

    try:
        return Security.temporary()  # type: ignore[no-untyped-call]
    except ImportError:
        return None


def _hush() -> Callable[[], None]:
    """Silence Dask's own log: what matters in it we say in one line. Return how to undo that."""
    known = logging.root.manager.loggerDict
    loggers = [logging.getLogger(name) for name in known if name.split(".")[0] == "distributed"]
    before = [logger.level for logger in loggers]

    def undo() -> None:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    return undo
