/** The only file that knows HTTP. */

/** What failed, as a sentence to be shown; `kind` is the server's name for it, or "Gone". */
export class EngineError extends Error {
  constructor(kind, message, status = 0) {
    super(message);
    Object.assign(this, { kind, status });
  }
}

/** @param {string} token the secret of the link that was printed in the terminal */
export function createEngine(token) {
  async function ask(method, path, { query = {}, value, body = JSON.stringify(value), headers, signal } = {}) {
    const kept = Object.entries(query).filter(([, each]) => each != null && each !== "");
    const search = kept.length ? `?${new URLSearchParams(kept)}` : "";
    const type = value ? "application/json" : "application/octet-stream"; // which no form could send
    const response = await fetch(`/api/${path}${search}`, {
      method, body, signal, cache: "no-store",
      headers: { "X-Token": token, "Content-Type": type, ...headers },
    }).catch(gone("The local server does not answer; is it still running?"));
    if (!response.ok) throw await asError(response);
    return response;
  }

  const reader = (kind) => async (...request) => (await ask(...request))[kind]();
  const [json, blob, bytes] = ["json", "blob", "arrayBuffer"].map(reader);
  async function pixels(path, options) {
    const response = await ask("GET", path, options);
    const [width, height] = response.headers.get("X-Size").split("x").map(Number);
    return { width, height, pixels: await response.arrayBuffer() };
  }

  /** Call `onLine` with each line of JSON of a stream, as it comes. */
  async function lines(path, onLine, signal, query) {
    const { body } = await ask("GET", path, { signal, query });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const failed = gone("The local server stopped in the middle of an answer.");
    for (let rest = ""; ;) {
      const { value, done } = await reader.read().catch(failed);
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) onLine(JSON.parse(part));
    }
  }

  return {
    state: () => json("GET", "state"),

    open: (file, _onProgress, signal) => {
      const headers = { "X-Filename": encodeURIComponent(file.name || "") }; // for people only
      return json("POST", "images", { body: file, signal, headers });
    },
    remove: (id) => ask("DELETE", `images/${id}`),
    pixels: (id, signal) => pixels(`images/${id}/pixels`, { signal }),
    region: (id, x, y, w, h, signal) => pixels(`images/${id}/region`, { query: { x, y, w, h }, signal }),
    thumbnail: (id) => blob("GET", `images/${id}/thumbnail`),
    points: (id, space) => bytes("GET", `images/${id}/points`, { query: { space } }),
    ladder: (id, query, onLine, signal) => lines(`images/${id}/ladder`, onLine, signal, query),
    trace: (id, query) => bytes("GET", `images/${id}/trace`, { query }),

    render: async (id, value) => (await json("POST", `images/${id}/render`, { value })).job,
    jobEvents: (job, onLine, signal) => lines(`jobs/${job}/events`, onLine, signal),
    cancel: (job) => ask("DELETE", `jobs/${job}`),
    file: (job) => blob("GET", `jobs/${job}/file`),

    paletteFile: (colors, format, shares) => blob("POST", "palette", { value: { colors, format, shares } }),
    readPalette: (file) => {
      const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
      return json("POST", "palette/read", { query: { suffix }, body: file });
    },

    batch: (items, shared, refused) => json("POST", "batches", { value: { items, shared, refused } }),
    batchEvents: (batch, onLine, signal) => lines(`batches/${batch}/events`, onLine, signal),
    cancelBatch: (batch) => ask("DELETE", `batches/${batch}`),
    zip: (batch) => blob("GET", `batches/${batch}/zip`),
  };
}

const gone = (message) => (error) => {
  throw error.name === "AbortError" ? error : new EngineError("Gone", message);
};

async function asError(response) {
  const { error } = await response.json().catch(() => ({})); // not one of its own answers
  const { kind = "Error", message = `The local server answered ${response.status}.` } = error ?? {};
  return new EngineError(kind, message, response.status);
}
