"""A palette: a list of colors, and the files that hold one.

    Histogram -> ... -> [Palette] -> remap | dither -> indices

The value that travels between building, applying, storing and showing. How one is
found is the business of `fit.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import encode, files, palette_files
from .errors import BadOption

__all__ = ["Palette"]


class Palette:
    """A list of colors, with the share of the pixels that each one serves.

    Parameters
    ----------
    colors : (k, 3) or (k, 4) uint8 sRGB, straight alpha, 1 <= k <= 65,536
    shares : (k,) floats summing to 1, or None if unknown

    >>> palette = Palette([[255, 0, 0], [0, 0, 0]])
    >>> palette.hex()
    ['#ff0000', '#000000']
    """

    def __init__(self, colors: Any, shares: Any = None) -> None:
        colors = np.array(colors)
        if colors.ndim != 2 or colors.shape[1] not in (3, 4) or not 1 <= len(colors) <= 65536:
            raise BadOption(
                f"a palette must have shape (k, 3) or (k, 4) with k from 1 to 65,536, "
                f"got {colors.shape}"
            )
        if colors.dtype.kind not in "iu" or colors.min() < 0 or colors.max() > 255:
            raise BadOption(f"palette colors must be integers in 0..255, got {colors.dtype}")
        self.colors: NDArray[np.uint8] = colors.astype(np.uint8)
        self.shares = None if shares is None else np.asarray(shares, np.float64)
        if self.shares is not None and self.shares.shape != (len(colors),):
            raise BadOption(f"shares must be {len(colors)} numbers, got {self.shares.shape}")
        self.colors.flags.writeable = False

    @property
    def k(self) -> int:
        """Number of colors."""
        return len(self.colors)

    def hex(self) -> list[str]:
        """Return the colors as #rrggbb, or #rrggbbaa where alpha is below 255."""
        return [
            "#" + bytes(row[:3] if len(row) == 3 or row[3] == 255 else row).hex()
            for row in self.colors
        ]

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Write the palette as .gpl, .hex or .json, by the suffix of `path`.

        Raises
        ------
        BadOption : another suffix.
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        data = palette_files.dump(Path(path).suffix, self.colors, self.shares)
        files.write_atomic(path, data, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> "Palette":
        """Read a palette from a .gpl, .hex or .json file, or that of an indexed PNG or GIF.

        Raises
        ------
        BadImage : missing, unreadable, or without a palette.
        BadOption : another suffix.
        """
        if Path(path).suffix.lower() in (".png", ".gif"):
            return cls(encode.decode_indexed(path)[1])
        return cls(*palette_files.load(path))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.colors, dtype=dtype)

    def __len__(self) -> int:
        return len(self.colors)

    def __getitem__(self, index: Any) -> Any:
        """Return the color of a row as a tuple of ints; of several rows, their uint8 array."""
        rows = self.colors[index]
        return tuple(rows.tolist()) if isinstance(index, int | np.integer) else rows

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return (tuple(row) for row in self.colors.tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Palette):
            return NotImplemented
        return np.array_equal(self.colors, other.colors)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        some = ", ".join(self.hex()[:6]) + (", ..." if len(self) > 6 else "")
        return f"Palette({len(self)} colors: {some})"
