"""Survey: what colors the pictures of a collection have, and which have alike ones.

    sources -> items -> [SurveyWork.one] -> records -> [Survey] -> tables, distances

Of each picture nothing is kept but a small palette with shares and a few numbers,
so a collection of any size is a table. It comes in the two shapes that analysts
ask for, one row per color and one per image, and with the distances of the
palettes: pandas, R and spreadsheets do the rest.
"""

import io
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import choose, tables, transport
from ..decode import Limits
from ..errors import BadOption
from ..histogram import Histogram
from ..movies import frames
from ..palette import Palette
from ..quantize import build_palette
from ..settings import Settings
from ..tables import Table
from ..transport import Signature
from . import places, runs
from .work import Item

__all__ = ["MAX_COLORS", "MAX_PAIRED", "Survey", "SurveyWork", "survey"]

DEFAULT_K = 8  # as many colors as people take in at a glance
MAX_COLORS = 256
MAX_PAIRED = 2_000
"""Images of which all distances are found: two million pairs, of 8 colors a quarter of an hour."""

DIGITS = {"share": 8, "L": 4, "C": 4, "h": 2, "distance": 6}

COLORS = {
    "image": "text", "width": "count", "height": "count", "distinct_colors": "count",
    "transparent": "number", "k_auto": "count", "rank": "count", "hex": "text", "r": "byte",
    "g": "byte", "b": "byte", "alpha": "byte", "L": "number", "C": "number", "h": "number",
    "name": "text", "share": "number", "error": "text",
}  # fmt: skip
"""Columns of the table with one row per image and color."""

IMAGE = {
    "image": "text", "uri": "text", "width": "count", "height": "count",
    "distinct_colors": "count", "transparent": "number", "k_auto": "count", "k": "count",
}  # fmt: skip
NEAREST = {"nearest": "text", "nearest_distance": "number"}


@dataclass(frozen=True)
class SurveyWork:
    """What a survey does to each picture; its settings are checked."""

    k: int
    space: str = "oklab"
    effort: str = "default"
    seed: int = 0
    auto: bool = True

    name = "survey"

    def settings(self) -> dict[str, Any]:
        """Return all that the records depend on."""
        return {name: getattr(self, name) for name in ("k", "space", "effort", "seed", "auto")}

    def one(self, item: Item) -> tuple[dict[str, Any], None]:
        """Return the numbers and the palette of one picture.

        Raises
        ------
        MissingFile, BadImage, LimitExceeded : it cannot be read.
        """
        movie = frames(_opened(item))
        histogram = Histogram.merge(map(Histogram.of, movie))
        options: dict[str, Any] = {
            "space": self.space,
            "effort": self.effort,
            "seed": self.seed,
            "threads": 1,
        }
        palette = build_palette(_visible(histogram), self.k, **options)
        assert palette.shares is not None  # a fitted palette has them
        fields = {
            "width": movie.width,
            "height": movie.height,
            "distinct_colors": len(histogram),
            "transparent": _transparent(histogram),
            "k_auto": choose.choose_k(histogram, **options).k if self.auto else None,
            "colors": palette.colors.tolist(),
            "shares": [round(share, DIGITS["share"]) for share in palette.shares.tolist()],
        }
        return fields, None

    def add(self, total: Any, part: Any) -> None:
        """Nothing is added up."""

    def dump(self, total: Any) -> None:
        """Return no payload: everything is in the records."""


def _opened(item: Item) -> Any:
    """Return what a picture is read from: bytes of a URL travel under its name."""
    if not places.is_url(item.uri):
        return places.path_of(item.uri)
    limit = int(Limits().input_mib * 2**20)
    file = io.BytesIO(places.read(item.uri, limit, size_bytes=item.size_bytes))
    file.name = item.uri  # what messages call it
    return file


def _visible(histogram: Histogram) -> Histogram:
    """Return the histogram without what cannot be seen, unless there is nothing else."""
    if histogram.channels == 3:
        return histogram
    seen = histogram.stored_colors[:, 3] > 0
    if not seen.any():
        return histogram
    colors, counts = histogram.stored_colors[seen], histogram.stored_counts[seen]
    left = Histogram.of_stored(np.ascontiguousarray(colors), counts)
    return left.without_alpha() if left.opaque else left


def _transparent(histogram: Histogram) -> float:
    if histogram.channels == 3:
        return 0.0
    clear = histogram.stored_counts[histogram.stored_colors[:, 3] == 0].sum()
    return round(int(clear) / histogram.total, DIGITS["share"])


# ---------------------------------------------------------------- the result


@dataclass(frozen=True)
class Survey:
    """The palettes of a collection.

    Attributes
    ----------
    records : one dict per image, in the order of their places
        `image` (its name in all tables), `uri`, `ok`; of a good one `width`, `height`,
        `distinct_colors`, `transparent`, `k_auto`, `colors` [[r, g, b] or [r, g, b, a]] and
        `shares`; of a bad one `error`, a class, and `message`.
    k : the most colors that a palette has
    others : files in folders that are not called like pictures

    >>> import tempfile, smalti
    >>> folder = tempfile.mkdtemp()
    >>> for name, color in (("a", "#f00"), ("b", "#fff"), ("c", "#ffe")):
    ...     smalti.Palette.of(color).save(f"{folder}/{name}.png")
    >>> found = smalti.survey(folder, k=2)
    >>> len(found.colors), len(found.images)
    (6, 3)
    >>> found
    Survey(images=3, failed=0, k=2)
    >>> found.nearest()[0].tolist()
    [2, 2, 1]
    """

    records: list[dict[str, Any]]
    k: int
    others: int = 0

    def __repr__(self) -> str:
        return f"Survey(images={len(self.names)}, failed={len(self.failed)}, k={self.k})"

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The records of images that could not be read."""
        return [record for record in self.records if not record["ok"]]

    @property
    def names(self) -> list[str]:
        """What the good images are called in tables: rows and columns of `distances`."""
        return [record["image"] for record in self._good]

    @cached_property
    def _good(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["ok"]]

    @cached_property
    def _signatures(self) -> list[Signature]:
        return [
            Signature.of(np.array(record["colors"], np.uint8), record["shares"])
            for record in self._good
        ]

    @cached_property
    def colors(self) -> Table:
        """The long table: one row per image and color, the largest share first.

        An image that could not be read has one row, with `image` and `error` only.
        """
        rows: list[dict[str, Any]] = []
        for record in self.records:
            if record["ok"]:
                rows += _color_rows(record)
            else:
                rows.append({"image": record["image"], "error": _sentence(record)})
        return Table.of(rows, COLORS)

    @cached_property
    def images(self) -> Table:
        """The wide table: one row per image. `images_with_nearest` has more, and takes longer."""
        return self._images()

    def images_with_nearest(self, *, progress: Callable[[int, int], object] | None = None) -> Table:
        """Return the wide table with the nearest other image, and how far it is."""
        rows, lengths = self.nearest(progress=progress)
        names = self.names
        found = {
            name: {"nearest": names[row], "nearest_distance": round(length, DIGITS["distance"])}
            for name, row, length in zip(names, rows.tolist(), lengths.tolist(), strict=True)
            if row >= 0
        }
        return self._images(found)

    def _images(self, nearest: dict[str, dict[str, Any]] | None = None) -> Table:
        found = nearest or {}
        rows = [_image_row(record) | found.get(record["image"], {}) for record in self.records]
        most = max((row["k"] for row in rows if "k" in row), default=0)
        ranks = range(1, most + 1)
        palette = {f"{what}_{rank}": kind for rank in ranks
                   for what, kind in (("hex", "text"), ("share", "number"))}  # fmt: skip
        middle = {} if nearest is None else NEAREST
        return Table.of(rows, IMAGE | middle | palette | {"error": "text"})

    def nearest(
        self, *, progress: Callable[[int, int], object] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return for each good image the row in `names` of the nearest other, and its distance.

        As `smalti.transport.nearest`: -1 where there is no other.

        Raises
        ------
        MissingExtra : SciPy is not installed.
        """
        if "distances" in self.__dict__:
            return transport.nearest_of(self.distances)
        return transport.nearest(self._signatures, progress=progress)

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """The earth mover's distances of all good images: (n, n) float64, in the order of `names`.

        In Oklab, where black and white are 1 apart; tables round them to 6 digits.

        Raises
        ------
        MissingExtra : SciPy is not installed.
        BadOption : there are more than 2,000.
        """
        return self.find_distances()

    def find_distances(
        self, *, progress: Callable[[int, int], object] | None = None
    ) -> NDArray[np.float64]:
        """Return `distances`, telling `progress` how many pairs are done, and of how many."""
        if "distances" not in self.__dict__:
            if len(self._good) > MAX_PAIRED:
                raise BadOption(
                    f"all distances are found for at most {MAX_PAIRED:,} images, got "
                    f"{len(self._good):,}; the nearest image of each is found for any number"
                )
            found = transport.distances(self._signatures, progress=progress)
            self.__dict__["distances"] = found
        result: NDArray[np.float64] = self.__dict__["distances"]
        return result

    @property
    def _rounded(self) -> NDArray[np.float64]:
        return self.distances.round(DIGITS["distance"])

    def to_dict(self) -> dict[str, Any]:
        """Return the survey in plain types, as `smalti survey --json` prints it.

        {"k", "images": [{"image", "uri", "width", ..., "colors": [as of `Palette.to_dict`]}]}; an
        image that could not be read has "error" instead.
        """
        return {"k": self.k, "images": [_as_dict(record) for record in self.records]}

    def matrix(self) -> Table:
        """Return `distances` as a table: `image`, and a column for each image.

        In R: `hclust(as.dist(read.csv("distances.csv", row.names = 1)))`.
        """
        names = self.names
        columns = dict(zip(names, self._rounded.T.tolist(), strict=True))
        return Table(
            {"image": names, **columns}, {"image": "text", **dict.fromkeys(names, "number")}
        )

    def pairs(self) -> Table:
        """Return `distances` as one row per pair of images: `a`, `b`, `distance`."""
        names = self.names
        first, second = np.triu_indices(len(names), 1)
        columns: dict[str, list[Any]] = {
            "a": [names[row] for row in first],
            "b": [names[row] for row in second],
            "distance": self._rounded[first, second].tolist(),
        }
        return Table(columns, {"a": "text", "b": "text", "distance": "number"})


def _sentence(record: dict[str, Any]) -> str:
    return tables.text(f"{record['error']}: {record['message']}")


def _as_dict(record: dict[str, Any]) -> dict[str, Any]:
    about = {name: record[name] for name in IMAGE if name in record}
    if not record["ok"]:
        return about | {"error": _sentence(record)}
    return about | Palette(record["colors"], record["shares"]).to_dict()


def _color_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    palette = Palette(record["colors"])
    about = {name: record[name] for name in COLORS if name in record}
    values = zip(
        palette.hex(), palette.colors.tolist(), palette.oklch().tolist(), palette.names(),
        record["shares"], strict=True,
    )  # fmt: skip
    rows = []
    for rank, (code, (red, green, blue, *alpha), (L, C, h), name, share) in enumerate(values, 1):
        color = {"r": red, "g": green, "b": blue, "alpha": alpha[0] if alpha else 255}
        look = {"L": round(L, DIGITS["L"]), "C": round(C, DIGITS["C"]), "h": round(h, DIGITS["h"])}
        rows.append(about | {"rank": rank, "hex": code, "name": name} | color | look)
        rows[-1]["share"] = share
    return rows


def _image_row(record: dict[str, Any]) -> dict[str, Any]:
    row = {name: record[name] for name in ("image", "uri")}
    if not record["ok"]:
        return row | {"error": _sentence(record)}
    row |= {name: record[name] for name in IMAGE if name in record}
    codes = Palette(record["colors"]).hex()
    for rank, (code, share) in enumerate(zip(codes, record["shares"], strict=True), 1):
        row |= {f"hex_{rank}": code, f"share_{rank}": share}
    return row | {"k": len(codes)}


# ---------------------------------------------------------------- the run


def survey(
    sources: places.Sources,
    *,
    k: int = DEFAULT_K,
    space: str = "oklab",
    effort: str = "default",
    seed: int = 0,
    auto: bool = True,
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
    state: str | os.PathLike[str] | None = None,
    max_errors: int | str | None = None,
    on_progress: Callable[[runs.Progress], object] | None = None,
) -> Survey:
    """Find the palettes of the pictures of a collection.

    Parameters
    ----------
    sources : a file, folder, pattern or fsspec URL, or a list of them
    k : int, 1 to 256
        Colors of each palette, at most.
    space, effort, seed : as in `quantize`
    auto : bool
        Find also how many colors each image needs, as `choose_k` does; it takes most of the time.
    jobs : workers; None: one for each core
        With the local engine, 1 works in this process. Others import the calling script: it must
        do its work below `if __name__ == "__main__":`.
    engine : "local" or "dask"
    address : of a Dask scheduler
    state : path or URL of a folder where the run leaves what it has done, to be resumed
    max_errors : stop when more than so many images fail; "3%" is of all
    on_progress : called with a `smalti.batch.runs.Progress` at the start and after each shard

    Returns
    -------
    Survey
        With tables of colors and of images, and the distances of palettes. A picture that cannot
        be read is a record that says why. The same whatever the engine and number of processes.

    Raises
    ------
    BadOption : an option is out of range, or `sources` is empty.
    MissingExtra : a source is a URL, or the engine Dask, and what that needs is not installed.
    CannotWrite : `state` cannot be written, or another run works in it.

    Notes
    -----
    Fully transparent pixels are no color: palettes, shares and distances leave them out, and
    `transparent` says how many they are. `distinct_colors` and `k_auto` count them as one color,
    as `compress` does. An image that is wholly transparent has that one "color".
    """
    if not sources:
        raise BadOption("no sources; give files, folders or URLs of pictures")
    work = _work(k, space, effort, seed, auto)
    runs.check(engine, address, jobs, "auto", max_errors, None)
    found = places.listing(sources)
    records = runs.run(
        work,
        found.items,
        state=None if state is None else os.fspath(state),
        engine=engine,
        address=address,
        jobs=1 if jobs is None and len(found.items) == 1 else jobs,
        max_errors=max_errors,
        on_progress=on_progress,
    ).records
    records += [
        {"uri": refusal.source, "relative": refusal.source, "ok": False,
         "error": type(refusal.error).__name__, "message": str(refusal.error)}
        for refusal in found.refusals
    ]  # fmt: skip
    return Survey(_named(records), k, found.others)


def _work(k: Any, space: str, effort: str, seed: int, auto: bool) -> SurveyWork:
    """Return the work, with its options checked."""
    settings = Settings.of(k, space=space, effort=effort, seed=seed)
    if settings.k > MAX_COLORS:
        raise BadOption(f"k must be an integer from 1 to {MAX_COLORS} here, got {k:,}")
    return SurveyWork(settings.k, space, effort, settings.seed, bool(auto))


def _named(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records with `image`, a name of its own for each.

    It is the place below the source, or, should two be the same, the whole place of all.
    """
    for key in ("relative", "uri"):
        places_of = [record[key] for record in records]
        if len(set(places_of)) == len(records):
            break
    counts: Counter[str] = Counter()
    named = []
    for record, name in zip(records, map(tables.text, places_of), strict=True):
        counts[name] += 1  # two names may differ in bytes that are no UTF-8 and are escaped alike
        own = name if counts[name] == 1 else f"{name} ({counts[name]})"
        named.append({"image": own} | record | {"uri": tables.text(record["uri"])})
    return named
