"""The native core against the plain NumPy reference, and its bindings against misuse."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import LEVELS, SPACES, draw, images, level, random_colors, tree_of

from smalti import _core, color, dither, reference, seeds

SIZES = (1, 2, 7, 255, 256, 257, 1000)
WIDTHS = (*range(1, 41), 191, 192, 193)  # around those of vectors, and the size of leaves
many = settings(max_examples=300, deadline=None)


def native_nearest(tree, entries, threads=1):
    labels, d2 = np.empty(tree.size, np.uint16), np.empty(tree.size, np.int32)
    _core.nearest(tree, np.ascontiguousarray(entries, np.int16), labels, d2, threads)
    return labels, d2


def native_step(tree, centroids, threads=1, labels=None):
    sums = np.full((len(centroids), tree.dims + 1), -7, np.int64)
    moved = _core.step(tree, np.ascontiguousarray(centroids, np.float32), sums, labels, threads)
    return sums, moved


def sums_of(points, weights, labels, k):
    """Weighted coordinates and weight of the points of each label, exact."""
    sums = np.zeros((k, points.shape[1] + 1), np.int64)
    np.add.at(sums, labels, np.column_stack([points, np.ones_like(weights)]) * weights[:, None])
    return sums


def levels():
    """Run a loop's body with the kernels of each level that this CPU has."""
    for name in LEVELS:
        with level(name) as available:
            if available:
                yield name


def assert_nearest_is_exact(points, tree, entries, threads=1):
    labels, d2 = native_nearest(tree, entries, threads)

    expected, expected_d2 = reference.nearest(points, entries)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(d2, expected_d2)


# ---------------------------------------------------------------- levels


def test_every_level_that_can_be_chosen_says_its_name(any_level):
    assert _core.level() == any_level


def test_unknown_level_is_refused_and_changes_nothing():
    before = _core.level()

    assert not _core.choose_level("v9")
    assert _core.level() == before


# ---------------------------------------------------------------- nearest


@pytest.mark.property_number(7)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", SIZES)
def test_nearest_equals_brute_force_ties_included(any_level, k, channels):
    # Few values per channel, and every entry twice: ties really occur.
    colors = random_colors(3000, channels, seed=k, high=24)
    entries = color.to_points(random_colors(2 * k, channels, seed=k + 1, high=24), "srgb")
    entries = np.resize(entries[: (k + 1) // 2], (k, channels))
    points, _, tree = tree_of(colors)

    assert_nearest_is_exact(points, tree, entries)


def test_ties_between_different_entries_go_to_the_lower_row(any_level):
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    points, _, tree = tree_of(grays)
    entries = color.to_points(np.ascontiguousarray(grays[::-4]), "srgb")

    labels, d2 = native_nearest(tree, entries)

    # 251 is as far from 255 as it is from 247.
    ties = [i for i, p in enumerate(points) if (((entries - p) ** 2).sum(1) == d2[i]).sum() == 2]
    assert len(ties) == 63
    np.testing.assert_array_equal(labels, reference.nearest(points, entries)[0])


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
def test_nearest_of_many_colors_is_the_same_on_every_level_and_thread_count(space, channels):
    points, _, tree = tree_of(random_colors(150_000, channels, seed=5), space)
    entries = color.to_points(random_colors(300, channels, seed=6)[:256], space)
    some = slice(None, None, 53)
    expected, expected_d2 = reference.nearest(points[some], entries)
    assert tree.size > 100_000

    for name in LEVELS:
        with level(name):
            for threads in (1, 2, 8):
                labels, d2 = native_nearest(tree, entries, threads)

                np.testing.assert_array_equal(labels[some], expected)
                np.testing.assert_array_equal(d2[some], expected_d2)
                if (name, threads) == (LEVELS[0], 1):
                    first = labels, d2
                np.testing.assert_array_equal(labels, first[0])
                np.testing.assert_array_equal(d2, first[1])


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 127, 128, 129, 257])
@pytest.mark.parametrize("channels", [3, 4])
def test_nearest_is_exact_at_the_sizes_of_leaves_and_vectors(any_level, n, channels):
    points, _, tree = tree_of(random_colors(n * 2, channels, seed=n)[:n])
    entries = color.to_points(random_colors(40, channels, seed=n + 1), "srgb")
    assert tree.size == n

    assert_nearest_is_exact(points, tree, entries)


@pytest.mark.property_number(7)
@pytest.mark.parametrize("colors", [
    np.column_stack([np.arange(256), np.zeros(256), np.zeros(256)]),
    np.column_stack([np.arange(256)] * 3),
    np.column_stack([np.arange(256), 255 - np.arange(256), np.full(256, 9)]),
    np.column_stack([np.full(255, 40)] * 3 + [np.arange(1, 256)]),
    np.array([[0, 0, 0], [255, 255, 255]]),
    np.array([[7, 7, 7]]),
], ids=["red", "gray", "diagonal", "alpha", "two corners", "one color"])  # fmt: skip
@pytest.mark.parametrize("space", SPACES)
def test_nearest_is_exact_for_degenerate_color_sets(any_level, colors, space):
    colors = colors.astype(np.uint8)
    points, _, tree = tree_of(colors, space)
    rng = np.random.default_rng(0)
    entries = color.to_points(colors[rng.integers(0, len(colors), 33)], space)

    assert_nearest_is_exact(points, tree, entries)


def test_all_entries_equal_give_row_zero(any_level):
    _, _, tree = tree_of(random_colors(500, 3, seed=0))

    labels, _ = native_nearest(tree, np.full((300, 3), 4000, np.int16))

    assert not labels.any()


def test_nearest_works_with_more_entries_than_colors(any_level):
    points, _, tree = tree_of(random_colors(9, 3, seed=1)[:5])
    entries = color.to_points(random_colors(1000, 3, seed=2), "srgb")

    assert_nearest_is_exact(points, tree, entries)


def test_nearest_works_with_65536_entries():
    points, _, tree = tree_of(random_colors(300, 3, seed=3))
    entries = color.to_points(random_colors(70_000, 3, seed=4)[:65_536], "oklab")
    assert len(entries) == 65_536

    assert_nearest_is_exact(points, tree, entries)


def test_nearest_can_do_without_distances():
    points, _, tree = tree_of(random_colors(500, 3, seed=5))
    entries = color.to_points(random_colors(20, 3, seed=6), "srgb")
    labels = np.empty(tree.size, np.uint16)

    _core.nearest(tree, entries, labels, None, 1)

    np.testing.assert_array_equal(labels, reference.nearest(points, entries)[0])


# ---------------------------------------------------------------- step


def gapped(colors, points, gap):
    """Points as the tree sees them: opaque ones moved away along alpha."""
    points = points.copy()
    if colors.shape[1] == 4:
        points[:, 3] += np.where(points[:, 3] == points[:, 3].max(), gap, 0)
    return points


def assert_almost_nearest(points, centroids, labels):
    chosen = ((points - centroids[labels].astype(np.float64)) ** 2).sum(1)
    _, lowest = reference.assign(points, centroids.astype(np.float64))
    assert (chosen <= lowest * (1 + 1e-6)).all()  # float32 has 24 bits, and few operations


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("heaviest", [1, 60, 10**6])
@pytest.mark.parametrize("k", SIZES)
def test_step_gives_each_point_to_a_nearest_centroid_and_sums_what_it_gave(
    any_level, k, heaviest, channels
):
    rng = np.random.default_rng([k, channels])
    colors = random_colors(2500, channels, seed=k, high=64)
    counts = rng.integers(1, heaviest + 1, len(colors))
    points, weights, tree = tree_of(colors, counts=counts, alpha_gap=16383)
    points = gapped(colors, points, 16383)
    centroids = rng.uniform(points.min(0), points.max(0), (k, channels)).astype(np.float32)
    labels = np.full(len(points), 65535, np.uint16)

    sums, _ = native_step(tree, centroids, labels=labels)

    np.testing.assert_array_equal(sums, sums_of(points, weights, labels, k))
    assert sums[:, -1].sum() == counts.sum()
    assert_almost_nearest(points, centroids, labels)


def test_step_with_whole_numbers_equals_brute_force_ties_included(any_level):
    # Steps of 1024, 16 to an axis: ties really occur.
    colors = np.unique(np.random.default_rng(0).integers(0, 16, (900, 3)) * 16, axis=0)
    points, _, tree = tree_of(colors.astype(np.uint8))
    centroids = points[np.random.default_rng(1).integers(0, len(points), 60)].astype(np.float32)
    labels = np.empty(tree.size, np.uint16)

    native_step(tree, centroids, labels=labels)

    expected, d2 = reference.assign(points, centroids)
    ties = sum(((points - c) ** 2).sum(1) == d2 for c in np.unique(centroids, axis=0)) > 1
    assert ties.any()
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_step_is_the_same_on_every_level_and_thread_count(channels):
    colors = random_colors(150_000, channels, seed=8)
    _, _, tree = tree_of(colors, "oklab", alpha_gap=16383)
    assert tree.size > 100_000
    centroids = np.random.default_rng(9).uniform(-3000, 16000, (200, channels))
    found = []

    for name in LEVELS:
        with level(name):
            for threads in (1, 2, 8):
                labels = np.full(tree.size, 65535, np.uint16)
                sums, moved = native_step(tree, centroids, threads, labels)
                found.append((sums, labels, moved))
                assert moved == tree.size
                np.testing.assert_array_equal(native_step(tree, centroids, threads)[0], sums)

    for sums, labels, _ in found:
        np.testing.assert_array_equal(sums, found[0][0])
        np.testing.assert_array_equal(labels, found[0][1])


@pytest.mark.parametrize("share", [0.9, 0.9999, 1.0001, 1.1, 1.5, 2, 3, 5, 9, 40])
def test_sums_are_exact_on_both_sides_of_what_float32_holds(any_level, share):
    # One leaf, most of it at its high end, and weights that bring it to that share of 2^24 grains.
    rng = np.random.default_rng(18)
    some = np.append(rng.permutation(511)[:190], 511)  # with white, and all of them near it
    colors = 248 + np.column_stack([some // 64, some // 8 % 8, some % 8]).astype(np.uint8)
    colors[0] = 0
    total = int(share * 2**24 / 255)  # a grain is an 8-bit step, and the box 255 of them wide
    counts = 1 + rng.multinomial(total - len(colors), rng.dirichlet(np.ones(len(colors))))
    points, weights, tree = tree_of(colors, counts=counts)
    assert (weights.sum() * 255 < 2**24) == (share < 1)
    centroids = np.array([[0, 0, 0], [16000, 16000, 16000], [16200, 16200, 16200]])
    labels = np.empty(tree.size, np.uint16)

    sums, _ = native_step(tree, centroids, labels=labels)

    np.testing.assert_array_equal(labels, reference.assign(points, centroids)[0])
    np.testing.assert_array_equal(sums, sums_of(points, weights, labels, 3))
    np.testing.assert_array_equal(native_step(tree, centroids)[0], sums)


def test_step_counts_the_weight_of_the_points_that_moved(any_level):
    colors = random_colors(2000, 3, seed=10)
    counts = np.random.default_rng(11).integers(1, 50, len(colors))
    _, weights, tree = tree_of(colors, counts=counts)
    centroids = np.random.default_rng(12).uniform(0, 16320, (9, 3))
    labels = np.full(tree.size, 65535, np.uint16)

    assert native_step(tree, centroids, labels=labels)[1] == counts.sum()
    assert native_step(tree, centroids, labels=labels)[1] == 0

    before = labels.copy()
    centroids[3] += 900
    moved = native_step(tree, centroids, labels=labels)[1]
    assert moved == weights[labels != before].sum() > 0


def test_step_with_more_centroids_than_points_leaves_some_empty(any_level):
    _, _, tree = tree_of(random_colors(9, 3, seed=13)[:5])
    centroids = np.random.default_rng(14).uniform(0, 16320, (300, 3))

    sums, _ = native_step(tree, centroids)

    assert sums[:, -1].sum() == 5
    assert (sums[:, -1] == 0).sum() >= 295


def test_far_away_centroids_get_nothing(any_level):
    points, _, tree = tree_of(random_colors(400, 3, seed=15))
    centroids = np.array([[32767] * 3, [8000] * 3, [-32767] * 3])

    sums, _ = native_step(tree, centroids)

    expected = reference.assign(points, centroids)[0]
    np.testing.assert_array_equal(sums[:, -1], np.bincount(expected, minlength=3))
    assert sums[2, -1] == 0


def test_tree_knows_its_weights_box_and_second_moment():
    colors = random_colors(3000, 4, seed=16)
    counts = np.arange(1, len(colors) + 1)
    points, weights, tree = tree_of(colors, counts=counts)

    low, high = tree.box()

    np.testing.assert_array_equal(tree.weights(), weights)
    np.testing.assert_array_equal(low, points.min(0))
    np.testing.assert_array_equal(high, points.max(0))
    assert tree.second_moment == ((points**2).sum(1) * weights).sum()
    np.testing.assert_array_equal(tree.coordinates(np.array([0, 9], np.uint32)), points[[0, 9]])


# ---------------------------------------------------------------- hard inputs


@st.composite
def hard_problems(draw_from):
    """Points, weights, their tree, and entries, all at whole coordinates.

    Few values per channel make lattices, where ties are everywhere; one makes a single color.
    """
    n = draw_from(st.one_of(st.integers(1, 40), st.sampled_from([191, 192, 193, 600])))
    channels = draw_from(st.sampled_from([3, 4]))
    space = draw_from(st.sampled_from(SPACES))
    rng = np.random.default_rng(draw_from(st.integers(0, 2**32)))
    values = draw_from(st.sampled_from([1, 2, 4, 16, 256]))
    colors = (rng.integers(0, values, (n, channels)) * (256 // values)).astype(np.uint8)
    if draw_from(st.booleans()):
        colors[:, 1:3] = colors[:, :1]  # collinear
    if draw_from(st.booleans()):
        colors[:, :3] = 255 - colors[:, :3]  # at the other end of the coordinates
    if channels == 4:
        colors[:, 3] = rng.choice(draw_from(st.sampled_from([[255], [0], [0, 90, 255]])), n)
        colors[colors[:, 3] == 0] = 0  # as histograms have it
    colors = np.unique(colors, axis=0)
    counts = rng.integers(1, draw_from(st.sampled_from([1, 60, 10**6])) + 1, len(colors))
    if draw_from(st.booleans()):
        counts[rng.integers(0, len(colors), 4)] = 2**40
    gap = draw_from(st.sampled_from([0, 16383]))
    points, weights, tree = tree_of(colors, space, counts, gap)
    if channels == 4:
        opaque = np.arange(len(points)) < (colors[:, 3] == 255).sum()  # they are stored first
        points[:, 3] += np.where(opaque, gap, 0)
    k = draw_from(st.sampled_from([1, 2, 3, len(points), len(points) + 7, 256, 1000]))
    entries = points[rng.integers(0, len(points), k)]  # some twice
    if draw_from(st.booleans()):
        low, high = color.bounds(space, channels).reshape(-1, 2).T
        entries = rng.integers(low // 32, high // 32 + 1, (k, channels)) * 32
    return points, weights, tree, entries


@pytest.mark.property_number(7)
@given(hard_problems())
@many
def test_nearest_equals_brute_force_for_hard_inputs(problem):
    points, _, tree, entries = problem

    for _ in levels():
        assert_nearest_is_exact(points, tree, entries)


@given(hard_problems(), st.integers(0, 99))
@many
def test_step_equals_brute_force_for_hard_inputs(problem, seed):
    points, weights, tree, entries = problem
    before = np.random.default_rng(seed).integers(0, len(entries), len(points)).astype(np.uint16)
    expected, _ = reference.assign(points, entries)
    expected_sums = sums_of(points, weights, expected, len(entries))

    for _ in levels():
        labels = before.copy()
        sums, moved = native_step(tree, entries, labels=labels)

        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(sums, expected_sums)
        assert moved == weights[before != expected].sum()
        np.testing.assert_array_equal(native_step(tree, entries)[0], expected_sums)


@given(hard_problems(), st.integers(0, 99))
@many
def test_step_between_whole_coordinates_finds_almost_the_nearest_for_hard_inputs(problem, seed):
    points, weights, tree, entries = problem
    before = np.random.default_rng(seed).integers(0, len(entries), len(points)).astype(np.uint16)
    centroids, results = entries + 0.25, []  # float32 holds these, but not their distances

    for _ in levels():
        labels = before.copy()
        sums, moved = native_step(tree, centroids, labels=labels)
        results.append(labels.tobytes())

        assert_almost_nearest(points, centroids, labels)
        np.testing.assert_array_equal(sums, sums_of(points, weights, labels, len(entries)))
        assert moved == weights[before != labels].sum()
        np.testing.assert_array_equal(native_step(tree, centroids)[0], sums)

    assert len(set(results)) == 1


@pytest.mark.parametrize("colors", [[[0, 9, 0]], [[255, 9, 255], [0, 9, 200]],
                                    [[0, 0, 0, 255], [9, 9, 9, 3]]])  # fmt: skip
def test_entries_may_be_32767_from_the_points_but_no_further(any_level, colors):
    colors = np.uint8(colors)
    points, _, tree = tree_of(colors, "oklab", alpha_gap=16383)
    points = gapped(colors, points, 16383)
    refused = 0
    for d in range(points.shape[1]):
        for limit, outward in ((points[:, d].max() - 32767, -1), (points[:, d].min() + 32767, 1)):
            entries = points[[0, 0, -1]]
            entries[1, d] = np.clip(limit, -32768, 32767)  # all that int16 can say

            assert_nearest_is_exact(points, tree, entries)

            entries[1, d] += outward
            if entries[1, d] == limit + outward:
                refused += 1
                with pytest.raises(ValueError, match="entries must be near the points"):
                    native_nearest(tree, entries)
    assert refused > 2


def plain_plus_plus(points, weights, k, trials, seed):
    """Greedy k-means++ by its definition: the best of several draws by weighted distance."""
    random = seeds._random(seed)
    weights = weights >> max(0, int(weights.sum()).bit_length() - 32)
    d2, rows = np.ones(len(points), np.int64), []
    while len(rows) < k and (weights * d2).any():
        ends = np.cumsum(weights * d2)
        costs = []
        for _ in range(trials if rows else 1):
            at = min(int(next(random) * int(ends[-1])), int(ends[-1]) - 1)
            row = int(np.searchsorted(ends, at, "right"))
            left = ((points - points[row]) ** 2).sum(1)
            left = np.minimum(left, d2) if rows else left
            costs.append(((weights * left).sum(), row, left))
        _, row, d2 = min(costs, key=lambda cost: cost[0])  # the first of several lowest
        rows.append(row)
    return rows


@given(hard_problems(), st.sampled_from([1, 2, 3, 16, 60]), st.integers(1, 5), st.integers(0, 99))
@many
def test_plus_plus_draws_as_its_definition_does(problem, k, trials, seed):
    points, weights, tree, _ = problem
    expected = plain_plus_plus(points, weights, k, trials, seed)

    for _ in levels():
        assert _core.plus_plus(tree, k, trials, seed).tolist() == expected


def test_plus_plus_of_many_points_draws_as_its_definition_does(any_level):
    colors = random_colors(5000, 3, seed=40)
    counts = np.random.default_rng(41).integers(1, 2**24, len(colors))
    points, weights, tree = tree_of(colors, counts=counts)

    rows = _core.plus_plus(tree, 50, 3, 42)

    assert rows.tolist() == plain_plus_plus(points, weights, 50, 3, 42)


def test_plus_plus_finds_single_pixels_beside_two_billion_of_one_color(any_level):
    colors = random_colors(40, 3, seed=55)
    counts = np.ones(len(colors), np.int64)
    counts[7] = 2**31

    points, weights, tree = tree_of(colors, counts=counts)
    rows = _core.plus_plus(tree, 100, 2, 0).tolist()

    assert rows == plain_plus_plus(points, weights, 100, 2, 0)
    assert sorted(rows) == list(range(len(colors)))


def plain_merges(means, weights):
    """Ward's cost of each merge, w v / (w + v) times the squared distance: the lowest of each."""
    d2 = ((means[:, None] - means[None]) ** 2).sum(2)
    both = weights[:, None] + weights[None]
    costs = d2 * weights[:, None] * weights[None] / np.maximum(both, 1e-20)
    np.fill_diagonal(costs, np.inf)
    return costs


@pytest.mark.parametrize("k", [*range(2, 41), 256, 1000])
@pytest.mark.parametrize("dims", [3, 4])
def test_cheapest_merges_of_a_lattice_go_to_the_lower_row(any_level, k, dims):
    # Equal weights and few small whole numbers: exact in float32, ties and twins everywhere.
    means = np.random.default_rng(k).integers(0, 4, (k, dims)) * 2000.0

    costs, neighbors = _core.cheapest_merges(
        np.ascontiguousarray(means.T, np.float32), np.full(k, 2, np.float32)
    )

    expected = plain_merges(means, np.full(k, 2.0))
    np.testing.assert_array_equal(neighbors, expected.argmin(1))
    np.testing.assert_array_equal(costs, expected.min(1))


@pytest.mark.parametrize("k", [2, 15, 16, 17, 300])
@pytest.mark.parametrize("dims", [3, 4])
@pytest.mark.parametrize("heaviest", [1, 1000, 2**40])
def test_cheapest_merges_weigh_both_clusters(any_level, k, dims, heaviest):
    rng = np.random.default_rng([k, dims])
    means = rng.uniform(-32768, 32767, (k, dims)).astype(np.float32)
    weights = np.floor(rng.uniform(0, 1, k) ** 4 * heaviest + 0.9).astype(np.float32)

    costs, neighbors = _core.cheapest_merges(np.ascontiguousarray(means.T), weights)

    expected = plain_merges(means.astype(np.float64), weights.astype(np.float64))
    assert (neighbors < k).all()
    assert (neighbors != np.arange(k)).all()
    np.testing.assert_allclose(costs, expected.min(1), rtol=1e-5)
    np.testing.assert_allclose(expected[np.arange(k), neighbors], expected.min(1), rtol=1e-5)


def plain_cells(colors, points, weights, dropped):
    """Mean and weight of the colors of each cell, in the order of the colors."""
    cell = cells_of(colors, dropped)
    total = np.bincount(cell, weights)
    sums = np.column_stack([np.bincount(cell, axis * weights) for axis in points.T])
    return sums / total[:, None], total


def cells_of(colors, dropped):
    """Number of the cell of each color, by its place: of those that agree in their high bits."""
    _, first, cell = np.unique(
        high_bits(colors, dropped), axis=0, return_index=True, return_inverse=True
    )
    return np.argsort(np.argsort(first))[cell.ravel()]


def high_bits(colors, dropped):
    """What is left of each channel, and whether it is opaque, without bits of the Z-order codes.

    Blue loses the first bit, then red, green and, where there is one, alpha. The color that cannot
    be seen has all bits.
    """
    if colors.shape[1] == 3:
        return colors >> [(dropped + first) // 3 for first in (1, 0, 2)]
    solid = colors[:, 3:] == 255
    channels = np.where(colors[:, 3:] == 0, 255, colors)
    return np.hstack([channels >> [(dropped + first) // 4 for first in (2, 1, 3, 0)], solid])


@pytest.mark.parametrize("kind", ["no alpha", "partly transparent", "some opaque"])
@pytest.mark.parametrize("dropped", [*range(1, 13), 16])
def test_cells_are_the_means_of_their_colors_in_whole_grains(kind, dropped):
    channels = 3 if kind == "no alpha" else 4
    colors = random_colors(3000, channels, seed=43, high=48)
    if kind == "partly transparent":
        colors[:, 3] = 255 - colors[:, 0] // 3 - 1
    colors = np.unique(colors, axis=0)
    counts = np.random.default_rng(44).integers(1, 1000, len(colors))
    points, weights, tree = tree_of(colors, counts=counts)

    cells = _core.coarsen(tree, dropped)

    stored = colors[_core.storage_order(colors)]
    means, total = plain_cells(stored, points, weights, dropped)
    found = cells.coordinates(np.arange(cells.size, dtype=np.uint32))
    np.testing.assert_array_equal(found, np.floor(means / 8 + 0.5) * 8)
    np.testing.assert_array_equal(cells.weights(), total)
    assert cells.second_moment == ((found.astype(np.int64) ** 2).sum(1) * total).sum()


def test_cells_never_mix_opaque_colors_with_others():
    colors = random_colors(3000, 4, seed=45, high=32)
    _, weights, tree = tree_of(colors, alpha_gap=16383)

    cells = _core.coarsen(tree, 16)

    alpha = cells.coordinates(np.arange(cells.size, dtype=np.uint32))[:, 3]
    assert set(alpha.tolist()) == {64 * 90, 64 * 200, 64 * 255 + 16384}  # in whole grains
    assert cells.weights()[alpha > 32000].sum() == (colors[:, 3] == 255).sum()
    assert cells.weights().sum() == weights.sum()


def test_opaque_and_almost_opaque_white_are_two_cells():
    # Both are last along their curves, so only the rule keeps them apart.
    colors = np.uint8([[200, 200, 200, 255], [255, 255, 255, 255], [255, 255, 255, 254]])
    points, _, tree = tree_of(colors, alpha_gap=16383)
    points = gapped(colors, points, 16383).astype(float)

    cells, centroids = _core.coarsen(tree, 16), _core.split_seeds(tree, 2, 1)

    assert cells.size == 3
    assert tree.coarseness(3) == 16
    assert tree.coarseness(4) == 0
    np.testing.assert_array_equal(centroids, plain_splitting(points, np.ones(3), 2))


@pytest.mark.parametrize("channels", [3, 4])
def test_trees_without_keys_assign_as_others_do(channels):
    colors = random_colors(3000, channels, seed=48)
    points, weights, tree = tree_of(colors)
    stored = np.ascontiguousarray(colors[_core.storage_order(colors)])
    bare = color.make_tree(stored, weights, "srgb", keep_keys=False)
    entries = points[::300].astype(np.int16)
    results = []

    for some in (tree, bare):
        labels, d2 = np.empty(some.size, np.uint16), np.empty(some.size, np.int32)
        _core.nearest(some, entries, labels, d2, 1)
        results.append((labels.tobytes(), d2.tobytes(), some.second_moment))

    assert results[0] == results[1]


@pytest.mark.parametrize("channels", [3, 4])
def test_coarseness_is_the_most_bits_that_leave_enough_cells(channels):
    colors = random_colors(2600, channels, seed=46, high=40)
    _, _, tree = tree_of(colors)
    cells = [cells_of(colors, dropped).max() + 1 for dropped in range(4 * channels + 1)]
    assert len(set(cells)) > 10

    for least in (0, *(count + more for count in cells for more in (-1, 0, 1))):
        expected = max((bits for bits, count in enumerate(cells) if count >= least), default=0)
        assert tree.coarseness(least) == expected


def principal_axis(points, weights):
    """Deviations from the mean, their covariance, and its main direction: a column of a power."""
    deltas = points - np.average(points, axis=0, weights=weights)
    covariance = (deltas * weights[:, None]).T @ deltas
    power = np.linalg.matrix_power(covariance / max(covariance.trace(), 1e-300), 16)
    axis = power[power.diagonal().argmax()]
    return deltas, covariance, axis / max(np.abs(axis).max(), 1e-300)


def plain_cut(points, weights):
    """The best cut between bins along the principal axis: its gain, and who is on the left."""
    deltas, _, axis = principal_axis(points, weights)
    t = deltas @ axis
    bins = np.clip(len(points), 32, 256)
    place = np.minimum((t - t.min()) * (bins / np.ptp(t)), bins - 1).astype(int)
    best = 0.0, place < 0
    for cut in range(bins - 1):
        left = place <= cut
        if left.any() and not left.all():
            w, v = weights[left].sum(), weights[~left].sum()
            ends = [
                np.average(points[side], axis=0, weights=weights[side]) for side in (left, ~left)
            ]
            gain = w * v / (w + v) * ((ends[0] - ends[1]) ** 2).sum()
            best = max(best, (gain, left), key=lambda cut: cut[0])
    return best


def plain_splitting(points, weights, k):
    """Means of the boxes made by always cutting the one that gains most."""
    boxes = [np.arange(len(points))]
    cuts = [plain_cut(points, weights)]
    while len(boxes) < k:
        widest = max(range(len(boxes)), key=lambda box: cuts[box][0])
        rows, left = boxes[widest], cuts[widest][1]
        for place, part in ((widest, rows[left]), (len(boxes), rows[~left])):
            boxes[place : place + 1] = [part]
            cut = plain_cut(points[part], weights[part]) if len(part) > 1 else (0.0, None)
            cuts[place : place + 1] = [cut]
    return np.array([np.average(points[rows], axis=0, weights=weights[rows]) for rows in boxes])


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 2, 3, 16, 60])
def test_splitting_cuts_where_its_definition_does(channels, k):
    colors = random_colors(700, channels, seed=k)
    colors[:, 0] //= 3  # one axis stands out less than chance would have it
    colors = np.unique(colors, axis=0)
    counts = np.random.default_rng(47).integers(1, 1000, len(colors))
    points, weights, tree = tree_of(colors, "oklab", counts=counts)

    centroids = _core.split_seeds(tree, k, 1000)  # more than there are: each color is a cell

    np.testing.assert_allclose(centroids, plain_splitting(points, weights, k), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("heavy", [0, 15, 30])
def test_splitting_cuts_between_any_two_bins(heavy):
    # A ramp of one color per bin; nearly all the weight is on two neighbors.
    grays = np.repeat(np.arange(32, dtype=np.uint8)[:, None], 3, axis=1)
    counts = np.ones(32, np.int64)
    counts[heavy : heavy + 2] = 10**6
    points, weights, tree = tree_of(grays, counts=counts)

    centroids = _core.split_seeds(tree, 2, 1000)

    np.testing.assert_allclose(np.sort(centroids[:, 0]), [heavy * 64, heavy * 64 + 64], atol=0.1)
    np.testing.assert_allclose(centroids, plain_splitting(points, weights, 2), rtol=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("cells_per_seed", [24, 120, 144])
def test_splitting_cuts_between_cells_where_they_are_enough(channels, cells_per_seed):
    colors = random_colors(3000, channels, seed=48)
    points, weights, tree = tree_of(colors)
    stored = colors[_core.storage_order(colors)]
    dropped = tree.coarseness(20 * cells_per_seed)  # tested above
    assert dropped > 0
    means, total = plain_cells(stored, points, weights, dropped)

    centroids = _core.split_seeds(tree, 20, cells_per_seed)

    np.testing.assert_allclose(centroids, plain_splitting(means, total, 20), rtol=1e-6, atol=1e-3)


def whole(coordinates):
    return np.floor(coordinates + 0.5)


def plain_settling(points, weights, centroids, iterations):
    """Lloyd's algorithm in steps 1.8 times as long, but for the last, to whole coordinates.

    Returns centroids, the means that they were rounded from, labels, and what those means cost.
    """
    for i in range(iterations):
        labels, _ = reference.assign(points, centroids)
        sums = sums_of(points, weights, labels, len(centroids))
        used = sums[:, -1] > 0
        means = centroids.astype(np.float64)
        means[used] = sums[used, :-1] / sums[used, -1:]
        way = 1.0 if i == iterations - 1 else 1.8
        there = whole(centroids + way * (means - centroids))
        centroids = np.where(used[:, None], there, centroids)
    return centroids, means, labels, (((points - means[labels]) ** 2).sum(1) * weights).sum()


def plain_split(points, weights):
    """What splitting a cluster would save, and how far its halves lie from its mean."""
    if len(points) < 2:
        return 0.0, 0.0
    _, covariance, axis = principal_axis(points, weights)
    axis = axis / np.linalg.norm(axis)
    variance = axis @ covariance @ axis
    return 0.6366 * variance, 0.7979 * np.sqrt(variance / weights.sum()) * axis


def plain_exchange(points, weights, state, count, skip):
    """Centroids after moving some from the cheapest merges to the best splits, or None."""
    centroids, means, labels, _ = state
    moved, k = centroids.copy(), len(means)
    here = [labels == j for j in range(k)]
    splits = [plain_split(points[rows], weights[rows]) for rows in here]
    # The native costs, tested above: which of two neighbors moves is a matter of their last bit.
    costs, neighbors = _core.cheapest_merges(
        np.ascontiguousarray(means.T, np.float32), np.bincount(labels, weights, k).astype("f4")
    )
    targets = sorted(range(k), key=lambda j: -splits[j][0])[skip:]
    taken, done = set(), 0
    for j in np.argsort(costs, kind="stable"):
        neighbor = neighbors[j]
        if done == count or taken & {j, neighbor}:
            continue
        target = next((t for t in targets if t not in taken), None)
        if target in (j, neighbor):
            continue
        if target is None or splits[target][0] <= 0.3 * costs[j]:
            break
        taken |= {j, neighbor, target}
        moved[target] = whole(means[target] + splits[target][1])
        moved[j] = whole(means[target] - splits[target][1])
        done += 1
    return moved if done else None


def plain_breathing(points, weights, centroids, first, cycles, iterations):
    """Exchange, settle, keep what is better; where it is not, try half as many, then the next."""
    best = plain_settling(points, weights, centroids, first)
    count, skip = max(1, len(centroids) // 8), 0
    for _ in range(cycles):
        moved = plain_exchange(points, weights, best, count, skip)
        if moved is None:
            break
        found = plain_settling(points, weights, moved, iterations)
        if found[-1] < best[-1]:
            best, skip = found, 0
        else:
            skip += count == 1
            count = max(1, count // 2)
    return best


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("cycles", [0, 1, 12])
@pytest.mark.parametrize("k", [1, 2, 3, 16, 60])
def test_breathing_does_what_its_definition_does(any_level, channels, cycles, k):
    colors = random_colors(900, channels, seed=49)
    counts = np.random.default_rng(50).integers(1, 1000, len(colors))
    points, weights, tree = tree_of(colors, counts=counts)
    start = points[np.random.default_rng(51).permutation(len(points))[:k]].astype(float)
    centroids = start.astype(np.float32)

    cost, _ = _core.breathe(tree, centroids, 3, cycles, 2, 1)

    cycles = cycles if k > 2 else 0
    expected, _, _, expected_cost = plain_breathing(points, weights, start, 3, cycles, 2)
    np.testing.assert_array_equal(centroids, expected)
    assert cost == pytest.approx(expected_cost, rel=1e-9)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [3, 7, 16, 40])
def test_breathing_does_not_see_how_often_the_same_was_counted(any_level, channels, k):
    # Powers of two scale floats exactly; so many pixels once led it behind the end of its clusters.
    colors = random_colors(60, channels, seed=53)
    counts = np.random.default_rng(54).integers(1, 16, len(colors))
    points, _, once = tree_of(colors, counts=counts)
    _, _, often = tree_of(colors, counts=counts * 2**36)
    one, many = (points[:k].astype(np.float32) for _ in range(2))

    cost, _ = _core.breathe(once, one, 2, 8, 2, 1)
    costs, _ = _core.breathe(often, many, 2, 8, 2, 1)

    np.testing.assert_array_equal(many, one)
    assert costs == cost * 2**36


@given(hard_problems(), st.integers(0, 3))
@many
def test_breathing_never_ends_above_its_first_iterations_for_hard_inputs(problem, cycles):
    points, weights, tree, entries = problem
    results = []
    for _ in levels():
        plain, centroids = (entries.astype(np.float32) for _ in range(2))
        before, _ = _core.breathe(tree, plain, 2, 0, 1, 1)
        cost, _ = _core.breathe(tree, centroids, 2, cycles, 2, 1)
        results.append((cost, centroids.tobytes()))

        assert cost <= before
        assert np.isfinite(centroids).all()
        np.testing.assert_array_equal(centroids, whole(centroids))
        _, d2 = reference.assign(points, centroids.astype(np.float64))
        rounding = weights.sum() * tree.dims / 4  # half a step along each axis
        # Of a large sum and another one that nearly equals it, only so much is left.
        assert (d2 * weights).sum() <= cost + rounding + tree.second_moment * 1e-12

    assert len(set(results)) == 1


@given(hard_problems(), st.integers(0, 3), st.data())
@many
def test_breathing_beside_fixed_centroids_holds_for_hard_inputs(problem, cycles, data):
    points, weights, tree, entries = problem
    fixed = data.draw(st.integers(1, len(entries)))
    results = []
    for _ in levels():
        plain, centroids = (entries.astype(np.float32) for _ in range(2))
        before, _ = _core.breathe(tree, plain, 2, 0, 1, 1, fixed)
        cost, _ = _core.breathe(tree, centroids, 2, cycles, 2, 1, fixed)
        results.append((cost, centroids.tobytes()))

        assert cost <= before
        np.testing.assert_array_equal(centroids[:fixed], entries[:fixed])
        np.testing.assert_array_equal(centroids, whole(centroids))
        _, d2 = reference.assign(points, centroids.astype(np.float64))
        rounding = weights.sum() * tree.dims / 4
        assert (d2 * weights).sum() <= cost + rounding + tree.second_moment * 1e-12

    assert len(set(results)) == 1


@given(hard_problems(), st.integers(1, 3))
@many
def test_settling_equals_its_definition_for_hard_inputs(problem, iterations):
    points, weights, tree, entries = problem
    expected, _, _, expected_cost = plain_settling(points, weights, entries, iterations)

    for _ in levels():
        centroids = entries.astype(np.float32)
        cost, _ = _core.breathe(tree, centroids, iterations, 0, 1, 1)

        np.testing.assert_array_equal(centroids, expected)
        assert abs(cost - expected_cost) <= tree.second_moment * 1e-12


# ---------------------------------------------------------------- colors of pixels


def assert_colors_are_counted(image):
    pixels = np.ascontiguousarray(image.reshape(-1, image.shape[2]))
    colors, counts = _core.count_colors(pixels, 1)

    expected, expected_counts = reference.count_colors(image)
    order = _core.storage_order(expected)
    np.testing.assert_array_equal(colors, expected[order])
    np.testing.assert_array_equal(counts, expected_counts[order])


@given(images())
@many
def test_colors_are_counted_as_by_the_reference(image):
    for _ in levels():
        assert_colors_are_counted(image)


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("channels", [3, 4])
def test_every_number_of_pixels_is_counted_and_labeled_to_the_last(any_level, n, channels):
    image = draw("noise", channels, seed=n, height=1, width=n)
    colors, _ = reference.count_colors(image)
    labels, found = np.arange(len(colors)).astype(np.uint16), np.full(n, 999, np.uint16)

    _core.gather(image[0], colors, labels, found, 1)

    assert_colors_are_counted(image)
    visible = np.where(image[0, :, 3:] == 0, 0, image[0]) if channels == 4 else image[0]
    np.testing.assert_array_equal(colors[found], visible)


@pytest.mark.parametrize("channels", [3, 4])
def test_many_colors_are_counted_as_by_the_reference(any_level, channels):
    image = draw("noise", channels, seed=1, height=300, width=300)
    image[..., 3:] = draw("noise", 3, seed=2, height=300, width=300)[..., :1]  # every alpha

    assert_colors_are_counted(image)


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("space", SPACES)
def test_every_number_of_colors_becomes_points_to_the_last(any_level, n, channels, space):
    colors = draw("noise", channels, seed=n, height=1, width=n)[0]
    colors[n // 2] = 0  # black has roots of its own
    colors[-1] = 255

    points = color.to_points(colors, space)

    np.testing.assert_array_equal(points, reference.to_points(colors, space))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_gather_writes_the_label_of_each_pixels_color(any_level, channels, dtype, threads):
    image = draw("noise", channels, seed=1, height=64, width=64)
    colors, _ = reference.count_colors(image)
    labels = np.random.default_rng(2).permutation(len(colors)).astype(np.uint16)
    labels &= np.iinfo(dtype).max
    pixels = image.reshape(-1, channels)
    visible = np.where(pixels[:, 3:] == 0, 0, pixels) if channels == 4 else pixels
    row = np.unique(visible, axis=0, return_inverse=True)[1].ravel()
    pixels, expected = np.tile(pixels, (80, 1)), np.tile(labels[row], 80)
    assert len(pixels) > 2**18  # more than one chunk
    out = np.empty(len(pixels), dtype)

    _core.gather(pixels, colors, labels, out, threads)

    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (37, 1), (13, 22)])
@pytest.mark.parametrize("k", [1, 2, 15, 16, 17, 256])
def test_diffusion_equals_the_reference_bit_for_bit(any_level, channels, space, shape, k):
    image = draw("gradient", channels, 3, *shape)
    image[..., :3] ^= draw("noise", 3, 4, *shape) & 63
    palette = np.random.default_rng(k).integers(0, 256, (k, channels)).astype(np.uint8)
    if channels == 4:
        palette[:, 3] = np.random.default_rng(k).choice([0, 255, 128], k)

    indices = dither.floyd_steinberg(image, palette, space)

    np.testing.assert_array_equal(indices, reference.floyd_steinberg(image, palette, space))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_trees_of_many_chunks_are_the_same_on_every_thread_count(channels, threads):
    colors = random_colors(90_000, channels, seed=5)
    colors = np.ascontiguousarray(colors[_core.storage_order(colors)])
    counts = np.random.default_rng(6).integers(1, 1000, len(colors))
    entries = color.to_points(random_colors(50, channels, seed=7), "oklab").astype(np.float32)

    def describe(threads):
        fine = color.make_tree(colors, counts, "oklab", alpha_gap=99, threads=threads)
        assert fine.coarseness(5000, threads) == fine.coarseness(5000)
        for tree in (fine, _core.coarsen(fine, 2, threads)):
            sums = np.empty((len(entries), channels + 1), np.int64)
            _core.step(tree, entries, sums, None, threads)
            points = tree.coordinates(np.arange(tree.size, dtype=np.uint32))
            yield [tree.second_moment, *tree.box(), points, tree.weights(), sums]

    for tree, expected in zip(describe(threads), describe(1), strict=True):
        for found, value in zip(tree, expected, strict=True):
            np.testing.assert_array_equal(found, value)


def test_a_tree_keeps_the_counts_that_it_was_given():
    colors, entries = np.uint8([[0, 0, 0], [9, 9, 9]]), np.zeros((1, 3), np.float32)
    tree = color.make_tree(colors, np.arange(1, 3) * 10**12, "srgb")
    for _ in range(100):
        np.full(2, 7)  # would lie where the counts were
    sums = np.empty((1, 4), np.int64)

    _core.step(tree, entries, sums, None, 1)

    assert sums.tolist() == [[64 * 9 * 2 * 10**12] * 3 + [3 * 10**12]]


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("k", [1, 3, 1000, 65_536])
def test_weights_of_labels_are_sums_of_counts(threads, k):
    rng = np.random.default_rng(k)
    labels = rng.integers(0, max(1, k - 1), 700_000).astype(np.uint16)  # the last has none
    counts = rng.integers(1, 2**27, len(labels))  # adds up to nearly the most there may be

    weights = _core.weigh(labels, counts, k, threads)

    expected = np.zeros(k, np.int64)
    np.add.at(expected, labels, counts)
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [2, 16, 256])
def test_diffusion_gives_ties_to_the_lower_row(any_level, channels, k):
    # Few near colors, some twice in the palette: values fall in the middle between two, and errors
    # are just as long as they may be.
    rng = np.random.default_rng(k)
    image = rng.integers(0, 4, (9, 40, channels)).astype(np.uint8)
    palette = rng.integers(0, 3, (k, channels)).astype(np.uint8) * 2
    if channels == 4:
        image[..., 3] = rng.choice([0, 128, 255], (9, 40))
        palette[:, 3] = rng.choice([0, 128, 255], k) if k > 16 else 128
        palette[k // 2, 3] = 255  # where it is alone, it may hand on nothing

    indices = dither.floyd_steinberg(image, palette, "srgb")

    np.testing.assert_array_equal(indices, reference.floyd_steinberg(image, palette, "srgb"))


# ---------------------------------------------------------------- bindings

COLORS = random_colors(200, 3, seed=20)
STORED = COLORS[_core.storage_order(COLORS)]
N = len(COLORS)
ENTRIES = np.zeros((4, 3), np.int16)
CENTROIDS = np.zeros((4, 3), np.float32)
POINTS = np.zeros((N, 3), np.int16)
ONES = np.ones(N, np.int64)
LABELS = np.zeros(N, np.uint16)
PIXELS = np.zeros((6, 5, 3), np.uint8)
BOUNDS = color.bounds("srgb", 3)
TILE = np.full((2, 2), 256, np.uint16)


def _nearest(entries=ENTRIES, labels=LABELS, d2=None, threads=1):
    _core.nearest(tree_of(COLORS)[2], entries, labels, d2, threads)


def _step(centroids=CENTROIDS, sums=None, labels=None, threads=1):
    sums = np.zeros((len(centroids), 4), np.int64) if sums is None else sums
    _core.step(tree_of(COLORS)[2], centroids, sums, labels, threads)


def _make_tree(colors=STORED, space=0, linear=color.LINEAR, counts=ONES, gap=0, threads=1):
    _core.make_tree(colors, space, linear, counts, gap, threads)


def _breathe(centroids=CENTROIDS, first=1, iterations=1):
    _core.breathe(tree_of(COLORS)[2], centroids.copy(), first, 1, iterations, 1)


def _gather(pixels=COLORS, colors=COLORS, labels=LABELS, out=LABELS):
    _core.gather(pixels, colors, labels, out, 1)


def _diffuse(pixels=PIXELS, space=0, linear=color.LINEAR, entries=ENTRIES, opaque=None,
             transparent=-1, bounds=BOUNDS, strengths=None, indices=None, kernel=0):  # fmt: skip
    opaque = np.ones(len(entries), np.uint8) if opaque is None else opaque
    plane = np.zeros(pixels.shape[:2], np.uint8)
    strengths = plane if strengths is None else strengths
    indices = plane.copy() if indices is None else indices
    common = (pixels, space, linear, entries, opaque, transparent, bounds, strengths, indices)
    _core.diffuse(kernel, *common)


def _order(tile=TILE, **arguments):
    names = ("pixels", "space", "linear", "entries", "opaque", "transparent", "bounds")
    given = {
        "pixels": PIXELS,
        "space": 0,
        "linear": color.LINEAR,
        "entries": ENTRIES,
        "opaque": np.ones(len(ENTRIES), np.uint8),
        "transparent": -1,
        "bounds": BOUNDS,
    }
    plane = np.zeros(PIXELS.shape[:2], np.uint8)
    _core.order(tile, *({**given, **arguments}[name] for name in names), plane, plane.copy())


def _find_bands(pixels=PIXELS, linear=color.LINEAR, entries=ENTRIES, indices=None, strengths=None):
    plane = np.zeros(PIXELS.shape[:2], np.uint8)
    indices = plane if indices is None else indices
    _core.find_bands(pixels, linear, entries, indices, plane if strengths is None else strengths, 1)


def _to_points(colors=COLORS, space=0, linear=color.LINEAR, points=POINTS):
    _core.to_points(colors, space, linear, points)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


WRONG_TYPES = {
    "nearest: entries int32": (_nearest, {"entries": ENTRIES.astype(np.int32)}),
    "nearest: entries float": (_nearest, {"entries": CENTROIDS}),
    "nearest: entries Fortran": (_nearest, {"entries": np.asfortranarray(ENTRIES)}),
    "nearest: entries strided": (_nearest, {"entries": np.zeros((8, 3), np.int16)[::2]}),
    "nearest: entries list": (_nearest, {"entries": [[0, 0, 0]]}),
    "nearest: entries flat": (_nearest, {"entries": ENTRIES.ravel()}),
    "nearest: labels uint8": (_nearest, {"labels": LABELS.astype(np.uint8)}),
    "nearest: labels strided": (_nearest, {"labels": np.zeros(2 * N, np.uint16)[::2]}),
    "nearest: labels reversed": (_nearest, {"labels": np.zeros(N, np.uint16)[::-1]}),
    "nearest: labels read-only": (_nearest, {"labels": read_only(LABELS)}),
    "nearest: labels None": (_nearest, {"labels": None}),
    "nearest: d2 int64": (_nearest, {"d2": ONES}),
    "nearest: threads negative": (_nearest, {"threads": -1}),
    "step: centroids float64": (_step, {"centroids": CENTROIDS.astype(np.float64)}),
    "step: centroids strided": (_step, {"centroids": np.zeros((4, 6), np.float32)[:, ::2]}),
    "step: sums int32": (_step, {"sums": np.zeros((4, 4), np.int32)}),
    "step: sums read-only": (_step, {"sums": read_only(np.zeros((4, 4), np.int64))}),
    "step: labels int64": (_step, {"labels": ONES}),
    "tree: colors int": (_make_tree, {"colors": COLORS.astype(np.int64)}),
    "tree: linear float32": (_make_tree, {"linear": color.LINEAR.astype(np.float32)}),
    "tree: threads negative": (_make_tree, {"threads": -1}),
    "tree: counts int32": (_make_tree, {"counts": ONES.astype(np.int32)}),
    "gather: out int64": (_gather, {"out": ONES}),
    "gather: pixels strided": (_gather, {"pixels": COLORS[:, ::-1]}),
    "diffuse: pixels flat": (_diffuse, {"pixels": PIXELS.reshape(-1, 3)}),
    "diffuse: linear short": (_diffuse, {"linear": color.LINEAR[:255]}),
    "diffuse: linear float32": (_diffuse, {"linear": color.LINEAR.astype(np.float32)}),
    "diffuse: indices uint16": (_diffuse, {"indices": np.zeros((6, 5), np.uint16)}),
    "points: out int32": (_to_points, {"points": POINTS.astype(np.int32)}),
    "count: floats": (lambda: _core.count_colors(CENTROIDS, 1), {}),
    "count: strided": (lambda: _core.count_colors(np.zeros((9, 6), np.uint8)[:, ::2], 1), {}),
}


def bare_tree():
    """A tree that has given up its keys."""
    tree = tree_of(COLORS)[2]
    tree.forget_keys()
    return tree


WRONG_SIZES = {
    "nearest: no entries": (_nearest, {"entries": ENTRIES[:0]}),
    "nearest: 65,537 entries": (_nearest, {"entries": np.zeros((65_537, 3), np.int16)}),
    "nearest: entries of 4": (_nearest, {"entries": np.zeros((4, 4), np.int16)}),
    "nearest: entries far away": (_nearest, {"entries": ENTRIES - np.int16(32_767)}),
    "nearest: labels short": (_nearest, {"labels": LABELS[:-1]}),
    "nearest: d2 short": (_nearest, {"d2": np.zeros(N - 1, np.int32)}),
    "step: no centroids": (_step, {"centroids": CENTROIDS[:0]}),
    "step: 65,537 centroids": (_step, {"centroids": np.zeros((65_537, 3), np.float32)}),
    "step: sums short": (_step, {"sums": np.zeros((3, 4), np.int64)}),
    "step: sums narrow": (_step, {"sums": np.zeros((4, 3), np.int64)}),
    "step: labels short": (_step, {"labels": LABELS[:-1]}),
    "tree: empty": (_make_tree, {"colors": STORED[:0], "counts": ONES[:0]}),
    "tree: unknown space": (_make_tree, {"space": 2}),
    "tree: counts short": (_make_tree, {"counts": ONES[:-1]}),
    "tree: gap negative": (_make_tree, {"gap": -1}),
    "tree: gap too large": (_make_tree, {"gap": 16_385}),
    "tree: 2 channels": (_make_tree, {"colors": np.zeros((N, 2), np.uint8)}),
    "gather: out short": (_gather, {"out": LABELS[:-1]}),
    "gather: labels short": (_gather, {"labels": LABELS[:-1]}),
    "gather: no colors": (_gather, {"colors": COLORS[:0], "labels": LABELS[:0]}),
    "gather: other channels": (_gather, {"colors": np.zeros((N, 4), np.uint8)}),
    "diffuse: no entries": (_diffuse, {"entries": ENTRIES[:0]}),
    "diffuse: 257 entries": (_diffuse, {"entries": np.zeros((257, 3), np.int16)}),
    "diffuse: opaque short": (_diffuse, {"opaque": np.ones(3, np.uint8)}),
    "diffuse: transparent is no row": (_diffuse, {"transparent": 4}),
    "diffuse: bounds short": (_diffuse, {"bounds": BOUNDS[:-1]}),
    "diffuse: indices short": (_diffuse, {"indices": np.zeros((6, 4), np.uint8)}),
    "diffuse: unknown space": (_diffuse, {"space": 2}),
    "diffuse: unknown kernel": (_diffuse, {"kernel": 3}),
    "diffuse: strengths short": (_diffuse, {"strengths": np.zeros((6, 4), np.uint8)}),
    "diffuse: nothing opaque": (_diffuse, {"opaque": np.zeros(4, np.uint8)}),
    "diffuse: bounds too wide": (_diffuse, {"bounds": BOUNDS * 2}),
    "diffuse: entries out of bounds": (_diffuse, {"entries": ENTRIES - 1}),
    "order: tile not square": (_order, {"tile": TILE[:1]}),
    "order: tile empty": (_order, {"tile": TILE[:0, :0]}),
    "order: opaque short": (_order, {"opaque": np.ones(3, np.uint8)}),
    "find_bands: entries of 4": (_find_bands, {"entries": np.zeros((4, 4), np.int16)}),
    "find_bands: indices beyond": (_find_bands, {"indices": np.full((6, 5), 4, np.uint8)}),
    "find_bands: indices short": (_find_bands, {"indices": np.zeros((6, 4), np.uint8)}),
    "find_bands: strengths short": (_find_bands, {"strengths": np.zeros((6, 4), np.uint8)}),
    "points: out short": (_to_points, {"points": POINTS[:-1]}),
    "points: out wide": (_to_points, {"points": np.zeros((N, 4), np.int16)}),
    "points: unknown space": (_to_points, {"space": -1}),
    "count: 5 channels": (lambda: _core.count_colors(np.zeros((9, 5), np.uint8), 1), {}),
    "order: 1 channel": (lambda: _core.storage_order(np.zeros((9, 1), np.uint8)), {}),
    "merges: one mean": (
        lambda: _core.cheapest_merges(np.zeros((3, 1), np.float32), np.ones(1, np.float32)),
        {},
    ),
    "merges: weights short": (
        lambda: _core.cheapest_merges(np.zeros((3, 5), np.float32), np.ones(4, np.float32)),
        {},
    ),
    "merges: means of 5": (
        lambda: _core.cheapest_merges(np.zeros((5, 4), np.float32), np.ones(4, np.float32)),
        {},
    ),
    "weigh: counts short": (lambda: _core.weigh(LABELS, ONES[:-1], 4), {}),
    "weigh: label k": (lambda: _core.weigh(LABELS + np.uint16(4), ONES, 4), {}),
    "weigh: k = 0": (lambda: _core.weigh(LABELS[:0], ONES[:0], 0), {}),
    "weigh: k = 65,537": (lambda: _core.weigh(LABELS, ONES, 65_537), {}),
    "coarsen: nothing dropped": (lambda: _core.coarsen(tree_of(COLORS)[2], 0), {}),
    "coarsen: 17 bits dropped": (lambda: _core.coarsen(tree_of(COLORS)[2], 17), {}),
    "coarsen: no keys": (lambda: _core.coarsen(bare_tree(), 3), {}),
    "coarseness: no keys": (lambda: bare_tree().coarseness(3), {}),
    "split: no keys": (lambda: _core.split_seeds(bare_tree(), 3, 8), {}),
    "breathe: no first iteration": (_breathe, {"first": 0}),
    "breathe: no iterations": (_breathe, {"iterations": 0}),
    "breathe: no centroids": (_breathe, {"centroids": CENTROIDS[:0]}),
    "breathe: centroids of 4": (_breathe, {"centroids": np.zeros((4, 4), np.float32)}),
    "split: k = 0": (lambda: _core.split_seeds(tree_of(COLORS)[2], 0, 8), {}),
    "split: k = 65,537": (lambda: _core.split_seeds(tree_of(COLORS)[2], 65_537, 8), {}),
    "plus_plus: k = 0": (lambda: _core.plus_plus(tree_of(COLORS)[2], 0, 1, 0), {}),
    "plus_plus: k = 65,537": (lambda: _core.plus_plus(tree_of(COLORS)[2], 65_537, 1, 0), {}),
    "plus_plus: no trials": (lambda: _core.plus_plus(tree_of(COLORS)[2], 1, 0, 0), {}),
    "coordinates: no such row": (
        lambda: tree_of(COLORS)[2].coordinates(np.array([N], np.uint32)),
        {},
    ),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_types_and_layouts_are_refused_rather_than_copied(case):
    call, arguments = WRONG_TYPES[case]

    with pytest.raises(TypeError):
        call(**arguments)


@pytest.mark.parametrize("case", WRONG_SIZES)
def test_wrong_sizes_are_refused_rather_than_overrun(case):
    call, arguments = WRONG_SIZES[case]

    with pytest.raises(ValueError, match="must"):
        call(**arguments)


@pytest.mark.parametrize("call", [
    "_core.make_tree(np.zeros((200, 3), u8), 0, linear, np.ones(200, 'i8'), 0, 1)",
    "_core.make_tree(colors, 0, linear, np.ones(3000, 'i8'), 0, 1)",
    "_core.make_tree(rgba, 0, linear, np.ones(3000, 'i8'), 0, 1)",
    "_core.gather(colors, colors[:1], np.zeros(1, 'u2'), np.zeros(3000, u8), 1)",
    "_core.gather(rgba, rgba[:1], np.zeros(1, 'u2'), np.zeros(3000, u8), 1)",
], ids=["tree of twins", "tree out of order", "alpha tree out of order", "unknown colors",
        "unknown colors with alpha"])  # fmt: skip
def test_colors_that_break_the_contract_crash_nothing(call):
    # In a process of its own: it may refuse or give nonsense, but has to come back alive.
    code = f"""
import numpy as np
from smalti import _core
u8 = np.uint8
rgba = np.random.default_rng(0).integers(0, 256, (3000, 4)).astype(u8)
rgba[::2, 3] = 255
colors = np.ascontiguousarray(rgba[:, :3])
linear = np.zeros(256)
try:
    {call}
except ValueError as error:
    assert "must" in str(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(Path(_core.__file__).parent.parent)},
                          check=False)  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_the_arguments_that_those_refusals_start_from_are_fine():
    for call in (
        _nearest,
        _step,
        _breathe,
        _gather,
        _diffuse,
        _order,
        _find_bands,
        _to_points,
        _make_tree,
    ):
        call()


def test_nothing_is_written_behind_the_end_of_the_outputs():
    _, _, tree = tree_of(COLORS)
    labels, d2 = np.full(N + 64, 9999, np.uint16), np.full(N + 64, -5, np.int32)

    _core.nearest(tree, ENTRIES, labels[:N], d2[:N], 1)

    assert (labels[N:] == 9999).all()
    assert (d2[N:] == -5).all()


def big_tree():
    return tree_of(random_colors(150_000, 3, seed=30))[2]


def test_one_tree_serves_several_python_threads_at_once():
    points, _, tree = tree_of(random_colors(60_000, 4, seed=33))
    entries = color.to_points(random_colors(40, 4, seed=34), "srgb")
    results = [None] * 4

    def work(i):
        results[i] = native_nearest(tree, entries, 2)[0], *native_step(tree, entries, 2)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    expected, _ = reference.nearest(points, entries)
    for labels, sums, _ in results:
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(sums, results[0][1])


@pytest.mark.parametrize("prepare", [
    lambda: (_core.plus_plus, big_tree(), 150, 2, 0),
    lambda: (_core.nearest, big_tree(), color.to_points(random_colors(60_000, 3, 31), "srgb"),
             np.empty(len(random_colors(150_000, 3, 30)), np.uint16), None, 1),
    lambda: (_core.count_colors, np.zeros((20_000_000, 3), np.uint8), 1),
    lambda: (dither.floyd_steinberg, np.zeros((1000, 1000, 3), np.uint8),
             random_colors(300, 3, 32)[:256], "srgb"),
], ids=["plus_plus", "nearest", "count_colors", "diffuse"])  # fmt: skip
def test_other_threads_run_during_native_loops(prepare):
    call, *arguments = prepare()
    ended = []

    def work():
        call(*arguments)
        ended.append(time.perf_counter())

    worker = threading.Thread(target=work)
    start = time.perf_counter()
    worker.start()
    awake = []
    while not ended:
        time.sleep(0.0005)
        awake.append(time.perf_counter())
    worker.join()

    # With the lock held throughout, this thread would have slept through all of it.
    longest = np.diff([start, *awake]).max()
    assert longest < 0.7 * (ended[0] - start), "held the interpreter lock"


# ---------------------------------------------------------------- update


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 7, 256])
def test_update_gives_the_means_and_what_the_points_cost_before_and_after(k, channels):
    colors = random_colors(900, channels, seed=k)
    counts = np.random.default_rng(k).integers(1, 1000, len(colors))
    points, weights, tree = tree_of(colors, counts=counts)
    centroids = points[:: len(points) // k][:k].astype(np.float32) + np.float32(0.25)
    labels = np.empty(len(points), np.uint16)
    sums, _ = native_step(tree, centroids, labels=labels)

    updated, before, after, shift2 = _core.update(tree, centroids, sums)

    means = reference.update(points, weights, labels, centroids.astype(np.float64))
    np.testing.assert_array_equal(updated, means.astype(np.float32))
    costs = [(weights * ((points - c[labels]) ** 2).sum(1)).sum() for c in (centroids, means)]
    np.testing.assert_allclose([before, after], costs, rtol=1e-9)
    moved = ((updated - centroids.astype(np.float64)) ** 2).sum(1).max()
    np.testing.assert_allclose(shift2, moved, rtol=1e-12)


def test_update_leaves_a_centroid_without_points_where_it_is():
    _, _, tree = tree_of(np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    centroids = np.float32([[0, 0, 0], [9000, 9000, 9000]])
    sums, _ = native_step(tree, centroids)

    updated, _, after, _ = _core.update(tree, centroids, sums)

    assert updated[1].tolist() == [9000, 9000, 9000]
    assert after > 0


def test_the_cost_of_points_on_their_centroids_is_zero():
    points, _, tree = tree_of(random_colors(40, 3, seed=1))
    centroids = points.astype(np.float32)
    sums, _ = native_step(tree, centroids)

    assert _core.update(tree, centroids, sums)[1:] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("high", [26_754, 26_755, 32_767])
def test_step_is_exact_where_squared_distances_leave_32_bits(high):
    colors = np.uint8([[0, 0, 0], [128, 128, 128], [255, 255, 255]])
    tree = color.make_tree(colors, np.ones(3, np.int64), "srgb")
    points = color.to_points(colors, "srgb").astype(np.int64)
    centroids = np.array([[3000] * 3 if high < 32_767 else [-16_447] * 3, [high] * 3])
    labels, sums = np.empty(3, np.uint16), np.empty((2, 4), np.int64)
    _core.step(tree, centroids.astype(np.float32), sums, labels, 1)
    np.testing.assert_array_equal(labels, reference.assign(points, centroids)[0])
