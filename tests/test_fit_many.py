"""One palette for many pictures: the same from any number of shards, workers and machines."""

import hashlib
import os

import numpy as np
import pytest
from pictures import draw
from PIL import Image
from process import listing

from smalti import (
    BadImage,
    BadOption,
    Histogram,
    LimitExceeded,
    OutsidePalette,
    build_palette,
    extend_lock,
    fit_many,
)
from smalti.batch import fitting
from smalti.batch.work import Item
from smalti.decode import Limits

PICTURES = 200


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """200 tiny pictures in folders, with and without alpha."""
    folder = tmp_path_factory.mktemp("collection")
    for number in range(PICTURES):
        family = ("noise", "few colors", "gradient", "collinear")[number % 4]
        image = draw(family, 3 + number % 2, number, 6, 7)
        path = folder / f"{number % 7}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path, compress_level=1)
    return folder


def sha(fitted):
    return hashlib.sha256(fitted.palette.colors.tobytes()).hexdigest()


def here(*sources, k=16, **options):
    """Fit in this process."""
    return fit_many([str(source) for source in sources], k, **{"jobs": 1, "shard": 67, **options})


# ---------------------------------------------------------------- one palette


@pytest.mark.parametrize("bits", [8, 6])
def test_the_palette_of_200_pictures_is_one_from_1_2_and_7_shards(collection, bits):
    shards = [here(collection, bits=bits, shard=n) for n in (PICTURES, PICTURES // 2, 29)]

    assert [done.summary["shards"] for done in shards] == [1, 2, 7]
    assert len({sha(done) for done in shards}) == 1
    whole = sum(Histogram.of(path) for path in sorted(collection.rglob("*.png")))
    assert shards[0].histogram == whole.coarsen(bits)
    assert shards[0].palette == build_palette(whole.coarsen(bits), 16)


def test_the_palette_is_the_same_from_processes_and_from_folders_in_any_order(collection):
    folders = [collection / str(number) for number in range(7)]

    done = here(*reversed(folders), jobs=2, shard=50)

    assert sha(done) == sha(here(collection))
    assert done.pictures == PICTURES


def test_the_palette_is_the_same_from_the_workers_of_dask(collection, tmp_path):
    pytest.importorskip("distributed", reason="needs Dask: pip install '.[dask]'")

    done = here(collection, engine="dask", jobs=2, shard=29, state=str(tmp_path / "state"))

    assert done.summary["shards"] == 7
    assert sha(done) == sha(here(collection))


def test_sketches_add_up_to_the_whole(collection, tmp_path):
    halves = []
    for name, numbers in (("a.hist", range(3)), ("b.hist", range(3, 7))):
        part = here(*(collection / str(number) for number in numbers))
        part.histogram.save(tmp_path / name)
        halves.append(tmp_path / name)

    assert sha(here(*halves)) == sha(here(collection))
    assert sha(here(halves[0], *(collection / str(n) for n in range(3, 7)))) == sha(here(*halves))


def test_state_keeps_what_was_counted(collection, tmp_path):
    first = here(collection, state=str(tmp_path / "state"), shard=29)

    again = here(collection, state=str(tmp_path / "state"), shard=29)

    assert again.summary["reused"] == PICTURES
    assert sha(again) == sha(first)
    assert here(collection, state=str(tmp_path / "state"), shard=29, bits=7).summary["reused"] == 0


# ---------------------------------------------------------------- bits


@pytest.mark.parametrize(("pictures", "k", "bits"), [
    (100_000, 256, 8), (100_001, 256, 6), (100_001, 257, 7), (2, 65_536, 8),
])  # fmt: skip
def test_bits_are_settled_by_the_number_of_pictures_and_colors(pictures, k, bits):
    items = [Item("a.png", "a.png", 1, "")] * pictures

    assert fitting._bits("auto", items, k) == bits
    assert fitting._bits("7", items, k) == 7


def test_given_sketches_settle_the_bits(collection, tmp_path):
    coarse = here(collection / "0", bits=6).histogram
    coarse.save(tmp_path / "coarse.hist")
    here(collection / "1").histogram.save(tmp_path / "fine.hist")

    done = here(tmp_path / "coarse.hist", tmp_path / "fine.hist")

    assert done.histogram.bits == 6
    asked = here(tmp_path / "coarse.hist", tmp_path / "fine.hist", bits=8)
    assert asked.pictures == 1
    assert "counted at 6 bits, the others at 8; --bits 6" in asked.failures.messages[0]


def test_coarse_counting_never_holds_the_colors_of_all_pictures(collection, monkeypatch):
    seen, add = [], fitting.Tally.add

    def watched(tally, bins):
        seen.append(bins.bits)
        add(tally, bins)

    monkeypatch.setattr(fitting.Tally, "add", watched)
    done = here(collection, bits=6, shard=50)

    assert len(seen) >= PICTURES
    assert set(seen) == {6}
    assert len(done.histogram) < 8**6


def test_sketches_of_another_policy_are_named(collection, tmp_path):
    Histogram.of(collection / "0" / "0.png", icc="strip").save(tmp_path / "a.hist")

    done = here(tmp_path / "a.hist", collection / "1")

    assert (
        "a.hist: was counted under another policy (icc: strip and srgb)"
        in done.failures.messages[0]
    )
    assert here(tmp_path / "a.hist", icc="strip").pictures == 1


# ---------------------------------------------------------------- what cannot be read


def test_bad_pictures_are_named_and_stop_nothing(collection, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (tmp_path / "damaged.hist").write_bytes(b"\x8bSMHIST\n\x01")

    done = here(collection, tmp_path / "bad.png", tmp_path / "damaged.hist", tmp_path / "none.png")

    assert sha(done) == sha(here(collection))
    assert sorted(os.path.basename(m.partition(": ")[0].split(" does")[0]) for m in
                  done.failures.messages) == ["bad.png", "damaged.hist", "none.png"]  # fmt: skip


def test_nothing_that_can_be_read_is_refused(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    empty = tmp_path / "empty"
    empty.mkdir()

    with pytest.raises(BadImage, match=r"bad\.png"):
        here(tmp_path / "bad.png")
    with pytest.raises(BadImage, match="no images in this folder"):
        here(empty)


def test_too_many_bad_pictures_give_no_palette(collection, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")

    with pytest.raises(BadImage, match="stopped after"):
        here(tmp_path, collection, max_errors=1, shard=2)


@pytest.mark.parametrize(("options", "says"), [
    ({"bits": 5}, "bits must be 8, 7, 6 or auto, got 5"),
    ({"icc": "keep"}, "icc must be srgb or strip"),
    ({"k": 0}, "k must be"),
    ({"engine": "none"}, "engine must be local or dask"),
    ({"effort": "much"}, "effort must be"),
])  # fmt: skip
def test_impossible_options_are_refused(collection, options, says):
    with pytest.raises(BadOption, match=says):
        here(collection, **options)


def test_limits_hold(collection):
    done = here(collection / "0", limits=Limits(megapixels=100))
    assert done.pictures
    with pytest.raises((LimitExceeded, BadImage), match="above the limit"):
        here(collection / "0", limits=Limits(megapixels=1e-6))


# ---------------------------------------------------------------- locks


def locked(path, *sources, **options):
    options = {"jobs": 1, "effort": "fast", **options}
    return extend_lock(str(path), [str(source) for source in sources], **options)


def save(path, *colors):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(np.uint8([colors])).save(path)


def test_rows_go_by_the_names_of_pictures_whatever_the_order_and_the_folder(tmp_path, monkeypatch):
    save(tmp_path / "art" / "b" / "x.png", (1, 1, 1), (2, 2, 2))
    save(tmp_path / "art" / "a" / "y.png", (3, 3, 3))
    save(tmp_path / "art" / "z.png", (2, 2, 2), (9, 9, 9), (9, 9, 9))
    lock = tmp_path / "game.palette"
    whole = locked(lock, tmp_path / "art").lock

    monkeypatch.chdir(tmp_path / "art")
    named = locked("../game.palette", "z.png", "b", "a/../a/y.png").lock

    assert named.text == whole.text
    assert [row.note for row in whole.rows] == ["art/a/y.png", *["art/b/x.png"] * 2, "art/z.png"]
    assert whole.rows[-1].color == (9, 9, 9)


def test_a_lock_is_the_same_from_any_number_of_workers(collection, tmp_path):
    few = [collection / "0", collection / "1"]
    one = locked(tmp_path / "a.lock", *few, full="nearest", limit=64)

    several = locked(tmp_path / "a.lock", *few, full="nearest", limit=64, jobs=2)

    assert several.lock.text == one.lock.text
    assert len(one.lock.rows) == 64


def test_a_lock_without_room_names_the_pictures(collection, tmp_path):
    with pytest.raises(
        OutsidePalette, match=r"9 rows are left, and .*/0/0\.png brings .* others more"
    ):
        locked(tmp_path / "a.lock", collection / "0", limit=9)
    assert listing(tmp_path) == []
