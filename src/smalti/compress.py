"""From a picture file to a palette file, with a report: the whole walk in one call.

    bytes | path -> decode -> histogram -> palette -> map -> encode -> bytes | path, Report

Everything before this module computes; here files are read and written, and
promises are kept: refusals come before work, nothing is left half-written, and
a result that is no smaller than the input is not written at all.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np

from . import anatomy, files, headers, labels, metrics, options
from .animation import Animation
from .attempts import Attempt, Attempts, Clock, Label, Try
from .choose import settings_for, settled
from .decode import Decoded, Limits
from .dither import Dithering
from .errors import AlreadyCompressed, BadOption, CannotWrite, NotSmaller, TargetMissed
from .fit import Fit
from .formats import (
    check_alpha,
    check_animation,
    check_many_colors,
    format_of,
    kept_format,
    without_what_is_not_held,
)
from .histogram import Histogram
from .kmeans import Step
from .load import load_with_notes
from .metadata import NONE, Metadata, size_of
from .movies import opened
from .palette import Palette
from .recipe import Recipe, hash_of_pictures, hash_of_result
from .recognition import former_recipe, is_done, recipe_of
from .report import Motion, Report
from .size import DEFAULT
from .targets import Found, Targets, meet, squeeze

__all__ = ["Report", "compress"]

Source = Any  # path, bytes, binary file, Pillow image or (H, W, 3|4) uint8 array
Target = str | os.PathLike[str] | IO[bytes] | None

STANDARD_OUTPUT = "-"
UNLIKE = 20
"""Points of SSIMULACRA2 below which a picture is not what it was."""

SLACK = 64
"""Bytes around a recipe: its keyword, lengths, and the header that it needs."""

ADVICE = "photographs belong in JPEG, WebP or AVIF"

REDUCED_TWICE = (
    "smalti made this file with other settings, and it was reduced once more; the picture that "
    "it was made from would give a better one"
)

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
    keep: Any = None,
    weight: Any = None,
    guard: bool = True,
    palette: Any = None,
    strict: bool = False,
    format: str | None = None,  # noqa: A002
    icc: str = "srgb",
    quality: int | str | None = None,
    min_score: float | None = None,
    max_bytes: int | str | None = None,
    allow_larger: bool = False,
    overwrite: bool = False,
    preserve: bool = False,
    keep_metadata: bool = False,
    limits: Limits | None = None,
    channels: str = "rgb",
    size: float | None = None,
    pack: str = "default",
    frame_palettes: bool = False,
    embed_recipe: bool = False,
    progress: Callable[[Step], object] | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_try: Callable[[Try], object] | None = None,
) -> Report:
    r"""Compress a picture to a palette of k colors and write it, if that makes it smaller.

    Animations (GIF, APNG, WebP) stay animations: all frames, their times and how often they are
    shown; one palette for all, and what does not change from frame to frame does not flicker.

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
    effort, init, n_init, max_iter, tol, seed, threads, keep, weight
        As for `quantize`.
    guard : as for `quantize`, but on: a note names each region that was kept
    palette : colors to map to instead of finding some: as `Palette.of` takes them, such as
        "colors.gpl" or "#000,#fff"
        They keep their rows in the file. `k` and the options of the search must be left out.
    strict : with `palette`, refuse pixels of any other color
    format : "png", "webp" or "gif"; None takes it from the target's name, else PNG, and for
        animations the format that they have
        GIF makes pixels of an alpha of 128 or more opaque, the others clear; the notes say so.
    icc : "srgb" converts to sRGB, "keep" embeds the input's profile, "strip" ignores it
        GIF holds no profile, so there "keep" converts, and says so.
    quality : "MIN-MAX" or MAX, 0 to 100, optional
        The fewest colors that reach MAX, in pngquant's meaning and forms (`smalti.quality`); MIN
        must be reached, of a single number nine tenths. It is the palette's, before dithering.
    min_score : number from 0 to 100, optional
        The smallest file that scores so many points of SSIMULACRA2 (`metrics.ssimulacra2`): `size`
        goes up as far as it may. Where `size` is given or out of place, the fewest colors.
    max_bytes : int, or text such as "50k" (50,000), "1.5M" or "50KiB" (51,200), optional
        The best look whose file fits: `size` goes up, and only if that is not enough, colors go;
        with a quality or score, their number of colors must fit. With any of these three, `k`
        is the most colors there may be.
    allow_larger : write the result even if it is no smaller than the input
    overwrite : replace an existing target
    preserve : carry the density over (PNG only), and the file times when both ends are paths
    keep_metadata : carry over EXIF, XMP, IPTC, texts and comments, and the density, as far as the
        format has a place for them; a note says what. Places and names are among them. Left to the
        default, nothing is carried over but what `icc` and `preserve` keep.
    limits : largest input that is decoded, a `smalti.Limits`
    channels : "rgb" or "bgr"
        Order of the channels of an array; "bgr" is OpenCV's. The palette and the file are RGB.
    size : 0..1, optional
        How much bytes count when pixels get their entries (`smalti.size` says how): 0 maps each to
        the nearest, or dithers; 1 gives the smallest file that still looks like the picture.
        Default: 0.25, which takes fewer bytes for the same look, or 0 for drawings that take fewer
        so; always 0 with a dithering method other than "auto" and "none", with a palette that is
        given, for "turbo", and above k = 256. With `max_bytes`, it goes up as far as it must
        before k goes down.
    pack : "fast", "default" or "max"
        What to spend on a small file. PNG holds the pixels in whatever way is smallest: a palette
        in another order than the report's, plain gray, colors; with centroids as `init`, in theirs.
    frame_palettes : of an animation, GIF or WebP: whether each frame has up to k colors of its own
        rather than all k together. What a frame does not change keeps its color.
    embed_recipe : write version, options and hashes into the file, for `verify_recipe`: some 300
        bytes, which count in its size. No names and no paths; a map as `weight` is refused.
    progress : called with every Step of k-means
    on_stage : called with the name of each stage as it begins
    on_try : called with what is known of each number of colors that is tried for a target

    Returns
    -------
    Report
        Sizes, `palette` (k', 3|4) uint8 sRGB, errors, times, and notes on whatever was changed.

    Raises
    ------
    BadOption, MissingFile, BadImage, LimitExceeded : what came in.
    OutputExists, CannotWrite : where it should go; checked before any work.
    NotSmaller : the result is no smaller than the input. Nothing was written.
    AlreadyCompressed : of these, the case that the input is that result: the same format and
        pixels. That is so of what this function wrote at the same settings, and stays so.
    OutsidePalette : `strict`, and pixels have colors that the palette lacks. Nothing was written.
    TargetMissed : no number of colors has the quality, score or size. Nothing was written.

    >>> image = np.zeros((16, 16, 3), np.uint8)
    >>> image[:, 8:] = 255
    >>> report = compress(image, k=2)
    >>> report.colors_used, report.data[:4]
    (2, b'\x89PNG')
    """
    asked = dict(locals())  # all arguments, for a recipe
    given = _given_palette(
        palette, strict, k,
        keep=keep, weight=weight, effort=effort, init=init, n_init=n_init, max_iter=max_iter,
        tol=tol,
    )  # fmt: skip
    settings, word = settings_for(
        k if given is None else given.k,
        space=space,
        effort=effort,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        seed=seed,
        threads=threads,
        keep=keep,
    )
    dithering = Dithering.of(dither, dither_strength, dither_adaptive)
    options.check("pack", pack)
    counting = _size(size, dithering, given, settings.effort)
    targets = Targets.of(quality, min_score, max_bytes)
    kind = format_of(format, target if _is_path(target) else None)
    check_many_colors(kind, settings.k, dithering)
    for wanted in (settings.keep, given):
        check_alpha(kind, wanted)
    if _is_path(target):
        files.check_writable(target, overwrite)
    clock = Clock(on_stage)

    with clock("decode"):
        source, movie = opened(source, limits=limits, icc=icc, metadata=keep_metadata)
        if movie:
            kind = kept_format(format, target if _is_path(target) else None, movie.format)
            check_animation(
                kind, settings.k, settings.keep, given, weight, targets, own=frame_palettes
            )
            if movie.icc and kind == "GIF":  # which holds no profile
                movie = opened(source, limits=limits, icc="srgb", metadata=keep_metadata)[1]
        decoded = movie or load_with_notes(
            source, channels, limits=limits, icc=icc, metadata=keep_metadata
        )
        with_density = preserve or keep_metadata
        decoded = without_what_is_not_held(decoded, kind, with_density)
        kept, left = (decoded.metadata or NONE).held(kind)
    begin: Any = Attempts
    if movie:
        from .animated import AnimatedAttempts  # late: stills, most of all, need not wait for it

        begin = partial(AnimatedAttempts, frame_palettes=frame_palettes)
    attempts = begin(
        decoded, kind, settings, clock,
        dithering=dithering, guard=guard, weight=weight, given=given,
        size=counting,
        encoding={"icc": decoded.icc, "dpi": decoded.dpi if with_density else None, "pack": pack},
        progress=progress,
    )  # fmt: skip
    attempts.metadata = kept
    histogram = attempts.histogram
    if given is not None and strict:
        attempts.refuse_outside(given, _shown(source))
    attempts.recipe = recipe = recipe_of(
        attempts, word, targets,
        size=size, guard=guard, given=given, weight=weight, icc=icc, frame_palettes=frame_palettes,
    )  # fmt: skip
    attempts.former = former_recipe(decoded)
    if embed_recipe:
        attempts.label = _label(asked, decoded)
    known = is_done(decoded, recipe, targets)
    if known:
        word, targets = None, Targets()
    choice = None
    if word:
        with clock("palette"):
            settings, choice = settled(attempts.weighted or histogram, settings, word)
    done: Any
    try:
        k, done, found = _met(targets, attempts, settings.k, size is None, on_try)
    except TargetMissed as error:
        raise TargetMissed(f"{_shown(source)}: {error}") from error
    palette, fit, data = done.palette, done.fit, done.encoded.data
    if not allow_larger:
        _refuse_larger(source, decoded, done, kind, len(histogram), known)
    errors = done.errors
    with clock("write"):
        times_of = Path(source) if preserve and _is_path(source) else None
        _write(target, data, overwrite, times_of)

    return Report(
        source=_name(source),
        target=_name(target),
        format=kind,
        width=decoded.width,
        height=decoded.height,
        bytes_in=decoded.size_bytes,
        bytes_out=len(data),
        distinct_colors=len(histogram),
        k=k,
        colors_used=palette.k,
        palette=palette,
        space=space,
        distortion=errors[space],
        distortion_srgb=errors["srgb"],
        distortion_oklab=errors["oklab"],
        psnr=metrics.psnr_of(errors["srgb"], attempts.channels),
        iterations=fit.iterations,
        effort=fit.effort,
        stop_reason=fit.stop_reason,
        milliseconds=clock.milliseconds,
        notes=(
            *([str(choice)] if choice else []),
            *([_found(found, done.known())] if found else []),
            *_look_notes(targets, done),
            *([REDUCED_TWICE] if attempts.former and not done.lossless else []),
            *decoded.notes,
            *_notes(decoded, palette, fit, k, attempts.hard_edged),
            *(str(region) for region in done.regions),
            *_alpha_notes(histogram, palette, given),
            *_metadata_notes(kept, left, kind),
            *(done.time_notes if movie else ()),
        ),
        dithering=done.dithering,
        size=done.size,
        explain={
            **anatomy.explain(data),
            "input_metadata": max(0, decoded.metadata_bytes - size_of(kept, kind)),
        },
        tried=done.encoded.tried,
        data=data if target is None else None,
        tries=found.tries if found else 1,
        quality=done.known().quality,
        score=done.known().score,
        motion=_motion(movie, frame_palettes) if movie else None,
    )


def _label(asked: dict[str, Any], decoded: Decoded | Animation) -> Label:
    """Return what writes a recipe into the files of attempts."""
    pictures = decoded if isinstance(decoded, Animation) else [decoded.image]
    recipe = Recipe.of(compress, asked, pictures)

    def label(done: Any, data: bytes) -> bytes:
        result, pixels = hash_of_result(*done.mapping), hash_of_pictures(done.results())
        return recipe.of_result(result, pixels).put(data)

    return label


def _motion(movie: Animation, frame_palettes: bool) -> Motion:
    """Return what the report says of an animation."""
    return Motion(len(movie), float(movie.duration), movie.plays, frame_palettes)


def _met(
    targets: Targets,
    attempts: Any,
    k: int,
    any_size: bool,
    on_try: Callable[[Try], object] | None,
) -> tuple[int, Attempt, Found[Attempt] | None]:
    """Return k, the attempt to write, and if there are targets how it was found.

    A quality is the palette's: it decides on k. Scores and bytes are met by how much bytes count in
    mapping, where that is left open: at the same size, that looks better than fewer colors do.
    """
    if not targets:
        return k, attempts.smaller(k) if any_size else attempts(k), None
    tell = None if on_try is None else lambda _, attempt: on_try(attempt.known())
    most, tries, size = min(k, len(attempts.histogram)), 0, attempts.size
    k = most
    if any_size and size and len(attempts.histogram) > k:  # else nothing but k changes anything
        rest = replace(targets, quality=None, asked=None)
        if targets.quality:
            found = meet(replace(targets, min_score=None, max_bytes=None), attempts, k, tell)
            if not rest:
                return found.k, found.attempt, found
            k, tries = found.k, found.tries
        squeezed, more = squeeze(rest, partial(attempts, k), k, size, tell)
        tries += more
        if squeezed:
            if targets.quality:
                squeezed.attempt.ask_quality()
            return k, squeezed.attempt, replace(squeezed, tries=tries)
        size = 0.0 if rest.max_bytes is None else 1.0
    found = meet(targets, partial(attempts, size=size), most, tell)
    return found.k, found.attempt, replace(found, tries=found.tries + tries)


def _found(found: Found[Attempt], reached: Try) -> str:
    """Return the note about a search."""
    tries = "1 try" if found.tries == 1 else f"{found.tries} tries"
    return f"{reached}; {found.reason} ({tries})"


def _given_palette(given: Any, strict: bool, k: int | str, **search: Any) -> Palette | None:
    """Return the palette to map to, if there is one; refuse options that it leaves no place for."""
    if given is None:
        if strict:
            raise BadOption("strict is about a palette; name one, or leave it out")
        return None
    palette = Palette.of(given)
    if k not in (options.OPTIONS["k"].default, palette.k):
        raise BadOption(f"the palette has {_colors(palette.k)}, got k = {k}; leave k out")
    for name, value in search.items():
        default = options.OPTIONS[name].default if name in options.OPTIONS else None
        if value is not default and not (isinstance(value, str) and value == default):
            raise BadOption(f"the palette is given, so there is no use for {name}; leave it out")
    return palette


def _size(asked: float | None, dithering: Dithering, given: Palette | None, effort: str) -> float:
    """Return how much bytes count in mapping: as asked, else as the other options allow."""
    if options.check("size", asked) is None:
        own = given is not None or dithering.method not in ("auto", "none")
        return 0.0 if own or effort == "turbo" else DEFAULT
    if asked and dithering.method not in ("auto", "none", "floyd-steinberg"):
        raise BadOption(
            f"mapping for a small file takes dither auto, none or floyd-steinberg, got "
            f"{dithering.method}; leave size out, or make it 0"
        )
    return float(asked or 0)


def _look_notes(targets: Targets, done: Attempt) -> Iterator[str]:
    """Yield a warning where nothing but bytes was asked for, and hardly a picture is left."""
    if targets.max_bytes is not None and targets.min_score is None and done.score < UNLIKE:
        yield (
            f"hardly like the original any more: {done.score:.0f} points of SSIMULACRA2; "
            f"--min-score {UNLIKE} refuses that"
        )


def _is_path(place: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether `place` names a file; bytes are the content of one."""
    return isinstance(place, str | os.PathLike) and place != STANDARD_OUTPUT


def _name(place: Any) -> str | None:
    """Return the name of a source or target as it is, if it has one."""
    if isinstance(place, str) and place == STANDARD_OUTPUT:
        return "standard output"
    name = place if _is_path(place) else getattr(place, "name", None)
    return os.fsdecode(name) if isinstance(name, str | os.PathLike) else None


def _shown(place: Any, nameless: str = "the image") -> str:
    """Return what a message calls a source or target."""
    name = _name(place)
    return nameless if name is None else files.shown(name)


def _refuse_larger(
    source: Source, decoded: Decoded | Animation, done: Any, kind: str, distinct: int, known: bool
) -> None:
    """Raise NotSmaller unless the result is smaller than the input's file.

    known : the input is the result of the same settings; then a hundredth less is no gain
    """
    before, size, k = decoded.size_bytes, done.size_bytes, done.palette.k
    if before is None or (
        size < before * (0.99 if known else 1) and not _same_but_recipe(decoded, done)
    ):
        return
    if decoded.format == kind and not decoded.notes and done.lossless:
        raise AlreadyCompressed(
            f"{_shown(source)}: already compressed at these settings: "
            f"{_colors(k)} {'takes' if k == 1 else 'take'} {size:,} bytes, the input {before:,}"
        )
    advice = ""
    if distinct > 256 and _is_lossy(source, decoded):
        advice = f"; {ADVICE}"
    take = "takes" if k == 1 else "take"
    raise NotSmaller(
        f"{_shown(source)}: {_colors(k)} as {kind} {take} {size:,} bytes, "
        f"the input {before:,}{advice}; --allow-larger writes it anyway"
    )


def _same_but_recipe(decoded: Decoded | Animation, done: Any) -> bool:
    """Whether all that the result saves is a recipe: those who asked for it shall keep it."""
    if not decoded.recipe or decoded.size_bytes is None or not done.lossless:
        return False
    pixels = decoded.size_bytes - len(decoded.recipe)
    return bool(done.size_bytes - len(labels.RECIPE.find(done.encoded.data)) >= pixels - SLACK)


def _is_lossy(source: Source, decoded: Decoded | Animation) -> bool:
    """Whether the input was stored as a photograph is."""
    data = _bytes_of(source, decoded.size_bytes or 0) if decoded.format == "WEBP" else b""
    return headers.is_lossy(data, decoded.format)


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
    stream: Any = target
    if target == STANDARD_OUTPUT:
        files.check_standard_output()
        stream = sys.stdout.buffer
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        name = _shown(target, "the output")
        raise CannotWrite(f"{name}: cannot be written: {error.strerror}") from error


def _notes(
    decoded: Decoded | Animation, palette: Palette, fit: Fit, k: int, hard_edged: bool
) -> Iterator[str]:
    """Yield what else the user should know about the output."""
    if hard_edged:
        yield "partial transparency became opaque or clear: GIF knows no other"
    if fit.stop_reason == "exact":
        changed = any(word in note for note in decoded.notes for word in CONVERSIONS)
        same = "identical to the converted picture" if changed or hard_edged else "pixel-identical"
        yield f"all {_colors(palette.k)} kept (k = {k:,}): {same}"
    if palette.k > 256 and isinstance(decoded, Decoded):
        yield f"{palette.k:,} colors are too many for indices: stored as truecolor pixels"


def _alpha_notes(histogram: Histogram, palette: Palette, given: Palette | None) -> Iterator[str]:
    """Yield what a palette that was given makes of transparency."""
    if given is None or histogram.opaque:
        return
    alpha = histogram.stored_colors[:, 3]
    entries = palette.colors[:, 3] if palette.colors.shape[1] == 4 else np.full(palette.k, 255)
    if (alpha == 0).any() and not (entries == 0).any():
        pixels = int(histogram.stored_counts[alpha == 0].sum())
        yield f"the palette has no transparent color: {pixels:,} transparent pixels are seen now"
    if (alpha % 255).any() and not (entries % 255).any():
        became = "opaque or clear" if (entries == 0).any() else "opaque"
        yield f"the palette has no partly transparent color: such pixels became {became}"


def _metadata_notes(kept: Metadata, left: Metadata, kind: str) -> Iterator[str]:
    """Yield what was carried over, in how many bytes, and what the format has no place for."""
    if kept:
        yield f"metadata kept: {kept}, {size_of(kept, kind):,} bytes"
    if left:
        yield f"metadata left out: {left}; {_spelled(kind)} has no place for that"


def _spelled(kind: str) -> str:
    return {"WEBP": "WebP"}.get(kind, kind)


def _colors(k: int) -> str:
    return "1 color" if k == 1 else f"{k:,} colors"
