"""Color profiles: from the numbers in a file to sRGB.

    (H, W, channels) uint8, mode, ICC profile -> [to_srgb] -> (H, W, 3|4) uint8 sRGB

Little CMS (Pillow's ImageCms) does the conversion. What a PNG says without a
profile, by its gAMA, cHRM and cICP chunks, becomes a small profile first, so
there is one way for all.

Sources: ICC.1:2022 (profile format), ITU-T H.273 (cICP numbers), PNG third
edition, 11.3.2 (chunks and which of them wins).
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageCms

__all__ = ["png_profile", "profile_name", "profile_space", "to_srgb", "without_profile"]

SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
BAND_PIXELS = 2**20  # converted at a time, so that memory stays small

SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue
PRIMARIES = {  # H.273, table 2
    1: SRGB_XY,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
TRANSFERS = {4: 2.2, 5: 2.8, 8: 1.0, 13: None}  # H.273, table 3: exponent; None is sRGB's curve


def profile_space(icc: bytes) -> str:
    """Return the mode that a profile is for: "L", "RGB", "CMYK", or "" for any other."""
    return SPACES.get(icc[16:20], "") if len(icc) > 128 else ""


def profile_name(icc: bytes) -> str:
    """Return the profile's own description in quotes, or "unnamed"."""
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(BytesIO(icc)).strip()
    except (ImageCms.PyCMSError, UnicodeError):
        name = ""
    printable = "".join(c for c in name if c.isprintable())[:60]
    return f'"{printable}"' if printable else "unnamed"


def to_srgb(values: np.ndarray, mode: str, icc: bytes) -> np.ndarray | None:
    """Convert pixels from the space of a profile to sRGB.

    Parameters
    ----------
    values : (H, W, C) uint8
    mode : "L", "LA", "RGB", "RGBA" or "CMYK"; alpha is carried over as it is
    icc : a profile for that mode; one for RGB serves gray pixels too

    Returns
    -------
    (H, W, 3 or 4) uint8, or None when the profile is sRGB in effect: then
    the numbers are right already, and a rounding conversion could only harm.

    Raises
    ------
    PyCMSError, ValueError : the profile is broken, or for another kind of pixel.
    """
    from PIL import ImageCms

    color, alpha = (values[:, :, :-1], values[:, :, -1:]) if mode[-1] == "A" else (values, None)
    mode = mode.removesuffix("A")
    space = profile_space(icc)
    if mode == "L" and space == "RGB":
        color, mode = np.repeat(color, 3, axis=2), "RGB"
    if space != mode:
        raise ValueError(f"it is for {space or 'other'} pixels, not {mode}")
    # Little CMS puts gray into a table of few steps, far from the curve near black, unless told not
    # to; there are but 256 grays to convert, so that costs nothing.
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        flags=ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE,
    )
    if mode != "CMYK" and _changes_nothing(transform, mode):
        return None
    if mode == "L":
        grays = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
        converted = np.take(_applied(transform, grays, "L")[0], color[:, :, 0], axis=0)
    else:
        converted = _applied(transform, color, mode)
    return converted if alpha is None else np.dstack([converted, alpha])


def _changes_nothing(transform: "ImageCms.ImageCmsTransform", mode: str) -> bool:
    """Tell whether a grid over the space stays where it is, to within one 8-bit step."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    axes = np.meshgrid(*[steps] * len(mode), indexing="ij")
    grid = np.stack(axes, axis=-1).reshape(1, -1, len(mode))
    moved = np.abs(_applied(transform, grid, mode).astype(int) - grid)
    return int(moved.max()) <= 1


def _applied(transform: "ImageCms.ImageCmsTransform", values: np.ndarray, mode: str) -> np.ndarray:
    from PIL import Image, ImageCms

    height, width = values.shape[:2]
    result = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = np.ascontiguousarray(values[top : top + rows])
        image = Image.frombytes(mode, (width, len(band)), band.tobytes())
        converted = ImageCms.applyTransform(image, transform)
        result[top : top + rows] = np.asarray(converted)
    return result


def without_profile(values: np.ndarray, mode: str) -> np.ndarray:
    """Return (H, W, 3 or 4) uint8 sRGB of pixels that no profile explains.

    Gray and RGB numbers are taken as sRGB's; CIELAB is absolute (D50); CMYK gets the
    textbook formula, (1 - ink) (1 - black), which is brighter than print.
    """
    if mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return _applied(ImageCms.buildTransform(lab, srgb, "LAB", "RGB"), values, "LAB")
    if mode == "CMYK":
        light = 255 - values[:, :, :3].astype(np.uint16)
        light *= 255 - values[:, :, 3:].astype(np.uint16)
        return ((light + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
    if mode in ("L", "LA"):
        gray = np.repeat(values[:, :, :1], 3, axis=2)
        return np.dstack([gray, values[:, :, 1]]) if mode == "LA" else gray
    return values


def png_profile(extras: dict[bytes, bytes]) -> tuple[bytes | None, str]:
    """Make a profile of what the chunks gAMA, cHRM and cICP of a PNG say.

    Returns
    -------
    icc : bytes, or None when the pixels are sRGB as far as anyone can tell
    note : a few words on what was there; "" for nothing, or for sRGB
    """
    cicp = extras.get(b"cICP", b"")
    if len(cicp) == 4:
        primaries, transfer, matrix, full_range = cicp
        words = f"cICP chunk (primaries {primaries}, transfer {transfer})"
        if primaries not in PRIMARIES or transfer not in TRANSFERS or matrix or not full_range:
            return None, f"{words} is not understood, colors are taken as sRGB"
        if (primaries, transfer) == (1, 13):
            return None, ""
        return _matrix_profile(PRIMARIES[primaries], TRANSFERS[transfer], words), words
    if b"sRGB" in extras:
        return None, ""
    gamma = _gamma(extras.get(b"gAMA", b""))
    xy = _chromaticities(extras.get(b"cHRM", b""))
    if gamma is None and np.allclose(xy, SRGB_XY, atol=0.005):
        return None, ""
    words = "gAMA and cHRM chunks" if b"cHRM" in extras else "gAMA chunk"
    try:
        return _matrix_profile(xy, gamma, words), words
    except (np.linalg.LinAlgError, struct.error):
        return None, f"{words} make no sense, colors are taken as sRGB"


def _gamma(chunk: bytes) -> float | None:
    """Return the exponent that decodes, or None for sRGB's own curve."""
    value = int.from_bytes(chunk, "big") / 100_000 if len(chunk) == 4 else 0.0
    # libpng, too, lets 5 % pass: 1/2.2 is how sRGB is written in this chunk.
    if not 0.05 <= value <= 10 or abs(value * 2.2 - 1) <= 0.05:
        return None
    return 1 / value


def _chromaticities(chunk: bytes) -> tuple[float, ...]:
    if len(chunk) != 32:
        return SRGB_XY
    xy = tuple(value / 100_000 for value in struct.unpack(">8I", chunk))
    return xy if all(0 < value < 1 for value in xy) else SRGB_XY


def _matrix_profile(xy: tuple[float, ...], exponent: float | None, name: str) -> bytes:
    """Build the smallest ICC v4 display profile: a matrix and one curve for all channels."""
    xyz = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(xy[::2], xy[1::2], strict=True)]
    white, primaries = xyz[0], np.array(xyz[1:]).T
    scaled = primaries * np.linalg.solve(primaries, white)
    d50 = np.array([0.9642, 1.0, 0.8249])
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gains = np.diag((bradford @ d50) / (bradford @ white))
    adapt = np.linalg.solve(bradford, gains @ bradford)
    text = name.encode("utf-16-be")
    mluc = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    # "para" type 3 is sRGB's: (a v + b)^g above d, c v below; type 0 is a plain power.
    shape = (
        (3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        if exponent is None
        else (0, exponent)
    )
    curve = b"para\0\0\0\0" + struct.pack(">HH", shape[0], 0) + _fixed(*shape[1:])
    tags = {b"desc": mluc, b"cprt": mluc, b"wtpt": b"XYZ \0\0\0\0" + _fixed(*d50)}
    tags[b"chad"] = b"sf32\0\0\0\0" + _fixed(*adapt.ravel())
    for letter, column in zip((b"r", b"g", b"b"), (adapt @ scaled).T, strict=True):
        tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(*column)
        tags[letter + b"TRC"] = curve
    return b"".join(_assembled(tags))


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _assembled(tags: dict[bytes, bytes]) -> Iterator[bytes]:
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    yield struct.pack(">I4xI4s4s4s", start + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    yield bytes(12) + b"acsp" + bytes(28) + _fixed(0.9642, 1.0, 0.8249) + bytes(48)
    yield struct.pack(">I", len(tags)) + table + body
