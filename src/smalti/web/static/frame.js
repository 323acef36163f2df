/**
 * What surrounds the picture: messages, what the tab remembers, dropping and pasting, tabs, theme,
 * demos.
 */

import { filesOf } from "./batch.js";
import { bytesText, colorsText, make } from "./dom.js";
import { EngineError } from "./engine.js";

const RETRY_MS = 3000;
const TOAST_MS = 4000;
const THEMES = ["auto", "light", "dark"];
const DEMOS = [["photo.jpg", "A photograph"], ["logo.png", "A logo"], ["screenshot.png", "A screenshot"]];
const PANELS = [["result", "Result"], ["palette", "Palette"], ["elbow", "How many?"], ["converge", "Converge"], ["files", "Files"]];

const at = (id) => document.getElementById(id);

/** What this tab keeps for itself, over a reload and no longer. */
export function remember(name, value) {
  try {
    sessionStorage.setItem(`smalti.${name}`, JSON.stringify(value));
  } catch {
    // Private windows may refuse: then a reload forgets.
  }
}

export function remembered(name) {
  try {
    return JSON.parse(sessionStorage.getItem(`smalti.${name}`));
  } catch {
    return null;
  }
}

/** @param {{store, engine}} parts */
export function createFrame({ store, engine }) {
  let toastTimer = 0;

  function say(text) {
    at("toast").textContent = text;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => (at("toast").textContent = ""), TOAST_MS);
  }

  /** Tell of a failure in the page; the picture of before stays. */
  function fail(error, before = "") {
    if (error.name === "AbortError") return;
    if (error.kind === "Gone") return serverGone();
    if (!(error instanceof EngineError || error.kind)) console.error(error);
    banner(error.message.startsWith(before) ? error.message : before + error.message);
  }

  function banner(text, act) {
    at("banner-text").textContent = text;
    at("banner-action").hidden = !act;
    at("banner-action").onclick = act;
    at("banner").hidden = false;
  }

  function closeBanner() {
    if (!store.get().serverGone) at("banner").hidden = true;
  }

  function serverGone() {
    if (store.get().serverGone) return;
    store.set({ serverGone: true, progress: null });
    banner("The local server stopped. The preview still works; start smalti web again for the rest.", lookAgain);
    setTimeout(lookAgain, RETRY_MS);
  }

  async function lookAgain() {
    if (!store.get().serverGone) return;
    try {
      await engine.state();
      store.set({ serverGone: false });
      closeBanner();
    } catch (error) {
      if (error.kind === "Gone") setTimeout(lookAgain, RETRY_MS);
      else banner("Another smalti web runs now: open the link that it printed.");
    }
  }

  store.subscribe(({ image, images, phase }, changed) => {
    document.body.dataset.state = phase;
    document.body.toggleAttribute("data-files", images.length > 1);
    if (!changed.has("image") || !image) return;
    const { name, width, height, format, bytes, distinct_colors: colors } = image;
    at("file-name").textContent = name;
    at("file-size").textContent = `${width} × ${height} · ${format} · ${bytesText(bytes)} · ${colorsText(colors)}`;
  });
  return { say, fail, banner, closeBanner, remember };
}

/** Connect everything outside of the panels with what it does. */
export function wireFrame(actions) {
  const click = (id, act) => at(id).addEventListener("click", act);
  click("open", actions.pick);
  click("welcome-open", actions.pick);
  click("open-folder", () => at("folder-input").click());
  click("undo", actions.undo);
  click("redo", actions.redo);
  click("help", () => at("help-dialog").showModal());
  click("banner-close", () => (at("banner").hidden = true));
  click("paste", () => paste(actions));
  click("theme", () => setTheme(THEMES[(THEMES.indexOf(remembered("theme") ?? "auto") + 1) % 3]));
  for (const id of ["file-input", "folder-input"]) {
    at(id).addEventListener("change", async ({ target }) => {
      actions.open(await filesOf([...target.files]));
      target.value = "";
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => actions.open(clipboardData.files));
  setTheme(remembered("theme") ?? "auto");
  dropZone(actions);
  tabs();
  demos(actions);
}

function setTheme(theme) {
  remember("theme", theme);
  document.documentElement.dataset.theme = theme;
  at("theme").textContent = `Theme: ${theme}`;
}

async function paste({ open, say }) {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((each) => each.startsWith("image/"));
      if (type) return open([new File([await item.getType(type)], `pasted.${type.slice(6)}`, { type })]);
    }
    say("There is no picture in the clipboard");
  } catch {
    say("Press Ctrl V: the browser does not let this page look into the clipboard by itself");
  }
}

function dropZone({ open }) {
  let depth = 0; // enter and leave come for every element on the way
  const on = (name, by, act = () => {}) =>
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      depth = by === null ? 0 : depth + by;
      at("drop-veil").hidden = depth <= 0;
      act(event);
    });
  on("dragenter", 1);
  on("dragleave", -1);
  on("dragover", 0);
  on("drop", null, async ({ dataTransfer }) => open(await filesOf(dataTransfer)));
}

/** On small screens one panel is seen at a time. */
function tabs() {
  const buttons = PANELS.map(([name, label]) => {
    const button = make("button", { className: "button" }, label);
    button.dataset.tab = name;
    button.addEventListener("click", () => show(name));
    return button;
  });
  const show = (name) => {
    for (const panel of document.querySelectorAll(".panel")) panel.classList.toggle("shown", panel.dataset.tab === name);
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.tab === name);
  };
  at("tabs").append(...buttons);
  show("result");
}

function demos({ open }) {
  for (const [name, label] of DEMOS) {
    const source = `static/demos/${name}`;
    const button = make("button", { className: "button" }, make("img", { src: source, alt: "", width: 132, height: 88 }), label);
    button.addEventListener("click", async () => {
      const blob = await (await fetch(source)).blob();
      open([new File([blob], name, { type: blob.type })]);
    });
    at("demos").append(make("li", {}, button));
  }
}
