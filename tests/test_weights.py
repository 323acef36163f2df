"""Weights of pixels: counted exactly, minded by the palette, and not by the report."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import LEVELS, draw, images, level, photo
from PIL import Image
from process import file_of

from smalti import BadImage, BadOption, Histogram, MissingFile, compress, metrics, quantize
from smalti.weights import LEVELS as STEPS
from smalti.weights import activity_weights, weight_map


@pytest.mark.property_number(3)
@given(images(), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 255]))
def test_a_weighted_histogram_is_that_of_repeated_pixels(image, seed, high):
    weight = np.random.default_rng(seed).integers(0, high + 1, image.shape[:2]).astype(np.uint8)
    weight[0, 0] = high
    pixels = image.reshape(-1, image.shape[2])

    weighted = Histogram.weighted(image, weight)

    repeated = np.repeat(pixels, weight.ravel(), axis=0)
    assert weighted == Histogram.of(repeated[None])


def test_weighted_histograms_add_up():
    image, weight = photo(1, 32), np.arange(1024, dtype=np.uint16).reshape(32, 32) % 256
    weight = weight.astype(np.uint8)

    parts = [Histogram.weighted(image[i : i + 8], weight[i : i + 8]) for i in range(0, 32, 8)]

    assert sum(parts) == Histogram.weighted(image, weight)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("value", [1, 6, 255])
@pytest.mark.parametrize("effort", ["lloyd", "default"])
def test_a_map_of_equal_weights_gives_the_palette_of_none(channels, value, effort):
    image = draw("noise", channels, seed=1)
    weight = np.full(image.shape[:2], value, np.uint8)

    weighted, plain = (quantize(image, 9, effort=effort, weight=w) for w in (weight, None))

    np.testing.assert_array_equal(weighted.palette, plain.palette)
    np.testing.assert_array_equal(weighted.indices, plain.indices)
    assert weighted.fit.distortion == plain.fit.distortion


def test_doubling_all_weights_changes_nothing():
    image = photo(2, 64)
    weight = np.random.default_rng(3).integers(0, 128, image.shape[:2]).astype(np.uint8)

    once, twice = (quantize(image, 12, weight=w) for w in (weight, weight * 2))

    np.testing.assert_array_equal(once.palette, twice.palette)
    np.testing.assert_array_equal(once.indices, twice.indices)


@pytest.mark.parametrize("effort", ["lloyd", "turbo", "fast", "default", "best"])
def test_what_weighs_more_is_served_better_and_the_rest_worse(effort):
    image = photo(4, 96)
    weight = np.ones(image.shape[:2], np.uint8)
    weight[:, :24] = 255

    weighted, plain = (quantize(image, 8, effort=effort, weight=w) for w in (weight, None))

    for part, better in ((np.s_[:, :24], True), (np.s_[:, 24:], False)):
        errors = [metrics.distortion(image[part], q.to_array()[part]) for q in (weighted, plain)]
        assert (errors[0] < errors[1]) == better


def test_pixels_of_weight_zero_are_mapped_and_do_not_count():
    image = photo(5, 64)
    weight = np.zeros(image.shape[:2], np.uint8)
    weight[:32] = 9
    upper = quantize(image[:32], 10)

    found = quantize(image, 10, weight=weight)

    assert {tuple(c) for c in found.palette} == {tuple(c) for c in upper.palette}
    assert found.indices.shape == (64, 64)


@pytest.mark.parametrize("channels", [3, 4])
def test_entries_that_few_weighty_colors_leave_over_go_to_the_others(channels):
    image = draw("noise", channels, seed=6)
    weight = np.zeros(image.shape[:2], np.uint8)
    weight[3, 4:7] = 1
    image[3, 4:7, :3] = [[250, 1, 2], [3, 240, 5], [7, 8, 230]]
    image[3, 4:7, 3:] = 255

    found = quantize(image, 16, weight=weight)

    assert len(found.palette) == 16
    np.testing.assert_array_equal(found.to_array()[3, 4:7], image[3, 4:7])


def test_weights_on_what_nobody_sees_are_as_good_as_none():
    image = draw("noise", 4, seed=7)
    weight = (image[..., 3] == 0).astype(np.uint8)

    weighted, plain = quantize(image, 6, weight=weight), quantize(image, 6)

    np.testing.assert_array_equal(weighted.palette, plain.palette)


def test_an_opaque_alpha_channel_makes_no_difference_to_weights():
    image, weight = photo(6, 32), np.arange(1024, dtype=np.uint16).reshape(32, 32).astype(np.uint8)
    rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])

    with_alpha, without = (quantize(i, 7, weight=weight) for i in (rgba, image))

    np.testing.assert_array_equal(with_alpha.palette[:, :3], without.palette)


def test_a_map_may_be_a_file_a_pillow_image_bytes_or_bools(tmp_path):
    image = photo(7, 32)
    weight = np.zeros((32, 32), np.uint8)
    weight[:, 16:] = 255
    picture = Image.fromarray(weight)
    picture.save(tmp_path / "map.png")
    expected = quantize(image, 5, weight=weight).palette

    for given_map in (tmp_path / "map.png", str(tmp_path / "map.png"), picture, file_of(picture),
                      weight > 0, np.dstack([weight] * 3), picture.convert("RGB")):  # fmt: skip
        np.testing.assert_array_equal(quantize(image, 5, weight=given_map).palette, expected)


def test_the_weight_of_a_picture_is_its_luma_times_alpha():
    picture = np.uint8([[[255, 255, 255, 255], [255, 255, 255, 0], [255, 0, 0, 255],
                         [0, 255, 0, 128], [0, 0, 0, 255]]])  # fmt: skip

    found = weight_map(picture, np.zeros((1, 5, 3), np.uint8))

    assert found.tolist() == [[255, 0, 77, 75, 0]]


@pytest.mark.parametrize(
    ("weight", "error", "sentence"),
    [
        (np.ones((3, 5), np.uint8), BadImage, "as large as the picture, 4 × 3 pixels, got 5 × 3"),
        (np.zeros((3, 4), np.uint8), BadImage, "0 .black. everywhere"),
        (np.zeros((3, 4), bool), BadImage, "0 .black. everywhere"),
        (np.ones((3, 4)), BadImage, "uint8"),
        ("nowhere.png", MissingFile, "nowhere.png does not exist"),
    ],
)
def test_maps_that_do_not_fit_are_refused_in_a_sentence(weight, error, sentence):
    with pytest.raises(error, match=sentence):
        quantize(np.zeros((3, 4, 3), np.uint8), 2, weight=weight)


@pytest.mark.parametrize("weight", [np.ones((3, 5), np.uint8), np.ones((3, 4), np.int64)])
def test_histograms_refuse_weights_of_another_shape_or_dtype(weight):
    with pytest.raises(BadImage, match="weight must be a uint8 array of shape"):
        Histogram.weighted(np.zeros((3, 4, 3), np.uint8), weight)


def test_histograms_refuse_to_be_empty():
    with pytest.raises(BadImage, match="0 everywhere"):
        Histogram.weighted(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), np.uint8))


def plain_activity(luma):
    """The mean step between neighbors in each window of 5 x 5, by its definition."""
    height, width = luma.shape
    steps = np.zeros(luma.shape, int)
    for y in range(height):
        for x in range(width):
            before = [(v, u) for v, u in ((y, x - 1), (y - 1, x)) if v >= 0 and u >= 0]
            steps[y, x] = sum(abs(luma[y, x] - luma[place]) for place in before)
    near = [np.clip(np.arange(-2, 3) + i, 0, n - 1) for n in luma.shape for i in range(n)]
    rows, columns = near[:height], near[height:]
    return np.array([[steps[np.ix_(v, u)].sum() for u in columns] for v in rows])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (12, 17)])
def test_quiet_surroundings_weigh_as_their_definition_says(size):
    gray = np.random.default_rng(8).integers(0, 256, size)
    gray[:, : size[1] // 2] //= 16
    image = np.dstack([gray] * 3).astype(np.uint8)

    found = activity_weights(image)

    activity = plain_activity(gray)
    expected = np.maximum(1, STEPS * 2 * 20 * 25 // (2 * 20 * 25 + activity))
    np.testing.assert_array_equal(found, expected)


def test_automatic_weights_serve_smooth_areas_better():
    rng = np.random.default_rng(9)
    image = np.empty((80, 160, 3), np.uint8)
    image[:, :80] = np.linspace(90, 200, 80)[None, :, None]
    image[:, 80:] = rng.integers(0, 256, (80, 80, 1))

    weighted, plain = (quantize(image, 12, weight=w) for w in ("auto", None))

    smooth = np.s_[:, :80]
    assert metrics.distortion(image[smooth], weighted.to_array()[smooth]) < 0.7 * (
        metrics.distortion(image[smooth], plain.to_array()[smooth])
    )


def test_reports_give_the_errors_and_shares_of_pixels_whatever_they_weigh():
    image = photo(10, 64)
    weight = np.ones(image.shape[:2], np.uint8)
    weight[:, :16] = 200

    reports = (
        compress(image, k=6, weight=weight),
        compress(image, k=6, weight=weight, size=0, dither="none"),
    )

    for report in reports:
        with Image.open(io.BytesIO(report.data)) as file:
            pixels = np.asarray(file.convert("RGB"))
        assert report.distortion_srgb == pytest.approx(metrics.distortion(image, pixels, "srgb"))
    shares = [(pixels == color).all(-1).mean() for color in report.palette]
    np.testing.assert_allclose(report.palette.shares, shares)
    assert shares == sorted(shares, reverse=True)


def test_levels_and_threads_do_not_show():
    image = photo(11, 128)
    results = set()
    for name in LEVELS:
        for threads in (1, 3):
            with level(name):
                found = quantize(image, 16, weight="auto", threads=threads)
            results.add((found.palette.tobytes(), found.indices.tobytes()))

    assert len(results) == 1


def test_chosen_sizes_know_weights():
    image = photo(12, 48)
    weight = np.zeros(image.shape[:2], np.uint8)
    weight[:4, :4] = 1
    image[:4, :4] = [10, 200, 30]

    assert len(quantize(image, "auto", weight=weight).palette) < len(
        quantize(image, "auto").palette
    )


def test_a_palette_that_is_given_leaves_nothing_to_weigh():
    with pytest.raises(BadOption, match="no use for weight"):
        compress(photo(13, 8), palette="#000,#fff", weight="auto")
