"""Every way to quantize that is measured: smalti's presets, and one function per rival.

A function takes an image (H, W, 3) uint8 in sRGB and k, and returns (palette (k, 3) uint8, indices)
or the output image (H, W, 3) uint8. Everything in between is timed, as a user
pays for them; what was imported before is not. Rivals are as PyPI, Debian and npm have them, and
never dither. The tables OURS and RIVALS say how each is called, in words and in code, so the page
cannot tell of another call than the one that was measured.
"""

import io
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import smalti
from measure import cpu_seconds
from smalti.options import OPTIONS

__all__ = ["EFFORTS", "KS", "OURS", "RIVALS", "SPACES", "Quantizer", "Timing", "measure", "ours"]

KS = (2, 8, 16, 25, 64, 100, 128, 256)
EFFORTS = OPTIONS["effort"].choices
SPACES = ("srgb", "oklab")

Array = np.ndarray
Output = tuple[Array, Array] | Array


@dataclass(frozen=True)
class Timing:
    """What one run took, in seconds, and gave: pixels (H, W, 3) uint8."""

    cpu: float
    wall: float
    pixels: Array
    fit: Any = None  # smalti's own report, for the distortion before rounding


@dataclass(frozen=True)
class Quantizer:
    """One row of the tables: something that reduces an image to k colors, with its settings."""

    name: str
    family: str
    call: str  # as the page prints it
    run: Callable[[Array, int, int], Any]
    """(image, k, threads) to output; for `own_clock` to a Timing."""
    settings: str = "default"  # or "best": the most careful its documentation offers
    space: str = "sRGB"  # where it measures distance
    threads: str = "none"  # what makes it use more than one; "none": nothing does
    install: str = ""
    ks: tuple[int, ...] = KS
    share: str = "all"  # "some": a few photos, one run; "few": of these, fewer k too
    own_clock: bool = False
    prepare: Callable[[Array], Any] = lambda image: image
    """What `run` takes instead of the array; not timed."""


def pixels(output: Output) -> Array:
    if isinstance(output, tuple):
        palette, indices = output
        return palette[indices]
    return output


def measure(quantizer: Quantizer, image: Array, k: int, threads: int) -> Timing:
    """Run it once, with both clocks."""
    if quantizer.own_clock:
        return quantizer.run(image, k, threads)
    source = quantizer.prepare(image)
    start = time.perf_counter()
    cpu, output = cpu_seconds(lambda: quantizer.run(source, k, threads))
    wall = time.perf_counter() - start
    if isinstance(output, smalti.IndexedImage):
        return Timing(cpu, wall, output.to_array(), output.fit)
    return Timing(cpu, wall, pixels(output))


# smalti


def ours(effort: str, space: str) -> str:
    """Name of a preset's row."""
    return f"smalti {effort}, {space}"


def by_smalti(image: Array, k: int, threads: int, *, space: str, effort: str) -> Any:
    return smalti.quantize(image, k, space=space, effort=effort, dither="none", threads=threads)


OURS = tuple(
    Quantizer(
        ours(effort, space),
        "smalti",
        f'smalti.quantize(image, k, space="{space}", effort="{effort}", threads=threads)',
        partial(by_smalti, space=space, effort=effort),
        settings=effort,
        space={"srgb": "sRGB", "oklab": "Oklab"}[space],
        threads="threads=",
        install="pip install .",
    )
    for space, effort in product(SPACES, EFFORTS)
)


# libimagequant


def with_alpha(image: Array) -> bytes:
    """RGBA bytes, all opaque."""
    raw = np.full((*image.shape[:2], 4), 255, np.uint8)
    raw[..., :3] = image
    return raw.tobytes()


def by_imagequant(raw: tuple[bytes, int, int], k: int, threads: int) -> Output:
    import imagequant

    _, width, height = raw
    indices, palette = imagequant.quantize_raw_rgba_bytes(*raw, dithering_level=0.0, max_colors=k)
    colors = np.array(palette, np.uint8).reshape(-1, 4)[:, :3]
    return colors, np.frombuffer(indices, np.uint8).reshape(height, width)


@cache
def node() -> tuple[subprocess.Popen[str], Path]:
    """A running node process and its folder for files; ends with this process."""
    script = Path(__file__).with_name("imagequant.mjs")
    process = subprocess.Popen(
        ["node", str(script), os.environ.get("SMALTI_NODE", "build/node")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    folder = Path(tempfile.mkdtemp())
    for _ in range(3):  # the first calls run half compiled
        ask_node(process, folder, np.arange(196608, dtype=np.uint8).reshape(256, 256, 3), 64, 4)
    return process, folder


def ask_node(
    process: subprocess.Popen[str], folder: Path, image: Array, k: int, speed: int | None
) -> Timing:
    height, width = image.shape[:2]
    source, target = folder / "source", folder / "target"
    source.write_bytes(with_alpha(image))
    request = {"source": str(source), "target": str(target), "speed": speed}
    print(json.dumps(request | {"width": width, "height": height, "k": k}), file=process.stdin)
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise FileNotFoundError("node, or its package libimagequant-wasm")
    answer = json.loads(line)
    output = np.frombuffer(target.read_bytes(), np.uint8)
    palette, indices = output[:1024].reshape(256, 4), output[1024:]
    return Timing(answer["cpu"], answer["wall"], palette[indices, :3].reshape(image.shape))


def by_libimagequant_wasm(image: Array, k: int, threads: int, *, speed: int | None) -> Timing:
    return ask_node(*node(), image, k, speed)


def by_vips(image: Array, k: int, threads: int, *, effort: int) -> Output:
    import pyvips

    bits = {2: 1, 16: 4, 256: 8}[k]
    png = pyvips.Image.new_from_array(image).pngsave_buffer(
        palette=True, bitdepth=bits, dither=0, effort=effort, compression=0
    )
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


# General k-means


def as_points(image: Array) -> Array:
    return image.reshape(-1, 3).astype(np.float32)


def as_output(image: Array, centroids: Array, labels: Array) -> Output:
    """Round to the nearest 8-bit color, which is lower in error than cutting off."""
    palette = np.rint(centroids).clip(0, 255).astype(np.uint8)
    return palette, labels.reshape(image.shape[:2])


def by_scikit_learn(image: Array, k: int, threads: int, *, method: str, **options: Any) -> Output:
    import sklearn.cluster

    fitted = getattr(sklearn.cluster, method)(k, random_state=0, **options).fit(as_points(image))
    return as_output(image, fitted.cluster_centers_, fitted.labels_)


def by_scikit_learn_sample(image: Array, k: int, threads: int) -> Output:
    """scikit-learn's example "Color Quantization using K-Means"."""
    from sklearn.cluster import KMeans
    from sklearn.utils import shuffle

    points = (np.array(image, dtype=np.float64) / 255).reshape(-1, 3)
    sample = shuffle(points, random_state=0, n_samples=min(1000, len(points)))
    fitted = KMeans(k, random_state=0).fit(sample)
    return as_output(image, fitted.cluster_centers_ * 255, fitted.predict(points))


def by_opencv(image: Array, k: int, threads: int, *, attempts: int, centers: str) -> Output:
    import cv2

    cv2.setNumThreads(threads)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, labels, centroids = cv2.kmeans(
        as_points(image), k, None, criteria, attempts, getattr(cv2, centers)
    )
    return as_output(image, centroids, labels)


def by_faiss(image: Array, k: int, threads: int, *, full: bool) -> Output:
    import faiss

    faiss.omp_set_num_threads(threads)
    points = as_points(image)
    options = {"max_points_per_centroid": len(points) // k + 1} if full else {}
    kmeans = faiss.Kmeans(3, k, **options)
    kmeans.train(points)
    _, labels = kmeans.index.search(points, 1)
    return as_output(image, kmeans.centroids, labels)


# Image libraries


def by_pillow(image: Image.Image, k: int, threads: int, *, method: str, kmeans: int = 0) -> Output:
    result = image.quantize(k, Image.Quantize[method], kmeans=kmeans, dither=Image.Dither.NONE)
    return np.array(result.getpalette(), np.uint8).reshape(-1, 3), np.asarray(result)


def by_imagemagick(image: Array, k: int, threads: int, *, space: str) -> Output:
    from wand.image import Image as WandImage

    with WandImage.from_array(image) as picture:
        picture.quantize(k, space, 0, False, False)
        picture.transform_colorspace("srgb")  # after "lab" the pixels would be Lab numbers
        picture.depth = 8
        return np.frombuffer(picture.make_blob("rgb"), np.uint8).reshape(image.shape)


def libimagequant_wasm(speed: int | None, settings: str) -> Quantizer:
    return Quantizer(
        f"libimagequant 4 wasm, speed {speed or 4}",
        "libimagequant",
        (f"quantizer.setSpeed({speed}); " if speed else "")
        + "quantizer.setMaxColors(k); quantizer.quantizeImage(rgba, w, h); setDithering(0); "
        "getPaletteIndices(rgba, w, h)",
        partial(by_libimagequant_wasm, speed=speed),
        settings,
        space="its own, near sRGB",
        install="npm install libimagequant-wasm",
        own_clock=True,
    )


def vips(effort: int, settings: str) -> Quantizer:
    return Quantizer(
        f"vips, effort {effort}",
        "libimagequant",
        "pyvips.Image.new_from_array(image).pngsave_buffer(palette=True, bitdepth=1 | 4 | 8, "
        f"dither=0, effort={effort}, compression=0); the writing of the PNG is part of its time",
        partial(by_vips, effort=effort),
        settings,
        space="its own, near sRGB",
        install="pip install pyvips-binary pyvips",
        ks=(2, 16, 256),
    )


def scikit_learn(
    name: str, settings: str, share: str, method: str = "KMeans", **options: Any
) -> Quantizer:
    arguments = "".join(f", {option}={value}" for option, value in options.items())
    return Quantizer(
        f"scikit-learn {name}",
        "k-means",
        f"{method}(k, random_state=0{arguments}).fit(all pixels, float32)",
        partial(by_scikit_learn, method=method, **options),
        settings,
        threads="OMP_NUM_THREADS",
        install="pip install scikit-learn",
        share=share,
    )


def opencv(name: str, settings: str, share: str, attempts: int, centers: str) -> Quantizer:
    return Quantizer(
        f"OpenCV {name}",
        "k-means",
        f"cv2.kmeans(all pixels, float32, k, None, (EPS + MAX_ITER, 10, 1.0), {attempts}, "
        f"{centers})",
        partial(by_opencv, attempts=attempts, centers=centers),
        settings,
        threads="cv2.setNumThreads",
        install="pip install opencv-python-headless",
        share=share,
    )


def faiss(name: str, settings: str, share: str, full: bool) -> Quantizer:
    option = ", max_points_per_centroid=n // k + 1" if full else ""
    return Quantizer(
        name,
        "k-means",
        f"faiss.Kmeans(3, k{option}).train(all pixels, float32); index.search(all pixels, 1)",
        partial(by_faiss, full=full),
        settings,
        threads="faiss.omp_set_num_threads",
        install="pip install faiss-cpu",
        share=share,
    )


def pillow(method: str, kmeans: int = 0) -> Quantizer:
    option = f", kmeans={kmeans}" if kmeans else ""
    return Quantizer(
        f"Pillow {method}" + (f", kmeans {kmeans}" if kmeans else ""),
        "Pillow",
        f"picture.quantize(k, {method}{option}, dither=NONE)",
        partial(by_pillow, method=method, kmeans=kmeans),
        "best" if kmeans else "default",
        install="pip install Pillow",
        share="some" if kmeans else "all",
        prepare=Image.fromarray,
    )


def imagemagick(space: str, settings: str) -> Quantizer:
    return Quantizer(
        f"ImageMagick {space}",
        "ImageMagick",
        f'Wand: Image.from_array(image).quantize(k, "{space.lower()}", 0, dither=False, '
        "measure_error=False)",
        partial(by_imagemagick, space=space.lower()),
        settings,
        space=space,
        threads="MAGICK_THREAD_LIMIT",
        install="apt-get install libmagickwand-6.q16-6; pip install Wand",
    )


RIVALS = (
    Quantizer(
        "imagequant",
        "libimagequant",
        "imagequant.quantize_raw_rgba_bytes(raw, w, h, dithering_level=0, max_colors=k)",
        by_imagequant,
        "default and best: the binding has no speed",
        space="its own, near sRGB",
        install="pip install imagequant",
        prepare=lambda image: (with_alpha(image), image.shape[1], image.shape[0]),
    ),
    libimagequant_wasm(None, "default"),
    libimagequant_wasm(1, "best"),
    libimagequant_wasm(10, "fastest"),
    vips(7, "default"),
    vips(10, "best"),
    vips(1, "fastest"),
    Quantizer(
        "scikit-learn, 1,000 pixels",
        "k-means",
        "KMeans(k, random_state=0).fit(shuffle(pixels / 255, random_state=0, n_samples=1000))"
        ".predict(pixels / 255)",
        by_scikit_learn_sample,
        "its documentation's example",
        threads="OMP_NUM_THREADS",
        install="pip install scikit-learn",
    ),
    scikit_learn("KMeans", "default", "some", n_init=1),
    scikit_learn("KMeans, n_init 10", "best", "few", n_init=10),
    scikit_learn("MiniBatchKMeans", "default", "some", method="MiniBatchKMeans"),
    scikit_learn("BisectingKMeans", "default", "some", method="BisectingKMeans"),
    opencv("tutorials", "the tutorials'", "some", 10, "KMEANS_RANDOM_CENTERS"),
    opencv("++, 1 attempt", "k-means++ seeds", "some", 1, "KMEANS_PP_CENTERS"),
    opencv("++, 10 attempts", "best", "few", 10, "KMEANS_PP_CENTERS"),
    faiss("FAISS", "default", "all", full=False),
    faiss("FAISS, all points", "best", "some", full=True),
    pillow("FASTOCTREE"),
    pillow("MEDIANCUT"),
    pillow("MEDIANCUT", 1),
    pillow("MAXCOVERAGE"),
    pillow("MAXCOVERAGE", 1),
    imagemagick("sRGB", "default"),
    imagemagick("Lab", "the other space it recommends"),
)
