"""SSIMULACRA2: how well a picture looks, in points that people's judgments were fitted to.

    original -> [Scorer], result -> [score] -> points, 100 for the same picture

Sneyers (2022, 2023), https://github.com/cloudinary/ssimulacra2. Both pictures,
in XYB at six scales, give three maps: where the structure differs, where there
are artifacts, and where detail is lost. Their means and fourth-power means,
weighted, are the score. A search asks for many scores of one original, so its
side is prepared once. Computed in the native core, without libm and in fixed
order: the same bits on every CPU, so that a choice made by it is, too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .color import LINEAR, shown_on
from .image import check_pixels, check_same_size

__all__ = ["Scorer", "ssimulacra2"]

LEAST_SIDE = 8  # pixels; smaller pictures have their last row and column repeated up to it
DARK, LIGHT = 26, 230
"""Grays, 10 % and 90 % of white, on which transparency is judged, as the method's author does."""


class Scorer:
    """Scores pictures against one original.

    Parameters
    ----------
    original : (H, W, 3) or (H, W, 4) uint8 sRGB
    threads : int >= 1
        They change nothing but the time.

    Raises
    ------
    BadImage : no such array.

    >>> original = np.zeros((16, 16, 3), np.uint8)
    >>> scorer = Scorer(original)
    >>> scorer.score(original), scorer.score(original + np.uint8(99)) < 90
    (100.0, True)
    """

    def __init__(self, original: NDArray[Any], threads: int = 1) -> None:
        check_pixels(original, picture=True)
        self._original, self._threads = original, threads
        self._pyramids: dict[int | None, _core.Pyramid] = {}

    def score(self, result: NDArray[Any]) -> float:
        """Return the SSIMULACRA2 points of a picture of the size of the original.

        Raises
        ------
        BadImage : the sizes differ, or something is no such array.
        """
        check_same_size(self._original, result, picture=True)
        has_alpha = max(self._original.shape[2], result.shape[2]) == 4
        grounds = (DARK, LIGHT) if has_alpha else (None,)
        return min(self._score_on(result, ground) for ground in grounds)

    def _score_on(self, result: NDArray[Any], ground: int | None) -> float:
        if ground not in self._pyramids:
            self._pyramids[ground] = self._pyramid(self._original, ground)
        pyramid = self._pyramid(result, ground)
        return _core.similarity(self._pyramids[ground], pyramid, self._threads)

    def _pyramid(self, image: NDArray[Any], ground: int | None) -> _core.Pyramid:
        shown = image if ground is None else shown_on(image, ground)
        missing = [max(0, LEAST_SIDE - side) for side in image.shape[:2]]
        if any(missing):
            shown = np.pad(shown, [(0, missing[0]), (0, missing[1]), (0, 0)], "edge")
        return _core.make_pyramid(np.ascontiguousarray(shown), LINEAR, self._threads)


def ssimulacra2(original: NDArray[Any], result: NDArray[Any], *, threads: int = 1) -> float:
    """Return how much a picture looks like its original, in SSIMULACRA2 points.

    Parameters
    ----------
    original, result : (H, W, 3) or (H, W, 4) uint8 sRGB, of the same height and width
        With alpha in either one, both are shown on a dark and on a light gray, and the lower
        score counts.
    threads : int >= 1

    Returns
    -------
    float, at most 100
        100: the same picture. 90: no difference is seen in a flicker test. 80: none is seen side
        by side. 70: high quality, 50: medium, 30: low. Below zero: barely the same picture.

    Raises
    ------
    BadImage : the sizes differ, or something is no such array.

    Notes
    -----
    Sneyers (2022, 2023), https://github.com/cloudinary/ssimulacra2, in float32, with a Gaussian
    that is cut off after 5 pixels; beyond the borders it sees zeros to the left and right, and
    mirrored rows above and below, as the Python package ssimulacra2 does, with whose numbers these
    agree. The original sees zeros on all sides, which moves scores by some tenths of a point.

    >>> black, gray = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 10, np.uint8)
    >>> round(ssimulacra2(black, black)), round(ssimulacra2(black, gray)) < 100
    (100, True)
    """
    return Scorer(original, threads).score(result)
