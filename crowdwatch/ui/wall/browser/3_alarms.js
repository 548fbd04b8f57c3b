// Six places of alarms. A place keeps its nodes, so that nothing moves under a pointer and the focus stays.
const SETTLE_MS = 1000;

class Alarms {
  constructor(parent, wall) {
    this.wall = wall;
    this.list = el("ul", "slots", parent);
    this.list.id = "cw-slots";
    this.places = [];
    for (let n = 0; n < 6; n++) this.places.push(this.place(n));
    const below = el("div", "below", parent);
    this.more = el("div", "more one", below);
    this.report = el("button", "", below);
    this.report.type = "button";
    this.report.addEventListener("click", () => this.wall.dialog.report());
    this.live = el("div", "hidden", parent);
    this.live.setAttribute("aria-live", "assertive");
    this.known = new Map();
  }

  place(n) {
    const box = el("li", "slot", this.list);
    box.id = "cw-slot-" + (n + 1);
    const place = { n, box, card: null, id: "", changed: -Infinity, said: "" };
    place.key = el("div", "key", box, String(n + 1));
    const head = el("div", "head", box);
    place.name = el("span", "name one", head);
    place.what = el("span", "what one", head);
    place.now = el("span", "now", head);
    place.unit = el("span", "unit", head);
    place.timer = el("span", "timer", head);
    place.line = el("div", "line one", box);
    const acts = el("div", "acts", box);
    for (const [name, does] of [
      ["ack", () => this.acknowledge(place)],
      ["dispatch", () => this.wall.dialog.dispatch(place.card)],
      ["shelve", () => this.wall.dialog.shelve(place.card)],
    ]) {
      const button = el("button", name, acts);
      button.type = "button";
      button.addEventListener("click", (event) => {
        event.stopPropagation();
        if (performance.now() - place.changed < SETTLE_MS) this.refuse(place, this.wall.texts.key_moved);
        else if (place.card) does();
      });
      place[name] = button;
    }
    box.addEventListener("click", () => place.card && this.wall.select(place.card.zone, this.id(place.card), true));
    return place;
  }

  id(card) { return card.zone + "\n" + card.alarm; }

  // A key means the alarm that is seen in its place: never one that came this moment or that is out of sight.
  press(n) {
    const place = this.places[n];
    if (!place.card) return;
    const seen = place.box.getBoundingClientRect();
    const within = seen.top >= 0 && seen.bottom <= innerHeight && seen.height > 10 && document.visibilityState === "visible";
    if (!within) return;
    if (performance.now() - place.changed < SETTLE_MS) this.refuse(place, this.wall.texts.key_moved);
    else this.acknowledge(place);
  }

  acknowledge(place) {
    const card = place.card;
    if (!card.asks || card.waits_ack || this.wall.scene.no_acts) return;
    this.wall.act({ kind: "acknowledge", zone: card.zone, alarm: card.alarm, value: card.level }, this.id(card));
    this.redraw(place);
  }

  refuse(place, text) {
    place.said = text;
    this.redraw(place);
    setTimeout(() => { if (place.said === text) { place.said = ""; this.redraw(place); } }, 4000);
  }

  draw(scene) {
    const { texts } = this.wall;
    this.list.setAttribute("aria-label", texts.alarms);
    scene.slots.forEach((card, n) => {
      const place = this.places[n], id = card ? this.id(card) : "";
      if (id !== place.id) {
        if (id) place.changed = performance.now();
        place.id = id;
        place.said = "";
      }
      place.card = card;
      this.redraw(place);
    });
    const words = scene.more_level === null ? texts.more : texts.more_worst;
    const level = scene.more_level === null ? "" : this.wall.layout.levels[scene.more_level].word;
    say(this.more, scene.more ? fill(words, { n: scene.more, level }) : scene.no_acts ? fill(texts.no_acts, { why: scene.no_acts }) : "");
    mark(this.more, "loud", scene.more && scene.more_level !== null);
    say(this.report, texts.report);
    this.report.disabled = Boolean(scene.no_acts);
    this.report.title = scene.no_acts;
    this.news(scene);
  }

  // A new alarm, or a higher level of one, is read out; a high one sounds and selects itself.
  news(scene) {
    let highest = null;
    const known = new Map();
    for (const card of scene.slots) {
      if (!card) continue;
      const id = this.id(card);
      known.set(id, card.level);
      const before = this.known.get(id);
      if (card.asks && card.level > 0 && (before === undefined || card.level > before)) {
        if (!highest || card.level > highest.level) highest = card;
      }
    }
    const first = !this.wall.fed;
    this.known = known;
    if (!highest) return;
    const style = this.wall.layout.levels[highest.level];
    say(this.live, style.word + " " + highest.name + ": " + highest.what);
    if (!first && highest.level >= 3) this.wall.horn.sound();
    const held = scene.slots.find((card) => card && this.id(card) === this.wall.selected.alarm);
    const outranks = !held || !held.asks || held.level <= highest.level;
    if (!this.wall.pinned && outranks) this.wall.select(highest.zone, this.id(highest), false);
  }

  redraw(place) {
    const { texts, layout, scene } = this.wall, card = place.card;
    mark(place.box, "empty", !card);
    mark(place.box, "asks", card?.asks);
    mark(place.box, "selected", card && this.wall.selected.alarm === place.id);
    for (const part of [place.what, place.now, place.unit, place.timer, place.ack, place.dispatch, place.shelve]) show(part, card);
    if (!card) {
      say(place.name, "");
      say(place.line, texts.empty);
      mark(place.line, "said", false);
      place.key.style.background = "";
      place.key.style.color = "";
      place.box.removeAttribute("aria-label");
      return;
    }
    const style = layout.levels[card.level];
    place.key.style.background = card.silent ? "" : style.colour;
    place.key.style.color = card.silent ? "" : style.ink;
    say(place.name, style.sign + " " + card.name);
    say(place.what, card.what);
    say(place.now, card.big);
    say(place.unit, card.unit);
    const sent = this.wall.answerOf(place.id);
    const said = place.said || (sent && sent.said) || this.refusedOf(place.id);
    const state = card.asks && !card.over ? "" : card.state;
    const parts = [style.word, card.now, state, card.times, card.owner, card.shelf, card.worst].filter(Boolean);
    const waits = sent && !sent.answered ? texts.sending : card.waits.length ? texts.sent : "";
    say(place.line, said || (waits ? waits + " · " : "") + parts.join(" · "));
    place.line.title = card.why;
    mark(place.line, "said", said);
    place.box.setAttribute("aria-label", (place.n + 1) + ". " + [style.word, card.what, card.state].join(", ") + ". " + card.name + ". " + card.big + " " + card.unit + " " + card.now);
    say(place.ack, texts.ack + " " + (place.n + 1));
    say(place.dispatch, texts.dispatch);
    say(place.shelve, card.may_unshelve ? texts.unshelve : texts.shelve);
    for (const button of [place.ack, place.dispatch, place.shelve]) button.title = scene.no_acts;
    place.ack.disabled = !card.asks || card.waits_ack || Boolean(scene.no_acts) || Boolean(sent && !sent.answered);
    place.dispatch.disabled = !card.may_send || Boolean(scene.no_acts);
    place.shelve.disabled = Boolean(scene.no_acts);
  }

  refusedOf(id) {
    const newest = this.wall.scene.refused.find((each) => each.zone + "\n" + each.alarm === id && each.fresh);
    return newest ? newest.text : "";
  }

  // Sixty seconds for somebody to answer, in event time; counted once a second.
  tick(nowMs) {
    for (const place of this.places) {
      if (!place.card || !place.card.asks || place.card.over) { if (place.card) say(place.timer, ""); continue; }
      const left = 60 - (nowMs - place.card.asked_ms) / 1000;
      mark(place.timer, "late", left < 0);
      say(place.timer, left >= 0 ? Math.ceil(left) + " s" : "+" + span(-left));
    }
  }
}

// Small forms over the alarms: what is typed stays while the wall is drawn anew.
class Dialog {
  constructor(parent, wall) {
    this.wall = wall;
    this.parent = parent;
  }

  open(title, kind, card) {
    this.close();
    this.before = this.wall.focused();
    this.veil = el("div", "veil", this.parent);
    const form = el("form", "", this.veil);
    form.setAttribute("role", "dialog");
    form.setAttribute("aria-modal", "true");
    form.setAttribute("aria-label", title);
    el("h2", "", form, title);
    this.form = form;
    this.fault = el("div", "said", null);
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close();
    });
    return form;
  }

  field(label, input) {
    const box = el("label", "", this.form, label);
    box.append(input);
    return input;
  }

  choice(label, options) {
    const select = el("select");
    for (const [value, text] of options) {
      const option = el("option", "", select, text);
      option.value = value;
    }
    return this.field(label, select);
  }

  input(label, most = 500) {
    const input = el("input");
    input.type = "text";
    input.maxLength = most;
    return this.field(label, input);
  }

  end(send, more = []) {
    const { texts } = this.wall;
    this.fault.setAttribute("role", "alert");
    this.form.append(this.fault);
    const row = el("div", "row", this.form);
    for (const [text, does] of more) {
      const button = el("button", "", row, text);
      button.type = "button";
      button.addEventListener("click", does);
    }
    const cancel = el("button", "", row, texts.cancel);
    cancel.type = "button";
    cancel.addEventListener("click", () => this.close());
    const submit = el("button", "", row, texts.send);
    submit.type = "submit";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    (this.form.querySelector("input,select") ?? submit).focus();
  }

  close() {
    this.veil?.remove();
    this.veil = null;
    this.nearest = null;
    if (this.zone) { this.zone = ""; this.wall.look(); }
    this.before?.focus?.();
  }

  send(action, id) {
    this.wall.act(action, id);
    this.close();
  }

  needs(input) {
    if (input.value.trim()) return false;
    say(this.fault, this.wall.texts.fill);
    input.focus();
    return true;
  }

  dispatch(card) {
    const { texts } = this.wall;
    this.open(texts.dispatch + ": " + card.name, "assign", card);
    this.nearest = this.choice(texts.unit, []);
    this.card = card;
    this.zone = card.zone;
    this.fillUnits(null);
    this.wall.look();
    this.end(() => {
      if (!this.nearest.value) return say(this.fault, texts.no_unit);
      this.send({ kind: "assign", zone: card.zone, alarm: card.alarm, subject: this.nearest.value }, this.wall.alarms.id(card));
    });
  }

  // Free units; the server says how far they walk, and the order follows as long as nobody has chosen.
  fillUnits(metres) {
    if (!this.nearest || this.nearest.dataset.chosen) return;
    const { layout, scene, texts } = this.wall;
    const names = new Map(layout.units.map((unit) => [unit.id, unit.name]));
    const free = scene.units.filter((unit) => unit.free).map((unit) => unit.id);
    const known = new Map(metres ?? []);
    const order = [...free.filter((id) => known.has(id)).sort((a, b) => known.get(a) - known.get(b)), ...free.filter((id) => !known.has(id))];
    const text = (id) => (names.get(id) ?? id) + (known.has(id) ? " · " + fill(texts.metres, { metres: Math.round(known.get(id)) }) : "");
    const key = order.map(text).join("\n");
    if (key === this.nearest.dataset.drawn) return;
    this.nearest.dataset.drawn = key;
    this.nearest.replaceChildren();
    for (const id of order) {
      const option = el("option", "", this.nearest, text(id));
      option.value = id;
    }
    this.nearest.addEventListener("input", () => (this.nearest.dataset.chosen = "1"), { once: true });
  }

  shelve(card) {
    const { texts, layout } = this.wall, id = this.wall.alarms.id(card);
    const same = { zone: card.zone, alarm: card.alarm, value: card.level };
    if (card.may_unshelve) return this.wall.act({ kind: "unshelve", ...same }, id);
    this.open(texts.shelve + ": " + card.name, "shelve", card);
    const why = this.input(texts.reason);
    const minutes = this.choice(texts.minutes, [5, 10, 15].map((n) => [n, fill(texts.minutes_n, { n })]));
    const close = card.may_close
      ? [[texts.close_alarm, () => this.needs(why) || this.send({ kind: "close", ...same, text: why.value }, id)]]
      : [];
    this.end(() => this.needs(why) || this.send({ kind: "shelve", ...same, text: why.value, minutes: Number(minutes.value) }, id), close);
  }

  report() {
    const { texts, layout } = this.wall;
    this.open(texts.report, "report", null);
    const zone = this.choice(texts.zone, layout.zones.map((each) => [each.id, each.name]));
    if (this.wall.selected.zone) zone.value = this.wall.selected.zone;
    const what = this.input(texts.what, 64);
    const level = this.choice(texts.level, layout.report_levels.map((n) => [n, layout.levels[n].sign + " " + layout.levels[n].word]));
    level.value = "2";
    const words = this.input(texts.words);
    this.end(() => this.needs(words) ||
      this.send({ kind: "report", zone: zone.value, subject: what.value, value: Number(level.value), text: words.value }, "report"));
  }

  confirm(card) {
    const { texts } = this.wall;
    this.open(texts.confirm_sure, "confirm", card);
    for (const text of Object.values(card.action.messages)) el("div", "", this.form, text);
    this.end(() => this.send({ kind: "confirm", zone: card.zone, alarm: card.alarm, subject: card.announcement }, this.wall.alarms.id(card)));
  }
}
