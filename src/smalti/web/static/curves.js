/**
 * The elbow: what each number of colors costs, as a curve to choose from.
 *
 * k runs on a log scale, because doubling the colors is one step to the eye; the error on a root
 * scale, where the library looks for the bend. A native range lies over the plot, so that keys and
 * screen readers have what the pointer has, and a table says the same in numbers.
 */

import { bytesText, clamp, colorsText, drags, make } from "./dom.js";
import { between, bytesAt } from "./estimates.js";
import { button, digits, mark, nextFrame } from "./marks.js";

const [WIDTH, HEIGHT] = [348, 204]; // px of the plot, as wide as the column it is in
const BOX = { left: 40, right: WIDTH - 14, top: 26, bottom: HEIGHT - 40 };
const TICKS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const ROUND = [0, ...Array.from({ length: 24 }, (_, i) => [1, 2, 5][i % 3] * 10 ** (Math.floor(i / 3) - 2))];
const DECIBELS = Array.from({ length: 21 }, (_, i) => 5 * i);
const REASONS = {
  visible: "the fewest colors with which next to no pixel differs noticeably.",
  elbow: "the elbow: from here on more colors lower the error by less than before.",
};

/** Each unit's name, the power that spaces its values along the axis, and its points {k, value}. */
const UNITS = {
  mse: { name: "MSE", power: 0.5, points: ({ curve }) => curve.map(({ k, distortion }) => ({ k, value: distortion })) },
  psnr: { name: "PSNR", power: 1, points: ({ curve }) => curve.map(({ k, psnr }) => ({ k, value: psnr })), exact: "psnr" },
  size: { name: "Size", power: 1, points: sizes, exact: "bytes" },
};

/** Estimates bend between the few that the server sends, so there is a point for every k. */
function sizes({ curve, estimates, made }) {
  const ks = estimates.map(({ k }) => k);
  const [first, last] = [Math.min(...ks), Math.min(Math.max(...ks), curve.at(-1)?.k ?? 0)];
  const length = estimates.length > 1 ? Math.max(0, last - first + 1) : 0;
  return Array.from({ length }, (_, i) => ({ k: first + i, value: bytesAt(estimates, first + i, made) }));
}

/** How values up to `high` are written: title of the axis, step that it counts in, text of a value. */
function wordsOf(unit, high) {
  if (unit === UNITS.psnr) return { title: "PSNR, dB", step: 1, text: (value) => `${value.toFixed(1)} dB` };
  if (unit === UNITS.size) {
    const [step, name] = high >= 2e6 ? [1e6, "MB"] : [1e3, "KB"];
    return { title: `size, ≈ ${name}`, step, text: bytesText };
  }
  const [step, power] = high < 1 ? [1e-3, " × 10⁻³"] : [1, ""]; // Oklab's unit is from black to white
  return { title: `MSE${power}, root scale`, step, text: (value) => `${digits(value / step, 3)}${power}` };
}

/** What is drawn of a unit: its points, the finished file's value if there is one, scales, words. */
function layoutOf(state, unit) {
  const points = unit.points(state).filter(({ value }) => Number.isFinite(value));
  const ks = state.curve.map(({ k }) => k);
  const exact = (state.phase === "settled" && state.result?.[unit.exact]) || null;
  const values = points.map(({ value }) => value).concat(exact ?? []);
  const low = unit === UNITS.psnr ? 5 * Math.floor(Math.min(...values) / 5) : 0;
  const high = Math.max(...values, low + 1e-9);
  const [first, last] = [ks[0], ks.at(-1)];
  const across = (BOX.right - BOX.left) / Math.log(last / first);
  const up = (BOX.bottom - BOX.top) / (high ** unit.power - low ** unit.power);
  const spaced = points.map(({ k, value }) => ({ k, value: value ** unit.power }));
  return {
    unit, points, exact, low, high, first, last, chosen: state.shown?.k,
    drawable: points.length > 1 && ks.length > 1,
    words: wordsOf(unit, high),
    x: (k) => BOX.left + Math.log(k / first) * across,
    y: (value) => BOX.bottom - (value ** unit.power - low ** unit.power) * up,
    kAt: (x) => clamp(Math.round(first * Math.exp((x - BOX.left) / across)), first, last),
    /** The value at any k, straight between its neighbors as the curve is drawn; null beyond its ends. */
    at: (k) => (k >= points[0].k && k <= points.at(-1).k ? between(spaced, k) ** (1 / unit.power) : null),
  };
}

/** "16 colors · MSE ≈ 0.51 × 10⁻³". */
function said({ unit, exact, chosen, words, at }, k) {
  const value = at(k);
  const text = value === null ? "–" : `≈ ${words.text(value)}`;
  return `${colorsText(k)} · ${unit.name} ${exact !== null && k === chosen ? `${words.text(exact)}, exact` : text}`;
}

const line = (x1, y1, x2, y2, more) => mark("line", { x1, y1, x2, y2, ...more });
const label = (x, y, text, anchor = "start") => mark("text", { x, y, "text-anchor": anchor }, text);
const crisp = (value) => Math.round(value) + 0.5; // a line of one pixel, not of two gray ones

function axes({ unit, x, y, low, high, first, last, words }) {
  const marks = [label(6, 14, words.title), label(BOX.right, HEIGHT - 6, "colors, log scale", "end")];
  let lowest = Infinity; // of the labels so far: the next must not touch it
  for (const value of unit === UNITS.psnr ? DECIBELS : ROUND) {
    const height = crisp(y(value * words.step));
    if (value * words.step < low || value * words.step > high || lowest - height < 16) continue;
    lowest = height;
    marks.push(line(BOX.left, height, BOX.right, height, { class: "faint" }));
    marks.push(label(BOX.left - 6, height + 4, digits(value), "end"));
  }
  for (const k of TICKS.filter((tick) => tick >= first && tick <= last)) {
    marks.push(line(crisp(x(k)), BOX.top, crisp(x(k)), BOX.bottom, { class: "faint" }));
    marks.push(label(x(k), BOX.bottom + 16, String(k), "middle"));
  }
  return marks;
}

function curveOf({ points, x, y }) {
  const places = points.map(({ k, value }) => [x(k), y(value)]);
  const dots = points.length > 32 ? [] : places.map(([cx, cy]) => mark("circle", { cx, cy, r: 2 }));
  return [mark("polyline", { points: places.join(" "), class: "elbow-curve" }), ...dots];
}

/** Hollow diamonds, each with its k above it where there is room. */
function diamonds({ unit, x, y, at }, suggested) {
  let taken = -Infinity;
  return suggested.toSorted((one, two) => one.k - two.k).flatMap(({ k, method }) => {
    if (at(k) === null) return [];
    const [left, top] = [x(k), y(at(k))];
    const diamond = mark("path", { d: `M${left - 9},${top}l9,-9l9,9l-9,9z`, class: "hollow", "data-method": method });
    if (left - taken < 26) return [diamond];
    taken = left;
    const before = unit !== UNITS.mse || left > BOX.right - 24;
    return [diamond, label(left + (before ? -6 : 6), top - 12, String(k), before ? "end" : "start")];
  });
}

/** The dot of the chosen k, and the hairline of the one under the pointer. */
function here({ x, y, exact, chosen, at }, hovered) {
  const value = exact ?? at(chosen);
  const hair = hovered && line(crisp(x(hovered)), BOX.top, crisp(x(hovered)), BOX.bottom, { class: "elbow-hair" });
  const dot = value && mark("circle", { cx: x(chosen), cy: y(value), r: 5, class: "elbow-dot", "data-k": chosen });
  return [hair, dot].filter(Boolean);
}

/** The suggestions of a state, the main one first: [{k, method, reason}]. */
function suggestionsOf({ suggestion, suggestions }) {
  const others = Object.entries(suggestions ?? {})
    .filter(([method, k]) => method !== suggestion?.method && k != null)
    .map(([method, k]) => ({ k, method, reason: REASONS[method] ?? "" }));
  return suggestion ? [suggestion, ...others] : [];
}

/** Why there is no curve to see, or what else must be said of it; "" where it speaks for itself. */
function statusOf({ image, ladderDone, serverGone }, unit, count) {
  if (!image) return "Open a picture to see what each number of colors costs.";
  const colors = image.distinct_colors;
  if (!ladderDone && count < 3 && serverGone) return "Not measured: the local server does not answer.";
  if (!ladderDone && count < 3) return "measuring…";
  if (colors <= 2) return `The image has ${colorsText(colors)}: there is nothing to choose.`;
  if (count < 3) return unit === UNITS.size ? "No sizes are known yet." : "There are too few points for a curve.";
  if (colors <= 256) return `The image has ${colorsText(colors)}; with all of them, nothing is lost.`;
  return ladderDone ? "" : "measuring…";
}

/** The table that says what the curve shows. */
function tableOf({ curve, estimates, made, shown }) {
  const heads = ["Colors", "MSE", "PSNR, dB", "KB, ≈"].map((name) => make("th", { scope: "col" }, name));
  const rows = curve.map(({ k, distortion, psnr }) => {
    const size = estimates.length ? digits(bytesAt(estimates, k, made) / 1e3, 3) : "–";
    const cells = [digits(distortion), psnr == null ? "identical" : psnr.toFixed(2), size];
    return make("tr", { "aria-current": k === shown?.k },
      make("th", { scope: "row" }, k === shown?.k ? `${k}, chosen` : String(k)),
      ...cells.map((text) => make("td", {}, text)));
  });
  return [make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)];
}

/** Fill `root` with the elbow and keep it up to date. */
export function mount(root, { store, actions }) {
  let unit = UNITS.mse;
  let hovered = null;
  let layout = null;
  let advised = "";
  const soon = nextFrame(draw);
  const choose = (k) => actions.setK(k, { rest: true });

  const switches = Object.entries(UNITS).map(([key, each]) =>
    button(each.name, () => soon((unit = each)), { "data-unit": key }));
  const readout = make("p", { className: "num elbow-readout" });
  const slider = make("input", {
    type: "range", className: "elbow-slider", "aria-label": "Number of colors, along the curve",
    oninput: () => choose(Number(slider.value)),
  });
  const svg = mark("svg", { class: "plot", "aria-hidden": "true", viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
  const plot = make("div", { className: "elbow-plot" }, slider, svg);
  const status = make("p", { className: "dim elbow-status", role: "status" });
  const advice = make("ul", { className: "elbow-advice" });
  const table = make("table", { className: "num", "aria-label": "What each number of colors costs" });
  const twin = make("details", { className: "elbow-table", ontoggle: soon }, make("summary", {}, "As a table"),
    make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "The curve as a table" }, table));
  const units = make("div", { className: "row", role: "group", "aria-label": "Unit of the curve" }, ...switches);
  root.append(units, readout, plot, status, advice, twin);

  function draw() {
    const state = store.get();
    layout = layoutOf(state, unit);
    switches.forEach((each) => each.setAttribute("aria-pressed", each.textContent === unit.name));
    status.textContent = statusOf(state, unit, layout.points.length);
    plot.hidden = readout.hidden = !layout.drawable;
    twin.hidden = !state.curve.length;
    if (layout.drawable) drawPlot(suggestionsOf(state));
    drawAdvice(suggestionsOf(state), layout.chosen);
    if (twin.open) table.replaceChildren(...tableOf(state));
  }

  function drawPlot(suggested) {
    const { first, last, chosen } = layout;
    svg.replaceChildren(...axes(layout), ...curveOf(layout), ...diamonds(layout, suggested), ...here(layout, hovered));
    Object.assign(slider, { min: first, max: last, value: chosen ?? first });
    slider.setAttribute("aria-valuetext", said(layout, Number(slider.value)));
    readout.textContent = said(layout, hovered ?? chosen ?? first);
  }

  /** Made anew only for new suggestions: a button that is replaced would lose the focus. */
  function drawAdvice(suggested, chosen) {
    if (JSON.stringify(suggested) !== advised) {
      advised = JSON.stringify(suggested);
      advice.replaceChildren(...suggested.map(({ k, reason }, i) =>
        make("li", {}, make("span", {}, `◇ ${i ? "Or" : "Suggested:"} ${k} – ${reason}`),
          button("", () => choose(k), { value: k }))));
    }
    for (const each of advice.querySelectorAll("button")) {
      const used = Number(each.value) === chosen;
      each.textContent = `${used ? "Using" : "Use"} ${each.value}`;
      each.setAttribute("aria-pressed", used);
    }
  }

  function kUnder({ clientX }) {
    const { left, width } = svg.getBoundingClientRect();
    return layout.kAt(((clientX - left) / width) * WIDTH);
  }
  drags(plot, (event) => choose(kUnder(event)));
  plot.addEventListener("pointermove", (event) => soon((hovered = kUnder(event))));
  plot.addEventListener("pointerleave", () => soon((hovered = null)));
  store.subscribe(soon);
  draw();
}
