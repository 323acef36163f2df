"""The native core where memory runs out: each allocation in turn is made to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import smalti

HERE = Path(__file__).parent
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
GROWTH_KIB = 2048  # per function; each fails hundreds of times


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that denies the core memory, compiled."""
    if sys.platform != "linux" or not COMPILER or os.environ.get("SMALTI_SANITIZE"):
        pytest.skip("needs Linux, a C++ compiler, and a core without sanitizers")
    library = tmp_path_factory.mktemp("shim") / "failing_new.so"
    source = HERE / "failing_new.cpp"
    subprocess.run(
        [COMPILER, "-std=c++17", "-O1", "-shared", "-fPIC", source, "-o", library, "-ldl"],
        check=True,
    )
    return library


@pytest.mark.guarantee(26)
def test_each_allocation_of_the_core_that_fails_is_a_memory_error_and_leaks_nothing(
    shim, effort, figure
):
    package = Path(smalti.__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, HERE / "failing_new.py", shim, ("few", "all")[effort(0, 1)]],
        env={**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, (done.returncode, done.stdout[-200:], done.stderr[-2000:])
    found = [line.rsplit(": ", 1) for line in done.stdout.splitlines()]
    numbers = {name: [int(n) for n in counts.split()] for name, counts in found}
    failures, errors = (sum(n[i] for n in numbers.values()) for i in (0, 1))
    assert len(numbers) > 40
    assert min(n[0] for n in numbers.values()) > 0  # the shim is in use
    assert failures * 0.9 < errors <= failures
    assert [name for name, n in numbers.items() if n[2] > GROWTH_KIB] == []
    figure(
        f"{failures:,} allocations of {len(numbers)} native calls failed, one by one: {errors:,} "
        f"MemoryErrors, {failures - errors} made good, 0 crashes, no leak"
    )
