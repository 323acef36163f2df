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
// Instead of |p - e|² we compare |e|²/2 - p·e, which differs from half of it by what is the same for
// all entries. All of it is exact: integers and halves far below 2^53.

/** Points in a leaf, at most; fewer make the tree cost more than it saves. */
const LEAF = 32;
const DIMS = 4;

/** Where a range of sorted codes is cut: at the highest bit in which they differ. */
function splitOf(codes, begin, end) {
  const first = codes[begin], differing = first ^ codes[end - 1];
  const bit = 1 << (31 - Math.clz32(differing));
  let low = begin, high = end - 1; // codes[low] lacks the bit, codes[high] has it
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((codes[middle] ^ first) & bit) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * Makes the tree of a range of colors.
 *
 * @param {Uint32Array} codes places in Z-order, ascending and distinct in the range
 * @param {Int16Array} points four coordinates each
 * @returns {{begin, end, points, ends: Int32Array, nexts: Int32Array, boxes: Int16Array}} nodes in
 *   the order in which a walk meets them: a node's first child follows it, `nexts` is what follows
 *   its last descendant; boxes are the lowest four coordinates and the highest
 */
export function makeTree(codes, points, begin, end) {
  const ends = [], nexts = [], begins = [], boxes = [];

  const boxOfPoints = (node, from, to) => {
    for (let d = 0; d < DIMS; ++d) {
      let low = 32767, high = -32768;
      for (let at = from * DIMS + d; at < to * DIMS; at += DIMS) {
        if (points[at] < low) low = points[at];
        if (points[at] > high) high = points[at];
      }
      boxes[node * 8 + d] = low;
      boxes[node * 8 + 4 + d] = high;
    }
  };
  const boxOfChildren = (node, left, right) => {
    for (let d = 0; d < DIMS; ++d) {
      boxes[node * 8 + d] = Math.min(boxes[left * 8 + d], boxes[right * 8 + d]);
      boxes[node * 8 + 4 + d] = Math.max(boxes[left * 8 + 4 + d], boxes[right * 8 + 4 + d]);
    }
  };
  const grow = (from, to) => {
    const node = begins.length;
    begins.push(from);
    ends.push(to);
    nexts.push(0);
    for (let i = 0; i < 8; ++i) boxes.push(0);
    if (to - from <= LEAF) boxOfPoints(node, from, to);
    else {
      const split = splitOf(codes, from, to);
      const left = grow(from, split), right = grow(split, to);
      boxOfChildren(node, left, right);
    }
    nexts[node] = begins.length;
    return node;
  };
  if (begin < end) grow(begin, end);
  return { points, begins: Int32Array.from(begins), ends: Int32Array.from(ends),
    nexts: Int32Array.from(nexts), boxes: Float64Array.from(boxes) };
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
  const n = rows.length;
  const X = new Float64Array(n), Y = new Float64Array(n), Z = new Float64Array(n),
    A = new Float64Array(n), half = new Float64Array(n);
  rows.forEach((row, i) => {
    const [x, y, z, a] = entries.subarray(row * 4, row * 4 + 4);
    X[i] = x; Y[i] = y; Z[i] = z; A[i] = a;
    half[i] = (x * x + y * y + z * z + a * a) / 2;
  });
  const kept = new Uint16Array(n * 64);
  for (let i = 0; i < n; ++i) kept[i] = i;

  const central = (box, from, count) => {
    const x = (boxes[box] + boxes[box + 4]) / 2, y = (boxes[box + 1] + boxes[box + 5]) / 2,
      z = (boxes[box + 2] + boxes[box + 6]) / 2, a = (boxes[box + 3] + boxes[box + 7]) / 2;
    let best = Infinity, rival = 0;
    for (let i = from; i < from + count; ++i) {
      const j = kept[i], d = half[j] - x * X[j] - y * Y[j] - z * Z[j] - a * A[j];
      if (d < best) { best = d; rival = j; }
    }
    return rival;
  };
  // An entry stays unless the rival is nearer in every corner of the box, and so everywhere.
  const keep = (box, from, count, to) => {
    const rival = central(box, from, count);
    const rx = X[rival], ry = Y[rival], rz = Z[rival], ra = A[rival], rh = half[rival];
    let size = to;
    for (let i = from; i < from + count; ++i) {
      const j = kept[i], x = X[j] - rx, y = Y[j] - ry, z = Z[j] - rz, a = A[j] - ra;
      const least = half[j] - rh - x * boxes[x > 0 ? box + 4 : box] - y * boxes[y > 0 ? box + 5 : box + 1] -
        z * boxes[z > 0 ? box + 6 : box + 2] - a * boxes[a > 0 ? box + 7 : box + 3];
      if (least < 0 || (least === 0 && j <= rival)) kept[size++] = j;
    }
    return size - to;
  };
  const compare = (begin, end, from, count) => {
    for (let p = begin; p < end; ++p) {
      const x = points[p * 4], y = points[p * 4 + 1], z = points[p * 4 + 2], a = points[p * 4 + 3];
      let best = Infinity, nearest = 0;
      for (let i = from; i < from + count; ++i) {
        const j = kept[i], d = half[j] - x * X[j] - y * Y[j] - z * Z[j] - a * A[j];
        if (d < best) { best = d; nearest = j; }
      }
      labels[p] = rows[nearest];
    }
  };
  const visit = (node, from, count) => {
    const to = from + count;
    const left = keep(node * 8, from, count, to);
    if (left === 1) labels.fill(rows[kept[to]], begins[node], ends[node]);
    else if (nexts[node] === node + 1) compare(begins[node], ends[node], to, left);
    else {
      visit(node + 1, to, left);
      visit(nexts[node + 1], to, left);
    }
  };
  if (begins.length) visit(0, 0, n);
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
