"""Small pictures that several test modules draw from, and what they need to hold native code."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from hypothesis import strategies as st

from smalti import _core, color

SPACES = ("srgb", "oklab")
X86 = platform.machine() in ("x86_64", "AMD64", "amd64")
LEVELS = ("v2", "v3", "v4") if X86 else ("plain",)
FAMILIES = ("noise", "few colors", "gradient", "collinear")
THOROUGH = bool(os.environ.get("SMALTI_THOROUGH"))
LONGEST = (64, 64) if THOROUGH else (24, 32)
"""Rows and columns of `images`, at most."""


def cases(few: Any, many: Any) -> Any:
    """How many cases to try, or which: `many` in `make trust`."""
    return many if THOROUGH else few


@contextmanager
def level(name: str) -> Iterator[bool]:
    """Run with the kernels of another CPU level; False where this CPU has none."""
    before = _core.level()
    try:
        yield _core.choose_level(name)
    finally:
        assert _core.choose_level(before)


def draw(family: str, channels: int, seed: int, height: int = 24, width: int = 31) -> np.ndarray:
    """Return a (height, width, channels) image of a family.

    With alpha, a quarter of the pixels each are opaque, invisible, faint and half transparent.
    """
    rng = np.random.default_rng([seed, FAMILIES.index(family), channels])
    y, x = np.mgrid[:height, :width]
    if family == "noise":
        image = rng.integers(0, 256, (height, width, 3))
    elif family == "few colors":
        image = rng.integers(0, 256, (rng.integers(1, 40), 3))
        image = image[rng.integers(0, len(image), (height, width))]
    elif family == "gradient":
        slopes = rng.uniform(-4, 4, (2, 3))
        image = (y[..., None] * slopes[0] + x[..., None] * slopes[1]).astype(int) + 128
    else:
        image = rng.integers(0, 64, (height, width, 1)) * rng.integers(0, 5, 3)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if channels == 3:
        return image
    alpha = np.choose(rng.integers(0, 4, (height, width)), [255, 0, (x + y) % 4 + 1, 128])
    return np.dstack([image, alpha.astype(np.uint8)])


@st.composite
def images(draw_from: st.DrawFn, channels: tuple[int, ...] = (3, 4)) -> np.ndarray:
    """Images of 1 to 768 pixels of every family; in `make trust`, to 4,096."""
    return draw(
        draw_from(st.sampled_from(FAMILIES)),
        draw_from(st.sampled_from(channels)),
        draw_from(st.integers(0, 2**32 - 1)),
        draw_from(st.integers(1, LONGEST[0])),
        draw_from(st.integers(1, LONGEST[1])),
    )


def tree_of(
    colors: np.ndarray, space: str = "srgb", counts: np.ndarray | None = None, alpha_gap: int = 0
) -> tuple[np.ndarray, np.ndarray, _core.Tree]:
    """Return points (n, d) int64 and weights in storage order, and the native tree of them."""
    order = _core.storage_order(np.ascontiguousarray(colors))
    colors = np.ascontiguousarray(colors[order])
    weights = np.ones(len(colors), np.int64) if counts is None else counts[order]
    points = color.to_points(colors, space)
    tree = color.make_tree(colors, weights, space, alpha_gap=alpha_gap)
    return points.astype(np.int64), weights, tree


def random_colors(n: int, channels: int, seed: int, high: int = 256) -> np.ndarray:
    """Return up to n distinct colors; with alpha, a third of them opaque."""
    rng = np.random.default_rng([seed, n, channels])
    colors = rng.integers(0, high, (n, channels)).astype(np.uint8)
    if channels == 4:
        colors[:, 3] = rng.choice([255, 200, 90], n)
    return np.unique(colors, axis=0)


def photo(seed: int, side: int = 96) -> np.ndarray:
    """Return something like a photograph: smooth shapes of many colors, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    waves = [np.sin(6 * (a * x + b * y) + c) for a, b, c in rng.uniform(-1, 1, (6, 3))]
    picture = 128 + 100 * np.stack([waves[i] * waves[i + 3] for i in range(3)], axis=-1)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def chart(seed: int, side: int = 512) -> np.ndarray:
    """Return something like a map: green land and blue water, each of thousands of shades."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    slopes = rng.uniform((2, 2, 0), (9, 9, 6), (5, 3))
    height = sum(np.sin(np.pi * (a * x + b * y) + c) for a, b, c in slopes) / 5
    land, water = (np.array([rgb]) for rgb in ((60, 120, 50), (30, 70, 140)))
    shade = (height[..., None] + 1) / 2 * [90, 80, 70]
    picture = np.where(height[..., None] > 0, land, water) + shade + rng.normal(0, 4, (*x.shape, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)
