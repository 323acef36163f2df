"""`smalti converge` as people and scripts meet it: arguments, streams and an exit code."""

import json
import os
from functools import partial

import pytest
from pictures import photo
from PIL import Image

import smalti as package


@pytest.fixture
def folder(tmp_path):
    """A folder that holds photo.png and red.png."""
    Image.fromarray(photo(1, 48)).save(tmp_path / "photo.png")
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    return tmp_path


@pytest.fixture
def run(smalti):
    return partial(smalti, "converge")


def test_table_shows_all_seedings(run):
    done = run("photo.png", "-k", 4, "--runs", 2)

    assert done.stdout.startswith("photo.png: k = 4 in oklab")
    for words in ("random, seed 0", "k-means++, seed 0", "splitting", "largest shift",
                  "pixels moved", "stopped: ", "lowest: "):  # fmt: skip
        assert words in done.stdout
    assert done.stderr == ""


def test_json_has_what_the_library_finds(run, tmp_path):
    done = run("photo.png", "-k", 3, "--init", "box", "--runs", 2, "--seed", 5, "--json",
               "--space", "srgb", "--max-iter", 7, "--tol", 0)  # fmt: skip

    numbers = json.loads(done.stdout)
    found = package.converge(tmp_path / "photo.png", 3, init="box", runs=2, seed=5, space="srgb",
                             max_iter=7, tol=0)  # fmt: skip
    assert numbers == {"source": "photo.png", "plot": None, **found.to_dict()}


@pytest.mark.parametrize("name", ["plot.png", "plot.gif"])
def test_plot_is_written_and_the_best_run_told(run, tmp_path, name):
    done = run("photo.png", "-k", 3, "--runs", 2, "--max-iter", 1, "--plot", name)

    assert done.stdout.startswith(f"{name}: ")
    assert "distortion" in done.stdout
    with Image.open(tmp_path / name) as picture:
        assert picture.format == name[-3:].upper()


def test_an_existing_plot_is_kept_unless_forced(run, tmp_path):
    (tmp_path / "plot.png").write_text("mine")

    refused = run("photo.png", "--plot", "plot.png", code=15)
    assert "plot.png exists" in refused.stderr
    assert (tmp_path / "plot.png").read_text() == "mine"

    run("photo.png", "--plot", "plot.png", "--force", "--runs", 1)
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_missing_matplotlib_is_told_in_one_line_before_the_image_is_read(run, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError")

    done = run("missing.png", "--plot", "plot.png", code=2,
               PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))  # fmt: skip

    assert done.stderr.count("\n") == 1
    assert "pip install '.[plot]'" in done.stderr


def test_a_picture_of_one_color_has_nothing_to_iterate(run, tmp_path):
    assert run("red.png").stdout == (
        "red.png: nothing to iterate: the image has 1 color, and k = 8 keeps it\n"
    )
    refused = run("red.png", "--plot", "plot.png", code=2)
    assert refused.stderr.startswith("smalti: plot.png: there is nothing to draw")
    assert not (tmp_path / "plot.png").exists()


@pytest.mark.parametrize("arguments", [
    ("missing.png",), ("photo.png", "-k", 0), ("photo.png", "--runs", "few"),
    ("photo.png", "--plot", "plot.bmp"), ("photo.png", "--init", "forgy"), (),
])  # fmt: skip
def test_mistakes_are_one_line(run, arguments):
    done = run(*arguments, code=2)

    assert done.stdout == ""
    assert done.stderr.startswith("smalti: ")
    assert done.stderr.count("\n") == 1
