"""Which files become which files: the command's words turned into a plan of jobs.

Folders are walked in name order, so a run does the same things in the same
order everywhere. What cannot be done (a folder without --recursive, a folder
that may not be read) is a job too, with a refusal in place of a target: it
fails when its turn comes, and stops nothing else.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadImage, BadOption, SmaltiError
from ..files import shown
from ..movies import kept_format

__all__ = ["STANDARD", "SUFFIXES", "Job", "Naming", "Plan", "plan"]

STANDARD = "-"  # standard input or output
MARK = "-smalti"
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".mpo", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"
)  # fmt: skip
"""What a walk through a folder takes; a file that is named may be called anything."""


@dataclass(frozen=True)
class Job:
    """One file to compress.

    `target` and `source` may be "-". `copy_to` is where the original goes if the result
    would be larger; None leaves it alone. `relative` is the source's place under its folder.
    """

    source: str
    target: str = ""
    copy_to: str | None = None
    refusal: SmaltiError | None = None
    relative: str = ""


@dataclass(frozen=True)
class Plan:
    """All jobs, and what a walk through folders found besides."""

    jobs: list[Job]
    walked: bool = False
    others: int = 0  # files that are not called like pictures
    earlier: int = 0  # results of an earlier run


@dataclass(frozen=True)
class Naming:
    """How outputs are called; at most one of `output`, `ext` and `name` is given.

    output : the one output, a path or "-"
    out_dir : folder that mirrors the inputs, with unchanged names
    ext : replaces the input's suffix, as in pngquant: "-small.png"
    name : template with {stem}, {name}, {k} and {format}
    animations : whether an animation keeps its own format
    """

    k: int | str
    format: str = "png"
    output: str | None = None
    out_dir: str | None = None
    ext: str | None = None
    name: str | None = None
    animations: bool = False

    @property
    def beside(self) -> bool:
        """Whether outputs lie beside their inputs, told apart by nothing but the mark."""
        return self.out_dir is None and self.ext is None and self.name is None

    def target(self, source: Path, relative: Path, *, whole: bool = False) -> Path:
        """Return the output's path for `source`, which lies at `relative` under its folder.

        `whole` keeps the suffix of the input's name: logo.gif becomes logo.gif.png.
        """
        folder = Path(self.out_dir) / relative.parent if self.out_dir else source.parent
        own = kept_format(str(source)) if self.animations else None
        naming = replace(self, format=own or self.format)
        return folder / naming._file_name(source, source.name if whole else source.stem)

    def _file_name(self, source: Path, stem: str) -> str:
        if self.ext is not None:
            return self._with_suffix(stem + self.ext, self.ext)
        if self.name is not None:
            name = self._from_template(source, stem, self.name)
            return self._with_suffix(name, self.name)
        return f"{stem}{'' if self.out_dir else MARK}.{self.format}"

    def _with_suffix(self, name: str, given: str) -> str:
        """Return `name` with the format's suffix, if what was given has none."""
        known = name.lower().endswith(f".{self.format}")
        if known or os.path.splitext("x" + given)[1] not in ("", "."):
            return name
        return f"{name.rstrip('.')}.{self.format}"

    def _from_template(self, source: Path, stem: str, template: str) -> str:
        fields = {"stem": stem, "name": source.name, "k": str(self.k), "format": self.format}

        def value(match: re.Match[str]) -> str:
            if match[1] not in fields:
                known = ", ".join(f"{{{field}}}" for field in fields)
                raise BadOption(f"--name knows {known}, got {{{match[1]}}}")
            return fields[match[1]]

        return re.sub(r"\{([^{}]*)\}", value, template)


def plan(sources: Sequence[str], naming: Naming, *, recursive: bool) -> Plan:
    """Return one job per input file, in the order given, each file once."""
    left: Counter[str] = Counter()
    jobs = list(_once(_all(sources, naming, recursive, left)))
    jobs = list(_unless_taken(_told_apart(jobs, naming)))
    walked = recursive and any(os.path.isdir(source) for source in sources)
    return Plan(jobs, walked, left["others"], left["earlier"])


def _all(
    sources: Sequence[str], naming: Naming, recursive: bool, left: Counter[str]
) -> Iterator[Job]:
    for source in sources:
        if source == STANDARD:
            yield Job(source, naming.output or STANDARD)
        elif not os.path.isdir(source):
            yield _job(Path(source), Path(Path(source).name), naming)
        elif recursive:
            yield from _folder(Path(source), naming, left)
        else:
            refusal = BadImage(f"{shown(source)}: is a folder; -r compresses what is in it")
            yield Job(source, refusal=refusal)


def _job(source: Path, relative: Path, naming: Naming) -> Job:
    if naming.output is not None:
        return Job(str(source), naming.output)
    copy_to = str(Path(naming.out_dir) / relative) if naming.out_dir else None
    target = str(naming.target(source, relative))
    return Job(str(source), target, copy_to, relative=str(relative))


# ---------------------------------------------------------------- folders


def _folder(folder: Path, naming: Naming, left: Counter[str]) -> Iterator[Job]:
    """Yield the images below `folder`, or one refusal if there are none."""
    skip = os.path.realpath(naming.out_dir) if naming.out_dir else None
    found, others = False, left["others"]
    for entry in _walk(folder, skip):
        if isinstance(entry, Job):
            found = True
            yield entry
        elif entry.suffix.lower() not in SUFFIXES:
            left["others"] += 1
        elif naming.beside and entry.stem.endswith(MARK):
            left["earlier"] += 1  # not compressed once more
        else:
            found = True
            yield _job(entry, entry.relative_to(folder), naming)
    if not found:
        others = left["others"] - others
        rest = f", only {others:,} other file{'s' if others > 1 else ''}" if others else ""
        refusal = BadImage(f"{shown(folder)}: no images in this folder{rest}")
        yield Job(str(folder), refusal=refusal)


def _walk(folder: Path, skip: str | None) -> Iterator[Path | Job]:
    """Yield files in name order, and a refusal for each folder that may not be read.

    Hidden entries and the output folder are left out; links to folders are not followed.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"{shown(folder)}: this folder cannot be read: {error.strerror}"
        yield Job(str(folder), refusal=BadImage(reason))
        return
    seen = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in seen:
        if not entry.is_dir():
            yield folder / entry.name
    for entry in seen:
        if entry.is_dir(follow_symlinks=False) and os.path.realpath(entry.path) != skip:
            yield from _walk(folder / entry.name, skip)


# ---------------------------------------------------------------- each input its own output


def _once(jobs: Iterable[Job]) -> Iterator[Job]:
    seen: set[str] = set()
    for job in jobs:
        key = os.path.realpath(job.source)
        if job.source == STANDARD or job.refusal or key not in seen:
            yield job
        seen.add(key)


def _told_apart(jobs: list[Job], naming: Naming) -> list[Job]:
    """Let inputs that would share an output keep their whole names in it.

    logo.gif and logo.png become logo.gif.png and logo.png.png. That may hit upon the name of
    yet another output, which then keeps its whole name too.
    """
    jobs = list(jobs)
    keys = [_key(job.target) if job.relative and not job.refusal else "" for job in jobs]
    short = {i for i, key in enumerate(keys) if key}
    while True:
        counts = Counter(keys)
        shared = [i for i in short if counts[keys[i]] > 1]
        if not shared:
            return jobs
        for i in shared:
            source, relative = Path(jobs[i].source), Path(jobs[i].relative)
            jobs[i] = replace(jobs[i], target=str(naming.target(source, relative, whole=True)))
            keys[i] = _key(jobs[i].target)
        short.difference_update(shared)


def _unless_taken(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yield each job, or its refusal if an earlier input goes to the same place."""
    taken: dict[str, str] = {}  # place -> the input that goes there
    for job in jobs:
        if job.refusal or job.target == STANDARD:
            yield job
            continue
        places = {_key(place) for place in (job.target, job.copy_to) if place}
        rivals = [taken[place] for place in places if place in taken]
        if rivals:
            message = (
                f"{shown(job.source)}: {shown(rivals[0])} goes to {shown(job.target)} too; "
                "compress them in two runs, each into its own --out-dir"
            )
            yield Job(job.source, refusal=BadOption(message))
        else:
            taken |= dict.fromkeys(places, job.source)
            yield job


def _key(place: str) -> str:
    """Return the same string for all spellings of a place."""
    return os.path.realpath(place)
