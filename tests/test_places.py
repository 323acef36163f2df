"""Places: what is found, read and written, on this machine and where fsspec leads."""

import builtins
import multiprocessing
import os
import pickle
import sys
import zipfile
from contextlib import suppress

import pytest

from smalti.batch import places
from smalti.errors import (
    BadImage,
    BadOption,
    CannotWrite,
    LimitExceeded,
    MissingExtra,
    MissingFile,
    OutputExists,
)

MANY = 10**6  # bytes
ODD = ("new\nline.png", "escape\x1b[31m.png", os.fsdecode(b"caf\xe9.png"), "-dash.png", "[a].png")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of pictures and others, as where the command runs."""
    for name in (
        "b/2.png",
        "b/1.JPG",
        "a.png",
        "notes.txt",
        ".hidden/x.png",
        ".x.png",
        "c/d/e.gif",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def memory():
    """The file system in this process's memory, empty before and after."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install '.[dask]'")
    files = fsspec.filesystem("memory")

    def clear():
        with suppress(FileNotFoundError):
            files.rm("/smalti", recursive=True)

    clear()
    yield files
    clear()


@pytest.fixture
def hasty(monkeypatch):
    """Second tries come at once."""
    monkeypatch.setattr(places, "PAUSE", 0)


def relatives(found):
    return [item.relative for item in found.items]


# ---------------------------------------------------------------- finding


def test_folders_are_walked_without_what_is_hidden_or_no_picture(tree):
    found = places.listing(["in"])

    assert relatives(found) == ["a.png", "b/1.JPG", "b/2.png", "c/d/e.gif"]
    assert [item.uri for item in found.items] == [f"in/{each}" for each in relatives(found)]
    assert [item.size_bytes for item in found.items] == [5, 7, 7, 9]
    assert found.others == 1
    assert found.refusals == []


def test_items_come_in_the_same_order_however_sources_are_named(tree):
    one = places.listing(["in/c", "in/b", "in/a.png"])
    other = places.listing(["in/a.png", "in/b", "in/c"])

    assert one.items == other.items


def test_each_file_is_listed_once(tree):
    found = places.listing(["in", "in/b", "./in/a.png", str(tree / "in" / "b" / "2.png"), "in/."])

    assert len(found.items) == 4


def test_the_folder_of_outputs_is_left_out(tree):
    assert relatives(places.listing(["in"], skip="in/b")) == ["a.png", "c/d/e.gif"]
    assert relatives(places.listing(["in"], skip=f"file://{tree}/in/b")) == ["a.png", "c/d/e.gif"]


def test_a_pattern_stands_for_what_it_matches(tree):
    assert relatives(places.listing(["in/b/*.png"])) == ["2.png"]
    assert relatives(places.listing(["in/**/*.gif"])) == ["e.gif"]
    (refusal,) = places.listing(["in/*.bmp"]).refusals
    assert "matches nothing" in str(refusal.error)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_found_read_and_written(tmp_path, name):
    (tmp_path / name).write_bytes(b"picture")

    (item,) = places.listing([str(tmp_path)]).items
    (named,) = places.listing([str(tmp_path / name)]).items

    assert item == named == pickle.loads(pickle.dumps(item))
    assert places.read(item.uri, MANY) == b"picture"
    places.write(places.join(str(tmp_path / "out"), item.relative), b"other")
    assert (tmp_path / "out" / name).read_bytes() == b"other"


def test_what_cannot_be_listed_is_a_refusal_of_one_line_and_stops_nothing(tree):
    os.symlink("nowhere", tree / "in" / "c" / "link.png")
    os.mkdir(tree / "empty")

    found = places.listing(["gone\n.png", "in", "empty", "nul\0.png"])

    assert len(found.items) == 4
    assert [refusal.source for refusal in found.refusals] == [
        "gone\n.png", "in/c/link.png", "empty", "nul\0.png"]  # fmt: skip
    assert all(str(refusal.error).isprintable() for refusal in found.refusals)


def test_a_stamp_changes_with_the_file(tree):
    (before,) = places.listing(["in/a.png"]).items
    os.utime("in/a.png", ns=(1, 1))
    (after,) = places.listing(["in/a.png"]).items

    assert before.stamp != after.stamp
    assert places.listing(["in/a.png"]).items == [after]


# ---------------------------------------------------------------- names of places


@pytest.mark.parametrize(
    ("place", "relative", "expected"),
    [
        ("out", "a/b.png", os.path.join("out", "a", "b.png")),
        ("file:///out", "b.png", os.path.join("/out", "b.png")),
        ("s3://bucket", "b.png", "s3://bucket/b.png"),
        ("s3://bucket/", "a/b.png", "s3://bucket/a/b.png"),
        ("memory://", "b.png", "memory://b.png"),
        ("zip://x::memory://a.zip", "b.png", "zip://x/b.png::memory://a.zip"),
    ],
)
def test_places_are_joined(place, relative, expected):
    assert places.join(place, relative) == expected


@pytest.mark.parametrize("path", ["a.png", "C:/a.png", "a:b.png", "file:///a.png", "://", "a//b"])
def test_a_path_is_no_url(path):
    assert not places.is_url(path)


# ---------------------------------------------------------------- bytes on this machine


def test_written_bytes_are_read_again_and_nothing_else_is_left(tmp_path):
    uri = str(tmp_path / "a" / "b.png")

    places.write(uri, b"one")
    places.write(uri, b"two")

    assert places.read(uri, MANY) == b"two"
    assert places.names(str(tmp_path / "a")) == ["b.png"]
    assert places.exists(uri)
    places.remove(uri)
    places.remove(uri)
    assert not places.exists(uri)
    assert places.names(str(tmp_path / "gone")) == []


def test_reading_refuses_what_is_missing_empty_or_too_long(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "long.png").write_bytes(bytes(11))

    with pytest.raises(MissingFile):
        places.read(str(tmp_path / "gone.png"), 10)
    with pytest.raises(BadImage, match="is empty"):
        places.read(str(tmp_path / "empty.png"), 10)
    with pytest.raises(LimitExceeded):
        places.read(str(tmp_path / "long.png"), 10)
    with pytest.raises(BadImage, match="folder"):
        places.read(str(tmp_path), 10)


def test_writing_refuses_what_is_there_if_asked_to(tmp_path):
    places.write(str(tmp_path / "a"), b"one", overwrite=False)

    with pytest.raises(OutputExists):
        places.write(str(tmp_path / "a"), b"two", overwrite=False)
    with pytest.raises(CannotWrite, match="no folder for it"):
        places.write(str(tmp_path / "a" / "b"), b"two")
    assert (tmp_path / "a").read_bytes() == b"one"


# ---------------------------------------------------------------- where fsspec leads


def test_a_bucket_is_listed_like_a_folder(memory):
    for name in ("b/2.png", "b/1.JPG", "a.png", "notes.txt", ".hidden/x.png", "out/a.png"):
        memory.pipe_file(f"/smalti/{name}", name.encode())

    found = places.listing(["memory://smalti"], skip="memory://smalti/out")

    assert relatives(found) == ["a.png", "b/1.JPG", "b/2.png"]
    assert found.items[0].uri == "memory://smalti/a.png"
    assert found.others == 1
    assert [places.read(item.uri, MANY).decode() for item in found.items] == relatives(found)


def test_one_object_a_pattern_and_nothing_are_told_apart(memory):
    memory.pipe_file("/smalti/a.png", b"1")
    memory.pipe_file("/smalti/b.gif", b"2")

    (one,) = places.listing(["memory://smalti/a.png"]).items
    (match,) = places.listing(["memory://smalti/*.gif"]).items
    (refusal,) = places.listing(["memory://smalti/c.png"]).refusals

    assert (one.uri, one.relative) == ("memory://smalti/a.png", "a.png")
    assert (places.read(match.uri, MANY), match.relative) == (b"2", "b.gif")
    assert isinstance(refusal.error, MissingFile)


def test_a_stamp_changes_with_the_object(memory):
    memory.pipe_file("/smalti/a.png", b"1")
    before = places.listing(["memory://smalti"]).items
    memory.pipe_file("/smalti/a.png", b"2")

    assert places.listing(["memory://smalti"]).items != before
    assert places.listing(["memory://smalti"]).items == places.listing(["memory://smalti"]).items


@pytest.mark.parametrize(
    ("info", "stamp"),
    [
        ({"ETag": '"abc"', "LastModified": 7, "size": 3}, 'etag="abc"'),  # s3fs
        ({"etag": "abc", "mtime": 7, "md5Hash": "x"}, "etag=abc"),  # gcsfs
        ({"size": 3, "mtime": 7.5, "type": "file"}, "mtime=7.5"),  # sftp
        ({"size": 3, "CRC": 9, "date_time": (2026, 1, 1)}, "crc=9"),  # zip
        ({"size": 3, "ETag": None}, "all of it"),  # http
    ],
)
def test_stamps_are_what_services_call_a_version(info, stamp):
    class Files:
        def ukey(self, path):
            return "all of it"

    assert places._stamp(Files(), "a.png", info) == stamp


def test_objects_are_written_read_listed_and_removed(memory):
    uri = "memory://smalti/deep/a.png"

    places.write(uri, b"one")
    places.write(uri, b"two")

    assert places.read(uri, MANY) == b"two"
    assert places.names("memory://smalti/deep") == ["a.png"]
    assert places.names("memory://smalti") == ["deep"]
    assert places.names("memory://smalti/gone") == []
    assert places.exists(uri)
    with pytest.raises(OutputExists):
        places.write(uri, b"three", overwrite=False)
    places.remove(uri)
    places.remove(uri)
    assert not places.exists(uri)


def test_pictures_in_an_archive_are_found_and_read(tmp_path):
    pytest.importorskip("fsspec", reason="needs fsspec: pip install '.[dask]'")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.png", b"one")
        archive.writestr("b/c.png", b"two")

    found = places.listing([f"zip://::file://{tmp_path}/all.zip"])

    assert [places.read(item.uri, MANY) for item in found.items] == [b"one", b"two"]
    assert relatives(found) == ["a.png", "b/c.png"]


def write_in_a_worker(answers):
    try:
        places.write("memory://smalti/a.png", b"one")
    except BadOption as error:
        answers.put(str(error))


def test_a_worker_says_that_it_cannot_reach_the_memory_of_another_process(memory):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    worker = context.Process(target=write_in_a_worker, args=(answers,))

    worker.start()
    said = answers.get(timeout=30)
    worker.join()

    assert "in the memory of one process, where workers cannot reach it" in said


class Flaky:
    """A file system whose first calls fail."""

    protocol = "s3"

    def __init__(self, error, failures, content=b"picture"):
        self.error, self.failures, self.content, self.calls = error, failures, content, []

    def _answer(self, name, value):
        self.calls.append(name)
        if len(self.calls) <= self.failures:
            raise self.error
        return value

    def info(self, path):
        return self._answer("info", {"size": len(self.content)})

    def cat_file(self, path, end=None):
        return self._answer("cat_file", self.content[:end])

    def pipe_file(self, path, data, mode="overwrite"):
        return self._answer("pipe_file", None)


@pytest.fixture
def flaky(monkeypatch, hasty):
    """Make every URL lead to a file system whose first calls fail."""

    def make(*args):
        files = Flaky(*args)
        monkeypatch.setattr(places, "_file_system", lambda url: (files, "x"))
        return files

    return make


@pytest.mark.parametrize("error", [OSError("503"), TimeoutError(), RuntimeError("a driver's own")])
def test_what_fails_twice_is_read_at_the_third_try(flaky, error):
    files = flaky(error, 2)

    assert places.read("s3://b/x", MANY, size_bytes=7) == b"picture"
    assert files.calls == ["cat_file"] * 3


def test_the_third_failure_is_final_and_named(flaky):
    files = flaky(OSError("503\nslow down"), 9)

    with pytest.raises(BadImage, match="s3://b/x cannot be read: 503 slow down"):
        places.read("s3://b/x", MANY)
    assert files.calls == ["info"] * 3
    with pytest.raises(CannotWrite, match="503"):
        places.write("s3://b/x", b"1")


@pytest.mark.parametrize(
    ("error", "expected"), [(FileNotFoundError(), MissingFile), (PermissionError("no"), BadImage)]
)
def test_what_no_second_try_can_mend_is_not_tried_again(flaky, error, expected):
    files = flaky(error, 9)

    with pytest.raises(expected):
        places.read("s3://b/x", MANY)
    assert len(files.calls) == 1


@pytest.mark.parametrize("known", [None, 7])
def test_an_object_that_is_too_long_is_not_fetched(flaky, known):
    files = flaky(OSError(), 0)

    with pytest.raises(LimitExceeded, match="above the limit"):
        places.read("s3://b/x", 6, size_bytes=known)
    assert "cat_file" not in files.calls


def test_an_object_that_grew_since_it_was_listed_is_refused(flaky):
    flaky(OSError(), 0)

    with pytest.raises(LimitExceeded):
        places.read("s3://b/x", 6, size_bytes=3)


def test_writing_only_what_is_new_is_tried_once(flaky):
    files = flaky(OSError("lost answer"), 1)

    with pytest.raises(CannotWrite):
        places.write("s3://b/x", b"1", overwrite=False)
    assert files.calls == ["pipe_file"]


def test_a_service_without_whole_writes_gets_a_temporary_file_and_a_rename(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install '.[dask]'")
    files = fsspec.filesystem("local")
    path = str(tmp_path / "deep" / "a.png")
    monkeypatch.setattr(places, "_file_system", lambda url: (files, path))

    places.write("sftp://host/a.png", b"one")
    places.write("sftp://host/a.png", b"two")
    with pytest.raises(OutputExists):
        places.write("sftp://host/a.png", b"three", overwrite=False)

    assert os.listdir(tmp_path / "deep") == ["a.png"]
    assert (tmp_path / "deep" / "a.png").read_bytes() == b"two"


# ---------------------------------------------------------------- what is not there


def test_a_url_without_fsspec_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("fsspec"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.split(".")[0] == "fsspec"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[dask\]'"):
        places.listing(["s3://bucket"])


def test_a_url_without_its_driver_says_what_to_install():
    pytest.importorskip("fsspec", reason="needs fsspec: pip install '.[dask]'")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"s3:// needs a driver of fsspec; .* s3fs"):
            places.read("s3://bucket/a.png", MANY)
    with pytest.raises(BadOption, match="no URL that fsspec knows"):
        places.read("mosaic://bucket/a.png", MANY)
