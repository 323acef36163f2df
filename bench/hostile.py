"""The hostile corpus, through smalti, pngquant and three lines of Pillow, with the same limits.

    corpus -> each tool, file by file -> what became of them -> build/trust/hostile.json

    python bench/hostile.py [--seed N] [--output FILE] [--whole]

Every file is tried in a process of its own, for 20 s and 4 GiB of addresses at most. pngquant reads
PNG only: other formats are none of the good files that it may not refuse. By default smalti is
forked after its imports, which changes nothing but the time; --whole starts it anew for each file.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hostile.trials import Driver, Ended

from hostile import corpus

SPACE = 4 * 2**30
MUCH_MIB = 1024
GUARANTEES = [21, 22, 24]

SCRIPT = """\
import sys
from PIL import Image
Image.open(sys.argv[1]).quantize(256).save(sys.argv[2])
"""


class Tool(NamedTuple):
    """A way to reduce a file to 256 colors."""

    name: str
    words: tuple[str, ...]
    """With {source} and {target}."""
    reads: tuple[str, ...] = ()
    """Suffixes; all if empty."""
    forked: bool = False


def tools(whole: bool) -> Iterator[Tool]:
    """Yield the tools that are here, ours first."""
    ours = ("compress", "--allow-larger", "-f", "-o", "{target}", "{source}")
    start = (sys.executable, "-m", "smalti.cli") if whole else ()
    yield Tool("smalti", (*start, *ours), forked=not whole)
    if path := shutil.which("pngquant"):
        words = (path, "--force", "--output", "{target}", "256", "--", "{source}")
        yield Tool("pngquant", words, (".png",))
    else:
        print("pngquant is left out: apt-get install pngquant", file=sys.stderr)
    script = (sys.executable, "-c", SCRIPT, "{source}", "{target}")
    yield Tool("three lines of Pillow", script)


def tried(tool: Tool, folder: Path, expected: dict[str, str]) -> dict[str, Any]:
    """Run a tool on all files of a folder; return what became of them, in numbers."""
    with Driver(folder.parent / tool.name.replace(" ", "-"), bare=not tool.forked) as driver:
        ended = []
        for name in expected:
            places = {"source": str(folder / name), "target": "out/x.png"}
            words = [places.get(word.strip("{}"), word) for word in tool.words]
            ended.append(driver(name, *words, more=0, space=SPACE, program=not tool.forked))
            driver.sweep()
    return summary(tool, ended, expected)


def summary(tool: Tool, ended: list[Ended], expected: dict[str, str]) -> dict[str, Any]:
    """Count how runs ended."""
    failed = [each for each in ended if each.code]
    good = [
        each
        for each in ended
        if expected[each.name] == corpus.OK
        and (not tool.reads or each.name.endswith(tool.reads))
        and not each.name.startswith("misnamed")
    ]
    bad = [each for each in ended if expected[each.name] in (corpus.REFUSED, corpus.LIMIT)]
    return {
        "cases": len(ended),
        "crashed": sum(each.code < 0 and not each.hung for each in ended),
        "hung": sum(each.hung for each in ended),
        "tracebacks": sum("Traceback" in each.errors for each in ended),
        "partial outputs": sum(bool(each.left) for each in failed),
        "over 1 GiB": sum(each.mib > MUCH_MIB for each in ended),
        "refused in one line": sum(each.errors.count("\n") == 1 for each in failed),
        "refused": len(failed),
        "good files": len(good),
        "good files refused": sum(each.code != 0 for each in good),
        "bad files": len(bad),
        "bad files read": sum(each.code == 0 for each in bad),
        "peak MiB": round(max(each.mib for each in ended)),
        "slowest seconds": round(max(each.seconds for each in ended), 1),
        "worst": [
            each.name
            for each in ended
            if each.code < 0 or each.mib > MUCH_MIB or (each.code and each.left)
        ][:40],
    }


NONE = ("crashed", "hung", "tracebacks", "partial outputs", "over 1 GiB", "good files refused",
        "bad files read")  # fmt: skip


def sentence(name: str, found: dict[str, Any]) -> str:
    """Return the figures of a tool in words."""
    numbers = ", ".join(f"{found[what]} {what}" for what in NONE)
    return f"{name}, {found['cases']:,} files: {numbers}; peak {found['peak MiB']:,} MiB"


def main() -> None:
    """Try all tools, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("build/trust/hostile.json"))
    parser.add_argument("--whole", action="store_true", help="start smalti anew for each file")
    asked = parser.parse_args()
    began = time.perf_counter()
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        expected = corpus.write(folder, asked.seed)
        for tool in tools(asked.whole):
            found[tool.name] = tried(tool, folder, expected)
            print(sentence(tool.name, found[tool.name]), flush=True)
    ours = found["smalti"]
    record = {
        "guarantees": GUARANTEES,
        "name": "Hostile files beside other tools",
        "command": "python " + " ".join(["bench/hostile.py", *sys.argv[1:]]),
        "figures": [sentence(name, numbers) for name, numbers in found.items()],
        "passed": not any(ours[what] for what in NONE),
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "tools": found,
    }
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(not record["passed"])


if __name__ == "__main__":
    main()
