/**
 * Opening pictures: from a file to a picture on the stage with palettes for every number of colors.
 */

import { addFiles } from "./batch.js";
import { rgbaOf } from "./dom.js";
import { resized } from "./painter.js";

const OVERVIEW = 1024; // pixels of the longer side, as the server's previews have

/** Where a picture begins: nothing is known of it yet. */
const BLANK = {
  shown: null, rungs: new Map(), curve: [], suggestion: null, suggestions: null, estimates: [],
  ladderDone: false, result: null, made: null, progress: null, renderError: null,
  renderStopped: false, highlight: null,
};

/** @param {{store, engine, stage, painter, maker, frame}} parts */
export function createOpener({ store, engine, stage, painter, maker, frame }) {
  let opening = new AbortController(); // of the picture that is open, and its palettes
  let ladderOf = ""; // what the palettes at hand were made for

  function start() {
    opening.abort();
    maker.cancel();
    opening = new AbortController();
    return opening;
  }

  /** @param {FileList|File[]|object} chosen files, or what `filesOf` found */
  async function openFiles(chosen) {
    const list = chosen.files ?? [...chosen];
    if (list.length === 1) return openFile(list[0]);
    if (!list.length) return;
    await addFiles(chosen, { store, engine, actions: frame });
    const { image, images } = store.get();
    const first = images.find((each) => each.width);
    if (!image && first) openImage(first);
  }

  /** Open one file; the browser shows its own idea of it before the server has answered. */
  async function openFile(file) {
    const { image: before } = store.get();
    const controller = start();
    frame.closeBanner();
    store.set({ phase: "loading" });
    showEarly(file, controller.signal);
    try {
      const image = await engine.open(file, null, controller.signal);
      if (controller.signal.aborted) return;
      store.set({ images: [...store.get().images, { ...image, file }] });
      await openImage(image, controller);
    } catch (error) {
      if (controller.signal.aborted) return;
      frame.fail(error, `${file.name}: `);
      store.set({ phase: "empty" });
      stage.begin(null);
      if (before) openImage(before);
    }
  }

  async function showEarly(file, signal) {
    try {
      const bitmap = await createImageBitmap(file);
      if (signal.aborted || store.get().phase !== "loading") return;
      const scale = Math.min(1, OVERVIEW / Math.max(bitmap.width, bitmap.height));
      const overview = resized(bitmap, Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
      stage.begin({ width: bitmap.width, height: bitmap.height, has_alpha: true });
      for (const layer of ["original", "result"]) stage.show(layer, overview);
      performance.mark("original-visible");
    } catch {
      // A format that only the server reads: its preview comes in a moment.
    }
  }

  /** Show a picture that the server has. */
  async function openImage(image, controller = start()) {
    const { settings, view, phase } = store.get();
    const own = { ...settings, ...image.settings };
    const k = Math.min(own.k, image.distinct_colors);
    store.set({
      ...BLANK,
      image,
      phase: phase === "loading" ? phase : "draft",
      settings: { ...own, k },
      locked: new Set(own.keep ?? []),
      view: { ...view, fit: true },
    });
    frame.remember("image", image.id);
    ladderOf = "";
    try {
      const pixels = await engine.pixels(image.id, controller.signal);
      if (controller.signal.aborted) return;
      painter.begin(image, pixels);
      climb();
      maker.rest();
    } catch (error) {
      if (!controller.signal.aborted) frame.fail(error);
    }
  }

  // ---- the palettes of every number of colors, in a stream

  const key = ({ image, settings }) => JSON.stringify([image?.id, settings.space, settings.keep]);

  /** Ask for palettes, unless those at hand are for these settings. */
  async function climb() {
    const mine = key(store.get());
    if (mine === ladderOf) return;
    ladderOf = mine;
    const { image, settings } = store.get();
    const { signal } = opening;
    const { rungs, curve, suggestion, suggestions, estimates, ladderDone } = BLANK;
    store.set({ rungs, curve, suggestion, suggestions, estimates, ladderDone });
    painter.setSpace(settings.space ?? "oklab");
    const wanted = { space: settings.space, keep: settings.keep?.join(","), first: settings.k };
    try {
      await engine.ladder(image.id, wanted, (line) => mine === ladderOf && !signal.aborted && take(line), signal);
    } catch (error) {
      if (mine === ladderOf && !signal.aborted) frame.fail(error);
    }
  }

  function take(line) {
    const { rungs, curve, estimates, view } = store.get();
    if (line.error) return frame.fail(line.error);
    if (line.colors) {
      const { k, colors, shares, distortion } = line;
      store.set({ rungs: new Map(rungs).set(k, { k, colors: rgbaOf(colors), shares, distortion }) });
      if (isWanted(k)) painter.show();
    }
    if (line.curve) store.set({ curve: [...curve, line.curve].sort((a, b) => a.k - b.k) });
    if (line.suggestion) store.set({ suggestion: line.suggestion, suggestions: line.suggestions });
    if (line.estimate) store.set({ estimates: [...estimates, line.estimate] });
    if (line.done) {
      store.set({ ladderDone: true });
      performance.mark("ladder-complete");
      if (view.mode === "four") painter.showFour();
    }
  }

  /** Whether a palette that came is nearer to what should be seen than the one that is. */
  function isWanted(k) {
    const { shown, settings } = store.get();
    if (!shown) return true;
    if (shown.exact || shown.own) return false;
    return k === settings.k || (k < settings.k && k > shown.k) || (shown.k > settings.k && k < shown.k);
  }

  /** The palette of k colors, or until that has come the nearest one below it. */
  function rungFor(k) {
    const { rungs } = store.get();
    if (rungs.has(k)) return rungs.get(k);
    const have = [...rungs.keys()].sort((a, b) => a - b);
    return rungs.get(have.filter((each) => each < k).at(-1) ?? have[0]);
  }

  return { openFile, openFiles, openImage, climb, rungFor, signal: () => opening.signal };
}
