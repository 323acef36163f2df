/**
 * Files on their way in: found in a drop or a folder, and uploaded two at a time.
 *
 * Every file is an item of `images` in the store: its Image, and `status` ("pending" "uploading"
 * "refused" | "ready" "queued" "running" "done" "failed" "cancelled"), `settings` of its own,
 * `result`, `error`, and `progress` 0..1. One that is refused stays with its reason, and stops nothing.
 */

import { throttle } from "./dom.js";

const EVERY_MS = 100;
const AT_ONCE = 2;
const HIDDEN = /(^|\/)\./;
const SUFFIX = /\.(png|jpe?g|mpo|webp|gif|bmp|tiff?|avif)$/i;

const paths = new WeakMap();

/** The path of a file within the folder that was dropped or picked, else its name. */
export function pathOf(file) {
  return paths.get(file) ?? (file.webkitRelativePath || file.name);
}

/**
 * The files of a drop or an input, in order of path, and how many were skipped; folders are walked.
 * What is skipped is what is hidden in a folder, or no image by its name.
 */
export async function filesOf(source) {
  const found = { files: [], skipped: 0 };
  // Entries must be asked for before anything is awaited: after that the browser empties the drop.
  const entries = Array.from(source.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  for (const entry of entries) await walk(entry, found);
  if (!entries.length) for (const file of source.files ?? source) take(file, pathOf(file), found);
  found.files.sort((a, b) => pathOf(a).localeCompare(pathOf(b), "en", { numeric: true }));
  return found;
}

async function walk(entry, found) {
  const ask = (object, method) => new Promise((done, fail) => object[method](done, fail)).catch(() => []); // gone
  if (entry.isFile) return take(await ask(entry, "file"), entry.fullPath.slice(1), found);
  if (HIDDEN.test(entry.name)) return void (found.skipped += 1);
  const reader = entry.createReader();
  for (;;) { // each call gives up to 100 entries, the last gives none
    const some = await ask(reader, "readEntries");
    if (!some.length) return;
    for (const inner of some) await walk(inner, found);
  }
}

function take(file, path, found) {
  const inFolder = path.includes("/");
  if (!file.name || (inFolder && (HIDDEN.test(path) || !SUFFIX.test(path)))) return void (found.skipped += 1);
  paths.set(file, path);
  found.files.push(file);
}

/** Changes of items of `images`; many within 100 ms are one change of the store. */
export function makePatcher(store) {
  let patches = new Map();
  function flush() {
    const waiting = patches;
    patches = new Map();
    if (waiting.size) store.set({ images: store.get().images.map((item) => (waiting.has(item.id) ? { ...item, ...waiting.get(item.id) } : item)) });
  }
  const soon = throttle(flush, EVERY_MS);
  function patch(id, change) {
    patches.set(id, { ...patches.get(id), ...change });
    soon();
  }
  return { patch, flush };
}

let uploads = 0;

/** Upload what `filesOf` found, or plain files, into `images` of the store. */
export async function addFiles(chosen, { store, engine, actions }) {
  if (chosen.skipped) actions.say(`Skipped in folders, hidden or no images: ${chosen.skipped}`);
  const waiting = Array.from(chosen.files ?? chosen, (file) => {
    const key = `upload-${++uploads}`; // stays when the server has given its id
    return { file, item: { key, id: key, name: pathOf(file), bytes: file.size, status: "pending" } };
  });
  const { patch, flush } = makePatcher(store);
  store.set({ images: [...store.get().images, ...waiting.map(({ item }) => item)] });

  async function upload({ file, item }) {
    if (!store.get().images.some(({ id }) => id === item.id)) return; // removed meanwhile
    patch(item.id, { status: "uploading" });
    flush(); // at once: from here on a cancel leaves it in the list
    try {
      patch(item.id, { ...(await engine.open(file)), name: item.name, status: "ready" });
    } catch (error) {
      patch(item.id, { status: "refused", error });
    }
  }

  async function work() {
    while (waiting.length) await upload(waiting.shift());
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  flush();
}
