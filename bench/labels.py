"""Where to write labels beside points so that nothing covers anything: plain geometry in pixels.

Each label takes the free place nearest to its point, the crowded ones first; then each reconsiders
twice, knowing where all the others went. A leader joins a label that ended up away from its point.
"""

from itertools import pairwise

import numpy as np

__all__ = ["Box", "boxes_along", "lay_out", "leader"]

Box = tuple[float, float, float, float]  # left, bottom, right, top
Point = np.ndarray
Line = tuple[Point, Point]

POINT = 6  # half the side of a point's marker
LEADER = 12  # a label further away than this needs a line to its point
CROSSING = 150  # what a crossing costs, in pixels of distance
TURNS = np.column_stack([f(np.arange(0, 2 * np.pi, np.pi / 16)) for f in (np.cos, np.sin)])


def lay_out(
    spots: np.ndarray, sizes: list[tuple[float, float]], frame: Box, obstacles: list[Box]
) -> list[Box]:
    """A box of each size near its spot, inside the frame."""
    obstacles = obstacles + [box_around(spot, 2 * POINT, 2 * POINT) for spot in spots]
    distances = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    crowded_first = np.argsort(np.sort(distances, axis=1)[:, :4].sum(1))
    placed: dict[int, Box] = {}
    for row in [*crowded_first, *crowded_first, *crowded_first]:
        placed.pop(row, None)
        lines = [leader(placed[other], spots[other]) for other in placed]
        lines = [line for line in lines if line]
        taken = obstacles + list(placed.values())
        placed[row] = place(spots[row], sizes[row], frame, taken, lines)
    return [placed[row] for row in range(len(spots))]


def place(
    spot: Point, size: tuple[float, float], frame: Box, taken: list[Box], lines: list[Line]
) -> Box:
    """The cheapest box that covers nothing: near its spot, and its leader crosses little."""
    best, lowest = box_around(spot, *size), np.inf
    for radius in range(8, 320, 6):
        if lowest < radius:
            break
        for toward in TURNS:
            box = box_around(spot + toward * (radius + np.array(size) / 2), *size)
            if not inside(box, frame) or any(overlap(box, other) for other in taken):
                continue
            price = radius - 2 * toward[0] + CROSSING * crossings(spot, box, taken, lines)
            if price < lowest:
                best, lowest = box, price
    return best


def crossings(spot: Point, box: Box, taken: list[Box], lines: list[Line]) -> int:
    own = leader(box, spot)
    count = sum(cuts(line, box) for line in lines)
    if own:
        count += sum(cross(own, line) for line in lines)
        count += sum(cuts(own, other) for other in taken if not holds(other, spot))
    return count


def leader(box: Box, spot: Point) -> Line | None:
    """The line from a point to its label; None where they are side by side."""
    edge = np.array([np.clip(spot[0], box[0], box[2]), np.clip(spot[1], box[1], box[3])])
    return (spot, edge) if np.hypot(*(edge - spot)) > LEADER else None


def boxes_along(corners: np.ndarray) -> list[Box]:
    """A staircase, across first and then down, as boxes that labels keep off."""
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        boxes += [(x0, y0 - 3, x1, y0 + 3), (x1 - 3, y1, x1 + 3, y0)]
    return boxes


def box_around(center: Point, width: float, height: float) -> Box:
    x, y = center
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def inside(box: Box, frame: Box) -> bool:
    return (
        box[0] > frame[0] + 3
        and box[1] > frame[1] + 3
        and box[2] < frame[2] - 3
        and box[3] < frame[3] - 3
    )


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def holds(box: Box, spot: Point) -> bool:
    return box[0] <= spot[0] <= box[2] and box[1] <= spot[1] <= box[3]


def cuts(line: Line, box: Box) -> bool:
    """Whether a line passes through a box: it has a point inside, or crosses a diagonal."""
    left, bottom, right, top = box
    diagonals = [((left, bottom), (right, top)), ((left, top), (right, bottom))]
    return any(holds(box, end) for end in line) or any(cross(line, d) for d in diagonals)


def cross(a: Line, b: Line) -> bool:
    def side(line: Line, point: Point) -> float:
        (x0, y0), (x1, y1) = line
        return (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0)

    return side(a, b[0]) * side(a, b[1]) < 0 and side(b, a[0]) * side(b, a[1]) < 0
