"""The native core against the plain NumPy reference, and its bindings against misuse."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pictures import LEVELS, SPACES, draw, level, random_colors, tree_of

from smalti import _core, color, dither, reference

SIZES = (1, 2, 7, 255, 256, 257, 1000)


def native_nearest(tree, entries, threads=1):
    labels, d2 = np.empty(tree.size, np.uint16), np.empty(tree.size, np.int32)
    _core.nearest(tree, np.ascontiguousarray(entries, np.int16), labels, d2, threads)
    return labels, d2


def native_step(tree, centroids, threads=1, labels=None):
    sums = np.full((len(centroids), tree.dims + 1), -7, np.int64)
    moved = _core.step(tree, np.ascontiguousarray(centroids, np.float32), sums, labels, threads)
    return sums, moved


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

    expected = np.zeros((k, channels + 1), np.int64)
    np.add.at(expected, labels, np.column_stack([points, np.ones(len(points), int)])
              * weights[:, None])  # fmt: skip
    np.testing.assert_array_equal(sums, expected)
    assert sums[:, -1].sum() == counts.sum()
    chosen = ((points - centroids[labels].astype(np.float64)) ** 2).sum(1)
    _, lowest = reference.assign(points, centroids.astype(np.float64))
    assert (chosen <= lowest * (1 + 1e-6)).all()  # float32 has 24 bits, and few operations


def test_step_with_whole_numbers_equals_brute_force_ties_included(any_level):
    # Steps of 1024, 16 to an axis: distances are exact in float32, and ties really occur.
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


# ---------------------------------------------------------------- colors of pixels


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_gather_writes_the_label_of_each_pixels_color(channels, dtype, threads):
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
    labels = rng.integers(0, k, 700_000).astype(np.uint16)
    counts = rng.integers(1, 2**40, len(labels))

    weights = _core.weigh(labels, counts, k, threads)

    expected = np.zeros(k, np.int64)
    np.add.at(expected, labels, counts)
    np.testing.assert_array_equal(weights, expected)


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


def _nearest(entries=ENTRIES, labels=LABELS, d2=None, threads=1):
    _core.nearest(tree_of(COLORS)[2], entries, labels, d2, threads)


def _step(centroids=CENTROIDS, sums=None, labels=None, threads=1):
    sums = np.zeros((len(centroids), 4), np.int64) if sums is None else sums
    _core.step(tree_of(COLORS)[2], centroids, sums, labels, threads)


def _make_tree(colors=STORED, space=0, linear=color.LINEAR, counts=ONES, gap=0, threads=1):
    _core.make_tree(colors, space, linear, counts, gap, threads)


def _gather(pixels=COLORS, colors=COLORS, labels=LABELS, out=LABELS):
    _core.gather(pixels, colors, labels, out, 1)


def _diffuse(pixels=PIXELS, space=0, linear=color.LINEAR, entries=ENTRIES, opaque=None,
             transparent=-1, bounds=BOUNDS, indices=None):  # fmt: skip
    opaque = np.ones(len(entries), np.uint8) if opaque is None else opaque
    indices = np.zeros(pixels.shape[:2], np.uint8) if indices is None else indices
    _core.diffuse(pixels, space, linear, entries, opaque, transparent, bounds, indices)


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

WRONG_SIZES = {
    "nearest: no entries": (_nearest, {"entries": ENTRIES[:0]}),
    "nearest: 65,537 entries": (_nearest, {"entries": np.zeros((65_537, 3), np.int16)}),
    "nearest: entries of 4": (_nearest, {"entries": np.zeros((4, 4), np.int16)}),
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
    "points: out short": (_to_points, {"points": POINTS[:-1]}),
    "points: out wide": (_to_points, {"points": np.zeros((N, 4), np.int16)}),
    "points: unknown space": (_to_points, {"space": -1}),
    "count: 5 channels": (lambda: _core.count_colors(np.zeros((9, 5), np.uint8), 1), {}),
    "weigh: labels of k": (lambda: _core.weigh(LABELS + np.uint16(4), ONES, 4), {}),
    "weigh: counts short": (lambda: _core.weigh(LABELS, ONES[1:], 4), {}),
    "weigh: k = 0": (lambda: _core.weigh(LABELS, ONES, 0), {}),
    "order: 1 channel": (lambda: _core.storage_order(np.zeros((9, 1), np.uint8)), {}),
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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=5,
                          env={"PYTHONPATH": str(Path(_core.__file__).parent.parent)},
                          check=False)  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_the_arguments_that_those_refusals_start_from_are_fine():
    for call in (_nearest, _step, _gather, _diffuse, _to_points, _make_tree):
        call()


def test_nothing_is_written_behind_the_end_of_the_outputs():
    _, _, tree = tree_of(COLORS)
    labels, d2 = np.full(N + 64, 9999, np.uint16), np.full(N + 64, -5, np.int32)

    _core.nearest(tree, ENTRIES, labels[:N], d2[:N], 1)

    assert (labels[N:] == 9999).all()
    assert (d2[N:] == -5).all()


def big_tree():
    return tree_of(random_colors(150_000, 3, seed=30))[2]


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
