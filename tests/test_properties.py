"""Metamorphic properties: how the result must change, or not, when the image changes.

Each is a theorem about k-means on a histogram or a promise of the library, tried on images of
four families. Descent, fixed points and the bounds of inertia are in test_kmeans.py too, there
for the loop alone.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import FAMILIES, LEVELS, SPACES, draw, images, level

import smalti
from smalti import Histogram, build_palette, color, quantize, reference
from smalti.dither import ORDERED, thresholds

KS = st.sampled_from([1, 2, 3, 16, 255, 256])
SPACE = st.sampled_from(SPACES)
few = settings(max_examples=100, deadline=None)


def same(a, b):
    np.testing.assert_array_equal(a.palette, b.palette)
    np.testing.assert_array_equal(a.indices, b.indices)


def visible(image):
    return np.where(image[..., 3:] == 0, 0, image) if image.shape[2] == 4 else image


def inertia(image, result, space):
    """The sum of squared distances in fixed point: a whole number."""
    channels = image.shape[2]
    points = reference.to_points(image.reshape(-1, channels), space)
    entries = reference.to_points(result.to_array().reshape(-1, channels), space)
    return int(((points - entries) ** 2).sum())


@given(images(), KS, SPACE, st.integers(0, 2**32))
@few
def test_shuffling_the_pixels_leaves_the_palette_and_shuffles_the_indices(image, k, space, seed):
    pixels = image.reshape(1, -1, image.shape[2])
    order = np.random.default_rng(seed).permutation(pixels.shape[1])

    plain = quantize(pixels, k, space=space, dither="none")
    shuffled = quantize(pixels[:, order], k, space=space, dither="none")

    np.testing.assert_array_equal(shuffled.palette, plain.palette)
    np.testing.assert_array_equal(shuffled.indices, plain.indices[:, order])


@given(images(), KS, SPACE)
@few
def test_turning_the_image_turns_the_indices(image, k, space):
    plain = quantize(image, k, space=space, dither="none")

    for turn in (np.flipud, np.fliplr, np.rot90, lambda a: np.swapaxes(a, 0, 1)):
        turned = quantize(turn(image), k, space=space, dither="none")
        np.testing.assert_array_equal(turned.palette, plain.palette)
        np.testing.assert_array_equal(turned.indices, turn(plain.indices))


@given(images(), KS, SPACE, st.sampled_from([2, 3, 7]))
@few
def test_repeating_every_row_leaves_the_palette_and_multiplies_the_inertia(image, k, space, times):
    repeated = np.repeat(image, times, axis=0)

    plain, many = (quantize(i, k, space=space, dither="none") for i in (image, repeated))

    np.testing.assert_array_equal(many.palette, plain.palette)
    np.testing.assert_array_equal(many.indices, np.repeat(plain.indices, times, axis=0))
    assert inertia(repeated, many, space) == times * inertia(image, plain, space)


@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random"]))
@few
def test_counts_are_as_good_as_the_pixels_themselves(image, k, space, init):
    colors, counts = reference.count_colors(image)

    palette = build_palette(Histogram(colors, counts), k, space=space, init=init)

    assert palette == build_palette(image, k, space=space, init=init)


@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random", "box"]))
@few
def test_distortion_never_rises_until_nothing_changes(image, k, space, init):
    steps = list(smalti.steps(image, k, space=space, init=init, tol=0, max_iter=10_000))

    for before, after in itertools.pairwise(steps):
        assert after.distortion <= before.distortion * (1 + 1e-12)
    if steps:
        assert steps[-1].stop_reason == "converged"
        assert steps[-1].shift == 0  # points may still have come to where a cluster was revived


@given(images(), st.sampled_from([1, 2, 3, 16, 64]), SPACE)
@few
def test_one_more_color_at_the_worst_served_pixel_never_raises_the_distortion(image, k, space):
    image = image[..., :3]
    if len(Histogram.of(image)) <= k + 1:
        return
    found = quantize(image, k, space=space, tol=0, max_iter=10_000).fit
    points = color.to_points(np.ascontiguousarray(image.reshape(-1, 3)), space)
    points = points / color.UNITS[space]
    _, d2 = reference.assign(points, found.centroids)
    start = np.vstack([found.centroids, points[d2.argmax()]])

    more = quantize(image, k + 1, space=space, init=start).fit

    assert more.distortion <= found.distortion * (1 + 1e-12)


@given(images(), SPACE)
@few
def test_inertia_of_one_color_is_the_variance_and_of_all_colors_zero(image, space):
    opaque = image[..., :3]
    points = reference.to_points(opaque.reshape(-1, 3), space) / color.UNITS[space]

    found = quantize(opaque, 1, space=space).fit
    everything = quantize(image, max(2, len(Histogram.of(image))), space=space)

    if found.stop_reason != "exact":
        assert found.distortion == pytest.approx(points.var(0).sum(), rel=1e-9)
    assert inertia(image, everything, space) == 0


@given(images(), st.integers(0, 40), SPACE, st.sampled_from(["none", "floyd-steinberg"]))
@few
def test_image_of_at_most_k_colors_comes_back_with_exactly_its_colors(image, more, space, dither):
    colors, _ = reference.count_colors(image)
    k = len(colors) + more
    if k > 256:
        dither = "none"

    result = quantize(image, k, space=space, dither=dither)

    np.testing.assert_array_equal(result.to_array(), visible(image))
    assert sorted(map(tuple, result.palette.tolist())) == sorted(map(tuple, colors.tolist()))


@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random", "box"]))
@few
def test_no_color_is_unused_or_doubled_and_there_are_at_most_k(image, k, space, init):
    result = quantize(image, k, space=space, init=init)

    used = np.unique(result.indices)
    np.testing.assert_array_equal(used, np.arange(len(result.palette)))
    assert len(np.unique(result.palette, axis=0)) == len(result.palette)
    assert len(result.palette) <= min(k, len(Histogram.of(image)))


@given(images(channels=(3,)), st.sampled_from([1, 2, 3, 16]))
@few
def test_at_convergence_every_color_is_the_mean_of_its_pixels(image, k):
    steps = list(smalti.steps(image, k, space="srgb", tol=0, max_iter=10_000))
    if not steps:
        return  # k colors hold every color
    last = steps[-1]
    pixels = image.reshape(-1, 3).astype(np.float64)
    labels, _ = reference.assign(pixels, last.centroids.astype(np.float64))

    for j, centroid in enumerate(last.centroids):
        if (labels == j).any():
            np.testing.assert_allclose(centroid, pixels[labels == j].mean(0), rtol=1e-6, atol=1e-5)


@given(images(channels=(3,)), KS)
@few
def test_palette_stays_inside_the_box_of_the_colors(image, k):
    palette = quantize(image, k, space="srgb").palette

    assert (palette >= image.min((0, 1))).all()
    assert (palette <= image.max((0, 1))).all()


@given(images(channels=(3,)), KS, SPACE)
@few
def test_gray_image_gives_a_gray_palette(image, k, space):
    gray = np.repeat(image[..., :1], 3, axis=2)

    palette = quantize(gray, k, space=space).palette

    assert (palette == palette[:, :1]).all()


@given(images(channels=(3,)), KS, st.integers(0, 2), st.integers(0, 255))
@few
def test_constant_channel_stays_constant(image, k, channel, value):
    image[..., channel] = value

    assert (quantize(image, k, space="srgb").palette[:, channel] == value).all()


@given(images(), KS, SPACE, st.sampled_from(["none", "auto", "floyd-steinberg", "bayer"]))
@few
def test_quantizing_the_result_again_changes_nothing(image, k, space, dither):
    once = quantize(image, k, space=space, dither=dither)
    if dither != "none" and len(np.unique(once.indices)) < len(once.palette):
        return  # the second palette has no entry for a color that dithering left out

    twice = quantize(once.to_array(), k, space=space, dither=dither)

    np.testing.assert_array_equal(twice.to_array(), once.to_array())
    if dither == "none":  # with it, shares and so the order may differ
        same(twice, once)


@given(images(), KS, SPACE)
@few
def test_memory_layout_of_the_array_does_not_show(image, k, space):
    plain = quantize(image, k, space=space)
    before = image.copy()
    frozen = image.copy()
    frozen.flags.writeable = False
    padded = np.zeros((image.shape[0] * 2, image.shape[1] + 3, image.shape[2]), np.uint8)
    padded[::2, 2:-1] = image

    for same_pixels in (np.asfortranarray(image), frozen, padded[::2, 2:-1], image[::-1][::-1]):
        same(quantize(same_pixels, k, space=space), plain)
    np.testing.assert_array_equal(image, before)


@given(images(), KS, SPACE, st.integers(2, 64))
@few
def test_number_of_threads_does_not_show(image, k, space, threads):
    one, many = (quantize(image, k, space=space, threads=t) for t in (1, threads))

    same(many, one)


SIDES = st.one_of(st.integers(1, 30), st.integers(1, 300))  # large ones have work for threads
DITHERS = ["none", "auto", "floyd-steinberg", "atkinson", "sierra-lite", "bayer", "blue-noise"]
OPTIONS = st.fixed_dictionaries(
    {"space": SPACE, "effort": st.sampled_from(["lloyd", "fast", "default", "best"])},
    optional={
        "init": st.sampled_from(["splitting", "k-means++", "random", "box"]),
        "n_init": st.integers(1, 3),
        "max_iter": st.integers(0, 20),
        "tol": st.floats(0, 10),
        "seed": st.integers(0, 2**64 - 1),
    },
)


@st.composite
def larger_images(draw_from):
    """Images of every family, with every kind of alpha: as drawn, opaque, faint, or all clear."""
    image = draw(
        draw_from(st.sampled_from(FAMILIES)),
        draw_from(st.sampled_from([3, 4])),
        draw_from(st.integers(0, 2**32 - 1)),
        draw_from(SIDES),
        draw_from(SIDES),
    )
    alpha = draw_from(st.sampled_from([None, None, 255, 254, 1, 0]))
    if alpha is not None:
        image[..., 3:] = alpha
    return image


@given(larger_images(), st.one_of(KS, st.integers(1, 1200)), OPTIONS, st.sampled_from(DITHERS))
@settings(deadline=None)  # and as many cases as the profile says: `make rounds` runs this one alone
def test_every_promise_holds_for_any_image_with_any_options(image, k, options, dither):
    if dither not in ("auto", "none"):
        k = min(k, 256)
        image = image[:20, :30]  # the reference takes its time
    options = {**options, "dither": dither}

    result = quantize(image, k, threads=1, **options)

    palette = np.asarray(result.palette)
    assert len(np.unique(palette, axis=0)) == len(palette) <= min(k, len(Histogram.of(image)))
    if result.fit.stop_reason == "exact":  # faint colors may be one point, but keep their entries
        np.testing.assert_array_equal(result.to_array(), visible(image))
    else:
        plain = reference.remap(image, palette, options["space"])
        assert len(np.unique(plain)) == len(palette)
        tile = thresholds(dither).astype(int) if dither in ORDERED else None
        expected = reference.dither(image, palette, plain, options["space"], dither, tile)
        np.testing.assert_array_equal(result.indices, expected)
    for name in LEVELS:
        with level(name):
            for threads in (1, 2, 3):
                same(quantize(image, k, threads=threads, **options), result)


@pytest.mark.parametrize("space", SPACES)
def test_mapped_file_of_pixels_gives_the_same_result(tmp_path, space):
    image = draw("noise", 3, seed=1)
    np.save(tmp_path / "image.npy", image)

    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")

    same(quantize(mapped, 16, space=space), quantize(image, 16, space=space))


@given(
    images(channels=(4,)), KS, SPACE, st.sampled_from(["none", "auto", "atkinson", "blue-noise"])
)
@few
def test_colors_of_invisible_pixels_do_not_matter(image, k, space, dither):
    other = image.copy()
    other[image[..., 3] == 0, :3] ^= 0x5A

    same(
        quantize(other, k, space=space, dither=dither),
        quantize(image, k, space=space, dither=dither),
    )


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.sampled_from([2, 3, 16]))
@few
def test_moving_all_colors_moves_the_centroids(red, green, blue, k):
    image = draw("noise", 3, seed=red) // 2
    moved = image + np.uint8([red, green, blue])
    start = image.reshape(-1, 3)[:k]

    a, b = (quantize(i, k, space="srgb", init=s, tol=0, max_iter=10_000).fit for i, s in (
        (image, start), (moved, start + np.uint8([red, green, blue]))))  # fmt: skip

    np.testing.assert_allclose(b.centroids - a.centroids, [[red, green, blue]] * k, atol=1e-3)
    assert b.distortion == pytest.approx(a.distortion, rel=1e-9)
