"""What commands over collections share: flags of the engine, and progress as people and programs
read it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce

import click

from ..batch.runs import Progress
from .parameters import Decorator, knob
from .terminal import Bar, as_json, tell

__all__ = ["engine_options", "progress_shown"]

ENGINES = ("local", "dask")
PROGRESS = ("auto", "bar", "json", "none")
STEPS = 1000  # of the bar


def engine_options(state: str) -> Decorator:
    """Return the flags that say where the work is done, and when to give it up.

    state : what the help says about --state
    """
    flags = (
        knob("jobs", "-j", "--jobs"),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default=ENGINES[0],
            show_default=True,
            help="Processes of this machine, or a Dask cluster (extra [dask]).",
        ),
        click.option(
            "--address", metavar="tcp://HOST:PORT", help="The Dask scheduler; default: one here."
        ),
        click.option("--state", metavar="FOLDER|URL", help=state),
        click.option(
            "--max-errors",
            metavar="N|P%",
            help="Stop when more than N pictures, or P % of all, fail; looked at after each shard.",
        ),
        click.option(
            "--progress",
            type=click.Choice(PROGRESS),
            default=PROGRESS[0],
            show_default=True,
            help="A bar, JSON lines on standard error, or nothing; auto: a bar on a terminal.",
        ),
    )
    return lambda command: reduce(lambda done, flag: flag(done), reversed(flags), command)


@contextmanager
def progress_shown(
    wanted: str, quiet: bool, *, resumes: bool = True
) -> Iterator[Callable[[Progress], None]]:
    """Yield what shows progress; where the run is interrupted, say how far it was."""
    last = Progress(0)
    with Bar(STEPS, wanted=not quiet and wanted in ("auto", "bar")) as bar:

        def show(progress: Progress) -> None:
            nonlocal last
            last = progress
            if wanted == "json":
                tell(as_json(progress.to_dict()))
            bar.move(int(STEPS * progress.done / max(1, progress.total)), _label(progress))

        try:
            yield show
        except Exception:
            raise
        except BaseException:  # Ctrl-C, or a request to end
            bar.erase()
            rest = "the same command goes on" if resumes else "--state keeps them for the next time"
            done = "are done" if last.step == "compress" else "have been looked at"
            tell(f"{last.done:,} of {last.total:,} pictures {done}; {rest}")
            raise


def _label(progress: Progress) -> str:
    """Return what stands before the bar: how far, how fast, how long, and what came of it."""
    step = "" if progress.step == "compress" else "looking at colors, "
    words = [f"{step}{progress.done:,} of {progress.total:,}"]
    if progress.seconds_left is not None:
        words += [f"{progress.rate:.3g}/s", f"{_clock(progress.seconds_left)} left"]
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.bytes_saved:
        words.append(f"{_short(progress.bytes_saved)} saved")
    return ", ".join(words)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(size: int) -> str:
    """Return a number of bytes in three digits: 12.3 MB."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(value) < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"
