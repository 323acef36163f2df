"""The web app in a real Chromium: targets, palettes of one's own, files that are refused."""

import numpy as np
import pytest
from PIL import Image
from web_kit import App, photo, png

from smalti import Palette
from smalti.load import load


@pytest.fixture
def opened(app: App) -> App:
    return app.open(("photo.png", png(photo()))).wait("settled")


def settle(app: App) -> None:
    app.wait("draft")
    app.wait("settled")


def test_a_file_of_at_most_so_many_bytes(opened):
    opened.page.click("summary:has-text('More settings')")
    opened.page.fill("#set-max_bytes", "4k")
    opened.page.press("#set-max_bytes", "Tab")
    settle(opened)

    name, data = opened.download()

    assert len(data) <= 4000
    assert "the target decides" in opened.text("#k-note")
    assert "--max-bytes 4k" in opened.text("#command")
    assert name.endswith(".png")


def test_a_target_that_cannot_be_had_is_said_and_the_preview_stays(opened):
    opened.page.click("summary:has-text('More settings')")
    opened.page.fill("#set-max_bytes", "60")
    opened.page.press("#set-max_bytes", "Tab")
    opened.page.wait_for_selector("#advice:not([hidden])")

    assert "60 bytes" in opened.text("#advice")
    assert opened.page.get_attribute("body", "data-state") == "draft"
    assert opened.page.locator("#download").is_disabled()
    opened.page.click("#undo")
    opened.wait("settled")


def test_nonsense_in_a_field_is_refused_with_the_range(opened):
    opened.page.click("summary:has-text('More settings')")
    opened.page.fill("#set-min_score", "170")
    opened.page.press("#set-min_score", "Tab")

    assert "from 0 to 100" in opened.text("#toast")
    assert opened.page.get_attribute("#set-min_score", "aria-invalid") == "true"
    assert opened.page.get_attribute("body", "data-state") == "settled"


def test_a_file_that_takes_long_can_be_given_up_while_the_slider_stays_live(app):
    app.page.select_option("#set-pack", "max")
    app.open(("large.png", png(photo(900, 1400))))
    app.page.click("#cancel")

    assert app.text("#basis") == "preview only"
    app.wait("draft")  # as soon as the palettes are there, too
    app.page.focus("#k-range")
    app.page.keyboard.press("ArrowRight")
    app.until("document.body.dataset.k === '65'")
    app.page.click("#cancel")
    app.page.select_option("#set-pack", "fast")
    app.wait("settled")


def test_the_slider_sets_an_own_palette_aside_and_says_so(opened):
    opened.set_k(6)
    settle(opened)
    opened.page.get_by_role("button", name="Delete").first.click()
    settle(opened)
    assert opened.k == 5
    assert "--size 0.25" in opened.text("#command")

    opened.page.focus("#k-range")
    opened.page.keyboard.press("ArrowRight")

    assert "Undo brings it back" in opened.text("#toast")
    assert opened.k == 6
    opened.page.click("#undo")
    settle(opened)
    assert "Your own palette of 5 colors" in opened.text("#k-note")


def test_seeds_and_runs_reach_the_command(opened):
    opened.page.click("summary:has-text('More settings')")
    opened.page.select_option("#set-effort", "lloyd")
    opened.page.select_option("#set-init", "random")
    opened.page.fill("#set-seed", "7")
    opened.page.press("#set-seed", "Tab")
    settle(opened)

    command = opened.text("#command")
    assert all(flag in command for flag in ("--effort lloyd", "--init random", "--seed 7"))

    opened.page.click("#reset")
    settle(opened)
    assert "--effort" not in opened.text("#command")


def test_a_palette_goes_out_and_comes_back(opened, tmp_path):
    opened.set_k(9)
    settle(opened)
    before = {tuple(color) for color in load(opened.download()[1]).reshape(-1, 3).tolist()}
    with opened.page.expect_download() as found:
        opened.page.get_by_role("button", name="Save palette").click()
    saved = tmp_path / found.value.suggested_filename
    found.value.save_as(saved)

    opened.set_k(30)
    settle(opened)
    opened.page.set_input_files("#palette-root input[type=file]", saved)
    settle(opened)

    assert {tuple(color) for color in Palette.load(saved).colors[:, :3].tolist()} == before
    assert "Your own palette of 9 colors" in opened.text("#k-note")
    made = {tuple(color) for color in load(opened.download()[1]).reshape(-1, 3).tolist()}
    assert made <= before


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        ("layers.psd", b"8BPS\0\1" + bytes(40), "Photoshop"),
        ("notes.txt", b"no picture at all", "not an image"),
        ("empty.png", b"", "empty"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(app, name, data, words):
    app.open((name, data))
    app.page.wait_for_selector("#banner:not([hidden])")

    assert name in app.text("#banner-text")
    assert words in app.text("#banner-text")
    app.wait("empty")
    app.errors.clear()  # the browser itself notes the refusal


def test_what_was_converted_is_said(app):
    deep = (photo()[..., 0].astype(np.uint16) << 8) | 7
    app.open(("deep.png", png(deep))).wait("settled")
    assert "16" in app.text("#notes")

    cmyk = Image.fromarray(photo()).convert("CMYK")
    app.open(("print.jpg", png(cmyk, "JPEG"))).wait("settled")
    app.until("document.querySelector('#file-name').textContent === 'print.jpg'")
    assert "CMYK" in app.text("#notes")


def test_a_moving_picture_is_refused_rather_than_cut_to_one_frame(app):
    first, *others = (Image.fromarray(photo(30, 40, seed=n)) for n in range(3))

    app.open(("moving.gif", png(first, "GIF", save_all=True, append_images=others)))
    app.page.wait_for_selector("#banner:not([hidden])")

    assert "3" in app.text("#banner-text")
    app.errors.clear()
