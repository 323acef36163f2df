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
from pictures import LEVELS, level
from PIL import Image, ImageCms

from smalti import png, png_packing
from smalti.decode import decode
from smalti.encode import decode_indexed, encode, encode_truecolor, try_all
from smalti.errors import BadImage, BadOption

PACKS = ("fast", "default", "max")
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
        patch.setattr(png_packing, "_oxipng", lambda: None)

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


# ---------------------------------------------------------------- packing


@st.composite
def gray_or_colored(draw):
    """An image whose palette may be gray, of few levels, partly clear or half used."""
    indices, palette = draw(indexed_images(alpha=st.sampled_from([0, 128, 255]), max_side=20))
    if draw(st.booleans()):
        step = draw(st.sampled_from([1, 17, 85, 255]))
        palette[:, :3] = palette[:, :1] // step * step
    if palette.shape[1] == 4 and draw(st.booleans()):
        palette[:, 3] = 255
        palette[draw(st.integers(0, len(palette) - 1)), 3] = 0
    return indices, palette


def rgba(palette: np.ndarray, indices: np.ndarray) -> np.ndarray:
    opaque = np.full((len(palette), 1), 255, np.uint8)
    return np.hstack([palette, opaque])[:, :4][indices]


def smooth(k: int = 256, height: int = 200, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A picture without edges, and a palette in no order."""
    rng = np.random.default_rng(k)
    y, x = np.mgrid[:height, :width]
    level = (np.sin(x / 60) + np.cos(y / 45) + 2) / 4 + rng.normal(0, 0.004, (height, width))
    order = rng.permutation(k).astype(np.uint8)
    ramp = np.linspace([250, 20, 90], [10, 200, 160], k).astype(np.uint8)
    return order[np.clip(level * k, 0, k - 1).astype(int)], ramp[np.argsort(order)]


@pytest.mark.parametrize("pack", PACKS)
@given(image=gray_or_colored())
@settings(max_examples=40, deadline=None)
def test_every_pack_level_gives_the_same_pixels(pack, image):
    indices, palette = image

    data = encode(indices, palette, pack=pack, order="auto")

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    np.testing.assert_array_equal(np.asarray(picture), rgba(palette, indices))


@pytest.mark.parametrize("pack", PACKS)
@given(image=gray_or_colored())
@settings(max_examples=20, deadline=None)
def test_every_pack_level_keeps_a_given_order(pack, image):
    indices, palette = image

    again, stored, _ = decode_indexed(encode(indices, palette, pack=pack))

    np.testing.assert_array_equal(again, indices)
    np.testing.assert_array_equal(stored, opaque_dropped(palette))


@given(gray_or_colored())
@settings(max_examples=50, deadline=None)
def test_without_oxipng_the_pixels_are_the_same_in_any_order(image):
    indices, palette = image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png_packing, "_oxipng", lambda: None)

        data = encode(indices, palette, order="auto")

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    np.testing.assert_array_equal(np.asarray(picture), rgba(palette, indices))


def test_more_to_spend_makes_smooth_pictures_smaller():
    indices, palette = smooth()

    fast, default, most = (len(encode(indices, palette, pack=p, order="auto")) for p in PACKS)

    assert most <= default < fast
    assert default < 0.8 * len(encode(indices, palette))  # in the order given


def test_smooth_pictures_are_as_small_as_with_the_optimizer_at_its_slowest():
    oxipng = pytest.importorskip("oxipng")
    indices, palette = smooth()

    default, most = (len(encode(indices, palette, pack=p, order="auto")) for p in PACKS[1:])

    given = encode(indices, palette, pack="fast")
    rival = len(oxipng.optimize_from_memory(given, level=6))
    assert most <= rival
    assert default < 1.01 * rival


@pytest.mark.parametrize(("step", "depth"), [(255, 1), (85, 2), (17, 4), (3, 8)])
def test_gray_pictures_are_stored_as_gray_of_the_least_depth(step, depth):
    levels = np.arange(0, 256, step, dtype=np.uint8)
    palette = np.repeat(levels[:, None], 3, axis=1)
    indices = np.add.outer(np.arange(90), np.arange(99)).astype(np.uint8) % len(levels)

    file = png.read_png(encode(indices, palette, order="auto"))

    assert (file.color_type, file.depth) == (png.GRAY, depth)


def test_gray_with_one_clear_level_needs_no_palette():
    levels = np.arange(256, dtype=np.uint8)
    palette = np.column_stack([levels, levels, levels, np.where(levels == 85, 0, 255)])
    indices = np.add.outer(np.arange(90), np.arange(99)).astype(np.uint8)

    data = encode(indices, palette.astype(np.uint8), order="auto")

    found = dict(chunks(data))
    assert b"PLTE" not in found
    assert found[b"tRNS"] == bytes([0, 85])


def test_clear_gray_of_few_levels_is_read_by_pillow():  # which takes 1 of 15 for 1 of 255
    palette = np.uint8([[17, 17, 17, 0], [0, 0, 0, 255]])
    indices = np.zeros((3, 3), np.uint8)

    data = encode(indices, palette, order="auto")

    assert Image.open(io.BytesIO(data)).convert("RGBA").getpixel((0, 0)) == (17, 17, 17, 0)


def test_gray_keeps_its_palette_beside_a_color_profile():
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    indices = np.arange(256, dtype=np.uint8)[None]

    data = encode(indices, palette, icc=SRGB, order="auto")

    assert png.read_png(data).color_type == png.INDEXED  # gray samples take gray profiles only


def test_few_pixels_are_stored_as_colors_where_that_is_smaller():
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (200, 4), np.uint8)
    indices = np.arange(200, dtype=np.uint8).reshape(10, 20)

    data = encode(indices, palette, order="auto")

    assert png.read_png(data).color_type == png.RGB_ALPHA
    assert len(data) < len(encode(indices, palette))


def test_transparent_entries_come_first_and_unused_ones_are_left_out():
    palette = np.array([[i, 0, 0, 255] for i in range(40)], np.uint8)
    palette[[7, 30], 3] = 0, 99
    indices = np.tile(np.arange(31, dtype=np.uint8), (200, 9))

    found = dict(chunks(encode(indices, palette, order="auto")))

    assert len(found[b"tRNS"]) == 2
    assert len(found[b"PLTE"]) == 31 * 3


def test_what_was_tried_begins_with_what_was_used():
    indices, palette = smooth(64)

    data, tried = try_all(indices, palette, order="auto")

    assert tried[0].bytes == len(data)
    assert {way.name for way in tried} == {"palette by use", "palette arranged, filtered"}
    quick = [way.quick_bytes for way in tried]
    assert quick[0] == min(quick)


def test_the_same_way_is_taken_at_every_instruction_set_level():
    indices, palette = smooth(100, 90, 80)
    files = set()
    for name in LEVELS:
        with level(name) as here:
            if here:
                files.add(encode(indices, palette, order="auto"))

    assert len(files) == 1


def test_webp_takes_the_pack_levels_too():
    indices, palette = smooth(64)

    sizes = [len(encode(indices, palette, "WEBP", pack=pack)) for pack in PACKS]

    assert sizes[0] >= sizes[1] >= sizes[2]
    for kind in ("PNG", "WEBP", "GIF"):
        with pytest.raises(BadOption, match="pack must be one of fast, default, max"):
            encode(indices, palette, kind, pack="best")
        with pytest.raises(BadOption, match="order must be given or auto"):
            encode(indices, palette, kind, order="luma")


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


def test_webp_is_refused_in_one_sentence_where_pillow_was_built_without_it(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: name != "webp")

    with pytest.raises(BadOption, match="this Pillow was built without WebP; use PNG"):
        encode(np.zeros((2, 2), np.uint8), np.uint8([[1, 2, 3]]), "WEBP")
