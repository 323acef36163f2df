"""Indices of 1, 2 or 4 bits: several to a byte, as PNG packs them.

    indices (H, W) -> [pack] -> bytes -> [unpack] -> indices (H, W)

The leftmost pixel is in the high bits, and each row begins with a new byte.
"""

import numpy as np

from .errors import BadImage, BadOption

__all__ = ["BITS", "bits_for", "pack", "unpack"]

BITS = (1, 2, 4, 8)


def bits_for(k: int) -> int:
    """Return how many bits an index into k colors takes when packed: 1, 2, 4 or 8.

    Raises
    ------
    BadOption : more than 256 colors, whose indices are not packed.

    >>> [bits_for(k) for k in (2, 3, 16, 17, 256)]
    [1, 2, 4, 8, 8]
    """
    if not 1 <= k <= 256:
        raise BadOption(f"indices are packed for 1 to 256 colors, got {k:,}")
    return next(bits for bits in BITS if k <= 1 << bits)


def pack(indices: np.ndarray, bits: int) -> bytes:
    r"""Pack indices, 8 / `bits` of them to a byte.

    Parameters
    ----------
    indices : (H, W) uint8, each below 2 ** bits
    bits : 1, 2, 4 or 8

    Returns
    -------
    bytes
        H rows of ceil(W bits / 8) bytes, leftmost pixel in the high bits; the bits to the right of
        the last pixel are 0.

    Raises
    ------
    BadOption : another number of bits.
    BadImage : wrong dtype or shape, or an index that does not fit.

    >>> pack(np.uint8([[1, 2, 3], [3, 0, 0]]), 2)
    b'l\xc0'
    """
    _check_bits(bits)
    if indices.dtype != np.uint8 or indices.ndim != 2:
        raise BadImage(
            f"indices must be uint8 of shape (H, W), got {indices.dtype} of shape {indices.shape}"
        )
    if int(indices.max(initial=0)) >> bits:
        raise BadImage(f"indices of {bits} bits are below {1 << bits}, got {indices.max()}")
    if bits == 8:
        return indices.tobytes()
    per_byte = 8 // bits
    height, width = indices.shape
    padded = np.zeros((height, -(-width // per_byte) * per_byte), np.uint8)
    padded[:, :width] = indices
    packed = padded[:, ::per_byte].copy()
    for i in range(1, per_byte):
        packed = packed << bits | padded[:, i::per_byte]
    return packed.tobytes()


def unpack(data: bytes, shape: tuple[int, int], bits: int) -> np.ndarray:
    """Return the indices (H, W) uint8 that were packed: the inverse of `pack`.

    Parameters
    ----------
    data : bytes, at least H rows of ceil(W bits / 8); what follows them is left alone
    shape : (H, W)
    bits : 1, 2, 4 or 8

    Raises
    ------
    BadOption : another number of bits.
    BadImage : too few bytes.

    >>> unpack(pack(np.uint8([[1, 2, 3], [3, 0, 0]]), 2), (2, 3), 2).tolist()
    [[1, 2, 3], [3, 0, 0]]
    """
    _check_bits(bits)
    height, width = shape
    stride = -(-width * bits // 8)
    if len(data) < height * stride:
        raise BadImage(
            f"{height} rows of {width} indices of {bits} bits are {height * stride:,} bytes, "
            f"got {len(data):,}"
        )
    rows = np.frombuffer(data, np.uint8, height * stride).reshape(height, stride)
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    spread = (rows[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.ascontiguousarray(spread.reshape(height, -1)[:, :width])


def _check_bits(bits: int) -> None:
    if bits not in BITS:
        raise BadOption(f"bits must be one of {', '.join(map(str, BITS))}, got {bits!r}")
