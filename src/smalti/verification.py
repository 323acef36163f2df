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

from .decode import Limits
from .encode import decode_indexed
from .errors import BadImage
from .fixed import outside
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
    found = None
    for image in frames(data, limits=limits, icc=icc):
        found = found or outside(image, Histogram.of(image, threads=threads), palette)
    place = _indices(data, limits)
    misplaced = None if place is None else _misplaced(*place, palette)
    in_place = None if place is None else misplaced is None
    if found:
        return Verdict(False, in_place, str(found), found.x, found.y, found.first, found.pixels)
    if rows and place is None:
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


def _wrong_rows(
    indices: NDArray[np.uint8], colors: NDArray[np.uint8], palette: Palette
) -> NDArray[np.bool_]:
    """Return which of 256 rows pixels use although they mean another color than the palette's."""
    used = np.bincount(indices.ravel(), minlength=256) > 0
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
