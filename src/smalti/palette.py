"""A palette: a list of colors, and the files that hold one.

    Histogram -> ... -> [Palette] -> remap | dither -> indices

The value that travels between building, applying, storing and showing. How one is
found is the business of `fit.py`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import colornames, encode, files, palette_files, swatches, transport
from .color import to_oklch
from .errors import BadOption

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ORDERS", "SUFFIXES", "Palette", "check_target"]

ORDERS = ("share", "hue", "lightness")

PICTURE = ".png"
SUFFIXES = (*palette_files.SUFFIXES, PICTURE)
"""What palettes are written as; ".png" is a picture of them."""

INDEXED = (".png", ".gif")  # pictures that hold a palette


def check_target(path: str | Path, *, overwrite: bool = True) -> None:
    """Refuse, before any work, a palette file that could not be written.

    Raises
    ------
    BadOption : the suffix of `path` is none of `SUFFIXES`.
    OutputExists, CannotWrite : as `Palette.save` would.
    """
    _known(path)
    files.check_writable(path, overwrite)


def _known(path: str | Path) -> str:
    """Return the suffix of a path, in lower case, if palettes are written so."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise BadOption(
            f"{files.shown(path)}: a palette is written to a file that ends in "
            f"{', '.join(SUFFIXES)}"
        )
    return suffix


def _is_file(word: str) -> bool:
    """Whether a word names a file rather than colors."""
    return Path(word).suffix.lower() in (*SUFFIXES, *INDEXED) or os.path.exists(word)


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
        colors = np.array(colors, order="C")
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
        return [swatches.hex_code(row) for row in self.colors.tolist()]

    def oklch(self) -> NDArray[np.float64]:
        """Return the colors as people describe them: lightness, chroma and hue.

        Returns
        -------
        (k, 3) float64
            Lightness 0..1, chroma 0..0.33 and hue in degrees, 0 <= h < 360, as CSS's `oklch()`
            takes them. A gray has chroma and hue 0; alpha is left out.

        Notes
        -----
        Ottosson (2020), https://bottosson.github.io/posts/oklab/

        >>> Palette([[255, 0, 0], [128, 128, 128]]).oklch().round(2).tolist()
        [[0.63, 0.26, 29.23], [0.6, 0.0, 0.0]]
        """
        return to_oklch(self.colors)

    def names(self, *, exact: bool = False) -> list[str]:
        """Return the CSS name nearest to each color, by the distance in Oklab.

        Parameters
        ----------
        exact : bool
            Give only names that are the very color, and "" to all others.

        Returns
        -------
        k names out of the 148 of CSS, and "transparent" where alpha is 0
            A partial alpha is left out of the comparison, and never exact.

        >>> palette = Palette([[255, 165, 0], [250, 160, 10]])
        >>> palette.names(), palette.names(exact=True)
        (['orange', 'orange'], ['orange', ''])
        """
        names, distances = colornames.nearest(self.colors)
        if not exact:
            return names
        whole = distances == 0
        if self.colors.shape[1] == 4:
            whole &= self.colors[:, 3] % 255 == 0
        return [name if same else "" for name, same in zip(names, whole, strict=True)]

    def sorted(self, by: str = "share") -> "Palette":
        """Return the same colors, with their shares, in another order.

        Parameters
        ----------
        by : "share", the most used color first; "hue", grays and then round the color wheel from
            red, each from dark to light; or "lightness", from dark to light
            Fully transparent colors come last, but for "share". Equals keep their order.

        Raises
        ------
        BadOption : another order, or "share" of a palette without shares.

        >>> Palette([[255, 255, 255], [0, 0, 255], [255, 0, 0]]).sorted("hue").hex()
        ['#ffffff', '#ff0000', '#0000ff']
        """
        if by not in ORDERS:
            raise BadOption(f"a palette is sorted by {', '.join(ORDERS)}, got {by!r}")
        if by != "share":
            order = self._by_look(by)
        elif self.shares is None:
            raise BadOption('this palette has no shares; sort it by "hue" or "lightness"')
        else:
            order = np.argsort(-self.shares, kind="stable")
        return Palette(self.colors[order], None if self.shares is None else self.shares[order])

    def _by_look(self, by: str) -> NDArray[np.intp]:
        """Return the rows by hue or lightness; `lexsort` takes the first key last."""
        lightness, chroma, hue = self.oklch().T
        clear = self.colors[:, 3] == 0 if self.colors.shape[1] == 4 else np.zeros(self.k, bool)
        keys = (lightness, hue, chroma > 0, clear) if by == "hue" else (lightness, clear)
        return np.lexsort(keys)

    def distance(self, other: "Palette") -> float:
        """Return the earth mover's distance to another palette, in Oklab, with shares as earth.

        Returns
        -------
        float >= 0
            Black and white are 1 apart. Colors of palettes without shares all weigh the same.

        Raises
        ------
        MissingExtra : SciPy is not installed; it comes with the extra [survey].

        Notes
        -----
        Rubner, Tomasi & Guibas (2000), doi:10.1023/A:1026543900054; more in docs/survey.md.

        >>> black, mixed = Palette([[0, 0, 0]]), Palette([[0, 0, 0], [255, 255, 255]], [0.75, 0.25])
        >>> black.distance(mixed)
        0.25
        """
        here, there = (transport.Signature.of(each.colors, each.shares) for each in (self, other))
        return transport.distance(here, there)

    def swatches(self) -> "Image.Image":
        """Return a Pillow image of the colors, each labeled with its hex code and share.

        Up to 8 colors are one row, and more a grid; above 1,024 there are no labels. Where a
        color is transparent, a checkerboard is seen.

        >>> Palette([[255, 165, 0], [0, 0, 0]]).swatches().size
        (224, 64)
        """
        return swatches.draw(self.colors, self.shares)

    def to_dict(self) -> dict[str, Any]:
        """Return the palette in plain types, as `smalti palette --json` prints it.

        {"colors": [{"hex", "share", "oklch": [L, C, h], "name", "exact"}]}; a share that is not
        known is None. `load` reads it back from a .json file.
        """
        shares = [None] * self.k if self.shares is None else self.shares.tolist()
        rows = zip(
            self.hex(), shares, self.oklch().tolist(), self.names(), self.names(exact=True),
            strict=True,
        )  # fmt: skip
        return {
            "colors": [
                {
                    "hex": code,
                    "share": share,
                    "oklch": [round(L, 4), round(C, 4), round(h, 2)],
                    "name": name,
                    "exact": name == same,
                }
                for code, share, (L, C, h), name, same in rows
            ]
        }

    def encoded(self, suffix: str) -> bytes:
        r"""Return the bytes of a palette file of that suffix; `save` says which there are.

        Raises
        ------
        BadOption : another suffix, or more colors than the format holds.

        >>> Palette([[255, 165, 0]]).encoded(".css")
        b':root {\n  --color-1: #ffa500;\n}\n'
        """
        if suffix.lower() == PICTURE:
            return encode.encode_truecolor(np.asarray(self.swatches()))
        return palette_files.dump(suffix, self.colors, self.shares)

    def lost_in(self, path: str | Path) -> str:
        """Say in a sentence what a file at `path` would not hold of the colors; "" if nothing.

        >>> Palette([[255, 165, 0, 128]]).lost_in("sky.ase")
        '.ase holds no alpha: 1 transparent color is written as opaque'
        """
        suffix = _known(path)
        return "" if suffix == PICTURE else palette_files.lost(suffix, self.colors)

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Write the palette as what the suffix of `path` says.

        .gpl, .hex, .json, .css and .palette hold colors and alpha; .ase, .aco and .pal colors; .act
        at most 256 colors, one of them transparent. `lost_in` says what is lost. Shares are in
        .json only.
        .png is a picture of the `swatches`, to look at; `load` does not read it.

        Raises
        ------
        BadOption : another suffix, or more colors than the format holds (.act: 256, .aco: 65,535).
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        files.write_atomic(path, self.encoded(_known(path)), overwrite=overwrite)

    @classmethod
    def of(cls, given: Any) -> "Palette":
        """Return the palette that somebody means.

        Parameters
        ----------
        given : Palette; the name of a palette file; "#000,#fff"; a sequence of colors, each a word
            or 3 or 4 integers in 0..255; or such an array
            Words are #rgb, #rrggbb, #rrggbbaa, or names of CSS.

        Raises
        ------
        MissingFile, BadImage, BadOption : as for `load`.
        BadOption : no color.

        >>> Palette.of("#000,orange").hex()
        ['#000000', '#ffa500']
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, os.PathLike) or (isinstance(given, str) and _is_file(given)):
            return cls.load(Path(given))
        if isinstance(given, str):
            rows = colornames.parse_list(given)
        elif isinstance(given, list | tuple) and any(isinstance(row, str) for row in given):
            rows = [colornames.parse(row) for row in given]
        else:
            return cls(given)
        colors = np.array(rows, np.uint8)
        return cls(colors if (colors[:, 3] < 255).any() else colors[:, :3])

    @classmethod
    def load(cls, path: str | Path) -> "Palette":
        """Read a palette file: .gpl, .hex, .json, .css, .palette, .ase, .aco, .act or .pal.

        Of an indexed PNG or GIF, its palette is read, in the order of the file. Of other pictures,
        `build_palette` finds one.

        Raises
        ------
        MissingFile : there is no file of that name.
        BadImage : unreadable, truncated, without a palette, or of colors other than RGB.
        BadOption : another suffix.
        """
        if Path(path).suffix.lower() in INDEXED:
            return cls(encode.decode_indexed(path)[1])
        return cls(*palette_files.load(path))

    def _repr_html_(self) -> str:
        return swatches.to_html(self.colors, self.shares)

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
