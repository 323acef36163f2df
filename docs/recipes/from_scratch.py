"""k-means from scratch, in NumPy: seeds, closest centroids, update, and stop when nothing moves.

    python docs/recipes/from_scratch.py [IMAGE]

The page beside it, from_scratch.md, tells what the numbers mean.
"""

import inspect
import math
import sys
from itertools import pairwise

import numpy as np
from kit import Recipe, measure, titled

import smalti
from smalti import choose, color, metrics, plots

PIXELS = 40_000  # plain NumPy compares every pixel with every centroid: keep the picture small
LIMIT = 500  # iterations, should it never end
MOST = 256  # colors, of a palette
ELBOW_LIMIT, HUNDRED_LIMIT = 15, 20  # iterations where the last few change little


def random_seeds(points, k, seed):
    """Return k different colors of the image, or all it has, drawn at random: (k, 3) float64."""
    colors = np.unique(points, axis=0)  # two pixels can have one color, and two seeds must not
    return np.random.default_rng(seed).choice(colors, min(k, len(colors)), replace=False)


def squared(points, centroid):
    """Squared Euclidean distance: what the mean is the best answer to."""
    return ((points - centroid) ** 2).sum(axis=1)


def city_block(points, centroid):
    """L1 distance: what the median, channel by channel, is the best answer to."""
    return np.abs(points - centroid).sum(axis=1)


def closest(points, centroids, distance=squared):
    """Return the row of the closest centroid for every point, and the distance to it."""
    table = np.stack([distance(points, centroid) for centroid in centroids])
    return table.argmin(axis=0), table.min(axis=0)


def update(points, labels, centroids, center=np.mean):
    """Return the center of each cluster's points; a cluster without points stays where it is."""
    moved = centroids.copy()
    for j in range(len(centroids)):
        if (labels == j).any():
            moved[j] = center(points[labels == j], axis=0)
    return moved


def kmeans(points, centroids, distance=squared, center=np.mean, limit=LIMIT):
    """Return centroids and labels, and J after each iteration: the mean distance, reassigned.

    It ends when no label changed: then the centers are what they were, and so is all that follows.
    """
    labels, d = closest(points, centroids, distance)
    costs = [d.mean()]
    for _ in range(limit):
        centroids = update(points, labels, centroids, center)
        before, (labels, d) = labels, closest(points, centroids, distance)
        costs.append(d.mean())
        if np.array_equal(labels, before):  # arrays are compared, not their printed text
            break
    return centroids, labels, costs


def rises(costs):
    """How often J rose, by more than floating point can be blamed for."""
    return sum(b > a * (1 + 1e-9) for a, b in pairwise(costs))


def compare_distances(recipe, points, k=16, starts=5):
    """Squared distance with the mean, L1 with the mean, L1 with the median, from the same seeds."""
    kinds = {
        "squared distance, mean": (squared, np.mean),
        "L1, mean": (city_block, np.mean),
        "L1, median": (city_block, np.median),
    }
    runs = {name: [kmeans(points, random_seeds(points, k, seed), *kind) for seed in range(starts)]
            for name, kind in kinds.items()}  # fmt: skip
    first = [squared(points, c[labels]).mean() for c, labels, _ in runs["squared distance, mean"]]
    rows = []
    for name, found in runs.items():
        error = [squared(points, centroids[labels]).mean() for centroids, labels, _ in found]
        more = 100 * (np.mean(error) / np.mean(first) - 1)
        steps = [len(costs) - 1 for _, _, costs in found]
        up = [rises(costs) for _, _, costs in found]
        rows.append([name, span(steps), span(up), np.mean(error), more])
    recipe.table(
        "distances",
        ["distance, center", "iterations", "of them J rises", "final MSE", "more MSE, %"],
        rows, ["", "", "", ".1f", "+.1f"],
    )  # fmt: skip
    recipe.fact("distance-pixels", len(points), ",")
    mixed = [rises(costs) for _, _, costs in runs["L1, mean"]]
    recipe.fact("mixed-rises-fewest", min(mixed))
    recipe.fact("mixed-rises-most", max(mixed))
    others = (rises(run[2]) for name in runs if name != "L1, mean" for run in runs[name])
    recipe.fact("matched-rises", max(others))
    worst = int(np.argmax(mixed))  # the start that shows it best
    return {name: found[worst][2] for name, found in runs.items()}


def span(values):
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def draw_costs(costs):
    """J after each iteration, relative to the lowest of its run."""
    with plots.style():
        figure = plots.new_figure(6.4, 3.2)
        axes = figure.add_subplot(xlabel="iteration", ylabel="J / lowest J of the run")
        colors = (plots.BLUE, plots.RED, plots.GREEN)
        for (name, js), color in zip(costs.items(), colors, strict=True):
            axes.plot(np.array(js) / min(js), color=color, label=name)
        axes.set_ylim(0.9995, 1.015)
        axes.set_title("Only the mixture of L1 and mean climbs again", fontsize=10)
        axes.legend(frameon=False)
    return figure


def elbow(recipe, points, ks=(1, 2, 4, 8, 16, 32, 64)):
    """J over k, from scratch; then where it really is 0."""
    costs = [min(kmeans(points, random_seeds(points, k, seed), limit=ELBOW_LIMIT)[2][-1]
                 for seed in (0, 1)) for k in ks]  # fmt: skip
    recipe.fact("elbow-limit", ELBOW_LIMIT)
    recipe.table("elbow", ["k", "J"], zip(ks, costs, strict=True), ["", ",.1f"])
    with plots.style():
        figure = plots.new_figure(6.4, 3.2)
        left, right = figure.subplots(1, 2)
        for axes, scale in ((left, "linear"), (right, "log")):
            axes.plot(ks, costs, "o-", color=plots.BLUE, markersize=4)
            axes.set_xscale(scale)
            axes.set_yscale(scale)
            if scale == "log":
                axes.set_xticks(ks, [str(k) for k in ks])
                axes.minorticks_off()
            axes.set_xlabel("k")
            axes.set_ylabel("J")
            axes.set_title(f"{scale} axes", fontsize=10)
    recipe.picture("elbow", figure)


def opinions(recipe, image):
    """What four rules say about k: each answers a question of its own."""
    choice = smalti.choose_k(image, max_k=MOST)
    rows = [[method, f"> {MOST}" if k is None else k]
            for method, k in choice.suggestions.items()]  # fmt: skip
    recipe.table("opinions", ["`smalti.choose_k`, method", "k"], rows)
    recipe.fact("chosen", f"{choice}")


def distinct_colors(recipe, image):
    """J is 0 once every distinct color is a centroid: far below one per pixel."""
    histogram = smalti.Histogram.of(image)
    pixels, distinct = image.shape[0] * image.shape[1], len(histogram.colors)
    recipe.fact("pixels", pixels, ",")
    recipe.fact("distinct", distinct, ",")
    all_colors = smalti.quantize(image, min(distinct, 65_536), dither="none")
    recipe.fact("j-at-distinct", metrics.distortion(image, all_colors.to_array()), "g")


def hundred_colors(recipe, image, points):
    """100 colors: what "95 % visible" could mean, by five measures that have a definition."""
    centroids, labels, _ = kmeans(points, random_seeds(points, 100, 0), limit=HUNDRED_LIMIT)
    ours = np.rint(centroids).astype(np.uint8)[labels].reshape(image.shape)
    better = smalti.quantize(image, 100, dither="none").to_array()
    found = [["from scratch, random seeds", *judge(image, ours)],
             ["`smalti.quantize(image, 100)`", *judge(image, better)]]  # fmt: skip
    header = ["100 colors", "share of the colors kept, %", "PSNR, dB", "SSIM", "SSIMULACRA2",
              "pixels within ΔE 2.3 (1976), %", "within 0.02 in Oklab (`choose_k`), %"]  # fmt: skip
    share = 100 * min(1, 100 / len(np.unique(points, axis=0)))
    rows = [[name, share, *numbers] for name, *numbers in found]
    recipe.table("hundred", header, rows,
                 ["", ".1f", ".1f", ".3f", ".1f", ".0f", ".0f"])  # fmt: skip
    recipe.fact("hundred-limit", HUNDRED_LIMIT)
    recipe.fact("within", found[0][-2], ".0f")
    recipe.fact("within-smalti", found[1][-2], ".0f")
    recipe.fact("within-oklab", found[0][-1], ".0f")
    pictures = [("the picture", image), ("100 colors from scratch", ours),
                ("smalti.quantize(image, 100)", better)]  # fmt: skip
    recipe.picture("hundred", titled(pictures))


def judge(image, result):
    """PSNR, SSIM, SSIMULACRA2 (None without its package), and two shares of unnoticed pixels."""
    unnoticed = metrics.delta_e(image, result, "1976") <= metrics.JUST_NOTICEABLE
    first, second = (color.to_points(x.reshape(-1, 3), "oklab") for x in (image, result))
    distance = np.sqrt(((first.astype(float) - second) ** 2).sum(axis=1)) / color.UNITS["oklab"]
    near = distance <= choose.JUST_NOTICEABLE
    try:
        similar = measure.ssimulacra2(image, result)
    except ImportError:
        similar = None
    return (metrics.psnr(image, result), metrics.ssim(image, result), similar,
            100 * unnoticed.mean(), 100 * near.mean())  # fmt: skip


def watch(recipe, image):
    """Watch one image: the library hands over every iteration while it runs."""
    log = []
    for step in smalti.steps(image, 16, init="random", space="srgb", tol=0, max_iter=1000):
        log.append(step)
        line = bar(step, log[0].moved)
        end = "" if sys.stdout.isatty() and not step.stop_reason else "\n"
        if sys.stdout.isatty() or step.stop_reason:  # a log keeps the last line only
            print(f"\r{line}    ", end=end, flush=True)
    recipe.listing("bar", bar(log[min(9, len(log) - 1)], log[0].moved) if log else "no iteration")
    falls = all(b.distortion <= a.distortion for a, b in pairwise(log))
    recipe.fact("library-iterations", len(log))  # none if the image has no more than 16 colors
    recipe.fact("library-stop", log[-1].stop_reason if log else "exact")
    recipe.fact("library-falls", "never rises" if falls else "rises")


def bar(step, first):
    """Return a line of progress: full when no pixel moves, empty when as many as at `first`."""
    still = math.floor(30 * (1 - step.moved / max(first, step.moved, 1)))
    return (f"[{'#' * still:30}] iteration {step.iteration}, J {step.distortion:,.1f}, "
            f"{step.moved:,} pixels moved")  # fmt: skip


def code(*functions):
    """Return these functions as the page shows them: as they are in this file."""
    head = f"import numpy as np\n\nLIMIT = {LIMIT}  # iterations, should it never end\n"
    return "\n\n".join([head, *map(inspect.getsource, functions)])


def main():
    recipe = Recipe(__file__, __doc__)
    image = recipe.image(PIXELS)  # (H, W, 3), in RGB order: OpenCV would have read BGR
    points = image.reshape(-1, 3).astype(np.float64)  # one row per pixel
    fewer = recipe.image(PIXELS // 4).reshape(-1, 3).astype(np.float64)
    recipe.picture("distances", draw_costs(compare_distances(recipe, fewer)))
    elbow(recipe, points)
    opinions(recipe, image)
    distinct_colors(recipe, image)
    hundred_colors(recipe, image, points)
    watch(recipe, image)
    recipe.listing("code", code(squared, closest, update, kmeans), "python")
    recipe.done()


if __name__ == "__main__":
    main()
