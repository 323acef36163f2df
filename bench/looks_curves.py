"""Bytes at equal looks: Bjøntegaard's mean difference between two tools on one image.

    points (score, bytes) -> front -> log bytes as a function of the score -> mean difference

A tool's points are those of several k. Only its front is used: a point that needs more bytes than
another and scores no higher would be nobody's choice. Between the points the logarithm of the bytes
is interpolated by PCHIP, which bends but never overshoots, and the difference is averaged over the
scores that both reach. G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves",
ITU-T VCEG-M33 (2001).
"""

import math
from collections.abc import Iterable

import numpy as np

__all__ = ["axis_of", "difference", "front", "overlap"]

Point = tuple[float, float]  # score, higher is better, and bytes
LEAST = 1e-6  # of an error: below it, nobody sees anything


def axis_of(name: str, value: float) -> float:
    """A measure as a score: higher is better, and equal steps are about equally visible."""
    if name == "oklab":  # decibels, as errors of this kind are compared
        return -10 * math.log10(max(value, LEAST))
    return -value if name == "butteraugli" else value


def front(points: Iterable[Point]) -> list[Point]:
    """Those that no other beats or equals in both, from the lowest score to the highest."""
    kept: list[Point] = []
    for score, size in sorted(points, key=lambda point: (-point[0], point[1])):
        if not kept or (size < kept[-1][1] and score < kept[-1][0]):
            kept.append((score, size))
    return kept[::-1]


def overlap(ours: list[Point], theirs: list[Point]) -> tuple[float, float] | None:
    """The scores that both fronts reach; None where one has a single point or they do not meet."""
    if min(len(ours), len(theirs)) < 2:
        return None
    low, high = max(ours[0][0], theirs[0][0]), min(ours[-1][0], theirs[-1][0])
    return (low, high) if high > low else None


def difference(ours: Iterable[Point], theirs: Iterable[Point]) -> float | None:
    """How many bytes `ours` needs more than `theirs`, as a share: -0.1 is 10 % fewer."""
    fronts = front(ours), front(theirs)
    ends = overlap(*fronts)
    if ends is None:
        return None
    mine, other = (mean_log(points, *ends) for points in fronts)
    return math.exp(mine - other) - 1


def mean_log(points: list[Point], low: float, high: float) -> float:
    """Mean of the logarithm of the bytes between two scores."""
    from scipy.interpolate import PchipInterpolator

    scores, sizes = np.array(points).T
    curve = PchipInterpolator(scores, np.log(sizes))
    return float(curve.integrate(low, high)) / (high - low)
