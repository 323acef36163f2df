"""Writing files so that an output is the old one or the complete new one, never in between.

    bytes -> [write_atomic] -> path

The bytes go to a temporary file in the same folder, are flushed to the disk,
and only then take the output's name, in one step of the file system. Whatever
fails before that step (a full disk, Ctrl-C, a power cut) leaves the old file
alone; after it, the new one is complete.

A process that is killed outright leaves its temporary file behind. It holds a
lock on that file as long as it lives, so `sweep` can tell which ones are nobody's;
the next process that writes into the folder removes those.

Source: LWN, "A way to do atomic writes" (2019); the SQLite project's
"Atomic Commit In SQLite" for why the folder must be flushed as well.
"""

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable
from typing import TypeAlias

try:
    import fcntl

    LOCKS = True
except ImportError:  # Windows
    LOCKS = False

from .errors import CannotWrite, OutputExists, SmaltiError
from .sources import real_path, shown

__all__ = [
    "abandon",
    "check_standard_output",
    "check_writable",
    "shown",
    "sweep",
    "write_atomic",
]

Path: TypeAlias = str | os.PathLike[str]

TEMPORARY = re.compile(r"\.smalti-[0-9a-f]{8}\.tmp")

REASONS = {
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "part of its path is a file, not a folder",
    errno.EACCES: "no permission to write into its folder",
    errno.EPERM: "no permission to write into its folder",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EISDIR: "it is a folder; name a file in it",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its symbolic links lead in a circle",
}
NO_PLACE = "its folder takes no new files; write into another one"  # /proc and its like
LOST = "its temporary file was removed while it was written; try again"
# A folder that cannot be opened or flushed (FAT, some network drives, a folder that may be
# written but not listed) is no reason to call a complete file a failure.
CANNOT_FLUSH_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}
CANNOT_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_unfinished: set[str] = set()
"""Temporary files of this process: each is here before it is made until after it is gone."""
_swept: set[str] = set()
"""Folders where this process has looked for what others left."""


def check_writable(path: Path, overwrite: bool) -> None:
    """Refuse early what `write_atomic` would refuse after all the work.

    Both remove what killed processes left in the folder of `path`, once per process.

    Raises
    ------
    OutputExists : there is a file, and `overwrite` is false.
    CannotWrite : the folder is missing or may not be written to, or `path`
        is a folder, a device, or no possible name.
    """
    try:
        _resolved(path, overwrite)
    except SmaltiError:
        raise
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error


def check_standard_output() -> None:
    """Refuse standard output as a place for a picture, where it is closed or takes text only.

    Raises
    ------
    CannotWrite : it is.
    """
    if getattr(sys.stdout, "buffer", None) is None:
        raise CannotWrite("standard output is closed, or takes text only; name a file instead of -")


def write_atomic(
    path: Path,
    data: bytes | Iterable[bytes],
    *,
    overwrite: bool,
    preserve_from: Path | None = None,
) -> None:
    """Write `data` to `path`: completely and durably, or not at all.

    Parameters
    ----------
    path : path
        A symbolic link is followed: its target is replaced, the link stays. A hard
        link is not: the file's other names keep the old content.
    data : bytes, whole or in parts
    overwrite : bool
        Whether a file that exists may be replaced. It keeps its permissions (and its
        owner, if the system lets us); a new file gets the usual ones.
    preserve_from : path or None
        Take over the times of this file.

    Raises
    ------
    OutputExists : there is a file, even one that appeared just now, and
        `overwrite` is false.
    CannotWrite : anything else went wrong; says what. No temporary file is left.
    """
    try:
        target, old = _resolved(path, overwrite)
        times = os.stat(preserve_from) if preserve_from is not None else None
        folder = os.path.dirname(target) or "."
        while not _written(folder, target, data, old, times, overwrite):
            pass
        _flush_folder(folder)
    except SmaltiError:
        raise
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error


def sweep(folder: Path) -> int:
    """Remove temporary files below `folder` whose writers are dead; return how many.

    Safe beside running writers: theirs are locked.
    """
    if not LOCKS:
        return 0
    removed = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if TEMPORARY.fullmatch(name):
                removed += _removed(os.path.join(place, name))
    return removed


def abandon() -> None:
    """Remove the temporary files of this process, which is about to end.

    For handlers of signals: an exception that a signal raises may come where nothing
    can catch it, or while the files are being removed.
    """
    for temporary in tuple(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _sweep_once(folder: str) -> None:
    """Remove what killed processes left in a folder, but not in those below it."""
    if folder in _swept or not LOCKS:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name):
                _removed(entry.path)


def _removed(temporary: str) -> bool:
    """Whether a temporary file was nobody's, and is gone now."""
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # it has taken its output's name meanwhile, or is not ours
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(temporary)  # fails if it was renamed while we looked
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _resolved(path: Path, overwrite: bool) -> tuple[str, os.stat_result | None]:
    """Follow links to the file that will be replaced, and look at it."""
    if not os.fspath(path):
        raise CannotWrite("cannot write: the name of the output is empty")
    target = real_path(path)
    try:
        old = os.stat(target)
    except FileNotFoundError:
        old = None
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder")
    if old and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if old and not stat.S_ISREG(old.st_mode):
        raise CannotWrite(f"cannot write {shown(path)}: it is not a regular file")
    writable = os.access(folder, os.W_OK | os.X_OK)
    if writable:
        _sweep_once(folder)
    if old and not overwrite:
        raise OutputExists(f"{shown(path)} exists; use --force (overwrite=True) to replace it")
    if not writable:
        read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise OSError(errno.EROFS if read_only else errno.EACCES, "not writable")
    return target, old


def _unused_name(folder: str) -> str:
    # Random, and opened exclusively: runs cannot collide, and nobody can plant a link there.
    while True:
        name = os.path.join(folder, f".smalti-{os.urandom(4).hex()}.tmp")
        if not os.path.lexists(name):
            return name


def _written(
    folder: str,
    target: str,
    data: bytes | Iterable[bytes],
    old: os.stat_result | None,
    times: os.stat_result | None,
    overwrite: bool,
) -> bool:
    """Write a temporary file and give it the output's name; False if it was swept at once."""
    temporary = _unused_name(folder)
    descriptor = lock = -1
    _unfinished.add(temporary)
    try:
        descriptor = _opened(temporary)
        lock = os.dup(descriptor) if LOCKS else -1  # the lock ends when both are closed
        if not os.fstat(descriptor).st_nlink:
            return False
        _write(descriptor, temporary, data, old, times)
        closing, descriptor = descriptor, -1
        os.close(closing)  # before the rename: some network drives fail only here
        _publish(temporary, target, overwrite)
        return True
    finally:  # also on Ctrl-C; after a rename there is nothing left to remove
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        _unfinished.discard(temporary)
        for left in (descriptor, lock):
            if left >= 0:
                with contextlib.suppress(OSError):
                    os.close(left)


def _opened(temporary: str) -> int:
    """Return the descriptor of a new file that shows that its writer lives."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):  # where the system has them
        flags |= getattr(os, name, 0)
    descriptor = os.open(temporary, flags, 0o666)  # less the umask, as for any new file
    if LOCKS:
        with contextlib.suppress(OSError):  # a file system without locks is not swept, either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _write(
    descriptor: int,
    temporary: str,
    data: bytes | Iterable[bytes],
    old: os.stat_result | None,
    times: os.stat_result | None,
) -> None:
    if old:
        _take_over(descriptor, old)
    for part in [data] if isinstance(data, bytes | bytearray | memoryview) else data:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    if times:
        nanoseconds = (times.st_atime_ns, times.st_mtime_ns)
        os.utime(descriptor if os.utime in os.supports_fd else temporary, ns=nanoseconds)
    os.fsync(descriptor)


def _take_over(descriptor: int, old: os.stat_result) -> None:
    if not hasattr(os, "fchmod"):  # Windows, where a file's rights come from its folder
        return
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _publish(temporary: str, target: str, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        # A second name, unlike a rename, fails when somebody was faster.
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists") from error
        os.replace(temporary, target)


def _flush_folder(folder: str) -> None:
    """Make the new name itself survive a power cut."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_FLUSH_FOLDERS:
            raise


def _refusal(path: Path, error: OSError | ValueError) -> SmaltiError:
    """Turn an error of the system into one of ours that names the file and the cause."""
    if isinstance(error, FileExistsError):
        return OutputExists(f"{shown(path)} exists; use --force (overwrite=True) to replace it")
    if isinstance(error, FileNotFoundError) and _has_folder(path):
        lost = error.filename2 is not None  # by the step that gives the temporary file its name
        reason = LOST if lost else NO_PLACE
    elif isinstance(error, OSError):
        reason = REASONS.get(error.errno or 0) or error.strerror or str(error)
    else:  # a NUL byte
        reason = f"no possible file name ({error})"
    return CannotWrite(f"cannot write {shown(path)}: {reason}")


def _has_folder(path: Path) -> bool:
    return os.path.isdir(os.path.dirname(real_path(path)))
