"""Plots: what all pictures of numbers share. They need matplotlib, the extra `plot`.

    numbers -> [style: new_figure, draw] -> Figure -> [save] -> .png | .svg
                                            Figures -> [pixels_of] -> frames
    indexed frames -> [save_animation] -> .gif

Figures are made without matplotlib's global state and its windows, so drawing in
a library changes nothing in its host. The colors keep apart for people who see
fewer of them: Okabe & Ito (2008), https://jfly.uni-koeln.de/color/.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
    "pixels_of",
    "save",
    "save_animation",
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


def check(
    path: str | Path, suffixes: tuple[str, ...] = SUFFIXES, *, overwrite: bool = True
) -> None:
    """Refuse, before any work, a plot that could not be drawn or written.

    Raises
    ------
    BadOption : the suffix of `path` names no format that plots have.
    MissingExtra : matplotlib is not installed.
    OutputExists, CannotWrite : as far as that can be told beforehand.
    """
    if Path(path).suffix.lower() not in suffixes:
        listed = ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}"
        raise BadOption(f"a plot ends in {listed}, got {files.shown(path)}")
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
    data = buffer.getvalue()
    files.write_atomic(path, _clips_numbered(data) if kind == "svg" else data, overwrite=overwrite)


def _clips_numbered(svg: bytes) -> bytes:
    """Name the clip paths of an SVG by their order.

    Matplotlib names them by hashes of their places before rounding, and the last bits of those
    differ from one layout to the next: its solver takes the constraints in the order of a set.
    """
    numbers: dict[bytes, int] = {}

    def number(name: re.Match[bytes]) -> bytes:
        return b"clip-%d" % numbers.setdefault(name[0], len(numbers))

    return re.sub(rb'(?<=id=")p[0-9a-f]{10}(?=")|(?<=url\(#)p[0-9a-f]{10}(?=\))', number, svg)


def pixels_of(figure: "Figure", dpi: int = DPI) -> NDArray[np.uint8]:
    """Draw a figure as an image: (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    with style():
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_animation(
    frames: Sequence[NDArray[np.uint8]],
    palette: NDArray[np.uint8],
    durations: Sequence[int],
    path: str | Path,
    *,
    overwrite: bool = True,
) -> None:
    """Write frames as an animation that repeats: .gif.

    Parameters
    ----------
    frames : each (H, W) uint8, rows of `palette`, all of one shape
    palette : (k, 3) uint8, k <= 256
    durations : for how many milliseconds each frame stays; GIF counts in tens

    Raises
    ------
    OutputExists, CannotWrite : the file could not be written; what was there is untouched.
    """
    from PIL import Image

    pictures = []
    for frame in frames:
        pictures.append(Image.fromarray(frame, "P"))
        pictures[-1].putpalette(palette.tobytes())
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=list(durations), loop=0
    )
    files.write_atomic(Path(path), buffer.getvalue(), overwrite=overwrite)
