"""What the tests share: the real images, the CPU levels, and what sanitizers cannot bear."""

import os
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what watches the clock where `make sanitize` has the core run ten times as long."""
    if os.environ.get("SMALTI_SANITIZE"):
        slow = pytest.mark.skip(reason="watches the clock, which is not fair under sanitizers")
        for item in items:
            if item.get_closest_marker("timed"):
                item.add_marker(slow)
