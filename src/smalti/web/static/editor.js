/**
 * Changes of the palette, and the form for one color. Whoever changes a color makes the palette
 * their own, and means that color: it is locked.
 */

import { hexes, nearestTo, parseHex } from "./colors.js";
import { button, clamp, colorsText, hexOf, make, rgbaOf, write } from "./dom.js";

/** What can be done to the palette in the store; each is one change, and is announced. */
export function makeEdits(store, actions) {
  const codes = () => hexes(store.get().shown.colors);

  /** One change, so that it is undone by one undo: the palette, and the locks that come and go. */
  function take(next, lock, said) {
    const { locked, settings } = store.get();
    const before = codes();
    const keep = [...locked].filter((hex) => next.includes(hex) || !before.includes(hex));
    if (lock && !keep.includes(lock)) keep.push(lock);
    if (keep.join() === [...locked].join()) actions.editPalette(rgbaOf(next));
    else {
      const room = settings.k < keep.length ? { k: keep.length } : {};
      actions.change({ palette: next, keep: keep.length ? keep : null, ...room }, "palette");
    }
    actions.say(said);
  }

  /** What an entry and its nearest become: the one that is locked, or their mean by share. */
  function joinedOf(index, other) {
    const { shown: { colors, shares }, locked } = store.get();
    const all = codes();
    const held = [other, index].find((i) => locked.has(all[i]));
    if (held !== undefined) return all[held];
    const [a, b] = shares ? [shares[index], shares[other]] : [1, 1];
    const part = a + b ? a / (a + b) : 0.5;
    return hexOf([0, 1, 2, 3].map((c) => Math.round(part * colors[4 * index + c] + (1 - part) * colors[4 * other + c])));
  }

  return {
    codes,
    replace: (index, hex) => take(codes().with(index, hex), hex, `${codes()[index]} is now ${hex}, and locked`),
    add: (hex) => take([...codes(), hex], hex, `${hex} added and locked: ${colorsText(codes().length + 1)}`),
    remove: (index) => take(codes().toSpliced(index, 1), null, `${codes()[index]} deleted: ${colorsText(codes().length - 1)}`),
    merge(index) {
      const all = codes();
      const other = nearestTo(store.get().shown.colors, index);
      const joined = joinedOf(index, other);
      const next = [...new Set(all.with(other, joined).toSpliced(index, 1))];
      take(next, null, `${all[index]} and ${all[other]} merged into ${joined}`);
    },
  };
}

/**
 * The form that edits a color or adds one. What is wrong is said, and stays in the field.
 *
 * @param {any} store
 * @param {ReturnType<makeEdits>} edits
 * @param {(hex?: string) => void} backToRow  gives the focus to the row of a color
 */
export function makeEditor(store, edits, backToRow) {
  const title = make("strong");
  const picker = make("input", { type: "color", className: "palette-picker" });
  const code = make("input", {
    type: "text", className: "field num", maxLength: 9, spellcheck: false, autocomplete: "off",
    placeholder: "#rrggbb", "aria-describedby": "palette-wrong",
  });
  const alpha = make("input", { type: "number", className: "field num", min: 0, max: 255 });
  const alphaLabel = make("label", {}, "Alpha ", alpha);
  const wrong = make("p", { id: "palette-wrong", className: "palette-wrong", role: "alert" });
  const done = make("button", { type: "submit", className: "button" });
  const swatch = make("span", { className: "swatch" });
  const neighbor = make("span");
  const merge = button("Merge with the nearest, ", join);
  const element = make("form", { className: "palette-editor", noValidate: true, hidden: true }, title,
    make("div", { className: "row" }, make("label", {}, "Color ", picker), make("label", {}, "Hex ", code), alphaLabel),
    wrong, make("div", { className: "row" }, done, button("Close", close), merge));
  let target = null; // {index, hex} of the color that is edited; index -1 for one to add
  let back = null; // where focus goes when the form closes
  merge.append(swatch, neighbor);

  function open(next, goBack) {
    [target, back] = [next, goBack];
    element.hidden = false;
    write(done, next.index < 0 ? "Add" : "Done");
    fill();
    code.focus();
    code.select();
  }

  /** Show the color that is edited, and its neighbor. */
  function fill() {
    const { index, hex } = target;
    const { image, shown } = store.get();
    const other = index < 0 ? -1 : nearestTo(shown.colors, index);
    write(title, index < 0 ? "Add a color" : `Edit ${hex}`);
    code.value = hex;
    picker.value = hex.slice(0, 7) || "#ffffff";
    alpha.value = parseHex(hex)?.[3] ?? 255;
    alphaLabel.hidden = !image?.has_alpha;
    merge.hidden = other < 0;
    swatch.style.setProperty("--color", edits.codes()[other]);
    write(neighbor, ` ${edits.codes()[other]}`);
    complain("");
  }

  function complain(text) {
    write(wrong, text);
    code.setAttribute("aria-invalid", String(Boolean(text)));
  }

  function close() {
    const { hex } = target;
    target = null;
    element.hidden = true;
    back(hex);
  }

  /** Why the text in the field cannot be taken; "" if it can. */
  function objection(rgba) {
    if (!rgba) return `A color is written #rgb, #rrggbb or #rrggbbaa, not “${code.value}”.`;
    if (rgba[3] < 255 && alphaLabel.hidden) return "This image has no transparency: leave out the last two digits.";
    const known = edits.codes().indexOf(hexOf(rgba));
    return known < 0 || known === target.index ? "" : `${hexOf(rgba)} is in the palette already.`;
  }

  /** Take what is in the field; whether that was possible. */
  function commit() {
    const rgba = parseHex(code.value);
    const reason = objection(rgba);
    complain(reason);
    if (reason) return false;
    const hex = hexOf(rgba);
    const { index, hex: before } = target;
    target = { index, hex }; // before the store tells everybody
    if (index < 0) edits.add(hex);
    else if (hex !== before) {
      edits.replace(index, hex);
      fill();
    }
    return true;
  }

  /** Put the picker's color and the number of alpha into the hex field. */
  function combine() {
    const rgba = parseHex(picker.value);
    rgba[3] = alphaLabel.hidden || alpha.value === "" ? 255 : clamp(Math.round(alpha.value), 0, 255);
    code.value = rgba[3] ? hexOf(rgba) : "#00000000"; // what is clear has no color
    complain("");
  }

  function join() {
    const { index } = target;
    target = null; // or the form would look for its color
    element.hidden = true;
    edits.merge(index);
    backToRow();
  }

  picker.addEventListener("input", combine);
  alpha.addEventListener("change", combine);
  for (const field of [picker, alpha, code]) field.addEventListener("change", () => target?.index >= 0 && commit());
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (commit()) close();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });

  return {
    element,
    edit: (index) => open({ index, hex: edits.codes()[index] }, backToRow),
    add: (from) => open({ index: -1, hex: "" }, () => from.focus()),
    /** Stay with the color that is edited when the palette changes; close if it is gone. */
    follow() {
      if (!target || target.index < 0) return;
      target.index = store.get().shown ? edits.codes().indexOf(target.hex) : -1;
      if (target.index < 0) [target, element.hidden] = [null, true];
    },
  };
}
