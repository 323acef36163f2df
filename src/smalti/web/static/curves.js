/**
 * The elbow: what each number of colors costs, as a curve to choose from.
 *
 * k runs on a log scale, because doubling the colors is one step to the eye; the error on a root
 * scale, where the library looks for the bend. A native range lies over the plot, so that keys and
 * screen readers have what the pointer has, and a table says the same in numbers.
 */

import { bytesText, clamp, colorsText, drags, make } from "./dom.js";
import { between, bytesAt } from "./estimates.js";
import { button, digits, fillTable, mark, nextFrame } from "./marks.js";

const [WIDTH, HEIGHT] = [348, 200]; // px of the plot, as wide as the column it is in
const BOX = { left: 54, right: WIDTH - 14, top: 26, bottom: HEIGHT - 38 };
const TICKS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const ROUND = [0, ...Array.from({ length: 42 }, (_, i) => [1, 2, 5][i % 3] * 10 ** (Math.floor(i / 3) - 6))];
const DECIBELS = [10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 80];
const REASONS = {
  visible: "the fewest colors with which next to no pixel differs noticeably.",
  elbow: "the elbow: from here on more colors lower the error by less than before.",
};

/** Names, the power that spaces values along the axis, where it begins, and how they are written. */
const UNITS = {
  mse: { name: "MSE", title: "MSE, root scale", power: 0.5, text: (value) => digits(value, 4) },
  psnr: { name: "PSNR", title: "PSNR", power: 1, text: (value) => `${digits(value, 3)} dB` },
  size: { name: "Size", title: "Size, ≈", power: 1, text: bytesText },
};

/** The curve with everything that is known of each number of colors: {k, mse, psnr, size}. */
const known = ({ curve, estimates, made }) =>
  curve.map(({ k, distortion, psnr }) =>
    ({ k, mse: distortion, psnr, size: estimates.length > 1 ? bytesAt(estimates, k, made) : null }));

/** A unit's points {k, value}, the ends of its axis, and functions between values and px. */
function layoutOf(state, name) {
  const unit = UNITS[name];
  const points = known(state).map((row) => ({ k: row.k, value: row[name] })).filter(({ value }) => Number.isFinite(value));
  const [first, last] = [state.curve[0]?.k, state.curve.at(-1)?.k];
  const values = points.map(({ value }) => value);
  const low = name === "psnr" ? 5 * Math.floor(Math.min(...values) / 5) : 0;
  const high = Math.max(...values, low + 1e-9);
  const across = (BOX.right - BOX.left) / Math.log(last / first);
  const up = (BOX.bottom - BOX.top) / (high ** unit.power - low ** unit.power);
  const spaced = points.map(({ k, value }) => ({ k, value: value ** unit.power }));
  return {
    unit, points, first, last,
    ticks: (name === "psnr" ? DECIBELS : ROUND).filter((value) => value >= low && value <= high),
    x: (k) => BOX.left + Math.log(k / first) * across,
    y: (value) => BOX.bottom - (value ** unit.power - low ** unit.power) * up,
    kAt: (x) => clamp(Math.round(first * Math.exp((x - BOX.left) / across)), first, last),
    /** The value at any k, straight between its neighbors as the curve is drawn; null beyond its ends. */
    at: (k) => (k >= points[0].k && k <= points.at(-1).k ? between(spaced, k) ** (1 / unit.power) : null),
  };
}

const line = (x1, y1, x2, y2) => mark("line", { x1, y1, x2, y2, class: "faint" });
const label = (x, y, text, anchor) => mark("text", { x, y, "text-anchor": anchor }, text);
const crisp = (value) => Math.round(value) + 0.5; // a line of one pixel, not of two gray ones

function axes({ unit, ticks, x, y, first, last }) {
  const marks = [label(6, 14, unit.title, "start"), label(BOX.right, HEIGHT - 4, "colors, log scale", "end")];
  let lowest = Infinity; // of the labels so far: the next must not touch it
  for (const value of ticks) {
    const height = crisp(y(value));
    if (lowest - height < 16) continue;
    lowest = height;
    marks.push(line(BOX.left, height, BOX.right, height), label(BOX.left - 6, height + 4, unit.text(value), "end"));
  }
  for (const k of TICKS.filter((tick) => tick >= first && tick <= last)) {
    const place = crisp(x(k));
    marks.push(line(place, BOX.top, place, BOX.bottom), label(place, BOX.bottom + 16, String(k), "middle"));
  }
  return marks;
}

/** The curve, hollow diamonds at the suggestions and a dot at the chosen k. */
function curveOf({ points, x, y, at }, suggested, chosen) {
  const places = points.map(({ k, value }) => [x(k), y(value)]);
  const marks = places.map(([cx, cy]) => mark("circle", { cx, cy, r: 2 }));
  for (const { k, method } of suggested) {
    const d = `M${x(k) - 9},${y(at(k))}l9,-9l9,9l-9,9z`;
    if (at(k) !== null) marks.push(mark("path", { d, class: "hollow", "data-method": method }));
  }
  const dot = { cx: x(chosen), cy: y(at(chosen)), r: 5, class: "elbow-dot", "data-k": chosen };
  if (at(chosen) !== null) marks.push(mark("circle", dot));
  return [mark("polyline", { points: places.join(" "), class: "elbow-curve" }), ...marks];
}

/** The main suggestion first: [{k, method, reason}]. */
function suggestionsOf({ suggestion, suggestions }) {
  const others = Object.entries(suggestions ?? {})
    .filter(([method, k]) => method !== suggestion?.method && k > 1)
    .map(([method, k]) => ({ k, method, reason: REASONS[method] ?? "" }));
  return suggestion ? [suggestion, ...others] : [];
}

/** Why there is no curve to see, or what else must be said of it; "" where it speaks for itself. */
function statusOf({ image, ladderDone, serverGone }, count) {
  if (!image) return "Open a picture to see what each number of colors costs.";
  const colors = colorsText(image.distinct_colors);
  if (!ladderDone && count < 3) return serverGone ? "Not measured: the local server does not answer." : "measuring…";
  if (image.distinct_colors <= 2) return `The image has ${colors}: there is nothing to choose.`;
  if (count < 3) return "There are too few points for a curve.";
  if (image.distinct_colors <= 256) return `The image has ${colors}; with all of them, nothing is lost.`;
  return ladderDone ? "" : "measuring…";
}

/** Fill `root` with the elbow and keep it up to date. */
export function mount(root, { store, actions }) {
  let unit = "mse";
  let layout = null;
  let advised = "";
  const soon = nextFrame(draw);
  const choose = (k) => actions.setK(k, { rest: true });

  const switches = Object.entries(UNITS).map(([key, { name }]) =>
    button(name, () => soon((unit = key)), { "data-unit": key }));
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
    switches.forEach((each) => each.setAttribute("aria-pressed", each.dataset.unit === unit));
    status.textContent = statusOf(state, layout.points.length);
    plot.hidden = readout.hidden = layout.points.length < 2;
    twin.hidden = !state.curve.length;
    drawAdvice(suggestionsOf(state), state.shown?.k);
    if (!plot.hidden) drawPlot(suggestionsOf(state), state.shown?.k ?? layout.first);
    if (twin.open) drawTable(state);
  }

  function drawPlot(suggested, chosen) {
    svg.replaceChildren(...axes(layout), ...curveOf(layout, suggested, chosen));
    const value = layout.at(chosen);
    readout.textContent = `${colorsText(chosen)} · ${layout.unit.name} ${value === null ? "–" : `≈ ${layout.unit.text(value)}`}`;
    Object.assign(slider, { min: layout.first, max: layout.last, value: chosen });
    slider.setAttribute("aria-valuetext", readout.textContent);
  }

  function drawTable(state) {
    const units = Object.entries(UNITS);
    fillTable(table, ["Colors", ...units.map(([, { name }]) => `${name}, ≈`)], known(state).map((row) => {
      const values = units.map(([name, { text }]) => (row[name] == null ? "–" : text(row[name])));
      return row.k === state.shown?.k ? [true, `${row.k}, chosen`, ...values] : [false, String(row.k), ...values];
    }));
  }

  /** Made anew only for new suggestions: a button that is replaced would lose the focus. */
  function drawAdvice(suggested, chosen) {
    if (JSON.stringify(suggested) !== advised) {
      advised = JSON.stringify(suggested);
      advice.replaceChildren(...suggested.map(({ k, reason }, i) =>
        make("li", {}, `◇ ${i ? "Or" : "Suggested:"} ${k} – ${reason}`, button("", () => choose(k), { value: k }))));
    }
    for (const each of advice.querySelectorAll("button")) {
      const used = Number(each.value) === chosen;
      each.textContent = `${used ? "Using" : "Use"} ${each.value}`;
      each.setAttribute("aria-pressed", used);
    }
  }

  drags(plot, ({ clientX }) => {
    const { left, width } = svg.getBoundingClientRect();
    choose(layout.kAt(((clientX - left) / width) * WIDTH));
  });
  store.subscribe(soon);
  draw();
}
