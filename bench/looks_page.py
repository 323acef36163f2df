"""The page docs/looks.md: what smalti loses, the targets, and all that was measured.

Sentences are templates and every number comes from the results; only what was seen in the crops is
written by hand, in looks_seen.md.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean, mean
from typing import Any

from looks_plots import plot_name
from looks_results import FLAT, GRAPHICS, TOP, Looks, mean_of, percent, targets
from looks_runs import FEW_KS, LARGE
from looks_scores import AXES
from looks_tools import BASE, MOST, OURS, UNDITHERED
from page import code, table, words

__all__ = ["summary", "text"]

SEEN = Path(__file__).with_name("looks_seen.md")

HEAD = """\
# Looks

Written by `make bench-look`; not edited by hand. {machine}; code {code}.
{count}; k = {ks}.{part} {missing}

How good do pictures look for their bytes? Three judges that are not smalti's: **SSIMULACRA2**
(Python package ssimulacra2 {ssimulacra2}; 100 is the same picture), **Butteraugli** (Debian's
libjxl-devtools {libjxl-devtools}, its 3-norm; 0 is the same picture) and the **Oklab error**
(squared distance times 10,000, mean over pixels). They see the 8-bit pixels of the stored files.
Images with alpha are judged on black, on white and on a gray checkerboard, blended in sRGB; the
worst of the three counts.

Every tool is called as a user would first, and dithers as it does by itself; the calls are
[at the end](#how-each-was-called). `{base}` is pngquant whose file was packed again: of its own
file, smalti's encoder and pyoxipng {pyoxipng} at level 4 the smallest counts. The other rivals'
indices are packed in the same ways. smalti's files are as `compress` gives them.
{large}
**Bytes at equal looks** are Bjøntegaard's mean difference: per image, the logarithm of the bytes is
interpolated over the score by a piecewise cubic that does not overshoot (PCHIP), through the points
of all k; a point that needs more bytes than another of the same tool and scores no higher is left
out; the difference is averaged over the scores that both tools reach. −10 % is a tenth fewer bytes.
Means are over images. The Oklab error is compared in decibels.
"""

LARGE_WORDS = """
Images of more than {large} megapixels are measured at k = {few} only, those of more than {most} by
smalti and `{base}` only, and neither is in the plots: {names}.
"""


def text(looks: Looks) -> str:
    parts = (
        head(looks),
        losses(looks),
        verdicts(looks),
        at_equal_looks(looks),
        at_equal_k(looks),
        graphics(looks),
        formats(looks),
        crops(looks),
        every_image(looks),
        calls(looks),
    )
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def summary(looks: Looks) -> str:
    """A few lines for the terminal."""
    lines = [f"{target.verdict:12} {target.claim} {target.found}" for target in targets(looks)]
    for group in looks.groups:
        for tool in looks.tools:
            if tool != BASE:
                row = " ".join(f"{cell:>10}" for cell in saved_row(looks, tool, group))
                lines.append(f"{group:10} {tool:22} {row}")
    return "\n".join(lines)


def head(looks: Looks) -> str:
    document = looks.document
    counts = [f"{len(names)} images of the set {group}" for group, names in looks.groups.items()]
    part = " **A part of the images only.**" if document["images"] else ""
    missing = [f"{name} ({reason})" for name, reason in document["absent"].items()]
    large = {name for names in looks.groups.values() for name in names if looks.is_large(name)}
    large_words = LARGE_WORDS.format(
        large=LARGE, few=words(map(str, FEW_KS)), most=MOST, base=BASE, names=words(sorted(large))
    )
    versions = {"libjxl-devtools": "", "ssimulacra2": "", "pyoxipng": ""} | document["versions"]
    return HEAD.format(
        machine=document["machine"],
        code=f"`{document['code']}`",
        count=words(counts),
        ks=words(map(str, looks.ks)),
        part=part,
        missing=f"Not measured: {words(missing)}." if missing else "",
        base=BASE,
        large=large_words if large else "",
        **versions,
    )


# What is lost, and the targets


def losses(looks: Looks) -> str:
    """The rows that smalti loses: images where it needs more bytes, scores that are lower."""
    lines = ["## Where smalti loses\n"]
    lost = [target for target in targets(looks) if not target.passed]
    for target in lost:
        found = f" Found: {target.found}." if target.found else ""
        lines.append(f"- **{target.verdict}**: {target.claim}{found}")
    lines += ["", *lost_images(looks), *lost_scores(looks), *lost_formats(looks)]
    return "\n".join(lines)


def own(looks: Looks) -> list[str]:
    return [tool for tool in (OURS, *looks.sized) if tool in looks.tools]


def lost_images(looks: Looks) -> Iterator[str]:
    yield "Images on which smalti needs more bytes than a rival at equal SSIMULACRA2:\n"
    rows = []
    for group in looks.groups:
        for rival in looks.tools:
            if rival in own(looks) or rival == UNDITHERED:
                continue
            for tool in own(looks):
                found = looks.saved(tool, rival, group, "ssimulacra2")
                worse = {name: value for name, value in found.items() if value and value > 0}
                if worse:
                    order = sorted(worse.items(), key=lambda item: -item[1])
                    rows.append([group, rival, tool, f"{len(worse)} of {len(found)}", said(order)])
    yield (
        table(["set", "rival", "smalti", "images", "which"], rows, align="---") if rows else "None."
    )
    yield ""


def said(order: list[tuple[str, float]], most: int = 6) -> str:
    """The worst first, and how many more there are."""
    shown = words(f"{short(name)} {percent(value)}" for name, value in order[:most])
    return shown + (f" and {len(order) - most} more" if len(order) > most else "")


def short(name: str) -> str:
    return name.removesuffix(".png")


def lost_scores(looks: Looks) -> Iterator[str]:
    """Where a rival's file of the same k looks better, bytes aside."""
    rows = []
    for group in looks.groups:
        for rival in looks.tools:
            if rival in own(looks) or rival == UNDITHERED:
                continue
            for which in AXES:
                cells = [lost_at(looks, rival, group, k, which) for k in looks.ks]
                if any(cells):
                    rows.append([group, rival, AXES[which], *cells])
    if rows:
        yield (
            "At equal k, bytes aside, a rival's file looks better than that of smalti's defaults "
            "on so many images:\n"
        )
        yield table(["set", "rival", "by", *(f"k = {k}" for k in looks.ks)], rows)


def lost_at(looks: Looks, rival: str, group: str, k: int, which: str) -> str:
    pairs = [pair for pair in looks.pairs(OURS, rival, group, which) if pair[0]["k"] == k]
    sign = 1 if which == "ssimulacra2" else -1
    lost = sum(sign * (theirs[which] - ours[which]) > 0 for ours, theirs in pairs)
    return f"{lost} of {len(pairs)}" if lost else ""


def lost_formats(looks: Looks) -> Iterator[str]:
    lost = [row for row in looks.document["formats"] if any(smaller(row))]
    if lost:
        names = sorted({short(row["image"]) for row in lost})
        yield (
            f"At equal SSIMULACRA2 a lossy format is smaller on {len(lost)} of "
            f"{len(looks.document['formats'])} rows of [the table below]"
            f"(#beside-jpeg-webp-and-avif): {words(names)}."
        )


def smaller(row: dict[str, Any]) -> list[str]:
    return [name for name, best in row["formats"].items() if best and best[0] < row["bytes"]]


def verdicts(looks: Looks) -> str:
    rows = [[f"**{target.verdict}**", target.claim, target.found] for target in targets(looks)]
    lines = ["## Targets\n", table(["", "target", "found"], rows, align="---")]
    for target in targets(looks):
        if target.against:
            lines += [f"\nAgainst “{target.claim}”\n", *(f"- {line}" for line in target.against)]
    return "\n".join(lines)


# Curves


def at_equal_looks(looks: Looks) -> str:
    lines = [
        "## Bytes at equal looks\n",
        f"How many bytes more (+) or fewer (−) than `{BASE}` each tool needs, mean over images; in "
        "brackets, images on which it needs more, of those where the curves meet.\n",
    ]
    for group in looks.groups:
        rows = [
            [bold(tool), *saved_row(looks, tool, group)] for tool in looks.tools if tool != BASE
        ]
        lines += [
            f"### {group}\n",
            table(["", *(f"by {name}" for name in AXES.values())], rows),
            f"![Bytes against SSIMULACRA2, Butteraugli and Oklab error, {group}]"
            f"(images/looks/{plot_name(group)})\n",
        ]
    return "\n".join(lines)


def bold(tool: str) -> str:
    return f"**{tool}**" if tool.startswith(OURS) else tool


def saved_row(looks: Looks, tool: str, group: str) -> list[str]:
    cells = []
    for axis in AXES:
        found = looks.saved(tool, BASE, group, axis)
        known = [value for value in found.values() if value is not None]
        more = sum(value > 0 for value in known)
        cells.append(f"{percent(mean_of(found))} ({more}/{len(known)})" if known else "")
    return cells


def at_equal_k(looks: Looks) -> str:
    """The points of the plots in numbers."""
    lines = [
        "## At equal k\n",
        "Means over the images of the plots, of bytes the geometric mean.\n",
    ]
    for group in looks.groups:
        rows = []
        for tool in looks.tools:
            for k in looks.ks:
                size = looks.typical(tool, group, k, "bytes")
                if size is not None:
                    values = [looks.typical(tool, group, k, which) for which in AXES]
                    rows.append([bold(tool), str(k), f"{size:,.0f}", *map(figure, values)])
        lines += [f"### {group}, at equal k\n", table(["", "k", "bytes", *AXES.values()], rows)]
    return "\n".join(lines)


def figure(value: float | None) -> str:
    if value is None:
        return ""
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}".replace("-", "−")


# Graphics


def graphics(looks: Looks) -> str:
    if not looks.groups[GRAPHICS] or BASE not in looks.tools:
        return ""
    return "\n".join(
        [
            "## Graphics\n",
            "### Bytes and looks at equal k\n",
            f"smalti's defaults against `{BASE}`: bytes as a ratio, SSIMULACRA2 as a difference; "
            "♦ marks screenshots and flat art. The rows with the largest files beside the rival's "
            "come first.\n",
            bytes_table(looks),
            "### Alpha\n",
            f"Images with alpha at k = {TOP}. `alpha` is the mean squared error of alpha; "
            "`edge` the squared error of color premultiplied by alpha, summed over R, G and B, at "
            "partly transparent pixels: a halo shows there; `shown` counts clear pixels that "
            "became visible, `veiled` opaque ones that did not stay so; `misplaced` counts, over "
            "all graphics and k, pixels whose own color is in the stored palette and which have "
            "another.\n",
            alpha_table(looks),
        ]
    )


def bytes_table(looks: Looks) -> str:
    rows = []
    for image in looks.groups[GRAPHICS]:
        ours, theirs = looks.records[OURS, image], looks.records[BASE, image]
        both = {k: (ours[k], theirs[k]) for k in looks.ks if k in ours and k in theirs}
        if both:
            ratios = [a["bytes"] / b["bytes"] for a, b in both.values()]
            mark = " ♦" if image in FLAT else ""
            cells = [against(*both[k]) if k in both else "" for k in looks.ks]
            rows.append((geometric_mean(ratios), [short(image) + mark, *cells]))
    rows.sort(key=lambda row: -row[0])
    return table(["", *(f"k = {k}" for k in looks.ks)], (row for _, row in rows))


def against(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    gain = ours["ssimulacra2"] - theirs["ssimulacra2"]
    return f"{ours['bytes'] / theirs['bytes']:.3f}, {gain:+.1f}".replace("-", "−")


def alpha_table(looks: Looks) -> str:
    rows = []
    for tool in looks.tools:
        records = [r for name in looks.groups[GRAPHICS] for r in looks.records[tool, name].values()]
        with_alpha = [r for r in records if "alpha" in r and r["k"] == TOP]
        if with_alpha:
            means = [mean(r[which] for r in with_alpha) for which in ("alpha", "edge")]
            sums = [sum(r[which] for r in with_alpha) for which in ("shown", "veiled")]
            wrong = sum(record["misplaced"] for record in records)
            cells = [*(f"{value:.3f}" for value in means), *(f"{n:,}" for n in (*sums, wrong))]
            rows.append([bold(tool), str(len(with_alpha)), *cells])
    header = ["", "files", "alpha", "edge", "shown", "veiled", "misplaced"]
    return table(header, rows) if rows else "No image with alpha was measured.\n"


# Other formats


def formats(looks: Looks) -> str:
    rows = looks.document["formats"]
    if not rows:
        return ""
    lines = [
        "## Beside JPEG, WebP and AVIF\n",
        "The smallest file of each format whose SSIMULACRA2 is not below that of smalti's file, "
        "and the quality it took, by Pillow: JPEG progressive and optimized, the better of 4:2:0 "
        "and 4:4:4; lossy WebP of method 6; AVIF of speed 6. `none`: no quality reaches the score. "
        "JPEG has no alpha.\n",
        line_between(rows),
    ]
    for group in dict.fromkeys(row["group"] for row in rows):
        names = ("JPEG", "WebP", "AVIF")
        cells = (
            [
                short(row["image"]),
                str(row["k"]),
                f"{row['score']:.1f}",
                f"{row['bytes']:,}",
                *(beside(row, name) for name in names),
                f"{ratio(row):.2f}" if best_of(row) else "",
            ]
            for row in sorted(rows, key=lambda row: -(ratio(row) or 0))
            if row["group"] == group
        )
        header = ["", "k", "SSIMULACRA2", "smalti", *names, "smalti ÷ smallest"]
        lines += [f"### {group}, other formats\n", table(header, cells)]
    return "\n".join(lines)


def best_of(row: dict[str, Any]) -> int | None:
    return min((best[0] for best in row["formats"].values() if best), default=None)


def ratio(row: dict[str, Any]) -> float | None:
    best = best_of(row)
    return row["bytes"] / best if best else None


def beside(row: dict[str, Any], name: str) -> str:
    if name not in row["formats"]:
        return "—"
    best = row["formats"][name]
    return f"{best[0]:,} (q {best[1]})" if best else "none"


def line_between(rows: list[dict[str, Any]]) -> str:
    """Where the line runs between the images that belong in a palette PNG and the others."""
    sentences = []
    for group in dict.fromkeys(row["group"] for row in rows):
        ours = [row for row in rows if row["group"] == group]
        known = [value for value in map(ratio, ours) if value]
        lost = [row for row in ours if (ratio(row) or 0) > 1]
        won = [row for row in ours if row not in lost]
        by_ratio = (
            f"smalti's file is {geometric_mean(known):.2f} times the smallest lossy one (geometric "
            f"mean; {min(known):.2f} to {max(known):.2f})"
            if known
            else "no lossy format reaches the scores of smalti's files"
        )
        sentences.append(
            f"**{group}**: {by_ratio}. A lossy format is smaller for {named(lost)}; smalti's file "
            f"is smaller, or alone in reaching its score, for {named(won)}."
        )
    return "\n\n".join(sentences) + "\n"


def named(rows: list[dict[str, Any]]) -> str:
    """Images with the k of their rows."""
    ks: dict[str, list[str]] = {}
    for row in rows:
        ks.setdefault(short(row["image"]), []).append(str(row["k"]))
    return words(f"{name} (k = {' and '.join(found)})" for name, found in ks.items()) or "none"


# Crops


def crops(looks: Looks) -> str:
    shown = looks.document.get("crops") or []
    if not shown:
        return ""
    lines = [
        "## Side by side at equal bytes\n",
        f"Crops, each pixel three times as large: the original, `{BASE}` at one k, and smalti at "
        "the largest k whose file is not larger. The pictures are drawn by this repository, but "
        "for the astronaut (NASA, public domain, with scikit-image).\n",
        SEEN.read_text(encoding="utf-8"),
    ]
    for sheet in shown:
        sizes = words(f"{tool} {size:,} bytes (k = {k})" for tool, k, size in sheet["panels"])
        lines += [
            f"### {sheet['words'][0].upper()}{sheet['words'][1:]}\n",
            f"{sizes}.\n",
            f"![{sheet['words']}: the original and three palettes]"
            f"(images/looks/{sheet['name']}.png)\n",
        ]
    return "\n".join(lines)


# Everything else


def every_image(looks: Looks) -> str:
    """Bytes at equal looks per image, the rows that smalti loses first."""
    lines = [
        "## Image by image\n",
        f"Bytes at equal looks against `{BASE}`, the rows that smalti loses first. Empty: the "
        "curves do not meet.\n",
    ]
    columns = [(tool, axis) for tool in own(looks) for axis in AXES]
    for group in looks.groups:
        found = {column: looks.saved(column[0], BASE, group, column[1]) for column in columns}
        order = found.get((OURS, "ssimulacra2"), {})
        names = sorted(order, key=lambda name: -(order[name] or 0))
        rows = ([short(n), *(percent(found[column].get(n)) for column in columns)] for n in names)
        header = ["", *(f"{tool}, {AXES[axis]}" for tool, axis in columns)]
        lines += [f"### {group}, image by image\n", table(header, rows)]
    return "\n".join(lines)


def calls(looks: Looks) -> str:
    document = looks.document
    rows = (
        [call["name"], code(call["call"]), call["dithering"], call["space"], call["threads"]]
        for call in document["calls"]
    )
    took = words(f"{part} {minutes:.0f}" for part, minutes in document["minutes"].items())
    versions = words(f"{name} {version}" for name, version in document["versions"].items())
    return (
        "## How each was called\n\n"
        "All files store 8 bits per channel. `image` is an array (H, W, 3), or (H, W, 4) where "
        "something is transparent; pngquant reads it from a PNG without color profile.\n\n"
        + table(["", "call", "dithering", "space", "threads"], rows, align="---")
        + f"\nMinutes this took, less what was kept from earlier runs: {took}. Versions: "
        f"{versions}.\n"
    )
