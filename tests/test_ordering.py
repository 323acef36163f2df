"""Orders of a palette: held to plain Python, and good for what they are for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pictures import LEVELS, level

from smalti import _core
from smalti.ordering import orders


@st.composite
def pictures(draw):
    k = draw(st.sampled_from([1, 2, 3, 5, 17, 40]))
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    return draw(npst.arrays(np.uint8, shape, elements=st.integers(0, k - 1))), k


def neighbors(indices: np.ndarray, k: int) -> np.ndarray:
    counts = np.zeros((k, k), np.int32)
    for first, second in ((indices[:, :-1], indices[:, 1:]), (indices[:-1], indices[1:])):
        np.add.at(counts, (first.ravel(), second.ravel()), 1)
        np.add.at(counts, (second.ravel(), first.ravel()), 1)
    np.fill_diagonal(counts, 0)
    return counts


def cost(counts: np.ndarray, order: list[int]) -> int:
    places = {entry: place for place, entry in enumerate(order)}
    return sum(
        int(counts[a, b]) * math.floor(32 * math.log2(1 + abs(places[a] - places[b])))
        for a in range(len(order))
        for b in range(len(order))
    )


def arranged(counts: np.ndarray, order: list[int]) -> list[int]:
    """Move every entry once to where the cost is lowest; ties stay, or go to the left."""
    for entry in range(len(order)):
        others = [other for other in order if other != entry]
        choices = [[*others[:i], entry, *others[i:]] for i in range(len(order))]
        best = min(choices, key=lambda choice: cost(counts, choice))
        if cost(counts, best) < cost(counts, order):
            order = best
    return order


@given(pictures())
@settings(max_examples=100, deadline=None)
def test_neighbors_are_counted_as_the_plain_loop_does(picture):
    indices, k = picture

    np.testing.assert_array_equal(_core.count_neighbors(indices, k), neighbors(indices, k))


@pytest.mark.parametrize("name", LEVELS)
@given(picture=pictures())
@settings(max_examples=12, deadline=None)
def test_entries_are_moved_as_the_plain_search_does(name, picture):
    indices, k = picture
    counts = neighbors(indices, k)
    order = np.random.default_rng(k).permutation(k).astype(np.uint8)
    expected = arranged(counts, order.tolist())
    with level(name) as here:
        if not here:
            pytest.skip(f"this CPU has no {name}")

        found = _core.arrange(counts, 1, order)

    assert order.tolist() == expected
    assert found == cost(counts, expected)


@given(pictures())
@settings(max_examples=100, deadline=None)
def test_orders_are_permutations_and_arranging_never_makes_them_worse(picture):
    indices, k = picture
    counts = neighbors(indices, k)
    palette = np.random.default_rng(k).integers(0, 256, (k, 4), np.uint8)

    for order in (*orders(indices, palette), *orders(indices, palette, fast=True)):
        assert sorted(order.tolist()) == list(range(k))
        before = cost(counts, order.tolist())
        assert _core.arrange(counts, 8, order) <= before


def test_a_ramp_is_found_in_any_order():
    y, x = np.mgrid[:40, :64]
    ramp = (x + y // 8) % 64
    shuffled = np.random.default_rng(0).permutation(64).astype(np.uint8)
    palette = np.zeros((64, 3), np.uint8)

    order = orders(shuffled[ramp], palette)[0]

    places = np.argsort(order)[shuffled]  # of level 0, 1, 2 ...
    steps = np.abs(np.diff(places))
    assert np.median(steps) == 1
    assert (steps == 1).mean() > 0.9


def test_large_pictures_are_sampled():
    indices = np.tile(np.uint8([0, 1]), (2000, 1000))

    counts = _core.count_neighbors(indices, 2)

    assert 1 << 19 < counts.sum() <= 1 << 22
    row = np.tile(np.uint8([0, 1, 2]), (1, 1_000_000))  # one row, longer than the sample
    assert 0 < _core.count_neighbors(row, 3).sum() <= 1 << 22


def test_arrays_that_do_not_fit_are_refused():
    counts = np.zeros((3, 3), np.int32)
    order = np.arange(3, dtype=np.uint8)
    with pytest.raises(ValueError, match="below k"):
        _core.count_neighbors(np.uint8([[2]]), 2)
    with pytest.raises(ValueError, match="k x k"):
        _core.grow_order(counts[:2])
    with pytest.raises(ValueError, match="permutation"):
        _core.arrange(counts, 1, np.uint8([0, 0, 1]))
    with pytest.raises(ValueError, match="one entry per row"):
        _core.arrange(counts, 1, order[:2].copy())
    with pytest.raises(ValueError, match="add up"):
        _core.arrange(counts + 2**30, 1, order)
    with pytest.raises(ValueError, match="negative"):
        _core.arrange(counts - 1, 1, order)
