"""Color names: what people call a color, as far as CSS has a word for it.

    colors (k, 3|4) -> [nearest] -> names, and how far each color is from its name
    "#c00" | "orange" | (204, 0, 0) -> [parse] -> (204, 0, 0, 255)

The names are the 148 of the CSS Color Module Level 4, section 6.1, whose values are sRGB.
Nearest is measured in Oklab, in whole numbers: the same name on every system, and of names
that mean one color (aqua and cyan) the first of the alphabet.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .color import UNITS, to_points
from .errors import BadOption

__all__ = ["HEX", "TRANSPARENT", "nearest", "parse", "parse_list"]

TRANSPARENT = "transparent"  # CSS's keyword for what has no color

_TABLE = """
aliceblue:f0f8ff antiquewhite:faebd7 aqua:00ffff aquamarine:7fffd4 azure:f0ffff beige:f5f5dc
bisque:ffe4c4 black:000000 blanchedalmond:ffebcd blue:0000ff blueviolet:8a2be2 brown:a52a2a
burlywood:deb887 cadetblue:5f9ea0 chartreuse:7fff00 chocolate:d2691e coral:ff7f50
cornflowerblue:6495ed cornsilk:fff8dc crimson:dc143c cyan:00ffff darkblue:00008b darkcyan:008b8b
darkgoldenrod:b8860b darkgray:a9a9a9 darkgreen:006400 darkgrey:a9a9a9 darkkhaki:bdb76b
darkmagenta:8b008b darkolivegreen:556b2f darkorange:ff8c00 darkorchid:9932cc darkred:8b0000
darksalmon:e9967a darkseagreen:8fbc8f darkslateblue:483d8b darkslategray:2f4f4f
darkslategrey:2f4f4f darkturquoise:00ced1 darkviolet:9400d3 deeppink:ff1493 deepskyblue:00bfff
dimgray:696969 dimgrey:696969 dodgerblue:1e90ff firebrick:b22222 floralwhite:fffaf0
forestgreen:228b22 fuchsia:ff00ff gainsboro:dcdcdc ghostwhite:f8f8ff gold:ffd700
goldenrod:daa520 gray:808080 green:008000 greenyellow:adff2f grey:808080 honeydew:f0fff0
hotpink:ff69b4 indianred:cd5c5c indigo:4b0082 ivory:fffff0 khaki:f0e68c lavender:e6e6fa
lavenderblush:fff0f5 lawngreen:7cfc00 lemonchiffon:fffacd lightblue:add8e6 lightcoral:f08080
lightcyan:e0ffff lightgoldenrodyellow:fafad2 lightgray:d3d3d3 lightgreen:90ee90 lightgrey:d3d3d3
lightpink:ffb6c1 lightsalmon:ffa07a lightseagreen:20b2aa lightskyblue:87cefa
lightslategray:778899 lightslategrey:778899 lightsteelblue:b0c4de lightyellow:ffffe0 lime:00ff00
limegreen:32cd32 linen:faf0e6 magenta:ff00ff maroon:800000 mediumaquamarine:66cdaa
mediumblue:0000cd mediumorchid:ba55d3 mediumpurple:9370db mediumseagreen:3cb371
mediumslateblue:7b68ee mediumspringgreen:00fa9a mediumturquoise:48d1cc mediumvioletred:c71585
midnightblue:191970 mintcream:f5fffa mistyrose:ffe4e1 moccasin:ffe4b5 navajowhite:ffdead
navy:000080 oldlace:fdf5e6 olive:808000 olivedrab:6b8e23 orange:ffa500 orangered:ff4500
orchid:da70d6 palegoldenrod:eee8aa palegreen:98fb98 paleturquoise:afeeee palevioletred:db7093
papayawhip:ffefd5 peachpuff:ffdab9 peru:cd853f pink:ffc0cb plum:dda0dd powderblue:b0e0e6
purple:800080 rebeccapurple:663399 red:ff0000 rosybrown:bc8f8f royalblue:4169e1
saddlebrown:8b4513 salmon:fa8072 sandybrown:f4a460 seagreen:2e8b57 seashell:fff5ee sienna:a0522d
silver:c0c0c0 skyblue:87ceeb slateblue:6a5acd slategray:708090 slategrey:708090 snow:fffafa
springgreen:00ff7f steelblue:4682b4 tan:d2b48c teal:008080 thistle:d8bfd8 tomato:ff6347
turquoise:40e0d0 violet:ee82ee wheat:f5deb3 white:ffffff whitesmoke:f5f5f5 yellow:ffff00
yellowgreen:9acd32
"""

HEX: dict[str, str] = {
    name: f"#{digits}" for name, digits in (entry.split(":") for entry in _TABLE.split())
}
"""Name -> #rrggbb, in the order of the alphabet."""

CHUNK = 1 << 12  # colors compared at a time: some 14 MB


def nearest(colors: NDArray[np.uint8]) -> tuple[list[str], NDArray[np.float64]]:
    """Return the CSS name nearest to each color.

    Parameters
    ----------
    colors : (k, 3) or (k, 4) uint8 sRGB
        Alpha counts only where it is 0: that is "transparent".

    Returns
    -------
    names : k strings
    distances : (k,) float64 >= 0, in Oklab, where black and white are 1 apart
        0 where the color is the name's.

    >>> names, distances = nearest(np.uint8([[255, 165, 0], [250, 160, 10]]))
    >>> names, distances.round(3).tolist()
    (['orange', 'orange'], [0.0, 0.015])
    """
    named = np.array([list(bytes.fromhex(value[1:])) for value in HEX.values()], np.uint8)
    points = to_points(named, "oklab").astype(np.int64)
    color = to_points(np.ascontiguousarray(colors[:, :3]), "oklab").astype(np.int64)
    rows, d2 = np.empty(len(color), np.intp), np.empty(len(color), np.int64)
    for start in range(0, len(color), CHUNK):
        part = slice(start, start + CHUNK)
        all_d2 = ((color[part, None] - points) ** 2).sum(-1)
        rows[part] = all_d2.argmin(1)
        d2[part] = all_d2.min(1)
    words = list(HEX)
    clear = colors[:, 3] == 0 if colors.shape[1] == 4 else np.zeros(len(colors), bool)
    names = [TRANSPARENT if gone else words[row] for row, gone in zip(rows, clear, strict=True)]
    return names, np.where(clear, 0, np.sqrt(d2) / UNITS["oklab"])


def parse(given: Any) -> tuple[int, int, int, int]:
    """Return the color that somebody wrote, as red, green, blue and alpha.

    Parameters
    ----------
    given : "#rgb", "#rgba", "#rrggbb" or "#rrggbbaa", with or without "#"; a name of CSS, or
        "transparent"; or 3 or 4 integers in 0..255

    Raises
    ------
    BadOption : anything else.

    >>> parse("#c00"), parse("orange"), parse((1, 2, 3, 4))
    ((204, 0, 0, 255), (255, 165, 0, 255), (1, 2, 3, 4))
    """
    if isinstance(given, str):
        return _parse_word(given)
    try:
        numbers = [int(number) for number in given]
        whole = all(n == number for n, number in zip(numbers, given, strict=True))
    except (TypeError, ValueError):
        numbers, whole = [], False
    if not whole or len(numbers) not in (3, 4) or min(numbers) < 0 or max(numbers) > 255:
        raise BadOption(f"a color is a word such as '#c00', or 3 or 4 of 0 to 255, got {given!r}")
    red, green, blue, alpha = [*numbers, 255][:4]
    return red, green, blue, alpha


def _parse_word(given: str) -> tuple[int, int, int, int]:
    word = given.strip().lower()
    if word == TRANSPARENT:
        return 0, 0, 0, 0
    digits = HEX.get(word, word).removeprefix("#")
    if len(digits) not in (3, 4, 6, 8) or not set(digits) <= set("0123456789abcdef"):
        raise BadOption(
            f"{given!r} is no color; write #rgb, #rrggbb, #rrggbbaa or a CSS name such as orange"
        )
    if len(digits) < 6:  # each digit stands for two
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, alpha = bytes.fromhex(f"{digits}ff"[:8])
    return red, green, blue, alpha


def parse_list(text: str) -> list[tuple[int, int, int, int]]:
    """Return the colors of a list with commas in between.

    Raises
    ------
    BadOption : one of them is none, or there are none.

    >>> parse_list("#000, white")
    [(0, 0, 0, 255), (255, 255, 255, 255)]
    """
    colors = [parse(word) for word in text.split(",") if word.strip()]
    if not colors:
        raise BadOption("a list of colors, such as '#000,#fff', has at least one")
    return colors
