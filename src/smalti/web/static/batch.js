/**
 * The panel of many files: what becomes of each, compressed in one go, saved as a zip.
 * Items of `images` are as `files.js` says; `batch` in the store is {state, id} of the last run.
 */

import { button, bytesText, changeText, colorsText, make, throttle, write } from "./dom.js";
import { makePatcher } from "./files.js";
import { wire } from "./maker.js";

export { addFiles, filesOf, pathOf } from "./files.js";

const EVERY_MS = 100;
const isLocal = ({ status }) => ["pending", "uploading", "refused"].includes(status); // has no id of the server's
const isBusy = ({ status }) => ["pending", "uploading", "queued", "running"].includes(status);

/** What a file is compressed with: settings of its own, or those of all. */
function settingsOf(item, { common, settings }, shared) {
  return shared ? wire(common ?? settings) : wire(item.settings ?? common ?? settings, item);
}

/** Tells results apart that were made with other settings. */
const stampOf = (item, state, shared) => JSON.stringify([shared, settingsOf(item, state, shared)]);

/** "16 colors, 1 locked, dither none". */
function summary({ k = 256, palette, keep, ...rest }) {
  const others = Object.entries(rest).map(([name, value]) => `, ${name.replace("_", " ")} ${value}`);
  const colors = palette ? `${colorsText(palette.length)} of your own` : colorsText(k) + (keep ? `, ${keep.length} locked` : "");
  return colors + others.join("");
}

/** A file that would have grown counts as its original, which is kept. */
function totalsLine(images) {
  const done = images.filter(({ status }) => status === "done");
  const failed = images.filter(({ error }) => error).length;
  const sum = (items, weigh = ({ bytes }) => bytes) => items.reduce((bytes, item) => bytes + weigh(item), 0);
  const before = sum(done);
  const after = sum(done, ({ bytes, result }) => (result.larger ? bytes : result.bytes));
  const files = `${images.length} files, `;
  return (done.length ? `${done.length} of ${files}${bytesText(before)} → ${bytesText(after)}, ${changeText(before, after)}`
    : files + bytesText(sum(images))) + (failed ? `, ${failed} failed` : "");
}

function statusLine({ status = "ready", error, result, progress }, stale) {
  if (error) return `failed: ${error.message}`;
  if (status === "running") return `running ${Math.round(100 * progress)} %`;
  return (result?.larger ? "not smaller: original kept" : status) + (stale ? ", with earlier settings" : "");
}

/** Compress all files by one batch of the server's, and keep the rows up to date. */
function makeRun({ store, actions, engine }) {
  const { patch, flush } = makePatcher(store);
  let running = null; // {batch, abort}

  async function start(shared) {
    const state = store.get();
    const items = state.images.filter((item) => !isLocal(item));
    for (const item of items) patch(item.id, { status: "queued", progress: 0, result: null, error: null, stamp: stampOf(item, state, shared) });
    flush();
    const abort = new AbortController();
    running = { abort };
    store.set({ batch: { state: "running" } });
    let [id, error] = [null, null];
    try {
      const asked = items.map((item) => ({ id: item.id, path: item.name, settings: settingsOf(item, state, shared) }));
      const refused = state.images.filter(({ status }) => status === "refused")
        .map(({ name, error }) => ({ source: name, message: error.message }));
      const { batch } = await engine.batch(asked, shared, refused);
      running.batch = batch;
      await engine.batchEvents(batch, (line) => (line.item ? take(line) : (id = batch)), abort.signal);
      if (!id) error = new Error("the server stopped before this file was done");
    } catch (caught) {
      if (!abort.signal.aborted) error = caught;
    }
    running = null;
    settle(id, error);
  }

  const take = ({ item, state: status, error = null, done = 0, ...result }) =>
    patch(item, { status, error, progress: done, result: status === "done" ? result : null });

  /** What is not done by now is cancelled, or failed for the reason given. */
  function settle(id, error) {
    flush();
    const left = store.get().images.filter((item) => isBusy(item) && !isLocal(item));
    for (const item of left) patch(item.id, { status: error ? "failed" : "cancelled", error });
    flush();
    store.set({ batch: { state: id ? "done" : "stopped", id } });
    actions.say((error ? `${error.message}. ` : "") + totalsLine(store.get().images));
  }

  function cancel() {
    store.set({ images: store.get().images.filter(({ status }) => status !== "pending") });
    running?.abort.abort();
    if (running?.batch) engine.cancelBatch(running.batch).catch(() => {}); // it may have ended meanwhile
  }
  return { start, cancel };
}

/** Render the panel into `root`; it is hidden while there are fewer than two files. */
export function mount(root, app) {
  const { store } = app;
  const shared = make("input", { type: "checkbox" });
  const bar = makeBar(app, shared);
  const list = makeList(app);
  root.classList.add("batch");
  root.append(bar.element, list.element);

  function render() {
    const state = store.get();
    root.hidden = state.images.length < 2;
    if (root.hidden) return;
    bar.show(state);
    list.show(state, shared.checked);
  }

  const renderSoon = throttle(render, EVERY_MS);
  shared.addEventListener("change", render);
  store.subscribe((_, changed) => {
    if (["images", "image", "settings", "common", "batch"].some((key) => changed.has(key))) renderSoon();
  });
  render();
}

/** The totals, and what is done to all files. */
function makeBar(app, shared) {
  const { store, actions, engine } = app;
  const run = makeRun(app);
  const line = make("p", { className: "num" });
  const progress = make("progress", { max: 1 });
  const words = make("span");
  const meter = make("label", {}, words, progress);
  const start = button("Compress all", () => run.start(shared.checked));
  const cancel = button("Cancel", run.cancel);
  const zip = button("Download zip", () =>
    engine.zip(store.get().batch.id).then((blob) => actions.save(blob, "smalti.zip"), ({ message }) => actions.say(message)));
  const element = make("div", { className: "batch-bar" }, line,
    make("div", { className: "row" }, start, cancel, zip, make("label", {}, shared, "One palette for all files"), meter));

  function show({ images, batch }) {
    const busy = images.filter(isBusy);
    const opening = busy.some(isLocal);
    const held = document.activeElement; // a button that goes away would take the focus with it
    write(line, totalsLine(images));
    start.disabled = batch?.state === "running" || opening || images.every(isLocal);
    cancel.hidden = batch?.state !== "running" && !opening;
    if (held === start && start.disabled) cancel.focus();
    if (held === cancel && cancel.hidden) start.focus();
    zip.disabled = batch?.state !== "done";
    meter.hidden = !busy.length;
    progress.value = 1 - busy.reduce((left, item) => left + 1 - (item.progress ?? 0), 0) / images.length;
    write(words, `${opening ? "Opening" : "Compressing"}: ${images.length - busy.length} of ${images.length} files`);
  }
  return { element, show };
}

/** The files. Rows out of sight cost no layout (CSS), and their thumbnails are not asked for. */
function makeList(app) {
  const element = make("ul", { "aria-label": "Files" });
  const rows = new Map();
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) target.dispatchEvent(new Event("seen"));
  }, { rootMargin: "200px" });

  function show(state, shared) {
    const items = new Map(state.images.map((item) => [item.key ?? item.id, item]));
    for (const [key, row] of rows) {
      if (items.has(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    for (const [key, item] of items) { // new ones are always last
      if (!rows.has(key)) rows.set(key, makeRow(app, seen));
      const row = rows.get(key);
      row.show(item, state, shared);
      if (!row.element.isConnected) element.append(row.element);
    }
  }
  return { element, show };
}

/** One file: what it is called, what became of it, and whose settings it has. */
function makeRow(app, seen) {
  const { store, actions, engine } = app;
  let item = null;
  let wanted = false; // the thumbnail is in sight, and not there yet
  const picture = make("img", { alt: "" });
  const name = make("span", { className: "batch-name" });
  const size = make("span", { className: "num" });
  const status = make("span", { className: "dim" });
  const which = make("span", { className: "dim" });
  const own = button("", toggleOwn, { className: "link" });
  const open = button("Open", () => actions.select(item.id));
  const remove = button("Remove", () => removeItem(app, item, element));
  const settings = make("div", { className: "row" }, which, own);
  const element = make("li", { className: "batch-row" }, picture,
    make("div", {}, name, make("div", { className: "row" }, size, status), settings),
    make("div", { className: "row" }, open, remove));
  element.addEventListener("seen", () => {
    wanted = true;
    showThumbnail();
  });
  seen.observe(element);

  async function showThumbnail() {
    if (!wanted || isLocal(item)) return;
    wanted = false;
    seen.unobserve(element);
    const blob = await engine.thumbnail(item.id).catch(() => null); // what failed is told where it matters
    if (blob) picture.src = URL.createObjectURL(blob);
  }

  function toggleOwn() {
    const state = store.get();
    const isOpen = state.image?.id === item.id;
    const value = item.settings ? null : (state.common ?? state.settings);
    store.set({ images: state.images.map((one) => (one.id === item.id ? { ...one, settings: value } : one)) });
    if (isOpen && value) store.set({ common: value });
    else if (isOpen || value) actions.select(item.id); // to change its own, or to be shown with those of all again
  }

  function show(next, state, shared) {
    item = next;
    const current = state.image?.id === item.id;
    const stale = item.status === "done" && item.stamp !== stampOf(item, state, shared);
    const { bytes, result } = item;
    const smaller = item.status === "done" && !result.larger;
    write(name, item.name);
    name.title = item.name;
    write(size, bytesText(bytes) + (smaller ? ` → ${bytesText(result.bytes)}, ${changeText(bytes, result.bytes)}` : ""));
    write(status, (current ? "open · " : "") + statusLine(item, stale));
    element.setAttribute("aria-current", current);
    open.setAttribute("aria-label", `Open ${item.name}`);
    remove.setAttribute("aria-label", `Remove ${item.name}`);
    remove.disabled = isBusy(item);
    open.hidden = settings.hidden = isLocal(item);
    own.hidden = shared;
    write(which, shared ? "One palette, settings of all" : item.settings ? `Own settings: ${summary(settingsOf(item, state))}` : "Same settings as all");
    write(own, item.settings ? "Same as all" : "Use own settings");
    showThumbnail();
  }
  return { element, show };
}

/** Take a file out of the list, and go on with its neighbor. */
function removeItem({ store, actions, engine }, item, element) {
  const neighbor = element.nextElementSibling ?? element.previousElementSibling;
  const { images, image } = store.get();
  const left = images.filter(({ id }) => id !== item.id);
  const other = left.find((one) => !isLocal(one));
  store.set({ images: left });
  if (!isLocal(item)) engine.remove(item.id).catch(() => {}); // it is out of the list anyway
  if (image?.id === item.id && other) actions.select(other.id);
  actions.say(`${item.name} removed`);
  [...(neighbor?.querySelectorAll("button") ?? [])].at(-1)?.focus();
}
