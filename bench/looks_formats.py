"""The same looks in JPEG, lossy WebP and AVIF: what palette PNG costs beside them.

For each image and k, the smallest file of each format whose SSIMULACRA2 is not below smalti's. The
quality is found by bisection, as the score grows with it but for noise. JPEG has the better of
4:2:0 and 4:4:4, and no alpha.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from looks_runs import Store, image_of, pixels, workers
from looks_tools import OURS, tools

__all__ = ["FORMATS", "IMAGES", "KS", "measure_formats"]

Array = np.ndarray
KS = (256, 64)
IMAGES = {
    "Kodak": ("kodim03.png", "kodim05.png", "kodim13.png", "kodim19.png", "kodim23.png"),
    "graphics": (
        "flameshot_large_demo.png",
        "freedoom_title.png",
        "jupyterlab_notebook-ui-documentation-linux.png",
        "kenney_icon.png",
        "noto_1f304.png",
        "pngquant_test.png",
        "squoosh_logo_palette.png",
        "tango_face-monkey.png",
    ),
}

FORMATS: dict[str, tuple[dict[str, Any], ...]] = {
    "JPEG": tuple(
        {"format": "JPEG", "optimize": True, "progressive": True, "subsampling": subsampling}
        for subsampling in ("4:2:0", "4:4:4")
    ),
    "WebP": ({"format": "WEBP", "method": 6},),
    "AVIF": ({"format": "AVIF", "speed": 6},),
}
"""What Pillow's `save` is given beside the quality; of several, the smallest file counts."""


def encoded(image: Array, quality: int, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, quality=quality, **options)
    return file.getvalue()


def smallest(
    image: Array, goal: float, score_of: Callable[[bytes], float], **options: Any
) -> tuple[int, int] | None:
    """Bytes and quality of the first file that scores at least `goal`; None if none does."""
    low, high = 1, 101  # 101: no quality is enough
    best = None
    while low < high:
        middle = (low + high) // 2
        file = encoded(image, middle, **options)
        if score_of(file) >= goal:
            best, high = (len(file), middle), middle
        else:
            low = middle + 1
    return best


def beside(path: Path, k: int, folder: Path, group: str) -> dict[str, Any]:
    """One row of the table: bytes of smalti's file and of the other formats at its score."""
    image_of.cache_clear()
    image, store = image_of(path), Store(folder)
    tool = next(tool for tool in tools(()) if tool.name == OURS)
    file = store.file(tool, path.name, k, lambda: tool.run(image, k))

    def score_of(data: bytes) -> float:
        return store.scores(image, pixels(data, image.shape[2]))["ssimulacra2"]

    goal = score_of(file)
    found = {}
    for name, ways in FORMATS.items():
        if image.shape[2] == 4 and name == "JPEG":
            continue
        done = [smallest(image, goal, score_of, **options) for options in ways]
        found[name] = min((one for one in done if one), default=None)
    return {
        "group": group,
        "image": path.name,
        "k": k,
        "bytes": len(file),
        "score": goal,
        "formats": found,
    }


def measure_formats(
    groups: dict[str, list[Path]],
    ks: tuple[int, ...],
    folder: Path,
    *,
    jobs: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    todo = [
        (group, path, k)
        for group, paths in groups.items()
        for path in paths
        if path.name in IMAGES.get(group, ())
        for k in KS
        if k in ks
    ]
    with workers(jobs) as pool:
        waiting = [pool.submit(beside, path, k, folder, group) for group, path, k in todo]
        rows = []
        for (_, path, k), future in zip(todo, waiting, strict=True):
            rows.append(future.result())
            say(f"other formats: {path.name}, k = {k}")
        return rows
