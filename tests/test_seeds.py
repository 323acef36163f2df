"""Seeds: k distinct starts, deterministic, from where each method says."""

import itertools

import numpy as np
import pytest
from pictures import FAMILIES, LEVELS, draw, level, random_colors, tree_of

from smalti import Histogram, reference, seeds

METHODS = ("splitting", "k-means++", "random", "box")


def rows(array):
    return {tuple(row) for row in array.tolist()}


def tree_of_image(image, space="srgb"):
    colors, counts = reference.count_colors(image)
    return tree_of(colors, space, counts)


def test_every_method_has_a_default_number_of_runs():
    assert set(seeds.RESTARTS) == set(METHODS)


@pytest.mark.parametrize("init", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 2, 3, 16, 255, 256])
def test_seeds_are_distinct_and_inside_the_box_of_the_points(init, family, channels, k):
    points, _, tree = tree_of_image(draw(family, channels, seed=3))

    centroids = seeds.make(tree, k, init, 7)

    assert centroids.dtype == np.float32
    assert centroids.flags.c_contiguous
    assert np.isfinite(centroids).all()
    assert len(centroids) <= k
    if init != "box":
        assert len(rows(centroids)) == len(centroids)
    assert (centroids >= points.min(0)).all()
    assert (centroids <= points.max(0)).all()


@pytest.mark.parametrize("init", METHODS)
@pytest.mark.parametrize("channels", [3, 4])
def test_same_seed_gives_the_same_start_on_every_level(init, channels):
    _, _, tree = tree_of_image(draw("noise", channels, seed=4))
    expected = seeds.make(tree, 40, init, 11)

    for name in LEVELS:
        with level(name):
            np.testing.assert_array_equal(seeds.make(tree, 40, init, 11), expected)


@pytest.mark.parametrize("init", METHODS)
def test_only_splitting_ignores_the_seed(init):
    _, _, tree = tree_of_image(draw("noise", 3, seed=5))

    same = np.array_equal(seeds.make(tree, 16, init, 0), seeds.make(tree, 16, init, 1))

    assert same == (init == "splitting")


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_drawn_seeds_are_colors_of_the_image(init):
    points, _, tree = tree_of_image(draw("noise", 3, seed=6))

    assert rows(seeds.make(tree, 64, init, 0)) <= rows(points)


@pytest.mark.parametrize("init", ["splitting", "k-means++", "random"])
@pytest.mark.parametrize("k", [5, 6, 300])
def test_with_k_of_at_least_the_colors_every_color_is_a_seed(init, k):
    points, _, tree = tree_of(random_colors(5, 3, seed=7))
    assert len(points) == 5

    assert rows(seeds.make(tree, k, init, 0)) == rows(points)


@pytest.mark.parametrize("init", METHODS)
def test_one_color_gives_that_color(init):
    points, _, tree = tree_of(np.uint8([[10, 20, 30]]))

    centroids = seeds.make(tree, 4, init, 0)

    assert rows(centroids) == rows(points)
    assert len(centroids) == (4 if init == "box" else 1)


def test_one_centroid_by_splitting_is_the_mean():
    image = draw("noise", 3, seed=8)
    _, _, tree = tree_of_image(image)

    centroid = seeds.make(tree, 1, "splitting", 0)[0]

    np.testing.assert_allclose(centroid, image.reshape(-1, 3).mean(0) * 64, rtol=1e-6)


def test_splitting_cuts_two_far_groups_apart():
    # Along one axis, of unequal weight: the only sensible cut is between the groups.
    colors = np.uint8([[0, 9, 9], [1, 9, 9], [2, 9, 9], [250, 9, 9], [251, 9, 9]])
    _, _, tree = tree_of(colors, counts=np.array([1, 1, 1, 500, 500]))

    centroids = seeds.make(tree, 2, "splitting", 0)

    assert sorted(centroids[:, 0].tolist()) == [64.0, 250.5 * 64]


def test_one_outlier_among_many_pixels_gets_a_seed():
    image = np.zeros((300, 300, 3), np.uint8)
    image[..., 0] = np.arange(300) % 2
    image[17, 5] = 255
    _, _, tree = tree_of_image(image)

    for init in ("splitting", "k-means++"):
        assert (16320.0,) * 3 in rows(seeds.make(tree, 2, init, 0))


def test_random_seeds_prefer_frequent_colors():
    colors = np.uint8([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    _, _, tree = tree_of(colors, counts=np.array([10**9, 1, 1, 10**9]))

    for seed in range(20):
        assert rows(seeds.make(tree, 2, "random", seed)) == {(0.0, 0.0, 0.0), (192.0, 0.0, 0.0)}


def test_plus_plus_seeds_are_spread_better_than_random_ones():
    points, weights, tree = tree_of_image(draw("noise", 3, seed=9))

    def potential(init, seed):
        centroids = seeds.make(tree, 24, init, seed).astype(np.int64)
        return (reference.nearest(points, centroids)[1] * weights).sum()

    greedy, random = (
        np.mean([potential(init, seed) for seed in range(8)]) for init in ("k-means++", "random")
    )
    assert greedy < random


def test_the_random_numbers_are_splitmix64():
    # First outputs for this seed, as published with the algorithm's test vectors.
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423]

    found = list(itertools.islice(seeds._random(1234567), 3))

    assert found == [(output >> 11) / 2**53 for output in outputs]


def test_seeds_do_not_depend_on_how_the_histogram_came_about():
    image = draw("gradient", 3, seed=10)
    parts = Histogram.of(image[:10]) + Histogram.of(image[10:])
    whole = Histogram.of(image)
    trees = [tree_of(h.stored_colors, "oklab", h.stored_counts)[2] for h in (parts, whole)]

    for init in METHODS:
        a, b = (seeds.make(tree, 16, init, 3) for tree in trees)
        np.testing.assert_array_equal(a, b)
