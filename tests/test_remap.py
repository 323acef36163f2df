"""Remapping: the exactly nearest entry, ties to the lower row, and the two rules of alpha."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import LEVELS, SPACES, draw, images, level

from smalti import Histogram, apply_palette, reference
from smalti.remap import Remapper, allowed_rows


def random_palette(k, channels, seed):
    """A palette with twins, and with alpha also opaque and invisible rows."""
    rng = np.random.default_rng([seed, k, channels])
    palette = rng.integers(0, 256, (k, channels)).astype(np.uint8)
    if channels == 4:
        palette[:, 3] = rng.choice([0, 255, 128, 3], k)
    palette[k // 2 :] = palette[: k - k // 2]
    return palette


@pytest.mark.property_number(7)
@given(
    images(),
    st.sampled_from([1, 2, 7, 255, 256, 257]),
    st.sampled_from(SPACES),
    st.integers(0, 9),
    st.sampled_from([1, 2, 8]),
)
@settings(max_examples=100, deadline=None)
def test_indices_equal_brute_force(image, k, space, seed, threads):
    palette = random_palette(k, image.shape[2], seed)

    indices = apply_palette(image, palette, space=space, threads=threads, dither="none").indices

    np.testing.assert_array_equal(indices, reference.remap(image, palette, space))


@pytest.mark.property_number(7)
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("space", SPACES)
def test_a_million_pixels_equal_brute_force_on_every_level(name, channels, space):
    tile = draw("noise", channels, seed=1, height=64, width=64)
    image = np.tile(tile, (16, 16, 1))
    palette = random_palette(300, channels, seed=2)[:256]

    with level(name) as available:
        if not available:
            pytest.skip(f"this CPU has no {name}")
        indices = apply_palette(image, palette, space=space, threads=2, dither="none").indices

    expected = reference.remap(tile, palette, space)
    np.testing.assert_array_equal(indices, np.tile(expected, (16, 16)))


def test_distances_are_the_squares_of_fixed_point_differences():
    image = draw("noise", 3, seed=3)
    histogram = Histogram.of(image)
    palette = random_palette(20, 3, seed=4)

    labels, d2 = Remapper(histogram.stored_colors, "oklab").nearest(palette)

    points = reference.to_points(histogram.stored_colors, "oklab")
    expected = reference.nearest(points, reference.to_points(palette, "oklab"))
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_array_equal(d2, expected[1])


def test_remapper_may_be_asked_again_with_another_palette():
    image = draw("noise", 4, seed=5)
    histogram = Histogram.of(image)
    remapper = Remapper(histogram.stored_colors, "srgb")

    for seed in range(4):
        palette = random_palette(20, 4 if seed % 2 else 3, seed)
        again, _ = remapper.nearest(palette)
        fresh, _ = Remapper(histogram.stored_colors, "srgb").nearest(palette)
        np.testing.assert_array_equal(again, fresh)


@pytest.mark.guarantee(15)
@given(images(channels=(4,)), st.integers(1, 40), st.integers(0, 9), st.sampled_from(SPACES))
@settings(max_examples=60, deadline=None)
def test_opaque_and_invisible_pixels_stay_so_wherever_the_palette_allows(image, k, seed, space):
    palette = random_palette(k, 4, seed)

    alpha = apply_palette(image, palette, space=space, dither="none").to_array()[..., 3]

    for value in (0, 255):
        if value in palette[:, 3]:
            assert (alpha[image[..., 3] == value] == value).all()


def test_rules_of_alpha_agree_with_the_reference():
    for seed in range(20):
        palette = random_palette(5, 3 + seed % 2, seed)
        for alpha in (0, 1, 128, 254, 255):
            expected = reference.allowed_rows(palette, alpha)
            np.testing.assert_array_equal(allowed_rows(palette, alpha), expected)
            assert expected.any()


@pytest.mark.parametrize("space", SPACES)
def test_palette_without_alpha_counts_as_opaque(space):
    image, palette = draw("noise", 4, seed=6), random_palette(20, 3, seed=7)

    indices = apply_palette(image, palette, space=space, dither="none").indices

    opaque = np.column_stack([palette, np.full(20, 255, np.uint8)])
    np.testing.assert_array_equal(
        indices, apply_palette(image, opaque, space=space, dither="none").indices
    )
    np.testing.assert_array_equal(indices, reference.remap(image, opaque, space))


@pytest.mark.parametrize("space", SPACES)
def test_image_without_alpha_takes_opaque_entries_of_a_palette_that_has_some(space):
    image, palette = draw("noise", 3, seed=8), random_palette(20, 4, seed=9)

    indices = apply_palette(image, palette, space=space, dither="none").indices

    assert (palette[indices.ravel(), 3] == 255).all()
    opaque = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(indices, reference.remap(opaque, palette, space))


def test_unused_entries_and_twins_of_the_given_palette_are_kept():
    palette = np.uint8([[9, 9, 9], [9, 9, 9], [200, 0, 0]])

    indexed = apply_palette(np.full((2, 2, 3), 10, np.uint8), palette)

    np.testing.assert_array_equal(indexed.palette, palette)
    assert not indexed.indices.any()


def test_more_than_256_entries_give_16_bit_indices():
    image = draw("noise", 3, seed=10)
    palette = random_palette(3000, 3, seed=11)

    indices = apply_palette(image, palette, dither="none").indices

    assert indices.dtype == np.uint16
    np.testing.assert_array_equal(indices, reference.remap(image, palette, "oklab"))
