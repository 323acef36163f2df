/** What the elbow and the convergence panel draw with, beyond `dom.js`: SVG, numbers, scales. */

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function mark(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

/** Whether the system asks for less motion; asked anew each time, because it can change. */
export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A number with so many digits and no exponent, zeros at its end only if `all`: 0.0005132, 1,234. */
export function digits(value, count = 4, all = false) {
  const most = Math.max(count, String(Math.trunc(Math.abs(value))).length);
  return value.toLocaleString("en-US", {
    maximumSignificantDigits: most,
    minimumSignificantDigits: all && value ? most : 1,
  });
}

/** Round numbers from low to high, about `count` of them: steps of 1, 2 or 5. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
