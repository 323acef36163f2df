"""The boundary of the native core: whatever is handed to it, it refuses or returns."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "boundary_driver.py"
MOST_MEMORY = 8 * 2**30  # of addresses: a size that is taken for real ends in MemoryError


@pytest.mark.guarantee(27)
@pytest.mark.parametrize("seed", range(4))
def test_no_argument_breaks_the_boundary_of_the_core(seed, tmp_path, effort, figure):
    count = effort(2000, 40_000)
    # Sanitizers need all addresses for their own books.
    most = resource.RLIM_INFINITY if os.environ.get("SMALTI_SANITIZE") else MOST_MEMORY
    log = tmp_path / "calls"

    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", DRIVER, str(seed), str(count), log, str(most)],
        capture_output=True,
        text=True,
        check=False,
    )

    last = log.read_text().splitlines()[-1]
    assert done.returncode == 0, f"{last} ended the process:\n{done.stderr[-3000:]}"
    figure(f"{count:,} calls with wrong arguments, seed {seed}: {done.stdout.strip()}, 0 crashes")
