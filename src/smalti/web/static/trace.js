/**
 * A run of k-means as the library made it, in half-steps: 0 shows the seeds, 2 i − 1 the assignment
 * of iteration i (every point goes to its nearest centroid) and 2 i its update (every centroid goes
 * to the mean of its points).
 */

/** Read what `/trace` sends. No frames: there was nothing to iterate. */
export function parseTrace(buffer) {
  const words = Math.floor(buffer.byteLength / 4);
  const [integers, floats] = [Uint32Array, Float32Array].map((kind) => new kind(buffer, 0, words));
  const [k, count] = integers;
  const size = 4 + 4 * k; // of a frame: iteration, three numbers, centroids, counts
  const end = 2 + count * size; // then comes the reason for stopping, its length first
  if (buffer.byteLength !== 4 * end + 4 + integers[end]) throw new Error("The trace came incomplete.");
  const frames = Array.from({ length: count }, (_, i) => {
    const at = 2 + i * size;
    const [before, distortion, shift] = floats.subarray(at + 1);
    return { before, distortion, shift, centroids: floats.subarray(at + 4, at + 4 + 3 * k) };
  });
  return { k, frames, stopReason: new TextDecoder().decode(new Uint8Array(buffer, 4 * end + 4)) };
}

/** How many half-steps there are after the seeds. */
export const lastOf = (trace) => 2 * (trace.frames.length - 1);

/** What half-step `at` is: also the centroids that the points went to, and those that are shown. */
export function halfStep({ frames }, at) {
  const iteration = Math.ceil(at / 2);
  const half = at === 0 ? "seeds" : at % 2 ? "assign" : "update";
  const { before, distortion, shift } = frames[iteration];
  const error = half === "assign" ? before : distortion; // never rises from one half-step to the next
  const [assigned, shown] = [Math.max(0, iteration - 1), Math.floor(at / 2)].map((row) => frames[row].centroids);
  return { iteration, half, error, shift, assigned, shown };
}

/** The row of the nearest centroid of each point, ties to the lower row. */
export function nearest(xyz, centroids) {
  const rows = new Uint16Array(xyz.length / 3);
  for (let i = 0; i < rows.length; i++) {
    const [x, y, z] = [xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]];
    let best = Infinity;
    for (let j = 0; j < centroids.length; j += 3) {
      const d2 = (x - centroids[j]) ** 2 + (y - centroids[j + 1]) ** 2 + (z - centroids[j + 2]) ** 2;
      if (d2 >= best) continue;
      best = d2;
      rows[i] = j / 3;
    }
  }
  return rows;
}

// IEC 61966-2-1 (sRGB) and Ottosson (2020), https://bottosson.github.io/posts/oklab/
const TO_LMS = [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]];
const TO_RGB = [
  [4.0767416621, -3.3077115913, 0.2309699292],
  [-1.2684380046, 2.6097574011, -0.3413193965],
  [-0.0041960863, -0.7034186147, 1.707614701],
];
const times = (matrix, [x, y, z]) => matrix.map(([a, b, c]) => a * x + b * y + c * z);
const encoded = (light) => 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

/** Coordinates of a working space as 8-bit sRGB, three bytes each. */
export function toBytes(xyz, space) {
  const values = Uint8ClampedArray.from(xyz, Math.round); // it alone would round halves to even
  for (let i = 0; space === "oklab" && i < xyz.length; i += 3) {
    const lms = times(TO_LMS, xyz.subarray(i, i + 3)).map((root) => root ** 3);
    values.set(times(TO_RGB, lms).map(encoded), i);
  }
  return values;
}
