/**
 * The knobs: the number of colors, large, and all that the library lets one choose. Names, ranges
 * and help come from the library's own table of options, which the server sends.
 */

import { clamp, colorsText, make } from "./dom.js";

/** The sizes that people ask for; stops of the slider's ticks and of the keys [ and ]. */
export const TICKS = [2, 4, 8, 16, 25, 32, 64, 100, 128, 256];
const STEPS = 1000; // of the slider, which is logarithmic in k

const FIELDS = [
  { name: "dither", label: "Dithering", kind: "select" },
  { name: "dither_strength", label: "Strength", kind: "range", step: 0.05 },
  { name: "space", label: "Space", kind: "select" },
  { name: "size", label: "Small file", kind: "range", step: 0.05, usual: 0.25 },
  { name: "dither_adaptive", label: "Dither only where needed", kind: "check", usual: true, more: true },
  { name: "guard", label: "Guard colors of small regions", kind: "check", usual: true, more: true },
  { name: "effort", label: "Effort", kind: "select", more: true },
  { name: "init", label: "Seeds", kind: "select", more: true },
  { name: "n_init", label: "Runs", kind: "number", more: true },
  { name: "seed", label: "Seed", kind: "number", more: true },
  { name: "quality", label: "Quality (pngquant's)", kind: "text", hint: "65-80", more: true },
  { name: "min_score", label: "At least, SSIMULACRA2", kind: "number", hint: "70", more: true },
  { name: "max_bytes", label: "At most, bytes", kind: "text", hint: "50k", more: true },
  { name: "icc", label: "Color profile", kind: "select", more: true },
];
const HELP = {
  dither_adaptive: "Not in flat areas, at edges and in texture.",
  guard: "Small regions of a color far from all others keep it.",
  quality: "The fewest colors that reach pngquant's quality MIN-MAX; k is the most there may be.",
  max_bytes: "The best look whose file fits, such as 50k or 1.5M.",
};

/** @returns {number} the k of a slider position, 0..STEPS */
const kAt = (position, most) => Math.round(most ** (position / STEPS));
const positionOf = (k, most) => (most > 1 ? (STEPS * Math.log(k)) / Math.log(most) : 0);

/** The most colors that make sense: 256, or as many as the picture has. */
export function mostColors({ image }) {
  return image ? Math.min(256, image.distinct_colors) : 256;
}

export function mount(root, { store, actions }) {
  const k = kControl(store, actions);
  const main = make("div", { className: "settings" });
  const grid = make("div", { className: "grid" });
  const more = make("details", { className: "more" }, make("summary", {}, "More settings and targets"), grid);
  const fields = FIELDS.map((field) => {
    const made = control(field, store, actions);
    (field.more ? grid : main).append(made.element);
    return made;
  });
  const reset = make("button", { className: "button", id: "reset" }, "Reset settings");
  reset.addEventListener("click", () => actions.reset());
  grid.append(reset);
  root.append(k.element, main, more);
  const update = (state) => {
    k.update(state);
    for (const field of fields) field.update(state);
  };
  store.subscribe((state, changed) => {
    if (["settings", "image", "options", "shown", "suggestion"].some((key) => changed.has(key))) update(state);
  });
  update(store.get());
}

// ---- the number of colors

function kControl(store, actions) {
  const number = make("input", {
    className: "field num", id: "k-number", type: "text", inputMode: "numeric", autocomplete: "off",
  });
  const range = make("input", { type: "range", id: "k-range", min: 0, max: STEPS, step: 1, ariaLabel: "Number of colors" });
  const ticks = make("div", { className: "ticks", ariaHidden: "true" });
  const suggest = make("button", { className: "button", id: "suggest", disabled: true }, "Suggested: –");
  const note = make("p", { className: "k-note dim", id: "k-note" });
  const step = (label, name, by) => {
    const button = make("button", { className: "button", ariaLabel: name, title: name }, label);
    button.addEventListener("click", () => actions.stepK(by));
    return button;
  };
  const element = make("div", {},
    make("div", { className: "k-row" },
      make("label", { htmlFor: "k-number" }, "Colors"),
      make("div", { className: "row" }, step("−", "One color less", -1), number, step("+", "One color more", 1)),
      make("div", { className: "k-slider" }, range, ticks),
      suggest),
    note);

  // A number is taken when it is complete, or typing 170 would pass 1 and 17 on the way.
  const commit = () => {
    const typed = Math.round(Number(number.value));
    if (number.value.trim() && Number.isFinite(typed)) actions.setK(Math.max(1, typed), { rest: true });
    number.value = store.get().settings.k;
  };
  number.addEventListener("focus", () => number.select());
  number.addEventListener("change", commit);
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") commit();
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      actions.stepK(event.key === "ArrowUp" ? 1 : -1);
    }
  });
  range.addEventListener("input", () => actions.setK(kAt(Number(range.value), mostColors(store.get())), { rest: true }));
  range.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const tick = { PageDown: -1, PageUp: 1 }[event.key];
    if (by) actions.stepK(event.shiftKey ? 8 * by : by);
    else if (tick) actions.stepTick(tick);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  suggest.addEventListener("click", () => actions.setK(store.get().suggestion.k, { rest: true }));

  let most = 0;
  function update(state) {
    const { settings, shown, suggestion, image } = state;
    const value = typeof settings.k === "number" ? settings.k : shown?.k ?? 64;
    if (document.activeElement !== number) number.value = value;
    if (most !== mostColors(state)) drawTicks((most = mostColors(state)));
    if (kAt(Number(range.value), most) !== value) range.value = positionOf(Math.min(value, most), most);
    range.setAttribute("aria-valuetext", colorsText(value));
    suggest.disabled = !suggestion || suggestion.k === value;
    suggest.textContent = suggestion ? `Suggested: ${suggestion.k}` : "Suggested: –";
    suggest.title = suggestion?.reason ?? "";
    note.textContent = kNote(value, image, settings, shown);
  }

  function drawTicks(limit) {
    const shownTicks = TICKS.filter((tick) => tick <= limit);
    ticks.replaceChildren(
      ...shownTicks
        .filter((tick) => tick !== 25 && tick !== 100 && tick !== 2)
        .map((tick) => {
          const span = make("span", {}, String(tick));
          span.style.left = `${positionOf(tick, limit) / (STEPS / 100)}%`;
          return span;
        }),
    );
  }
  return { element, update };
}

function kNote(k, image, settings, shown) {
  if (!image) return "";
  if (settings.palette) return `Your own palette of ${colorsText(settings.palette.length)}.`;
  const targets = ["quality", "min_score", "max_bytes"].filter((name) => settings[name] != null);
  if (targets.length) return `At most ${colorsText(k)}; the target decides.`;
  if (image.distinct_colors <= k) {
    return image.distinct_colors === 1
      ? "The picture has one color."
      : `The picture has ${colorsText(image.distinct_colors)}: all are kept, nothing is lost.`;
  }
  if (shown && !shown.exact && shown.k !== k && !shown.own) return `Shown with ${colorsText(shown.k)} until those of ${k} are found.`;
  return `of ${colorsText(image.distinct_colors)} in the picture`;
}

// ---- all others

function control(field, store, actions) {
  const { name, kind } = field;
  const id = `set-${name}`;
  const input = kind === "select"
    ? make("select", { className: "field", id })
    : make("input", { className: kind === "range" || kind === "check" ? "" : "field", id, type: types[kind], placeholder: field.hint ?? "", autocomplete: "off" });
  if (kind === "range") Object.assign(input, { min: 0, max: 1, step: field.step });
  const output = kind === "range" ? make("output", { htmlFor: id }) : "";
  const help = make("span", { className: "visually-hidden", id: `${id}-help` });
  input.setAttribute("aria-describedby", help.id);
  const element = kind === "check"
    ? make("label", { htmlFor: id }, input, field.label, help)
    : make("label", { htmlFor: id }, field.label, input, output, help);

  input.addEventListener(kind === "range" ? "input" : "change", () => {
    const value = read(input, field, store.get().options[name]);
    if (value === undefined) {
      input.setAttribute("aria-invalid", "true");
      actions.say(`${field.label} must be a number${rangeText(store.get().options[name])}.`);
      return;
    }
    input.removeAttribute("aria-invalid");
    actions.change({ [name]: value }, name);
  });

  function update({ settings, options }) {
    const option = options[name];
    const text = option?.help ?? HELP[name] ?? "";
    if (help.textContent !== text) element.title = help.textContent = text;
    if (kind === "select" && option && !input.options.length) {
      input.append(...option.choices.map((choice) => make("option", { value: choice }, choice)));
    }
    const value = settings[name] ?? option?.default ?? field.usual ?? "";
    if (kind === "check") input.checked = Boolean(settings[name] ?? field.usual);
    else if (document.activeElement !== input || kind === "select") input.value = kind === "range" || settings[name] != null || kind === "select" ? value : "";
    if (kind === "range") output.textContent = Number(value).toFixed(2);
    if (name === "dither_strength") element.hidden = (settings.dither ?? "auto") === "none";
    if (name === "number") input.min = option?.low;
  }
  return { element, update };
}

const types = { range: "range", check: "checkbox", number: "number", text: "text" };

/** The value of a field; null for the library's default, undefined for something impossible. */
function read(input, field, option) {
  if (field.kind === "check") return input.checked === field.usual ? null : input.checked;
  const text = input.value.trim();
  if (text === "") return input.validity.badInput ? undefined : null;
  if (field.kind === "text") return text;
  if (field.kind === "select") return text === option.default ? null : text;
  const value = Number(text);
  if (!Number.isFinite(value) || clamp(value, option?.low ?? -Infinity, option?.high ?? Infinity) !== value) return undefined;
  return value === option?.default ? null : value;
}

function rangeText(option) {
  if (option?.low == null) return "";
  return option.high == null ? ` of at least ${option.low}` : ` from ${option.low} to ${option.high}`;
}
