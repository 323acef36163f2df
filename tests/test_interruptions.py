"""Runs that are killed, stopped by Ctrl-C or told to end, at any moment of their life."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from faults import Changes, Commands
from process import COMMAND, file_of, picture

from smalti.files import TEMPORARY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts on inotify(7) and fork")

PATIENCE = 60
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
FIRST = 100  # lines of Python until SIGTERM is no more the system's to answer
SHORTLY = 0.008  # seconds after the first change in the output's folder: it is being written

LAUNCHER = """
import os, signal, smalti_command
plain = signal.signal
def told(number, action):
    plain(number, action)
    os.write(3, b".")
signal.signal = told
smalti_command.main()
"""
"""The command, and a dot for each signal that it is ready to meet. Before, Python itself starts."""


def words(target):
    """Return the words that write `target`, or replace the input."""
    return ["--in-place", "a.png"] if target == "a.png" else ["a.png", "-o", target, "--force"]


class Place:
    """A folder with an input and the output of an earlier run, and what a run makes of it."""

    def __init__(self, folder, target):
        self.folder, self.target = folder, target
        self.command = [*words(target), "-k", "32", "-q"]
        self.source = file_of(picture(1, 200, 200))
        self.old = self.source if target == "a.png" else file_of(picture(2))
        self.lay()
        started = time.monotonic()
        subprocess.run([*COMMAND, *self.command], cwd=folder, check=True, timeout=PATIENCE)
        self.seconds = time.monotonic() - started
        self.new = (folder / target).read_bytes()
        assert self.new != self.old

    def lay(self):
        (self.folder / "a.png").write_bytes(self.source)
        (self.folder / self.target).write_bytes(self.old)

    def is_sound(self):
        """Whether the output is complete, and the input what it was."""
        output = (self.folder / self.target).read_bytes()
        source = (self.folder / "a.png").read_bytes()
        return output in (self.old, self.new) and source in (self.source, output)

    def temporary(self):
        """Return the names of temporary files; there is nothing else in the folder."""
        names = {path.name for path in self.folder.iterdir()} - {"a.png", self.target}
        assert all(map(TEMPORARY.fullmatch, names))
        return sorted(names)


@pytest.mark.guarantee(1, 8)
@pytest.mark.parametrize("target", ["b.png", "a.png"], ids=["another", "in place"])
def test_killed_at_any_moment_a_run_leaves_the_old_output_or_the_new_one(
    tmp_path, target, effort, figure
):
    place, chance = Place(tmp_path, target), random.Random(1)
    changes, left, replaced = Changes(tmp_path), 0, 0
    kills = effort(10, 200)
    for number in range(kills):
        place.lay()
        changes.close()
        changes = Changes(tmp_path)
        with subprocess.Popen([*COMMAND, *place.command], cwd=tmp_path) as process:
            if number % 4:
                changes.first(PATIENCE)
                time.sleep(chance.uniform(0, SHORTLY))
            else:
                time.sleep(chance.uniform(0, place.seconds))
            process.kill()

        assert place.is_sound()
        replaced += (tmp_path / target).read_bytes() == place.new
        if place.temporary():
            left += 1
            assert len(place.temporary()) == 1
            subprocess.run([*COMMAND, *place.command], cwd=tmp_path, check=True, timeout=PATIENCE)
            assert place.temporary() == []
    changes.close()
    figure(
        f"{'in place' if target == 'a.png' else 'another file'}: 0 of {kills} kills damaged the "
        f"output; {replaced} came after it was replaced, {left} left a temporary file, which the "
        "next run removed"
    )


@pytest.mark.guarantee(8)
def test_interrupted_at_any_moment_a_run_leaves_nothing_and_says_nothing(tmp_path, effort, figure):
    place, chance = Place(tmp_path, "b.png"), random.Random(2)
    stopped = complete = 0
    tries = effort(9, 100)
    for number in range(tries):
        sent = list(CODES)[number % 2]
        place.lay()
        code, said = interrupted(place, sent, chance, when=number % 3)

        assert (code, said) in [(CODES[sent], b""), (0, b"")]
        assert place.is_sound()
        assert place.temporary() == []
        stopped += code != 0
        complete += code == 0 and (tmp_path / "b.png").read_bytes() == place.new
    assert stopped + complete == tries
    figure(
        f"{tries} signals, from the first line of the command on: {stopped} ended runs with 130 or "
        f"143, {complete} came too late; 0 tracebacks, 0 files left"
    )


def interrupted(place, number, chance, when):
    """Send a signal while the command is loaded, at any time, or while it writes."""
    changes = Changes(place.folder)
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *place.command],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # The launcher's third descriptor, which subprocess would close.
        preexec_fn=lambda: os.dup2(write, 3),
        pass_fds=[3],
    )
    os.close(write)
    for _ in CODES:
        os.read(read, 1)
    if when == 2:
        changes.first(PATIENCE)
        time.sleep(chance.uniform(0, SHORTLY))
    else:
        time.sleep(chance.uniform(0, place.seconds / (4 if when == 0 else 1)))
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    said, _ = process.communicate(timeout=PATIENCE)
    os.close(read)
    changes.close()
    return process.returncode, said


SLOW_TO_END = """
import sys, time
import smalti.cli
import smalti.cli.run as run
smalti.cli.AGAIN = float(sys.argv.pop())
def compress(*arguments, **options):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        print("cleaning up", flush=True)
        time.sleep(float(options["tol"]))
        print("clean", flush=True)
run.library_compress = compress
smalti.cli.main()
"""


@pytest.mark.guarantee(8)
@pytest.mark.parametrize("sent", CODES, ids=["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_twice_is_one_and_who_asks_again_is_not_kept_waiting(tmp_path, sent):
    def started(seconds, again):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW_TO_END, "a.png", "--tol", str(seconds), str(again)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "at work\n"
        process.send_signal(sent)
        assert process.stdout.readline() == "cleaning up\n"
        return process

    once = started(0.1, again=PATIENCE)
    once.send_signal(sent)
    twice = started(60, again=0)
    twice.send_signal(sent)

    assert once.communicate(timeout=PATIENCE) == ("clean\n", "")
    assert twice.communicate(timeout=PATIENCE / 2) == ("", "")
    assert once.returncode == twice.returncode == CODES[sent]


@pytest.mark.guarantee(8)
@pytest.mark.parametrize("force", [True, False], ids=["replaced", "new"])
def test_interrupted_at_any_step_of_writing_a_run_leaves_nothing(tmp_path, force, effort, figure):
    (tmp_path / "a.png").write_bytes(file_of(picture(1, 24, 32)))
    output = tmp_path / "b.png"
    words = ["a.png", "-o", "b.png", *(["--force"] if force else []), "-k", "8", "-q",
             "--effort", "turbo", "--pack", "fast"]  # fmt: skip
    tried = 0
    with contextlib.closing(Commands()) as commands:
        assert commands(*words, folder=tmp_path) == (0, "", "")
        new, old = output.read_bytes(), b"old" if force else None
        while True:
            output.write_bytes(old) if force else output.unlink(missing_ok=True)
            sent, at = list(CODES)[tried % 2], 1 + tried * effort(4, 1)
            order = {"signal": sent, "at": at, "opcodes": effort(False, True)}
            done = commands(*words, folder=tmp_path, **order)
            if not commands.interrupted:
                break
            tried += 1
            assert (done.code, done.out, done.err) == (CODES[sent], "", ""), at
            content = output.read_bytes() if output.exists() else None
            assert content in (old, new), at
            assert set(os.listdir(tmp_path)) <= {"a.png", "b.png"}, at
    assert tried > 10
    figure(
        f"{'replacing' if force else 'a new file'}: signals at {tried} "
        f"{effort('lines', 'steps of the interpreter')} of the module that writes: 0 files left"
    )


@pytest.mark.guarantee(8)
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_at_any_line_of_any_module_a_run_says_nothing(
    tmp_path, workers, effort, figure
):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(file_of(picture(1, 24, 32)))
    words = ["a.png", "b.png", "--out-dir", "out", "-f", "-j", workers, "-k", "8", "-q",
             "--effort", "turbo", "--pack", "fast"]  # fmt: skip
    words, chance, tries = list(map(str, words)), random.Random(3), effort(20, 500)
    with contextlib.closing(Commands()) as commands:
        interrupted = 0
        last = lines(commands, words, tmp_path)
        for number in range(tries):
            # Half of them early: what a run begins with is the same for all.
            at = chance.randint(1, last // (10 if number % 2 else 1))
            sent = list(CODES)[number // 2 % 2]
            order = {"signal": sent, "at": at, "opcodes": False, "within": ""}
            done = commands(*words, folder=tmp_path, **order)
            codes = (CODES[sent], -sent if at < FIRST else CODES[sent])  # shells call both the same
            assert done.code in (codes if commands.interrupted else (0,)), (at, done)
            assert (done.out, done.err) == ("", ""), at
            interrupted += commands.interrupted
            found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
            assert found == {"a.png", "b.png"}
    assert interrupted > tries / 2
    figure(
        f"-j {workers}: 0 of {interrupted} signals, at any of {last:,} lines, left or said anything"
    )


def lines(commands, words, folder):
    """Return about how many lines of Python a run takes: most of them, by halving."""
    few, many = 1, 1 << 20
    while many - few > few // 16:
        at = (few + many) // 2
        order = {"signal": signal.SIGTERM, "at": at, "opcodes": False, "within": ""}
        commands(*words, folder=folder, **order)
        few, many = (at, many) if commands.interrupted else (few, at)
    return few
