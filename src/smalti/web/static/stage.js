/**
 * The picture: original and result over each other or side by side, with one position for all, so
 * that they cannot slip. A layer has an overview and, near enough, a detail in true pixels.
 *
 * Scale is device pixels per pixel of the image. The view is kept as the image point in the
 * middle, which stays there when the window or the mode changes.
 */

import { clamp, colorsText, drags, make } from "./dom.js";

const MODES = { split: "Split", side: "Side by side", blink: "Blink", difference: "Difference", four: "Four-up" };
const GROUNDS = { checker: "Checkerboard", gray: "Gray", black: "Black", white: "White" };
const STOPS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32];
const BLINK_MS = 700;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** `onDetail(rect)` is asked for true pixels of a rectangle, `onFour()` to paint other numbers of colors. */
export function createStage({ root, toolbar, store, actions, onDetail, onFour }) {
  const layers = {}; // name -> {overview, detail: {source, x, y, w, h} | null}
  const canvases = {};
  const fourKs = [2, 8, 25, 100];
  let size = null; // {width, height, alpha} of the image
  let holding = false;
  let blinking = 0;
  let frame = 0;
  let asking = 0;

  for (const name of ["original", "result", "difference"]) root.append(canvasOf(name));
  const four = make("div", { className: "four" }, ...fourKs.map(fourCell));
  const range = make("input", { type: "range", min: 0, max: 100, "aria-label": "Divider between original and result" });
  const divider = make("div", { className: "divider" }, range);
  const tags = ["left", "right"].map((side) => make("div", { className: `tag ${side}` }));
  root.append(four, divider, ...tags);
  const zoomText = make("output", { className: "zoom num", id: "zoom", "aria-label": "Zoom" }, "–");
  const ground = make("select", { className: "field", id: "ground", "aria-label": "Ground behind transparent pixels" },
    ...Object.entries(GROUNDS).map(([value, label]) => make("option", { value }, label)));
  const button = (label, title, act) => make("button", { className: "button", title, "aria-label": title, onclick: act }, label);
  const modes = Object.entries(MODES).map(([mode, label], i) =>
    make("button", { className: "button", id: `view-${mode}`, "aria-keyshortcuts": i + 1, onclick: () => actions.view({ mode }) }, label));
  toolbar.append(
    make("div", { className: "row", role: "group", "aria-label": "View" }, ...modes),
    make("div", { className: "row", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out", () => zoomStep(-1)), zoomText, button("+", "Zoom in", () => zoomStep(1)),
      button("Fit", "Fit the picture into the window", fit), button("100 %", "Show true pixels", () => zoomTo(1)), ground),
  );
  ground.onchange = () => actions.view({ ground: ground.value });
  range.oninput = () => actions.view({ split: range.value / 100 });
  drags(divider, ({ clientX }) => {
    const box = root.getBoundingClientRect();
    actions.view({ split: clamp((clientX - box.left) / box.width, 0, 1) });
  });

  function canvasOf(name) {
    canvases[name] = make("canvas", { role: "img", "data-layer": name, hidden: true });
    return canvases[name];
  }

  function fourCell(k, i) {
    const number = make("input", { className: "field num", type: "number", min: 1, max: 256, value: k });
    number.onchange = () => {
      number.value = fourKs[i] = clamp(Math.round(number.value) || k, 1, 256);
      onFour();
    };
    const use = make("button", { className: "button", "aria-label": `Use the number of colors of picture ${i + 1}` }, "Use");
    use.onclick = () => actions.setK(fourKs[i]);
    const bar = make("div", { className: "cell-bar" }, make("label", {}, "Colors ", number), use);
    return make("div", { className: "four-cell" }, canvasOf(`four${i}`), bar);
  }

  // ---- geometry, in device pixels

  const ratio = () => devicePixelRatio || 1;

  function cellSize() {
    const { mode } = store.get().view;
    const [across, down] = { side: [2, 1], four: [2, 2] }[mode] ?? [1, 1];
    return { w: Math.floor((root.clientWidth * ratio()) / across), h: Math.floor((root.clientHeight * ratio()) / down) };
  }

  /** The scale at which all of the picture is seen; small ones are enlarged by whole numbers. */
  function fitScale({ w, h }) {
    const scale = Math.min(w / size.width, h / size.height);
    return scale >= 2 ? Math.min(16, Math.floor(scale)) : Math.min(scale, 1);
  }

  /** Where the picture is in a cell: its corner (x, y) and scale, and the point in the middle. */
  function placed() {
    const { view } = store.get();
    const cell = cellSize();
    const at = view.fit ? { scale: fitScale(cell), cx: size.width / 2, cy: size.height / 2 } : view;
    const whole = at.scale >= 1 ? Math.round : (value) => value;
    const [x, y] = [cell.w / 2 - at.cx * at.scale, cell.h / 2 - at.cy * at.scale].map(whole);
    return { ...cell, scale: at.scale, cx: at.cx, cy: at.cy, x, y };
  }

  function fit() {
    actions.view({ fit: true });
  }

  function center(cx, cy, scale) {
    actions.view({ fit: false, scale, cx: clamp(cx, 0, size.width), cy: clamp(cy, 0, size.height) });
  }

  /** Zoom such that the image point under (px, py) of the cell stays there. */
  function zoomTo(wanted, px, py) {
    if (!size) return;
    const at = placed();
    const scale = clamp(wanted, Math.min(fitScale(at), STOPS[0]), STOPS.at(-1));
    const [dx, dy] = [(px ?? at.w / 2) - at.w / 2, (py ?? at.h / 2) - at.h / 2];
    const shift = 1 / at.scale - 1 / scale;
    center(at.cx + dx * shift, at.cy + dy * shift, scale);
  }

  function zoomStep(direction) {
    if (!size) return;
    const { scale } = placed();
    const further = STOPS.filter((stop) => direction * (stop / scale - 1) > 0.01);
    zoomTo((direction > 0 ? further[0] : further.at(-1)) ?? scale);
  }

  function pan(dx, dy) {
    if (!size) return;
    const at = placed();
    center(at.cx - (dx * ratio()) / at.scale, at.cy - (dy * ratio()) / at.scale, at.scale);
  }

  /** The visible rectangle of the image, in whole pixels of it. */
  function visible(at) {
    const x = clamp(Math.floor(-at.x / at.scale), 0, size.width - 1);
    const y = clamp(Math.floor(-at.y / at.scale), 0, size.height - 1);
    const right = clamp(Math.ceil((at.w - at.x) / at.scale), x + 1, size.width);
    const bottom = clamp(Math.ceil((at.h - at.y) / at.scale), y + 1, size.height);
    return { x, y, w: right - x, h: bottom - y };
  }

  // ---- painting

  function paint() {
    frame = 0;
    const { view } = store.get();
    root.classList.toggle("loaded", Boolean(size));
    root.dataset.ground = ground.value = view.ground;
    for (const each of modes) each.setAttribute("aria-pressed", each.id === `view-${view.mode}`);
    four.hidden = view.mode !== "four" || !size;
    divider.hidden = view.mode !== "split" || !size;
    for (const canvas of [...Object.values(canvases), ...tags]) canvas.hidden = !size;
    if (!size) return;
    arrange(view);
    label(view);
    const at = placed();
    zoomText.textContent = `${Number((at.scale * 100).toPrecision(3))} %`;
    for (const [name, canvas] of Object.entries(canvases)) {
      if (canvas.checkVisibility()) paintLayer(canvas, layers[holding ? "original" : name], at, view.ground);
    }
    askForDetail(at);
  }

  /** Show the canvases of a mode, where they belong. */
  function arrange({ mode, split, blinked }) {
    const shown = { split: ["original", "result"], side: ["original", "result"], blink: [blinked ? "original" : "result"], difference: ["difference"] }[mode] ?? [];
    const percent = `${split * 100}%`;
    for (const name of ["original", "result", "difference"]) {
      const { style } = canvases[name];
      canvases[name].hidden = !shown.includes(name);
      style.width = mode === "side" ? "50%" : "100%";
      style.left = mode === "side" && name === "result" ? "50%" : "0";
      style.clipPath = mode !== "split" ? "none" : name === "original" ? `inset(0 calc(100% - ${percent}) 0 0)` : `inset(0 0 0 ${percent})`;
    }
    divider.style.left = percent;
    range.value = Math.round(split * 100);
    range.setAttribute("aria-valuetext", `${range.value} % original`);
  }

  function label({ mode, split, blinked }) {
    const { shown, phase } = store.get();
    const colors = shown ? colorsText(shown.k) : "…";
    const result = phase === "settled" ? colors : `≈ ${colors}, preview`;
    const [left, right] = tags;
    left.hidden = !["split", "side"].includes(mode) || split < 0.08;
    right.hidden = mode === "four" || (mode === "split" && split > 0.92);
    left.textContent = "Original";
    right.textContent = holding || blinked ? "Original" : mode === "difference" ? `Difference × 4, ${result}` : result;
    const names = { original: "The original picture", result: `The picture in ${result}`, difference: "Difference between original and result, times 4" };
    fourKs.forEach((k, i) => (names[`four${i}`] = `The picture in ${colorsText(k)}`));
    for (const [name, text] of Object.entries(names)) canvases[name].setAttribute("aria-label", text);
  }

  function paintLayer(canvas, layer, at, behind) {
    if (canvas.width !== at.w || canvas.height !== at.h) Object.assign(canvas, { width: at.w, height: at.h });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, at.w, at.h);
    if (!layer) return;
    const { overview, detail } = layer;
    if (size.alpha && behind === "checker") {
      context.fillStyle = checker(context);
      context.fillRect(at.x, at.y, size.width * at.scale, size.height * at.scale);
    }
    const seen = visible(at);
    context.imageSmoothingQuality = "medium";
    if (isNear(overview, at) && detail && covers(detail, seen)) {
      const { x, y, w, h } = seen;
      context.imageSmoothingEnabled = at.scale < 1;
      context.drawImage(detail.source, x - detail.x, y - detail.y, w, h, at.x + x * at.scale, at.y + y * at.scale, w * at.scale, h * at.scale);
    } else {
      context.imageSmoothingEnabled = at.scale < 2 || overview.width < size.width;
      context.drawImage(overview, at.x, at.y, size.width * at.scale, size.height * at.scale);
    }
  }

  /** Whether the overview has fewer pixels than could be seen. */
  const isNear = (overview, at) => overview.width < size.width && at.scale > (overview.width / size.width) * 1.01;
  const covers = (detail, { x, y, w, h }) =>
    detail.x <= x && detail.y <= y && detail.x + detail.w >= x + w && detail.y + detail.h >= y + h;

  /** Ask for true pixels once the view rests. */
  function askForDetail(at) {
    const { overview, detail } = layers.original ?? {};
    if (!overview || !isNear(overview, at) || (detail && covers(detail, visible(at)))) return;
    clearTimeout(asking);
    asking = setTimeout(() => size && onDetail(visible(placed())), 120);
  }

  function redraw() {
    frame ||= requestAnimationFrame(paint);
  }

  // ---- pointers, wheel, blinking

  const pointers = new Map();
  const onControl = (event) => event.target.closest(".divider, button, input, label");
  root.addEventListener("pointerdown", (event) => {
    if (onControl(event) || !size) return;
    root.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
  });
  root.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const other = [...pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    if (other) zoomTo((placed().scale * apart(other, event)) / apart(other, before), ...inCell(other));
    else pan(event.clientX - before.clientX, event.clientY - before.clientY);
    pointers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, ({ pointerId }) => pointers.delete(pointerId));
  root.addEventListener("wheel", (event) => {
    if (!size) return;
    event.preventDefault();
    zoomTo(placed().scale * Math.exp(-event.deltaY * 0.002), ...inCell(event));
  }, { passive: false });
  root.addEventListener("dblclick", (event) => {
    if (onControl(event)) return;
    if (store.get().view.fit) zoomTo(1, ...inCell(event));
    else fit();
  });
  const apart = (a, b) => Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));

  /** Where in its cell a pointer is, in device pixels. */
  function inCell({ clientX, clientY }) {
    const box = root.getBoundingClientRect();
    const { w, h } = cellSize();
    return [((clientX - box.left) * ratio()) % w, ((clientY - box.top) * ratio()) % h];
  }

  function blink() {
    const wanted = store.get().view.mode === "blink" && size && !CALM.matches;
    if (wanted === Boolean(blinking)) return;
    clearInterval(blinking);
    blinking = wanted ? setInterval(() => actions.view({ blinked: !store.get().view.blinked }), BLINK_MS) : 0;
  }

  store.subscribe((_, changed) => {
    if (changed.has("view")) blink();
    if (["view", "shown", "phase"].some((key) => changed.has(key))) redraw();
  });
  new ResizeObserver(redraw).observe(root);
  paint();

  return {
    /** Begin with another image; null for none. */
    begin(image) {
      size = image && { width: image.width, height: image.height, alpha: image.has_alpha };
      for (const name of Object.keys(layers)) delete layers[name];
      redraw();
    },
    /** Give a layer its overview, and a part {source, x, y, w, h} in true pixels, null for none. */
    show(name, overview, detail = layers[name]?.detail) {
      layers[name] = { overview, detail };
      redraw();
    },
    showDetail(name, detail) {
      layers[name] = { ...layers[name], detail };
      redraw();
    },
    hold(pressed) {
      if (holding === pressed) return;
      holding = pressed;
      redraw();
    },
    fourKs: () => fourKs,
    zoomStep,
    zoomTo,
    fit,
    pan,
  };
}

/** Squares of 8 device pixels in two grays, as transparency is shown everywhere. */
function checker(context) {
  const tile = make("canvas", { width: 16, height: 16 });
  const paint = tile.getContext("2d");
  for (const [x, y] of [[0, 0], [8, 0], [0, 8], [8, 8]]) {
    paint.fillStyle = x === y ? "#6a6a6a" : "#8c8c8c";
    paint.fillRect(x, y, 8, 8);
  }
  return context.createPattern(tile, "repeat");
}
