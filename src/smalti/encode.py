"""Encoding: palette and indices (or colors) in, the bytes of a file out.

    indices (H, W), palette (k, 3|4) -> [encode] -> bytes of a PNG, WebP or GIF

The order of the palette is the caller's and is stored as it is. Packing and
compressing PNG is pyoxipng's work; where that has no wheel, Pillow writes the
PNG, correct all the same, some 5 to 10 % larger.
"""

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BadImage, BadOption
from .packing import bits_for, pack
from .stored import decode_indexed

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FORMATS", "check_palette", "decode_indexed", "encode", "encode_truecolor"]

FORMATS = ("PNG", "WEBP", "GIF")
Density = tuple[float, float] | None

# Measured with pyoxipng 9.1 on Kodak photos and on graphics, palettes of 4 to 256 colors: row
# filters never help indices of 8 bits (the same bytes as the default five filters, in half the
# time); "up" helps some packed ones, by up to 15 %; icons are cheap, and gain 2 % from a real try.
ICON_PIXELS = 65_536


def encode(
    indices: np.ndarray,
    palette: np.ndarray,
    format: str = "PNG",  # noqa: A002 (the word everybody uses)
    *,
    icc: bytes | None = None,
    dpi: Density = None,
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

    Returns
    -------
    bytes
        The same for the same input and versions of the encoding libraries.

    Raises
    ------
    BadImage : wrong dtype or shape, an index past the palette, or more than the
        format can hold (GIF: partial alpha; WebP: more than 16,383 pixels a side).
    BadOption : another format.

    >>> data = encode(np.zeros((1, 1), np.uint8), np.uint8([[255, 128, 0]]))
    >>> data[:4]
    b'\x89PNG'
    """
    _check(indices, palette)
    indices = np.ascontiguousarray(indices)
    if format == "PNG":
        return _indexed_png(indices, palette, icc, dpi)
    if format == "WEBP":
        return _webp(np.take(palette, indices, axis=0), icc)
    if format == "GIF":
        return _gif(indices, palette, icc)
    raise BadOption(f"format must be one of {', '.join(FORMATS)}, got {format!r}")


def encode_truecolor(
    image: np.ndarray,
    format: str = "PNG",  # noqa: A002
    *,
    icc: bytes | None = None,
    dpi: Density = None,
) -> bytes:
    """Encode an image pixel by pixel, lossless: for palettes of more than 256 colors.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8
    format : "PNG" or "WEBP"
    icc, dpi : as for `encode`

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
    if format == "WEBP":
        return _webp(image, icc)
    if format == "GIF":
        raise BadOption("GIF holds at most 256 colors; use PNG or WebP")
    if format != "PNG":
        raise BadOption(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    oxipng = _oxipng()
    if oxipng is None:
        return _saved(_pillow(image), "PNG", optimize=True, **_png_extras(icc, dpi))
    color = oxipng.ColorType.rgb() if image.shape[2] == 3 else oxipng.ColorType.rgba()
    return _optimized(oxipng, image.tobytes(), image.shape, color, 8, icc, dpi, {"level": 2})


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


def _oxipng() -> Any:
    try:
        import oxipng
    except ImportError:
        return None
    return oxipng


def _indexed_png(
    indices: np.ndarray, palette: np.ndarray, icc: bytes | None, dpi: Density
) -> bytes:
    depth = bits_for(len(palette))
    oxipng = _oxipng()
    if oxipng is None:
        options: dict[str, Any] = {"bits": depth, "optimize": True, **_png_extras(icc, dpi)}
        if palette.shape[1] == 4 and palette[:, 3].min() < 255:
            options["transparency"] = palette[:, 3].tobytes()
        return _saved(_pillow_indexed(indices, palette), "PNG", **options)
    rows = palette.tolist()
    color = oxipng.ColorType.indexed([(*row, 255)[:4] for row in rows])
    filters = oxipng.RowFilter
    effort: dict[str, Any] = {"level": 2, "filter": [filters.NoOp]}
    if indices.size <= ICON_PIXELS:
        effort["filter"] += [filters.Sub, filters.Up, filters.Bigrams, filters.BigEnt]
        effort["deflate"] = oxipng.Deflaters.libdeflater(12)
    elif depth < 8:
        effort["filter"] += [filters.Up]
    packed = pack(indices, depth)
    return _optimized(oxipng, packed, indices.shape, color, depth, icc, dpi, effort)


def _optimized(
    oxipng: Any,
    samples: bytes,
    shape: tuple[int, ...],
    color: Any,
    depth: int,
    icc: bytes | None,
    dpi: Density,
    effort: dict[str, Any],
) -> bytes:
    raw = oxipng.RawImage(samples, shape[1], shape[0], color_type=color, bit_depth=depth)
    if icc:
        raw.add_icc_profile(icc)
    if dpi:
        per_meter = [max(1, round(value / 0.0254)) for value in dpi]
        raw.add_png_chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))
    # No reductions: they would reorder or drop palette rows.
    reductions = ("bit_depth", "color_type", "palette", "grayscale")
    off = {f"{name}_reduction": False for name in reductions}
    return bytes(raw.create_optimized_png(**off, **effort))


def _png_extras(icc: bytes | None, dpi: Density) -> dict[str, Any]:
    extras: dict[str, Any] = {"icc_profile": icc} if icc else {}
    return {**extras, "dpi": dpi} if dpi else extras


def _webp(image: np.ndarray, icc: bytes | None) -> bytes:
    if max(image.shape[:2]) > 16_383:
        raise BadImage("WebP holds at most 16,383 pixels a side; use PNG")
    # exact: keep the color of transparent pixels. Effort 50 of 100 gives the bytes of 80 in
    # two thirds of the time (Kodak and graphics, 16 and 256 colors).
    options = {"lossless": True, "exact": True, "quality": 50, "method": 4}
    return _saved(_pillow(image), "WEBP", **options, **_png_extras(icc, None))


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
    return _saved(_pillow_indexed(indices, palette), "GIF", **options)


def _pillow(image: np.ndarray) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(image)


def _pillow_indexed(indices: np.ndarray, palette: np.ndarray) -> "Image.Image":
    from PIL import Image

    height, width = indices.shape
    image = Image.frombytes("P", (width, height), indices.tobytes())
    image.putpalette(np.ascontiguousarray(palette[:, :3]).tobytes())
    return image


def _saved(image: "Image.Image", kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
