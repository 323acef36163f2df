/**
 * Colors as the palette panel needs them: hex codes, shares that add up, orders, means.
 *
 * A palette is a Uint8Array of 4 k numbers, sRGB with straight alpha, as in the store. The
 * orders are those of `smalti palette --sort`. Oklab: Ottosson (2020),
 * https://bottosson.github.io/posts/oklab/
 */

const HEX = /^#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i;

/** Entry `i` of a palette: a copy of its 4 numbers. */
export function rowOf(colors, i) {
  return colors.slice(4 * i, 4 * i + 4);
}

/** Entry `i` of a palette as "#rrggbb", or "#rrggbbaa" where alpha is below 255. */
export function hexOf(colors, i = 0) {
  const row = Array.from(rowOf(colors, i));
  if (row[3] === 255) row.pop();
  return "#" + row.map((value) => value.toString(16).padStart(2, "0")).join("");
}

/** All entries of a palette as hex codes. */
export function hexes(colors) {
  return Array.from({ length: colors.length / 4 }, (_, i) => hexOf(colors, i));
}

/**
 * Read #rgb, #rgba, #rrggbb or #rrggbbaa, with or without the "#".
 *
 * @param {string} text
 * @returns {Uint8Array|null} red, green, blue, alpha; null if it is none of these
 */
export function parseHex(text) {
  const found = HEX.exec(text.trim());
  if (!found) return null;
  let digits = found[1];
  if (digits.length < 6) digits = digits.replace(/./g, "$&$&");
  const number = (at) => parseInt(digits.slice(at, at + 2), 16);
  return Uint8Array.of(number(0), number(2), number(4), digits.length === 8 ? number(6) : 255);
}

/** A palette of hex codes, as engine and settings have them. */
export function fromHexes(codes) {
  const colors = new Uint8Array(4 * codes.length);
  codes.forEach((code, i) => colors.set(parseHex(code), 4 * i));
  return colors;
}

/**
 * Round shares to tenths of a percent that add up to 100.0 exactly.
 *
 * Each is rounded down, and the tenths that are then missing go to the largest remainders,
 * ties to the lower index (Hamilton's method).
 *
 * @param {ArrayLike<number>} shares  >= 0, of any sum above 0
 * @returns {string[]} "21.4", one per share
 */
export function percents(shares) {
  const sum = Array.from(shares).reduce((a, b) => a + b, 0) || 1;
  const exact = Array.from(shares, (share) => (1000 * share) / sum);
  const tenths = exact.map(Math.floor);
  const missing = 1000 - tenths.reduce((a, b) => a + b, 0);
  const byRemainder = exact.map((_, i) => i);
  byRemainder.sort((a, b) => exact[b] - tenths[b] - (exact[a] - tenths[a]) || a - b);
  for (const i of byRemainder.slice(0, missing)) tenths[i] += 1;
  return tenths.map((value) => (value / 10).toFixed(1));
}

function linear(value) {
  const c = value / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; // IEC 61966-2-1
}

function gamma(light) {
  const c = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, c)));
}

/** Oklab lightness, a and b of entry `i`; alpha is left out. */
export function oklab(colors, i = 0) {
  const [r, g, b] = Array.from(colors.subarray(4 * i, 4 * i + 3), linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([L, A, B], alpha) {
  const l = (L + 0.3963377774 * A + 0.2158037573 * B) ** 3;
  const m = (L - 0.1055613458 * A - 0.0638541728 * B) ** 3;
  const s = (L - 0.0894841775 * A - 1.291485548 * B) ** 3;
  return Uint8Array.of(
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
    alpha,
  );
}

/** Mean of entries `i` and `j` in Oklab; `weight`, 0..1, is that of `i`. */
export function mean(colors, i, j, weight) {
  const other = oklab(colors, j);
  const lab = oklab(colors, i).map((value, c) => weight * value + (1 - weight) * other[c]);
  return fromOklab(lab, Math.round(weight * colors[4 * i + 3] + (1 - weight) * colors[4 * j + 3]));
}

/** The entry nearest to entry `i`: in Oklab, alpha as long as lightness; -1 if it is alone. */
export function nearestTo(colors, i) {
  const point = (j) => [...oklab(colors, j), colors[4 * j + 3] / 255];
  const here = point(i);
  let best = -1;
  let least = Infinity;
  for (let j = 0; j < colors.length / 4; j++) {
    if (j === i) continue;
    const d2 = point(j).reduce((sum, value, c) => sum + (value - here[c]) ** 2, 0);
    if (d2 < least) [best, least] = [j, d2];
  }
  return best;
}

/**
 * Rows of the palette in the order to show them; equals keep their order.
 *
 * @param {Uint8Array} colors
 * @param {ArrayLike<number>|null} shares
 * @param {"share"|"hue"|"lightness"|"palette"} by  hue: grays first, then round the color wheel,
 *   each from dark to light; fully transparent colors come last, but for "share"
 * @returns {number[]}
 */
export function order(colors, shares, by) {
  const rows = Array.from({ length: colors.length / 4 }, (_, i) => i);
  if (by === "share") return shares ? rows.sort((a, b) => shares[b] - shares[a]) : rows;
  if (by === "palette") return rows;
  const keys = rows.map((i) => {
    const [lightness, a, b] = oklab(colors, i);
    const gray = Math.hypot(a, b) < 1e-4; // far above what rounding gives grays
    const hue = gray ? -1 : (Math.atan2(b, a) * 180 / Math.PI + 360) % 360;
    const clear = colors[4 * i + 3] === 0 ? 1 : 0;
    return by === "hue" ? [clear, hue, lightness] : [clear, lightness];
  });
  return rows.sort((i, j) => {
    const c = keys[i].findIndex((value, at) => value !== keys[j][at]);
    return c < 0 ? 0 : keys[i][c] - keys[j][c];
  });
}
