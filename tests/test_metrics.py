"""Metrics against numbers worked out another way."""

import math
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy
from skimage.color import deltaE_cie76, deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity
from sklearn.metrics import mutual_info_score

from smalti import BadImage, BadOption, MissingExtra, metrics
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


PICTURES = {
    "psnr": metrics.psnr, "distortion": metrics.distortion, "ssim": metrics.ssim,
    "delta_e": metrics.delta_e, "ssimulacra2": metrics.ssimulacra2,
    "Scorer": lambda original, result: metrics.Scorer(original).score(result),
}  # fmt: skip


@pytest.mark.parametrize("metric", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("wrong", [
    "photo.png", Path("photo.png"), b"", None, 3, [[[1, 2, 3]]], np.ones((37, 53, 3)),
    np.ones((37, 53, 2), np.uint8), np.ones((), np.uint8), np.ones((37, 53, 3), np.int64),
], ids=lambda wrong: f"{type(wrong).__name__} {getattr(wrong, 'shape', '')}")  # fmt: skip
def test_what_is_no_array_of_pixels_is_refused_in_a_sentence(pair, metric, wrong):
    for first, second in ((wrong, pair[0]), (pair[0], wrong), (wrong, wrong)):
        with pytest.raises(BadImage, match=r"metrics take uint8 arrays \(.*3\|4\), got"):
            metric(first, second)


def test_a_formula_that_there_is_not_is_refused(pair):
    with pytest.raises(BadOption, match="1976, 2000"):
        metrics.delta_e(*pair, "1994")


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


def test_cluster_entropy_is_the_mean_of_the_clusters_entropies_by_size():
    rng = np.random.default_rng(10)
    labels, truth = rng.integers(0, 5, 300), rng.integers(0, 3, 300)

    expected = 0.0
    for j in range(5):
        shares = np.bincount(truth[labels == j]) / (labels == j).sum()
        expected += (labels == j).mean() * entropy(shares, base=2)

    assert metrics.cluster_entropy(labels, truth) == pytest.approx(expected, rel=1e-12)
    assert metrics.cluster_entropy(labels.reshape(3, 100), truth.reshape(3, 100)) == pytest.approx(
        expected, rel=1e-12
    )


def test_entropy_and_purity_know_the_extremes():
    truth = np.repeat(np.arange(4), 8)
    alone, together = np.arange(32), np.zeros(32, int)

    assert metrics.cluster_entropy(alone, truth) == 0  # and yet nothing was clustered
    assert metrics.purity(alone, truth) == 1
    assert metrics.cluster_entropy(together, truth) == 2
    assert metrics.purity(together, truth) == 1 / 4
    assert metrics.matched_accuracy(alone, truth) == 4 / 32


def test_entropy_is_what_mutual_information_leaves_of_that_of_the_truth():
    rng = np.random.default_rng(11)
    labels, truth = rng.integers(0, 7, 500), rng.integers(0, 4, 500)

    left = entropy(np.bincount(truth)) - mutual_info_score(labels, truth)

    assert metrics.cluster_entropy(labels, truth) == pytest.approx(left / math.log(2), rel=1e-9)


def test_matched_accuracy_is_the_best_of_all_ways_to_name_the_clusters():
    rng = np.random.default_rng(12)
    labels, truth = rng.integers(0, 4, 60), rng.integers(0, 4, 60)

    best = max(np.mean(np.array(names)[labels] == truth) for names in permutations(range(4)))

    assert metrics.matched_accuracy(labels, truth) == pytest.approx(best, rel=1e-12)
    assert metrics.purity(labels, truth) >= best


def test_names_of_clusters_and_classes_do_not_matter():
    truth = ["cat", "cat", "dog", "owl"]

    assert metrics.matched_accuracy([9, 9, 2, -1], truth) == 1
    assert metrics.purity([9, 9, 2, -1], truth) == 1
    assert metrics.cluster_entropy([9, 9, 2, -1], truth) == 0


@pytest.mark.parametrize(
    "measure", [metrics.cluster_entropy, metrics.purity, metrics.matched_accuracy]
)
@pytest.mark.parametrize("labels", [[], [1, 2, 3]])
def test_every_sample_needs_a_label_and_a_class(measure, labels):
    with pytest.raises(BadOption, match="one label and one class"):
        measure(labels, labels[:2])


def test_without_scipy_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[sklearn\]'"):
        metrics.matched_accuracy([0, 1], [0, 1])
    assert metrics.purity([0, 1], [0, 1]) == 1


@pytest.mark.parametrize("channels", [(3, 3), (4, 4), (3, 4), (4, 3)])
@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_the_distortion_of_entries_is_that_of_the_picture_made_of_them(space, channels):
    rng = np.random.default_rng(sum(channels))
    colors = rng.integers(0, 256, (40_000, channels[0])).astype(np.uint8)
    palette = rng.integers(0, 256, (9, channels[1])).astype(np.uint8)
    labels, counts = rng.integers(0, 9, 40_000), rng.integers(1, 99, 40_000)

    plain = metrics.distortion_of(colors, palette, labels, space)
    weighted = metrics.distortion_of(colors, palette, labels, space, counts)

    assert plain == metrics.distortion(colors, palette[labels], space)
    assert weighted == metrics.distortion(colors, palette[labels], space, weights=counts)


def test_ssim_does_not_depend_on_threads():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)
    other = image // 2

    assert metrics.ssim(image, other, threads=3) == metrics.ssim(image, other)
