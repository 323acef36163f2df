"""One measuring process: every quantizer and command on every photo, side by side, so many threads.

    python bench/rounds.py PLAN.json RECORDS.json

`compare.py` starts it with the environment that limits threads, which libraries read only when they
are loaded. For one photo and one k all quantizers take turns, so that a slow minute of the machine
is everybody's slow minute. Outputs whose look is judged later are kept as files: judging takes
longer than the measuring, and must not share the machine with it.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from commands import COMMANDS, Command, measure_command
from measure import best_known, mse, oklab_error, photos
from rivals import KS, OURS, RIVALS, Quantizer, Timing, measure

__all__ = ["Plan"]

Record = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What one process is to measure."""

    data: str
    threads: int
    photos: list[str]
    slow_photos: list[str]  # for quantizers that take seconds
    judged_photos: list[str]  # for commands, and outputs kept for SSIM and SSIMULACRA2
    judged_ks: list[int]
    ks: list[int]
    few_ks: list[int]  # for quantizers that take minutes
    runs: int
    kept: str | None  # folder for outputs; None: none are kept

    def wants(self, quantizer: Quantizer, photo: str, k: int) -> bool:
        if self.threads > 1 and quantizer.threads == "none":
            return False
        if quantizer.share == "few" and (self.threads > 1 or k not in self.few_ks):
            return False
        where = self.photos if quantizer.share == "all" else self.slow_photos
        return photo in where and k in quantizer.ks


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def installed(quantizer: Quantizer, image: np.ndarray, missing: dict[str, str]) -> bool:
    """Run once, untimed: what is loaded and compiled at the first call costs nobody's time."""
    try:
        measure(quantizer, image, 16, 1)
    except (ImportError, OSError) as error:
        missing[quantizer.name] = quantizer.install
        say(f"{quantizer.name} is left out ({error}): {quantizer.install}")
        return False
    return True


def in_turns(plan: Plan, row: list[Quantizer], image: np.ndarray, k: int) -> Iterator[list[Timing]]:
    """All runs of each quantizer: the first of all, then the second of all, and so on."""
    turns: list[list[Timing]] = [[] for _ in row]
    for run in range(plan.runs):
        for quantizer, timings in zip(row, turns, strict=True):
            if run and quantizer.share != "all":
                continue
            if plan.threads > 1:
                time.sleep(0.02)  # idle threads of the one before spin a little longer
            timings.append(measure(quantizer, image, k, plan.threads))
    yield from turns


def record_of(name: str, photo: str, k: int, threads: int, timings: list[Timing]) -> Record:
    return {
        "name": name,
        "photo": photo,
        "k": k,
        "threads": threads,
        "cpu": median(timing.cpu for timing in timings),
        "wall": median(timing.wall for timing in timings),
        "runs": len(timings),
    }


def errors(plan: Plan, image: np.ndarray, record: Record, timing: Timing) -> None:
    """Add to the record what the output is like, and keep it where it will be judged."""
    if plan.threads > 1:
        return  # the same pixels as with one thread, or nearly
    result = timing.pixels
    record["mse"] = mse(image, result)
    record["oklab"] = oklab_error(image, result)
    packed = result.astype(np.uint32) @ np.uint32([65536, 256, 1])
    record["colors"] = len(np.unique(packed))
    if plan.kept and record["photo"] in plan.judged_photos and record["k"] in plan.judged_ks:
        words = f"{record['photo']} {record['k']} {record['name']}"
        record["kept"] = re.sub(r"\W+", "-", words) + ".png"
        Image.fromarray(result).save(Path(plan.kept, record["kept"]), compress_level=1)


def library_rounds(plan: Plan, missing: dict[str, str]) -> Iterator[Record]:
    images = photos(Path(plan.data))
    best = best_known(Path(plan.data))
    small = next(iter(images.values()))[:64, :64]
    usable = [q for q in (*OURS, *RIVALS) if installed(q, small, missing)]
    for photo in plan.photos:
        for k in plan.ks:
            row = [quantizer for quantizer in usable if plan.wants(quantizer, photo, k)]
            turns = in_turns(plan, row, images[photo], k)
            for quantizer, timings in zip(row, turns, strict=True):
                record = record_of(quantizer.name, photo, k, plan.threads, timings)
                errors(plan, images[photo], record, timings[0])
                fit = timings[0].fit
                known = fit and isfinite(fit.distortion) and (photo, k) in best
                if known and quantizer.space == "sRGB":
                    record["over_best"] = fit.distortion / best[photo, k]
                yield record
        say(f"{plan.threads} thread(s): {photo}")


def command_rounds(plan: Plan, missing: dict[str, str]) -> Iterator[Record]:
    images = photos(Path(plan.data))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target.png")
        for photo in plan.judged_photos:
            source = Path(folder, photo)  # written anew, as the original may carry gamma or profile
            Image.fromarray(images[photo]).save(source)
            usable = [c for c in COMMANDS if starts(c, source, target, missing)]
            for k in plan.judged_ks:
                for command in usable:
                    runs = [
                        measure_command(command, source, target, k, plan.threads)
                        for _ in range(plan.runs)
                    ]
                    timings = [timing for timing, _ in runs]
                    record = record_of(command.name, photo, k, plan.threads, timings)
                    errors(plan, images[photo], record, timings[0])
                    yield record | {"bytes": runs[0][1]}
    say(f"{plan.threads} thread(s): commands")


def starts(command: Command, source: Path, target: Path, missing: dict[str, str]) -> bool:
    if command.name not in missing:
        try:
            measure_command(command, source, target, KS[-1], 1)
        except FileNotFoundError:
            missing[command.name] = command.install
            say(f"{command.name} is left out: {command.install}")
    return command.name not in missing


def main() -> None:
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    missing: dict[str, str] = {}
    records = [*library_rounds(plan, missing), *command_rounds(plan, missing)]
    output = {"plan": asdict(plan), "records": records, "missing": missing}
    Path(sys.argv[2]).write_text(json.dumps(output))


if __name__ == "__main__":
    main()
