"""128 colors for 128 x 128 pixels: scikit-learn, R's kmeans and smalti, and what imsave stores.

    python docs/recipes/sklearn_128.py [IMAGE]

The page beside it, sklearn_128.md, tells what the numbers mean.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from kit import Recipe, mse, png24, seconds, titled
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

import smalti

K, SIDE = 128, 128
RUNS = 7  # the lowest time counts
RECORDED = Path(__file__).with_name("kmeans.Rout")  # what kmeans.R printed


def small_square(image):
    """Return the middle of a picture at 128 x 128 pixels."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX))


def scikit_learn(image, k, **options):
    """Return the inertia, of pixels scaled to 0..1, and the picture in k rounded colors."""
    points = image.reshape(-1, 3) / 255
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct colors than k
        model = KMeans(k, **options).fit(points)  # without .fit there are no centers
    colors = np.rint(model.cluster_centers_ * 255).astype(np.uint8)
    return model.inertia_, colors[model.labels_].reshape(image.shape), model.n_iter_


def ours(image, k, **options):
    """The same of smalti: its distortion is per pixel, in 8-bit steps."""
    small = smalti.quantize(image, k, space="srgb", threads=1, **options, dither="none")
    pixels = image.shape[0] * image.shape[1]
    return small.fit.distortion * pixels / 255**2, small.to_array(), small.fit.iterations


def recorded_runs(digest):
    """Return what R printed, as (version line, runs), if it was about these pixels; else None."""
    lines = dict.fromkeys(("version", "date", "md5"), "")
    runs = []
    for line in RECORDED.read_text().splitlines():
        key, _, rest = line.partition(" ")
        if key == "run":
            numbers, _, warning = rest.partition(" # ")
            runs.append([*map(float, numbers.split()), warning.strip()])
        else:
            lines[key] = rest.strip()
    if lines["md5"] != digest:
        return None
    return f"{lines['version']}, {lines['date']}", runs


def everybody(recipe, image, digest):
    """Inertia of each, lowest of five seeds and their mean; R's as recorded."""
    calls = {
        "scikit-learn, k-means++": lambda s: scikit_learn(image, K, n_init=1, random_state=s),
        "scikit-learn, random": lambda s: scikit_learn(image, K, init="random", n_init=1,
                                                       random_state=s),
        "smalti, plain Lloyd": lambda s: ours(image, K, effort="lloyd", seed=s),
        "smalti, default": lambda s: ours(image, K, seed=s),
        "smalti, best": lambda s: ours(image, K, effort="best", seed=s),
    }  # fmt: skip
    rows = []
    for name, call in calls.items():
        timed = [seconds(lambda s=s, call=call: call(s)) for s in range(1, 6)]
        found = [result for _, result in timed]
        js, errors = [j for j, *_ in found], [mse(image, picture) for _, picture, _ in found]
        took = np.median([t for t, _ in timed])
        rows.append([name, min(js), np.mean(js), np.mean(errors), took])
    r = recorded_runs(digest)
    if r:
        js, errors, took = ([run[i] for run in r[1]] for i in (1, 2, 4))
        rows.insert(2, ["R, `kmeans` (recorded)", min(js), np.mean(js), np.mean(errors),
                        np.median(took)])  # fmt: skip
        recipe.fact("r", r[0])
        recipe.fact("r-warned", sum(run[-1] != "none" for run in r[1]))
        recipe.fact("r-warning", next((run[-1] for run in r[1] if run[-1] != "none"), "none"))
    header = ["", "lowest inertia of 5", "mean inertia of 5", "mean MSE, 8 bits", "median CPU s"]
    recipe.table("everybody", header, rows, ["", ".2f", ".2f", ".2f", ".3f"])
    by_name = {row[0]: row for row in rows}
    recipe.fact("inertia-plus-plus", by_name["scikit-learn, k-means++"][2], ".1f")
    recipe.fact("inertia-random", by_name["scikit-learn, random"][2], ".1f")
    recipe.fact("inertia-smalti", by_name["smalti, default"][2], ".1f")
    if r:
        recipe.fact("inertia-r", np.mean([run[1] for run in r[1]]), ".1f")


def slider(recipe, image):
    """What a slider over k shows, and how long it waits for each picture."""
    pictures, rows = [], []
    for k in (2, 4, 8, 16, 32, 64, 128):
        took, small = seconds(lambda k=k: smalti.quantize(image, k, threads=1, dither="none"), RUNS)
        pictures.append((f"k = {k}", small.to_array()))
        rows.append([k, 1000 * took])
    recipe.table("slider-times", ["k", "CPU time, ms"], rows, ["", ".1f"])
    pictures.insert(0, ("the picture", image))
    recipe.picture("slider", titled(pictures, columns=4))


def what_imsave_stores(recipe, image):
    """The same pixels as matplotlib saves them, as 24-bit PNG, and as an indexed PNG."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    small = smalti.quantize(image, K, space="srgb", dither="none")
    file = recipe.files / "imsave.png"
    plt.imsave(file, small.to_array() / 255)  # floats 0..1, as the centers are
    stored = file.read_bytes()
    plain, indexed = png24(small.to_array()), small.encoded("PNG")
    rows = [
        ["`plt.imsave`", kind(stored), len(stored)],
        ["24-bit PNG", kind(plain), len(plain)],
        ["`smalti`'s indexed PNG", kind(indexed), len(indexed)],
        ["the picture itself, 24-bit PNG", kind(png24(image)), len(png24(image))],
    ]
    recipe.table("bytes", ["saved by", "stored as", "bytes"], rows, ["", "", ","])
    recipe.fact("imsave", len(stored), ",")
    recipe.fact("indexed", len(indexed), ",")


def kind(png):
    """Say what the header of a PNG says: bits per sample and color type are bytes 24 and 25."""
    channels = {0: "gray", 2: "RGB", 3: "palette", 6: "RGBA"}
    return f"{channels[png[25]]}, {png[24] * {3: 1, 2: 3, 6: 4, 0: 1}[png[25]]} bits per pixel"


def main():
    recipe = Recipe(__file__, __doc__)
    image = small_square(recipe.image())
    lines = "\n".join(",".join(map(str, pixel)) for pixel in image.reshape(-1, 3).tolist())
    csv = lines.encode() + b"\n"
    (recipe.files / "pixels.csv").write_bytes(csv)
    everybody(recipe, image, hashlib.md5(csv).hexdigest())
    slider(recipe, image)
    what_imsave_stores(recipe, image)
    recipe.done()


if __name__ == "__main__":
    main()
