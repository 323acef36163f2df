/**
 * Convergence: k-means watched at work, half a step at a time.
 *
 * Points and runs come from the server when the panel is opened, not before. A run comes as a whole
 * and is played here. Runs from other seeds stay in a table: where one ends is decided by its start.
 */

import { createCloud, parsePoints } from "./cloud.js";
import { clamp, colorsText, drags, make } from "./dom.js";
import { button, digits, mark } from "./marks.js";
import { halfStep, lastOf, nearest, parseTrace, toBytes } from "./trace.js";

const GLIDE = 250; // ms that centroids take to their new place
const PACE = 700; // ms between half-steps when playing, less in a run that would take 20 s
const REST = 300; // ms that k must rest before a run of it is asked for
const SPARK = 64; // px, height of the error curve

const REASONS = {
  converged: "nothing moved any more",
  tol: "no centroid moved further than the tolerance",
  max_iter: "that was the last iteration allowed",
};
const ABOUT =
  "Textbook k-means (Lloyd’s algorithm) on all colors; the file’s palette is found by a search that " +
  "goes on from there. Alpha, a fourth axis, is not drawn.";
const PICTURE =
  "Colors of the image and centroids in color space. Arrow keys turn it, plus and minus zoom, Home resets.";

const nameOf = ({ init, seed }) => (init === "splitting" ? init : `${init}, seed ${seed}`);
const totalOf = ({ trace }) => trace.frames.length - 1;
const endOf = ({ trace }) => trace.frames.at(-1).distortion;

/** Two lines on what happens in a half-step, with its numbers. */
function captionOf(run, at) {
  const { trace } = run;
  const { iteration, half, error, shift } = halfStep(trace, at);
  if (!at) {
    const seeds = trace.k === 1 ? "1 centroid" : `${trace.k} centroids`;
    return [`Start: ${seeds} (${nameOf(run)}).`, "Next, every color joins the centroid nearest to it."];
  }
  const head = `Iteration ${iteration} of ${totalOf(run)}, ${half}: every`;
  const before = at > 1 ? `${digits(halfStep(trace, at - 1).error)} → ` : "";
  const change = `Error ${before}${digits(error)}`;
  if (half === "assign") return [`${head} color joins its nearest centroid and takes its color.`, `${change}.`];
  const end = at === lastOf(trace) ? ` Stopped: ${REASONS[trace.stopReason] ?? trace.stopReason}.` : "";
  return [`${head} centroid moves to the mean of its colors.`, `${change}; the largest move is ${digits(shift, 3)}.${end}`];
}

/** Draw the error along the run shown over those of the others; returns which half-step is where. */
function drawSpark(svg, runs, run, at) {
  const width = svg.clientWidth || 320;
  const lists = runs.map(({ trace }) =>
    Array.from({ length: lastOf(trace) }, (_, i) => Math.log(Math.max(1e-9, halfStep(trace, i + 1).error))));
  const [low, high] = [Math.min(...lists.flat()), Math.max(...lists.flat())];
  const across = (width - 16) / Math.max(1, ...lists.map((list) => list.length - 1));
  const place = (log, i) => [8 + i * across, SPARK - 8 - ((log - low) / (high - low || 1)) * (SPARK - 28)];
  const now = Math.max(0, at - 1);
  const [cx, cy] = place(lists[runs.indexOf(run)][now], now);
  svg.setAttribute("viewBox", `0 0 ${width} ${SPARK}`);
  svg.replaceChildren(
    mark("text", { y: 12 }, "error, log scale"),
    ...lists.map((list, i) => mark("polyline", { points: list.map(place).join(" "), class: runs[i] === run ? "" : "faint" })),
    mark("circle", { cx, cy, r: 5 }));
  return (x) => Math.round(1 + (x - 8) / across);
}

/** Fill `root` with the panel, closed. */
export function mount(root, { store, engine }) {
  let cloud = null;
  let points = null; // {id, space, xyz, colors…}
  let runs = []; // of this image, k and space
  let run = null; // the one shown
  let subject = ""; // what `runs` are of
  let at = 0;
  let timer = 0; // of playing; 0 when paused
  let resting = 0;
  let glide = 0;
  let ticket = 0; // of the latest load: answers to earlier ones are too late
  let stepUnder;
  const followed = {}; // init and seed of the settings, as last seen

  const status = make("p", { className: "dim", role: "status" });
  const retry = button("Try again", load, { hidden: true });
  const canvas = make("canvas", {
    className: "cloud", tabIndex: 0, role: "application", "aria-roledescription": "3-D picture", "aria-label": PICTURE,
  });
  const caption = make("div", { className: "converge-caption num" });
  const spark = mark("svg", { class: "plot spark", "aria-hidden": "true", height: SPARK });
  const scrub = make("input", { type: "range", min: 0, "aria-label": "Half-step", oninput: () => seek(Number(scrub.value)) });
  const player = button("Play", play);
  const start = {
    init: make("select", { className: "field", onchange: load }),
    seed: make("input", { type: "number", className: "field num", min: 0, onchange: load }),
  };
  const rows = make("tbody");
  const heads = ["Run", "Iterations", "Error", "vs. best"].map((name) => make("th", { scope: "col" }, name));
  const body = make("div", { className: "converge-body", hidden: true },
    make("div", { className: "row" },
      make("label", {}, "Start from", start.init), make("label", {}, "Seed", start.seed),
      button("Another seed", another), button("Reset view", () => cloud.reset())),
    canvas,
    make("div", { className: "row transport", role: "group", "aria-label": "Steps" },
      button("First", () => seek(0)), button("Back", () => step(-1)), player,
      button("Next", () => step(1)), button("Last", () => seek(Infinity))),
    scrub, caption, spark,
    make("table", { className: "num", "aria-label": "Other seeds, other ends" },
      make("thead", {}, make("tr", {}, ...heads)), rows),
    make("p", { className: "dim" }, ABOUT));
  const details = make("details", { className: "converge", ontoggle: load, onkeydown },
    make("summary", {}, "Watch k-means find colors"), status, retry, body);
  root.append(details);

  // ---- what is asked of the server

  const spaceOf = ({ settings, options }) => settings.space ?? options.space?.default;
  const subjectOf = (state) => [state.image.id, spaceOf(state), state.shown.k].join();

  /** Start as the file does, until another start is chosen here. */
  function follow({ settings, options }) {
    if (!start.init.length) start.init.append(...options.init.choices.map((value) => make("option", { value }, value)));
    for (const [name, field] of Object.entries(start)) {
      const value = String(settings[name] ?? options[name].default);
      if (value !== followed[name]) field.value = followed[name] = value;
    }
  }

  async function pointsOf(id, space) {
    if (points?.id === id && points.space === space) return points;
    return { id, space, ...parsePoints(await engine.points(id, space)) };
  }

  async function load() {
    const state = store.get();
    pause();
    if (!details.open) return;
    if (!state.image || !state.shown?.k) return tell("Open a picture to see how its colors are found.");
    follow(state);
    const mine = ++ticket;
    const { k } = state.shown;
    const [id, space, init] = [state.image.id, spaceOf(state), start.init.value];
    const seed = init === "splitting" ? 0 : Math.max(0, Math.floor(start.seed.value) || 0); // it draws no numbers
    if (points?.id !== id || !run) tell("measuring…");
    try {
      const found = await pointsOf(id, space);
      const known = subject === subjectOf(state) ? runs : [];
      const same = known.find((one) => nameOf(one) === nameOf({ init, seed }));
      const next = same ?? { init, seed, trace: parseTrace(await engine.trace(id, { k, space, init, seed })) };
      if (mine !== ticket) return;
      if (!next.trace.frames.length) return tell(`Nothing to iterate: ${colorsText(k)} hold every color of the image.`);
      subject = subjectOf(state);
      runs = same ? known : [...known, next];
      show(found, next);
    } catch (error) {
      if (mine === ticket) tell(error.message, true);
    }
  }

  function another() {
    if (start.init.value === "splitting") start.init.value = "random";
    const tried = runs.filter(({ init }) => init === start.init.value).map(({ seed }) => seed);
    start.seed.value = Math.max(-1, ...tried) + 1;
    load();
  }

  function tell(text, again = false) {
    run = null;
    status.textContent = text;
    body.hidden = Boolean(text);
    retry.hidden = !again;
  }

  function show(found, next) {
    tell("");
    cloud ??= createCloud(canvas);
    if (found !== points) cloud.setPoints(found, found.space);
    points = found;
    run = next;
    scrub.max = lastOf(run.trace);
    start.seed.disabled = run.init === "splitting";
    const focused = rows.contains(document.activeElement);
    rows.replaceChildren(...runs.map(rowOf));
    if (focused) rows.querySelector("[aria-current=true] button").focus();
    seek(0);
  }

  function rowOf(one) {
    const pick = () => {
      [start.init.value, start.seed.value] = [one.init, one.seed];
      load();
    };
    const above = 100 * (endOf(one) / Math.min(...runs.map(endOf)) - 1);
    const cells = [totalOf(one), digits(endOf(one)), above < 0.005 ? "lowest" : `+${digits(above, 2)} %`];
    return make("tr", { "aria-current": one === run },
      make("th", { scope: "row" }, button(nameOf(one), pick, { className: "link" })),
      ...cells.map((text) => make("td", {}, String(text))));
  }

  // ---- what is shown

  /** The centroids and their trails; `way` of an update done, 0 to 1. */
  function drawCentroids(way = 1) {
    const steps = run.trace.frames.slice(0, halfStep(run.trace, at).shown + 1).map(({ centroids }) => centroids);
    const [before, goal] = [steps.at(-2) ?? steps[0], steps.at(-1)];
    const colors = toBytes(goal, points.space);
    const { highlight, shown } = store.get();
    const pointed = shown?.colors?.subarray(4 * highlight, 4 * highlight + 3) ?? [];
    steps[steps.length - 1] = goal.map((value, i) => before[i] + way * (value - before[i]));
    cloud.setCentroids(steps, colors, highlight != null && nearest(pointed, colors)[0]);
  }

  /** Where the run is: the points in the colors of the centroids that they have gone to, and all words. */
  function draw() {
    const { iteration, half, assigned, shown } = halfStep(run.trace, at);
    const [from, to] = [assigned, shown].map((row) => run.trace.frames[row].centroids);
    const palette = toBytes(to, points.space);
    const joined = at && nearest(points.xyz, from);
    cloud.paint(joined && points.colors.map((_, i) => palette[3 * joined[Math.floor(i / 3)] + (i % 3)]));
    caption.setAttribute("aria-live", timer ? "off" : "polite");
    caption.replaceChildren(...captionOf(run, at).map((line) => make("p", {}, line)));
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", at ? `iteration ${iteration} of ${totalOf(run)}, ${half}` : half);
    details.dataset.at = at;
    stepUnder = drawSpark(spark, runs, run, at);
  }

  // ---- time

  function seek(to, smooth = false) {
    if (!run) return;
    cancelAnimationFrame(glide);
    at = clamp(to, 0, lastOf(run.trace));
    const moves = smooth && at % 2 === 0 && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    drawCentroids(moves ? 0 : 1);
    draw();
    if (moves) glideFrom(performance.now());
  }

  function glideFrom(start) {
    glide = requestAnimationFrame((now) => {
      const way = clamp((now - start) / GLIDE, 0, 1);
      drawCentroids(way * way * (3 - 2 * way)); // slow at both ends
      if (way < 1) glideFrom(start);
    });
  }

  function step(by) {
    pause();
    seek(at + by, by > 0);
  }

  function play() {
    if (timer) return pause();
    if (at >= lastOf(run.trace)) seek(0);
    player.textContent = "Pause";
    timer = setInterval(() => {
      if (at + 1 >= lastOf(run.trace)) pause();
      seek(at + 1, true);
    }, Math.min(PACE, 20_000 / lastOf(run.trace)));
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    player.textContent = "Play";
  }

  function onkeydown(event) {
    const act = { p: play, ",": () => step(-1), ".": () => step(1) }[event.key.toLowerCase()];
    const typing = event.target.closest("select, input[type=number]");
    if (!act || typing || !run || !store.get().letterKeys || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  drags(spark, (event) => {
    pause();
    seek(stepUnder(event.clientX - spark.getBoundingClientRect().left));
  });
  new ResizeObserver(() => run && draw()).observe(spark);
  store.subscribe((state, changed) => {
    if (!details.open) return;
    if (run && changed.has("highlight")) drawCentroids();
    if (!state.image || !state.shown || (run && subject === subjectOf(state) && !changed.has("settings"))) return;
    clearTimeout(resting);
    resting = setTimeout(load, REST);
  });

  return {
    /** Show or hide the panel. */
    open: (shown = true) => (details.open = shown),
    get cloud() {
      return cloud;
    },
  };
}
