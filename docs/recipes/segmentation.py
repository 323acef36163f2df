"""Segmentation by k-means: regions of a photograph, and groups of customers.

    python docs/recipes/segmentation.py [IMAGE]

The page beside it, segmentation.md, tells what the numbers mean.
"""

import cv2
import numpy as np
from kit import Recipe, titled
from sklearn.metrics import silhouette_score

import smalti
from smalti import metrics, plots
from smalti.sklearn import KMeans

GRAY = np.uint8(225)  # of what a mask leaves out
COLUMNS = ("age, years", "income, € a year", "visits a month", "basket, €")
# Mean and spread of each column, group by group; the groups are what the truth is.
GROUPS = {
    "students": ((22, 14_000, 3, 14), (3, 5_000, 1, 4)),
    "families": ((39, 42_000, 9, 92), (6, 13_000, 2, 18)),
    "commuters": ((37, 46_000, 20, 9), (9, 14_000, 4, 3)),
    "pensioners": ((71, 24_000, 6, 31), (6, 8_000, 2, 9)),
}


def regions(recipe, image, k=7):
    """One mask per color: what belongs to it, and of how many pieces it is made."""
    small = smalti.quantize(image, k, dither="none")
    rows, pictures = [], [("the picture", image)]
    for i, color in enumerate(small.palette):
        mask = small.mask(i)
        pieces = cv2.connectedComponents(mask.astype(np.uint8))[0] - 1  # without the background
        name = f"#{bytes(color[:3]).hex()}"
        rows.append([name, 100 * mask.mean(), pieces])
        pictures.append((name, np.where(mask[..., None], color[:3], GRAY)))
    recipe.table("regions", ["color", "of the pixels, %", "pieces"], rows, ["", ".1f", ","])
    recipe.fact("pieces", sum(row[2] for row in rows), ",")
    recipe.fact("k", len(small.palette))
    recipe.picture("regions", titled(pictures, columns=-(-len(pictures) // 2)))


def customers(seed, each=(150, 200, 120, 80)):
    """Draw a table of customers and the group of each: (n, 4) float64, (n,)."""
    rng = np.random.default_rng(seed)
    tables = [np.maximum(rng.normal(mean, spread, (n, len(mean))), 0)  # nobody visits -1 times
              for (mean, spread), n in zip(GROUPS.values(), each, strict=True)]  # fmt: skip
    truth = np.repeat(np.arange(len(GROUPS)), each)
    order = rng.permutation(len(truth))
    return np.vstack(tables)[order], truth[order]


class Scale:
    """Each column less its mean, over its spread: both learned from one table, used on others."""

    def __init__(self, table):
        self.mean, self.spread = table.mean(axis=0), table.std(axis=0)

    def __call__(self, table):
        return ((table - self.mean) / self.spread).astype(np.float32)


def score(labels, truth):
    """Purity, best-match accuracy (both in percent), and entropy in bits."""
    return (100 * metrics.purity(labels, truth), 100 * metrics.matched_accuracy(labels, truth),
            metrics.cluster_entropy(labels, truth))  # fmt: skip


def scaling_matters(recipe, table, truth):
    """The same table as it is, where euros outweigh years, and with columns of one spread."""
    k = len(GROUPS)
    raw = KMeans(k, random_state=0).fit(table.astype(np.float32))
    scale = Scale(table)
    scaled = KMeans(k, random_state=0).fit(scale(table))
    rows = [["columns as they are", *score(raw.labels_, truth)],
            ["columns scaled to one spread", *score(scaled.labels_, truth)]]  # fmt: skip
    header = [f"k = {k}", "purity, %", "best-match accuracy, %", "entropy, bits"]
    recipe.table("scaling", header, rows, ["", ".1f", ".1f", ".2f"])
    recipe.fact("purity-raw", rows[0][1], ".0f")
    recipe.fact("purity-scaled", rows[1][1], ".0f")
    recipe.fact("income-share", 100 * (table.var(axis=0) / table.var(axis=0).sum())[1], ".4f")
    return scale, scaled


def which_k(recipe, points, truth):
    """Choose k without the truth: the silhouette; inertia alone always asks for more.

    Purity needs the truth, and is there to compare.
    """
    rows = []
    for k in range(2, 9):
        model = KMeans(k, random_state=0).fit(points)
        rows.append([k, model.inertia_, silhouette_score(points, model.labels_),
                     100 * metrics.purity(model.labels_, truth)])  # fmt: skip
    recipe.table("which-k", ["k", "inertia", "silhouette", "purity, %"], rows,
                 ["", ".0f", ".3f", ".1f"])  # fmt: skip
    recipe.fact("best-k", max(rows, key=lambda row: row[2])[0])


def new_rows(recipe, scale, model, first):
    """Customers of next month: scaled as the first table was, each to its nearest known group."""
    table, _ = customers(seed=2, each=(120, 0, 0, 0))  # term begins: students come
    labels = model.predict(scale(table))
    recipe.fact("new-customers", len(table))
    known = np.bincount(model.labels_[first == 0]).argmax()  # the students' cluster
    recipe.fact("new-right", 100 * (labels == known).mean(), ".1f")
    wrong = model.predict(Scale(table)(table))  # the mistake: a scale of their own
    recipe.fact("new-own-scale", 100 * (wrong == known).mean(), ".1f")


def draw(table, model, truth):
    """Income and visits, colored by cluster; a cluster has the name of most of its members."""
    names = list(GROUPS)
    with plots.style():
        figure = plots.new_figure(6.4, 3.4)
        axes = figure.add_subplot(xlabel=COLUMNS[1], ylabel=COLUMNS[2])
        for j, color in enumerate((plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED)):
            members = table[model.labels_ == j]
            name = names[np.bincount(truth[model.labels_ == j]).argmax()]
            axes.scatter(members[:, 1], members[:, 2], s=9, color=color,
                         label=f"{len(members)}, mostly {name}")  # fmt: skip
        axes.set_ylim(top=1.25 * table[:, 2].max())  # room for the legend
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper left")
        axes.set_title("Four clusters of the scaled table; two of its four columns", fontsize=10)
    return figure


def main():
    recipe = Recipe(__file__, __doc__)
    regions(recipe, recipe.image(40_000))
    table, truth = customers(seed=1)
    recipe.fact("customers", len(table))
    scale, model = scaling_matters(recipe, table, truth)
    which_k(recipe, scale(table), truth)
    new_rows(recipe, scale, model, truth)
    recipe.picture("customers", draw(table, model, truth))
    recipe.done()


if __name__ == "__main__":
    main()
