"""The command as people and scripts meet it: a process with arguments, streams and an exit code."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from process import COMMAND, file_of, listing, one_line, picture, wait_until_at_work

from smalti import IndexedImage, __version__
from smalti.cli.jobs import Naming, plan
from smalti.cli.parameters import OF_PNGQUANT
from smalti.cli.terminal import Bar
from smalti.headers import SUFFIXES
from smalti.options import OPTIONS


def colors_in(path):
    with Image.open(path) as image:
        return len(np.unique(np.asarray(image.convert("RGBA")).reshape(-1, 4), axis=0))


# ---------------------------------------------------------------- one file


def test_one_file_is_written_beside_the_input_and_reported(smalti, folder):
    done = smalti("compress", "a.png", "-k", 16)

    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "a.png → a-smalti.png"
    for word in ("size", "colors", "palette", "error", "k-means", "time"):
        assert f"\n  {word} " in done.stdout
    assert colors_in(folder / "a-smalti.png") == 16
    assert listing(folder) == ["a-smalti.png", "a.png", "b.png", "photo.jpg"]


def test_the_subcommand_may_be_left_out(smalti, folder):
    smalti("a.png", "-q", "-k", 4)

    assert colors_in(folder / "a-smalti.png") == 4


def test_default_is_256_colors_and_help_says_so(smalti, folder):
    smalti("a.png")

    assert colors_in(folder / "a-smalti.png") == 256
    words = " ".join(smalti("compress", "--help").stdout.split())
    assert "default: 256" in words
    assert "photo-smalti.png" in words


def test_help_names_every_option_of_the_library_with_its_default(smalti):
    words = " ".join(smalti("compress", "--help").stdout.split())

    for option in OPTIONS.values():
        spelled = "--colors" if option.name == "k" else f"--{option.name.replace('_', '-')}"
        assert spelled in words
        for choice in option.choices:
            assert choice in words


@pytest.mark.guarantee(11, 12)
def test_existing_output_is_not_replaced_without_force(smalti, folder):
    (folder / "a-smalti.png").write_bytes(b"precious")

    done = smalti("a.png", code=15)

    assert "a-smalti.png" in one_line(done.stderr)
    assert "--force" in done.stderr
    assert (folder / "a-smalti.png").read_bytes() == b"precious"
    smalti("a.png", "-f", "-q")
    assert colors_in(folder / "a-smalti.png") == 256


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["-o", "x.webp"], "x.webp"),
        (["--output=x.gif"], "x.gif"),
        (["--format", "webp"], "a-smalti.webp"),
        (["--ext", "-tiny.png"], "a-tiny.png"),
        (["--name", "{stem}_{k}_colors.png"], "a_7_colors.png"),
        (["--name", "{name}.{format}"], "a.png.png"),
        (["--ext", "-tiny"], "a-tiny.png"),
        (["--ext", "x", "--format", "webp"], "ax.webp"),
        (["--name", "{stem}_{k}"], "a_7.png"),
        (["--out-dir", "new/deep"], "new/deep/a.png"),
        (["--out-dir", "new", "--name", "{name}"], "new/a.png"),
        (["--out-dir", "new", "--ext", "-s.png"], "new/a-s.png"),
    ],
)
def test_output_names(smalti, folder, arguments, name):
    smalti("a.png", "-k", 7, *arguments)

    assert colors_in(folder / name) == 7


def test_result_can_replace_its_input_with_force(smalti, folder):
    before = (folder / "a.png").stat().st_size
    smalti("a.png", "--ext", ".png", code=15)

    smalti("a.png", "--ext", ".png", "--force")

    assert (folder / "a.png").stat().st_size < before
    assert listing(folder) == ["a.png", "b.png", "photo.jpg"]


@pytest.mark.guarantee(10, 11)
def test_larger_result_is_refused_with_advice(smalti, folder):
    done = smalti("photo.jpg", code=98)

    for word in ("photo.jpg", "JPEG, WebP or AVIF", "--allow-larger"):
        assert word in one_line(done.stderr)
    assert done.stdout == ""
    assert not (folder / "photo-smalti.png").exists()
    smalti("photo.jpg", "--force", code=98)  # force replaces, it never makes larger
    smalti("photo.jpg", "--allow-larger")
    assert (folder / "photo-smalti.png").exists()


def test_few_colors_are_kept_and_said(smalti, folder):
    picture().quantize(5).convert("RGB").save(folder / "few.png", compress_level=0)

    done = smalti("few.png", "-k", 16)

    assert "pixel-identical" in done.stdout
    np.testing.assert_array_equal(
        IndexedImage.load(folder / "few-smalti.png").to_array(),
        np.asarray(picture().quantize(5).convert("RGB")),
    )


def test_options_reach_the_library(smalti, folder):
    given = "--space srgb --init k-means++ --seed 5 --n-init 2 --max-iter 3 --tol 0 --threads 1"

    done = smalti("a.png", "--json", "-k", 6, *given.split(), "--effort", "lloyd")

    report = json.loads(done.stdout)
    assert report["space"] == "srgb"
    assert report["iterations"] == 3
    assert report["stop_reason"] == "max_iter"


def test_floyd_is_dithering_of_a_strength_as_in_pngquant(smalti, folder):
    runs = {"one": ["--floyd"], "half": ["--floyd=0.5"], "none": ["--floyd=0"]}
    runs |= {"strength": ["--dither", "floyd-steinberg", "--dither-strength", "0.5"]}
    runs |= {"plain": ["--nofs"], "asked": ["--dither", "floyd-steinberg"]}

    for name, flags in runs.items():
        smalti("-k", 4, "-o", f"{name}.png", *flags, "a.png")

    data = {name: (folder / f"{name}.png").read_bytes() for name in runs}
    assert data["one"] == data["asked"] != data["half"] == data["strength"] != data["none"]
    assert data["none"] == data["plain"]
    for flags in (
        ["--floyd", "--nofs"],
        ["--floyd", "--dither", "bayer"],
        ["--floyd=0.5", "--dither-strength", "1"],
        ["--floyd=2"],
    ):
        smalti("a.png", *flags, code=2)


def test_dithering_changes_pixels_and_nofs_turns_it_off(smalti, folder):
    smalti("a.png", "-k", 4, "-o", "plain.png", "--nofs")
    smalti("a.png", "-k", 4, "-o", "dithered.png", "--dither", "floyd-steinberg")

    assert (folder / "plain.png").read_bytes() != (folder / "dithered.png").read_bytes()
    smalti("a.png", "--nofs", "--dither", "floyd-steinberg", code=2)


def test_verbose_prints_the_iterations_to_standard_error(smalti):
    done = smalti("a.png", "-k", 4, "-v", "--effort", "lloyd")

    lines = done.stderr.splitlines()
    iterations = int(re.search(r"k-means +(\d+) iteration", done.stdout)[1])
    assert len(lines) == iterations
    for word in ("iteration", "distortion", "largest shift", "moved"):
        assert word in lines[0]


def test_quiet_prints_nothing_but_errors(smalti):
    done = smalti("a.png", "-q")

    assert done.stdout == done.stderr == ""
    assert one_line(smalti("a.png", "-q", "-k", 4, code=15).stderr)


def test_json_is_one_object_for_one_file(smalti, folder):
    report = json.loads(smalti("a.png", "-k", 5, "--json").stdout)

    assert report["status"] == "compressed"
    assert report["target"] == "a-smalti.png"
    assert report["bytes_out"] == (folder / "a-smalti.png").stat().st_size
    assert report["bytes_in"] == (folder / "a.png").stat().st_size
    assert len(report["palette"]) == report["colors_used"] == report["k"] == 5
    assert report["distinct_colors"] > 256
    assert set(report) >= {"distortion", "distortion_srgb", "distortion_oklab", "psnr", "explain"}
    assert set(report["milliseconds"]) >= {"decode", "histogram", "palette", "map", "encode"}


def test_json_tells_failures_too(smalti):
    done = smalti("none.png", "--json", code=2)

    record = json.loads(done.stdout)
    assert record["status"] == "failed"
    assert record["exit_code"] == 2
    assert "none.png" in record["error"]
    assert one_line(done.stderr)


def test_explain_says_where_the_bytes_went(smalti):
    done = smalti("a.png", "--explain")

    for part in ("pixels", "palette", "metadata", "container", "left out"):
        assert re.search(rf"^  {part} +[\d,]+ bytes", done.stdout, re.M)
    table = done.stdout.split("\n  tried ")[1].splitlines()
    assert re.match(r" +quickly +in full", table[0])
    size = re.search(r"→ ([\d,]+) bytes", done.stdout)[1]
    assert re.match(rf" +[\d,]+ +{size}  .*: used$", table[1])
    assert len(table) > 2


@pytest.mark.parametrize("level", ["fast", "max"])
def test_pack_says_what_a_small_file_may_cost(smalti, folder, level):
    smalti("a.png", "-k", "8")
    default = (folder / "a-smalti.png").stat().st_size

    done = smalti("a.png", "-k", "8", "-f", "--pack", level, "--json")

    tried = json.loads(done.stdout)["tried"]
    assert {"name", "quick_bytes", "bytes"} == set(tried[0])
    packed = (folder / "a-smalti.png").stat().st_size
    assert packed >= default if level == "fast" else packed <= default


def test_preserve_keeps_the_file_times(smalti, folder):
    os.utime(folder / "a.png", (1_000_000_000, 1_100_000_000))

    smalti("a.png", "--preserve")

    assert (folder / "a-smalti.png").stat().st_mtime == 1_100_000_000


@pytest.mark.parametrize("display", ["", ":99"])
def test_show_without_a_viewer_is_no_failure_and_says_where_the_result_is(smalti, folder, display):
    (folder / "bin").mkdir()
    nothing = {"PATH": str(folder / "bin"), "WAYLAND_DISPLAY": ""}

    done = smalti("a.png", "--show", DISPLAY=display, **nothing)

    assert "no image viewer" in one_line(done.stderr)
    assert "the result is in a-smalti.png" in done.stderr
    assert (folder / "a-smalti.png").exists()


def test_verbose_and_the_report_fit_a_terminal_of_80_columns(smalti):
    done = smalti("a.png", "-v", "--effort", "lloyd", "--explain")

    assert max(map(len, (done.stdout + done.stderr).splitlines())) < 80


@pytest.mark.parametrize("command", [
    ["compress"], ["compress", "--in-place"], ["compress", "--check"],
    ["apply", "--palette", "#fff"],
], ids=" ".join)  # fmt: skip
def test_a_url_is_told_which_commands_take_one(smalti, command):
    done = smalti(*command, "s3://museum/a.png", code=2)

    assert one_line(done.stderr) == (
        "smalti: s3://museum/a.png is a URL: smalti batch compresses them; fit, survey and verify "
        "take them, too\n"
    )


def test_a_bad_input_is_told_before_an_output_that_exists(smalti, folder):
    (folder / "text.txt").write_text("hello")
    for name in ("text-smalti.png", "none-smalti.png"):
        (folder / name).write_bytes(b"precious")

    assert "not an image" in one_line(smalti("text.txt", code=2).stderr)
    assert "none.png does not exist" in one_line(smalti("none.png", code=2).stderr)


# ---------------------------------------------------------------- pngquant's spellings


@pytest.mark.parametrize("start", [["compress"], []])
def test_command_lines_of_pngquant_work(smalti, folder, start):
    options = "--nofs --force --strip --skip-if-larger --speed 3 --ext -q.png"

    smalti(*start, "12", *options.split(), "--", "a.png")

    assert colors_in(folder / "a-q.png") == 12


@pytest.mark.parametrize("option", OF_PNGQUANT)
def test_other_options_of_pngquant_are_refused_with_the_way_out(smalti, option):
    said = one_line(smalti(f"{option}=1", "a.png", code=2).stderr)

    assert said == f"smalti: smalti has no {option}; {OF_PNGQUANT[option]}\n"


@pytest.mark.parametrize(
    ("given", "effort"),
    [
        (["--speed", "1"], "best"),
        (["-s3"], "best"),
        (["--speed=4"], "default"),
        (["--speed", "7"], "default"),
        (["--speed", "8"], "fast"),
        (["--speed", "11"], "fast"),
        (["--speed", "1", "--effort", "default"], "default"),
        ([], "default"),
    ],
)
def test_speed_of_pngquant_is_translated_unless_an_effort_is_given(smalti, given, effort):
    report = json.loads(smalti("a.png", "-k", 4, "--json", *given).stdout)

    assert report["effort"] == effort


def test_a_file_with_a_number_for_a_name_is_a_file(smalti, folder):
    (folder / "16").write_bytes(file_of(picture()))

    smalti("16", "-k", 3)

    assert colors_in(folder / "16-smalti.png") == 3


def test_a_number_of_colors_given_twice_is_refused(smalti):
    assert "twice" in one_line(smalti("16", "a.png", "-k", 8, code=2).stderr)


def test_files_after_two_dashes_are_files(smalti, folder):
    (folder / "-q.png").write_bytes(file_of(picture()))

    smalti("-k", 3, "--", "-q.png")

    assert colors_in(folder / "-q-smalti.png") == 3


# ---------------------------------------------------------------- standard streams


def test_standard_input_goes_to_standard_output(smalti, folder):
    done = smalti("-", "-k", 4, stdin=(folder / "a.png").read_bytes(), binary=True)

    smalti("a.png", "-k", 4)
    assert done.stdout == (folder / "a-smalti.png").read_bytes()
    assert "standard input → standard output" in done.stderr.decode()


def test_a_file_goes_to_standard_output_and_nothing_else_does(smalti):
    done = smalti("a.png", "-o", "-", "-k", 4, "--json", binary=True)

    assert done.stdout.startswith(b"\x89PNG")
    assert json.loads(done.stderr)["k"] == 4


def test_standard_input_goes_to_a_named_file(smalti, folder):
    smalti("-", "-o", "x.png", "-k", 4, stdin=(folder / "a.png").read_bytes())

    assert colors_in(folder / "x.png") == 4


def test_original_goes_to_standard_output_when_the_result_is_larger(smalti, folder):
    photo = (folder / "photo.jpg").read_bytes()

    assert smalti("-", stdin=photo, code=98, binary=True).stdout == photo
    assert smalti("photo.jpg", "-o", "-", code=98, binary=True).stdout == photo


@pytest.mark.parametrize("stdin", [b"", b"no image"])
def test_bad_standard_input_gives_no_output(smalti, stdin):
    done = smalti("-", stdin=stdin, code=2)

    assert done.stdout == ""
    assert one_line(done.stderr).startswith("smalti: standard input")


@pytest.mark.guarantee(3)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["a.png"], ["a.png", "-o", "-"]])
def test_full_standard_output_is_an_error(folder, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode == 16
    assert "No space left" in one_line(done.stderr.decode().removeprefix("a.png"))


def test_a_reader_that_goes_away_stops_nothing(folder):
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [*COMMAND, "a.png", "b.png"], cwd=folder, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")
    assert {"a-smalti.png", "b-smalti.png"} <= set(listing(folder))


# ---------------------------------------------------------------- asking


def test_ask_takes_enter_as_16(smalti, folder):
    done = smalti("--ask", "a.png", stdin=b"\n")

    assert done.stdout.startswith("Number of colors [16]: ")
    assert colors_in(folder / "a-smalti.png") == 16


def test_ask_asks_again_on_nonsense(smalti, folder):
    done = smalti("--ask", "a.png", stdin=b"many\n0\n1e3\n70000\n 5 \n")

    assert done.stdout.count("Number of colors [16]: ") == 5
    assert colors_in(folder / "a-smalti.png") == 5


def test_ask_without_an_answer_is_a_usage_error(smalti):
    assert "-k" in smalti("--ask", "a.png", stdin=b"", code=2).stderr


# ---------------------------------------------------------------- several files


def test_several_files_are_told_in_order_with_a_total(smalti, folder):
    done = smalti("b.png", "a.png", "-k", 8)

    lines = done.stdout.splitlines()
    assert lines[0].startswith("b.png → b-smalti.png")
    assert lines[1].startswith("a.png → a-smalti.png")
    sizes = [(folder / name).stat().st_size for name in ("a.png", "b.png")]
    small = [(folder / name).stat().st_size for name in ("a-smalti.png", "b-smalti.png")]
    assert lines[2].startswith(f"2 files: {sum(sizes):,} → {sum(small):,} bytes")
    assert len(lines) == 3


@pytest.mark.guarantee(11)
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_one_failure_never_stops_the_rest(smalti, folder, jobs):
    (folder / "bad.png").write_bytes(b"no image")

    done = smalti("bad.png", "a.png", "none.png", "photo.jpg", "b.png", "-j", jobs, code=1)

    assert {"a-smalti.png", "b-smalti.png"} <= set(listing(folder))
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "bad.png",
        "none.png does not exist",
        "photo.jpg",
    ]
    assert "1 not smaller; 2 failed" in done.stdout.splitlines()[-1]


def test_json_of_several_files_is_one_line_each(smalti, folder):
    done = smalti("a.png", "none.png", "b.png", "--json", code=1)

    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == ["a.png", "none.png", "b.png"]
    assert [record["status"] for record in records] == ["compressed", "failed", "compressed"]


def test_number_of_jobs_does_not_change_the_files(smalti, folder):
    smalti("a.png", "b.png", "--out-dir", "one", "-j", 1)
    smalti("a.png", "b.png", "--out-dir", "two", "-j", 2)

    for name in ("a.png", "b.png"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()


def test_folders_are_mirrored_and_larger_results_kept_as_copies(smalti, folder):
    tree = folder / "tree"
    (tree / "sub" / ".hidden").mkdir(parents=True)
    for name in ("a.png", "sub/b.PNG", "sub/.hidden/c.png", "sub/photo.jpg"):
        source = "photo.jpg" if name.endswith("jpg") else "a.png"
        (tree / name).write_bytes((folder / source).read_bytes())
    (tree / "notes.txt").write_text("not an image")

    done = smalti("-r", "tree", "--out-dir", "out")

    assert listing(folder / "out") == ["a.png", "sub/b.png", "sub/photo.jpg"]
    assert (folder / "out/sub/photo.jpg").read_bytes() == (folder / "photo.jpg").read_bytes()
    assert "1 kept" in done.stdout.splitlines()[-1]


def test_an_output_folder_inside_the_input_is_not_an_input(smalti, folder):
    smalti("-r", ".", "--out-dir", "out")

    smalti("-r", ".", "--out-dir", "out", "-f")

    assert listing(folder / "out") == ["a.png", "b.png", "photo.jpg"]


def test_results_of_an_earlier_run_are_not_compressed_again(smalti, folder):
    smalti("-r", ".", code=1)  # the photograph would grow
    before = listing(folder)

    smalti("-r", ".", "-f", code=1)

    assert listing(folder) == before


def test_folders_need_recursive_and_images(smalti, folder):
    (folder / "empty").mkdir()

    assert "-r" in one_line(smalti("empty", code=2).stderr)
    assert "no images" in one_line(smalti("-r", "empty", code=2).stderr)


def test_inputs_that_would_share_an_output_keep_their_whole_names(smalti, folder):
    (folder / "a.gif").write_bytes(file_of(picture(4), "GIF"))

    smalti("a.png", "a.gif", "b.png", "--allow-larger", "--out-dir", "out")
    smalti("a.png", "a.gif", "--allow-larger")
    smalti("a.png", "a.gif", "--allow-larger", "--ext", "-q.png")

    assert listing(folder / "out") == ["a.gif.png", "a.png.png", "b.png"]
    assert {"a.gif-smalti.png", "a.png-smalti.png"} <= set(listing(folder))
    assert {"a.gif-q.png", "a.png-q.png"} <= set(listing(folder))


def test_a_whole_name_that_hits_another_output_makes_that_one_whole_too(folder):
    for name in ("a.gif", "a.png.png"):
        (folder / name).write_bytes(file_of(picture(4)))

    names = [str(folder / name) for name in ("a.png", "a.gif", "a.png.png")]
    jobs = plan(names, Naming(k=4), recursive=False).jobs

    assert [Path(job.target).name for job in jobs] == [
        "a.png-smalti.png",
        "a.gif-smalti.png",
        "a.png.png-smalti.png",
    ]


def test_inputs_that_whole_names_cannot_tell_apart_are_refused_truthfully(smalti, folder):
    (folder / "sub").mkdir()
    (folder / "sub/a.png").write_bytes(b"no image")

    done = smalti("sub/a.png", "a.png", "--out-dir", "out", code=1)

    assert "sub/a.png goes to out/a.png.png too; compress them in two runs" in done.stderr
    assert not listing(folder / "out")


def test_a_file_named_twice_is_compressed_once(smalti, folder):
    done = smalti("a.png", "./a.png", folder / "a.png")

    assert done.stdout.startswith("a.png → ")
    assert "files" not in done.stdout


def test_files_left_alone_in_a_folder_are_counted(smalti, folder):
    (folder / "tree").mkdir()
    (folder / "a.png").rename(folder / "tree/a.png")
    for name in ("notes.txt", "style.css", ".hidden"):
        (folder / "tree" / name).touch()

    first = smalti("-r", "tree")
    second = smalti("-r", "tree", "-f")

    assert first.stdout.splitlines()[-1] == "  2 other files left alone"
    assert (
        second.stdout.splitlines()[-1] == "  1 earlier result left alone; 2 other files left alone"
    )


def test_a_folder_without_images_says_how_many_other_files_it_has(smalti, folder):
    (folder / "texts").mkdir()
    (folder / "texts/notes.txt").touch()

    said = one_line(smalti("-r", "texts", code=2).stderr)

    assert "no images in this folder, only 1 other file" in said


def test_a_folder_that_cannot_be_read_is_a_failure_of_its_own(folder, monkeypatch):
    (folder / "locked").mkdir()
    (folder / "open").mkdir()
    (folder / "open/c.png").write_bytes(file_of(picture()))
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    jobs = plan([str(folder)], Naming(k=4), recursive=True).jobs

    refused = [job for job in jobs if job.refusal]
    assert [Path(job.source).name for job in refused] == ["locked"]
    assert "cannot be read: Permission denied" in str(refused[0].refusal)
    assert Path(jobs[-1].source).name == "c.png"


def test_walks_take_every_suffix_that_the_help_lists(smalti, folder):
    words = smalti("--help").stdout + smalti("compress", "--help").stdout
    (folder / "all").mkdir()
    for suffix in SUFFIXES:
        assert re.search(rf"\s{re.escape(suffix)}[\s,]", words)
        (folder / "all" / f"x{suffix.upper()}").touch()

    jobs = plan([str(folder / "all")], Naming(k=4), recursive=True).jobs

    assert {Path(job.source).suffix.lower() for job in jobs} == set(SUFFIXES)
    assert ".mpo" in SUFFIXES


def test_outputs_that_exist_are_told_in_one_line_and_listed_by_verbose(smalti, folder):
    smalti("a.png", "b.png", "--out-dir", "out")

    again = smalti("a.png", "b.png", "-k", 4, "--out-dir", "out", code=1)
    listed = smalti("a.png", "b.png", "-k", 4, "--out-dir", "out", "-v", code=1)

    assert (
        one_line(again.stderr)
        == "smalti: 2 outputs exist, out/a.png first; --force replaces them\n"
    )
    assert "2 exist" in again.stdout.splitlines()[-1]
    told = [line.split()[1] for line in listed.stderr.splitlines() if "exists" in line]
    assert told == ["out/a.png", "out/b.png"]


def test_lines_of_a_folder_run_are_short(smalti, folder):
    (folder / "pictures").mkdir()
    for name in ("a.png", "photo.jpg"):
        (folder / name).rename(folder / "pictures" / name)

    done = smalti("-r", "pictures", "--out-dir", "a-rather-long-name-of-an-output-folder")

    lines = done.stdout.splitlines()
    assert lines[0].startswith("pictures/a.png → a.png  ")
    assert lines[1] == "pictures/photo.jpg → photo.jpg  kept: a palette is no smaller"
    assert max(map(len, lines)) < 80


@pytest.mark.skipif(sys.platform != "linux", reason="the trap needs forked workers")
def test_a_worker_that_is_killed_fails_only_its_file(folder):
    # A module that kills the process at the second file stands in for the memory killer.
    trap = (
        "import os, signal, smalti.cli.run as run\n"
        "real = run.library_compress\n"
        "def compress(source, *rest, **options):\n"
        "    if str(source) == 'b.png': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(source, *rest, **options)\n"
        "run.library_compress = compress\n"
        "from smalti.cli import main\n"
        "main()\n"
    )
    (folder / "c.png").write_bytes(file_of(picture(5)))

    done = subprocess.run(
        [sys.executable, "-c", trap, "a.png", "b.png", "c.png", "-j", "2"],
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "b.png: its process was killed" in one_line(done.stderr.decode())
    assert {"a-smalti.png", "c-smalti.png"} <= set(listing(folder))


# ---------------------------------------------------------------- bad input, one line each


@pytest.mark.guarantee(11, 12)
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["none.png"], 2, "none.png does not exist"),
        (["bad.png"], 2, "bad.png"),
        (["cut.png"], 2, "truncated"),
        (
            ["a.png", "-k", "0"],
            2,
            "1 to 65,536, or auto, or elbow, got 0",
        ),
        (
            ["a.png", "-k", "65537"],
            2,
            "1 to 65,536, or auto, or elbow, got 65537",
        ),
        (
            ["a.png", "-k", "many"],
            2,
            "1 to 65,536, or auto, or elbow, got 'many'",
        ),
        (["0", "a.png"], 2, "k must be"),
        (["a.png", "--tol", "nan"], 2, "tol"),
        (["a.png", "--space", "lab"], 2, "--space"),
        (["a.png", "--bogus"], 2, "--bogus"),
        (["compress"], 2, "no input"),
        (["a.png", "-o", "none/x.png"], 16, "folder"),
        (["a.png", "-o", "x.jpg"], 2, ".jpg"),
        (["a.png", "-o", "."], 16, "."),
        (["a.png", "b.png", "-o", "x.png"], 2, "--out-dir"),
        (["a.png", "-o", "x.png", "--ext", ".png"], 2, "names the output"),
        (["a.png", "--name", "{colour}.png"], 2, "{stem}"),
        (["-", "a.png"], 2, "alone"),
        (["-", "--ext", ".png"], 2, "-o"),
        (["a.png", "-q", "-v"], 2, "--quiet"),
        (["16", "a.png", "--ask"], 2, "--ask"),
        (["a.png", "-k", "300", "-o", "x.gif"], 2, "256"),
        (["a.png", "--out-dir", "a.png"], 16, "a.png is a file; it takes a folder"),
        (["a.png", "-o", "."], 16, "--out-dir . writes into it"),
        (["a.png", "-o", "/dev/null"], 16, "-o - >/dev/null writes to it"),
        (["/dev/null"], 2, "pipe it in as -"),
        (["a.png", "--ext", ""], 2, "--ext must not be empty"),
        (["a.png", "--name", ""], 2, "--name must not be empty"),
        (["a.png", "--n-init", "x"], 2, "--n-init must be an integer from 1 to 1,000, got 'x'"),
        (["a.png", "--max-input-mib", "inf"], 2, "--max-input-mib must be a number from 0"),
        (["a.png", "--max-megapixels", "x"], 2, "--max-megapixels must be a number"),
        (["a.png", "--speed", "12"], 2, "--speed must be an integer from 1 to 11"),
        (["-", "--show"], 2, "--show opens a file"),
        (["-a.png"], 2, "-a.png looks like a flag; put -- before"),
        (["-f.png"], 2, "-f.png looks like a flag; put -- before"),
        (["a.png", "--max-input-mib", "0.001"], 4, "the limit of 0.001 MiB"),
    ],
)
def test_bad_input_is_one_line_and_the_right_code(smalti, folder, arguments, code, says):
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:900])
    before = {name: (folder / name).read_bytes() for name in listing(folder)}

    done = smalti(*arguments, code=code)

    assert says in one_line(done.stderr)
    assert done.stdout == ""
    assert {name: (folder / name).read_bytes() for name in listing(folder)} == before


def test_too_large_an_image_is_refused_before_decoding(smalti, folder):
    # A PNG header that claims 40,000 x 40,000 pixels.
    huge = bytearray((folder / "a.png").read_bytes())
    huge[16:24] = (40_000).to_bytes(4, "big") * 2
    huge[29:33] = __import__("zlib").crc32(huge[12:29]).to_bytes(4, "big")
    (folder / "huge.png").write_bytes(huge)

    assert "megapixels" in one_line(smalti("huge.png", code=4).stderr)


def test_limits_are_set_by_flags(smalti, folder):
    assert one_line(smalti("a.png", "--max-megapixels", 0.001, code=4).stderr)
    assert one_line(smalti("a.png", "--max-input-mib", 0.001, code=4).stderr)
    data = (folder / "a.png").read_bytes()
    assert one_line(smalti("-", "--max-input-mib", 0.001, stdin=data, code=4).stderr)


@pytest.mark.guarantee(12, 13)
def test_strange_file_names_are_printed_on_one_line(smalti, folder):
    name = os.fsdecode(b"two\nlines \x1b[31m \xff.png")
    (folder / name).write_bytes(file_of(picture()))

    done = smalti(name, "-k", 4)
    failed = smalti(name, "-k", 5, code=15)

    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[0].count(".png") == 2
    assert one_line(failed.stderr)


@pytest.mark.guarantee(13)
@pytest.mark.parametrize("name", [b"two\nlines \x1b[31m \\n.png", "café \u202e.png".encode()])
def test_names_in_json_are_the_real_ones(smalti, folder, name):
    name = os.fsdecode(name)
    (folder / name).write_bytes(file_of(picture()))

    done = smalti(name, "-k", 4, "--json").stdout
    failed = smalti(name, "-k", 5, "--json", code=15).stdout
    compared = json.loads(smalti("compare", name, name, "--json").stdout)
    verified = json.loads(smalti("verify", name, "--palette", "#fff", "--json", code=1).stdout)
    shared = json.loads(smalti("fit", name, "-k", 4, "-o", f"{name}.gpl", "--json").stdout)

    assert json.loads(done)["source"] == json.loads(failed)["source"] == verified["source"] == name
    assert json.loads(done)["target"] == name.replace(".png", "-smalti.png")
    assert compared["sources"] == [name, name]
    assert shared["outputs"] == [f"{name}.gpl"]
    assert not any("base64" in key for key in json.loads(done))


@pytest.mark.guarantee(13)
def test_bytes_of_names_that_are_not_text_are_in_json_too(smalti, folder):
    raw = b"caf\xe9.png"
    (folder / os.fsdecode(raw)).write_bytes(file_of(picture()))
    (folder / "caf\\xe9.png").write_bytes(file_of(picture()))

    done = json.loads(smalti(os.fsdecode(raw), "-k", 4, "--json").stdout)
    other = json.loads(smalti("caf\\xe9.png", "-k", 5, "--json").stdout)
    smalti("--check", os.fsdecode(raw), "-k", 4, "--report", "found.json", code=1)
    (found,) = json.loads((folder / "found.json").read_text())["shrinks"]

    assert done["source"] == found["path"] == "caf\ufffd.png"
    assert base64.b64decode(done["source_base64"]) == raw
    assert base64.b64decode(found["path_base64"]) == raw
    assert base64.b64decode(done["target_base64"]) == b"caf\xe9-smalti.png"
    assert (other["source"], other.get("source_base64")) == ("caf\\xe9.png", None)


def test_debug_prints_the_traceback(smalti):
    done = smalti("none.png", "--debug", code=2)

    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("smalti: none.png")


# ---------------------------------------------------------------- signals


def gone(group):
    for _ in range(40):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.guarantee(8)
@pytest.mark.timed
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("files", [1, 2])
def test_signals_end_the_run_quietly_and_leave_nothing(folder, number, code, files):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (1500, 1500, 3), np.uint8))
    names = [f"noise{i}.bmp" for i in range(files)]
    for name in names:
        noise.save(folder / name)
    before = listing(folder)

    process = subprocess.Popen(
        [*COMMAND, *names, "--tol", "0", "--max-iter", "1000000", "-j", "2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until_at_work(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (code, b"", b"")
    assert listing(folder) == before
    assert gone(process.pid), "a worker is left in its process group"


# ---------------------------------------------------------------- terminals


def on_a_terminal(folder, *arguments, **environment):
    """Run the command with a terminal for all its streams; return the code and what it shows."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65_536):
            shown += block
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


def test_color_is_for_terminals_and_no_color_forbids_it(folder):
    code, shown = on_a_terminal(folder, "a.png", "-k", "4")
    assert code == 0
    assert "\x1b[1ma.png → a-smalti.png" in shown
    assert "\x1b[38;2;" in shown

    _, plain = on_a_terminal(folder, "a.png", "-k", "4", "-f", NO_COLOR="1")
    assert "\x1b" not in plain


@pytest.mark.timed
def test_a_quick_run_draws_no_progress_bar_and_a_slow_one_does(folder):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (1600, 1600, 3), np.uint8)).save(folder / "noise.bmp")

    _, quick = on_a_terminal(folder, "a.png")
    _, slow = on_a_terminal(
        folder, "noise.bmp", "--tol", "0", "--max-iter", "400", "--threads", "1"
    )

    assert "%\x1b" not in quick
    assert "[###" not in quick
    assert re.search(r"palette +\[#+-+\] +\d+%", slow)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_progress_bar_fits_the_terminal(columns):
    bar = Bar(100, wanted=False)
    bar._bar = click.progressbar(length=100, file=io.StringIO())
    bar._bar.pos, bar._bar.label = 60, "histogram"

    line = bar._line(columns)

    assert len(line) <= columns - 3  # room for ^C
    assert "histogram" in line
    assert len(line) > 30 or columns < 40


def test_a_fully_transparent_color_has_an_empty_swatch(folder):
    image = Image.new("RGBA", (40, 40))
    image.paste((255, 0, 0, 255), (0, 0, 10, 10))
    image.save(folder / "clear.png", compress_level=0)

    _, shown = on_a_terminal(folder, "clear.png")

    assert "□ #00000000" in shown
    assert re.search(r"38;2;255;0;0m■\x1b\[0m #ff0000", shown)


def test_binary_data_is_not_poured_onto_a_terminal(folder):
    code, shown = on_a_terminal(folder, "a.png", "-o", "-")

    assert code == 2
    assert "terminal" in shown
    assert len(shown.splitlines()) == 1


# ---------------------------------------------------------------- the rest


def test_version_and_help(smalti):
    assert smalti("--version").stdout == f"smalti {__version__}\n"
    assert "compress" in smalti().stdout
    assert smalti("--help").stdout == smalti().stdout


def test_help_shows_ranges_rather_than_names_of_types(smalti):
    words = smalti("compress", "--help").stdout

    assert "--colors 1..65536" in words
    assert "--seed N" in words
    assert "RANGE" not in words


def test_help_of_completion_keeps_its_lines(smalti):
    lines = smalti("completion", "--help").stdout.splitlines()

    for shell in ("bash", "zsh", "fish"):
        assert any(re.match(rf"  {shell} .*smalti completion {shell}", line) for line in lines)
    assert not any("\\b" in line or len(line) > 79 for line in lines)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_and_what_they_ask(smalti, shell):
    assert "_SMALTI_COMPLETE" in smalti("completion", shell).stdout

    asked = smalti(
        _SMALTI_COMPLETE="zsh_complete", COMP_WORDS="smalti compress --dit", COMP_CWORD="2"
    )
    assert "--dither" in asked.stdout


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_help_lists_every_target():
    root = Path(__file__).parent.parent
    targets = re.search(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(), re.M)[1].split()

    done = subprocess.run(
        ["make", "-s", "-C", root, "help"], capture_output=True, text=True, check=True
    )

    for target in targets:
        assert re.search(rf"^make {target} +\w", done.stdout, re.M), target


SCRIPT = "from smalti_command import main; main()"  # as the installed script has it


def started(*before, **environment):
    """Run the installed script's entry; `before` it, other lines of Python."""
    return subprocess.run(
        [sys.executable, "-c", "\n".join([*before, SCRIPT]), "--version"],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.bounded
@pytest.mark.guarantee(12, 26)
def test_too_little_memory_to_start_is_one_line(tmp_path):
    done = started(
        "import resource", "resource.setrlimit(resource.RLIMIT_AS, (45 << 20, 45 << 20))"
    )

    assert done.returncode == 4
    assert "ulimit -v" in one_line(done.stderr)


@pytest.mark.bounded
@pytest.mark.guarantee(26)
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space as Linux has them")
def test_in_less_address_space_the_demo_is_made_or_ends_in_one_line(tmp_path, effort, figure):
    demo = Path(__file__).parent.parent / "examples" / "demo.png"
    codes = {}

    for mib in effort((150, 250), range(150, 425, 25)):
        room = (
            f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({mib << 20}, {mib << 20}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", f"{room}\n{SCRIPT}", demo, "-o", tmp_path / "a.png", "-q", "-f"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        codes[mib] = done.returncode
        if done.returncode:
            assert "not enough memory" in one_line(done.stderr), mib

    assert set(codes.values()) <= {0, 4}
    figure(f"address space of {min(codes)} to {max(codes)} MiB: success or one line, {codes}")


@pytest.mark.guarantee(12)
def test_an_installation_that_is_broken_is_told_in_one_line(tmp_path):
    (tmp_path / "click.py").write_text("raise ImportError('no\\nsuch thing')")

    done = started(PYTHONPATH=f"{tmp_path}:{os.environ['PYTHONPATH']}")

    assert done.returncode == 70
    assert "cannot be loaded (no such thing)" in one_line(done.stderr)


@pytest.mark.guarantee(8)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("words", [["-m", "smalti"], ["-m", "smalti.cli"], ["-msmalti"],
                                   ["-c", SCRIPT]])  # fmt: skip
@pytest.mark.parametrize("loaded", ["numpy", "click"])
def test_signals_while_the_command_is_loaded_just_end_it(tmp_path, words, number, code, loaded):
    (tmp_path / f"{loaded}.py").write_text(f"import os\nos.kill(os.getpid(), {number:d})\n1 / 0")
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"

    done = subprocess.run(
        [sys.executable, *words, "--version"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize("module", ["smalti", "smalti.cli"])
def test_python_runs_the_package_as_the_command(tmp_path, module):
    command = [sys.executable, "-m", module]
    broken = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ['PYTHONPATH']}"}

    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    (tmp_path / "numpy.py").write_text("raise ImportError('no\\nsuch thing')")
    failed = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, check=False, env=broken
    )

    assert done.stdout == f"smalti {__version__}\n"
    assert (failed.returncode, failed.stdout) == (70, "")
    assert "cannot be loaded (no such thing)" in one_line(failed.stderr)


def test_a_program_of_another_name_keeps_its_own_signals(tmp_path):
    (tmp_path / "other.py").write_text(
        "import signal, smalti\nprint(signal.getsignal(signal.SIGINT).__name__)"
    )
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"

    done = subprocess.run(
        [sys.executable, "-m", "other", "smalti"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip

    assert done.stdout == "default_int_handler\n"


def test_real_photographs_shrink_by_half(smalti, shared_data):
    photos = sorted((shared_data / "kodak").glob("kodim0[12].png"))

    done = smalti(*photos, "--out-dir", "out", "--json")

    for line in done.stdout.splitlines():
        assert json.loads(line)["saved_percent"] > 50
