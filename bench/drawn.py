"""Pictures for the scaling page, drawn from a seed: any number of pixels and of distinct colors.

Colors are those nearest the gray axis, as in photographs, from dark to light down the picture, with
neighbors well mixed. Some colors are three times as frequent as others.
"""

import numpy as np

__all__ = ["HARD", "draw", "hard"]

MIX = 1 << 16  # pixels that are shuffled among themselves
HARD = ("one color", "gradient", "collinear", "exact ties", "noise")


def draw(pixels: int, colors: int, channels: int = 3) -> np.ndarray:
    """Return an image of about `pixels` pixels with `colors` colors, if it has room for them."""
    packed = _colors_near_gray(colors)
    place = (np.arange(pixels) + 0.5) / pixels
    if pixels > 2 * colors:  # else all are needed alike
        place = (place + place * place) / 2
    rows = np.minimum((place * colors).astype(np.uint32), colors - 1)
    mixed = pixels // MIX * MIX
    order = np.random.default_rng(1).permutation(MIX)
    rows[:mixed] = rows[:mixed].reshape(-1, MIX)[:, order].ravel()
    return _image(packed[rows], channels)


def _colors_near_gray(n: int) -> np.ndarray:
    """Return n colors as 0xRRGGBB, dark to light."""
    packed = np.arange(1 << 24, dtype=np.uint32)
    r, g, b = (_channel(packed, shift).astype(np.int16) for shift in (16, 8, 0))
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    rank = (spread.astype(np.uint32) << 24) | (_hash(packed) >> 8)  # hashed, or ties favor the dark
    if n < len(packed):
        packed = packed[np.argpartition(rank, n)[:n]]
    luma = 2 * _channel(packed, 16) + 5 * _channel(packed, 8) + _channel(packed, 0)
    return packed[np.argsort(luma, kind="stable")]


def _channel(packed: np.ndarray, shift: int) -> np.ndarray:
    return packed >> np.uint32(shift) & np.uint32(255)


def _hash(packed: np.ndarray) -> np.ndarray:
    return packed * np.uint32(2654435761)


def _image(packed: np.ndarray, channels: int) -> np.ndarray:
    """Return rows of 1,000 pixels; alpha, if any, follows from the color and is never 0 or 255."""
    image = np.empty((len(packed), channels), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        image[:, channel] = _channel(packed, shift)
    if channels == 4:
        image[:, 3] = 1 + (_hash(packed) >> np.uint32(26)) * np.uint32(4)
    rows = max(1, len(packed) // 1000)
    return image[: rows * (len(packed) // rows)].reshape(rows, -1, channels)


def hard(name: str, side: int) -> np.ndarray:
    """Return a square RGB image of a kind that algorithms stumble over."""
    y, x = np.mgrid[:side, :side]
    if name == "one color":
        return np.full((side, side, 3), 77, np.uint8)
    if name == "gradient":  # every color of a plane through the cube, and few pixels of each
        return np.dstack([x * 256 // side, y * 256 // side, (x + y) * 128 // side]).astype(np.uint8)
    if name == "collinear":
        return np.repeat(((x + y) % 256)[..., None], 3, axis=2).astype(np.uint8)
    if name == "exact ties":  # a lattice: every color is as far from several others
        return np.dstack([x % 16 * 17, y % 16 * 17, (x // 16 + y // 16) % 16 * 17]).astype(np.uint8)
    return np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
