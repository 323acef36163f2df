"""Small calls of all kinds, and the digests of what they return: for threads and processes."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
from pictures import draw, photo
from PIL import Image
from process import file_of, picture

import smalti

__all__ = ["CALLS", "digest_of"]

SMOOTH, CUT = photo(1, 64), draw("gradient", 4, 2, 50, 60)
FILE = file_of(picture())
PALETTE = np.random.default_rng(1).integers(0, 256, (40, 3), np.uint8)


def _quantize(image: np.ndarray, k: int, **options: object) -> Callable[[], bytes]:
    def call() -> bytes:
        small = smalti.quantize(image, k, **options)
        return small.palette.tobytes() + small.indices.tobytes()

    return call


def _compress(**options: object) -> bytes:
    """Return what is promised of a file: its colors and pixels, not the encoder's bytes."""
    report = smalti.compress(FILE, **options)
    pixels = Image.open(io.BytesIO(report.data)).convert("RGBA").tobytes()
    return report.palette.colors.tobytes() + pixels


CALLS: dict[str, Callable[[], bytes]] = {
    "default": _quantize(SMOOTH, 64),
    "best, two threads": _quantize(SMOOTH, 256, effort="best", threads=2),
    "turbo": _quantize(SMOOTH, 16, effort="turbo"),
    "alpha": _quantize(CUT, 32),
    "diffused": _quantize(SMOOTH, 8, dither="floyd-steinberg"),
    "ordered": _quantize(CUT, 8, dither="blue-noise"),
    "srgb": _quantize(SMOOTH, 32, space="srgb", init="k-means++", n_init=2),
    "palette": lambda: smalti.apply_palette(SMOOTH, PALETTE).indices.tobytes(),
    "file": lambda: _compress(k=32, threads=2),
    "size": lambda: _compress(k=32, size=0.5),
    "histogram": lambda: smalti.Histogram.of(CUT).colors.tobytes(),
    "score": lambda: repr(smalti.metrics.ssimulacra2(SMOOTH, SMOOTH // 8 * 8)).encode(),
    "number": lambda: repr(smalti.choose_k(SMOOTH).k).encode(),
}


def digest_of(name: str) -> str:
    """Make one of the calls, and return the SHA-256 of its result."""
    return hashlib.sha256(CALLS[name]()).hexdigest()
