"""Verification: whether a file keeps to a palette, pixel by pixel or row by row.

    file, Palette -> [verify] -> Verdict

Two things can be promised about files of one palette: that they have no other colors, and, where
programs count on indices, that each index means the same color in all of them. Both are checked on
what is stored, so neither depends on who wrote the file.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import png
from .bands import counted
from .decode import Limits
from .encode import decode_indexed
from .errors import BadImage
from .fixed import outside
from .gif import read_gif
from .headers import sniff
from .histogram import Histogram, pack, widen
from .movies import frames
from .palette import Palette
from .sources import read_source
from .swatches import hex_code

__all__ = ["Verdict", "verify"]


@dataclass(frozen=True)
class Verdict:
    """What was found about one file."""

    ok: bool
    rows: bool | None
    """Whether each index that pixels use means the palette's color of that row; None where the file
    has no indices."""
    problem: str = ""
    x: int | None = None  # the first pixel that is wrong, and its color
    y: int | None = None
    color: str | None = None
    pixels: int = 0  # how many are wrong

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain types, for JSON."""
        return asdict(self)


def verify(
    source: Any,
    palette: Any,
    *,
    rows: bool = False,
    icc: str = "srgb",
    limits: Limits | None = None,
    threads: int = 1,
) -> Verdict:
    """Check that a file has the colors of a palette and no others.

    Parameters
    ----------
    source : path, bytes, or binary file
    palette : as `Palette.of` takes it
    rows : also demand indices, and that each means the palette's color of that row
        Rows that no pixel uses may hold anything: programs pad palettes.
    icc, limits : as for `compress`

    Returns
    -------
    Verdict
        `ok`, and if not, the `problem` and the first pixel that is wrong.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded : the file cannot be read.

    >>> from smalti import Palette, apply_palette
    >>> image = np.uint8([[[255, 0, 0], [0, 0, 0]]])
    >>> verify(apply_palette(image, "#000,#f00").encoded(), "#f00").problem
    '1 pixel has a color that the palette lacks, first at (1, 0): #000000'
    """
    palette = Palette.of(palette)
    limits = limits or Limits()
    data, _ = read_source(source, int(limits.input_mib * 2**20))
    found, seen = None, set()
    for image in frames(data, limits=limits, icc=icc):
        histogram = Histogram.of(image, threads=threads)
        found = found or outside(image, histogram, palette)
        seen |= set(map(tuple, widen(histogram.stored_colors, 4).tolist()))
    place, tables = _indices(data, limits), _tables(data)
    if place is not None:
        misplaced = _misplaced(*place, palette)
    else:
        misplaced = next(filter(None, (_moved(table, seen, palette) for table in tables)), None)
    in_place = None if place is None and not tables else misplaced is None
    if found:
        return Verdict(False, in_place, str(found), found.x, found.y, found.first, found.pixels)
    if rows and in_place is None:
        return Verdict(False, None, "it has no indices; an indexed PNG or GIF has")
    if rows and misplaced:
        return misplaced
    return Verdict(True, in_place)


def _indices(data: bytes, limits: Limits) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return indices and palette as they are stored, if they are."""
    try:
        indices, colors, _ = decode_indexed(data, max_megapixels=limits.megapixels)
    except BadImage:  # of another kind; what is damaged was refused before
        return None
    return indices, colors


def _tables(data: bytes) -> list[NDArray[np.uint8]]:
    """Return the palettes of an animation: one, or of a GIF perhaps one for each frame."""
    kind = sniff(data)
    if kind == "GIF":
        stored = {frame.palette for frame in read_gif(data).frames}
    else:
        stored = {png.read_png(data).palette} - {b""} if kind == "PNG" else set()
    return [np.frombuffer(table, np.uint8).reshape(-1, 3) for table in sorted(stored)]


def _moved(
    table: NDArray[np.uint8], seen: set[tuple[int, ...]], palette: Palette
) -> Verdict | None:
    """Say which color that is seen has another row in a table than in the palette.

    What is clear may be any row: animations need one for pixels that stay as they were.
    """
    for row, color in enumerate(palette.colors[: len(table)].tolist()):
        stored = table[row].tolist()
        if (*color[:3], 255) in seen and color[3:] in ([], [255]) and stored != color[:3]:
            problem = (
                f"its frames have a palette in which row {row} is {hex_code(stored)}, and should "
                f"be {hex_code(color)}"
            )
            return Verdict(False, False, problem, color=hex_code(stored))
    return None


def _wrong_rows(
    indices: NDArray[np.uint8], colors: NDArray[np.uint8], palette: Palette
) -> NDArray[np.bool_]:
    """Return which of 256 rows pixels use although they mean another color than the palette's."""
    used = counted(indices, 256) > 0
    same = np.zeros(256, bool)
    both = min(len(colors), palette.k, 256)
    same[:both] = _packed(colors[:both]) == _packed(palette.colors[:both])
    return np.asarray(used & ~same)


def _packed(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    wide = widen(np.ascontiguousarray(colors), 4)
    return pack(np.where(wide[:, 3:] == 0, np.uint8(0), wide))


def _misplaced(
    indices: NDArray[np.uint8], colors: NDArray[np.uint8], palette: Palette
) -> Verdict | None:
    """Say which index means another color than the palette's; None if none does."""
    wrong = _wrong_rows(indices, colors, palette)
    if not wrong.any():
        return None
    mask = wrong[indices]
    y, x = divmod(int(mask.argmax()), indices.shape[1])
    row, pixels = int(indices[y, x]), int(mask.sum())
    color = hex_code(colors[row].tolist())
    meant = palette.hex()[row] if row < palette.k else "no color"
    problem = (
        f"{pixels:,} pixel{'s have indices' if pixels > 1 else ' has an index'} of another color "
        f"than the palette's, first at ({x}, {y}): row {row} is {color}, and should be {meant}"
    )
    return Verdict(False, False, problem, x, y, color, pixels)
