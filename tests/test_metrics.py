"""Metrics against numbers worked out another way."""

import math

import numpy as np
import pytest

from smalti import BadImage, metrics
from smalti.color import UNITS, to_points


@pytest.fixture
def pair():
    rng = np.random.default_rng(5)
    original = rng.integers(0, 256, (37, 53, 3), np.uint8)
    return original, (original // 16 * 16).astype(np.uint8)


def test_srgb_distortion_is_the_mean_square_summed_over_channels(pair):
    original, result = pair

    expected = ((original.astype(float) - result) ** 2).sum(axis=2).mean()

    assert metrics.distortion(original, result) == pytest.approx(expected, rel=1e-12)


def test_psnr_is_per_channel(pair):
    original, result = pair

    expected = 10 * math.log10(255**2 / ((original.astype(float) - result) ** 2).mean())

    assert metrics.psnr(original, result) == pytest.approx(expected, rel=1e-12)
    assert metrics.psnr(original, original) == math.inf


def test_oklab_distortion_is_that_of_the_points(pair):
    original, result = pair
    first, second = (to_points(np.ascontiguousarray(i.reshape(-1, 3)), "oklab") for i in pair)

    expected = ((first.astype(float) - second) ** 2).sum(axis=1).mean() / UNITS["oklab"] ** 2

    assert metrics.distortion(original, result, "oklab") == pytest.approx(expected, rel=1e-12)


def test_black_and_white_are_one_apart_in_oklab():
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)

    assert metrics.distortion(black, white, "oklab") == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_weighted_colors_give_the_number_of_all_pixels(pair, space):
    original = pair[0] // 64 * 64
    result = original // 128 * 128
    colors, first, counts = np.unique(
        original.reshape(-1, 3), axis=0, return_index=True, return_counts=True
    )

    weighted = metrics.distortion(colors, result.reshape(-1, 3)[first], space, weights=counts)

    assert weighted == pytest.approx(metrics.distortion(original, result, space), rel=1e-12)


def test_images_larger_than_a_chunk_are_summed_whole(pair, monkeypatch):
    whole = metrics.distortion(*pair)
    monkeypatch.setattr(metrics, "CHUNK", 100)

    assert metrics.distortion(*pair) == pytest.approx(whole, rel=1e-12)


def test_opaque_images_compare_with_images_that_have_alpha(pair):
    original, result = pair
    solid = np.dstack([result, np.full(result.shape[:2], 255, np.uint8)])

    assert metrics.distortion(original, solid) == metrics.distortion(original, result)
    clear = solid.copy()
    clear[..., 3] = 0
    assert metrics.distortion(original, clear) > metrics.distortion(original, solid)


def test_images_of_different_sizes_are_refused(pair):
    with pytest.raises(BadImage, match="one size"):
        metrics.distortion(pair[0], pair[1][:-1])
