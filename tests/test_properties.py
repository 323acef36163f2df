"""Metamorphic properties: how the result must change, or not, when the image changes.

Each is a theorem about k-means on a histogram or a promise of the library, tried on images of
four families. Descent, fixed points and the bounds of inertia are in test_kmeans.py too, there
for the loop alone.
"""

import copy
import io
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pictures import FAMILIES, LEVELS, SPACES, cases, draw, images, level
from PIL import Image

import smalti
from smalti import Histogram, build_palette, color, quantize, reference
from smalti.dither import ORDERED, thresholds

KS = st.sampled_from([1, 2, 3, 16, 255, 256])
SPACE = st.sampled_from(SPACES)
few = settings(max_examples=cases(100, 200), deadline=None)


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


@pytest.mark.property_number(1)
@given(images(), KS, SPACE, st.integers(0, 2**32))
@few
def test_shuffling_the_pixels_leaves_the_palette_and_shuffles_the_indices(image, k, space, seed):
    pixels = image.reshape(1, -1, image.shape[2])
    order = np.random.default_rng(seed).permutation(pixels.shape[1])

    plain = quantize(pixels, k, space=space, dither="none")
    shuffled = quantize(pixels[:, order], k, space=space, dither="none")

    np.testing.assert_array_equal(shuffled.palette, plain.palette)
    np.testing.assert_array_equal(shuffled.indices, plain.indices[:, order])


@pytest.mark.property_number(1)
@given(images(), KS, SPACE)
@few
def test_turning_the_image_turns_the_indices(image, k, space):
    plain = quantize(image, k, space=space, dither="none")

    for turn in (np.flipud, np.fliplr, np.rot90, lambda a: np.swapaxes(a, 0, 1)):
        turned = quantize(turn(image), k, space=space, dither="none")
        np.testing.assert_array_equal(turned.palette, plain.palette)
        np.testing.assert_array_equal(turned.indices, turn(plain.indices))


@pytest.mark.property_number(2)
@given(images(), KS, SPACE, st.sampled_from([2, 3, 7]))
@few
def test_repeating_every_row_leaves_the_palette_and_multiplies_the_inertia(image, k, space, times):
    repeated = np.repeat(image, times, axis=0)

    plain, many = (quantize(i, k, space=space, dither="none") for i in (image, repeated))

    np.testing.assert_array_equal(many.palette, plain.palette)
    np.testing.assert_array_equal(many.indices, np.repeat(plain.indices, times, axis=0))
    assert inertia(repeated, many, space) == times * inertia(image, plain, space)


@pytest.mark.property_number(3)
@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random"]))
@few
def test_counts_are_as_good_as_the_pixels_themselves(image, k, space, init):
    colors, counts = reference.count_colors(image)

    palette = build_palette(Histogram(colors, counts), k, space=space, init=init)

    assert palette == build_palette(image, k, space=space, init=init)


@pytest.mark.property_number(4)
@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random", "box"]))
@few
def test_distortion_never_rises_until_nothing_changes(image, k, space, init):
    steps = list(smalti.steps(image, k, space=space, init=init, tol=0, max_iter=10_000))

    for before, after in itertools.pairwise(steps):
        assert after.distortion <= before.distortion * (1 + 1e-12)
    if steps:
        assert steps[-1].stop_reason == "converged"
        assert steps[-1].shift == 0  # points may still have come to where a cluster was revived


@pytest.mark.property_number(5)
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


@pytest.mark.property_number(5)
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


@pytest.mark.guarantee(14)
@pytest.mark.property_number(6)
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


@pytest.mark.property_number(8)
@given(images(), KS, SPACE, st.sampled_from(["splitting", "k-means++", "random", "box"]))
@few
def test_no_color_is_unused_or_doubled_and_there_are_at_most_k(image, k, space, init):
    result = quantize(image, k, space=space, init=init)

    used = np.unique(result.indices)
    np.testing.assert_array_equal(used, np.arange(len(result.palette)))
    assert len(np.unique(result.palette, axis=0)) == len(result.palette)
    assert len(result.palette) <= min(k, len(Histogram.of(image)))


@pytest.mark.property_number(9)
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


@pytest.mark.property_number(9)
@given(images(channels=(3,)), KS)
@few
def test_palette_stays_inside_the_box_of_the_colors(image, k):
    palette = quantize(image, k, space="srgb").palette

    assert (palette >= image.min((0, 1))).all()
    assert (palette <= image.max((0, 1))).all()


@pytest.mark.property_number(9)
@given(images(channels=(3,)), KS, SPACE)
@few
def test_gray_image_gives_a_gray_palette(image, k, space):
    gray = np.repeat(image[..., :1], 3, axis=2)

    palette = quantize(gray, k, space=space).palette

    assert (palette == palette[:, :1]).all()


@pytest.mark.property_number(9)
@given(images(channels=(3,)), KS, st.integers(0, 2), st.integers(0, 255))
@few
def test_constant_channel_stays_constant(image, k, channel, value):
    image[..., channel] = value

    assert (quantize(image, k, space="srgb").palette[:, channel] == value).all()


@pytest.mark.property_number(12)
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


@pytest.mark.property_number(13)
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


@pytest.mark.property_number(13)
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


@pytest.mark.property_number(7, 13)
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


@pytest.mark.property_number(13)
@pytest.mark.parametrize("space", SPACES)
def test_mapped_file_of_pixels_gives_the_same_result(tmp_path, space):
    image = draw("noise", 3, seed=1)
    np.save(tmp_path / "image.npy", image)

    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")

    same(quantize(mapped, 16, space=space), quantize(image, 16, space=space))


@pytest.mark.guarantee(15)
@pytest.mark.property_number(14)
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


FROM_GIVEN = {"space": "srgb", "tol": 0, "max_iter": 10_000}


def lloyd(image, start):
    """Return where k-means ends from given colors, and the labels there; None if there is none.

    Pixels halfway between two means are left out: there, rounding decides, which goes up.
    """
    steps = list(smalti.steps(image, len(start), init=start, effort="lloyd", **FROM_GIVEN))
    if not steps:
        return None  # as many colors as entries
    pixels = np.unique(image.reshape(-1, 3), axis=0).astype(np.float64)
    for step in steps if len(start) > 1 else ():
        means = np.unique(step.centroids.astype(np.float64), axis=0)
        d2 = np.sort(((pixels[:, None] - means) ** 2).sum(2), axis=1)
        assume(len(means) == len(start) and (d2[:, 1] - d2[:, 0]).min() > 0.05)
    centroids = steps[-1].centroids.astype(np.float64)
    return steps[-1], reference.assign(image.reshape(-1, 3).astype(np.float64), centroids)[0]


@st.composite
def images_with_starts(draw_from, below=256):
    """Opaque images of values below so much, and up to 16 of their colors to start from."""
    image = draw_from(images(channels=(3,))) // (256 // below)
    colors = np.unique(image.reshape(-1, 3), axis=0)
    k = min(draw_from(st.sampled_from([1, 2, 3, 16])), len(colors))
    order = np.random.default_rng(draw_from(st.integers(0, 2**32))).permutation(len(colors))
    return image, colors[order[:k]]


def assert_moved(image, start, change, other, inertia=1.0):
    """Hold k-means of an image to that of a changed one, whose colors are `change` of the first."""
    before, after = lloyd(image, start), lloyd(other, change(start).astype(np.uint8))

    assert (before is None) == (after is None)
    if before is None or after is None:
        return
    expected = change(before[0].centroids.astype(np.float64))
    np.testing.assert_allclose(after[0].centroids, expected, atol=2e-3)
    assert after[0].distortion == pytest.approx(before[0].distortion * inertia, rel=1e-6, abs=1e-6)
    np.testing.assert_array_equal(after[1], before[1])


@pytest.mark.property_number(10)
@given(images_with_starts(below=128), *[st.integers(0, 127)] * 3)
@few
def test_moving_all_colors_moves_the_centroids(pair, red, green, blue):
    image, start = pair
    by = np.array([red, green, blue])

    assert_moved(image, start, lambda colors: colors + by, (image + by).astype(np.uint8))


@pytest.mark.property_number(10)
@given(images_with_starts(), st.permutations([0, 1, 2]))
@few
def test_exchanging_channels_exchanges_those_of_the_centroids(pair, order):
    image, start = pair

    assert_moved(image, start, lambda colors: colors[:, order], image[..., order])


@pytest.mark.property_number(11)
@given(images_with_starts(below=128))
@few
def test_doubling_all_values_doubles_the_centroids_and_gives_four_times_the_inertia(pair):
    image, start = pair

    assert_moved(image, start, lambda colors: colors * 2, image * 2, inertia=4)


@pytest.mark.property_number(11)
@given(images_with_starts())
@few
def test_inverting_all_values_mirrors_the_centroids(pair):
    image, start = pair

    assert_moved(image, start, lambda colors: 255 - colors, 255 - image)


@pytest.mark.property_number(1)
@given(images(), KS, SPACE, st.sampled_from(["floyd-steinberg", "bayer"]), st.integers(0, 2**32))
@few
def test_shuffling_the_pixels_leaves_the_palette_of_a_dithered_image(image, k, space, dither, seed):
    pixels = image.reshape(1, -1, image.shape[2])
    order = np.random.default_rng(seed).permutation(pixels.shape[1])

    plain, shuffled = (quantize(i, k, space=space, dither=dither) for i in (
        pixels, pixels[:, order]))  # fmt: skip

    np.testing.assert_array_equal(shuffled.palette, plain.palette)


@pytest.mark.property_number(5)
@given(images(channels=(3,)), st.sampled_from([1, 2, 3, 15, 63, 254]), SPACE)
@few
def test_one_color_more_from_scratch_costs_two_percent_at_most(image, k, space):
    # Not a theorem without the smaller palette as a start: the search may end elsewhere. With
    # alpha it is false: of two colors, one is for what must stay clear.
    fewer, more = (quantize(image, n, space=space).fit.distortion for n in (k, k + 1))

    assert more <= 1.02 * fewer


@pytest.mark.property_number(13)
@given(images(channels=(3,)), KS, SPACE)
@few
def test_alpha_of_255_changes_nothing(image, k, space):
    opaque = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])

    plain, with_alpha = (quantize(i, k, space=space) for i in (image, opaque))

    np.testing.assert_array_equal(with_alpha.palette[:, :3], plain.palette)
    np.testing.assert_array_equal(with_alpha.indices, plain.indices)


def stored(image, kind, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


@pytest.mark.property_number(13)
@given(images(channels=(3,)), st.sampled_from([2, 16, 255]), st.sampled_from(["png", "webp"]))
@settings(max_examples=cases(15, 200), deadline=None)
def test_the_same_pixels_in_another_file_give_the_same_bytes(image, k, kind):
    few_colors = draw("few colors", 3, len(image), *image.shape[:2])
    for pixels in (image, few_colors):
        files = [stored(pixels, "PNG"), stored(pixels, "BMP"), stored(pixels, "TIFF"),
                 stored(pixels, "WEBP", lossless=True)]  # fmt: skip
        if pixels is few_colors:
            files.append(stored(Image.fromarray(pixels).quantize(256, dither=0), "PNG"))
            opened = np.asarray(Image.open(io.BytesIO(files[-1])).convert("RGB"))
            np.testing.assert_array_equal(opened, pixels)

        found = {smalti.compress(source, k=k, format=kind, allow_larger=True, pack="fast").data
                 for source in (pixels, *files)}  # fmt: skip

        assert len(found) == 1


@pytest.mark.property_number(13)
@given(images(channels=(3,)), st.sampled_from([1, 2, 3, 16]))
@settings(max_examples=cases(20, 200), deadline=None)
def test_copies_of_an_estimator_predict_the_same(image, k):
    from sklearn.base import clone

    from smalti.sklearn import KMeans

    rows = image.reshape(-1, 3).astype(np.float64)
    k = min(k, len(np.unique(rows, axis=0)))
    model = KMeans(n_clusters=k, random_state=0).fit(rows)

    labels = model.predict(rows)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(rows), labels)
    np.testing.assert_array_equal(copy.deepcopy(model).predict(rows), labels)
    np.testing.assert_array_equal(clone(model).fit_predict(rows), labels)


@pytest.mark.property_number(14)
@given(images(), SPACE, st.integers(0, 2**32))
@few
def test_one_more_pixel_of_a_color_that_is_there_keeps_the_image_lossless(image, space, seed):
    pixels = image.reshape(1, -1, image.shape[2])
    one = np.random.default_rng(seed).integers(pixels.shape[1])
    more = np.concatenate([pixels, pixels[:, one : one + 1]], axis=1)
    k = len(Histogram.of(pixels))

    result = quantize(more, k, space=space)

    assert len(result.palette) == k
    np.testing.assert_array_equal(result.to_array(), visible(more))


@pytest.mark.property_number(14)
@given(images(), st.sampled_from([1, 2, 3, 16]), SPACE)
@few
def test_a_pixel_of_a_color_of_the_palette_costs_nothing(image, k, space):
    pixels = image.reshape(1, -1, image.shape[2])
    result = quantize(pixels, k, space=space)
    entry = result.palette[-1:][None, :, : image.shape[2]]

    more = smalti.apply_palette(
        np.concatenate([pixels, entry], axis=1), result.palette, space=space, dither="none"
    )

    same_pixels = smalti.apply_palette(pixels, result.palette, space=space, dither="none")
    np.testing.assert_array_equal(more.indices[:, :-1], same_pixels.indices)
    np.testing.assert_array_equal(more.to_array()[:, -1:], entry)


@pytest.mark.property_number(12)
@given(images(), st.sampled_from([1, 2, 3, 16, 255, 256]), st.sampled_from(["png", "gif", "webp"]))
@settings(max_examples=cases(25, 200), deadline=None)
def test_compressing_a_file_again_gives_the_same_bytes(image, k, kind):
    if kind == "gif" and image.shape[2] == 4:
        image[..., 3] = image[..., 3] // 128 * 255
    once = smalti.compress(image, k=k, format=kind, pack="fast").data

    again = smalti.compress(once, k=k, format=kind, pack="fast", allow_larger=True)

    assert again.data == once
