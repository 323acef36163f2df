"""Make the blue-noise tile of `smalti/blue_noise.py`: void and cluster, with a fixed seed.

    python tools/blue_noise.py > src/smalti/blue_noise.py

A tile of thresholds is blue noise if, at every threshold, the pixels below it lie as
evenly apart as they can without a pattern. Pixels are switched on one by one, each in the
middle of the largest void that is left; the order is the threshold. The first tenth
starts as random points that are moved, tightest cluster to largest void, until none moves.

All sums are integers, so that the tile is the same everywhere.

Ulichney (1993), "The void-and-cluster method for dither array generation", Proc. SPIE 1913.
"""

import base64
import sys

import numpy as np
from numpy.typing import NDArray

SIDE = 64
SEED = 1993
SIGMA = 1.5  # of the Gaussian, as in the paper

HEAD = '''"""A tile of blue-noise thresholds, written by tools/blue_noise.py, which says how."""

import base64

import numpy as np
from numpy.typing import NDArray

__all__ = ["tile"]

SIDE = {side}
'''
TAIL = '''

def tile() -> NDArray[np.uint8]:
    """Return the thresholds: (64, 64) uint8, each value 16 times."""
    return np.frombuffer(base64.b85decode(RANKS), np.uint8).reshape(SIDE, SIDE)
'''


def energy_of_one() -> NDArray[np.int64]:
    """What one pixel at (0, 0) adds to every pixel of the tile, which repeats in all directions."""
    away = np.minimum(np.arange(SIDE), SIDE - np.arange(SIDE))
    d2 = away[:, None] ** 2 + away[None, :] ** 2
    return np.rint(np.exp(-d2 / (2 * SIGMA**2)) * 2**40).astype(np.int64)


class Pattern:
    """Pixels that are on, and how crowded every place of the tile is by them."""

    def __init__(self, on: NDArray[np.bool_]) -> None:
        self.on = on.copy()
        self._one = np.tile(energy_of_one(), (2, 2))
        self._energy = np.zeros(on.shape, np.int64)
        for y, x in np.argwhere(on):
            self._add(int(y), int(x), 1)

    def _add(self, y: int, x: int, sign: int) -> None:
        self._energy += sign * self._one[SIDE - y : 2 * SIDE - y, SIDE - x : 2 * SIDE - x]

    def put(self, y: int, x: int) -> None:
        self.on[y, x] = True
        self._add(y, x, 1)

    def take(self, y: int, x: int) -> None:
        self.on[y, x] = False
        self._add(y, x, -1)

    def tightest_cluster(self) -> tuple[int, int]:
        """The most crowded pixel that is on; the first of several."""
        return divmod(int(np.where(self.on, self._energy, -1).argmax()), SIDE)

    def largest_void(self) -> tuple[int, int]:
        """The least crowded pixel that is off; the first of several."""
        return divmod(int(np.where(self.on, np.int64(2**62), self._energy).argmin()), SIDE)


def start() -> Pattern:
    """A tenth of all pixels, at random and then moved apart."""
    state, on = SEED, np.zeros((SIDE, SIDE), bool)
    while on.sum() < SIDE * SIDE // 10:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64  # Knuth's MMIX
        on.flat[state >> 52] = True
    pattern = Pattern(on)
    while True:
        cluster = pattern.tightest_cluster()
        pattern.take(*cluster)
        void = pattern.largest_void()
        pattern.put(*void)
        if void == cluster:
            return pattern


def ranks() -> NDArray[np.int64]:
    """At which step each pixel of the tile is switched on: (64, 64), a permutation."""
    pattern = start()
    first = int(pattern.on.sum())
    rank = np.zeros((SIDE, SIDE), np.int64)
    emptying = Pattern(pattern.on)
    for step in reversed(range(first)):
        at = emptying.tightest_cluster()
        emptying.take(*at)
        rank[at] = step
    # Beyond one half, the paper looks for clusters of pixels that are off: with a filter that only
    # adds up, these are the voids between those that are on.
    for step in range(first, SIDE * SIDE):
        at = pattern.largest_void()
        pattern.put(*at)
        rank[at] = step
    return rank


def module() -> str:
    """The text of the module: the ranks in 256 steps."""
    text = base64.b85encode((ranks() >> 4).astype(np.uint8).tobytes()).decode()
    lines = [f'    "{text[i : i + 90]}"' for i in range(0, len(text), 90)]
    return HEAD.format(side=SIDE) + "RANKS = (\n" + "\n".join(lines) + "\n)\n" + TAIL


if __name__ == "__main__":
    sys.stdout.write(module())
