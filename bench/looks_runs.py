"""Runs that are kept on disk: one palette PNG per tool, image and k, and what was measured of it.

    FOLDER/files/TOOL/IMAGE-K-VERSION.png           what the tool wrote
    FOLDER/files/TOOL/IMAGE-K-VERSION-SMALTI.png    the same, by smalti's encoder if that is smaller
    FOLDER/scores/HASH.json                         what was measured of a pair of pictures

Files are kept by the tool's version, so that only what changed is run again; scores are kept by the
pixels, so that a change which moves no pixel costs no judging. A run that was interrupted goes on
where it was.
"""

import hashlib
import io
import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from looks_scores import scores
from looks_tools import MOST, Absent, Tool, repacked, smalti_version, tools

__all__ = ["Store", "Task", "image_of", "measure_all", "pixels", "split", "tasks", "workers"]

Array = np.ndarray
FEW_KS = (16, 64, 256)  # of images of more than LARGE megapixels
LARGE = 2
SCHEME = 1  # raise it when scores.py measures something else


@dataclass(frozen=True)
class Task:
    """One file to write and to judge."""

    group: str
    path: Path
    tool: str
    k: int


class Store:
    """The folder of what was run; each method is safe to be interrupted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, tool: Tool, image: str, k: int, make: Callable[[], bytes]) -> bytes:
        """The tool's file for an image, written now unless it was before."""
        name = re.sub(r"\W+", "-", f"{image}-{k}-{tool.version()}")
        folder = self.folder / "files" / re.sub(r"\W+", "-", tool.name)
        first = kept(folder / f"{name}.png", make)
        if tool.family == "smalti":
            return first
        return kept(folder / f"{name}-{smalti_version()}.png", lambda: repacked(first))

    def scores(self, image: Array, result: Array) -> dict[str, Any]:
        """What is measured of a pair of pictures."""
        digest = hashlib.sha256(f"{SCHEME} {version('ssimulacra2')} {image.shape}".encode())
        digest.update(image.tobytes() + result.tobytes())
        path = self.folder / "scores" / f"{digest.hexdigest()[:24]}.json"
        return json.loads(kept(path, lambda: json.dumps(scores(image, result)).encode()))


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """The bytes of a file, which is made if there is none; written whole or not at all."""
    if not path.exists():
        data = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.replace(path)
    return path.read_bytes()


def pixels(file: bytes, channels: int) -> Array:
    """What a file shows: (H, W, channels) uint8."""
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGBA" if channels == 4 else "RGB"))


@cache
def image_of(path: Path) -> Array:
    """The pixels that every tool is given: RGBA where something is transparent, else RGB."""
    with Image.open(path) as picture:
        rgba = np.asarray(picture.convert("RGBA"))
    return rgba if rgba[..., 3].min() < 255 else np.ascontiguousarray(rgba[..., :3])


def megapixels(image: Array) -> float:
    return image.shape[0] * image.shape[1] / 1e6


def tasks(groups: dict[str, list[Path]], which: list[Tool], ks: tuple[int, ...]) -> Iterator[Task]:
    """Everything to be measured, image by image."""
    for group, paths in groups.items():
        for path in paths:
            image = image_of(path)
            size = megapixels(image)
            for tool in which:
                if (size > MOST and not tool.large) or (image.shape[2] == 4 and not tool.alpha):
                    continue
                for k in ks:
                    if size > LARGE and k not in FEW_KS:
                        continue
                    yield Task(group, path, tool.name, k)
            image_of.cache_clear()


def measure(task: Task, folder: Path, sizes: tuple[str, ...]) -> dict[str, Any]:
    """Run one task, or find what it gave before."""
    image_of.cache_clear()
    image = image_of(task.path)
    tool = next(tool for tool in tools(sizes) if tool.name == task.tool)
    store = Store(folder)
    file = store.file(tool, task.path.name, task.k, lambda: tool.run(image, task.k))
    result = pixels(file, image.shape[2])
    return {
        "group": task.group,
        "image": task.path.name,
        "tool": task.tool,
        "k": task.k,
        "bytes": len(file),
        "megapixels": megapixels(image),
        "has_alpha": image.shape[2] == 4,
        **store.scores(image, result),
    }


def split(which: Iterable[Tool]) -> tuple[list[Tool], dict[str, str]]:
    """The tools that can be run here, and what the others lack."""
    usable, absent = [], {}
    probe = np.zeros((16, 16, 3), np.uint8)
    probe[:, ::2] = 200
    for tool in which:
        try:
            tool.run(probe, 16)
        except Absent as error:
            absent[tool.name] = str(error)
        else:
            usable.append(tool)
    return usable, absent


def workers(jobs: int) -> ProcessPoolExecutor:
    """Fresh processes: pyoxipng hangs in one that was forked after it was used."""
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))


def measure_all(
    todo: list[Task], folder: Path, sizes: tuple[str, ...], *, jobs: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """All records, several processes at work; the order is that of the tasks."""
    start, records = time.time(), []
    with workers(jobs) as pool:
        waiting = [pool.submit(measure, task, folder, sizes) for task in todo]
        for task, future in zip(todo, waiting, strict=True):
            records.append(future.result())
            if len(records) == len(todo) or todo[len(records)].path != task.path:
                minutes = (time.time() - start) / 60
                say(f"{minutes:5.1f} min  {len(records)} of {len(todo)}  {task.path.name}")
    return records
