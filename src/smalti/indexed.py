"""The indexed image: a palette, and for every pixel the row of it that the pixel shows.

What quantization gives and what palette files store. Nothing here chooses
colors; this module only carries the two arrays between memory, Pillow and
files, with every palette row and every index exactly where it was.

    palette (k, 3|4), indices (H, W) -> [IndexedImage] -> array | Pillow image | file
"""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from . import files
from .bands import looked_up
from .decode import decode
from .encode import decode_indexed, encode, encode_truecolor
from .errors import BadImage, BadOption, CannotWrite, LimitExceeded, MissingFile, SmaltiError
from .image import channel_order
from .load import load
from .options import MAX_K, Option
from .sources import read_source

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IndexedImage"]

FORMATS = {".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}
ARCHIVE = "NPZ"
MAX_ARCHIVE_BYTES = 2**28
"""Of an archive, packed and unpacked: indices of 100 megapixels have 200 MB at most."""


@dataclass(frozen=True, eq=False, repr=False)
class IndexedImage:
    """A picture as a palette and indices into it.

    Attributes
    ----------
    palette : (k, 3) uint8 sRGB, or (k, 4) with alpha; 1 <= k <= 65,536. Always in RGB order
    indices : (H, W) uint8 when k <= 256, else uint16; each below k
    fit : how the palette was found (iterations, stop_reason, distortion), or None for an
        image that was loaded or mapped to a given palette

    NumPy sees the pixels: `np.asarray(image)` is `image.to_array()`.

    >>> image = IndexedImage(np.uint8([[0, 0, 0], [255, 128, 0]]), np.uint8([[0, 1], [1, 1]]))
    >>> image
    IndexedImage(2 × 2 pixels, 2 RGB colors)
    >>> np.asarray(image)[0].tolist()
    [[0, 0, 0], [255, 128, 0]]
    """

    palette: np.ndarray
    indices: np.ndarray
    fit: Any = field(default=None, repr=False)

    def to_array(self, channels: str = "rgb") -> np.ndarray:
        """Return the pixels: (H, W, 3) uint8 sRGB, or (H, W, 4) when the palette has alpha.

        Parameters
        ----------
        channels : "rgb" or "bgr"
            Their order in the result: "bgr" is what OpenCV's `cv2.imwrite` and `cv2.imshow` take.

        Raises
        ------
        BadOption : `channels` is neither.

        >>> image = IndexedImage(np.uint8([[255, 128, 0]]), np.uint8([[0]]))
        >>> image.to_array("bgr").tolist()
        [[[0, 128, 255]]]
        """
        order = channel_order(channels, self.palette.shape[1])
        return looked_up(self.palette[:, order], self.indices)

    def mask(self, i: int) -> np.ndarray:
        """Return where the picture shows palette row i: (H, W) bool.

        Raises
        ------
        BadOption : `i` is no row of the palette.

        >>> IndexedImage(np.uint8([[0, 0, 0], [9, 9, 9]]), np.uint8([[0, 1], [1, 1]])).mask(1)
        array([[False,  True],
               [ True,  True]])
        """
        row = Option("i", None, "", 0, len(self.palette) - 1).check(i)
        found: np.ndarray = self.indices == row
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the pixels of an IndexedImage are looked up: that is always a copy")
        return self.to_array().astype(dtype or np.uint8, copy=False)

    def __repr__(self) -> str:
        height, width = self.indices.shape
        kind = "RGB" if self.palette.shape[1] == 3 else "RGBA"
        return f"IndexedImage({width:,} × {height:,} pixels, {len(self.palette):,} {kind} colors)"

    def to_image(self) -> "Image.Image":
        """Return a Pillow image: mode P with its transparency for k <= 256, else RGB or RGBA."""
        from PIL import Image

        if len(self.palette) > 256:
            return Image.fromarray(self.to_array())
        height, width = self.indices.shape
        image = Image.frombytes("P", (width, height), np.ascontiguousarray(self.indices).tobytes())
        image.putpalette(np.ascontiguousarray(self.palette[:, :3]).tobytes())
        if self.palette.shape[1] == 4:
            image.info["transparency"] = self.palette[:, 3].tobytes()
        return image

    def encoded(
        self,
        format: str = "PNG",  # noqa: A002
        *,
        icc: bytes | None = None,
        dpi: tuple[float, float] | None = None,
        pack: str = "default",
        order: str = "given",
    ) -> bytes:
        """Return the bytes of a file of this image.

        Parameters
        ----------
        format : "PNG", "WEBP" or "GIF"
            With k > 256 the file holds colors instead of indices, which GIF cannot.
        icc : color profile to embed, which GIF cannot
        dpi : density to record, (x, y) in dots per inch; only PNG does
        pack : "fast", "default" or "max", what to spend on a small file
        order : "given" keeps palette and indices exactly; "auto" lets PNG hold the same pixels in
            whatever way is smallest, as `compress` does

        Raises
        ------
        BadOption : another format, or GIF with k > 256.
        BadImage : more than the format can hold (GIF: partial alpha, a profile).

        >>> IndexedImage(np.uint8([[255, 128, 0]]), np.uint8([[0]])).encoded("GIF")[:4]
        b'GIF8'
        """
        if len(self.palette) <= 256:
            return encode(
                self.indices, self.palette, format, icc=icc, dpi=dpi, pack=pack, order=order
            )
        if format == "GIF":
            raise BadOption(
                f"GIF holds at most 256 colors, this image has {len(self.palette):,}; "
                "use PNG or WebP, or k of 256 or less"
            )
        return encode_truecolor(self.to_array(), format, icc=icc, dpi=dpi, pack=pack)

    def _repr_png_(self) -> bytes:
        """What Jupyter shows where an image is the value of a cell: the PNG, as it is."""
        return self.encoded()

    def save(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        *,
        format: str | None = None,  # noqa: A002
        overwrite: bool = True,
        pack: str = "default",
    ) -> None:
        """Write the image to a file: PNG, WebP, GIF, or NumPy's .npz.

        Indexed PNG and .npz keep palette, order and indices exactly; `load` reads them back.

        Parameters
        ----------
        target : path, or a file opened in binary mode
            At a path the file is replaced in one step: it is the old or the new, never a part.
        format : "png", "webp", "gif" or "npz"; None takes it from the name of the target
            A file object without a name gets PNG.
        overwrite : whether a file at the path may be replaced
        pack : "fast", "default" or "max", what to spend on a small file; .npz has one way only

        Raises
        ------
        BadOption : no such format, or one that does not fit the name; GIF with k > 256.
        BadImage : GIF of a palette with partial alpha.
        OutputExists : `target` exists and `overwrite` is false.
        CannotWrite : the folder is missing or read-only, or the disk is full.

        >>> buffer = io.BytesIO()
        >>> IndexedImage(np.uint8([[255, 128, 0]]), np.uint8([[0]])).save(buffer, format="gif")
        >>> buffer.getvalue()[:4]
        b'GIF8'
        """
        kind = _format_of(target, format)
        if kind == ARCHIVE:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, palette=self.palette, indices=self.indices)
            data = buffer.getvalue()
        else:
            data = self.encoded(kind, pack=pack)
        if isinstance(target, str | os.PathLike):
            files.write_atomic(target, data, overwrite=overwrite)
        else:
            _write(target, data)

    @classmethod
    def load(cls, path: str | Path) -> "IndexedImage":
        """Read the image at `path`.

        Indexed PNG, GIF and .npz come back exactly: palette rows in stored order, the same
        indices. Any other picture of at most 65,536 colors gets the palette of its distinct
        colors in ascending order.

        Raises
        ------
        MissingFile : there is no file of that name.
        BadImage : unreadable, or more than 65,536 colors.
        LimitExceeded : larger than the limits of `decode`, or an archive of more than 256 MiB.
        """
        if Path(path).suffix.lower() == ".npz":
            return cls(*_load_npz(Path(path)))
        try:
            indices, palette, _ = decode_indexed(Path(path))
        except MissingFile:
            raise
        except BadImage:  # not stored as indices; `decode` has the last word on whether it is bad
            return cls(*_distinct(decode(Path(path)).image, path))
        return cls(palette, indices)

    def show(self, original: Any = None) -> None:
        """Open this image in the system's viewer, to the right of `original` when it is given.

        Parameters
        ----------
        original : path, bytes, binary file, Pillow image, or (H, W, 3|4) or (H, W) uint8 array

        Raises
        ------
        SmaltiError : there is no image viewer here.
        """
        from PIL import ImageShow

        if not ImageShow.show(self.beside(original)):
            raise SmaltiError("no image viewer was found here; save the image and open it yourself")

    def beside(self, original: Any = None) -> "Image.Image":
        """Return what `show` shows: a Pillow image, RGBA, `original` left and this one right."""
        from PIL import Image

        result = self.to_image().convert("RGBA")
        if original is None:
            return result
        left = Image.fromarray(load(original)).convert("RGBA")
        gap = max(2, result.width // 100)
        size = (left.width + gap + result.width, max(left.height, result.height))
        pair = Image.new("RGBA", size, (128, 128, 128, 255))
        pair.paste(left, (0, 0))
        pair.paste(result, (left.width + gap, 0))
        return pair


def _format_of(target: Any, asked: str | None) -> str:
    """Return "PNG", "WEBP", "GIF" or "NPZ": as asked, else as the target's name says."""
    kinds = {**FORMATS, ".npz": ARCHIVE}
    is_path = isinstance(target, str | os.PathLike)
    if not is_path and not hasattr(target, "write"):
        raise BadOption(f"images are saved to a path or a binary file, got {type(target).__name__}")
    name = target if is_path else getattr(target, "name", None)  # of a descriptor, a number
    suffix = Path(name).suffix.lower() if isinstance(name, str | os.PathLike) else ""
    named = kinds.get(suffix)
    if asked is None and not is_path:
        return named or "PNG"
    kind = (named or "") if asked is None else str(asked).upper()
    if kind not in kinds.values() or (is_path and suffix and named != kind):
        what = files.shown(target) if is_path else "the file"
        form = f" as {asked}" if asked else ""
        raise BadOption(f"{what} cannot be saved{form}: images are {', '.join(kinds)}")
    return kind


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except TypeError as error:
        raise BadOption(
            "the file must be opened in binary mode, as open(path, 'wb') does"
        ) from error
    except (OSError, ValueError) as error:  # a full disk; a file that is closed
        raise CannotWrite(f"the file cannot be written: {error}") from error


def _load_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read palette and indices from an archive, and check that they belong together."""
    from zipfile import BadZipFile, ZipFile  # 3 ms that only archives need

    data, name = read_source(path, MAX_ARCHIVE_BYTES)
    try:
        with ZipFile(io.BytesIO(data)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_ARCHIVE_BYTES:
            raise LimitExceeded(
                f"{name}: unpacks to {unpacked / 2**20:,.0f} MiB, above the limit of "
                f"{MAX_ARCHIVE_BYTES >> 20}"
            )
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            palette, indices = archive["palette"], archive["indices"]
        if not all(isinstance(part, np.ndarray) for part in (palette, indices)):
            raise ValueError("palette and indices are no arrays")  # but files of other kinds
    except (SmaltiError, MemoryError):
        raise
    except Exception as error:  # zipfile and NumPy raise whatever their parsing trips over
        known = BadZipFile | KeyError | EOFError | ValueError | OSError
        words = error if isinstance(error, known) else f"{type(error).__name__}: {error}"
        raise BadImage(f"{name}: cannot be read as a saved IndexedImage: {words}") from error
    whole = (
        palette.dtype == np.uint8
        and palette.ndim == 2
        and palette.shape[1] in (3, 4)
        and 1 <= len(palette) <= MAX_K
        and indices.ndim == 2
        and indices.dtype in (np.uint8, np.uint16)
        and indices.max(initial=0) < len(palette)
    )
    if not whole:
        raise BadImage(f"{path}: palette and indices in it do not belong together")
    return palette, indices


def _distinct(image: np.ndarray, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct colors of an image, ascending, and each pixel's row among them."""
    height, width, channels = image.shape
    packed = np.zeros(height * width, np.uint32)
    for channel in range(channels):
        packed = packed << 8 | image[..., channel].ravel()
    keys, rows = np.unique(packed, return_inverse=True)
    if len(keys) > MAX_K:
        raise BadImage(f"{path}: has {len(keys):,} colors, an indexed image at most {MAX_K:,}")
    shifts = np.arange(channels - 1, -1, -1, dtype=np.uint32) * 8
    palette = (keys[:, None] >> shifts & 255).astype(np.uint8)
    kind = np.uint8 if len(keys) <= 256 else np.uint16
    return palette, rows.reshape(height, width).astype(kind)
