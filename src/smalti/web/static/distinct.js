// The distinct colors of a picture, several pixels each, in Z-order: the bits of their channels are
// interleaved, so that neighbors in the list are neighbors in space, which nearest.js lives on.
// Morton (1966), A computer oriented geodetic data base and a new technique in file sequencing.

/** The bits of every byte, three or four places apart. */
const [THIRDS, FOURTHS] = [8, 16].map((base) =>
  Uint32Array.from({ length: 256 }, (_, byte) => parseInt(byte.toString(2), base)));

/** Place in Z-order of a packed color, but for its alpha. */
const codeOf = (word, spread) =>
  (spread[word & 255] << 1) | (spread[(word >> 8) & 255] << 2) | spread[(word >> 16) & 255];

function countBits(word) {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Opaque ones are marked in a set of all; the row of one is the number of marks before it. */
function listOpaque(words, { rowOf, colors, codes, counts }) {
  const marks = new Uint32Array(2 ** 19), before = new Uint32Array(2 ** 19);
  for (let i = 0; i < words.length; ++i) {
    if (words[i] >>> 24 !== 255) continue;
    const code = codeOf(words[i], THIRDS);
    marks[code >>> 5] |= 1 << code; // a shift takes the lowest five bits
    rowOf[i] = code;
  }
  let rows = 0;
  for (let at = 0; at < marks.length; ++at) {
    before[at] = rows;
    if (marks[at]) rows += countBits(marks[at]);
  }
  for (let i = 0; i < words.length; ++i) {
    if (words[i] >>> 24 !== 255) continue;
    const code = rowOf[i], at = code >>> 5;
    const row = before[at] + countBits(marks[at] & ((1 << code) - 1));
    colors[row] = words[i];
    codes[row] = code;
    ++counts[row];
    rowOf[i] = row;
  }
  return rows;
}

/** Others are sorted; all that is invisible is one color, and the first. */
function listOthers(words, { rowOf, colors, codes, counts }, first) {
  let others = 0;
  for (let i = 0; i < words.length; ++i) if (words[i] >>> 24 !== 255) ++others;
  const pairs = new Uint32Array(2 * others); // pixel and code: as 64 bits, they sort by the code
  for (let i = 0, at = 0; at < pairs.length; ++i) {
    const alpha = words[i] >>> 24;
    if (alpha === 255) continue;
    pairs[at++] = i;
    pairs[at++] = alpha && codeOf(words[i], FOURTHS) | (FOURTHS[alpha] << 3);
  }
  new BigUint64Array(pairs.buffer).sort();
  let row = first - 1;
  for (let at = 0; at < pairs.length; at += 2) {
    const pixel = pairs[at], code = pairs[at + 1];
    if (!at || code !== codes[row]) {
      colors[++row] = words[pixel];
      codes[row] = code;
    }
    ++counts[row];
    rowOf[pixel] = row;
  }
  return row + 1;
}

/** Columns of colors, and where in them opaque, invisible, and other ones begin and end (`cuts`). */
export function distinctColors(rgba) {
  const words = new Uint32Array(rgba.buffer);
  const column = () => new Uint32Array(words.length);
  const found = { rowOf: column(), colors: column(), codes: column(), counts: column() };
  const opaque = listOpaque(words, found), rows = listOthers(words, found, opaque);
  const visible = opaque + (opaque < rows && found.codes[opaque] === 0);
  for (const name of ["colors", "codes", "counts"]) found[name] = found[name].subarray(0, rows);
  return { ...found, cuts: [0, opaque, visible, rows] };
}
