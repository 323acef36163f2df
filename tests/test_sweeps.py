"""The sweep: rows that quantize would give, measured truly, as a table, CSV and plots."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from pictures import images, photo
from PIL import Image
from skimage.metrics import structural_similarity

import smalti
from smalti import BadOption, MissingExtra, OutputExists, metrics


@pytest.fixture(scope="module")
def swept():
    image = photo(11)
    return image, smalti.sweep(image, [1, 2, 8, 25, 100], webp=True, threads=1)


def test_each_row_is_what_quantize_and_save_give(swept):
    image, rows = swept

    for row in rows:
        result = smalti.quantize(image, row.k, dither="none")
        shown = result.to_array()
        assert row.bytes == len(result.encoded("PNG", order="auto"))
        assert row.webp_bytes == len(result.encoded("WEBP"))
        assert row.colors == len(result.palette)
        assert row.distortion == pytest.approx(metrics.distortion(image, shown, "oklab"), rel=1e-9)
        assert row.psnr == pytest.approx(metrics.psnr(image, shown), rel=1e-9)
        expected = structural_similarity(image, shown, channel_axis=2, data_range=255)
        assert row.ssim == pytest.approx(expected, abs=1e-9)
        assert row.bits_per_pixel == 8 * row.bytes / (96 * 96)


def test_entropy_is_that_of_the_indices(swept):
    image, rows = swept

    for row in rows:
        shares = np.bincount(smalti.quantize(image, row.k, dither="none").indices.ravel()) / (
            96 * 96
        )
        assert row.entropy == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-9)
        assert 0 <= row.entropy <= math.log2(row.k)


@given(images())
@settings(max_examples=25, deadline=None)
def test_the_curve_never_rises_and_ends_at_the_colors_there_are(image):
    rows = smalti.sweep(image, effort="turbo", threads=1)

    errors = [row.distortion for row in rows]
    assert errors == sorted(errors, reverse=True)
    distinct = len(smalti.Histogram.of(image))
    if distinct <= 256:
        assert (rows[-1].k, rows[-1].distortion, rows[-1].psnr) == (distinct, 0, math.inf)


def test_on_request_it_goes_on_to_an_error_of_zero():
    image = photo(12, side=40)

    rows = smalti.sweep(image, [4], up_to_all=True)

    assert [row.k for row in rows] == [4, len(smalti.Histogram.of(image))]
    assert rows[-1].distortion == 0
    assert rows[-1].ssim == 1
    assert [row.k for row in smalti.sweep(image, up_to_all=True)][:4] == [1, 2, 3, 4]


def test_more_colors_than_a_palette_holds_end_with_the_picture_itself():
    codes = np.arange(70_000, dtype=np.uint32) * 200
    image = np.dstack([codes & 255, codes >> 8 & 255, codes >> 16]).astype(np.uint8)
    image = image.reshape(250, 280, 3)

    last = smalti.sweep(image, [2], up_to_all=True, effort="turbo")[-1]

    assert (last.k, last.distortion, last.psnr) == (70_000, 0, math.inf)
    assert last.entropy == pytest.approx(math.log2(70_000))


def test_pictures_of_rows_are_those_of_quantize(swept):
    image, rows = swept

    shown = rows.picture(8)

    np.testing.assert_array_equal(
        shown.to_array(), smalti.quantize(image, 8, dither="none").to_array()
    )
    with pytest.raises(BadOption, match="1, 2, 8, 25, 100"):
        rows.picture(9)


def test_csv_and_dicts_hold_every_number(swept):
    _, rows = swept

    lines = list(csv.DictReader(io.StringIO(rows.to_csv())))

    for row, line, plain in zip(rows, lines, rows.to_dicts(), strict=True):
        assert int(line["k"]) == plain["k"] == row.k
        assert float(line["distortion"]) == plain["distortion"] == row.distortion
        assert int(line["bytes"]) == row.bytes


def test_an_infinite_psnr_is_plain_nothing():
    rows = smalti.sweep(np.zeros((9, 9, 3), np.uint8))

    assert rows.to_dicts()[0]["psnr"] is None
    assert "exact" in str(rows)


def test_the_table_says_what_its_columns_mean(swept):
    _, rows = swept
    text = str(rows)

    assert text.splitlines()[0].split() == [
        "k", "J", "PSNR", "SSIM", "PNG", "bytes", "WebP", "bits/pixel", "entropy", "ms",
    ]  # fmt: skip
    assert "distortion in Oklab" in text
    assert f"elbow is at k = {rows.elbow}" in text
    assert rows._repr_html_().count("<tr>") == len(rows) + 1


@pytest.mark.parametrize("kind", ["photo", "one color", "transparent", "few colors", "wide"])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_every_kind_of_picture_can_be_plotted(tmp_path, kind, suffix):
    image = {
        "photo": photo(13),
        "one color": np.full((20, 30, 3), 9, np.uint8),
        "transparent": np.dstack([photo(14), photo(15)[..., :1]]),
        "few colors": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        "wide": photo(16)[:4],
    }[kind]

    smalti.sweep(image, [1, 2, 8, 25, 100]).plot(tmp_path / f"plot{suffix}")

    assert (tmp_path / f"plot{suffix}").stat().st_size > 5000
    if suffix == ".png":
        with Image.open(tmp_path / "plot.png") as picture:
            assert picture.width == 12 * smalti.plots.DPI


def test_plots_refuse_what_they_cannot_do(tmp_path, monkeypatch, swept):
    _, rows = swept
    (tmp_path / "a.png").write_text("mine")

    with pytest.raises(OutputExists):
        rows.plot(tmp_path / "a.png", overwrite=False)
    with pytest.raises(BadOption, match=r"\.png or \.svg"):
        rows.plot(tmp_path / "a.bmp")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtra):
        rows.plot(tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_progress_counts_rows():
    seen = []

    smalti.sweep(photo(17, side=20), [2, 3, 4], progress=lambda *at: seen.append(at))

    assert seen == [(0, 3), (1, 3), (2, 3)]


def test_orders_of_channels_are_known():
    image = photo(18, side=30)

    swapped = smalti.sweep(image[..., ::-1], [4], channels="bgr")

    assert swapped[0].distortion == smalti.sweep(image, [4])[0].distortion
