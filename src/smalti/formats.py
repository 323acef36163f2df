"""Formats: what each output format can hold, and what is given up where it cannot.

    target, format -> [format_of] -> "PNG" | "WEBP" | "GIF";  decoded -> [held] -> decoded

Nothing is lost silently: what changes, the notes say.
"""

import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import exif, files, options, pixels, profiles
from .animation import Animation
from .decode import Decoded
from .dither import Dithering
from .errors import BadOption
from .indexed import FORMATS
from .targets import Targets

__all__ = [
    "check_alpha",
    "check_animation",
    "check_many_colors",
    "format_of",
    "held",
    "kept_format",
    "without_what_is_not_held",
]


SUFFIXES = {**FORMATS, ".apng": "PNG"}


def format_of(asked: str | None, path: str | os.PathLike[str] | None) -> str:
    """Return "PNG", "WEBP" or "GIF": as asked, else as the target's suffix says, else PNG."""
    options.check("format", asked)
    suffix = "" if path is None else os.path.splitext(os.fspath(path))[1].lower()
    named = SUFFIXES.get(suffix)
    kind = (asked or named or "png").upper()
    if path is not None and suffix and named != kind:
        raise BadOption(
            f"{files.shown(path)}: {kind} cannot go into a file that ends in {suffix}; "
            f"{', '.join(SUFFIXES)} name the formats that are written"
        )
    return kind


def kept_format(asked: str | None, path: str | os.PathLike[str] | None, own: str) -> str:
    """Return the format of an animation: as `format_of` says, but its own rather than PNG."""
    named = path is not None and os.path.splitext(os.fspath(path))[1].lower() in SUFFIXES
    return format_of(asked, path) if asked or named else own


def check_animation(
    kind: str, k: int, keep: Any, given: Any, weight: Any, targets: Targets, *, own: bool
) -> None:
    """Refuse what animations cannot have; `own`: palettes of each frame."""
    if k > 256:
        raise BadOption(f"a palette of an animation has at most 256 colors, got k = {k:,}")
    for wanted in (keep, given):
        check_alpha(kind, wanted)
    problems = (
        (kind == "PNG", "PNG has one palette for all frames; use GIF or WebP for frame_palettes"),
        (given is not None, "the palette is given for all frames; leave frame_palettes out"),
        (weight is not None, "weights are for one palette of all frames; leave frame_palettes out"),
        (targets.quality, "quality is that of one palette; leave frame_palettes out"),
    )
    for wrong, sentence in problems:
        if own and wrong:
            raise BadOption(sentence)


def check_many_colors(kind: str, k: int, dithering: Dithering) -> None:
    """Refuse early what palettes above 256 colors cannot do."""
    if k > 256 and kind == "GIF":
        raise BadOption(f"GIF holds at most 256 colors, got k = {k:,}; use PNG or WebP")
    dithering.refuse_above(k)


def check_alpha(kind: str, wanted: Any) -> None:
    """Refuse colors (None, or what has `colors`) that the format cannot hold."""
    if wanted is not None and kind == "GIF" and (wanted.colors[:, 3:] % 255).any():
        raise BadOption("GIF cannot keep a partly transparent color; use PNG or WebP")


def without_what_is_not_held(
    decoded: Decoded | Animation, kind: str, preserve: bool
) -> Decoded | Animation:
    """Give up the profile and density that the format cannot hold, and say so."""
    notes = list(decoded.notes)
    if kind == "GIF" and decoded.icc and isinstance(decoded, Decoded):
        image, note = _converted(decoded.image, decoded.icc)
        decoded = replace(decoded, image=image, icc=None)
        notes.append(f"GIF holds no color profile: {note}")
    if kind != "PNG" and preserve and decoded.dpi:
        notes += _density_note(round(decoded.dpi[0]), decoded, kind)
    return replace(decoded, notes=tuple(notes))


def _density_note(dpi: int, decoded: Decoded | Animation, kind: str) -> list[str]:
    """Return what becomes of the density where a format has none of its own."""
    told = exif.density(decoded.metadata.exif) if decoded.metadata and kind == "WEBP" else None
    if told and round(told[0]) == dpi:  # it stays, in EXIF
        return []
    name = {"WEBP": "WebP"}.get(kind, kind)
    rest = f" but that of EXIF, {round(told[0])} dpi" if told else ""
    return [f"density of {dpi} dpi left out: {name} holds none{rest}"]


def _converted(image: NDArray[np.uint8], icc: bytes) -> tuple[NDArray[np.uint8], str]:
    """Convert to sRGB after all, and say how that went."""
    name = profiles.profile_name(icc)
    try:
        converted = profiles.to_srgb(image, "RGB" if image.shape[2] == 3 else "RGBA", icc)
    except Exception as error:  # Little CMS, or Pillow's wrapping of it, on a broken profile
        return image, f"{name} ignored: {error}"
    if converted is None:
        return image, f"{name} left out, which is sRGB in effect"
    # Conversion may lift the black of pixels that nobody sees.
    return pixels.without_idle_alpha(converted), f"colors converted from {name} to sRGB"


def held(colors: NDArray[np.uint8], kind: str) -> tuple[NDArray[np.uint8], bool]:
    """Return pixels or palette rows with an alpha that the format holds, and if that changed it."""
    if kind != "GIF" or colors.shape[-1] == 3 or not (colors[..., 3] % 255).any():
        return colors, False
    hard = colors.copy()
    hard[..., 3] = np.where(hard[..., 3] < 128, np.uint8(0), np.uint8(255))
    hard[hard[..., 3] == 0] = 0
    return hard if (hard[..., 3] == 0).any() else np.ascontiguousarray(hard[..., :3]), True
