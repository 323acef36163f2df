"""`smalti fit`, `apply` and `verify`: one palette for many files, from the first to the check."""

import json

import numpy as np
import pytest
from PIL import Image
from process import listing, one_line

from smalti import Histogram, Lock, Palette, build_palette, extend_lock, verify
from smalti.batch.sharing import compress_shared
from smalti.cli import _run
from smalti.stored import decode_indexed

COLORS = {"ink": (26, 28, 44), "rust": (177, 62, 83), "sand": (255, 205, 117),
          "leaf": (56, 183, 100), "sky": (65, 166, 246)}  # fmt: skip


def sprite(*names, seed=0):
    """Return a symmetric figure of these colors on nothing."""
    half = np.random.default_rng(seed).integers(0, len(names) + 1, (16, 8))
    colors = np.uint8([(0, 0, 0, 0), *((*COLORS[name], 255) for name in names)])
    return Image.fromarray(colors[np.hstack([half, half[:, ::-1]])])


@pytest.fixture
def folder(tmp_path):
    """A folder with two sprites in art/."""
    (tmp_path / "art").mkdir()
    sprite("ink", "rust").save(tmp_path / "art" / "hero.png")
    sprite("ink", "sand", seed=1).save(tmp_path / "art" / "villain.png")
    return tmp_path


@pytest.fixture
def refused(folder, monkeypatch, capfd):
    """Run the command in this process, and return its one line of error."""
    monkeypatch.chdir(folder)

    def run(*arguments, code):
        assert _run([str(argument) for argument in arguments]) == code
        out, error = capfd.readouterr()
        assert out == ""
        return one_line(error)

    return run


def rows_of(path):
    return Lock.load(path).palette.hex()


# ---------------------------------------------------------------- fit


def test_fit_writes_the_palette_of_all_pictures_and_their_histogram(smalti, folder):
    done = smalti("fit", "art", "-k", 3, "-o", "game.palette", "-o", "game.gpl", "--histogram",
                  "all.hist", "-j", 1)  # fmt: skip

    whole = Histogram.of(folder / "art/hero.png") + Histogram.of(folder / "art/villain.png")
    assert Palette.load(folder / "game.palette") == build_palette(whole, 3)
    assert Palette.load(folder / "game.gpl") == build_palette(whole, 3)
    assert Histogram.load(folder / "all.hist") == whole
    assert done.stdout.splitlines() == [
        "2 inputs: 3 of 4 colors", "  → game.palette", "  → game.gpl", "  → all.hist",
    ]  # fmt: skip
    again = smalti("fit", "all.hist", "-k", 3, "--json")
    (folder / "again.json").write_text(again.stdout)
    assert Palette.load(folder / "again.json") == build_palette(whole, 3)


def test_fit_without_outputs_shows_the_palette(smalti):
    lines = smalti("fit", "art", "-j", 1).stdout.splitlines()

    assert lines[0] == "2 inputs: 4 of 4 colors"
    assert sum("#" in line for line in lines) == 4


def test_fit_names_what_it_cannot_read_and_fits_the_rest(smalti, folder):
    (folder / "art" / "bad.png").write_bytes(b"no picture")

    done = smalti("fit", "art", "-o", "a.palette", "-j", 1, code=1)

    assert "bad.png" in one_line(done.stderr)
    assert len(rows_of(folder / "a.palette")) == 4


@pytest.mark.parametrize(("arguments", "code", "says"), [
    ([], 2, "no input"),
    (["none.png"], 2, "none.png does not exist"),
    (["art", "-o", "a.txt"], 2, "ends in .gpl"),
    (["art", "-o", "art/hero.png"], 15, "hero.png exists"),
    (["art", "--histogram", "none/a.hist"], 16, "its folder does not exist"),
    (["art", "--lock", "a.lock", "-k", 9], 2, "--limit says how many"),
    (["art", "--lock", "a.lock", "--histogram", "a"], 2, "--histogram and --lock exclude"),
    (["art", "--frozen"], 2, "--frozen goes with --lock"),
    (["art", "--limit", 3], 2, "--limit goes with --lock"),
    (["art", "--address", "tcp://x"], 2, "--address goes with --engine dask"),
    (["art", "--lock", "a.lock", "--limit", 3], 99, "left, and art/villain.png brings 1 new color"),
    (["art", "--lock", "a.lock", "--frozen"], 2, "a.lock does not exist, so it cannot be frozen"),
    (["art", "--lock", "art/hero.png"], 2, "art/hero.png: line 1: expected 'smalti palette 1'"),
])  # fmt: skip
def test_fit_refuses_in_one_line(refused, folder, arguments, code, says):
    before = listing(folder)

    assert says in refused("fit", *arguments, "-j", 1, code=code)
    assert listing(folder) == before


# ---------------------------------------------------------------- a lock from first to last


def test_an_artist_locks_a_palette_adds_art_and_the_check_sees_it(smalti, folder):
    smalti("fit", "art", "--lock", "art.palette", "--limit", 6, "-j", 1)
    first = (folder / "art.palette").read_text()
    assert rows_of(folder / "art.palette") == ["#00000000", "#b13e53", "#1a1c2c", "#ffcd75"]
    assert first.splitlines()[-1] == "3 #ffcd75  # art/villain.png"
    smalti("verify", "art", "--lock", "art.palette")

    sprite("ink", "leaf", seed=2).save(folder / "art" / "tree.png")
    differs = smalti("verify", "art", "--lock", "art.palette", code=1).stdout.splitlines()
    assert differs[0].startswith("art/tree.png: ")
    assert "have a color that the palette lacks, first at (" in differs[0]
    assert differs[0].endswith("): #38b764")
    assert differs[1] == "3 files: 1 does not keep to the palette"

    done = smalti("apply", "-r", "art", "--lock", "art.palette", "--out-dir", "out", "-j", 1)
    assert done.stdout.splitlines()[:2] == [
        "art.palette: 1 new color, 5 of 6 rows taken", "  1 from art/tree.png",
    ]  # fmt: skip
    second = (folder / "art.palette").read_text()
    assert second == first + "4 #38b764  # art/tree.png\n"

    smalti("verify", "out", "--lock", "art.palette", "--rows")
    for name in ("hero", "villain", "tree"):
        indices, palette, _ = decode_indexed(folder / "out" / f"{name}.png")
        assert len(palette) == 5  # all of them in place, used or not
        shown = palette[indices]
        original = np.asarray(Image.open(folder / "art" / f"{name}.png"))
        np.testing.assert_array_equal(shown[original[..., 3] > 0], original[original[..., 3] > 0])


def test_a_full_lock_fails_and_changes_nothing_or_maps_to_the_nearest(smalti, folder):
    smalti("fit", "art/hero.png", "--lock", "a.lock", "--limit", 4, "-j", 1)
    sprite("leaf", "sky", seed=3).save(folder / "art" / "tree.png")
    before = listing(folder), (folder / "a.lock").read_bytes()
    arguments = ("apply", "art/tree.png", "--lock", "a.lock", "--format", "gif", "-o", "-")

    error = one_line(smalti(*arguments, code=99).stderr)
    assert "a.lock: 1 of 4 rows is left, and art/tree.png brings 2 new colors" in error
    assert (listing(folder), (folder / "a.lock").read_bytes()) == before
    frozen = smalti(*arguments, "--frozen", code=99)
    assert "a.lock is frozen" in one_line(frozen.stderr)

    done = smalti(*arguments, "--full", "nearest", binary=True)

    told = done.stderr.decode()  # the picture itself goes to standard output
    assert "art/tree.png: 2 colors find no room and map to the nearest" in told
    assert len(rows_of(folder / "a.lock")) == 4
    (folder / "tree.gif").write_bytes(done.stdout)
    smalti("verify", "tree.gif", "--lock", "a.lock", "--rows")


def test_frozen_and_nearest_map_without_touching_the_lock(smalti, folder):
    smalti("fit", "art/hero.png", "--lock", "a.lock", "-j", 1)
    before = (folder / "a.lock").read_bytes()

    smalti("apply", "art/villain.png", "--lock", "a.lock", "--frozen", "--full", "nearest", "-q")

    assert (folder / "a.lock").read_bytes() == before
    smalti("verify", "art/villain-smalti.png", "--lock", "a.lock", "--rows")


# ---------------------------------------------------------------- apply and verify


def test_apply_maps_to_a_palette_even_where_that_is_larger(smalti, folder):
    Palette([(0, 0, 0, 0), *((*color, 255) for color in COLORS.values())]).save(
        folder / "p.palette"
    )
    smalti("apply", "art/hero.png", "--palette", "p.palette", "-o", "once.png")

    done = smalti("apply", "once.png", "--palette", "p.palette", "-o", "twice.png", "--json")

    assert json.loads(done.stdout)["status"] == "compressed"
    assert (folder / "once.png").read_bytes() == (folder / "twice.png").read_bytes()
    assert decode_indexed(folder / "twice.png")[1].tolist() == np.asarray(
        Palette.load(folder / "p.palette")).tolist()  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (["apply", "art/hero.png"], 2, "take either --palette or --lock"),
    (["apply", "art/hero.png", "--lock", "a", "--palette", "#000"], 2, "take either"),
    (["apply", "art/hero.png", "--palette", "#000", "--frozen"], 2, "--frozen goes with --lock"),
    (["apply", "-", "--lock", "a.lock"], 2, "standard input has no name"),
    (["apply", "--palette", "#000"], 2, "no input"),
    (["apply", "none.png", "--lock", "a.lock"], 2, "none.png does not exist"),
    (["apply", "art", "--lock", "a.lock"], 2, "is a folder; -r"),
    (["apply", "art/hero.png", "--palette", "#000", "-o", "art/hero.png"], 15, "exists"),
    (["apply", "art/hero.png", "--palette", "#000", "--strict-palette"], 99, "palette lacks"),
    (["apply", "art/hero.png", "--palette", "none.palette"], 2, "none.palette does not exist"),
    (["verify", "--palette", "#000"], 2, "no input"),
    (["verify", "art", "--palette", "#000", "--lock", "a"], 2, "take either --palette or --lock"),
    (["verify", "art", "--lock", "none.lock"], 2, "there is no lock none.lock"),
    (["verify", "none.png", "--palette", "#000", "-q"], 2, "none.png does not exist"),
    (["batch", "art", "--out-dir", "o", "--shared", "--lock", "a"], 2, "leave one out"),
    (["batch", "art", "--out-dir", "o", "--shared", "--palette", "#000"], 2, "shared by all"),
    (["batch", "art", "--out-dir", "o", "--lock", "a", "-k", 9], 2, "--limit says how many"),
    (["batch", "art", "--out-dir", "o", "--shared", "--frozen"], 2, "--frozen goes with --lock"),
    (["batch", "art", "--out-dir", "o", "--shared", "--weight", "auto"], 2, "without weight"),
    (["batch", "none", "--out-dir", "o", "--shared"], 2, "none does not exist"),
])  # fmt: skip
def test_apply_verify_and_batch_refuse_in_one_line(refused, folder, arguments, code, says):
    before = listing(folder)

    assert says in refused(*arguments, code=code)
    assert listing(folder) == before


def test_a_collection_is_compressed_to_one_palette_and_resumed(smalti, folder):
    smalti("batch", ".", "--shared", "-k", 3, "--out-dir", "out", "-j", 1)
    done = smalti("batch", ".", "--shared", "-k", 3, "--out-dir", "out", "-j", 1)

    assert "2 of them were done by an earlier run" in done.stdout
    whole = Histogram.of(folder / "art/hero.png") + Histogram.of(folder / "art/villain.png")
    assert Palette.load(folder / "out" / "smalti.palette") == build_palette(whole, 3)
    for name in ("hero", "villain"):
        verdict = verify(
            folder / "out/art" / f"{name}.png", folder / "out/smalti.palette", rows=True
        )
        assert verdict.ok, verdict


def test_a_collection_extends_a_lock_and_is_mapped_to_it(folder):
    lock = folder / "art.lock"
    extend_lock(str(lock), [str(folder / "art" / "villain.png")], jobs=1).lock.save(lock)

    done = compress_shared(folder / "art", folder / "out", lock=str(lock), jobs=1)

    assert done.compressed == 2
    assert [row.note for row in Lock.load(lock).rows] == [*["art/villain.png"] * 3, "art/hero.png"]
    for name in ("hero", "villain"):
        assert verify(folder / "out" / f"{name}.png", Lock.load(lock).palette, rows=True).ok


def test_verify_tells_of_each_file_as_json(smalti, folder):
    (folder / "art" / "bad.png").write_bytes(b"no picture")

    done = smalti("verify", "art", "--palette", "#0000,#1a1c2c,#b13e53", "--json", code=1)

    hero, villain = map(json.loads, done.stdout.splitlines())
    assert hero["ok"]
    assert (villain["source"], villain["ok"], villain["color"]) == (
        "art/villain.png", False, "#ffcd75")  # fmt: skip
    assert "bad.png" in one_line(done.stderr)


def test_verify_is_silent_when_asked_to_be(smalti):
    done = smalti("verify", "art", "--palette", "#0000,#1a1c2c,#b13e53,#ffcd75", "-q")

    assert done.stdout == done.stderr == ""
