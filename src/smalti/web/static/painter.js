/**
 * What the stage shows: the preview in the palette of the moment, mapped by a worker, or once it is
 * there the file itself. Nothing here asks the server, except for true pixels after a zoom.
 */

import { difference } from "./difference.js";
import { make, rgbaOf } from "./dom.js";
import { createRemapper } from "./remap.js";

const MOST_DETAIL = 4e6; // pixels that are asked for at once

/** @param {{store, engine, stage, rungFor: (k: number) => object, fail}} parts */
export function createPainter({ store, engine, stage, rungFor, fail }) {
  const remapper = createRemapper();
  let original = null; // ImageData of the overview
  let file = null; // {bitmap, overview} of the settled file
  let detail = null; // {x, y, w, h} that true pixels are at hand of
  let moved = 0; // when the slider moved, until that is painted

  function begin(image, { width, height, pixels }) {
    original = new ImageData(new Uint8ClampedArray(pixels), width, height);
    file = detail = null;
    stage.begin(image);
    stage.show("original", canvasOf(original));
    const space = store.get().settings.space ?? "oklab";
    return remapper.setImage({ width, height, pixels, space }).catch(fail);
  }

  /** Show the picture in the palette that the settings ask for. */
  function show() {
    const { settings, shown, highlight, phase, view, ladderDone } = store.get();
    if (phase === "settled") return highlight == null ? showFile() : void map(shown.colors);
    if (settings.palette) {
      const colors = rgbaOf(settings.palette);
      store.set({ shown: { k: settings.palette.length, colors, shares: null, exact: false, own: true } });
      return void map(colors);
    }
    const rung = rungFor(settings.k);
    if (!rung) return;
    store.set({ shown: { ...rung, exact: false, own: false } });
    map(rung.colors);
    if (view.mode === "four" && !ladderDone) showFour();
  }

  async function map(colors) {
    const { highlight, image } = store.get();
    const since = moved;
    if (detail) mapDetail(colors, { highlight });
    const done = await remapper.remap({ colors, want: { counts: true, highlight } }).catch(fail);
    const { phase, shown } = store.get();
    if (!done || (phase === "settled" && highlight == null)) return;
    const data = imageData(done);
    stage.show("result", canvasOf(data));
    showDifference(data);
    if (shown.colors === colors && !shown.shares) {
      const total = data.width * data.height;
      store.set({ shown: { ...shown, shares: Array.from(done.counts, (count) => count / total) } });
    }
    if (phase === "loading") store.set({ phase: "draft" });
    Object.assign(document.body.dataset, { k: colors.length / 4, image: image.id });
    if (since) measure(since);
  }

  async function mapDetail(colors, want) {
    const rect = detail;
    const done = await remapper.remap({ layer: "region", colors, want }).catch(fail);
    if (!done || rect !== detail) return;
    stage.showDetail("result", { ...rect, source: canvasOf(imageData(done)) });
  }

  /** Note how long it took from the slider to the screen. */
  function measure(since) {
    if (moved === since) moved = 0;
    requestAnimationFrame(() => setTimeout(() => {
      if (performance.getEntriesByName("input-to-paint").length > 500) performance.clearMeasures("input-to-paint");
      performance.measure("input-to-paint", { start: since });
    }));
  }

  async function showFour() {
    const most = Math.min(256, store.get().image?.distinct_colors ?? 256);
    await Promise.all(stage.fourKs().map(async (k, i) => {
      const rung = rungFor(Math.min(k, most));
      const done = rung && (await remapper.remap({ layer: `four${i}`, colors: rung.colors }).catch(fail));
      if (!done) return;
      stage.show(`four${i}`, canvasOf(imageData(done)));
      document.querySelector(`[data-layer=four${i}]`).dataset.colors = rung.k;
    }));
  }

  function showDifference(data) {
    if (store.get().view.mode !== "difference") return;
    const pixels = difference(original.data, data.data);
    stage.show("difference", canvasOf(new ImageData(pixels, data.width, data.height)));
  }

  /** Fetch true pixels of a part of the picture, for both layers. */
  async function showDetail(rect, signal) {
    const { image } = store.get();
    const shrink = Math.min(1, Math.sqrt(MOST_DETAIL / (rect.w * rect.h)));
    const [w, h] = [rect.w, rect.h].map((side) => Math.max(1, Math.floor(side * shrink)));
    try {
      const part = await engine.region(image.id, rect.x, rect.y, w, h, signal);
      if (image !== store.get().image) return;
      detail = { x: rect.x, y: rect.y, w: part.width, h: part.height };
      stage.showDetail("original", { ...detail, source: canvasOf(imageData({ ...part, rgba: part.pixels })) });
      remapper.setRegion(part).catch(fail);
      const { shown, phase } = store.get();
      if (phase !== "settled" && shown) mapDetail(shown.colors);
    } catch (error) {
      fail(error);
    }
  }

  /** From now on the stage shows the file. */
  async function settle(blob) {
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    file = { bitmap, overview: resized(bitmap, original.width, original.height) };
  }

  function showFile() {
    stage.show("result", file.overview);
    stage.showFull("result", file.bitmap);
    const { width, height } = file.overview;
    if (store.get().view.mode === "difference") {
      showDifference(file.overview.getContext("2d").getImageData(0, 0, width, height));
    }
  }

  return {
    begin, show, showFour, showDetail, settle,
    setSpace: remapper.setSpace,
    moved: () => (moved = performance.now()),
  };
}

const imageData = ({ rgba, width, height }) => new ImageData(new Uint8ClampedArray(rgba), width, height);

function canvasOf(data) {
  const canvas = make("canvas", { width: data.width, height: data.height });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

/** A picture as a canvas of another size. */
export function resized(bitmap, width, height) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = bitmap.width !== width;
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}
