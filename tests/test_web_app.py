"""The web app in a real Chromium: opening a picture, choosing k, the real file, taking it along."""

import io
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from web_kit import App, assert_nearest, in_the_middle, photo, png, running

from smalti import metrics
from smalti.load import load

STAGE_BYTES = "document.querySelector('#result-bytes').dataset.bytes"


@pytest.fixture
def picture() -> bytes:
    return png(photo())


def opened(app: App, data: bytes, name: str = "photo.png") -> App:
    return app.open((name, data)).wait("settled")


# ---------------------------------------------------------------- opening


def test_empty_page_says_what_can_be_done(app):
    assert "Drop a picture here" in app.text("#welcome")
    assert "Nothing leaves this computer" in app.text("#welcome")
    assert app.page.locator("#demos button").count() == 3
    assert app.page.locator("#download").is_disabled()


def test_button_drop_paste_and_demo_open_the_same_picture(app, picture):
    dispatch = """([kind, text]) => {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "photo.png", {type: "image/png"}));
        const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true})
            : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
        document.dispatchEvent(event);
    }"""
    import base64

    text = base64.b64encode(picture).decode()
    seen = []
    for way in ("button", "drop", "paste"):
        app.server.forget_images()
        app.page.reload()
        app.wait("empty")
        if way == "button":
            app.open(("photo.png", picture))
        else:
            app.page.evaluate(dispatch, [way, text])
        app.wait("settled")
        seen.append(
            (app.text("#file-facts"), app.text("#result-bytes"), app.canvas("result").tobytes())
        )

    assert seen[0] == seen[1] == seen[2]


def test_a_demo_opens_with_one_click(app):
    app.page.locator("#demos button").first.click()
    app.wait("settled")

    assert "photo.webp" in app.text("#file-facts")


def test_files_of_the_command_line_are_open_at_once(page, tmp_path, picture):
    (tmp_path / "named.png").write_bytes(picture)

    with running(tmp_path / "named.png") as server:
        app = App(page, server).start().wait("settled")

        assert "named.png" in app.text("#file-facts")
        page.close()


def test_a_damaged_file_is_refused_by_name_and_the_picture_of_before_stays(app, picture):
    opened(app, picture)

    app.open(("broken.png", picture[: len(picture) // 2]))
    app.page.wait_for_selector("#banner:not([hidden])")

    assert "broken.png" in app.text("#banner-text")
    app.wait("settled")
    assert "photo.png" in app.text("#file-facts")
    app.errors.clear()  # the browser itself notes the refusal


@pytest.mark.guarantee(34)
def test_hostile_file_name_is_text(app, picture):
    opened(app, picture, "<img src=x onerror=alert(1)>.png")

    assert "<img src=x onerror=alert(1)>.png" in app.text("#file-facts")
    assert app.page.locator("#file-facts img").count() == 0


# ---------------------------------------------------------------- choosing k


def test_dragging_the_slider_asks_nothing_and_ends_with_the_last_palette(
    app, picture, record_property
):
    opened(app, picture)
    app.until("performance.getEntriesByName('ladder-complete').length")
    app.until("document.querySelector('#result-score').textContent !== '…'")
    app.requests.clear()

    app.drag_slider()
    asked = app.api()
    last = app.k
    app.until(f"document.body.dataset.k === '{last}'")
    app.page.mouse.up()

    assert asked == []
    times = sorted(
        app.page.evaluate("performance.getEntriesByName('input-to-paint').map(e => e.duration)")
    )
    assert len(times) > 20
    p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
    print(f"input to paint: p50 {p50:.0f} ms, p95 {p95:.0f} ms of {len(times)} steps")


def test_preview_shows_what_the_library_would_map(app, picture):
    opened(app, picture)
    app.until("performance.getEntriesByName('ladder-complete').length")
    app.page.click("text=100 %")

    app.drag_slider(steps=10)
    last = app.k
    app.until(f"document.body.dataset.k === '{last}'")
    app.page.wait_for_timeout(100)
    shown = app.canvas("result")
    app.page.mouse.up()

    image = load(picture)
    assert_nearest(in_the_middle(shown, image.shape), image, last)


def test_one_file_is_made_after_a_rest_and_given_up_when_k_moves_again(app, picture):
    opened(app, picture)
    before = int(app.page.evaluate("document.body.dataset.renders"))
    app.requests.clear()

    app.page.evaluate(
        """() => {
            const number = document.querySelector("#k-number");
            for (const k of [9, 10, 11]) {
                number.value = k;
                number.dispatchEvent(new Event("change"));
            }
        }"""
    )
    app.wait("draft")
    app.wait("settled")

    renders = [each for each in app.api() if each.startswith("POST") and each.endswith("/render")]
    assert len(renders) == 1
    assert int(app.page.evaluate("document.body.dataset.renders")) == before + 1


def test_no_number_of_a_preview_looks_exact(app, picture):
    opened(app, picture)
    app.page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const exact = document.querySelector("#result-root").dataset.basis === "exact";
                const bytes = document.querySelector("#result-bytes").textContent;
                const psnr = document.querySelector("#result-psnr").textContent;
                const k = document.querySelector("#k-number").value;
                window.seen.push([exact, bytes, psnr, k, document.body.dataset.state]);
                requestAnimationFrame(look);
            };
            look();
        }"""
    )

    app.drag_slider(steps=20)
    app.page.mouse.up()
    app.wait("settled")

    seen = app.page.evaluate("window.seen")
    draft = [row for row in seen if row[4] == "draft"]
    assert draft
    for exact, size, psnr, _, _ in draft:
        assert not exact
        assert size.startswith("≈") or size == "–"
        assert psnr.startswith("≈") or psnr == "–"


@pytest.mark.parametrize(
    ("typed", "k"), [("170", 170), ("9999", 256), ("", 64), ("x", 64), ("0", 1)]
)
def test_a_typed_number_is_taken_when_it_is_complete(app, picture, typed, k):
    opened(app, picture)

    app.page.click("#k-number")
    app.page.keyboard.press("Control+A")
    app.page.keyboard.press("Delete")
    app.page.keyboard.type(typed)
    app.page.keyboard.press("Enter")

    app.until(f"document.querySelector('#k-number').value === '{k}'")
    app.page.keyboard.press("Tab")
    app.wait("settled")
    assert app.k == k


def test_a_picture_of_few_colors_starts_with_all_of_them_and_says_so(app):
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, 10:] = [200, 30, 40]
    image[:, 30:] = [20, 230, 140]

    opened(app, png(image))

    assert app.k == 3
    assert "nothing is lost" in app.text("#k-note")
    assert app.text("#result-psnr") == "identical"


def test_one_pixel_is_a_picture(app):
    opened(app, png(np.full((1, 1, 3), 7, np.uint8)))

    assert app.k == 1
    assert "one color" in app.text("#k-note")


# ---------------------------------------------------------------- the real file


def test_shown_numbers_are_those_of_the_downloaded_file(app, picture):
    opened(app, picture)
    app.until("document.querySelector('#result-score').textContent !== '…'")

    name, data = app.download()

    original, made = load(picture), load(data)
    assert name == "photo-64.png"
    assert app.page.evaluate(STAGE_BYTES) == str(len(data))
    assert app.text("#result-psnr") == f"{metrics.psnr(original, made):.2f} dB"
    assert app.text("#result-ssim") == f"{metrics.ssim(original, made):.4f}"
    assert app.text("#result-score") == f"{metrics.ssimulacra2(original, made):.1f}"
    assert len(np.unique(made.reshape(-1, made.shape[-1]), axis=0)) <= 64


def test_settled_stage_shows_the_very_file(app, picture):
    opened(app, picture)
    app.page.click("text=100 %")
    app.page.wait_for_timeout(200)

    shown = app.canvas("result")
    made = load(app.download()[1])

    np.testing.assert_array_equal(in_the_middle(shown, made.shape), made)


def test_orientation_is_applied_and_alpha_kept(app):
    turned = Image.fromarray(photo(60, 90))
    exif = turned.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", exif=exif, quality=95)
    opened(app, buffer.getvalue(), "turned.jpg")
    assert load(app.download()[1]).shape[:2] == (90, 60)

    app.open(("soft.png", png(photo(60, 90, 4))))
    app.until("document.querySelector('#file-name').textContent === 'soft.png'")
    app.wait("settled")

    made = load(app.download()[1])
    assert made.shape == (60, 90, 4)
    assert (made[..., 3] == 0).any()


def test_a_result_that_is_larger_is_said_to_be(app):
    opened(app, png(photo(), "JPEG", quality=20), "photo.jpg")

    app.set_k(256)
    app.wait("draft")
    app.wait("settled")

    assert "Larger than the original" in app.text("#advice")
    assert app.page.locator("#take-original").is_visible()


@pytest.mark.parametrize(
    "patch", [{"#set-space": "srgb"}, {"#set-dither": "bayer"}, {"#set-format": "gif"}]
)
def test_the_command_and_the_python_lines_make_the_very_file(app, picture, patch, tmp_path):
    opened(app, picture)
    for selector, value in patch.items():
        app.page.select_option(selector, value)
    app.wait("draft")
    app.wait("settled")
    _, data = app.download()
    command = app.text("#command")
    (tmp_path / "photo.png").write_bytes(picture)

    words = shlex.split(command)
    assert words[0] == "smalti"
    subprocess.run(
        [sys.executable, "-m", "smalti.cli", *words[1:]],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )

    made = next(path for path in tmp_path.iterdir() if path.name != "photo.png")
    assert made.read_bytes() == data


def test_a_locked_color_is_in_every_palette_and_in_the_file(app, picture):
    opened(app, picture)
    app.until("performance.getEntriesByName('ladder-complete').length")
    app.page.evaluate("performance.clearMarks('ladder-complete')")
    app.set_k(20)
    app.wait("draft")
    app.wait("settled")
    lock = app.page.locator("#palette-root [aria-label^='Lock #']:visible").first
    color = lock.get_attribute("aria-label").removeprefix("Lock ")
    lock.click()
    app.until("performance.getEntriesByName('ladder-complete').length")

    for k in (2, 7, 33):
        app.set_k(k)
        app.until(f"document.body.dataset.k === '{k}'")
    app.wait("settled")

    made = load(app.download()[1])
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    assert (made[..., :3].reshape(-1, 3) == wanted).all(1).any()


# ---------------------------------------------------------------- undo, reload, links


def test_undo_redo_and_reload_bring_settings_back(app, picture):
    opened(app, picture)
    app.page.select_option("#set-space", "srgb")
    app.set_k(12)
    app.page.keyboard.press("Tab")

    app.page.keyboard.press("Control+z")
    assert app.k == 64
    app.page.keyboard.press("Control+z")
    assert app.page.input_value("#set-space") == "oklab"
    app.page.click("#redo")
    app.page.click("#redo")
    assert (app.k, app.page.input_value("#set-space")) == (12, "srgb")

    app.page.reload()
    app.wait("settled")
    assert (app.k, app.page.input_value("#set-space")) == (12, "srgb")
    assert "photo.png" in app.text("#file-facts")


def test_a_link_brings_settings_to_another_tab(app, picture, context):
    opened(app, picture)
    app.set_k(5)
    app.wait("draft")
    app.wait("settled")
    app.page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    app.page.click("#copy-link")
    link = app.until("window.copied")

    other = context.new_page()
    other.goto(link)
    other.wait_for_selector("body[data-state=settled]")

    assert other.input_value("#k-number") == "5"
    assert "t=" not in other.url


def test_a_link_that_is_pasted_into_the_open_page_counts(app, picture):
    opened(app, picture)

    link = f't={app.server.client.token}&s={{"k":7}}'
    with app.page.expect_navigation(url=lambda url: "#" not in url):
        app.page.evaluate("link => { location.hash = link }", link)
    app.wait("settled")

    assert app.k == 7
    assert "photo.png" in app.page.title()


def test_without_its_key_the_page_says_where_to_find_it(app):
    app.page.goto("about:blank")
    page = app.page.context.browser.new_context().new_page()
    page.goto(app.server.origin + "/")
    page.wait_for_selector("#banner:not([hidden])")
    assert "open the link" in page.inner_text("#banner-text")

    page.goto("about:blank")
    page.goto(app.server.origin + "/#t=wrong")
    page.wait_for_selector("#banner:not([hidden])")
    assert "key in this link" in page.inner_text("#banner-text")
    page.close()


def test_when_the_server_is_gone_the_preview_still_works(page, picture):
    with running() as server:
        app = App(page, server).start()
        opened(app, picture)
        app.until("performance.getEntriesByName('ladder-complete').length")
        server.process.kill()
        server.process.wait()

        app.set_k(17)
        page.wait_for_selector("#banner:not([hidden])")
        app.until("document.body.dataset.k === '17'")
        app.set_k(18)
        app.until("document.body.dataset.k === '18'")

    assert "local server stopped" in app.text("#banner-text")
    assert [
        error
        for error in app.errors
        if "ERR_CONNECTION" not in error and "Failed to load" not in error
    ] == []
    page.close()
