// Working spaces: where distance between colors is measured.
//
//     RGBA bytes -> [toPoints] -> integer coordinates of `srgb` or `oklab`
//
// The same numbers as smalti.color.to_points, to the last bit: sRGB in 1/64 of an 8-bit step, Oklab
// in 1/16384, the color premultiplied by alpha. Hence the picture on the stage has the very indices
// that the file will have. Nothing of `Math` takes part that may differ between browsers (Math.pow,
// Math.cbrt): only the four operations, which IEEE 754 makes the same everywhere.
//
// Sources: IEC 61966-2-1 (sRGB); Ottosson (2020), https://bottosson.github.io/posts/oklab/

const SRGB_UNITS = 64;
const OKLAB_UNITS = 16384;
const SRGB_KNEE = 0.04045; // IEC 61966-2-1: linear below, power law above

/** Newton's method from above. */
function fifthRoot(x) {
  let root = 1;
  for (let round = 0; round < 60; ++round) root -= (root - x / (root * root * root * root)) / 5;
  return root;
}

function toLinear(value) {
  if (value <= SRGB_KNEE) return value / 12.92;
  const base = (value + 0.055) / 1.055;
  const root = fifthRoot(base);
  return base * base * root * root; // base ** 2.4
}

/** Linear light, 0..1, of the 256 sRGB values. */
export const LINEAR = Float64Array.from({ length: 256 }, (_, value) => toLinear(value / 255));

const scaled = (factor) => LINEAR.map((light) => factor * light);

// Ottosson's matrix from linear sRGB to LMS, times every value that a channel can have.
const RED = [0.4122214708, 0.2119034982, 0.0883024619].map(scaled);
const GREEN = [0.5363325363, 0.6806995451, 0.2817188376].map(scaled);
const BLUE = [0.0514459929, 0.1073969566, 0.6299787005].map(scaled);

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer); // low, high: systems with a browser are little-endian
const WORD = 2 ** 32;

/**
 * Cube root of 0 <= x <= 1: a guess from the exponent, a third of it, then three of Halley's cubic
 * steps; operation by operation what native/kernels/oklab.hpp does.
 */
function cubeRoot(x) {
  if (x === 0) return 0; // the steps would end as 0/0
  double[0] = x;
  const third = Math.trunc((words[1] * WORD + words[0]) * (1 / 3));
  const high = Math.floor(third / WORD);
  const low = third - high * WORD + 0x782da1ce;
  words[0] = low; // what exceeds 32 bits is cut off, and carried
  words[1] = high + 0x2a9f7893 + (low >= WORD ? 1 : 0);
  let y = double[0];
  for (let round = 0; round < 3; ++round) {
    const y3 = y * y * y;
    y = (y * (y3 + 2 * x)) / (2 * y3 + x);
  }
  return y;
}

/** Rounded to whole units, halves away from zero. */
function toUnits(value) {
  const units = value * OKLAB_UNITS;
  return Math.trunc(units < 0 ? units - 0.5 : units + 0.5);
}

function oklabPoints(rgba, n, channels, points) {
  for (let i = 0, at = 0, to = 0; i < n; ++i, at += 4, to += channels) {
    const r = rgba[at], g = rgba[at + 1], b = rgba[at + 2];
    const l = cubeRoot(RED[0][r] + GREEN[0][g] + BLUE[0][b]);
    const m = cubeRoot(RED[1][r] + GREEN[1][g] + BLUE[1][b]);
    const s = cubeRoot(RED[2][r] + GREEN[2][g] + BLUE[2][b]);
    const alpha = channels === 4 ? rgba[at + 3] / 255 : 1;
    points[to] = toUnits((0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s) * alpha);
    points[to + 1] = toUnits((1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s) * alpha);
    points[to + 2] = toUnits((0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s) * alpha);
    if (channels === 4) points[to + 3] = toUnits(alpha);
  }
}

function srgbPoints(rgba, n, channels, points) {
  for (let i = 0, at = 0, to = 0; i < n; ++i, at += 4, to += channels) {
    const alpha = channels === 4 ? rgba[at + 3] : 255;
    for (let d = 0; d < 3; ++d)
      points[to + d] = Math.trunc((SRGB_UNITS * rgba[at + d] * alpha + 127) / 255);
    if (channels === 4) points[to + 3] = SRGB_UNITS * alpha;
  }
}

/**
 * Converts 8-bit colors to integer coordinates of a working space.
 *
 * @param {Uint8Array} rgba n colors of four bytes, straight alpha
 * @param {number} n
 * @param {"srgb"|"oklab"} space
 * @param {3|4} channels 3 leaves alpha out, as if all colors were opaque
 * @returns {Int16Array} n points of `channels` coordinates
 */
export function toPoints(rgba, n, space, channels) {
  const points = new Int16Array(n * channels);
  (space === "oklab" ? oklabPoints : srgbPoints)(rgba, n, channels, points);
  return points;
}
