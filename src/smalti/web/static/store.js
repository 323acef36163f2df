/**
 * One place for what the page knows. Panels read it, subscribe to it, and change it only through
 * `set`, so that nothing on the screen can disagree with anything else.
 */

/**
 * Make a store. `set` merges shallowly and tells all subscribers once per microtask, with the
 * state and the set of keys that changed since the last time.
 *
 * @template {object} State
 * @param {State} initial
 */
export function createStore(initial) {
  let state = initial;
  let changed = new Set();
  const subscribers = new Set();

  function tell() {
    const keys = changed;
    changed = new Set();
    for (const subscriber of [...subscribers]) subscriber(state, keys);
  }

  return {
    get: () => state,

    /** @param {Partial<State>} patch */
    set(patch) {
      const keys = Object.keys(patch).filter((key) => state[key] !== patch[key]);
      if (!keys.length) return;
      state = { ...state, ...patch };
      if (!changed.size) queueMicrotask(tell);
      for (const key of keys) changed.add(key);
    },

    /** @param {(state: State, changed: Set<string>) => void} subscriber */
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
  };
}

/** The number of colors that there will be: as many as asked for, if the picture has them. */
export const kOf = ({ settings, image }) => Math.min(settings.k, image?.distinct_colors ?? 256);

/**
 * What can be undone: the settings, and nothing else. A run of changes of the same knob, as a
 * drag makes them, is one step.
 */
export function createHistory(limit = 100) {
  let past = [];
  let future = [];
  let last = { knob: "", at: 0 };
  const PAUSE = 800; // ms after which the same knob counts as moved anew

  return {
    /** Remember `before`, which is about to be changed by `knob`. */
    remember(before, knob, now = performance.now()) {
      const same = knob === last.knob && now - last.at < PAUSE;
      last = { knob, at: now };
      future = [];
      if (!same) past = [...past, before].slice(-limit);
    },
    undo(current) {
      if (!past.length) return null;
      last = { knob: "", at: 0 };
      future = [current, ...future];
      const before = past.at(-1);
      past = past.slice(0, -1);
      return before;
    },
    redo(current) {
      if (!future.length) return null;
      past = [...past, current];
      const [after, ...rest] = future;
      future = rest;
      return after;
    },
    get canUndo() {
      return past.length > 0;
    },
    get canRedo() {
      return future.length > 0;
    },
  };
}
