"""Palette files: the color lists that drawing programs exchange.

Each format is a pair of pure functions between bytes and rows of numbers, in `palette_text`
or `palette_binary`:

    .gpl   GIMP, Inkscape, Krita, Aseprite    decimal numbers and a name per color
    .hex   Lospec and pixel-art tools         RRGGBB, or RRGGBBAA, one per line
    .json  smalti                             {"colors": [{"hex": "#rrggbb", "share": 0.25}, ...]}
    .palette  smalti, and its palette locks   a row number and #rrggbb per line
    .css   web pages                          :root { --color-1: #rrggbb; ... }
    .pal   Paint Shop Pro                     JASC-PAL; Microsoft's RIFF PAL is read, too
    .ase   Adobe Swatch Exchange
    .aco   Photoshop swatches
    .act   Photoshop color table              at most 256 colors, one of them transparent

Rows keep their order and their exact values, so what is written is what is read
back. Alpha, which GIMP's own format lacks, is written as Aseprite does; .pal, .ase and
.aco hold none, and .act no partial one: `lost` says so. Only JSON carries shares, the
part of the pixels that took each color.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from . import lock_text
from . import palette_binary as binary
from . import palette_text as text
from .errors import BadImage, BadOption, LimitExceeded
from .options import MAX_K
from .sources import read_source, shown

__all__ = ["SUFFIXES", "dump", "load", "lost", "parse"]

Colors = np.ndarray
Shares = np.ndarray | None
Rows = list[list[int]]

SUFFIXES = (".gpl", ".hex", ".json", ".css", ".ase", ".aco", ".act", ".pal", ".palette")

MAX_BYTES = 16 * 2**20  # no list of 65,536 colors is near this; a mistaken video is far above


def load(path: str | Path) -> tuple[Colors, Shares]:
    """Read the palette file at `path`; its suffix names the format.

    Returns
    -------
    colors : (k, 3) uint8 sRGB, or (k, 4) with alpha when the file has alpha
    shares : (k,) float64, or None where the file has none

    Raises
    ------
    BadOption : the suffix is none of `SUFFIXES`.
    MissingFile : there is no file of that name.
    BadImage : it cannot be read, or is not what its suffix says.
    """
    _known(Path(path).suffix)
    try:
        data, name = read_source(path, MAX_BYTES)
    except LimitExceeded as error:
        limit = f"{MAX_BYTES // 2**20} MiB"
        raise BadImage(f"{shown(path)}: over {limit}, which no palette file is") from error
    try:
        return parse(data, Path(path).suffix)
    except BadImage as error:
        raise BadImage(f"{name}: {error}") from error


def parse(data: bytes, suffix: str) -> tuple[Colors, Shares]:
    r"""Read a palette from the bytes of a file of format `suffix`, one of `SUFFIXES`.

    Raises
    ------
    BadOption : another suffix.
    BadImage : not what the suffix says, truncated, or not of 1 to 65,536 RGB colors.

    >>> colors, shares = parse(b"ff8000\n102030\n", ".hex")
    >>> colors.tolist(), shares
    ([[255, 128, 0], [16, 32, 48]], None)
    """
    shares: Shares = None
    if (suffix := _known(suffix)) == ".json":
        rows, shares = text.parse_json(data)
    else:
        rows = READERS[suffix](data)
    if not 1 <= len(rows) <= MAX_K:
        raise BadImage(f"a palette has 1 to {MAX_K:,} colors, this file has {len(rows):,}")
    return _as_array(rows), shares


def dump(suffix: str, colors: Colors, shares: Shares = None) -> bytes:
    r"""Return the bytes of a palette file of format `suffix`.

    Parameters
    ----------
    suffix : one of `SUFFIXES`
    colors : (k, 3) or (k, 4) uint8 sRGB
    shares : (k,) float, written to JSON only

    Raises
    ------
    BadOption : another suffix, or more colors than its format holds (.act: 256, .aco: 65,535).

    >>> dump(".hex", np.uint8([[255, 128, 0], [16, 32, 48]]))
    b'ff8000\n102030\n'
    """
    rows = np.asarray(colors).tolist()
    if (suffix := _known(suffix)) == ".json":
        return text.render_json(rows, None if shares is None else np.asarray(shares).tolist())
    return WRITERS[suffix](rows)


def lost(suffix: str, colors: Colors) -> str:
    """Say in a sentence what of the colors a file of this format does not hold; "" if nothing.

    >>> lost(".ase", np.uint8([[255, 128, 0, 99]]))
    '.ase holds no alpha: 1 transparent color is written as opaque'
    """
    suffix = _known(suffix)
    if colors.shape[1] == 3 or suffix in WITH_ALPHA:
        return ""
    count = int((colors[:, 3] < 255).sum())
    if suffix == ".act":
        count -= bool((colors[:, 3] == 0).any())
    if not count:
        return ""
    holds = "one transparent color and no others" if suffix == ".act" else "no alpha"
    what = "1 transparent color is" if count == 1 else f"{count:,} transparent colors are"
    return f"{suffix} holds {holds}: {what} written as opaque"


def _known(suffix: str) -> str:
    """Return `suffix` in lower case if it is a palette format."""
    if suffix.lower() not in SUFFIXES:
        raise BadOption(
            f"a palette file ends in {', '.join(SUFFIXES)}, got {suffix or 'no suffix'!r}"
        )
    return suffix.lower()


def _as_array(rows: Sequence[Sequence[int]]) -> Colors:
    """Stack rows of 3 or 4 numbers; one row with alpha gives all of them alpha."""
    if any(len(row) == 4 for row in rows):
        rows = [[*row, 255][:4] for row in rows]
    return np.array(rows, dtype=np.uint8)


def _parse_pal(data: bytes) -> Rows:
    """JASC's lines of text, or Microsoft's file of the same suffix."""
    return binary.parse_riff(data) if data[:4] == b"RIFF" else text.parse_pal(data)


READERS: dict[str, Callable[[bytes], Rows]] = {
    ".gpl": text.parse_gpl,
    ".hex": text.parse_hex,
    ".css": text.parse_css,
    ".ase": binary.parse_ase,
    ".aco": binary.parse_aco,
    ".act": binary.parse_act,
    ".pal": _parse_pal,
    ".palette": lock_text.parse_rows,
}
WRITERS: dict[str, Callable[[Rows], bytes]] = {
    ".gpl": text.render_gpl,
    ".hex": text.render_hex,
    ".css": text.render_css,
    ".ase": binary.render_ase,
    ".aco": binary.render_aco,
    ".act": binary.render_act,
    ".pal": text.render_pal,
    ".palette": lock_text.render_rows,
}
WITH_ALPHA = (".gpl", ".hex", ".json", ".css", ".palette")
