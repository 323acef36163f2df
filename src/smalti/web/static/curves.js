/**
 * The elbow: what each number of colors costs, as a curve to choose from.
 *
 * k runs on a log scale, because doubling the colors is one step to the eye; the error runs on a
 * root scale, which is where the library looks for the bend. The dot is the number that is chosen,
 * the diamonds are suggestions. A native range lies over the plot, so that keys and screen readers
 * have what the pointer has, and a table says the same in numbers.
 */

import { bytesText, colorsText, make } from "./dom.js";
import { between, bytesAt } from "./estimates.js";
import { digits, mark, ticks } from "./marks.js";

const identity = (value) => value;

/** What each unit is called, and how its values are spaced along the axis. */
const UNITS = {
  mse: { name: "MSE", scale: Math.sqrt, back: (root) => root * root },
  psnr: { name: "PSNR", scale: identity, back: identity },
  size: { name: "Size", scale: identity, back: identity },
};

const LABEL = 12; // px, of the text in the plot
const TICKS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const REASONS = {
  visible: "the fewest colors with which next to no pixel differs noticeably.",
  elbow: "the elbow: from here on more colors lower the error by less than before.",
};

/**
 * The points of one unit's curve, ascending: [{k, value}], only those that have a value. Estimates
 * of sizes bend between the few that the server sends, so theirs is a point for every k.
 */
export function valuesOf({ curve = [], estimates = [], made }, unit) {
  if (unit === "size") {
    const ks = estimates.map(({ k }) => k);
    const first = Math.min(...ks);
    const last = Math.min(Math.max(...ks), curve.at(-1)?.k ?? 0);
    const count = estimates.length > 1 ? Math.max(0, last - first + 1) : 0;
    return Array.from({ length: count }, (_, i) => ({ k: first + i, value: bytesAt(estimates, first + i, made) }));
  }
  return curve
    .map(({ k, distortion, psnr }) => ({ k, value: unit === "mse" ? distortion : psnr }))
    .filter(({ value }) => Number.isFinite(value));
}

/** The value at any k, straight between its neighbors as the curve is drawn; null beyond its ends. */
function valueAt(points, k, { scale, back }) {
  if (!points.length || !(k >= points[0].k && k <= points.at(-1).k)) return null;
  return back(between(points.map((point) => ({ k: point.k, value: scale(point.value) })), k));
}

/** What the finished file has, or null while there is none: then the curve is all there is. */
function exactValue(state, unit) {
  if (state.phase !== "settled" || !state.result) return null;
  return { mse: null, psnr: state.result.psnr, size: state.result.bytes }[unit] ?? null;
}

/** Words for the numbers of one unit: {title, text(value), tick(value)}, fit for the largest. */
function wordsOf(unit, largest) {
  if (unit === "psnr") {
    return { title: "PSNR, dB", text: (v) => `${v.toFixed(1)} dB`, tick: (v) => digits(v, 3) };
  }
  if (unit === "size") {
    const [step, name] = largest >= 2e6 ? [1e6, "MB"] : [1e3, "KB"];
    return { title: `size, ≈ ${name}`, text: bytesText, tick: (v) => digits(v / step, 3), step };
  }
  const small = largest < 1; // Oklab's unit is the whole way from black to white
  const step = small ? 1e-3 : 1;
  const power = small ? " × 10⁻³" : "";
  const text = (v) => digits(v / step, 3);
  return { title: `MSE${power}, root scale`, text: (v) => `${text(v)}${power}`, tick: text, step };
}

/** Where things are in a plot of this width: sizes, and functions from values to pixels. */
function layoutOf(width, points, unit, span) {
  const height = Math.round(Math.min(300, Math.max(180, width * 0.58)));
  const box = { left: 40, right: width - 14, top: 26, bottom: height - 40 };
  const { scale } = UNITS[unit];
  const values = points.map(({ value }) => value);
  const low = unit === "psnr" ? Math.floor(Math.min(...values) - 0.5) : 0;
  const high = Math.max(...values, low + 1e-9) * (unit === "psnr" ? 1 : 1.04);
  const [first, last] = span.map(Math.log);
  const across = (box.right - box.left) / (last - first || 1);
  const up = (box.bottom - box.top) / (scale(high) - scale(low));
  return {
    width,
    height,
    box,
    low,
    high,
    x: (k) => box.left + (Math.log(k) - first) * across,
    y: (value) => box.bottom - (scale(value) - scale(low)) * up,
    k: (x) => Math.round(Math.exp(first + (x - box.left) / across)),
  };
}

/** Round values to label on the y axis; on the root scale in steps that look even. */
function yTicks(layout, unit, step = 1) {
  const { low, high, box } = layout;
  const count = (box.bottom - box.top) / 36;
  if (unit !== "mse") return ticks(low / step, high / step, count).map((v) => v * step);
  const root = Math.sqrt(high / step);
  const found = [0];
  for (let i = 1; i <= count; i++) {
    const exact = ((root * i) / count) ** 2;
    const power = 10 ** Math.floor(Math.log10(exact));
    const nice = [1, 2, 5, 10].reduce((best, f) =>
      Math.abs(Math.sqrt(f * power) - Math.sqrt(exact)) <
      Math.abs(Math.sqrt(best * power) - Math.sqrt(exact)) ? f : best) * power;
    if (nice > found.at(-1) && nice * step <= high) found.push(nice);
  }
  return found.map((v) => v * step);
}

const line = (x1, y1, x2, y2, more) => mark("line", { x1, y1, x2, y2, ...more });
const words = (x, y, text, more) =>
  mark("text", { x, y, fill: "currentColor", "font-size": LABEL, ...more }, text);
const crisp = (value) => Math.round(value) + 0.5; // a line of one pixel, not of two gray ones

function axes(layout, unit, text, span) {
  const { box } = layout;
  const grid = { stroke: "currentColor", "stroke-opacity": 0.22 };
  const marks = [words(box.left - 34, 14, text.title, { class: "plot-dim" })];
  let lowest = Infinity; // of the labels drawn so far: the next must not touch it
  for (const value of yTicks(layout, unit, text.step)) {
    const y = crisp(layout.y(value));
    marks.push(line(box.left, y, box.right, y, grid));
    if (lowest - y < LABEL + 3) continue;
    lowest = y;
    marks.push(words(box.left - 6, y + 4, text.tick(value), { "text-anchor": "end", class: "plot-dim" }));
  }
  for (const k of TICKS.filter((tick) => tick >= span[0] && tick <= span[1])) {
    const x = crisp(layout.x(k));
    marks.push(line(x, box.top, x, box.bottom, grid));
    marks.push(words(x, box.bottom + 16, String(k), { "text-anchor": "middle", class: "plot-dim" }));
  }
  marks.push(
    words(box.right, box.bottom + 33, "colors, log scale", { "text-anchor": "end", class: "plot-dim" }),
  );
  return marks;
}

function curveOf(layout, points) {
  const places = points.map(({ k, value }) => [layout.x(k), layout.y(value)]);
  const path = places.map((place) => place.map((v) => v.toFixed(1)).join(",")).join(" ");
  const dots = points.length > 32 ? [] : places.map(([cx, cy]) => mark("circle", { cx, cy, r: 2, fill: "currentColor" }));
  const curve = { points: path, fill: "none", stroke: "currentColor", "stroke-width": 1.5 };
  return [mark("polyline", { ...curve, "stroke-linejoin": "round", class: "elbow-curve" }), ...dots];
}

/** Hollow diamonds, each with its k above it where there is room. */
function diamonds(layout, points, unit, suggested) {
  const marks = [];
  let taken = -Infinity;
  for (const { k, method } of [...suggested].sort((one, two) => one.k - two.k)) {
    const value = valueAt(points, k, UNITS[unit]);
    if (value == null) continue;
    const [x, y] = [layout.x(k), layout.y(value)];
    const diamond = { d: `M${x - 9},${y}l9,-9l9,9l-9,9z`, class: "plot-hollow", fill: "#fff" };
    marks.push(mark("path", { ...diamond, stroke: "currentColor", "stroke-width": 1.5, "data-method": method }));
    if (x - taken < 26) continue;
    taken = x;
    const side = x > layout.box.right - 24 ? -4 : unit === "mse" ? 6 : -6;
    marks.push(words(x + side, y - 12, String(k), { "text-anchor": side < 0 ? "end" : "start" }));
  }
  return marks;
}

/** The suggestions of a state, the main one first: [{k, method, reason}]. */
export function suggestionsOf({ suggestion, suggestions }) {
  if (!suggestion) return [];
  const others = Object.entries(suggestions ?? {})
    .filter(([method, k]) => method !== suggestion.method && k != null)
    .map(([method, k]) => ({ k, method, reason: REASONS[method] ?? "" }));
  return [suggestion, ...others];
}

/** Why there is no curve to see, or what else must be said of it; "" where it speaks for itself. */
function statusOf(state, unit, points) {
  if (!state.image) return "Open a picture to see what each number of colors costs.";
  const colors = state.image.distinct_colors;
  const waiting = !state.ladderDone;
  if (waiting && points.length < 3) {
    return state.serverGone ? "Not measured: the local server does not answer." : "measuring…";
  }
  if (colors <= 2) return `The image has ${colorsText(colors)}: there is nothing to choose.`;
  if (points.length < 3) return unit === "size" ? "No sizes are known yet." : "There are too few points for a curve.";
  if (colors <= 256) return `The image has ${colorsText(colors)}; with all of them, nothing is lost.`;
  return waiting ? "measuring…" : "";
}

/**
 * Fill `root` with the elbow and keep it up to date.
 * @param {HTMLElement} root
 */
export function mount(root, { store, actions }) {
  let unit = "mse";
  let hovered = null;
  let layout = null;
  let queued = false;
  let advised = "";

  const switches = Object.entries(UNITS).map(([key, { name }]) =>
    make("button", { className: "button", type: "button", "data-unit": key, onclick: () => choose(key) }, name));
  const readout = make("p", { className: "num elbow-readout" });
  const slider = make("input", {
    type: "range", step: 1, className: "elbow-slider", "aria-label": "Number of colors, along the curve",
    oninput: () => actions.setK(Number(slider.value), { rest: true }),
  });
  const svg = mark("svg", { class: "plot", "aria-hidden": "true", focusable: "false" });
  const plot = make("div", { className: "elbow-plot" }, slider, svg);
  const status = make("p", { className: "dim elbow-status", role: "status" });
  const advice = make("ul", { className: "elbow-advice" });
  const table = make("table", { className: "num" });
  const save = (kind) =>
    make("button", { className: "button", type: "button", onclick: () => savers[kind]() }, `Save as ${kind}`);
  const twin = make("details", { className: "elbow-table" },
    make("summary", {}, "As a table"),
    make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "The curve as a table" }, table),
    make("div", { className: "row" }, save("CSV"), save("SVG")));
  root.append(
    make("div", { className: "row", role: "group", "aria-label": "Unit of the curve" }, ...switches),
    readout, plot, status, advice, twin,
  );

  function choose(key) {
    unit = key;
    draw();
  }

  const measured = (state) => valuesOf(state, "mse");
  const spanOf = (points) => [points[0].k, points.at(-1).k];

  function valueText(state, points, k, text) {
    const exact = k === state.shown?.k ? exactValue(state, unit) : null;
    if (exact != null) return `${text.text(exact)}, exact`;
    const value = valueAt(points, k, UNITS[unit]);
    return value == null ? "–" : `≈ ${text.text(value)}`;
  }

  function drawPlot(state, points) {
    const ks = measured(state);
    const drawable = points.length >= 2 && ks.length >= 2;
    plot.hidden = readout.hidden = !drawable;
    layout = null;
    if (!drawable) return;
    const span = spanOf(ks);
    const chosen = state.shown?.k;
    const exact = exactValue(state, unit);
    const all = exact == null ? points : [...points, { value: exact }];
    layout = layoutOf(plot.clientWidth || 340, all, unit, span);
    const text = wordsOf(unit, layout.high);
    svg.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
    svg.setAttribute("height", layout.height);
    svg.replaceChildren(
      ...axes(layout, unit, text, span),
      ...curveOf(layout, points),
      ...diamonds(layout, points, unit, suggestionsOf(state)),
      ...here(points, chosen, exact),
    );
    slider.min = span[0];
    slider.max = span[1];
    if (chosen) slider.value = chosen;
    slider.setAttribute("aria-valuetext", said(state, points, Number(slider.value), text));
    readout.textContent = said(state, points, hovered ?? chosen, text);
  }

  const said = (state, points, k, text) =>
    k ? `${colorsText(k)} · ${UNITS[unit].name} ${valueText(state, points, k, text)}` : "";

  /** The dot of the chosen k, and the hairline of the one under the pointer. */
  function here(points, chosen, exact) {
    const { box } = layout;
    const marks = [];
    if (hovered) {
      const x = crisp(layout.x(hovered));
      marks.push(line(x, box.top, x, box.bottom, { stroke: "currentColor", class: "elbow-hair" }));
    }
    const value = exact ?? valueAt(points, chosen, UNITS[unit]);
    if (chosen && value != null) {
      const [cx, cy] = [layout.x(chosen), layout.y(value)];
      marks.push(mark("circle", { cx, cy, r: 5, fill: "currentColor", class: "elbow-dot", "data-k": chosen }));
    }
    return marks;
  }

  /** Made anew only for new suggestions: a button that is replaced would lose the focus. */
  function drawAdvice(state) {
    const suggested = suggestionsOf(state);
    if (JSON.stringify(suggested) !== advised) {
      advised = JSON.stringify(suggested);
      advice.replaceChildren(...suggested.map(({ k, reason }, i) =>
        make("li", {},
          make("span", {}, `◇ ${i ? "Or" : "Suggested:"} ${k} – ${reason}`),
          make("button", { className: "button", type: "button", "data-k": k, onclick: () => actions.setK(k, { rest: true }) }))));
    }
    for (const button of advice.querySelectorAll("button")) {
      const used = Number(button.dataset.k) === state.shown?.k;
      button.textContent = `${used ? "Using" : "Use"} ${button.dataset.k}`;
      button.setAttribute("aria-pressed", used);
    }
  }

  function drawTable(state) {
    const head = ["Colors", "MSE", "PSNR, dB", "KB, ≈"].map((name) => make("th", { scope: "col" }, name));
    const rows = rowsOf(state).map(({ k, distortion, psnr, bytes }) =>
      make("tr", { "aria-current": k === state.shown?.k },
        make("th", { scope: "row" }, k === state.shown?.k ? `${k}, chosen` : String(k)),
        make("td", {}, digits(distortion)),
        make("td", {}, psnr == null ? "identical" : psnr.toFixed(2)),
        make("td", {}, bytes == null ? "–" : digits(bytes / 1e3, 3))));
    table.replaceChildren(
      make("caption", { className: "visually-hidden" }, "What each number of colors costs"),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  }

  const savers = {
    CSV() {
      const lines = rowsOf(store.get()).map(({ k, distortion, psnr, bytes }) =>
        [k, distortion, psnr, bytes].map((value) => value ?? "").join(","));
      const text = ["colors,mse,psnr,bytes_estimated", ...lines, ""].join("\n");
      actions.save(new Blob([text], { type: "text/csv" }), nameOf("csv"));
    },
    SVG() {
      if (!layout) return;
      const copy = svg.cloneNode(true);
      const own = { xmlns: "http://www.w3.org/2000/svg", color: "#161616", "font-family": "sans-serif" };
      for (const [name, value] of Object.entries({ ...own, width: layout.width })) copy.setAttribute(name, value);
      for (const hair of copy.querySelectorAll(".elbow-hair")) hair.remove();
      const text = new XMLSerializer().serializeToString(copy);
      actions.save(new Blob([text], { type: "image/svg+xml" }), nameOf("svg"));
    },
  };
  const nameOf = (suffix) =>
    `${(store.get().image?.name ?? "image").replace(/\.[^.]*$/, "")}-elbow.${suffix}`;

  function draw() {
    queued = false;
    const state = store.get();
    const points = valuesOf(state, unit);
    for (const button of switches) button.setAttribute("aria-pressed", button.dataset.unit === unit);
    status.textContent = statusOf(state, unit, points);
    twin.hidden = !measured(state).length;
    drawPlot(state, points);
    drawAdvice(state);
    if (twin.open) drawTable(state);
  }

  function soon() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }

  function kUnder(event) {
    const { left, width } = svg.getBoundingClientRect();
    const span = spanOf(measured(store.get()));
    const k = layout.k(((event.clientX - left) / width) * layout.width);
    return Math.min(span[1], Math.max(span[0], k));
  }
  function follow(event) {
    if (!layout) return;
    hovered = kUnder(event);
    if (event.buttons & 1 && hovered !== store.get().shown?.k) actions.setK(hovered, { rest: true });
    soon();
  }
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    svg.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true }); // the arrow keys go on from here
    event.preventDefault();
    follow(event);
  });
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerleave", () => {
    hovered = null;
    soon();
  });
  twin.addEventListener("toggle", draw);
  new ResizeObserver(soon).observe(plot);
  store.subscribe(soon);
  draw();
}

/** One row for each number of colors that was measured, ascending. */
const rowsOf = ({ curve, estimates, made }) =>
  curve.map((point) => ({ ...point, bytes: estimates.length ? Math.round(bytesAt(estimates, point.k, made)) : null }));
