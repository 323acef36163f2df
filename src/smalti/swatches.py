"""Swatches: a palette as something to look at.

    colors (k, 3|4), shares (k,) -> [draw | to_html] -> Pillow image | HTML

Every color is labeled with its hex code, and with its share where that is known, in black or
white: whichever has more contrast (WCAG 2.2, relative luminance). Where a color lets something
through, that is a checkerboard, as in drawing programs.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .color import LINEAR

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["draw", "hex_code", "share_text", "to_html"]

Colors = NDArray[np.uint8]
Shares = NDArray[np.float64] | None

WIDTH, HEIGHT = 112, 64  # of a labeled swatch: "#rrggbbaa" in FONT_SIZE, with air around it
FONT_SIZE = 15
LINE = 20
BARE = 12  # side of a swatch without a label
MOST_LABELED = 1024  # colors; more labels than that nobody reads
MOST_IN_HTML = 256

SQUARE = 8  # of the checkerboard; swatches are whole numbers of squares, or nearly
LIGHT, DARK = 255, 221  # its grays
WHITE = (255, 255, 255)  # where the last row has room left
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear red, green and blue


def hex_code(row: Sequence[int]) -> str:
    """Return #rrggbb, or #rrggbbaa where alpha is below 255.

    >>> hex_code([255, 128, 0, 255]), hex_code([255, 128, 0, 127])
    ('#ff8000', '#ff80007f')
    """
    return "#" + bytes(row[:3] if len(row) == 3 or row[3] == 255 else row).hex()


def share_text(share: float) -> str:
    """Return a share of the pixels in percent.

    >>> share_text(0.25), share_text(0.0001), share_text(0)
    ('25.0 %', '< 0.1 %', '0.0 %')
    """
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def draw(colors: Colors, shares: Shares = None) -> "Image.Image":
    """Draw the colors as a grid of swatches, row by row.

    Parameters
    ----------
    colors : (k, 3) or (k, 4) uint8 sRGB
    shares : (k,) floats, or None

    Returns
    -------
    Pillow image, mode RGB
        Up to 8 colors are one row; above 1,024 the swatches are small and have no labels.

    >>> draw(np.uint8([[255, 128, 0], [0, 0, 0]])).size
    (224, 64)
    """
    from PIL import Image

    labeled = len(colors) <= MOST_LABELED
    width, height = (WIDTH, HEIGHT) if labeled else (BARE, BARE)
    columns = _columns(len(colors))
    image = Image.new("RGB", (columns * width, -(-len(colors) // columns) * height), WHITE)
    for i, row in enumerate(colors.tolist()):
        swatch = _swatch(row, width, height)
        if labeled:
            _label(swatch, row, None if shares is None else float(shares[i]))
        image.paste(swatch, (i % columns * width, i // columns * height))
    return image


def _columns(k: int) -> int:
    """Return how many swatches stand side by side: a power of two, as palettes often are."""
    columns = 8
    while columns * columns < k:
        columns *= 2
    return min(k, columns)


def _swatch(row: Sequence[int], width: int, height: int) -> "Image.Image":
    from PIL import Image

    if len(row) == 3 or row[3] == 255:
        return Image.new("RGB", (width, height), tuple(row[:3]))
    y, x = np.mgrid[:height, :width] // SQUARE
    ground = np.where((x + y) % 2, DARK, LIGHT)[..., None]
    return Image.fromarray(_over(row, ground).astype(np.uint8))


def _over(row: Sequence[int], ground: Any) -> NDArray[np.int64]:
    """Return a color with alpha on a gray ground, as viewers show it."""
    shown: NDArray[np.int64] = (np.array(row[:3]) * row[3] + ground * (255 - row[3]) + 127) // 255
    return shown


def _label(swatch: "Image.Image", row: Sequence[int], share: float | None) -> None:
    """Write hex code and share onto a swatch, in its middle."""
    from PIL import ImageDraw, ImageFont

    lines = [hex_code(row), *([] if share is None else [share_text(share)])]
    pen, font = ImageDraw.Draw(swatch), ImageFont.load_default(FONT_SIZE)
    top = (swatch.height - LINE * (len(lines) - 1)) / 2
    for i, line in enumerate(lines):
        place = (swatch.width / 2, top + i * LINE)
        pen.text(place, line, fill=_ink(row), font=font, anchor="mm")


def _ink(row: Sequence[int]) -> str:
    """Return black or white, whichever stands out more from a color on the checkerboard."""
    shown = row[:3] if len(row) == 3 else _over(row, (LIGHT + DARK) // 2)
    luminance = float(np.dot(LINEAR[np.asarray(shown)], LUMINANCE))
    # Contrast is (lighter + 0.05) / (darker + 0.05): equal for black and white at this luminance.
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def to_html(colors: Colors, shares: Shares = None) -> str:
    """Return the swatches as HTML that needs nothing else, as notebooks show it.

    The first 256 colors are shown; a line says how many more there are.
    """
    rest = len(colors) - MOST_IN_HTML
    cells = [
        _cell(row, None if shares is None else float(shares[i]))
        for i, row in enumerate(colors[:MOST_IN_HTML].tolist())
    ]
    more = f"<div>and {rest:,} more</div>" if rest > 0 else ""
    style = "display:flex;flex-wrap:wrap;font:13px/1.5 sans-serif;text-align:center"
    return f'<div style="{style}">{"".join(cells)}</div>{more}'


def _cell(row: Sequence[int], share: float | None) -> str:
    color = hex_code(row)
    board = f"repeating-conic-gradient(#{DARK:02x}{DARK:02x}{DARK:02x} 0 25%,#fff 0 50%)"
    ground = f"linear-gradient({color},{color}),{board} 0 0/{2 * SQUARE}px {2 * SQUARE}px"
    style = f"width:{WIDTH}px;padding:12px 0;color:{_ink(row)};background:{ground}"
    label = color if share is None else f"{color}<br>{share_text(share).replace('<', '&lt;')}"
    return f'<div style="{style}">{label}</div>'
