"""What the small-region guard and automatic weights cost photographs, and what they give.

    python bench/perceptual.py --data FOLDER [--photos N] [--output PAGE]

FOLDER holds kodak/*. The guard should leave photographs alone: all of them are tried. Weights
should look better: N photos are judged, by SSIMULACRA2, also at the bytes that no weights take.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np

from measure import cpu_seconds, machine, photos, ssimulacra2
from smalti import Histogram, IndexedImage, quantize
from smalti.fit import fit_palette
from smalti.guard import fit_guarded, lost_regions
from smalti.settings import Settings

GUARDED = (8, 16, 64, 256)
WEIGHTED = (8, 16, 32, 64, 128, 256)
SAID: list[str] = []


def say(line: str) -> None:
    print(line, flush=True)
    SAID.append(line)


def guarded(pictures: dict[str, np.ndarray]) -> None:
    say(
        f"guard, {len(pictures)} photographs; distortion with the guard / without; CPU ms per photo"
    )
    say(f"{'k':>4} {'mean':>9} {'worst':>9} {'promoted':>9} {'fit':>7} {'look':>6}")
    for k in GUARDED:
        settings = Settings.of(k, threads=1)
        ratios, promoted, fitting, looking = [], 0, 0.0, 0.0
        for image in pictures.values():
            histogram = Histogram.of(image)
            seconds, found = cpu_seconds(lambda h=histogram, s=settings: fit_palette(h, s))
            fitting += seconds
            look = (image, histogram, found[0], found[1], k)
            looking += cpu_seconds(lambda of=look: lost_regions(*of))[0]
            *_, fit, regions = fit_guarded(image, histogram, settings)
            ratios.append(fit.distortion / found[2].distortion)
            promoted += len(regions)
        n = len(pictures) / 1e3
        say(
            f"{k:>4} {mean(ratios):>9.5f} {max(ratios):>9.5f} {promoted:>9} "
            f"{fitting / n:>7.1f} {looking / n:>6.1f}"
        )


def weighted(pictures: dict[str, np.ndarray]) -> None:
    say("")
    say(f'weight="auto", {len(pictures)} photographs; SSIMULACRA2, PNG bytes; mean differences')
    say(f"{'k':>4} {'none':>7} {'auto':>7} {'higher':>7} {'bytes':>8} {'at equal bytes':>15}")
    rows: dict[int, list[tuple[float, ...]]] = {k: [] for k in WEIGHTED}
    for image in pictures.values():
        plain, auto = (list(judged(image, weight)) for weight in (None, "auto"))
        sizes, scores = np.array(plain).T
        for k, (size, score), (more, other) in zip(WEIGHTED, plain, auto, strict=True):
            same = float(np.interp(np.log(more), np.log(sizes), scores))
            rows[k].append((score, other, more / size, other - same))
    for k, of_photos in rows.items():
        none, auto, size, gain = (mean(column) for column in zip(*of_photos, strict=True))
        higher = sum(b > a for a, b, *_ in of_photos)
        say(
            f"{k:>4} {none:>7.2f} {auto:>7.2f} {f'{higher}/{len(of_photos)}':>7} "
            f"{size - 1:>+8.1%} {gain:>+15.2f}"
        )


def judged(image: np.ndarray, weight: str | None) -> Iterator[tuple[int, float]]:
    """Bytes and score for each k."""
    for k in WEIGHTED:
        result: IndexedImage = quantize(image, k, weight=weight)
        yield len(result.encoded()), ssimulacra2(image, result.to_array())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with kodak/*")
    parser.add_argument("--photos", type=int, default=24, help="how many to judge weights by")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    pictures = photos(arguments.data)
    say(machine())
    guarded(pictures)
    step = max(1, len(pictures) // arguments.photos)
    weighted(dict(list(pictures.items())[::step]))
    if arguments.output:
        arguments.output.write_text(PAGE.format("\n".join(SAID)), encoding="utf-8")


PAGE = """\
# The guard and weights, measured

Written by `make guard`; not edited by hand. Photographs of the Kodak set, in Oklab, nothing
dithered. The guard should not change them (mean 1), and `look` is what it costs to see that there
is nothing to keep. At equal bytes: against the score that no weights have at the size of the
weighted PNG, between the sizes of the other k.

```text
{}
```
"""


if __name__ == "__main__":
    main()
