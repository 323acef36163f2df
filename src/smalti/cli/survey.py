"""`smalti survey`: the colors of a collection as tables, and which pictures have alike ones."""

import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from .. import tables, transport
from ..batch import survey as surveys
from ..batch.runs import Progress
from ..files import shown
from ..options import OPTIONS
from .engines import engine_options
from .parameters import Command, flag, knob
from .terminal import Bar, as_json, complain, say, tell

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["survey"]

K = replace(
    OPTIONS["k"],
    default=surveys.DEFAULT_K,
    high=surveys.MAX_COLORS,
    words=(),
    help="Colors of each palette, at most.",
)
SPACE = replace(
    OPTIONS["space"], help="Color space to find palettes in; images are compared in Oklab anyway."
)
TABLES = {
    "output": "one per image and color",
    "images": "one per image",
    "distances": "and as many columns: all distances",
    "pairs": "one per pair of images",
}
"""What a row is, by the option that says where the table goes."""

TOLD = 20  # failures that are named; a table has them all


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some images could not be read; 2 usage, none could, or an extra "
    "is missing; 15 a table exists (see --force); 16 cannot write.",
)
@click.argument("sources", nargs=-1, metavar="SRC...", required=True)
@click.option(
    "-o", "--output", metavar="FILE", help="Table of colors: one row per image and color."
)
@click.option(
    "--images",
    metavar="FILE",
    help="Table of images: one row each, with its palette and the image whose palette is nearest.",
)
@click.option(
    "--distances",
    metavar="FILE",
    help="Square table of the distances of all images, as as.dist() of R takes it (up to "
    f"{surveys.MAX_PAIRED:,} images).",
)
@click.option("--pairs", metavar="FILE", help="The same distances, one row per pair of images.")
@flag("-f", "--force", help="Replace existing tables.")
@knob(K, "-k", "--colors")
@knob(SPACE)
@knob("effort")
@knob("seed")
@flag(
    "--no-auto", help="Do not find how many colors each image needs (k_auto): several times faster."
)
@engine_options("Keep what is done there, and go on from it the next time.")
@flag("--json", help="Print the images and their palettes as one JSON object.")
@flag("-q", "--quiet", help="Print errors only.")
@flag("--debug", help="Print the traceback of errors.")
def survey(**given: Any) -> int:
    """Make tables of the colors of many pictures.

    SRC is a file, a folder with all in it, a pattern, or a URL that fsspec knows. Tables are
    .csv or .parquet (extra [survey]), for pandas, R and spreadsheets; docs/survey.md says what
    their columns are.

    Palettes are compared by the earth mover's distance in Oklab: black and white are 1 apart.
    That needs SciPy (extra [survey]).
    """
    targets = {name: given[name] for name in TABLES if given[name]}
    _check(targets, given)
    with _Told(given["progress"], given["quiet"]) as told:
        found = surveys.survey(
            given["sources"],
            **{name: given[name] for name in ("k", "space", "effort", "seed", "jobs")},
            **{name: given[name] for name in ("engine", "address", "state", "max_errors")},
            auto=not given["no_auto"],
            on_progress=told.images,
        )
        made = _tables(found, targets, told) if found.names else {}
    for name, table in made.items():
        table.save(targets[name], overwrite=given["force"])
    if given["json"]:
        say(as_json(found.to_dict()))
    elif found.names and not given["quiet"]:
        say("\n".join([*_summary(found, made), *_written(made, targets)]))
    return _blamed(found)


def _check(targets: dict[str, str], given: dict[str, Any]) -> None:
    """Refuse, before any work, what could not be written."""
    if not targets and not given["json"]:
        raise click.UsageError("no table is asked for; give -o FILE, --images FILE or --json")
    if len(set(targets.values())) < len(targets):
        raise click.UsageError("two tables would be written to one file; give each its own")
    for path in targets.values():
        tables.check_target(path, overwrite=given["force"])
    if targets.keys() - {"output"}:
        transport.check_installed()


def _tables(
    found: surveys.Survey, targets: dict[str, str], told: "_Told"
) -> dict[str, tables.Table]:
    if targets.keys() & {"distances", "pairs"}:
        found.find_distances(progress=told.distances)
    make: dict[str, Callable[[], tables.Table]] = {
        "output": lambda: found.colors,
        "images": lambda: found.images_with_nearest(progress=told.distances),
        "distances": found.matrix,
        "pairs": found.pairs,
    }
    return {name: make[name]() for name in targets}


class _Told:
    """Progress on standard error: a bar, a line of JSON per step, or nothing."""

    def __init__(self, how: str, quiet: bool) -> None:
        self._json = how == "json"
        self._bar = Bar(1000, wanted=how in ("auto", "bar") and not quiet)
        self._said = 0.0

    def __enter__(self) -> "_Told":
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def images(self, progress: Progress) -> None:
        self._step("images", progress.done, progress.total, progress.to_dict())

    def distances(self, done: int, total: int) -> None:
        self._step("distances", done, total)

    def _step(self, what: str, done: int, total: int, more: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        if self._json and (done == total or now - self._said >= 1):
            tell(as_json({"step": what, "done": done, "total": total, **(more or {})}))
            self._said = now
        self._bar.move(1000 * done // max(1, total), f"{what} {done:,} of {total:,}")


# ---------------------------------------------------------------- telling


def _summary(found: surveys.Survey, made: dict[str, tables.Table]) -> list[str]:
    good = [record for record in found.records if record["ok"]]
    images = "1 image" if len(good) == 1 else f"{len(good):,} images"
    colors = sum(len(record["colors"]) for record in good)
    line = f"{images}: {colors:,} colors in palettes of up to {found.k:,}"
    needed = [record["k_auto"] for record in good if record["k_auto"] is not None]
    if needed:
        line += (
            f"; needed by auto: {min(needed):,} to {max(needed):,}, median {median(needed):,.0f}"
        )
    lines = [line]
    if found.others:
        lines.append(f"  {found.others:,} other file{'s' * (found.others > 1)} left alone")
    nearest = made.get("images")
    if nearest and len(good) > 1:
        rows = [row for row in nearest.rows() if row["nearest"]]
        row = min(rows, key=lambda row: row["nearest_distance"])
        lines.append(
            f"  most alike: {shown(row['image'])} and {shown(row['nearest'])}, "
            f"{row['nearest_distance']:.3f} apart"
        )
    return lines


def _written(made: dict[str, tables.Table], targets: dict[str, str]) -> list[str]:
    return [
        f"  → {shown(targets[name])}: {len(table):,} row{'s' * (len(table) != 1)}, {TABLES[name]}"
        for name, table in made.items()
    ]


def _blamed(found: surveys.Survey) -> int:
    """Tell what could not be read; return the exit code."""
    read = [record for record in found.failed if record["error"] != "NotDone"]
    for record in read[:TOLD]:
        complain(record["message"])
    if len(read) > TOLD:
        complain(f"and {len(read) - TOLD:,} more could not be read; the tables have all of them")
    if len(read) < len(found.failed):
        rest = len(found.failed) - len(read)
        complain(f"stopped by --max-errors; {rest:,} images were not looked at")
    if not found.names:
        return 2
    return 1 if found.failed else 0
