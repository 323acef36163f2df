"""Worker processes: the same work on many inputs, whatever becomes of a worker.

    inputs -> [Pool] -> answers, or Lost for an input whose worker died

Processes rather than threads, because the PNG optimizer holds Python's global
lock. Each worker has a pipe of its own and at most one piece of work, so a
worker that dies (out of memory, killed) loses that piece only and is replaced;
the pools of `concurrent.futures` are broken by it as a whole. No worker outlives
the process that hired it, even if that is killed outright.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

from ..errors import SmaltiError
from ..files import abandon

__all__ = ["Broken", "Failed", "Lost", "Pool", "cores"]

PATIENCE = 10.0  # seconds that a worker may take to stop; no native call should take longer
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that this process gets when its parent dies
READY = "ready"
NO_START = (
    "worker processes die as they start; a script must do its work below "
    '`if __name__ == "__main__":`, as they import it, and jobs=1 needs no workers'
)
FALSE_STARTS = 3
MORE_FALSE_STARTS = 20
"""Workers in a row that die before they are ready: then it is no accident. Where others were ready
before, it may be one for longer: a machine without memory left."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
"""What keeps native libraries to one thread: there is a worker for each core already."""

Work = TypeVar("Work")
Answer = TypeVar("Answer")


class Broken(SmaltiError):
    """Workers cannot even start."""


@dataclass(frozen=True)
class Lost:
    """What comes instead of an answer when a worker died."""

    exit_code: int | None


@dataclass(frozen=True)
class Failed:
    """What comes instead of an answer when the work raised: the error's class and message."""

    error: str
    message: str


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(Generic[Work, Answer]):
    """`processes` workers that all call `work`.

    Parameters
    ----------
    work : callable, pickled to the workers unless they are forked
    processes : int >= 1
    fork : share what is imported here, and start in milliseconds
        Only Linux is sure to allow it, and only where no threads of our own were started.
    memory_limit : bytes of address space that each local process may take
    environment : variables that workers start with besides ours; they are not for forked ones
    """

    def __init__(
        self,
        work: Callable[[Work], Answer],
        processes: int,
        *,
        fork: bool = False,
        memory_limit: int | None = None,
        environment: Mapping[str, str] = ONE_THREAD,
    ) -> None:
        self._processes = processes
        fork = fork and sys.platform == "linux"
        self._serving = (work, None if fork else os.getpid(), memory_limit)
        self._context = multiprocessing.get_context("fork" if fork else "spawn")
        self._environment = {} if fork else environment
        self._false_starts, self._ever_ready = 0, False

    def answers(self, inputs: Iterable[Work], lost: Callable[[Work], Answer]) -> Iterator[Answer]:
        """Yield the answer for each input, in input order, as soon as its turn comes."""
        rest = iter(inputs)
        waiting: dict[int, Answer] = {}
        next_up = 0
        for number, work, answer in self.as_they_come(lambda: next(rest, None)):
            waiting[number] = lost(work) if isinstance(answer, Lost | Failed) else answer
            while next_up in waiting:
                yield waiting.pop(next_up)
                next_up += 1

    def as_they_come(
        self, take: Callable[[], Work | None]
    ) -> Iterator[tuple[int, Work, Answer | Lost | Failed]]:
        """Yield (number, input, answer) as answers come; the number counts what `take` gave.

        `take` may have no input now and one later, after an answer was looked at. This ends
        when there is none and nobody is at work.
        """
        crew: list[_Worker[Work]] = []
        tasks = _Tasks(take)
        try:
            while True:
                self._employ(crew, tasks)
                busy = {worker.pipe: worker for worker in crew if worker.task is not None}
                if not busy:
                    return
                answers = []
                for pipe in wait(list(busy)):
                    worker = busy[pipe]
                    answers += self._heard(worker, crew)
                self._employ(crew, tasks)  # before anybody looks at the answers: that takes time
                yield from answers
        finally:
            _dismiss(crew)

    def _employ(self, crew: list["_Worker[Work]"], tasks: "_Tasks[Work]") -> None:
        """Give everybody something to do, and hire while there is more."""
        for worker in crew:
            if worker.task is None and not worker.give(tasks.next()):
                return
        while len(crew) < self._processes and (task := tasks.next()) is not None:
            self._hire(crew).give(task)

    def _hire(self, crew: list["_Worker[Work]"]) -> "_Worker[Work]":
        with _signals_held(), _variables(self._environment):
            crew.append(_Worker(self._context, self._serving))
        return crew[-1]

    def _heard(
        self, worker: "_Worker[Work]", crew: list["_Worker[Work]"]
    ) -> list[tuple[int, Work, Any]]:
        """Return what a worker says about its task, if it is about that."""
        assert worker.task is not None
        number, work = worker.task
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):  # it died; its pipe closed with it
            crew.remove(worker)
            _dismiss([worker])
            if worker.ready:
                return [(number, work, Lost(worker.process.exitcode))]
            self._false_starts += 1
            if self._false_starts == (MORE_FALSE_STARTS if self._ever_ready else FALSE_STARTS):
                raise Broken(NO_START) from None
            self._hire(crew).give((number, work))
            return []
        if not worker.ready:
            self._false_starts, self._ever_ready = 0, True
            worker.begin()
            return []
        worker.task = None
        return [(number, work, answer)]


class _Tasks(Generic[Work]):
    """The inputs, counted."""

    def __init__(self, take: Callable[[], Work | None]) -> None:
        self._take, self._count = take, 0

    def next(self) -> tuple[int, Work] | None:
        work = self._take()
        if work is None:
            return None
        self._count += 1
        return self._count - 1, work


class _Worker(Generic[Work]):
    """A process, our end of its pipe, and what it has in hand."""

    def __init__(self, context: Any, serving: tuple[Any, ...]) -> None:
        self.task: tuple[int, Work] | None = None
        self.ready = False  # a pipe holds little: what is sent before that might block us
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, self.pipe, *serving)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()  # then the pipe ends when the process does

    def give(self, task: tuple[int, Work] | None) -> bool:
        """Hand over an input, if there is one."""
        self.task = task
        if task is not None and self.ready:
            self.begin()
        return task is not None

    def begin(self) -> None:
        """Send what is in hand."""
        self.ready = True
        assert self.task is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen when we listen
            self.pipe.send(self.task[1])


def _dismiss(workers: list[_Worker[Any]]) -> None:
    """End processes: at once those that wait, others after removing what they were writing."""
    for worker in workers:
        worker.pipe.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait until a new process is on the list of those to end.

    The process inherits this, and so meets no signal before it has its own handlers.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---------------------------------------------------------------- in the worker


def _serve(
    pipe: Connection,
    other_end: Connection,
    work: Callable[[Any], Any],
    parent: int | None,
    memory_limit: int | None,
) -> None:
    """Answer inputs until told to end. Ctrl-C reaches the parent too, which then tells us."""
    other_end.close()  # inherited; while we hold it, we would not see that the parent is gone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    sys.unraisablehook = _unraisable
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if parent is not None:
        _die_with(parent)
    if memory_limit is not None:
        _limit_memory(memory_limit)
    try:
        pipe.send(READY)
        while True:
            pipe.send(_answer(pipe, work))
    except (EOFError, OSError):  # the parent is gone, or needs us no more
        _ignore_term()  # we are about to end anyway


def _answer(pipe: Connection, work: Callable[[Any], Any]) -> Any:
    try:
        task = pipe.recv()
    except (EOFError, OSError):
        raise
    except Exception as error:  # what came cannot be unpickled here
        return Failed(type(error).__name__, str(error))
    try:
        return work(task)
    except Exception as error:
        return Failed(type(error).__name__, str(error))


def _die_with(parent: int) -> None:
    """Let this process end with its parent, even in the middle of a long native call."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if os.name == "posix" else None
    if prctl is not None:  # Linux
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)
        return
    process = multiprocessing.parent_process()
    if process is not None:
        threading.Thread(target=_watch, args=(process.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> NoReturn:
    wait([sentinel])
    os._exit(1)


def _limit_memory(limit: int) -> None:
    """Make what would take more bytes fail with MemoryError, rather than the machine."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _ignore_term() -> None:
    with contextlib.suppress(OSError):  # one has come just now, and Python knows no way back
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    _ignore_term()
    abandon()
    sys.exit(128 + signum)  # an exception, as uploads have an end of their own


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """End, if what got lost is the request to: it may be raised where nothing can catch it."""
    if lost.exc_type is SystemExit:
        os._exit(128 + signal.SIGTERM)
    sys.__unraisablehook__(lost)
