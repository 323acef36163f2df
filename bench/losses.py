"""Where smalti loses: the claims that are checked, and every win of a rival over a preset.

A preset is judged in its own space: in srgb by MSE, in oklab by the Oklab error and by how the
result looks. What it loses when it is judged by the other space's error is listed too, apart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from commands import COMMANDS, command_of_ours
from results import SCORES, Results
from rivals import EFFORTS, RIVALS, SPACES, ours

__all__ = ["FIELDS", "Check", "cell", "checks", "command_losses", "wins"]

FIELDS = {
    "cpu": "CPU time",
    "wall": "wall time",
    "mse": "MSE",
    "oklab": "Oklab error",
    "ssim": "SSIM",
    "ssimulacra2": "SSIMULACRA2",
    "bytes": "bytes",
}
ERROR_OF = {"srgb": "mse", "oklab": "oklab"}
LOOKS_AT = (64, 256)  # where SSIMULACRA2 is claimed to be the highest


@dataclass
class Check:
    """One claim, how many comparisons stand behind it, and those that contradict it."""

    claim: str
    compared: int = 0
    against: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.compared > 0 and not self.against


def measured(results: Results) -> list[str]:
    return [rival.name for rival in RIVALS if rival.name not in results.document["missing"]]


def checks(results: Results) -> Iterator[Check]:
    for space in SPACES:
        yield faster_and_lower(results, space, ERROR_OF[space])
    others = list(zip(SPACES, reversed(SPACES), strict=True))
    for space, other in others:
        yield faster_and_lower(results, space, ERROR_OF[other])
    for space, error_of in (*zip(SPACES, SPACES, strict=True), *others):
        yield command_faster_and_lower(results, space, ERROR_OF[error_of])
    for effort in EFFORTS:
        yield lowest_oklab(results, effort)
    for effort in EFFORTS:
        yield best_looking(results, effort)


def foreign(space: str, error: str) -> str:
    return "" if error == ERROR_OF[space] else " (judged by the error of the other space)"


def faster_and_lower(results: Results, space: str, error: str) -> Check:
    check = Check(
        f"No rival is both faster and lower in {FIELDS[error]} than any one of the presets in "
        f"{space}, at any k{foreign(space, error)}."
    )
    for rival in measured(results):
        for effort in EFFORTS:
            for k in results.ks:
                both(results, check, rival, ours(effort, space), k, error)
    return check


def both(results: Results, check: Check, rival: str, own: str, k: int, error: str) -> None:
    time, ratio = (results.against(rival, own, k, which) for which in ("cpu", error))
    if time is None or ratio is None:
        return
    check.compared += 1
    if time < 1 and ratio < 1:
        check.against.append(
            f"{rival} against {own} at k = {k}: time {time:.3f}, {FIELDS[error]} {ratio:.3f}"
        )


def command_faster_and_lower(results: Results, space: str, error: str) -> Check:
    check = Check(
        f"No command is both faster and lower in {FIELDS[error]} than `smalti compress` in "
        f"{space}{foreign(space, error)}."
    )
    own = {command_of_ours(space) for space in SPACES}
    for rival in (c.name for c in COMMANDS if c.name not in own):
        for k in results.judged_ks:
            both(results, check, rival, command_of_ours(space), k, error)
    return check


def lowest_oklab(results: Results, effort: str) -> Check:
    check = Check(f"In oklab, `{effort}` has the lowest Oklab error of all at every k.")
    return nobody_better(results, check, ours(effort, "oklab"), "oklab", results.ks)


def best_looking(results: Results, effort: str) -> Check:
    ks = [k for k in LOOKS_AT if k in results.judged_ks]
    check = Check(
        f"In oklab, `{effort}` has the highest SSIMULACRA2 of all at k = "
        f"{' and '.join(map(str, ks))}."
    )
    return nobody_better(results, check, ours(effort, "oklab"), "ssimulacra2", ks)


def nobody_better(results: Results, check: Check, own: str, which: str, ks: Iterable[int]) -> Check:
    for rival in measured(results):
        for k in ks:
            value = results.against(rival, own, k, which)
            if value is None:
                continue
            check.compared += 1
            if results.better(rival, own, k, which):
                sign = f"{value:+.2f}" if which in SCORES else f"ratio {value:.4f}"
                check.against.append(f"{rival} at k = {k}: {sign}")
    return check


def wins(
    results: Results, which: str, space: str, ks: list[int], threads: int = 1
) -> Iterator[tuple[str, list[str]]]:
    """Each rival that beats a preset, with one cell per preset: at which k, and by how much."""
    for rival in measured(results):
        cells = [
            cell(results, rival, ours(effort, space), which, ks, threads) for effort in EFFORTS
        ]
        if any(cells):
            yield rival, cells


def command_losses(results: Results) -> Iterator[tuple[str, list[str]]]:
    """Each command and measure by which it beats `smalti compress` somewhere."""
    own = [command_of_ours(space) for space in SPACES]
    for rival in (c.name for c in COMMANDS if c.name not in own):
        for which, threads in (("cpu", 1), ("wall", 2), ("bytes", 1), ("mse", 1), ("oklab", 1)):
            cells = [cell(results, rival, o, which, results.judged_ks, threads) for o in own]
            if any(cells):
                yield f"{rival} | {FIELDS[which]}", cells


def cell(
    results: Results, rival: str, own: str, which: str, ks: list[int], threads: int = 1
) -> str:
    """The k at which the rival is better, and the range of its ratio (scores: difference)."""
    known = {k: results.against(rival, own, k, which, threads) for k in ks}
    known = {k: value for k, value in known.items() if value is not None}
    won = {k: v for k, v in known.items() if (v > 0 if which in SCORES else v < 1)}
    if not won:
        return ""
    where = "all k" if len(won) == len(known) > 1 else "k " + ", ".join(map(str, won))
    low, high = (advantage(edge(won.values()), which) for edge in (min, max))
    return f"{where}: {low}" + (f"–{high}" if low != high else "")


def advantage(value: float, which: str) -> str:
    """A ratio below 1 or a difference above 0, not rounded to a draw."""
    if which in SCORES:
        digits = 4 if which == "ssim" else 2
        return f"+{max(value, 10**-digits):.{digits}f}"
    return f"{min(value, 0.9994):.3f}"
