"""Verification: what is stored in a file, held against a palette."""

import io

import movie_kit
import numpy as np
import pytest
from PIL import Image
from process import file_of

import smalti
from smalti import BadImage, apply_palette, verify

COLORS = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
IMAGE = np.uint8([[COLORS[1], COLORS[1], COLORS[2]], [COLORS[3], COLORS[0], COLORS[1]]])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_a_file_of_the_palette_is_all_right(kind):
    data = apply_palette(IMAGE, COLORS).encoded(kind)

    assert verify(data, COLORS).ok
    assert verify(data, COLORS, rows=True).ok == (kind != "WEBP")


def test_a_file_mapped_to_a_shorter_palette_keeps_to_a_longer_one():
    data = apply_palette(IMAGE, COLORS).encoded()

    verdict = verify(data, [*COLORS, [9, 9, 9]], rows=True)

    assert verdict.ok
    assert verdict.rows


def test_the_first_pixel_outside_is_named_with_its_color():
    image = IMAGE.copy()
    image[1, :2] = 1, 2, 3

    verdict = verify(file_of(Image.fromarray(image)), COLORS)

    assert verdict.to_dict() == {
        "ok": False, "rows": None, "x": 0, "y": 1, "color": "#010203", "pixels": 2,
        "problem": "2 pixels have a color that the palette lacks, first at (0, 1): #010203",
    }  # fmt: skip


def test_colors_in_other_rows_are_a_difference_where_rows_count():
    swapped = [COLORS[0], COLORS[2], COLORS[1], COLORS[3]]
    data = apply_palette(IMAGE, swapped).encoded()

    assert verify(data, COLORS).ok
    assert verify(data, COLORS).rows is False
    assert verify(data, COLORS, rows=True).problem == (
        "4 pixels have indices of another color than the palette's, first at (0, 0): "
        "row 2 is #ff0000, and should be #00ff00"
    )


def test_indices_past_the_palette_are_a_difference_where_rows_count():
    data = apply_palette(IMAGE, [*COLORS[1:], [9, 9, 9], COLORS[0]]).encoded()

    verdict = verify(data, [*COLORS[1:], COLORS[0]], rows=True)

    assert verdict.problem.endswith("(1, 1): row 4 is #000000, and should be no color")


def test_rows_that_no_pixel_uses_may_hold_anything():
    padded = [*COLORS, [9, 9, 9], [8, 8, 8]]
    data = apply_palette(IMAGE, padded).encoded()

    assert verify(data, COLORS, rows=True).ok


def test_a_file_without_indices_has_no_rows():
    data = file_of(Image.fromarray(IMAGE))

    assert verify(data, COLORS).ok
    assert verify(data, COLORS, rows=True).problem.startswith("it has no indices")


def test_invisible_pixels_need_an_invisible_color_whatever_is_below():
    image = np.dstack([IMAGE, np.full((2, 3), 255, np.uint8)])
    image[0, 2, 3] = 0
    data = file_of(Image.fromarray(image))

    assert verify(data, "#000,#f00,#0f0,#00f,#7770").ok
    assert verify(data, COLORS).problem.endswith("first at (2, 0): #00000000")


def test_what_cannot_be_read_is_refused():
    with pytest.raises(BadImage):
        verify(io.BytesIO(b"no picture"), COLORS)


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_rows_of_animations_are_checked(kind):
    frames = [np.full((8, 8, 3), color, np.uint8) for color in ((9, 9, 9), (200, 0, 0))]
    frames[1][2:5, 3:7] = (0, 0, 200)
    palette = ["#0000c8", "#090909", "#00ff00", "#c80000"]
    data = smalti.compress(
        movie_kit.whole(frames), format=kind, palette=",".join(palette), allow_larger=True
    ).data

    right = smalti.verify(data, ",".join(palette), rows=True)
    wrong = smalti.verify(data, ",".join(reversed(palette)), rows=True)

    assert right.ok
    assert right.rows
    assert not wrong.ok
    assert "a palette in which row 0 is #0000c8, and should be #c80000" in wrong.problem
