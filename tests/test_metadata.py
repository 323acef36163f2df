"""Metadata: nothing private in an output unless it was asked for, and then as it was."""

import io
import json
import re

import numpy as np
import private_files as kit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import cases
from PIL import ExifTags, Image, features
from PIL.PngImagePlugin import PngInfo

import smalti
from smalti import AlreadyCompressed, exif, gif, metadata, png
from smalti.decode import decode

KINDS = ("png", "webp", "gif")
OPTIONS = [{}, {"preserve": True, "icc": "keep"}, *cases([], [{"k": "auto"}, {"quality": "0-80"}])]


def made(kind):
    """Return a file of a format with a needle in every place for words."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    return kit.STILLS[kind]()


def compressed(source, kind, k=16, **options):
    return smalti.compress(source, k=k, format=kind, pack="fast", allow_larger=True, **options)


# ---------------------------------------------------------------- nothing leaks


@pytest.mark.guarantee(18)
def test_nothing_private_is_in_an_output_of_any_format_from_any_format(figure):
    searched = 0
    sources = {name: make for name, make in kit.STILLS.items()
               if name != "AVIF" or features.check("avif")}  # fmt: skip
    for name, make in (*sources.items(), *((f"moving {n}", m) for n, m in kit.MOVIES.items())):
        data = make()
        assert kit.revealed(data), f"the needles of {name} cannot be found"

        for kind in KINDS:
            for options in OPTIONS:
                report = compressed(data, kind, **options)

                assert kit.revealed(report.data) == set(), (name, kind, options)
                assert kit.NAME not in json.dumps(report.to_dict())
                searched += 1
    figure(f"0 needles in {searched} outputs of {len(sources) + len(kit.MOVIES)} kinds of input")


@pytest.mark.guarantee(18)
def test_a_collection_leaks_nothing_either(smalti, folder):
    (folder / "in").mkdir()
    (folder / "in" / "a.png").write_bytes(kit.png_file())
    (folder / "in" / "b.gif").write_bytes(kit.MOVIES["GIF"]())

    done = smalti("batch", "--out-dir", "out", "-k", 8, "in")

    written = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert len([path for path in written if path.suffix in (".png", ".gif")]) == 2
    assert [path.name for path in written if kit.revealed(path.read_bytes())] == []
    assert kit.NAME not in done.stdout + done.stderr


@pytest.mark.guarantee(18)
def test_a_batch_counts_the_copies_that_say_where_they_were_taken(smalti, folder):
    small = kit.file_of(kit.picture(1, 200, 240), "JPEG", quality=20)
    (folder / "in").mkdir()
    (folder / "in" / "plain.jpg").write_bytes(small)
    none = smalti("batch", "--out-dir", "out", "in")
    (folder / "in" / "a.jpg").write_bytes(small[:2] + kit.segment(0xE1, kit.exif()) + small[2:])

    for _ in range(2):  # the records of an earlier run know it, too
        some = smalti("batch", "--out-dir", "out", "in")
        assert "  2 kept as they were, 1 of them with a position\n" in some.stdout
    assert "  1 kept as they were, with whatever they say besides their pixels\n" in none.stdout
    assert (
        json.loads((folder / "out" / "smalti-summary.json").read_text())["kept_with_position"] == 1
    )


@pytest.mark.guarantee(18)
def test_an_original_that_is_handed_on_is_said_to_hold_what_it_holds(smalti, folder):
    small = kit.file_of(kit.picture(1, 200, 240), "JPEG", quality=20)
    secret = small[:2] + kit.segment(0xE1, kit.exif()) + small[2:]
    (folder / "in").mkdir()
    (folder / "in" / "a.jpg").write_bytes(secret)
    (folder / "in" / "plain.jpg").write_bytes(small)

    many = smalti("compress", "-r", "--out-dir", "out", "in")
    one = smalti("compress", "-o", "-", "in/a.jpg", code=98, binary=True)
    batch = smalti("batch", "--out-dir", "there", "in")

    assert "kept: a palette is no smaller, with its EXIF and with a position\n" in many.stdout
    assert "plain.jpg  kept: a palette is no smaller\n" in many.stdout
    assert b"passed through, with its EXIF" in one.stderr
    assert one.stdout == secret == (folder / "out" / "a.jpg").read_bytes()
    records = (folder / "there" / "smalti-records.jsonl").read_text()
    assert records.count("copied, with its EXIF") == 1
    assert batch.returncode == 0


# ---------------------------------------------------------------- what was asked for is there


@pytest.mark.guarantee(18)
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("kind", KINDS)
def test_metadata_that_is_to_be_kept_is_there_for_other_readers(name, kind):
    report = compressed(made(name), kind, keep_metadata=True)

    with Image.open(io.BytesIO(report.data)) as image:
        image.load()
        info, found = image.info, image.getexif()
    has = metadata.read(made(name))
    if has.exif and kind != "gif":
        assert found[ExifTags.Base.ImageDescription] == kit.needle("description")
        assert found.get_ifd(0x8825)[28] == b"ASCII\0\0\0" + kit.POSITION.encode()
    if has.xmp and kind != "gif":
        assert kit.needle("xmp").encode() in info["xmp"]
    if has.texts and kind == "gif":
        assert kit.NAME.encode() in b"".join(
            b"".join(gif.sub_blocks(chain)) for _, chain in gif.extensions(report.data)
        )
    noted = [note for note in report.notes if note.startswith("metadata kept: ")]
    assert len(noted) == bool(has.held(kind.upper())[0])
    assert decode(report.data).notes == ()
    np.testing.assert_array_equal(decode(report.data).image, decode(compressed(
        made(name), kind).data).image)  # fmt: skip


def test_xmp_in_a_gif_is_read_by_whoever_walks_its_blocks():
    report = compressed(kit.jpeg(), "gif", keep_metadata=True)

    labels = [(label, chain[1:12]) for label, chain in gif.extensions(report.data)]
    assert (gif.APPLICATION, b"XMP DataXMP") in labels
    start = report.data.index(b"XMP DataXMP") + 11
    assert report.data[start:].startswith(b"<?xpacket begin=")  # as a text, for readers of that
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(report.data)).convert("RGB")), decode(report.data).image
    )


def test_texts_of_a_png_are_kept_byte_for_byte():
    before = [chunk for chunk in png.chunks(kit.png_file()) if chunk[0] in (b"tEXt", b"zTXt")]

    report = compressed(kit.png_file(), "png", keep_metadata=True)

    after = [chunk for chunk in png.chunks(report.data) if chunk[0] in (b"tEXt", b"zTXt")]
    assert after == before
    assert b"prVt" not in report.data
    assert kit.needle("behind the end").encode() not in report.data


def test_iptc_of_a_jpeg_is_a_text_of_png_as_others_read_it():
    report = compressed(kit.jpeg(), "png", keep_metadata=True)

    with Image.open(io.BytesIO(report.data)) as image:
        text = image.text["Raw profile type iptc"]
    head, size, *digits = text.split()
    content = bytes.fromhex("".join(digits))
    assert (head, int(size)) == ("iptc", len(content))
    assert content.startswith(b"8BIM\x04\x04")
    assert kit.iptc() in content
    assert metadata.read(report.data).iptc == kit.iptc()


def test_the_report_says_what_was_kept_in_how_many_bytes_and_what_was_not():
    plain = compressed(kit.jpeg(), "png")
    kept = compressed(kit.jpeg(), "png", keep_metadata=True)
    half = compressed(kit.jpeg(), "webp", keep_metadata=True)

    (note,) = [note for note in kept.notes if "metadata" in note]
    told = int(re.search(r"([\d,]+) bytes", note)[1].replace(",", ""))
    assert note.startswith("metadata kept: EXIF, XMP, IPTC and 1 text, ")
    assert told == kept.bytes_out - plain.bytes_out
    assert half.notes[-2].startswith("metadata kept: EXIF and XMP, ")
    assert half.notes[-1] == "metadata left out: IPTC and 1 text; WebP has no place for that"
    assert plain.notes == ()
    assert kept.explain["metadata"] > plain.explain["metadata"] == 0
    assert kept.explain["input_metadata"] < plain.explain["input_metadata"]
    parts = {name: size for name, size in kept.explain.items() if name != "input_metadata"}
    assert sum(parts.values()) == kept.bytes_out


def test_density_is_kept_with_the_metadata_where_the_format_has_one():
    data = kit.file_of(kit.picture(), "PNG", dpi=(300, 300))

    kept, elsewhere = (compressed(data, kind, keep_metadata=True) for kind in ("png", "webp"))

    assert decode(kept.data).dpi == pytest.approx((300, 300), abs=0.1)
    assert elsewhere.notes == ("density of 300 dpi left out: WebP holds none",)


@pytest.mark.parametrize(("unit", "told"), [(2, 300), (3, 762), (None, 300), (1, None)])
def test_density_that_stays_in_exif_is_not_said_to_be_left_out(unit, told):
    tags = Image.Exif()
    tags[0x011A] = tags[0x011B] = 300.0
    if unit:
        tags[0x0128] = unit
    data = kit.file_of(kit.picture(), "PNG", dpi=(300, 300), exif=tags)

    kept, dropped = (
        compressed(data, "webp", keep_metadata=keep, preserve=True) for keep in (True, False)
    )

    rest = f" but that of EXIF, {told} dpi" if told else ""
    words = f"density of 300 dpi left out: WebP holds none{rest}"
    assert [note for note in kept.notes if "density" in note] == ([] if told == 300 else [words])
    assert exif.density(metadata.read(kept.data).exif) == (told and pytest.approx((told, told)))
    assert dropped.notes == ("density of 300 dpi left out: WebP holds none",)
    assert metadata.read(dropped.data) == metadata.NONE


GPS = {0: b"\2\3\0\0", 1: "N", 2: (48.0, 8.0, 9.0), 3: "E", 4: (11.0, 34.0, 0.0)}
XMP_POSITION = b'<x:xmpmeta exif:GPSLatitude="48,8.15N" exif:GPSLongitude="11,34.0E"/>'


@pytest.mark.guarantee(18)
@pytest.mark.parametrize(("gps", "xmp", "text", "told"), [
    (GPS, b"", "", True),
    ({0: b"\2\3\0\0"}, b"", "", False),  # the directory is there, and names no place
    ({}, XMP_POSITION, "", True),
    ({}, b'<x:xmpmeta dc:title="home"/>', "", False),
    ({}, b"", "exif:GPSLatitude", True),  # ImageMagick's
    ({}, b"", "Title", False),
])  # fmt: skip
def test_a_position_that_is_kept_or_handed_on_is_said(gps, xmp, text, told):
    tags, texts = Image.Exif(), PngInfo()
    tags[0x010F] = "maker"
    if gps:
        tags[0x8825] = gps
    if xmp:
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    if text:
        texts.add_text(text, "48/1, 8/1, 9/1")
    data = kit.file_of(kit.picture(), "PNG", exif=tags, pnginfo=texts)

    kept, dropped = (compressed(data, "png", keep_metadata=keep) for keep in (True, False))

    (note,) = [note for note in kept.notes if "metadata kept" in note]
    assert (", with a position, " in note) == told
    assert (" and with a position" in metadata.of_copy(data)) == told
    assert metadata.of_copy(dropped.data) == ""


# ---------------------------------------------------------------- and is true of the output


@pytest.mark.guarantee(16, 18)
@pytest.mark.parametrize("kind", ["png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 10))
def test_kept_metadata_says_that_a_turned_picture_is_upright(kind, orientation):
    for source in (kit.jpeg(orientation), kit.png_file(orientation)):
        kept, plain = (compressed(source, kind, keep_metadata=keep) for keep in (True, False))

        with Image.open(io.BytesIO(kept.data)) as image:
            image.load()
            tags, packet = image.getexif(), image.info["xmp"]
        assert tags[0x0112] == 1
        assert b'Orientation="1"' in packet or orientation == 9
        size = (48, 40) if orientation in (5, 6, 7, 8) else (40, 48)
        if orientation in range(5, 9):
            assert tags.get_ifd(0x8769)[0xA002] == 40
            assert (kept.height, kept.width) == size
        assert kit.needle("thumbnail").encode() not in kept.data
        again = decode(kept.data)
        assert again.notes == ()
        np.testing.assert_array_equal(again.image, decode(plain.data).image)


def test_exif_that_imagemagick_put_into_a_text_does_not_turn_the_picture_again():
    digits = kit.exif(6).hex()
    text = f"\nexif\n{len(digits) // 2:8}\n{digits}\n".encode()
    plain = kit.file_of(kit.picture(), "PNG")
    data = plain[:33] + png.chunk(b"tEXt", b"Raw profile type exif\0" + text) + plain[33:]

    report = compressed(data, "png", keep_metadata=True)

    assert (report.width, report.height) == (40, 48)
    assert b"Raw profile" not in report.data
    with Image.open(io.BytesIO(report.data)) as image:
        assert image.getexif()[0x0112] == 1


def test_an_orientation_in_xmp_alone_is_kept_as_it_is_and_so_are_the_pixels():
    plain = kit.file_of(kit.picture(), "PNG")
    words = png.chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + kit.xmp(6))

    report = compressed(plain[:33] + words + plain[33:], "png", keep_metadata=True)

    assert (report.width, report.height) == (48, 40)
    assert b'Orientation="6"' in report.data
    assert any("in XMP, but not in EXIF" in note for note in decode(report.data).notes)


def test_metadata_of_a_pillow_image_is_kept_too():
    with Image.open(io.BytesIO(kit.png_file(6))) as image:
        report = compressed(image, "png", keep_metadata=True)

    with Image.open(io.BytesIO(report.data)) as image:
        image.load()
        assert image.getexif()[0x0112] == 1
        assert image.text["Title"] == kit.needle("itxt")
        assert kit.POSITION.encode() in image.info["xmp"]


def test_a_makers_note_stays_where_its_own_offsets_expect_it():
    before = kit.exif(6).removeprefix(b"Exif\0\0")

    after = exif.adapted(before, turned=True, converted=False)

    assert after.index(b"MAKER") == before.index(b"MAKER")
    assert len(after) < len(before)  # without the thumbnail
    assert sum(a != b for a, b in zip(after, before, strict=False)) < 12


@pytest.mark.parametrize("order", ["<", ">"])
def test_colors_that_were_converted_are_said_to_be_srgb(order):
    tags = Image.Exif()
    tags.endian = order
    tags.get_ifd(0x8769)[0xA001] = 65535
    before = tags.tobytes()

    for converted, expected in ((True, 1), (False, 65535)):
        after = Image.Exif()
        after.load(exif.adapted(before, turned=False, converted=converted))
        assert after.get_ifd(0x8769)[0xA001] == expected


# ---------------------------------------------------------------- the promises hold with it


@pytest.mark.parametrize("name", kit.STILLS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_kept_once_is_kept_again_and_recognized(name, kind):
    for options in ({"k": 16}, {"k": "auto"}):
        wanted = {**options, "format": kind, "keep_metadata": True}
        once = smalti.compress(made(name), **wanted, allow_larger=True)

        with pytest.raises(AlreadyCompressed):
            smalti.compress(once.data, **wanted)
        again = smalti.compress(once.data, **wanted, allow_larger=True)

        assert again.data == once.data
        leaner = smalti.compress(once.data, **options, format=kind, allow_larger=True)
        assert kit.revealed(leaner.data) == set()
        np.testing.assert_array_equal(first_frame(leaner.data), first_frame(once.data))


def first_frame(data):
    return next(iter(smalti.frames(data)))


def test_bytes_of_metadata_count_where_a_result_must_be_smaller(tmp_path):
    image = kit.picture() // 64 * 64
    data = smalti.compress(image, k=64, pack="max").data
    tags = exif.adapted(kit.exif(), turned=False, converted=False)
    heavy = metadata.added(data, metadata.Metadata(exif=tags))

    with pytest.raises(smalti.NotSmaller):
        smalti.compress(heavy, tmp_path / "x.png", 64, keep_metadata=True)
    assert not (tmp_path / "x.png").exists()
    assert smalti.compress(heavy, k=64).bytes_out < len(heavy)


def test_a_number_of_bytes_is_met_with_the_metadata():
    report = smalti.compress(kit.jpeg(), max_bytes=5000, keep_metadata=True)

    assert report.bytes_out <= 5000
    assert any("metadata kept" in note for note in report.notes)


@pytest.mark.guarantee(18)
@pytest.mark.parametrize("name", kit.MOVIES)
@pytest.mark.parametrize("kind", KINDS)
def test_animations_keep_their_metadata_if_asked(name, kind):
    source = kit.MOVIES[name]()

    report = compressed(source, kind, keep_metadata=True)

    assert len(smalti.frames(report.data)) == 3
    with Image.open(io.BytesIO(report.data)) as image:
        assert image.n_frames == 3
    assert metadata.read(report.data).xmp == metadata.read(source).xmp
    assert kit.POSITION in kit.revealed(report.data)
    with pytest.raises(AlreadyCompressed):
        smalti.compress(report.data, k=16, format=kind, pack="fast", keep_metadata=True)


def test_without_the_png_optimizer_metadata_is_kept_too(monkeypatch):
    monkeypatch.setattr("smalti.png_packing._oxipng", lambda: None)

    report = compressed(kit.png_file(), "png", keep_metadata=True)

    assert kit.revealed(report.data) == {kit.NAME, kit.POSITION, "MAKER"}


def test_the_command_keeps_metadata_and_refuses_to_strip_it_too(smalti, folder):
    (folder / "a.png").write_bytes(kit.png_file())

    done = smalti("compress", "-k", 8, "--keep-metadata", "a.png")
    wrong = smalti("compress", "-k", 8, "--keep-metadata", "--strip", "a.png", code=2)

    assert "metadata kept: EXIF, XMP and 3 texts, " in done.stdout
    assert "--strip and --keep-metadata contradict each other" in wrong.stderr
    assert kit.POSITION in kit.revealed((folder / "a-smalti.png").read_bytes())


# ---------------------------------------------------------------- damage


@given(st.binary(max_size=200), st.sampled_from(["turned", "not"]))
@settings(max_examples=cases(100, 2000), deadline=None)
def test_any_exif_is_taken_or_left(data, turned):
    for given_bytes in (data, b"II*\0\x08\0\0\0" + data, b"MM\0*\0\0\0\x08" + data):
        after = exif.adapted(given_bytes, turned=turned == "turned", converted=True)

        assert after == b"" or after[:2] in (b"II", b"MM")


@given(st.sampled_from(sorted(kit.STILLS)), st.binary(min_size=1, max_size=8), st.integers(0))
@settings(max_examples=cases(60, 2000), deadline=None)
def test_damaged_metadata_never_stops_a_picture(name, noise, at):
    if name == "AVIF":
        return
    data = FILES[name]
    start = at % (len(data) - len(noise))
    broken = data[:start] + noise + data[start + len(noise) :]
    try:
        image = decode(broken).image
    except smalti.SmaltiError:
        return

    kept = decode(broken, metadata=True)

    np.testing.assert_array_equal(kept.image, image)
    for kind in KINDS:
        plain = smalti.compress(image[:2, :2], k=2, format=kind, pack="fast")
        full = metadata.added(plain.data, kept.metadata.held(kind.upper())[0])
        np.testing.assert_array_equal(decode(full).image, decode(plain.data).image)


FILES = {name: make() for name, make in kit.STILLS.items() if name != "AVIF"}


def test_metadata_beyond_8_mib_is_left_out():
    plain = kit.file_of(kit.picture(), "PNG")
    bomb = png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib_of(bytes(2**24)))

    found = metadata.read(plain[:33] + bomb + plain[33:])

    assert found == metadata.NONE


def zlib_of(content):
    import zlib

    return zlib.compress(content)
