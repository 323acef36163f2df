/** What differs between two pictures of one size, enlarged so that it can be seen. */

const GROUND = 119; // the stage's gray: what is transparent is compared on it

/**
 * @param {Uint8ClampedArray} original RGBA
 * @param {Uint8ClampedArray} result RGBA of the same length
 * @returns {Uint8ClampedArray} opaque RGBA: |original − result| · gain of each channel, on black
 */
export function difference(original, result, gain = 4) {
  const out = new Uint8ClampedArray(original.length);
  for (let i = 0; i < original.length; i += 4) {
    const [a, b] = [original[i + 3], result[i + 3]];
    for (let c = i; c < i + 3; c++) {
      const x = a === 255 ? original[c] : (original[c] * a + GROUND * (255 - a)) / 255;
      const y = b === 255 ? result[c] : (result[c] * b + GROUND * (255 - b)) / 255;
      out[c] = gain * Math.abs(x - y);
    }
    out[i + 3] = 255;
  }
  return out;
}
