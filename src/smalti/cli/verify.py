"""`smalti verify`: whether files keep to a palette or a lock."""

import json
import os
from typing import Any

import click

from ..batch import places
from ..decode import Limits
from ..errors import SmaltiError
from ..lock import Lock
from ..palette import Palette
from ..sources import shown
from ..verification import verify as library_verify
from .parameters import Command, flag
from .terminal import complain, say

__all__ = ["verify"]

DIFFERS = 1


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all files keep to the palette; 1 some do not, or cannot be read; "
    "2 usage, or nothing can be read.",
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|URL...")
@click.option("--palette", metavar="FILE|COLORS", help="A palette file, or '#000,#fff'.")
@click.option("--lock", metavar="FILE", help="A palette lock.")
@flag(
    "--rows",
    help="Demand indexed files, and that each index means the color of that row of the palette.",
)
@click.option(
    "--icc",
    type=click.Choice(["srgb", "strip"]),
    default="srgb",
    show_default=True,
    help="Color profiles: convert to sRGB, or ignore.",
)
@flag("--json", help="Print one JSON object per line and file.")
@flag("-q", "--quiet", help="Print nothing but what differs.")
@flag("--debug", help="Print the traceback of errors.")
def verify(**given: Any) -> int:
    """Check that files have the colors of a palette or a lock, and no others.

    Each file that differs gets one line: how many pixels, and the first of them with its color.
    Fully transparent pixels need a fully transparent color. Nothing is written.

    With --rows, files must be indexed, too (PNG, GIF), and every index that pixels use must mean
    the color of that row, as in files that `smalti apply` writes.
    """
    palette = _palette(given)
    listed = places.listing(given["sources"])
    limits = Limits()
    bad = len(listed.refusals)
    for refusal in listed.refusals:
        complain(str(refusal.error))
    unreadable = bad
    for item in listed.items:
        try:
            data = places.read(item.uri, int(limits.input_mib * 2**20))
            found = library_verify(
                data, palette, rows=given["rows"], icc=given["icc"], threads=os.cpu_count() or 1
            )
        except SmaltiError as error:
            complain(f"{shown(item.uri)}: {str(error).removeprefix(f'{shown(item.uri)}: ')}")
            bad, unreadable = bad + 1, unreadable + 1
            continue
        bad += not found.ok
        if given["json"]:
            say(json.dumps({"source": shown(item.uri), **found.to_dict()}))
        elif not found.ok:
            say(f"{shown(item.uri)}: {found.problem}")
    total = len(listed.items) + len(listed.refusals)
    if not given["json"] and not given["quiet"]:
        say(_summary(total, bad - unreadable, unreadable))
    return 2 if unreadable == total else DIFFERS if bad else 0


def _palette(given: dict[str, Any]) -> Palette:
    if not given["sources"]:
        raise click.UsageError("no input; give files or folders")
    if (given["lock"] is None) == (given["palette"] is None):
        raise click.UsageError("take either --palette or --lock")
    if given["lock"] is None:
        return Palette.of(given["palette"])
    if not os.path.exists(given["lock"]):
        raise click.UsageError(f"there is no lock {shown(given['lock'])}; smalti fit makes one")
    return Lock.load(given["lock"]).palette


def _summary(total: int, bad: int, unreadable: int) -> str:
    files = "1 file" if total == 1 else f"{total:,} files"
    problems = [f"{bad:,} {'does' if bad == 1 else 'do'} not keep to the palette"] if bad else []
    problems += [f"{unreadable:,} could not be read"] if unreadable else []
    return f"{files}: {', '.join(problems) or 'all right'}"
