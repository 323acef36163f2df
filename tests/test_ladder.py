"""The ladder: palettes of many sizes, each that of its k, none worse than the one before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import images, photo

import smalti
from smalti import BadOption, Histogram, ladder, metrics
from smalti.settings import Settings


def climb(image, ks, **options):
    histogram = Histogram.of(image)
    return list(ladder.climb(histogram, ks, Settings.of(1, threads=1, **options)))


def test_the_ladder_has_the_sizes_that_people_ask_for():
    assert {1, 2, 4, 8, 16, 25, 32, 64, 100, 128, 256} <= set(ladder.rungs(10**6))


@pytest.mark.parametrize("distinct", [1, 2, 5, 25, 26, 255, 256, 257, 5000, 65_536, 10**6])
def test_rungs_ascend_to_the_distinct_colors_or_what_a_palette_holds(distinct):
    usual, all_of_them = ladder.rungs(distinct), ladder.rungs(distinct, up_to_all=True)

    for ks, top in ((usual, 256), (all_of_them, 65_536)):
        assert ks == sorted(set(ks))
        assert ks[-1] == min(distinct, top)
    assert all_of_them[: len(usual) - 1] == usual[:-1]


@pytest.mark.parametrize("space", ["srgb", "oklab"])
def test_each_rung_is_what_quantize_gives(space):
    image = photo(1)

    for rung in climb(image, [1, 2, 7, 64, 256], space=space):
        result = smalti.quantize(image, rung.k, space=space, dither="none")
        assert not rung.retried
        np.testing.assert_array_equal(rung.palette.colors, result.palette)
        expected = metrics.distortion(image, result.to_array(), space)
        assert rung.distortion == pytest.approx(expected, rel=1e-12)


@given(images(), st.lists(st.integers(1, 300), min_size=1, max_size=6, unique=True))
@settings(max_examples=60, deadline=None)
def test_the_distortion_never_rises_and_palettes_are_whole(image, ks):
    last = np.inf
    for rung in climb(image, sorted(ks), effort="turbo"):
        assert rung.distortion <= last
        assert len(rung.palette) <= rung.k
        assert len(np.unique(rung.palette.colors, axis=0)) == len(rung.palette)
        assert rung.palette.shares.sum() == pytest.approx(1)
        last = rung.distortion


@pytest.mark.parametrize("alpha", [False, True])
def test_a_rung_that_got_worse_starts_again_from_the_one_before(alpha):
    image = photo(2)
    if alpha:
        image = np.dstack([image, np.where(image[..., 0] > 90, 255, 0).astype(np.uint8)])
    histogram = Histogram.of(image)
    options = Settings.of(1, threads=1)
    good = next(ladder.climb(histogram, [12], options))
    bad = next(ladder.climb(histogram, [3], options))
    bad = ladder.Rung(16, bad.palette, bad.labels, bad.fit, bad.distortion, 1.0)

    again = ladder._retried(histogram, good, bad, options)

    assert again.retried
    assert again.distortion < good.distortion < bad.distortion
    assert len(again.palette) == 16
    shown = smalti.apply_palette(image, again.palette, dither="none").to_array()
    assert metrics.distortion(image, shown, "oklab") == pytest.approx(again.distortion, rel=1e-9)
    assert (np.diff(again.palette.shares) <= 0).all()


def test_sizes_are_checked_sorted_and_taken_once():
    assert ladder.check_ks([8, 2, 8]) == [2, 8]
    for wrong in ([], [0], [65_537], [2.5], ["auto"]):
        with pytest.raises(BadOption):
            ladder.check_ks(wrong)
