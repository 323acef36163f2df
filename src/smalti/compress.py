"""From a picture file to a palette file, with a report: the whole walk in one call.

    bytes | path -> decode -> histogram -> palette -> map -> encode -> bytes | path, Report

Everything before this module computes; here files are read and written, and
promises are kept: refusals come before work, nothing is left half-written, and
a result that is no smaller than the input is not written at all.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from . import anatomy, files, metrics, options
from .decode import Decoded, Limits, decode
from .errors import BadOption, CannotWrite, NotSmaller
from .histogram import Histogram, map_labels
from .image import check_image
from .indexed import FORMATS, IndexedImage
from .kmeans import Step
from .palette import Fit, Palette, Settings, fit_palette
from .quantize import apply_palette
from .report import Report

__all__ = ["Report", "compress"]

Source = Any  # path, bytes, binary file, Pillow image or (H, W, 3|4) uint8 array
Target = str | os.PathLike[str] | IO[bytes] | None

STANDARD_OUTPUT = "-"
PHOTO_FORMATS = ("JPEG", "WEBP", "AVIF")


def compress(
    source: Source,
    target: Target = None,
    k: int = 256,
    *,
    space: str = "oklab",
    dither: str = "none",
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
    progress: Callable[[Step], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Report:
    """Compress a picture to a palette of k colors and write it, if that makes it smaller.

    Parameters
    ----------
    source : path, bytes, binary file, Pillow image, or (H, W, 3|4) uint8 sRGB array
    target : path, "-" for standard output, binary file, or None
        None writes nothing: the file's bytes are in `Report.data`.
    k : int, 1 to 65,536
        Above 256 the file is truecolor, holding at most k colors.
    space, dither, effort, init, n_init, max_iter, tol, seed, threads
        As for `quantize`.
    format : "png", "webp" or "gif"; None takes it from the target's name, else PNG
    icc : "srgb" converts to sRGB, "keep" embeds the input's profile, "strip" ignores it
    allow_larger : write the result even if it is no smaller than the input
    overwrite : replace an existing target
    preserve : carry the density over, and the file times when both ends are paths
    limits : largest input that is decoded
    progress : called with every Step of k-means
    on_stage : called with the name of each stage as it begins

    Returns
    -------
    Report

    Raises
    ------
    BadOption, BadImage, LimitExceeded : what came in.
    OutputExists, CannotWrite : where it should go; checked before any work.
    NotSmaller : the result is no smaller than the input. Nothing was written.
    """
    settings = Settings.of(
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
    options.check("dither", dither)
    kind = _format_of(format, target)
    _check_many_colors(kind, settings.k, dither)
    if _is_path(target):
        files.check_writable(target, overwrite)
    clock = _Clock(on_stage)

    with clock("decode"):
        decoded = _decoded(source, limits, icc)
    with clock("histogram"):
        histogram = Histogram.of(decoded.image, threads=settings.threads)
    with clock("palette"):
        palette, labels, fit = fit_palette(histogram, settings, progress)
    with clock("map"):
        indexed = _mapped(decoded.image, histogram, palette, labels, fit, dither, settings)
    with clock("encode"):
        dpi = decoded.dpi if preserve else None
        data = indexed.encoded(kind, icc=decoded.icc, dpi=dpi)
    if not allow_larger:
        _refuse_larger(source, decoded, len(data), kind, palette.k)
    with clock("measure"):
        dithered = dither != "none" and fit.stop_reason != "exact"
        errors = _errors(decoded.image, histogram, labels, indexed, dithered)
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
        psnr=metrics.psnr_of(errors["srgb"], histogram.channels),
        iterations=fit.iterations,
        effort=fit.effort,
        stop_reason=fit.stop_reason,
        milliseconds=clock.milliseconds,
        notes=(*decoded.notes, *_notes(palette, fit, settings.k)),
        explain={**anatomy.explain(data), "input_metadata": decoded.metadata_bytes},
        data=data if target is None else None,
    )


class _Clock:
    """Wall time of each stage, and the news that it begins."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self.milliseconds: dict[str, float] = {}
        self._on_stage = on_stage

    @contextmanager
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


def _check_many_colors(kind: str, k: int, dither: str) -> None:
    """Refuse early what palettes above 256 colors cannot do."""
    if k > 256 and kind == "GIF":
        raise BadOption(f"GIF holds at most 256 colors, got k = {k:,}; use PNG or WebP")
    if k > 256 and dither != "none":
        raise BadOption(f"dithering takes k of at most 256, got {k:,}; use dither none")


def _decoded(source: Source, limits: Limits | None, icc: str) -> Decoded:
    """Decode a file or Pillow image; an array is an image already."""
    if isinstance(source, np.ndarray):
        return Decoded(check_image(source), "array", None, None, None, (), 0)
    return decode(source, limits=limits or Limits(), icc=icc)


def _mapped(
    image: NDArray[np.uint8],
    histogram: Histogram,
    palette: Palette,
    labels: NDArray[np.uint16],
    fit: Fit,
    dither: str,
    settings: Settings,
) -> IndexedImage:
    """Give every pixel its palette row; where nothing is lost there is nothing to dither."""
    if dither == "none" or fit.stop_reason == "exact":
        threads = settings.threads
        indices = map_labels(image, histogram, labels, k=palette.k, threads=threads)
    else:
        indices = apply_palette(image, palette, space=settings.space, dither=dither).indices
    return IndexedImage(palette.colors, indices, fit)


def _errors(
    image: NDArray[np.uint8],
    histogram: Histogram,
    labels: NDArray[np.uint16],
    indexed: IndexedImage,
    dithered: bool,
) -> dict[str, float]:
    """Return the distortion in each space.

    Without dithering all pixels of a color share an entry, so the few distinct colors,
    weighted, give the number that all pixels would.
    """
    if dithered:
        first, second, weights = image, indexed.to_array(), None
    else:
        first, weights = histogram.stored_colors, histogram.stored_counts
        second = indexed.palette[labels]
    return {
        space: metrics.distortion(first, second, space, weights=weights)
        for space in ("srgb", "oklab")
    }


def _refuse_larger(source: Source, decoded: Decoded, size: int, kind: str, k: int) -> None:
    """Raise NotSmaller unless the result is smaller than the input's file."""
    before = decoded.size_bytes
    if before is None or size < before:
        return
    advice = ""
    if decoded.format in PHOTO_FORMATS:
        advice = f": photographs belong in JPEG, WebP or AVIF, and this one is {decoded.format}"
    raise NotSmaller(
        f"{_name(source) or 'the image'}: {k:,} colors as {kind} take {size:,} bytes, not "
        f"fewer than its own {before:,}{advice}; --allow-larger writes it anyway"
    )


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


def _notes(palette: Palette, fit: Fit, k: int) -> Iterator[str]:
    """Yield what else the user should know about the output."""
    if fit.stop_reason == "exact":
        yield f"all {palette.k:,} colors kept (k = {k:,}): pixel-identical"
    if palette.k > 256:
        yield f"{palette.k:,} colors are too many for indices: stored as truecolor pixels"
