"""SSIMULACRA2 against the Python package of that name, which computes in float64 and other sums."""

import io

import numpy as np
import pytest
from pictures import LEVELS, draw, level, photo
from PIL import Image
from sklearn.datasets import load_sample_image
from ssimulacra2 import compute_ssimulacra2

from smalti import BadImage, metrics, quantize
from smalti.scorer import DARK, LIGHT, Scorer, ssimulacra2


def judged(original, result):
    """What the package says."""
    files = []
    for image in (original, result):
        files.append(io.BytesIO())
        Image.fromarray(image).save(files[-1], "PNG")
    return float(compute_ssimulacra2(*files))


def noisy(image, most, seed=0):
    noise = np.random.default_rng(seed).integers(-most, most + 1, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("k", [2, 16, 256])
@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_palettes_of_photographs_score_as_the_judge_says(name, k):
    image = load_sample_image(name)[100:300, 200:501]
    result = quantize(image, k=k, effort="turbo").to_array()

    assert ssimulacra2(image, result) == pytest.approx(judged(image, result), abs=0.005)


@pytest.mark.parametrize("size", [(8, 8), (8, 300), (9, 17), (15, 16), (65, 33), (130, 71)])
@pytest.mark.parametrize("most", [1, 40])
def test_all_sizes_score_as_the_judge_says(size, most):
    image = draw("gradient", 3, 1, *size)
    result = noisy(image, most)

    assert ssimulacra2(image, result) == pytest.approx(judged(image, result), abs=0.02)


@pytest.mark.parametrize("value", [0, 1, 128, 254, 255])
def test_flat_bright_and_dark_areas_lose_no_precision(value):
    image = np.full((64, 80, 3), value, np.uint8)
    result = image.copy()
    result[20:40, 20:40, 1] ^= 1

    assert ssimulacra2(image, result) == pytest.approx(judged(image, result), abs=0.005)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("family", ["noise", "gradient"])
def test_the_same_picture_scores_exactly_100(family, channels):
    image = draw(family, channels, 3, 40, 50)

    assert ssimulacra2(image, image.copy()) == 100


@pytest.mark.parametrize("width", [96, 101])
def test_scores_are_the_same_bits_on_every_level_for_every_thread_count(width):
    image = photo(1, 300)[:, :width]
    result = noisy(image, 7)

    scores = set()
    for name in LEVELS:
        with level(name):
            scores |= {ssimulacra2(image, result, threads=threads) for threads in (1, 2, 5)}

    assert len(scores) == 1


def test_a_scorer_gives_the_scores_of_single_comparisons():
    image = draw("gradient", 4, 9, 40, 50)
    results = [noisy(image, most) for most in (1, 5, 20)]
    scorer = Scorer(image)

    assert [scorer.score(result) for result in results] == [ssimulacra2(image, r) for r in results]


def test_transparency_is_judged_on_dark_and_on_light_ground():
    image = draw("gradient", 4, 2, 40, 50)
    result = image.copy()
    result[..., :3] ^= 16
    result[..., 3] ^= 8

    on = [
        ssimulacra2(*(metrics.shown_on(each, ground) for each in (image, result)))
        for ground in (DARK, LIGHT)
    ]

    assert ssimulacra2(image, result) == min(on)
    assert on[0] != on[1]


def test_colors_that_nobody_sees_do_not_count():
    image = np.zeros((20, 20, 4), np.uint8)
    image[5:15, 5:15] = 200, 100, 50, 255
    result = image.copy()
    result[:5, :, :3] = 77

    assert ssimulacra2(image, result) == 100


def test_an_opaque_picture_is_compared_with_one_that_has_alpha():
    image = draw("gradient", 3, 2, 40, 50)
    with_alpha = np.dstack([image, np.full((40, 50), 255, np.uint8)])

    assert ssimulacra2(image, with_alpha) == 100


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5)])
def test_tiny_pictures_are_scored_too(size):
    image = np.full((*size, 3), 40, np.uint8)

    assert ssimulacra2(image, image) == 100
    assert ssimulacra2(image, image + np.uint8(90)) < 95


def test_more_damage_scores_lower():
    image = photo(2)

    scores = [ssimulacra2(image, noisy(image, most)) for most in (1, 3, 9, 27, 81)]

    assert scores == sorted(scores, reverse=True)


def test_images_of_two_sizes_are_refused():
    with pytest.raises(BadImage, match=r"\(8, 9, 3\)"):
        ssimulacra2(np.zeros((8, 9, 3), np.uint8), np.zeros((9, 8, 3), np.uint8))
