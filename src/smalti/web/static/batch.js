/**
 * The panel of many files: what becomes of each, compressed in one go, saved as a zip.
 *
 * Items of `images` are as `files.js` says; `batch` in the store is {state, id} of the last run.
 */

import { button, bytesText, changeText, make, throttle, write } from "./dom.js";
import { makePatcher } from "./files.js";
import { wire } from "./maker.js";

export { addFiles, filesOf, pathOf, skippedLine } from "./files.js";

const EVERY_MS = 100;
const BUSY = ["pending", "uploading", "queued", "running"];
const LOCAL = ["pending", "uploading", "refused"]; // without an id of the server's

// ---------------------------------------------------------------- words and numbers

/** A line on settings: "16 colors, oklab, dither auto". */
export function summary(settings) {
  const { k = 256, space = "oklab", palette, ...rest } = wire(settings);
  const others = ["dither", "size", "quality", "min_score", "max_bytes", "format", "pack"]
    .filter((name) => name in rest)
    .map((name) => `${name.replace("_", " ")} ${rest[name]}`);
  return [palette ? `${palette.length} colors of your own` : `${k} colors`, space, ...others].join(", ");
}

/** What the done files weigh: one that would have grown counts as its original, which is kept. */
export function totals(images) {
  const done = images.filter((item) => item.status === "done");
  const sum = (weigh) => done.reduce((bytes, item) => bytes + weigh(item), 0);
  return {
    files: images.length,
    done: done.length,
    failed: images.filter((item) => item.error).length,
    before: sum((item) => item.bytes),
    after: sum((item) => (item.result.larger ? item.bytes : item.result.bytes)),
  };
}

function totalsLine(images) {
  const { files, done, failed, before, after } = totals(images);
  const all = images.reduce((bytes, item) => bytes + item.bytes, 0);
  const failures = failed ? `, ${failed} failed` : "";
  if (!done) return `${files} files, ${bytesText(all)}${failures}`;
  return `${done} of ${files} files, ${bytesText(before)} → ${bytesText(after)}, ${changeText(before, after)}${failures}`;
}

const WORDS = { pending: "waiting", queued: "waiting", uploading: "opening", running: "working", cancelled: "cancelled" };

function statusLine({ status, error, result, progress }, stale) {
  if (error) return `failed: ${error.message}`;
  if (status === "done") return (result.larger ? "not smaller: original kept" : "done") + (stale ? ", with earlier settings" : "");
  const percent = progress && BUSY.includes(status) ? ` ${Math.round(100 * progress)} %` : "";
  return (WORDS[status] ?? "ready") + percent;
}

function sizeLine({ bytes, result, status }) {
  return bytesText(bytes) + (status === "done" && !result.larger ? ` → ${bytesText(result.bytes)}` : "");
}

// ---------------------------------------------------------------- the batch

/** Compress all files by one batch of the server's, and keep the rows up to date. */
function makeRun({ store, actions, engine }) {
  const patcher = makePatcher(store);
  let running = null; // {batch, abort}

  const settingsOf = (item, shared) => wire((!shared && item.settings) || store.get().settings);

  async function start(shared) {
    const items = store.get().images.filter((item) => !LOCAL.includes(item.status));
    const asked = items.map((item) => ({ id: item.id, settings: settingsOf(item, shared) }));
    const made = new Map(asked.map(({ id, settings }) => [id, keyOf(settings, shared)]));
    for (const { id } of items) patcher.patch(id, { status: "queued", progress: 0, result: null, error: null });
    patcher.flush();
    running = { abort: new AbortController(), batch: null };
    store.set({ batch: { state: "running", id: null } });
    try {
      running.batch = (await engine.batch(asked, shared)).batch;
      let ended = false;
      await engine.batchEvents(running.batch, (line) => (ended = take(line, made)), running.abort.signal);
      if (!ended) throw { kind: "Gone", message: "the server stopped before this file was done" };
      settle(null, running.batch);
    } catch (error) {
      settle(error.name === "AbortError" ? null : error);
    }
    running = null;
  }

  /** Note an event; whether it is the batch's last. */
  function take(line, made) {
    if (!line.item) return line.batch === "done";
    const { item: id, ...event } = line;
    if (event.state === "done") patcher.patch(id, { status: "done", result: { ...event, made: made.get(id) }, error: null });
    else if (event.state === "failed") patcher.patch(id, { status: "failed", error: event.error });
    else patcher.patch(id, { status: event.state, progress: event.done ?? 0 });
    return false;
  }

  /** What is not done by now is cancelled, or failed for the reason given. */
  function settle(error, batch = null) {
    patcher.flush();
    const left = store.get().images.filter((item) => ["queued", "running"].includes(item.status));
    const change = error ? { status: "failed", error: { kind: error.kind, message: error.message } } : { status: "cancelled" };
    for (const { id } of left) patcher.patch(id, change);
    patcher.flush();
    store.set({ batch: { state: batch ? "done" : "stopped", id: batch } });
    actions.say((error ? `${error.message}. ` : "") + totalsLine(store.get().images));
  }

  async function cancel() {
    store.set({ images: store.get().images.filter(({ status }) => status !== "pending") });
    if (!running) return;
    const { batch, abort } = running;
    abort.abort();
    if (batch) await engine.cancelBatch(batch).catch(() => {}); // it may have ended meanwhile
  }

  /** A test of items: was it made with settings that are no longer so? */
  function stale(shared) {
    const common = keyOf(settingsOf({}, shared), shared);
    return ({ settings, result }) => Boolean(result?.made)
      && result.made !== (settings && !shared ? keyOf(wire(settings), shared) : common);
  }
  return { start, cancel, stale };
}

function keyOf(settings, shared) {
  return JSON.stringify([shared, ...Object.entries(settings).sort()]);
}

// ---------------------------------------------------------------- the panel

/**
 * Render the panel into `root`; it is hidden while there are fewer than two files.
 *
 * @param {HTMLElement} root  a section with its heading in it
 * @param {{store: any, actions: any, engine: any}} app
 */
export function mount(root, app) {
  const { store } = app;
  const run = makeRun(app);
  const shared = make("input", { type: "checkbox" });
  const bar = makeBar(app, run, shared);
  const list = makeList(app);
  root.classList.add("batch");
  root.append(bar.element, list.element);
  shared.addEventListener("change", render);

  function render() {
    const state = store.get();
    root.hidden = (state.images?.length ?? 0) < 2;
    if (root.hidden) return;
    bar.show(state);
    list.show(state, { shared: shared.checked, stale: run.stale(shared.checked) });
  }

  const renderSoon = throttle(render, EVERY_MS);
  store.subscribe((_, changed) => {
    if (["images", "image", "settings", "batch"].some((key) => changed.has(key))) renderSoon();
  });
  render();
}

/** The totals, and what is done to all files. */
function makeBar({ store, actions, engine }, run, shared) {
  const line = make("p", { className: "batch-totals" });
  const progress = make("progress", { max: 1, id: "batch-progress" });
  const label = make("label", { htmlFor: "batch-progress" });
  const meter = make("div", { className: "batch-progress" }, label, progress);
  const start = button("Compress all", () => run.start(shared.checked));
  const cancel = button("Cancel", run.cancel);
  const zip = button("Download zip", save);
  const element = make("div", { className: "batch-bar" }, line,
    make("div", { className: "row" }, start, cancel, zip, make("label", {}, shared, " One palette for all files")), meter);

  async function save() {
    try {
      actions.save(await engine.zip(store.get().batch.id), "smalti.zip");
    } catch (error) {
      actions.say(error.message);
    }
  }

  function show({ images, batch }) {
    const busy = images.filter((item) => BUSY.includes(item.status));
    const running = batch?.state === "running";
    const opening = busy.some((item) => LOCAL.includes(item.status));
    const held = document.activeElement; // a button that goes away would take the focus with it
    write(line, totalsLine(images));
    start.disabled = running || opening || !images.some((item) => !LOCAL.includes(item.status));
    cancel.hidden = !running && !opening;
    if (held === start && start.disabled) cancel.focus();
    if (held === cancel && cancel.hidden) start.focus();
    zip.disabled = batch?.state !== "done";
    meter.hidden = !busy.length;
    progress.value = 1 - busy.reduce((left, item) => left + 1 - (item.progress ?? 0), 0) / images.length;
    write(label, `${opening ? "Opening" : "Compressing"}: ${images.length - busy.length} of ${images.length} files`);
  }
  return { element, show };
}

/** The files. Rows out of sight cost no layout (CSS), and their thumbnails are not asked for. */
function makeList(app) {
  const element = make("ul", { className: "batch-list", "aria-label": "Files" });
  const rows = new Map();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) entry.target.dispatchEvent(new Event("seen"));
  }, { rootMargin: "200px" });

  function show(state, view) {
    const keys = state.images.map((item) => item.key ?? item.id);
    const kept = new Set(keys);
    for (const [key, row] of rows) { // first, so that no row is moved: one that moves loses the focus
      if (kept.has(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    keys.forEach((key, i) => {
      if (!rows.has(key)) rows.set(key, makeItem(app, seen));
      const row = rows.get(key);
      row.show(state.images[i], state, view);
      if (element.children[i] !== row.element) element.insertBefore(row.element, element.children[i] ?? null);
    });
  }
  return { element, show };
}

function makeItem(app, seen) {
  const { store, actions } = app;
  let item = null;
  let shownItem = null;
  const picture = make("img", { className: "batch-thumbnail", alt: "" });
  const name = make("span", { className: "batch-name" });
  const size = make("span", { className: "num" });
  const saved = make("strong", { className: "num" });
  const status = make("span", { className: "dim" });
  const open = button("Open", () => actions.select(item.id));
  const remove = button("Remove", () => removeItem(app, item, element));
  const which = make("span", { className: "dim" });
  const own = button("", () => setOwn({ ...store.get().settings }), { className: "link" });
  const same = button("Same as all", () => {
    setOwn(null);
    own.focus();
  }, { className: "link" });
  const settings = make("div", { className: "row batch-settings" }, which, own, same);
  const element = make("li", { className: "batch-row" }, picture,
    make("div", { className: "batch-text" }, name, make("div", { className: "row batch-sizes" }, size, saved, status)),
    make("div", { className: "row" }, open, remove), settings);
  let wanted = false;
  element.addEventListener("seen", () => {
    wanted = true;
    seen.unobserve(element);
    thumbnail();
  });
  seen.observe(element);

  function thumbnail() {
    if (!wanted || LOCAL.includes(item.status)) return;
    wanted = false;
    showThumbnail(app.engine, item.id, picture);
  }

  function setOwn(value) {
    store.set({ images: store.get().images.map((one) => (one.id === item.id ? { ...one, settings: value } : one)) });
  }

  function show(next, state, { shared, stale }) {
    item = next;
    const current = state.image?.id === item.id;
    const key = [item, current, shared, item.status === "done" && stale(item)];
    if (shownItem?.every((value, i) => value === key[i])) return; // 1,000 rows, and one has changed
    shownItem = key;
    write(name, item.name);
    name.title = item.name;
    write(size, sizeLine(item));
    write(saved, item.status === "done" && !item.result.larger ? changeText(item.bytes, item.result.bytes) : "");
    write(status, (current ? "open · " : "") + statusLine(item, key[3]));
    if (current) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
    open.hidden = LOCAL.includes(item.status);
    open.setAttribute("aria-label", `Open ${item.name}`);
    remove.disabled = BUSY.includes(item.status);
    remove.setAttribute("aria-label", `Remove ${item.name}`);
    showSettings(shared);
    thumbnail();
  }

  function showSettings(shared) {
    settings.hidden = LOCAL.includes(item.status);
    own.hidden = shared;
    same.hidden = shared || !item.settings;
    write(which, shared ? "One palette, settings of all" : item.settings ? `Own settings: ${summary(item.settings)}` : "Same settings as all");
    write(own, item.settings ? "Use the current settings" : "Use own settings");
    own.title = "A copy of the settings as they are now, for this file alone";
  }
  return { element, show };
}

/** Take a file out of the list, and go on with its neighbor. */
function removeItem({ store, actions, engine }, item, element) {
  const neighbor = element.nextElementSibling ?? element.previousElementSibling;
  const { images, image } = store.get();
  const left = images.filter(({ id }) => id !== item.id);
  store.set({ images: left });
  if (!LOCAL.includes(item.status)) engine.remove(item.id).catch(() => {}); // it is out of the list anyway
  const other = left.find(({ status }) => !LOCAL.includes(status));
  if (image?.id === item.id && other) actions.select(other.id);
  actions.say(`${item.name} removed`);
  [...(neighbor?.querySelectorAll("button") ?? [])].find((one) => one.textContent === "Remove")?.focus();
}

async function showThumbnail(engine, id, picture) {
  try {
    const url = URL.createObjectURL(await engine.thumbnail(id));
    picture.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    picture.src = url;
  } catch {
    picture.removeAttribute("src"); // an empty frame; what failed is told where it matters
  }
}
