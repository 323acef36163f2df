"""Transport: how far apart two palettes are, as the least work that turns one into the other.

    colors, shares -> Signature -> [distance, distances, nearest] -> Oklab units

The earth mover's distance: shares are heaps of earth at the places of their colors,
and every bit of it is carried to where the other palette wants it; carrying all of
it from black to white is 1. Unlike a comparison of lists it does not mind the order
of the colors, nor one color that is split into two alike.

It is a linear program, which HiGHS, in SciPy, solves exactly; many pairs are one
program, because starting one costs more than solving it (decision 20). Where only
the nearest are asked for, bounds that never exceed the distance spare most pairs.

Source: Rubner, Tomasi & Guibas (2000), The Earth Mover's Distance as a Metric for
Image Retrieval, IJCV 40(2), doi:10.1023/A:1026543900054.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .color import UNITS, to_points
from .errors import BadOption, MissingExtra

__all__ = ["Signature", "check_installed", "distance", "distances", "nearest", "nearest_of"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int], object]

PROGRAM = 2_000  # variables of one linear program, about: 25 to 50 pairs of 8 colors are fastest
BOUNDED = 1 << 20  # distances between single colors that are held at a time: 8 MB
ROWS = 256  # signatures whose nearest are looked for together
TINY = 1e-9  # more than what rounding does to bounds and distances
UNIT = 2.0**14  # what all shares add up to: HiGHS takes a share below 1e-7 for none
LARGEST = 10.0  # no distance is as large
FIRST = 4  # candidates of each that get the better bound, before any exact distance


@dataclass(frozen=True)
class Signature:
    """Where the colors of a palette lie, and how much of the picture each one is."""

    points: Floats  # (k, 4): Oklab and alpha, premultiplied by it; an opaque alpha is 1
    weights: Floats  # (k,) > 0, summing to 1

    @classmethod
    def of(cls, colors: Any, shares: Any = None) -> "Signature":
        """Return the signature of a palette.

        Parameters
        ----------
        colors : (k, 3) or (k, 4) uint8 sRGB, straight alpha
            Alpha is a coordinate as long as lightness, so that transparency is 1 away from black.
        shares : (k,) numbers >= 0, not all 0; None: all alike
            Only their ratio matters. A color of no share is no part of it.

        Raises
        ------
        BadOption : `shares` are not one per color, or none is above 0.

        >>> Signature.of(np.uint8([[255, 255, 255], [0, 0, 0]]), [3, 1]).weights.tolist()
        [0.75, 0.25]
        """
        colors = np.ascontiguousarray(colors, np.uint8)
        weights = np.ones(len(colors)) if shares is None else np.asarray(shares, np.float64)
        if weights.shape != (len(colors),) or not weights.min() >= 0 or not weights.max() > 0:
            raise BadOption(f"shares must be {len(colors)} numbers >= 0 of which one is above 0")
        points = np.ones((len(colors), 4))
        points[:, : colors.shape[1]] = to_points(colors, "oklab") / UNITS["oklab"]
        there = weights > 0
        return cls(points[there], weights[there] / weights.sum())


def check_installed() -> None:
    """Refuse, before any work, distances for which there is no solver.

    Raises
    ------
    MissingExtra : SciPy is not installed.
    """
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "palette distances need SciPy; install it with pip install '.[survey]'"
        ) from error


def distance(one: Signature, other: Signature) -> float:
    """Return the earth mover's distance of two palettes.

    Returns
    -------
    float >= 0, in Oklab, where black and white are 1 apart
        Exact to 1e-7; the same in both directions, 0 for equal palettes, and never more than
        the way round by a third.

    Raises
    ------
    MissingExtra : SciPy is not installed.

    >>> black, white = Signature.of([[0, 0, 0]]), Signature.of([[255, 255, 255]])
    >>> half = Signature.of([[0, 0, 0], [255, 255, 255]])
    >>> distance(black, white), distance(black, half)
    (1.0, 0.5)
    """
    check_installed()
    keys = [(each.points.tobytes(), each.weights.tobytes()) for each in (one, other)]
    if keys[0] > keys[1]:
        one, other = other, one  # so that rounding is the same in both directions
    return float(_solved([one, other], np.array([[0, 1]]))[0])


def distances(signatures: Sequence[Signature], *, progress: Progress | None = None) -> Floats:
    """Return the distances of all pairs.

    Parameters
    ----------
    signatures : n of them
    progress : called with how many pairs are done, and of how many

    Returns
    -------
    (n, n) float64, symmetric, 0 on the diagonal

    Raises
    ------
    MissingExtra : SciPy is not installed.

    >>> distances([Signature.of([[0, 0, 0]]), Signature.of([[255, 255, 255]])])
    array([[0., 1.],
           [1., 0.]])
    """
    check_installed()
    n = len(signatures)
    found = np.zeros((n, n))
    total, done = n * (n - 1) // 2, 0
    for row in range(1, n):
        pairs = np.column_stack([np.full(row, row), np.arange(row)])
        found[row, :row] = _solved(signatures, pairs)
        done += row
        if progress:
            progress(done, total)
    return found + found.T


def nearest(
    signatures: Sequence[Signature], *, progress: Progress | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Return which other palette is nearest to each, and how far it is.

    Parameters
    ----------
    signatures : n of them
    progress : called with how many are done, and of how many

    Returns
    -------
    rows : (n,) int64; of several equally near, the lowest; -1 where there is no other
    distances : (n,) float64; not a number there

    Raises
    ------
    MissingExtra : SciPy is not installed.

    Notes
    -----
    The same as from all distances. A pair is left out once a bound shows it to be farther than the
    nearest so far: that of the means (Rubner et al.), and that of carrying everything to the
    nearest color of the other palette however full that gets.

    >>> grays = [Signature.of([[level] * 3]) for level in (0, 200, 255)]
    >>> nearest(grays)[0].tolist()
    [1, 2, 1]
    """
    check_installed()
    n = len(signatures)
    rows, lengths = np.full(n, -1), np.full(n, np.nan)
    if n < 2:
        return rows, lengths
    stacked = _Stacked(signatures)
    for start in range(0, n, ROWS):
        part = np.arange(start, min(n, start + ROWS))
        rows[part], lengths[part] = _nearest_to(part, stacked)
        if progress:
            progress(int(part[-1]) + 1, n)
    return rows, lengths


def nearest_of(found: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return what `nearest` does, from the distances of all pairs."""
    n = len(found)
    if n < 2:
        return np.full(n, -1), np.full(n, np.nan)
    return _least(np.where(np.eye(n, dtype=bool), np.inf, found))


def _least(lengths: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the column of the least of each row, the lowest of equals, and its value."""
    best = (lengths <= lengths.min(1)[:, None] + TINY).argmax(1)
    return best, lengths[np.arange(len(lengths)), best]


class _Stacked:
    """Signatures as arrays of one size, filled up with colors of no weight."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self.signatures = signatures
        k = max(len(each.weights) for each in signatures)
        self.points = np.zeros((len(signatures), k, 4))
        self.weights = np.zeros((len(signatures), k))
        for row, each in enumerate(signatures):
            self.points[row, : len(each.weights)] = each.points
            self.weights[row, : len(each.weights)] = each.weights
        self.means = (self.points * self.weights[..., None]).sum(1)

    def bounds(self, pairs: NDArray[np.int64]) -> Floats:
        """Return for (p, 2) rows what carrying to the nearest colors would cost: never too much."""
        k = self.weights.shape[1]
        step = max(1, BOUNDED // (k * k))
        found = np.empty(len(pairs))
        for at in range(0, len(pairs), step):
            found[at : at + step] = self._bounds(pairs[at : at + step])
        return found

    def _bounds(self, pairs: NDArray[np.int64]) -> Floats:
        a, b = pairs.T
        costs = _lengths(self.points[a][:, :, None] - self.points[b][:, None])
        there_a, there_b = self.weights[a] > 0, self.weights[b] > 0
        to_b = np.where(there_b[:, None], costs, np.inf).min(2)
        to_a = np.where(there_a[:, :, None], costs, np.inf).min(1)
        forth, back = (self.weights[a] * to_b).sum(1), (self.weights[b] * to_a).sum(1)
        result: Floats = np.maximum(forth, back)
        return result


def _nearest_to(part: NDArray[np.int64], stacked: _Stacked) -> tuple[NDArray[np.int64], Floats]:
    """Return the nearest of some signatures, best candidates first until none can be nearer."""
    bounds = _lengths(stacked.means[part][:, None] - stacked.means)  # (rows, n), below distances
    bounds[np.arange(len(part)), part] = np.inf
    exact = np.full(bounds.shape, np.inf)

    def improve(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        bounds[rows, columns] = np.maximum(
            bounds[rows, columns], stacked.bounds(np.column_stack([part[rows], columns]))
        )

    first = np.argsort(bounds, axis=1, kind="stable")[:, : min(FIRST, bounds.shape[1] - 1)]
    improve(np.repeat(np.arange(len(part)), first.shape[1]), first.ravel())
    looked_closer = False
    while True:
        columns = bounds.argmin(1)
        least = exact.min(1)
        rows = np.flatnonzero(bounds.min(1) <= np.minimum(least + TINY, LARGEST))
        if not len(rows):
            return _least(exact)
        columns = columns[rows]
        pairs = np.column_stack([part[rows], columns])
        exact[rows, columns] = _solved(stacked.signatures, pairs)
        bounds[rows, columns] = np.inf  # done
        if not looked_closer:  # now that there is something to compare with
            improve(*np.nonzero(bounds <= exact.min(1)[:, None] + TINY))
            looked_closer = True


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.sqrt((vectors * vectors).sum(-1))
    return lengths


def _solved(signatures: Sequence[Signature], pairs: NDArray[np.int64]) -> Floats:
    """Return the exact distances of (p, 2) pairs of rows."""
    found = np.empty(len(pairs))
    done = 0
    for program in _programs(signatures, pairs.tolist()):
        found[done : done + len(program)] = _solve(program)
        done += len(program)
    return found


def _programs(
    signatures: Sequence[Signature], pairs: list[list[int]]
) -> Iterator[list[tuple[Signature, Signature]]]:
    """Yield pairs in groups that are good to solve together."""
    group: list[tuple[Signature, Signature]] = []
    size = 0
    for one, other in pairs:
        group.append((signatures[one], signatures[other]))
        size += len(signatures[one].weights) * len(signatures[other].weights)
        if size >= PROGRAM:
            yield group
            group, size = [], 0
    if group:
        yield group


def _solve(pairs: list[tuple[Signature, Signature]]) -> Floats:
    """Solve one linear program for several pairs, which have nothing to do with each other."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    costs = [_lengths(a.points[:, None] - b.points).ravel() for a, b in pairs]
    sums, start = [], 0  # for each variable, the two sums that it is part of
    for a, b in pairs:
        m, n = len(a.weights), len(b.weights)
        out, into = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
        sums.append(np.column_stack([start + out, start + m + into]))
        start += m + n
    places = np.concatenate(sums).ravel()
    variables = np.repeat(np.arange(len(places) // 2), 2)
    matrix = csr_array((np.ones(len(places)), (places, variables)))
    wanted = np.concatenate([weights for a, b in pairs for weights in (a.weights, b.weights)])
    solution = linprog(np.concatenate(costs), A_eq=matrix, b_eq=UNIT * wanted, method="highs-ds")
    assert solution.status == 0, solution.message  # it is feasible and bounded
    ends = np.cumsum([len(each) for each in costs])[:-1]
    moved = np.split(np.maximum(solution.x, 0) / UNIT, ends)
    return np.array([each @ amounts for each, amounts in zip(costs, moved, strict=True)])
