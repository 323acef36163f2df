"""`smalti verify`: whether files keep to a palette or a lock, or are what their recipes say."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..batch import places
from ..decode import Limits
from ..errors import MissingRecipe, SmaltiError
from ..lock import Lock
from ..palette import Palette
from ..reproduction import Reproduction, verify_recipe
from ..sources import NAMELESS, shown
from ..verification import Verdict
from ..verification import verify as library_verify
from .jobs import STANDARD
from .parameters import Command, flag
from .run import standard_input
from .terminal import as_json, complain, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["verify"]

DIFFERS, NOTHING_CHECKED = 1, 2
NAME_OF_STANDARD = "standard input"


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all files keep to the palette, or are as their recipes say; 1 some are "
    "not, cannot be read, or have no recipe; 2 usage, or that holds for all of them.",
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|URL|-...")
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

    Standard input is -, alone.
    """
    _refuse_contradictions(given)
    palette = _palette(given)
    threads = os.cpu_count() or 1
    check: Callable[[Any], Verdict | Reproduction]
    if palette is None:
        check = partial(verify_recipe, original=given["source"], threads=threads)
        problem = ("is not as its recipe says", "are not as their recipes say")
    else:
        check = partial(
            library_verify, palette=palette, rows=given["rows"], icc=given["icc"], threads=threads
        )
        problem = ("does not keep to the palette", "do not keep to the palette")
    total = bad = unreadable = without = 0
    for name, content in _contents(given["sources"]):
        total += 1
        try:
            found = check(content())
        except SmaltiError as error:
            complain(_named(shown(name), str(error)))
            none = isinstance(error, MissingRecipe)
            without, unreadable = without + none, unreadable + (not none)
            continue
        bad += not found.ok
        _tell(name, found, given)
    if not given["json"] and not given["quiet"]:
        say(_summary(total, bad, without, unreadable, problem))
    if without + unreadable == total:
        return NOTHING_CHECKED
    return DIFFERS if bad or without or unreadable else 0


def _contents(sources: list[str]) -> "Iterator[tuple[str, Callable[[], Any]]]":
    """Yield the name of each file, and what opens it or says why that cannot be."""
    limits = Limits()
    if list(sources) == [STANDARD]:
        yield NAME_OF_STANDARD, partial(standard_input, limits)
        return
    listed = places.listing(sources)
    for refusal in listed.refusals:
        yield refusal.source, partial(_raise, refusal.error)
    for item in listed.items:
        yield item.uri, partial(places.read, item.uri, int(limits.input_mib * 2**20))


def _raise(error: SmaltiError) -> None:
    raise error


def _refuse_contradictions(given: dict[str, Any]) -> None:
    by_palette = given["lock"] is not None or given["palette"] is not None
    several = len(given["sources"]) > 1 or any(map(os.path.isdir, given["sources"]))
    problems = (
        (not given["sources"], "no input; give files or folders, or - for standard input"),
        (STANDARD in given["sources"] and several, "standard input is checked alone"),
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
    if message.startswith(f"{name} "):
        return message
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


def _summary(total: int, bad: int, without: int, unreadable: int, problem: tuple[str, str]) -> str:
    files = "1 file" if total == 1 else f"{total:,} files"
    problems = [f"{bad:,} {problem[bad > 1]}"] if bad else []
    problems += [f"{without:,} {'have' if without > 1 else 'has'} no recipe"] if without else []
    problems += [f"{unreadable:,} could not be read"] if unreadable else []
    return f"{files}: {', '.join(problems) or 'all right'}"
