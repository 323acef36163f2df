"""Frames and pages: all of them are kept, or the file is refused, or what is left out is said."""

import io

import numpy as np
import pytest
from PIL import Image, features

import smalti
from smalti import BadImage

COLORS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40))


def pictures(count=3, side=24):
    """Return so many pictures, each of a color of its own with a square that moves."""
    found = []
    for number in range(count):
        image = np.full((side, side, 3), COLORS[number], np.uint8)
        image[number : number + 5, number : number + 5] = 255
        found.append(image)
    return found


def many(kind, images, **options):
    buffer = io.BytesIO()
    first, *rest = map(Image.fromarray, images)
    first.save(buffer, kind, save_all=True, append_images=rest, **options)
    return buffer.getvalue()


def pages(images):
    """Return a TIFF of several pages."""
    return many("TIFF", images)


def stereo(images):
    return many("MPO", images, quality=95)


def sequence(images):
    if not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    return many("AVIF", images, quality=90, duration=100)


def icon(images):
    buffer = io.BytesIO()
    Image.fromarray(images[0]).save(buffer, "ICO", sizes=[(16, 16), (24, 24)])
    return buffer.getvalue()


@pytest.mark.guarantee(14, 19)
@pytest.mark.parametrize("source", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
@pytest.mark.parametrize("count", [2, 4])
def test_every_frame_is_in_the_output_of_every_format(source, kind, count, figure):
    lossless = {"lossless": True} if source == "WEBP" else {}
    data = many(source, pictures(count), duration=[50, 70, 90, 110][:count], loop=0, **lossless)

    report = smalti.compress(data, k=16, format=kind, allow_larger=True)

    with Image.open(io.BytesIO(report.data)) as image:
        assert image.n_frames == count
        for number, expected in enumerate(pictures(count)):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)
    assert report.motion.frames == count
    assert smalti.frames(report.data).delays == smalti.frames(data).delays
    figure(f"{count} of {count} frames of {source} in {kind}, pixel-identical")


@pytest.mark.guarantee(19)
@pytest.mark.parametrize(("make", "words"), [
    (pages, "3 pages.*extract the one you want"),
    (sequence, "3 frames"),
    (icon, "icon.*convert it to PNG"),
])  # fmt: skip
@pytest.mark.parametrize("verb", ["compress", "quantize", "build_palette", "choose_k"])
def test_other_files_of_several_pictures_are_refused_with_their_number(make, words, verb, tmp_path):
    data = make(pictures())
    arguments = {"compress": (tmp_path / "x.png", 8), "choose_k": ()}.get(verb, (8,))

    with pytest.raises(BadImage, match=words):
        getattr(smalti, verb)(data, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.guarantee(19)
def test_a_second_page_that_is_only_a_thumbnail_is_refused_too():
    one, two = Image.fromarray(pictures()[0]), Image.fromarray(pictures()[1][:8, :8])
    two.encoderinfo = {"tiffinfo": {254: 1}}
    buffer = io.BytesIO()
    one.save(buffer, "TIFF", save_all=True, append_images=[two])

    with pytest.raises(BadImage, match="2 pages"):
        smalti.compress(buffer.getvalue())


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_the_second_picture_of_a_phones_or_a_stereo_cameras_file_is_said_to_be_left_out(kind):
    report = smalti.compress(stereo(pictures(2)), k=16, format=kind, allow_larger=True)

    assert any("only the first picture is used" in note for note in report.notes)
    assert report.motion is None


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("verb", ["quantize", "build_palette", "choose_k", "apply_palette"])
def test_verbs_for_pictures_refuse_animations_with_their_number(verb):
    data = many("GIF", pictures(), duration=100)
    arguments = {"choose_k": (), "apply_palette": ("#000,#fff",)}.get(verb, (8,))

    with pytest.raises(BadImage, match="3 frames"):
        getattr(smalti, verb)(data, *arguments)


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("source", ["GIF", "PNG", "WEBP"])
def test_an_animation_of_one_frame_is_a_picture(source):
    lossless = {"lossless": True} if source == "WEBP" else {}
    data = many(source, pictures(1), **lossless)

    report = smalti.compress(data, k=8, allow_larger=True)

    with Image.open(io.BytesIO(report.data)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pictures(1)[0])


@pytest.mark.guarantee(19)
def test_the_commands_keep_frames_or_fail_and_say_how_many_there_are(smalti, folder):
    (folder / "in").mkdir()
    (folder / "in" / "a.gif").write_bytes(many("GIF", pictures(4), duration=100))
    (folder / "in" / "b.tif").write_bytes(pages(pictures()))
    (folder / "in" / "c.jpg").write_bytes(stereo(pictures(2, 200)))

    done = smalti("compress", "-r", "--out-dir", "out", "--allow-larger", "in", code=1)

    with Image.open(folder / "out" / "a.gif") as image:
        assert image.n_frames == 4
    assert "b.tif: it has 3 pages" in done.stderr
    assert "only the first picture is used" in done.stdout
    written = sorted(path.name for path in (folder / "out").iterdir())
    assert written == ["a.gif", "c.png"]
