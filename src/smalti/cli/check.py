"""What `smalti compress --check` found, as Markdown, JSON or SARIF.

    Findings -> [text_of] -> what people, programs and code scanning read

The same findings give the same bytes, whatever the order of the arguments, the number of
processes or the clock: reports can be compared, and cached.

Sources: SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html;
GitHub Flavored Markdown, https://github.github.com/gfm/#tables-extension-.
"""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..errors import BadOption
from ..files import shown
from ..targets import parse_bytes
from .terminal import as_json

__all__ = ["FORMATS", "Failure", "Findings", "Over", "Shrinks", "format_of", "text_of"]

FORMATS = ("md", "json", "sarif")
RULE = "image-would-shrink"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"  # what GitHub and others call the top of the repository
LONG = 200  # characters of a command line
MOST_ROWS = 500
"""Of a Markdown table: GitHub takes a summary of one megabyte at most."""


@dataclass(frozen=True)
class Over:
    """By how much a file must shrink to be listed: more than `least` bytes, or percent of it.

    >>> Over.of("10%").is_exceeded(1000, 900), Over.of("4k").is_exceeded(9000, 4999)
    (False, True)
    """

    text: str
    least: float
    percent: bool

    @classmethod
    def of(cls, text: str) -> "Over":
        """Read 10%, 4k or 0; raises BadOption."""
        number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
        if number and float(number[1]) <= 100:
            return cls(text.strip(), float(number[1]), True)
        if text.strip() == "0":
            return cls("0", 0, False)
        try:
            return cls(text.strip(), parse_bytes(text), False)
        except BadOption:
            raise BadOption(
                f"--check-over must be a part such as 10%, or bytes such as 4k, got {text!r}"
            ) from None

    def is_exceeded(self, before: int, after: int) -> bool:
        """Whether a file that shrinks so is to be listed."""
        return before - after > (self.least * before / 100 if self.percent else self.least)


@dataclass(frozen=True)
class Shrinks:
    """A file that would shrink."""

    path: str
    bytes_in: int
    bytes_out: int

    @property
    def saved_bytes(self) -> int:
        """How much smaller it would be."""
        return self.bytes_in - self.bytes_out

    @property
    def saved_percent(self) -> float:
        """The same, in percent of what it has now."""
        return 100 * self.saved_bytes / self.bytes_in


@dataclass(frozen=True)
class Failure:
    """A file that could not be judged."""

    path: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class Findings:
    """All that a check found.

    files : how many were looked at
    command : the command line that does what the check asks for, without the files
    everything : the words that go with it to do so for all that was looked at
    """

    files: int
    shrinks: Sequence[Shrinks]
    failures: Sequence[Failure]
    command: Sequence[str]
    everything: Sequence[str]
    over: Over

    @property
    def saved_bytes(self) -> int:
        """How much smaller all of them would be together."""
        return sum(each.saved_bytes for each in self.shrinks)

    def sorted(self) -> "Findings":
        """Put what saves most first, and failures in the order of their names."""
        return replace(
            self,
            shrinks=sorted(self.shrinks, key=lambda each: (-each.saved_bytes, each.path)),
            failures=sorted(self.failures, key=lambda each: (each.path, each.message)),
        )

    def command_for(self, path: str) -> str:
        """Return the command line that compresses one file."""
        return shlex.join([*self.command, *_as_argument(path)])

    def command_for_all(self) -> str:
        """Return the command line for all that was looked at, or, if that is long, for some."""
        line = shlex.join([*self.command, *self.everything])
        if len(line) <= LONG:
            return shown(line)
        return shown(shlex.join(self.command)) + " ..."

    def headline(self) -> str:
        """Say in one sentence what was found."""
        over = "" if self.over.text == "0" else f" by more than {self.over.text}"
        files = "1 image" if self.files == 1 else f"{self.files:,} images"
        if not self.shrinks:
            return f"{files}: none would shrink{over}"
        return (
            f"{files}: {len(self.shrinks):,} would shrink{over}, together by "
            f"{self.saved_bytes:,} bytes"
        )


def _as_argument(path: str) -> list[str]:
    return ["--", path] if path.startswith("-") else [path]


def format_of(report: str) -> str | None:
    """Return the format of a report that is asked for, by word or by suffix; None for no such."""
    suffix = os.path.splitext(report)[1][1:].lower()
    return next((kind for kind in FORMATS if kind in (report, suffix)), None)


def text_of(findings: Findings, kind: str) -> str:
    """Return a report in one of `FORMATS`; it ends with a line break."""
    findings = findings.sorted()
    if kind == "md":
        return _markdown(findings)
    record = _json(findings) if kind == "json" else _sarif(findings)
    return as_json(record, indent=2) + "\n"


# ---------------------------------------------------------------- Markdown


def _markdown(findings: Findings) -> str:
    """Return a headline, a table, the command that helps, and what could not be read."""
    parts = [f"### smalti\n\n{findings.headline()}.\n"]
    if findings.shrinks:
        rows = [
            f"| {_code(shown(each.path))} | {each.bytes_in:,} | {each.bytes_out:,} "
            f"| {each.saved_percent:.1f} % |"
            for each in findings.shrinks[:MOST_ROWS]
        ]
        head = ["| image | bytes now | would be | saved |", "| --- | ---: | ---: | ---: |"]
        parts.append("\n".join([*head, *rows]) + "\n")
        if rest := len(findings.shrinks) - len(rows):
            parts.append(f"And {rest:,} more.\n")
        parts.append(f"What helps:\n\n```sh\n{findings.command_for_all()}\n```\n")
    if findings.failures:
        lines = [f"- {_plain(failure.message)}" for failure in findings.failures]
        parts.append("Not judged:\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _code(text: str) -> str:
    """Return text as code in a table cell, whatever characters it has."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _plain(text: str) -> str:
    """Return text in which Markdown and HTML mean nothing."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))


# ---------------------------------------------------------------- JSON


def _json(findings: Findings) -> dict[str, Any]:
    return {
        "tool": "smalti",
        "version": __version__,
        "over": findings.over.text,
        "files": findings.files,
        "saved_bytes": findings.saved_bytes,
        "shrinks": [
            {
                "path": each.path,
                "bytes_in": each.bytes_in,
                "bytes_out": each.bytes_out,
                "saved_percent": round(each.saved_percent, 2),
                "command": findings.command_for(each.path),
            }
            for each in findings.shrinks
        ],
        "failures": [
            {"path": each.path, "error": each.message, "exit_code": each.exit_code}
            for each in findings.failures
        ],
    }


# ---------------------------------------------------------------- SARIF


def _sarif(findings: Findings) -> dict[str, Any]:
    driver = {
        "name": "smalti",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not findings.failures,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": each.message},
                        "locations": [_location(each.path)],
                    }
                    for each in findings.failures
                ],
            }
        ],
        "results": [_result(each, findings) for each in findings.shrinks],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule() -> dict[str, Any]:
    return {
        "id": RULE,
        "name": "ImageWouldShrink",
        "shortDescription": {"text": "An image would be smaller as a palette image."},
        "fullDescription": {
            "text": "Compressed by smalti with the settings of the check, this image would take "
            "fewer bytes. What smalti wrote with these settings is never listed."
        },
        "help": {"text": "Run the command line of the message, and commit what it writes."},
        "defaultConfiguration": {"level": "warning"},
    }


def _result(each: Shrinks, findings: Findings) -> dict[str, Any]:
    text = (
        f"This image takes {each.bytes_in:,} bytes and would take {each.bytes_out:,}, "
        f"{each.saved_percent:.1f} % less. What helps: {shown(findings.command_for(each.path))}"
    )
    return {
        "ruleId": RULE,
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": text},
        "locations": [_location(each.path)],
        "properties": {"bytesIn": each.bytes_in, "bytesOut": each.bytes_out},
    }


def _location(path: str) -> dict[str, Any]:
    """Return where a file is; a picture has no lines, but code scanning wants one."""
    return {"physicalLocation": {"artifactLocation": _artifact(path), "region": {"startLine": 1}}}


def _artifact(path: str) -> dict[str, Any]:
    """Return a URI: relative to the working folder, or absolute for what lies elsewhere."""
    try:
        below = os.path.relpath(path) if path != "-" else path
    except FileNotFoundError:  # the working folder was removed
        below = os.pardir if os.path.isabs(path) else path
    if below.split(os.sep)[0] == os.pardir:
        return {"uri": "file://" + _encoded(PurePath(os.path.abspath(path)))}
    return {"uri": _encoded(PurePath(below)), "uriBaseId": ROOT}


def _encoded(path: PurePath) -> str:
    """Percent-encode all bytes that are not letters, digits or - . _ ~ /."""
    name = path.as_posix()
    return quote(os.fsencode(name if name.startswith("/") or not path.drive else f"/{name}"))
