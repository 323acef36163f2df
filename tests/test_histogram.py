"""Histograms: exact counts that add up exactly, and the way back to pixels."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import FAMILIES, draw, images
from PIL import Image

from smalti import BadImage, Histogram, _core, build_palette, reference
from smalti.histogram import map_labels


def assert_counts(histogram, image):
    colors, counts = reference.count_colors(image)
    np.testing.assert_array_equal(histogram.colors, colors)
    np.testing.assert_array_equal(histogram.counts, counts)
    assert histogram.total == image.shape[0] * image.shape[1]
    assert len(histogram) == len(colors)


def z_order(colors):
    """Sort key by the definition: bits of the channels interleaved; opaque first, clear last."""

    def key(color):
        opaque = len(color) == 3 or color[3] == 255
        channels = [color[1], color[0], color[2]] if opaque else [color[i] for i in (3, 1, 0, 2)]
        bits = [channel >> bit & 1 for bit in range(7, -1, -1) for channel in channels]
        clear = len(color) == 4 and color[3] == 0
        return [clear, not opaque, *bits]

    return [key(tuple(color)) for color in colors.tolist()]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [3, 4])
def test_histogram_equals_the_reference(family, channels):
    image = draw(family, channels, seed=1, height=60, width=71)

    assert_counts(Histogram.of(image), image)


def test_histogram_takes_every_kind_of_source(tmp_path):
    image, path = draw("few colors", 3, seed=4), tmp_path / "picture.png"
    Image.fromarray(image).save(path)
    expected = Histogram.of(image)

    with path.open("rb") as file:
        for source in (path, str(path), path.read_bytes(), file, Image.open(path),
                       io.BytesIO(path.read_bytes()), Image.fromarray(image)):  # fmt: skip
            assert Histogram.of(source) == expected
    assert Histogram.of(image[..., ::-1], channels="bgr") == expected
    assert Histogram.of(path, channels="bgr") == expected  # a file knows its own order


@pytest.mark.parametrize("source", [None, ["a.png", "b.png"], np.array(["a.png"]), 5, b"", {}])
def test_histogram_of_what_is_no_picture_is_refused(source):
    with pytest.raises(BadImage):
        Histogram.of(source)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("channels", [3, 4])
def test_histogram_of_many_chunks_equals_the_reference(threads, channels):
    tile = draw("noise", channels, seed=2, height=128, width=128)
    image = np.tile(tile, (5, 8, 1))
    assert image.shape[0] * image.shape[1] > 2 * 2**18  # pixels of a chunk

    histogram = Histogram.of(image, threads=threads)

    colors, counts = reference.count_colors(tile)
    np.testing.assert_array_equal(histogram.colors, colors)
    np.testing.assert_array_equal(histogram.counts, counts * 40)


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 65_535, 65_536, 65_537])
def test_histogram_of_equal_pixels_has_one_color(n):
    histogram = Histogram.of(np.full((1, n, 3), 77, np.uint8))

    assert histogram.colors.tolist() == [[77, 77, 77]]
    assert histogram.counts.tolist() == [n]


def test_histogram_of_all_colors_holds_each_once():
    packed = np.arange(2**24, dtype=np.uint32)
    image = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)

    histogram = Histogram.of(image.reshape(4096, 4096, 3), threads=2)

    assert len(histogram) == 2**24
    assert (histogram.stored_counts == 1).all()


def test_invisible_pixels_are_one_color():
    image = np.uint8([[[1, 2, 3, 0], [9, 9, 9, 0], [0, 0, 0, 0], [1, 2, 3, 4]]])

    histogram = Histogram.of(image)

    assert histogram.colors.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]
    assert histogram.counts.tolist() == [3, 1]


@given(images())
@settings(max_examples=60, deadline=None)
def test_stored_order_follows_the_curve_and_is_what_storage_order_says(image):
    histogram = Histogram.of(image)

    keys = z_order(histogram.stored_colors)
    assert keys == sorted(keys)
    order = _core.storage_order(np.ascontiguousarray(histogram.colors))
    np.testing.assert_array_equal(histogram.colors[order], histogram.stored_colors)
    np.testing.assert_array_equal(histogram.counts[order], histogram.stored_counts)


@given(images())
@settings(max_examples=60, deadline=None)
def test_histogram_made_of_its_own_colors_and_counts_is_equal(image):
    histogram = Histogram.of(image)
    shuffle = np.random.default_rng(0).permutation(len(histogram))

    again = Histogram(histogram.colors[shuffle], histogram.counts[shuffle])

    assert again == histogram
    np.testing.assert_array_equal(again.stored_colors, histogram.stored_colors)


@given(images(), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_histograms_of_shards_add_up_to_the_whole(image, shards):
    parts = [part for part in np.array_split(image, shards) if part.size]
    whole = Histogram.of(image)

    forward = sum(Histogram.of(part) for part in parts)
    backward = sum(Histogram.of(part) for part in reversed(parts))

    assert forward == backward == whole
    assert forward.total == whole.total


def test_histograms_with_and_without_alpha_add_up():
    rgb = Histogram.of(np.uint8([[[1, 2, 3], [4, 5, 6]]]))
    rgba = Histogram.of(np.uint8([[[1, 2, 3, 255], [4, 5, 6, 7]]]))

    both = rgb + rgba

    assert both == rgba + rgb
    assert both.colors.tolist() == [[1, 2, 3, 255], [4, 5, 6, 7], [4, 5, 6, 255]]
    assert both.counts.tolist() == [2, 1, 1]


def test_counts_beyond_32_bits_stay_exact():
    histogram = Histogram(np.zeros((1, 3), np.uint8), [2**40 + 1])

    assert (histogram + histogram).total == 2**41 + 2


def test_equal_colors_are_merged():
    colors = np.uint8([[9, 9, 9], [1, 1, 1], [9, 9, 9]])

    histogram = Histogram(colors, [1, 10, 100])

    assert histogram.colors.tolist() == [[1, 1, 1], [9, 9, 9]]
    assert histogram.counts.tolist() == [10, 101]


def test_histogram_cannot_be_changed_from_outside():
    histogram = Histogram.of(np.zeros((2, 2, 3), np.uint8))

    with pytest.raises(ValueError, match="read-only"):
        histogram.stored_counts[0] = 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(histogram)


def test_histograms_of_different_pictures_differ():
    a, b = (Histogram.of(np.full((2, 2, 3), value, np.uint8)) for value in (1, 2))

    assert a != b
    assert a != "a histogram"
    with pytest.raises(TypeError):
        a + 1


@pytest.mark.parametrize(("colors", "counts", "says"), [
    (np.zeros((2, 3), np.int64), [1, 1], "colors must be a uint8 array"),
    (np.zeros((2, 2), np.uint8), [1, 1], "colors must be a uint8 array"),
    (np.zeros(3, np.uint8), [1], "colors must be a uint8 array"),
    (np.zeros((2, 3), np.uint8), [1], "counts must be 2 integers"),
    (np.zeros((2, 3), np.uint8), [1.0, 2.0], "counts must be 2 integers"),
    (np.zeros((2, 3), np.uint8), [1, 0], "at least 1"),
    (np.zeros((2, 3), np.uint8), [1, -4], "at least 1"),
    (np.zeros((0, 3), np.uint8), np.zeros(0, int), "one color or more"),
])  # fmt: skip
def test_what_is_no_histogram_is_refused(colors, counts, says):
    with pytest.raises(BadImage, match=says):
        Histogram(colors, counts)


@given(images(), st.sampled_from([2, 256, 257, 65_536]))
@settings(max_examples=60, deadline=None)
def test_labels_find_their_way_back_to_the_pixels(image, k):
    histogram = Histogram.of(image)
    labels = (np.arange(len(histogram)) % k).astype(np.uint16)

    indices = map_labels(image, histogram, labels, k=k, threads=2)

    assert indices.dtype == (np.uint8 if k <= 256 else np.uint16)
    assert indices.shape == image.shape[:2]
    label_of = {tuple(c): int(j) for c, j in zip(histogram.stored_colors, labels, strict=True)}
    visible = image.copy()
    if image.shape[2] == 4:
        visible[image[..., 3] == 0] = 0
    expected = [label_of[tuple(pixel)] for pixel in visible.reshape(-1, image.shape[2])]
    np.testing.assert_array_equal(indices.ravel(), expected)


def test_counts_whose_sums_would_overflow_are_refused():
    colors = np.uint8([[0, 0, 0], [255, 255, 255]])

    with pytest.raises(BadImage, match="add up to at most"):
        Histogram(colors, np.array([2**47, 1]))

    build_palette(Histogram(colors, np.array([2**47 - 1, 1])), 1)
