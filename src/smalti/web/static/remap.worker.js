// Paints a picture with a palette, exactly as the library would: its distinct colors and trees are
// made once, palettes come as often as the slider moves. One answer to each message, in order; what
// messages say is in remap.js. Kept are the overview and the region looked at in true pixels.

import { distinctColors } from "./distinct.js";
import { allowedRows, makeTree, nearestRows } from "./nearest.js";
import { toPoints } from "./points.js";

const GRAY = 119; // the stage's
const DIMMED = 0.8; // how much of the way to that gray the entries go that are not highlighted
const KINDS = [255, 0, 128]; // an alpha of each kind of color: opaque, invisible, between

const pictures = {};

/** A picture's trees, one of each kind of color. */
function treesOf({ distinct: { colors, codes, cuts }, trees }, space) {
  if (!trees[space]) {
    const points = toPoints(new Uint8Array(colors.buffer), colors.length, space, 4);
    trees[space] = KINDS.map((_, i) => makeTree(codes, points, cuts[i], cuts[i + 1]));
  }
  return trees[space];
}

/** Packed colors that entries are painted with: their own, or dimmed beside a highlighted one. */
function paintOf(palette, highlight) {
  const paint = palette.slice();
  if (highlight != null)
    for (let at = 0; at < paint.length; ++at)
      if (at >> 2 !== highlight && (at & 3) !== 3) paint[at] += (GRAY - paint[at]) * DIMMED;
  return new Uint32Array(paint.buffer);
}

function setPicture(name, { width, height, pixels, space }) {
  if (name === "overview") delete pictures.region;
  const distinct = distinctColors(new Uint8Array(pixels));
  const labels = new Uint8Array(distinct.colors.length);
  pictures[name] = { width, height, distinct, labels, trees: {} };
  treesOf(pictures[name], space); // now, while the first palette is on its way
  return {};
}

function remap(name, { colors, space, want }) {
  if (!pictures[name]) return null;
  const { width, height, labels, distinct } = pictures[name];
  const { rowOf } = distinct;
  const entries = toPoints(colors, colors.length / 4, space, 4);
  treesOf(pictures[name], space).forEach((tree, i) =>
    nearestRows(tree, entries, allowedRows(colors, KINDS[i]), labels));

  const paint = paintOf(colors, want.highlight);
  const rgba = new Uint32Array(rowOf.length);
  for (let i = 0; i < rowOf.length; ++i) rgba[i] = paint[labels[rowOf[i]]];
  const answer = { width, height, rgba: rgba.buffer };
  if (want.counts) {
    answer.counts = new Uint32Array(paint.length);
    for (let row = 0; row < labels.length; ++row) answer.counts[labels[row]] += distinct.counts[row];
  }
  if (want.indices) answer.indices = Uint8Array.from(rowOf, (row) => labels[row]);
  return answer;
}

onmessage = ({ data }) => {
  const name = data.layer === "region" ? "region" : "overview";
  const answer = data.pixels ? setPicture(name, data) : remap(name, data);
  postMessage(answer, answer?.rgba ? [answer.rgba] : []);
};
