"""Kept colors: entries that a palette has exactly, whatever k-means would say.

    "#c00,#fff" -> [Kept.of] -> colors, places -> fit, as centroids that do not move

k-means may move a logo's red by a shade, and a border's white to 254. What is kept is in the
palette to the bit, used or not, and where a place is asked for, in that row of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import colornames
from .errors import BadOption
from .swatches import hex_code

__all__ = ["Kept"]


@dataclass(frozen=True, eq=False)
class Kept:
    """Colors that a palette must have, and the rows that some of them must be in.

    Attributes
    ----------
    colors : (m, 4) uint8 sRGB with straight alpha, distinct; (0, 0, 0, 0) where alpha is 0
    places : m rows, None where any will do

    >>> kept = Kept.of("0=#fff,red")
    >>> kept.colors.tolist(), kept.places
    ([[255, 255, 255, 255], [255, 0, 0, 255]], (0, None))
    """

    colors: NDArray[np.uint8]
    places: tuple[int | None, ...]

    @classmethod
    def of(cls, given: Any) -> "Kept | None":
        """Read what people write: colors, or rows and their colors.

        Parameters
        ----------
        given : None; "#c00,#fff"; "0=#fff,5=#c00"; a sequence of colors, each a string or 3 or 4
            integers in 0..255; such an array or a Palette; or {row: color}
            Strings are as in `colornames.parse`. A color that is given twice is kept once.

        Returns
        -------
        Kept, or None where nothing is kept

        Raises
        ------
        BadOption : no color, a row that is none, or one that two colors want.
        """
        if given is None or isinstance(given, cls):
            return given
        pairs = [(_place(place), _color(color)) for place, color in _pairs(given)]
        rows = dict.fromkeys(color for _, color in pairs)
        if not rows:
            return None
        wanted: dict[int, tuple[int, ...]] = {}
        for place, color in pairs:
            if place is not None and wanted.setdefault(place, color) != color:
                raise BadOption(
                    f"keep has two colors for row {place}: {hex_code(wanted[place])} "
                    f"and {hex_code(color)}"
                )
        if len(set(wanted.values())) < len(wanted):
            raise BadOption("keep has two rows for one color; each color is kept once")
        rows_of = {color: place for place, color in wanted.items()}
        return cls(np.array(list(rows), np.uint8), tuple(rows_of.get(color) for color in rows))

    @property
    def least(self) -> int:
        """The smallest palette that holds all of them where they belong."""
        last = max((place for place in self.places if place is not None), default=-1)
        return max(len(self.colors), last + 1)

    @property
    def ordered(self) -> bool:
        """Whether some row is asked for."""
        return any(place is not None for place in self.places)

    def anywhere(self) -> "Kept":
        """Return the same colors, in whatever rows."""
        return Kept(self.colors, (None,) * len(self.colors))

    def and_(self, other: "Kept") -> "Kept":
        """Return these colors and, after them, those of the other that are not among them."""
        mine = {tuple(color) for color in self.colors.tolist()}
        new = [i for i, color in enumerate(other.colors.tolist()) if tuple(color) not in mine]
        colors = np.concatenate([self.colors, other.colors[new]])
        return Kept(colors, (*self.places, *(other.places[i] for i in new)))

    def active(self, channels: int, transparent: bool) -> tuple[NDArray[np.uint8], int]:
        """Tell apart the colors that pixels may take from those that only hold their rows.

        Parameters
        ----------
        channels : of the image, 3 where all of it is opaque
        transparent : whether some pixels are fully transparent, and have an entry anyway

        Returns
        -------
        colors : (m, channels) uint8
        idle : int
            How many more rows are taken. Opaque pixels only take opaque entries.
        """
        alpha = self.colors[:, 3]
        if channels == 3:
            solid = alpha == 255
            return np.ascontiguousarray(self.colors[solid, :3]), int((~solid).sum())
        seen = alpha > 0
        return self.colors[seen], int((~seen).sum()) * (not transparent)

    def place(self, colors: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Put the kept colors into a palette, each in its row.

        Parameters
        ----------
        colors : (k, 3) or (k, 4) uint8, distinct

        Returns
        -------
        palette : (k', 3) or (k', 4) uint8
            The rows that were not asked for keep their order. Kept colors that `colors` lacks
            join at the end. Rows before a place, but beyond all colors, are black.
        rows : (k,) uint16, the row in `palette` of each of `colors`
        """
        channels = 4 if (self.colors[:, 3] < 255).any() else colors.shape[1]
        if colors.shape[1] < channels:
            colors = np.column_stack([colors, np.full(len(colors), 255, np.uint8)])
        whole = [tuple(row) for row in colors.tolist()]
        kept = [tuple(row) for row in self.colors[:, :channels].tolist()]
        whole = list(dict.fromkeys(whole + kept))
        asked = {p: c for p, c in zip(self.places, kept, strict=True) if p is not None}
        settled = set(asked.values())
        others = iter([color for color in whole if color not in settled])
        black = (0, 0, 0, 255)[:channels]
        size = max(len(whole), self.least if self.ordered else 0)
        palette = [asked[row] if row in asked else next(others, black) for row in range(size)]
        first: dict[tuple[int, ...], int] = {}
        for row, color in enumerate(palette):
            first.setdefault(color, row)
        rows_of = first | {color: row for row, color in asked.items()}
        rows = np.array([rows_of[color] for color in whole[: len(colors)]], np.uint16)
        return np.array(palette, np.uint8), rows


def _pairs(given: Any) -> list[tuple[Any, Any]]:
    """Return what was given as places, or None, and colors."""
    if isinstance(given, str):
        words = [word.rpartition("=") for word in given.split(",") if word.strip()]
        return [(place.strip() if equals else None, color) for place, equals, color in words]
    if isinstance(given, Mapping):
        return list(given.items())
    try:
        return [(None, color) for color in given]
    except TypeError:
        raise BadOption(f"keep must be colors such as '#c00,#fff', got {given!r}") from None


def _place(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given)
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 0:
        raise BadOption(f"keep has rows from 0 on, such as '0=#fff', got {given!r}")
    return int(given)


def _color(given: Any) -> tuple[int, ...]:
    red, green, blue, alpha = colornames.parse(given)
    return (red, green, blue, alpha) if alpha else (0, 0, 0, 0)
