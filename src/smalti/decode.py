"""Decoding: any picture file in, upright 8-bit sRGB pixels out.

    path | bytes | file | Pillow image -> [decode] -> Decoded.image (H, W, 3|4) uint8

Whatever is changed on the way (orientation, color profile, depth) is said in
`Decoded.notes`; what cannot be honored is refused in one sentence. Sizes are
checked against the limits before a pixel is decoded.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import gif, headers, labels, marks, options, pixels, png, profiles
from . import metadata as side
from .animation import MAX_FRAMES
from .errors import BadImage, LimitExceeded, SmaltiError
from .floods import check_parts
from .headers import FORMATS
from .sources import Source, read_source, shown, way_above

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FORMATS", "Decoded", "Limits", "decode"]

X_RESOLUTION = 0x011A  # of EXIF
NO_PIXELS = np.empty((0, 0, 0), np.uint8)

ANIMATED = ("PNG", "GIF", "WEBP")
"""Formats whose animations `compress` takes."""

Input: TypeAlias = "Source | IO[bytes] | Image.Image"


@dataclass(frozen=True)
class Limits:
    """The largest input that is decoded, so that a small file cannot claim all memory."""

    megapixels: float = 100  # of 1,000,000 pixels
    input_mib: float = 256

    @property
    def all_megapixels(self) -> float:
        """Over all frames of an animation."""
        return 4 * self.megapixels


@dataclass(frozen=True)
class Decoded:
    """A picture and what its file said about it."""

    image: np.ndarray  # (H, W, 3) uint8 sRGB, or (H, W, 4) when some pixel is not opaque
    format: str  # one of FORMATS, or what the Pillow image says it came from
    size_bytes: int | None  # of the file or bytes; None for a Pillow image
    icc: bytes | None  # the profile that belongs to the pixels, only with icc="keep"
    dpi: tuple[float, float] | None  # horizontal, vertical
    notes: tuple[str, ...]  # what was changed or ignored on the way in
    metadata_bytes: int  # of the file, neither pixels nor needed for them; best effort
    mark: bytes = b""  # as `marks` finds it, true or not
    metadata: side.Metadata = side.NONE  # only if asked for, and true of the image
    recipe: bytes = b""  # as it is in the file, true or not

    @property
    def width(self) -> int:
        """Pixels of a row."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.image.shape[0])


@dataclass
class Found:
    """What was read, before color, depth and orientation are brought in order."""

    kind: str  # the format
    values: np.ndarray  # (H, W, C) uint8 or uint16
    mode: str  # L, LA, RGB, RGBA, CMYK, LAB
    icc: bytes | None
    exif: bytes
    xmp: bytes
    dpi: Any
    notes: list[str]
    metadata_bytes: int = 0
    turn: int = 1  # the orientation that was applied
    converted: bool = False  # colors were

    def adapted(self, metadata: side.Metadata) -> side.Metadata:
        """Return what of the metadata of the file is true of the picture."""
        return metadata.adapted(turn=self.turn, converted=self.converted)


def decode(
    source: Input,
    *,
    limits: Limits | None = None,
    icc: str = "srgb",
    metadata: bool = False,
) -> Decoded:
    """Decode a picture to upright 8-bit sRGB pixels.

    Parameters
    ----------
    source : path, bytes of a file, file opened in binary mode, or Pillow image
    limits : Limits, default Limits()
        Checked before decoding.
    icc : "srgb", "keep" or "strip"
        Convert colors to sRGB; leave their numbers and hand the profile on (a profile for
        gray or CMYK is converted even so, for the output holds RGB); or ignore the profile.
    metadata : whether to read what else the file says, such as EXIF, into `Decoded.metadata`

    Returns
    -------
    Decoded
        Its image is C-contiguous and perhaps read-only. Fully transparent pixels are
        (0, 0, 0, 0), an alpha channel that is opaque everywhere is dropped, and 16-bit
        samples are rounded to the nearest of 255 steps.

    Raises
    ------
    BadImage : missing, unreadable, truncated, not an image of `FORMATS`, more than one frame.
    LimitExceeded : more pixels or bytes than `limits` allow.

    >>> tiny = bytes.fromhex("424d3a0000000000000036000000280000000100000001000000010018000000"
    ...                      "000004000000000000000000000000000000000000000080ff00")
    >>> decode(tiny).image.tolist()
    [[[255, 128, 0]]]
    """
    limits = limits or Limits()
    options.check("icc", icc)
    if hasattr(source, "getbands"):  # a Pillow image, told without importing Pillow
        data, name = b"", "the Pillow image"
    else:
        data, name = read_source(source, int(limits.input_mib * 2**20))
    try:
        found = _from_bytes(data, limits) if data else _from_pillow(source, limits)
        image, profile = finished(found, icc)
    except SmaltiError as error:
        raise type(error)(f"{name}: {error}") from error.__cause__
    except MemoryError as error:
        raise LimitExceeded(f"{name}: not enough memory to decode it") from error
    size = len(data) if data else None
    notes = tuple(found.notes)
    return Decoded(
        image,
        found.kind,
        size,
        profile,
        density(found),
        notes,
        found.metadata_bytes,
        marks.find(data),
        found.adapted(side.read(data) if data else side.of_pillow(source))
        if metadata
        else side.NONE,
        labels.RECIPE.find(data),
    )


def _from_bytes(data: bytes, limits: Limits) -> Found:
    kind = headers.sniff(data)
    return _from_png(data, limits) if kind == "PNG" else _from_file(data, kind, limits)


def _from_png(data: bytes, limits: Limits) -> Found:
    file = png.read_png(data)
    check_size(file.width, file.height, limits)
    _check_single(file.frames)
    values, mode = png.samples(file)
    if mode == "P":
        palette = np.frombuffer(file.palette, np.uint8).reshape(-1, 3)
        values, mode = pixels.with_palette(values[:, :, 0], palette, file.transparency)
    return found_in_png(file, values, mode)


def found_in_png(file: png.PngFile, values: np.ndarray, mode: str) -> Found:
    """Return pixels with what the chunks of their PNG say about them."""
    exif = file.extras.get(b"eXIf", b"") or headers.raw_profile(file.texts)
    xmp = b"".join(text for text in file.texts if text.startswith(b"XML:com.adobe.xmp\0"))
    icc = png.icc_profile(file)
    notes = list(file.notes)
    if icc is None or b"cICP" in file.extras:  # which goes before all the others
        icc, words = profiles.png_profile(file.extras)
        notes += [words] if words and not icc else []
    elif not icc:
        notes.append("broken color profile ignored, colors are taken as sRGB")
    dpi = None
    physical = file.extras.get(b"pHYs", b"")
    if len(physical) == 9 and physical[8] == 1:  # per meter
        dpi = tuple(int.from_bytes(physical[i : i + 4], "big") * 0.0254 for i in (0, 4))
    return Found("PNG", values, mode, icc, exif, xmp, dpi, notes, file.metadata_bytes)


def _from_file(data: bytes, kind: str, limits: Limits) -> Found:
    """Read the formats that Pillow has readers for."""
    if kind == "TIFF":
        headers.check_tiff(data)
    check_parts(data, kind)
    if kind == "GIF":
        _check_single(gif.count(data))  # Pillow takes minutes to count a million
    with damage_as_bad_image(kind):
        image = pixels.open_pillow(data, kind)
        found = _from_pillow(image, limits, lambda: pixels.open_pillow(data, kind))
    found.metadata_bytes = headers.metadata_bytes(data, kind)
    return found


@contextlib.contextmanager
def damage_as_bad_image(kind: str) -> Iterator[None]:
    """Turn what Pillow's readers raise, which is whatever their parsing trips over."""
    try:
        yield
    except (SmaltiError, MemoryError):
        raise
    except Exception as error:
        words = shown(str(error)) or type(error).__name__
        if type(error).__name__ == "DecompressionBombError":  # in a frame, or before ours
            raise LimitExceeded(f"it is larger than Pillow reads a {kind}: {words}") from error
        if "truncated" in words.lower() or "not enough" in words.lower():
            raise BadImage(f"it is truncated: the {kind} ends before its picture does") from error
        raise BadImage(f"it is damaged, or a {kind} of an unusual kind ({words})") from error


def _from_pillow(image: Any, limits: Limits, again: Any = None) -> Found:
    """Take size, pixels and side notes from a Pillow image, decoded or only opened."""
    kind = getattr(image, "format", None) or "Pillow"
    width, height = image.size
    check_size(width, height, limits)
    with pixels.quiet():
        frames = getattr(image, "n_frames", 1)
    if kind in ANIMATED:
        _check_single(frames, again is not None)
    elif frames > 1:
        what, way_out = "frames", "extract the one you want first"
        if kind == "TIFF":
            what = "pages"
        if not again:
            way_out = "pass the copy() of one of them"
        raise BadImage(f"it has {frames} {what}, and smalti reads single pictures; {way_out}")
    info, tags, notes = image.info, getattr(image, "tag_v2", {}), []
    if "mp" in info and _pictures(image) > 1:
        notes.append("only the first picture is used (it has more: a stereo pair or a gain map)")
    # Pillow turns a TIFF itself, while loading it.
    if turn := tags.get(0x0112, 1) if getattr(image, "tile", None) else 1:
        notes += [f"orientation {turn} applied"] if turn in range(2, 9) else []
    exif = b"" if tags else info.get("exif") or b""
    with damage_as_bad_image(kind), pixels.quiet() if tags else contextlib.nullcontext():
        values, mode = pixels.samples(image, again)
    dpi = _dpi(image, kind)
    xmp = b"" if tags else info.get("xmp") or b""
    icc = info.get("icc_profile")
    return Found(kind, values, mode, icc, exif, xmp, dpi, notes, turn=turn)


def _pictures(image: Any) -> int:
    """Count the pictures of a multi-picture JPEG (MPF tag 0xB001)."""
    try:
        return int(image._getmp()[0xB001])
    except Exception:  # a broken index: the first picture stands
        return 1


def check_size(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadImage(f"it has no pixels ({width} × {height})")
    if width * height > limits.megapixels * 1e6:
        raise LimitExceeded(
            f"it has {width} × {height} pixels = {width * height / 1e6:,.1f} megapixels, above "
            f"the limit of {limits.megapixels:g}; {way_above('megapixels')}"
        )


def _dpi(image: "Image.Image", kind: str) -> Any:
    """Return the density that a file names, which need not make sense; None if it names none."""
    info = image.info
    if "resolution" in info:  # a bare ratio
        return None
    if kind == "JPEG" and not info.get("jfif_unit") and X_RESOLUTION not in image.getexif():
        return None  # where EXIF has none, Pillow makes up 72
    return info.get("dpi")


def _check_single(frames: int, from_file: bool = True) -> None:
    """Refuse an animation, of which the first picture is not the whole."""
    if frames < 2:
        return
    many = f"it has {frames:,} frames" if frames <= MAX_FRAMES else "it has thousands of frames"
    way_out = (
        "smalti.frames gives one after the other"
        if from_file
        else "pass its file, or the copy() of one"
    )
    raise BadImage(f"{many}, and one picture is expected here; compress keeps all, {way_out}")


def finished(found: Found, icc: str) -> tuple[np.ndarray, bytes | None]:
    """Bring depth, color, orientation and alpha in order; note what changed."""
    values, found.values = found.values, NO_PIXELS  # so that each step frees what it was given
    if values.dtype == np.uint16:
        found.notes.append("16 bits per channel rounded to 8")
        values = pixels.to_8_bits(values)
    image, profile = _colored(values, found, icc)
    del values
    image = pixels.without_idle_alpha(image, owned=True)
    turn = headers.orientation(found.exif)
    if turn > 1:
        found.notes.append(f"EXIF orientation {turn} applied")
        image = headers.upright(image, turn)
        found.turn = turn
        if found.dpi and turn >= 5:
            found.dpi = found.dpi[::-1]
    elif (turn := headers.xmp_orientation(found.xmp)) > 1:
        found.notes.append(f"orientation {turn} in XMP, but not in EXIF, left as viewers leave it")
    return np.ascontiguousarray(image), profile


def _colored(values: np.ndarray, found: Found, icc: str) -> tuple[np.ndarray, bytes | None]:
    profile, mode = found.icc, found.mode
    if not profile or icc == "strip" or mode == "LAB":
        if mode in ("CMYK", "LAB"):
            found.notes.append(f"{mode} converted to sRGB without a profile")
        elif profile:
            found.notes.append("color profile ignored, as asked")
        return profiles.without_profile(values, mode), None
    if icc == "keep" and profiles.profile_space(profile) == "RGB" and mode != "CMYK":
        return profiles.without_profile(values, mode), profile
    name = profiles.profile_name(profile)
    try:
        converted = profiles.to_srgb(values, mode, profile)
    except Exception as error:  # Little CMS, or Pillow's wrapping of it, on a broken profile
        found.notes.append(f"color profile {name} ignored: {error}")
        converted = None
    else:
        found.converted = True
        if converted is not None:
            found.notes.append(f"colors converted from {name} to sRGB")
    return profiles.without_profile(values, mode) if converted is None else converted, None


def density(found: Found) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in found.dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and 0 < v < 1e6 for v in (x, y)) else None
