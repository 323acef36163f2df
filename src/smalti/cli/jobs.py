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

from .. import outputs
from ..errors import BadImage, BadOption, MissingFile, SmaltiError
from ..files import shown
from ..folders import Refusal, is_called_like_a_picture, no_pictures, walk
from ..movies import kept_format
from ..sources import real_path

__all__ = ["STANDARD", "Job", "Naming", "Plan", "plan"]

STANDARD = "-"  # standard input or output
MARK = "-smalti"
WRITTEN = (".png", ".webp", ".gif")
"""What can be compressed in place."""


@dataclass(frozen=True)
class Job:
    """One file to compress.

    `target` and `source` may be "-". `copy_to` is where the original goes if the result
    would be larger; None leaves it alone. `relative` is the source's place under its folder.
    `left` says why there is nothing to do; with `leads_out`, that the source is a link out of its
    folder.
    """

    source: str
    target: str = ""
    copy_to: str | None = None
    refusal: SmaltiError | None = None
    relative: str = ""
    left: str = ""
    leads_out: bool = False

    @property
    def in_place(self) -> bool:
        """Whether the result goes where the input is."""
        return STANDARD not in (self.source, self.target) and _key(self.source) == _key(self.target)


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
    in_place : each output is its input, in the format that its name says
    animations : whether an animation keeps its own format
    """

    k: int | str
    format: str = "png"
    output: str | None = None
    out_dir: str | None = None
    ext: str | None = None
    name: str | None = None
    in_place: bool = False
    animations: bool = False

    @property
    def beside(self) -> bool:
        """Whether outputs lie beside their inputs, told apart by nothing but the mark."""
        names = (self.out_dir, self.ext, self.name)
        return not self.in_place and all(name is None for name in names)

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
                raise BadOption(f"--name knows {known}, got {{{shown(match[1])}}}")
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
        elif "://" in source and not os.path.exists(source):
            takers = "batch compresses them; fit, survey and verify take them, too"
            yield Job(source, refusal=BadImage(f"{shown(source)} is a URL: smalti {takers}"))
        elif not os.path.isdir(source):
            yield _job(Path(source), Path(Path(source).name), naming)
        elif recursive:
            yield from _folder(Path(source), naming, left)
        else:
            refusal = BadImage(f"{shown(source)} is a folder; -r compresses what is in it")
            yield Job(source, refusal=refusal)


def _job(source: Path, relative: Path, naming: Naming) -> Job:
    if naming.output is not None:
        return Job(str(source), naming.output)
    if naming.in_place:
        return _job_in_place(source, relative)
    copy_to = str(Path(naming.out_dir) / relative) if naming.out_dir else None
    target = str(naming.target(source, relative))
    return Job(str(source), target, copy_to, relative=str(relative))


def _job_in_place(source: Path, relative: Path) -> Job:
    if source.suffix.lower() in WRITTEN:
        return Job(str(source), str(source), relative=str(relative))
    if not source.exists():  # nothing is left alone there
        return Job(str(source), refusal=MissingFile(f"{shown(source)} does not exist"))
    return Job(
        str(source),
        left=f"{shown(source)} is left alone: in place, only .png, .webp and .gif are compressed",
    )


# ---------------------------------------------------------------- folders


def _folder(folder: Path, naming: Naming, left: Counter[str]) -> Iterator[Job]:
    """Yield the images below `folder`, or one refusal if there are none."""
    skip = real_path(naming.out_dir) if naming.out_dir else None
    found, others = False, left["others"]
    for entry in walk(folder, skip):
        if isinstance(entry, Refusal):
            found = True
            yield _refused(entry)
        elif not is_called_like_a_picture(entry.name):
            left["others"] += 1
        elif naming.beside and entry.stem.endswith(MARK):
            left["earlier"] += 1  # not compressed once more
        else:
            found = True
            yield _unless_out(_job(entry, entry.relative_to(folder), naming), folder)
    if not found:
        yield _refused(no_pictures(str(folder), left["others"] - others))


def _unless_out(job: Job, folder: Path) -> Job:
    """Leave a link alone that leads out of the folder, where its target would be replaced.

    Who names a folder means what is in it; who means the target can name the link.
    """
    if job.left or not (os.path.islink(job.source) and job.in_place):
        return job
    target = real_path(job.source)
    if Path(real_path(folder)) in Path(target).parents:
        return job
    left = f"{shown(job.source)} is left alone: it is a link to {shown(target)}, not in the folder"
    return Job(job.source, left=left, leads_out=True)


def _refused(refusal: Refusal) -> Job:
    return Job(refusal.source, refusal=refusal.error)


# ---------------------------------------------------------------- each input its own output


def _once(jobs: Iterable[Job]) -> Iterator[Job]:
    seen: set[str] = set()
    for job in jobs:
        # A link that is left alone does not keep its target from being compressed elsewhere.
        key = os.path.abspath(job.source) if job.leads_out else real_path(job.source)
        if job.source == STANDARD or job.refusal or key not in seen:
            yield job
        seen.add(key)


def _told_apart(jobs: list[Job], naming: Naming) -> list[Job]:
    """Let inputs that would share an output keep their whole names in it."""

    def whole(i: int) -> str:
        return str(naming.target(Path(jobs[i].source), Path(jobs[i].relative), whole=True))

    movable = [job.target if job.relative and not job.refusal else "" for job in jobs]
    targets = outputs.told_apart(movable, whole, _key)
    return [
        replace(job, target=target) if target else job
        for job, target in zip(jobs, targets, strict=True)
    ]


def _unless_taken(jobs: list[Job]) -> Iterator[Job]:
    """Yield each job, or its refusal if an earlier input goes to the same place."""
    for job, rival in zip(jobs, outputs.rivals(map(_places, jobs)), strict=True):
        if rival is None:
            yield job
            continue
        message = (
            f"{shown(job.source)}: {shown(jobs[rival].source)} goes to {shown(job.target)} too; "
            "compress them in two runs, each into its own --out-dir"
        )
        yield Job(job.source, refusal=BadOption(message))


def _places(job: Job) -> set[str]:
    """Return where a job writes."""
    if job.refusal or job.left or job.target == STANDARD:
        return set()
    return {_key(place) for place in (job.target, job.copy_to) if place}


def _key(place: str) -> str:
    """Return the same string for all spellings of a place."""
    return real_path(place)
