/**
 * What surrounds the picture: messages, what the tab remembers, dropping and pasting, tabs, theme,
 * demos.
 */

import { filesOf } from "./batch.js";
import { bytesText, colorsText, make } from "./dom.js";

const RETRY_MS = 3000;
const TOAST_MS = 4000;
const THEMES = ["auto", "light", "dark"];
const DEMOS = { photo: "A photograph", logo: "A logo", screenshot: "A screenshot" };
const PANELS = { result: "Result", palette: "Palette", elbow: "How many?", converge: "Converge", files: "Files" };
const GONE = "The local server stopped. The preview still works; start smalti web again for the rest.";

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

export function createFrame({ store, engine }) {
  let fading = 0;

  function say(text) {
    at("toast").textContent = text;
    clearTimeout(fading);
    fading = setTimeout(() => (at("toast").textContent = ""), TOAST_MS);
  }

  /** Tell of a failure in the page; the picture of before stays. */
  function fail(error, before = "") {
    if (error.name === "AbortError") return;
    if (error.kind === "Gone") return serverGone();
    if (!error.kind) console.error(error); // a mistake in this page
    banner(error.message.startsWith(before) ? error.message : before + error.message);
  }

  function banner(text, act = null) {
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
    banner(GONE, lookAgain);
    setTimeout(lookAgain, RETRY_MS);
  }

  async function lookAgain() {
    if (!store.get().serverGone) return;
    try {
      await engine.state();
      store.set({ serverGone: false });
      closeBanner();
    } catch ({ kind }) {
      if (kind === "Gone") setTimeout(lookAgain, RETRY_MS);
      else banner("Another smalti web runs now: open the link that it printed.");
    }
  }

  store.subscribe(({ image, images, phase }) => {
    document.body.dataset.state = phase;
    document.body.toggleAttribute("data-files", images.length > 1);
    if (!image) return;
    const { name, width, height, format, bytes, distinct_colors: colors } = image;
    document.title = `${name} – smalti`;
    at("file-facts").title = `${name}, ${colorsText(colors)}`;
    at("file-name").textContent = name;
    at("file-size").textContent = `${width} × ${height} · ${format} · ${bytesText(bytes)} · ${colorsText(colors)}`;
  });
  return { say, fail, banner, closeBanner };
}

/** Connect everything outside of the panels with what it does. */
export function wireFrame(actions) {
  const clicks = {
    open: actions.pick, "welcome-open": actions.pick, "open-folder": () => at("folder-input").click(),
    undo: actions.undo, redo: actions.redo, help: () => at("help-dialog").showModal(),
    "banner-close": () => (at("banner").hidden = true), paste: () => paste(actions),
    theme: () => setTheme(THEMES[(THEMES.indexOf(remembered("theme")) + 1) % THEMES.length]),
  };
  for (const [id, act] of Object.entries(clicks)) at(id).onclick = act;
  for (const id of ["file-input", "folder-input"]) {
    at(id).onchange = async ({ target }) => {
      actions.open(await filesOf([...target.files]));
      target.value = "";
    };
  }
  document.addEventListener("paste", ({ clipboardData }) => actions.open(clipboardData.files));
  setTheme(remembered("theme") ?? THEMES[0]);
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
  const moves = { dragenter: 1, dragleave: -1, dragover: 0, drop: -Infinity };
  for (const [name, by] of Object.entries(moves)) {
    document.addEventListener(name, async (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      depth = Math.max(0, depth + by);
      at("drop-veil").hidden = depth === 0;
      if (name === "drop") open(await filesOf(event.dataTransfer));
    });
  }
}

/** On small screens one panel is seen at a time. */
function tabs() {
  const buttons = Object.entries(PANELS).map(([name, label]) =>
    make("button", { className: "button", "data-tab": name, onclick: () => show(name) }, label));
  const show = (name) => {
    for (const panel of document.querySelectorAll(".panel")) panel.classList.toggle("shown", panel.dataset.tab === name);
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.tab === name);
  };
  at("tabs").append(...buttons);
  show("result");
}

function demos({ open }) {
  for (const [name, label] of Object.entries(DEMOS)) {
    const picture = make("img", { src: `static/demos/${name}.webp`, alt: "", width: 132, height: 88 });
    const button = make("button", { className: "button" }, picture, label);
    button.onclick = async () => {
      const blob = await (await fetch(picture.src)).blob();
      open([new File([blob], `${name}.webp`, { type: blob.type })]);
    };
    at("demos").append(make("li", {}, button));
  }
}
