"""What dithering costs and gives: bytes, SSIMULACRA2 and Butteraugli, and its time.

    python bench/dithering.py DATA [-k K]... [PICTURE...]        DATA holds kodak/ and graphics/

For k = 16, 64 and 256 unless told otherwise: without dithering, Floyd–Steinberg everywhere, only
where bands would show, and what `auto` decides; the same palette for all, stored as PNG by
smalti. At k = 256 beside imagequant at its default, dithering 1.0. Pictures with
alpha are judged on white. Butteraugli (3-norm) needs `butteraugli_main`; without it
the column is empty.
"""

import argparse
import math
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti
from measure import machine, ssimulacra2
from smalti import dither, encode
from smalti.load import load

KS = (16, 64, 256)
LARGEST = 1_200_000  # pixels; the judges take seconds for each megapixel
WAYS: dict[str, dict[str, Any]] = {
    "none": {"dither": "none"},
    "everywhere": {"dither": "floyd-steinberg", "dither_adaptive": False},
    "where needed": {"dither": "floyd-steinberg"},
    "auto": {"dither": "auto"},
}


@dataclass
class Look:
    """One picture, one way: bytes and what the judges say."""

    size: int
    ssimulacra2: float
    butteraugli: float
    alpha_error: float


def on_white(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 3:
        return image
    alpha = image[..., 3:].astype(float) / 255
    return np.floor(image[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)


def butteraugli(image: np.ndarray, result: np.ndarray) -> float:
    """The 3-norm; lower is better."""
    if not shutil.which("butteraugli_main"):
        return math.nan
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{name}.png" for name in ("image", "result")]
        for name, pixels in zip(names, (image, result), strict=True):
            Image.fromarray(pixels).save(name, compress_level=0)
        done = subprocess.run(["butteraugli_main", *names, "--pnorm", "3"], check=True,
                              capture_output=True, text=True)  # fmt: skip
    return float(done.stdout.split()[-1])


def look(image: np.ndarray, palette: np.ndarray, indices: np.ndarray) -> Look:
    result = palette[indices]
    data = encode.encode(indices, np.ascontiguousarray(palette))
    alpha = 0.0
    if image.shape[2] == 4:
        theirs = result[..., 3] if result.shape[2] == 4 else np.uint8(255)
        alpha = float(np.abs(image[..., 3].astype(float) - theirs).mean())
    before, after = on_white(image), on_white(result)
    return Look(len(data), ssimulacra2(before, after), butteraugli(before, after), alpha)


def by_imagequant(image: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    import imagequant

    height, width, channels = image.shape
    rgba = image if channels == 4 else np.dstack([image, np.full((height, width), 255, np.uint8)])
    raw, colors = imagequant.quantize_raw_rgba_bytes(rgba.tobytes(), width, height, max_colors=k)
    indices = np.frombuffer(raw, np.uint8).reshape(height, width)
    palette = np.array(colors, np.uint8).reshape(-1, 4)[: int(indices.max()) + 1]
    return palette[:, :channels], indices


def looks(image: np.ndarray, k: int) -> Iterator[tuple[str, Look]]:
    palette: Any = None
    done: dict[bytes, Look] = {}
    for name, options in WAYS.items():
        indexed = smalti.quantize(image, k, threads=1, **options)
        assert palette is None or np.array_equal(palette, indexed.palette)
        palette, key = indexed.palette, indexed.indices.tobytes()
        done[key] = done.get(key) or look(image, palette, indexed.indices)
        yield name, done[key]
    if k == 256:
        yield "imagequant", look(image, *by_imagequant(image, k))


def seconds(call: Callable[[], Any], runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def speed(image: np.ndarray) -> str:
    """Nanoseconds per pixel at k = 256, one thread, given palette and undithered indices."""
    indexed = smalti.quantize(image, 256, dither="none", threads=1)
    palette, indices = indexed.palette, indexed.indices
    everywhere = np.full(indices.shape, dither.FULL, np.uint8)
    needed = dither.strengths(image, palette, indices)
    calls = {
        "finding bands": lambda: dither.strengths(image, palette, indices),
        "everywhere": lambda: dither.dithered(
            image, palette, indices, "oklab", "floyd-steinberg", everywhere
        ),
        "everywhere, srgb": lambda: dither.dithered(
            image, palette, indices, "srgb", "floyd-steinberg", everywhere
        ),
        "where needed": lambda: dither.dithered(
            image, palette, indices, "oklab", "floyd-steinberg", needed
        ),
    }
    return ", ".join(f"{n} {seconds(c) * 1e9 / indices.size:.1f}" for n, c in calls.items())


def main() -> None:
    parser = argparse.ArgumentParser(description="Costs and gains of dithering.")
    parser.add_argument("data", type=Path)
    parser.add_argument("pictures", nargs="*", help="stems; all that are not too large if none")
    parser.add_argument("-k", type=int, action="append")
    given = parser.parse_intermixed_args()
    print(machine(), end="\n\n")
    print("| picture | k | " + " | ".join([*WAYS, "imagequant"]) + " |")
    print("| --- | ---: |" + " --- |" * (len(WAYS) + 1), flush=True)
    found: dict[tuple[str, int], list[dict[str, Look]]] = {}
    for folder in ("kodak", "graphics"):
        for path in sorted((given.data / folder).glob("*.png")):
            if given.pictures and path.stem not in given.pictures:
                continue
            image = load(path, "rgb")
            if image.shape[0] * image.shape[1] > LARGEST:
                continue
            for k in given.k or KS:
                row = dict(looks(image, k))
                found.setdefault((folder, k), []).append(row)
                cells = [
                    f"{x.size:,} {x.ssimulacra2:.2f} {x.butteraugli:.3f}"
                    + (f" α {x.alpha_error:.3f}" if image.shape[2] == 4 else "")
                    for x in row.values()
                ]
                print(f"| {path.stem} | {k} | " + " | ".join(cells) + " |", flush=True)
    print("\nMeans: bytes relative to none (geometric), SSIMULACRA2, Butteraugli, error of alpha\n")
    for (folder, k), rows in found.items():
        for name in rows[0]:
            ratio = statistics.geometric_mean(row[name].size / row["none"].size for row in rows)
            scores = [
                statistics.mean(getattr(row[name], field) for row in rows)
                for field in ("ssimulacra2", "butteraugli", "alpha_error")
            ]
            print(f"{folder} {k:3} {name:12} {100 * (ratio - 1):+6.1f} %  "
                  f"{scores[0]:6.2f}  {scores[1]:.3f}  {scores[2]:.3f}")  # fmt: skip
        if k == 256:
            below = sum(r["auto"].ssimulacra2 < r["imagequant"].ssimulacra2 for r in rows)
            larger = sum(r["auto"].size > r["imagequant"].size for r in rows)
            print(f"{folder} {k}: auto is below imagequant on {below} of {len(rows)}, "
                  f"larger on {larger}")  # fmt: skip
    print("\nTime in ns per pixel at k = 256, one thread")
    for path in sorted((given.data / "kodak").glob("*.png"))[4::6]:
        print(f"{path.stem}: {speed(load(path, 'rgb'))}")


if __name__ == "__main__":
    main()
