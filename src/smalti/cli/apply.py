"""`smalti apply`: pictures mapped to a palette that is there, or to a lock, which grows first."""

from typing import Any

import click

from ..batch.fitting import extend_lock
from ..lock import FULL, Lock
from .compress import compress, defaults, prepared
from .jobs import STANDARD
from .locking import frozen_option, full_option, limit_option
from .parameters import Command, flag
from .run import Settings, run
from .terminal import say, tell

__all__ = ["apply"]

OF_COMPRESS = (
    "output", "out_dir", "ext", "name", "format", "strict_palette", "space",
    "dither", "dither_strength", "dither_adaptive", "size", "icc", "pack", "max_megapixels",
    "max_input_mib", "preserve", "keep_metadata", "threads", "jobs", "json", "explain", "verbose",
    "quiet", "debug",
)  # fmt: skip
"""Flags that are those of `smalti compress`."""


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 some of several files failed; 2 usage or unreadable input; "
    "4 refused by a limit; 15 output exists (see --force); 16 cannot write; 99 no room in the "
    "lock, or colors outside a strict palette; 130 and 143 interrupted.",
    params=[one for one in compress.params if one.name in OF_COMPRESS],
)
@click.argument("sources", nargs=-1, metavar="FILE|FOLDER|-...")
@click.option("--palette", metavar="FILE|COLORS", help="A palette file, or '#000,#fff'.")
@click.option(
    "--lock",
    metavar="FILE",
    help="A palette lock. New colors of the files are added to it, and only then are they mapped.",
)
@flag("-f", "--force", help="Replace existing outputs.")
@flag("-r", "--recursive", help="Map all images in the given folders.")
@full_option
@frozen_option
@limit_option
def apply(**given: Any) -> int:
    """Map images to the colors of a palette, each color in its row.

    Outputs are named as those of `smalti compress`: photo.jpg becomes photo-smalti.png beside it,
    or what -o, --ext, --name or --out-dir say. They are written even where they are larger: what
    is asked for is the palette.

    With --lock, colors that the lock does not have are added to it, exactly, as long as there is
    room; what then becomes of others says --full. With --frozen nothing is added: that is for
    checks. `smalti fit --lock` does only the first half, and `smalti verify` checks files.
    """
    sources = list(given["sources"])
    _refuse_contradictions(sources, given)
    own = {name: given[name] for name in given if name not in ("lock", "full", "frozen", "limit")}
    whole = defaults() | own | {"allow_larger": True}
    if given["lock"] is not None:
        whole["palette"] = "#000"  # until the lock is known; nothing is mapped to it
    plan, settings = prepared(sources, whole["k"], whole)
    pictures = [job.source for job in plan.jobs if not job.refusal]
    if given["lock"] is not None and pictures:
        settings.options["palette"] = _extended(pictures, settings, given).palette
    return run(plan, settings)


# What only this command has, and then the flags that it shares.
apply.params.sort(key=lambda one: one.name in OF_COMPRESS)


def _refuse_contradictions(sources: list[str], given: dict[str, Any]) -> None:
    lock, palette = given["lock"], given["palette"]
    only = [name for name in ("full", "frozen", "limit") if given[name]]
    problems = (
        ((lock is None) == (palette is None), "take either --palette or --lock"),
        (lock is None and only, f"--{only[0] if only else ''} goes with --lock"),
        (
            lock is not None and STANDARD in sources,
            "standard input has no name that a lock could give; name a file",
        ),
    )
    for wrong, sentence in problems:
        if wrong:
            raise click.UsageError(sentence)


def _extended(pictures: list[str], settings: Settings, given: dict[str, Any]) -> Lock:
    """Return the lock with the colors of pictures, and write it if there are new ones."""
    options, path = settings.options, given["lock"]
    done = extend_lock(
        path,
        pictures,
        full=given["full"] or FULL[0],
        frozen=given["frozen"],
        limit=given["limit"],
        icc=options["icc"],
        space=options["space"],
        limits=options["limits"],
        jobs=settings.jobs,
    )
    if not given["frozen"]:
        done.lock.save(path)
    if not settings.quiet and not settings.json and done.brought:
        (tell if given["output"] == STANDARD else say)("\n".join(done.lines()))
    return done.lock
