"""PNG, as small as the time allows: layouts are tried, and the smallest is written.

    indices (H, W), palette (k, 3|4) -> layouts -> [packed] -> bytes, and what was tried

All layouts are compressed quickly; those that come close to the best are
compressed for good. Filtering and compressing is pyoxipng's work; where that has no
wheel, or cannot work, Pillow writes the PNG, correct all the same, but larger.
"""

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import png
from .bands import counted, looked_up
from .layouts import Layout, layouts
from .packing import bits_for
from .packing import pack as pack_indices

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "Density",
    "Encoded",
    "Tried",
    "by_use",
    "packed",
    "packed_truecolor",
    "pillow_indexed",
    "pixel_data",
]

Density = tuple[float, float] | None


class Tried(NamedTuple):
    """A way to store the pixels, and what it took."""

    name: str
    quick_bytes: int
    """Of the whole file, compressed quickly."""
    bytes: int | None
    """Of the whole file, if it came so far as to be compressed as well as it can be."""


class Encoded(NamedTuple):
    """The bytes of a file, and the ways to store its pixels that were tried, the one used first."""

    data: bytes
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to spend. Deflate levels are libdeflate's, 1 to 12.

    docs/decisions/0012-packing.md has the measurements.
    """

    thorough: int
    """Of layouts: 0 few, 1, 2 all."""
    quick: int
    """Deflate level of the first try."""
    final: int | None
    """Deflate level of what is written; None takes the first try."""
    margin: float = 1
    """How many times the best expectation another may have to be compressed for good."""
    filters: tuple[str, ...] = ("Entropy",)
    zopfli: int = 0
    """Iterations of Zopfli on the best; 0 for none."""
    true_level: int = 2
    """oxipng's level for truecolor."""


MORE_FILTERS = ("Entropy", "BigEnt", "Brute")

PLANS = {
    "fast": Plan(thorough=0, quick=6, final=None, true_level=1),
    "default": Plan(thorough=1, quick=5, final=11),
    "max": Plan(2, 5, 12, margin=1.06, filters=MORE_FILTERS, zopfli=15, true_level=5),
}

ICON_PIXELS = 65_536
"""Pictures up to here are packed without haste, as it takes little time: 256 x 256."""

SMALL_PIXELS = 262_144
"""Up to here the highest deflate level takes some 30 ms more than the next."""

COPIES, COMPRESSOR_BYTES, ZOPFLI_BYTES = 4, 12 * 2**20, 64 * 2**20
"""What pyoxipng takes at most, for each filter: times its pixels, and beyond. Measured."""

THREAD_BYTES = 130 * 2**20
"""Addresses that a thread takes: its stack, and what the C library puts aside for it."""

LARGE_PIXELS = 4_000_000
"""Above, the last half percent takes seconds, and Zopfli minutes."""


def _plan(pack: str, pixels: int) -> Plan:
    plan = PLANS[pack]
    if pack == "default" and pixels <= SMALL_PIXELS:
        plan = replace(plan, final=12)
    if pack == "default" and pixels <= ICON_PIXELS:
        return replace(plan, margin=1.1, filters=("Entropy", "BigEnt", "Bigrams"))
    if pack == "default" and pixels > LARGE_PIXELS:
        return replace(plan, final=10)
    if pack == "max" and pixels > LARGE_PIXELS:
        return replace(plan, margin=1.02, filters=("Entropy",), zopfli=0)
    return plan


def packed(
    indices: np.ndarray,
    palette: np.ndarray,
    *,
    icc: bytes | None = None,
    dpi: Density = None,
    pack: str = "default",
    reorder: bool = False,
) -> Encoded:
    """Return the smallest PNG found.

    Parameters
    ----------
    indices : (H, W) uint8, contiguous, each below k
    palette : (k, 3) or (k, 4) uint8, 1 <= k <= 256
    icc, dpi : as for `encode`
    pack : "fast", "default" or "max"
    reorder : whether the palette may be reordered, or left out where gray or truecolor is smaller
        The bytes then depend on the pixels only, not on how indices and palette describe them: a
        file that is read and packed again comes out the same.

    Returns
    -------
    Encoded
    """
    if reorder:
        indices, palette = by_use(indices, palette)
    oxipng = _oxipng()
    if oxipng is None:
        return _by_pillow(indices, palette, icc, dpi, pack, reorder)
    plan = _plan(pack, indices.size)
    press = _Press(oxipng, indices, icc, dpi)
    quick = {
        layout: press(layout, plan.quick, plan.filters[:1])
        for layout in layouts(
            indices, palette, reorder=reorder, colors=icc is None, thorough=plan.thorough
        )
    }
    full: dict[Layout, bytes] = {}
    if plan.final:
        likely = {layout: len(data) * _promise(layout) for layout, data in quick.items()}
        limit = plan.margin * min(likely.values())
        near = [layout for layout, size in likely.items() if size <= limit]
        full = {layout: press(layout, plan.final, plan.filters) for layout in near}
    files = full or quick
    best = min(files, key=lambda layout: len(files[layout]))
    if plan.zopfli:
        slow = press(best, 0, plan.filters, zopfli=plan.zopfli)
        files[best] = min(files[best], slow, key=len)
    return Encoded(files[best], _tried(best, quick, full))


def by_use(
    indices: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the same pixels with the palette in order of use, ties by color, unused rows left out.

    indices : (H, W) uint8, each below k
    palette : (k, 3) or (k, 4) uint8, distinct; a column of alpha goes where all of it is opaque

    >>> indices, palette = by_use(np.uint8([[2, 0, 2]]), np.uint8([[1, 1, 1], [2, 2, 2], [3] * 3]))
    >>> indices.tolist(), palette[:, 0].tolist()
    ([[0, 1, 0]], [3, 1])
    """
    counts = counted(indices, len(palette))
    order = np.lexsort((*palette.T[::-1], -counts))
    order = order[: np.count_nonzero(counts)]
    places = np.zeros(256, np.uint8)
    places[order] = np.arange(len(order), dtype=np.uint8)
    rows = palette[order]
    if rows.shape[1] == 4 and (rows[:, 3] == 255).all():
        rows = rows[:, :3]
    return looked_up(places, indices), np.ascontiguousarray(rows)


def _promise(layout: Layout) -> float:
    """Return what a layout may be expected to gain by a higher deflate level, beside others.

    From photographs of 16 and 256 colors: what looks like noise to a quick search for repetitions
    has more to give to a slow one. Indices that could be packed have most.
    """
    if layout.kind == "indexed" and layout.depth > bits_for(len(layout.palette)):
        return 0.90 if layout.filtered else 0.91
    return 0.96 if layout.filtered else 1


def _tried(
    best: Layout, quick: dict[Layout, bytes], full: dict[Layout, bytes]
) -> tuple[Tried, ...]:
    """List the layouts: the one used, then those that came nearest."""
    rows = [
        (
            layout is not best,
            Tried(layout.name, len(data), len(full[layout]) if layout in full else None),
        )
        for layout, data in quick.items()
    ]
    rows.sort(key=lambda row: (row[0], row[1].bytes is None, row[1].bytes or row[1].quick_bytes))
    return tuple(tried for _, tried in rows)


def packed_truecolor(image: np.ndarray, icc: bytes | None, dpi: Density, pack: str) -> bytes:
    """Return a PNG of an image (H, W, 3|4) uint8, contiguous, pixel by pixel."""
    oxipng = _oxipng()
    if oxipng is None:
        return _saved(_pillow(image), pack, _extras(icc, dpi))
    _check_room(image.nbytes, 1)
    color = oxipng.ColorType.rgb() if image.shape[2] == 3 else oxipng.ColorType.rgba()
    raw = oxipng.RawImage(image.tobytes(), image.shape[1], image.shape[0], color_type=color)
    _add_extras(raw, icc, dpi)
    return _written(raw, image.nbytes, 1, level=PLANS[pack].true_level)


def pixel_data(indices: np.ndarray, k: int, depth: int, level: str) -> bytes:
    """Return what the IDAT chunk of a PNG of these indices has: of a frame of an animation.

    Parameters
    ----------
    indices : (H, W) uint8, each below k
    k : size of the palette, which many frames share
    depth : bits of an index
    level : "fast", "default" or "max"
    """
    oxipng = _oxipng()
    if oxipng is None:
        rows = np.frombuffer(pack_indices(indices, depth), np.uint8).reshape(len(indices), -1)
        return zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes(), 9)
    plan = _plan(level, indices.size)
    table, palette = np.arange(k, dtype=np.uint8), np.zeros((k, 3), np.uint8)
    press = _Press(oxipng, indices, None, None)
    plain, filtered = (
        Layout("", "indexed", depth, table, palette, filtered=yes) for yes in (False, True)
    )
    quick = {way: press(way, plan.quick, plan.filters[:1]) for way in (plain, filtered)}
    best = min(quick, key=lambda way: len(quick[way]))
    files = [quick[best]]
    if plan.final:
        files.append(press(best, plan.final, plan.filters))
    if plan.zopfli:
        files.append(press(best, 0, plan.filters, zopfli=plan.zopfli))
    return png.read_png(min(files, key=len)).idat


def _size(data: bytes | None) -> int | None:
    return None if data is None else len(data)


class _Press:
    """Compresses one image in any of its layouts."""

    def __init__(self, oxipng: Any, indices: np.ndarray, icc: bytes | None, dpi: Density) -> None:
        self._oxipng, self._indices, self._icc, self._dpi = oxipng, indices, icc, dpi
        self._raw: dict[Layout, Any] = {}

    def __call__(
        self, layout: Layout, level: int, filters: tuple[str, ...], *, zopfli: int = 0
    ) -> bytes:
        """Return the PNG at a deflate level, or with Zopfli, of the best of these filters."""
        oxipng = self._oxipng
        raw = self._raw.get(layout) or self._image(layout)
        if self._indices.size <= LARGE_PIXELS:  # tried twice, but handed over once
            self._raw[layout] = raw
        deflaters = oxipng.Deflaters
        names = filters if layout.filtered else ("NoOp",)
        return _written(
            raw,
            self._indices.size,
            len(names),
            filter=[getattr(oxipng.RowFilter, name) for name in names],
            deflate=deflaters.zopfli(zopfli) if zopfli else deflaters.libdeflater(level),
            fast_evaluation=bool(zopfli),
        )

    def _image(self, layout: Layout) -> Any:
        """Return pyoxipng's raw image, with profile and density."""
        height, width = self._indices.shape
        _check_room(self._indices.size, 1)
        raw = self._oxipng.RawImage(
            layout.samples(self._indices),
            width,
            height,
            color_type=self._color(layout),
            bit_depth=layout.depth,
        )
        _add_extras(raw, self._icc, self._dpi)
        return raw

    def _color(self, layout: Layout) -> Any:
        types = self._oxipng.ColorType
        if layout.kind == "indexed":
            return types.indexed([(*row, 255)[:4] for row in layout.palette.tolist()])
        if layout.kind == "gray":
            return types.grayscale(layout.clear)
        names = {
            "gray and alpha": "grayscale_alpha",
            "truecolor": "rgb",
            "truecolor and alpha": "rgba",
        }
        return getattr(types, names[layout.kind])()


def _add_extras(raw: Any, icc: bytes | None, dpi: Density) -> None:
    if icc:
        raw.add_icc_profile(icc)
    if dpi:
        per_meter = [max(1, round(value / 0.0254)) for value in dpi]
        raw.add_png_chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))


def _check_room(size: int, filters: int, *, zopfli: bool = False) -> None:
    """Raise MemoryError where pyoxipng would find too little: it would end the whole process.

    size : bytes of the pixels
    filters : tried at once, each with a copy of the pixels and a compressor

    Pages that nobody touches cost nothing, so asking for them is the way to know.
    """
    each = COPIES * size + COMPRESSOR_BYTES + zopfli * ZOPFLI_BYTES
    np.empty(filters * each + THREAD_BYTES, np.uint8)


def _written(raw: Any, size: int, filters: int, **effort: Any) -> bytes:
    """Return the file of pyoxipng's raw image, of `size` bytes and so many filters."""
    _check_room(size, filters, zopfli=effort.get("fast_evaluation", False))
    # No reductions: the layout is decided here, and what is given is kept.
    reductions = ("bit_depth", "color_type", "palette", "grayscale")
    off = {f"{name}_reduction": False for name in reductions}
    try:
        return bytes(raw.create_optimized_png(**off, **effort))
    except BaseException as error:  # a panic is none of Python's usual exceptions
        if type(error).__name__ == "PanicException":
            raise MemoryError("pyoxipng found no memory or no threads") from error
        raise


_user: int | None = None  # the process that has used pyoxipng


def _oxipng() -> Any:
    """Return pyoxipng, or None where Pillow has to do.

    pyoxipng works on threads of its own, which it starts once. A fork does not copy them: in a
    process that was forked after that, it would wait for them for ever.
    """
    global _user
    if _addresses_are_limited():  # a dozen threads would take all for nothing
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
    try:
        import oxipng
    except ImportError:
        return None
    if _user is None:
        _user = os.getpid()
    if _user == os.getpid():
        return oxipng
    warnings.warn(
        "PNG files are larger than they could be, as pyoxipng cannot work in a process that was "
        "forked after it had been used; start processes by spawn or forkserver instead",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _addresses_are_limited() -> bool:
    """Whether the system gives this process no more than so many addresses (ulimit -v)."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # Windows
        return False
    return getrlimit(RLIMIT_AS)[0] != RLIM_INFINITY


# ---------------------------------------------------------------- without pyoxipng


def _by_pillow(
    indices: np.ndarray,
    palette: np.ndarray,
    icc: bytes | None,
    dpi: Density,
    pack: str,
    reorder: bool,
) -> Encoded:
    """Return what Pillow writes: a palette, or plain gray where that may be and is smaller."""
    extras = _extras(icc, dpi)
    options: dict[str, Any] = {"bits": bits_for(len(palette)), **extras}
    if palette.shape[1] == 4 and palette[:, 3].min() < 255:
        options["transparency"] = palette[:, 3].tobytes().rstrip(b"\xff")
    found = {"palette as given": _saved(pillow_indexed(indices, palette), pack, options)}
    opaque = palette.shape[1] == 3 or bool((palette[:, 3] == 255).all())
    if reorder and not icc and opaque and bool((palette[:, :1] == palette[:, 1:3]).all()):
        gray = _pillow(looked_up(palette[:, 0], indices))
        found["grayscale, 8 bits"] = _saved(gray, pack, extras)
    names = sorted(found, key=lambda name: len(found[name]))
    tried = tuple(Tried(name, len(found[name]), len(found[name])) for name in names)
    return Encoded(found[names[0]], tried)


def pillow_indexed(indices: np.ndarray, palette: np.ndarray) -> "Image.Image":
    """Return a Pillow image of mode P, without its transparency."""
    from PIL import Image

    height, width = indices.shape
    image = Image.frombytes("P", (width, height), indices.tobytes())
    image.putpalette(np.ascontiguousarray(palette[:, :3]).tobytes())
    return image


def _pillow(image: np.ndarray) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(image)


def _extras(icc: bytes | None, dpi: Density) -> dict[str, Any]:
    extras: dict[str, Any] = {"icc_profile": icc} if icc else {}
    return {**extras, "dpi": dpi} if dpi else extras


def _saved(image: "Image.Image", pack: str, options: dict[str, Any]) -> bytes:
    effort: dict[str, Any] = {"compress_level": 6} if pack == "fast" else {"optimize": True}
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **effort, **options)
    return buffer.getvalue()
