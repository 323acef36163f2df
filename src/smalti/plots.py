"""Plots: what all pictures of numbers share. They need matplotlib, the extra `plot`.

    numbers -> [style: new_figure, draw] -> Figure -> [save] -> .png | .svg

Figures are made without matplotlib's global state and its windows, so drawing in
a library changes nothing in its host. The colors keep apart for people who see
fewer of them: Okabe & Ito (2008), https://jfly.uni-koeln.de/color/.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files
from .errors import BadOption, MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "ORANGE",
    "RED",
    "SUFFIXES",
    "check",
    "new_figure",
    "save",
    "style",
]

BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
FAINT = "#888888"

SUFFIXES = (".png", ".svg")
DPI = 120

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "svg.hashsalt": "smalti",  # the same figure, the same bytes
}


def check(path: str | Path, *, overwrite: bool = True) -> None:
    """Refuse, before any work, a plot that could not be drawn or written.

    Raises
    ------
    BadOption : the suffix of `path` names no format that plots have.
    MissingExtra : matplotlib is not installed.
    OutputExists, CannotWrite : as far as that can be told beforehand.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise BadOption(f"a plot ends in {' or '.join(SUFFIXES)}, got {files.shown(path)}")
    files.check_writable(path, overwrite)
    _matplotlib()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra(
            "plots need matplotlib, which is not installed: pip install '.[plot]'"
        ) from error
    return matplotlib


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of all plots: everything that makes axes goes inside.

    Raises
    ------
    MissingExtra : matplotlib is not installed.
    """
    with _matplotlib().rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of that many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", path: str | Path, *, overwrite: bool = True) -> None:
    """Write a figure as .png or .svg, by the suffix of `path`.

    Raises
    ------
    BadOption : another suffix.
    OutputExists, CannotWrite : the file could not be written; what was there is untouched.
    """
    check(path)
    kind = Path(path).suffix.lower()[1:]
    buffer = io.BytesIO()
    # Without a date, and a version, the same figure gives the same bytes.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with style():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    files.write_atomic(path, buffer.getvalue(), overwrite=overwrite)
