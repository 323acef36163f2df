/**
 * Convergence: k-means watched at work, half a step at a time.
 *
 * Points and runs come from the server when the panel is opened, not before. A run is short and
 * a person slow, so it comes as a whole and is played, stepped and scrubbed here. Runs from other
 * seeds are kept in a table, because where a run ends is decided by where it starts.
 */

import { createCloud, parsePoints } from "./cloud.js";
import { colorsText, make } from "./dom.js";
import { digits, mark, reducedMotion } from "./marks.js";
import { errorAt, halfStep, lastOf, nearest, parseTrace, toBytes, toSpace } from "./trace.js";

export { parsePoints, parseTrace };

const GLIDE = 250; // ms that centroids take to their new place
const PACE = 800; // ms between half-steps at speed 1
const REST = 300; // ms that k must rest before a run of it is asked for
const THUMBNAIL = 36000; // pixels at most: each is compared with all centroids
const SPARK = 64; // px, height of the error curve

const REASONS = {
  converged: "nothing moved any more",
  tol: "no centroid moved further than the tolerance",
  max_iter: "that was the last iteration allowed",
};

const nameOf = ({ init, seed }) => (init === "splitting" ? init : `${init}, seed ${seed}`);
const more = (value, least) => (value > least * 1.00005 ? `+${digits((value / least - 1) * 100, 2)} %` : "lowest");

/** Two lines on what happens in this half-step, with its numbers. */
export function captionOf(run, at) {
  const { trace } = run;
  const { iteration, half } = halfStep(trace, at);
  const total = trace.frames.length - 1;
  const error = (step) => digits(errorAt(trace, step), 4, true);
  if (half === "seeds") {
    const next = total ? "Next, every color joins the centroid nearest to it." : "There is no step after them.";
    return [`Start: ${trace.k === 1 ? "1 centroid" : `${trace.k} centroids`} (${nameOf(run)}), in the colors where they stand.`, next];
  }
  const head = `Iteration ${iteration} of ${total}, ${half}: `;
  if (half === "assign") {
    const change = at === 1 ? `Error ${error(1)}.` : `Error ${error(at - 1)} → ${error(at)}.`;
    return [`${head}every color joins its nearest centroid and takes its color.`, change];
  }
  const shift = digits(trace.frames[iteration].shift, 3);
  const end = iteration === total ? ` Stopped: ${REASONS[trace.stopReason] ?? trace.stopReason}.` : "";
  return [
    `${head}every centroid moves to the mean of its colors.`,
    `Error ${error(at - 1)} → ${error(at)}; the largest move is ${shift}.${end}`,
  ];
}

/** Colors (RGB each) of points that have gone to these centroids. */
function colorsOf(rows, palette) {
  const colors = new Uint8Array(3 * rows.length);
  rows.forEach((row, i) => colors.set(palette.subarray(3 * row, 3 * row + 3), 3 * i));
  return colors;
}

/** Every n-th pixel of the preview: {width, height, rgba}, small enough to color while playing. */
function shrunk({ width, height, pixels }) {
  const every = Math.max(1, Math.ceil(Math.sqrt((width * height) / THUMBNAIL)));
  const [w, h] = [Math.ceil(width / every), Math.ceil(height / every)];
  const from = new Uint32Array(pixels);
  const to = new Uint32Array(w * h).map((_, i) => from[Math.floor(i / w) * every * width + (i % w) * every]);
  return { width: w, height: h, rgba: new Uint8Array(to.buffer) };
}

const between = (one, two, way) => one.map((value, i) => value + way * (two[i] - value));

// ---------------------------------------------------------------- the parts of the panel

/** All elements, by name, arranged in `root`; `on` has what they call. */
function build(root, on) {
  const button = (name, listener, more = {}) =>
    make("button", { className: "button", type: "button", onclick: listener, ...more }, name);
  const parts = {
    status: make("p", { className: "dim", role: "status" }),
    retry: button("Try again", on.load),
    canvas: make("canvas", {
      className: "cloud", tabIndex: 0, role: "application", "aria-roledescription": "3-D picture",
      "aria-label": "Colors of the image and centroids in color space. Arrow keys turn it, plus and minus zoom, Home resets.",
    }),
    flat: make("p", { className: "dim" }, "This browser has no WebGL 2: drawn in 2-D, with the same controls."),
    turning: make("input", { type: "checkbox", onchange: on.turn }),
    caption: make("div", { className: "converge-caption num", "aria-live": "polite" }),
    picture: make("canvas", { className: "converge-picture", role: "img", "aria-label": "The image in the centroids’ colors" }),
    spark: mark("svg", { class: "plot spark", "aria-hidden": "true", focusable: "false", height: SPARK }),
    scrub: make("input", { type: "range", min: 0, step: 1, "aria-label": "Half-step", oninput: on.scrub }),
    play: button("Play", on.play, { className: "button play" }),
    speed: make("select", { className: "field" },
      ...[["½ ×", 0.5], ["1 ×", 1], ["2 ×", 2], ["4 ×", 4], ["8 ×", 8]].map(([name, value]) =>
        make("option", { value, selected: value === 1 }, name))),
    init: make("select", { className: "field", onchange: on.seeding }),
    seed: make("input", { type: "number", className: "field num", min: 0, step: 1, onchange: on.seeding }),
    another: button("Another seed", on.another),
    runs: make("tbody"),
    about: make("p", { className: "dim" }),
  };
  const heads = ["Run", "Iterations", "Error", "Above best"];
  parts.body = make("div", { className: "converge-body" },
    make("div", { className: "row" },
      make("label", { className: "wide" }, "Start from", parts.init),
      make("label", {}, "Seed", parts.seed)),
    parts.canvas, parts.flat,
    make("div", { className: "row transport", role: "group", "aria-label": "Steps" },
      button("First", () => on.seek(0)), button("Back", () => on.step(-1)), parts.play,
      button("Next", () => on.step(1)), button("Last", () => on.seek(Infinity))),
    parts.scrub,
    make("div", { className: "converge-now" }, parts.picture, parts.caption),
    parts.spark,
    make("div", { className: "row spread" },
      make("label", {}, "Speed", parts.speed), make("label", {}, parts.turning, "Turn"),
      button("Reset view", on.reset)),
    make("div", { className: "row spread" },
      make("strong", { id: "converge-runs" }, "Other seeds, other ends"), parts.another),
    make("table", { className: "num converge-runs", "aria-labelledby": "converge-runs" },
      make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))),
      parts.runs),
    parts.about);
  parts.details = make("details", { className: "converge", ontoggle: on.toggle, onkeydown: on.key },
    make("summary", {}, "Watch k-means find colors"), parts.status, parts.retry, parts.body);
  root.append(parts.details);
  return parts;
}

/** The error along the run shown, over those of the other runs, on a log scale. */
function drawSpark(svg, runs, run, at) {
  const width = svg.clientWidth || 320;
  const [top, bottom, left, right] = [20, SPARK - 8, 8, width - 8];
  const errors = (one) => Array.from({ length: lastOf(one.trace) }, (_, i) => errorAt(one.trace, i + 1));
  const all = runs.map((one) => [one, errors(one)]);
  const values = all.flatMap(([, list]) => list).filter((value) => value > 0);
  const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log);
  const steps = Math.max(2, ...all.map(([, list]) => list.length));
  const x = (step) => left + ((step - 1) / (steps - 1)) * (right - left);
  const y = (value) => bottom - ((Math.log(Math.max(value, Math.exp(low))) - low) / (high - low || 1)) * (bottom - top);
  const path = (list) => list.map((value, i) => `${x(i + 1).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const curve = (list, more) => mark("polyline", { points: path(list), fill: "none", stroke: "currentColor", ...more });
  const shown = Math.max(1, at);
  const text = (place, anchor, words) =>
    mark("text", { x: place, y: 12, "text-anchor": anchor, fill: "currentColor", "font-size": 12 }, words);
  svg.setAttribute("viewBox", `0 0 ${width} ${SPARK}`);
  svg.replaceChildren(
    text(0, "start", "error, log scale"),
    text(width, "end", `${digits(errorAt(run.trace, 1), 4, true)} → ${digits(errorAt(run.trace, lastOf(run.trace)), 4, true)}`),
    ...all.filter(([one]) => one !== run).map(([, list]) => curve(list, { "stroke-opacity": 0.35 })),
    curve(errors(run), { "stroke-width": 2 }),
    mark("circle", { cx: x(shown), cy: y(errorAt(run.trace, shown)), r: 5, fill: "currentColor", "data-at": at }),
  );
  return (place) => Math.round(1 + ((place - left) / (right - left)) * (steps - 1));
}

/**
 * Fill `root` with the panel, closed.
 * @param {HTMLElement} root
 */
export function mount(root, { store, engine }) {
  let cloud = null;
  let points = null; // {id, space, parsed, picture}
  let runs = []; // of this image, k and space
  let run = null; // the one shown
  let subject = ""; // what `runs` are of
  let at = 0;
  let timer = 0; // of playing; 0 when paused
  let resting = 0;
  let glide = 0;
  let ticket = 0; // of the latest load: answers to earlier ones are too late
  let stepUnder = () => 1;
  const followed = {}; // init and seed of the settings, as last seen

  const on = {
    load: () => load(),
    toggle: () => (parts.details.open ? load() : pause()),
    key(event) {
      const act = { p: () => on.play(), ",": () => step(-1), ".": () => step(1) }[event.key.toLowerCase()];
      const typing = event.target.closest("select, input[type=number]");
      if (!act || typing || !run || !store.get().letterKeys || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    },
    turn: () => cloud?.setTurning(parts.turning.checked),
    reset: () => cloud?.reset(),
    scrub: () => seek(Number(parts.scrub.value)),
    play: () => (timer ? pause() : play()),
    seek: (to) => seek(to),
    step: (by) => step(by),
    seeding: () => load(),
    another() {
      if (parts.init.value === "splitting") parts.init.value = "random"; // splitting draws no numbers
      const tried = runs.filter(({ init }) => init === parts.init.value).map(({ seed }) => seed);
      parts.seed.value = Math.max(-1, ...tried) + 1;
      load();
    },
  };
  const parts = build(root, on);
  parts.body.hidden = parts.retry.hidden = parts.flat.hidden = true;

  // ---- what is asked of the server

  const spaceOf = (state) => state.settings.space ?? state.options.space?.default;
  const subjectOf = (state) => [state.image.id, spaceOf(state), state.shown.k].join();

  async function prepare(state) {
    follow(state);
    const [id, space] = [state.image.id, spaceOf(state)];
    if (points?.id === id && points.space === space) return points;
    const [cells, preview] = await Promise.all([engine.points(id, space), engine.pixels(id)]);
    const picture = shrunk(preview);
    return { id, space, parsed: parsePoints(cells), picture, places: toSpace(picture.rgba, space) };
  }

  /** Start as the file does, until another start is chosen here. */
  function follow({ settings, options }) {
    if (!parts.init.length) {
      parts.init.append(...options.init.choices.map((value) => make("option", { value }, value)));
    }
    for (const name of ["init", "seed"]) {
      const value = String(settings[name] ?? options[name].default);
      if (value !== followed[name]) parts[name].value = followed[name] = value;
    }
  }

  async function load() {
    const state = store.get();
    if (!parts.details.open) return;
    pause();
    if (!state.image || !state.shown?.k) return tell("Open a picture to see how its colors are found.");
    const mine = ++ticket;
    if (points?.id !== state.image.id || !run) tell("measuring…");
    try {
      const cells = await prepare(state);
      const { k } = state.shown;
      const asked = { k, space: cells.space, init: parts.init.value, seed: seedOf() };
      if (subject !== subjectOf(state)) runs = [];
      const known = runs.find((one) => nameOf(one) === nameOf(asked));
      const trace = known ? known.trace : parseTrace(await engine.trace(cells.id, asked));
      if (mine !== ticket) return;
      subject = subjectOf(state);
      if (trace.frames.length) show(cells, known ?? { ...asked, trace });
      else tell(`Nothing to iterate: ${colorsText(k)} hold every color of the image.`);
    } catch (error) {
      if (mine === ticket) tell(error.message, true);
    }
  }

  const seedOf = () => (parts.init.value === "splitting" ? 0 : Math.max(0, Math.floor(Number(parts.seed.value)) || 0));

  function tell(text, again = false) {
    run = null;
    parts.status.textContent = text;
    parts.status.hidden = !text;
    parts.retry.hidden = !again;
    parts.body.hidden = Boolean(text);
  }

  function show(cells, next) {
    tell("");
    cloud ??= createCloud(parts.canvas, { onKind: (kind) => (parts.flat.hidden = kind === "webgl2") });
    parts.flat.hidden = cloud.kind() === "webgl2";
    parts.turning.disabled = reducedMotion();
    if (cells !== points) cloud.setPoints(cells.parsed, cells.space);
    points = cells;
    if (!runs.includes(next)) runs = [...runs, next];
    run = next;
    parts.scrub.max = lastOf(run.trace);
    const fixed = run.init === "splitting";
    parts.seed.disabled = fixed;
    parts.about.textContent = aboutOf(store.get(), run, cells, fixed);
    drawRuns();
    seek(0);
  }

  // ---- what is shown

  function aboutOf({ image }, { k }, { parsed }, fixed) {
    const notes = [
      "This is textbook k-means (Lloyd’s algorithm) on all colors of the image; the file’s palette comes from a search that goes on from there.",
      `Drawn: ${colorsText(parsed.count)}, larger where more pixels have the color. Drag or arrow keys turn the cloud; click it, and the wheel zooms.`,
    ];
    if (fixed) notes.push("Splitting draws no random numbers: it has one run.");
    if (k > 32) notes.push("With 32 colors or fewer there is more to see.");
    if (image?.has_alpha) notes.push("Alpha is a fourth axis, which is not drawn.");
    return notes.join(" ");
  }

  /** The centroids; `way` of an update done, 0 to 1. */
  function drawCentroids(way = 1) {
    const { trace } = run;
    const { shown } = halfStep(trace, at);
    const goal = trace.frames[shown].centroids;
    const places = way < 1 ? between(trace.frames[shown - 1].centroids, goal, way) : goal;
    const before = trace.frames.slice(0, shown).map(({ centroids }) => centroids);
    cloud.setCentroids(places, toBytes(goal, points.space), { before, marked: markedIn(places) });
  }

  /** The points and the picture, in the colors of the centroids that they have gone to. */
  function paint() {
    const { half, assigned, shown } = halfStep(run.trace, at);
    const [from, to] = [assigned, shown].map((row) => run.trace.frames[row].centroids);
    const palette = toBytes(to, points.space);
    const { picture, places, parsed } = points;
    const seen = new Uint8ClampedArray(picture.rgba);
    if (half === "seeds") cloud.paint(null);
    else {
      cloud.paint(colorsOf(nearest(parsed.xyz, from), palette));
      nearest(places, from).forEach((row, i) => seen.set(palette.subarray(3 * row, 3 * row + 3), 4 * i));
    }
    [parts.picture.width, parts.picture.height] = [picture.width, picture.height];
    parts.picture.getContext("2d").putImageData(new ImageData(seen, picture.width, picture.height), 0, 0);
  }

  /** The centroid nearest to the palette entry under the pointer, or -1. */
  function markedIn(places) {
    const { highlight, shown } = store.get();
    if (highlight == null || !shown?.colors) return -1;
    const color = shown.colors.slice(4 * highlight, 4 * highlight + 4);
    return color.length ? nearest(toSpace(color, points.space), places)[0] : -1;
  }

  function drawText() {
    const [what, numbers] = captionOf(run, at);
    const { iteration, half } = halfStep(run.trace, at);
    parts.caption.setAttribute("aria-live", timer || document.activeElement === parts.scrub ? "off" : "polite");
    parts.caption.replaceChildren(make("p", {}, what), make("p", {}, numbers));
    parts.scrub.value = at;
    const total = run.trace.frames.length - 1;
    parts.scrub.setAttribute("aria-valuetext", at ? `iteration ${iteration} of ${total}, ${half}` : "the seeds");
    parts.details.dataset.at = at;
    stepUnder = drawSpark(parts.spark, runs, run, at);
  }

  function drawRuns() {
    const ends = runs.map(({ trace }) => trace.frames.at(-1).distortion);
    const least = Math.min(...ends);
    const focused = parts.runs.contains(document.activeElement);
    parts.runs.replaceChildren(...runs.map((one, i) => {
      const pick = () => {
        parts.init.value = one.init;
        parts.seed.value = one.seed;
        load();
      };
      return make("tr", { "aria-current": one === run },
        make("th", { scope: "row" },
          make("button", { className: "link", type: "button", onclick: pick }, nameOf(one)), one === run ? " shown" : ""),
        make("td", {}, String(one.trace.frames.length - 1)),
        make("td", {}, digits(ends[i], 4, true)),
        make("td", {}, more(ends[i], least)));
    }));
    if (focused) parts.runs.querySelector("[aria-current=true] button").focus();
  }

  // ---- time

  function seek(to, { smooth = false } = {}) {
    if (!run) return;
    cancelAnimationFrame(glide);
    at = Math.min(lastOf(run.trace), Math.max(0, to));
    const moves = smooth && halfStep(run.trace, at).half === "update" && !reducedMotion();
    drawCentroids(moves ? 0 : 1);
    paint();
    drawText();
    if (moves) glideFrom(performance.now());
  }

  function glideFrom(start) {
    glide = requestAnimationFrame((now) => {
      const way = Math.min(1, Math.max(0, (now - start) / GLIDE));
      drawCentroids(way * way * (3 - 2 * way)); // slow at both ends
      if (way < 1) glideFrom(start);
    });
  }

  function step(by) {
    pause();
    seek(at + by, { smooth: by > 0 });
  }

  function play() {
    if (!run) return;
    if (at >= lastOf(run.trace)) seek(0);
    tick();
    parts.play.textContent = "Pause";
  }

  function tick() {
    timer = setTimeout(() => {
      seek(at + 1, { smooth: true });
      if (at < lastOf(run.trace)) tick();
      else pause();
    }, PACE / Number(parts.speed.value));
  }

  function pause() {
    clearTimeout(timer);
    timer = 0;
    parts.play.textContent = "Play";
  }

  const point = (event) => {
    if (!run || (event.type === "pointermove" && !(event.buttons & 1))) return;
    pause();
    const { left } = parts.spark.getBoundingClientRect();
    seek(stepUnder(event.clientX - left));
  };
  parts.spark.addEventListener("pointerdown", point);
  parts.spark.addEventListener("pointermove", point);
  new ResizeObserver(() => run && drawText()).observe(parts.spark);
  store.subscribe((state, changed) => {
    if (!parts.details.open) return;
    if (run && changed.has("highlight")) drawCentroids();
    if (!state.image || !state.shown || (run && subject === subjectOf(state) && !changed.has("settings"))) return;
    clearTimeout(resting);
    resting = setTimeout(load, REST);
  });

  return {
    /** Show or hide the panel. */
    open: (shown = true) => (parts.details.open = shown),
    get cloud() {
      return cloud;
    },
  };
}
