"""What smalti wrote is recognized: compressed again at the same settings, it stays as it is."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from movie_kit import film, whole
from pictures import images
from PIL import Image, PngImagePlugin
from process import file_of, picture

import smalti
from smalti import AlreadyCompressed, NotSmaller, marks, png
from smalti.load import load

FORMATS = ("png", "webp", "gif")
COST = {"png": 35, "gif": 27, "webp": 42}

PROVED = (  # by the pixels alone
    {},
    {"k": 16},
    {"k": 16, "effort": "turbo"},
    {"k": 16, "dither": "floyd-steinberg"},
    {"k": 16, "keep": "#f0f,#123456"},
    {"k": 16, "weight": "auto"},
    {"k": 16, "pack": "fast"},
    {"palette": "#000,#fff,#888,#36c"},
    {"max_bytes": 2000},
)
MARKED = (
    {"min_score": 40, "k": 64},
    {"k": "auto"},
    {"k": "elbow"},
    {"quality": "40-60"},
    {"quality": 50, "keep": "#f0f"},
    {"min_score": 40, "size": 0.25},
    {"min_score": 40, "effort": "turbo"},
    {"k": "auto", "max_bytes": "2k"},
)


def opaque():
    return file_of(picture(1))


def with_alpha():
    pixels = np.array(picture(2).convert("RGBA"))
    pixels[:8, :, 3], pixels[8:14, :, 3] = 0, 128
    return file_of(Image.fromarray(pixels))


def pixels_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.property_number(12)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("options", [*PROVED, *MARKED], ids=str)
def test_a_second_run_changes_nothing(options, kind):
    source = opaque if kind == "png" else with_alpha
    first = smalti.compress(source(), format=kind, **options)

    with pytest.raises(AlreadyCompressed, match="already compressed at these settings"):
        smalti.compress(first.data, format=kind, **options)


@pytest.mark.parametrize("options", PROVED, ids=str)
def test_where_pixels_prove_it_files_carry_no_mark(options):
    assert marks.find(smalti.compress(opaque(), **options).data) == b""


@pytest.mark.parametrize("options", [{"k": "auto"}, {"quality": 60}, {"min_score": 90, "size": 0}])
def test_a_picture_that_stays_as_it_is_needs_no_mark(options):
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((8, 8))).astype(np.uint8)
    drawn = file_of(Image.fromarray(np.dstack([checks * 255, checks * 128, checks])))

    done = smalti.compress(drawn, allow_larger=True, **options)

    assert done.stop_reason == "exact"
    assert marks.find(done.data) == b""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("source", [opaque, with_alpha])
def test_a_mark_costs_a_few_bytes_and_changes_no_pixel(source, kind):
    marked = smalti.compress(source(), format=kind, k="auto")
    plain = smalti.compress(source(), format=kind, k=marked.k)

    assert len(marks.find(marked.data)) == 16
    assert marked.bytes_out - plain.bytes_out == COST[kind]
    assert marked.explain["metadata"] > plain.explain["metadata"]
    assert sum(marked.explain.values()) - marked.explain["input_metadata"] == marked.bytes_out
    np.testing.assert_array_equal(pixels_of(marked.data), pixels_of(plain.data))
    decoded = load(marked.data)
    np.testing.assert_array_equal(pixels_of(marked.data)[..., : decoded.shape[2]], decoded)


def test_what_was_tried_has_the_bytes_of_the_file_mark_included():
    report = smalti.compress(opaque(), k="auto")

    assert report.tried[0].bytes == report.bytes_out


@pytest.mark.property_number(12)
@settings(deadline=None, max_examples=20)
@given(images(), st.sampled_from([1, 2, 5, 16, 200, 300]), st.sampled_from(["png", "webp"]))
def test_a_file_packed_again_has_the_same_bytes(image, k, kind):
    first = smalti.compress(image, k=k, format=kind).data

    again = smalti.compress(first, k=k, format=kind, allow_larger=True).data

    assert again == first


@settings(deadline=None, max_examples=10)
@given(images(), st.sampled_from([1, 2, 5, 16, 200]))
def test_a_gif_packed_again_is_no_smaller(image, k):
    first = smalti.compress(image, k=k, format="gif").data

    with pytest.raises(NotSmaller):
        smalti.compress(first, k=k, format="gif")


def test_threads_names_and_packing_play_no_part_in_the_mark(tmp_path):
    (tmp_path / "in.png").write_bytes(opaque())
    smalti.compress(tmp_path / "in.png", tmp_path / "out.png", k="auto", threads=1, pack="fast")

    again = smalti.compress(opaque(), k="auto", threads=2)

    assert marks.find((tmp_path / "out.png").read_bytes()) == marks.find(again.data)


@pytest.mark.parametrize(
    "other",
    [
        {"quality": "40-61"},
        {"quality": "40-60", "seed": 1},
        {"quality": "40-60", "keep": "red"},
        {"quality": "40-60", "dither": "none"},
        {"quality": "40-60", "guard": False},
        {"quality": "40-60", "k": 255},
        {"quality": "40-60", "weight": "auto"},
        {"quality": "40-60", "size": 0.5},
        {"quality": "40-60", "space": "srgb"},
        {"quality": "40-60", "tol": 0.1},
        {"quality": "40-60", "max_bytes": 10**6},
    ],
    ids=str,
)
def test_every_setting_that_pixels_depend_on_is_in_the_mark(other):
    mark = marks.find(smalti.compress(opaque(), quality="40-60").data)

    assert marks.find(smalti.compress(opaque(), **other).data)[:8] != mark[:8]


def test_two_spellings_of_the_same_settings_are_the_same_mark():
    spelled = [{"quality": 60}, {"quality": "54-60"}, {"quality": " 60 ", "size": None}]

    found = {marks.find(smalti.compress(opaque(), **options).data) for options in spelled}

    assert len(found) == 1


def resaved(data, change=lambda pixels: None):
    """Save a PNG as an editor would: colors, all pixels, and the text chunks it came with."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.array(image.convert("RGB"))
        texts = PngImagePlugin.PngInfo()
        for name, text in image.text.items():
            texts.add_text(name, text)
    change(pixels)
    return file_of(Image.fromarray(pixels), pnginfo=texts)


def test_an_edited_picture_that_kept_the_mark_is_compressed():
    marked = smalti.compress(opaque(), quality="40-60").data

    def edit(pixels):
        pixels[0, 0] ^= 255

    edited = resaved(marked, edit)
    assert marks.find(edited) == marks.find(marked)

    report = smalti.compress(edited, quality="40-60")

    assert marks.find(report.data) not in (b"", marks.find(marked))
    assert not np.array_equal(pixels_of(report.data), pixels_of(edited))


def test_a_marked_picture_that_a_tool_saved_larger_is_packed_again_without_loss():
    marked = smalti.compress(opaque(), quality="40-60").data
    larger = resaved(marked)
    assert len(larger) > len(marked)

    assert smalti.compress(larger, quality="40-60").data == marked


def test_other_settings_compress_once_more_and_say_so():
    marked = smalti.compress(opaque(), k="auto")

    report = smalti.compress(marked.data, k=8)

    assert report.colors_used == 8
    assert any("made this file with other settings" in note for note in report.notes)
    assert marks.find(report.data) == b""


def test_settings_that_would_leave_the_pixels_alone_leave_the_mark_too():
    marked = smalti.compress(opaque(), quality="40-60", k=100)

    with pytest.raises(AlreadyCompressed):
        smalti.compress(marked.data, k=256)


def test_a_file_of_another_tool_that_is_no_larger_is_not_called_ours():
    ramp = np.dstack([*np.mgrid[0:252:4, 0:252:4], np.zeros((63, 63))]).astype(np.uint8)

    with pytest.raises(NotSmaller) as refused:
        smalti.compress(file_of(Image.fromarray(ramp), optimize=True), k=256)

    assert not isinstance(refused.value, AlreadyCompressed)


def test_a_mark_fits_beside_a_color_profile(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = file_of(picture(1, 200, 300), icc_profile=profile)
    first = smalti.compress(source, format="webp", k="auto", icc="keep")

    with Image.open(io.BytesIO(first.data)) as image:
        assert image.info["icc_profile"] == profile
    assert marks.find(first.data)
    with pytest.raises(AlreadyCompressed):
        smalti.compress(first.data, format="webp", k="auto", icc="keep")


def test_the_chunk_of_a_png_is_sound():
    data = smalti.compress(opaque(), k="auto").data

    (text,) = png.read_png(data).texts
    at = data.index(b"tEXtsmalti")
    assert text == b"smalti\0" + marks.find(data)
    assert struct.unpack(">I", data[at + 27 : at + 31])[0] == zlib.crc32(data[at : at + 27])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_mark_is_looked_for_in_any_bytes_without_harm(kind):
    data = smalti.compress(opaque(), format=kind, k="elbow").data

    assert marks.find(data)
    for end in range(0, len(data), 7):
        assert len(marks.find(data[:end])) in (0, 16)
    for at in range(0, len(data), 5):
        marks.find(data[:at] + b"\xff\xff\xff" + data[at + 3 :])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "options",
    [{"k": 16}, {"k": "auto"}, {"k": "auto", "weight": "auto"}, {"quality": 60}],
    ids=str,
)
def test_of_an_animation_a_second_run_changes_nothing(kind, options):
    first = smalti.compress(whole(film()), format=kind, allow_larger=True, **options)

    with pytest.raises(AlreadyCompressed):
        smalti.compress(first.data, **options)


def test_weights_that_depend_on_the_picture_do_not_hide_that_it_is_done():
    first = smalti.compress(opaque(), k="auto", weight="auto")

    with pytest.raises(AlreadyCompressed):
        smalti.compress(first.data, k="auto", weight="auto")


def test_an_animation_that_was_edited_is_compressed():
    marked = smalti.compress(whole(film()), format="webp", k="auto")
    frames = list(smalti.frames(marked.data))
    edited = [*frames[:-1], frames[0]]

    assert marks.find(marked.data)[8:] == marks.of_pictures(frames)
    assert marks.of_pictures(edited) != marks.of_pictures(frames)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_animation_that_could_be_some_bytes_smaller_is_left_alone(kind):
    for seed in range(4):
        first = smalti.compress(whole(film(seed=seed)), format=kind, k=24, allow_larger=True)

        with pytest.raises(AlreadyCompressed):
            smalti.compress(first.data, k=24)
        assert len(marks.find(first.data)) == 16
