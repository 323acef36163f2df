"""What both fuzzers did, out of their logs: executions, coverage, findings.

    python fuzz/report.py --work build/fuzz --report fuzz/report.json

A log has a part for each time that the fuzzer was started; executions and minutes are added up. Of
one that was killed, nobody knows when it ended, so it adds no minutes.
"""

import argparse
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["commit_of", "read", "told", "write"]

NAMES = {"core": "libFuzzer on the native core", "files": "atheris on load to compare"}
STATUS = re.compile(rb"^#(\d+)\s.*?cov: (\d+) ft: (\d+)(?: corp: (\d+)/)?", re.MULTILINE)
# Slow units, of more than ten seconds on the clock, are none: too slow is what -timeout ends.
FINDING = re.compile(r"Test unit written to (?!\S*slow-unit)(\S+)")
MADE = "# start "


def commit_of(folder: Path) -> str:
    """Return the commit of the working tree, or "unknown" outside one."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read(log: Path) -> dict[str, Any]:
    """Return what a log says: runs, their minutes, executions and findings, last coverage."""
    runs = []
    written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
    parts = log.read_text(errors="replace").split(MADE)[1:]
    for number, part in enumerate(parts, 1):
        lines = part.splitlines()
        began, commit = lines[0].split()
        ends = [line.split()[2] for line in lines if line.startswith("# end ")]
        last = written if number == len(parts) else datetime.fromisoformat(began)
        ended = datetime.fromisoformat(ends[-1]) if ends else last
        statuses = STATUS.findall(part.encode())
        runs.append({
            "commit": commit,
            "began": began,
            "minutes": round((ended - datetime.fromisoformat(began)).total_seconds() / 60, 1),
            "executions": int(statuses[-1][0]) if statuses else 0,
            "coverage": int(statuses[-1][1]) if statuses else 0,
            "features": int(statuses[-1][2]) if statuses else 0,
            "corpus": next((int(s[3]) for s in reversed(statuses) if s[3]), 0),
            "findings": [Path(name).name for name in FINDING.findall(part)],
            "running": not ends and number == len(parts),
        })  # fmt: skip
    return {
        "minutes": round(sum(run["minutes"] for run in runs), 1),
        "executions": sum(run["executions"] for run in runs),
        "coverage": max((run["coverage"] for run in runs), default=0),
        "features": max((run["features"] for run in runs), default=0),
        "findings": sum(len(run["findings"]) for run in runs),
        "minutes_since_a_finding": round(
            next((sum(later["minutes"] for later in runs[i + 1 :])
                  for i in range(len(runs) - 1, -1, -1) if runs[i]["findings"]),
                 sum(run["minutes"] for run in runs)), 1),
        "runs": runs,
    }  # fmt: skip


def told(found: dict[str, Any]) -> str:
    """Return a line for each fuzzer."""
    return "\n".join(lines_of(found))


def lines_of(found: dict[str, Any]) -> list[str]:
    """Return what each fuzzer did, as sentences."""
    return [
        f"{NAMES[name]}: {of['executions']:,} executions in {of['minutes']:g} minutes, "
        f"{of['findings']} findings, {len(of['runs'][-1]['findings']) or 'none'} of them open; "
        f"{of['minutes_since_a_finding']:g} minutes since the last"
        for name, of in found["fuzzers"].items()
    ]


def write(work: Path, target: Path) -> dict[str, Any]:
    """Write the report, and the record that the page of guarantees shows."""
    fuzzers = {
        name: read(work / f"{name}.log") for name in NAMES if (work / f"{name}.log").exists()
    }
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit_of(target.resolve().parent),
        "fuzzers": fuzzers,
    }
    target.write_text(json.dumps(found, indent=1) + "\n")
    open_findings = sum(len(of["runs"][-1]["findings"]) for of in fuzzers.values())
    record = Path(__file__).resolve().parent.parent / "build" / "trust" / "fuzz.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(
        json.dumps(
            {
                "guarantees": [28],
                "name": "fuzzing",
                "command": "make fuzz MINUTES=120",
                "figures": lines_of(found),
                "passed": open_findings == 0 and set(fuzzers) == set(NAMES),
                "minutes": min((of["minutes"] for of in fuzzers.values()), default=0),
            },
            indent=1,
        )
        + "\n"
    )
    return found


def main() -> None:
    """Write the report, and tell it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    print(told(write(given.work, given.report)))


if __name__ == "__main__":
    main()
