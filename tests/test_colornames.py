"""Color names: the table is that of CSS, and nearest is nearest."""

import matplotlib.colors
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageColor

from smalti import Palette
from smalti.colornames import HEX, nearest


@pytest.mark.parametrize("judge", [matplotlib.colors.to_rgb, ImageColor.getrgb])
def test_the_names_are_those_of_css_with_their_values(judge):
    scale = 255 if judge is matplotlib.colors.to_rgb else 1

    for name, value in HEX.items():
        assert np.round(np.multiply(judge(name), scale)).astype(int).tolist() == [
            int(value[i : i + 2], 16) for i in (1, 3, 5)
        ]
    assert set(HEX) == set(matplotlib.colors.CSS4_COLORS) == set(ImageColor.colormap)
    assert list(HEX) == sorted(HEX)


def test_every_named_color_gets_a_name_that_means_it():
    colors = np.array([list(bytes.fromhex(value[1:])) for value in HEX.values()], np.uint8)

    names, distances = nearest(colors)

    assert [HEX[name] for name in names] == list(HEX.values())
    assert not distances.any()
    assert {"cyan", "magenta", "grey"}.isdisjoint(names)  # aqua, fuchsia and gray come first


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=9))
def test_no_other_name_is_nearer(rows):
    colors = np.array(rows, np.uint8)
    lightness, chroma, hue = Palette(colors).oklch().T
    points = np.stack([lightness, chroma * np.cos(np.radians(hue)),
                       chroma * np.sin(np.radians(hue))], axis=1)  # fmt: skip
    table = np.array([list(bytes.fromhex(value[1:])) for value in HEX.values()], np.uint8)
    named_l, named_c, named_h = Palette(table).oklch().T
    named = np.stack([named_l, named_c * np.cos(np.radians(named_h)),
                      named_c * np.sin(np.radians(named_h))], axis=1)  # fmt: skip

    names, distances = nearest(colors)

    lowest = np.sqrt(((points[:, None] - named) ** 2).sum(-1)).min(1)
    np.testing.assert_allclose(distances, lowest, atol=3e-4)  # a few steps of fixed point
    words = list(HEX)
    chosen = [np.linalg.norm(p - named[words.index(n)]) for p, n in zip(points, names, strict=True)]
    np.testing.assert_allclose(chosen, lowest, atol=3e-4)


def test_many_colors_get_the_names_that_each_alone_gets():
    colors = np.random.default_rng(0).integers(0, 256, (9_000, 3)).astype(np.uint8)

    names, _ = nearest(colors)

    for row in (0, 4095, 4096, 8999):
        assert nearest(colors[row : row + 1])[0] == [names[row]]


def test_transparent_is_a_name_and_partly_transparent_is_none():
    colors = np.uint8([[0, 0, 0, 0], [255, 0, 0, 0], [255, 0, 0, 9], [255, 0, 0, 255]])

    palette = Palette(colors)

    assert palette.names() == ["transparent", "transparent", "red", "red"]
    assert palette.names(exact=True) == ["transparent", "transparent", "", "red"]
