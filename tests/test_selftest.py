"""The self-test, and the same answer from every process, level, thread count and array layout."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import LEVELS, level
from process import COMMAND

import smalti
from smalti import _core, selftest
from smalti.histogram import widen
from smalti.selftest import CASES, STORED, SelfTest, digest, pictures, self_test

IN_A_PROCESS = """
import hashlib, sys
from smalti.selftest import hashes, pictures
found = "".join(f"{case}: {one}\\n" for case, one in hashes(pictures(), int(sys.argv[1])))
print(hashlib.sha256(found.encode()).hexdigest())
"""

THREADS = (1, 2, 8, 64)


def levels_here():
    """Return the CPU levels that this machine has."""
    found = []
    for name in LEVELS:
        with level(name) as available:
            found += [name] if available else []
    return found


def layouts(image, folder):
    """Yield the same picture as every kind of array and sequence that there is."""
    height, width, channels = image.shape
    yield "uint8 of a list", np.uint8(image.tolist())
    yield "C order", np.ascontiguousarray(image)
    yield "Fortran order", np.asfortranarray(image)
    wide = np.zeros((2 * height, 3 * width, channels + 2), np.uint8)
    wide[::2, ::3, 1:-1] = image
    yield "strided", wide[::2, ::3, 1:-1]
    backward = np.ascontiguousarray(image[::-1, ::-1, ::-1])
    yield "negative strides", backward[::-1, ::-1, ::-1]
    turned = np.ascontiguousarray(image.transpose(2, 1, 0))
    yield "transposed planes", turned.transpose(2, 1, 0)
    odd = np.frombuffer(b"\0" + image.tobytes(), np.uint8, offset=1).reshape(image.shape)
    yield "odd address, read-only", odd
    locked = image.copy()
    locked.flags.writeable = False
    yield "read-only", locked
    path = folder / "picture.bin"
    path.write_bytes(image.tobytes())
    yield "memory map", np.memmap(path, np.uint8, "r", shape=image.shape)
    np.save(folder / "picture.npy", image)
    yield "mapped .npy", np.load(folder / "picture.npy", mmap_mode="r")
    yield "subclass", image.view(np.recarray)
    yield "object that converts", SimpleNamespace(__array_interface__=image.__array_interface__)
    if channels == 3:
        opaque = np.full((height, width, 1), 255, np.uint8)
        yield "opaque alpha", np.concatenate([image, opaque], axis=2)
        yield "BGR", np.ascontiguousarray(image[..., ::-1])


# ---------------------------------------------------------------- the same answer


@pytest.mark.guarantee(20)
def test_every_process_gives_one_hash(figure, effort):
    names = levels_here()
    environments = list(itertools.product(names, THREADS, ("0", "1", "random")))
    few = [one for i, one in enumerate(environments) if i % 3 == i // 3 % 3]
    found = set()

    for name, threads, seed in effort(few, environments):
        done = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS, str(threads)],
            env={**os.environ, "SMALTI_ISA": name, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)

    runs = len(effort(few, environments))
    assert len(found) == 1, found
    figure(f"1 SHA-256 of 50 results in {runs} processes: levels {', '.join(names)} × 1, 2, 8 and "
           "64 threads × hash seeds")  # fmt: skip


@pytest.mark.guarantee(20)
@pytest.mark.parametrize("name", ["photo", "cut-out", "soft edge", "blocks"])
def test_every_layout_of_an_array_gives_one_hash(name, tmp_path, figure):
    image, found = pictures()[name], {}

    for layout, array in layouts(image, tmp_path):
        channels = "bgr" if layout == "BGR" else "rgb"
        indexed = smalti.quantize(array, 16, channels=channels)
        report = smalti.compress(array, k=16, channels=channels, pack="fast")
        colors = widen(indexed.palette, 4)  # of opaque pixels with alpha, an alpha of 255
        found[layout] = digest(colors, indexed.indices), report.data

    assert len(found) >= 11
    assert [layout for layout in found if found[layout] != found["C order"]] == []
    assert np.array_equal(image, pictures()[name]), "the input was changed"
    figure(f"1 SHA-256 over {len(found)} array layouts of {name!r}")


# ---------------------------------------------------------------- the self-test


def test_the_self_test_stands_alone():
    done = subprocess.run([*COMMAND, "--self-test", "a.png"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "smalti: --self-test stands alone, got a.png, too\n"


def test_fifty_cases_are_stored_and_each_has_a_name():
    stored = json.loads(STORED.read_text())

    assert len(stored) == 50
    assert list(stored) == [str(case) for case in CASES]


def test_cases_use_every_picture_and_give_different_results():
    stored = json.loads(STORED.read_text())

    assert {case.picture for case in CASES} == set(pictures())
    assert len(set(stored.values())) >= 48  # of some pictures, other options make no other result


@pytest.mark.guarantee(20)
def test_command_passes_on_every_level_of_this_cpu(figure):
    done = subprocess.run([*COMMAND, "--self-test"], capture_output=True, text=True, check=True,
                          env={**os.environ, "SMALTI_ISA": ""})  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.startswith("self-test passed: 50 of 50 results as stored, CPU level")
    assert all(name in done.stdout for name in levels_here())
    figure(done.stdout.strip())


def test_a_level_in_the_environment_is_the_one_that_is_tested():
    first = levels_here()[0]

    done = subprocess.run([*COMMAND, "--self-test"], capture_output=True, text=True, check=True,
                          env={**os.environ, "SMALTI_ISA": first})  # fmt: skip

    assert f", CPU level {first}, " in done.stdout


def test_a_result_that_differs_fails_with_its_name_and_what_to_do(tmp_path):
    # A package with one wrong hash is what a wrong build looks like.
    package = Path(smalti.__file__).parent
    (tmp_path / "smalti").mkdir()
    for entry in package.iterdir():
        if entry.name != STORED.name:
            (tmp_path / "smalti" / entry.name).symlink_to(entry)
    stored = json.loads(STORED.read_text())
    stored["photo, k 16"] = "0" * 64
    (tmp_path / "smalti" / STORED.name).write_text(json.dumps(stored))

    done = subprocess.run(
        [*COMMAND, "--self-test"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, package.parent)))},
    )  # fmt: skip

    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("self-test failed: 49 of 50 results as stored")
    assert lines[1].startswith("  photo, k 16: differs on ")
    assert lines[2].startswith("please report these lines")


def test_a_level_that_is_wrong_alone_names_one_that_is_right():
    found = SelfTest(50, {"photo, k 2": ("v4",)}, ("v2", "v3", "v4"), 2, 0.5)

    assert not found.ok
    assert "set SMALTI_ISA=v3, where all are right" in str(found)


def test_the_level_is_afterwards_what_it_was(any_level, monkeypatch):
    monkeypatch.setattr(selftest, "CASES", CASES[:2])

    self_test(threads=1)

    assert _core.level() == any_level


def test_a_case_that_is_missing_in_the_golden_file_is_a_difference(tmp_path, monkeypatch):
    stored = json.loads(STORED.read_text())
    stored.pop("waves, k 16")
    (tmp_path / "golden.json").write_text(json.dumps(stored))
    monkeypatch.setattr(selftest, "STORED", tmp_path / "golden.json")
    monkeypatch.setattr(selftest, "CASES", [case for case in CASES if case.picture == "waves"])

    assert set(self_test(threads=1).differing) == {"waves, k 16"}
