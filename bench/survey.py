"""What the distances of a survey cost: all of them, the nearest only, and one program per pair.

    python bench/survey.py --page docs/survey.md

Palettes are drawn at random, in clouds as those of pictures are, so nothing is needed but SciPy.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

import measure
from smalti import transport
from smalti.transport import Signature

PLACE = "<!-- figures -->"
ALONE = 100  # pairs that are solved one by one


def palettes(n, k):
    """Return n palettes of k colors around one of their own each."""
    rng = np.random.default_rng([n, k])
    clouds = rng.integers(0, 256, (n, 1, 3)) + rng.normal(0, 40, (n, k, 3))
    colors = np.clip(clouds, 0, 255).astype(np.uint8)
    return [Signature.of(rows, rng.dirichlet(np.ones(k))) for rows in colors]


def seconds(call):
    """Return the CPU time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def one_by_one(some):
    """Solve a linear program for each pair, dense as in textbooks."""
    k = len(some[0].weights)
    sums = np.vstack([np.kron(np.eye(k), np.ones(k)), np.kron(np.ones(k), np.eye(k))])
    for a, b in pairwise(some[: ALONE + 1]):
        costs = np.linalg.norm(a.points[:, None] - b.points, axis=-1).ravel()
        linprog(costs, A_eq=sums, b_eq=[*a.weights, *b.weights])


def row(n, k, everything):
    """Measure one collection."""
    some = palettes(n, k)
    pairs = n * (n - 1) // 2
    solve, solved = transport._solve, []
    transport._solve = lambda program: solved.append(len(program)) or solve(program)
    near = seconds(lambda: transport.nearest(some))
    share = sum(solved) / pairs
    transport._solve = solve
    all_of_them = f"{seconds(lambda: transport.distances(some)):,.0f}" if everything else ""
    return f"| {n:,} | {k} | {pairs:,} | {all_of_them} | {near:,.1f} | {share:.1%} |"


def together(per_program):
    """Return the milliseconds per pair of 8 colors with so many pairs in a program."""
    some = palettes(40, 8)
    usual, transport.PROGRAM = transport.PROGRAM, 64 * per_program
    took = seconds(lambda: transport.distances(some))
    transport.PROGRAM = usual
    return f"| {per_program} | {1000 * took / (40 * 39 / 2):.2f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--page", type=Path, help="a page whose last part becomes these figures")
    page = parser.parse_args().page
    lines = [
        "## What it costs",
        "",
        "CPU seconds of one core for the distances of n palettes of k colors: of all pairs, and of "
        "the nearest only, for which the",
        "last column says how many pairs were solved.",
        f"`make bench-survey`: {measure.machine()}.",
        "",
        "| images | k | pairs | all, s | nearest, s | pairs solved |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for n, k, everything in ((200, 8, True), (1000, 8, True), (100, 32, True), (4000, 8, False)):
        lines.append(row(n, k, everything))
        print(lines[-1], flush=True)
    lines += [
        "",
        "The time of a pair of 8 colors depends on how many are solved as one program:",
        "",
    ]
    lines += ["| pairs in a program | ms per pair |", "| ---: | ---: |"]
    lines.append(
        f"| 1, dense | {1000 * seconds(lambda: one_by_one(palettes(200, 8))) / ALONE:.2f} |"
    )
    lines += [together(count) for count in (1, 10, 30, 100)]
    print(*lines[-6:], sep="\n")
    if page:
        head = page.read_text().split(PLACE)[0]
        page.write_text(head + PLACE + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
