"""Color histogram: which colors an image has, and how often.

This is all that palette building ever sees of the pixels, so its size bounds
that work. Counts are integers on purpose: integer addition is exact in any
order, so histograms from many machines add up to the one that a single
machine would have made.

    image (H, W, 3|4) -> [Histogram] -> points -> seeds -> centroids -> palette
"""

import os
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, files, histogram_file
from .bins import MOST_PIXELS, Bins, Policy, Tally, coarser, curve, joined, of_colors
from .errors import BadImage, BadOption
from .image import Image
from .load import load, load_with_notes
from .sources import read_source

__all__ = ["Histogram"]

DEFAULT = Policy()
MAX_BYTES = 2**31
"""Of a histogram file: what 2^26 colors take, the most there may be."""


class Histogram:
    """Distinct colors and how many pixels have each. Immutable; adds exactly.

    Parameters
    ----------
    colors : (n, 3) or (n, 4) uint8
        sRGB, with straight alpha if there are four channels. Equal colors are
        merged; all colors with alpha 0 are the one color (0, 0, 0, 0).
    counts : (n,) integers >= 1

    Raises
    ------
    BadImage : wrong shapes or dtypes, no colors, or a count below 1.

    >>> image = np.array([[[255, 0, 0], [0, 0, 255], [255, 0, 0]]], np.uint8)
    >>> histogram = Histogram.of(image)
    >>> histogram.colors
    array([[  0,   0, 255],
           [255,   0,   0]], dtype=uint8)
    >>> histogram.counts.tolist()
    [1, 2]
    >>> (histogram + histogram).total
    6
    """

    def __init__(self, colors: Any, counts: Any) -> None:
        self._take(of_colors(*_check(colors, counts)))

    def _take(self, counted: Bins) -> None:
        colors = counted.colors()
        self._set(colors, counted.counts, counted.bits, counted.sums, counted.policy)

    def _set(
        self,
        colors: NDArray[np.uint8],
        counts: NDArray[np.int64],
        bits: int = 8,
        sums: NDArray[np.int64] | None = None,
        policy: Policy = DEFAULT,
    ) -> None:
        for array in (colors, counts, sums):
            if array is not None:
                array.flags.writeable = False
        self.stored_colors = colors  # in the order of the native tree: along a Z-order curve
        self.stored_counts = counts
        self.bits = bits
        self.policy = policy
        self._sums = sums

    @classmethod
    def of(
        cls,
        image: Any,
        *,
        threads: int = 1,
        channels: str = "rgb",
        bits: int = 8,
        icc: str = "srgb",
    ) -> "Histogram":
        """Count the colors of an image.

        Parameters
        ----------
        image : path, bytes, binary file, Pillow image, or (H, W, 3), (H, W, 4) or (H, W) uint8
            array
        threads : int >= 1
            The result is the same for every number.
        channels : "rgb" or "bgr"
            Order of the channels of an array; "bgr" is OpenCV's. The histogram is RGB.
        bits : 8, 7 or 6
            Below 8, boxes of colors are counted, as `coarsen` does.
        icc : "srgb" or "strip"
            Whether the color profile of a file is converted, or ignored.

        Returns
        -------
        Histogram
            For several images add theirs: `Histogram.of(a) + Histogram.of(b)`, or `sum` of many.

        Raises
        ------
        MissingFile : there is no file of that name.
        BadImage : not one picture of a supported kind; of an array, wrong shape or dtype.
        BadOption : `channels`, `bits` or `icc` is none of those.
        LimitExceeded : a file is larger than the default limits.

        >>> Histogram.of(np.uint8([[[0, 128, 255]]]), channels="bgr").colors
        array([[255, 128,   0]], dtype=uint8)
        """
        if icc not in ("srgb", "strip"):
            raise BadOption(
                f"icc must be srgb or strip, as colors are counted in sRGB, got {icc!r}"
            )
        image = load_with_notes(image, channels, icc=icc).image
        self = cls.__new__(cls)
        colors, counts = _core.count_colors(image.reshape(-1, image.shape[2]), threads)
        self._set(colors, counts, policy=Policy(icc=icc))
        return self.coarsen(bits)

    @classmethod
    def weighted(cls, image: Any, weight: Any, *, threads: int = 1) -> "Histogram":
        """Count the colors of an image, each pixel as often as it weighs.

        Parameters
        ----------
        image : as `of` takes it
        weight : (H, W) uint8, or bool
            0 leaves a pixel out; only the ratio of the others matters to a palette.
        threads : int >= 1

        Returns
        -------
        Histogram
            The same as of an image in which every pixel is repeated so many times.

        Raises
        ------
        BadImage : as for `of`; or a weight of another shape or dtype, or 0 everywhere.

        >>> image = np.uint8([[[255, 0, 0], [0, 0, 255], [255, 0, 0]]])
        >>> Histogram.weighted(image, np.uint8([[1, 5, 7]])).counts.tolist()
        [5, 8]
        """
        image, weight = load(image), np.asarray(weight)
        if weight.dtype not in (np.uint8, np.bool_) or weight.shape != image.shape[:2]:
            raise BadImage(
                f"weight must be a uint8 array of shape {image.shape[:2]}, one per pixel, "
                f"got {weight.dtype} of shape {weight.shape}"
            )
        weight = weight.ravel().astype(np.uint8, copy=False)
        order = np.argsort(weight, kind="stable")  # pixels of one weight lie together
        pixels = np.ascontiguousarray(image.reshape(-1, image.shape[2])[order])
        levels, starts = np.unique(weight[order], return_index=True)
        parts = np.split(pixels, starts[1:])
        counted = [
            (int(level), *_core.count_colors(np.ascontiguousarray(part), threads))
            for level, part in zip(levels, parts, strict=True)
            if level > 0
        ]
        if not counted:
            raise BadImage("weight is 0 everywhere, so no color counts; raise some of it")
        colors = np.concatenate([colors for _, colors, _ in counted])
        return cls(colors, np.concatenate([level * counts for level, _, counts in counted]))

    @classmethod
    def of_stored(cls, colors: NDArray[np.uint8], counts: NDArray[np.int64]) -> "Histogram":
        """Return a histogram of distinct colors that are in storage order already."""
        self = cls.__new__(cls)
        self._set(colors, counts)
        return self

    @classmethod
    def of_bins(cls, counted: Bins) -> "Histogram":
        """Return the histogram of some bins."""
        self = cls.__new__(cls)
        self._take(counted)
        return self

    @property
    def bins(self) -> Bins:
        """The same in keys and sums: what histograms add up by, and files hold."""
        keys = coarser(curve(self.stored_colors), 8 - self.bits)
        counts, channels = self.stored_counts, self.channels
        return Bins(keys, counts, channels, self.bits, self._sums, self.policy)

    @classmethod
    def merge(cls, histograms: Iterable["Histogram"]) -> "Histogram":
        """Add up many histograms: one after the other, none is kept.

        Parameters
        ----------
        histograms : of one number of bits and one policy
            They may come from a generator that reads them.

        Returns
        -------
        Histogram
            What adding them one by one gives, in any order, in much less time.

        Raises
        ------
        BadImage : there is none.
        BadOption : their bits or policies differ.

        >>> red = Histogram(np.uint8([[255, 0, 0]]), [1])
        >>> Histogram.merge(red for _ in range(1000))
        Histogram(1 RGB colors of 1,000 pixels)
        """
        tally = Tally()
        for histogram in histograms:
            tally.add(histogram.bins)
        return cls.of_bins(tally.bins())

    def coarsen(self, bits: int) -> "Histogram":
        """Return the histogram of fewer bits per channel: boxes of colors in the place of colors.

        Parameters
        ----------
        bits : 8, 7 or 6, not more than there are
            At 7 bits a box holds 8 opaque colors, at 6 bits 64. Opaque and invisible pixels share
            no box with others.

        Returns
        -------
        Histogram
            Its colors are the means of the pixels in each box, rounded; counts and sums stay
            exact, so `(a + b).coarsen(6) == a.coarsen(6) + b.coarsen(6)`.

        Raises
        ------
        BadOption : other bits.

        >>> Histogram(np.uint8([[8, 8, 8], [10, 8, 8]]), [1, 3]).coarsen(6).colors
        array([[10,  8,  8]], dtype=uint8)
        """
        if bits == self.bits:
            return self
        return Histogram.of_bins(self.bins.coarsened(bits))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Write the histogram to a file, for `load` and `smalti fit`.

        Raises
        ------
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        files.write_atomic(path, self.dumped(), overwrite=overwrite)

    @classmethod
    def load(cls, source: Any) -> "Histogram":
        """Read a histogram that `save` has written, from a path, bytes or a binary file.

        Raises
        ------
        MissingFile : there is no file of that name.
        BadImage : it is no histogram file, damaged, or says what cannot be.
        LimitExceeded : it is larger than any histogram's.
        """
        data, name = read_source(source, MAX_BYTES)
        try:
            return cls.of_bins(histogram_file.parse(data))
        except BadImage as error:
            raise BadImage(f"{name}: {error}") from error

    def dumped(self) -> bytes:
        r"""Return the bytes of a file, which `load` takes.

        >>> Histogram(np.uint8([[1, 2, 3]]), [9]).dumped()[:7]
        b'\x8bSMHIST'
        """
        return histogram_file.dump(self.bins)

    @cached_property
    def _ascending(self) -> NDArray[np.intp]:
        return np.argsort(pack(self.stored_colors))

    @cached_property
    def colors(self) -> NDArray[np.uint8]:
        """(n, 3|4) uint8, distinct, ascending by red, then green, blue, alpha."""
        return self.stored_colors[self._ascending]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(n,) int64, each >= 1: how many pixels have the color of the same row."""
        return self.stored_counts[self._ascending]

    @property
    def channels(self) -> int:
        """3, or 4 with alpha."""
        return int(self.stored_colors.shape[1])

    @property
    def opaque(self) -> bool:
        """Whether no color has an alpha below 255."""
        # Opaque colors are stored first.
        return self.channels == 3 or bool(self.stored_colors[-1, 3] == 255)

    def without_alpha(self) -> "Histogram":
        """Return the RGB histogram of an opaque one."""
        rgb = np.ascontiguousarray(self.stored_colors[:, :3])
        narrow = Histogram.__new__(Histogram)
        sums = None if self._sums is None else np.ascontiguousarray(self._sums[:, :3])
        narrow._set(rgb, self.stored_counts, self.bits, sums, self.policy)
        return narrow

    def sample(self, n: int) -> "Histogram":
        """Return up to n of the visible colors, to be drawn: the same ones each time.

        Frequent colors are likelier, by the root of their counts: a flat background would
        otherwise be all there is. Colors are taken at even distances along the storage order,
        which is a curve through color space, so that they spread over it. Where nothing is
        visible, all are returned.

        >>> image = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
        >>> len(Histogram.of(image).sample(20))
        20
        """
        colors, counts = self.stored_colors, self.stored_counts
        visible = colors[:, -1] > 0 if self.channels == 4 else np.ones(len(colors), bool)
        if not visible.any():
            return self
        colors, counts = np.ascontiguousarray(colors[visible]), counts[visible]
        if len(colors) > n:
            ends = np.cumsum(np.sqrt(counts))
            at = (np.arange(n) + 0.5) / n * ends[-1]
            rows = np.unique(np.searchsorted(ends, at))
            colors, counts = np.ascontiguousarray(colors[rows]), counts[rows]
        return Histogram.of_stored(colors, counts)

    @property
    def total(self) -> int:
        """Number of pixels."""
        return int(self.stored_counts.sum())

    def __len__(self) -> int:
        return len(self.stored_colors)

    def __add__(self, other: Any) -> "Histogram":
        if isinstance(other, int) and other == 0:
            return self
        if not isinstance(other, Histogram):
            return NotImplemented
        return Histogram.of_bins(joined([self.bins, other.bins]))

    def __radd__(self, other: Any) -> "Histogram":
        return self if other == 0 else NotImplemented  # so that sum(histograms) works

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = (
            (h.stored_colors, h.stored_counts, np.zeros(0) if h._sums is None else h._sums)
            for h in (self, other)
        )
        same = self.bits == other.bits and self.policy == other.policy
        return same and all(map(np.array_equal, mine, theirs))

    __hash__ = None  # type: ignore[assignment]  # compares by large content

    def __repr__(self) -> str:
        kind = "RGB" if self.channels == 3 else "RGBA"
        what = "colors" if self.bits == 8 else f"bins of {self.bits} bits"
        return f"Histogram({len(self):,} {kind} {what} of {self.total:,} pixels)"


def _check(colors: Any, counts: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    colors, counts = np.asarray(colors), np.asarray(counts)
    if colors.dtype != np.uint8 or colors.ndim != 2 or colors.shape[1] not in (3, 4):
        raise BadImage(
            f"colors must be a uint8 array of shape (n, 3) or (n, 4), got {colors.dtype} "
            f"of shape {colors.shape}"
        )
    if counts.dtype.kind not in "iu" or counts.shape != colors.shape[:1]:
        raise BadImage(
            f"counts must be {len(colors)} integers, one per color, got {counts.dtype} "
            f"of shape {counts.shape}"
        )
    if len(counts) == 0 or counts.min() < 1:
        raise BadImage("counts must all be at least 1, and there must be one color or more")
    if counts.sum(dtype=float) > MOST_PIXELS:
        raise BadImage(
            f"counts must add up to at most {MOST_PIXELS:,}, got {counts.sum(dtype=float):g}"
        )
    return colors, counts.astype(np.int64)


def pack(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number per color, red highest: its order is the order of rows."""
    rows = np.zeros((len(colors), 4), np.uint8)
    rows[:, : colors.shape[1]] = colors
    return rows.view(">u4").ravel().astype(np.uint32)


def widen(colors: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Return (n, 3|4) colors with so many channels: alpha is 255 where there was none."""
    if colors.shape[1] == channels:
        return colors
    return np.column_stack([colors, np.full(len(colors), 255, np.uint8)])


def map_labels(
    image: Image, histogram: Histogram, labels: NDArray[np.uint16], *, k: int, threads: int = 1
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Give every pixel the label of its color: the way back from histogram to image.

    Parameters
    ----------
    image : the image that `histogram` was made of
    labels : (n,) uint16 below k, in the order of `histogram.stored_colors`
    k : int
        Size of the palette.

    Returns
    -------
    (H, W) uint8, or uint16 if k > 256
    """
    dtype = np.uint8 if k <= 256 else np.uint16
    indices = np.empty(image.shape[0] * image.shape[1], dtype)
    pixels = image.reshape(-1, image.shape[2])
    _core.gather(pixels, histogram.stored_colors, labels, indices, threads)
    return indices.reshape(image.shape[:2])
