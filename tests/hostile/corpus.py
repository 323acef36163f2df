"""The hostile corpus: some 600 files that are broken, lie, explode, or are no pictures at all.

    seed -> [cases] -> Case, Case, ... -> [write] -> a folder of files

    python tests/hostile/corpus.py FOLDER [--seed N]

The same seed gives the same bytes (with the same versions of Pillow and NumPy), another one other
damage. What a case must come to is known from how it was made: a good file must be read, a
damaged one refused in a sentence, and of some only that nothing breaks. Smallest files that once
broke something are kept in `crashers/`.
"""

import argparse
import io
import os
import socket
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

__all__ = [
    "CRASHERS",
    "LIMIT",
    "OK",
    "REFUSED",
    "UNSURE",
    "Case",
    "cases",
    "chunk",
    "good_files",
    "places",
    "png",
    "write",
]  # fmt: skip

OK, REFUSED, LIMIT, UNSURE = "read", "refused", "refused by a limit", "read or refused"

CRASHERS = Path(__file__).parent / "crashers"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE = 24  # pixels, of the small pictures that damage is done to
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


class Case(NamedTuple):
    """One input: its name, what must come of it, and its bytes or how it is made in a folder."""

    name: str
    expected: str
    data: bytes = b""
    make: Callable[[Path], None] | None = None

    def write(self, folder: Path) -> Path:
        """Make the input in a folder."""
        path = folder / self.name
        if self.make:
            self.make(path)
        else:
            path.write_bytes(self.data)
        return path


def cases(seed: int = 0) -> Iterator[Case]:
    """Yield all cases: the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    good = good_files(rng)
    for name, data in good.items():
        yield Case(name, OK, data)
    yield from _truncated(good)
    yield from _flipped(good, rng)
    for family in (_png_headers, _png_chunks, _png_bombs, _apng, _jpeg, _gif, _webp, _tiff, _bmp,
                   _avif, _strangers, _polyglots):  # fmt: skip
        yield from family(good)
    yield from _noise(rng)
    for path in sorted(CRASHERS.glob("*")):
        yield Case(f"crasher-{path.name}", UNSURE, path.read_bytes())


def places() -> Iterator[Case]:
    """Yield what is no regular file; the seed makes no difference."""
    yield Case("pipe.png", REFUSED, make=os.mkfifo)
    yield Case("folder.png", REFUSED, make=Path.mkdir)
    yield Case("socket.png", REFUSED, make=_make_socket)
    yield Case("loop.png", REFUSED, make=lambda path: path.symlink_to(path.name))
    yield Case("dangling.png", REFUSED, make=lambda path: path.symlink_to("nowhere.png"))
    for device in ("zero", "null", "full", "urandom", "tty", "stdin"):
        yield Case(f"{device}.png", REFUSED, make=_link_to(f"/dev/{device}"))
    yield Case("memory.png", REFUSED, make=_link_to("/proc/self/mem"))
    yield Case("maps.png", REFUSED, make=_link_to("/proc/self/maps"))
    yield Case("sparse.png", LIMIT, make=_make_sparse)


def write(folder: Path, seed: int = 0) -> dict[str, str]:
    """Write all cases into a folder; return what must come of each, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for case in (*cases(seed), *places()):
        case.write(folder)
        expected[case.name] = case.expected
    return expected


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        before = os.getcwd()
        os.chdir(path.parent)  # a socket's path has 107 bytes at most
        try:
            ours.bind(path.name)
        finally:
            os.chdir(before)


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(SIGNATURE)
        file.truncate(2**40)


# ---------------------------------------------------------------- good files


def good_files(rng: np.random.Generator) -> dict[str, bytes]:
    """Return small files of all kinds that must be read, by name."""
    found = dict(_good_png(rng))
    y, x = np.mgrid[:SIDE, :SIDE]
    smooth = np.dstack([x * 9, y * 9, (x + y) * 4]) + rng.integers(0, 20, (SIDE, SIDE, 3))
    picture = Image.fromarray(smooth.astype(np.uint8))
    clear = picture.copy()
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)))
    indexed = picture.quantize(16)
    movie = [Image.fromarray(np.roll(smooth, i * 3, 1).astype(np.uint8)) for i in range(4)]
    several = {"save_all": True, "append_images": movie[1:]}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    saved: list[tuple[str, Image.Image, str, dict]] = [
        ("rgb.jpg", picture, "JPEG", {}),
        ("progressive.jpg", picture, "JPEG", {"progressive": True}),
        ("gray.jpg", picture.convert("L"), "JPEG", {}),
        ("cmyk.jpg", picture.convert("CMYK"), "JPEG", {}),
        ("exif.jpg", picture, "JPEG", {"exif": exif, "icc_profile": srgb, "comment": b"hello"}),
        ("restarts.jpg", picture, "JPEG", {"restart_marker_blocks": 2}),
        ("lossy.webp", picture, "WEBP", {}),
        ("lossless.webp", clear, "WEBP", {"lossless": True}),
        ("extended.webp", clear, "WEBP", {"exif": exif, "icc_profile": srgb}),
        ("movie.webp", movie[0], "WEBP", several),
        ("still.gif", indexed, "GIF", {}),
        ("clear.gif", indexed, "GIF", {"transparency": 3, "interlace": True}),
        ("movie.gif", movie[0], "GIF", {**several, "duration": 70, "loop": 0}),
        ("movie.png", movie[0], "PNG", {**several, "duration": 70, "default_image": False}),
        ("rgb.bmp", picture, "BMP", {}),
        ("indexed.bmp", indexed, "BMP", {}),
        ("bits.bmp", picture.convert("1"), "BMP", {}),
        ("alpha.bmp", clear, "BMP", {}),
        ("raw.tif", picture, "TIFF", {}),
        ("lzw.tif", picture, "TIFF", {"compression": "tiff_lzw"}),
        ("deflate.tif", clear, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("packbits.tif", indexed, "TIFF", {"compression": "packbits"}),
        ("fax.tif", picture.convert("1"), "TIFF", {"compression": "group4"}),
        ("jpeg.tif", picture, "TIFF", {"compression": "jpeg"}),
        ("deep.tif", Image.fromarray(smooth[:, :, 0].astype(np.uint16) * 257), "TIFF", {}),
        ("exif.tif", picture, "TIFF", {"exif": exif, "icc_profile": srgb}),
    ]
    if "AVIF" in Image.SAVE or _has_avif():
        saved += [("rgb.avif", picture, "AVIF", {}), ("alpha.avif", clear, "AVIF", {"exif": exif})]
    found.update((name, _saved(image, kind, options)) for name, image, kind, options in saved)
    return found


def _has_avif() -> bool:
    from PIL import features

    Image.init()
    return bool(features.check("avif"))


def _saved(image: Image.Image, kind: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _good_png(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for kind, depths in DEPTHS.items():
        for depth in depths:
            extras = [chunk(b"PLTE", rng.bytes(3 << depth))] if kind == 3 else []
            if kind == 3:
                extras.append(chunk(b"tRNS", rng.bytes(1 << depth)))
            for interlaced in (False, True):
                name = f"type{kind}-{depth}bits{'-interlaced' * interlaced}.png"
                size = (SIDE, SIDE - 3)
                rows = _rows(rng, *size, depth * CHANNELS[kind], interlaced)
                yield name, png(*size, depth, kind, rows, *extras, interlaced=interlaced)
    rows = _rows(rng, 9, 9, 24, False)
    extras = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        chunk(b"tRNS", bytes(6)),
        chunk(b"tEXt", b"Comment\0hello"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"hello" * 99)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"hello")),
        chunk(b"tIME", bytes([7, 233, 1, 1, 1, 1, 1])),
    ]
    yield "chunks.png", png(9, 9, 8, 2, rows, *extras)


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a PNG chunk."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(
    width: int,
    height: int,
    depth: int,
    kind: int,
    rows: bytes,
    *extras: bytes,
    interlaced: bool = False,
) -> bytes:
    """Return a PNG of filtered rows, not yet deflated, with chunks before its pixels."""
    header = _header(width, height, depth, kind, interlaced)
    return SIGNATURE + header + b"".join(extras) + chunk(b"IDAT", zlib.compress(rows)) + END


END = chunk(b"IEND", b"")


def _header(width: int, height: int, depth: int, kind: int, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))


def _rows(rng: np.random.Generator, width: int, height: int, bits: int, interlaced: bool) -> bytes:
    """Return random rows, each with a filter of its own."""
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = []
    for left, top, across, down in passes:
        wide, high = -(-(width - left) // across), -(-(height - top) // down)
        rows += [
            bytes([int(rng.integers(5))]) + rng.bytes(-(-wide * bits // 8))
            for _ in range(high if wide > 0 else 0)
        ]
    return b"".join(rows)


# ---------------------------------------------------------------- damage


def _truncated(good: dict[str, bytes]) -> Iterator[Case]:
    """Cut PNG at and inside every chunk, the others at places spread over them."""
    for name in ("type2-8bits.png", "type3-4bits-interlaced.png", "chunks.png", "movie.png"):
        data = good[name]
        for i, (start, _, end) in enumerate(_chunks(data)):
            yield Case(f"cut-{i}-before-{name}", REFUSED, data[:start])
            yield Case(f"cut-{i}-inside-{name}", REFUSED, data[: (start + end) // 2])
    whole_without_end = {"raw.tif", "deep.tif"}  # their directory is in front, then pixels
    for name, data in good.items():
        if name.endswith(".png"):
            continue
        for i in range(5):
            end = len(data) * (2 * i + 1) // 10
            sure = not name.endswith(("jpg", "gif")) or i < 4
            surely = sure and name not in whole_without_end and "tif" not in name
            yield Case(f"cut-{i}-{name}", REFUSED if surely else UNSURE, data[:end])


def _chunks(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield start, name and end of each chunk of a PNG."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield at, name, at + 12 + length
        at += 12 + length


def _flipped(good: dict[str, bytes], rng: np.random.Generator) -> Iterator[Case]:
    """Flip bits: one, a few, and many; of PNG also with checksums made right again."""
    for name, data in good.items():
        for flips in (1, 6) if "type" in name else (1, 3, 12):
            damaged = bytearray(data)
            for place in rng.integers(0, 8 * len(data), flips):
                damaged[place // 8] ^= 1 << place % 8
            yield Case(f"flip-{flips}-{name}", UNSURE, bytes(damaged))
            if name in ("chunks.png", "movie.png"):
                yield Case(f"flip-{flips}-mended-{name}", UNSURE, _mended(bytes(damaged)))
    for name in ("exif.jpg", "extended.webp", "exif.tif", "movie.gif", "alpha.bmp"):
        for i in range(6):  # the head, where numbers are, with all bits of some bytes
            damaged = bytearray(good[name])
            for place in rng.integers(4, min(len(damaged), 200), 3):
                damaged[place] = (0, 255, int(rng.integers(256)))[i % 3]
            yield Case(f"head-{i}-{name}", UNSURE, bytes(damaged))


def _mended(data: bytes) -> bytes:
    """Return a PNG with right checksums, as far as its lengths lead."""
    found = data[: len(SIGNATURE)]
    for start, name, end in _chunks(data):
        found += chunk(name, data[start + 8 : max(start + 8, end - 4)])
    return found


def _noise(rng: np.random.Generator) -> Iterator[Case]:
    starts = {
        "png": SIGNATURE, "jpg": b"\xff\xd8\xff\xe0", "gif": b"GIF89a", "bmp": b"BM",
        "webp": b"RIFF\xff\xff\0\0WEBPVP8 ", "tif": b"II*\0\x08\0\0\0", "none": b"",
        "avif": b"\0\0\0\x20ftypavif",
    }  # fmt: skip
    for suffix, start in starts.items():
        for size in (0, 1, 30, 4000):
            expected = UNSURE if suffix == "gif" else REFUSED
            yield Case(f"noise-{size}.{suffix}", expected, start + rng.bytes(size))
    for value in (0, 255):
        yield Case(f"all-{value}.png", REFUSED, bytes([value]) * 5000)


# ---------------------------------------------------------------- PNG


def _png_headers(good: dict[str, bytes]) -> Iterator[Case]:
    rows = bytes((1 + 3 * 4) * 4)
    sizes = [
        (0, 4, REFUSED), (4, 0, REFUSED), (0, 0, REFUSED), (2**31, 4, REFUSED),
        (2**32 - 1, 2**32 - 1, REFUSED), (2**31 - 1, 2**31 - 1, LIMIT), (2**31 - 1, 1, LIMIT),
        (65_536, 65_536, LIMIT), (20_000, 20_000, LIMIT), (100_000_001, 1, LIMIT),
        (1, 100_000_001, LIMIT), (10_000, 10_001, LIMIT), (5, 4, REFUSED), (4, 5, REFUSED),
        (3000, 3000, REFUSED),
    ]  # fmt: skip
    for width, height, expected in sizes:
        yield Case(f"size-{width}x{height}.png", expected, png(width, height, 8, 2, rows))
    for kind in (0, 1, 2, 3, 4, 5, 6, 7, 255):
        for depth in (0, 3, 8, 32):
            if depth not in DEPTHS.get(kind, ()):
                data = png(4, 4, depth, kind, rows)
                yield Case(f"kind-{kind}-depth-{depth}.png", REFUSED, data)
    for i, field in enumerate(("compression", "filter", "interlace")):
        content = struct.pack(">IIBB", 4, 4, 8, 2) + bytes([2 * (j == i) for j in range(3)])
        data = SIGNATURE + chunk(b"IHDR", content) + chunk(b"IDAT", zlib.compress(rows)) + END
        yield Case(f"unknown-{field}.png", REFUSED, data)
    for length in (0, 12, 14):
        data = SIGNATURE + chunk(b"IHDR", bytes(length)) + END
        yield Case(f"header-of-{length}.png", REFUSED, data)
    yield Case("filter-5.png", REFUSED, png(4, 4, 8, 2, bytes([5]) + rows[1:]))


def _png_chunks(good: dict[str, bytes]) -> Iterator[Case]:
    """Order, number, length and names of chunks."""
    header, rows = _header(4, 4, 8, 3), bytes(5 * 4)
    pixels, table = chunk(b"IDAT", zlib.compress(rows)), chunk(b"PLTE", bytes(range(9)))
    half = len(zlib.compress(rows)) // 2
    halves = [chunk(b"IDAT", part) for part in (zlib.compress(rows)[:half],
                                               zlib.compress(rows)[half:])]  # fmt: skip
    text = chunk(b"tEXt", b"a\0b")

    def case(name: str, expected: str, *parts: bytes) -> Case:
        return Case(f"{name}.png", expected, SIGNATURE + b"".join(parts))

    yield case("no-header", REFUSED, table, pixels, END)
    yield case("header-second", REFUSED, table, header, pixels, END)
    yield case("two-headers", UNSURE, header, _header(9, 9, 8, 2), table, pixels, END)
    yield case("two-tables", UNSURE, header, table, table, pixels, END)
    yield case("no-table", REFUSED, header, pixels, END)
    yield case("table-of-0", REFUSED, header, chunk(b"PLTE", b""), pixels, END)
    yield case("table-of-4-bytes", REFUSED, header, chunk(b"PLTE", bytes(4)), pixels, END)
    yield case("table-of-257", REFUSED, header, chunk(b"PLTE", bytes(771)), pixels, END)
    yield case("table-after-pixels", UNSURE, header, pixels, table, END)
    yield case("index-past-table", UNSURE, header, table,
               chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff\xff" * 4)), END)  # fmt: skip
    yield case("no-pixels", REFUSED, header, table, END)
    yield case("empty-pixels", REFUSED, header, table, chunk(b"IDAT", b""), END)
    yield case("divided-pixels", OK, header, table, *halves, END)
    yield case("torn-pixels", UNSURE, header, table, halves[0], text, halves[1], END)
    yield case("pixels-swapped", REFUSED, header, table, *halves[::-1], END)
    yield case("no-end", REFUSED, header, table, pixels)
    yield case("end-first", REFUSED, header, END, table, pixels)
    yield case("after-the-end", UNSURE, header, table, pixels, END, pixels, b"more" * 100)
    yield case("unknown-critical", REFUSED, header, chunk(b"HURT", b"!"), table, pixels, END)
    yield case("unknown", OK, header, chunk(b"huRt", b"!" * 99), table, pixels, END)
    yield case("no-letters", REFUSED, header, chunk(b"\0\1\2\3", b""), table, pixels, END)
    yield case("long-chunk", REFUSED, header, table, struct.pack(">I", 2**31) + pixels[4:], END)
    yield case("longest-chunk", REFUSED, header, struct.pack(">I", 2**32 - 1) + table[4:], END)
    for key in (1, 3, 300):
        clear = chunk(b"tRNS", bytes(key))
        yield case(f"clear-of-{key}", UNSURE, header, table, clear, pixels, END)
        rgb = png(4, 4, 8, 2, bytes(13 * 4), clear)[8:]
        yield case(f"clear-of-{key}-rgb", UNSURE, rgb)
    wrong = pixels[:-1] + bytes([pixels[-1] ^ 1])
    yield case("wrong-checksum", REFUSED, header, table, wrong, END)
    yield case("wrong-checksum-of-text", OK, header, text[:-1] + b"!", table, pixels, END)
    for name in (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP", b"eXIf", b"pHYs", b"tIME", b"bKGD",
                 b"hIST", b"sPLT", b"acTL", b"mDCV"):  # fmt: skip
        for content in (b"", b"\xff" * 32, bytes(32)):
            shown = f"{name.decode()}-{len(content)}-{content[:1].hex()}"
            yield case(f"odd-{shown}", OK, header, chunk(name, content), table, pixels, END)
    long_exif = b"II*\0\x08\0\0\0" + b"\xff" * 600
    yield case("exif-lies", OK, header, chunk(b"eXIf", long_exif), table, pixels, END)
    far_exif = b"MM\0*\xff\xff\xff\xf0" + bytes(60)
    yield case("exif-far", OK, header, chunk(b"eXIf", far_exif), table, pixels, END)


def _png_bombs(good: dict[str, bytes]) -> Iterator[Case]:
    rows = bytes((1 + 3 * 4) * 4)
    zeros = zlib.compress(bytes(2**26), 9)  # 64 MiB in 65 kB
    twice = zlib.compress(zlib.compress(bytes(2**26), 9), 9)
    texts = {
        "iCCP": b"x\0\0" + zeros,
        "zTXt": b"Comment\0\0" + zeros,
        "iTXt": b"Comment\0\1\0\0\0" + zeros,
        "xmp": b"XML:com.adobe.xmp\0\1\0\0\0" + zeros,
        "exif": b"Raw profile type exif\0\0" + zeros,
        "nested": b"Comment\0\0" + twice,
    }
    names = {"xmp": b"iTXt", "exif": b"zTXt", "nested": b"zTXt"}
    for name, content in texts.items():
        part = chunk(names.get(name, name.encode()), content)
        yield Case(f"bomb-{name}.png", OK, png(4, 4, 8, 2, rows, part))
    many = b"".join(chunk(b"zTXt", b"Comment%d\0\0" % i + zeros) for i in range(50))
    yield Case("bomb-50-zTXt.png", OK, png(4, 4, 8, 2, rows, many))
    for name in (b"tEXt", b"teSt", b"fcTL", b"iCCP", b"tRNS", b"IDAT", b"fdAT"):
        flood = chunk(name, b"") * 300_000
        yield Case(f"flood-{name.decode()}.png", LIMIT, png(4, 4, 8, 2, rows, flood))
    extra = chunk(b"IDAT", zeros)
    yield Case("bomb-pixels.png", UNSURE, SIGNATURE + _header(4, 4, 8, 2) + extra + END)
    gray = _header(30_000, 30_000, 8, 0) + chunk(b"IDAT", zeros)
    yield Case("bomb-900-megapixels.png", LIMIT, SIGNATURE + gray + END)
    short = _header(10_000, 10_000, 16, 6) + chunk(b"IDAT", zlib.compress(bytes(9), 9))
    yield Case("bomb-800-megabytes-short.png", REFUSED, SIGNATURE + short + END)


def _apng(good: dict[str, bytes]) -> Iterator[Case]:
    """Lies of frame headers."""
    still = chunk(b"IDAT", zlib.compress(bytes(13 * 4)))

    def control(number: int, *place: int, how: tuple[int, int] = (0, 0)) -> bytes:
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *place, 1, 10, *how))

    def data(number: int) -> bytes:
        return chunk(b"fdAT", struct.pack(">I", number) + zlib.compress(bytes(13 * 4)))

    whole = (4, 4, 0, 0)
    start = [_header(4, 4, 8, 2), chunk(b"acTL", struct.pack(">II", 2, 0))]
    first, second = [control(0, *whole), still], [control(1, *whole), data(2)]
    ways = {
        "fine": (OK, [*start, *first, *second]),
        "counts-wrong": (OK, [start[0], chunk(b"acTL", struct.pack(">II", 99, 0)),
                              *first, *second]),
        "counts-none": (OK, [start[0], chunk(b"acTL", bytes(8)), *first, *second]),
        "counts-4-billion": (OK, [start[0], chunk(b"acTL", b"\xff" * 8), *first, *second]),
        "counts-twice": (UNSURE, [*start, start[1], *first, *second]),
        "outside": (REFUSED, [*start, *first, control(1, 4, 4, 1, 0), data(2)]),
        "far-outside": (REFUSED, [*start, *first, control(1, 4, 4, 2**32 - 4, 0), data(2)]),
        "huge-frame": (REFUSED, [*start, *first, control(1, 2**31, 2**31, 0, 0), data(2)]),
        "no-size": (REFUSED, [*start, *first, control(1, 0, 0, 0, 0), data(2)]),
        "first-is-smaller": (UNSURE, [*start, control(0, 2, 2, 0, 0), still, *second]),
        "out-of-order": (REFUSED, [*start, *first, control(2, *whole), data(1)]),
        "same-numbers": (REFUSED, [*start, *first, control(0, *whole), data(0)]),
        "data-first": (UNSURE, [*start, data(0), *first, *second]),
        "no-data": (REFUSED, [*start, *first, control(1, *whole), control(2, *whole), data(3)]),
        "no-control": (UNSURE, [*start, still, data(0)]),
        "unknown-disposal": (REFUSED, [*start, *first, control(1, *whole, how=(9, 0)), data(2)]),
        "unknown-blend": (REFUSED, [*start, *first, control(1, *whole, how=(0, 9)), data(2)]),
        "short-control": (REFUSED, [*start, *first, chunk(b"fcTL", bytes(9)), data(2)]),
        "late-count": (UNSURE, [start[0], *first, start[1], *second]),
    }  # fmt: skip
    for name, (expected, parts) in ways.items():
        yield Case(f"apng-{name}.png", expected, SIGNATURE + b"".join(parts) + END)
    frames = b"".join(control(2 * i + 1, *whole) + data(2 * i + 2) for i in range(5000))
    parts = [_header(4, 4, 8, 2), chunk(b"acTL", struct.pack(">II", 5001, 0)), *first]
    yield Case("apng-5001-frames.png", LIMIT, SIGNATURE + b"".join(parts) + frames + END)
    big = chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(9)))
    tiny = b"".join(control(2 * i + 1, 1, 1, 0, 0)
                    + chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + zlib.compress(b"\0\0\0\0"))
                    for i in range(4100))  # fmt: skip
    parts = [
        _header(320, 320, 8, 2),
        chunk(b"acTL", struct.pack(">II", 4101, 0)),
        control(0, 320, 320, 0, 0),
        chunk(b"IDAT", zlib.compress(bytes(961 * 320))),
    ]
    data_ = SIGNATURE + b"".join(parts) + tiny + END
    yield Case("apng-420-megapixels-in-all.png", LIMIT, data_)
    parts = [_header(9000, 9000, 8, 0), chunk(b"acTL", struct.pack(">II", 2, 0)),
             control(0, 9000, 9000, 0, 0), chunk(b"IDAT", zlib.compress(bytes(9))),
             control(1, 9000, 9000, 0, 0), big]  # fmt: skip
    yield Case("apng-large-and-short.png", REFUSED, SIGNATURE + b"".join(parts) + END)


# ---------------------------------------------------------------- JPEG


def _jpeg(good: dict[str, bytes]) -> Iterator[Case]:
    data = good["rgb.jpg"]
    sof = data.index(b"\xff\xc0")

    def resized(width: int, height: int) -> bytes:
        return data[: sof + 5] + struct.pack(">HH", height, width) + data[sof + 9 :]

    sizes = {
        (65_500, 65_500): LIMIT,
        (65_535, 65_535): LIMIT,
        (10_001, 10_000): LIMIT,
        (0, 24): REFUSED,
        (24, 0): REFUSED,
        (1500, 1500): UNSURE,
        (24, 65_535): UNSURE,
    }
    for (width, height), expected in sizes.items():
        yield Case(f"size-{width}x{height}.jpg", expected, resized(width, height))
    for count in (0, 2, 5, 255):
        lying = data[: sof + 9] + bytes([count]) + data[sof + 10 :]
        yield Case(f"components-{count}.jpg", UNSURE if count == 2 else REFUSED, lying)
    for bits in (0, 7, 12, 16):
        lying = data[: sof + 4] + bytes([bits]) + data[sof + 5 :]
        yield Case(f"bits-{bits}.jpg", REFUSED, lying)
    for factor in (0, 0x55, 0xFF):
        lying = data[: sof + 11] + bytes([factor]) + data[sof + 12 :]
        yield Case(f"sampling-{factor:x}.jpg", UNSURE, lying)
    for name, marker in (("tables", 0xDB), ("codes", 0xC4)):
        at = data.index(bytes([255, marker]))
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield Case(f"no-{name}.jpg", UNSURE, data[:at] + data[at + 2 + size :])
        lying = data[: at + 4] + b"\xff" * 40 + data[at + 44 :]
        yield Case(f"lying-{name}.jpg", UNSURE, lying)
    yield Case("two-frames.jpg", UNSURE, data[:sof] + data[sof : sof + 19] + data[sof:])
    yield Case("no-scan.jpg", REFUSED, data[: data.index(b"\xff\xda")] + b"\xff\xd9")
    yield Case("empty-scan.jpg", UNSURE, data[: data.index(b"\xff\xda") + 14] + b"\xff\xd9")
    yield Case("twice.jpg", OK, data + data)
    yield Case("flood-of-markers.jpg", LIMIT, data[:2] + b"\xff\xfe\0\2" * 300_000 + data[2:])
    yield Case("fill-bytes.jpg", LIMIT, data[:2] + b"\xff" * 1_000_000 + data[3:])
    large = b"\xff\xe2\xff\xffICC_PROFILE\0" + b"\1\xff" + bytes(65_519)
    yield Case("255-profile-parts.jpg", UNSURE, data[:2] + large * 255 + data[2:])
    yield from _exif_lies(data)
    yield Case("flood-of-scans.jpg", LIMIT, _scans(8000, 8000, 3000))
    yield Case("many-scans.jpg", LIMIT, _scans(64, 64, 1500))


def _exif_lies(data: bytes) -> Iterator[Case]:
    def with_exif(exif: bytes) -> bytes:
        content = b"Exif\0\0" + exif
        return data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content + data[2:]

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHII", tag, kind, count, value)

    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    head = b"II*\0\x08\0\0\0"
    lies = {
        "orientation-9": head + b"\1\0" + entry(0x0112, 3, 1, 9) + bytes(4),
        "orientation-0": head + b"\1\0" + entry(0x0112, 3, 1, 0) + bytes(4),
        "orientation-long": head + b"\1\0" + entry(0x0112, 4, 1, 6) + bytes(4),
        "orientation-text": head + b"\1\0" + entry(0x0112, 2, 2**31, 8) + bytes(4),
        "many-entries": head + b"\xff\xff" + turned * 50,
        "next-is-itself": head + b"\1\0" + turned + struct.pack("<I", 8),
        "sub-is-itself": head + b"\1\0" + entry(0x8769, 4, 1, 8) + bytes(4),
        "far": b"II*\0\xf0\xff\xff\xff" + bytes(50),
        "count-4-billion": head + b"\1\0" + entry(0x010E, 2, 2**32 - 1, 26) + bytes(4),
        "kind-99": head + b"\1\0" + entry(0x0112, 99, 1, 6) + bytes(4),
        "zero-denominator": head + b"\1\0" + entry(0x011A, 5, 1, 26) + bytes(12),
        "order": b"XX" + head[2:] + b"\1\0" + turned,
        "short": b"II*",
        "empty": b"",
    }
    for name, exif in lies.items():
        yield Case(f"exif-{name}.jpg", OK, with_exif(exif))


def _scans(width: int, height: int, count: int) -> bytes:
    """Return a progressive JPEG of `count` scans that say nothing: each is a pass over it all."""

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([255, marker]) + struct.pack(">H", 2 + len(content)) + content

    tables = segment(0xDB, bytes([0]) + bytes([1]) * 64)
    # One code of one bit: no difference for DC; for AC, all blocks up to 32,767 further end here.
    codes = segment(0xC4, bytes([0x00, 1]) + bytes(15) + bytes([0]))
    codes += segment(0xC4, bytes([0x10, 1]) + bytes(15) + bytes([0xE0]))
    frame = segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))
    blocks = -(-width // 8) * -(-height // 8)
    dc = segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0x01])) + bytes(-(-blocks // 8))
    runs = -(-blocks // 32_767)
    bits = "0" + "1" * 14  # the code, then a run of 16,384 + 16,383 blocks
    packed = int((bits * runs).ljust(-(-15 * runs // 8) * 8, "1"), 2)
    ends = packed.to_bytes(-(-15 * runs // 8), "big").replace(b"\xff", b"\xff\0")
    ac = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x00])) + ends
    return b"\xff\xd8" + tables + codes + frame + dc + ac * count + b"\xff\xd9"


# ---------------------------------------------------------------- GIF and WebP


def _gif(good: dict[str, bytes]) -> Iterator[Case]:
    table, dot = bytes(range(6)), b"\x02\x02\x44\x01\0"

    def gif(width: int, height: int, *blocks: bytes, flags: int = 0x80) -> bytes:
        head = b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0)
        return head + (table if flags == 0x80 else b"") + b"".join(blocks) + b";"

    def frame(
        x: int, y: int, width: int, height: int, pixels: bytes = dot, flags: int = 0
    ) -> bytes:
        return b"," + struct.pack("<HHHHB", x, y, width, height, flags) + pixels

    one = frame(0, 0, 1, 1)
    yield Case("gif-fine.gif", OK, gif(1, 1, one))
    yield Case("gif-no-screen.gif", UNSURE, gif(0, 0, one))
    yield Case("gif-no-frame.gif", REFUSED, gif(1, 1))
    yield Case("gif-zero-frame.gif", UNSURE, gif(1, 1, frame(0, 0, 0, 0)))
    yield Case("gif-zero-frames.gif", UNSURE, gif(1, 1, frame(0, 0, 0, 0), frame(0, 0, 0, 9)))
    yield Case("gif-huge-screen.gif", LIMIT, gif(65_535, 65_535, one))
    yield Case("gif-huge-frame.gif", LIMIT, gif(1, 1, frame(0, 0, 65_535, 65_535)))
    yield Case("gif-huge-second.gif", LIMIT, gif(1, 1, one, frame(0, 0, 65_535, 65_535)))
    yield Case("gif-far-frame.gif", LIMIT, gif(9, 9, frame(65_535, 65_535, 1, 1)))
    yield Case("gif-far-second.gif", UNSURE, gif(9, 9, one, frame(60_000, 60_000, 9, 9)))
    yield Case("gif-short-frame.gif", REFUSED, gif(99, 99, frame(0, 0, 99, 99)))
    yield Case("gif-no-table.gif", UNSURE, gif(1, 1, one, flags=0))
    yield Case("gif-lying-table.gif", UNSURE, gif(1, 1, one, flags=0x87))
    for bits in (0, 1, 9, 12, 13, 255):
        pixels = bytes([bits]) + dot[1:]
        yield Case(f"gif-codes-of-{bits}.gif", UNSURE, gif(1, 1, frame(0, 0, 1, 1, pixels)))
    for lzw in (b"\x02\x00", b"\x02\x01\xff\0", b"\x02\xff" + b"\xff" * 255 + b"\0", b"\x08"):
        data = gif(50, 50, frame(0, 0, 50, 50, lzw))
        yield Case(f"gif-codes-{zlib.crc32(lzw):08x}.gif", UNSURE, data)
    yield Case("gif-flood-of-comments.gif", LIMIT, gif(1, 1, b"!\xfe\1a\0" * 300_000, one))
    yield Case("gif-flood-of-zeros.gif", UNSURE, gif(1, 1, bytes(1_000_000), one))
    long = b"!\xfe" + (b"\xff" + bytes(255)) * 9000 + b"\0"
    yield Case("gif-long-comment.gif", OK, gif(1, 1, long, one))
    yield Case(
        "gif-flood-of-parts.gif", LIMIT, gif(1, 1, b"!\xfe" + b"\1a" * 2_500_000 + b"\0", one)
    )
    yield Case("gif-5001-frames.gif", LIMIT, gif(1, 1, one * 5001))
    yield Case("gif-million-frames.gif", LIMIT, gif(1, 1, one * 1_000_000))
    yield Case("gif-500-megapixels-in-all.gif", LIMIT, gif(1000, 1000, one * 500))
    control = b"!\xf9\4" + b"\xff\xff\xff\xff" + b"\0"
    yield Case("gif-odd-control.gif", UNSURE, gif(4, 4, control, one, control, one))
    yield Case("gif-controls.gif", UNSURE, gif(4, 4, control * 1000, one))
    loops = b"!\xff\x0bNETSCAPE2.0\3\1\xff\xff\0"
    yield Case("gif-loops.gif", UNSURE, gif(4, 4, loops * 1000, one, one))
    yield Case("gif-block-99.gif", UNSURE, gif(4, 4, b"\x99", one))


def _webp(good: dict[str, bytes]) -> Iterator[Case]:
    def riff(*parts: bytes, size: int | None = None) -> bytes:
        body = b"WEBP" + b"".join(parts)
        return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body

    def part(name: bytes, content: bytes, size: int | None = None) -> bytes:
        length = len(content) if size is None else size
        return name + struct.pack("<I", length) + content + bytes(len(content) % 2)

    def extended(flags: int, width: int, height: int) -> bytes:
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return part(b"VP8X", bytes([flags, 0, 0, 0]) + sides)

    lossless = good["lossless.webp"]
    at = lossless.index(b"VP8L")
    still = lossless[at:]
    lossy = good["lossy.webp"]
    vp8 = lossy[lossy.index(b"VP8 ") :]
    start = vp8.index(b"\x9d\x01\x2a")
    huge = vp8[: start + 3] + struct.pack("<HH", 0x3FFF, 0x3FFF) + vp8[start + 7 :]
    yield Case("webp-huge-lossy.webp", LIMIT, riff(huge))
    bits = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    yield Case("webp-huge-lossless.webp", LIMIT, riff(still[:9] + bits + still[13:]))
    yield Case("webp-huge-canvas.webp", LIMIT, riff(extended(0x10, 2**24, 2**24), still))
    yield Case("webp-other-canvas.webp", UNSURE, riff(extended(0x10, 99, 7), still))
    yield Case("webp-riff-of-0.webp", UNSURE, riff(still, size=0))
    yield Case("webp-riff-of-4-billion.webp", UNSURE, riff(still, size=2**32 - 1))
    yield Case("webp-part-of-4-billion.webp", REFUSED, riff(part(b"VP8L", still[8:], 2**32 - 1)))
    yield Case("webp-empty.webp", REFUSED, riff())
    yield Case("webp-no-picture.webp", REFUSED, riff(extended(0, 9, 9), part(b"EXIF", b"II")))
    flood = part(b"JUNK", b"") * 300_000
    yield Case("webp-flood.webp", LIMIT, riff(extended(0x10, SIDE, SIDE), flood, still))
    profile = part(b"ICCP", bytes(9_000_000))
    yield Case("webp-profile.webp", UNSURE, riff(extended(0x30, SIDE, SIDE), profile, still))

    def frame(x: int, y: int, width: int, height: int, content: bytes = still) -> bytes:
        numbers = (x, y, width - 1, height - 1, 70)
        return part(b"ANMF", b"".join(n.to_bytes(3, "little") for n in numbers) + b"\0" + content)

    loop = part(b"ANIM", bytes(6))
    fine = frame(0, 0, SIDE, SIDE)

    def movie(width: int, height: int, *frames: bytes) -> bytes:
        return riff(extended(0x12, width, height), loop, *frames)

    yield Case("webp-movie.webp", OK, movie(SIDE, SIDE, fine, fine))
    outside = frame(9, 9, SIDE, SIDE)
    yield Case("webp-movie-outside.webp", REFUSED, movie(SIDE, SIDE, fine, outside))
    yield Case("webp-movie-other-size.webp", UNSURE, movie(SIDE, SIDE, fine, frame(0, 0, 5, 5)))
    yield Case(
        "webp-movie-empty-frame.webp", UNSURE, movie(SIDE, SIDE, fine, frame(0, 0, 4, 4, b""))
    )
    yield Case("webp-movie-no-frames.webp", REFUSED, movie(SIDE, SIDE))
    yield Case("webp-movie-huge.webp", LIMIT, movie(16_384, 16_384, fine, fine))
    yield Case("webp-movie-450-megapixels.webp", LIMIT, movie(1000, 1000, fine * 450))
    tiny = frame(0, 0, SIDE, SIDE, part(b"VP8L", still[8:20]))
    yield Case("webp-movie-5001.webp", LIMIT, movie(SIDE, SIDE, tiny * 5001))


# ---------------------------------------------------------------- TIFF, BMP and AVIF


def _tiff(good: dict[str, bytes]) -> Iterator[Case]:
    pixels = bytes(range(48)) * 2

    def tiff(changes: dict[int, tuple[int, int, int]] | None = None, more: int = 0) -> bytes:
        """Return 4 x 4 RGB pixels at 8, then the directory, whose entries may be others."""
        entries = {
            256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 2),
            273: (4, 1, 8), 277: (3, 1, 3), 278: (3, 1, 4), 279: (4, 1, 48), **(changes or {}),
        }  # fmt: skip
        rows = b"".join(struct.pack("<HHII", tag, *entries[tag]) for tag in sorted(entries))
        directory = struct.pack("<H", len(entries)) + rows + struct.pack("<I", more)
        return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory

    yield Case("tiff-fine.tif", OK, tiff())
    here = 8 + len(pixels)
    yield Case("tiff-next-is-itself.tif", UNSURE, tiff(more=here))
    yield Case("tiff-next-is-far.tif", UNSURE, tiff(more=2**32 - 4))
    yield Case("tiff-next-is-pixels.tif", UNSURE, tiff(more=8))
    lies = {
        "width-0": {256: (3, 1, 0)}, "height-0": {257: (3, 1, 0)},
        "width-4-billion": {256: (4, 1, 2**32 - 1)}, "bits-0": {258: (3, 1, 0)},
        "bits-64": {258: (3, 1, 64)}, "bits-of-4-billion": {258: (3, 2**32 - 1, 8)},
        "bits-far": {258: (3, 3, 2**31)}, "samples-0": {277: (3, 1, 0)},
        "samples-65535": {277: (3, 1, 65_535)}, "photometric-99": {262: (3, 1, 99)},
        "compression-99": {259: (3, 1, 99)}, "compression-jpeg": {259: (3, 1, 7)},
        "compression-old-jpeg": {259: (3, 1, 6)}, "compression-lzw": {259: (3, 1, 5)},
        "compression-fax": {259: (3, 1, 4), 258: (3, 1, 1), 277: (3, 1, 1), 262: (3, 1, 0)},
        "compression-deflate": {259: (3, 1, 8)}, "compression-zstd": {259: (3, 1, 50000)},
        "compression-webp": {259: (3, 1, 50001)}, "compression-packbits": {259: (3, 1, 32773)},
        "strip-far": {273: (4, 1, 2**31)}, "strip-beyond": {273: (4, 1, 90)},
        "strips-4-billion": {273: (4, 2**32 - 1, 8)}, "strip-bytes-0": {279: (4, 1, 0)},
        "strip-bytes-4-billion": {279: (4, 1, 2**32 - 1)}, "rows-0": {278: (3, 1, 0)},
        "rows-1": {278: (3, 1, 1)}, "planes": {284: (3, 1, 2)}, "planes-9": {284: (3, 1, 9)},
        "predictor-9": {317: (3, 1, 9)}, "orientation-99": {274: (3, 1, 99)},
        "extra-samples": {338: (3, 9, 2)}, "tiled": {322: (3, 1, 16), 323: (3, 1, 16)},
        "tiles-of-4-billion": {322: (4, 1, 2**32 - 1), 323: (4, 1, 2**32 - 1),
                               324: (4, 1, 8), 325: (4, 1, 48)},
        "tiles-of-0": {322: (3, 1, 0), 323: (3, 1, 0), 324: (4, 1, 8), 325: (4, 1, 48)},
        "float": {258: (3, 1, 32), 339: (3, 1, 3), 277: (3, 1, 1), 262: (3, 1, 1)},
        "tag-of-4-billion": {270: (2, 2**32 - 1, 8)}, "tag-kind-99": {270: (99, 1, 8)},
        "profile-of-4-billion": {34675: (7, 2**32 - 1, 8)}, "exif-is-itself": {34665: (4, 1, here)},
        "sub-is-itself": {330: (4, 1, here)}, "palette-short": {262: (3, 1, 3), 277: (3, 1, 1),
                                                                320: (3, 3, 8)},
        "ycbcr": {262: (3, 1, 6)}, "lab": {262: (3, 1, 8)}, "cmyk": {262: (3, 1, 5)},
        "fill-order": {266: (3, 1, 2)}, "signed": {339: (3, 1, 2)},
    }  # fmt: skip
    for name, changes in lies.items():
        yield Case(f"tiff-{name}.tif", UNSURE, tiff(changes))
    large = {256: (4, 1, 20_000), 257: (4, 1, 20_000)}
    yield Case("tiff-400-megapixels.tif", LIMIT, tiff(large))
    yield Case("tiff-2-gigapixels-wide.tif", LIMIT, tiff({256: (4, 1, 2**31 - 1)}))
    short = {256: (4, 1, 9000), 257: (4, 1, 9000), 278: (4, 1, 9000)}
    yield Case("tiff-large-and-short.tif", REFUSED, tiff(short))
    pages, page = b"II*\0\x08\0\0\0", 8
    body = b"".join(
        struct.pack("<H", 2)
        + struct.pack("<HHII", 256, 3, 1, 1)
        + struct.pack("<HHII", 257, 3, 1, 1)
        + struct.pack("<I", page + (i + 1) * (2 + 12 * 2 + 4))
        for i in range(50_000)
    )
    yield Case("tiff-50000-pages.tif", LIMIT, pages + body + bytes(6))
    entries = struct.pack("<HHII", 256, 3, 1, 4) * 65_535
    yield Case("tiff-65535-entries.tif", UNSURE, pages + b"\xff\xff" + entries + bytes(4))
    yield Case("tiff-empty-directory.tif", REFUSED, pages + bytes(6))
    yield Case("tiff-far-directory.tif", REFUSED, b"II*\0\xff\xff\xff\xff" + bytes(99))
    yield Case("tiff-big-far.tif", REFUSED, b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(50))
    many = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", 2**60) + bytes(99)
    yield Case("tiff-big-many.tif", REFUSED, many)


def _bmp(good: dict[str, bytes]) -> Iterator[Case]:
    def bmp(
        width: int = 4,
        height: int = 4,
        bits: int = 24,
        packing: int = 0,
        colors: int = 0,
        start: int = 54,
        header: int = 40,
        body: bytes = bytes(48),
    ) -> bytes:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, packing, 0, 0, 0,
                           colors, 0)  # fmt: skip
        return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, start) + info + body

    yield Case("bmp-fine.bmp", OK, bmp())
    yield Case("bmp-upside-down.bmp", OK, bmp(height=-4))
    for width, height, expected in (
        (0, 4, REFUSED), (4, 0, REFUSED), (-4, 4, LIMIT), (20_000, 20_000, LIMIT),
        (2**31 - 1, 2**31 - 1, LIMIT), (4, -(2**31), UNSURE), (2**31 - 1, 1, LIMIT),
        (9000, 9000, REFUSED), (5, 5, REFUSED),
    ):  # fmt: skip
        yield Case(f"bmp-{width}x{height}.bmp", expected, bmp(width, height))
    for bits in (0, 1, 2, 3, 4, 8, 16, 32, 33, 65_535):
        yield Case(f"bmp-{bits}-bits.bmp", UNSURE, bmp(bits=bits))
    for packing in (1, 2, 3, 4, 5, 6, 11, 2**32 - 1):
        yield Case(f"bmp-packing-{packing}.bmp", UNSURE, bmp(bits=8, packing=packing))
    for colors in (1, 257, 2**31, 2**32 - 1):
        yield Case(f"bmp-{colors}-colors.bmp", UNSURE, bmp(bits=8, colors=colors))
    for start in (0, 20, 60, 2**32 - 1):
        yield Case(f"bmp-start-{start}.bmp", UNSURE, bmp(start=start))
    for header in (0, 12, 39, 64, 108, 124, 2**32 - 1):
        yield Case(f"bmp-header-{header}.bmp", UNSURE, bmp(header=header))
    for name, codes in {
        "runs-beyond": b"\xff\1" * 20, "jumps": b"\0\2\xff\xff" * 20, "no-end": b"\4\1",
        "odd-run": b"\0\3\1\2\3", "huge-run": b"\0\xff", "empty": b"", "ends": b"\0\1" * 9,
    }.items():  # fmt: skip
        table = bytes(1024)
        data = bmp(bits=8, packing=1, start=54 + 1024, body=table + codes)
        yield Case(f"bmp-rle-{name}.bmp", UNSURE, data)
    runs = bytes(1024) + b"\1\5" * (9 * 2**20)
    yield Case("bmp-rle-flood.bmp", LIMIT, bmp(4000, 4000, 8, 1, start=54 + 1024, body=runs))
    large = bmp(9999, 10_000, 8, 1, start=54 + 1024, body=bytes(1024) + b"\0\1")
    yield Case("bmp-rle-large-and-short.bmp", UNSURE, large)


def _avif(good: dict[str, bytes]) -> Iterator[Case]:
    if "rgb.avif" not in good:
        return
    data = good["rgb.avif"]
    at = data.index(b"ispe")
    for width, height, expected in (
        (20_000, 20_000, UNSURE), (2**32 - 1, 2**32 - 1, REFUSED), (0, 0, REFUSED),
        (25, 24, UNSURE),
    ):  # fmt: skip
        lying = data[: at + 8] + struct.pack(">II", width, height) + data[at + 16 :]
        yield Case(f"avif-{width}x{height}.avif", expected, lying)
    for name in (b"meta", b"mdat", b"iloc", b"iinf", b"pitm", b"av1C", b"ipco", b"ipma"):
        at = data.index(name) - 4
        for size in (0, 1, 8, 2**31, 2**32 - 1):
            lying = data[:at] + struct.pack(">I", size) + data[at + 4 :]
            yield Case(f"avif-{name.decode()}-{size}.avif", UNSURE, lying)


# ---------------------------------------------------------------- no pictures at all


def _strangers(good: dict[str, bytes]) -> Iterator[Case]:
    """Other kinds of file, most of which Pillow has readers for, all of them called .png."""
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    strangers = {
        "empty": b"",
        "one-byte": b"\x89",
        "text": b"hello, world\n" * 99,
        "signature": SIGNATURE,
        "eps": postscript,
        "eps-binary": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 30, 99) + bytes(18) + postscript,
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF",
        "psd": b"8BPS\x00\x01" + bytes(20),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        "fits": b"SIMPLE  =                    T" + b" " * 2850,
        "zip": b"PK\x03\x04" + bytes(99),
        "gzip": b"\x1f\x8b\x08" + bytes(99),
        "ppm": b"P6 4 4 255\n" + bytes(48),
        "ppm-huge": b"P6 99999 99999 255\n",
        "ico": b"\x00\x00\x01\x00\x01\x00" + bytes(99),
        "icns": b"icns" + bytes(99),
        "heic": b"\x00\x00\x00\x18ftypheic" + bytes(99),
        "jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(99),
        "jxl": b"\xff\n" + bytes(99),
        "tga": b"\x00\x00\x02" + bytes(9) + b"\x04\x00\x04\x00\x18\x00" + bytes(48),
        "pcx": b"\n\x05\x01\x08" + bytes(200),
        "dds": b"DDS " + bytes(200),
        "sgi": b"\x01\xda\x00\x01" + bytes(600),
        "xbm": b"#define a_width 4\n#define a_height 4\n",
        "xpm": b'/* XPM */ static char *a[] = {"4 4 1 1"};',
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(99),
        "emf": b"\x01\x00\x00\x00" + bytes(36) + b" EMF" + bytes(99),
        "mpeg": b"\x00\x00\x01\xb3" + bytes(99),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(99),
        "grib": b"GRIB" + bytes(99),
        "bufr": b"BUFR" + bytes(99),
        "qoi": b"qoif" + struct.pack(">IIBB", 4, 4, 3, 0),
        "elf": b"\x7fELF" + bytes(99),
        "script": b"#!/bin/sh\ntouch harmed\n",
        "pickle": b"\x80\x04cposix\nsystem\n(S'touch harmed'\ntR.",
        "numpy": b"\x93NUMPY\x01\x00v\x00" + bytes(99),
        "html": b"<html><script>1</script></html>",
        "mng": b"\x8aMNG\r\n\x1a\n" + bytes(99),
        "jng": b"\x8bJNG\r\n\x1a\n" + bytes(99),
        "cgbi": SIGNATURE + chunk(b"CgBI", bytes(4)) + good["chunks.png"][8:],
        "spider": bytes(1024),
        "mic": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "fli": bytes(4) + b"\x11\xaf" + bytes(122),
    }
    for name, data in strangers.items():
        yield Case(f"stranger-{name}.png", REFUSED, data)


def _polyglots(good: dict[str, bytes]) -> Iterator[Case]:
    picture, script = good["chunks.png"], b"<script>alert(1)</script>"
    archive = b"PK\5\6" + bytes(18)
    yield Case("polyglot-png-zip.png", OK, picture + archive)
    yield Case("polyglot-jpg-zip.jpg", OK, good["rgb.jpg"] + archive)
    yield Case("polyglot-gif-script.gif", OK, good["still.gif"] + script)
    yield Case("polyglot-jpg-png.jpg", OK, good["rgb.jpg"] + picture)
    yield Case("polyglot-pdf-png.png", REFUSED, b"%PDF-1.7\n" + picture)
    yield Case("polyglot-zip-png.png", REFUSED, archive + picture)
    inside = png(4, 4, 8, 2, bytes(52), chunk(b"tEXt", b"Comment\0" + script))
    yield Case("polyglot-png-script.png", OK, inside)
    for name in ("rgb.jpg", "still.gif", "lossy.webp", "rgb.bmp", "raw.tif"):
        yield Case(f"misnamed-{name}.png", OK, good[name])
        yield Case(f"prefixed-{name}", REFUSED, b"\n" + good[name])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the hostile corpus into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    written = write(asked.folder, asked.seed)
    for kind in sorted(set(written.values())):
        print(f"{sum(value == kind for value in written.values()):5}  {kind}")
    sys.exit(0)
