/** Small tools that every part of the page uses. */

/**
 * `make("p", {className: "dim"}, "text")`; names that are no properties are attributes, as is
 * `role`. Data become text, never markup, so a file name can be anything.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A button with a text and what it does; `more` are further properties. */
export function button(text, onClick, more = {}) {
  const element = make("button", { type: "button", className: "button", ...more }, text);
  element.addEventListener("click", () => onClick(element));
  return element;
}

/** Set an element's text; an unchanged node costs no layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Call `work` at once, and then at most every `wait` milliseconds; the last call is never lost. */
export function throttle(work, wait) {
  let timer = 0, owed = false;
  return function call() {
    owed = timer !== 0;
    if (owed) return;
    timer = setTimeout(() => {
      timer = 0;
      if (owed) call();
    }, wait);
    work();
  };
}

/** Call `onMove` when a pointer goes down on the element, and while it then moves. */
export function drags(element, onMove) {
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    onMove(event);
    element.querySelector("input")?.focus();
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) onMove(event);
  });
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const colorsText = (k) => (k === 1 ? "1 color" : `${k.toLocaleString("en")} colors`);

/** "312 KB": three digits that matter, units of 1,000 bytes. */
export function bytesText(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} bytes`;
  const [value, unit] = bytes < 999_500 ? [bytes / 1e3, "KB"] : [bytes / 1e6, "MB"];
  return `${value.toLocaleString("en", { maximumSignificantDigits: 3 })} ${unit}`;
}

/** "−84 %", or "+0.3 %". */
export function changeText(before, after) {
  const percent = (100 * (after - before)) / before;
  const text = Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0);
  return Number(text) === 0 ? "±0 %" : `${percent < 0 ? "−" : "+"}${text} %`;
}

/** "#rrggbb", or "#rrggbbaa" where the color is not opaque, of 4 bytes at `at`. */
export function hexOf(rgba, at = 0) {
  const bytes = Array.from(rgba.slice(at, at + (rgba[at + 3] === 255 ? 3 : 4)));
  return `#${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The bytes RGBA of colors written as #rrggbb or #rrggbbaa. */
export function rgbaOf(hexes) {
  const rgba = new Uint8Array(4 * hexes.length);
  hexes.forEach((hex, i) => {
    const word = parseInt(hex.slice(1).padEnd(8, "f"), 16);
    rgba.set([word >>> 24, word >>> 16, word >>> 8, word], 4 * i); // the lowest 8 bits of each
  });
  return rgba;
}
