"""A collection in one palette: found for all of it or locked, and then mapped to.

sources -> fit_many | extend_lock -> palette -> compress_many -> outputs, smalti.palette
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import BadOption
from ..options import OPTIONS
from . import places
from .fitting import extend_lock, fit_many
from .many import STATE, compress_many
from .runs import Progress
from .summary import Summary

__all__ = ["PALETTE", "compress_shared"]

PALETTE = "smalti.palette"
"""The palette, beside the outputs."""

OF_EACH = ("init", "n_init", "max_iter", "tol", "weight")
"""Options of a search that is another one for each picture."""


def compress_shared(
    sources: places.Sources,
    out_dir: str | os.PathLike[str],
    k: int | str = 256,
    *,
    lock: str | None = None,
    full: str = "fail",
    frozen: bool = False,
    limit: int | None = None,
    bits: int | str = "auto",
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    shard: int | str = "auto",
    resume: bool = True,
    max_errors: int | str | None = None,
    memory_limit: int | str | None = None,
    state: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    **options: Any,
) -> Summary:
    """Compress all pictures to ONE palette, each color in the same row of all outputs.

    Outputs are written even where they are larger than the inputs, and counted: what is asked for
    is the palette, which is written to smalti.palette beside them.

    Parameters
    ----------
    sources, out_dir, engine, address, jobs, shard, resume, max_errors, memory_limit, state,
    overwrite, on_progress, options : as for `compress_many`
    k, bits : as for `fit_many`
    lock : path of a palette lock to extend and to map to, in the place of a palette of k colors
    full, frozen, limit : as for `extend_lock`

    Raises
    ------
    What `fit_many` or `extend_lock`, and `compress_many` do.
    """
    for name in OF_EACH:
        default = OPTIONS[name].default if name in OPTIONS else None
        if options.pop(name, default) != default:
            raise BadOption(f"one palette for all pictures is found without {name}; leave it out")
    place = os.fspath(out_dir)
    home = places.join(place, STATE) if state is None else os.fspath(state)
    search = {name: options.pop(name) for name in ("effort", "seed", "keep") if name in options}
    common: dict[str, Any] = {
        "engine": engine, "address": address, "jobs": jobs, "max_errors": max_errors,
        "on_progress": on_progress,
    }  # fmt: skip
    read = {name: options[name] for name in ("space", "icc", "limits") if name in options}
    counting: dict[str, Any] = (
        common | read | {"state": places.join(home, "palette"), "skip": place}
    )
    if lock is None:
        palette = fit_many(sources, k, bits=bits, shard=shard, **search, **counting).palette
        notes: tuple[str, ...] = ()
    else:
        if search.pop("keep", None) is not None:
            raise BadOption("a lock keeps its colors anyway; leave keep out")
        done = extend_lock(
            lock, sources, full=full, frozen=frozen, limit=limit, **search, **counting
        )
        if not frozen:
            done.lock.save(lock)
        palette, notes = done.lock.palette, tuple(done.lines())
    summary = compress_many(
        sources, place, shard=shard, resume=resume, memory_limit=memory_limit, state=home,
        overwrite=overwrite, **common, **options | {"palette": palette, "allow_larger": True},
    )  # fmt: skip
    places.write(places.join(place, PALETTE), palette.encoded(".palette"))
    return replace(summary, notes=notes)
