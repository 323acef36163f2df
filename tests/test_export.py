"""Exports for small devices: packed indices come back, and a C compiler reads the headers."""

import shutil
import subprocess

import numpy as np
import pytest
from pictures import draw

from smalti import BadImage, BadOption, IndexedImage, apply_palette, export, quantize


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [1, 3, 8, 31])
def test_packed_indices_come_back(bits, width):
    indices = np.random.default_rng(bits).integers(0, 1 << bits, (5, width), np.uint8)

    data = export.pack(indices, bits)

    assert len(data) == 5 * -(-width * bits // 8)
    assert np.array_equal(export.unpack(data, (5, width), bits), indices)


def test_packing_is_that_of_png():
    indices = np.uint8([[1, 0, 1, 1, 0, 0, 0, 0, 1]])

    assert export.pack(indices, 1) == bytes([0b10110000, 0b10000000])
    assert export.pack(indices[:, :3], 4) == bytes([0x10, 0x10])


def test_what_cannot_be_packed_is_refused():
    two = np.uint8([[0, 2]])

    with pytest.raises(BadImage, match="indices of 1 bits are below 2, got 2"):
        export.pack(two, 1)
    with pytest.raises(BadOption, match="bits must be one of 1, 2, 4, 8, got 3"):
        export.pack(two, 3)
    with pytest.raises(BadImage, match="uint8 of shape"):
        export.pack(two.astype(np.uint16), 8)
    with pytest.raises(BadImage, match="are 4 bytes, got 3"):
        export.unpack(b"abc", (2, 9), 1)
    with pytest.raises(BadOption, match="1 to 256 colors, got 257"):
        export.bits_for(257)


def test_every_color_of_16_bits_comes_back():
    values = np.arange(65_536, dtype=np.uint16)

    assert np.array_equal(export.to_rgb565(export.from_rgb565(values)), values)


def test_16_bits_take_the_nearest_level_of_each_channel():
    gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)

    shown = export.from_rgb565(export.to_rgb565(gray)).astype(int)

    assert np.abs(shown - gray).max(axis=0).tolist() == [4, 2, 4]  # half of 255/31, of 255/63


def test_16_bits_have_no_transparency():
    clear = np.uint8([[1, 2, 3, 0], [1, 2, 3, 255]])

    with pytest.raises(BadImage, match="no transparency"):
        export.to_rgb565(clear)
    assert len(export.to_rgb565(clear[1:])) == 1


@pytest.mark.parametrize("name", ["", "2d", "a-b", "é"])
def test_a_name_that_c_does_not_know_is_refused(name):
    image = IndexedImage(np.uint8([[0, 0, 0]]), np.uint8([[0]]))

    with pytest.raises(BadOption, match="C identifier"):
        export.c_header(image, name)


PROGRAM = r"""
#include <stdio.h>
#include "picture.h"
int main(void) {
    for (int y = 0; y < PICTURE_HEIGHT; y++)
        for (int x = 0; x < PICTURE_WIDTH; x++) {
            int byte = picture_indices[y * PICTURE_STRIDE + x * PICTURE_BITS / 8];
            int shift = 8 - PICTURE_BITS - x * PICTURE_BITS % 8;
            int row = byte >> shift & ((1 << PICTURE_BITS) - 1);
            for (int c = 0; c < SIZE; c++) printf("%d ", (int)picture_palette[row * SIZE + c]);
        }
    return 0;
}
"""


@pytest.mark.parametrize("k", [2, 4, 13, 200])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "rgb565"])
def test_a_compiled_header_holds_the_picture(tmp_path, k, kind):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    image = quantize(draw("noise", 4 if kind == "rgba" else 3, seed=k), k)
    header = export.c_header(image, "picture", rgb565=kind == "rgb565")
    (tmp_path / "picture.h").write_text(header, encoding="ascii")
    (tmp_path / "main.c").write_text(PROGRAM)
    size = {"rgb": 3, "rgba": 4, "rgb565": 1}[kind]

    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-DSIZE={size}"]
    subprocess.run([compiler, *flags, "main.c", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout

    pixels = np.array(printed.split(), int)
    expected = image.to_array()
    if kind == "rgb565":
        pixels = export.from_rgb565(pixels.astype(np.uint16)).ravel()
        shown = export.from_rgb565(export.to_rgb565(image.palette))
        expected = shown[image.indices]
    assert np.array_equal(pixels, expected.ravel())


def test_more_than_256_colors_are_no_header():
    colors = np.arange(300 * 3).reshape(300, 3) % 256
    image = apply_palette(draw("noise", 3, seed=1), colors.astype(np.uint8))

    with pytest.raises(BadOption, match="1 to 256 colors"):
        export.c_header(image, "picture")
