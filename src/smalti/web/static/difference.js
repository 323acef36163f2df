const GRAY = 119; // the stage's: what is transparent is compared on it

/** Opaque RGBA of |original − result| · gain in each channel, on black. */
export function difference(original, result, gain = 4) {
  const out = new Uint8ClampedArray(original.length).fill(255);
  for (let i = 0; i < out.length; i += 4) {
    const [a, b] = [original[i + 3], result[i + 3]];
    for (let c = i; c < i + 3; c++) {
      const x = a === 255 ? original[c] : (original[c] * a + GRAY * (255 - a)) / 255;
      const y = b === 255 ? result[c] : (result[c] * b + GRAY * (255 - b)) / 255;
      out[c] = gain * Math.abs(x - y);
    }
  }
  return out;
}
