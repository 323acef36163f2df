"""A survey: which colors a collection has, and which of its pictures have alike ones.

    python docs/recipes/survey.py [IMAGE]

The page beside it, survey.md, tells what the numbers mean. A picture of yours is one more.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from kit import DEMO, Recipe
from matplotlib import pyplot as plt
from PIL import Image
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from skimage import data

import smalti

SIDE = 96  # pixels of a quarter, at most
RECORDED = Path(__file__).with_name("survey.Rout")  # what survey.R printed


def pictures(recipe):
    """Return photographs that come with scikit-image, and the demo picture, by name."""
    found = {
        "astronaut": data.astronaut(),
        "cat": data.cat(),
        "coffee": data.coffee(),
        "marbles": np.asarray(Image.open(DEMO).convert("RGB")),
        "motorcycle": data.stereo_motorcycle()[0],
        "tissue": data.immunohistochemistry(),
    }
    return found if recipe.path == DEMO else {**found, "yours": recipe.image()}


def write_quarters(folder, name, image):
    """Write the four quarters of a picture: what belongs together is then known."""
    folder.mkdir(exist_ok=True)
    for number in range(4):
        bottom, right = divmod(number, 2)
        height, width = image.shape[0] // 2, image.shape[1] // 2
        quarter = image[bottom * height :, right * width :][:height, :width]
        small = Image.fromarray(np.ascontiguousarray(quarter))
        small.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
        small.save(folder / f"{name}-{number + 1}.png")


def in_pandas(recipe):
    """What pandas reads, and says of the colors."""
    colors = pd.read_csv(recipe.files / "colors.csv")
    some = ["image", "k_auto", "rank", "hex", "L", "C", "h", "name", "share"]
    recipe.listing("head", colors.head(4).to_string(columns=some, index=False, justify="left"))
    images = colors["image"].nunique()
    names = (colors.groupby("name")["share"].sum() / images).sort_values(ascending=False)
    rows = [[name, 100 * share] for name, share in names.head(5).items()]
    recipe.table("names", ["name", "of the collection, %"], rows, ["", ".1f"])
    vivid = colors[colors["C"] > 0.1].groupby("image")["share"].sum()
    recipe.fact("vivid", vivid.idxmax())
    recipe.fact("vivid-share", 100 * vivid.max(), ".0f")


def nearest_in_the_same_picture(recipe):
    """How often the nearest quarter is of the same picture."""
    images = pd.read_csv(recipe.files / "images.csv")
    source, other = (images[column].str.replace(r"-\d\.png", "", regex=True)
                     for column in ("image", "nearest"))  # fmt: skip
    recipe.fact("images", len(images))
    recipe.fact("same", int((source == other).sum()))
    recipe.fact("by-chance", len(images) * 3 / (len(images) - 1), ".1f")
    least = images.loc[images["nearest_distance"].idxmin()]
    recipe.fact("most-alike", f"{least['image']} and {least['nearest']}")
    recipe.fact("most-alike-distance", least["nearest_distance"], ".3f")
    recipe.fact("k-auto", f"{images['k_auto'].min()} to {images['k_auto'].max()}")


def clusters(recipe, count):
    """Cluster by the distances; compare with the pictures, and with what R found."""
    matrix = pd.read_csv(recipe.files / "distances.csv", index_col=0)
    tree = linkage(squareform(matrix), "average", optimal_ordering=True)
    groups = dict(zip(matrix.index, fcluster(tree, count, "maxclust").tolist(), strict=True))
    rows = []
    for group in sorted(set(groups.values())):
        inside = [image.rsplit("-", 1)[0] for image in groups if groups[image] == group]
        counts = pd.Series(inside).value_counts()
        rows.append([", ".join(f"{n} × {name}" for name, n in counts.items()), len(inside)])
    recipe.table("clusters", ["quarters of", "images"], rows)
    recorded = recorded_groups((recipe.files / "distances.csv").read_bytes())
    if recorded:
        recipe.fact("r", recorded[0])
        recipe.fact("r-same", "the same" if alike(groups, recorded[1]) else "other")
    return [matrix.index[row] for row in leaves_list(tree)]


def recorded_groups(table):
    """Return what R printed, as (version, image -> cluster), if it was about this table."""
    lines = [line.split(maxsplit=1) for line in RECORDED.read_text().splitlines()]
    said = {key: rest.strip() for key, rest in lines if key not in ("image", "name")}
    if said["md5"] != hashlib.md5(table).hexdigest():
        return None
    pairs = (rest.strip().split(maxsplit=1) for key, rest in lines if key == "image")
    return f"{said['version']}, {said['date']}", {image: int(group) for group, image in pairs}


def alike(one, other):
    """Whether two clusterings put the same together, whatever they call it."""
    both = {(one[image], other[image]) for image in one}
    return one.keys() == other.keys() and len(both) == len(set(one.values())) == len(
        set(other.values())
    )


def arranged(recipe, order):
    """Draw every picture above its palette, alike ones side by side."""
    colors = pd.read_csv(recipe.files / "colors.csv")
    columns = 6
    figure, axes = plt.subplots(-(-len(order) // columns), columns, figsize=(6, 5.1))
    for axis, name in zip(axes.flat, order, strict=False):
        picture = np.asarray(Image.open(recipe.files / "pictures" / name))
        axis.imshow(picture, extent=(0, 1, 0.26, 0.95), aspect="auto")
        start = 0
        for color in colors[colors["image"] == name].itertuples():
            axis.barh(0.1, color.share, 0.2, left=start, color=color.hex)
            start += color.share
        axis.set(xlim=(0, 1), ylim=(0, 0.95))
        axis.set_title(Path(name).stem, fontsize=6.5, pad=2)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    recipe.picture("arranged", figure)
    plt.close(figure)


def main():
    plt.switch_backend("agg")
    recipe = Recipe(__file__, __doc__)
    shown = pictures(recipe)
    for name, image in shown.items():
        write_quarters(recipe.files / "pictures", name, image)
    survey = smalti.survey(recipe.files / "pictures", k=8, jobs=1)
    survey.colors.save(recipe.files / "colors.csv", overwrite=True)
    survey.matrix().save(recipe.files / "distances.csv", overwrite=True)
    survey.images_with_nearest().save(recipe.files / "images.csv", overwrite=True)
    in_pandas(recipe)
    nearest_in_the_same_picture(recipe)
    arranged(recipe, clusters(recipe, len(shown)))
    recipe.done()


if __name__ == "__main__":
    main()
