r"""Histogram files: bins as few bytes, and back, believing nothing.

    Bins -> [dump] -> bytes -> [parse] -> Bins

    8 bytes   "\x8bSMHIST\n"
    1 byte    version of the format: 1
    2 bytes   length of the header
    header    JSON: bits, channels, colors, pixels, policy, and the bytes of each column's numbers
    body      zlib: the columns, each as planes of equally significant bytes
    4 bytes   CRC-32 of all before

All numbers are little-endian. The columns are differences of ascending keys, counts less 1, and
below 8 bits the sums less what they would be at the low corner of their bin: small numbers, whose
upper bytes are zeros, which is what zlib makes next to nothing of.
"""

import json
import struct
import zlib
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bins import BITS, CLASSES, MOST_PIXELS, Bins, Policy, low_corners
from .errors import BadImage

__all__ = ["MAGIC", "dump", "parse"]

MAGIC = b"\x8bSMHIST\n"
VERSION = 1
START = struct.Struct("<8sBH")
CRC = struct.Struct("<I")

MOST_COLORS = 2**26  # four times all opaque ones; with as many partly transparent, 1.5 GiB
ZLIB_RATIO = 1032  # zlib makes nothing smaller than by this factor: a short file is a small table


def dump(bins: Bins) -> bytes:
    """Return the file of some bins; the same bins give the same bytes with the same zlib."""
    columns = _columns(bins)
    widths = [max(1, (int(column.max()).bit_length() + 7) // 8) for column in columns]
    about = {
        "bits": bins.bits,
        "channels": bins.channels,
        "colors": len(bins.keys),
        "pixels": int(bins.counts.sum()),
        "policy": vars(bins.policy),
        "widths": widths,
    }
    header = json.dumps(about, separators=(",", ":")).encode()
    squeeze = zlib.compressobj(1)
    parts = [START.pack(MAGIC, VERSION, len(header)), header]
    for column, width in zip(columns, widths, strict=True):
        planes = np.ascontiguousarray(column, "<u8").view(np.uint8).reshape(-1, 8)
        parts += [squeeze.compress(planes[:, i].tobytes()) for i in range(width)]
    whole = b"".join([*parts, squeeze.flush()])
    return whole + CRC.pack(zlib.crc32(whole))


def _columns(bins: Bins) -> list[NDArray[np.uint64]]:
    columns = [np.diff(bins.keys, prepend=np.uint64(0)), (bins.counts - 1).view(np.uint64)]
    if bins.sums is not None:
        above = bins.sums - low_corners(bins).astype(np.int64) * bins.counts[:, None]
        columns += [np.ascontiguousarray(above[:, i]).view(np.uint64) for i in range(bins.channels)]
    return columns


def parse(data: bytes) -> Bins:
    """Return the bins in the bytes of a file.

    Raises
    ------
    BadImage : it is no histogram file, one of a later version, damaged, or says what cannot be.
    """
    if data[:8] != MAGIC:
        raise BadImage("it is no histogram file")
    if len(data) < START.size + CRC.size:
        raise BadImage("it is truncated: the histogram file ends within its header")
    _, version, length = START.unpack_from(data)
    if version != VERSION:
        raise BadImage(f"it is a histogram file of version {version}, and this reads {VERSION}")
    if zlib.crc32(data[: -CRC.size]) != CRC.unpack(data[-CRC.size :])[0]:
        raise BadImage("it is a damaged or truncated histogram file: its checksum differs")
    body = START.size + length
    about = _header(data[START.size : body])
    columns = _unpacked(data[body : -CRC.size], about["colors"], about["widths"])
    bins = _bins(columns, about)
    _refuse_impossible(bins, about["pixels"])
    return bins


def _header(data: bytes) -> dict[str, Any]:
    try:
        about = json.loads(data)
        bits, channels, colors, pixels, widths = (
            about[name] for name in ("bits", "channels", "colors", "pixels", "widths")
        )
        policy = about["policy"]
        known = {entry.name for entry in fields(Policy)}
        columns = 2 + channels * (bits < 8)
        fine = (
            all(type(number) is int for number in (bits, channels, colors, pixels, *widths))
            and bits in BITS
            and channels in (3, 4)
            and 1 <= colors <= min(pixels, MOST_COLORS, _possible(bits, channels))
            and pixels <= MOST_PIXELS
            and len(widths) == columns
            and all(1 <= width <= 8 for width in widths)
            and set(policy) == known
            and all(type(word) is str and word.isprintable() for word in policy.values())
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadImage("it is a histogram file with a header that cannot be read") from error
    if not fine:
        raise BadImage("it is a histogram file whose header has values that cannot be")
    assert isinstance(about, dict)
    return about


def _possible(bits: int, channels: int) -> int:
    """Return how many bins there could be: opaque ones, others, and the invisible one."""
    return int(8**bits + (16**bits + 1) * (channels == 4))


def _unpacked(data: bytes, colors: int, widths: list[int]) -> list[NDArray[np.uint64]]:
    size = colors * sum(widths)
    if size > ZLIB_RATIO * len(data) + ZLIB_RATIO:
        raise BadImage(f"it is a histogram file too short for its {colors:,} colors")
    try:
        opened = zlib.decompressobj()
        raw = opened.decompress(data, size + 1)
    except zlib.error as error:
        raise BadImage(f"it is a damaged histogram file ({error})") from error
    if len(raw) != size or not opened.eof or opened.unused_data:
        raise BadImage("it is a damaged histogram file: its colors are fewer or more than it says")
    planes = np.frombuffer(raw, np.uint8).reshape(sum(widths), colors)
    columns, first = [], 0
    for width in widths:
        column = np.zeros((colors, 8), np.uint8)
        column[:, :width] = planes[first : first + width].T
        columns.append(column.view("<u8").ravel().astype(np.uint64, copy=False))
        first += width
    return columns


def _bins(columns: list[NDArray[np.uint64]], about: dict[str, Any]) -> Bins:
    """Return bins with what the columns say, which may still be impossible."""
    keys, counts = np.cumsum(columns[0], dtype=np.uint64), columns[1].view(np.int64)
    bits, channels = about["bits"], about["channels"]
    _refuse_keys(keys, channels, bits)
    if counts.min() < 0 or counts.max() >= MOST_PIXELS or counts.sum(dtype=float) > MOST_PIXELS:
        raise BadImage("it is a histogram file with counts that cannot be")
    counts = counts + 1
    sums, policy = None, Policy(**about["policy"])
    if bits < 8:
        corners = low_corners(Bins(keys, counts, channels, bits)).astype(np.int64)
        above = np.column_stack(columns[2:]).view(np.int64)
        if above.min() < 0 or (above > ((1 << 8 - bits) - 1) * counts[:, None]).any():
            raise BadImage("it is a histogram file with sums that lie outside of their bins")
        sums = above + corners * counts[:, None]
    return Bins(keys, counts, channels, bits, sums, policy)


def _refuse_keys(keys: NDArray[np.uint64], channels: int, bits: int) -> None:
    """Raise unless keys ascend and are bins of such a histogram."""
    opaque, clear = (int(np.searchsorted(keys, begin)) for begin in CLASSES)
    partial = keys[opaque:clear] - CLASSES[0]
    wrong = (
        (keys[1:] <= keys[:-1]).any()
        or (keys[:opaque] >= 8**bits).any()
        or (partial >= 16**bits).any()
        or (keys[clear:] > CLASSES[1]).any()
        or (channels == 3 and opaque < len(keys))
    )
    if wrong:
        raise BadImage("it is a histogram file with colors that cannot be, or out of order")


def _refuse_impossible(bins: Bins, pixels: int) -> None:
    """Raise where sums of alpha are of another class than their bins, or pixels are missing."""
    if int(bins.counts.sum()) != pixels:
        raise BadImage("it is a histogram file whose counts are not those of its pixels")
    if bins.channels == 3:
        return
    opaque, clear = (int(np.searchsorted(bins.keys, begin)) for begin in CLASSES)
    if bins.sums is None:
        wrong = bool((bins.colors()[opaque:clear, 3] % 255 == 0).any())
    else:
        alpha, counts = bins.sums[:, 3], bins.counts
        partial = slice(opaque, clear)
        wrong = bool(
            (alpha[:opaque] != 255 * counts[:opaque]).any()
            or (alpha[partial] < counts[partial]).any()
            or (alpha[partial] > 254 * counts[partial]).any()
            or bins.sums[clear:].any()
        )
    if wrong:
        raise BadImage("it is a histogram file with an alpha that its colors cannot have")
