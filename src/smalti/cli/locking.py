"""What the commands that know palette locks have in common: options, and how they tell."""

from typing import Any

import click

from ..batch.fitting import Locked
from ..lock import FULL
from ..options import MAX_K, Option
from .parameters import flag, knob

__all__ = ["as_dict", "frozen_option", "full_option", "limit_option"]

full_option = click.option(
    "--full",
    type=click.Choice(FULL),
    help="Where the lock has no room for new colors: fail, naming the files (the default), or give "
    "what room is left to the best of them and map the others to the nearest.",
)
frozen_option = flag("--frozen", help="Add nothing to the lock: it counts as full.")
limit_option = knob(
    Option("limit", None, "The most colors the lock may have (a new lock: 256).", 1, MAX_K)
)


def as_dict(done: Locked) -> dict[str, Any]:
    """Return the same in plain types."""
    lock = done.lock
    return {
        "lock": lock.name,
        "limit": lock.limit,
        "rows": len(lock.rows),
        "added": lock.added,
        "pictures": done.pictures,
        "brought": [vars(picture) for picture in done.brought],
        "failed": done.failures.messages,
    }
