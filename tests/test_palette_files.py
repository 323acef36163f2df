"""Palette files: what is written is what is read back, and bad files say what is wrong."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from smalti import BadImage, BadOption, Palette, palette_files

OPAQUE = np.uint8([[255, 128, 0], [0, 0, 0], [1, 2, 3]])
WITH_ALPHA = np.uint8([[255, 128, 0, 255], [0, 0, 0, 0], [1, 2, 3, 77]])


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_palette_comes_back_exactly(suffix, data):
    shape = (data.draw(st.integers(1, 40)), data.draw(st.sampled_from([3, 4])))
    colors = data.draw(npst.arrays(np.uint8, shape))

    back, _ = palette_files.parse(palette_files.dump(suffix, colors), suffix)

    np.testing.assert_array_equal(back, colors)


def test_json_keeps_shares_exactly_and_is_valid_json():
    shares = np.array([1 / 3, 1 / 7, 1 - 1 / 3 - 1 / 7])

    data = palette_files.dump(".json", OPAQUE, shares)

    assert json.loads(data)["colors"][0] == {"hex": "#ff8000", "share": 1 / 3}
    np.testing.assert_array_equal(palette_files.parse(data, ".json")[1], shares)


def test_hex_is_the_lospec_format():
    assert palette_files.dump(".hex", OPAQUE) == b"ff8000\n000000\n010203\n"


def test_gimp_palette_has_its_header_and_aseprites_alpha():
    assert palette_files.dump(".gpl", OPAQUE).startswith(
        b"GIMP Palette\nName: smalti\n#\n255 128   0"
    )
    assert b"\nChannels: RGBA\n" in palette_files.dump(".gpl", WITH_ALPHA)


def test_files_of_other_programs_are_read():
    gimp = (
        b"GIMP Palette\r\nName: Sky\r\nColumns: 4\r\n# made by hand\r\n 10\t20 30 deep blue\r\n\r\n"
    )
    lospec = "\ufeff; comment\nFF8000\n#0a141eFF\n".encode()
    plain_json = b'["#102030", "405060"]'

    assert palette_files.parse(gimp, ".GPL")[0].tolist() == [[10, 20, 30]]
    expected = [[255, 128, 0, 255], [10, 20, 30, 255]]
    assert palette_files.parse(lospec, ".hex")[0].tolist() == expected
    assert palette_files.parse(plain_json, ".json")[0].tolist() == [[16, 32, 48], [64, 80, 96]]


@pytest.mark.parametrize(
    ("suffix", "data", "says"),
    [
        (".gpl", b"255 0 0", "starts with the line 'GIMP Palette'"),
        (".gpl", b"GIMP Palette\n1 2", "line 2: expected 3 numbers"),
        (".gpl", b"GIMP Palette\n1 2 256", "0 to 255"),
        (".gpl", b"GIMP Palette\n-1 2 3", "line 2"),
        (".gpl", b"GIMP Palette\n", "has 0"),
        (".hex", b"ff80", "line 1: expected RRGGBB"),
        (".hex", b"\xff\xfe\x00", "line 1"),
        (".hex", b"", "has 0"),
        (".hex", b"112233\n" * 65_537, "has 65,537"),
        (".json", b"{", "not JSON"),
        (".json", b"[" * 100_000, "not JSON"),
        (".json", b"{}", '"colors"'),
        (".json", b"[1]", "color 1"),
        (".json", b'[{"hex": "#000000", "share": "all"}]', "shares"),
    ],
)
def test_a_bad_file_says_what_is_wrong(suffix, data, says):
    with pytest.raises(BadImage, match=says.replace("(", r"\(")):
        palette_files.parse(data, suffix)


def test_missing_files_and_unknown_suffixes_are_refused(tmp_path):
    with pytest.raises(BadImage, match=r"none\.hex: cannot be read: No such file"):
        palette_files.load(tmp_path / "none.hex")
    (tmp_path / "colors.txt").write_text("ff0000\n")
    with pytest.raises(BadOption, match=r"\.gpl, \.hex, \.json"):
        palette_files.load(tmp_path / "colors.txt")
    with pytest.raises(BadOption, match="no suffix"):
        palette_files.dump("", OPAQUE)


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
def test_palette_saves_and_loads(tmp_path, suffix):
    palette = Palette(WITH_ALPHA)

    palette.save(tmp_path / f"colors{suffix}")

    assert Palette.load(tmp_path / f"colors{suffix}") == palette
