"""Shared fixtures: where the real images are, when they are there, and the CPU levels."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pictures import LEVELS, level

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images beside the checkout; a test that needs it skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the image collection in ../shared/data, which is not here")
    return SHARED_DATA


@pytest.fixture(params=LEVELS)
def any_level(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each CPU level in turn, whose kernels then run."""
    with level(request.param) as available:
        if not available:
            pytest.skip(f"this CPU has no {request.param}")
        yield request.param
