"""Decoding with libtiff, which reports damage on standard error and goes on.

    opened Pillow image -> [load] -> the same, decoded, or BadImage

Of a damaged fax page libtiff prints a hundred lines and returns what it could
guess; Pillow takes that for success. Here the lines are caught, and the first
of them becomes the reason of a refusal.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import BadImage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["load"]

STDERR = 2
COMPLAINT = re.compile(
    rb"^(_?TIFF\w+|\w+(Decode\w*|Init|State|Counts|Strip|Arrays?|Tags)|MissingRequired|tempfile\.tif"
    rb"|(OJPEG|JPEG|LZW|Fax|Z[IS]|PixarLog|Log|LZMA|LERC|WebP)\w*): .*$"
)
_TURN = threading.Lock()


def load(image: "Image.Image") -> None:
    """Decode `image`, which Pillow has opened, in place.

    Raises
    ------
    BadImage : libtiff complained.
    """
    tile = getattr(image, "tile", None)
    if not tile or tile[0][0] != "libtiff":
        image.load()
        return
    complaints: list[bytes] = []
    with _TURN, _caught(complaints):
        image.load()
    if complaints:
        words = complaints[0].decode("ascii", "replace").removeprefix("tempfile.tif: ")
        raise BadImage(f"it is damaged: its TIFF decoder says {words!r}")


@contextlib.contextmanager
def _caught(complaints: list[bytes]) -> Iterator[None]:
    """Collect libtiff's lines on standard error; what others write meanwhile is passed on."""
    import tempfile  # late: 5 ms that other pictures need not pay

    try:
        stderr = os.dup(STDERR)
    except OSError:  # closed, so nothing can be printed either
        yield
        return
    with tempfile.TemporaryFile() as caught:
        try:
            os.dup2(caught.fileno(), STDERR)
            yield
        finally:
            os.dup2(stderr, STDERR)
            os.close(stderr)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if COMPLAINT.match(line.strip()):
                    complaints.append(line.strip())
                else:
                    os.write(STDERR, line)
