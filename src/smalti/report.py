"""The report of one compression: every number about it, and how people read them.

`compress` fills it in; `str()` of it is what the command prints, `to_dict()`
what `--json` prints. Nothing is computed here but percentages.
"""

import math
import os
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from .palette import Palette
from .sources import shown

__all__ = ["Motion", "Report"]

STOP_REASONS = {
    "converged": "until nothing moved any more",
    "tol": "until movement fell below tol",
    "max_iter": "stopped at max_iter",
    "searched": "a search of effort {effort}",
}

WIDTH = 79
"""Columns of a row; the title has as many as its file names need."""

INDENT = 12
TIED = "\N{NO-BREAK SPACE}"  # printed as a space at which no line ends
SWATCH = 2  # columns that a terminal shows before each color


@dataclass(frozen=True)
class Motion:
    """What the report of an animation says about it."""

    frames: int
    seconds: float
    """That it takes once."""
    plays: int
    """How often it is shown; 0 is for ever."""
    frame_palettes: bool
    """Whether each frame has a palette of its own."""

    def __str__(self) -> str:
        duration = f"{self.seconds:,.3f}".rstrip("0").rstrip(".")
        often = {0: "for ever", 1: "once"}.get(self.plays, f"{self.plays:,} times")
        palettes = "a palette for each" if self.frame_palettes else "one palette for all"
        return f"{_plural(self.frames, 'frame')}, {duration} s, shown {often}; {palettes}"


@dataclass(frozen=True)
class Report:
    """What one compression did. `str()` of it is the text that the command prints.

    Attributes
    ----------
    source, target : names as they are, which printed lines escape; None when there is no file
    format : "PNG", "WEBP" or "GIF"
    width, height : pixels
    bytes_in, bytes_out : file sizes; `bytes_in` is None for an array or a Pillow image
    distinct_colors : how many colors the image had
    k : the palette size asked for, or found by a search for a target
    colors_used : the size of the palette, at most k and at most `distinct_colors`
    palette : Palette, with the shares of the pixels nearest to each color (before dithering)
    distortion : mean squared error of the stored palette, summed over channels, in `space`
    distortion_srgb, distortion_oklab : the same in either space
    psnr : decibels per channel in sRGB; infinite for a pixel-identical result
    iterations : of k-means, in the run that was kept
    stop_reason : "converged", "tol", "max_iter", "searched" (the effort's budget), or
        "exact" when every color was kept, "given" when the palette was
    milliseconds : stage -> wall time; decode, histogram, palette, map, encode, measure, write
    dithering : which pixels were dithered and why; empty where it was off, or nothing was lost
    size : 0..1, how much bytes counted when pixels got their entries
    notes : sentences about what changed on the way, beyond the colors
    explain : part -> bytes; "pixels", "palette", "metadata" and "container" add up to the
        output, "input_metadata" is what the input had
    tried : the ways to store the pixels that were tried, the one used first, then those that came
        nearest: `name`, `quick_bytes` of the whole file compressed quickly, and `bytes` with all
        the time that `pack` allows, or None for those that were too far behind
    data : the output file's bytes, when no target was given
    tries : how many palette sizes were tried
    quality, score : of the result, as `compress` takes them; None when not asked for
    motion : of an animation: `frames`, `seconds`, `plays` (0 for ever) and `frame_palettes`; errors
        are then the means over all frames
    """

    source: str | None
    target: str | None
    format: str
    width: int
    height: int
    bytes_in: int | None
    bytes_out: int
    distinct_colors: int
    k: int
    colors_used: int
    palette: Palette
    space: str
    distortion: float
    distortion_srgb: float
    distortion_oklab: float
    psnr: float
    iterations: int
    effort: str
    stop_reason: str
    milliseconds: dict[str, float]
    dithering: str = ""
    size: float = 0.0
    notes: tuple[str, ...] = ()
    explain: dict[str, int] = field(default_factory=dict)
    tried: tuple[Any, ...] = ()
    data: bytes | None = field(default=None, repr=False)
    tries: int = 1
    quality: float | None = None
    score: float | None = None
    motion: Motion | None = None

    @property
    def saved_percent(self) -> float | None:
        """How much smaller the output is, in percent of the input; negative when it grew."""
        if not self.bytes_in:
            return None
        return 100 * (1 - self.bytes_out / self.bytes_in)

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain types, as `smalti compress --json` prints it.

        The palette is a list of {"hex", "share"}; an infinite PSNR is None; `data` is left out.
        """
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del plain["data"]
        saved = self.saved_percent
        return plain | {
            "saved_percent": None if saved is None else round(saved, 2),
            "palette": [{"hex": color, "share": share} for color, share in _swatches(self.palette)],
            **{
                name: value if value is None else round(value, 3)
                for name, value in (("quality", self.quality), ("score", self.score))
            },
            "psnr": self.psnr if math.isfinite(self.psnr) else None,
            "milliseconds": {name: round(ms, 3) for name, ms in self.milliseconds.items()},
            "notes": list(self.notes),
            "motion": None if self.motion is None else asdict(self.motion),
            "tried": [way._asdict() for way in self.tried],
        }

    def __str__(self) -> str:
        rows = [
            ("size", self._size_text()),
            *([("frames", str(self.motion))] if self.motion else []),
            ("colors", f"{self.distinct_colors:,} → {self.colors_used:,}"),
            ("palette", self._palette_text()),
            ("error", self._error_text()),
            *([("k-means", self._iterations_text())] if self.stop_reason in STOP_REASONS else []),
            *([("dither", self.dithering)] if self.dithering else []),
            ("time", self._time_text()),
            *(("note", note) for note in self.notes),
        ]
        return "\n".join([self._title(), *(_row(name, text) for name, text in rows)])

    def summary(self) -> str:
        """Return one line about the size and the error, and the notes below it.

        The target goes by its name, without its folder: many such lines follow each other.
        """
        error = "pixel-identical" if math.isinf(self.psnr) else f"{self.psnr:.1f} dB"
        target = shown(os.path.basename(self.target)) if self.target else f"{self.format} bytes"
        saved = self.saved_percent
        size = f"{self.bytes_out:,} bytes" if saved is None else _change(saved)
        line = f"{shown(self.source or 'image')} → {target}  {size}, {error}"
        return "\n".join([line, *(_row("note", note) for note in self.notes)])

    def explained(self) -> str:
        """Return the lines that say where the output's bytes went, and what else was tried."""
        parts = [
            _row(part, f"{size:>11,} bytes, {100 * size / self.bytes_out:.1f} %")
            if part != "input_metadata"
            else _row("left out", f"{size:>11,} bytes of the input's metadata")
            for part, size in self.explain.items()
        ]
        return "\n".join([*parts, *self._tried_rows()])

    def _tried_rows(self) -> list[str]:
        """Return a table of the ways to store the pixels: bytes of the whole file."""
        if not self.tried:
            return []
        rows = [_row("tried", f"{'quickly':>11} {'in full':>11}  bytes of the file, as")]
        for i, (name, quick, full) in enumerate(self.tried):
            size = "" if full is None else f"{full:,}"
            used = ": used" if i == 0 else ""
            rows.append(_row("", f"{quick:>11,} {size:>11}  {name}{used}"))
        return rows

    def _title(self) -> str:
        return f"{shown(self.source or 'image')} → {shown(self.target or f'{self.format} bytes')}"

    def _size_text(self) -> str:
        if self.saved_percent is None:
            return f"{self.bytes_out:,} bytes"
        return f"{self.bytes_in:,} → {self.bytes_out:,} bytes, {_change(self.saved_percent)}"

    def _palette_text(self) -> str:
        """Return as many colors as fit on the line, and how many there are besides."""
        text = ""
        colors = [
            color if share is None else f"{color} {100 * share:.1f} %"
            for color, share in _swatches(self.palette)[:5]
        ]
        for listed in range(1, len(colors) + 1):
            rest = self.colors_used - listed
            longer = "  ".join(colors[:listed]) + (f"  and {rest:,} more" if rest else "")
            if INDENT + len(longer) + SWATCH * listed > WIDTH and text:
                break
            text = longer
        return text

    def _error_text(self) -> str:
        if math.isinf(self.psnr):
            return "none: pixel-identical"
        return (
            f"distortion {self.distortion_srgb:.2f} in sRGB, {self.distortion_oklab:.3g} in Oklab; "
            f"PSNR {self.psnr:.2f} dB"
        )

    def _iterations_text(self) -> str:
        reason = STOP_REASONS[self.stop_reason].format(effort=self.effort)
        return f"{_plural(self.iterations, 'iteration')}, {reason}"

    def _time_text(self) -> str:
        """Return the sum and the stages that took at least a millisecond."""
        stages = [f"{name}{TIED}{ms:.0f}" for name, ms in self.milliseconds.items() if round(ms)]
        total = f"{sum(self.milliseconds.values()):.0f} ms"
        return f"{total}: {', '.join(stages)}" if stages else total


def _swatches(palette: Palette) -> list[tuple[str, float | None]]:
    """Pair the hex code of each color with its share of the pixels."""
    shares = palette.shares
    if shares is None:
        return [(color, None) for color in palette.hex()]
    return list(zip(palette.hex(), (float(share) for share in shares), strict=True))


def _row(name: str, text: str) -> str:
    """Return a row, continued below its text where it is too long for one line."""
    first = f"  {name:<{INDENT - 2}}"
    width = WIDTH - INDENT
    lines = [text]
    if len(text) > width:
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return first + f"\n{' ' * INDENT}".join(lines).replace(TIED, " ")


def _change(percent: float) -> str:
    return f"{abs(percent):.1f} % {'smaller' if percent >= 0 else 'larger'}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
