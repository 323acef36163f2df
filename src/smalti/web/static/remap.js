// Painting a picture with a palette: the page's side of remap.worker.js, which gets one message at a
// time. Of those that wait for one layer only the newest is sent: no paint is older than one remap.

/** Start the worker. What is overtaken by a newer request or picture resolves with null. */
export function createRemapper() {
  const worker = new Worker(new URL("./remap.worker.js", import.meta.url), { type: "module" });
  const waiting = new Map(); // what for -> the newest job, in the order of their coming
  let active = null; // the job that the worker is at
  let space = "oklab";

  const jobs = () => (active ? [active, ...waiting.values()] : []);
  function next() {
    [active] = waiting.values();
    if (!active) return;
    waiting.delete(active.what);
    worker.postMessage(active.message, active.transfer);
  }
  function ask(what, message, transfer) {
    waiting.get(what)?.resolve(null);
    return new Promise((resolve, reject) => {
      waiting.set(what, { what, message: { ...message, space }, transfer, resolve, reject });
      if (!active) next();
    });
  }
  function setPicture(layer, overtaken, { pixels, width, height }) {
    for (const { what, resolve } of jobs().filter(overtaken)) {
      waiting.delete(what);
      resolve(null);
    }
    return ask(`set ${layer}`, { layer, pixels, width, height }, [pixels]);
  }

  worker.onmessage = ({ data }) => {
    const { resolve } = active;
    next();
    resolve(data);
  };
  worker.onerror = ({ message = "the worker did not start" }) => {
    for (const { reject } of jobs()) reject(new Error(`the picture could not be painted: ${message}`));
    waiting.clear();
    active = null;
  };

  return {
    /** Set the picture {width, height, pixels}, of which the worker gets a copy. */
    setImage(picture) {
      space = picture.space;
      return setPicture("main", () => true, { ...picture, pixels: picture.pixels.slice() });
    },
    /** Set a piece of it in true pixels, which are given away. */
    setRegion: (piece) => setPicture("region", ({ what }) => what.endsWith("region"), piece),
    setSpace: (name) => (space = name),

    /** Paint a layer, "region" or another of the whole; → {rgba, width, height} and what is wanted. */
    remap: ({ colors, layer = "main", want = {} }) => ask(layer, { layer, colors, want }),
  };
}
