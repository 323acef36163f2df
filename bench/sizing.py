"""What each part of size-aware mapping is worth, and its time, into docs/sizing.md.

    python bench/sizing.py --data FOLDER [--output PAGE] [--photos N]

FOLDER holds kodak/*.png. One part is taken away at a time; at k = 256 the option `size` goes
through its values, and the bytes at equal SSIMULACRA2 are compared with those of the whole.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

import smalti
from looks_curves import difference
from measure import machine, photos, ssimulacra2
from smalti import _core, size

K = 256
SIZES = (0.15, 0.25, 0.4, 0.6, 1.0)
RUNS = 5
KERNELS = {
    "activity": "how busy and how drawn each place is",
    "find_bands": "where bands would show",
    "survey": "what indices say, one of two passes",
    "trellis": "rows by Viterbi's algorithm, one of two passes",
}
NO_COPIES = {kind: size.Copies(0, 0.0) for kind in size.FORMATS}
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing: the whole": {},
    "errors handed on": {"FEEDBACK": 0.0},
    "copies from the row above": {"FORMATS": NO_COPIES},
    "masking: all errors count alike": {"CALM": 1.0, "STEP": 0.0},
}


def points(image: np.ndarray, changed: dict[str, Any]) -> list[tuple[float, float]]:
    """SSIMULACRA2 and bytes at each size."""
    found = []
    with patch.multiple(size, **changed) if changed else nothing():
        for amount in SIZES:
            report = smalti.compress(image, k=K, size=amount, allow_larger=True)
            assert report.data is not None
            with Image.open(io.BytesIO(report.data)) as file:
                result = np.asarray(file.convert("RGB"))
            found.append((ssimulacra2(image, result), float(report.bytes_out)))
    return found


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def clocked(spent: dict[str, list[float]]) -> Iterator[None]:
    """CPU time of this thread in each call of the kernels, in seconds."""

    def watch(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.thread_time()
            result = original(*arguments)
            spent.setdefault(name, []).append(time.thread_time() - start)
            return result

        return call

    with patch.multiple(_core, **{name: watch(name, getattr(_core, name)) for name in KERNELS}):
        yield


def nanoseconds(images: list[np.ndarray], k: int) -> dict[str, float]:
    """Per pixel and pass, the mean over images of the median of some runs."""
    columns: dict[str, list[float]] = {}
    for image in images:
        spent: dict[str, list[float]] = {}
        with clocked(spent):
            for _ in range(RUNS):
                smalti.compress(image, k=k, threads=1, pack="fast", allow_larger=True)
        for name, seconds in spent.items():
            columns.setdefault(name, []).append(median(seconds) / image[..., 0].size * 1e9)
    return {name: mean(values) for name, values in columns.items()}


def page(images: list[np.ndarray]) -> str:
    lines = [PAGE.format(machine=machine(), photos=len(images), k=K, sizes=SIZES)]
    whole = [points(image, {}) for image in images]
    for name, changed in WITHOUT.items():
        if changed:
            curves = [points(image, changed) for image in images]
            found = [difference(*pair) for pair in zip(curves, whole, strict=True)]
            more = [value for value in found if value is not None]
            lines.append(f"| {name} | {mean(more):+.1%} | {min(more):+.1%} to {max(more):+.1%} |")
    lines += [TIMES, "| kernel | k = 16 | k = 64 | k = 256 |", "| --- | ---: | ---: | ---: |"]
    columns = [nanoseconds(images, k) for k in (16, 64, 256)]
    for name, words in KERNELS.items():
        cells = " | ".join(f"{column[name]:.0f}" for column in columns)
        lines.append(f"| `{name}`: {words} | {cells} |")
    return "\n".join(lines) + "\n"


PAGE = """\
# What mapping for a small file is made of

Written by `make bench-size`; not edited by hand. {machine}. {photos} Kodak photos, k = {k},
`smalti.compress(image, k=k, size=s).data` for s in {sizes}. Bytes that are
needed more at equal SSIMULACRA2 (Bjøntegaard, mean and range over the photos) without one part:

| without | bytes | range |
| --- | ---: | --- |"""

TIMES = """
Nanoseconds of CPU time per pixel at the default size, one thread:
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--photos", type=int, default=6)
    arguments = parser.parse_args()
    every = list(photos(arguments.data).values())
    step = max(1, len(every) // arguments.photos)
    text = page(every[2::step][: arguments.photos])
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
