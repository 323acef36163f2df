"""Every knob once: its name, range, default and one line of help.

The library checks values against this table, and the command line takes its
help texts, choices and defaults from it, so the faces cannot drift apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import BadOption

__all__ = ["OPTIONS", "Option", "check", "check_k"]

AUTO, ELBOW = "auto", "elbow"
"""What may stand for k: the image decides, by what is visible or by the elbow of the curve."""

MAX_K = 65_536
"""Palettes above 256 colors cannot be indexed files; above this, indices outgrow 16 bits."""


@dataclass(frozen=True)
class Option:
    """One knob: `low` and `high` bound numbers, `words` may stand for one; or `choices`."""

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    integer: bool = True
    words: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """Return `value` if it is allowed, else raise `BadOption`."""
        if self.choices:
            if value not in self.choices:
                raise BadOption(
                    f"{self.name} must be one of {', '.join(self.choices)}, got {value!r}"
                )
            return value
        if isinstance(value, str) and value in self.words:
            return value
        return self._check_number(value)

    def _check_number(self, value: Any) -> Any:
        kind = "an integer" if self.integer else "a number"
        try:
            number = int(value) if self.integer else float(value)
            same = number == value and not isinstance(value, bool | str)
        except (TypeError, ValueError, OverflowError):
            same = False
        if not same:
            raise BadOption(f"{self.name} must be {kind}{self._range()}, got {value!r}")
        if (self.low is not None and number < self.low) or (
            self.high is not None and number > self.high
        ):
            raise BadOption(f"{self.name} must be {kind}{self._range()}, got {value!r}")
        return number

    def _range(self) -> str:
        words = "".join(f", or {word}" for word in self.words)
        if self.high is not None:
            return f" from {self.low:,} to {self.high:,}{words}"
        return f" of at least {self.low}{words}" if self.low is not None else words


def _table() -> Iterator[Option]:
    yield Option(
        "k",
        256,
        "Palette size, the number of colors at most; auto takes as many as can be told apart from "
        "the image, up to 256, and elbow as many as the elbow method says.",
        1,
        MAX_K,
        words=(AUTO, ELBOW),
    )
    yield Option("space", "oklab", "Color space to measure distance in.", choices=("oklab", "srgb"))
    yield Option(
        "dither",
        "auto",
        "Mix palette colors where the picture would show bands: by error diffusion "
        "(floyd-steinberg, atkinson, sierra-lite) or thresholds (bayer, blue-noise); auto looks "
        "whether and where that is needed.",
        choices=(
            "auto",
            "none",
            "floyd-steinberg",
            "atkinson",
            "sierra-lite",
            "bayer",
            "blue-noise",
        ),
    )
    yield Option(
        "dither_strength", 1.0, "Strength of dithering: 0 is none, 1 is all.", 0, 1, integer=False
    )
    yield Option(
        "init",
        "splitting",
        "Seeds: principal-axis splitting, greedy k-means++, colors of the image, or points of "
        "its bounding box.",
        choices=("splitting", "k-means++", "random", "box"),
    )
    yield Option(
        "n_init",
        None,
        "Runs from different seeds, of which the lowest distortion is kept "
        "(default: 1; 10 for effort lloyd from random or box).",
        1,
        1000,
    )
    yield Option(
        "size",
        None,
        "How much bytes count when pixels get their entries: 0 is the nearest entry always, 1 the "
        "smallest file that still looks like the picture (default: 0.25; 0 for drawings that are "
        "smaller so, with a dithering method or palette of your own, and for turbo).",
        0,
        1,
        integer=False,
    )
    yield Option(
        "effort",
        "default",
        "What to spend: lloyd is plain textbook k-means; turbo (for previews), fast, default and "
        "best search for a lower distortion, each longer than the one before.",
        choices=("lloyd", "turbo", "fast", "default", "best"),
    )
    yield Option(
        "max_iter",
        None,
        "Iterations of Lloyd's algorithm at most (default: 100 for effort lloyd; 1 for the "
        "others, after their search).",
        0,
        1_000_000,
    )
    yield Option(
        "tol",
        None,
        "Stop once no centroid moves further than this: in 8-bit steps for srgb (default: 0.05), "
        "in Oklab units for oklab (default: 0.0002); 0 runs until nothing changes.",
        0,
        integer=False,
    )
    yield Option(
        "seed",
        0,
        "Seed of the random numbers; same seed, same result. It matters only where seeds or a "
        "search are random: not for effort lloyd from splitting.",
        0,
        2**64 - 1,
    )
    yield Option(
        "min_score",
        None,
        "Make the smallest file that scores so many SSIMULACRA2 points: 90 is lossless to the eye, "
        "80 very good, 70 good, 50 medium. -k is the most colors there may be.",
        0,
        100,
        integer=False,
    )
    yield Option("threads", None, "Threads to use (default: all cores).", 1, 1024)
    yield Option(
        "jobs", None, "Files to work on at once, each in a process (default: all cores).", 1, 1024
    )
    yield Option(
        "icc",
        "srgb",
        "Color profile: convert to sRGB, keep it, or ignore it.",
        choices=("srgb", "keep", "strip"),
    )
    yield Option(
        "format",
        None,
        "Output format (default: from the output's name, else PNG; an animation keeps its own).",
        choices=("png", "webp", "gif"),
    )
    yield Option(
        "pack",
        "default",
        "What to spend on a small file: fast is a preview, max tries all and takes seconds.",
        choices=("fast", "default", "max"),
    )


OPTIONS: dict[str, Option] = {option.name: option for option in _table()}


def check(name: str, value: Any) -> Any:
    """Return `value` if option `name` allows it, else raise `BadOption`.

    >>> check("k", 16)
    16
    >>> check("k", 0)
    Traceback (most recent call last):
    ...
    smalti.errors.BadOption: k must be an integer from 1 to 65,536, or auto, or elbow, got 0
    """
    if value is None and OPTIONS[name].default is None:
        return None
    return OPTIONS[name].check(value)


def check_k(value: Any) -> int:
    """Return a palette size if it is one, else raise `BadOption`: words are none here."""
    if isinstance(value, str):
        raise BadOption(f"k must be a number here, got {value!r}; smalti.choose_k finds one")
    return int(check("k", value))
