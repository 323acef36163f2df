"""`smalti compare`: what it prints, draws and refuses."""

import json
import os

import numpy as np
import pytest
from pictures import photo
from PIL import Image
from process import one_line

from smalti import compare


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(photo(1)).save(tmp_path / "a.png")
    Image.fromarray(photo(1) // 2 * 2).save(tmp_path / "b.png")
    Image.fromarray(photo(1, 40)).save(tmp_path / "small.png")
    return tmp_path


@pytest.fixture
def smalti(smalti):
    """`smalti compare`, whose errors are one line."""

    def run(*arguments, code=0, **options):
        done = smalti("compare", *arguments, code=code, **options)
        if code:
            one_line(done.stderr)
        return done

    return run


def test_two_pictures_are_compared_in_the_words_of_the_library(smalti, folder):
    done = smalti("a.png", "b.png")

    expected = str(compare(folder / "a.png", folder / "b.png"))
    assert done.stdout == expected.replace(f"{folder}{os.sep}", "") + "\n"
    for word in ("size", "colors", "pixels", "PSNR", "SSIM", "ΔE 2000", "ΔE 1976", "error"):
        assert f"\n  {word} " in done.stdout
    assert "; SSIMULACRA2 " in done.stdout


def test_identical_pictures_are_no_failure_nor_are_others(smalti):
    assert "pixels    identical\n" in smalti("a.png", "a.png").stdout
    assert "identical" not in smalti("a.png", "b.png").stdout


def test_json_is_what_the_library_says(smalti, folder):
    record = json.loads(smalti("a.png", "b.png", "--json").stdout)

    expected = compare(folder / "a.png", folder / "b.png").to_dict()
    assert record == {**expected, "sources": ["a.png", "b.png"]}
    assert json.loads(smalti("a.png", "a.png", "--json").stdout)["psnr"] is None


def test_the_difference_is_drawn_and_not_over_another_file(smalti, folder):
    done = smalti("a.png", "b.png", "-o", "d.png", "--gain", 20)

    assert done.stdout.endswith("\n  → d.png: the difference, times 20\n")
    with Image.open(folder / "d.png") as picture:
        drawn = np.asarray(picture)
    assert set(np.unique(drawn)) == {108, 128}
    assert "d.png exists; use --force" in smalti("a.png", "b.png", "-o", "d.png", code=15).stderr
    smalti("a.png", "a.png", "-o", "d.png", "-f")
    with Image.open(folder / "d.png") as picture:
        assert np.unique(np.asarray(picture)).tolist() == [128]


def test_standard_input_may_be_one_of_the_two(smalti, folder):
    done = smalti("-", "b.png", stdin=(folder / "a.png").read_bytes())

    assert done.stdout.startswith("standard input ↔ b.png\n")
    assert "one picture" in smalti("-", "-", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.png", "small.png"], "a.png has 96 × 96 pixels, small.png has 40 × 40 pixels"),
        (["a.png", "none.png"], "none.png does not exist"),
        (["a.png"], "Missing argument 'B'"),
        (["a.png", "b.png", "-o", "d.jpg"], "ends in .png"),
        (["a.png", "b.png", "--gain", "9"], "-o names it"),
        (["a.png", "b.png", "-o", "d.png", "--gain", "0"], "from 1 to 255"),
    ],
)
def test_refusals_are_one_line(smalti, folder, arguments, says):
    assert says in smalti(*arguments, code=2).stderr
    assert not (folder / "d.png").exists()
