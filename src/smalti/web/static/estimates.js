/**
 * What a file would be like that has not been made yet: from the sizes that the server estimates
 * for a few numbers of colors, and the curve of errors. All of it is shown with "≈".
 */

/** Interpolate `value` between points {k, value}, ascending in k, straight over log k. */
export function between(points, k) {
  if (!points.length) return null;
  const above = points.findIndex((point) => point.k >= k);
  if (above === -1) return points.at(-1).value;
  if (above === 0 || points[above].k === k) return points[above].value;
  const [low, high] = [points[above - 1], points[above]];
  const way = Math.log(k / low.k) / Math.log(high.k / low.k);
  return low.value + way * (high.value - low.value);
}

/**
 * Bytes of a file of k colors. A file that was made tells how far the estimates are off.
 *
 * @param {{k: number, bytes: number}[]} estimates
 * @param {{k: number, bytes: number} | null} made the last file of this picture and these settings
 */
export function bytesAt(estimates, k, made) {
  const logs = estimates.map((each) => ({ k: each.k, value: Math.log(each.bytes) }));
  logs.sort((a, b) => a.k - b.k);
  const log = between(logs, k);
  if (log === null) return made && made.k === k ? made.bytes : null;
  const off = made ? Math.log(made.bytes) - between(logs, made.k) : 0;
  return Math.exp(log + off);
}

/** Decibels of k colors, from the curve of errors. */
export function psnrAt(curve, k) {
  return between(curve.filter((point) => point.psnr != null).map((point) => ({ k: point.k, value: point.psnr })), k);
}
