"""Decoding: every real format comes out as the pixels people see, or is refused in a sentence."""

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from plain_png import chunk, png_of, reference_png

from hostile import corpus
from smalti import compress, headers, pixels, profiles
from smalti.decode import Decoded, Limits, decode
from smalti.errors import BadImage, BadOption, LimitExceeded, SmaltiError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="session")
def formats(shared_data: Path) -> Path:
    return shared_data / "formats"


def file_of(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curve * 255


# ---------------------------------------------------------------- every file of the collection


def test_every_file_is_decoded_or_refused_in_one_sentence(formats, capfd):
    outcomes = {"decoded": 0, "refused": 0}
    for path in sorted(formats.glob("*/*")):
        try:
            decoded = decode(path)
        except SmaltiError as error:
            message = str(error)
            assert path.name in message
            assert "\n" not in message
            outcomes["refused"] += 1
        else:
            height, width, channels = decoded.image.shape
            assert decoded.image.dtype == np.uint8
            assert decoded.image.flags.c_contiguous
            assert min(height, width) > 0
            assert channels == 3 or decoded.image[:, :, 3].min() < 255
            assert decoded.size_bytes == path.stat().st_size
            outcomes["decoded"] += 1

    assert outcomes["decoded"] > 340
    assert capfd.readouterr().err == ""


@pytest.mark.guarantee(14, 17)
def test_png_files_decode_to_what_the_specification_says(formats):
    for path in sorted(formats.glob("*/*.png")):
        try:
            decoded = decode(path, icc="strip")
        except BadImage:
            continue
        if decoded.image.size > 60_000 or any("applied" in note for note in decoded.notes):
            continue  # the reference is slow, and does not turn pictures

        expected = reference_png(path.read_bytes())

        np.testing.assert_array_equal(decoded.image, expected, err_msg=str(path))


@pytest.mark.guarantee(19)
def test_animations_and_pages_are_refused_with_their_number(formats):
    for name, words in {
        "made/anim_rgb.gif": "12 frames",
        "made/anim_rgb.png": "12 frames",
        "made/anim_rgba.webp": "12 frames",
        "pillow/avif_star.avifs": "5 frames",
        "pillow/multipage.tiff": "3 pages",
        "pillow_apng/single_frame_default.png": "2 frames",
    }.items():
        with pytest.raises(BadImage, match=words):
            decode(formats / name)

    assert decode(formats / "pillow_apng/single_frame.png").image.shape == (64, 128, 3)


@pytest.mark.guarantee(16)
def test_eight_orientations_of_one_photo_look_alike(formats, figure):
    first = decode(formats / "exif/Landscape_1.jpg").image.astype(int)
    farthest = 0.0
    for number in range(2, 9):
        turned = decode(formats / f"exif/Landscape_{number}.jpg")
        difference = np.abs(turned.image.astype(int) - first).mean()

        farthest = max(farthest, difference)
        assert difference < 5, number  # the photos differ in the number written on them
        assert turned.notes == (f"EXIF orientation {number} applied",)
    figure(f"8 orientations of one photo: {farthest:.1f} of 255 apart, by the number on them")


@pytest.mark.guarantee(19)
def test_second_picture_of_a_phone_photo_is_mentioned(formats):
    decoded = decode(formats / "pillow/sugarshack.mpo")

    assert decoded.format == "JPEG"
    assert decoded.image.shape == (480, 640, 3)
    assert "only the first picture" in decoded.notes[0]


@pytest.mark.guarantee(17)
def test_16_bit_tiff_is_rounded_not_cut_off(formats):
    cv2 = pytest.importorskip("cv2")
    for name in ("pillow/tiff_16bit_RGB.tiff", "image-rs/tiff_testsuite_rgb-3c-16b.tiff"):
        exact = cv2.imread(str(formats / name), cv2.IMREAD_UNCHANGED)[:, :, ::-1].astype(np.uint32)

        decoded = decode(formats / name)

        np.testing.assert_array_equal(decoded.image, (exact * 255 + 32895) >> 16)


def test_premultiplied_16_bit_tiff_gets_its_colors_back(formats):
    cv2 = pytest.importorskip("cv2")
    path = formats / "pillow/tiff_16bit_RGBa.tiff"
    exact = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, [2, 1, 0, 3]].astype(float)

    image = decode(path, icc="strip").image

    expected = 255 * np.minimum(exact[:, :, :3] / np.maximum(exact[:, :, 3:], 1), 1)
    visible = image[:, :, 3] > 0
    assert np.abs(image[:, :, :3] - expected)[visible].max() <= 1


def test_cmyk_and_lab_look_like_their_rgb_twins(formats):
    for one, other, tolerance in [
        ("pil_sample_cmyk.jpg", "pil_sample_rgb.jpg", 6),
        ("tiff_strip_cmyk_16l_jpeg.tif", "tiff_strip_cmyk_jpeg.tif", 0.5),
        ("hopper.Lab.tif", "hopper.tif", 3),
    ]:
        left, right = (decode(formats / "pillow" / name) for name in (one, other))
        difference = np.abs(left.image.astype(int) - right.image).mean()

        assert difference <= tolerance
        assert "without a profile" in left.notes[-1]


PRIMARIES = {
    "made/icc_displayp3.png": profiles.PRIMARIES[12],
    "made/png_cicp_p3.png": profiles.PRIMARIES[12],
    "made/png_gama_1.0.png": profiles.SRGB_XY,
    "icc/P3-sRGB-color-ring.png": profiles.PRIMARIES[12],
}


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("name", PRIMARIES)
def test_colors_are_converted_within_one_step_of_exact(formats, name):
    numbers = decode(formats / name, icc="strip").image / 255
    to_xyz, from_xyz = (matrix_of(xy) for xy in (PRIMARIES[name], profiles.SRGB_XY))
    if "gama" in name:
        linear = numbers
    elif "ring" in name:
        linear = numbers**2.2
    else:
        linear = np.where(numbers <= 0.04045, numbers / 12.92, ((numbers + 0.055) / 1.055) ** 2.4)

    converted = decode(formats / name).image

    exact = srgb_encoded(linear @ (np.linalg.inv(from_xyz) @ to_xyz).T)
    assert np.abs(converted - exact).max() < 1.51
    assert decode(formats / name).notes[0].startswith("colors converted from")


def matrix_of(xy):
    white, *primaries = (
        np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(xy[::2], xy[1::2], strict=True)
    )
    columns = np.array(primaries).T
    return columns * np.linalg.solve(columns, white)


@pytest.mark.guarantee(17)
def test_gamma_images_of_pngsuite_look_alike(formats):
    reference = decode(formats / "pngsuite/g04n2c08.png").image.astype(int)
    for gamma in ("03", "05", "07", "10", "25"):
        image = decode(formats / f"pngsuite/g{gamma}n2c08.png").image
        assert np.abs(image - reference).mean() < 6


# ---------------------------------------------------------------- depth, alpha, palettes


@pytest.mark.guarantee(17)
@given(st.lists(st.integers(0, 65535), min_size=3, max_size=60))
@settings(max_examples=50, deadline=None)
def test_16_bit_samples_are_rounded_to_the_nearest(numbers):
    numbers = numbers[: len(numbers) // 3 * 3]
    row = struct.pack(f">{len(numbers)}H", *numbers)

    decoded = decode(png_of(len(numbers) // 3, 1, 16, 2, b"\0" + row))

    expected = [(v * 255 + 32895) >> 16 for v in numbers]
    assert decoded.image.ravel().tolist() == expected
    assert decoded.notes == ("16 bits per channel rounded to 8",)


@pytest.mark.guarantee(17)
def test_all_65536_gray_levels_are_rounded_to_the_nearest():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)

    image = decode(png_of(256, 256, 16, 0, rows)).image

    np.testing.assert_array_equal(image[:, :, 1], np.floor(levels / 257 + 0.5).astype(np.uint8))


@pytest.mark.guarantee(15)
def test_16_bit_color_key_compares_all_16_bits():
    row = struct.pack(">6H", 0x1234, 0, 0, 0x1235, 0, 0)
    key = chunk(b"tRNS", struct.pack(">3H", 0x1234, 0, 0))

    image = decode(png_of(2, 1, 16, 2, b"\0" + row, key)).image

    assert image.tolist() == [[[0, 0, 0, 0], [18, 0, 0, 255]]]


@pytest.mark.guarantee(15)
def test_4_bit_gray_key_is_compared_before_stretching():
    key = chunk(b"tRNS", struct.pack(">H", 15))

    image = decode(png_of(2, 1, 4, 0, b"\0\xf1", key)).image

    assert image.tolist() == [[[0, 0, 0, 0], [17, 17, 17, 255]]]


def test_alpha_that_is_opaque_everywhere_is_dropped():
    assert decode(file_of(Image.new("RGBA", (2, 2), (1, 2, 3, 255)))).image.shape == (2, 2, 3)


@pytest.mark.guarantee(15)
def test_colors_under_full_transparency_become_one():
    image = Image.new("RGBA", (2, 1), (9, 8, 7, 0))
    image.putpixel((1, 0), (9, 8, 7, 1))

    assert decode(file_of(image)).image.tolist() == [[[0, 0, 0, 0], [9, 8, 7, 1]]]


def test_index_past_the_palette_is_black():
    palette = chunk(b"PLTE", b"\xff\x80\x00")

    assert decode(png_of(2, 1, 8, 3, b"\0\0\7", palette)).image.tolist() == [
        [[255, 128, 0], [0] * 3]
    ]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_pillow_images_of_each_mode_are_taken(mode):
    source = Image.new("RGB", (3, 2), "white")
    image = Image.new("I;16", (3, 2), 65535) if mode == "I;16" else source.convert(mode)

    decoded = decode(image)

    assert (decoded.image == 255).all()
    assert decoded.image.shape == (2, 3, 3)
    assert decoded.size_bytes is None


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_white_are_refused_with_the_way_out(mode):
    with pytest.raises(BadImage, match="from_float"):
        decode(Image.new(mode, (2, 2)))


@pytest.mark.guarantee(12, 14)
@pytest.mark.parametrize(("dtype", "channels", "kind"), [
    (np.float32, 1, "floating-point"), (np.float32, 3, "floating-point"),
    (np.float64, 1, "floating-point"), (np.float64, 3, "floating-point"), (np.int32, 1, "32-bit"),
])  # fmt: skip
def test_tiff_of_numbers_without_a_white_is_refused_with_what_they_are(dtype, channels, kind):
    if dtype == np.int32:
        data = file_of(Image.new("I", (9, 9)), "TIFF")
    else:
        data = cv2.imencode(".tiff", np.ones((9, 9, channels), dtype))[1].tobytes()

    with pytest.raises(BadImage, match=f"its pixels are {kind} numbers, .*8 or 16 bits") as refused:
        decode(data)

    assert "\n" not in str(refused.value)


@pytest.mark.guarantee(19)
def test_animated_pillow_image_is_refused_and_a_copy_of_a_frame_is_not():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    animation = Image.open(
        io.BytesIO(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    )

    with pytest.raises(BadImage, match=r"2 frames.*copy\(\)"):
        decode(animation)

    assert decode(animation.copy()).image[0, 0].tolist() == [255, 0, 0]


# ---------------------------------------------------------------- orientation, profiles, density


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.guarantee(16)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", SIDES)
def test_orientation_is_applied_in_every_format(kind, orientation, figure):
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :, 0] = 255  # red on top,
    upright[:, :8, 2] = 255  # blue on the left
    # EXIF 2.32, 4.6.4: the side of the picture that row 0 and column 0 of the file lie on.
    row, column = SIDES[orientation]
    stored = upright if row in ("top", "bottom") else upright.swapaxes(0, 1)
    stored = stored[::-1] if row in ("bottom", "right") else stored
    stored = stored[:, ::-1] if column in ("bottom", "right") else stored
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    image = Image.fromarray(np.ascontiguousarray(stored))
    tags = {"exif": exif_with(orientation)}
    if kind == "TIFF":
        tags = {"tiffinfo": {0x0112: orientation}}

    decoded = decode(file_of(image, kind, **tags, **options.get(kind, {})))

    assert decoded.image.shape == upright.shape
    assert np.abs(decoded.image.astype(int) - upright).max() <= 12
    assert any("orientation" in note for note in decoded.notes) == (orientation > 1)
    figure(f"{kind}: orientation {orientation} upright")


@pytest.mark.guarantee(16)
def test_density_turns_with_the_picture():
    data = file_of(Image.new("RGB", (4, 2)), exif=exif_with(6), dpi=(100, 200))

    assert decode(data).dpi == pytest.approx((200, 100), abs=0.02)


@pytest.mark.guarantee(16)
def test_invalid_orientation_is_upright():
    assert headers.orientation(exif_with(9)) == 1
    assert headers.orientation(b"II*\0\xff\xff\xff\xff") == 1
    assert headers.orientation(b"") == 1


def test_orientation_in_xmp_alone_is_said_but_not_applied(formats):
    decoded = decode(formats / "pillow/xmp_tags_orientation.png")

    assert any("orientation 3 in XMP" in note for note in decoded.notes)


@pytest.mark.guarantee(17)
def test_srgb_profile_changes_no_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    data = file_of(Image.fromarray(noise), icc_profile=SRGB)

    decoded = decode(data)

    np.testing.assert_array_equal(decoded.image, noise)
    assert decoded.notes == ()
    assert decoded.icc is None


@pytest.mark.guarantee(17)
def test_kept_profile_is_handed_on_with_untouched_numbers(formats):
    path = formats / "made/icc_displayp3.png"

    kept, stripped = decode(path, icc="keep"), decode(path, icc="strip")

    with Image.open(path) as image:
        assert kept.icc == image.info["icc_profile"]
    np.testing.assert_array_equal(kept.image, stripped.image)
    assert stripped.icc is None
    assert stripped.notes == ("color profile ignored, as asked",)


@pytest.mark.guarantee(17)
def test_profile_for_gray_cannot_be_kept_and_is_applied(formats):
    assert decode(formats / "made/gray_icc.png", icc="keep").icc is None


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("profile", [b"nonsense" * 40, SRGB[:200], SRGB[:16] + b"CMYK" + SRGB[20:]])
def test_broken_or_foreign_profile_is_ignored_with_a_note(profile):
    data = file_of(Image.new("RGB", (2, 2), (10, 20, 30)), icc_profile=profile)

    decoded = decode(data)

    assert decoded.image[0, 0].tolist() == [10, 20, 30]
    assert "ignored" in decoded.notes[0]


@pytest.mark.guarantee(17, 22)
def test_profile_that_inflates_beyond_8_mib_is_ignored():
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**24)))

    decoded = decode(png_of(1, 1, 8, 0, b"\0\7", bomb))

    assert decoded.image.tolist() == [[[7, 7, 7]]]
    assert "ignored" in decoded.notes[0]


@pytest.mark.guarantee(17)
def test_hdr_signal_is_mentioned():
    cicp = chunk(b"cICP", bytes([9, 16, 0, 1]))

    assert "cICP" in decode(png_of(1, 1, 8, 2, b"\0abc", cicp)).notes[0]


@pytest.mark.guarantee(17)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=6))
@settings(max_examples=100, deadline=None)
def test_nonsense_in_color_chunks_never_stops_a_picture(gamma, chromaticities, cicp):
    extra = [chunk(b"gAMA", gamma), chunk(b"cHRM", chromaticities), chunk(b"cICP", cicp)]

    assert decode(png_of(1, 1, 8, 0, b"\0\0", *extra)).image.shape == (1, 1, 3)


# ---------------------------------------------------------------- bad input


def small_file(kind: str) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    options = {"TIFF": {"compression": "tiff_lzw"}}
    return file_of(Image.fromarray(noise), kind, **options.get(kind, {}))


@pytest.mark.guarantee(21)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_file_is_refused_wherever_it_ends(kind, capfd):
    data = small_file(kind)
    for end in range(4, len(data) - 8, len(data) // 40):
        with pytest.raises(BadImage):
            decode(data[:end])

    assert capfd.readouterr().err == ""


def test_png_without_its_end_is_refused():
    data = small_file("PNG")
    for missing in (1, 12, 13):
        with pytest.raises(BadImage, match="truncated"):
            decode(data[:-missing])


@pytest.mark.guarantee(21)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_is_refused_or_survived_but_never_prints(kind, capfd):
    data, rng, messages = small_file(kind), np.random.default_rng(2), []
    for _ in range(60):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 8)):
            damaged[place] = rng.integers(256)
        try:
            decode(bytes(damaged), limits=Limits(megapixels=1))
        except (BadImage, LimitExceeded) as error:
            messages.append(str(error))

    assert not any("\n" in message for message in messages)
    assert capfd.readouterr().err == ""


def test_one_flipped_bit_among_png_pixels_is_refused():
    data = bytearray(small_file("PNG"))
    data[len(data) // 2] ^= 1

    with pytest.raises(BadImage, match="checksum of its IDAT"):
        decode(bytes(data))


@pytest.mark.guarantee(21)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(list(headers.MAGIC)))
@settings(max_examples=200, deadline=None)
def test_garbage_after_a_magic_number_is_refused(garbage, kind):
    start = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff\xe0", "GIF": b"GIF89a"}
    start |= {"WEBP": b"RIFF\x20\0\0\0WEBPVP8 ", "TIFF": b"II*\0", "BMP": b"BM"}

    with pytest.raises((BadImage, LimitExceeded)):
        decode(start.get(kind, b"\0\0\0\x20ftypavif") + garbage)


def test_foreign_formats_are_named():
    for data, words in [
        (b"%PDF-1.7 ...", "PDF"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"\0\0\0\x18ftypheic....", "HEIC"),
        (b"hello, world", "not an image"),
    ]:
        with pytest.raises(BadImage, match=words):
            decode(data)


@pytest.mark.guarantee(23)
def test_postscript_reader_is_never_reached(monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", lambda self: pytest.fail("opened"))

    with pytest.raises(BadImage):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.guarantee(24)
def test_things_that_are_no_image_files_are_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    for source, words in [
        (tmp_path / "missing.png", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.png", "is empty"),
        (tmp_path / "pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("a\0b", "not a possible file name"),
        (io.StringIO("text"), "binary mode"),
        (b"", "is empty"),
        (7, "must be a path"),
    ]:
        with pytest.raises(BadImage, match=words):
            decode(source)


def test_message_names_the_file_on_one_line(tmp_path):
    path = tmp_path / "two\nlines\x1b.png"
    path.write_bytes(b"nonsense")

    with pytest.raises(BadImage, match=r"two\\nlines\\x1b\.png: "):
        decode(path)


@pytest.mark.guarantee(22)
def test_pixel_limit_is_checked_before_decoding():
    bomb = png_of(20_000, 20_000, 8, 2, b"")

    with pytest.raises(
        LimitExceeded, match=r"400\.0 megapixels, above the limit of 100; .*--max-meg"
    ):
        decode(bomb)
    with pytest.raises(BadImage, match="truncated"):
        decode(png_of(1000, 1000, 8, 2, b""), limits=Limits(megapixels=1))


@pytest.mark.guarantee(22)
def test_frame_larger_than_its_gif_is_refused():
    screen, frame = struct.pack("<HH", 9, 9), struct.pack("<HHHH", 0, 0, 65535, 65535)
    bomb = b"GIF89a" + screen + b"\x80\0\0" + bytes(6) + b"," + frame + b"\0\2\1\0\0;"

    with pytest.raises(LimitExceeded, match="larger"):
        decode(bomb)


@pytest.mark.guarantee(22)
def test_byte_limit_is_checked_before_reading(tmp_path):
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(LimitExceeded, match="256 MiB"):
        decode(path)
    with pytest.raises(LimitExceeded):
        decode(bytes(2000), limits=Limits(input_mib=0.001))
    with pytest.raises(LimitExceeded):
        decode(io.BytesIO(bytes(2000)), limits=Limits(input_mib=0.001))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", [0, 2, 3, 4, 6])
def test_png_whose_pixels_end_a_row_early_is_refused(kind, interlaced):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    rows = bytes((1 + 6 * channels) * 6) if not interlaced else bytes(8 + 36 * channels + 4)
    table = [chunk(b"PLTE", bytes(3))] if kind == 3 else []
    header = struct.pack(">IIBBBBB", 6, 6, 8, kind, 0, 0, interlaced)

    def png(pixels):
        parts = [chunk(b"IHDR", header), *table, chunk(b"IDAT", zlib.compress(pixels))]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")

    length = len(rows)
    while True:  # as many bytes as there must be
        try:
            decode(png(bytes(length)))
            length -= 1
        except BadImage:
            break

    assert length == (6 * (1 + 6 * channels) if not interlaced else interlaced_bytes(channels)) - 1


def interlaced_bytes(channels: int) -> int:
    """Of 6 x 6 pixels: the sizes of the passes are those of the specification."""
    passes = [(1, 1), (1, 1), (2, 1), (1, 2), (3, 1), (3, 3), (6, 3)]
    return sum(high * (1 + wide * channels) for wide, high in passes)


def test_row_that_has_the_color_of_an_untouched_one_is_no_damage():
    rows = b"".join(b"\0" + bytes([91, 49, 178]) * 5 for _ in range(4))

    assert decode(png_of(5, 4, 8, 2, rows)).image[3, 4].tolist() == [91, 49, 178]


def test_png_that_cannot_hold_its_pixels_is_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr(Image, "new", lambda *_: pytest.fail("memory was taken"))

    with pytest.raises(BadImage, match="truncated"):
        decode(png_of(10_000, 10_000, 8, 2, bytes(9)))


@pytest.mark.guarantee(22)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("many-scans.jpg", "100 scans"),
        ("flood-of-markers.jpg", "10,000 JPEG markers"),
        ("fill-bytes.jpg", "10,000 JPEG markers"),
        ("webp-flood.webp", "20,000 WebP chunks"),
        ("tiff-50000-pages.tif", "10,000 pages"),
        ("bmp-rle-flood.bmp", "16 MiB of run lengths"),
        ("gif-flood-of-comments.gif", "30,000 blocks"),
        ("gif-flood-of-parts.gif", "2,097,152 parts"),
        ("flood-IDAT.png", "100,000 PNG chunks"),
    ],
)
def test_flood_of_tiny_parts_is_refused(hostile_files, name, words):
    with pytest.raises(LimitExceeded, match=words):
        decode(hostile_files[name])


@pytest.fixture(scope="module")
def hostile_files():
    return {case.name: case.data for case in corpus.cases()}


@pytest.mark.parametrize("path", sorted(corpus.CRASHERS.iterdir()), ids=lambda path: path.name)
def test_what_once_did_harm_is_refused_in_a_sentence(path, capfd):
    for work in (decode, compress):
        with pytest.raises((BadImage, LimitExceeded)):
            work(path.read_bytes())

    assert capfd.readouterr().err == ""


@pytest.mark.guarantee(22)
def test_flood_of_chunks_is_refused():
    with pytest.raises(LimitExceeded, match="10,000"):
        decode(png_of(1, 1, 8, 0, b"\0\0", chunk(b"teSt", b"") * 10_001))


def test_pillows_own_pixel_limit_plays_no_part(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    assert decode(small_file("PNG")).image.shape == (40, 30, 3)
    assert decode(small_file("JPEG")).image.shape == (40, 30, 3)


def test_unknown_icc_choice_is_refused():
    with pytest.raises(BadOption):
        decode(small_file("PNG"), icc="perhaps")


# ---------------------------------------------------------------- sources, threads, start-up


def test_path_bytes_file_and_pillow_image_give_the_same(tmp_path):
    data = small_file("PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    opened = Image.open(path)

    with path.open("rb") as file:
        results = [decode(source) for source in (path, str(path), data, file, opened)]

    opened.close()
    for result in results:
        assert isinstance(result, Decoded)
        np.testing.assert_array_equal(result.image, results[0].image)
        assert result.format == "PNG"


def test_metadata_bytes_are_counted():
    plain = small_file("PNG")
    text = chunk(b"tEXt", b"Comment\0" + b"x" * 100)
    assert decode(plain).metadata_bytes == 0
    assert decode(plain[:33] + text + plain[33:] + b"tail").metadata_bytes == 120 + 4

    image = Image.new("RGB", (4, 4))
    assert decode(file_of(image, "JPEG", exif=exif_with(1))).metadata_bytes > 30
    assert decode(file_of(image, "WEBP", icc_profile=SRGB)).metadata_bytes == 8 + len(SRGB)


def test_threads_decode_the_same_and_leave_warnings_alone(formats):
    paths = [formats / "pillow" / n for n in ("hopper.tif", "flower.jpg", "tiff_16bit_RGB.tiff")]
    expected = [decode(path).image for path in paths]
    filters = list(warnings.filters)
    failures = []

    def work():
        for path, image in zip(paths, expected, strict=True):
            if not np.array_equal(decode(path).image, image):
                failures.append(path)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert warnings.filters == filters


def test_importing_and_reading_png_stays_small():
    code = (
        "import sys, smalti.decode as d; assert 'PIL' not in sys.modules;"
        "d.decode(sys.stdin.buffer.read()); print(sorted(m for m in sys.modules if 'PIL' in m))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=small_file("PNG"), capture_output=True, check=True
    )

    assert b"Plugin" not in result.stdout
    assert b"ImageCms" not in result.stdout


def test_libtiff_quiet_leaves_other_output_alone(capfd):
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 2, (64, 64), np.uint8) * 255)
    data = bytearray(file_of(noise.convert("1"), "TIFF", compression="group4"))
    data[20:60] = bytes(40)
    os.write(2, b"before\n")

    with pytest.raises(BadImage, match="damaged"):
        decode(bytes(data))

    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_rounding_in_bands_equals_rounding_at_once():
    values = np.random.default_rng(4).integers(0, 65536, (300, 4000, 3)).astype(np.uint16)

    expected = ((values.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)

    np.testing.assert_array_equal(pixels.to_8_bits(values), expected)


@pytest.mark.guarantee(18)
def test_no_density_is_made_up_for_a_jpeg_that_names_none():
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x010E] = "a description, and no resolution"
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)

    assert decode(buffer.getvalue()).dpi is None
