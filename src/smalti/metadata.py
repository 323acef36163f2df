"""Metadata: what a file says besides its pixels, carried over only where that is asked for.

    bytes -> [read] -> Metadata -> [added] -> bytes

Without being asked, nothing of it is read, so nothing of it can be in an output: pixels go through
arrays, and files are made of those alone. Asked for, parts are carried over as they are, byte for
byte where the formats allow it, but for what would no longer be true (`exif.adapted`).

A part goes where readers look for it: EXIF into the eXIf chunk of PNG and the EXIF chunk of WebP;
XMP into iTXt, a chunk, or an application extension of GIF; IPTC into a text of PNG, as ImageMagick
began it; texts and comments into texts of PNG and comments of GIF. What a format has no place for
is left out, and said.

Sources: PNG specification, third edition, 11.3; RFC 9649 (WebP), 2.7; GIF89a specification, 24;
XMP specification, part 3 (Adobe 2020); IIM 4.2 (IPTC 2014).
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import gif, headers, pixels, png, webp
from .errors import SmaltiError
from .exif import PREFIX, adapted, has_position

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["NONE", "Metadata", "added", "of_copy", "of_pillow", "read", "size_of"]

MOST = 8 * 2**20
"""Bytes of one part: longer ones are left out, like those that inflate beyond it."""

OURS = b"smalti"  # texts of names that begin so are marks and recipes, which are made anew

XMP_TEXT = b"XML:com.adobe.xmp"
XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
XMP_GIF = b"XMP DataXMP"
XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
"""Makes a plain text readable as a chain of sub-blocks: wherever one ends in it, it leads out."""

PHOTOSHOP, IPTC_RESOURCE = b"Photoshop 3.0\0", 0x0404
RAW_IPTC = b"Raw profile type iptc"
RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
"""Of a TIFF: description, make, model, software, date, artist, copyright; others explain pixels."""
XMP_TAG, IPTC_TAG, EXIF_TAG, GPS_TAG = 0x02BC, 0x83BB, 0x8769, 0x8825

POSITION = b"GPSL"  # GPSLatitude and GPSLongitude, in XMP and among the names of texts

NAMES = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "texts": "texts"}
PLACES = {"PNG": tuple(NAMES), "WEBP": ("exif", "xmp"), "GIF": ("xmp", "texts")}


@dataclass(frozen=True)
class Metadata:
    """What a file says that is not needed to show it."""

    exif: bytes = b""  # a TIFF structure
    xmp: bytes = b""  # an XML packet
    iptc: bytes = b""  # IPTC-IIM records
    texts: tuple[tuple[bytes, bytes], ...] = ()  # name and content of PNG's text chunks

    def __bool__(self) -> bool:
        return bool(self.exif or self.xmp or self.iptc or self.texts)

    def held(self, kind: str) -> "tuple[Metadata, Metadata]":
        r"""Return what a format has a place for, and the rest.

        >>> kept, left = Metadata(exif=b"II*", texts=((b"tEXt", b"Author\0me"),)).held("GIF")
        >>> str(kept), str(left)
        ('1 text', 'EXIF')
        """
        places = PLACES[kind]
        if kind == "GIF" and b"\0" in self.xmp:  # UTF-16, where no chain of blocks comes through
            places = ("texts",)
        return self._only(places), self._only(set(NAMES) - set(places))

    def _only(self, fields: Iterable[str]) -> "Metadata":
        return replace(NONE, **{field: getattr(self, field) for field in fields})

    def adapted(self, *, turn: int, converted: bool) -> "Metadata":
        """Return what is true of the picture once it is upright and perhaps in sRGB.

        turn : the orientation that was applied; one that stands in XMP only is not, and stays
        """
        upright = re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8]", rb"\g<1>1", self.xmp)
        xmp = upright if turn > 1 else self.xmp
        return replace(
            self, exif=adapted(self.exif, turned=turn >= 5, converted=converted), xmp=xmp
        )

    def __str__(self) -> str:
        return f"{self.parts}, with a position" if self.has_position else self.parts

    @property
    def parts(self) -> str:
        """What there is, as a list."""
        names = [NAMES[field] for field in ("exif", "xmp", "iptc") if getattr(self, field)]
        many = len(self.texts)
        names += [f"{many:,} text" + ("s" if many > 1 else "")] if many else []
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    @property
    def in_copy(self) -> str:
        """What people should know of a file that is handed on with it."""
        position = " and with a position" if self.has_position else ""
        return f", with its {self.parts}{position}" if self else ""

    @property
    def has_position(self) -> bool:
        """Whether it tells where the picture was taken: nobody shall publish that unaware."""
        named = (content.partition(b"\0")[0] for _, content in self.texts)
        xmp = self.xmp.replace(b"\0", b"")  # which may be UTF-16
        return has_position(self.exif) or any(POSITION in text for text in (xmp, *named))


NONE = Metadata()

# ---------------------------------------------------------------- reading


def read(data: bytes) -> Metadata:
    """Return what a file says besides its pixels; of damaged parts, nothing.

    Parameters
    ----------
    data : a file that was decoded, so its structure can be trusted
    """
    kind = headers.sniff(data)
    readers = {"PNG": _of_png, "JPEG": _of_jpeg, "WEBP": _of_webp, "GIF": _of_gif}
    with contextlib.suppress(SmaltiError, struct.error, IndexError):
        if kind in readers:
            return _bounded(readers[kind](data))
    with contextlib.suppress(Exception), pixels.quiet():  # whatever Pillow trips over there
        if kind in ("TIFF", "AVIF"):
            opened = pixels.open_pillow(data, kind)
            return _bounded(_of_tiff(opened) if kind == "TIFF" else of_pillow(opened))
    return NONE


def _bounded(found: Metadata) -> Metadata:
    """Leave out what no picture needs so much of; trim what programs leave room for in XMP."""
    trimmed = re.sub(rb"\s+(<\?xpacket end=)", rb"\n\1", found.xmp[:MOST])
    return Metadata(
        found.exif if len(found.exif) <= MOST else b"",
        trimmed if len(found.xmp) <= MOST else b"",
        found.iptc if len(found.iptc) <= MOST else b"",
        tuple(text for text in found.texts if len(text[1]) <= MOST),
    )


def _of_png(data: bytes) -> Metadata:
    found, texts = NONE, []
    for name, content, intact in png.chunks(data):
        if name == b"eXIf" and intact:
            found = replace(found, exif=content)
        elif name in (b"tEXt", b"zTXt", b"iTXt") and intact:
            texts.append((name, content))
    kept = []
    for name, content in texts:
        keyword = content.partition(b"\0")[0]
        if keyword == XMP_TEXT:
            found = replace(found, xmp=_text(name, content))
        elif keyword == RAW_IPTC:
            found = replace(found, iptc=_iptc(_unwrapped(_text(name, content))))
        elif keyword in RAW_EXIF:  # it may say how to turn, so it must not stay as it is
            found = replace(found, exif=found.exif or headers.raw_profile([content]))
        elif not keyword.startswith(OURS):
            kept.append((name, content))
    return replace(found, texts=tuple(kept))


def _text(name: bytes, content: bytes) -> bytes:
    """Return the text of a chunk: Latin-1, or of iTXt UTF-8; b"" if it cannot be had."""
    rest = content.partition(b"\0")[2]
    if name == b"tEXt":
        return rest
    if name == b"zTXt":
        return _inflated(rest[1:])
    flag, rest = rest[:1], rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]  # after language and translated keyword
    return _inflated(text) if flag == b"\1" else text


def _inflated(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, MOST)
    except zlib.error:
        return b""
    return text if unpacker.eof else b""


def _unwrapped(profile: bytes) -> bytes:
    """Return what ImageMagick's hexadecimal text of a profile holds."""
    try:
        return bytes.fromhex(b"".join(profile.split()[2:]).decode("ascii"))
    except ValueError:
        return b""


def _of_jpeg(data: bytes) -> Metadata:
    found, texts = NONE, []
    for marker, content in _segments(data):
        if marker == 0xE1 and content.startswith(PREFIX) and not found.exif:
            found = replace(found, exif=content)
        elif marker == 0xE1 and content.startswith(XMP_JPEG):
            found = replace(found, xmp=content.removeprefix(XMP_JPEG))
        elif marker == 0xED and content.startswith(PHOTOSHOP) and not found.iptc:
            found = replace(found, iptc=_iptc(content.removeprefix(PHOTOSHOP)))
        elif marker == 0xFE:
            texts.append(_comment(content))
    return replace(found, texts=tuple(texts))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the segments of a JPEG before its first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + size]
        at += 2 + size


def _iptc(resources: bytes) -> bytes:
    """Return the IPTC records among Photoshop's image resources."""
    at = 0
    while resources[at : at + 4] == b"8BIM":
        number, name = struct.unpack_from(">HB", resources, at + 4)
        start = at + 7 + name + (name + 1) % 2
        (size,) = struct.unpack_from(">I", resources, start)
        if number == IPTC_RESOURCE:
            return resources[start + 4 : start + 4 + size]
        at = start + 4 + size + size % 2
    return resources if resources[:1] == b"\x1c" else b""


def _comment(text: bytes) -> tuple[bytes, bytes]:
    """Return a comment as a text of PNG."""
    text = text.rstrip(b"\0")
    try:
        text.decode("ascii")
    except UnicodeDecodeError:
        with contextlib.suppress(UnicodeDecodeError):
            text.decode("utf-8")
            return b"iTXt", b"Comment" + bytes(5) + text.replace(b"\0", b"")
    return b"tEXt", b"Comment\0" + text.replace(b"\0", b"")


def _of_webp(data: bytes) -> Metadata:
    parts = {name: data[start:end] for name, start, end in webp.chunks(data)}
    return Metadata(exif=parts.get(b"EXIF", b""), xmp=parts.get(b"XMP ", b""))


def _of_gif(data: bytes) -> Metadata:
    xmp, texts = b"", []
    for label, content in gif.extensions(data):
        if label == gif.COMMENT:
            text = b"".join(gif.sub_blocks(content))
            texts += [] if text.startswith((OURS + b":", OURS + b"-")) else [_comment(text)]
        elif label == gif.APPLICATION and content[1:12] == XMP_GIF:
            xmp = content[12:].removesuffix(XMP_END)
    return Metadata(xmp=xmp, texts=tuple(texts))


def _of_tiff(image: "Image.Image") -> Metadata:
    """Take from a TIFF what is not about its pixels, and put it into an EXIF of its own."""
    from PIL import Image

    tags, mine = image.getexif(), Image.Exif()
    for tag in DESCRIPTIVE:
        if tag in tags:
            mine[tag] = tags[tag]
    for tag in (EXIF_TAG, GPS_TAG):
        if directory := dict(tags.get_ifd(tag)):
            mine[tag] = directory
    exif = mine.tobytes() if len(mine) else b""
    found = (tags.get(tag) for tag in (XMP_TAG, IPTC_TAG))
    xmp, iptc = (value if isinstance(value, bytes) else b"" for value in found)
    return Metadata(exif, xmp, _iptc(iptc))


def of_pillow(image: Any) -> Metadata:
    """Return what a Pillow image says besides its pixels."""
    info, texts = image.info, getattr(image, "text", {})
    exif, xmp, comment = (info.get(name) or b"" for name in ("exif", "xmp", "comment"))
    found = [_named(name, text) for name, text in texts.items() if name != XMP_TEXT.decode()]
    found += (
        [_comment(comment.encode() if isinstance(comment, str) else comment)] if comment else []
    )
    return Metadata(exif, xmp.encode() if isinstance(xmp, str) else xmp, b"", tuple(found))


def _named(keyword: str, text: str) -> tuple[bytes, bytes]:
    return b"iTXt", keyword.encode("latin-1", "replace") + bytes(5) + text.encode()


def of_copy(data: bytes) -> str:
    """Return what people should know of a file that is handed on as it came in: what is in it.

    >>> of_copy(b"GIF89a" + bytes(7) + gif.extension(gif.COMMENT, b"home") + b";")
    ', with its 1 text'
    """
    return read(data).in_copy


# ---------------------------------------------------------------- writing


def added(data: bytes, metadata: Metadata) -> bytes:
    """Return a PNG, GIF or WebP, as smalti writes them, with metadata in it that it can hold."""
    if not metadata:
        return data
    if data.startswith(b"\x89PNG"):
        at = 8 + 12 + 13  # after IHDR, where those who read only a beginning find it
        return data[:at] + b"".join(_png_chunks(metadata)) + data[at:]
    if data.startswith(b"GIF8"):
        at = gif.after_loop(data)
        return b"GIF89a" + data[6:at] + b"".join(_gif_blocks(metadata)) + data[at:]
    return webp.with_chunks(data, list(_webp_chunks(metadata)))


def size_of(metadata: Metadata, kind: str) -> int:
    r"""Return how many bytes metadata takes in a file.

    >>> size_of(Metadata(texts=((b"tEXt", b"Author\0me"),)), "PNG")
    21
    """
    if kind == "WEBP":
        return sum(8 + len(content) + len(content) % 2 for _, content in _webp_chunks(metadata))
    return sum(map(len, _png_chunks(metadata) if kind == "PNG" else _gif_blocks(metadata)))


def _png_chunks(metadata: Metadata) -> Iterator[bytes]:
    if metadata.exif:
        yield png.chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        yield png.chunk(b"iTXt", XMP_TEXT + bytes(5) + metadata.xmp)
    if metadata.iptc:
        yield png.chunk(b"zTXt", RAW_IPTC + bytes(2) + zlib.compress(_wrapped(metadata.iptc), 9))
    for name, content in metadata.texts:
        yield png.chunk(name, content)


def _wrapped(iptc: bytes) -> bytes:
    """Return IPTC records as ImageMagick writes them: a resource of Photoshop's, hexadecimal."""
    resource = struct.pack(">4sHHI", b"8BIM", IPTC_RESOURCE, 0, len(iptc)) + iptc
    digits = (resource + bytes(len(iptc) % 2)).hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return "\n".join(["", "iptc", f"{len(digits) // 2:8}", *lines, ""]).encode()


def _webp_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if metadata.exif:
        yield b"EXIF", metadata.exif
    if metadata.xmp:
        yield b"XMP ", metadata.xmp


def _gif_blocks(metadata: Metadata) -> Iterator[bytes]:
    for name, content in metadata.texts:
        keyword, text = content.partition(b"\0")[0], _text(name, content)
        plain = text if name == b"iTXt" else text.decode("latin-1").encode()
        if keyword != b"Comment":
            plain = keyword.decode("latin-1").encode() + b": " + plain
        yield gif.extension(gif.COMMENT, plain)
    if metadata.xmp:
        yield bytes([gif.EXTENSION, gif.APPLICATION, 11]) + XMP_GIF + metadata.xmp + XMP_END
