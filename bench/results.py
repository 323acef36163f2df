"""The records of one run, and the only ways in which they may be compared.

Photos differ more from each other than quantizers do, so nothing is compared by means over
different photos: each comparison is taken photo by photo, over the photos that both were run on.
"""

from collections import defaultdict
from statistics import geometric_mean, mean, median
from typing import Any

__all__ = ["ERRORS", "SCORES", "TIMES", "Results"]

TIMES = ("cpu", "wall")
ERRORS = ("mse", "oklab", "over_best", "bytes")  # lower is better; compared by ratio
SCORES = ("ssim", "ssimulacra2")  # higher is better; compared by difference


class Results:
    """All records, by name, k and threads, and then by photo."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.records: dict[tuple[str, int, int], dict[str, dict[str, Any]]] = defaultdict(dict)
        for record in document["records"]:
            key = (record["name"], record["k"], record["threads"])
            self.records[key][record["photo"]] = record
        self.ks: list[int] = document["plan"]["ks"]
        self.photos: list[str] = document["plan"]["photos"]

    def values(self, name: str, k: int, field: str, threads: int = 1) -> dict[str, float]:
        """One number per photo, where there is one."""
        found = self.records.get((name, k, threads), {})
        return {photo: record[field] for photo, record in found.items() if field in record}

    def pairs(
        self, name: str, base: str, k: int, field: str, threads: int = 1
    ) -> list[tuple[float, float]]:
        ours, theirs = (self.values(n, k, field, threads) for n in (name, base))
        return [(value, theirs[photo]) for photo, value in ours.items() if photo in theirs]

    def against(self, name: str, base: str, k: int, field: str, threads: int = 1) -> float | None:
        """How `name` compares with `base` on the photos of both; None where there are none.

        Times: the median ratio. Errors: the geometric mean of ratios. Scores: the mean difference.
        """
        pairs = self.pairs(name, base, k, field, threads)
        if not pairs:
            return None
        if field in SCORES:
            return mean(a - b for a, b in pairs)
        ratios = [a / b for a, b in pairs]
        return median(ratios) if field in TIMES else geometric_mean(ratios)

    def better(self, name: str, base: str, k: int, field: str) -> bool:
        """Whether `name` is faster than `base`, or lower in error, or higher in score."""
        value = self.against(name, base, k, field)
        if value is None:
            return False
        return value > 0 if field in SCORES else value < 1

    def typical(self, name: str, k: int, field: str, threads: int = 1) -> float | None:
        """The median of times, the mean of the rest; None unless it is known for all photos."""
        values = self.values(name, k, field, threads)
        whole = self.judged if field in SCORES else self.photos
        if set(values) != set(whole):
            return None
        return (median if field in TIMES else mean)(values.values())

    @property
    def judged(self) -> list[str]:
        """The photos that SSIM and SSIMULACRA2 were computed on."""
        return self.document["plan"]["judged_photos"]

    @property
    def judged_ks(self) -> list[int]:
        return self.document["plan"]["judged_ks"]
