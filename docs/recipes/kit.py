"""What all recipes share: the picture, the numbers they print, the pages that show them.

    IMAGE -> recipe -> facts, tables, pictures -> standard output, FOLDER, pages

A recipe states each number once, under a key. Pages hold places for numbers, whose marks do not
show: between `<!-- NAME.key -->` and `<!-- / -->`. `--pages FOLDER`, as `make recipes` runs it,
fills the places of all pages there, so no page holds a figure that no recipe printed.
"""

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from threadpoolctl import threadpool_limits  # comes with scikit-learn

import smalti
from smalti import plots

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench"))
import measure  # noqa: E402 (the machine's name, and SSIMULACRA2, are those of the benchmarks)

__all__ = ["DEMO", "Recipe", "bundled", "crop", "mse", "png24", "seconds", "titled"]

DEMO = ROOT / "examples" / "demo.png"
LEAST_COLORS, LEAST_PIXELS = 32, 4_096  # so that k = 25 is a question, and k = 256 an answer
TITLE = 20  # pixels above each panel of a picture, for its title
PICTURE_BYTES = 150_000  # a page's picture is to load at once

mse = measure.mse


class Recipe:
    """One run of a recipe: where its picture comes from and where its numbers go."""

    def __init__(self, file, about, default=DEMO, arguments=None):
        self.name = Path(file).stem
        parser = argparse.ArgumentParser(description=about.split("\n")[0])
        parser.add_argument("image", nargs="?", metavar="IMAGE", help="a picture of yours")
        where = "where pictures and numbers.json go (default: recipe-NAME)"
        parser.add_argument("--output", type=Path, metavar="FOLDER", help=where)
        parser.add_argument("--pages", type=Path, metavar="FOLDER", help="pages to fill in")
        options = parser.parse_args(arguments)
        self.path = options.image or default
        self.pages = options.pages
        inside = self.pages / "images" if self.pages else Path(f"recipe-{self.name}")
        self.output = options.output or inside
        self.output.mkdir(parents=True, exist_ok=True)
        # What is no picture of a page stays out of the repository.
        self.files = Path(tempfile.mkdtemp()) if self.pages else self.output
        self.facts, self.shown, self.pictures = {}, {}, []
        self.fact("machine", measure.machine())

    def image(self, pixels=None):
        """Return the picture, (H, W, 3) uint8, halved until it has at most so many pixels."""
        picture = Image.open(self.path).convert("RGB")
        size = picture.width * picture.height
        if size < LEAST_PIXELS or picture.getcolors(LEAST_COLORS - 1):
            raise SystemExit(
                f"recipes are about pictures of at least {LEAST_COLORS} colors and "
                f"{LEAST_PIXELS:,} pixels, and {self.path} has fewer"
            )
        while pixels and picture.width * picture.height > pixels:
            picture = picture.reduce(2)
        return np.asarray(picture)

    def fact(self, key, value, shape=""):
        """Print one number, and keep it for the pages under `key`."""
        self.facts[key] = value
        self.shown[key] = format(value, shape)
        print(f"{key:24} {self.shown[key]}", flush=True)
        return value

    def table(self, key, header, rows, shapes=None):
        """Print a table; `shapes` are the formats of its columns."""
        rows = [list(row) for row in rows]
        shapes = shapes or [""] * len(header)
        cells = [[cell(x, s) for x, s in zip(row, shapes, strict=True)] for row in rows]
        widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
        print(f"\n{key}")
        for row in [header, *cells]:
            print("  ".join(f"{x:>{w}}" for x, w in zip(row, widths, strict=True)))
        print(flush=True)
        texts = [all(isinstance(x, str) for x in column) for column in zip(*rows, strict=True)]
        ruler = ["---" if text else "---:" for text in texts]
        lines = ["| " + " | ".join(row) + " |" for row in (header, ruler, *cells)]
        self.facts[key] = [dict(zip(header, row, strict=True)) for row in rows]
        self.shown[key] = "\n\n" + "\n".join(lines) + "\n\n"

    def listing(self, key, text, language="text"):
        """Print text that pages show as it is: code, or a line of a terminal."""
        self.facts[key] = text
        self.shown[key] = f"\n\n```{language}\n{text.strip()}\n```\n\n"
        print(f"{key}\n{text}", flush=True)

    def picture(self, key, what):
        """Write a picture, an array or a matplotlib figure, as NAME-key.png.

        Arrays are stored as they are, whatever their number of colors: pages ask their readers to
        judge them. A figure is lines and text, for which 256 colors are enough.
        """
        path = self.output / f"{self.name}-{key}.png"
        if isinstance(what, np.ndarray):
            data = _exact(what)
        else:
            plots.save(what, path)
            data = smalti.quantize(path, 256).encoded("PNG")
        path.write_bytes(data)
        self.pictures.append(path.name)
        print(f"{path}  {len(data):,} bytes", flush=True)
        if self.pages and len(data) >= PICTURE_BYTES:
            raise SystemExit(f"{path} is larger than a page should show: make it smaller")

    def done(self):
        """Write numbers.json, and fill in the pages if asked."""
        numbers = json.dumps(self.facts, indent=1, default=float)
        (self.files / "numbers.json").write_text(numbers + "\n")
        if not self.pages:
            return
        shutil.rmtree(self.files)
        for page in sorted(self.pages.glob("*.md")):
            before = page.read_text()
            after = fill(before, self.name, self.shown)
            if after != before:
                page.write_text(after)


def fill(text, name, shown):
    """Return a page with the places of one recipe filled; a place of an unknown key is an error."""

    def value(place):
        if place[1] not in shown:
            raise SystemExit(f"a page has a place for {name}.{place[1]}, which is not stated")
        return f"<!-- {name}.{place[1]} -->{shown[place[1]]}<!-- / -->"

    return re.sub(rf"<!-- {name}\.([\w-]+) -->.*?<!-- / -->", value, text, flags=re.DOTALL)


def cell(value, shape):
    """Return a number as a table shows it: texts as they are, None as an empty cell."""
    return "" if value is None else value if isinstance(value, str) else format(value, shape)


def _exact(image):
    """Bytes of a PNG of exactly these pixels: a palette up to 256 colors, 24 bits above."""
    if len(smalti.Histogram.of(image).colors) <= 256:
        return smalti.quantize(image, 256).encoded("PNG")
    return png24(image, optimize=True)


def bundled(name):
    """Return a picture that comes with scikit-learn: "china.jpg" or "flower.jpg"."""
    from sklearn.datasets import load_sample_image

    return np.ascontiguousarray(load_sample_image(name))


def crop(image, height, width):
    """Return the middle of an image."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def titled(panels, columns=None, gap=6):
    """Return images of one size as one picture, each under its title, `columns` in a row.

    `panels` are pairs (title, (H, W, 3) uint8).
    """
    font = ImageFont.load_default(13)
    height, width = panels[0][1].shape[:2]
    width = max(width, *(int(font.getlength(title)) + 1 for title, _ in panels))
    columns = columns or len(panels)
    across, down = width + gap, height + gap + TITLE
    size = (columns * across - gap, -(-len(panels) // columns) * down - gap)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for i, (title, image) in enumerate(panels):
        x, y = i % columns * across, i // columns * down
        draw.text((x, y), title, "black", font)
        page.paste(Image.fromarray(image), (x, y + TITLE))
    return np.asarray(page)


def seconds(call, runs=1):
    """Return the CPU time of a call with one thread, the lowest of some runs, and what it returns.

    CPU time does not depend on what else the machine does. smalti gets `threads=1` in the call,
    OpenCV `cv2.setNumThreads(1)`; what scikit-learn and NumPy use is limited here.
    """
    times = []
    with threadpool_limits(1):
        for _ in range(runs):
            start = time.process_time()
            result = call()
            times.append(time.process_time() - start)
    return min(times), result


def png24(image, **options):
    """Return the bytes of a PNG of 24 bits per pixel, as imaging libraries save an array."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png", **options)
    return file.getvalue()
