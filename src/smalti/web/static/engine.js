/**
 * The only file that knows HTTP. Everything that the page asks of the local server goes through
 * here, and every failure becomes an `EngineError` with a sentence that can be shown.
 */

/** What went wrong, in words for people; `kind` is the server's name for it, or "Gone". */
export class EngineError extends Error {
  constructor(kind, message, status = 0) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
    this.status = status;
  }
}

const BINARY = "application/octet-stream"; // no form could send it: never a cross-site request

/**
 * @param {string} token the secret of the link that was printed in the terminal
 */
export function createEngine(token) {
  async function ask(method, path, { body, headers = {}, signal } = {}) {
    let response;
    try {
      response = await fetch(path, {
        method,
        body,
        signal,
        headers: { "X-Token": token, ...headers },
        cache: "no-store",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new EngineError("Gone", "The local server does not answer; is it still running?");
    }
    if (!response.ok) throw await asError(response);
    return response;
  }

  const json = async (...request) => (await ask(...request)).json();
  const bytes = async (...request) => (await ask(...request)).arrayBuffer();
  const send = (path, value) =>
    ask("POST", path, {
      body: JSON.stringify(value),
      headers: { "Content-Type": "application/json" },
    });
  const pixels = async (path, signal) => {
    const response = await ask("GET", path, { signal });
    const [width, height] = response.headers.get("X-Size").split("x").map(Number);
    return { width, height, pixels: await response.arrayBuffer() };
  };
  async function lines(path, onLine, signal) {
    const response = await ask("GET", path, { signal });
    try {
      await readLines(response.body, onLine);
    } catch (error) {
      if (error.name === "AbortError" || error instanceof EngineError) throw error;
      throw new EngineError("Gone", "The local server stopped in the middle of an answer.");
    }
  }
  const image = (id) => `/api/images/${id}`;

  return {
    state: () => json("GET", "/api/state"),

    /** Send a file; `file.name` is for people only. */
    open: (file, _onProgress, signal) =>
      json("POST", "/api/images", {
        body: file,
        signal,
        headers: { "Content-Type": BINARY, "X-Filename": encodeURIComponent(file.name || "") },
      }),
    remove: (id) => ask("DELETE", image(id)),
    pixels: (id, signal) => pixels(`${image(id)}/pixels`, signal),
    region: (id, x, y, w, h, signal) =>
      pixels(`${image(id)}/region?${query({ x, y, w, h })}`, signal),
    thumbnail: async (id) => (await ask("GET", `${image(id)}/thumbnail`)).blob(),
    points: (id, space) => bytes("GET", `${image(id)}/points?${query({ space })}`),
    ladder: (id, parameters, onLine, signal) =>
      lines(`${image(id)}/ladder?${query(parameters)}`, onLine, signal),
    trace: (id, parameters) => bytes("GET", `${image(id)}/trace?${query(parameters)}`),

    render: async (id, settings) => (await (await send(`${image(id)}/render`, settings)).json()).job,
    jobEvents: (job, onLine, signal) => lines(`/api/jobs/${job}/events`, onLine, signal),
    cancel: (job) => ask("DELETE", `/api/jobs/${job}`),
    file: async (job) => (await ask("GET", `/api/jobs/${job}/file`)).blob(),

    paletteFile: async (colors, format, shares) =>
      (await send("/api/palette", { colors, format, shares })).blob(),
    readPalette: (file) => {
      const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
      const headers = { "Content-Type": BINARY };
      return json("POST", `/api/palette/read?${query({ suffix })}`, { body: file, headers });
    },

    batch: async (items, shared) => (await send("/api/batches", { items, shared })).json(),
    batchEvents: (batch, onLine, signal) => lines(`/api/batches/${batch}/events`, onLine, signal),
    cancelBatch: (batch) => ask("DELETE", `/api/batches/${batch}`),
    zip: async (batch) => (await ask("GET", `/api/batches/${batch}/zip`)).blob(),
  };
}

async function asError(response) {
  let kind = "Error";
  let message = `The local server answered ${response.status}.`;
  try {
    ({ kind, message } = (await response.json()).error);
  } catch {
    // Not one of its own answers: the status is all there is to tell.
  }
  return new EngineError(kind, message, response.status);
}

function query(parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value != null && value !== "");
  return new URLSearchParams(kept);
}

/** Call `onLine` with each line of JSON of a stream, as it comes. */
async function readLines(stream, onLine) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const line of parts) if (line) onLine(JSON.parse(line));
  }
  if (rest) onLine(JSON.parse(rest));
}
