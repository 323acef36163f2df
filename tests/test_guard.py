"""The small-region guard: dots stay red, and photographs stay as they are."""

import numpy as np
import pytest
from pictures import LEVELS, chart, level, photo

from smalti import Histogram, compress, guard, quantize
from smalti.fit import fit_palette
from smalti.guard import Region, fit_guarded, lost_regions
from smalti.settings import Settings

RED = (208, 16, 16)
AT = (300, 200)  # x, y


def with_dot(image, color=RED, side=6, at=AT):
    x, y = at
    image = image.copy()
    image[y : y + side, x : x + side, :3] = color
    return image


def lost(image, k, most=99):
    histogram = Histogram.of(image)
    palette, labels, _ = fit_palette(histogram, Settings.of(k, threads=1))
    return lost_regions(image, histogram, palette, labels, most)


def shown(result, at=AT):
    return result.to_array()[at[1] + 2, at[0] + 2].astype(int)


@pytest.mark.parametrize("k", [8, 16, 32, 64])
@pytest.mark.parametrize("color", [RED, (150, 40, 40), (255, 128, 0)])
def test_a_dot_of_six_by_six_pixels_on_a_map_of_thousands_of_colors_keeps_its_color(k, color):
    image = with_dot(chart(1, 640), color)

    result = quantize(image, k, guard=True)

    assert len(Histogram.of(image)) > 10_000
    assert np.abs(shown(result) - color).max() <= 16
    assert len(result.palette) == k


def test_without_the_guard_the_dot_is_lost():
    image = with_dot(chart(1, 640))

    assert np.abs(shown(quantize(image, 8)) - RED).max() > 100


def test_the_region_is_named_with_its_color_place_and_size():
    found = lost(with_dot(chart(1, 640)), 8)

    assert found == [Region(RED, AT[0] + 2, AT[1] + 2, 36)]
    assert str(found[0]) == "small region kept: #d01010 at (302, 202), 36 pixels"


def test_dots_of_one_color_take_one_entry_and_are_counted():
    image = chart(1, 640)
    for i, side in enumerate((3, 5, 4)):
        image = with_dot(image, side=side, at=(100 + 90 * i, 400))

    found = lost(image, 8)

    assert found == [Region(RED, 192, 402, 25, others=2)]
    assert str(found[0]).endswith("25 pixels, and 2 more like it")


def test_the_worst_regions_come_first_and_only_as_many_as_there_is_room_for():
    image = with_dot(with_dot(chart(1, 640), (255, 255, 0), at=(50, 50)), side=9)

    assert [region.color for region in lost(image, 8)] == [RED, (255, 255, 0)]
    assert [region.color for region in lost(image, 8, most=1)] == [RED]
    regions = fit_guarded(image, Histogram.of(image), Settings.of(8, threads=1))[3]
    assert len(regions) == 1  # one entry in eight


@pytest.mark.parametrize("k", [1, 2, 7])
def test_below_eight_entries_none_is_taken(k):
    image = with_dot(chart(1, 640))

    guarded = quantize(image, k, guard=True)

    np.testing.assert_array_equal(guarded.palette, quantize(image, k).palette)


@pytest.mark.parametrize("k", [8, 16, 64])
def test_pictures_without_small_regions_stay_as_they_are_to_the_bit(k):
    for image in (photo(1, 192), chart(1, 256)):
        guarded, plain = quantize(image, k, guard=True), quantize(image, k)

        np.testing.assert_array_equal(guarded.palette, plain.palette)
        np.testing.assert_array_equal(guarded.indices, plain.indices)


def test_specks_are_not_regions():
    image = chart(1, 640)
    image[5:600:40, 5:600:40] = RED

    assert lost(image, 8) == []


def test_blended_pixels_of_smooth_edges_are_not_regions():
    y, x = np.mgrid[:300, :400]
    share = np.clip((x - 0.5 * y - 100) + 0.5, 0, 1)[..., None]  # one pixel wide, along a slope
    image = (share * [250, 240, 230] + (1 - share) * [10, 20, 60]).round().astype(np.uint8)
    image[::2, :20] += 3  # shades, so that the two sides take all entries

    histogram = Histogram.of(image)
    palette, labels, _ = fit_palette(histogram, Settings.of(2, threads=1))
    assert ((share > 0.2) & (share < 0.8)).sum() > 50  # pixels that neither entry comes near
    assert lost_regions(image, histogram, palette, labels, 9) == []


def test_a_line_one_pixel_wide_is_a_region():
    image = chart(1, 640)
    image[300, 50:90] = RED

    assert [(r.color, r.y, r.pixels) for r in lost(image, 8)] == [(RED, 300, 40)]


def test_a_dot_with_smooth_edges_keeps_the_color_of_its_middle():
    image = chart(2, 640)
    y, x = np.mgrid[:640, :640]
    cover = np.clip(4.5 - np.hypot(y - 202.5, x - 302.5), 0, 1)[..., None]
    image = (cover * RED + (1 - cover) * image).round().astype(np.uint8)

    result = quantize(image, 16, guard=True)

    assert np.abs(shown(result) - RED).max() <= 24


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("effort", ["lloyd", "turbo", "fast", "default", "best"])
def test_every_effort_and_space_can_be_guarded(space, effort):
    image = with_dot(chart(3, 384))

    result = quantize(image, 8, guard=True, space=space, effort=effort)

    assert np.abs(shown(result) - RED).max() <= 24


def test_a_dot_on_a_cut_out_keeps_its_color():
    picture = with_dot(chart(1, 640))
    alpha = np.where(np.hypot(*np.mgrid[-320:320, -320:320]) < 300, 255, 0).astype(np.uint8)
    image = np.dstack([picture, alpha])

    result = quantize(image, 8, guard=True)

    assert result.to_array()[AT[1] + 2, AT[0] + 2].tolist() == [*RED, 255]
    np.testing.assert_array_equal(result.to_array()[..., 3], alpha)


def test_what_is_kept_anyway_is_kept_beside_the_promoted_color():
    result = quantize(with_dot(chart(1, 640)), 8, guard=True, keep="7=#fff")

    assert result.palette[7].tolist() == [255, 255, 255]
    assert list(RED) in result.palette.tolist()


def test_own_centroids_and_maps_of_weights_are_not_overruled():
    image = with_dot(chart(1, 640))
    seeds = quantize(image, 8).palette
    weight = np.full(image.shape[:2], 200, np.uint8)
    weight[AT[1] : AT[1] + 6, AT[0] : AT[0] + 6] = 1

    for options in ({"init": seeds}, {"weight": weight}):
        guarded = quantize(image, 8, guard=True, **options)

        np.testing.assert_array_equal(guarded.palette, quantize(image, 8, **options).palette)


def test_compress_guards_and_reports_what_was_kept_unless_told_not_to():
    image = with_dot(chart(1, 640))

    guarded, plain = compress(image, k=8), compress(image, k=8, guard=False)

    assert "small region kept: #d01010 at (302, 202), 36 pixels" in guarded.notes
    assert "#d01010" in guarded.palette.hex()
    assert plain.notes == ()
    assert "#d01010" not in plain.palette.hex()
    assert guarded.distortion == pytest.approx(plain.distortion, rel=0.3)


def test_levels_and_threads_do_not_show():
    image = with_dot(chart(4, 384))
    results = set()
    for name in LEVELS:
        for threads in (1, 3):
            with level(name):
                result = quantize(image, 8, guard=True, threads=threads)
            results.add((result.palette.tobytes(), result.indices.tobytes()))

    assert len(results) == 1


def flooded(mask, points):
    """The first pixel of each pixel's region, by flooding from one pixel at a time."""
    height, width = mask.shape
    first = np.full(mask.shape, -1)
    for start in np.flatnonzero(mask):
        if first.flat[start] >= 0:
            continue
        waiting = [start]
        first.flat[start] = start
        while waiting:
            y, x = divmod(waiting.pop(), width)
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    d2 = ((points[y, x] - points[v, u]) ** 2).sum()
                    if mask[v, u] and first[v, u] < 0 and d2 <= guard.SIMILAR2:
                        first[v, u] = start
                        waiting.append(v * width + u)
    return first[mask]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 2), (24, 31), (50, 17)])
def test_regions_are_those_of_a_flood(seed, size):
    rng = np.random.default_rng([seed, *size])
    mask = rng.random(size) < (0.3, 0.5, 0.7, 0.9, 1, 0.6)[seed]
    mask.flat[0] = True
    points = rng.integers(0, 3, (*size, 3)) * 500  # neighbors may or may not be similar
    at = np.flatnonzero(mask)

    found = guard._components(at, points.reshape(-1, 3)[at], size[1])

    np.testing.assert_array_equal(at[found], flooded(mask, points))


@pytest.mark.parametrize("k", [16, 64, 256])
def test_the_mean_error_of_photographs_does_not_change(shared_data, k):
    from PIL import Image

    changed = []
    for name in ("kodim06", "kodim10", "kodim19"):  # those that come closest to losing something
        with Image.open(shared_data / "kodak" / f"{name}.png") as file:
            image = np.asarray(file.convert("RGB"))
        histogram, settings = Histogram.of(image), Settings.of(k)
        plain = fit_palette(histogram, settings)[2].distortion
        changed.append(fit_guarded(image, histogram, settings)[2].distortion / plain)

    assert np.mean(changed) < 1.0005
