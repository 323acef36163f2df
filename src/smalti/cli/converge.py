"""The flags of `smalti converge`, and their translation into one call of the library."""

import sys
from dataclasses import replace
from typing import Any

import click

from .. import plots
from ..convergence import INITS, RUNS, SUFFIXES
from ..convergence import converge as library_converge
from ..files import shown
from ..options import OPTIONS
from .parameters import Command, flag, knob
from .terminal import as_json, paint, say

__all__ = ["converge"]

PASSED_ON = "k space init runs seed max_iter tol threads"


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 2 usage, unreadable input or no matplotlib; 4 refused by a limit; "
    "15 the plot exists (see --force); 16 cannot write.",
)
@click.argument("image", metavar="FILE")
@knob(replace(OPTIONS["k"], default=8), "-k", "--colors")
@click.option(
    "--plot",
    metavar="PATH",
    help="Draw a page (.png, .svg) or an animation (.gif) instead of the table.",
)
@flag("-f", "--force", help="Replace an existing plot.")
@click.option(
    "--init",
    multiple=True,
    type=click.Choice(OPTIONS["init"].choices),
    default=INITS,
    show_default=True,
    help="A seeding to compare; may be given several times. The first is the one that is drawn.",
)
@knob(RUNS)
@knob("space")
@knob(
    replace(OPTIONS["seed"], help="Seed of the first run of each seeding; the next has one more.")
)
@knob(replace(OPTIONS["max_iter"], help="Iterations of a run at most (default: 100)."))
@knob("tol")
@knob("threads")
@flag("--json", help="Print the numbers of all runs as one JSON object.")
@flag("--debug", help="Print the traceback of errors.")
def converge(**given: Any) -> None:
    """Show textbook k-means at work on an image, iteration by iteration.

    Runs Lloyd's algorithm from several seeds and prints, for each seeding, the distortion, the
    largest shift of a centroid and the pixels that moved to another, why it stopped, and where all
    runs end: k-means finds local optima, and the seeds decide which.

    --plot draws it: the colors of the image in color space, the centroids that move among them,
    and the distortion of every run. It needs matplotlib.
    """
    plot = given["plot"]
    if plot is not None:
        plots.check(plot, SUFFIXES, overwrite=given["force"])
    found = library_converge(given["image"], **{name: given[name] for name in PASSED_ON.split()})
    if plot is not None:
        found.save(plot, overwrite=given["force"])
    if given["json"]:
        say(as_json({"source": given["image"], "plot": plot, **found.to_dict()}))
    elif plot is None:
        say(paint(f"{shown(given['image'])}: {found}", sys.stdout))
    else:
        say(f"{shown(plot)}: {found.summary()}")
