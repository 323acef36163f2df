"""What every measurement shares: clocks, photographs, errors of 8-bit pixels, the machine's name.

Errors are computed from output pixels only, whoever made them, and not with smalti's own metrics:
a judge should not come from one of the parties.
"""

import csv
import io
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti

__all__ = [
    "best_known",
    "cpu_seconds",
    "environment",
    "machine",
    "mse",
    "oklab_error",
    "photos",
    "ssim",
    "ssimulacra2",
]

THREAD_LIMITS = (
    "OMP_NUM_THREADS",  # scikit-learn, FAISS, ImageMagick
    "OPENBLAS_NUM_THREADS",
    "VIPS_CONCURRENCY",
    "MAGICK_THREAD_LIMIT",
)


def environment(threads: int | None) -> dict[str, str]:
    """Variables of a process with so many threads; None: as many as each library likes.

    Libraries read them when they are loaded, so they are set for a new process.
    """
    variables = {name: value for name, value in os.environ.items() if name not in THREAD_LIMITS}
    if threads is not None:
        variables |= {name: str(threads) for name in THREAD_LIMITS}
        variables["OMP_WAIT_POLICY"] = "passive"  # waiting threads must not burn others' CPU time
    return variables


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU time of this process, all its threads, and what `call` returned."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def photos(data: Path) -> dict[str, np.ndarray]:
    paths = sorted((data / "kodak").glob("*.png"))
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in paths}


def best_known(data: Path) -> dict[tuple[str, int], float]:
    """The lowest distortions known, by file name and k; bounds that anybody may lower."""
    with (data / "best_known_mse_kodak.csv").open() as file:
        rows = [row for row in csv.reader(file) if len(row) == 3 and row[1].isdigit()]
    return {(name, int(k)): float(value) for name, k, value in rows}


def mse(image: np.ndarray, result: np.ndarray) -> float:
    """Mean over pixels of the squared difference, summed over R, G and B."""
    return float(((image.astype(np.int64) - result) ** 2).sum(-1).mean())


# Ottosson (2020), https://bottosson.github.io/posts/oklab/: linear sRGB to LMS, and its cube root
# to Oklab.
RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@cache
def linear_light() -> np.ndarray:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 sRGB to (n, 3) float64 Oklab."""
    return np.cbrt(linear_light()[image.reshape(-1, 3)] @ RGB_TO_LMS.T) @ LMS_TO_LAB.T


def oklab_error(image: np.ndarray, result: np.ndarray) -> float:
    """Mean over pixels of the squared distance in Oklab, times 10,000."""
    return float(((oklab(image) - oklab(result)) ** 2).sum(-1).mean() * 1e4)


def ssim(image: np.ndarray, result: np.ndarray) -> float:
    """scikit-image's SSIM with its 7 x 7 window, the mean over R, G and B."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(image, result, channel_axis=2, data_range=255))


def ssimulacra2(image: np.ndarray, result: np.ndarray) -> float:
    """SSIMULACRA2 of the package of that name: 100 is the same picture, higher is better."""
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(as_file(image), as_file(result)))


def as_file(image: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "ppm")
    file.seek(0)
    return file


def machine() -> str:
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return (
        f"smalti {smalti.__version__}, {model}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {time.strftime('%F')}"
    )
