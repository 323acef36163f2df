"""Files full of what nobody should get to know, and a search for it in whatever is made of them.

Every place that a format has for words, and some that only careless programs find, holds a needle
of its own: EXIF with a position, a maker's note, thumbnails, XMP, IPTC, comments, unknown chunks,
and what stands behind the end.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from smalti import gif, png, webp

POSITION = "48.2082N"  # the needle of all GPS fields
NAME = "NEEDLE"


def needle(place):
    """Return the word that is hidden at a place."""
    return f"{NAME}-{place}"


def picture(seed=1, height=40, width=48):
    """Return some thousand colors, so that compressing has something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.dstack([x * 5, y * 6, x + y]) + rng.integers(0, 40, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def exif(orientation=1):
    """Return EXIF with a position, a maker's note, a comment of two bytes a letter, a thumbnail."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = needle("description")
    tags[0x013B] = needle("artist")
    details = tags.get_ifd(0x8769)
    details[0x927C] = b"MAKER\0" + needle("maker").encode()
    details[0x9286] = b"UNICODE\0" + needle("comment").encode("utf-16-le")
    details[0xA001] = 65535
    details[0xA002], details[0xA003] = 48, 40
    position = tags.get_ifd(0x8825)
    position[1], position[2] = "N", (48.0, 12.0, 29.5)
    position[28] = b"ASCII\0\0\0" + POSITION.encode()
    return with_thumbnail(tags.tobytes())


def with_thumbnail(data):
    """Return EXIF with a second directory that leads to a small JPEG with a needle in it."""
    tiff = bytearray(data.removeprefix(b"Exif\0\0"))
    order = "<" if tiff[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, first)
    small = file_of(picture(height=8, width=8), "JPEG", comment=needle("thumbnail").encode())
    start = len(tiff) + len(tiff) % 2
    struct.pack_into(order + "I", tiff, first + 2 + 12 * count, start)
    tiff += bytes(start - len(tiff)) + struct.pack(order + "H", 2)
    tiff += struct.pack(order + "HHII", 0x0201, 4, 1, start + 2 + 24 + 4)
    tiff += struct.pack(order + "HHII", 0x0202, 4, 1, len(small)) + bytes(4) + small
    return b"Exif\0\0" + bytes(tiff)


def xmp(orientation=1):
    """Return an XMP packet with a position, and the room that programs leave for more."""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:Description tiff:Orientation="{orientation}" exif:GPSLatitude="{POSITION}">'
        f"{needle('xmp')}</rdf:Description></x:xmpmeta>{' ' * 2000}<?xpacket end='w'?>"
    ).encode()


def iptc():
    """Return IPTC records: a city."""
    city = needle("iptc").encode()
    return b"\x1c\x02\x5a" + struct.pack(">H", len(city)) + city


def photoshop():
    """Return image resources of Photoshop, the IPTC records among them."""
    records = iptc()
    other = b"8BIM" + struct.pack(">HHI", 0x040C, 0, 4) + b"thmb"
    return other + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records


def file_of(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(orientation=1, image=None):
    plain = file_of(picture() if image is None else image, "JPEG", quality=97)
    extra = [
        segment(0xE1, exif(orientation)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(orientation)),
        segment(0xE2, b"MPF\0" + needle("mpf").encode()),
        segment(0xEB, b"JP" + needle("jumbf").encode()),
        segment(0xED, b"Photoshop 3.0\0" + photoshop()),
        segment(0xFE, needle("jpeg comment").encode()),
    ]
    return plain[:2] + b"".join(extra) + plain[2:] + needle("behind the end").encode()


def png_chunks(orientation=1):
    """Return all chunks for words that PNG has."""
    hidden = zlib.compress(needle("ztxt").encode())
    wide = zlib.compress(needle("itxt").encode())
    date = struct.pack(">HBBBBB", 2026, 1, 2, 3, 4, 5)
    return [
        png.chunk(b"eXIf", exif(orientation).removeprefix(b"Exif\0\0")),
        png.chunk(b"tEXt", b"Author\0" + needle("text").encode()),
        png.chunk(b"zTXt", b"Comment\0\0" + hidden),
        png.chunk(b"iTXt", b"Title\0\1\0de\0Titel\0" + wide),
        png.chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp(orientation)),
        png.chunk(b"tIME", date),
        png.chunk(b"prVt", needle("private chunk").encode()),
        png.chunk(b"caNv", needle("unknown chunk").encode()),
    ]


def png_file(orientation=1, image=None, base=None):
    plain = base or file_of(picture() if image is None else image, "PNG")
    words = b"".join(png_chunks(orientation))
    return plain[:33] + words + plain[33:] + needle("behind the end").encode()


def webp_file(base=None):
    plain = base or file_of(picture(), "WEBP", lossless=True)
    parts = [(b"EXIF", exif().removeprefix(b"Exif\0\0")), (b"XMP ", xmp())]
    full = webp.with_chunks(plain, [*parts, (b"PRIV", needle("private chunk").encode())])
    return full + needle("behind the end").encode()


def gif_file(base=None):
    plain = base or file_of(picture() // 32 * 32, "GIF")
    at = gif.after_loop(plain)
    long = needle("gif comment").encode() + b"x" * 300 + needle("far in it").encode()
    packet = b"XMP DataXMP" + xmp() + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    words = [
        gif.extension(gif.COMMENT, long),
        bytes([gif.EXTENSION, gif.APPLICATION, 11]) + packet,
        b"\x21\xff\x0bPRIVATE 1.0" + gif.extension(0, needle("application").encode())[2:],
        b"\x21\x01\x0c" + bytes(12) + gif.extension(0, needle("plain text").encode())[2:],
    ]
    return plain[:at] + b"".join(words) + plain[at:] + needle("behind the end").encode()


def bmp_file():
    plain = bytearray(file_of(picture(), "BMP"))
    gap = needle("between header and pixels").encode() + b"\0" * 3
    gap += bytes(-len(gap) % 4)
    struct.pack_into("<I", plain, 10, struct.unpack_from("<I", plain, 10)[0] + len(gap))
    return bytes(plain[:54]) + gap + bytes(plain[54:]) + needle("behind the end").encode()


def tiff_file():
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[315] = needle("description"), needle("artist")
    tags[33723], tags.tagtype[33723] = iptc(), 7
    tags[700], tags.tagtype[700] = xmp(), 1
    tags[65000], tags.tagtype[65000] = needle("private tag").encode(), 7
    tags[34853] = {1: "N", 28: b"ASCII\0\0\0" + POSITION.encode()}
    return file_of(picture(), "TIFF", tiffinfo=tags) + needle("behind the end").encode()


def avif_file():
    return file_of(picture(), "AVIF", quality=100, exif=exif(), xmp=xmp())


def animated(kind):
    """Return an animation of three frames as a file."""
    frames = [Image.fromarray(picture(seed) // 32 * 32) for seed in range(3)]
    buffer = io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], duration=100, loop=0, **lossless
    )
    return buffer.getvalue()


STILLS = {
    "PNG": png_file, "JPEG": jpeg, "WEBP": webp_file, "GIF": gif_file, "BMP": bmp_file,
    "TIFF": tiff_file, "AVIF": avif_file,
}  # fmt: skip

MOVIES = {
    "APNG": lambda: png_file(base=animated("PNG")),
    "GIF": lambda: gif_file(animated("GIF")),
    "WEBP": lambda: webp_file(animated("WEBP")),
}


def revealed(data):
    """Return the needles that a file holds: in any encoding, in chunks that are compressed too."""
    found = set()
    for text in (data, *_unpacked(data)):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            for word in (NAME, POSITION, "MAKER"):
                if word.encode(encoding) in text or word.encode(encoding).hex().encode() in text:
                    found.add(word)
    return found


def _unpacked(data):
    """Yield what is compressed or cut into blocks in a PNG or GIF."""
    if data.startswith(png.SIGNATURE):
        for name, content, _ in png.chunks(data):
            for at in range(len(content) if name not in (b"IDAT", b"fdAT") else 0):
                if content[at : at + 1] == b"\x78":
                    unpacker = zlib.decompressobj()
                    try:
                        yield unpacker.decompress(content[at:])
                    except zlib.error:
                        continue
    elif data.startswith(b"GIF8"):
        for _, chain in gif.extensions(data):
            yield b"".join(gif.sub_blocks(chain))
