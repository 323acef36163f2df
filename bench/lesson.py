"""Draws the figures of docs/lesson.md and writes its measured numbers: with the code of the page.

    python bench/lesson.py --page docs/lesson.md

The functions are those of the page's own Python blocks, run on examples/demo.png. What was measured
goes between the markers `<!-- measured: NAME -->` and `<!-- end -->`.
"""

import argparse
import io
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti
from measure import cpu_seconds, machine
from smalti import plots

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "examples" / "demo.png"
SHOWN = (2, 4, 16, 64)
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
CURVE = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
K = 16  # of the race, and of the local optima
MIXED = (8, 16)
MIXED_ITERATIONS = 60

Names = dict[str, Any]


def functions_of(page: str) -> Names:
    """Run the Python blocks of the page beside a photo.png; return what they made."""
    names: Names = {"__name__": "lesson"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DEMO, Path(folder) / "photo.png")
        os.chdir(folder)
        try:
            for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
                exec(block, names)
        finally:
            os.chdir(before)
    return names


def write(page: str, name: str, text: str) -> str:
    """Return the page with `text` between the markers of that name."""
    pattern = rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)"
    changed, count = re.subn(pattern, lambda m: m[1] + text + m[2], page, flags=re.DOTALL)
    assert count == 1, name
    return changed


# ---------------------------------------------------------------- numbers


def mixed(lesson: Names) -> str:
    """Assign by L1 distance and update to the mean, and watch the L1 cost."""
    points, weights = lesson["points"], lesson["counts"]
    sentences = []
    for k in MIXED:
        centroids, rises = lesson["draw_seeds"](points, weights, k), 0
        costs: list[float] = []
        for _ in range(MIXED_ITERATIONS):
            table = np.stack([np.abs(points - centroid).sum(1) for centroid in centroids])
            labels = table.argmin(0)
            costs.append(float(np.average(table.min(0), weights=weights)))
            rises += len(costs) > 1 and costs[-1] > costs[-2]
            moved = lesson["update"](points, weights, labels, centroids)
            if np.array_equal(moved, centroids):
                break
            centroids = moved
        sentences.append(f"at k = {k} it *rose* in {rises} of {len(costs)} iterations")
    listed = ", and ".join(sentences)
    return f"On this picture, with the cost measured in L1 as well, {listed}.\n"


def bytes_of(picture: Image.Image) -> int:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.tell()


def sizes(lesson: Names) -> str:
    """Sizes of the page's own files, with and without a palette."""
    image = lesson["image"]
    original = bytes_of(Image.fromarray(image))
    lines = [
        f"The picture of this lesson ({image.shape[1]} × {image.shape[0]} pixels) takes "
        f"{original:,} bytes as a 24-bit PNG of Pillow's with `optimize=True`. In k colors, "
        "written the same way:",
        "",
        "| k | J of one start, in 8 bits | palette and indices | the same pixels, 24 bits each |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for k in SIZES:
        seeds = lesson["draw_seeds"](lesson["points"], lesson["counts"], k)
        palette, indices = lesson["quantize"](image, seeds)
        cost = lesson["distortion"](lesson["points"], lesson["counts"], palette.astype(float))
        indexed = Image.fromarray(indices.astype(np.uint8), "P")
        indexed.putpalette(palette.tobytes())
        plain = Image.fromarray(palette[indices])
        lines.append(f"| {k} | {cost:,.1f} | {bytes_of(indexed):,} | {bytes_of(plain):,} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def speed(lesson: Names) -> str:
    """The page's code against the library on the whole picture: the same seeds, the same end."""
    whole = np.asarray(Image.open(DEMO).convert("RGB"))
    colors, counts = lesson["count_colors"](whole)
    seeds = lesson["draw_seeds"](colors, counts, K)
    slow, (palette, _) = cpu_seconds(lambda: lesson["quantize"](whole, seeds.astype(float)))
    points = colors.astype(float)

    def cost(palette: np.ndarray) -> float:
        return float(lesson["distortion"](points, counts, palette.astype(float)))

    def timed(call: Callable[[], smalti.IndexedImage]) -> tuple[float, smalti.IndexedImage]:
        call()  # what is loaded on first use
        runs = [cpu_seconds(call) for _ in range(7)]
        return sorted(seconds for seconds, _ in runs)[3], runs[0][1]

    common: Names = {"space": "srgb", "threads": 1}
    lloyd = {"effort": "lloyd", "tol": 0, "max_iter": 100_000, "init": seeds}
    same, ours = timed(lambda: smalti.quantize(whole, K, dither="none", **common, **lloyd))
    quick, found = timed(lambda: smalti.quantize(whole, K, dither="none", **common))
    rows = (
        ("this page", slow, cost(palette), "until nothing moves"),
        ("smalti, `effort=\"lloyd\"`, `tol=0`, the same seeds", same, cost(ours.palette),
         f"until nothing moves: {ours.fit.iterations} iterations"),
        ("smalti, default effort and seeds", quick, cost(found.palette), "a search"),
    )  # fmt: skip
    lines = [
        f"The whole picture ({whole.shape[1]} × {whole.shape[0]} pixels, {len(colors):,} colors), "
        f"k = {K}, in RGB, CPU time from pixels to indices with one thread "
        f"({machine()}; the fast ones: median of 7 runs):",
        "",
        "| | seconds | times faster | distortion J of the 8-bit palette | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {name} | {seconds:.3g} | {slow / seconds:,.0f} | {value:.2f} | {note} |"
        for name, seconds, value, note in rows
    ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- figures


def keep(figure: Any, path: Path, k: int = 64) -> None:
    """Write a figure as a palette PNG, by the program it is about."""
    buffer = io.BytesIO()
    Image.fromarray(plots.pixels_of(figure)).save(buffer, "PNG")
    smalti.compress(buffer.getvalue(), path, k=k, dither="none", overwrite=True)
    print(path, f"{path.stat().st_size:,} bytes", flush=True)


def draw_palettes(lesson: Names, path: Path) -> None:
    image = lesson["image"]
    with plots.style():
        figure = plots.new_figure(11, 1.7)
        panels = figure.subplots(1, 1 + len(SHOWN))
        panels[0].imshow(image)
        panels[0].set_title(f"{len(lesson['colors']):,} colors", fontsize=10)
        for panel, k in zip(panels[1:], SHOWN, strict=True):
            seeds = lesson["draw_seeds"](lesson["points"], lesson["counts"], k)
            palette, indices = lesson["quantize"](image, seeds)
            panel.imshow(palette[indices])
            panel.set_title(f"k = {k}", fontsize=10)
        for panel in panels:
            panel.axis("off")
    keep(figure, path, 256)


def draw_mean(path: Path) -> None:
    values = np.array([20, 30, 35, 60, 215])
    places = np.linspace(0, 255, 511)
    gaps = np.abs(values[:, None] - places)
    curves = (
        ("Sum of squares", (gaps**2).sum(0), values.mean(), "mean", plots.BLUE),
        ("Sum of absolute differences", gaps.sum(0), np.median(values), "median", plots.RED),
    )
    with plots.style():
        figure = plots.new_figure(9, 2.9)
        for panel, (title, cost, lowest, name, color) in zip(
            figure.subplots(1, 2), curves, strict=True
        ):
            panel.plot(places, cost / cost.min(), color=color, linewidth=2)
            panel.plot([lowest], [1], "*", color="black", markersize=13, zorder=3)
            panel.plot(values, np.full(len(values), 0.55), "o", color=plots.FAINT, markersize=7)
            panel.set(
                ylim=(0.3, 4), yticks=[1, 2, 3], xlim=(0, 255), xlabel="where the centroid is"
            )
            panel.set_ylabel("relative to its lowest")
            panel.set_title(f"{title}: lowest at the {name}, {lowest:.0f}", fontsize=10.5)
    keep(figure, path)


def draw_elbow(lesson: Names, path: Path) -> None:
    points, counts = lesson["points"], lesson["counts"]
    costs = []
    for k in CURVE:
        runs = (lesson["draw_seeds"](points, counts, k, seed) for seed in range(3))
        ends = [lesson["kmeans"](points, counts, seeds) for seeds in runs]
        costs.append(min(lesson["distortion"](points, counts, end) for end in ends))
        print("elbow", k, costs[-1], flush=True)
    with plots.style():
        figure = plots.new_figure(9, 3.1)
        for panel, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
            panel.plot(CURVE, costs, "o-", color=plots.BLUE, markersize=4)
            panel.set(xscale=scale, yscale=scale, xlabel="k", ylabel="distortion J")
            panel.set_title("An elbow?" if scale == "linear" else "The same on logarithmic axes")
            panel.yaxis.set_major_formatter("{x:,.0f}")
        ticks = [1, 2, 4, 8, 16, 32, 64]
        panel.set_xticks(ticks, ticks)
        panel.set_xticks([], minor=True)
        costs_shown = [100, 300, 1000, 3000, 10_000]
        panel.set_yticks(costs_shown, [f"{tick:,}" for tick in costs_shown])
        panel.set_yticks([], minor=True)
        panel.set_ylim(min(costs) * 0.8, max(costs) * 1.25)
    keep(figure, path)


def draw_optima(path: Path) -> None:
    found = smalti.converge(DEMO, K, space="srgb")
    with tempfile.TemporaryDirectory() as folder:
        found.save(Path(folder) / "optima.png")
        smalti.compress(Path(folder) / "optima.png", path, k=256, dither="none", overwrite=True)
    print(path, f"{path.stat().st_size:,} bytes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "lesson.md")
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8")
    images = ROOT / "docs" / "images"
    start = time.perf_counter()
    lesson = functions_of(page)
    print(f"the blocks of the page: {time.perf_counter() - start:.1f} s", flush=True)
    draw_palettes(lesson, images / "lesson-palettes.png")
    draw_mean(images / "lesson-mean.png")
    draw_elbow(lesson, images / "lesson-elbow.png")
    draw_optima(images / "lesson-optima.png")
    for name, measure in (("mixed", mixed), ("sizes", sizes), ("speed", speed)):
        text = measure(lesson)
        print(text, flush=True)
        page = write(page, name, text)
    arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
