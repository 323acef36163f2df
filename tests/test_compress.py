"""compress: the walk from file to file, its promises and its report."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image, features

import smalti
from smalti import (
    BadImage,
    BadOption,
    CannotWrite,
    IndexedImage,
    LimitExceeded,
    NotSmaller,
    OutputExists,
    anatomy,
)
from smalti.decode import decode
from smalti.encode import decode_indexed

STAGES = ["decode", "histogram", "palette", "map", "encode", "measure", "write"]


def picture(height=48, width=64, alpha=False):
    """A noisy gradient of thousands of colors: a PNG of it is large, a palette PNG small."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width]
    image = np.dstack([x * 3, y * 4, x + y]) + rng.integers(0, 30, (height, width, 3))
    image = image.clip(0, 255).astype(np.uint8)
    if alpha:
        image = np.dstack([image, (x * 4).clip(0, 255).astype(np.uint8)])
    return image


def file_of(image, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def info_of(path):
    with Image.open(path) as image:
        return image.info


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(file_of(picture()))
    return path


def test_report_describes_what_was_written(source, tmp_path):
    target = tmp_path / "out.png"

    report = smalti.compress(source, target, 16)

    result = IndexedImage.load(target)
    assert sorted(result.palette.tolist()) == sorted(report.palette.colors.tolist())
    assert report.bytes_in == source.stat().st_size
    assert report.bytes_out == target.stat().st_size
    assert (report.width, report.height, report.format) == (64, 48, "PNG")
    assert report.distinct_colors == len(np.unique(picture().reshape(-1, 3), axis=0))
    assert report.k == report.colors_used == len(report.palette) == 16
    assert list(report.milliseconds) == STAGES
    assert report.data is None
    expected = ((picture().astype(float) - result.to_array()) ** 2).sum(axis=2).mean()
    assert report.distortion_srgb == pytest.approx(expected)
    assert report.psnr == pytest.approx(10 * np.log10(255**2 * 3 / expected))
    assert report.distortion == report.distortion_oklab


def test_report_is_the_same_whether_measured_by_color_or_by_pixel(source):
    plain = smalti.compress(source, k=8, space="srgb", dither="none")
    everywhere = {"dither": "floyd-steinberg", "dither_adaptive": False}
    dithered = smalti.compress(source, k=8, space="srgb", **everywhere)

    result = np.asarray(Image.open(io.BytesIO(dithered.data)).convert("RGB")).astype(float)
    expected = ((picture() - result) ** 2).sum(axis=2).mean()
    assert dithered.distortion == dithered.distortion_srgb == pytest.approx(expected)
    assert plain.distortion < dithered.distortion


def test_result_equals_that_of_quantize(source, tmp_path):
    target = tmp_path / "out.png"
    options = {"space": "srgb", "init": "k-means++", "seed": 3, "max_iter": 4}

    smalti.compress(source, target, 12, size=0, **options)

    expected, got = smalti.quantize(picture(), 12, **options), IndexedImage.load(target)
    assert sorted(got.palette.tolist()) == sorted(expected.palette.tolist())
    np.testing.assert_array_equal(got.to_array(), expected.to_array())


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "file", "pillow", "array"])
def test_every_kind_of_source_gives_the_same_bytes(source, kind):
    data = source.read_bytes()
    given = {
        "path": source,
        "str": str(source),
        "bytes": data,
        "file": io.BytesIO(data),
        "pillow": Image.open(io.BytesIO(data)),
        "array": picture(),
    }[kind]

    report = smalti.compress(given, k=9)

    assert report.data == smalti.compress(source, k=9).data
    has_file = kind not in ("pillow", "array")
    assert report.bytes_in == (len(data) if has_file else None)


def test_bytes_go_to_a_file_object(source):
    target = io.BytesIO()

    report = smalti.compress(source, target, 4)

    assert len(target.getvalue()) == report.bytes_out
    assert report.data is None


@pytest.mark.parametrize(("name", "kind"), [("x.png", "PNG"), ("x.webp", "WEBP"), ("x.gif", "GIF")])
def test_suffix_names_the_format(source, tmp_path, name, kind):
    report = smalti.compress(source, tmp_path / name, 16)

    with Image.open(tmp_path / name) as image:
        assert image.format == report.format == kind
        np.testing.assert_array_equal(
            np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0),
            np.unique(report.palette.colors, axis=0),
        )


@pytest.mark.guarantee(14)
@pytest.mark.parametrize("alpha", [False, True])
def test_few_colors_are_kept_pixel_for_pixel(tmp_path, alpha):
    image = picture(alpha=alpha) // 100 * 100
    if alpha:
        image[image[..., 3] == 0] = 0

    report = smalti.compress(file_of(image), k=200)

    back = np.asarray(Image.open(io.BytesIO(report.data)).convert("RGBA" if alpha else "RGB"))
    np.testing.assert_array_equal(back, image)
    assert report.psnr == np.inf
    assert report.stop_reason == "exact"
    assert "pixel-identical" in str(report)
    assert report.to_dict()["psnr"] is None


def test_more_than_256_colors_are_stored_as_truecolor_and_said(source, tmp_path):
    report = smalti.compress(source, tmp_path / "x.png", 400)

    with Image.open(tmp_path / "x.png") as image:
        assert image.mode == "RGB"
        colors = len(np.unique(np.asarray(image).reshape(-1, 3), axis=0))
    assert colors == report.colors_used == 400
    assert any("truecolor" in note for note in report.notes)


def test_larger_result_is_refused_and_nothing_is_written(tmp_path):
    photo = file_of(picture(), "JPEG", quality=40)
    (tmp_path / "photo.jpg").write_bytes(photo)
    target = tmp_path / "x.png"

    with pytest.raises(NotSmaller) as refusal:
        smalti.compress(tmp_path / "photo.jpg", target)

    assert not target.exists()
    assert refusal.value.exit_code == 98
    words = str(refusal.value)
    assert f"{len(photo):,}" in words
    assert "JPEG, WebP or AVIF" in words
    assert "--allow-larger" in words
    report = smalti.compress(tmp_path / "photo.jpg", target, allow_larger=True)
    assert report.bytes_out == target.stat().st_size > len(photo)
    assert "larger" in str(report)


@pytest.mark.parametrize(("kind", "options", "image", "advised"), [
    ("JPEG", {"quality": 30}, picture(), True),
    ("AVIF", {"quality": 30}, picture(), True),
    ("WEBP", {"quality": 30}, picture(), True),
    ("WEBP", {"quality": 30, "exif": b"Exif\0\0" + b"x" * 101}, picture(), True),
    ("WEBP", {"lossless": True}, picture(), False),
    ("WEBP", {"lossless": True, "exif": b"Exif\0\0" + b"x" * 101}, picture(), False),
    ("WEBP", {"quality": 30}, np.zeros((8, 8, 3), np.uint8), False),
])  # fmt: skip
def test_only_lossy_pictures_of_many_colors_are_told_where_photographs_belong(
    kind, options, image, advised, tmp_path
):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    data, path = file_of(image, kind, **options), tmp_path / "picture"
    path.write_bytes(data)

    for source in (data, path, io.BytesIO(data)):
        with pytest.raises(NotSmaller) as refusal:
            smalti.compress(source, k=256 if advised else 65_536)

        assert ("photographs belong" in str(refusal.value)) == advised
        assert len(str(refusal.value).replace(str(tmp_path), "")) <= 160


def test_own_output_is_not_compressed_again(source, tmp_path):
    smalti.compress(source, tmp_path / "once.png", 16, dither="none")

    with pytest.raises(NotSmaller):
        smalti.compress(tmp_path / "once.png", tmp_path / "twice.png", 16)


def test_refusals_come_before_any_work(source, tmp_path):
    def no_work(stage):
        pytest.fail(f"{stage} had begun")

    (tmp_path / "there.png").write_bytes(b"precious")
    cases = [
        (OutputExists, tmp_path / "there.png", {}),
        (CannotWrite, tmp_path / "none" / "x.png", {}),
        (CannotWrite, tmp_path, {"overwrite": True}),
        (BadOption, tmp_path / "x.jpg", {}),
        (BadOption, tmp_path / "x.png", {"format": "webp"}),
        (BadOption, tmp_path / "x.png", {"format": "jpeg"}),
        (BadOption, tmp_path / "x.png", {"k": 0}),
        (BadOption, tmp_path / "x.png", {"k": 65_537}),
        (BadOption, tmp_path / "x.png", {"k": 1.5}),
        (BadOption, tmp_path / "x.png", {"dither": "much"}),
        (BadOption, tmp_path / "x.png", {"space": "lab"}),
        (BadOption, tmp_path / "x.gif", {"k": 300}),
        (BadOption, tmp_path / "x.png", {"k": 300, "dither": "floyd-steinberg"}),
    ]
    for error, target, options in cases:
        with pytest.raises(error):
            smalti.compress(source, target, **options, on_stage=no_work)
    assert (tmp_path / "there.png").read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["in.png", "there.png"]


def test_bad_input_leaves_an_old_output_untouched(tmp_path):
    (tmp_path / "bad.png").write_bytes(file_of(picture())[:500])
    (tmp_path / "old.png").write_bytes(b"precious")

    with pytest.raises(BadImage, match=r"bad\.png"):
        smalti.compress(tmp_path / "bad.png", tmp_path / "old.png", overwrite=True)

    assert (tmp_path / "old.png").read_bytes() == b"precious"


def test_limits_are_passed_on(source):
    with pytest.raises(LimitExceeded):
        smalti.compress(source, limits=smalti.Limits(megapixels=0.001))


def test_input_may_be_replaced_by_its_result(source):
    before = source.stat().st_size

    report = smalti.compress(source, source, 16, overwrite=True)

    assert source.stat().st_size == report.bytes_out < before == report.bytes_in


def test_preserve_keeps_times_and_density(tmp_path):
    source = tmp_path / "in.png"
    source.write_bytes(file_of(picture(), dpi=(300, 300)))
    os.utime(source, (1_000_000_000, 1_100_000_000))

    smalti.compress(source, tmp_path / "kept.png", 8, preserve=True)
    smalti.compress(source, tmp_path / "new.png", 8)

    assert (tmp_path / "kept.png").stat().st_mtime == 1_100_000_000
    assert (tmp_path / "new.png").stat().st_mtime > 1_200_000_000
    assert round(info_of(tmp_path / "kept.png")["dpi"][0]) == 300
    assert "dpi" not in info_of(tmp_path / "new.png")


def test_progress_sees_every_step_and_may_cancel(source):
    seen = []

    report = smalti.compress(source, k=8, effort="lloyd", progress=seen.append)

    assert [step.iteration for step in seen] == list(range(1, report.iterations + 1))
    assert seen[0].moved == 48 * 64

    class Enough(Exception):
        pass

    def stop(step):
        raise Enough

    with pytest.raises(Enough):
        smalti.compress(source, k=8, progress=stop)


def test_progress_of_a_search_ends_with_the_iterations_of_the_report(source):
    seen = []

    report = smalti.compress(source, k=8, progress=seen.append)

    iterations = [step.iteration for step in seen]
    assert iterations == sorted(set(iterations))
    assert iterations[-1] == report.iterations


def test_stages_are_told_in_order(source):
    stages = []

    smalti.compress(source, k=8, on_stage=stages.append)

    assert stages == STAGES


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_explained_bytes_add_up(source, kind):
    report = smalti.compress(source, k=20, format=kind)

    parts = {name: size for name, size in report.explain.items() if name != "input_metadata"}
    assert sum(parts.values()) == report.bytes_out
    assert parts["pixels"] > parts["container"] > 0
    assert parts["palette"] == {"png": 60, "gif": 96, "webp": 0}[kind]


def test_explained_metadata_is_that_of_the_output_and_the_input():
    icc = smalti_profile()
    data = file_of(picture(), icc_profile=icc)

    kept = smalti.compress(data, k=4, icc="keep")
    converted = smalti.compress(data, k=4)

    assert kept.explain["metadata"] > 0
    assert kept.explain["input_metadata"] > 0
    assert converted.explain["metadata"] == 0


def test_the_report_keeps_the_order_of_shares_whatever_the_file_has(source):
    report = smalti.compress(source, k=20)

    shares = report.palette.shares
    assert (np.diff(shares) <= 0).all()
    file = decode(report.data).image
    assert {tuple(row) for row in file.reshape(-1, 3)} <= {
        tuple(row) for row in report.palette.colors
    }


def test_centroids_of_the_user_are_stored_in_their_order(source):
    first = smalti.build_palette(source, 12).colors[::-1].copy()

    report = smalti.compress(source, k=12, init=first, max_iter=0, effort="lloyd")

    np.testing.assert_array_equal(decode_indexed(report.data)[1], report.palette.colors)


def test_gray_pictures_are_tried_as_gray_before_they_are_refused():
    ramp = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)
    gray = np.repeat(ramp[..., None], 3, axis=2)
    data = file_of(gray)

    report = smalti.compress(data, k=256, allow_larger=True)

    assert any(way.name.startswith("grayscale") for way in report.tried)
    assert report.bytes_out <= len(smalti.quantize(gray, 256).encoded())


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_every_format_takes_every_pack_level(source, kind):
    reports = [smalti.compress(source, k=20, format=kind, pack=p) for p in ("fast", "max")]

    assert reports[1].bytes_out <= reports[0].bytes_out
    assert bool(reports[0].tried) == (kind == "png")
    with pytest.raises(smalti.BadOption, match="pack must be one of"):
        smalti.compress(source, pack="none")


def smalti_profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_gif_comments_count_as_metadata():
    data = file_of(picture() // 100, "GIF", comment=b"x" * 400)

    parts = anatomy.explain(data)

    assert parts["metadata"] == 400 + 2 + 1  # two sub-blocks and the end
    assert sum(parts.values()) == len(data)


# ---------------------------------------------------------------- what formats cannot hold


@pytest.mark.guarantee(15)
@pytest.mark.parametrize("k", [1, 2, 40])
@pytest.mark.parametrize("dither", ["none", "floyd-steinberg"])
def test_gif_of_partial_alpha_is_made_opaque_or_clear_and_says_so(tmp_path, k, dither):
    image = picture(alpha=True)

    report = smalti.compress(image, tmp_path / "x.gif", k, dither=dither)

    with Image.open(tmp_path / "x.gif") as gif:
        back = np.asarray(gif.convert("RGBA"))
    if k == 1:
        assert (back[..., 3] == 255).all()
    else:
        np.testing.assert_array_equal(back[..., 3], np.where(image[..., 3] < 128, 0, 255))
    assert report.notes[0] == "partial transparency became opaque or clear: GIF knows no other"
    back = back.astype(float)
    error = premultiplied(image) - premultiplied(back)
    assert report.distortion_srgb == pytest.approx((error**2).sum(axis=2).mean(), rel=0.01)


def premultiplied(image):
    image = image.astype(float)
    return np.dstack([image[..., :3] * image[..., 3:] / 255, image[..., 3]])


def test_gif_of_alpha_above_127_everywhere_has_no_transparency():
    image = picture(alpha=True)
    image[..., 3] = image[..., 3] // 2 + 128

    report = smalti.compress(image, k=20, format="gif")

    assert report.palette.colors.shape == (20, 3)
    assert "transparency" not in Image.open(io.BytesIO(report.data)).info
    assert "partial transparency" in report.notes[0]


def test_gif_with_changed_alpha_is_not_called_identical():
    image = np.zeros((4, 4, 4), np.uint8)
    image[:2] = 9, 8, 7, 200

    report = smalti.compress(image, format="gif")

    assert np.isfinite(report.psnr)
    assert "pixel-identical" not in str(report)
    assert report.notes[1] == "all 2 colors kept (k = 256): identical to the converted picture"


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_other_formats_keep_partial_alpha(kind):
    report = smalti.compress(picture(alpha=True), k=40, format=kind)

    assert len(np.unique(report.palette.colors[:, 3])) > 2
    assert not any("transparency" in note for note in report.notes)


def test_gif_of_clear_and_opaque_pixels_needs_no_note():
    image = picture(alpha=True)
    image[..., 3] = image[..., 3] // 128 * 255
    image[image[..., 3] == 0] = 0

    assert smalti.compress(image, k=9, format="gif").notes == ()


def wide_profile():
    """A color profile that is not sRGB's."""
    from smalti.profiles import _matrix_profile

    return _matrix_profile((0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06), None, "Wide")


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("alpha", [False, True])
def test_gif_converts_to_srgb_what_it_was_to_keep(alpha):
    data = file_of(picture(alpha=alpha) // 64 * 64, icc_profile=wide_profile())

    kept, converted = (smalti.compress(data, k=200, format="gif", icc=icc, allow_larger=True)
                       for icc in ("keep", "srgb"))  # fmt: skip

    assert kept.data == converted.data
    said = 'GIF holds no color profile: colors converted from "Wide" to sRGB'
    assert kept.notes[0] == said
    assert "identical to the converted picture" in kept.notes[-1]


def test_gif_of_an_srgb_or_broken_profile_says_that_it_left_it_out():
    plain = file_of(picture(), icc_profile=smalti_profile())
    broken = file_of(picture(), icc_profile=wide_profile()[:300])

    for data, words in ((plain, "sRGB in effect"), (broken, "ignored")):
        report = smalti.compress(data, k=9, format="gif", icc="keep")
        assert report.notes[0].startswith("GIF holds no color profile: ")
        assert words in report.notes[0]


@pytest.mark.parametrize(("kind", "name"), [("png", None), ("webp", "WebP"), ("gif", "GIF")])
def test_density_that_the_format_cannot_hold_is_said(kind, name):
    data = file_of(picture(), dpi=(300, 300))

    kept = smalti.compress(data, k=9, format=kind, preserve=True)
    unasked = smalti.compress(data, k=9, format=kind)

    expected = (f"density of 300 dpi left out: {name} holds none",) if name else ()
    assert kept.notes == expected
    assert unasked.notes == ()


@pytest.mark.guarantee(17)
@pytest.mark.parametrize("kind", ["16 bits", "profile", "8 bits"])
def test_only_a_picture_that_was_not_converted_is_called_pixel_identical(kind):
    image = picture() // 64 * 64
    if kind == "16 bits":
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0].astype(np.uint16) * 250).save(buffer, "PNG")
        data = buffer.getvalue()
    else:
        data = file_of(image, icc_profile=wide_profile() if kind == "profile" else None)

    report = smalti.compress(data, k=256, allow_larger=True)

    same = "pixel-identical" if kind == "8 bits" else "identical to the converted picture"
    assert report.stop_reason == "exact"
    assert report.notes[-1] == f"all {report.colors_used} colors kept (k = 256): {same}"


def test_bgr_arrays_give_the_same_file():
    image = picture(alpha=True)

    bgr = smalti.compress(image[..., [2, 1, 0, 3]], k=9, channels="bgr")

    assert bgr.data == smalti.compress(image, k=9).data


def test_report_reads_well_and_survives_json(source, tmp_path):
    report = smalti.compress(source, tmp_path / "out.png", 16)

    text = str(report)
    assert text.splitlines()[0] == f"{source} → {tmp_path / 'out.png'}"
    assert f"{report.bytes_in:,} → {report.bytes_out:,} bytes" in text
    assert max(len(line) for line in text.splitlines()[1:]) <= 105
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["palette"][0]["hex"] == report.palette.hex()[0]
    assert sum(color["share"] for color in plain["palette"]) == pytest.approx(1)
    assert plain["saved_percent"] == pytest.approx(report.saved_percent, abs=0.01)
    assert plain["stop_reason"] in ("converged", "tol", "max_iter", "searched")


def test_a_line_break_in_a_name_cannot_forge_a_line(tmp_path):
    path = tmp_path / "a\nb.png"
    path.write_bytes(file_of(picture()))

    report = smalti.compress(path, tmp_path / "c\nd.png", 4)

    assert len([line for line in str(report).splitlines() if ".png" in line]) == 1


def test_real_photograph_is_compressed_to_a_fraction(shared_data, tmp_path):
    report = smalti.compress(shared_data / "kodak" / "kodim23.png", tmp_path / "x.png", 64)

    assert report.distinct_colors == 72_079
    assert report.saved_percent > 75
    assert report.psnr > 30
