"""`smalti compress --check` and `--in-place`: what continuous integration and hooks are made of."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from process import COMMAND, file_of, listing, one_line, picture

from smalti.cli import terminal
from smalti.cli.app import smalti as group
from smalti.cli.check import Failure, Findings, Over, Shrinks, text_of

ROOT = Path(__file__).parent.parent


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with images of all kinds that compress well, and a JPEG that would not."""
    monkeypatch.chdir(tmp_path)
    Path("sub dir").mkdir()
    Path("a.png").write_bytes(file_of(picture(1)))
    Path("sub dir/b.png").write_bytes(file_of(picture(2).convert("RGBA")))
    Path("w.webp").write_bytes(file_of(picture(3), "WEBP", lossless=True))
    picture(4).convert("L").save("g.gif")
    Path("photo.jpg").write_bytes(file_of(picture(5), "JPEG", quality=50))
    return tmp_path


def run(*arguments, code=0):
    """Run the command in this process, on one core; return its standard output and errors."""
    words = ["compress", "-j", "1", *map(str, arguments)]
    done = CliRunner().invoke(group, words, standalone_mode=False)
    error, found, said = done.exception, done.return_value, done.stderr
    if isinstance(error, click.ClickException):
        found, said = error.exit_code, error.format_message()
    elif error is not None:
        found, said = terminal.blame(error)
    assert found == code, (arguments, done.output, said)
    return done.stdout, said


def contents(folder="."):
    return {name: Path(folder, name).read_bytes() for name in listing(Path(folder))}


def report(*arguments, kind="json", code=1):
    return run("--check", "--report", kind, *arguments, code=code)[0]


@pytest.mark.guarantee(12, 26)
@pytest.mark.parametrize(("words", "code", "way_out"), [
    (["a.png"], 4, "allow more (ulimit -v), or take a smaller picture"),
    (["a.png", "g.gif"], 1, "allow more (ulimit -v), or take a smaller picture"),
    (["a.png", "g.gif", "-j", 2], 1, "fewer --jobs need less"),
])  # fmt: skip
def test_fewer_jobs_are_advised_where_there_are_several(tree, monkeypatch, words, code, way_out):
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr("smalti.cli.run.library_compress", refuse)

    errors = run(*words, code=code)[1]

    assert f"a.png: not enough memory; {way_out}" in errors


@pytest.mark.guarantee(12, 26)
def test_a_library_that_finds_no_room_is_a_lack_of_memory_and_no_bug():
    missing = ImportError("libXau.so.6: failed to map segment from shared object")

    assert terminal.blame(missing) == terminal.blame(MemoryError())
    assert terminal.blame(ImportError("no such thing"))[0] == 70


# ---------------------------------------------------------------- the check


def test_a_check_tells_what_would_shrink_and_writes_nothing(tree):
    before = contents()

    out, errors = run("--check", "-r", ".", "-k", 64, code=1)

    assert contents() == before
    assert errors == ""
    told = [line.split("  ")[0] for line in out.splitlines() if "would shrink: " in line]
    assert told == ["a.png", "g.gif", "w.webp", "sub dir/b.png"]
    assert "4 images: 4 would shrink, together by " in out
    assert "1 of other formats left alone" in out
    assert "what helps: smalti compress --in-place -k 64 --recursive ." in out
    assert max(map(len, out.splitlines())) < 80


def test_the_report_is_true(tree):
    found = json.loads(report("-r", ".", "-k", 64))

    run("--in-place", "-r", ".", "-k", 64)

    for each in found["shrinks"]:
        assert os.path.getsize(each["path"]) == each["bytes_out"] < each["bytes_in"]
    assert found["saved_bytes"] == sum(e["bytes_in"] - e["bytes_out"] for e in found["shrinks"])
    assert found["files"] == len(found["shrinks"]) == 4


@pytest.mark.parametrize("over", ["0", "50%", "3k"])
def test_files_are_listed_that_shrink_by_more_than_asked(tree, over):
    everything = json.loads(report("-r", "."))["shrinks"]
    limit = Over.of(over)

    listed = json.loads(report("-r", ".", "--check-over", over))["shrinks"]

    expected = [e for e in everything if limit.is_exceeded(e["bytes_in"], e["bytes_out"])]
    assert listed == expected
    assert bool(over == "0") == (listed == everything)
    assert json.loads(report("-r", ".", "--check-over", "99%", code=0))["shrinks"] == []


def test_limits_are_exceeded_by_more_than_them_only():
    assert not Over.of("10%").is_exceeded(1000, 900)
    assert Over.of("10%").is_exceeded(1000, 899)
    assert not Over.of("100").is_exceeded(1000, 900)
    assert Over.of("1k").is_exceeded(5000, 3999)
    assert Over.of("0").is_exceeded(2, 1)
    assert not Over.of("0").is_exceeded(1, 2)


@pytest.mark.parametrize("kind", ["md", "json", "sarif"])
def test_order_of_arguments_does_not_change_a_report(tree, kind):
    names = ["a.png", "w.webp", "sub dir/b.png", "none.png"]

    one, two = report(*names, kind=kind), report(*reversed(names), kind=kind)

    if kind == "md":  # it has the command for all files, named as they were
        one, two = (text.replace(shlex.join(order), "") for text, order in
                    ((one, names), (two, names[::-1])))  # fmt: skip
    assert one == two


def test_jobs_do_not_change_a_report(smalti, folder):
    runs = [smalti("--check", "-r", ".", "--report", "sarif", "-j", j, code=1) for j in (1, 2)]

    assert runs[0].stdout == runs[1].stdout
    assert '"results"' in runs[0].stdout


def test_files_that_cannot_be_read_are_listed_in_every_report(tree):
    Path("bad.png").write_bytes(b"no image")

    _, errors = run("--check", "-q", "-r", ".", "--report", "r.md", "--report", "r.json",
                    "--report", "r.sarif", code=1)  # fmt: skip

    assert "bad.png: it is not an image" in errors
    assert "bad.png: it is not an image" in Path("r.md").read_text()
    (failure,) = json.loads(Path("r.json").read_text())["failures"]
    assert (failure["path"], failure["exit_code"]) == ("bad.png", 2)
    (invocation,) = json.loads(Path("r.sarif").read_text())["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert "bad.png" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    run("--check", "bad.png", code=2)
    run("--check", "a.png", "--quality", "99-100", "-k", 4, code=99)


def test_the_command_line_of_a_report_makes_its_check_pass(tree):
    Path("-x y.png").write_bytes(file_of(picture(6)))
    flags = ["-r", ".", "--quality", "50-60", "--keep", "#f0f", "--nofs", "--dither-everywhere"]

    for each in json.loads(report(*flags))["shrinks"]:
        words = shlex.split(each["command"])
        assert words[:3] == ["smalti", "compress", "--in-place"]
        run(*words[2:])

    run("--check", *flags)


def test_a_name_that_leads_nowhere_is_a_failure_whatever_it_is_called(tree):
    for name in ("none.png", "none.jpg", "pictures"):
        assert f"{name} does not exist" in run("--check", "-r", name, code=2)[1]


def test_formats_that_are_not_written_are_judged_when_a_format_is_named(tree):
    assert "photo.jpg is left alone: " in run("--check", "photo.jpg")[0]
    picture(7).save("drawing.bmp")

    found = json.loads(report("drawing.bmp", "photo.jpg", "--format", "png"))

    assert [each["path"] for each in found["shrinks"]] == ["drawing.bmp"]
    assert found["files"] == 2


def test_a_check_of_outputs_passes_once_they_are_there(tree):
    flags = ["a.png", "w.webp", "photo.jpg", "--out-dir", "dist"]
    assert len(json.loads(report(*flags))["shrinks"]) == 2
    assert not Path("dist").exists()

    run(*flags)

    run("--check", *flags)
    run("--check", *flags, "-k", 16, code=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-"], "--check looks at files"),
        (["a.png", "-o", "-"], "--check looks at files"),
        (["a.png", "--show"], "--check makes nothing"),
        (["a.png", "--check-over", "much"], "--check-over must be"),
        (["a.png", "--check-over", "101%"], "--check-over must be"),
        (["a.png", "--report", "r.txt"], ".md, .json or .sarif"),
        (["a.png", "--report", "md", "--report", "json"], "takes one report"),
        (["a.png", "--report", "md", "--json"], "takes one report"),
    ],
)
def test_what_a_check_cannot_do_is_refused(tree, words, says):
    assert says in run("--check", *words, code=2)[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--report", "r.md"], "--report is about what --check finds"),
        (["--check-over", "1k"], "--check-over goes with --check"),
        (["--in-place", "--ext", ".png"], "--in-place writes where the input is"),
        (["--in-place", "--format", "webp"], "--in-place keeps the format"),
    ],
)
def test_words_of_the_check_and_in_place_have_their_company(tree, words, says):
    assert says in run("a.png", *words, code=2)[1]


def test_json_of_a_check_is_one_line_for_each_file(tree):
    run("--in-place", "a.png")

    lines = run("--check", "-r", ".", "--json", code=1)[0].splitlines()

    statuses = {Path(r["source"]).name: r["status"] for r in map(json.loads, lines)}
    assert statuses == {"a.png": "unchanged", "g.gif": "shrinks", "photo.jpg": "left",
                        "w.webp": "shrinks", "b.png": "shrinks"}  # fmt: skip


def test_the_exit_code_of_a_process_is_that_of_the_check(smalti, folder):
    smalti("--check", "-r", ".", code=1)
    smalti("--in-place", "-r", ".", "-j", 2)
    smalti("--check", "-r", ".", "-j", 2)

    assert listing(folder) == ["a.png", "b.png", "photo.jpg"]


# ---------------------------------------------------------------- again and again


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-k", "16"],
        ["-k", "auto"],
        ["--quality", "40-60"],
        ["--min-score", "40"],
        ["--min-score", "40", "--size", "0.25"],
        ["--max-bytes", "2500"],
    ],
    ids=" ".join,
)
def test_a_tree_that_was_compressed_stays_as_it_is_and_passes_the_check(tree, flags):
    run("--in-place", "-r", ".", *flags)
    before = contents()
    times = {name: os.stat(name).st_mtime_ns for name in before}

    out, _ = run("--in-place", "-r", ".", *flags)
    run("--check", "-r", ".", *flags)

    assert contents() == before
    assert {name: os.stat(name).st_mtime_ns for name in before} == times
    assert "4 unchanged" in out


@pytest.mark.parametrize("flags", [[], ["-k", "auto"]], ids=" ".join)
def test_words_of_pngquant_in_place_are_idempotent_too(tree, flags):
    names = ["a.png", "sub dir/b.png"]
    run("--ext", ".png", "--force", *names, *flags)
    before = contents()

    run("--ext", ".png", "--force", *names, *flags)
    run("--check", *names, *flags)
    run("--check", "--ext", ".png", "--force", *names, *flags)

    assert contents() == before


def test_one_file_that_is_compressed_already_says_so(tree):
    run("--in-place", "a.png", "-k", 16)

    out, errors = run("--in-place", "a.png", "-k", 16)

    assert out.startswith("a.png: already compressed at these settings: 16 colors take ")
    assert errors == ""


def test_in_place_leaves_alone_what_would_grow(tree):
    ramp = np.dstack([*np.mgrid[0:252:4, 0:252:4], np.zeros((63, 63))]).astype(np.uint8)
    Path("ramp.png").write_bytes(file_of(Image.fromarray(ramp), optimize=True))
    before = contents()

    run("--in-place", "ramp.png")
    run("--ext", ".png", "--force", "ramp.png", code=98)

    assert contents() == before


def test_in_place_keeps_formats_and_the_rights_of_files(tree):
    os.chmod("w.webp", 0o640)

    run("--in-place", "-r", ".")

    assert Path("w.webp").read_bytes()[8:12] == b"WEBP"
    assert Path("g.gif").read_bytes()[:4] == b"GIF8"
    assert sys.platform == "win32" or stat.S_IMODE(os.stat("w.webp").st_mode) == 0o640


@pytest.mark.parametrize("where", [[], ["--out-dir", "out"], ["--format", "webp"]], ids=" ".join)
def test_outputs_that_are_what_would_be_written_are_no_error(tree, where):
    flags = ["a.png", "w.webp", *where]
    run(*flags)
    before = contents()

    assert "2 unchanged" in run(*flags)[0]
    assert "2 outputs exist" in run(*flags, "-k", 16, code=1)[1]

    assert contents() == before


def test_originals_that_were_kept_are_kept_again(tree):
    run("photo.jpg", "--out-dir", "out")

    run("photo.jpg", "--out-dir", "out")

    Path("out/photo.jpg").write_bytes(b"something else")
    assert "out/photo.jpg exists" in run("photo.jpg", "--out-dir", "out", code=15)[1]


def test_an_output_of_another_input_is_not_taken_for_this_one(tree):
    run("a.png", "-o", "out.png")

    assert "out.png exists" in run("sub dir/b.png", "-o", "out.png", code=15)[1]


# ---------------------------------------------------------------- the formats of reports


def findings(paths=("a.png",), failures=()):
    shrinks = [Shrinks(path, 4000, 1000 + i) for i, path in enumerate(paths)]
    words = ["smalti", "compress", "--in-place"]
    return Findings(len(paths) + 2, shrinks, failures, words, [*paths], Over.of("0"))


STRANGE = ("b c.png", "ü.png", "50%.png", "a|b`c.png", "two\nlines.png", "sub/x#1?.png", "a:b.png")


def test_sarif_is_what_its_specification_asks_for(tree):
    failures = [Failure("bad.png", "bad.png: it is broken", 2)]

    log = json.loads(text_of(findings(STRANGE, failures), "sarif"))

    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    driver = run_["tool"]["driver"]
    assert driver["name"] == "smalti"
    (rule,) = driver["rules"]
    assert rule["shortDescription"]["text"].endswith(".")
    assert rule["defaultConfiguration"]["level"] == "warning"
    assert len(run_["results"]) == len(STRANGE)
    for result in run_["results"]:
        assert (result["ruleId"], result["ruleIndex"]) == (rule["id"], 0)
        assert result["level"] == "warning"
        for word in ("4,000", "% less", "smalti compress --in-place"):
            assert word in result["message"]["text"]
        check_location(result["locations"])
    (invocation,) = run_["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["level"] == "error"
    check_location(notification["locations"])
    uris = {
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run_["results"]
    }
    assert {unquote(uri) for uri in uris} == set(STRANGE)


def check_location(locations):
    (location,) = locations
    place = location["physicalLocation"]
    assert set(place) == {"artifactLocation", "region"}
    assert place["region"] == {"startLine": 1}
    artifact = place["artifactLocation"]
    assert artifact["uriBaseId"] == "%SRCROOT%"
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", artifact["uri"])
    assert not artifact["uri"].startswith("/")


def test_uris_are_relative_to_the_working_folder_or_absolute(tree):
    paths = ["./sub dir/../a.png", str(tree / "sub dir" / "b.png"), "../elsewhere.png"]

    log = json.loads(text_of(findings(paths), "sarif"))

    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]
        for result in log["runs"][0]["results"]
    ]
    root = "%SRCROOT%"
    assert places[:2] == [
        {"uri": "a.png", "uriBaseId": root},
        {"uri": "sub%20dir/b.png", "uriBaseId": root},
    ]
    assert places[2] == {"uri": (tree.parent / "elsewhere.png").as_uri()}


def test_markdown_survives_strange_names():
    failures = [Failure("<b>.png", "<b>.png: *broken* | it is", 2)]

    text = text_of(findings(STRANGE, failures), "md")

    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(STRANGE)
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "``a\\|b`c.png``" in text
    assert "- \\<b\\>.png: \\*broken\\* \\| it is" in text
    assert "would shrink, together by " in text.splitlines()[2]


def test_what_saves_most_comes_first():
    shrinks = [Shrinks("b", 10, 5), Shrinks("a", 10, 5), Shrinks("c", 100, 5)]
    found = Findings(3, shrinks, [], ["smalti"], ["."], Over.of("0"))

    paths = [each["path"] for each in json.loads(text_of(found, "json"))["shrinks"]]

    assert paths == ["c", "a", "b"]


# ---------------------------------------------------------------- pre-commit and GitHub


def hooks():
    return {
        hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    }


def run_hook(name, folder, *files):
    """Run a hook as pre-commit does: its entry, its arguments, then the names of files."""
    hook = hooks()[name]
    words = shlex.split(hook["entry"])
    assert words[0] == "smalti"
    command = [*COMMAND, *words[1:], *hook["args"], *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_hooks_have_what_pre_commit_asks_for():
    assert set(hooks()) == {"smalti", "smalti-check"}
    for hook in hooks().values():
        assert hook["language"] == "python"
        assert hook["name"]
        assert set(hook["types_or"]) == {"png", "webp", "gif"}
        assert all(isinstance(word, str) for word in hook["args"])
    assert hooks()["smalti"]["args"] == hooks()["smalti-check"]["args"]


def test_hooks_fail_or_change_files_the_first_time_and_pass_the_second(folder):
    assert run_hook("smalti-check", folder, "a.png", "b.png").returncode == 1
    before = contents(folder)

    first = run_hook("smalti", folder, "a.png", "b.png")
    changed = contents(folder)
    second = run_hook("smalti", folder, "a.png", "b.png")

    assert (first.returncode, second.returncode) == (0, 0)
    assert {name for name in before if before[name] != changed[name]} == {"a.png", "b.png"}
    assert contents(folder) == changed
    assert run_hook("smalti-check", folder, "a.png", "b.png").returncode == 0


def action():
    return yaml.safe_load((ROOT / "action.yml").read_text())


def step(name):
    (found,) = (step for step in action()["runs"]["steps"] if step["name"] == name)
    return found


def run_step(name, folder, **environment):
    """Run the script of a step as GitHub does; return the process and what the step put out."""
    runner = folder / "runner"
    runner.mkdir(exist_ok=True)
    files = {
        word: str(runner / word) for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV")
    }
    for path in files.values():
        Path(path).write_text("")
    environment = {**os.environ, **files, "RUNNER_TEMP": str(runner), **environment}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(name)["run"]]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done, {word: Path(path).read_text() for word, path in files.items()}


def check_step(folder, paths=".", args="", fail="true"):
    return run_step(
        "Check images", folder, SMALTI_PYTHON=sys.executable, SMALTI_PATHS=paths,
        SMALTI_ARGS=args, SMALTI_SARIF="smalti.sarif", SMALTI_FAIL=fail,
    )  # fmt: skip


def test_the_action_takes_inputs_as_variables_and_needs_no_rights():
    text = (ROOT / "action.yml").read_text()
    inputs = action()["inputs"]

    for each in action()["runs"]["steps"]:
        assert "${{" not in each.get("run", "")
        assert each.get("shell", "bash") == "bash"
    for name in inputs:
        assert f"${{{{ inputs.{name} }}}}" in text
    assert not re.search(r"secrets\.|token:|permissions", text)
    assert action()["runs"]["using"] == "composite"
    assert re.findall(r"uses: (\S+)@", text) == ["actions/setup-python"]


needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


@needs_bash
def test_the_action_fails_with_a_summary_and_a_sarif_file(folder):
    done, put_out = check_step(folder, args="-k 32\n--check-over 1k")

    assert done.returncode == 1, done.stderr
    assert "exit-code=1\n" in put_out["GITHUB_OUTPUT"]
    assert "smalti.sarif" in put_out["GITHUB_OUTPUT"]
    assert "| `a.png` |" in put_out["GITHUB_STEP_SUMMARY"]
    log = json.loads((folder / "smalti.sarif").read_text())
    assert len(log["runs"][0]["results"]) == 2


@needs_bash
def test_the_action_passes_where_nothing_would_shrink_or_failing_is_not_wanted(smalti, folder):
    assert check_step(folder, fail="false")[0].returncode == 0
    smalti("--in-place", "-r", ".")

    done, put_out = check_step(folder, paths="a.png\nb.png\n")

    assert done.returncode == 0
    assert "2 images: none would shrink." in put_out["GITHUB_STEP_SUMMARY"]


@needs_bash
def test_inputs_of_the_action_are_never_run(folder):
    (folder / "with space.png").write_bytes(file_of(picture(9)))
    evil = "$(touch one); `touch two` && touch three | *"

    done, put_out = check_step(folder, paths=f"with space.png\n{evil}", args="-k 16")

    assert done.returncode == 1
    assert "does not exist" in put_out["GITHUB_STEP_SUMMARY"]
    assert "| `with space.png` |" in put_out["GITHUB_STEP_SUMMARY"]
    assert check_step(folder, args=f"--quality {evil}")[0].returncode == 2
    assert not {"one", "two", "three"} & set(listing(folder))


@needs_bash
@pytest.mark.skipif(sys.platform == "win32", reason="stands in for python by a script")
def test_the_action_installs_from_its_own_checkout(folder):
    (folder / "bin").mkdir()
    fake = folder / "bin" / "python"
    fake.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; '
        'else echo "$@" >> "$RUNNER_TEMP/log"; fi\n'
    )
    fake.chmod(0o755)

    done, put_out = run_step(
        "Install smalti", folder, SMALTI_SOURCE="/some where/smalti",
        PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    log = (folder / "runner" / "log").read_text()
    assert log.startswith("-m pip install")
    assert log.endswith("/some where/smalti\n")
    assert put_out["GITHUB_ENV"] == f"SMALTI_PYTHON={folder}/runner/smalti/bin/python\n"


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("word", "meant"), [("compres", "compress"), ("swep", "sweep"), ("Compress", "compress")]
)
def test_a_misspelled_command_is_told_what_was_meant(smalti, word, meant):
    said = one_line(smalti(word, "a.png", code=2).stderr)

    assert said == f"smalti: there is no command and no file {word}; did you mean smalti {meant}?\n"


def test_a_file_called_nearly_like_a_command_is_a_file(smalti, folder):
    (folder / "compres").write_bytes(file_of(picture(1)))

    smalti("compres", "-k", 4)

    assert "no image" not in one_line(smalti("x.png", code=2).stderr)
    assert (folder / "compres-smalti.png").exists()


def test_a_quality_that_is_missed_is_told_in_the_words_it_was_asked_for(tree):
    alone = run("a.png", "--quality", "70", "-k", 4, code=99)[1]
    both = run("a.png", "--quality", "63-70", "-k", 4, code=99)[1]

    assert "a quality of 70 is asked for; nine tenths of it would do, but 63 is not" in alone
    assert "a quality of 63 is not reached" in both
