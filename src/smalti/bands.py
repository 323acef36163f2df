"""Bands: what NumPy and Pillow do with many times the memory of the pixels, a part at a time.

    table (k, ...), indices -> [looked_up] -> pixels;  Pillow image -> [array_of] -> (H, W, ...)

NumPy makes 8 bytes of each index before it looks anything up, and Pillow hands all of its pixels
over twice: at 100 megapixels that would be 800 MB and 400 MB for nothing. Nothing here computes;
results are those of `table[indices]`, `np.bincount` and `np.asarray`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["array_of", "counted", "looked_up", "parts", "strips"]

PIXELS = 1 << 16
"""Looked up at a time: their indices, widened, stay in the second-level cache."""

ROWS_OF = 1 << 20
"""Values in whole rows that are looked at, or that Pillow hands over, at a time."""


def parts(size: int) -> Iterator[slice]:
    """Yield slices that together are all of a flat array.

    >>> [part.stop - part.start for part in parts(100_000)]
    [65536, 34464]
    """
    for start in range(0, size, PIXELS):
        yield slice(start, min(start + PIXELS, size))


def strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices that together are all rows, of so many values, of a picture.

    >>> [rows.stop - rows.start for rows in strips(300, 10_000)]
    [104, 104, 92]
    """
    rows = max(1, ROWS_OF // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def looked_up(table: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Return `table[indices]`.

    Parameters
    ----------
    table : (k, ...) of any dtype
    indices : unsigned integers of any shape, each below k

    >>> looked_up(np.uint8([[0, 0, 0], [255, 128, 0]]), np.uint8([[1, 0]])).tolist()
    [[[255, 128, 0], [0, 0, 0]]]
    """
    # A contiguous copy, so that every lookup reads rows that lie together.
    table, flat = np.ascontiguousarray(table), indices.reshape(-1)
    found = np.empty((flat.size, *table.shape[1:]), table.dtype)
    for part in parts(flat.size):
        # "clip" writes straight to `out`; it never has to, since all indices are below k.
        np.take(table, flat[part], axis=0, out=found[part], mode="clip")
    return found.reshape(*indices.shape, *table.shape[1:])


def counted(indices: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """Return how many times each index occurs: (k,) int64; all are below k <= 256.

    >>> counted(np.uint8([[2, 0], [2, 2]]), 4).tolist()
    [1, 0, 3, 0]
    """
    flat, total = indices.reshape(-1), np.zeros(k, np.int64)
    for part in parts(flat.size):
        total += np.bincount(flat[part], minlength=k)
    return total


def array_of(image: "Image.Image") -> NDArray[Any]:
    """Return the pixels of a decoded Pillow image, of any mode: a new array.

    >>> from PIL import Image
    >>> array_of(Image.new("RGB", (2, 1), (255, 128, 0))).tolist()
    [[[255, 128, 0], [255, 128, 0]]]
    """
    width, height = image.size
    if width * height <= ROWS_OF:
        return np.array(image)
    first = np.asarray(image.crop((0, 0, width, 1)))
    whole = np.empty((height, *first.shape[1:]), first.dtype)
    for rows in strips(height, width):
        whole[rows] = np.asarray(image.crop((0, rows.start, width, rows.stop)))
    return whole
