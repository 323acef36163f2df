"""Recipes: files that say how they were made, checked and made again."""

import inspect
import io
import json
import re

import movie_kit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import cases
from PIL import Image
from process import file_of, listing, one_line, picture

import smalti
from smalti import (
    AlreadyCompressed,
    BadImage,
    BadOption,
    MissingRecipe,
    SmaltiError,
    labels,
    png,
    verify_recipe,
)
from smalti.compress import compress
from smalti.recipe import Recipe, hash_of_pictures
from smalti.selftest import pictures

SETTINGS = {
    "all at their defaults": {},
    "many colors": {"k": 300},
    "few colors": {"k": 2, "dither": "bayer", "space": "srgb"},
    "k by itself": {"k": "auto"},
    "quality": {"k": 200, "quality": "20-60"},
    "bytes": {"k": 16, "max_bytes": "2k"},
    "centroids": {"k": 3, "init": np.uint8([[1, 2, 3], [200, 100, 4]])},
    "points": {"k": 3, "init": [[0.5, 0.1, 0.1], [0.2, 0.01, 0.02]], "tol": 0},
    "kept": {"k": 16, "keep": {0: "#fff", 3: "red"}, "guard": False},
    "palette": {"palette": "#000,#fff,#c008", "dither_strength": 0.5},
    "weights": {"k": 16, "weight": "auto", "seed": np.int64(4)},
    "packed": {"k": 12, "pack": "max"},
    "sized": {"k": 12, "size": 1},
    "numbers of numpy": {"k": np.int64(9), "size": np.float32(0.5), "guard": np.False_, "keep": []},
    "GIF": {"k": 12, "format": "gif"},
    "WebP": {"k": 12, "format": "webp"},
}


@pytest.fixture(scope="module")
def original():
    return file_of(Image.fromarray(pictures()["soft edge"]))


def content_of(data):
    return labels.RECIPE.find(data)


def with_recipe(data, text):
    """Return a PNG with another text as its recipe."""
    plain = b"".join(
        chunk for name, chunk in chunks_of(data) if not chunk[8:].startswith(b"smalti-recipe")
    )
    return labels.RECIPE.put(png.SIGNATURE + plain, text)


def chunks_of(data):
    at = len(png.SIGNATURE)
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big") + 12
        yield data[at + 4 : at + 8], data[at : at + size]
        at += size


def changed(data, **fields):
    """Return a PNG whose recipe has other fields."""
    return with_recipe(data, json.dumps(json.loads(content_of(data)) | fields).encode())


# ---------------------------------------------------------------- made again


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_file_with_a_recipe_is_made_again_from_its_original(original, settings):
    report = compress(original, embed_recipe=True, allow_larger=True, **settings)

    alone, again = verify_recipe(report.data), verify_recipe(report.data, original)

    assert alone.ok
    assert alone.again is None
    assert again.ok
    assert again.again is True
    assert str(again).startswith(f"as made by smalti {smalti.__version__}, k = ")


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_recipe_changes_no_pixel_and_no_size_is_told_without_it(original, settings):
    settings = {name: value for name, value in settings.items() if name != "max_bytes"}

    plain = compress(original, allow_larger=True, **settings)
    report = compress(original, embed_recipe=True, allow_larger=True, **settings)

    np.testing.assert_array_equal(pixels(report.data), pixels(plain.data))
    np.testing.assert_array_equal(report.palette.colors, plain.palette.colors)
    assert report.bytes_out == len(report.data)
    more = len(report.data) - len(plain.data)
    assert more >= len(content_of(report.data))
    assert [way.quick_bytes for way in report.tried] == [w.quick_bytes + more for w in plain.tried]
    assert report.explain["metadata"] > plain.explain["metadata"]


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image.convert("RGBA"))


def test_no_file_has_a_recipe_unless_it_is_asked_for(original):
    assert content_of(compress(original, k=12).data) == b""


def test_a_size_that_is_asked_for_includes_the_recipe(original):
    report = compress(original, k=64, max_bytes=2000, embed_recipe=True)

    assert content_of(report.data)
    assert len(report.data) <= 2000


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_animations_have_recipes_too(kind):
    frames = [np.roll(pictures()["photo"], 3 * i, axis=1) for i in range(3)]
    original = movie_kit.whole(frames)

    report = compress(original, k=16, format=kind, embed_recipe=True, allow_larger=True)

    assert report.motion.frames == 3
    assert verify_recipe(report.data, original).ok
    other = movie_kit.whole([*frames[:2], frames[0]])
    assert not verify_recipe(report.data, other).ok


def test_profiles_that_are_kept_change_nothing(original):
    from PIL import ImageCms

    with Image.open(io.BytesIO(original)) as image:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        tagged = file_of(image, icc_profile=profile)

    report = compress(tagged, k=16, icc="keep", embed_recipe=True, allow_larger=True)

    assert verify_recipe(report.data, tagged).ok


# ---------------------------------------------------------------- what is in it


def test_a_recipe_holds_version_k_options_and_hashes(original):
    report = compress(original, k=16, dither="none", keep="0=white,red", embed_recipe=True)

    fields = json.loads(content_of(report.data))

    assert list(fields) == ["smalti", "k", "options", "source", "result", "pixels"]
    assert fields["smalti"] == smalti.__version__
    assert fields["k"] == 16
    assert fields["options"] == {"dither": "none", "keep": "0=#ffffff,#ff0000"}
    assert fields["source"] == hash_of_pictures([pictures()["soft edge"]])
    assert all(re.fullmatch("[0-9a-f]{64}", fields[name]) for name in list(fields)[3:])


def test_a_recipe_names_no_file_and_no_folder(tmp_path, original):
    secret = tmp_path / "home-of-jo"
    secret.mkdir()
    (secret / "portrait.png").write_bytes(original)
    (secret / "private.hex").write_text("000000\nffffff\ncc0000\n")

    smalti.compress(
        secret / "portrait.png", secret / "out.png", palette=secret / "private.hex",
        embed_recipe=True, preserve=True, allow_larger=True, threads=1,
    )  # fmt: skip

    data = (secret / "out.png").read_bytes()
    for word in (b"jo", b"portrait", b"private", b"/", str(tmp_path).encode(), b"threads"):
        assert word not in content_of(data)
    assert verify_recipe(secret / "out.png", secret / "portrait.png").ok


def test_every_option_of_compress_is_in_the_recipe_or_changes_nothing(original):
    from smalti.recipe import UNWRITTEN

    parameters = inspect.signature(compress).parameters

    assert parameters.keys() >= UNWRITTEN
    assert not {"format", "icc", "size", "frame_palettes", "strict", "pack"} & UNWRITTEN


def test_a_map_of_weights_is_refused(original):
    with pytest.raises(BadOption, match="a recipe cannot hold a map of weights"):
        compress(original, weight=np.ones((60, 80), np.uint8), embed_recipe=True)


# ---------------------------------------------------------------- what differs


def test_an_edited_picture_is_told_from_the_one_that_was_written(original):
    data = compress(original, k=16, embed_recipe=True).data
    with Image.open(io.BytesIO(data)) as image:
        edited = image.convert("RGBA")
    edited.putpixel((7, 5), (1, 2, 3, 255))
    edited = with_recipe(file_of(edited), content_of(data))

    found = verify_recipe(edited, original)

    assert not found.ok
    assert not found.pixels
    assert str(found) == "its pixels are not those that its recipe tells of: it was changed since."


def test_the_same_pixels_in_other_bytes_are_the_same_picture(original):
    data = compress(original, k=16, embed_recipe=True).data
    with Image.open(io.BytesIO(data)) as image:
        other = with_recipe(file_of(image.convert("RGBA")), content_of(data))

    assert verify_recipe(other, original).ok


def test_another_original_is_told_from_other_results(original):
    data = compress(original, k=16, embed_recipe=True).data

    other = verify_recipe(data, file_of(picture(3)))
    differs = verify_recipe(changed(data, result="0" * 64), original)

    assert other.problem.endswith("is not the picture that it was made from.")
    assert differs.problem == "the original, compressed again, gives other colors or indices."


def test_another_version_is_named(original):
    data = compress(original, k=16, embed_recipe=True).data

    same = verify_recipe(changed(data, smalti="0.0.9"), original)
    other = verify_recipe(changed(data, smalti="0.0.9", result="0" * 64), original)

    assert same.ok
    assert f"(made by smalti 0.0.9, and this is {smalti.__version__})" in str(same)
    assert str(other).endswith(f"made by smalti 0.0.9, and this is {smalti.__version__}")


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b'{"smalti":1}', b"\xff\xfe", b"9" * 5000,
    b" " * (2**20 + 1),
], ids=lambda text: repr(text[:12]))  # fmt: skip
def test_a_damaged_recipe_is_refused_in_one_line(original, text):
    data = with_recipe(compress(original, k=16).data, text)

    with pytest.raises(BadImage, match=r"it has (no recipe; smalti|a recipe that is damaged)"):
        verify_recipe(data)


@pytest.mark.parametrize("fields", [
    {"k": None}, {"k": True}, {"k": 1.5}, {"k": -1}, {"k": 65_537}, {"smalti": None},
    {"smalti": "x" * 99}, {"smalti": "\x1b[31m"}, {"result": "short"}, {"options": []},
    {"source": 7},
], ids=str)  # fmt: skip
def test_fields_of_other_types_are_damage(original, fields):
    data = changed(compress(original, k=16, embed_recipe=True).data, **fields)

    with pytest.raises(BadImage, match="it has a recipe that is damaged"):
        verify_recipe(data)


@pytest.mark.parametrize("options", [
    {"palette": "/etc/passwd"}, {"weight": "/etc/passwd"}, {"target": "/tmp/out.png"},
    {"source": "/etc/passwd"}, {"limits": None}, {"overwrite": True}, {"nothing": 1},
    {"init": {"a": 1}}, {"palette": [[0, 0, 0]]}, {"on_try": 1}, {"pack": "/etc/hostname"},
], ids=str)  # fmt: skip
def test_options_that_could_name_a_file_or_are_none_are_refused(original, options):
    data = changed(compress(original, k=16, embed_recipe=True).data, options=options)

    with pytest.raises(BadImage, match=r"its recipe (has an option that|says .*, which) smalti "):
        verify_recipe(data, original)


@pytest.mark.parametrize(("name", "value"), [
    ("dither", "much"), ("pack", "fast\x1b[2K\r\nall right"), ("n_init", -1), ("seed", "0"),
    ("tol", float("nan")), ("size", [0.5]), ("guard", "yes"), ("quality", "best"), ("quality", []),
    ("max_bytes", "much"), ("keep", "1=1=1"), ("keep", "9" * 5000 + "=#fff"), ("palette", ["/etc"]),
    ("init", [[1, 2]]), ("init", []), ("init", [[True] * 3]), ("icc", None), ("weight", "a.png"),
], ids=lambda value: repr(value)[:20])  # fmt: skip
def test_values_that_an_option_cannot_have_are_damage_or_another_version(original, name, value):
    data = changed(compress(original, k=16, embed_recipe=True).data, options={name: value})

    with pytest.raises(BadImage, match=f"its recipe says {name} .*; it is damaged") as told:
        verify_recipe(data)

    assert str(told.value).isprintable()
    assert len(str(told.value)) < 200
    with pytest.raises(BadImage, match=r"it was made by smalti 9\.9, or is damaged"):
        verify_recipe(changed(data, smalti="9.9"))


WORDS = st.text(max_size=8) | st.sampled_from(["\x1b[2K\r", "\n1 file: all right", "auto", "#fff"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(inspect.signature(compress).parameters)) | WORDS
FIELDS = st.sampled_from(["smalti", "k", "source", "result", "pixels"])
CHANGES = st.fixed_dictionaries(
    {}, optional={"fields": st.dictionaries(FIELDS, VALUES, max_size=2),
                  "options": VALUES | st.dictionaries(NAMES, VALUES, max_size=2),
                  "without": st.sampled_from(
                      ["smalti", "k", "options", "source", "result", "pixels"])},
)  # fmt: skip


@pytest.fixture(scope="module")
def with_its_recipe(original):
    return compress(original, k=2, embed_recipe=True).data


@settings(max_examples=cases(300, 3000), deadline=None)
@given(CHANGES)
def test_whatever_a_recipe_holds_is_a_verdict_or_a_refusal_in_one_line(with_its_recipe, change):
    fields = json.loads(content_of(with_its_recipe)) | change.get("fields", {})
    fields |= {"options": change["options"]} if "options" in change else {}
    fields.pop(change.get("without"), None)

    try:
        told = str(verify_recipe(with_recipe(with_its_recipe, json.dumps(fields).encode())))
    except SmaltiError as error:
        told = str(error)

    assert told.isprintable()


@pytest.mark.parametrize("name", ["smalti", "k", "options", "source", "result", "pixels"])
def test_a_recipe_without_a_field_is_damaged(with_its_recipe, name):
    fields = json.loads(content_of(with_its_recipe))
    del fields[name]

    with pytest.raises(BadImage, match="it has a recipe that is damaged"):
        verify_recipe(with_recipe(with_its_recipe, json.dumps(fields).encode()))


# ---------------------------------------------------------------- compressed again


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
@pytest.mark.parametrize("options", [{"k": 16}, {"k": "auto"}], ids=str)
def test_a_file_with_a_recipe_is_recognized_and_keeps_it(original, kind, options):
    data = compress(original, format=kind, embed_recipe=True, **options).data

    for embed in (False, True):
        with pytest.raises(AlreadyCompressed):
            compress(data, format=kind, embed_recipe=embed, **options)


def test_packing_that_saves_more_than_the_recipe_is_worth_it(original):
    data = compress(original, k=64, embed_recipe=True).data
    with Image.open(io.BytesIO(data)) as image:
        wasteful = with_recipe(file_of(image.convert("RGBA"), compress_level=0), content_of(data))

    assert compress(wasteful, k=64).bytes_out < len(data)


def test_a_recipe_is_a_text_that_other_programs_read(original):
    data = compress(original, k=16, embed_recipe=True, pack="max").data

    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert json.loads(image.text["smalti-recipe"])["k"] == 16


def test_recipes_too_long_for_one_block_of_a_gif_are_whole(original):
    colors = [f"#{i:02x}40{255 - i:02x}" for i in range(200)]

    report = compress(original, palette=colors, format="gif", embed_recipe=True, allow_larger=True)

    assert len(content_of(report.data)) > 1000
    assert Recipe.found_in(report.data).options["palette"] == colors
    assert verify_recipe(report.data, original).ok


# ---------------------------------------------------------------- the command


def test_command_checks_a_file_by_its_recipe(smalti, folder):
    smalti("a.png", "-k", 16, "--embed-recipe")

    alone = smalti("verify", "a-smalti.png")
    again = smalti("verify", "a-smalti.png", "--source", "a.png")

    assert alone.stdout.splitlines()[0].endswith("k = 16")
    assert again.stdout.splitlines() == [
        alone.stdout.splitlines()[0]
        + "; the original, compressed again, gives the same palette and indices",
        "1 file: all right",
    ]


def test_command_says_what_differs_and_exits_with_1(smalti):
    smalti("a.png", "-k", 16, "--embed-recipe")

    done = smalti("verify", "a-smalti.png", "--source", "b.png", "-q", code=1)

    assert done.stdout == "a-smalti.png: b.png is not the picture that it was made from.\n"


def test_a_file_without_a_recipe_is_exit_code_2_and_one_line(smalti):
    done = smalti("verify", "a.png", "-q", code=2)

    assert one_line(done.stderr) == (
        "smalti: a.png: it has no recipe; smalti compress --embed-recipe writes one\n"
    )


def test_files_without_a_recipe_are_counted_apart_from_those_that_cannot_be_read(smalti, folder):
    smalti("a.png", "-k", 16, "--embed-recipe")
    (folder / "bad.png").write_bytes(b"no picture")

    some = smalti("verify", "a.png", "b.png", "a-smalti.png", "none.png", "bad.png", code=1)
    none = smalti("verify", "a.png", "bad.png", code=2)

    assert some.stdout.splitlines()[-1] == "5 files: 2 have no recipe, 2 could not be read"
    assert none.stdout == "2 files: 1 has no recipe, 1 could not be read\n"
    assert "none.png does not exist" in some.stderr
    with pytest.raises(MissingRecipe, match=r"a\.png: it has no recipe"):
        verify_recipe(folder / "a.png")


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
def test_a_file_that_was_cut_short_is_told_as_that_and_not_as_one_without_a_recipe(original, kind):
    data = compress(original, k=16, format=kind, embed_recipe=True, allow_larger=True).data

    for end in (len(data) // 2, len(data) - 100):
        with pytest.raises(BadImage) as told:
            verify_recipe(data[:end])
        assert not isinstance(told.value, MissingRecipe)
        assert "recipe;" not in str(told.value)


def test_standard_input_is_checked_like_a_file(smalti, folder):
    smalti("a.png", "-k", 16, "--embed-recipe")
    data = (folder / "a-smalti.png").read_bytes()

    named = smalti("verify", "a-smalti.png").stdout
    again = smalti("verify", "-", "--source", "a.png", stdin=data).stdout
    by_palette = smalti("verify", "-", "--palette", "#fff", "--json", stdin=data, code=1).stdout

    assert smalti("verify", "-", stdin=data).stdout == named.replace(
        "a-smalti.png", "standard input"
    )
    assert again.startswith("standard input: as made by")
    assert json.loads(by_palette)["source"] == "standard input"
    assert one_line(smalti("verify", "-", stdin=b"", code=2).stderr) == (
        "smalti: standard input is empty\n"
    )
    assert "standard input is checked alone" in smalti("verify", "-", "a.png", code=2).stderr


@pytest.mark.parametrize(("arguments", "says"), [
    (["a.png", "--source", "b.png", "--palette", "#000"], "--source goes with recipes"),
    (["a.png", "b.png", "--source", "b.png"], "--source is the original of one file"),
    (["a.png", "--rows"], "--rows goes with --palette or --lock"),
])  # fmt: skip
def test_what_recipes_do_not_go_with_is_refused(smalti, arguments, says):
    assert says in one_line(smalti("verify", *arguments, code=2).stderr)


def test_a_hostile_recipe_is_one_line_and_the_next_file_goes_on(smalti, folder):
    smalti("a.png", "-k", 16, "--embed-recipe")
    data = (folder / "a-smalti.png").read_bytes()
    (folder / "in").mkdir()
    forged = {"pack": "fast\x1b[2K\rin/3.png: as made by smalti 0.1.0\n1 file: all right\x1b[8m"}
    (folder / "in" / "1.png").write_bytes(with_recipe(data, b"{}"))
    (folder / "in" / "2.png").write_bytes(changed(data, options=forged))
    (folder / "in" / "3.png").write_bytes(data)

    done = smalti("verify", "in", code=1)

    assert len(done.stderr.splitlines()) == 2
    assert done.stdout.splitlines()[0].startswith("in/3.png: as made by smalti")
    assert done.stdout.splitlines()[1:] == ["3 files: 2 could not be read"]
    assert "\x1b" not in done.stdout + done.stderr


def test_json_tells_of_the_recipe(smalti):
    smalti("a.png", "-k", 16, "--embed-recipe", "-q")

    found = json.loads(smalti("verify", "a-smalti.png", "--json").stdout)

    assert found["ok"] is True
    assert found["recipe"]["k"] == 16
    assert found["again"] is None


def test_batch_writes_recipes(smalti, folder):
    smalti("batch", "a.png", "b.png", "--out-dir", "out", "-k", 16, "--embed-recipe", "-j", 1)

    for name in ("a.png", "b.png"):
        smalti("verify", f"out/{name}", "--source", name)
    assert "out/a.png" in listing(folder)
