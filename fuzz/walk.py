"""Random files through the whole walk: load, quantize, encode, decode, compare.

    bytes -> options, file -> smalti.compress -> Pillow -> what the report promised

The first bytes choose options, the rest is the file. Anything but a `SmaltiError` is a finding, as
is a result that is not what the report says, loses what it must keep, or differs the second time.
`files.py` fuzzes this; `tests/test_crashers.py` tries what was once found.
"""

import io
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import smalti
from smalti.decode import Limits, decode
from smalti.movies import opened

__all__ = ["HEADER", "run"]

MEGAPIXELS = 0.02
LIMITS = Limits(megapixels=MEGAPIXELS, input_mib=0.25)
HEADER = 8
DITHERS = ("auto", "none", "floyd-steinberg", "atkinson", "sierra-lite", "bayer", "blue-noise")
SIZES = (None, 0.0, 0.25, 1.0)
KS = (1, 2, 3, 4, 8, 16, 17, 64, 255, 256)
WIDE_KS = (257, 1000, "auto", "elbow")


@dataclass(frozen=True)
class Case:
    """One input: options as `smalti.compress` takes them, and the bytes of a file."""

    options: dict[str, Any]
    file: bytes

    @classmethod
    def of(cls, data: bytes) -> "Case":
        """Split bytes; every header is a case, for what is not valid would only be refused."""
        head = data[:HEADER].ljust(HEADER, b"\0")
        flags = head[6]
        options: dict[str, Any] = {
            "k": WIDE_KS[head[0] % 4] if head[0] >= 240 else KS[head[0] % len(KS)],
            "space": ("oklab", "srgb")[head[1] & 1],
            "effort": ("default", "turbo", "fast", "lloyd")[head[1] >> 1 & 3],
            "init": ("splitting", "k-means++")[head[1] >> 3 & 1],
            "dither": DITHERS[head[2] % len(DITHERS)],
            "size": SIZES[head[3] % len(SIZES)],
            "format": (None, "png", "webp", "gif")[head[4] % 4],
            "pack": "fast",
            "icc": ("srgb", "keep", "strip")[head[5] % 3],
            "allow_larger": bool(flags & 1),
            "preserve": bool(flags & 2),
            "guard": bool(flags & 4),
            "frame_palettes": bool(flags & 8),
            "seed": head[7],
            "threads": 1 + (flags >> 4 & 1),
            "limits": LIMITS,
        }
        if flags & 32:
            options["max_bytes"] = 64 << (head[7] % 8)
        return cls(options, data[HEADER:])


def check(holds: Any, what: str) -> None:
    """Raise what the fuzzer takes for a crash."""
    if not holds:
        raise AssertionError(what)


def canvases(data: bytes) -> tuple[list[np.ndarray], str]:
    """Return all frames as (H, W, 4) uint8, as Pillow sees them, and the format."""
    with Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "GIF")) as image:
        seen = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            seen.append(np.array(image.convert("RGBA")))
        return seen, str(image.format)


def visible(image: np.ndarray) -> np.ndarray:
    """Return (H, W, 4) with whatever is below an alpha of 0 black."""
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return np.where(image[..., 3:] == 0, np.uint8(0), image)


def count(image: np.ndarray) -> int:
    """Return the number of visible colors."""
    return len(np.unique(visible(image).view(np.uint32)))


def check_still(case: Case, report: Any, shown: np.ndarray, kind: str) -> None:
    """Compare a picture with what was read: size, alpha, number of colors, and losslessness."""
    icc = case.options["icc"]
    if kind == "GIF" and icc == "keep":  # it holds no profile
        icc = "srgb"
    decoded = decode(case.file, limits=LIMITS, icc=icc)
    wanted = visible(decoded.image)
    check(shown.shape == wanted.shape, f"pixels of {shown.shape}, not {wanted.shape}")
    check((report.height, report.width) == wanted.shape[:2], "the size in the report")
    check(count(shown) <= report.k, f"{count(shown)} colors, not {report.k}")
    check(count(shown) <= report.colors_used, "more colors than the report says")
    if kind == "GIF":  # alpha is 0 or 255 there
        check(np.isin(shown[..., 3], (0, 255)).all(), "alpha of a GIF")
        wanted = wanted.copy()
        wanted[..., 3] = np.where(wanted[..., 3] < 128, 0, 255)
        wanted = visible(wanted)
    alpha = wanted[..., 3]
    if report.k > 1 or (alpha == alpha[0, 0]).all():
        check((shown[..., 3][alpha == 255] == 255).all(), "an opaque pixel is opaque no more")
        check((shown[..., 3][alpha == 0] == 0).all(), "a clear pixel is clear no more")
    if count(wanted) <= report.k:
        check((visible(shown) == wanted).all(), "a picture of few colors has changed")


def check_moving(case: Case, report: Any, shown: list[np.ndarray]) -> None:
    """Compare an animation with what was read: no frame lost, none of another size."""
    movie = opened(case.file, limits=LIMITS, icc="srgb")[1]
    frames = list(movie)
    check(report.motion.frames == len(frames), "number of frames in the report")
    check(len(shown) <= len(frames), "more frames than there were")
    check(all(image.shape[:2] == frames[0].shape[:2] for image in shown), "size of a frame")


def run(data: bytes) -> None:
    """Try one input."""
    case = Case.of(data)
    try:
        report = smalti.compress(case.file, **case.options)
    except smalti.SmaltiError as error:
        check("\n" not in str(error), "a message of several lines")
        return
    check(len(report.data) == report.bytes_out, "bytes in the report")
    shown, kind = canvases(report.data)
    check(kind == report.format, "format in the report")
    if report.motion is None:
        check_still(case, report, shown[0], kind)
    else:
        check_moving(case, report, shown)
    if data and zlib.crc32(data) % 8 == 0:
        again = smalti.compress(case.file, **{**case.options, "threads": 2})
        check(again.data == report.data, "another result the second time")
