/**
 * The knobs: the number of colors, large, and all that the library lets one choose. Ranges, choices
 * and help come from the library's own table of options, which the server sends.
 */

import { colorsText, make } from "./dom.js";
import { kOf } from "./store.js";

/** The sizes that people ask for. */
export const TICKS = [2, 4, 8, 16, 25, 32, 64, 100, 128, 256];
const LABELED = [4, 8, 16, 32, 64, 128, 256];
const STEPS = 1000; // of the slider, which is logarithmic in k
const TARGETS = ["quality", "min_score", "max_bytes"];

const MAIN = [
  { name: "dither", label: "Dithering", kind: "select" },
  { name: "dither_strength", label: "Strength", kind: "range" },
  { name: "space", label: "Space", kind: "select" },
  { name: "size", label: "Small file", kind: "range", usual: 0.25 },
];
const MORE = [
  { name: "dither_adaptive", label: "Dither only where needed", kind: "checkbox", usual: true },
  { name: "guard", label: "Guard colors of small regions", kind: "checkbox", usual: true },
  { name: "effort", label: "Effort", kind: "select" },
  { name: "init", label: "Seeds", kind: "select" },
  { name: "n_init", label: "Runs", kind: "number" },
  { name: "seed", label: "Seed", kind: "number" },
  { name: "quality", label: "Quality, pngquant's", kind: "text", hint: "65-80", help: "The fewest colors that reach it. Of a single number, nine tenths must be reached." },
  { name: "min_score", label: "Least SSIMULACRA2", kind: "number", hint: "70" },
  { name: "max_bytes", label: "Most bytes", kind: "text", hint: "50k", help: "The best look whose file fits." },
  { name: "icc", label: "Color profile", kind: "select" },
];

const mostColors = ({ image }) => (image ? Math.min(256, image.distinct_colors) : 256);
const kAt = (position, most) => Math.round(most ** (position / STEPS));
const positionOf = (k, most) => (most > 1 ? (STEPS * Math.log(k)) / Math.log(most) : 0);

export function mount(root, { store, actions }) {
  const parts = [kControl(store, actions)];
  const place = (fields) => fields.map((field) => {
    const made = control(field, store, actions);
    parts.push(made);
    return made.element;
  });
  const reset = make("button", { className: "button", id: "reset", onclick: actions.reset }, "Reset settings");
  root.append(
    parts[0].element,
    make("div", { className: "settings" }, ...place(MAIN)),
    make("details", { className: "more" }, make("summary", {}, "More settings and targets"),
      make("div", { className: "grid" }, ...place(MORE), reset)),
  );
  const update = (state) => parts.forEach((part) => part.update(state));
  store.subscribe(update);
  update(store.get());
}

// ---- the number of colors

function kControl(store, actions) {
  const number = make("input", { className: "field num", id: "k-number", type: "text", inputMode: "numeric", autocomplete: "off", "aria-label": "Colors" });
  const range = make("input", { type: "range", id: "k-range", min: 0, max: STEPS, "aria-label": "Number of colors" });
  const ticks = make("div", { className: "ticks", "aria-hidden": true });
  const suggest = make("button", { className: "button", id: "suggest" });
  const note = make("p", { className: "k-note dim", id: "k-note" });
  const step = (label, title, by) => make("button", { className: "button", title, "aria-label": title, onclick: () => actions.stepK(by) }, label);
  const element = make("div", {},
    make("div", { className: "k-row" },
      make("label", { htmlFor: "k-number" }, "Colors"),
      make("div", { className: "row" }, step("−", "One color less", -1), number, step("+", "One color more", 1)),
      make("div", { className: "k-slider" }, range, ticks), suggest,
      make("output", { className: "num", id: "bar-size" }), make("button", { className: "button main", id: "bar-download" }, "Download")),
    note);

  // A number is taken when it is complete, or typing 170 would pass 1 and 17 on the way.
  number.onchange = () => {
    const typed = Math.round(Number(number.value));
    if (number.value.trim() && Number.isFinite(typed)) actions.setK(Math.max(1, typed));
    number.value = kOf(store.get());
  };
  number.onfocus = () => number.select();
  number.onkeydown = (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter") number.onchange();
    if (by) actions.stepK(by), (number.value = kOf(store.get())), event.preventDefault();
  };
  // While the slider is held, no file is made; the release is the change.
  range.oninput = () => actions.setK(kAt(range.value, mostColors(store.get())), { rest: false });
  range.onchange = () => actions.rest();
  range.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const tick = { PageDown: -1, PageUp: 1 }[event.key];
    if (!by && !tick) return;
    if (by) actions.stepK(event.shiftKey ? 8 * by : by);
    else actions.stepTick(tick);
    event.preventDefault();
  };
  suggest.onclick = () => actions.setK(store.get().suggestion.k);

  let most = 0;
  function update(state) {
    const { suggestion } = state;
    const k = kOf(state);
    if (document.activeElement !== number) number.value = k;
    if (most !== mostColors(state)) drawTicks(ticks, (most = mostColors(state)));
    if (kAt(range.value, most) !== k) range.value = positionOf(Math.min(k, most), most);
    range.setAttribute("aria-valuetext", colorsText(k));
    suggest.disabled = !suggestion || suggestion.k === k;
    suggest.textContent = `Suggested: ${suggestion?.k ?? "–"}`;
    suggest.title = suggestion?.reason ?? "";
    note.textContent = kNote(state);
  }
  return { element, update };
}

function drawTicks(ticks, most) {
  ticks.replaceChildren(...LABELED.filter((k) => k <= most).map((k) => {
    const tick = make("span", {}, String(k));
    tick.style.left = `${(100 * positionOf(k, most)) / STEPS}%`;
    return tick;
  }));
}

function kNote({ image, settings, shown }) {
  const { palette } = settings;
  const k = kOf({ image, settings });
  if (!image) return "";
  if (palette) return `Your own palette of ${colorsText(palette.length)}.`;
  if (TARGETS.some((name) => settings[name] != null)) return `At most ${colorsText(k)}; the target decides.`;
  const all = image.distinct_colors;
  if (all <= k) return all === 1 ? "The picture has one color." : `The picture has ${colorsText(all)}: all are kept, nothing is lost.`;
  if (shown && !shown.exact && shown.k !== k) return `Shown with ${colorsText(shown.k)} until those of ${k} are found.`;
  return `of ${colorsText(all)} in the picture`;
}

// ---- all others

function control({ name, label, kind, usual, hint = "", help = "" }, store, actions) {
  const id = `set-${name}`;
  const input = make(kind === "select" ? "select" : "input", { id, className: ["range", "checkbox"].includes(kind) ? "" : "field", "aria-describedby": `${id}-help` });
  if (kind !== "select") Object.assign(input, { type: kind, placeholder: hint, autocomplete: "off" });
  if (kind === "range") Object.assign(input, { min: 0, max: 1, step: 0.05 });
  const output = make("output", { htmlFor: id, hidden: kind !== "range" });
  const explained = make("span", { className: "visually-hidden", id: `${id}-help` });
  const element = make("label", { htmlFor: id }, ...(kind === "checkbox" ? [input, label] : [label, input]), output, explained);
  const option = () => store.get().options[name] ?? {};
  const standard = () => option().default ?? usual ?? "";

  input[kind === "range" ? "oninput" : "onchange"] = () => {
    const value = kind === "checkbox" ? input.checked : kind === "number" || kind === "range" ? input.valueAsNumber : input.value.trim();
    const empty = value === "" || (Number.isNaN(value) && !input.validity.badInput);
    const { low = -Infinity, high = Infinity } = option();
    const whole = !option().integer || Number.isInteger(value);
    const wrong = !empty && typeof value === "number" && !(value >= (low ?? -Infinity) && value <= (high ?? Infinity) && whole);
    input.setAttribute("aria-invalid", wrong);
    const kindOf = option().integer ? "a whole number" : "a number";
    if (wrong) actions.say(`${label} must be ${kindOf} from ${low}${high > 1e6 || high == null ? " up" : ` to ${high}`}.`);
    else actions.change({ [name]: empty || value === standard() ? null : value });
  };

  function update({ settings, options, renderError }) {
    if (renderError?.startsWith(`${name} `)) input.setAttribute("aria-invalid", true); // the library says so
    const text = options[name]?.help ?? help;
    if (explained.textContent !== text) element.title = explained.textContent = text;
    if (kind === "select" && options[name] && !input.options.length) {
      input.append(...options[name].choices.map((choice) => make("option", { value: choice }, choice)));
    }
    const value = settings[name] ?? standard();
    if (kind === "checkbox") input.checked = value;
    else if (kind === "select" || kind === "range") input.value = value;
    else if (document.activeElement !== input) input.value = settings[name] ?? "";
    if (kind === "range") output.textContent = Number(value).toFixed(2);
    if (name === "dither_strength") element.hidden = settings.dither === "none";
  }
  return { element, update };
}
