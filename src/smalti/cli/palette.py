"""`smalti palette`: the dominant colors of pictures, as a table, as files, and as masks.

A first word `convert` turns one palette file into another; a picture of that name is reached
as ./convert.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .. import masks
from ..decode import Limits
from ..errors import BadOption
from ..files import shown
from ..histogram import Histogram
from ..options import OPTIONS
from ..palette import ORDERS, SUFFIXES, Palette, check_target
from ..quantize import apply_palette, build_palette
from ..sources import real_path
from ..swatches import share_text
from .jobs import STANDARD
from .parameters import Command, flag, knob
from .run import standard_input
from .terminal import as_json, paint, say

__all__ = ["convert", "palette", "rows_of"]

DEFAULT_K = 8  # as many colors as people take in at a glance
PASSED_ON = ("space", "effort", "seed", "threads")

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
FORCE = flag("-f", "--force", help="Replace existing files.")
DEBUG = flag("--debug", help="Print the traceback of errors.")
QUIET = flag("-q", "--quiet", help="Print errors only.")


@click.command(cls=Command, context_settings=SETTINGS)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--sort", type=click.Choice(ORDERS), help="Sort the colors (default: as they are).")
@FORCE
@QUIET
@DEBUG
def convert(source: str, target: str, sort: str | None, **given: bool) -> int:
    """Turn one palette file into another, by their suffixes.

    Reads and writes .gpl, .hex, .json, .css, .palette, .ase, .aco, .act and .pal; reads the palette
    of an indexed .png or .gif, and writes a .png of labeled swatches. Says what the new file does
    not hold: .ase, .aco and .pal have no alpha, .act has one transparent color and 256 at most.
    """
    check_target(target, overwrite=given["force"])
    found = Palette.load(source)
    found = found.sorted(sort) if sort else found
    found.save(target, overwrite=given["force"])
    if not given["quiet"]:
        colors = "1 color" if found.k == 1 else f"{found.k:,} colors"
        lines = [f"{shown(source)} → {shown(target)}: {colors}", *_notes(found, [target])]
        say("\n".join(lines))
    return 0


class _OrConvert(Command):
    """The command `palette`, or `convert` if that is the first word."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args[:1] == ["convert"]:
            return convert.make_context(f"{info_name} convert", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    cls=_OrConvert,
    context_settings=SETTINGS,
    epilog="Exit codes: 0 done; 2 usage or unreadable input; 4 refused by a limit; 15 output "
    "exists (see --force); 16 cannot write.",
)
@click.argument("sources", nargs=-1, metavar="IMAGE|-...")
@knob(replace(OPTIONS["k"], default=DEFAULT_K), "-k", "--colors")
@click.option(
    "-o",
    "--output",
    multiple=True,
    metavar="FILE",
    help=f"Write the palette as {' '.join(SUFFIXES)} (a picture of swatches); may be repeated.",
)
@click.option(
    "--sort",
    type=click.Choice(ORDERS),
    default=ORDERS[0],
    show_default=True,
    help="Sort the colors.",
)
@click.option(
    "--masks",
    metavar="FOLDER",
    help="Write where each color is as a black-and-white PNG, such as 01-ff8800.png.",
)
@FORCE
@knob("space")
@knob("effort")
@knob("seed")
@knob("threads")
@flag("--json", help="Print one JSON object, which is a palette file, too.")
@QUIET
@DEBUG
def palette(**given: Any) -> int:
    """Show the dominant colors of pictures: of one, or of several taken together.

    Each line has the color, its share of the pixels, its lightness, chroma and hue in Oklab, and
    the CSS name nearest to it (≈ where it is not that very color). Standard input is -.

    With --masks and several pictures, each gets a folder of its own in FOLDER.

    `smalti palette convert IN OUT` turns one palette file into another; see
    `smalti palette convert --help`. A picture called convert is ./convert.
    """
    sources, outputs = list(given["sources"]), list(dict.fromkeys(given["output"]))
    _refuse_contradictions(sources, outputs)
    for path in outputs:
        check_target(path, overwrite=given["force"])
    pictures = [_opened(source) for source in sources]
    threads = given["threads"] or os.cpu_count() or 1
    histogram = sum(Histogram.of(picture, threads=threads) for picture in pictures)
    assert isinstance(histogram, Histogram)
    found = build_palette(histogram, given["k"], **{name: given[name] for name in PASSED_ON})
    found = found.sorted(given["sort"])
    folders = _folders(sources, given["masks"])
    for folder in folders:
        masks.check_folder(folder, found, overwrite=given["force"])
    for path in outputs:
        found.save(path, overwrite=given["force"])
    for picture, folder in zip(pictures, folders, strict=False):
        _save_masks(picture, found, folder, given)
    if given["json"]:
        say(_as_json(sources, histogram, found, given["k"], _notes(found, outputs)))
    elif not given["quiet"]:
        written = [f"  → {shown(path)}" for path in outputs]
        written += [f"  → {shown(folder)}: {found.k:,} masks" for folder in folders]
        lines = [_title(sources, histogram, found), *rows_of(found), *written]
        say(paint("\n".join([*lines, *_notes(found, outputs)]), sys.stdout))
    return 0


def _refuse_contradictions(sources: Sequence[str], outputs: Sequence[str]) -> None:
    inputs = {real_path(source) for source in sources}
    own = [path for path in outputs if real_path(path) in inputs]
    problems = (
        (not sources, "no input; give pictures, or - for standard input"),
        (STANDARD in sources and len(sources) > 1, "standard input is taken alone"),
        (own, f"-o {shown(own[0]) if own else ''} would replace a picture that is read"),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _opened(source: str) -> Any:
    return standard_input(Limits()) if source == STANDARD else source


# ---------------------------------------------------------------- masks


def _folders(sources: Sequence[str], folder: str | None) -> list[Path]:
    """Return where the masks of each picture go: of one, `folder`; of several, folders in it."""
    if folder is None:
        return []
    if len(sources) == 1:
        return [Path(folder)]
    counts = Counter(Path(source).stem for source in sources)
    paths = [Path(source) for source in sources]
    names = [path.stem if counts[path.stem] == 1 else path.name for path in paths]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise BadOption(f"two pictures are called {shown(twice)}; write their masks in two runs")
    return [Path(folder) / name for name in names]


def _save_masks(picture: Any, found: Palette, folder: Path, given: dict[str, Any]) -> None:
    if hasattr(picture, "seek"):  # standard input, which was read to its end
        picture.seek(0)
    image = apply_palette(
        picture, found, space=given["space"], dither="none", threads=given["threads"]
    )
    masks.save(image, folder, overwrite=given["force"])


# ---------------------------------------------------------------- telling


def _title(sources: Sequence[str], histogram: Histogram, found: Palette) -> str:
    what = f"{len(sources):,} pictures" if len(sources) > 1 else _name(sources[0])
    if found.k == len(histogram):
        return f"{what}: {'its only color' if found.k == 1 else f'all {found.k:,} colors'}"
    return f"{what}: {found.k:,} of {len(histogram):,} colors"


def _name(source: str) -> str:
    return "standard input" if source == STANDARD else shown(source)


def rows_of(found: Palette) -> list[str]:
    """Return a line for each color."""
    rows = found.to_dict()["colors"]
    codes = [f"{row['hex']:<{max(len(row['hex']) for row in rows)}}" for row in rows]
    oklch = [_oklch(row) for row in rows]
    width = max(map(len, oklch))
    return [
        f"  {code}  {share_text(row['share']):>7}  {text:<{width}}  "
        f"{'' if row['exact'] else '≈ '}{row['name']}"
        for code, row, text in zip(codes, rows, oklch, strict=True)
    ]


def _oklch(row: dict[str, Any]) -> str:
    """Return lightness, chroma and hue, and alpha where there is any, in the words of CSS."""
    L, C, h = row["oklch"]
    alpha = f" / {int(row['hex'][7:], 16) / 255:.0%}" if row["hex"][7:] else ""
    return f"oklch({100 * L:5.1f}% {C:.3f} {h:5.1f}{alpha})"


def _notes(found: Palette, outputs: Sequence[str]) -> list[str]:
    """Return a line for each file that does not hold all of the palette."""
    return [f"  note: {sentence}" for path in outputs if (sentence := found.lost_in(path))]


def _as_json(
    sources: Sequence[str], histogram: Histogram, found: Palette, k: int, notes: Sequence[str]
) -> str:
    about = {
        "sources": ["standard input" if source == STANDARD else source for source in sources],
        "pixels": histogram.total,
        "distinct_colors": len(histogram),
        "k": k,
        "notes": [note.removeprefix("  note: ") for note in notes],
    }
    return as_json(about | found.to_dict())
