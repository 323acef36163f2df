"""Palette files: what is written is what is read back, and bad files say what is wrong."""

import json
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from smalti import BadImage, BadOption, MissingFile, Palette, palette_files, quantize

OPAQUE = np.uint8([[255, 128, 0], [0, 0, 0], [1, 2, 3]])
WITH_ALPHA = np.uint8([[255, 128, 0, 255], [0, 0, 0, 0], [1, 2, 3, 77]])


def held(colors, suffix):
    """What a file of that format holds of colors: alpha, opaque ones only, or one clear one."""
    if colors.shape[1] == 3 or suffix in (".gpl", ".hex", ".json", ".css", ".palette"):
        return colors
    if suffix == ".act" and (clear := np.flatnonzero(colors[:, 3] == 0)).size:
        colors = colors.copy()
        colors[:, 3] = 255
        colors[clear[0], 3] = 0
        return colors
    return colors[:, :3]


def some_colors(data, most=40):
    shape = (data.draw(st.integers(1, most)), data.draw(st.sampled_from([3, 4])))
    colors = data.draw(npst.arrays(np.uint8, shape))
    if shape[1] == 4:
        colors[:, 3] = np.where(colors[:, 3] < 99, 0, colors[:, 3])
    return colors


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_palette_comes_back_exactly_but_for_what_its_format_does_not_hold(suffix, data):
    colors = some_colors(data)

    back, _ = palette_files.parse(palette_files.dump(suffix, colors), suffix)

    np.testing.assert_array_equal(back, held(colors, suffix))
    same = back.shape == colors.shape and (back == colors).all()
    told = palette_files.lost(suffix, colors)
    assert bool(told) == (not same and (colors[:, 3:] < 255).any())


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
def test_all_256_levels_of_a_channel_survive_every_format(suffix):
    levels = np.arange(256, dtype=np.uint8)
    colors = np.column_stack([levels, levels[::-1], np.roll(levels, 7)])

    back, _ = palette_files.parse(palette_files.dump(suffix, colors), suffix)

    np.testing.assert_array_equal(back, colors)


@pytest.mark.parametrize("suffix", sorted({*palette_files.SUFFIXES} - {".act", ".aco"}))
def test_the_largest_palette_comes_back(suffix):
    rows = np.arange(65_536)
    colors = np.column_stack([rows >> 8, rows & 255, rows % 251]).astype(np.uint8)

    back, _ = palette_files.parse(palette_files.dump(suffix, colors), suffix)

    np.testing.assert_array_equal(back, colors)


@pytest.mark.parametrize(("suffix", "most"), [(".act", 256), (".aco", 65_535)])
def test_more_colors_than_a_format_holds_are_refused_with_both_numbers(suffix, most):
    colors = np.zeros((most + 1, 3), np.uint8)

    with pytest.raises(BadOption, match=f"at most {most:,} colors, this palette {most + 1:,}"):
        palette_files.dump(suffix, colors)
    assert palette_files.parse(palette_files.dump(suffix, colors[1:]), suffix)[0].shape[0] == most


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hostile_bytes_are_a_palette_or_refused_in_one_line(suffix, data):
    whole = palette_files.dump(suffix, some_colors(data, most=6))
    kind = data.draw(st.sampled_from(["random", "cut", "changed", "longer"]))
    if kind == "random":
        content = data.draw(st.binary(max_size=800))
        content = data.draw(st.sampled_from([b"", whole[:4], whole[:12]])) + content
    elif kind == "cut":
        content = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "changed":
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    else:
        content = whole + data.draw(st.binary(min_size=1, max_size=20))

    refusal = ""
    try:
        colors, _ = palette_files.parse(bytes(content), suffix)
        assert Palette(colors).k >= 1
    except BadImage as error:
        refusal = str(error)

    assert "\n" not in refusal
    assert len(refusal) < 200


@pytest.mark.parametrize("suffix", [".json", ".css", ".ase", ".act", ".pal", ".aco"])
def test_a_file_that_was_cut_short_never_passes_for_another_palette(suffix):
    colors = WITH_ALPHA if suffix == ".css" else OPAQUE
    whole = palette_files.dump(suffix, colors)

    for length in range(len(whole)):
        try:
            back, _ = palette_files.parse(whole[:length], suffix)
        except BadImage:
            continue
        if suffix == ".act":  # cut where older files end: all 256 rows, the first three ours
            back = back[:3]
        if suffix == ".pal" and length > len(whole) - 4:  # within the last number's line
            back, colors = back[:-1], OPAQUE[:-1]
        np.testing.assert_array_equal(back, colors, err_msg=f"{length} of {len(whole)} bytes")


def test_comments_without_end_take_no_time():
    with pytest.raises(BadImage, match="comment"):
        palette_files.parse(b"/*" * 2**20, ".css")


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
        (".css", b":root { --a: #fff; }", "--a: expected RRGGBB"),
        (".css", b":root { --a: 4px; }", "expected --name: #rrggbb, got '--a: 4px'"),
        (".css", b":root { color: #ffffff; }", "expected --name"),
        (".css", b":root { --a: #ffffff", "and nothing else"),
        (".css", b"body { --a: #ffffff; }", "expected :root"),
        (".css", b":root {}", "has 0"),
        (".pal", b"JASC-PAL\n0100\n2\n1 2 3\n", "it says 2, 1 follow"),
        (".pal", b"JASC-PAL\n0100\n", "it says nothing, 0 follow"),
        (".pal", b"JASC-PAL\n0200\n1\n1 2 3\n", "JASC-PAL and 0100"),
        (".pal", b"JASC-PAL\n0100\n1\n1 2 300\n", "line 4: colors are 0 to 255"),
        (".pal", b"JASC-PAL\n0100\n1\n1 2\n", "line 4: expected 3 numbers"),
        (".pal", b"JASC-PAL\n0100\n0\n", "has 0"),
        (".pal", b"RIFF\x10\0\0\0WAVEdata\x04\0\0\0\0\3\0\0", "without the chunks"),
        (".pal", b"RIFF\x10\0\0\0PAL data\x08\0\0\0\0\3\2\0abcd", "truncated: 2 colors"),
        (".ase", b"ASE", "starts with ASEF"),
        (".ase", b"ASEF\0\1\0\0\0\0\0\0", "has 0"),
        (".ase", b"ASEF\0\1\0\0\xff\xff\xff\xff", "truncated"),
        (".aco", b"", "truncated"),
        (".aco", b"\0\3\0\1", "version 1 or 2, got 3"),
        (".aco", b"\0\1\0\0", "has 0"),
        (".aco", b"\0\1\0\1\0\2" + bytes(8), "color 1 is CMYK: smalti reads RGB"),
        (".aco", b"\0\1\0\1\0\x63" + bytes(8), "color 1 is of space 99"),
        (".aco", b"\0\1\0\1\0\x08\xff\xff" + bytes(6), "gray is 0 to 10,000, got 65,535"),
        (".act", bytes(767), "768 or 772 bytes, this file 767"),
        (".act", bytes(768) + b"\1\1\xff\xff", "this file says 257"),
        (".act", bytes(768) + b"\0\0\xff\xff", "this file says 0"),
        (".act", bytes(768) + b"\0\2\0\2", "number 2 of 2"),
    ],
)
def test_a_bad_file_says_what_is_wrong(suffix, data, says):
    with pytest.raises(BadImage, match=re.escape(says)):
        palette_files.parse(data, suffix)


def test_missing_files_and_unknown_suffixes_are_refused(tmp_path):
    with pytest.raises(MissingFile, match=r"none\.hex does not exist"):
        palette_files.load(tmp_path / "none.hex")
    (tmp_path / "colors.txt").write_text("ff0000\n")
    with pytest.raises(BadOption, match=r"\.gpl, \.hex, \.json"):
        palette_files.load(tmp_path / "colors.txt")
    with pytest.raises(BadOption, match="no suffix"):
        palette_files.dump("", OPAQUE)


def ase(model, *values, name="x"):
    """One color of an Adobe Swatch Exchange file within a group, as drawing programs write it."""
    title = f"{name}\0".encode("utf-16-be")
    color = struct.pack(">H", len(title) // 2) + title + model
    color += struct.pack(f">{len(values)}fH", *values, 0)
    group = struct.pack(">H", len(title) // 2) + title
    blocks = [(0xC001, group), (1, color), (0xC002, b"")]
    packed = b"".join(struct.pack(">HI", kind, len(block)) + block for kind, block in blocks)
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(blocks)) + packed


def test_swatch_exchange_of_other_programs_is_read_or_refused_by_color_model():
    assert palette_files.parse(ase(b"RGB ", 1, 0.5, 0), ".ase")[0].tolist() == [[255, 128, 0]]
    assert palette_files.parse(ase(b"Gray", 0.5), ".ase")[0].tolist() == [[128, 128, 128]]
    with pytest.raises(BadImage, match="color 1 is CMYK: smalti reads RGB; convert the swatches"):
        palette_files.parse(ase(b"CMYK", 0, 0, 0, 1), ".ase")
    with pytest.raises(BadImage, match="color 1 is LAB"):
        palette_files.parse(ase(b"LAB ", 0.5, 0, 0), ".ase")
    for wrong in (1.5, -1, float("nan"), float("inf")):
        with pytest.raises(BadImage, match="expected numbers from 0 to 1"):
            palette_files.parse(ase(b"RGB ", wrong, 0, 0), ".ase")


def test_photoshop_swatches_are_read_in_both_versions_and_three_color_spaces():
    def color(*numbers):
        return struct.pack(">5H", *numbers)

    red, gray = color(0, 65_535, 32_768, 0, 0), color(8, 5_000, 0, 0, 0)
    green = color(1, 65_535 // 3, 65_535, 65_535, 0)  # hue 120 degrees
    name = struct.pack(">I", 2) + "x\0".encode("utf-16-be")
    first = struct.pack(">HH", 1, 3) + red + gray + green
    second = struct.pack(">HH", 2, 3) + red + name + gray + name + green + name

    for data in (first, second, first + second):
        rows = palette_files.parse(data, ".aco")[0].tolist()
        assert rows == [[255, 128, 0], [128, 128, 128], [0, 255, 0]]
    with pytest.raises(BadImage, match="truncated"):
        palette_files.parse(second[:-1], ".aco")


def test_256_times_the_number_is_read_as_exactly_as_257_times():
    for factor in (256, 257):
        colors = b"".join(struct.pack(">5H", 0, *[i * factor] * 3, 0) for i in range(256))
        rows = palette_files.parse(struct.pack(">HH", 1, 256) + colors, ".aco")[0]
        assert rows[:, 1].tolist() == list(range(256))


def test_color_tables_have_a_count_and_a_transparent_color():
    data = palette_files.dump(".act", np.uint8([[9, 8, 7, 255], [1, 2, 3, 0], [4, 5, 6, 0]]))

    assert len(data) == 772
    assert data[-4:] == b"\0\3\0\1"
    assert len(palette_files.parse(data[:768], ".act")[0]) == 256


def test_microsofts_palettes_are_read():
    chunk = b"data" + struct.pack("<IHH", 12, 0x300, 2) + bytes([255, 128, 0, 0, 1, 2, 3, 4])
    data = b"RIFF" + struct.pack("<I", 4 + 10 + len(chunk)) + b"PAL " + b"offl\1\0\0\0x\0" + chunk

    assert palette_files.parse(data, ".pal")[0].tolist() == [[255, 128, 0], [1, 2, 3]]


def test_css_is_custom_properties_that_a_page_can_use():
    data = palette_files.dump(".css", WITH_ALPHA[1:])
    edited = b"/* mine */ :root{--sky:#0000FF;/*--old: #111111;*/--c-2 : #102030}"

    assert data == b":root {\n  --color-1: #00000000;\n  --color-2: #0102034d;\n}\n"
    assert palette_files.parse(edited, ".css")[0].tolist() == [[0, 0, 255], [16, 32, 48]]


def test_what_is_lost_is_said_in_a_sentence():
    several = np.uint8([[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 2, 9]])

    assert palette_files.lost(".gpl", several) == palette_files.lost(".ase", several[:, :3]) == ""
    assert palette_files.lost(".act", several[:1]) == ""
    assert palette_files.lost(".act", several) == (
        ".act holds one transparent color and no others: 2 transparent colors are written as opaque"
    )


def test_what_is_too_long_or_no_regular_file_is_refused(tmp_path):
    (tmp_path / "video.pal").write_bytes(bytes(palette_files.MAX_BYTES + 1))

    with pytest.raises(BadImage, match="over 16 MiB, which no palette file is"):
        palette_files.load(tmp_path / "video.pal")
    (tmp_path / "folder.gpl").mkdir()
    with pytest.raises(BadImage, match="is a folder"):
        palette_files.load(tmp_path / "folder.gpl")


@pytest.mark.parametrize("suffix", palette_files.SUFFIXES)
def test_palette_saves_and_loads(tmp_path, suffix):
    palette = Palette(OPAQUE)

    palette.save(tmp_path / f"colors{suffix}")

    assert Palette.load(tmp_path / f"colors{suffix}") == palette


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_the_palette_of_an_indexed_picture_is_read_in_its_order(tmp_path, suffix):
    image = np.uint8([[[9, 9, 9], [255, 0, 0], [9, 9, 9], [0, 0, 255]]])
    quantized = quantize(image, 3)
    quantized.save(tmp_path / f"a{suffix}")

    assert Palette.load(tmp_path / f"a{suffix}") == Palette(quantized.palette)


def test_a_picture_of_swatches_is_refused_rather_than_read_as_something_else(tmp_path):
    Palette(OPAQUE).save(tmp_path / "swatches.png")

    with pytest.raises(BadImage, match=r"swatches\.png: it is not an indexed PNG"):
        Palette.load(tmp_path / "swatches.png")
