"""Wishes: the settings that a page may send, as keyword arguments of `smalti.compress`.

    JSON -> [check] -> options

The page keeps a value for every setting, null where the default is meant. What
would name a file (a palette, a map of weights) or move a limit is no setting here.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import BadOption
from ..keep import Kept
from ..options import OPTIONS, check
from ..palette import Palette
from ..targets import Targets

__all__ = ["DEFAULTS", "SEARCH", "check_all", "options_table"]

DEFAULTS: dict[str, Any] = {
    **{
        name: OPTIONS[name].default
        for name in (
            "k",
            "space",
            "dither",
            "dither_strength",
            "effort",
            "init",
            "n_init",
            "seed",
            "size",
            "min_score",
            "pack",
            "format",
            "icc",
        )
    },
    "dither_adaptive": True,
    "guard": True,
    "quality": None,
    "max_bytes": None,
    "keep": None,
    "palette": None,
}

SEARCH = ("k", "keep", "effort", "init", "n_init")
"""What a given palette leaves no place for: the page keeps these for the next search."""

MOST_COLORS = 256  # of a palette or of kept colors that a page sends


def check_all(given: Any) -> dict[str, Any]:
    """Return what differs from the defaults, checked.

    Raises
    ------
    BadOption : not an object, an unknown name, or a value out of range.

    >>> check_all({"k": 16, "space": None, "pack": "default"})
    {'k': 16}
    """
    if not isinstance(given, Mapping):
        raise BadOption(f"settings are an object, got {type(given).__name__}")
    for name in given:
        if name not in DEFAULTS:
            raise BadOption(f"{name!r:.60} is no setting; there are {', '.join(DEFAULTS)}")
    wanted = {name: _checked(name, value) for name, value in given.items() if value is not None}
    if "palette" in wanted:
        wanted = {name: value for name, value in wanted.items() if name not in SEARCH}
    Targets.of(*(wanted.get(name) for name in ("quality", "min_score", "max_bytes")))
    return {name: value for name, value in wanted.items() if value != DEFAULTS[name]}


def _checked(name: str, value: Any) -> Any:
    if name in OPTIONS:
        return check(name, value)
    if name in ("palette", "keep"):
        return _colors(name, value)
    if name in ("quality", "max_bytes"):
        if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 40:
            raise BadOption(f"{name} must be a number or a text, got {value!r:.60}")
        return value
    if not isinstance(value, bool):
        raise BadOption(f"{name} must be true or false, got {value!r:.60}")
    return value


def _colors(name: str, value: Any) -> list[str] | None:
    """Return colors as words. Each is parsed as a color: a single text could name a file."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadOption(f"{name} must be a list of colors such as #c00, got {value!r:.60}")
    if len(value) > MOST_COLORS:
        raise BadOption(f"{name} has {len(value):,} colors, more than {MOST_COLORS}")
    if not value:
        if name == "palette":
            raise BadOption("palette must have a color at least, got none")
        return None
    if name == "palette":
        return Palette.of(value).hex()
    kept = Kept.of(value)
    return None if kept is None else Palette(kept.colors).hex()


def options_table() -> dict[str, dict[str, Any]]:
    """Return the library's table of options, of the settings, in plain types."""
    fields = ("default", "low", "high", "choices", "words", "integer", "help")
    return {
        name: {field: getattr(OPTIONS[name], field) for field in fields}
        for name in DEFAULTS
        if name in OPTIONS
    }
