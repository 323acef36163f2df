"""Loading: whatever people hold a picture in, pixels out.

    path | bytes | file | Pillow image | array -> [load] -> image (H, W, 3|4) uint8

Every verb of the library takes the same kinds of source, because all ask here.
Files are decoded; an array is an image already, once its shape and dtype are right.
"""

import os
from typing import Any

from .decode import Decoded, Limits, decode
from .image import Image, channel_order, check_image

__all__ = ["load", "load_with_notes"]


def load(source: Any, channels: str = "rgb") -> Image:
    """Return the pixels of an image.

    Parameters
    ----------
    source : path, bytes of a file, file opened in binary mode, Pillow image, or (H, W, 3),
        (H, W, 4) or (H, W) uint8 array
    channels : "rgb" or "bgr"
        Order of the channels of an array; files know their own.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8 sRGB, C-contiguous; not a copy of an array that is so already

    Raises
    ------
    MissingFile : there is no file of that name.
    BadImage : not one picture of a supported kind.
    BadOption : `channels` is neither.
    LimitExceeded : a file is larger than the default limits.

    >>> import numpy as np
    >>> load(np.uint8([[[0, 128, 255]]]), "bgr").tolist()
    [[[255, 128, 0]]]
    """
    return load_with_notes(source, channels).image


def load_with_notes(
    source: Any,
    channels: str = "rgb",
    *,
    limits: Limits | None = None,
    icc: str = "srgb",
    metadata: bool = False,
) -> Decoded:
    """Return what `load` does, and what is known about the file; an array is none.

    `limits`, `icc` and `metadata` are those of `decode`; otherwise as for `load`.
    """
    channel_order(channels, 3)  # a wrong name is wrong for files, too
    if _is_file(source):
        return decode(source, limits=limits, icc=icc, metadata=metadata)
    return Decoded(check_image(source, channels), "array", None, None, None, (), 0)


def _is_file(source: Any) -> bool:
    """Whether `source` is a file in some shape, or a Pillow image, told without importing it."""
    if isinstance(source, str | bytes | bytearray | memoryview | os.PathLike):
        return True
    return hasattr(source, "read") or hasattr(source, "getbands")
