"""Choosing k: elbows where they are drawn, and numbers that hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from pictures import images, photo

import smalti
from smalti import BadOption, Histogram, choose_k, color, elbow
from smalti.choose import LIMITS, METHODS


def flat_picture(colors, side=24):
    """Stripes of so many colors, far apart."""
    values = np.random.default_rng(len(colors)).permutation(np.arange(side * side) % len(colors))
    return np.uint8(colors)[values.reshape(side, side)]


def gradients():
    """A picture that a hundred colors hold well."""
    y, x = np.mgrid[0:64, 0:64]
    return np.dstack([60 + 2 * x, 80 + y, 200 - x]).astype(np.uint8)


def shares_beyond(image, result):
    points = [color.to_points(np.ascontiguousarray(x.reshape(-1, x.shape[2])), "oklab")
              for x in (image, result)]  # fmt: skip
    d = np.sqrt(((points[0].astype(float) - points[1]) ** 2).sum(1)) / color.UNITS["oklab"]
    return tuple((d > limit).mean() for limit, _ in LIMITS.values())


def test_visible_is_the_smallest_k_that_looks_the_same():
    image = gradients()

    choice = choose_k(image)

    assert 2 < choice.k < 256
    for k, same in ((choice.k, True), (choice.k - 1, False)):
        shares = shares_beyond(image, smalti.quantize(image, k).to_array())
        allowed = [share for _, share in LIMITS.values()]
        assert all(map(float.__le__, map(float, shares), allowed)) == same


def test_every_point_of_the_curve_is_what_quantize_gives():
    image = photo(4)

    for point in choose_k(image, space="srgb").curve:
        result = smalti.quantize(image, point.k, space="srgb", dither="none")
        assert point.distortion == pytest.approx(
            smalti.metrics.distortion(image, result.to_array()), rel=1e-9
        )
        shares = (point.subtle, point.noticeable, point.obvious)
        assert shares == shares_beyond(image, result.to_array())


def test_a_picture_of_few_colors_far_apart_keeps_them_all():
    colors = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 160, 0], [0, 0, 255]]
    image = flat_picture(colors)

    choice = choose_k(image)

    assert choice.k == 5
    assert choice.suggestions["silhouette"] == 5


def test_a_smooth_ramp_gets_steps_that_can_hardly_be_seen():
    ramp = np.linspace([0, 0, 255], [255, 0, 0], 220).round().astype(np.uint8)
    image = np.repeat(ramp[None], 30, axis=0)

    result = smalti.quantize(image, "auto")

    points = color.to_points(result.palette, "oklab") / color.UNITS["oklab"]
    rows = result.indices[0]
    steps = points[rows[1:]] - points[rows[:-1]]
    assert np.median(np.sqrt((steps[rows[1:] != rows[:-1]] ** 2).sum(1))) < 0.025
    assert len(points) < 40


def test_colors_that_nobody_can_tell_apart_are_not_worth_entries_of_their_own():
    image = flat_picture([[100, 100, g] for g in range(100, 103)])

    assert choose_k(image).k == 1


def test_an_image_of_one_color_needs_one_and_says_so():
    choice = choose_k(np.full((4, 5, 3), 77, np.uint8))

    assert choice.k == 1
    assert str(choice) == "k = 1: the image has one color."
    assert set(choice.suggestions.values()) == {1}


def test_where_no_number_is_enough_the_most_is_taken_and_the_reason_says_so():
    image = np.random.default_rng(5).integers(0, 256, (60, 60, 3), np.uint8)

    choice = choose_k(image, max_k=20)

    assert choice.k == 20
    assert choice.suggestions["visible"] is None
    assert choice.reason.startswith("even these leave")


def test_silhouettes_are_those_of_their_definition():
    image = flat_picture([[0, 0, 0], [10, 0, 0], [200, 0, 0], [205, 0, 0], [0, 0, 90]])
    histogram = Histogram.of(image)

    for point in choose_k(image, space="srgb").curve[1:]:
        palette = smalti.build_palette(image, point.k, space="srgb").colors.astype(float)
        d = np.sqrt(((histogram.colors[:, None] - palette) ** 2).sum(-1))
        own, other = np.sort(d, axis=1)[:, :2].T
        expected = np.average(1 - own / other, weights=histogram.counts)
        assert point.silhouette == pytest.approx(expected, abs=1e-6)


def test_bic_is_that_of_its_definition():
    image = photo(6, side=32)
    histogram = Histogram.of(image)
    n, dims = len(histogram), 3

    for point in choose_k(image, space="srgb").curve:
        sizes = n * smalti.build_palette(image, point.k, space="srgb").shares
        variance = max(point.distortion / dims, 1 / 12 / 64**2)
        likelihood = (sizes * np.log(sizes / n)).sum() - n * dims / 2 * (
            math.log(2 * math.pi * variance) + 1
        )
        expected = point.k * (dims + 1) * math.log(n) - 2 * likelihood
        assert point.bic == pytest.approx(expected, rel=1e-9)


@given(images())
@settings(max_examples=40, deadline=None)
def test_every_method_gives_a_number_that_the_image_can_have(image):
    distinct = len(Histogram.of(image))

    choice = choose_k(image, effort="turbo", threads=1)

    for method in METHODS:
        k = choice.suggestions[method]
        assert (k is None and method == "visible") or 1 <= k <= min(distinct, 256)
    ks = [point.k for point in choice.curve]
    assert ks == sorted(set(ks))
    assert choice.reason.count(".") >= 1
    assert "\n" not in choice.reason


@pytest.mark.parametrize("method", METHODS)
def test_the_choice_is_what_its_method_suggests(method):
    choice = choose_k(gradients(), method=method)

    assert choice.k == choice.suggestions[method]
    assert choice.method == method


def test_the_elbow_is_the_point_farthest_below_the_line():
    ks, errors = [1, 2, 4, 8, 16], [10.0, 4.0, 1.0, 0.8, 0.7]

    assert elbow(ks, errors) == 4
    assert elbow(ks, [3 * error + 5 for error in errors]) == 4  # the unit does not matter
    assert elbow([k * 100 for k in ks], errors) == 4 * 100


def test_curves_without_an_elbow_have_one_all_the_same():
    assert elbow([7], [3.0]) == 7
    assert elbow([1, 2], [3.0, 1.0]) == 1
    assert elbow([1, 2, 3], [5.0, 5.0, 5.0]) == 1


def test_as_many_errors_as_sizes_are_needed():
    for ks, errors in (([], []), ([1, 2], [3.0])):
        with pytest.raises(BadOption, match="one error"):
            elbow(ks, errors)


def test_wrong_methods_and_sizes_are_refused():
    image = np.zeros((2, 2, 3), np.uint8)

    with pytest.raises(BadOption, match="method must be one of visible, elbow"):
        choose_k(image, method="best")
    with pytest.raises(BadOption, match="k must be an integer"):
        choose_k(image, max_k=0)


@pytest.mark.parametrize(("word", "method"), [("auto", "visible"), ("elbow", "elbow")])
@pytest.mark.parametrize("alpha", [False, True])
def test_words_for_k_mean_what_choose_k_says(word, method, alpha):
    image = photo(8)
    if alpha:
        image = np.dstack([image, np.where(image[..., 0] > 90, 255, 0).astype(np.uint8)])
    choice = choose_k(image, method=method)

    result = smalti.quantize(image, word)
    palette = smalti.build_palette(image, word)
    report = smalti.compress(image, k=word)

    expected = smalti.quantize(image, choice.k)
    np.testing.assert_array_equal(result.palette, expected.palette)
    np.testing.assert_array_equal(result.indices, expected.indices)
    np.testing.assert_array_equal(palette.colors, expected.palette)
    assert (report.k, report.colors_used) == (choice.k, choice.k)
    assert str(choice) in report.notes


@pytest.mark.parametrize("call", [smalti.quantize, smalti.build_palette])
def test_other_words_for_k_are_refused_with_those_that_there_are(call):
    with pytest.raises(BadOption, match="k must be an integer from 1 to 65,536, or auto, or elbow"):
        call(np.zeros((2, 2, 3), np.uint8), "many")


def test_watching_k_means_takes_a_number():
    with pytest.raises(BadOption, match=r"k must be a number here, got 'auto'; smalti\.choose_k"):
        smalti.steps(np.zeros((2, 2, 3), np.uint8), "auto")


def test_a_kept_color_that_no_pixel_takes_leaves_room_for_the_others():
    found = smalti.choose_k(photo(1), keep="#12345680")

    assert found.curve[0].k == 2
