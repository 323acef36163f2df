"""Parity with plain k-means: smalti's inertia in RGB beside those of scikit-learn and OpenCV.

    python bench/parity.py --data FOLDER [--quick] [--output PAGE]

FOLDER holds tutorials/*. In the first table all three run Lloyd's algorithm from the same
centroids until nothing changes. In the others smalti is called once, as the titles say, and the
rivals ten times, of which the best counts. What smalti loses comes first.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from sklearn.cluster import KMeans

import smalti
from measure import machine
from smalti.sklearn import KMeans as Estimator

KS = (2, 8, 16, 25, 64, 100, 128)
RUNS = 10
FOREVER = 100_000
SAME_START, BEST_OF_TEN = 1e-4, 1e-3
"""How much higher than the others' smalti's inertia may be."""
SAID: list[str] = []


def say(line: str) -> None:
    print(line, flush=True)
    SAID.append(line)


@dataclass(frozen=True)
class Row:
    picture: str
    k: int
    ours: float
    theirs: float
    rival: str
    seconds: float
    their_seconds: float

    @property
    def excess(self) -> float:
        return self.ours / self.theirs - 1

    def __str__(self) -> str:
        return (
            f"{self.picture:<16} {self.k:>4} {self.rival:<13} {self.ours:>15,.0f} "
            f"{self.theirs:>15,.0f} {self.excess:>+10.4%} {self.seconds:>8.3f} "
            f"{self.their_seconds:>8.3f}"
        )


HEADER = (
    f"{'picture':<16} {'k':>4} {'rival':<13} {'smalti':>15} {'rival':>15} {'excess':>10} "
    f"{'s':>8} {'rival s':>8}"
)


def inertia(image: np.ndarray, centers: np.ndarray) -> float:
    """Sum over all pixels of the squared distance to the nearest center."""
    histogram = smalti.Histogram.of(image)
    colors, counts = histogram.colors.astype(np.float64), histogram.counts
    total = 0.0
    for start in range(0, len(colors), 4096):
        part = slice(start, start + 4096)
        d2 = ((colors[part, None] - centers.astype(np.float64)) ** 2).sum(-1)
        total += float(d2.min(1) @ counts[part])
    return total


def starting_points(image: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Colors of the picture, moved a little, so that no pixel is equally far from two."""
    rng = np.random.default_rng(seed)
    colors = smalti.Histogram.of(image).colors
    return colors[rng.choice(len(colors), k, replace=False)] + rng.uniform(0, 1, (k, 3))


def lloyd_of_smalti(image: np.ndarray, start: np.ndarray) -> float:
    options = {"space": "srgb", "effort": "lloyd", "tol": 0, "max_iter": FOREVER}
    fit = smalti.quantize(image, len(start), init=start, dither="none", **options).fit
    return fit.distortion * image.shape[0] * image.shape[1]


def lloyd_of_sklearn(image: np.ndarray, start: np.ndarray) -> float:
    """On distinct colors and their counts: the same iterations, sooner done."""
    histogram = smalti.Histogram.of(image)
    kmeans = KMeans(len(start), init=start, n_init=1, tol=0, max_iter=FOREVER)
    kmeans.fit(histogram.colors.astype(np.float64), sample_weight=histogram.counts)
    return inertia(image, kmeans.cluster_centers_)


def lloyd_of_opencv(image: np.ndarray, start: np.ndarray) -> float:
    """OpenCV starts from labels and stops after 100 iterations, come what may: again, then."""
    points = np.float32(image.reshape(-1, 3))
    labels = np.concatenate(
        [
            ((part[:, None] - start) ** 2).sum(-1).argmin(1)
            for part in np.array_split(points, len(points) // 4096 + 1)
        ]
    ).astype(np.int32)[:, None]
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.0)
    while True:
        before = labels.copy()
        _, labels, centers = cv2.kmeans(
            points, len(start), labels, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS
        )
        if np.array_equal(labels, before):
            return inertia(image, centers)


def same_start(name: str, image: np.ndarray, k: int) -> Iterator[Row]:
    start = starting_points(image, k, seed=k)
    ours, seconds = timed(lloyd_of_smalti, image, start)
    for rival, run in (("scikit-learn", lloyd_of_sklearn), ("OpenCV", lloyd_of_opencv)):
        theirs, their_seconds = timed(run, image, start)
        yield Row(name, k, ours, theirs, rival, seconds, their_seconds)


def quantized(image: np.ndarray, k: int, **options: Any) -> float:
    """Inertia of the centroids before rounding."""
    fit = smalti.quantize(image, k, space="srgb", dither="none", **options).fit
    return fit.distortion * image.shape[0] * image.shape[1]


def estimated(image: np.ndarray, k: int) -> float:
    return float(Estimator(k).fit(image.reshape(-1, 3).astype(np.float64)).inertia_)


OURS: dict[str, Callable[[np.ndarray, int], float]] = {
    'smalti.quantize(image, k, space="srgb")': quantized,
    'smalti.quantize(image, k, space="srgb", effort="best", n_init=3)': partial(
        quantized, effort="best", n_init=3
    ),
    "smalti.sklearn.KMeans(k).fit(pixels)": estimated,
}


def best_of_ten(name: str, image: np.ndarray, k: int) -> Iterator[tuple[str, Row]]:
    """Each of our calls against ten runs to the end of each rival."""
    rivals = {
        rival: timed(run, image, k)
        for rival, run in (("scikit-learn", runs_of_sklearn), ("OpenCV", runs_of_opencv))
    }
    for call, run in OURS.items():
        ours, seconds = timed(run, image, k)
        for rival, (theirs, their_seconds) in rivals.items():
            yield call, Row(name, k, ours, theirs, rival, seconds, their_seconds)


def runs_of_sklearn(image: np.ndarray, k: int) -> float:
    histogram = smalti.Histogram.of(image)
    kmeans = KMeans(k, n_init=RUNS, random_state=0)
    kmeans.fit(histogram.colors.astype(np.float64), sample_weight=histogram.counts)
    return inertia(image, kmeans.cluster_centers_)


def runs_of_opencv(image: np.ndarray, k: int) -> float:
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.1)
    points = np.float32(image.reshape(-1, 3))
    _, _, centers = cv2.kmeans(points, k, None, criteria, RUNS, cv2.KMEANS_PP_CENTERS)
    return inertia(image, centers)


def timed(run: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return run(*arguments), time.perf_counter() - start


def table(title: str, limit: float, rows: list[Row]) -> None:
    worst = sorted(rows, key=lambda row: -row.excess)
    above = sum(row.excess > limit for row in rows)
    say(f"\n{title}: {above} of {len(rows)} rows above {limit:.2%}\n\n{HEADER}")
    for row in worst:
        say(str(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with tutorials/*")
    parser.add_argument("--quick", action="store_true", help="every fourth row and column only")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    same: list[Row] = []
    best: dict[str, list[Row]] = {call: [] for call in OURS}
    for path in sorted((arguments.data / "tutorials").iterdir()):
        with Image.open(path) as picture:
            image = np.asarray(picture.convert("RGB"))
        image = np.ascontiguousarray(image[::4, ::4] if arguments.quick else image)
        for k in KS:
            for call, row in best_of_ten(path.name, image, k):
                best[call].append(row)
            same += same_start(path.name, image, k)
            print(path.name, k, "done", file=sys.stderr, flush=True)
    say(machine())
    table("Lloyd's algorithm from the same centroids", SAME_START, same)
    for call, rows in best.items():
        table(f"{call} against the best of {RUNS} runs", BEST_OF_TEN, rows)
    if arguments.output:
        arguments.output.write_text(PAGE.format("\n".join(SAID)), encoding="utf-8")


PAGE = """\
# Parity

Written by `make parity`; not edited by hand. Sums of squared distances in RGB, before palettes are
rounded; excess above 0 means that smalti's is higher. Seconds are wall time, for what it is worth.

```text
{}
```
"""


if __name__ == "__main__":
    main()
