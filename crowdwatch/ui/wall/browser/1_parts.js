// Small pieces. Whatever comes from outside is written as text: textContent and attributes, never markup.
const SVG = "http://www.w3.org/2000/svg";

function el(tag, className = "", parent = null, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function draw(tag, parent, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  if (parent) parent.append(node);
  return node;
}

// What was written is remembered, since to ask the page costs as much as to write.
function set(node, attributes) {
  const held = (node.crowdwatchSet ??= {});
  for (const name in attributes) {
    const value = attributes[name];
    if (held[name] !== value) node.setAttribute(name, (held[name] = value));
  }
}

function say(node, text) {
  if (node.crowdwatchSaid !== text) node.textContent = node.crowdwatchSaid = text;
}

function mark(node, name, on) {
  if (node.classList.contains(name) !== Boolean(on)) node.classList.toggle(name, Boolean(on));
}

function show(node, on) {
  const display = on ? "" : "none";
  if (node.style.display !== display) node.style.display = display;
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

function two(number) {
  return String(Math.floor(number)).padStart(2, "0");
}

// Time of day at a place that is so many minutes ahead of UTC.
function clock(ms, offsetMin = 0, seconds = true) {
  const at = new Date(ms + offsetMin * 60000);
  return two(at.getUTCHours()) + ":" + two(at.getUTCMinutes()) + (seconds ? ":" + two(at.getUTCSeconds()) : "");
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  return (hours ? hours + ":" : "") + (hours ? two((whole / 60) % 60) : Math.floor(whole / 60)) + ":" + two(whole % 60);
}

function columns(text) {
  let wide = 0;
  for (const character of text) wide += character.codePointAt(0) > 0x2e80 ? 2 : 1;
  return wide;
}

function cut(text, most) {
  if (columns(text) <= most) return text;
  let kept = "", wide = 1;
  for (const character of text) {
    wide += character.codePointAt(0) > 0x2e80 ? 2 : 1;
    if (wide > most) break;
    kept += character;
  }
  return kept.trimEnd() + "…";
}

// A rising triple tone; silent until somebody has switched it on.
class Horn {
  on = false;
  switch() {
    this.on = !this.on;
    if (this.on) {
      this.context ??= new AudioContext();
      this.context.resume();
      this.sound(1);
    }
  }
  sound(times = 3) {
    if (!this.on || !this.context) return;
    for (let n = 0; n < times; n++) {
      const at = this.context.currentTime + n * 0.35;
      const tone = this.context.createOscillator(), loud = this.context.createGain();
      tone.frequency.value = 660 + 220 * n;
      loud.gain.setValueAtTime(0.0001, at);
      loud.gain.exponentialRampToValueAtTime(0.4, at + 0.02);
      loud.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
      tone.connect(loud).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + 0.32);
    }
  }
}

// Says in the browser itself that what is shown is old: a server that hangs or is gone cannot.
class DeadMan {
  static LIMIT_S = 4.5;
  static ENGINE_S = 5;
  show(title, text, seconds) {
    if (!title) {
      this.box?.remove();
      this.box = null;
      return;
    }
    if (!this.box) {
      this.box = el("div", "", document.body);
      this.box.id = "cw-dead-man";
      this.box.setAttribute("role", "alert");
      this.box.style.cssText = "position:fixed;inset:0;z-index:2147483647;display:flex;flex-direction:column;" +
        "align-items:center;justify-content:center;gap:1rem;padding:2rem;text-align:center;color:#fff;" +
        "font:700 max(4.5vmin,1.3rem)/1.25 'Noto Sans','Noto Sans CJK SC',sans-serif;" +
        "background:repeating-linear-gradient(45deg,rgba(110,0,0,.94) 0 24px,rgba(20,0,0,.94) 24px 48px)";
      this.title = el("div", "", this.box);
      this.text = el("div", "", this.box);
      this.text.style.cssText = "font-size:.55em;font-weight:400;max-width:50em";
      this.age = el("div", "", this.box);
      this.age.setAttribute("aria-hidden", "true");
    }
    say(this.title, title);
    say(this.text, text);
    say(this.age, Math.floor(seconds) + " s");
  }
}
