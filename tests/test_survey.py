"""Surveys: the distance is a metric and the judge's, the tables are what pandas and R expect."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from process import file_of
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance_nd

import smalti
from smalti import tables, transport
from smalti.batch.survey import SurveyWork
from smalti.tables import Table, text
from smalti.transport import Signature

HOSTILE = [
    "new\nline.png",
    'quo"te, comma.png',
    "=1+1.png",
    "@x.png",
    "-a.png",
    "NA",
    "1e5",
    " b .png",
]


@st.composite
def signatures(draw):
    """Palettes of 1 to 6 colors, with alpha or without, that often share some."""
    k, channels = draw(st.integers(1, 6)), draw(st.sampled_from((3, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colors = rng.choice(np.uint8([0, 0, 40, 200, 255]), (k, channels))
    return Signature.of(colors, rng.integers(1, 5, k))


def judged(a, b):
    """Return the distance as the linear program of the textbooks, one dense row per sum."""
    costs = np.linalg.norm(a.points[:, None] - b.points, axis=-1)
    m, n = costs.shape
    sums = [np.repeat(np.eye(m)[i], n) for i in range(m)] + [
        np.tile(np.eye(n)[j], m) for j in range(n)
    ]
    return linprog(costs.ravel(), A_eq=sums, b_eq=[*a.weights, *b.weights], method="highs-ipm").fun


def some(n, k=8, seed=0):
    """Return palettes that lie in clouds, as those of pictures do."""
    rng = np.random.default_rng(seed)
    clouds = rng.integers(0, 256, (n, 1, 3)) + rng.normal(0, 40, (n, k, 3))
    return [
        Signature.of(np.clip(cloud, 0, 255).astype(np.uint8), rng.integers(1, 99, k))
        for cloud in clouds
    ]


# ---------------------------------------------------------------- distance


@settings(max_examples=40, deadline=None)
@given(signatures(), signatures())
def test_distance_is_that_of_the_textbooks_linear_program(a, b):
    assert transport.distance(a, b) == pytest.approx(judged(a, b), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(signatures(), signatures(), signatures())
def test_distance_is_a_metric(a, b, c):
    there, back = transport.distance(a, b), transport.distance(b, a)

    assert there == back >= 0
    assert transport.distance(a, a) == pytest.approx(0, abs=1e-12)
    assert there <= transport.distance(a, c) + transport.distance(c, b) + 1e-9


def test_distance_is_that_of_scipys_wasserstein():
    a, b = some(2, k=4)

    theirs = wasserstein_distance_nd(a.points, b.points, a.weights, b.weights)

    assert transport.distance(a, b) == pytest.approx(theirs, abs=1e-9)


def test_order_and_splitting_of_colors_make_no_difference():
    colors, shares = np.uint8([[255, 0, 0], [0, 0, 255], [9, 9, 9]]), [5, 3, 2]
    whole, other = Signature.of(colors, shares), some(1)[0]
    split = Signature.of(colors[[2, 0, 1, 0]], [2, 1, 3, 4])

    assert transport.distance(whole, split) == pytest.approx(0, abs=1e-12)
    assert transport.distance(whole, other) == pytest.approx(
        transport.distance(split, other), abs=1e-9
    )


def test_one_pixel_of_a_hundred_million_counts():
    dot = Signature.of(np.uint8([[0] * 3, [255] * 3]), [99_999_999, 1])

    assert transport.distance(dot, Signature.of(np.uint8([[0] * 3]))) == pytest.approx(1e-8)


def test_half_the_way_costs_half():
    black, white = (Signature.of(np.uint8([[level] * 3])) for level in (0, 255))
    mixed = Signature.of(np.uint8([[0] * 3, [255] * 3]), [1, 3])

    assert transport.distance(black, white) == 1
    assert transport.distance(black, mixed) == pytest.approx(0.75)


def test_palettes_are_compared_by_their_shares_or_color_by_color_without():
    red, blue = [255, 0, 0], [0, 0, 255]
    mostly_red, even = smalti.Palette([red, blue], [0.9, 0.1]), smalti.Palette([blue, red])

    apart = smalti.Palette([red]).distance(smalti.Palette([blue]))

    assert mostly_red.distance(even) == even.distance(mostly_red) == pytest.approx(0.4 * apart)


def test_alpha_is_a_coordinate_as_long_as_lightness():
    clear, half, black = (Signature.of(np.uint8([[0, 0, 0, alpha]])) for alpha in (0, 51, 255))

    assert transport.distance(clear, black) == 1
    assert transport.distance(half, black) == pytest.approx(0.8, abs=1e-4)
    assert transport.distance(black, Signature.of(np.uint8([[0, 0, 0]]))) == 0


@pytest.mark.parametrize("n", [2, 3, 60])
def test_nearest_is_found_without_most_of_the_pairs(n, monkeypatch):
    palettes = some(n, seed=n)
    everything = transport.distances(palettes)
    solve, solved = transport._solve, []
    monkeypatch.setattr(transport, "_solve", lambda pairs: solved.extend(pairs) or solve(pairs))

    rows, lengths = transport.nearest(palettes)

    expected_rows, expected = transport.nearest_of(everything)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(lengths, expected, atol=1e-9)
    if n == 60:
        assert len(solved) < n * (n - 1) / 4


def test_of_equally_near_palettes_the_first_is_taken():
    gray = Signature.of(np.uint8([[90, 90, 90]]))

    rows, lengths = transport.nearest([gray] * 4)

    assert rows.tolist() == [1, 0, 0, 0]
    assert lengths.tolist() == [0] * 4


def test_one_palette_has_no_nearest_and_none_have_no_distances():
    rows, lengths = transport.nearest(some(1))

    assert rows.tolist() == [-1]
    assert np.isnan(lengths).all()
    assert transport.distances([]).shape == (0, 0)


def test_palettes_of_many_sizes_are_solved_together():
    palettes = [*some(3, k=1), *some(3, k=20), *some(3, k=5)]

    found = transport.distances(palettes)

    for i, j in ((0, 1), (0, 4), (4, 8), (3, 5)):
        assert (
            found[i, j] == found[j, i] == pytest.approx(judged(palettes[i], palettes[j]), abs=1e-6)
        )


@pytest.mark.parametrize("shares", [[1], [0, 0], [1, -1], [np.nan, 1]])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(smalti.BadOption, match="shares must be 2 numbers"):
        Signature.of(np.uint8([[0, 0, 0], [1, 1, 1]]), shares)


# ---------------------------------------------------------------- tables


def hostile():
    names = [text(name) for name in HOSTILE]
    columns = {
        "image": names,
        "share": [0.1 + i for i in range(len(names))],
        "n": [*[7] * (len(names) - 1), None],
    }
    return Table(columns, {"image": "text", "share": "number", "n": "count"})


def test_csv_gives_hostile_names_back_and_opens_in_pandas():
    table = hostile()

    data = table.encoded(".csv")

    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert [row[0] for row in rows] == ["image", *table.columns["image"]]
    assert rows[-1][2] == ""
    frame = pandas.read_csv(io.BytesIO(data))
    assert frame["image"].tolist() == table.columns["image"]
    assert frame["share"].tolist() == table.columns["share"]


def test_parquet_keeps_types_and_missing_values():
    import pyarrow.parquet

    table = hostile()

    found = pyarrow.parquet.read_table(io.BytesIO(table.encoded(".parquet")))

    assert found.to_pydict() == table.columns
    assert [str(kind) for kind in found.schema.types] == ["string", "double", "int64"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_starts_a_formula_or_reads_as_missing_and_all_lead_to_the_file(name):
    shown = text(name)

    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert os.path.normpath(shown) == name


def test_names_that_are_no_utf8_can_be_written():
    name = os.fsdecode(b"caf\xe9.png")

    data = Table({"image": [text(name)]}, {"image": "text"})

    assert data.encoded(".csv").decode().split() == ["image", "caf\\xe9.png"]
    assert data.encoded(".parquet")


def test_tables_are_not_overwritten_unless_asked(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("mine")

    with pytest.raises(smalti.OutputExists):
        hostile().save(path)
    assert path.read_text() == "mine"
    hostile().save(path, overwrite=True)
    assert path.read_bytes() == hostile().encoded(".csv")
    assert list(tmp_path.iterdir()) == [path]


def test_other_suffixes_are_refused():
    with pytest.raises(smalti.BadOption, match=r"ends in \.csv or \.parquet"):
        tables.check_target("t.xlsx")


# ---------------------------------------------------------------- survey


def png(image):
    return file_of(Image.fromarray(image))


def picture(*colors):
    """Return a small picture with rows of such colors, as a PNG; the first has half of it."""
    rows = [colors[0]] * len(colors) + [*colors]
    return png(np.repeat(np.uint8(rows)[:, None], 8, axis=1))


RED, ROSE, BLUE, NIGHT = (250, 0, 0), (250, 20, 20), (0, 0, 250), (0, 0, 90)


@pytest.fixture
def collection(tmp_path):
    """Two reds and two blues, one in a folder, and three that cannot be read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "red.png").write_bytes(picture(RED, ROSE))
    (tmp_path / "rose.png").write_bytes(picture(ROSE, RED))
    (tmp_path / "blue.png").write_bytes(picture(BLUE))
    (tmp_path / "in" / "night.png").write_bytes(picture(NIGHT, BLUE))
    (tmp_path / "cut.png").write_bytes(picture(RED, BLUE)[:-30])
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_every_color_has_a_row_and_shares_are_those_of_the_pixels(collection):
    found = smalti.survey(collection, k=4, jobs=1)

    frame = pandas.DataFrame(found.colors.columns)
    good = frame[frame["error"].isna()]
    assert set(good["image"]) == {"red.png", "rose.png", "blue.png", "in/night.png"}
    assert good.groupby("image")["share"].sum().round(6).eq(1).all()
    red = good[good["image"] == "red.png"]
    assert red["hex"].tolist() == ["#fa0000", "#fa1414"]
    assert red["share"].tolist() == [0.75, 0.25]
    assert red[["r", "g", "b", "alpha", "rank"]].values.tolist() == [
        [250, 0, 0, 255, 1],
        [250, 20, 20, 255, 2],
    ]
    assert red[["width", "height", "distinct_colors"]].values.tolist() == [[8, 4, 2]] * 2
    assert found.others == 1


def test_what_cannot_be_read_is_one_row_with_its_error(collection):
    found = smalti.survey([collection, collection / "none.png"], jobs=1)

    for table in (found.colors, found.images):
        bad = {row["image"]: row for row in table.rows() if row["error"]}
        assert set(bad) == {"cut.png", str(collection / "none.png")}
        assert "does not exist" in bad[str(collection / "none.png")]["error"]
        assert bad["cut.png"]["error"].startswith("BadImage: ")
        assert all(row["width"] is None for row in bad.values())
    assert len(found.images) == 6
    assert len(found.names) == len(found.distances) == 4


def test_the_nearest_image_is_the_one_of_its_kind(collection):
    found = smalti.survey(collection, jobs=1, auto=False)

    nearest = {row["image"]: row["nearest"] for row in found.images_with_nearest().rows()}

    assert nearest == {"red.png": "rose.png", "rose.png": "red.png", "blue.png": "in/night.png",
                       "in/night.png": "blue.png", "cut.png": None}  # fmt: skip
    before = found.nearest()
    found.find_distances()
    np.testing.assert_array_equal(before[0], found.nearest()[0])
    np.testing.assert_allclose(before[1], found.nearest()[1], atol=1e-9)


def test_matrix_and_pairs_hold_the_same_distances(collection):
    found = smalti.survey(collection, jobs=1, auto=False)

    matrix = pandas.DataFrame(found.matrix().columns).set_index("image")
    assert matrix.index.tolist() == matrix.columns.tolist() == found.names
    np.testing.assert_allclose(matrix.values, found.distances, atol=1e-6)
    for row in found.pairs().rows():
        assert matrix.loc[row["a"], row["b"]] == matrix.loc[row["b"], row["a"]] == row["distance"]
    assert len(found.pairs()) == 6


def test_palette_and_k_are_those_of_the_verbs(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png(image))

    row = smalti.survey(tmp_path, k=5, jobs=1).images.rows()[0]

    assert [row[f"hex_{rank}"] for rank in range(1, 6)] == smalti.build_palette(image, 5).hex()
    assert row["k_auto"] == smalti.choose_k(image).k
    assert row["k"] == 5


def test_invisible_pixels_are_counted_and_are_no_color(tmp_path):
    image = np.zeros((4, 4, 4), np.uint8)
    image[0] = (255, 0, 0, 255)
    (tmp_path / "icon.png").write_bytes(png(image))
    (tmp_path / "nothing.png").write_bytes(png(image * 0))
    (tmp_path / "red.png").write_bytes(picture((255, 0, 0)))

    found = smalti.survey(tmp_path, jobs=1)

    icon, nothing, red = found.images.rows()
    assert (icon["transparent"], nothing["transparent"], red["transparent"]) == (0.75, 1, 0)
    assert (icon["hex_1"], icon["share_1"], icon["k"]) == ("#ff0000", 1, 1)
    assert icon["distinct_colors"] == icon["k_auto"] == 2
    assert nothing["hex_1"] == "#00000000"
    assert found.distances[0].round(2).tolist() == [0, 1.21, 0]


def test_images_of_one_name_are_told_apart_by_their_whole_place(collection):
    (collection / "in" / "red.png").write_bytes(picture(RED))

    found = smalti.survey([collection / "red.png", collection / "in"], jobs=1, auto=False)

    assert found.names == [str(collection / "in" / "night.png"), str(collection / "in" / "red.png"),
                           str(collection / "red.png")]  # fmt: skip


def test_names_that_are_escaped_alike_stay_apart(tmp_path):
    for name in (b"caf\xe9.png", b"caf\\xe9.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(picture(RED))

    found = smalti.survey(tmp_path, jobs=1, auto=False)

    assert sorted(found.names) == [r"caf\xe9.png", r"caf\xe9.png (2)"]
    assert found.images.encoded(".parquet")


def test_two_processes_and_a_kept_state_give_the_same_survey(collection):
    state = str(collection / "state")
    one = smalti.survey(collection, jobs=1, auto=False, state=state)
    again, two = (smalti.survey(collection, jobs=jobs, auto=False, state=place)
                  for jobs, place in ((1, state), (2, None)))  # fmt: skip

    for other in (again, two):
        assert other.colors.encoded(".csv") == one.colors.encoded(".csv")


def test_pictures_of_a_url_are_surveyed_under_its_name():
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe({"/surveyed/a.png": picture(RED), "/surveyed/b.png": b"no"})

    found = smalti.survey("memory://surveyed", jobs=1)

    assert found.names == ["a.png"]
    assert "memory://surveyed/b.png" in found.failed[0]["message"]


def test_the_record_depends_on_every_option_but_not_on_how_it_is_run():
    work = SurveyWork(8)

    assert set(work.settings()) == {"k", "space", "effort", "seed", "auto"}
    assert SurveyWork(9).settings() != work.settings()


@pytest.mark.parametrize(("options", "said"), [
    ({"k": 0}, "k must be"), ({"k": 257}, "256"), ({"k": "auto"}, "k must be a number"),
    ({"space": "cmyk"}, "space must be"), ({"jobs": 0}, "jobs must be"),
])  # fmt: skip
def test_bad_options_are_refused_before_anything_is_read(options, said):
    with pytest.raises(smalti.BadOption, match=said):
        smalti.survey("nowhere", **options)


def test_all_distances_of_too_many_images_are_refused_with_a_way_out(collection, monkeypatch):
    monkeypatch.setattr("smalti.batch.survey.MAX_PAIRED", 3)

    with pytest.raises(smalti.BadOption, match="at most 3 images, got 4; the nearest"):
        smalti.survey(collection, jobs=1, auto=False).distances  # noqa: B018


# ---------------------------------------------------------------- the command


def test_the_command_writes_all_tables_and_fails_for_what_cannot_be_read(collection, smalti):
    done = smalti(
        "survey", collection, "-o", "colors.parquet", "--images", "images.csv", "--distances",
        "d.csv", "--pairs", "p.csv", "-j", 1, code=1,
    )  # fmt: skip

    assert re.search(r"cut\.png", done.stderr)
    assert "most alike: " in done.stdout
    where = collection
    assert pandas.read_parquet(where / "colors.parquet")["hex"].notna().sum() == 7 + 3 * 8
    assert pandas.read_csv(where / "images.csv")["nearest"].notna().sum() > 0
    assert (
        len(pandas.read_csv(where / "d.csv", index_col=0))
        == len(pandas.read_csv(where / "images.csv")) - 1
    )
    again = smalti("survey", collection, "-o", "colors.parquet", code=15)
    assert "--force" in again.stderr


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["a.png"], 2, "no table is asked for"),
    (["a.png", "-o", "t.csv", "--images", "t.csv"], 2, "one file"),
    (["a.png", "-o", "t.xlsx"], 2, ".csv or .parquet"),
    (["a.png", "-o", "none/t.csv"], 16, "folder"),
    (["none.png", "-o", "t.csv"], 2, "does not exist"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line_and_nothing_is_written(
    arguments, code, said, smalti, folder
):
    done = smalti("survey", *arguments, code=code)

    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "t.csv").exists()


def test_after_too_many_errors_the_rest_is_left(collection, smalti):
    for number in range(40):
        (collection / f"bad-{number:02}.png").write_bytes(b"no picture")

    done = smalti(
        "survey", collection, "--images", "i.csv", "--max-errors", 2, "-j", 1, "--no-auto", code=1
    )

    assert "stopped by --max-errors" in done.stderr
    errors = pandas.read_csv(collection / "i.csv")["error"].dropna()
    assert errors.str.startswith("NotDone").any()
    assert 3 <= errors.str.startswith("BadImage").sum() < 40


def test_json_and_progress_are_for_programs(smalti):
    done = smalti(
        "survey", "a.png", "b.png", "-k", 3, "--no-auto", "--json", "--progress", "json", "-j", 1
    )

    images = json.loads(done.stdout)["images"]
    assert [image["image"] for image in images] == ["a.png", "b.png"]
    assert [len(image["colors"]) for image in images] == [3, 3]
    assert json.loads(done.stderr.splitlines()[-1])["done"] == 2


def test_csv_needs_no_extra_and_what_does_says_which(smalti, folder):
    (folder / "block").mkdir()
    for name in ("pyarrow", "scipy"):
        (folder / "block" / f"{name}.py").write_text("raise ImportError")
    path = f"{folder / 'block'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    smalti("survey", "a.png", "-o", "t.csv", "--no-auto", PYTHONPATH=path)
    for table in ("--images=t2.csv", "-ot.parquet"):
        done = smalti("survey", "a.png", table, code=2, PYTHONPATH=path)
        assert "pip install '.[survey]'" in done.stderr


@pytest.mark.skipif(not shutil.which("Rscript"), reason="needs R")
def test_r_reads_what_was_written(collection, tmp_path):
    for name in ("new\nline.png", 'quo"te, x.png', "=1+1.png"):
        (collection / name).write_bytes(picture(BLUE, NIGHT))
    found = smalti.survey(collection, jobs=1, auto=False)
    found.colors.save(tmp_path / "t.csv")
    found.matrix().save(tmp_path / "d.csv")
    code = (
        't <- read.csv("t.csv"); d <- as.dist(read.csv("d.csv", row.names = 1));'
        'stopifnot(is.numeric(t$share), is.character(t$hex), all(attr(d, "Labels") %in% t$image));'
        'cat(nrow(t), length(unique(t$image)), attr(d, "Size"), sum(d), "\n");'
        'print(cutree(hclust(d, "average"), 2)[["red.png"]] == cutree(hclust(d), 2)[["rose.png"]])'
    )

    done = subprocess.run(
        ["Rscript", "-e", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    rows, images, size, total = done.stdout.splitlines()[0].split()
    assert int(rows) == len(found.colors)
    assert int(images) == len(found.records)
    assert int(size) == len(found.names)
    assert float(total) == pytest.approx(found.distances.sum() / 2, abs=1e-4)
    assert "TRUE" in done.stdout


def test_the_package_loads_no_survey_until_it_is_asked_for():
    code = "import sys, smalti; assert 'smalti.batch' not in sys.modules; smalti.survey"
    source = os.path.dirname(os.path.dirname(smalti.__file__))

    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source}
    )
