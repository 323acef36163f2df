"""`smalti batch`: the words of the command; what it does is tested where it is done."""

import json

import pytest
from collection import bad_bytes, fill, outputs
from process import one_line

QUICK = ("--effort", "turbo", "--pack", "fast", "-k", "4", "-j", "1")


@pytest.fixture
def pictures(folder):
    """Six pictures in subfolders of `folder`."""
    fill(folder / "in", 6)
    return folder / "in"


def test_a_folder_is_compressed_and_a_second_run_says_that_it_was(smalti, folder, pictures):
    first = smalti("batch", "in", "--out-dir", "out", *QUICK)
    second = smalti("batch", "in", "--out-dir", "out", *QUICK)

    assert first.stdout.startswith("6 images: 6 compressed, ")
    assert "% smaller" in first.stdout
    assert "a record of each: out/smalti-records.jsonl" in first.stdout
    assert first.stderr == second.stderr == ""
    assert "6 of them were done by an earlier run" in second.stdout
    assert len(outputs(folder / "out")) == 6


def test_a_picture_that_fails_is_one_line_and_exit_code_1(smalti, folder, pictures):
    (pictures / "a" / "bad.png").write_bytes(bad_bytes())

    done = smalti("batch", "in", "--out-dir", "out", *QUICK, code=1)

    assert "in/a/bad.png" in one_line(done.stderr)
    assert "7 images: 6 compressed, 1 failed" in done.stdout


def test_many_failures_are_told_by_the_records(smalti, folder, pictures):
    for i in range(30):
        (pictures / f"bad{i:02}.png").write_bytes(bad_bytes())

    done = smalti("batch", "in", "--out-dir", "out", *QUICK, code=1)

    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "smalti: and 10 more; out/smalti-records.jsonl has all"


def test_nothing_readable_is_exit_code_2(smalti, folder):
    (folder / "in").mkdir()

    assert "no images in this folder" in one_line(
        smalti("batch", "in", "--out-dir", "out", code=2).stderr
    )
    (folder / "in" / "bad.png").write_bytes(bad_bytes())
    assert smalti("batch", "in", "--out-dir", "out", "-j", "1", code=2).stderr


def test_outputs_of_others_are_exit_code_15_unless_forced(smalti, folder, pictures):
    smalti("batch", "in", "--out-dir", "out", *QUICK)
    for path in (folder / "out" / ".smalti").rglob("*.jsonl"):
        path.unlink()

    assert "--force" in one_line(smalti("batch", "in", "--out-dir", "out", *QUICK, code=15).stderr)
    smalti("batch", "in", "--out-dir", "out", *QUICK, "--force")


def test_a_place_that_cannot_be_written_is_exit_code_16(smalti, folder, pictures):
    (folder / "out").write_text("a file")

    one_line(smalti("batch", "in", "--out-dir", "out", *QUICK, code=16).stderr)


def test_progress_as_json_lines(smalti, folder, pictures):
    done = smalti("batch", "in", "--out-dir", "out", *QUICK, "--progress", "json", "-q")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.stdout == ""
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)
    assert (lines[0]["done"], lines[-1]["done"], lines[-1]["total"]) == (0, 6, 6)
    assert lines[-1]["bytes_saved"] == lines[-1]["bytes_in"] - lines[-1]["bytes_out"] > 0
    assert lines[-1]["rate"] > 0
    assert set(lines[-1]) >= {"failed", "reused", "seconds", "seconds_left"}


def test_the_summary_as_json(smalti, folder, pictures):
    done = smalti("batch", "in", "--out-dir", "out", *QUICK, "--json")

    printed = json.loads(done.stdout)
    assert printed == json.loads((folder / "out" / "smalti-summary.json").read_text())
    assert (printed["compressed"], printed["failed"]) == (6, 0)


def test_max_errors_stops_and_says_what_was_not_done(smalti, folder, pictures):
    (pictures / "a" / "bad.png").write_bytes(bad_bytes())
    options = (*QUICK, "--max-errors", "0", "--shard", "1")

    done = smalti("batch", "in", "--out-dir", "out", *options, code=1)

    assert "not done" in done.stdout
    assert "stopped after 1 failure; repair them or allow more" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no input"),
        (("in",), "--out-dir says where"),
        (("in", "--out-dir", "out", "--shard", "some"), "shard must be auto or a number"),
        (("in", "--out-dir", "out", "--max-errors", "x"), "max_errors must be"),
        (("in", "--out-dir", "out", "--palette", "#fff", "-k", "3"), "--palette says how many"),
        (("in", "--out-dir", "out", "--nofs", "--floyd"), "--nofs and --floyd contradict"),
        (("in", "--out-dir", "out", "--quiet", "--progress", "bar"), "--quiet shows no bar"),
        (("in", "--out-dir", "out", "--memory-limit", "x"), "memory_limit must be"),
    ],
)
def test_usage_errors_are_one_line_and_exit_code_2(smalti, folder, pictures, arguments, sentence):
    assert sentence in one_line(smalti("batch", *arguments, code=2).stderr)

    assert not (folder / "out").exists()


def test_the_label_of_the_bar_has_throughput_time_left_failures_and_bytes_saved():
    from smalti.batch.runs import Progress
    from smalti.cli.engines import _label

    progress = Progress(
        total=10_000, done=3000, reused=1000, failed=12, bytes_in=9 * 10**9, bytes_out=10**9,
        seconds=100.0, step="compress",
    )  # fmt: skip

    assert _label(progress) == "3,000 of 10,000, 20/s, 5:50 left, 12 failed, 8 GB saved"
