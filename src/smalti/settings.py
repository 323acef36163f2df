"""Settings: the options of palette building, checked once and made whole.

    keyword arguments -> [Settings.of] -> Settings -> fit

Every verb that builds a palette takes the same options and asks here, so what is
refused, and what an option left out means, is the same everywhere.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import seeds
from .errors import BadOption
from .keep import Kept
from .options import check, check_k

__all__ = ["DEFAULT_TOL", "Settings"]

MAX_ITER = {"lloyd": 100, "turbo": 1, "fast": 1, "default": 1, "best": 1}
"""Default of max_iter, by effort: a search needs no more than the step to the means."""

DEFAULT_TOL = {"srgb": 0.05, "oklab": 0.0002}
"""Largest shift at which the distortion has settled to about a thousandth."""


@dataclass(frozen=True)
class Settings:
    """The options of palette building, checked. Meanings and ranges are in `options.py`."""

    k: int
    space: str = "oklab"
    effort: str = "default"
    init: Any = "splitting"
    n_init: int = 1
    max_iter: int = MAX_ITER["default"]
    tol: float = 0.0
    seed: int = 0
    threads: int = 1
    keep: Kept | None = None

    @classmethod
    def of(
        cls,
        k: int,
        *,
        space: str = "oklab",
        effort: str = "default",
        init: Any = "splitting",
        n_init: int | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        seed: int = 0,
        threads: int | None = None,
        keep: Any = None,
    ) -> "Settings":
        """Check the options and fill in defaults; raises BadOption."""
        check("space", space)
        check("effort", effort)
        own = not isinstance(init, str)
        if own:  # given places are where to start, not a hint to search from
            effort = "lloyd"
        if not own:
            check("init", init)
        lloyd = effort == "lloyd"
        if n_init is None:
            n_init = seeds.RESTARTS[init] if lloyd and not own else 1
        if max_iter is None:
            max_iter = MAX_ITER[effort]
        k, keep = check_k(k), Kept.of(keep)
        _check_keep(keep, k, own)
        return cls(
            k=k,
            space=space,
            effort=effort,
            init=np.asarray(init) if own else init,
            n_init=check("n_init", n_init),
            max_iter=check("max_iter", max_iter),
            tol=DEFAULT_TOL[space] if tol is None else check("tol", tol),
            seed=check("seed", seed),
            threads=check("threads", _cores() if threads is None else threads),
            keep=keep,
        )


def _check_keep(keep: Kept | None, k: int, own: bool) -> None:
    """Refuse more kept colors than there is room for, or rows that the palette lacks."""
    if keep is None:
        return
    if own:
        raise BadOption("keep and centroids of your own as init exclude each other")
    if len(keep.colors) > k:
        raise BadOption(f"keep has {len(keep.colors):,} colors, more than k = {k:,}")
    if keep.least > k:
        raise BadOption(f"keep wants row {keep.least - 1:,}, but k = {k:,} ends at row {k - 1:,}")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(1024, len(os.sched_getaffinity(0))))
    return max(1, min(1024, os.cpu_count() or 1))
