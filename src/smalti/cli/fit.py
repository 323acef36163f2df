"""`smalti fit`: one palette for many pictures, or a palette lock with the colors of all of them."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from ..batch.fitting import BITS, Failures, Fitted, extend_lock, fit_many
from ..batch.runs import Progress
from ..decode import Limits
from ..files import check_writable, shown
from ..lock import FULL
from ..palette import SUFFIXES, check_target
from .engines import engine_options, progress_shown
from .locking import as_dict, frozen_option, full_option, limit_option
from .palette import rows_of
from .parameters import Command, came_from_user, flag, knob
from .terminal import as_json, complain, paint, say

__all__ = ["fit"]

PASSED_ON = ("space", "effort", "seed", "engine", "address", "jobs", "state", "max_errors", "icc")


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some pictures could not be read; 2 usage, or no picture could; "
    "15 output exists (see --force); 16 cannot write; 99 no room in the lock.",
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|URL...")
@knob("k", "-k", "--colors")
@click.option(
    "-o",
    "--output",
    multiple=True,
    metavar="FILE",
    help=f"Write the palette as {' '.join(SUFFIXES)}; may be repeated.",
)
@click.option(
    "--histogram",
    metavar="FILE.hist",
    help="Write the counts of all colors, too; `smalti fit a.hist b.hist` adds them up.",
)
@click.option(
    "--lock",
    metavar="FILE",
    help="Make a palette lock with the colors of the pictures, or add to it those that it lacks.",
)
@full_option
@frozen_option
@limit_option
@click.option(
    "--bits",
    type=click.Choice(BITS),
    default=BITS[0],
    show_default=True,
    help="Bits per channel to count colors at; auto is 8 up to 100,000 pictures, else 6, or 7 "
    "above 256 colors.",
)
@click.option(
    "--keep",
    metavar="COLORS",
    help="Have these colors in the palette exactly, such as '#c00,white'; '0=#fff' in that row.",
)
@knob("space")
@knob("effort")
@knob("seed")
@click.option(
    "--icc",
    type=click.Choice(["srgb", "strip"]),
    default="srgb",
    show_default=True,
    help="Color profiles: convert to sRGB, or ignore.",
)
@engine_options(
    "Keep what was counted there: a run that was stopped goes on, and unchanged pictures are not "
    "counted again."
)
@flag("-f", "--force", help="Replace existing outputs.")
@flag("--json", help="Print one JSON object, which is a palette file, too.")
@flag("-q", "--quiet", help="Print errors only.")
@flag("--debug", help="Print the traceback of errors.")
def fit(**given: Any) -> int:
    """Find ONE palette of K colors for many pictures: sprites, frames, a museum.

    Folders are looked through, and URLs are what fsspec knows (s3://..., with extra [dask] and the
    driver of the service). Colors are counted in shards, on all cores or by the workers of Dask,
    and k-means sees the sum: the palette is the same to the bit wherever it was found.
    `smalti apply --palette FILE` maps pictures to it.

    With --lock, no colors are searched for: all colors of the pictures join the lock, in the order
    of the pictures' names, behind those that it has. These never move, so indices in files of
    long ago stay right. A lock is text for version control; called *.palette it is a palette
    file, too.
    """
    _refuse_contradictions(given)
    for path in given["output"]:
        check_target(path, overwrite=given["force"])
    if given["histogram"]:
        check_writable(given["histogram"], given["force"])
    options = {name: given[name] for name in PASSED_ON} | {"limits": Limits()}
    return _lock(given, options) if given["lock"] is not None else _fit(given, options)


def _refuse_contradictions(given: dict[str, Any]) -> None:
    lock = given["lock"] is not None
    only = [name for name in ("full", "frozen", "limit") if given[name]]
    other = [name for name in ("keep", "histogram") if given[name]]
    problems = (
        (not given["sources"], "no input; give pictures, folders or histograms"),
        (lock and came_from_user("k"), "--lock takes all colors; --limit says how many at most"),
        (
            lock and other,
            f"--{other[0] if other else ''} and --lock exclude each other",
        ),
        (lock and came_from_user("bits"), "--lock counts exact colors; leave --bits out"),
        (not lock and only, f"--{only[0] if only else ''} goes with --lock"),
        (given["address"] and given["engine"] != "dask", "--address goes with --engine dask"),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _progress(given: dict[str, Any]) -> AbstractContextManager[Callable[[Progress], None]]:
    resumes = given["state"] is not None
    return progress_shown(given["progress"], given["quiet"], resumes=resumes)


# ---------------------------------------------------------------- a palette


def _fit(given: dict[str, Any], options: dict[str, Any]) -> int:
    options |= {"bits": given["bits"], "keep": given["keep"]}
    with progress_shown(
        given["progress"], given["quiet"], resumes=bool(given["state"])
    ) as on_progress:
        done = fit_many(given["sources"], given["k"], on_progress=on_progress, **options)
    for path in given["output"]:
        done.palette.save(path, overwrite=given["force"])
    if given["histogram"]:
        done.histogram.save(given["histogram"], overwrite=given["force"])
    outputs = [*given["output"], *filter(None, [given["histogram"]])]
    if given["json"]:
        say(as_json(_as_dict(done, given["k"], outputs)))
    elif not given["quiet"]:
        rows = [] if outputs else rows_of(done.palette)
        written = [f"  → {shown(path)}" for path in outputs]
        notes = [f"  note: {lost}" for p in given["output"] if (lost := done.palette.lost_in(p))]
        say(paint("\n".join([_title(done), *rows, *written, *notes]), sys.stdout))
    return _told(done.failures)


def _title(done: Fitted) -> str:
    histogram, k = done.histogram, done.palette.k
    what = "colors" if histogram.bits == 8 else f"boxes of colors ({histogram.bits} bits)"
    pictures = "1 input" if done.pictures == 1 else f"{done.pictures:,} inputs"
    return f"{pictures}: {k:,} of {len(histogram):,} {what}"


def _as_dict(done: Fitted, k: int | str, outputs: list[str]) -> dict[str, Any]:
    return {
        "inputs": done.pictures,
        "pixels": done.histogram.total,
        "distinct_colors": len(done.histogram),
        "bits": done.histogram.bits,
        "k": k,
        "outputs": outputs,
        "failed": done.failures.messages,
        **done.palette.to_dict(),
    }


# ---------------------------------------------------------------- a lock


def _lock(given: dict[str, Any], options: dict[str, Any]) -> int:
    path = given["lock"]
    options |= {name: given[name] for name in ("frozen", "limit")}
    options["full"] = given["full"] or FULL[0]
    with progress_shown(
        given["progress"], given["quiet"], resumes=bool(given["state"])
    ) as on_progress:
        done = extend_lock(path, given["sources"], on_progress=on_progress, **options)
    if not given["frozen"]:
        done.lock.save(path)
    for output in given["output"]:
        done.lock.palette.save(output, overwrite=given["force"])
    if given["json"]:
        say(as_json(as_dict(done)))
    elif not given["quiet"]:
        written = [f"  → {shown(output)}" for output in given["output"]]
        say(paint("\n".join([*done.lines(), *written]), sys.stdout))
    return _told(done.failures)


def _told(failures: Failures) -> int:
    for message in failures.messages:
        complain(message)
    return 1 if failures.messages else 0
