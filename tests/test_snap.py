"""Flat areas keep their very color."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import smalti


def flat_with_blends(flat=(255, 153, 0), seed=0):
    """A flat area, noise in another corner, and blends of both between them."""
    rng = np.random.default_rng(seed)
    image = np.empty((40, 60, 3), np.uint8)
    image[:] = rng.integers(0, 256, image.shape)
    image[:, :40] = flat
    for x in range(36, 40):
        image[:, x] = np.uint8(flat) // (x - 34)
    return image


def pixels_of(report):
    with Image.open(io.BytesIO(report.data)) as file:
        return np.asarray(file.convert("RGB"))


@settings(deadline=None, max_examples=40)
@given(
    flat=st.tuples(*[st.integers(0, 255)] * 3),
    k=st.integers(2, 24),
    size=st.sampled_from([0, 0.25, 1]),
)
def test_a_flat_area_keeps_its_color(flat, k, size):
    image = flat_with_blends(flat)

    report = smalti.compress(image, k=k, size=size, dither="none", allow_larger=True)

    assert (pixels_of(report)[:, :36] == flat).all()
    assert len(np.unique(report.palette.colors, axis=0)) == report.colors_used


def test_shares_are_those_of_the_entries_that_were_snapped():
    report = smalti.compress(flat_with_blends(), k=4, size=0, dither="none", allow_larger=True)

    pixels = pixels_of(report)
    shares = [(pixels == color).all(-1).mean() for color in report.palette.colors]
    np.testing.assert_allclose(report.palette.shares, shares)
