"""Lloyd's algorithm: descent, fixed points, stopping rules, and what others compute."""

import itertools
import math

import numpy as np
import pytest
import sklearn.cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import FAMILIES, LEVELS, SPACES, draw, images, level, tree_of

from smalti import kmeans, reference, seeds

KS = (1, 2, 3, 16, 255, 256)


def problem(image, space="srgb"):
    """Return points, weights and the tree of an image."""
    colors, counts = reference.count_colors(image)
    return tree_of(colors, space, counts)


def run(tree, centroids, *, max_iter=10_000, tol=0.0, **options):
    return list(kmeans.lloyd(tree, centroids, max_iter=max_iter, tol=tol, **options))


def some_rows(points, k, seed):
    distinct = np.unique(points, axis=0)  # faint colors may share a point
    return np.random.default_rng(seed).permutation(distinct)[:k].astype(np.float32)


@pytest.mark.property_number(4)
@given(images(), st.sampled_from(KS), st.sampled_from(SPACES), st.sampled_from(
    ["splitting", "k-means++", "random", "box"]))  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_distortion_never_rises_and_the_end_is_a_fixed_point(image, k, space, init):
    _, weights, tree = problem(image, space)

    steps = run(tree, seeds.make(tree, k, init, 0))

    for before, after in itertools.pairwise(steps):
        assert after.distortion <= before.distortion * (1 + 1e-12)
    last = steps[-1]
    assert last.stop_reason == "converged"
    assert last.shift == 0
    assert last.counts.sum() == weights.sum()
    again = run(tree, last.centroids, max_iter=1)[0]
    np.testing.assert_array_equal(again.centroids, last.centroids)
    np.testing.assert_array_equal(again.counts, last.counts)
    assert again.distortion == last.distortion


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [1, 2, 3, 16, 60])
@pytest.mark.parametrize("channels", [3, 4])
def test_each_step_is_the_references_assignment_and_update(family, k, channels):
    points, weights, tree = problem(draw(family, channels, seed=1), "oklab")
    centroids = some_rows(points, k, seed=k)

    for step in run(tree, centroids, max_iter=6):
        labels, _ = reference.assign(points, centroids.astype(np.float64))
        counts = np.bincount(labels, weights, minlength=len(centroids))
        alive = counts > 0
        expected = reference.update(points, weights, labels, centroids.astype(np.float64))
        np.testing.assert_array_equal(step.counts, counts)
        np.testing.assert_allclose(step.centroids[alive], expected[alive], rtol=1e-6, atol=1e-3)
        d2 = ((points - expected[labels]) ** 2).sum(1)
        assert step.distortion == pytest.approx(np.average(d2, weights=weights), abs=1e-6)
        centroids = step.centroids


@pytest.mark.parametrize("family", ["noise", "gradient", "collinear"])
@pytest.mark.parametrize("k", [2, 16, 60])
@pytest.mark.parametrize("channels", [3, 4])
def test_same_seeds_end_where_the_reference_ends(family, k, channels):
    points, weights, tree = problem(draw(family, channels, seed=2))
    start = some_rows(points, k, seed=k)

    last = run(tree, start)[-1]

    expected = reference.kmeans(points, weights, start)
    np.testing.assert_allclose(last.centroids, expected, rtol=1e-6, atol=1e-3)


@pytest.mark.property_number(15)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [2, 16, 64])
@pytest.mark.parametrize("channels", [3, 4])
def test_same_seeds_end_where_scikit_learns_lloyd_ends(space, k, channels):
    points, weights, tree = problem(draw("noise", channels, seed=3), space)
    start = some_rows(points, k, seed=k)

    last = run(tree, start)[-1]

    theirs = sklearn.cluster.KMeans(k, init=start.astype(np.float64), n_init=1, tol=0,
                                    max_iter=10_000, algorithm="lloyd")  # fmt: skip
    theirs.fit(points.astype(np.float64), sample_weight=weights.astype(np.float64))
    np.testing.assert_allclose(last.centroids, theirs.cluster_centers_, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(last.counts, np.bincount(theirs.labels_, weights))
    assert last.distortion * weights.sum() == pytest.approx(theirs.inertia_, rel=1e-9)


@pytest.mark.property_number(5)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_distortion_of_one_centroid_is_the_variance(family, channels):
    image = draw(family, channels, seed=4)
    points, weights, tree = problem(image)

    last = run(tree, seeds.make(tree, 1, "splitting", 0), unit=64)[-1]

    repeated = np.repeat(points, weights, axis=0) / 64
    assert last.distortion == pytest.approx(repeated.var(0).sum(), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(last.centroids[0], repeated.mean(0), rtol=1e-6)


def test_unit_scales_centroids_shift_and_distortion():
    points, _, tree = problem(draw("noise", 3, seed=5))
    start = some_rows(points, 8, seed=0)

    plain, scaled = run(tree, start, max_iter=4), run(tree, start, max_iter=4, unit=64.0)

    for a, b in zip(plain, scaled, strict=True):
        assert b.distortion == pytest.approx(a.distortion / 4096)
        assert b.shift == pytest.approx(a.shift / 64)
        np.testing.assert_allclose(b.centroids, a.centroids / 64)


def test_shift_is_the_largest_distance_that_a_centroid_moved():
    points, _, tree = problem(draw("noise", 3, seed=6))
    before = some_rows(points, 8, seed=0)

    for step in run(tree, before, max_iter=5):
        distances = np.linalg.norm(step.centroids.astype(np.float64) - before, axis=1)
        assert step.shift == pytest.approx(distances.max())
        before = step.centroids


@pytest.mark.parametrize("unit", [1.0, 64.0])
@pytest.mark.parametrize("tol", [0.5, 5.0, 50.0])
def test_tol_stops_at_the_first_shift_of_at_most_tol_units(unit, tol):
    points, _, tree = problem(draw("noise", 3, seed=7))
    start = some_rows(points, 16, seed=0)
    shifts = [step.shift for step in run(tree, start, unit=unit)]
    first = next(i for i, shift in enumerate(shifts) if shift <= tol)

    steps = run(tree, start, tol=tol, unit=unit)

    assert len(steps) == first + 1
    assert steps[-1].stop_reason == ("tol" if shifts[first] else "converged")
    assert all(step.stop_reason is None for step in steps[:-1])


def test_max_iter_stops_after_that_many_iterations():
    points, _, tree = problem(draw("noise", 3, seed=8))
    start = some_rows(points, 16, seed=0)
    whole = run(tree, start)
    assert len(whole) > 5

    for max_iter in (1, 2, 5):
        steps = run(tree, start, max_iter=max_iter)
        assert [step.iteration for step in steps] == list(range(1, max_iter + 1))
        assert steps[-1].stop_reason == "max_iter"
        np.testing.assert_array_equal(steps[-1].centroids, whole[max_iter - 1].centroids)


def test_convergence_in_the_last_allowed_iteration_is_called_so():
    points, _, tree = problem(draw("noise", 3, seed=8))
    start = some_rows(points, 16, seed=0)

    steps = run(tree, start, max_iter=len(run(tree, start)))

    assert steps[-1].stop_reason == "converged"


def test_no_iterations_leave_the_seeds_with_their_distortion():
    points, weights, tree = problem(draw("noise", 4, seed=9))
    start = some_rows(points, 16, seed=0)

    (step,) = run(tree, start, max_iter=0)

    _, d2 = reference.assign(points, start)
    assert (step.iteration, step.stop_reason, step.shift) == (0, "max_iter", 0.0)
    assert step.distortion == pytest.approx(np.average(d2, weights=weights))
    np.testing.assert_array_equal(step.centroids, start)


def test_moved_counts_the_pixels_whose_assignment_changed():
    points, weights, tree = problem(draw("noise", 3, seed=10))
    centroids = some_rows(points, 16, seed=0)
    labels = np.full(len(points), -1)

    for step in run(tree, centroids, count_moved=True):
        before, (labels, _) = labels, reference.assign(points, centroids.astype(np.float64))
        assert step.moved == weights[labels != before].sum()
        centroids = step.centroids
    assert step.moved == 0


def test_moved_is_unknown_unless_asked_for():
    points, _, tree = problem(draw("noise", 3, seed=10))

    assert run(tree, some_rows(points, 4, seed=0), max_iter=1)[0].moved is None


def test_generator_can_be_abandoned_and_its_steps_kept():
    points, _, tree = problem(draw("noise", 3, seed=11))
    start = some_rows(points, 16, seed=0)
    kept = start.copy()

    generator = kmeans.lloyd(tree, start, max_iter=1000, tol=0)
    first = next(generator)
    saved = first.centroids.copy(), first.counts.copy()
    next(generator)
    generator.close()

    np.testing.assert_array_equal(start, kept)
    np.testing.assert_array_equal(first.centroids, saved[0])
    np.testing.assert_array_equal(first.counts, saved[1])


@pytest.mark.parametrize("start", [
    [[-30000] * 3, [30000] * 3, [0, 0, 30000], [30000, 0, 0]],
    [[8000] * 3] * 4,
], ids=["far away", "all equal"])  # fmt: skip
def test_empty_clusters_move_to_the_worst_served_points(start):
    _, weights, tree = problem(draw("noise", 3, seed=12))

    steps = run(tree, np.array(start, np.float32))

    assert (steps[0].counts == 0).any()
    assert (steps[-1].counts > 0).all()
    assert steps[-1].counts.sum() == weights.sum()
    assert all(b.distortion <= a.distortion for a, b in itertools.pairwise(steps))


def test_the_worst_served_point_is_the_one_with_the_largest_weighted_error():
    colors = np.uint8([[0, 0, 0], [10, 0, 0], [100, 0, 0], [90, 0, 0]])
    # Of the second cluster (mean 99.9), 90 errs most; of the first (mean near 0), 10 does.
    _, _, tree = tree_of(colors, counts=np.array([1000, 1, 1000, 10]))
    start = np.array([[0, 0, 0], [6400, 0, 0], [-20000, 0, 0]], np.float32)

    first = run(tree, start, max_iter=1)[0]

    assert first.centroids[2].tolist() == [90 * 64, 0, 0]


def test_more_clusters_than_points_leave_no_error_and_end():
    points, _, tree = problem(draw("few colors", 3, seed=13))
    start = np.zeros((len(points) + 20, 3), np.float32)

    last = run(tree, start)[-1]

    assert last.stop_reason == "converged"
    assert last.distortion == 0
    assert (last.counts > 0).sum() == len(points)


@given(images(), st.sampled_from([2, 16, 255]), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_no_cluster_of_a_box_start_stays_empty(image, k, seed):
    points, _, tree = problem(image)

    last = run(tree, seeds.make(tree, k, "box", seed))[-1]

    distinct = len(np.unique(points, axis=0))
    assert (last.counts > 0).sum() == min(k, distinct)


def test_levels_and_threads_do_not_show():
    points, _, tree = problem(draw("noise", 4, seed=14, height=300, width=300), "oklab")
    start = some_rows(points, 64, seed=0)
    assert len(points) > 2 * 16384  # enough for two threads to share

    runs = []
    for name in LEVELS:
        with level(name) as available:
            runs += [run(tree, start, max_iter=5, threads=t) for t in (1, 2, 8) if available]

    for steps in runs[1:]:
        for step, expected in zip(steps, runs[0], strict=True):
            assert step.distortion == expected.distortion
            np.testing.assert_array_equal(step.centroids, expected.centroids)


def test_a_billion_pixels_of_each_color_do_not_overflow():
    colors, _ = reference.count_colors(draw("noise", 3, seed=15))
    points, _, tree = tree_of(colors, counts=np.full(len(colors), 10**9))
    _, _, small = tree_of(colors)
    start = some_rows(points, 16, seed=0)

    for many, one in zip(run(tree, start), run(small, start), strict=True):
        assert math.isclose(many.distortion, one.distortion, rel_tol=1e-9)
        np.testing.assert_array_equal(many.counts, one.counts * 10**9)


@pytest.mark.parametrize("count", [1, 5, 70_000])
def test_the_worst_served_points_are_those_that_sorting_all_finds(count):
    rng = np.random.default_rng(count)
    d2 = rng.integers(0, 20, 200_000).astype(np.int32)  # many ties, in several parts
    weights = rng.integers(1, 5, len(d2))
    error = d2 * weights

    worst = kmeans.worst_served(d2, weights, count)

    np.testing.assert_array_equal(worst, np.argsort(-error, kind="stable")[:count])


def test_points_that_are_served_perfectly_are_never_the_worst():
    d2, weights = np.int32([0, 3, 0, 1]), np.int64([9, 1, 9, 2])

    assert kmeans.worst_served(d2, weights, 10).tolist() == [1, 3]
    assert kmeans.worst_served(d2 * 0, weights, 10).tolist() == []
