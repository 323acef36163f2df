/**
 * The result: how large, how good, and how to take it along. A number is either exact, of the file
 * that would be saved, or carries "≈"; where neither is known there is a dash.
 */

import { bytesText, changeText, colorsText, make } from "./dom.js";
import { bytesAt, psnrAt } from "./estimates.js";

const STAGES = {
  queued: "waiting", decode: "reading", histogram: "counting colors", palette: "finding colors",
  map: "giving pixels their colors", encode: "packing", measure: "measuring",
};
const CHOICES = { format: ["png", "webp", "gif"], pack: ["default", "fast", "max"] };
const COPIES = { image: "picture", cli: "command", python: "Python", link: "link" };
const SLOW_MS = 400; // before that, a progress bar is only a flash

export function mount(root, { store, actions }) {
  const id = (name, tag = "span", properties = {}, ...children) => make(tag, { id: name, ...properties }, ...children);
  const size = id("result-bytes", "span", { className: "size num" }, "–");
  const saved = id("result-saved", "span", { className: "saved num" });
  const facts = Object.fromEntries(["psnr", "ssim", "score"].map((name) => [name, id(`result-${name}`, "dd", {}, "–")]));
  const basis = id("basis");
  const progress = make("progress", { max: 1, value: 0, "aria-label": "Making the file" });
  const cancel = id("cancel", "button", { className: "button", onclick: actions.cancelRender }, "Cancel");
  const again = id("render-again", "button", { className: "button", onclick: actions.renderNow }, "Make the file");
  const advice = id("advice", "p", { className: "advice" });
  const original = id("take-original", "button", { className: "link", onclick: actions.keepOriginal }, "Keep the original instead");
  const downloads = [id("download", "button", { className: "button main", "aria-keyshortcuts": "Control+S" }), document.getElementById("bar-download")];
  for (const button of downloads) button.onclick = actions.download;
  const selects = Object.entries(CHOICES).map(([name, values]) => {
    const select = id(`set-${name}`, "select", { className: "field", "aria-label": name },
      ...values.map((value) => make("option", { value }, name === "format" ? value.toUpperCase() : `pack: ${value}`)));
    select.onchange = () => actions.change({ [name]: select.value === values[0] ? null : select.value });
    return select;
  });
  const copies = Object.entries(COPIES).map(([what, label]) =>
    id(`copy-${what}`, "button", { className: "button", "aria-label": `Copy ${label}`, onclick: () => actions.copyResult(what) }, label));
  const command = id("command", "code", { className: "dim" });
  const notes = id("notes", "ul", { className: "notes" });
  const bar = document.getElementById("bar-size");

  root.append(
    make("div", { className: "size-line" }, size, saved),
    make("dl", { className: "facts" }, ...Object.entries({ PSNR: facts.psnr, SSIM: facts.ssim, SSIMULACRA2: facts.score }).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), value))),
    make("div", { className: "row basis" }, basis, progress, cancel, again),
    advice, original,
    make("div", { className: "take" }, downloads[0], ...selects),
    make("div", { className: "row", role: "group", "aria-label": "Copy" }, "Copy", ...copies),
    make("p", {}, command), notes,
  );

  let busySince = 0;
  store.subscribe((state, changed) => {
    if (changed.has("progress")) busySince = state.progress ? busySince || performance.now() : 0;
    update(state);
    if (busySince) setTimeout(() => update(store.get()), SLOW_MS + 20);
  });
  update(store.get());

  function update(state) {
    const { result, image, settings } = state;
    selects.forEach((select) => (select.value = settings[select.id.slice(4)] ?? select.options[0].value));
    root.dataset.basis = result ? "exact" : image ? "draft" : "none";
    showNumbers(state);
    const slow = state.progress && !result && performance.now() - busySince >= SLOW_MS;
    progress.hidden = cancel.hidden = !slow;
    progress.value = state.progress?.done ?? 0;
    basis.textContent = basisText(state, slow);
    again.hidden = !state.renderStopped;
    advice.textContent = adviceText(state);
    advice.hidden = !advice.textContent;
    original.hidden = !result?.larger;
    for (const button of downloads) button.disabled = !result?.blob;
    downloads[0].textContent = `Download ${(result?.format ?? settings.format ?? "png").toUpperCase()}`;
    for (const button of copies) button.disabled = button.id === "copy-link" ? !image : !result?.blob;
    command.textContent = result?.cli ?? "";
    showNotes([...(image?.notes ?? []), ...(result?.notes ?? []), ...(result?.dithering && result.psnr != null ? [`Dithering: ${result.dithering}`] : [])]);
  }

  function showNumbers({ result, image, shown, estimates, made, curve }) {
    const bytes = result?.bytes ?? (shown && bytesAt(estimates, shown.k, made));
    const mark = result ? "" : "≈ ";
    size.textContent = bytes ? mark + bytesText(bytes) : "–";
    size.title = result ? `${bytes.toLocaleString("en")} bytes` : "";
    size.dataset.bytes = result?.bytes ?? "";
    saved.textContent = bytes ? `${mark}${changeText(image.bytes, bytes)} of ${bytesText(image.bytes)}` : "";
    bar.textContent = bytes ? `${size.textContent}, ${changeText(image.bytes, bytes)}` : "–";
    const guess = shown && !shown.own && psnrAt(curve, shown.k);
    facts.psnr.textContent = result ? decibels(result.psnr) : guess ? `≈ ${guess.toFixed(1)} dB` : "–";
    facts.ssim.textContent = result ? (result.ssim?.toFixed(4) ?? "…") : "–";
    facts.score.textContent = result ? (result.score?.toFixed(1) ?? "…") : "–";
  }

  function showNotes(texts) {
    const all = [...new Set(texts)];
    if (all.join() === notes.dataset.all) return;
    notes.dataset.all = all.join();
    notes.replaceChildren(...all.map((text) => make("li", {}, text)));
  }
}

const decibels = (psnr) => (psnr == null ? "identical" : `${psnr.toFixed(2)} dB`);

function adviceText({ result, renderError }) {
  return (result ? result.advice : renderError) ?? "";
}

function basisText({ result, image, progress, renderError, renderStopped }, slow) {
  if (result) return `exact · full image · ${colorsText(result.colors)}`;
  if (!image) return "";
  if (renderError) return "no file";
  if (slow) return STAGES[progress.stage] ?? "working";
  return renderStopped ? "preview only" : "preview";
}
