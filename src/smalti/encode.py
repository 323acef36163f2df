"""Encoding: palette and indices (or colors) in, the bytes of a file out.

    indices (H, W), palette (k, 3|4) -> [encode] -> bytes of a PNG, WebP or GIF

The order of the palette is the caller's and is stored as it is, unless the
caller leaves it to the file. How PNG gets small is decided in `png_packing`.
"""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from .bands import looked_up
from .errors import BadImage, BadOption
from .options import check
from .png_packing import Density, Encoded, by_use, packed, packed_truecolor, pillow_indexed
from .stored import decode_indexed

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "FORMATS",
    "Encoded",
    "check_palette",
    "decode_indexed",
    "encode",
    "encode_truecolor",
    "try_all",
]

FORMATS = ("PNG", "WEBP", "GIF")

OUT_OF_MEMORY = ("encoding error 1", "encoding error 2")
"""Of libwebp, by its numbers, as Pillow reports them."""

# Of lossless WebP: `quality` is how long to search, `method` how. 50 gives the bytes of 80 in two
# thirds of the time (Kodak and graphics, 16 and 256 colors).
WEBP = {
    "fast": {"quality": 20, "method": 1},
    "default": {"quality": 50, "method": 4},
    "max": {"quality": 100, "method": 6},
}


def encode(
    indices: np.ndarray,
    palette: np.ndarray,
    format: str = "PNG",  # noqa: A002 (the word everybody uses)
    *,
    icc: bytes | None = None,
    dpi: Density = None,
    pack: str = "default",
    order: str = "given",
) -> bytes:
    r"""Encode an image of at most 256 colors.

    Parameters
    ----------
    indices : (H, W) uint8
        Rows of the palette, each below k.
    palette : (k, 3) or (k, 4) uint8, 1 <= k <= 256
        sRGB, or the space that `icc` describes; straight alpha.
    format : "PNG", "WEBP" or "GIF"
        PNG is indexed, of 1, 2, 4 or 8 bits as k needs, and keeps rows, order and indices
        exactly. GIF does too, its palette padded to a power of two. WebP stores the
        pixels, lossless, colors under alpha 0 included.
    icc : color profile to embed, which GIF cannot
    dpi : horizontal and vertical dots per inch; only PNG records them
    pack : "fast", "default" or "max", what to spend on a small file
    order : "given" or "auto"
        With "auto", PNG holds the same pixels in whatever way is smallest: its palette in
        another order and without unused rows, as plain gray, or as colors. The palette of a GIF is
        in order of use. The bytes then depend on nothing but the pixels.

    Returns
    -------
    bytes
        The same for the same input and versions of the encoding libraries.

    Raises
    ------
    BadImage : wrong dtype or shape, an index past the palette, or more than the
        format can hold (GIF: partial alpha; WebP: more than 16,383 pixels a side).
    BadOption : another format, pack or order.

    >>> data = encode(np.zeros((1, 1), np.uint8), np.uint8([[255, 128, 0]]))
    >>> data[:4]
    b'\x89PNG'
    """
    return try_all(indices, palette, format, icc=icc, dpi=dpi, pack=pack, order=order).data


def try_all(
    indices: np.ndarray,
    palette: np.ndarray,
    format: str = "PNG",  # noqa: A002
    *,
    icc: bytes | None = None,
    dpi: Density = None,
    pack: str = "default",
    order: str = "given",
) -> Encoded:
    """Encode as `encode` does, and say what was tried, which for WebP and GIF is nothing.

    >>> encoded = try_all(np.zeros((9, 9), np.uint8), np.uint8([[7, 7, 7]]), order="auto")
    >>> encoded.tried[0].name, encoded.tried[0].bytes == len(encoded.data)
    ('grayscale, 8 bits', True)
    """
    _check(indices, palette)
    check("pack", pack)
    if order not in ("given", "auto"):
        raise BadOption(f"order must be given or auto, got {order!r}")
    indices = np.ascontiguousarray(indices)
    if format == "PNG":
        return packed(indices, palette, icc=icc, dpi=dpi, pack=pack, reorder=order == "auto")
    if format == "WEBP":
        return Encoded(_webp(looked_up(palette, indices), icc, pack))
    if format == "GIF":
        if order == "auto":
            indices, palette = by_use(indices, palette)
        return Encoded(_gif(indices, palette, icc))
    raise BadOption(f"format must be one of {', '.join(FORMATS)}, got {format!r}")


def encode_truecolor(
    image: np.ndarray,
    format: str = "PNG",  # noqa: A002
    *,
    icc: bytes | None = None,
    dpi: Density = None,
    pack: str = "default",
) -> bytes:
    """Encode an image pixel by pixel, lossless: for palettes of more than 256 colors.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8
    format : "PNG" or "WEBP"
    icc, dpi, pack : as for `encode`

    Raises
    ------
    BadImage : wrong dtype or shape.
    BadOption : GIF, which holds 256 colors at most, or an unknown format.
    """
    image = np.ascontiguousarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
        raise BadImage(
            f"image must be uint8 of shape (H, W, 3) or (H, W, 4), got {image.dtype} of "
            f"shape {image.shape}"
        )
    check("pack", pack)
    if format == "WEBP":
        return _webp(image, icc, pack)
    if format == "GIF":
        raise BadOption("GIF holds at most 256 colors; use PNG or WebP")
    if format != "PNG":
        raise BadOption(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return packed_truecolor(image, icc, dpi, pack)


def check_palette(palette: np.ndarray) -> None:
    """Raise `BadImage` unless `palette` is (k, 3) or (k, 4) uint8."""
    if palette.dtype != np.uint8 or palette.ndim != 2 or palette.shape[1] not in (3, 4):
        raise BadImage(
            f"palette must be uint8 of shape (k, 3) or (k, 4), got {palette.dtype} of shape "
            f"{palette.shape}"
        )


def _check(indices: np.ndarray, palette: np.ndarray) -> None:
    if indices.dtype != np.uint8 or indices.ndim != 2 or not indices.size:
        raise BadImage(
            f"indices must be uint8 of shape (H, W), got {indices.dtype} of shape {indices.shape}"
        )
    check_palette(palette)
    if not 1 <= len(palette) <= 256:
        raise BadImage(f"palette must have 1 to 256 colors, got {len(palette)}")
    if indices.max() >= len(palette):
        raise BadImage(
            f"indices must be below the {len(palette)} colors of the palette, got {indices.max()}"
        )


def _webp(image: np.ndarray, icc: bytes | None, pack: str) -> bytes:
    from PIL import features

    if not features.check("webp"):
        raise BadOption("this Pillow was built without WebP; use PNG, or install its wheel")
    if max(image.shape[:2]) > 16_383:
        raise BadImage("WebP holds at most 16,383 pixels a side; use PNG")
    # exact: keep the color of transparent pixels.
    options = {"lossless": True, "exact": True, **WEBP[pack]}
    return _saved(_pillow(image), "WEBP", **options, **({"icc_profile": icc} if icc else {}))


def _gif(indices: np.ndarray, palette: np.ndarray, icc: bytes | None) -> bytes:
    if icc:
        raise BadImage("GIF cannot hold a color profile; use PNG or WebP, or convert to sRGB")
    if max(indices.shape) > 65_535:
        raise BadImage("GIF holds at most 65,535 pixels a side; use PNG")
    options: dict[str, Any] = {"optimize": False, "interlace": False}
    if palette.shape[1] == 4:
        clear = np.flatnonzero(palette[:, 3] == 0)
        if len(clear) > 1 or (palette[:, 3] % 255).any():
            raise BadImage(
                "GIF holds one fully transparent color and no partly transparent ones; "
                "use PNG or WebP"
            )
        options |= {"transparency": int(clear[0])} if len(clear) else {}
    return _saved(pillow_indexed(indices, palette), "GIF", **options)


def _pillow(image: np.ndarray) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(image)


def _saved(image: "Image.Image", kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except ValueError as error:
        if str(error) in OUT_OF_MEMORY:
            raise MemoryError(f"{kind} encoder: {error}") from error
        raise
    return buffer.getvalue()
