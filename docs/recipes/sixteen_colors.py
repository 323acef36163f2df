"""Sixteen colors, and the questions around them: size, time, stopping, entropy, seconds saved.

    python docs/recipes/sixteen_colors.py [IMAGE]

The page beside it, sixteen_colors.md, tells what the numbers mean.
"""

import functools
from pathlib import Path

import numpy as np
import sklearn.datasets
from kit import Recipe, bundled, crop, mse, png24, seconds, titled
from sklearn.cluster import KMeans

import smalti
from smalti import metrics

K = 16
SHOWN = (200, 260)  # height and width of the middle that is shown, pixel by pixel
CHINA = Path(sklearn.datasets.__file__).with_name("images") / "china.jpg"
RUNS = 3  # the lowest time counts
BANDS = np.uint8([[200, 60, 50], [225, 125, 60], [60, 120, 190], [70, 150, 90]])


def sixteen(recipe, image):
    """The whole listing, with scikit-learn and with smalti."""
    points = image.reshape(-1, 3).astype(np.float32)
    took, model = seconds(lambda: KMeans(K, n_init=1, random_state=0).fit(points))
    centers = np.rint(model.cluster_centers_).astype(np.uint8)
    theirs = centers[model.labels_].reshape(image.shape)
    ours_took, small = seconds(
        lambda: smalti.quantize(image, K, space="srgb", threads=1, dither="none"), RUNS
    )
    ours = small.to_array()
    rows = [["scikit-learn `KMeans(16, n_init=1).fit`", took, mse(image, theirs)],
            ['`smalti.quantize(image, 16, space="srgb")`', ours_took, mse(image, ours)],
    ]  # fmt: skip
    recipe.table("sixteen", ["16 colors", "CPU seconds", "MSE"], rows, ["", ".3f", ".1f"])
    pictures = {"the picture": image, "scikit-learn, 16 colors": theirs, "smalti, 16 colors": ours}
    recipe.picture("sixteen", titled([(name, crop(x, *SHOWN)) for name, x in pictures.items()]))
    recipe.fact("psnr", metrics.psnr(image, ours), ".1f")
    recipe.fact("ssim", metrics.ssim(image, ours), ".2f")


def similar_not_identical(recipe, image):
    """How different the colors are that share one cluster."""
    small = smalti.quantize(image, K, dither="none")
    histogram = smalti.Histogram.of(image)
    labels = smalti.apply_palette(histogram.colors[None], small.palette, dither="none").indices[0]
    recipe.fact("colors-per-cluster", int(np.median(np.bincount(labels))), ",")
    differences = metrics.delta_e(image, small.to_array())
    recipe.fact("widest", differences.max(), ".0f")
    recipe.fact("identical", int((image == small.to_array()).all(axis=2).sum()), ",")
    recipe.fact("pixels", differences.size, ",")


def size_over_k(recipe, image):
    """Bytes for every k: they usually grow with k; every exception is counted."""
    ks = range(2, 65)
    sizes, plain = {}, {}
    for k in ks:
        small = smalti.quantize(image, k, dither="none")
        sizes[k], plain[k] = len(small.encoded("PNG")), len(png24(small.to_array()))
    rows = [[k, plain[k], sizes[k]] for k in (2, 4, 8, 16, 32, 64)]
    recipe.table("sizes", ["k", "24-bit PNG", "indexed PNG"], rows, ["", ",", ","])
    for name, found in (("indexed", sizes), ("24-bit", plain)):
        smaller = [k for k in ks[1:] if found[k] < found[k - 1]]
        recipe.fact(f"exceptions-{name}", len(smaller))
        recipe.fact(f"steps-{name}", len(ks) - 1)
        k = max(smaller, key=lambda k: found[k - 1] - found[k], default=None)
        example = f"{found[k - 1]:,} bytes at k = {k - 1}, {found[k]:,} at k = {k}" if k else "none"
        recipe.fact(f"example-{name}", example)
    recipe.fact("sixteen-24-bit", plain[K], ",")
    recipe.fact("sixteen-indexed", sizes[K], ",")


def a_photograph_grows(recipe):
    """A JPEG of a photograph in 100 colors: as PNG of 24 bits, and indexed."""
    small = smalti.quantize(bundled("china.jpg"), 100, dither="none")
    recipe.fact("china-jpeg", CHINA.stat().st_size, ",")
    recipe.fact("china-24-bit", len(png24(small.to_array())), ",")
    recipe.fact("china-indexed", len(small.encoded("PNG")), ",")


def time_over_k_and_pixels(recipe, image):
    """CPU time grows with both, but not alike: pixels are read once, distances avoided."""
    quarter = np.ascontiguousarray(image[::2, ::2])
    rows = []
    for k in (4, 16, 64, 256):
        row = [k]
        for pixels in (quarter, image):
            points = pixels.reshape(-1, 3).astype(np.float32)
            model = KMeans(k, n_init=1, max_iter=10, tol=0, random_state=0)
            row.append(seconds(functools.partial(model.fit, points))[0])
            ours = functools.partial(smalti.quantize, pixels, k, threads=1)
            row.append(seconds(ours, RUNS)[0])
        rows.append([row[0], row[1], row[3], row[2], row[4]])
    recipe.fact("k-times", rows[-1][0] // rows[0][0])
    recipe.fact("slower-scikit-learn", rows[-1][2] / rows[0][2], ".0f")
    recipe.fact("slower-smalti", rows[-1][4] / rows[0][4], ".1f")
    recipe.fact("pixels-times", image.size / quarter.size, ".0f")
    recipe.fact("larger-scikit-learn", span([row[2] / row[1] for row in rows]))
    recipe.fact("larger-smalti", span([row[4] / row[3] for row in rows]))
    header = ["k", "scikit-learn, ¼ of the pixels, s", "all pixels, s", "smalti, ¼, s", "all, s"]
    recipe.table("times", header, rows, ["", ".2f", ".2f", ".3f", ".3f"])


def span(values):
    return f"{min(values):.1f} to {max(values):.1f}"


def why_it_stops(recipe, image):
    """Every reason that a run can have, and how long it took to get there."""
    lloyd = {"effort": "lloyd", "space": "srgb"}
    few = np.ascontiguousarray(image[:2, :2])  # at most four colors
    runs = [
        ("nothing moved any more: `tol=0, max_iter=10_000`", image, {"tol": 0, "max_iter": 10_000}),
        ("no centroid moved further than `tol=0.5`", image, {"tol": 0.5}),
        ("`max_iter=10`", image, {"tol": 0, "max_iter": 10}),
        ("as many colors as the image has", few, {}),
        ('the budget of `effort="default"` is spent', image, {"effort": "default"}),
    ]
    rows = []
    for name, pixels, options in runs:
        fit = smalti.quantize(pixels, K, **{**lloyd, **options}, dither="none").fit
        rows.append([name, f"`{fit.stop_reason}`", fit.iterations, fit.distortion])
    recipe.fact("searched", 100 * (rows[-1][-1] / rows[0][-1] - 1), "+.2f")
    recipe.table("stops", ["stops when", "stop_reason", "iterations", "distortion"], rows,
                 ["", "", "", ".1f"])  # fmt: skip


def drawn_regions(side=120):
    """Draw a picture whose truth is known: bands of four colors, unequal, with grain."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:side, 0:side]
    wave = (y + 12 * np.sin(x / 15)) / side
    truth = np.searchsorted([0.2, 0.35, 0.7], wave)
    noisy = BANDS[truth] + rng.normal(0, 22, (side, side, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), truth


def against_the_truth(recipe):
    """Entropy, purity and best-match accuracy of clusters whose truth is known."""
    image, truth = drawn_regions()
    rows = []
    distinct = len(smalti.Histogram.of(image).colors)
    for k in (2, 3, 4, 8, 16, 256, distinct):
        labels = smalti.quantize(image, k, space="srgb", dither="none").indices.ravel()
        given = truth.ravel()
        rows.append([k, metrics.cluster_entropy(labels, given), 100 * metrics.purity(labels, given),
                     100 * metrics.matched_accuracy(labels, given)])  # fmt: skip
    every = np.arange(truth.size)  # a cluster for every pixel says nothing, and scores best
    rows.append([f"{truth.size:,} (one per pixel)", metrics.cluster_entropy(every, truth.ravel()),
                 100 * metrics.purity(every, truth.ravel()),
                 100 * metrics.matched_accuracy(every, truth.ravel())])  # fmt: skip
    header = ["k", "entropy, bits", "purity, %", "best-match accuracy, %"]
    recipe.table("truth", header, rows, [",", ".3f", ".1f", ".1f"])
    four = smalti.quantize(image, 4, space="srgb", dither="none").to_array()
    pictures = [("the truth", BANDS[truth]), ("the noisy picture", image), ("k = 4", four)]
    recipe.picture("truth", titled(pictures))
    recipe.fact("entropy-all", rows[-1][1], ".3f")
    recipe.fact("accuracy-all", rows[-1][3], ".1f")
    recipe.fact("accuracy-four", rows[2][3], ".1f")


def bytes_of_labels(recipe, image, k=300):
    """Labels of 8 bits hold 256 numbers; those above wrap round and show other colors."""
    small = smalti.quantize(image, k, dither="none")
    wrapped = small.palette[small.indices.astype(np.uint8)]
    recipe.fact("wrapped", int((small.indices > 255).sum()), ",")
    recipe.fact("wrapped-mse", mse(image, wrapped), ",.0f")
    recipe.fact("right-mse", mse(image, small.to_array()), ",.0f")
    recipe.fact("labels-dtype", str(small.indices.dtype))


def seconds_saved(recipe, image):
    """What a page or a backup gains, at 2 and at 20 megabits per second."""
    original, small = (
        len(png24(image)),
        len(smalti.quantize(image, K, dither="none").encoded("PNG")),
    )
    rows = []
    for name, size in (("the original, 24-bit PNG", original), ("16 colors, indexed PNG", small),
                       ("saved", original - small)):  # fmt: skip
        rows.append([name, size, *(size * 8 / (rate * 1e6) for rate in (2, 20))])
    header = ["", "bytes", "seconds at 2 Mbit/s", "seconds at 20 Mbit/s"]
    recipe.table("saved", header, rows, ["", ",", ".2f", ".3f"])
    recipe.fact("saved-at-2", rows[-1][2], ".1f")
    recipe.fact("saved-at-20", rows[-1][3], ".2f")


def main():
    recipe = Recipe(__file__, __doc__)
    image = recipe.image()
    sixteen(recipe, image)
    similar_not_identical(recipe, image)
    size_over_k(recipe, recipe.image(160_000))
    a_photograph_grows(recipe)
    time_over_k_and_pixels(recipe, image)
    why_it_stops(recipe, image)
    bytes_of_labels(recipe, image)
    seconds_saved(recipe, image)
    against_the_truth(recipe)
    recipe.done()


if __name__ == "__main__":
    main()
