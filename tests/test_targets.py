"""Targets: the search on made-up curves, and whole compressions that must reach something."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import draw, level
from PIL import Image
from process import unmarked
from sklearn.datasets import load_sample_image

import smalti
from smalti import BadOption, NotSmaller, TargetMissed, marks, metrics
from smalti.histogram import Histogram
from smalti.quality import aim, distortion, distortion_at, parse, quality_of
from smalti.targets import Targets, crossing, meet, parse_bytes

DEMO = Path(__file__).parent.parent / "examples" / "demo.png"


@dataclass
class Fake:
    """An attempt whose numbers are made up, and that notes which were asked for."""

    numbers: dict
    asked: list

    def __getattr__(self, name):
        if name not in self.numbers:
            raise AttributeError(name)
        self.asked.append(name)
        return self.numbers[name]


class Curves:
    """Attempts for k = 1, 2 ... from lists of numbers."""

    def __init__(self, **curves):
        self.curves, self.ks, self.asked = curves, [], []

    def __call__(self, k):
        self.ks.append(k)
        return Fake({name: curve[k - 1] for name, curve in self.curves.items()}, self.asked)

    @property
    def high(self):
        return min(map(len, self.curves.values()))


rising = st.lists(st.floats(0, 100), min_size=1, max_size=300).map(sorted)
any_curve = st.lists(st.floats(0, 100), min_size=1, max_size=300)
sizes = st.lists(st.integers(50, 10_000), min_size=1, max_size=300)


def most_tries(high):
    """Doubling or halving from the start, half the gap in three tries, the neighbors, the top."""
    return 8 + 3 * high.bit_length() + 4


@given(rising, st.floats(0, 100))
def test_on_a_rising_curve_the_fewest_colors_are_found(curve, least):
    curves = Curves(score=curve)
    expected = next((k for k, score in enumerate(curve, 1) if score >= least), None)

    if expected is None:
        with pytest.raises(TargetMissed, match=f"with k = {curve.index(max(curve)) + 1}|best is"):
            meet(Targets(min_score=least), curves, curves.high)
    else:
        assert meet(Targets(min_score=least), curves, curves.high).k == expected
    assert len(curves.ks) <= most_tries(curves.high)


@given(any_curve, st.floats(0, 100))
def test_on_any_curve_what_is_found_reaches_the_score(curve, least):
    curves = Curves(score=curve)

    try:
        found = meet(Targets(min_score=least), curves, curves.high)
    except TargetMissed:
        assert curve[-1] < least
    else:
        assert curve[found.k - 1] >= least
        assert found.tries == len(curves.ks)
    assert len(curves.ks) == len(set(curves.ks)) <= most_tries(curves.high)
    assert set(curves.ks) <= set(range(1, curves.high + 1))


@given(sizes.map(sorted), st.integers(1, 11_000))
def test_on_a_rising_curve_the_most_colors_that_fit_are_found(curve, most):
    curves = Curves(size_bytes=curve)
    fitting = [k for k, size in enumerate(curve, 1) if size <= most]

    if fitting:
        assert meet(Targets(max_bytes=most), curves, curves.high).k == fitting[-1]
    else:
        with pytest.raises(TargetMissed, match=rf"is {curve[0]:,} bytes, with k = 1$"):
            meet(Targets(max_bytes=most), curves, curves.high)


@given(sizes, st.integers(1, 11_000))
def test_on_any_curve_what_is_found_fits(curve, most):
    curves = Curves(size_bytes=curve)

    try:
        found = meet(Targets(max_bytes=most), curves, curves.high)
    except TargetMissed:
        assert curve[0] > most
    else:
        assert curve[found.k - 1] <= most
    assert len(curves.ks) <= most_tries(curves.high)


@given(any_curve, st.floats(0, 100))
def test_a_crossing_is_one_between_neighbors(curve, goal):
    below, above = crossing(lambda k: curve[k - 1], goal, 1, len(curve))

    assert below is None or curve[below - 1] < goal
    assert above is None or curve[above - 1] >= goal
    assert (below, above) in [(None, 1), (len(curve), None), (below, (below or 0) + 1)]


@given(rising, rising, sizes, st.floats(0, 100), st.floats(0, 100), st.integers(1, 11_000))
def test_together_all_targets_hold(scores, qualities, curve, score, most_quality, most):
    curves = Curves(score=scores, quality=qualities, size_bytes=curve)
    targets = Targets((most_quality / 2, most_quality), score, most)

    try:
        k = meet(targets, curves, curves.high).k
    except TargetMissed:
        return
    assert scores[k - 1] >= score
    assert qualities[k - 1] >= most_quality / 2
    assert curve[k - 1] <= most


def test_of_a_quality_only_the_lower_number_must_hold():
    curves = Curves(quality=[10, 40, 70, 75])

    assert meet(Targets((60, 90)), curves, 4).k == 4
    assert meet(Targets((60, 70)), curves, 4).k == 3
    with pytest.raises(TargetMissed, match=r"a quality of 80 is not reached; the best is 75.0"):
        meet(Targets((80, 90)), curves, 4)


def test_a_quality_gives_way_to_a_size_down_to_its_lower_number():
    curves = Curves(quality=[10, 40, 70, 75], size_bytes=[10, 20, 30, 40])

    assert meet(Targets((60, 75), max_bytes=30), curves, 4).k == 3
    with pytest.raises(TargetMissed, match=r"quality of 60 is not reached within 20 bytes; .* 40"):
        meet(Targets((60, 75), max_bytes=20), curves, 4)


def test_a_score_that_the_highest_k_misses_by_chance_is_found_below_it():
    scores = [k / 2 for k in range(1, 200)] + [80.0] * 57

    found = meet(Targets(min_score=80), Curves(score=[*scores[:-1], 79.9]), 256)

    assert found.k < 256


def test_nothing_is_computed_that_no_target_asks_for():
    for targets, name in (
        (Targets((50, 60)), "quality"),
        (Targets(min_score=60), "score"),
        (Targets(max_bytes=60), "size_bytes"),
    ):
        values = list(range(1, 101))
        curves = Curves(quality=values, score=values, size_bytes=values)

        meet(targets, curves, 100)

        assert set(curves.asked) == {name}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("65-80", (65, 80)), ("80", (72, 80)), (95, (85, 95)), ("65-", (65, 100)), ("-80", (0, 80)),
     ("0-0", (0, 0)), ("100", (90, 100)), (" 7-9 ", (7, 9))],
)  # fmt: skip
def test_qualities_are_written_as_for_pngquant(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("text", ["", "x", "80-65", "101", "5-10-", "--5", "50.5", 50.5, True, []])
def test_other_qualities_are_refused(text):
    with pytest.raises(BadOption, match="quality must be MIN-MAX"):
        parse(text)


def test_a_quality_aims_at_what_pngquant_delivers_and_says_so():
    assert Targets.of("65-80", None, None) == Targets((65, aim(80)), asked=80)
    assert aim(0) == 0 <= 60 < aim(60) < aim(80) < aim(100) == 100

    with pytest.raises(BadOption):
        Targets.of("80-65", None, None)


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_quality_is_less_distortion(one, other):
    low, high = sorted((one, other))

    assert distortion_at(high) <= distortion_at(low)
    assert quality_of(distortion_at(one)) == pytest.approx(one, abs=1e-6)


def test_in_a_quality_no_color_counts_for_more_than_a_tenth_of_the_pixels():
    colors = np.uint8([[255, 255, 255], *([i, 20, 90] for i in range(30))])
    result = colors ^ np.uint8([[0, 0, 0], *[[8, 0, 0]] * 30])
    plain, framed = (np.array([white, *[10] * 30]) for white in (33, 100_000))

    cap = framed.sum() // 10
    assert distortion(colors, framed, result) == pytest.approx(
        distortion(colors, plain, result) * 300 / (300 + cap) * 333 / 300
    )


@pytest.mark.parametrize(
    ("size", "meaning"),
    [(700, 700), ("700", 700), ("50k", 50_000), ("50kB", 50_000), ("50 KiB", 51_200),
     ("1.5M", 1_500_000), ("1MiB", 1_048_576), ("1.5", 1)],
)  # fmt: skip
def test_sizes_are_bytes_or_have_a_unit(size, meaning):
    assert parse_bytes(size) == meaning


@pytest.mark.parametrize("size", ["", "k", "-5k", "0", "0.01", "5 q", "1e5", 5.5, True, "9" * 400])
def test_other_sizes_are_refused(size):
    with pytest.raises(BadOption, match="max_bytes must be a number of bytes"):
        parse_bytes(size)


# ---------------------------------------------------------------- whole compressions


def flower():
    """A part of a photograph: 64 colors score 78, 256 score 87."""
    return load_sample_image("flower.jpg")[150:270, 250:400]


@pytest.fixture
def counted(monkeypatch):
    """The pictures whose histograms were made."""
    made, real = [], Histogram.of.__func__

    def of(cls, image, **options):
        made.append(image.shape)
        return real(cls, image, **options)

    monkeypatch.setattr(Histogram, "of", classmethod(of))
    return made


def pixels_of(report):
    return np.asarray(Image.open(io.BytesIO(report.data)).convert("RGB"))


TARGETS = [{"min_score": 70}, {"quality": "60-80"}, {"max_bytes": "6k"}]


@pytest.mark.parametrize("targets", TARGETS)
def test_one_histogram_serves_the_whole_search(counted, targets):
    report = smalti.compress(flower(), **targets)

    assert report.tries > 1
    assert len(counted) == 1


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg"])
@pytest.mark.parametrize("targets", TARGETS)
def test_what_is_found_is_what_that_k_gives(targets, dither):
    image = flower()

    found = smalti.compress(image, **targets, dither=dither)
    plain = smalti.compress(image, k=found.k, dither=dither, size=found.size)

    assert (unmarked(found.data) if marks.find(found.data) else found.data) == plain.data
    assert found.distortion == plain.distortion


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg"])
def test_the_finished_picture_has_the_score(dither):
    image = np.asarray(Image.open(DEMO).convert("RGB"))

    report = smalti.compress(image, min_score=60, dither=dither, size=0)
    fewer = smalti.compress(image, k=report.k - 1, dither=dither, size=0)

    assert report.score == metrics.ssimulacra2(image, pixels_of(report)) >= 60
    assert metrics.ssimulacra2(image, pixels_of(fewer)) < 60


@pytest.mark.parametrize("k", [64, 256])
def test_a_score_is_reached_by_the_largest_size_with_all_colors(k):
    image = np.asarray(Image.open(DEMO).convert("RGB"))

    report = smalti.compress(image, k=k, min_score=30)
    larger = smalti.compress(image, k=k, size=report.size + 1 / 40)

    assert (report.k, report.colors_used) == (k, k)
    assert report.score == metrics.ssimulacra2(image, pixels_of(report)) >= 30
    assert metrics.ssimulacra2(image, pixels_of(larger)) < 30


def test_a_score_within_bytes_is_found_where_there_is_one():
    image = np.asarray(Image.open(DEMO).convert("RGB"))
    least = smalti.compress(image, min_score=50)

    report = smalti.compress(image, min_score=50, max_bytes=least.bytes_out)

    assert unmarked(report.data) == unmarked(least.data)
    with pytest.raises(TargetMissed, match="50 is not reached within"):
        smalti.compress(image, min_score=50, max_bytes=least.bytes_out // 2)


def test_bytes_that_leave_hardly_a_picture_are_warned_of():
    image = np.asarray(Image.open(DEMO).convert("RGB"))

    report = smalti.compress(image, max_bytes=2000)

    assert report.bytes_out <= 2000
    assert any("hardly like the original" in note for note in report.notes)


def test_the_file_fits_and_one_with_more_colors_does_not():
    image = np.asarray(Image.open(DEMO).convert("RGB"))
    limit = len(smalti.compress(image, k=20).data)

    report = smalti.compress(image, max_bytes=limit)

    assert report.k >= 20
    assert report.bytes_out == len(report.data) <= limit
    assert len(smalti.compress(image, k=report.k + 1).data) > limit


def test_a_picture_of_few_colors_reaches_everything_with_them():
    image = draw("few colors", 3, 5)
    distinct = len(Histogram.of(image))

    report = smalti.compress(image, quality="100-100", min_score=100)

    assert report.colors_used <= distinct
    assert report.score == report.quality == 100


def test_a_given_k_is_the_most_there_may_be():
    image = flower()
    free = smalti.compress(image, min_score=80, size=0)

    with pytest.raises(TargetMissed, match=f"^the image: .* with k = {free.k - 20}"):
        smalti.compress(image, k=free.k - 20, min_score=80, size=0)
    with pytest.raises(TargetMissed, match="with k = 4"):
        smalti.compress(image, k=4, min_score=80)


def test_k_auto_is_the_most_there_may_be_too():
    image = flower()
    auto = smalti.compress(image, k="auto")

    report = smalti.compress(image, k="auto", max_bytes=10**6)

    assert unmarked(report.data) == unmarked(auto.data)


@pytest.mark.parametrize("format", ["png", "webp", "gif"])
def test_every_format_meets_targets(format):  # noqa: A002
    image = draw("gradient", 4, 7, 60, 70)

    report = smalti.compress(image, format=format, max_bytes=2500)

    assert len(report.data) <= 2500


def test_nothing_is_written_where_a_target_is_missed(tmp_path):
    target = tmp_path / "out.png"

    with pytest.raises(TargetMissed, match="no number of colors fits into 50 bytes; the smallest"):
        smalti.compress(flower(), target, max_bytes=50)

    assert not target.exists()


def test_a_result_that_is_no_smaller_is_refused_all_the_same():
    image = draw("few colors", 3, 5)
    data = smalti.compress(image).data

    with pytest.raises(NotSmaller):
        smalti.compress(data, min_score=100)


@pytest.mark.parametrize(
    "wrong", [{"min_score": 101}, {"min_score": "80"}, {"quality": "9-3"}, {"max_bytes": 0}]
)
def test_wrong_targets_are_refused_before_any_work(wrong, tmp_path):
    with pytest.raises(BadOption):
        smalti.compress(tmp_path / "not there.png", **wrong)


def test_every_try_is_told_with_what_is_known():
    told = []

    report = smalti.compress(flower(), min_score=70, on_try=told.append)

    assert len(told) == report.tries
    assert all(each.score is not None and each.size_bytes is None for each in told)
    assert len({each.size for each in told}) == len(told)
    assert str(told[-1]) == f"k = 256, size {told[-1].size:g}: score {told[-1].score:.1f}"

    told.clear()
    smalti.compress(flower(), min_score=70, size=0, on_try=told.append)
    assert str(told[0]) == f"k = {told[0].k}: score {told[0].score:.1f}"


def test_the_report_says_what_was_reached_and_how():
    report = smalti.compress(flower(), min_score=70)
    plain = report.to_dict()

    said = f"score 70 at size {report.size:g}, the largest that does ({report.tries} tries)"
    assert said in str(report).replace("\n            ", " ")
    assert (plain["tries"], plain["score"]) == (report.tries, round(report.score, 3))
    assert plain["quality"] is None
    assert smalti.compress(flower()).to_dict()["tries"] == 1


@pytest.mark.parametrize("targets", TARGETS)
def test_the_same_file_on_every_level_for_every_thread_count(any_level, targets):
    image = flower()
    with level("v2") as available:
        expected = smalti.compress(image, **targets, threads=1).data if available else None

    for threads in (1, 3):
        data = smalti.compress(image, **targets, threads=threads).data

        assert expected is None or data == expected
