"""Plots: what they need, and that the same figure gives the same bytes."""

import re
import sys

import numpy as np
import pytest
from PIL import Image

from smalti import BadOption, MissingExtra, OutputExists, plots


def drawn():
    with plots.style():
        figure = plots.new_figure(3, 2)
        figure.add_subplot().plot([1, 2, 3], color=plots.BLUE)
    return figure


@pytest.mark.parametrize("suffix", plots.SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        plots.save(drawn(), tmp_path / f"{name}{suffix}")

    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert len(first) > 1000


def test_bits_that_rounding_drops_do_not_show_in_an_svg(tmp_path):
    for name, left in (("a", 0.1), ("b", np.nextafter(0.1, 1))):
        with plots.style():
            figure = plots.new_figure(3, 2)
            figure.set_layout_engine("none")
            for bottom in (0.1, 0.6):
                figure.add_axes((left, bottom, 0.7, 0.3)).plot([1, 2, 3])
        plots.save(figure, tmp_path / f"{name}.svg")

    first, second = ((tmp_path / f"{name}.svg").read_text() for name in ("a", "b"))
    assert first == second
    named = re.findall(r'<clipPath id="(.*?)"', first)
    assert len(set(named)) == len(named) == 2
    assert set(re.findall(r"url\(#(.*?)\)", first)) == set(named)


def test_a_png_shows_what_was_drawn(tmp_path):
    plots.save(drawn(), tmp_path / "a.png")

    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[:2] == (2 * plots.DPI, 3 * plots.DPI)
    assert (pixels == [0x00, 0x72, 0xB2]).all(-1).any()


def test_other_suffixes_are_refused_before_any_work():
    with pytest.raises(BadOption, match=r"\.png or \.svg, got plot\.bmp"):
        plots.check("plot.bmp")


def test_an_existing_plot_is_kept_if_asked(tmp_path):
    (tmp_path / "a.svg").write_text("mine")

    with pytest.raises(OutputExists):
        plots.save(drawn(), tmp_path / "a.svg", overwrite=False)
    assert (tmp_path / "a.svg").read_text() == "mine"


def test_without_matplotlib_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[plot\]'"):
        plots.check("plot.png")


def test_drawing_changes_no_setting_of_its_host():
    import matplotlib

    before = dict(matplotlib.rcParams)

    drawn()

    assert dict(matplotlib.rcParams) == before


def test_a_figure_becomes_pixels():
    pixels = plots.pixels_of(drawn(), 50)

    assert pixels.shape == (100, 150, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == 255).all(-1).any()
    assert not (pixels == 255).all()


def test_an_animation_shows_its_frames_for_as_long_as_asked(tmp_path):
    palette = np.uint8([[0, 0, 0], [255, 0, 0], [0, 0, 255]])
    frames = [np.full((8, 9), i, np.uint8) for i in (1, 2, 0)]

    plots.save_animation(frames, palette, [100, 250, 2000], tmp_path / "a.gif")

    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.info["loop"] == 0
        for number, (frame, duration) in enumerate(zip(frames, [100, 250, 2000], strict=True)):
            picture.seek(number)
            assert picture.info["duration"] == duration
            np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette[frame])


def test_an_existing_animation_is_kept_if_asked(tmp_path):
    (tmp_path / "a.gif").write_text("mine")

    with pytest.raises(OutputExists):
        plots.save_animation([np.zeros((2, 2), np.uint8)], np.zeros((1, 3), np.uint8), [10],
                             tmp_path / "a.gif", overwrite=False)  # fmt: skip
    assert (tmp_path / "a.gif").read_text() == "mine"
