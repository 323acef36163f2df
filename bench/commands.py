"""Commands that write palette images, from file to file, each started anew for every file.

They are timed as whole processes: start-up, reading and writing are part of what they cost, so
their times are compared with each other only, never with those of library calls.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rivals import SPACES, Timing

__all__ = ["COMMANDS", "Command", "command_of_ours", "measure_command", "timed"]

Arguments = list[str]


@dataclass(frozen=True)
class Command:
    """One row of the table of commands."""

    name: str
    call: str  # as the page prints it
    arguments: Callable[[str, str, int, int], Arguments]
    """(source, target, k, threads) to a command line."""
    install: str
    threads: str


def smalti_command() -> Arguments:
    """The installed command, or the same without its console script."""
    script = Path(sys.executable).with_name("smalti")
    return [str(script)] if script.exists() else [sys.executable, "-m", "smalti.cli"]


def smalti_line(source: str, target: str, k: int, threads: int, *, space: str) -> Arguments:
    options = ["-k", str(k), "--space", space, "--threads", str(threads), "--allow-larger"]
    return [*smalti_command(), "compress", "-q", "-f", *options, "-o", target, source]


def pngquant_line(source: str, target: str, k: int, threads: int, *, speed: int) -> Arguments:
    options = ["--nofs", "--speed", str(speed), "--force", "--output", target]
    return ["pngquant", *options, str(k), source]


def convert_line(source: str, target: str, k: int, threads: int, *, space: str) -> Arguments:
    # Debian's name first: plain `convert` may be something else, and means ImageMagick 6 or 7.
    program = next(filter(shutil.which, ("convert-im6.q16", "magick", "convert")), "convert")
    return [program, source, "-quantize", space, "+dither", "-colors", str(k), f"png8:{target}"]


def command_of_ours(space: str) -> str:
    return f"smalti compress, {space}"


def pngquant(speed: int, words: str) -> Command:
    return Command(
        f"pngquant, speed {speed}",
        f"pngquant --nofs --speed {speed} --force --output TARGET k SOURCE ({words})",
        partial(pngquant_line, speed=speed),
        "apt-get install pngquant",
        "OMP_NUM_THREADS",
    )


def convert(space: str) -> Command:
    return Command(
        f"ImageMagick convert, {space}",
        f"convert SOURCE -quantize {space} +dither -colors k png8:TARGET",
        partial(convert_line, space=space),
        "apt-get install imagemagick",
        "MAGICK_THREAD_LIMIT",
    )


COMMANDS = (
    *(
        Command(
            command_of_ours(space),
            f"smalti compress -k k --space {space} --threads N --allow-larger -o TARGET SOURCE",
            partial(smalti_line, space=space),
            "pip install .",
            "--threads",
        )
        for space in SPACES
    ),
    pngquant(4, "its default"),
    pngquant(1, "its best"),
    pngquant(11, "its fastest"),
    convert("sRGB"),
    convert("Lab"),
)


def measure_command(
    command: Command, source: Path, target: Path, k: int, threads: int
) -> tuple[Timing, int]:
    """Run it once; also the size of its file in bytes."""
    line = command.arguments(str(source), str(target), k, threads)
    cpu, wall = timed(line)
    with Image.open(target) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return Timing(cpu, wall, pixels), target.stat().st_size


def timed(line: Arguments) -> tuple[float, float]:
    """CPU and wall seconds of a child process; its environment is this process's."""
    before, start = children(), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
    return children() - before, time.perf_counter() - start


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
