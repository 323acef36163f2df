"""Encoding: palette, order and indices are in the file exactly as they were given."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms

from smalti import encode as encode_module
from smalti import png
from smalti.decode import decode
from smalti.encode import decode_indexed, encode, encode_truecolor
from smalti.errors import BadImage, BadOption

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


BYTES = st.integers(0, 255)


@st.composite
def indexed_images(draw, alpha=BYTES, max_side=40):
    k = draw(st.sampled_from([1, 2, 3, 4, 5, 15, 16, 17, 255, 256]))
    shape = (draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))
    indices = draw(npst.arrays(np.uint8, shape, elements=st.integers(0, k - 1)))
    palette = draw(npst.arrays(np.uint8, (k, 3)))
    if draw(st.booleans()):
        column = draw(npst.arrays(np.uint8, (k, 1), elements=alpha))
        palette = np.hstack([palette, column])
    return indices, palette


def opaque_dropped(palette: np.ndarray) -> np.ndarray:
    return palette[:, :3] if palette.shape[1] == 3 or palette[:, 3].min() == 255 else palette


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, position = [], 8
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        found.append((name, data[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


# ---------------------------------------------------------------- round trips


@given(indexed_images())
@settings(max_examples=150, deadline=None)
def test_png_gives_back_palette_order_and_indices(image):
    indices, palette = image

    data = encode(indices, palette)

    again, stored, icc = decode_indexed(data)
    np.testing.assert_array_equal(again, indices)
    np.testing.assert_array_equal(stored, opaque_dropped(palette))
    assert icc is None


@given(indexed_images())
@settings(max_examples=50, deadline=None)
def test_png_is_read_the_same_by_pillow(image):
    indices, palette = image

    picture = Image.open(io.BytesIO(encode(indices, palette)))

    assert picture.mode == "P"
    rgba = np.asarray(picture.convert("RGBA"))
    np.testing.assert_array_equal(rgba[:, :, : palette.shape[1]], palette[indices])


@given(indexed_images(max_side=12))
@settings(max_examples=50, deadline=None)
def test_png_without_oxipng_gives_back_the_same(image):
    indices, palette = image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_module, "_oxipng", lambda: None)

        data = encode(indices, palette, icc=SRGB, dpi=(300, 300))

    again, stored, icc = decode_indexed(data)
    np.testing.assert_array_equal(again, indices)
    np.testing.assert_array_equal(stored, opaque_dropped(palette))
    assert icc == SRGB


@given(indexed_images(), st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_gif_gives_back_palette_order_and_indices(image, clear):
    indices, palette = image
    if palette.shape[1] == 4:
        palette = palette.copy()
        palette[:, 3] = 255
        palette[clear % len(palette), 3] = 0  # at any place

    data = encode(indices, palette, "GIF")

    again, stored, _ = decode_indexed(data)
    used = max(int(indices.max()), clear % len(palette) if palette.shape[1] == 4 else 0) + 1
    np.testing.assert_array_equal(again, indices)
    np.testing.assert_array_equal(stored[:used], palette[:used])


@given(indexed_images())
@settings(max_examples=50, deadline=None)
def test_webp_gives_back_every_pixel_even_under_full_transparency(image):
    indices, palette = image

    picture = Image.open(io.BytesIO(encode(indices, palette, "WEBP")))

    rgba = np.asarray(picture.convert("RGBA"))
    np.testing.assert_array_equal(rgba[:, :, : palette.shape[1]], palette[indices])


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(3, 4))))
@settings(max_examples=50, deadline=None)
def test_truecolor_files_give_back_every_pixel(image):
    for kind in ("PNG", "WEBP"):
        picture = Image.open(io.BytesIO(encode_truecolor(image, kind)))

        pixels = np.asarray(picture.convert("RGBA"))[:, :, : image.shape[2]]
        np.testing.assert_array_equal(pixels, image)


@given(indexed_images(alpha=st.sampled_from([0, 255])))
@settings(max_examples=50, deadline=None)
def test_decoding_gives_the_colors_of_the_palette(image):
    indices, palette = image
    expected = palette[indices]
    if palette.shape[1] == 4:
        expected = expected * (expected[:, :, 3:] > 0)
        expected = expected[:, :, :3] if expected[:, :, 3].min() == 255 else expected

    np.testing.assert_array_equal(decode(encode(indices, palette)).image, expected)


# ---------------------------------------------------------------- what is in the file


@pytest.mark.parametrize(
    ("k", "depth"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)]
)
@pytest.mark.parametrize("side", [9, 300])  # an icon, and more than one
def test_indices_take_as_few_bits_as_the_palette_allows(k, depth, side):
    rng = np.random.default_rng(k)
    indices = rng.integers(0, k, (side, side), np.uint8)
    palette = rng.integers(0, 256, (k, 3), np.uint8)

    file = png.read_png(encode(indices, palette))

    assert (file.depth, file.color_type) == (depth, png.INDEXED)
    assert file.palette == palette.tobytes()


def test_duplicate_gray_and_unused_palette_rows_stay():
    palette = np.uint8([[9, 9, 9], [9, 9, 9], [0, 0, 0], [255, 255, 255]])

    _, stored, _ = decode_indexed(encode(np.uint8([[1, 1], [1, 1]]), palette))

    np.testing.assert_array_equal(stored, palette)


def test_transparency_is_stored_no_longer_than_needed():
    palette = np.uint8([[1, 1, 1, 255], [2, 2, 2, 7], [3, 3, 3, 255], [4, 4, 4, 255]])

    found = dict(chunks(encode(np.uint8([[0, 1, 2, 3]]), palette)))

    assert found[b"tRNS"] == b"\xff\x07"


def test_profile_and_density_are_stored_where_png_wants_them():
    data = encode(np.zeros((2, 2), np.uint8), np.uint8([[1, 2, 3]]), icc=SRGB, dpi=(300, 72))

    names = [name for name, _ in chunks(data)]
    found = dict(chunks(data))
    assert names.index(b"iCCP") < names.index(b"PLTE") < names.index(b"IDAT")
    assert names.index(b"pHYs") < names.index(b"IDAT")
    assert zlib.decompress(found[b"iCCP"].split(b"\0", 1)[1][1:]) == SRGB
    assert decode_indexed(data)[2] == SRGB
    assert decode(data).dpi == pytest.approx((300, 72), abs=0.02)
    assert decode(data, icc="keep").icc == SRGB


def test_webp_holds_the_profile():
    data = encode(np.zeros((2, 2), np.uint8), np.uint8([[1, 2, 3]]), "WEBP", icc=SRGB)

    assert decode(data, icc="keep").icc == SRGB


def test_same_input_gives_the_same_bytes_in_every_process():
    code = (
        "import hashlib, sys, numpy as np; from smalti.encode import encode;"
        "rng = np.random.default_rng(5); indices = rng.integers(0, 50, (400, 300), np.uint8);"
        "palette = rng.integers(0, 256, (50, 4), np.uint8);"
        "files = [encode(indices[:n], palette, f) for n in (20, 400) for f in ('PNG', 'WEBP')];"
        "assert 'PIL' in sys.modules; print(hashlib.sha256(b''.join(files)).hexdigest())"
    )

    digests = {subprocess.check_output([sys.executable, "-c", code]) for _ in range(4)}

    assert len(digests) == 1


def test_png_is_written_without_importing_pillow():
    pytest.importorskip("oxipng")
    code = (
        "import sys, numpy as np; from smalti.encode import encode;"
        "encode(np.zeros((2, 2), np.uint8), np.zeros((1, 3), np.uint8));"
        "assert 'PIL' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_photos_are_not_larger_than_the_optimizers_own_default(shared_data):
    oxipng = pytest.importorskip("oxipng")
    photo = Image.open(shared_data / "kodak" / "kodim23.png").quantize(256, dither=0)
    palette = np.array(photo.getpalette("RGB"), np.uint8).reshape(-1, 3)

    ours = encode(np.asarray(photo), palette)

    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    assert len(ours) <= len(oxipng.optimize_from_memory(buffer.getvalue(), level=2))


# ---------------------------------------------------------------- refusals


ONE = np.zeros((1, 1), np.uint8)


@pytest.mark.parametrize(
    ("indices", "palette", "words"),
    [
        (np.zeros((1, 1), np.int64), np.zeros((1, 3), np.uint8), "indices must be uint8"),
        (np.zeros(3, np.uint8), np.zeros((1, 3), np.uint8), "shape"),
        (np.zeros((0, 3), np.uint8), np.zeros((1, 3), np.uint8), "shape"),
        (ONE + 1, np.zeros((1, 3), np.uint8), "below the 1 colors"),
        (ONE, np.zeros((1, 3)), "palette must be uint8"),
        (ONE, np.zeros((1, 5), np.uint8), "palette must be uint8"),
        (ONE, np.zeros((0, 3), np.uint8), "1 to 256"),
        (ONE, np.zeros((257, 3), np.uint8), "1 to 256"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(indices, palette, words):
    with pytest.raises(BadImage, match=words):
        encode(indices, palette)


def test_formats_say_what_they_cannot_hold():
    half = np.uint8([[1, 2, 3, 128]])
    with pytest.raises(BadImage, match=r"partly transparent.*use PNG or WebP"):
        encode(ONE, half, "GIF")
    with pytest.raises(BadImage, match="one fully transparent"):
        encode(ONE, np.zeros((2, 4), np.uint8), "GIF")
    with pytest.raises(BadImage, match="profile"):
        encode(ONE, half[:, :3], "GIF", icc=SRGB)
    with pytest.raises(BadImage, match="16,383"):
        encode(np.zeros((1, 16_384), np.uint8), half, "WEBP")
    with pytest.raises(BadOption, match="PNG, WEBP, GIF"):
        encode(ONE, half, "JPEG")
    with pytest.raises(BadOption, match="256 colors"):
        encode_truecolor(np.zeros((1, 1, 3), np.uint8), "GIF")
    with pytest.raises(BadImage, match="image must be uint8"):
        encode_truecolor(np.zeros((1, 1, 3)))


def test_files_that_are_not_indexed_are_refused(shared_data):
    formats = shared_data / "formats"
    for name, words in {
        "pngsuite/basn2c08.png": "not an indexed PNG",
        "made/anim_rgb.gif": "not a GIF of one frame",
        "exif/Landscape_1.jpg": "not an indexed PNG or GIF",
    }.items():
        with pytest.raises(BadImage, match=f"{name.split('/')[1]}: it is {words}"):
            decode_indexed(formats / name)


def test_indexed_files_of_others_come_back_as_stored(shared_data):
    formats = shared_data / "formats"
    for path in [*sorted(formats.glob("pngsuite/*3p0*.png")), formats / "made/pal256.gif"]:
        indices, palette, _ = decode_indexed(path)

        with Image.open(path) as picture:
            np.testing.assert_array_equal(indices, np.asarray(picture))
            stored = np.array(picture.getpalette("RGB")).reshape(-1, 3)[: len(palette)]
            np.testing.assert_array_equal(palette[:, :3], stored)


@pytest.mark.parametrize("k", [2, 4, 16, 256])
def test_gif_of_a_gray_ramp_comes_back(k):  # Pillow takes this palette for none at all
    palette = np.repeat(np.arange(k, dtype=np.uint8)[:, None], 3, axis=1)
    indices = np.arange(k, dtype=np.uint8)[None]

    data = encode(indices, palette, "GIF")

    np.testing.assert_array_equal(decode_indexed(data)[0], indices)
    np.testing.assert_array_equal(decode_indexed(data)[1], palette)
    np.testing.assert_array_equal(decode(data).image, palette[indices])


def test_non_contiguous_arrays_are_stored_like_any_others():
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = np.arange(48, dtype=np.uint8).reshape(16, 3)

    for kind in ("PNG", "WEBP", "GIF"):
        flipped = encode(indices[::-1, ::2], palette[::-1], kind)
        copied = encode(indices[::-1, ::2].copy(), palette[::-1].copy(), kind)
        assert flipped == copied
