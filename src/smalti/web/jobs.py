"""Jobs: files in the making, few at a time, each in a process that can be killed.

    bytes, settings -> [Jobs.start] -> Job, whose events tell how far it is; then its file

A slider that moves on makes the file before it useless, so a newer job for the same
picture cancels the older one, and so does the page that goes away while it waits. To
cancel is to kill the process: a native loop knows no other way to stop. A process that
waits, all loaded, takes its place at once.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from ..errors import SmaltiError
from . import lines
from .worker import LENGTHS, frame

__all__ = ["Busy", "Crew", "Job", "Jobs", "Patience"]

Event = dict[str, Any]

SUFFIX = {"PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
TYPE = {"PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
ENDS = ("failed", "cancelled")


class Busy(SmaltiError):
    """There is no room in the queue."""


@dataclass(frozen=True)
class Patience:
    """What jobs may take."""

    at_once: int = 2
    queued: int = 64
    seconds: float = 120
    results: int = 24
    result_bytes: int = 256 * 2**20


class _Died(Exception):
    """The process of a worker ended in the middle of a job."""


class _Worker:
    """A process, and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    @classmethod
    async def started(cls) -> "_Worker":
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        # It must find this package, wherever the server found it.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "smalti.web.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
            )
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: Event, data: bytes) -> AsyncIterator[tuple[Event, bytes]]:
        """Send a job, and yield its events until it is over."""
        try:
            self._to.write(frame(request, b"")[: LENGTHS.size - 4])
            self._to.write(len(data).to_bytes(4, "little"))
            self._to.write(json.dumps(request).encode())
            self._to.write(data)
            await self._to.drain()
            while True:
                words, blob = LENGTHS.unpack(await self._from.readexactly(LENGTHS.size))
                event = json.loads(await self._from.readexactly(words))
                made = await self._from.readexactly(blob)
                if event["state"] == "over":
                    return
                yield event, made
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = await self._process.wait()
            how = f"signal {-code} ({_signal(-code)})" if code < 0 else f"exit code {code}"
            raise _Died(
                f"the process that made this file ended unexpectedly, by {how}; "
                "perhaps memory ran out: a smaller picture or --pack fast takes less"
            ) from error

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process is gone, and close its pipes."""
        await self._process.wait()
        self._to.close()
        with contextlib.suppress(Exception):
            await self._to.wait_closed()


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


class Crew:
    """The workers: as many as may be busy, and a spare one."""

    def __init__(self, at_once: int = Patience.at_once) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._spare: asyncio.Task[_Worker] | None = None
        self._busy: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def warm_up(self) -> None:
        """Start a process that waits, if none does."""
        if self._spare is None and not self._closed:
            self._spare = asyncio.ensure_future(_Worker.started())

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[_Worker]:
        """Lend a worker. Whoever leaves before its job is over leaves it to be killed."""
        async with self._slots:
            worker = await self._taken()
            self._busy.add(worker)
            self.warm_up()
            whole = False
            try:
                yield worker
                whole = True
            finally:
                self._busy.discard(worker)
                self._give_back(worker, whole)

    async def _taken(self) -> _Worker:
        while self._spare is not None:
            spare, self._spare = self._spare, None
            worker = await asyncio.shield(spare)
            if worker.alive:
                return worker
        return await _Worker.started()

    def _give_back(self, worker: _Worker, whole: bool) -> None:
        """Keep a worker for the next job, if there is room for it and it is well."""
        done = self._spare is not None and self._spare.done()
        if whole and worker.alive and not self._closed and not done:
            if self._spare is not None:  # still starting: not needed now
                self._end(self._spare)
            self._spare = asyncio.get_running_loop().create_future()  # type: ignore[assignment]
            self._spare.set_result(worker)  # type: ignore[union-attr]
            return
        worker.kill()
        self._await(worker)

    def _await(self, worker: _Worker) -> None:
        ending = asyncio.ensure_future(worker.ended())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _end(self, starting: Any) -> None:
        def kill(task: Any) -> None:
            if not task.cancelled() and not task.exception():
                task.result().kill()
                self._await(task.result())

        starting.add_done_callback(kill)

    def pids(self) -> list[int]:
        """Return the processes there are."""
        spare = self._spare.result() if self._spare is not None and self._spare.done() else None
        return [worker.pid for worker in (*self._busy, *([spare] if spare else []))]

    async def close(self) -> None:
        """Kill all processes, and wait until they are gone."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        if self._spare is not None:
            spare, self._spare = self._spare, None
            with contextlib.suppress(Exception):
                worker = await spare
                worker.kill()
                self._await(worker)
        while self._busy or self._ending:
            await asyncio.sleep(0.005)


@dataclass(eq=False)
class Job:
    """One file in the making. Its events stay, so that who asks late hears all."""

    id: str
    image: str
    name: str
    settings: dict[str, Any]
    events: list[Event] = field(default_factory=list)
    data: bytes = b""
    target: str = ""
    type: str = ""
    over: bool = False
    task: "asyncio.Task[None] | None" = None
    followers: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, event: Event) -> None:
        """Add an event."""
        self.events.append(event)
        self._wake()

    def end(self) -> None:
        """Say that nothing more comes."""
        self.over = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def cancel(self) -> None:
        """Stop it, if it is not over."""
        if self.task is not None and not self.over:
            self.task.cancel()

    async def follow(self) -> AsyncIterator[Event]:
        """Yield all events, from the first. When nobody listens any more, the job is cancelled."""
        self.followers += 1
        heard = 0
        try:
            while True:
                news = self._news
                while heard < len(self.events):
                    heard += 1
                    yield self.events[heard - 1]
                if self.over:
                    return
                await news.wait()
        finally:
            self.followers -= 1
            if not self.followers:
                self.cancel()


class Jobs:
    """All jobs, the newest last."""

    def __init__(self, crew: Crew, patience: Patience | None = None) -> None:
        self.crew = crew
        self._patience = patience or Patience()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def __getitem__(self, id: str) -> Job:  # noqa: A002
        return self._jobs[id]

    def start(self, image: str, name: str, data: bytes, settings: dict[str, Any]) -> Job:
        """Begin to make a file; what is in the making for the same picture is cancelled.

        Raises
        ------
        Busy : too many wait already.
        """
        for older in [job for job in self._jobs.values() if job.image == image]:
            older.cancel()
        if sum(not job.over for job in self._jobs.values()) >= self._patience.queued:
            raise Busy("too many files are in the making; wait for one of them")
        job = Job(secrets.token_urlsafe(12), image, name, settings)
        job.tell({"state": "queued", "stage": "", "done": 0.0})
        job.task = asyncio.ensure_future(self._lived(job, data))
        self._jobs[job.id] = job
        self._drop_old()
        return job

    async def _lived(self, job: Job, data: bytes) -> None:
        try:
            await self.make(job, data)
        finally:
            job.end()

    async def make(self, job: Job, data: bytes) -> None:
        """Make the file of a job, and tell its events. Whatever goes wrong is one of them."""
        request = {"do": "compress", "settings": job.settings}
        try:
            async with self.crew.worker() as worker, asyncio.timeout(self._patience.seconds):
                async for event, made in worker.ask(request, data):
                    if made:
                        job.data = made
                    job.tell(self._finished(job, event) if event["state"] == "done" else event)
        except TimeoutError:
            if not job.data:
                job.tell(_failed("TooSlow", self._too_slow()))
        except _Died as error:
            if not job.data:
                job.tell(_failed("WorkerDied", str(error)))
        except OSError as error:
            job.tell(_failed("WorkerDied", f"no process could be started: {error.strerror}"))
        except asyncio.CancelledError:
            job.tell({"state": "cancelled"})

    def _too_slow(self) -> str:
        return (
            f"it took longer than {self._patience.seconds:g} seconds; lower effort or pack, "
            "or use the command, which has no limit"
        )

    def _finished(self, job: Job, event: Event) -> Event:
        """Add to what the worker measured what only names and settings tell."""
        kind = event["format"]
        stem = PurePath(job.name).stem or "image"
        job.target = f"{stem}-{event['colors']}{SUFFIX[kind]}"
        job.type = TYPE[kind]
        larger = event["larger"]
        words = (job.name, job.target, job.settings)
        return {
            **event,
            "name": job.target,
            "type": job.type,
            "cli": lines.command_line(*words, larger=larger),
            "python": lines.snippet(*words, larger=larger),
        }

    async def palette(self, request: Event, data: bytes) -> list[str]:
        """Return one palette for many pictures, found by a worker.

        Raises
        ------
        SmaltiError : no palette could be found.
        """
        try:
            async with self.crew.worker() as worker, asyncio.timeout(self._patience.seconds):
                found: list[str] = []
                async for event, _ in worker.ask(request, data):
                    if event["state"] == "failed":
                        raise SmaltiError(event["error"]["message"])
                    found = event.get("palette", found)
                return found
        except TimeoutError:
            raise SmaltiError(self._too_slow()) from None
        except _Died as error:
            raise SmaltiError(str(error)) from error

    def cancel_of(self, image: str) -> None:
        """Cancel what is in the making for a picture."""
        for job in self._jobs.values():
            if job.image == image:
                job.cancel()

    def _drop_old(self) -> None:
        """Forget the oldest files where there are too many."""
        over = [job for job in self._jobs.values() if job.over]
        size = sum(len(job.data) for job in over)
        while over and (len(over) > self._patience.results or size > self._patience.result_bytes):
            oldest = over.pop(0)
            size -= len(oldest.data)
            del self._jobs[oldest.id]

    async def close(self) -> None:
        """Cancel all jobs, and end the processes."""
        tasks = [job.task for job in self._jobs.values() if job.task and not job.over]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.crew.close()


def _failed(kind: str, message: str) -> Event:
    return {"state": "failed", "error": {"kind": kind, "message": message}}
