/**
 * Small parts that the elbow and the convergence panel draw with: elements, numbers, scales.
 * Nothing here sets inline styles or HTML from text, which the page's policy forbids.
 */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Make an HTML element; attributes that are functions (`onclick`) become listeners. */
export const element = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);

/** Make an SVG element in the same way. */
export const mark = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

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

/** "1 color", "16 colors", "1,024 colors" */
export const plural = (count, word) =>
  `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;

/** Round numbers from low to high, about `count` of them: steps of 1, 2 or 5. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
