"""The stage of the web app in a real Chromium: views, zoom, divider, true pixels, transparency."""

import numpy as np
import pytest
from web_kit import App, assert_nearest, photo, png, round_half_up

from smalti.load import load


@pytest.fixture
def picture(app: App) -> App:
    return app.open(("photo.png", png(photo()))).wait("settled")


def place(app: App) -> dict[str, float]:
    """Where the picture is on the stage, found from what is painted."""
    painted = np.flatnonzero(app.canvas("original")[..., 3].any(0))
    rows = np.flatnonzero(app.canvas("original")[..., 3].any(1))
    return {"left": painted[0], "right": painted[-1], "top": rows[0], "bottom": rows[-1]}


def middle(app: App) -> tuple[float, float]:
    box = app.page.locator("#stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def divided(app: App, wanted: str) -> None:
    """Wait until the divider says where it is."""
    app.until(f"document.querySelector('.divider input').ariaValueText === '{wanted}'")


def test_divider_is_moved_by_pointer_and_by_keyboard(picture):
    app = picture
    divider = app.page.get_by_label("Divider between original and result")
    assert divider.get_attribute("aria-valuetext") == "50 % original"

    box = app.page.locator("#stage").bounding_box()
    x, y = middle(app)
    app.page.mouse.move(x, y)
    app.page.mouse.down()
    app.page.mouse.move(box["x"] + box["width"] / 4, y)
    app.page.mouse.up()
    divided(app, "25 % original")
    divider.focus()
    app.page.keyboard.press("ArrowRight")

    divided(app, "26 % original")


def test_divider_is_moved_by_touch(browser, web_server):
    context = browser.new_context(has_touch=True, viewport={"width": 800, "height": 700})
    app = App(context.new_page(), web_server).start()
    app.open(("photo.png", png(photo()))).wait("settled")
    session = context.new_cdp_session(app.page)
    box = app.page.locator("#stage").bounding_box()
    y = box["y"] + box["height"] / 2

    def touch(kind: str, part: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": box["x"] + box["width"] * part, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.5)
    touch("touchMove", 0.6)
    touch("touchMove", 0.75)
    touch("touchEnd", 0.75)

    divided(app, "75 % original")
    context.close()
    web_server.forget_images()


def test_zooming_at_the_pointer_keeps_the_point_under_it(picture):
    app = picture
    box = app.page.locator("#stage").bounding_box()
    before = place(app)
    x, y = box["width"] * 0.6, box["height"] * 0.4
    width = before["right"] - before["left"] + 1
    point = (x - before["left"]) / width * 160

    app.page.mouse.move(box["x"] + x, box["y"] + y)
    app.page.mouse.wheel(0, -120)
    app.page.wait_for_timeout(100)

    after = place(app)
    scale = float(app.text("#zoom").rstrip(" %")) / 100
    assert scale > width / 160
    assert abs(after["left"] + point * scale - x) <= scale or after["left"] == 0


def test_hundred_percent_shows_true_pixels_of_both_layers(app):
    image = photo(900, 1400)  # larger than its preview
    app.open(("large.png", png(image))).wait("settled")
    made = load(app.download()[1])

    app.page.keyboard.press("0")
    app.until("document.querySelector('#zoom').textContent === '100 %'")
    app.page.wait_for_timeout(600)

    original, result = app.canvas("original"), app.canvas("result")
    height, width = original.shape[:2]
    left, top = round_half_up(width / 2 - 700), round_half_up(height / 2 - 450)
    assert left < 0
    assert top < 0
    seen = slice(-top, height - top), slice(-left, width - left)
    np.testing.assert_array_equal(original[..., :3], image[seen])
    np.testing.assert_array_equal(result[..., :3], made[seen][..., :3])


def test_preview_at_hundred_percent_is_mapped_from_true_pixels(app):
    image = photo(900, 1400)
    app.open(("large.png", png(image))).wait("settled")
    app.until("performance.getEntriesByName('ladder-complete').length")
    app.page.keyboard.press("0")
    app.page.wait_for_timeout(600)

    app.page.focus("#k-range")
    app.drag_slider(steps=6)
    last = app.k
    app.until(f"document.body.dataset.k === '{last}'")
    app.page.wait_for_timeout(300)
    shown = app.canvas("result")
    height, width = shown.shape[:2]
    app.page.mouse.up()

    left, top = round_half_up(width / 2 - 700), round_half_up(height / 2 - 450)
    seen = image[-top : height - top, -left : width - left]
    assert_nearest(shown[..., :3], seen, last)


def test_four_pictures_have_as_many_colors_as_the_tutorials_show(picture):
    app = picture
    app.until("performance.getEntriesByName('ladder-complete').length")
    app.page.click("text=Four-up")
    app.until("document.querySelector('[data-layer=four3]').dataset.colors === '100'")
    app.page.keyboard.press("f")
    app.page.wait_for_timeout(200)

    for cell, k in enumerate((2, 8, 25, 100)):
        shown = app.canvas(f"four{cell}")
        colors = np.unique(shown[shown[..., 3] == 255], axis=0)
        assert len(colors) <= k
        assert len(colors) >= k - 3

    app.page.get_by_label("Use the number of colors of picture 3").click()
    assert app.k == 25


def test_side_by_side_shows_the_same_part_twice(picture):
    app = picture
    app.page.click("text=Side by side")
    app.page.wait_for_timeout(100)

    original, result = app.canvas("original"), app.canvas("result")

    assert original.shape == result.shape
    np.testing.assert_array_equal(original[..., 3] > 0, result[..., 3] > 0)


def test_difference_is_black_where_nothing_differs(app):
    image = np.full((40, 60, 3), 90, np.uint8)
    image[:, 30:] = 200
    app.open(("two.png", png(image))).wait("settled")

    app.page.click("text=Difference")
    app.page.wait_for_timeout(200)

    shown = app.canvas("difference")
    assert (shown[..., 3] == 255).any()
    assert not shown[shown[..., 3] == 255][:, :3].any()


def test_holding_space_shows_the_original(picture):
    app = picture
    app.page.locator("#stage").click(position={"x": 30, "y": 30})
    app.page.keyboard.down(" ")
    app.page.wait_for_timeout(100)
    held = app.canvas("result")
    app.page.keyboard.up(" ")
    app.page.wait_for_timeout(100)

    np.testing.assert_array_equal(held, app.canvas("original"))
    assert (app.canvas("result") != held).any()


def test_blinking_is_still_where_motion_is_not_wanted(browser, web_server):
    context = browser.new_context(reduced_motion="reduce")
    app = App(context.new_page(), web_server).start()
    app.open(("photo.png", png(photo()))).wait("settled")
    app.page.keyboard.press("3")
    app.page.wait_for_timeout(100)

    seen = set()
    for _ in range(10):
        seen.add(app.page.evaluate("document.querySelector('[data-layer=original]').hidden"))
        app.page.wait_for_timeout(150)
    assert seen == {True}
    app.page.keyboard.press(" ")
    app.until("!document.querySelector('[data-layer=original]').hidden")
    context.close()
    web_server.forget_images()


def test_transparent_pixels_are_shown_on_the_chosen_ground(app):
    app.open(("soft.png", png(photo(80, 80, 4)))).wait("settled")
    saved = place(app)
    row = app.canvas("original")[saved["top"] + 2, saved["left"] : saved["left"] + 40, :3]
    assert len(np.unique(row, axis=0)) == 2

    app.page.select_option("#ground", "white")
    app.page.wait_for_timeout(100)
    assert not app.canvas("original")[saved["top"] + 2, saved["left"] + 2, 3]
    assert (
        app.page.evaluate("getComputedStyle(document.querySelector('#stage')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
