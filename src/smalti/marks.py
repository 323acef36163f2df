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

Sources: PNG specification, third edition, 11.3.3; GIF89a specification, 24; RFC 9649 (WebP), 2.7.
"""

import base64
import hashlib
import re
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["find", "of_picture", "of_pictures", "of_settings", "with_mark"]

KEYWORD = b"smalti"
WEBP_CHUNK = b"SMLT"
DIGEST_BYTES = 6  # 8 characters: one in 2**48 takes another picture for its own
MARK = re.compile(rb"[A-Za-z0-9_-]{16}")
ALPHA_FLAG = 0x10  # of the VP8X chunk


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
    if image.shape[2] == 4 and (image[..., 3] == 255).all():
        image = image[..., :3]
    elif image.shape[2] == 4 and image[image[..., 3] == 0].any():
        image = image.copy()
        image[image[..., 3] == 0] = 0
    return _digest(struct.pack(">III", *image.shape), np.ascontiguousarray(image))


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
    if data.startswith(b"\x89PNG"):
        content = b"tEXt" + KEYWORD + b"\0" + mark
        chunk = struct.pack(">I", len(content) - 4) + content
        return data[:-12] + chunk + struct.pack(">I", zlib.crc32(content)) + data[-12:]
    if data.startswith(b"GIF8"):
        at = 13 + _color_table(data[10])
        comment = b"\x21\xfe" + bytes([len(KEYWORD) + 1 + len(mark)]) + KEYWORD + b":" + mark
        return b"GIF89a" + data[6:at] + comment + b"\0" + data[at:]
    body = data[12:] if data[12:16] == b"VP8X" else _extended(data) + data[12:]
    body += WEBP_CHUNK + struct.pack("<I", len(mark)) + mark
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _extended(data: bytes) -> bytes:
    """Return the extended header for a WebP that holds nothing but a lossless picture."""
    bits = int.from_bytes(data[21:25], "little")  # after the chunk's name, size and signature
    width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    sides = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return b"VP8X" + struct.pack("<IB3x", 10, ALPHA_FLAG * alpha) + sides


def find(data: bytes) -> bytes:
    """Return the mark of a file, b"" where there is none, whatever the bytes are."""
    if data.startswith(b"\x89PNG"):
        found = _in_png(data)
    elif data.startswith(b"GIF8"):
        found = _in_gif(data)
    elif data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        found = _in_webp(data)
    else:
        return b""
    return found if MARK.fullmatch(found) else b""


def _in_png(data: bytes) -> bytes:
    at = 8
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"tEXt" and data.startswith(KEYWORD + b"\0", at + 8):
            return data[at + 8 + len(KEYWORD) + 1 : at + 8 + int(size)]
        if name == b"IEND":  # what follows is no part of the picture, and may be long
            break
        at += 12 + size
    return b""


def _in_gif(data: bytes) -> bytes:
    """Look at the extensions before the picture."""
    at = 13 + _color_table(data[10]) if len(data) > 13 else len(data)
    while at + 3 < len(data) and data[at] == 0x21:
        kind, size = data[at + 1], data[at + 2]
        if kind == 0xFE and data.startswith(KEYWORD + b":", at + 3):
            return data[at + 3 + len(KEYWORD) + 1 : at + 3 + size]
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return b""


def _in_webp(data: bytes) -> bytes:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == WEBP_CHUNK:
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return b""


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
