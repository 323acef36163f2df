"""Time against error on logarithmic axes: one figure per space, one panel per k.

Both axes are relative to smalti's default preset on the same photos, so that rivals measured on a
few photos stand where they belong. Each point carries its name: labels are laid out so that none
covers another or a point.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

import labels
import smalti
from results import Results
from rivals import EFFORTS, OURS, RIVALS, Quantizer, ours

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

__all__ = ["FIGURES", "write"]

FIGURES = {"srgb": ("mse", "MSE"), "oklab": ("oklab", "mean squared Oklab error")}

# Okabe and Ito's colors, which people who confuse red and green tell apart, and a shape for each.
FAMILIES = {
    "smalti": ("#0072B2", "D", "smalti's presets"),
    "libimagequant": ("#D55E00", "o", "libimagequant: imagequant, npm's wasm build, vips"),
    "k-means": ("#007A5A", "s", "k-means: scikit-learn, OpenCV, FAISS"),
    "Pillow": ("#9A5B8A", "^", "Pillow"),
    "ImageMagick": ("#555555", "v", "ImageMagick"),
}
FONT = 8.5
DPI = 130


def write(results: Results, folder: Path) -> None:
    """Write benchmarks-srgb.png and benchmarks-oklab.png, as palette images of few colors."""
    for space in FIGURES:
        figure = draw(results, space)
        file = io.BytesIO()
        figure.savefig(file, dpi=DPI)
        plt.close(figure)
        smalti.compress(
            file.getvalue(), folder / f"benchmarks-{space}.png", k=32, dither="none", overwrite=True
        )


def draw(results: Results, space: str) -> Any:
    words = FIGURES[space][1]
    ks = results.judged_ks
    mpl.rcParams.update({"font.size": FONT, "axes.linewidth": 0.6})
    figure, panels = plt.subplots(len(ks), 1, figsize=(10, 5.4 * len(ks) + 1.3), squeeze=False)
    figure.suptitle(
        f"CPU time and {words} on {len(results.photos)} Kodak photos, smalti in {space}: "
        "lower left is better",
        fontsize=13,
        x=0.06,
        y=1 - 0.12 / figure.get_figheight(),
        ha="left",
        va="top",
    )
    for axes, k in zip(panels.flat, ks, strict=True):
        panel(axes, results, space, k)
        axes.set_ylabel(f"{words} ÷ that of smalti's default")
    panels.flat[-1].set_xlabel("CPU time of one thread ÷ that of smalti's default")
    legend(panels.flat[0])
    figure.subplots_adjust(
        left=0.07, right=0.985, top=1 - 1.12 / figure.get_figheight(), bottom=0.035, hspace=0.13
    )
    for axes in panels.flat:  # labels are measured in pixels, so after the panels have their place
        write_labels(axes)
    return figure


def legend(axes: Any) -> None:
    handles = [
        plt.Line2D([], [], color=color, marker=marker, linestyle="none", label=words)
        for color, marker, words in FAMILIES.values()
    ]
    handles.append(
        plt.Line2D([], [], color="#333333", marker="o", fillstyle="none", linestyle="none",
                   label="hollow: a few photos only")
    )  # fmt: skip
    handles.append(
        plt.Line2D([], [], color="#BBBBBB", linewidth=4, label="front: nothing is better in both")
    )
    axes.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.055, 1 - 0.36 / axes.figure.get_figheight()),
        ncols=3,
        frameon=False,
        fontsize=FONT,
    )


def points(results: Results, space: str, k: int) -> Iterator[tuple[Quantizer, float, float, bool]]:
    """Each quantizer with its time and error over the default's, and whether on all photos."""
    base, field = ours("default", space), FIGURES[space][0]
    own = {ours(effort, space) for effort in EFFORTS}
    for quantizer in (*RIVALS, *(q for q in OURS if q.name in own)):
        time = results.against(quantizer.name, base, k, "cpu")
        error = results.against(quantizer.name, base, k, field)
        if time is not None and error is not None:
            whole = len(results.values(quantizer.name, k, field)) == len(results.photos)
            yield quantizer, time, error, whole


def front(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other beats in both, from the fastest to the lowest in error."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(places):
        if not kept or y < kept[-1][1]:
            kept.append((x, y))
    return kept


def panel(axes: Any, results: Results, space: str, k: int) -> None:
    found = list(points(results, space, k))
    axes.set(xscale="log", yscale="log")
    best = front([(time, error) for _, time, error, _ in found])
    axes.step(*zip(*best, strict=True), where="post", color="#BBBBBB", linewidth=4, zorder=1)
    for quantizer, time, error, whole in found:
        color, marker, _ = FAMILIES[quantizer.family]
        own = quantizer.family == "smalti"
        axes.plot(
            time,
            error,
            marker=marker,
            markersize=8 if own else 6,
            color=color,
            markerfacecolor=color if whole else "white",
            zorder=4 if own else 3,
        )
    axes.front = best
    axes.labels = [(short(q), x, y, q.family) for q, x, y, _ in found]
    tidy(axes, [(time, error) for _, time, error, _ in found])
    axes.text(0.985, 0.965, f"k = {k}", transform=axes.transAxes, fontsize=13, ha="right", va="top")


def short(quantizer: Quantizer) -> str:
    """A name without what the legend says already."""
    if quantizer.family == "smalti":
        return quantizer.settings
    name = quantizer.name.removeprefix("Pillow ").removeprefix("libimagequant 4 ")
    return re.sub(r"^scikit-learn (?=\w*KMeans)", "", name)


def tidy(axes: Any, places: list[tuple[float, float]]) -> None:
    """Room for labels around the points, and ticks at round numbers."""
    xs, ys = zip(*places, strict=True)
    axes.set_xlim(min(xs) / 1.8, max(xs) * 2.2)
    axes.set_ylim(min(ys) / 1.3, max(ys) * 1.12)
    axes.xaxis.set_major_locator(FixedLocator([d * 10**e for e in range(-2, 5) for d in (1, 2, 5)]))
    axes.yaxis.set_major_locator(FixedLocator([1, 1.1, 1.2, 1.3, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(color="#EEEEEE", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def write_labels(axes: Any) -> None:
    """Write the name of each point where there is room, in the color of its family."""
    renderer = axes.figure.canvas.get_renderer()
    to_data = axes.transData.inverted().transform
    spots = axes.transData.transform([(x, y) for _, x, y, _ in axes.labels])
    texts = [
        axes.text(
            0,
            0,
            words,
            fontsize=FONT,
            color=FAMILIES[family][0],
            weight="bold" if family == "smalti" else "normal",
            zorder=5,
        )
        for words, _, _, family in axes.labels
    ]
    extents = [text.get_window_extent(renderer) for text in texts]
    sizes = [(extent.width + 4, extent.height + 3) for extent in extents]
    frame = axes.get_window_extent(renderer).extents
    obstacles = labels.boxes_along(axes.transData.transform(axes.front))
    obstacles.append((frame[2] - 70, frame[3] - 30, frame[2], frame[3]))  # where k is written
    boxes = labels.lay_out(spots, sizes, tuple(frame), obstacles)
    for text, box, spot in zip(texts, boxes, spots, strict=True):
        text.set_position(to_data((box[0] + 2, box[1] + 3)))
        if line := labels.leader(box, spot):
            axes.plot(*to_data(line).T, color=text.get_color(), linewidth=0.5, zorder=2)
