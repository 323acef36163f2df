/**
 * The palette panel: which colors there are, how much of the image each serves, and what a
 * person may do to them: copy, lock, edit, merge, delete, add, sort, import, save.
 *
 * Up to 24 colors are a list of rows; more are a grid of swatches, the current one of which has
 * its row below. Either way the panel keeps its height while k moves, nodes are used again, and
 * what is shown follows the store at most every 100 ms. A color is known by its row in the
 * palette (`index`), whatever order it is shown in (`at`).
 */

import { hexes, order, percents } from "./colors.js";
import { button, clamp, colorsText, make, rgbaOf, throttle, write } from "./dom.js";
import { makeEditor, makeEdits } from "./editor.js";

const LISTED = 24; // more rows than these are not read but scrolled past
const MOST = 256;
const EVERY_MS = 100;
const SORTS = ["share", "hue", "lightness", "palette"];
const FORMATS = {
  gpl: "GIMP, Inkscape, Krita", ase: "Adobe swatches", aco: "Photoshop swatches", act: "Photoshop color table",
  hex: "Lospec", pal: "Paint Shop Pro", css: "web pages", json: "smalti, with shares", png: "picture",
};
const ICONS = {
  locked: "M4 7h8v6H4z M5.5 7V5a2.5 2.5 0 0 1 5 0v2",
  unlocked: "M4 7h8v6H4z M5.5 7V4a2.5 2.5 0 0 1 5 0",
  edit: "M3 13l1-3 7-7 2 2-7 7z M9.5 4.5l2 2",
  delete: "M4 4l8 8 M12 4l-8 8",
};

/**
 * Render the panel into `root` and keep it up to date.
 *
 * @param {HTMLElement} root
 * @param {{store: any, actions: any, engine: any}} app
 */
export function mount(root, { store, actions, engine }) {
  let entries = [];
  let at = 0; // the place that is reached by Tab
  let sort = "share";
  let quiet = false; // focus is moved by the panel itself: no color is to be highlighted
  const edits = makeEdits(store, actions);
  const editor = makeEditor(store, edits, (hex) => {
    render();
    goTo(placeIn(hex), "edit", true);
  });
  const head = makeHead(actions, (value) => {
    sort = value;
    render();
  });
  const body = makeBody();
  const tools = makeTools({ store, actions, engine, add: editor.add });
  root.classList.add("palette");
  root.append(head.element, body.element, editor.element, tools.element);

  function render() {
    const state = store.get();
    const { hex } = entries[at] ?? {};
    entries = entriesOf(state, sort);
    const place = state.shown?.own ? placeIn(hex) : at; // one's own colors keep the focus as they move
    const act = place === at ? undefined : body.focused();
    at = clamp(place, 0, Math.max(0, entries.length - 1));
    head.show(state);
    body.show(entries, at, state.shown?.exact);
    if (act) goTo(at, act, true);
    body.mark(entries, state.highlight);
    tools.show(state);
    editor.follow();
  }

  /** Where a color is shown; where the focus was if it is not. */
  function placeIn(hex) {
    const place = entries.findIndex((entry) => entry.hex === hex);
    return place < 0 ? at : place;
  }

  function goTo(place, act, quietly = false) {
    at = clamp(place, 0, entries.length - 1);
    body.show(entries, at, store.get().shown?.exact);
    quiet = quietly;
    body.focus(at, act);
    quiet = false;
  }

  const deeds = {
    copy: ({ hex }) => actions.copy(hex, hex),
    lock: ({ hex }) => {
      actions.toggleLock(hex);
      actions.say(`${hex} ${store.get().locked.has(hex) ? "locked" : "unlocked"}`);
    },
    edit: ({ index }) => editor.edit(index),
    delete: ({ index }) => {
      edits.remove(index);
      render();
      goTo(at, "delete", true);
      actions.highlight(null); // what has changed is to be seen
    },
  };

  function enter({ type, target }) {
    const place = placeOf(target);
    if (!entries[place] || quiet) return;
    if (type === "focusin" && place !== at) goTo(place, target.dataset.act);
    actions.highlight(entries[place].index);
  }

  function leave({ relatedTarget }) {
    if (!body.element.contains(relatedTarget)) actions.highlight(null);
  }

  body.element.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    at = placeOf(button); // Safari gives no focus to a button that is clicked
    body.show(entries, at, store.get().shown.exact);
    deeds[button.dataset.act](entries[at]);
  });
  body.element.addEventListener("keydown", (event) => {
    const to = body.step(event.key, at, entries.length);
    if (to === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere the arrows change k
    goTo(to, event.target.dataset.act);
  });
  for (const kind of ["pointerover", "focusin"]) body.element.addEventListener(kind, enter);
  for (const kind of ["pointerout", "focusout"]) body.element.addEventListener(kind, leave);

  const renderSoon = throttle(render, EVERY_MS);
  store.subscribe((state, changed) => {
    if (["shown", "locked", "image"].some((key) => changed.has(key))) renderSoon();
    else if (changed.has("highlight")) body.mark(entries, state.highlight);
  });
  render();
}

/** What there is to show of each color, in the order to show it. */
function entriesOf({ shown, locked }, sort) {
  if (!shown) return [];
  const { colors, shares } = shown;
  const codes = hexes(colors);
  const parts = shares && percents(shares);
  const largest = shares ? Math.max(...shares) || 1 : 1;
  return order(colors, shares, sort).map((index) => ({
    index,
    hex: codes[index],
    percent: parts && `${parts[index]} %`,
    bar: shares ? shares[index] / largest : 0,
    locked: locked.has(codes[index]),
  }));
}

function placeOf(element) {
  return Number(element.closest("[data-at]")?.dataset.at ?? -1);
}

// ---------------------------------------------------------------- head

/** Count and basis; whose palette it is; the order. */
function makeHead(actions, onSort) {
  const count = make("strong", { className: "num" });
  const basis = make("span", { className: "dim palette-basis" });
  const sort = make("select", { className: "field" }, ...SORTS.map((value) => make("option", {}, value)));
  const found = make("span", { className: "dim" });
  const again = button("Let smalti find the colors again", () => {
    actions.change({ palette: null });
    sort.focus(); // the button goes away, and focus would with it
  });
  const element = make("div", { className: "palette-head" },
    make("div", { className: "row" }, count, make("label", {}, "Sort ", sort)),
    make("div", { className: "row" }, make("span", {}, found, again), basis));
  sort.addEventListener("change", () => onSort(sort.value));

  function show({ shown, locked }) {
    element.hidden = !shown;
    if (!shown) return;
    const k = colorsText(shown.colors.length / 4);
    write(count, shown.own ? `Your palette, ${k}` : k);
    write(basis, shown.exact ? "exact" : "≈ preview");
    write(found, `Found by smalti${locked.size ? `, ${locked.size} locked` : ""}`);
    again.hidden = !shown.own;
    found.hidden = shown.own;
  }
  return { element, show };
}

// ---------------------------------------------------------------- rows and swatches

/** The list, or the grid with the current color's row: always of the same height. */
function makeBody() {
  const rows = Array.from({ length: LISTED }, () => makeRow("li"));
  const list = make("ul", { "aria-label": "Colors" }, ...rows.map((row) => row.element));
  const cells = [];
  const grid = make("div", { className: "palette-grid", role: "group" });
  const detail = makeRow("div");
  const empty = make("p", { className: "palette-empty dim" },
    "The colors of an image are listed here, with the share of the pixels that each one serves.");
  const element = make("div", { className: "palette-body" },
    make("div", { className: "palette-scroll" }, empty, list, grid), detail.element);
  let holders = []; // the elements of the colors that are shown

  function show(entries, at, exact) {
    const many = entries.length > LISTED;
    empty.hidden = entries.length > 0;
    list.hidden = many;
    grid.hidden = detail.element.hidden = !many;
    holders = many ? [...cells, detail.element] : rows.map((row) => row.element);
    if (!many) return rows.forEach((row, i) => row.show(entries[i], i, { exact, only: entries.length === 1, current: i === at }));
    showCells(grid, cells, entries, at);
    detail.show(entries[at], at, { exact, current: true });
  }

  function mark(entries, index) {
    for (const holder of holders) holder.classList.toggle("on", index !== null && entries[holder.dataset.at]?.index === index);
  }

  function focus(at, act = "copy") {
    const target = grid.hidden ? rows[at].buttons[act] : act === "copy" ? cells[at] : detail.buttons[act];
    target.focus();
  }

  /** What the button that has the focus does, if it is one of these. */
  const focused = () => (element.contains(document.activeElement) ? document.activeElement.dataset.act : undefined);

  /** The place that a key leads to; null for other keys. */
  function step(key, at, count) {
    const across = grid.hidden ? 1 : getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const moves = { ArrowUp: -across, ArrowDown: across, Home: -at, End: count - 1 - at };
    if (across > 1) Object.assign(moves, { ArrowLeft: -1, ArrowRight: 1 });
    if (!(key in moves)) return null;
    const to = at + moves[key];
    return to === clamp(to, 0, count - 1) ? to : at;
  }
  return { element, show, mark, focus, focused, step };
}

/** Show the swatches: cells are made once, and hidden when there are fewer colors. */
function showCells(grid, cells, entries, at) {
  grid.setAttribute("aria-label", `${colorsText(entries.length)}: arrow keys move, Enter copies`);
  while (cells.length < entries.length) {
    const cell = make("button", { type: "button", className: "palette-cell swatch" });
    Object.assign(cell.dataset, { at: cells.length, act: "copy" });
    cells.push(cell);
    grid.append(cell);
  }
  cells.forEach((cell, i) => {
    const entry = entries[i];
    cell.hidden = !entry;
    if (!entry) return;
    cell.style.setProperty("--color", entry.hex);
    label(cell, [entry.hex, entry.percent, entry.locked && "locked"].filter(Boolean).join(", "));
    cell.classList.toggle("locked", entry.locked);
    cell.tabIndex = i === at ? 0 : -1;
    cell.setAttribute("aria-current", String(i === at));
  });
}

/** A row: swatch and code, bar and share, and what can be done. */
function makeRow(tag) {
  const swatch = make("span", { className: "swatch" });
  const code = make("span", { className: "num" });
  const bar = make("span");
  const share = make("span", { className: "palette-share num" });
  const buttons = {
    copy: make("button", { type: "button", className: "palette-copy" }, swatch, code),
    lock: iconButton("unlocked", "locked"),
    edit: iconButton("edit"),
    delete: iconButton("delete"),
  };
  const { copy, ...others } = buttons;
  for (const act in buttons) buttons[act].dataset.act = act;
  const element = make(tag, { className: "palette-row" }, copy, make("span", { className: "palette-bar" }, bar), share, ...Object.values(others));

  function show(entry, at, { exact, only, current }) {
    element.hidden = !entry;
    element.dataset.at = at;
    if (!entry) return;
    swatch.style.setProperty("--color", entry.hex);
    write(code, entry.hex);
    bar.style.inlineSize = `${100 * entry.bar}%`;
    write(share, entry.percent ? (exact ? "" : "≈ ") + entry.percent : "–");
    for (const act in buttons) {
      label(buttons[act], `${act[0].toUpperCase()}${act.slice(1)} ${entry.hex}`);
      buttons[act].tabIndex = current ? 0 : -1;
    }
    buttons.lock.setAttribute("aria-pressed", String(entry.locked));
    buttons.delete.disabled = Boolean(only);
  }
  return { element, show, buttons };
}

function label(element, words) {
  if (element.title === words) return;
  element.title = words;
  element.setAttribute("aria-label", words);
}

function iconButton(...names) {
  const element = make("button", { type: "button", className: "palette-icon" });
  for (const name of names) {
    const [picture, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    picture.setAttribute("viewBox", "0 0 16 16");
    picture.setAttribute("class", name);
    picture.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    picture.append(path);
    element.append(picture);
  }
  return element;
}

// ---------------------------------------------------------------- files and the clipboard

/** Add, import, copy all, save. */
function makeTools({ store, actions, engine, add }) {
  const codes = () => hexes(store.get().shown.colors);
  const css = () => `:root {\n${codes().map((hex, i) => `  --color-${i + 1}: ${hex};\n`).join("")}}\n`;
  const format = make("select", { className: "field", "aria-label": "Format of the palette file" },
    ...Object.entries(FORMATS).map(([value, text]) => make("option", { value }, `.${value} – ${text}`)));
  const file = make("input", { type: "file", hidden: true, accept: Object.keys(FORMATS).map((name) => `.${name}`).join() });
  const adding = button("Add a color", add);
  const importing = button("Import…", () => file.click(), { title: "Take the colors of a palette file" });
  const copy = (text, kind) => actions.copy(text, `${colorsText(codes().length)} as ${kind}`);
  const copies = [
    button("Copy hex", () => copy(codes().join("\n"), "hex"), { title: "Copy all colors as a list of hex codes" }),
    button("Copy CSS", () => copy(css(), "CSS"), { title: "Copy all colors as CSS custom properties" }),
  ];
  const saving = button("Save palette", () => attempt(save));
  const element = make("div", { className: "palette-tools" },
    make("div", { className: "row" }, adding, importing, file),
    make("div", { className: "row" }, "All colors:", ...copies),
    make("div", { className: "row palette-save" }, format, saving));

  async function attempt(work) {
    try {
      await work();
    } catch (error) {
      actions.say(error.message);
    }
  }

  async function save() {
    const { shown: { shares }, image } = store.get();
    const [all, kind] = [codes(), format.value];
    const blob = await engine.paletteFile(all, kind, shares && Array.from(shares));
    actions.save(blob, `${image.name.replace(/\.[^.]*$/, "")}-${all.length}.${kind}`);
  }

  async function load(chosen) {
    const found = [...new Set((await engine.readPalette(chosen)).colors)];
    if (found.length > MOST) throw new Error(`${chosen.name} has ${colorsText(found.length)}; an image takes up to ${MOST}.`);
    actions.editPalette(rgbaOf(found));
    actions.say(`Your palette, ${colorsText(found.length)} from ${chosen.name}`);
  }

  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = ""; // the same file may be chosen again
    if (chosen) attempt(() => load(chosen));
  });

  function show({ shown, image }) {
    const count = shown ? shown.colors.length / 4 : 0;
    for (const one of [...copies, saving, format]) one.disabled = !count;
    importing.disabled = !image;
    adding.disabled = !count || count >= MOST;
    adding.title = count >= MOST ? `${MOST} colors are the most that an image takes` : "";
  }
  return { element, show };
}
