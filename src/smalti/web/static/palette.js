/**
 * The palette panel: which colors there are, how much of the image each serves, and what a
 * person may do to them: copy, lock, edit, merge, delete, add, sort, import, save.
 *
 * Up to 24 colors are a list of rows; more are a grid of swatches, the current one of which has
 * its row below. Either way the panel keeps its height while k moves, nodes are used again, and
 * what is shown follows the store at most every 100 ms. An entry is known by its row in the
 * palette (`index`), whatever order it is shown in (`at`).
 */

import * as colors from "./colors.js";
import { make, throttle, write } from "./dom.js";

const LISTED = 24; // more rows than these are not read but scrolled past
const MOST = 256;
const EVERY_MS = 100;

const FORMATS = [
  ["gpl", "GIMP, Inkscape, Krita"],
  ["ase", "Adobe swatches"],
  ["aco", "Photoshop swatches"],
  ["act", "Photoshop color table"],
  ["hex", "Lospec"],
  ["pal", "Paint Shop Pro"],
  ["css", "web pages"],
  ["json", "smalti, with shares"],
  ["png", "picture"],
];

const ICONS = {
  locked: "M4 7h8v6H4z M5.5 7V5a2.5 2.5 0 0 1 5 0v2",
  unlocked: "M4 7h8v6H4z M5.5 7V4a2.5 2.5 0 0 1 5 0",
  edit: "M3 13l1-3 7-7 2 2-7 7z M9.5 4.5l2 2",
  delete: "M4 4l8 8 M12 4l-8 8",
};

/**
 * Render the panel into `root` and keep it up to date.
 *
 * @param {HTMLElement} root  a section with its heading in it
 * @param {{store: any, actions: any, engine: any}} app
 */
export function mount(root, { store, actions, engine }) {
  const view = { entries: [], at: 0, sort: "share", lit: null };
  const edits = makeEdits(store, actions);
  const editor = makeEditor(store, edits, () => focusOn(view.at, "edit"));
  const head = makeHead(actions, (sort) => {
    view.sort = sort;
    render();
  });
  const body = makeBody();
  const tools = makeTools({ store, actions, engine, add: editor.add });
  root.classList.add("palette");
  root.append(head.element, body.element, editor.element, tools.element);

  function render() {
    const state = store.get();
    view.entries = entriesOf(state, view.sort);
    view.at = Math.max(0, Math.min(view.at, view.entries.length - 1));
    head.show(state);
    body.show(view, state.shown?.exact);
    tools.show(view.entries.length);
    editor.follow(state);
    body.mark(view.entries, state.highlight);
  }

  function focusOn(at, act) {
    view.at = at;
    body.show(view, store.get().shown?.exact);
    body.focus(at, act);
  }

  function act(name, at) {
    const entry = view.entries[at];
    if (name === "copy") actions.copy(entry.hex, entry.hex);
    if (name === "lock") {
      actions.toggleLock(entry.hex);
      actions.say(`${entry.hex} ${store.get().locked.has(entry.hex) ? "locked" : "unlocked"}`);
    }
    if (name === "edit") editor.edit(entry.index);
    if (name === "delete") {
      edits.remove(entry.index);
      render();
      focusOn(Math.min(at, view.entries.length - 1), "delete");
    }
  }

  function enter(event) {
    const at = placeOf(event.target);
    if (at < 0 || at >= view.entries.length) return;
    if (event.type === "focusin" && at !== view.at) focusOn(at, event.target.dataset.act);
    light(view.entries[at].index);
  }

  function leave(event) {
    if (!body.element.contains(event.relatedTarget)) light(null);
  }

  function light(index) {
    if (index !== view.lit) actions.highlight((view.lit = index));
  }

  body.element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    view.at = placeOf(button); // Safari gives no focus to a button that is clicked
    body.show(view, store.get().shown?.exact);
    act(button.dataset.act, view.at);
  });
  body.element.addEventListener("keydown", (event) => {
    const to = body.step(event.key, view.at, view.entries.length);
    if (to === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere the arrows change k
    focusOn(to, event.target.dataset.act);
  });
  for (const kind of ["pointerover", "focusin"]) body.element.addEventListener(kind, enter);
  for (const kind of ["pointerout", "focusout"]) body.element.addEventListener(kind, leave);

  const renderSoon = throttle(render, EVERY_MS);
  store.subscribe((state, changed) => {
    if (["shown", "locked", "image"].some((key) => changed.has(key))) renderSoon();
    else if (changed.has("highlight")) body.mark(view.entries, state.highlight);
  });
  render();
}

/** What there is to show of each color, in the order to show it. */
function entriesOf({ shown, locked }, sort) {
  if (!shown) return [];
  const codes = colors.hexes(shown.colors);
  const parts = shown.shares && colors.percents(shown.shares);
  const largest = shown.shares ? Math.max(...shown.shares) : 0;
  return colors.order(shown.colors, shown.shares, sort).map((index) => ({
    index,
    hex: codes[index],
    percent: parts ? parts[index] : null,
    bar: largest ? shown.shares[index] / largest : 0,
    locked: locked.has(codes[index]),
  }));
}

function placeOf(element) {
  const holder = element.closest("[data-at]");
  return holder ? Number(holder.dataset.at) : -1;
}

function plural(count, noun = "color") {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// ---------------------------------------------------------------- what is done to the palette

/** Every change of the palette: it becomes the user's own, and what was touched is locked. */
function makeEdits(store, actions) {
  const codes = () => colors.hexes(store.get().shown.colors);

  function setLock(hex, on) {
    if (store.get().locked.has(hex) !== on) actions.toggleLock(hex);
  }

  function take(next, said) {
    const kept = new Set(colors.hexes(next));
    const gone = codes().filter((hex) => !kept.has(hex));
    actions.editPalette(next);
    for (const hex of gone) setLock(hex, false);
    actions.say(said);
  }

  function without(index) {
    const all = Array.from(store.get().shown.colors);
    all.splice(4 * index, 4);
    return Uint8Array.from(all);
  }

  return {
    codes,
    replace(index, rgba) {
      const next = store.get().shown.colors.slice();
      const old = colors.hexOf(next, index);
      next.set(rgba, 4 * index);
      take(next, `${old} is now ${colors.hexOf(rgba)}, and locked`);
      setLock(colors.hexOf(rgba), true);
    },
    add(rgba) {
      const next = Uint8Array.from([...store.get().shown.colors, ...rgba]);
      take(next, `${colors.hexOf(rgba)} added and locked: ${plural(next.length / 4)}`);
      setLock(colors.hexOf(rgba), true);
    },
    remove(index) {
      const next = without(index);
      take(next, `${codes()[index]} deleted: ${plural(next.length / 4)}`);
    },
    /** Join an entry with its nearest: their mean by share, or the one that is locked. */
    merge(index) {
      const { shown, locked } = store.get();
      const other = colors.nearestTo(shown.colors, index);
      const [hex, otherHex] = [codes()[index], codes()[other]];
      const [a, b] = shown.shares ? [shown.shares[index], shown.shares[other]] : [1, 1];
      const joined = locked.has(otherHex) ? colors.rowOf(shown.colors, other)
        : locked.has(hex) ? colors.rowOf(shown.colors, index)
        : colors.mean(shown.colors, index, other, a + b ? a / (a + b) : 0.5);
      const next = without(index);
      next.set(joined, 4 * (other - (other > index ? 1 : 0)));
      take(next, `${hex} and ${otherHex} merged into ${colors.hexOf(joined)}`);
    },
  };
}

// ---------------------------------------------------------------- head

const SORTS = ["share", "hue", "lightness", "palette"];

/** Count and basis; whose palette it is; the order. */
function makeHead(actions, onSort) {
  const count = make("strong", { className: "num" });
  const basis = make("span", { className: "dim" });
  const sort = make("select", { className: "field" }, ...SORTS.map((value) => make("option", {}, value)));
  const found = make("span", { className: "dim" }, "Found by smalti");
  const again = make("button", { type: "button", className: "button" }, "Let smalti find the colors again");
  const element = make("div", {}, make("div", {}, count, " ", basis),
    make("div", { className: "palette-head" }, found, again, make("label", {}, "Sort ", sort)));
  sort.addEventListener("change", () => onSort(sort.value));
  again.addEventListener("click", () => {
    actions.change({ palette: null });
    sort.focus(); // the button goes away, and focus would with it
  });

  function show({ shown, locked }) {
    element.hidden = !shown;
    if (!shown) return;
    const k = plural(shown.colors.length / 4);
    write(count, shown.own ? `Your palette, ${k}` : k);
    write(basis, (shown.exact ? "exact" : "≈ preview") + (locked.size ? `, ${locked.size} locked` : ""));
    again.hidden = !shown.own;
    found.hidden = shown.own;
  }
  return { element, show };
}

// ---------------------------------------------------------------- rows and swatches

/** The list, or the grid with the current color's row: always of the same height. */
function makeBody() {
  const rows = Array.from({ length: LISTED }, () => makeRow("li"));
  const list = make("ul", { className: "palette-list", "aria-label": "Colors" });
  const grid = make("div", { className: "palette-grid", role: "group" });
  const detail = makeRow("div");
  const empty = make("p", { className: "palette-empty dim" }, "The colors of an image are listed here, with the share of the pixels that each one serves.");
  const scroll = make("div", { className: "palette-scroll" }, empty, list, grid);
  const element = make("div", { className: "palette-body" }, scroll, detail.element);
  const cells = [];
  list.append(...rows.map((row) => row.element));

  function show({ entries, at }, exact) {
    const many = entries.length > LISTED;
    empty.hidden = entries.length > 0;
    list.hidden = many || !entries.length;
    grid.hidden = detail.element.hidden = !many;
    if (many) {
      showGrid(grid, cells, entries, at);
      detail.show(entries[at], { at, exact, only: false, current: true });
    } else {
      rows.forEach((row, i) => row.show(entries[i], { at: i, exact, only: entries.length === 1, current: i === at }));
    }
  }

  const holders = () => (grid.hidden ? rows.map((row) => row.element) : [...cells, detail.element]);

  function mark(entries, index) {
    for (const holder of holders()) {
      holder.classList.toggle("on", index !== null && entries[holder.dataset.at]?.index === index);
    }
  }

  function focus(at, act) {
    const target = grid.hidden ? rows[at]?.button(act ?? "copy") : act === undefined || act === "copy" ? cells[at] : detail.button(act);
    target?.focus();
  }

  function step(key, at, count) {
    const across = grid.hidden ? 1 : getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const moves = { ArrowUp: -across, ArrowDown: across, Home: -at, End: count - 1 - at };
    if (across > 1) Object.assign(moves, { ArrowLeft: -1, ArrowRight: 1 });
    if (!(key in moves)) return null;
    const to = at + moves[key];
    return to < 0 || to >= count ? at : to;
  }
  return { element, show, mark, focus, step };
}

/** Show the swatches: cells are made once, and hidden when there are fewer colors. */
function showGrid(grid, cells, entries, at) {
  grid.setAttribute("aria-label", `${plural(entries.length)}: arrow keys move, Enter copies`);
  while (cells.length < entries.length) {
    const cell = make("button", { type: "button", className: "palette-cell" });
    cell.dataset.at = cells.length;
    cell.dataset.act = "copy";
    cells.push(cell);
    grid.append(cell);
  }
  cells.forEach((cell, i) => {
    const entry = entries[i];
    cell.hidden = !entry;
    if (!entry) return;
    const words = [entry.hex, entry.percent && `${entry.percent} %`, entry.locked && "locked"];
    cell.style.setProperty("--color", entry.hex);
    cell.title = words.filter(Boolean).join(" · ");
    cell.setAttribute("aria-label", cell.title.replaceAll(" · ", ", "));
    cell.classList.toggle("locked", entry.locked);
    cell.tabIndex = i === at ? 0 : -1;
    if (i === at) cell.setAttribute("aria-current", "true");
    else cell.removeAttribute("aria-current");
  });
}

/** A row: swatch and code, bar and share, and what can be done. */
function makeRow(tag) {
  const swatch = make("span", { className: "swatch" });
  const code = make("span", { className: "num" });
  const copy = make("button", { type: "button", className: "palette-copy" }, swatch, code);
  const bar = make("span");
  const share = make("span", { className: "palette-share num" });
  const lock = iconButton("unlocked", "locked");
  const edit = iconButton("edit");
  const remove = iconButton("delete");
  const buttons = { copy, lock, edit, delete: remove };
  for (const [act, button] of Object.entries(buttons)) button.dataset.act = act;
  const element = make(tag, { className: "palette-row" }, copy, make("span", { className: "palette-bar" }, bar), share, lock, edit, remove);

  function label(button, words) {
    if (button.title === words) return;
    button.title = words;
    button.setAttribute("aria-label", words);
  }

  function show(entry, { at, exact, only, current }) {
    element.hidden = !entry;
    element.dataset.at = at;
    if (!entry) return;
    swatch.style.setProperty("--color", entry.hex);
    write(code, entry.hex);
    bar.style.inlineSize = `${100 * entry.bar}%`;
    write(share, entry.percent === null ? "–" : `${exact ? "" : "≈ "}${entry.percent} %`);
    label(copy, `Copy ${entry.hex}`);
    label(lock, `Lock ${entry.hex}`);
    label(edit, `Edit ${entry.hex}`);
    label(remove, `Delete ${entry.hex}`);
    lock.setAttribute("aria-pressed", String(entry.locked));
    remove.disabled = only;
    for (const button of Object.values(buttons)) button.tabIndex = current ? 0 : -1;
  }
  return { element, show, button: (act) => buttons[act] };
}

function iconButton(...names) {
  const button = make("button", { type: "button", className: "palette-icon" });
  for (const name of names) {
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    picture.setAttribute("viewBox", "0 0 16 16");
    picture.setAttribute("class", name);
    picture.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    picture.append(path);
    button.append(picture);
  }
  return button;
}

// ---------------------------------------------------------------- editor

/** The form that edits a color or adds one. What is wrong is said, and stays in the field. */
function makeEditor(store, edits, backToRow) {
  const title = make("strong");
  const picker = make("input", { type: "color", className: "palette-picker" });
  const hex = make("input", { type: "text", className: "field num", size: 9, maxLength: 9, spellcheck: false, autocomplete: "off", "aria-describedby": "palette-wrong" });
  const alpha = make("input", { type: "number", className: "field num", min: 0, max: 255 });
  const alphaLabel = make("label", {}, "Alpha ", alpha);
  const wrong = make("p", { id: "palette-wrong", className: "palette-wrong", role: "alert" });
  const done = make("button", { type: "submit", className: "button" });
  const merge = make("button", { type: "button", className: "button" });
  const cancel = make("button", { type: "button", className: "button" }, "Close");
  const element = make("form", { className: "palette-editor", noValidate: true, hidden: true }, title,
    make("div", { className: "palette-fields" }, make("label", {}, "Color ", picker), make("label", {}, "Hex ", hex), alphaLabel),
    wrong, make("div", { className: "palette-buttons" }, done, merge, cancel));
  let target = null; // {index, hex} of the entry that is edited; index -1 for one to add
  let back = null;

  function open(next, rgba) {
    target = next;
    element.hidden = false;
    write(title, next.index < 0 ? "Add a color" : `Edit ${next.hex}`);
    write(done, next.index < 0 ? "Add" : "Done");
    fill(rgba);
    showMerge();
    hex.focus();
    hex.select();
  }

  function fill(rgba) {
    picker.value = colors.hexOf(Uint8Array.of(rgba[0], rgba[1], rgba[2], 255));
    hex.value = colors.hexOf(rgba);
    alpha.value = rgba[3];
    alphaLabel.hidden = !store.get().image?.has_alpha;
    complain("");
  }

  function showMerge() {
    const other = target.index < 0 ? -1 : colors.nearestTo(store.get().shown.colors, target.index);
    merge.hidden = other < 0;
    if (other < 0) return;
    const swatch = make("span", { className: "swatch" });
    swatch.style.setProperty("--color", edits.codes()[other]);
    merge.replaceChildren("Merge with the nearest, ", swatch, ` ${edits.codes()[other]}`);
  }

  function complain(text) {
    write(wrong, text);
    hex.setAttribute("aria-invalid", String(Boolean(text)));
  }

  function close() {
    if (!target) return;
    target = null;
    element.hidden = true;
    back?.();
  }

  /** The color in the fields; null, and said why, if there is none that could be taken. */
  function read() {
    const rgba = colors.parseHex(hex.value);
    const known = rgba ? edits.codes().indexOf(colors.hexOf(rgba)) : -1;
    if (!rgba) complain(`A color is written #rgb, #rrggbb or #rrggbbaa, not “${hex.value}”.`);
    else if (rgba[3] < 255 && !store.get().image?.has_alpha) complain("This image has no transparency: leave out the last two digits.");
    else if (known >= 0 && known !== target.index) complain(`${colors.hexOf(rgba)} is in the palette already.`);
    else return rgba;
    return null;
  }

  /** Take what is in the fields; whether that was possible. */
  function commit() {
    const rgba = target && read();
    if (!rgba) return false;
    complain("");
    const code = colors.hexOf(rgba);
    if (target.index < 0) edits.add(rgba);
    else if (code !== target.hex) {
      const { index } = target;
      target = { index, hex: code }; // before the store tells everybody
      edits.replace(index, rgba);
      write(title, `Edit ${code}`);
      fill(rgba);
      showMerge();
    }
    return true;
  }

  /** Put the picker's color or the number of alpha into the hex field. */
  function join() {
    const rgba = colors.parseHex(picker.value);
    const value = Math.round(Number(alpha.value));
    rgba[3] = alphaLabel.hidden ? 255 : Math.min(255, Math.max(0, Number.isNaN(value) ? 255 : value));
    hex.value = colors.hexOf(rgba[3] ? rgba : new Uint8Array(4)); // what is clear has no color
    complain("");
  }

  picker.addEventListener("input", join);
  alpha.addEventListener("change", join);
  for (const field of [picker, alpha, hex]) field.addEventListener("change", () => target?.index >= 0 && commit());
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (commit()) close();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  cancel.addEventListener("click", close);
  merge.addEventListener("click", () => {
    const { index } = target;
    target = null;
    edits.merge(index);
    element.hidden = true;
    backToRow();
  });

  return {
    element,
    edit(index) {
      back = backToRow;
      open({ index, hex: edits.codes()[index] }, colors.rowOf(store.get().shown.colors, index));
    },
    add(from) {
      back = () => from.focus();
      open({ index: -1 }, Uint8Array.of(255, 255, 255, 255));
      hex.value = "";
      hex.placeholder = "#rrggbb";
    },
    /** Stay with the entry that is edited when the palette changes; close if it is gone. */
    follow({ shown }) {
      if (!target || target.index < 0) return;
      const index = shown ? edits.codes().indexOf(target.hex) : -1;
      if (index >= 0) target.index = index;
      else [target, element.hidden] = [null, true];
    },
  };
}

// ---------------------------------------------------------------- files and the clipboard

/** Add, copy all, import, save. */
function makeTools({ store, actions, engine, add }) {
  const button = (text, onClick) => {
    const element = make("button", { type: "button", className: "button" }, text);
    element.addEventListener("click", () => onClick(element));
    return element;
  };
  const codes = () => colors.hexes(store.get().shown.colors);
  const css = () => `:root {\n${codes().map((hex, i) => `  --color-${i + 1}: ${hex};\n`).join("")}}\n`;
  const adding = button("Add a color", add);
  const format = make("select", { className: "field", "aria-label": "Format of the palette file" },
    ...FORMATS.map(([value, text]) => make("option", { value }, `.${value} – ${text}`)));
  const file = make("input", { type: "file", hidden: true, accept: FORMATS.map(([name]) => `.${name}`).join() });
  const saving = button("Save palette", save);
  const all = [
    button("Copy hex", () => actions.copy(codes().join("\n"), `${plural(codes().length)} as hex`)),
    button("Copy CSS", () => actions.copy(css(), `${plural(codes().length)} as CSS`)),
  ];
  const importing = button("Import…", () => file.click());
  const element = make("div", { className: "palette-tools" },
    make("div", { className: "palette-buttons" }, adding, importing, ...all, file),
    make("div", { className: "palette-buttons palette-save" }, format, saving));

  async function save() {
    const { shown, image } = store.get();
    try {
      const blob = await engine.paletteFile(codes(), format.value, shown.shares && Array.from(shown.shares));
      const stem = (image?.name ?? "palette").replace(/\.[^.]*$/, "");
      actions.save(blob, `${stem}-${codes().length}.${format.value}`);
    } catch (error) {
      actions.say(error.message);
    }
  }

  async function load(chosen) {
    try {
      const answer = await engine.readPalette(chosen);
      const found = [...new Set(answer.colors)];
      if (found.length > MOST) throw new Error(`${chosen.name} has ${plural(found.length)}; an image takes up to ${MOST}.`);
      actions.editPalette(colors.fromHexes(found));
      actions.say(`Your palette, ${plural(found.length)} from ${chosen.name}`);
    } catch (error) {
      actions.say(error.message);
    }
  }

  file.addEventListener("change", () => {
    if (file.files.length) load(file.files[0]);
    file.value = ""; // the same file may be chosen again
  });

  all[0].title = "Copy all colors as a list of hex codes";
  all[1].title = "Copy all colors as CSS custom properties";
  importing.title = "Take the colors of a palette file";

  function show(count) {
    for (const one of [...all, saving, format]) one.disabled = !count;
    importing.disabled = !store.get().image;
    adding.disabled = !count || count >= MOST;
    adding.title = count >= MOST ? `${MOST} colors are the most that a palette file holds` : "";
  }
  return { element, show };
}
