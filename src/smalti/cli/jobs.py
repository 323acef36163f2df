"""Which files become which files: the command's words turned into a list of jobs.

Folders are walked in name order, so a run does the same things in the same
order everywhere. What cannot be done (a folder without --recursive, two inputs
with one output) is a job too, with a refusal in place of a target: it fails
when its turn comes, and stops nothing else.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadImage, BadOption, OutputExists, SmaltiError
from ..files import shown

__all__ = ["STANDARD", "Job", "Naming", "plan"]

STANDARD = "-"  # standard input or output
MARK = "-smalti"
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}


@dataclass(frozen=True)
class Job:
    """One file to compress.

    `target` and `source` may be "-". `copy_to` is where the original goes if the result
    would be larger; None leaves it alone.
    """

    source: str
    target: str = ""
    copy_to: str | None = None
    refusal: SmaltiError | None = None


@dataclass(frozen=True)
class Naming:
    """How outputs are called; at most one of `output`, `ext` and `name` is given.

    output : the one output, a path or "-"
    out_dir : folder that mirrors the inputs, with unchanged names
    ext : replaces the input's suffix, as in pngquant: "-small.png"
    name : template with {stem}, {name}, {k} and {format}
    """

    k: int
    format: str = "png"
    output: str | None = None
    out_dir: str | None = None
    ext: str | None = None
    name: str | None = None

    def target(self, source: Path, relative: Path) -> Path:
        """Return the output's path for `source`, which lies at `relative` under its folder."""
        folder = Path(self.out_dir) / relative.parent if self.out_dir else source.parent
        return folder / self._file_name(source)

    def _file_name(self, source: Path) -> str:
        if self.ext is not None:
            return source.stem + self.ext
        if self.name is not None:
            return self._from_template(source, self.name)
        return f"{source.stem}{'' if self.out_dir else MARK}.{self.format}"

    def _from_template(self, source: Path, template: str) -> str:
        fields = {
            "stem": source.stem,
            "name": source.name,
            "k": str(self.k),
            "format": self.format,
        }

        def value(match: re.Match[str]) -> str:
            if match[1] not in fields:
                known = ", ".join(f"{{{field}}}" for field in fields)
                raise BadOption(f"--name knows {known}, got {{{match[1]}}}")
            return fields[match[1]]

        return re.sub(r"\{([^{}]*)\}", value, template)


def plan(sources: Sequence[str], naming: Naming, *, recursive: bool) -> list[Job]:
    """Return one job per input file, in the order given, each file once."""
    jobs: list[Job] = []
    seen: set[str] = set()
    taken: dict[str, str] = {}  # output -> the input it belongs to
    for job in _all(sources, naming, recursive):
        key = os.path.realpath(job.source)
        if job.source != STANDARD and not job.refusal and key in seen:
            continue
        seen.add(key)
        jobs.append(_unless_taken(job, taken))
    return jobs


def _all(sources: Sequence[str], naming: Naming, recursive: bool) -> Iterator[Job]:
    for source in sources:
        if source == STANDARD:
            yield Job(source, naming.output or STANDARD)
        elif not os.path.isdir(source):
            yield _job(Path(source), Path(Path(source).name), naming)
        elif recursive:
            yield from _folder(Path(source), naming)
        else:
            refusal = BadImage(f"{shown(source)}: is a folder; -r compresses what is in it")
            yield Job(source, refusal=refusal)


def _job(source: Path, relative: Path, naming: Naming) -> Job:
    if naming.output is not None:
        return Job(str(source), naming.output)
    copy_to = str(Path(naming.out_dir) / relative) if naming.out_dir else None
    return Job(str(source), str(naming.target(source, relative)), copy_to)


def _folder(folder: Path, naming: Naming) -> Iterator[Job]:
    """Yield the images below `folder`, or one refusal if there are none."""
    skip = os.path.realpath(naming.out_dir) if naming.out_dir else None
    beside = naming.out_dir is None and naming.ext is None and naming.name is None
    found = False
    for path in _images(folder, skip):
        # What an earlier run left beside its originals is not compressed once more.
        if not (beside and path.stem.endswith(MARK)):
            found = True
            yield _job(path, path.relative_to(folder), naming)
    if not found:
        yield Job(str(folder), refusal=BadImage(f"{shown(folder)}: no images in this folder"))


def _images(folder: Path, skip: str | None) -> Iterator[Path]:
    """Yield image files in name order; hidden ones and the output folder are left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(parent, name)) != skip
        )
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)


def _unless_taken(job: Job, taken: dict[str, str]) -> Job:
    """Return `job`, or its refusal if an earlier input has the same output."""
    if job.refusal or job.target == STANDARD:
        return job
    key = os.path.realpath(job.target)
    if key in taken:
        message = (
            f"{shown(job.source)}: {shown(job.target)} is already the output of "
            f"{shown(taken[key])}; --name '{{name}}.png' gives each its own"
        )
        return Job(job.source, refusal=OutputExists(message))
    taken[key] = job.source
    return job
