"""What people see: lines of text, a little color, and a progress bar.

Results go to standard output and everything else to standard error. Color only
where a terminal shows it and NO_COLOR (https://no-color.org) does not forbid it.
A reader that goes away (`smalti ... | head -1`) silences us; it does not stop
the work.
"""

import base64
import json
import os
import re
import sys
import threading
import time
from types import TracebackType
from typing import Any, TextIO

import click

from smalti_command import is_scarcity

from ..errors import CannotWrite, LimitExceeded, SmaltiError
from ..sources import shown

__all__ = ["Bar", "as_json", "blame", "complain", "flush", "paint", "say", "tell"]

BUG = 70  # EX_SOFTWARE of sysexits.h

BAR_AFTER = 1.0  # seconds; shorter runs draw nothing
BAR_EVERY = 0.2
BAR_WIDTH = 36  # characters between the brackets, where the terminal has room for them
CARET_C = 3  # columns: the terminal writes ^C behind the bar, and the cursor stands behind that
USUAL_COLUMNS = 80  # of a terminal that does not say
BLOCKING_AFTER = 0.25  # compressing takes at least three times as long as all before it
ERASE_LINE = "\r\x1b[K"


def say(text: str) -> None:
    """Print a result to standard output."""
    _print(text, sys.stdout)


def tell(text: str) -> None:
    """Print something beside the result to standard error."""
    _print(text, sys.stderr)


def complain(message: str, error: BaseException | None = None) -> None:
    """Print one line about what went wrong, after the traceback of `error` if one is given."""
    if error is not None:
        import traceback

        tell("".join(traceback.format_exception(error)).rstrip())
    tell(f"smalti: {shown(' '.join(message.split()))}")


def blame(error: BaseException, processes: int = 1) -> tuple[int, str]:
    """Return the exit code and the sentence for an error, the user's or ours.

    processes : how many share the memory
    """
    if isinstance(error, SmaltiError):
        return error.exit_code, str(error)
    if is_scarcity(error):
        way_out = (
            "fewer --jobs need less"
            if processes > 1
            else "allow more (ulimit -v), or take a smaller picture"
        )
        return LimitExceeded.exit_code, f"not enough memory; {way_out}"
    return BUG, f"a bug in smalti: {type(error).__name__}: {error}; --debug shows where"


def as_json(record: Any, indent: int | None = None) -> str:
    r"""Return plain values as JSON that every reader takes.

    Names stay what they are: JSON has its own escapes. What is not UTF-8 in one has no place in
    JSON: it becomes U+FFFD, and the bytes of the name follow, in Base64.

    >>> as_json({"source": "two\nlines.png"})
    '{"source": "two\\nlines.png"}'
    >>> as_json({"source": "caf\udce9.png"})
    '{"source": "caf\\ufffd.png", "source_base64": "Y2Fm6S5wbmc="}'
    """
    return json.dumps(_with_bytes(record), indent=indent)


def _with_bytes(value: Any) -> Any:
    """Return a value of JSON whose texts are all Unicode, with the bytes of those that were not."""
    if isinstance(value, str):
        return os.fsencode(value).decode(errors="replace") if _is_odd(value) else value
    if isinstance(value, list | tuple):
        return [_with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {}
    for name, each in value.items():
        plain[name] = _with_bytes(each)
        if isinstance(each, str) and _is_odd(each):
            plain[f"{name}_base64"] = _base64(each)
        elif isinstance(each, list | tuple) and any(map(_is_odd, each)):
            plain[f"{name}_base64"] = [_base64(one) for one in each]
    return plain


def _is_odd(value: Any) -> bool:
    """Whether a text carries bytes that are not UTF-8, as Python has them in names of files."""
    return isinstance(value, str) and any("\udc80" <= c <= "\udcff" for c in value)


def _base64(name: str | None) -> str | None:
    return None if name is None else base64.b64encode(os.fsencode(name)).decode()


def flush() -> int:
    """Flush standard output; return 0, or the exit code if that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        complain(f"{sys.stdout.name}: cannot be written: {error.strerror}")
        return CannotWrite.exit_code
    return 0


def _print(text: str, stream: TextIO) -> None:
    if not isinstance(text, Painted):
        text = _plain(text)
    encoding = stream.encoding or "utf-8"
    try:
        # A terminal may lack "→".
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        raise CannotWrite(f"{stream.name}: cannot be written: {error.strerror}") from error


def _plain(text: str) -> str:
    r"""Return a text with nothing in it that a terminal obeys, but ends of lines and tabs.

    Whoever quotes a file escapes what it quotes; this is for the one that forgot.

    >>> _plain("two\nlines\tand \x1b[2K a code")
    'two\nlines\tand \\x1b[2K a code'
    """
    return "\n".join(
        line if line.isprintable() else "\t".join(map(shown, line.split("\t")))
        for line in text.split("\n")
    )


def _silence(stream: TextIO) -> None:
    """Point a stream whose reader is gone at nothing, so that later prints are harmless."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# ---------------------------------------------------------------- color


class Painted(str):
    """A text whose terminal codes are our own."""


def paint(text: str, stream: TextIO) -> str:
    """Return a report with its title in bold and a swatch before each color, if `stream` can."""
    text = _plain(text)
    title, _, rest = text.partition("\n")
    if not rest or not _colorful(stream):
        return text
    swatches = re.sub(r"#([0-9a-f]{6})([0-9a-f]{2})?\b", _swatch, rest)
    return Painted(f"{click.style(title, bold=True)}\n{swatches}")


def _colorful(stream: TextIO) -> bool:
    allowed = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return allowed and stream.isatty()


def _swatch(match: re.Match[str]) -> str:
    if match[2] == "00":  # fully transparent: there is no color to show
        return f"□ {match[0]}"
    red, green, blue = bytes.fromhex(match[1])
    return f"{click.style('■', fg=(red, green, blue))} {match[0]}"


# ---------------------------------------------------------------- progress


class Bar:
    """A progress bar on standard error, if that is a terminal, once a second has passed.

    A thread draws it, because the work may be inside one long native call. Use as a context
    manager; `move` says how far the work is, `erased` makes room for printing a line.
    """

    def __init__(self, length: int, *, wanted: bool = True) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._started = time.monotonic()
        self._thread: threading.Thread | None = None
        self._drawn = ""  # the line on the screen
        self.possible = wanted and sys.stderr.isatty()
        if self.possible:
            self._bar = click.progressbar(length=length, file=sys.stderr)
            self._thread = threading.Thread(target=self._draw_again_and_again, daemon=True)

    def __enter__(self) -> "Bar":
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
            self.erase()

    def move(self, position: int, label: str, *, blocks: bool = False) -> None:
        """Say that `position` of the length is done and what is going on now.

        `blocks`: it will hold Python's lock, so that nothing can be drawn until it ends.
        """
        if self.possible:
            with self._lock:
                self._bar.pos, self._bar.label = position, label
                if time.monotonic() - self._started > (BLOCKING_AFTER if blocks else BAR_AFTER):
                    self._draw()

    def erase(self) -> None:
        """Remove the bar from the screen until it is next drawn."""
        with self._lock:
            if self._drawn:
                sys.stderr.write(ERASE_LINE)
                sys.stderr.flush()
                self._drawn = ""

    def _draw_again_and_again(self) -> None:
        self._over.wait(BAR_AFTER)
        while not self._over.is_set():
            with self._lock:
                self._draw()
            self._over.wait(BAR_EVERY)

    def _draw(self) -> None:
        line = self._line(_columns(sys.stderr))
        if line != self._drawn:
            sys.stderr.write(ERASE_LINE + line)
            sys.stderr.flush()
            self._drawn = line

    def _line(self, columns: int) -> str:
        """Return the bar, short enough for one line: a longer one could not be erased."""
        self._bar.width = 0
        rest = len(self._bar.format_progress_line())
        room = columns - CARET_C
        self._bar.width = max(0, min(BAR_WIDTH, room - rest))
        return self._bar.format_progress_line()[:room]


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except OSError:
        return USUAL_COLUMNS
