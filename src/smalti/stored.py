"""Reading indexed files back exactly as they are stored: the inverse of `encode`.

bytes of an indexed PNG or GIF -> [decode_indexed] -> indices (H, W), palette (k, 3|4)
"""

import io
from typing import IO

import numpy as np

from . import gif, png
from .errors import BadImage, LimitExceeded
from .sources import Source, read_source, shown

__all__ = ["decode_indexed"]


def decode_indexed(
    source: Source | IO[bytes], *, max_megapixels: float = 100
) -> tuple[np.ndarray, np.ndarray, bytes | None]:
    """Read an indexed PNG or GIF back exactly as it is stored.

    Orientation, color space and density are not applied: `decode` is for that.

    Returns
    -------
    indices : (H, W) uint8
    palette : (k, 3) uint8 in stored order, or (k, 4) when some entry is not opaque
        A GIF's black padding rows that no pixel uses are left out.
    icc : bytes or None

    Raises
    ------
    BadImage : not an indexed PNG or GIF of one frame, or damaged.
    LimitExceeded : larger than `max_megapixels`.
    """
    data, name = read_source(source, 2**28)
    try:
        if data.startswith(png.SIGNATURE):
            return _read_indexed_png(data, max_megapixels)
        if data.startswith(b"GIF8"):
            return _read_gif(data, max_megapixels)
    except (BadImage, LimitExceeded) as error:
        raise type(error)(f"{name}: {error}") from error.__cause__
    raise BadImage(f"{name}: it is not an indexed PNG or GIF")


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        raise LimitExceeded(f"it has {width} × {height} pixels, above {max_megapixels} megapixels")


def _read_indexed_png(
    data: bytes, max_megapixels: float
) -> tuple[np.ndarray, np.ndarray, bytes | None]:
    file = png.read_png(data)
    if file.color_type != png.INDEXED or file.frames > 1:
        raise BadImage(
            "it is not an indexed PNG of one frame; smalti palette (smalti.build_palette) finds "
            "the colors of other pictures"
        )
    _check_size(file.width, file.height, max_megapixels)
    indices = png.samples(file)[0][:, :, 0]
    palette = np.frombuffer(file.palette, np.uint8).reshape(-1, 3)
    alpha = np.frombuffer(file.transparency, np.uint8)[: len(palette)]
    if indices.max() >= len(palette):
        raise BadImage("it is damaged: a pixel has an index past the palette")
    return indices, _with_alpha(palette, alpha), png.icc_profile(file) or None


def _with_alpha(palette: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if not (alpha < 255).any():
        return palette
    column = np.full((len(palette), 1), 255, np.uint8)
    column[: len(alpha), 0] = alpha
    return np.hstack([palette, column])


def _read_gif(data: bytes, max_megapixels: float) -> tuple[np.ndarray, np.ndarray, None]:
    from PIL.GifImagePlugin import GifImageFile

    if gif.count(data, 2) > 1:  # Pillow takes minutes to count a million
        raise BadImage("it is not a GIF of one frame")
    try:
        image = GifImageFile(io.BytesIO(data), "")
        _check_size(*image.size, max_megapixels)
        if image.n_frames > 1:
            raise BadImage("it is not a GIF of one frame")
        image.load()
    except (BadImage, LimitExceeded):
        raise
    except Exception as error:  # the reader raises whatever its parsing trips over
        raise BadImage(f"it is a damaged GIF ({shown(str(error))})") from error
    if image.mode not in ("P", "L"):
        raise BadImage("it is a GIF without a palette")
    indices = np.asarray(image)
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    else:  # row i is gray i: Pillow leaves such a table out
        entries = 2 << (data[10] & 7)
        palette = np.repeat(np.arange(entries, dtype=np.uint8)[:, None], 3, axis=1)
    key = image.info.get("transparency")
    used = max(int(indices.max()), key if isinstance(key, int) else 0) + 1
    while len(palette) > used and not palette[-1].any():
        palette = palette[:-1]
    alpha = np.full(256, 255, np.uint8)
    if isinstance(key, int):
        alpha[key] = 0
    return indices, _with_alpha(palette, alpha[: len(palette)]), None
