"""Recipes: what a file says about how it was made, so that it can be checked and made again.

    options, hashes -> [Recipe] -> JSON -> a label of the file -> [Recipe.found_in] -> options

A recipe holds the version, k, every option that is not at its default, and three hashes: of the
pixels that came in, of palette and indices, and of the pixels in the file. It holds no names, no
paths and no times; palettes and colors that were read from files are in it as colors. Only with
`embed_recipe` is there one.

A file may come from anybody, so a recipe is read as what it is: JSON of a bounded size, whose
options must be known by name, have values that `compress` could have been given, and name no file.
"""

import hashlib
import inspect
import json
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import labels, marks, quality
from .errors import BadImage, BadOption
from .histogram import widen
from .keep import Kept
from .options import OPTIONS, check
from .palette import Palette
from .sources import shown
from .swatches import hex_code
from .targets import parse_bytes
from .version import __version__
from .weights import is_map

__all__ = ["Recipe", "hash_of_pictures", "hash_of_result"]

UNWRITTEN = {
    "source", "target", "k", "limits", "channels", "threads", "overwrite", "allow_larger",
    "progress", "on_stage", "on_try", "embed_recipe",
}  # fmt: skip
"""Parameters of `compress` that change nothing in what is written, or are not options."""

MOST_BYTES = 2**20
"""Of a recipe: a palette of 65,536 colors takes 786,431."""

VERSION, HASH = re.compile(r"[0-9A-Za-z.+-]{1,40}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Recipe:
    """How a file was made.

    Attributes
    ----------
    version : of smalti
    k : as it was asked for
    options : those of `compress` that were not at their defaults, as JSON has them
    source, result, pixels : SHA-256 of the pixels that came in; of palette and indices; and of
        the pixels of the file
    """

    version: str
    k: int | str
    options: dict[str, Any]
    source: str
    result: str = ""
    pixels: str = ""

    @classmethod
    def of(
        cls, call: Callable[..., Any], asked: dict[str, Any], pictures: Iterable[NDArray[np.uint8]]
    ) -> "Recipe":
        """Return the recipe of a call of `compress`, without what came out.

        Parameters
        ----------
        call : `compress`, whose parameters have the defaults
        asked : all its arguments
        pictures : that came in, decoded: one, or the frames of an animation

        Raises
        ------
        BadOption : a map of weights, which would be a picture in the file.
        """
        if is_map(asked["weight"]):
            raise BadOption(
                "a recipe cannot hold a map of weights; leave embed_recipe out, or take weight auto"
            )
        options = {
            name: _plain(name, asked[name])
            for name, parameter in inspect.signature(call).parameters.items()
            if name not in UNWRITTEN and not _is(asked[name], parameter.default)
        }
        return cls(__version__, _plain("k", asked["k"]), options, hash_of_pictures(pictures))

    def of_result(self, result: str, pixels: str) -> "Recipe":
        """Return the recipe with the hashes of what came out."""
        return replace(self, result=result, pixels=pixels)

    def put(self, data: bytes) -> bytes:
        """Return a PNG, GIF or WebP with the recipe in it."""
        return labels.RECIPE.put(data, self.to_json().encode())

    def to_json(self) -> str:
        """Return the text that is in the file: ASCII, in one line.

        >>> Recipe("0.1.0", 16, {"dither": "none"}, "").to_json()[:58]
        '{"smalti":"0.1.0","k":16,"options":{"dither":"none"},"sour'
        """
        fields = {
            "smalti": self.version, "k": self.k, "options": self.options,
            "source": self.source, "result": self.result, "pixels": self.pixels,
        }  # fmt: skip
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def found_in(cls, data: bytes) -> "Recipe | None":
        """Return the recipe of a file; None if it has none.

        Raises
        ------
        BadImage : there is one that cannot be read. The message does not name the file.
        """
        text = labels.RECIPE.find(data)
        if not text:
            return None
        try:
            fields = json.loads(text) if len(text) <= MOST_BYTES else None
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not _is_recipe(fields):
            raise BadImage("it has a recipe that is damaged; nothing can be checked by it")
        return cls(
            fields["smalti"], fields["k"], fields["options"],
            fields["source"], fields["result"], fields["pixels"],
        )  # fmt: skip

    def arguments(self, call: Callable[..., Any]) -> dict[str, Any]:
        """Return k and the options for another call of `compress`, with which it does the same.

        Raises
        ------
        BadImage : an option that this version does not have, or a value that it cannot have.
        """
        known = inspect.signature(call).parameters.keys() - UNWRITTEN
        for name, value in self.options.items():
            if name not in known:
                raise BadImage(
                    f"its recipe has an option that smalti {__version__} does not know: "
                    f"{name[:40]!a}; it was made by smalti {self.version}"
                )
            if not _is_possible(name, value):
                other = f"was made by smalti {self.version}, or "
                raise BadImage(
                    f"its recipe says {name} {shown(reprlib.repr(value))}, which smalti "
                    f"{__version__} does not take; it "
                    f"{other if self.version != __version__ else ''}is damaged"
                )
        return {"k": self.k, **self.options}

    def __str__(self) -> str:
        """Return it as a sentence tells of it, printable whatever it holds."""
        options = (f"{shown(name)} {_short(value)}" for name, value in self.options.items())
        return ", ".join([f"smalti {shown(self.version)}", f"k = {shown(self.k)}", *options])


def hash_of_pictures(pictures: Iterable[NDArray[np.uint8]]) -> str:
    """Return the SHA-256 of one picture or of the frames of an animation, (H, W, 3|4) uint8 each.

    An alpha that is opaque everywhere, and colors that nobody sees, change nothing.

    >>> image = np.full((2, 2, 3), 7, np.uint8)
    >>> opaque = np.dstack([image, np.full((2, 2), 255, np.uint8)])
    >>> hash_of_pictures([image]) == hash_of_pictures([opaque])
    True
    """
    whole = hashlib.sha256()
    for picture in pictures:
        for part in marks.canonical(picture):
            whole.update(part)
    return whole.hexdigest()


def hash_of_result(palette: NDArray[np.uint8], *indices: NDArray[Any]) -> str:
    """Return the SHA-256 of a palette (k, 3|4) uint8 and of indices of any shapes."""
    whole = hashlib.sha256(widen(np.ascontiguousarray(palette), 4).tobytes())
    for part in indices:
        whole.update(part.astype("<u2").tobytes())
    return whole.hexdigest()


def _is(value: Any, default: Any) -> bool:
    """Whether an argument is the default; arrays are none."""
    return value is default or (isinstance(value, str | int | float) and value == default)


def _plain(name: str, value: Any) -> Any:
    """Return an argument as JSON has it, colors as #rrggbb."""
    if name == "palette":
        return Palette.of(value).hex()
    if name == "keep":
        kept = Kept.of(value)
        if kept is None:  # an empty list
            return None
        pairs = zip(kept.colors.tolist(), kept.places, strict=True)
        return ",".join(
            f"{'' if row is None else f'{row}='}{hex_code(color)}" for color, row in pairs
        )
    if isinstance(value, str | bool | None):
        return value
    if np.ndim(value):
        return np.asarray(value).tolist()
    return float(value) if isinstance(value, float | np.floating) else int(value)


def _is_recipe(fields: dict[str, Any]) -> bool:
    """Whether JSON has the fields of a recipe, each of its type."""
    k, version = fields.get("k"), fields.get("smalti")
    texts = [fields.get(name) for name in ("source", "result", "pixels")]
    return (
        isinstance(k, int | str)
        and _passes(check, "k", k)
        and isinstance(fields.get("options"), dict)
        and isinstance(version, str)
        and VERSION.fullmatch(version) is not None
        and all(isinstance(text, str) and HASH.fullmatch(text) for text in texts)
    )


def _is_possible(name: str, value: Any) -> bool:
    """Whether an option can have a value that is JSON, and names no file by it.

    Some options take paths, or arrays; a recipe has colors, and lists of numbers.
    """
    if name in FORMS:
        return FORMS[name](value)
    if name in OPTIONS:
        return _passes(check, name, value)
    return isinstance(value, int | None)  # what the table does not have is a switch


def _passes(test: Callable[..., Any], *values: Any) -> bool:
    """Whether a test of the library takes some values."""
    try:
        test(*values)
    except (ValueError, RecursionError):  # BadOption; numbers too long to be read; lists too deep
        return False
    return True


def _is_palette(value: Any) -> bool:
    """Whether it is a list of colors: a word alone could name a file."""
    words = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return words and _passes(Palette.of, value)


def _is_keep(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _passes(Kept.of, value))


def _is_init(value: Any) -> bool:
    """Whether it is a word of the table, or centroids: rows of 3 or 4 numbers."""
    return _passes(check, "init", value) or (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(row, list)
            and len(row) in (3, 4)
            and all(isinstance(x, int | float) and not isinstance(x, bool) for x in row)
            for row in value
        )
    )


FORMS: dict[str, Callable[[Any], bool]] = {
    "palette": _is_palette,
    "keep": _is_keep,
    "init": _is_init,
    "weight": lambda value: value == "auto",
    "quality": lambda value: isinstance(value, int | str) and _passes(quality.parse, value),
    "max_bytes": lambda value: isinstance(value, int | str) and _passes(parse_bytes, value),
}
"""Options that are more than a row of the table."""


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return shown(str(value))
    return f"of {len(value)}" if len(value) > 4 else shown(" ".join(map(str, value)))
