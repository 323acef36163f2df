/** What the elbow and the convergence panel draw with, beyond `dom.js`. */

import { make } from "./dom.js";

/** A button that calls `onclick`. */
export const button = (text, onclick, more = {}) =>
  make("button", { className: "button", type: "button", onclick, ...more }, text);

/** An SVG element. */
export function mark(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

/** Fill a table with rows [whether it is the current one, head, ...cells]. */
export function fillTable(table, heads, rows) {
  const head = (scope, content) => make("th", { scope }, content);
  const rowOf = ([current, first, ...cells]) =>
    make("tr", { "aria-current": current }, head("row", first), ...cells.map((cell) => make("td", {}, cell)));
  table.replaceChildren(
    make("thead", {}, make("tr", {}, ...heads.map((name) => head("col", name)))),
    make("tbody", {}, ...rows.map(rowOf)));
}

/** A function that has `work` done in the next frame, once, however often it is called until then. */
export function nextFrame(work) {
  let asked = 0;
  return () => (asked ||= requestAnimationFrame(() => work((asked = 0))));
}

/** A number with so many digits that matter and no exponent: 0.0005132, 1,234. */
export const digits = (value, count = 4) => value.toLocaleString("en-US", { maximumSignificantDigits: count });
