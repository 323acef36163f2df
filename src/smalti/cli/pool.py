"""Worker processes: the same work on many inputs, answers in input order.

Processes rather than threads, because the PNG optimizer holds Python's global
lock. Each worker has a pipe of its own and at most one piece of work, so a
worker that dies (out of memory, killed) fails that piece only and is replaced.
"""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

__all__ = ["Pool", "cores"]

PATIENCE = 10.0  # seconds that a worker may take to stop; no native call should take longer
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Work = TypeVar("Work")
Answer = TypeVar("Answer")


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(Generic[Work, Answer]):
    """`processes` workers that all call `work`; `lost` answers for a worker that died."""

    def __init__(
        self,
        work: Callable[[Work], Answer],
        processes: int,
        lost: Callable[[Work], Answer],
    ) -> None:
        self._work, self._processes, self._lost = work, processes, lost
        # Forked workers share what we have imported and start in milliseconds. Only Linux is
        # sure to allow it, and only because nothing here has started threads of its own yet.
        self._context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

    def answers(self, inputs: Sequence[Work]) -> Iterator[Answer]:
        """Yield the answer for each input, in input order, as soon as its turn comes."""
        waiting = deque(enumerate(inputs))
        workers: list[_Worker[Work]] = []
        answers: dict[int, Answer] = {}
        next_up = 0
        try:
            for _ in range(min(self._processes, len(inputs))):
                with _signals_held():
                    workers.append(self._hire())
                workers[-1].give(waiting)
            while next_up < len(inputs):
                self._collect(workers, waiting, answers)
                while next_up in answers:
                    yield answers.pop(next_up)
                    next_up += 1
        finally:
            for worker in workers:
                worker.dismiss()

    def _hire(self) -> "_Worker[Work]":
        return _Worker(self._context, self._work)

    def _collect(
        self,
        workers: list["_Worker[Work]"],
        waiting: "deque[tuple[int, Work]]",
        answers: dict[int, Answer],
    ) -> None:
        """Wait for some worker, note its answer, and give it the next input."""
        ready = wait([worker.pipe for worker in workers if worker.task is not None])
        for place, worker in enumerate(workers):
            if worker.pipe in ready and worker.task is not None:
                number, work = worker.task
                try:
                    answers[number] = worker.pipe.recv()
                except (EOFError, OSError):  # it died; its pipe closed with it
                    answers[number] = self._lost(work)
                    worker.dismiss()
                    with _signals_held():
                        workers[place] = worker = self._hire()
                worker.give(waiting)


class _Worker(Generic[Work]):
    """A process, our end of its pipe, and what it has in hand."""

    def __init__(self, context: Any, work: Callable[[Work], Any]) -> None:
        self.task: tuple[int, Work] | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.pipe, work), daemon=True)
        self.process.start()
        theirs.close()  # then the pipe ends when the process does

    def give(self, waiting: "deque[tuple[int, Work]]") -> None:
        """Hand over the next input, if one is left."""
        self.task = waiting.popleft() if waiting else None
        if self.task is not None:
            self.pipe.send(self.task[1])

    def dismiss(self) -> None:
        """End the process: at once if it waits, else after it has removed what it was writing."""
        self.pipe.close()
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait until a new process is on the list of those to end.

    The process inherits this, and so meets no signal before it has its own handlers.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _serve(pipe: Connection, other_end: Connection, work: Callable[[Any], Any]) -> None:
    """Answer inputs until told to end. Ctrl-C reaches the parent too, which then tells us."""
    other_end.close()  # inherited; while we hold it, we would not see that the parent is gone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError):  # the parent is gone
        return


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signum)
