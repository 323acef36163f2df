"""OpenCV's cv2.kmeans beside smalti: criteria, attempts, centers, compactness, and rounding.

    python docs/recipes/opencv.py [IMAGE]

The page beside it, opencv.md, tells what the numbers mean.
"""

import bisect

import cv2
import numpy as np
from kit import Recipe, mse, seconds, titled

import smalti

PIXELS = 160_000
KS = (2, 8, 25, 100)
# Whichever comes first: 10 iterations, or an iteration in which no center moved further than 1.0.
CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
UNTIL_STILL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 1000, 0.0)


def samples(image):
    """Return what cv2.kmeans takes: two dimensions, one row per pixel, float32."""
    return image.reshape(-1, 3).astype(np.float32)


def tutorial(points, k, attempts=10, centers=cv2.KMEANS_RANDOM_CENTERS):
    """Return compactness, labels (N, 1) and centers (k, 3) of the usual call."""
    cv2.setRNGSeed(1)
    return cv2.kmeans(points, k, None, CRITERIA, attempts, centers)


def four_pictures(recipe, image, points):
    """Take k = 2, 8, 25 and 100: compactness, both ways to 8 bits, and smalti."""
    rows, pictures, worse = [], [], 0
    for k in KS:
        took, (compactness, labels, centers) = seconds(lambda k=k: tutorial(points, k))
        truncated = np.uint8(centers)[labels.ravel()].reshape(image.shape)
        rounded = np.uint8(np.rint(centers))[labels.ravel()].reshape(image.shape)
        ours_took, ours = seconds(
            lambda k=k: smalti.quantize(image, k, space="srgb", threads=1, dither="none")
        )
        per_pixel = compactness / len(points)
        rows.append([k, compactness, per_pixel, mse(image, truncated), mse(image, rounded),
                     mse(image, ours.to_array()), took, ours_took])  # fmt: skip
        pictures.append((f"cv2.kmeans, k = {k}", np.ascontiguousarray(rounded[::2, ::2])))
        worse += rounding_is_worse(points, labels.ravel(), k)
    recipe.table(
        "four",
        ["k", "compactness", "÷ pixels", "MSE truncated", "MSE rounded", "MSE smalti",
         "cv2, s", "smalti, s"],
        rows, ["", ",.0f", ".1f", ".2f", ".2f", ".2f", ".2f", ".3f"],
    )  # fmt: skip
    recipe.fact("clusters", sum(KS))
    recipe.fact("clusters-worse", worse)
    gained = [row[3] - row[4] for row in rows]
    recipe.fact("rounding-least", min(gained), ".2f")
    recipe.fact("rounding-most", max(gained), ".2f")
    labels_shape = tutorial(points[:100], 2)[1].shape
    recipe.fact("labels-shape", f"{labels_shape} for 100 pixels")
    recipe.picture("four", titled(pictures))


def rounding_is_worse(points, labels, k):
    """Count the clusters whose points are further from their rounded mean than from the truncated.

    There are none: in each channel, the sum of squares grows with the distance from the mean.
    """
    worse = 0
    for members in (points[labels == j].astype(np.float64) for j in range(k)):
        mean = members.mean(axis=0)
        rounded, truncated = (((members - x) ** 2).sum() for x in (np.rint(mean), np.trunc(mean)))
        worse += rounded > truncated
    return int(worse)


def compactness_is_a_sum(recipe, points):
    """Recompute what cv2.kmeans returns first, from the other two things that it returns."""
    compactness, labels, centers = tutorial(points, 8)
    to_center = ((points.astype(np.float64) - centers[labels.ravel()]) ** 2).sum()
    recipe.fact("compactness", compactness, ",.0f")
    recipe.fact("sum-of-squares", to_center, ",.0f")
    recipe.fact("standard-deviation", points.std(), ".1f")
    recipe.fact("root-mean-square", np.sqrt(compactness / len(points)), ".1f")


def iterations(points, k, eps=1.0, most=100):
    """Return how many iterations one run of cv2.kmeans takes until no center moves further.

    OpenCV does not tell. It is the smallest limit with which the run ends where it ends with the
    largest limit that OpenCV knows.
    """

    def end(limit):
        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, limit, eps)
        cv2.setRNGSeed(1)
        return cv2.kmeans(points, k, None, criteria, 1, cv2.KMEANS_RANDOM_CENTERS)[0]

    goal = end(most)
    return 1 + bisect.bisect_left(range(1, most), True, key=lambda limit: end(limit) == goal)


def when_it_stops(recipe, image, points, ks=(2, 25)):
    """Iterations until the largest shift is at most eps; smalti's tol is the same quantity."""
    rows = []
    options = {"init": "random", "n_init": 1, "space": "srgb", "seed": 1, "max_iter": 10_000}
    for k in ks:
        for eps in (1.0, 0.5, 0.1, 0.0):
            *_, last = smalti.steps(image, k, tol=eps, **options)
            rows.append([k, eps, last.iteration, last.shift, last.distortion])
    recipe.table("stops", ["k", "eps", "iterations", "last shift", "distortion"], rows,
                 ["", ".1f", "", ".2f", ".2f"])  # fmt: skip
    recipe.fact("eps-one-two", iterations(points, 2))
    recipe.fact("eps-one-cv2", iterations(points, 25))
    recipe.fact("eps-one", rows[4][2])
    recipe.fact("eps-zero", rows[7][2])


def attempts_and_centers(recipe, points, k=25):
    """Ten single attempts of each kind of start: attempts=10 keeps the lowest."""
    rows = []
    for name, centers in (("random", cv2.KMEANS_RANDOM_CENTERS), ("++", cv2.KMEANS_PP_CENTERS)):
        cv2.setRNGSeed(1)
        single = [cv2.kmeans(points, k, None, CRITERIA, 1, centers)[0] for _ in range(10)]
        rows.append([name, *(x / len(points) for x in (min(single), np.mean(single), max(single)))])
    recipe.table("attempts", ["centers", "lowest", "mean", "highest"], rows, ["", *[".1f"] * 3])


def same_start_same_end(recipe, image, points, k=16):
    """Both run Lloyd's algorithm: from the same start until nothing moves, they end the same."""
    seeds = smalti.quantize(
        image, k, space="srgb", effort="lloyd", max_iter=0, dither="none"
    ).palette
    start = (
        smalti.apply_palette(image, seeds, space="srgb", dither="none")
        .indices.reshape(-1, 1)
        .astype(np.int32)
    )
    flags = cv2.KMEANS_USE_INITIAL_LABELS
    compactness, labels, centers = cv2.kmeans(points, k, start.copy(), UNTIL_STILL, 1, flags)
    ours = smalti.quantize(image, k, space="srgb", effort="lloyd", init=seeds, tol=0,
                           max_iter=1000, dither="none")  # fmt: skip
    recipe.fact("same-distortion-cv2", compactness / len(points), ".4f")
    recipe.fact("same-distortion-smalti", ours.fit.distortion, ".4f")
    recipe.fact("same-centers", np.abs(ours.fit.centroids - centers).max(), ".3f")
    rounded = np.floor(centers + 0.5)  # halves go up, as in smalti
    recipe.fact("same-palette", int((ours.palette != rounded).any(axis=1).sum()))
    same = (labels.ravel() == ours.indices.ravel()).mean()
    recipe.fact("same-pixels", 100 * same, ".2f")


def channel_order(recipe, image, k=16):
    """OpenCV's arrays are BGR: what happens to those who forget, and to those who do not."""
    bgr = np.ascontiguousarray(image[..., ::-1])  # as cv2.imread would have read the file
    right = smalti.quantize(bgr, k, channels="bgr", dither="none")
    recipe.fact(
        "bgr-told",
        int((right.to_array() != smalti.quantize(image, k, dither="none").to_array()).sum()),
    )
    recipe.fact("bgr-shown", mse(image, bgr), ",.0f")
    forgot = smalti.quantize(bgr, k, dither="none").to_array()[
        ..., ::-1
    ]  # the right colors, the wrong distance
    error = smalti.metrics.distortion(image, right.to_array(), "oklab")
    worse = smalti.metrics.distortion(image, forgot, "oklab") / error
    recipe.fact("bgr-forgotten", 100 * (worse - 1), ".0f")
    forgot = smalti.quantize(bgr, k, space="srgb", effort="lloyd", dither="none").to_array()[
        ..., ::-1
    ]
    plain = smalti.quantize(image, k, space="srgb", effort="lloyd", dither="none").to_array()
    recipe.fact("bgr-srgb", 100 * (mse(image, forgot) / mse(image, plain) - 1), ".2f")


def at_most_k(recipe):
    """Take k as an upper bound: three colors cannot fill eight clusters."""
    three = np.uint8([[[200, 30, 30], [30, 200, 30], [30, 30, 200]] * 5])
    centers = tutorial(samples(three), 8)[2]
    recipe.fact("three-centers", len(centers))
    recipe.fact("three-distinct", len(np.unique(np.rint(centers), axis=0)))
    recipe.fact("three-smalti", len(smalti.quantize(three, 8, dither="none").palette))


def no_new_class(recipe, image, k=8):
    """A color like no other joins the nearest class: nothing in k-means opens another."""
    palette = smalti.quantize(image, k, space="srgb", dither="none").palette
    stranger = np.uint8([[[255, 0, 255]]])
    found = smalti.apply_palette(stranger, palette, space="srgb", dither="none")
    recipe.fact("stranger-row", int(found.indices[0, 0]))
    recipe.fact("stranger-distance", np.sqrt(mse(stranger, found.to_array())), ".0f")


def one_by_one(points, seeds):
    """The running average: each point moves its nearest center at once (MacQueen 1967)."""
    centers, counts = seeds.astype(np.float64), np.ones(len(seeds))
    for point in points:
        j = ((centers - point) ** 2).sum(1).argmin()
        counts[j] += 1
        centers[j] += (point - centers[j]) / counts[j]
    return centers


def online_and_batch(recipe, image, k=16):
    """One pass of the running average depends on the order; the batch means of Lloyd do not."""
    while image.shape[0] * image.shape[1] > 10_000:
        image = image[::2, ::2]
    points = samples(image)
    seeds = smalti.quantize(image, k, space="srgb", init="random", effort="lloyd", n_init=1,
                            max_iter=0, dither="none").palette  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(len(points))
    orders = {"rows from the top": slice(None), "rows from the bottom": slice(None, None, -1)}
    rows = []
    for name, order in (orders | {"shuffled": shuffled}).items():
        online = one_by_one(points[order], seeds)
        start = points[order].reshape(1, -1, 3).astype(np.uint8)
        batch = smalti.quantize(
            start, k, space="srgb", init=seeds, tol=0, dither="none"
        ).fit.distortion
        d2 = np.stack([((points - center) ** 2).sum(1) for center in online]).min(0)
        rows.append([name, d2.mean(), batch])
    recipe.table("online", ["order of the pixels", "running average, one pass", "batch, converged"],
                 rows, ["", ".1f", ".1f"])  # fmt: skip


def main():
    recipe = Recipe(__file__, __doc__)
    cv2.setNumThreads(1)  # as everybody whose time is taken
    image = recipe.image(PIXELS)
    points = samples(image)
    four_pictures(recipe, image, points)
    compactness_is_a_sum(recipe, points)
    when_it_stops(recipe, image, points)
    attempts_and_centers(recipe, points)
    same_start_same_end(recipe, image, points)
    channel_order(recipe, image)
    at_most_k(recipe)
    no_new_class(recipe, image)
    online_and_batch(recipe, image)
    recipe.done()


if __name__ == "__main__":
    main()
