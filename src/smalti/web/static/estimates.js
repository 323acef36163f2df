/** What a file would be like that has not been made: all of it is shown with "≈". */

/** Interpolate `value` between points {k, value}, ascending in k, straight over log k. */
export function between(points, k) {
  if (!points.length) return null;
  const above = points.findIndex((point) => point.k >= k); // -1, which is the last, beyond it
  const [low, high] = [points[above - 1], points.at(above)];
  if (!low || high.k === k) return high.value;
  return low.value + (Math.log(k / low.k) / Math.log(high.k / low.k)) * (high.value - low.value);
}

/** Bytes of a file of k colors. The last file that was made tells how far the estimates are off. */
export function bytesAt(estimates, k, made) {
  const logs = estimates.map((each) => ({ k: each.k, value: Math.log(each.bytes) }));
  logs.sort((a, b) => a.k - b.k);
  if (!logs.length || k < logs[0].k) return made?.k === k ? made.bytes : null; // one color takes next to nothing
  const off = made ? Math.log(made.bytes) - between(logs, made.k) : 0;
  return Math.exp(between(logs, k) + off);
}

/** Decibels of k colors, from the curve of errors. */
export function psnrAt(curve, k) {
  const points = curve.map((point) => ({ k: point.k, value: point.psnr }));
  return between(points.filter(({ value }) => value != null), k);
}
