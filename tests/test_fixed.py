"""Palettes that are given: mapped to as they are, and strict ones kept as a promise."""

import io

import numpy as np
import pytest
from pictures import draw, photo
from PIL import Image

from smalti import (
    BadOption,
    IndexedImage,
    OutsidePalette,
    Palette,
    apply_palette,
    compress,
    quantize,
    reference,
)

GIVEN = [[0, 0, 0], [255, 0, 255], [255, 255, 255], [120, 110, 100]]


def stored(report, tmp_path):
    (tmp_path / "out.png").write_bytes(report.data)
    return IndexedImage.load(tmp_path / "out.png")


@pytest.mark.parametrize("given", [
    Palette(GIVEN), GIVEN, np.array(GIVEN), "#000,#f0f,white,#786e64",
    ["#000", "magenta", (255, 255, 255), "786e64"],
], ids=["Palette", "list", "array", "string", "mixed"])  # fmt: skip
def test_a_palette_is_taken_in_every_form_and_its_rows_are_those_of_the_file(given, tmp_path):
    image = photo(1, 40)

    report = compress(image, palette=given)

    found = stored(report, tmp_path)
    assert found.palette.tolist() == GIVEN
    np.testing.assert_array_equal(found.indices, apply_palette(image, GIVEN).indices)
    assert (report.k, report.colors_used, report.stop_reason) == (4, 4, "given")
    assert "k-means" not in str(report)
    # Shares are of the pixels nearest to each color, before any dithering.
    nearest = apply_palette(image, GIVEN, dither="none").indices
    shares = np.bincount(nearest.ravel(), minlength=4) / nearest.size
    np.testing.assert_allclose(report.palette.shares, shares)
    np.testing.assert_array_equal(
        stored(compress(image, palette=given, dither="none"), tmp_path).indices, nearest
    )


@pytest.mark.parametrize("suffix", [".gpl", ".hex", ".json", ".ase", ".act", ".pal", ".css"])
def test_a_palette_may_be_a_file_by_name_or_path(suffix, tmp_path):
    Palette(GIVEN).save(tmp_path / f"given{suffix}")

    for name in (tmp_path / f"given{suffix}", str(tmp_path / f"given{suffix}")):
        assert compress(photo(1, 40), palette=name).palette.colors.tolist() == GIVEN
        assert apply_palette(photo(1, 8), name).palette.tolist() == GIVEN


def test_the_palette_of_an_indexed_picture_is_one_too(tmp_path):
    first = quantize(photo(2, 40), 8)
    first.save(tmp_path / "first.png")

    second = stored(compress(photo(3, 40), palette=tmp_path / "first.png"), tmp_path)

    np.testing.assert_array_equal(second.palette, first.palette)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_nearest_entries_are_those_of_the_reference(channels, space):
    image = draw("noise", channels, seed=4)
    palette = draw("noise", channels, seed=5, height=1, width=9)[0]

    report = compress(image, palette=palette, space=space, allow_larger=True)

    expected = apply_palette(image, palette, space=space)
    with Image.open(io.BytesIO(report.data)) as file:
        mode = "RGB" if channels == 3 else "RGBA"
        pixels = np.asarray(file.convert(mode))
    seen = expected.to_array()
    if channels == 4:
        pixels, seen = (np.where(p[..., 3:] == 0, 0, p) for p in (pixels, seen))
    np.testing.assert_array_equal(pixels, seen)
    if (channels, space) == (3, "srgb"):
        labels, d2 = reference.assign(image.reshape(-1, 3).astype(float), palette.astype(float))
        np.testing.assert_array_equal(expected.indices.ravel(), labels)
        assert report.distortion == pytest.approx(d2.mean())


@pytest.mark.parametrize("options", [
    {"k": 5}, {"k": "auto"}, {"keep": "#fff"}, {"weight": "auto"}, {"effort": "best"},
    {"init": "random"}, {"init": np.uint8(GIVEN)}, {"n_init": 2}, {"max_iter": 3}, {"tol": 0.1},
], ids=str)  # fmt: skip
def test_options_of_a_search_contradict_a_palette(options):
    with pytest.raises(BadOption, match=f"{next(iter(options))}"):
        compress(photo(1, 8), palette=GIVEN, **options)


def test_strict_alone_is_refused():
    with pytest.raises(BadOption, match="strict is about a palette"):
        compress(photo(1, 8), strict=True)


@pytest.mark.parametrize(("given", "sentence"), [
    ("rot,blau", "'rot' is no color"), (" , ", "at least one"), (["#00"], "'#00' is no color"),
    ([[1, 2]], "shape"), ([[300, 0, 0]], "0..255"), ("missing.gpl", "missing.gpl does not exist"),
])  # fmt: skip
def test_what_is_no_palette_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        compress(photo(1, 8), palette=given)


def test_a_file_of_an_unknown_kind_is_no_list_of_colors(tmp_path):
    (tmp_path / "colors.txt").write_text("#fff")

    with pytest.raises(BadOption, match="a palette file ends in"):
        compress(photo(1, 8), palette=str(tmp_path / "colors.txt"))


# ---------------------------------------------------------------- strict


def flat():
    image = np.zeros((6, 8, 3), np.uint8)
    image[2:, 3:] = [255, 0, 255]
    return image


def test_a_strict_palette_takes_a_picture_of_its_colors(tmp_path):
    report = compress(flat(), palette=GIVEN, strict=True)

    np.testing.assert_array_equal(stored(report, tmp_path).to_array(), flat())
    assert report.distortion == 0
    np.testing.assert_array_equal(apply_palette(flat(), GIVEN, strict=True).to_array(), flat())


def test_a_strict_palette_refuses_another_color_and_says_how_many_and_where(tmp_path):
    image = flat()
    image[4, 5], image[4, 6:], image[5, 0] = [255, 0, 254], [1, 2, 3], [1, 2, 3]
    sentence = (
        r"4 pixels have 2 colors that the palette lacks, first at \(5, 4\): #ff00fe; if not strict"
    )

    with pytest.raises(OutsidePalette, match=sentence):
        compress(image, tmp_path / "out.png", palette=GIVEN, strict=True)
    with pytest.raises(OutsidePalette, match=f"the image: {sentence}"):
        apply_palette(image, GIVEN, strict=True)
    assert list(tmp_path.iterdir()) == []


def test_one_pixel_is_told_in_the_singular():
    image = flat()
    image[0, 7] = 9

    with pytest.raises(OutsidePalette, match=r"1 pixel has a color .* first at \(7, 0\): #090909"):
        apply_palette(image, GIVEN, strict=True)


def test_what_is_below_transparent_pixels_does_not_matter_to_a_strict_palette():
    image = np.dstack([flat(), np.full((6, 8), 255, np.uint8)])
    image[0, :4] = [[9, 9, 9, 0], [200, 1, 1, 0], [0, 0, 0, 0], [255, 255, 255, 0]]
    clear = "#000,#f0f,transparent"

    result = apply_palette(image, clear, strict=True)

    assert (result.to_array()[0, :4, 3] == 0).all()
    with pytest.raises(OutsidePalette, match=r"4 pixels have a color .* \(0, 0\): #00000000"):
        apply_palette(image, GIVEN, strict=True)


# ---------------------------------------------------------------- transparency


def test_a_note_says_what_an_opaque_palette_makes_of_transparency():
    image = np.dstack([photo(5, 32), np.full((32, 32), 255, np.uint8)])
    image[:4, :, 3], image[4:8, :, 3] = 0, 128

    notes = compress(image, palette=GIVEN).notes
    clear = compress(image, palette="#000,#fff,transparent").notes

    assert notes == (
        "the palette has no transparent color: 128 transparent pixels are seen now",
        "the palette has no partly transparent color: such pixels became opaque",
    )
    assert clear == (
        "the palette has no partly transparent color: such pixels became opaque or clear",
    )


def test_opaque_pixels_never_take_a_transparent_entry():
    result = apply_palette(photo(6, 16), "transparent,#00f8,#fff")

    assert set(np.unique(result.indices)) == {2}


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_other_formats_show_the_same_colors(kind):
    image = photo(7, 32)

    report = compress(image, palette=GIVEN, format=kind)

    with Image.open(io.BytesIO(report.data)) as file:
        pixels = np.asarray(file.convert("RGB"))
    np.testing.assert_array_equal(pixels, apply_palette(image, GIVEN).to_array())


def test_a_picture_may_be_dithered_to_a_palette():
    image = photo(8, 48)

    report = compress(image, palette=GIVEN, dither="floyd-steinberg")

    with Image.open(io.BytesIO(report.data)) as file:
        pixels = np.asarray(file.convert("RGB"))
    expected = apply_palette(image, GIVEN, dither="floyd-steinberg").to_array()
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("options", [{"k": 4, "keep": "#f008"}, {"palette": "#000,#f008"}])
def test_gif_does_not_promise_to_keep_what_it_cannot_hold(options):
    with pytest.raises(BadOption, match="GIF cannot keep a partly transparent color"):
        compress(photo(9, 8), format="gif", **options)


def test_rows_that_were_asked_for_are_those_of_the_file(tmp_path):
    report = compress(photo(10, 40), k=16, keep="15=#fff,0=#c00")

    found = stored(report, tmp_path)
    assert found.palette[[0, 15]].tolist() == [[204, 0, 0], [255, 255, 255]]
