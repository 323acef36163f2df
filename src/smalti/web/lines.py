"""Lines: settings as a command line and as Python, so that what was tried can be kept.

    settings -> [command_line] -> "smalti compress ...";  [snippet] -> "smalti.compress(...)"

Only what differs from the defaults is said. Run on the same file, either makes the
same bytes.
"""

import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["command_line", "snippet"]

ON_OFF = {"dither_adaptive": "--dither-everywhere", "guard": "--no-guard"}
"""Flags that turn something off that is on."""


def command_line(
    source: str, target: str, settings: Mapping[str, Any], *, larger: bool = False
) -> str:
    """Return the command that does the same.

    >>> command_line("my photo.jpg", "photo-16.png", {"k": 16, "keep": ["#c00000", "#ffffff"]})
    "smalti compress -k 16 --keep '#c00000,#ffffff' -o photo-16.png 'my photo.jpg'"
    """
    words = ["smalti", "compress"]
    for name, value in settings.items():
        if name in ON_OFF:
            words.append(ON_OFF[name])
        else:
            flag = "-k" if name == "k" else f"--{name.replace('_', '-')}"
            words += _pair(flag, ",".join(value) if isinstance(value, list) else str(value))
    words += ["--allow-larger"] if larger else []
    words += _pair("-o", target)
    # A name like a flag would be one, and a number would be pngquant's number of colors.
    words += ["--", source] if source.startswith("-") else [source]
    return " ".join(shlex.quote(word) for word in words)


def _pair(flag: str, value: str) -> list[str]:
    """Return a flag and its value, as one word where the value looks like a flag."""
    if not value.startswith("-"):
        return [flag, value]
    return [f"{flag}={value}"] if flag.startswith("--") else [flag + value]


def snippet(source: str, target: str, settings: Mapping[str, Any], *, larger: bool = False) -> str:
    """Return the lines of Python that do the same.

    >>> print(snippet("photo.jpg", "photo-16.png", {"k": 16, "dither": "none"}))
    import smalti
    <BLANKLINE>
    report = smalti.compress("photo.jpg", "photo-16.png", k=16, dither="none")
    """
    arguments = [_quoted(source), _quoted(target)]
    arguments += [f"{name}={_quoted(value)}" for name, value in settings.items()]
    arguments += ["allow_larger=True"] if larger else []
    return f"import smalti\n\nreport = smalti.compress({', '.join(arguments)})"


def _quoted(value: Any) -> str:
    """Return a literal, with double quotes where Python's own would be single ones."""
    if isinstance(value, list):
        return f"[{', '.join(_quoted(each) for each in value)}]"
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text
