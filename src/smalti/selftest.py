"""Self-test: whether this build, on this machine, gives the results that smalti is known to give.

    50 pictures and options -> quantize | compress -> [digest] -> the hashes of selftest.json

Same input, options and version: same palette and indices, bit for bit, on every CPU. The hashes are
of the day they were stored, so they tell a compiler, a library or a CPU that computes something
else. The pictures are drawn here, with integers only, so that they are the same everywhere. After
a change that is meant to change results, store the new hashes, from the top of the repository:

    PYTHONPATH=src python -m smalti.selftest > src/smalti/selftest.json
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core
from .compress import compress
from .decode import decode
from .image import Image
from .quantize import quantize
from .settings import Settings

__all__ = ["CASES", "LEVELS", "Case", "SelfTest", "digest", "hashes", "pictures", "self_test"]

STORED = Path(__file__).with_name("selftest.json")

LEVELS = ("plain", "v2", "v3", "v4")
"""Every set of kernels that a build may have; a CPU has some of them."""

BY_COMPRESS = {"size", "palette"}
"""Options that only `compress` has; of its files, pixels count, not the encoder's order of rows."""


class Case(NamedTuple):
    """One picture, and what is done to it."""

    picture: str
    k: int | str
    options: dict[str, Any] = {}  # noqa: RUF012 (nobody changes it)

    def __str__(self) -> str:
        words = (f"{name} {value}" for name, value in self.options.items())
        return ", ".join([self.picture, f"k {self.k}", *words])

    def digest(self, image: Image, threads: int) -> str:
        """Return the SHA-256 of palette and indices."""
        if not BY_COMPRESS & self.options.keys():
            made = quantize(image, self.k, threads=threads, **self.options)
            return digest(made.palette, made.indices)
        k = 256 if "palette" in self.options else self.k
        report = compress(image, k=k, threads=threads, pack="fast", **self.options)
        assert report.data is not None
        return digest(report.palette.colors, decode(report.data).image)


CASES = (
    Case("photo", 1),
    Case("photo", 2),
    Case("photo", 16),
    Case("photo", 256),
    Case("photo", 1000),
    Case("photo", 16, {"space": "srgb"}),
    Case("photo", 256, {"space": "srgb"}),
    Case("photo", 16, {"effort": "lloyd"}),
    Case("photo", 16, {"effort": "turbo"}),
    Case("photo", 16, {"effort": "fast"}),
    Case("photo", 16, {"effort": "best"}),
    Case("photo", 32, {"init": "k-means++", "seed": 5}),
    Case("photo", 16, {"effort": "lloyd", "init": "k-means++", "n_init": 2}),
    Case("photo", 16, {"effort": "lloyd", "init": "random", "n_init": 2, "space": "srgb"}),
    Case("photo", 16, {"effort": "lloyd", "init": "box", "max_iter": 7, "tol": 0}),
    Case("gray ramp", "auto"),
    Case("blocks", "elbow"),
    Case("photo", 8, {"dither": "none"}),
    Case("photo", 8, {"dither": "floyd-steinberg"}),
    Case("photo", 8, {"dither": "floyd-steinberg", "dither_adaptive": False}),
    Case("photo", 8, {"dither": "atkinson", "dither_strength": 0.5}),
    Case("photo", 8, {"dither": "sierra-lite", "space": "srgb"}),
    Case("photo", 8, {"dither": "bayer"}),
    Case("photo", 8, {"dither": "blue-noise"}),
    Case("photo", 16, {"keep": "#c00,3=#fff"}),
    Case("photo", 16, {"weight": "auto"}),
    Case("photo", 24, {"size": 0.25}),
    Case("photo", 12, {"size": 1, "format": "gif"}),
    Case("photo", 5, {"palette": "#000,#fff,#c00,#0c0,#00c"}),
    Case("large photo", 64),
    Case("noise", 256),
    Case("noise", 700, {"space": "srgb"}),
    Case("waves", 16),
    Case("gray ramp", 6),
    Case("red ramp", 5, {"space": "srgb"}),
    Case("blocks", 256),
    Case("blocks", 3, {"dither": "none"}),
    Case("wheel", 32),
    Case("wheel", 300, {"space": "srgb"}),
    Case("red dot", 8, {"guard": True}),
    Case("cut-out", 16),
    Case("cut-out", 16, {"dither": "floyd-steinberg", "space": "srgb"}),
    Case("cut-out", 12, {"size": 1}),
    Case("soft edge", 16),
    Case("soft edge", 256, {"space": "srgb"}),
    Case("soft edge", 24, {"size": 0.5}),
    Case("faint", 16),
    Case("faint", 300, {"space": "srgb"}),
    Case("one pixel", 1),
    Case("one row", 4, {"space": "srgb"}),
)


# ---------------------------------------------------------------- the pictures


def pictures() -> dict[str, Image]:
    """Return pictures by name, (H, W, 3|4) uint8: drawn by integer arithmetic, the same everywhere.

    >>> pictures()["photo"].shape
    (60, 80, 3)
    """
    y, x = np.mgrid[:60, :80] * 2
    waves, noise = _waves(y, x), _noise(60, 80)
    distance = (x - 80) ** 2 + (y - 60) ** 2
    disk = (distance < 2500) * 255
    soft = np.clip(4000 - distance, 0, 2550) // 10
    ramp = np.stack([x + y // 2] * 3, axis=-1)
    photo = waves + noise // 16
    dot = photo // 3
    dot[30:34, 40:44] = 230, 10, 20
    large = _waves(*np.mgrid[:240, :320] // 2) + _noise(240, 320) // 16
    images = {
        "noise": noise,
        "waves": waves,
        "photo": photo,
        "large photo": large,
        "gray ramp": ramp,
        "red ramp": np.stack([x, x * 0, x * 0 + 77], axis=-1),
        "blocks": (x // 20 * 30)[..., None] + (y // 20)[..., None] * np.array([40, 10, 25]),
        "wheel": np.stack([x, y, 255 - x // 2 - y // 2], axis=-1),
        "red dot": dot,
        "cut-out": np.dstack([waves, disk]),
        "soft edge": np.dstack([waves + noise // 32, soft]),
        "faint": np.dstack([noise, noise[..., 0] & 7]),
        "one pixel": waves[7:8, 7:8],
        "one row": photo[30:31],
    }
    return {name: (image & 255).astype(np.uint8) for name, image in images.items()}


def _waves(y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    return np.stack([x * x + y * 3 >> 6, x * y >> 7, (x - y) ** 2 >> 7], axis=-1)


def _noise(height: int, width: int) -> NDArray[np.int64]:
    """Values 0..255, by a round of the generator splitmix64."""
    state = (np.arange(height * width * 3, dtype=np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (state ^ state >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(56)
    return mixed.astype(np.int64).reshape(height, width, 3)


# ---------------------------------------------------------------- the test


def digest(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 of the bytes of arrays, one behind the other.

    >>> digest(np.uint8([[9, 9, 9]]), np.uint8([[0]]))[:8]
    '12079765'
    """
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(array.tobytes())
    return whole.hexdigest()


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found."""

    cases: int
    differing: dict[str, tuple[str, ...]]
    """Cases whose results are not the stored ones, with the CPU levels where that is so."""
    levels: tuple[str, ...]
    threads: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all results are as stored, on all levels."""
        return not self.differing

    def __str__(self) -> str:
        passed = self.cases - len(self.differing)
        levels = f"CPU level{'s' if len(self.levels) > 1 else ''} {', '.join(self.levels)}"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        found = (
            f"self-test {'passed' if self.ok else 'failed'}: {passed} of {self.cases} results as "
            f"stored, {levels}, {threads}, {self.seconds:.1f} s"
        )
        return found if self.ok else "\n".join([found, *self._failures(), self._way_out()])

    def _failures(self) -> Iterator[str]:
        for case, levels in self.differing.items():
            yield f"  {case}: differs on {', '.join(levels)}"

    def _way_out(self) -> str:
        bad = {level for levels in self.differing.values() for level in levels}
        good = [level for level in self.levels if level not in bad]
        until = (
            f"until then, set SMALTI_ISA={good[-1]}, where all are right"
            if good
            else "until then, do not expect the results of other machines"
        )
        return f"please report these lines with the version and the CPU; {until}"


def self_test(threads: int | None = None) -> SelfTest:
    """Compute 50 small results on every level that this CPU has, and compare them with the stored.

    Parameters
    ----------
    threads : int >= 1, default all cores

    Returns
    -------
    SelfTest
        Printed, it is one line, or one more for each case that differs and what to do. If the
        variable SMALTI_ISA names a level, only that is tested.

    Raises
    ------
    BadOption : `threads` is out of range.

    Notes
    -----
    The levels are tried by switching the whole process, so other threads that compute at the same
    time change levels, too. Their results do not change unless the test fails.

    >>> self_test().ok
    True
    """
    threads = Settings.of(1, threads=threads).threads
    start = time.perf_counter()
    stored: dict[str, str] = json.loads(STORED.read_text())
    images = pictures()
    levels, differing = [], dict[str, tuple[str, ...]]()
    for level in _levels():
        levels.append(level)
        for case, found in hashes(images, threads):
            if stored.get(case) != found:
                differing[case] = (*differing.get(case, ()), level)
    seconds = time.perf_counter() - start
    return SelfTest(len(stored), differing, tuple(levels), threads, seconds)


def hashes(images: dict[str, Image], threads: int) -> Iterator[tuple[str, str]]:
    """Yield the name and the hash of each case, on the level that is chosen."""
    for case in CASES:
        yield str(case), case.digest(images[case.picture], threads)


def _levels() -> Iterator[str]:
    """Choose and yield each level of this CPU, then choose the first again."""
    before = _core.level()
    if os.environ.get("SMALTI_ISA"):
        yield before
        return
    try:
        yield from (level for level in LEVELS if _core.choose_level(level))
    finally:
        _core.choose_level(before)


if __name__ == "__main__":
    print(json.dumps(dict(hashes(pictures(), 1)), indent=1))
