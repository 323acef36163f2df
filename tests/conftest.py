"""What the tests share: the real images, CPU levels, what they prove, and what is left out."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pictures import LEVELS, THOROUGH, cases, level
from process import COMMAND, file_of, picture
from web_kit import App, Server, running

# How long an example takes says nothing where all cores are busy.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

# A shell that starts us in the background has us ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

UNFAIR = {
    "timed": "watches the clock, which is not fair under sanitizers",
    "bounded": "limits the address space, of which sanitizers take terabytes",
}

CHROMIUM = os.environ.get("SMALTI_CHROMIUM", "/usr/bin/chromium")
SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images beside the checkout; a test that needs it skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the image collection in ../shared/data, which is not here")
    return SHARED_DATA


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say what a test measured: `figure("0 of 200 outputs damaged")`, for docs/reliability.md."""
    return lambda text: record_property("figure", text)


@pytest.fixture(scope="session")
def effort() -> Callable[[int, int], int]:
    """How many cases to try: `effort(few, many)` is `many` in `make trust`."""
    return cases


@pytest.fixture(autouse=True)
def _guarantees_are_recorded(request: pytest.FixtureRequest) -> None:
    """Note which guarantees and properties a test proves, for the report of the run."""
    for kind, name in (("guarantee", "guarantee"), ("property", "property_number")):
        for mark in request.node.iter_markers(name):
            for number in mark.args:
                request.node.user_properties.append((kind, number))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """How pytest-playwright starts the browser: the system's Chromium, with plain sRGB colors."""
    if not Path(CHROMIUM).is_file():
        missing = pytest.fail if "SMALTI_CHROMIUM" in os.environ else pytest.skip
        missing(
            f"needs Chromium, and there is no {CHROMIUM}; on Debian: apt-get install chromium, "
            "elsewhere say where one is in SMALTI_CHROMIUM"
        )
    args = ["--force-color-profile=srgb"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": args}


@pytest.fixture(scope="session")
def web_server() -> Iterator[Server]:
    """One `smalti web` for all tests that leave it as it was."""
    with running() as server:
        yield server


@pytest.fixture
def app(page: Any, web_server: Server) -> Iterator[App]:
    """A fresh page of the web app. Afterwards: no error was logged, no request left the server."""
    opened = App(page, web_server).start()
    yield opened
    web_server.forget_images()
    assert opened.errors == []
    assert [
        url
        for _, url in opened.requests
        if not url.startswith((web_server.origin, "blob:", "data:"))
    ] == []
    page.close()


@pytest.fixture(params=LEVELS)
def any_level(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each CPU level in turn, whose kernels then run."""
    with level(request.param) as available:
        if not available:
            pytest.skip(f"this CPU has no {request.param}")
        yield request.param


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long proofs to `make trust`, and out of `make sanitize` what cannot work there."""
    if not THOROUGH:
        long = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    if os.environ.get("SMALTI_SANITIZE"):
        for item in items:
            for marker, reason in UNFAIR.items():
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))
            if "page" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="no browser starts under sanitizers"))


@pytest.fixture
def folder(tmp_path):
    """A folder with a.png and b.png, which compress well, and photo.jpg, which would grow."""
    (tmp_path / "a.png").write_bytes(file_of(picture(1)))
    (tmp_path / "b.png").write_bytes(file_of(picture(2)))
    (tmp_path / "photo.jpg").write_bytes(file_of(picture(3), "JPEG", quality=50))
    return tmp_path


@pytest.fixture
def smalti(folder):
    """Run the command in `folder`; outputs are bytes if `binary`, else text."""

    def run(*arguments, code=0, stdin=b"", binary=False, **environment):
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env={**os.environ, **environment},
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr or "--debug" in arguments
        if not binary:
            done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return run
