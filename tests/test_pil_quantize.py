"""Pillow's interface: the same calls as Pillow takes, the same pixels as `quantize` gives."""

import inspect
import io

import numpy as np
import pytest
from pictures import draw, photo
from PIL import Image

import smalti
from smalti import BadImage, BadOption, pil_quantize

MODES = ["RGB", "RGBA", "L", "LA", "P", "PA", "CMYK", "1", "YCbCr", "HSV", "RGBX", "RGBa"]


def picture(mode="RGB"):
    image = Image.fromarray(draw("gradient", 4 if "A" in mode.upper() and mode != "LA" else 3, 1))
    return image.convert("RGB").convert("L").convert(mode) if mode == "LA" else image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_any_mode_gives_the_pixels_of_quantize_in_mode_p(mode):
    image = picture(mode)

    small = pil_quantize(image, 7)

    expected = smalti.quantize(image, 7)
    assert small.mode == "P"
    assert small.size == image.size
    kind = "RGBA" if expected.palette.shape[1] == 4 else "RGB"
    np.testing.assert_array_equal(np.asarray(small.convert(kind)), expected.to_array())


def test_transparency_is_kept_and_saved():
    image = picture("RGBA")

    small = pil_quantize(image, 9)
    file = io.BytesIO()
    small.save(file, "PNG")

    with Image.open(file) as saved:
        pixels = np.asarray(saved.convert("RGBA"))
    np.testing.assert_array_equal(pixels, smalti.quantize(image, 9).to_array())
    alphas = np.asarray(image)[..., 3]
    assert set(pixels[alphas == 0, 3]) == {0}
    assert set(pixels[alphas == 255, 3]) == {255}
    assert np.mean((pixels[..., 3] > 0) & (pixels[..., 3] < 255)) > 0


def test_every_parameter_of_pillow_is_there_in_its_order():
    theirs = list(inspect.signature(Image.Image.quantize).parameters)
    ours = list(inspect.signature(pil_quantize).parameters)

    assert ours[1 : len(theirs)] == theirs[1:]


def test_calls_in_the_way_of_pillow_work():
    image = picture()

    plain = pil_quantize(image, 8)
    for method in Image.Quantize:
        assert pil_quantize(image, 8, method, 3).tobytes() == plain.tobytes()


def test_options_of_quantize_are_handed_on():
    image = Image.fromarray(photo(1, side=40))

    small = pil_quantize(image, 5, space="srgb", effort="lloyd")

    expected = smalti.quantize(image, 5, space="srgb", effort="lloyd")
    np.testing.assert_array_equal(np.asarray(small), expected.indices)
    assert small.getpalette()[:15] == expected.palette.ravel().tolist()


@pytest.mark.parametrize(
    ("dither", "name"),
    [
        (None, "auto"),
        (Image.Dither.NONE, "none"),
        (Image.Dither.ORDERED, "bayer"),
        (Image.Dither.FLOYDSTEINBERG, "floyd-steinberg"),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_dither_is_that_of_pillow_and_auto_unless_asked(dither, name, given):
    image, palette = Image.fromarray(photo(2, side=40)), None
    expected = smalti.quantize(image, 6, dither=name)
    if given:
        palette = expected.to_image()

    small = pil_quantize(image, 6, palette=palette, dither=dither)

    np.testing.assert_array_equal(np.asarray(small), expected.indices)


def test_a_given_palette_comes_back_as_it_is():
    palette = Image.new("P", (1, 1))
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 255, 255])
    image = Image.fromarray(photo(3, side=40))

    small = pil_quantize(image, palette=palette, space="srgb", dither=Image.Dither.NONE)

    theirs = image.quantize(palette=palette, dither=Image.Dither.NONE)
    assert small.getpalette() == theirs.getpalette() == palette.getpalette()
    agree = np.asarray(small) == np.asarray(theirs)
    assert agree.mean() > 0.9  # Pillow rounds colors before it compares


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_transparency_of_a_given_palette_is_used(transparency):
    palette = Image.new("P", (1, 1))
    palette.putpalette([200, 0, 0, 0, 0, 0, 0, 0, 0])
    palette.info["transparency"] = transparency
    image = Image.fromarray(np.uint8([[[0, 0, 0, 0], [0, 0, 0, 255], [250, 0, 0, 255]]]))

    small = pil_quantize(image, palette=palette)

    assert np.asarray(small).tolist() == [[1, 2, 0]]
    assert np.asarray(small.convert("RGBA"))[..., 3].tolist() == [[0, 255, 255]]


def test_what_is_no_pillow_image_is_refused(tmp_path):
    with pytest.raises(BadImage, match=r"must be a Pillow image, got str; try Image\.open"):
        pil_quantize("photo.png")


@pytest.mark.parametrize("colors", [0, 257, 1.5, "8"])
def test_colors_out_of_range_are_refused(colors):
    with pytest.raises(BadOption, match="integer from 1 to"):
        pil_quantize(picture(), colors)


@pytest.mark.parametrize("dither", [2, 4, "none"])
def test_other_dithers_are_refused(dither):
    with pytest.raises(BadOption, match=r"Dither\.ORDERED or Dither\.FLOYDSTEINBERG, got"):
        pil_quantize(picture(), 8, dither=dither)


@pytest.mark.parametrize("palette", [Image.new("RGB", (1, 1)), [[0, 0, 0]]])
def test_a_palette_image_of_another_mode_is_refused(palette):
    with pytest.raises(BadOption, match="palette must be a Pillow image of mode P, got"):
        pil_quantize(picture(), palette=palette)
