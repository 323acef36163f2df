"""Converge: k-means watched at work, from several seeds, as a table, numbers or a picture.

    image -> Histogram -> steps, once per seed -> [Convergence] -> table | JSON | .png .svg .gif

Every number comes from `steps`, the library's own iterations; nothing is
clustered a second time. What is added is a sample of the colors, to be drawn:
each takes the centroid that k-means assigns it to.

Lloyd's algorithm ends in a local optimum that the seeds decide: Lloyd (1982),
doi:10.1109/TIT.1982.1056489. Runs from several seeds side by side show it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import color, converge_figure, files, plots
from .errors import BadOption
from .fit import nearest_centroids
from .histogram import Histogram
from .image import Image
from .kmeans import Step
from .load import load
from .options import Option
from .quantize import apply_palette, build_palette, steps
from .settings import Settings

__all__ = ["INITS", "RUNS", "SUFFIXES", "Convergence", "Run", "converge"]

INITS = ("random", "k-means++", "splitting")
"""The seedings compared unless others are asked for; the first is the one that is drawn."""

RUNS = Option("runs", 5, "Runs of each seeding, from different seeds; splitting has one.", 1, 100)

SUFFIXES = (*plots.SUFFIXES, ".gif")

SAMPLE = 1500
"""Colors drawn: more would hide one another."""

THUMBNAIL = 300
"""Pixels along the longer side of the picture that is drawn."""

FRAME_COLORS = 255
"""Of an animation, which has one palette; GIF has room for 256."""

REASONS = {
    "converged": "nothing moved any more",
    "tol": "no centroid moved further than {tol:g}",
    "max_iter": "that was the last of {iterations} iterations",
}

SHOWN = (0, 1, 2, 3, 4, 5, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700)
"""Rows of the tables, besides the last one; the JSON has all."""


@dataclass(frozen=True, eq=False)
class Run:
    """Lloyd's algorithm from one set of seeds to its end."""

    init: str
    seed: int
    steps: tuple[Step, ...]
    """Step 0 is the seeds themselves, before anything has moved."""

    @property
    def name(self) -> str:
        """Seeding and seed; splitting has no seed to tell."""
        return self.init if self.init == "splitting" else f"{self.init}, seed {self.seed}"

    @property
    def distortion(self) -> float:
        """Where the run ends, in squared units of the space."""
        return self.steps[-1].distortion

    @property
    def iterations(self) -> int:
        """Updates made."""
        return self.steps[-1].iteration

    @property
    def stop_reason(self) -> str:
        """Why it ended: "converged", "tol" or "max_iter"."""
        return self.steps[-1].stop_reason or "max_iter"


@dataclass(frozen=True, eq=False)
class Convergence:
    """Runs of k-means on one image: what `converge` returns. `print` shows a table."""

    k: int
    space: str
    max_iter: int
    tol: float
    pixels: int
    """Of the image."""
    distinct_colors: int
    """Of the image; with at most k of them there is nothing to iterate, and no run."""
    runs: tuple[Run, ...]
    """By seeding, in the order asked for, then by seed."""
    sample: Histogram
    """Some of the visible colors, frequent ones likelier, and how many pixels each has."""
    thumbnail: Image
    """(H, W, 3|4) uint8, the image or every n-th of its rows and columns."""

    @property
    def best(self) -> Run:
        """The run that ends lowest, the first of several; there must be one."""
        return min(self.runs, key=lambda run: run.distortion)

    @property
    def inits(self) -> tuple[str, ...]:
        """The seedings, in the order asked for."""
        return tuple(dict.fromkeys(run.init for run in self.runs))

    def of(self, init: str) -> tuple[Run, ...]:
        """Return the runs of one seeding."""
        return tuple(run for run in self.runs if run.init == init)

    @cached_property
    def sample_places(self) -> NDArray[np.float64]:
        """(n, 3) where the sample's colors are, in units of the space; alpha is not shown."""
        colors = self.sample.stored_colors
        return color.to_points(colors, self.space)[:, :3] / color.UNITS[self.space]

    def assigned(self, step: Step) -> NDArray[np.uint16]:
        """Return the row of the centroid of `step` that each color of the sample comes to: (n,)."""
        return nearest_centroids(self.sample.stored_colors, step.centroids, self.space)

    def palette(self, step: Step) -> NDArray[np.uint8]:
        """Return the centroids of `step` as sRGB colors: (k, 3|4) uint8."""
        return color.from_points(step.centroids * color.UNITS[self.space], self.space)

    def picture(self, step: Step) -> NDArray[np.uint8]:
        """Return the thumbnail in the colors of `step`: (H, W, 3|4) uint8."""
        palette = self.palette(step)
        if palette.shape[1] == 4 and (self.thumbnail[..., 3] == 0).any():
            palette = np.concatenate([palette, np.zeros((1, 4), np.uint8)])
        return apply_palette(self.thumbnail, palette, space=self.space, dither="none").to_array()

    def why_nothing(self) -> str:
        """Return why an image has nothing to iterate, as half a sentence."""
        one = self.distinct_colors == 1
        colors = "1 color" if one else f"{self.distinct_colors:,} colors"
        return f"the image has {colors}, and k = {self.k} keeps {'it' if one else 'them all'}"

    def __str__(self) -> str:
        return (
            "\n".join(_report(self)) if self.runs else f"nothing to iterate: {self.why_nothing()}"
        )

    def size_text(self) -> str:
        """Return how many pixels and colors there are; those that cannot be seen take no part."""
        seen = int(self.runs[0].steps[0].counts.sum()) if self.runs else self.pixels
        visible = "" if seen == self.pixels else f" ({seen:,} visible)"
        return f"{self.pixels:,} pixels{visible} of {self.distinct_colors:,} colors"

    def summary(self) -> str:
        """Return the best run in one line."""
        best = self.best
        plural = "" if best.iterations == 1 else "s"
        return (
            f"{best.name}, distortion {_number(best.distortion, self.space)} after "
            f"{best.iterations} iteration{plural}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pixels, as plain values that JSON can hold."""
        best = {"init": self.best.init, "seed": self.best.seed} if self.runs else None
        return {
            "k": self.k,
            "space": self.space,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "pixels": self.pixels,
            "distinct_colors": self.distinct_colors,
            "best": best,
            "runs": [_run_to_dict(run) for run in self.runs],
        }

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Draw the runs as .png or .svg, or the first one as an animation, .gif.

        Raises
        ------
        BadOption : another suffix, or there is no run to draw.
        MissingExtra : matplotlib is not installed.
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        plots.check(path, SUFFIXES, overwrite=overwrite)
        if not self.runs:
            raise BadOption(f"{files.shown(path)}: there is nothing to draw: {self.why_nothing()}")
        if Path(path).suffix.lower() != ".gif":
            plots.save(converge_figure.figure(self), path, overwrite=overwrite)
            return
        frames, durations = converge_figure.frames(self)
        # One palette for all frames, and ours, of course.
        palette = build_palette(
            sum(Histogram.of(frame) for frame in frames), FRAME_COLORS, effort="fast"
        )
        indexed = [apply_palette(frame, palette, dither="none").indices for frame in frames]
        plots.save_animation(indexed, palette.colors, durations, path, overwrite=overwrite)


def converge(
    image: Any,
    k: int = 8,
    *,
    space: str = "oklab",
    init: str | Sequence[str] = INITS,
    runs: int = 5,
    seed: int = 0,
    max_iter: int | None = None,
    tol: float | None = None,
    threads: int | None = None,
    channels: str = "rgb",
) -> Convergence:
    """Run textbook k-means from several seeds and keep every step, to be looked at.

    Parameters
    ----------
    image : (H, W, 3), (H, W, 4) or (H, W) uint8 array, path, bytes, file object or Pillow image
    k : int, 1 to 65,536
    space : "oklab" or "srgb"
    init : one or more of "random", "k-means++", "splitting", "box"
        The seedings to compare.
    runs : int, 1 to 100
        Of each seeding, with the seeds `seed`, `seed` + 1, ...; one of splitting, which draws
        no random numbers.
    seed, max_iter, tol, threads : as in `quantize`, with the defaults of effort "lloyd"
    channels : "rgb" or "bgr"
        Order of the channels of an array.

    Returns
    -------
    Convergence
        `runs`, each with its `steps` from the seeds to the end; `print` it for a table, `save` it
        as a picture or an animation. No runs if k colors hold every color of the image.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded, BadOption : as for `quantize`.

    >>> image = np.uint8([[[0, 0, 0], [0, 0, 3], [0, 0, 9], [0, 0, 99]]])
    >>> found = converge(image, 2, init="random", runs=1, space="srgb")
    >>> [(step.iteration, step.distortion) for step in found.runs[0].steps]
    [(0, 11.25), (1, 10.5), (2, 10.5)]
    """
    inits = (init,) if isinstance(init, str) else tuple(dict.fromkeys(init))
    options: dict[str, Any] = {"space": space, "max_iter": max_iter, "tol": tol, "threads": threads}
    plans = [Settings.of(k, effort="lloyd", init=name, seed=seed, **options) for name in inits]
    if not plans:
        raise BadOption("init must name at least one seeding, got none")
    RUNS.check(runs)
    pixels = load(image, channels)
    histogram = Histogram.of(pixels, threads=plans[0].threads)
    if histogram.channels == 4 and histogram.opaque:
        histogram, pixels = histogram.without_alpha(), np.ascontiguousarray(pixels[..., :3])
    found = []
    for name in inits if len(histogram) > k else ():
        for number in range(1 if name == "splitting" else runs):
            this = (seed + number) % 2**64
            walk = steps(histogram, k, show_seeds=True, init=name, seed=this, **options)
            found.append(Run(name, this, tuple(walk)))
    return Convergence(
        k=k,
        space=space,
        max_iter=plans[0].max_iter,
        tol=plans[0].tol,
        pixels=histogram.total,
        distinct_colors=len(histogram),
        runs=tuple(found),
        sample=histogram.sample(SAMPLE),
        thumbnail=_thumbnail(pixels),
    )


def _thumbnail(image: Image) -> Image:
    """Return every n-th pixel: its colors are the image's own, unlike those of a smooth one."""
    every = -(-max(image.shape[:2]) // THUMBNAIL)
    return np.ascontiguousarray(image[::every, ::every])


def _run_to_dict(run: Run) -> dict[str, Any]:
    steps = [
        {
            "iteration": step.iteration,
            "distortion_before": step.distortion_before,
            "distortion": step.distortion,
            "shift": step.shift,
            "moved": step.moved,
        }
        for step in run.steps
    ]
    return {
        "init": run.init,
        "seed": run.seed,
        "iterations": run.iterations,
        "stop_reason": run.stop_reason,
        "distortion": run.distortion,
        "centroids": run.steps[-1].centroids.tolist(),
        "counts": run.steps[-1].counts.tolist(),
        "steps": steps,
    }


# ---------------------------------------------------------------- the table


def _report(found: Convergence) -> list[str]:
    lines = [
        f"k = {found.k} in {found.space}, {found.size_text()}; long runs in excerpts",
        "",
    ]
    for init in found.inits:
        lines += _table(found, found.of(init)[0])
    return lines + _summary(found)


def _table(found: Convergence, run: Run) -> list[str]:
    """Return the iterations of one run; of a long one, the first and some of the others."""
    lines = [
        run.name,
        "  iteration   distortion   largest shift   pixels moved",
    ]
    for step in run.steps:
        if step.iteration not in SHOWN and step is not run.steps[-1]:
            continue
        row = f"  {step.iteration:>9}   {_number(step.distortion, found.space):>10}"
        if step.iteration:
            row += f"   {step.shift:>13.4g}   {step.moved or 0:>12,}"
        else:
            row += "   the seeds"
        lines.append(row)
    reason = REASONS[run.stop_reason].format(tol=found.tol, iterations=found.max_iter)
    return [*lines, f"  stopped: {reason}", ""]


def _summary(found: Convergence) -> list[str]:
    """Return a line for each seeding: where its runs end."""
    lines = ["where the runs end    runs       lowest      highest   iterations"]
    for init in found.inits:
        runs = found.of(init)
        ends = [run.distortion for run in runs]
        low, high = (_number(value, found.space) for value in (min(ends), max(ends)))
        counts = [run.iterations for run in runs]
        spent = f"{min(counts)}" if len(runs) == 1 else f"{min(counts)}-{max(counts)}"
        lines.append(f"  {init:<18}  {len(runs):>4}   {low:>10}   {high:>10}   {spent:>10}")
    return [*lines, f"lowest: {found.summary()}"]


def _number(distortion: float, space: str) -> str:
    """Return a distortion with the decimals that matter in its space."""
    return f"{distortion:.8f}" if space == "oklab" else f"{distortion:,.3f}"
