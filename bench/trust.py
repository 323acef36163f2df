"""The page of the guarantees, docs/reliability.md: each with its tests, figures, pass or fail.

    python bench/trust.py --tests TESTS.xml [AGAIN.xml...] --records FOLDER --page PAGE

It proves nothing itself. Tests say which guarantee they prove and what they counted
(tests/guarantees.py); commands that are no tests (sanitizers, fuzzing, other Pythons, rivals)
leave a record, `NAME.json`, in the folder. What has no test or record that passed is no pass.
"""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measure

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from guarantees import GUARANTEES, PROPERTIES  # noqa: E402 (beside the tests)

HEAD = """\
# Reliability

Written by `make trust`; not edited by hand. {machine}.
{tests:,} tests, {minutes:.0f} minutes.

**{passed} of {all} guarantees pass, {failed} fail{unproven}.** A guarantee passes if at least one
test or command proves it and none fails. Figures are what tests counted or measured in this run;
`make test` runs most of the same tests with fewer cases.
"""


COMMANDS = {
    "Every Python": ("make pythons", 20),
    "sanitize": ("make sanitize", 27),
    "fuzzing": ("make fuzz", 28),
}
"""Records by name: the command that leaves one, what it proves. The page tells of missing ones."""


@dataclass
class Proof:
    """What was run for a guarantee: a test function with all its cases, or a command."""

    where: str
    outcomes: Counter[str] = field(default_factory=Counter)
    figures: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # of what did not run or did not pass

    def lines(self) -> Iterator[str]:
        cases = sum(self.outcomes.values())
        words = [f"`{self.where}`" + (f", {cases:,} cases" if cases > 1 else "")]
        words += [f"**{self.outcomes[kind]} {kind}**" for kind in ("failed", "skipped")
                  if self.outcomes[kind]]  # fmt: skip
        told = list(dict.fromkeys(self.figures + self.reasons))
        yield "- " + ", ".join(words) + (f": {told[0]}" if len(told) == 1 else "")
        if len(told) > 1:
            yield from (f"  - {one}" for one in told)


Proofs = dict[int, dict[str, Proof]]


def read_tests(paths: Iterable[Path]) -> tuple[Proofs, Proofs, int, float]:
    """Return the proofs of guarantees and of properties, the number of tests, and their minutes."""
    proofs: Proofs = defaultdict(dict)
    properties: Proofs = defaultdict(dict)
    cases, minutes = newest(paths)
    for case in cases:
        where = place(case)
        noted = [(p.get("name"), p.get("value", "")) for p in case.iter("property")]
        for kind, numbered in (("guarantee", proofs), ("property", properties)):
            for number in {int(value) for name, value in noted if name == kind}:
                proof = numbered[number].setdefault(where, Proof(where))
                outcome, reason = outcome_of(case)
                proof.outcomes[outcome] += 1
                proof.reasons += [reason] if reason else []
                proof.figures += [value for name, value in noted if name == "figure"]
    return proofs, properties, len(cases), minutes


def newest(paths: Iterable[Path]) -> tuple[list[ET.Element], float]:
    """Return all cases, of those that ran again the last time, and the minutes of all runs."""
    cases, minutes = {}, 0.0
    for path in paths:
        suite = ET.parse(path).getroot().find("testsuite")
        assert suite is not None
        minutes += float(suite.get("time", 0)) / 60
        for case in suite.iter("testcase"):
            cases[case.get("classname"), case.get("name")] = case
    return list(cases.values()), minutes


def place(case: ET.Element) -> str:
    """Return `test_files.py::test_name` of a case, without its parameters."""
    module = case.get("classname", "").split(".")
    name = re.sub(r"\[.*", "", case.get("name", ""), flags=re.DOTALL)
    return f"{next((part for part in module if part.startswith('test_')), module[-1])}.py::{name}"


def outcome_of(case: ET.Element) -> tuple[str, str]:
    """Return passed, failed or skipped, and why."""
    for kind, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            return outcome, (found.get("message") or "").splitlines()[0][:150]
    return "passed", ""


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Return what commands left behind, with the key `guarantees`."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    return [record for record in records if "guarantees" in record]


def add_records(proofs: Proofs, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        outcome = "passed" if record["passed"] else "failed"
        for number in record["guarantees"]:
            proofs[number][record["name"]] = Proof(
                record["command"], Counter([outcome]), list(record["figures"])
            )


def verdict(proofs: Iterable[Proof]) -> str:
    """Return pass, FAIL, or unproven where nothing that ran says so."""
    outcomes: Counter[str] = sum((proof.outcomes for proof in proofs), Counter())
    if outcomes["failed"]:
        return "**FAIL**"
    return "pass" if outcomes["passed"] else "**unproven**"


def overview(verdicts: dict[int, str]) -> Iterator[str]:
    yield "| | guarantee | |"
    yield "| ---: | --- | --- |"
    for area in dict.fromkeys(guarantee.area for guarantee in GUARANTEES.values()):
        yield f"| | **{area}** | |"
        for number, guarantee in GUARANTEES.items():
            if guarantee.area == area:
                yield f"| {number} | [{guarantee.name}](#{anchor(number)}) | {verdicts[number]} |"


def anchor(number: int) -> str:
    """Return the name that a heading gets on a page, as the usual renderers make it."""
    words = f"{number}. {GUARANTEES[number].name}".lower()
    return re.sub(r"[^a-z0-9 -]", "", words).replace(" ", "-")


def details(proofs: Proofs, verdicts: dict[int, str]) -> Iterator[str]:
    for number, guarantee in GUARANTEES.items():
        yield f"## {number}. {guarantee.name}"
        yield ""
        yield f"{guarantee.promise} {verdicts[number][:1].upper()}{verdicts[number][1:]}."
        yield ""
        for proof in proofs[number].values():
            yield from proof.lines()
        for name, (command, proved) in COMMANDS.items():
            if number == proved and name not in proofs[number]:
                yield f"- `{command}`: left no complete record, and counts for nothing here"
        yield ""


def properties_of(proofs: Proofs) -> Iterator[str]:
    yield "## The fifteen properties"
    yield ""
    yield "Tried on random images by hypothesis."
    yield ""
    for number, one in PROPERTIES.items():
        found = proofs[number].values()
        tests = ", ".join(f"`{proof.where.partition('::')[2]}`" for proof in found)
        yield f"{number}. **{one.name}** ({verdict(found)}). {one.statement} {tests}"
    yield ""


def beside(record: dict[str, Any] | None) -> Iterator[str]:
    """Rivals on the hostile corpus, if they were run."""
    if record is None:
        return
    tools = record["tools"]
    yield "## The same hostile files elsewhere"
    yield ""
    yield (
        f"By `{record['command']}`: every tool gets every file in a process of its own, with the "
        "same limits of time and memory. pngquant reads PNG only; files of other formats are none "
        "of those that it may not refuse."
    )
    yield ""
    yield "| | " + " | ".join(tools) + " |"
    yield "| --- |" + " ---: |" * len(tools)
    for what in next(iter(tools.values())):
        if what == "worst":  # names
            continue
        yield f"| {what} | " + " | ".join(str(tool[what]) for tool in tools.values()) + " |"
    yield ""


def text(tests: Iterable[Path], records: Path) -> tuple[str, bool]:
    """Return the page, and whether everything passed: guarantees and properties."""
    proofs, properties, count, minutes = read_tests(tests)
    found = read_records(records)
    add_records(proofs, found)
    verdicts = {number: verdict(proofs[number].values()) for number in GUARANTEES}
    by_kind = Counter(verdicts.values())
    missing = by_kind["**unproven**"]
    head = HEAD.format(
        machine=measure.machine(), tests=count, minutes=minutes,
        passed=by_kind["pass"], all=len(GUARANTEES), failed=by_kind["**FAIL**"],
        unproven=f", {missing} unproven" if missing else "",
    )  # fmt: skip
    rivals = next((record for record in found if "tools" in record), None)
    lines = [head, *overview(verdicts), "", *beside(rivals), *properties_of(properties),
             *details(proofs, verdicts)]  # fmt: skip
    tried = [verdict(properties[number].values()) for number in PROPERTIES]
    passed = set(tried) | set(verdicts.values()) == {"pass"}
    return "\n".join(lines).rstrip() + "\n", passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--tests", type=Path, nargs="+", required=True, metavar="XML",
        help="reports of pytest, in JUnit's form; what ran again counts as it is in the last",
    )  # fmt: skip
    parser.add_argument("--records", type=Path, required=True, help="folder of commands' records")
    parser.add_argument("--page", type=Path, required=True)
    options = parser.parse_args()
    page, passed = text(options.tests, options.records)
    options.page.write_text(page, encoding="utf-8")
    print(f"{options.page}: {'everything passes' if passed else 'NOT everything passes'}")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
