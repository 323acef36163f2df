"""The engine on this machine: shards in worker processes, or one after the other right here.

    ShardJob -> [run] -> its records, or why there are none

A shard whose worker died is tried once more; then it is for the driver to divide
it. Workers are spawned, not forked: whoever calls us may have threads.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .pool import Failed, Lost, Pool, cores
from .shards import ShardJob, run_shard

__all__ = ["run"]

ATTEMPTS = 2  # for a shard whose worker dies
DIED = "WorkerDied"


def run(
    jobs: Iterable[ShardJob],
    *,
    workers: int | None = None,
    address: str | None = None,
    memory_limit: int | None = None,
) -> Iterator[tuple[ShardJob, list[dict[str, Any]] | None, str | None]]:
    """Yield (job, records, None) as shards are committed, or (job, None, what went wrong).

    Parameters
    ----------
    jobs : looked at one by one, as workers become free
    workers : processes (default: all cores); 1 works in this process unless there is a limit
    address : not for this engine
    memory_limit : bytes of address space that each process may take
    """
    workers = workers or cores()
    if workers == 1 and memory_limit is None:
        yield from _here(jobs)
    else:
        yield from _in_processes(jobs, workers, memory_limit)


def _here(
    jobs: Iterable[ShardJob],
) -> Iterator[tuple[ShardJob, list[dict[str, Any]] | None, str | None]]:
    for job in jobs:
        try:
            records = run_shard(job)
        except Exception as error:
            yield job, None, _said(type(error).__name__, str(error))
        else:
            yield job, records, None


def _in_processes(
    jobs: Iterable[ShardJob], workers: int, memory_limit: int | None
) -> Iterator[tuple[ShardJob, list[dict[str, Any]] | None, str | None]]:
    fresh, again = iter(jobs), deque[ShardJob]()

    def take() -> ShardJob | None:
        return again.popleft() if again else next(fresh, None)

    pool = Pool[ShardJob, list[dict[str, Any]]](run_shard, workers, memory_limit=memory_limit)
    for _, job, answer in pool.as_they_come(take):
        if isinstance(answer, Failed):
            yield job, None, _said(answer.error, answer.message)
        elif not isinstance(answer, Lost):
            yield job, answer, None
        elif job.attempts < ATTEMPTS:
            again.append(replace(job, attempts=job.attempts + 1))
        else:
            yield job, None, DIED


def _said(error: str, message: str) -> str:
    return f"{error}: {message}"
