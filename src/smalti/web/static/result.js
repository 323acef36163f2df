/**
 * The result: how large, how good, and how to take it along. A number is either exact, of the
 * file that would be saved, or carries "≈"; where neither is known there is a dash.
 */

import { bytesText, changeText, colorsText, make } from "./dom.js";

const STAGES = {
  queued: "waiting", decode: "reading", histogram: "counting colors", palette: "finding colors",
  map: "giving pixels their colors", encode: "packing", measure: "measuring", write: "writing",
};
const SLOW_MS = 400; // before that, a progress bar is only a flash

export function mount(root, { store, actions }) {
  const size = make("span", { className: "size num", id: "result-bytes" }, "–");
  const saved = make("span", { className: "saved", id: "result-saved" });
  const facts = {
    psnr: fact("PSNR", "psnr"), ssim: fact("SSIM", "ssim"), score: fact("SSIMULACRA2", "score"),
  };
  const basis = make("span", { id: "basis" }, "");
  const progress = make("progress", { max: 1, value: 0, hidden: true, ariaLabel: "Making the file" });
  const cancel = make("button", { className: "button", id: "cancel", hidden: true }, "Cancel");
  const retry = make("button", { className: "button", id: "render-again", hidden: true }, "Make the file");
  const advice = make("p", { className: "advice", id: "advice", hidden: true });
  const download = make("button", { className: "button main", id: "download", disabled: true }, "Download");
  download.setAttribute("aria-keyshortcuts", "Control+S");
  const format = choice("set-format", "Format", ["png", "webp", "gif"]);
  const pack = choice("set-pack", "Packing", ["fast", "default", "max"]);
  const copies = make("div", { className: "row copies", role: "group", ariaLabel: "Copy" });
  const buttons = [
    ["image", "Copy picture"], ["cli", "Copy command"], ["python", "Copy Python"], ["link", "Copy link"],
  ].map(([what, label]) => {
    const button = make("button", { className: "button", id: `copy-${what}`, disabled: true }, label);
    button.addEventListener("click", () => actions.copyResult(what));
    copies.append(button);
    return button;
  });
  const command = make("code", { className: "dim num", id: "command" });
  const notes = make("ul", { className: "notes", id: "notes" });
  const original = make("button", { className: "link", id: "take-original", hidden: true }, "Keep the original instead");

  root.append(
    make("div", { className: "size-line" }, size, saved),
    make("dl", { className: "facts" }, ...Object.values(facts).map(({ element }) => element)),
    make("div", { className: "row basis" }, basis, progress, cancel, retry),
    advice, original,
    make("div", { className: "take" }, download, make("div", { className: "row" }, format.label, pack.label)),
    copies, make("p", {}, command), notes,
  );
  download.addEventListener("click", () => actions.download());
  cancel.addEventListener("click", () => actions.cancelRender());
  retry.addEventListener("click", () => actions.renderNow());
  original.addEventListener("click", () => actions.keepOriginal());
  for (const { select, name } of [format, pack]) {
    select.addEventListener("change", () => {
      const usual = select.value === (name === "format" ? "png" : "default");
      actions.change({ [name]: usual ? null : select.value }, name);
    });
  }

  let busySince = 0;
  store.subscribe((state, changed) => {
    if (changed.has("progress")) busySince = state.progress ? busySince || performance.now() : 0;
    update(state);
    if (busySince) setTimeout(() => update(store.get()), SLOW_MS + 20);
  });
  update(store.get());

  function update(state) {
    const { result, image, phase, settings } = state;
    format.select.value = settings.format ?? "png";
    pack.select.value = settings.pack ?? "default";
    root.dataset.basis = result ? "exact" : image ? "draft" : "none";
    if (result) showResult(result, image);
    else showEstimate(state);
    const slow = state.progress && !result && performance.now() - busySince >= SLOW_MS;
    progress.hidden = cancel.hidden = !slow;
    if (state.progress) progress.value = state.progress.done ?? 0;
    basis.textContent = basisText(state, slow);
    retry.hidden = !image || Boolean(result || state.progress) || !state.renderStopped;
    download.disabled = !result?.blob;
    download.textContent = `Download ${(result?.format ?? settings.format ?? "png").toUpperCase()}`;
    for (const button of buttons) button.disabled = button.id === "copy-link" ? !image : !result?.blob;
    command.textContent = result?.cli ?? "";
    original.hidden = !result?.larger;
    const remarks = [...(image?.notes ?? []), ...(result?.notes ?? [])];
    if (result?.dithering) remarks.push(result.dithering);
    const texts = [...new Set(remarks)];
    if (texts.join("\n") !== notes.dataset.text) {
      notes.dataset.text = texts.join("\n");
      notes.replaceChildren(...texts.map((text) => make("li", {}, text)));
    }
    document.title = image && phase !== "empty" ? `${image.name} – smalti` : "smalti";
  }

  function showResult(result, image) {
    size.textContent = bytesText(result.bytes);
    size.title = `${result.bytes.toLocaleString("en")} bytes`;
    size.dataset.bytes = result.bytes;
    saved.textContent = `${changeText(image.bytes, result.bytes)} of ${bytesText(image.bytes)}`;
    facts.psnr.set(result.psnr == null ? "identical" : `${result.psnr.toFixed(2)} dB`);
    facts.ssim.set(result.ssim == null ? "…" : result.ssim.toFixed(4));
    facts.score.set(result.score == null ? "…" : result.score.toFixed(1));
    advice.hidden = !result.larger && !result.advice;
    advice.textContent = result.larger
      ? `Larger than the original${result.advice ? `: ${result.advice}` : "."}`
      : result.advice || "";
  }

  function showEstimate(state) {
    const bytes = state.image && actions.estimatedBytes();
    const psnr = state.image && actions.estimatedPsnr();
    size.textContent = bytes ? `≈ ${bytesText(bytes)}` : "–";
    size.title = "";
    delete size.dataset.bytes;
    saved.textContent = bytes ? `≈ ${changeText(state.image.bytes, bytes)} of ${bytesText(state.image.bytes)}` : "";
    facts.psnr.set(psnr ? `≈ ${psnr.toFixed(1)} dB` : "–");
    facts.ssim.set("–");
    facts.score.set("–");
    advice.hidden = !state.renderError;
    advice.textContent = state.renderError ?? "";
  }
}

function basisText(state, slow) {
  if (state.result) return `exact · full image · ${colorsText(state.result.colors)}`;
  if (!state.image) return "";
  if (state.renderError) return "no file";
  if (slow) return STAGES[state.progress.stage] ?? state.progress.stage ?? "working";
  return state.renderStopped ? "preview only" : "preview";
}

function fact(name, id) {
  const value = make("dd", { id: `result-${id}` }, "–");
  const element = make("div", {}, make("dt", {}, name), value);
  return { element, set: (text) => (value.textContent = text) };
}

function choice(id, label, values) {
  const select = make("select", { className: "field", id, ariaLabel: label, title: label });
  select.append(...values.map((value) => make("option", { value }, label === "Format" ? value.toUpperCase() : `pack ${value}`)));
  return { label: select, select, name: id.replace("set-", "") };
}
