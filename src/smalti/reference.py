"""The algorithms in plain NumPy: the lesson, and the judge of the native code.

    image -> [count_colors] -> [to_points] -> [kmeans] -> [from_points] -> palette
    image, palette -> [remap], [diffuse] or [order] -> indices

Every function is its definition written down, as short and as slow as that is;
the fast code has to agree with it. Nothing here uses the native core, and
nothing in the library uses this at run time.

Points are integers: 64 steps to an 8-bit step in `srgb`, 16,384 to 1.0 in
`oklab`. Start reading at `quantize`, at the end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "allowed_rows",
    "assign",
    "bands",
    "count_colors",
    "diffuse",
    "dither",
    "floyd_steinberg",
    "from_points",
    "kmeans",
    "nearest",
    "order",
    "quantize",
    "remap",
    "to_points",
    "update",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# Ottosson (2020), https://bottosson.github.io/posts/oklab/
RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
STEPS = {"srgb": 255 * 64, "oklab": 16384}  # of full alpha, and of full red or full lightness
BOX = {  # around all points of all colors: lowest and highest of each coordinate
    "srgb": [(0, 16320)] * 4,
    "oklab": [(0, 16384), (-3832, 4526), (-5104, 3253), (0, 16384)],
}


def count_colors(image: Bytes) -> tuple[Bytes, Ints]:
    """Return the distinct colors of an image in ascending order, and how many pixels have each.

    Colors that cannot be seen are one color: all pixels with alpha 0 count as (0, 0, 0, 0).

    >>> count_colors(np.array([[[1, 2, 3], [0, 9, 9], [1, 2, 3]]], np.uint8))
    (array([[0, 9, 9],
           [1, 2, 3]], dtype=uint8), array([1, 2]))
    """
    pixels = image.reshape(-1, image.shape[2]).copy()
    if pixels.shape[1] == 4:
        pixels[pixels[:, 3] == 0] = 0
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    return colors, counts


def to_points(colors: Bytes, space: str) -> Ints:
    """Return colors (n, 3|4) as points of the working space: where distance is measured.

    With alpha, the color is multiplied by it: what hardly shows hardly counts.

    >>> to_points(np.array([[255, 0, 0], [255, 255, 255]], np.uint8), "oklab")
    array([[10288,  3684,  2062],
           [16384,     0,     0]])
    """
    values = colors / 255
    color, alpha = values[:, :3], values[:, 3:]
    if space == "oklab":
        # IEC 61966-2-1: sRGB values to linear light.
        linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
        color = np.cbrt(linear @ RGB_TO_LMS.T) @ LMS_TO_LAB.T
    if alpha.size:
        color = np.hstack([color * alpha, alpha])
    return np.rint(color * STEPS[space]).astype(np.int64)


def from_points(points: NDArray[Any], space: str) -> Bytes:
    """Return points (n, 3|4), fractions allowed, as the nearest 8-bit colors.

    >>> from_points(np.array([[10288, 3684, 2062]]), "oklab")
    array([[255,   0,   0]], dtype=uint8)
    """
    values = points / STEPS[space]
    color, alpha = values[:, :3], values[:, 3:]
    if alpha.size:
        color = color / np.maximum(alpha, 1e-9)
    if space == "oklab":
        linear = (color @ np.linalg.inv(LMS_TO_LAB).T) ** 3 @ np.linalg.inv(RGB_TO_LMS).T
        linear = np.clip(linear, 0, 1)
        color = np.where(linear <= 0.04045 / 12.92, linear * 12.92,
                         1.055 * linear ** (1 / 2.4) - 0.055)  # fmt: skip
    colors = np.floor(np.clip(np.hstack([color, alpha]), 0, 1) * 255 + 0.5).astype(np.uint8)
    if alpha.size:
        colors[colors[:, 3] == 0] = 0
    return colors


def nearest(points: Ints, entries: Ints) -> tuple[Ints, Ints]:
    """Return, for each point, the row of the nearest entry and the squared distance to it.

    The lower row wins a tie. Compares every point with every entry, a block of points at a time.
    """
    points, entries = points.astype(np.int64), entries.astype(np.int64)
    labels, d2 = np.empty(len(points), np.int64), np.empty(len(points), np.int64)
    block = 1 + 2_000_000 // len(entries)
    for start in range(0, len(points), block):
        here = slice(start, start + block)
        # argmin over (k, n) rather than (n, k): each channel is one large, plain operation.
        table = sum((entries[:, None, d] - points[None, here, d]) ** 2
                    for d in range(points.shape[1]))  # fmt: skip
        labels[here] = np.argmin(table, axis=0)  # the first of several lowest
        d2[here] = np.min(table, axis=0)
    return labels, d2


def allowed_rows(palette: Bytes, alpha: int) -> NDArray[np.bool_]:
    """Return which rows of a palette a color of this alpha may take.

    Opaque stays opaque and invisible stays invisible, if the palette has such an entry at all.
    """
    if palette.shape[1] == 4 and alpha in (0, 255) and alpha in palette[:, 3]:
        return np.asarray(palette[:, 3] == alpha)
    return np.ones(len(palette), bool)


def remap(image: Bytes, palette: Bytes, space: str) -> Ints:
    """Return the nearest allowed palette row of every pixel: (H, W)."""
    pixels = image.reshape(-1, image.shape[2])
    points, entries = to_points(pixels, space), to_points(palette, space)
    alphas = pixels[:, 3] if image.shape[2] == 4 else np.full(len(pixels), 255)
    indices = np.empty(len(pixels), np.int64)
    for alpha in np.unique(alphas):
        same = alphas == alpha
        rows = np.flatnonzero(allowed_rows(palette, int(alpha)))
        indices[same] = rows[nearest(points[same], entries[rows])[0]]
    return indices.reshape(image.shape[:2])


def assign(points: NDArray[Any], centroids: NDArray[Any]) -> tuple[Ints, Floats]:
    """Return the row of the centroid nearest to each point, and the squared distance to it."""
    d2 = np.stack([((points - centroid) ** 2).sum(1, dtype=np.float64) for centroid in centroids])
    return np.argmin(d2, axis=0), np.min(d2, axis=0)


def update(points: NDArray[Any], weights: NDArray[Any], labels: Ints, centroids: Floats) -> Floats:
    """Return the mean of each cluster's points; a cluster without points stays where it is."""
    moved = centroids.copy()
    for j in range(len(centroids)):
        if (labels == j).any():
            moved[j] = np.average(points[labels == j], axis=0, weights=weights[labels == j])
    return moved


def kmeans(points: NDArray[Any], weights: NDArray[Any], centroids: NDArray[Any]) -> Floats:
    """Assign and update in turn until nothing changes: Lloyd's algorithm.

    Neither half can raise the sum of weight times squared distance, and there are only so many
    assignments, so it ends. Lloyd (1982), doi:10.1109/TIT.1982.1056489.

    >>> kmeans(np.array([[0], [2], [9]]), np.array([1, 1, 5]), np.array([[0], [2]]))
    array([[1.],
           [9.]])
    """
    centroids = centroids.astype(np.float64)
    labels = np.full(len(points), -1)
    while True:
        before, (labels, _) = labels, assign(points, centroids)
        if np.array_equal(labels, before):
            return centroids
        centroids = update(points, weights, labels, centroids)


def shorten(error: Ints, ways: Ints) -> Ints:
    """Take quarters off an error until its square is at most half that of the shortest way."""
    squares = (ways**2).sum(1)
    limit = squares[squares > 0].min() // 2 if squares.any() else 0
    while (error**2).sum() > limit:
        error = np.trunc(error * 3 / 4).astype(np.int64)
    return error


KERNELS = {  # what each neighbor gets of an error, in the direction of the row: (right, down), part
    "floyd-steinberg": (16, {(1, 0): 7, (-1, 1): 3, (0, 1): 5, (1, 1): 1}),
    "atkinson": (8, {(1, 0): 1, (2, 0): 1, (-1, 1): 1, (0, 1): 1, (1, 1): 1, (0, 2): 1}),
    "sierra-lite": (4, {(1, 0): 2, (-1, 1): 1, (0, 1): 1}),
}
FULL = 128  # a strength of 1


def diffuse(
    image: Bytes, palette: Bytes, indices: Bytes, space: str, method: str, strengths: Bytes
) -> Bytes:
    """Return indices (H, W) by error diffusion: each pixel's error goes to its neighbors.

    Row after row, in alternate directions; errors in whole parts of a step. A pixel takes of the
    errors that reach it what its strength says; at 0 it keeps its index, and gives none. An entry
    hands on no error longer than about the way to its nearest neighbor in the palette, or colors
    that no entry can reach would pile it up until it bursts into specks.
    Floyd & Steinberg (1976), Proc. SID 17(2); Atkinson's and Sierra's are like it.
    """
    height, width, channels = image.shape
    points = to_points(image.reshape(-1, channels), space).reshape(image.shape)
    entries = to_points(palette, space)
    low, high = np.array(BOX[space][:channels]).T
    parts, kernel = KERNELS[method]
    errors = np.zeros((height + 2, width + 4, channels), np.int64)  # two pixels wider at each end
    indices = indices.copy()
    for y in range(height):
        step = 1 if y % 2 == 0 else -1
        for x in range(width)[::step]:
            alpha = image[y, x, 3] if channels == 4 else 255
            if alpha == 0:  # gets the most transparent entry; gives and takes no error
                indices[y, x] = palette[:, 3].argmin()
                continue
            strength, whole = int(strengths[y, x]), parts * FULL
            if strength == 0:
                continue
            taken = (errors[y, x + 2] * strength + whole // 2) // whole
            value = np.clip(points[y, x] + taken, low, high)
            rows = np.flatnonzero(allowed_rows(palette, int(alpha)))
            row = rows[((entries[rows] - value) ** 2).sum(1).argmin()]
            indices[y, x] = row
            error = shorten(value - entries[row], entries[rows] - entries[row])
            for (right, down), part in kernel.items():
                errors[y + down, x + 2 + right * step] += part * error
    return indices


def floyd_steinberg(image: Bytes, palette: Bytes, space: str) -> Bytes:
    """Return indices (H, W) by Floyd and Steinberg's error diffusion at full strength."""
    everywhere = np.full(image.shape[:2], FULL, np.uint8)
    return diffuse(image, palette, everywhere, space, "floyd-steinberg", everywhere)


PARTNERS = 32  # entries that one may be mixed with: the nearest, and none
FURTHEST = 16  # times as far away, squared, as the nearest: specks


def order(
    image: Bytes, palette: Bytes, indices: Bytes, space: str, tile: Ints, strengths: Bytes
) -> Bytes:
    """Return indices (H, W) by ordered dithering: each pixel takes one of two entries.

    The first is the nearest. The second is on the color's side of it; the part t of it whose
    mixture comes closest to the color is found by projection. What the mixture leaves is the error
    of its mean, and an eighth of its flicker, t (1 - t) times their squared distance, counts too.
    The darker is taken where t is below the threshold (tile, side x side, 0 to 512).
    """
    height, width, channels = image.shape
    points = to_points(image.reshape(-1, channels), space).reshape(image.shape)
    entries = to_points(palette, space)
    indices = indices.copy()
    for y, x in np.ndindex(height, width):
        alpha = image[y, x, 3] if channels == 4 else 255
        strength = int(strengths[y, x])
        if alpha == 0:
            indices[y, x] = palette[:, 3].argmin()
        if alpha == 0 or strength == 0:
            continue
        rows = np.flatnonzero(allowed_rows(palette, int(alpha)))
        first = rows[((entries[rows] - points[y, x]) ** 2).sum(1).argmin()]
        second, part = partner(points[y, x], entries, rows, first)
        if (entries[second].sum(), second) < (entries[first].sum(), first):
            first, second, part = second, first, 1.0 - part
        threshold = int(tile[y % len(tile), x % len(tile)])
        passed = part * 512 * FULL > 256 * FULL + (threshold - 256) * strength
        indices[y, x] = second if passed else first
    return indices


def partner(point: Ints, entries: Ints, rows: Ints, first: Any) -> tuple[Any, float]:
    """Return the entry to mix the nearest one with, and how much of it; itself if there is none."""
    ways = entries[rows] - entries[first]
    d2 = (ways**2).sum(1)
    near = np.argsort(d2, kind="stable")
    near = near[d2[near] > 0][:PARTNERS]
    near = near[d2[near] <= FURTHEST * d2[near[:1]].sum()]  # of the nearest, if there is one
    along = (ways[near] @ (point - entries[first])).astype(np.float64)
    near, along = near[along > 0], along[along > 0]
    if not len(near):
        return first, 0.0
    part = along / d2[near]
    best = (along * (9.0 * part - 1.0)).argmax()
    return rows[near[best]], float(part[best])


def bands(image: Bytes, palette: Bytes, indices: NDArray[Any]) -> Bytes:
    """Return how much each pixel needs dithering, 0 to 128: (H, W).

    Errors show where they do not cancel: the mean error of the 3 x 3 pixels around. What is visible
    of it is 80 steps of Oklab, or more where the pixels differ, which hides it: an eighth of their
    variance is added to the square. Where all have one color, 320 steps. The mean over 9 x 9 of
    that excess, in sixteenths, is what counts: from nothing at 16 to everything at 64.
    """
    height, width, channels = image.shape
    points = to_points(image.reshape(-1, channels), "oklab").reshape(image.shape)
    errors = points - to_points(palette, "oklab")[indices]
    if channels == 4:
        errors[image[..., 3] == 0] = 0
    count = window_sums(np.ones((height, width), np.int64), 1)
    error2 = sum(window_sums(errors[..., d], 1) ** 2 for d in range(channels))
    variance = count * window_sums((points**2).sum(-1), 1)
    variance -= sum(window_sums(points[..., d], 1) ** 2 for d in range(channels))
    clear = np.where(variance == 0, 320 * 320, 80 * 80) * count**2
    hidden = clear + variance / 8
    excess = np.minimum(16 * error2 / hidden, 1024).astype(np.int64)
    smooth = np.where(errors.any(-1), 1024 * clear / hidden, 0).astype(np.int64)
    count = window_sums(np.ones((height, width), np.int64), 4)
    total = window_sums(excess, 4)
    shown = np.clip(128 * (total - 16 * count) // (3 * 16 * count), 0, 128)
    open_ = np.minimum(total * smooth // (16 * count * 8), 128)
    strengths: Bytes = (shown * open_ >> 7).astype(np.uint8)
    return strengths


def dither(
    image: Bytes,
    palette: Bytes,
    indices: NDArray[Any],
    space: str,
    method: str,
    tile: Ints | None = None,
) -> NDArray[Any]:
    """Dither an image that has been mapped to the nearest entries, where bands would show.

    An ordered method is its tile.
    """
    if method == "none" or len(palette) > 256:
        return indices
    strengths, indices = bands(image, palette, indices), indices.astype(np.uint8)
    if method == "auto":
        if strengths.mean() < 0.002 * FULL:
            return indices
        method = "floyd-steinberg"
    if method in KERNELS:
        return diffuse(image, palette, indices, space, method, strengths)
    assert tile is not None
    return order(image, palette, indices, space, tile, strengths)


def window_sums(values: Ints, reach: int) -> Ints:
    """Return the sums over windows of 2 reach + 1 pixels a side, of what lies in the picture."""
    padded = np.pad(values, reach)
    side = 2 * reach + 1
    total = np.zeros_like(values)
    for y, x in np.ndindex(side, side):
        total += padded[y : y + values.shape[0], x : x + values.shape[1]]
    return total


def quantize(image: Bytes, seeds: Bytes, space: str = "oklab") -> tuple[Bytes, Ints]:
    """Return a palette and indices into it: the whole walk.

    Parameters
    ----------
    image : (H, W, 3|4) uint8 sRGB
    seeds : (k, 3|4) uint8
        Colors to start from. The library has better seeds, moves empty clusters, drops twins,
        orders by share, and keeps clusters of opaque colors apart from others.

    >>> image = np.array([[[9, 0, 0], [11, 0, 0], [0, 0, 255]]], np.uint8)
    >>> quantize(image, image[0, 1:])
    (array([[ 10,   0,   0],
           [  0,   0, 255]], dtype=uint8), array([[0, 0, 1]]))
    """
    colors, counts = count_colors(image)
    centroids = kmeans(to_points(colors, space), counts, to_points(seeds, space))
    palette = from_points(centroids, space)
    return palette, remap(image, palette, space)


def activity(light: NDArray[Any]) -> NDArray[Any]:
    """How busy an image is: the standard deviation of lightness in 9 x 9, in steps of 16, to 255.

    Parameters
    ----------
    light : (H, W) integers
    """
    height, width = light.shape
    steps = np.empty(light.shape, np.uint8)
    for y in range(height):
        for x in range(width):
            window = light[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5].astype(np.int64)
            n = window.size
            spread = float(n * (window * window).sum() - window.sum() ** 2)
            steps[y, x] = min(np.sqrt(spread) / (16.0 * n), 255.0)
    return steps


def repeats(image: Bytes) -> NDArray[Any]:
    """How much of an image is drawn: 255 times the share of repeated pixels in 9 x 9, rounded down.

    Repeated is a pixel that looks like the one to its left or the one above it.

    >>> repeats(np.uint8([[[1, 2, 3], [1, 2, 3], [4, 5, 6]]]))
    array([[85, 85, 85]], dtype=uint8)
    """
    height, width, channels = image.shape
    seen = image * (image[..., 3:] > 0) if channels == 4 else image
    repeated = np.zeros((height, width), np.int64)
    repeated[:, 1:] |= (seen[:, 1:] == seen[:, :-1]).all(-1)
    repeated[1:] |= (seen[1:] == seen[:-1]).all(-1)
    shares = np.empty((height, width), np.uint8)
    for y, x in np.ndindex(height, width):
        window = repeated[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        shares[y, x] = 255 * window.sum() // window.size
    return shares


def gradients(image: Bytes, light: NDArray[Any]) -> NDArray[Any]:
    """Where colors run evenly: 128 where at most a tenth of 9 x 9 pixels bend, 0 from a quarter.

    Bent is a pixel with a channel, premultiplied by alpha, whose double is more than 3 from the sum
    of those to its left and right, or above and below: rounding alone does less. Where lightness
    does not change there is no gradient.

    Parameters
    ----------
    image : (H, W, 3|4) uint8
    light : (H, W) integers

    >>> ramp = np.arange(0, 200, 5, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    >>> gradients(ramp, ramp[..., 0])[0, :3]
    array([128, 128, 128], dtype=uint8)
    """
    levels = image.astype(np.int64)
    if image.shape[2] == 4:
        levels[..., :3] = (levels[..., :3] * levels[..., 3:] + 127) // 255
    bent = np.zeros(light.shape, np.int64)
    across = levels[:, :-2] - 2 * levels[:, 1:-1] + levels[:, 2:]
    down = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    bent[:, 1:-1] |= (abs(across) > 3).any(-1)
    bent[1:-1] |= (abs(down) > 3).any(-1)
    count, bends = window_sums(np.ones_like(bent), 4), window_sums(bent, 4)
    light = light.astype(np.int64)
    changes = count * window_sums(light * light, 4) > window_sums(light, 4) ** 2
    clean = np.clip(128 * 5 * (count - 4 * bends) // (3 * count), 0, 128)
    return np.where(changes, clean, 0).astype(np.uint8)


NEVER = np.float32(1e30)
COPIED_FROM = (0, -1, 1)


def trellis(
    points: NDArray[Any],
    importance: NDArray[Any],
    strengths: NDArray[Any],
    entries: NDArray[Any],
    kinds: NDArray[Any],
    labels: NDArray[Any],
    costs: dict[str, Any],
) -> NDArray[Any]:
    """Rows of indices with the lowest sum of bits and errors, by Viterbi's algorithm.

    Parameters
    ----------
    points : (H, W, C) integers, H <= 128
    importance : (H, W) float32, what a squared error is worth
    strengths : (H, W) integers, how much of its error a pixel hands on, 0 to 128
    entries : (k, C) integers
    kinds : (k,) integers; a pixel keeps to entries of the kind of its own; of kind 0, to its own
    labels : (H, W) integers, the nearest entries
    costs : dict of "same", "other" (k,), "copy", "go_on", "copies", "feedback", "prune"

    Returns
    -------
    (H, W) uint8
    """
    chosen = np.array(labels, np.uint8)
    height, width, channels = points.shape
    coming = np.zeros((width + 2, channels), np.float32)
    for y in range(height):
        step = -1 if y % 2 else 1
        above = chosen[y - 1] if y else None
        row = (points[y], importance[y], strengths[y], entries, kinds, labels[y], above, costs)
        chosen[y] = _cheapest_row(*row, step, coming)
        coming = _handed_down(
            points[y], strengths[y], entries, kinds, chosen[y], costs, step, coming
        )
    return chosen


def _nearest_of_kind(entries: NDArray[Any], kinds: NDArray[Any], j: int) -> tuple[list[int], Any]:
    """Rows of the 13 entries nearest to j of its kind, itself first; and of their error limits."""
    d2 = ((entries.astype(np.int64) - entries[j]) ** 2).sum(1)
    d2[j] = -1
    near = [i for i in np.argsort(d2, kind="stable") if kinds[i] == kinds[j]]
    limit = np.float32(d2[near[1]]) / np.float32(2) if len(near) > 1 else np.float32(0)
    return [int(i) for i in (near[:13] if kinds[j] else near[:1])], limit


def _is_settled(point: NDArray[Any], entry: NDArray[Any]) -> bool:
    return bool((point == entry).all() or (len(point) == 4 and point[3] == 0))


def _shortened(error: NDArray[Any], limit: Any, share: Any) -> NDArray[Any]:
    length2: Any = np.float32(0)
    for value in error:
        length2 += value * value
    factor = limit / length2 if length2 > limit else np.float32(1)
    shortened: NDArray[Any] = error * (factor * share)
    return shortened


def _cheapest_row(
    points: NDArray[Any],
    importance: NDArray[Any],
    strengths: NDArray[Any],
    entries: NDArray[Any],
    kinds: NDArray[Any],
    labels: NDArray[Any],
    above: NDArray[Any] | None,
    costs: dict[str, Any],
    step: int,
    coming: NDArray[Any],
) -> NDArray[Any]:
    width = len(points)
    order = range(width) if step > 0 else range(width - 1, -1, -1)
    ways: list[Any] = []
    before: Any = None
    for x in order:
        own = int(labels[x])
        settled = _is_settled(points[x], entries[own])
        target = entries[own].astype(np.float32) if settled else points[x] + coming[x + 1]
        share = np.float32(0) if settled else costs["feedback"] / np.float32(128) * strengths[x]
        rows, starts = _states_of(own, settled, x, entries, kinds, above, costs, width)
        best = _reached(rows, starts, target, importance[x], entries, before, settled, costs)
        lowest = min(cost for cost, _, _ in best)
        before = [
            (cost - lowest, row, np.zeros_like(error) if settled or row < 0 else _shortened(
                error, _nearest_of_kind(entries, kinds, row)[1], share))
            for (cost, _, error), row in zip(best, rows, strict=True)
        ]  # fmt: skip
        ways.append([(row, origin) for (_, origin, _), row in zip(best, rows, strict=True)])
    state = min(range(len(before)), key=lambda s: before[s][0])
    chosen = np.empty(width, np.uint8)
    for x, way in zip(reversed(order), reversed(ways), strict=True):
        chosen[x], state = way[state]
    return chosen


def _states_of(
    own: int,
    settled: bool,
    x: int,
    entries: NDArray[Any],
    kinds: NDArray[Any],
    above: NDArray[Any] | None,
    costs: dict[str, Any],
    width: int,
) -> tuple[list[int], list[Any]]:
    """Palette rows of the 16 states of a pixel, -1 for none, and what each costs to begin."""
    near = [own] if settled else _nearest_of_kind(entries, kinds, own)[0]
    rows = near + [-1] * (13 - len(near))
    starts = [costs["other"][row] if row >= 0 else NEVER for row in rows]
    for place, offset in enumerate(COPIED_FROM):
        open_ = place < costs["copies"] and 0 <= x + offset < width
        row = int(above[x + offset]) if above is not None and open_ else -1
        allowed = row >= 0 and (row == own if settled else kinds[row] == kinds[own])
        rows.append(row if allowed else -1)
        starts.append(costs["copy"] if allowed else NEVER)
    return rows, starts


def _reached(
    rows: list[int],
    starts: list[Any],
    target: NDArray[Any],
    weight: Any,
    entries: NDArray[Any],
    before: Any,
    settled: bool,
    costs: dict[str, Any],
) -> list[tuple[Any, int, NDArray[Any]]]:
    """The cheapest way to each state: (cost, state it came from, error)."""
    share = np.float32(0) if settled else np.float32(7) / np.float32(16)
    nothing = np.zeros(len(target), np.float32)
    origins: Any = [(np.float32(0), -2, nothing)] if before is None else before
    best: list[Any] = [(NEVER, 0, nothing) for _ in rows]
    for r, (base, came_from, error) in enumerate(origins):
        if before is not None and base >= costs["prune"]:
            continue
        value = target if before is None else target + share * error
        for s, row in enumerate(rows):
            bits = starts[s]
            if s < 13 and row == came_from:
                bits = costs["same"]
            if before is not None and r >= 13 and s == r and starts[s] < NEVER:
                bits = costs["go_on"]
            delta = value - (entries[row] if row >= 0 else np.zeros_like(entries[0])).astype(
                np.float32
            )
            d2: Any = np.float32(0)
            for part in delta:
                d2 += part * part
            cost = (weight * d2 + bits) + base
            if cost < best[s][0]:
                best[s] = (cost, r, delta)
    return best


def _handed_down(
    points: NDArray[Any],
    strengths: NDArray[Any],
    entries: NDArray[Any],
    kinds: NDArray[Any],
    labels: NDArray[Any],
    costs: dict[str, Any],
    step: int,
    coming: NDArray[Any],
) -> NDArray[Any]:
    """The errors that the next row begins with: 3, 5 and 1 sixteenths of those of this one."""
    width, channels = points.shape
    below = np.zeros((width + 2, channels), np.float32)
    error = np.zeros(channels, np.float32)
    for x in range(width) if step > 0 else range(width - 1, -1, -1):
        entry = entries[labels[x]]
        share = np.float32(7) / np.float32(16)
        error = (points[x] + coming[x + 1] + share * error - entry.astype(np.float32)).astype(
            np.float32
        )
        error = np.zeros_like(error) if _is_settled(points[x], entry) else error
        handed = costs["feedback"] / np.float32(128) * strengths[x]
        error = _shortened(error, _nearest_of_kind(entries, kinds, int(labels[x]))[1], handed)
        part = error / np.float32(16)
        below[x + 1 - step] += np.float32(3) * part
        below[x + 1] += np.float32(5) * part
        below[x + 1 + step] += part
    return below
