// Working spaces, where distance is measured: smalti.color.to_points to the last bit, by the four
// operations only, which are the same in every browser.
// IEC 61966-2-1 (sRGB); Ottosson (2020), https://bottosson.github.io/posts/oklab/

const SRGB_UNITS = 64; // of an 8-bit step
const OKLAB_UNITS = 16384;

function toLinear(value) {
  if (value <= 0.04045) return value / 12.92;
  const base = (value + 0.055) / 1.055;
  let root = 1; // the fifth, by Newton's method from above
  for (let i = 0; i < 60; ++i) root -= (root - base / (root * root * root * root)) / 5;
  return base * base * root * root; // base ** 2.4
}

const LINEAR = Float64Array.from({ length: 256 }, (_, value) => toLinear(value / 255));

// Ottosson's matrix from linear sRGB to LMS, times every value that a channel can have.
const [L, M, S] = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
].map((row) => row.map((factor) => LINEAR.map((light) => factor * light)));

const WORD = 2 ** 32;
const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** A guess from the exponent, and three of Halley's steps, as in native/kernels/oklab.hpp. */
function cubeRoot(x) {
  if (x === 0) return 0;
  double[0] = x;
  const third = Math.trunc((words[1] * WORD + words[0]) * (1 / 3));
  const high = Math.floor(third / WORD);
  const low = third - high * WORD + 0x782da1ce;
  words[0] = low; // what exceeds 32 bits is cut off, and carried
  words[1] = high + 0x2a9f7893 + (low >= WORD ? 1 : 0);
  let y = double[0];
  for (let i = 0; i < 3; ++i) {
    const y3 = y * y * y;
    y = (y * (y3 + 2 * x)) / (2 * y3 + x);
  }
  return y;
}

/** Rounded to whole units, halves away from zero. */
const toUnits = (value) => Math.trunc(value * OKLAB_UNITS + (value < 0 ? -0.5 : 0.5));

/** Coordinates of n RGBA colors, premultiplied by alpha; with 3 channels, all are opaque. */
export function toPoints(rgba, n, space, channels) {
  const points = new Int16Array(n * channels);
  for (let at = 0, to = 0; to < points.length; at += 4, to += channels) {
    const alpha = channels === 4 ? rgba[at + 3] : 255;
    if (space === "oklab") {
      const r = rgba[at], g = rgba[at + 1], b = rgba[at + 2], part = alpha / 255;
      const l = cubeRoot(L[0][r] + L[1][g] + L[2][b]);
      const m = cubeRoot(M[0][r] + M[1][g] + M[2][b]);
      const s = cubeRoot(S[0][r] + S[1][g] + S[2][b]);
      points[to] = toUnits((0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s) * part);
      points[to + 1] = toUnits((1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s) * part);
      points[to + 2] = toUnits((0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s) * part);
      if (channels === 4) points[to + 3] = toUnits(part);
    } else {
      for (let d = 0; d < 3; ++d) points[to + d] = (SRGB_UNITS * rgba[at + d] * alpha + 127) / 255;
      if (channels === 4) points[to + 3] = SRGB_UNITS * alpha;
    }
  }
  return points;
}
