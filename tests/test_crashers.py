"""What fuzzing once found, tried again: each file in fuzz/crashers/files was a finding."""

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
CRASHERS = sorted((FUZZ / "crashers" / "files").glob("*"))

sys.path.insert(0, str(FUZZ))
import walk  # noqa: E402


@pytest.mark.guarantee(28)
@pytest.mark.parametrize("name", [path.name for path in CRASHERS])
def test_what_fuzzing_found_is_found_no_more(name, capfd):
    walk.run((FUZZ / "crashers" / "files" / name).read_bytes())

    assert capfd.readouterr().err == ""


@pytest.mark.guarantee(28)
def test_the_fuzzer_of_files_has_crashers_to_try(figure):
    assert CRASHERS
    figure(f"{len(CRASHERS)} inputs that once were findings are none any more")
