/**
 * One place for what the page knows, so that nothing on the screen can disagree with anything else.
 * `set` merges, and subscribers are told once per microtask the state and the keys that changed.
 */
export function createStore(state) {
  const subscribers = [];
  let changed = new Set();

  function tell() {
    const keys = changed;
    changed = new Set();
    for (const subscriber of subscribers) subscriber(state, keys);
  }

  return {
    get: () => state,
    set(patch) {
      const keys = Object.keys(patch).filter((key) => state[key] !== patch[key]);
      if (!keys.length) return;
      state = { ...state, ...patch };
      if (!changed.size) queueMicrotask(tell);
      for (const key of keys) changed.add(key);
    },
    subscribe: (subscriber) => void subscribers.push(subscriber),
  };
}

/** The number of colors that there will be: of one's own palette, or as asked for, if there are so many. */
export const kOf = ({ settings, image }) => settings.palette?.length ?? Math.min(settings.k, image?.distinct_colors ?? 256);

const PAUSE_MS = 800; // after which the same knob counts as moved anew

/** What can be undone: settings. A run of changes of one knob, as a drag makes them, is one step. */
export function createHistory() {
  const past = [], future = [];
  let last = null;

  function travel(from, to, current) {
    last = null;
    if (!from.length) return null;
    to.push(current);
    return from.pop();
  }

  return {
    /** Remember `before`, which is about to be changed by `knob`. */
    remember(before, knob) {
      const now = performance.now();
      if (knob !== last?.knob || now - last.at >= PAUSE_MS) past.push(before);
      if (past.length > 100) past.shift();
      last = { knob, at: now };
      future.length = 0;
    },
    undo: (current) => travel(past, future, current),
    redo: (current) => travel(future, past, current),
    clear: () => void (past.length = future.length = 0),
    get canUndo() { return past.length > 0; },
    get canRedo() { return future.length > 0; },
  };
}
