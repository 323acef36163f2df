"""Where the bytes of an output file go: pixels, palette, metadata, container.

For the report's `explain`. Only files that smalti wrote itself are taken apart
here, so the walk trusts their structure. The four numbers add up to the size.

    pixels     compressed indices or colors: PNG IDAT, GIF LZW blocks, WebP VP8L
    palette    PNG PLTE and tRNS, GIF color table (lossless WebP keeps it among the pixels)
    metadata   color profile, density, EXIF
    container  signatures, headers, lengths, checksums
"""

from collections.abc import Iterator

__all__ = ["explain"]


def explain(data: bytes) -> dict[str, int]:
    """Return how many bytes of a PNG, GIF or WebP file serve what.

    Returns
    -------
    dict with the keys "pixels", "palette", "metadata" and "container"
    """
    if data.startswith(b"\x89PNG"):
        parts = _png_parts(data)
    elif data.startswith(b"GIF8"):
        parts = _gif_parts(data)
    else:
        parts = _webp_parts(data)
    sizes = {"pixels": 0, "palette": 0, "metadata": 0}
    for name, size in parts:
        sizes[name] += size
    return {**sizes, "container": len(data) - sum(sizes.values())}


def _png_parts(data: bytes) -> Iterator[tuple[str, int]]:
    """PNG: an 8-byte signature, then chunks of length, type, content and checksum."""
    at = 8
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IDAT":
            yield "pixels", size
        elif kind == b"fdAT":  # with a number before them
            yield "pixels", size - 4
        elif kind in (b"PLTE", b"tRNS"):
            yield "palette", size
        elif kind not in (b"IHDR", b"IEND", b"acTL", b"fcTL"):
            yield "metadata", size
        at += size + 12


def _webp_parts(data: bytes, at: int = 12) -> Iterator[tuple[str, int]]:
    """WebP: RIFF chunks of type, length and content, padded to even sizes."""
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8L", b"VP8 ", b"ALPH"):
            yield "pixels", size
        elif kind == b"ANMF":  # 16 bytes about the frame, then its chunks
            yield from _webp_parts(data[at + 8 : at + 8 + size], 16)
        elif kind not in (b"VP8X", b"ANIM"):
            yield "metadata", size
        at += 8 + size + size % 2


def _gif_parts(data: bytes) -> Iterator[tuple[str, int]]:
    """GIF: a 13-byte header that gives the color table's size, then blocks; 2C is the image."""
    yield "palette", (table := _color_table(data[10]))
    at = 13 + table
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:  # extension: comments and application data are metadata
            length = _sub_blocks(data, at + 2)
            loop = data[at + 3 : at + 14] == b"NETSCAPE2.0"
            if data[at + 1] in (0xFE, 0xFF) and not loop:
                yield "metadata", length
            at += 2 + length
        else:
            local = _color_table(data[at + 9])
            length = _sub_blocks(data, at + 11 + local)
            yield "palette", local
            yield "pixels", length
            at += 11 + local + length


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int) -> int:
    """Return the length of a chain of sub-blocks, its closing zero included."""
    start = at
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1 - start
