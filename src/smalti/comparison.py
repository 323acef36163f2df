"""Comparing two pictures: how far apart they are, as numbers and as a picture.

    a, b: path | bytes | file | Pillow image | array -> load -> metrics -> [Comparison]

Of most pairs of pictures, many pixels change from the same color to the same other one. So the
distinct pairs of colors are compared, each weighted with its number of pixels, which gives the
numbers that all pixels would; only SSIM looks at neighborhoods, and so at all of them.

Sources: those of `metrics`.
"""

import io
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import files, metrics
from .decode import Decoded
from .errors import BadImage, BadOption
from .image import Image
from .load import load_with_notes
from .options import Option
from .pixels import without_idle_alpha
from .report import INDENT
from .sources import shown
from .swatches import share_text

if TYPE_CHECKING:
    from PIL import Image as Pillow

__all__ = ["GAIN", "Comparison", "check_target", "compare"]

GAIN = Option("gain", 8, "How often differences are amplified in the picture of them.", 1, 255)
NEUTRAL = 128  # the gray of a picture of differences where there are none
MOST = 0.95  # of the pixels: what the percentile of the color differences is about


@dataclass(frozen=True)
class Comparison:
    """How far picture `b` is from picture `a`. `str()` of it is the text that the command prints.

    Attributes
    ----------
    sources : names of a and b as they are; None for what has none
    width, height : pixels, of both
    differing : share of the pixels that are not equal, 0..1
    psnr : decibels per channel in sRGB; infinite for equal pictures
    ssim : structural similarity; 1 for equal pictures
    ssimulacra2 : SSIMULACRA2 points of b, 100 for equal pictures
    delta_e_mean, delta_e_95, delta_e_max : color differences of the pixels by CIEDE2000: their
        mean, what 95 % of the pixels do not exceed, and the largest
    unnoticeable : share of the pixels whose difference by the formula of 1976 is at most
        `metrics.JUST_NOTICEABLE`, which half the observers see
    distortion_srgb, distortion_oklab : mean squared error, summed over channels
    distinct_colors : of a and of b
    size_bytes : of the files of a and b; None for an array or a Pillow image
    notes : sentences about what was changed before comparing, such as a color profile
    """

    sources: tuple[str | None, str | None]
    width: int
    height: int
    differing: float
    psnr: float
    ssim: float
    ssimulacra2: float
    delta_e_mean: float
    delta_e_95: float
    delta_e_max: float
    unnoticeable: float
    distortion_srgb: float
    distortion_oklab: float
    distinct_colors: tuple[int, int]
    size_bytes: tuple[int | None, int | None]
    notes: tuple[str, ...] = ()
    images: tuple[Image, Image] = field(repr=False, compare=False, kw_only=True)

    @property
    def identical(self) -> bool:
        """Whether every pixel is equal."""
        return self.differing == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers in plain types, as `smalti compare --json` prints them.

        An infinite PSNR is None; the pictures are left out.
        """
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del plain["images"]
        pairs = ("sources", "distinct_colors", "size_bytes", "notes")
        return plain | {
            **{name: list(plain[name]) for name in pairs},
            "psnr": self.psnr if math.isfinite(self.psnr) else None,
            "identical": self.identical,
        }

    def __str__(self) -> str:
        first, second = (shown(name or "image") for name in self.sources)
        rows = [
            ("size", self._size_text()),
            ("colors", "{:,} ↔ {:,}".format(*self.distinct_colors)),
        ]
        if self.identical:
            rows.append(("pixels", "identical"))
        else:
            rows += self._difference_rows()
        rows += [("note", note) for note in self.notes]
        return "\n".join(
            [f"{first} ↔ {second}", *(f"  {name:<{INDENT - 2}}{text}" for name, text in rows)]
        )

    def _difference_rows(self) -> list[tuple[str, str]]:
        return [
            ("pixels", f"{share_text(self.differing)} differ"),
            ("PSNR", f"{self.psnr:.2f} dB"),
            ("SSIM", f"{self.ssim:.4f}; SSIMULACRA2 {self.ssimulacra2:.2f}"),
            (
                "ΔE 2000",
                f"mean {self.delta_e_mean:.2f}; 95 % of the pixels at most {self.delta_e_95:.2f}; "
                f"largest {self.delta_e_max:.2f}",
            ),
            (
                "ΔE 1976",
                f"{share_text(self.unnoticeable)} of the pixels at most {metrics.JUST_NOTICEABLE}, "
                "just noticeable",
            ),
            (
                "error",
                f"distortion {self.distortion_srgb:.2f} in sRGB, "
                f"{self.distortion_oklab:.3g} in Oklab",
            ),
        ]

    def _size_text(self) -> str:
        text = f"{self.width:,} × {self.height:,} pixels"
        if self.size_bytes == (None, None):
            return text
        sizes = ("unknown" if size is None else f"{size:,}" for size in self.size_bytes)
        return f"{text}; {' ↔ '.join(sizes)} bytes"

    def difference(self, gain: float = 8) -> "Pillow.Image":
        """Return a Pillow image of what b has more or less of than a, mode RGB.

        Per channel, 128 + gain × (b - a), cut off at 0 and 255: middle gray where the pictures
        are equal, lighter where b is. With alpha, both are laid on black and on white, and the
        larger difference is drawn.

        Parameters
        ----------
        gain : int, 1 to 255

        Raises
        ------
        BadOption : another gain.
        """
        from PIL import Image as Pillow

        return Pillow.fromarray(_difference(*self.images, GAIN.check(gain)))

    def save_difference(
        self, path: str | os.PathLike[str], gain: float = 8, *, overwrite: bool = True
    ) -> None:
        """Write the picture of the differences as a PNG.

        Raises
        ------
        BadOption : another suffix than .png, or a gain that is none.
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        check_target(path, overwrite=overwrite)
        buffer = io.BytesIO()
        # Not optimized: for 24 megapixels, three times the time of all the rest, and 7 % gained.
        self.difference(gain).save(buffer, "PNG", compress_level=4)
        files.write_atomic(path, buffer.getvalue(), overwrite=overwrite)


def check_target(path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Refuse, before any work, a picture of differences that could not be written."""
    if os.path.splitext(path)[1].lower() != ".png":
        raise BadOption(
            f"differences are drawn to a file that ends in .png, got {files.shown(path)}"
        )
    files.check_writable(path, overwrite)


def compare(a: Any, b: Any, *, channels: str = "rgb") -> Comparison:
    """Measure how far picture b is from picture a.

    Parameters
    ----------
    a, b : path, bytes, binary file, Pillow image, or (H, W, 3), (H, W, 4) or (H, W) uint8 array
        Of the same height and width. Files are compared as they are seen: upright, in sRGB.
    channels : "rgb" or "bgr"
        Order of the channels of arrays; "bgr" is OpenCV's.

    Returns
    -------
    Comparison

    Raises
    ------
    MissingFile, BadImage, LimitExceeded : what cannot be read.
    BadImage : the sizes differ.
    BadOption : `channels` is neither.

    >>> black, gray = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 10, np.uint8)
    >>> found = compare(black, gray)
    >>> round(found.psnr, 2), found.distortion_srgb, found.differing
    (28.13, 300.0, 1.0)
    """
    read = [load_with_notes(source, channels) for source in (a, b)]
    sources = tuple(_name(source) for source in (a, b))
    names = tuple(name and shown(name) for name in sources)
    first, second = (without_idle_alpha(decoded.image) for decoded in read)
    if first.shape[:2] != second.shape[:2]:
        raise BadImage(
            "pictures of one size are compared: "
            + ", ".join(
                f"{name or letter} has {decoded.image.shape[1]} × {decoded.image.shape[0]} pixels"
                for name, letter, decoded in zip(names, "ab", read, strict=True)
            )
        )
    return Comparison(
        sources=(sources[0], sources[1]),
        width=first.shape[1],
        height=first.shape[0],
        **_numbers(first, second),
        size_bytes=(read[0].size_bytes, read[1].size_bytes),
        notes=tuple(_notes(read, names)),
        images=(first, second),
    )


def _name(source: Any) -> str | None:
    """Return the name of a source as it is, if it has one."""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    return os.fsdecode(name) if isinstance(name, str | os.PathLike) else None


def _notes(read: list[Decoded], names: tuple[str | None, ...]) -> list[str]:
    """Return the notes of decoding, each with the name of its picture."""
    return [
        f"{name or letter}: {note}"
        for decoded, name, letter in zip(read, names, "ab", strict=True)
        for note in decoded.notes
    ]


def _numbers(first: Image, second: Image) -> dict[str, Any]:
    """Return what is measured, by the names of `Comparison`."""
    a, b, counts = _pairs(first, second)
    total = int(counts.sum())
    differ = (_with_alpha(a) != _with_alpha(b)).any(1)
    delta_e, delta_e_1976 = (_delta_e(a, b, differ, formula) for formula in ("2000", "1976"))
    order = np.argsort(delta_e)
    reached = np.searchsorted(np.cumsum(counts[order]), MOST * total)
    srgb, oklab = (metrics.distortion(a, b, space, weights=counts) for space in ("srgb", "oklab"))
    return {
        "differing": float(counts[differ].sum() / total),
        "psnr": metrics.psnr_of(srgb, max(first.shape[2], second.shape[2])),
        "ssim": metrics.ssim(first, second),
        "ssimulacra2": metrics.ssimulacra2(first, second),
        "delta_e_mean": float(delta_e @ counts / total),
        "delta_e_95": float(delta_e[order[reached]]),
        "delta_e_max": float(delta_e.max()),
        "unnoticeable": float(counts[delta_e_1976 <= metrics.JUST_NOTICEABLE].sum() / total),
        "distortion_srgb": srgb,
        "distortion_oklab": oklab,
        "distinct_colors": (_distinct(a), _distinct(b)),
    }


def _delta_e(a: Image, b: Image, differ: NDArray[np.bool_], formula: str) -> NDArray[np.float64]:
    found = np.zeros(len(a))
    found[differ] = metrics.delta_e(a[differ], b[differ], formula)
    return found


def _pairs(first: Image, second: Image) -> tuple[Image, Image, NDArray[np.int64]]:
    """Return the distinct pairs of colors, (n, 3|4) each, and how many pixels have each."""
    keys = _pack(first) << np.uint64(32) | _pack(second)
    keys, counts = np.unique(keys, return_counts=True)
    return (
        _unpack(keys >> np.uint64(32), first.shape[2]),
        _unpack(keys & np.uint64(0xFFFFFFFF), second.shape[2]),
        counts.astype(np.int64),
    )


def _distinct(colors: Image) -> int:
    """Count distinct colors. By sorting: `np.unique` of so many numbers takes 30 times as long."""
    packed = np.sort(_pack(colors))
    return 1 + int(np.count_nonzero(packed[1:] != packed[:-1]))


def _pack(image: Image) -> NDArray[np.uint64]:
    """Return each pixel as a number, flat."""
    packed = np.zeros(image.size // image.shape[-1], np.uint64)
    for channel in range(image.shape[-1]):
        packed = packed << np.uint64(8) | image[..., channel].ravel()
    return packed


def _unpack(packed: NDArray[np.uint64], channels: int) -> Image:
    shifts = np.arange(channels - 1, -1, -1, dtype=np.uint64) * np.uint64(8)
    return (packed[:, None] >> shifts & np.uint64(255)).astype(np.uint8)


def _with_alpha(colors: Image) -> Image:
    if colors.shape[1] == 4:
        return colors
    return np.column_stack([colors, np.full(len(colors), 255, np.uint8)])


def _difference(first: Image, second: Image, gain: float) -> Image:
    """Return the picture of the differences: (H, W, 3) uint8."""
    grounds = (0, 255) if max(first.shape[2], second.shape[2]) == 4 else (0,)
    drawn = np.empty((*first.shape[:2], 3), np.uint8)
    rows = max(1, metrics.CHUNK // first.shape[1])
    for top in range(0, len(first), rows):
        part = slice(top, top + rows)
        changes = [_change(first[part], second[part], ground) for ground in grounds]
        largest = changes[0]
        for change in changes[1:]:
            largest = np.where(abs(change) > abs(largest), change, largest)
        drawn[part] = (NEUTRAL + gain * largest).clip(0, 255)
    return drawn


def _change(first: Image, second: Image, ground: int) -> NDArray[np.int32]:
    """Return what the second has more of, laid on a gray."""
    before, after = (metrics.shown_on(image, ground).astype(np.int32) for image in (first, second))
    return after - before
