"""Writing files: the old one or the complete new one, whatever happens."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti import files
from smalti.errors import CannotWrite, OutputExists
from smalti.files import check_writable, shown, write_atomic

OLD, NEW = b"old content", b"new content" * 1000


@pytest.fixture
def old(tmp_path) -> Path:
    path = tmp_path / "out.png"
    path.write_bytes(OLD)
    return path


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def run(code: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


# ---------------------------------------------------------------- done right


def test_bytes_are_written_and_nothing_else_is_left(tmp_path):
    write_atomic(tmp_path / "a.png", NEW, overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == NEW
    assert os.listdir(tmp_path) == ["a.png"]


def test_empty_content_is_a_file_too(tmp_path):
    write_atomic(tmp_path / "a.png", b"", overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == b""


def test_relative_path_is_written_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    write_atomic("a.png", NEW, overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == NEW


@pytest.mark.guarantee(7)
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_file_gets_the_usual_permissions(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "a.png", NEW, overwrite=False)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~umask


@pytest.mark.guarantee(7)
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o755])
def test_replaced_file_keeps_its_permissions(old, mode):
    old.chmod(mode)

    write_atomic(old, NEW, overwrite=True)

    assert old.read_bytes() == NEW
    assert stat.S_IMODE(old.stat().st_mode) == mode


@pytest.mark.guarantee(7)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_replaced_file_keeps_its_owner(old):
    os.chown(old, 1234, 1234)

    write_atomic(old, NEW, overwrite=True)

    assert (old.stat().st_uid, old.stat().st_gid) == (1234, 1234)


@pytest.mark.guarantee(6)
def test_symbolic_link_stays_and_its_target_is_replaced(old, tmp_path):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.png"
    link.symlink_to("../out.png")

    write_atomic(link, NEW, overwrite=True)

    assert link.is_symlink()
    assert old.read_bytes() == NEW
    assert os.listdir(tmp_path / "links") == ["link.png"]


@pytest.mark.guarantee(6)
def test_link_to_nothing_creates_its_target(tmp_path):
    (tmp_path / "link.png").symlink_to("target.png")

    write_atomic(tmp_path / "link.png", NEW, overwrite=False)

    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "target.png").read_bytes() == NEW


@pytest.mark.guarantee(5)
def test_other_name_of_a_hard_linked_file_keeps_the_old_content(old, tmp_path):
    os.link(old, tmp_path / "other.png")

    write_atomic(old, NEW, overwrite=True)

    assert old.read_bytes() == NEW
    assert (tmp_path / "other.png").read_bytes() == OLD


def test_times_are_taken_over_when_asked(old, tmp_path):
    os.utime(old, ns=(1_000_000_001, 2_000_000_002))

    write_atomic(tmp_path / "a.png", NEW, overwrite=False, preserve_from=old)

    status = (tmp_path / "a.png").stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_000_000_001, 2_000_000_002)


def test_times_survive_writing_in_place(old):
    os.utime(old, ns=(1_000_000_001, 2_000_000_002))

    write_atomic(old, NEW, overwrite=True, preserve_from=old)

    assert old.stat().st_mtime_ns == 2_000_000_002


ODD_NAMES = [
    "with space.png",
    "two\nlines.png",
    "esc\x1b[31m.png",
    "-leading-dash.png",
    "quote'\"`$(x);|&*?[a].png",
    "e\u0301 and é.png",
    "雪.png",
    "." + "d" * 250 + ".png",
    "x" * 251 + ".png",
    b"bad\xff\xfeutf8.png".decode("utf-8", "surrogateescape"),
]


@pytest.mark.guarantee(13)
@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_odd_names_are_written_like_any_other(tmp_path, name):
    write_atomic(tmp_path / name, NEW, overwrite=False)

    assert (tmp_path / name).read_bytes() == NEW
    assert os.listdir(tmp_path) == [name]


@pytest.mark.guarantee(2)
def test_steps_happen_in_the_durable_order(tmp_path, monkeypatch):
    steps = []

    def spy(name):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, **k: (steps.append(name), real(*a, **k))[1])

    for name in ("write", "fsync", "close", "replace"):
        spy(name)

    write_atomic(tmp_path / "a.png", NEW, overwrite=True)

    lock = "close"
    assert steps == ["write", "fsync", "close", "replace", lock, "fsync", "close"]


# ---------------------------------------------------------------- refused early


def test_existing_output_is_refused_without_overwrite(old):
    for act in (
        lambda: check_writable(old, overwrite=False),
        lambda: write_atomic(old, NEW, overwrite=False),
    ):
        with pytest.raises(OutputExists, match=r"out\.png exists.*--force"):
            act()

    assert old.read_bytes() == OLD


def test_output_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    real = os.fsync

    def somebody_is_faster(descriptor):
        path.write_bytes(OLD)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", somebody_is_faster)

    with pytest.raises(OutputExists):
        write_atomic(path, NEW, overwrite=False)

    assert path.read_bytes() == OLD
    assert leftovers(tmp_path) == []


def test_file_system_without_hard_links_works_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", no_links)
    write_atomic(tmp_path / "a.png", NEW, overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == NEW
    with pytest.raises(OutputExists):
        write_atomic(tmp_path / "a.png", NEW, overwrite=False)


@pytest.mark.guarantee(4)
def test_impossible_outputs_are_refused_with_the_reason(tmp_path, old):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    for path, words in [
        (tmp_path / "missing" / "a.png", "its folder does not exist"),
        (old / "a.png", "not a folder|does not exist"),
        (tmp_path / "folder.png", "it is a folder"),
        (tmp_path / "pipe.png", "not a regular file"),
        ("/dev/null", "not a regular file"),
        (tmp_path / "loop.png", "circle"),
        (tmp_path / ("x" * 256), "name is too long"),
        ("a\0b.png", "no possible file name"),
        ("", "the name of the output is empty"),
    ]:
        for overwrite in (True, False):
            for act in (check_writable, lambda p, o: write_atomic(p, NEW, overwrite=o)):
                with pytest.raises(CannotWrite, match=words) as caught:
                    act(path, overwrite)
                assert "\n" not in str(caught.value)

    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert leftovers(tmp_path) == []


@pytest.mark.guarantee(4, 12)
def test_a_folder_that_is_there_is_not_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: True)  # as root has it
    if os.path.isdir("/proc/self"):
        with pytest.raises(CannotWrite, match=r"/proc/a\.png: its folder takes no new files; "):
            write_atomic("/proc/a.png", NEW, overwrite=True)

    def cleaned_up(temporary, target):
        os.unlink(temporary)
        raise FileNotFoundError(2, "No such file or directory", temporary, None, target)

    monkeypatch.setattr(os, "replace", cleaned_up)
    with pytest.raises(CannotWrite, match="its temporary file was removed while it was written"):
        write_atomic(tmp_path / "a.png", NEW, overwrite=True)


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root would be let in

    with pytest.raises(CannotWrite, match="no permission"):
        check_writable(tmp_path / "a.png", overwrite=True)


def test_good_outputs_pass_the_early_check(tmp_path, old):
    check_writable(tmp_path / "new.png", overwrite=False)
    check_writable(old, overwrite=True)

    assert sorted(os.listdir(tmp_path)) == ["out.png"]


# ---------------------------------------------------------------- failing half-way


@pytest.mark.guarantee(2)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("step", ["open", "fchmod", "write", "fsync", "close", "replace"])
def test_old_output_is_untouched_when_a_step_fails(old, monkeypatch, step, code):
    real_close = os.close

    def fail(*arguments, **_):
        if step == "close":
            real_close(*arguments)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(CannotWrite, match=r"cannot write .*out\.png: ") as caught:
            write_atomic(old, NEW, overwrite=True)

    assert old.read_bytes() == OLD
    assert leftovers(old.parent) == []
    if code == errno.ENOSPC:
        assert "disk is full" in str(caught.value)


@pytest.mark.guarantee(8)
@pytest.mark.parametrize("step", ["write", "fsync", "close", "replace"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_interruption_leaves_the_old_output_and_nothing_else(old, monkeypatch, step, interruption):
    real_close = os.close

    def interrupt(*arguments, **_):
        if step == "close":
            real_close(*arguments)
        raise interruption

    with monkeypatch.context() as patch:
        patch.setattr(os, step, interrupt)
        with pytest.raises(interruption):
            write_atomic(old, NEW, overwrite=True)

    assert old.read_bytes() == OLD
    assert leftovers(old.parent) == []


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:7])))

    write_atomic(tmp_path / "a.png", NEW, overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == NEW


def test_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch):
    real = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not here")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_atomic(tmp_path / "a.png", NEW, overwrite=False)

    assert (tmp_path / "a.png").read_bytes() == NEW


LIMITED = """
import resource, sys
from smalti.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    write_atomic(sys.argv[1], b"n" * 30_000, overwrite=True)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.mark.guarantee(3)
@pytest.mark.parametrize("limit", [0, 1, 512, 4096, 20_000])
@pytest.mark.parametrize("exists", [True, False])
def test_file_size_limit_leaves_no_half_file(tmp_path, limit, exists):
    path = tmp_path / "a.png"
    if exists:
        path.write_bytes(OLD)

    result = run(LIMITED, path, limit)

    assert result.returncode == 1
    assert result.stderr.startswith("CannotWrite: cannot write ")
    assert "larger than the system allows" in result.stderr
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([OLD] if exists else [])


@pytest.mark.parametrize("exists", [True, False])
def test_full_disk_leaves_no_half_file(tmp_path, exists):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        path = tmp_path / "a.png"
        if exists:
            path.write_bytes(OLD)
        with pytest.raises(CannotWrite, match="disk is full"):
            write_atomic(path, bytes(30_000), overwrite=True)
        assert [p.read_bytes() for p in tmp_path.iterdir()] == ([OLD] if exists else [])
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_read_only_disk_is_refused_early(tmp_path, overwrite):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a read-only disk")
    try:
        with pytest.raises(CannotWrite, match="read-only"):
            check_writable(tmp_path / "a.png", overwrite)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


WRITER = """
import sys
from smalti.files import write_atomic
contents = [bytes([n]) * 2_000_000 for n in (65, 66)]
print("ready", flush=True)
while True:
    for content in contents:
        write_atomic(sys.argv[1], content, overwrite=True)
"""


@pytest.mark.guarantee(1)
def test_killed_writer_leaves_one_complete_content(tmp_path):
    path = tmp_path / "a.png"
    complete = {bytes([n]) * 2_000_000 for n in (65, 66)}
    for attempt in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(0.02 + 0.0017 * attempt)
            process.send_signal(signal.SIGKILL)

        if path.exists():
            assert path.read_bytes() in complete
        assert len(leftovers(tmp_path)) <= 1
        for name in leftovers(tmp_path):
            assert name.startswith(".smalti-")
            (tmp_path / name).unlink()
    assert path.exists()


@pytest.mark.guarantee(38)
def test_writers_at_the_same_time_leave_one_complete_content(tmp_path):
    path = tmp_path / "a.png"
    contents = [bytes([n]) * 100_000 for n in range(8)]

    threads = [
        threading.Thread(target=write_atomic, args=(path, content), kwargs={"overwrite": True})
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["a.png"]


def test_of_writers_at_the_same_time_one_wins_without_overwrite(tmp_path):
    path, outcomes = tmp_path / "a.png", []

    def write(content):
        try:
            write_atomic(path, content, overwrite=False)
            outcomes.append(content)
        except OutputExists:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(bytes([n]) * 50_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [content for content in outcomes if content is not None]
    assert winners == [path.read_bytes()]
    assert len(outcomes) == 8
    assert leftovers(tmp_path) == []


@pytest.mark.guarantee(6)
def test_planted_link_in_place_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    numbers = iter([bytes(4), b"\1\2\3\4"])
    monkeypatch.setattr(os, "urandom", lambda n: next(numbers))
    (tmp_path / ".smalti-00000000.tmp").symlink_to(victim)

    write_atomic(tmp_path / "a.png", NEW, overwrite=True)

    assert victim.read_bytes() == OLD
    assert (tmp_path / "a.png").read_bytes() == NEW


# ---------------------------------------------------------------- names in messages


@pytest.mark.guarantee(12)
@given(st.text(st.characters(exclude_categories=[])))
@settings(max_examples=200)
def test_shown_names_are_printable_in_any_encoding_that_has_the_letters(name):
    text = shown(name)

    assert text.isprintable()
    text.encode("utf-8")


def test_shown_keeps_ordinary_names():
    assert shown(Path("Ünïcode 雪 - (1).png")) == "Ünïcode 雪 - (1).png"
    assert files.shown(b"a\xff") == "a\\xff"
    assert shown("a\u202eb") == "a\\u202eb"


def test_resource_limits_of_this_process_are_as_before():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.guarantee(8)
def test_a_sweep_removes_what_dead_writers_left_and_nothing_else(tmp_path):
    (tmp_path / "sub").mkdir()
    stale = [tmp_path / ".smalti-0123abcd.tmp", tmp_path / "sub" / ".smalti-00000000.tmp"]
    others = [tmp_path / "a.png", tmp_path / ".smalti-mine.tmp", tmp_path / "smalti-0123abcd.tmp"]
    for path in (*stale, *others):
        path.write_bytes(OLD)

    assert files.sweep(tmp_path) == 2

    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in others)


@pytest.mark.guarantee(8)
def test_the_first_look_at_a_folder_removes_what_dead_writers_left(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_swept", set())
    (tmp_path / "sub").mkdir()
    stale, below = tmp_path / ".smalti-0123abcd.tmp", tmp_path / "sub" / ".smalti-0123abcd.tmp"
    for path in (stale, below):
        path.write_bytes(OLD)

    check_writable(tmp_path / "a.png", overwrite=False)

    assert not stale.exists()
    assert below.exists()
    stale.write_bytes(OLD)
    write_atomic(tmp_path / "a.png", NEW, overwrite=False)
    assert stale.exists()  # a process looks once


@pytest.mark.guarantee(8)
def test_temporary_files_of_a_process_that_ends_are_abandoned(tmp_path):
    def parts():
        yield b"first"
        files.abandon()
        assert os.listdir(tmp_path) == []
        yield b"second"

    with pytest.raises(CannotWrite):
        write_atomic(tmp_path / "a.png", parts(), overwrite=False)

    assert os.listdir(tmp_path) == []


def test_a_sweep_leaves_the_temporary_file_of_a_living_writer_alone(tmp_path):
    def parts():
        yield b"first "
        assert files.sweep(tmp_path) == 0
        yield b"second"

    write_atomic(tmp_path / "a.txt", parts(), overwrite=False)

    assert (tmp_path / "a.txt").read_bytes() == b"first second"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_writer_that_is_swept_before_it_has_its_lock_takes_another_name(tmp_path, monkeypatch):
    opened, real = [], files._opened

    def sweeper_is_faster(temporary):
        descriptor = real(temporary)
        opened.append(temporary)
        if len(opened) == 1:
            os.unlink(temporary)
        return descriptor

    monkeypatch.setattr(files, "_opened", sweeper_is_faster)

    write_atomic(tmp_path / "a.png", NEW, overwrite=False)

    assert len(set(opened)) == 2
    assert os.listdir(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == NEW
