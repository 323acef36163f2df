"""Palettes: what goes in and out, how many colors, in which order."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SPACES, draw, images

import smalti
from smalti import (
    BadOption,
    Histogram,
    OutputExists,
    Palette,
    build_palette,
    color,
    quantize,
    reference,
)
from smalti.fit import fit_palette
from smalti.palette import check_target
from smalti.settings import DEFAULT_TOL, Settings

METHODS = ("splitting", "k-means++", "random", "box")


def fit(image, k, **options):
    """Return palette and fit of an image, and the palette row of each of its colors."""
    histogram = Histogram.of(image)
    palette, labels, found = fit_palette(histogram, Settings.of(k, **options))
    return palette, found, labels, histogram


# ---------------------------------------------------------------- Palette


def test_palette_is_a_list_of_colors():
    palette = Palette([[255, 0, 0], [0, 0, 10]])

    assert len(palette) == palette.k == 2
    assert list(palette) == [(255, 0, 0), (0, 0, 10)]
    assert palette.hex() == ["#ff0000", "#00000a"]
    assert palette == Palette(np.uint8([[255, 0, 0], [0, 0, 10]]))
    assert palette != Palette([[0, 0, 10], [255, 0, 0]])
    assert palette != "a palette"
    np.testing.assert_array_equal(np.asarray(palette), palette.colors)


def test_hex_shows_alpha_only_where_it_matters():
    assert Palette([[1, 2, 3, 255], [1, 2, 3, 4]]).hex() == ["#010203", "#01020304"]


def test_palette_cannot_be_changed_nor_is_it_a_view():
    colors = np.zeros((2, 3), np.uint8)
    palette = Palette(colors)
    colors[:] = 9

    assert not palette.colors.any()
    with pytest.raises(ValueError, match="read-only"):
        palette.colors[0] = 1


@pytest.mark.parametrize(("colors", "says"), [
    (np.zeros((0, 3), np.uint8), "k from 1 to 65,536"),
    (np.zeros((65_537, 3), np.uint8), "k from 1 to 65,536"),
    (np.zeros((2, 2), np.uint8), "shape"),
    (np.zeros(3, np.uint8), "shape"),
    ([[0, 0, 256]], "0..255"),
    ([[0, 0, -1]], "0..255"),
    ([[0.5, 0, 0]], "integers"),
])  # fmt: skip
def test_what_is_no_palette_is_refused(colors, says):
    with pytest.raises(BadOption, match=says):
        Palette(colors)


def test_shares_must_match_the_colors():
    with pytest.raises(BadOption, match="shares must be 2 numbers"):
        Palette([[0, 0, 0], [1, 1, 1]], [1.0])


# ---------------------------------------------------------------- looks

PRIMARIES = {  # of sRGB, in Oklch
    (255, 0, 0): (0.628, 0.2577, 29.23),
    (0, 255, 0): (0.8664, 0.2948, 142.5),
    (0, 0, 255): (0.452, 0.3132, 264.05),
    (255, 255, 255): (1, 0, 0),
    (0, 0, 0): (0, 0, 0),
}


@pytest.mark.parametrize(("rgb", "expected"), PRIMARIES.items())
def test_oklch_of_the_primaries(rgb, expected):
    assert Palette([rgb]).oklch()[0] == pytest.approx(expected, abs=1e-3, rel=2e-4)


def test_oklch_is_where_the_working_space_is():
    colors = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.uint8)

    lightness, chroma, hue = Palette(colors).oklch().T

    radians = np.radians(hue)
    points = np.stack([lightness, chroma * np.cos(radians), chroma * np.sin(radians)], axis=1)
    np.testing.assert_allclose(points, color.to_points(colors, "oklab") / 16384, atol=1e-4)


def test_grays_have_no_hue_and_their_neighbors_do():
    levels = np.arange(256, dtype=np.uint8)
    grays = np.repeat(levels[:, None], 3, axis=1)
    tinted = grays[:255] + np.uint8([1, 0, 0])

    assert not Palette(grays).oklch()[:, 1:].any()
    assert (Palette(tinted).oklch()[:, 1] > 0).all()


def test_sorting_moves_colors_and_shares_together():
    colors = [[0, 0, 255, 255], [255, 0, 0, 255], [9, 9, 9, 0], [200, 200, 200, 255],
              [99, 0, 0, 255], [0, 0, 0, 255]]  # fmt: skip
    palette = Palette(colors, [0.1, 0.2, 0.3, 0.1, 0.25, 0.05])

    orders = {by: palette.sorted(by) for by in ("share", "hue", "lightness")}

    assert orders["share"].shares.tolist() == [0.3, 0.25, 0.2, 0.1, 0.1, 0.05]
    assert orders["hue"].hex() == ["#000000", "#c8c8c8", "#630000", "#ff0000", "#0000ff",
                                   "#09090900"]  # fmt: skip
    assert orders["lightness"].hex()[0] == "#000000"
    assert orders["lightness"].hex()[-2:] == ["#c8c8c8", "#09090900"]
    of_color = dict(zip(palette.hex(), palette.shares, strict=True))
    for ordered in orders.values():
        assert dict(zip(ordered.hex(), ordered.shares, strict=True)) == of_color


def test_orders_that_cannot_be_are_refused():
    with pytest.raises(BadOption, match="no shares"):
        Palette([[0, 0, 0]]).sorted()
    with pytest.raises(BadOption, match="sorted by share, hue, lightness, got 'size'"):
        Palette([[0, 0, 0]]).sorted("size")


@pytest.mark.parametrize(("k", "size"), [(1, (112, 64)), (8, (896, 64)), (9, (896, 128)),
                                         (256, (1792, 1024)), (65_536, (3072, 3072))])  # fmt: skip
def test_swatches_are_a_grid_of_a_size_that_can_be_shown(k, size):
    rows = np.arange(k)
    palette = Palette(np.stack([rows >> 8, rows & 255, rows % 7], axis=1).astype(np.uint8))

    picture = palette.swatches()

    assert picture.mode == "RGB"
    assert picture.size == size
    side = 12 if k > 1024 else 64
    assert picture.getpixel((0, side // 4)) == palette[0]
    last = k - 1
    assert picture.getpixel((size[0] - 1, size[1] - 1)) == (palette[last] if k != 9 else (255,) * 3)


def test_every_label_stands_out_from_its_swatch():
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colors = np.stack(np.meshgrid(levels, levels[::4], levels[::4]), axis=-1).reshape(-1, 3)
    for rgb in colors:
        pixels = np.asarray(Palette([rgb]).swatches()).reshape(-1, 3).astype(int)
        light = color.LINEAR[pixels] @ [0.2126, 0.7152, 0.0722] + 0.05
        assert light.max() / light.min() > 4.5  # what WCAG 2.2 asks of text


def test_transparent_colors_show_a_checkerboard():
    clear, half = Palette([[0, 0, 0, 0]]).swatches(), Palette([[255, 0, 0, 128]]).swatches()

    assert {clear.getpixel((x, 0)) for x in range(112)} == {(255, 255, 255), (221, 221, 221)}
    assert {half.getpixel((x, 0)) for x in range(112)} == {(255, 127, 127), (238, 110, 110)}


def test_notebooks_get_html_with_every_color_and_share():
    html = Palette([[255, 128, 0, 255], [0, 0, 0, 0]], [0.9999, 0.0001])._repr_html_()

    for part in ("#ff8000<br>100.0 %", "#00000000<br>&lt; 0.1 %", "conic-gradient"):
        assert part in html
    assert html.count("<div") == html.count("</div>") == 3
    assert "http" not in html
    many = Palette(np.zeros((300, 3), np.uint8))._repr_html_()
    assert "and 44 more" in many


def test_a_palette_in_plain_types_is_a_palette_file(tmp_path):
    palette = Palette([[255, 165, 0], [250, 160, 10]], [0.75, 0.25])

    record = palette.to_dict()

    assert record["colors"][0] == {
        "hex": "#ffa500", "share": 0.75, "oklch": [0.7927, 0.171, 70.67],
        "name": "orange", "exact": True,
    }  # fmt: skip
    assert record["colors"][1]["exact"] is False
    (tmp_path / "a.json").write_text(json.dumps(record))
    back = Palette.load(tmp_path / "a.json")
    assert back == palette
    assert back.shares.tolist() == [0.75, 0.25]
    assert Palette([[0, 0, 0]]).to_dict()["colors"][0]["share"] is None


def test_a_palette_is_not_written_over_a_file_unless_allowed(tmp_path):
    (tmp_path / "a.png").write_text("mine")
    palette = Palette([[1, 2, 3]])

    for call in (palette.save, check_target):
        with pytest.raises(OutputExists):
            call(tmp_path / "a.png", overwrite=False)
    with pytest.raises(
        BadOption, match=r"a\.bmp: a palette is written to a file that ends in .*png"
    ):
        palette.save(tmp_path / "a.bmp")
    palette.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(("options", "says"), [
    ({"k": 0}, "k must be an integer from 1 to 65,536, or auto, or elbow, got 0"),
    ({"k": 65_537}, "k must be an integer from 1 to 65,536, or auto, or elbow, got 65537"),
    ({"k": -1}, "k must be"),
    ({"k": 2.5}, "k must be an integer"),
    ({"k": "many"}, "k must be an integer"),
    ({"k": True}, "k must be an integer"),
    ({"k": None}, "k must be an integer"),
    ({"space": "lab"}, "space must be one of oklab, srgb, got 'lab'"),
    ({"init": "best"}, "init must be one of splitting"),
    ({"n_init": 0}, "n_init must be"),
    ({"max_iter": -1}, "max_iter must be"),
    ({"tol": -0.1}, "tol must be a number of at least 0"),
    ({"tol": float("nan")}, "tol must be"),
    ({"seed": -1}, "seed must be"),
    ({"seed": 2**64}, "seed must be"),
    ({"threads": 0}, "threads must be"),
    ({"dither": "riemersma"}, "dither must be one of auto, none, floyd-steinberg, atkinson"),
    ({"dither_strength": 1.5}, "dither_strength must be a number from 0 to 1, got 1.5"),
    ({"dither_adaptive": 1}, "dither_adaptive must be True or False, got 1"),
])  # fmt: skip
def test_options_out_of_range_are_refused_by_name(options, says):
    with pytest.raises(BadOption, match=says):
        quantize(np.zeros((2, 2, 3), np.uint8), **{"k": 4, **options})


def test_default_tol_depends_on_the_space():
    for space, tol in DEFAULT_TOL.items():
        assert Settings.of(4, space=space).tol == tol
        assert Settings.of(4, space=space, tol=0).tol == 0


@pytest.mark.parametrize("init", METHODS)
def test_random_starts_run_more_often_by_default(init):
    assert Settings.of(4, init=init, effort="lloyd").n_init == (
        10 if init in ("random", "box") else 1
    )
    assert Settings.of(4, init=init, n_init=3).n_init == 3


# ---------------------------------------------------------------- fitting


@given(images(), st.sampled_from([1, 2, 3, 16, 255, 256]), st.sampled_from(SPACES),
       st.sampled_from(METHODS))  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_palette_has_k_distinct_used_colors_by_share(image, k, space, init):
    palette, found, labels, histogram = fit(image, k, space=space, init=init)

    shares = np.bincount(labels, histogram.stored_counts, minlength=palette.k)
    assert (shares > 0).all()
    np.testing.assert_allclose(palette.shares, shares / shares.sum())
    rows = [(-share, *row) for share, row in zip(shares, palette, strict=True)]
    assert rows == sorted(rows)
    assert len(set(palette)) == palette.k
    size = len(histogram)
    if size > k:  # faint colors may share a point, and then an entry
        points = color.to_points(histogram.stored_colors, space)
        size = min(k, len(np.unique(points, axis=0)))
    assert palette.k == size
    assert found.distinct_colors == len(histogram)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [1, 2, 16, 64])
def test_own_centroids_give_the_references_palette_in_their_order(space, k):
    image = draw("noise", 3, seed=1)
    start = image.reshape(-1, 3)[:: image.size // 3 // k][:k]

    found = quantize(image, k, space=space, init=start, tol=0, max_iter=10_000)

    palette, _ = reference.quantize(image, start, space)
    assert found.fit.stop_reason == "converged"
    np.testing.assert_array_equal(found.palette, palette)


@pytest.mark.parametrize("space", SPACES)
def test_own_centroids_may_be_floats_of_the_working_space(space):
    image = draw("noise", 3, seed=2)
    start = image.reshape(-1, 3)[:8]
    points = color.to_points(np.ascontiguousarray(start), space) / color.UNITS[space]

    a = build_palette(image, 8, space=space, init=start)
    b = build_palette(image, 8, space=space, init=points)

    assert a == b


@pytest.mark.parametrize("init", [
    np.zeros((3, 3)), np.zeros((4, 2)), np.zeros(4), np.zeros((4, 4)), np.full((4, 3), np.nan),
    np.full((4, 3), np.inf), np.full((4, 3), 256), np.full((4, 3), -1), np.zeros((4, 3), bool),
])  # fmt: skip
def test_own_centroids_that_cannot_be_are_refused(init):
    with pytest.raises(BadOption, match="init must"):
        build_palette(draw("noise", 3, seed=3), 4, init=init)


def test_own_centroids_far_away_still_give_k_colors():
    image = draw("noise", 3, seed=4)

    palette = build_palette(image, 6, space="srgb", init=np.full((6, 3), 1e6))

    assert palette.k == len(set(palette)) == 6


@pytest.mark.parametrize("init", ["random", "box", "k-means++"])
def test_the_run_with_the_lowest_distortion_is_kept(init):
    image = draw("noise", 3, seed=5)
    runs = [fit(image, 12, init=init, n_init=1, seed=seed)[:2] for seed in range(6)]

    palette, found, *_ = fit(image, 12, init=init, n_init=6, seed=0)

    lowest = min(range(6), key=lambda run: runs[run][1].distortion)
    assert len({run[1].distortion for run in runs}) > 1
    assert found.distortion == runs[lowest][1].distortion
    assert palette == runs[lowest][0]


@pytest.mark.parametrize("init", METHODS)
def test_same_seed_same_palette_other_seed_other_palette(init):
    image = draw("noise", 3, seed=6)

    plain = {"init": init, "n_init": 1, "effort": "lloyd"}
    same = [build_palette(image, 12, seed=3, **plain) for _ in range(2)]
    other = build_palette(image, 12, seed=4, **plain)

    assert same[0] == same[1]
    assert (same[0] == other) == (init == "splitting")


def test_restarts_of_splitting_can_only_lower_the_distortion():
    image = draw("noise", 3, seed=7)

    one, many = (fit(image, 12, n_init=n_init)[1].distortion for n_init in (1, 8))

    assert many <= one


def test_fit_tells_what_k_means_did():
    image = draw("noise", 3, seed=8)

    plain = {"space": "srgb", "tol": 0, "effort": "lloyd"}
    _, found, *_ = fit(image, 12, max_iter=10_000, **plain)
    _, stopped, *_ = fit(image, 12, max_iter=2, **plain)
    _, exact, *_ = fit(image[:2, :3], 12)

    assert found.stop_reason == "converged"
    assert (stopped.stop_reason, stopped.iterations) == ("max_iter", 2)
    assert (exact.stop_reason, exact.iterations, exact.distortion) == ("exact", 0, 0.0)
    assert found.centroids.shape == (12, 3)
    colors, counts = reference.count_colors(image)
    _, d2 = reference.assign(colors, found.centroids)
    assert found.distortion == pytest.approx(np.average(d2, weights=counts), rel=1e-6)


def test_one_color_in_srgb_is_the_rounded_mean():
    image = draw("noise", 3, seed=9)

    (row,) = build_palette(image, 1, space="srgb")

    np.testing.assert_array_equal(row, np.floor(image.reshape(-1, 3).mean(0) + 0.5))


def test_max_iter_0_maps_to_the_seeds():
    image = draw("noise", 3, seed=10)
    start = image[0, :5]

    palette = build_palette(image, 5, init=start, max_iter=0)

    np.testing.assert_array_equal(palette.colors, start)


@pytest.mark.parametrize("space", SPACES)
def test_an_outlier_among_90000_pixels_keeps_its_color(space):
    image = np.full((300, 300, 3), 128, np.uint8)
    image[7] = 129
    image[100, 100] = [255, 0, 0]

    assert (255, 0, 0) in set(build_palette(image, 2, space=space))


@pytest.mark.parametrize("k", [3, 4, 16])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("init", ["splitting", "k-means++"])  # random seeds may miss a class
def test_no_cluster_mixes_opaque_and_partly_transparent_pixels(k, space, init):
    image = draw("noise", 4, seed=11)
    full = 255 if space == "srgb" else 1

    for step in smalti.steps(image, k, space=space, init=init):
        opaque = step.centroids[:, 3] == full
        assert step.counts[opaque].sum() == (image[..., 3] == 255).sum()


def test_float_centroids_that_cannot_be_oklab_are_refused_with_the_way_out():
    image = draw("noise", 3, seed=2)

    with pytest.raises(BadOption, match=r"for colors in 0\.\.255 pass integers"):
        build_palette(image, 2, init=np.array([[250.0, 10, 10], [0, 0, 0]]))
