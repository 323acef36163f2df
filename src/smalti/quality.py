"""Quality: pngquant's numbers from 0 to 100, as distortions in Oklab.

    "65-80" -> [parse] -> (65, 80);  quality <-> distortion

pngquant's quality is a limit on its own mean squared error, in a space and with
weights of its own. What a number of it means was measured from outside: by
`bench/quality.py`, which had pngquant compress photographs and graphics at many
qualities and measured palettes of smalti that look as good. Between the measured
qualities, distortions are interpolated linearly: nothing here needs libm, so
the same palettes are good enough everywhere.
"""

import re
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .errors import BadOption

__all__ = ["aim", "distortion", "distortion_at", "parse", "quality_of"]

MEASURED = (
    (0, 4e-3), (20, 7.1e-4), (40, 3.9e-4), (60, 2.4e-4), (70, 1.7e-4), (80, 1.1e-4), (85, 8.6e-5),
    (90, 5.4e-5), (95, 1.8e-5), (98, 6.4e-6), (100, 0.0),
)  # fmt: skip
"""(quality, distortion in Oklab) as printed by bench/quality.py for pngquant 2.17. The first is a
guess: at 0, pngquant takes anything."""

DELIVERED = (
    (0, 0), (20, 47), (40, 61), (60, 74), (70, 81), (80, 88), (85, 90), (90, 93), (95, 97),
    (100, 100),
)  # fmt: skip
"""(quality asked for, quality that pngquant reports then), on average, printed by bench/quality.py:
it stops at the first palette that seems good enough, and then improves it."""

FORMS = re.compile(r"(?P<most>\d+)|-(?P<only_most>\d+)|(?P<least>\d+)-(?P<both>\d+)?")


def parse(text: Any) -> tuple[float, float]:
    """Return (least, most) for a quality as pngquant writes it.

    "65-80" is both; "80" asks for 80 and refuses less than nine tenths of it; "65-" asks for 100,
    "-80" refuses nothing. A number stands for its text.

    Raises
    ------
    BadOption : another form, a number above 100, or the wrong way round.

    >>> parse("65-80"), parse("80"), parse("65-"), parse("-80")
    ((65, 80), (72, 80), (65, 100), (0, 80))
    """
    found = FORMS.fullmatch(str(text).strip()) if not isinstance(text, bool) else None
    if found:
        given = {name: int(value) for name, value in found.groupdict().items() if value}
        most = given.get("most", given.get("only_most", given.get("both", 100)))
        least = given.get("least", most * 9 // 10 if "most" in given else 0)
        if least <= most <= 100:
            return least, most
    raise BadOption(f"quality must be MIN-MAX with 0 <= MIN <= MAX <= 100, or MAX, got {text!r}")


LARGEST_SHARE = 10
"""No color counts for more than so great a part of the pixels. Else a page of white would lower the
error of what is printed on it; with this cap, graphics and photographs whose quality pngquant
reports as equal have about the same distortion."""


def distortion(
    colors: NDArray[np.uint8], counts: NDArray[np.int64], result: NDArray[np.uint8]
) -> float:
    """Return the distortion in Oklab that quality is about: of colors, not of areas.

    colors : (n, 3|4) uint8 sRGB, distinct, of `counts` pixels each
    result : (n, 3|4) uint8, what became of them

    >>> black, gray = np.uint8([[0, 0, 0], [9, 9, 9]]), np.uint8([[0, 0, 0], [8, 8, 8]])
    >>> bool(distortion(black, np.array([99, 1]), gray) < distortion(black, np.array([9, 9]), gray))
    True
    """
    cap = max(1, int(counts.sum()) // LARGEST_SHARE)
    return metrics.distortion(colors, result, "oklab", weights=np.minimum(counts, cap))


def aim(asked: float) -> float:
    """Return the quality that pngquant delivers on average when it is asked for one.

    >>> aim(80), aim(100)
    (88.0, 100.0)
    """
    for (below, low), (above, high) in pairwise(DELIVERED):
        if asked <= above:
            return low + (high - low) * (asked - below) / (above - below)
    return 100.0


def distortion_at(quality: float) -> float:
    """Return the largest distortion in Oklab that a quality of 0 to 100 allows.

    >>> distortion_at(100), distortion_at(80) < distortion_at(79)
    (0.0, True)
    """
    for (below, more), (above, less) in pairwise(MEASURED):
        if quality <= above:
            return less + (more - less) * (above - quality) / (above - below)
    return 0.0


def quality_of(distortion: float) -> float:
    """Return the quality, 0 to 100, that a distortion in Oklab amounts to.

    >>> quality_of(0), quality_of(1), round(quality_of(distortion_at(77)), 9)
    (100.0, 0.0, 77.0)
    """
    for (below, more), (above, less) in reversed(list(pairwise(MEASURED))):
        if distortion <= more:
            return above - (above - below) * (distortion - less) / (more - less)
    return 0.0
