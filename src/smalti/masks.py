"""Masks: where a picture shows each color of its palette, as one black-and-white PNG per color.

    IndexedImage -> mask (H, W) bool -> encode -> 01-ff8800.png, 02-224466.png, ...

Files are named by rank and hex code, so that a folder lists them in the order of the palette.
Which files there will be depends on the palette alone, so all can be refused before any is written.
"""

import os
from pathlib import Path

import numpy as np

from . import files
from .encode import encode
from .errors import CannotWrite
from .indexed import IndexedImage
from .palette import Palette

__all__ = ["check_folder", "paths", "save"]

BLACK_AND_WHITE = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)


def paths(folder: str | os.PathLike[str], palette: Palette) -> list[Path]:
    """Return where the mask of each color goes.

    >>> [path.name for path in paths("", Palette([[255, 136, 0], [34, 68, 102]]))]
    ['01-ff8800.png', '02-224466.png']
    """
    digits = max(2, len(str(palette.k)))
    codes = (code.removeprefix("#") for code in palette.hex())
    return [Path(folder) / f"{rank:0{digits}d}-{code}.png" for rank, code in enumerate(codes, 1)]


def check_folder(
    folder: str | os.PathLike[str], palette: Palette, *, overwrite: bool = True
) -> None:
    """Refuse masks that could not be written.

    Raises
    ------
    OutputExists : there is a file that a mask would replace, and `overwrite` is false.
    CannotWrite : `folder` is a file, or may not be written to; one that is missing will be made.
    """
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise CannotWrite(f"{files.shown(folder)} is a file; masks are written into a folder")
    for path in paths(folder, palette):
        files.check_writable(path, overwrite)


def save(
    image: IndexedImage, folder: str | os.PathLike[str], *, overwrite: bool = True
) -> list[Path]:
    """Write the mask of every palette row as a PNG of 1 bit per pixel: white where it is shown.

    Parameters
    ----------
    image : IndexedImage
        A color that no pixel shows gets a black mask.
    folder : path; made if it is missing
    overwrite : whether masks that exist may be replaced

    Returns
    -------
    list of Path, one per row

    Raises
    ------
    OutputExists, CannotWrite : before anything is written, as far as can be known.
    """
    palette = Palette(image.palette)
    check_folder(folder, palette, overwrite=overwrite)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{files.shown(folder)}: cannot be made: {error.strerror}") from error
    targets = paths(folder, palette)
    for row, path in enumerate(targets):
        data = encode(image.mask(row).view(np.uint8), BLACK_AND_WHITE)
        files.write_atomic(path, data, overwrite=overwrite)
    return targets
