"""Which colors `smalti compress` uses: kept, guarded, weighted or given ones, as a process."""

import io
import json

import numpy as np
import pytest
from pictures import chart
from PIL import Image
from process import file_of, listing, one_line

from smalti import IndexedImage, Palette


@pytest.fixture
def chart_png(folder):
    """A map with a red dot, as a file of that name."""
    image = chart(1, 640)
    image[200:206, 300:306] = [208, 16, 16]
    (folder / "chart.png").write_bytes(file_of(Image.fromarray(image)))
    return folder / "chart.png"


def shown(path):
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def test_kept_colors_are_in_the_file_and_in_their_rows(smalti, folder):
    smalti("a.png", "-k", 8, "--keep", "#c00,0=#fff,7=orange")

    palette = IndexedImage.load(folder / "a-smalti.png").palette.tolist()
    assert len(palette) == 8
    assert (palette[0], palette[7]) == ([255, 255, 255], [255, 165, 0])
    assert [204, 0, 0] in palette


@pytest.mark.parametrize(("keep", "sentence"), [
    ("#c0", "'#c0' is no color"), ("9=#fff", "keep wants row 9, but k = 8 ends at row 7"),
    ("#1,", "'#1' is no color"),
])  # fmt: skip
def test_what_cannot_be_kept_is_one_line(smalti, folder, keep, sentence):
    done = smalti("a.png", "-k", 8, "--keep", keep, code=2)

    assert sentence in one_line(done.stderr)


def test_a_wrong_color_is_told_once_for_many_files(smalti, folder):
    done = smalti("a.png", "b.png", "--keep", "rot", code=2)

    assert "'rot' is no color" in one_line(done.stderr)


def test_the_dot_on_a_map_stays_red_and_the_report_names_it(smalti, chart_png):
    done = smalti("chart.png", "-k", 8)

    assert "note      small region kept: #d01010 at (302, 202), 36 pixels" in done.stdout
    assert shown(chart_png.parent / "chart-smalti.png")[202, 302].tolist() == [208, 16, 16]


def test_without_the_guard_the_dot_goes_and_nothing_is_noted(smalti, chart_png):
    done = smalti("chart.png", "-k", 8, "--no-guard")

    assert "note" not in done.stdout
    assert shown(chart_png.parent / "chart-smalti.png")[202, 302, 0] < 150


def test_a_map_of_weights_moves_colors_to_where_it_is_bright(smalti, folder):
    bright = np.zeros((48, 64), np.uint8)
    bright[:, :16] = 255
    (folder / "map.png").write_bytes(file_of(Image.fromarray(bright)))
    original = shown(folder / "a.png").astype(int)

    smalti("a.png", "-k", 8, "--weight", "map.png", "-o", "weighted.png")
    smalti("a.png", "-k", 8, "-o", "plain.png")

    errors = [((shown(folder / f"{name}.png") - original)[:, :16] ** 2).sum()
              for name in ("weighted", "plain")]  # fmt: skip
    assert errors[0] < 0.8 * errors[1]
    assert "note" not in smalti("a.png", "-f", "-k", 8, "--weight", "auto").stdout


def test_a_map_of_another_size_is_refused_in_one_line(smalti, folder):
    (folder / "map.png").write_bytes(file_of(Image.new("L", (10, 20), 255)))

    done = smalti("a.png", "--weight", "map.png", code=2)

    assert "64 × 48 pixels, got 10 × 20" in one_line(done.stderr)
    assert smalti("a.png", "--weight", "none.png", code=2).stderr.startswith("smalti: none.png")


@pytest.mark.parametrize("given", ["#000,#fff,green,3366cc", "given.gpl"])
def test_a_palette_is_mapped_to_with_every_row_in_its_place(smalti, folder, given):
    colors = [[0, 0, 0], [255, 255, 255], [0, 128, 0], [51, 102, 204]]
    Palette(colors).save(folder / "given.gpl")

    done = smalti("a.png", "--palette", given, "--json")

    assert IndexedImage.load(folder / "a-smalti.png").palette.tolist() == colors
    report = json.loads(done.stdout)
    assert [entry["hex"] for entry in report["palette"]] == Palette(colors).hex()
    assert (report["k"], report["stop_reason"]) == (4, "given")


def test_many_files_can_share_a_palette(smalti, folder):
    smalti("a.png", "b.png", "--palette", "#000,#fff,#888", "--out-dir", "new")

    for name in ("a.png", "b.png"):
        assert len(IndexedImage.load(folder / "new" / name).palette) == 3


def test_a_strict_palette_fails_with_99_and_writes_nothing(smalti, folder):
    before = listing(folder)

    done = smalti("a.png", "--palette", "#000,#fff", "--strict-palette", code=99)

    said = one_line(done.stderr)
    assert said.startswith("smalti: a.png: 3,0")
    assert "first at (0, 0): #" in said
    assert listing(folder) == before


def test_a_strict_palette_takes_what_has_no_other_color(smalti, folder):
    smalti("a.png", "-k", 4, "-o", "four.png")

    smalti("four.png", "--palette", "four.png", "--strict-palette", "--allow-larger")

    np.testing.assert_array_equal(shown(folder / "four-smalti.png"), shown(folder / "four.png"))


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--palette", "#000,#fff", "-k", "4"], "--palette says how many colors there are"),
    (["--palette", "#000,#fff", "--no-guard"], "--no-guard guards nothing there"),
    (["--strict-palette"], "--strict-palette goes with --palette"),
    (["--palette", "#000", "--keep", "#fff"], "no use for keep"),
    (["--palette", "#000", "--weight", "auto"], "no use for weight"),
    (["--palette", "#000", "--effort", "best"], "no use for effort"),
    (["--palette", "none.gpl"], "none.gpl does not exist"),
    (["--palette", ""], "--palette is empty"),
])  # fmt: skip
def test_contradictions_are_one_line(smalti, folder, arguments, sentence):
    assert sentence in one_line(smalti("a.png", *arguments, code=2).stderr)


def test_a_palette_has_a_name_in_templates(smalti, folder):
    smalti("a.png", "--palette", "#000,#fff", "--name", "{stem}_{k}.png")

    assert (folder / "a_palette.png").exists()


def test_standard_input_can_be_mapped_to_a_palette(smalti, folder):
    done = smalti("-", "--palette", "#000,#fff", stdin=(folder / "a.png").read_bytes(), binary=True)

    with Image.open(io.BytesIO(done.stdout)) as file:
        assert set(np.unique(np.asarray(file.convert("RGB")))) == {0, 255}
