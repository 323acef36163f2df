"""Size-aware mapping: the kernels against plain Python, and what it promises about pictures."""

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pictures import SPACES, chart, draw, images, photo
from PIL import Image
from process import file_of, one_line

from smalti import BadOption, IndexedImage, _core, color, compress, quantize, reference

SIZES = (0.05, 0.25, 1)
KS = st.sampled_from([1, 2, 3, 16, 17, 255, 256])
SIZE = st.sampled_from(SIZES)
SPACE = st.sampled_from(SPACES)
DITHER = st.sampled_from(["auto", "none", "floyd-steinberg"])
few = settings(max_examples=40, deadline=None)


def noisy_ramp(height=12, width=30, channels=3, seed=0):
    """A gradient with noise: neighbors whose nearest entries often differ."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width)[None, :, None] + np.arange(height)[:, None, None]
    pixels = ramp + rng.normal(0, 12, (height, width, channels))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = rng.choice([0, 90, 180, 255, 255, 255], (height, width))
    return pixels


def some_entries(image, k, seed=0):
    """A palette of pixels of the image, so that some pixels are exact."""
    colors = np.unique(image.reshape(-1, image.shape[2]), axis=0)
    return colors[np.random.default_rng(seed).permutation(len(colors))[:k]]


def brute_labels(points, entries):
    d2 = ((points[:, :, None].astype(np.int64) - entries[None, None]) ** 2).sum(-1)
    return d2.argmin(-1).astype(np.uint8)


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("k", "copies", "prune"), [(1, 3, 25), (5, 3, 25), (20, 1, 6), (40, 0, 1e6)]
)
def test_native_trellis_matches_the_reference(space, channels, k, copies, prune):
    image = noisy_ramp(channels=channels, seed=k)
    palette = some_entries(image, k)
    points = color.to_points(image.reshape(-1, channels), space).reshape(image.shape)
    entries = color.to_points(palette, space)
    labels = brute_labels(points, entries)
    activity = np.random.default_rng(1).integers(0, 256, labels.shape).astype(np.uint8)
    importance = (1 / np.linspace(2e4, 4e5, 256)).astype(np.float32)
    strengths, gradients = (
        np.random.default_rng(seed).integers(0, 129, labels.shape).astype(np.uint8)
        for seed in (2, 3)
    )
    gains = np.linspace(1, 5, 256).astype(np.float32)
    other = np.linspace(3, 8, len(entries)).astype(np.float32)
    costs = {
        name: np.float32(value)
        for name, value in (
            ("same", 1),
            ("copy", 9),
            ("go_on", 0.1),
            ("feedback", 0.75),
            ("prune", prune),
        )
    }
    costs |= {"other": other, "copies": copies}  # fmt: skip
    full = int(color.bounds(space, 4)[7])
    kinds = np.full(len(entries), 2)
    if channels == 4:
        kinds = np.where(entries[:, 3] == 0, 0, np.where(entries[:, 3] == full, 2, 1))
    chosen = labels.copy()

    _core.trellis(image, color.code(space), color.LINEAR, entries, full, activity, importance,
                  gradients, gains, strengths, 1.0, other, 9.0, 0.1, copies, 0.75, prune, chosen,
                  2)  # fmt: skip

    expected = reference.trellis(
        points,
        importance[activity] * gains[gradients],
        strengths,
        entries,
        kinds,
        labels.astype(int),
        costs,
    )
    np.testing.assert_array_equal(chosen, expected)
    if k > 5:
        assert (chosen != labels).any()


# ---------------------------------------------------------------- kernels


def lightness(image, space):
    points = reference.to_points(image.reshape(-1, image.shape[2]), space).reshape(image.shape)
    if space == "oklab":
        return points[..., 0]
    return (points[..., 0] + 2 * points[..., 1] + points[..., 2]) // 4


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("family", "height", "width"),
    [("noise", 20, 25), ("few colors", 140, 11), ("gradient", 30, 9), ("noise", 1, 40),
     ("few colors", 133, 1), ("gradient", 1, 1)],
)  # fmt: skip
def test_native_activity_and_repeats_match_the_reference(
    any_level, space, channels, family, height, width
):
    image = draw(family, channels, seed=height, height=height, width=width)
    image[height // 2 :, width // 2 :] = image[-1, -1]  # something drawn
    busy, repeats, gradients = (np.zeros((height, width), np.uint8) for _ in range(3))
    light = lightness(image, space)

    for threads in (1, 3):
        _core.activity(image, color.code(space), color.LINEAR, busy, repeats, gradients, threads)

        np.testing.assert_array_equal(busy, reference.activity(light))
        np.testing.assert_array_equal(repeats, reference.repeats(image))
        np.testing.assert_array_equal(gradients, reference.gradients(image, light))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 2, 17, 256])
@pytest.mark.parametrize("weighted", [False, True])
def test_native_survey_matches_numpy(any_level, space, channels, k, weighted):
    rng = np.random.default_rng(k)
    image = draw("noise", channels, seed=k, height=270, width=23)
    palette = some_entries(image, k)
    points = reference.to_points(image.reshape(-1, channels), space)
    entries = color.to_points(palette, space)
    indices = rng.integers(0, k, image.shape[:2]).astype(np.uint8)
    indices[:, 1::2][rng.random((270, 11)) < 0.5] = 0  # some repeat
    indices[:9] = brute_labels(points[: 9 * 23].reshape(9, 23, channels), entries)  # some are exact
    activity = rng.integers(0, 256, indices.shape).astype(np.uint8)
    importance = (1 / np.linspace(300, 4000, 256)).astype(np.float32)
    weights = rng.integers(0, 256, indices.shape).astype(np.uint8) if weighted else None

    tally = np.empty((k, 3 + channels), np.int64)
    results = {
        _core.survey(image, color.code(space), color.LINEAR, entries, indices, activity,
                     importance, weights, tally, threads)
        for threads in (1, 2, 5)
    }  # fmt: skip

    weight = np.ones(indices.size, np.int64) if weights is None else weights.ravel().astype(int)
    labels = indices.ravel()
    d2 = ((points - entries[labels].astype(np.int64)) ** 2).sum(1)
    again = indices[:, 1:] == indices[:, :-1]
    ((same, error),) = results
    assert same == again.sum() > 0
    np.testing.assert_array_equal(tally[:, 0], np.bincount(indices[:, 1:][~again], minlength=k))
    np.testing.assert_array_equal(tally[:, 1], np.bincount(labels, weight, k))
    np.testing.assert_array_equal(tally[:, 2], np.bincount(labels[d2 == 0], minlength=k))
    for d in range(channels):
        sums = np.bincount(labels, weight * points[:, d], k)
        np.testing.assert_array_equal(tally[:, 3 + d], sums)
    assert error == pytest.approx((weight * d2 * importance[activity].ravel().astype(float)).sum())
    assert (tally[:, 2] > 0).any()


@pytest.mark.parametrize("channels", [3, 4])
def test_strips_of_128_rows_stand_alone(any_level, channels):
    image = noisy_ramp(height=300, width=9, channels=channels)
    palette = some_entries(image, 12)
    labels = brute_labels(
        color.to_points(image.reshape(-1, channels), "oklab").reshape(image.shape),
        color.to_points(palette, "oklab"),
    )
    flat = np.zeros(labels.shape, np.uint8)
    importance, even = np.full(256, 1e-5, np.float32), np.ones(256, np.float32)

    def chosen(rows, threads):
        found = labels[rows].copy()
        _core.trellis(image[rows], color.code("oklab"), color.LINEAR,
                      color.to_points(palette, "oklab"), int(color.bounds("oklab", 4)[7]),
                      flat[rows], importance, flat[rows], even, flat[rows] + 128, 1.0,
                      np.full(12, 6, np.float32), 9.0, 0.1, 3, 0.75, 25, found,
                      threads)  # fmt: skip
        return found

    whole = chosen(np.s_[:], 1)

    np.testing.assert_array_equal(chosen(np.s_[:], 5), whole)
    parts = [chosen(np.s_[top : top + 128], 1) for top in (0, 128, 256)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (whole != labels).mean() > 0.05


# ---------------------------------------------------------------- gradients


def hues(side=200):
    """Every hue from left to right, ever darker downward: smooth, and too much for 256 colors."""
    hue = np.linspace(0, 6, side)[:, None] + [3, 1, 5]
    value = np.linspace(255, 20, side)[:, None, None]
    return (np.clip(abs(hue % 6 - 3) - 1, 0, 1) * value).round().astype(np.uint8)


def blurred_error(image, result):
    """What is seen of an error from afar: the RMS of its means over 7 x 7 pixels, in Oklab."""
    errors = [
        color.to_points(np.ascontiguousarray(i.reshape(-1, 3)), "oklab").reshape(i.shape)
        for i in (image, result)
    ]
    error = errors[1].astype(np.int64) - errors[0]
    sums = np.dstack([reference.window_sums(error[..., d], 3) for d in range(3)])
    return np.sqrt((sums.astype(float) ** 2).sum(-1).mean()) / 49


@pytest.mark.parametrize("turned", [False, True])
def test_clean_gradients_are_mixed_as_smoothly_as_without_a_thought_of_bytes(turned):
    image = np.ascontiguousarray(hues().swapaxes(0, 1)) if turned else hues()

    usual, dithered = (compress(image, size=size) for size in (None, 0))

    assert usual.size == 0.25
    assert blurred_error(image, shown(usual)) < 1.2 * blurred_error(image, shown(dithered))
    assert usual.bytes_out < 0.9 * dithered.bytes_out


def test_what_is_no_clean_gradient_is_mapped_as_if_there_were_none(monkeypatch):
    pictures = photo(3), page_of_text(), chart(2, 128), draw("few colors", 3, seed=2)
    usual = [compress(image, k=200) for image in pictures]
    ramp = compress(hues(96), k=200)

    monkeypatch.setattr("smalti.size.EVEN", 1.0)

    for image, report in zip(pictures, usual, strict=True):
        same_files(report, compress(image, k=200))
    assert compress(hues(96), k=200).data != ramp.data


def test_gradients_are_told_from_grain_edges_and_flat_places():
    ramp = np.linspace(0, 255, 64)[None, :, None] * np.ones((20, 1, 3))
    slow, fast = (ramp * slope + 20 for slope in (0.1, 0.9))
    grain = fast + np.random.default_rng(0).normal(0, 3, fast.shape)
    edges = np.where(np.arange(64)[None, :, None] % 6 < 3, 30, 220) * np.ones_like(ramp)
    fade = np.dstack([np.full_like(ramp, 200), ramp[..., :1]])  # from clear to opaque

    found = []
    for picture in (slow, fast, fade, grain, edges, np.full_like(ramp, 128)):
        image = picture.clip(0, 255).astype(np.uint8)
        found.append(reference.gradients(image, lightness(image, "oklab")))

    assert [int(np.median(gradients)) for gradients in found] == [128, 128, 128, 0, 0, 0]
    assert all(gradients.max() == 0 for gradients in found[3:])


# ---------------------------------------------------------------- promises


def shown(report, channels=3):
    with Image.open(io.BytesIO(report.data)) as file:
        return np.asarray(file.convert("RGB" if channels == 3 else "RGBA"))


def visible(image):
    return np.where(image[..., 3:] == 0, 0, image) if image.shape[2] == 4 else image


def same_files(a, b):
    assert a.data == b.data
    np.testing.assert_array_equal(a.palette.colors, b.palette.colors)


@given(images(), KS, SPACE, DITHER)
@few
def test_size_0_is_what_quantize_gives(image, k, space, dither):
    options = {"space": space, "dither": dither, "guard": True}

    report = compress(image, k=k, size=0, pack="fast", **options)

    expected = quantize(image, k, **options)
    np.testing.assert_array_equal(report.palette.colors, expected.palette)
    found, wanted = (visible(i) for i in (shown(report, image.shape[2]), expected.to_array()))
    np.testing.assert_array_equal(found[..., : wanted.shape[2]], wanted)


@given(images(), KS, SPACE, SIZE, DITHER)
@few
def test_pixels_whose_color_is_in_the_palette_keep_it_and_no_entry_has_a_twin(
    image, k, space, size, dither
):
    channels = image.shape[2]

    report = compress(image, k=k, space=space, size=size, dither=dither, pack="fast")

    palette = report.palette.colors
    assert len(np.unique(palette, axis=0)) == len(palette) <= k
    if palette.shape[1] < channels:
        palette = np.column_stack([palette, np.full(len(palette), 255, np.uint8)])
    there = (visible(image)[:, :, None] == visible(palette[None])[None]).all(-1).any(-1)
    # As points, for at low alpha several colors are one.
    found, wanted = (
        reference.to_points(pixels[there], space) for pixels in (shown(report, channels), image)
    )
    np.testing.assert_array_equal(found, wanted)


@given(images(channels=(4,)), KS, SPACE, SIZE, st.sampled_from(["png", "gif", "webp"]))
@few
def test_opaque_pixels_stay_opaque_and_clear_ones_clear(image, k, space, size, kind):
    report = compress(image, k=k, space=space, size=size, format=kind, pack="fast")

    alpha, palette = shown(report, 4)[..., 3], report.palette.colors
    entries = palette[:, 3] if palette.shape[1] == 4 else np.full(len(palette), 255)
    for value in (0, 255):
        if (entries == value).any():
            assert (alpha[image[..., 3] == value] == value).all()
    if k > 2:
        assert (alpha[image[..., 3] == 255] == 255).all()
        assert (alpha[image[..., 3] == 0] == 0).all()


@given(images(channels=(4,)), KS, SPACE, SIZE, DITHER, st.integers(0, 2**32 - 1))
@few
def test_colors_that_nobody_sees_change_nothing(image, k, space, size, dither, seed):
    hidden = image.copy()
    hidden[image[..., 3] == 0, :3] = np.random.default_rng(seed).integers(
        0, 256, ((image[..., 3] == 0).sum(), 3)
    )
    hidden[: len(image) // 2][image[: len(image) // 2, :, 3] == 0] = 0  # some look drawn

    options = {"k": k, "space": space, "size": size, "dither": dither, "pack": "fast"}
    same_files(compress(hidden, **options), compress(image, **options))


@given(images(), SPACE, SIZE, DITHER)
@few
def test_a_picture_of_no_more_than_k_colors_comes_back(image, space, size, dither):
    k = len(np.unique(visible(image).reshape(-1, image.shape[2]), axis=0))
    assume(k <= 256)

    report = compress(image, k=k, space=space, size=size, dither=dither, pack="fast")

    np.testing.assert_array_equal(visible(shown(report, image.shape[2])), visible(image))


@given(images(), st.sampled_from([3, 16, 17, 64]), SPACE, SIZE)
@few
def test_kept_colors_do_not_move(image, k, space, size):
    keep = [(1, 2, 3), (250, 128, 7)]

    report = compress(image, k=k, keep=keep, space=space, size=size, pack="fast")

    palette = report.palette.colors[:, :3].tolist()
    assert [list(color) for color in keep if list(color) not in palette] == []


@pytest.mark.parametrize("size", SIZES)
def test_kept_rows_are_in_the_file(size, tmp_path):
    (tmp_path / "a.png").write_bytes(
        compress(photo(1), k=20, keep="3=#fff,17=#f80", size=size).data
    )

    palette = IndexedImage.load(tmp_path / "a.png").palette.tolist()

    assert len(palette) == 20
    assert (palette[3], palette[17]) == ([255, 255, 255], [255, 136, 0])


@pytest.mark.parametrize("size", SIZES)
def test_colors_of_guarded_regions_do_not_move(size):
    image = chart(1, 640)
    image[200:206, 300:306] = [208, 16, 16]
    image[202, 302] = [200, 30, 10]  # the region is more than its very color

    report = compress(image, k=8, size=size)

    assert any("small region kept: #d01010" in note for note in report.notes)
    assert [208, 16, 16] in report.palette.colors.tolist()
    assert shown(report)[204, 304].tolist() == [208, 16, 16]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dither", ["auto", "none"])
def test_given_palettes_keep_every_row_in_the_file(size, dither, tmp_path):
    colors = [[0, 0, 0], [255, 255, 255], [9, 90, 200], [120, 110, 100], [200, 120, 60]]

    report = compress(photo(1), palette=colors, size=size, dither=dither)

    (tmp_path / "a.png").write_bytes(report.data)
    assert IndexedImage.load(tmp_path / "a.png").palette.tolist() == colors
    assert report.palette.colors.tolist() == colors
    assert len(report.data) < len(compress(photo(1), palette=colors, dither=dither, size=0).data)


@pytest.mark.parametrize("size", SIZES)
def test_centroids_of_ones_own_do_not_move(size):
    options = {"k": 4, "init": np.uint8([[9, 9, 9], [99, 0, 0], [0, 200, 0], [0, 0, 250]])}

    report = compress(photo(1), size=size, max_iter=0, **options)

    expected = compress(photo(1), size=0, max_iter=0, **options)
    np.testing.assert_array_equal(report.palette.colors, expected.palette.colors)


def test_a_map_of_weights_is_minded():
    image = photo(3)
    weight = np.zeros(image.shape[:2], np.uint8)
    weight[:, :24] = 200

    errors = [
        ((shown(report).astype(int) - image)[:, :24] ** 2).sum()
        for report in (
            compress(image, k=8, weight=weight, size=size, dither="none") for size in (0, *SIZES)
        )
    ]
    without = compress(image, k=8, size=0, dither="none")
    unweighted = ((shown(without).astype(int) - image)[:, :24] ** 2).sum()

    assert errors[0] <= errors[1] <= errors[2] <= errors[3] < 0.8 * unweighted
    assert errors[2] < 1.2 * errors[0]


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
@pytest.mark.parametrize("k", [2, 16, 17, 256])
@pytest.mark.parametrize("dither", ["auto", "none"])
@pytest.mark.parametrize("picture", ["photo", "ramp"])
def test_a_larger_size_gives_a_smaller_file(kind, k, dither, picture):
    image = photo(7) if picture == "photo" else noisy_ramp(96, 128)

    options = {"k": k, "dither": dither, "format": kind}
    plain, usual, least = (compress(image, size=s, **options).bytes_out for s in (0, 0.25, 1))

    assert max(least, usual) <= 1.02 * plain
    if (kind, k) != ("gif", 2):  # LZW of two colors lives on phrases more than on runs
        assert least <= usual


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
def test_without_dithering_no_error_is_handed_on(size, kind):
    flat = np.full((40, 50, 3), 100, np.uint8)
    options = {"palette": "#000,#fff", "size": size, "format": kind, "pack": "fast"}

    plain = compress(flat, dither="none", **options)
    mixed = compress(flat, dither="auto", **options)

    assert len(np.unique(shown(plain))) == 1
    assert set(np.unique(shown(mixed))) == {0, 255}
    assert plain.dithering.startswith("none (size")
    assert mixed.dithering.startswith("some, as far as it costs few bytes (size")
    assert shown(compress(flat, dither_strength=0, **options)).tolist() == shown(plain).tolist()


# ---------------------------------------------------------------- shapes, levels and threads


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (129, 5), (257, 2)])
@pytest.mark.parametrize("k", [1, 2, 16, 17, 256])
@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_of_any_shape_are_mapped(shape, k, channels):
    image = draw("noise", channels, seed=k, height=shape[0], width=shape[1])

    for size in (0.25, 1):
        report = compress(image, k=k, size=size, pack="fast")

        found = shown(report, channels)
        assert found.shape == image.shape
        stored = np.unique(visible(found).reshape(-1, channels), axis=0)
        palette = report.palette.colors
        assert {tuple(c[: palette.shape[1]]) for c in stored} <= {
            tuple(c) for c in visible(palette[None])[0]
        }


@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize("width", [1, 2, 33])
def test_narrow_pictures_are_mapped_for_every_format(kind, width):
    image = draw("noise", 3, seed=width, height=40, width=width)

    report = compress(image, k=4, size=0.5, format=kind, pack="fast")

    assert report.data is not None
    assert shown(report).shape == image.shape


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", ["png", "gif"])
@pytest.mark.parametrize("space", SPACES)
def test_the_same_file_on_every_level_for_every_thread_count(any_level, channels, kind, space):
    image = np.dstack([noisy_ramp(290, 60), draw("noise", 4, seed=1, height=290, width=60)[..., 3]])
    image = np.ascontiguousarray(image[..., :channels])
    options = {"k": 30, "space": space, "format": kind, "pack": "fast"}

    for size in (0.25, 1):
        before = _core.level()
        assert _core.choose_level("v2") or _core.choose_level("plain")
        expected = compress(image, size=size, threads=1, **options)
        assert _core.choose_level(before)
        for threads in (1, 2, 5):
            same_files(compress(image, size=size, threads=threads, **options), expected)


# ---------------------------------------------------------------- the option


@pytest.mark.parametrize("method", ["atkinson", "sierra-lite", "bayer", "blue-noise"])
def test_other_ways_of_dithering_leave_size_no_place(method):
    with pytest.raises(BadOption) as caught:
        compress(photo(1, 16), k=4, dither=method, size=0.25)

    assert str(caught.value) == (
        f"mapping for a small file takes dither auto, none or floyd-steinberg, got {method}; "
        "leave size out, or make it 0"
    )
    plain = compress(photo(1, 16), k=4, dither=method)
    same_files(plain, compress(photo(1, 16), k=4, dither=method, size=0))


@pytest.mark.parametrize("size", [-0.1, 1.01, float("nan"), "x", True, [0.5]])
def test_sizes_outside_0_to_1_are_refused_before_any_work(size, tmp_path):
    with pytest.raises(BadOption, match="size"):
        compress(tmp_path / "not there.png", size=size)


def test_the_default_is_a_quarter_where_nothing_speaks_against_it():
    image = photo(5, 48)
    quarter, none = ({"size": size} for size in (0.25, 0))

    for size, options in (
        (quarter, {}), (quarter, {"dither": "none"}), (quarter, {"format": "gif"}),
        (none, {"dither": "floyd-steinberg"}), (none, {"palette": "#000,#f80,#fff"}),
        (none, {"effort": "turbo"}), (none, {"k": 300}),
    ):  # fmt: skip
        given = {"k": 9, **options} if "palette" not in options else options
        same_files(compress(image, **given), compress(image, **given, **size))


def page_of_text(seed=0):
    """Smooth glyphs of an alphabet of twelve, over and over."""
    rng = np.random.default_rng(seed)
    alphabet = (rng.random((12, 12, 8, 1)) ** 2 * [220, 200, 160]).astype(np.uint8)
    alphabet[:, :3] = alphabet[:, :, :2] = 0
    lines = [np.concatenate(alphabet[rng.integers(0, 12, 24)], axis=1) for _ in range(20)]
    return 255 - np.concatenate(lines)


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
def test_text_is_mapped_to_the_nearest_entries_where_that_is_smaller(kind):
    image = page_of_text()

    usual, plain, sized = (
        compress(image, k=12, format=kind, size=size) for size in (None, 0, 0.25)
    )

    assert plain.bytes_out < sized.bytes_out
    assert usual.size == 0
    same_files(usual, plain)


def test_previews_are_mapped_for_a_small_file_if_asked_and_not_dithered():
    options = {"k": 8, "effort": "turbo"}

    plain, small = (compress(photo(6), size=size, **options) for size in (0, 1))

    assert small.bytes_out < 0.8 * plain.bytes_out
    assert small.dithering.startswith("none (size")


@pytest.mark.parametrize("size", ["2", "x", "-1", "nan", ""])
def test_sizes_that_are_none_are_usage_errors(smalti, tmp_path, size):
    (tmp_path / "a.png").write_bytes(file_of(Image.fromarray(photo(1, 16))))

    done = smalti("a.png", f"--size={size}", code=2)

    assert "--size" in one_line(done.stderr)
    assert not (tmp_path / "a-smalti.png").exists()


def test_the_command_says_in_one_line_that_size_and_bayer_exclude_each_other(smalti, folder):
    done = smalti("a.png", "--size", "0.5", "--dither", "bayer", code=2)

    assert "leave size out, or make it 0" in one_line(done.stderr)


@pytest.mark.parametrize("size", [1e-10, 1e-25, 1e-170])
def test_a_size_next_to_nothing_is_as_good_as_nothing(size):
    image = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)

    report, least = (compress(image, k=16, size=amount, pack="fast") for amount in (size, 1e-3))

    assert report.data == least.data
