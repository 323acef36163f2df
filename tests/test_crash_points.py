"""Killed or failing at every single call that touches the disk: old bytes or complete new ones.

a run of the command -> [kill it, or fail, at call n = 1, 2 ... last] -> look at what is there
"""

import errno
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from collection import fill, outputs, temporary
from faults import KILL, Commands, Disk, Done, compiled
from process import COMMAND, file_of, one_line, picture

from smalti.files import TEMPORARY

HOWS = {"killed": KILL, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO}
QUICK = ("-k", "8", "--effort", "turbo", "--pack", "fast")
OLD = b"what was there before"

NEVER_HARMLESS = {"fchmod", "futimens", "write", "fsync", "link", "rename"}
PUBLISHED = {"link", "rename"}


class Case(NamedTuple):
    """A run of the command: its words, and the files and links that it finds."""

    words: str
    files: tuple[str, ...] = ("a.png",)
    old: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # symbolic ones: (name, target)
    twins: tuple[tuple[str, str], ...] = ()  # hard ones: (name, file)


CASES = {
    "a new output": Case("a.png -o b.png"),
    "a replaced output": Case("a.png -o b.png --force", old=("b.png",)),
    "in place": Case("--in-place a.png"),
    "a file of two names in place": Case("--in-place a.png", twins=(("twin.png", "a.png"),)),
    "through a link": Case("a.png -o l.png --force", old=("b.png",), links=(("l.png", "b.png"),)),
    "an output folder": Case("a.png photo.jpg --out-dir out -j 1", files=("a.png", "photo.jpg")),
    "WebP with the times": Case("a.png -o b.webp --preserve"),
    "an animation in place": Case("--in-place a.gif", files=("a.gif",)),
    "a palette": Case("palette a.png -o p.gpl --force", old=("p.gpl",)),
}


@functools.cache
def content(name):
    """Return the bytes of an input."""
    if name == "photo.jpg":
        return file_of(picture(3, 24, 32), "JPEG", quality=30)
    if name == "a.gif":
        frames = [picture(seed, 24, 32).quantize(64) for seed in range(3)]
        return file_of(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80)
    return file_of(picture(1, 24, 32))


def lay(folder, case):
    """Make the folder what the run finds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in case.files:
        (folder / name).write_bytes(content(name))
    for name in case.old:
        (folder / name).write_bytes(OLD)
    for name, target in case.links:
        (folder / name).symlink_to(target)
    for name, target in case.twins:
        os.link(folder / target, folder / name)


def found(folder):
    """Return what is below a folder, bytes or where a link leads, and temporary files."""
    entries, temporary = {}, []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if TEMPORARY.fullmatch(name):
                temporary.append(path)
            elif name.endswith(".tmp"):
                raise AssertionError(f"{name} is a temporary file that nobody would recognize")
            elif path.is_symlink():
                entries[str(path.relative_to(folder))] = os.readlink(path)
            else:
                entries[str(path.relative_to(folder))] = path.read_bytes()
    return entries, temporary


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    shim = compiled(folder)
    if shim is None:
        pytest.skip("needs Linux and a C compiler; on Debian: apt-get install gcc")
    return Disk(shim, folder)


@pytest.fixture(scope="module")
def commands(disk):
    running = Commands(disk.environment)
    yield running
    running.close()


@pytest.fixture
def folder(tmp_path):
    """A folder in memory, if the system has that: to flush it takes no time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path / "work"
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made) / "work"


@pytest.mark.guarantee(1, 2, 42)
@pytest.mark.parametrize("name", CASES)
def test_at_every_call_that_fails_or_kills_the_output_is_the_old_or_the_new_one(
    name, disk, commands, folder, effort, figure
):
    words = words_of(CASES[name])

    calls, faults = tried(CASES[name], disk, folder, lambda: commands(*words, folder=folder),
                          effort(1, len(HOWS)))  # fmt: skip

    figure(f"{name}: 0 of {faults} faults at {calls} calls did damage")


DURABLE = "write fsync close {publish} unlink close open fsync close"
"""What the system is asked for: bytes on the disk before the name, and the name before success."""


@pytest.mark.guarantee(2)
@pytest.mark.parametrize(
    ("name", "publish"), [("a new output", "link"), ("in place", "rename"), ("a palette", "rename")]
)
def test_the_system_is_asked_for_the_steps_of_a_durable_write_in_order(
    name, publish, disk, commands, folder, figure
):
    lay(folder, CASES[name])
    disk.watch(folder)

    assert commands(*words_of(CASES[name]), folder=folder).code == 0

    steps = " ".join(disk.stop())
    assert steps.endswith(DURABLE.format(publish=publish)), steps
    figure(f"{name}: {DURABLE.format(publish=publish)}")


@pytest.mark.thorough
@pytest.mark.guarantee(1, 2, 42)
@pytest.mark.parametrize("name", ["a new output", "in place", "an output folder"])
def test_whole_processes_do_as_well_as_forked_ones(name, disk, folder, figure):
    def run():
        done = subprocess.run(
            # -P: Python looks for no modules in the folder, which would be calls as well.
            [COMMAND[0], "-P", *COMMAND[1:], *words_of(CASES[name])],
            cwd=folder, env={**os.environ, **disk.environment}, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    calls, faults = tried(CASES[name], disk, folder, run, len(HOWS))

    figure(f"{name}, whole processes: 0 of {faults} faults at {calls} calls did damage")


def tried(case, disk, folder, run, hows):
    """Let a run meet each fault; return how many calls it has, and how many faults it met."""
    lay(folder, case)
    before, _ = found(folder)
    disk.watch(folder)
    assert run() == (0, "", "")
    calls = disk.stop()
    after, _ = found(folder)
    assert before != after
    assert {"write", "fsync", "close"} <= set(calls)
    owed, faults = errors_owed(calls), 0
    for at, how in points(len(calls), hows):
        lay(folder, case)
        disk.watch(folder, at, HOWS[how])
        done = run()
        what = (how, at, disk.stop()[at - 1], done)
        faults += 1
        entries, temporary = found(folder)
        for each in {*entries, *before, *after}:
            assert entries.get(each) in (before.get(each), after.get(each)), what
        if how == "killed":
            assert (done.code, len(temporary) <= 1) == (-9, True), what
            assert run().code == 0, what
            assert found(folder) == (after, []), what
        elif done.code == 0:
            assert (at in owed, done.err, entries) == (False, "", after), what
            assert len(temporary) <= (calls[at - 1] == "unlink"), what
        else:
            assert done.code in ((1, 2, 16) if len(case.files) > 1 else (2, 16)), what
            assert one_line(done.err)
            assert not temporary, what
    return len(calls), faults


def words_of(case):
    words = case.words.split()
    return [*words, "-q", *(QUICK[:2] if words[0] == "palette" else QUICK)]


def errors_owed(calls):
    """Return which calls must not fail in silence: all from a first write to the output's name.

    Others may, where the output is right: a second look at the input, the removal of a second name.
    """
    owed, writing = set(), False
    for number, call in enumerate(calls, 1):
        writing = writing or call == "write"
        if writing or call in NEVER_HARMLESS:
            owed.add(number)
        writing = writing and call not in PUBLISHED
    return owed


def points(calls, hows):
    """Yield (call, how): each call in so many of the ways."""
    names = list(HOWS)
    for at in range(1, calls + 1):
        for i in range(hows):
            yield at, names[(at + i) % len(names)]


# ---------------------------------------------------------------- collections


@pytest.mark.guarantee(1, 36, 42)
@pytest.mark.parametrize("how", HOWS)
def test_at_every_call_of_a_collection_that_fails_or_kills_the_same_command_goes_on(
    how, disk, commands, folder, effort, figure
):
    folder.mkdir()
    fill(folder / "in", 3)
    words = ("batch", "in", "--out-dir", "out", "-j", "1", "--shard", "2", "-q", *QUICK)

    def run(at=0, fault=0):
        disk.watch(folder / "out", at, fault)
        return commands(*words, folder=folder)

    assert run() == (0, "", "")
    calls = disk.stop()
    after = outputs(folder / "out")
    number = list(HOWS).index(how)
    tried = range(1 + number, len(calls) + 1, effort(12, 1))
    for at in tried:
        shutil.rmtree(folder / "out")
        done = run(at, HOWS[how])
        what = (at, disk.stop()[at - 1], done)
        made = made_in(folder / "out")
        assert made.items() <= after.items(), what
        assert "Traceback" not in done.err, what
        if how == "killed":
            assert done.code == -9, what
        else:
            assert done.code in ((0, 1, 16) if made == after else (1, 16)), what
        again = run()
        assert (again.code, again.err) == (0, ""), (what, again)
        assert outputs(folder / "out") == after, what
        assert temporary(folder / "out") == [], what
    figure(f"a collection, {how}: 0 of {len(tried)} faults at {len(calls)} calls did damage")


def made_in(folder):
    """Return the digest of each output in a folder, if there is one."""
    made = outputs(folder) if folder.exists() else {}
    return {name: digest for name, digest in made.items() if not name.endswith(".tmp")}
