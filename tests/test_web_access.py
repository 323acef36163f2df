"""The web app for everyone: axe, the keyboard alone, small screens, calm loading."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from web_kit import App, photo, png

VITALS = """
    window.vitals = {shift: 0, long: [], first: 0, largest: 0};
    const watch = (type, take) =>
        new PerformanceObserver(list => list.getEntries().forEach(take))
            .observe({type, buffered: true});
    watch("paint", entry => vitals.first ||= entry.startTime);
    watch("largest-contentful-paint", entry => vitals.largest = entry.startTime);
    watch("layout-shift", entry => vitals.shift += entry.hadRecentInput ? 0 : entry.value);
    watch("longtask", entry => vitals.long.push(Math.round(entry.duration)));
"""
SCREENS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
    "narrow": {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"},
}


@pytest.fixture(params=SCREENS)
def screen(request, browser, web_server):
    """A fresh page on one of the screens."""
    context = browser.new_context(**SCREENS[request.param])
    context.add_init_script(VITALS)
    app = App(context.new_page(), web_server).start()
    yield app
    web_server.forget_images()
    context.close()
    assert app.errors == []


def violations(app: App) -> list[str]:
    found = Axe().run(app.page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


def test_axe_finds_nothing(screen):
    found = {"empty": violations(screen)}
    screen.open(("photo.png", png(photo()))).wait("settled")
    found["settled"] = violations(screen)
    for mode in ("side", "difference", "four"):
        screen.page.evaluate(f"document.querySelector('#view-{mode}').click()")
        screen.page.wait_for_timeout(100)
        found[mode] = violations(screen)
    for tab in screen.page.locator("#tabs button:visible").all():
        tab.click()
        found[tab.inner_text()] = violations(screen)
    for summary in screen.page.locator("summary:visible").all():
        summary.click()
    screen.page.wait_for_timeout(300)
    found["everything open"] = violations(screen)
    screen.page.evaluate("document.querySelector('#help').click()")
    found["help"] = violations(screen)

    print(f"axe: {sum(map(len, found.values()))} violations in {len(found)} states")
    assert {state: list_ for state, list_ in found.items() if list_} == {}


def test_nothing_is_wider_than_the_screen(screen):
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert screen.page.evaluate(wide) <= 0
    screen.open(("a very long name of a photograph that nobody would type.png", png(photo())))
    screen.wait("settled")
    assert screen.page.evaluate(wide) <= 0

    for tab in screen.page.locator("#tabs button:visible").all():
        tab.click()
        assert screen.page.evaluate(wide) <= 0, tab.inner_text()


def test_targets_are_large_enough_to_hit(screen):
    screen.open(("photo.png", png(photo()))).wait("settled")
    small = screen.page.evaluate(
        """() => [...document.querySelectorAll("button, select, summary, input:not([type=file])")]
            .filter(e => e.checkVisibility({opacityProperty: true}))
            .filter(e => !e.closest(".visually-hidden"))
            .map(e => [e, (e.closest("label") ?? e).getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
            .map(([e, box]) => `${e.id} ${e.textContent} ${box.width}x${box.height}`)"""
    )

    assert small == []


def test_loading_a_picture_moves_nothing(screen):
    painted = screen.page.evaluate("[window.vitals.first, window.vitals.largest]")
    screen.page.evaluate("window.vitals.shift = 0; window.vitals.long = [];")
    screen.open(("photo.png", png(photo(400, 600)))).wait("settled")
    screen.until("performance.getEntriesByName('ladder-complete').length")

    vitals = screen.page.evaluate("window.vitals")
    print(
        f"first paint {painted[0]:.0f} ms, largest {painted[1]:.0f} ms; a picture: "
        f"layout shift {vitals['shift']:.3f}, long tasks {vitals['long']} ms"
    )
    assert vitals["shift"] <= 0.05


def test_whole_flow_by_keyboard_alone(app):
    choosers = []  # from the start: Playwright does not wait until the browser listens
    app.page.on("filechooser", lambda chooser: choosers.append(chooser))
    app.page.keyboard.press("Tab")
    assert app.page.evaluate("document.activeElement.className") == "skip"
    app.page.keyboard.press("Tab")
    app.page.keyboard.press("Enter")
    while not choosers:
        app.page.wait_for_timeout(20)
    choosers[0].set_files([{"name": "photo.png", "mimeType": "image/png", "buffer": png(photo())}])
    app.wait("settled")

    reached = []
    for _ in range(80):
        app.page.keyboard.press("Tab")
        reached.append(
            app.page.evaluate(
                """() => {
                    const e = document.activeElement;
                    const style = getComputedStyle(e.closest(".divider") ?? e);
                    const seen = e.matches(":focus-visible");
                    return [e.id || e.textContent.trim(), seen, style.outlineStyle];
                }"""
            )
        )
        if reached[-1][0] == "k-number":
            break
    app.page.keyboard.type("9")
    app.page.keyboard.press("Enter")
    app.page.keyboard.press("Tab")
    app.wait("settled")
    with app.page.expect_download() as download:
        app.page.keyboard.press("Control+s")

    assert download.value.suggested_filename == "photo-9.png"
    assert all(seen for _, seen, _ in reached)


def test_keys_work_and_can_be_switched_off(app):
    app.open(("photo.png", png(photo()))).wait("settled")

    app.page.keyboard.press("ArrowLeft")
    assert app.k == 63
    app.page.keyboard.press("Shift+ArrowRight")
    assert app.k == 71
    app.page.keyboard.press("]")
    assert app.k == 100
    app.page.keyboard.press("d")
    assert app.page.input_value("#set-dither") == "none"
    app.page.keyboard.press("2")
    assert app.page.get_attribute("#view-side", "aria-pressed") == "true"
    app.page.keyboard.press("?")
    app.page.uncheck("#letter-keys")
    app.page.keyboard.press("Escape")
    app.page.locator("#stage").click(position={"x": 5, "y": 5})
    app.page.keyboard.press("1")
    app.page.keyboard.press("ArrowLeft")
    assert app.page.get_attribute("#view-side", "aria-pressed") == "true"
    assert app.k == 100


def test_what_happens_is_said_to_screen_readers(app):
    app.open(("photo.png", png(photo()))).wait("settled")
    app.set_k(300)

    assert app.page.get_attribute("#toast", "aria-live") == "polite"
    assert "256 colors are the most" in app.text("#toast")
    assert app.page.get_attribute("#k-range", "aria-valuetext") == "256 colors"
