"""The page of the wide comparison, docs/benchmarks.md: every number and verdict from the results.

The sentences below are templates; what smalti loses stands first.
"""

from collections.abc import Iterable, Iterator
from statistics import mean, median

from commands import COMMANDS, command_of_ours
from losses import FIELDS, checks, command_losses, wins
from results import SCORES, Results
from rivals import EFFORTS, OURS, RIVALS, ours

__all__ = ["text"]

BASE, BASE_OKLAB = ours("default", "srgb"), ours("default", "oklab")
BASE_OF = {
    "cpu": BASE,
    "wall": BASE,
    "mse": BASE,
    "oklab": BASE_OKLAB,
    "ssim": BASE_OKLAB,
    "ssimulacra2": BASE_OKLAB,
}

HEAD = """\
# Benchmarks

Written by `make bench`; not edited by hand. {machine}. {photos} photographs of the Kodak set,
k = {ks}; the run took {minutes:.0f} minutes.{quick}

Everything here was measured in one run on the same pixels: an array (H, W, 3) of 8-bit sRGB in, a
palette and an index per pixel out. **Time** is CPU time of everything in between, with one thread
unless a table says otherwise: the median of {runs} runs in which all took turns. Pillow starts from
a picture of its own and imagequant from RGBA bytes: making those is not counted. Errors are those
of the 8-bit output pixels. Nothing is dithered.

| measure | meaning |
| --- | --- |
| MSE | squared difference in sRGB, 0 to 255, summed over R, G and B; mean over pixels |
| Oklab error | squared distance in Oklab times 10,000; mean over pixels |
| SSIM | scikit-image {scikit-image}, window of 7 × 7, mean over R, G and B; 1 is the same picture |
| SSIMULACRA2 | Python package ssimulacra2 {ssimulacra2}; 100 is the same picture |

Comparisons are made photo by photo, over the photos that both were measured on: times by the median
ratio, errors by the geometric mean of ratios, SSIM and SSIMULACRA2 by the mean difference. Rivals
that need seconds per photo ran once, on {slow}; they have no absolute numbers below, as those would
be means over other photos. SSIM and SSIMULACRA2 are of {judged} photos, at k = {judged_ks}.
{missing}"""

PLOTS = """\
## Time against error

Both axes are logarithmic and relative to smalti's default. The gray line is the front: nothing
measured is both faster and lower in error than its corners.

![Time against MSE, smalti's presets in srgb, at three palette sizes](images/benchmarks-srgb.png)

![Time against Oklab error, smalti's presets in oklab](images/benchmarks-oklab.png)
"""


def text(results: Results) -> str:
    parts = (
        head(results),
        losses(results),
        presets(results),
        PLOTS,
        tables(results),
        two_threads(results),
        commands(results),
        calls(results),
        versions(results),
    )
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def table(header: Iterable[str], rows: Iterable[Iterable[str]], *, align: str = "---:") -> str:
    """The first column is a name; numbers are aligned to the right, words ("---") to the left."""
    header = list(header)
    ruler = ["---", *(align for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows)) + "\n"


def words(names: Iterable[str]) -> str:
    return ", ".join(names)


def head(results: Results) -> str:
    document = results.document
    missing = ""
    if document["missing"]:
        left_out = (f"{name} (`{install}`)" for name, install in document["missing"].items())
        missing = f"\nNot installed, so not measured: {words(left_out)}.\n"
    return HEAD.format(
        machine=document["machine"],
        photos=len(results.photos),
        ks=words(map(str, results.ks)),
        minutes=document["minutes"],
        quick=" A quick run: few photos, few k, a rough picture." if document["quick"] else "",
        runs=document["plan"]["runs"],
        slow=words(document["plan"]["slow_photos"]),
        judged=len(results.judged),
        judged_ks=words(map(str, results.judged_ks)),
        missing=missing,
        **{name: document["versions"].get(name, "") for name in ("scikit-image", "ssimulacra2")},
    )


# Where smalti loses


def losses(results: Results) -> str:
    return "\n".join(
        [
            "## Where smalti loses\n",
            "### Claims\n",
            *verdicts(results),
            "",
            *win_tables(results),
            "### Commands, file to file\n",
            "Ratios to `smalti compress`: below 1, the other is better.\n",
            table(
                ["command", "measure", "against srgb", "against oklab"],
                ([rival, *cells] for rival, cells in command_losses(results)),
                align="---",
            ),
        ]
    )


def verdicts(results: Results) -> Iterator[str]:
    for check in checks(results):
        verdict = "passed" if check.passed else "FAILED"
        yield f"- **{verdict}**: {check.claim} ({check.compared} comparisons)"
        yield from (f"  - {line}" for line in check.against)


def win_tables(results: Results) -> Iterator[str]:
    """One table per measure: rows are rivals, columns presets, cells the k where the rival wins."""
    yield (
        "Each cell below names the k at which a rival beats a preset, and the range of its ratio "
        "to the preset there (of SSIM and SSIMULACRA2: of the difference). Empty: at no k. `all k` "
        "are those that the rival was measured at.\n"
    )
    yield from win_table(results, "Faster than a preset", "cpu", "srgb", extra="mse")
    yield from win_table(results, "Faster than a preset in oklab", "cpu", "oklab", extra="oklab")
    yield from win_table(results, "Faster by the clock with two threads", "wall", "srgb", threads=2)
    yield from win_table(results, "Lower in MSE than a preset in srgb", "mse", "srgb", extra="cpu")
    yield from win_table(
        results, "Lower in Oklab error than a preset in oklab", "oklab", "oklab", extra="cpu"
    )
    for score in SCORES:
        title = f"Higher in {FIELDS[score]} than a preset in oklab"
        yield from win_table(results, title, score, "oklab", extra="cpu")
    yield from win_table(
        results, "By the other space's error: MSE of presets in oklab", "mse", "oklab", extra="cpu"
    )
    yield from win_table(
        results,
        "By the other space's error: Oklab error of presets in srgb",
        "oklab",
        "srgb",
        extra="cpu",
    )


def win_table(
    results: Results, title: str, which: str, space: str, *, extra: str = "", threads: int = 1
) -> Iterator[str]:
    ks = results.judged_ks if which in SCORES or threads > 1 else results.ks
    rows = list(wins(results, which, space, ks, threads))
    yield f"### {title}\n"
    if not rows:
        yield "Nobody, at any k.\n"
        return
    price = [f"its {FIELDS[extra]} ÷ default's"] if extra else []
    yield table(
        ["rival", *EFFORTS, *price],
        (
            [rival, *cells, *([span(results, rival, ours("default", space), extra)] * bool(extra))]
            for rival, cells in rows
        ),
        align="---",
    )


def span(results: Results, rival: str, base: str, which: str) -> str:
    """The range over all k of a ratio."""
    found = [results.against(rival, base, k, which) for k in results.ks]
    found = [value for value in found if value is not None]
    ends = dict.fromkeys(number(edge(found)) for edge in (min, max)) if found else ()
    return "–".join(ends)  # one number where both are the same


# Presets


def presets(results: Results) -> str:
    rows = []
    for effort in EFFORTS:
        name = ours(effort, "srgb")
        over_best = [results.values(name, k, "over_best").values() for k in results.judged_ks]
        rows.append(
            [
                effort,
                *(ratio_to(results, name, "imagequant", k, "cpu") for k in results.judged_ks),
                *(f"{mean(values):.4f}" if values else "" for values in over_best),
                *(ratio_to(results, name, "imagequant", k, "mse") for k in results.judged_ks),
            ]
        )
    ks = results.judged_ks
    return (
        "## What each preset spends and gives\n\n"
        "In srgb: CPU time relative to imagequant, one thread each; the distortion before rounding "
        "to 8 bits, relative to the lowest known for the photo and k, mean over photos (`turbo` "
        "counts no single colors and does not know it); and the MSE relative to imagequant's.\n\n"
        + table(
            [
                "effort",
                *(f"time, k = {k}" for k in ks),
                *(f"distortion, k = {k}" for k in ks),
                *(f"MSE, k = {k}" for k in ks),
            ],
            rows,
        )
    )


# Tables


def number(value: float | None) -> str:
    """Three figures, and no more digits than that needs."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def ratio_to(results: Results, name: str, base: str, k: int, which: str, threads: int = 1) -> str:
    value = results.against(name, base, k, which, threads)
    if value is None:
        return ""
    if which == "ssim":
        return f"{value:+.4f}"
    return f"{value:+.1f}" if which in SCORES else number(value)


def tables(results: Results) -> str:
    lines = [
        "## All measurements\n",
        f"÷ is the ratio to `{BASE}` for time and MSE, to `{BASE_OKLAB}` for the Oklab error; "
        f"− the difference from `{BASE_OKLAB}`. Sorted by MSE.\n",
    ]
    for k in results.ks:
        lines += [f"### k = {k}\n", table_of(results, k)]
    return "\n".join(lines)


def table_of(results: Results, k: int) -> str:
    names = [q.name for q in (*OURS, *RIVALS) if results.values(q.name, k, "cpu")]
    names.sort(key=lambda name: results.against(name, BASE, k, "mse") or 0)
    scores = list(SCORES) if k in results.judged_ks else []
    header = ["", "photos", "ms", "time ÷", "MSE", "MSE ÷", "Oklab", "Oklab ÷"]
    return table(
        [*header, *(f"{FIELDS[score]} −" for score in scores)],
        (row(results, name, k, scores) for name in names),
    )


def row(results: Results, name: str, k: int, scores: list[str]) -> Iterator[str]:
    own = name in {quantizer.name for quantizer in OURS}
    yield f"**{name}**" if own else name
    yield str(len(results.values(name, k, "cpu")))
    seconds = results.typical(name, k, "cpu")
    yield number(seconds and seconds * 1e3)
    yield ratio_to(results, name, BASE, k, "cpu")
    for which in ("mse", "oklab"):
        yield number(results.typical(name, k, which))
        yield ratio_to(results, name, BASE_OF[which], k, which)
    for score in scores:
        yield ratio_to(results, name, BASE_OKLAB, k, score)


def two_threads(results: Results) -> str:
    """Wall time where more than one thread can be used."""
    names = [q.name for q in (*OURS, *RIVALS) if q.threads != "none"]
    names = [name for name in names if results.values(name, results.judged_ks[0], "wall", 2)]
    columns = [f"{what}, k = {k}" for k in results.judged_ks for what in ("wall ms", "wall ÷")]
    return (
        "## Two threads\n\n"
        f"Wall time with two threads, ÷ that of `{BASE}` with two; the CPU time that two threads "
        "spend together, over that of one; and how much less wall time two take than one. Rivals "
        "that never use a second thread are not in this table.\n\n"
        + table(
            ["", "photos", *columns, "CPU, two ÷ one", "wall, one ÷ two"],
            (row_of_two(results, name) for name in names),
        )
    )


def row_of_two(results: Results, name: str) -> Iterator[str]:
    ks = results.judged_ks
    yield name
    yield str(len(results.values(name, ks[0], "wall", 2)))
    for k in ks:
        seconds = results.values(name, k, "wall", 2).values()
        whole = len(seconds) == len(results.judged)
        yield number(median(seconds) * 1e3) if whole else ""
        yield ratio_to(results, name, BASE, k, "wall", 2)
    yield number(of_one(results, name, "cpu"))
    gain = of_one(results, name, "wall")
    yield number(gain and 1 / gain)


def of_one(results: Results, name: str, which: str) -> float | None:
    """Median ratio of two threads' time to one thread's."""
    ratios = []
    for k in results.judged_ks:
        one, two = (results.values(name, k, which, threads) for threads in (1, 2))
        ratios += [two[photo] / one[photo] for photo in two if photo in one]
    return median(ratios) if ratios else None


def commands(results: Results) -> str:
    base = command_of_ours("oklab")
    lines = [
        "## Commands, file to file\n",
        "Whole processes, one per file, start-up and the reading and writing of PNG included, on "
        f"{len(results.judged)} photos. ÷ is the ratio to `{base}`, the command's default.\n",
    ]
    for k in results.judged_ks:
        rows = [command_row(results, command.name, base, k) for command in COMMANDS]
        header = ["", "CPU ms", "CPU ÷", "wall ÷, two threads", "bytes", "bytes ÷", "MSE ÷"]
        lines += [
            f"### Commands at k = {k}\n",
            table([*header, "Oklab ÷", "SSIMULACRA2 −"], (r for r in rows if r[1])),
        ]
    lines.append(table(["command", "call", "install"], command_calls(), align="---"))
    return "\n".join(lines)


def command_row(results: Results, name: str, base: str, k: int) -> list[str]:
    times = results.values(name, k, "cpu").values()
    sizes = results.values(name, k, "bytes").values()
    return [
        name,
        number(median(times) * 1e3) if times else "",
        ratio_to(results, name, base, k, "cpu"),
        ratio_to(results, name, base, k, "wall", 2),
        number(mean(sizes)) if sizes else "",
        *(ratio_to(results, name, base, k, which) for which in ("bytes", "mse", "oklab")),
        ratio_to(results, name, base, k, "ssimulacra2"),
    ]


def command_calls() -> Iterator[list[str]]:
    for command in COMMANDS:
        yield [command.name, code(command.call), code(command.install)]


def code(words: str) -> str:
    return f"`{words}`".replace("|", "\\|")


def calls(results: Results) -> str:
    rows = (
        [
            q.name,
            code(q.call),
            q.settings,
            q.space,
            q.threads,
            f"{len(results.values(q.name, results.ks[0], 'cpu')) or most(results, q.name)}",
            code(q.install),
        ]
        for q in (*OURS, *RIVALS)
    )
    return (
        "## How each was called\n\n"
        "Dithering is off everywhere, and what is stored is 8 bits per channel; centroids in "
        "floating point are rounded to the nearest. `threads` names what sets their number: in the "
        "tables of one thread it is set to one.\n\n"
        + table(
            ["", "call", "settings", "space", "threads", "photos", "install"], rows, align="---"
        )
    )


def most(results: Results, name: str) -> int:
    return max(len(results.values(name, k, "cpu")) for k in results.ks)


def versions(results: Results) -> str:
    found = results.document["versions"].items()
    return "## Versions\n\n" + words(f"{name} {version}" for name, version in found) + ".\n"
