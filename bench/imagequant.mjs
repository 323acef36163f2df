// libimagequant 4 as npm has it: a WebAssembly build, kept running so that start-up is not timed.
//
//   node imagequant.mjs FOLDER      FOLDER has node_modules/libimagequant-wasm
//
// Reads one request per line from standard input, {source, width, height, k, speed, dithering, target}
// where source is a file of RGBA pixels; writes the RGBA palette (256 entries) and then the indices to
// target, and answers with the CPU and wall seconds of everything from pixels to palette and
// indices. Timed by itself: nobody outside can tell its work from the reading of files.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(resolve(process.argv[2]), "/"));
const module = require.resolve("libimagequant-wasm/wasm/libimagequant_wasm.js");
const { initSync, ImageQuantizer } = await import(module);
initSync({ module: readFileSync(module.replace(".js", "_bg.wasm")) });

function quantize(pixels, { width, height, k, speed, dithering }) {
  const quantizer = new ImageQuantizer();
  if (speed) quantizer.setSpeed(speed);
  quantizer.setMaxColors(k);
  const result = quantizer.quantizeImage(pixels, width, height);
  result.setDithering(dithering ?? 0);
  const indices = result.getPaletteIndices(pixels, width, height);
  const palette = result.getPalette(); // after the indices, which may still improve it
  result.free();
  quantizer.free();
  return { palette, indices };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const pixels = new Uint8ClampedArray(readFileSync(request.source));
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const { palette, indices } = quantize(pixels, request);
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  const output = new Uint8Array(256 * 4 + indices.length);
  palette.forEach((color, row) => output.set(color, 4 * row));
  output.set(indices, 256 * 4);
  writeFileSync(request.target, output);
  console.log(JSON.stringify({ cpu: (used.user + used.system) / 1e6, wall }));
}
