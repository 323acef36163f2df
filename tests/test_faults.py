"""What a run over a collection survives, with real processes that are really killed.

In each case: the bytes are those of a serial run, each bad input is listed once, no good one is
lost, and neither temporary files nor processes are left.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from collection import QUICK, bad_file, fill, items_of, outputs, plain, temporary, times
from dask_kit import Digest
from PIL import Image
from process import COMMAND, file_of, one_line, picture

import smalti
from smalti.batch import runs

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="finds processes in /proc, which only Linux has"
)

SLOW = ["-k", "64", "--effort", "best", "--shard", "2", "-j", "2", "--progress", "json"]
PATIENCE = 60


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Pictures that take a while, one that is broken, and what a serial run makes of them."""
    folder = tmp_path_factory.mktemp("collection")
    fill(folder / "in", 24, size=64)
    bad_file(folder / "in" / "b" / "broken.png")
    summary = smalti.compress_many(folder / "in", folder / "out", 64, effort="best", jobs=1)
    assert (summary.compressed, summary.failed) == (24, 1)
    return folder / "in", outputs(folder / "out"), plain(summary.records)


class Running:
    """`smalti batch` as a process, and its workers."""

    def __init__(self, source, out, *arguments):
        command = [*COMMAND, "batch", source, "--out-dir", out, *arguments]
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def until_done(self, number):
        """Read progress until so many pictures are done."""
        for line in self.process.stderr:
            if line.startswith("{") and json.loads(line)["done"] >= number:
                return self
        raise AssertionError(f"ended before {number} were done")

    def workers(self):
        return [pid for pid in children(self.process.pid) if "spawn_main" in command_of(pid)]

    def end(self):
        """Wait for the end; return the exit code and what was printed."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors


def children(pid):
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def all_gone(pids):
    """Whether processes end within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(command_of(pid) for pid in pids):  # a zombie has no command line
            return True
        time.sleep(0.05)
    return False


def assert_as_serial(out, collection):
    _, expected, records = collection
    assert outputs(out) == expected
    assert temporary(out) == []
    lines = (out / "smalti-records.jsonl").read_text().splitlines()
    assert plain(list(map(json.loads, lines))) == records


# ---------------------------------------------------------------- processes that are killed


@pytest.mark.guarantee(36)
def test_a_worker_that_is_killed_is_replaced(collection, tmp_path, effort, figure):
    deaths, killed = 0, effort(2, 20)
    for number in range(killed):
        out, chance = tmp_path / str(number), random.Random(number)
        run = Running(collection[0], out, *SLOW, "-j", "4").until_done(chance.randint(1, 16))
        workers = run.workers()
        assert len(workers) == 4

        time.sleep(chance.uniform(0, 0.05))
        os.kill(chance.choice(workers), signal.SIGKILL)
        code, _, _ = run.end()

        assert code == 1  # for the broken one
        assert_as_serial(out, collection)
        deaths += json.loads((out / "smalti-summary.json").read_text())["worker_deaths"]
        assert all_gone(workers)
    figure(
        f"1 of 4 workers killed {killed} times, {deaths} of them at work: all outputs and records "
        "are those of a serial run, and no temporary file is left"
    )
    assert deaths > 0


@pytest.mark.guarantee(36)
def test_a_killed_driver_leaves_no_process_and_another_goes_on(collection, tmp_path, figure):
    run = Running(collection[0], tmp_path, *SLOW).until_done(4)
    left = children(run.process.pid)
    assert len(run.workers()) == 2

    run.process.kill()
    run.end()

    assert all_gone(left)
    done = times(tmp_path)
    code, _, _ = Running(collection[0], tmp_path, *SLOW).end()
    assert code == 1
    assert_as_serial(tmp_path, collection)
    kept = [name for name, when in times(tmp_path).items() if done.get(name) == when]
    assert 4 <= len(kept) < 24
    reused = json.loads((tmp_path / "smalti-summary.json").read_text())["reused"]
    assert reused >= 4
    figure(f"driver killed and started again: {reused} of 25 done before are not done again")


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.guarantee(36)
def test_a_stopped_run_cleans_up_and_goes_on(collection, tmp_path, sent, expected):
    run = Running(collection[0], tmp_path, *SLOW).until_done(2)
    left = children(run.process.pid)

    run.process.send_signal(sent)
    code, output, errors = run.end()

    assert code == expected
    assert output == ""
    assert "Traceback" not in errors
    assert "of 25 pictures are done; the same command goes on" in errors
    assert all_gone(left)
    assert temporary(tmp_path) == []
    Running(collection[0], tmp_path, *SLOW).end()
    assert_as_serial(tmp_path, collection)


@pytest.mark.guarantee(36)
def test_what_a_killed_process_was_writing_is_swept(collection, tmp_path):
    for folder in (tmp_path / "a", tmp_path / ".smalti" / "shards"):
        folder.mkdir(parents=True)
        (folder / ".smalti-0123abcd.tmp").write_bytes(b"half a picture")

    smalti.compress_many(collection[0], tmp_path, 64, effort="best", jobs=2)

    assert_as_serial(tmp_path, collection)


# ---------------------------------------------------------------- inputs that kill


def digest_of(folder, tmp_path, name, **options):
    out = tmp_path / name
    out.mkdir()
    done = runs.run(Digest(str(out)), items_of(folder), state=None, **options)
    return done, outputs(out)


@pytest.mark.guarantee(37)
def test_an_input_that_kills_its_worker_is_one_record_and_harms_no_other(tmp_path, figure):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(10):
        (folder / f"{i}").write_text(f"input {i}")
    (folder / "bad").write_text("bad")
    expected = digest_of(folder, tmp_path, "serial", jobs=1)
    (folder / "poison-1").write_text("kills")
    (folder / "poison-2").write_text("kills, too")

    done, made = digest_of(folder, tmp_path, "pool", jobs=2, shard=4)

    assert made == expected[1]
    records = {record["relative"]: record for record in done.records}
    assert list(records) == sorted(records)
    assert len(done.records) == len(records) == 13
    died = [record for record in done.records if record["error"] == "WorkerDied"]
    assert [record["relative"] for record in died] == ["poison-1", "poison-2"]
    assert all(record["attempts"] == 2 and not record["ok"] for record in died)
    assert "died twice" in died[0]["message"]
    assert done.summary["errors"] == {"BadImage": 1, "WorkerDied": 2}
    # Each input's digest is in the payloads once, in the order of the inputs.
    assert b"".join(done.payloads()) == b"".join(expected[0].payloads())
    figure(
        f"{len(died)} of 2 inputs that kill their worker set aside after 2 attempts each, "
        f"{len(records) - len(died)} of 11 others have their record"
    )


@pytest.mark.guarantee(37)
def test_a_shard_that_was_divided_is_resumed_and_only_the_killers_are_tried_again(tmp_path):
    folder, state = tmp_path / "in", str(tmp_path / "state")
    for name in ("in", "out", "log"):
        (tmp_path / name).mkdir()
    for name in ("a", "b", "c", "poison"):
        (folder / name).write_text(name)
    work = Digest(str(tmp_path / "out"), str(tmp_path / "log"))
    options = {"state": state, "jobs": 2, "shard": 4}
    first = runs.run(work, items_of(folder), **options)
    (folder / "poison").rename(folder / "healed")

    second = runs.run(work, items_of(folder), **options)

    assert first.summary["failed"] == 1
    assert second.summary["ok"] == 4
    assert len(b"".join(second.payloads())) == 4 * 64


@pytest.mark.guarantee(37)
def test_three_percent_of_corrupt_files_are_listed_once_each(tmp_path, effort, figure):
    total = effort(1000, 10_000)
    broken = total * 3 // 100
    good = total - broken
    fill(tmp_path / "in", good, size=8)
    for i in range(broken):
        bad_file(tmp_path / "in" / "abc"[i % 3] / f"broken{i}.png")

    summary = smalti.compress_many(tmp_path / "in", tmp_path / "out", jobs=2, **QUICK)

    assert (summary.total, summary.compressed, summary.failed) == (total, good, broken)
    bad = [record["relative"] for record in summary.records if not record["ok"]]
    assert len(bad) == len(set(bad)) == broken
    assert all("broken" in name for name in bad)
    assert temporary(tmp_path) == []
    made = outputs(tmp_path / "out")
    assert len(made) == good
    for name in list(made)[::97]:
        alone = smalti.compress(tmp_path / "in" / name.replace(".png", ".bmp"), **QUICK)
        assert (tmp_path / "out" / name).read_bytes() == alone.data
    figure(
        f"{total:,} files of which {broken} are corrupt: {len(made):,} of {good:,} good ones done, "
        f"{len(set(bad))} of {broken} bad ones listed once"
    )


@pytest.mark.guarantee(37)
def test_a_picture_that_needs_too_much_memory_fails_alone(tmp_path):
    fill(tmp_path / "in", 6)
    Image.new("1", (10_000, 10_000)).save(tmp_path / "in" / "b" / "huge.png")

    summary = smalti.compress_many(
        tmp_path / "in", tmp_path / "out", jobs=2, memory_limit="400MB", **QUICK
    )

    assert (summary.compressed, summary.failed) == (6, 1)
    assert summary.failures[0]["relative"] == "b/huge.png"
    assert summary.failures[0]["error"] in ("LimitExceeded", "MemoryError", "WorkerDied")
    assert "memory" in summary.failures[0]["message"]
    assert "huge.png" in summary.failures[0]["message"]
    assert temporary(tmp_path) == []


# ---------------------------------------------------------------- folders


def test_outputs_that_the_disk_has_no_room_for_are_records_and_made_when_it_has(tmp_path):
    fill(tmp_path / "in", 6)
    large = tmp_path / "in" / "large.bmp"
    large.write_bytes(file_of(picture(1, 400, 400), "BMP"))
    expected = smalti.compress_many(tmp_path / "in", tmp_path / "serial", jobs=1)
    arguments = [*COMMAND, "batch", tmp_path / "in", "--out-dir", tmp_path / "out", "-j", "2"]

    def limit():  # what the system then says is that a file would be too large
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        list(map(str, arguments)),
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=PATIENCE,
    )

    assert done.returncode == 1
    assert "larger than the system allows" in one_line(done.stderr)
    assert temporary(tmp_path) == []
    assert len(outputs(tmp_path / "out")) == 6
    again = smalti.compress_many(tmp_path / "in", tmp_path / "out", jobs=2)
    assert (again.reused, again.compressed) == (6, 7)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "serial")
    assert plain(again.records) == plain(expected.records)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 300 kB; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to mount a small disk, which this user may not")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_a_larger_one_lets_it_go_on(small_disk, tmp_path):
    fill(tmp_path / "in", 30, size=120)
    smalti.compress_many(tmp_path / "in", tmp_path / "serial", jobs=1, **{**QUICK, "k": 200})
    command = [*COMMAND, "batch", tmp_path / "in", "--out-dir", small_disk / "out", "-k", "200",
               "--effort", "turbo", "--pack", "fast", "-j", "2", "-q"]  # fmt: skip

    full = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE)

    assert full.returncode in (1, 16)
    assert "the disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    assert temporary(small_disk) == []
    before = outputs(small_disk / "out")
    expected = outputs(tmp_path / "serial")
    assert 0 < len(before) < 30
    assert before == {name: expected[name] for name in before}
    remount = ["mount", "-o", "remount,size=10m", str(small_disk)]
    subprocess.run(remount, check=True)
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert outputs(small_disk / "out") == expected


@pytest.mark.guarantee(38)
def test_of_two_runs_into_one_folder_the_second_is_refused(collection, tmp_path):
    first = Running(collection[0], tmp_path, *SLOW).until_done(2)

    code, output, errors = Running(collection[0], tmp_path, "-k", "64", "--effort", "best").end()

    assert (code, output) == (16, "")
    assert "another run works in" in one_line(errors)
    assert first.end()[0] == 1
    assert_as_serial(tmp_path, collection)


# ---------------------------------------------------------------- scripts


def test_a_script_without_a_main_guard_is_told_so_and_ends(collection, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, smalti\nsmalti.compress_many(sys.argv[1], sys.argv[2], 4, jobs=2)\n"
    )

    done = subprocess.run(
        [sys.executable, script, collection[0], tmp_path / "out"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip

    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def test_work_that_cannot_be_sent_is_an_error_and_leaves_no_worker(tmp_path):
    (tmp_path / "a").write_text("a")

    class Local(Digest):
        """Not found by its name."""

    before = set(children(os.getpid()))
    with pytest.raises(Exception, match="pickle"):
        runs.run(Local(str(tmp_path)), items_of(tmp_path), state=None, jobs=2)

    left = [pid for pid in set(children(os.getpid())) - before if "spawn_main" in command_of(pid)]
    assert left == []


@pytest.mark.guarantee(36)
def test_workers_end_with_their_driver_even_inside_a_native_call(tmp_path):
    driver = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("busy_driver.py"), tmp_path]
    )
    deadline = time.monotonic() + PATIENCE
    while not all((tmp_path / name).exists() for name in ("one", "two")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    left = children(driver.pid)
    assert sum("spawn_main" in command_of(pid) for pid in left) == 2

    driver.kill()
    driver.wait()

    assert all_gone(left)
