"""Hostile input: nothing that is in a file causes a crash, a hang, a traceback or half an output.

The corpus of `hostile/corpus.py` goes through the command, each file in a process of its own with
little memory. What a file must come to is known from how it was made, so good files count too:
none may be refused.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hostile.corpus import LIMIT, OK, REFUSED
from hostile.trials import SMALTI, Driver, faults
from PIL import Image

import smalti
from hostile import corpus
from smalti import BadImage, LimitExceeded, SmaltiError, palette_files
from smalti.encode import decode_indexed
from smalti.pixels import READERS

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="watches processes in a way that only Linux has"
)

CODES = {OK: (0,), REFUSED: (2,), LIMIT: (4,)}
WORDS = ("compress", "--allow-larger", "-o", "out/x.png")
HEADER_MIB = 150
SECONDS = 5
"""Until a refusal: one is the promise, of a machine that nobody else works on."""


@pytest.fixture(scope="module")
def bad_cases():
    return [case for case in corpus.cases() if case.expected in (REFUSED, LIMIT)]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with Driver(tmp_path_factory.mktemp("hostile")) as started:
        yield started


class Tried:
    """What became of the whole corpus."""

    def __init__(self, driver, seeds):
        self.ended, self.expected, self.unreadable = [], {}, []
        for seed in range(seeds):
            folder = driver.folder / f"in-{seed}"
            folder.mkdir()
            # Places and sure cases do not depend on the seed; what is random does.
            for case in (
                (*corpus.cases(seed), *corpus.places()) if seed == 0 else corpus.cases(seed)
            ):
                self._try(driver, case, folder)

    def _try(self, driver, case, folder):
        path = case.write(folder)
        ended = driver(path.name, *WORDS, path)
        self.ended.append(ended)
        self.expected[id(ended)] = case.expected
        if ended.code == 0 and ended.left:
            try:
                with Image.open(driver.out / ended.left[0]) as image:
                    image.load()
            except Exception as error:
                self.unreadable.append((ended.name, str(error)))
        driver.sweep()
        path.unlink() if not path.is_dir() else path.rmdir()

    def of(self, expected):
        return [ended for ended in self.ended if self.expected[id(ended)] == expected]


@pytest.fixture(scope="module")
def tried(driver, effort):
    return Tried(driver, effort(1, 5))


@pytest.mark.guarantee(21)
def test_no_hostile_file_causes_a_crash_a_hang_a_traceback_or_an_output_of_a_failure(tried, figure):
    wrong = {ended.name: (found, ended.errors) for ended in tried.ended if (found := faults(ended))}

    assert wrong == {}
    assert tried.unreadable == []
    assert len(tried.ended) > 550
    slowest = max(ended.seconds for ended in tried.ended)
    figure(
        f"{len(tried.ended):,} hostile files: 0 crashes, 0 hangs, 0 tracebacks, 0 outputs of "
        f"failures; the slowest took {slowest:.1f} s"
    )


@pytest.mark.guarantee(21)
def test_good_files_among_the_hostile_are_read_and_bad_ones_refused_for_what_they_are(
    tried, figure
):
    wrong = [
        (ended.name, expected, ended.code, ended.errors)
        for expected, codes in CODES.items()
        for ended in tried.of(expected)
        if ended.code not in codes
    ]

    assert wrong == []
    figure(f"0 of {len(tried.of(OK))} good files refused, 0 of {len(tried.of(REFUSED))} bad read")


@pytest.mark.guarantee(22)
def test_what_is_beyond_a_limit_is_refused_at_once_and_in_little_memory(tried, figure):
    refused = [ended for ended in tried.ended if ended.code == 4]
    seconds, mib = (max(getattr(ended, what) for ended in refused) for what in ("seconds", "mib"))

    assert len(refused) >= len(tried.of(LIMIT)) > 40
    assert mib < HEADER_MIB
    assert seconds < SECONDS
    figure(f"{len(refused)} bombs and floods refused within {seconds:.2f} s and {mib:.0f} MiB")


@pytest.mark.guarantee(24)
def test_devices_pipes_sockets_folders_and_loops_are_refused_at_once(tried, figure):
    names = {case.name for case in corpus.places()}
    places = [ended for ended in tried.ended if ended.name in names]
    seconds = max(ended.seconds for ended in places)

    assert len(places) == len(names)
    assert {ended.code for ended in places} == {2, 4}
    assert seconds < SECONDS
    figure(f"{len(places)} of {len(places)} refused within {seconds:.2f} s")


@pytest.mark.guarantee(21)
@pytest.mark.parametrize(
    "words",
    [
        ("palette", "-k", "4"),
        ("compare", "{good}"),
        ("sweep", "-k", "2,3"),
        ("converge", "-k", "2"),
        ("fit", "-k", "4", "-o", "out/x.gpl"),
        ("apply", "--palette", "#000,#fff", "-o", "out/x.png"),
        ("verify", "--palette", "#000,#fff"),
        ("survey", "-o", "out/x.csv", "-k", "2"),
        ("batch", "--out-dir", "out-of-batch", "-j", "1", "-k", "2"),
        ("compress", "--check"),
    ],
    ids=lambda words: words[0] + "-check" * ("--check" in words),
)  # fmt: skip
def test_other_commands_refuse_hostile_files_as_well(
    driver, bad_cases, effort, figure, words, tmp_path
):
    good = tmp_path / "good.png"
    good.write_bytes(next(corpus.cases()).data)
    cases = bad_cases[:: max(1, len(bad_cases) // effort(12, 150))]

    told = words[0] in ("verify", "batch", "survey", "compress")  # these tell of one file of many
    wrong = []
    for case in cases:
        path = case.write(tmp_path)
        ended = driver(case.name, *[word.format(good=good) for word in words], path)
        found = faults(ended, (0, 1, 2, 4) if told else (2, 4), output=False)
        wrong += [(case.name, found, ended.errors)] if set(found) - {"not one line"} else []
        wrong += [] if told or "not one line" not in found else [(case.name, ended.errors)]
        driver.sweep()

    assert wrong == []
    figure(f"smalti {words[0]}: {len(cases)} hostile files, 0 crashes, hangs or tracebacks")


# ---------------------------------------------------------------- readers, processes, connections

AUDIT = Path(corpus.__file__).with_name("audit.py")


def audited(paths, code=0):
    """Have files decoded, quantized and compressed; return what Python says that was done."""
    done = subprocess.run(
        [sys.executable, AUDIT, *paths],
        env={**os.environ, "PYTHONPATH": str(SMALTI)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.guarantee(23)
def test_decoding_and_quantizing_start_no_process_and_open_no_connection(tmp_path, figure):
    cases = [case for case in corpus.cases() if case.expected == OK and len(case.data) < 50_000]
    assert {case.name.rsplit(".")[-1] for case in cases} >= {
        "png",
        "jpg",
        "webp",
        "gif",
        "bmp",
        "tif",
    }
    good = [case.write(tmp_path) for case in cases if "-" not in case.name or "type3" in case.name]

    done = audited(good)

    assert done["seen"] == []
    assert done["read"] >= len(good)
    allowed = {f"PIL.{module}" for module, _ in READERS.values()} | {"PIL.PngImagePlugin"}
    # Pillow's own readers and writers build on some others: JPEG's on MPO's and TIFF's.
    assert set(done["readers"]) <= allowed | {"PIL.MpoImagePlugin"}
    figure(f"{done['read']} calls on {len(good)} files: no process, no connection")


@pytest.mark.guarantee(23)
def test_no_other_reader_of_pillow_is_ever_asked(tmp_path, monkeypatch, figure):
    Image.init()
    asked = []
    for name, (factory, accept) in list(Image.OPEN.items()):
        if name not in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "MPO"):
            monkeypatch.setitem(Image.OPEN, name, (lambda *_, n=name: asked.append(n), accept))
            opener = getattr(factory, "_open", None)
            if opener:
                monkeypatch.setattr(factory, "_open", lambda self, n=name: asked.append(n))
    strangers = [case for case in corpus.cases() if case.name.startswith("stranger")]
    strangers += list(of_other_formats())

    for case in strangers:
        with pytest.raises(SmaltiError):
            smalti.compress(case.write(tmp_path), k=2)

    assert asked == []
    with pytest.raises(AttributeError):  # the check can fail: what is asked returns no image
        Image.open(io.BytesIO(b"P6 1 1 255\nabc"))
    assert asked
    figure(f"{len(strangers)} files of other formats, called .png: none of their readers was asked")


def of_other_formats():
    """Yield a good file of each other format that Pillow writes."""
    picture = Image.new("RGB", (32, 32), (200, 100, 50))
    for name in ("PPM", "PCX", "TGA", "ICO", "ICNS", "DDS", "SGI", "EPS", "PDF", "JPEG2000", "XBM"):
        buffer = io.BytesIO()
        try:
            (picture.convert("1") if name == "XBM" else picture).save(buffer, name)
        except (OSError, KeyError):  # not built into this Pillow
            continue
        yield corpus.Case(f"saved-{name}.png", REFUSED, buffer.getvalue())


# ---------------------------------------------------------------- too little memory

LADDER = [2**20 * mib for mib in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 160, 256, 512)]


@pytest.mark.bounded
@pytest.mark.guarantee(26)
@pytest.mark.parametrize("kind", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("target", ["png", "webp", "gif"])
def test_every_amount_of_memory_ends_in_success_or_one_line(
    driver, tmp_path, effort, figure, kind, target
):
    side = effort(400, 1500)
    y, x = np.mgrid[:side, :side]
    waves = (np.sin(x / 50) + np.cos(y / 70)) * 60 + 128
    path = tmp_path / f"a.{kind}"
    Image.fromarray(np.dstack([waves, waves / 2, 255 - waves]).astype(np.uint8)).save(path)

    steps = [
        driver(path.name, *WORDS[:-1], f"out/{i}.{target}", path, more=more, seconds=120)
        for i, more in enumerate(LADDER)
        if not driver.sweep()
    ]
    driver.sweep()

    assert [faults(ended, (0, 4)) for ended in steps if faults(ended, (0, 4))] == []
    codes = [ended.code for ended in steps]
    assert codes[0] == 4
    assert codes[-1] == 0
    figure(
        f"{kind} to {target}: {len(steps)} steps of address space, {codes.count(4)} one-line "
        f"errors, {codes.count(0)} successes"
    )


# ---------------------------------------------------------------- files that only smalti reads

COLORS = np.random.default_rng(5).integers(0, 256, (40, 3)).astype(np.uint8)


def own_files():
    """Return a good file for each reader of our own, and the reader."""
    rng = np.random.default_rng(6)
    shares = np.full(len(COLORS), 1 / len(COLORS))
    found = {
        f"palette{suffix}": (
            palette_files.dump(suffix, COLORS, shares),
            lambda data, suffix=suffix: palette_files.parse(data, suffix),
        )
        for suffix in palette_files.SUFFIXES
    }
    histogram = smalti.Histogram(COLORS, rng.integers(1, 10**6, len(COLORS)))
    found["colors.hist"] = (histogram.dumped(), smalti.Histogram.load)
    found["indices.npz"] = (saved_archive(COLORS, np.zeros((9, 9), np.uint8)), loaded_archive)
    return found


def saved_archive(palette, indices):
    buffer = io.BytesIO()
    smalti.IndexedImage(palette, indices).save(buffer, format="npz")
    return buffer.getvalue()


def loaded_archive(data):
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        file.write(data)
        file.flush()
        return smalti.IndexedImage.load(file.name)


def damaged(data, rng):
    """Return a file with bytes changed, removed, repeated, or cut off."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        start = int(rng.integers(len(data) + 1))
        end = start + int(rng.integers(1, 9))
        how = rng.integers(5)
        if how == 0:
            data[start:end] = rng.bytes(len(data[start:end]))
        elif how == 1:
            del data[start:end]
        elif how == 2:
            data[start:start] = data[start:end] * int(rng.integers(1, 40))
        elif how == 3:
            data[start:end] = bytes([(0, 255, 127, 45)[rng.integers(4)]]) * len(data[start:end])
        else:
            del data[start:]
    return bytes(data)


@pytest.mark.guarantee(21)
@pytest.mark.parametrize("name", own_files())
def test_damaged_palettes_and_histograms_are_read_or_refused_in_a_sentence(name, effort, figure):
    data, read = own_files()[name]
    rng, messages, tries = np.random.default_rng(len(name)), [], effort(150, 5000)

    for _ in range(tries):
        try:
            read(damaged(data, rng))
        except SmaltiError as error:
            messages.append(str(error))

    assert messages
    assert not any("\n" in message for message in messages)
    figure(f"{name}: {tries:,} damaged files, {len(messages):,} refused, the others read")


HOSTILE_LISTS = {
    "deep.json": b"[" * 200_000,
    "deep-colors.json": b'{"colors": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "digits.json": b'{"colors": [' + b"9" * 100_000 + b"]}",
    "many.json": b'{"colors": [' + b'"#000000",' * 70_000 + b'"#000000"]}',
    "share.json": b'{"colors": [{"hex": "#000000", "share": 1e999}]}',
    "number.json": b"NaN",
    "many.hex": b"000000\n" * 100_000,
    "long.hex": b"0" * 10_000_000,
    "digits.hex": "\u0661\u0662\u0663\u0664\u0665\u0666\n".encode(),
    "nul.gpl": b"GIMP Palette\n" + bytes(1_000_000),
    "spaces.gpl": b"GIMP Palette\n" + b" " * 5_000_000,
    "digits.gpl": b"GIMP Palette\n" + b"9" * 100_000 + b" 0 0\n",
    "open.css": b":root {" + b"--a: #0" * 500_000,
    "open-comment.css": b"/*" * 1_000_000,
    "count.pal": b"JASC-PAL\r\n0100\r\n" + b"9" * 100_000 + b"\r\n",
    "riff.pal": b"RIFF\xff\xff\xff\xffPAL data\xff\xff\xff\xff\0\3\xff\xff",
    "blocks.ase": b"ASEF\0\1\0\0\xff\xff\xff\xff" + b"\0\1\0\0\0\0" * 500_000,
    "length.ase": b"ASEF\0\1\0\0\0\0\0\1\0\1\xff\xff\xff\xff",
    "count.aco": b"\0\1\xff\xff",
    "names.aco": b"\0\2\0\1" + bytes(10) + b"\xff\xff\xff\xff",
    "short.act": bytes(771),
    "count.act": bytes(768) + b"\xff\xff\xff\xff",
    "rows.palette": b"99999999999999999999 #000000\n",
    "long.palette": b"0 #" + b"0" * 5_000_000,
    "empty.gpl": b"",
    "large.hex": b"0" * (2**24 + 1),
}


@pytest.mark.guarantee(21)
@pytest.mark.parametrize("name", HOSTILE_LISTS)
def test_hostile_palette_file_is_refused_by_the_command(driver, name, tmp_path):
    (tmp_path / name).write_bytes(HOSTILE_LISTS[name])
    picture = tmp_path / "a.png"
    picture.write_bytes(next(corpus.cases()).data)

    ended = driver(name, "apply", "--palette", tmp_path / name, "-o", "out/x.png", picture)
    driver.sweep()

    assert faults(ended, (2,)) == []


HOSTILE_ARCHIVES = {
    "empty.hist": b"\x8bSMHIST",
    "zeros.hist": bytes(4000),
    "lock.palette": b"# smalti palette lock\n" * 100_000,
}


@pytest.mark.guarantee(22)
def test_archive_that_unpacks_to_more_than_the_limit_is_refused(figure):
    bomb = saved_archive(COLORS, np.zeros((18_000, 18_000), np.uint8))

    with pytest.raises(LimitExceeded, match="unpacks to 309 MiB"):
        loaded_archive(bomb)

    figure(f"an .npz of {len(bomb):,} bytes that unpacks to 309 MiB is refused")


@pytest.mark.guarantee(21)
def test_gif_of_a_million_frames_is_no_indexed_image_at_once():
    data = next(case.data for case in corpus.cases() if case.name == "gif-million-frames.gif")

    with pytest.raises((BadImage, LimitExceeded)):
        decode_indexed(data)


@pytest.mark.guarantee(21)
@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_hostile_histogram_or_lock_is_refused_by_the_command(driver, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(HOSTILE_ARCHIVES[name])
    picture = tmp_path / "a.png"
    picture.write_bytes(next(corpus.cases()).data)
    words = ("fit", "-o", "out/x.gpl", path)
    if name.startswith("lock"):
        words = ("apply", "--lock", path, "-o", "out/x.png", picture)

    ended = driver(name, *words)
    driver.sweep()

    assert faults(ended, (2,)) == []
    assert path.read_bytes() == HOSTILE_ARCHIVES[name]
