"""Compressing a collection: every picture of folders and buckets, resumed where it was left.

    sources -> [compress_many] -> outputs, smalti-records.jsonl, smalti-summary.json, Summary

What `compress` does to one picture is done to all, in the order of their names. The
bytes of the outputs are those of `compress`, whatever engine, number of workers,
shards, kills and retries there were.
"""

import contextlib
import inspect
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from .. import metadata, outputs
from ..compress import Report, compress
from ..decode import Limits
from ..errors import BadImage, BadOption, NotSmaller, OutputExists, SmaltiError
from ..files import shown
from ..folders import Refusal
from ..keep import Kept
from ..palette import Palette
from ..targets import parse_bytes
from . import places, runs, shards
from .runs import Progress
from .summary import NO_SIZE, RECORDS, Summary, counted, told
from .work import Item

__all__ = ["CompressWork", "Picture", "compress_many"]

STATE, NAMES = ".smalti", "names.jsonl"

NOT_OPTIONS = {"source", "target", "k", "threads", "overwrite", "channels", "progress", "on_stage",
               "on_try"}  # fmt: skip
"""Parameters of `compress` that mean nothing for many pictures, or that we set."""

INDECISIVE = {"limits"}
"""Options that say whether there is a result, not which one: a higher limit redoes what failed."""


@dataclass(frozen=True, slots=True)
class Picture(Item):
    """An input, and where its output goes, relative to the output folder."""

    target: str


# ---------------------------------------------------------------- one picture


class _Named(io.BytesIO):
    """Bytes of a file that say which in messages."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


@dataclass(frozen=True)
class CompressWork:
    """Compresses pictures into a folder. The bytes of a picture are those of `compress`."""

    out_dir: str
    options: dict[str, Any]
    name: str = "compress"

    def settings(self) -> dict[str, Any]:
        """Return the options that outputs depend on."""
        return {name: _plain(self.options[name]) for name in sorted({*self.options} - INDECISIVE)}

    def one(self, item: Item) -> tuple[dict[str, Any], None]:
        """Compress a picture; where that makes it no smaller, copy it."""
        assert isinstance(item, Picture)
        limits: Limits = self.options["limits"]
        most = int(limits.input_mib * 2**20)
        data = places.read(item.uri, most, size_bytes=item.size_bytes)
        before = len(data)
        try:
            report = compress(_Named(data, item.uri), None, threads=1, **self.options)
        except NotSmaller as error:
            held = metadata.read(data)
            words = f"{error}; copied{held.in_copy}" if held else str(error)
            fields = {
                "status": "kept",
                "message": words,
                "position": held.has_position,
            }
            target = item.relative
        else:
            assert report.data is not None
            data, target, fields = report.data, _target(item, report), _fields(report)
        stamp = self._write(item, target, data)
        sizes = {"bytes_in": before, "bytes_out": len(data)}
        return {**fields, **sizes, "target": target, "stamp": stamp}, None

    def _write(self, item: Item, target: str, data: bytes) -> str | None:
        """Write an output; return what changes when somebody changes it."""
        place = places.join(self.out_dir, target)
        if _same(item.uri, place):
            raise BadOption(f"{shown(item.uri)} would be its own output; write to another folder")
        keep_times = self.options.get("preserve") and not places.is_url(item.uri)
        times_of = places.path_of(item.uri) if keep_times else None
        places.write(place, data, preserve_from=times_of)
        return _stamp(place)

    def add(self, total: None, part: None) -> None:
        """Nothing adds up here."""

    def dump(self, total: None) -> None:
        """There is no payload: a shard leaves its outputs."""

    def stands(self, record: dict[str, Any]) -> bool:
        """Whether an output is as it was written: of that size, and a file of that time."""
        if places.is_url(self.out_dir):
            return bool(record["bytes_out"] == _sizes_below(self.out_dir).get(record["target"], -1))
        return bool(_stamp(places.join(self.out_dir, record["target"])) == record["stamp"])


def _target(item: Picture, report: Report) -> str:
    """Return where an output goes: an animation that keeps its format keeps its name."""
    planned = PurePosixPath(item.target).suffix.removeprefix(".").upper()
    return item.target if report.format == planned else item.relative


def _fields(report: Report) -> dict[str, Any]:
    """Return what a record holds of a report."""
    return {
        "status": "compressed",
        "message": "; ".join(report.notes),
        "k": report.colors_used,
        "psnr": round(report.psnr, 3) if np.isfinite(report.psnr) else None,
    }


def _plain(value: Any) -> Any:
    """Return an option as JSON knows it."""
    if isinstance(value, Palette):
        return value.colors.tolist()
    if isinstance(value, Kept):
        return [value.colors.tolist(), value.places]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _same(source: str, target: str) -> bool:
    if places.is_url(source) or places.is_url(target):
        return source == target
    paths = places.path_of(source), places.path_of(target)
    return os.path.exists(paths[1]) and os.path.samefile(*paths)


def _stamp(place: str) -> str | None:
    """Return size and time of a file; None if there is none, or if asking costs a request."""
    if places.is_url(place):
        return None
    try:
        status = os.stat(places.path_of(place))
    except OSError:
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


@lru_cache(maxsize=1)
def _sizes_below(folder: str) -> dict[str, int]:
    """Return the sizes of the pictures below a URL: one listing, not a request for each."""
    return {item.relative: item.size_bytes for item in places.listing([folder]).items}


# ---------------------------------------------------------------- all pictures


def compress_many(
    sources: places.Sources,
    out_dir: str | os.PathLike[str],
    k: int | str = 256,
    *,
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
    """Compress all pictures of folders, buckets and files into one folder.

    Below `out_dir`, outputs have the places that inputs have below their sources. A picture that a
    palette would not make smaller is copied. Without `format`, an animation keeps its own and its
    name. A picture that fails is a record and stops nothing.

    Parameters
    ----------
    sources : paths or URLs of folders and pictures, or patterns; one or several
        Of folders, all pictures in them and below. URLs are fsspec's, such as s3://bucket/scans.
    out_dir : path or URL of the folder to write into; it is made
    k : as for `compress`
    engine : "local": processes of this machine; "dask": a cluster
    address : of the Dask scheduler; None starts workers on this machine
    jobs : workers; None: one for each core
        With the local engine, 1 works in this process. Others import the calling script: it must
        do its work below `if __name__ == "__main__":`.
    shard : pictures that are done and committed together, or "auto": half a minute's work
    resume : do only what is missing, has changed or failed in an earlier run into `out_dir`
        Compared are names, sizes and times of inputs and outputs, options, and versions.
    max_errors : stop when more than so many pictures fail; "3%" is of all
    memory_limit : bytes of address space that each local process may take, or text such as "2G"
        A picture that needs more fails alone. A process needs some 300 MB for small ones.
    state : path or URL of the folder for the plan and what is done; default: .smalti in `out_dir`
    overwrite : replace files in `out_dir` that no earlier run wrote
    on_progress : called with a Progress at the start and after each shard
    options : all others of `compress` that are about one picture

    Returns
    -------
    Summary
        Its `records` have one dict for each input. They are in smalti-records.jsonl, too.

    Raises
    ------
    BadOption : an option makes no sense; said before anything is read.
    BadImage, MissingFile : there is nothing to compress.
    OutputExists : all outputs exist, and are not of an earlier run.
    CannotWrite : the state folder or the records cannot be written, or another run works there.
    MissingExtra : a URL needs fsspec or a driver, or the engine needs Dask.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> Image.linear_gradient("L").resize((99, 99)).convert("RGB").save(folder + "/a.bmp")
    >>> done = compress_many(folder, folder + "/small", k=16, jobs=1)
    >>> done.compressed, done.records[0]["relative"], done.records[0]["k"]
    (1, 'a.bmp', 16)
    """
    place = os.fspath(out_dir)
    home = places.join(place, STATE) if state is None else os.fspath(state)
    most_memory = None if memory_limit is None else parse_bytes(memory_limit, "memory_limit")
    runs.check(engine, address, jobs, shard, max_errors, most_memory)
    work = CompressWork(place, _checked(k, options))
    _refuse_itself(sources, place)
    _sizes_below.cache_clear()
    found = places.listing(sources, skip=place)
    pictures, refusals = _planned(found.items, work.options["format"] or "png")
    refusals += found.refusals
    if not pictures:
        raise _nothing(refusals)
    with runs.only_run_in(home):
        names = _names(home, place)
        if not overwrite:
            pictures, existing = _unless_foreign(pictures, place, names)
            refusals += existing
        if not pictures:
            raise _nothing(existing)
        now = {picture.relative for picture in pictures}
        _note_names(home, names | now)
        run = runs.run(
            work, pictures, state=home, engine=engine, address=address, jobs=jobs, shard=shard,
            max_errors=max_errors, resume=resume, memory_limit=most_memory, on_progress=on_progress,
            folder=place, locked=True,
        )  # fmt: skip
        return told(run, refusals, place, len(names - now), found.others)


def _refuse_itself(sources: places.Sources, out_dir: str) -> None:
    """Refuse an output folder that is one of the inputs: each picture would be its own output."""
    given = [sources] if isinstance(sources, str | os.PathLike) else sources
    for source in map(str, given):
        if os.path.isdir(places.path_of(source)) and _same(source, out_dir):
            raise BadOption(f"{shown(source)} cannot be the output folder, too; take another one")


def _checked(k: int | str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `compress`, having tried them on one pixel: what is wrong is said once.

    Palettes and kept colors are read here, so that workers need no file.
    """
    parameters = inspect.signature(compress).parameters
    defaults = {name: it.default for name, it in parameters.items() if name not in NOT_OPTIONS}
    for name in options:
        if name not in defaults:
            raise TypeError(f"compress_many() got an unexpected keyword argument {name!r}")
    if options.get("weight") not in (None, "auto"):
        raise BadOption("a weight map belongs to one picture; for many, weight is None or auto")
    palette = options.get("palette")
    options = {
        **defaults,  # so that an option that is given as its default is no other option
        **options,
        "k": k,
        "keep": Kept.of(options.get("keep")),
        "palette": None if palette is None else Palette.of(palette),
        "limits": options.get("limits") or Limits(),
    }
    try:
        compress(np.zeros((1, 1, 3), np.uint8), None, threads=1, **options)
    except BadOption:
        raise
    except SmaltiError:  # about the pixel
        pass
    return options


# ---------------------------------------------------------------- what goes where


def _planned(items: Sequence[Item], suffix: str) -> tuple[list[Picture], list[Refusal]]:
    """Return the pictures and their outputs, and the inputs that would share one even so."""
    relatives = [PurePosixPath(item.relative) for item in items]
    short = [str(path.with_name(f"{path.stem}.{suffix}")) for path in relatives]
    targets = outputs.told_apart(short, lambda i: f"{relatives[i]}.{suffix}")
    taken = outputs.rivals(
        {target, item.relative} for target, item in zip(targets, items, strict=True)
    )
    pictures, refusals = [], []
    for item, target, rival in zip(items, targets, taken, strict=True):
        if rival is None:
            pictures.append(Picture(item.uri, item.relative, item.size_bytes, item.stamp, target))
            continue
        message = (
            f"{shown(item.uri)}: {shown(items[rival].uri)} goes to the same output; "
            "compress them in two runs, each into its own folder"
        )
        refusals.append(Refusal(item.uri, BadOption(message)))
    return pictures, refusals


def _unless_foreign(
    pictures: list[Picture], out_dir: str, names: set[str]
) -> tuple[list[Picture], list[Refusal]]:
    """Refuse pictures whose outputs are there already and not of an earlier run."""
    if not places.is_url(out_dir) and not os.path.isdir(places.path_of(out_dir)):
        return pictures, []

    def there(relative: str) -> bool:
        if places.is_url(out_dir):
            return relative in _sizes_below(out_dir)
        return os.path.lexists(places.join(out_dir, relative))

    ours, refusals = [], []
    for picture in pictures:
        mine = (picture.target, picture.relative)
        found = [] if picture.relative in names else [name for name in mine if there(name)]
        if found:
            place = shown(places.join(out_dir, found[0]))
            message = f"{place} exists; use --force (overwrite=True) to replace it"
            refusals.append(Refusal(picture.uri, OutputExists(message)))
        else:
            ours.append(picture)
    return ours, refusals


def _nothing(refusals: Sequence[Refusal]) -> SmaltiError:
    """Return the error of a run that has nothing to do."""
    if not refusals:
        return BadImage("nothing to compress: no sources were given")
    first = min(refusals, key=lambda refusal: refusal.source).error
    if len(refusals) == 1:
        return first
    kind = type(first) if isinstance(first, OutputExists) else BadImage
    return kind(f"{first}; and {counted(len(refusals) - 1, 'other')} like it")


# ---------------------------------------------------------------- what earlier runs made


def _note_names(state: str, names: set[str]) -> None:
    """Write down the inputs of all runs, and a sum that shows whether the list is damaged."""
    lines = "".join(f"{json.dumps(name)}\n" for name in sorted(names)).encode()
    head = {"names": len(names), "sum": shards.sum_of(lines)}
    places.write(places.join(state, NAMES), f"{json.dumps(head)}\n".encode() + lines)


def _names(state: str, out_dir: str) -> set[str]:
    """Return the inputs of all runs so far: what is in their outputs' places may be replaced.

    Where the list is damaged, the other records of these runs tell what it held: without it, a
    run would take the outputs of earlier ones for somebody else's.
    """
    data = _content(places.join(state, NAMES))
    first, _, rest = data.partition(b"\n")
    head = next(_values(first), None)
    if isinstance(head, dict) and head.get("sum") == shards.sum_of(rest):
        return {name for name in _values(rest) if isinstance(name, str)}
    listed = {NAMES, runs.PLAN} & set(places.names(state))
    if not (listed or shards.committed(state)):
        return set()  # the first run, or somebody wants it to be
    planned = (_field(line, "items") for line in _values(_content(places.join(state, runs.PLAN))))
    items = (item for some in planned if isinstance(some, list) for item in some)
    names = {item[1] for item in items if isinstance(item, list) and len(item) > 1}
    records = list(_values(_content(places.join(out_dir, RECORDS))))
    for shard in shards.committed(state):
        records += shards.lines_of(state, shard)[1]
    names |= {_field(record, "relative") for record in records if _field(record, "target")}
    return {name for name in names if name and isinstance(name, str)}


def _content(place: str) -> bytes:
    """Return the bytes of a file of ours, none where it cannot be read."""
    try:
        return places.read(place, NO_SIZE)
    except SmaltiError:
        return b""


def _values(lines: bytes) -> Iterator[Any]:
    """Yield the values of lines of JSON; those that are none are left out."""
    for line in lines.splitlines():
        with contextlib.suppress(ValueError, RecursionError):  # JSON may be nested without end
            yield json.loads(line)


def _field(value: Any, name: str) -> Any:
    """Return a field of a JSON value, None where it has none."""
    return value.get(name) if isinstance(value, dict) else None
