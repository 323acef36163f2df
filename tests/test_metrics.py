"""Metrics against numbers worked out another way."""

import math

import numpy as np
import pytest
from skimage.color import deltaE_cie76, deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

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


@pytest.mark.parametrize("shape", [(40, 60, 3), (7, 7, 3), (8, 300, 3)])
def test_ssim_is_that_of_scikit_image(shape):
    rng = np.random.default_rng(6)
    original = rng.integers(0, 256, shape, np.uint8)
    result = np.clip(original + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)

    expected = structural_similarity(original, result, channel_axis=2, data_range=255)

    assert metrics.ssim(original, result) == pytest.approx(expected, abs=1e-12)
    assert metrics.ssim(original, original) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (4, 4, 4), (1, 50, 4)])
def test_ssim_of_pictures_smaller_than_the_window_has_a_smaller_window(shape):
    original = np.random.default_rng(7).integers(0, 256, shape, np.uint8)

    assert metrics.ssim(original, original) == 1
    assert metrics.ssim(original, 255 - original) < 1


def test_ssim_sees_alpha_and_not_the_color_of_what_is_transparent():
    rng = np.random.default_rng(8)
    opaque = rng.integers(0, 256, (20, 20, 4), np.uint8)
    opaque[..., 3] = 255
    clear, other = opaque.copy(), opaque.copy()
    clear[:10, :, 3] = 0
    other[:10] = rng.integers(0, 256, (10, 20, 4), np.uint8)
    other[:10, :, 3] = 0

    assert metrics.ssim(opaque[..., :3], opaque) == 1
    assert metrics.ssim(clear, other) == 1
    assert metrics.ssim(opaque, clear) < 0.9


def test_color_differences_are_those_of_scikit_image():
    rng = np.random.default_rng(9)
    original = rng.integers(0, 256, (90_000, 3), np.uint8)
    result = np.clip(original + rng.integers(-30, 31, original.shape), 0, 255).astype(np.uint8)
    result[:500] = result[:500, :1]  # grays, whose hue means nothing
    original[:250] = original[:250, :1]
    labs = rgb2lab(original), rgb2lab(result)

    found = {formula: metrics.delta_e(original, result, formula) for formula in ("1976", "2000")}

    # Their white is rounded to four digits, which shows in the third.
    np.testing.assert_allclose(found["1976"], deltaE_cie76(*labs), atol=0.02)
    np.testing.assert_allclose(found["2000"], deltaE_ciede2000(*labs), atol=0.02)
    assert not metrics.delta_e(original, original).any()


def test_differences_of_transparent_colors_are_those_on_the_worse_of_two_grounds():
    clear, black, half = (np.uint8([[0, 0, 0, alpha]]) for alpha in (0, 255, 128))

    assert metrics.delta_e(clear, clear[:, :3] * 0 + 255)[0] > 90  # on black
    assert metrics.delta_e(clear, black)[0] > 90  # on white
    assert 0 < metrics.delta_e(half, black)[0] < metrics.delta_e(clear, black)[0]
    assert metrics.delta_e(clear, np.uint8([[9, 8, 7, 0]]))[0] == 0


@pytest.mark.parametrize("measure", [metrics.ssim, metrics.delta_e])
def test_images_of_different_sizes_are_not_compared(measure):
    with pytest.raises(BadImage, match="one size"):
        measure(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8))


@pytest.mark.parametrize("shape", [(40, 3, 3), (500, 5, 3), (333, 50, 4), (8, 2000, 3), (61, 7, 4)])
def test_ssim_in_bands_is_that_of_the_whole(monkeypatch, shape):
    rng = np.random.default_rng(shape[0])
    original = rng.integers(0, 256, shape).astype(np.uint8)
    result = original.copy()
    result[::3] //= 2
    found = []

    for band in (1, 400, 1 << 30):
        monkeypatch.setattr(metrics, "BAND", band)
        found.append(metrics.ssim(original, result))

    assert found[0] == pytest.approx(found[2], abs=1e-12)
    assert found[1] == pytest.approx(found[2], abs=1e-12)
