"""Pixels come through: every format, mode and depth that is read, to the last visible bit.

Files are written here by the letter of their specifications, so what their pixels are is known
without any decoder; results are read by decoders that are not ours.
"""

import io
import struct

import numpy as np
import plain_files as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import cases
from PIL import Image, features
from plain_png import CHANNELS, DEPTHS, chunk, reference_png, written

import smalti
from smalti.decode import decode

SIZES = ((1, 1), (3, 2), (11, 14))
KINDS = ("png", "webp", "gif")


def eight(values, depth):
    """Return samples of any depth as 8 bits: what 0 to 1 is in 255 steps, rounded."""
    full = 2**depth - 1
    return ((values.astype(np.int64) * 510 + full) // (2 * full)).astype(np.uint8)


def rgba(color, alpha=None):
    """Return (H, W, 4) of gray or colors (H, W, 1|3) and alpha (H, W)."""
    color = np.broadcast_to(color, (*color.shape[:2], 3))
    alpha = np.full(color.shape[:2], 255, np.uint8) if alpha is None else alpha
    return np.dstack([color, alpha.astype(np.uint8)])


def folded(image):
    """Return pixels with what nobody sees as one color."""
    return np.where(image[..., 3:] == 0, np.uint8(0), image)


def judged(data, kind):
    """Return the pixels of an output, (H, W, 4), as a decoder that is not ours has them."""
    if kind == "png":
        image = reference_png(data)
    else:
        with Image.open(io.BytesIO(data)) as opened:
            image = np.asarray(opened.convert("RGBA"))
    return folded(image if image.shape[2] == 4 else rgba(image))


def colors_of(image):
    return len(np.unique(folded(image).reshape(-1, 4), axis=0))


def assert_comes_through(data, expected):
    """Compress a file to exactly its number of colors, in each format; return how many results."""
    expected, done = folded(expected), 0
    k = colors_of(expected)
    for kind in KINDS:
        if kind == "gif" and (expected[..., 3] % 255).any():
            continue
        report = smalti.compress(data, k=k, format=kind, pack="fast", allow_larger=True)

        np.testing.assert_array_equal(judged(report.data, kind), expected)
        assert report.colors_used == k
        assert report.stop_reason == "exact"
        done += 1
    return done


def sampled(shape, depth, seed, most=12):
    """Return random samples of few values: 0, the largest, and others."""
    rng = np.random.default_rng([seed, depth, *shape])
    values = np.unique([0, 2**depth - 1, *rng.integers(0, 2**depth, most)])
    return rng.choice(values, shape)


def palette_of(k, seed=3):
    return np.random.default_rng([k, seed]).integers(0, 256, (k, 3)).astype(np.uint8)


# ---------------------------------------------------------------- PNG


@pytest.mark.guarantee(14, 15, 17)
@pytest.mark.property_number(6)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("color_type", "depth"), [
    (kind, depth) for kind, depths in DEPTHS.items() for depth in depths])  # fmt: skip
def test_png_of_every_type_and_depth(color_type, depth, interlaced, figure):
    done = 0
    for height, width in SIZES:
        values = sampled((height, width, CHANNELS[color_type]), depth, color_type, most=3)
        extra, alpha = [], None
        if color_type == 3:
            palette = palette_of(2**depth)
            extra = [chunk(b"PLTE", palette.tobytes())]
            color = palette[values[..., 0]]
        elif color_type & 4:
            color, alpha = eight(values[..., :-1], depth), eight(values[..., -1], depth)
        else:
            color = eight(values, depth)

        data = written(values, depth, color_type, *extra, interlaced=interlaced)

        done += assert_comes_through(data, rgba(color, alpha))
    figure(f"{done} of {done} outputs pixel-identical")


@pytest.mark.guarantee(14, 15)
@pytest.mark.property_number(6)
@pytest.mark.parametrize(("color_type", "depth"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16),
                                                   (2, 8), (2, 16)])  # fmt: skip
def test_png_with_a_color_that_is_clear(color_type, depth):
    for height, width in SIZES:
        values = sampled((height, width, CHANNELS[color_type]), depth, color_type, most=3)
        key = values[0, 0]
        near = key.copy()
        near[0] ^= 1  # at 16 bits, the same color after rounding
        values[-1, -1] = near
        extra = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key.tolist()))
        alpha = np.where((values == key).all(axis=2), 0, 255)

        data = written(values, depth, color_type, extra)

        assert_comes_through(data, rgba(eight(values, depth), alpha))


@pytest.mark.guarantee(14, 15)
@pytest.mark.property_number(6)
@pytest.mark.parametrize("depth", DEPTHS[3])
@pytest.mark.parametrize("kind", ["hard", "soft", "short"])
def test_png_of_a_palette_with_alpha(depth, kind):
    k = 2**depth
    palette, rng = palette_of(k), np.random.default_rng(depth)
    alpha = rng.integers(0, 2, k) * 255 if kind == "hard" else rng.integers(0, 256, k)
    alpha[0] = 0
    if kind == "short":  # the other entries are opaque
        alpha[k // 2 :] = 255
    stored = alpha[: k // 2] if kind == "short" else alpha
    values = sampled((9, 17, 1), depth, 1, most=40)
    extra = [chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", bytes(stored.tolist()))]

    data = written(values, depth, 3, *extra)

    table = np.column_stack([palette, alpha]).astype(np.uint8)
    assert_comes_through(data, table[values[..., 0]])


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("depth", [8, 16])
def test_opencv_reads_the_pngs_of_these_tests_as_they_are_meant(depth):
    cv2 = pytest.importorskip("cv2")
    values = sampled((11, 14, 4), depth, 1)
    for interlaced in (False, True):
        data = np.frombuffer(written(values, depth, 6, interlaced=interlaced), np.uint8)

        read = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)

        np.testing.assert_array_equal(read[..., [2, 1, 0, 3]], values)


# ---------------------------------------------------------------- GIF


def gif_of(indices, palette, **options):
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "GIF", optimize=False, **{"interlace": 0, **options})
    return buffer.getvalue()


@pytest.mark.guarantee(14, 15)
@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("clear", [False, True])
def test_gif_of_every_size_of_palette(bits, clear):
    palette = palette_of(2**bits)
    indices = sampled((11, 14), bits, 1, most=200).astype(np.uint8)
    key = int(indices[0, 0])

    data = gif_of(indices, palette, **({"transparency": key} if clear else {}))

    alpha = np.where(indices == key, 0, 255) if clear else None
    assert_comes_through(data, rgba(palette[indices], alpha))


@pytest.mark.guarantee(14)
def test_gif_with_interlaced_rows():
    palette = palette_of(256)
    indices = sampled((37, 14), 8, 2, most=100).astype(np.uint8)

    data = gif_of(indices, palette, interlace=1)

    assert_comes_through(data, rgba(palette[indices]))


# ---------------------------------------------------------------- BMP


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("options", [{}, {"top_down": True}, {"core": True}], ids=str)
def test_bmp_of_every_size_of_palette(bits, options):
    palette = palette_of(2**bits)
    for height, width in SIZES:
        indices = sampled((height, width), bits, 1, most=100)

        data = files.bmp_indexed(indices, palette, bits, **options)

        assert_comes_through(data, rgba(palette[indices]))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("bits", [4, 8])
def test_bmp_of_runs(bits):
    palette = palette_of(2**bits)
    indices = np.repeat(sampled((11, 9), bits, 1, most=30), [1, 2, 9, 1, 3, 1, 1, 12, 5], axis=1)

    data = files.bmp_runs(indices, palette, bits)

    assert_comes_through(data, rgba(palette[indices]))


@pytest.mark.guarantee(14, 15)
@pytest.mark.parametrize(("bits", "masks"), [
    (16, (0xF800, 0x07E0, 0x001F)),
    (16, (0x7C00, 0x03E0, 0x001F)),
    (32, (0x00FF0000, 0x0000FF00, 0x000000FF)),
    (32, (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)),
], ids=["565", "555", "BGRX", "BGRA"])  # fmt: skip
def test_bmp_of_16_and_32_bits(bits, masks):
    image = sampled((11, 14, len(masks)), 8, 1, most=2).astype(np.uint8)
    depths = [bin(mask).count("1") for mask in masks]

    data = files.bmp_masked(image, masks, bits)

    exact = np.stack([eight(image[..., c] >> (8 - d), d) for c, d in enumerate(depths)], axis=2)
    assert_comes_through(data, exact if len(masks) == 4 else rgba(exact))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_of_24_bits(top_down):
    for height, width in SIZES:
        image = sampled((height, width, 3), 8, 1, most=2).astype(np.uint8)
        rows = files.bmp_rows(image[..., ::-1], top_down)

        data = files.bmp(rows, 24, (width, height), top_down=top_down)

        assert_comes_through(data, rgba(image))


# ---------------------------------------------------------------- TIFF


@pytest.mark.guarantee(14, 17)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(("photometric", "depth"), [
    *((files.BLACK_IS_ZERO, depth) for depth in (1, 2, 4, 8, 16)),
    *((files.WHITE_IS_ZERO, depth) for depth in (1, 2, 4, 8, 16)),
    (files.RGB, 8), (files.RGB, 16),
])  # fmt: skip
def test_tiff_of_every_depth(photometric, depth, big, deflate):
    channels = 3 if photometric == files.RGB else 1
    values = sampled((11, 14, channels), depth, 1, most=3)
    seen = values if photometric else 2**depth - 1 - values

    data = files.tiff(values, depth, photometric, big=big, deflate=deflate)

    if photometric == files.WHITE_IS_ZERO and depth == 16 and big:  # which Pillow has no reader for
        with pytest.raises(smalti.BadImage, match="unusual kind"):
            smalti.compress(data)
        return
    assert_comes_through(data, rgba(eight(seen, depth)))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_tiff_of_a_palette(depth):
    palette = palette_of(2**depth)
    values = sampled((11, 14, 1), depth, 1, most=100)

    data = files.tiff(values, depth, files.PALETTE, palette=palette)

    assert_comes_through(data, rgba(palette[values[..., 0]]))


@pytest.mark.guarantee(14, 15, 17)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("deflate", [False, True])
def test_tiff_with_alpha(depth, deflate):
    values = sampled((11, 14, 4), depth, 1, most=1)

    data = files.tiff(values, depth, files.RGB, alpha=files.UNASSOCIATED, deflate=deflate)

    exact = eight(values, depth)
    assert_comes_through(data, rgba(exact[..., :3], exact[..., 3]))


@pytest.mark.guarantee(14, 15)
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_with_alpha_that_is_multiplied_in_keeps_what_is_clear_and_what_is_opaque(depth):
    values = sampled((11, 14, 4), depth, 1, most=1)
    values[..., 3] = np.where(values[..., 3] * 2 > 2**depth, 2**depth - 1, 0)
    values[..., :3] *= values[..., 3:] > 0

    data = files.tiff(values, depth, files.RGB, alpha=files.ASSOCIATED)

    exact = eight(values, depth)
    assert_comes_through(data, rgba(exact[..., :3], exact[..., 3]))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize(("channels", "deflate"), [(3, False), (3, True), (4, False)])
def test_tiff_with_channels_one_after_another(channels, deflate):
    values = sampled((11, 14, channels), 8, 1, most=1)
    alpha = files.UNASSOCIATED if channels == 4 else 0

    data = files.tiff(values, 8, files.RGB, planar=True, deflate=deflate, alpha=alpha)

    exact = values.astype(np.uint8)
    assert_comes_through(data, exact if channels == 4 else rgba(exact))


@pytest.mark.guarantee(14, 17)
@pytest.mark.parametrize(("depth", "options", "words"), [
    (16, {"planar": True}, "one after another"),
    (16, {"planar": True, "deflate": True}, "one after another"),
    (16, {"planar": True, "big": True}, "one after another"),
    (32, {"kind": 3}, "from_float|unusual"),
    (32, {}, "from_float|unusual"),
])  # fmt: skip
def test_what_has_no_8_bits_or_is_stored_oddly_is_refused_and_never_wrong(depth, options, words):
    channels = 3 if "planar" in options else 1
    values = sampled((5, 6, channels), min(depth, 16), 1)
    photometric = files.RGB if channels == 3 else files.BLACK_IS_ZERO

    with pytest.raises(smalti.BadImage, match=words):
        smalti.compress(files.tiff(values, depth, photometric, **options))


@pytest.mark.guarantee(14)
def test_tiff_of_inks_gets_the_formula_of_the_textbooks():
    values = sampled((11, 14, 4), 8, 1, most=1)

    data = files.tiff(values, 8, files.CMYK)

    light = (255 - values[..., :3].astype(int)) * (255 - values[..., 3:].astype(int))
    assert_comes_through(data, rgba(((light + 127) // 255).astype(np.uint8)))


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_opencv_agrees_on_16_bit_tiff(channels):
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(channels).integers(0, 65536, (40, 50, channels))
    photometric = files.BLACK_IS_ZERO if channels == 1 else files.RGB
    alpha = files.UNASSOCIATED if channels == 4 else 0
    data = files.tiff(values, 16, photometric, alpha=alpha)

    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)

    read = read.reshape(40, 50, channels)[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]]
    np.testing.assert_array_equal(read, values)
    exact = folded(rgba(eight(values[..., :3], 16), eight(values[..., 3], 16) if alpha else None))
    image = decode(data).image
    np.testing.assert_array_equal(image, exact[..., : image.shape[2]])


# ---------------------------------------------------------------- WebP, AVIF, JPEG


@pytest.mark.guarantee(14, 15)
@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp(channels):
    for height, width in SIZES:
        image = sampled((height, width, channels), 8, 1, most=2).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "WEBP", lossless=True, exact=True)

        assert_comes_through(buffer.getvalue(), image if channels == 4 else rgba(image))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("gray", [0, 1, 127, 200, 255])
@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_constant_gray_of_formats_that_lose(kind, gray):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    buffer = io.BytesIO()
    Image.new("L", (21, 13), gray).save(buffer, kind, quality=100)

    assert_comes_through(buffer.getvalue(), rgba(np.full((13, 21, 1), gray, np.uint8)))


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("color", [(255, 0, 0), (18, 52, 86), (250, 128, 3)])
def test_constant_color_of_a_jpeg_is_what_opencv_has(color):
    cv2 = pytest.importorskip("cv2")
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), color).save(buffer, "JPEG", quality=100, subsampling=0)

    read = cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    assert_comes_through(buffer.getvalue(), rgba(np.ascontiguousarray(read)))


@pytest.mark.guarantee(14, 15)
def test_avif_with_alpha_keeps_what_is_clear_and_what_is_opaque():
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    alpha = np.zeros((32, 48), np.uint8)
    alpha[:, 16:] = 255
    buffer = io.BytesIO()
    Image.fromarray(rgba(np.full((32, 48, 1), 90, np.uint8), alpha)).save(
        buffer, "AVIF", quality=100
    )

    report = smalti.compress(buffer.getvalue(), k=256, allow_larger=True)

    np.testing.assert_array_equal(judged(report.data, "png")[..., 3], alpha)


# ---------------------------------------------------------------- alpha


@pytest.mark.guarantee(15)
@pytest.mark.parametrize("kind", KINDS)
@given(
    st.integers(0, 2**32),
    st.sampled_from([2, 3, 16, 255, 256]),
    st.sampled_from(["none", "auto", "floyd-steinberg", "bayer"]),
    st.sampled_from([0, 0.25, 1]),
)
@settings(max_examples=cases(12, 200), deadline=None)
def test_clear_pixels_stay_clear_and_opaque_ones_opaque(kind, seed, k, dither, size):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (23, 31, 4)).astype(np.uint8)
    kinds = [0, 255, 255] if kind == "gif" else [0, 255, 255, 1, 128, 254]
    image[..., 3] = rng.choice(kinds, (23, 31))
    if dither == "bayer":
        size = 0

    report = smalti.compress(
        image, k=k, format=kind, dither=dither, size=size, pack="fast", allow_larger=True
    )

    alpha = judged(report.data, kind)[..., 3]
    np.testing.assert_array_equal(alpha[image[..., 3] == 0], 0)
    np.testing.assert_array_equal(alpha[image[..., 3] == 255], 255)


@pytest.mark.guarantee(15)
def test_colors_that_nobody_sees_take_no_room_in_the_palette():
    rng = np.random.default_rng(1)
    image = np.dstack([rng.integers(0, 256, (40, 40, 3)), np.zeros((40, 40), int)]).astype(np.uint8)
    image[:2, :4] = [[[10 * i, 0, 99, 255] for i in range(4)]] * 2
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")

    assert_comes_through(buffer.getvalue(), image)
    assert colors_of(image) == 5
