/** Small tools around elements and numbers that every part of the page uses. */

/**
 * An element with properties and children: `make("p", {className: "dim"}, "text")`. Names with a
 * dash, and `role`, are attributes. Data become text and properties, never markup, so a file name
 * can be anything.
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

/** Set an element's text, if it is another: an unchanged node costs no layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Call `work` at once, and then at most every `wait` milliseconds; the last call is never lost.
 *
 * @param {() => void} work
 * @param {number} wait
 */
export function throttle(work, wait) {
  let timer = 0;
  let owed = false;
  function run() {
    owed = false;
    timer = setTimeout(() => {
      timer = 0;
      if (owed) run();
    }, wait);
    work();
  }
  return () => {
    owed = true;
    if (!timer) run();
  };
}

/** Call `onMove` while a pointer that went down on the element moves, and when it goes down. */
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

/** @returns {number} value, or the limit that it is beyond */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** "1 color", "64 colors". */
export function colorsText(k) {
  return k === 1 ? "1 color" : `${k.toLocaleString("en")} colors`;
}

/** "312 KB" with three digits that matter; units of 1,000 bytes, as pages count them. */
export function bytesText(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} bytes`;
  const [value, unit] = bytes < 999_500 ? [bytes / 1e3, "KB"] : [bytes / 1e6, "MB"];
  return `${value.toLocaleString("en", { maximumSignificantDigits: 3 })} ${unit}`;
}

/** "−84 %" of what was there before, or "+3 %". */
export function changeText(before, after) {
  const percent = (100 * (after - before)) / before;
  const digits = Math.abs(percent) < 10 ? 1 : 0;
  const text = Math.abs(percent).toFixed(digits);
  return Number(text) === 0 ? "±0 %" : `${percent < 0 ? "−" : "+"}${text} %`;
}

/** "#rrggbb", or "#rrggbbaa" where the color is not opaque, of 4 bytes at `at`. */
export function hexOf(rgba, at = 0) {
  const digits = (i) => rgba[at + i].toString(16).padStart(2, "0");
  const alpha = rgba[at + 3] === 255 ? "" : digits(3);
  return `#${digits(0)}${digits(1)}${digits(2)}${alpha}`;
}

/** The bytes RGBA of colors written as #rrggbb or #rrggbbaa. */
export function rgbaOf(hexes) {
  const rgba = new Uint8Array(4 * hexes.length).fill(255);
  hexes.forEach((hex, i) => {
    for (let c = 0; c < (hex.length - 1) / 2; c++) rgba[4 * i + c] = parseInt(hex.slice(1 + 2 * c, 3 + 2 * c), 16);
  });
  return rgba;
}
