/**
 * The palette panel: which colors there are, how much of the image each serves, and what can be
 * done to them. A few are rows, many are swatches; the current one can be copied, locked, edited
 * and deleted by the buttons below. A color is known by its row in the palette (`index`), in
 * whatever place (`at`) it is shown. The panel keeps its height while k moves.
 */

import { hexes, order, percents } from "./colors.js";
import { button, clamp, colorsText, make, throttle, write } from "./dom.js";
import { makeEditor, makeEdits } from "./editor.js";

const LISTED = 24; // more rows than these are not read but scrolled past
const MOST = 256;
const EVERY_MS = 100;
const SORTS = ["share", "hue", "lightness"];
const FORMATS = ["gpl", "ase", "aco", "act", "hex", "pal", "css", "json", "palette", "png"];

/** Render the panel into `root` and keep it up to date. */
export function mount(root, app) {
  const { store, actions } = app;
  let entries = [];
  let at = 0; // the place of the current color, which is reached by Tab
  const edits = makeEdits(store, actions);
  const editor = makeEditor(store, edits, (before, now) => {
    render();
    at = placeOf(now);
    show();
    (before ? bar.buttons.edit : tools.add).focus();
    actions.highlight(null); // what has changed is to be seen
  });
  const count = make("strong", { className: "num" });
  const about = make("span", { className: "dim" });
  const sort = make("select", { className: "field", "aria-label": "Sort" },
    ...SORTS.map((value) => make("option", { value }, `by ${value}`)));
  const head = make("div", { className: "row palette-head" }, count, about, sort);
  const list = makeList();
  const bar = makeBar({
    copy: ({ hex }) => actions.copy(hex, hex),
    lock({ hex }) {
      actions.toggleLock(hex);
      actions.say(`${hex} ${store.get().locked.has(hex) ? "locked" : "unlocked"}`);
    },
    edit: ({ hex }) => editor.open(hex),
    delete({ hex }) {
      edits.remove(hex);
      render();
      if (bar.buttons.delete.disabled) list.focus(at);
      actions.highlight(null);
    },
  }, () => entries[at]);
  const body = make("div", { className: "palette-body" }, list.element, bar.element);
  const tools = makeTools(app, edits, editor);
  root.classList.add("palette");
  root.append(head, body, editor.element, tools.element);

  function render() {
    const state = store.get();
    const held = list.element.contains(document.activeElement);
    const { hex } = entries[at] ?? {};
    entries = entriesOf(state, sort.value);
    if (state.shown?.own && !held) at = placeOf(hex); // the color stays the current one as it moves
    at = clamp(at, 0, Math.max(0, entries.length - 1));
    write(count, entries.length ? colorsText(entries.length) : "");
    write(about, [state.shown?.own && "your own", state.locked.size && `${state.locked.size} locked`].filter(Boolean).join(", "));
    show();
    if (held && entries.length) list.focus(at);
    list.mark(entries, state.highlight);
    tools.show(state);
    editor.follow();
  }

  function show() {
    list.show(entries, at);
    bar.show(entries[at], entries.length);
  }

  /** Where a color is shown; the current place if it is not. */
  function placeOf(hex) {
    const place = entries.findIndex((entry) => entry.hex === hex);
    return place < 0 ? at : place;
  }

  /** A color or the bar has the pointer or the focus; the focus, and a click, make it the current one. */
  function enter({ type, target }) {
    const place = list.placeOf(target) ?? (bar.element.contains(target) ? at : -1);
    if (!entries[place]) return;
    if (type !== "pointerover" && place !== at) {
      at = place;
      show();
    }
    actions.highlight(entries[place].index);
  }

  list.element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter") return bar.buttons.copy.click();
    const to = at + list.step(event.key, at);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere the arrows change k
    if (entries[to]) list.focus(to);
  });
  for (const kind of ["pointerover", "focusin"]) body.addEventListener(kind, enter);
  for (const kind of ["pointerout", "focusout"]) {
    body.addEventListener(kind, ({ relatedTarget }) => body.contains(relatedTarget) || actions.highlight(null));
  }
  sort.addEventListener("change", render);
  const renderSoon = throttle(render, EVERY_MS);
  store.subscribe((state, changed) => {
    if (["shown", "locked", "image"].some((key) => changed.has(key))) renderSoon();
    else if (changed.has("highlight")) list.mark(entries, state.highlight);
  });
  render();
}

/** What there is to show of each color, in the order to show it. */
function entriesOf({ shown, locked }, by) {
  if (!shown) return [];
  const { colors, shares, exact } = shown;
  const codes = hexes(colors);
  const parts = shares && percents(shares);
  const largest = shares ? Math.max(...shares) || 1 : 1;
  return order(colors, shares, by).map((index) => ({
    index,
    hex: codes[index],
    share: parts ? `${exact ? "" : "≈ "}${parts[index]} %` : "–",
    bar: shares ? shares[index] / largest : 0,
    locked: locked.has(codes[index]),
  }));
}

/** The colors. Elements are made once, and hidden when there are fewer colors. */
function makeList() {
  const rows = [];
  const list = make("ul", { role: "listbox", "aria-label": "Colors" });
  const empty = make("p", { className: "dim" }, "The colors of an image are listed here, with the share of the pixels that each one serves.");
  const element = make("div", { className: "palette-scroll" }, empty, list);

  function show(entries, at) {
    empty.hidden = entries.length > 0;
    list.hidden = !entries.length;
    list.classList.toggle("many", entries.length > LISTED);
    while (rows.length < entries.length) rows.push(makeRow(list));
    rows.forEach((row, i) => row.show(entries[i], i === at));
  }

  /** How far a key goes; NaN for other keys. */
  function step(key, at) {
    const across = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const count = rows.filter((row) => !row.element.hidden).length;
    return { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -at, End: count - 1 - at }[key] ?? NaN;
  }

  /** The place of the color that an element is of; null if there is none. */
  function placeOf(target) {
    const place = rows.findIndex((row) => row.element.contains(target));
    return place < 0 ? null : place;
  }

  const mark = (entries, index) => rows.forEach((row, i) =>
    row.element.classList.toggle("on", index !== null && entries[i]?.index === index));
  return { element, show, step, placeOf, mark, focus: (at) => rows[at].element.focus() };
}

function makeRow(list) {
  const code = make("span", { className: "num" });
  const share = make("span", { className: "palette-share num" });
  const element = make("li", { role: "option" }, make("span", { className: "swatch" }), code, share);
  list.append(element);

  function show(entry, current) {
    element.hidden = !entry;
    if (!entry) return;
    const words = `${entry.hex}, ${entry.share}${entry.locked ? ", locked" : ""}`;
    element.title = words;
    element.tabIndex = current ? 0 : -1;
    element.setAttribute("aria-label", words);
    element.setAttribute("aria-selected", current);
    element.classList.toggle("locked", entry.locked);
    element.style.setProperty("--color", entry.hex);
    element.style.setProperty("--bar", entry.bar);
    write(code, entry.hex);
    write(share, entry.share);
  }
  return { element, show };
}

/** What can be done to the current color. */
function makeBar(deeds, current) {
  const words = { copy: "Copy", lock: "Lock", edit: "Edit", delete: "Delete" };
  const buttons = Object.fromEntries(Object.entries(words).map(([name, word]) => [name, button(word, () => deeds[name](current()))]));
  const share = make("span", { className: "num" });
  const element = make("div", { className: "row palette-bar" }, ...Object.values(buttons), share);

  function show(entry, count) {
    element.hidden = !entry;
    if (!entry) return;
    for (const name in words) buttons[name].setAttribute("aria-label", `${words[name]} ${entry.hex}`);
    write(buttons.copy, `Copy ${entry.hex}`);
    write(share, entry.share);
    buttons.lock.setAttribute("aria-pressed", entry.locked);
    buttons.delete.disabled = count < 2;
  }
  return { element, buttons, show };
}

/** Add a color, import and export palettes. */
function makeTools({ store, actions, engine }, edits, editor) {
  const format = make("select", { className: "field", "aria-label": "Format of the palette file" },
    ...FORMATS.map((value) => make("option", { value }, `.${value}`)));
  const file = make("input", { type: "file", hidden: true, accept: FORMATS.map((name) => `.${name}`).join() });
  const add = button("Add a color", () => editor.open(""));
  const load = button("Import…", () => file.click(), { title: "Take the colors of a palette file" });
  const again = button("Find colors again", () => {
    actions.change({ palette: null });
    add.focus(); // this button goes away, and the focus would with it
  }, { title: "Give up your own palette: smalti finds the colors" });
  const saving = button("Save palette", save);
  const copying = button("Copy all", () => actions.copy(edits.codes().join("\n"), colorsText(edits.codes().length)), { title: "Copy the hex codes of all colors" });
  const element = make("div", { className: "palette-tools" },
    make("div", { className: "row" }, add, load, file, again), make("div", { className: "row" }, format, saving, copying));

  async function save() {
    const { shown: { shares }, image } = store.get();
    const [codes, kind] = [edits.codes(), format.value];
    try {
      const blob = await engine.paletteFile(codes, kind, shares && Array.from(shares));
      actions.save(blob, `${image.name.replace(/\.[^.]*$/, "")}-${codes.length}.${kind}`);
    } catch (error) {
      actions.say(error.message);
    }
  }

  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    try {
      const found = [...new Set((await engine.readPalette(chosen)).colors)];
      if (found.length > MOST) throw new Error(`${chosen.name} has ${colorsText(found.length)}; an image takes up to ${MOST}.`);
      edits.take(found, chosen.name);
    } catch (error) {
      actions.say(error.message);
    }
    file.value = ""; // the same file may be chosen again
  });

  function show({ shown, image }) {
    const count = shown ? shown.colors.length / 4 : 0;
    for (const one of [copying, saving, format]) one.disabled = !count;
    load.disabled = !image;
    add.disabled = !count || count >= MOST;
    again.hidden = !shown?.own;
  }
  return { element, add, show };
}
