"""The flags of `smalti compress`, and their translation into jobs and library options."""

import os
import stat
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from ..decode import Limits
from ..errors import CannotWrite
from ..files import check_standard_output, shown
from ..keep import Kept
from ..options import OPTIONS, Option, check
from ..palette import Palette
from ..targets import Targets
from . import check as checks
from . import jobs
from .parameters import Command, came_from_user, flag, knob
from .run import Settings, run

__all__ = ["compress", "contradictions", "defaults", "options_of", "prepared"]

ASK_DEFAULT = 16  # what the tutorials ask for
IDLE = (
    "sources", "k", "ask", "check", "check_over", "reports", "in_place", "recursive", "jobs",
    "threads", "json", "explain", "verbose", "quiet", "debug",
)  # fmt: skip
"""Parameters that change nothing in what is written."""
LARGEST = 1_000_000  # megapixels or MiB; beyond any file, and far below where numbers overflow


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some of several files failed; 2 usage or unreadable input; "
    "4 refused by a limit; 15 output exists (see --force); 16 cannot write; "
    "70 a bug in smalti: please report it; 98 not smaller; "
    "99 a quality, score or size that cannot be had, or colors outside a strict palette; "
    "130 and 143 interrupted. With --check: 1 something would shrink, or could not be read.",
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
@flag(
    "-i",
    "--in-place",
    help="Replace each PNG, WebP and GIF by its result, where that is smaller; its mode stays, and "
    "a folder that may be written to is enough, even for a read-only file. Links are written "
    "through, but -r leaves those to files outside of the folder alone.",
)
@flag("--check", help="Write nothing; tell what would shrink, and exit with 1 if anything would.")
@click.option(
    "--check-over",
    metavar="SIZE|PERCENT",
    default="0",
    show_default=True,
    help="With --check: tell what would shrink by more than so many bytes, such as 4k, or 10%.",
)
@click.option(
    "--report",
    "reports",
    metavar="FILE",
    multiple=True,
    help="With --check: write a report, .md, .json or .sarif; md, json or sarif alone prints it.",
)
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
@flag(
    "--embed-recipe",
    help="Write version, options and hashes into the file, for smalti verify: some 300 bytes.",
)
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
@flag("--preserve", help="Keep the file times and the density (dpi).")
@flag(
    "--keep-metadata",
    help="Carry over EXIF, XMP, IPTC, comments and the density, as far as the format holds them; "
    "the place of a photo is among them. Left out by default.",
)
@knob("threads")
@knob("jobs", "-j", "--jobs")
@flag("--json", help="Report as JSON, one object per line and input.")
@flag("--explain", help="Say where the output's bytes went, and what else was tried.")
@flag("--show", help="Open the original beside the result.")
@flag("-v", "--verbose", help="Print the iterations of k-means, and full reports.")
@flag("-q", "--quiet", help="Print errors only.")
@flag("--debug", help="Print the traceback of errors.")
@flag("--strip", help="Accepted for pngquant's sake: it is the default. Not --keep-metadata.")
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

    What smalti wrote at the same settings is recognized and left alone: compressed in place again,
    it does not change, and an output that is what would be written is no error.

    In folders, -r takes .png .jpg .jpeg .mpo .webp .gif .bmp .tif .tiff .avif, and leaves hidden
    entries, the output folder and its own earlier results (*-smalti.*) alone.

    --quality, --min-score and --max-bytes search for what reaches them with up to K colors;
    together, all must hold. Where nothing does, nothing is written: exit code 99.

    Of pngquant's command lines, these words work: a number of colors before the files, --ext,
    --floyd, --force, --output, --nofs, --quality, --speed, --strip, --skip-if-larger, --verbose.
    """
    sources, k = _number_first(list(given["sources"]), given["k"])
    plan, settings = prepared(sources, k, given)
    return run(plan, settings)


def prepared(sources: list[str], k: int | str, given: dict[str, Any]) -> tuple[jobs.Plan, Settings]:
    """Return the plan and the settings of a run; refuse what cannot be before any work."""
    _refuse_contradictions(sources, given)
    _refuse_places(given["output"], given["out_dir"])
    if given["check"] and not _names_outputs(given) and given["format"] is None:
        given["in_place"] = True
    to_standard = given["output"] == "-" or (given["output"] is None and sources == ["-"])
    if to_standard:
        check_standard_output()
    if to_standard and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; redirect it, or use -o FILE")
    if to_standard and given["show"]:
        raise click.UsageError("--show opens a file; -o names it")
    if given["ask"]:
        k = _ask(sys.stderr if to_standard or given["json"] else sys.stdout)
    settings = _settings(given, k)
    return jobs.plan(sources, _naming(given, k), recursive=given["recursive"]), settings


def defaults() -> dict[str, Any]:
    """Return what `compress` is given where nothing was said."""
    return compress.make_context("compress", [], resilient_parsing=True).params


def _names_outputs(given: dict[str, Any]) -> list[str]:
    """Return those of the options that name outputs which were given."""
    return [name for name in ("output", "out_dir", "ext", "name") if given[name] is not None]


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
        *contradictions(given, k_given or given["ask"]),
        (
            "-" in sources and (given["out_dir"] or given["ext"] or given["name"]),
            "standard input has no name to derive another from; -o names the output",
        ),
        (given["ext"] == "", "--ext must not be empty; -small.png is an example"),
        (given["name"] == "", "--name must not be empty; '{stem}_{k}.png' is an example"),
        (given["show"] and several, "--show is for one input"),
        (given["quiet"] and given["verbose"], "--quiet and --verbose exclude each other"),
        *_in_place_contradictions(sources, given),
        *_check_contradictions(sources, given),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _in_place_contradictions(sources: list[str], given: dict[str, Any]) -> list[tuple[Any, str]]:
    wanted = given["in_place"]
    return [
        (
            wanted and _names_outputs(given),
            "--in-place writes where the input is; leave out what names an output",
        ),
        (
            wanted and given["format"],
            "--in-place keeps the format of each file; leave --format out",
        ),
        (wanted and "-" in sources, "--in-place takes files; standard input has no place"),
    ]


def _check_contradictions(sources: list[str], given: dict[str, Any]) -> list[tuple[Any, str]]:
    kinds = [checks.format_of(report) for report in given["reports"]]
    printed = [report for report in given["reports"] if report in checks.FORMATS]
    return [
        (given["check"] and "-" in (*sources, given["output"]), "--check looks at files, not at -"),
        (given["check"] and given["show"], "--check makes nothing that --show could open"),
        (not given["check"] and given["reports"], "--report is about what --check finds"),
        (not given["check"] and came_from_user("check_over"), "--check-over goes with --check"),
        (
            None in kinds,
            "--report takes a file that ends in .md, .json or .sarif, or one of these words",
        ),
        (
            len(printed) > 1 or (printed and given["json"]),
            "standard output takes one report; write others to files",
        ),
    ]


def contradictions(given: dict[str, Any], k_given: bool) -> list[tuple[Any, str]]:
    """Return which options of one picture exclude each other, and whether they do here."""
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
        (
            given.get("strip") and given["keep_metadata"],
            "--strip and --keep-metadata contradict each other",
        ),
        (
            given["palette"] is not None and k_given,
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
        line = "" if sys.stdin is None else sys.stdin.readline()
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
        in_place=given["in_place"],
        animations=given["format"] is None,
    )


def _settings(given: dict[str, Any], k: int | str) -> Settings:
    """Return what every job has in common."""
    options = options_of(given) | {"k": k, "threads": given["threads"]}
    options["overwrite"] = given["force"] or given["in_place"]
    options["keep"] = Kept.of(options["keep"])  # here, so that what is wrong is said once
    palette = options["palette"]
    options["palette"] = None if palette is None else Palette.of(palette)
    Targets.of(*(given[name] for name in ("quality", "min_score", "max_bytes")))  # refuses early
    printed = any(report in checks.FORMATS for report in given["reports"])
    return Settings(
        options,
        jobs=given["jobs"],
        over=checks.Over.of(given["check_over"]) if given["check"] else None,
        reports=tuple(_reports(given["reports"])),
        command=tuple(_command(given, k)) if given["check"] else (),
        everything=tuple(_everything(given)),
        in_place=given["in_place"],
        json=given["json"],
        explain=given["explain"],
        show=given["show"],
        verbose=given["verbose"],
        quiet=given["quiet"] or printed,
        debug=given["debug"],
    )


def options_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return the library's options of one picture, as given by flags."""
    passed_on = (
        "format space dither dither_strength dither_adaptive effort init n_init max_iter tol seed "
        "size icc pack allow_larger preserve keep_metadata weight quality min_score max_bytes "
        "keep palette frame_palettes embed_recipe"
    )
    options = {name: given[name] for name in passed_on.split()}
    if given["nofs"]:
        options["dither"] = "none"
    if given["floyd"] is not None:
        options |= {"dither": "floyd-steinberg", "dither_strength": given["floyd"]}
    options |= {"guard": not given["no_guard"], "strict": given["strict_palette"]}
    if given["speed"] and not came_from_user("effort"):
        options["effort"] = _effort(given["speed"])
    options["limits"] = Limits(given["max_megapixels"], given["max_input_mib"])
    return options


def _reports(wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the format and the path of each report; a word alone goes to standard output."""
    for report in wanted:
        kind = checks.format_of(report)
        assert kind is not None
        yield kind, "-" if report in checks.FORMATS else report


def _command(given: dict[str, Any], k: int | str) -> Iterator[str]:
    """Yield the words of the command line that does what is checked, without files."""
    yield from ("smalti", "compress")
    if given["in_place"]:
        yield "--in-place"
    for parameter in click.get_current_context().command.params:
        name, value = parameter.name or "", given.get(parameter.name or "")
        if name == "k" and k != OPTIONS["k"].default and given["palette"] is None:
            yield from ("-k", str(k))
        elif name in IDLE or not came_from_user(name) or not isinstance(parameter, click.Option):
            continue
        elif not parameter.is_flag:
            yield from (_longest(parameter.opts), str(value))
        else:
            yield _longest(parameter.opts if value else parameter.secondary_opts)


def _everything(given: dict[str, Any]) -> Iterator[str]:
    """Yield the words that name all inputs."""
    if given["recursive"]:
        yield "--recursive"
    if any(source.startswith("-") for source in given["sources"]):
        yield "--"
    yield from given["sources"]


def _longest(spellings: list[str]) -> str:
    return max(spellings, key=len)


def _effort(speed: int) -> str:
    """Return the effort that comes closest to a speed of pngquant."""
    if speed <= 3:
        return "best"
    return "default" if speed <= 7 else "fast"
