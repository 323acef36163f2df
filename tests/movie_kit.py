"""Animations drawn for tests, written the plain way, and how others than smalti see them."""

import io
import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from PIL import Image

Canvas = np.ndarray


def seen(image: Canvas) -> Canvas:
    """Return (H, W, 4) with whatever is below an alpha of 0 black."""
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return np.where(image[..., 3:] == 0, np.uint8(0), image)


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def scanlines(image: Canvas) -> bytes:
    rows = image.reshape(len(image), -1)
    return zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes())


def apng(
    size: tuple[int, int],
    patches: Sequence[tuple[int, int, Canvas, int, int]],
    delays: Sequence[tuple[int, int]] | None = None,
    plays: int = 0,
    still: Canvas | None = None,
    *extra: bytes,
) -> bytes:
    """Write patches (x, y, RGBA, dispose, blend) as they are; `still` is not part of it."""
    delays = delays or [(1, 10)] * len(patches)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", len(patches), plays)),
        *extra,
    ]
    number = 0
    if still is not None:
        parts.append(chunk(b"IDAT", scanlines(still)))
    for i, (x, y, image, dispose, blend) in enumerate(patches):
        place = (image.shape[1], image.shape[0], x, y)
        control = struct.pack(">IIIIIHHBB", number, *place, *delays[i], dispose, blend)
        parts.append(chunk(b"fcTL", control))
        number += 1
        if i == 0 and still is None:
            parts.append(chunk(b"IDAT", scanlines(image)))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + scanlines(image)))
            number += 1
    return b"".join([*parts, chunk(b"IEND", b"")])


def whole(frames: Sequence[Canvas], delays=None, plays: int = 0) -> bytes:
    """Write whole frames as an APNG: each replaces the one before."""
    frames = [seen(frame) if frame.shape[2] == 4 else opaque(frame) for frame in frames]
    height, width = frames[0].shape[:2]
    return apng((width, height), [(0, 0, frame, 0, 0) for frame in frames], delays, plays)


def opaque(image: Canvas) -> Canvas:
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


def gif(
    size: tuple[int, int],
    palette: Sequence[Sequence[int]],
    patches: Sequence[tuple[int, int, Canvas, int, int | None]],
    delays: Sequence[int] | None = None,
    loop: int | None = 0,
) -> bytes:
    """Write patches (x, y, indices, disposal, clear index): LZW without compression."""
    bits = max(1, (len(palette) - 1).bit_length())
    table = bytes(np.uint8(palette)) + bytes(3 * ((1 << bits) - len(palette)))
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0x80 | bits - 1, 0, 0), table]
    if loop is not None:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0" + struct.pack("<BBHB", 3, 1, loop, 0))
    for i, (x, y, indices, disposal, clear) in enumerate(patches):
        how = disposal << 2 | (clear is not None)
        delay = delays[i] if delays else 10
        parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, how, delay, clear or 0, 0))
        height, width = indices.shape
        parts.append(struct.pack("<BHHHHB", 0x2C, x, y, width, height, 0))
        parts.append(b"\x07" + sub_blocks(uncompressed(indices)))
    return b"".join([*parts, b"\x3b"])


def uncompressed(indices: Canvas) -> bytes:
    """Return codes of 8 bits for indices below 128: cleared before codes grow longer."""
    codes = []
    for i, index in enumerate(indices.ravel().tolist()):
        codes += [128] if i % 100 == 0 else []
        codes.append(index)
    return bytes([*codes, 129])


def sub_blocks(data: bytes) -> bytes:
    parts = [data[i : i + 255] for i in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def webp(frames: Sequence[Canvas], delays: Sequence[int], plays: int = 0) -> bytes:
    """Write frames by libwebp."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(
        buffer, "WEBP", save_all=True, append_images=others, duration=list(delays), loop=plays,
        lossless=True, exact=True,
    )  # fmt: skip
    return buffer.getvalue()


def by_pillow(data: bytes) -> list[Canvas]:
    """Return the frames as Pillow has them."""
    with Image.open(io.BytesIO(data)) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(seen(np.array(image.convert("RGBA"))))
    return found


def by_opencv(data: bytes) -> list[Canvas]:
    """Return the frames as OpenCV has them."""
    import cv2

    done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert done
    codes = {3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
    return [seen(cv2.cvtColor(frame, codes[frame.shape[2]])) for frame in animation.frames]


def delays(*cs: int) -> tuple[Fraction, ...]:
    """Return hundredths of a second as seconds."""
    return tuple(Fraction(each, 100) for each in cs)


def ball(
    frames: int = 8, width: int = 48, height: int = 40, *, clear: bool = False
) -> list[Canvas]:
    """Draw a ball that rolls over stripes, or over nothing: some 60 colors."""
    y, x = np.mgrid[:height, :width]
    found = []
    for i in range(frames):
        image = np.zeros((height, width, 4), np.uint8)
        if not clear:
            image[..., 0] = 40 + 30 * (x // 12 % 4)
            image[..., 1] = 60 + 20 * (y // 10 % 4)
            image[..., 3] = 255
        d2 = (x - 8 - 4 * i) ** 2 + (y - height // 2) ** 2
        disk = d2 < 64
        image[disk] = np.stack([255 - 2 * d2, 3 * d2, 20 * i + 0 * d2, 255 + 0 * d2], -1)[disk]
        found.append(image if clear else np.ascontiguousarray(image[..., :3]))
    return found


def film(frames: int = 4, side: int = 64, seed: int = 1) -> list[Canvas]:
    """Draw a picture of thousands of colors in which a part moves; the rest stands still."""
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    rng = np.random.default_rng(seed)
    still = np.stack([np.sin(5 * x + i) * np.cos(4 * y - i) for i in range(3)], -1) * 90 + 128
    still = np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
    found = []
    for i in range(frames):
        image, at = still.copy(), 4 + 6 * i
        image[20:44, at : at + 20] = 255 - image[20:44, at : at + 20]
        found.append(image)
    return found
