"""The browser's side of a board: inline SVG, without anything from elsewhere. Text goes in as text alone."""

from __future__ import annotations

__all__ = ["CSS", "SCRIPT"]

CSS = """
.tools{display:flex;flex-wrap:wrap;gap:.3rem;align-items:center;margin-bottom:.3rem;font:400 .95rem/1.3 sans-serif;
 color:#dbe2e8}
.tools button{font:inherit;font-weight:700;min-width:2.2rem;padding:.2rem .55rem;color:#f2f5f7;background:#2b3540;
 border:1px solid #7d8a96;border-radius:.3rem;cursor:pointer}
.tools button:focus-visible,svg:focus-visible{outline:3px solid #fff59d;outline-offset:1px}
svg{display:block;width:100%;max-height:68vh;background:#0a0d11;touch-action:none;cursor:crosshair;
 border:1px solid #5b6671;border-radius:.3rem}
.say{min-height:1.3em;font:600 .95rem/1.3 sans-serif;color:#f2f5f7;font-variant-numeric:tabular-nums}
.tip{font:400 .9rem/1.35 sans-serif;color:#c6d0d9}
"""

SCRIPT = """
const NS = "http://www.w3.org/2000/svg";
const make = (name, attributes, parent) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const own = (parentElement.cwBoard ??= begin(parentElement));
  own.send = (ops) => setTriggerValue("edit", { ops });
  own.seq = Math.max(own.seq, data.done);
  own.waiting = own.waiting.filter((op) => op.seq > data.done);
  if (own.waiting.length) flush(own); /* what has no answer yet is sent again; Python does nothing twice */
  if (own.picture !== data.picture) {
    own.view = { x: 0, y: 0, w: data.width, h: data.height };
    if (!own.cursor || own.data?.width !== data.width || own.data?.height !== data.height)
      own.cursor = [data.width / 2, data.height / 2];
    own.picture = data.picture;
  }
  own.data = data;
  if (!own.timer) own.moved = null;
  const texts = data.texts;
  own.svg.setAttribute("aria-label", texts.label + ". " + texts.help);
  own.svg.dataset.done = data.done;
  own.tip.textContent = texts.help;
  for (const [name, button] of Object.entries(own.buttons)) {
    button.title = texts[name];
    button.setAttribute("aria-label", texts[name]);
  }
  draw(own);
}

function begin(root) {
  const own = { seq: 0, waiting: [], buttons: {}, moved: null };
  const tools = document.createElement("div");
  tools.className = "tools";
  const signs = { in: "+", out: "\\u2212", whole: "1:1", undo: "\\u21b6", redo: "\\u21b7", delete: "\\u2715" };
  for (const [name, sign] of Object.entries(signs)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.onclick = () => press(own, name);
    own.buttons[name] = button;
    tools.append(button);
  }
  own.svg = document.createElementNS(NS, "svg");
  own.svg.setAttribute("tabindex", "0");
  own.svg.setAttribute("role", "application");
  own.say = document.createElement("div");
  own.say.className = "say";
  own.say.setAttribute("aria-live", "polite");
  own.tip = document.createElement("div");
  own.tip.className = "tip";
  root.append(tools, own.svg, own.say, own.tip);
  own.svg.addEventListener("pointerdown", (event) => down(own, event));
  own.svg.addEventListener("pointermove", (event) => drag(own, event));
  own.svg.addEventListener("pointerup", (event) => up(own, event));
  own.svg.addEventListener("pointercancel", () => { own.grip = null; own.moved = null; draw(own); });
  own.svg.addEventListener("keydown", (event) => key(own, event));
  own.svg.addEventListener("focus", () => draw(own));
  own.svg.addEventListener("blur", () => { settle(own); draw(own); });
  new ResizeObserver(() => own.data && draw(own)).observe(own.svg);
  window.addEventListener("cw-picture", () => own.data && draw(own));
  return own;
}

function act(own, op) {
  own.waiting.push({ seq: ++own.seq, ...op });
  flush(own);
}

function flush(own) {
  own.flush ??= setTimeout(() => {
    own.flush = null;
    if (own.waiting.length) own.send([...own.waiting]);
  }, 0);
}

function press(own, name) {
  if (name === "in" || name === "out") return zoom(own, name === "in" ? 0.6 : 1 / 0.6);
  if (name === "whole") { own.view = { x: 0, y: 0, w: own.data.width, h: own.data.height }; return draw(own); }
  settle(own);
  if (name !== "delete") return act(own, { what: name });
  if (own.data.chosen) act(own, { what: "delete", ...own.data.chosen });
}

function zoom(own, factor) {
  const { width, height } = own.data;
  const w = Math.min(width, Math.max(width / 40, own.view.w * factor)), h = (w * height) / width;
  const [u, v] = spot(own);
  own.view = { x: Math.min(Math.max(u - w / 2, 0), width - w), y: Math.min(Math.max(v - h / 2, 0), height - h), w, h };
  draw(own);
}

/* where the keys work: on the chosen corner, else on the cross */
function spot(own) {
  const c = own.data.chosen;
  if (own.moved) return own.moved.at;
  const thing = c && own.data.things.find((each) => each.name === c.name);
  return (thing && thing.at[c.corner]) || own.cursor;
}

function place(own, event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(own.svg.getScreenCTM().inverse());
  const held = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 100) / 100;
  return [held(at.x, own.data.width), held(at.y, own.data.height)];
}

function down(own, event) {
  if (event.button > 0) return;
  own.svg.focus({ preventScroll: true });
  settle(own);
  const held = event.target.cwHeld;
  own.grip = { held, from: [event.clientX, event.clientY] };
  own.svg.setPointerCapture(event.pointerId);
}

function drag(own, event) {
  const grip = own.grip;
  if (!grip || !grip.held) return;
  if (!grip.far && Math.hypot(event.clientX - grip.from[0], event.clientY - grip.from[1]) < 4) return;
  grip.far = true;
  own.moved = { ...grip.held, at: place(own, event) };
  draw(own);
}

function up(own, event) {
  const grip = own.grip;
  own.grip = null;
  if (!grip) return;
  if (grip.far) act(own, { what: "move", ...grip.held, at: own.moved.at });
  else if (grip.held) act(own, { what: "choose", ...grip.held });
  else { own.cursor = place(own, event); act(own, { what: "add", at: own.cursor, ...(own.data.chosen ?? {}) }); }
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function key(own, event) {
  const c = own.data.chosen, control = event.ctrlKey || event.metaKey, name = event.key;
  if (control && name.toLowerCase() === "z") press(own, event.shiftKey ? "redo" : "undo");
  else if (control && name.toLowerCase() === "y") press(own, "redo");
  else if (control || event.altKey) return;
  else if (STEPS[name]) step(own, STEPS[name], event.shiftKey);
  else if (name === "Enter") {
    own.cursor = spot(own);
    settle(own);
    act(own, c ? { what: "leave" } : { what: "add", at: own.cursor });
  }
  else if (name === "Escape" && c) { own.cursor = spot(own); settle(own); act(own, { what: "leave" }); }
  else if (name === "Delete" || name === "Backspace") press(own, "delete");
  else if (name === "+" || name === "=") zoom(own, 0.6);
  else if (name === "-") zoom(own, 1 / 0.6);
  else if (name === "n" || name === "p") next(own, name === "n" ? 1 : -1);
  else return;
  event.preventDefault();
}

function step(own, [du, dv], fast) {
  const { data } = own, size = (fast ? 10 : 1) * Math.max(own.view.w / 800, 0.1);
  const [u, v] = spot(own);
  const at = [Math.min(Math.max(u + du * size, 0), data.width), Math.min(Math.max(v + dv * size, 0), data.height)];
  if (!data.chosen) own.cursor = at;
  else {
    own.moved = { ...data.chosen, at };
    clearTimeout(own.timer);
    own.timer = setTimeout(() => settle(own), 500);
  }
  draw(own);
}

/* a corner that keys have moved is sent once the keys rest */
function settle(own) {
  if (!own.timer) return;
  clearTimeout(own.timer);
  own.timer = null;
  if (own.moved) act(own, { what: "move", name: own.moved.name, corner: own.moved.corner, at: own.moved.at });
}

function next(own, by) {
  const all = own.data.things.filter((each) => each.active)
    .flatMap((each) => each.at.map((at, corner) => at && { name: each.name, corner })).filter(Boolean);
  if (!all.length) return;
  const c = own.data.chosen;
  const now = all.findIndex((each) => c && each.name === c.name && each.corner === c.corner);
  settle(own);
  act(own, { what: "choose", ...all[(now + by + all.length) % all.length] });
}

function draw(own) {
  const { data, svg, view } = own;
  svg.setAttribute("viewBox", [view.x, view.y, view.w, view.h].join(" "));
  svg.style.aspectRatio = data.width + " / " + data.height;
  const box = svg.getBoundingClientRect();
  const px = Math.max(view.w / (box.width || 800), view.h / (box.height || 600));
  const url = (window.cwPictures ?? {})[data.picture];
  if (own.shown !== url) {
    own.image?.remove();
    own.image = url ? make("image", { href: url, x: 0, y: 0, width: data.width, height: data.height }, svg) : null;
    own.shown = url;
  }
  own.layer?.remove();
  own.layer = make("g", {}, svg);
  let said = "";
  for (const thing of data.things) {
    const at = thing.at.map((each, n) =>
      own.moved && own.moved.name === thing.name && own.moved.corner === n ? own.moved.at : each);
    const there = at.filter(Boolean);
    if (thing.kind !== "point" && there.length > 1) {
      const closed = thing.kind === "area" && there.length > 2;
      const points = there.map((each) => each.join(",")).join(" ");
      for (const [stroke, width] of [["#000", 5], [thing.colour, thing.active ? 3 : 2]])
        make(closed ? "polygon" : "polyline", { points, stroke, "stroke-width": width * px, "stroke-linejoin": "round",
          fill: closed ? thing.colour : "none", "fill-opacity": stroke === "#000" ? 0 : thing.active ? 0.16 : 0.06,
          "pointer-events": "none" }, own.layer);
    }
    if (thing.label && there.length) {
      const middle = [0, 1].map((axis) => there.reduce((sum, each) => sum + each[axis], 0) / there.length);
      const [u, v] = thing.kind === "point" ? [there[0][0] + 10 * px, there[0][1] - 8 * px] : middle;
      const text = make("text", { x: u, y: v, fill: "#fff", stroke: "#000", "stroke-width": 3 * px,
        "paint-order": "stroke", "font-size": 15 * px, "font-weight": 700, "font-family": "sans-serif",
        "text-anchor": thing.kind === "point" ? "start" : "middle", "pointer-events": "none" }, own.layer);
      text.textContent = thing.label;
    }
    at.forEach((each, corner) => {
      if (!each || !thing.active) return;
      const c = data.chosen, mine = c && c.name === thing.name && c.corner === corner;
      if (mine) said = (thing.label || thing.name) + ": " + each.map((value) => value.toFixed(1)).join(", ");
      make("circle", { cx: each[0], cy: each[1], r: (mine ? 9 : 6) * px, fill: mine ? "#fff59d" : thing.colour,
        "fill-opacity": mine ? 0.35 : 0.85, stroke: mine ? "#fff59d" : "#000", "stroke-width": 2 * px,
        "pointer-events": "none" }, own.layer);
      if (mine) cross(own, each, 22 * px, px);
      const grip = make("circle", { cx: each[0], cy: each[1], r: 13 * px, fill: "transparent" }, own.layer);
      grip.style.cursor = "grab";
      grip.cwHeld = { name: thing.name, corner };
    });
  }
  if (!data.chosen && own.svg.matches(":focus")) {
    cross(own, own.cursor, 22 * px, px);
    said = own.cursor.map((value) => value.toFixed(1)).join(", ");
  }
  own.say.textContent = said;
}

function cross(own, [u, v], reach, px) {
  const d = `M${u - reach} ${v}H${u - 3 * px}M${u + 3 * px} ${v}H${u + reach}` +
    `M${u} ${v - reach}V${v - 3 * px}M${u} ${v + 3 * px}V${v + reach}`;
  for (const [stroke, width] of [["#000", 4], ["#fff59d", 2]])
    make("path", { d, stroke, "stroke-width": width * px, "pointer-events": "none" }, own.layer);
}
"""
