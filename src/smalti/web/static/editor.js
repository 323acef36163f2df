/**
 * Changes of the palette, and the form for one color. Whoever changes a color makes the palette
 * their own, and means that color: it is locked.
 */

import { hexes, parseHex } from "./colors.js";
import { button, colorsText, hexOf, make, write } from "./dom.js";

/** What can be done to the palette in the store; each is one step to undo, and is announced. */
export function makeEdits(store, actions) {
  const codes = () => hexes(store.get().shown.colors);

  function take(next, lock, said) {
    const { locked, settings } = store.get();
    const before = codes();
    const keep = new Set([...locked].filter((hex) => next.includes(hex) || !before.includes(hex)));
    if (lock) keep.add(lock);
    actions.change({ palette: next, keep: keep.size ? [...keep] : null, k: Math.max(settings.k, keep.size) }, "palette");
    actions.say(said);
  }

  return {
    codes,
    replace: (hex, by) => take(codes().with(codes().indexOf(hex), by), by, `${hex} is now ${by}, and locked`),
    add: (hex) => take([...codes(), hex], hex, `${hex} added and locked: ${colorsText(codes().length + 1)}`),
    remove: (hex) => take(codes().toSpliced(codes().indexOf(hex), 1), null, `${hex} deleted: ${colorsText(codes().length - 1)}`),
    take: (all, from) => take(all, null, `Your palette, ${colorsText(all.length)} from ${from}`),
  };
}

/** The form that edits a color or adds one; `onClose` is told its code of before and of now. */
export function makeEditor(store, edits, onClose) {
  const title = make("strong");
  const picker = make("input", { type: "color", "aria-label": "Color" });
  const code = make("input", {
    className: "field num", maxLength: 9, spellcheck: false, autocomplete: "off",
    placeholder: "#rrggbb", "aria-describedby": "palette-wrong",
  });
  const wrong = make("p", { id: "palette-wrong", role: "alert" });
  const element = make("form", { className: "palette-editor", hidden: true }, title,
    make("div", { className: "row" },
      picker, make("label", {}, "Hex ", code),
      make("button", { className: "button" }, "Done"), button("Close", () => close(before))),
    wrong);
  let before = ""; // the code of the color that is edited; none for one to add

  function open(hex) {
    before = hex;
    element.hidden = false;
    write(title, hex ? `Edit ${hex}` : "Add a color");
    code.value = hex;
    picker.value = hex.slice(0, 7) || "#ffffff";
    complain("");
    code.select();
  }

  function complain(text) {
    write(wrong, text);
    code.setAttribute("aria-invalid", Boolean(text));
  }

  function close(now) {
    element.hidden = true;
    onClose(before, now);
  }

  /** Why a color cannot be taken; "" if it can. */
  function objection(rgba) {
    if (!rgba) return `A color is written #rgb, #rrggbb or #rrggbbaa, not “${code.value}”.`;
    const hex = hexOf(rgba);
    if (rgba[3] < 255 && !store.get().image.has_alpha) return "This image has no transparency: leave out the last two digits.";
    return hex !== before && edits.codes().includes(hex) ? `${hex} is in the palette already.` : "";
  }

  picker.addEventListener("input", () => {
    const rgba = parseHex(picker.value);
    rgba[3] = parseHex(code.value)?.[3] || 255;
    code.value = hexOf(rgba);
    complain("");
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    const rgba = parseHex(code.value);
    complain(objection(rgba));
    if (wrong.textContent) return code.focus();
    const hex = hexOf(rgba);
    if (!before) edits.add(hex);
    else if (hex !== before) edits.replace(before, hex);
    close(hex);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close(before);
  });

  return {
    element,
    open,
    /** Close the form if its color has left the palette. */
    follow() {
      if (before && !(store.get().shown && edits.codes().includes(before))) element.hidden = true;
    },
  };
}
