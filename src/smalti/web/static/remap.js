// Painting a picture with a palette, without waiting: the page's side of remap.worker.js.
//
//     createRemapper() -> setImage(...), remap({colors, layer}) -> Promise of pixels, or of null
//
// Messages to the worker: image and region {id, width, height, pixels, space}, space {space},
// remap {job, layer, colors, space, want}, reuse {buffer}. From it: prepared {name, id, distinct,
// milliseconds}, skipped {job}, remapped {job, layer, id, width, height, rgba, indices, counts,
// distinct, milliseconds}.

/**
 * @typedef {object} Picture
 * @property {string} id
 * @property {number} width
 * @property {number} height
 * @property {ArrayBuffer|Uint8Array|Uint8ClampedArray} pixels RGBA, straight alpha; copied
 * @property {"srgb"|"oklab"} [space] where nearest is measured from now on
 *
 * @typedef {object} Request
 * @property {Uint8Array} colors the palette, 1 to 256 entries of four bytes
 * @property {string} [layer] "main", "four0" to "four3", or "region"; requests for one overtake
 *   each other
 * @property {"srgb"|"oklab"} [space] for this request only
 * @property {{rgba?: boolean, indices?: boolean, counts?: boolean, difference?: number,
 *   highlight?: number}} [want] pixels unless rgba is false; `difference` paints the error times
 *   that gain on black, `highlight` dims all but one entry
 *
 * @typedef {object} Remapped
 * @property {ArrayBuffer} [rgba] @property {Uint8Array} [indices] @property {Uint32Array} [counts]
 * @property {string} id @property {string} layer
 * @property {number} width @property {number} height
 * @property {number} distinct how many colors the picture has
 * @property {number} milliseconds that it took in the worker
 */

/** Plain bytes in a buffer of their own. */
function ownBuffer(pixels) {
  return pixels instanceof ArrayBuffer ? pixels.slice(0) : new Uint8Array(pixels).buffer;
}

function checkPalette({ length }) {
  if (length % 4 || length < 4 || length > 1024)
    throw new RangeError(`a palette must have 1 to 256 entries of 4 bytes, got ${length} bytes`);
}

/**
 * Starts the worker.
 *
 * `setImage` and `setRegion` resolve with {distinct, milliseconds} when the picture is prepared, or
 * with null if another came first; a new image drops the region. `remap` resolves with a `Remapped`,
 * or with null if it was overtaken by a newer request for its layer, or by another picture. Buffers
 * given back with `recycle` are painted into again, which spares the browser from making new ones.
 *
 * @returns {{setImage: (p: Picture) => Promise, setRegion: (p: Picture) => Promise,
 *   setSpace: (space: string) => void, remap: (r: Request) => Promise<Remapped|null>,
 *   recycle: (buffer: ArrayBuffer) => void, close: () => void}}
 */
export function createRemapper() {
  const worker = new Worker(new URL("./remap.worker.js", import.meta.url), { type: "module" });
  const jobs = new Map(); // job -> {layer, resolve, reject}
  const preparing = new Map(); // "overview" or "region" -> the same, of the newest
  let lastJob = 0;

  const drop = (concerned) => {
    for (const [job, { layer, resolve }] of jobs)
      if (concerned(layer)) {
        jobs.delete(job);
        resolve(null);
      }
  };
  const settle = (job, value) => {
    const pending = jobs.get(job);
    jobs.delete(job);
    pending?.resolve(value);
    return pending !== undefined;
  };
  const recycle = (buffer) => {
    if (buffer?.byteLength) worker.postMessage({ type: "reuse", buffer }, [buffer]);
  };
  const prepare = (name, type, { id, width, height, pixels, space }) => {
    preparing.get(name)?.resolve(null);
    const buffer = ownBuffer(pixels);
    return new Promise((resolve, reject) => {
      preparing.set(name, { id, resolve, reject });
      worker.postMessage({ type, id, width, height, space, pixels: buffer }, [buffer]);
    });
  };
  const answers = {
    skipped: ({ job }) => settle(job, null),
    remapped(answer) {
      if (!settle(answer.job, answer)) recycle(answer.rgba);
    },
    prepared({ name, id, distinct, milliseconds }) {
      const pending = preparing.get(name);
      if (pending?.id !== id) return; // another has been set since
      preparing.delete(name);
      pending.resolve({ id, distinct, milliseconds });
    },
  };
  worker.onmessage = ({ data }) => answers[data.type](data);
  worker.onerror = (event) => {
    const reason = event.message || "the worker did not start";
    const error = new Error(`the picture could not be painted: ${reason}`);
    for (const pending of [...jobs.values(), ...preparing.values()]) pending.reject(error);
    jobs.clear();
    preparing.clear();
  };

  return {
    setImage(picture) {
      drop(() => true);
      preparing.get("region")?.resolve(null);
      preparing.delete("region");
      return prepare("overview", "image", picture);
    },
    setRegion(picture) {
      drop((layer) => layer === "region");
      return prepare("region", "region", picture);
    },
    setSpace: (space) => worker.postMessage({ type: "space", space }),
    async remap({ colors, layer = "main", space, want = {} }) {
      checkPalette(colors);
      const job = ++lastJob, message = { type: "remap", job, layer, colors, want };
      return new Promise((resolve, reject) => {
        jobs.set(job, { layer, resolve, reject });
        worker.postMessage(space ? { ...message, space } : message);
      });
    },
    recycle,
    close() {
      worker.terminate();
      drop(() => true);
    },
  };
}
