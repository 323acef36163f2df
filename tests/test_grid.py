"""The coarse histogram of effort turbo, and the map that goes with it."""

import numpy as np
import pytest
from pictures import photo

from smalti import _core, apply_palette, color, quantize
from smalti.grid import Grid


def cells_of(image):
    """Count, and mean of each channel, of the boxes of 8 x 8 x 8 colors, by box."""
    pixels = image.reshape(-1, 3).astype(np.int64)
    boxes, rows, counts = np.unique(pixels // 8, axis=0, return_inverse=True, return_counts=True)
    means = np.zeros(boxes.shape)
    np.add.at(means, rows.ravel(), pixels)
    return boxes, counts, means / counts[:, None]


@pytest.mark.parametrize("pixels", [1, 63, 4096, 4097, 70_000])
def test_a_grid_has_the_counts_and_means_of_its_cells(pixels, any_level):
    image = photo(pixels, side=300).reshape(1, -1, 3)[:, :pixels]

    native = _core.make_grid(image.reshape(-1, 3), 1)

    boxes, counts, means = cells_of(image)
    order = np.lexsort(native.colors().T // 8)
    expected = np.lexsort(boxes.T)
    np.testing.assert_array_equal(native.colors()[order], np.floor(means + 0.5)[expected])
    np.testing.assert_array_equal(native.counts()[order], counts[expected])


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("k", [2, 16, 64])
def test_the_map_is_nearly_the_nearest_entry(space, k, any_level):
    image = photo(3, side=200)
    result = quantize(image, k, space=space, effort="turbo")
    nearest = apply_palette(image, result.palette, space=space, dither="none")

    def error(indices):
        points, entries = (
            color.to_points(np.ascontiguousarray(c.reshape(-1, 3)), space).astype(np.int64)
            for c in (image, result.palette)
        )
        return ((points - entries[indices.ravel()]) ** 2).sum(1).mean()

    assert error(nearest.indices) <= error(result.indices) <= 1.1 * error(nearest.indices)


def test_with_two_colors_the_map_is_exact():
    # In sRGB what lies between two entries is a plane, and one plane is all that a cell needs.
    image = photo(5, side=150)
    grid = Grid.of(image, 2)
    palette = np.array([[30, 60, 90], [160, 150, 120]], np.uint8)

    indices = grid.map(image, palette, "srgb")

    d2 = ((image[..., None, :].astype(int) - palette) ** 2).sum(-1)
    clear = np.abs(d2[..., 0] - d2[..., 1]) > 40  # planes are rounded to 15 bits
    np.testing.assert_array_equal(indices[clear], d2.argmin(-1)[clear])


def test_flat_areas_keep_their_color_to_the_bit():
    image = photo(1, side=120).copy()
    image[:60] = 255
    image[60:70] = (13, 88, 201)

    palette = quantize(image, 64, effort="turbo").palette.tolist()

    assert [255, 255, 255] in palette
    assert [13, 88, 201] in palette


def test_an_image_of_few_cells_gets_the_exact_histogram():
    ramp = np.repeat(np.arange(200, dtype=np.uint8), 30).reshape(20, 300)
    image = np.dstack([ramp] * 3)

    assert Grid.of(image, 16) is None
    exact = quantize(image, 200, effort="turbo")
    np.testing.assert_array_equal(exact.to_array(), image)


def test_alpha_and_large_palettes_get_the_exact_histogram():
    image = photo(2, side=100)

    assert Grid.of(image, 257) is None
    assert Grid.of(np.dstack([image, image[..., 0]]), 16) is None
    assert len(quantize(image, 300, effort="turbo").palette) == 300


def test_turbo_does_not_pass_off_the_distortion_of_cells_as_that_of_pixels():
    assert np.isnan(quantize(photo(2, side=100), 16, effort="turbo").fit.distortion)


def test_threads_do_not_change_a_turbo_result():
    image = np.tile(photo(4, side=512), (3, 3, 1))  # beyond what one thread takes by itself

    results = [quantize(image, 32, effort="turbo", threads=threads) for threads in (1, 2, 3)]

    for other in results[1:]:
        np.testing.assert_array_equal(results[0].palette, other.palette)
        np.testing.assert_array_equal(results[0].indices, other.indices)


def test_a_map_of_the_wrong_tree_is_refused():
    image = photo(1, side=50)
    native = _core.make_grid(image.reshape(-1, 3), 1)
    tree = color.make_tree(native.colors()[:-1].copy(), native.counts()[:-1].copy(), "srgb")

    with pytest.raises(ValueError, match="tree must hold the cells of the grid"):
        native.map(
            tree,
            image.reshape(-1, 3),
            np.zeros((2, 3), np.int16),
            0,
            color.LINEAR,
            np.empty(2500, np.uint8),
            1,
        )
