"""smalti.sklearn.KMeans beside scikit-learn's, on the pixels of photographs.

    python bench/estimator.py [--data FOLDER] [--runs N]

Both are called the same way, with their defaults: china.jpg, which scikit-learn brings, and two
photographs of FOLDER/kodak. Times are wall times of `fit`, the shortest of N, with the threads that
each library takes. Rows that smalti loses, in time or inertia, come first.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn import cluster
from sklearn.datasets import load_sample_image

from smalti import sklearn

KS = (16, 64)
PHOTOS = ("kodim03.png", "kodim23.png")
CALL = "KMeans(n_clusters=k, n_init=1, random_state=0).fit(pixels)"


def pictures(data: Path | None) -> dict[str, np.ndarray]:
    found = {"china.jpg": load_sample_image("china.jpg")}
    for name in PHOTOS if data else ():
        with Image.open(data / "kodak" / name) as picture:
            found[name] = np.asarray(picture.convert("RGB"))
    return found


def fitted(kmeans: Any, k: int, pixels: np.ndarray, runs: int) -> tuple[float, float]:
    """Return the time of the fastest fit, in seconds, and the inertia."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        found = kmeans.KMeans(n_clusters=k, n_init=1, random_state=0).fit(pixels)
        times.append(time.perf_counter() - start)
    return min(times), found.inertia_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with kodak/*.png")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for name, image in pictures(arguments.data).items():
        for kind, scale in (("0..255", 1), ("0..1", 255)):
            pixels = image.reshape(-1, 3) / scale
            for k in KS:
                ours = fitted(sklearn, k, pixels, arguments.runs)
                theirs = fitted(cluster, k, pixels, arguments.runs)
                rows.append((name, kind, k, *ours, *theirs))
    rows.sort(key=lambda row: (row[3] < row[5] and row[4] <= row[6], -row[4] / row[6]))
    print(f"{CALL}: smalti.sklearn, then sklearn.cluster\n")
    print(
        f"{'picture':<12} {'values':<7} {'k':>3} {'seconds':>8} {'theirs':>8} {'ratio':>6} "
        f"{'inertia':>14} {'theirs':>14} {'ratio':>7}"
    )
    for name, kind, k, seconds, inertia, their_seconds, theirs in rows:
        print(
            f"{name:<12} {kind:<7} {k:>3} {seconds:>8.3f} {their_seconds:>8.3f} "
            f"{seconds / their_seconds:>6.3f} {inertia:>14,.1f} {theirs:>14,.1f} "
            f"{inertia / theirs:>7.4f}"
        )


if __name__ == "__main__":
    main()
