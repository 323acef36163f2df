"""The elbow and the convergence panel on a page of their own, with the library as their server.

A fake store and a fake engine stand in for the rest of the page; what the engine answers is what
the server would.
"""

import json
from urllib.parse import parse_qs

import numpy as np
from static_site import StaticSite

import smalti
from smalti import options
from smalti.web import previews

RAW = "application/octet-stream"

OPTIONS = {
    name: {"default": option.default, "choices": list(option.choices)}
    for name, option in options.OPTIONS.items()
    if name in ("space", "init", "seed")
}

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Two panels</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="base.css"><link rel="stylesheet" href="curves.css">
<script type="module" src="harness.js"></script></head><body><main>
<h1>Two panels</h1>
<section class="panel shown" aria-labelledby="one"><h2 id="one">How many colors?</h2>
<div id="curves-root"></div></section>
<section class="panel shown" aria-labelledby="two"><h2 id="two">Convergence</h2>
<div id="converge-root"></div></section></main></body></html>"""

# What the panels need of the page's own sheet; that one is not here on its own.
BASE = """
:root { color-scheme: light dark; --stage: #777; --panel: light-dark(#d9d9d9, #333);
  --raised: light-dark(#ececec, #454545); --field: light-dark(#fff, #1f1f1f);
  --ink: light-dark(#161616, #f2f2f2); --dim: light-dark(#454545, #c4c4c4);
  --line: light-dark(#8a8a8a, #6e6e6e); --focus-inner: #fff; --focus-outer: #000;
  font: 14px/1.45 system-ui, sans-serif; }
* { box-sizing: border-box; } [hidden] { display: none !important; }
body { margin: 0; background: var(--panel); color: var(--ink); }
.panel { padding: 10px 12px; } p, ul { margin: 0; padding: 0; list-style: none; }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.dim { color: var(--dim); } .num { font-variant-numeric: tabular-nums; }
.button, .field { font: inherit; color: var(--ink); background: var(--raised); min-height: 28px;
  border: 1px solid var(--line); border-radius: 4px; padding: 2px 10px; }
.button:disabled { opacity: .7; }
.button[aria-pressed="true"] { background: var(--ink); color: var(--panel); }
.link { font: inherit; color: inherit; background: none; border: 0; padding: 0 2px;
  min-height: 24px; text-decoration: underline; }
input[type="range"] { min-height: 28px; margin: 0; } label { display: inline-flex; gap: 6px; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 2px 10px 2px 0; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
"""

HARNESS = """
import * as curves from "./curves.js";
import * as converge from "./converge.js";
import * as cloud from "./cloud.js";
import * as trace from "./trace.js";

let state = await (await fetch("state.json")).json();
const subscribers = new Set();
const store = {
  get: () => state,
  set(patch) {
    state = { ...state, ...patch };
    queueMicrotask(() => subscribers.forEach((tell) => tell(state, new Set(Object.keys(patch)))));
  },
  subscribe(tell) { subscribers.add(tell); return () => subscribers.delete(tell); },
};
const asked = [];
const bytes = async (path) => {
  asked.push(path);
  const answer = await fetch(path);
  if (!answer.ok) throw new Error("The image is gone; open it again.");
  return answer.arrayBuffer();
};
const engine = {
  points: (id, space) => bytes(`points?${new URLSearchParams({ id, space })}`),
  trace: (id, options) => bytes(`trace?${new URLSearchParams({ id, ...options })}`),
};
const actions = {
  setK(k) { store.set({ shown: { ...state.shown, k }, phase: "draft", result: null }); },
};
curves.mount(document.querySelector("#curves-root"), { store, actions, engine });
const panel = converge.mount(document.querySelector("#converge-root"), { store, actions, engine });
Object.assign(window, { store, actions, engine, asked, panel, curves, cloud, trace });
document.body.dataset.ready = "";
"""


def steps_of(image, k, space, init, seed):
    """The library's own run, seeds first."""
    walk = smalti.steps(image, k, space=space, init=init, seed=seed, show_seeds=True)
    return list(walk)


def state_of(image, k=16, name="picture.png"):
    """What the store knows of an image whose ladder has come."""
    choice = smalti.choose_k(image, effort="fast")
    curve = [
        {"k": p.k, "distortion": p.distortion, "psnr": psnr_of(image, p.k)} for p in choice.curve
    ]
    suggestions = {name: choice.suggestions[name] for name in ("visible", "elbow")}
    return {
        "phase": "draft",
        "image": {
            "id": "one",
            "name": name,
            "distinct_colors": len(smalti.Histogram.of(image)),
            "has_alpha": False,
        },
        "options": OPTIONS,
        "settings": {},
        "letterKeys": True,
        "made": None,
        "shown": {"k": k, "colors": None},
        "curve": curve,
        "suggestion": {"k": choice.k, "method": choice.method, "reason": choice.reason},
        "suggestions": suggestions,
        "estimates": [
            {"k": p, "bytes": 2000 * p.bit_length() + 40 * p} for p in (2, 8, 32, 128, 256)
        ],
        "ladderDone": True,
        "result": None,
        "highlight": None,
    }


def psnr_of(image, k):
    """PSNR of `k` colors, None if nothing is lost."""
    indexed = smalti.quantize(image, k, effort="turbo", dither="none")
    error = ((indexed.to_array().astype(float) - image) ** 2).mean()
    return 10 * np.log10(255**2 / error) if error else None


class Site(StaticSite):
    """The static folder with the harness; `image` is what its engine knows."""

    def __init__(self, image, **state):
        self.image, self.histogram = image, smalti.Histogram.of(image)
        self.state, self.broken = state_of(image, **state), False
        super().__init__(self.answer)

    def answer(self, url):
        """What a path is, or None for a file of the static folder."""
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path in ("/points", "/trace") and self.broken:
            return None  # and there is no such file
        if url.path == "/points":
            return RAW, previews.points(self.histogram, asked["space"]), {}
        if url.path == "/trace":
            run = (int(asked["k"]), asked["space"], asked["init"], int(asked["seed"]))
            return RAW, previews.frames(self.histogram, *run), {}
        texts = {
            "/": ("text/html", PAGE),
            "/base.css": ("text/css", BASE),
            "/harness.js": ("text/javascript", HARNESS),
            "/state.json": ("application/json", json.dumps(self.state)),
            "/favicon.ico": ("image/x-icon", ""),
        }
        if url.path not in texts:
            return None
        kind, text = texts[url.path]
        return kind, text.encode(), {}
