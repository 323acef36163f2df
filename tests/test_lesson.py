"""The lesson teaches the reference: its functions are the reference's, and give what those give."""

import ast
import inspect
import os
import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
from pictures import draw, photo

from smalti import reference

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "lesson.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """All names that the blocks of the page define."""
    folder, before = tmp_path_factory.mktemp("lesson"), Path.cwd()
    shutil.copy(ROOT / "examples" / "demo.png", folder / "photo.png")
    os.chdir(folder)
    try:
        names = {"__name__": "lesson"}
        for block in BLOCKS:
            exec(block, names)
    finally:
        os.chdir(before)
    return names


def bare(source):
    """Return a function as text without its docstring and annotations."""
    function = ast.parse(textwrap.dedent(source)).body[0]
    function.body = function.body[1:]
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    return ast.unparse(function)


@pytest.mark.parametrize("name", ["assign", "update", "kmeans"])
def test_heart_of_the_lesson_is_the_code_of_the_reference(name):
    shown = next(block for block in BLOCKS if f"def {name}(" in block)
    shown = re.search(rf"^def {name}\(.*?(?=^\S|\Z)", shown, re.MULTILINE | re.DOTALL)[0]

    assert bare(shown) == bare(inspect.getsource(getattr(reference, name)))


@pytest.mark.parametrize("family", ["noise", "few colors", "gradient", "collinear"])
def test_counts_labels_and_centroids_equal_those_of_the_reference(lesson, family):
    image = draw(family, 3, seed=4)
    colors, counts = lesson["count_colors"](image)
    points = colors.astype(np.float64)
    seeds = lesson["draw_seeds"](points, counts, min(5, len(points)))

    expected_colors, expected_counts = reference.count_colors(image)
    np.testing.assert_array_equal(colors, expected_colors)
    np.testing.assert_array_equal(counts, expected_counts)
    for ours, expected in zip(
        lesson["assign"](points, seeds), reference.assign(points, seeds), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(
        lesson["kmeans"](points, counts, seeds), reference.kmeans(points, counts, seeds)
    )


@pytest.mark.parametrize("seed", range(4))
def test_palette_and_indices_equal_those_of_the_reference(lesson, seed):
    image = photo(seed, 64)
    colors, counts = lesson["count_colors"](image)
    seeds = lesson["draw_seeds"](colors, counts, 7, seed)

    palette, indices = lesson["quantize"](image, seeds)

    expected_palette, expected_indices = reference.quantize(image, seeds, "srgb")
    np.testing.assert_array_equal(palette, expected_palette)
    np.testing.assert_array_equal(indices, expected_indices)


def test_distortion_is_that_of_the_reference(lesson):
    image = photo(9, 32)
    colors, counts = reference.count_colors(image)
    seeds = colors[::300]

    _, d2 = reference.nearest(colors, seeds)
    ours = lesson["distortion"](colors.astype(float), counts, seeds.astype(float))

    assert ours == pytest.approx((d2 * counts).sum() / counts.sum())


def test_the_way_from_image_to_file_takes_about_sixty_lines():
    walk = ["count_colors", "draw_seeds", "assign", "update", "kmeans", "distortion", "quantize"]
    blocks = [block for block in BLOCKS if any(f"def {name}(" in block for name in walk)]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]

    assert 45 <= len(lines) <= 75


def test_measured_numbers_are_there():
    for name in ("mixed", "sizes", "speed"):
        measured = re.search(rf"<!-- measured: {name} -->\n(.+?)<!-- end -->", PAGE, re.DOTALL)
        assert measured, name
        assert re.search(r"\d", measured[1]), name
