"""Previews: what the page draws while the slider moves.

    Picture -> pixels | region | points;  Histogram -> [rungs] palettes;  steps -> frames

Each is one call of the library, put into bytes that a page can lay a typed array over.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import choose, color, ladder, metrics, preview
from ..encode import encode_truecolor
from ..errors import BadOption
from ..histogram import Histogram
from ..image import Image
from ..kmeans import Step
from ..quantize import steps
from ..settings import Settings

__all__ = ["frames", "pixels", "points", "preview_size", "region", "rungs", "thumbnail"]

Line = dict[str, Any]

SIDE, MOST = 1024, 800_000
THUMBNAIL = 128
REGION = 4_000_000  # pixels
SAMPLE = 8000


def preview_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a picture is shown while the slider moves."""
    scale = min(1.0, SIDE / max(width, height), math.sqrt(MOST / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _shrunk(image: Image, size: tuple[int, int]) -> Image:
    from PIL import Image as Pictures

    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(Pictures.fromarray(image).resize(size, Pictures.Resampling.BOX))


def _rgba(image: Image) -> bytes:
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(image).tobytes()


def pixels(image: Image) -> tuple[bytes, str]:
    """Return the preview as RGBA, and its size as text."""
    size = preview_size(image.shape[1], image.shape[0])
    return _rgba(_shrunk(image, size)), f"{size[0]}x{size[1]}"


def thumbnail(image: Image) -> bytes:
    """Return a small PNG."""
    scale = min(1.0, THUMBNAIL / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return encode_truecolor(_shrunk(image, size), pack="fast")


def region(image: Image, x: int, y: int, w: int, h: int) -> tuple[bytes, str]:
    """Return a part of the picture as RGBA, cut at its edges, and the size of it."""
    part = image[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)]
    if not part.size or part.shape[0] * part.shape[1] > REGION:
        raise BadOption(f"a region is 1 to {REGION:,} pixels inside the picture")
    return _rgba(part), f"{part.shape[1]}x{part.shape[0]}"


def points(histogram: Histogram, space: str) -> bytes:
    """Return a sample of the colors: where they are, what they look like, and their shares."""
    colors, counts = histogram.stored_colors, histogram.stored_counts
    visible = colors[:, -1] > 0 if histogram.channels == 4 else np.ones(len(colors), bool)
    if visible.any():
        colors, counts = np.ascontiguousarray(colors[visible]), counts[visible]
    if len(colors) > SAMPLE:
        ends = np.cumsum(np.sqrt(counts))
        at = (np.arange(SAMPLE) + 0.5) / SAMPLE * ends[-1]
        rows = np.unique(np.searchsorted(ends, at))
        colors, counts = np.ascontiguousarray(colors[rows]), counts[rows]
    places = color.to_points(colors, space)[:, :3] / color.UNITS[space]
    return b"".join(
        [
            struct.pack("<I", len(colors)),
            places.astype("<f4").tobytes(),
            _rgba(colors[None]),
            (counts / counts.sum()).astype("<f4").tobytes(),
        ]
    )


def frames(histogram: Histogram, k: int, space: str, init: str, seed: int) -> bytes:
    """Return the steps of textbook k-means, the seeds first."""
    found = list(steps(histogram, k, show_seeds=True, space=space, init=init, seed=seed))
    reason = (found[-1].stop_reason or "max_iter") if found else "exact"
    words = reason.encode()
    count = len(found[0].centroids) if found else k
    return b"".join(
        [
            struct.pack("<II", count, len(found)),
            *map(_frame, found),
            struct.pack("<I", len(words)),
            words,
        ]
    )


def _frame(step: Step) -> bytes:
    before = step.distortion_before if math.isfinite(step.distortion_before) else step.distortion
    return b"".join(
        [
            struct.pack("<Ifff", step.iteration, before, step.distortion, step.shift),
            step.centroids[:, :3].astype("<f4").tobytes(),
            step.counts.astype("<u4").tobytes(),
        ]
    )


def rungs(histogram: Histogram, space: str, keep: Any, first: list[int]) -> Iterator[Line]:
    """Yield the lines of the ladder: palettes, the curve, and what it suggests."""
    sensible = preview.sizes(histogram, keep)
    begin = [min(k, sensible[-1]) for k in first if k >= sensible[0]]
    ks = dict.fromkeys([*begin, *sensible])  # each once, in this order
    for draft in preview.palettes(histogram, ks, space=space, keep=keep):
        yield _palette_line(draft)
    yield from _curve(histogram, Settings.of(preview.MOST, effort="turbo", space=space, keep=keep))
    yield {"done": True}


def _palette_line(draft: preview.Draft) -> Line:
    shares = draft.palette.shares
    return {
        "k": draft.k,
        "colors": draft.palette.hex(),
        "shares": None if shares is None else shares.round(6).tolist(),
        "distortion": draft.distortion,
    }


def _curve(histogram: Histogram, settings: Settings) -> Iterator[Line]:
    """Yield the errors of a few sizes, of palettes fitted to all colors, and what they suggest."""
    found: list[Line] = []
    choice = choose.of_histogram(
        histogram, settings, "visible", lambda rung: found.append(_point(histogram, rung))
    )
    yield from ({"curve": point} for point in found if point["k"] in ladder.rungs(len(histogram)))
    said = choice.suggestions
    yield {
        "suggestion": {"k": choice.k, "method": choice.method, "reason": choice.reason},
        "suggestions": {"visible": said["visible"], "elbow": said["elbow"]},
    }


def _point(histogram: Histogram, rung: ladder.Rung) -> Line:
    colors, counts = histogram.stored_colors, histogram.stored_counts
    error = metrics.distortion(colors, rung.palette.colors[rung.labels], "srgb", weights=counts)
    psnr = metrics.psnr_of(error, histogram.channels)
    return {
        "k": rung.k,
        "distortion": rung.distortion,
        "psnr": psnr if math.isfinite(psnr) else None,
    }
