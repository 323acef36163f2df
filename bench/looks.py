"""The page of looks: how pictures look for their bytes, smalti's and others', into docs/looks.md.

    python bench/looks.py --data FOLDER --page docs/looks.md [--cache FOLDER]
                          [--images WORD,...] [--tools NAME,...] [--ks K,...] [--sizes S,...]
                          [--parts curves,formats,crops] [--jobs N] [--results FILE]

FOLDER holds kodak/*.png and graphics/*.png. Runs and scores are kept in the cache, which no
commit holds: a run that was interrupted goes on, and only what changed is run and judged again.
`--images kodim0,noto` takes the images whose names hold one of the words. Crops of Kodak are
written to the cache, to be looked at; they are not ours to publish. With --from FILE nothing is
measured: the page is written again from the results of before.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import looks_crops
import looks_page
import looks_plots
from looks_formats import measure_formats
from looks_results import GRAPHICS, PHOTOS, Looks
from looks_runs import Store, measure_all, split, tasks
from looks_tools import BASE, OURS, SIZES, Tool, first_line, smalti_version, tools
from measure import machine

KS = (16, 32, 64, 128, 256)
PARTS = ("curves", "formats", "crops")
PACKAGES = ("imagequant", "numpy", "Pillow", "pyoxipng", "scikit-image", "scipy", "ssimulacra2")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def groups_of(data: Path, words: list[str]) -> dict[str, list[Path]]:
    """The images, by group, whose names hold one of the words; no words: all."""
    found = {}
    for group, folder in ((PHOTOS, "kodak"), (GRAPHICS, "graphics")):
        paths = sorted((data / folder).glob("*.png"))
        kept = [path for path in paths if not words or any(word in path.name for word in words)]
        if kept:
            found[group] = kept
    return found


def chosen(names: list[str], sizes: tuple[str, ...]) -> tuple[list[Tool], dict[str, str]]:
    """The tools that were asked for and can be run, and what the others lack."""
    known = tools(sizes)
    if unknown := set(names) - {tool.name for tool in known}:
        raise SystemExit(
            f"no tool {', '.join(sorted(unknown))}; there are {', '.join(t.name for t in known)}"
        )
    asked = [tool for tool in known if not names or tool.name in names]
    usable, absent = split(asked)
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    return usable, absent


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    start, seconds = time.time(), {}
    groups = groups_of(arguments.data, arguments.images)
    usable, absent = chosen(arguments.tools, arguments.sizes)
    records, formats = [], []
    if "curves" in arguments.parts:
        todo = list(tasks(groups, usable, arguments.ks))
        records = measure_all(todo, arguments.cache, arguments.sizes, jobs=arguments.jobs, say=say)
        seconds["curves"] = time.time() - start
    if "formats" in arguments.parts:
        where, jobs = arguments.cache, arguments.jobs
        formats = measure_formats(groups, arguments.ks, where, jobs=jobs, say=say)
        seconds["formats"] = time.time() - start - sum(seconds.values())
    return {
        "machine": machine(),
        "code": smalti_version(),
        "versions": versions(),
        "images": arguments.images,
        "minutes": {part: value / 60 for part, value in seconds.items()},
        "absent": absent,
        "calls": [described(tool) for tool in usable],
        "records": records,
        "formats": formats,
    }


def described(tool: Tool) -> dict[str, str]:
    """What the page says of a call, without the functions."""
    words = ("name", "call", "dithering", "space", "threads")
    return {word: getattr(tool, word) for word in words} | {"version": tool.version()}


def versions() -> dict[str, str]:
    """Of everything that was measured, or measured with."""
    found = {"Python": platform.python_version()}
    found |= {package: version(package) for package in PACKAGES}
    found["pngquant"] = first_line("pngquant", "--version")
    found["libjxl-devtools"] = first_line(
        "dpkg-query", "--show", "--showformat=${Version}\n", "libjxl-devtools"
    )
    return {name: words for name, words in found.items() if words}


def crops(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Write the sheets: those of the page into `folder`, those of Kodak into the cache."""
    usable, _ = chosen(arguments.tools, arguments.sizes)
    sized = [tool.name for tool in usable if tool.name.startswith(f"{OURS} size")]
    names = (BASE, OURS, *sized[:1])  # four panels with the original
    usable = [tool for tool in usable if tool.name in names]
    if BASE not in {tool.name for tool in usable}:
        say(f"no crops without {BASE}")
        return []
    store, private = Store(arguments.cache), arguments.cache / "crops"
    for target in (folder, private):
        target.mkdir(parents=True, exist_ok=True)
    shown = []
    for sheet in looks_crops.sheets(list(looks_crops.SHOWN), usable, store):
        (folder / f"{sheet.crop.name}.png").write_bytes(looks_crops.as_file(sheet.picture))
        shown.append(sheet_of(sheet))
    secret = list(looks_crops.privately(arguments.data / "kodak"))
    for sheet in looks_crops.sheets(secret, usable, store):
        path = private / f"{sheet.crop.name}.png"
        sheet.picture.save(path)
        say(f"to be looked at, not to be published: {path}")
    return shown


def sheet_of(sheet: looks_crops.Sheet) -> dict[str, Any]:
    return {
        "name": sheet.crop.name,
        "words": sheet.crop.words,
        "panels": sheet.panels,
    }


def listed(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


def numbers(words: str) -> tuple[int, ...]:
    return tuple(int(word) for word in listed(words))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    scratch = Path(tempfile.gettempdir()) / "smalti-looks"
    parser.add_argument("--data", type=Path, help="folder with kodak/*.png and graphics/*.png")
    parser.add_argument("--page", type=Path, help="page to write; its pictures go beside it")
    parser.add_argument("--cache", type=Path, default=scratch, help="what was run before")
    parser.add_argument("--images", type=listed, default=[], help="words in names of images")
    parser.add_argument("--tools", type=listed, default=[], help="names of tools")
    parser.add_argument("--ks", type=numbers, default=KS, help="palette sizes")
    parser.add_argument("--sizes", type=lambda w: tuple(listed(w)), default=SIZES, help="of `size`")
    parser.add_argument("--parts", type=listed, default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="images at a time")
    parser.add_argument("--results", type=Path, help="to save what was measured; else in the cache")
    parser.add_argument("--from", dest="source", type=Path, help="results to write the page from")
    arguments = parser.parse_args()
    if not arguments.source and not arguments.data:
        parser.error("--data or --from is needed")
    return arguments


def main() -> None:
    arguments = parsed()
    if arguments.source:
        document = json.loads(arguments.source.read_text())
    else:
        document = measure(arguments)
        if "crops" in arguments.parts and arguments.page:
            folder = arguments.page.parent / "images" / "looks"
            document["crops"] = crops(arguments, folder)
        arguments.cache.mkdir(parents=True, exist_ok=True)
        results = arguments.results or arguments.cache / "results.json"
        results.write_text(json.dumps(document))
    looks = Looks(document)
    if arguments.page:
        folder = arguments.page.parent / "images" / "looks"
        folder.mkdir(parents=True, exist_ok=True)
        looks_plots.write(looks, folder)
        arguments.page.write_text(looks_page.text(looks), encoding="utf-8")
    print(looks_page.summary(looks))


if __name__ == "__main__":
    main()
