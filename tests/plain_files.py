"""BMP and TIFF files of every depth, written by the letter of their specifications.

Pillow writes few of these kinds; what it reads is judged by files that it did not write.
"""

import struct
import zlib

import numpy as np


def packed(values, depth):
    """Return rows of samples (h, n) of 1, 2, 4 or 8 bits, most significant first."""
    bits = (values[:, :, None] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.reshape(len(values), -1).astype(np.uint8), axis=1)


# ---------------------------------------------------------------- BMP

RLE8, RLE4, BITFIELDS = 1, 2, 3


def bmp(rows, bits, size, *, palette=None, compression=0, masks=(), top_down=False, core=False):
    """Return a BMP.

    Parameters
    ----------
    rows : bytes of the pixels, as the file has them
    size : width, height
    palette : (k, 3) uint8 RGB
    masks : of red, green, blue and perhaps alpha, for BITFIELDS
    top_down : whether the first row is the upper one
    core : whether the header is that of OS/2
    """
    table = b""
    if palette is not None:
        table = b"".join(
            bytes(color[::-1]) + (b"" if core else b"\0") for color in palette.tolist()
        )
    width, height = size
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        entries = 0 if palette is None else len(palette)
        after = struct.pack("<IIiiII", compression, len(rows), 2835, 2835, entries, 0)
        words = b"".join(struct.pack("<I", mask) for mask in masks)
        length = 40 if len(masks) < 4 else 108
        height = -height if top_down else height
        header = struct.pack("<IiiHH", length, width, height, 1, bits) + after + words
        header += bytes(length - len(header)) if length == 108 else b""
    start = 14 + len(header) + len(table)
    head = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    return head + header + table + rows


def bmp_rows(values, top_down=False):
    """Return rows of bytes, padded to four, the lowest first unless `top_down`."""
    lines = values if top_down else values[::-1]
    return b"".join(line.tobytes() + bytes(-len(line.tobytes()) % 4) for line in lines)


def bmp_indexed(indices, palette, bits, **options):
    """Return a BMP of palette rows (H, W) at 1, 4 or 8 bits."""
    rows = bmp_rows(packed(indices, bits), options.get("top_down", False))
    return bmp(rows, bits, indices.shape[::-1], palette=palette, **options)


def bmp_masked(image, masks, bits):
    """Return a BMP of (H, W, 3|4) whose channels are cut to as many bits as their masks have."""
    values = np.zeros(image.shape[:2], np.uint32)
    for channel, mask in zip(np.moveaxis(image, 2, 0), masks, strict=True):
        low = (mask & -mask).bit_length() - 1
        depth = mask.bit_length() - low
        values |= (channel.astype(np.uint32) >> (8 - depth)) << low
    kind = np.dtype("<u2" if bits == 16 else "<u4")
    return bmp(
        bmp_rows(values.astype(kind)), bits, image.shape[1::-1], compression=BITFIELDS, masks=masks
    )


def bmp_runs(indices, palette, bits):
    """Return a BMP of run-length codes: runs, then rows of absolute pixels in turns."""
    codes = b""
    for number, line in enumerate(indices[::-1].tolist()):
        at = 0
        while at < len(line):
            run = 1
            while at + run < len(line) and line[at + run] == line[at] and run < 255:
                run += 1
            count = min(len(line) - at, 9)
            if number % 2 and count >= 3:  # absolute
                part = line[at : at + count]
                if bits == 4:
                    part = part + [0] * (count % 2)
                    part = [a << 4 | b for a, b in zip(part[::2], part[1::2], strict=True)]
                codes += bytes([0, count, *part]) + bytes(len(part) % 2)
                at += count
            else:
                codes += bytes([run, line[at] * (17 if bits == 4 else 1)])
                at += run
        codes += b"\0\0"
    compression = RLE8 if bits == 8 else RLE4
    return bmp(codes + b"\0\1", bits, indices.shape[::-1], palette=palette, compression=compression)


# ---------------------------------------------------------------- TIFF

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
ASSOCIATED, UNASSOCIATED = 1, 2
DEFLATE = 8


def tiff(values, depth, photometric, *, big=False, alpha=0, planar=False, palette=None,
         deflate=False, kind=1):  # fmt: skip
    """Return a TIFF of samples (H, W, channels).

    Parameters
    ----------
    depth : bits per sample
    big : whether it is big-endian
    alpha : ASSOCIATED or UNASSOCIATED if the last channel is one
    planar : whether channels are stored one after another
    palette : (2**depth, 3) uint8
    kind : SampleFormat: 1 whole numbers, 3 floats
    """
    order, (height, width, channels) = ">" if big else "<", values.shape
    planes = np.moveaxis(values, 2, 0)[..., None] if planar else values[None]
    strips = []
    for plane in planes:
        flat = plane.reshape(height, -1)
        if depth > 8:
            raw = flat.astype(f"{order}{'f' if kind == 3 else 'u'}{depth // 8}").tobytes()
        else:
            raw = packed(flat, depth).tobytes()
        strips.append(zlib.compress(raw) if deflate else raw)
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [depth] * channels),
        259: (3, [DEFLATE if deflate else 1]), 262: (3, [photometric]), 277: (3, [channels]),
        278: (4, [height]), 279: (4, [len(strip) for strip in strips]),
        284: (3, [2 if planar else 1]), 339: (3, [kind] * channels),
    }  # fmt: skip
    if alpha:
        tags[338] = (3, [alpha])
    if palette is not None:
        tags[320] = (3, (palette.T.astype(int) * 257).ravel().tolist())
    starts, at = [], 8
    for strip in strips:
        starts.append(at)
        at += len(strip) + len(strip) % 2
    tags[273] = (4, starts)
    body = b"".join(strip + bytes(len(strip) % 2) for strip in strips)
    table, longer = b"", b""
    after = 8 + len(body) + 2 + 12 * len(tags) + 4
    for tag, (form, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{'H' if form == 3 else 'I'}", *numbers)
        entry = struct.pack(order + "HHI", tag, form, len(numbers))
        if len(content) > 4:
            entry += struct.pack(order + "I", after + len(longer))
            longer += content + bytes(len(content) % 2)
        else:
            entry += content.ljust(4, b"\0")
        table += entry
    head = (b"MM" if big else b"II") + struct.pack(order + "HI", 42, 8 + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + table + bytes(4) + longer
