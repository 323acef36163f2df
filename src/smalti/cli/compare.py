"""`smalti compare`: how far one picture is from another."""

import sys
from typing import Any

import click

from ..comparison import GAIN, check_target
from ..comparison import compare as library_compare
from ..decode import Limits
from ..files import shown
from .jobs import STANDARD
from .parameters import Command, came_from_user, flag, knob
from .run import standard_input
from .terminal import as_json, paint, say

__all__ = ["compare"]


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 compared, whether identical or not; 2 usage, unreadable input, or sizes "
    "that differ; 4 refused by a limit; 15 output exists (see --force); 16 cannot write.",
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("-o", "--output", metavar="FILE.png", help="Draw the differences.")
@knob(GAIN)
@flag("-f", "--force", help="Replace an existing file.")
@flag("--json", help="Print one JSON object.")
@flag("--debug", help="Print the traceback of errors.")
def compare(first: str, second: str, **given: Any) -> int:
    """Measure how far picture B is from picture A, of the same size.

    Prints PSNR, SSIM, SSIMULACRA2, the color differences that an eye would see (ΔE, by CIEDE2000
    and by the formula of 1976), and the distortion that k-means lowers. One of the two may be -,
    for standard input.

    The picture of the differences is middle gray where A and B are equal; per channel, it is as
    much lighter or darker as B is, times the gain.
    """
    if first == second == STANDARD:
        raise click.UsageError("standard input is one picture; name a file for the other")
    output = given["output"]
    if output is None and came_from_user("gain"):
        raise click.UsageError("--gain is for the picture of the differences; -o names it")
    if output is not None:
        check_target(output, overwrite=given["force"])
    found = library_compare(_opened(first), _opened(second))
    if output is not None:
        found.save_difference(output, given["gain"], overwrite=given["force"])
    if given["json"]:
        say(as_json(found.to_dict()))
        return 0
    drawn = f"\n  → {shown(output)}: the difference, times {given['gain']}" if output else ""
    say(paint(f"{found}{drawn}", sys.stdout))
    return 0


def _opened(source: str) -> Any:
    return standard_input(Limits()) if source == STANDARD else source
