/**
 * What the stage shows: the preview in the palette of the moment, mapped by a worker, or once it is
 * there the file itself. Only true pixels after a zoom are asked of the server.
 */

import { difference } from "./difference.js";
import { make, rgbaOf } from "./dom.js";
import { createRemapper } from "./remap.js";
import { kOf } from "./store.js";

const MOST_DETAIL = 4e6; // pixels that are asked for at once
const PAINT = "input-to-paint";

export function createPainter({ store, engine, stage, rungFor, fail }) {
  const remapper = createRemapper();
  let original = null; // ImageData of the overview
  let file = null; // {bitmap, overview} of the settled file
  let rect = null; // {x, y, w, h} that true pixels are at hand of
  let moved = 0; // when the slider moved, until that is painted

  async function remap(request) {
    const done = await remapper.remap(request).catch(fail);
    return done && imageData(done.rgba, done);
  }

  function begin(image, { width, height, pixels }) {
    original = imageData(pixels, { width, height });
    file = rect = null;
    stage.begin(image);
    stage.show("original", canvasOf(original), null);
    remapper.setImage({ width, height, pixels, space: store.get().settings.space ?? "oklab" }).catch(fail);
  }

  /** Show the picture in the palette that the settings ask for, or the file that was made of them. */
  function show() {
    const { settings, shown, highlight, phase, view, ladderDone } = store.get();
    if (phase === "settled" && file) return highlight == null ? showFile() : void map(shown.colors);
    const own = settings.palette && { k: settings.palette.length, colors: rgbaOf(settings.palette), shares: null };
    const found = own ?? rungFor(kOf(store.get()));
    if (!found) return;
    store.set({ shown: { ...found, exact: false, own: Boolean(own) } });
    map(found.colors);
    if (view.mode === "four" && !ladderDone) showFour();
  }

  async function map(colors) {
    const { highlight, image } = store.get();
    const since = moved;
    const want = { counts: true, highlight };
    if (rect) mapDetail(colors, { highlight });
    const done = await remapper.remap({ colors, want }).catch(fail);
    const { phase, shown } = store.get();
    if (!done || (phase === "settled" && highlight == null)) return;
    const data = imageData(done.rgba, done);
    stage.show("result", canvasOf(data), rect ? undefined : null);
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
    const mine = rect;
    const data = await remap({ layer: "region", colors, want });
    if (data && mine === rect && store.get().phase !== "settled") stage.showDetail("result", { ...rect, source: canvasOf(data) });
  }

  /** Note how long it took from the slider to the screen. */
  function measure(since) {
    if (moved === since) moved = 0;
    requestAnimationFrame(() => setTimeout(() => {
      if (performance.getEntriesByName(PAINT).length > 500) performance.clearMeasures(PAINT);
      performance.measure(PAINT, { start: since });
    }));
  }

  async function showFour() {
    const most = Math.min(256, store.get().image.distinct_colors);
    await Promise.all(stage.fourKs().map(async (k, i) => {
      const rung = rungFor(Math.min(k, most));
      const data = rung && (await remap({ layer: `four${i}`, colors: rung.colors }));
      if (!data) return;
      stage.show(`four${i}`, canvasOf(data), null);
      document.querySelector(`[data-layer=four${i}]`).dataset.colors = rung.k;
    }));
  }

  function showDifference(data) {
    if (store.get().view.mode !== "difference") return;
    stage.show("difference", canvasOf(imageData(difference(original.data, data.data), data)), null);
  }

  /** Fetch true pixels of a part of the picture, for both layers. */
  async function showDetail({ x, y, w, h }, signal) {
    const { image } = store.get();
    const shrink = Math.min(1, Math.sqrt(MOST_DETAIL / (w * h)));
    try {
      const part = await engine.region(image.id, x, y, Math.ceil(w * shrink), Math.ceil(h * shrink), signal);
      if (image !== store.get().image) return;
      rect = { x, y, w: part.width, h: part.height };
      stage.showDetail("original", { ...rect, source: canvasOf(imageData(part.pixels, part)) });
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
    const { bitmap, overview } = file;
    stage.show("result", overview, { source: bitmap, x: 0, y: 0, w: bitmap.width, h: bitmap.height });
    showDifference(overview.getContext("2d").getImageData(0, 0, overview.width, overview.height));
  }

  return { begin, show, showFour, showDetail, settle, setSpace: remapper.setSpace, moved: () => (moved = performance.now()) };
}

const imageData = (pixels, { width, height }) => new ImageData(new Uint8ClampedArray(pixels), width, height);

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
