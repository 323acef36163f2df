"""The palette panel and the panel of many files, in a real Chromium.

The page is a harness: the panels as they are, under the app's content security policy, with a
store, actions and an engine that note what they are asked for. So what is tested is what a
person sees and does, without a server of smalti's.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from static_site import STATIC, served

import smalti

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Panels</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/static/style.css">
<link rel="stylesheet" href="/static/palette.css"><link rel="stylesheet" href="/static/batch.css">
<link rel="stylesheet" href="/harness.css">
<main><h1>Panels</h1>
<section id="palette" class="panel"
  aria-labelledby="p"><h2 id="p">Palette</h2><div id="palette-root"></div></section>
<section id="batch" class="panel"
  aria-labelledby="b"><h2 id="b">Files</h2><div id="batch-root"></div></section>
<p id="said" role="status"></p></main>
<script type="module" src="/harness.js"></script></html>"""

STYLE = """
body { display: block; background: var(--stage); }
h1 { position: absolute; clip-path: inset(50%); }
main { display: grid; gap: 8px; grid-template-columns: minmax(0, 1fr); }
.panel:not(.shown) { display: block; background: var(--panel); }
@media (min-width: 900px) {
  main { grid-template-columns: 372px minmax(0, 1fr); align-items: start; }
}
"""

SCRIPT = """
import * as colors from "/static/colors.js";
import { rgbaOf } from "/static/dom.js";
import * as palette from "/static/palette.js";
import * as batch from "/static/batch.js";

const done = [];
const note = (name, ...values) => done.push([name, ...values]);
let state = {
  phase: "settled", settings: { k: 16, space: "oklab", dither: null }, locked: new Set(),
  image: { id: "a", name: "photo.jpg", has_alpha: false }, images: [], shown: null, highlight: null,
};
const fail = (message) => { throw Object.assign(new Error(message), { kind: "BadImage" }); };
const listeners = new Set();
let changed = new Set();
const store = {
  get: () => state,
  set(patch) {
    state = { ...state, ...patch };
    if (!changed.size) queueMicrotask(() => {
      const keys = changed;
      changed = new Set();
      for (const listener of listeners) listener(state, keys);
    });
    for (const key of Object.keys(patch)) changed.add(key);
  },
  subscribe(listener) { listeners.add(listener); },
};
const say = (text) => { note("say", text); document.getElementById("said").textContent = text; };
function show(codes, shares, more = {}) {
  store.set({ shown: { k: codes.length, colors: rgbaOf(codes),
    shares: shares && Float64Array.from(shares), exact: true, own: false, ...more } });
}
const actions = {
  say,
  change(patch) {
    note("change", patch);
    store.set({ settings: { ...state.settings, ...patch } });
    if ("keep" in patch) store.set({ locked: new Set(patch.keep ?? []) });
    if (patch.palette) show(patch.palette, null, { own: true, exact: false });
    if (patch.palette === null) store.set({ shown: { ...state.shown, own: false } });
  },
  toggleLock(hex) {
    note("toggleLock", hex);
    const locked = new Set(state.locked);
    if (!locked.delete(hex)) locked.add(hex);
    store.set({ locked });
  },
  highlight(i) { note("highlight", i); store.set({ highlight: i }); },
  copy(text, what) { note("copy", text); say(`${what} copied`); },
  select(id) {
    note("select", id);
    store.set({ image: state.images.find((image) => image.id === id) });
  },
  save(blob, name) { note("save", name); },
};
const engine = {
  async paletteFile(codes, format, shares) {
    note("paletteFile", codes, format, shares);
    return new Blob([codes.join()]);
  },
  async readPalette(file) {
    if (file.name.startsWith("bad")) fail("a .gpl file starts with GIMP Palette");
    return { colors: (await file.text()).trim().split("\\n") };
  },
  async open(file) {
    engine.open.now = (engine.open.now ?? 0) + 1;
    engine.open.most = Math.max(engine.open.most ?? 0, engine.open.now);
    await new Promise((go) => setTimeout(go, 5));
    engine.open.now -= 1;
    if (file.name.startsWith("bad")) fail("the file ends in the middle of the image");
    return { id: `id-${file.name}`, name: file.name, bytes: 1000, has_alpha: false };
  },
  async thumbnail(id) {
    note("thumbnail", id);
    const canvas = new OffscreenCanvas(48, 36);
    const paint = canvas.getContext("2d");
    let hue = 0;
    for (const letter of id) hue = (31 * hue + letter.charCodeAt()) % 360;
    for (let i = 0; i < 6; i++) {
      paint.fillStyle = `hsl(${hue + 20 * i} 50% ${20 + 10 * i}%)`;
      paint.fillRect(8 * i, 0, 8, 36);
    }
    return canvas.convertToBlob();
  },
  async remove(id) { note("remove", id); },
  async batch(items, shared) { note("batch", items, shared); return { batch: "b1" }; },
  batchEvents(id, onLine, signal) {
    window.onLine = onLine;
    return new Promise((end, fail) => {
      window.endBatch = end;
      signal.addEventListener("abort", () => fail(new DOMException("", "AbortError")));
    });
  },
  async cancelBatch(id) { note("cancelBatch", id); },
  async zip(id) { note("zip", id); return new Blob(["zip"]); },
};
const asked = (name) => done.filter(([other]) => other === name)
  .map(([, ...values]) => (values.length > 1 ? values : values[0]));
Object.assign(window, { store, actions, engine, show, colors, batch, asked, done });
palette.mount(document.getElementById("palette-root"), { store, actions, engine });
batch.mount(document.getElementById("batch-root"), { store, actions, engine });
document.body.dataset.ready = "yes";
"""

FILES = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/harness.css": ("text/css", STYLE),
    "/harness.js": ("text/javascript", SCRIPT),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the harness is served."""
    with served(FILES) as site:
        yield site.address


@pytest.fixture
def panels(page, address):
    """The harness page; what the console complains about fails the test."""
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: line.type == "error" and wrong.append(line.text))
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    yield page
    assert wrong == []


CODES = ["#f1f4fb", "#cc0000", "#00aa00", "#24211a"]
SHARES = [0.4, 0.3, 0.2, 0.1]


def show(panels, codes=CODES, shares=SHARES, **more) -> None:
    """Put a palette into the store, and wait until the panel shows it."""
    panels.evaluate("([codes, shares, more]) => show(codes, shares, more)", [codes, shares, more])
    count = f"{len(codes)} color{'s' * (len(codes) != 1)}"
    panels.locator("#palette strong", has_text=count).wait_for()


def asked(panels, name: str) -> list[Any]:
    """What an action or the engine was asked for: the argument, or arguments, of each call."""
    return panels.evaluate("name => asked(name)", name)


def own(panels) -> list[list[str]]:
    """Palettes that the app was given, one for each change."""
    return [change["palette"] for change in asked(panels, "change")]


def locked(panels) -> list[str]:
    """The codes of the locked colors."""
    return panels.evaluate("[...store.get().locked]")


def row(panels, code: str):
    """The row or the swatch of a color."""
    return panels.get_by_role("option", name=code)


def press(panels, what: str, code: str) -> None:
    """Make a color the current one, and press a button of the bar."""
    row(panels, code).click()
    panels.get_by_role("button", name=f"{what} {code}").click()


def listed(panels) -> list[str]:
    """The codes in the order that they are shown in."""
    names = panels.locator("[role=option]:visible").evaluate_all(
        "all => all.map(({ title }) => title)"
    )
    return [name.split(",")[0] for name in names]


def ramp(k: int) -> list[str]:
    """K colors, no two alike."""
    return [f"#{i:02x}{(i * 37) % 256:02x}{(i * 91) % 256:02x}" for i in range(k)]


# ---------------------------------------------------------------- shares and order


def test_shown_shares_sum_to_100_percent(panels):
    for k in (1, 3, 7, 255, 256):
        shares = [1 / (3 + i) for i in range(k)]
        texts = panels.evaluate("shares => colors.percents(shares)", shares)

        assert sum(int(text.replace(".", "")) for text in texts) == 1000, k
        for text, share in zip(texts, shares, strict=True):
            assert abs(float(text) - 100 * share / sum(shares)) < 0.1


def test_thirds_are_rounded_up_from_the_first(panels):
    assert panels.evaluate("colors.percents([1, 1, 1])") == ["33.4", "33.3", "33.3"]


def test_preview_shares_are_marked_as_such_and_exact_ones_are_not(panels):
    show(panels, exact=False)
    assert row(panels, "#cc0000").locator(".palette-share").inner_text() == "≈ 30.0 %"

    show(panels, exact=True)
    panels.get_by_role("option", name="#cc0000, 30.0 %").wait_for()
    assert "≈" not in panels.locator("#palette").inner_text()


def test_colors_are_sorted_as_the_command_sorts_them(panels):
    codes = [*ramp(20), "#808080", "#000000", "#00000000", "#ffffff"]
    shares = [(7 * i) % 24 + 1 for i in range(24)]
    colors = [[*bytes.fromhex(code[1:]), 255][:4] for code in codes]
    show(panels, codes, shares)
    for by in ("hue", "lightness", "share"):
        panels.get_by_label("Sort").select_option(by)

        assert listed(panels) == smalti.Palette(colors, shares).sorted(by).hex(), by


def test_sorting_keeps_the_index_of_each_color(panels):
    show(panels)
    panels.get_by_label("Sort").select_option("lightness")
    row(panels, "#24211a").hover()

    assert listed(panels)[0] == "#24211a"
    assert asked(panels, "highlight")[-1] == 3


# ---------------------------------------------------------------- copy, highlight, lock


def test_code_of_a_color_is_copied_by_the_button_and_by_enter_and_announced(panels):
    show(panels)
    press(panels, "Copy", "#cc0000")
    row(panels, "#cc0000").press("Enter")

    assert asked(panels, "copy") == ["#cc0000", "#cc0000"]
    assert panels.get_by_role("status").inner_text() == "#cc0000 copied"


def test_pixels_are_highlighted_while_a_color_has_the_pointer_or_the_focus(panels):
    show(panels)
    row(panels, "#00aa00").hover()
    panels.mouse.move(600, 10)
    assert asked(panels, "highlight")[-2:] == [2, None]

    row(panels, "#f1f4fb").focus()
    panels.keyboard.press("ArrowDown")
    assert asked(panels, "highlight")[-1] == 1


def test_lock_is_pressed_while_the_color_is_locked(panels):
    show(panels)
    press(panels, "Lock", "#cc0000")
    panels.locator('[aria-label="Lock #cc0000"][aria-pressed=true]').wait_for()
    assert "1 locked" in panels.locator("#palette").inner_text()
    panels.get_by_role("option", name="#cc0000, 30.0 %, locked").wait_for()
    press(panels, "Lock", "#cc0000")
    panels.locator('[aria-label="Lock #cc0000"][aria-pressed=false]').wait_for()

    assert asked(panels, "toggleLock") == ["#cc0000", "#cc0000"]


# ---------------------------------------------------------------- edit, delete, add


def open_editor(panels, code: str):
    """Open the form for a color, and return its hex field."""
    press(panels, "Edit", code)
    return panels.get_by_label("Hex")


def test_edited_color_is_locked_and_the_palette_becomes_ones_own(panels):
    show(panels)
    open_editor(panels, "#cc0000").fill("#C00")
    panels.keyboard.press("Enter")
    assert own(panels) == []  # it is that color already

    open_editor(panels, "#cc0000").fill("#d00")
    panels.keyboard.press("Enter")

    assert own(panels) == [["#f1f4fb", "#dd0000", "#00aa00", "#24211a"]]
    assert locked(panels) == ["#dd0000"]
    panels.get_by_text("your own, 1 locked").wait_for()
    assert panels.locator("*:focus").get_attribute("aria-label") == "Edit #dd0000"


def test_edited_color_takes_the_lock_of_the_one_that_it_replaces(panels):
    show(panels)
    press(panels, "Lock", "#cc0000")
    open_editor(panels, "#cc0000").fill("#dd0000")
    panels.keyboard.press("Enter")

    assert locked(panels) == ["#dd0000"]


def test_wrong_code_is_explained_and_nothing_is_lost(panels):
    show(panels)
    field = open_editor(panels, "#cc0000")
    for text, reason in (
        ("red", "A color is written #rgb, #rrggbb or #rrggbbaa, not “red”."),
        ("#12345", "not “#12345”"),
        ("#12345678", "This image has no transparency"),
        ("#00aa00", "#00aa00 is in the palette already."),
    ):
        field.fill(text)
        panels.keyboard.press("Enter")

        assert reason in panels.get_by_role("alert").inner_text()
        assert field.input_value() == text
        assert field.get_attribute("aria-invalid") == "true"
        assert own(panels) == []


def test_focus_follows_an_edited_color_to_its_new_place(panels):
    show(panels)
    open_editor(panels, "#cc0000").fill("#123456")
    panels.mouse.move(900, 10)
    panels.keyboard.press("Enter")
    show(panels, ["#f1f4fb", "#123456", "#00aa00", "#24211a"], [0.5, 0, 0.3, 0.2], own=True)
    panels.locator(".palette-share", has_text="50.0 %").wait_for()

    assert listed(panels)[-1] == "#123456"
    assert panels.locator("*:focus").get_attribute("aria-label") == "Edit #123456"
    assert asked(panels, "highlight")[-1] is None


def test_escape_leaves_the_color_as_it_was(panels):
    show(panels)
    open_editor(panels, "#cc0000").fill("#123456")
    panels.keyboard.press("Escape")

    assert own(panels) == []
    assert not panels.get_by_label("Hex").is_visible()


def test_picker_changes_the_color_and_keeps_its_alpha(panels):
    panels.evaluate("store.set({ image: { ...store.get().image, has_alpha: true } })")
    show(panels, ["#ffffff", "#cc000080"], [0.5, 0.5])
    open_editor(panels, "#cc000080")
    panels.get_by_label("Color", exact=True).fill("#0000ff")
    assert panels.get_by_label("Hex").input_value() == "#0000ff80"
    panels.get_by_role("button", name="Done").click()

    assert own(panels) == [["#ffffff", "#0000ff80"]]


def test_deleted_color_is_gone_with_its_lock_and_the_next_has_the_focus(panels):
    show(panels)
    press(panels, "Lock", "#cc0000")
    press(panels, "Delete", "#cc0000")

    assert own(panels) == [["#f1f4fb", "#00aa00", "#24211a"]]
    assert locked(panels) == []
    assert panels.get_by_role("status").inner_text() == "#cc0000 deleted: 3 colors"
    assert panels.locator("*:focus").get_attribute("aria-label") == "Delete #00aa00"


def test_last_color_cannot_be_deleted(panels):
    show(panels, ["#cc0000"], [1])

    assert panels.get_by_role("button", name="Delete #cc0000").is_disabled()


def test_added_color_is_locked(panels):
    show(panels)
    panels.get_by_role("button", name="Add a color").click()
    panels.get_by_label("Hex").fill("#0af")
    panels.keyboard.press("Enter")

    assert own(panels) == [[*CODES, "#00aaff"]]
    assert locked(panels) == ["#00aaff"]
    assert panels.locator("*:focus").inner_text() == "Add a color"


def test_form_closes_when_its_color_has_left_the_palette(panels):
    show(panels)
    open_editor(panels, "#cc0000")
    show(panels, ["#111111", "#eeeeee"], [0.5, 0.5])
    panels.wait_for_timeout(150)

    assert not panels.get_by_label("Hex").is_visible()


def test_own_palette_says_so_and_can_be_given_back(panels):
    show(panels, own=True)
    assert "your own" in panels.locator("#palette").inner_text()
    panels.get_by_role("button", name="Find colors again").click()
    panels.get_by_text("your own").wait_for(state="detached")

    assert asked(panels, "change") == [{"palette": None}]
    assert panels.locator("*:focus").inner_text() == "Add a color"


# ---------------------------------------------------------------- many colors


def test_256_colors_are_reached_by_keyboard(panels):
    codes = ramp(256)
    show(panels, codes, [256 - i for i in range(256)])
    across = panels.get_by_role("listbox").evaluate(
        "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
    )
    panels.get_by_label("Sort").focus()
    panels.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown", "ArrowUp"):
        panels.keyboard.press(key)
    panels.keyboard.press("Enter")
    assert asked(panels, "copy") == [codes[across]]

    panels.keyboard.press("End")
    panels.keyboard.press("Tab")  # to what can be done to the last color
    panels.keyboard.press("Tab")
    panels.keyboard.press("Enter")
    assert asked(panels, "toggleLock") == [codes[255]]
    assert panels.locator("[role=option][tabindex='0']").count() == 1


def test_arrows_in_the_palette_do_not_reach_the_page(panels):
    panels.evaluate("document.addEventListener('keydown', ({ key }) => note.push(key), note = [])")
    show(panels, ramp(30), [1] * 30)
    panels.locator("[role=option]").first.focus()
    panels.keyboard.press("ArrowRight")
    panels.keyboard.press("l")

    assert panels.evaluate("note") == ["l"]


def test_panel_keeps_its_height_and_its_nodes_while_k_moves(panels):
    show(panels, ramp(256), [1] * 256)
    measure = """() => {
        const panel = document.getElementById("palette");
        return [panel.offsetHeight, panel.querySelectorAll("*").length];
    }"""
    full = panels.evaluate(measure)
    for k in (2, 24, 25, 100, 8):
        show(panels, ramp(k), [1] * k)
        assert panels.evaluate(measure) == full, k


def test_panel_follows_a_drag_ten_times_a_second_and_ends_with_the_last_palette(panels):
    show(panels, ramp(2), [1] * 2)
    changes = panels.evaluate(
        """async (palettes) => {
        let changes = 0;
        const count = document.querySelector("#palette strong");
        new MutationObserver(() => changes++).observe(count, { childList: true });
        const start = performance.now();
        for (const codes of palettes) {
            show(codes, codes.map(() => 1));
            await new Promise((go) => setTimeout(go, 5));
        }
        const seconds = (performance.now() - start) / 1000;
        await new Promise((go) => setTimeout(go, 250));
        return { changes, seconds, text: count.textContent };
    }""",
        [ramp(k) for k in range(2, 62)],
    )

    assert changes["text"] == "61 colors"
    assert changes["changes"] <= 10 * changes["seconds"] + 3
    assert changes["changes"] < 60


def test_panel_without_an_image_says_what_will_be_here(panels):
    assert "The colors of an image are listed here" in panels.locator("#palette").inner_text()
    assert panels.get_by_role("button", name="Save palette").is_disabled()


# ---------------------------------------------------------------- palette files


def test_palette_is_saved_in_every_format(panels):
    show(panels)
    formats = panels.get_by_label("Format of the palette file")
    offered = formats.locator("option").evaluate_all("all => all.map(({ value }) => value)")
    assert {f".{name}" for name in offered} == set(smalti.palette.SUFFIXES)

    for name in offered:
        formats.select_option(name)
        panels.get_by_role("button", name="Save palette").click()
        assert asked(panels, "paletteFile")[-1] == [CODES, name, SHARES]
    assert asked(panels, "save") == [f"photo-4.{name}" for name in offered]


def test_all_colors_are_copied_as_hex(panels):
    show(panels)
    panels.get_by_role("button", name="Copy all").click()

    assert asked(panels, "copy") == ["\n".join(CODES)]


def choose_palette(panels, name: str, text: str) -> None:
    """Import a palette file."""
    file = {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
    panels.locator("#palette input[type=file]").set_input_files(file)


def test_imported_palette_becomes_ones_own(panels):
    show(panels)
    choose_palette(panels, "brand.hex", "#112233\n#445566\n#112233\n")
    panels.get_by_text("Your palette, 2 colors from brand.hex").wait_for()

    assert own(panels) == [["#112233", "#445566"]]


def test_palette_file_that_cannot_be_read_changes_nothing(panels):
    show(panels)
    choose_palette(panels, "bad.gpl", "?")
    panels.get_by_text("a .gpl file starts with GIMP Palette").wait_for()
    choose_palette(panels, "many.hex", "\n".join([*ramp(256), "#ffffff"]))
    panels.get_by_text("many.hex has 257 colors; an image takes up to 256.").wait_for()

    assert own(panels) == []


# ---------------------------------------------------------------- many files

PENDING: dict[str, Any] = {"status": "ready", "settings": None, "result": None, "error": None}


def put_files(panels, *names: str, **more) -> None:
    """Have opened files in the list, as if they were uploaded."""
    items = [{"id": f"id-{n}", "name": n, "bytes": 1000, **PENDING, **more} for n in names]
    panels.evaluate("items => store.set({ images: items })", items)
    panels.locator(".batch-row").nth(len(names) - 1).wait_for(state="attached")


def tell(panels, *lines: dict[str, Any]) -> None:
    """Send lines of the batch's events, and end them with its last."""
    panels.evaluate(
        "lines => lines.forEach((line) => { onLine(line); if (line.batch) endBatch(); })", lines
    )


def compress_all(panels) -> None:
    """Press the button, and wait until the server listens."""
    panels.get_by_role("button", name="Compress all").click()
    panels.wait_for_function("() => Boolean(window.onLine)")


def done(name: str, size: int, **more) -> dict[str, Any]:
    """The event of a file that is done."""
    return {"item": f"id-{name}", "state": "done", "bytes": size, "larger": False, **more}


def file_row(panels, name: str):
    """The row of a file."""
    return panels.locator(".batch-row", has_text=name)


def upload(panels, *names: str) -> None:
    """Give files to `addFiles`, as the drop handler does."""
    panels.evaluate(
        """names => batch.addFiles(
            names.map((name) => new File(["x"], name)), { store, engine, actions })""",
        names,
    )
    panels.wait_for_timeout(150)


def test_panel_of_files_is_there_from_two_files_on(panels):
    assert not panels.locator("#batch-root").is_visible()
    upload(panels, "a.png")
    assert not panels.locator("#batch-root").is_visible()
    upload(panels, "b.png")
    assert panels.locator("#batch-root").is_visible()


def test_files_are_uploaded_two_at_a_time_and_a_bad_one_stops_nothing(panels):
    upload(panels, "a.png", "bad.png", *(f"{i}.png" for i in range(20)))
    panels.locator(".batch-bar p", has_text="22 files, 21 KB, 1 failed").wait_for()

    assert panels.evaluate("engine.open.most") == 2
    assert "failed: the file ends in the middle" in file_row(panels, "bad.png").inner_text()
    assert file_row(panels, "bad.png").get_by_role("button", name="Open").count() == 0
    assert panels.get_by_role("button", name="Open").count() == 21


def test_hostile_name_is_text(panels):
    name = "<img src=x onerror=alert(1)>.png"
    panels.on("dialog", lambda dialog: pytest.fail("a dialog"))
    upload(panels, name, "b.png")

    assert panels.locator(".batch-name").first.inner_text() == name
    assert panels.locator("img[src='x']").count() == 0


def test_one_bad_file_stops_nothing_and_totals_are_right(panels):
    names = [f"{i}.png" for i in range(20)]
    put_files(panels, *names, bytes=100_000)
    compress_all(panels)
    tell(
        panels,
        *(done(name, 30_000) for name in names[:18]),
        done(names[18], 120_000, larger=True),
        {"item": "id-19.png", "state": "failed", "error": {"kind": "X", "message": "no memory"}},
        done(names[0], 30_000, ssim=0.9),  # the second line of the same file
        {"batch": "done", "files": 19, "failed": 1},
    )
    text = "19 of 20 files, 1.9 MB → 640 KB, −66 %, 1 failed"
    panels.locator(".batch-bar p", has_text=text).wait_for()

    assert panels.get_by_role("status").inner_text() == text
    assert "100 KB → 30 KB, −70 %done" in file_row(panels, "0.png").first.text_content()
    assert "not smaller: original kept" in file_row(panels, "18.png").text_content()
    assert "failed: no memory" in file_row(panels, "19.png").text_content()


def test_progress_is_shown_in_words_and_as_a_bar(panels):
    put_files(panels, "a.png", "b.png")
    compress_all(panels)
    tell(panels, done("a.png", 10), {"item": "id-b.png", "state": "running", "done": 0.4})
    panels.get_by_text("running 40 %").wait_for()

    bar = panels.get_by_role("progressbar", name="Compressing: 1 of 2 files")
    assert bar.evaluate("bar => bar.value") == pytest.approx(0.7)


def test_zip_can_be_saved_when_all_is_done(panels):
    put_files(panels, "a.png", "b.png")
    zipped = panels.get_by_role("button", name="Download zip")
    assert zipped.is_disabled()
    compress_all(panels)
    tell(panels, done("a.png", 10), done("b.png", 10))
    assert zipped.is_disabled()
    tell(panels, {"batch": "done"})
    zipped.click()

    assert (asked(panels, "zip"), asked(panels, "save")) == (["b1"], ["smalti.zip"])


def test_cancelled_batch_keeps_what_is_done(panels):
    put_files(panels, "a.png", "b.png")
    compress_all(panels)
    tell(panels, done("a.png", 10))
    panels.get_by_role("button", name="Cancel").click()
    file_row(panels, "b.png").get_by_text("cancelled").wait_for()

    assert panels.locator("*:focus").inner_text() == "Compress all"
    assert asked(panels, "cancelBatch") == ["b1"]
    assert "1 of 2 files" in panels.locator(".batch-bar p").inner_text()
    assert panels.get_by_role("button", name="Download zip").is_disabled()


def test_batch_whose_server_has_gone_says_so_in_each_row(panels):
    put_files(panels, "a.png", "b.png")
    compress_all(panels)
    tell(panels, done("a.png", 10))
    panels.evaluate("endBatch()")

    file_row(panels, "b.png").get_by_text("failed: the server stopped").wait_for()
    assert panels.get_by_role("button", name="Compress all").is_enabled()


def test_own_settings_are_a_copy_of_those_of_the_moment(panels):
    put_files(panels, "a.png", "b.png")
    first = file_row(panels, "a.png")
    first.get_by_role("button", name="Use own settings").click()
    panels.evaluate("store.set({ settings: { k: 64, space: 'srgb', dither: 'blue' } })")
    first.get_by_text("Own settings: 16 colors, space oklab").wait_for()
    compress_all(panels)

    items, shared = asked(panels, "batch")[0]
    assert [item["settings"] for item in items] == [
        {"k": 16, "space": "oklab"},
        {"k": 64, "space": "srgb", "dither": "blue"},
    ]
    assert shared is False
    first.get_by_role("button", name="Same as all").click()
    first.get_by_text("Same settings as all").wait_for()


def test_settings_of_a_file_of_its_own_that_is_open_are_not_those_of_the_rest(panels):
    put_files(panels, "a.png", "b.png")
    panels.evaluate("store.set({ settings: { k: 9 }, common: { k: 64, space: 'srgb' } })")
    file_row(panels, "a.png").get_by_role("button", name="Use own settings").click()
    file_row(panels, "a.png").get_by_text("Own settings: 64 colors, space srgb").wait_for()
    compress_all(panels)

    items, _ = asked(panels, "batch")[0]
    assert [item["settings"] for item in items] == [{"k": 64, "space": "srgb"}] * 2


def test_one_palette_for_all_takes_the_settings_of_all(panels):
    put_files(panels, "a.png", "b.png")
    file_row(panels, "a.png").get_by_role("button", name="Use own settings").click()
    panels.evaluate("store.set({ settings: { k: 64 } })")
    panels.get_by_label("One palette for all files").check()
    compress_all(panels)

    items, shared = asked(panels, "batch")[0]
    assert shared is True
    assert [item["settings"] for item in items] == [{"k": 64}, {"k": 64}]


def test_result_of_earlier_settings_is_marked_as_such(panels):
    put_files(panels, "a.png", "b.png")
    compress_all(panels)
    tell(panels, done("a.png", 10), done("b.png", 10), {"batch": "done"})
    file_row(panels, "a.png").get_by_text("done", exact=True).wait_for()
    panels.evaluate("store.set({ settings: { ...store.get().settings, k: 8 } })")

    file_row(panels, "a.png").get_by_text("done, with earlier settings").wait_for()


def test_cancel_leaves_out_what_is_not_opened_yet(panels):
    panels.evaluate("""() => {
        engine.open = () => new Promise(() => {});
        const files = ["a", "b", "c", "d"].map((name) => new File(["x"], `${name}.png`));
        batch.addFiles(files, { store, engine, actions });
    }""")
    panels.get_by_role("button", name="Cancel").click()
    panels.locator(".batch-bar p", has_text="2 files").wait_for()

    assert panels.locator(".batch-name").all_text_contents() == ["a.png", "b.png"]


def test_file_is_opened_and_removed(panels):
    put_files(panels, "a.png", "b.png", "c.png")
    panels.get_by_role("button", name="Open b.png").click()
    panels.locator(".batch-row[aria-current=true]", has_text="b.png").wait_for()
    panels.get_by_role("button", name="Remove b.png").click()
    panels.locator(".batch-bar p", has_text="2 files").wait_for()

    assert asked(panels, "select") == ["id-b.png", "id-a.png"]
    assert asked(panels, "remove") == ["id-b.png"]
    assert panels.locator("*:focus").get_attribute("aria-label") == "Remove c.png"


def test_thousand_files_ask_only_for_the_thumbnails_in_sight(panels):
    put_files(panels, *(f"{i}.png" for i in range(1000)))
    panels.wait_for_function("() => asked('thumbnail').length > 2")
    panels.wait_for_timeout(200)
    first = len(asked(panels, "thumbnail"))
    assert first < 60
    panels.locator(".batch-row").last.evaluate("row => row.scrollIntoView()")
    panels.wait_for_function("() => asked('thumbnail').includes('id-999.png')")

    assert len(asked(panels, "thumbnail")) < 3 * first + 60


FOLDER = """async () => {
    const file = (name, path) => ({ isFile: true, name, fullPath: path + name,
        file: (take) => take(new File(["x"], name)) });
    const folder = (name, path, inner) => ({ isFile: false, name, fullPath: path + name,
        createReader: () => ({ readEntries: (take) => take(inner.splice(0, 100)) }) });
    const many = Array.from({ length: 250 }, (_, i) => file(`${i}.png`, "/top/deep/"));
    const top = folder("top", "/", [file("b.JPG", "/top/"), file(".hidden.png", "/top/"),
        file("notes.txt", "/top/"), folder(".git", "/top/", [file("c.png", "/top/.git/")]),
        folder("deep", "/top/", many)]);
    const entries = [top, file("named.psd", "/")];
    const items = entries.map((entry) => ({ webkitGetAsEntry: () => entry }));
    const found = await batch.filesOf({ items });
    return { ...found, files: found.files.map(batch.pathOf) };
}"""


def test_dropped_folder_is_walked_and_what_is_skipped_is_counted(panels):
    found = panels.evaluate(FOLDER)

    # A file that was dropped itself is for the server to refuse, with its reason.
    assert found["files"] == ["named.psd", "top/b.JPG", *(f"top/deep/{i}.png" for i in range(250))]
    assert found["skipped"] == 3


def test_picked_folder_is_filtered_like_a_dropped_one(panels, tmp_path):
    for name in ("a.png", ".b.png", "c.txt", "in/d.webp"):
        (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / name).write_bytes(b"x")
    panels.evaluate("""() => {
        const input = document.createElement("input");
        Object.assign(input, { type: "file", webkitdirectory: true, id: "folder" });
        document.querySelector("main").append(input);
    }""")
    panels.locator("#folder").set_input_files(tmp_path / "top")
    found = panels.evaluate("""async () => {
        const found = await batch.filesOf(document.getElementById("folder").files);
        return [found.files.map(batch.pathOf), found.skipped];
    }""")

    assert found == [["top/a.png", "top/in/d.webp"], 2]


# ---------------------------------------------------------------- everyone


def fill(panels, k: int) -> None:
    """Show what there is to show: a palette, the form, and files in every state."""
    panels.evaluate("""() => store.set({
        image: { ...store.get().image, has_alpha: true }, locked: new Set(["#000000"]) })""")
    show(panels, [*ramp(k - 1), "#12345600"], [1 / k] * k, own=True)
    put_files(panels, "a.png", "b.png", "c.png", "a name that is very long " * 6 + ".png")
    compress_all(panels)
    tell(panels, done("a.png", 10), {"item": "id-b.png", "state": "running", "done": 0.5})
    failure = {"kind": "X", "message": "a reason, in a sentence of some length, " * 4}
    tell(panels, {"item": "id-c.png", "state": "failed", "error": failure})
    panels.get_by_role("button", name="Edit #").click()
    panels.get_by_label("Hex").fill("#12")
    panels.keyboard.press("Enter")
    panels.get_by_text("running 50 %").wait_for()


@pytest.mark.parametrize("k", [16, 256])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(panels, scheme, k):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    panels.emulate_media(color_scheme=scheme)
    fill(panels, k)

    found = axe.run(panels)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("k", [16, 256])
def test_nothing_is_wider_than_a_phone_of_320_pixels(panels, k):
    panels.set_viewport_size({"width": 320, "height": 700})
    fill(panels, k)

    wide = panels.evaluate("""() => [document.documentElement, ...document.querySelectorAll(
        ".panel, .panel *")].filter((one) => one.checkVisibility() && one.clientWidth &&
        one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).textOverflow !== "ellipsis")
        .map((one) => one.className || one.tagName)""")
    assert wide == []


@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize("k", [16, 256])
def test_every_target_has_24_pixels(panels, k, width):
    panels.set_viewport_size({"width": width, "height": 900})
    fill(panels, k)

    small = panels.evaluate("""() => [...document.querySelectorAll("button, select, input")]
        .filter((one) => one.checkVisibility() && one.type !== "checkbox")
        .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 80)])
        .filter(([box]) => box.width && (box.width < 24 || box.height < 24))
        .map(([box, html]) => `${box.width} × ${box.height} ${html}`)""")
    assert small == []


def test_panels_never_make_markup_of_data():
    for path in STATIC.glob("*.js"):
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, (path.name, word)


def test_last_request_to_the_harness_is_its_own(panels):
    hosts = panels.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => new URL(name).host)"
    )

    assert set(hosts) == {panels.evaluate("location.host")}, json.dumps(hosts)
