/**
 * The keyboard: single letters while no field has the focus, and the help that lists them. They can
 * be switched off there, as WCAG 2.1.4 asks of keys without modifiers.
 */

import { make } from "./dom.js";

const KEYS = [
  ["O", "open pictures"],
  ["Ctrl V", "paste a picture"],
  ["← →", "one color less or more; with Shift, eight"],
  ["[ ]", "previous or next usual number of colors"],
  ["1 2 3 4 5", "split, side by side, blink, difference, four-up"],
  ["Space", "hold: the original everywhere; in Blink: switch"],
  ["F, 0", "fit the picture, true pixels"],
  ["+ −", "zoom in, out"],
  ["Shift + arrows on the picture", "move it"],
  ["D", "next way of dithering"],
  ["P , .", "in Convergence: play, one step back, one step on"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Ctrl S", "download"],
  ["?", "this help"],
];
const GLOSSARY = [
  ["Palette", "The colors that the file may use. Each pixel stores the number of one of them."],
  ["≈", "An estimate for the preview. Numbers without it are those of the finished file."],
  ["Distortion", "Mean squared distance of the pixels to their palette colors; k-means makes it small."],
  ["PSNR", "The same error in plain RGB as decibels: higher is better, 40 dB is hard to see."],
  ["SSIM", "Similarity of structure, at most 1."],
  ["SSIMULACRA2", "A judge that agrees well with people: 90 looks lossless, 70 good, 50 medium."],
  ["Space", "Where distance is measured: oklab as people see it, srgb as plain RGB numbers, as the tutorials do."],
  ["Small file", "How much bytes count when pixels get their colors: 0 is the nearest color always."],
  ["Elbow", "The number of colors from which on more of them pay less."],
];
const WAYS = ["auto", "none", "floyd-steinberg", "atkinson", "sierra-lite", "bayer", "blue-noise"];

export function mount({ dialog, store, actions, stage }) {
  fillHelp(dialog, store, actions);
  const act = {
    o: () => actions.pick(),
    ArrowLeft: (event) => actions.stepK(event.shiftKey ? -8 : -1),
    ArrowRight: (event) => actions.stepK(event.shiftKey ? 8 : 1),
    "[": () => actions.stepTick(-1),
    "]": () => actions.stepTick(1),
    1: () => actions.view({ mode: "split" }),
    2: () => actions.view({ mode: "side" }),
    3: () => actions.view({ mode: "blink" }),
    4: () => actions.view({ mode: "difference" }),
    5: () => actions.view({ mode: "four" }),
    f: () => stage.fit(),
    0: () => stage.zoomTo(1),
    "+": () => stage.zoomStep(1),
    "=": () => stage.zoomStep(1),
    "-": () => stage.zoomStep(-1),
    d: () => {
      const now = WAYS.indexOf(store.get().settings.dither ?? "auto");
      const next = WAYS[(now + 1) % WAYS.length];
      actions.change({ dither: next === "auto" ? null : next }, "dither");
      actions.say(`Dithering: ${next}`);
    },
    "?": () => dialog.showModal(),
  };
  const withControl = {
    z: (event) => (event.shiftKey ? actions.redo() : actions.undo()),
    y: () => actions.redo(),
    s: () => actions.download(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || dialog.open) return;
    const held = event.ctrlKey || event.metaKey;
    if (held && !(typing(event.target) && event.key.toLowerCase() === "z")) {
      run(withControl[event.key.toLowerCase()], event);
    } else if (!held && letters(event)) {
      if (event.key === " ") hold(event);
      else if (onStage(event)) run(act[event.key.length === 1 ? event.key.toLowerCase() : event.key], event);
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") stage.hold(false);
  });
  window.addEventListener("blur", () => stage.hold(false));

  function letters(event) {
    return store.get().letterKeys && !typing(event.target);
  }

  /** Shift and arrows move the picture while it has the focus; all other keys pass. */
  function onStage(event) {
    if (event.key.startsWith("Arrow") && event.target.closest?.("input, [role=slider]")) return false;
    const by = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (!by || !event.shiftKey || event.target.id !== "stage") return true;
    stage.pan(...by);
    event.preventDefault();
    return false;
  }

  function hold(event) {
    if (event.target.closest?.("button, summary, a, input, [role=button], [role=tab], [role=slider]")) return;
    event.preventDefault();
    if (store.get().view.mode === "blink" && !event.repeat) stage.blinkOnce();
    else stage.hold(true);
  }
}

function run(action, event) {
  if (!action) return;
  event.preventDefault();
  action(event);
}

const FIELDS = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])";

/** Whether letters belong to the focused element. */
function typing(target) {
  return Boolean(target.closest?.(FIELDS));
}

function fillHelp(dialog, store, actions) {
  const close = make("button", { className: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const toggle = make("input", { type: "checkbox", id: "letter-keys", checked: store.get().letterKeys });
  toggle.addEventListener("change", () => actions.letterKeys(toggle.checked));
  const keys = make("table", {}, make("tbody", {}, ...KEYS.map(([key, what]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, what)))));
  const words = make("dl", {}, ...GLOSSARY.flatMap(([word, what]) => [make("dt", {}, word), make("dd", {}, what)]));
  dialog.append(
    make("div", { className: "row" }, make("h2", { id: "help-title" }, "Help"), close),
    make("h3", {}, "Keys"), keys,
    make("p", {}, make("label", { htmlFor: "letter-keys" }, toggle, "Keys without Ctrl work")),
    make("h3", {}, "Words"), words,
    make("p", { className: "dim" }, "Pictures stay on this computer: the page talks only to the smalti that you started."),
  );
}
