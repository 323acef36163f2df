"""Recognition: whether a picture is what its settings would make of it already.

    Attempts, settings -> [recipe_of] -> mark of the settings -> [is_done] -> search, or leave it

A picture of at most k colors comes back as it is, so a number of colors needs no recognition: the
result has the same pixels and is no smaller. What looks at the picture to decide on the number of
colors would decide again, on what is left. Files made so carry a mark, and are recognized by it.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from . import marks
from .animation import Animation
from .decode import Decoded
from .palette import Palette
from .settings import Settings
from .targets import Targets
from .weights import is_map

__all__ = ["former_recipe", "is_done", "recipe_of"]

SCHEME = 1
"""Changes when the meaning of the settings below does."""

HALF = 8
"""Characters of a mark that are about the settings; those behind them are about the pixels."""


def recipe_of(
    attempts: Any,
    word: str | None,
    targets: Targets,
    *,
    size: float | None,
    guard: bool,
    given: Palette | None,
    weight: Any,
    icc: str,
    frame_palettes: bool,
) -> bytes:
    """Return the mark of all settings that pixels depend on; b"" where none is needed.

    attempts : at a picture or an animation
    word : what stands for k, if not a number
    weight : as asked for; the weights that "auto" finds are others in the result
    size : as asked for; None leaves it open
    """
    looked = word or targets.quality or targets.min_score is not None
    if not (attempts.always_marked or looked):
        return b""
    dithering = attempts.dithering
    return marks.of_settings(
        [
            SCHEME,
            word,
            _plain(attempts.settings),
            (dithering.method, float(dithering.strength), dithering.adaptive),
            (targets.quality, targets.min_score, targets.max_bytes),
            (size, attempts.size, guard, icc),
            None if given is None else given.colors.tolist(),
            marks.of_picture(attempts.weights[..., None]) if is_map(weight) else weight,
            frame_palettes,
        ]
    )


def _plain(settings: Settings) -> list[tuple[str, Any]]:
    """Return the settings of palette building as names and plain values; threads do not count."""
    plain = {field.name: getattr(settings, field.name) for field in fields(settings)}
    keep = settings.keep
    plain["keep"] = None if keep is None else (keep.colors.tolist(), keep.places)
    plain["init"] = np.asarray(settings.init).tolist()
    return sorted((name, value) for name, value in plain.items() if name != "threads")


def is_done(decoded: Decoded | Animation, recipe: bytes, targets: Targets) -> bool:
    """Whether a picture is the result of these settings, by a mark that is true of its pixels.

    A file that has grown beyond the size asked for since, though its pixels are the same, is not.
    """
    limit, size = targets.max_bytes, decoded.size_bytes
    fits = limit is None or size is None or size <= limit
    return fits and bool(recipe) and former_recipe(decoded) == recipe


def former_recipe(decoded: Decoded | Animation) -> bytes:
    """Return the mark of the settings that a picture is the result of; b"" if none is known."""
    mark = decoded.mark
    return mark[:HALF] if mark and mark[HALF:] == _digest(decoded) else b""


def _digest(decoded: Decoded | Animation) -> bytes:
    if isinstance(decoded, Animation):
        return marks.of_pictures(decoded)
    return marks.of_picture(decoded.image)
