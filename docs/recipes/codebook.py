"""Codebook and labels, stored: what they weigh bit by bit, for files and for small devices.

    python docs/recipes/codebook.py [IMAGE]

The page beside it, codebook.md, tells what the numbers mean.
"""

import sys

import numpy as np
import sklearn
from from_scratch import closest, kmeans, random_seeds, update
from kit import Recipe, mse, png24, seconds, titled
from sklearn.cluster import KMeans, MiniBatchKMeans

import smalti
from smalti import export

K = 16
RUNS = 3  # the lowest time counts


def ask(answer, default=K):
    """Return the k that somebody typed; Enter alone is an empty text, and means the default."""
    return int(answer) if answer.strip() else default  # int("") would raise ValueError


def bit_by_bit(recipe, image):
    """The same 16 colors in every form that they are kept in."""
    small = smalti.quantize(image, K, dither="none")
    height, width = small.indices.shape
    pixels, palette = height * width, small.palette.nbytes
    packed = export.pack(small.indices, 4)
    forms = [
        ["pixels, 3 bytes each", "24", image.nbytes],
        ["labels int64, codebook float64 (plain NumPy)", "64 + k · 192", pixels * 8 + K * 24],
        ["labels uint8, codebook uint8", "8 + k · 24", small.indices.nbytes + palette],
        ["indices packed, palette uint8", "4 + k · 24", len(packed) + palette],
        ["indices packed, palette RGB565", "4 + k · 16", len(packed) + 2 * K],
        ["24-bit PNG of the 16 colors", "", len(png24(small.to_array()))],
        ["indexed PNG of the 16 colors", "", len(small.encoded("PNG"))],
        ["24-bit PNG of the original", "", len(png24(image))],
    ]
    rows = [[*form, 100 * form[2] / image.nbytes] for form in forms]
    title = f"k = {K}, {width} × {height}"
    header = [title, "bits per pixel + per image", "bytes", "of 24 bits, %"]
    recipe.table("forms", header, rows, ["", "", ",", ".1f"])
    for key, row in (("packed", rows[3]), ("png24", rows[5]), ("indexed", rows[6])):
        recipe.fact(key, row[2], ",")
    recipe.fact("packed-share", rows[3][3], ".1f")


def for_devices(recipe, image):
    """1, 2, 4 and 8 bits: a raw file, a C header, and a palette of 16 bits per color."""
    rows, pictures = [], []
    for k in (2, 4, 16, 256):
        small = smalti.quantize(image, k, dither="none")
        bits = export.bits_for(len(small.palette))
        data = export.pack(small.indices, bits)
        back = export.unpack(data, small.indices.shape, bits)
        shown = export.from_rgb565(export.to_rgb565(small.palette))[back]
        header = export.c_header(small, "picture", rgb565=True)
        flash = len(data) + 2 * len(small.palette)  # 16 bits per color
        rows.append([k, bits, len(data), flash, len(header), len(small.encoded("PNG")),
                     mse(image, small.to_array()), mse(image, shown)])  # fmt: skip
        if k in (16, 256):
            pictures += [(f"k = {k}, palette of 24 bits", small.to_array()),
                         (f"k = {k}, palette of 16 bits", shown)]  # fmt: skip
            (recipe.files / f"picture-{k}.h").write_text(header)
            (recipe.files / f"picture-{k}.raw").write_bytes(data)
        if not np.array_equal(back, small.indices):
            raise SystemExit("packed indices must come back")
    recipe.table(
        "devices",
        ["k", "bits", "packed, bytes", "in flash, bytes", "C header, characters of source",
         "indexed PNG, bytes", "MSE", "MSE, RGB565 palette"],
        rows, ["", "", ",", ",", ",", ",", ".1f", ".1f"],
    )  # fmt: skip
    recipe.fact("pixels", f"{image.shape[1]} × {image.shape[0]}")
    recipe.fact("frame565", image.shape[0] * image.shape[1] * 2, ",")
    recipe.fact("frame-packed", rows[2][3], ",")
    recipe.picture("devices", titled(pictures, columns=2))


def who_reads_what(recipe, image):
    """Samples read, time and error: every pixel in every iteration, batches, a sample, a count.

    What is read for seeds, and for the labels at the end, is in no row.
    """
    points = image.reshape(-1, 3)
    n = len(points)
    sample = points[np.random.default_rng(0).choice(n, min(n, 10_000), replace=False)][None]
    rows = []

    def row(name, read, colors, took, palette):
        shown = smalti.apply_palette(image, palette, space="srgb", dither="none").to_array()
        rows.append([name, read, colors, took, mse(image, shown)])

    def rounded(model):
        return np.rint(model.cluster_centers_).astype(np.uint8)

    floats, rgb = np.float32(points), {"space": "srgb", "threads": 1}
    took, model = seconds(lambda: KMeans(K, n_init=1, random_state=0).fit(floats), RUNS)
    row("scikit-learn KMeans, all pixels", n * model.n_iter_, n, took, rounded(model))
    took, model = seconds(lambda: MiniBatchKMeans(K, n_init=1, random_state=0).fit(floats), RUNS)
    read = model.n_steps_ * model.batch_size
    row("scikit-learn MiniBatchKMeans", read, model.batch_size, took, rounded(model))
    took, small = seconds(lambda: smalti.quantize(sample, K, **rgb, dither="none"), RUNS)
    distinct = len(smalti.Histogram.of(sample).colors)
    row("smalti, 10,000 random pixels", sample.shape[1], distinct, took, small.palette)
    distinct = len(smalti.Histogram.of(image).colors)
    for name, options in {"smalti, plain Lloyd": rgb | {"effort": "lloyd"}, "smalti": rgb}.items():
        took, palette = seconds(
            lambda options=options: smalti.build_palette(image, K, **options), RUNS
        )
        row(f"{name}, histogram of all pixels", n, distinct, took, palette)
    header = ["palette from", "pixels read for the means", "colors per iteration, at most",
              "CPU seconds", "MSE of all pixels"]  # fmt: skip
    recipe.table("reads", header, rows, ["", ",", ",", ".3f", ".2f"])
    recipe.fact("scikit-learn", sklearn.__version__)
    recipe.fact("distinct", distinct, ",")
    recipe.fact("read-often", rows[0][1], ",")
    recipe.fact("read-once", rows[-1][1], ",")


def three_channels(recipe, points):
    """Red and green alone: blue stays what the array was made with, 0."""
    two = points.copy()
    two[:, 2] = 0
    centroids, labels, _ = kmeans(two, random_seeds(two, K, 0))
    recipe.fact("two-channels", ((points - centroids[labels]) ** 2).sum(1).mean(), ",.0f")
    _, _, costs = kmeans(points, random_seeds(points, K, 0))
    recipe.fact("three-channels", costs[-1], ",.0f")
    recipe.fact("ten-iterations", 100 * (costs[min(10, len(costs) - 1)] / costs[-1] - 1), ".1f")
    recipe.fact("until-still", len(costs) - 1)


def starts(recipe, points, runs=5):
    """Starts mixed from the first ten pixels, whose lost clusters turn black; and others."""
    corner, anywhere = [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, 10, (K, 3))
        mixed = np.stack([points[rows[:, c], c] for c in range(3)], axis=1)
        corner.append(ten_iterations(points, mixed, empty_at_zero=True))
        seeds = random_seeds(points, K, seed)
        anywhere.append(ten_iterations(points, seeds, empty_at_zero=False))
    rows = []
    for name, found in (("first ten pixels, channels mixed, empty clusters at 0", corner),
                        ("random colors of the image, empty clusters stay", anywhere)):  # fmt: skip
        costs, used, black = zip(*found, strict=True)
        rows.append([name, np.mean(costs), min(used), max(black)])
    image = points.astype(np.uint8)[None]
    small = smalti.quantize(
        image, K, space="srgb", effort="lloyd", tol=0, max_iter=10, dither="none"
    )
    used, black = len(np.unique(small.indices)), int((small.palette == 0).all(axis=1).sum())
    rows.append(["smalti, plain Lloyd, one start", small.fit.distortion, used, black])
    header = [f"16 colors, 10 iterations, {runs} starts", "mean MSE", "fewest colors used",
              "most black entries"]  # fmt: skip
    recipe.table("starts", header, rows, ["", ".1f", "", ""])
    recipe.fact("used-fewest", rows[0][2])


def ten_iterations(points, centroids, empty_at_zero):
    """Return J, the number of clusters in use, and how many centroids lie at black."""
    labels, _ = closest(points, centroids)
    for _ in range(10):
        centroids = update(points, labels, centroids)
        if empty_at_zero:
            centroids[np.bincount(labels, minlength=K) == 0] = 0
        labels, d2 = closest(points, centroids)
    black = (centroids == 0).all(axis=1).sum()
    return d2.mean(), len(np.unique(labels)), int(black)


def new_data(recipe, image):
    """Pixels that were not there when the palette was made go to the nearest known color."""
    left, right = np.array_split(image, 2, axis=1)
    known = smalti.build_palette(left, K)
    taken = smalti.apply_palette(right, known, dither="none")
    own = smalti.quantize(right, K, dither="none")
    together = smalti.Histogram.of(left) + smalti.Histogram.of(right)
    both = smalti.apply_palette(right, smalti.build_palette(together, K), dither="none")
    for key, small in (("new-known", taken), ("new-own", own), ("new-both", both)):
        recipe.fact(key, mse(right, small.to_array()), ",.0f")


def main():
    recipe = Recipe(__file__, __doc__)
    image = recipe.image()
    bit_by_bit(recipe, image)
    for_devices(recipe, recipe.image(40_000))
    who_reads_what(recipe, image)
    small = recipe.image(20_000)
    recipe.fact("details-pixels", f"{small.shape[1]} × {small.shape[0]}")
    points = small.reshape(-1, 3).astype(np.float64)
    three_channels(recipe, points)
    starts(recipe, points)
    new_data(recipe, image)
    somebody = sys.stdin.isatty() and not recipe.pages
    k = ask(input(f"How many colors? [{K}] ") if somebody else "")
    smalti.quantize(image, k, dither="none").save(recipe.files / f"compressed_{k}_colors.png")
    recipe.fact("asked", k)
    recipe.done()


if __name__ == "__main__":
    main()
