"""Writes docs/scaling.md: how time and memory grow with pixels, with colors and with k.

    python bench/scaling.py --output PAGE [--images FOLDER] [--photo FILE]

Every line of a table is a process of its own, so that its peak of memory is its own. Pictures are
drawn (drawn.py), but for the photo. Runs with one and with two threads take turns; the lowest time
of each is shown, for other processes can only add to it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

import drawn
from measure import cpu_seconds, machine

EFFORTS = ("fast", "default", "best")
SIZES = (0.4, 1, 4, 10, 24, 50, 100)  # megapixels
COLORS = (1, 10_000, 100_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 2**24)
KS = (2, 16, 64, 256, 1024)
MANY = 200_000  # distinct colors of a photograph
MIB = 2**20
PATIENCE = 1.5  # seconds spent on a line, three runs of each kind at least

Row = dict[str, Any]


def limit(megapixels: float) -> float:
    """Return the MiB that quantizing may take, input and result included."""
    return 60 + 12 * megapixels * 1e6 / MIB


# ---------------------------------------------------------------- one line, in its own process


def status(field: str) -> float:
    """Return a line of this process's memory in MiB: VmRSS is now, VmHWM the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure(file: str, k: int, space: str, effort: str) -> Row:
    """Quantize a picture until patience ends, with one thread and with two by turns."""
    import smalti

    def quantize(image: np.ndarray, threads: int) -> Any:
        return smalti.quantize(image, k, space=space, effort=effort, threads=threads)

    quantize(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), 2)  # what is loaded on first use
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    image = np.load(file)
    result = quantize(image, 2)
    peak = status("VmHWM") - before
    times = []
    deadline = time.perf_counter() + PATIENCE
    while len(times) < 3 or (time.perf_counter() < deadline and len(times) < 25):
        times.append([timed(lambda t=threads: quantize(image, t)) for threads in (1, 2)])
    (one, two) = zip(*times, strict=True)
    pixels = result.indices.size
    return {
        "megapixels": pixels / 1e6,
        "colors": result.fit.distinct_colors,
        "k": k,
        "effort": effort,
        "space": space,
        "channels": image.shape[2],
        "peak": peak,
        "cpu": min(cpu for cpu, _ in one) * 1e3,
        "wall": min(wall for _, wall in one) * 1e3,
        "wall2": min(wall for _, wall in two) * 1e3,
        "gain": median(a[1] / b[1] for a, b in times),
    }


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    start = time.perf_counter()
    cpu, _ = cpu_seconds(call)
    return cpu, time.perf_counter() - start


def child(**spec: Any) -> Row:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row: Row = json.loads(done.stdout)
    print({name: round(v, 2) if isinstance(v, float) else v for name, v in row.items()}, flush=True)
    return row


def command_peak(*arguments: str) -> float:
    """Return the peak of memory of a whole `smalti compress`, in MiB."""
    code = (
        "import sys; from pathlib import Path; from smalti.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "status = Path('/proc/self/status').read_text().split()\n"
        "print(int(status[status.index('VmHWM:') + 1]) / 1024, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "compress", "-q", "-f", "--allow-larger", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stderr.splitlines()[-1])


# ---------------------------------------------------------------- the tables


class Pictures:
    """Draws pictures into files, each once."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def save(self, name: str, draw: Callable[[], np.ndarray]) -> str:
        file = self._folder / f"{name}.npy"
        if not file.exists():
            np.save(file, draw())
        return str(file)

    def drawn(self, megapixels: float, colors: int, channels: int = 3) -> str:
        name = f"{megapixels:g}-{colors}-{channels}"
        pixels = round(megapixels * 1e6)
        return self.save(name, lambda: drawn.draw(pixels, colors, channels))


def by_size(pictures: Pictures) -> list[Row]:
    files = {size: pictures.drawn(size, MANY) for size in SIZES}
    return [
        child(file=files[size], k=256, space="oklab", effort=effort)
        for effort in EFFORTS
        for size in SIZES
    ]


def by_colors(pictures: Pictures) -> list[Row]:
    every = 4096 * 4096 / 1e6  # the size at which a picture can hold every color
    return [
        child(file=pictures.drawn(every, colors, channels), k=256, space="oklab", effort="default")
        for channels in (3, 4)
        for colors in COLORS
        if channels == 3 or colors <= 4_000_000
    ]


def by_k(pictures: Pictures) -> list[Row]:
    file = pictures.drawn(24, MANY)
    return [
        child(file=file, k=k, space="oklab", effort=effort) for effort in EFFORTS for k in KS
    ]


def by_kind(pictures: Pictures, photo: Path | None) -> Iterator[tuple[str, Row]]:
    files = {name: pictures.save(name, lambda n=name: drawn.hard(n, 4096)) for name in drawn.HARD}
    if photo:
        with Image.open(photo) as image:
            pixels = np.asarray(image.convert("RGB"))
        files = {"a photo": pictures.save("photo", lambda: pixels), **files}
    for name, file in files.items():
        for space in ("oklab", "srgb"):
            yield name, child(file=file, k=256, space=space, effort="default")


def of_command(pictures: Pictures, folder: str) -> Iterator[tuple[float, int, float]]:
    """Yield megapixels, channels, and the MiB that the command takes beyond its start."""
    tiny, out = Path(folder, "tiny.png"), str(Path(folder, "out.png"))
    Image.new("RGB", (8, 8)).save(tiny)
    start = command_peak(str(tiny), "-o", out)
    for size, channels in ((1, 3), (10, 3), (24, 3), (10, 4)):
        image = np.load(pictures.drawn(size, MANY, channels))
        file = Path(folder, "picture.png")
        Image.fromarray(image).save(file, compress_level=1)
        yield size, channels, command_peak(str(file), "-o", out) - start


# ---------------------------------------------------------------- the page


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def amount(n: float) -> str:
    return f"{n:,.0f}" if n >= 100 else f"{n:.3g}"


def size_table(rows: list[Row]) -> str:
    head = ["megapixels", "colors", *(f"{effort}, ms" for effort in EFFORTS)]
    head += [f"{effort}, ns per pixel" for effort in EFFORTS]
    head += ["default, wall, 1 thread", "2 threads", "times faster", "peak MiB", "limit"]
    lines = []
    for row in (row for row in rows if row["effort"] == "default"):
        same = [r for r in rows if r["megapixels"] == row["megapixels"]]
        cpu = [r["cpu"] for r in same]
        line = [f"{row['megapixels']:g}", f"{row['colors']:,}", *map(amount, cpu)]
        line += [f"{ms / row['megapixels']:.1f}" for ms in cpu]
        line += [amount(row["wall"]), amount(row["wall2"]), f"{row['gain']:.2f}"]
        most = max(r["peak"] for r in same)
        lines.append([*line, amount(most), amount(limit(row["megapixels"]))])
    return table(head, lines)


def color_table(rows: list[Row]) -> str:
    head = ["colors", "channels", "CPU ms", "wall, 1 thread", "2 threads", "times faster"]
    lines = [
        [f"{row['colors']:,}", "RGB" if row["channels"] == 3 else "RGBA", amount(row["cpu"])]
        + [amount(row["wall"]), amount(row["wall2"]), f"{row['gain']:.2f}", amount(row["peak"])]
        for row in rows
    ]
    return table([*head, "peak MiB"], lines)


def per_million(rows: list[Row], field: str, channels: int) -> float:
    """Return what a further million colors costs, from the last two million-color lines."""
    some = [row for row in rows if row["channels"] == channels and row["colors"] > 1.5e6]
    return float((some[-1][field] - some[0][field]) / (some[-1]["colors"] - some[0]["colors"]) * 1e6)


def k_table(rows: list[Row]) -> str:
    head = ["k", *(f"{effort}, ms" for effort in EFFORTS), "default, wall, 1 thread", "2 threads"]
    lines = []
    for k in KS:
        same = {row["effort"]: row for row in rows if row["k"] == k}
        plain = same["default"]
        line = [str(k), *(amount(same[effort]["cpu"]) for effort in EFFORTS)]
        line += [amount(plain["wall"]), amount(plain["wall2"]), f"{plain['gain']:.2f}"]
        lines.append(line)
    return table([*head, "times faster"], lines)


def kind_table(rows: list[tuple[str, Row]]) -> str:
    head = ["picture", "space", "megapixels", "colors", "CPU ms", "ns per pixel", "2 threads: times faster", "peak MiB"]
    lines = [
        [name, row["space"], amount(row["megapixels"]), f"{row['colors']:,}", amount(row["cpu"])]
        + [f"{row['cpu'] / row['megapixels']:.1f}", f"{row['gain']:.2f}", amount(row["peak"])]
        for name, row in rows
    ]
    return table(head, lines)


def command_table(rows: list[tuple[float, int, float]]) -> str:
    lines = [
        [f"{size:g}", "RGB" if channels == 3 else "RGBA", amount(peak), amount(limit(size))]
        for size, channels, peak in rows
    ]
    return table(["megapixels", "channels", "peak MiB", "limit"], lines)


# ---------------------------------------------------------------- the plots

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#666666"  # Okabe and Ito (2008)
SHADES = dict(zip(EFFORTS, (GREEN, BLUE, ORANGE), strict=True))


def panel(axes: Any, title: str, x: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(color="#E5E5E5", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def line(axes: Any, points: list[tuple[float, float]], label: str, color: str, **style: Any) -> None:
    """Draw a line with its name at its end."""
    axes.plot(*zip(*points, strict=True), color=color, **{"marker": "o", "markersize": 3.5, **style})
    axes.annotate(
        label, points[-1], xytext=(6, 0), textcoords="offset points", color=color, va="center",
        fontsize=9, annotation_clip=False,
    )  # fmt: skip


def plain_ticks(axis: Any, ticks: list[float], names: list[str]) -> None:
    axis.set_ticks(ticks, names)
    axis.set_ticks([], minor=True)


def draw_plots(sizes: list[Row], colors: list[Row], ks: list[Row], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def figure(name: str, *panels: Callable[[Any], None]) -> None:
        made, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False)
        for draw, one in zip(panels, axes[0], strict=True):
            draw(one)
        made.tight_layout(w_pad=3)
        made.savefig(folder / name, dpi=110)
        pyplot.close(made)

    figure("scaling-size.png", lambda a: plot_size(a, sizes), lambda a: plot_memory(a, sizes))
    figure("scaling-colors.png", lambda a: plot_colors(a, colors, "cpu"),
           lambda a: plot_colors(a, colors, "peak"))  # fmt: skip
    figure("scaling-k.png", lambda a: plot_k(a, ks))


def plot_size(axes: Any, rows: list[Row]) -> None:
    panel(axes, "CPU seconds, one thread", "megapixels")
    for effort, color in SHADES.items():
        some = [row for row in rows if row["effort"] == effort]
        line(axes, [(r["megapixels"], r["cpu"] / 1e3) for r in some], effort, color)
    plain_ticks(axes.xaxis, list(SIZES), [f"{size:g}" for size in SIZES])


def plot_memory(axes: Any, rows: list[Row]) -> None:
    panel(axes, "Peak memory, MiB", "megapixels")
    some = [row for row in rows if row["effort"] == "default"]
    at = [row["megapixels"] for row in some]
    line(axes, [(x, limit(x)) for x in at], "limit", GRAY, linestyle="--", marker="")
    line(axes, [(row["megapixels"], row["peak"]) for row in some], "taken", BLUE)
    line(axes, [(x, 3e6 * x / MIB) for x in at], "the input", GRAY, marker="", linewidth=1)
    plain_ticks(axes.xaxis, list(SIZES), [f"{size:g}" for size in SIZES])


def plot_colors(axes: Any, rows: list[Row], field: str) -> None:
    title = {"cpu": "CPU seconds, one thread", "peak": "Peak memory, MiB"}[field]
    panel(axes, title, "distinct colors")
    unit = 1e3 if field == "cpu" else 1
    for channels, name, color in ((4, "RGBA", ORANGE), (3, "RGB", BLUE)):
        some = [row for row in rows if row["channels"] == channels and row["colors"] > 1]
        line(axes, [(row["colors"], row[field] / unit) for row in some], name, color)
    plain_ticks(axes.xaxis, [1e4, 1e5, 1e6, 2**24], ["10,000", "100,000", "1 million", "all"])


def plot_k(axes: Any, rows: list[Row]) -> None:
    panel(axes, "CPU seconds, one thread", "k")
    for effort, color in SHADES.items():
        some = [row for row in rows if row["effort"] == effort]
        line(axes, [(row["k"], row["cpu"] / 1e3) for row in some], effort, color)
    plain_ticks(axes.xaxis, list(KS), [str(k) for k in KS])


PAGE = """\
# Scaling

How time and memory grow. Written by `make scaling`; not edited by hand.

{machine}. Load when it began: {load:.1f} (runnable processes; above 0, wall times are those of a shared machine).

**Pictures** are drawn by `bench/drawn.py` with as many pixels and colors as wanted: colors near the gray axis, dark to
light down the picture, neighbors well mixed. **Times** are the lowest of 3 to 25 runs of `quantize(image, k)` in Oklab without
dithering: CPU time of one thread, unless a column says wall. *Times faster* is the median over pairs of runs of the
wall time with one thread divided by that with two. **Peak memory** is that of the resident set during the first run, with
two threads, beyond what the interpreter takes once `numpy` and `smalti` are loaded and have worked on an 8 × 8 picture.
The input array (3 bytes per pixel, 4 with alpha) and the indices (1 byte) are counted. Each line is a process of its own.

## Pixels

{many:,} distinct colors at most, k = 256. The limit is what the project promises for up to two million
colors: 60 MiB and 12 bytes per pixel.

![Time and memory against image size](images/scaling-size.png)

{sizes}

## Distinct colors

{every:.1f} megapixels, k = 256, default effort. Above two million colors, a further million costs about {rgb_mib:.0f} MiB and
{rgb_ms:.0f} ms; with partial transparency {rgba_mib:.0f} MiB and {rgba_ms:.0f} ms.

![Time and memory against the number of distinct colors](images/scaling-colors.png)

{colors}

## Colors asked for

24 megapixels, {many:,} distinct colors.

![Time against k](images/scaling-k.png)

{ks}

## Pictures that are hard

{every:.1f} megapixels, k = 256, default effort.

{kinds}

## The command

`smalti compress -k 256` from PNG to PNG, {many:,} distinct colors at most: peak beyond that for an 8 × 8 picture. Decoding and encoding are
included, and the pictures are noise, which neither likes.

{commands}
"""


def write_page(output: Path, photo: Path | None) -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        pictures = Pictures(folder)
        sizes, colors, ks = by_size(pictures), by_colors(pictures), by_k(pictures)
        kinds, commands = list(by_kind(pictures, photo)), list(of_command(pictures, folder))
    draw_plots(sizes, colors, ks, output.parent / "images")
    page = PAGE.format(
        machine=machine(),
        load=load,
        many=MANY,
        every=4096 * 4096 / 1e6,
        sizes=size_table(sizes),
        colors=color_table(colors),
        ks=k_table(ks),
        kinds=kind_table(kinds),
        commands=command_table(commands),
        rgb_mib=per_million(colors, "peak", 3),
        rgb_ms=per_million(colors, "cpu", 3),
        rgba_mib=per_million(colors, "peak", 4),
        rgba_ms=per_million(colors, "cpu", 4),
    )
    output.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--data", type=Path, help="folder; the first large/*.jpg is measured, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(**json.loads(arguments.child))))
        return
    photos = sorted((arguments.data / "large").glob("*.jpg")) if arguments.data else []
    write_page(arguments.output, photos[0] if photos else None)


if __name__ == "__main__":
    main()
