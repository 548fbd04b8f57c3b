// The whole wall: one drawing of one message. It is fed by a component of its own once a second.
class Wall extends Panels {
  constructor(root) {
    super();
    this.selected = { zone: "", alarm: "" };
    this.pinned = false;
    this.fed = 0;
    this.u = 10;
    this.pending = new Map();
    this.horn = new Horn();
    this.dead = new DeadMan();
    this.root = root;
    this.box = el("main", "wall", root);
    this.box.id = "cw-wall";
    this.strip = el("header", "strip", this.box);
    this.numbers = el("section", "numbers", this.box);
    this.map = new SiteMap(this.box, this);
    const side = el("section", "side", this.box);
    side.style.position = "relative";
    this.alarms = new Alarms(side, this);
    this.action = el("section", "action", side);
    this.five = el("section", "five", side);
    this.cameras = el("section", "cameras", this.box);
    this.timeline = el("section", "timeline", this.box);
    this.dialog = new Dialog(this.box, this);
    this.numberBoxes = [];
    this.cache = {};
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.box);
    this.sized.observe(this.map.box);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.timer = setInterval(() => this.tick(), 250);
  }

  stop() {
    clearInterval(this.timer);
    this.sized.disconnect();
    document.removeEventListener("keydown", this.onKey);
    this.dead.show("");
    this.box.remove();
  }

  arrange(layout) {
    const key = layout.key;
    if (this.layoutKey === key) return;
    this.layoutKey = key;
    this.layout = layout;
    this.texts = layout.texts;
    this.cache = {};
    this.scene = null;
    this.box.lang = layout.language;
    this.buildStrip();
    this.resize();
  }

  // Sizes follow the screen and the scale that was asked for; on a tall screen alarms stand first.
  resize() {
    if (!this.layout) return;
    const wide = this.box.clientWidth, high = this.box.clientHeight, tall = wide < high;
    const unit = (tall ? Math.min(high / 100, wide / 48) : Math.min(high / 100, wide / 170)) * (tall ? 1 : this.layout.scale);
    this.u = unit;
    this.big = unit * (tall ? 2.2 : 3.75);
    this.fine = Math.max(1, unit / 10);
    this.box.style.setProperty("--u", unit + "px");
    this.box.style.setProperty("--h", high / 100 + "px");
    mark(this.box, "tall", tall);
    mark(this.box, "large", this.layout.scale > 1.2);
    this.map.build();
    this.cache = {};
    if (this.scene) this.redraw();
  }

  feed(inbox) {
    this.inbox = inbox;
    const message = inbox.message;
    if (!message || !this.layout) return;
    if (message.fault) { this.fault = message; this.drawn = performance.now(); this.tick(); return; }
    this.fault = null;
    if (message.layout !== this.layoutKey) return;  // the page is being exchanged
    if (message.drawn !== this.stamp) {
      this.stamp = message.drawn;
      this.drawn = performance.now();
      this.extra = message;
      this.scene = { ...message.scene, no_acts: message.scene.no_acts || message.denied };
      this.answers(message.answers);
      this.refusals();
      this.alarms.draw(this.scene);
      this.fed += 1;
      this.choose();
      this.redraw();
      this.dialog.fillUnits(message.nearest);
      this.look();
    }
    this.tick();
  }

  // Without a choice of a person: the most urgent alarm.
  choose() {
    if (this.selected.zone || this.pinned) return;
    const asked = this.scene.slots.filter((card) => card).sort((a, b) => b.asks - a.asks || b.level - a.level)[0];
    if (asked) this.selected = { zone: asked.zone, alarm: this.alarms.id(asked) };
  }

  select(zone, alarm, byHand) {
    const own = this.scene.slots.filter((card) => card && card.zone === zone).sort((a, b) => b.asks - a.asks || b.level - a.level)[0];
    this.selected = { zone, alarm: alarm ?? (own ? this.alarms.id(own) : "") };
    if (byHand) this.map.cursor = zone;
    this.redraw();
    this.look();
  }

  // What the server is asked for beside the scene: pictures of the selected zone's cameras, the field, walking ways.
  look() {
    if (!this.layout || !this.inbox?.look) return;
    const cameras = (this.layout.zone_cameras[this.selected.zone] ?? []).slice(0, PICTURED);
    const wish = JSON.stringify({ cameras, density: this.map.layers.density, zone: this.dialog.zone || "" });
    if (wish === this.wished) return;
    this.wished = wish;
    this.inbox.look(JSON.parse(wish));
  }

  // Actions are repeated until they are answered; the server does each once.
  act(action, id) {
    const number = Date.now().toString(36) + "-" + Math.random().toString(36).slice(2, 10);
    this.pending.set(number, { id, action: { number, ...action }, at: performance.now(), answered: false, said: "" });
    this.deliver();
  }

  deliver() {
    const open = [...this.pending.values()].filter((each) => !each.answered).map((each) => each.action);
    this.delivered = performance.now();
    if (open.length) this.inbox?.act?.(open.slice(0, 12));
  }

  answers(said) {
    for (const [number, text] of Object.entries(said ?? {})) {
      const own = this.pending.get(number);
      if (own && !own.answered) Object.assign(own, { answered: true, at: performance.now(), said: text ? fill(this.texts.refused, { reason: text }) : "" });
    }
    const open = [...this.pending.values()].some((each) => !each.answered);
    if (open && performance.now() - this.delivered > 3000) this.deliver();
    for (const [number, each] of this.pending) if (each.answered && performance.now() - each.at > 15000) this.pending.delete(number);
  }

  answerOf(id) {
    return [...this.pending.values()].reverse().find((each) => each.id === id) ?? null;
  }

  // What the engine refused stays in the place for a while.
  refusals() {
    this.refusedAt ??= new Map();
    for (const each of this.scene.refused) {
      if (!this.refusedAt.has(each.id)) this.refusedAt.set(each.id, this.fed ? performance.now() : -Infinity);
      each.fresh = performance.now() - this.refusedAt.get(each.id) < 15000;
    }
  }

  redraw() {
    if (!this.scene) return;
    this.drawStrip();
    this.drawNumbers();
    this.map.draw({ ...this.scene, grid: this.extra?.scene.grid });
    for (const place of this.alarms.places) this.alarms.redraw(place);
    this.part("action", [this.scene.slots, this.selected, this.scene.no_acts], () => this.drawAction());
    this.part("five", [this.scene.worst, this.selected.zone, this.u], () => this.drawFive());
    this.part("cameras", [this.scene.cameras, this.selected.zone, this.extra?.pictures], () => this.drawCameras());
    this.part("timeline", [this.scene.timeline, Math.floor(this.scene.ms / 5000), this.u], () => this.drawTimeline());
  }

  part(name, of, does) {
    const key = JSON.stringify(of);
    if (this.cache[name] === key) return;
    this.cache[name] = key;
    does();
  }

  buildStrip() {
    const { texts, layout } = this;
    this.strip.replaceChildren();
    const parts = {};
    parts.mode = el("span", "mode", this.strip);
    parts.event = el("span", "event two", this.strip);
    el("span", "one", parts.event, layout.event);
    parts.note = el("span", "dim one note", parts.event, [...layout.labels, layout.notice].filter(Boolean).join(" · "));
    parts.phase = el("span", "two phase", this.strip);
    parts.phaseName = el("b", "one", parts.phase);
    parts.next = el("span", "dim one", parts.phase);
    parts.clock = el("span", "clock", this.strip);
    parts.utc = el("span", "two dim utc", this.strip);
    parts.zone = el("span", "one", parts.utc);
    parts.utcTime = el("span", "one", parts.utc);
    parts.life = el("span", "two life", this.strip);
    parts.engine = el("span", "one", parts.life);
    parts.speed = el("span", "dim one", parts.life);
    const tools = el("span", "tools", this.strip);
    parts.newer = this.tool(tools, texts.newer, () => this.inbox?.go?.({ newer: true }));
    parts.sound = this.tool(tools, "", () => { this.horn.switch(); this.drawStrip(); });
    parts.pin = this.tool(tools, "", () => { this.pinned = !this.pinned; this.drawStrip(); });
    parts.pin.className = "pin";
    for (const [code, name] of Object.entries(layout.languages)) {
      if (code !== layout.language) this.tool(tools, name, () => this.inbox?.go?.({ language: code }));
    }
    parts.who = el("span", "dim one", tools);
    this.parts = parts;
  }

  tool(parent, text, does) {
    const button = el("button", "", parent, text);
    button.type = "button";
    button.addEventListener("click", does);
    return button;
  }

  drawStrip() {
    const { parts, texts } = this, strip = this.scene.strip;
    say(parts.mode, texts["mode." + strip.mode]);
    mark(parts.mode, "live", strip.mode === "live");
    say(parts.phaseName, strip.phase ?? "");
    say(parts.zone, strip.zone);
    say(parts.speed, strip.says || strip.speed);
    say(parts.sound, this.horn.on ? texts.sound_on : texts.sound_off);
    parts.sound.setAttribute("aria-pressed", this.horn.on);
    say(parts.pin, this.pinned ? texts.pinned : texts.pin);
    parts.pin.setAttribute("aria-pressed", this.pinned);
    show(parts.newer, this.extra.newer);
    say(parts.who, this.extra.who ?? "");
  }

  drawNumbers() {
    const { texts, layout } = this;
    this.scene.numbers.forEach((number, n) => {
      if (!this.numberBoxes[n]) {
        const box = el("div", "number", this.numbers);
        this.numberBoxes[n] = { box, key: el("div", "one", box), value: el("div", "value one", box), note: el("div", "one dim", box) };
      }
      const parts = this.numberBoxes[n], style = number.level === null ? null : layout.levels[number.level];
      say(parts.key, texts[number.key]);
      say(parts.value, number.value);
      say(parts.note, number.note);
      parts.note.title = number.note;
      mark(parts.box, "hatched", number.hatch);
      parts.box.style.borderLeftColor = style ? style.colour : "";
    });
  }

  focused() {
    return this.root.activeElement ?? document.activeElement;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.dialog.veil || !this.scene) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && target.matches("input, select, textarea, [contenteditable=true]")) return;
    if (/^[1-6]$/.test(event.key) && !event.repeat) this.alarms.press(Number(event.key) - 1);
    else if (event.key === "Escape") { this.selected = { zone: "", alarm: "" }; this.map.cursor = null; this.redraw(); }
    else if (event.key.startsWith("Arrow")) return this.map.key(event);
    else if (event.key === "Enter" && !(target instanceof Element && target.matches("button"))) return this.map.key(event);
    else return;
    event.preventDefault();
  }

  // The moving parts: clock, timers, life. Event time goes on by the pace that was measured, for a moment only.
  tick() {
    if (!this.layout || this.drawn === undefined) return;
    const since = (performance.now() - this.drawn) / 1000, { texts, scene } = this;
    if (this.fault) return this.dead.show(since > DeadMan.LIMIT_S ? texts.dead_link : this.fault.title, since > DeadMan.LIMIT_S ? texts.dead_link_text : this.fault.fault, since);
    if (!scene) return;
    const strip = scene.strip, awake = strip.moves || strip.pulse === "dead";
    const beat = scene.beat_age_s + since;
    if (awake && since > DeadMan.LIMIT_S) this.dead.show(texts.dead_link, texts.dead_link_text, since);
    else if (strip.pulse === "dead" || (strip.moves && beat > DeadMan.ENGINE_S)) this.dead.show(texts.dead_engine, texts.dead_engine_text, Math.max(beat, 0));
    else this.dead.show("");
    const pace = strip.pulse === "running" ? scene.pace : 0;
    const now = scene.ms + Math.min(since, 2) * pace * 1000, parts = this.parts;
    say(parts.clock, clock(now, strip.offset_min));
    say(parts.utcTime, clock(now) + " UTC");
    say(parts.next, strip.next ? strip.next.text + " " + span((strip.next.ms - now) / 1000) : "");
    const alive = strip.moves ? texts.engine + " " + Math.max(0, Math.round(beat)) + " s · " + texts.link + " " + Math.floor(since) + " s" : strip.pulse_text;
    say(parts.engine, alive);
    this.alarms.tick(now);
  }
}

export default function ({ data, parentElement }) {
  const inbox = (globalThis.crowdwatchWall ??= {});
  let wall = parentElement.crowdwatchWall;
  if (!wall) {
    wall = parentElement.crowdwatchWall = new Wall(parentElement);
    inbox.draw = () => wall.feed(inbox);
  }
  wall.arrange(data);
  wall.feed(inbox);
  return () => {
    wall.stop();
    parentElement.crowdwatchWall = null;
    delete inbox.draw;
  };
}
