"""What the console script `smalti` runs: a step before the package, because numpy comes with it.

numpy's OpenBLAS starts a thread per core when it is loaded and lets them spin. smalti uses no
linear algebra, and those threads cost a small picture a third of its time. A library must not
decide that for its host; a command may, and only before numpy is loaded.

Loading takes a fifth of a second, in which Ctrl-C would show a traceback, or get lost in an import
that hides errors. So until the command's own handling is there, a signal just ends the process.
What Python does before the first line here is Python's to answer for.
"""

import os

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process, and exit with its code."""
    try:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os._exit(128 + number))
    except KeyboardInterrupt:
        os._exit(130)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from smalti.cli import main

    main()
