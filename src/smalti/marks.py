"""Marks: how a file says that its pixels are what smalti makes of them already.

    bytes, mark -> [with_mark] -> bytes -> [find] -> mark

Compressed again at the same settings, a picture of at most k colors comes back as it was: that
needs no mark. But `-k auto` would find that fewer of the colors that are left look the same, a
quality would be reached with fewer still, and the picture would get worse with every run. Such
files carry a mark: a digest of the settings, and one of the pixels, so that a picture that was
edited, by a tool that keeps what it does not know, is not taken for ours. The name of the file,
threads and the version of smalti play no part; docs/decisions/0021-idempotence.md says why.

A mark is 16 characters: in a PNG, a tEXt chunk `smalti` (35 bytes); in a GIF, a comment (27); in
a WebP, a chunk of its own (24, and 18 of an extended header, if there is none yet).
"""

import base64
import hashlib
import re
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import labels

__all__ = ["canonical", "find", "of_picture", "of_pictures", "of_settings", "with_mark"]

KEYWORD = b"smalti"
DIGEST_BYTES = 6  # 8 characters: one in 2**48 takes another picture for its own
MARK = re.compile(rb"[A-Za-z0-9_-]{16}")


def of_settings(settings: Any) -> bytes:
    """Return the 8 characters for settings, given as anything whose `repr` tells them apart.

    >>> of_settings((16, "oklab")) == of_settings((16, "oklab")) != of_settings((17, "oklab"))
    True
    """
    return _digest(repr(settings).encode())


def of_picture(image: NDArray[np.uint8]) -> bytes:
    """Return the 8 characters for a picture: (H, W, 3|4) uint8.

    A picture that is opaque everywhere is the same with and without alpha, and so are colors that
    nobody sees.

    >>> image = np.zeros((2, 3, 4), np.uint8)
    >>> image[..., 3] = 255
    >>> of_picture(image) == of_picture(image[..., :3])
    True
    """
    return _digest(*canonical(image))


def canonical(image: NDArray[np.uint8]) -> tuple[Any, Any]:
    """Return shape and pixels of a picture, without what nobody sees."""
    if image.shape[2] == 4 and (image[..., 3] == 255).all():
        image = image[..., :3]
    elif image.shape[2] == 4 and image[image[..., 3] == 0].any():
        image = image.copy()
        image[image[..., 3] == 0] = 0
    return struct.pack(">III", *image.shape), np.ascontiguousarray(image)


def of_pictures(images: Iterable[NDArray[np.uint8]]) -> bytes:
    """Return the 8 characters for the frames of an animation, each as `of_picture` sees it."""
    return _digest(*map(of_picture, images))


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES, person=KEYWORD)
    for part in parts:
        digest.update(part)
    return base64.urlsafe_b64encode(digest.digest())


def with_mark(data: bytes, mark: bytes) -> bytes:
    """Return a PNG, GIF or WebP, as smalti writes them, with a mark of 16 characters in it."""
    return labels.MARK.put(data, mark)


def find(data: bytes) -> bytes:
    """Return the mark of a file, b"" where there is none, whatever the bytes are."""
    found = labels.MARK.find(data)
    return found if MARK.fullmatch(found) else b""
