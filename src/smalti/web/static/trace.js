/**
 * A run of k-means as the server sends it, and what its half-steps look like.
 *
 * The iterations are the library's own; nothing is clustered here. Each iteration has two halves:
 * *assign*, in which every point goes to the nearest centroid, and *update*, in which every
 * centroid goes to the mean of its points. Half-step 0 shows the seeds, 2 i − 1 the assignment of
 * iteration i and 2 i its update.
 */

import { toPoints } from "./points.js";

const HEAD = 16; // bytes of a frame before its centroids

/**
 * Read what `/trace` sends; frame 0 is the seeds. No frames: there was nothing to iterate.
 * @param {ArrayBuffer} buffer u32 k, u32 frames; each u32 iteration, f32 before, f32 after,
 *   f32 shift, f32 xyz × k, u32 counts × k; then u32 length and the reason for stopping
 */
export function parseTrace(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8) throw new Error("The trace came incomplete.");
  const [k, count] = [view.getUint32(0, true), view.getUint32(4, true)];
  const size = HEAD + 16 * k;
  const end = 8 + count * size;
  if (buffer.byteLength < end + 4 || buffer.byteLength !== end + 4 + view.getUint32(end, true)) {
    throw new Error("The trace came incomplete.");
  }
  const frames = Array.from({ length: count }, (_, i) => {
    const at = 8 + i * size;
    return {
      iteration: view.getUint32(at, true),
      before: view.getFloat32(at + 4, true),
      distortion: view.getFloat32(at + 8, true),
      shift: view.getFloat32(at + 12, true),
      centroids: new Float32Array(buffer, at + HEAD, 3 * k),
      counts: new Uint32Array(buffer, at + HEAD + 12 * k, k),
    };
  });
  return { k, frames, stopReason: new TextDecoder().decode(new Uint8Array(buffer, end + 4)) };
}

/** How many half-steps there are after the seeds. */
export const lastOf = (trace) => 2 * (trace.frames.length - 1);

/** What half-step `at` shows: the iteration, its half, and the rows of frames it takes. */
export function halfStep(trace, at) {
  const iteration = Math.ceil(at / 2);
  const half = at === 0 ? "seeds" : at % 2 ? "assign" : "update";
  return {
    iteration,
    half,
    assigned: Math.max(0, iteration - 1), // the frame whose centroids the points went to
    shown: half === "assign" ? iteration - 1 : iteration, // the one whose centroids are seen
  };
}

/** The error at a half-step; it never rises from one to the next. */
export function errorAt(trace, at) {
  const frame = trace.frames[Math.ceil(at / 2)];
  return at % 2 ? frame.before : frame.distortion;
}

/** The row of the nearest centroid of each point, ties to the lower row. */
export function nearest(xyz, centroids) {
  const rows = new Uint16Array(xyz.length / 3);
  for (let i = 0; i < rows.length; i++) {
    const [x, y, z] = [xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]];
    let best = Infinity;
    for (let j = 0; j < centroids.length; j += 3) {
      const [dx, dy, dz] = [x - centroids[j], y - centroids[j + 1], z - centroids[j + 2]];
      const d2 = dx * dx + dy * dy + dz * dz;
      if (d2 < best) {
        best = d2;
        rows[i] = j / 3;
      }
    }
  }
  return rows;
}

// ---------------------------------------------------------------- to the two spaces and back
// IEC 61966-2-1 (sRGB) and Ottosson (2020), https://bottosson.github.io/posts/oklab/

const byteOf = (v) =>
  Math.round(255 * Math.min(1, Math.max(0, v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055)));

/** Coordinates of a working space as 8-bit sRGB, three bytes each. */
export function toBytes(xyz, space) {
  const bytes = new Uint8Array(xyz.length);
  if (space === "srgb") return bytes.map((_, i) => Math.round(Math.min(255, Math.max(0, xyz[i]))));
  for (let i = 0; i < xyz.length; i += 3) {
    const [lightness, a, b] = [xyz[i], xyz[i + 1], xyz[i + 2]];
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    bytes[i] = byteOf(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
    bytes[i + 1] = byteOf(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
    bytes[i + 2] = byteOf(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
  }
  return bytes;
}

const UNITS = { srgb: 64, oklab: 16384 }; // of points.js: integers there, coordinates here

/** 8-bit sRGB (with alpha, which is left out) as coordinates of a working space. */
export const toSpace = (rgba, space) =>
  Float32Array.from(toPoints(rgba, rgba.length / 4, space, 3), (units) => units / UNITS[space]);
