"""What `smalti` and `python -m smalti` run: a step before the package, because numpy comes with it.

numpy's OpenBLAS starts a thread per core when it is loaded and lets them spin. smalti uses no
linear algebra, and those threads cost a small picture a third of its time. A library must not
decide that for its host; a command may, and only before numpy is loaded.

Loading takes a fifth of a second, in which Ctrl-C would show a traceback, or get lost in an import
that hides errors. So until the command's own handling is there, a signal just ends the process.
What Python does before the first line here is Python's to answer for. (`python -m smalti` loads the
library first: it calls `prepare` before anything else, if it is loaded for that.)

Where memory is scarce, loading fails in many ways, most of them with pages of advice.
"""

import os
import sys
from types import TracebackType
from typing import NoReturn

__all__ = ["is_scarcity", "main", "prepare"]

MODULES = ("smalti", "smalti.cli")  # that are this command after `python -m`

LIMIT, BUG = 4, 70  # exit codes, as of smalti.errors
NO_MEMORY = ("failed to map", "Cannot allocate memory", "cannot allocate memory")
"""What the system's loader says of a library that found no room."""


def main() -> None:
    """Run the command line of this process, and exit with its code."""
    _begin()
    try:
        import smalti.cli.app  # noqa: F401 (what main loads first)
        from smalti.cli import main
    except (ImportError, MemoryError) as error:
        if "--debug" in sys.argv:
            raise
        _refuse(error)

    main()


def prepare() -> None:
    """Begin early, if Python is looking for the module of `python -m` and that is this command."""
    word = sys.orig_argv[-len(sys.argv)]  # what stands before the arguments
    if sys.argv[0] != "-m" or word.removeprefix("-m") not in MODULES:
        return
    _begin()
    if "--debug" not in sys.argv:
        sys.excepthook = _give_up


def is_scarcity(error: BaseException) -> bool:
    """Whether there was too little memory, for an object or for a part of a program."""
    unloaded = isinstance(error, ImportError) and any(sign in str(error) for sign in NO_MEMORY)
    return isinstance(error, MemoryError) or unloaded


def _begin() -> None:
    """Let signals end this process at once, and numpy come without threads of its own."""
    try:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os._exit(128 + number))
    except KeyboardInterrupt:
        os._exit(130)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import hashlib  # noqa: F401 (while there is memory: without, it prints pages, and goes on)


def _give_up(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell what Python cannot catch for us: that the library could not be loaded."""
    if isinstance(error, ImportError | MemoryError):
        _refuse(error)
    sys.__excepthook__(kind, error, trace)


def _refuse(error: Exception) -> NoReturn:
    """Say in one line why the command cannot be loaded, and exit with the code for that."""
    scarce, words = is_scarcity(error), str(error)
    reason = (
        "not enough memory to start; allow more address space (ulimit -v)"
        if scarce
        else f"cannot be loaded ({' '.join(words.split())[:200]}); install it anew, or see --debug"
    )
    os.write(2, f"smalti: {reason}\n".encode())
    os._exit(LIMIT if scarce else BUG)
