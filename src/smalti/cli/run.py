"""Doing the jobs, here or in worker processes, and telling how each went.

A job ends in an Outcome: compressed, kept (the result would have been larger, so
the original went where it belongs), unchanged (what is there is what would be
written), left (nothing to do with it), failed, or, where nothing shall be written,
shrinks. Outcomes are plain values that travel between processes, and are told in
the order of the inputs.
"""

import io
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..attempts import Try
from ..compress import Report
from ..compress import compress as library_compress
from ..decode import Limits
from ..errors import (
    AlreadyCompressed,
    BadImage,
    CannotWrite,
    LimitExceeded,
    NotSmaller,
    OutputExists,
    SmaltiError,
)
from ..files import check_standard_output, check_writable, shown, write_atomic
from ..formats import format_of
from ..headers import sniff
from ..kmeans import Step
from ..metadata import of_copy
from ..sources import read_source
from .check import Failure, Findings, Over, Shrinks, text_of
from .jobs import STANDARD, Job, Plan
from .terminal import Bar, as_json, blame, complain, paint, say, tell

__all__ = ["Settings", "run", "standard_input"]

SOME_FAILED = 1
WOULD_CHANGE = 1
STAGES = {"decode": 0, "histogram": 15, "palette": 20, "map": 60, "encode": 65, "write": 95}
"""Where on the progress bar, in percent, each stage begins."""
SEARCHED = ("quality", "min_score", "max_bytes")
"""Options that make a search of a job: all of its stages but the last come again and again."""


@dataclass(frozen=True)
class Settings:
    """What all jobs have in common: the library's options, and what to print.

    over : with `--check`, by how much files must shrink to be told; else None
    reports : (format, path) of the reports of a check; the path "-" is standard output
    command : the command line that does what was checked, without files
    everything : the words for all files
    in_place : whether it was asked for by this name: then nothing to gain is no failure
    processes : how many work at the same time
    """

    options: dict[str, Any]
    jobs: int | None = None
    over: Over | None = None
    reports: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    everything: tuple[str, ...] = ()
    in_place: bool = False
    json: bool = False
    explain: bool = False
    show: bool = False
    verbose: bool = False
    quiet: bool = False
    debug: bool = False
    processes: int = 1


@dataclass(frozen=True)
class Outcome:
    """How one job ended."""

    job: Job
    status: str  # "compressed", "kept", "unchanged", "left", "shrinks" or "failed"
    exit_code: int = 0
    message: str = ""
    report: Report | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    steps: list[str] = field(default_factory=list)  # lines of --verbose
    trace: str = ""  # of --debug
    holds: str = ""  # what an original that was handed on says besides its pixels

    @property
    def refused_as_existing(self) -> bool:
        """Whether all that stood in the way was an output of an earlier run."""
        return self.exit_code == OutputExists.exit_code and not self.job.refusal


def run(plan: Plan, settings: Settings) -> int:
    """Do all jobs, tell about each, and return the exit code."""
    first = plan.jobs[0]
    if len(plan.jobs) > 1 or (plan.walked and not first.refusal):
        outcomes = _many(plan, settings)
        code = SOME_FAILED if any(outcome.exit_code for outcome in outcomes) else 0
    else:
        outcome = _alone(first, settings)
        _tell(outcome, settings, single=True)
        if settings.show and outcome.report:
            _show(outcome)
        outcomes, code = [outcome], outcome.exit_code
    _report(outcomes, settings)
    return code


def _report(outcomes: Sequence[Outcome], settings: Settings) -> None:
    """Write what a check found to where it was asked for."""
    if settings.over is None or not settings.reports:
        return
    findings = _findings(outcomes, settings)
    for kind, path in settings.reports:
        text = text_of(findings, kind)
        if path == STANDARD:
            say(text.rstrip("\n"))
        else:
            write_atomic(path, text.encode(), overwrite=True)


def _findings(outcomes: Sequence[Outcome], settings: Settings) -> Findings:
    assert settings.over is not None
    return Findings(
        sum(outcome.status != "left" for outcome in outcomes),
        [
            Shrinks(each.job.source, each.bytes_in, each.bytes_out)
            for each in outcomes
            if each.status == "shrinks"
        ],
        [
            Failure(each.job.source, each.message, each.exit_code)
            for each in outcomes
            if each.status == "failed"
        ],
        settings.command,
        settings.everything,
        settings.over,
    )


# ---------------------------------------------------------------- one job


def perform(
    job: Job,
    settings: Settings,
    *,
    on_step: Callable[[Step], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_try: Callable[[Try], None] | None = None,
) -> Outcome:
    """Do one job. Whatever goes wrong is its outcome, so that it cannot stop the others."""
    source: Any = job.source
    watch: dict[str, Any] = {"progress": on_step, "on_stage": on_stage, "on_try": on_try}
    try:
        if job.refusal:
            raise job.refusal
        if job.left:
            return Outcome(job, "left", 0, job.left)
        if source == STANDARD:
            source = standard_input(settings.options["limits"])
        if settings.over is not None:
            return _judged(job, source, settings, watch)
        if job.copy_to:
            _make_folder(Path(job.target).parent)
        report = library_compress(source, job.target, **settings.options, **watch)
        report = replace(report, data=None)
        sizes = (report.bytes_in or 0, report.bytes_out)
        return Outcome(job, "compressed", 0, "", report, *sizes)
    except NotSmaller as error:
        if job.in_place and (settings.in_place or isinstance(error, AlreadyCompressed)):
            return _unchanged(job, str(error))
        return _not_smaller(job, source, settings, error)
    except OutputExists as error:
        return _exists(job, source, settings, watch, error)
    except Exception as error:
        return _failed(job, error, settings)


def _unchanged(job: Job, message: str) -> Outcome:
    size = 0 if job.source == STANDARD else os.path.getsize(job.source)
    return Outcome(job, "unchanged", 0, message, bytes_in=size, bytes_out=size)


def _judged(job: Job, source: Any, settings: Settings, watch: dict[str, Any]) -> Outcome:
    """Say what would come of a job, and write nothing."""
    assert settings.over is not None
    try:
        report = _in_memory(job, source, settings, watch)
    except NotSmaller as error:
        return _unchanged(job, str(error))
    if not job.in_place and report.data == _content(job.target):
        return _unchanged(job, _as_it_is(job))
    before, after = report.bytes_in or 0, report.bytes_out
    if not settings.over.is_exceeded(before, after):
        return _unchanged(
            job, f"{shown(job.source)}: would shrink by {before - after:,} bytes only"
        )
    report = replace(report, data=None)
    return Outcome(job, "shrinks", WOULD_CHANGE, "", report, before, after)


def _in_memory(job: Job, source: Any, settings: Settings, watch: dict[str, Any]) -> Report:
    """Compress without writing anything, to what the output's name says."""
    named = None if job.target == STANDARD else job.target
    kind = format_of(settings.options["format"], named)
    options = settings.options | {"format": kind.lower()}
    return library_compress(source, None, **options, **watch)


def _content(path: str) -> bytes:
    """Return the bytes of a file, none where there is no such."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _as_it_is(job: Job) -> str:
    return f"{shown(job.target)} is what {shown(job.source)} gives at these settings"


def _exists(
    job: Job, source: Any, settings: Settings, watch: dict[str, Any], error: OutputExists
) -> Outcome:
    """Find out whether the output that exists is the one that would be written: then all is well.

    It takes as long as writing it would. A file that is no picture is not worth the time.
    """
    limits = settings.options["limits"]
    if wrong := _first_of_all(source, limits):
        return _failed(job, wrong, settings)
    before = _content(job.target)
    try:
        if sniff(before) != format_of(settings.options["format"], job.target):
            return _failed(job, error, settings)
        if isinstance(source, _StandardInput):
            source.seek(0)
        if _in_memory(job, source, settings, watch).data == before:
            return _unchanged(job, _as_it_is(job))
    except NotSmaller:
        if job.copy_to and _content(job.copy_to) == _content(job.source):
            return _unchanged(job, f"{shown(job.copy_to)} is a copy of {shown(job.source)} already")
    except SmaltiError:  # of a file that is none of ours
        pass
    return _failed(job, error, settings)


class _StandardInput(io.BytesIO):
    """What came in from standard input, with a name for messages."""

    name = "standard input"


def standard_input(limits: Limits) -> _StandardInput:
    """Return standard input, or as much as shows that it is over the limit."""
    if sys.stdin is None:
        raise BadImage("standard input is closed; name a file instead of -")
    return _StandardInput(sys.stdin.buffer.read(int(limits.input_mib * 2**20) + 1))


def _first_of_all(source: Any, limits: Limits) -> SmaltiError | None:
    """Return what is wrong with the input: it matters more than that its output exists."""
    try:
        data, name = read_source(source, int(limits.input_mib * 2**20))
    except SmaltiError as error:
        return error
    try:
        sniff(data)
    except BadImage as error:
        return BadImage(f"{name}: {error}")
    return None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{shown(folder)}: cannot be made: {error.strerror}") from error


def _not_smaller(job: Job, source: Any, settings: Settings, error: NotSmaller) -> Outcome:
    """Send the original where the result would have gone, if that is not its own folder."""
    if not job.copy_to and job.target != STANDARD:
        return _failed(job, error, settings)
    try:
        standard = isinstance(source, _StandardInput)
        data = source.getvalue() if standard else Path(source).read_bytes()
        if job.copy_to:
            _copy(data, job, settings.options)
        else:
            _to_standard_output(data)
    except Exception as failure:
        return _failed(job, failure, settings)
    code = 0 if job.copy_to else error.exit_code
    outcome = Outcome(job, "kept", code, str(error), bytes_in=len(data), bytes_out=len(data))
    return replace(outcome, holds=of_copy(data))


def _copy(data: bytes, job: Job, options: dict[str, Any]) -> None:
    """Write the original to where it is kept, unless it is there already."""
    assert job.copy_to is not None
    target, overwrite = Path(job.copy_to), options["overwrite"]
    if target.exists() and (target.samefile(job.source) or target.read_bytes() == data):
        return
    check_writable(target, overwrite)
    times_of = Path(job.source) if options["preserve"] else None
    write_atomic(target, data, overwrite=overwrite, preserve_from=times_of)


def _to_standard_output(data: bytes) -> None:
    check_standard_output()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise CannotWrite(f"standard output: {error.strerror}") from error


def _failed(job: Job, error: Exception, settings: Settings) -> Outcome:
    trace = ""
    if settings.debug:
        import traceback

        trace = "".join(traceback.format_exception(error))
    code, sentence = blame(error, settings.processes)
    if not isinstance(error, SmaltiError):
        sentence = f"{shown(job.source)}: {sentence}"
    return Outcome(job, "failed", code, sentence, trace=trace)


def _alone(job: Job, settings: Settings) -> Outcome:
    """Do the only job, in this process, with a progress bar."""
    tries: list[Try] = []
    searches = any(settings.options[name] is not None for name in SEARCHED)
    with Bar(100, wanted=not settings.quiet) as bar:

        def on_step(step: Step) -> None:
            if settings.verbose:
                bar.erase()
                tell(_step_line(step))
            # How many iterations are to come is unknown: half of the way that is left, each 10.
            done = 1 - 0.5 ** (step.iteration / 10)
            if not searches:
                bar.move(int(20 + done * 40), "palette  ")

        def on_stage(stage: str) -> None:
            if not tries or stage == "write":
                position = STAGES.get(stage, 95)
                if searches and stage != "write":
                    position = min(position, STAGES["palette"])
                bar.move(position, f"{stage:<9}", blocks=stage == "encode")

        def on_try(tried: Try) -> None:
            tries.append(tried)
            if settings.verbose:
                bar.erase()
                tell(str(tried))
            # How many are to come is unknown, too: a fifth of what is left, each.
            bar.move(int(95 - 75 * 0.8 ** len(tries)), str(tried))

        watch = on_step if settings.verbose or bar.possible else None
        return perform(job, settings, on_step=watch, on_stage=on_stage, on_try=on_try)


def _step_line(step: Step) -> str:
    moved = "" if step.moved is None else f"  moved {step.moved:>9,}"
    return (
        f"iteration {step.iteration:>3}  distortion {step.distortion:<11.6g}"
        f"  largest shift {step.shift:<8.3g}{moved}"
    ).rstrip()


# ---------------------------------------------------------------- many jobs


def _many(plan: Plan, settings: Settings) -> list[Outcome]:
    """Do several jobs, on several cores."""
    started = time.perf_counter()
    outcomes = []
    with Bar(len(plan.jobs), wanted=not settings.quiet) as bar:
        verb = "compressing" if settings.over is None else "checking"
        bar.move(0, verb)
        for outcome in _outcomes(plan.jobs, settings):
            outcomes.append(replace(outcome, report=None))
            bar.erase()
            _tell(outcome, settings, single=False)
            bar.move(len(outcomes), verb)
    if not settings.verbose:
        _tell_existing([outcome for outcome in outcomes if outcome.refused_as_existing])
    if not settings.json and not settings.quiet:
        say(_total(outcomes, plan, time.perf_counter() - started, settings))
    return outcomes


def _outcomes(jobs: Sequence[Job], settings: Settings) -> Iterator[Outcome]:
    """Yield the outcome of each job, in order."""
    from ..batch.pool import Pool, cores

    processes = min(settings.jobs or cores(), len(jobs))
    settings = replace(settings, processes=processes)
    if settings.options["threads"] is None:
        threads = max(1, cores() // processes)
        settings = replace(settings, options={**settings.options, "threads": threads})
    work = partial(_with_steps, settings=settings)
    if processes == 1:
        yield from map(work, jobs)
    else:
        pool = Pool[Job, Outcome](work, processes, fork=True)
        yield from pool.answers(jobs, partial(_lost, settings=settings))


def _with_steps(job: Job, settings: Settings) -> Outcome:
    """Do one job among many: the lines of --verbose wait for its turn."""
    if not settings.verbose:
        return perform(job, settings)
    lines: list[str] = []
    outcome = perform(
        job,
        settings,
        on_step=lambda step: lines.append(_step_line(step)),
        on_try=lambda tried: lines.append(str(tried)),
    )
    return replace(outcome, steps=lines)


def _lost(job: Job, settings: Settings) -> Outcome:
    message = "its process was killed, perhaps for lack of memory; fewer --jobs need less"
    return _failed(job, LimitExceeded(f"{shown(job.source)}: {message}"), settings)


def _tell_existing(outcomes: Sequence[Outcome]) -> None:
    """Say once for all of them that outputs exist."""
    if len(outcomes) == 1:
        complain(outcomes[0].message)
    elif outcomes:
        first = shown(outcomes[0].job.target)
        complain(f"{len(outcomes):,} outputs exist, {first} first; --force replaces them")


def _total(outcomes: Sequence[Outcome], plan: Plan, seconds: float, settings: Settings) -> str:
    """Return a line about all files that were compressed, and one about all others."""
    rest = [f"{number:,} {word}" for number, word in _counts(outcomes) if number]
    left = ((plan.earlier, "earlier result"), (plan.others, "other file"))
    rest += [f"{_counted(number, noun)} left alone" for number, noun in left if number]
    below = f"\n  {'; '.join(rest)}" if rest else ""
    if settings.over is not None:
        findings = _findings(outcomes, settings)
        helps = f"\n  what helps: {findings.command_for_all()}" if findings.shrinks else ""
        return f"{findings.headline()}, {seconds:.1f} s{below}{helps}"
    done = [outcome for outcome in outcomes if outcome.status != "failed"]
    before, after = (sum(o.bytes_in for o in done), sum(o.bytes_out for o in done))
    total = _counted(len(outcomes), "file")
    if before and all(outcome.status in ("unchanged", "left") for outcome in done):
        total += f": {before:,} bytes, none changed"
    elif before:
        percent = 100 * (1 - after / before)
        change = f"{abs(percent):.1f} % {'smaller' if percent >= 0 else 'larger'}"
        total += f": {before:,} → {after:,} bytes, {change}"
    return f"{total}, {seconds:.1f} s{below}"


def _counts(outcomes: Sequence[Outcome]) -> list[tuple[int, str]]:
    """Return how many outcomes there are of each kind but the usual one."""
    of = Counter(outcome.status for outcome in outcomes)
    exist = sum(outcome.refused_as_existing for outcome in outcomes)
    larger = sum(outcome.exit_code == NotSmaller.exit_code for outcome in outcomes)
    links = sum(outcome.status == "left" and outcome.job.leads_out for outcome in outcomes)
    return [
        (of["unchanged"], "unchanged"),
        (of["left"] - links, "of other formats left alone"),
        (links, f"{'link' if links == 1 else 'links'} to files outside left alone"),
        (of["kept"], "kept"),
        (exist, "exist"),
        (larger, "not smaller"),
        (of["failed"] - larger - exist, "failed"),
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- telling


def _tell(outcome: Outcome, settings: Settings, *, single: bool) -> None:
    """Print what `settings` ask for about one outcome."""
    if outcome.steps:
        tell("\n".join([shown(outcome.job.source), *outcome.steps]))
    if outcome.status == "failed":
        if outcome.trace:
            tell(outcome.trace.rstrip())
        if single or settings.verbose or not outcome.refused_as_existing:
            complain(outcome.message)
    if settings.json:
        _print_for(outcome, _as_json(outcome))
    elif settings.quiet:
        return
    elif outcome.status == "kept":
        _print_for(outcome, _kept_line(outcome, single=single))
    elif outcome.status in ("unchanged", "left"):
        if single or settings.verbose:
            say(outcome.message)
    elif outcome.status == "shrinks":
        say(_shrinks_line(outcome, settings, single=single))
    elif outcome.report:
        _print_for(outcome, _text(outcome.report, settings, full=single or settings.verbose))


def _print_for(outcome: Outcome, text: str) -> None:
    """Print to standard output, or beside it if the image goes there."""
    to_error = outcome.job.target == STANDARD
    (tell if to_error else say)(paint(text, sys.stderr if to_error else sys.stdout))


def _text(report: Report, settings: Settings, *, full: bool) -> str:
    text = str(report) if full else report.summary()
    return f"{text}\n{report.explained()}" if settings.explain else text


def _shrinks_line(outcome: Outcome, settings: Settings, *, single: bool) -> str:
    before, after = outcome.bytes_in, outcome.bytes_out
    saved = 100 * (1 - after / before)
    line = f"{shown(outcome.job.source)}  would shrink: {before:,} → {after:,} bytes, {saved:.1f} %"
    if not single:
        return line
    command = _findings([outcome], settings).command_for(outcome.job.source)
    return f"{line}\n  what helps: {shown(command)}"


def _kept_line(outcome: Outcome, *, single: bool) -> str:
    job = outcome.job
    if job.copy_to and not single:
        names = f"{shown(job.source)} → {shown(os.path.basename(job.copy_to))}"
        return f"{names}  kept: a palette is no smaller{outcome.holds}"
    where = f"copied to {shown(job.copy_to)}" if job.copy_to else "passed through"
    return f"{outcome.message}; the original was {where}{outcome.holds}"


def _as_json(outcome: Outcome) -> str:
    """Return one line: the report, or what came instead of it."""
    sizes = {"bytes_in": outcome.bytes_in, "bytes_out": outcome.bytes_out}
    if outcome.report:
        record = outcome.report.to_dict()
    elif outcome.status == "kept":
        words = _kept_line(outcome, single=True)
        names = {"source": outcome.job.source, "target": outcome.job.copy_to}
        record = {**names, "message": words, **sizes}
    elif outcome.status in ("unchanged", "left"):
        record = {"source": outcome.job.source, "message": outcome.message, **sizes}
    else:
        record = {"source": outcome.job.source, "error": outcome.message}
    return as_json({**record, "status": outcome.status, "exit_code": outcome.exit_code})


def _show(outcome: Outcome) -> None:
    """Open the original beside the result; that there is no viewer is no failure."""
    from ..indexed import IndexedImage

    where = f"the result is in {shown(outcome.job.target)}"
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        complain(f"no display and so no image viewer was found here; {where}")
        return
    try:
        IndexedImage.load(outcome.job.target).show(outcome.job.source)
    except SmaltiError as error:
        complain(f"{str(error).partition(';')[0]}; {where}")
