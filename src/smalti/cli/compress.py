"""The flags of `smalti compress`, and their translation into jobs and library options."""

import os
import stat
import sys
from typing import Any, TextIO

import click

from ..decode import Limits
from ..errors import CannotWrite
from ..files import shown
from ..keep import Kept
from ..options import OPTIONS, Option, check
from ..palette import Palette
from ..targets import Targets
from . import jobs
from .parameters import Command, came_from_user, flag, knob
from .run import Settings, run

__all__ = ["compress"]

ASK_DEFAULT = 16  # what the tutorials ask for
LARGEST = 1_000_000  # megapixels or MiB; beyond any file, and far below where numbers overflow


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some of several files failed; 2 usage or unreadable input; "
    "4 refused by a limit; 15 output exists (see --force); 16 cannot write; 98 not smaller; "
    "99 a quality, score or size that cannot be had, or colors outside a strict palette; "
    "130 and 143 interrupted.",
)
@click.argument("sources", nargs=-1, metavar="[K] FILE|FOLDER|-...")
@knob("k", "-k", "--colors")
@click.option(
    "-Q",
    "--quality",
    metavar="MIN-MAX",
    help="Take the fewest colors that reach MAX, and fail below MIN (pngquant's meaning, 0-100; "
    "also MAX, MIN- and -MAX). -k is the most there may be.",
)
@knob("min_score")
@click.option(
    "--max-bytes",
    metavar="SIZE",
    help="Take the best look that fits into SIZE bytes, such as 50000, 50k (the same), 1.5M or "
    "50KiB (51,200): bytes count more (--size), and if that is not enough, colors go.",
)
@flag("--ask", help=f"Ask for the number of colors (Enter: {ASK_DEFAULT}).")
@click.option("-o", "--output", metavar="PATH", help="Output file; - for standard output.")
@click.option("--out-dir", metavar="FOLDER", help="Write there, in the folders of the input.")
@click.option("--ext", metavar="SUFFIX", help="Replace the input's suffix, such as -small.png.")
@click.option("--name", metavar="TEMPLATE", help="Output name, such as '{stem}_{k}_colors.png'.")
@flag("-f", "--force", help="Replace existing outputs. Never makes a file larger.")
@flag("-r", "--recursive", help="Compress all images in the given folders.")
@knob("format")
@click.option(
    "--keep",
    metavar="COLORS",
    help="Have these colors in the palette exactly, such as '#c00,white'; '0=#fff' in that row.",
)
@click.option(
    "--weight",
    metavar="MAP|auto",
    help="Mind pixels as much as this picture of the same size is bright; auto: smooth areas more.",
)
@flag(
    "--no-guard",
    help="Let small regions and flat areas lose their color, if that lowers the mean error.",
)
@click.option(
    "--palette",
    metavar="FILE|COLORS",
    help="Map to this palette, every color in its row: a palette file, or '#000,#fff'.",
)
@flag("--strict-palette", help="With --palette, fail if the image has any other color.")
@knob("space")
@knob("dither")
@knob("dither_strength")
@click.option(
    "--dither-adaptive/--dither-everywhere",
    default=True,
    show_default=True,
    help="Dither only where bands would show, or all of the picture.",
)
@knob(
    Option(
        "floyd",
        None,
        "pngquant's word for --dither floyd-steinberg; it takes a strength as --floyd=0.5.",
        0,
        1,
        integer=False,
    )
)
@flag("--nofs", help="The same as --dither none (pngquant).")
@knob("size")
@knob("effort")
@knob(
    Option(
        "speed",
        None,
        "pngquant's word for --effort: 1-3 are best, 4-7 default, 8-11 fast; --effort wins.",
        1,
        11,
    ),
    "-s",
    "--speed",
)
@knob("init")
@knob("n_init")
@knob("max_iter")
@knob("tol")
@knob("seed")
@knob("icc")
@knob("pack")
@flag("--frame-palettes", help="Give each frame of an animation a palette of its own (GIF, WebP).")
@flag("--allow-larger", help="Write the result even if it is not smaller than the input.")
@knob(
    Option(
        "max_megapixels",
        Limits.megapixels,
        "Refuse larger pictures, before decoding them.",
        0,
        LARGEST,
        integer=False,
    )
)
@knob(Option("max_input_mib", Limits.input_mib, "Refuse larger files.", 0, LARGEST, integer=False))
@flag("--preserve", help="Keep the file times and the density (dpi). Other metadata is dropped.")
@knob("threads")
@knob("jobs", "-j", "--jobs")
@flag("--json", help="Report as JSON, one object per line and input.")
@flag("--explain", help="Say where the output's bytes went, and what else was tried.")
@flag("--show", help="Open the original beside the result.")
@flag("-v", "--verbose", help="Print the iterations of k-means, and full reports.")
@flag("-q", "--quiet", help="Print errors only.")
@flag("--debug", help="Print the traceback of errors.")
@flag("--strip", help="Accepted for pngquant's sake: metadata is left out anyway.")
@flag("--skip-if-larger", help="Accepted for pngquant's sake: it is always so.")
def compress(**given: Any) -> int:
    """Write each image as a palette image of at most K colors (default: 256).

    Reads PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF, whatever the file is called. Writes PNG, or
    WebP or GIF if --format or the output's name says so. Standard input is -, and then standard
    output is the default.

    photo.jpg becomes photo-smalti.png beside it, or what -o, --ext, --name or --out-dir say
    (with --out-dir, names stay: sub/photo.jpg becomes FOLDER/sub/photo.png). Inputs of one run
    that would share an output keep their whole names: logo.gif and logo.png become logo.gif.png
    and logo.png.png.

    Animations (GIF, APNG, WebP) stay animations, of the same format unless --format or the
    output's name says otherwise: all frames, their times and how often they are shown, with one
    palette for all frames.

    A result that is no smaller than its input is not written: exit code 98. With --out-dir the
    original is copied and counted as kept; on standard output it goes through, with exit code 98.

    In folders, -r takes .png .jpg .jpeg .mpo .webp .gif .bmp .tif .tiff .avif, and leaves hidden
    entries, the output folder and its own earlier results (*-smalti.*) alone.

    --quality, --min-score and --max-bytes search for what reaches them with up to K colors;
    together, all must hold. Where nothing does, nothing is written: exit code 99.

    Of pngquant's command lines, these words work: a number of colors before the files, --ext,
    --floyd, --force, --output, --nofs, --quality, --speed, --strip, --skip-if-larger, --verbose.
    """
    sources, k = _number_first(list(given["sources"]), given["k"])
    _refuse_contradictions(sources, given)
    _refuse_places(given["output"], given["out_dir"])
    to_standard = given["output"] == "-" or (given["output"] is None and sources == ["-"])
    if to_standard and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; redirect it, or use -o FILE")
    if to_standard and given["show"]:
        raise click.UsageError("--show opens a file; -o names it")
    if given["ask"]:
        k = _ask(sys.stderr if to_standard or given["json"] else sys.stdout)
    settings = _settings(given, k)
    return run(jobs.plan(sources, _naming(given, k), recursive=given["recursive"]), settings)


def _number_first(sources: list[str], k: int | str) -> tuple[list[str], int | str]:
    """Take pngquant's number of colors from the front, unless a file has that name."""
    first = sources[0] if sources else ""
    if not (first.isascii() and first.isdigit()) or os.path.exists(first):
        return sources, k
    if came_from_user("k"):
        raise click.UsageError(f"the number of colors is given twice: {first} and {k}")
    return sources[1:], int(check("k", int(first)))


def _refuse_contradictions(sources: list[str], given: dict[str, Any]) -> None:
    k_given = came_from_user("k") or len(sources) < len(given["sources"])
    named = [flag for flag in ("output", "ext", "name") if given[flag] is not None]
    several = len(sources) > 1 or any(os.path.isdir(source) for source in sources)
    problems = (
        (not sources, "no input; give image files, folders with -r, or - for standard input"),
        (len(named) > 1, "only one of --output, --ext and --name names the output"),
        (given["output"] and given["out_dir"], "--output and --out-dir exclude each other"),
        (given["output"] and several, "--output is for one input; --out-dir takes several"),
        ("-" in sources and several, "standard input is compressed alone"),
        (given["ask"] and k_given, "--ask and a given number of colors exclude each other"),
        (given["ask"] and "-" in sources, "--ask reads standard input, which is the image"),
        *_dithering_contradictions(given),
        (
            "-" in sources and (given["out_dir"] or given["ext"] or given["name"]),
            "standard input has no name to derive another from; -o names the output",
        ),
        (given["ext"] == "", "--ext must not be empty; -small.png is an example"),
        (given["name"] == "", "--name must not be empty; '{stem}_{k}.png' is an example"),
        (given["show"] and several, "--show is for one input"),
        (
            given["palette"] is not None and (k_given or given["ask"]),
            "--palette says how many colors there are; -k and --ask ask for others",
        ),
        (
            given["palette"] is None and given["strict_palette"],
            "--strict-palette goes with --palette",
        ),
        (
            given["palette"] is not None and given["no_guard"],
            "--palette is mapped to as it is; --no-guard guards nothing there",
        ),
        (given["quiet"] and given["verbose"], "--quiet and --verbose exclude each other"),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _dithering_contradictions(given: dict[str, Any]) -> list[tuple[Any, str]]:
    floyd = given["floyd"] is not None
    method = given["dither"] if came_from_user("dither") else None
    return [
        (
            given["nofs"] and method not in (None, "none"),
            "--nofs and --dither contradict each other",
        ),
        (given["nofs"] and floyd, "--nofs and --floyd contradict each other"),
        (
            floyd and method not in (None, "floyd-steinberg"),
            "--floyd and --dither contradict each other",
        ),
        (
            floyd and came_from_user("dither_strength"),
            "--floyd and --dither-strength both give the strength",
        ),
    ]


def _refuse_places(output: str | None, out_dir: str | None) -> None:
    """Refuse an output that is a folder or a device, and an output folder that is a file."""
    if out_dir and os.path.exists(out_dir) and not os.path.isdir(out_dir):
        raise CannotWrite(f"--out-dir {shown(out_dir)} is a file; it takes a folder")
    if output and output != "-" and os.path.exists(output):
        if os.path.isdir(output):
            name = shown(output)
            raise CannotWrite(f"-o {name} is a folder; --out-dir {name} writes into it")
        if not stat.S_ISREG(os.stat(output).st_mode):
            name = shown(output)
            raise CannotWrite(f"-o {name} is not a regular file; -o - >{name} writes to it")


def _ask(stream: TextIO) -> int:
    """Ask on `stream` for the number of colors until the answer is one."""
    while True:
        stream.write(f"Number of colors [{ASK_DEFAULT}]: ")
        stream.flush()
        line = sys.stdin.readline()
        if not line:
            raise click.UsageError("--ask found no answer on standard input; -k gives the number")
        try:
            return int(check("k", int(line.strip() or ASK_DEFAULT)))
        except ValueError:
            low, high = OPTIONS["k"].low, OPTIONS["k"].high
            stream.write(f"Please answer with a whole number from {low:,} to {high:,}.\n")


def _naming(given: dict[str, Any], k: int | str) -> jobs.Naming:
    """Return the rule for output names."""
    return jobs.Naming(
        k=k if given["palette"] is None else "palette",
        format=given["format"] or "png",
        output=given["output"],
        out_dir=given["out_dir"],
        ext=given["ext"],
        name=given["name"],
        animations=given["format"] is None,
    )


def _settings(given: dict[str, Any], k: int | str) -> Settings:
    """Return what every job has in common."""
    passed_on = (
        "format space dither dither_strength dither_adaptive effort init n_init max_iter tol seed "
        "size icc pack allow_larger preserve weight quality min_score max_bytes frame_palettes"
    )
    options = {name: given[name] for name in passed_on.split()}
    if given["nofs"]:
        options["dither"] = "none"
    if given["floyd"] is not None:
        options |= {"dither": "floyd-steinberg", "dither_strength": given["floyd"]}
    options |= {"guard": not given["no_guard"], "strict": given["strict_palette"]}
    options["keep"] = Kept.of(given["keep"])  # here, so that what is wrong is said once
    options["palette"] = None if given["palette"] is None else Palette.of(given["palette"])
    if given["speed"] and not came_from_user("effort"):
        options["effort"] = _effort(given["speed"])
    options |= {"k": k, "overwrite": given["force"], "threads": given["threads"]}
    Targets.of(*(given[name] for name in ("quality", "min_score", "max_bytes")))  # refuses early
    options["limits"] = Limits(given["max_megapixels"], given["max_input_mib"])
    return Settings(
        options,
        jobs=given["jobs"],
        json=given["json"],
        explain=given["explain"],
        show=given["show"],
        verbose=given["verbose"],
        quiet=given["quiet"],
        debug=given["debug"],
    )


def _effort(speed: int) -> str:
    """Return the effort that comes closest to a speed of pngquant."""
    if speed <= 3:
        return "best"
    return "default" if speed <= 7 else "fast"
