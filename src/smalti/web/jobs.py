"""Jobs: files in the making, few at a time, each in a process that can be killed.

    bytes, settings -> [Jobs.start] -> Job, whose events tell how far it is; then its file

A slider that moves on makes the file before it useless, so a newer job for the same
picture cancels the older one, and so does the page that goes away while it waits. To
cancel is to kill the process, wherever it is: in the encoder's loops, too, which know no
other way to stop. A process that waits, all loaded, takes its place at once.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ..errors import SmaltiError
from . import lines
from .worker import LENGTHS

__all__ = ["ENDS", "Busy", "Crew", "Feed", "Job", "Jobs", "Patience"]

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


class _Failed(Exception):
    """A worker came to no end by itself: it died, or took too long."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Worker:
    """A process, and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    @classmethod
    async def started(cls) -> "_Worker":
        # It must find this package wherever the server found it, and nothing in the current folder.
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "smalti.web.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: Event, data: bytes) -> AsyncGenerator[tuple[Event, bytes], None]:
        """Send a job, and yield its events until it is over."""
        try:
            words = json.dumps(request).encode()
            self._to.writelines([LENGTHS.pack(len(words), len(data)), words, data])
            await self._to.drain()
            while True:
                event, made = await self._heard()
                if event["state"] == "over":
                    return
                yield event, made
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = await self._process.wait()
            how = f"signal {_signal(-code)}" if code < 0 else f"exit code {code}"
            raise _Failed(
                "WorkerDied",
                f"the process that made this file ended unexpectedly, by {how}; if memory ran "
                "out, a smaller picture takes less",
            ) from error

    async def _heard(self) -> tuple[Event, bytes]:
        words, blob = LENGTHS.unpack(await self._from.readexactly(LENGTHS.size))
        event: Event = json.loads(await self._from.readexactly(words))
        return event, await self._from.readexactly(blob)

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
    return str(number)


class Crew:
    """The workers: as many as may be busy, and a spare one."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._spare: asyncio.Future[_Worker] | None = None
        self._busy: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def warm_up(self) -> None:
        """Start a process that waits, if none does."""
        if self._spare is None and not self._closed:
            self._spare = asyncio.ensure_future(_Worker.started())

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[_Worker]:
        """Lend a worker; it is killed if the borrower leaves by an exception."""
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
                if whole and worker.alive and not self._closed:
                    self._keep(worker)
                else:
                    self._end(worker)

    async def _taken(self) -> _Worker:
        """Return the spare worker, or a new one."""
        while self._spare is not None:
            spare, self._spare = self._spare, None
            try:
                worker = await asyncio.shield(spare)
            except asyncio.CancelledError:
                self._end_when_started(spare)
                raise
            if worker.alive:
                return worker
        return await _Worker.started()

    def _keep(self, worker: _Worker) -> None:
        """Make a worker the spare one, unless there is one that is ready."""
        if self._spare is not None and self._spare.done():
            self._end(worker)
            return
        if self._spare is not None:
            self._end_when_started(self._spare)
        self._spare = asyncio.get_running_loop().create_future()
        self._spare.set_result(worker)

    def _end(self, worker: _Worker) -> None:
        worker.kill()
        ending = asyncio.ensure_future(worker.ended())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _end_when_started(self, starting: "asyncio.Future[_Worker]") -> None:
        def end(started: "asyncio.Future[_Worker]") -> None:
            if not started.cancelled() and not started.exception():
                self._end(started.result())

        starting.add_done_callback(end)

    def pids(self) -> list[int]:
        """Return the processes there are."""
        ready = self._spare is not None and self._spare.done() and not self._spare.exception()
        spare = [self._spare.result()] if ready and self._spare is not None else []
        return [worker.pid for worker in (*self._busy, *spare) if worker.alive]

    async def close(self) -> None:
        """Kill all processes, and wait until they are gone."""
        self._closed = True
        for worker in list(self._busy):
            worker.kill()
        spare, self._spare = self._spare, None
        if spare is not None:
            with contextlib.suppress(Exception):
                self._end(await spare)
        while self._busy or self._ending:
            await asyncio.sleep(0.005)


@dataclass(eq=False)
class Feed:
    """Work, and its events as they come. They stay, so that who asks late hears all."""

    events: list[Event] = field(default_factory=list)
    over: bool = False
    on_event: Callable[[Event], None] | None = None
    _task: "asyncio.Task[None] | None" = None
    _followers: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start to work, in a task. However that ends, the last event says so."""
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            self.tell(self.cancelled())
        elif error := task.exception():
            self.tell(self.failed("Bug", f"a bug in smalti: {type(error).__name__}: {error}"))
        self.over = True
        self._wake()

    def cancelled(self) -> Event:
        """Return the last event of work that was cancelled."""
        return {"state": "cancelled"}

    def failed(self, kind: str, message: str) -> Event:
        """Return the last event of work that failed."""
        return {"state": "failed", "error": {"kind": kind, "message": message}}

    def tell(self, event: Event) -> None:
        """Add an event."""
        self.events.append(event)
        if self.on_event:
            self.on_event(event)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def cancel(self) -> None:
        """Stop the work, if it is not over."""
        if self._task is not None and not self.over:
            self._task.cancel()

    async def stopped(self) -> None:
        """Cancel, and wait until it is over."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def follow(self) -> AsyncIterator[Event]:
        """Yield all events, from the first. When the last listener goes away, work is cancelled."""
        self._followers += 1
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
            self._followers -= 1
            if not self._followers:
                self.cancel()


class Job(Feed):
    """One file in the making."""

    def __init__(self, id: str, image: str, name: str, settings: dict[str, Any]) -> None:  # noqa: A002
        super().__init__()
        self.id, self.image, self.name, self.settings = id, image, name, settings
        self.data, self.target, self.type = b"", "", ""


class Jobs:
    """All jobs, the newest last."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.crew = Crew(self.patience.at_once)
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def __getitem__(self, id: str) -> Job:  # noqa: A002
        return self._jobs[id]

    def start(self, image: str, name: str, data: bytes, settings: dict[str, Any]) -> Job:
        """Begin to make a file; what is in the making for the same picture is cancelled.

        Raises
        ------
        Busy : too many wait already.
        """
        self.cancel_of(image)
        if sum(not job.over for job in self._jobs.values()) >= self.patience.queued:
            raise Busy("too many files are in the making; wait for one of them")
        job = Job(secrets.token_urlsafe(12), image, name, settings)
        job.tell({"state": "queued", "stage": "", "done": 0.0})
        job.begin(self.make(job, data))
        self._jobs[job.id] = job
        self._drop_old()
        return job

    async def quiet(self, image: str, seconds: float = 10.0) -> None:
        """Wait until no file of a picture is in the making, but not for ever."""
        end = asyncio.get_running_loop().time() + seconds
        while any(job.image == image and not (job.over or job.data) for job in self._jobs.values()):
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(0.05)

    async def make(self, job: Job, data: bytes) -> None:
        """Make the file of a job and tell its events; whatever goes wrong is one of them."""
        request = {"do": "compress", "settings": job.settings}
        try:
            async with self._asked(request, data) as answers:
                async for event, made in answers:
                    if made:
                        job.data = made
                    job.tell(_finished(job, event) if event["state"] == "done" else event)
        except _Failed as error:
            if not job.data:  # else only what was to be measured is missing
                job.tell(job.failed(error.kind, str(error)))

    async def palette(self, request: Event, data: bytes) -> list[str]:
        """Return one palette for many pictures, found by a worker.

        Raises
        ------
        SmaltiError : there is none.
        """
        found: list[str] = []
        try:
            async with self._asked(request, data) as answers:
                async for event, _ in answers:
                    if event["state"] == "failed":
                        raise SmaltiError(event["error"]["message"])
                    found = event.get("palette", found)
        except _Failed as error:
            raise SmaltiError(str(error)) from error
        return found

    @contextlib.asynccontextmanager
    async def _asked(
        self, request: Event, data: bytes
    ) -> AsyncIterator[AsyncIterator[tuple[Event, bytes]]]:
        """Give the events of a worker; _Failed if it does not come to an end by itself."""
        seconds = self.patience.seconds
        try:
            async with (
                self.crew.worker() as worker,
                asyncio.timeout(seconds),
                contextlib.aclosing(worker.ask(request, data)) as answers,
            ):
                yield answers
        except TimeoutError:
            raise _Failed(
                "TooSlow",
                f"it took longer than {seconds:g} seconds; a lower effort or pack is faster, and "
                "the command has no limit",
            ) from None
        except OSError as error:
            raise _Failed("WorkerDied", f"no process could be started: {error.strerror}") from error

    def cancel_of(self, image: str) -> None:
        """Cancel what is in the making for a picture."""
        for job in self._jobs.values():
            if job.image == image:
                job.cancel()

    def _drop_old(self) -> None:
        """Forget the oldest files where there are too many."""
        over = [job for job in self._jobs.values() if job.over]
        size = sum(len(job.data) for job in over)
        while over and (len(over) > self.patience.results or size > self.patience.result_bytes):
            oldest = over.pop(0)
            size -= len(oldest.data)
            del self._jobs[oldest.id]

    async def close(self) -> None:
        """Cancel all jobs, and end the processes."""
        for job in list(self._jobs.values()):
            await job.stopped()
        await self.crew.close()


def _finished(job: Job, event: Event) -> Event:
    """Add to what the worker measured what only names and settings tell."""
    kind = event["format"]
    job.target = f"{PurePath(job.name).stem or 'image'}-{event['colors']}{SUFFIX[kind]}"
    job.type = TYPE[kind]
    words = (job.name, job.target, job.settings)
    return {
        **event,
        "name": job.target,
        "type": job.type,
        "cli": lines.command_line(*words, larger=event["larger"]),
        "python": lines.snippet(*words, larger=event["larger"]),
    }
