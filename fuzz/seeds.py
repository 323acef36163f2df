"""What both fuzzers begin with: small pictures of every format, and a case of each operation.

python fuzz/seeds.py build/fuzz/seeds
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

HEADERS = (
    b"\0\0\0\0\0\0\1\0",  # k = 1, all defaults
    b"\5\0\1\1\0\0\1\1",
    b"\7\2\0\1\2\0\1\2",  # WebP, turbo
    b"\4\1\2\0\3\1\1\3",  # GIF, Floyd-Steinberg
    b"\x09\4\0\2\0\2\x0b\4",  # frames with palettes of their own
    b"\x08\6\5\0\1\0\x21\5",  # a target of bytes
    b"\xf0\1\0\0\1\1\1\6",  # k = 257
    b"\xf2\0\0\0\0\0\5\7",  # k = "auto"
)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def picture(mode: str, side: int = 12) -> Image.Image:
    """Return a picture of slopes and a few flat places."""
    y, x = np.mgrid[:side, :side]
    rgba = np.dstack([x * 20, y * 20, (x ^ y) * 15, np.where(x < 4, 0, 255 - 40 * (y % 3 == 0))])
    image = Image.fromarray(rgba.astype(np.uint8), "RGBA")
    image.paste((200, 30, 40, 255), (side // 2, 0, side, side // 3))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 257)
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a PNG chunk with its length and checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def odd_png(depth: int, kind: int, *extra: bytes, side: int = 8, interlace: int = 0) -> bytes:
    """Return a PNG of a depth and color type that Pillow does not write."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = (side * channels * depth + 7) // 8
    lines = b"".join(bytes([0]) + bytes((y * 37 + x * 11) % 256 for x in range(row))
                     for y in range(side))  # fmt: skip
    head = struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, interlace)
    parts = [
        chunk(b"IHDR", head),
        *extra,
        chunk(b"IDAT", zlib.compress(lines)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def files() -> dict[str, bytes]:
    """Return small files by name: formats, modes, metadata, animations, and one that is none."""
    made = {f"rgb.{kind.lower()}": saved(picture("RGB"), kind) for kind in FORMATS}
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        made[f"{mode.replace(';', '')}.png"] = saved(picture(mode), "PNG")
    made["cmyk.jpg"] = saved(picture("CMYK"), "JPEG")
    made["rgba.webp"] = saved(picture("RGBA"), "WEBP", lossless=True)
    made["rgba.tiff"] = saved(picture("RGBA"), "TIFF", compression="tiff_lzw")
    made["deflate.tiff"] = saved(picture("RGB"), "TIFF", compression="tiff_adobe_deflate")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    made["turned.jpg"] = saved(picture("RGB"), "JPEG", exif=exif, icc_profile=profile)
    made["profile.png"] = saved(picture("RGB"), "PNG", icc_profile=profile, exif=exif)
    for depth, kind in ((1, 0), (2, 0), (4, 0), (16, 0), (16, 2), (8, 4), (16, 4), (16, 6)):
        made[f"depth{depth}-{kind}.png"] = odd_png(depth, kind)
    for depth in (1, 2, 4, 8):
        colors = bytes((i * 53) % 256 for i in range(3 * 2**depth))
        made[f"palette{depth}.png"] = odd_png(
            depth, 3, chunk(b"PLTE", colors), chunk(b"tRNS", b"\0\x80"), side=5
        )
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    made["gamma.png"] = odd_png(8, 2, gamma, chunk(b"tRNS", b"\0\0\0\x0b\0\x16"))
    made["cicp.png"] = odd_png(8, 2, chunk(b"cICP", bytes((12, 13, 0, 1))))
    made["interlaced.png"] = odd_png(8, 2, interlace=1, side=1)
    frames = [picture("RGBA", 8).rotate(90 * i) for i in range(3)]
    for kind in ("GIF", "PNG", "WEBP"):
        made[f"moving.{kind.lower()}"] = saved(
            frames[0], kind, save_all=True, append_images=frames[1:], duration=40, loop=0
        )
    pages = [picture("RGB", 6), picture("RGB", 6)]
    made["pages.tiff"] = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    made["text"] = b"not a picture\n"
    return made


def main(folder: Path) -> None:
    """Write the seeds of both fuzzers to folders of their names."""
    for name in ("files", "core"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i, (name, data) in enumerate(files().items()):
        for header in (HEADERS[i % len(HEADERS)], HEADERS[(i + 3) % len(HEADERS)]):
            (folder / "files" / f"{header.hex()}-{name}").write_bytes(header + data)
    rng = np.random.default_rng(8)
    for operation in range(16):
        for flags in (0, 1, 2, 7, 11, 19, 67):
            head = bytes([operation, flags, *rng.integers(0, 256, 7).tolist()])
            body = bytes(rng.integers(0, 256, 24 + 8 * operation).tolist())
            (folder / "core" / f"{operation:02}-{flags:02}").write_bytes(head + body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
