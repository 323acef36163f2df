"""Drafts of palettes for every k: near the final ones, calm from one k to the next, and whole."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictures import draw, images, photo

import smalti
from smalti import BadOption, Histogram, ladder, metrics, preview
from smalti.estimate import estimate_bytes
from smalti.load import load


def drafts(image, ks=None, **options):
    return list(preview.palettes(Histogram.of(image), ks, **{"threads": 1, **options}))


def shown_distortion(image, palette, space):
    shown = smalti.apply_palette(image, palette, space=space, dither="none").to_array()
    return metrics.distortion(image, shown, space)


@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_drafts_are_nearly_as_good_as_final_palettes(space):
    image = photo(1, side=256)

    for draft in drafts(image, [2, 5, 16, 40, 100, 256], space=space):
        final = smalti.build_palette(image, draft.k, space=space)
        best = shown_distortion(image, final, space)
        assert draft.palette.k == draft.k
        assert shown_distortion(image, draft.palette, space) < 1.06 * best


def test_the_distortion_of_a_draft_is_about_that_of_the_pixels():
    image = photo(3, side=256)

    for draft in drafts(image, [1, 4, 64, 256]):
        exact = shown_distortion(image, draft.palette, "oklab")
        assert draft.distortion == pytest.approx(exact, rel=0.1)


@given(images(), st.sampled_from(["srgb", "oklab"]))
@example(draw("noise", 4, 0), "oklab")
@settings(max_examples=60, deadline=None)
def test_the_distortion_never_rises_with_k_and_palettes_are_whole(image, space):
    histogram, last = Histogram.of(image), np.inf
    ks = preview.sizes(histogram)

    for k, draft in zip(ks, preview.palettes(histogram, space=space, threads=1), strict=True):
        assert draft.k == k
        assert draft.distortion <= last
        assert draft.palette.k <= k
        assert draft.palette.colors.shape[1] == image.shape[2]
        assert len(np.unique(draft.palette.colors, axis=0)) == draft.palette.k
        assert draft.palette.shares.sum() == pytest.approx(1)
        last = draft.distortion


@pytest.mark.parametrize("channels", [3, 4])
def test_an_image_of_at_most_k_colors_gets_exactly_its_colors(channels):
    image = draw("few colors", channels, 5)
    histogram = Histogram.of(image)

    *_, before, last = drafts(image, [*preview.sizes(histogram), 256])

    assert last.k == 256
    assert last.distortion == before.distortion == 0
    assert {*map(tuple, last.palette)} == {*map(tuple, histogram.colors.tolist())}
    assert before.k == len(histogram)


def test_drafts_do_not_depend_on_threads_nor_on_what_else_is_asked_for():
    image = np.concatenate([photo(seed, side=400) for seed in range(2)])

    alone = drafts(image, [64], threads=2)
    all_of_them = drafts(image)
    some = drafts(image, [64, 3, 200, 3], threads=2)

    assert [draft.k for draft in all_of_them] == list(range(1, 257))
    for draft in (*alone, *some):
        same = all_of_them[draft.k - 1]
        np.testing.assert_array_equal(draft.palette.colors, same.palette.colors)
        np.testing.assert_array_equal(draft.palette.shares, same.palette.shares)
        assert draft.distortion == same.distortion


def test_neighbors_resemble_each_other_more_than_palettes_found_apart():
    image = photo(4, side=192)
    ks = range(30, 42)

    def restlessness(palettes):
        steps = 0.0
        for one, other in pairwise(palettes):
            here, there = (smalti.metrics.to_lab(each.colors) for each in (one, other))
            nearest = np.sqrt(((here[:, None] - there) ** 2).sum(-1)).min(1)
            steps += nearest @ one.shares
        return steps

    warm = [draft.palette for draft in drafts(image, ks)]
    apart = [smalti.build_palette(image, k) for k in ks]

    assert restlessness(warm) < 0.8 * restlessness(apart)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("keep", ["#ff0102", "#010203,#ffffff,#00ff0080", "2=#010203,#0000"])
def test_kept_colors_are_in_every_draft_to_the_bit(keep, channels):
    image = draw("noise", channels, 7)
    histogram = Histogram.of(image)
    kept = smalti.Palette.of(keep.replace("2=", "")).colors

    ks = preview.sizes(histogram, keep)
    found = drafts(image, keep=keep)

    assert [draft.k for draft in found] == list(ks)
    assert len(kept) <= ks[0] <= len(kept) + 3
    for draft in found:
        colors = [(*color, 255)[:4] for color in draft.palette]
        assert {(*color, 255)[:4] for color in kept.tolist()} <= set(colors)
        assert draft.palette.k <= draft.k
        if "=" in keep:
            assert colors[2][:3] == (1, 2, 3)


def test_a_size_without_room_for_what_is_kept_is_refused_at_once():
    with pytest.raises(BadOption, match="keep needs k = 2 or more"):
        preview.palettes(Histogram.of(photo(1)), [1], keep="#fff,#000")


@pytest.mark.parametrize("k", [2, 3, 9, 30])
def test_clear_pixels_have_their_own_entry_and_opaque_ones_an_opaque_one(k):
    image = draw("noise", 4, 3)

    (draft,) = drafts(image, [k])

    alphas = draft.palette.colors[:, 3]
    assert (alphas == 0).sum() == 1
    assert (alphas == 255).any()
    clear = (image[..., 3] == 0).mean()
    assert draft.palette.shares[alphas == 0] == pytest.approx(clear)


def test_flat_areas_keep_their_very_color():
    image = photo(2)
    image[:40] = (250, 251, 252)

    for draft in drafts(image, range(4, 257)):
        assert (250, 251, 252) in [*draft.palette]


def test_a_preview_has_the_shape_of_its_image_and_the_mean_colors_of_boxes():
    image = photo(1, side=1200)

    small = preview.preview_image(image)

    assert small.shape == (894, 894, 4)
    assert (small[..., 3] == 255).all()
    halves = preview.preview_image(image, max_side=600)[..., :3].astype(float)
    boxes = image.reshape(600, 2, 600, 2, 3).mean((1, 3))
    assert np.abs(halves - boxes).max() <= 1
    assert preview.preview_image(image[:100, :1100]).shape == (93, 1024, 4)
    assert preview.preview_image(image[:1]).shape == (1, 1024, 4)


def test_a_small_image_is_its_own_preview():
    image = draw("noise", 4, 1)

    np.testing.assert_array_equal(preview.preview_image(image), image)
    np.testing.assert_array_equal(preview.preview_image(image[..., :3])[..., :3], image[..., :3])


def test_what_is_clear_does_not_color_a_preview():
    image = np.zeros((2000, 2000, 4), np.uint8)
    image[::2] = (255, 0, 0, 255)
    image[1::2] = (0, 255, 0, 0)

    small = preview.preview_image(image, max_side=1000, max_pixels=10**6)

    assert (small[..., :3] == (255, 0, 0)).all()
    assert np.abs(small[..., 3].astype(int) - 128).max() <= 1


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_cloud_is_of_visible_colors_where_centroids_would_be(space, channels):
    image = draw("noise", channels, 2)
    histogram = Histogram.of(image)

    places, colors, shares = preview.cloud(histogram, 300, space=space)

    assert 250 < len(places) == len(colors) == len(shares) <= 300
    assert places.dtype == shares.dtype == np.float32
    assert colors.dtype == np.uint8
    assert colors.shape[1] == 4
    assert (colors[:, 3] > 0).all()
    everything = preview.cloud(histogram, 10**6, space=space)
    visible = 1 - (image[..., 3] == 0).mean() if channels == 4 else 1
    assert everything.shares.sum() == pytest.approx(visible, abs=1e-6)
    step = next(smalti.steps(histogram, 200, space=space, show_seeds=True, init="random"))
    centroids = step.centroids[:, :3]
    nearest = ((centroids[:, None] - everything.places) ** 2).sum(-1).min(1)
    assert nearest.max() < 1e-6  # random seeds are colors of the image


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_estimates_are_near_the_files(kind, channels):
    image = photo(5, side=300)
    if channels == 4:
        edge = np.clip(np.arange(300) * 20 - 3000, 0, 255).astype(np.uint8)
        image = np.dstack([image, np.broadcast_to(edge, (300, 300))])
    found = [draft.palette for draft in drafts(image, [16, 64])]

    for palette, estimate in zip(found, estimate_bytes(image, found, format=kind), strict=True):
        size = smalti.compress(image, k=palette.k, format=kind).bytes_out
        assert estimate == pytest.approx(size, rel=0.2)


def test_large_images_are_estimated_from_patches_all_over_them():
    rng = np.random.default_rng(1)
    image = np.full((1600, 1500, 3), 250, np.uint8)
    image[900:1300, 200:1100] = rng.integers(0, 256, (400, 900, 3))
    found = [draft.palette for draft in drafts(image, [16])]

    (estimate,) = estimate_bytes(image, found, threads=1)

    size = smalti.compress(image, k=16).bytes_out
    assert estimate == pytest.approx(size, rel=0.25)


def test_what_cannot_be_estimated_is_refused_at_once():
    with pytest.raises(BadOption, match="format"):
        estimate_bytes(photo(1), [], format="jpeg")
    with pytest.raises(BadOption, match="pack"):
        estimate_bytes(photo(1), [], pack="hard")
    with pytest.raises(smalti.BadImage):
        estimate_bytes(np.zeros((2, 2)), [])


@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_the_curve_is_of_final_palettes_and_ends_with_what_choose_k_says(space):
    image = photo(6, side=128)
    histogram = Histogram.of(image)

    *points, visible, elbow = preview.curve(histogram, space=space)

    assert [point.k for point in points] == ladder.rungs(len(histogram))
    for point in points[::4]:
        shown = smalti.quantize(image, point.k, space=space, dither="none").to_array()
        assert point.distortion == pytest.approx(metrics.distortion(image, shown, space))
        assert point.psnr == pytest.approx(metrics.psnr(image, shown))
    for method, choice in (("visible", visible), ("elbow", elbow)):
        expected = smalti.choose_k(image, method=method, space=space)
        assert (choice.k, choice.reason, choice.curve) == (
            expected.k,
            expected.reason,
            expected.curve,
        )


def test_the_curve_of_an_image_with_alpha_ends_without_loss():
    *_, last, _, _ = preview.curve(Histogram.of(draw("few colors", 4, 2)), keep="#12345678")

    assert last.distortion == 0
    assert last.psnr == np.inf


def test_the_bundled_pictures_are_small_and_of_three_kinds():
    folder = Path(smalti.__file__).parent / "web" / "static" / "demos"
    names = ("photo.webp", "logo.webp", "screenshot.webp")

    assert sum((folder / name).stat().st_size for name in names) <= 26_000
    photo, logo, screenshot = (load(folder / name) for name in names)
    assert photo.shape == (320, 480, 3)
    assert {0, 255} < set(np.unique(logo[..., 3]).tolist())
    assert screenshot.shape == (400, 640, 3)
    for image in (photo, logo, screenshot):
        assert len(Histogram.of(image)) > 1000
