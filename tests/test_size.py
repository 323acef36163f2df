"""Size-aware mapping: the kernels against plain Python, and what it promises about pictures."""

import numpy as np
import pytest

from smalti import _core, color, reference


def noisy_ramp(height=12, width=30, channels=3, seed=0):
    """A gradient with noise: neighbors whose nearest entries often differ."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width)[None, :, None] + np.arange(height)[:, None, None]
    pixels = ramp + rng.normal(0, 12, (height, width, channels))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = rng.choice([0, 90, 180, 255, 255, 255], (height, width))
    return pixels


def some_entries(image, k, seed=0):
    """A palette of pixels of the image, so that some pixels are exact."""
    colors = np.unique(image.reshape(-1, image.shape[2]), axis=0)
    return colors[np.random.default_rng(seed).permutation(len(colors))[:k]]


def brute_labels(points, entries):
    d2 = ((points[:, :, None].astype(np.int64) - entries[None, None]) ** 2).sum(-1)
    return d2.argmin(-1).astype(np.uint8)


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("k", "copies", "prune"), [(1, 3, 25), (5, 3, 25), (20, 1, 6), (40, 0, 1e6)]
)
def test_native_trellis_matches_the_reference(space, channels, k, copies, prune):
    image = noisy_ramp(channels=channels, seed=k)
    palette = some_entries(image, k)
    points = color.to_points(image.reshape(-1, channels), space).reshape(image.shape)
    entries = color.to_points(palette, space)
    labels = brute_labels(points, entries)
    activity = np.random.default_rng(1).integers(0, 256, labels.shape).astype(np.uint8)
    importance = (1 / np.linspace(2e4, 4e5, 256)).astype(np.float32)
    strengths = np.random.default_rng(2).integers(0, 129, labels.shape).astype(np.uint8)
    other = np.linspace(3, 8, len(entries)).astype(np.float32)
    costs = {
        name: np.float32(value)
        for name, value in (
            ("same", 1),
            ("copy", 9),
            ("go_on", 0.1),
            ("feedback", 0.75),
            ("prune", prune),
        )
    }
    costs |= {"other": other, "copies": copies}  # fmt: skip
    full = int(color.bounds(space, 4)[7])
    kinds = np.full(len(entries), 2)
    if channels == 4:
        kinds = np.where(entries[:, 3] == 0, 0, np.where(entries[:, 3] == full, 2, 1))
    chosen = labels.copy()

    _core.trellis(image, color.code(space), color.LINEAR, entries, full, activity, importance,
                  strengths, 1.0, other, 9.0, 0.1, copies, 0.75, prune, chosen, 2)  # fmt: skip

    expected = reference.trellis(
        points, importance[activity], strengths, entries, kinds, labels.astype(int), costs
    )
    np.testing.assert_array_equal(chosen, expected)
    if k > 5:
        assert (chosen != labels).any()
