/**
 * The keyboard: single letters while no field has the focus, and the help that lists them. They can
 * be switched off there, as WCAG 2.1.4 asks of keys without modifiers.
 */

import { make } from "./dom.js";

const KEYS = {
  O: "open pictures",
  "Ctrl V": "paste a picture",
  "← →": "one color less or more; with Shift, eight",
  "[ ]": "previous or next usual number of colors",
  "1 2 3 4 5": "split, side by side, blink, difference, four-up",
  Space: "hold: the original everywhere; in Blink: switch",
  "F 0": "fit the picture, true pixels",
  "+ −": "zoom in, out",
  "Ctrl + arrows": "move the picture",
  D: "next way of dithering",
  "P , .": "in Convergence: play, one step back, one step on",
  "Ctrl Z, Ctrl Shift Z": "undo, redo",
  "Ctrl S": "download",
  "?": "this help",
};
const WORDS = {
  Palette: "The colors that the file may use. Each pixel stores the number of one of them.",
  "≈": "An estimate, of the preview. Numbers without it are those of the finished file.",
  Distortion: "Mean squared distance of the pixels to their palette colors; k-means makes it small.",
  PSNR: "The same error in plain RGB as decibels: higher is better, 40 dB is hard to see.",
  SSIM: "Similarity of structure, at most 1.",
  SSIMULACRA2: "A judge that agrees well with people: 90 looks lossless, 70 good, 50 medium.",
  Space: "Where distance is measured: oklab as people see it, srgb as plain RGB, as the tutorials do.",
  "Small file": "How much bytes count when pixels get their colors: 0 is the nearest color always.",
  Elbow: "The number of colors from which on more of them pay less.",
};
const PAN = 60;
const FIELDS = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])";
const ACTIVE = "button, summary, a, input, [role=button], [role=slider]";

export function mount({ dialog, store, actions, stage }) {
  fillHelp(dialog, store, actions);
  const plain = {
    o: actions.pick,
    arrowleft: ({ shiftKey }) => actions.stepK(shiftKey ? -8 : -1),
    arrowright: ({ shiftKey }) => actions.stepK(shiftKey ? 8 : 1),
    "[": () => actions.stepTick(-1),
    "]": () => actions.stepTick(1),
    f: stage.fit,
    0: () => stage.zoomTo(1),
    "+": () => stage.zoomStep(1),
    "=": () => stage.zoomStep(1),
    "-": () => stage.zoomStep(-1),
    d: () => nextDithering(store, actions),
    "?": () => dialog.showModal(),
  };
  ["split", "side", "blink", "difference", "four"].forEach((mode, i) => (plain[i + 1] = () => actions.view({ mode })));
  const held = {
    z: ({ shiftKey }) => (shiftKey ? actions.redo() : actions.undo()),
    y: actions.redo,
    s: actions.download,
    arrowup: () => stage.pan(0, PAN),
    arrowleft: () => stage.pan(PAN, 0),
    arrowright: () => stage.pan(-PAN, 0),
    arrowdown: () => stage.pan(0, -PAN),
  };

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.altKey || dialog.open) return;
    const typing = target.closest?.(FIELDS);
    const control = event.ctrlKey || event.metaKey;
    if (control ? typing && key.toLowerCase() !== "s" : typing || !store.get().letterKeys) return;
    if (!control && target.closest?.(ACTIVE) && (key === " " || (key.startsWith("Arrow") && target.matches("input, [role=slider]")))) return;
    if (key.startsWith("Arrow") && !control && target.closest?.(".panel")) return; // they move within
    const act = control ? held[key.toLowerCase()] : key === " " ? hold : plain[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
  document.addEventListener("keyup", ({ key }) => key === " " && stage.hold(false));
  window.addEventListener("blur", () => stage.hold(false));

  function hold({ repeat }) {
    const { mode, blinked } = store.get().view;
    if (mode !== "blink") stage.hold(true);
    else if (!repeat) actions.view({ blinked: !blinked });
  }
}

function nextDithering({ get }, actions) {
  const ways = get().options.dither?.choices ?? ["auto"];
  const next = ways[(ways.indexOf(get().settings.dither ?? ways[0]) + 1) % ways.length];
  actions.change({ dither: next === ways[0] ? null : next });
  actions.say(`Dithering: ${next}`);
}

function fillHelp(dialog, store, actions) {
  const toggle = make("input", { type: "checkbox", id: "letter-keys", checked: store.get().letterKeys });
  toggle.onchange = () => actions.letterKeys(toggle.checked);
  const rows = Object.entries(KEYS).map(([key, what]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, what)));
  dialog.append(
    make("div", { className: "row" }, make("h2", { id: "help-title" }, "Help"),
      make("button", { className: "button", onclick: () => dialog.close() }, "Close")),
    make("h3", {}, "Keys"), make("table", {}, make("tbody", {}, ...rows)),
    make("label", { htmlFor: "letter-keys" }, toggle, "Keys without Ctrl work"),
    make("h3", {}, "Words"),
    make("dl", {}, ...Object.entries(WORDS).flatMap(([word, what]) => [make("dt", {}, word), make("dd", {}, what)])),
    make("p", { className: "dim" }, "Pictures stay on this computer: the page talks only to the smalti that you started."),
  );
}
