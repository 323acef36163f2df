"""Memory: at most 60 MiB and 12 bytes per pixel above what the interpreter takes with its imports.

Drawn photographs with grain go through the whole command, each in a process of its own, and the
system says how much memory that had at its peak.
"""

import os

import numpy as np
import pytest
from hostile.trials import Driver, faults
from PIL import Image
from process import COMMAND

pytestmark = [
    pytest.mark.bounded,
    pytest.mark.skipif(
        not hasattr(os, "pidfd_open"), reason="watches processes in a way that only Linux has"
    ),
]

BASE_MIB, PER_PIXEL = 60, 12
PER_COLOR = 32
"""Bytes more where nearly every pixel has a color of its own, as in noise."""
BAND = 256
GRAIN = 2.5
"""Standard deviation; so a picture of 10 megapixels has more colors than photographs of 24 have."""


def photograph(megapixels, channels):
    """Return smooth shapes with grain, (H, W, channels) uint8, as square as can be."""
    rng, side = np.random.default_rng(megapixels), int((megapixels * 1e6) ** 0.5)
    image = np.empty((side, side, channels), np.uint8)
    x = np.arange(side) / side
    for top in range(0, side, BAND):
        y = (np.arange(top, min(top + BAND, side)) / side)[:, None]
        grain = rng.normal(0, GRAIN, (len(y), side))
        for channel in range(3):
            waves = 50 * np.sin(7 * x * (channel + 1) + 5 * y) + 40 * np.sin(11 * y - 3 * x)
            own = rng.normal(0, GRAIN / 2, (len(y), side))
            image[top : top + BAND, :, channel] = np.clip(128 + waves + grain + own, 0, 255)
        if channels == 4:  # cut out: a disk with a soft edge
            away = np.hypot(x - 0.5, y - 0.5)
            image[top : top + BAND, :, 3] = np.clip(255 * (0.46 - away) * 50, 0, 255)
    return image


def written(folder, megapixels, kind):
    """Write the photograph as rgb.png, rgba.png or rgb.jpg; return its path and pixels."""
    name, suffix = kind.split(".")
    image = photograph(megapixels, len(name))
    path = folder / f"{megapixels}-{kind}"
    options = {"quality": 92} if suffix == "jpg" else {"compress_level": 1}
    Image.fromarray(image).save(path, **options)
    return path, image.shape[0] * image.shape[1]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with Driver(tmp_path_factory.mktemp("memory"), bare=True) as started:
        yield started


def compressed(driver, path, target="out/x.png"):
    """Return how the whole command, from the interpreter's start, ended."""
    words = (*COMMAND, "compress", "--allow-larger", "-o", target, path)
    ended = driver(path.name, *words, more=0, seconds=3000, program=True)
    driver.sweep()
    assert faults(ended, (0,)) == []
    return ended.mib


@pytest.fixture(scope="module")
def imports_mib(driver, tmp_path_factory):
    """What a picture of a few pixels takes: the interpreter, its imports, and nothing else."""
    path = tmp_path_factory.mktemp("small") / "small.png"
    Image.new("RGB", (8, 8)).save(path)
    return compressed(driver, path)


@pytest.mark.guarantee(25)
@pytest.mark.parametrize("kind", ["rgb.png", "rgba.png", "rgb.jpg"])
def test_a_megapixel_takes_no_more_memory_than_promised(
    driver, imports_mib, tmp_path, figure, kind
):
    path, pixels = written(tmp_path, 1, kind)

    above = compressed(driver, path) - imports_mib

    assert above <= BASE_MIB + PER_PIXEL * pixels / 2**20
    figure(f"1 megapixel, {kind}: {above:.0f} MiB above {imports_mib:.0f} MiB of imports")


@pytest.mark.guarantee(25)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_color_of_its_own_for_each_pixel_takes_a_few_bytes_more(
    driver, imports_mib, tmp_path, effort, figure, channels
):
    side = int((effort(1, 10) * 1e6) ** 0.5)
    numbers = np.arange(side * side, dtype=np.uint32) * np.uint32(2_654_435_761)
    noise = numbers.view(np.uint8).reshape(side, side, 4)
    path = tmp_path / "noise.bmp"
    Image.fromarray(np.ascontiguousarray(noise[:, :, :channels])).save(path)
    colors = len(np.unique(numbers & 0xFFFFFF)) if channels == 3 else side * side

    above = compressed(driver, path) - imports_mib

    allowed = BASE_MIB + (PER_PIXEL * side * side + PER_COLOR * colors) / 2**20
    assert above <= allowed
    beyond = max(0, (above - BASE_MIB) * 2**20 - PER_PIXEL * side * side) / colors
    figure(
        f"{side * side / 1e6:.0f} megapixels of {colors:,} colors, {channels} channels: "
        f"{above:.0f} MiB above imports, {beyond:.0f} bytes per color beyond 12 per pixel"
    )


@pytest.mark.thorough
@pytest.mark.guarantee(25)
@pytest.mark.parametrize("kind", ["rgb.png", "rgba.png", "rgb.jpg"])
def test_memory_grows_by_no_more_than_promised_up_to_100_megapixels(
    driver, imports_mib, tmp_path, figure, kind
):
    found = {}
    for megapixels in (1, 10, 50, 100):
        path, pixels = written(tmp_path, megapixels, kind)
        found[pixels / 2**20] = compressed(driver, path) - imports_mib
        path.unlink()

    slope, rest = np.polyfit(list(found), list(found.values()), 1)
    above = {mega: mib for mega, mib in found.items() if mib > BASE_MIB + PER_PIXEL * mega}
    measured = ", ".join(f"{mib:.0f}" for mib in found.values())
    figure(
        f"{kind}, 1, 10, 50, 100 megapixels: {measured} MiB above imports; "
        f"{slope:.1f} bytes per pixel and {rest:.0f} MiB"
    )
    assert above == {}
