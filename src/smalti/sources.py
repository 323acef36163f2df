"""Where the bytes of a picture come from, and what to call it in a message.

    path | bytes | binary file -> [read_source] -> bytes, name

A path may lead anywhere: a pipe that never ends, a device, a folder. Only
regular files are read, so no input can make a run hang.
"""

import os
import stat
from collections.abc import Iterable
from typing import IO, TypeAlias

from .errors import BadImage, LimitExceeded, MissingFile

__all__ = ["Source", "no_image", "read_source", "real_path", "shown", "way_above"]

Source: TypeAlias = str | bytes | bytearray | memoryview | os.PathLike[str] | IO[bytes]

NAMELESS = "the image data"
PIECE = 2**20  # bytes that are read at once where a file does not say how many it has


def shown(path: object) -> str:
    r"""Return the name of `path`, safe to print on one line.

    Anything that is not a printable character is escaped: a line break or a
    terminal code in a file name must not forge a message, and bytes that are
    not valid UTF-8 must not stop one from being printed.

    >>> shown("two\nlines.png")
    'two\\nlines.png'
    >>> shown(b"caf\xe9.png")
    'caf\\xe9.png'
    """
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)
    return "".join(c if c.isprintable() else _escaped(c) for c in name)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def real_path(path: str | os.PathLike[str]) -> str:
    """Return the name of a place without links, the same for all spellings of it.

    Where the working directory was removed, a relative path leads nowhere, and stays what it is:
    whoever opens it is told so.
    """
    try:
        return os.path.realpath(path)
    except FileNotFoundError:
        return os.path.normpath(path)


def no_image(source: object) -> BadImage:
    """Return the refusal of something that is no picture, or several.

    >>> print(no_image(None))
    an image must be a path, bytes, a binary file, a Pillow image or an array, got NoneType
    """
    dtype = getattr(source, "dtype", None)
    what = type(source).__name__ if dtype is None else f"an array of {dtype}"
    several = isinstance(source, Iterable) and getattr(dtype, "kind", "O") in "OUS"
    way_out = "; for several images add their histograms: Histogram.of(a) + Histogram.of(b)"
    return BadImage(
        "an image must be a path, bytes, a binary file, a Pillow image or an array, "
        f"got {what}{way_out if several else ''}"
    )


def read_source(source: Source, limit_bytes: int) -> tuple[bytes, str]:
    """Read all bytes of `source`, and tell what to call it.

    Parameters
    ----------
    source : path, bytes-like, or a file opened in binary mode
        A `bytes` object is the content of a file, not its name.
    limit_bytes : int
        Nothing longer is read.

    Returns
    -------
    (bytes, str) : content, never empty, and a printable name

    Raises
    ------
    MissingFile : there is no file of that name.
    BadImage : it cannot be read, is empty, or is not a regular file.
    LimitExceeded : it is longer than `limit_bytes`.

    >>> read_source(b"abc", 10)
    (b'abc', 'the image data')
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), NAMELESS
    elif isinstance(source, str | os.PathLike):
        data, name = _read_path(source, limit_bytes), shown(source)
    elif hasattr(source, "read"):
        data, name = _read_file(source, limit_bytes)
    else:
        raise no_image(source)
    if not data:
        raise BadImage(f"{name} is empty")
    if len(data) > limit_bytes:
        raise _too_long(name, limit_bytes, len(data))
    return data, name


def way_above(limit: str) -> str:
    """Return how a limit is raised, for the end of a message.

    >>> way_above("input_mib")
    'compress takes more with --max-input-mib (limits=Limits(input_mib=...)), if you trust the file'
    """
    flag = limit.replace("_", "-")
    given = f"--max-{flag} (limits=Limits({limit}=...))"
    return f"compress takes more with {given}, if you trust the file"


def _read_path(path: str | os.PathLike[str], limit_bytes: int) -> bytes:
    name = shown(path)
    if not name:
        raise MissingFile("the name of the file is empty; name the one that shall be read")
    try:
        # Non-blocking: to open a pipe that nobody writes to would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            _check_regular(status, name, limit_bytes)
            with open(descriptor, "rb", closefd=False) as file:
                if not status.st_size:  # it is empty, or one of the system's own that do not say
                    return _read_in_pieces(file, limit_bytes + 1)
                # Python takes the memory that a read may need: no more than the file says.
                return file.read(min(limit_bytes, status.st_size) + 1)
        finally:
            os.close(descriptor)
    except (BadImage, LimitExceeded):
        raise
    except FileNotFoundError as error:
        raise MissingFile(f"{name} does not exist") from error
    except OSError as error:
        raise BadImage(f"{name} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL byte in the name
        raise BadImage(f"{name} is not a possible file name: {error}") from error


def _read_in_pieces(file: IO[bytes], most: int) -> bytes:
    """Read to the end, but not more than `most` bytes, with memory for what comes only."""
    data = bytearray()
    while len(data) < most and (piece := file.read(min(PIECE, most - len(data)))):
        data += piece
    return bytes(data)


def _check_regular(status: os.stat_result, name: str, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise BadImage(f"{name} is a folder; name a file in it")
        raise BadImage(f"{name} is not a regular file; pipe it in as -, or pass its bytes")
    if status.st_size > limit_bytes:
        raise _too_long(name, limit_bytes, status.st_size)


def _read_file(file: IO[bytes], limit_bytes: int) -> tuple[bytes, str]:
    given = getattr(file, "name", None)
    name = shown(given) if isinstance(given, str | bytes | os.PathLike) else NAMELESS
    try:
        data = file.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        raise BadImage(f"{name} cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise BadImage(f"{name} must be opened in binary mode, as open(path, 'rb') does")
    return data, name


def _too_long(name: str, limit_bytes: int, size_bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"{name} has {size_bytes / 2**20:,.1f} MiB or more, above the limit of "
        f"{round(limit_bytes / 2**20, 3):,.12g} MiB; {way_above('input_mib')}"
    )
