"""Prints the figures that smalti is held to, as ratios to rivals in the same run.

    python bench/figures.py --data FOLDER [--output PAGE] [distortion | speed | ... ]

With --output, the lines also become a page of the documentation. FOLDER holds kodak/*.png and
best_known_mse_kodak.csv. Times are CPU times of one thread unless a line says wall; every ratio is
taken pair by pair on the same pixels, and the median is printed. MSE is the mean over pixels of the
squared difference summed over R, G and B, of 8-bit output.
"""

import argparse
import hashlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import mean, median

import numpy as np
from PIL import Image

import smalti
from measure import best_known, cpu_seconds, machine, mse, photos
from rivals import EFFORTS, OURS, RIVALS, Quantizer, measure, ours
from smalti.ladder import climb, rungs
from smalti.settings import Settings

KS = (16, 64, 256)
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # set by `make figures`, for all rivals
SAID: list[str] = []
SMALTI = [str(Path(sys.executable).with_name("smalti"))]


def say(line: str) -> None:
    print(line, flush=True)
    SAID.append(line)


def distortion(data: Path) -> None:
    """Unrounded distortion of every effort against the best known, in srgb."""
    best = best_known(data)
    say('quantize(image, k, space="srgb", effort=...): unrounded distortion / best known')
    exact = [effort for effort in EFFORTS if effort != "turbo"]  # that one counts cells
    for effort, k in itertools.product(exact, KS):
        ratios = [
            smalti.quantize(image, k, space="srgb", effort=effort, dither="none").fit.distortion
            / best[name, k]
            for name, image in photos(data).items()
        ]
        say(
            f"  {effort:8} k={k:3}  mean {mean(ratios):.4f}  worst {max(ratios):.4f}  "
            f"lowest {min(ratios):.4f}  (below the best known on {sum(r < 1 for r in ratios)} "
            f"of {len(ratios)} photos)"
        )


def row(name: str) -> Quantizer:
    """A rival, or a preset, as the wide comparison calls it."""
    return next(quantizer for quantizer in (*OURS, *RIVALS) if quantizer.name == name)


def speed(data: Path) -> None:
    """Time and 8-bit MSE of an array's quantization against imagequant and scikit-learn."""
    say('smalti: quantize(image, k, space="srgb", effort=..., threads=1), no dithering')
    say("imagequant: quantize_raw_rgba_bytes(raw, w, h, dithering_level=0, max_colors=k)")
    say("Pillow FASTOCTREE: picture.quantize(k, FASTOCTREE, dither=NONE)")
    say("scikit-learn: KMeans(k, n_init=1).fit(all pixels, float32), one thread, 2 photos")
    images = list(photos(data).values())
    for effort, k in itertools.product(EFFORTS, KS):
        compare("imagequant", row("imagequant"), images, k, effort, runs=3)
    for k in KS:
        compare("FASTOCTREE", row("Pillow FASTOCTREE"), images, k, "turbo", runs=7)
    for k in KS:
        rival = row("scikit-learn KMeans")
        compare("scikit-learn", rival, images[2::20], k, "default", runs=1)


def compare(
    name: str,
    rival: Quantizer,
    images: list[np.ndarray],
    k: int,
    effort: str,
    runs: int,
) -> None:
    times, errors = [], []
    preset = row(ours(effort, "srgb"))
    measure(rival, images[0][:64, :64], 16, 1)  # what is loaded at the first call is not timed
    for image in images:
        pairs = [(measure(preset, image, k, 1), measure(rival, image, k, 1)) for _ in range(runs)]
        times.append(median(own.cpu / theirs.cpu for own, theirs in pairs))
        errors.append(mse(image, pairs[0][0].pixels) / mse(image, pairs[0][1].pixels))
    say(
        f"  {effort:8} k={k:3}  smalti / {name:12}  time {median(times):.4f}  "
        f"(1/{1 / median(times):.0f})  MSE mean {mean(errors):.3f} worst {max(errors):.3f}"
    )


def run_wall(command: list[str]) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def command(data: Path) -> None:
    """The commands, whole: one file and all, wall time and bytes, against pngquant."""
    if not shutil.which("pngquant"):
        say("pngquant is not installed: apt-get install pngquant")
        return
    files = [str(path) for path in sorted((data / "kodak").glob("*.png"))]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        theirs.mkdir()
        copies = [shutil.copy(path, theirs) for path in files]

        def smalti_files(some: list[str]) -> float:
            shutil.rmtree(ours, ignore_errors=True)
            return run_wall([*SMALTI, "compress", "-q", "-k", "256", "--out-dir", str(ours), *some])

        def pngquant_files(some: list[str]) -> float:
            return run_wall(["pngquant", "--nofs", "--force", "256", *some])

        many = median(smalti_files(files) / pngquant_files(copies) for _ in range(3))
        size = sum(path.stat().st_size for path in ours.iterdir())
        rival_size = sum(path.stat().st_size for path in theirs.glob("*-fs8.png")) or sum(
            path.stat().st_size for path in theirs.glob("*-or8.png")
        )
        one = median(smalti_files(files[:1]) / pngquant_files(copies[:1]) for _ in range(11))
    say("smalti compress -k 256 / pngquant --nofs 256 (wall)")
    say(f"  24 files in one command  time {many:.3f}  bytes {size / rival_size:.3f}")
    say(f"  one file                 time {one:.3f}")


def ladder(data: Path) -> None:
    """Palettes of all sizes of the default ladder, alone and with files and metrics."""
    say("smalti.sweep(image, threads=1), all sizes of the default ladder (CPU, medians)")
    small = next(iter(photos(data).values()))
    large = sorted((data / "large").glob("*.jpg"), key=lambda path: path.stat().st_size)
    pictures = {"0.4 MP": small}
    if large:
        pictures["24 MP"] = np.asarray(Image.open(large[-1]).convert("RGB"))
    for name, image in pictures.items():
        histogram = smalti.Histogram.of(image)
        settings = Settings.of(1, threads=1)
        ks = rungs(len(histogram))
        palettes = median(
            cpu_seconds(lambda: list(climb(histogram, ks, settings)))[0]  # noqa: B023
            for _ in range(5)
        )
        say(f"  {name}: {len(ks)} palettes {palettes:.2f} s, {len(histogram):,} colors")
    whole = median(cpu_seconds(lambda: smalti.sweep(small, threads=1))[0] for _ in range(3))
    say(f"  0.4 MP: with PNG files, PSNR and SSIM {whole:.2f} s")


def choices(data: Path) -> None:
    """What the methods of choosing k say of photographs."""
    say("smalti.choose_k(image).suggestions, and the elbow with the distortion on a log axis")
    found: dict[str, list[int]] = {}
    for image in photos(data).values():
        choice = smalti.choose_k(image)
        for method, k in choice.suggestions.items():
            found.setdefault(method, []).append(k or choice.k)
        curve = [(point.k, math.log(point.distortion)) for point in choice.curve]
        found.setdefault("elbow, log-log", []).append(smalti.elbow(*zip(*curve, strict=True)))
    for method, ks in found.items():
        common, times = Counter(ks).most_common(1)[0]
        say(
            f"  {method:14}  k from {min(ks)} to {max(ks)}, median {median(ks):.0f}, "
            f"most often {common} ({times} of {len(ks)})"
        )


def startup(data: Path) -> None:
    """What starting costs before any pixel is touched, and where one file's time goes."""

    def typical(*arguments: str) -> float:
        return median(run_wall([*arguments]) for _ in range(15)) * 1e3

    python = typical(sys.executable, "-c", "pass")
    numpy = typical(sys.executable, "-c", "import numpy")
    library = typical(sys.executable, "-c", "import numpy, smalti")
    say(f"import smalti: {library - numpy:.0f} ms over import numpy (wall, medians)")
    say(f"smalti --version: {typical(*SMALTI, '--version'):.0f} ms")
    file = str(data / "kodak" / "kodim01.png")
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            *SMALTI,
            "compress",
            file,
            "-k",
            "256",
            "--json",
            "-f",
            "-o",
            f"{folder}/o.png",
        ]
        whole = typical(*arguments)
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    stages = json.loads(done.stdout)["milliseconds"]
    inside = ", ".join(f"{name} {ms:.0f}" for name, ms in stages.items() if ms >= 0.5)
    say(f"one file, k = 256: {whole:.0f} ms: {inside}; the rest is Python ({python:.0f}), numpy")
    say(f"  ({numpy - python:.0f}, less without its threads), smalti and the command line")


def digest(image: np.ndarray, threads: int) -> str:
    result = smalti.quantize(image, 64, dither="none", threads=threads)
    return hashlib.sha256(result.palette.tobytes() + result.indices.tobytes()).hexdigest()


def determinism(data: Path) -> None:
    """One hash of palette and indices per image over CPU levels and thread counts."""
    if "SMALTI_DIGEST" in os.environ:  # a child: one level, all thread counts
        for name, image in photos(data).items():
            print(name, *{digest(image, threads) for threads in (1, 2, 8)})
        return
    outputs = set()
    for level in ("v2", "v3", "v4"):
        environment = {**os.environ, "SMALTI_ISA": level, "SMALTI_DIGEST": "1"}
        child = [sys.executable, __file__, "--data", str(data), "determinism"]
        done = subprocess.run(child, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"  level {level}: this CPU does not have it")
        else:
            outputs.add(done.stdout)
    lines = [line for output in outputs for line in output.splitlines()]
    same = len(outputs) == 1 and all(len(line.split()) == 2 for line in lines)
    say(f"one SHA-256 per image over v2, v3, v4 x 1, 2, 8 threads: {'yes' if same else 'NO'}")


FIGURES = {
    f.__name__: f for f in (distortion, speed, ladder, choices, command, startup, determinism)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("figures", nargs="*", default=list(FIGURES), metavar="|".join(FIGURES))
    arguments = parser.parse_args()
    if "SMALTI_DIGEST" not in os.environ:
        say(machine())
    for name in arguments.figures:
        FIGURES[name](arguments.data)
    if arguments.output:
        arguments.output.write_text(PAGE.format("\n".join(SAID)), encoding="utf-8")


PAGE = """\
# Figures

Written by `make figures`; not edited by hand. The photographs are the Kodak set. Ratios are
taken within one run: below 1, smalti is faster or its error lower.

```text
{}
```
"""


if __name__ == "__main__":
    main()
