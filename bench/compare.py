"""The wide comparison: smalti's presets and every rival that can be installed, in one run.

    python bench/compare.py --data FOLDER --page docs/benchmarks.md [--quick]
                            [--results FILE.json] [--from FILE.json]

FOLDER holds kodak/*.png and best_known_mse_kodak.csv. One process measures with one thread and one
with two (rounds.py); then SSIM and SSIMULACRA2 are computed from the outputs that were kept; then
the page (page.py) and its plots (plots.py) are written. With --from nothing is measured: the page
is written again from results of before. Rivals that are not installed are left out, and named.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import page
import plots
import smalti
from commands import convert_line
from measure import environment, machine, photos, ssim, ssimulacra2
from results import Results
from rivals import KS
from rounds import Plan

SLOW = ("kodim03.png", "kodim23.png")
JUDGED = tuple(f"kodim{number:02}.png" for number in (1, 3, 5, 8, 13, 19, 20, 23))
QUICK = ("kodim03.png", "kodim13.png", "kodim23.png")
PANELS = (16, 64, 256)

PACKAGES = (
    "numpy",
    "Pillow",
    "imagequant",
    "scikit-learn",
    "opencv-python-headless",
    "faiss-cpu",
    "pyvips",
    "pyvips-binary",
    "Wand",
    "scikit-image",
    "ssimulacra2",
)


def plan_of(data: Path, *, quick: bool, kept: str) -> Plan:
    """What the process with one thread measures."""
    names = [name for name in photos(data) if not quick or name in QUICK]
    return Plan(
        data=str(data),
        threads=1,
        photos=names,
        slow_photos=[name for name in names if name in SLOW][: 1 if quick else None],
        judged_photos=[name for name in names if name in JUDGED],
        judged_ks=list(PANELS),
        ks=list(PANELS if quick else KS),
        few_ks=[16] if quick else [16, 64],
        runs=3,
        kept=kept,
    )


def with_two_threads(plan: Plan, *, quick: bool) -> Plan:
    """The same for fewer photos: a table of times, not a second comparison."""
    return replace(
        plan,
        threads=2,
        photos=plan.judged_photos,
        slow_photos=[] if quick else plan.slow_photos[:1],
        ks=list(PANELS),
        kept=None,
    )


def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Measure in a process of its own, whose libraries see the limits of threads."""
    asked, answer = folder / "plan.json", folder / "records.json"
    asked.write_text(json.dumps(asdict(plan)))
    command = [sys.executable, str(Path(__file__).with_name("rounds.py")), str(asked), str(answer)]
    subprocess.run(command, check=True, env=environment(plan.threads))
    return json.loads(answer.read_text())


def judge(record: dict[str, Any], data: Path, kept: Path) -> dict[str, Any]:
    """SSIM and SSIMULACRA2 of an output that was kept."""
    with Image.open(data / "kodak" / record["photo"]) as original:
        image = np.asarray(original.convert("RGB"))
    with Image.open(kept / record["kept"]) as output:
        result = np.asarray(output)
    scores = {"ssim": ssim(image, result), "ssimulacra2": ssimulacra2(image, result)}
    return {key: value for key, value in record.items() if key != "kept"} | scores


def judged(records: Iterable[dict[str, Any]], data: Path, kept: Path) -> list[dict[str, Any]]:
    records = list(records)
    rest = [record for record in records if "kept" not in record]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        look = partial(judge, data=data, kept=kept)
        found = pool.map(look, [r for r in records if "kept" in r], chunksize=4)
        return rest + list(found)


def measure_all(data: Path, *, quick: bool) -> dict[str, Any]:
    start = time.time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of(data, quick=quick, kept=name)
        one = run(plan, folder)
        two = run(with_two_threads(plan, quick=quick), folder)
        print(f"judging, {(time.time() - start) / 60:.0f} minutes in", file=sys.stderr)
        records = judged(one["records"], data, folder)
    return {
        "machine": machine(),
        "versions": versions(),
        "quick": quick,
        "minutes": (time.time() - start) / 60,
        "plan": one["plan"] | {"data": ""},  # where the pictures were is nobody's business
        "missing": one["missing"],
        "records": records + two["records"],
    }


def versions() -> dict[str, str]:
    """Of everything that was measured, or measured with."""
    found = {"smalti": smalti.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    modules = Path(os.environ.get("SMALTI_NODE", "build/node"), "node_modules")
    manifest = modules / "libimagequant-wasm" / "package.json"
    if manifest.exists():
        found["libimagequant-wasm"] = json.loads(manifest.read_text())["version"]
    found["node"] = first_line("node", "--version")
    found["pngquant"] = first_line("pngquant", "--version")
    found["ImageMagick"] = first_line(convert_line("", "", 2, 1, space="")[0], "-version")
    return {name: words for name, words in found.items() if words}


def first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    line = (done.stdout.splitlines() or [""])[0]
    return line.removeprefix("Version: ImageMagick ").split(" https")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with kodak/*.png")
    parser.add_argument("--page", type=Path, help="page to write; plots go to images/ beside it")
    parser.add_argument("--results", type=Path, help="where to save what was measured")
    parser.add_argument("--from", dest="source", type=Path, help="results to write the page from")
    parser.add_argument("--quick", action="store_true", help="3 photos, 3 k, about 5 minutes")
    arguments = parser.parse_args()
    if arguments.source:
        document = json.loads(arguments.source.read_text())
    elif arguments.data:
        document = measure_all(arguments.data, quick=arguments.quick)
    else:
        parser.error("--data or --from is needed")
    if arguments.results:
        arguments.results.write_text(json.dumps(document))
    if arguments.page:
        results = Results(document)
        images = arguments.page.parent / "images"
        images.mkdir(parents=True, exist_ok=True)
        plots.write(results, images)
        arguments.page.write_text(page.text(results), encoding="utf-8")


if __name__ == "__main__":
    main()
