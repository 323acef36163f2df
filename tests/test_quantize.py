"""The central verbs: from an image to palette and indices."""

import io
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SPACES, draw, images
from PIL import Image

import smalti
from smalti import BadImage, BadOption, Histogram, Palette, reference


def ramp(n, width=256):
    """An image of n distinct colors."""
    packed = np.resize(np.arange(n, dtype=np.uint32) * 251, (-(-n // width), width))
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


@given(images(), st.sampled_from([1, 2, 3, 16, 255, 256]), st.sampled_from(SPACES))
@settings(max_examples=120, deadline=None)
def test_indices_are_the_nearest_entries_of_the_palette_ties_to_the_lower(image, k, space):
    result = smalti.quantize(image, k, space=space, dither="none")

    expected = reference.remap(image, result.palette, space)
    assert result.indices.dtype == np.uint8
    if result.fit.stop_reason == "exact":  # faint colors may share a point, yet each is kept
        pixels = result.palette[expected].reshape(-1, image.shape[2])
        found = result.to_array().reshape(-1, image.shape[2])
        np.testing.assert_array_equal(*(reference.to_points(p, space) for p in (pixels, found)))
    else:
        np.testing.assert_array_equal(result.indices, expected)


def test_a_tie_goes_to_the_lower_row_of_the_final_order():
    # The palette is 3, 7, 0, and 5 is as far from 3 as from 7.
    image = np.repeat(np.uint8([0, 3, 3, 5, 8])[None, :, None], 3, axis=2)

    result = smalti.quantize(image, 3, space="srgb")

    expected = reference.remap(image, result.palette, "srgb")
    assert result.indices.tolist() == expected.tolist()


def test_a_faint_pixel_takes_the_invisible_entry_where_that_is_nearest():
    image = np.uint8([[[0] * 4, [255, 255, 255, 1], [255, 255, 255, 200], [9, 9, 9, 255],
                       [9, 9, 8, 255]]])  # fmt: skip

    result = smalti.quantize(image, 3, space="srgb")

    expected = reference.remap(image, result.palette, "srgb")
    assert result.indices.tolist() == expected.tolist()


@given(images(), st.sampled_from([2, 16, 256]), st.sampled_from(SPACES))
@settings(max_examples=60, deadline=None)
def test_applying_the_palette_of_an_image_to_it_gives_the_same_indices(image, k, space):
    result = smalti.quantize(image, k, space=space)

    again = smalti.apply_palette(image, result.palette, space=space)

    np.testing.assert_array_equal(again.palette, result.palette)
    if result.fit.stop_reason != "exact" or image.shape[2] == 3:
        np.testing.assert_array_equal(again.indices, result.indices)


@pytest.mark.parametrize("k", [257, 1000, 65_535, 65_536])
def test_more_than_256_colors_give_16_bit_indices(k):
    image = ramp(70_000)
    assert len(Histogram.of(image)) == 70_000

    result = smalti.quantize(image, k, max_iter=1)

    assert result.indices.dtype == np.uint16
    assert len(result.palette) == k
    assert result.indices.max() == k - 1
    assert len(np.unique(result.to_array().reshape(-1, 3), axis=0)) == k


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 65_535, 65_536])
def test_image_of_k_colors_comes_back_unchanged(n):
    image = ramp(n)

    result = smalti.quantize(image, n)

    np.testing.assert_array_equal(result.to_array(), image)
    assert len(result.palette) == n
    assert result.indices.dtype == (np.uint8 if n <= 256 else np.uint16)
    assert result.fit.stop_reason == "exact"


def test_one_color_more_than_k_is_not_exact():
    result = smalti.quantize(ramp(257), 256)

    assert result.fit.stop_reason != "exact"
    assert len(result.palette) == 256
    assert result.indices.dtype == np.uint8


@given(images(channels=(4,)), st.sampled_from([2, 3, 16, 256]), st.sampled_from(SPACES))
@settings(max_examples=100, deadline=None)
def test_opaque_stays_opaque_and_invisible_stays_invisible(image, k, space):
    alpha = image[..., 3]

    result = smalti.quantize(image, k, space=space).to_array()

    assert (result[alpha == 255, 3] == 255).all()
    assert not result[alpha == 0].any()


@pytest.mark.parametrize("k", [3, 16, 64])
def test_alpha_that_is_255_everywhere_changes_nothing_but_the_channels(k):
    rgb = draw("noise", 3, seed=1)
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])

    for space in SPACES:
        plain, alpha = (smalti.quantize(image, k, space=space) for image in (rgb, rgba))
        np.testing.assert_array_equal(alpha.palette[:, :3], plain.palette)
        np.testing.assert_array_equal(alpha.indices, plain.indices)
        assert (alpha.palette[:, 3] == 255).all()


# ---------------------------------------------------------------- sources


def test_image_may_be_a_path_bytes_file_pillow_image_or_array(tmp_path):
    image = draw("gradient", 3, seed=2)
    path = tmp_path / "picture.png"
    Image.fromarray(image).save(path)
    expected = smalti.quantize(image, 8)

    with path.open("rb") as file:
        for source in (path, str(path), path.read_bytes(), file, Image.open(path),
                       io.BytesIO(path.read_bytes())):  # fmt: skip
            result = smalti.quantize(source, 8)
            np.testing.assert_array_equal(result.palette, expected.palette)
            np.testing.assert_array_equal(result.indices, expected.indices)


@pytest.mark.parametrize("source", [
    None, [np.zeros((4, 4, 3), np.uint8)] * 2, np.array(["a.png", "b.png"]), ["a.png", "b.png"],
], ids=["None", "images", "text array", "paths"])  # fmt: skip
def test_what_is_not_one_picture_is_refused_in_one_sentence_by_every_verb(source):
    for call in (
        lambda: smalti.quantize(source, 4),
        lambda: smalti.build_palette(source, 4),
        lambda: smalti.apply_palette(source, [[0, 0, 0]]),
        lambda: smalti.steps(source, 4),
        lambda: smalti.compress(source),
        lambda: Histogram.of(source),
    ):
        with pytest.raises(BadImage, match=r"^an image must be a path, .*, got ") as refusal:
            call()
        assert ("add their histograms" in str(refusal.value)) == (source is not None)


def test_a_wrong_order_of_channels_is_refused_for_files_too(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")

    for source in (tmp_path / "x.png", np.zeros((2, 2, 3), np.uint8)):
        with pytest.raises(BadOption, match="channels must be"):
            smalti.quantize(source, 2, channels="grb")


def test_bgr_arrays_give_the_palette_in_rgb():
    image = draw("noise", 4, seed=3)
    bgr = image[..., [2, 1, 0, 3]]
    expected = smalti.quantize(image, 8)

    result = smalti.quantize(bgr, 8, channels="bgr")

    np.testing.assert_array_equal(result.palette, expected.palette)
    np.testing.assert_array_equal(result.indices, expected.indices)
    assert smalti.build_palette(bgr, 8, channels="bgr") == smalti.build_palette(image, 8)
    mapped = [
        smalti.apply_palette(source, result.palette, channels=channels).indices
        for source, channels in ((bgr, "bgr"), (image, "rgb"))
    ]
    np.testing.assert_array_equal(*mapped)


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg"])
def test_the_array_is_not_modified(dither):
    image = draw("noise", 4, seed=4)
    before = image.copy()

    smalti.quantize(image, 4, dither=dither)

    np.testing.assert_array_equal(image, before)


def test_gray_arrays_give_a_gray_palette():
    gray = draw("gradient", 3, seed=5)[..., 0]

    for space in SPACES:
        palette = smalti.quantize(gray, 6, space=space).palette
        assert (palette == palette[:, :1]).all()


@pytest.mark.parametrize("source", [
    np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.uint16), np.zeros((0, 4, 3), np.uint8),
    np.zeros((4, 4, 2), np.uint8), np.full((4, 4, 3), np.nan), None, 5, "no such file.png", b"GIF",
], ids=str)  # fmt: skip
def test_what_is_no_image_is_refused_by_every_verb(source):
    for call in (
        lambda: smalti.quantize(source, 4),
        lambda: smalti.build_palette(source, 4),
        lambda: smalti.apply_palette(source, [[0, 0, 0]]),
        lambda: smalti.steps(source, 4),
    ):
        with pytest.raises(BadImage):
            call()


# ---------------------------------------------------------------- palettes and steps


def test_one_palette_may_serve_several_images():
    a, b = draw("noise", 3, seed=6), draw("gradient", 4, seed=7)

    palette = smalti.build_palette(Histogram.of(a) + Histogram.of(b), 16)

    assert palette.k == 16
    for image in (a, b):
        result = smalti.apply_palette(image, palette)
        np.testing.assert_array_equal(result.palette, palette.colors)


@pytest.mark.parametrize("palette", [[[0, 0, 0], [255, 255, 255]], np.uint8([[0, 0, 0], [255] * 3]),
                                     Palette([[0, 0, 0], [255, 255, 255]])])  # fmt: skip
def test_palette_may_be_rows_an_array_or_a_palette(palette):
    image = np.uint8([[[9, 9, 9], [250, 250, 250]]])

    assert smalti.apply_palette(image, palette).indices.tolist() == [[0, 1]]


def test_what_is_no_palette_is_refused():
    with pytest.raises(BadOption, match="palette"):
        smalti.apply_palette(np.zeros((2, 2, 3), np.uint8), [[1, 2]])


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("space", SPACES)
def test_steps_are_those_that_quantize_takes(channels, space):
    image = draw("noise", channels, seed=8)

    steps = list(smalti.steps(image, 8, space=space))

    fit = smalti.quantize(image, 8, space=space, effort="lloyd").fit
    assert [step.iteration for step in steps] == list(range(1, fit.iterations + 1))
    assert (steps[-1].stop_reason, steps[-1].distortion) == (fit.stop_reason, fit.distortion)
    np.testing.assert_array_equal(steps[-1].centroids, fit.centroids)
    assert steps[0].moved > steps[-1].moved
    assert all(a.distortion >= b.distortion for a, b in itertools.pairwise(steps))


def test_options_of_steps_are_checked_before_the_first_step():
    with pytest.raises(BadOption, match="k must be"):
        smalti.steps(np.zeros((2, 2, 3), np.uint8), 0)


def test_there_are_no_steps_when_every_color_is_kept():
    assert list(smalti.steps(np.zeros((2, 2, 3), np.uint8), 4)) == []


def test_progress_sees_every_step_and_may_cancel():
    image, seen = draw("noise", 3, seed=9), []

    class Enough(Exception):
        pass

    def stop_at_the_third(step):
        seen.append(step.iteration)
        if len(seen) == 3:
            raise Enough

    with pytest.raises(Enough):
        smalti.quantize(image, 16, effort="lloyd", tol=0, progress=stop_at_the_third)
    assert seen == [1, 2, 3]


def test_fit_has_the_time_of_each_stage():
    milliseconds = smalti.quantize(draw("noise", 3, seed=10), 16).fit.milliseconds

    assert set(milliseconds) == {"histogram", "palette", "map"}
    assert all(value >= 0 for value in milliseconds.values())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from /proc")
@pytest.mark.parametrize("channels", [3, 4])
def test_peak_memory_is_60_mib_and_12_bytes_per_pixel_at_most(channels):
    # Four megapixels of two million colors; with alpha, one of them is invisible and none opaque.
    code = f"""
from pathlib import Path
import numpy as np
import smalti

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

smalti.quantize(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), 2)
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
image = np.empty((2000, 2000, {channels}), np.uint8)
for row in range(2000):
    color = (np.arange(2000) + row * 998) * 8 % 2**24  # the next row has half of them, too
    for channel in range({channels}):
        image[row, :, channel] = (color >> 8 * (channel % 3)) % 255
smalti.quantize(image, 256, effort="fast", threads=2)
print(memory("VmHWM") - before, len(smalti.Histogram.of(image)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(Path(smalti.__file__).parent.parent)})  # fmt: skip

    peak, colors = map(int, done.stdout.split())
    assert colors > 1.9e6
    assert peak < 60 * 2**20 + 12 * 4e6
