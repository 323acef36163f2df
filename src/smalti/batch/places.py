"""Places: where pictures of a collection lie, and where what becomes of them goes.

    sources -> [listing] -> items     uri -> [read] -> bytes -> [write] -> uri

A place is a path of this machine or a URL that fsspec knows: of a bucket, of
the inside of an archive. `file://` is a path. Bytes of a URL come and go whole,
in one request where the service allows, for that is what object stores promise
to do atomically.

Source: the documentation of fsspec, https://filesystem-spec.readthedocs.io.
"""

import contextlib
import glob
import multiprocessing
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from ..errors import (
    BadImage,
    BadOption,
    CannotWrite,
    LimitExceeded,
    MissingExtra,
    MissingFile,
    OutputExists,
    SmaltiError,
)
from ..files import write_atomic
from ..folders import Refusal, is_called_like_a_picture, no_pictures, walk
from ..sources import read_source, real_path, shown, way_above
from .work import Item

__all__ = [
    "Listing",
    "Sources",
    "exists",
    "is_url",
    "join",
    "listing",
    "names",
    "path_of",
    "read",
    "remove",
    "write",
]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::|://)")
TRIES = 3
PAUSE = 0.5  # seconds before the second try, twice that before the third, and up to half more
PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError,
             FileExistsError, NotImplementedError, SmaltiError)  # fmt: skip
# What services call the version of an object, best first: the content's own hash, then times.
VERSIONS = ("etag", "md5hash", "checksum", "crc32c", "crc", "generation", "version_id", "oid",
            "mtime", "lastmodified", "last_modified", "updated", "modified", "date_time",
            "created")  # fmt: skip
DRIVERS = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
    "http": "aiohttp requests", "https": "aiohttp requests", "sftp": "paramiko",
    "ssh": "paramiko", "smb": "smbprotocol", "hf": "huggingface_hub", "oci": "ocifs",
}  # fmt: skip
# Where one request replaces a whole object. Elsewhere a file grows in sight of its readers, so it
# gets another name until it is complete.
WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "hf", "memory"}

Sources: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
T = TypeVar("T")


@dataclass(frozen=True)
class Listing:
    """What sources hold."""

    items: list[Item]  # in the order of their uri, each once
    others: int  # files in folders that are not called like pictures
    refusals: list[Refusal]  # sources and folders that cannot be read


def is_url(place: str) -> bool:
    """Whether `place` is for fsspec; a path, or `file://` and a path, is not.

    >>> is_url("s3://museum/scans"), is_url("scans/a.png"), is_url("file:///scans/a.png")
    (True, False, False)
    """
    return URL.match(place) is not None and not place.startswith(("file://", "local://"))


def path_of(place: str) -> str:
    """Return the path that a local `place` means.

    >>> path_of("file:///scans/a.png"), path_of("a.png")
    ('/scans/a.png', 'a.png')
    """
    return place.split("://", 1)[1] if URL.match(place) and not is_url(place) else place


def join(place: str, relative: str) -> str:
    """Return the place `relative`, with "/" between folders, below the folder `place`.

    >>> join("s3://museum/scans/", "a/b.png"), join("zip://scans::s3://museum/all.zip", "b.png")
    ('s3://museum/scans/a/b.png', 'zip://scans/b.png::s3://museum/all.zip')
    """
    if not is_url(place):
        return os.path.join(path_of(place), *relative.split("/"))
    head, chained, rest = place.partition("::")
    between = "" if head.endswith("/") else "/"
    return f"{head}{between}{relative}{chained}{rest}"


# ---------------------------------------------------------------- what is there


def listing(sources: Sources, *, skip: str | None = None) -> Listing:
    """Find the pictures in `sources`.

    Parameters
    ----------
    sources : paths or URLs of files and folders, or patterns with * ? [...]; one or several
        Folders are looked through, those inside them too, but for hidden entries; only files
        called like pictures are taken there. A file that is named may be called anything.
    skip : path or URL of a folder that is left out: where outputs go

    Raises
    ------
    MissingExtra : fsspec, or its driver for a URL, is not installed.
    BadOption : fsspec knows no such URL, or workers cannot reach it.
    """
    found: dict[str, Item] = {}
    real = lru_cache(real_path)  # many files share a folder
    refusals: list[Refusal] = []
    others = 0
    given = [sources] if isinstance(sources, str | os.PathLike) else sources
    for source in [os.fspath(one) for one in given]:
        look = _list_url if is_url(source) else _list_path
        for entry in look(source, skip):
            if isinstance(entry, Refusal):
                refusals.append(entry)
            elif entry is None:
                others += 1
            else:
                found.setdefault(_identity(entry.uri, real), entry)
    return Listing(sorted(found.values(), key=lambda item: item.uri), others, refusals)


def _identity(uri: str, real: Callable[[str], str]) -> str:
    """Return the same string for all spellings of a place."""
    if is_url(uri):
        return uri
    folder, name = os.path.split(uri)
    return real_path(uri) if os.path.islink(uri) else os.path.join(real(folder), name)


def _list_path(source: str, skip: str | None) -> Iterator[Item | Refusal | None]:
    """Yield items, refusals, and None for each file that is no picture."""
    path = path_of(source)
    if not path:
        yield Refusal(source, MissingFile("the name of an input is empty; name a file or folder"))
    elif os.path.isdir(path):
        leave_out = real_path(path_of(skip)) if skip and not is_url(skip) else None
        yield from _pictures_in(path, leave_out)
    elif not os.path.lexists(path) and glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            yield Refusal(source, MissingFile(f"{shown(source)} matches nothing"))
        for match in matches:
            yield from _list_path(match, skip)
    else:
        yield _local_item(Path(path), os.path.basename(path))


def _pictures_in(folder: str, leave_out: str | None) -> Iterator[Item | Refusal | None]:
    found, others = False, 0
    for entry in walk(Path(folder), leave_out):
        if isinstance(entry, Refusal):
            found = True
            yield entry
        elif is_called_like_a_picture(entry.name):
            found = True
            yield _local_item(entry, entry.relative_to(folder).as_posix())
        else:
            others += 1
            yield None
    if not found:
        yield no_pictures(folder, others)


def _local_item(path: Path, relative: str) -> Item | Refusal:
    try:
        status = path.stat()
    except FileNotFoundError:
        return Refusal(str(path), MissingFile(f"{shown(path)} does not exist"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Refusal(str(path), BadImage(f"{shown(path)} cannot be read: {reason}"))
    return Item(str(path), relative, status.st_size, str(status.st_mtime_ns))


def _list_url(source: str, skip: str | None) -> Iterator[Item | Refusal | None]:
    files, root = _file_system(source)
    try:
        found = _patiently(lambda: _files_below(files, root))
    except SmaltiError:
        raise
    except Exception as error:  # drivers raise what they like
        yield Refusal(source, BadImage(f"{shown(source)} cannot be listed: {_reason(error)}"))
        return
    if found is None:
        yield Refusal(source, MissingFile(f"{shown(source)} does not exist"))
        return
    left_out = _file_system(skip)[1].strip("/") + "/" if skip and is_url(skip) else None
    pictures, others = False, 0
    for path, relative, info in found:
        if left_out and (path.strip("/") + "/").startswith(left_out):
            continue
        if relative and any(part.startswith(".") for part in relative.split("/")):
            continue
        if relative and not is_called_like_a_picture(path):
            others += 1
            yield None
            continue
        pictures = True
        yield _remote_item(files, source, root, path, relative, info)
    if not pictures:
        yield no_pictures(source, others)


def _files_below(files: Any, root: str) -> list[tuple[str, str, dict[str, Any]]] | None:
    """Return (path, place below `root`, info) of files in name order; None: nothing is there."""
    files.invalidate_cache()
    try:
        info = files.info(root)
    except FileNotFoundError:
        if not glob.has_magic(root):
            return None
        matches = files.glob(root, detail=True)
        named = {path: info for path, info in matches.items() if info["type"] == "file"}
        return [(path, "", named[path]) for path in sorted(named)] or None
    if info["type"] == "file":
        return [(root, "", info)]
    below = files.find(root, detail=True)
    start = len(root.rstrip("/")) + 1 if root else 0  # an archive's root has no name
    return [(path, path[start:], below[path]) for path in sorted(below)]


def _remote_item(
    files: Any, source: str, root: str, path: str, relative: str, info: dict[str, Any]
) -> Item:
    if relative:
        uri = join(source, relative)
    elif path == root:
        uri = source
    else:  # found by a pattern
        _, chained, rest = source.partition("::")
        uri = f"{files.unstrip_protocol(path)}{chained}{rest}"
    name = relative or path.rstrip("/").rsplit("/", 1)[-1]
    return Item(uri, name, int(info.get("size") or 0), _stamp(files, path, info))


def _stamp(files: Any, path: str, info: dict[str, Any]) -> str:
    """Return what changes when the object does."""
    known = {name.lower(): value for name, value in info.items() if value is not None}
    for name in VERSIONS:
        if name in known:
            return f"{name}={known[name]}"
    return str(files.ukey(path))


def exists(uri: str) -> bool:
    """Whether there is a file or folder."""
    if not is_url(uri):
        return os.path.exists(path_of(uri))
    files, path = _file_system(uri)
    return bool(_asked(uri, lambda: files.exists(path)))


def names(folder: str) -> list[str]:
    """Return the names of what is directly in `folder`, sorted; none if there is no folder."""
    if not is_url(folder):
        try:
            return sorted(os.listdir(path_of(folder)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CannotWrite(f"{shown(folder)} cannot be listed: {error.strerror}") from error
    files, path = _file_system(folder)

    def look() -> list[str]:
        files.invalidate_cache(path)
        try:
            found = files.ls(path, detail=False)
        except FileNotFoundError:
            return []
        inside = (each.strip("/") for each in found if each.strip("/") != path.strip("/"))
        return sorted(each.rsplit("/", 1)[-1] for each in inside)

    return _asked(folder, look)


# ---------------------------------------------------------------- bytes


def read(uri: str, limit_bytes: int, *, size_bytes: int | None = None) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    uri : path or URL
    limit_bytes : int
        Nothing longer is read.
    size_bytes : int or None
        What a listing said; it spares a request. Paths do not need it.

    Returns
    -------
    bytes, never empty

    Raises
    ------
    MissingFile : there is no such file.
    BadImage : it cannot be read, three times where trying again may help, or is empty.
    LimitExceeded : it is longer than `limit_bytes`.
    MissingExtra : fsspec or a driver is not installed.
    """
    if not is_url(uri):
        return read_source(path_of(uri), limit_bytes)[0]
    files, path = _file_system(uri)
    name = shown(uri)
    try:
        if size_bytes is None:
            size_bytes = _patiently(lambda: files.info(path)).get("size")
        if size_bytes is None:  # a server that does not say: ask for as much as may be read
            data = _patiently(lambda: files.cat_file(path, end=limit_bytes + 1))
        elif size_bytes > limit_bytes:
            raise _too_long(name, size_bytes, limit_bytes)
        else:
            data = _patiently(lambda: files.cat_file(path))
    except SmaltiError:
        raise
    except FileNotFoundError as error:
        raise MissingFile(f"{name} does not exist") from error
    except IsADirectoryError as error:
        raise BadImage(f"{name} is a folder; name a file in it") from error
    except Exception as error:  # drivers raise what they like
        raise BadImage(f"{name} cannot be read: {_reason(error)}") from error
    if not data:
        raise BadImage(f"{name} is empty")
    if len(data) > limit_bytes:
        raise _too_long(name, len(data), limit_bytes)
    return bytes(data)


def _too_long(name: str, size_bytes: int, limit_bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"{name} has {size_bytes / 2**20:,.1f} MiB, above the limit of "
        f"{limit_bytes / 2**20:,.12g} MiB; {way_above('input_mib')}"
    )


def write(
    uri: str,
    data: bytes | Iterable[bytes],
    *,
    overwrite: bool = True,
    preserve_from: str | None = None,
) -> None:
    """Write `data`, whole or in parts, completely or not at all; folders on the way are made.

    A path takes over the times of `preserve_from`, a path; objects of a URL have their own.

    Raises
    ------
    OutputExists : there is a file, and `overwrite` is false.
    CannotWrite : anything else went wrong; says what.
    MissingExtra : fsspec or a driver is not installed.
    """
    if not is_url(uri):
        path = path_of(uri)
        if os.path.dirname(path):
            _make_folder(os.path.dirname(path), uri)
        write_atomic(path, data, overwrite=overwrite, preserve_from=preserve_from)
        return
    files, path = _file_system(uri)
    if not isinstance(data, bytes):
        data = b"".join(data)
    try:
        if _scheme(uri) in WHOLE:
            mode = "overwrite" if overwrite else "create"
            # A second try after an answer that got lost would find its own first one.
            tries = TRIES if overwrite else 1
            _patiently(lambda: files.pipe_file(path, data, mode=mode), tries)
        else:
            _write_aside(files, path, data, overwrite)
    except FileExistsError as error:
        message = f"{shown(uri)} exists; use --force (overwrite=True) to replace it"
        raise OutputExists(message) from error
    except Exception as error:  # drivers raise what they like
        raise CannotWrite(f"cannot write {shown(uri)}: {_reason(error)}") from error


def _make_folder(folder: str, uri: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotWrite(f"cannot write {shown(uri)}: no folder for it: {reason}") from error


def _write_aside(files: Any, path: str, data: bytes, overwrite: bool) -> None:
    """Write under another name in the same folder, then rename."""
    folder, _, _ = path.rpartition("/")
    temporary = f"{folder}/.smalti-{os.urandom(4).hex()}.tmp"
    if not overwrite and files.exists(path):
        raise FileExistsError(path)
    files.makedirs(folder, exist_ok=True)
    try:
        _patiently(lambda: files.pipe_file(temporary, data))
        _rename(files, temporary, path)
    except BaseException:
        if files.exists(temporary):
            files.rm_file(temporary)
        raise


def _rename(files: Any, old: str, new: str) -> None:
    try:
        files.mv(old, new)
    except Exception:  # some services rename onto nothing only
        if not files.exists(new):
            raise
        files.rm_file(new)
        files.mv(old, new)


def remove(uri: str) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    CannotWrite : it is there and stays.
    """
    if not is_url(uri):
        try:
            os.unlink(path_of(uri))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise CannotWrite(f"cannot remove {shown(uri)}: {error.strerror}") from error
        return
    files, path = _file_system(uri)

    def drop() -> None:
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(path)

    try:
        _patiently(drop)
    except Exception as error:  # drivers raise what they like
        raise CannotWrite(f"cannot remove {shown(uri)}: {_reason(error)}") from error


# ---------------------------------------------------------------- fsspec


def _scheme(url: str) -> str:
    return re.split("::|://", url, maxsplit=1)[0].lower()


def _file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and what that calls the place."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(
            f"{shown(url)} is a URL, and those need fsspec; install it with pip install '.[dask]', "
            "or pip install fsspec alone"
        ) from error
    if _scheme(url) == "memory" and multiprocessing.parent_process() is not None:
        raise BadOption(
            f"{shown(url)} is in the memory of one process, where workers cannot reach it; "
            "work in one process (-j 1), or elsewhere"
        )
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        driver = DRIVERS.get(_scheme(url))
        way_out = f"install it with pip install {driver}" if driver else str(error)
        raise MissingExtra(f"{_scheme(url)}:// needs a driver of fsspec; {way_out}") from error
    except ValueError as error:
        raise BadOption(f"{shown(url)} is no URL that fsspec knows: {_reason(error)}") from error
    except Exception as error:  # an archive that is missing, a host that does not answer
        raise BadImage(f"{shown(url)} cannot be opened: {_reason(error)}") from error
    return files, str(path)


def _patiently(call: Callable[[], T], tries: int = TRIES) -> T:
    """Call again after a pause when that may help: networks and services have bad moments."""
    for number in range(tries - 1):
        try:
            return call()
        except PERMANENT:
            raise
        except Exception:  # drivers raise what they like, and not all of it is an OSError
            # Each waits for another time, or all workers would come back at once.
            time.sleep(PAUSE * 2**number * random.uniform(1, 1.5))
    return call()


def _asked(uri: str, call: Callable[[], T]) -> T:
    try:
        return _patiently(call)
    except Exception as error:  # drivers raise what they like
        raise CannotWrite(f"{shown(uri)} cannot be looked at: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shown(" ".join(str(words).split()))
