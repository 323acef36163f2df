"""`smalti sweep`, and words for the number of colors, as people meet them."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from process import one_line

import smalti as library


def rows_of(folder, *ks, **options):
    with Image.open(folder / "a.png") as picture:
        return library.sweep(np.asarray(picture), ks or None, **options)


def test_sweep_prints_a_table_of_every_number_of_colors(smalti, folder):
    done = smalti("sweep", "a.png")

    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["k", "J", "PSNR", "SSIM"]
    ks = [int(line.split()[0].replace(",", "")) for line in lines[1:-2]]
    assert ks == [row.k for row in rows_of(folder)]
    assert "elbow is at k =" in lines[-1]
    assert done.stderr == ""


def test_sweep_prints_json_and_csv_for_programs(smalti, folder):
    plain = json.loads(smalti("sweep", "-k", "2, 8", "--json", "--webp", "a.png").stdout)
    text = smalti("sweep", "-k", "2,8", "--csv", "--space", "srgb", "a.png").stdout

    for found, row in zip(plain, rows_of(folder, 2, 8, webp=True), strict=True):
        expected = (row.k, row.distortion, row.psnr, row.bytes, row.webp_bytes)
        assert (
            tuple(found[name] for name in ("k", "distortion", "psnr", "bytes", "webp_bytes"))
            == expected
        )
    lines = list(csv.DictReader(io.StringIO(text)))
    expected = [row.distortion for row in rows_of(folder, 2, 8, space="srgb")]
    assert [float(line["distortion"]) for line in lines] == expected


def test_sweep_goes_on_to_all_colors_when_asked(smalti, folder):
    last = json.loads(smalti("sweep", "-k", "2", "--all", "--json", "a.png").stdout)[-1]

    assert (last["distortion"], last["psnr"], last["ssim"]) == (0, None, 1)


def test_sweep_reads_standard_input(smalti, folder):
    done = smalti("sweep", "-k", "3", "--json", "-", stdin=(folder / "a.png").read_bytes())

    assert json.loads(done.stdout)[0]["k"] == 3


def test_sweep_draws_a_plot_and_replaces_one_only_when_told(smalti, folder):
    smalti("sweep", "-k", "2,8", "--plot", "plot.svg", "a.png")
    before = (folder / "plot.svg").read_bytes()

    refused = smalti("sweep", "-k", "2", "--plot", "plot.svg", "a.png", code=15)
    assert "plot.svg" in one_line(refused.stderr)
    assert (folder / "plot.svg").read_bytes() == before
    smalti("sweep", "-k", "2", "--plot", "plot.svg", "-f", "a.png")
    assert (folder / "plot.svg").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-k", "2,many", "a.png"], 2, "whole numbers from 1 to 65,536 with commas between"),
        (["-k", "0", "a.png"], 2, "k must be an integer from 1 to 65,536"),
        (["--json", "--csv", "a.png"], 2, "--json and --csv exclude each other"),
        (["--plot", "plot.pdf", "a.png"], 2, "a plot ends in .png or .svg, got plot.pdf"),
        (["--plot", "none/plot.png", "a.png"], 16, "none/plot.png"),
        (["missing.png"], 2, "missing.png"),
        ([], 2, "Missing argument 'IMAGE'"),
    ],
)
def test_wrong_calls_of_sweep_end_in_one_line(smalti, arguments, code, words):
    assert words in one_line(smalti("sweep", *arguments, code=code).stderr)


def test_sweep_says_how_to_get_plots_where_matplotlib_is_missing(smalti, folder):
    (folder / "matplotlib.py").write_text("raise ImportError('none here')")

    done = smalti("sweep", "--plot", "p.png", "a.png", code=2, PYTHONPATH=_path_before(folder))

    assert "pip install '.[plot]'" in one_line(done.stderr)


def _path_before(folder):
    import os

    return f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"


@pytest.mark.parametrize(("word", "method"), [("auto", "visible"), ("elbow", "elbow")])
def test_the_number_of_colors_may_be_a_word(smalti, folder, word, method):
    report = json.loads(smalti("compress", "-k", word, "--json", "a.png").stdout)

    with Image.open(folder / "a.png") as picture:
        choice = library.choose_k(np.asarray(picture), method=method)
    assert report["colors_used"] == choice.k
    assert str(choice) in report["notes"]


def test_other_words_are_refused_with_those_that_there_are(smalti):
    done = smalti("compress", "-k", "many", "a.png", code=2)

    assert "from 1 to 65,536, or auto, or elbow, got 'many'" in one_line(done.stderr)
