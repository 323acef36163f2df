"""Oracles: what the best possible palette costs, where that can be known; the edges of sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SPACES, cases, draw
from PIL import Image

import smalti
from smalti import Histogram, quantize, reference

# ---------------------------------------------------------------- the best there is


def partitions(n, k):
    """Yield every way to give n things to at most k groups, as labels of the least form."""

    def grow(labels, most):
        if len(labels) == n:
            yield labels
            return
        for label in range(min(most + 2, k)):
            yield from grow([*labels, label], max(most, label))

    yield from grow([], -1)


def best_partition(points, k):
    """Return the lowest inertia that k groups can have, by trying all."""
    total = (points**2).sum()
    labels = np.array(list(partitions(len(points), k)))
    kept = np.zeros(len(labels))
    for group in range(k):
        inside = (labels == group).astype(float)
        sums, counts = inside @ points, inside.sum(1)
        kept += np.divide((sums**2).sum(1), counts, out=np.zeros_like(kept), where=counts > 0)
    return total - kept.max()


def best_grays(values, counts, k):
    """Return the lowest inertia of k groups on a line, by dynamic programming (ckmeans)."""
    w, wx, wxx = (np.concatenate([[0], np.cumsum(part)]) for part in (
        counts, counts * values, counts * values**2))  # fmt: skip
    n = len(values)
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    weight = np.maximum(w[j] - w[i], 1)
    cost = np.where(j > i, wxx[j] - wxx[i] - (wx[j] - wx[i]) ** 2 / weight, np.inf)
    best = cost[0]
    for _ in range(k - 1):
        best = np.minimum((best[:, None] + cost).min(0), best)
        best[0] = 0
    return best[n]


@pytest.mark.property_number(15)
def test_tiny_images_cost_at_most_a_tenth_more_than_the_best_partition(figure):
    rng, off, worst = np.random.default_rng(1), 0, 1.0
    tried = cases(200, 1000)
    for number in range(tried):
        n, k = int(rng.integers(4, cases(9, 10))), number % 3 + 1
        image = rng.integers(0, 256, (1, n, 3)).astype(np.uint8)

        found = quantize(image, k, space="srgb", n_init=10).fit.distortion * n

        best = best_partition(image[0].astype(float), k)
        assert found >= best * (1 - 1e-6)
        if len(Histogram.of(image)) > k:
            off += found > 1.1 * best
            worst = max(worst, found / best)
    assert off <= tried / 100
    figure(f"{off} of {tried} tiny images more than 10 % above the best partition, "
           f"at most {100 * (worst - 1):.1f} %")  # fmt: skip


@pytest.mark.property_number(15)
@pytest.mark.parametrize(("k", "bar"), [(1, 0), (2, 2), (3, 2), (16, 2), (32, 2), (64, 5)])
def test_gray_images_cost_little_more_than_the_best_grays(k, bar, figure):
    # With the default effort, of one run, 16 to 64 grays cost up to 8 % more: see the figure.
    worst = {"default": 1.0, "best": 1.0}
    for seed in range(cases(6, 48)):
        gray = draw(("noise", "gradient", "collinear")[seed % 3], 3, seed)[..., 1]
        values, counts = np.unique(gray, return_counts=True)
        if len(values) <= k:
            continue
        best = best_grays(values.astype(float), counts, k)
        for effort, n_init in (("default", 1), ("best", 10)):
            fit = quantize(np.dstack([gray] * 3), k, space="srgb", effort=effort, n_init=n_init).fit
            found = fit.distortion * gray.size / 3
            assert found >= best * (1 - 1e-6)
            worst[effort] = max(worst[effort], found / best)

    assert worst["best"] <= 1 + bar / 100 + 1e-6
    assert worst["default"] <= 1.1
    above = {name: f"{100 * (ratio - 1):.1f} %" for name, ratio in worst.items()}
    figure(f"k = {k}: at most {above['best']} above the best grays with effort best and ten runs, "
           f"{above['default']} by default")  # fmt: skip


@pytest.mark.property_number(15)
@pytest.mark.thorough
@pytest.mark.parametrize("k", [16, 64, 256])
def test_photographs_cost_no_more_than_by_median_cut_and_about_what_scikit_learns_best_does(
    shared_data, k, figure
):
    from sklearn.cluster import KMeans

    above_cut, ratios, paths = 0, [], sorted((shared_data / "kodak").glob("*.png"))
    for number, path in enumerate(paths):
        image = np.asarray(Image.open(path).convert("RGB"))
        found = quantize(image, k, space="srgb").fit.distortion
        cut = np.asarray(Image.fromarray(image).quantize(k, 0, dither=0).convert("RGB"))
        above_cut += found > ((image.astype(float) - cut) ** 2).sum(2).mean()
        if number % 8 == 0:
            colors, counts = reference.count_colors(image)
            rival = KMeans(k, n_init=10, random_state=0, max_iter=50)
            rival.fit(colors.astype(np.float32), sample_weight=counts)
            ratios.append(found / (rival.inertia_ / counts.sum()))

    assert above_cut == 0
    assert max(ratios) <= 1.01
    most = f"{100 * (max(ratios) - 1):+.2f} %"
    figure(f"k = {k}: {above_cut} of {len(paths)} photographs above median cut; beside "
           f"scikit-learn's best of ten at most {most} ({len(ratios)} photographs)")  # fmt: skip


# ---------------------------------------------------------------- every pixel there is


@pytest.mark.property_number(7)
@pytest.mark.thorough
@pytest.mark.parametrize("space", SPACES)
def test_ten_million_pixels_and_all_colors_have_their_nearest_entries(space, figure):
    rng, wrong = np.random.default_rng(1), 0
    everything = np.arange(2**24, dtype=np.uint32)
    every = np.stack([everything >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)
    random = rng.integers(0, 256, (10_000_000, 3)).astype(np.uint8)
    for k, pixels in ((1, every), (16, every), (255, every), (256, random)):
        palette = rng.integers(0, 256, (k, 3)).astype(np.uint8)
        entries = reference.to_points(palette, space).astype(np.int64)
        indices = smalti.apply_palette(pixels[None], palette, space=space, dither="none").indices[0]
        for start in range(0, len(pixels), 2**15):
            points = reference.to_points(pixels[start : start + 2**15], space).astype(np.float64)
            d2 = (entries**2).sum(1) - 2 * points @ entries.T.astype(np.float64)  # exact: < 2**53
            wrong += int((d2.argmin(1) != indices[start : start + 2**15]).sum())

    assert wrong == 0
    figure(f"{space}: {wrong} of {3 * 2**24 + 10_000_000:,} indices differ from brute force")


# ---------------------------------------------------------------- boundary values


@pytest.mark.property_number(6, 8)
@pytest.mark.parametrize("k", [1, 2, 255, 256])
@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 65_535, 65_536, 65_537])
@pytest.mark.parametrize("shape", ["row", "column"])
def test_every_number_of_pixels_and_colors_is_served(n, k, shape):
    packed = np.arange(n, dtype=np.uint32) * 251 % 2**24
    pixels = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
    image = pixels[None] if shape == "row" else pixels[:, None]

    result = quantize(image, k, effort="turbo", dither="none")

    assert len(result.palette) == min(k, n)
    np.testing.assert_array_equal(np.unique(result.indices), np.arange(len(result.palette)))
    if n <= k:
        np.testing.assert_array_equal(result.to_array(), image)


@pytest.mark.property_number(8)
@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 3), (5, 0, 3)])
def test_no_pixels_are_refused(shape):
    with pytest.raises(smalti.BadImage):
        quantize(np.zeros(shape, np.uint8), 4)


@pytest.mark.property_number(6, 8)
@pytest.mark.thorough
@pytest.mark.parametrize("k", [1, 2, 255, 256])
def test_an_image_of_all_colors_is_served(k):
    packed = np.arange(2**24, dtype=np.uint32).reshape(4096, 4096)
    image = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)

    result = quantize(image, k, dither="none")

    assert len(result.palette) == k
    assert len(np.unique(result.indices)) == k


@pytest.mark.property_number(6)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [1, 2, 3, 16, 255, 256])
@given(st.integers(0, 255), st.integers(1, 300))
@settings(max_examples=cases(10, 200), deadline=None)
def test_one_color_and_two_neighboring_grays_come_back(space, k, gray, width):
    flat = np.full((3, width, 3), gray, np.uint8)
    pair = flat.copy()
    pair[0, 0] = gray + 1 if gray < 255 else 254

    assert quantize(flat, k, space=space).palette.tolist() == [[gray] * 3]
    if k >= 2:
        np.testing.assert_array_equal(quantize(pair, k, space=space).to_array(), pair)
    else:
        assert quantize(pair, k, space=space).palette.shape == (1, 3)


@pytest.mark.property_number(8)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [2, 3, 16])
@given(st.integers(0, 89_999), st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=cases(5, 100), deadline=None)
def test_one_pixel_among_90_000_keeps_its_color(space, k, place, color):
    image = np.full((300, 300, 3), 77, np.uint8)
    image.reshape(-1, 3)[place] = color

    np.testing.assert_array_equal(quantize(image, k, space=space).to_array(), image)


@pytest.mark.property_number(7)
@given(st.integers(0, 2**32), st.sampled_from([2, 3, 16, 255, 256]))
@settings(max_examples=cases(30, 200), deadline=None)
def test_exact_ties_go_to_the_lower_row(seed, k):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 16, (k, 3)).astype(np.uint8) * 16  # so ties are everywhere
    image = rng.integers(0, 32, (40, 50, 3)).astype(np.uint8) * 8

    indices = smalti.apply_palette(image, palette, space="srgb", dither="none").indices

    d2 = ((image[:, :, None].astype(int) - palette.astype(int)) ** 2).sum(3)
    np.testing.assert_array_equal(indices, d2.argmin(2))


def test_the_partitions_that_are_tried_are_all():
    assert [len(list(partitions(n, 3))) for n in (1, 2, 3, 4)] == [1, 2, 5, 14]
    assert all(len(set(map(tuple, found))) == len(found) for found in [list(partitions(5, 3))])
    assert list(itertools.islice(partitions(2, 2), 2)) == [[0, 0], [0, 1]]
