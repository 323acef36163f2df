"""Parity with plain k-means elsewhere: from the same start to the same end, and never far above.

On crops of photographs; `python bench/parity.py` says the same of whole ones, at more k.
"""

from functools import cache

import cv2
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image

import smalti

PHOTOS = ("china.jpg", "flower.jpg")


def crop(name):
    return np.ascontiguousarray(load_sample_image(name)[100:150, 200:260])


def inertia(image, centers):
    points = image.reshape(-1, 3).astype(float)
    return float(((points[:, None] - centers.astype(float)) ** 2).sum(2).min(1).sum())


def start_without_ties(image, k):
    rng = np.random.default_rng(k)
    colors = np.unique(image.reshape(-1, 3), axis=0)
    return rng.choice(colors, k, replace=False) + rng.uniform(0, 1, (k, 3))


def end_of_opencv(image, start):
    """It starts from labels, and stops after 100 iterations whatever it is told: again, then."""
    points = np.float32(image.reshape(-1, 3))
    labels = ((points[:, None] - start) ** 2).sum(2).argmin(1).astype(np.int32)[:, None]
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.0)
    while True:
        before = labels.copy()
        _, labels, centers = cv2.kmeans(
            points, len(start), labels, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS
        )
        if np.array_equal(labels, before):
            return inertia(image, centers)


@pytest.mark.parametrize("k", [2, 8, 25, 64])
@pytest.mark.parametrize("name", PHOTOS)
def test_lloyd_from_the_same_centroids_ends_at_the_same_inertia(name, k):
    image = crop(name)
    start = start_without_ties(image, k)

    fit = smalti.quantize(
        image, k, space="srgb", effort="lloyd", init=start, tol=0, max_iter=10_000
    ).fit

    assert fit.stop_reason == "converged"
    points = image.reshape(-1, 3).astype(float)
    ended = KMeans(k, init=start, n_init=1, tol=0, max_iter=10_000).fit(points)
    ours = fit.distortion * len(points)
    assert ours == pytest.approx(inertia(image, ended.cluster_centers_), rel=1e-4)
    assert ours == pytest.approx(end_of_opencv(image, start), rel=1e-4)
    assert ours == pytest.approx(inertia(image, fit.centroids), rel=1e-6)


@cache
def best_of_ten(name, k):
    """The lowest inertia of ten runs of scikit-learn and ten of OpenCV."""
    image = crop(name)
    points = image.reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.1)
    _, _, centers = cv2.kmeans(points, k, None, criteria, 10, cv2.KMEANS_PP_CENTERS)
    ended = KMeans(k, n_init=10, random_state=0).fit(points.astype(float))
    return min(inertia(image, c) for c in (centers, ended.cluster_centers_))


@pytest.mark.parametrize(
    ("options", "excess"),
    [({}, 0.01), ({"effort": "best", "n_init": 3}, 0.001)],
    ids=["default", "best of 3"],
)
@pytest.mark.parametrize("k", [2, 8, 16, 25])
@pytest.mark.parametrize("name", PHOTOS)
def test_the_best_of_ten_runs_elsewhere_is_hardly_lower(name, k, options, excess):
    image = crop(name)

    fit = smalti.quantize(image, k, space="srgb", **options).fit

    pixels = image.shape[0] * image.shape[1]
    assert fit.distortion * pixels <= best_of_ten(name, k) * (1 + excess)
