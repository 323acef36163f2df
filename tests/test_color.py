"""Working spaces: exact against the reference, exactly invertible, the same on every CPU."""

import numpy as np
import pytest
from pictures import LEVELS, SPACES, level

from smalti import color, reference


def colors_of_red(values):
    """All colors with these reds, in ascending order."""
    r, g, b = np.meshgrid(np.asarray(values), np.arange(256), np.arange(256), indexing="ij")
    return np.column_stack([r.ravel(), g.ravel(), b.ravel()]).astype(np.uint8)


def every_nth_color(n):
    packed = np.arange(0, 2**24, n)
    return np.column_stack([packed >> 16, packed >> 8 & 255, packed & 255]).astype(np.uint8)


GRAYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
FAINT = np.column_stack([every_nth_color(1021), np.resize(np.arange(256), 16433)]).astype(np.uint8)


@pytest.mark.parametrize("space", SPACES)
def test_points_equal_the_reference(space):
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    for colors in (every_nth_color(7), GRAYS, corners, FAINT):
        points = color.to_points(colors, space)

        np.testing.assert_array_equal(points, reference.to_points(colors, space))


def test_srgb_points_of_all_colors_equal_the_reference():
    for start in range(0, 256, 32):
        colors = colors_of_red(range(start, start + 32))
        np.testing.assert_array_equal(color.to_points(colors, "srgb"), colors * np.int16(64))


def test_all_colors_stay_distinct_in_oklab_and_inside_the_bounds():
    low, high = color.bounds("oklab", 3).reshape(3, 2).T
    seen = np.empty(2**24, np.int64)
    for start in range(0, 256, 32):
        points = color.to_points(colors_of_red(range(start, start + 32)), "oklab")
        assert (points >= low).all()
        assert (points <= high).all()
        wide = points.astype(np.int64) + 8192
        seen[start << 16 : (start + 32) << 16] = wide[:, 0] << 32 | wide[:, 1] << 16 | wide[:, 2]

    seen.sort()
    assert (np.diff(seen) > 0).all()


@pytest.mark.parametrize("space", SPACES)
def test_oklab_and_srgb_are_the_same_on_every_level(space):
    for colors in (every_nth_color(5), FAINT):  # one in twenty is close to the middle of two steps
        with level(LEVELS[0]):
            expected = color.to_points(colors, space)
        for name in LEVELS[1:]:
            with level(name):
                np.testing.assert_array_equal(color.to_points(colors, space), expected)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("channels", [3, 4])
def test_every_number_of_colors_is_converted_to_the_last(name, channels):
    colors = FAINT[:, :channels]
    expected = reference.to_points(colors[:80], "oklab")
    with level(name):
        for n in range(1, 80):
            points = color.to_points(np.ascontiguousarray(colors[:n]), "oklab")
            np.testing.assert_array_equal(points, expected[:n])


def test_oklab_has_ottossons_published_coordinates():
    # From the table of his page, in three decimals.
    colors = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)

    points = color.to_points(colors, "oklab") / color.UNITS["oklab"]

    expected = [[1, 0, 0], [0.628, 0.225, 0.126], [0.866, -0.234, 0.179], [0.452, -0.032, -0.312]]
    np.testing.assert_allclose(points, expected, atol=6e-4)


def test_grays_have_no_chroma_in_oklab():
    points = color.to_points(GRAYS, "oklab")

    assert (np.abs(points[:, 1:]) <= 1).all()
    assert (np.diff(points[:, 0]) > 0).all()


def test_linear_light_is_the_srgb_formula_to_the_last_bits():
    value = np.arange(256) / 255
    formula = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    np.testing.assert_allclose(color.LINEAR, formula, rtol=4e-16, atol=0)


def test_srgb_points_of_8_bit_colors_convert_back_to_the_same_colors():
    colors = np.concatenate([every_nth_color(13), GRAYS])
    back = color.from_points(color.to_points(colors, "srgb"), "srgb")

    np.testing.assert_array_equal(back, colors)


def test_oklab_points_convert_back_but_for_a_step_in_the_darkest_channel_of_vivid_colors():
    # (0, 252, 228) and (1, 252, 228) are different points, but nearer to each other than rounding.
    colors = np.concatenate([every_nth_color(13), GRAYS])

    back = color.from_points(color.to_points(colors, "oklab"), "oklab")

    off = (back != colors).any(1)
    assert off.mean() < 1e-4
    assert np.abs(back.astype(int) - colors).max() == 1
    assert (colors[off].min(1) < 16).all()
    np.testing.assert_array_equal(back[-256:], GRAYS)


@pytest.mark.parametrize("space", SPACES)
def test_opaque_and_transparent_colors_convert_back_exactly(space):
    rgb = color.from_points(color.to_points(every_nth_color(1021), space), space)
    rgba = np.column_stack([rgb, np.full(16433, 255, np.uint8)])
    clear = rgba * np.array([1, 1, 1, 0], np.uint8)

    np.testing.assert_array_equal(color.from_points(color.to_points(rgba, space), space), rgba)
    assert not color.from_points(color.to_points(clear, space), space).any()


@pytest.mark.parametrize("space", SPACES)
def test_alpha_survives_the_round_trip_and_color_as_far_as_it_shows(space):
    back = color.from_points(color.to_points(FAINT, space), space)

    np.testing.assert_array_equal(back[:, 3], FAINT[:, 3])
    strong = FAINT[:, 3] >= 128
    assert np.abs(back[strong].astype(int) - FAINT[strong]).max() <= 1


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
def test_fractional_points_round_as_the_reference_does(space, channels):
    low, high = color.bounds(space, channels).reshape(channels, 2).T
    # Also outside of the color cube, where channels are clipped.
    points = np.random.default_rng(0).uniform(low - 200, high + 200, (50_000, channels))

    colors, expected = color.from_points(points, space), reference.from_points(points, space)

    # The published inverse matrices have ten digits, the reference's have all.
    off = np.abs(colors.astype(int) - expected)
    assert off.max() <= (space == "oklab")
    assert off.any(1).mean() < 1e-4


@pytest.mark.parametrize("space", SPACES)
def test_invisible_colors_are_one_point(space):
    colors = np.array([[0, 0, 0, 0], [255, 9, 80, 0], [255, 255, 255, 0]], np.uint8)

    assert not color.to_points(colors, space).any()


@pytest.mark.parametrize("space", SPACES)
def test_alpha_is_as_long_as_white_is_light(space):
    white = color.to_points(np.array([[255, 255, 255, 255]], np.uint8), space)[0]

    assert white[3] == white[0] == color.bounds(space, 4)[7]


@pytest.mark.parametrize("space", SPACES)
def test_reference_and_library_agree_on_the_bounds(space):
    np.testing.assert_array_equal(
        color.bounds(space, 4).reshape(4, 2), np.array(reference.BOX[space])
    )
