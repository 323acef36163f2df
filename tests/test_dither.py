"""Floyd–Steinberg: the reference's indices bit for bit, and what dithering is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SPACES, images

import smalti
from smalti import BadOption, reference
from smalti.dither import floyd_steinberg


@given(
    images(),
    st.sampled_from([1, 2, 3, 16, 255, 256]),
    st.sampled_from(SPACES),
    st.integers(0, 99),
    st.sampled_from([(0, 255), (0, 128, 255), (128,), (255,), (0,)]),
)
@settings(max_examples=60, deadline=None)
def test_indices_equal_the_reference(image, k, space, seed, alphas):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (k, image.shape[2])).astype(np.uint8)
    if image.shape[2] == 4:
        palette[:, 3] = rng.choice(alphas, k)

    indices = floyd_steinberg(image, palette, space)

    np.testing.assert_array_equal(indices, reference.floyd_steinberg(image, palette, space))


@given(images(), st.sampled_from([2, 16, 256]), st.sampled_from(SPACES))
@settings(max_examples=40, deadline=None)
def test_quantizing_with_dither_uses_the_palette_of_quantizing_without(image, k, space):
    plain = smalti.quantize(image, k, space=space)
    dithered = smalti.quantize(image, k, space=space, dither="floyd-steinberg")

    np.testing.assert_array_equal(dithered.palette, plain.palette)
    assert dithered.indices.max() < len(dithered.palette)
    if plain.fit.stop_reason == "exact":
        np.testing.assert_array_equal(dithered.indices, plain.indices)
    else:
        expected = reference.floyd_steinberg(image, plain.palette, space)
        np.testing.assert_array_equal(dithered.indices, expected)


@pytest.mark.parametrize("space", SPACES)
def test_image_of_palette_colors_is_left_alone(space):
    palette = np.random.default_rng(0).integers(0, 256, (30, 3)).astype(np.uint8)
    indices = np.random.default_rng(1).integers(0, 30, (20, 21))

    np.testing.assert_array_equal(floyd_steinberg(palette[indices], palette, space), indices)


def test_dithered_gray_keeps_its_mean():
    image = np.full((64, 64, 3), 77, np.uint8)
    palette = np.uint8([[0, 0, 0], [255, 255, 255]])

    white = floyd_steinberg(image, palette, "srgb").mean()

    assert white == pytest.approx(77 / 255, abs=0.01)


def test_dithered_gradient_is_nearer_to_the_original_when_seen_from_afar():
    gray = np.arange(128, dtype=np.uint8)
    ramp = np.broadcast_to(gray[None, :, None], (96, 128, 3))
    plain = smalti.quantize(ramp, 4, space="srgb")
    dithered = smalti.quantize(ramp, 4, space="srgb", dither="floyd-steinberg")

    def error(indexed):
        difference = indexed.to_array().astype(float) - ramp
        blocks = difference.reshape(12, 8, 16, 8, 3).mean((1, 3))
        return np.abs(blocks[:, 2:-2]).mean()  # beyond the first and last entry nothing can help

    assert error(dithered) < error(plain) / 4


def test_rows_alternate_in_direction():
    # One bright pixel's error travels on only in the direction of its row.
    image = np.zeros((2, 9, 3), np.uint8)
    image[:, 4] = 120
    image[:, [3, 5]] = 100
    palette = np.uint8([[0, 0, 0], [255, 255, 255]])

    top, bottom = floyd_steinberg(image, palette, "srgb")

    assert top.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    mirrored = floyd_steinberg(image[:, ::-1].copy(), palette, "srgb")
    np.testing.assert_array_equal(mirrored[0], top)
    assert bottom.tolist() == reference.floyd_steinberg(image, palette, "srgb")[1].tolist()


@pytest.mark.parametrize("space", SPACES)
def test_alpha_extremes_survive_dithering(space):
    image = np.zeros((16, 17, 4), np.uint8)
    image[..., :3] = np.random.default_rng(2).integers(0, 256, (16, 17, 3))
    image[:, 5:, 3] = 255
    image[::3, 9:12, 3] = 100

    result = smalti.quantize(image, 6, space=space, dither="floyd-steinberg").to_array()

    assert (result[image[..., 3] == 255, 3] == 255).all()
    assert not result[image[..., 3] == 0].any()


def test_invisible_pixels_give_no_error_to_their_neighbors():
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, 0] = [120, 120, 120, 255]
    image[0, 2] = [120, 120, 120, 255]
    palette = np.uint8([[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 0]])

    # Side by side, the second 120 would get the first one's error and turn white.
    assert floyd_steinberg(image, palette, "srgb").tolist() == [[0, 2, 0]]
    assert floyd_steinberg(image[:, [0, 2]].copy(), palette, "srgb").tolist() == [[0, 1]]


def test_channels_of_image_and_palette_may_differ():
    rgb = np.random.default_rng(3).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    rgba = np.dstack([rgb, np.full((9, 9), 255, np.uint8)])
    palette = np.random.default_rng(4).integers(0, 256, (8, 3)).astype(np.uint8)
    opaque = np.column_stack([palette, np.full(8, 255, np.uint8)])

    found = [
        smalti.apply_palette(image, colors, dither="floyd-steinberg").indices
        for image in (rgb, rgba)
        for colors in (palette, opaque)
    ]

    for indices in found[1:]:
        np.testing.assert_array_equal(indices, found[0])


def test_more_than_256_colors_are_refused_with_the_way_out():
    image = np.random.default_rng(5).integers(0, 256, (30, 30, 3)).astype(np.uint8)

    with pytest.raises(BadOption, match=r'at most 256 colors, got 300; .*dither="none"'):
        smalti.quantize(image, 300, dither="floyd-steinberg")


@pytest.mark.parametrize("space", SPACES)
def test_a_color_out_of_reach_makes_no_specks(space):
    image = np.full((40, 40, 3), (255, 0, 0), np.uint8)
    palette = np.uint8([[200, 30, 30], [150, 40, 20], [255, 255, 255], [0, 0, 255]])

    indices = floyd_steinberg(image, palette, space)

    assert set(np.unique(indices)) <= {0, 1}
