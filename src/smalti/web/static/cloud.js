/**
 * The color cloud: the image's colors as points in the space where k-means works, with centroids.
 *
 * One visible canvas. The points, thousands of them, are drawn by WebGL 2 off screen and copied
 * in; frame, trails and centroids are drawn over them in 2-D. Without WebGL 2, or while its context
 * is lost, the same points are drawn in 2-D, slower. Both draw from back to front, so both show
 * the same picture. Nothing is drawn unless something changed and the canvas is in view.
 */

import { reducedMotion } from "./marks.js";

const AWAY = 5; // of the eye, in half heights of the cloud: a mild perspective
const REST = { yaw: 0.6, pitch: 0.3, zoom: 1 };
const TURN = 0.2; // radians per second, when asked to turn by itself

/**
 * Read what `/points` sends.
 * @param {ArrayBuffer} buffer u32 n; f32 xyz × n; u8 rgba × n; f32 share × n
 */
export function parsePoints(buffer) {
  const count = buffer.byteLength < 4 ? -1 : new Uint32Array(buffer, 0, 1)[0];
  if (buffer.byteLength !== 4 + 20 * count) throw new Error("The points came incomplete.");
  return {
    count,
    xyz: new Float32Array(buffer, 4, 3 * count),
    rgba: new Uint8Array(buffer, 4 + 12 * count, 4 * count),
    shares: new Float32Array(buffer, 4 + 16 * count, count),
  };
}

/**
 * How a space is drawn: its middle, half a height of it per axis, which axis goes right, up and
 * deep, the edges of its frame and the names at their ends. Most images use little of Oklab's a and
 * b; these are then drawn longer than L, and the names say so.
 */
function frameOf(space, xyz) {
  if (space === "srgb") {
    const lines = [];
    for (const one of [0, 255]) {
      for (const two of [0, 255]) {
        lines.push([0, one, two, 255, one, two], [one, 0, two, one, 255, two], [one, two, 0, one, two, 255]);
      }
    }
    const names = [["R", 278, 0, 0], ["G", 0, 278, 0], ["B", 0, 0, 278]];
    return { middle: [127.5, 127.5, 127.5], half: [127.5, 127.5, 127.5], axes: [0, 1, 2], reach: 1.75, lines, names };
  }
  const [a, b] = [1, 2].map((axis) => spanOf(xyz, axis));
  const longer = Math.min(4, Math.max(1, Math.floor(0.9 / Math.max(a.high - a.low, b.high - b.low))));
  const lines = [[0, 0, 0, 1, 0, 0], [0, a.low, 0, 0, a.high, 0], [0, 0, b.low, 0, 0, b.high]];
  for (const end of ["low", "high"]) {
    lines.push([0, a[end], b.low, 0, a[end], b.high], [0, a.low, b[end], 0, a.high, b[end]]);
  }
  const name = (axis) => (longer > 1 ? `${axis} ×${longer}` : axis);
  const away = 0.07 / longer;
  const names = [["L", 1.06, 0, 0], [name("a"), 0, a.high + away, 0], [name("b"), 0, 0, b.high + away]];
  const middle = [0.5, (a.low + a.high) / 2, (b.low + b.high) / 2];
  const half = [0.5, 0.5 / longer, 0.5 / longer];
  return { middle, half, axes: [1, 0, 2], reach: 1.5, lines, names };
}

/** From where to where the points of an axis are, 0 included, in steps of a twentieth. */
function spanOf(xyz, axis) {
  let [low, high] = [-0.02, 0.02];
  for (let i = axis; i < xyz.length; i += 3) {
    low = Math.min(low, xyz[i]);
    high = Math.max(high, xyz[i]);
  }
  return { low: Math.floor(low * 20) / 20, high: Math.ceil(high * 20) / 20 };
}

/** Coordinates of a space as places in the picture's: x right, y up, z to the eye. */
function placed(xyz, { middle, half, axes }) {
  return Float32Array.from(xyz, (_, i) => {
    const axis = axes[i % 3];
    const place = (xyz[i - (i % 3) + axis] - middle[axis]) / half[axis];
    return i % 3 === 2 ? -place : place;
  });
}

/** Turn and project places: px right and down, depth (larger is nearer), and size factor. */
function projector({ yaw, pitch, zoom }, width, height, reach) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const scale = (Math.min(width, height) / 2 / reach) * zoom;
  return {
    turn: [cy, sy, cp, sp],
    scale,
    project(x, y, z) {
      const across = cy * x + sy * z;
      const deep = cy * z - sy * x;
      const up = cp * y - sp * deep;
      const near = sp * y + cp * deep;
      const size = AWAY / (AWAY - near);
      return [width / 2 + across * size * scale, height / 2 - up * size * scale, near, size];
    },
  };
}

/** Rows of `places` from back to front. */
function backToFront(places, [cy, sy, cp, sp]) {
  const count = places.length / 3;
  const near = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const deep = cy * places[3 * i + 2] - sy * places[3 * i];
    near[i] = sp * places[3 * i + 1] + cp * deep;
  }
  return Uint32Array.from(near.keys()).sort((one, two) => near[one] - near[two]);
}

// ---------------------------------------------------------------- the points, twice

const VERTEX = `#version 300 es
in vec3 place; in vec3 color; in float radius;
uniform vec4 turn; uniform vec2 scale; uniform float ratio;
out vec3 ink; out float size;
void main() {
  float across = turn.x * place.x + turn.y * place.z, deep = turn.x * place.z - turn.y * place.x;
  float up = turn.z * place.y - turn.w * deep, near = turn.w * place.y + turn.z * deep;
  float grow = ${AWAY.toFixed(1)} / (${AWAY.toFixed(1)} - near);
  gl_Position = vec4(vec2(across, up) * grow * scale, 0.0, 1.0);
  size = 2.0 * radius * grow * ratio + 1.0; // one pixel more, for a smooth edge
  gl_PointSize = size;
  ink = color;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 ink; in float size; out vec4 pixel;
void main() {
  float cover = clamp((0.5 - length(gl_PointCoord - 0.5)) * size, 0.0, 1.0);
  pixel = vec4(ink * cover, cover);
}`;

/** Points by WebGL 2 on a canvas off screen; null where there is none. */
function glLayer(changed) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", { antialias: false, depth: false });
  if (!gl) return null;
  let program, spots;
  let alive = false;

  function shader(type, source) {
    const made = gl.createShader(type);
    gl.shaderSource(made, source);
    gl.compileShader(made);
    gl.attachShader(program, made);
  }
  function start() {
    program = gl.createProgram();
    shader(gl.VERTEX_SHADER, VERTEX);
    shader(gl.FRAGMENT_SHADER, FRAGMENT);
    gl.linkProgram(program);
    alive = gl.getProgramParameter(program, gl.LINK_STATUS);
    if (!alive) return;
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    spots = Object.fromEntries(["place", "color", "radius"].map((name) => [name, gl.createBuffer()]));
  }
  function attribute(name, data, size, type, normalized) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, spots[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalized, 0, 0);
  }
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault(); // without this it is never given back
    alive = false;
    changed();
  });
  canvas.addEventListener("webglcontextrestored", () => {
    start();
    changed();
  });
  start();

  return {
    get alive() {
      return alive;
    },
    draw(context, { places, colors, radii, order }, view, width, height, ratio) {
      canvas.width = context.canvas.width;
      canvas.height = context.canvas.height;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.uniform4f(gl.getUniformLocation(program, "turn"), ...view.turn);
      const scale = [(2 * view.scale) / width, (2 * view.scale) / height];
      gl.uniform2f(gl.getUniformLocation(program, "scale"), ...scale);
      gl.uniform1f(gl.getUniformLocation(program, "ratio"), ratio);
      attribute("place", places, 3, gl.FLOAT, false);
      attribute("color", colors, 3, gl.UNSIGNED_BYTE, true);
      attribute("radius", radii, 1, gl.FLOAT, false);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.drawElements(gl.POINTS, order.length, gl.UNSIGNED_INT, 0);
      context.drawImage(canvas, 0, 0, width, height);
    },
    end: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}

/** The same points without WebGL. */
function drawFlat(context, { places, colors, radii, order }, view) {
  for (const i of order) {
    const [x, y, , size] = view.project(places[3 * i], places[3 * i + 1], places[3 * i + 2]);
    context.fillStyle = `rgb(${colors[3 * i]} ${colors[3 * i + 1]} ${colors[3 * i + 2]})`;
    context.beginPath();
    context.arc(x, y, radii[i] * size, 0, 2 * Math.PI);
    context.fill();
  }
}

// ---------------------------------------------------------------- what is drawn around them

function drawFrame(context, frame, view) {
  context.lineWidth = 1;
  context.strokeStyle = "rgb(0 0 0 / 45%)";
  context.beginPath();
  for (const ends of frame.lines) {
    const places = placed(ends, frame);
    context.moveTo(...view.project(...places.subarray(0, 3)));
    context.lineTo(...view.project(...places.subarray(3)));
  }
  context.stroke();
  context.fillStyle = "#000";
  context.font = "13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [name, ...at] of frame.names) {
    context.fillText(name, ...view.project(...placed(at, frame)).slice(0, 2));
  }
}

function drawTrails(context, trails, view) {
  if (trails.length < 2) return;
  context.beginPath();
  for (let i = 0; i < trails[0].length; i += 3) {
    trails.forEach((places, step) => {
      const [x, y] = view.project(places[i], places[i + 1], places[i + 2]);
      if (step) context.lineTo(x, y);
      else context.moveTo(x, y);
    });
  }
  for (const [width, color] of [[3, "rgb(0 0 0 / 55%)"], [1.25, "#fff"]]) {
    context.lineWidth = width;
    context.lineJoin = "round";
    context.strokeStyle = color;
    context.stroke();
  }
}

function drawCentroids(context, { places, colors, marked }, view, shrink) {
  const count = places.length / 3;
  const radius = Math.max(2.5, 9.5 - 0.9 * Math.log2(count || 1)) * shrink;
  const ring = count > 32 ? 1 : 1.5;
  for (const i of backToFront(places, view.turn)) {
    const [x, y, , size] = view.project(places[3 * i], places[3 * i + 1], places[3 * i + 2]);
    const r = radius * size * (i === marked ? 1.6 : 1);
    for (const [more, color] of [
      [2 * ring, "#000"],
      [ring, "#fff"],
      [0, `rgb(${colors[3 * i]} ${colors[3 * i + 1]} ${colors[3 * i + 2]})`],
    ]) {
      context.fillStyle = color;
      context.beginPath();
      context.arc(x, y, r + more, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** Radius of each point in px: its area grows with its share of the image, within limits. */
function radiiOf(shares, shrink) {
  return Float32Array.from(shares, (share) => Math.min(9, 1.3 + 50 * Math.sqrt(share)) * shrink);
}

/**
 * Make a cloud on a canvas, which must have a size by its style.
 * @param {HTMLCanvasElement} canvas
 * @param {{onKind?: (kind: "webgl2"|"2d") => void}} [options] told when WebGL 2 comes or goes
 */
export function createCloud(canvas, { onKind = () => {} } = {}) {
  const context = canvas.getContext("2d");
  const layer = glLayer(() => {
    onKind(kind());
    soon();
  });
  const kind = () => (layer?.alive ? "webgl2" : "2d");
  const view = { ...REST };
  let points = { places: [], colors: new Uint8Array(), shares: [] };
  let centroids = { places: [], colors: [], marked: -1 };
  let trails = [];
  let frame = frameOf("oklab", []);
  let inView = true;
  let queued = 0;
  let turning = false;
  let last = 0;

  function draw(now) {
    queued = 0;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!inView || !width || !height) return;
    if (turning) view.yaw += TURN * Math.min(0.1, (now - last) / 1000);
    last = now;
    const ratio = Math.min(3, devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio); // also wipes it
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const shrink = Math.min(1.3, Math.max(0.75, Math.min(width, height) / 320));
    const seen = projector(view, width, height, frame.reach);
    drawFrame(context, frame, seen);
    const drawn = { ...points, order: backToFront(points.places, seen.turn), radii: radiiOf(points.shares, shrink) };
    if (layer?.alive && drawn.order.length) layer.draw(context, drawn, seen, width, height, ratio);
    else drawFlat(context, drawn, seen);
    drawTrails(context, trails, seen);
    drawCentroids(context, centroids, seen, shrink);
    canvas.dataset.drawn = Number(canvas.dataset.drawn ?? 0) + 1; // for those who wait for a picture
    if (turning) soon();
  }
  function soon() {
    if (!queued && inView) queued = requestAnimationFrame(draw);
  }
  function move({ yaw = 0, pitch = 0, zoom = 1 }) {
    view.yaw += yaw;
    view.pitch = Math.min(1.5, Math.max(-1.5, view.pitch + pitch));
    view.zoom = Math.min(12, Math.max(0.5, view.zoom * zoom));
    soon();
  }
  function reset() {
    Object.assign(view, REST);
    soon();
  }
  const stop = listen(canvas, move, reset);
  const sight = new IntersectionObserver((entries) => {
    inView = entries.at(-1).isIntersecting;
    soon();
  });
  const sized = new ResizeObserver(soon);
  sight.observe(canvas);
  sized.observe(canvas);

  return {
    kind,
    reset,
    get view() {
      return { ...view };
    },
    /** @param {{xyz: Float32Array, rgba: Uint8Array, shares: Float32Array}} parsed */
    setPoints({ xyz, rgba, shares }, space) {
      frame = frameOf(space, xyz);
      const colors = rgba.filter((_, i) => i % 4 < 3);
      points = { places: placed(xyz, frame), colors, own: colors, shares };
      soon();
    },
    /** Give the points other colors (RGB each), or their own again (null). */
    paint(colors) {
      points.colors = colors ?? points.own;
      soon();
    },
    /** Centroids with their colors (RGB each), and where they were before, oldest first. */
    setCentroids(xyz, colors, { before = [], marked = -1 } = {}) {
      centroids = { places: placed(xyz, frame), colors, marked };
      trails = [...before, xyz].map((step) => placed(step, frame));
      soon();
    },
    /** Turn slowly, if asked to and the system does not ask for less motion. */
    setTurning(on) {
      turning = on && !reducedMotion();
      last = performance.now();
      soon();
    },
    end() {
      stop();
      sight.disconnect();
      sized.disconnect();
      cancelAnimationFrame(queued);
      layer?.end();
    },
  };
}

/** Drag, wheel, pinch and keys; returns what ends them. */
function listen(canvas, move, reset) {
  const held = new Map();
  const ends = new AbortController();
  const on = (name, listener) =>
    canvas.addEventListener(name, listener, { signal: ends.signal, passive: false });
  const gap = () => {
    const [one, two] = [...held.values()];
    return Math.hypot(one.x - two.x, one.y - two.y) || 1;
  };

  on("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  on("pointermove", (event) => {
    const from = held.get(event.pointerId);
    if (!from) return;
    const before = held.size === 2 ? gap() : 0;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) move({ zoom: gap() / before });
    else move({ yaw: dx * 0.01, pitch: dy * 0.01 });
  });
  for (const name of ["pointerup", "pointercancel"]) on(name, (event) => held.delete(event.pointerId));
  on("wheel", (event) => {
    // A wheel that only passes over scrolls the page; ctrl is how browsers tell of a pinch.
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    move({ zoom: 1.0015 ** -event.deltaY });
  });
  const steps = {
    ArrowLeft: { yaw: -0.1 }, ArrowRight: { yaw: 0.1 }, ArrowUp: { pitch: -0.1 }, ArrowDown: { pitch: 0.1 },
    "+": { zoom: 1.15 }, "=": { zoom: 1.15 }, "-": { zoom: 1 / 1.15 },
  };
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Home") reset();
    else if (steps[event.key]) move(steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page has its own use for these keys
  });
  return () => ends.abort();
}
