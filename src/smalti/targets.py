"""Targets: the number of colors that a quality, a score or a size asks for.

    Targets, attempt(k), high -> [meet] -> Found (the attempt, all that was tried)

More colors look better and take more bytes, nearly always: from one k to the
next either may fall back a little. So the search closes in on a k that is good
enough while k - 1 is not, by interpolation, and looks at the neighbors for one
that does even better. It knows nothing of images: it asks for attempts and
compares their numbers, so that it is the same for all targets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from . import quality as qualities
from .errors import BadOption, TargetMissed
from .options import check

__all__ = ["Attempt", "Found", "Targets", "meet", "parse_bytes", "squeeze"]

START = 64
"""Where the search begins: in the middle of what people ask for."""

NEIGHBORS = (2, 3)
"""How far beyond the k that was found others are tried; the one next to it is known to fail."""

BELOW_TOP = (16, 8)
"""Fractions of the highest k to go below it, where that fails: scores of few colors more or less
differ by a point or so."""

UNITS = {"": 1, "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "kib": 1024, "mib": 1024**2,
         "g": 1000**3, "gb": 1000**3, "gib": 1024**3}  # fmt: skip
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


class Attempt(Protocol):
    """What the search looks at: each is computed only when it is asked for."""

    @property
    def quality(self) -> float:
        """Of the palette, 0 to 100, as `smalti.quality` has it."""

    @property
    def score(self) -> float:
        """SSIMULACRA2 of the finished picture."""

    @property
    def size_bytes(self) -> int:
        """Of the finished file."""


Tried = TypeVar("Tried", bound=Attempt)


@dataclass(frozen=True)
class Targets:
    """What a result must reach; None asks for nothing. False when nothing is asked for."""

    quality: tuple[float, float] | None = None  # the least that is accepted, and what is aimed at
    min_score: float | None = None
    max_bytes: int | None = None
    asked: float | None = None  # the quality that is aimed at, in the words of who asked for it
    lenient: bool = field(default=False, compare=False)  # asked for alone: less will do, too

    @classmethod
    def of(cls, quality: Any, min_score: Any, max_bytes: Any) -> "Targets":
        """Check the options; raises BadOption."""
        least, most = (None, None) if quality is None else qualities.parse(quality)
        return cls(
            None if least is None or most is None else (least, qualities.aim(most)),
            check("min_score", min_score),
            None if max_bytes is None else parse_bytes(max_bytes),
            most,
            isinstance(quality, int) or str(quality).strip().isdigit(),
        )

    def __bool__(self) -> bool:
        return self != Targets()


@dataclass(frozen=True)
class Found(Generic[Tried]):
    """The attempt that meets the targets."""

    k: int
    attempt: Tried
    tries: int
    reason: str


def parse_bytes(size: Any, name: str = "max_bytes") -> int:
    """Return a number of bytes, given as one or as text: 50k is 50,000, 50KiB is 51,200.

    `name` is what messages call it.

    Raises
    ------
    BadOption : it is neither, or less than 1.

    >>> parse_bytes(700), parse_bytes("50k"), parse_bytes("1.5M"), parse_bytes("50KiB")
    (700, 50000, 1500000, 51200)
    """
    text = str(size).strip() if isinstance(size, int | str) and not isinstance(size, bool) else ""
    match = SIZE.fullmatch(text)
    if match and match[2].lower() in UNITS:
        number = float(match[1]) * UNITS[match[2].lower()]
        if 1 <= number < 2**63:
            return int(number)
    raise BadOption(f"{name} must be a number of bytes such as 50000, 50k or 1.5M, got {size!r}")


def meet(
    targets: Targets,
    attempt: Callable[[int], Tried],
    high: int,
    on_try: Callable[[int, Tried], object] | None = None,
) -> Found[Tried]:
    """Return the attempt with the fewest colors that look good enough, or the most that fit.

    Parameters
    ----------
    targets : at least one
        With looks (quality, score) and a size, all must hold: the fewest colors that look good
        enough must fit. Of a quality, only the lower number must hold.
    attempt : called with each k at most once
    high : the most colors there may be
    on_try : called with each k and its attempt, once the numbers that matter are known

    Raises
    ------
    TargetMissed : no k from 1 to `high` that was tried meets all targets.
    """
    search = _Search(targets, attempt, on_try)
    k, reason = high, ""
    if targets.quality or targets.min_score is not None:
        k, reason = search.good_enough(high)
    if targets.max_bytes is not None:
        k, reason = search.that_fits(k, reason)
    search.refuse_below(k)
    return Found(k, search[k], len(search.tried), reason)


def squeeze(
    targets: Targets,
    attempt: Callable[[float], Tried],
    k: int,
    usual: float,
    on_try: Callable[[int, Tried], object] | None = None,
) -> tuple[Found[Tried] | None, int]:
    """Return the attempt at the best `size` for a score and a number of bytes, and the tries.

    With a score alone, that is the largest size: the smallest file. Else the smallest size whose
    file fits, though not below the usual one, unless the score asks for that. None if none does.

    Parameters
    ----------
    targets : without a quality, which does not depend on the size
    attempt : called with sizes from 0 to 1, in steps of a fortieth, each at most once
    k : the number of colors of all of them
    usual : the size that is taken where nothing is asked for
    on_try : called with k and each attempt
    """
    sizes = _Sizes(attempt, k, on_try)
    limit, score = targets.max_bytes, targets.min_score
    step: int | None = STEPS - round(usual * (STEPS - 1))
    if score is not None:
        _, step = crossing(sizes.score, score, 1, STEPS)
    if step is not None and limit is not None and sizes.size_bytes(step) > limit:
        fits = None if step == 1 else crossing(sizes.size_bytes, limit + 1, 1, step - 1)[0]
        step = fits if score is None else None
    if step is None:
        return None, len(sizes.tried)
    met = [] if limit is None else [f"fit into {limit:,} bytes"]
    met += [] if score is None else [f"score {score:g}"]
    how = "largest" if limit is None else "smallest"
    reason = f"{_colors(k)} {' and '.join(met)} at size {size_of(step):g}, the {how} that does"
    return Found(k, sizes.tried[step], len(sizes.tried), reason), len(sizes.tried)


STEPS = 41
"""Values of `size` that a search tries, from 1 down to 0: bytes and looks rise with the step."""


def size_of(step: int) -> float:
    """Return the size of a step, 1 to `STEPS`."""
    return (STEPS - step) / (STEPS - 1)


class _Sizes(Generic[Tried]):
    """Attempts with one number of colors, by the step of their size."""

    def __init__(
        self,
        attempt: Callable[[float], Tried],
        k: int,
        on_try: Callable[[int, Tried], object] | None,
    ) -> None:
        self.tried: dict[int, Tried] = {}
        self._attempt, self._k, self._on_try = attempt, k, on_try

    def size_bytes(self, step: int) -> int:
        return int(self._asked(step, lambda tried: tried.size_bytes))

    def score(self, step: int) -> float:
        return float(self._asked(step, lambda tried: tried.score))

    def _asked(self, step: int, what: Callable[[Tried], Any]) -> Any:
        new = step not in self.tried
        if new:
            self.tried[step] = self._attempt(size_of(step))
        value = what(self.tried[step])
        if new and self._on_try:
            self._on_try(self._k, self.tried[step])
        return value


class _Search(Generic[Tried]):
    """The attempts made so far, and both questions that are asked of them."""

    def __init__(
        self,
        targets: Targets,
        attempt: Callable[[int], Tried],
        on_try: Callable[[int, Tried], object] | None,
    ) -> None:
        self.targets, self.tried = targets, dict[int, Tried]()
        self._attempt, self._on_try = attempt, on_try
        self._margins: dict[int, float] = {}
        self._sizes: dict[int, int] = {}

    def __getitem__(self, k: int) -> Tried:
        if k not in self.tried:
            self.tried[k] = self._attempt(k)
        return self.tried[k]

    def good_enough(self, high: int) -> tuple[int, str]:
        """The fewest colors that reach the quality aimed at and the score; `high` if none do."""
        _, k = crossing(self._looks, 0.0, 1, high)
        if k is None:  # a few less may score better by chance
            lower = [high - high // part for part in BELOW_TOP]
            k = next((each for each in lower if each and self._looks(each) >= 0), None)
        if k is None:
            return self._best(), f"even {_colors(high)} do not reach {self._asked()}"
        k = min([k, *(k - far for far in NEIGHBORS if k > far and self._looks(k - far) >= 0)])
        return k, f"the fewest colors found that reach {self._asked()}"

    def that_fits(self, high: int, reason: str) -> tuple[int, str]:
        """The most colors whose file fits."""
        limit = self.targets.max_bytes
        assert limit is not None
        k, above = crossing(self._bytes, limit + 1, 1, high)
        if above is None:
            return high, reason or f"{_colors(high)} fit into {limit:,} bytes"
        if k is None:
            size, least = min((size, each) for each, size in self._sizes.items())
            raise TargetMissed(
                f"no number of colors fits into {limit:,} bytes; the smallest that could be made "
                f"is {size:,} bytes, with k = {least}"
            )
        further = [k + far for far in NEIGHBORS if k + far <= high]
        k = max([k, *(each for each in further if self._bytes(each) <= limit)])
        return k, f"the most colors found that fit into {limit:,} bytes"

    def refuse_below(self, k: int) -> None:
        """Raise unless the chosen attempt looks as good as it must."""
        targets, chosen = self.targets, self[k]
        if targets.quality and chosen.quality < targets.quality[0]:
            what = "a quality"
            if targets.lenient:
                what = (
                    f"a quality of {targets.asked:g} is asked for; nine tenths of it would do, but"
                )
            raise self._missed(what, targets.quality[0], chosen.quality, k)
        if targets.min_score is not None and chosen.score < targets.min_score:
            raise self._missed("an SSIMULACRA2 score", targets.min_score, chosen.score, k)

    def _missed(self, what: str, least: float, reached: float, k: int) -> TargetMissed:
        limit = self.targets.max_bytes
        within = "" if limit is None else f" within {limit:,} bytes"
        goal = f"{what} {least:g}" if what.endswith("but") else f"{what} of {least:g}"
        return TargetMissed(
            f"{goal} is not reached{within}; the best is {reached:.1f}, with k = {k:,}"
        )

    def _looks(self, k: int) -> float:
        """How far an attempt is above what was asked for, in points; below zero: not reached."""
        if k not in self._margins:
            attempt, margins = self[k], []
            if self.targets.quality:
                margins.append(attempt.quality - self.targets.quality[1])
            if self.targets.min_score is not None:
                margins.append(attempt.score - self.targets.min_score)
            self._margins[k] = min(margins)
            self._tell(k)
        return self._margins[k]

    def _bytes(self, k: int) -> int:
        if k not in self._sizes:
            self._sizes[k] = self[k].size_bytes
            self._tell(k)
        return self._sizes[k]

    def _tell(self, k: int) -> None:
        if self._on_try:
            self._on_try(k, self[k])

    def _best(self) -> int:
        """Of those that were tried, the one that comes closest to what was asked for."""
        return max(sorted(self._margins), key=self._looks)

    def _asked(self) -> str:
        asked = []
        if self.targets.quality:
            aimed = self.targets.quality[1]
            word = aimed if self.targets.asked is None else self.targets.asked
            asked.append(f"quality {word:g}")
            if word != aimed:
                asked[-1] += f", for which pngquant delivers {aimed:.0f}"
        if self.targets.min_score is not None:
            asked.append(f"an SSIMULACRA2 score of {self.targets.min_score:g}")
        return " and ".join(asked)


def crossing(
    value: Callable[[int], float], goal: float, low: int, high: int
) -> tuple[int | None, int | None]:
    """Return (k, k + 1) such that k stays below the goal and k + 1 reaches it.

    `value` is asked for no k outside low..high, and should rise with k, by and large. (None, low)
    if the lowest reaches the goal; (high, None) if the highest does not.
    """
    below, above = _bracket(value, goal, low, high)
    stalled = 0
    while below is not None and above is not None and above - below > 1:
        if stalled < 2:
            gap = (goal - value(below)) / (value(above) - value(below))
        else:  # interpolation goes astray: halve instead
            gap, stalled = 0.5, 0
        at = _octaves(below) + gap * (_octaves(above) - _octaves(below))
        k = min(max(_k_at(at), below + 1), above - 1)
        width = above - below
        if value(k) >= goal:
            above = k
        else:
            below = k
        stalled = stalled + 1 if 2 * (above - below) > width else 0
    return below, above


def _bracket(
    value: Callable[[int], float], goal: float, low: int, high: int
) -> tuple[int | None, int | None]:
    """Go up or down by factors of 2 until one k is below the goal and one reaches it."""
    k = min(max(START, low), high)
    if value(k) >= goal:
        while k > low:
            above, k = k, max(low, k // 2)
            if value(k) < goal:
                return k, above
        return None, k
    while k < high:
        below, k = k, min(high, 2 * k)
        if value(k) >= goal:
            return below, k
    return k, None


def _octaves(k: int) -> float:
    """A logarithm to base 2, straight between powers of 2: exact, and as good for interpolation."""
    power = k.bit_length() - 1
    return power + (k - (1 << power)) / (1 << power)


def _k_at(octaves: float) -> int:
    power = int(octaves)
    return int((1 << power) * (1 + octaves - power))


def _colors(k: int) -> str:
    return "1 color" if k == 1 else f"{k:,} colors"
