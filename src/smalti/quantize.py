"""Quantize: from an image to a palette and an index per pixel.

    image -> Histogram -> Palette -> remap | dither -> [IndexedImage]

The central verbs of the library, each one step of that walk or all of it.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np  # noqa: TC002 (the examples use it)

from .choose import settings_for, settled
from .dither import Dithering
from .fit import fit_palette
from .fit import steps as fit_steps
from .fixed import refuse_outside
from .grid import Grid
from .guard import fit_guarded
from .histogram import Histogram
from .indexed import IndexedImage
from .kmeans import Step
from .load import load
from .mapping import map_pixels, mixed, nearest_indices
from .options import check
from .palette import Palette
from .settings import Settings
from .weights import is_map, weighted_histogram

__all__ = ["apply_palette", "build_palette", "quantize", "steps"]


def _histogram(source: Any, channels: str, threads: int) -> Histogram:
    if isinstance(source, Histogram):
        return source
    return Histogram.of(source, threads=threads, channels=channels)


def build_palette(source: Any, k: int | str, *, channels: str = "rgb", **options: Any) -> Palette:
    """Find the k colors that represent an image best.

    Parameters
    ----------
    source : Histogram, or an image as `quantize` takes it
        Histograms of many images, added up, give one palette for all of them; those of
        `Histogram.weighted` mind some pixels more than others.
    k : int, 1 to 65,536, or "auto" or "elbow"
    channels : "rgb" or "bgr"
        Order of the channels of an array; the palette is always RGB.
    **options
        `space`, `effort`, `init`, `n_init`, `max_iter`, `tol`, `seed`, `threads`, `keep`: as in
        `quantize`.

    Returns
    -------
    Palette
        `colors` (k', 3|4) uint8 sRGB, k' = min(k, distinct colors): each distinct and used, the
        most used first.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded, BadOption : as for `quantize`.

    >>> image = np.array([[[250, 0, 0], [252, 0, 0], [0, 0, 9], [0, 0, 9], [0, 0, 9]]], np.uint8)
    >>> build_palette(image, 2, space="srgb").colors
    array([[  0,   0,   9],
           [251,   0,   0]], dtype=uint8)
    """
    settings, word = settings_for(k, **options)
    histogram = _histogram(source, channels, settings.threads)
    return fit_palette(histogram, settled(histogram, settings, word)[0])[0]


def steps(
    source: Any, k: int, *, show_seeds: bool = False, channels: str = "rgb", **options: Any
) -> Iterator[Step]:
    """Yield the iterations of k-means one by one: to watch it, to teach it, to stop it.

    Parameters are those of `build_palette` ("rgb" or "bgr" `channels`, too), except that `effort`
    is "lloyd" unless given; only the first of `n_init` runs is shown, and of a search only the
    closing iterations. With `show_seeds`, step 0 comes first: the seeds, before they move.

    Yields
    ------
    Step
        Iteration, distortion, largest shift, pixels moved, centroids, counts, and in the last
        one why it stopped. Nothing at all when k colors hold every color of the image.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded, BadOption : at once, not at the first step.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> [step.moved for step in steps(image, 3, init="random", space="srgb")]
    [16, 1, 0]
    """
    settings = Settings.of(k, **{"effort": "lloyd", **options})
    histogram = _histogram(source, channels, settings.threads)
    return fit_steps(histogram, settings, show_seeds=show_seeds)


def apply_palette(
    image: Any,
    palette: Any,
    *,
    space: str = "oklab",
    dither: str = "auto",
    dither_strength: float = 1.0,
    dither_adaptive: bool = True,
    threads: int | None = None,
    channels: str = "rgb",
    strict: bool = False,
) -> IndexedImage:
    """Map an image onto a given palette: each pixel to the nearest entry, dithered where needed.

    Parameters
    ----------
    image : as `quantize` takes it
    palette : Palette, (k, 3) or (k, 4) integers in 0..255, a palette file, or "#000,#fff"
    space, dither, dither_strength, dither_adaptive, threads, channels
        As in `quantize`; "bgr" is the order of the image's channels, not of the palette's.
    strict : refuse pixels of any other color

    Returns
    -------
    IndexedImage
        With the palette as given, (k, 3|4) uint8, unused entries included; `indices` (H, W)
        uint8, or uint16 when k > 256.

    Raises
    ------
    MissingFile, BadImage, LimitExceeded : as for `quantize`.
    BadOption : an option, or the palette.
    OutsidePalette : `strict`, and pixels have colors that the palette lacks. Fully transparent
        ones need a fully transparent entry.

    Notes
    -----
    Nearest is exact: what comparing with all entries gives, ties to the lower index. Opaque
    pixels take opaque entries, fully transparent ones fully transparent entries, where the
    palette has any.

    >>> image = np.array([[[250, 10, 10], [3, 3, 3]]], np.uint8)
    >>> apply_palette(image, [[0, 0, 0], [255, 0, 0]]).indices
    array([[1, 0]], dtype=uint8)
    """
    check("space", space)
    dithering = Dithering.of(dither, dither_strength, dither_adaptive)
    palette = Palette.of(palette)
    dithering.refuse_above(palette.k)
    settings = Settings.of(palette.k, space=space, threads=threads)
    image = load(image, channels)
    if strict:
        refuse_outside(image, Histogram.of(image, threads=settings.threads), palette, "the image")
    indices = nearest_indices(image, palette.colors, space, settings.threads)
    return IndexedImage(
        palette.colors, mixed(image, palette.colors, indices, dithering, settings).indices
    )


def quantize(
    image: Any,
    k: int | str,
    *,
    space: str = "oklab",
    dither: str = "auto",
    dither_strength: float = 1.0,
    dither_adaptive: bool = True,
    effort: str = "default",
    init: Any = "splitting",
    n_init: int | None = None,
    max_iter: int | None = None,
    tol: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    keep: Any = None,
    weight: Any = None,
    guard: bool = False,
    channels: str = "rgb",
    progress: Callable[[Step], object] | None = None,
) -> IndexedImage:
    """Reduce an image to k colors by k-means, and map every pixel to the nearest of them.

    Parameters
    ----------
    image : (H, W, 3), (H, W, 4) or (H, W) uint8 array, path, bytes, file object or Pillow image
    k : int, 1 to 65,536, or "auto" or "elbow"
        Up to 256 the result can be stored as an indexed file. The words let the image decide, up to
        256: "auto" by what is visible, "elbow" by the curve of errors; `choose_k` says more.
    space : "oklab" or "srgb"
        Where distance is measured: as people see it, or as plain RGB numbers.
    dither : "auto", "none", "floyd-steinberg", "atkinson", "sierra-lite", "bayer" or "blue-noise"
        Mixing colors where the nearest ones would show bands. "auto" looks at the picture: where
        none would show it is "none", else Floyd–Steinberg in those places. With more than 256
        colors, or for "turbo", it is "none".
    dither_strength : float, 0..1
    dither_adaptive : bool
        Dither only where it is needed: not in flat areas, not at edges, text and texture, and no
        pixel whose color the palette has. Otherwise everywhere.
    effort : "lloyd", "turbo", "fast", "default" or "best"
        "lloyd" is the k-means of the textbooks: seeds, then Lloyd's algorithm, where `n_init`,
        `max_iter` and `tol` mean what they mean there. The others search for a lower distortion
        first, each longer than the one before (docs/benchmarks.md has their times and errors); of
        them, `n_init` is the number of searches, and `max_iter` and `tol` are those of the Lloyd
        iterations that close each. "turbo" is for previews: up to k = 256 it counts boxes of
        8 x 8 x 8 colors instead of colors, and a few indices are not those of the nearest entry.
    init : "splitting", "k-means++", "random", "box", or an array of centroids
        Centroids are (k, 3) or (k, 4): integers are sRGB colors, floats are points of the
        working space (0..255 in srgb, Oklab units in oklab; with alpha, premultiplied). The
        palette then keeps their order, and the effort is "lloyd".
    n_init : int >= 1
        Runs from different seeds; the one with the lowest distortion is kept. Default: 1; 10 for
        "lloyd" from random or box.
    max_iter : int >= 0, default 100 for "lloyd", else 1
    tol : float >= 0
        Stop when no centroid moves further than this, in 8-bit steps in srgb (default 0.05) and
        in Oklab units in oklab (default 0.0002). It is the largest shift, as in OpenCV;
        scikit-learn's tol is relative to the variance of the data. 0 runs until nothing changes.
    seed : int
        Of the random numbers. Same image, options and version: same result, bit for bit.
    threads : int >= 1, default all cores
        Never changes the result.
    keep : colors that the palette has exactly, used or not; the others are found beside them
        "#c00,#fff", or a list of such words, CSS names and (r, g, b) or (r, g, b, a); "0=#fff" or
        {0: "#fff"} wants a color in that row, which a file keeps, too. Rows that nothing fills up
        to there are black.
    weight : which pixels matter to the palette: None for all alike, "auto", or a map
        A map is a picture, or an (H, W) uint8 array, as large as the image: white counts most,
        black not at all. "auto" counts smooth areas more than busy texture, which hides errors;
        it is worth a try with 16 or 32 colors (docs/perceptual.md).
    guard : whether connected regions that would be lost get their colors, at the cost of others
        A red dot on a map weighs nothing in the mean, and is all that the map is about. At most
        one entry in eight goes that way, and none beside a map of weights or own centroids.
    channels : "rgb" or "bgr"
        Order of the channels of an array; "bgr" is OpenCV's. The palette is always RGB, and
        so is `to_array()` unless told otherwise: `cv2.imwrite(path, result.to_array("bgr"))`.
    progress : called with each Step; an exception it raises cancels

    Returns
    -------
    IndexedImage
        `palette` (k', 3|4) uint8 sRGB by share, k' = min(k, distinct colors), every entry distinct
        and, without dithering or "turbo", used, unless it is kept; `indices` (H, W) uint8, or
        uint16 when k' > 256; and `fit`. With at most k distinct colors the result equals the image
        on all visible pixels.

    Raises
    ------
    MissingFile : there is no file of that name; also a FileNotFoundError.
    BadImage : not one picture of a supported kind.
    BadOption : an option is out of range.
    LimitExceeded : a file is larger than the limits allow.

    >>> image = np.zeros((2, 4, 3), np.uint8)
    >>> image[:, 2:] = 255
    >>> quantized = quantize(image, 2)
    >>> quantized.indices
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]], dtype=uint8)
    """
    settings, word = settings_for(
        k,
        space=space,
        effort=effort,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        seed=seed,
        threads=threads,
        keep=keep,
    )
    dithering = Dithering.of(dither, dither_strength, dither_adaptive)
    dithering.refuse_above(settings.k if word is None else 1)
    pixels = load(image, channels)
    start = time.perf_counter()
    weighted = weighted_histogram(weight, pixels, settings.threads)
    guarded = guard and not is_map(weight)
    special = weighted or guarded or settings.keep is not None
    grid = None
    if settings.effort == "turbo" and word is None and not special:
        grid = Grid.of(pixels, settings.k, threads=settings.threads)
    histogram = grid.histogram if grid else Histogram.of(pixels, threads=settings.threads)
    settings, _ = settled(weighted or histogram, settings, word)
    counted = time.perf_counter()
    if guarded:
        palette, labels, fit, _ = fit_guarded(pixels, histogram, settings, progress, weighted)
    else:
        palette, labels, fit = fit_palette(histogram, settings, progress, weighted)
    fitted = time.perf_counter()
    if grid:
        fit = replace(fit, distortion=math.nan)
    if grid and dithering.method in ("auto", "none"):
        indices: np.ndarray = grid.map(pixels, palette.colors, space)
    else:
        indices = map_pixels(pixels, histogram, palette, labels, fit, dithering, settings).indices
    fit.milliseconds.update(
        histogram=(counted - start) * 1e3,
        palette=(fitted - counted) * 1e3,
        map=(time.perf_counter() - fitted) * 1e3,
    )
    return IndexedImage(palette.colors, indices, fit)
