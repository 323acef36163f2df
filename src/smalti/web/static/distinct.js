// The distinct colors of a picture, and which of them each pixel has.
//
//     RGBA pixels -> [distinctColors] -> colors in Z-order, how often, and a row of them per pixel
//
// A photograph has several pixels to a color, and so what is worked out per color is cheaper than per
// pixel. Colors come in Z-order (the bits of their channels interleaved): neighbors in the list are
// neighbors in space, which the search for the nearest palette entry lives on (nearest.js), and
// pixels side by side find their colors side by side, too. So sorting pays twice; a radix sort is two
// passes over the pixels, or three where they have alpha.
//
// Morton (1966), A computer oriented geodetic data base and a new technique in file sequencing.

const DIGIT = 12; // bits sorted by at a time: two passes for 24 bits are faster than three
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

const codeOfOpaque = (word) =>
  (THIRDS[word & 255] << 1) | (THIRDS[(word >> 8) & 255] << 2) | THIRDS[(word >> 16) & 255];

const codeWithAlpha = (word) =>
  (FOURTHS[word & 255] << 1) | (FOURTHS[(word >> 8) & 255] << 2) |
  FOURTHS[(word >> 16) & 255] | (FOURTHS[word >>> 24] << 3);

/** How many pixels are opaque, and how many partly transparent. */
function countClasses(words) {
  let opaque = 0, invisible = 0;
  for (let i = 0; i < words.length; ++i) {
    const alpha = words[i] >>> 24;
    if (alpha === 255) ++opaque;
    else if (alpha === 0) ++invisible;
  }
  return { opaque, partial: words.length - opaque - invisible };
}

/** The codes of the visible pixels, and which pixels they are: of opaque ones, and of the others. */
function codesOf(words) {
  const size = countClasses(words);
  const list = (n, bits) => ({ codes: new Uint32Array(n), pixels: new Uint32Array(n), bits });
  const opaque = list(size.opaque, 24), partial = list(size.partial, 32);
  for (let i = 0, o = 0, p = 0; i < words.length; ++i) {
    const word = words[i], alpha = word >>> 24;
    if (alpha === 255) {
      opaque.codes[o] = codeOfOpaque(word);
      opaque.pixels[o++] = i;
    } else if (alpha) {
      partial.codes[p] = codeWithAlpha(word);
      partial.pixels[p++] = i;
    }
  }
  return [opaque, partial];
}

/** Sorts codes of so many bits, and takes the pixels that have them along. */
function sorted({ codes, pixels, bits }) {
  const n = codes.length;
  let otherCodes = new Uint32Array(n), otherPixels = new Uint32Array(n);
  for (let shift = 0; n && shift < bits; shift += DIGIT) {
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

/** Appends the distinct ones of sorted codes to `found`, and notes the row of each pixel. */
function addRuns({ codes, pixels }, words, found) {
  let row = found.rows - 1, last = -1;
  for (let i = 0; i < codes.length; ++i) {
    const code = codes[i], pixel = pixels[i];
    if (code !== last) {
      last = code;
      ++row;
      found.colors[row] = words[pixel];
      found.codes[row] = code;
    }
    ++found.counts[row];
    found.rowOf[pixel] = row;
  }
  found.rows = row + 1;
}

/** Appends the one color of all invisible pixels, if there are any; its color and code are 0. */
function addInvisible(words, found) {
  let count = 0;
  for (let i = 0; i < words.length; ++i)
    if (words[i] >>> 24 === 0) {
      found.rowOf[i] = found.rows;
      ++count;
    }
  if (count) found.counts[found.rows++] = count;
}

/**
 * Lists the distinct colors of a picture: opaque ones first, then those of partial alpha, each in
 * Z-order, and last one for all fully transparent pixels, whatever color hides in them.
 *
 * @param {Uint8Array} rgba pixels of four bytes, straight alpha; aligned to four in their buffer
 * @returns {{colors: Uint32Array, codes: Uint32Array, counts: Uint32Array, rowOf: Uint32Array,
 *   opaque: number, partial: number}} packed colors (as the bytes lie in memory), their places in
 *   Z-order, how many pixels have each; the row of every pixel's color; how many rows of both kinds
 */
export function distinctColors(rgba) {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length >> 2);
  const room = () => new Uint32Array(words.length);
  const found = { colors: room(), codes: room(), counts: room(), rowOf: room(), rows: 0 };
  const [opaque, partial] = codesOf(words).map((pixelCodes) => {
    const before = found.rows;
    addRuns(sorted(pixelCodes), words, found);
    return found.rows - before;
  });
  addInvisible(words, found);
  const [colors, codes, counts] = [found.colors, found.codes, found.counts]
    .map((column) => column.slice(0, found.rows));
  return { colors, codes, counts, rowOf: found.rowOf, opaque, partial };
}
