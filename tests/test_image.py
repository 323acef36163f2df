"""What an image is: accepted layouts, and refusals that say the way out."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti import BadImage, BadOption, from_float, from_uint16
from smalti.image import check_image


def test_rgb_and_rgba_arrays_are_taken_without_a_copy():
    for channels in (3, 4):
        image = np.zeros((4, 5, channels), np.uint8)

        assert check_image(image) is image


def test_gray_becomes_three_equal_channels():
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3)

    image = check_image(gray)

    assert image.shape == (2, 3, 3)
    assert (image == gray[..., None]).all()


@pytest.mark.parametrize("view", [
    lambda a: np.asfortranarray(a),
    lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    lambda a: a[::-1][::-1],
    lambda a: np.moveaxis(np.moveaxis(a, 2, 0).copy(), 0, 2),
], ids=["Fortran", "strided", "reversed", "channels first"])  # fmt: skip
def test_every_memory_layout_gives_the_same_contiguous_image(view):
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)

    found = check_image(view(image))

    np.testing.assert_array_equal(found, image)
    assert found.flags.c_contiguous


def test_read_only_image_is_accepted():
    image = np.zeros((2, 2, 3), np.uint8)
    image.flags.writeable = False

    assert check_image(image) is image


def test_bgr_arrays_are_turned_to_rgb_and_alpha_stays_last():
    assert check_image(np.uint8([[[1, 2, 3]]]), "bgr").tolist() == [[[3, 2, 1]]]
    assert check_image(np.uint8([[[1, 2, 3, 4]]]), "bgr").tolist() == [[[3, 2, 1, 4]]]


def test_unknown_channel_order_is_refused():
    with pytest.raises(BadOption, match='"rgb" or "bgr", got \'grb\''):
        check_image(np.zeros((1, 1, 3), np.uint8), "grb")


@pytest.mark.parametrize(("array", "way_out"), [
    (np.zeros((4, 5, 3), np.float32), "float32 of shape (4, 5, 3); for floats"),
    (np.zeros((4, 5, 3), np.float64), "smalti.from_float(image)"),
    (np.zeros((4, 5, 3), np.uint16), "smalti.from_uint16(image)"),
    (np.zeros((4, 5, 3), ">u2"), "smalti.from_uint16(image)"),
    (np.zeros((4, 5, 3), np.int64), "np.uint8(image)"),
    (np.zeros((4, 5), bool), "mask * np.uint8(255)"),
    ([[[0, 0, 0]]], "np.uint8(image)"),
])  # fmt: skip
def test_other_dtypes_are_refused_with_dtype_shape_and_way_out(array, way_out):
    with pytest.raises(BadImage, match=re.escape(way_out)):
        check_image(array)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (2, 2, 5), (1, 2, 2, 3), (3,), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(BadImage, match="image must have shape"):
        check_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("shape", "way_out"), [
    ((3, 5, 7), "np.moveaxis(image, 0, -1)"),
    ((4, 5, 7), "np.moveaxis(image, 0, -1)"),
    ((5, 7, 1), "image[..., 0]"),
    ((3, 5, 1), "image[..., 0]"),
    ((1, 5, 7), "image[0]"),
    ((1, 5, 7, 3), "image[0]"),
    ((5, 7, 2), "image[..., [0, 0, 0, 1]]"),
    ((2, 5, 7, 3), "add their histograms"),
])  # fmt: skip
def test_pixels_in_another_layout_are_refused_with_the_way_out_that_works(shape, way_out):
    image = np.zeros(shape, np.uint8)

    with pytest.raises(BadImage, match=re.escape(f"got {shape}")) as refusal:
        check_image(image)

    assert way_out in str(refusal.value)
    if way_out.startswith(("image", "np.")):
        check_image(eval(way_out))


@pytest.mark.parametrize(("source", "got"), [
    (None, "got NoneType"),
    (object(), "got object"),
    (5, "got int"),
    ("photo", "got str"),
    (np.array(["a.png", "b.png"]), "got an array of <U5; for several images add their histograms"),
    (["a.png", "b.png"], "got list; for several images add their histograms"),
    ([np.zeros((4, 4, 3), np.uint8)] * 2, "got list; for several images add their histograms"),
    ([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)], "got list; for several"),
    ((image for image in ()), "got generator; for several images add their histograms"),
])  # fmt: skip
def test_what_is_no_picture_or_several_is_refused_in_one_sentence(source, got):
    with pytest.raises(BadImage) as refusal:
        check_image(source)

    words = str(refusal.value)
    assert got in words
    assert "a path, bytes, a binary file, a Pillow image or an array" in words
    assert "\n" not in words


@pytest.mark.parametrize("convert", [check_image, from_float, from_uint16])
def test_masked_arrays_are_refused_with_the_way_out(convert):
    dtype = {check_image: np.uint8, from_float: np.float32, from_uint16: np.uint16}[convert]
    masked = np.ma.masked_array(np.zeros((2, 2, 3), dtype), mask=True)

    with pytest.raises(BadImage, match=r"image\.filled\(0\)"):
        convert(masked)

    convert(masked.filled(0))


def test_lists_of_numbers_and_what_converts_to_an_array_are_taken():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.uint8([[[1, 2, 3]]])

    assert check_image(Tensor()).tolist() == [[[1, 2, 3]]]
    assert check_image([np.uint8([[1, 2, 3]])]).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0, 4), (0, 3)])
def test_image_without_pixels_is_refused(shape):
    with pytest.raises(BadImage, match="at least one pixel"):
        check_image(np.zeros(shape, np.uint8))


def test_every_16_bit_value_rounds_to_the_nearest_8_bit_value():
    values = np.arange(65536, dtype=np.uint16)

    rounded = from_uint16(values)

    np.testing.assert_array_equal(rounded, np.floor(values / 257 + 0.5))
    assert rounded.dtype == np.uint8


def test_16_bit_values_of_either_byte_order_are_taken():
    values = np.array([[0, 256, 65535]])

    for dtype in ("<u2", ">u2"):
        assert from_uint16(values.astype(dtype)).tolist() == [[0, 1, 255]]


def test_8_bit_values_survive_both_conversions():
    values = np.arange(256, dtype=np.uint8)

    np.testing.assert_array_equal(from_uint16(values * np.uint16(257)), values)
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(from_float((values / 255).astype(dtype)), values)


@given(st.floats(0, 1))
def test_floats_round_to_the_nearest_8_bit_value(value):
    assert abs(int(from_float(np.array([value]))[0]) - value * 255) <= 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.01, 1.01])
def test_float_outside_0_to_1_is_refused_with_its_range(bad):
    with pytest.raises(BadImage, match=r"within 0\.\.1"):
        from_float(np.array([[0.5, bad]]))


def test_float_image_in_0_to_255_is_told_to_divide():
    with pytest.raises(BadImage, match="divide by 255"):
        from_float(np.array([[0.0, 200.0]]))


def test_conversions_refuse_the_other_dtype():
    with pytest.raises(BadImage, match="from_float expects floats"):
        from_float(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(BadImage, match="from_uint16 expects uint16"):
        from_uint16(np.zeros((2, 2, 3), np.float32))


def test_nan_is_named_with_the_way_out():
    image = np.full((2, 2, 3), 0.5)
    image[1, 1, 2] = np.nan

    with pytest.raises(BadImage, match=r"got NaN; np\.nan_to_num\(image\)"):
        from_float(image)
