/**
 * The page: opens pictures, keeps the palette on the screen in step with the slider, and asks for
 * the real file once everything rests.
 *
 *   empty → loading → draft ⇄ settled        (also `document.body.dataset.state`)
 *
 * While the slider moves nothing is asked of the server: the palettes of all numbers of colors came
 * with the picture, and a worker maps the preview to them, exactly. What is shown as settled is the
 * file itself.
 */

import * as batch from "./batch.js";
import * as controls from "./controls.js";
import * as converge from "./converge.js";
import * as curves from "./curves.js";
import { difference } from "./difference.js";
import { clamp, colorsText, hexOf, make, rgbaOf } from "./dom.js";
import { createEngine, EngineError } from "./engine.js";
import { bytesAt, psnrAt } from "./estimates.js";
import * as keys from "./keys.js";
import * as palette from "./palette.js";
import { createRemapper } from "./remap.js";
import * as result from "./result.js";
import { createStage } from "./stage.js";
import { createHistory, createStore } from "./store.js";

const REST_MS = 250; // without a change, before the file is made
const FIRST_K = 64;
const RETRY_MS = 3000;
const DEMOS = [
  ["photo.jpg", "A photograph"],
  ["logo.png", "A logo"],
  ["screenshot.png", "A screenshot"],
];
const THEMES = ["auto", "light", "dark"];
const PANELS = [
  ["result", "Result"],
  ["palette", "Palette"],
  ["elbow", "How many?"],
  ["converge", "Converge"],
  ["files", "Files"],
];

const at = (id) => document.getElementById(id);
const link = readLink();
const engine = createEngine(link.token);
const history = createHistory();
const remapper = createRemapper();
const store = createStore({
  phase: "empty",
  image: null,
  images: [],
  settings: { k: FIRST_K, ...remembered("settings"), ...link.settings },
  options: {},
  shown: null,
  rungs: new Map(),
  curve: [],
  suggestion: null,
  suggestions: null,
  estimates: [],
  ladderDone: false,
  result: null,
  made: null,
  progress: null,
  renderError: null,
  renderStopped: false,
  locked: new Set(),
  highlight: null,
  view: { mode: "split", fit: true, scale: 1, cx: 0, cy: 0, split: 0.5, ground: "checker", blinked: false },
  serverGone: false,
  letterKeys: remembered("letterKeys") ?? true,
});

let opening = null; // AbortController of the picture that is being opened, and its ladder
let ladderOf = ""; // what the palettes at hand were made for
let restTimer = 0;
let job = null; // {id, controller} of the file that is being made
let original = null; // {width, height, data} of the overview
let settledOverview = null;
let detailRect = null;
let movedAt = 0; // when the slider moved, until that is painted
let sourceFile = null; // the file itself where it came from this page

// ---------------------------------------------------------------- what panels may do

const actions = {
  setK(k, { rest = true } = {}) {
    const { settings, image } = store.get();
    const next = clamp(k, Math.max(1, store.get().locked.size), image ? Math.min(256, image.distinct_colors) : 256);
    if (image && k > image.distinct_colors && image.distinct_colors < 256) {
      say(`The picture has ${colorsText(image.distinct_colors)}.`);
    }
    if (settings.k === next && !settings.palette) return;
    movedAt = performance.now();
    remember("k");
    applySettings({ ...settings, k: next, palette: null }, rest);
  },
  stepK: (by) => actions.setK(currentK() + by),
  stepTick(direction) {
    const k = currentK();
    const stops = direction > 0 ? controls.TICKS.filter((tick) => tick > k) : controls.TICKS.filter((tick) => tick < k);
    const stop = direction > 0 ? stops[0] : stops.at(-1);
    if (stop) actions.setK(stop);
  },
  change(patch, knob = Object.keys(patch).join()) {
    remember(knob);
    applySettings({ ...store.get().settings, ...patch }, true);
  },
  reset() {
    remember("reset");
    applySettings({ k: currentK() }, true);
    say("Settings are the defaults again");
  },
  editPalette(colors) {
    remember("palette");
    const hexes = Array.from({ length: colors.length / 4 }, (_, i) => hexOf(colors, 4 * i));
    applySettings({ ...store.get().settings, palette: hexes }, true);
  },
  toggleLock(hex) {
    remember("keep");
    const { settings, locked } = store.get();
    const keep = locked.has(hex) ? [...locked].filter((each) => each !== hex) : [...locked, hex];
    const k = Math.max(settings.k, keep.length);
    applySettings({ ...settings, k, keep: keep.length ? keep : null }, true);
  },
  highlight(index) {
    if (store.get().highlight === index) return;
    store.set({ highlight: index });
    showPalette();
  },
  undo: () => travel(history.undo(store.get().settings), "Undone"),
  redo: () => travel(history.redo(store.get().settings), "Redone"),
  view(patch) {
    const { view } = store.get();
    store.set({ view: { ...view, ...patch, blinked: patch.blinked ?? false } });
    if (patch.mode && patch.mode !== view.mode) modeChanged(patch.mode);
  },
  say,
  copy,
  copyResult,
  save,
  download() {
    const { result: made } = store.get();
    if (made?.blob) save(made.blob, made.name);
    else say("The file is not ready yet");
  },
  keepOriginal() {
    if (sourceFile) save(sourceFile, store.get().image.name);
    else say("The original is where it was: nothing has touched it");
  },
  pick: () => at("file-input").click(),
  open: openFiles,
  select: (id) => openImage(store.get().images.find((image) => image.id === id)),
  renderNow: () => render(),
  cancelRender() {
    cancelJob();
    store.set({ progress: null, renderStopped: true });
  },
  letterKeys(on) {
    store.set({ letterKeys: on });
    keep("letterKeys", on);
  },
  estimatedBytes() {
    const { estimates, shown, made } = store.get();
    return shown ? bytesAt(estimates, shown.k, made) : null;
  },
  estimatedPsnr() {
    const { curve, shown } = store.get();
    return shown && !shown.own ? psnrAt(curve, shown.k) : null;
  },
};

const stage = createStage({
  root: at("stage"), toolbar: at("toolbar"), store, actions, onDetail: showTruePixels, onFour: showFour,
});

function currentK() {
  const { settings, shown } = store.get();
  return typeof settings.k === "number" ? Math.min(settings.k, shown?.k && shown.exact ? Math.max(shown.k, settings.k) : settings.k) : (shown?.k ?? FIRST_K);
}

function remember(knob) {
  history.remember(store.get().settings, knob);
}

function travel(settings, word) {
  if (!settings) return;
  applySettings(settings, true);
  say(word);
}

/** Make settings the current ones: show their palette now, make their file once they rest. */
function applySettings(settings, rest) {
  const { settings: before, image } = store.get();
  const other = Object.keys({ ...before, ...settings }).some((key) => key !== "k" && before[key] !== settings[key]);
  store.set({
    settings,
    locked: new Set(settings.keep ?? []),
    ...(image ? { phase: "draft", result: null, renderError: null, renderStopped: false } : {}),
    ...(other ? { made: null } : {}),
  });
  keep("settings", settings);
  updateButtons();
  if (!image) return;
  cancelJob();
  if (ladderOf !== ladderKey(settings)) climb();
  showPalette();
  if (rest) restLater();
}

// ---------------------------------------------------------------- opening pictures

async function openFiles(files) {
  const list = [...files];
  if (!list.length) return;
  if (list.length > 1) {
    await batch.addFiles(list);
    const { image, images } = store.get();
    if (!image && images.length) openImage(images.find((each) => each.width) ?? images[0]);
    return;
  }
  await openFile(list[0]);
}

/** Open one file: the browser's own idea of it is on the stage before the server has answered. */
async function openFile(file) {
  const { phase, image: before } = store.get();
  const controller = startOpening();
  store.set({ phase: "loading" });
  const early = showEarly(file, controller.signal);
  try {
    const image = await engine.open(file, controller.signal);
    await early;
    store.set({ images: [...store.get().images, image] });
    sourceFile = file;
    await openImage(image, controller);
  } catch (error) {
    if (controller.signal.aborted) return;
    fail(error, `${file.name || "The picture"}: `);
    store.set({ phase: before ? (phase === "loading" ? "draft" : phase) : "empty" });
    if (before) openImage(before);
    else stage.begin(null);
  }
}

async function showEarly(file, signal) {
  try {
    const bitmap = await createImageBitmap(file);
    if (signal.aborted || store.get().phase !== "loading") return;
    stage.begin({ width: bitmap.width, height: bitmap.height, has_alpha: true });
    const overview = shrunk(bitmap);
    stage.show("original", overview);
    stage.show("result", overview);
    performance.mark("original-visible");
  } catch {
    // A format that only the server reads: its preview comes in a moment.
  }
}

/** A picture at the size of the stage at most: painting all of 12 megapixels takes too long. */
function shrunk(bitmap) {
  const scale = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

function startOpening() {
  opening?.abort();
  cancelJob();
  clearTimeout(restTimer);
  opening = new AbortController();
  return opening;
}

/** Show a picture that the server has. */
async function openImage(image, controller = startOpening()) {
  if (!image?.id) return;
  if (controller === opening && sourceFile?.name !== image.name) sourceFile = null;
  closeBanner();
  const { settings } = store.get();
  const k = typeof settings.k === "number" ? settings.k : FIRST_K;
  const fits = image.distinct_colors <= 256 ? image.distinct_colors : k;
  const own = image.settings ?? settings;
  store.set({
    image,
    phase: store.get().phase === "loading" ? "loading" : "draft",
    settings: { ...own, k: typeof own.k === "number" ? Math.min(own.k, fits) : fits, palette: own.palette ?? null },
    shown: null, rungs: new Map(), curve: [], suggestion: null, suggestions: null, estimates: [],
    ladderDone: false, result: null, made: null, progress: null, renderError: null, renderStopped: false, highlight: null,
    locked: new Set(own.keep ?? []),
    view: { ...store.get().view, fit: true },
  });
  keep("image", image.id);
  showFacts(image);
  ladderOf = "";
  settledOverview = detailRect = null;
  try {
    const { width, height, pixels } = await engine.pixels(image.id, controller.signal);
    if (controller.signal.aborted) return;
    original = new ImageData(new Uint8ClampedArray(pixels), width, height);
    stage.begin(image);
    stage.show("original", canvasOf(original));
    if (!performance.getEntriesByName("original-visible").length) performance.mark("original-visible");
    remapper.setImage({
      id: image.id, width, height, pixels: original.data.slice().buffer,
      hasAlpha: image.has_alpha, space: store.get().settings.space ?? "oklab",
    });
    climb();
    restLater();
  } catch (error) {
    if (!controller.signal.aborted) fail(error);
  }
}

function showFacts(image) {
  at("file-name").textContent = image.name;
  at("file-size").textContent =
    `${image.width} × ${image.height} · ${image.format} · ${(image.bytes / 1000).toLocaleString("en", { maximumSignificantDigits: 3 })} KB · ${colorsText(image.distinct_colors)}`;
}

function canvasOf(imageData) {
  const canvas = make("canvas", { width: imageData.width, height: imageData.height });
  canvas.getContext("2d", { willReadFrequently: false }).putImageData(imageData, 0, 0);
  return canvas;
}

// ---------------------------------------------------------------- the palettes of all k

function ladderKey({ space, keep: kept }) {
  return JSON.stringify([store.get().image?.id, space ?? "oklab", kept ?? []]);
}

/** Ask for the palettes of all numbers of colors; they come in a stream. */
async function climb() {
  const { image, settings } = store.get();
  const controller = opening;
  ladderOf = ladderKey(settings);
  const mine = ladderOf;
  const current = () => !controller.signal.aborted && mine === ladderOf;
  remapper.setSpace(settings.space ?? "oklab");
  store.set({ rungs: new Map(), curve: [], suggestion: null, suggestions: null, estimates: [], ladderDone: false });
  const parameters = { space: settings.space, keep: settings.keep?.join(","), first: currentK() };
  try {
    await engine.ladder(image.id, parameters, (line) => current() && takeLine(line), controller.signal);
  } catch (error) {
    if (current()) fail(error);
  }
}

function takeLine(line) {
  const state = store.get();
  if (line.error) return fail(new EngineError(line.error.kind, line.error.message));
  if (line.colors) {
    const rungs = new Map(state.rungs); // a new one, so that subscribers notice
    rungs.set(line.k, { k: line.k, colors: rgbaOf(line.colors), shares: line.shares, distortion: line.distortion });
    store.set({ rungs });
    if (isWanted(line.k, state)) showPalette();
  }
  if (line.curve) store.set({ curve: [...state.curve, line.curve].sort((a, b) => a.k - b.k) });
  if (line.suggestion) store.set({ suggestion: line.suggestion, suggestions: line.suggestions });
  if (line.estimate) store.set({ estimates: [...state.estimates, line.estimate] });
  if (line.done) {
    store.set({ ladderDone: true });
    performance.mark("ladder-complete");
    if (state.view.mode === "four") showFour();
  }
}

/** Whether a palette that came is nearer to what should be seen than the one that is. */
function isWanted(k, { shown, settings }) {
  if (shown?.exact || shown?.own) return false;
  const wanted = typeof settings.k === "number" ? settings.k : FIRST_K;
  return !shown || k === wanted || (k <= wanted && k > shown.k) || (shown.k > wanted && k < shown.k);
}

/** The palette of k colors, or until that has come the nearest one below it. */
function rungFor(k) {
  const { rungs } = store.get();
  if (rungs.has(k)) return rungs.get(k);
  const have = [...rungs.keys()].sort((a, b) => a - b);
  const below = have.filter((each) => each < k).at(-1);
  return rungs.get(below ?? have[0]);
}

// ---------------------------------------------------------------- what is on the stage

/** Show the picture in the palette that the settings ask for. */
function showPalette() {
  const { settings, shown, result: made, highlight, phase } = store.get();
  if (made && phase === "settled") {
    if (highlight == null) return void showSettled();
    return void remap(shown.colors, highlight);
  }
  if (settings.palette) {
    const colors = rgbaOf(settings.palette);
    store.set({ shown: { k: settings.palette.length, colors, shares: null, exact: false, own: true } });
    return void remap(colors, highlight);
  }
  const rung = rungFor(currentK());
  if (!rung) return;
  store.set({ shown: { ...rung, exact: false, own: false } });
  remap(rung.colors, highlight);
  if (store.get().view.mode === "four" && !store.get().ladderDone) showFour();
}

async function remap(colors, highlight) {
  const started = movedAt;
  const region = detailRect && stage.placed()?.scale > 0;
  if (!region) stage.forgetDetail("result");
  const wanted = remapper.remap({ layer: "main", colors, highlight });
  if (region) remapRegion(colors, highlight);
  const done = await wanted;
  if (!done || (store.get().phase === "settled" && highlight == null)) return;
  const { shown, image } = store.get();
  const data = new ImageData(new Uint8ClampedArray(done.rgba), done.width, done.height);
  stage.show("result", canvasOf(data));
  showDifference(data);
  if (done.counts && shown?.colors === colors) {
    const total = done.width * done.height;
    store.set({ shown: { ...shown, shares: shown.shares ?? Array.from(done.counts, (n) => n / total) } });
  }
  if (store.get().phase === "loading") store.set({ phase: "draft" });
  document.body.dataset.k = String(colors.length / 4);
  document.body.dataset.image = image.id;
  if (started) measurePaint(started);
}

/** Note how long the picture took from the slider to the screen; tests read it. */
function measurePaint(started) {
  requestAnimationFrame(() => {
    setTimeout(() => {
      if (performance.getEntriesByName("input-to-paint").length > 500) performance.clearMeasures("input-to-paint");
      performance.measure("input-to-paint", { start: started });
    });
  });
  if (movedAt === started) movedAt = 0;
}

function modeChanged(mode) {
  if (mode === "four") showFour();
  if (mode === "difference") {
    if (store.get().phase === "settled") showSettled();
    else showPalette();
  }
}

async function showFour() {
  if (!store.get().image) return;
  await Promise.all(stage.fourKs().map(async (k, i) => {
    const rung = rungFor(Math.min(k, controls.mostColors(store.get())));
    const done = rung && (await remapper.remap({ layer: `four${i}`, colors: rung.colors }));
    if (!done) return;
    stage.show(`four${i}`, canvasOf(new ImageData(new Uint8ClampedArray(done.rgba), done.width, done.height)));
    document.querySelector(`[data-layer=four${i}]`).dataset.colors = String(rung.k);
  }));
}

function showDifference(data) {
  if (store.get().view.mode !== "difference" || data.width !== original?.width) return;
  const pixels = difference(original.data, data.data);
  stage.show("difference", canvasOf(new ImageData(pixels, data.width, data.height)));
}

/** Fetch true pixels of what is seen, for both layers. */
async function showTruePixels(rect) {
  const { image, phase } = store.get();
  const fitted = atMost(rect, 4e6);
  try {
    const { width, height, pixels } = await engine.region(image.id, fitted.x, fitted.y, fitted.w, fitted.h, opening.signal);
    if (image !== store.get().image) return;
    const data = new ImageData(new Uint8ClampedArray(pixels), width, height);
    detailRect = { ...fitted, w: width, h: height };
    stage.showDetail("original", { ...detailRect, source: canvasOf(data) });
    remapper.setRegion({ id: image.id, width, height, pixels: data.data.slice().buffer, hasAlpha: image.has_alpha });
    if (phase !== "settled" && store.get().shown) remapRegion(store.get().shown.colors, store.get().highlight);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
}

function atMost({ x, y, w, h }, pixels) {
  const scale = Math.min(1, Math.sqrt(pixels / (w * h)));
  return { x, y, w: Math.max(1, Math.floor(w * scale)), h: Math.max(1, Math.floor(h * scale)) };
}

async function remapRegion(colors, highlight) {
  const rect = detailRect;
  const done = await remapper.remap({ layer: "region", colors, highlight });
  if (!done || rect !== detailRect) return;
  const data = new ImageData(new Uint8ClampedArray(done.rgba), done.width, done.height);
  stage.showDetail("result", { ...rect, source: canvasOf(data) });
}

// ---------------------------------------------------------------- the real file

function restLater() {
  clearTimeout(restTimer);
  restTimer = setTimeout(render, REST_MS);
}

function cancelJob() {
  clearTimeout(restTimer);
  if (!job) return;
  job.controller.abort();
  if (job.id) engine.cancel(job.id).catch(() => {});
  job = null;
}

/** What the library is asked for: options that have no place beside others are left out. */
function wire(settings) {
  const sent = Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null));
  if (sent.palette) for (const name of ["k", "keep", "effort", "init", "n_init", "seed", "guard"]) delete sent[name];
  return sent;
}

async function render() {
  const { image, settings } = store.get();
  if (!image) return;
  cancelJob();
  const mine = (job = { id: null, controller: new AbortController() });
  const { signal } = mine.controller;
  store.set({ progress: { stage: "queued", done: 0 }, renderError: null, renderStopped: false });
  try {
    mine.id = await engine.render(image.id, wire(settings));
    if (signal.aborted) return void engine.cancel(mine.id).catch(() => {});
    document.body.dataset.renders = String(Number(document.body.dataset.renders ?? 0) + 1);
    await engine.jobEvents(mine.id, (event) => !signal.aborted && takeEvent(event, mine), signal);
    await mine.taken;
  } catch (error) {
    if (!signal.aborted) fail(error);
  } finally {
    if (job === mine) {
      job = null;
      store.set({ progress: null });
    }
  }
}

function takeEvent(event, mine) {
  if (event.state === "done") {
    const blob = store.get().result?.blob;
    if (blob) store.set({ result: { ...event, blob } });
    else mine.taken ??= settle(event, mine);
    mine.last = event;
  } else if (event.state === "failed") {
    store.set({ renderError: event.error.message, progress: null });
  } else if (event.state !== "cancelled") {
    store.set({ progress: event });
  }
}

/** The file is there: from now on it is what the stage shows, and its numbers are exact. */
async function settle(event, mine) {
  const blob = await engine.file(mine.id);
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => null);
  if (mine.controller.signal.aborted) return;
  const colors = rgbaOf(event.palette.map(({ hex }) => hex));
  settledOverview = bitmap && { bitmap, overview: scaledTo(bitmap, original) };
  store.set({
    phase: "settled",
    result: { ...(mine.last ?? event), blob },
    made: { k: event.k, bytes: event.bytes },
    shown: { k: event.colors, colors, shares: event.palette.map(({ share }) => share), exact: true, own: store.get().shown?.own ?? false },
  });
  performance.mark("settled");
  noteInBatch(event);
  showSettled();
}

function showSettled() {
  if (!settledOverview) return;
  const { bitmap, overview } = settledOverview;
  stage.show("result", overview);
  stage.showFull("result", bitmap);
  if (store.get().view.mode === "difference") {
    const context = overview.getContext("2d");
    showDifference(context.getImageData(0, 0, overview.width, overview.height));
  }
}

/** A bitmap at the size of the overview. */
function scaledTo(bitmap, { width, height }) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = bitmap.width !== width;
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

function noteInBatch({ bytes }) {
  const { images, image } = store.get();
  if (!images.some((each) => each.id === image.id)) return;
  store.set({ images: images.map((each) => (each.id === image.id ? { ...each, lastBytes: bytes } : each)) });
}

// ---------------------------------------------------------------- taking it along

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = make("a", { href: url, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function copy(text, what = text) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say("The browser does not let this page use the clipboard");
  }
}

async function copyResult(what) {
  const { result: made } = store.get();
  if (what === "cli") return copy(made.cli, "the command");
  if (what === "python") return copy(made.python, "the Python lines");
  if (what === "link") return copy(linkOf(store.get().settings), "a link to these settings");
  try {
    const png = made.type === "image/png" ? made.blob : await asPng(made.blob);
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    say("Copied the picture; browsers store it anew, so its bytes differ from the download's");
  } catch {
    say("The browser does not let this page copy pictures");
  }
}

async function asPng(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// ---------------------------------------------------------------- links and memory

function readLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const token = parts.get("t") ?? remembered("token") ?? "";
  if (token) keep("token", token);
  let settings = {};
  try {
    settings = JSON.parse(parts.get("s") ?? "{}");
  } catch {
    // A link that was cut off: the settings are those of before.
  }
  if (location.hash) window.history.replaceState(null, "", location.pathname); // not in screenshots
  return { token, settings };
}

function linkOf(settings) {
  const own = Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null));
  return `${location.origin}/#${new URLSearchParams({ t: link.token, s: JSON.stringify(own) })}`;
}

function keep(name, value) {
  try {
    sessionStorage.setItem(`smalti.${name}`, JSON.stringify(value));
  } catch {
    // Private windows may refuse: then a reload forgets.
  }
}

function remembered(name) {
  try {
    return JSON.parse(sessionStorage.getItem(`smalti.${name}`) ?? "null");
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------- messages

let toastTimer = 0;
function say(text) {
  at("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (at("toast").textContent = ""), 4000);
}

/** Tell of a failure, in the page; the picture of before stays. */
function fail(error, before = "") {
  if (error.name === "AbortError") return;
  if (error.kind === "Gone") return serverGone();
  if (!(error instanceof EngineError)) console.error(error);
  banner(before && !error.message.startsWith(before) ? before + error.message : error.message);
}

function banner(text, action, act) {
  at("banner-text").textContent = text;
  at("banner-action").hidden = !action;
  at("banner-action").textContent = action ?? "";
  at("banner-action").onclick = act ?? null;
  at("banner").hidden = false;
}

function closeBanner() {
  if (!store.get().serverGone) at("banner").hidden = true;
}

function serverGone() {
  if (store.get().serverGone) return;
  store.set({ serverGone: true, progress: null });
  banner("The local server stopped. The preview still works; start smalti web again for the rest.", "Try again", lookAgain);
  setTimeout(lookAgain, RETRY_MS);
}

async function lookAgain() {
  if (!store.get().serverGone) return;
  try {
    await engine.state();
    store.set({ serverGone: false });
    closeBanner();
    if (store.get().image && store.get().phase === "draft") restLater();
  } catch (error) {
    if (error.kind !== "Gone") {
      banner("Another smalti web runs now: open the link that it printed.");
    } else setTimeout(lookAgain, RETRY_MS);
  }
}

// ---------------------------------------------------------------- the frame around it

function updateButtons() {
  at("undo").disabled = !history.canUndo;
  at("redo").disabled = !history.canRedo;
}

function wireFrame() {
  const click = (id, act) => at(id).addEventListener("click", act);
  click("open", actions.pick);
  click("welcome-open", actions.pick);
  click("open-folder", () => at("folder-input").click());
  click("undo", actions.undo);
  click("redo", actions.redo);
  click("help", () => at("help-dialog").showModal());
  click("banner-close", () => (at("banner").hidden = true));
  click("theme", nextTheme);
  click("paste", pasteClicked);
  for (const id of ["file-input", "folder-input"]) {
    at(id).addEventListener("change", (event) => {
      openFiles(batch.picked ? batch.picked(event.target.files) : event.target.files);
      event.target.value = "";
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) openFiles(files);
  });
  dropZone();
  tabs();
}

async function pasteClicked() {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((each) => each.startsWith("image/"));
      if (type) return openFiles([new File([await item.getType(type)], `pasted.${type.slice(6)}`, { type })]);
    }
    say("There is no picture in the clipboard");
  } catch {
    say("Press Ctrl V to paste: the browser does not let this page look into the clipboard");
  }
}

function dropZone() {
  const veil = at("drop-veil");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const over = (by) => {
    depth = Math.max(0, depth + by);
    veil.hidden = depth === 0;
  };
  document.addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  document.addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    openFiles(await batch.filesOf(event.dataTransfer));
  });
}

function tabs() {
  const bar = at("tabs");
  const show = (name) => {
    for (const panel of document.querySelectorAll(".panel")) panel.classList.toggle("shown", panel.dataset.tab === name);
    for (const button of bar.children) button.setAttribute("aria-pressed", String(button.dataset.tab === name));
  };
  for (const [name, label] of PANELS) {
    const button = make("button", { className: "button" }, label);
    button.dataset.tab = name;
    button.addEventListener("click", () => show(name));
    bar.append(button);
  }
  show("result");
}

function nextTheme() {
  const now = THEMES.indexOf(remembered("theme") ?? "auto");
  setTheme(THEMES[(now + 1) % THEMES.length]);
}

function setTheme(theme) {
  keep("theme", theme);
  document.documentElement.dataset.theme = theme;
  at("theme").textContent = `Theme: ${theme}`;
}

function showDemos() {
  for (const [name, label] of DEMOS) {
    const picture = make("img", { src: `static/demos/${name}`, alt: "", loading: "lazy", width: 132, height: 88 });
    const button = make("button", { className: "button", id: `demo-${name.split(".")[0]}` }, picture, label);
    button.addEventListener("click", async () => {
      const blob = await (await fetch(`static/demos/${name}`)).blob();
      openFile(new File([blob], name, { type: blob.type }));
    });
    at("demos").append(make("li", {}, button));
  }
}

store.subscribe((state, changed) => {
  if (changed.has("phase")) document.body.dataset.state = state.phase;
  if (changed.has("images")) document.body.toggleAttribute("data-files", state.images.length > 1);
});

async function start() {
  setTheme(remembered("theme") ?? "auto");
  const parts = { store, actions, engine };
  controls.mount(at("controls"), parts);
  result.mount(at("result-root"), parts);
  palette.mount(at("palette-root"), parts);
  curves.mount(at("curves-root"), parts);
  converge.mount(at("converge-root"), parts);
  batch.mount(at("batch-root"), parts);
  keys.mount({ dialog: at("help-dialog"), store, actions, stage });
  wireFrame();
  showDemos();
  updateButtons();
  if (!link.token) return banner("This page needs its key: open the link that smalti web printed in the terminal.");
  try {
    const { options, images } = await engine.state();
    store.set({ options, images });
    const last = remembered("image");
    const first = images.find((image) => image.id === last) ?? images[0];
    if (first) openImage(first);
  } catch (error) {
    if (error.status === 403) banner("The key in this link is not that of the running server: open the link that smalti web printed last.");
    else fail(error);
  }
}

start();
