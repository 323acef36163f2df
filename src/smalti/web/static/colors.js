/**
 * Colors as the palette panel needs them: codes, shares that add up, orders.
 *
 * A palette is a Uint8Array of 4 k numbers, sRGB with straight alpha, as in the store. Orders
 * are those of `smalti palette --sort`. Oklab: https://bottosson.github.io/posts/oklab/ (2020).
 */

import { hexOf, rgbaOf } from "./dom.js";

/** All entries as "#rrggbb", or "#rrggbbaa" where alpha is below 255. */
export function hexes(colors) {
  return Array.from({ length: colors.length / 4 }, (_, i) => hexOf(colors, 4 * i));
}

/** Red, green, blue, alpha of #rgb, #rgba, #rrggbb or #rrggbbaa, "#" or not; null if it is none. */
export function parseHex(text) {
  const digits = /^#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i.exec(text.trim())?.[1];
  return digits ? rgbaOf([`#${digits.length < 6 ? digits.replace(/./g, "$&$&") : digits}`]) : null;
}

/**
 * Shares, of any sum, in percent with one digit such as "21.4", which add up to 100.0: each is
 * rounded down, and the missing tenths go to the largest remainders (Hamilton's method).
 */
export function percents(shares) {
  const sum = shares.reduce((a, b) => a + b, 0) || 1;
  const exact = Array.from(shares, (share) => (1000 * share) / sum);
  const tenths = exact.map(Math.floor);
  const missing = 1000 - tenths.reduce((a, b) => a + b, 0);
  const remainder = (i) => exact[i] - tenths[i];
  const byRemainder = [...exact.keys()].sort((a, b) => remainder(b) - remainder(a));
  for (const i of byRemainder.slice(0, missing)) tenths[i] += 1;
  return tenths.map((value) => (value / 10).toFixed(1));
}

/**
 * Rows of the palette in the order to show them, by "share", "hue" or "lightness"; equals keep
 * theirs. Hue: grays, then round the color wheel, each from dark to light; what is clear comes last.
 */
export function order(colors, shares, by) {
  const rows = [...Array(colors.length / 4).keys()];
  if (by === "share") return shares ? rows.sort((a, b) => shares[b] - shares[a]) : rows;
  const keys = rows.map((i) => {
    const [lightness, a, b] = oklab(colors.subarray(4 * i, 4 * i + 3));
    const gray = Math.hypot(a, b) < 1e-4; // far above what rounding gives grays
    const hue = gray ? -1 : (Math.atan2(b, a) + 2 * Math.PI) % (2 * Math.PI);
    return [colors[4 * i + 3] ? 0 : 1, by === "hue" ? hue : 0, lightness];
  });
  return rows.sort((i, j) => keys[i].reduce((found, key, c) => found || key - keys[j][c], 0));
}

function oklab(rgb) {
  const [r, g, b] = Array.from(rgb, linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function linear(value) {
  const c = value / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; // IEC 61966-2-1
}
