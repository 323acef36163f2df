"""The palette panel and the panel of many files, in a real Chromium.

The page is a harness: the panels as they are, under the app's content security policy, with a
store, actions and an engine that note what they are asked for. So what is tested is what a
person sees and does, without a server of smalti's.
"""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import smalti

STATIC = Path(smalti.__file__).parent / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'"
)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Panels</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/harness.css">
<link rel="stylesheet" href="/static/palette.css"><link rel="stylesheet" href="/static/batch.css">
<main><h1>Panels</h1>
<section id="palette" class="panel" aria-labelledby="p"><h2 id="p">Palette</h2></section>
<section id="batch" class="panel" aria-labelledby="b"><h2 id="b">Files</h2></section>
<p id="said" role="status"></p></main>
<script type="module" src="/harness.js"></script></html>"""

STYLE = """
:root { color-scheme: light dark; --stage: #777; --panel: #d9d9d9; --raised: #e8e8e8;
  --ink: #161616; --dim: #454545; --line: #8a8a8a; --field: #f2f2f2;
  --focus-inner: #fff; --focus-outer: #000; }
@media (prefers-color-scheme: dark) { :root { --panel: #333; --raised: #424242; --ink: #f2f2f2;
  --dim: #c4c4c4; --line: #7a7a7a; --field: #222; --focus-inner: #000; --focus-outer: #fff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--stage); color: var(--ink); font: 14px/1.4 system-ui; }
h1 { position: absolute; clip-path: inset(50%); }
h2 { margin: 0 0 8px; font-size: 14px; }
main { display: grid; gap: 8px; padding: 8px; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 900px) {
  main { grid-template-columns: 400px minmax(0, 1fr); align-items: start; }
}
.panel { padding: 8px; background: var(--panel); }
.button, .field { min-height: 28px; padding: 2px 8px; border: 1px solid var(--line);
  border-radius: 0; background: var(--field); color: var(--ink); font: inherit; }
.button:disabled { opacity: .5; }
.num { font-variant-numeric: tabular-nums; }
.dim { color: var(--dim); }
:focus-visible { outline: 2px solid var(--focus-inner);
  box-shadow: 0 0 0 4px var(--focus-outer); outline-offset: 0; z-index: 2; }
"""

SCRIPT = """
import * as colors from "/static/colors.js";
import * as palette from "/static/palette.js";
import * as batch from "/static/batch.js";

const done = [];
const note = (name, ...values) => done.push([name, ...values]);
let state = { phase: "settled", settings: { k: 16, space: "oklab", dither: null }, locked: new Set(),
  image: { id: "a", name: "photo.jpg", has_alpha: false }, images: [], shown: null,
  highlight: null };
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
  store.set({ shown: { k: codes.length, colors: colors.fromHexes(codes),
    shares: shares && Float64Array.from(shares), exact: true, own: false, ...more } });
}
const actions = {
  say,
  change(patch) {
    note("change", patch);
    store.set({ settings: { ...state.settings, ...patch } });
    if (patch.palette === null) store.set({ shown: { ...state.shown, own: false } });
  },
  editPalette(rgba) {
    note("editPalette", colors.hexes(rgba));
    show(colors.hexes(rgba), null, { own: true, exact: false });
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
    if (file.name.startsWith("bad")) throw Object.assign(new Error("a .gpl file starts with GIMP Palette"), { kind: "BadImage" });
    return { colors: (await file.text()).trim().split("\\n") };
  },
  async open(file, onProgress) {
    engine.open.now = (engine.open.now ?? 0) + 1;
    engine.open.most = Math.max(engine.open.most ?? 0, engine.open.now);
    onProgress(0.5);
    await new Promise((go) => setTimeout(go, 5));
    engine.open.now -= 1;
    if (file.name.startsWith("bad")) throw Object.assign(new Error("the file ends in the middle of the image"), { kind: "BadImage" });
    return { id: `id-${file.name}`, name: file.name, bytes: 1000, width: 4, height: 3, has_alpha: false };
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
Object.assign(window, { store, actions, engine, done, show, colors, batch, palette,
  asked: (name) => done.filter(([other]) => other === name).map(([, ...rest]) => rest) });
palette.mount(document.getElementById("palette"), { store, actions, engine });
batch.mount(document.getElementById("batch"), { store, actions, engine });
document.body.dataset.ready = "yes";
"""

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}
FILES = {"/": (PAGE, ".html"), "/harness.css": (STYLE, ".css"), "/harness.js": (SCRIPT, ".js")}


class Handler(http.server.BaseHTTPRequestHandler):
    """The harness page, and the static files as they are."""

    def do_GET(self) -> None:
        """Answer with a page of the harness or a static file, under the app's policy."""
        path = STATIC / self.path.removeprefix("/static/")
        if self.path in FILES:
            text, suffix = FILES[self.path]
        elif self.path.startswith("/static/") and path.is_file():
            text, suffix = path.read_text(), path.suffix
        else:
            text, suffix = "", ".html"
        self.send_response(200 if text else 404 if self.path != "/favicon.ico" else 204)
        self.send_header("Content-Type", TYPES[suffix])
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the harness is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


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
