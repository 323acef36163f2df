"""A server of the web app and a page on it, for the tests that drive it as a person would.

    running() -> Server(link, client)        App(page, server): open, wait, read the screen

Nothing here waits for a time: the page says its state in `body[data-state]`, and tests wait
for that.
"""

import base64
import io
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pictures import draw
from PIL import Image
from serving import Client, command

import smalti
from smalti.color import to_points

SLOW_MS = 60_000  # for what takes a second, or twenty files that take four, on a machine of its own


@dataclass
class Server:
    """A running `smalti web`, and a client that asks it directly, as the page does."""

    process: subprocess.Popen[str]
    client: Client

    @property
    def link(self) -> str:
        return self.client.url

    @property
    def origin(self) -> str:
        return self.link.split("/#")[0]

    def forget_images(self) -> None:
        for image in self.client.get("/api/state").json()["images"]:
            self.client.delete(f"/api/images/{image['id']}")


@contextmanager
def running(*arguments: str | Path) -> Iterator[Server]:
    """Run `smalti web` on a free port until the block ends."""
    with command(*arguments) as (process, client):
        yield Server(process, client)


class App:
    """A page of the web app: what a person does and sees."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page, self.server = page, server
        self.requests: list[tuple[str, str]] = []
        self.errors: list[str] = []
        page.set_default_timeout(SLOW_MS)
        page.on("request", lambda request: self.requests.append((request.method, request.url)))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def start(self) -> "App":
        self.page.goto(self.server.link)
        self.page.wait_for_selector("#demos button", state="attached")
        return self

    # ---- doing

    def open(self, *files: Any) -> "App":
        """Open files: paths, or (name, bytes)."""
        payload = [
            {"name": f[0], "mimeType": "application/octet-stream", "buffer": f[1]}
            if isinstance(f, tuple)
            else str(f)
            for f in files
        ]
        self.page.set_input_files("#file-input", payload)
        return self

    def set_k(self, k: int | str) -> None:
        self.page.fill("#k-number", str(k))
        self.page.press("#k-number", "Enter")

    def drag_slider(self, steps: int = 60, pause_ms: int = 30) -> None:
        """Drag the slider of k from 3/4 of the way to 1/4 and back; the button stays down."""
        box = self.page.locator("#k-range").bounding_box()
        y = box["y"] + box["height"] / 2 - 2
        at = lambda part: box["x"] + box["width"] * part  # noqa: E731
        self.page.mouse.move(at(0.75), y)
        self.page.mouse.down()
        for step in range(steps):
            self.page.mouse.move(at(0.25 + 0.5 * abs(1 - 2 * (step + 1) / steps)), y)
            self.page.wait_for_timeout(pause_ms)

    # ---- waiting

    def wait(self, state: str) -> "App":
        self.page.wait_for_selector(f"body[data-state={state}]")
        return self

    def until(self, script: str) -> Any:
        """Wait until a script says something true; the page's policy forbids Playwright's way."""
        end = time.monotonic() + SLOW_MS / 1000
        while not (value := self.page.evaluate(script)):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(20)
        return value

    # ---- reading

    @property
    def k(self) -> int:
        return int(self.page.input_value("#k-number"))

    def text(self, selector: str) -> str:
        return " ".join(self.page.inner_text(selector).split())

    def canvas(self, layer: str) -> np.ndarray:
        """The (height, width, 4) uint8 pixels that a layer of the stage shows."""
        width, height, data = self.page.evaluate(
            """layer => {
                const canvas = document.querySelector(`canvas[data-layer=${layer}]`);
                const {width, height} = canvas;
                const bytes = canvas.getContext("2d").getImageData(0, 0, width, height).data;
                let text = "";
                for (let i = 0; i < bytes.length; i += 32768)
                    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
                return [width, height, btoa(text)];
            }""",
            layer,
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)

    def download(self) -> tuple[str, bytes]:
        with self.page.expect_download() as found:
            self.page.click("#download")
        return found.value.suggested_filename, Path(found.value.path()).read_bytes()

    def api(self) -> list[str]:
        """The requests to the server's API since they were last cleared."""
        return [f"{method} {url}" for method, url in self.requests if "/api/" in url]


def in_the_middle(shown: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The RGB part of a canvas where a picture of that shape lies in the middle."""
    top, left = (
        round_half_up((a - b) / 2) for a, b in zip(shown.shape[:2], shape[:2], strict=True)
    )
    return shown[top : top + shape[0], left : left + shape[1], :3]


def assert_nearest(shown: np.ndarray, image: np.ndarray, most: int) -> None:
    """Hold an opaque (H, W, 3) picture of few colors to what the library maps to them.

    Their order in the palette is not known here, so of colors as near as each other any will do.
    """
    colors = np.unique(shown.reshape(-1, 3), axis=0)
    assert len(colors) <= most
    mapped = smalti.apply_palette(image, colors, dither="none").to_array()
    points, ours, theirs = (
        to_points(np.ascontiguousarray(each.reshape(-1, 3)), "oklab").astype(np.int64)
        for each in (image, shown, mapped)
    )
    np.testing.assert_array_equal(((points - ours) ** 2).sum(1), ((points - theirs) ** 2).sum(1))


def round_half_up(value: float) -> int:
    return int(np.floor(value + 0.5))  # as the page's Math.round does


def png(image: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(height: int = 120, width: int = 160, channels: int = 3, seed: int = 1) -> np.ndarray:
    """A picture of smooth and busy parts with thousands of colors."""
    smooth = draw("gradient", 3, seed, height, width).astype(int)
    busy = draw("noise", 3, seed, height, width).astype(int)
    x = np.linspace(0, 1, width)[None, :, None]
    image = np.clip(smooth + (busy - 128) * x / 4, 0, 255).astype(np.uint8)
    if channels == 3:
        return image
    y, x = np.mgrid[:height, :width]
    near = np.hypot(y / height - 0.5, x[:, :] / width - 0.5)
    return np.dstack([image, np.clip((0.55 - near) * 1200, 0, 255).astype(np.uint8)])
