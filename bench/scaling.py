"""Writes docs/scaling.md: how time and memory grow with pixels, with colors and with k.

    python bench/scaling.py --output PAGE [--data FOLDER]

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
from typing import Any

import numpy as np
from PIL import Image

import drawn
from measure import cpu_seconds, machine

EFFORTS = ("turbo", "fast", "default", "best")
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
        return smalti.quantize(image, k, space=space, effort=effort, dither="none", threads=threads)

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
        "import sys; from pathlib import Path; from smalti.cli.app import smalti\n"
        "smalti.main(sys.argv[1:], standalone_mode=False)\n"
        "status = Path('/proc/self/status').read_text().split()\n"
        "print(int(status[status.index('VmHWM:') + 1]) / 1024)"
    )
    command = [sys.executable, "-c", code, "compress", "-q", "-f", "--allow-larger", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


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
    return [child(file=file, k=k, space="oklab", effort=effort) for effort in EFFORTS for k in KS]


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


# ---------------------------------------------------------------- rows of text


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def amount(n: float) -> str:
    return f"{n:,.0f}" if n >= 100 else f"{n:.3g}"


def walls(row: Row) -> list[str]:
    return [amount(row["wall"]), amount(row["wall2"]), f"{row['wall'] / row['wall2']:.2f}"]


def costs(row: Row) -> list[str]:
    return [amount(row["cpu"]), *walls(row), amount(row["peak"])]


WALLS = ["wall, 1 thread", "2 threads", "times faster"]
COSTS = ["CPU ms", *WALLS, "peak MiB"]
KINDS = {3: "RGB", 4: "RGBA"}


def size_table(rows: list[Row]) -> str:
    head = ["megapixels", *(f"{effort}, ms" for effort in EFFORTS), *WALLS, "peak MiB", "limit"]
    lines = []
    for row in (row for row in rows if row["effort"] == "default"):
        same = [r for r in rows if r["megapixels"] == row["megapixels"]]
        line = [f"{row['megapixels']:g}", *(amount(r["cpu"]) for r in same), *walls(row)]
        most = max(r["peak"] for r in same)
        lines.append([*line, amount(most), amount(limit(row["megapixels"]))])
    return table(head, lines)


def color_table(rows: list[Row]) -> str:
    head = ["colors", "channels", *COSTS]
    lines = [[f"{row['colors']:,}", KINDS[row["channels"]], *costs(row)] for row in rows]
    return table(head, lines)


def slope(rows: list[Row], field: str, by: str, start: float, **like: Any) -> float:
    """Return what one more of `by` adds to a field, from the first line above `start` on."""
    some = [row for row in rows if row[by] > start and all(row[n] == v for n, v in like.items())]
    return float((some[-1][field] - some[0][field]) / (some[-1][by] - some[0][by]))


def k_table(rows: list[Row]) -> str:
    head = ["k", *(f"{effort}, ms" for effort in EFFORTS), *WALLS]
    lines = []
    for k in KS:
        same = {row["effort"]: row for row in rows if row["k"] == k}
        cpu = (amount(same[effort]["cpu"]) for effort in EFFORTS)
        lines.append([str(k), *cpu, *walls(same["default"])])
    return table(head, lines)


def kind_table(rows: list[tuple[str, Row]]) -> str:
    head = ["picture", "space", "megapixels", "colors", *COSTS]
    lines = [
        [name, row["space"], amount(row["megapixels"]), f"{row['colors']:,}", *costs(row)]
        for name, row in rows
    ]
    return table(head, lines)


def command_table(rows: list[tuple[float, int, float]]) -> str:
    lines = [
        [f"{size:g}", KINDS[channels], amount(peak), amount(limit(size))]
        for size, channels, peak in rows
    ]
    return table(["megapixels", "channels", "peak MiB", "limit"], lines)


# ---------------------------------------------------------------- the plots

# Okabe and Ito (2008)
BLUE, ORANGE, GREEN, PURPLE, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
SHADES = dict(zip(EFFORTS, (PURPLE, GREEN, BLUE, ORANGE), strict=True))
# Where the name of a line stands: above its first point, behind its last one or before it.
START = {"xytext": (0, 6), "va": "bottom", "ha": "left"}
END = {"xytext": (6, 0), "va": "center", "ha": "left"}
BEFORE = {"xytext": (-7, 2), "va": "bottom", "ha": "right"}


def panel(axes: Any, title: str, x: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(color="#E5E5E5", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def line(axes: Any, points: list[tuple[float, float]], name: str, color: str,
         place: dict[str, Any] = END, **style: Any) -> None:  # fmt: skip
    style = {"color": color, "marker": "o", "markersize": 3.5, **style}
    axes.plot(*zip(*points, strict=True), **style)
    axes.annotate(
        name,
        points[0 if place is START else -1],
        textcoords="offset points",
        color=color,
        fontsize=9,
        annotation_clip=False,
        **place,
    )


def label_x(axes: Any, ticks: list[float], names: list[str] | None = None) -> None:
    axes.xaxis.set_ticks(ticks, names or [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_ticks([], minor=True)


def label_y(axes: Any, name: Callable[[float], str]) -> None:
    """Ticks at 1, 2, 5, 10 ..., as few as enclose the lines."""
    ladder = [step * 10**power for power in range(-1, 6) for step in (1, 2, 5)]
    values = np.concatenate([drawn_line.get_ydata() for drawn_line in axes.lines])
    first = max(i for i, step in enumerate(ladder) if step <= values.min())
    last = min(i for i, step in enumerate(ladder) if step >= values.max())
    ticks = ladder[first : last + 1]
    axes.yaxis.set_ticks(ticks, [name(tick) for tick in ticks])
    axes.yaxis.set_ticks([], minor=True)
    axes.set_ylim(ticks[0] * 0.95, ticks[-1] * 1.05)


def duration(ms: float) -> str:
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1e3:g} s"


def memory(mib: float) -> str:
    return f"{mib:g} MiB" if mib < 1000 else f"{mib / 1e3:g},000 MiB"


def draw_plots(sizes: list[Row], colors: list[Row], ks: list[Row], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def figure(name: str, *panels: Callable[[Any], None]) -> None:
        made, axes = pyplot.subplots(
            1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False
        )
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
    panel(axes, "CPU time, one thread", "megapixels")
    for effort, color in SHADES.items():
        some = [(row["megapixels"], row["cpu"]) for row in rows if row["effort"] == effort]
        line(axes, some, effort, color, START)
    label_x(axes, list(SIZES))
    label_y(axes, duration)


def plot_memory(axes: Any, rows: list[Row]) -> None:
    panel(axes, "Peak memory", "megapixels")
    some = [row for row in rows if row["effort"] == "default"]
    at = [row["megapixels"] for row in some]
    line(axes, [(x, limit(x)) for x in at], "limit", GRAY, marker="", linestyle="--")
    line(axes, [(row["megapixels"], row["peak"]) for row in some], "taken", BLUE)
    line(axes, [(x, 3e6 * x / MIB) for x in at], "input", GRAY, marker="")
    label_x(axes, list(SIZES))
    label_y(axes, memory)


def plot_colors(axes: Any, rows: list[Row], field: str) -> None:
    panel(axes, "CPU time, one thread" if field == "cpu" else "Peak memory", "distinct colors")
    for channels, name, color, place in ((4, "RGBA", ORANGE, BEFORE), (3, "RGB", BLUE, END)):
        some = [row for row in rows if row["channels"] == channels and row["colors"] > 1]
        line(axes, [(row["colors"], row[field]) for row in some], name, color, place)
    label_x(axes, [1e4, 1e5, 1e6, 2**24], ["10,000", "100,000", "1 million", "all"])
    label_y(axes, duration if field == "cpu" else memory)


def plot_k(axes: Any, rows: list[Row]) -> None:
    panel(axes, "CPU time, one thread", "k")
    for effort, color in SHADES.items():
        some = [row for row in rows if row["effort"] == effort]
        line(axes, [(row["k"], row["cpu"]) for row in some], effort, color)
    label_x(axes, list(KS))
    label_y(axes, duration)


# ---------------------------------------------------------------- the page

PAGE = """\
# Scaling

How time and memory grow. Written by `make scaling`; not edited by hand.

{machine}. Load average when it began: {load:.1f}; the more the machine has to do
besides, the less its wall times mean.

**Pictures** are drawn by `bench/drawn.py`, with as many pixels and colors as wanted: colors near
the gray axis, dark to light down the picture, neighbors well mixed.

**Times** are of `quantize(image, k)` in Oklab without dithering, in milliseconds, the lowest of 3
to 25 runs: CPU time of one thread unless a column says wall. Wall times are those of the default
effort, with one thread and with two by turns.

**Peak memory** is that of the resident set during a run with two threads, beyond what the
interpreter takes once numpy and smalti are loaded and have been used on an 8 × 8 picture. The
input (3 bytes per pixel, 4 with alpha) and the indices (1 byte) count. Each line is a process of
its own.

## Pixels

{many:,} distinct colors, k = 256. A further megapixel costs {pixel_ms:.1f} ms and
{pixel_mib:.1f} MiB. The limit is 60 MiB and 12 bytes per pixel.

![Time and memory against image size](images/scaling-size.png)

{sizes}

## Distinct colors

{every:.1f} megapixels, k = 256, default effort. Above two million colors, a further million costs
about {rgb_ms:.0f} ms and {rgb_mib:.0f} MiB; if they are partly transparent, {rgba_ms:.0f} ms and
{rgba_mib:.0f} MiB.

![Time and memory against the number of distinct colors](images/scaling-colors.png)

{colors}

## Colors asked for

24 megapixels, {many:,} distinct colors.

![Time against k](images/scaling-k.png)

{ks}

## Pictures that algorithms stumble over

k = 256, default effort.

{kinds}

## The command

`smalti compress -k 256` from PNG to PNG: the whole process, decoding and encoding included, beyond
what it takes for an 8 × 8 picture.

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
        pixel_ms=slope(sizes, "cpu", "megapixels", 5, effort="default"),
        pixel_mib=slope(sizes, "peak", "megapixels", 5, effort="default"),
        rgb_ms=1e6 * slope(colors, "cpu", "colors", 1.5e6, channels=3),
        rgb_mib=1e6 * slope(colors, "peak", "colors", 1.5e6, channels=3),
        rgba_ms=1e6 * slope(colors, "cpu", "colors", 1.5e6, channels=4),
        rgba_mib=1e6 * slope(colors, "peak", "colors", 1.5e6, channels=4),
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
