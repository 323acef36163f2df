/**
 * The color cloud: the image's colors as points in the space where k-means works, with centroids.
 *
 * All of it is on a 2-D canvas: some thousand points are few enough to be painted pixel by pixel,
 * from back to front, in a few milliseconds. So there is no WebGL whose absence would matter.
 */

import { clamp, drags } from "./dom.js";
import { digits, nextFrame } from "./marks.js";

const AWAY = 5; // of the eye, in half sides of the frame: a mild perspective
const REACH = 1.75; // half the canvas, in the same: the frame fits however it is turned
const REST = { yaw: -0.6, pitch: 0.3, zoom: 1 };
const CORNERS = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((row) => [1, 2, 4].map((bit) => (row & bit ? 1 : -1)));
const NAMES = [1.25, -1, -1, -1, 1.15, -1, -1, -1, 1.25]; // where the axes have their names
const MOVES = {
  ArrowLeft: { yaw: -0.1 }, ArrowRight: { yaw: 0.1 }, ArrowUp: { pitch: -0.1 }, ArrowDown: { pitch: 0.1 },
  "+": { zoom: 1.15 }, "=": { zoom: 1.15 }, "-": { zoom: 1 / 1.15 }, Home: null,
};

/** Read what `/points` sends: u32 n; f32 xyz × n; u8 rgba × n; f32 share × n. */
export function parsePoints(buffer) {
  const count = buffer.byteLength < 4 ? -1 : new Uint32Array(buffer, 0, 1)[0];
  if (buffer.byteLength !== 4 + 20 * count) throw new Error("The points came incomplete.");
  return {
    count,
    xyz: new Float32Array(buffer, 4, 3 * count),
    colors: new Uint8Array(buffer, 4 + 12 * count, 4 * count).filter((_, i) => i % 4 < 3),
    shares: new Float32Array(buffer, 4 + 16 * count, count),
  };
}

/** What goes right, up and to the eye in a cube from -1 to 1: axis of the space, middle, half, name. */
function frameOf(space, xyz) {
  if (space === "srgb") return ["R", "G", "B"].map((name, axis) => [axis, 127.5, 127.5, name]);
  const [a, b] = [1, 2].map((axis) => {
    const values = xyz.filter((_, i) => i % 3 === axis);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return { middle: (low + high) / 2, half: (high - low) / 2 };
  });
  // Most images use little of a and b, which are drawn longer than L then; their names say so.
  const half = Math.max(0.05, a.half, b.half);
  const longer = digits(0.5 / half, 2);
  return [[1, a.middle, half, `a ×${longer}`], [0, 0.5, 0.5, "L"], [2, b.middle, half, `b ×${longer}`]];
}

/** Coordinates of a space as places in the cube. */
const placed = (xyz, frame) =>
  Float32Array.from(xyz, (_, i) => {
    const [axis, middle, half] = frame[i % 3];
    return (xyz[i - (i % 3) + axis] - middle) / half;
  });

/** Where places are on a canvas: px right and down, how near, and the px that a px of 320 is there. */
function project(places, { yaw, pitch, zoom }, { width, height }) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const side = Math.min(width, height);
  return Array.from({ length: places.length / 3 }, (_, row) => {
    const [x, y, z] = [places[3 * row], places[3 * row + 1], places[3 * row + 2]];
    const deep = cy * z - sy * x;
    const near = sp * y + cp * deep;
    const grow = AWAY / (AWAY - near);
    const scale = (grow * zoom * side) / 2 / REACH;
    const [right, up] = [cy * x + sy * z, cp * y - sp * deep];
    return { row, x: width / 2 + right * scale, y: height / 2 - up * scale, near, size: (grow * side) / 320 };
  });
}

const backToFront = (spots) => spots.sort((one, two) => one.near - two.near);

/** Paint discs with smooth edges. */
function splat(context, spots, { colors, radii }) {
  const { width, height } = context.canvas;
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  for (const { row, x, y, size } of spots) {
    const reach = radii[row] * size + 0.5;
    const [right, bottom] = [Math.min(width, x + reach), Math.min(height, y + reach)];
    for (let down = Math.max(0, Math.floor(y - reach)); down < bottom; down++) {
      for (let across = Math.max(0, Math.floor(x - reach)); across < right; across++) {
        const cover = Math.min(1, reach - Math.sqrt((across + 0.5 - x) ** 2 + (down + 0.5 - y) ** 2));
        if (cover <= 0) continue;
        const at = 4 * (down * width + across);
        for (let c = 0; c < 3; c++) data[at + c] += cover * (colors[3 * row + c] - data[at + c]);
      }
    }
  }
  context.putImageData(image, 0, 0);
}

function stroke(context, ...strokes) {
  for (const [width, color] of strokes) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke();
  }
}

function traceLines(context, lines) {
  context.beginPath();
  for (const spots of lines) spots.forEach(({ x, y }, i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
}

/** Make a cloud on a canvas, which must have a size by its style. */
export function createCloud(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const seen = (places) => project(places, view, canvas);
  let view = REST;
  let frame;
  let points;
  let centroids = { trails: [[]] };

  const soon = nextFrame(() => {
    const ratio = Math.min(2, devicePixelRatio);
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    if (!frame || !canvas.width) return;
    drawFrame(ratio);
    splat(context, backToFront(seen(points.places)), points);
    drawCentroids(ratio);
    canvas.dataset.drawn = 1 + Number(canvas.dataset.drawn ?? 0); // for tests
  });

  function drawFrame(ratio) {
    context.fillStyle = "#777"; // as on the stage: colors are judged on neutral gray
    context.fillRect(0, 0, canvas.width, canvas.height);
    const corners = seen(CORNERS);
    traceLines(context, corners.flatMap((corner, row) => [1, 2, 4].map((bit) => [corner, corners[row | bit]])));
    stroke(context, [ratio, "#333"]);
    context.fillStyle = "#000";
    context.font = `${13 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    seen(NAMES).forEach(({ x, y }, i) => context.fillText(frame[i][3], x, y));
  }

  function drawCentroids(ratio) {
    const { trails, colors } = centroids;
    const steps = trails.map(seen);
    const last = steps.at(-1);
    traceLines(context, last.map(({ row }) => steps.map((spots) => spots[row])));
    context.lineJoin = "round";
    stroke(context, [3 * ratio, "#0009"], [1.25 * ratio, "#fff"]);
    const radius = Math.max(2.5, 9.5 - 0.9 * Math.log2(last.length || 1));
    const ring = ratio * (last.length > 32 ? 2 : 3);
    for (const { row, x, y, size } of backToFront(last)) {
      context.beginPath();
      context.arc(x, y, radius * size, 0, 7);
      stroke(context, [2 * ring, "#000"], [ring, "#fff"]);
      context.fillStyle = `rgb(${colors.subarray(3 * row, 3 * row + 3).join(" ")})`;
      context.fill();
    }
  }

  /** Turn and zoom by this much; by null: as it was first. */
  function move(by) {
    const { yaw = 0, pitch = 0, zoom = 1 } = by ?? {};
    if (!by) view = REST;
    view = { yaw: view.yaw + yaw, pitch: clamp(view.pitch + pitch, -1.5, 1.5), zoom: clamp(view.zoom * zoom, 0.5, 12) };
    soon();
  }
  listen(canvas, move);
  new ResizeObserver(soon).observe(canvas);

  return {
    reset: () => move(null),
    get view() {
      return view;
    },
    setPoints({ xyz, colors, shares }, space) {
      frame = frameOf(space, xyz);
      // The area of a point grows with its share of the image, within limits.
      const radii = shares.map((share) => Math.min(9, 1.3 + 50 * Math.sqrt(share)));
      points = { places: placed(xyz, frame), colors, radii };
    },
    /** Give the points other colors (RGB each). */
    paint(colors) {
      points.colors = colors;
      soon();
    },
    /** Where centroids were, oldest first, and are now; their colors (RGB each). */
    setCentroids(steps, colors) {
      centroids = { trails: steps.map((xyz) => placed(xyz, frame)), colors };
      soon();
    },
  };
}

/** Drag, wheel and keys. */
function listen(canvas, move) {
  let last;
  drags(canvas, (event) => {
    if (event.type === "pointerdown") canvas.focus({ preventScroll: true });
    else move({ yaw: (event.clientX - last.clientX) * 0.01, pitch: (event.clientY - last.clientY) * 0.01 });
    last = event;
  });
  canvas.addEventListener("wheel", (event) => {
    // A wheel that only passes over scrolls the page; ctrl is how browsers tell of a pinch.
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    move({ zoom: 1.0015 ** -event.deltaY });
  });
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(MOVES[event.key]);
  });
}
