"""What a quality of pngquant means, measured from outside, and whether smalti means the same.

    python bench/quality.py --data FOLDER

FOLDER holds kodak/*.png and graphics/*.png. pngquant compresses every sixth photograph and every
other graphic at many qualities, without dithering. For each output, smalti takes the fewest colors
that score as high (SSIMULACRA2), no more than pngquant did: the distortion in Oklab of that
palette goes with the quality that pngquant reports. The first table, the geometric mean of both
kinds of pictures, is the one in src/smalti/quality.py. The second says what pngquant
delivers when it is asked for a quality. The third compares both programs at the
same qualities on other pictures: how many colors they take, how large the files are, and how they
score.
"""

import argparse
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import smalti
from measure import machine
from smalti import metrics
from smalti import quality as qualities

KNOTS = (20, 40, 60, 70, 80, 85, 90, 95, 98)
ASKED = (10, *KNOTS, 99)
DELIVERED = (20, 40, 60, 70, 80, 85, 90, 95)
CHECKED = (60, 80, 90)
LARGEST = 3_000_000  # pixels
REPORTED = re.compile(r"MSE=[\d.]+ \(Q=(\d+)\)")


@dataclass(frozen=True)
class Output:
    """What a program made of a picture."""

    image: np.ndarray
    colors: int
    size_bytes: int
    quality: int = 0  # that pngquant reports


def pictures(folder: Path) -> dict[str, np.ndarray]:
    """The pictures of a folder that are not too large; with alpha if any of it shows."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        image = np.asarray(Image.open(path).convert("RGBA"))
        if image[..., 0].size <= LARGEST:
            opaque = (image[..., 3] == 255).all()
            found[path.name] = np.ascontiguousarray(image[..., :3]) if opaque else image
    return found


def pngquant(image: np.ndarray, quality: int) -> Output:
    """Pngquant's output for the most that it aims at, whatever it reaches."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    done = subprocess.run(
        ["pngquant", "--verbose", "--nofs", "--quality", f"0-{quality}", "-"],
        input=buffer.getvalue(),
        capture_output=True,
        check=True,
    )
    made = Image.open(io.BytesIO(done.stdout))
    pixels = np.asarray(made.convert("RGBA"))[..., : image.shape[2]]
    reported = REPORTED.search(done.stderr.decode())
    assert reported, done.stderr.decode()
    colors = len(made.getpalette() or ()) // 3
    return Output(np.ascontiguousarray(pixels), colors, len(done.stdout), int(reported[1]))


def ours(image: np.ndarray, quality: int) -> Output:
    report = smalti.compress(image, quality=f"-{quality}", dither="none", threads=1)
    assert report.data is not None
    pixels = np.asarray(Image.open(io.BytesIO(report.data)).convert("RGBA"))[..., : image.shape[2]]
    return Output(np.ascontiguousarray(pixels), report.colors_used, report.bytes_out)


def alike(image: np.ndarray, theirs: Output) -> float:
    """The distortion of a palette of smalti that looks as good, with no more colors."""
    score = metrics.ssimulacra2(image, theirs.image)
    try:
        report = smalti.compress(image, k=theirs.colors, min_score=max(0.0, score), threads=1)
    except smalti.TargetMissed:
        report = smalti.compress(image, k=theirs.colors, threads=1)
    assert report.data is not None
    made = np.asarray(Image.open(io.BytesIO(report.data)).convert("RGBA"))
    pixels = np.ascontiguousarray(image.reshape(-1, image.shape[2]))
    packed = pixels.view(f"V{image.shape[2]}").ravel()
    _, first, counts = np.unique(packed, return_index=True, return_counts=True)
    return qualities.distortion(pixels[first], counts, made.reshape(-1, 4)[first])


def logs_at_knots(image: np.ndarray) -> np.ndarray:
    """Logarithms of the distortion at each knot; NaN outside of what pngquant reports."""
    found = {}
    for asked in ASKED:
        output = pngquant(image, asked)
        if output.quality not in found and (distortion := alike(image, output)) > 0:
            found[output.quality] = np.log(distortion)
    if not found:
        return np.full(len(KNOTS), np.nan)
    qualities = np.array(sorted(found))
    logs = np.interp(KNOTS, qualities, [found[quality] for quality in sorted(found)])
    inside = (np.array(KNOTS) >= qualities[0] - 1) & (np.array(KNOTS) <= qualities[-1] + 1)
    return np.where(inside, logs, np.nan)


def table(kinds: list[list[np.ndarray]]) -> Iterator[str]:
    means = []
    for images in kinds:
        logs = np.array([logs_at_knots(image) for image in images])
        counts = (~np.isnan(logs)).sum(0)
        means.append(np.where(counts, np.nansum(logs, 0) / np.maximum(counts, 1), np.nan))
    photos, graphics = means
    both = np.where(np.isnan(photos), graphics, (photos + graphics) / 2)
    both = np.where(np.isnan(graphics), photos, both)
    yield "| quality | photographs | graphics | both |"
    yield "| ---: | ---: | ---: | ---: |"
    for knot, *values in zip(KNOTS, photos, graphics, both, strict=True):
        cells = ("–" if np.isnan(value) else f"{np.exp(value):.2g}" for value in values)
        yield f"| {knot} | {' | '.join(cells)} |"


def delivered(kinds: list[list[np.ndarray]]) -> Iterator[str]:
    """What pngquant reports when asked for a quality, where 256 colors do not limit it."""
    yield "| asked | photographs | graphics | both |"
    yield "| ---: | ---: | ---: | ---: |"
    for asked in DELIVERED:
        means = []
        for images in kinds:
            outputs = [pngquant(image, asked) for image in images]
            means.append([output.quality for output in outputs if output.colors < 250])
        photos, graphics = (np.mean(each) if each else np.nan for each in means)
        yield f"| {asked} | {photos:.0f} | {graphics:.0f} | {np.nanmean([photos, graphics]):.0f} |"


def check(images: dict[str, np.ndarray], kind: str) -> Iterator[str]:
    for quality in CHECKED:
        rows = []
        for image in images.values():
            theirs, own = pngquant(image, quality), ours(image, quality)
            scores = [metrics.ssimulacra2(image, each.image) for each in (theirs, own)]
            rows.append(
                (
                    np.log(own.colors / theirs.colors),
                    np.log(own.size_bytes / theirs.size_bytes),
                    scores[1] - scores[0],
                )
            )
        colors, size, score = np.mean(rows, axis=0)
        yield (f"| {kind} | {quality} | {np.exp(colors):.2f} | {np.exp(size):.2f} | {score:+.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    photos, graphics = pictures(data / "kodak"), pictures(data / "graphics")
    print(f"pngquant {version()}, {machine()}\n", flush=True)
    kinds = [list(photos.values())[::6], list(graphics.values())[::2]]
    for line in (*table(kinds), "", *delivered(kinds)):
        print(line, flush=True)
    print("\n| other | quality | colors, ratio | bytes, ratio | score, difference |")
    print("| --- | ---: | ---: | ---: | ---: |")
    others = {"photographs": list(photos.items())[1::6], "graphics": list(graphics.items())[1::2]}
    for kind, images in others.items():
        for line in check(dict(images), kind):
            print(line, flush=True)


def version() -> str:
    done = subprocess.run(["pngquant", "--version"], capture_output=True, check=True, text=True)
    return done.stdout.split()[0]


if __name__ == "__main__":
    main()
