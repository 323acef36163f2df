"""Color profiles: what a file's numbers look like is what the output's pixels are.

Profiles are written by the tests themselves (`plain_icc`), and results held to arithmetic in NumPy.
"""

import io
import struct
import zlib

import numpy as np
import plain_icc as icc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import cases
from PIL import Image, features
from plain_png import chunk, written

import smalti
from smalti.decode import decode

STEPS = 1.51
"""Of 255, that a channel may be off: half for rounding, one for Little CMS's 8-bit arithmetic."""

SPACES = [
    ("Display P3", "sRGB", {"version": 4, "form": "para"}),
    ("Display P3", "sRGB", {"version": 2, "form": "table"}),
    ("Adobe RGB", 2.19921875, {"version": 2, "form": "curv"}),
    ("Adobe RGB", 2.19921875, {"version": 4, "form": "para"}),
    ("ProPhoto", 1.8, {"version": 2, "form": "curv"}),
    ("ProPhoto", 1.8, {"version": 4, "form": "table"}),
    ("swapped", "sRGB", {"version": 2, "form": "table"}),
    ("swapped", 2.2, {"version": 4, "form": "para"}),
]
IDS = [f"{name} v{options['version']} {options['form']}" for name, _, options in SPACES]


def colors(seed=1):
    """Return an image of 200 colors: corners of the cube, grays and others."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(*[[0, 255]] * 3), axis=-1).reshape(-1, 3)
    grays = np.repeat(np.arange(0, 256, 15)[:, None], 3, axis=1)
    rest = rng.integers(0, 256, (200 - len(corners) - len(grays), 3))
    table = np.concatenate([corners, grays, rest]).astype(np.uint8)
    return table[rng.permutation(200)].reshape(10, 20, 3)


def file_of(image, kind, profile):
    buffer = io.BytesIO()
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    options["AVIF"] = {"quality": 100, "subsampling": "4:4:4"}
    Image.fromarray(image).save(buffer, kind, icc_profile=profile, **options.get(kind, {}))
    return buffer.getvalue()


def numbers_of(data):
    """Return the numbers that a file has, whatever its profile, as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("name", "curve", "options"), SPACES, ids=IDS)
def test_colors_are_those_that_the_profile_means(kind, name, curve, options, figure):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    data = file_of(colors(), kind, icc.profile(name, curve, **options))
    numbers = numbers_of(data)

    report = smalti.compress(data, k=256, allow_larger=True)

    exact = icc.meant(numbers / 255, name, curve)
    result = decode(report.data)
    worst = np.abs(result.image - exact).max()
    assert worst < STEPS
    assert np.abs(numbers - exact).max() > 20  # ignoring it would show
    assert report.notes[0] == f'colors converted from "{name}" to sRGB'
    assert b"iCCP" not in report.data
    figure(f"{name} in {kind}: at most {worst:.2f} of 255 off")


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("kind", ["png", "webp"])
@pytest.mark.parametrize(("name", "curve", "options"), SPACES, ids=IDS)
def test_a_kept_profile_is_there_to_the_byte_beside_untouched_numbers(kind, name, curve, options):
    profile = icc.profile(name, curve, **options)
    data = file_of(colors(), "PNG", profile)

    report = smalti.compress(data, k=256, format=kind, icc="keep", allow_larger=True)

    with Image.open(io.BytesIO(report.data)) as image:
        assert image.info["icc_profile"] == profile
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), colors())


@pytest.mark.guarantee(17)
def test_a_profile_in_many_segments_of_a_jpeg_is_put_together():
    profile = icc.profile("swapped", 2.2, room=200_000)
    data = file_of(colors(), "JPEG", profile)
    assert data.count(b"ICC_PROFILE\0") == 4

    image = decode(data).image

    assert np.abs(image - icc.meant(numbers_of(data) / 255, "swapped", 2.2)).max() < STEPS


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("curve", [1.0, 1.8, 2.2, "sRGB"])
@pytest.mark.parametrize("alpha", [False, True])
def test_gray_is_converted_by_a_profile_for_gray_and_by_one_for_colors(curve, alpha):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(gray)
    if alpha:
        image.putalpha(200)
    linear = icc.srgb_to_linear(gray / 255) if curve == "sRGB" else (gray / 255) ** curve
    exact = icc.linear_to_srgb(linear) * 255

    for space in (b"GRAY", b"RGB "):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", icc_profile=icc.profile("sRGB", curve, form="table", space=space))

        result = decode(buffer.getvalue()).image

        assert np.abs(result[..., :3] - exact[..., None]).max() < STEPS


@pytest.mark.guarantee(17)
def test_alpha_is_no_color_and_is_not_converted():
    image = np.dstack([colors(), np.arange(200, dtype=np.uint8).reshape(10, 20) + 1])
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", icc_profile=icc.profile("ProPhoto", 1.8))

    result = decode(buffer.getvalue()).image

    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    exact = icc.meant(image[..., :3] / 255, "ProPhoto", 1.8)
    assert np.abs(result[..., :3] - exact).max() < STEPS


@pytest.mark.guarantee(17)
def test_16_bits_with_a_profile_are_rounded_and_then_converted():
    values = np.random.default_rng(1).integers(0, 65536, (10, 20, 3))
    profile = icc.profile("Display P3", "sRGB", version=4, form="para")
    data = written(values, 16, 2, chunk(b"iCCP", b"P3\0\0" + zlib.compress(profile)))

    decoded = decode(data)

    rounded = (values * 255 + 32895) >> 16
    assert np.abs(decoded.image - icc.meant(rounded / 255, "Display P3", "sRGB")).max() < STEPS
    assert np.abs(decoded.image - icc.meant(values / 65535, "Display P3", "sRGB")).max() < 2.5
    assert decoded.notes[0] == "16 bits per channel rounded to 8"


# ---------------------------------------------------------------- chunks of PNG


def png_with(*chunks):
    return written(colors().astype(int), 8, 2, *chunks)


def gamma(value):
    return chunk(b"gAMA", struct.pack(">I", round(100_000 * value)))


def chromaticities(name):
    red, green, blue, white = icc.PRIMARIES[name]
    numbers = [round(value * 100_000) for xy in (white, red, green, blue) for value in xy]
    return chunk(b"cHRM", struct.pack(">8I", *numbers))


def cicp(*numbers):
    return chunk(b"cICP", bytes(numbers))


def iccp(name, curve):
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(icc.profile(name, curve, form="table")))


SRGB = chunk(b"sRGB", b"\0")


def names_of(chunks):
    return " and ".join(each[4:8].decode() for each in chunks)


@pytest.mark.guarantee(17)
@pytest.mark.parametrize(("chunks", "name", "curve"), [
    ([gamma(1 / 1.8)], "sRGB", 1.8),
    ([gamma(1 / 1.4), chromaticities("sRGB")], "sRGB", 1.4),
    ([gamma(0.45455), chromaticities("Adobe RGB")], "Adobe RGB", "sRGB"),
    ([chromaticities("swapped")], "swapped", "sRGB"),
    ([gamma(0.45455)], None, None),
    ([gamma(0.45455), chromaticities("sRGB")], None, None),
    ([SRGB], None, None),
    ([SRGB, gamma(1.0), chromaticities("swapped")], None, None),
    ([cicp(12, 13, 0, 1)], "Display P3", "sRGB"),
    ([cicp(1, 8, 0, 1)], "sRGB", 1.0),
    ([cicp(1, 13, 0, 1)], None, None),
    ([cicp(12, 13, 0, 1), iccp("swapped", 2.2)], "Display P3", "sRGB"),
    ([cicp(1, 13, 0, 1), iccp("swapped", 2.2)], None, None),
    ([iccp("swapped", 2.2), gamma(1.0)], "swapped", 2.2),
    ([iccp("Adobe RGB", 2.2), SRGB], "Adobe RGB", 2.2),
], ids=lambda some: names_of(some) if isinstance(some, list) else "")  # fmt: skip
def test_the_chunk_that_goes_before_the_others_says_what_colors_are(chunks, name, curve):
    report = smalti.compress(png_with(*chunks), k=256, allow_larger=True)

    result = decode(report.data).image
    if name is None:
        np.testing.assert_array_equal(result, colors())
    else:
        assert np.abs(result - icc.meant(colors() / 255, name, curve)).max() < STEPS
    for left in (b"cICP", b"gAMA", b"cHRM", b"iCCP"):
        assert left not in report.data  # what it said is in the pixels now


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("numbers", [(9, 16, 0, 1), (9, 18, 0, 1), (12, 13, 1, 1), (2, 2, 0, 1)])
def test_a_signal_that_is_not_understood_is_said(numbers):
    report = smalti.compress(png_with(cicp(*numbers)), k=256, allow_larger=True)

    assert any("cICP" in note and "not understood" in note for note in report.notes)
    np.testing.assert_array_equal(decode(report.data).image, colors())


# ---------------------------------------------------------------- broken profiles


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("profile", [
    b"nonsense" * 40, icc.profile("swapped", 2.2)[:200], bytes(4000),
    icc.profile("swapped", 2.2)[:16] + b"CMYK" + icc.profile("swapped", 2.2)[20:],
    icc.profile("sRGB", 2.2, space=b"GRAY"),
], ids=["nonsense", "cut", "zeros", "for inks", "for gray"])  # fmt: skip
def test_a_profile_that_cannot_be_used_is_noted_and_colors_are_as_without(kind, profile):
    data = file_of(colors(), kind, profile)

    report = smalti.compress(data, k=256, allow_larger=True)

    assert any("ignored" in note for note in report.notes)
    np.testing.assert_array_equal(
        decode(report.data).image, decode(file_of(colors(), kind, None)).image
    )


@pytest.mark.guarantee(17)
def test_a_profile_for_colors_on_a_picture_of_inks_is_noted():
    image = Image.fromarray(colors()).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        buffer = io.BytesIO()
        image.save(buffer, kind, icc_profile=icc.profile("Display P3", 2.2))

        decoded = decode(buffer.getvalue())

        assert any("ignored" in note for note in decoded.notes)


@pytest.mark.guarantee(17)
@given(st.data())
@settings(max_examples=cases(60, 2000), deadline=None)
def test_no_damage_in_a_profile_stops_a_picture(data):
    name, curve, options = data.draw(st.sampled_from(SPACES))
    profile = bytearray(icc.profile(name, curve, **options))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(profile), 600) - 1))
        profile[at] = data.draw(st.integers(0, 255))
    file = png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(profile))))

    for icc_choice in ("srgb", "keep", "strip"):
        decoded = decode(file, icc=icc_choice)

        assert decoded.image.shape == (10, 20, 3)
        assert not any("\n" in note for note in decoded.notes)
