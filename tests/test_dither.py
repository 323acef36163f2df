"""Dithering: the reference's indices bit for bit, and what it is for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import LEVELS, SPACES, images, level

import smalti
from smalti import BadOption, reference
from smalti.dither import DIFFUSERS, FULL, METHODS, dithered, floyd_steinberg, strengths, thresholds

EVERYWHERE = {"dither": "floyd-steinberg", "dither_adaptive": False}
ROOT = Path(__file__).parent.parent


def random_palette(seed, k, channels, alphas=(0, 128, 255)):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (k, channels)).astype(np.uint8)
    if channels == 4:
        palette[:, 3] = rng.choice(alphas, k)
    return palette


def ramp(height=96, width=128, step=1):
    gray = (np.arange(width) * step).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(gray[None, :, None], (height, width, 3)))


def reference_of(image, palette, indices, space, method, strength):
    arguments = (image, palette, indices, space)
    if method in DIFFUSERS:
        return reference.diffuse(*arguments, method, strength)
    return reference.order(*arguments, thresholds(method).astype(int), strength)


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
    plain = smalti.quantize(image, k, space=space, dither="none")
    dithered = smalti.quantize(image, k, space=space, **EVERYWHERE)

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


@pytest.mark.parametrize("method", METHODS)
def test_dithered_gradient_is_nearer_to_the_original_when_seen_from_afar(method):
    plain = smalti.quantize(ramp(), 4, space="srgb", dither="none")
    dithered = smalti.quantize(ramp(), 4, space="srgb", dither=method, dither_adaptive=False)

    def error(indexed):
        difference = indexed.to_array().astype(float) - ramp()
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


@given(
    images(),
    st.sampled_from([1, 2, 16, 256]),
    st.sampled_from(SPACES),
    st.sampled_from(METHODS),
    st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_every_method_equals_the_reference_at_every_strength(image, k, space, method, seed):
    palette = random_palette(seed, k, image.shape[2])
    indices = reference.remap(image, palette, space).astype(np.uint8)
    rng = np.random.default_rng(seed)
    strength = rng.choice([0, 1, 50, 127, FULL], image.shape[:2]).astype(np.uint8)

    found = dithered(image, palette, indices, space, method, strength)

    expected = reference_of(image, palette, indices, space, method, strength)
    np.testing.assert_array_equal(found, expected)


@given(images(), st.sampled_from([2, 16, 256]), st.integers(0, 99), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_need_of_dithering_equals_the_reference(image, k, seed, times):
    image = np.repeat(image, times, axis=0)  # flat places, and more than one thread's rows
    palette = random_palette(seed, k, image.shape[2])
    indices = reference.remap(image, palette, "oklab").astype(np.uint8)

    found = strengths(image, palette, indices, threads=3)

    np.testing.assert_array_equal(found, reference.bands(image, palette, indices))


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("channels", [3, 4])
def test_methods_and_need_are_the_same_on_every_level_and_thread_count(name, channels):
    rng = np.random.default_rng(8)
    image = np.ascontiguousarray(np.dstack([ramp(150, 90)] * 2)[..., :channels])
    image[40:, :, 1] += rng.integers(0, 9, (110, 90)).astype(np.uint8)
    palette = random_palette(9, 50, channels)
    indices = reference.remap(image, palette, "oklab").astype(np.uint8)
    need = reference.bands(image, palette, indices)
    plain = {m: dithered(image, palette, indices, "oklab", m, need) for m in METHODS}

    with level(name) as available:
        if not available:
            pytest.skip(f"this CPU has no {name}")
        for threads in (1, 2, 8):
            found = strengths(image, palette, indices, threads=threads)
            np.testing.assert_array_equal(found, need)
        for method, expected in plain.items():
            again = dithered(image, palette, indices, "oklab", method, need)
            np.testing.assert_array_equal(again, expected)


@given(images(), st.sampled_from(SPACES), st.sampled_from(METHODS), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_exact_colors_keep_their_entries_beside_dithered_ones(image, space, method, seed):
    palette = np.unique(random_palette(seed, 12, image.shape[2]), axis=0)
    rng = np.random.default_rng(seed)
    exact = rng.random(image.shape[:2]) < 0.5
    image[exact] = palette[rng.integers(0, len(palette), exact.sum())]

    result = smalti.apply_palette(image, palette, space=space, dither=method).to_array()

    seen = exact if image.shape[2] == 3 else exact & (image[..., 3] > 0)
    np.testing.assert_array_equal(result[seen], image[seen])


@given(images(), st.sampled_from(["auto", *METHODS]), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_strength_0_is_no_dithering(image, method, adaptive, seed):
    palette = random_palette(seed, 12, image.shape[2])
    options = {"dither": method, "dither_strength": 0, "dither_adaptive": adaptive}

    found = smalti.apply_palette(image, palette, **options).indices

    plain = smalti.apply_palette(image, palette, dither="none").indices
    np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("method", METHODS)
def test_colors_under_alpha_0_change_nothing(method):
    rng = np.random.default_rng(10)
    image = np.dstack([ramp(40, 60, 4), rng.choice(np.uint8([0, 90, 255]), (40, 60))])
    other = image.copy()
    other[image[..., 3] == 0, :3] ^= 0x5A
    palette = random_palette(11, 9, 4)

    found = [smalti.apply_palette(i, palette, dither=method).indices for i in (image, other)]

    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("method", METHODS)
def test_transparent_columns_part_a_picture_into_independent_halves(method):
    rng = np.random.default_rng(12)
    image = np.dstack([ramp(24, 42, 6), np.full((24, 42), 255, np.uint8)])
    image[:, 16:24] = 0  # wide enough for the kernel that reaches furthest
    other = image.copy()
    other[:, 24:, :3] = rng.integers(0, 256, (24, 18, 3))
    palette = random_palette(13, 9, 4)
    full = np.full(image.shape[:2], FULL, np.uint8)

    left = [dithered(i, palette, full, "oklab", method, full)[:, :16] for i in (image, other)]

    np.testing.assert_array_equal(*left)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("method", METHODS)
def test_no_pixel_becomes_a_speck(method, space):
    # A saturated gradient beyond what the palette reaches: error that nothing makes good.
    image = ramp(64, 128)
    image[..., 0] = 255
    image[..., 1:] //= 2
    palette = np.uint8([[150, 60, 60], [160, 80, 70], [180, 90, 100], [0, 255, 0], [0, 0, 255]])
    full = np.full(image.shape[:2], FULL, np.uint8)

    found = dithered(image, palette, full, space, method, full)

    assert found.max() <= 2  # never the green or blue that only piled-up error could reach


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_adaptive_dithering_leaves_flat_areas_text_and_noise_alone(method):
    rng = np.random.default_rng(14)
    flat = np.full((48, 48, 3), 201, np.uint8)
    text = np.where(rng.random((48, 48, 1)) < 0.3, 30, 220).astype(np.uint8).repeat(3, axis=2)
    noise = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    palette = np.unique(np.vstack([random_palette(15, 200, 3), np.uint8([[200, 200, 200]] * 1),
                                   np.uint8([[30, 30, 30], [220, 220, 220]])]), axis=0)  # fmt: skip

    for image in (flat, text, noise):
        found = smalti.apply_palette(image, palette, dither=method).indices
        plain = smalti.apply_palette(image, palette, dither="none").indices
        assert (found != plain).mean() < 0.01


def test_auto_dithers_the_gradient_of_a_picture_and_nothing_else():
    image = np.full((64, 256, 3), 255, np.uint8)
    image[:, :128] = ramp(64, 128)
    image[:, 128:192] = 0

    plain = smalti.quantize(image, 8, dither="none")
    found = smalti.quantize(image, 8)

    changed = found.indices != plain.indices
    assert changed[:, 8:120].mean() > 0.1
    assert not changed[:, 140:].any()


def test_auto_says_what_it_decided_and_why():
    banded = smalti.compress(ramp(), k=4, size=0)
    smooth = smalti.compress(ramp(), k=100, size=0)
    exact = smalti.compress(ramp(), k=128)
    small = smalti.compress(ramp(), k=4)
    asked = smalti.compress(ramp(), k=4, dither="bayer", dither_adaptive=False)

    assert "Floyd–Steinberg on " in banded.dithering
    assert "where bands would show" in banded.dithering
    assert smooth.dithering == "none: without it the picture shows no bands"
    assert exact.dithering == ""
    assert small.dithering == "some, as far as it costs few bytes (size 0.25)"
    assert asked.dithering == "Bayer's matrix on all pixels"
    assert f"  dither    {banded.dithering}" in str(banded)


def test_auto_is_none_above_256_colors_and_for_previews():
    image = np.random.default_rng(16).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    many, none = (smalti.quantize(image, 300, dither=d) for d in ("auto", "none"))
    np.testing.assert_array_equal(many.indices, none.indices)

    turbo, none = (smalti.quantize(ramp(), 4, effort="turbo", dither=d) for d in ("auto", "none"))
    np.testing.assert_array_equal(turbo.indices, none.indices)


def test_blue_noise_is_what_its_script_makes():
    script = ROOT / "tools" / "blue_noise.py"
    module = ROOT / "src" / "smalti" / "blue_noise.py"
    if not script.exists():
        pytest.skip("needs the repository")

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    assert done.stdout == module.read_text()


def test_blue_noise_has_every_threshold_and_no_low_frequencies():
    tile = thresholds("blue-noise")

    assert (np.unique(tile, return_counts=True)[1] == 16).all()
    power = np.abs(np.fft.fft2(tile - tile.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(64)] * 2))
    assert power[frequency < 0.12].mean() < power[frequency > 0.3].mean() / 50
