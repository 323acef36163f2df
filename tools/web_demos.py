"""Draw the three pictures that the web app offers to try: a photograph, a logo, a screenshot.

    python tools/web_demos.py

They go to src/smalti/web/static/demos, which the wheel contains, so they have to be small: 26 KB
together. The photograph is a small `examples/demo.png`; the logo has soft edges and a shadow, for
alpha; the screenshot has text and flat areas. The same pixels each time; the bytes are those of
Pillow's encoders, and its own font.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "src" / "smalti" / "web" / "static" / "demos"
LIMIT = 26_000

Picture = Image.Image


def photo() -> Picture:
    """The bundled demo picture, small."""
    with Image.open(ROOT / "examples" / "demo.png") as demo:
        return demo.convert("RGB").resize((480, 320), Image.Resampling.LANCZOS)


# ---------------------------------------------------------------- the logo

SIDE = 160
RINGS = ((0.0, 0.22, 1), (0.26, 0.58, 9), (0.62, 0.95, 15))
"""Radii, as shares of the whole, and how many tiles lie around."""

GROUT = 0.02
SHADOW = (0.05, 0.16, 0.42)
"""Down by how much, how soft, and how dark."""


def logo() -> Picture:
    """A round mosaic of glass tiles, on nothing."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2.24 - 1.12
    radius, angle = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi) % 1
    color, cover = np.zeros((SIDE, SIDE, 3)), np.zeros((SIDE, SIDE))
    for ring, (inner, outer, tiles) in enumerate(RINGS):
        turn = (angle * tiles + 0.5 * (ring % 2)) % tiles
        tile, along = turn.astype(int), turn % 1
        side = np.minimum(along, 1 - along) * 2 * np.pi * radius / tiles
        edge = side - GROUT if tiles > 1 else np.full_like(side, np.inf)
        inside = np.minimum(np.minimum(radius - inner, outer - radius), edge)
        if not inner:
            inside = outer - radius
        alpha = np.clip(inside * SIDE / 2.24 + 0.5, 0, 1)
        hue = (tile + 0.5) / tiles - 0.5 * (ring % 2) / tiles
        light = (
            0.62
            + 0.09 * np.sin(tile * 2.4 + ring)
            - 0.09 * (inner + outer) / 2 * np.sin(2 * np.pi * hue)
        )
        chroma = np.full_like(hue, 0.13 if inner else 0.03)
        glass = oklch(light if inner else light + 0.24, chroma, hue)
        color += glass * alpha[..., None]
        cover += alpha
    down, soft, dark = SHADOW
    shade = dark * np.clip((1.0 - np.hypot(x, y - down)) / soft, 0, 1) ** 2
    opacity = cover + shade * (1 - cover)
    straight = color / np.maximum(opacity, 1e-9)[..., None]
    whole = np.dstack([straight, opacity])
    whole[opacity < 1 / 510] = 0
    return Image.fromarray(np.rint(whole * 255).clip(0, 255).astype(np.uint8))


def oklch(
    light: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return sRGB, 0..1, of Oklch: Ottosson (2020), https://bottosson.github.io/posts/oklab/"""
    a, b = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
    l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3  # noqa: E741
    m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
            -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
            -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
        ],
        axis=-1,
    ).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# ---------------------------------------------------------------- the screenshot

INK, DIM, LINE, PAPER, PANEL, ACCENT = (
    "#1d2433", "#6a7488", "#d9dee8", "#ffffff", "#f3f5f9", "#2b62d9",
)  # fmt: skip
BARS = (38, 52, 47, 66, 61, 79, 74, 92, 88, 104, 97, 118)
ROWS = (
    ("harbor.jpg", "1,912 KB", "71 %", "#2a8a55"),
    ("logo.png", "96 KB", "84 %", "#2a8a55"),
    ("chart.png", "143 KB", "78 %", "#2a8a55"),
    ("icon.gif", "3 KB", "kept", "#9a6a00"),
)


def screenshot() -> Picture:
    """A window of a program that nobody has: text, lines, flat areas, a gradient."""
    image = Image.new("RGB", (640, 400), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 35), fill="#e7ebf2")
    for x, fill in ((18, "#e5695c"), (36, "#e8b24a"), (54, "#57b865")):
        circle(image, x, 18, 5, fill)
    text(draw, (320, 18), "Pictures of this week", 14, INK, "mm")
    draw.rectangle((0, 36, 148, 400), fill=PANEL)
    for i, name in enumerate(("Overview", "Folders", "Palettes", "History", "Settings")):
        y = 64 + 30 * i
        if not i:
            draw.rounded_rectangle((10, y - 14, 138, y + 14), 6, fill=ACCENT)
        text(draw, (24, y), name, 13, PAPER if not i else INK, "lm")
    text(draw, (24, 378), "4 pictures, 2.2 MB", 11, DIM, "lm")
    text(draw, (172, 64), "Saved so far", 12, DIM, "lm")
    text(draw, (172, 92), "1.6 MB", 28, INK, "lm")
    text(draw, (280, 96), "in 4 files", 12, DIM, "lm")
    chart(image)
    table(draw)
    draw.line((148, 36, 148, 400), fill=LINE)
    draw.line((0, 36, 640, 36), fill=LINE)
    return image


def chart(image: Picture) -> None:
    """Bars that fade from top to bottom."""
    draw = ImageDraw.Draw(image)
    for i, height in enumerate(BARS):
        left = 372 + 21 * i
        for y in range(height):
            share = y / 118
            rgb = tuple(round(a + (b - a) * share) for a, b in ((96, 43), (208, 98), (198, 217)))
            draw.line((left, 176 - y, left + 13, 176 - y), fill=rgb)
    draw.line((368, 177, 622, 177), fill=DIM)


def table(draw: ImageDraw.ImageDraw) -> None:
    """File names, sizes and what was saved."""
    columns = ((172, "lm"), (492, "rm"), (616, "rm"))
    for (x, anchor), name in zip(columns, ("Name", "Before", "Saved"), strict=True):
        text(draw, (x, 204), name, 12, DIM, anchor)
    for i, (*cells, fill) in enumerate(ROWS):
        y = 240 + 40 * i
        draw.line((172, y - 20, 616, y - 20), fill=LINE)
        for (x, anchor), cell in zip(columns, cells, strict=True):
            text(draw, (x, y), cell, 13, fill if x == 616 else INK, anchor)


def circle(image: Picture, x: int, y: int, radius: int, fill: str) -> None:
    """A disc with smooth edges."""
    side, fine = 2 * radius + 2, 8
    mask = Image.new("L", (side * fine, side * fine))
    ImageDraw.Draw(mask).ellipse((fine, fine, (side - 1) * fine, (side - 1) * fine), fill=255)
    mask = mask.resize((side, side), Image.Resampling.BOX)
    image.paste(Image.new("RGB", mask.size, fill), (x - side // 2, y - side // 2), mask)


def text(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    words: str,
    size: int,
    fill: str,
    anchor: str,
) -> None:
    """Text in the font that comes with Pillow."""
    draw.text(place, words, fill=fill, font=ImageFont.load_default(size), anchor=anchor)


def main() -> None:
    """Write the files, and say how large they are."""
    TARGET.mkdir(parents=True, exist_ok=True)
    photo().save(TARGET / "photo.webp", quality=40, method=6)
    logo().save(TARGET / "logo.webp", quality=80, method=6)
    screenshot().save(TARGET / "screenshot.webp", lossless=True, quality=100, method=6)
    sizes = {path.name: path.stat().st_size for path in sorted(TARGET.iterdir())}
    for name, size in sizes.items():
        print(f"{name:16} {size:7,} bytes")
    total = sum(sizes.values())
    if total > LIMIT:
        raise SystemExit(f"together {total:,} bytes, more than {LIMIT:,}")


if __name__ == "__main__":
    main()
