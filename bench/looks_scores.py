"""What the page of looks measures of an output: how it looks, and what became of its alpha.

Pixels with alpha are seen against something, so such images are put on black, on white and on a
gray checkerboard, and the worst of the three counts: a halo shows on one of them only.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from looks_tools import as_png
from measure import oklab_error, ssimulacra2

__all__ = ["AXES", "butteraugli", "on_backgrounds", "scores"]

Array = np.ndarray

AXES = {"ssimulacra2": "SSIMULACRA2", "butteraugli": "Butteraugli", "oklab": "Oklab error"}
CHECKER = (102, 153)  # the two grays that image editors show behind transparency
SQUARE = 8


def scores(image: Array, result: Array) -> dict[str, Any]:
    """All that is measured of `result` (H, W, 3|4) uint8 against `image`."""
    pairs = list(zip(on_backgrounds(image, result), on_backgrounds(result, image), strict=True))
    found = {
        "ssimulacra2": min(ssimulacra2(*pair) for pair in pairs),
        "butteraugli": max(butteraugli(*pair) for pair in pairs),
        "oklab": max(oklab_error(*pair) for pair in pairs),
        "misplaced": misplaced(image, result),
    }
    return found | (alpha_errors(image, result) if has_alpha(image) else {})


def has_alpha(image: Array) -> bool:
    return image.shape[2] == 4 and bool(image[..., 3].min() < 255)


def on_backgrounds(image: Array, other: Array) -> Iterator[Array]:
    """The image as it is seen: one picture if neither has alpha, else three."""
    if not has_alpha(image) and not has_alpha(other):
        yield np.ascontiguousarray(image[..., :3])
        return
    rows, columns = (np.arange(side) // SQUARE for side in image.shape[:2])
    checker = np.array(CHECKER)[(rows[:, None] + columns) % 2]
    for ground in (np.zeros_like(checker), np.full_like(checker, 255), checker):
        yield composite(image, ground[..., None])


def composite(image: Array, ground: Array) -> Array:
    """Blended in sRGB, as browsers do, and rounded to 8 bits."""
    colors, alpha = with_alpha(image)
    return np.rint((colors * alpha + ground * (255 - alpha)) / 255).astype(np.uint8)


def with_alpha(image: Array) -> tuple[Array, Array]:
    """Colors (H, W, 3) and alpha (H, W, 1), as int64."""
    whole = image.astype(np.int64)
    if image.shape[2] == 4:
        return whole[..., :3], whole[..., 3:]
    return whole, np.full_like(whole[..., :1], 255)


def butteraugli(image: Array, result: Array) -> float:
    """Libjxl's Butteraugli with its 3-norm: 0 is the same picture, lower is better."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("a.png", "b.png")]
        for path, pixels in zip(paths, (image, result), strict=True):
            path.write_bytes(as_png(pixels))
        line = ["butteraugli_main", *map(str, paths), "--pnorm", "3"]
        done = subprocess.run(line, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1].split()[-1])


def alpha_errors(image: Array, result: Array) -> dict[str, float]:
    """Errors of alpha, and of the color at edges: a halo is a wrong color under partial alpha.

    `edge` is of colors premultiplied by alpha, summed over R, G and B, mean over the partially
    transparent pixels; `shown` counts clear pixels that are no longer, `veiled` opaque ones.
    """
    (colors, alpha), (stored, stored_alpha) = with_alpha(image), with_alpha(result)
    edge = (alpha > 0) & (alpha < 255)
    difference = (colors * alpha - stored * stored_alpha) / 255
    return {
        "alpha": float(((alpha - stored_alpha) ** 2).mean()),
        "edge": float((difference**2).sum(-1)[edge[..., 0]].mean()) if edge.any() else 0.0,
        "shown": int(((alpha == 0) & (stored_alpha > 0)).sum()),
        "veiled": int(((alpha == 255) & (stored_alpha < 255)).sum()),
    }


def misplaced(image: Array, result: Array) -> int:
    """Pixels whose own color is in the output somewhere, but not where they are."""
    before, after = packed_colors(image), packed_colors(result)
    wrong = before != after
    return int((np.isin(before, np.unique(after)) & wrong).sum())


def packed_colors(image: Array) -> Array:
    """One integer per pixel; all clear pixels are one color."""
    colors, alpha = with_alpha(image)
    whole = np.concatenate([colors, alpha], axis=-1) * (alpha > 0)
    return whole @ np.array([1 << 24, 1 << 16, 1 << 8, 1])
