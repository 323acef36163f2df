"""Color profiles written by the letter of the specification, and what they mean, in NumPy.

Independent of `smalti.profiles` and of Little CMS: the numbers in a profile are its colorants and
curves, and what they make of a pixel is two lines of arithmetic.

Sources: ICC.1:2001-04 (version 2) and ICC.1:2022 (version 4); IEC 61966-2-1 (sRGB).
"""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
D65_XY, D50_XY = (0.3127, 0.3290), (0.3457, 0.3585)
PRIMARIES = {  # xy of red, green, blue, and of white
    "sRGB": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65_XY),
    "Display P3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65_XY),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65_XY),
    "ProPhoto": ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105), D50_XY),
    "swapped": ((0.15, 0.06), (0.30, 0.60), (0.64, 0.33), D65_XY),  # red is blue
}
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def xyz(xy):
    return np.array([xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]])


def to_d50(name):
    """Return the matrix from linear values of these primaries to XYZ, seen from D50."""
    *primaries, white = PRIMARIES[name]
    columns = np.array([xyz(xy) for xy in primaries]).T
    matrix = columns * np.linalg.solve(columns, xyz(white))
    gains = (BRADFORD @ D50) / (BRADFORD @ xyz(white))
    return np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD @ matrix


def srgb_to_linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def meant(values, name, curve):
    """Return what numbers 0..1 of a profile look like: sRGB in 0..255, not rounded."""
    linear = srgb_to_linear(values) if curve == "sRGB" else values**curve
    return linear_to_srgb(linear @ (np.linalg.inv(to_d50("sRGB")) @ to_d50(name)).T) * 255


# ---------------------------------------------------------------- writing


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def curve_of(curve, form):
    """Return a tone curve: a power or sRGB's, as `curv`, a table, or parameters (`para`)."""
    if form == "para" and curve == "sRGB":
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        return b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(*numbers)
    if form == "para":
        return b"para" + bytes(4) + struct.pack(">HH", 0, 0) + fixed(curve)
    if form == "curv" and curve != "sRGB":
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(curve * 256))
    steps = np.arange(4096) / 4095
    table = srgb_to_linear(steps) if curve == "sRGB" else steps**curve
    return b"curv" + bytes(4) + struct.pack(">I4096H", 4096, *np.rint(table * 65535).astype(int))


def profile(name, curve, *, version=2, form="curv", space=b"RGB ", room=0):
    """Return a display profile.

    Parameters
    ----------
    name : of `PRIMARIES`
    curve : "sRGB" or an exponent
    version : 2 or 4
    form : "curv", "table" or "para"
    space : b"RGB " or b"GRAY"
    room : bytes of a private tag, to make it large
    """
    tone = curve_of(curve, form)
    if version == 2:
        text = name.encode() + b"\0"
        words = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
        rights = b"text" + bytes(4) + b"none\0"
    else:
        text = name.encode("utf-16-be")
        words = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
        rights = words
    tags = {b"desc": words, b"cprt": rights, b"wtpt": b"XYZ " + bytes(4) + fixed(*D50)}
    if space == b"GRAY":
        tags[b"kTRC"] = tone
    else:
        for letter, column in zip((b"r", b"g", b"b"), to_d50(name).T, strict=True):
            tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
            tags[letter + b"TRC"] = tone
    if room:
        tags[b"prIv"] = b"text" + bytes(4) + b"x" * room + b"\0"
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s", start + len(body), version << 24, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*D50) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body
