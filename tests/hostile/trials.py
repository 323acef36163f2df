"""Trying commands on files that are meant to do harm, and what became of each.

Case, words -> [Driver] -> Ended -> [faults] -> what went wrong, in words
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import smalti

__all__ = ["PATIENCE", "Driver", "Ended", "faults"]

PATIENCE = 20
"""Seconds until a command counts as hung; nothing in the corpus has more than 3 megapixels."""

SPACE = 2**31
"""Bytes of memory a command may take beyond what it begins with."""

SMALTI = Path(smalti.__file__).resolve().parent.parent


class Ended(NamedTuple):
    """How a command ended."""

    name: str
    code: int  # negative: the signal that killed it
    hung: bool
    seconds: float
    mib: float
    errors: str
    left: tuple[str, ...]  # files in its folder of outputs


class Driver:
    """A process that forks one after the other; use it as a context manager.

    folder : where commands run; it has `out`, for their outputs
    bare : for programs other than smalti
    """

    def __init__(self, folder: Path, *, bare: bool = False) -> None:
        self.folder, self.out = folder, folder / "out"
        self.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(Path(__file__).with_name("driver.py"))]
        environment = {**os.environ, "PYTHONPATH": str(SMALTI), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command + ["--bare"] * bare,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.own_mib = self._answer()["mib"]

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *ignored: object) -> None:
        self._process.communicate()

    def __call__(self, name: str, *words: object, seconds: float = PATIENCE, **limits) -> Ended:
        """Run the command with these words; what it left in `out` is told, and removed."""
        task = {
            "name": name, "words": list(map(str, words)), "folder": str(self.folder),
            "stdout": str(self.folder / "stdout"), "stderr": str(self.folder / "stderr"),
            "seconds": seconds, "more": SPACE, **limits,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        errors = (self.folder / "stderr").read_bytes().decode("utf-8", "backslashreplace")
        left = tuple(sorted(path.name for path in self.out.iterdir()))
        return Ended(
            name, answer["code"], answer["hung"], answer["seconds"], answer["mib"], errors, left
        )

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        assert line, "the driver itself has ended"
        return json.loads(line)

    def sweep(self) -> None:
        """Remove all outputs."""
        for path in self.out.iterdir():
            path.unlink()


def faults(ended: Ended, codes: tuple[int, ...] = (0, 2, 4), *, output: bool = True) -> list[str]:
    """Return what a command did that none may do; `output`: whether success has one."""
    found = ["hung"] if ended.hung else []
    if not ended.hung and ended.code < 0:
        found.append(f"died of signal {-ended.code}")
    elif not ended.hung and ended.code not in codes:
        found.append(f"exit code {ended.code}")
    if "Traceback" in ended.errors:
        found.append("traceback")
    told = ended.errors.startswith("smalti: ") and ended.errors.count("\n") == 1
    if not ended.hung and ended.code and not told:
        found.append("not one line")
    if ended.left and (ended.code or not output):
        found.append("output of a failure")
    if output and not ended.code and len(ended.left) != 1:
        found.append("success without one output")
    return found
