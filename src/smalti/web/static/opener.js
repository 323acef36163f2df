/**
 * Opening pictures: from a file to a picture on the stage with palettes for every number of colors.
 */

import { addFiles } from "./batch.js";
import { rgbaOf } from "./dom.js";
import { remember } from "./frame.js";
import { resized } from "./painter.js";
import { kOf } from "./store.js";

const OVERVIEW = 1024; // pixels of the longer side, as the server's previews have

const NO_PALETTES = { curve: [], suggestion: null, suggestions: null, estimates: [], ladderDone: false };
/** Where a picture begins: nothing is known of it yet. */
const BLANK = {
  ...NO_PALETTES, shown: null, result: null, made: null, progress: null, renderError: null, renderStopped: false, highlight: null,
};

export function createOpener({ store, engine, stage, painter, maker, frame }) {
  let opening = new AbortController(); // of the picture that is open, and its palettes
  const rungs = new Map(); // k -> {k, colors, shares, distortion}: hundreds, which no panel waits for
  let ladderOf = ""; // what they were made for

  function start() {
    opening.abort();
    maker.cancel();
    opening = new AbortController();
    return opening.signal;
  }

  /** Open files, or what `filesOf` found: one to be looked at, several to be listed. */
  async function openFiles(chosen) {
    const list = chosen.files ?? [...chosen];
    if (list.length === 1) return openFile(list[0]);
    if (!list.length) return;
    const before = new Set(store.get().images.map(({ id }) => id));
    await addFiles(chosen, { store, engine, actions: frame });
    const first = store.get().images.find(({ id, width }) => width && !before.has(id));
    if (first) openImage(first);
  }

  async function openFile(file) {
    const { image: before } = store.get();
    const signal = start();
    frame.closeBanner();
    store.set({ phase: "loading" });
    showEarly(file, signal);
    try {
      const image = await engine.open(file, null, signal);
      if (signal.aborted) return;
      store.set({ images: [...store.get().images, { ...image, file }] });
      await openImage(image, signal);
    } catch (error) {
      if (signal.aborted) return;
      frame.fail(error, `${file.name}: `);
      store.set({ phase: "empty" });
      stage.begin(null);
      if (before) openImage(before);
    }
  }

  /** Show the browser's own idea of a file, before the server has answered. */
  async function showEarly(file, signal) {
    const bitmap = await createImageBitmap(file).catch(() => null); // a format that only the server reads
    if (!bitmap || signal.aborted || store.get().phase !== "loading") return;
    const scale = Math.min(1, OVERVIEW / Math.max(bitmap.width, bitmap.height));
    const overview = resized(bitmap, Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
    stage.begin({ width: bitmap.width, height: bitmap.height, has_alpha: true });
    for (const layer of ["original", "result"]) stage.show(layer, overview, null);
    performance.mark("original-visible");
  }

  /** Show a picture that the server has. */
  async function openImage(image, signal = start()) {
    const { settings: before, common: kept, images, view, phase } = store.get();
    const own = images.find(({ id }) => id === image.id)?.settings;
    const common = kept ?? before;
    const settings = own ?? common;
    store.set({
      ...BLANK,
      image,
      phase: phase === "loading" ? phase : "draft",
      settings,
      common: own ? common : null,
      locked: new Set(settings.keep ?? []),
      view: { ...view, fit: true },
    });
    remember("image", image.id);
    ladderOf = "";
    try {
      const pixels = await engine.pixels(image.id, signal);
      if (signal.aborted) return;
      painter.begin(image, pixels);
      maker.make();
      climb();
    } catch (error) {
      if (!signal.aborted) frame.fail(error);
    }
  }

  // ---- the palettes of every number of colors, in a stream

  /** Ask for palettes, unless those at hand are for these settings. */
  async function climb() {
    const { image, settings: { space, keep } } = store.get();
    const mine = JSON.stringify([image.id, space, keep]);
    if (mine === ladderOf) return;
    ladderOf = mine;
    const { signal } = opening;
    const current = () => mine === ladderOf && !signal.aborted;
    rungs.clear();
    store.set(NO_PALETTES);
    painter.setSpace(space ?? "oklab");
    try {
      await engine.ladder(image.id, { space, keep: keep?.join(), first: kOf(store.get()) }, (line) => current() && take(line), signal);
    } catch (error) {
      if (current()) frame.fail(error);
    }
  }

  function take({ error, colors, k, shares, distortion, curve: point, suggestion, suggestions, estimate, done }) {
    const { curve, estimates, view } = store.get();
    if (error) return frame.fail(error);
    if (colors) {
      rungs.set(k, { k, colors: rgbaOf(colors), shares, distortion });
      if (isWanted(k)) painter.show();
    }
    if (point) store.set({ curve: [...curve, point].sort((a, b) => a.k - b.k) });
    if (suggestion) {
      store.set({ suggestion, suggestions });
      performance.mark("ladder-complete");
    }
    if (estimate) store.set({ estimates: [...estimates, estimate] });
    if (!done) return;
    store.set({ ladderDone: true });
    if (view.mode === "four") painter.showFour();
  }

  /** Whether a palette that came is nearer to what should be seen than the one that is. */
  function isWanted(k) {
    const { shown } = store.get();
    const asked = kOf(store.get());
    if (!shown) return true;
    if (shown.exact || shown.own) return false;
    return k === asked || (k < asked && k > shown.k) || (shown.k > asked && k < shown.k);
  }

  /** The palette of k colors, or until that has come the nearest one below it. */
  function rungFor(k) {
    if (rungs.has(k)) return rungs.get(k);
    const have = [...rungs.keys()].sort((a, b) => a - b);
    return rungs.get(have.filter((each) => each < k).at(-1) ?? have[0]);
  }

  return { openFiles, openImage, climb, rungFor, signal: () => opening.signal };
}
