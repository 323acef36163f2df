/**
 * The picture: original and result over each other or side by side, with one zoom and position for
 * all of them, so that they cannot slip. A layer has an overview, and where the eye is near
 * enough a detail in true pixels; the stage only paints what it is given.
 *
 * Scale is device pixels per pixel of the image: 1 is 100 %. The view is kept as the image point
 * in the middle, which stays where it is when the window or the mode changes.
 */

import { clamp, drags, make } from "./dom.js";

const MODES = [
  ["split", "Split"],
  ["side", "Side by side"],
  ["blink", "Blink"],
  ["difference", "Difference"],
  ["four", "Four-up"],
];
const GROUNDS = [
  ["checker", "Checkerboard"],
  ["gray", "Gray"],
  ["black", "Black"],
  ["white", "White"],
];
const STOPS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32];
const MOST = 32;
const BLINK_MS = 700;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {{root: HTMLElement, toolbar: HTMLElement, store: object, actions: object,
 *   onDetail: (rect: {x, y, w, h}) => void, onFour: () => void}} parts
 */
export function createStage({ root, toolbar, store, actions, onDetail, onFour }) {
  const layers = new Map(); // name -> {overview, full, detail}
  const cells = new Map(); // layer name -> {element, canvas}
  let size = null; // {width, height, alpha} of the image
  let holding = false;
  let blinkTimer = 0;
  let frame = 0;
  let detailTimer = 0;

  for (const name of ["original", "result", "difference"]) addCell(name);
  const four = make("div", { className: "four", hidden: true });
  root.append(four);
  const fourKs = [2, 8, 25, 100];
  fourKs.forEach(addFourCell);
  const divider = addDivider();
  const tags = ["left", "right"].map((side) => make("div", { className: `tag ${side}` }));
  root.append(...tags);
  const zoomText = addToolbar();

  function addCell(name, parent = root) {
    const canvas = make("canvas", { role: "img" });
    canvas.dataset.layer = name;
    cells.set(name, { element: canvas, canvas });
    parent.append(canvas);
    return canvas;
  }

  function addFourCell(k, index) {
    const cell = make("div", { className: "four-cell" });
    const number = make("input", { className: "field num", type: "number", min: 1, max: 256, value: k });
    const use = make("button", { className: "button" }, "Use");
    number.addEventListener("change", () => {
      fourKs[index] = Math.min(256, Math.max(1, Math.round(Number(number.value)) || k));
      number.value = fourKs[index];
      onFour();
    });
    use.addEventListener("click", () => actions.setK(fourKs[index]));
    use.setAttribute("aria-label", `Use the number of colors of picture ${index + 1}`);
    addCell(`four${index}`, cell);
    cell.append(make("div", { className: "cell-bar" }, make("label", {}, "Colors ", number), use));
    four.append(cell);
  }

  function addDivider() {
    const range = make("input", { type: "range", min: 0, max: 100, value: 50 });
    range.setAttribute("aria-label", "Divider between original and result");
    const handle = make("div", { className: "divider" }, range);
    range.addEventListener("input", () => actions.view({ split: range.value / 100 }));
    drags(handle, (event) => {
      const box = root.getBoundingClientRect();
      actions.view({ split: clamp((event.clientX - box.left) / box.width, 0, 1) });
    });
    root.append(handle);
    return { handle, range };
  }

  function addToolbar() {
    const modes = make("div", { className: "row", role: "group", ariaLabel: "View" });
    for (const [i, [mode, label]] of MODES.entries()) {
      const button = make("button", { className: "button", id: `view-${mode}` }, label);
      button.setAttribute("aria-keyshortcuts", String(i + 1));
      button.addEventListener("click", () => actions.view({ mode }));
      modes.append(button);
    }
    const text = make("output", { className: "zoom num", id: "zoom", ariaLabel: "Zoom" }, "–");
    const button = (label, name, act) => {
      const made = make("button", { className: "button", ariaLabel: name, title: name }, label);
      made.addEventListener("click", act);
      return made;
    };
    const ground = make("select", { className: "field", id: "ground", ariaLabel: "Ground behind transparent pixels" });
    ground.append(...GROUNDS.map(([value, label]) => make("option", { value }, label)));
    ground.addEventListener("change", () => actions.view({ ground: ground.value }));
    const zoom = make("div", { className: "row", role: "group", ariaLabel: "Zoom" });
    zoom.append(
      button("−", "Zoom out", () => zoomStep(-1)),
      text,
      button("+", "Zoom in", () => zoomStep(1)),
      button("Fit", "Fit the picture into the window", fit),
      button("100 %", "Show true pixels", () => zoomTo(1)),
      ground,
    );
    toolbar.append(modes, zoom);
    return text;
  }

  // ---- geometry, in device pixels

  const ratio = () => window.devicePixelRatio || 1;

  /** The size of one cell: half the stage in side by side, a quarter in four-up. */
  function cellSize() {
    const { mode } = store.get().view;
    const wide = root.clientWidth * ratio();
    const high = root.clientHeight * ratio();
    if (mode === "side") return { w: Math.floor(wide / 2), h: high };
    if (mode === "four") return { w: Math.floor(wide / 2), h: Math.floor(high / 2) };
    return { w: wide, h: high };
  }

  /** The scale at which all of the picture is seen; small ones are enlarged by whole numbers. */
  function fitScale() {
    const { w, h } = cellSize();
    const scale = Math.min(w / size.width, h / size.height);
    return scale >= 2 ? Math.min(16, Math.floor(scale)) : Math.min(scale, 1);
  }

  function placed() {
    const { view } = store.get();
    const { w, h } = cellSize();
    const scale = view.fit ? fitScale() : view.scale;
    const cx = view.fit ? size.width / 2 : view.cx;
    const cy = view.fit ? size.height / 2 : view.cy;
    const whole = scale >= 1 ? Math.round : (value) => value;
    return { scale, w, h, x: whole(w / 2 - cx * scale), y: whole(h / 2 - cy * scale) };
  }

  function fit() {
    actions.view({ fit: true });
  }

  /** Zoom such that the image point under (px, py), from the cell's corner, stays there. */
  function zoomTo(scale, px, py) {
    if (!size) return;
    const at = placed();
    const [ox, oy] = [px ?? at.w / 2, py ?? at.h / 2];
    const next = clamp(scale, Math.min(fitScale(), STOPS[0]), MOST);
    const [ix, iy] = [(ox - at.x) / at.scale, (oy - at.y) / at.scale];
    center(ix - (ox - at.w / 2) / next, iy - (oy - at.h / 2) / next, next);
  }

  function center(cx, cy, scale) {
    actions.view({
      fit: false,
      scale,
      cx: clamp(cx, 0, size.width),
      cy: clamp(cy, 0, size.height),
    });
  }

  function zoomStep(direction) {
    if (!size) return;
    const { scale } = placed();
    const stops = direction > 0 ? STOPS.filter((stop) => stop > scale * 1.01) : STOPS.filter((stop) => stop < scale * 0.99);
    zoomTo((direction > 0 ? stops[0] : stops.at(-1)) ?? scale);
  }

  function pan(dx, dy) {
    if (!size) return;
    const { view } = store.get();
    const at = placed();
    const cx = view.fit ? size.width / 2 : view.cx;
    const cy = view.fit ? size.height / 2 : view.cy;
    center(cx - (dx * ratio()) / at.scale, cy - (dy * ratio()) / at.scale, at.scale);
  }

  // ---- painting

  function paint() {
    frame = 0;
    const { view, shown, phase } = store.get();
    root.classList.toggle("loaded", Boolean(size));
    root.dataset.ground = view.ground;
    for (const [mode] of MODES) {
      document.getElementById(`view-${mode}`).setAttribute("aria-pressed", String(mode === view.mode));
    }
    document.getElementById("ground").value = view.ground;
    four.hidden = view.mode !== "four" || !size;
    divider.handle.hidden = view.mode !== "split" || !size;
    for (const tag of tags) tag.hidden = view.mode === "four" || !size;
    for (const { canvas } of cells.values()) canvas.hidden = !size;
    if (!size) return;
    arrange(view);
    label(view, shown, phase);
    const at = placed();
    zoomText.textContent = `${Number((at.scale * 100).toPrecision(3))} %`;
    for (const [name, { canvas }] of cells) {
      if (canvas.hidden || canvas.closest("[hidden]")) continue;
      const shownLayer = holding && name !== "original" ? "original" : name;
      paintLayer(canvas, layers.get(shownLayer), at, view.ground);
    }
    askForDetail(at);
  }

  /** Show the canvases of a mode, where they belong. */
  function arrange(view) {
    const visible = {
      split: ["original", "result"],
      side: ["original", "result"],
      blink: [view.blinked ? "original" : "result"],
      difference: ["difference"],
      four: [],
    }[view.mode];
    for (const name of ["original", "result", "difference"]) {
      const { canvas } = cells.get(name);
      canvas.hidden = !visible.includes(name);
      const side = view.mode === "side";
      canvas.style.width = side ? "50%" : "100%";
      canvas.style.left = side && name === "result" ? "50%" : "0";
      canvas.style.clipPath = view.mode === "split" ? clipOf(name, view.split) : "none";
    }
    divider.handle.style.left = `${view.split * 100}%`;
    divider.range.value = Math.round(view.split * 100);
    divider.range.setAttribute("aria-valuetext", `${Math.round(view.split * 100)} % original`);
  }

  function clipOf(name, split) {
    const percent = `${split * 100}%`;
    return name === "original" ? `inset(0 calc(100% - ${percent}) 0 0)` : `inset(0 0 0 ${percent})`;
  }

  function label(view, shown, phase) {
    const colors = shown ? `${shown.k} color${shown.k === 1 ? "" : "s"}` : "…";
    const result = phase === "settled" ? colors : `≈ ${colors}, preview`;
    const single = view.mode === "blink" || view.mode === "difference";
    tags[0].hidden ||= single || (view.mode === "split" && view.split < 0.08);
    tags[1].hidden ||= view.mode === "split" && view.split > 0.92;
    tags[0].textContent = "Original";
    const seesOriginal = holding || (view.mode === "blink" && view.blinked);
    tags[1].textContent = seesOriginal ? "Original" : view.mode === "difference" ? `Difference × 4, ${result}` : result;
    cells.get("original").canvas.setAttribute("aria-label", "The original picture");
    cells.get("result").canvas.setAttribute("aria-label", `The picture in ${result}`);
    cells.get("difference").canvas.setAttribute("aria-label", "Difference between original and result, times 4");
    fourKs.forEach((k, i) => cells.get(`four${i}`).canvas.setAttribute("aria-label", `The picture in ${k} colors`));
  }

  function paintLayer(canvas, layer, at, ground) {
    const [w, h] = [Math.round(at.w), Math.round(at.h)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, w, h);
    if (!layer?.overview) return;
    const [wide, high] = [size.width * at.scale, size.height * at.scale];
    if (size.alpha && ground === "checker") {
      context.fillStyle = checker(context);
      context.fillRect(at.x, at.y, wide, high);
    }
    const near = at.scale > (layer.overview.width / size.width) * 1.01;
    if (near && layer.full) {
      drawFull(context, layer.full, at);
      return;
    }
    if (near && layer.detail && covers(layer.detail, at)) {
      drawPart(context, layer.detail, at);
      return;
    }
    context.imageSmoothingEnabled = at.scale < 2 || layer.overview.width < size.width;
    context.imageSmoothingQuality = "medium";
    context.drawImage(layer.overview, at.x, at.y, wide, high);
  }

  /** Paint the visible part of a source as large as the image. */
  function drawFull(context, source, at) {
    const { x, y, w, h } = visible(at);
    context.imageSmoothingEnabled = at.scale < 1;
    context.imageSmoothingQuality = "medium";
    context.drawImage(source, x, y, w, h, at.x + x * at.scale, at.y + y * at.scale, w * at.scale, h * at.scale);
  }

  function drawPart(context, { source, x, y, w, h }, at) {
    context.imageSmoothingEnabled = at.scale < 1;
    context.drawImage(source, at.x + x * at.scale, at.y + y * at.scale, w * at.scale, h * at.scale);
  }

  /** The visible rectangle of the image, in whole pixels of it. */
  function visible(at) {
    const x = clamp(Math.floor(-at.x / at.scale), 0, size.width - 1);
    const y = clamp(Math.floor(-at.y / at.scale), 0, size.height - 1);
    const right = clamp(Math.ceil((at.w - at.x) / at.scale), x + 1, size.width);
    const bottom = clamp(Math.ceil((at.h - at.y) / at.scale), y + 1, size.height);
    return { x, y, w: right - x, h: bottom - y };
  }

  function covers(detail, at) {
    const { x, y, w, h } = visible(at);
    return detail.x <= x && detail.y <= y && detail.x + detail.w >= x + w && detail.y + detail.h >= y + h;
  }

  /** Ask for true pixels once the view rests, where the overview has fewer. */
  function askForDetail(at) {
    const { overview, detail } = layers.get("original") ?? {};
    const blurred = overview && overview.width < size.width && at.scale > (overview.width / size.width) * 1.01;
    if (!blurred || (detail && covers(detail, at))) return;
    clearTimeout(detailTimer);
    detailTimer = setTimeout(() => size && onDetail(visible(placed())), 120);
  }

  const redraw = () => {
    frame ||= requestAnimationFrame(paint);
  };

  // ---- pointers and wheel

  function listen() {
    const pointers = new Map();
    root.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".divider, button, input, label") || !size) return;
      root.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
    });
    root.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const others = [...pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
      if (others.length) pinch(others[0], before, event);
      else pan(event.clientX - before.clientX, event.clientY - before.clientY);
      pointers.set(event.pointerId, event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      root.addEventListener(name, (event) => pointers.delete(event.pointerId));
    }
    root.addEventListener(
      "wheel",
      (event) => {
        if (!size) return;
        event.preventDefault();
        zoomTo(placed().scale * Math.exp(-event.deltaY * 0.002), ...inCell(event));
      },
      { passive: false },
    );
    root.addEventListener("dblclick", (event) => {
      if (!size || event.target.closest("button, input, label")) return;
      if (store.get().view.fit) zoomTo(1, ...inCell(event));
      else fit();
    });
    new ResizeObserver(redraw).observe(root);
  }

  function pinch(still, before, now) {
    const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    zoomTo((placed().scale * apart(still, now)) / Math.max(1, apart(still, before)), ...inCell(still));
  }

  /** Where in its cell a pointer is, in device pixels. */
  function inCell(event) {
    const box = root.getBoundingClientRect();
    const { w, h } = cellSize();
    return [((event.clientX - box.left) * ratio()) % w, ((event.clientY - box.top) * ratio()) % h];
  }

  function blink() {
    const { view } = store.get();
    const wanted = view.mode === "blink" && size && !CALM.matches;
    if (wanted && !blinkTimer) {
      blinkTimer = setInterval(() => actions.view({ blinked: !store.get().view.blinked }), BLINK_MS);
    } else if (!wanted && blinkTimer) {
      clearInterval(blinkTimer);
      blinkTimer = 0;
    }
  }

  store.subscribe((state, changed) => {
    if (changed.has("view")) blink();
    if (changed.has("view") || changed.has("shown") || changed.has("phase")) redraw();
  });
  listen();
  paint();

  return {
    /** Begin with another image; `null` for none. */
    begin(image) {
      size = image && { width: image.width, height: image.height, alpha: image.has_alpha };
      layers.clear();
      redraw();
    },
    /** Give a layer its overview, and drop what was known of it more closely. */
    show(name, overview) {
      layers.set(name, { ...layers.get(name), overview, full: null });
      redraw();
    },
    /** Give a layer a part in true pixels: {source, x, y, w, h} in pixels of the image. */
    showDetail(name, detail) {
      layers.set(name, { ...layers.get(name), detail });
      redraw();
    },
    /** Give a layer all of its pixels. */
    showFull(name, full) {
      layers.set(name, { ...layers.get(name), full });
      redraw();
    },
    forgetDetail(name) {
      if (layers.get(name)?.detail) layers.set(name, { ...layers.get(name), detail: null });
    },
    hold(pressed) {
      if (holding === pressed) return;
      holding = pressed;
      redraw();
    },
    fourKs: () => [...fourKs],
    zoomStep,
    zoomTo,
    fit,
    pan,
    blinkOnce: () => actions.view({ blinked: !store.get().view.blinked }),
    placed: () => size && placed(),
  };
}

const checkers = new WeakMap();

/** Squares of 8 device pixels in two grays, as transparency is shown everywhere. */
function checker(context) {
  if (!checkers.has(context)) {
    const tile = make("canvas", { width: 16, height: 16 });
    const paint = tile.getContext("2d");
    paint.fillStyle = "#8c8c8c";
    paint.fillRect(0, 0, 16, 16);
    paint.fillStyle = "#6a6a6a";
    paint.fillRect(0, 0, 8, 8);
    paint.fillRect(8, 8, 8, 8);
    checkers.set(context, context.createPattern(tile, "repeat"));
  }
  return checkers.get(context);
}
