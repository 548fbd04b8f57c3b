// What stands below the alarms and the map: what to do, the worst zones, cameras, the last quarter of an hour.
const PICTURED = 2;

class Panels {
  chip(parent, level) {
    const style = this.layout.levels[level], chip = el("span", "chip", parent, style.sign + " " + style.word);
    chip.style.background = style.colour;
    chip.style.color = style.ink;
    return chip;
  }

  drawAction() {
    const { texts, scene } = this;
    this.action.replaceChildren();
    const card = scene.slots.find((each) => each && this.alarms.id(each) === this.selected.alarm);
    const called = card?.action?.call ? " · " + card.action.call : "";
    el("div", "one dim", this.action, texts.do + (card ? ": " + card.name : "") + called);
    if (!card) return el("div", "dim", this.action, texts.nothing_to_do);
    if (!card.action) return el("div", "", this.action, texts.no_measure);
    el("div", "do", this.action, card.action.do);
    if (card.action.doubt) el("div", "say", this.action, card.action.doubt).style.color = "#ffb3a8";
    const own = this.layout.language, messages = Object.entries(card.action.messages);
    for (const [code, text] of messages.sort(([a], [b]) => (b === own) - (a === own))) {
      const line = el("div", "say dim", this.action, texts["message_" + code] + ": " + text);
      line.title = text;
    }
    if (card.announcement) {
      const button = el("button", "", this.action, texts.confirm);
      button.type = "button";
      button.disabled = Boolean(scene.no_acts);
      button.addEventListener("click", () => this.dialog.confirm(card));
    }
    return null;
  }

  drawFive() {
    const { layout, scene } = this;
    this.five.replaceChildren();
    this.five.setAttribute("aria-label", this.texts.five);
    const names = new Map(layout.zones.map((zone) => [zone.id, zone.name]));
    for (const zone of scene.worst) {
      const row = el("div", "row", this.five);
      this.chip(row, zone.level);
      el("b", "one", row, names.get(zone.id) ?? zone.id);
      el("b", "one", row, zone.value);
      this.spark(row, zone.line, layout.levels[zone.level].colour);
      el("span", "one dim", row, [zone.limit, zone.quality].filter(Boolean).join(" · "));
      row.addEventListener("click", () => this.select(zone.id, null, true));
    }
  }

  spark(parent, line, colour) {
    const svg = draw("svg", parent, { viewBox: "0 0 45 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const most = Math.max(1, ...line.filter((value) => value !== null));
    let d = "", pen = false;
    line.forEach((value, n) => {
      if (value === null) { pen = false; return; }
      d += (pen ? "L" : "M") + n + " " + (9.5 - (9 * value) / most).toFixed(2);
      pen = true;
    });
    draw("path", svg, { d: d || "M0 0", fill: "none", stroke: colour, "stroke-width": 2, "vector-effect": "non-scaling-stroke" });
  }

  // One tile a camera, the unhealthy first; those of the selected zone with their pictures.
  drawCameras() {
    const { layout, scene, texts } = this;
    this.cameras.replaceChildren();
    this.cameras.setAttribute("aria-label", texts.cameras);
    const names = new Map(layout.cameras.map((camera) => [camera.id, camera.name]));
    const own = (layout.zone_cameras[this.selected.zone] ?? []).slice(0, PICTURED), pictures = this.extra?.pictures ?? {};
    const states = new Map(scene.cameras.map((camera) => [camera.id, camera]));
    for (const id of own.filter((each) => pictures[each] && states.has(each))) {
      const tile = this.camera(this.cameras, states.get(id), names.get(id), true);
      const image = el("img");
      image.alt = names.get(id);
      image.src = new URL(pictures[id].url.replace(/^\/media/, "media"), document.baseURI).href;
      tile.prepend(image);
      mark(tile, "pictured", true);
      el("span", "one dim", tile.lastChild, fill(texts.picture_age, { age: pictures[id].age }));
    }
    const rest = el("div", "rest", this.cameras);
    const shown = new Set(own.filter((each) => pictures[each]));
    for (const camera of scene.cameras) if (!shown.has(camera.id)) this.camera(rest, camera, names.get(camera.id), own.includes(camera.id));
    this.fit(rest);
  }

  // What has no room is a number: those that are unhealthy stand first, so it says how many of the rest are.
  fit(rest) {
    const tiles = [...rest.children], high = rest.clientHeight + 2;
    const without = tiles.filter((tile) => tile.offsetTop - rest.offsetTop + tile.offsetHeight > high);
    if (!without.length || !high) return;
    if (tiles.length > without.length) without.unshift(tiles[tiles.length - without.length - 1]);
    const ill = without.filter((tile) => tile.classList.contains("bad")).length;
    for (const tile of without) tile.remove();
    const more = el("b", "camera more" + (ill ? " bad" : ""), rest, fill(this.texts.more_cameras, { n: without.length, ill }));
    more.title = more.textContent;
  }

  camera(parent, camera, name, shown) {
    const tile = el("div", "camera" + (camera.ok ? "" : " bad hatched") + (shown ? " shown" : ""), parent);
    const words = el("div", "words", tile);
    el("b", "one", words, name ?? camera.id);
    const text = el("span", "one" + (camera.ok ? " dim" : ""), words, (camera.ok ? "" : "⚠ ") + camera.text);
    text.title = camera.text;
    return tile;
  }

  drawTimeline() {
    const { scene, layout, texts } = this;
    const wide = this.timeline.clientWidth, high = this.timeline.clientHeight, small = this.u * 1.7;
    this.timeline.replaceChildren();
    if (!wide || !high) return;
    const svg = draw("svg", this.timeline, { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": texts.timeline });
    const x = (ms) => wide - ((scene.ms - ms) / 900000) * wide;
    for (let ms = Math.ceil((scene.ms - 900000) / 300000) * 300000; ms <= scene.ms; ms += 300000) {
      draw("line", svg, { x1: x(ms), y1: 0, x2: x(ms), y2: high, stroke: "#5b6671" });
      draw("text", svg, { x: x(ms) + 4, y: high - small * 0.35, "font-size": small, fill: "#c6d0d9" }).textContent = clock(ms, scene.strip.offset_min, false);
    }
    const rows = Math.max(1, Math.floor((high - small * 1.5) / (small * 1.3)));
    const free = Array(rows).fill(wide);  // the newest has the first choice; each row fills from the right
    for (const event of [...scene.timeline].reverse()) {
      const at = Math.max(2, Math.min(x(event.ms) - small * 0.5, wide - small * 1.2));
      const text = event.sign + " " + cut(event.text, 26), long = columns(text) * small * 0.56;
      let row = free.findIndex((left) => at + long < left), words = text;
      let anchor = "start", left = at - small * 0.4;
      if (row < 0) {
        row = free.findIndex((left) => at + small < left);
        if (row < 0) continue;
        if (at > long) [anchor, left, words] = ["end", at + small - long, cut(event.text, 26) + " " + event.sign];
        else words = event.sign;
      }
      free[row] = left;
      const colour = event.level > 0 ? layout.levels[event.level].colour : "#c6d0d9";
      const sign = draw("text", svg, { x: anchor === "end" ? at + small : at, "text-anchor": anchor, y: small * 1.15 + row * small * 1.3, "font-size": small, "font-weight": 700, fill: "#f2f5f7" });
      for (const part of words === event.sign ? [words] : anchor === "end" ? [words.slice(0, -1), event.sign] : [event.sign, words.slice(1)]) {
        draw("tspan", sign, part === event.sign ? { fill: colour } : {}).textContent = part;
      }
      draw("title", sign).textContent = clock(event.ms, scene.strip.offset_min) + " " + event.text;
    }
    const last = scene.timeline[scene.timeline.length - 1];
    const text = el("div", "one", this.timeline, texts.timeline + (last ? ": " + clock(last.ms, scene.strip.offset_min) + " " + last.text : ""));
    text.style.cssText = "position:absolute;left:.4em;bottom:0;max-width:96%;padding-right:.5em;background:#1b232d";
  }
}
