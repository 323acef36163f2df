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
from smalti.selftest import digest, pictures

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "hashes.json"
PICTURES = ("noise", "waves", "photo", "gray ramp", "red ramp", "blocks", "wheel", "cut-out",
            "soft edge", "faint")  # fmt: skip
THREADS = (1, 2, 8, 64)
SIZED = ("photo", "wheel", "cut-out", "soft edge")  # which are mapped for small files, too


def digest_of_file(report):
    """Return the SHA-256 of palette and pixels: order and bytes of the file are the encoder's."""
    with Image.open(io.BytesIO(report.data)) as file:
        pixels = file.convert("RGBA").tobytes()
    return hashlib.sha256(report.palette.colors.tobytes() + pixels).hexdigest()


def result(image, k, **options):
    """Return the SHA-256 of palette and indices."""
    indexed = smalti.quantize(image, k, **options)
    return digest(indexed.palette, indexed.indices)


def hashes(threads=1):
    """Return SHA-256 of palette and indices, or pixels, by image, space, k and options."""
    found, drawn = {}, pictures()
    for name in PICTURES:
        image = drawn[name]
        for space in ("oklab", "srgb"):
            common = {"space": space, "threads": threads}
            for k in (2, 16, 256, 1000):
                found[f"{name}, {space}, {k}"] = result(image, k, **common)
            for init in ("k-means++", "random", "box"):
                seeded = {"init": init, "n_init": 2, "seed": 5}
                found[f"{name}, {space}, 16, {init}"] = result(image, 16, space=space, **seeded)
            everywhere = {"dither": "floyd-steinberg", "dither_adaptive": False}
            found[f"{name}, {space}, 16, dithered"] = result(image, 16, **common, **everywhere)
            for method in METHODS:
                found[f"{name}, {space}, 5, {method}"] = result(image, 5, **common, dither=method)
            for kind in ("png", "gif") if name in SIZED else ():
                for k, size in ((12, 0.25), (12, 1), (40, 0.25), (40, 1)):
                    report = smalti.compress(
                        image, k=k, pack="fast", size=size, format=kind, **common
                    )
                    found[f"{name}, {space}, {k}, size {size}, {kind}"] = digest_of_file(report)
    return found


def run_in_process(**environment):
    """Return the hashes that a fresh process computes."""
    paths = [str(Path(smalti.__file__).parent.parent), str(HERE)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.guarantee(20)
def test_results_equal_the_stored_ones(record_property):
    stored = json.loads(GOLDEN.read_text())

    found = hashes()

    assert len(stored) == 324
    assert [key for key in stored if found.get(key) != stored[key]] == []
    assert found.keys() == stored.keys()
    record_property("figure", f"{len(found)} results are those of the day they were stored")


@pytest.mark.guarantee(20)
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_results_are_the_same_on_every_level_and_thread_count(name, threads):
    with level(name) as available:
        if not available:
            pytest.skip(f"this CPU has no {name}")
        assert hashes(threads) == json.loads(GOLDEN.read_text())


@pytest.mark.guarantee(20)
@pytest.mark.parametrize("space", ["oklab", "srgb"])
def test_large_image_is_the_same_on_every_level_and_thread_count(space):
    # Enough colors and pixels for several threads to have work.
    image = np.tile(draw("noise", 3, seed=1, height=400, width=400), (4, 4, 1))
    found = set()

    for name in LEVELS:
        with level(name) as available:
            for threads in THREADS:
                if available:
                    found.add(result(image, 64, space=space, threads=threads))

    assert len(found) == 1


@pytest.mark.guarantee(20)
@pytest.mark.parametrize("k", [16, 300])
def test_large_image_with_every_kind_of_alpha_is_the_same_on_every_thread_count(k):
    # Thousands of colors each opaque and not, in many chunks of pixels and of colors.
    image = draw("noise", 4, seed=3, height=800, width=900)
    image[:400, :, 3] = np.random.default_rng(4).integers(0, 256, (400, 900))
    image = np.tile(image, (2, 2, 1))

    found = {result(image, k, threads=threads) for threads in (1, 2, 3, 8, 64)}

    assert len(found) == 1


@pytest.mark.guarantee(20)
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


@pytest.mark.guarantee(20)
def test_twenty_runs_give_one_result():
    image = draw("noise", 4, seed=2)

    assert len({result(image, 32, threads=2) for _ in range(20)}) == 1


if __name__ == "__main__":
    print(json.dumps(hashes(), indent=1, sort_keys=True))
