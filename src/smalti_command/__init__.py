"""What `smalti` and `python -m smalti` run: a step before the package, because numpy comes with it.

numpy's OpenBLAS starts a thread per core when it is loaded and lets them spin. smalti uses no
linear algebra, and those threads cost a small picture a third of its time. A library must not
decide that for its host; a command may, and only before numpy is loaded.

Loading takes a fifth of a second, in which Ctrl-C would show a traceback, or get lost in an import
that hides errors. So until the command's own handling is there, a signal just ends the process.
What Python does before the first line here is Python's to answer for. (`python -m smalti` loads the
library first: it calls `prepare` before anything else, if it is loaded for that.)

Where memory is scarce, loading fails in many ways, most of them with pages of advice.

Daemons and cron may start us with closed standard streams. The next file that is opened would get
the number of such a stream, and what is printed would land in it: so they are filled first.
"""

import io
import os
import sys
from types import TracebackType
from typing import NoReturn

__all__ = ["Nowhere", "is_scarcity", "main", "prepare"]

MODULES = ("smalti", "smalti.cli")  # that are this command after `python -m`

LIMIT, BUG = 4, 70  # exit codes, as of smalti.errors
NO_MEMORY = ("failed to map", "Cannot allocate memory", "cannot allocate memory")
"""What the system's loader says of a library that found no room."""


class Nowhere(io.TextIOBase):
    """Takes the place of a standard stream that was closed: what is said there is lost.

    It has no `buffer`: a picture that shall go there must not get lost in silence.
    """

    encoding = "utf-8"

    def __init__(self, number: int, name: str) -> None:
        self._number, self.name = number, name

    def fileno(self) -> int:
        """Return the number of the stream; it leads nowhere, too."""
        return self._number

    def write(self, text: str) -> int:
        """Forget `text`."""
        return len(text)


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
    _fill_closed_streams()
    try:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os._exit(128 + number))
    except KeyboardInterrupt:
        os._exit(130)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import hashlib  # noqa: F401 (while there is memory: without, it prints pages, and goes on)


def _fill_closed_streams() -> None:
    """Lead standard streams that are closed to nowhere, for us and for our workers."""
    for number in (0, 1, 2):  # in this order, since the lowest number that is free is taken
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or Nowhere(1, "<stdout>")
    sys.stderr = sys.stderr or Nowhere(2, "<stderr>")


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
