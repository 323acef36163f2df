"""Palette locks: rows never move, new art comes after them, and the text says so."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti import (
    BadImage,
    BadOption,
    CannotWrite,
    Histogram,
    Lock,
    OutsidePalette,
    Palette,
    apply_palette,
    lock_text,
)

RED, GREEN, BLUE, CLEAR = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0, 0)
NOTE = lock_text.NOTE


def art(*colors):
    """Return the histogram of a picture with each color once less than the one before it."""
    channels = max(map(len, colors))
    rows = [(*color, 255)[:channels] for color in colors]
    return Histogram(np.uint8(rows), range(len(rows), 0, -1))


def ramp(n, seed=0):
    """Return the histogram of n distinct grayish colors."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(2**18, n, replace=False)
    return art(*zip(codes >> 12 << 2, (codes >> 6 & 63) << 2, (codes & 63) << 2, strict=True))


def hexes(lock):
    return [bytes(row.color).hex() for row in lock.rows]


# ---------------------------------------------------------------- growing


def test_new_colors_come_after_the_old_ones_each_with_its_picture():
    lock, _ = Lock.new().extended([("a.png", art(RED, GREEN))])

    lock, brought = lock.extended([("b.png", art(BLUE, RED, (1, 2, 3)))])

    assert lock.text.decode().splitlines() == [
        "smalti palette 1",
        NOTE,
        "limit 256",
        "0 #ff0000  # a.png",
        "1 #00ff00  # a.png",
        "2 #0000ff  # b.png",
        "3 #010203  # b.png",
    ]
    assert [(b.name, b.colors, b.exact) for b in brought] == [("b.png", 2, True)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_existing_rows_never_move_whatever_comes(sizes, seed):
    lock = Lock.new(limit=100)

    for step, size in enumerate(sizes):
        before = lock
        full = "nearest" if (seed + step) % 2 else "fail"
        try:
            lock, _ = lock.extended([("x", ramp(size + 1, seed + step))], full=full, effort="fast")
        except OutsidePalette:
            lock = before
        assert lock.rows[: len(before.rows)] == before.rows
        assert lock.text.startswith(before.text)
        assert len(lock.rows) <= 100
        assert len(np.unique(lock.colors, axis=0)) == len(lock.rows)


def test_invisible_pixels_are_one_color_and_come_first():
    lock, _ = Lock.new().extended([("a.png", art(RED, (9, 9, 9, 0), (1, 1, 1, 77)))])

    assert hexes(lock) == ["00000000", "ff0000", "0101014d"]
    assert lock.palette.colors.tolist() == [[0, 0, 0, 0], [255, 0, 0, 255], [1, 1, 1, 77]]


def test_opaque_art_finds_its_colors_in_a_lock_with_alpha():
    lock, _ = Lock.new().extended([("a.png", art(RED, CLEAR))])

    again, brought = lock.extended([("b.png", art(RED))])

    assert again is lock
    assert brought == []


# ---------------------------------------------------------------- full


def test_a_full_lock_names_the_pictures_that_do_not_fit():
    lock, _ = Lock.new(limit=3).extended([("a.png", art(RED, GREEN))])
    pictures = [("b.png", art(BLUE)), ("c.png", ramp(9)), ("d.png", art(RED)), ("e.png", ramp(2))]

    with pytest.raises(OutsidePalette) as error:
        lock.extended(pictures)

    assert str(error.value) == (
        "the lock: 0 of 3 rows are left, and c.png brings 9 new colors, e.png 2; raise --limit "
        '(limit), or take --full nearest (full="nearest")'
    )
    assert error.value.exit_code == 99


def test_many_pictures_that_do_not_fit_are_named_in_part():
    with pytest.raises(
        OutsidePalette, match="0 brings 3 new colors, 1 3, 2 3, 3 3, 4 3, and 3 others more"
    ):
        Lock.new(limit=2).extended([(str(i), ramp(3, i)) for i in range(8)])


def test_room_goes_exactly_to_small_art_and_then_to_the_best_colors_of_the_rest():
    pictures = [("large", ramp(300)), ("middle", art(*[(200, i, 9) for i in range(12)])),
                ("small", art(RED, GREEN))]  # fmt: skip

    lock, brought = Lock.new(limit=20).extended(pictures, full="nearest")

    assert hexes(lock)[:2] == ["ff0000", "00ff00"]
    assert len(lock.rows) == 20
    assert {b.name: b.exact for b in brought} == {"large": False, "middle": True, "small": True}
    notes = [row.note for row in lock.rows]
    assert notes == ["small"] * 2 + ["middle"] * 12 + ["k-means of large"] * 6


def test_nearest_is_the_same_as_fail_where_all_fit():
    pictures = [("a", ramp(9)), ("b", art(RED)), ("c", ramp(5, 1))]

    locks = [Lock.new().extended(pictures, full=full)[0] for full in ("fail", "nearest")]

    assert locks[0] == locks[1]


def test_a_frozen_lock_takes_nothing():
    lock, _ = Lock.new().extended([("a.png", art(RED))])

    assert lock.extended([("b.png", art(RED))], frozen=True)[0] is lock
    with pytest.raises(OutsidePalette, match=r"is frozen, and b\.png brings 1 new color$"):
        lock.extended([("b.png", art(BLUE, RED))], frozen=True)
    same, brought = lock.extended([("b.png", art(BLUE))], frozen=True, full="nearest")
    assert same is lock
    assert not brought[0].exact


def test_a_lock_takes_exact_colors_only():
    with pytest.raises(BadOption, match="exact colors, got a histogram of 6 bits"):
        Lock.new().extended([("a.hist", art(RED).coarsen(6))])


def test_what_was_mapped_to_an_older_lock_means_the_same_with_a_newer_one():
    image = np.uint8([[RED, GREEN, BLUE]])
    old, _ = Lock.new().extended([("a", Histogram.of(image))])
    new, _ = old.extended([("b", ramp(30))])

    mapped = apply_palette(image, old.palette)

    np.testing.assert_array_equal(mapped.indices, apply_palette(image, new.palette).indices)


@pytest.mark.parametrize("limit", [0, -1, 65_537, "8", 2.5])
def test_impossible_limits_are_refused(limit):
    with pytest.raises(BadOption, match="limit must be an integer from 1 to 65,536"):
        Lock.new(limit=limit)


# ---------------------------------------------------------------- files


def test_a_lock_is_a_palette_file(tmp_path):
    path = tmp_path / "art.palette"
    lock, _ = Lock.new(8).extended([("ä #1.png", art(RED, CLEAR))])
    lock.save(path)

    assert Palette.load(path) == lock.palette
    again = Lock.load(path)
    assert again.rows == lock.rows
    assert again.limit == 8
    assert again.rows[0].note == "ä #1.png"


def test_a_palette_file_is_a_full_lock(tmp_path):
    path = tmp_path / "a.palette"
    Palette([RED, GREEN]).save(path)

    lock = Lock.load(path)

    assert lock.limit == 2
    with pytest.raises(OutsidePalette):
        lock.extended([("b", art(BLUE))])
    assert len(Lock.load(path, limit=3).extended([("b", art(BLUE))])[0].rows) == 3


def test_comments_and_line_ends_of_others_stay(tmp_path):
    path = tmp_path / "art.lock"
    text = (
        b"smalti palette 1\r\n# ours\r\n\r\nlimit 4\r\n0   #FF0000 # skin\r\n# shadows\r\n1 #00ff00"
    )
    path.write_bytes(text)

    Lock.load(path).extended([("b.png", art(BLUE))])[0].save(path)

    assert path.read_bytes() == text + b"\r\n2 #0000ff  # b.png\r\n"


def test_another_limit_changes_one_line(tmp_path):
    path = tmp_path / "art.lock"
    path.write_bytes(b"smalti palette 1\n# limit 9\n limit  2  \n0 #ff0000\n")

    Lock.load(path, limit=7).save(path)

    assert path.read_bytes() == b"smalti palette 1\n# limit 9\nlimit 7  \n0 #ff0000\n"
    path.write_bytes(b"smalti palette 1\n0 #ff0000\n1 #00ff00\n")
    assert Lock.load(path).limit == 256
    assert Lock.load(path, limit=7).text.splitlines()[1] == b"limit 7"
    with pytest.raises(BadOption, match="has 2 colors, and none goes away; the limit cannot be 1"):
        Lock.load(path, limit=1)


def test_a_lock_that_did_not_change_is_not_written(tmp_path):
    path = tmp_path / "art.lock"
    Lock.new().extended([("a", art(RED))])[0].save(path)
    before = path.stat().st_mtime_ns, path.stat().st_ino

    lock, _ = Lock.load(path).extended([("b", art(RED))])

    assert lock.save(path) is False
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


@pytest.mark.parametrize(("text", "says"), [
    ("", "art.lock is empty"),
    ("\n", "line 1: expected 'smalti palette 1', got ''"),
    ("GIMP Palette\n", "line 1: expected 'smalti palette 1', got 'GIMP Palette'"),
    ("smalti palette 2\n", "line 1: version 2 of the format, and this reads 1"),
    ("smalti palette ²\n", "line 1: expected"),
    ("smalti palette 1\nlimit 0\n", "line 2: limit must be from 1 to 65,536, got 0"),
    ("smalti palette 1\nlimit 2\nlimit 3\n", "line 3: limit is said once"),
    ("smalti palette 1\n0 #ff0000\nlimit 3\n", "line 3: limit is said once"),
    ("smalti palette 1\n1 #ff0000\n", "line 2: expected row 0, got row 1"),
    ("smalti palette 1\n0 #ff0000\n0 #ff0000\n", "line 3: expected row 1, got row 0"),
    ("smalti palette 1\n0 #ff00\n", "line 2: expected '0 #rrggbb', got '0 #ff00'"),
    ("smalti palette 1\n0 ff0000\n", "line 2: expected '0 #rrggbb'"),
    ("smalti palette 1\n0 #ff0000 red\n", "line 2: expected '0 #rrggbb'"),
    ("smalti palette 1\n٠ #ff0000\n", "line 2: expected '0 #rrggbb'"),
    ("smalti palette 1\nlimit 1\n0 #ff0000\n1 #ff0001\n", "2 colors, more than its limit of 1"),
    ("smalti palette 1\n0 #ff0000\n<<<<<<< HEAD\n", "line 3: a conflict of two versions"),
])  # fmt: skip
def test_what_is_wrong_with_a_lock_is_said_with_its_line(tmp_path, text, says):
    path = tmp_path / "art.lock"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BadImage) as error:
        Lock.load(path)

    assert says in str(error.value)
    assert str(error.value).startswith(str(path))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_lock_or_refused(data):
    for head in (b"", b"smalti palette 1\n", b"smalti palette 1\n0 #ff0000\n"):
        try:
            text = lock_text.parse(head + data)
        except BadImage:
            continue
        assert len(text.rows) <= text.limit


def test_an_empty_lock_has_no_palette(tmp_path):
    with pytest.raises(BadOption, match="has no colors yet"):
        _ = Lock.new().palette


# ---------------------------------------------------------------- two at once


def test_a_lock_that_somebody_else_changed_is_not_overwritten(tmp_path):
    path = tmp_path / "art.lock"
    Lock.new().extended([("a", art(RED))])[0].save(path)
    mine, theirs = (Lock.load(path).extended([(name, art(color))])[0]
                    for name, color in (("b", GREEN), ("c", BLUE)))  # fmt: skip
    theirs.save(path)

    with pytest.raises(CannotWrite, match="has changed since it was read; run this once more"):
        mine.save(path)

    assert path.read_bytes() == theirs.text
    assert os.listdir(tmp_path) == ["art.lock"]


def test_a_lock_that_somebody_else_began_or_removed_is_noticed(tmp_path):
    path = tmp_path / "art.lock"
    mine, _ = Lock.load(path).extended([("a", art(RED))])
    path.write_text("theirs")
    with pytest.raises(CannotWrite, match="has changed"):
        mine.save(path)
    path.unlink()
    mine.save(path)

    later, _ = Lock.load(path).extended([("b", art(BLUE))])
    path.unlink()

    with pytest.raises(CannotWrite, match="has changed"):
        later.save(path)


def extend_until_it_works(path, number):
    for _ in range(1000):
        lock, _ = Lock.load(path).extended([(str(number), art((number, 0, 0)))])
        try:
            lock.save(path)
        except CannotWrite:
            continue
        return


def test_no_color_is_lost_when_several_extend_a_lock_at_the_same_time(tmp_path):
    path = tmp_path / "art.lock"

    with ThreadPoolExecutor(6) as several:
        list(several.map(partial(extend_until_it_works, path), range(6)))

    assert sorted(row.note for row in Lock.load(path).rows) == list("012345")
