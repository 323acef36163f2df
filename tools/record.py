"""Run commands that are no tests, and leave a record of them for the page of guarantees.

    python tools/record.py NAME NUMBERS COMMAND [WHAT SHELL-COMMAND]...

Runs each shell command, shows what it prints, and writes build/trust/NAME.json: the guarantees of
these numbers, how the command is called, and the last line of each part beside what it was.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

RECORDS = Path("build/trust")


def run(command: str) -> tuple[bool, str]:
    """Return whether a command succeeded, and its last line, while showing all of them."""
    last = ""
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip(" =\n") or last
    return process.returncode == 0, last


def main(name: str, numbers: str, command: str, *parts: str) -> None:
    """Run all parts, also after one that failed."""
    began = time.monotonic()
    figures, passed = [], True
    for what, part in zip(parts[::2], parts[1::2], strict=True):
        fine, last = run(part)
        figures.append(f"{what}: {last}")
        passed &= fine
    RECORDS.mkdir(parents=True, exist_ok=True)
    record = {
        "guarantees": [int(number) for number in numbers.split(",")],
        "name": name,
        "command": command,
        "figures": figures,
        "passed": passed,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    (RECORDS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.exit(not passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
