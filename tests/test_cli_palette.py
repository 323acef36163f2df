"""`smalti palette`: what it prints, what it writes, and what it refuses."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from pictures import photo
from PIL import Image
from process import one_line

from smalti import Histogram, Palette, build_palette, palette_files
from smalti.palette import SUFFIXES

FLAG = np.uint8([[[255, 165, 0]] * 3, [[0, 0, 0]] * 3, [[0, 0, 0]] * 3])


@pytest.fixture
def folder(tmp_path):
    """A folder with two photos, a flag of 2 colors, one of 1, and one with alpha."""
    for name, image in (
        ("a", photo(1)),
        ("b", photo(2)),
        ("flag", FLAG),
        ("one", np.full((2, 2, 3), 200, np.uint8)),
        ("alpha", np.uint8([[[0, 0, 0, 0], [255, 0, 0, 255], [0, 0, 255, 51]]])),
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def smalti(smalti):
    """The command, whose errors are one line."""

    def run(*arguments, code=0, **options):
        done = smalti(*arguments, code=code, **options)
        if code:
            one_line(done.stderr)
        return done

    return run


def colors_of(text):
    return re.findall(r"^  (#[0-9a-f]+) ", text, flags=re.MULTILINE)


# ---------------------------------------------------------------- showing


def test_each_color_has_its_share_oklch_and_name(smalti):
    lines = smalti("palette", "flag.png").stdout.splitlines()

    assert lines == [
        "flag.png: all 2 colors",
        "  #000000   66.7 %  oklch(  0.0% 0.000   0.0)  black",
        "  #ffa500   33.3 %  oklch( 79.3% 0.171  70.7)  orange",
    ]


def test_the_colors_are_those_of_build_palette(smalti, folder):
    done = smalti("palette", "a.png", "-k", 5, "--effort", "lloyd", "--space", "srgb")

    expected = build_palette(folder / "a.png", 5, effort="lloyd", space="srgb")
    assert colors_of(done.stdout) == expected.hex()
    assert re.match(r"a\.png: 5 of [\d,]+ colors\n", done.stdout)
    assert done.stdout.count("≈ ") == 5


def test_eight_colors_are_the_default_and_one_is_enough(smalti):
    assert len(colors_of(smalti("palette", "a.png").stdout)) == 8
    assert "one.png: its only color\n  #c8c8c8  100.0 %" in smalti("palette", "one.png").stdout


def test_several_pictures_are_taken_together(smalti, folder):
    done = smalti("palette", "a.png", "b.png", "-k", 4)

    both = Histogram.of(folder / "a.png") + Histogram.of(folder / "b.png")
    assert colors_of(done.stdout) == build_palette(both, 4).hex()
    assert done.stdout.startswith(f"2 pictures: 4 of {len(both):,} colors\n")


@pytest.mark.parametrize("by", ["share", "hue", "lightness"])
def test_colors_are_sorted_as_asked(smalti, folder, by):
    done = smalti("palette", "a.png", "--sort", by)

    assert colors_of(done.stdout) == build_palette(folder / "a.png", 8).sorted(by).hex()


def test_transparent_colors_say_so(smalti):
    done = smalti("palette", "alpha.png")

    assert re.search(r"#00000000 .* / 0%\)   transparent\n", done.stdout)
    assert re.search(r"#0000ff33 .* / 20%\)  ≈ blue\n", done.stdout)
    assert re.search(r"#ff0000   .*\)        red\n", done.stdout)


def test_json_is_one_object_and_a_palette_file(smalti, folder):
    done = smalti("palette", "flag.png", "--json", "-o", "x.ase")

    record = json.loads(done.stdout)
    assert (record["pixels"], record["distinct_colors"], record["k"]) == (9, 2, 8)
    assert record["sources"] == ["flag.png"]
    assert record["colors"][1] == {
        "hex": "#ffa500", "share": 1 / 3, "oklch": [0.7927, 0.171, 70.67], "name": "orange",
        "exact": True,
    }  # fmt: skip
    (folder / "x.json").write_text(done.stdout)
    assert Palette.load(folder / "x.json") == Palette.load(folder / "x.ase")


def test_standard_input_is_a_picture(smalti, folder):
    data = (folder / "flag.png").read_bytes()

    done = smalti("palette", "-", "--masks", "m", stdin=data)

    assert done.stdout.startswith("standard input: all 2 colors")
    assert sorted(path.name for path in (folder / "m").iterdir()) == [
        "01-000000.png", "02-ffa500.png"]  # fmt: skip
    assert "standard input is empty" in smalti("palette", "-", code=2).stderr


def test_quiet_prints_nothing_and_still_writes(smalti, folder):
    assert smalti("palette", "a.png", "-q", "-o", "a.gpl").stdout == ""
    assert (folder / "a.gpl").exists()


# ---------------------------------------------------------------- files


def test_every_format_is_written_at_once_and_holds_the_same(smalti, folder):
    outputs = [f"x{suffix}" for suffix in SUFFIXES]

    done = smalti("palette", "a.png", *(word for output in outputs for word in ("-o", output)))

    colors = colors_of(done.stdout)
    for suffix in palette_files.SUFFIXES:
        assert Palette.load(folder / f"x{suffix}").hex() == colors
        assert f"  → x{suffix}\n" in done.stdout
    with Image.open(folder / "x.png") as picture:
        assert picture.size == (8 * 112, 64)


def test_nothing_is_written_where_one_output_exists(smalti, folder):
    (folder / "x.css").write_text("mine")

    done = smalti("palette", "a.png", "-o", "x.gpl", "-o", "x.css", code=15)

    assert "x.css exists; use --force" in done.stderr
    assert not (folder / "x.gpl").exists()
    assert (folder / "x.css").read_text() == "mine"
    smalti("palette", "a.png", "-o", "x.gpl", "-o", "x.css", "-f")
    assert Palette.load(folder / "x.css").k == 8


def test_a_loss_is_said(smalti):
    done = smalti("palette", "alpha.png", "-o", "x.ase", "-o", "x.css")

    assert "note: .ase holds no alpha: 2 transparent colors are written as opaque" in done.stdout
    assert done.stdout.count("note") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "no input"),
        (["none.png"], 2, "none.png does not exist"),
        (["a.png", "none.png"], 2, "none.png does not exist"),
        (["a.png", "-k", "0"], 2, "from 1 to 65,536"),
        (["a.png", "-o", "x.bmp"], 2, "x.bmp: a palette is written to a file that ends in .gpl"),
        (["a.png", "-o", "-"], 2, "ends in .gpl"),
        (["a.png", "-o", "none/x.gpl"], 16, "its folder does not exist"),
        (["a.png", "-o", "a.png", "-f"], 2, "would replace a picture that is read"),
        (["a.png", "-"], 2, "standard input is taken alone"),
        (["a.png", "-k", "300", "-o", "x.act"], 2, "at most 256 colors"),
        (["a.png", "--masks", "b.png"], 16, "b.png is a file"),
        (["a.png", "--posterize", "3"], 2, "use -k"),
        (["a.png", "--sort", "size"], 2, "'size' is not one of"),
    ],
)
def test_refusals_are_one_line(smalti, folder, arguments, code, says):
    before = sorted(folder.iterdir())

    assert says in smalti("palette", *arguments, code=code).stderr

    assert sorted(folder.iterdir()) == before


# ---------------------------------------------------------------- masks


def test_masks_show_where_each_color_is(smalti, folder):
    smalti("palette", "flag.png", "--masks", "m")

    with Image.open(folder / "m" / "02-ffa500.png") as mask:
        assert np.asarray(mask.convert("L"))[:, 0].tolist() == [255, 0, 0]


def test_several_pictures_have_a_folder_each(smalti, folder):
    (folder / "sub").mkdir()
    Image.fromarray(FLAG).save(folder / "sub" / "flag.gif")

    done = smalti("palette", "a.png", "flag.png", "sub/flag.gif", "-k", 3, "--masks", "m")

    assert sorted(path.name for path in (folder / "m").iterdir()) == [
        "a", "flag.gif", "flag.png"]  # fmt: skip
    names = {tuple(sorted(os.listdir(path))) for path in (folder / "m").iterdir()}
    assert len(names) == 1
    assert f"  → {Path('m/a')}: 3 masks" in done.stdout
    twice = smalti("palette", "flag.png", "sub/../flag.png", "--masks", "n", code=2)
    assert "two pictures are called flag.png" in twice.stderr


def test_existing_masks_keep_all_from_being_written(smalti, folder):
    (folder / "m" / "one").mkdir(parents=True)
    (folder / "m" / "one" / "03-ffa500.png").write_text("mine")

    arguments = ("palette", "flag.png", "one.png", "-k", 3, "--masks", "m", "-o", "x.gpl")
    done = smalti(*arguments, code=15)

    assert "03-ffa500.png exists; use --force" in done.stderr
    assert not (folder / "m" / "flag").exists()
    assert not (folder / "x.gpl").exists()
    smalti(*arguments, "--force")
    assert len(list((folder / "m").rglob("*.png"))) == 6


# ---------------------------------------------------------------- convert


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_palettes_are_converted(smalti, folder, suffix):
    (folder / "in.hex").write_text("ff8000\n010203\n")

    done = smalti("palette", "convert", "in.hex", f"out{suffix}")

    assert done.stdout == f"in.hex → out{suffix}: 2 colors\n"
    if suffix != ".png":
        assert Palette.load(folder / f"out{suffix}").hex() == ["#ff8000", "#010203"]


def test_indexed_pictures_are_palettes_in_their_order(smalti, folder):
    # Rows in a chosen order: of a palette of its own, a file is packed as whatever is smallest.
    colors = ("--palette", "#000,#ffa500")
    smalti("compress", "flag.png", "-o", "small.png", *colors, "--allow-larger", "-q")

    smalti("palette", "convert", "small.png", "out.hex")
    smalti("palette", "convert", "small.png", "sorted.hex", "--sort", "lightness", "-q")

    assert (folder / "out.hex").read_text() == "000000\nffa500\n"
    assert (folder / "sorted.hex").read_text() == "000000\nffa500\n"


def test_conversions_that_cannot_be_are_refused(smalti, folder):
    (folder / "in.hex").write_text("ff8000\n")
    (folder / "broken.ase").write_bytes(b"ASEF\0\1\0\0\0\0\0\2")
    convert = ("palette", "convert")

    smalti(*convert, "in.hex", "swatches.png")
    for source in ("swatches.png", "a.png"):
        assert (
            "finds the colors of other pictures" in smalti(*convert, source, "x.gpl", code=2).stderr
        )
    assert "broken.ase: it is truncated" in smalti(*convert, "broken.ase", "x.gpl", code=2).stderr
    assert "none.gpl does not exist" in smalti(*convert, "none.gpl", "x.hex", code=2).stderr
    assert "Missing argument 'OUT'" in smalti(*convert, "in.hex", code=2).stderr
    assert "exists; use --force" in smalti(*convert, "in.hex", "in.hex", code=15).stderr
    assert "no shares" in smalti(*convert, "in.hex", "x.css", "--sort", "share", code=2).stderr
    assert not (folder / "x.gpl").exists()


def test_a_conversion_says_what_is_lost(smalti, folder):
    (folder / "in.hex").write_text("ff800080\n")

    done = smalti("palette", "convert", "in.hex", "out.aco")

    assert "note: .aco holds no alpha: 1 transparent color is written as opaque" in done.stdout


def test_a_picture_called_convert_is_still_reached(smalti, folder):
    (folder / "convert").write_bytes((folder / "flag.png").read_bytes())

    assert "convert: all 2 colors" in smalti("palette", "./convert").stdout
    assert "convert: all 2 colors" in smalti("palette", "-k", 3, "convert").stdout


def test_help_names_the_formats_and_the_other_command(smalti):
    words = " ".join(smalti("palette", "--help").stdout.split())

    for suffix in SUFFIXES:
        assert suffix in words
    assert "smalti palette convert IN OUT" in words
    assert "Usage: smalti palette convert" in smalti("palette", "convert", "--help").stdout
    assert "palette" in smalti("--help").stdout
