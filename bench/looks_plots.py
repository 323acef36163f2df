"""Rate–distortion curves: bytes on a logarithmic axis against each of the three measures.

A line is a tool, a point one k: the mean over the images, of bytes the geometric mean. Errors grow
downwards, so that up and left is better in every panel. Names stand beside the ends of the lines.
"""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl

import smalti
from looks_results import Looks
from looks_scores import AXES
from looks_tools import BASE, OURS, UNDITHERED

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = ["plot_name", "write"]

# Okabe and Ito's colors, as in the other plots: blue for smalti, the others as they are there.
STYLES = {
    OURS: ("#0072B2", "-", "D"),
    UNDITHERED: ("#56B4E9", ":", "D"),
    BASE: ("#D55E00", "-", "o"),
    "imagequant": ("#B98300", "--", "s"),
    "libimagequant 4": ("#8C5A2B", "-.", "P"),
    "Pillow MEDIANCUT": ("#9A5B8A", "--", "^"),
    "Pillow FASTOCTREE": ("#555555", "--", "v"),
}
SIZED = (("#007A5A", "-", "d"), ("#00B07F", "-", "X"), ("#4D9221", "-", "*"))
FONT = 9.5
DPI = 110
LINE = 0.058  # height of a name, as a share of the panel's
LEADER = {"arrowstyle": "-", "linewidth": 0.6, "relpos": (0, 0.5)}  # to the start of a name
Curve = list[tuple[int, float, float]]  # k, bytes, measure


def plot_name(group: str) -> str:
    return f"curves-{group.lower()}.png"


def write(looks: Looks, folder: Path) -> None:
    """Write one figure per group of images, as palette images of few colors."""
    for group in looks.groups:
        figure = draw(looks, group)
        file = io.BytesIO()
        figure.savefig(file, dpi=DPI)
        plt.close(figure)
        target = folder / plot_name(group)
        smalti.compress(file.getvalue(), target, k=48, dither="none", overwrite=True)


def draw(looks: Looks, group: str) -> Any:
    mpl.rcParams.update({"font.size": FONT, "axes.linewidth": 0.6})
    figure, panels = plt.subplots(len(AXES), 1, figsize=(9, 4.4 * len(AXES) + 0.6))
    count = sum(not looks.is_large(name) for name in looks.groups[group])
    figure.suptitle(
        f"Bytes and looks, means over {count} images ({group}): up and left is better",
        fontsize=13,
        x=0.085,
        ha="left",
    )
    for axes, (which, words) in zip(panels, AXES.items(), strict=True):
        panel(axes, looks, group, which)
        axes.set_ylabel(words + ("" if which == "ssimulacra2" else ", downwards"))
    panels[-1].set_xlabel("bytes per file, geometric mean")
    figure.subplots_adjust(left=0.085, right=0.8, top=0.955, bottom=0.045, hspace=0.13)
    for axes in panels:
        write_labels(axes)
    return figure


def style(looks: Looks, tool: str) -> tuple[str, str, str]:
    if tool in looks.sized:
        return SIZED[looks.sized.index(tool) % len(SIZED)]
    return STYLES[tool]


def curve(looks: Looks, tool: str, group: str, which: str) -> Curve:
    """One point per k that the tool was run at on all images."""
    found = []
    for k in looks.ks:
        size, value = (looks.typical(tool, group, k, field) for field in ("bytes", which))
        if size is not None and value is not None:
            found.append((k, size, value))
    return found


def panel(axes: Any, looks: Looks, group: str, which: str) -> None:
    curves = {tool: curve(looks, tool, group, which) for tool in looks.tools}
    curves = {tool: points for tool, points in curves.items() if points}
    axes.set_xscale("log")
    if which != "ssimulacra2":
        axes.set_yscale("log")
    for tool, points in curves.items():
        color, line, marker = style(looks, tool)
        _, sizes, values = zip(*points, strict=True)
        own = tool == OURS
        axes.plot(
            sizes, values, color=color, linestyle=line, marker=marker, markersize=5,
            linewidth=2.2 if own else 1.4, zorder=4 if own else 3,
        )  # fmt: skip
    tidy(axes, curves, which)
    axes.curves = curves
    axes.colors = {tool: style(looks, tool)[0] for tool in curves}


def tidy(axes: Any, curves: dict[str, Curve], which: str) -> None:
    sizes = [size for points in curves.values() for _, size, _ in points]
    axes.set_xlim(min(sizes) / 1.12, max(sizes) * 1.06)
    axes.margins(y=0.09)
    if which != "ssimulacra2":
        axes.invert_yaxis()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g} kB"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#E8E8E8", linewidth=0.6)
    axes.set_axisbelow(True)


def write_labels(axes: Any) -> None:
    """The names of the lines in a column at the right, in the order in which the lines end."""
    ends = [(tool, *points[-1][1:]) for tool, points in axes.curves.items()]
    heights = [
        axes.transAxes.inverted().transform(axes.transData.transform(end[1:])) for end in ends
    ]
    order = sorted(range(len(ends)), key=lambda i: heights[i][1])
    for i, height in zip(order, spread([heights[i][1] for i in order]), strict=True):
        tool, x, y = ends[i]
        axes.annotate(
            tool, (x, y), xytext=(1.03, height), textcoords="axes fraction", va="center",
            color=axes.colors[tool], weight="bold" if tool == OURS else "normal",
            arrowprops=LEADER | {"color": axes.colors[tool]}, annotation_clip=False,
        )  # fmt: skip
    for k, x, y in axes.curves.get(OURS, ()):
        axes.annotate(
            f"k = {k}", (x, y), xytext=(-6, 4), textcoords="offset points",
            ha="right", fontsize=FONT - 1.5, color=axes.colors[OURS], zorder=6,
        )  # fmt: skip


def spread(heights: list[float]) -> list[float]:
    """Places in ascending order, each at least LINE above the one before, none far from its own."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + LINE) if places else max(height, LINE / 2))
    top = 1 - LINE / 2
    for i in reversed(range(len(places))):  # those that ran out at the top push the others down
        places[i] = min(places[i], top)
        top = places[i] - LINE
    return places
