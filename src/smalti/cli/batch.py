"""`smalti batch`: all pictures of folders and buckets, resumed where an earlier run stopped."""

from typing import TYPE_CHECKING, Any

import click

from ..batch.many import compress_many
from ..batch.sharing import compress_shared
from ..batch.summary import Summary
from ..lock import FULL
from .compress import compress, contradictions, options_of
from .engines import engine_options, progress_shown
from .locking import frozen_option, full_option, limit_option
from .parameters import Command, came_from_user, flag
from .terminal import as_json, complain, say

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["batch"]

OF_ONE_PICTURE = (
    "k", "quality", "min_score", "max_bytes", "format", "keep", "weight", "no_guard", "palette",
    "strict_palette", "space", "dither", "dither_strength", "dither_adaptive", "floyd", "nofs",
    "size", "effort", "speed", "init", "n_init", "max_iter", "tol", "seed", "icc", "pack",
    "allow_larger", "max_megapixels", "max_input_mib", "preserve", "keep_metadata",
    "frame_palettes", "embed_recipe",
)  # fmt: skip
"""Flags that are those of `smalti compress`."""


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some pictures failed; 2 usage, or nothing could be read; "
    "15 all outputs exist and are not of an earlier run (see --force); 16 cannot write, or another "
    "run works there; 99 no room in the lock; 130 and 143 interrupted: the same command goes on.",
    params=[one for one in compress.params if one.name in OF_ONE_PICTURE],
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|URL...")
@click.option("--out-dir", metavar="FOLDER|URL", help="Write there, in the folders of the input.")
@flag("--shared", help="Find ONE palette for all pictures, and map them to it.")
@click.option(
    "--lock", metavar="FILE", help="Map to a palette lock, to which new colors are added first."
)
@full_option
@frozen_option
@limit_option
@engine_options("Where the plan is, and what is done (default: .smalti in the output folder).")
@click.option(
    "--shard",
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="Pictures that are done and committed together; auto: half a minute's work.",
)
@flag("--no-resume", help="Do all of it again.")
@click.option(
    "--memory-limit",
    metavar="SIZE",
    help="Memory that each process may take, such as 2G: a picture that needs more fails alone.",
)
@flag("-f", "--force", help="Replace files in the output folder that no earlier run wrote.")
@flag("--json", help="Print the summary as JSON.")
@flag("-q", "--quiet", help="Print errors only.")
@flag("--debug", help="Print the traceback of errors.")
def batch(**given: Any) -> int:
    """Compress all pictures of folders, buckets and files into one folder.

    Looks through folders and all below them, on this machine or wherever fsspec leads
    (s3://bucket/scans). SRC/sub/photo.jpg becomes FOLDER/sub/photo.png. An animation keeps its
    format. A picture that a palette would not make smaller is copied.

    The same command goes on where a run was stopped or killed. It does what is missing, what has
    changed (inputs, options, versions, outputs that were removed or altered) and what failed, and
    nothing else. It replaces outputs of earlier runs, no other files.

    With --shared, colors are counted first, and the palette is in smalti.palette in the output
    folder; as with --lock and --palette, each color has the same row in all outputs, which are
    written even where they are larger.

    In folders, hidden entries, linked folders and files that are not called like pictures are left
    alone; what is named is taken.

    smalti-records.jsonl in the output folder tells what became of each picture, and
    smalti-summary.json of all.
    """
    sources, out_dir = given["sources"], given["out_dir"]
    problems = (
        (not sources, "no input; give folders, image files or URLs"),
        (not out_dir, "--out-dir says where the outputs go"),
        *contradictions(given, came_from_user("k")),
        *_shared_contradictions(given),
        (given["quiet"] and given["progress"] == "bar", "--quiet shows no bar; leave one out"),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)
    compress_all: Callable[..., Summary] = compress_many
    shared: dict[str, Any] = {}
    if given["shared"] or given["lock"] is not None:
        compress_all = compress_shared
        shared = {name: given[name] for name in ("lock", "frozen", "limit")}
        shared["full"] = given["full"] or FULL[0]
    with progress_shown(given["progress"], given["quiet"]) as on_progress:
        summary = compress_all(
            sources,
            out_dir,
            given["k"],
            engine=given["engine"],
            address=given["address"],
            jobs=given["jobs"],
            shard=_shard(given["shard"]),
            resume=not given["no_resume"],
            max_errors=given["max_errors"],
            memory_limit=given["memory_limit"],
            state=given["state"],
            overwrite=given["force"],
            on_progress=on_progress,
            **shared,
            **options_of(given),
        )
    _tell(summary, json=given["json"], quiet=given["quiet"])
    return summary.exit_code


# After -k, what only this command has; then the rest of the flags that it shares.
batch.params.sort(key=lambda one: one.name != "k" and one.name in OF_ONE_PICTURE)


def _shared_contradictions(given: dict[str, Any]) -> list[tuple[Any, str]]:
    lock, shared = given["lock"] is not None, given["shared"]
    only = [name for name in ("full", "frozen", "limit") if given[name]]
    return [
        (lock and shared, "--shared finds a palette, --lock has one; leave one out"),
        (
            (lock or shared) and given["palette"] is not None,
            "--palette is shared by all pictures anyway; leave --shared and --lock out",
        ),
        (lock and came_from_user("k"), "--lock takes all colors; --limit says how many at most"),
        (not lock and only, f"--{only[0] if only else ''} goes with --lock"),
    ]


def _shard(given: str) -> int | str:
    return int(given) if given.isascii() and given.isdigit() else given


def _tell(summary: Summary, *, json: bool, quiet: bool) -> None:
    for record in summary.failures:
        complain(record["message"])
    more = summary.failed - len(summary.failures)
    if more > 0:
        complain(f"and {more:,} more; {summary.records_uri} has all")
    if json:
        say(as_json(summary.to_dict()))
    elif not quiet:
        say(str(summary))
