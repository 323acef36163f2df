"""Same input, options and version: same palette and indices, bit for bit, anywhere.

The golden hashes say that today's result is the one of the day they were stored. After a change
that is meant to change results, store the new ones, from the top of the repository:

    PYTHONPATH=src:tests python tests/test_determinism.py > tests/golden/hashes.json
"""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import LEVELS, draw, level
from PIL import Image

import smalti
from smalti.dither import METHODS

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "hashes.json"
SIZED = (
    "waves with noise",
    "wheel",
    "cut-out",
    "soft edge",
)  # which are mapped for small files, too


def pictures():
    """Ten images drawn by integer arithmetic only, so that they are the same everywhere."""
    y, x = np.mgrid[:60, :80] * 2
    waves = np.stack([x * x + y * 3 >> 6, x * y >> 7, (x - y) ** 2 >> 7], axis=-1)
    state = (np.arange(60 * 80 * 3, dtype=np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    noise = (state ^ state >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(56)
    noise = noise.astype(np.int64).reshape(60, 80, 3)
    disk = ((x - 80) ** 2 + (y - 60) ** 2 < 2500) * 255
    soft = np.clip(4000 - ((x - 80) ** 2 + (y - 60) ** 2), 0, 2550) // 10
    images = {
        "noise": noise,
        "waves": waves,
        "waves with noise": waves + noise // 16,
        "gray ramp": np.stack([x + y // 2] * 3, axis=-1),
        "red ramp": np.stack([x, x * 0, x * 0 + 77], axis=-1),
        "blocks": (x // 20 * 30)[..., None] + (y // 20)[..., None] * np.array([40, 10, 25]),
        "wheel": np.stack([x, y, 255 - x // 2 - y // 2], axis=-1),
        "cut-out": np.dstack([waves, disk]),
        "soft edge": np.dstack([waves + noise // 32, soft]),
        "faint": np.dstack([noise, noise[..., 0] & 7]),
    }
    return {name: (image & 255).astype(np.uint8) for name, image in images.items()}


def digest(indexed):
    parts = indexed.palette.tobytes(), indexed.indices.tobytes()
    return hashlib.sha256(b"".join(parts)).hexdigest()


def digest_of_file(report):
    """The same of a file, whose rows may be in another order, and whose bytes are the encoder's."""
    with Image.open(io.BytesIO(report.data)) as file:
        pixels = file.convert("RGBA").tobytes()
    return hashlib.sha256(report.palette.colors.tobytes() + pixels).hexdigest()


def hashes(threads=1):
    """Return SHA-256 of palette and indices, or pixels, by image, space, k and options."""
    found = {}
    for name, image in pictures().items():
        for space in ("oklab", "srgb"):
            for k in (2, 16, 256, 1000):
                indexed = smalti.quantize(image, k, space=space, threads=threads)
                found[f"{name}, {space}, {k}"] = digest(indexed)
            for init in ("k-means++", "random", "box"):
                indexed = smalti.quantize(image, 16, space=space, init=init, n_init=2, seed=5)
                found[f"{name}, {space}, 16, {init}"] = digest(indexed)
            everywhere = {"dither": "floyd-steinberg", "dither_adaptive": False}
            indexed = smalti.quantize(image, 16, space=space, threads=threads, **everywhere)
            found[f"{name}, {space}, 16, dithered"] = digest(indexed)
            for method in METHODS:
                indexed = smalti.quantize(image, 5, space=space, threads=threads, dither=method)
                found[f"{name}, {space}, 5, {method}"] = digest(indexed)
            for kind in ("png", "gif") if name in SIZED else ():
                for k, size in ((12, 0.25), (12, 1), (40, 0.25), (40, 1)):
                    options = {"space": space, "threads": threads, "size": size, "format": kind}
                    report = smalti.compress(image, k=k, pack="fast", **options)
                    found[f"{name}, {space}, {k}, size {size}, {kind}"] = digest_of_file(report)
    return found


def run_in_process(**environment):
    """Return the hashes that a fresh process computes."""
    paths = [str(Path(smalti.__file__).parent.parent), str(HERE)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    return json.loads(done.stdout)


def test_results_equal_the_stored_ones():
    stored = json.loads(GOLDEN.read_text())

    found = hashes()

    assert len(stored) == 324
    assert [key for key in stored if found.get(key) != stored[key]] == []
    assert found.keys() == stored.keys()


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_results_are_the_same_on_every_level_and_thread_count(name, threads):
    with level(name) as available:
        if not available:
            pytest.skip(f"this CPU has no {name}")
        assert hashes(threads) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("space", ["oklab", "srgb"])
def test_large_image_is_the_same_on_every_level_and_thread_count(space):
    # Enough colors and pixels for several threads to have work.
    image = np.tile(draw("noise", 3, seed=1, height=400, width=400), (4, 4, 1))
    found = set()

    for name in LEVELS:
        with level(name) as available:
            for threads in (1, 2, 8):
                if available:
                    found.add(digest(smalti.quantize(image, 64, space=space, threads=threads)))

    assert len(found) == 1


@pytest.mark.parametrize("k", [16, 300])
def test_large_image_with_every_kind_of_alpha_is_the_same_on_every_thread_count(k):
    # Thousands of colors each opaque and not, in many chunks of pixels and of colors.
    image = draw("noise", 4, seed=3, height=800, width=900)
    image[:400, :, 3] = np.random.default_rng(4).integers(0, 256, (400, 900))
    image = np.tile(image, (2, 2, 1))

    found = {digest(smalti.quantize(image, k, threads=threads)) for threads in (1, 2, 3, 8)}

    assert len(found) == 1


@pytest.mark.parametrize("environment", [
    {"PYTHONHASHSEED": "1", "SMALTI_ISA": LEVELS[0]},
    {"PYTHONHASHSEED": "2", "SMALTI_ISA": ""},
    {"PYTHONHASHSEED": "random", "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
], ids=["first level", "best level", "random hashes"])  # fmt: skip
def test_fresh_processes_compute_the_stored_results(environment):
    assert run_in_process(**environment) == json.loads(GOLDEN.read_text())


def test_unknown_level_in_the_environment_is_refused_by_name():
    done = subprocess.run(
        [sys.executable, "-c", "import smalti"],
        env={**os.environ, "SMALTI_ISA": "v9",
             "PYTHONPATH": str(Path(smalti.__file__).parent.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "SMALTI_ISA must name a level that this CPU has" in done.stderr
    assert "v9" in done.stderr


def test_twenty_runs_give_one_result():
    image = draw("noise", 4, seed=2)

    assert len({digest(smalti.quantize(image, 32, threads=2)) for _ in range(20)}) == 1


if __name__ == "__main__":
    print(json.dumps(hashes(), indent=1, sort_keys=True))
