"""The native core as Python sees it; contracts are in native/core.hpp."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

class Tree:
    @property
    def size(self) -> int: ...
    @property
    def dims(self) -> int: ...
    @property
    def second_moment(self) -> float: ...
    def weights(self) -> NDArray[np.int64]: ...
    def box(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def coarseness(self, least: int, threads: int = 1) -> int: ...
    def forget_keys(self) -> None: ...
    def coordinates(self, rows: NDArray[np.uint32]) -> NDArray[np.float32]: ...

class Grid:
    @property
    def size(self) -> int: ...
    def colors(self) -> NDArray[np.uint8]: ...
    def counts(self) -> NDArray[np.int64]: ...
    def map(
        self,
        tree: Tree,
        pixels: NDArray[np.uint8],
        entries: NDArray[np.int16],
        space: int,
        linear: NDArray[np.float64],
        out: NDArray[np.uint8],
        threads: int,
    ) -> None: ...

def make_grid(pixels: NDArray[np.uint8], threads: int) -> Grid: ...
def level() -> str: ...
def choose_level(name: str) -> bool: ...
def count_colors(
    pixels: NDArray[np.uint8], threads: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def storage_order(colors: NDArray[np.uint8]) -> NDArray[np.uint32]: ...
def gather(
    pixels: NDArray[np.uint8],
    colors: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    out: NDArray[Any],
    threads: int,
) -> None: ...
def to_points(
    colors: NDArray[np.uint8], space: int, linear: NDArray[np.float64], points: NDArray[np.int16]
) -> None: ...
def make_tree(
    colors: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    counts: NDArray[np.int64],
    alpha_gap: int,
    threads: int,
    keep_keys: bool = True,
) -> Tree: ...
def step(
    tree: Tree,
    centroids: NDArray[np.float32],
    sums: NDArray[np.int64],
    labels: NDArray[np.uint16] | None,
    threads: int,
) -> int: ...
def update(
    tree: Tree, centroids: NDArray[np.float32], sums: NDArray[np.int64]
) -> tuple[NDArray[np.float32], float, float, float]: ...
def nearest(
    tree: Tree,
    entries: NDArray[np.int16],
    labels: NDArray[np.uint16],
    d2: NDArray[np.int32] | None,
    threads: int,
) -> None: ...
def nearest_rows(
    columns: NDArray[np.float64],
    centroids: NDArray[np.float64],
    labels: NDArray[np.int64],
    d2: NDArray[np.float64],
    threads: int,
) -> None: ...
def weigh(
    labels: NDArray[np.uint16], counts: NDArray[np.int64], k: int, threads: int = 1
) -> NDArray[np.int64]: ...
def split_seeds(tree: Tree, k: int, cells_per_seed: int) -> NDArray[np.float32]: ...
def coarsen(tree: Tree, dropped: int, threads: int = 1) -> Tree: ...
def breathe(
    tree: Tree,
    centroids: NDArray[np.float32],
    first: int,
    cycles: int,
    iterations: int,
    threads: int,
    fixed: int = 0,
) -> tuple[float, int]: ...
def plus_plus(tree: Tree, k: int, trials: int, seed: int) -> NDArray[np.uint32]: ...
def cheapest_merges(
    means: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]: ...
def count_neighbors(indices: NDArray[np.uint8], k: int) -> NDArray[np.int32]: ...
def grow_order(counts: NDArray[np.int32]) -> NDArray[np.uint8]: ...
def arrange(counts: NDArray[np.int32], sweeps: int, order: NDArray[np.uint8]) -> int: ...
def diffuse(
    kernel: int,
    pixels: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    entries: NDArray[np.int16],
    opaque: NDArray[np.uint8],
    transparent: int,
    bounds: NDArray[np.int32],
    strengths: NDArray[np.uint8],
    indices: NDArray[np.uint8],
) -> None: ...
def order(
    tile: NDArray[np.uint16],
    pixels: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    entries: NDArray[np.int16],
    opaque: NDArray[np.uint8],
    transparent: int,
    bounds: NDArray[np.int32],
    strengths: NDArray[np.uint8],
    indices: NDArray[np.uint8],
) -> None: ...
def find_bands(
    pixels: NDArray[np.uint8],
    linear: NDArray[np.float64],
    entries: NDArray[np.int16],
    indices: NDArray[np.uint8],
    strengths: NDArray[np.uint8],
    threads: int,
) -> None: ...
def activity(
    pixels: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    activity: NDArray[np.uint8],
    repeats: NDArray[np.uint8],
    gradients: NDArray[np.uint8],
    threads: int,
) -> None: ...
def survey(
    pixels: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    entries: NDArray[np.int16],
    indices: NDArray[np.uint8],
    activity: NDArray[np.uint8],
    importance: NDArray[np.float32],
    weights: NDArray[np.uint8] | None,
    tally: NDArray[np.int64],
    threads: int,
) -> tuple[int, float]: ...
def trellis(
    pixels: NDArray[np.uint8],
    space: int,
    linear: NDArray[np.float64],
    entries: NDArray[np.int16],
    opaque: int,
    activity: NDArray[np.uint8],
    importance: NDArray[np.float32],
    gradients: NDArray[np.uint8],
    gains: NDArray[np.float32],
    strengths: NDArray[np.uint8],
    same: float,
    other: NDArray[np.float32],
    copy: float,
    go_on: float,
    copies: int,
    feedback: float,
    prune: float,
    indices: NDArray[np.uint8],
    threads: int,
) -> None: ...

class Pyramid: ...

def make_pyramid(
    pixels: NDArray[np.uint8], linear: NDArray[np.float64], threads: int
) -> Pyramid: ...
def similarity(original: Pyramid, result: Pyramid, threads: int) -> float: ...
