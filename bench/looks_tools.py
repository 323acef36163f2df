"""Every tool of the page of looks: an image (H, W, 3|4) uint8 and k in, the bytes of a PNG out.

The calls are those a user would write first: each tool dithers as it does by itself. smalti's file
is stored as `compress` gives it. What the others choose is stored in every way there is at hand, by
pyoxipng's level 4 and by smalti's encoder, and the smallest file counts: a rival must not lose for
its packing. Each call stands in words beside the code, so that the page cannot tell of another.
"""

import hashlib
import inspect
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti
from rivals import node

__all__ = [
    "BASE",
    "MOST",
    "OURS",
    "SIZES",
    "UNDITHERED",
    "Absent",
    "Tool",
    "as_png",
    "first_line",
    "repacked",
    "smalti_version",
    "tools",
]

BASE = "pngquant + optimizer"  # what bytes are compared with
OURS = "smalti"
UNDITHERED = "smalti undithered"
SIZES = (
    "0",
    "0.5",
    "1",
)  # values of the option `size` that are measured unless others are asked for
MOST = 4  # megapixels: larger images are left to smalti and `BASE`

Array = np.ndarray
Indexed = tuple[Array, Array]  # palette (k, 3|4) uint8, indices (H, W) uint8


class Absent(Exception):
    """A tool that cannot be run here, and what would bring it."""


@dataclass(frozen=True)
class Tool:
    """One line of the plots: something that makes a palette PNG of an image."""

    name: str
    family: str
    call: str  # as the page prints it
    dithering: str
    space: str
    threads: str
    version: Callable[[], str]
    """Part of the name that runs are kept under: another version is measured again."""
    run: Callable[[Array, int], bytes]
    alpha: bool = True  # whether it takes pixels with alpha
    large: bool = False  # whether images of more than MOST megapixels are given to it


def as_png(image: Array) -> bytes:
    """The file that tools read which read files: no color profile, no gamma."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png", compress_level=1)
    return file.getvalue()


# Packing


def packed(palette: Array, indices: Array, *files: bytes) -> bytes:
    """The smallest PNG of these indices that pyoxipng finds, or of `files`, the tool's own."""
    import oxipng

    file = io.BytesIO()
    as_picture(without_alpha(palette), indices).save(file, "png")
    files = (file.getvalue(), *files)
    strip = oxipng.StripChunks.all()
    level4 = (oxipng.optimize_from_memory(file, level=4, strip=strip) for file in files)
    return min((*files, *level4), key=len)


def repacked(file: bytes) -> bytes:
    """The same picture by smalti's encoder, where that is smaller; apart, as smalti changes."""
    try:
        palette, indices = read_indexed(file)
    except ValueError:  # pyoxipng found another color type to be smaller
        return file
    ours = smalti.IndexedImage(without_alpha(palette), indices).encoded("PNG", order="auto")
    return min(file, ours, key=len)


def as_picture(palette: Array, indices: Array) -> Image.Image:
    """A Pillow image of these indices; pyoxipng packs them into fewer bits where it can."""
    picture = Image.fromarray(np.ascontiguousarray(indices), "P")
    picture.putpalette(palette.tobytes(), "RGBA" if palette.shape[1] == 4 else "RGB")
    return picture


def without_alpha(palette: Array) -> Array:
    """A palette of opaque colors needs no fourth column, and no chunk for it."""
    opaque = palette.shape[1] == 3 or palette[:, 3].min() == 255
    return np.ascontiguousarray(palette[:, :3] if opaque else palette)


def read_indexed(file: bytes) -> Indexed:
    """Palette and indices as they stand in a palette PNG."""
    with Image.open(io.BytesIO(file)) as picture:
        if picture.mode != "P":
            raise ValueError(f"a palette PNG was expected, got one of mode {picture.mode}")
        indices = np.asarray(picture)
        picture.apply_transparency()
        palette = np.array(picture.getpalette("RGBA"), np.uint8).reshape(-1, 4)
    return palette[: int(indices.max()) + 1], indices


# smalti


@cache
def smalti_version() -> str:
    """A hash of the package's code: the number of the version says too little while it changes."""
    folder = Path(smalti.__file__).parent
    paths = sorted(path for kind in ("*.py", "*.so") for path in folder.glob(kind))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def by_smalti(image: Array, k: int, **options: Any) -> bytes:
    known = inspect.signature(smalti.compress).parameters
    for option in options:
        if option not in known:
            raise Absent(f"smalti.compress has no option {option!r} in this version")
    # Threads never change the result; several images are measured at once.
    return smalti.compress(image, k=k, allow_larger=True, threads=1, **options).data


def ours(name: str, dithering: str, **options: Any) -> Tool:
    words = "".join(f", {option}={value!r}" for option, value in options.items())
    return Tool(
        name,
        "smalti",
        f"smalti.compress(image, k=k, allow_larger=True{words}).data",
        dithering,
        default_of("space"),
        "1; never changes the result",
        smalti_version,
        partial(by_smalti, **options),
        large=name != UNDITHERED,
    )


def default_of(option: str) -> str:
    return str(inspect.signature(smalti.compress).parameters[option].default)


# Rivals


def by_pngquant(image: Array, k: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.png")
        source.write_bytes(as_png(image))
        line = ["pngquant", "--force", "--output", str(target), str(k), str(source)]
        try:
            subprocess.run(line, check=True, capture_output=True)
        except FileNotFoundError as error:
            raise Absent("apt-get install pngquant") from error
        own = target.read_bytes()
    return packed(*read_indexed(own), own)


def rgba_bytes(image: Array) -> bytes:
    rgba = np.full((*image.shape[:2], 4), 255, np.uint8)
    rgba[..., : image.shape[2]] = image
    return rgba.tobytes()


def by_imagequant(image: Array, k: int) -> bytes:
    try:
        import imagequant
    except ImportError as error:
        raise Absent("pip install imagequant") from error
    height, width = image.shape[:2]
    indices, palette = imagequant.quantize_raw_rgba_bytes(
        rgba_bytes(image), width, height, max_colors=k
    )
    rows = np.array(palette, np.uint8).reshape(-1, 4)
    return packed(rows, np.frombuffer(indices, np.uint8).reshape(height, width))


def by_libimagequant(image: Array, k: int) -> bytes:
    """Through the process of node that the wide comparison uses as well."""
    try:
        process, folder = node()
        return ask_for_dithered(process, folder, image, k)
    except OSError as error:
        raise Absent("npm install libimagequant-wasm") from error


def ask_for_dithered(process: Any, folder: Path, image: Array, k: int) -> bytes:
    height, width = image.shape[:2]
    source, target = folder / "source", folder / "target"
    source.write_bytes(rgba_bytes(image))
    request = {"source": str(source), "target": str(target), "speed": None, "dithering": 1}
    print(json.dumps(request | {"width": width, "height": height, "k": k}), file=process.stdin)
    process.stdin.flush()
    if not process.stdout.readline():
        raise FileNotFoundError("node, or its package libimagequant-wasm")
    output = np.frombuffer(target.read_bytes(), np.uint8)
    indices = output[1024:].reshape(height, width)
    return packed(output[:1024].reshape(256, 4)[: int(indices.max()) + 1], indices)


def by_pillow(image: Array, k: int, *, method: str) -> bytes:
    """With alpha, Pillow has no dithering, and of its own methods FASTOCTREE only."""
    picture = Image.fromarray(image)
    chosen = picture.quantize(k, Image.Quantize[method])
    if picture.mode == "RGB":
        chosen = picture.quantize(palette=chosen, dither=Image.Dither.FLOYDSTEINBERG)
    file = io.BytesIO()
    chosen.save(file, "png")
    return packed(*read_indexed(file.getvalue()))


def pillow(method: str, *, alpha: bool) -> Tool:
    return Tool(
        f"Pillow {method}",
        "Pillow",
        f"picture.quantize(palette=picture.quantize(k, {method}), dither=FLOYDSTEINBERG)"
        + ("; with alpha picture.quantize(k, FASTOCTREE)" if alpha else ""),
        "Floyd–Steinberg" + ("; with alpha it has none" if alpha else ""),
        "sRGB",
        "none",
        partial(version, "Pillow"),
        partial(by_pillow, method=method),
        alpha=alpha,
    )


def first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout.splitlines() or [""])[0]


def wasm_version() -> str:
    modules = Path(os.environ.get("SMALTI_NODE", "build/node"), "node_modules")
    manifest = modules / "libimagequant-wasm" / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else ""


def tools(sizes: tuple[str, ...] = SIZES) -> list[Tool]:
    """All tools, in the order of the page."""
    return [
        ours(OURS, f"its default ({default_of('dither')})"),
        *(ours(f"{OURS} size {value}", "its default", size=float(value)) for value in sizes),
        ours(UNDITHERED, "none", dither="none", size=0),
        Tool(
            BASE,
            "libimagequant",
            "pngquant --force --output TARGET k SOURCE",
            "its default (Floyd–Steinberg, adaptive)",
            "its own, near sRGB",
            "OMP_NUM_THREADS=1",
            partial(first_line, "pngquant", "--version"),
            by_pngquant,
            large=True,
        ),
        Tool(
            "imagequant",
            "libimagequant",
            "imagequant.quantize_raw_rgba_bytes(raw, w, h, max_colors=k)",
            "its default (dithering_level=1.0)",
            "its own, near sRGB",
            "none",
            partial(version, "imagequant"),
            by_imagequant,
        ),
        Tool(
            "libimagequant 4",
            "libimagequant",
            "quantizer.setMaxColors(k); quantizer.quantizeImage(rgba, w, h); setDithering(1); "
            "getPaletteIndices(rgba, w, h)",
            "its default (1)",
            "its own, near sRGB",
            "none",
            wasm_version,
            by_libimagequant,
        ),
        pillow("MEDIANCUT", alpha=False),
        pillow("FASTOCTREE", alpha=True),
    ]
