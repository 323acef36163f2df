/**
 * Files on their way in: found in a drop or a folder, and uploaded two at a time.
 *
 * Every file is an item of `images` in the store: its Image, and with it
 *   status    "pending" "uploading" "refused" | "ready" "queued" "running" "done" "failed" "cancelled"
 *   settings  its own, or null for those of all
 *   result    the done event, and `made`, the settings it was made with; or null
 *   error     {kind, message} or null, `progress` 0..1
 * A file that the server refuses stays in the list with its reason, and stops nothing.
 */

import { throttle } from "./dom.js";

const EVERY_MS = 100;
const AT_ONCE = 2;
/** What a walk through a folder takes; a file that is named may be called anything. */
const SUFFIX = /\.(png|jpe?g|mpo|webp|gif|bmp|tiff?|avif)$/i;

const paths = new WeakMap();

/** The path of a file within the folder that was dropped or picked, else its name. */
export function pathOf(file) {
  return paths.get(file) ?? (file.webkitRelativePath || file.name);
}

/**
 * The files of a drop, a paste or an input; folders are walked.
 *
 * Of what is found in folders, hidden files and what is no image by its name are left out and
 * counted. A file that was named itself is taken whatever it is: the server says what is wrong.
 *
 * @param {DataTransfer|FileList|File[]} source
 * @returns {Promise<{files: File[], hidden: number, others: number}>} files in order of path
 */
export async function filesOf(source) {
  const found = { files: [], hidden: 0, others: 0 };
  // Entries must be asked for before anything is awaited: after that the browser empties the drop.
  const entries = Array.from(source.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length) for (const entry of entries) await walk(entry, found);
  else for (const file of source.files ?? source) take(file, pathOf(file), found);
  found.files.sort((a, b) => pathOf(a).localeCompare(pathOf(b), "en", { numeric: true }));
  return found;
}

async function walk(entry, found) {
  const path = entry.fullPath.slice(1);
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail)).catch(() => null);
    if (file) take(file, path, found);
    else found.others += 1; // unreadable, or gone meanwhile
  } else if (entry.name.startsWith(".")) {
    found.hidden += 1;
  } else {
    const reader = entry.createReader();
    for (;;) { // each call gives up to 100 entries, the last gives none
      const some = await new Promise((done, fail) => reader.readEntries(done, fail)).catch(() => []);
      if (!some.length) break;
      for (const inner of some) await walk(inner, found);
    }
  }
}

function take(file, path, found) {
  const inFolder = path.includes("/");
  if (inFolder && path.split("/").some((part) => part.startsWith("."))) found.hidden += 1;
  else if (inFolder && !SUFFIX.test(file.name)) found.others += 1;
  else {
    paths.set(file, path);
    found.files.push(file);
  }
}

/** "3 skipped: 2 no images, 1 hidden", or "". */
export function skippedLine({ hidden, others }) {
  const parts = [others && `${others} no image${others > 1 ? "s" : ""}`, hidden && `${hidden} hidden`].filter(Boolean);
  return parts.length ? `${hidden + others} skipped: ${parts.join(", ")}` : "";
}

/** A change of one item of `images`; many within 100 ms are one change of the store. */
export function makePatcher(store) {
  let patches = new Map();
  function apply() {
    const waiting = patches;
    patches = new Map();
    if (!waiting.size) return;
    store.set({ images: store.get().images.map((item) => (waiting.has(item.id) ? { ...item, ...waiting.get(item.id) } : item)) });
  }
  const soon = throttle(apply, EVERY_MS);
  return {
    patch(id, change) {
      patches.set(id, { ...patches.get(id), ...change });
      soon();
    },
    flush: apply,
  };
}

let uploads = 0;

/** The name of a row, which stays when the server has given its id. */
function newKey() {
  const key = `upload-${++uploads}`;
  return { key, id: key };
}

/**
 * Upload files, two at a time, into `images` of the store; one that is refused stays as a row.
 *
 * @param {File[]|{files: File[], hidden: number, others: number}} chosen  such as of `filesOf`
 * @param {{store: any, engine: any, actions: any}} app
 * @returns {Promise<object[]>} the Images that were opened, in order
 */
export async function addFiles(chosen, { store, engine, actions }) {
  const files = chosen.files ?? Array.from(chosen);
  const skipped = chosen.files ? skippedLine(chosen) : "";
  if (skipped) actions.say(skipped);
  const waiting = files.map((file) => ({
    file, item: { ...newKey(), name: pathOf(file), bytes: file.size, status: "pending", settings: null, result: null, error: null },
  }));
  store.set({ images: [...store.get().images, ...waiting.map(({ item }) => item)] });
  const patcher = makePatcher(store);
  const opened = new Array(files.length).fill(null);
  let next = 0;
  async function work() {
    while (next < waiting.length) {
      const at = next++;
      opened[at] = await upload(waiting[at], { store, engine, patcher });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  patcher.flush();
  return opened.filter(Boolean);
}

async function upload({ file, item }, { store, engine, patcher }) {
  if (!store.get().images.some(({ id }) => id === item.id)) return null; // removed meanwhile
  patcher.patch(item.id, { status: "uploading", progress: 0 });
  patcher.flush(); // at once: from here on a cancel leaves it in the list
  try {
    const image = await engine.open(file, (progress) => patcher.patch(item.id, { progress }));
    patcher.patch(item.id, { ...image, name: item.name, status: "ready", settings: null });
    return image;
  } catch ({ kind, message }) {
    patcher.patch(item.id, { status: "refused", error: { kind, message } });
    return null;
  }
}
