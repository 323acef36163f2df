"""Writes the measured parts of docs/scale.md: engines, unit costs, and what they make of a million.

    python bench/scale.py [--page docs/scale.md] [--data FOLDER] [--quick]

Prints everything it writes. What was measured goes between the markers `<!-- measured: NAME -->`
and `<!-- end -->`; the cost model is computed from nothing but the figures above it. It takes less
than ten minutes, with --quick less than two; it needs a machine that has nothing else to do.
"""

import argparse
import filecmp
import io
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti
from lesson import write
from measure import cpu_seconds, machine, photos
from scale_work import Nothing
from scaling import amount, table
from smalti.batch import places, runs, shards
from smalti.batch.many import compress_many
from smalti.batch.pool import ONE_THREAD
from smalti.batch.work import Item

SIDE = 500  # of the pictures of a collection: 0.25 megapixels
JOBS = 2
OPTIONS: dict[str, Any] = {"k": 64, "pack": "fast"}
ENGINES: dict[str, dict[str, Any]] = {
    "one process": {"jobs": 1},
    "pool": {"jobs": JOBS},
    "Dask": {"engine": "dask", "jobs": JOBS},
}
BITS = (8, 7, 6)
KS = (16, 64, 256)
SIZES = {"a million": 10**6, "a billion": 10**9}
CORES = (64, 1024)
MB, GB, TB, PB = 10**6, 10**9, 10**12, 10**15


# ---------------------------------------------------------------- pictures


def draw(seed: int, side: int = SIDE) -> np.ndarray:
    """Return something like a photograph: smooth, with a little grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    waves = [np.sin(9 * (a * x + b * y) + c) for a, b, c in rng.uniform(-2, 2, (6, 3))]
    picture = 128 + 100 * np.stack([waves[i] * waves[i + 3] for i in range(3)], axis=-1)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def as_file(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": 90} if kind == "JPEG" else {"compress_level": 6}
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def draw_collection(folder: Path, count: int) -> None:
    """Write PNG and JPEG by turns; each picture is a few drawings' own part, so all are other."""
    folder.mkdir()
    drawn = [draw(seed) for seed in range(16)]
    for number in range(count):
        image = np.roll(drawn[number % 16], (number * 7, number * 13), (0, 1))
        kind, suffix = (("PNG", "png"), ("JPEG", "jpg"))[number % 2]
        (folder / f"{number:05}.{suffix}").write_bytes(as_file(image, kind))


# ---------------------------------------------------------------- engines


@dataclass(frozen=True)
class Engines:
    """What engines take for the same work."""

    count: int
    walls: dict[str, float]  # seconds for real work
    starts: dict[str, float]  # seconds for one input that nothing is done to
    each: dict[str, float]  # seconds for each further input that nothing is done to
    driver: float  # the same where there are many inputs, in one process
    shard: float  # CPU seconds of driver and scheduler for each further shard
    bytes_in: int
    bytes_out: int
    records: float  # bytes for each input
    plan: float


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure_engines(folder: Path, count: int) -> Engines:
    source = folder / "in"
    draw_collection(source, count)
    walls, summaries = {}, {}
    for name, options in ENGINES.items():
        out = folder / f"out-{len(walls)}"
        walls[name], summaries[name] = clock(
            lambda o=out, more=options: compress_many([str(source)], str(o), **OPTIONS, **more)
        )
        print(f"{name}: {walls[name]:.1f} s", flush=True)
    check_alike([folder / f"out-{number}" for number in range(len(walls))], count)
    starts = {name: least(folder, 1, options) for name, options in ENGINES.items()}
    each = {
        name: (least(folder, count, options) - starts[name]) / count
        for name, options in ENGINES.items()
    }
    many = 10 * count
    driver = (nothing(folder, many, ENGINES["one process"]) - starts["one process"]) / many
    summary = summaries["pool"]
    return Engines(
        count, walls, starts, each, driver, scheduler_seconds(folder, count // 5),
        summary.bytes_in, summary.bytes_out, *state_bytes(folder / "out-1", count),
    )  # fmt: skip


def scheduler_seconds(folder: Path, count: int) -> float:
    """Return the CPU seconds of this process, Dask's scheduler in it, for each further shard."""
    dask = ENGINES["Dask"]
    one, _ = cpu_seconds(lambda: nothing(folder, 1, dask))
    apart, _ = cpu_seconds(lambda: nothing(folder, count, dask, shard=1))
    return max(0.0, apart - one) / (count - 1)


def least(folder: Path, count: int, options: dict[str, Any]) -> float:
    """Return the lowest of three: other processes can only add to it."""
    return min(nothing(folder, count, options) for _ in range(3))


def nothing(folder: Path, count: int, options: dict[str, Any], shard: int | str = "auto") -> float:
    """Return the seconds of a run over inputs that nothing is done to."""
    items = [Item(f"/{n:07}.png", f"{n:07}.png", 100_000, "1") for n in range(count)]
    with tempfile.TemporaryDirectory(dir=folder) as state:
        return clock(lambda: runs.run(Nothing(), items, state=state, shard=shard, **options))[0]


def check_alike(folders: list[Path], count: int) -> None:
    """The figures would mean nothing if engines did not write the same."""
    first, *others = folders
    names = sorted(path.name for path in first.iterdir() if path.suffix in (".png", ".jpg"))
    assert len(names) == count, (len(names), count)
    for other in others:
        assert filecmp.cmpfiles(first, other, names, shallow=False)[0] == names


def state_bytes(out: Path, count: int) -> tuple[float, float]:
    """Return the bytes of records, and of the plan, for each input."""
    records = sum(path.stat().st_size for path in out.rglob("*.jsonl") if "shards" in path.parts)
    plan = sum(path.stat().st_size for path in out.rglob(runs.PLAN))
    return records / count, plan / count


def engine_table(engines: Engines) -> str:
    serial = engines.walls["one process"]
    rows = [
        [
            name,
            f"{wall:.1f}",
            f"{serial / wall:.2f}",
            f"{engines.starts[name]:.2f}",
            f"{1e3 * engines.each[name]:.2f}",
        ]
        for name, wall in engines.walls.items()
    ]
    head = ["engine", "wall s", "times faster", "start-up s", "overhead ms per image"]
    return table(head, rows)


# ---------------------------------------------------------------- unit costs


@dataclass(frozen=True)
class Units:
    """What a megapixel costs, one core busy."""

    pictures: str
    bytes_in: dict[str, float]  # kind -> bytes per megapixel
    decode: dict[str, float]  # kind -> CPU seconds per megapixel
    histogram: float
    compress: dict[str, float]  # pack -> CPU seconds per megapixel
    bytes_out: dict[str, float]  # pack -> bytes per megapixel
    colors: float  # distinct ones of a picture, per megapixel
    one: dict[int, float]  # bits -> bytes of a picture's histogram, per megapixel
    merged: dict[int, tuple[int, int, float]]  # bits -> bins, bytes, merge seconds per picture
    fit: dict[tuple[int, int], float]  # bits, k -> CPU seconds
    memory: float  # bytes of the driver for each input
    listing: float  # seconds for each input


def measure_units(folder: Path, data: Path | None, quick: bool) -> Units:
    real = list(photos(data).values()) if data and (data / "kodak").is_dir() else []
    images = (real or [draw(seed, 800) for seed in range(24)])[: 6 if quick else 24]
    megapixels = sum(image.shape[0] * image.shape[1] for image in images) / 1e6
    files = {kind: [as_file(image, kind) for image in images] for kind in ("JPEG", "PNG")}
    decode = {
        kind: cpu_seconds(lambda f=some: [decoded(file) for file in f])[0] / megapixels
        for kind, some in files.items()
    }
    count, histograms = cpu_seconds(lambda: [smalti.Histogram.of(image) for image in images])
    compress, bytes_out = {}, {}
    for pack in ("fast", "default"):
        cpu, reports = cpu_seconds(
            lambda p=pack: [
                smalti.compress(file, k=64, pack=p, threads=1, allow_larger=True)
                for file in files["JPEG"][:12]
            ]
        )
        share = sum(image.shape[0] * image.shape[1] for image in images[:12]) / 1e6
        compress[pack] = cpu / share
        bytes_out[pack] = sum(report.bytes_out for report in reports) / share
    merged, fit = measure_sums(histograms)
    return Units(
        f"{len(images)} photos of Kodak" if real else f"{len(images)} drawn pictures",
        {kind: sum(map(len, some)) / megapixels for kind, some in files.items()},
        decode, count / megapixels, compress, bytes_out,
        sum(map(len, histograms)) / megapixels,
        {bits: sum(len(h.coarsen(bits).dumped()) for h in histograms) / megapixels
         for bits in BITS},
        merged, fit, driver_memory(), listing_seconds(folder / "in"),
    )  # fmt: skip


def decoded(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def measure_sums(histograms: list[Any]) -> tuple[dict[int, Any], dict[tuple[int, int], float]]:
    """Add histograms up at all bits, and fit palettes to the sums."""
    merged, fit = {}, {}
    for bits in BITS:
        coarse = [histogram.coarsen(bits) for histogram in histograms]
        seconds, total = cpu_seconds(lambda c=coarse: smalti.Histogram.merge(c))
        merged[bits] = len(total), len(total.dumped()), seconds / len(coarse)
        for k in KS:
            fit[bits, k], _ = cpu_seconds(lambda t=total, k=k: smalti.build_palette(t, k))
    return merged, fit


def driver_memory(count: int = 20_000) -> float:
    """Return the bytes that a driver keeps for each input: what listing and dealing leave."""
    tracemalloc.start()
    items = [
        Item(f"/collection/folder{n // 1000}/picture{n:09}.jpg", f"folder{n // 1000}/{n:09}.jpg",
             300_000, str(1_700_000_000_000_000_000 + n))
        for n in range(count)
    ]  # fmt: skip
    dealt = list(shards.deal(items, "settings"))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert sum(len(shard.items) for shard in dealt) == count
    return taken / count


def listing_seconds(folder: Path) -> float:
    seconds, found = clock(lambda: places.listing([str(folder)]))
    return seconds / len(found.items)


def unit_table(units: Units) -> str:
    kinds = ("JPEG", "PNG")
    rows = [
        *([f"read: {kind}", size(units.bytes_in[kind]), ""] for kind in kinds),
        *([f"decode {kind}", "", f"{1e3 * units.decode[kind]:.1f}"] for kind in kinds),
        [f"histogram: {units.colors:,.0f} colors", "", f"{1e3 * units.histogram:.1f}"],
    ]
    rows += [
        [f"a JPEG to 64 colors, --pack {pack}, all in", size(written), f"{1e3 * cpu:.0f}"]
        for (pack, cpu), written in zip(
            units.compress.items(), units.bytes_out.values(), strict=True
        )
    ]
    return table(["per megapixel", "bytes", "CPU ms"], rows)


def sum_table(units: Units) -> str:
    rows = []
    for bits in BITS:
        bins, taken, merge = units.merged[bits]
        fits = [f"{units.fit[bits, k]:.2f}" for k in KS]
        rows.append(
            [
                str(bits),
                size(units.one[bits]),
                f"{bins:,}",
                size(taken),
                f"{1e3 * merge:.1f}",
                *fits,
            ]
        )
    head = ["bits", "file of 1 MP", "bins of all", "file of all", "merge ms per picture"]
    return table([*head, *(f"fit k = {k}, CPU s" for k in KS)], rows)


# ---------------------------------------------------------------- the cost model


def size(count: float) -> str:
    for unit, name in ((PB, "PB"), (TB, "TB"), (GB, "GB"), (MB, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} seconds"


@dataclass(frozen=True)
class Job:
    """A job over images of one megapixel, computed from what was measured."""

    name: str
    images: int
    cpu: float  # seconds of all workers
    read: float  # bytes
    written: float
    driver: float  # seconds of the one process that lists, plans and gathers
    scheduler: float  # seconds of Dask's

    def neck(self, cores: int) -> str:
        """What takes longest, as long as storage and network keep up."""
        parts = {
            "the workers' cores": self.cpu / cores,
            "the driver": self.driver,
            "the scheduler": self.scheduler,
        }
        return max(parts, key=lambda name: parts[name])


def jobs_of(name: str, images: int, units: Units, engines: Engines) -> list[Job]:
    driver = images * (units.listing + engines.driver)
    records = images * (engines.records + engines.plan)
    counting = units.decode["JPEG"] + units.histogram
    made = []
    for what, cpu, written in (
        ("fit", counting, 0.0),
        ("batch --pack fast", units.compress["fast"], units.bytes_out["fast"]),
        ("batch", units.compress["default"], units.bytes_out["default"]),
    ):
        dealt = images * cpu / shards.SECONDS
        payload, last = 0.0, 0.0
        if what == "fit":
            payload = dealt * units.merged[6][1]
            last = dealt * units.merged[6][2] + units.fit[6, 256]
        made.append(
            Job(
                f"{name}: {what}", images, images * cpu, images * units.bytes_in["JPEG"],
                images * written + records + payload, driver + last, dealt * engines.shard,
            )
        )  # fmt: skip
    return made


def job_table(jobs: list[Job]) -> str:
    head = ["job", "core-hours", "read", "written", "one driver", "the scheduler"]
    head += [words for cores in CORES for words in (f"{cores:,} cores", "reading")]
    rows = []
    for job in jobs:
        row = [job.name, amount(job.cpu / 3600), size(job.read), size(job.written)]
        row += [duration(job.driver), duration(job.scheduler)]
        for cores in CORES:
            row += [duration(job.cpu / cores), size(job.read * cores / job.cpu) + "/s"]
        rows.append([*row, job.neck(CORES[-1])])
    return table([*head, f"longest at {CORES[-1]:,} cores"], rows)


def sentences(units: Units, engines: Engines) -> str:
    """Say what the tables do not: the price of other ways, and of the driver."""
    million = 10**6
    each = units.listing + engines.driver
    together = million * units.compress["default"] / shards.SECONDS
    return (
        f"- Histograms of single pictures, shipped one by one, would be "
        f"{size(million * units.one[8])} for a million of these at 8 bits and "
        f"{size(million * units.one[6])} at 6, beside {size(million * units.bytes_in['JPEG'])} of "
        "JPEG. So shards add them up before anything is written.\n"
        f"- One Dask task for each image would keep the scheduler busy for "
        f"{duration(million * engines.shard)} per million; in shards of {shards.SECONDS:.0f} s of "
        f"work it is {duration(together * engines.shard)}.\n"
        f"- The driver is one process: {1e6 * each:.0f} µs and {units.memory:,.0f} bytes of memory "
        f"for each image, so {duration(million * each)} and {size(million * units.memory)} for a "
        f"million, {duration(1e9 * each)} and {size(1e9 * units.memory)} for a billion. "
        "A billion is therefore run as a thousand collections, one for each prefix: as many "
        "drivers as needed, the same workers, and `smalti fit` of their saved histograms.\n"
    )


# ---------------------------------------------------------------- the page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, help="a page with markers; none: only print")
    parser.add_argument("--data", type=Path, help="folder with kodak/, for the unit costs")
    parser.add_argument("--quick", action="store_true", help="100 pictures, to try this script")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    os.environ |= (
        ONE_THREAD  # of native libraries, that read it on first use: one process, one core
    )
    with tempfile.TemporaryDirectory(prefix="smalti-scale-") as name:
        folder = Path(name)
        engines = measure_engines(folder, 100 if arguments.quick else 1000)
        units = measure_units(folder, arguments.data, arguments.quick)
    head = (
        f"{machine()}. Load average when it began: {load:.1f}; the more the machine has to do "
        "besides, the less these figures mean.\n\n"
    )
    jobs = [job for words, n in SIZES.items() for job in jobs_of(words, n, units, engines)]
    parts = {
        "engines": f"{head}{engines.count:,} pictures of 0.25 megapixels, PNG and JPEG by turns, "
        f"`-k {OPTIONS['k']} --pack {OPTIONS['pack']}`, {JOBS} workers, one thread each; "
        f"{size(engines.bytes_in)} became {size(engines.bytes_out)}.\n\n{engine_table(engines)}\n",
        "units": f"{units.pictures}, one thread.\n\n{unit_table(units)}\n\n{sum_table(units)}\n",
        "model": f"Images of one megapixel, JPEG.\n\n{job_table(jobs)}\n\n"
        f"{sentences(units, engines)}",
    }
    for name, text in parts.items():
        print(f"\n## {name}\n\n{text}")
    if arguments.page:
        page = arguments.page.read_text(encoding="utf-8")
        for name, text in parts.items():
            page = write(page, name, f"\n{text}\n")
        arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
