"""Shared fixtures: where the real images are, when they are there."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images beside the checkout; a test that needs it skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the image collection in ../shared/data, which is not here")
    return SHARED_DATA
