"""What the web app takes: to install, to start, and until a 12-megapixel photograph is seen.

    python bench/web.py [--photo PHOTO] [--runs 5] [--output PAGE]

Real Chromium on this machine, over loopback; the page itself marks when a picture is seen
(`performance.mark`), and times run from the moment the file is given to the page. Medians of
several runs, each with a server and a browser of its own. Without a photograph, the repository's
demo picture is enlarged to 12 megapixels, which has far fewer fine details.
"""

import argparse
import importlib.metadata
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import smalti
from measure import machine

CHROMIUM = os.environ.get("SMALTI_CHROMIUM", "/usr/bin/chromium")
STATIC = Path(smalti.__file__).parent / "web" / "static"
DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.png"
PACKAGES = ("starlette", "uvicorn", "anyio", "h11", "idna", "sniffio", "typing_extensions")
MEGAPIXELS = 12e6
STEPS = 60

ROWS = {  # what is measured: (words, what it should take at most)
    "first byte": ("first byte after `smalti web`", "0.6 s"),
    "original": ("12 MP JPEG: original visible", "0.5 s"),
    "quantized": ("12 MP JPEG: first quantized picture", "1 s"),
    "ladder": ("12 MP JPEG: palettes of all k and elbow complete", "3 s"),
    "settled": ("12 MP JPEG: settled file, packing `fast`", "4 s"),
    "drag p50": (f"drag of {STEPS} steps: input to paint, median", ""),
    "drag p95": (f"drag of {STEPS} steps: input to paint, 95th percentile", "50 ms"),
    "drag requests": (f"drag of {STEPS} steps: requests to the server", "0"),
    "shift": ("layout shift from opening to settled", "0.05"),
}

VITALS = """
    window.shift = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries())
            if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
"""
MARKS = "Object.fromEntries(performance.getEntriesByType('mark').map(e => [e.name, e.startTime]))"


def photograph(path: Path | None) -> bytes:
    """A JPEG of 12 megapixels."""
    with Image.open(path or DEMO) as opened:
        picture = opened.convert("RGB")
    scale = (MEGAPIXELS / (picture.width * picture.height)) ** 0.5
    size = round(picture.width * scale), round(picture.height * scale)
    buffer = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@contextmanager
def server() -> Iterator[tuple[str, float]]:
    """A server, its link, and the seconds from its start to the first byte of its page."""
    command = [sys.executable, "-m", "smalti.cli", "web", "--no-open", "--port", "0"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        link = re.search(r"http://\S+", process.stdout.readline())
        assert link
        with urllib.request.urlopen(link[0].split("#")[0]) as page:
            page.read(1)
            first = time.perf_counter() - started
        yield link[0], first
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def wait(page: Page, script: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        if time.monotonic() > end:
            raise TimeoutError(script)
        page.wait_for_timeout(10)


def opened(page: Page, path: Path) -> dict[str, float]:
    """Seconds until a picture is seen in each way."""
    page.select_option("#set-pack", "fast")
    page.evaluate(
        """() => {
            const input = document.querySelector("#file-input");
            input.addEventListener("change", () => performance.mark("given"), {capture: true});
            new MutationObserver(() => {
                if (document.body.dataset.k) performance.mark("quantized");
            }).observe(document.body, {attributeFilter: ["data-k"]});
        }"""
    )
    page.set_input_files("#file-input", str(path))
    page.wait_for_selector("body[data-state=settled]", timeout=60_000)
    wait(page, "performance.getEntriesByName('ladder-complete').length")
    marks = page.evaluate(MARKS)
    first = page.evaluate("performance.getEntriesByName('quantized')[0].startTime")
    ends = {
        "original": marks["original-visible"],
        "quantized": first,
        "ladder": marks["ladder-complete"],
        "settled": page.evaluate("performance.getEntriesByName('settled')[0].startTime"),
    }
    return {name: (end - marks["given"]) / 1000 for name, end in ends.items()}


def dragged(page: Page) -> dict[str, float]:
    """Milliseconds from slider to screen, and requests on the way."""
    wait(page, "document.querySelector('#result-score').textContent !== '…'")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = page.locator("#k-range").bounding_box()
    assert box
    y = box["y"] + 14
    page.mouse.move(box["x"] + box["width"] * 0.95, y)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(box["x"] + box["width"] * (0.25 + 0.7 * abs(1 - 2 * (step + 1) / STEPS)), y)
        page.wait_for_timeout(50)
    wait(page, "document.body.dataset.k === document.querySelector('#k-number').value")
    during = [url for url in asked if "/api/" in url]
    page.mouse.up()
    times = sorted(
        page.evaluate("performance.getEntriesByName('input-to-paint').map(e => e.duration)")
    )
    return {
        "drag p50": times[len(times) // 2],
        "drag p95": times[int(len(times) * 0.95)],
        "drag requests": len(during),
    }


def run(photo: Path) -> dict[str, float]:
    with server() as (link, first), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--force-color-profile=srgb"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.add_init_script(VITALS)
        page.goto(link)
        page.wait_for_selector("#demos button", state="attached")
        page.evaluate("window.shift = 0")
        found = {"first byte": first, **opened(page, photo), **dragged(page)}
        found["shift"] = page.evaluate("window.shift")
        browser.close()
    return found


def installed_bytes() -> int:
    """What the packages of the extra take on the disk, compiled files included."""
    total = 0
    for name in PACKAGES:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        total += sum(Path(f.locate()).stat().st_size for f in files if f.locate().exists())
    return total


def shown(name: str, values: list[float]) -> str:
    value = median(values)
    if name in ("first byte", "original", "quantized", "ladder", "settled"):
        return f"{value:.2f} s"
    if name == "shift":
        return f"{value:.3f}"
    return f"{value:.0f}" if name == "drag requests" else f"{value:.0f} ms"


def page_of(runs: list[dict[str, float]], photo: bytes) -> str:
    with Image.open(io.BytesIO(photo)) as picture:
        size = f"{picture.width} × {picture.height}, {len(photo):,} bytes"
    static = sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file())
    lines = [
        "# The web app in figures",
        "",
        f"Written by `make bench-web` on {machine()}. {__doc__.split(chr(10) * 2, 2)[2].strip()}",
        "",
        f"The photograph: {size}. Medians of {len(runs)} runs, and all of them.",
        "",
        "| | median | aim | runs |",
        "| --- | --- | --- | --- |",
    ]
    for name, (words, aim) in ROWS.items():
        values = [each[name] for each in runs]
        every = ", ".join(shown(name, [value]).split()[0] for value in values)
        lines.append(f"| {words} | {shown(name, values)} | {aim} | {every} |")
    lines += [
        f"| packages of the extra `web` | {installed_bytes() / 1e6:.1f} MB | 8 MB | |",
        f"| static files | {static / 1000:.0f} KB | 150 KB | |",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    photo = photograph(arguments.photo)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(photo)
        runs = []
        for _ in range(arguments.runs):
            runs.append(run(path))
            print(runs[-1], flush=True)
    text = page_of(runs, photo)
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
