"""Crops side by side at equal bytes, three times as large, for eyes and not for figures.

The budget is what `BASE` needs at one k; every other tool gets the largest k whose file is no
larger. What the page shows is drawn here or in examples/, or comes with scikit-image and is in the
public domain; crops of other images are for looking at only, and stay outside the repository.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from looks_runs import Store, pixels
from looks_scores import on_backgrounds
from looks_tools import BASE, Tool

__all__ = ["SHOWN", "Crop", "Sheet", "as_file", "privately", "sheets"]

Array = np.ndarray
ZOOM = 3
GAP, TITLE, NOTE = 8, 20, 18
SLACK = 1.005  # of the budget: sizes come in steps
CHECKER = 2  # which of the three backgrounds is shown where there is alpha


@dataclass(frozen=True)
class Crop:
    """Where to look, and at what k the budget is taken."""

    name: str
    words: str
    image: Callable[[], Array]
    left: int
    top: int
    width: int = 110
    height: int = 82
    k: int = 32


@dataclass(frozen=True)
class Sheet:
    """One picture of several crops, and what stands in it: tool, k and bytes."""

    crop: Crop
    picture: Image.Image
    panels: list[tuple[str, int, int]]


# Pictures


@cache
def demo() -> Array:
    path = Path(__file__).parent.parent / "examples" / "demo.png"
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@cache
def astronaut() -> Array:
    """Eileen Collins, by NASA, in the public domain; it comes with scikit-image."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


@cache
def evening() -> Array:
    """A sky without clouds: the smoothest thing there is, with the grain of a camera."""
    y, x = np.mgrid[:384, :576]
    t = (y / 383)[..., None]
    top, low = np.array([38, 70, 132]), np.array([244, 178, 120])
    sky = top * (1 - t) ** 1.4 + low * (1 - (1 - t) ** 1.4)
    glow = np.exp(-((x - 400) ** 2 + (y - 330) ** 2) / 14000)[..., None]
    grain = np.random.default_rng(1).normal(0, 0.8, (384, 576, 1))
    return np.rint((sky + glow * np.array([40, 30, -10]) + grain).clip(0, 255)).astype(np.uint8)


@cache
def card() -> Array:
    """A card with text, a gradient and a soft shadow on nothing: (H, W, 4) with alpha."""
    size = (480, 320)
    shadow = Image.new("L", size, 0)
    ImageDraw.Draw(shadow).rounded_rectangle((44, 48, 436, 284), 22, fill=150)
    alpha = np.asarray(blurred(shadow))
    image = np.zeros((*size[::-1], 4), np.uint8)
    image[..., 3] = alpha
    picture = Image.fromarray(image)
    mask = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((160, 144, 1760, 1104), 88, fill=255)
    picture.paste(face(size), mask=mask.resize(size, Image.Resampling.LANCZOS))
    return np.asarray(picture)


def blurred(picture: Image.Image) -> Image.Image:
    from PIL import ImageFilter

    return picture.filter(ImageFilter.GaussianBlur(10))


def face(size: tuple[int, int]) -> Image.Image:
    """The card itself: a gradient above, text on white below."""
    x = np.linspace(0, 1, size[0])[None, :, None]
    row = np.array([24, 120, 190]) * (1 - x) + np.array([230, 90, 140]) * x
    rows = np.repeat(row, size[1], axis=0)
    rows[150:] = 255
    picture = Image.fromarray(np.rint(rows).astype(np.uint8)).convert("RGBA")
    draw = ImageDraw.Draw(picture)
    draw.text((64, 70), "Tesserae", font=ImageFont.load_default(44), fill=(255, 255, 255))
    for line, words in enumerate(("Small tiles of few colors,", "placed well, make the", "whole.")):
        draw.text((64, 164 + 32 * line), words, font=ImageFont.load_default(22), fill=(40, 44, 52))
    return picture


SHOWN = (
    Crop("demo-glass", "glass and a blurred background", demo, 440, 200),
    Crop("demo-dark", "dark blues out of focus", demo, 20, 150),
    Crop("face", "a face (astronaut, NASA)", astronaut, 170, 60),
    Crop("sky", "an evening sky, drawn with a little grain", evening, 330, 230),
    Crop("card", "text, a gradient and a soft shadow, on a checkerboard", card, 30, 60),
)

# Of Kodak: where faces, skies and smooth things are.
PRIVATE = (
    ("kodim23.png", "parrot", 130, 170),
    ("kodim23.png", "background", 330, 20),
    ("kodim04.png", "face", 190, 310),
    ("kodim15.png", "painted-face", 410, 100),
    ("kodim03.png", "caps", 380, 120),
    ("kodim19.png", "sky", 20, 30),
    ("kodim21.png", "lighthouse-sky", 400, 60),
    ("kodim05.png", "wheels", 300, 260),
    ("kodim12.png", "beach", 460, 60),
    ("kodim22.png", "barn", 300, 60),
)


def privately(folder: Path) -> Iterator[Crop]:
    """Crops of Kodak that are to be looked at and not to be published."""
    for file, name, left, top in PRIVATE:
        path = folder / file
        if path.exists():
            words = f"{path.stem}, {name}"
            yield Crop(f"{path.stem}-{name}", words, lambda path=path: read(path), left, top)


@cache
def read(path: Path) -> Array:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


# Sheets


def sheets(crops: list[Crop], which: list[Tool], store: Store) -> Iterator[Sheet]:
    """One sheet per crop: the original, then `BASE`, then the other tools at its bytes."""
    base = next(tool for tool in which if tool.name == BASE)
    others = [tool for tool in which if tool.name != BASE]
    for crop in crops:
        image = crop.image()
        file = file_of(store, base, image, crop.k)
        panels = [("original", 0, 0, image), (base.name, crop.k, len(file), image_in(file, image))]
        for tool in others:
            k, found = within(store, tool, image, len(file))
            panels.append((tool.name, k, len(found), image_in(found, image)))
        picture = laid_out([(caption(*panel[:3]), cut(panel[3], crop)) for panel in panels])
        yield Sheet(crop, picture, [panel[:3] for panel in panels[1:]])


def file_of(store: Store, tool: Tool, image: Array, k: int) -> bytes:
    # Named by its pixels: crops of one picture share its files, and drawn pictures change.
    name = "crop-" + hashlib.sha256(image.tobytes()).hexdigest()[:12]
    return store.file(tool, name, k, lambda: tool.run(image, k))


def within(store: Store, tool: Tool, image: Array, budget: int) -> tuple[int, bytes]:
    """The largest k whose file keeps to the budget, by bisection, and the file."""
    low, high = 2, 256
    best = low, file_of(store, tool, image, low)
    while low <= high:
        k = (low + high) // 2
        file = file_of(store, tool, image, k)
        if len(file) <= budget * SLACK:
            best, low = (k, file), k + 1
        else:
            high = k - 1
    return best


def image_in(file: bytes, image: Array) -> Array:
    return pixels(file, image.shape[2])


def caption(name: str, k: int, size: int) -> tuple[str, str]:
    return name, f"k = {k}, {size:,} bytes" if k else "24 or 32 bits per pixel"


def cut(image: Array, crop: Crop) -> Array:
    """The crop as it is seen, three times as large, nothing interpolated."""
    seen = [*on_backgrounds(image, image)]
    part = seen[CHECKER if len(seen) > 1 else 0][crop.top :, crop.left :]
    return part[: crop.height, : crop.width].repeat(ZOOM, 0).repeat(ZOOM, 1)


def laid_out(panels: list[tuple[tuple[str, str], Array]]) -> Image.Image:
    """Panels two in a row, so that a page shows them unscaled, each under its name."""
    height, width = panels[0][1].shape[:2]
    rows = -(-len(panels) // 2)
    step = height + TITLE + NOTE + GAP
    picture = Image.new("RGB", (2 * width + GAP, rows * step - GAP), "white")
    draw = ImageDraw.Draw(picture)
    for place, ((title, note), pixels_of) in enumerate(panels):
        x, y = place % 2 * (width + GAP), place // 2 * step
        draw.text((x, y + 2), title, font=ImageFont.load_default(15), fill="black")
        draw.text((x, y + TITLE), note, font=ImageFont.load_default(13), fill="#444444")
        picture.paste(Image.fromarray(pixels_of), (x, y + TITLE + NOTE))
    return picture


def as_file(picture: Image.Image) -> bytes:
    """A PNG of exactly these pixels: a palette would show its own errors."""
    import oxipng

    file = io.BytesIO()
    picture.save(file, "png")
    return oxipng.optimize_from_memory(file.getvalue(), level=4)
