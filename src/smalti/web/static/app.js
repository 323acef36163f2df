/**
 * The page, put together. Its parts, and how a picture goes through them:
 *
 *   opener   a file to the server; back come pixels, and palettes for every number of colors
 *   painter  the preview in one of those palettes, mapped by a worker: no request while a slider moves
 *   maker    once everything rests, the real file; what is shown as settled is that file itself
 *
 *   empty → loading → draft ⇄ settled                    (also `document.body.dataset.state`)
 *
 * Around them the store holds what is known, the panels show it, and `actions` is all that they
 * may do.
 */

import * as batch from "./batch.js";
import * as controls from "./controls.js";
import * as converge from "./converge.js";
import * as curves from "./curves.js";
import { clamp, colorsText } from "./dom.js";
import { createEngine } from "./engine.js";
import { createFrame, remember, remembered, wireFrame } from "./frame.js";
import * as keys from "./keys.js";
import { createMaker } from "./maker.js";
import { createOpener } from "./opener.js";
import { createPainter } from "./painter.js";
import * as palette from "./palette.js";
import * as result from "./result.js";
import { createStage } from "./stage.js";
import { createHistory, createStore, kOf } from "./store.js";
import * as taking from "./taking.js";

const USUAL = { k: 64 };

const link = readLink();
const engine = createEngine(link.token);
const history = createHistory();
const store = createStore({
  phase: "empty", image: null, images: [], options: {}, settings: { ...USUAL, ...link.settings }, common: null,
  shown: null, curve: [], suggestion: null, suggestions: null, estimates: [], ladderDone: false,
  result: null, made: null, progress: null, renderError: null, renderStopped: false,
  locked: new Set(link.settings.keep ?? []), highlight: null, serverGone: false,
  view: { mode: "split", fit: true, scale: 1, cx: 0, cy: 0, split: 0.5, ground: "checker", blinked: false },
  letterKeys: remembered("letterKeys") ?? true,
});
const frame = createFrame({ store, engine });

const actions = {
  /** Choose the number of colors: as many as asked for, the picture has, and are locked at least. */
  setK(k, { rest = true } = {}) {
    const { settings, image, locked } = store.get();
    const most = image ? Math.min(256, image.distinct_colors) : 256;
    if (k > most) frame.say(most < 256 ? `The picture has ${colorsText(most)}` : "256 colors are the most a file can index");
    const least = leastOf(locked.size, image);
    if (k < least) frame.say(`Locked colors need at least ${colorsText(least)}`);
    const next = clamp(k, least, most);
    if (kOf({ settings, image }) === next && !settings.palette) return;
    if (settings.palette) frame.say("Your own palette is set aside; Undo brings it back");
    painter.moved();
    apply({ ...settings, k: next, palette: null }, "k", rest);
  },
  rest: () => store.get().phase === "draft" && maker.rest(),
  stepK: (by) => actions.setK(kOf(store.get()) + by),
  stepTick(direction) {
    const k = kOf(store.get());
    const stops = controls.TICKS.filter((tick) => (tick - k) * direction > 0);
    if (stops.length) actions.setK(direction > 0 ? stops[0] : stops.at(-1));
  },
  change: (patch, knob = Object.keys(patch).join()) => apply({ ...store.get().settings, ...patch }, knob),
  reset() {
    apply({ k: store.get().settings.k }, "reset");
    frame.say("All settings but the number of colors are the defaults again");
  },
  toggleLock(hex) {
    const { settings, locked } = store.get();
    const keep = locked.has(hex) ? [...locked].filter((each) => each !== hex) : [...locked, hex];
    apply({ ...settings, k: Math.max(settings.k, leastOf(keep.length, store.get().image)), keep: keep.length ? keep : null }, "keep");
  },
  highlight(index) {
    if (store.get().highlight === index) return;
    store.set({ highlight: index });
    if (store.get().shown) painter.show();
  },
  undo: () => travel(history.undo(store.get().settings), "Undone"),
  redo: () => travel(history.redo(store.get().settings), "Redone"),
  view(patch) {
    const { view, image } = store.get();
    store.set({ view: { ...view, blinked: false, ...patch } });
    if (!image || !patch.mode || patch.mode === view.mode) return;
    if (patch.mode === "four") painter.showFour();
    if (patch.mode === "difference") painter.show();
  },
  open: (files) => opener.openFiles(files),
  select: (id) => opener.openImage(store.get().images.find((image) => image.id === id)),
  pick: () => document.getElementById("file-input").click(),
  renderNow: () => maker.make(),
  cancelRender() {
    maker.cancel();
    store.set({ progress: null, renderStopped: true });
  },
  letterKeys(on) {
    store.set({ letterKeys: on });
    remember("letterKeys", on);
  },
  say: frame.say,
  ...taking.createTaking({ store, frame, token: link.token }),
};

const stage = createStage({
  root: document.getElementById("stage"),
  toolbar: document.getElementById("toolbar"),
  store,
  actions,
  onDetail: (rect) => painter.showDetail(rect, opener.signal()),
  onFour: () => painter.showFour(),
});
const painter = createPainter({ store, engine, stage, rungFor: (k) => opener.rungFor(k), fail: frame.fail });
const maker = createMaker({ store, engine, painter, fail: frame.fail });
const opener = createOpener({ store, engine, stage, painter, maker, frame });

/**
 * Make settings the current ones: show their palette now, and make their file once they rest. While
 * `common` keeps the settings of all, those of the open file alone are changed.
 */
function apply(settings, knob, rest = true) {
  const { settings: before, common, image, images } = store.get();
  if (knob) history.remember(before, knob);
  const other = Object.keys({ ...before, ...settings }).some((key) => key !== "k" && before[key] !== settings[key]);
  store.set({
    settings,
    images: common ? images.map((each) => (each.id === image.id ? { ...each, settings } : each)) : images,
    locked: new Set(settings.keep ?? []),
    ...(other ? { made: null } : {}), // what files of the settings before were like says little
    ...(image ? { phase: "draft", result: null, renderError: null, renderStopped: false } : {}),
  });
  remember("settings", common ?? settings);
  showHistory();
  if (!image) return;
  maker.cancel();
  store.set({ progress: null });
  opener.climb();
  painter.show();
  if (rest) maker.rest();
}

/** The fewest colors with so many locked: transparent pixels need one of their own. */
const leastOf = (locked, image) => Math.max(1, locked + (locked && image?.has_alpha ? 1 : 0));

function showHistory() {
  document.getElementById("undo").disabled = !history.canUndo;
  document.getElementById("redo").disabled = !history.canRedo;
}

// What was done to settings of one file is not to be undone in those of another.
store.subscribe((_, changed) => {
  if (!changed.has("common")) return;
  history.clear();
  showHistory();
});

function travel(settings, word) {
  if (!settings) return;
  apply(settings);
  frame.say(word);
}

/** The key of the server and settings, from the part of the address that is never sent. */
function readLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const token = parts.get("t") ?? remembered("token") ?? "";
  remember("token", token);
  if (location.hash) window.history.replaceState(null, "", location.pathname); // not in pictures of the screen
  try {
    return { token, settings: JSON.parse(parts.get("s")) ?? remembered("settings") ?? {} };
  } catch {
    return { token, settings: {} }; // a link that was cut off
  }
}

async function start() {
  const parts = { store, actions, engine };
  controls.mount(document.getElementById("controls"), parts);
  for (const [name, panel] of Object.entries({ result, palette, curves, converge, batch })) {
    panel.mount(document.getElementById(`${name}-root`), parts);
  }
  keys.mount({ dialog: document.getElementById("help-dialog"), store, actions, stage });
  wireFrame(actions);
  if (!link.token) return frame.banner("This page needs its key: open the link that smalti web printed in the terminal.");
  try {
    const { options, images } = await engine.state();
    store.set({ options, images });
    const last = remembered("image");
    const first = images.find((image) => image.id === last) ?? images[0];
    if (first) opener.openImage(first);
  } catch (error) {
    if (error.status !== 403) return frame.fail(error);
    frame.banner("The key in this link is not that of the running server: open the link that smalti web printed last.");
  }
}

// A link that is pasted into this very tab brings its key and settings, too.
window.addEventListener("hashchange", () => location.hash && location.reload());
start();
