"""Labels: words of smalti's own in a PNG, GIF or WebP, beside the pixels.

    bytes, keyword, content -> [labeled] -> bytes -> [find] -> content

Decoders pass over what they do not know, so a label changes no pixel. It is a tEXt chunk of that
keyword in a PNG, a comment before the picture in a GIF, and a chunk of its own in a WebP, which
takes an extended header if there is none yet.

Sources: PNG specification, third edition, 11.3.3; GIF89a specification, 24; RFC 9649 (WebP), 2.7.
"""

import struct
import zlib
from dataclasses import dataclass

__all__ = ["MARK", "RECIPE", "Label", "extended"]

ALPHA_FLAG = 0x10  # of the VP8X chunk
MOST = 255  # bytes in a sub-block of a GIF


@dataclass(frozen=True)
class Label:
    """A kind of label: its keyword in PNG and GIF, and the name of its chunk in WebP.

    >>> kind = Label(b"smalti:test", b"TEST")
    >>> kind.find(kind.put(b"GIF89a" + bytes(7) + b";", b"hello"))
    b'hello'
    """

    keyword: bytes
    webp_chunk: bytes

    def put(self, data: bytes, content: bytes) -> bytes:
        """Return a PNG, GIF or WebP, as smalti writes them, with ASCII content in it."""
        if data.startswith(b"\x89PNG"):
            chunk = b"tEXt" + self.keyword + b"\0" + content
            size, checksum = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
            return data[:-12] + size + chunk + checksum + data[-12:]
        if data.startswith(b"GIF8"):
            at = 13 + _color_table(data[10])
            text = self.keyword + b":" + content
            blocks = [text[i : i + MOST] for i in range(0, len(text), MOST)]
            comment = b"".join(bytes([len(block)]) + block for block in blocks)
            return b"GIF89a" + data[6:at] + b"\x21\xfe" + comment + b"\0" + data[at:]
        body = data[12:] if data[12:16] == b"VP8X" else extended(data) + data[12:]
        body += (
            self.webp_chunk + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        )
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body

    def find(self, data: bytes) -> bytes:
        """Return the content in a file, b"" where there is none, whatever the bytes are."""
        if data.startswith(b"\x89PNG"):
            return self._in_png(data)
        if data.startswith(b"GIF8"):
            return self._in_gif(data)
        if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
            return self._in_webp(data)
        return b""

    def _in_png(self, data: bytes) -> bytes:
        at = 8
        while at + 12 <= len(data):
            size, name = struct.unpack_from(">I4s", data, at)
            if name == b"tEXt" and data.startswith(self.keyword + b"\0", at + 8):
                return data[at + 8 + len(self.keyword) + 1 : at + 8 + int(size)]
            if name == b"IEND":  # what follows is no part of the picture, and may be long
                break
            at += 12 + size
        return b""

    def _in_gif(self, data: bytes) -> bytes:
        """Look at the extensions before the picture."""
        at = 13 + _color_table(data[10]) if len(data) > 13 else len(data)
        while at + 3 < len(data) and data[at] == 0x21:
            ours = data[at + 1] == 0xFE and data.startswith(self.keyword + b":", at + 3)
            at, blocks = at + 2, []
            while at < len(data) and data[at]:
                blocks.append(data[at + 1 : at + 1 + data[at]])
                at += 1 + data[at]
            if ours:
                return b"".join(blocks)[len(self.keyword) + 1 :]
            at += 1
        return b""

    def _in_webp(self, data: bytes) -> bytes:
        at = 12
        while at + 8 <= len(data):
            name, size = struct.unpack_from("<4sI", data, at)
            if name == self.webp_chunk:
                return data[at + 8 : at + 8 + size]
            at += 8 + size + size % 2
        return b""


MARK = Label(b"smalti", b"SMLT")
"""That a file is done: `marks`."""

RECIPE = Label(b"smalti-recipe", b"SMLR")
"""How a file was made: `recipe`. No keyword may begin with another and a colon: GIF has both."""


def extended(data: bytes) -> bytes:
    """Return the extended header for a WebP that holds nothing but a lossless picture."""
    bits = int.from_bytes(data[21:25], "little")  # after the chunk's name, size and signature
    width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    sides = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return b"VP8X" + struct.pack("<IB3x", 10, ALPHA_FLAG * alpha) + sides


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
