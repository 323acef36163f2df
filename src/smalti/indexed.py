"""The indexed image: a palette, and for every pixel the row of it that the pixel shows.

What quantization gives and what palette files store. Nothing here chooses
colors; this module only carries the two arrays between memory, Pillow and
files, with every palette row and every index exactly where it was.

    palette (k, 3|4), indices (H, W) -> [IndexedImage] -> array | Pillow image | file
"""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import files
from .decode import decode
from .encode import decode_indexed, encode, encode_truecolor
from .errors import BadImage, BadOption, SmaltiError
from .options import MAX_K

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IndexedImage"]

CHUNK = 1 << 16  # pixels looked up at a time: NumPy widens each index to 8 bytes
FORMATS = {".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}


@dataclass(frozen=True, eq=False)
class IndexedImage:
    """A picture as a palette and indices into it.

    Attributes
    ----------
    palette : (k, 3) uint8 sRGB, or (k, 4) with alpha; 1 <= k <= 65,536
    indices : (H, W) uint8 when k <= 256, else uint16; each below k
    fit : how the palette was found (iterations, stop_reason, distortion), or None for an
        image that was loaded or mapped to a given palette

    >>> image = IndexedImage(np.uint8([[0, 0, 0], [255, 128, 0]]), np.uint8([[0, 1], [1, 1]]))
    >>> image.to_array()[0].tolist()
    [[0, 0, 0], [255, 128, 0]]
    """

    palette: np.ndarray
    indices: np.ndarray
    fit: Any = field(default=None, repr=False)

    def to_array(self) -> np.ndarray:
        """Return the pixels: (H, W, 3) uint8 sRGB, or (H, W, 4) when the palette has alpha."""
        height, width = self.indices.shape
        pixels = np.empty((height, width, self.palette.shape[1]), np.uint8)
        rows = max(1, CHUNK // max(1, width))
        for top in range(0, height, rows):
            part = slice(top, top + rows)
            # "clip" writes straight to `out`; it never has to, since all indices are below k.
            np.take(self.palette, self.indices[part], axis=0, out=pixels[part], mode="clip")
        return pixels

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
    ) -> bytes:
        """Return the bytes of a file of this image.

        Parameters
        ----------
        format : "PNG", "WEBP" or "GIF"
            With k > 256 the file holds colors instead of indices, which GIF cannot.
        icc : color profile to embed
        dpi : density to record, (x, y) in dots per inch
        """
        if len(self.palette) <= 256:
            return encode(self.indices, self.palette, format, icc=icc, dpi=dpi)
        if format == "GIF":
            raise BadOption(
                f"GIF holds at most 256 colors, this image has {len(self.palette):,}; "
                "use PNG or WebP, or k of 256 or less"
            )
        return encode_truecolor(self.to_array(), format, icc=icc, dpi=dpi)

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Write the image to `path`: .png, .webp, .gif or .npz, atomically.

        Indexed PNG and .npz keep palette, order and indices exactly; `load` reads them back.

        Raises
        ------
        BadOption : another suffix.
        OutputExists : `path` exists and `overwrite` is false.
        CannotWrite : the folder is missing or read-only, or the disk is full.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".npz":
            buffer = io.BytesIO()
            np.savez_compressed(buffer, palette=self.palette, indices=self.indices)
            data = buffer.getvalue()
        elif suffix in FORMATS:
            data = self.encoded(FORMATS[suffix])
        else:
            raise BadOption(f"{path}: images are saved as {', '.join(FORMATS)} or .npz")
        files.write_atomic(Path(path), data, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> "IndexedImage":
        """Read the image at `path`.

        Indexed PNG, GIF and .npz come back exactly: palette rows in stored order, the same
        indices. Any other picture of at most 65,536 colors gets the palette of its distinct
        colors in ascending order.

        Raises
        ------
        BadImage : missing, unreadable, or more than 65,536 colors.
        """
        if Path(path).suffix.lower() == ".npz":
            return cls(*_load_npz(Path(path)))
        try:
            indices, palette, _ = decode_indexed(Path(path))
        except BadImage:  # not stored as indices; `decode` has the last word on whether it is bad
            return cls(*_distinct(decode(Path(path)).image, path))
        return cls(palette, indices)

    def show(self, original: Any = None) -> None:
        """Open this image in the system's viewer, to the right of `original` when it is given.

        Parameters
        ----------
        original : path, bytes, Pillow image or (H, W, 3|4) uint8 array

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
        pixels = original if isinstance(original, np.ndarray) else decode(original).image
        left = Image.fromarray(pixels).convert("RGBA")
        gap = max(2, result.width // 100)
        size = (left.width + gap + result.width, max(left.height, result.height))
        pair = Image.new("RGBA", size, (128, 128, 128, 255))
        pair.paste(left, (0, 0))
        pair.paste(result, (left.width + gap, 0))
        return pair


def _load_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read palette and indices from an archive, and check that they belong together."""
    from zipfile import BadZipFile  # 3 ms that only archives need

    try:
        with np.load(path, allow_pickle=False) as archive:
            palette, indices = archive["palette"], archive["indices"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadImage(f"{path}: cannot be read as a saved IndexedImage: {error}") from error
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
