"""The files of the command: full and forbidden disks, links, modes, names, sizes and exit codes."""

import contextlib
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from faults import Commands
from PIL import Image
from process import COMMAND, file_of, listing, one_line, picture

import smalti

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs the command in forks")

QUICK = ("-q", "--effort", "turbo", "--pack", "fast")
ROOT = os.geteuid() == 0
NOBODY = 65534
AS_NOBODY = {"user": NOBODY} if ROOT else {}  # root may write anywhere, whatever the mode


@pytest.fixture(scope="module")
def commands():
    with contextlib.closing(Commands()) as running:
        yield running


@pytest.fixture
def open_folder():
    """A folder that every user may enter; those of pytest are for one only."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o755)
        yield Path(made)


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a disk in memory, which only root may."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not ROOT or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk, which root has")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def contents(folder):
    return {name: (folder / name).read_bytes() for name in listing(folder)}


def noise(side=220):
    """Return a picture's file whose result has 40 kB."""
    rng = np.random.default_rng(0)
    return file_of(Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)))


# ---------------------------------------------------------------- full disks


@pytest.mark.guarantee(3)
def test_full_disks_and_small_limits_end_in_one_line_and_leave_nothing(commands, tmp_path, figure):
    (tmp_path / "a.png").write_bytes(noise())
    tried = 0

    def refused(place, **limits):
        for old in (None, b"old"):
            if old:
                (place / "b.png").write_bytes(old)
            done = commands("a.png", "-o", place / "b.png", "-f", *QUICK, folder=tmp_path, **limits)
            assert done.code == 16, (limits, done)
            assert "b.png: the " in one_line(done.err)
            assert [path.read_bytes() for path in place.iterdir()] == ([old] if old else [])
        return 2

    for largest in (0, 1, 512, 4096, 20_000):
        place = tmp_path / f"limited to {largest}"
        place.mkdir()
        tried += refused(place, largest=largest)
    figure(f"{tried} of {tried} limits of file size: one line, nothing left")
    for size in ("16k", "20k", "24k"):
        with mounted(tmp_path / "disk", f"size={size}") as place:
            tried += refused(place)
    figure(f"{tried} of {tried} with full disks")


@pytest.mark.guarantee(3, 5)
def test_a_disk_without_room_for_two_leaves_the_file_in_place(commands, tmp_path):
    with mounted(tmp_path / "disk", "size=160k") as place:
        (place / "a.png").write_bytes(noise())
        before = contents(place)

        done = commands("--in-place", "a.png", *QUICK, folder=place)

        assert (done.code, contents(place)) == (16, before)
        assert "the disk is full" in one_line(done.err)


# ---------------------------------------------------------------- impossible outputs


@pytest.mark.guarantee(4, 12)
def test_impossible_outputs_are_refused_before_any_work(commands, open_folder, figure):
    folder = open_folder
    # It cannot be decoded: who refuses the output has not even tried.
    (folder / "a.png").write_bytes(noise()[:40_000])
    (folder / "folder.png").mkdir()
    (folder / "locked").mkdir(mode=0o755)
    (folder / "locked/b.png").write_bytes(b"old")
    (folder / "locked/a.png").write_bytes(noise())
    (folder / "locked").chmod(0o555)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "out").symlink_to("locked")
    os.mkfifo(folder / "pipe.png")
    before = listing(folder)
    slowest = 0.0
    cases = [
        (["-o", "missing/b.png"], "its folder does not exist"),
        (["-o", "folder.png"], "is a folder"),
        (["-o", "a.png/b.png"], "folder"),
        (["-o", "pipe.png", "-f"], "not a regular file"),
        (["-o", "loop.png", "-f"], "circle"),
        (["-o", f"{'n' * 256}.png"], "name is too long"),
        (["--out-dir", "a.png"], "is a file; it takes a folder"),
        (["-o", "locked/c.png"], "no permission"),
        (["-o", "locked/b.png", "-f"], "no permission"),
        (["-o", "out/c.png"], "no permission"),
        (["--out-dir", "locked", "-f"], "no permission"),
        (["--out-dir", "locked/deep"], "cannot be made: Permission denied"),
    ]

    for arguments, words in cases:
        started = time.monotonic()
        done = commands("a.png", *arguments, folder=folder, **AS_NOBODY)
        slowest = max(slowest, time.monotonic() - started)
        assert (done.code, done.out) == (16, ""), (arguments, done)
        assert words in one_line(done.err), arguments
    done = commands("--in-place", "locked/a.png", folder=folder, **AS_NOBODY)

    assert (done.code, "no permission" in one_line(done.err)) == (16, True)
    assert listing(folder) == before
    assert slowest < 10
    figure(f"{len(cases) + 1} impossible outputs, the slowest refused after {slowest:.2f} s")


@pytest.mark.guarantee(4)
def test_a_working_folder_that_was_removed_is_told_in_one_line(tmp_path, figure):
    given = str(tmp_path / "in.png")
    (tmp_path / "in.png").write_bytes(file_of(picture()))
    gone = 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"'
    cases = [
        ((given, "-o", "x.png"), 16),
        ((given, "--out-dir", "out"), 16),
        (("-r", "."), 2),
        (("-i", given), 0),
        (("batch", given, "--out-dir", "out"), 16),
        (("palette", given, "-o", "x.hex"), 16),
        (("palette", "x.png"), 2),
        (("fit", given, "-o", "x.gpl"), 16),
    ]
    for arguments, code in cases:
        done = subprocess.run(
            ["/bin/sh", "-c", gone, str(tmp_path / "gone"), *COMMAND, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stderr)
        if code:
            assert "a bug" not in one_line(done.stderr)
    assert listing(tmp_path) == ["in.png"]
    figure(f"{len(cases)} commands in a folder that is gone")


@pytest.mark.guarantee(4)
def test_a_read_only_disk_is_refused_before_any_work_even_for_root(commands, tmp_path, figure):
    (tmp_path / "a.png").write_bytes(noise()[:40_000])
    with mounted(tmp_path / "disk", "size=1m") as place:
        (place / "a.png").write_bytes(noise())
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        before = contents(place)

        for arguments in (
            ["a.png", "-o", place / "b.png"],
            ["a.png", "-o", place / "a.png", "--force"],
            ["a.png", "--out-dir", place, "-f"],
            ["--in-place", place / "a.png"],
        ):
            done = commands(*arguments, folder=tmp_path)
            assert (done.code, done.out) == (16, ""), arguments
            assert "the file system is read-only" in one_line(done.err)
        assert contents(place) == before
    figure("4 of 4 outputs on a read-only disk refused, by root")


# ---------------------------------------------------------------- in place


@pytest.mark.guarantee(5, 6)
def test_an_output_that_is_its_input_is_right_whatever_it_is_called(commands, tmp_path, figure):
    source = file_of(picture())
    (tmp_path / "apart.png").write_bytes(source)
    assert commands("apart.png", "-o", "right.png", *QUICK, folder=tmp_path).code == 0
    right = (tmp_path / "right.png").read_bytes()
    cases = {  # the words, and what the file, its link and its second name hold then
        "name": (["a.png", "-o", "a.png", "-f"], right, right, source),
        "suffix": (["a.png", "--ext", ".png", "-f"], right, right, source),
        "spelling": (["a.png", "-o", "sub/../a.png", "-f"], right, right, source),
        "in place": (["--in-place", "a.png"], right, right, source),
        "folder": (["a.png", "--out-dir", ".", "-f"], right, right, source),
        "link as output": (["a.png", "-o", "link.png", "-f"], right, right, source),
        "link as input": (["link.png", "-o", "a.png", "-f"], right, right, source),
        "link in place": (["--in-place", "link.png"], right, right, source),
        "other name as output": (["a.png", "-o", "twin.png", "-f"], source, source, right),
        "other name as input": (["twin.png", "-o", "a.png", "-f"], right, right, source),
    }

    for name, (arguments, *expected) in cases.items():
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "a.png").write_bytes(source)
        (folder / "link.png").symlink_to("a.png")
        os.link(folder / "a.png", folder / "twin.png")
        done = commands(*arguments, *QUICK, folder=folder)
        found = [(folder / each).read_bytes() for each in ("a.png", "link.png", "twin.png")]
        assert (done, found) == ((0, "", ""), expected), name
        assert (folder / "link.png").is_symlink()
        assert listing(folder) == ["a.png", "link.png", "twin.png"]
    figure(f"{len(cases)} of {len(cases)} spellings and links of the input as output")


@pytest.mark.guarantee(6)
def test_links_out_of_a_folder_are_left_alone_in_place(commands, tmp_path, figure):
    source = file_of(picture())
    ways = (("-i",), ("--ext", ".png", "-f"), ("--name", "{name}", "-f"))
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        (folder / "assets" / "sub").mkdir(parents=True)
        (folder / "outside").mkdir()
        (folder / "assets" / "own.png").write_bytes(source)
        (folder / "outside" / "o.png").write_bytes(source)
        (folder / "assets" / "out.png").symlink_to("../outside/o.png")
        (folder / "assets" / "sub" / "in.png").symlink_to("../own.png")
        (folder / "assets-link").symlink_to("assets")

        done = commands(*QUICK[1:], *way, "-r", "assets", folder=folder)
        assert done.code == 0
        assert "1 link to files outside left alone" in done.out
        assert (folder / "outside" / "o.png").read_bytes() == source
        assert len((folder / "assets" / "own.png").read_bytes()) < len(source)
        assert (folder / "assets" / "out.png").is_symlink()

        told = commands(*QUICK[1:], *way, "-v", "-r", "assets-link", folder=folder)
        assert "out.png is left alone: it is a link to" in told.out
        assert (folder / "outside" / "o.png").read_bytes() == source

        assert commands(*QUICK, "-r", "assets", "--out-dir", "made", folder=folder).code == 0
        assert (folder / "made" / "out.png").stat().st_size < len(source)  # read through the link

        commands(*QUICK, *way, "-r", "assets", "outside", folder=folder)
        assert len((folder / "outside" / "o.png").read_bytes()) < len(source)  # it was named

        (folder / "outside" / "o.png").write_bytes(source)
        commands(*QUICK, *way, "assets/out.png", folder=folder)
        assert len((folder / "outside" / "o.png").read_bytes()) < len(source)
        assert (folder / "assets" / "out.png").is_symlink()
    figure(f"{len(ways)} of {len(ways)} ways to write in place left the file outside alone")


@pytest.mark.guarantee(5, 9, 10)
def test_an_input_that_cannot_shrink_stays_as_it_is_in_place(commands, tmp_path):
    tiny = file_of(Image.new("L", (1, 1)))
    (tmp_path / "a.png").write_bytes(tiny)
    before = (tmp_path / "a.png").stat()

    asked = commands("--in-place", "a.png", "-q", folder=tmp_path)
    forced = commands("a.png", "-o", "a.png", "-f", "-q", folder=tmp_path)

    assert (asked.code, forced.code) in [(0, 0), (0, 98)]
    assert (tmp_path / "a.png").read_bytes() == tiny
    assert (tmp_path / "a.png").stat() == before


# ---------------------------------------------------------------- modes, owners, inputs


@pytest.mark.guarantee(7)
def test_modes_are_those_of_the_umask_or_of_the_file_that_is_replaced(commands, tmp_path, figure):
    (tmp_path / "a.png").write_bytes(file_of(picture()))
    (tmp_path / "photo.jpg").write_bytes(file_of(picture(3), "JPEG", quality=50))
    umasks, modes = (0o022, 0o077, 0o002, 0), (0o600, 0o644, 0o444, 0o640, 0o755, 0o666)

    for umask in umasks:
        out = tmp_path / f"{umask:o}"
        words = ["a.png", "photo.jpg", "--out-dir", out.name, "-j", "1"]
        assert commands(*words, *QUICK, folder=tmp_path, umask=umask).code == 0
        found = {stat.S_IMODE((out / name).stat().st_mode) for name in ("a.png", "photo.jpg")}
        assert found == {0o666 & ~umask}  # of a result and of a copy
    for mode in (0o444, 0o400, 0o755):  # in place: only the folder is asked
        (tmp_path / "b.png").unlink(missing_ok=True)
        (tmp_path / "b.png").write_bytes(file_of(picture()))
        (tmp_path / "b.png").chmod(mode)
        size = (tmp_path / "b.png").stat().st_size
        assert commands("--in-place", "b.png", *QUICK, folder=tmp_path).code == 0
        assert (tmp_path / "b.png").stat().st_size < size
        assert stat.S_IMODE((tmp_path / "b.png").stat().st_mode) == mode
    for mode in modes:
        (tmp_path / "b.png").unlink(missing_ok=True)
        (tmp_path / "b.png").write_bytes(b"old")
        (tmp_path / "b.png").chmod(mode)
        words = ["a.png", "-o", "b.png", "--force"]
        assert commands(*words, *QUICK, folder=tmp_path, umask=0o077).code == 0
        assert stat.S_IMODE((tmp_path / "b.png").stat().st_mode) == mode
    figure(f"{2 * len(umasks)} new files, {len(modes)} replaced ones: the right modes")


@pytest.mark.guarantee(9)
def test_inputs_are_only_read(commands, tmp_path, figure):
    inputs = {"a.png": file_of(picture()), "b.png": file_of(picture(2)), "c.bmp": noise(40)}
    for name, data in inputs.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o444)
        os.utime(tmp_path / name, ns=(1_000_000_001, 1_100_000_000_000_000_001))

    def state():
        found = {}
        for name in inputs:
            status = (tmp_path / name).stat()
            digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            kept = ("st_mode", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_nlink", "st_uid")
            found[name] = (digest, *(getattr(status, field) for field in kept))
        return found

    before = state()
    runs = [
        ["a.png", "-q"],
        ["a.png", "-o", "x.png", "--preserve", "-q"],
        ["a.png", "b.png", "c.bmp", "--out-dir", "out", "-q", "-j", "1"],
        ["a.png", "-o", "-", "-q"],
        ["--check", "a.png", "-q"],
        ["palette", "a.png", "-k", "4"],
        ["compare", "a.png", "b.png"],
        ["sweep", "a.png", "-k", "2,4", "-q"],
        ["batch", "a.png", "b.png", "c.bmp", "--out-dir", "many", "-j", "1", "-q"],
    ]
    for words in runs:
        done = commands(*words, folder=tmp_path)
        assert (done.code, done.err) == (words[0] == "--check", ""), (words, done)
        assert state() == before, words
    figure(f"{len(runs)} runs over read-only inputs: bytes, mode and times as before")


# ---------------------------------------------------------------- never larger


def odd_pictures():
    """Yield names and files of pictures of every mode, many of them as small as they can be."""
    rng = np.random.default_rng(5)
    for side in (1, 2, 7, 33):
        noise_of = {mode: rng.integers(0, 256, (side, side, len(mode)), np.uint8).squeeze(2)
                    if mode in ("L",) else rng.integers(0, 256, (side, side, len(mode)), np.uint8)
                    for mode in ("L", "LA", "RGB", "RGBA")}  # fmt: skip
        ramp = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8)
        images = {f"noise {mode}": Image.fromarray(array, mode)
                  for mode, array in noise_of.items()}  # fmt: skip
        images |= {
            "flat": Image.new("RGB", (side, side), (200, 10, 10)),
            "clear": Image.new("RGBA", (side, side)),
            "ramp": Image.fromarray(ramp),
            "bits": Image.fromarray(ramp).convert("1"),
            "16 bits": Image.fromarray(ramp.astype(np.uint16) * 259),
            "16 colors": Image.fromarray(noise_of["RGB"]).quantize(16),
            "4 colors": Image.fromarray(noise_of["RGB"]).quantize(4),
            "2 colors": Image.fromarray(noise_of["RGB"]).quantize(2),
        }
        for name, image in images.items():
            yield f"{name} {side} optimized.png", file_of(image, optimize=True)
            yield f"{name} {side} stored.png", file_of(image, compress_level=0)


@pytest.mark.guarantee(10)
def test_no_output_is_larger_than_its_input_over_odd_pictures(commands, tmp_path, figure):
    corpus = dict(odd_pictures())
    (tmp_path / "in").mkdir()
    for name, data in corpus.items():
        (tmp_path / "in" / name).write_bytes(data)

    told = commands("-r", "in", "--ext", "-small.png", "--pack", "fast", "-j", "1", "-q",
                    folder=tmp_path)  # fmt: skip
    kept = commands("-r", "in", "--out-dir", "out", "--pack", "fast", "-j", "1", "-q",
                    folder=tmp_path)  # fmt: skip

    smaller = 0
    for name, data in corpus.items():
        assert (tmp_path / "in" / name).read_bytes() == data
        output = (tmp_path / "in" / name).with_name(f"{Path(name).stem}-small.png")
        smaller += output.exists()
        if output.exists():
            assert output.stat().st_size < len(data), name
        else:
            assert name in told.err
    assert (told.code, kept.code) == (1, 0)
    assert told.err.count("\n") == len(corpus) - smaller
    for name in listing(tmp_path / "out"):
        source = corpus.get(name) or (tmp_path / "in" / name).read_bytes()
        assert (tmp_path / "out" / name).stat().st_size <= len(source), name
    assert 10 < smaller < len(corpus)
    figure(
        f"0 of {len(corpus)} odd PNG files became larger: {smaller} smaller, the others not written"
    )


@pytest.mark.thorough
@pytest.mark.guarantee(10)
def test_no_output_is_larger_than_its_input_over_real_files(tmp_path, shared_data, figure):
    source = shared_data / "formats"
    command = [*COMMAND, "-r", source, "--out-dir", tmp_path, *QUICK]
    subprocess.run(command, capture_output=True)

    sizes = {}  # by the name without its suffixes, which an output may have more or other of
    for name in listing(source):
        stem = name.partition(".")[0]
        sizes[stem] = max(sizes.get(stem, 0), (source / name).stat().st_size)
    outputs = listing(tmp_path)
    larger = [
        name for name in outputs
        if (tmp_path / name).stat().st_size > sizes[name.partition(".")[0]]
    ]  # fmt: skip
    assert larger == []
    assert len(outputs) > 100
    figure(f"0 of {len(outputs)} outputs of real files are larger than their inputs")


# ---------------------------------------------------------------- exit codes and messages


@pytest.mark.guarantee(11, 12)
def test_every_exit_code_is_met_and_failures_are_one_line(commands, tmp_path, figure):
    small = file_of(picture())
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(small)
    (tmp_path / "photo.jpg").write_bytes(file_of(picture(3), "JPEG", quality=50))
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "old.png").write_bytes(b"old")
    end = {"at": 3, "opcodes": False}
    table = [
        (0, ["a.png", "-o", "done.png"], {}),
        (1, ["a.png", "text.png", "b.png", "--out-dir", "some", "-j", "1"], {}),
        (1, ["--check", "a.png"], {}),
        (1, ["verify", "--palette", "#000,#fff", "a.png"], {}),
        (2, ["--no-such-flag", "a.png"], {}),
        (2, ["none.png"], {}),
        (2, ["text.png"], {}),
        (2, ["a.png", "-k", "0"], {}),
        (4, ["a.png", "--max-megapixels", "0.001"], {}),
        (4, ["a.png", "--max-input-mib", "0.001"], {}),
        (15, ["a.png", "-o", "old.png"], {}),
        (16, ["a.png", "-o", "missing/x.png"], {}),
        (98, ["photo.jpg"], {}),
        (99, ["a.png", "--max-bytes", "60"], {}),
        (99, ["a.png", "--palette", "#000,#fff", "--strict-palette"], {}),
        (130, ["a.png", "-o", "x.png"], {"signal": signal.SIGINT, **end}),
        (143, ["a.png", "-o", "x.png"], {"signal": signal.SIGTERM, **end}),
    ]

    for code, words, order in table:
        done = commands(*words, folder=tmp_path, **order)
        assert done.code == code, (words, done)
        if code in (0, 130, 143) or (words[0] in ("--check", "verify") and code == 1):
            assert done.err == "", words
        else:
            named = [
                word for word in words if word.endswith((".png", ".jpg", "flag")) or word == "-k"
            ]
            assert any(word.lstrip("-") in one_line(done.err) for word in named), (words, done)
    assert {"some/a.png", "some/b.png"} <= set(listing(tmp_path))  # the run went on
    codes = sorted({code for code, _, _ in table})
    figure(f"exit codes {', '.join(map(str, codes))}: each met, each failure one line")


@pytest.mark.guarantee(12)
@pytest.mark.parametrize(("words", "says"), [
    (["compress", ""], "the name of an input is empty; "),
    (["a.png", ""], "the name of an input is empty; "),
    (["batch", "", "--out-dir", "out"], "the name of an input is empty; "),
    (["converge", ""], "the name of an input is empty; "),
    (["palette", "convert", "a.gpl", ""], "the name of an input is empty; "),
    (["a.png", "-o", ""], "--output is empty; "),
    (["a.png", "--out-dir="], "--out-dir is empty; "),
    (["a.png", "--weight", ""], "--weight is empty; "),
    (["folder", "-k", "4"], "folder is a folder; -r compresses what is in it"),
    (["sweep", "folder"], "folder is a folder; name a file in it"),
    (["palette", "a.png", "-o", "folder.gpl"], "folder.gpl: it is a folder; name a file in it"),
])  # fmt: skip
def test_names_that_are_empty_or_of_folders_are_refused_with_the_way_out(
    commands, tmp_path, words, says
):
    (tmp_path / "a.png").write_bytes(file_of(picture()))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.gpl").mkdir()

    done = commands(*words, folder=tmp_path)

    assert done.code in (2, 16)
    assert says in one_line(done.err)
    assert listing(tmp_path) == ["a.png"]


def test_the_library_refuses_an_empty_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: smalti.compress(""),
        lambda: smalti.compress_many([""], "out", jobs=1),
    ):
        with pytest.raises(smalti.MissingFile, match=r"^the name of .* is empty; name "):
            call()


# ---------------------------------------------------------------- names

NAMES = [
    os.fsencode(name) for name in (
        "with space.png", " leading space.png", "trailing space .png", "two\nlines.png",
        "tab\there.png", "return\r.png", "esc\x1b[31mred\x1b[0m.png", "bell\a.png", "-k.png",
        "--force.png", "quote'\".png", "$(touch x);`id`|&>.png", "*.png", "[a-z]?.png",
        "{stem}.png", "%s%n{0}.png", "~root.png", "cafe\u0301.png", "café.png", "雪🙂.png",
        "a\u202egnp.png",
        "back\\slash.png", "#hash?query=1.png", ".hidden.png", "n" * 251 + ".png",
    )
] + [b"bad\xff\xfeutf8.png", b"\xed\xa0\x80.png", b"n" * 250 + b"\xe9.png"]  # fmt: skip


@pytest.mark.guarantee(12, 13)
@pytest.mark.parametrize(
    "environment",
    [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["UTF-8", "C", "ASCII"],
)
def test_any_name_gives_the_same_result_and_is_told_in_one_printable_line(
    tmp_path, environment, figure
):
    good, bad = file_of(picture()), b"no picture"
    folder = os.fsencode(tmp_path)

    def run(*words, code):
        done = subprocess.run(
            [*COMMAND, *words, "-k", "16", "--effort", "turbo", "-j", "1", "--", *NAMES],
            cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done
        return done

    def put(data):
        for name in NAMES:
            Path(os.fsdecode(folder + b"/" + name)).write_bytes(data)

    put(good)
    done = run("--out-dir", "out", code=0)
    right = subprocess.run(
        [*COMMAND, "-", "-k", "16", "--effort", "turbo", "-q"], input=good, capture_output=True
    ).stdout
    made = os.listdir(folder + b"/out")
    assert sorted(made) == sorted(NAMES)
    for name in made:
        assert Path(os.fsdecode(folder + b"/out/" + name)).read_bytes() == right, name
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(NAMES) + 1  # and the total
    put(bad)
    failed = run("--out-dir", "none", code=1)

    lines += failed.stderr.decode().splitlines()
    assert len(lines) == 2 * len(NAMES) + 1
    assert all(line.isprintable() for line in lines), lines
    assert b"Traceback" not in failed.stderr
    assert sorted(os.listdir(folder)) == sorted(
        [*NAMES, b"out", b"none"][: len(os.listdir(folder))]
    )
    figure(f"{len(NAMES)} of {len(NAMES)} names, {environment or 'as set up'}: as a.png, one line")


@pytest.mark.guarantee(13)
def test_names_in_place_and_as_output_are_taken_literally(commands, tmp_path, figure):
    source = file_of(picture())
    (tmp_path / "a.png").write_bytes(source)
    assert commands("a.png", "-o", "right.png", *QUICK, folder=tmp_path).code == 0
    right = (tmp_path / "right.png").read_bytes()

    for name in NAMES:
        folder = tmp_path / hashlib.sha256(name).hexdigest()[:8]
        folder.mkdir()
        path = folder / os.fsdecode(name)
        path.write_bytes(source)
        assert commands("--in-place", *QUICK, "--", name, folder=folder) == (0, "", "")
        assert path.read_bytes() == right
        written = commands("a.png", *QUICK, "-f", "-o", b"./" + name, folder=tmp_path)
        assert written == (0, "", ""), name
        assert (tmp_path / os.fsdecode(name)).read_bytes() == right
        assert [os.fsencode(each) for each in os.listdir(folder)] == [name]
    figure(f"{len(NAMES)} of {len(NAMES)} names, in place and as output: as a.png")
