"""The search beyond Lloyd's algorithm: what it promises, and what may not show in its results."""

import numpy as np
import pytest
from pictures import draw, level, photo, tree_of

from smalti import _core, quantize, reference, search
from smalti.errors import BadOption
from smalti.histogram import Histogram

EFFORTS = ("lloyd", *search.EFFORTS)


def distortion(image, k, **options):
    return quantize(image, k, **options).fit.distortion


def colors_of(seed):
    return np.unique(photo(seed).reshape(-1, 3), axis=0)


@pytest.mark.parametrize("k", [4, 16, 64])
@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_more_effort_ends_lower(space, k):
    found = {
        effort: np.mean([distortion(photo(s), k, space=space, effort=effort) for s in range(4)])
        for effort in EFFORTS
    }

    # Of four colors, both may find the lowest there is; starts are compared on cells, which leaves
    # a ten-thousandth.
    assert found["best"] <= found["default"] * (1.0001 if k == 4 else 1)
    assert found["default"] <= found["fast"]
    assert found["default"] < found["lloyd"]


@pytest.mark.parametrize("effort", search.EFFORTS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 2, 3, 255])
def test_any_palette_size_works_with_any_effort(k, channels, effort):
    image = draw("noise", channels, seed=k)

    result = quantize(image, k, effort=effort)

    distinct = len(Histogram.of(image))
    assert len(result.palette) == min(k, distinct)


@pytest.mark.parametrize("effort", search.EFFORTS)
def test_levels_and_threads_do_not_show(effort):
    image = photo(5, side=256)

    results = []
    for name in ("v2", "v3", "v4"):
        for threads in (1, 3):
            with level(name):
                result = quantize(image, 24, effort=effort, threads=threads)
            results.append((result.palette.tobytes(), result.indices.tobytes()))

    assert len(set(results)) == 1


def test_breathing_never_ends_above_the_lloyd_iterations_it_starts_with():
    _, _, tree = tree_of(colors_of(1))
    start = _core.split_seeds(tree, 32, 8)
    plain, breathing = start.copy(), start.copy()

    cost, spent = _core.breathe(tree, plain, 3, 0, 1, 1)
    lower, more = _core.breathe(tree, breathing, 3, 10, 3, 1)

    assert spent == 3 < more
    assert lower < cost


def test_the_cost_is_that_of_the_centroids_with_their_clusters():
    points, weights, tree = tree_of(colors_of(2))
    centroids = _core.split_seeds(tree, 8, 8)
    before = centroids.copy()

    cost, _ = _core.breathe(tree, centroids, 1, 0, 1, 1)

    labels, _ = reference.assign(points.astype(np.float64), before.astype(np.float64))
    expected = sum(
        (weights[labels == j, None] * (points[labels == j] - centroids[j].astype(float)) ** 2).sum()
        for j in range(8)
    )
    assert cost == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dropped", [1, 2, 3, 7])
def test_cells_hold_the_weight_of_their_colors(dropped):
    colors = colors_of(3)
    _, weights, tree = tree_of(colors)

    cells = _core.coarsen(tree, dropped)

    assert cells.weights().sum() == weights.sum()
    bits = [
        (dropped + late) // 3 for late in (1, 0, 2)
    ]  # blue loses the first, then red, then green
    assert cells.size == len(np.unique(colors >> bits, axis=0))
    assert tree.coarseness(cells.size) >= dropped


def test_an_unknown_effort_is_refused_with_the_choices():
    with pytest.raises(BadOption, match="effort must be one of lloyd, turbo, fast, default, best"):
        quantize(photo(0, side=8), 2, effort="heroic")
