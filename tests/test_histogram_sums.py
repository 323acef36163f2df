"""Histograms of many pictures: sums in any order, at 8, 7 and 6 bits."""

import weakref
from functools import reduce
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw, images

from smalti import BadImage, BadOption, Histogram, bins, build_palette
from smalti.bins import BITS, Tally

histograms = st.builds(lambda image, bits: Histogram.of(image, bits=bits), images(), st.just(8))
coarse = st.sampled_from(BITS)


def noise(seed, channels=3, size=64):
    return Histogram.of(draw("noise", channels, seed, size, size))


@given(histograms, histograms, histograms, coarse)
@settings(max_examples=60, deadline=None)
def test_sums_do_not_depend_on_the_order_or_on_brackets(a, b, c, bits):
    a, b, c = (histogram.coarsen(bits) for histogram in (a, b, c))

    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + 0 == 0 + a == a
    for order in permutations([a, b, c]):
        assert Histogram.merge(order) == a + b + c


@given(histograms, histograms, coarse, coarse)
@settings(max_examples=60, deadline=None)
def test_the_sum_of_coarse_histograms_is_the_coarse_sum(a, b, bits, between):
    both = (a + b).coarsen(bits)

    assert both == a.coarsen(bits) + b.coarsen(bits)
    assert both.coarsen(min(bits, between)) == (a + b).coarsen(between).coarsen(min(bits, between))
    assert both.total == a.total + b.total


@given(histograms, coarse)
@settings(max_examples=60, deadline=None)
def test_a_saved_histogram_is_loaded_as_it_was(histogram, bits):
    histogram = histogram.coarsen(bits)

    again = Histogram.load(histogram.dumped())

    assert again == histogram
    assert again.dumped() == histogram.dumped()
    assert again.bits == bits


def coarse_by_definition(histogram, bits):
    """Return {box: (count, sums)}; opaque and invisible colors share no box with others."""
    found = {}
    for color, count in zip(histogram.colors.tolist(), histogram.counts.tolist(), strict=True):
        alpha = color[3] if len(color) == 4 else 255
        kind = "opaque" if alpha == 255 else "clear" if alpha == 0 else "partial"
        box = (kind, *(value >> 8 - bits for value in color))
        before = found.get(box, [0] * (1 + len(color)))
        found[box] = [x + y * count for x, y in zip(before, [1, *color], strict=True)]
    return found


@given(histograms, st.sampled_from([7, 6]))
@settings(max_examples=60, deadline=None)
def test_a_coarse_histogram_has_the_mean_of_each_box_and_keeps_classes_of_alpha_apart(whole, bits):
    wanted = coarse_by_definition(whole, bits)

    histogram = whole.coarsen(bits)

    means = {tuple((2 * total + n) // (2 * n) for total in sums): n
             for n, *sums in wanted.values()}  # fmt: skip
    assert len(means) == len(wanted)  # rounded once, means of different boxes stay different
    rows = zip(histogram.colors.tolist(), histogram.counts.tolist(), strict=True)
    assert {tuple(color): count for color, count in rows} == means
    if whole.channels == 4:
        for alpha in (0, 255):
            pixels = [int(h.counts[h.colors[:, 3] == alpha].sum()) for h in (whole, histogram)]
            assert pixels[0] == pixels[1]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("channels", [(3, 3, 3, 3), (4, 4, 4, 4), (3, 4, 3, 4)])
def test_merging_many_is_adding_them_one_by_one(bits, channels):
    parts = [noise(i, c).coarsen(bits) for i, c in enumerate(channels * 3)]

    assert Histogram.merge(iter(parts)) == reduce(lambda a, b: a + b, parts)


def test_merging_keeps_none_of_the_histograms():
    seen = []

    def one_after_the_other():
        for seed in range(9):
            assert [ref for ref in seen[:-1] if ref() is not None] == []
            histogram = noise(seed, size=8)
            seen.append(weakref.ref(histogram))
            yield histogram

    assert Histogram.merge(one_after_the_other()).total == 9 * 64


def many_colors(seed, channels):
    """Return a histogram of 9,216 colors, nearly all of them in no other."""
    rng = np.random.default_rng(seed)
    image = rng.integers(1, 255, (96, 96, channels)).astype(np.uint8)
    if channels == 4:
        image[::2, :, 3] = 255
    return Histogram.of(image)


@pytest.mark.parametrize("bits", [8, 7])
@pytest.mark.parametrize("channels", [3, 4])
def test_many_colors_get_cells_and_add_up_as_few_do(monkeypatch, channels, bits):
    monkeypatch.setattr(bins, "MANY", 20_000)
    parts = [many_colors(seed, channels).coarsen(bits) for seed in range(10)]
    tally, most = Tally(), 0

    for part in parts:
        tally.add(part.bins)
        most = max(most, len(tally._rest))

    assert 1 < most < 10  # they wait, but not for ever
    assert tally._counts is not None
    assert Histogram.of_bins(tally.bins()) == sum(parts)


def test_histograms_of_different_bits_are_refused():
    a = noise(1)

    for together in (lambda: a + a.coarsen(6), lambda: Histogram.merge([a.coarsen(6), a])):
        with pytest.raises(BadOption, match=r"6 and 8 bits do not add up; coarsen\(6\)"):
            together()


def test_histograms_of_different_policies_are_refused():
    image = draw("noise", 3, 1)
    a, b = Histogram.of(image), Histogram.of(image, icc="strip")

    for together in (lambda: a + b, lambda: Histogram.merge([a, b])):
        with pytest.raises(BadOption, match="icc: srgb and strip"):
            together()
    assert a != b
    assert Histogram.load(b.dumped()).policy.icc == "strip"


def test_nothing_to_merge_is_refused():
    with pytest.raises(BadImage, match="no histogram to merge"):
        Histogram.merge([])


@pytest.mark.parametrize("bits", [5, 9, 0, "8", None])
def test_other_bits_are_refused(bits):
    with pytest.raises(BadOption, match="bits must be 8 or 7 or 6"):
        noise(1).coarsen(bits)
    with pytest.raises(BadOption, match="bits must be 6 here"):
        noise(1).coarsen(6).coarsen(8 if bits == 9 else bits)


def test_more_pixels_than_sums_can_hold_are_refused():
    half = Histogram(np.uint8([[255, 255, 255]]), [2**46 + 1])

    with pytest.raises(BadOption, match="these are more"):
        half + half
    with pytest.raises(BadOption, match="these are more"):
        Histogram.merge([half, half])


@pytest.mark.parametrize("channels", [3, 4])
def test_the_palette_of_a_coarse_histogram_is_nearly_that_of_the_exact_one(channels):
    whole = Histogram.of(draw("gradient", channels, seed=5, height=80, width=90))
    exact, coarse = (build_palette(h, 12) for h in (whole, whole.coarsen(6)))

    assert exact.k == coarse.k
    for color in coarse:
        assert min(max(abs(a - b) for a, b in zip(color, other, strict=True))
                   for other in exact) < 24  # fmt: skip
