"""`smalti verify`: whether files keep to a palette or a lock, or are what their recipes say."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..batch import places
from ..decode import Limits
from ..errors import SmaltiError
from ..lock import Lock
from ..palette import Palette
from ..reproduction import Reproduction, verify_recipe
from ..sources import NAMELESS, shown
from ..verification import Verdict
from ..verification import verify as library_verify
from .parameters import Command, flag
from .terminal import as_json, complain, say

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["verify"]

DIFFERS = 1


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all files keep to the palette, or are as their recipes say; 1 some are "
    "not, or cannot be read; 2 usage, or nothing can be read, or none has a recipe.",
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|URL...")
@click.option("--palette", metavar="FILE|COLORS", help="A palette file, or '#000,#fff'.")
@click.option("--lock", metavar="FILE", help="A palette lock.")
@click.option(
    "--source",
    metavar="ORIGINAL",
    help="Compress this picture again by the recipe in FILE: palette and indices must be the same.",
)
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

    Without --palette and --lock, files are checked by the recipe that `smalti compress
    --embed-recipe` wrote into them: their pixels must be those that smalti wrote. With --source,
    the original is compressed again with the options of the recipe, and must give the same palette
    and indices.
    """
    _refuse_contradictions(given)
    palette = _palette(given)
    threads = os.cpu_count() or 1
    check: Callable[[bytes], Verdict | Reproduction]
    if palette is None:
        check = partial(verify_recipe, original=given["source"], threads=threads)
        problem = ("is not as its recipe says", "are not as their recipes say")
    else:
        check = partial(
            library_verify, palette=palette, rows=given["rows"], icc=given["icc"], threads=threads
        )
        problem = ("does not keep to the palette", "do not keep to the palette")
    listed = places.listing(given["sources"])
    limits = Limits()
    bad = len(listed.refusals)
    for refusal in listed.refusals:
        complain(str(refusal.error))
    unreadable = bad
    for item in listed.items:
        try:
            found = check(places.read(item.uri, int(limits.input_mib * 2**20)))
        except SmaltiError as error:
            complain(_named(shown(item.uri), str(error)))
            bad, unreadable = bad + 1, unreadable + 1
            continue
        bad += not found.ok
        _tell(item.uri, found, given)
    total = len(listed.items) + len(listed.refusals)
    if not given["json"] and not given["quiet"]:
        say(_summary(total, bad - unreadable, unreadable, problem))
    return 2 if unreadable == total else DIFFERS if bad else 0


def _refuse_contradictions(given: dict[str, Any]) -> None:
    by_palette = given["lock"] is not None or given["palette"] is not None
    several = len(given["sources"]) > 1 or any(map(os.path.isdir, given["sources"]))
    problems = (
        (not given["sources"], "no input; give files or folders"),
        (given["lock"] and given["palette"], "take either --palette or --lock"),
        (
            given["source"] and by_palette,
            "--source goes with recipes; leave --palette and --lock out",
        ),
        (given["source"] and several, "--source is the original of one file"),
        (given["rows"] and not by_palette, "--rows goes with --palette or --lock"),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _palette(given: dict[str, Any]) -> Palette | None:
    """Return the palette to check by; None: the recipes of the files."""
    if given["palette"] is not None:
        return Palette.of(given["palette"])
    if given["lock"] is None:
        return None
    if not os.path.exists(given["lock"]):
        raise click.UsageError(f"there is no lock {shown(given['lock'])}; smalti fit makes one")
    return Lock.load(given["lock"]).palette


def _named(name: str, message: str) -> str:
    """Return a message about a file under its name: what is checked are its bytes."""
    for known in (name, NAMELESS):
        message = message.removeprefix(f"{known}: ")
    return f"{name}: {message}"


def _tell(uri: str, found: Verdict | Reproduction, given: dict[str, Any]) -> None:
    name = shown(uri)
    if given["json"]:
        say(as_json({"source": uri, **found.to_dict()}))
    elif isinstance(found, Reproduction) and not (found.ok and given["quiet"]):
        say(f"{name}: {found}")
    elif not found.ok:
        say(f"{name}: {found.problem}")


def _summary(total: int, bad: int, unreadable: int, problem: tuple[str, str]) -> str:
    files = "1 file" if total == 1 else f"{total:,} files"
    problems = [f"{bad:,} {problem[bad > 1]}"] if bad else []
    problems += [f"{unreadable:,} could not be read"] if unreadable else []
    return f"{files}: {', '.join(problems) or 'all right'}"
