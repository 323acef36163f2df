"""PNG by the letter of its specification, slowly: a reader that judges ours, and a writer."""

import io
import itertools
import struct
import zlib

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each color type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2)]  # fmt: skip


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png_of(width, height, depth, color_type, rows: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *extra,
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def reference_png(data: bytes) -> np.ndarray:
    """Read a PNG by the letter of its specification, slowly; pixels as `decode` returns them."""
    position, idat, palette, key = 8, b"", None, b""
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        content = data[position + 8 : position + 8 + length]
        position += 12 + length
        if name == b"IHDR":
            width, height, depth, color_type, _, _, interlace = struct.unpack(">IIBBBBB", content)
        elif name == b"PLTE":
            palette = np.frombuffer(content, np.uint8).reshape(-1, 3)
        elif name == b"tRNS":
            key = content
        elif name == b"IDAT":
            idat += content
    channels = CHANNELS[color_type]
    values = np.zeros((height, width, channels), np.int64)
    stream, full = io.BytesIO(zlib.decompress(idat)), 2**depth - 1
    for x, y, dx, dy in PASSES if interlace else [(0, 0, 1, 1)]:
        part = values[y::dy, x::dx]
        if not part.size:
            continue
        above = [0] * -(-part.shape[1] * channels * depth // 8)
        for row in part:
            above = unfiltered(stream, above, max(1, channels * depth // 8))
            bits = np.unpackbits(np.array(above, np.uint8))[: row.size * depth]
            row[:] = bits.reshape(*row.shape, depth) @ (1 << np.arange(depth)[::-1])
    if color_type == 3:
        table = np.full((256, 4), 255)
        table[: len(palette), :3] = palette
        table[: len(key), 3] = list(key)
        return seen(table[values[:, :, 0]].astype(np.uint8))
    alpha = np.full((height, width, 1), full)
    if key:
        alpha[(values == np.frombuffer(key, ">u2")[:channels] & full).all(axis=2)] = 0
    if color_type & 4:
        values, alpha = values[:, :, :-1], values[:, :, -1:]
    color = np.broadcast_to(values, (height, width, 3))
    exact = np.concatenate([color, alpha], axis=2) * 255 / full
    return seen(np.floor(exact + 0.5).astype(np.uint8))


def unfiltered(stream: io.BytesIO, above: list[int], step: int) -> list[int]:
    kind, line = stream.read(1)[0], list(stream.read(len(above)))
    for i, up in enumerate(above):
        left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
        guess = left + up - corner
        paeth = min((left, up, corner), key=lambda v: abs(guess - v))
        line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
    return line


def seen(image: np.ndarray) -> np.ndarray:
    """Drop alpha that is 255 everywhere; black out what nobody sees."""
    if image.shape[2] == 3 or image[:, :, 3].min() == 255:
        return image[:, :, :3]
    return image * (image[:, :, 3:] > 0)


def filtered(part: np.ndarray, depth: int) -> bytes:
    """Return rows of samples (h, w, channels) as a PNG has them, every filter in its turn."""
    rows, step = [], max(1, part.shape[2] * depth // 8)
    above = [0] * -(-part.shape[1] * part.shape[2] * depth // 8)
    for row, kind in zip(part, itertools.cycle(range(5))):
        bits = (row.reshape(-1, 1) >> np.arange(depth)[::-1]) & 1
        line = np.packbits(bits.astype(np.uint8).ravel()).tolist()
        rows.append(kind)
        for i, value in enumerate(line):
            left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
            up, guess = above[i], left + above[i] - corner
            paeth = min((left, up, corner), key=lambda v: abs(guess - v))
            rows.append((value - (0, left, up, (left + up) // 2, paeth)[kind]) % 256)
        above = line
    return bytes(rows)


def written(
    values: np.ndarray, depth: int, color_type: int, *extra: bytes, interlaced: bool = False
) -> bytes:
    """Return a PNG of samples (H, W, channels), with chunks before its pixels."""
    height, width = values.shape[:2]
    parts = (values[y::dy, x::dx] for x, y, dx, dy in PASSES) if interlaced else [values]
    rows = b"".join(filtered(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)
    half = zlib.compress(rows)
    chunks = [(b"IDAT", half[: len(half) // 2]), (b"IDAT", half[len(half) // 2 :]), (b"IEND", b"")]
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra, *(chunk(*one) for one in chunks)]
    )
