"""Every native function with the n-th allocation failing: a process of test_native_memory.py.

    LD_PRELOAD=failing_new.so python failing_new.py failing_new.so few|all

Prints, for each function, how many allocations failed, how many of those ended in MemoryError (the
others were made good: a thread fewer), and how much memory was not given back, in KiB.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator

import numpy as np

from smalti import _core, color, quantize
from smalti.color import LINEAR, make_tree, to_points
from smalti.dither import thresholds
from smalti.metrics import ssimulacra2

SHIM = ctypes.CDLL(sys.argv[1] if sys.argv[0] == __file__ else None)  # imported, it does nothing
Calls = Iterator[tuple[str, Callable[[], object]]]
FEW = sys.argv[-1] == "few"


def pictures() -> Iterator[np.ndarray]:
    """Yield images: small and high enough for several tasks, and one for pages of the system."""
    rng = np.random.default_rng(7)
    for channels in (3, 4):
        yield rng.integers(0, 256, (300, 9, channels)).astype(np.uint8)
    yield np.tile(rng.integers(0, 256, (1, 64, 4)).astype(np.uint8), (600, 16, 1))


def calls() -> Calls:
    """Yield a name and a call for each function of the core that allocates."""
    for image in pictures():
        height, width, channels = image.shape
        pixels = image.reshape(-1, channels)
        size = f"{height} x {width} x {channels}"
        yield f"count_colors {size}", lambda pixels=pixels: _core.count_colors(pixels, 2)
        colors, counts = _core.count_colors(pixels, 1)
        labels = np.arange(len(colors)).astype(np.uint16)
        out = np.empty(len(pixels), np.uint16)
        yield f"gather {size}", lambda a=(pixels, colors, labels, out): _core.gather(*a, 2)
        yield f"weigh {size}", lambda a=(labels, counts): _core.weigh(*a, 65536, 2)
        yield f"storage_order {size}", lambda colors=colors: _core.storage_order(colors)
        yield f"make_tree {size}", lambda a=(colors, counts): make_tree(*a, "oklab", threads=2)
        if height > 400:
            continue
        yield from calls_on_trees(size, colors, counts)
        yield from calls_on_pictures(size, image)
        if channels == 3:
            yield f"make_grid {size}", lambda pixels=pixels: _core.make_grid(pixels, 2)
            yield f"similarity {size}", lambda image=image: ssimulacra2(image, image[::-1])
        if not FEW:
            yield f"quantize {size}", lambda image=image: quantize(image, 16, threads=2)


def calls_on_trees(size: str, colors: np.ndarray, counts: np.ndarray) -> Calls:
    tree = make_tree(colors, counts, "oklab")
    seeds = _core.split_seeds(tree, 16, 4)
    entries = np.rint(seeds).astype(np.int16)
    sums = np.empty((len(seeds), tree.dims + 1), np.int64)
    labels = np.empty(tree.size, np.uint16)
    yield f"split_seeds {size}", lambda: _core.split_seeds(tree, 16, 4)
    yield f"plus_plus {size}", lambda: _core.plus_plus(tree, 16, 3, 1)
    yield f"coarsen {size}", lambda: _core.coarsen(tree, 2, 2)
    yield f"step {size}", lambda: _core.step(tree, seeds, sums, labels, 2)
    yield f"update {size}", lambda: _core.update(tree, seeds, sums)
    yield f"nearest {size}", lambda: _core.nearest(tree, entries, labels, None, 2)
    yield f"breathe {size}", lambda: _core.breathe(tree, seeds.copy(), 1, 2, 2, 2)
    yield f"coordinates {size}", lambda: tree.coordinates(np.arange(4, dtype=np.uint32))
    means = np.ascontiguousarray(seeds.T)
    weights = np.ones(len(seeds), np.float32)
    yield f"cheapest_merges {size}", lambda: _core.cheapest_merges(means, weights)


def calls_on_pictures(size: str, image: np.ndarray) -> Calls:
    height, width, channels = image.shape
    palette = np.ascontiguousarray(image[::8].reshape(-1, channels)[:32])
    palette[0] = 255
    points = to_points(palette, "oklab")
    indices = np.zeros((height, width), np.uint8)
    strengths = np.full((height, width), 128, np.uint8)
    opaque = np.ones(len(palette), np.uint8)
    shared = (image, 1, LINEAR, points, opaque, 0 if channels == 4 else -1)
    bounds = color.bounds("oklab", channels)
    busy, repeats, gradients = (np.zeros_like(indices) for _ in range(3))
    importance = np.ones(256, np.float32)
    tally = np.empty((len(palette), 3 + channels), np.int64)
    other = np.ones(len(palette), np.float32)
    yield f"diffuse {size}", lambda: _core.diffuse(0, *shared, bounds, strengths, indices.copy())
    tile = thresholds("bayer")
    yield f"order {size}", lambda: _core.order(tile, *shared, bounds, strengths, indices.copy())
    yield (
        f"find_bands {size}",
        lambda: _core.find_bands(image, LINEAR, points, indices, np.empty_like(indices), 2),
    )
    yield f"activity {size}", lambda: _core.activity(image, 1, LINEAR, busy, repeats, gradients, 2)
    yield (
        f"survey {size}",
        lambda: _core.survey(image, 1, LINEAR, points, indices, busy, importance, None, tally, 2),
    )
    yield f"trellis {size}", lambda: _core.trellis(
        image, 1, LINEAR, points, 16384, busy, importance, gradients, importance, strengths,
        0.1, other, 9, 0.1, 3, 0.5, 25, indices.copy(), 2,
    )  # fmt: skip
    near = _core.count_neighbors(indices, len(palette))
    yield f"count_neighbors {size}", lambda: _core.count_neighbors(indices, len(palette))
    yield f"grow_order {size}", lambda: _core.grow_order(near)
    order = _core.grow_order(near)
    yield f"arrange {size}", lambda: _core.arrange(near, 2, order.copy())


def every_failure(call: Callable[[], object]) -> tuple[int, int]:
    """Return how many allocations a call makes, and how many of their failures it raises."""
    failures = errors = 0
    while True:
        SHIM.fail_at(failures)
        try:
            call()
        except MemoryError:
            errors += 1
        if not SHIM.failures():
            return failures, errors
        failures += 1


def resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4


def main() -> None:
    for name, call in calls():
        call()
        failures, errors = every_failure(call)
        before = resident_kib()  # what is made once for all has been made
        every_failure(call)
        print(f"{name}: {failures} {errors} {resident_kib() - before}")


if __name__ == "__main__":
    main()
