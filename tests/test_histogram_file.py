"""Histogram files: small, and never believed."""

import json
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw

from smalti import BadImage, Histogram, MissingFile, OutputExists, SmaltiError
from smalti.histogram_file import CRC, MAGIC, START

PICTURES = {channels: Histogram.of(draw("noise", channels, 3, 20, 20)) for channels in (3, 4)}


def sealed(data):
    """Return a file with the checksum that belongs to it."""
    return data + CRC.pack(zlib.crc32(data))


def taken_apart(data):
    header = START.size + START.unpack_from(data)[2]
    return json.loads(data[START.size : header]), zlib.decompress(data[header : -CRC.size])


def put_together(about, body, version=1):
    text = about if isinstance(about, bytes) else json.dumps(about).encode()
    return sealed(START.pack(MAGIC, version, len(text)) + text + zlib.compress(body, 1))


def test_a_histogram_is_saved_and_loaded(tmp_path):
    path = tmp_path / "a.hist"

    PICTURES[4].save(path)

    assert Histogram.load(path) == PICTURES[4]
    with pytest.raises(OutputExists):
        PICTURES[3].save(path, overwrite=False)
    with pytest.raises(MissingFile):
        Histogram.load(tmp_path / "none.hist")


def test_the_header_says_what_was_counted():
    about, _ = taken_apart(PICTURES[3].coarsen(6).dumped())

    assert about["bits"] == 6
    assert about["pixels"] == 400
    assert about["policy"] == {
        "space": "srgb",
        "alpha": "straight, invisible is one color",
        "icc": "srgb",
        "frames": "all",
    }


def test_a_file_takes_few_bytes_per_color():
    image = draw("gradient", 3, 1, 400, 400)
    histogram = Histogram.of(image)

    assert len(histogram) > 1000
    assert len(histogram.dumped()) < 3 * len(histogram)


def test_a_file_is_named_in_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "a.hist"
    path.write_bytes(b"no histogram")

    with pytest.raises(BadImage, match=r"a\.hist: it is no histogram file"):
        Histogram.load(path)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("bits", [8, 6])
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_files_are_refused_and_do_no_harm(channels, bits, data):
    whole = bytearray(PICTURES[channels].coarsen(bits).dumped())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole = whole[:at]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    if len(whole) > 20 and data.draw(st.booleans()):  # whoever wrote it knows the checksum
        whole = sealed(bytes(whole[:-4]))

    with suppress(SmaltiError):  # any other exception fails the test
        assert Histogram.load(bytes(whole)).total > 0


@pytest.mark.parametrize(("change", "says"), [
    ({"bits": 5}, "values that cannot be"),
    ({"bits": 8.0}, "values that cannot be"),
    ({"bits": True}, "values that cannot be"),
    ({"channels": 2}, "values that cannot be"),
    ({"colors": 0}, "values that cannot be"),
    ({"colors": 10**9, "pixels": 10**10}, "values that cannot be"),
    ({"colors": 2**24 + 1, "pixels": 10**10}, "values that cannot be"),
    ({"colors": 2**24, "pixels": 10**10}, "too short for its 16,777,216 colors"),
    ({"colors": 2**26, "pixels": 2**47, "channels": 4}, "too short for its 67,108,864 colors"),
    ({"colors": 399}, "fewer or more"),
    ({"pixels": 401}, "counts are not those of its pixels"),
    ({"pixels": 2**48}, "values that cannot be"),
    ({"widths": [8]}, "values that cannot be"),
    ({"widths": [0, 9]}, "values that cannot be"),
    ({"widths": "ab"}, "values that cannot be"),
    ({"policy": {}}, "values that cannot be"),
    ({"policy": []}, "values that cannot be"),
    ({"policy": None}, "cannot be read"),
])  # fmt: skip
def test_impossible_headers_are_refused(change, says):
    about, body = taken_apart(PICTURES[3].dumped())

    with pytest.raises(BadImage, match=says):
        Histogram.load(put_together(about | change, body))


@pytest.mark.parametrize("text", [b"", b"[", b"[" * 60_000, b"{}", b"[]", b"1", b"\xff", b'"x"'])
def test_headers_that_are_none_are_refused(text):
    _, body = taken_apart(PICTURES[3].dumped())

    with pytest.raises(BadImage, match="header that cannot be read"):
        Histogram.load(put_together(text, body))


def test_later_versions_are_refused_by_their_number():
    about, body = taken_apart(PICTURES[3].dumped())

    with pytest.raises(BadImage, match="version 7, and this reads 1"):
        Histogram.load(put_together(about, body, version=7))


def columns(keys, counts, *sums):
    """Return the body of columns of 8-byte numbers."""
    rows = [np.asarray(column, "<u8") for column in (keys, counts, *sums)]
    return b"".join(row.view(np.uint8).reshape(-1, 8).T.tobytes() for row in rows)


OPAQUE, PARTIAL, CLEAR = 5, 2**32 + 0x80000000, 2**33


@pytest.mark.parametrize(("channels", "bits", "body", "says"), [
    (3, 8, columns([5, 0], [0, 0]), "out of order"),
    (3, 8, columns([5, 2**64 - 1], [0, 0]), "out of order"),
    (3, 8, columns([5, 2**24], [0, 0]), "colors that cannot be"),
    (3, 8, columns([5, PARTIAL], [0, 0]), "colors that cannot be"),
    (3, 6, columns([5, 2**18], [0, 0], *[[0, 0]] * 3), "colors that cannot be"),
    (4, 8, columns([5, CLEAR - 4], [0, 0]), "colors that cannot be"),
    (4, 8, columns([5, 2**32 - 5], [0, 0]), "alpha that its colors cannot have"),
    (4, 8, columns([5, 2**33 - 6], [0, 0]), "alpha that its colors cannot have"),
    (3, 8, columns([5, 5], [0, 2**64 - 1]), "counts that cannot be"),
    (3, 8, columns([5, 5], [0, 2**63 - 1]), "counts that cannot be"),
    (3, 6, columns([5, 5], [0, 0], [0, 4], [0, 0], [0, 0]), "outside of their bins"),
    (3, 6, columns([5, 5], [0, 0], [0, 2**63], [0, 0], [0, 0]), "outside of their bins"),
    (4, 6, columns([5, 5], [0, 0], *[[0, 0]] * 3, [0, 1]), "alpha that its colors cannot have"),
    (4, 6, columns([5, CLEAR - 5], [0, 0], *[[0, 0]] * 3, [0, 1]), "alpha that"),
    (4, 6, columns([5, 2**32 - 5], [0, 0], *[[0, 0]] * 4), "alpha that its colors cannot have"),
])  # fmt: skip
def test_impossible_colors_are_refused(channels, bits, body, says):
    about, _ = taken_apart(PICTURES[3].dumped())
    widths = [8] * (2 + channels * (bits < 8))
    about |= {"bits": bits, "channels": channels, "colors": 2, "pixels": 2, "widths": widths}

    with pytest.raises(BadImage, match=says):
        Histogram.load(put_together(about, body))
