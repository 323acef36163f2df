/**
 * The real file: asked for when the settings have rested, given up when they move again. What it
 * brings is exact, and replaces every estimate.
 */

import { rgbaOf } from "./dom.js";
import { kOf } from "./store.js";

const REST_MS = 250;
const USUAL_SIZE = 0.25;
const OF_A_SEARCH = ["k", "keep", "effort", "init", "n_init", "seed", "guard"];

/** What the library is asked for: what has no place beside a palette of one's own is left out. */
export function wire(settings, image) {
  const sent = Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null));
  if (sent.k) sent.k = kOf({ settings, image });
  if (!sent.palette) return sent;
  for (const name of OF_A_SEARCH) delete sent[name];
  // An edit must not change how pixels are mapped, as the library would for a palette that is given.
  if ((sent.dither ?? "auto") === "auto") sent.size ??= USUAL_SIZE;
  return sent;
}

/** @param {{store, engine, painter, fail}} parts */
export function createMaker({ store, engine, painter, fail }) {
  let timer = 0;
  let job = null; // {id, controller, last: the newest "done" event, taken: Promise}

  function rest() {
    clearTimeout(timer);
    timer = setTimeout(make, REST_MS);
  }

  function cancel() {
    clearTimeout(timer);
    job?.controller.abort(); // the server ends a job when nobody listens any more
    job = null;
  }

  async function make() {
    cancel();
    const { image, settings } = store.get();
    const mine = (job = { id: null, controller: new AbortController() });
    const { signal } = mine.controller;
    store.set({ progress: { stage: "queued", done: 0 }, renderError: null, renderStopped: false });
    document.body.dataset.renders = Number(document.body.dataset.renders ?? 0) + 1;
    try {
      mine.id = await engine.render(image.id, wire(settings, image));
      if (signal.aborted) return void engine.cancel(mine.id).catch(() => {});
      await engine.jobEvents(mine.id, (event) => signal.aborted || take(event, mine), signal);
      await mine.taken;
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 422) store.set({ renderError: error.message });
      else fail(error);
    } finally {
      if (job === mine) {
        job = null;
        store.set({ progress: null });
      }
    }
  }

  function take(event, mine) {
    if (event.state === "done") {
      const { result } = store.get();
      mine.last = event;
      mine.taken ??= settle(mine);
      if (result) store.set({ result: { ...event, blob: result.blob } });
    } else if (event.state === "failed") {
      store.set({ renderError: event.error.message });
    } else if (event.state !== "cancelled") {
      store.set({ progress: event });
    }
  }

  async function settle(mine) {
    const blob = await engine.file(mine.id);
    await painter.settle(blob);
    if (mine.controller.signal.aborted) return;
    const { last: event } = mine;
    const { shown, settings } = store.get();
    store.set({
      phase: "settled",
      result: { ...event, blob },
      made: { k: event.k, bytes: event.bytes },
      shown: {
        k: event.colors,
        colors: rgbaOf(event.palette.map(({ hex }) => hex)),
        shares: event.palette.map(({ share }) => share),
        exact: true,
        own: Boolean(settings.palette && shown),
      },
    });
    performance.mark("settled");
    painter.show();
  }

  return { rest, make, cancel };
}
