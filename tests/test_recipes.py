"""The recipes run as they are, their claims hold, and their pages show what they print.

Claims are inequalities, on a small picture; the numbers on the pages are those of `make recipes`.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smalti

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "recipes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "kit")
PAGES = sorted(FOLDER.glob("*.md"))
PLACE = re.compile(r"<!-- ([a-z_0-9]+)\.([\w-]+) -->(.*?)<!-- / -->", re.DOTALL)
OWN_PICTURE = {"sklearn_128", "survey"}  # R's results were recorded for the default picture


def run(name, folder, *options):
    """Run a recipe in a folder, on a small picture."""
    with Image.open(ROOT / "examples" / "demo.png") as picture:
        picture.reduce(10).save(folder / "small.png")
    image = [] if name in OWN_PICTURE else ["small.png"]
    subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *image, *options],
        env={**os.environ, "PYTHONPATH": str(Path(smalti.__file__).parent.parent)},
        cwd=folder, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def numbers(tmp_path_factory):
    """Return what a recipe stated when it ran, once, in a folder of its own."""

    @functools.cache
    def stated(name):
        folder = tmp_path_factory.mktemp(name)
        run(name, folder)
        return json.loads((folder / f"recipe-{name}" / "numbers.json").read_text())

    return stated


def column(table, name):
    return [row[name] for row in table]


def test_the_mean_belongs_to_squared_distance_and_the_median_to_l1(numbers):
    found = numbers("from_scratch")

    assert found["mixed-rises-most"] > 0
    assert found["matched-rises"] == 0


def test_j_falls_with_k_and_is_zero_at_the_number_of_distinct_colors(numbers):
    found = numbers("from_scratch")

    costs = column(found["elbow"], "J")
    assert costs == sorted(costs, reverse=True)
    assert found["distinct"] < found["pixels"]
    assert found["j-at-distinct"] == 0
    assert found["library-stop"] == "converged"
    assert found["library-falls"] == "never rises"


def test_a_hundred_colors_are_not_95_percent_of_what_is_visible(numbers):
    found = numbers("from_scratch")

    assert 0 < found["within"] < 95
    assert 0 < found["within-oklab"] < 95
    assert all(0 < ssim < 1 for ssim in column(found["hundred"], "SSIM"))


def test_rounding_is_better_than_truncation_for_every_k(numbers):
    found = numbers("opencv")

    assert column(found["four"], "k") == [2, 8, 25, 100]
    for row in found["four"]:
        assert row["MSE rounded"] < row["MSE truncated"]
        assert row["MSE smalti"] < 1.01 * row["MSE rounded"]
    assert found["clusters-worse"] == 0


def test_compactness_is_a_sum_of_squares(numbers):
    found = numbers("opencv")

    assert found["compactness"] == pytest.approx(found["sum-of-squares"], rel=1e-4)
    assert found["labels-shape"].startswith("(100, 1)")


def test_plain_lloyd_ends_where_opencv_does(numbers):
    found = numbers("opencv")

    assert found["same-distortion-smalti"] == pytest.approx(found["same-distortion-cv2"], rel=1e-4)
    assert found["same-centers"] < 0.05
    assert found["same-palette"] == 0
    assert found["same-pixels"] > 95


def test_a_larger_eps_stops_earlier(numbers):
    table = numbers("opencv")["stops"]

    for k in (2, 25):
        rows = [row for row in table if row["k"] == k]
        assert column(rows, "iterations") == sorted(column(rows, "iterations"))
        assert all(row["last shift"] <= row["eps"] for row in rows)


def test_ten_iterations_are_an_upper_bound_for_opencv(numbers):
    found = numbers("opencv")

    assert found["eps-one-two"] < 10 < found["eps-one-cv2"]


def test_opencvs_order_of_channels_changes_nothing_once_it_is_told(numbers):
    found = numbers("opencv")

    assert found["bgr-told"] == 0
    assert found["bgr-forgotten"] > 0
    assert found["bgr-shown"] > 0


def test_k_is_an_upper_bound(numbers):
    found = numbers("opencv")

    assert found["three-smalti"] == found["three-distinct"] == 3
    assert found["three-centers"] == 8


def test_the_running_average_depends_on_the_order_and_the_batch_does_not(numbers):
    table = numbers("opencv")["online"]

    assert len(set(column(table, "running average, one pass"))) > 1
    assert len(set(column(table, "batch, converged"))) == 1


def test_our_distortion_is_not_above_that_of_scikit_learn_and_r(numbers):
    rows = {row[""]: row for row in numbers("sklearn_128")["everybody"]}

    ours = rows["smalti, default"]
    for name in ("scikit-learn, k-means++", "scikit-learn, random", "R, `kmeans` (recorded)"):
        assert ours["mean inertia of 5"] <= rows[name]["mean inertia of 5"], name
        assert ours["mean MSE, 8 bits"] <= rows[name]["mean MSE, 8 bits"], name


def test_imsave_stores_32_bits_without_a_palette(numbers):
    rows = numbers("sklearn_128")["bytes"]

    assert column(rows, "stored as")[:3] == [
        "RGBA, 32 bits per pixel", "RGB, 24 bits per pixel", "palette, 8 bits per pixel",
    ]  # fmt: skip
    sizes = column(rows, "bytes")
    assert sizes[2] < sizes[1] < sizes[0]


def test_codebook_and_labels_are_smallest_when_they_are_stored(numbers):
    found = numbers("codebook")

    width, height = 96, 64
    assert found["packed"] == width * height // 2 + 16 * 3
    assert found["indexed"] < found["png24"]
    for row in found["devices"]:
        assert row["packed, bytes"] == width * row["bits"] // 8 * height
    assert [row["bits"] for row in found["devices"]] == [1, 2, 4, 8]


def test_counting_reads_every_pixel_once_and_loses_nothing(numbers):
    rows = {row["palette from"]: row for row in numbers("codebook")["reads"]}

    everything = rows["scikit-learn KMeans, all pixels"]
    ours = rows["smalti, histogram of all pixels"]
    assert ours["pixels read for the means"] < everything["pixels read for the means"]
    assert ours["MSE of all pixels"] < 1.01 * everything["MSE of all pixels"]


def test_two_channels_and_starts_from_a_corner_cost_dearly(numbers):
    found = numbers("codebook")

    assert found["two-channels"] > 2 * found["three-channels"]
    corner, anywhere, ours = column(found["starts"], "mean MSE")
    assert corner > anywhere
    assert found["starts"][2]["fewest colors used"] == 16
    assert found["starts"][2]["most black entries"] == 0
    assert ours < corner


def test_enter_alone_means_sixteen(numbers):
    assert numbers("codebook")["asked"] == 16


def test_a_palette_for_both_halves_is_better_than_that_of_the_other_half(numbers):
    found = numbers("codebook")

    assert found["new-own"] < found["new-both"] < found["new-known"]


def test_a_photograph_grows_as_24_bit_png(numbers):
    found = numbers("sixteen_colors")

    assert found["china-indexed"] < found["china-jpeg"] < found["china-24-bit"]
    for row in found["sizes"]:
        assert row["indexed PNG"] < row["24-bit PNG"]


def test_every_reason_to_stop_is_shown(numbers):
    reasons = column(numbers("sixteen_colors")["stops"], "stop_reason")

    assert reasons == ["`converged`", "`tol`", "`max_iter`", "`exact`", "`searched`"]


def test_an_entropy_of_zero_is_not_enough(numbers):
    found = numbers("sixteen_colors")

    assert found["entropy-all"] == pytest.approx(0)
    assert found["accuracy-all"] < 1 < 90 < found["accuracy-four"]
    assert found["truth"][-1]["purity, %"] == pytest.approx(100)


def test_labels_of_8_bits_show_wrong_colors_above_256(numbers):
    found = numbers("sixteen_colors")

    assert found["labels-dtype"] == "uint16"
    assert found["wrapped"] > 0
    assert found["wrapped-mse"] > found["right-mse"]


def test_seconds_saved_are_those_of_the_bytes(numbers):
    original, small, saved = numbers("sixteen_colors")["saved"]

    assert saved["bytes"] == original["bytes"] - small["bytes"] > 0
    assert saved["seconds at 2 Mbit/s"] == pytest.approx(saved["bytes"] * 8 / 2e6)
    assert saved["seconds at 20 Mbit/s"] == pytest.approx(saved["bytes"] * 8 / 20e6)


def test_masks_share_out_the_picture(numbers):
    found = numbers("segmentation")

    assert sum(column(found["regions"], "of the pixels, %")) == pytest.approx(100)
    assert found["pieces"] > found["k"]


def test_scaled_columns_find_the_groups_that_were_drawn(numbers):
    found = numbers("segmentation")

    assert found["purity-scaled"] > 95 > found["purity-raw"]
    assert found["best-k"] == 4
    assert found["new-right"] > 95 > found["new-own-scale"]


def test_a_survey_brings_together_what_belongs_together(numbers):
    found = numbers("survey")

    assert found["images"] == 24
    assert found["same"] > 2 * found["by-chance"]
    assert sum(column(found["clusters"], "images")) == found["images"]


def test_r_clusters_the_table_of_a_survey_as_scipy_does(numbers):
    found = numbers("survey")

    if "r" not in found:
        pytest.skip("R's groups were recorded for other decoders of the pictures")
    assert found["r"].startswith("R version")
    assert found["r-same"] == "the same"


@pytest.mark.skipif(not shutil.which("Rscript"), reason="needs R")
def test_r_prints_today_what_was_recorded(numbers, tmp_path_factory):
    assert numbers("survey")
    tables = tmp_path_factory.getbasetemp() / "survey0" / "recipe-survey"

    done = subprocess.run(
        ["Rscript", FOLDER / "survey.R", tables],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    now, then = done.stdout.splitlines(), (FOLDER / "survey.Rout").read_text().splitlines()
    if now[2] != then[2]:
        pytest.skip("recorded for other decoders of the pictures")
    assert now[3:] == then[3:]


# Pages


def places():
    return [(page, *place) for page in PAGES for place in PLACE.findall(page.read_text())]


@pytest.mark.parametrize("name", NAMES)
def test_every_place_of_a_page_is_a_number_that_its_recipe_states(name, numbers):
    mine = [(page, key, shown) for page, recipe, key, shown in places() if recipe == name]

    assert mine
    for page, key, shown in mine:
        value = numbers(name)[key]
        assert shown.strip() not in ("", "x"), f"{page.name}: {key} is not filled in: make recipes"
        if isinstance(value, list):
            header = "| " + " | ".join(value[0]) + " |"
            assert shape(shown.strip().splitlines()[0]) == shape(header), key


def shape(text):
    return re.sub(r"[\d,.]+", "#", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_places_are_those_of_recipes_and_do_not_begin_a_line_of_text(page):
    text = page.read_text()

    assert {recipe for recipe, _, _ in PLACE.findall(text)} <= set(NAMES)
    assert text.count("<!--") == 2 * len(PLACE.findall(text))
    for line in text.splitlines():  # Markdown would take all of such a line for HTML
        assert not re.match(r" *<!--.*-->.*\S", line), line


def test_a_recipe_fills_in_its_own_places_and_no_others(tmp_path):
    pages = tmp_path / "pages"
    shutil.copytree(FOLDER, pages, ignore=lambda *_: ["images", "__pycache__"])

    run("opencv", tmp_path, "--pages", "pages")

    for page in PAGES:
        before, after = (PLACE.findall((at / page.name).read_text()) for at in (FOLDER, pages))
        assert [place[:2] for place in after] == [place[:2] for place in before]
        changed = {now[0] for was, now in zip(before, after, strict=True) if was != now}
        assert changed == ({"opencv"} if page.name in ("opencv.md", "README.md") else set())
    assert [path.name for path in (pages / "images").iterdir()] == ["opencv-four.png"]


def test_every_recipe_has_a_page_that_the_index_leads_to():
    index = (FOLDER / "README.md").read_text()

    for name in NAMES:
        assert (FOLDER / f"{name}.md").exists()
        assert f"({name}.md)" in index
        assert f"({name}.py)" in (FOLDER / f"{name}.md").read_text()


def test_pictures_are_small_and_each_is_on_a_page():
    shown = {name for page in PAGES for name in re.findall(r"\]\(images/(\S+)\)", page.read_text())}
    kept = {path.name for path in (FOLDER / "images").iterdir()}

    assert kept == shown
    for name in kept:
        assert (FOLDER / "images" / name).stat().st_size < 150_000


def test_the_picture_that_readers_compare_with_is_the_original():
    with Image.open(ROOT / "examples" / "demo.png") as demo:
        original = np.asarray(demo.convert("RGB").reduce(2).reduce(2))
    height, width = original.shape[:2]

    for name in ("from_scratch-hundred", "segmentation-regions"):
        with Image.open(FOLDER / "images" / f"{name}.png") as page:
            first = np.asarray(page.convert("RGB"))[:, :width]
        title = 20
        np.testing.assert_array_equal(first[title : title + height], original)


def test_what_r_printed_is_about_the_pixels_of_the_recipe(numbers):
    assert numbers("sklearn_128")["r"].startswith("R version")
    runs = re.findall(r"^run \d (\S+)", (FOLDER / "kmeans.Rout").read_text(), re.MULTILINE)
    rows = {row[""]: row for row in numbers("sklearn_128")["everybody"]}
    assert np.mean([float(j) for j in runs]) == pytest.approx(
        rows["R, `kmeans` (recorded)"]["mean inertia of 5"]
    )
