"""Animations: every frame comes in as people see it, and goes out as it was meant."""

import base64
import io
import json
from fractions import Fraction

import movie_kit as kit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import chart
from PIL import Image

import smalti
from smalti import animation, gif, webp
from smalti.animation import ticks
from smalti.apng import fraction
from smalti.cels import Cel, box_of, canvases, unpacked
from smalti.decode import Limits
from smalti.errors import BadImage, BadOption, LimitExceeded, NotSmaller, OutsidePalette
from smalti.movies import opened
from smalti.painting import Show, animated
from smalti.steady import kept

KINDS = ("gif", "png", "webp")
RED, GREEN, BLUE, NOTHING = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def solid(color, width=6, height=5):
    return np.tile(np.uint8(color), (height, width, 1))


def frames_of(data, **options):
    return [kit.seen(frame) for frame in smalti.frames(data, **options)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_array_equal(one, other, err_msg=f"frame {number}")


def assert_all_readers_see(data, expected):
    assert_same(frames_of(data), expected)
    assert_same(kit.by_pillow(data), expected)


# ---------------------------------------------------------------- reading


@pytest.mark.guarantee(19)
@pytest.mark.parametrize(("dispose", "corner"), [(0, GREEN), (1, NOTHING), (2, RED)])
def test_apng_disposal_decides_what_the_next_frame_is_painted_on(dispose, corner):
    patch = (3, 2, solid(GREEN, 3, 3), dispose, 0)
    dot = (0, 0, solid(BLUE, 1, 1), 0, 0)

    frames = frames_of(kit.apng((6, 5), [(0, 0, solid(RED), 0, 0), patch, dot]))

    assert frames[1][4, 5].tolist() == list(GREEN)
    assert frames[2][4, 5].tolist() == list(corner)
    assert frames[2][0, 0].tolist() == list(BLUE)
    assert frames[2][0, 1].tolist() == list(RED)


def test_apng_blends_over_or_replaces():
    half = (0, 0, 255, 128)
    patches = [(0, 0, solid(RED), 0, 0), (0, 0, solid(half, 2, 2), 0, 1),
               (3, 0, solid(half, 2, 2), 0, 0)]  # fmt: skip

    frames = frames_of(kit.apng((6, 5), patches))

    assert frames[2][0, 0].tolist() == [127, 0, 128, 255]
    assert frames[2][0, 3].tolist() == list(half)


@pytest.mark.guarantee(19)
def test_the_still_picture_before_an_apng_is_no_frame_and_is_mentioned():
    data = kit.apng((6, 5), [(0, 0, solid(GREEN), 0, 0)] * 2, still=solid(RED))

    movie = smalti.frames(data)

    assert [tuple(frame[0, 0]) for frame in movie] == [GREEN[:3]] * 2
    assert "still picture" in movie.notes[0]


def test_first_apng_frame_that_puts_back_what_was_there_leaves_nothing():
    patches = [(0, 0, solid(RED), 2, 0), (0, 0, solid(BLUE, 2, 2), 0, 0)]

    frames = frames_of(kit.apng((6, 5), patches))

    assert frames[1][4, 5].tolist() == list(NOTHING)


@pytest.mark.guarantee(17)
def test_apng_16_bit_frames_are_rounded():
    image = np.zeros((1, 2, 3), ">u2")
    image[0, :, 0] = 0x80FF, 0x7F00
    rows = b"\0" + image.tobytes()
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    control = [struct.pack(">IIIIIHHBB", n, 2, 1, 0, 0, 1, 10, 0, 0) for n in (0, 1)]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        kit.chunk(name, content) for name, content in [
            (b"IHDR", head), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", control[0]),
            (b"IDAT", zlib.compress(rows)), (b"fcTL", control[1]),
            (b"fdAT", struct.pack(">I", 2) + zlib.compress(rows)), (b"IEND", b""),
        ]
    )  # fmt: skip

    assert [frame[0, :, 0].tolist() for frame in smalti.frames(data)] == [[128, 127]] * 2


PALETTE = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9))


def plane(index, width=6, height=5):
    return np.full((height, width), index, np.uint8)


@pytest.mark.guarantee(19)
@pytest.mark.parametrize(
    ("disposal", "corner"), [(0, GREEN), (1, GREEN), (2, NOTHING), (3, RED), (4, RED), (5, GREEN)]
)
def test_gif_disposal_decides_what_the_next_frame_is_painted_on(disposal, corner):
    patches = [(0, 0, plane(0), 1, None), (3, 2, plane(1, 3, 3), disposal, None),
               (0, 0, plane(2, 1, 1), 0, None)]  # fmt: skip

    frames = frames_of(kit.gif((6, 5), PALETTE, patches))

    assert frames[1][4, 5].tolist() == list(GREEN)
    assert frames[2][4, 5].tolist() == list(corner)
    assert frames[2][0, 1].tolist() == list(RED)


def test_clear_index_of_a_gif_leaves_what_is_there_and_the_canvas_begins_clear():
    mixed = plane(1, 3, 3)
    mixed[1] = 3
    patches = [(1, 1, plane(0, 4, 4), 0, None), (1, 1, mixed, 0, 3)]

    frames = frames_of(kit.gif((6, 5), PALETTE, patches))

    assert frames[0][0, 0].tolist() == list(NOTHING)
    assert [tuple(pixel) for pixel in frames[1][1:4, 1]] == [GREEN, RED, GREEN]


def test_frames_beyond_the_canvas_of_a_gif_are_cut_off_and_the_first_makes_room():
    patches = [(2, 0, plane(0, 6, 5), 0, None), (7, 4, plane(1), 0, None)]

    movie = smalti.frames(kit.gif((6, 5), PALETTE, patches))

    assert (movie.width, movie.height) == (8, 5)
    assert tuple(list(movie)[1][4, 7]) == GREEN


@pytest.mark.parametrize(("loop", "plays"), [(None, 1), (0, 0), (1, 2), (7, 8)])
def test_gif_says_how_often_to_repeat_which_is_once_less_than_to_play(loop, plays):
    data = kit.gif((6, 5), PALETTE, [(0, 0, plane(0), 0, None)] * 2, loop=loop)

    assert smalti.frames(data).plays == plays
    report = smalti.compress(data, format="gif", allow_larger=True)
    assert smalti.frames(report.data).plays == plays
    with Image.open(io.BytesIO(report.data)) as image:
        assert image.info.get("loop") == loop


def test_webp_frames_times_and_plays_are_read():
    frames = kit.ball(4)

    movie = smalti.frames(kit.webp(frames, [40, 50, 60, 70], plays=3))

    assert [float(delay) for delay in movie.delays] == [0.04, 0.05, 0.06, 0.07]
    assert movie.plays == 3
    assert_same([kit.seen(frame) for frame in movie], [kit.seen(frame) for frame in frames])


def test_bytes_behind_the_end_of_a_webp_play_no_part():
    data = kit.webp(kit.ball(4), [40] * 4)

    movie = smalti.frames(data + b"more than nothing")

    assert_same(list(movie), list(smalti.frames(data)))


def test_a_still_picture_is_an_animation_of_one_frame():
    movie = smalti.frames(kit.apng((6, 5), [(0, 0, solid(RED), 0, 0)]))

    assert (len(movie), movie.plays, movie.duration) == (1, 1, 0)
    assert next(iter(movie)).shape == (5, 6, 3)


def test_frames_are_decoded_anew_each_time():
    movie = smalti.frames(kit.whole(kit.ball(3)))

    assert_same(list(movie), list(movie))


@pytest.mark.guarantee(16)
def test_orientation_is_applied_to_all_frames():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = kit.apng((6, 5), [(0, 0, solid(RED), 0, 0)] * 2, None, 0, None,
                    kit.chunk(b"eXIf", exif.tobytes()[6:]))  # fmt: skip

    movie = smalti.frames(data)

    assert (movie.width, movie.height) == (5, 6)
    assert [frame.shape for frame in movie] == [(6, 5, 3)] * 2
    assert movie.notes == ("EXIF orientation 6 applied",)


# ---------------------------------------------------------------- damage and limits


def damaged(data):
    with pytest.raises(BadImage) as refused:
        list(smalti.frames(data))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_damaged_animations_are_refused_in_a_sentence():
    png = kit.whole(kit.ball(3))
    second = png.index(b"fcTL", png.index(b"fcTL") + 4)
    whole = kit.gif((6, 5), PALETTE, [(0, 0, plane(0), 0, None)] * 2)
    webp_file = kit.webp(kit.ball(3), [10, 10, 10])

    out_of_order = png[: second + 4] + b"\0\0\0\7" + png[second + 8 :]
    assert "fcTL" in damaged(out_of_order)  # its checksum is wrong now
    assert "not inside" in damaged(kit.apng((6, 5), [(0, 0, solid(RED), 0, 0),
                                                     (3, 3, solid(RED), 0, 0)]))  # fmt: skip
    assert "truncated" in damaged(png[:-30])
    assert "truncated" in damaged(whole[:-8])
    assert "truncated" in damaged(webp_file[:-40])


@pytest.mark.guarantee(19)
def test_damaged_pixels_of_a_frame_are_refused_with_its_number():
    data = bytearray(kit.gif((6, 5), PALETTE, [(0, 0, plane(0), 0, None)] * 3))
    last = data.rindex(b"\x2c")
    data[last + 12 : last + 16] = b"\xff\xff\xff\xff"

    assert "frame 3" in damaged(bytes(data))


def test_chunks_out_of_order_are_refused():
    import struct

    frame = kit.scanlines(solid(RED))
    control = struct.pack(">IIIIIHHBB", 5, 6, 5, 0, 0, 1, 10, 0, 0)
    good = kit.apng((6, 5), [(0, 0, solid(RED), 0, 0)] * 2)
    end = good.index(kit.chunk(b"IEND", b""))
    extra = kit.chunk(b"fcTL", control) + kit.chunk(b"fdAT", struct.pack(">I", 6) + frame)

    assert "not in order" in damaged(good[:end] + extra + good[end:])


def test_a_million_frames_are_refused_before_they_are_read():
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    bomb = b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * 1_000_000 + b"\x3b"

    with pytest.raises(LimitExceeded, match="more than 5,000 frames"):
        smalti.compress(bomb)
    with pytest.raises(BadImage, match="thousands of frames"):
        smalti.quantize(bomb, 4)


def test_pixels_of_all_frames_together_have_a_limit():
    data = kit.gif((1000, 1000), PALETTE, [(0, 0, plane(0, 1, 1), 0, None)] * 5)

    assert len(smalti.frames(data)) == 5
    with pytest.raises(LimitExceeded, match="5 megapixels, above the limit of 4 over all frames"):
        smalti.frames(data, limits=Limits(megapixels=1))


@pytest.mark.guarantee(19)
def test_other_verbs_refuse_animations_and_name_the_ways_out(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(kit.gif((6, 5), PALETTE, [(0, 0, plane(0), 0, None)] * 3))

    for verb in (smalti.Histogram.of, lambda source: smalti.quantize(source, 4)):
        with pytest.raises(BadImage, match=r"a\.gif: it has 3 frames.*compress.*smalti\.frames"):
            verb(path)


def test_one_palette_of_an_animation_can_be_built_from_its_frames():
    movie = smalti.frames(kit.whole(kit.ball(3)))

    palette = smalti.build_palette(sum(smalti.Histogram.of(frame) for frame in movie), 8)

    assert palette.k == 8


# ---------------------------------------------------------------- time


@given(st.lists(st.fractions(0, 5, max_denominator=999), max_size=9), st.sampled_from([100, 1000]))
@settings(max_examples=50, deadline=None)
def test_rounded_delays_add_up_to_the_rounded_total(delays, rate):
    found, exact, cut = ticks(delays, rate, 10**9)

    ends = np.cumsum([0, *delays])
    for i, end in enumerate(ends):
        assert abs(sum(found[:i]) - end * rate) <= Fraction(1, 2)
    assert exact == all((delay * rate).denominator == 1 for delay in delays)
    assert not cut


def test_times_between_formats_keep_their_total_and_say_when_not_exact():
    sixtieths = kit.whole(kit.ball(6), delays=[(1, 60)] * 6)

    report = smalti.compress(sixtieths, format="gif", allow_larger=True)

    assert smalti.frames(report.data).duration == Fraction(1, 10)
    assert [note for note in report.notes if "rounded" in note] == [
        "delays rounded to what GIF holds: same total"
    ]
    assert "browsers" in " ".join(report.notes)  # 1/100 s is not what they show


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("kind", KINDS)
def test_times_that_a_format_holds_are_kept_exactly(kind):
    delays = [(0, 1), (1, 100), (7, 100), (2, 1), (655, 1)]
    data = kit.whole(kit.ball(5), delays=delays, plays=4)

    report = smalti.compress(data, format=kind, allow_larger=True)

    movie = smalti.frames(report.data)
    assert movie.delays == tuple(Fraction(*delay) for delay in delays)
    assert movie.plays == 4
    assert not any("rounded" in note for note in report.notes)
    assert report.motion.seconds == float(movie.duration)


def test_what_a_format_cannot_count_is_cut_and_said():
    data = kit.whole(kit.ball(2), delays=[(700, 1), (1, 1)], plays=100_000)

    report = smalti.compress(data, format="gif", allow_larger=True)

    movie = smalti.frames(report.data)
    assert movie.delays[0] == Fraction(gif.LONGEST, 100)
    assert movie.plays == gif.MOST_PLAYS
    assert any("656.35 s in all, 701 s before" in note for note in report.notes)
    assert any("65,536 times instead of 100,000" in note for note in report.notes)


def test_delays_of_an_apng_that_no_fraction_holds_become_the_nearest():
    assert fraction(Fraction(1, 7)) == (1, 7)
    assert fraction(Fraction(100_000)) == (65_535, 1)
    top, bottom = fraction(Fraction(70_001, 1000))
    assert max(top, bottom) <= 65_535
    assert abs(Fraction(top, bottom) - Fraction(70_001, 1000)) < Fraction(1, 500)


# ---------------------------------------------------------------- writing


@pytest.mark.guarantee(14, 19)
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_animations_of_few_colors_come_back_pixel_identical(kind, clear):
    frames = kit.ball(clear=clear)

    report = smalti.compress(kit.whole(frames), format=kind, allow_larger=True)

    expected = [kit.seen(frame) for frame in frames]
    assert_all_readers_see(report.data, expected)
    if kind != "gif" or not clear:  # OpenCV fills what a GIF clears with its background color
        assert_same(kit.by_opencv(report.data), expected)
    assert report.psnr == float("inf")
    assert report.motion.frames == len(frames)


@pytest.mark.parametrize(
    ("kind", "own"),
    [*((kind, False) for kind in KINDS), ("gif", True), ("webp", True)],  # PNG has one palette
)
def test_pixels_that_do_not_change_do_not_flicker(kind, own):
    frames = kit.film()

    for options in ({}, {"size": 0, "dither": "floyd-steinberg"}, {"size": 0, "dither": "bayer"}):
        report = smalti.compress(
            kit.whole(frames), format=kind, k=16, frame_palettes=own, **options
        )

        found = frames_of(report.data)
        for before, after, one, other in zip(frames, frames[1:], found, found[1:], strict=False):
            still = (before == after).all(2)
            np.testing.assert_array_equal(one[still], other[still])


def test_noise_that_nobody_sees_is_not_painted_again_and_again():
    rng = np.random.default_rng(4)
    still = kit.film(1, 96)[0].astype(int)
    frames = [np.clip(still + rng.integers(-1, 2, still.shape), 0, 255) for _ in range(6)]
    data = kit.whole([frame.astype(np.uint8) for frame in frames])

    steady = smalti.compress(data, format="gif", k=64)
    restless = smalti.compress(data, format="gif", k=64, size=0, dither="none")

    assert steady.bytes_out < 0.6 * restless.bytes_out
    assert abs(steady.psnr - restless.psnr) < 1


def test_an_entry_is_kept_only_where_it_does_and_all_around_it_do():
    palette = np.uint8([[100, 100, 100], [103, 103, 103], [200, 0, 0]])
    image = np.full((9, 9, 3), 102, np.uint8)
    image[:, 8] = 103
    shown, indices = np.zeros((9, 9), np.uint8), np.ones((9, 9), np.uint8)

    found = kept(image, shown, indices, palette, 0.25)

    assert found[4, :6].all()
    assert not found[:, 8].any()  # the palette has its very color
    assert not kept(image, shown, indices, palette, 0.0).any()
    shown[3:6, 3:6] = 2
    assert not kept(image, shown, indices, palette, 0.25)[4, 2:7].any()


def test_the_report_of_an_animation_has_its_frames_and_time(tmp_path):
    data = kit.whole(kit.film(), delays=[(1, 5)] * 4, plays=0)

    report = smalti.compress(data, tmp_path / "film.png", k=16)

    assert "  frames    4 frames, 0.8 s, shown for ever; one palette for all" in str(report)
    told = json.loads(json.dumps(report.to_dict()))["motion"]
    assert told == {"frames": 4, "seconds": 0.8, "plays": 0, "frame_palettes": False}
    assert report.colors_used == 16
    assert report.bytes_out == (tmp_path / "film.png").stat().st_size
    assert sum(report.explain[part] for part in ("pixels", "palette", "metadata", "container")) == (
        report.bytes_out
    )
    assert report.explain["metadata"] == 23  # the mark, without what any chunk takes


@pytest.mark.parametrize("kind", KINDS)
def test_reported_errors_are_the_means_over_all_frames(kind):
    frames = kit.film()

    report = smalti.compress(kit.whole(frames), format=kind, k=8)

    pairs = zip(frames, smalti.frames(report.data), strict=True)
    errors = [smalti.metrics.distortion(one, other) for one, other in pairs]
    assert report.distortion_srgb == pytest.approx(np.mean(errors))


def test_each_frame_can_have_a_palette_of_its_own():
    colors = np.random.default_rng(3).integers(0, 256, (4, 12, 3)).astype(np.uint8)
    frames = [np.repeat(row, 4, axis=0).reshape(6, 8, 3) for row in colors]

    for kind in ("gif", "webp"):
        report = smalti.compress(
            kit.whole(frames), format=kind, k=12, frame_palettes=True, allow_larger=True
        )

        assert_all_readers_see(report.data, [kit.seen(frame) for frame in frames])
        assert report.colors_used == 48
        assert "a palette for each" in str(report)
        assert not any("truecolor" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_one_color_for_each_frame_is_that_of_what_it_changes(kind):
    frames = [solid(RED), solid(RED), solid(RED)]
    frames[1][1:3, 2:5] = BLUE
    frames[2][1:3, 2:5] = GREEN

    report = smalti.compress(
        kit.whole(frames), format=kind, k=1, frame_palettes=True, allow_larger=True
    )

    assert_all_readers_see(report.data, frames)


def test_frames_of_own_palettes_that_clear_pixels_are_drawn_anew():
    frames = kit.ball(clear=True)

    report = smalti.compress(
        kit.whole(frames), format="gif", k=64, frame_palettes=True, allow_larger=True
    )

    assert_all_readers_see(report.data, [kit.seen(frame) for frame in frames])


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("kind", KINDS)
def test_identical_frames_are_kept_with_their_times(kind):
    frames = [kit.ball()[0]] * 3 + [kit.ball()[1]]

    report = smalti.compress(
        kit.whole(frames, delays=[(1, 10), (2, 10), (3, 10), (4, 10)]), format=kind
    )

    movie = smalti.frames(report.data)
    assert [float(delay) for delay in movie.delays] == [0.1, 0.2, 0.3, 0.4]
    assert_all_readers_see(report.data, [kit.seen(frame) for frame in frames])


@pytest.mark.guarantee(15)
def test_half_transparent_pixels_become_hard_in_gif_and_stay_elsewhere():
    frames = [solid((200, 0, 0, 128)), solid((0, 200, 0, 127))]
    frames[1][0, 0] = 1, 2, 3, 255
    data = kit.whole(frames)

    hard = smalti.compress(data, format="gif", allow_larger=True)
    soft = smalti.compress(data, format="webp", allow_larger=True)

    assert frames_of(hard.data)[0][0, 0].tolist() == [200, 0, 0, 255]
    assert frames_of(hard.data)[1][1, 1].tolist() == [0, 0, 0, 0]
    assert any("opaque or clear" in note for note in hard.notes)
    assert_same(frames_of(soft.data), frames)


def test_a_palette_of_sixteen_colors_takes_four_bits_where_that_is_smaller():
    rng = np.random.default_rng(5)
    colors = rng.integers(0, 256, (16, 3)).astype(np.uint8)
    frames = [colors[rng.integers(0, 16, (64, 64))] for _ in range(3)]

    report = smalti.compress(kit.whole(frames), format="png")

    assert report.data[24] == 4
    assert_all_readers_see(report.data, [kit.seen(frame) for frame in frames])


def test_unchanged_areas_cost_next_to_nothing():
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 1)).repeat(3, 2).astype(np.uint8)
    frames = [noise.copy() for _ in range(10)]
    for i, frame in enumerate(frames):
        frame[10 * (i % 2) :: 16, 5] = 7 * i
    first = smalti.compress(kit.whole(frames[:1] * 2), allow_larger=True).bytes_out

    for kind in KINDS:
        report = smalti.compress(kit.whole(frames), format=kind, allow_larger=True)
        assert report.bytes_out < 1.5 * first, kind


@pytest.mark.guarantee(17)
def test_color_profile_is_kept_in_png_and_webp_and_applied_for_gif(shared_data):
    icc = smalti.decode.decode(
        shared_data / "formats" / "made" / "icc_displayp3.png", icc="keep"
    ).icc
    import zlib

    profile = kit.chunk(b"iCCP", b"p3\0\0" + zlib.compress(icc))
    patches = [(0, 0, solid(color), 0, 0) for color in (RED, BLUE)]
    data = kit.apng((6, 5), patches, None, 0, None, profile)

    for kind in ("png", "webp"):
        report = smalti.compress(data, format=kind, icc="keep", allow_larger=True)
        assert smalti.frames(report.data, icc="keep").icc == icc
    report = smalti.compress(data, format="gif", icc="keep", allow_larger=True)
    assert any("colors converted" in note for note in report.notes)


def test_density_of_an_apng_is_preserved_if_asked():
    density = kit.chunk(b"pHYs", (3937).to_bytes(4, "big") * 2 + b"\1")
    patches = [(0, 0, solid(color), 0, 0) for color in (RED, BLUE)]
    data = kit.apng((6, 5), patches, None, 0, None, density)

    report = smalti.compress(data, format="png", preserve=True, allow_larger=True)

    assert smalti.frames(report.data).dpi == pytest.approx((100, 100), abs=0.1)


def test_without_the_png_optimizer_frames_are_the_same(monkeypatch):
    frames = kit.ball(4)
    monkeypatch.setattr("smalti.png_packing._oxipng", lambda: None)

    report = smalti.compress(kit.whole(frames), format="png")

    assert_all_readers_see(report.data, [kit.seen(frame) for frame in frames])


# ---------------------------------------------------------------- what cannot be had


def test_what_an_animation_cannot_have_is_refused_in_a_sentence():
    data = kit.whole(kit.ball(3))
    cases = [
        ({"k": 300, "format": "webp"}, "at most 256 colors"),
        ({"frame_palettes": True}, "one palette for all frames; use GIF or WebP"),
        ({"frame_palettes": True, "format": "gif", "palette": "#000,#fff"}, "given for all"),
        ({"frame_palettes": True, "format": "gif", "weight": "auto"}, "weights are for one"),
        ({"frame_palettes": True, "format": "gif", "quality": 80}, "quality is that of one"),
    ]
    for options, words in cases:
        with pytest.raises(BadOption, match=words):
            smalti.compress(data, **options)


def test_a_strict_palette_names_the_frame_that_breaks_it():
    frames = [solid(RED), solid(RED)]
    frames[1][2, 3] = BLUE

    with pytest.raises(OutsidePalette, match=r"frame 2: 1 pixel has.*\(3, 2\): #0000ff"):
        smalti.compress(kit.whole(frames), palette="#f00", strict=True)


def test_no_larger_animation_is_written(tmp_path):
    data = kit.gif((2, 2), PALETTE, [(0, 0, plane(0, 2, 2), 0, None)] * 2)

    with pytest.raises(NotSmaller):
        smalti.compress(data, tmp_path / "out.webp")
    assert not (tmp_path / "out.webp").exists()


@pytest.mark.parametrize("options", [{"quality": 30}, {"max_bytes": 2000}, {"min_score": 10}])
def test_animations_are_searched_for_targets_as_pictures_are(options):
    report = smalti.compress(kit.whole(kit.film()), format="gif", **options)

    assert report.tries > 1
    assert report.bytes_out <= options.get("max_bytes", report.bytes_out)
    assert report.score is None or report.score >= options.get("min_score", report.score)
    assert len(smalti.frames(report.data)) == 4


def test_given_colors_keep_their_rows_and_kept_ones_are_there():
    data = kit.whole(kit.film())
    given = smalti.compress(data, format="gif", palette="#fff,#000,#f00,#808080")
    kept = smalti.compress(data, format="png", k=8, keep="#ff00ff")
    last = smalti.compress(data, format="gif", keep={255: "#ff00ff"}, allow_larger=True)
    own = smalti.compress(data, format="gif", k=8, keep="#ff00ff", frame_palettes=True)

    assert gif.read_gif(given.data).frames[0].palette[:9].hex() == "ffffff000000ff0000"
    assert "#ff00ff" in kept.palette.hex()
    assert last.palette.hex()[255] == "#ff00ff"
    assert all(b"\xff\0\xff" in frame.palette for frame in gif.read_gif(own.data).frames)


def test_the_guard_says_in_which_frame_a_region_was_kept():
    frames = [chart(1, 640), chart(1, 640)]
    frames[1][200:206, 300:306] = 208, 16, 16

    report = smalti.compress(kit.whole(frames), k=8, format="gif")

    kept = [note for note in report.notes if "region" in note]
    assert kept == ["small region kept: #d01010 at (302, 202), 36 pixels, in frame 2"]
    assert list(smalti.frames(report.data))[1][203, 303].tolist() == [208, 16, 16]


# ---------------------------------------------------------------- other people's files

BROWSER = """async ([text, type]) => {
  const data = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const decoder = new ImageDecoder(
    { data, type, premultiplyAlpha: "none", colorSpaceConversion: "none" });
  await decoder.tracks.ready;
  await decoder.completed;
  const track = decoder.tracks.selectedTrack, frames = [];
  for (let frameIndex = 0; frameIndex < track.frameCount; frameIndex++) {
    const { image } = await decoder.decode({ frameIndex });
    const pixels = new Uint8Array(image.allocationSize({ format: "RGBA" }));
    await image.copyTo(pixels, { format: "RGBA" });
    let packed = "";
    for (let at = 0; at < pixels.length; at += 8192) {
      packed += String.fromCharCode.apply(null, pixels.subarray(at, at + 8192));
    }
    frames.push([image.codedWidth, image.codedHeight, image.duration, btoa(packed)]);
    image.close();
  }
  return [track.repetitionCount === Infinity ? 0 : track.repetitionCount + 1, frames];
}"""


def by_chromium(page, data):
    """Return plays, delays and frames as Chromium has them."""
    kind = {b"\x89": "png", b"G": "gif", b"R": "webp"}[data[:1]]
    plays, frames = page.evaluate(BROWSER, [base64.b64encode(data).decode(), f"image/{kind}"])
    delays = tuple(Fraction(delay, 10**6) for _, _, delay, _ in frames)
    shaped = (
        np.frombuffer(base64.b64decode(packed), np.uint8).reshape(height, width, 4)
        for width, height, _, packed in frames
    )
    return plays, delays, [kit.seen(frame) for frame in shaped]


def assert_chromium_sees(page, data, movie):
    plays, delays, frames = by_chromium(page, data)
    assert (plays, delays) == (movie.plays, movie.delays)
    for one, other in zip(frames, movie, strict=True):
        # It holds color times alpha: of half transparent pixels, the rest is rounded away.
        ours, theirs = ((each[..., :3] * (each[..., 3:] / 255)) for each in (kit.seen(other), one))
        assert np.abs(ours - theirs).max() <= 1
        solid = kit.seen(other)[..., 3] == 255
        np.testing.assert_array_equal(kit.seen(other)[solid], one[solid])


@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_shows_what_was_meant_as_long_and_as_often(page, tmp_path, kind):
    (tmp_path / "page.html").write_text("<p>")
    page.goto((tmp_path / "page.html").as_uri())
    for frames in (kit.ball(5), kit.ball(5, clear=True), kit.film(3)):
        data = kit.whole(frames, delays=[(i, 50) for i in range(len(frames))], plays=3)

        report = smalti.compress(data, format=kind, k=32, allow_larger=True)

        assert_chromium_sees(page, report.data, smalti.frames(report.data))


REAL = (
    "pillow/dispose_bgnd.gif", "pillow/dispose_bgnd_transparency.gif", "pillow/dispose_prev.gif",
    "pillow/transparent_dispose.gif", "pillow/dispose_prev_first_frame.gif",
    "pillow/comment_after_last_frame.gif", "pillow/palette_not_needed_for_second_frame.gif",
    "image-rs/gif_anim_any-disposal.gif", "image-rs/gif_anim_mixed-disposal.gif",
    "image-rs/gif_anim_border_touching_layers.gif", "image-rs/gif_anim_issue_1455_undersized.gif",
    "pillow_apng/blend_op_over.png", "pillow_apng/blend_op_over_near_transparent.png",
    "pillow_apng/blend_op_source_transparent.png", "pillow_apng/dispose_op_background.png",
    "pillow_apng/dispose_op_background_region.png", "pillow_apng/dispose_op_previous.png",
    "pillow_apng/dispose_op_previous_first.png", "pillow_apng/dispose_op_previous_region.png",
    "pillow_apng/mode_16bit.png", "pillow_apng/mode_grayscale_alpha.png",
    "pillow_apng/mode_palette_1bit_alpha.png", "pillow_apng/delay_zero_denom.png",
    "pillow_apng/num_plays_1.png", "pillow_apng/fctl_actl.png",
    "image-rs/png_apng_ball.png", "made/anim_rgba.webp",
)  # fmt: skip


def test_real_animations_are_read_as_a_browser_reads_them(page, tmp_path, shared_data):
    (tmp_path / "page.html").write_text("<p>")
    page.goto((tmp_path / "page.html").as_uri())
    for name in REAL:
        data = (shared_data / "formats" / name).read_bytes()
        assert_chromium_sees(page, data, smalti.frames(data))


@pytest.mark.guarantee(14, 19)
def test_every_real_animation_of_few_colors_comes_back_pixel_identical(shared_data):
    done = 0
    for path in sorted((shared_data / "formats").glob("*/*")):
        try:
            movie = opened(path)[1]
            if movie is None or not 2 <= len(movie) <= 20:
                continue
            expected = [kit.seen(frame) for frame in movie]
        except smalti.SmaltiError:
            continue
        colors = len(sum(smalti.Histogram.of(frame) for frame in expected))
        if colors > 256 or sum(map(len, expected)) * movie.width > 40_000:
            continue
        for kind in KINDS:
            if kind == "gif" and any((frame[..., 3] % 255).any() for frame in expected):
                continue
            report = smalti.compress(path, format=kind, allow_larger=True, pack="fast")
            assert_all_readers_see(report.data, expected)
            assert smalti.frames(report.data).plays == movie.plays
        done += 1
    assert done > 20


# ---------------------------------------------------------------- any animation


@st.composite
def movies(draw):
    """Some cels of few colors, clear and half transparent ones among them, on a small canvas."""
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    k = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    palette = np.unique(rng.integers(0, 256, (k, 4)), axis=0).astype(np.uint8)
    palette[:, 3] = rng.choice(
        draw(st.sampled_from([[255], [255, 0], [255, 255, 90]])), len(palette)
    )
    palette[palette[:, 3] == 0] = 0
    palette = np.unique(palette, axis=0)
    indices = rng.integers(0, len(palette), (height, width)).astype(np.uint8)
    cels = [
        Cel(box_of(np.ones((height, width), bool)), indices, np.ones_like(indices, bool), palette)
    ]
    for _ in range(draw(st.integers(0, 5))):
        changed = np.zeros((height, width), bool)
        top, left = rng.integers(0, height), rng.integers(0, width)
        changed[top : top + rng.integers(0, 5), left : left + rng.integers(0, 5)] = True
        changed &= rng.random(changed.shape) < draw(st.sampled_from([0.3, 1]))
        box = box_of(changed)
        part = rng.integers(0, len(palette), (box.height, box.width)).astype(np.uint8)
        if draw(st.booleans()):  # back to how it began
            part = cels[0].indices[box.part]
        cels.append(Cel(box, part, changed[box.part], palette))
    return width, height, cels


@pytest.mark.guarantee(19)
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@given(movies())
@settings(max_examples=60, deadline=None)
def test_files_render_as_the_cels_do(kind, movie):
    width, height, cels = movie
    if kind == "GIF" and (cels[0].palette[:, 3] % 255).any():
        return
    expected = [kit.seen(unpacked(numbers)) for numbers, _ in canvases(cels, width, height)]
    show = Show(width, height, (Fraction(1, 10),) * len(cels), 0, pack="fast", reorder=True)

    data, notes = animated(cels, show, kind)

    assert notes == ()
    assert_same(frames_of(data) if len(cels) > 1 else kit.by_pillow(data), expected)
    assert_same(kit.by_pillow(data)[: len(cels)], expected)
    if kind != "GIF" and len(cels) > 1 and min(width, height) > 1:
        assert_same(kit.by_opencv(data), expected)


@given(st.binary(max_size=80), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_no_damage_ends_in_anything_but_a_sentence(noise, at):
    for data in DAMAGED:
        start, message = at % len(data), ""
        try:
            broken = data[:start] + noise + data[start + len(noise) :]
            list(smalti.frames(broken, limits=Limits(megapixels=0.1)))
        except smalti.SmaltiError as error:
            message = str(error)
        assert "\n" not in message


DAMAGED = (
    kit.gif((6, 5), PALETTE, [(0, 0, plane(0), 2, None), (1, 1, plane(1, 2, 2), 3, 1)] * 2),
    kit.whole(kit.ball(2, 10, 10)),
    kit.webp(kit.ball(2, 10, 10), [10, 10]),
)


# ---------------------------------------------------------------- the command


@pytest.mark.guarantee(19)
def test_the_command_keeps_the_format_of_an_animation(smalti, folder):
    (folder / "ball.gif").write_bytes(
        kit.gif((60, 50), PALETTE, [(0, 0, plane(i % 3, 60, 50), 0, None) for i in range(4)])
    )
    (folder / "film.webp").write_bytes(kit.webp(kit.film(), [50] * 4))
    (folder / "film.png").write_bytes(kit.whole(kit.film()))

    smalti("compress", "-k", 8, "ball.gif", "film.webp", "film.png")

    written = sorted(path.name for path in folder.glob("*-smalti.*"))
    assert written == ["ball-smalti.gif", "film-smalti.png", "film-smalti.webp"]
    assert len(kit.by_pillow((folder / "film-smalti.webp").read_bytes())) == 4
    assert webp.is_animated((folder / "film-smalti.webp").read_bytes())


def test_the_command_writes_an_animation_in_the_format_asked_for(smalti, folder):
    (folder / "film.gif").write_bytes(kit.whole(kit.film()))  # whatever it is called

    report = json.loads(smalti("compress", "film.gif", "-o", "film.webp", "-k", 8, "--json").stdout)

    assert report["format"] == "WEBP"
    assert report["motion"]["frames"] == 4
    assert len(kit.by_pillow((folder / "film.webp").read_bytes())) == 4


def test_a_file_called_apng_is_one(smalti, folder):
    (folder / "film.webp").write_bytes(kit.webp(kit.film(), [50] * 4))

    smalti("compress", "film.webp", "-o", "film.apng", "-k", 8)

    assert (folder / "film.apng").read_bytes().startswith(b"\x89PNG")


@pytest.mark.guarantee(19)
def test_other_commands_say_in_one_line_that_they_take_no_animation(smalti, folder):
    (folder / "film.gif").write_bytes(kit.whole(kit.film()))

    for command in ("palette", "sweep", "compare"):
        extra = ["a.png"] if command == "compare" else []
        done = smalti(command, "film.gif", *extra, code=2)
        assert "it has 4 frames" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_frames_through_standard_input_and_output(smalti):
    data = kit.whole(kit.film())

    done = smalti("compress", "-", "-k", 8, stdin=data, binary=True)

    assert len(animation_of(done.stdout)) == 4


def animation_of(data) -> animation.Animation:
    import smalti as package

    return package.frames(data)
