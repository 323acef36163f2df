"""The estimator: scikit-learn's checks, scikit-learn's results, and what sets it apart."""

import builtins
import importlib
import sys

import numpy as np
import pytest
from pictures import LEVELS, level, photo
from sklearn import cluster
from sklearn.base import clone
from sklearn.datasets import load_sample_image, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from smalti import MissingExtra, rows
from smalti.sklearn import KMeans


def inertia(X, centers, weights=1):
    d2 = ((X[:, None].astype(float) - centers) ** 2).sum(2).min(1)
    return float((d2 * weights).sum())


@pytest.fixture(scope="module")
def pixels():
    return photo(3, side=48).reshape(-1, 3).astype(float)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(600, 7, centers=9, random_state=0)[0]


@pytest.mark.filterwarnings(
    "ignore"
)  # the checks warn where they fit on purpose what has no clusters
@pytest.mark.guarantee(41)
@pytest.mark.parametrize("init", ["splitting", "k-means++", "random"])
def test_estimator_passes_every_check_of_scikit_learn(init, figure):
    results = check_estimator(KMeans(init=init), on_fail=None)

    assert len(results) > 40
    assert [r["check_name"] for r in results if r["status"] in ("failed", "xfail")] == []
    passed = sum(r["status"] == "passed" for r in results)
    figure(f"init={init!r}: {passed} of {len(results)} checks passed, 0 failed, 0 expected to")


def test_every_parameter_of_scikit_learn_is_there_with_its_default():
    ours, theirs = KMeans().get_params(), cluster.KMeans().get_params()

    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"init"}


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("k", [2, 8, 40])
def test_pixels_get_a_lower_inertia_than_from_scikit_learn(pixels, k, scale):
    X = pixels / scale

    ours, theirs = (
        module(n_clusters=k, random_state=0).fit(X) for module in (KMeans, cluster.KMeans)
    )

    assert ours.inertia_ <= theirs.inertia_ * 1.0001
    assert ours.inertia_ == pytest.approx(inertia(X, ours.cluster_centers_), rel=1e-9)


@pytest.mark.parametrize("k", [16, 64])
def test_a_photograph_gets_a_lower_inertia_than_from_scikit_learn(k):
    X = load_sample_image("china.jpg")[::3, ::3].reshape(-1, 3)

    ours, theirs = (
        module(n_clusters=k, random_state=0).fit(X) for module in (KMeans, cluster.KMeans)
    )

    assert ours.inertia_ < theirs.inertia_


@pytest.mark.property_number(15)
@pytest.mark.parametrize("dims", [1, 2, 3, 4, 20])
def test_lloyd_ends_where_that_of_scikit_learn_ends(dims):
    X, _ = make_blobs(500, dims, centers=12, cluster_std=3, random_state=dims)
    start = X[:12]

    ours, theirs = (
        module(12, init=start, n_init=1, tol=0, max_iter=1000).fit(X)
        for module in (KMeans, cluster.KMeans)
    )

    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9)
    assert ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("init", ["splitting", "k-means++", "random"])
@pytest.mark.parametrize("dims", [1, 2, 3, 4, 20])
def test_separate_blobs_are_found(init, dims):
    X, truth = make_blobs(300, dims, centers=np.eye(4, dims) * 90 + 40 * np.arange(4)[:, None],
                          random_state=1)  # fmt: skip

    labels = KMeans(4, init=init, n_init=10, random_state=0).fit_predict(X)

    assert len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == 4


@pytest.mark.property_number(7)
def test_labels_are_what_predict_says_and_score_is_the_inertia(pixels, blobs):
    for X in (pixels, pixels.astype(np.float32) / np.float32(255), blobs):
        kmeans = KMeans(9).fit(X)

        np.testing.assert_array_equal(kmeans.labels_, kmeans.predict(X))
        assert kmeans.labels_.dtype == np.int32
        assert kmeans.score(X) == pytest.approx(-kmeans.inertia_, rel=1e-12)
        np.testing.assert_array_equal(kmeans.transform(X).argmin(1), kmeans.labels_)
        assert kmeans.cluster_centers_.dtype == X.dtype


@pytest.mark.parametrize("init", ["splitting", "k-means++", "random"])
def test_the_same_random_state_gives_the_same_result(pixels, blobs, init):
    for X in (pixels, blobs):
        first, second = (KMeans(9, init=init, n_init=2, random_state=5).fit(X) for _ in range(2))

        np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
        np.testing.assert_array_equal(first.labels_, second.labels_)


def test_splitting_needs_no_random_state(blobs):
    first, second = (KMeans(9).fit(blobs).cluster_centers_ for _ in range(2))

    np.testing.assert_array_equal(first, second)


@pytest.mark.property_number(3)
@pytest.mark.parametrize("init", ["splitting", "k-means++", "random"])
def test_a_weight_is_as_many_rows_and_their_order_does_not_matter(pixels, blobs, init):
    rng = np.random.default_rng(0)
    for X in (pixels[:500], blobs):
        weights = rng.integers(0, 4, len(X))
        repeated = rng.permutation(np.repeat(X, weights, axis=0))

        heavy = KMeans(6, init=init, random_state=0).fit(X, sample_weight=weights)
        many = KMeans(6, init=init, random_state=0).fit(repeated)

        np.testing.assert_array_equal(heavy.cluster_centers_, many.cluster_centers_)
        assert heavy.inertia_ == many.inertia_
        np.testing.assert_array_equal(heavy.labels_, heavy.predict(X))


def test_weights_may_be_fractions(pixels):
    weights = np.random.default_rng(1).uniform(0, 2, len(pixels))

    kmeans = KMeans(6).fit(pixels, sample_weight=weights)

    means = [np.average(pixels[kmeans.labels_ == j], axis=0, weights=weights[kmeans.labels_ == j])
             for j in range(6)]  # fmt: skip
    np.testing.assert_allclose(kmeans.cluster_centers_, means, atol=0.5)
    assert kmeans.inertia_ == pytest.approx(inertia(pixels, kmeans.cluster_centers_, weights))


def test_weights_below_zero_or_all_zero_are_refused(blobs):
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        KMeans(2).fit(blobs, sample_weight=-np.ones(len(blobs)))
    with pytest.raises(ValueError, match="zero"):
        KMeans(2).fit(blobs, sample_weight=np.zeros(len(blobs)))


@pytest.mark.parametrize("init", ["splitting", "k-means++", "random", "array"])
def test_fewer_distinct_rows_than_clusters_warn_as_in_scikit_learn(init):
    X = np.repeat(np.array([[1.0, 2], [3, 4], [9, 9]]), 5, axis=0)
    init = X[:5] if init == "array" else init

    with pytest.warns(
        ConvergenceWarning, match=r"distinct clusters \(\d\) found smaller than n_clu"
    ):
        kmeans = KMeans(5, init=init).fit(X)

    assert kmeans.cluster_centers_.shape == (5, 2)
    assert kmeans.inertia_ == 0
    assert len(set(kmeans.labels_)) == 3


def test_no_cluster_stays_empty():
    X = np.concatenate([np.random.default_rng(2).normal(0, 1, (200, 2)), [[50, 50], [60, 60]]])
    far = np.array([[0.0, 0], [1000, 1000], [2000, 2000], [-1000, 0]])

    kmeans = KMeans(4, init=far).fit(X)

    assert len(set(kmeans.labels_)) == 4


def test_an_outlier_does_not_spoil_the_search():
    X, _ = make_blobs(2000, 2, centers=20, cluster_std=0.3, random_state=4)
    X = np.concatenate([X, [[1e7, 1e7]]])

    ours, theirs = (
        module(21, random_state=0).fit(X).inertia_ for module in (KMeans, cluster.KMeans)
    )

    assert ours <= theirs * 1.05


def test_a_callable_and_a_pipeline_work_as_in_scikit_learn(blobs):
    first = KMeans(4, init=lambda X, k, random_state: X[:k], n_init=1).fit(blobs)
    second = KMeans(4, init=blobs[:4]).fit(blobs)
    pipeline = make_pipeline(StandardScaler(), clone(KMeans(4))).fit(blobs)

    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
    assert pipeline.predict(blobs).max() == 3
    assert list(pipeline.get_feature_names_out()) == [f"kmeans{j}" for j in range(4)]


@pytest.mark.parametrize("init", [np.zeros((5, 2)), np.zeros((4, 7))])
def test_given_centers_of_another_shape_are_refused(blobs, init):
    with pytest.raises(ValueError, match=r"init must have shape \(5, 7\)"):
        KMeans(5, init=init).fit(blobs)


def test_several_runs_from_given_centers_are_one_with_a_warning(blobs):
    with pytest.warns(RuntimeWarning, match="one run instead of n_init=3"):
        KMeans(4, init=blobs[:4], n_init=3).fit(blobs)


def test_verbose_tells_of_each_run(blobs, capsys):
    KMeans(4, init="random", n_init=3, verbose=1, random_state=0).fit(blobs)

    assert len(capsys.readouterr().out.splitlines()) == 3


def test_without_scikit_learn_one_line_names_the_way_out(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == "sklearn" and (len(rest) < 4 or rest[3] == 0):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "smalti.sklearn")
    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[sklearn\]'"):
        importlib.import_module("smalti.sklearn")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_merged_rows_are_those_of_numpy(dtype):
    rng = np.random.default_rng(3)
    for X in (
        rng.integers(0, 5, (400, 3)),
        rng.integers(0, 3, (400, 4)) - 1,
        rng.normal(size=(99, 2)),
    ):
        X = X.astype(dtype)
        weights = rng.uniform(0, 1, len(X)) * (rng.random(len(X)) < 0.8)
        kept = weights > 0

        merged = rows.Rows.of(X, weights)

        expected, inverse = np.unique(X[kept], axis=0, return_inverse=True)
        masses = np.bincount(inverse.ravel(), weights[kept])
        order = np.lexsort(merged.columns[::-1])
        np.testing.assert_array_equal(merged.columns.T[order], expected)
        np.testing.assert_allclose(merged.weights[order], masses)
        np.testing.assert_array_equal(merged.columns.T[merged.back[kept]], X[kept])
        assert (merged.back[~kept] == -1).all()


def test_rows_with_equal_keys_are_told_apart(monkeypatch):
    monkeypatch.setattr(rows, "_keys", lambda X: np.zeros(len(X), np.uint64))
    X = np.array([[0.5, 1], [2, 3], [0.5, 1], [-0.0, 7], [0.0, 7]])

    merged = rows.Rows.of(X, np.ones(5))

    assert merged.size == 3
    np.testing.assert_array_equal(merged.columns.T[merged.back], X)


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_are_known_as_such_and_merged_exactly(scale, dims, dtype):
    X = np.random.default_rng(4).integers(0, 256, (70_000, dims)).astype(dtype) / dtype(scale)

    merged = rows.Rows.of(X, np.ones(len(X)))

    assert merged.colors is not None
    assert merged.size == len(np.unique(X, axis=0))
    np.testing.assert_array_equal(merged.columns.T[merged.back], X)
    assert rows.Rows.of(X + dtype(0.25), np.ones(len(X))).colors is None


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize(
    ("n", "dims", "k"), [(1, 1, 1), (5, 3, 4), (64, 3, 7), (5000, 4, 9), (37, 30, 13)]
)
def test_nearest_rows_are_those_of_brute_force_on_every_level(name, n, dims, k):
    rng = np.random.default_rng([n, dims, k])
    columns, centers = rng.integers(0, 6, (dims, n)) / 4, rng.integers(0, 6, (k, dims)) / 4  # ties

    with level(name) as available:
        if not available:
            pytest.skip(f"this CPU has no {name}")
        one, several = (rows.nearest(columns, centers, threads) for threads in (1, 3))

    d2 = ((columns.T[:, None] - centers) ** 2).sum(2)
    for labels, distances in (one, several):
        np.testing.assert_array_equal(labels, d2.argmin(1))
        np.testing.assert_array_equal(distances, d2.min(1))


def test_the_result_is_the_same_for_every_number_of_threads(pixels, blobs):
    for X in (pixels, blobs):
        merged = rows.Rows.of(X, np.ones(len(X)))
        found = []
        for threads in (1, 3):
            start = rows.make_seeds(merged, 9, "splitting", np.random.RandomState(0), threads)
            found.append(rows.lloyd(merged, start, max_iter=99, tol=0, threads=threads))

        np.testing.assert_array_equal(found[0].centroids, found[1].centroids)
        assert found[0].inertia == found[1].inertia
