// The distinct colors of a picture, and which of them each pixel has.
//
//     RGBA pixels -> [distinctColors] -> colors in Z-order, how often, and a row of them per pixel
//
// A photograph has several pixels to a color, so that what is worked out per color is cheaper than
// per pixel. Colors come in Z-order (the bits of their channels interleaved): neighbors in the list
// are neighbors in space, which the search for the nearest palette entry lives on (nearest.js), and
// pixels side by side find their colors side by side, too.
//
// Opaque colors, nearly all there are, are found by marking them in a set of all 2^24, 2 MB of bits;
// a color's row is the number of marks before its own. Colors with alpha are too many for that, and
// are sorted.
//
// Morton (1966), A computer oriented geodetic data base and a new technique in file sequencing.

const MARKS = 2 ** 24 / 32; // words of 32 marks
const DIGIT = 11; // bits sorted by at a time: three passes for the 32 bits of a color with alpha
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

/** How many bits of a word are set. */
function countBits(word) {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Columns for n distinct colors. */
function makeColumns(n) {
  return { colors: new Uint32Array(n), codes: new Uint32Array(n), counts: new Uint32Array(n) };
}

/** Columns of the opaque colors; notes the rows of the pixels that have them. */
function listOpaque(words, rowOf) {
  const marks = new Uint32Array(MARKS), before = new Uint32Array(MARKS);
  for (let i = 0; i < words.length; ++i) {
    if (words[i] >>> 24 !== 255) continue;
    const code = codeOfOpaque(words[i]);
    marks[code >>> 5] |= 1 << (code & 31);
    rowOf[i] = code; // until its row is known
  }
  let rows = 0;
  for (let at = 0; at < MARKS; ++at) {
    before[at] = rows;
    if (marks[at]) rows += countBits(marks[at]);
  }
  const found = makeColumns(rows);
  for (let i = 0; i < words.length; ++i) {
    if (words[i] >>> 24 !== 255) continue;
    const code = rowOf[i], at = code >>> 5;
    const row = before[at] + countBits(marks[at] & ((1 << (code & 31)) - 1));
    found.colors[row] = words[i];
    found.codes[row] = code;
    ++found.counts[row];
    rowOf[i] = row;
  }
  return found;
}

/** The codes of the partly transparent pixels, and which pixels they are. */
function partialPixels(words) {
  const isPartial = (word) => word >>> 24 !== 255 && word >>> 24 !== 0;
  let n = 0;
  for (let i = 0; i < words.length; ++i) if (isPartial(words[i])) ++n;
  const codes = new Uint32Array(n), pixels = new Uint32Array(n);
  for (let i = 0, at = 0; at < n; ++i)
    if (isPartial(words[i])) {
      codes[at] = codeWithAlpha(words[i]);
      pixels[at++] = i;
    }
  return { codes, pixels };
}

/** Sorts codes, digit by digit from the lowest, and takes the pixels that have them along. */
function sorted({ codes, pixels }) {
  const n = codes.length;
  let otherCodes = new Uint32Array(n), otherPixels = new Uint32Array(n);
  for (let shift = 0; shift < 32; shift += DIGIT) {
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

/** Columns of the partly transparent colors; notes the rows of their pixels, from `first` on. */
function listPartial(words, rowOf, first) {
  const { codes, pixels } = sorted(partialPixels(words));
  const found = makeColumns(codes.length);
  let row = -1, last = -1;
  for (let i = 0; i < codes.length; ++i) {
    if (codes[i] !== last) {
      last = codes[i];
      found.colors[++row] = words[pixels[i]];
      found.codes[row] = last;
    }
    ++found.counts[row];
    rowOf[pixels[i]] = first + row;
  }
  for (const column in found) found[column] = found[column].subarray(0, row + 1);
  return found;
}

/** Columns of the one color of all invisible pixels, if there are any; it and its code are 0. */
function listInvisible(words, rowOf, row) {
  let count = 0;
  for (let i = 0; i < words.length; ++i)
    if (words[i] >>> 24 === 0) {
      rowOf[i] = row;
      ++count;
    }
  const found = makeColumns(count ? 1 : 0);
  found.counts.fill(count);
  return found;
}

/** The columns of several lists, one below the other. */
function joined(lists) {
  const whole = makeColumns(lists.reduce((rows, { colors }) => rows + colors.length, 0));
  let row = 0;
  for (const list of lists) {
    for (const column in whole) whole[column].set(list[column], row);
    row += list.colors.length;
  }
  return whole;
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
  const rowOf = new Uint32Array(words.length);
  const opaque = listOpaque(words, rowOf), firstPartial = opaque.colors.length;
  const partial = listPartial(words, rowOf, firstPartial);
  const firstInvisible = firstPartial + partial.colors.length;
  const invisible = listInvisible(words, rowOf, firstInvisible);
  const columns = joined([opaque, partial, invisible]);
  return { ...columns, rowOf, opaque: firstPartial, partial: partial.colors.length };
}
