"""Summary: what a run over a collection did, and the files that say so.

    run of `compress_many` -> [told] -> smalti-records.jsonl, smalti-summary.json, Summary

Records are written while they are read: a run may have millions. They are in the order
of the inputs' names, so that two runs of the same inputs can be compared line by line.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..files import shown
from ..folders import Refusal
from . import places
from .runs import Run

__all__ = ["NO_SIZE", "RECORDS", "Summary", "counted", "told", "write_lines"]

RECORDS, SUMMARY = "smalti-records.jsonl", "smalti-summary.json"
FIELDS = (
    "uri", "relative", "ok", "status", "error", "message", "bytes_in", "bytes_out", "k", "psnr",
    "ms", "attempts", "target",
)  # fmt: skip
"""Of a record, in this order; None where an image has none."""

OF_THE_RUN = ("engine", "shards", "worker_deaths", "settings", "versions")
UNREADABLE = {"BadImage", "MissingFile"}
SHOWN = 20  # failures that a Summary holds; the records have all
NO_SIZE = 2**40  # bytes: what we wrote ourselves is read whatever its size


@dataclass(frozen=True)
class Summary:
    """What a run over a collection did. `str()` of it is the text that the command prints.

    Attributes
    ----------
    total : inputs, those that could not be read among them
    compressed, kept, failed, not_done : how many; kept are copies, as nothing smaller was found
    reused : how many of them an earlier run had done
    others : files in the folders that are not called like pictures
    left_alone : outputs of earlier runs that no input leads to now
    kept_with_position : those of the kept that say where they were taken
    larger : outputs that are larger than their inputs, which was asked for
    notes : lines about the palette or lock that all share
    bytes_in, bytes_out : of what was compressed or kept
    errors : class -> how many
    failures : the first records that are not ok
    stopped : more inputs failed than `max_errors`
    out_dir, state : where the outputs and the plan are
    """

    total: int
    compressed: int
    kept: int
    failed: int
    not_done: int
    reused: int
    others: int
    left_alone: int
    bytes_in: int
    bytes_out: int
    seconds: float
    errors: dict[str, int]
    stopped: bool
    out_dir: str
    state: str
    run: dict[str, Any] = field(repr=False)  # `OF_THE_RUN`
    failures: list[dict[str, Any]] = field(repr=False)
    larger: int = 0
    kept_with_position: int = 0
    notes: tuple[str, ...] = ()

    @property
    def records(self) -> list[dict[str, Any]]:
        """One dict for each input, in the order of their names: what smalti-records.jsonl holds."""
        data = places.read(self.records_uri, NO_SIZE)
        return [json.loads(line) for line in data.splitlines()]

    @property
    def records_uri(self) -> str:
        """Where the records are."""
        return places.join(self.out_dir, RECORDS)

    @property
    def exit_code(self) -> int:
        """0: all is done; 1: something failed, or was not done; 2: nothing could be read."""
        if not self.failed and not self.not_done:
            return 0
        return 2 if self.failed == self.total and set(self.errors) <= UNREADABLE else 1

    def to_dict(self) -> dict[str, Any]:
        """Return what smalti-summary.json holds."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        run: dict[str, Any] = plain.pop("run")
        return plain | run

    def __str__(self) -> str:
        parts = ((self.compressed, "compressed"), (self.kept, "kept"), (self.failed, "failed"),
                 (self.not_done, "not done"))  # fmt: skip
        counts = ", ".join(f"{number:,} {word}" for number, word in parts if number)
        line = f"{counted(self.total, 'image')}: {counts}, {self.seconds:.1f} s"
        fresh = self.total - self.reused - self.not_done
        if self.seconds and fresh:
            line += f" ({fresh / self.seconds:.3g} per second)"
        return "\n".join([line, *(f"  {row}" for row in self._rows())])

    def _rows(self) -> Iterator[str]:
        if self.bytes_in:
            percent = 100 * (1 - self.bytes_out / self.bytes_in)
            change = f"{abs(percent):.1f} % {'smaller' if percent >= 0 else 'larger'}"
            yield f"{self.bytes_in:,} → {self.bytes_out:,} bytes, {change}"
        if self.stopped:
            failures = counted(self.failed, "failure")
            yield f"stopped after {failures}; repair them or allow more, then the command goes on"
        if self.kept:
            yield f"{self.kept:,} kept as they were, {self._told_of_kept()}"
        if self.larger:
            yield f"{self.larger:,} larger than their inputs, for the sake of the palette"
        if self.reused:
            yield f"{self.reused:,} of them were done by an earlier run"
        if self.left_alone:
            outputs = counted(self.left_alone, "output")
            yield f"{outputs} of inputs that are not there now left alone"
        if self.others:
            yield f"{counted(self.others, 'other file')} left alone"
        yield from self.notes
        yield f"a record of each: {shown(self.records_uri)}"

    def _told_of_kept(self) -> str:
        """Say what is in the pictures that were copied: the place of a photo matters most."""
        if self.kept_with_position:
            return f"{self.kept_with_position:,} of them with a position"
        return "with whatever they say besides their pixels"


def told(
    run: Run, refusals: Sequence[Refusal], out_dir: str, left_alone: int, others: int
) -> Summary:
    """Write the records and the summary of a run, and return it."""
    refused = sorted(map(_refused, refusals), key=_uri)
    failures: list[dict[str, Any]] = []
    larger = positions = 0

    def all_records() -> Iterator[dict[str, Any]]:
        nonlocal larger, positions
        for record in heapq.merge(run.each(), refused, key=_uri):
            larger += bool(record["ok"] and record["bytes_out"] > record["bytes_in"])
            positions += bool(record.get("position"))
            plain = {name: record.get(name) for name in FIELDS}
            if plain["target"] is not None:
                plain["target"] = places.join(out_dir, plain["target"])
            if not plain["ok"] and plain["status"] == "failed" and len(failures) < SHOWN:
                failures.append(plain)
            yield plain

    write_lines(places.join(out_dir, RECORDS), all_records())
    done = run.summary
    errors = Counter(done["errors"]) + Counter(record["error"] for record in refused)
    summary = Summary(
        total=done["items"] + len(refused),
        compressed=done["statuses"].get("compressed", 0),
        kept=done["statuses"].get("kept", 0),
        failed=done["failed"] + len(refused),
        not_done=done["not_done"],
        reused=done["reused"],
        others=others,
        left_alone=left_alone,
        bytes_in=done["bytes_in"],
        bytes_out=done["bytes_out"],
        seconds=done["seconds"],
        errors=dict(sorted(errors.items())),
        stopped=done["stopped"],
        out_dir=out_dir,
        state=run.state,
        run={name: done[name] for name in OF_THE_RUN},
        failures=failures,
        larger=larger,
        kept_with_position=positions,
    )
    text = json.dumps(summary.to_dict(), indent=2) + "\n"
    places.write(places.join(out_dir, SUMMARY), text.encode())
    return summary


def write_lines(place: str, values: Iterable[Any]) -> None:
    """Write values as lines of JSON."""
    places.write(place, (f"{json.dumps(value)}\n".encode() for value in values))


def _refused(refusal: Refusal) -> dict[str, Any]:
    """Return the record of an input that came to nothing before the run."""
    fault = {"ok": False, "status": "failed", "error": type(refusal.error).__name__}
    return {"uri": refusal.source, "relative": "", **fault, "message": str(refusal.error)}


def _uri(record: dict[str, Any]) -> str:
    return str(record["uri"])


def counted(number: int, noun: str) -> str:
    """Return "1 image" or "2 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
