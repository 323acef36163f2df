"""Reproduction: whether a file is what its recipe says, and whether it comes out so again.

    file -> Recipe, pixels -> as stored?        original, Recipe -> [compress] -> the same again?

The hashes tell edited files from those that smalti wrote. They are no signature: whoever changes a
file can change its recipe as well. Only the original, compressed again, proves where it comes from.
"""

from dataclasses import asdict, dataclass
from typing import Any

from .compress import compress
from .decode import Limits
from .errors import BadImage, MissingRecipe
from .headers import sniff
from .movies import frames
from .recipe import Recipe, hash_of_pictures
from .sources import NAMELESS, read_source, shown
from .version import __version__

__all__ = ["Reproduction", "verify_recipe"]


@dataclass(frozen=True)
class Reproduction:
    """What was found about a file and its recipe.

    Attributes
    ----------
    ok : nothing that was checked differs
    recipe : of the file
    pixels : whether its pixels are those that smalti wrote
    again : whether the original, compressed again, gives the same palette and indices; None
        without an original
    problem : a sentence, if not `ok`
    note : that this is another version than the file's, if so
    """

    ok: bool
    recipe: Recipe
    pixels: bool
    again: bool | None = None
    problem: str = ""
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain types, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.ok:
            return " ".join(filter(None, [self.problem, self.note]))
        again = "; the original, compressed again, gives the same palette and indices"
        end = f" ({self.note})" if self.note else ""
        return f"as made by {self.recipe}{again if self.again else ''}{end}"


def verify_recipe(
    source: Any,
    original: Any = None,
    *,
    limits: Limits | None = None,
    threads: int | None = None,
) -> Reproduction:
    r"""Check a file by the recipe that `compress` wrote into it with `embed_recipe`.

    Parameters
    ----------
    source : path, bytes, or binary file
    original : what it was made from, a path, bytes or binary file; compressed again with the
        options of the recipe, it must give the same palette and indices
    limits : largest files that are decoded
    threads : int >= 1, default all cores

    Returns
    -------
    Reproduction
        `ok`, and if not, the `problem`.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded : a file cannot be read.
    MissingRecipe : `source` has no recipe.
    BadImage : it has one that this version does not understand.

    >>> import numpy as np
    >>> image = np.arange(12288, dtype=np.uint16).astype(np.uint8).reshape(64, 64, 3)
    >>> report = compress(image, k=8, dither="none", embed_recipe=True)
    >>> print(verify_recipe(report.data))
    as made by smalti 0.1.0, k = 8, dither none
    """
    limits = limits or Limits()
    data, name = read_source(source, int(limits.input_mib * 2**20))
    try:
        kind = sniff(data)
        recipe = Recipe.found_in(data)
        if recipe is None:
            _refuse_damaged(data, limits)
            raise MissingRecipe("it has no recipe; smalti compress --embed-recipe writes one")
        options = recipe.arguments(compress)
    except BadImage as error:
        raise type(error)(f"{name}: {error}") from error.__cause__
    note = ""
    if recipe.version != __version__:
        note = f"made by smalti {recipe.version}, and this is {__version__}"
    # As stored: a color profile says how numbers look, and does not change them.
    if hash_of_pictures(frames(data, limits=limits, icc="strip")) != recipe.pixels:
        problem = "its pixels are not those that its recipe tells of: it was changed since."
        return Reproduction(False, recipe, False, None, problem, note)
    if original is None:
        return Reproduction(True, recipe, True, note=note)
    options |= {"format": kind.lower()}
    if "max_bytes" not in options:  # else how well it is packed changes no pixel
        options |= {"pack": "fast"}
    made = compress(
        original, allow_larger=True, embed_recipe=True, limits=limits, threads=threads, **options
    )
    assert made.data is not None
    now = Recipe.found_in(made.data)
    assert now is not None
    problem = ""
    if now.result != recipe.result:
        problem = (
            "the original, compressed again, gives other colors or indices."
            if now.source == recipe.source
            else f"{shown(made.source or 'the original')} is not the picture that it was made from."
        )
    return Reproduction(not problem, recipe, True, not problem, problem, note)


def _refuse_damaged(data: bytes, limits: Limits) -> None:
    """Raise if a file cannot be decoded: in PNG, what is cut off first is the recipe."""
    try:
        for _ in frames(data, limits=limits, icc="strip"):
            pass
    except BadImage as error:
        raise BadImage(str(error).removeprefix(f"{NAMELESS}: ")) from error
