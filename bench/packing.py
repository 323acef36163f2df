"""What the levels of `--pack` cost and give, beside pngquant and oxipng.

    python bench/packing.py --data FOLDER [--kodak 8] [--slow 4] [--output PAGE]

The same pixels for all but pngquant, which makes its own: smalti's palettes of photographs at 16,
64 and 256 colors, and of graphics at 256. "pngquant + optimizer" of the web's recipes is oxipng at
level 4. Sizes are geometric means of the ratio to that, milliseconds are means of CPU time. The
slow ones, `max` and oxipng at level 6, are measured on every fourth picture only.
"""

import argparse
import math
import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import oxipng

import smalti
from measure import machine
from smalti.encode import encode
from smalti.packing import bits_for, pack


def raw(image: smalti.IndexedImage) -> oxipng.RawImage:
    """The picture as it is given to oxipng: the same palette and indices."""
    rows = [(*row, 255)[:4] for row in image.palette.tolist()]
    depth = bits_for(len(rows))
    height, width = image.indices.shape
    color = oxipng.ColorType.indexed(rows)
    return oxipng.RawImage(
        pack(image.indices, depth), width, height, color_type=color, bit_depth=depth
    )


def unfiltered(image: smalti.IndexedImage) -> bytes:
    """In order of share, without filters: what smalti wrote before it had levels."""
    names = ("bit_depth", "color_type", "palette", "grayscale")
    off = {f"{name}_reduction": False for name in names}
    return bytes(raw(image).create_optimized_png(level=2, filter=[oxipng.RowFilter.NoOp], **off))


def pngquant(path: Path, k: int) -> bytes:
    """The pixels of pngquant, undithered like ours, as it writes them."""
    command = ["pngquant", "--nofs", "--output", "-", str(k), "--", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def cpu(call: Callable[[], bytes]) -> tuple[int, float]:
    """Bytes, and milliseconds of this process and its children."""
    before = os.times()
    size = len(call())
    after = os.times()
    return size, 1000 * sum(after[i] - before[i] for i in range(4))


def tasks(data: Path, kodak: int) -> Iterator[tuple[str, Path, int]]:
    photos = sorted((data / "kodak").glob("*.png"))
    for k in (16, 64, 256):
        for path in photos[:: max(1, len(photos) // kodak)][:kodak]:
            yield f"Kodak, {k} colors", path, k
    for path in sorted((data / "graphics").glob("*.png")):
        if path.stat().st_size < 2**20:
            yield "graphics, 256 colors", path, 256


def measure(path: Path, k: int, slow: bool) -> dict[str, tuple[int, float]]:
    image = smalti.quantize(path, k)
    calls = {
        f"--pack {level}": lambda level=level: encode(
            image.indices, image.palette, pack=level, order="auto"
        )
        for level in ("fast", "default", "max")[: 3 if slow else 2]
    }
    calls["by share, unfiltered"] = lambda: unfiltered(image)
    calls["oxipng 4"] = lambda: bytes(raw(image).create_optimized_png(level=4))
    if slow:
        calls["oxipng 6"] = lambda: bytes(raw(image).create_optimized_png(level=6))
    if shutil.which("pngquant"):
        calls["pngquant"] = lambda: pngquant(path, k)
    return {name: cpu(call) for name, call in calls.items()}


def table(found: dict[str, list[dict[str, tuple[int, float]]]]) -> str:
    lines = ["| pictures | way | bytes, to oxipng 4 | largest | smallest | CPU ms |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for group, rows in found.items():
        for name in rows[0]:
            measured = [row for row in rows if name in row]
            ratios = [row[name][0] / row["oxipng 4"][0] for row in measured]
            mean = math.exp(fmean(map(math.log, ratios)))
            time_text = f"{fmean(row[name][1] for row in measured):,.0f}"
            lines.append(
                f"| {group} | {name}, {len(measured)} pictures | {mean:.3f} | {max(ratios):.3f} "
                f"| {min(ratios):.3f} | {time_text} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kodak", type=int, default=8, help="how many photos")
    parser.add_argument("--slow", type=int, default=4, help="max for every so many pictures")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = defaultdict(list)
    start = time.perf_counter()
    for group, path, k in tasks(given.data, given.kodak):
        found[group].append(measure(path, k, len(found[group]) % given.slow == 0))
        print(f"{time.perf_counter() - start:5.0f} s  {path.name} {k}", flush=True)
    page = (
        "# Packing\n\nWritten by `make bench-pack`: the levels of `--pack` beside others.\n"
        "CPU time includes pngquant's search for its palette, and for all others only writing.\n\n"
        f"{table(found)}\n\n{machine()}\n"
    )
    print(page)
    if given.output:
        given.output.write_text(page)


if __name__ == "__main__":
    main()
