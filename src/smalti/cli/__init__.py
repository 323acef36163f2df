"""The command `smalti`: words in, one call of the library, words out.

    main     this page: exit codes, signals, one-line errors
    app      the group of subcommands; a bare `smalti FILE...` means `smalti compress FILE...`
    compress the flags of `smalti compress`
    check    the reports of `smalti compress --check`
    converge the flags of `smalti converge`
    batch    the flags of `smalti batch`, its progress and its summary
    jobs     which files become which files
    run      doing the jobs, here or in worker processes, and telling about them
    terminal printing, color, the progress bar

Exit codes: 0 done; 1 some of many files failed; 2 usage or unreadable input; 4 refused by a
limit; 15 output exists; 16 cannot write; 70 a bug in smalti; 98 not smaller; 99 colors
outside a strict palette; 130 and 143 interrupted.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ..files import abandon

__all__ = ["main"]

COMPLETION = "_SMALTI_COMPLETE"  # set by click's completion scripts


class Terminated(BaseException):
    """SIGTERM as an exception, so that workers are ended and files removed on the way out."""


INTERRUPTIONS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
"""What ends a run, as exceptions; the exit code is 128 and the signal's number."""

AGAIN = 0.5
"""Seconds from which on a second signal is somebody's impatience: timeout(1) sends each twice."""

_interrupted: list[tuple[int, float]] = []
"""The signal that came first, and when. Before we take signals, Python itself makes an exception of
one: Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `arguments` (default: this process's) and exit with its code."""
    try:
        _take_signals()
        code = _flushed(_run(list(sys.argv[1:] if arguments is None else arguments)))
    except tuple(INTERRUPTIONS.values()):
        _end()
    # Everything is written and every worker has ended: taking the interpreter apart would only
    # add 14 ms, a twentieth of the time that one photograph takes.
    os._exit(code)


# ---------------------------------------------------------------- signals


def _take_signals() -> None:
    """Let signals end the run, unless who started us wants them ignored."""
    for number in INTERRUPTIONS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _unraisable


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Let the run come to its end; whoever asks again wants it at once."""
    now = time.monotonic()
    if not _interrupted:
        _interrupted.append((number, now))
        raise INTERRUPTIONS[signal.Signals(number)]
    if now - _interrupted[0][1] > AGAIN:
        _end()


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """End, if what got lost is an interruption: it may be raised where nothing can catch it."""
    if lost.exc_type in INTERRUPTIONS.values():
        _end()
    sys.__unraisablehook__(lost)


def _end() -> NoReturn:
    """End an interrupted process and its workers, and leave nothing behind."""
    if "multiprocessing" in sys.modules:
        for worker in sys.modules["multiprocessing"].active_children():
            worker.terminate()
    abandon()
    os._exit(128 + (_interrupted[0][0] if _interrupted else signal.SIGINT))


# ---------------------------------------------------------------- errors


def _run(arguments: list[str]) -> int:
    """Run the command and return its exit code; every error becomes one line."""
    import click

    from . import terminal
    from .app import smalti

    try:
        if COMPLETION in os.environ:  # the shell asks what could come next
            smalti.main(prog_name="smalti", complete_var=COMPLETION)
        with smalti.make_context("smalti", arguments) as context:
            return int(smalti.invoke(context) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        terminal.complain(error.format_message())
        return error.exit_code
    except Exception as error:
        code, sentence = terminal.blame(error)
        terminal.complain(sentence, error if "--debug" in arguments else None)
        return code


def _flushed(code: int) -> int:
    """Flush standard output while its errors can still be told; return the exit code."""
    from . import terminal

    return terminal.flush() or code
