"""The elbow and the convergence panel, in a real browser, say what the library says."""

import io
import json
import math
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from pictures import SPACES, photo
from PIL import Image
from playwright.sync_api import expect
from views_site import Site, psnr_of, steps_of

from smalti import color

PICTURE = photo(3, 64)


@pytest.fixture(scope="module")
def site():
    site = Site(PICTURE)
    yield site
    site.close()


@pytest.fixture
def views(page, site):
    """The page with the two panels; errors on it fail the test."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.set_viewport_size({"width": 372, "height": 1700})
    page.goto(site.address)
    page.locator("body[data-ready]").wait_for()
    yield page
    assert errors == []


def opened(page):
    """The page with the convergence panel open and a run in it."""
    page.evaluate("document.querySelector('details.converge').open = true")
    page.locator("details.converge[data-at]").wait_for()
    return page


def chosen(page):
    return page.evaluate("store.get().shown.k")


def caption(page):
    return page.locator(".converge-caption").inner_text()


def scrub(page, at):
    page.get_by_label("Half-step").fill(str(at))


def drawn(page):
    """How many pictures of the cloud there were, once no more come."""
    count = None
    while count != (count := page.locator("canvas.cloud").get_attribute("data-drawn")):
        page.wait_for_timeout(400)
    return int(count)


def pixels_of(locator):
    shot = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
    return np.asarray(shot).astype(int)


# ---------------------------------------------------------------- what comes from the server


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [2, 9, 64])
def test_run_read_by_the_page_is_the_run_of_the_library(views, space, k):
    steps = steps_of(PICTURE, k, space, "random", 5)

    found = views.evaluate(
        """async (asked) => {
          const { k, frames, stopReason } = trace.parseTrace(await engine.trace("one", asked));
          for (const frame of frames) {
            frame.centroids = [...frame.centroids];
          }
          return { k, frames, stopReason };
        }""",
        {"k": k, "space": space, "init": "random", "seed": 5},
    )

    assert found["k"] == k
    assert found["stopReason"] == steps[-1].stop_reason
    for frame, step in zip(found["frames"], steps, strict=True):
        np.testing.assert_array_equal(np.float32(frame["centroids"]), step.centroids.ravel())
        errors = [frame["before"], frame["distortion"], frame["shift"]]
        expected = [step.distortion_before, step.distortion, step.shift]
        np.testing.assert_array_equal(np.float32(errors), np.float32(expected))


@pytest.mark.parametrize("space", SPACES)
def test_points_take_the_centroids_that_k_means_assigns_them_to(views, space):
    steps = steps_of(PICTURE, 12, space, "random", 1)

    counts, colors = views.evaluate(
        """async (asked) => {
          const { frames } = trace.parseTrace(await engine.trace("one", asked));
          const points = cloud.parsePoints(await engine.points("one", asked.space));
          const pixels = 64 * 64;
          const counts = frames.slice(1).map((_, i) => {
            const found = new Array(asked.k).fill(0);
            trace.nearest(points.xyz, frames[i].centroids).forEach((row, point) => {
              found[row] += points.shares[point] * pixels;
            });
            return found;
          });
          return [counts, [...trace.toBytes(frames.at(-1).centroids, asked.space)]];
        }""",
        {"k": 12, "space": space, "init": "random", "seed": 1},
    )

    np.testing.assert_allclose(counts, [step.counts for step in steps[1:]], atol=1e-3)
    last = color.from_points(steps[-1].centroids * color.UNITS[space], space)
    np.testing.assert_array_equal(np.reshape(colors, (-1, 3)), last)


@pytest.mark.parametrize(
    ("read", "path"), [("cloud.parsePoints", "points"), ("trace.parseTrace", "trace")]
)
@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_cut_off_answer_is_refused_in_words(views, read, path, cut):
    asked = {"k": 4, "space": "oklab", "init": "random", "seed": 0}

    message = views.evaluate(
        f"""async ([asked, cut]) => {{
          const whole = await engine.{path}("one", {"asked" if path == "trace" else "asked.space"});
          try {{ {read}(whole.slice(0, cut)); }} catch (error) {{ return error.message; }}
        }}""",
        [asked, cut],
    )

    assert message in {"The points came incomplete.", "The trace came incomplete."}


# ---------------------------------------------------------------- the elbow


def test_table_says_what_the_curve_shows(views, site):
    views.get_by_text("As a table").click()

    rows = views.locator(".elbow-table tbody tr")

    expect(rows).to_have_count(len(site.state["curve"]))
    dots = views.locator(".elbow-plot circle:not(.elbow-dot)")
    assert dots.count() == len(site.state["curve"])
    for row, point in zip(rows.all(), site.state["curve"], strict=True):
        k, error, psnr, _ = (cell.inner_text() for cell in row.locator("th, td").all())
        assert int(k.split(",")[0]) == point["k"]
        assert float(error.replace(",", "")) == pytest.approx(point["distortion"], rel=5e-4)
        assert float(psnr.removesuffix(" dB")) == pytest.approx(point["psnr"], abs=0.05)
    assert "16, chosen" in rows.locator("th").all_inner_texts()


def test_points_of_the_curve_are_where_log_k_and_the_root_of_the_error_put_them(views, site):
    places = views.evaluate(
        "[...document.querySelectorAll('.elbow-plot circle:not(.elbow-dot)')]"
        ".map((dot) => [Number(dot.getAttribute('cx')), Number(dot.getAttribute('cy'))])"
    )

    x, y = np.array(places).T
    logs = np.log([point["k"] for point in site.state["curve"]])
    roots = np.sqrt([point["distortion"] for point in site.state["curve"]])
    np.testing.assert_allclose(np.corrcoef(x, logs)[0, 1], 1, atol=1e-9)
    np.testing.assert_allclose(np.corrcoef(y, roots)[0, 1], -1, atol=1e-9)


def place_of(page, k):
    """Where k is on the plot, in page coordinates."""
    box = page.locator(".elbow-plot svg").bounding_box()
    low, high = (float(page.locator(".elbow-slider").get_attribute(end)) for end in ("min", "max"))
    way = math.log(k / low) / math.log(high / low)
    return box["x"] + (54 + way * 280) * box["width"] / 348, box["y"] + 80


def test_click_on_the_curve_chooses_k(views):
    views.mouse.click(*place_of(views, 8))

    assert chosen(views) == 8
    expect(views.locator(".elbow-dot")).to_have_attribute("data-k", "8")


def test_drag_along_the_curve_chooses_as_it_goes(views):
    views.mouse.move(*place_of(views, 8))
    views.mouse.down()
    views.mouse.move(*place_of(views, 64))
    halfway = chosen(views)
    views.mouse.move(*place_of(views, 100))
    views.mouse.up()
    views.mouse.move(*place_of(views, 30))

    assert (halfway, chosen(views)) == (64, 100)


def test_arrow_keys_on_the_curve_choose_k_and_say_it(views):
    slider = views.get_by_label("Number of colors, along the curve")
    slider.focus()
    views.keyboard.press("ArrowRight")
    views.keyboard.press("ArrowRight")

    assert chosen(views) == 18
    views.keyboard.press("ArrowLeft")
    assert chosen(views) == 17
    pattern = r"^17 colors · MSE ≈ 0\.00\d+$"
    expect(slider).to_have_attribute("aria-valuetext", re.compile(pattern))


def test_both_suggestions_tell_their_reason_and_can_be_used(views, site):
    items = views.locator(".elbow-advice li")

    expect(items).to_have_count(2)
    expect(items.first).to_contain_text(site.state["suggestion"]["reason"])
    for method, k in site.state["suggestions"].items():
        k = k or site.state["suggestion"]["k"]
        views.get_by_role("button", name=f"Use {k}", exact=True).press("Enter")
        assert chosen(views) == k, method
        expect(views.get_by_role("button", name=f"Using {k}", exact=True)).to_be_focused()
    expect(views.locator(".elbow-plot [data-method]")).to_have_count(2)


@pytest.mark.parametrize(("unit", "says"), [("psnr", "PSNR ≈ "), ("size", "Size ≈ ")])
def test_other_units_have_their_curve(views, unit, says):
    views.locator(f"[data-unit={unit}]").click()

    expect(views.locator(".elbow-readout")).to_contain_text(says)
    expect(views.locator(".elbow-curve")).to_be_visible()


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"image": None, "curve": []}, "Open a picture"),
        ({"curve": [], "ladderDone": False}, "measuring…"),
        ({"curve": [], "ladderDone": False, "serverGone": True}, "does not answer"),
        ({"image": {"distinct_colors": 2}}, "2 colors: there is nothing to choose"),
        ({"image": {"distinct_colors": 1}, "curve": []}, "1 color: there is nothing to choose"),
        ({"image": {"distinct_colors": 37}}, "37 colors; with all of them, nothing is lost"),
    ],
)
def test_elbow_says_why_there_is_little_to_see(views, patch, says):
    views.evaluate("(patch) => store.set(patch)", patch)

    expect(views.locator(".elbow-status")).to_contain_text(says)
    expect(views.locator(".elbow-plot")).to_be_visible(visible=patch.get("curve") is None)


def test_sizes_that_are_not_estimated_yet_are_waited_for(views):
    views.locator("[data-unit=size]").click()
    status = views.locator(".elbow-status")

    views.evaluate("store.set({ estimates: [], ladderDone: false })")
    expect(status).to_have_text("measuring…")
    views.evaluate("store.set({ ladderDone: true })")
    expect(status).to_have_text("There are too few points for a curve.")


def test_size_under_the_dot_is_the_estimate_of_the_page(views):
    views.locator("[data-unit=size]").click()
    views.evaluate("store.set({ estimates: [{ k: 2, bytes: 1000 }, { k: 128, bytes: 64000 }] })")

    # 16 is halfway from 2 to 128 in log k, and so is 8,000 from 1,000 to 64,000.
    expect(views.locator(".elbow-readout")).to_have_text("16 colors · Size ≈ 8 KB")
    views.evaluate("store.set({ made: { k: 128, bytes: 32000 } })")
    expect(views.locator(".elbow-readout")).to_have_text("16 colors · Size ≈ 4 KB")


def test_psnr_of_the_harness_is_that_of_the_stored_picture():
    assert psnr_of(PICTURE, 4096) is None
    assert 20 < psnr_of(PICTURE, 16) < 45


# ---------------------------------------------------------------- convergence


def test_nothing_is_asked_of_the_server_before_the_panel_is_opened(views):
    before = views.evaluate("asked.length")
    opened(views)

    kinds = [path.split("?")[0] for path in views.evaluate("asked")]

    assert before == 0
    assert sorted(kinds) == ["points", "trace"]
    assert "k=16" in views.evaluate("asked.join()")


def test_first_run_starts_as_the_file_does(views):
    views.evaluate('store.set({ settings: { init: "box", seed: 7, space: "srgb" } })')
    opened(views)

    path = next(path for path in views.evaluate("asked") if path.startswith("trace"))

    assert "init=box" in path
    assert "seed=7" in path
    assert "space=srgb" in path


def test_every_half_step_shows_the_error_of_the_library_and_never_a_higher_one(views):
    opened(views)
    steps = steps_of(PICTURE, 16, "oklab", "splitting", 0)
    last = int(views.get_by_label("Half-step").get_attribute("max"))

    errors = []
    for at in range(1, last + 1):
        scrub(views, at)
        errors.append(
            float(caption(views).split("→" if at > 1 else "Error")[1].split()[0].strip(";."))
        )

    assert last == 2 * (len(steps) - 1)
    expected = [error for s in steps[1:] for error in (s.distortion_before, s.distortion)]
    np.testing.assert_allclose(errors, expected, rtol=6e-4)
    assert errors == sorted(errors, reverse=True)
    assert "Stopped: " in caption(views)


def test_caption_tells_each_half_step_in_words(views):
    opened(views)
    assert caption(views).startswith("Start: 16 centroids (splitting)")

    views.get_by_role("button", name="Next").click()
    expect(views.locator(".converge-caption")).to_contain_text(
        ", assign: every color joins its nearest centroid and takes its color."
    )
    views.get_by_role("button", name="Next").click()
    expect(views.locator(".converge-caption")).to_contain_text("the largest move is")
    views.get_by_role("button", name="Back").click()
    expect(views.get_by_label("Half-step")).to_have_attribute(
        "aria-valuetext", re.compile(r"iteration 1 of \d+, assign")
    )
    views.get_by_role("button", name="First").click()
    assert caption(views).startswith("Start")


def test_nothing_plays_until_asked_and_pause_stays(views):
    opened(views)
    views.wait_for_timeout(1200)
    assert views.locator("details.converge").get_attribute("data-at") == "0"

    views.get_by_role("button", name="Play").click()
    views.locator('details.converge:not([data-at="0"])').wait_for()
    views.get_by_role("button", name="Pause").click()
    at = views.locator("details.converge").get_attribute("data-at")
    views.wait_for_timeout(1200)

    assert views.locator("details.converge").get_attribute("data-at") == at
    expect(views.get_by_role("button", name="Play")).to_be_visible()


def test_playing_ends_at_the_end(views):
    opened(views)
    views.get_by_role("button", name="Last").click()
    last = views.locator("details.converge").get_attribute("data-at")
    scrub(views, int(last) - 2)
    views.get_by_role("button", name="Play").click()

    views.locator(f'details.converge[data-at="{last}"]').wait_for()
    expect(views.get_by_role("button", name="Play")).to_be_visible()


def test_keys_play_and_step_unless_they_are_typed_or_switched_off(views):
    opened(views)
    details = views.locator("details.converge")
    views.locator("canvas.cloud").focus()
    views.keyboard.press(".")
    views.keyboard.press(".")
    views.keyboard.press(",")
    expect(details).to_have_attribute("data-at", "1")
    views.keyboard.press("p")
    expect(views.get_by_role("button", name="Pause")).to_be_visible()
    views.keyboard.press("P")
    expect(views.get_by_role("button", name="Play")).to_be_visible()

    at = details.get_attribute("data-at")
    views.get_by_label("Start from").focus()
    views.keyboard.press(".")
    views.evaluate("store.set({ letterKeys: false })")
    views.locator("canvas.cloud").focus()
    views.keyboard.press(".")
    assert details.get_attribute("data-at") == at


def test_click_on_the_error_curve_goes_there(views):
    opened(views)
    box = views.locator(".spark").bounding_box()
    last = int(views.get_by_label("Half-step").get_attribute("max"))

    views.mouse.click(box["x"] + box["width"] - 8, box["y"] + 40)

    expect(views.locator("details.converge")).to_have_attribute("data-at", str(last))
    views.mouse.click(box["x"] + 8, box["y"] + 40)
    expect(views.locator("details.converge")).to_have_attribute("data-at", "1")


def test_other_seeds_end_elsewhere_and_earlier_runs_come_back_unasked(views):
    opened(views)
    for _ in range(3):
        rows = views.locator(".converge tbody tr")
        count = rows.count()
        views.get_by_role("button", name="Another seed").click()
        expect(rows).to_have_count(count + 1)

    texts = [row.inner_text().split("\t") for row in rows.all()]
    for name, seed, row in [("splitting", 0, 0), *(("random", s, s + 1) for s in range(3))]:
        steps = steps_of(PICTURE, 16, "oklab", name, seed)
        assert int(texts[row][1]) == steps[-1].iteration
        assert float(texts[row][2]) == pytest.approx(steps[-1].distortion, rel=5e-4)
    assert len({text[2] for text in texts}) > 1

    asked = views.evaluate("asked.length")
    views.get_by_role("button", name="random, seed 0").press("Enter")
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    expect(views.get_by_role("button", name="random, seed 0")).to_be_focused()
    assert caption(views).startswith("Start: 16 centroids (random, seed 0)")
    assert views.evaluate("asked.length") == asked


def test_new_k_brings_its_own_run_once_it_rests(views):
    opened(views)
    views.evaluate("[20, 21, 22, 23].forEach((k) => actions.setK(k))")

    expect(views.locator(".converge-caption")).to_contain_text("Start: 23 centroids")
    traces = [path for path in views.evaluate("asked") if path.startswith("trace")]
    assert len(traces) == 2


def test_image_without_anything_to_iterate_says_so(views):
    views.evaluate("actions.setK(4096)")
    views.evaluate("document.querySelector('details.converge').open = true")

    expect(views.locator(".converge > [role=status]")).to_have_text(
        "Nothing to iterate: 4,096 colors hold every color of the image."
    )


def test_failure_is_told_and_can_be_tried_again(page, site):
    page.goto(site.address)
    page.locator("body[data-ready]").wait_for()
    site.broken = True
    try:
        page.evaluate("document.querySelector('details.converge').open = true")
        status = page.locator(".converge > [role=status]")
        expect(status).to_contain_text("The image is gone; open it again.")
    finally:
        site.broken = False

    page.evaluate("document.querySelector('details.converge').open = false")
    page.evaluate("document.querySelector('details.converge').open = true")

    expect(page.locator(".converge-caption")).to_contain_text("Start")


# ---------------------------------------------------------------- the cloud


def test_keys_and_drag_turn_the_cloud(views):
    opened(views)
    cloud = views.locator("canvas.cloud")
    before = views.evaluate("panel.cloud().view")
    cloud.focus()
    views.keyboard.press("ArrowRight")
    views.keyboard.press("ArrowDown")
    views.keyboard.press("+")
    turned = views.evaluate("panel.cloud().view")
    box = cloud.bounding_box()
    views.mouse.move(box["x"] + 50, box["y"] + 50)
    views.mouse.down()
    views.mouse.move(box["x"] + 150, box["y"] + 50)
    views.mouse.up()
    dragged = views.evaluate("panel.cloud().view")
    views.get_by_role("button", name="Reset view").click()

    assert turned["yaw"] > before["yaw"]
    assert turned["pitch"] > before["pitch"]
    assert turned["zoom"] > before["zoom"]
    assert dragged["yaw"] == pytest.approx(turned["yaw"] + 1)
    assert views.evaluate("panel.cloud().view") == before


def test_wheel_zooms_a_focused_cloud_and_scrolls_the_page_otherwise(views):
    views.set_viewport_size({"width": 372, "height": 600})
    opened(views)
    cloud = views.locator("canvas.cloud")
    cloud.scroll_into_view_if_needed()
    cloud.hover()
    views.mouse.wheel(0, -120)
    views.wait_for_timeout(100)
    unfocused = views.evaluate("panel.cloud().view.zoom")
    cloud.focus()
    cloud.hover()
    views.mouse.wheel(0, -120)
    views.wait_for_timeout(100)

    assert unfocused == 1
    assert views.evaluate("panel.cloud().view.zoom") > 1


def test_nothing_is_drawn_while_nothing_changes(views):
    opened(views)
    count = drawn(views)
    views.wait_for_timeout(500)

    assert drawn(views) == count


def test_centroids_glide_to_their_new_places(views):
    opened(views)
    scrub(views, 1)
    before = drawn(views)

    views.get_by_role("button", name="Next").click()

    assert drawn(views) > before + 2


def test_less_motion_means_jumps(views):
    views.emulate_media(reduced_motion="reduce")
    opened(views)
    scrub(views, 1)
    before = drawn(views)

    views.get_by_role("button", name="Next").click()

    assert drawn(views) == before + 1


def test_cloud_shows_the_colors_of_the_image_and_then_those_of_the_centroids(views):
    opened(views)
    drawn(views)
    own = pixels_of(views.locator("canvas.cloud"))
    scrub(views, 1)
    drawn(views)
    joined = pixels_of(views.locator("canvas.cloud"))

    colors = [len(np.unique(pixels.reshape(-1, 3), axis=0)) for pixels in (own, joined)]
    assert colors[0] > 1000
    assert colors[1] < colors[0]


# ---------------------------------------------------------------- for everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_panels_have_no_accessibility_violations(views, scheme):
    views.emulate_media(color_scheme=scheme)
    views.get_by_text("As a table").click()
    opened(views)
    views.get_by_role("button", name="Another seed").click()
    expect(views.locator(".converge tbody tr")).to_have_count(2)

    violations = Axe().run(views).response["violations"]

    assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == []


def test_nothing_is_wider_than_a_small_phone(views):
    views.set_viewport_size({"width": 320, "height": 700})
    views.get_by_text("As a table").click()
    opened(views)

    assert views.evaluate("document.documentElement.scrollWidth") == 320


def test_state_of_the_harness_is_plain_json(site):
    assert json.loads(json.dumps(site.state)) == site.state
