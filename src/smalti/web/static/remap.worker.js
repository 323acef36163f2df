// The worker that paints a picture with a palette, exactly as the library would.
//
//     picture -> [distinctColors, toPoints, makeTree]          once
//     palette -> [nearestRows] -> labels -> indices, pixels    as often as the slider moves
//
// It keeps two pictures, the overview and the piece that is looked at in true pixels. Requests may
// come faster than they can be met: of those for one layer that wait, only the newest is worked on,
// the others are answered with "skipped". So what is painted is never older than one remap.
//
// remap.js speaks to it; the messages are described there.

import { distinctColors } from "./distinct.js";
import { allowedRows, makeTree, nearestRows } from "./nearest.js";
import { toPoints } from "./points.js";

const GRAY = 119; // the stage's gray, on which alpha is shown for a difference
const DIMMED = 0.8; // how much of the way to that gray the entries go that are not highlighted
const POOL = 4; // buffers kept to be painted into again

const pictures = { overview: null, region: null };
const waiting = new Map(); // layer -> the newest request for it
const pool = [];
const tick = new MessageChannel();
let ticking = false;
let space = "oklab"; // of requests that do not say

function prepare({ id, width, height, pixels }) {
  const distinct = distinctColors(new Uint8Array(pixels));
  const labels = new Uint8Array(distinct.colors.length);
  const picture = { id, width, height, distinct, labels, trees: {} };
  treesOf(picture, space); // now, while the first palette is on its way
  return picture;
}

/** A picture's trees: of opaque colors, of partly transparent ones, and of the invisible one. */
function treesOf({ distinct, trees }, space) {
  if (!trees[space]) {
    const { colors, codes, opaque, partial } = distinct;
    const points = toPoints(new Uint8Array(colors.buffer), colors.length, space, 4);
    const cuts = [0, opaque, opaque + partial, colors.length];
    trees[space] = [255, 128, 0].map((alpha, i) =>
      ({ alpha, tree: makeTree(codes, points, cuts[i], cuts[i + 1]) }));
  }
  return trees[space];
}

function labelColors(picture, palette, space) {
  const entries = toPoints(palette, palette.length / 4, space, 4);
  for (const { alpha, tree } of treesOf(picture, space))
    nearestRows(tree, entries, allowedRows(palette, alpha), picture.labels);
}

function countPixels({ distinct, labels }, k) {
  const counts = new Uint32Array(k);
  for (let row = 0; row < labels.length; ++row) counts[labels[row]] += distinct.counts[row];
  return counts;
}

function freshBuffer(bytes) {
  const at = pool.findIndex((buffer) => buffer.byteLength === bytes);
  return at < 0 ? new ArrayBuffer(bytes) : pool.splice(at, 1)[0];
}

function paintIndices({ distinct: { rowOf }, labels }) {
  const indices = new Uint8Array(freshBuffer(rowOf.length));
  for (let i = 0; i < rowOf.length; ++i) indices[i] = labels[rowOf[i]];
  return indices;
}

/** Packed colors that entries are painted with: their own, or dimmed beside a highlighted one. */
function paintOf(palette, highlight) {
  const paint = palette.slice();
  if (highlight !== undefined && highlight !== null)
    for (let at = 0; at < paint.length; ++at)
      if (at >> 2 !== highlight && (at & 3) !== 3) paint[at] += (GRAY - paint[at]) * DIMMED;
  return new Uint32Array(paint.buffer);
}

/** A channel of a color as it looks on the gray. */
const shown = (value, alpha) => Math.trunc((value * alpha + GRAY * (255 - alpha) + 127) / 255);

/** Packed opaque color of |original - result| times gain, for each color of the picture. */
function differences({ distinct: { colors }, labels }, palette, gain) {
  const painted = new Uint32Array(colors.length);
  const after = palette.map((value, at) => shown(value, palette[at | 3]));
  for (let row = 0; row < colors.length; ++row) {
    const color = colors[row], alpha = color >>> 24, entry = labels[row] * 4;
    let word = 255 << 24;
    for (let d = 0; d < 3; ++d) {
      const value = (color >>> (8 * d)) & 255;
      const error = Math.abs((alpha === 255 ? value : shown(value, alpha)) - after[entry + d]);
      word |= Math.min(255, Math.round(error * gain)) << (8 * d);
    }
    painted[row] = word;
  }
  return painted;
}

function paintPixels(picture, palette, { difference, highlight }) {
  const { distinct: { rowOf }, labels } = picture;
  const pixels = new Uint32Array(freshBuffer(rowOf.length * 4));
  if (difference) {
    const painted = differences(picture, palette, difference);
    for (let i = 0; i < rowOf.length; ++i) pixels[i] = painted[rowOf[i]];
  } else {
    const paint = paintOf(palette, highlight);
    for (let i = 0; i < rowOf.length; ++i) pixels[i] = paint[labels[rowOf[i]]];
  }
  return pixels.buffer;
}

function remap(picture, { job, layer, colors, space, want = {} }) {
  const start = performance.now();
  const palette = new Uint8Array(colors);
  const { id, width, height, distinct } = picture;
  labelColors(picture, palette, space);
  const answer = { type: "remapped", job, layer, id, width, height };
  answer.distinct = distinct.colors.length;
  if (want.counts) answer.counts = countPixels(picture, palette.length / 4);
  if (want.indices) answer.indices = paintIndices(picture);
  if (want.rgba !== false) answer.rgba = paintPixels(picture, palette, want);
  answer.milliseconds = performance.now() - start;
  const owned = [answer.rgba, answer.indices?.buffer, answer.counts?.buffer];
  postMessage(answer, owned.filter(Boolean));
}

/** Works on one request, and lets messages in before the next. */
function workOnOne() {
  ticking = false;
  const [request] = waiting.values();
  if (!request) return;
  waiting.delete(request.layer);
  schedule();
  const picture = request.layer === "region" ? pictures.region : pictures.overview;
  if (!picture) postMessage({ type: "skipped", job: request.job });
  else remap(picture, request);
}

function schedule() {
  if (ticking || !waiting.size) return;
  ticking = true;
  tick.port2.postMessage(null);
}

function setPicture(name, message) {
  const start = performance.now();
  pictures[name] = prepare(message);
  const distinct = pictures[name].distinct.colors.length;
  const milliseconds = performance.now() - start;
  postMessage({ type: "prepared", id: message.id, name, distinct, milliseconds });
}

const handlers = {
  image(message) {
    if (message.space) space = message.space;
    pictures.region = null; // it belonged to another picture, as did the buffers
    pool.length = 0;
    setPicture("overview", message);
  },
  region: (message) => setPicture("region", message),
  space(message) {
    space = message.space;
  },
  remap(message) {
    const older = waiting.get(message.layer);
    if (older) postMessage({ type: "skipped", job: older.job });
    waiting.set(message.layer, { space, ...message });
    schedule();
  },
  reuse({ buffer }) {
    pool.push(buffer);
    if (pool.length > POOL) pool.shift();
  },
};

tick.port1.onmessage = workOnOne;
onmessage = ({ data }) => handlers[data.type](data);
