// The exactly nearest palette entry of every color, ties to the lower row. A tree over colors in
// Z-order has at each node the box around its points; on the way down, entries are left out that
// cannot be nearest anywhere in it (as in native/kernels/tree_search.hpp). Instead of |p - e|² we
// compare |e|²/2 - p·e, which is exact: integers and halves far below 2^53.

const DIMS = 4;
const BOX = 2 * DIMS; // numbers of a box: the lowest coordinates, then the highest
const LEAF = 32; // points in a leaf, at most
const DEPTH = 34; // nodes on the longest way down, which drops a bit at each

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

/** Nodes in the order of a walk: their first points, boxes, and which node follows the subtree. */
export function makeTree(codes, points, begin, end) {
  const begins = [], nexts = [], boxes = [];
  const grow = (from, to) => {
    const node = begins.push(from) - 1, box = node * BOX;
    boxes.push(0, 0, 0, 0, 0, 0, 0, 0);
    const split = to - from > LEAF && splitOf(codes, from, to);
    const left = split && grow(from, split), right = split && grow(split, to);
    for (let d = 0; d < DIMS; ++d) {
      let low = Infinity, high = -Infinity;
      if (split) {
        low = Math.min(boxes[left + d], boxes[right + d]);
        high = Math.max(boxes[left + DIMS + d], boxes[right + DIMS + d]);
      } else for (let at = from * DIMS + d; at < to * DIMS; at += DIMS) {
        if (points[at] < low) low = points[at];
        if (points[at] > high) high = points[at];
      }
      boxes[box + d] = low;
      boxes[box + DIMS + d] = high;
    }
    nexts[node] = begins.length;
    return box;
  };
  if (begin < end) grow(begin, end);
  begins.push(end);
  return { points, begins, nexts, boxes: Float64Array.from(boxes) };
}

/** Writes to `labels` the nearest of the allowed `rows` of `entries`, for every color of a tree. */
export function nearestRows({ points, begins, nexts, boxes }, entries, rows, labels) {
  const column = (d) => Float64Array.from(rows, (row) => entries[row * DIMS + d]);
  const [X, Y, Z, A] = [0, 1, 2, 3].map(column);
  const half = X.map((x, j) => (x * x + Y[j] * Y[j] + Z[j] * Z[j] + A[j] * A[j]) / 2);
  const kept = new Uint16Array(rows.length * (DEPTH + 1)); // each node's, after its parent's
  kept.set(rows.map((_, j) => j));

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

  // An entry stays unless the one nearest to the center beats it in every corner of the box: what
  // holds there does everywhere, as the difference of two squared distances is linear.
  const keep = (box, from, to) => {
    const middle = (d) => (boxes[box + d] + boxes[box + DIMS + d]) / 2;
    const rival = nearestOf(middle(0), middle(1), middle(2), middle(3), from, to);
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

  const visit = (node, from, to) => {
    const end = keep(node * BOX, from, to), next = nexts[node];
    if (end === to + 1) labels.fill(rows[kept[to]], begins[node], begins[next]);
    else if (next > node + 1) {
      visit(node + 1, to, end);
      visit(nexts[node + 1], to, end);
    } else {
      for (let p = begins[node], at = p * DIMS; p < begins[next]; ++p, at += DIMS)
        labels[p] = rows[nearestOf(points[at], points[at + 1], points[at + 2], points[at + 3], to, end)];
    }
  };
  if (nexts.length) visit(0, 0, rows.length);
}

/** Rows that a color of this alpha may take: invisible and opaque ones take their like, if any. */
export function allowedRows(palette, alpha) {
  const all = Array.from({ length: palette.length / 4 }, (_, row) => row);
  const same = all.filter((row) => palette[row * 4 + 3] === alpha);
  return (alpha === 0 || alpha === 255) && same.length ? same : all;
}
