"""The flags of `smalti sweep`: what every number of colors costs and gives."""

import json
from typing import Any

import click

from .. import plots
from ..decode import Limits
from ..options import MAX_K
from ..sweeps import sweep as run_sweep
from .parameters import Command, flag, knob
from .run import standard_input
from .terminal import Bar, say

__all__ = ["sweep"]


def _sizes(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Return the numbers of a list like 2,8,25."""
    if text is None:
        return None
    try:
        return [int(word) for word in text.replace(" ", "").split(",")]
    except ValueError as error:
        raise click.UsageError(
            f"-k takes whole numbers from 1 to {MAX_K:,} with commas between, got {text!r}"
        ) from error


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 2 usage, unreadable input or no matplotlib; 4 refused by a limit; "
    "15 the plot exists (see --force); 16 cannot write.",
)
@click.argument("source", metavar="IMAGE")
@click.option(
    "-k",
    "ks",
    callback=_sizes,
    metavar="K,K,...",
    help="Numbers of colors (default: 1 to 256 in about equal steps of a logarithmic scale).",
)
@flag("--all", help="Go on to the number of distinct colors, where the error is 0.")
@flag("--webp", help="Make WebP files, too.")
@click.option("--plot", metavar="FILE", help="Draw the curves and some pictures: .png or .svg.")
@flag("-f", "--force", help="Replace an existing plot.")
@knob("space")
@knob("effort")
@knob("init")
@knob("n_init")
@knob("max_iter")
@knob("tol")
@knob("seed")
@knob("threads")
@flag("--json", help="Print the rows as JSON, a list of objects.")
@flag("--csv", help="Print the rows as comma-separated values.")
@flag("-q", "--quiet", help="Print no progress bar.")
@flag("--debug", help="Print the traceback of errors.")
def sweep(**given: Any) -> None:
    """Try many numbers of colors on IMAGE, and show what each costs and gives.

    Every row is what `smalti compress -k K --size 0 --dither none` would write: error, PSNR, SSIM,
    bytes, entropy of the indices, and the time it took. By default compress takes fewer bytes at
    the same look. IMAGE is a file, or - for standard input.
    """
    if given["json"] and given["csv"]:
        raise click.UsageError("--json and --csv exclude each other")
    if given["plot"]:
        plots.check(given["plot"], overwrite=given["force"])
    names = ("space", "effort", "init", "n_init", "max_iter", "tol", "seed", "threads")
    source = standard_input(Limits()) if given["source"] == "-" else given["source"]
    with Bar(1000, wanted=not given["quiet"]) as bar:
        rows = run_sweep(
            source,
            given["ks"],
            up_to_all=given["all"],
            webp=given["webp"],
            progress=lambda done, total: bar.move(1000 * done // total, f"{done} of {total}"),
            **{name: given[name] for name in names},
        )
        if given["plot"]:
            rows.plot(given["plot"], overwrite=given["force"])
    if given["json"]:
        say(json.dumps(rows.to_dicts(), indent=1))
    else:
        say(rows.to_csv().rstrip("\n") if given["csv"] else str(rows))
