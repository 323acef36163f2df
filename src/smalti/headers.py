"""What a file's first bytes and side notes say: format, orientation, metadata size.

    bytes -> [sniff] -> format     EXIF -> [orientation] -> 1..8

Formats are an allow-list: only the readers of these are ever imported, so a
flaw in a rare format's reader cannot be reached.
"""

import re
import struct
import zlib

import numpy as np

from .errors import BadImage

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "check_tiff",
    "is_lossy",
    "metadata_bytes",
    "orientation",
    "raw_profile",
    "sniff",
    "upright",
    "xmp_orientation",
]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".mpo", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"
)  # fmt: skip
"""What a walk through a folder takes; a file that is named may be called anything."""

MAGIC = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "WEBP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "AVIF": rb"....ftypavi[fs]",
}
# Not read, but worth a better answer than "not an image".
STRANGERS = {
    "HEIC": rb"....ftyp(hei|mif1|msf1)",
    "JPEG 2000": rb"\0\0\0\x0cjP|\xff\x4f\xff\x51",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL",
    "icon (ICO)": rb"\0\0[\1\2]\0",
    "icon (ICNS)": rb"icns",
    "Photoshop": rb"8BPS",
    "Netpbm": rb"P[1-7][\s#]",
    "QOI": rb"qoif",
    "PDF": rb"%PDF",
    "PostScript": rb"%!PS",
    "SVG": rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg",
}


def sniff(data: bytes) -> str:
    """Return which of `FORMATS` the bytes begin like; the file's name plays no part.

    Raises
    ------
    BadImage : none of them.

    >>> sniff(b"GIF89a...")
    'GIF'
    """
    head = data[:1024]
    for name, magic in MAGIC.items():
        if re.match(magic, head, re.DOTALL):
            return name
    known = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
    for name, magic in STRANGERS.items():
        if re.match(magic, head, re.DOTALL):
            raise BadImage(f"{name} files are not read; convert it to PNG first")
    raise BadImage(f"it is not an image that smalti reads ({known})")


SAMPLE_FORMAT, FLOATING = 339, 3  # TIFF 6.0, section 19
MOST_TAGS = 1000  # a BigTIFF may claim millions


def check_tiff(data: bytes) -> None:
    """Refuse a TIFF whose first directory is not all there, or tells of floating-point numbers.

    libtiff would refuse the former too, but by a message of its own on standard error, and Pillow
    most of the latter, without a reason.

    Raises
    ------
    BadImage : truncated, or floating-point.
    """
    order = "<" if data[:1] == b"I" else ">"
    big = b"\x2b" in data[2:4]
    count_format, pointer_format, entry_bytes = ("Q", "Q", 20) if big else ("H", "I", 12)
    try:
        (start,) = struct.unpack_from(order + pointer_format, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + count_format, data, start)
    except (struct.error, OverflowError):  # OverflowError: beyond any address
        start = count = len(data)
    if start + struct.calcsize("=" + count_format) + entry_bytes * count > len(data):
        raise BadImage("it is truncated: the TIFF ends before its directory does")
    first = start + struct.calcsize("=" + count_format)
    for at in range(first, first + entry_bytes * min(count, MOST_TAGS), entry_bytes):
        tag, kind, many = struct.unpack_from(order + "HH" + pointer_format, data, at)
        if (tag, kind) == (SAMPLE_FORMAT, 3) and many:
            value = at + 4 + struct.calcsize("=" + pointer_format)
            if 2 * many > struct.calcsize("=" + pointer_format):  # then it stands elsewhere
                (value,) = struct.unpack_from(order + pointer_format, data, value)
            if data[value : value + 2] == struct.pack(order + "H", FLOATING):
                raise no_white("floating-point")


def no_white(kind: str) -> BadImage:
    """Return the refusal of pixels that are numbers of a kind without a place for white."""
    return BadImage(
        f"its pixels are {kind} numbers, of which none is known to be white; save it with 8 or 16 "
        "bits a channel, or in Python scale them to 0..1 and pass the array through "
        "smalti.from_float"
    )


def orientation(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) when there is none or it is invalid.

    Parameters
    ----------
    exif : a TIFF structure, with or without the "Exif" prefix of JPEG

    Notes
    -----
    EXIF 2.32, 4.6.4: tag 0x0112, a short, in the first directory.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
        if tag == 0x0112 and kind == 3:
            return int(value) if 1 <= value <= 8 else 1
    return 1


def xmp_orientation(xmp: bytes) -> int:
    """Return the orientation that an XMP packet repeats from EXIF; 1 when it says nothing."""
    match = re.search(rb"tiff:Orientation(?:=[\"']|>)([2-8])", xmp)
    return int(match[1]) if match else 1


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror (H, W, ...) pixels stored with this EXIF orientation the right way up."""
    if orientation >= 5:  # stored with rows and columns exchanged
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def raw_profile(texts: list[bytes]) -> bytes:
    """Return EXIF as ImageMagick put it into PNG text before eXIf existed: hexadecimal."""
    for text in texts:
        keyword, _, content = text.partition(b"\0")
        if keyword not in (b"Raw profile type exif", b"Raw profile type APP1"):
            continue
        try:
            if content[:1] == b"\0":  # zTXt: a method byte, then deflated
                content = zlib.decompressobj().decompress(content[1:], 2**20)
            digits = b"".join(content.split()[2:])  # after the profile's name and length
            return bytes.fromhex(digits.decode("ascii"))
        except (zlib.error, ValueError):
            continue
    return b""


def is_lossy(data: bytes, kind: str) -> bool:
    """Whether a file is stored as photographs are: JPEG, AVIF or lossy WebP."""
    if kind != "WEBP":
        return kind in ("JPEG", "AVIF")
    at = 12
    while at < len(data) and data[at : at + 4] != b"VP8 ":  # the chunk that VP8L replaces
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return at < len(data)


def metadata_bytes(data: bytes, kind: str) -> int:
    """Count the bytes of a JPEG or WebP file that neither hold nor explain pixels.

    0 for the other formats, and as far as it got for a damaged file.
    """
    if kind == "JPEG":
        return _jpeg_metadata(data)
    return _webp_metadata(data) if kind == "WEBP" else 0


def _jpeg_metadata(data: bytes) -> int:
    position, total = 2, 0
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xDA:  # start of scan: pixels from here on
            break
        size = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        # APP0 is JFIF's own and APP14 tells how colors are stored: both explain pixels.
        if marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE):
            total += size
        position += size
    return total


def _webp_metadata(data: bytes) -> int:
    position, total = 12, 0
    while position + 8 <= len(data):
        size = 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] in (b"ICCP", b"EXIF", b"XMP "):
            total += size
        position += size + size % 2
    return total
