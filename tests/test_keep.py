"""Kept colors: in the palette to the bit, in their rows, and the rest as good as can be."""

import io
import itertools

import numpy as np
import pytest
from pictures import LEVELS, draw, level, photo, tree_of
from PIL import Image

from smalti import (
    BadOption,
    Histogram,
    Palette,
    _core,
    build_palette,
    choose_k,
    color,
    compress,
    quantize,
    reference,
    search,
    steps,
)
from smalti.keep import Kept

EFFORTS = ("lloyd", *search.EFFORTS)
FAR = [[255, 0, 255], [0, 255, 255]]  # far from all that `photo` draws


@pytest.mark.parametrize(
    ("given", "colors", "places"),
    [
        ("#c00,#FFF", [[204, 0, 0, 255], [255, 255, 255, 255]], (None, None)),
        ("c008", [[204, 0, 0, 136]], (None,)),
        (" 3 = #010203 , orange", [[1, 2, 3, 255], [255, 165, 0, 255]], (3, None)),
        (["red", (1, 2, 3), np.uint8([4, 5, 6, 7])],
         [[255, 0, 0, 255], [1, 2, 3, 255], [4, 5, 6, 7]], (None, None, None)),
        ({0: "#fff", 5: (0, 0, 1)}, [[255, 255, 255, 255], [0, 0, 1, 255]], (0, 5)),
        (np.uint8([[1, 2, 3]]), [[1, 2, 3, 255]], (None,)),
        (Palette([[1, 2, 3]]), [[1, 2, 3, 255]], (None,)),
        ("red,#f00,2=#ff0000", [[255, 0, 0, 255]], (2,)),
        ("transparent,#12340000", [[0, 0, 0, 0]], (None,)),
    ],
)  # fmt: skip
def test_kept_colors_are_read_as_people_write_them(given, colors, places):
    kept = Kept.of(given)

    assert kept.colors.tolist() == colors
    assert kept.places == places
    assert Kept.of(kept) is kept


@pytest.mark.parametrize("nothing", [None, "", " , ", [], {}])
def test_where_nothing_is_kept_there_is_nothing(nothing):
    assert Kept.of(nothing) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("#c0", "'#c0' is no color; write #rgb, #rrggbb"),
        ("rot", "'rot' is no color"),
        ([[1, 2]], "3 or 4 of 0 to 255"),
        ([[1, 2, 256]], "3 or 4 of 0 to 255"),
        ([(0.5, 0, 0)], "3 or 4 of 0 to 255"),
        (7, "keep must be colors"),
        ("x=#fff", "rows from 0 on, such as '0=#fff', got 'x'"),
        ({-1: "#fff"}, "rows from 0 on"),
        ({True: "#fff"}, "rows from 0 on"),
        ("0=#fff,0=#000", "two colors for row 0: #ffffff and #000000"),
        ("0=#fff,1=#fff", "two rows for one color"),
        ("#111,#222,#333,#444,#555", "keep has 5 colors, more than k = 4"),
        ("4=#fff", "keep wants row 4, but k = 4 ends at row 3"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(BadOption, match=sentence.replace("(", r"\(")):
        quantize(photo(0, 8), 4, keep=given)


def test_kept_colors_and_centroids_of_ones_own_exclude_each_other():
    with pytest.raises(BadOption, match="exclude each other"):
        quantize(photo(0, 8), 2, init=np.uint8([[0, 0, 0], [9, 9, 9]]), keep="#fff")


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("space", ["oklab", "srgb"])
def test_kept_colors_are_in_the_palette_exactly_and_it_is_as_large_as_asked(effort, space):
    image = photo(1, 48)

    found = quantize(
        image, 12, effort=effort, space=space, keep=[*FAR, (100, 101, 102)], dither="none"
    )

    assert {tuple(c) for c in [*FAR, (100, 101, 102)]} <= {tuple(c) for c in found.palette}
    assert len(np.unique(found.palette, axis=0)) == len(found.palette) == 12
    points = color.to_points(found.palette, space).astype(float)
    pixels = color.to_points(image.reshape(-1, 3), space).astype(float)
    labels, _ = reference.assign(pixels, points)
    np.testing.assert_array_equal(found.indices.ravel(), labels)
    assert found.fit.order == "share"


def lowest_of_many_starts(points, weights, fixed, k, starts, seed):
    """The lowest distortion that plain k-means beside fixed centroids finds from random colors."""
    rng = np.random.default_rng(seed)
    lowest = np.inf
    for _ in range(starts):
        drawn = rng.choice(len(points), k - len(fixed), False, weights / weights.sum())
        centroids, before = np.concatenate([fixed, points[drawn]]), np.inf
        while True:
            labels, d2 = reference.assign(points, centroids)
            error = (d2 * weights).sum() / weights.sum()
            if error > before * (1 - 1e-6):
                break
            before = error
            for j in range(len(fixed), k):
                if (labels == j).any():
                    here = labels == j
                    centroids[j] = np.average(points[here], axis=0, weights=weights[here])
        lowest = min(lowest, before)
    return lowest


@pytest.mark.parametrize(("k", "keep"), [
    (3, ["#fff"]), (5, FAR), (8, ["#000", "#fff"]), (8, [*FAR, "#808080"]), (10, ["#777", "#888"]),
])  # fmt: skip
@pytest.mark.parametrize("seed", [0, 2])
def test_the_rest_is_as_good_as_the_best_of_many_starts_beside_the_kept_ones(k, keep, seed):
    histogram = Histogram.of(photo(seed, 20))
    points = color.to_points(histogram.stored_colors, "oklab").astype(float)
    fixed = color.to_points(Kept.of(keep).colors[:, :3].copy(), "oklab").astype(float)
    lowest = lowest_of_many_starts(points, histogram.stored_counts, fixed, k, 40, seed)
    lowest /= color.UNITS["oklab"] ** 2

    for effort, slack in (("fast", 1.03), ("default", 1.006), ("best", 1.003)):
        found = quantize(photo(seed, 20), k, effort=effort, keep=keep)

        assert found.fit.distortion <= lowest * slack, effort


def test_the_rest_equals_the_best_partition_of_a_tiny_picture():
    colors = np.uint8([[10, 0, 0], [12, 0, 0], [40, 0, 0], [90, 0, 0], [95, 0, 0], [200, 0, 0]])
    fixed = np.array([[30, 0, 0]])
    lowest = min(
        reference.assign(
            colors.astype(float),
            np.concatenate([fixed, [colors[list(a)].mean(0), colors[list(b)].mean(0)]]),
        )[1].sum()
        for a in itertools.chain(*(itertools.combinations(range(6), n) for n in (1, 2, 3)))
        for b in itertools.chain(*(itertools.combinations(range(6), n) for n in (1, 2, 3)))
    )

    found = quantize(colors[None], 3, space="srgb", keep=[(30, 0, 0)], tol=0, max_iter=50)

    assert found.fit.distortion * 6 == pytest.approx(lowest)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("fixed", [1, 3, 7])
def test_breathing_leaves_fixed_centroids_alone_and_never_ends_above_its_start(channels, fixed):
    image = draw("noise", channels, seed=3)
    points, weights, tree = tree_of(Histogram.of(image).colors)
    start = points[np.random.default_rng(4).permutation(len(points))[:7]].astype(np.float32)
    plain, breathing = start.copy(), start.copy()

    before, _ = _core.breathe(tree, plain, 2, 0, 1, 1, fixed)
    cost, _ = _core.breathe(tree, breathing, 2, 12, 2, 1, fixed)

    np.testing.assert_array_equal(plain[:fixed], start[:fixed])
    np.testing.assert_array_equal(breathing[:fixed], start[:fixed])
    assert cost < before or fixed == 7
    _, d2 = reference.assign(points.astype(float), breathing.astype(float))
    rounding = weights.sum() * tree.dims / 4
    assert (d2 * weights).sum() <= cost + rounding + tree.second_moment * 1e-12


def test_settling_beside_fixed_centroids_goes_where_its_definition_goes():
    points, weights, tree = tree_of(Histogram.of(photo(5, 24)).colors)
    start = points[:: len(points) // 6][:6].astype(np.float32)
    centroids = start.copy()

    cost, _ = _core.breathe(tree, centroids, 1, 0, 1, 1, 2)

    labels, _ = reference.assign(points.astype(float), start.astype(float))
    expected = start.copy()
    for j in range(2, 6):
        mean = np.average(points[labels == j], axis=0, weights=weights[labels == j])
        expected[j] = np.floor(mean + 0.5)
    np.testing.assert_array_equal(centroids, expected)
    means = [start[0], start[1]] + [points[labels == j].mean(0) for j in range(2, 6)]
    assert cost == pytest.approx(((points - np.array(means)[labels]) ** 2).sum(), rel=1e-9)


def test_more_fixed_centroids_than_there_are_is_refused_by_the_core():
    _, _, tree = tree_of(Histogram.of(photo(5, 8)).colors)

    with pytest.raises(ValueError, match="fixed must be at most"):
        _core.breathe(tree, np.zeros((2, 3), np.float32), 1, 0, 1, 1, 3)


def test_iterations_beside_kept_colors_never_raise_the_distortion_and_do_not_move_them():
    kept = color.to_points(np.uint8(FAR), "oklab") / color.UNITS["oklab"]

    seen = list(steps(photo(2, 32), 6, keep=FAR, tol=0))

    assert len(seen) > 2
    for step in seen:
        np.testing.assert_allclose(step.centroids[:2], kept, atol=1e-6)
    errors = [step.distortion for step in seen]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("family", ["noise", "few colors", "gradient", "collinear"])
def test_rows_that_were_asked_for_hold_their_colors(family, channels):
    image = draw(family, channels, seed=6)
    keep = {0: (255, 0, 254), 2: (9, 8, 7), 9: "#fff"}

    found = quantize(image, 10, keep=keep)

    assert len(found.palette) == 10
    assert found.palette[[0, 2, 9], :3].tolist() == [[255, 0, 254], [9, 8, 7], [255, 255, 255]]
    assert found.fit.order == "given"
    plain = quantize(image, 10, keep=list(keep.values()))
    np.testing.assert_array_equal(found.to_array(), plain.to_array())


def test_a_picture_of_few_colors_stays_as_it_is_beside_kept_ones():
    image = np.uint8([[[1, 2, 3], [200, 100, 0], [1, 2, 3]]])

    found = quantize(image, 4, keep="#fff,#c86400")

    np.testing.assert_array_equal(found.to_array(), image)
    assert found.palette.tolist() == [[1, 2, 3], [200, 100, 0], [255, 255, 255]]
    assert found.fit.stop_reason == "exact"


def test_rows_between_the_colors_of_a_picture_and_a_place_are_black():
    image = np.uint8([[[1, 2, 3], [200, 100, 0], [1, 2, 3]]])

    found = quantize(image, 8, keep={5: "#fff"})

    assert found.palette.tolist() == [[1, 2, 3], [200, 100, 0], *[[0, 0, 0]] * 3, [255, 255, 255]]
    np.testing.assert_array_equal(found.to_array(), image)


def test_kept_colors_with_alpha_hold_a_row_of_an_opaque_picture_and_no_pixel():
    found = quantize(photo(3, 24), 6, keep="#cc000080,5=transparent")

    assert found.palette.shape == (6, 4)
    assert found.palette[5].tolist() == [0, 0, 0, 0]
    assert [204, 0, 0, 128] in found.palette.tolist()
    assert (found.to_array()[..., 3] == 255).all()
    assert len(np.unique(found.indices)) == 4


def test_a_kept_transparent_entry_is_that_of_the_transparent_pixels():
    image = draw("noise", 4, seed=7)

    found = quantize(image, 9, keep="0=transparent,1=#fff")

    assert found.palette[0].tolist() == [0, 0, 0, 0]
    assert (found.indices[image[..., 3] == 0] == 0).all()
    assert (found.indices[image[..., 3] == 255] != 0).all()
    assert (found.palette[1:, 3] > 0).all()
    assert len(found.palette) == 9


@pytest.mark.parametrize(("channels", "keep", "what"), [
    (4, "#fff,#000", "the fully transparent pixels"), (3, "#fff0,#f008", "the opaque pixels"),
])  # fmt: skip
def test_kept_colors_that_leave_no_entry_for_the_picture_are_refused(channels, keep, what):
    with pytest.raises(BadOption, match=f"keep takes all of k = 2 entries, and {what} need one"):
        quantize(draw("noise", channels, seed=8), 2, keep=keep)


def test_all_entries_may_be_kept():
    found = quantize(photo(4, 24), 3, keep="#000,#fff,#888")

    assert sorted(map(tuple, found.palette)) == [(0,) * 3, (136,) * 3, (255,) * 3]


def test_levels_and_threads_do_not_show_beside_kept_colors():
    image = photo(5, 128)
    results = set()
    for name in LEVELS:
        for threads in (1, 3):
            with level(name):
                found = quantize(image, 20, keep=[*FAR, "#abc"], threads=threads)
            results.add((found.palette.tobytes(), found.indices.tobytes()))

    assert len(results) == 1


def test_a_kept_color_that_k_means_finds_anyway_changes_nothing():
    image = np.repeat(np.uint8([[[0, 0, 0], [40, 40, 40], [255, 255, 255]]]), 50, axis=0)
    image = np.concatenate([image, np.uint8([[[42, 40, 40], [255, 255, 250], [2, 0, 0]]])])

    assert (
        quantize(image, 3, keep="#282828").palette.tolist() == quantize(image, 3).palette.tolist()
    )


def test_palettes_and_chosen_sizes_know_kept_colors():
    image = photo(6, 32)

    palette = build_palette(Histogram.of(image), 5, keep="1=#fff")
    choice = choose_k(image, keep="6=#fff,#000")

    assert palette[1] == (255, 255, 255)
    assert palette.shares.sum() == pytest.approx(1)
    assert choice.k >= 7
    assert quantize(image, "auto", keep="6=#fff,#000").palette[6].tolist() == [255] * 3


@pytest.mark.parametrize("options", [{}, {"guard": False}, {"size": 0, "dither": "none"}], ids=str)
def test_a_see_through_color_is_kept_beside_an_opaque_picture(options):
    keep = ["#c00000", "#80808080"]

    report = compress(photo(1), k=9, keep=keep, **options)

    assert set(keep) <= set(report.palette.hex())


def test_a_gif_holds_kept_colors_that_no_pixel_has():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = 200

    data = compress(image, k=4, keep="#f0f", format="gif").data

    with Image.open(io.BytesIO(data)) as gif:
        assert b"\xff\x00\xff" in bytes(gif.getpalette())
