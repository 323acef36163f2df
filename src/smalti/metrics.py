"""How far a compressed image is from its original, as numbers.

Distortion is the mean squared error per pixel, summed over the channels, in a
color space: the quantity that k-means lowers, so the one by which palettes are
compared. PSNR says the same per channel on a logarithmic scale, as image
papers do. Both take pixels of any shape, and weights, so that a histogram's few
colors give the same numbers as millions of pixels. SSIM compares neighborhoods,
so it needs pictures, and so does SSIMULACRA2 (of `scorer`), which says best how
much compression shows; color differences (ΔE) tell of single pixels what an eye
would say.

Apart from those: how well clusters agree with a ground truth, where there is one.

Original and result are converted to the working space chunk by chunk: no more
than a few MB beyond the two arrays, whatever their size.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .color import LINEAR, UNITS, shown_on, to_points
from .errors import BadOption, MissingExtra
from .image import check_pixels, check_same_size
from .scorer import Scorer, ssimulacra2

__all__ = [
    "JUST_NOTICEABLE",
    "Scorer",
    "cluster_entropy",
    "delta_e",
    "distortion",
    "distortion_of",
    "matched_accuracy",
    "psnr",
    "psnr_of",
    "purity",
    "shown_on",
    "squared_errors",
    "ssim",
    "ssimulacra2",
    "to_lab",
]

Array = NDArray[Any]

CHUNK = 1 << 16  # pixels converted at a time; 64 Ki points stay in the second-level cache


def distortion(
    original: Array,
    result: Array,
    space: str = "srgb",
    *,
    weights: Array | None = None,
) -> float:
    """Return the mean over pixels of the squared distance between two images in `space`.

    Parameters
    ----------
    original, result : (..., 3) or (..., 4) uint8 sRGB, of the same leading shape
        With alpha in either one, alpha is a coordinate like the others and color is
        premultiplied by it, as in palette building; an image without is opaque.
    space : "srgb" or "oklab"
        The unit is the square of an 8-bit step for "srgb", of Oklab's lightness (0 to 1)
        for "oklab".
    weights : (...) number >= 0, optional
        How many pixels each row stands for; 1 each when left out.

    Returns
    -------
    float >= 0
        Summed over channels, not averaged: a gray level off by one everywhere gives 3.

    Raises
    ------
    BadImage : the shapes differ, or something is no such array.

    >>> black, gray = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 10, np.uint8)
    >>> distortion(black, gray)
    300.0
    """
    check_same_size(original, result)
    channels = max(original.shape[-1], result.shape[-1])
    first, second = _flat(original), _flat(result)
    mass = None if weights is None else np.asarray(weights).ravel()
    total = 0.0
    for start in range(0, len(first), CHUNK):
        part = slice(start, start + CHUNK)
        difference = _points(first[part], space, channels)
        difference -= _points(second[part], space, channels)
        d2 = np.einsum("nd,nd->n", difference, difference)
        total += float(d2.sum() if mass is None else d2 @ mass[part])
    pixels = len(first) if mass is None else float(mass.sum())
    return total / pixels / UNITS[space] ** 2


COLORS = 1 << 14  # compared with their entries at a time: what is in between stays in the cache


def squared_errors(
    colors: Array, palette: Array, labels: Array, space: str
) -> Iterator[tuple[slice, NDArray[np.int32]]]:
    """Yield the squared distances of colors to the entries of a palette that they are mapped to.

    The same as of two images, and a few times faster, as nothing but the palette is looked up.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8 sRGB
    palette : (k, 3) or (k, 4) uint8 sRGB
    labels : (n,) rows of the palette
    space : "srgb" or "oklab"

    Yields
    ------
    part : slice of the colors
    d2 : (m,) int32, `UNITS[space]` steps to a unit
    """
    channels = max(colors.shape[1], palette.shape[1])
    entries = to_points(_of_channels(palette, channels), space).astype(np.int32)
    for start in range(0, len(colors), COLORS):
        part = slice(start, start + COLORS)
        points = to_points(_of_channels(colors[part], channels), space)
        delta = points - np.take(entries, labels[part], axis=0)
        yield part, np.einsum("nd,nd->n", delta, delta)


def distortion_of(
    colors: Array, palette: Array, labels: Array, space: str, counts: Array | None = None
) -> float:
    """Return what `distortion` does, of colors and their entries: see `squared_errors`.

    counts : (n,) integers, how many pixels have each of the colors; 1 each when left out

    >>> colors, palette = np.uint8([[0, 0, 0], [9, 0, 0]]), np.uint8([[1, 0, 0]])
    >>> distortion_of(colors, palette, np.zeros(2, np.uint16), "srgb", np.array([3, 1]))
    16.75
    """
    total = 0
    for part, d2 in squared_errors(colors, palette, labels, space):
        total += int(d2.sum(dtype=np.int64) if counts is None else d2 @ counts[part])
    pixels = len(colors) if counts is None else int(counts.sum())
    return total / pixels / UNITS[space] ** 2


def psnr(original: Array, result: Array, *, weights: Array | None = None) -> float:
    """Return the peak signal-to-noise ratio in decibels, per channel, in sRGB.

    10 log10(255² / mean squared error), the mean being over all pixels and all
    channels alike (3, or 4 when either image has alpha). Infinite for equal images.
    Arguments as for `distortion`.

    >>> black, gray = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 10, np.uint8)
    >>> round(psnr(black, gray), 2)
    28.13
    """
    check_same_size(original, result)
    channels = max(original.shape[-1], result.shape[-1])
    return psnr_of(distortion(original, result, "srgb", weights=weights), channels)


def psnr_of(distortion_srgb: float, channels: int) -> float:
    """Return the PSNR that an sRGB distortion, summed over `channels`, amounts to."""
    if distortion_srgb == 0:
        return math.inf
    return 10 * math.log10(255**2 * channels / distortion_srgb)


JUST_NOTICEABLE = 2.3
"""ΔE of 1976 that half the observers see: Mahy, Van Eycken & Oosterlinck (1994), Color Research &
Application 19(2), doi:10.1111/j.1520-6378.1994.tb00070.x"""

WINDOW = 7  # pixels a side, as in scikit-image
STABLE = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2 of the paper, for 8 bits


BAND = 1 << 15  # pixels compared at a time: their sums stay in the second-level cache


def ssim(original: Array, result: Array, *, threads: int = 1) -> float:
    """Return the structural similarity of two images: 1 for equal ones, near 0 for unrelated ones.

    Parameters
    ----------
    original, result : (H, W, 3) or (H, W, 4) uint8 sRGB, of the same height and width
        With alpha in either one, color is premultiplied and alpha a channel like the others.
    threads : int >= 1
        Never changes the result.

    Returns
    -------
    float, at most 1
        The mean over channels, and over all windows of 7 x 7 pixels that lie inside.

    Raises
    ------
    BadImage : the sizes differ, or something is no such array.

    Notes
    -----
    Wang, Bovik, Sheikh & Simoncelli (2004), IEEE Trans. Image Processing 13(4),
    doi:10.1109/TIP.2003.819861, with the flat window and sample covariances of scikit-image's
    `structural_similarity(..., channel_axis=2)`, whose numbers these are.

    >>> black, gray = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 10, np.uint8)
    >>> round(ssim(black, gray), 4)
    0.0611
    """
    check_same_size(original, result, picture=True)
    height, width = original.shape[:2]
    channels = max(original.shape[2], result.shape[2])
    window = max(1, min(WINDOW, height - (height + 1) % 2, width - (width + 1) % 2))
    rows, columns = height - window + 1, width - window + 1
    step = max(window, BAND // width)

    def band(top: int) -> float:
        part = slice(top, min(rows, top + step) + window - 1)
        layers = (_layers(image[part], channels) for image in (original, result))
        return sum(_similarity(x, y, window) for x, y in zip(*layers, strict=True))

    tops = range(0, rows, step)
    if threads == 1:
        total = sum(map(band, tops))
    else:
        from concurrent.futures import ThreadPoolExecutor  # late: most programs never need it

        with ThreadPoolExecutor(threads) as pool:
            total = sum(pool.map(band, tops))
    return float(total / (rows * columns * channels))


def _similarity(x: Array, y: Array, window: int) -> float:
    """Sum over all windows, in whole numbers as long as can be: nothing is lost to cancellation.

    Means and variances are those of the paper times n, and times n (n - 1); with 7 x 7 pixels all
    of it fits 32 bits.
    """
    n = window * window
    pairs = n * max(1, n - 1)
    sum_x, sum_y, sum_xy = (_window_sums(values, window) for values in (x, y, x * y))
    spread = _window_sums(x * x + y * y, window)
    light = sum_x * sum_y
    sum_x *= sum_x
    sum_y *= sum_y
    sum_x += sum_y
    spread *= n
    spread -= sum_x
    sum_xy *= n
    sum_xy -= light
    above = (2.0 * light + n * n * STABLE[0]) * (2.0 * sum_xy + pairs * STABLE[1])
    above /= (sum_x + n * n * STABLE[0]) * (spread + pairs * STABLE[1])
    return float(above.sum())


def _window_sums(x: Array, window: int) -> Array:
    """Sums over all windows that lie inside: (H - w + 1, W - w + 1).

    Along each axis, sums of 1, 2, 4 ... values are made of two of half as many.
    """
    for _ in range(2):  # rows, then what were columns
        height = len(x) - window + 1
        total, at, width, part = None, 0, 1, x
        while width <= window:
            if window & width:
                piece = part[at : at + height]
                total = piece.copy("K") if total is None else np.add(total, piece, out=total)
                at += width
            part = part[:-width] + part[width:] if 2 * width <= window else part
            width *= 2
        x = np.asarray(total).T
    return x


def _layers(image: Array, channels: int) -> list[Array]:
    """Channels one by one, as whole numbers, color premultiplied by alpha."""
    whole = image.astype(np.int32)
    alpha = whole[..., 3:]
    if alpha.size:
        whole = np.concatenate([(whole[..., :3] * alpha + 127) // 255, alpha], axis=-1)
    layers = [np.ascontiguousarray(whole[..., channel]) for channel in range(whole.shape[-1])]
    opaque = np.full(image.shape[:2], 255, np.int32)
    return layers + [opaque] * (channels - len(layers))


# CIE 15: from linear sRGB (IEC 61966-2-1) to XYZ over the white of D65.
_RGB_TO_XYZ = np.array(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ]
)
_RGB_TO_XYZ /= _RGB_TO_XYZ.sum(1, keepdims=True)


def to_lab(colors: Array) -> NDArray[np.float64]:
    """Return (..., 3) uint8 sRGB as CIE L*a*b* over D65: L* 0..100.

    Raises
    ------
    BadImage : something else.

    >>> to_lab(np.uint8([255, 255, 255])).round(2).tolist()
    [100.0, 0.0, 0.0]
    """
    check_pixels(colors)
    xyz = np.asarray(LINEAR)[colors] @ _RGB_TO_XYZ.T
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    lab: NDArray[np.float64] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab


def delta_e(original: Array, result: Array, formula: str = "2000") -> NDArray[np.float64]:
    """Return how different two colors look, pixel by pixel.

    Parameters
    ----------
    original, result : (..., 3) uint8 sRGB of the same shape, or (..., 4)
        With alpha, both are shown on black and on white, and the larger difference counts.
    formula : "2000" (CIEDE2000), where about 1 can just be seen, or "1976" (the distance in
        L*a*b*), where `JUST_NOTICEABLE` can

    Returns
    -------
    (...) float64 >= 0

    Raises
    ------
    BadImage : the shapes differ, or something is no such array.
    BadOption : another formula.

    Notes
    -----
    Sharma, Wu & Dalal (2005), Color Research & Application 30(1), doi:10.1002/col.20070.

    >>> delta_e(np.uint8([[0, 0, 0], [9, 9, 9]]), np.uint8([[255, 255, 255], [9, 9, 9]])).round(6)
    array([100.,   0.])
    """
    check_same_size(original, result)
    if formula not in FORMULAS:
        raise BadOption(f"formula must be one of {', '.join(FORMULAS)}, got {formula!r}")
    difference = FORMULAS[formula]
    has_alpha = max(original.shape[-1], result.shape[-1]) == 4
    grounds = (0, 255) if has_alpha else (0,)
    found = np.empty(original[..., 0].size)
    first, second = _flat(original), _flat(result)
    for start in range(0, len(first), CHUNK):
        part = slice(start, start + CHUNK)
        pairs = [
            [shown_on(colors[part], ground) for colors in (first, second)] for ground in grounds
        ]
        found[part] = np.max([difference(to_lab(a), to_lab(b)) for a, b in pairs], axis=0)
    return found.reshape(original.shape[:-1])


def _delta_e_1976(a: Array, b: Array) -> Array:
    distance: Array = np.sqrt(((a - b) ** 2).sum(-1))
    return distance


def _delta_e_2000(first: Array, second: Array) -> Array:
    """Equations 2 to 22 of Sharma, Wu & Dalal, by their names."""
    (L1, a1, b1), (L2, a2, b2) = (np.moveaxis(lab, -1, 0) for lab in (first, second))
    C = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    G = (1 - np.sqrt(C**7 / (C**7 + 25.0**7))) / 2
    a1, a2 = a1 * (1 + G), a2 * (1 + G)
    C1, C2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1) % (2 * np.pi), np.arctan2(b2, a2) % (2 * np.pi)
    gray = C1 * C2 == 0
    dh = np.where(gray, 0, (h2 - h1 + np.pi) % (2 * np.pi) - np.pi)
    dL, dC, dH = L2 - L1, C2 - C1, 2 * np.sqrt(C1 * C2) * np.sin(dh / 2)
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    # The mean hue lies on the shorter way round; of gray, hue means nothing.
    h = np.where(gray, h1 + h2, (h1 + dh / 2) % (2 * np.pi))
    T = (
        1
        - 0.17 * np.cos(h - np.pi / 6)
        + 0.24 * np.cos(2 * h)
        + 0.32 * np.cos(3 * h + np.pi / 30)
        - 0.20 * np.cos(4 * h - 63 * np.pi / 180)
    )
    turn = np.pi / 3 * np.exp(-(((np.degrees(h) - 275) / 25) ** 2))
    R = -2 * np.sqrt(C**7 / (C**7 + 25.0**7)) * np.sin(turn)
    l = dL / (1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2))  # noqa: E741
    c, hue = dC / (1 + 0.045 * C), dH / (1 + 0.015 * C * T)
    delta: Array = np.sqrt(l**2 + c**2 + hue**2 + R * c * hue)
    return delta


FORMULAS = {"1976": _delta_e_1976, "2000": _delta_e_2000}


def cluster_entropy(labels: Any, truth: Any) -> float:
    """Return how mixed clusters are: the entropy of the true classes within them, in bits.

    Parameters
    ----------
    labels, truth : array-like of the same shape, of integers or anything that sorts
        The cluster and the class of each sample; their names do not matter.

    Returns
    -------
    float >= 0
        The mean over clusters, weighted by size. 0 when no cluster mixes classes: so always,
        and without merit, when every sample is a cluster of its own. Compare at one k only.

    Raises
    ------
    BadOption : the shapes differ, or there are no samples.

    >>> cluster_entropy([0, 0, 1, 1], ["cat", "dog", "dog", "dog"])
    0.5
    """
    counts = _contingency(labels, truth)
    within = counts / counts.sum(1, keepdims=True)
    bits = -(counts * np.log2(np.where(counts > 0, within, 1))).sum()
    return max(0.0, float(bits / counts.sum()))


def purity(labels: Any, truth: Any) -> float:
    """Return the share of the samples that belong to the commonest class of their cluster.

    Parameters and errors as for `cluster_entropy`. 1 when no cluster mixes classes: so always,
    and without merit, when every sample is a cluster of its own.

    >>> purity([0, 0, 1, 1], ["cat", "dog", "dog", "dog"])
    0.75
    """
    counts = _contingency(labels, truth)
    return float(counts.max(1).sum() / counts.sum())


def matched_accuracy(labels: Any, truth: Any) -> float:
    """Return the share of samples whose cluster stands for their class, in the best matching.

    A cluster stands for at most one class, and a class for at most one cluster; so clusters of
    single samples gain nothing here. Parameters and errors as for `cluster_entropy`.

    Raises
    ------
    MissingExtra : SciPy, which comes with the extra `sklearn`, is not installed.

    Notes
    -----
    Kuhn (1955), Naval Research Logistics Quarterly 2, doi:10.1002/nav.3800020109.

    >>> matched_accuracy([0, 0, 1, 1], ["cat", "dog", "dog", "dog"])
    0.75
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingExtra(
            "matching clusters to classes needs SciPy: pip install '.[sklearn]'"
        ) from error
    counts = _contingency(labels, truth)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def _contingency(labels: Any, truth: Any) -> NDArray[np.int64]:
    """Return how many samples each cluster has of each class: (clusters, classes)."""
    labels, truth = np.asarray(labels), np.asarray(truth)
    if labels.shape != truth.shape or not labels.size:
        raise BadOption(
            f"each sample has one label and one class, got {labels.shape} and {truth.shape}"
        )
    names, rows = np.unique(labels, return_inverse=True)
    classes, columns = np.unique(truth, return_inverse=True)
    shape = len(names), len(classes)
    cells = np.bincount(rows.ravel() * shape[1] + columns.ravel(), minlength=shape[0] * shape[1])
    return cells.reshape(shape)


def _flat(image: Array) -> Array:
    return image.reshape(-1, image.shape[-1])


def _points(colors: Array, space: str, channels: int) -> Array:
    """Return working-space points as float64: integers, whose squares and sums stay exact."""
    return to_points(_of_channels(colors, channels), space).astype(np.float64)


def _of_channels(colors: Array, channels: int) -> Array:
    """Return colors with alpha, if they shall have it."""
    if colors.shape[1] < channels:
        opaque = np.full((len(colors), 1), 255, np.uint8)
        colors = np.concatenate([colors, opaque], axis=1)
    return np.ascontiguousarray(colors)
