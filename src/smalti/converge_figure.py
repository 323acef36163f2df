"""The pictures of a Convergence: color space, the image, and the distortion of every run.

    Convergence -> [figure] -> one page | [frames] -> an animation

Points are a sample of the image's colors, where they are in color space; a larger
point stands for more pixels. Assignment recolors the points, update moves the
centroids: two moments, drawn apart, because k-means is nothing but the two in turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .convergence import Convergence, Run
    from .kmeans import Step

__all__ = ["figure", "frames"]

# Shape as well as color tells the seedings apart.
LOOKS = {
    "random": (plots.ORANGE, "o"),
    "k-means++": (plots.BLUE, "s"),
    "splitting": (plots.GREEN, "D"),
    "box": (plots.RED, "^"),
}
AXES = {"srgb": ("green", "red", "blue"), "oklab": ("green – red", "blue – yellow", "lightness")}
COLUMNS = {"srgb": (1, 0, 2), "oklab": (1, 2, 0)}  # of the points: across, into the page, up
UNIT = {"srgb": (1.0, "distortion in sRGB"), "oklab": (1e4, "distortion in Oklab, times 10,000")}

VIEW = (16, -58)  # elevation and azimuth in degrees

TRAIL_LIMIT = 32
"""Above this many centroids, trails would cover the points."""

SAME = 0.0005
"""Runs that end this close, relative to the best, have found the same optimum: tol stops early."""

FEW_SEEDS = 3
"""So many are listed by number in one label."""

STEEP = 8
"""From this ratio of highest to lowest distortion on, the axis is logarithmic."""

ITERATIONS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Ticks; the axis is that of the square root, as the first iterations do most."""

WIDE, HIGH, FRAME_DPI = 8.6, 4.6, 100  # of a frame: inches and dots per inch

GLIDES = {1: 4, 2: 4, 3: 3, 4: 2}
"""Frames in which centroids move, by iteration; later ones move little."""

ANIMATED = (1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 40, 55, 75, 100, 150, 200, 300, 500)
"""Iterations that the animation stops at, besides the last one."""


# ---------------------------------------------------------------- one page


def figure(found: "Convergence") -> "Figure":
    """Return one page: four moments of the first run above, where all runs lead below."""
    run = found.runs[0]
    with plots.style():
        page = plots.new_figure(13.5, 8.6)
        page.suptitle(_headline(found), x=0.012, ha="left", fontsize=15)
        top, bottom = _split(page, 2, 1, height_ratios=[1, 1.05])
        _moments(top, found, run)
        left, middle, right = _split(bottom, 1, 3, width_ratios=[0.85, 1.35, 1.1])
        _pictures(left, found, run)
        _draw_runs(middle.subplots(), found)
        ends = right.subplots()
        _draw_ends(ends, found, 8.5 if len(found.inits) <= 3 else 7.3)
        ends.set_title(_moral(found))
    return page


def _split(part: Any, rows: int, columns: int, **ratios: Any) -> Any:
    return part.subfigures(rows, columns, **ratios)


def _headline(found: "Convergence") -> str:
    return f"k-means with k = {found.k} in {found.space}: {found.size_text()}"


def _moments(part: Any, found: "Convergence", run: "Run") -> None:
    """Draw seeds, assignment, update and end of one run."""
    seeds, first, last = run.steps[0], run.steps[min(1, len(run.steps) - 1)], run.steps[-1]
    own = found.sample.stored_colors[:, :3]
    nearest = found.palette(seeds)[found.assigned(seeds)]
    updated = found.palette(first)[found.assigned(seeds)]
    final = found.palette(last)[found.assigned(last)]
    iterations = "1 iteration" if run.iterations == 1 else f"{run.iterations} iterations"
    moments: tuple[tuple[str, NDArray[np.uint8], Step, Sequence[Step]], ...] = (
        (f"1  Seeds ({run.name})", own, seeds, ()),
        ("2  Assignment: colors join the nearest", nearest, seeds, ()),
        ("3  Update: centroids move to the means", updated, first, run.steps[:2]),
        (f"4  The end, after {iterations}", final, last, run.steps),
    )
    for number, (title, colors, step, trail) in enumerate(moments, 1):
        space = part.add_subplot(1, 4, number, projection="3d")
        _draw_space(space, found, colors, found.palette(step), _places(found, step))
        _draw_trails(space, found, trail)
        space.set_title(title, fontsize=10.5)


def _pictures(part: Any, found: "Convergence", run: "Run") -> None:
    """Draw the image as its seeds show it, and as the best run does."""
    image = found.thumbnail
    tall = image.shape[0] > 1.1 * image.shape[1]
    pictures = (
        (f"Seeds ({run.name})", found.picture(run.steps[0])),
        (f"Best end ({found.best.name})", found.picture(found.best.steps[-1])),
    )
    panels = part.subplots(1, 2) if tall else part.subplots(2, 1)
    for panel, (title, picture) in zip(panels, pictures, strict=True):
        panel.imshow(picture, interpolation="nearest")
        panel.set_title(title, fontsize=9 if tall else 10.5)
        panel.axis("off")


# ---------------------------------------------------------------- color space


def _places(found: "Convergence", step: "Step") -> NDArray[np.float32]:
    return step.centroids[:, list(COLUMNS[found.space])]


def _draw_space(
    space: Any,
    found: "Convergence",
    colors: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    places: NDArray[Any] | None,
) -> None:
    """Draw the sample in `colors`, and the centroids at `places` in the colors of `palette`."""
    points = found.sample_places[:, list(COLUMNS[found.space])]
    counts = found.sample.stored_counts
    sizes = 3 + 90 * np.sqrt(counts / counts.sum())
    space.computed_zorder = False  # centroids stay in front of the points
    space.scatter(
        *points.T, c=colors / 255, s=sizes, linewidths=0, depthshade=False, zorder=1,
        rasterized=True,
    )  # fmt: skip
    _draw_axes(space, found.space, points)
    if places is not None:
        size = 75 if found.k <= 16 else 40 if found.k <= 64 else 18
        _draw_centroids(space, places, palette[:, :3] / 255, size)


def _draw_centroids(space: Any, places: NDArray[Any], colors: NDArray[Any], size: float) -> None:
    """Draw each centroid in its color, ringed in white and black to stand out anywhere."""
    # All in one collection, which is drawn from back to front. The rings of a centroid share its
    # place but for a hair towards the eye, so that one centroid covers the other whole.
    elevation, azimuth = np.radians(VIEW)
    eye = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                    np.sin(elevation)]) * 1e-5 * np.ptp(space.get_w_lims())  # fmt: skip
    rings = ((1.9, np.zeros_like(colors)), (1.5, np.ones_like(colors)), (1.0, colors))
    space.scatter(
        *np.concatenate([places + eye * i for i in range(len(rings))]).T,
        c=np.concatenate([fill for _, fill in rings]),
        s=np.repeat([size * scale for scale, _ in rings], len(places)),
        linewidths=0, depthshade=False, zorder=4,
    )  # fmt: skip


def _draw_axes(space: Any, name: str, points: NDArray[np.float64]) -> None:
    """Frame the points with equal units on all axes; ticks would say little."""
    low, high = points.min(0), points.max(0)
    half = max(float((high - low).max()) / 2, 1e-3) * 1.02
    # Flat directions shrink, but not to nothing: a box that is a sheet is hard to read.
    reaches = np.maximum((high - low) / 2 * 1.05, half * 0.35)
    setters = (space.set_xlim, space.set_ylim, space.set_zlim)
    for middle, reach, set_limits in zip((low + high) / 2, reaches, setters, strict=True):
        set_limits(middle - reach, middle + reach)
    # A box is drawn with the same diagonal whatever its shape: tall ones would leave the page.
    tall = reaches[2] / np.linalg.norm(reaches)
    space.set_box_aspect(reaches / half, zoom=min(1.0, 0.86 / tall))
    space.set(xticks=[], yticks=[], zticks=[])
    names = zip((space.set_xlabel, space.set_ylabel, space.set_zlabel), AXES[name], strict=True)
    for set_label, label in names:
        set_label(label, labelpad=-12, fontsize=8.5, color="#555555")
    for axis in (space.xaxis, space.yaxis, space.zaxis):
        axis.set_pane_color((0.965, 0.965, 0.965, 1))
    space.view_init(*VIEW)


def _draw_trails(space: Any, found: "Convergence", steps: Sequence["Step"]) -> None:
    """Draw the way of each centroid through the steps."""
    if len(steps) < 2 or found.k > TRAIL_LIMIT:
        return
    ways = np.stack([_places(found, step) for step in steps], axis=1)  # (k, steps, 3)
    for way in ways:
        space.plot(*way.T, color="white", linewidth=2.6, zorder=2)
        space.plot(*way.T, color="black", linewidth=1.1, zorder=3)


# ---------------------------------------------------------------- distortion


def _draw_runs(panel: "Axes", found: "Convergence") -> None:
    """Draw the distortion of each run over its iterations."""
    scale, label = UNIT[found.space]
    best = found.best
    top = max(run.steps[min(1, run.iterations)].distortion for run in found.runs) * scale
    low = best.distortion * scale
    for run in found.runs:
        color, marker = LOOKS[run.init]
        numbers = [step.iteration for step in run.steps]
        values = [step.distortion * scale for step in run.steps]
        wide = 2.4 if run is best else 1.1
        panel.plot(numbers, values, color=color, linewidth=wide, zorder=3 if run is best else 2)
        panel.plot(numbers[-1:], values[-1:], color=color, marker=marker, markersize=6, zorder=4,
                   markeredgecolor="white", linestyle="none",
                   label=run.init if run is found.of(run.init)[0] else None)  # fmt: skip
    panel.plot([best.iterations], [low], marker="*", markersize=15, color="black", zorder=5,
               markeredgecolor="white", linestyle="none", label="lowest of all")  # fmt: skip
    if top > STEEP * low > 0:  # where the runs end would all be one line on even steps
        panel.set_yscale("log")
        panel.set_ylim(low * (low / top) ** 0.06, top * (top / low) ** 0.15)
        panel.yaxis.set_major_formatter("{x:,g}")
    else:
        margin = max(top - low, 1e-9) * 0.06
        panel.set_ylim(low - margin, top + 2.5 * margin)
    _number_iterations(panel, max(run.iterations for run in found.runs))
    panel.set_title("Distortion, run by run")
    panel.set_ylabel(label)
    panel.legend(
        ncols=len(found.inits) + 1, loc="upper right", borderaxespad=0, handletextpad=0.2,
        columnspacing=1.2, framealpha=1, edgecolor="white", fontsize=9,
    )  # fmt: skip


def _number_iterations(panel: "Axes", last: int) -> None:
    """Give the first iterations more room than the later ones."""
    panel.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    panel.set_xlim(0, max(last, 1) * 1.03)
    ticks = [tick for tick in ITERATIONS if tick <= last]
    panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("iteration")


def _draw_ends(panel: "Axes", found: "Convergence", font: float = 8.5, gap: float = 0.1) -> None:
    """Draw where the runs end: a column for each seeding, a label for each local optimum."""
    scale = UNIT[found.space][0]
    best = found.best
    low = best.distortion * scale
    same = _all_same(found)
    reach = low * 0.01 if same else max(run.distortion * scale - low for run in found.runs)
    reach = max(reach, 1e-9)
    lowest, highest = (low - reach if same else low), low + reach
    for column, init in enumerate(found.inits):
        color, marker = LOOKS[init]
        groups = list(_same_ends(found.of(init), best))
        values = [runs[0].distortion * scale for runs in groups]
        heights = _apart(values, reach * gap)
        for runs, value, height in zip(groups, values, heights, strict=True):
            panel.plot([column] * len(runs), [run.distortion * scale for run in runs],
                       color=color, marker=marker, markersize=7, linestyle="none",
                       markeredgecolor="white", zorder=3)  # fmt: skip
            panel.annotate(
                _end_label(runs, found), (column, value), (column + 0.16, height), va="center",
                fontsize=font, fontweight="bold" if best in runs else "normal", linespacing=1.05,
                arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6},
            )  # fmt: skip
        lowest, highest = min(lowest, heights[0]), max(highest, heights[-1])
    panel.plot([found.inits.index(best.init)], [low], marker="*", markersize=1.7 * font,
               color="black", markeredgecolor="white", linestyle="none", zorder=4)  # fmt: skip
    panel.set_xlim(-0.3, len(found.inits) - 0.15)
    panel.set_ylim(lowest - reach * gap, highest + reach * gap)
    panel.set_xticks(range(len(found.inits)), found.inits)
    panel.grid(axis="y", color="#eeeeee")
    panel.set_axisbelow(True)


def _same_ends(runs: Sequence["Run"], best: "Run") -> Iterator[list["Run"]]:
    """Yield the runs in groups that end within a two-thousandth of the best, lowest first."""
    group: list[Run] = []
    for run in sorted(runs, key=lambda run: run.distortion):
        if group and run.distortion - group[0].distortion > SAME * best.distortion:
            yield group
            group = []
        group.append(run)
    yield group


def _all_same(found: "Convergence") -> bool:
    highest = max(run.distortion for run in found.runs)
    return highest <= found.best.distortion * (1 + SAME)


def _moral(found: "Convergence") -> str:
    if _all_same(found):
        return "All seeds end in the same optimum"
    return "Other seeds, other local optima"


def _end_label(runs: Sequence["Run"], found: "Convergence") -> str:
    """Return how far above the best, and by which seeds."""
    best, init = found.best, runs[0].init
    above = runs[0].distortion / best.distortion - 1 if best.distortion else 0.0
    text = "best" if best in runs else "as low" if above <= SAME else f"+{100 * above:.1f} %"
    text = f"{1 + above:.1f} times" if above > 1 else text
    if init == "splitting":
        return text
    if len(runs) > FEW_SEEDS:
        return f"{text}\n{len(runs)} of {len(found.of(init))} seeds"
    listed = ", ".join(str(seed) for seed in sorted(run.seed for run in runs))
    return f"{text}\nseed{'' if len(runs) == 1 else 's'} {listed}"


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Return ascending heights near ascending `values` that keep a gap."""
    groups: list[tuple[float, int]] = []  # middle of the values, and how many
    for value in values:
        groups.append((value, 1))
        while len(groups) > 1:
            (below, m), (above, n) = groups[-2:]
            if above - below >= gap * (m + n) / 2:
                break
            groups[-2:] = [((below * m + above * n) / (m + n), m + n)]
    heights = [middle + gap * (i - (n - 1) / 2) for middle, n in groups for i in range(n)]
    floor = values[0] - gap / 3  # below the lowest value, nothing can be
    return [max(height, floor + gap * i) for i, height in enumerate(heights)]


# ---------------------------------------------------------------- animation


@dataclass(frozen=True, eq=False)
class _Moment:
    """What one frame shows."""

    title: str
    milliseconds: int
    colors: NDArray[np.uint8]  # of the points
    palette: NDArray[np.uint8]
    places: NDArray[Any] | None
    trail: Sequence["Step"]
    picture: NDArray[np.uint8]
    curve: list[tuple[float, float]]  # iteration, distortion
    over: bool = False


def frames(found: "Convergence") -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Return the frames of an animation of the first run, and how long each stays.

    Each frame is (H, W, 3) uint8; durations are milliseconds.
    """
    run = found.runs[0]
    pictures, durations = [], []
    for moment in _moments_of(found, run):
        with plots.style():
            pictures.append(plots.pixels_of(_frame(found, run, moment), FRAME_DPI))
        durations.append(moment.milliseconds)
    return pictures, durations


def _moments_of(found: "Convergence", run: "Run") -> Iterator[_Moment]:
    """Yield what happens: colors, seeds, then assignment and update in turn, and the end."""
    own = found.sample.stored_colors[:, :3]
    seeds = run.steps[0]
    palette, places = found.palette(seeds), _places(found, seeds)
    whole = found.thumbnail
    yield _Moment("The colors of the picture", 1500, own, palette, None, (), whole, [])
    scale = UNIT[found.space][0]
    picture = found.picture(seeds)
    curve = [(0.0, seeds.distortion * scale)]
    yield _Moment(f"{len(places)} seeds ({run.name})", 1500, own, palette, places, (), whole, [])
    shown = [step for step in run.steps[1:] if step.iteration in ANIMATED or step.stop_reason]
    for step in shown:
        before = run.steps[step.iteration - 1]
        way = run.steps[: step.iteration]
        labels = found.assigned(before)
        palette, start = found.palette(before), _places(found, before)
        curve = _curve(run, step.iteration, scale)
        slow = step.iteration in GLIDES
        picture = found.picture(before)
        yield _Moment(
            f"Iteration {step.iteration}, assignment: colors join the nearest centroid",
            1200 if step.iteration < 3 else 600 if slow else 250,
            palette[labels][:, :3], palette, start, way, picture, curve[:-1],
        )  # fmt: skip
        number = GLIDES.get(step.iteration, 1)
        end, after = _places(found, step), found.palette(step)
        for i in range(1, number + 1):
            last = i == number
            now = after if last else palette
            yield _Moment(
                f"Iteration {step.iteration}, update: centroids move to the means",
                (900 if step.iteration < 3 else 500 if slow else 250) if last else 120,
                now[labels][:, :3], now, start + (end - start) * (i / number),
                run.steps[: step.iteration + 1] if last else way,
                picture, curve if last else curve[:-1],
            )  # fmt: skip
    yield from _endings(found, run)


def _endings(found: "Convergence", run: "Run") -> Iterator[_Moment]:
    """Yield where this run ends, and where the best does."""
    plural = "" if run.iterations == 1 else "s"
    curve = _curve(run, run.iterations, UNIT[found.space][0])
    last, best = run.steps[-1], found.best
    title = f"The end, after {run.iterations} iteration{plural}: hardly anything moves any more"
    palette, colors = found.palette(last), found.palette(last)[found.assigned(last)][:, :3]
    yield _Moment(
        title, 2500, colors, palette, _places(found, last), run.steps, found.picture(last), curve
    )
    if len(found.runs) > 1:
        last = best.steps[-1]
        palette, colors = found.palette(last), found.palette(last)[found.assigned(last)][:, :3]
        title = f"{_moral(found)}; this is the best ({best.name})"
        yield _Moment(
            title, 5000, colors, palette, _places(found, last), (), found.picture(last), curve, True
        )


def _curve(run: "Run", iteration: int, scale: float) -> list[tuple[float, float]]:
    """Return the distortion after each half of each iteration: assignment, then update."""
    curve = [(0.0, run.steps[0].distortion * scale)]
    for step in run.steps[1 : iteration + 1]:
        curve += [(step.iteration - 0.5, step.distortion_before * scale)]
        curve += [(float(step.iteration), step.distortion * scale)]
    return curve


def _frame(found: "Convergence", run: "Run", moment: _Moment) -> "Figure":
    page = plots.new_figure(WIDE, HIGH)
    page.set_layout_engine("none")  # or the parts would shift from frame to frame
    page.text(0.02, 0.95, moment.title, fontsize=13, va="center")
    space = page.add_axes((0.0, 0.05, 0.52, 0.85), projection="3d")
    _draw_space(space, found, moment.colors, moment.palette, moment.places)
    _draw_trails(space, found, moment.trail)
    image = page.add_axes((0.55, 0.5, 0.43, 0.4))
    image.imshow(moment.picture, interpolation="nearest")
    image.axis("off")
    _draw_curve(page.add_axes((0.6, 0.12, 0.37, 0.32)), found, run, moment)
    return page


def _draw_curve(panel: "Axes", found: "Convergence", run: "Run", moment: _Moment) -> None:
    """Draw the distortion so far, on axes that stay the same in all frames; last, all ends."""
    scale, label = UNIT[found.space]
    panel.tick_params(labelsize=8)
    panel.set_title(label, fontsize=9)
    if moment.over:
        _draw_ends(panel, found, 7, 0.24)
        return
    if moment.curve:
        panel.plot(*np.transpose(moment.curve), color="black", linewidth=1.4)
        panel.plot(*moment.curve[-1], color="black", marker="o", markersize=5)
    lowest = min(other.distortion for other in found.runs) * scale
    top = run.steps[0].distortion * scale
    margin = max(top - lowest, 1e-9) * 0.05
    panel.set_ylim(lowest - margin, top + margin)
    _number_iterations(panel, run.iterations)
