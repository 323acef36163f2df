// The distinct colors of a picture, and which of them each pixel has.
//
//     RGBA pixels -> [distinctColors] -> colors in Z-order, how often, and a row of them per pixel
//
// A photograph has several pixels to a color, and so what is worked out per color is cheaper than per
// pixel. Colors come in Z-order (the bits of their channels interleaved): neighbors in the list are
// neighbors in space, which the search for the nearest palette entry lives on (nearest.js), and
// pixels side by side find their colors side by side, too. So sorting pays twice, and a radix sort
// costs a few passes over the pixels.
//
// Morton (1966), A computer oriented geodetic data base and a new technique in file sequencing.

const DIGIT = 8; // bits sorted by at a time
const BUCKETS = 1 << DIGIT;

/** The bits of every byte, each `every` places from the next. */
function spreadBits(every) {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let spread = 0;
    for (let bit = 0; bit < 8; ++bit) spread += ((byte >> bit) & 1) * 2 ** (bit * every);
    return spread;
  });
}
const THIRDS = spreadBits(3);
const FOURTHS = spreadBits(4);

const codeOfOpaque = (color) =>
  (THIRDS[color & 255] << 1) | (THIRDS[(color >> 8) & 255] << 2) | THIRDS[(color >> 16) & 255];

const codeWithAlpha = (color) =>
  ((FOURTHS[color & 255] << 1) | (FOURTHS[(color >> 8) & 255] << 2) |
    FOURTHS[(color >> 16) & 255] | (FOURTHS[color >>> 24] << 3)) >>> 0;

/** Sorts codes of so many bits, and takes the pixels that have them along. Returns both. */
function sortCodes(codes, pixels, bits) {
  const n = codes.length;
  let otherCodes = new Uint32Array(n), otherPixels = new Uint32Array(n);
  for (let shift = 0; shift < bits; shift += DIGIT) {
    const starts = new Uint32Array(BUCKETS + 1);
    for (let i = 0; i < n; ++i) ++starts[((codes[i] >>> shift) & (BUCKETS - 1)) + 1];
    for (let bucket = 0; bucket < BUCKETS; ++bucket) starts[bucket + 1] += starts[bucket];
    for (let i = 0; i < n; ++i) {
      const code = codes[i], to = starts[(code >>> shift) & (BUCKETS - 1)]++;
      otherCodes[to] = code;
      otherPixels[to] = pixels[i];
    }
    [codes, otherCodes, pixels, otherPixels] = [otherCodes, codes, otherPixels, pixels];
  }
  return { codes, pixels };
}

/** Which pixels are opaque, which partly transparent, and how many are neither. */
function pixelsByClass(words) {
  let opaque = 0, partial = 0;
  for (let i = 0; i < words.length; ++i) {
    const alpha = words[i] >>> 24;
    if (alpha === 255) ++opaque;
    else if (alpha) ++partial;
  }
  const classes = { opaque: new Uint32Array(opaque), partial: new Uint32Array(partial) };
  for (let i = 0, o = 0, p = 0; i < words.length; ++i) {
    const alpha = words[i] >>> 24;
    if (alpha === 255) classes.opaque[o++] = i;
    else if (alpha) classes.partial[p++] = i;
  }
  return { ...classes, transparent: words.length - opaque - partial };
}

/** Appends the distinct ones of the sorted codes to `found`, and notes the row of each pixel. */
function addRuns({ codes, pixels }, words, found) {
  let { rows } = found;
  for (let i = 0; i < codes.length; ++i) {
    if (i === 0 || codes[i] !== codes[i - 1]) {
      found.colors[rows] = words[pixels[i]];
      found.codes[rows++] = codes[i];
    }
    ++found.counts[rows - 1];
    found.rowOf[pixels[i]] = rows - 1;
  }
  found.rows = rows;
}

/**
 * Lists the distinct colors of a picture: opaque ones first, then those of partial alpha, each in
 * Z-order, and last one for all fully transparent pixels, whatever color hides in them.
 *
 * @param {Uint8Array} rgba pixels of four bytes, straight alpha, at a multiple of four in their buffer
 * @returns {{colors: Uint32Array, codes: Uint32Array, counts: Uint32Array, rowOf: Uint32Array,
 *   opaque: number, partial: number}} packed colors (as the bytes lie in memory), their place in
 *   Z-order, how many pixels have each, the row of each pixel's color, and how many rows of each kind
 */
export function distinctColors(rgba) {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length >> 2);
  const n = words.length;
  const { opaque, partial, transparent } = pixelsByClass(words);
  const found = { colors: new Uint32Array(n), codes: new Uint32Array(n),
    counts: new Uint32Array(n), rowOf: new Uint32Array(n), rows: 0 };
  addRuns(sortCodes(Uint32Array.from(opaque, (i) => codeOfOpaque(words[i])), opaque, 24), words, found);
  const opaqueRows = found.rows;
  addRuns(sortCodes(Uint32Array.from(partial, (i) => codeWithAlpha(words[i])), partial, 32), words, found);
  const partialRows = found.rows - opaqueRows;
  if (transparent) {
    for (let i = 0; i < n; ++i) if (words[i] >>> 24 === 0) found.rowOf[i] = found.rows;
    found.counts[found.rows++] = transparent; // its color and code stay 0
  }
  const [colors, codes, counts] = [found.colors, found.codes, found.counts].map((a) => a.slice(0, found.rows));
  return { colors, codes, counts, rowOf: found.rowOf, opaque: opaqueRows, partial: partialRows };
}
