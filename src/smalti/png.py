"""The PNG container, read chunk by chunk; Pillow's decoder does the pixels.

    bytes -> [read_png] -> PngFile -> [samples] -> (H, W, channels) uint8 or uint16

Why not `Image.open`: it keeps only the high byte of 16-bit colors, ignores
checksums of the pixels, takes a missing end for a good one, warns on stderr,
refuses a picture for a broken comment, and costs 7 ms of imports. A chunk is
a length, a name, content and a checksum, so reading them is little code; the
part that needs care, inflating and unfiltering, stays with Pillow.

Source: PNG specification, third edition, https://www.w3.org/TR/png-3/.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .bands import array_of
from .errors import BadImage, LimitExceeded
from .sources import shown

__all__ = [
    "INDEXED",
    "SIGNATURE",
    "PngFile",
    "chunk",
    "chunks",
    "icc_profile",
    "read_png",
    "samples",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE_BYTES = 8 * 2**20
MAX_CHUNKS = 10_000  # of those that are not pixels: a flood of tiny ones is an attack
MAX_PARTS = 100_000  # of pixels; libpng writes 8 kB to a chunk, so 256 MiB of them have a third
MOST_DEFLATED = 1032  # bytes that one byte of deflate may stand for: RFC 1951, lengths of 258
GRAY, RGB, INDEXED, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {
    GRAY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    INDEXED: (1, 2, 4, 8),
    GRAY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""Of each pass of an interlaced PNG: its first column and row, and the steps between them."""
UNLIKELY: dict[str, int | tuple[int, ...]] = {
    "1": 1, "L": 91, "P": 91, "I;16": 23_341, "LA": (91, 49), "RGB": (91, 49, 178),
    "RGBA": (91, 49, 178, 77),
}  # fmt: skip
"""Of each mode of Pillow, a color that the last row of few pictures has throughout."""
BLOCK = 2**18  # bytes taken and given at a time when inflating
ZLIB_HEADER = 2  # bytes before what is deflated: RFC 1950
PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@dataclass
class PngFile:
    """What a PNG says about itself, its pixels still compressed."""

    width: int
    height: int
    depth: int  # bits per sample
    color_type: int
    interlaced: bool
    idat: bytes = b""
    palette: bytes = b""  # RGB triples
    transparency: bytes = b""  # content of tRNS
    extras: dict[bytes, bytes] = field(default_factory=dict)  # other chunks, first of each name
    texts: list[bytes] = field(default_factory=list)  # contents of tEXt, zTXt and iTXt
    frames: int = 1
    animated: bool = False  # some frame header came
    metadata_bytes: int = 0  # chunks that neither hold nor explain pixels
    notes: list[str] = field(default_factory=list)


def read_png(data: bytes) -> PngFile:
    """Read the chunks of a PNG; every length and every checksum is verified.

    Raises
    ------
    BadImage : truncated, damaged, or not what the specification allows.
        The message does not name the file: only the caller knows its name.
    LimitExceeded : more than 10,000 chunks beside those of the pixels, or 100,000 of pixels.
    """
    reading = chunks(data)
    name, content, _ = next(reading, (b"", b"", True))
    if name != b"IHDR":
        raise BadImage("it is damaged: a PNG must begin with an IHDR chunk")
    png = _header(content)
    picture_bytes = len(SIGNATURE) + 12 + len(content)
    pixels: list[bytes] = []
    for name, content, intact in reading:
        picture_bytes += 12 + len(content) if name in PICTURE else 0
        if not intact:
            png.notes.append(f"damaged {shown(name)} chunk ignored")
        elif name == b"IDAT":
            pixels.append(content)
        elif name == b"fcTL":
            _count_frame(png, before_pixels=not pixels)
        elif name == b"acTL" and pixels:
            continue  # too late to make the file an animation
        else:
            _keep(png, name, content)
    png.idat = b"".join(pixels)
    png.metadata_bytes = len(data) - picture_bytes
    _check_palette(png)
    return png


def _keep(png: PngFile, name: bytes, content: bytes) -> None:
    if name == b"PLTE":
        png.palette = content
    elif name == b"tRNS":
        png.transparency = content
    elif name in (b"tEXt", b"zTXt", b"iTXt"):
        png.texts.append(content)
    elif name != b"fdAT":
        png.extras.setdefault(name, content)


def _count_frame(png: PngFile, *, before_pixels: bool) -> None:
    # The plain picture is the first frame only when a frame header stands before it.
    if b"acTL" in png.extras:
        png.frames += not (before_pixels and not png.animated)
        png.animated = True


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield name, content, and whether the checksum fits, up to IEND."""
    position, count, parts = len(SIGNATURE), 0, 0
    view = memoryview(data)
    while True:
        if position + 12 > len(data):
            raise BadImage("it is truncated: the PNG ends before its IEND chunk")
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if not name.isalpha():
            raise BadImage("it is damaged: something that is no PNG chunk follows another")
        if end > len(data):
            raise BadImage(f"it is truncated: the PNG ends inside its {shown(name)} chunk")
        (stored,) = struct.unpack_from(">I", data, end - 4)
        intact = zlib.crc32(view[position + 4 : end - 4]) == stored
        critical = name[:1].isupper()
        if critical and not intact:
            raise BadImage(f"it is damaged: the checksum of its {shown(name)} chunk is wrong")
        if critical and name not in PICTURE:
            raise BadImage(f"its PNG chunk {shown(name)} is unknown; save it as an ordinary PNG")
        of_pixels = name in (b"IDAT", b"fdAT")
        count, parts = count + (not of_pixels), parts + of_pixels
        if count > MAX_CHUNKS:
            raise LimitExceeded(f"it has more than {MAX_CHUNKS:,} PNG chunks beside its pixels")
        if parts > MAX_PARTS:
            raise LimitExceeded(f"its pixels are in more than {MAX_PARTS:,} PNG chunks")
        yield name, data[position + 8 : end - 4], intact
        if name == b"IEND":
            return
        position = end


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk as a file has it."""
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _header(content: bytes) -> PngFile:
    if len(content) != 13:
        raise BadImage("it is damaged: its IHDR chunk must have 13 bytes")
    width, height, depth, color_type, packing, filtering, interlace = struct.unpack(
        ">IIBBBBB", content
    )
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise BadImage(f"it is damaged: {width} × {height} pixels is no size for a PNG")
    if depth not in DEPTHS.get(color_type, ()):
        raise BadImage(f"it is damaged: no PNG has color type {color_type} at {depth} bits")
    if packing or filtering or interlace > 1:
        raise BadImage("it is damaged: unknown compression, filter or interlace method")
    return PngFile(width, height, depth, color_type, bool(interlace))


def _check_palette(png: PngFile) -> None:
    if not png.idat:
        raise BadImage("it is damaged: the PNG has no pixels")
    if png.color_type != INDEXED:
        if 0 < len(png.transparency) < (6 if png.color_type == RGB else 2):
            raise BadImage("it is damaged: its tRNS chunk is too short")
    elif len(png.palette) % 3 or not 3 <= len(png.palette) <= 768:
        raise BadImage("it is damaged: a palette PNG must have 1 to 256 colors in its PLTE chunk")


def icc_profile(png: PngFile) -> bytes | None:
    """Return the profile of the iCCP chunk: None without one, b"" when it is broken."""
    if b"iCCP" not in png.extras:
        return None
    try:
        _, packed = png.extras[b"iCCP"].split(b"\0", 1)
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except (ValueError, zlib.error):
        return b""
    return profile if unpacker.eof else b""


def samples(png: PngFile) -> tuple[np.ndarray, str]:
    """Decode the pixels, as deep as the file has them.

    Returns
    -------
    values : (H, W, C) uint8 or uint16, gray of 1, 2 and 4 bits stretched to 8;
        (H, W, 1) of palette rows for an indexed file
    mode : "L", "LA", "RGB", "RGBA" or "P"
        With alpha where the file has alpha, or a color that its tRNS chunk
        makes transparent (compared at full depth). The alpha of a palette is
        left to the caller.

    Raises
    ------
    BadImage : the pixels are truncated or damaged.
    """
    try:
        values = _inflated(png)
    except ValueError as error:
        cause = "truncated" if "not enough" in str(error) else "damaged"
        raise BadImage(f"it is {cause}: its pixels cannot be decoded") from error
    if png.color_type == INDEXED:
        return values, "P"
    mode = "RGB" if png.color_type & 2 else "L"
    if png.color_type & 4:
        return values, mode + "A"
    if png.transparency:
        return _with_key(values, png), mode + "A"
    return values, mode


def _inflated(png: PngFile) -> np.ndarray:
    kind = {GRAY: "L", RGB: "RGB", INDEXED: "P", GRAY_ALPHA: "LA", RGB_ALPHA: "RGBA"}[
        png.color_type
    ]
    if png.depth < 8:
        raw = f"{kind};{png.depth}"
        if raw == "L;1":
            return _unpacked(png, "1", "1").astype(np.uint8) * np.uint8(255)
        return _unpacked(png, kind, raw)
    if png.depth == 8:
        return _unpacked(png, kind, kind)
    if kind == "L":
        return _unpacked(png, "I;16", "I;16B").astype(np.uint16, copy=False)
    if kind == "LA":
        # Two samples of two bytes: read as four of one byte, then put together.
        pairs: np.ndarray = _unpacked(png, "RGBA", "RGBA").view(">u2").astype(np.uint16)
        return pairs
    # Pillow holds 8 bits per color, and takes the first or the second byte of each
    # sample as the file is said to be big- or little-endian: so both can be had.
    wide = _unpacked(png, kind, f"{kind};16B").astype(np.uint16)
    wide <<= 8
    wide |= _unpacked(png, kind, f"{kind};16L")
    return wide


def _unpacked(png: PngFile, mode: str, raw: str) -> np.ndarray:
    from PIL import Image

    size = _inflated_bytes(png)
    if size > MOST_DEFLATED * len(png.idat):  # seen before memory is taken
        raise ValueError("not enough image data")
    image = Image.new(mode, (png.width, png.height), UNLIKELY[mode])
    image.frombytes(png.idat, "zip", raw, int(png.interlaced))
    values = array_of(image).reshape(png.height, png.width, -1)
    # Pillow takes data that ends early for good: the last row is then what it was before.
    untouched = png.interlaced or (values[-1] == UNLIKELY[mode]).all()
    if untouched and not _has_bytes(png.idat, size):
        raise ValueError("not enough image data")
    return values


def _inflated_bytes(png: PngFile) -> int:
    """Return the bytes of all rows, with their filters."""
    samples = {GRAY: 1, RGB: 3, INDEXED: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}[png.color_type]
    total = 0
    for left, top, across, down in ADAM7 if png.interlaced else ((0, 0, 1, 1),):
        width, height = -(-(png.width - left) // across), -(-(png.height - top) // down)
        if width > 0:
            total += max(0, height) * (1 + -(-width * samples * png.depth // 8))
    return total


def _has_bytes(packed: bytes, least: int) -> bool:
    """Whether so many bytes come of deflated ones; like Pillow, without asking their checksum."""
    unpacker, found = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with contextlib.suppress(zlib.error):  # damaged from there on
        for start in range(ZLIB_HEADER, len(packed), BLOCK):
            part = packed[start : start + BLOCK]
            while part and found < least and not unpacker.eof:
                found += len(unpacker.decompress(part, min(BLOCK, least - found)))
                part = unpacker.unconsumed_tail
    return found >= least


def _with_key(values: np.ndarray, png: PngFile) -> np.ndarray:
    """Add alpha: 0 where a pixel has exactly the color of the tRNS chunk."""
    stored = png.transparency[: 2 * values.shape[2]]  # whatever follows has no meaning
    key = np.frombuffer(stored, ">u2") & (2**png.depth - 1)
    if png.depth < 8:
        key = key * (255 // (2**png.depth - 1))
    full = np.iinfo(values.dtype).max
    opaque = (values != key.astype(values.dtype)).any(axis=2)
    alpha = np.where(opaque, full, 0).astype(values.dtype)
    return np.dstack([values, alpha])
