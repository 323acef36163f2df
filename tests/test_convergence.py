"""Watching k-means: the steps are the library's own, and the pictures show them."""

import itertools
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import SPACES, draw, photo
from PIL import Image

import smalti
from smalti import BadOption, MissingExtra, OutputExists, color, converge_figure, reference
from smalti.convergence import SAMPLE, converge
from smalti.fit import nearest_centroids

ALL = ("random", "k-means++", "splitting", "box")
ALPHA_GAP = 16383


@pytest.fixture(scope="module")
def found():
    return converge(photo(1), 6, runs=3)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("init", ALL)
def test_every_step_is_one_of_the_librarys_own(space, init):
    image = photo(2, 48)

    found = converge(image, 5, space=space, init=init, runs=2, seed=7)

    assert [run.seed for run in found.runs] == ([7] if init == "splitting" else [7, 8])
    for run in found.runs:
        own = list(smalti.steps(image, 5, space=space, init=init, seed=run.seed))
        assert len(run.steps) == 1 + len(own)
        for shown, step in zip(run.steps[1:], own, strict=True):
            assert shown.distortion == step.distortion
            assert (shown.iteration, shown.shift, shown.moved, shown.stop_reason) == (
                step.iteration, step.shift, step.moved, step.stop_reason)  # fmt: skip
            np.testing.assert_array_equal(shown.centroids, step.centroids)


@pytest.mark.parametrize("channels", [3, 4])
def test_neither_half_of_an_iteration_raises_the_distortion(channels):
    found = converge(draw("noise", channels, seed=3), 4, init=ALL, runs=2)

    for run in found.runs:
        assert run.steps[0].distortion == run.steps[1].distortion_before
        for before, after in itertools.pairwise(run.steps):
            assert after.distortion_before <= before.distortion * (1 + 1e-12)
            assert after.distortion <= after.distortion_before * (1 + 1e-12)


def test_step_0_is_the_seeds_and_the_pixels_nearest_to_them():
    image = np.uint8([[[0, 0, 0], [0, 0, 3], [0, 0, 9], [0, 0, 99]]])
    seeds = np.uint8([[0, 0, 0], [0, 0, 9]])

    steps = list(smalti.steps(image, 2, init=seeds, space="srgb", show_seeds=True))

    assert steps[0].iteration == 0
    assert steps[0].centroids.tolist() == seeds.tolist()
    assert steps[0].counts.tolist() == [2, 2]
    assert steps[0].distortion == (9 + 90**2) / 4
    assert steps[0].moved is steps[0].stop_reason is None
    assert [step.iteration for step in steps[1:]] == list(range(1, len(steps)))


def test_without_iterations_the_seeds_are_the_only_step():
    found = converge(photo(1, 24), 3, init="random", runs=1, max_iter=0)

    assert [step.iteration for step in found.runs[0].steps] == [0]
    assert found.runs[0].stop_reason == "max_iter"


def test_pixels_are_counted_even_where_every_color_comes_in_pairs():
    image = draw("noise", 3, seed=1)
    twice = np.concatenate([image, image])

    once, both = (list(smalti.steps(picture, 4, init="random")) for picture in (image, twice))

    assert [2 * step.moved for step in once] == [step.moved for step in both]
    assert both[-1].counts.sum() == twice.shape[0] * twice.shape[1]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
def test_drawn_colors_take_the_centroid_that_the_reference_gives_them(space, channels):
    image = draw("noise", channels, seed=5)
    colors, _ = reference.count_colors(image)
    colors = colors[colors[:, -1] > 0]
    step = list(smalti.steps(image, 6, space=space, init="random"))[2]

    labels = nearest_centroids(colors, step.centroids, space)

    points = reference.to_points(colors, space).astype(np.float64)
    centroids = step.centroids * color.UNITS[space]
    if channels == 4:  # opaque colors keep to themselves
        full = reference.STEPS[space]
        points[:, 3] += np.where(colors[:, 3] == 255, ALPHA_GAP, 0)
        centroids[:, 3] += np.where(centroids[:, 3] >= full, ALPHA_GAP, 0)
    _, d2 = reference.assign(points, centroids.astype(np.float64))
    chosen = ((points - centroids[labels]) ** 2).sum(1)
    np.testing.assert_allclose(chosen, d2, rtol=1e-5, atol=0.05)


def test_best_is_the_lowest_end_and_seedings_keep_their_order():
    found = converge(photo(1), 6, init=("splitting", "random"), runs=3)

    assert found.inits == ("splitting", "random")
    assert len(found.of("random")) == 3
    assert found.best.distortion == min(run.distortion for run in found.runs)


def test_sample_is_the_same_each_time_and_holds_visible_colors_of_the_image():
    image = np.dstack([photo(3, 128), np.full((128, 128), 255, np.uint8)])
    image[:40, :, 3] = 0
    first, second = (converge(image, 2, runs=1).sample for _ in range(2))

    colors, counts = reference.count_colors(image)
    known = dict(zip(map(tuple, colors.tolist()), counts.tolist(), strict=True))
    assert first == second
    assert 0.8 * SAMPLE < len(first) <= SAMPLE
    for row, count in zip(first.colors.tolist(), first.counts.tolist(), strict=True):
        assert known[tuple(row)] == count
        assert row[3] > 0


def test_a_flat_background_leaves_room_for_other_colors_in_the_sample():
    image = np.zeros((200, 200, 3), np.uint8)
    image[:64, :64] = photo(4, 64)

    assert len(converge(image, 2, runs=1).sample) > SAMPLE / 2


@pytest.mark.parametrize("colors", [1, 3])
def test_an_image_of_few_colors_has_nothing_to_iterate_and_says_so(tmp_path, colors):
    image = np.arange(colors * 3, dtype=np.uint8).reshape(1, colors, 3)

    found = converge(image, 3)

    assert found.runs == ()
    assert "nothing to iterate" in str(found)
    assert "k = 3 keeps" in str(found)
    assert found.to_dict()["best"] is None
    with pytest.raises(BadOption, match="nothing to draw"):
        found.save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_table_has_the_numbers_of_a_run_and_why_it_stopped(found):
    lines = str(found).splitlines()

    for init in found.inits:
        run = found.of(init)[0]
        start = lines.index(run.name)
        rows = lines[start + 2 : start + 8]
        for row, step in zip(rows, run.steps, strict=False):
            if step.iteration:
                assert row.split()[0] == str(step.iteration)
                assert float(row.split()[1]) == pytest.approx(step.distortion, abs=1e-7)
                assert row.split()[3] == f"{step.moved:,}"
    assert str(found).count("stopped: ") == len(found.inits)
    assert lines[-1].startswith(f"lowest: {found.best.name}, ")


@pytest.mark.parametrize(("options", "reason"), [
    ({"max_iter": 2}, "that was the last of 2 iterations"),
    ({"tol": 0.5}, "no centroid moved further than 0.5"),
    ({"tol": 0}, "nothing moved any more"),
])  # fmt: skip
def test_each_reason_to_stop_has_its_words(options, reason):
    assert reason in str(converge(photo(1, 32), 4, init="random", runs=1, **options))


def test_pixels_that_cannot_be_seen_are_told_apart():
    image = draw("noise", 4, seed=2)

    text = converge(image, 3, runs=1).size_text()

    assert f"{image.shape[0] * image.shape[1]:,} pixels" in text
    assert f"({(image[..., 3] > 0).sum():,} visible)" in text
    assert "visible" not in converge(image[..., :3], 3, runs=1).size_text()


def test_numbers_survive_json(found):
    numbers = json.loads(json.dumps(found.to_dict()))

    assert numbers["best"] == {"init": found.best.init, "seed": found.best.seed}
    for run, told in zip(found.runs, numbers["runs"], strict=True):
        assert told["distortion"] == run.distortion
        assert [step["moved"] for step in told["steps"]] == [step.moved for step in run.steps]
        assert sum(told["counts"]) == found.pixels


@pytest.mark.parametrize(("options", "name"), [
    ({"runs": 0}, "runs"), ({"init": ()}, "init"), ({"init": "forgy"}, "init"),
    ({"space": "lab"}, "space"), ({"tol": -1}, "tol"),
])  # fmt: skip
def test_bad_options_are_named(options, name):
    with pytest.raises(BadOption, match=f"{name} must"):
        converge(photo(1, 8), 2, **options)


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_runs_give_the_same_figure(found, tmp_path, suffix):
    for name in ("a", "b"):
        found.save(tmp_path / f"{name}{suffix}")

    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert len(first) > 20_000


def test_an_animation_repeats_and_holds_its_last_frame_longest(tmp_path):
    converge(photo(1), 4, runs=2, max_iter=2).save(tmp_path / "a.gif")

    with Image.open(tmp_path / "a.gif") as picture:
        durations = []
        for number in range(picture.n_frames):
            picture.seek(number)
            durations.append(picture.info["duration"])
        assert picture.info["loop"] == 0
    assert len(durations) > 8
    assert durations[-1] == max(durations) > max(durations[:-1])
    assert (tmp_path / "a.gif").stat().st_size < 3_000_000


@pytest.mark.parametrize(("image", "k", "options"), [
    (draw("noise", 4, seed=1), 5, {"init": ALL}),
    (draw("collinear", 3, seed=1, height=40), 1, {}),
    (np.repeat(np.arange(64, dtype=np.uint8), 3).reshape(8, 8, 3), 40, {"runs": 1}),
    (photo(5, 40), 300, {"runs": 7, "max_iter": 3}),
], ids=["alpha", "one centroid", "gray", "many centroids"])  # fmt: skip
def test_hard_pictures_are_drawn(tmp_path, image, k, options):
    found = converge(image, k, **options)
    assert found.runs

    found.save(tmp_path / "a.png")

    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > picture.height > 600


def test_seeds_alone_are_drawn(tmp_path):
    found = converge(photo(1, 24), 3, runs=1, max_iter=0)

    found.save(tmp_path / "a.png")
    found.save(tmp_path / "a.gif")

    assert len(list(tmp_path.iterdir())) == 2


def test_an_existing_picture_is_refused_before_drawing(found, tmp_path, monkeypatch):
    monkeypatch.setattr(converge_figure, "figure", None)
    (tmp_path / "a.png").write_text("mine")

    with pytest.raises(OutputExists):
        found.save(tmp_path / "a.png", overwrite=False)

    assert (tmp_path / "a.png").read_text() == "mine"


def test_without_matplotlib_the_way_out_is_named(found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingExtra, match="pip install"):
        found.save(tmp_path / "a.gif")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(0.01, 9))
def test_labels_keep_their_order_and_a_gap(values, gap):
    values = sorted(values)

    heights = converge_figure._apart(values, gap)

    assert len(heights) == len(values)
    assert all(b - a >= gap * (1 - 1e-6) - 1e-9 for a, b in itertools.pairwise(heights))
    assert heights[0] >= values[0] - gap
