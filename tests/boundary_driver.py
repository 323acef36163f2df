"""Calls of the native core with arguments that are not quite right: a process of test_boundary.py.

    python boundary_driver.py SEED COUNT LOG

Starts from calls that are right, and replaces one to three of their arguments: other types, shapes,
strides, sizes and values. A call may return, or raise one of `ALLOWED`; the last line of LOG is the
call that was under way when the process ended otherwise.
"""

import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from smalti import _core, color
from smalti.color import LINEAR

ALLOWED = (TypeError, ValueError, MemoryError, OverflowError)
NUMBERS = (0, 1, 2, 3, 255, 256, 257, 65536, 65537, -1, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1)
OTHERS = (None, "v2", 1.5, float("nan"), float("inf"), b"bytes", [1, 2], (), True)
DTYPES = (
    "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "?", ">i2", ">f4",
    "O", "S3", "M8[s]",
)  # fmt: skip
SHORT = ("first", "cycles", "iterations", "sweeps", "trials")  # work, not memory: kept small
Call = tuple[Callable[..., Any], dict[str, Any]]


def right_calls(rng: np.random.Generator) -> list[Call]:
    """Return one call for each function, with arguments as smalti passes them."""
    channels, height, width, k = int(rng.integers(3, 5)), 8, 9, 5
    image = rng.integers(0, 256, (height, width, channels), np.uint8)
    pixels = image.reshape(-1, channels)
    colors, counts = _core.count_colors(pixels, 1)
    n = len(colors)
    tree = color.make_tree(colors, counts, "oklab")
    palette = np.ascontiguousarray(colors[:k])
    points = color.to_points(palette, "oklab")
    seeds = points.astype(np.float32)
    labels, indices = np.zeros(n, np.uint16), np.zeros((height, width), np.uint8)
    grid_colors = image[..., :3].reshape(-1, 3).copy()
    grid = _core.make_grid(grid_colors, 1)
    cells = color.make_tree(grid.colors(), grid.counts(), "oklab")
    pyramid = _core.make_pyramid(np.ascontiguousarray(image[..., :3]), LINEAR, 1)
    near = _core.count_neighbors(indices, k)
    picture = {"pixels": image, "space": 1, "linear": LINEAR, "entries": points}
    dithered = {
        "opaque": np.ones(k, np.uint8), "transparent": 0 if channels == 4 else -1,
        "bounds": color.bounds("oklab", channels), "strengths": indices.copy() + np.uint8(128),
        "indices": indices.copy(),
    }  # fmt: skip
    busy, importance = indices.copy(), np.ones(256, np.float32)
    rows = rng.normal(size=(3, 20))
    calls: list[Call] = [
        (_core.count_colors, {"pixels": pixels, "threads": 2}),
        (_core.storage_order, {"colors": colors}),
        (_core.gather, {"pixels": pixels, "colors": colors, "labels": labels,
                        "out": np.empty(len(pixels), np.uint16), "threads": 2}),
        (_core.to_points, {"colors": colors, "space": 1, "linear": LINEAR,
                           "points": np.empty(colors.shape, np.int16)}),
        (_core.make_tree, {"colors": colors, "space": 1, "linear": LINEAR, "counts": counts,
                           "alpha_gap": 16383, "threads": 2, "keep_keys": True}),
        (_core.make_grid, {"pixels": pixels, "threads": 2}),
        (grid.map, {"tree": cells, "pixels": grid_colors, "entries": points[:, :3].copy(),
                    "space": 1, "linear": LINEAR, "out": np.empty(len(pixels), np.uint8),
                    "threads": 2}),
        (_core.make_pyramid, {"pixels": image[..., :3].copy(), "linear": LINEAR, "threads": 2}),
        (_core.similarity, {"original": pyramid, "result": pyramid, "threads": 2}),
        (_core.choose_level, {"name": _core.level()}),
        (tree.coordinates, {"rows": np.arange(4, dtype=np.uint32)}),
        (tree.coarseness, {"least": k, "threads": 2}),
        (_core.step, {"tree": tree, "centroids": seeds, "labels": labels,
                      "sums": np.empty((k, channels + 1), np.int64), "threads": 2}),
        (_core.update, {"tree": tree, "centroids": seeds,
                        "sums": np.ones((k, channels + 1), np.int64)}),
        (_core.nearest, {"tree": tree, "entries": points, "labels": labels,
                         "d2": np.empty(n, np.int32), "threads": 2}),
        (_core.nearest_rows, {"columns": rows, "centroids": rows[:, :4].T.copy(),
                              "labels": np.empty(20, np.int64), "d2": np.empty(20), "threads": 2}),
        (_core.coarsen, {"tree": tree, "dropped": 2, "threads": 2}),
        (_core.breathe, {"tree": tree, "centroids": seeds.copy(), "first": 2, "cycles": 2,
                         "iterations": 2, "threads": 2, "fixed": 1}),
        (_core.weigh, {"labels": labels, "counts": counts, "k": k, "threads": 2}),
        (_core.split_seeds, {"tree": tree, "k": k, "cells_per_seed": 4}),
        (_core.plus_plus, {"tree": tree, "k": k, "trials": 2, "seed": 7}),
        (_core.cheapest_merges, {"means": seeds.T.copy(), "weights": np.ones(k, np.float32)}),
        (_core.count_neighbors, {"indices": indices, "k": k}),
        (_core.grow_order, {"counts": near}),
        (_core.arrange, {"counts": near, "sweeps": 2, "order": np.arange(k, dtype=np.uint8)}),
        (_core.diffuse, {"kernel": 0, **picture, **dithered}),
        (_core.order, {"tile": np.arange(64, dtype=np.uint16).reshape(8, 8) * 8, **picture,
                       **dithered}),
        (_core.find_bands, {"pixels": image, "linear": LINEAR, "entries": points,
                            "indices": indices, "strengths": indices.copy(), "threads": 2}),
        (_core.activity, {"pixels": image, "space": 1, "linear": LINEAR, "activity": busy,
                          "repeats": indices.copy(), "gradients": indices.copy(), "threads": 2}),
        (_core.survey, {**picture, "indices": indices, "activity": busy, "importance": importance,
                        "weights": None, "tally": np.empty((k, 3 + channels), np.int64),
                        "threads": 2}),
        (_core.trellis, {**picture, "opaque": 16384, "activity": busy, "importance": importance,
                         "gradients": indices.copy(), "gains": importance,
                         "strengths": indices.copy(), "same": 0.1,
                         "other": np.ones(k, np.float32), "copy": 9.0, "go_on": 0.1, "copies": 3,
                         "feedback": 0.5, "prune": 25.0, "indices": indices.copy(),
                         "threads": 2}),
    ]  # fmt: skip
    return calls


def other_array(array: np.ndarray, rng: np.random.Generator) -> Any:
    """Return an array of another type, shape, layout or content."""
    way = int(rng.integers(18))  # a third of them other content, which no type check refuses
    if way == 0:
        with np.errstate(all="ignore"):
            return array.astype(str(rng.choice(DTYPES)), casting="unsafe")
    if way == 1:
        return array.reshape(-1)[: int(rng.choice([0, 1, 2, 3, 7]))]
    if way == 2:
        return array[:: int(rng.choice([-1, 2, -2]))]
    if way == 3:
        return np.asfortranarray(array)
    if way == 4:
        return np.broadcast_to(array[:1], array.shape)
    if way == 5:
        fixed = array.copy()
        fixed.flags.writeable = False
        return fixed
    if way == 6:  # one byte off any alignment
        room = bytearray(array.nbytes + 1)
        view = np.frombuffer(room, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view
    if way == 7:
        shape = list(array.shape)
        shape[int(rng.integers(len(shape)))] = int(rng.choice([0, 1, 2, 3, 4, 5, 257]))
        return np.zeros(shape, array.dtype)
    if way == 8:
        return array[..., None] if rng.integers(2) else array[0]
    if way == 9:  # more elements than 32 bits count, in no memory at all
        shape = [2**int(rng.choice([16, 24, 29])) if i < 2 else size
                 for i, size in enumerate(array.shape)]  # fmt: skip
        return np.lib.stride_tricks.as_strided(array, shape, [0] * array.ndim)
    changed = array.copy()
    if changed.size:
        if changed.dtype.kind == "f":
            values = [np.nan, np.inf, -np.inf, 3e38, -1e9, 0.0]
        else:
            limits = np.iinfo(changed.dtype)
            values = [limits.min, limits.max, 0]
        some = rng.random(changed.shape) < (1 if way % 2 else 0.1)
        changed[some] = rng.choice(np.array(values, changed.dtype))
    return changed


def other(name: str, value: Any, rng: np.random.Generator) -> Any:
    """Return something that a function does not expect in place of an argument."""
    if rng.integers(10) == 0:
        return OTHERS[int(rng.integers(len(OTHERS)))]
    if isinstance(value, np.ndarray) and value.size:
        return other_array(value, rng)
    if isinstance(value, float):
        return float(rng.choice([0, -1, np.nan, np.inf, -np.inf, 1e38, 1e-38]))
    numbers = (*NUMBERS[:5], -1) if name in SHORT else NUMBERS
    return numbers[int(rng.integers(len(numbers)))]


def shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} strides {list(value.strides)}"
    return repr(value)[:60]


def main(seed: int, count: int, log: Path, most_memory: int) -> None:
    """Make `count` calls; print how many ended how."""
    if most_memory > 0:
        resource.setrlimit(resource.RLIMIT_AS, (most_memory, most_memory))
    rng = np.random.default_rng(seed)
    ended: Counter[str] = Counter()
    calls: list[Call] = []
    with log.open("w") as file:
        for number in range(count):
            if number % 100 == 0:
                calls = right_calls(rng)
                for function, arguments in calls:
                    function(**arguments)
            function, right = calls[int(rng.integers(len(calls)))]
            wrong = dict(right)
            for name in rng.choice(list(right), min(len(right), int(rng.integers(1, 4)))):
                wrong[str(name)] = other(str(name), right[str(name)], rng)
            words = ", ".join(f"{name}={shown(value)}" for name, value in wrong.items())
            print(f"{function.__name__}({words})", file=file, flush=True)
            try:
                function(**wrong)
            except ALLOWED as error:
                ended[type(error).__name__] += 1
            else:
                ended["result"] += 1
    print(*(f"{name} {times}" for name, times in sorted(ended.items())), sep=", ")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
