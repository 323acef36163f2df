"""Comparison: the numbers are those of all pixels, and judges agree."""

import json
import math

import numpy as np
import pytest
import skimage.color
import skimage.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw, photo
from PIL import Image

import smalti
from smalti import BadImage, BadOption, Comparison, MissingFile, OutputExists, compare, metrics
from smalti.comparison import GAIN


def pair(seed=0):
    original = photo(seed, 40)
    return original, smalti.quantize(original, 6).to_array()


def test_the_numbers_are_those_of_scikit_image():
    a, b = pair()

    found = compare(a, b)

    delta = skimage.color.deltaE_ciede2000(skimage.color.rgb2lab(a), skimage.color.rgb2lab(b))
    delta_1976 = skimage.color.deltaE_cie76(skimage.color.rgb2lab(a), skimage.color.rgb2lab(b))
    assert found.psnr == pytest.approx(skimage.metrics.peak_signal_noise_ratio(a, b), abs=1e-9)
    ssim = skimage.metrics.structural_similarity(a, b, channel_axis=2)
    assert found.ssim == pytest.approx(ssim, abs=1e-6)
    assert found.delta_e_mean == pytest.approx(delta.mean(), rel=1e-3)
    assert found.delta_e_max == pytest.approx(delta.max(), rel=1e-3)
    assert found.delta_e_95 == pytest.approx(np.sort(delta, axis=None)[1519], rel=1e-3)
    assert found.unnoticeable == pytest.approx((delta_1976 <= 2.3).mean(), abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from(["noise", "few colors", "gradient"]),
       st.sampled_from([3, 4]), st.sampled_from([3, 4]))  # fmt: skip
def test_pairs_of_colors_give_the_numbers_of_all_pixels(seed, family, first, second):
    a, b = draw(family, first, seed), draw(family, second, seed + 1)

    found = compare(a, b)

    assert found.distortion_srgb == pytest.approx(metrics.distortion(a, b))
    assert found.distortion_oklab == pytest.approx(metrics.distortion(a, b, "oklab"))
    assert found.psnr == pytest.approx(metrics.psnr(a, b))
    assert found.ssim == pytest.approx(metrics.ssim(a, b))
    delta = metrics.delta_e(a, b)
    assert found.delta_e_mean == pytest.approx(delta.mean())
    assert found.delta_e_max == delta.max()
    assert (delta <= found.delta_e_95).mean() >= 0.95
    assert (delta < found.delta_e_95).mean() < 0.95 or found.delta_e_95 == 0
    assert found.distinct_colors == tuple(len(smalti.Histogram.of(x)) for x in (a, b))
    assert (found.width, found.height) == (31, 24)


def test_equal_pictures_are_identical():
    a, _ = pair()

    found = compare(a, a.copy())

    assert found.identical
    assert (found.differing, found.psnr, found.ssim) == (0, math.inf, 1)
    assert (found.delta_e_mean, found.delta_e_95, found.delta_e_max, found.unnoticeable) == (
        0, 0, 0, 1)  # fmt: skip
    assert "identical" in str(found)
    assert found.to_dict()["psnr"] is None
    assert (np.asarray(found.difference()) == 128).all()


def test_one_changed_pixel_is_found_and_counted():
    a = np.full((10, 20, 3), 100, np.uint8)
    b = a.copy()
    b[3, 4] = [101, 100, 60]

    found = compare(a, b)

    assert found.differing == 1 / 200
    assert found.delta_e_95 == 0 < found.delta_e_max
    picture = np.asarray(found.difference(2))
    assert picture[3, 4].tolist() == [130, 128, 48]
    assert (np.delete(picture.reshape(-1, 3), 3 * 20 + 4, axis=0) == 128).all()
    assert np.asarray(found.difference())[3, 4].tolist() == [136, 128, 0]


def test_what_nobody_sees_is_no_difference_and_alpha_is_one():
    a, b, c = (np.zeros((4, 4, 4), np.uint8) for _ in range(3))
    b[..., 0] = 99
    c[..., 3] = 10

    assert compare(a, b).identical
    assert compare(a[..., :3], np.dstack([a[..., :3], np.full((4, 4), 255, np.uint8)])).identical
    found = compare(a, c)
    assert found.differing == 1
    assert np.asarray(found.difference(1))[0, 0].tolist() == [118] * 3  # black over white


def test_files_have_names_and_sizes_and_notes(tmp_path):
    a, b = pair()
    Image.fromarray(a).save(tmp_path / "a.png")
    Image.fromarray(b).save(tmp_path / "b.png", exif=Image.Exif())
    turned = Image.Exif()
    turned[0x0112] = 3
    Image.fromarray(b[::-1, ::-1]).save(tmp_path / "turned.png", exif=turned)

    found = compare(tmp_path / "a.png", tmp_path / "turned.png")

    assert found.psnr == compare(a, b).psnr
    assert found.size_bytes == tuple(
        (tmp_path / name).stat().st_size for name in ("a.png", "turned.png"))  # fmt: skip
    assert [source.rpartition("/")[2] for source in found.sources] == ["a.png", "turned.png"]
    assert len(found.notes) == 1
    assert "turned.png: EXIF orientation 3 applied" in found.notes[0]
    assert f"{found.size_bytes[0]:,} ↔ {found.size_bytes[1]:,} bytes" in str(found)
    assert compare(a, tmp_path / "b.png").size_bytes[0] is None
    assert "unknown ↔ " in str(compare(a, tmp_path / "b.png"))
    assert "bytes" not in str(compare(a, b))


def test_a_comparison_is_frozen_in_plain_types_and_equal_to_its_like():
    a, b = pair()
    found = compare(a, b)

    record = json.loads(json.dumps(found.to_dict()))

    assert set(record) == set(Comparison.__dataclass_fields__) - {"images"} | {"identical"}
    assert record["delta_e_95"] == found.delta_e_95
    assert found == compare(a, b)
    assert found != compare(b, a[::-1])
    with pytest.raises(AttributeError):
        found.psnr = 1
    rows = str(found).splitlines()
    assert rows[0] == "image ↔ image"
    assert {row[12] == " " or row[11] == " " for row in rows[1:]} == {True}


def test_sizes_that_differ_are_refused_with_both(tmp_path):
    with pytest.raises(BadImage, match="a has 3 × 2 pixels, b has 2 × 3 pixels"):
        compare(np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8))
    with pytest.raises(MissingFile):
        compare(tmp_path / "none.png", np.zeros((3, 2, 3), np.uint8))


def test_the_order_of_channels_matters_for_colors_and_not_for_psnr():
    a, b = pair()

    bgr = compare(a[..., ::-1], b[..., ::-1], channels="bgr")

    assert bgr == compare(a, b)


def test_the_difference_is_written_as_a_png_or_not_at_all(tmp_path):
    found = compare(*pair())
    target = tmp_path / "d.png"

    found.save_difference(target, 3)

    with Image.open(target) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(found.difference(3)))
    with pytest.raises(OutputExists):
        found.save_difference(target, overwrite=False)
    with pytest.raises(BadOption, match=r"ends in \.png"):
        found.save_difference(tmp_path / "d.jpg")
    for gain in (0, 256, 1.5, "8"):
        with pytest.raises(BadOption, match="gain must be an integer from 1 to 255"):
            found.difference(gain)
    assert GAIN.default == 8


@pytest.mark.parametrize("channels", [3, 4])
def test_the_difference_drawn_in_bands_is_that_of_the_whole(monkeypatch, channels):
    found = compare(draw("noise", channels, 1), draw("noise", channels, 2))
    whole = np.asarray(found.difference(2))

    monkeypatch.setattr(metrics, "CHUNK", 100)

    np.testing.assert_array_equal(np.asarray(found.difference(2)), whole)
