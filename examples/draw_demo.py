"""Draw `demo.png`, the picture that `make demo` compresses: marbles and smalti on a table.

A small ray tracer, so that the picture is ours to give away and yet asks as much as a photo:
smooth light that bands when colors are few, grain, saturated glass beside muted wood.

Light takes two walks. `cast_caustics` follows it from the window through the glass to the
table, which a ray from the camera would find only by luck (Jensen 1996, "Global illumination
using photon maps"); `trace` follows rays from the camera and looks up what arrived there.
Points, directions and light are float32 arrays (3, n), one ray per column.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, SAMPLES, SEED = 960, 640, 12, 1912
BAND = 16  # rows traced at once: few enough that the arrays stay in the processor's cache
TABLE, NOTHING = -1, -2  # what a ray hit; 0 and up are marbles, then tiles


def vec(*xyz):
    return np.float32(xyz)[:, None]


def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(a):
    return a / np.sqrt(dot(a, a))


def axes(forward):
    """Unit vectors to the right and up, seen along `forward`."""
    right = unit(np.cross(forward, vec(0, 1, 0), axis=0))
    return right, np.cross(right, forward, axis=0)


# Marbles: x, z, radius, and what is left of white light after one unit of their glass.
MARBLES = np.float32(
    [
        (-2.00, -0.90, 1.20, 0.13, 0.46, 0.86),  # cobalt
        (1.70, -0.10, 0.88, 0.98, 0.58, 0.12),  # amber
        (3.45, -1.70, 0.70, 0.90, 0.12, 0.16),  # ruby
        (-3.65, 0.50, 0.52, 0.94, 0.97, 0.96),  # clear
        (-1.95, 1.25, 0.38, 0.12, 0.80, 0.42),  # emerald
        (3.80, 0.95, 0.42, 0.50, 0.22, 0.80),  # violet
        (0.30, -2.90, 0.62, 0.20, 0.75, 0.72),  # teal
        (1.00, 1.75, 0.24, 0.94, 0.97, 0.96),  # clear
    ]
).T
RADII, CENTERS, ABSORPTION = MARBLES[2], MARBLES[[0, 2, 1]], -np.log(MARBLES[3:])

# The window, behind and to the left, out of the frame: center, half sizes, light.
WINDOW, HALF_U, HALF_V, BRIGHTNESS = vec(-7, 5.2, -7.5), 1.15, 1.5, 140
WINDOW_OUT = unit(vec(0.3, 0.4, 0.2) - WINDOW)
WINDOW_U, WINDOW_V = axes(-WINDOW_OUT)
ROOM = vec(0.19, 0.22, 0.28)  # light from everywhere else, cool against the warm window

EYE, TARGET, SHARP_AT = vec(0.2, 4.4, 14), vec(0.15, 0.75, 0), vec(0.6, 0.9, 0.9)
LENS, VIEW = 0.20, 0.64  # radius of the lens; width of the view at distance 1
TABLE_SPAN, WALL_SPAN, WALL_Z = ((-4.6, 7.4), (-8.5, 8.5)), ((12, -4), (-12, 12)), -12


def lay_tiles(rng):
    """Two rows of smalti in an arc: centers, half sizes and albedo (3, n), turns (1, n)."""
    ramp = [
        (0.01, 0.03, 0.26),
        (0.01, 0.13, 0.36),
        (0.01, 0.26, 0.26),
        (0.05, 0.28, 0.07),
        (0.72, 0.40, 0.04),
        (0.75, 0.14, 0.02),
        (0.42, 0.015, 0.03),
    ]
    tiles = []
    for radius, s in [(5.3, k / 19) for k in range(19)] + [(5.83, k / 20) for k in range(20)]:
        turn, half = 0.95 - 1.75 * s, rng.uniform((0.19, 0.09, 0.22), (0.22, 0.12, 0.25))
        center = 0.6 - radius * np.sin(turn), half[1], radius * np.cos(turn) - 2.35
        hue = 6 * s + rng.normal(0, 0.3)
        color = [np.interp(hue, range(7), c) for c in zip(*ramp, strict=True)]
        tiles.append((*center, *half, *color, turn + rng.normal(0, 0.06)))
    return np.split(np.float32(tiles).T, (3, 6, 9))


TILE_CENTERS, TILE_HALVES, TILE_COLORS, (TILE_TURNS,) = lay_tiles(np.random.default_rng(SEED))
MIDDLES = np.hstack((CENTERS, TILE_CENTERS))
BOUNDS = np.hstack((RADII, np.sqrt(dot(TILE_HALVES, TILE_HALVES))))[:, None]


def draw_wood(rng, shape=(1900, 2700)):
    """Albedo of the table: growth rings and fibers, both drawn out along x."""
    wide, narrow, long, short = (
        np.asarray(
            Image.fromarray(rng.random(cells, np.float32)).resize(
                shape[::-1], Image.Resampling.BICUBIC
            )
        )
        for cells in ((9, 6), (60, 14), (700, 12), (1900, 50))
    )
    z = np.linspace(0, 26, shape[0], dtype=np.float32)[:, None]
    rings = np.sin(2 * np.pi * (z + 1.6 * wide + 0.25 * narrow)) / 2 + 0.5
    tone = np.clip(0.02 + 0.30 * rings**2 + 0.2 * long + 0.30 * short, 0, 1)
    dark, light = vec(0.13, 0.075, 0.045)[..., None], vec(0.53, 0.36, 0.225)[..., None]
    return dark + (light - dark) * tone


def draw_mosaic(rng, shape=(800, 1200)):
    """Light from the wall, 24 x 16 units: rings of tiles around a low sun, gold to deep blue."""
    y, x = np.mgrid[9.8 : -6.2 : shape[0] * 1j, -17.2 : 6.8 : shape[1] * 1j]
    r, turn = np.hypot(x, y) / 0.48, np.arctan2(y, x) / (2 * np.pi) + 0.5
    ring = np.int64(r)
    along = turn * (6 * ring + 3)
    luck = rng.random((3, 65536))[:, (997 * ring + np.int64(along)) % 65536]  # one per tile
    stops = [
        (1.9, 1.0, 0.24),
        (1.45, 0.52, 0.09),
        (0.70, 0.17, 0.07),
        (0.20, 0.12, 0.16),
        (0.04, 0.13, 0.20),
        (0.015, 0.06, 0.12),
    ]
    hue = ring / 4.9 + 0.7 * (luck[0] - 0.5)
    wall = np.stack([np.interp(hue, range(6), c) for c in zip(*stops, strict=True)])
    wall *= 0.55 + 0.9 * luck[1] ** 2 + 4 * (luck[2] > 0.97)  # a few catch the light
    return defocus(np.where((r % 1 < 0.1) | (along % 1 < 0.1), 0.4, 1) * wall, 4)


def defocus(image, radius):
    """`image` (3, H, W) as a lens draws it that is out of focus by `radius` pixels."""
    image = np.pad(image, ((0, 0), (radius, radius), (radius, radius)), "edge")
    y, x = (np.fft.fftfreq(n, 1 / n) for n in image.shape[1:])
    disc = np.clip(radius + 0.5 - np.hypot(y[:, None], x), 0, 1)
    soft = np.fft.irfft2(np.fft.rfft2(image) * np.fft.rfft2(disc / disc.sum()), image.shape[1:])
    return np.float32(soft[:, radius:-radius, radius:-radius])


def look_up(texture, y, x, span):
    """Nearest texels, clamped at the edges; the many samples per pixel smooth them."""
    row, column = (
        np.clip(np.int64((a - first) / (last - first) * n), 0, n - 1)
        for a, (first, last), n in zip((y, x), span, texture.shape[1:], strict=True)
    )
    return texture[:, row, column]


def glow(u, v):
    """Light that leaves the window at (u, v) in -1..1: two by three panes of evening sky."""
    panes = (np.abs(u) > 0.06) & (np.abs(np.abs(v) - 0.34) > 0.04)
    sky = (1 - v) * vec(0.65, 0.43, 0.25) + (1 + v) * vec(0.5, 0.475, 0.44)
    return BRIGHTNESS * (panes & (np.abs(u) < 1) & (np.abs(v) < 1)) * sky


def window_points(u, v):
    """Points of the window, and the power of each if it stands for the whole."""
    return WINDOW + u * HALF_U * WINDOW_U + v * HALF_V * WINDOW_V, 4 * HALF_U * HALF_V * glow(u, v)


def surroundings(o, d, wall):
    """Light from beyond the table: the window, the mosaic wall, or else the dim room."""
    x, y, _ = o + (WALL_Z - o[2]) / d[2] * d
    lamp = np.clip(dot(d, unit(vec(0.9, 0.5, 0.6))), 0, 1) ** 12 * vec(0.5, 0.62, 0.8)
    room = ROOM * (0.35 + 0.65 * np.clip(d[1], 0, 1)) + lamp
    facing = dot(d, WINDOW_OUT)
    at = o - WINDOW - dot(o - WINDOW, WINDOW_OUT) / facing * d
    window = (facing < 0) * glow(dot(at, WINDOW_U) / HALF_U, dot(at, WINDOW_V) / HALF_V)
    return window + np.where(d[2] < -0.05, look_up(wall, y, x, WALL_SPAN), room)


def intersect(o, d):
    """Distance to the first thing hit, and its number."""
    t = -o[1] / d[1]
    hit = np.where((t > 1e-3) & (o[2] + t * d[2] > TABLE_SPAN[0][0]), TABLE, NOTHING)
    t = np.where(hit == TABLE, t, np.float32(1e9))
    # Which rays pass near what: two matrix products, a little generous to allow for rounding.
    ahead = MIDDLES.T @ d - dot(o, d)
    miss2 = dot(MIDDLES, MIDDLES)[:, None] - 2 * MIDDLES.T @ o + dot(o, o) - ahead**2
    for i, close in enumerate((ahead > 0) & (miss2 < BOUNDS**2 + 1e-3)):
        near = np.flatnonzero(close)
        p, q = o[:, near] - MIDDLES[:, i, None], d[:, near]
        if i < len(RADII):
            ti = -dot(p, q) - np.sqrt(RADII[i] ** 2 - dot(p, p) + dot(p, q) ** 2)
        else:
            p, q = turned(p, i), turned(q, i)
            half = TILE_HALVES[:, i - len(RADII), None] * np.sign(q)
            a, b = (-half - p) / q, (half - p) / q
            ti = np.where(a.max(0) < b.min(0), a.max(0), np.nan)
        closer = (ti > 1e-3) & (ti < t[near])  # NaN, a miss, is neither
        t[near[closer]], hit[near[closer]] = ti[closer], i
    return t, hit


def turned(a, i, sign=1):
    """`a` in the axes of tile `i`, or with `sign` -1 back from them."""
    c, s = np.cos(TILE_TURNS[i - len(RADII)]), sign * np.sin(TILE_TURNS[i - len(RADII)])
    return np.stack((c * a[0] - s * a[2], a[1], s * a[0] + c * a[2]))


def fresnel(d, n):
    """Share of light that glass reflects (Schlick 1994)."""
    return 0.04 + 0.96 * (1 - np.clip(-dot(d, n), 0, 1)) ** 5


def bent(d, n, ratio):
    """Direction `d` after a surface with normal `n` (Snell)."""
    cos = -dot(d, n)
    return ratio * d + (ratio * cos - np.sqrt(np.maximum(1 - ratio**2 * (1 - cos**2), 0))) * n


def through(p, d, i, index):
    """Ray that leaves marble `i` after entering at `p`, and the share of each color left."""
    n = (p - CENTERS[:, i]) / RADII[i]
    inner = bent(d, n, 1 / index)
    length = -2 * dot(inner, n) * RADII[i]
    out = p + length * inner
    # A sphere bends alike on both sides, so the way out always exists.
    away = unit(bent(inner, (CENTERS[:, i] - out) / RADII[i], index))
    return out, away, np.exp(-ABSORPTION[:, i] * length) * (1 - fresnel(d, n)) ** 2


def cast_caustics(rng, photons=150_000, shape=(600, 850)):
    """Irradiance of the table through the marbles, over TABLE_SPAN."""
    energy = np.zeros((3, *shape))
    channel = np.arange(photons) % 3
    # Glass bends blue more than red: a photon has one color, which tints the edges.
    only, index = 3 * (np.arange(3)[:, None] == channel), np.float32((1.495, 1.505, 1.52))[channel]
    for target, radius in enumerate(RADII):
        o, power = window_points(*np.float32(rng.uniform(-1, 1, (2, photons))))
        axis = CENTERS[:, target, None] - o
        r, turn = radius * np.sqrt(rng.random(photons)), rng.uniform(0, 2 * np.pi, photons)
        right, up = axes(unit(axis))
        d = unit(np.float32(axis + r * (np.cos(turn) * right + np.sin(turn) * up)))
        power *= only * dot(d, WINDOW_OUT) * np.pi * radius**2 / dot(axis, axis) / photons
        t, hit = intersect(o, d)
        go, bend = hit == target, index
        while go.any():
            p, d, i, bend, power = (a[..., go] for a in (o + t * d, d, hit, bend, power))
            o, d, left = through(p, d, i, bend)
            power = power * left
            t, hit = intersect(o, d)
            x, _, z = o - o[1] / d[1] * d
            go = (hit >= 0) & (hit < len(RADII))
            landed = power * ~(go | (hit == NOTHING))  # tiles are low: as if it were the table
            energy += [np.histogram2d(z, x, shape, TABLE_SPAN, weights=w)[0] for w in landed]
    return defocus(energy * (energy[0].size / 12 / 17), 2)


def lit(p, n, uv, scene):
    """Light that a white matt surface would send back: window, caustics, and room."""
    source, power = window_points(*uv)
    d2 = dot(source - p, source - p)
    to = (source - p) / np.sqrt(d2)
    _, hit = intersect(p + 2e-3 * n, to)
    direct = (hit == NOTHING) * -dot(to, WINDOW_OUT) / d2 * power
    x, _, z = p - to * (p[1] / to[1])  # where the light would have met the table
    focused = look_up(scene["caustics"], z, x, TABLE_SPAN) * (hit < len(RADII)) / to[1]
    room = np.float32(0.8)
    for center, radius in zip(CENTERS.T, RADII, strict=True):
        away = center[:, None] - p
        room = room * (1 - 0.9 * np.maximum(dot(n, away), 0) * radius**2 / dot(away, away) ** 1.5)
    return np.maximum(dot(n, to), 0) / np.pi * (direct + focused) + ROOM * np.maximum(room, 0)


def reflection(p, d, n, uv, scene, depth):
    away = d - 2 * dot(d, n) * n
    return fresnel(d, n) * trace(p + 2e-3 * n, away, uv, scene, depth + 2 if depth == 0 else 9)


# One way to answer light per material; `depth` counts the surfaces a ray has met.
def shade_table(p, d, _, uv, scene, depth):
    albedo = look_up(scene["wood"], p[2], p[0], TABLE_SPAN)
    n = unit(np.stack((0.02 * uv[0], np.ones_like(uv[0]), 0.02 * uv[1])))  # a satin varnish
    gloss = np.minimum(reflection(p, d, n, uv, scene, depth), 0.4)
    return albedo * lit(p, n, uv, scene) + 0.6 * gloss


def shade_tile(p, d, i, uv, scene, depth):
    at = turned(p - MIDDLES[:, i], i) / TILE_HALVES[:, i - len(RADII)]
    n = unit(np.sign(at) * np.maximum(np.abs(at) - 0.86, 0))  # rounded toward the edges,
    n = n + 0.02 * np.sin(5 * at + i)[[2, 0, 1]]  # and never quite flat: smalti are cut by hand
    n = unit(turned(n, i, -1))
    color = TILE_COLORS[:, i - len(RADII)] * lit(p, n, uv, scene)
    return color + reflection(p, d, n, uv, scene, depth)


def shade_marble(p, d, i, uv, scene, depth):
    n = (p - CENTERS[:, i]) / RADII[i]
    out, away, left = through(p, d, i, np.float32(1.505))
    inside = left * trace(out + 1e-3 * away, away, uv, scene, depth + 1)
    return inside + reflection(p, d, n, uv, scene, depth)


def trace(o, d, uv, scene, depth=0):
    """Light that arrives at `o` from direction `d`; `uv` are the window points to ask."""
    if depth > 3:
        return surroundings(o, d, scene["wall"])
    t, hit = intersect(o, d)
    p, light, marble = o + t * d, np.empty_like(d), (hit >= 0) & (hit < len(RADII))
    gone = hit == NOTHING
    light[:, gone] = surroundings(o[:, gone], d[:, gone], scene["wall"])
    for shade, at in (
        (shade_table, hit == TABLE),
        (shade_tile, hit >= len(RADII)),
        (shade_marble, marble),
    ):
        if at.any():
            light[:, at] = shade(p[:, at], d[:, at], hit[at], uv[:, at], scene, depth)
    return light


def photograph(scene, rng):
    """Light on the film, (3, HEIGHT, WIDTH)."""
    forward = unit(TARGET - EYE)
    right, up = axes(forward)
    film = np.zeros((3, HEIGHT, WIDTH), np.float32)
    for s in range(SAMPLES):
        # Strata, so that chance errs less: of the lens, as sunflower seeds, and of the window.
        seed, stratum = 7 * s % SAMPLES, [[5 * s % 4], [5 * s % 12 // 4]]
        for top in range(0, HEIGHT, BAND):
            y, x = np.float32(np.mgrid[top : top + BAND, 0:WIDTH].reshape(2, -1))
            # Samples spread over 1.7 pixels: a little soft, as lenses are, and without steps.
            x, y = x + 1.7 * (s + 0.5) / SAMPLES - 0.35, y + 1.7 * (s * 0.618034 % 1) - 0.35
            pin = forward + VIEW / WIDTH * ((x - WIDTH / 2) * right + (HEIGHT / 2 - y) * up)
            r = LENS * np.sqrt((seed + rng.random(x.size)) / SAMPLES)
            turn = 2.39996 * seed + rng.uniform(-0.9, 0.9, x.size)
            o = np.float32(EYE + r * np.cos(turn) * right + r * np.sin(turn) * up)
            d = unit(np.float32(EYE + dot(SHARP_AT - EYE, forward) * pin - o))
            uv = np.float32((stratum + rng.random((2, x.size))) * [[2 / 4], [2 / 3]] - 1)
            light = trace(o, d, uv, scene)
            # Capped: a highlight many times white would leave a jagged edge.
            film[:, top : top + BAND] += np.minimum(light, 2).reshape(3, BAND, WIDTH) / SAMPLES
    return film


def develop(film, rng):
    """8-bit sRGB image: soft lens with bloom, vignette, filmic tone curve, grain."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    soft = 0.44 * film + 0.50 * defocus(film, 1) + 0.06 * defocus(film, 24)
    film = soft * (0.84 - 0.16 * (x**2 + y**2))
    # Narkowicz (2015), a fit to the curve of the Academy (ACES).
    film = np.clip(film * (2.51 * film + 0.03) / (film * (2.43 * film + 0.59) + 0.14), 0, 1)
    srgb = np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
    grain = rng.normal(0, 1.3, film.shape) + rng.normal(0, 1.1, film.shape[1:])
    return np.uint8(np.clip(255 * srgb + grain + 0.5, 0, 255)).transpose(1, 2, 0)


if __name__ == "__main__":
    np.seterr(divide="ignore", invalid="ignore")  # rays along a plane; comparisons drop them
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("demo.png")
    rng = np.random.default_rng(SEED)
    scene = {"wood": draw_wood(rng), "wall": draw_mosaic(rng), "caustics": cast_caustics(rng)}
    Image.fromarray(develop(photograph(scene, rng), rng)).save(path, optimize=True)
    print(f"{path}: {WIDTH} x {HEIGHT} pixels, {path.stat().st_size:,} bytes")
