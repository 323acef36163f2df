"""Where the time of the default effort goes, stage by stage, and how far that is from a floor.

    python bench/stages.py --data FOLDER [--output PAGE]

Every stage is a call into the native core (what is left is Python). They are timed where the
library makes them, over whole runs of `quantize`, and as each photo's fastest of several runs,
because a shared machine only ever adds. Floors are measured in the same run, with the simplest
pass that could do the job: no clustering can beat them without looking at less.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import smalti
from measure import machine, photos
from smalti import _core, color
from smalti.histogram import Histogram

KS = (16, 64, 256)
RUNS = 7
STAGES = {
    "count_colors": "histogram: distinct colors and counts",
    "make_tree": "points of the working space, and the tree",
    "coarsen": "cells for the search",
    "split_seeds": "seeds by splitting",
    "plus_plus": "seeds by k-means++",
    "breathe cells": "search: breathing on cells",
    "breathe colors": "search: closing iterations on all colors",
    "step": "Lloyd's iterations, and recovery of 8 bits",
    "nearest": "exact nearest entries of all colors",
    "weigh": "shares",
    "gather": "from colors to pixels",
}


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Time calls into the native core by name, in seconds; breathing by what it works on."""
    spent: dict[str, float] = defaultdict(float)
    original = {name: getattr(_core, name) for name in dir(_core)}
    full: list[Any] = [None]

    def watch(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = original[name](*arguments)
            seconds = time.perf_counter() - start
            if name == "make_tree":
                full[0] = result
            stage = name
            if name == "breathe":
                stage += " colors" if arguments[0] is full[0] and arguments[3] == 0 else " cells"
            spent[stage] += seconds
            return result

        return call

    names = {stage.split()[0] for stage in STAGES}
    for name in names:
        setattr(_core, name, watch(name))
    try:
        yield spent
    finally:
        for name in names:
            setattr(_core, name, original[name])


def fastest(image: np.ndarray, k: int) -> tuple[float, dict[str, float]]:
    """Seconds of the fastest run, and of its stages."""
    runs = []
    for _ in range(RUNS):
        with clocked() as spent:
            start = time.perf_counter()
            smalti.quantize(image, k, space="srgb", dither="none", threads=1)
            runs.append((time.perf_counter() - start, dict(spent)))
    return min(runs, key=lambda run: run[0])


def floors(image: np.ndarray) -> dict[str, float]:
    """Seconds of the simplest passes: over all pixels, and over all distinct colors."""
    pixels = image.reshape(-1, 3)
    histogram = Histogram.of(image)
    colors, counts = histogram.stored_colors, histogram.stored_counts
    tree = color.make_tree(colors, counts, "srgb")
    one = np.zeros((1, 3), np.float32)
    sums, labels = np.empty((1, 4), np.int64), np.zeros(len(colors), np.uint16)
    indices, table = np.zeros(len(pixels), np.uint8), np.zeros(256, np.uint8)
    return {
        "one pass that counts the pixels of 32,768 cells": quickest(_core.make_grid, pixels, 1),
        "one lookup per pixel in a table of 256": quickest(table.take, indices),
        "one pass that adds up the counts of colors": quickest(_core.weigh, labels, counts, 1),
        "one Lloyd step with a single centroid": quickest(_core.step, tree, one, sums, None, 1),
    }


def quickest(call: Callable[..., Any], *arguments: Any) -> float:
    seconds = []
    for _ in range(5 * RUNS):
        start = time.perf_counter()
        call(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def page(data: Path) -> str:
    images = list(photos(data).values())
    pixels = mean(image.shape[0] * image.shape[1] for image in images)
    columns = []
    for k in KS:
        runs = [fastest(image, k) for image in images]
        stages = {stage: mean(run[1].get(stage, 0.0) for run in runs) for stage in STAGES}
        whole = mean(run[0] for run in runs)
        columns.append({**stages, "Python": whole - sum(stages.values()), "all": whole})
    floor_runs = [floors(image) for image in images]
    lines = [PAGE.format(machine=machine(), photos=len(images), megapixels=pixels / 1e6, runs=RUNS)]
    lines += ["| stage | " + " | ".join(f"k = {k} | share" for k in KS) + " |"]
    lines += ["| --- |" + " ---: | ---: |" * len(KS)]
    for stage, words in {**STAGES, "Python": "Python between them", "all": "**all**"}.items():
        cells = [f"{c[stage] * 1e3:.2f} | {c[stage] / c['all']:.0%}" for c in columns]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    lines += ["", FLOORS, "", "| pass | ms | ns per pixel |", "| --- | ---: | ---: |"]
    for name in floor_runs[0]:
        seconds = mean(run[name] for run in floor_runs)
        lines.append(f"| {name} | {seconds * 1e3:.3f} | {seconds / pixels * 1e9:.2f} |")
    return "\n".join([*lines, "", READING]) + "\n"


PAGE = """\
# Where the time goes

Written by `make profile`; not edited by hand. {machine}. Milliseconds of wall time of
`quantize(image, k, space="srgb", dither="none", threads=1)` with the default effort: means over
{photos} Kodak photos ({megapixels:.2f} megapixels each) of the fastest of {runs} runs.
"""

FLOORS = """\
What these stages cannot go below without looking at less, measured in the same run:"""

READING = """\
The histogram makes two passes over the pixels where the first floor makes one; exact counts of up
to 2^24 colors do not fit a cache, so they are counted bucket by bucket. The way back makes one
lookup in a table of the colors that occur, which is larger than the cache that the second floor
lives in. A Lloyd step over all colors must at least look at each node of the tree, as the last
floor does; what it takes beyond that are distances, to the few centroids that the tree leaves as
candidates. The search spends its steps on cells, of which there are fewer than colors, and its
number of steps is the effort's budget rather than a limit of the machine.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    text = page(arguments.data)
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
