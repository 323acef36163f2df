"""From a picture file to a palette file, with a report: the whole walk in one call.

    bytes | path -> decode -> histogram -> palette -> map -> encode -> bytes | path, Report

Everything before this module computes; here files are read and written, and
promises are kept: refusals come before work, nothing is left half-written, and
a result that is no smaller than the input is not written at all.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from . import anatomy, files, metrics, options, pixels, profiles
from .choose import settings_for, settled
from .decode import Decoded, Limits
from .dither import Dithering
from .errors import BadOption, CannotWrite, NotSmaller
from .fit import Fit, fit_palette
from .histogram import Histogram
from .indexed import FORMATS, IndexedImage
from .kmeans import Step
from .load import load_with_notes
from .mapping import map_pixels
from .palette import Palette
from .report import Report

__all__ = ["Report", "compress"]

Source = Any  # path, bytes, binary file, Pillow image or (H, W, 3|4) uint8 array
Target = str | os.PathLike[str] | IO[bytes] | None

STANDARD_OUTPUT = "-"
CONVERSIONS = ("converted", "rounded")
"""Words of the notes of decoding that say that pixels were changed, not only moved."""


def compress(
    source: Source,
    target: Target = None,
    k: int | str = 256,
    *,
    space: str = "oklab",
    dither: str = "auto",
    dither_strength: float = 1.0,
    dither_adaptive: bool = True,
    effort: str = "default",
    init: Any = "splitting",
    n_init: int | None = None,
    max_iter: int | None = None,
    tol: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    format: str | None = None,  # noqa: A002
    icc: str = "srgb",
    allow_larger: bool = False,
    overwrite: bool = False,
    preserve: bool = False,
    limits: Limits | None = None,
    channels: str = "rgb",
    progress: Callable[[Step], object] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Report:
    r"""Compress a picture to a palette of k colors and write it, if that makes it smaller.

    Parameters
    ----------
    source : path, bytes, binary file, Pillow image, or (H, W, 3), (H, W, 4) or (H, W) uint8
        sRGB array
    target : path, "-" for standard output, binary file, or None
        None writes nothing: the file's bytes are in `Report.data`.
    k : int, 1 to 65,536, or "auto" or "elbow"
        The words let the image decide, up to 256, as for `quantize`. Above 256 the file is
        truecolor, holding at most k colors.
    space, dither, dither_strength, dither_adaptive : as for `quantize`
    effort, init, n_init, max_iter, tol, seed, threads : as for `quantize`
    format : "png", "webp" or "gif"; None takes it from the target's name, else PNG
        GIF makes pixels of an alpha of 128 or more opaque, the others clear; the notes say so.
    icc : "srgb" converts to sRGB, "keep" embeds the input's profile, "strip" ignores it
        GIF holds no profile, so there "keep" converts, and says so.
    allow_larger : write the result even if it is no smaller than the input
    overwrite : replace an existing target
    preserve : carry the density over (PNG only), and the file times when both ends are paths
    limits : largest input that is decoded
    channels : "rgb" or "bgr"
        Order of the channels of an array; "bgr" is OpenCV's. The palette and the file are RGB.
    progress : called with every Step of k-means
    on_stage : called with the name of each stage as it begins

    Returns
    -------
    Report
        Sizes, `palette` (k', 3|4) uint8 sRGB, errors, times, and notes on whatever was changed.

    Raises
    ------
    BadOption, MissingFile, BadImage, LimitExceeded : what came in.
    OutputExists, CannotWrite : where it should go; checked before any work.
    NotSmaller : the result is no smaller than the input. Nothing was written.

    >>> image = np.zeros((16, 16, 3), np.uint8)
    >>> image[:, 8:] = 255
    >>> report = compress(image, k=2)
    >>> report.colors_used, report.data[:4]
    (2, b'\x89PNG')
    """
    settings, word = settings_for(
        k,
        space=space,
        effort=effort,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        seed=seed,
        threads=threads,
    )
    dithering = Dithering.of(dither, dither_strength, dither_adaptive)
    kind = _format_of(format, target)
    _check_many_colors(kind, settings.k, dithering)
    if _is_path(target):
        files.check_writable(target, overwrite)
    clock = _Clock(on_stage)

    with clock("decode"):
        decoded = load_with_notes(source, channels, limits=limits, icc=icc)
        decoded = _without_what_is_not_held(decoded, kind, preserve)
        image, hard_edged = _held(decoded.image, kind)
    with clock("histogram"):
        histogram = Histogram.of(image, threads=settings.threads)
    with clock("palette"):
        settings, choice = settled(histogram, settings, word)
        palette, labels, fit = fit_palette(histogram, settings, progress)
        if kind == "GIF":  # one color for opaque and clear pixels is neither
            palette = Palette(_held(palette.colors, kind)[0], palette.shares)
    with clock("map"):
        mapped = map_pixels(image, histogram, palette, labels, fit, dithering, settings)
        indexed = IndexedImage(palette.colors, mapped.indices, fit)
    with clock("encode"):
        dpi = decoded.dpi if preserve else None
        data = indexed.encoded(kind, icc=decoded.icc, dpi=dpi)
    if not allow_larger:
        _refuse_larger(source, decoded, len(data), kind, palette.k, len(histogram))
    with clock("measure"):
        by_pixel = hard_edged or mapped.dithered
        errors = _errors(decoded.image, histogram, labels, indexed, by_pixel)
    with clock("write"):
        times_of = Path(source) if preserve and _is_path(source) else None
        _write(target, data, overwrite, times_of)

    return Report(
        source=_name(source),
        target=_name(target),
        format=kind,
        width=decoded.image.shape[1],
        height=decoded.image.shape[0],
        bytes_in=decoded.size_bytes,
        bytes_out=len(data),
        distinct_colors=len(histogram),
        k=settings.k,
        colors_used=palette.k,
        palette=palette,
        space=space,
        distortion=errors[space],
        distortion_srgb=errors["srgb"],
        distortion_oklab=errors["oklab"],
        psnr=metrics.psnr_of(errors["srgb"], decoded.image.shape[2]),
        iterations=fit.iterations,
        effort=fit.effort,
        stop_reason=fit.stop_reason,
        milliseconds=clock.milliseconds,
        notes=(
            *([str(choice)] if choice else []),
            *decoded.notes,
            *_notes(decoded, palette, fit, settings.k, hard_edged),
        ),
        dithering=mapped.dithering,
        explain={**anatomy.explain(data), "input_metadata": decoded.metadata_bytes},
        data=data if target is None else None,
    )


class _Clock:
    """Wall time of each stage, and the news that it begins."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self.milliseconds: dict[str, float] = {}
        self._on_stage = on_stage

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        if self._on_stage:
            self._on_stage(stage)
        start = time.perf_counter()
        yield
        self.milliseconds[stage] = (time.perf_counter() - start) * 1000


def _is_path(place: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether `place` names a file; bytes are the content of one."""
    return isinstance(place, str | os.PathLike) and place != STANDARD_OUTPUT


def _name(place: Any) -> str | None:
    """Return what people call a source or target, if it has a name."""
    if isinstance(place, str) and place == STANDARD_OUTPUT:
        return "standard output"
    name = place if _is_path(place) else getattr(place, "name", None)
    return files.shown(name) if isinstance(name, str | os.PathLike) else None


def _format_of(asked: str | None, target: Target) -> str:
    """Return "PNG", "WEBP" or "GIF": as asked, else as the target's suffix says, else PNG."""
    options.check("format", asked)
    suffix = os.path.splitext(os.fspath(target))[1].lower() if _is_path(target) else ""
    named = FORMATS.get(suffix)
    kind = (asked or named or "png").upper()
    if suffix and named != kind:
        raise BadOption(
            f"{files.shown(target)}: {kind} cannot go into a file that ends in {suffix}; "
            f"{', '.join(FORMATS)} name the formats that are written"
        )
    return kind


def _check_many_colors(kind: str, k: int, dithering: Dithering) -> None:
    """Refuse early what palettes above 256 colors cannot do."""
    if k > 256 and kind == "GIF":
        raise BadOption(f"GIF holds at most 256 colors, got k = {k:,}; use PNG or WebP")
    dithering.refuse_above(k)


def _without_what_is_not_held(decoded: Decoded, kind: str, preserve: bool) -> Decoded:
    """Give up the profile and density that the format cannot hold, and say so."""
    notes = list(decoded.notes)
    image = decoded.image
    if kind == "GIF" and decoded.icc:
        image, note = _converted(image, decoded.icc)
        decoded = replace(decoded, image=image, icc=None)
        notes.append(f"GIF holds no color profile: {note}")
    if kind != "PNG" and preserve and decoded.dpi:
        name = {"WEBP": "WebP"}.get(kind, kind)
        notes.append(f"density of {round(decoded.dpi[0])} dpi left out: {name} holds none")
    return replace(decoded, notes=tuple(notes))


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


def _held(colors: NDArray[np.uint8], kind: str) -> tuple[NDArray[np.uint8], bool]:
    """Return pixels or palette rows with an alpha that the format holds, and if that changed it."""
    if kind != "GIF" or colors.shape[-1] == 3 or not (colors[..., 3] % 255).any():
        return colors, False
    hard = colors.copy()
    hard[..., 3] = np.where(hard[..., 3] < 128, np.uint8(0), np.uint8(255))
    hard[hard[..., 3] == 0] = 0
    return hard if (hard[..., 3] == 0).any() else np.ascontiguousarray(hard[..., :3]), True


def _errors(
    image: NDArray[np.uint8],
    histogram: Histogram,
    labels: NDArray[np.uint16],
    indexed: IndexedImage,
    by_pixel: bool,
) -> dict[str, float]:
    """Return the distortion in each space.

    Without dithering all pixels of a color share an entry, so the few distinct colors,
    weighted, give the number that all pixels would. `image` is what came in, which the
    histogram's is not where the format made its alpha opaque or clear.
    """
    if by_pixel:
        first, second, weights = image, indexed.to_array(), None
    else:
        first, weights = histogram.stored_colors, histogram.stored_counts
        second = indexed.palette[labels]
    return {
        space: metrics.distortion(first, second, space, weights=weights)
        for space in ("srgb", "oklab")
    }


def _refuse_larger(
    source: Source, decoded: Decoded, size: int, kind: str, k: int, distinct: int
) -> None:
    """Raise NotSmaller unless the result is smaller than the input's file."""
    before = decoded.size_bytes
    if before is None or size < before:
        return
    advice = ""
    if distinct > 256 and _is_lossy(source, decoded):
        advice = "; photographs belong in JPEG, WebP or AVIF"
    take = "takes" if k == 1 else "take"
    raise NotSmaller(
        f"{_name(source) or 'the image'}: {_colors(k)} as {kind} {take} {size:,} bytes, "
        f"the input {before:,}{advice}; --allow-larger writes it anyway"
    )


def _is_lossy(source: Source, decoded: Decoded) -> bool:
    """Whether the input was stored as a photograph is: JPEG, AVIF or lossy WebP."""
    if decoded.format != "WEBP":
        return decoded.format in ("JPEG", "AVIF")
    data, at = _bytes_of(source, decoded.size_bytes or 0), 12
    while at < len(data) and data[at : at + 4] != b"VP8 ":  # the chunk that VP8L replaces
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return at < len(data)


def _bytes_of(source: Source, size: int) -> bytes:
    """Return the file that was decoded, once more; nothing where it can be read only once."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if _is_path(source):
            return Path(source).read_bytes()
        source.seek(-size, os.SEEK_CUR)
        return bytes(source.read(size))
    return b""


def _write(target: Target, data: bytes, overwrite: bool, times_of: Path | None) -> None:
    if target is None:
        return
    if _is_path(target):
        files.write_atomic(target, data, overwrite=overwrite, preserve_from=times_of)
        return
    stream: Any = sys.stdout.buffer if target == STANDARD_OUTPUT else target
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        name = _name(target) or "the output"
        raise CannotWrite(f"{name}: cannot be written: {error.strerror}") from error


def _notes(decoded: Decoded, palette: Palette, fit: Fit, k: int, hard_edged: bool) -> Iterator[str]:
    """Yield what else the user should know about the output."""
    if hard_edged:
        yield "partial transparency became opaque or clear: GIF knows no other"
    if fit.stop_reason == "exact":
        changed = any(word in note for note in decoded.notes for word in CONVERSIONS)
        same = "identical to the converted picture" if changed or hard_edged else "pixel-identical"
        yield f"all {_colors(palette.k)} kept (k = {k:,}): {same}"
    if palette.k > 256:
        yield f"{palette.k:,} colors are too many for indices: stored as truecolor pixels"


def _colors(k: int) -> str:
    return "1 color" if k == 1 else f"{k:,} colors"
