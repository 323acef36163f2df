"""Pillow's own interface: `Image.quantize`, done by smalti.

    Pillow image -> [pil_quantize] -> Pillow image, mode P

For programs that call Pillow today and want better palettes tomorrow: the same
arguments, the same kind of result. Everything is done by `quantize` and `apply_palette`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadImage, BadOption
from .options import check
from .quantize import apply_palette, quantize

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["pil_quantize"]

DITHER = {0: "none", 1: "bayer", 3: "floyd-steinberg"}
"""By Pillow's numbers. It has a name for 1, ORDERED, too, but does not implement it."""


def pil_quantize(
    im: "Image.Image",
    colors: int = 256,
    method: int | None = None,
    kmeans: int = 0,
    palette: "Image.Image | None" = None,
    dither: int | None = None,
    **options: Any,
) -> "Image.Image":
    """Reduce a Pillow image to a palette: for `im.quantize(...)` write `pil_quantize(im, ...)`.

    Parameters
    ----------
    im : Pillow image of any mode that smalti reads, so all but 32-bit integers and floats
    colors : int, 1 to 256
    method, kmeans : Pillow's; accepted, so that no call needs to be changed, and ignored
    palette : Pillow image of mode P, whose palette is taken instead; `colors` is then ignored, too
    dither : `Image.Dither.NONE`, `ORDERED` (Bayer's matrix) or `FLOYDSTEINBERG`
        None, the default, is "auto": where bands would show. Pillow dithers by default, but only to
        a given `palette`.
    **options
        `space`, `dither_strength`, `dither_adaptive`, `effort`, `init`, `n_init`, `max_iter`,
        `tol`, `seed`, `threads`, as in `quantize`; with `palette`, those of `apply_palette`.

    Returns
    -------
    Pillow image of mode P
        Its pixels are those of `quantize(im, colors)`: EXIF orientation and color profile are
        applied. Alpha is in `info["transparency"]`, where Pillow's methods find and save it.

    Raises
    ------
    BadImage : not a Pillow image, or of a mode that is not read.
    BadOption : an option, or a palette image of another mode.

    >>> from PIL import Image
    >>> small = pil_quantize(Image.linear_gradient("L"), 2)
    >>> small.mode, small.size, len(small.getcolors())
    ('P', (256, 256), 2)
    """
    if not hasattr(im, "getbands"):
        raise BadImage(f"im must be a Pillow image, got {type(im).__name__}; try Image.open first")
    if dither is not None and dither not in DITHER:
        raise BadOption(
            f"dither must be Dither.NONE, Dither.ORDERED or Dither.FLOYDSTEINBERG, got {dither!r}"
        )
    how = "auto" if dither is None else DITHER[dither]
    if palette is not None:
        return apply_palette(im, _colors(palette), dither=how, **options).to_image()
    if check("k", colors) > 256:
        raise BadOption(f"colors must be an integer from 1 to 256, got {colors}")
    return quantize(im, colors, dither=how, **options).to_image()


def _colors(image: "Image.Image") -> NDArray[np.uint8]:
    """Return the palette of a Pillow image, with alpha if it is transparent anywhere."""
    mode = getattr(image, "mode", type(image).__name__)
    if mode != "P":
        raise BadOption(f"palette must be a Pillow image of mode P, got {mode}")
    image.load()
    palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    transparency = image.info.get("transparency")
    if transparency is None:
        return palette
    alpha = np.full(len(palette), 255, np.uint8)
    if isinstance(transparency, int):
        alpha[transparency : transparency + 1] = 0
    else:
        known = np.frombuffer(transparency, np.uint8)[: len(alpha)]
        alpha[: len(known)] = known
    return np.column_stack([palette, alpha])
