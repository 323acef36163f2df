// The exactly nearest palette entry of every color: what comparing with all entries gives.
//
//     codes, points -> [makeTree] -> tree          once per picture and working space
//     tree, palette -> [nearestRows] -> labels     for every palette
//
// Nearest is the smallest squared distance between integer points, ties to the lower row. A tree over
// the colors in Z-order has at each node the box around its points. On the way down, entries are left
// out that cannot be nearest anywhere in the box; where one is left, all its points have their entry,
// and at a leaf a few remain to be compared. That is the way of the library's own tree
// (native/kernels/tree_search.hpp).
//
// Instead of |p - e|² we compare |e|²/2 - p·e: half of it, without what is the same for all entries.
// All of it is exact: integers and halves far below 2^53.
//
// Of comparing with all entries, lists of candidates for cells of space, and entries sorted along an
// axis, each per distinct color, this was the fastest everywhere, twice as fast with 256 entries.

const DIMS = 4; // coordinates of a point
const BOX = 2 * DIMS; // numbers of a box: the lowest coordinates, then the highest
const LEAF = 32; // points in a leaf, at most; from 16 to 64 it makes little difference
const DEPTH = 34; // nodes on the longest way down, which drops one of 32 bits at each

/** Where a range of ascending codes is cut: at the highest bit in which they differ. */
function splitOf(codes, begin, end) {
  const first = codes[begin];
  const bit = 1 << (31 - Math.clz32(first ^ codes[end - 1]));
  let low = begin, high = end - 1; // codes[low] lacks the bit, codes[high] has it
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((codes[middle] ^ first) & bit) high = middle;
    else low = middle;
  }
  return high;
}

/** Writes the box around some points. */
function boundPoints(points, begin, end, boxes, box) {
  for (let d = 0; d < DIMS; ++d) {
    let low = Infinity, high = -Infinity;
    for (let at = begin * DIMS + d; at < end * DIMS; at += DIMS) {
      if (points[at] < low) low = points[at];
      if (points[at] > high) high = points[at];
    }
    boxes[box + d] = low;
    boxes[box + DIMS + d] = high;
  }
}

/** Writes the box around two boxes. */
function boundBoxes(boxes, left, right, box) {
  for (let d = 0; d < DIMS; ++d) {
    boxes[box + d] = Math.min(boxes[left + d], boxes[right + d]);
    boxes[box + DIMS + d] = Math.max(boxes[left + DIMS + d], boxes[right + DIMS + d]);
  }
}

/**
 * Makes the tree of a range of colors.
 *
 * @param {Uint32Array} codes places in Z-order, ascending and distinct in the range
 * @param {Int16Array} points four coordinates each
 * @param {number} begin
 * @param {number} end
 * @returns {object} nodes, in the order in which a walk meets them: which points (`begins`, `ends`),
 *   which node follows the last descendant (`nexts`; the first child follows the node), and `boxes`
 */
export function makeTree(codes, points, begin, end) {
  const begins = [], ends = [], nexts = [], boxes = [];
  const grow = (from, to) => {
    const node = begins.length;
    begins.push(from);
    ends.push(to);
    nexts.push(0);
    boxes.push(0, 0, 0, 0, 0, 0, 0, 0);
    if (to - from <= LEAF) boundPoints(points, from, to, boxes, node * BOX);
    else {
      const split = splitOf(codes, from, to);
      const left = grow(from, split), right = grow(split, to);
      boundBoxes(boxes, left * BOX, right * BOX, node * BOX);
    }
    nexts[node] = begins.length;
    return node;
  };
  if (begin < end) grow(begin, end);
  const [b, e, n] = [begins, ends, nexts].map((column) => Int32Array.from(column));
  return { points, begins: b, ends: e, nexts: n, boxes: Float64Array.from(boxes) };
}

/** The coordinates of the entries of some rows, and half their squared length, column by column. */
function columnsOf(entries, rows) {
  const column = (d) => Float64Array.from(rows, (row) => entries[row * DIMS + d]);
  const [X, Y, Z, A] = [0, 1, 2, 3].map(column);
  const half = X.map((x, j) => (x * x + Y[j] * Y[j] + Z[j] * Z[j] + A[j] * A[j]) / 2);
  return { X, Y, Z, A, half };
}

/**
 * Writes to `labels` the nearest of some palette entries, for every color of a tree.
 *
 * @param {object} tree from `makeTree`
 * @param {Int16Array} entries points of the whole palette, four coordinates each
 * @param {number[]} rows the entries that may be taken, ascending
 * @param {Uint8Array} labels of all colors of the picture; the tree's are written
 */
export function nearestRows(tree, entries, rows, labels) {
  const { points, begins, ends, nexts, boxes } = tree;
  const { X, Y, Z, A, half } = columnsOf(entries, rows);
  // On the way down each node appends, after those of its parent, the entries that it keeps.
  const kept = new Uint16Array(rows.length * (DEPTH + 1));

  const nearestOf = (x, y, z, a, from, to) => {
    let best = Infinity, nearest = 0;
    for (let i = from; i < to; ++i) {
      const j = kept[i], d = half[j] - x * X[j] - y * Y[j] - z * Z[j] - a * A[j];
      if (d < best) {
        best = d;
        nearest = j; // the lowest of several, as they ascend
      }
    }
    return nearest;
  };
  const nearestToCenter = (box, from, to) =>
    nearestOf((boxes[box] + boxes[box + 4]) / 2, (boxes[box + 1] + boxes[box + 5]) / 2,
      (boxes[box + 2] + boxes[box + 6]) / 2, (boxes[box + 3] + boxes[box + 7]) / 2, from, to);

  // An entry stays unless the one nearest to the center is nearer in every corner of the box, or as
  // near and in a lower row. What holds in the corners does everywhere: the difference of two
  // squared distances is linear.
  const keep = (box, from, to) => {
    const rival = nearestToCenter(box, from, to);
    let size = to;
    for (let i = from; i < to; ++i) {
      const j = kept[i];
      const x = X[j] - X[rival], y = Y[j] - Y[rival], z = Z[j] - Z[rival], a = A[j] - A[rival];
      const least = half[j] - half[rival] -
        x * boxes[x > 0 ? box + 4 : box] - y * boxes[y > 0 ? box + 5 : box + 1] -
        z * boxes[z > 0 ? box + 6 : box + 2] - a * boxes[a > 0 ? box + 7 : box + 3];
      if (least < 0 || (least === 0 && j <= rival)) kept[size++] = j;
    }
    return size;
  };
  const compare = (node, from, to) => {
    for (let p = begins[node], at = p * DIMS; p < ends[node]; ++p, at += DIMS) {
      const x = points[at], y = points[at + 1], z = points[at + 2], a = points[at + 3];
      labels[p] = rows[nearestOf(x, y, z, a, from, to)];
    }
  };
  const visit = (node, from, to) => {
    const end = keep(node * BOX, from, to);
    if (end === to + 1) labels.fill(rows[kept[to]], begins[node], ends[node]);
    else if (nexts[node] === node + 1) compare(node, to, end);
    else {
      visit(node + 1, to, end);
      visit(nexts[node + 1], to, end);
    }
  };

  for (let j = 0; j < rows.length; ++j) kept[j] = j;
  if (begins.length) visit(0, 0, rows.length);
}

/**
 * Says which entries a color of this alpha may take: fully transparent colors take fully
 * transparent entries and opaque ones opaque entries, wherever the palette has one.
 *
 * @param {Uint8Array} palette entries of four bytes
 * @param {number} alpha 0 to 255
 * @returns {number[]} rows, ascending, never none
 */
export function allowedRows(palette, alpha) {
  const all = Array.from({ length: palette.length / 4 }, (_, row) => row);
  const same = all.filter((row) => palette[row * 4 + 3] === alpha);
  return (alpha === 0 || alpha === 255) && same.length ? same : all;
}
