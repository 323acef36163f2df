"""The records of the page of looks, the comparisons that are made of them, and the targets.

All comparisons are made image by image and then averaged: images differ from each other more than
tools do.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from looks_curves import Point, axis_of, difference
from looks_runs import LARGE
from looks_tools import BASE, OURS

__all__ = ["FLAT", "GRAPHICS", "PHOTOS", "TOP", "Looks", "Target", "percent", "targets"]

Record = dict[str, Any]
PHOTOS, GRAPHICS = "Kodak", "graphics"
RIVAL = "imagequant"
TOP = 256

# Screenshots and flat art among the graphics; the others are painted, rendered or photographs.
FLAT = (
    "flameshot_colorwheel.png",
    "flameshot_large_demo.png",
    "jupyterlab_4.4-console-singlecell.png",
    "jupyterlab_notebook-ui-documentation-linux.png",
    "kenney_icon.png",
    "made_card_shadow.png",
    "made_card_shadow_dirty_alpha.png",
    "noto_1f304.png",
    "noto_1f99a.png",
    "squoosh_logo_palette.png",
    "terminal_copy_settings.png",
    "tinify_voormedia.png",
)


class Looks:
    """All records, by tool and image, and then by k."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.records: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
        self.groups: dict[str, list[str]] = defaultdict(list)
        for record in document["records"]:
            self.records[record["tool"], record["image"]][record["k"]] = record
            if record["image"] not in self.groups[record["group"]]:
                self.groups[record["group"]].append(record["image"])
        self.tools = list(dict.fromkeys(record["tool"] for record in document["records"]))
        self.ks = sorted({record["k"] for record in document["records"]})

    @property
    def sized(self) -> list[str]:
        """Smalti with the option `size`, one tool per value."""
        return [tool for tool in self.tools if tool.startswith(f"{OURS} size")]

    def curve(self, tool: str, image: str, axis: str) -> list[Point]:
        records = self.records[tool, image].values()
        return [(axis_of(axis, record[axis]), record["bytes"]) for record in records]

    def saved(self, tool: str, base: str, group: str, axis: str) -> dict[str, float | None]:
        """Per image, the share of bytes that `tool` needs more than `base` at equal looks."""
        return {
            image: difference(self.curve(tool, image, axis), self.curve(base, image, axis))
            for image in self.groups[group]
            if self.records[tool, image] and self.records[base, image]
        }

    def mean_saved(self, tool: str, base: str, group: str, axis: str) -> float | None:
        """Their mean, over the images where the curves meet."""
        return mean_of(self.saved(tool, base, group, axis))

    def pairs(
        self, tool: str, base: str, group: str, which: str
    ) -> Iterator[tuple[Record, Record]]:
        """Records of both at the same image and k that have a field."""
        for image in self.groups[group]:
            for k, record in self.records[tool, image].items():
                other = self.records[base, image].get(k)
                if other and which in record and which in other:
                    yield record, other

    def typical(self, tool: str, group: str, k: int, which: str) -> float | None:
        """The mean over the images of common size, bytes geometrically; None if one is missing."""
        names = [name for name in self.groups[group] if not self.is_large(name)]
        records = [self.records[tool, name].get(k) for name in names]
        values = [record[which] for record in records if record]
        if not names or len(values) < len(names):
            return None
        return math.exp(mean(map(math.log, values))) if which == "bytes" else mean(values)

    def is_large(self, image: str) -> bool:
        return any(
            record["megapixels"] > LARGE
            for tool in self.tools
            for record in self.records[tool, image].values()
        )


def mean_of(values: dict[str, float | None]) -> float | None:
    known = [value for value in values.values() if value is not None]
    return mean(known) if known else None


def percent(value: float | None, digits: int = 1) -> str:
    """-0.123 as "−12.3 %", with a true minus sign."""
    if value is None:
        return ""
    return f"{100 * value:+.{digits}f} %".replace("-", "−")


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


# Targets


@dataclass
class Target:
    """One figure to reach: what was found, and what stands against it."""

    claim: str
    found: str
    passed: bool | None  # None: nothing was measured that could tell
    against: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.passed is None:
            return "not measured"
        return "passed" if self.passed else "NOT REACHED"


def targets(looks: Looks) -> list[Target]:
    """All targets that the tools at hand can be held to."""
    if not {OURS, BASE} <= set(looks.tools):
        return []
    found = [photographs(looks, OURS, 0.12, "smalti's defaults")]
    if looks.sized and looks.groups[PHOTOS]:
        best = min(looks.sized, key=lambda tool: looks.mean_saved(tool, BASE, PHOTOS, JUDGE) or 0)
        found.append(photographs(looks, best, 0.20, f"`size` on ({best})"))
    else:
        found.append(Target(claim_of(0.20, "`size` on"), "", passed=None))
    found.append(on_graphics(looks))
    if RIVAL in looks.tools:
        found += [not_below(looks), less_butteraugli(looks)]
    return [*found, no_halo(looks), less_alpha_error(looks), exact(looks), no_larger(looks)]


JUDGE = "ssimulacra2"


def claim_of(share: float, words: str) -> str:
    return (
        f"Kodak: at least {share:.0%} fewer bytes than {BASE} at equal SSIMULACRA2, with {words}."
    ).replace("%", " %")


def photographs(looks: Looks, tool: str, share: float, words: str) -> Target:
    saved = looks.mean_saved(tool, BASE, PHOTOS, JUDGE)
    if saved is None:
        return Target(claim_of(share, words), "", passed=None)
    return Target(claim_of(share, words), f"{percent(saved)} on the mean", saved <= -share)


def on_graphics(looks: Looks) -> Target:
    claim = "Graphics: fewer bytes on the mean, no image more than 3 % worse."
    saved = looks.saved(OURS, BASE, GRAPHICS, JUDGE)
    mean_saved = mean_of(saved)
    if mean_saved is None:
        return Target(claim, "", passed=None)
    worse = {image: value for image, value in saved.items() if value and value > 0.03}
    apart = [image for image, value in saved.items() if value is None]
    found = f"{percent(mean_saved)} on the mean, {len(worse)} of {len(saved)} images worse by more"
    lines = [f"{image}: {percent(value)}" for image, value in worse.items()]
    lines += [f"{image}: the curves do not meet, not in the mean" for image in apart]
    return Target(claim, found, mean_saved < 0 and not worse, lines)


def at_top(looks: Looks, which: str) -> list[tuple[Record, Record]]:
    pairs = looks.pairs(OURS, RIVAL, PHOTOS, which)
    return [(ours, theirs) for ours, theirs in pairs if ours["k"] == TOP]


def not_below(looks: Looks) -> Target:
    pairs = at_top(looks, JUDGE)
    below = [
        f"{ours['image']}: {ours[JUDGE]:.2f} against {theirs[JUDGE]:.2f}"
        for ours, theirs in pairs
        if ours[JUDGE] < theirs[JUDGE]
    ]
    gain = mean(ours[JUDGE] - theirs[JUDGE] for ours, theirs in pairs) if pairs else 0
    return Target(
        f"k = {TOP}: SSIMULACRA2 not below {RIVAL}'s on any Kodak image.",
        f"below on {len(below)} of {len(pairs)}; {signed(gain)} on the mean",
        not below if pairs else None,
        below,
    )


def less_butteraugli(looks: Looks) -> Target:
    pairs = at_top(looks, "butteraugli")
    ours, theirs = (
        mean(pair[i]["butteraugli"] for pair in pairs or [(NONE, NONE)]) for i in (0, 1)
    )
    return Target(
        f"k = {TOP}: Butteraugli (3-norm) below {RIVAL}'s on the mean over Kodak.",
        f"{ours:.3f} against {theirs:.3f}",
        ours < theirs if pairs else None,
    )


NONE = {"butteraugli": math.nan}


def mean_pair(looks: Looks, which: str) -> tuple[float, float, list[tuple[Record, Record]]]:
    pairs = [pair for pair in looks.pairs(OURS, BASE, GRAPHICS, which) if pair[0]["k"] == TOP]
    ours, theirs = (mean(pair[i][which] for pair in pairs) if pairs else math.nan for i in (0, 1))
    return ours, theirs, pairs


def no_halo(looks: Looks) -> Target:
    ours, theirs, pairs = mean_pair(looks, "edge")
    shown = sorted({record["image"] for record, _ in pairs if record["shown"]})
    worse = [
        f"{a['image']}: edge error {a['edge']:.2f} against {b['edge']:.2f}"
        for a, b in pairs
        if a["edge"] > b["edge"]
    ]
    return Target(
        f"Alpha, k = {TOP}: no halo: no clear pixel becomes visible, and the color error of partly "
        "transparent pixels is below pngquant's on the mean.",
        f"clear pixels visible in {len(shown)} images; error {ours:.2f} against {theirs:.2f}",
        not shown and ours < theirs if pairs else None,
        [*(f"{image}: clear pixels became visible" for image in shown), *worse],
    )


def less_alpha_error(looks: Looks) -> Target:
    ours, theirs, pairs = mean_pair(looks, "alpha")
    worse = [
        f"{a['image']}: {a['alpha']:.3f} against {b['alpha']:.3f}"
        for a, b in pairs
        if a["alpha"] > b["alpha"]
    ]
    return Target(
        f"Alpha, k = {TOP}: mean squared error below pngquant's on the mean.",
        f"{ours:.2f} against {theirs:.2f}",
        ours < theirs if pairs else None,
        worse,
    )


def exact(looks: Looks) -> Target:
    names = [image for image in looks.groups[GRAPHICS] if image in FLAT]
    records = [record for image in names for record in looks.records[OURS, image].values()]
    wrong = [record for record in records if record["misplaced"]]
    return Target(
        "Screenshots and flat art: text edges exact: no pixel whose color is in the palette is "
        "stored as another.",
        f"{sum(r['misplaced'] for r in wrong):,} pixels of {len(records)} files",
        not wrong if records else None,
        [f"{r['image']}, k = {r['k']}: {r['misplaced']:,} pixels" for r in wrong],
    )


def no_larger(looks: Looks) -> Target:
    pairs = [
        (ours, theirs)
        for ours, theirs in looks.pairs(OURS, BASE, GRAPHICS, "bytes")
        if ours["k"] == TOP and ours["image"] in FLAT
    ]
    larger = [
        f"{a['image']}: {a['bytes']:,} against {b['bytes']:,}, "
        f"{percent(a['bytes'] / b['bytes'] - 1)}"
        for a, b in pairs
        if a["bytes"] > b["bytes"]
    ]
    return Target(
        f"Screenshots and flat art, k = {TOP}: no file larger than that of {BASE}.",
        f"larger on {len(larger)} of {len(pairs)}",
        not larger if pairs else None,
        larger,
    )
