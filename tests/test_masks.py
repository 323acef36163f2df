"""Masks: one picture of 1 bit per color, together the whole picture, all or none."""

import numpy as np
import pytest
from PIL import Image

from smalti import CannotWrite, OutputExists, Palette, masks, quantize

PICTURE = np.uint8([[[255, 136, 0], [0, 0, 0], [0, 0, 0]], [[9, 9, 9], [0, 0, 0], [9, 9, 9]]])
NAMES = ["01-000000.png", "02-090909.png", "03-ff8800.png"]


def test_masks_are_named_by_rank_and_color_and_white_where_it_is(tmp_path):
    written = masks.save(quantize(PICTURE, 3), tmp_path / "new" / "deep")

    assert [path.name for path in written] == NAMES
    for path in written:
        color = list(bytes.fromhex(path.stem[3:]))
        with Image.open(path) as mask:
            pixels = np.asarray(mask.convert("L"))
        np.testing.assert_array_equal(pixels == 255, (color == PICTURE).all(-1))
        assert set(np.unique(pixels)) == {0, 255}
        assert path.read_bytes()[24] == 1  # bits per sample, in the header


def test_one_that_exists_keeps_all_from_being_written(tmp_path):
    (tmp_path / NAMES[2]).write_text("mine")

    with pytest.raises(OutputExists, match="03-ff8800"):
        masks.save(quantize(PICTURE, 3), tmp_path, overwrite=False)

    assert [path.name for path in tmp_path.iterdir()] == [NAMES[2]]
    masks.save(quantize(PICTURE, 3), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "m").write_text("mine")

    for folder in (tmp_path / "m", tmp_path / "m" / "deeper"):
        with pytest.raises(CannotWrite):
            masks.save(quantize(PICTURE, 3), folder)


def test_ranks_are_padded_and_alpha_is_in_the_name():
    many = masks.paths("m", Palette(np.zeros((100, 3), np.uint8)))

    assert [many[0].name, many[99].name] == ["001-000000.png", "100-000000.png"]
    assert masks.paths("m", Palette([[1, 2, 3, 0]]))[0].name == "01-01020300.png"
