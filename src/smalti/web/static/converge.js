/**
 * Convergence: k-means watched at work, half a step at a time.
 *
 * Points and runs come from the server when the panel is opened, not before. A run comes as a whole
 * and is played here. Runs from other seeds stay in a table: where one ends is decided by its start.
 */

import { createCloud, parsePoints } from "./cloud.js";
import { clamp, colorsText, drags, make } from "./dom.js";
import { button, digits, fillTable, mark } from "./marks.js";
import { halfStep, lastOf, nearest, parseTrace, toBytes } from "./trace.js";

const GLIDE = 250; // ms that centroids take to their new place
const PACE = 700; // ms between half-steps when playing, less in a run that would take 20 s
const REST = 300; // ms that k must rest before a run of it is asked for
const [WIDTH, HEIGHT] = [348, 64]; // px of the error curve
const REASONS = {
  converged: "nothing moved any more",
  tol: "no centroid moved further than the tolerance",
  max_iter: "that was the last iteration allowed",
};

const nameOf = ({ init, seed }) => (init === "splitting" ? init : `${init}, seed ${seed}`);
const totalOf = ({ trace }) => trace.frames.length - 1;
const endOf = ({ trace }) => trace.frames.at(-1).distortion;

/** Two lines on what happens in a half-step, with its numbers. */
function captionOf(run, at) {
  const { trace } = run;
  if (!at) {
    const centroids = trace.k === 1 ? "1 centroid" : `${trace.k} centroids`;
    return [`Start: ${centroids} (${nameOf(run)}).`, "Next, every color joins the centroid nearest to it."];
  }
  const { iteration, half, error, shift } = halfStep(trace, at);
  const head = `Iteration ${iteration} of ${totalOf(run)}, ${half}: every`;
  const change = `Error ${at > 1 ? `${digits(halfStep(trace, at - 1).error)} → ` : ""}${digits(error)}`;
  if (half === "assign") return [`${head} color joins its nearest centroid and takes its color.`, `${change}.`];
  const move = `the largest move is ${digits(shift, 3)}.`;
  const end = at === lastOf(trace) ? ` Stopped: ${REASONS[trace.stopReason] ?? trace.stopReason}.` : "";
  return [`${head} centroid moves to the mean of its colors.`, `${change}; ${move}${end}`];
}

/** Draw the error along the run shown over those of the others; returns which half-step is where. */
function drawSpark(svg, runs, run, at) {
  const lists = runs.map(({ trace }) =>
    Array.from({ length: lastOf(trace) }, (_, i) => Math.log(Math.max(1e-9, halfStep(trace, i + 1).error))));
  const [low, high] = [Math.min(...lists.flat()), Math.max(...lists.flat())];
  const across = (WIDTH - 16) / Math.max(1, ...lists.map((list) => list.length - 1));
  const place = (log, i) => [8 + i * across, HEIGHT - 8 - ((log - low) / (high - low || 1)) * (HEIGHT - 28)];
  const curve = (list, i) =>
    mark("polyline", { points: list.map(place).join(" "), class: runs[i] === run ? "" : "faint" });
  const now = Math.max(0, at - 1);
  const [cx, cy] = place(lists[runs.indexOf(run)][now], now);
  svg.replaceChildren(mark("text", { y: 12 }, "error, log scale"), ...lists.map(curve), mark("circle", { cx, cy, r: 5 }));
  return (x) => Math.round(1 + (x * WIDTH - 8) / across);
}

/** Fill `root` with the panel, closed. */
export function mount(root, { store, engine }) {
  let cloud = null;
  let points = null; // {id, space, xyz, colors…}
  let runs = []; // of one image, k and space
  let run = null; // the one shown
  let at = 0; // the half-step shown
  let timer = 0; // of playing; 0 when paused
  let resting = 0;
  let glide = 0;
  let ticket = 0; // of the latest load: answers to earlier ones are too late
  let stepAt;
  const followed = {}; // init and seed of the settings, as last seen

  const status = make("p", { className: "dim", role: "status" });
  const canvas = make("canvas", {
    className: "cloud", tabIndex: 0, role: "application",
    "aria-label": "Colors and centroids in color space. Arrow keys turn it, plus and minus zoom, Home resets.",
  });
  const caption = make("div", { className: "converge-caption num" });
  const spark = mark("svg", { class: "plot spark", "aria-hidden": "true", viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
  const scrub = make("input", { type: "range", min: 0, "aria-label": "Half-step", oninput: () => seek(Number(scrub.value)) });
  const player = button("Play", play);
  const start = {
    init: make("select", { className: "field", onchange: load }),
    seed: make("input", { type: "number", className: "field num", min: 0, onchange: load }),
  };
  const table = make("table", { className: "num", "aria-label": "Other seeds, other ends" });
  const body = make("div", { className: "converge-body", hidden: true },
    make("div", { className: "row" },
      make("label", {}, "Start from", start.init), make("label", {}, "Seed", start.seed),
      button("Another seed", another), button("Reset view", () => cloud.reset())),
    canvas,
    make("div", { className: "row transport", role: "group", "aria-label": "Steps" },
      button("First", () => seek(0)), button("Back", () => step(-1)), player,
      button("Next", () => step(1)), button("Last", () => seek(Infinity))),
    scrub, caption, spark, table,
    make("p", { className: "dim" }, "Textbook k-means; the file’s palette is found by a search that goes on from there."));
  const details = make("details", { className: "converge", ontoggle: load, onkeydown },
    make("summary", {}, "Watch k-means find colors"), status, body);
  root.append(details);

  const spaceOf = ({ settings, options }) => settings.space ?? options.space.default;
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
    const { image, shown } = state;
    pause();
    if (!details.open) return;
    if (!image || !shown?.k) return tell("Open a picture to see how its colors are found.");
    follow(state);
    const mine = ++ticket;
    const [space, subject, init] = [spaceOf(state), subjectOf(state), start.init.value];
    const seed = init === "splitting" ? 0 : Math.max(0, Math.floor(start.seed.value)); // it draws no numbers
    start.seed.value = seed;
    if (!run || points.id !== image.id) tell("measuring…");
    try {
      const found = await pointsOf(image.id, space);
      const known = runs.filter((one) => one.subject === subject);
      const same = known.find((one) => one.init === init && one.seed === seed);
      const trace = same?.trace ?? parseTrace(await engine.trace(image.id, { k: shown.k, space, init, seed }));
      if (mine !== ticket) return;
      if (!trace.frames.length) return tell(`Nothing to iterate: ${colorsText(shown.k)} hold every color of the image.`);
      run = same ?? { subject, init, seed, trace };
      runs = same ? known : [...known, run];
      show(found);
    } catch (error) {
      if (mine === ticket) tell(`${error.message} To try again, close and open this.`);
    }
  }

  function another() {
    if (start.init.value === "splitting") start.init.value = "random";
    const tried = runs.filter(({ init }) => init === start.init.value).map(({ seed }) => seed);
    start.seed.value = Math.max(-1, ...tried) + 1;
    load();
  }

  /** Say why there is no run to see. */
  function tell(text) {
    run = null;
    status.textContent = text;
    body.hidden = true;
  }

  function show(found) {
    status.textContent = "";
    body.hidden = false;
    cloud ??= createCloud(canvas);
    if (found !== points) cloud.setPoints(found, found.space);
    points = found;
    scrub.max = lastOf(run.trace);
    start.seed.disabled = run.init === "splitting";
    const focused = table.contains(document.activeElement);
    fillTable(table, ["Run", "Iterations", "Error"], runs.map((one) =>
      [one === run, button(nameOf(one), () => pick(one), { className: "link" }), totalOf(one), digits(endOf(one))]));
    if (focused) table.querySelector("[aria-current=true] button").focus();
    seek(0);
  }

  function pick({ init, seed }) {
    [start.init.value, start.seed.value] = [init, seed];
    load();
  }

  /** The centroids and their trails; `way` of an update done, 0 to 1. */
  function drawCentroids(way = 1) {
    const steps = run.trace.frames.slice(0, Math.floor(at / 2) + 1).map(({ centroids }) => centroids);
    const [before, goal] = [steps.at(-2) ?? steps[0], steps.at(-1)];
    steps[steps.length - 1] = goal.map((value, i) => before[i] + way * (value - before[i]));
    cloud.setCentroids(steps, toBytes(goal, points.space));
  }

  /** The points in the colors of the centroids that they have gone to, and all words. */
  function draw() {
    const { iteration, half, assigned, shown } = halfStep(run.trace, at);
    const palette = toBytes(shown, points.space);
    const joined = nearest(points.xyz, assigned);
    cloud.paint(points.colors.map((own, i) => (at ? palette[3 * joined[Math.floor(i / 3)] + (i % 3)] : own)));
    caption.setAttribute("aria-live", timer ? "off" : "polite");
    caption.replaceChildren(...captionOf(run, at).map((line) => make("p", {}, line)));
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", at ? `iteration ${iteration} of ${totalOf(run)}, ${half}` : half);
    details.dataset.at = at;
    stepAt = drawSpark(spark, runs, run, at);
  }

  function seek(to, smooth = false) {
    if (!run) return;
    cancelAnimationFrame(glide);
    at = clamp(to, 0, lastOf(run.trace));
    draw();
    if (smooth && at % 2 === 0 && !matchMedia("(prefers-reduced-motion: reduce)").matches) glideFrom(performance.now());
    else drawCentroids();
  }

  function glideFrom(time) {
    const way = clamp((performance.now() - time) / GLIDE, 0, 1);
    drawCentroids(way * way * (3 - 2 * way)); // slow at both ends
    if (way < 1) glide = requestAnimationFrame(() => glideFrom(time));
  }

  function step(by) {
    pause();
    seek(at + by, by > 0);
  }

  function play() {
    if (timer) return pause();
    if (at === lastOf(run.trace)) seek(0);
    player.textContent = "Pause";
    timer = setInterval(() => {
      seek(at + 1, true);
      if (at === lastOf(run.trace)) pause();
    }, Math.min(PACE, 20_000 / lastOf(run.trace)));
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    player.textContent = "Play";
  }

  function onkeydown(event) {
    const act = { p: play, ",": () => step(-1), ".": () => step(1) }[event.key.toLowerCase()];
    const typing = event.target.matches("select, input[type=number]");
    if (!act || typing || !run || !store.get().letterKeys || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  drags(spark, (event) => {
    const { left, width } = spark.getBoundingClientRect();
    pause();
    seek(stepAt((event.clientX - left) / width));
  });
  store.subscribe((state, changed) => {
    if (!details.open || !state.image || !state.shown) return;
    if (run?.subject === subjectOf(state) && !changed.has("settings")) return;
    clearTimeout(resting);
    resting = setTimeout(load, REST);
  });

  return { cloud: () => cloud }; // for tests
}
