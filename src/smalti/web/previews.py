"""Previews: what the page draws while the slider moves.

    Picture -> region | thumbnail | points | frames, as bytes;  -> [rungs] -> lines

Each is one call of the library, put into bytes that a page can lay a typed array over,
or into lines of JSON. The numbers of the first lines are approximate, and the page says so.
"""

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import choose, estimate, ladder, preview
from ..encode import encode_truecolor
from ..errors import BadOption
from ..histogram import Histogram
from ..image import Image
from ..kmeans import Step
from ..quantize import steps

if TYPE_CHECKING:
    from ..palette import Palette

__all__ = ["estimates", "frames", "points", "region", "rungs", "thumbnail"]

Line = dict[str, Any]

THUMBNAIL = 128  # pixels along the longer side
REGION = 4_000_000  # pixels


def thumbnail(image: Image) -> bytes:
    """Return a small PNG."""
    return encode_truecolor(preview.preview_image(image, max_side=THUMBNAIL), pack="fast")


def region(image: Image, x: int, y: int, w: int, h: int) -> tuple[bytes, str]:
    """Return a part of the picture as RGBA, cut at its edges, and the size of it.

    Raises
    ------
    BadOption : nothing of it is in the picture, or more than 4 megapixels.
    """
    part = image[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)]
    if not part.size or part.shape[0] * part.shape[1] > REGION:
        raise BadOption(f"a region is 1 to {REGION:,} pixels inside the picture")
    height, width = part.shape[:2]
    whole = preview.preview_image(part, max_side=max(height, width), max_pixels=REGION)
    return whole.tobytes(), f"{width}x{height}"


def points(histogram: Histogram, space: str) -> bytes:
    """Return a sample of the colors: where they are, what they look like, and their shares."""
    cloud = preview.cloud(histogram, space=space)
    return b"".join(
        [
            struct.pack("<I", len(cloud.places)),
            cloud.places.astype("<f4").tobytes(),
            cloud.colors.tobytes(),
            cloud.shares.astype("<f4").tobytes(),
        ]
    )


def frames(histogram: Histogram, k: int, space: str, init: str, seed: int) -> bytes:
    """Return the steps of textbook k-means, the seeds first, and why they end."""
    found = list(steps(histogram, k, show_seeds=True, space=space, init=init, seed=seed))
    reason = ((found[-1].stop_reason or "max_iter") if found else "exact").encode()
    entries = len(found[0].centroids) if found else k
    head = struct.pack("<II", entries, len(found))
    return b"".join([head, *map(_frame, found), struct.pack("<I", len(reason)), reason])


def _frame(step: Step) -> bytes:
    before = step.distortion_before if math.isfinite(step.distortion_before) else step.distortion
    return b"".join(
        [
            struct.pack("<Ifff", step.iteration, before, step.distortion, step.shift),
            step.centroids[:, :3].astype("<f4").tobytes(),
            step.counts.astype("<u4").tobytes(),
        ]
    )


def rungs(
    histogram: Histogram,
    first: list[int],
    anchors: dict[int, "Palette"],
    *,
    space: str,
    keep: Any,
) -> Iterator[Line]:
    """Yield palettes, those of `first` before the others; then the curve.

    Some of them are put into `anchors`, for `estimates`.
    """
    sensible = preview.sizes(histogram, keep)
    begin = [min(k, sensible[-1]) for k in first if k >= sensible[0]]
    ks = dict.fromkeys([*begin, *sensible])  # each once, in this order
    for draft in preview.palettes(histogram, ks, space=space, keep=keep, threads=1):
        if draft.k in (*estimate.ANCHORS, sensible[-1]):
            anchors[draft.k] = draft.palette
        yield _palette(draft)
    yield from _curve(histogram, space, keep)


def estimates(
    image: Image, anchors: dict[int, "Palette"], *, space: str, **packing: Any
) -> Iterator[Line]:
    """Yield about how large files of some palettes would be; `packing` is `format` and `pack`."""
    chosen = [anchors[k] for k in sorted(anchors)]
    sizes = estimate.estimate_bytes(image, chosen, space=space, **packing)
    for k, size in zip(sorted(anchors), sizes, strict=True):
        yield {"estimate": {"k": k, "bytes": size}}


def _palette(draft: preview.Draft) -> Line:
    shares = draft.palette.shares
    return {
        "k": draft.k,
        "colors": draft.palette.hex(),
        "shares": None if shares is None else shares.round(6).tolist(),
        "distortion": draft.distortion,
    }


def _curve(histogram: Histogram, space: str, keep: Any) -> Iterator[Line]:
    """Yield the errors of some sizes, measured on all colors, and what they suggest."""
    usual = ladder.rungs(len(histogram))
    for found in preview.curve(histogram, space=space, keep=keep, threads=1):
        if isinstance(found, choose.Point):
            if found.k in usual:
                yield {"curve": _point(found)}
        elif found.method == "visible":
            said = found.suggestions
            yield {
                "suggestion": {"k": found.k, "method": found.method, "reason": found.reason},
                "suggestions": {"visible": said["visible"], "elbow": said["elbow"]},
            }


def _point(point: choose.Point) -> Line:
    psnr = point.psnr if math.isfinite(point.psnr) else None
    return {"k": point.k, "distortion": point.distortion, "psnr": psnr}
