"""Collections: outputs are those of `compress`, and a second run does what is missing."""

import hashlib
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from collection import QUICK, bad_file, fill, outputs, plain, temporary, times
from PIL import Image
from process import file_of, listing, picture

import smalti
from smalti.batch import local, many, places, runs, shards
from smalti.batch.many import CompressWork
from smalti.batch.work import Item
from smalti.decode import Limits


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Twenty pictures in three folders, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("source")
    fill(folder, 20)
    bad_file(folder / "a" / "broken.png")
    (folder / "c" / "text.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def serial(source, tmp_path_factory):
    """What a serial run makes of them."""
    out = tmp_path_factory.mktemp("serial")
    return smalti.compress_many(source, out, jobs=1, **QUICK), outputs(out)


@pytest.fixture
def few(tmp_path):
    """A folder with five pictures of its own, to change."""
    fill(tmp_path / "in", 5)
    return tmp_path / "in"


def again(folder, **options):
    return smalti.compress_many(folder, folder.parent / "out", jobs=1, **{**QUICK, **options})


# ---------------------------------------------------------------- what comes out


def test_outputs_are_those_of_compress_in_the_folders_of_the_inputs(source, serial):
    summary, made = serial

    assert summary.compressed == len(made) == 20
    for name, digest in made.items():
        picture = source / name.replace(".png", ".bmp")
        data = smalti.compress(picture, **QUICK).data
        assert digest == hashlib.sha256(data).hexdigest()


def test_there_is_a_record_of_each_input_in_the_order_of_their_names(source, serial):
    records = serial[0].records

    assert [record["uri"] for record in records] == sorted(record["uri"] for record in records)
    assert [record["relative"] for record in records] == listing(source)
    good = records[0]
    assert list(good) == [
        "uri", "relative", "ok", "status", "error", "message", "bytes_in", "bytes_out", "k",
        "psnr", "ms", "attempts", "target",
    ]  # fmt: skip
    assert (good["ok"], good["status"], good["error"], good["k"]) == (True, "compressed", None, 4)
    assert os.path.getsize(good["target"]) == good["bytes_out"] < good["bytes_in"]
    assert 10 < good["psnr"] < 60


def test_what_fails_is_a_record_that_says_why(serial):
    summary, _ = serial

    bad = [record for record in summary.records if not record["ok"]]
    assert [record["relative"] for record in bad] == ["a/broken.png", "c/text.jpg"]
    assert [record["error"] for record in bad] == ["BadImage", "BadImage"]
    assert "truncated" in bad[0]["message"]
    assert "text.jpg" in bad[1]["message"]
    assert [record["relative"] for record in summary.failures] == ["a/broken.png", "c/text.jpg"]
    assert (summary.failed, summary.errors, summary.exit_code) == (2, {"BadImage": 2}, 1)


def test_the_summary_is_a_file_too(serial):
    summary, _ = serial

    stored = json.loads(places.read(places.join(summary.out_dir, "smalti-summary.json"), 10**6))
    assert stored == json.loads(json.dumps(summary.to_dict()))
    assert stored["total"] == 22
    assert stored["settings"]["k"] == 4
    assert stored["versions"]["smalti"] == smalti.__version__
    assert "20 compressed, 2 failed" in str(summary)


@pytest.mark.parametrize(("jobs", "shard"), [(1, 1), (1, 7), (2, "auto"), (2, 3), (3, 100)])
def test_neither_workers_nor_shards_matter_to_the_bytes(source, serial, tmp_path, jobs, shard):
    summary = smalti.compress_many(source, tmp_path, jobs=jobs, shard=shard, **QUICK)

    assert outputs(tmp_path) == serial[1]
    assert plain(summary.records) == plain(serial[0].records)
    assert temporary(tmp_path) == []


def test_an_original_that_would_grow_is_copied_under_its_own_name(tmp_path):
    (tmp_path / "in").mkdir()
    data = file_of(picture(3), "JPEG", quality=50)
    (tmp_path / "in" / "photo.jpg").write_bytes(data)

    summary = again(tmp_path / "in", k=256)

    assert (summary.kept, summary.exit_code) == (1, 0)
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == data
    record = summary.records[0]
    assert (record["ok"], record["status"]) == (True, "kept")
    assert record["bytes_in"] == record["bytes_out"] == len(data)
    assert "--allow-larger" in record["message"]


def test_inputs_that_would_share_an_output_keep_their_whole_names(tmp_path):
    (tmp_path / "in").mkdir()
    for suffix in ("bmp", "tiff"):
        (tmp_path / "in" / f"logo.{suffix}").write_bytes(file_of(picture(1), suffix.upper()))

    assert again(tmp_path / "in").compressed == 2

    assert set(outputs(tmp_path / "out")) == {"logo.bmp.png", "logo.tiff.png"}


def test_the_same_name_from_two_sources_is_refused_and_no_picture_lost(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.bmp").write_bytes(file_of(picture(1), "BMP"))

    sources = [tmp_path / "one", tmp_path / "two"]
    summary = smalti.compress_many(sources, tmp_path / "out", jobs=1, **QUICK)

    assert (summary.compressed, summary.failed) == (1, 1)
    refused = summary.records[1]
    assert refused["error"] == "BadOption"
    assert "two runs" in refused["message"]


def test_options_of_one_picture_are_passed_on(few, tmp_path):
    from PIL import Image

    kept = again(few, palette="#000,#fff", k=256, effort="default", format="gif", dither="none")

    assert set(kept.run["settings"]) >= {"palette", "format"}
    with Image.open(tmp_path / "out" / "a" / "0000.gif") as image:
        assert image.format == "GIF"
        colors = {color for _, color in image.convert("RGB").getcolors()}
        assert colors <= {(0, 0, 0), (255, 255, 255)}


def test_times_of_files_are_preserved_where_asked(few, tmp_path):
    os.utime(few / "a" / "0000.bmp", (1e9, 1e9))

    again(few, preserve=True)

    assert (tmp_path / "out" / "a" / "0000.png").stat().st_mtime == 1e9
    assert again(few, preserve=True).reused == 5


def test_urls_of_fsspec_work_as_folders_do(few, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(few), "/bucket/in", recursive=True)
    try:
        done = smalti.compress_many("memory://bucket/in", "memory://bucket/out", jobs=1, **QUICK)
        same = smalti.compress_many("memory://bucket/in", "memory://bucket/out", jobs=1, **QUICK)

        again(few)
        assert (done.compressed, same.reused) == (5, 5)
        for name in outputs(tmp_path / "out"):
            expected = (tmp_path / "out" / name).read_bytes()
            assert memory.cat_file(f"/bucket/out/{name}") == expected
        assert done.records[0]["target"] == "memory://bucket/out/a/0000.png"
    finally:
        memory.rm("/bucket", recursive=True)


# ---------------------------------------------------------------- the second run


@pytest.mark.parametrize("shard", ["auto", 1, 2, 5])
def test_a_second_run_does_nothing_again_whatever_its_shards(few, tmp_path, shard):
    first = again(few, shard=2)
    written = times(tmp_path / "out")

    second = again(few, shard=shard)

    assert times(tmp_path / "out") == written
    assert (second.reused, second.compressed) == (5, 5)
    assert second.records == first.records


def test_where_there_is_nothing_to_do_no_engine_starts(few, tmp_path, monkeypatch):
    again(few, shard=2)
    monkeypatch.setattr(local, "run", None)

    assert again(few, shard=3).reused == 5


def redone(few, tmp_path, **options):
    """Run once more; return which outputs were written anew."""
    before = times(tmp_path / "out")
    again(few, shard=2, **options)
    after = times(tmp_path / "out")
    return sorted(name for name in after if after[name] != before.get(name))


def test_a_changed_input_is_done_again_alone(few, tmp_path):
    again(few, shard=2)
    (few / "b" / "0001.bmp").write_bytes(file_of(picture(99), "BMP"))

    assert redone(few, tmp_path) == ["b/0001.png"]


def test_a_new_input_is_done_alone(few, tmp_path):
    again(few, shard=2)
    fill(few, 1, first=7)

    assert redone(few, tmp_path) == ["b/0007.png"]
    assert len(outputs(tmp_path / "out")) == 6


@pytest.mark.guarantee(36)
def test_an_output_that_was_removed_or_altered_is_made_again(few, tmp_path):
    again(few, shard=2)
    made = outputs(tmp_path / "out")
    (tmp_path / "out" / "a" / "0000.png").unlink()
    (tmp_path / "out" / "c" / "0002.png").write_bytes(b"altered")

    assert redone(few, tmp_path) == ["a/0000.png", "c/0002.png"]
    assert outputs(tmp_path / "out") == made


def test_other_options_do_all_again(few, tmp_path):
    again(few, shard=2)

    assert len(redone(few, tmp_path, k=5)) == 5
    assert redone(few, tmp_path, k=5) == []


def test_no_resume_does_all_again(few, tmp_path):
    again(few, shard=2)

    assert len(redone(few, tmp_path, resume=False)) == 5


def test_what_failed_is_tried_again(few, tmp_path):
    bad = bad_file(few / "a" / "bad.png")
    assert again(few, shard=2).failed == 1
    status = bad.stat()
    bad.write_bytes(file_of(picture(5))[: status.st_size].ljust(status.st_size))
    os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert again(few, shard=2).failed == 1

    bad.write_bytes(file_of(picture(5)))

    assert redone(few, tmp_path) == ["a/bad.png"]


def test_a_higher_limit_does_again_only_what_it_stopped(few, tmp_path):
    (few / "large.bmp").write_bytes(file_of(picture(5, 64, 64), "BMP"))
    low = again(few, shard=2, limits=Limits(megapixels=0.001))
    assert low.errors == {"LimitExceeded": 1}

    assert redone(few, tmp_path) == ["large.png"]


def test_outputs_of_inputs_that_are_gone_are_left_alone_and_counted(few, tmp_path):
    again(few)
    made = outputs(tmp_path / "out")
    (few / "a" / "0000.bmp").unlink()

    summary = again(few)

    assert outputs(tmp_path / "out") == made
    assert (summary.left_alone, summary.total) == (1, 4)
    assert "1 output of inputs that are not there now left alone" in str(summary)


def test_two_sources_into_one_folder_do_not_forget_each_other(tmp_path):
    for name in ("one", "two"):
        fill(tmp_path / name, 3, first=3 * (name == "two"))

    def run(name):
        return smalti.compress_many(tmp_path / name, tmp_path / "out", jobs=1, **QUICK)

    assert [run(name).reused for name in ("one", "two", "one", "two")] == [0, 0, 3, 3]


def test_old_shards_are_cleared_away(few, tmp_path):
    for k in (2, 3, 4):
        again(few, k=k, shard=1)

    assert len(os.listdir(tmp_path / "out" / ".smalti" / "shards")) == 5


def test_a_damaged_state_folder_costs_work_but_nothing_else(few, tmp_path):
    again(few, shard=2)
    made = outputs(tmp_path / "out")
    for path in (tmp_path / "out" / ".smalti" / "shards").iterdir():
        path.write_bytes(path.read_bytes()[:50])

    assert len(redone(few, tmp_path)) == 5
    assert outputs(tmp_path / "out") == made


def damages(data):
    """Yield what may have become of a file with this content."""
    ends = {0, 1, len(data) // 3, len(data) // 2, len(data) - 9, len(data) - 1}
    ends |= {at + 1 for at, byte in enumerate(data[:-1]) if byte == ord("\n")}  # whole lines
    yield from (data[:end] for end in sorted(ends) if 0 <= end < len(data))
    yield from (bytes(len(data)), b"\xff\xfe\x80" * 40, b"\n" * 9, data + b"\x80junk")
    yield data[: len(data) // 2] + b"\x80" + data[len(data) // 2 + 1 :]
    yield data.replace(b"0000", b"9999").replace(b"true", b"1234")
    yield b"[" * 100_000
    yield from (value + b"\n" for value in (b"null", b"7", b'"a"', b"[]", b"[[]]", b"{}"))
    for value in (b"[1]", b"null", b'{"items": [[], [1, 2], {}]}', b'{"key": []}', b"[" * 100_000):
        yield data.partition(b"\n")[0] + b"\n" + value + b"\n"  # below a head that is right
    for name in (b"items", b"key", b"uri", b"format", b"payload", b"records", b"sum", b"names"):
        yield data.replace(b'"%s"' % name, b'"other"')


@pytest.mark.parametrize("resume", [True, False])
def test_whatever_happens_to_a_file_of_the_state_folder_the_outputs_are_right(
    tmp_path, resume, effort
):
    fill(tmp_path / "in", 2)
    first = again(tmp_path / "in", shard=1)
    made, state = outputs(tmp_path / "out"), tmp_path / "out" / ".smalti"
    files = [path for path in state.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == ["", *[".jsonl"] * 4]  # lock, names, plan, two

    for path in files:
        for damaged in list(damages(path.read_bytes()))[:: effort(3 if resume else 6, 1)]:
            path.write_bytes(damaged)
            summary = again(tmp_path / "in", shard=1, resume=resume)
            assert (summary.exit_code, summary.left_alone) == (0, 0), (path, damaged[:80])
            assert plain(summary.records) == plain(first.records)
            assert outputs(tmp_path / "out") == made


def test_a_state_folder_that_is_damaged_everywhere_is_no_hindrance(few, tmp_path):
    again(few, shard=2)
    made = outputs(tmp_path / "out")
    for damaged in (b"", b"\xff" * 99, b"[" * 100_000, b"{}\n{}\n"):
        for path in (tmp_path / "out" / ".smalti").rglob("*"):
            if path.is_file():
                path.write_bytes(damaged)

        assert len(redone(few, tmp_path)) == 5
        assert outputs(tmp_path / "out") == made


def test_files_of_others_are_safe_where_the_list_of_names_is_lost(few, tmp_path):
    again(few)
    fill(few, 1, first=5)
    mine = tmp_path / "out" / "c" / "0005.png"
    mine.write_bytes(b"mine")
    (tmp_path / "out" / ".smalti" / "names.jsonl").write_bytes(b"")

    summary = again(few)

    assert mine.read_bytes() == b"mine"
    assert (summary.reused, summary.errors) == (5, {"OutputExists": 1})


def test_a_folder_in_the_place_of_a_file_of_the_state_folder_is_told(few, tmp_path):
    again(few, shard=5)
    state = tmp_path / "out" / ".smalti"
    for path in [path for path in state.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        path.unlink()
        path.mkdir()
        with pytest.raises(smalti.CannotWrite, match=path.name):
            again(few, shard=5)
        path.rmdir()
        path.write_bytes(data)


def test_a_palette_for_all_is_right_where_counts_were_damaged(few, tmp_path):
    whole = smalti.fit_many(few, 4, state=str(tmp_path / "state"), shard=2, jobs=1)
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.suffix == ".bin" for path in files)
    for path in files:
        data = path.read_bytes()
        for damaged in (b"", data[:-9], data[: len(data) // 2], b"\xff" * 99, b"[" * 100_000):
            path.write_bytes(damaged)
            fitted = smalti.fit_many(few, 4, state=str(tmp_path / "state"), shard=2, jobs=1)
            assert np.array_equal(fitted.palette.colors, whole.palette.colors)


def test_an_output_folder_may_be_moved(few, tmp_path):
    again(few)
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")

    summary = smalti.compress_many(few, tmp_path / "elsewhere", jobs=1, **QUICK)

    assert summary.reused == 5


def test_an_interrupted_run_goes_on(few, tmp_path):
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(few, shard=1, on_progress=stop)
    assert temporary(tmp_path) == []
    done = len(times(tmp_path / "out"))

    assert 2 <= done < 5
    assert len(redone(few, tmp_path)) == 5 - done


# ---------------------------------------------------------------- refused


def test_files_that_no_run_wrote_are_not_replaced(few, tmp_path):
    mine = tmp_path / "out" / "a" / "0000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")

    summary = again(few)

    assert mine.read_bytes() == b"mine"
    assert (summary.compressed, summary.errors) == (4, {"OutputExists": 1})
    assert "--force" in summary.failures[0]["message"]
    assert again(few, overwrite=True).compressed == 5
    assert mine.read_bytes() != b"mine"


def test_only_files_of_others_are_an_error(few, tmp_path):
    again(few)
    shutil.rmtree(tmp_path / "out" / ".smalti")

    with pytest.raises(smalti.OutputExists, match="and 4 others like it"):
        again(few)


def test_an_input_is_never_its_own_output(few):
    pictures = few / "a"
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    each = list(pictures.iterdir())

    with pytest.raises(smalti.BadOption, match="cannot be the output folder, too"):
        smalti.compress_many(pictures, pictures, jobs=1, **QUICK)
    with pytest.raises(smalti.OutputExists):
        smalti.compress_many(each, pictures, jobs=1, format="gif", **QUICK)
    summary = smalti.compress_many(each, pictures, jobs=1, overwrite=True, max_bytes=10, **QUICK)

    assert summary.compressed == 0
    assert {path.name: path.read_bytes() for path in pictures.glob("*.bmp")} == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"k": 0}, "k must be"),
        ({"engine": "ray"}, "engine must be local or dask"),
        ({"shard": 0}, "shard must be auto or a number"),
        ({"jobs": 0}, "jobs must be"),
        ({"max_errors": "many"}, "max_errors must be a number from 0 or a percentage"),
        ({"max_errors": "120%"}, "max_errors must be"),
        ({"memory_limit": "lots"}, "memory_limit must be a number of bytes"),
        ({"address": "tcp://x:1"}, "an address is for the engine dask"),
        ({"weight": "map.png"}, "a weight map belongs to one picture"),
        ({"dither": "bayer", "size": 0.5}, "takes dither auto, none or floyd-steinberg"),
    ],
)
def test_senseless_options_are_said_once_before_anything_is_written(
    few, tmp_path, options, sentence
):
    with pytest.raises(smalti.BadOption, match=sentence):
        smalti.compress_many(few, tmp_path / "out", **options)

    assert not (tmp_path / "out").exists()


def test_unknown_options_are_a_type_error(few, tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colors'"):
        smalti.compress_many(few, tmp_path / "out", colors=3)


def test_nothing_to_read_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "in").mkdir()

    for source in (tmp_path / "in", tmp_path / "none"):
        with pytest.raises(smalti.BadImage, match=source.name):
            smalti.compress_many(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_source_beside_others_is_a_record(few, tmp_path):
    summary = smalti.compress_many([few, tmp_path / "none.png"], tmp_path / "out", jobs=1, **QUICK)

    assert (summary.total, summary.compressed, summary.errors) == (6, 5, {"MissingFile": 1})
    assert summary.records[-1]["uri"] == str(tmp_path / "none.png")


@pytest.mark.parametrize(("most", "stops"), [(0, True), ("1%", True), (2, False), ("10%", False)])
def test_too_many_errors_stop_the_run(source, tmp_path, most, stops):
    summary = smalti.compress_many(source, tmp_path, jobs=1, shard=1, max_errors=most, **QUICK)

    assert summary.stopped == stops
    assert summary.exit_code == 1
    records = summary.records
    assert len(records) == 22
    assert sum(record["status"] == "not done" for record in records) == summary.not_done
    assert (summary.not_done > 0) == stops
    if stops:
        assert "stopped after 1 failure" in str(summary)


@pytest.mark.guarantee(38)
def test_a_second_run_into_the_folder_is_refused_while_the_first_lasts(few, tmp_path):
    with (
        runs.only_run_in(str(tmp_path / "out" / ".smalti")),
        pytest.raises(smalti.CannotWrite, match=r"another run works in .*smalti; wait"),
    ):
        again(few)

    assert again(few).compressed == 5


# ---------------------------------------------------------------- shards


def some_items(number, size_bytes=1_000_000):
    return [Item(f"/in/{i:05}.png", f"{i:05}.png", size_bytes, "1") for i in range(number)]


@pytest.mark.parametrize("shard", ["auto", 1, 7, 5000])
def test_shards_hold_all_items_in_order(shard):
    items = some_items(3000)

    dealt = list(shards.deal(items, "settings", shard))

    assert [item for each in dealt for item in each.items] == items
    assert len({each.id for each in dealt}) == len(dealt)
    if shard != "auto":
        assert {len(each.items) for each in dealt[:-1]} <= {shard}


@pytest.mark.parametrize(("number", "size_bytes"), [(20_000, 1_500_000), (5_000, 10_000_000)])
def test_shards_of_a_large_collection_are_about_half_a_minute_of_work(number, size_bytes):
    seconds = [
        shards.seconds(each.items)
        for each in shards.deal(some_items(number, size_bytes), "settings")
    ]

    assert all(5 < each <= 75 for each in seconds[:-1])
    assert 10 < sum(seconds) / len(seconds) < 60


def test_a_new_input_changes_few_shards():
    items = some_items(5000)
    more = sorted([*items, Item("/in/02500a.png", "02500a.png", 1_000_000, "1")], key=str)

    before = {each.id for each in shards.deal(items, "settings")}
    after = {each.id for each in shards.deal(more, "settings")}

    assert len(before) > 50
    assert len(after - before) <= 3


def test_a_shard_is_called_after_all_that_it_depends_on():
    item = some_items(1)[0]
    work = CompressWork("/out", {"k": 4, "limits": Limits()})
    other_limits = CompressWork("/out", {"k": 4, "limits": Limits(megapixels=1)})
    other_k = CompressWork("/out", {"k": 5, "limits": Limits()})

    def name(item, work):
        return next(shards.deal([item], shards.hashed(shards.settings_of(work)))).id

    assert name(item, work) == name(item, other_limits)
    changed = [
        name(item, other_k),
        *(
            name(replace(item, **{field: value}), work)
            for field, value in (
                ("uri", "/x"),
                ("relative", "x"),
                ("size_bytes", 1),
                ("stamp", "2"),
            )
        ),
    ]
    assert len({name(item, work), *changed}) == 6


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError("by zero"), "a bug in smalti: ZeroDivisionError: by zero"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_an_error_that_is_no_refusal_is_a_record_that_names_the_input(
    few, tmp_path, monkeypatch, error, words
):
    def broken(*_, **__):
        raise error

    work = CompressWork(str(tmp_path / "out"), {"limits": Limits()})
    item = many.Picture(str(few / "a" / "0000.bmp"), "a/0000.bmp", 1, "1", "a/0000.png")
    monkeypatch.setattr(many, "compress", broken)

    (record,) = runs.run(work, [item], state=None, jobs=1).records

    assert record["error"] == type(error).__name__
    assert f"a/0000.bmp: {words}" in record["message"]


# ---------------------------------------------------------------- animations


def test_animations_keep_all_frames_their_format_and_their_name(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    frames = [np.array(picture(seed)) for seed in (1, 2, 3)]
    (folder / "dance.gif").write_bytes(movie_of(frames, "GIF"))
    (folder / "dance.webp").write_bytes(movie_of(frames, "WEBP", lossless=True))
    (folder / "still.gif").write_bytes(file_of(picture(1).quantize(200), "GIF"))

    done = again(folder, k=16)

    assert sorted(outputs(tmp_path / "out")) == ["dance.gif", "dance.webp", "still.png"]
    for name in ("dance.gif", "dance.webp"):
        assert len(smalti.frames(tmp_path / "out" / name)) == 3
    assert [record["target"].rsplit("/", 1)[1] for record in done.records] == [
        "dance.gif", "dance.webp", "still.png",
    ]  # fmt: skip
    assert again(folder, k=16).reused == 3


def test_all_frames_count_in_a_palette_for_many(tmp_path):
    colors = np.uint8([[200, 0, 0], [0, 200, 0], [0, 0, 200]])
    frames = [np.full((8, 8, 3), color, np.uint8) for color in colors]
    (tmp_path / "a.gif").write_bytes(movie_of(frames, "GIF"))

    palette = smalti.fit_many(tmp_path / "a.gif", 8).palette

    assert sorted(palette.colors.tolist()) == sorted(colors.tolist())
    assert not smalti.verify(tmp_path / "a.gif", colors[:2]).ok
    assert smalti.verify(tmp_path / "a.gif", colors).ok


def movie_of(frames, kind, **options):
    first, *rest = map(Image.fromarray, frames)
    return file_of(first, kind, save_all=True, append_images=rest, duration=100, **options)
