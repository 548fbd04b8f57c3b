// The map: zones by level, worst last. Places are metres, east and north; sizes of text are pixels of the screen.
const PART = 40;

class SiteMap {
  constructor(parent, wall) {
    this.wall = wall;
    this.layers = { density: false, age: false, cones: false };
    this.box = el("div", "map", parent);
    this.box.id = "cw-map";
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "listbox");
    this.svg = draw("svg", this.box, { role: "presentation" });
    this.text = el("p", "hidden", this.box);
    this.text.id = "cw-map-text";
    this.box.setAttribute("aria-describedby", "cw-map-text");
    this.scale = el("div", "scale", this.box);
    this.buttons = el("div", "layers", this.box);
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  build() {
    const { layout, texts } = this.wall;
    this.svg.replaceChildren();
    this.box.setAttribute("aria-label", texts.map + ". " + texts.map_keys);
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    const [west, south, east, north] = layout.extent;
    this.metre = Math.min(this.width / (east - west), this.height / (north - south));
    this.left = (this.width - this.metre * (east - west)) / 2 - west * this.metre;
    this.foot = (this.height + this.metre * (north - south)) / 2 + south * this.metre;
    const definitions = draw("defs", this.svg);
    this.pattern(definitions, "cw-hatch", 10, (pattern) => {
      draw("rect", pattern, { width: 10, height: 10, fill: "#20272f" });
      draw("rect", pattern, { width: 4, height: 10, fill: "#6b747d" });
    }, "rotate(45)");
    this.pattern(definitions, "cw-dots", 9, (pattern) => {
      draw("circle", pattern, { cx: 3, cy: 3, r: 2, fill: "#000", "fill-opacity": 0.55 });
    });
    draw("path", this.svg, { d: this.path(layout.walkable), fill: "url(#cw-hatch)", "fill-opacity": 0.5, stroke: "#8d959d" });
    this.zones = new Map();
    this.image = draw("image", this.svg, { preserveAspectRatio: "none", style: "image-rendering:pixelated;opacity:.95" });
    this.zonesBox = draw("g", this.svg);
    for (const ring of layout.obstacles) draw("path", this.svg, { d: this.path(ring), fill: layout.colours.off, stroke: "#5b6671" });
    this.chosen = ["#000", "#fff"].map((stroke, n) => draw("path", this.svg, { fill: "none", stroke, "stroke-width": (n ? 5 : 9) * this.wall.fine, "pointer-events": "none" }));
    this.aimed = draw("path", this.svg, { fill: "none", stroke: "#fff", "stroke-width": 3, "stroke-dasharray": "9 6", "pointer-events": "none" });
    this.cones = draw("g", this.svg, { "pointer-events": "none" });
    this.fixtures = draw("g", this.svg, { "pointer-events": "none" });
    this.platesBox = draw("g", this.svg, { "pointer-events": "none" });
    for (let level = -1; level <= 4; level++) for (const box of [this.zonesBox, this.platesBox]) draw("g", box);
    for (const zone of layout.zones) this.zone(zone);
    this.fix();
    this.switches();
    this.drawn = this.unitsOf = this.fieldOf = "";
  }

  pattern(parent, id, size, inside, turn = "") {
    inside(draw("pattern", parent, { id, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: `${turn} scale(${this.wall.fine})` }));
  }

  x(east) { return Math.round((this.left + east * this.metre) * 10) / 10; }
  y(north) { return Math.round((this.foot - north * this.metre) * 10) / 10; }
  path(points) { return "M" + points.map(([e, n]) => this.x(e) + " " + this.y(n)).join("L") + "Z"; }

  zone(zone) {
    const group = draw("g", this.zonesBox.firstChild, { class: "zone", role: "option", id: "cw-zone-" + this.zones.size });
    const d = this.path(zone.poly);
    const parts = { zone, group, rim: draw("path", group, { d, fill: "none", stroke: "#000", "stroke-width": 7 * this.wall.fine }) };
    parts.area = draw("path", group, { d, "stroke-width": 4 });
    parts.dots = draw("path", group, { d, fill: "url(#cw-dots)", stroke: "none" });
    parts.d = d;
    parts.plate = draw("g", this.platesBox.firstChild, { class: "zone" });
    parts.value = draw("text", parts.plate);
    parts.sign = draw("tspan", parts.value, { "font-size": "72%" });
    parts.most = draw("tspan", parts.value, { "font-size": "50%" });
    parts.digits = draw("tspan", parts.value);
    parts.name = draw("text", parts.plate);
    group.addEventListener("click", () => this.wall.select(zone.id, null, true));
    this.zones.set(zone.id, parts);
  }

  // Values as large as must be read from three metres, larger where the zone has room, smaller in a dense map only.
  sizes(zone, value, name) {
    const big = this.wall.big, tall = zone.box[1] * this.metre, wide = zone.box[0] * this.metre;
    const room = Math.max(2 * zone.r * this.metre, Math.min(wide, tall));
    const fit = Math.min(wide / (columns(value) * 0.62), tall * 0.5, room * 0.6);
    const least = this.wall.layout.zones.length > 60 ? Math.min(big, this.wall.u * 1.6) : big;
    const size = Math.max(least, Math.min(fit, big * 1.6));
    const small = Math.min(size * 0.5, (wide * 0.96) / (Math.max(columns(name), 1) * 0.58));
    return [size, tall >= size * 1.5 ? Math.max(small, this.wall.u * 1.7) : 0, wide];
  }

  // The worst first. A large map is drawn in parts, a frame each, so that the browser is never held up.
  draw(scene) {
    const selected = this.wall.selected.zone, age = this.layers.age;
    const last = scene.zones[scene.zones.length - 1]?.id;
    const look = [selected, this.layers.density, age, this.wall.u, this.metre].join();
    const changed = [];
    for (const now of [...scene.zones].reverse()) {
      const parts = this.zones.get(now.id);
      const key = look + Object.entries(now).map(([name, value]) => (age || (name !== "age" && name !== "seen") ? value : "")).join();
      if (!parts || key === parts.key) continue;
      changed.push([parts, now, key]);
    }
    cancelAnimationFrame(this.frame);
    const part = this.drawn ? PART : Infinity;
    const next = () => {
      for (const [parts, now, key] of changed.splice(0, part)) {
        parts.key = key;
        this.zoneNow(parts, now);
        if (parts.level !== now.level) this.raise(parts, now.level);
      }
      if (changed.length) this.frame = requestAnimationFrame(next);
    };
    next();
    const worst = this.zones.get(last);
    if (worst && last !== this.drawn) {
      this.drawn = last;
      this.raise(worst, scene.zones[scene.zones.length - 1].level);
    }
    for (const path of this.chosen) set(path, { d: this.zones.get(selected)?.d ?? "" });
    set(this.aimed, { d: this.cursor !== selected ? this.zones.get(this.cursor)?.d ?? "" : "" });
    this.field(scene.grid);
    this.move(scene);
    this.tell(scene);
  }

  // A higher level lies over a lower one: each level has a group of its own.
  raise(parts, level) {
    parts.level = level;
    this.zonesBox.children[level + 1].append(parts.group);
    this.platesBox.children[level + 1].append(parts.plate);
  }

  zoneNow(parts, now) {
    const { layout, texts } = this.wall, selected = this.wall.selected.zone;
    const style = layout.levels[now.level], unknown = now.level < 0;
    const paint = this.layers.density && !unknown ? "none" : unknown ? "url(#cw-hatch)" : style.colour;
    set(parts.area, {
      fill: paint, "fill-opacity": unknown || this.layers.density ? 1 : 0.82, stroke: style.colour,
      "stroke-width": (this.layers.density ? 7 : 4) * this.wall.fine, "stroke-dasharray": unknown ? "10 6" : now.degraded ? "3 4" : "none",
    });
    show(parts.dots, now.degraded && !unknown);
    const number = (now.least ? "≥" : "") + now.value, narrow = parts.zone.box[0] * this.metre < this.wall.big * 4.5;
    const most = now.densest && !narrow ? " " + texts.most : "", digits = unknown ? "" : narrow ? number : " " + number + now.trend;
    const value = style.sign + most.slice(0, 3) + digits;
    const said = this.layers.age ? now.seen + " · " + now.age : parts.zone.name;
    const [size, small, wide] = this.sizes(parts.zone, value, said);
    const at = { x: this.x(parts.zone.spot[0]), y: this.y(parts.zone.spot[1]) };
    const plain = this.layers.density || unknown;
    const ink = { fill: plain ? "#fff" : style.ink, stroke: plain ? "#000" : style.colour, "stroke-width": size / (plain ? 5 : 8) };
    set(parts.value, { ...ink, x: at.x, y: at.y - (small ? small * 0.5 : 0), "font-size": size.toFixed(1) });
    set(parts.name, { ...ink, x: at.x, y: at.y + size * 0.62, "font-size": small.toFixed(1), "stroke-width": small / 6 });
    show(parts.name, small > 0);
    say(parts.sign, style.sign);
    say(parts.most, most);
    say(parts.digits, digits);
    say(parts.name, cut(said, Math.max(6, Math.floor((wide * 1.06) / (small * 0.55 || 1)))));
    const heard = fill(texts.zone_text, { name: parts.zone.name, level: style.word, value: unknown ? "" : (now.densest ? texts.most + " " : "") + now.value + " " + texts.unit_density });
    set(parts.group, { "aria-label": heard, "aria-selected": now.id === selected });
  }

  // The map in words, the worst first; as often as somebody can hear it.
  tell(scene) {
    if (scene.ms - (this.told ?? -Infinity) < 5000 && scene.ms >= this.told && this.toldOf === this.wall.layoutKey) return;
    this.told = scene.ms;
    this.toldOf = this.wall.layoutKey;
    const { layout, texts } = this.wall;
    const parts = [...scene.zones].reverse().slice(0, 40).map((zone) =>
      this.zones.get(zone.id)?.group.getAttribute("aria-label") + (zone.degraded ? " (" + texts.degraded + ")" : ""));
    say(this.text, fill(texts.map_text, { event: layout.event, time: clock(scene.ms, scene.strip.offset_min), zones: parts.join("; ") }));
  }

  field(grid) {
    show(this.image, this.layers.density && grid);
    if (!this.layers.density || !grid || this.fieldOf === grid.ms + "/" + this.metre) return;
    this.fieldOf = grid.ms + "/" + this.metre;
    const rows = grid.rows.length;
    const canvas = document.createElement("canvas");
    canvas.height = rows;
    canvas.width = grid.rows[0].reduce((sum, value, n) => sum + (n % 2 ? value : 0), 0);
    const paint = canvas.getContext("2d");
    grid.rows.forEach((runs, row) => {
      let col = 0;
      for (let n = 0; n < runs.length; n += 2) {
        if (runs[n] > -2) {
          paint.fillStyle = runs[n] < 0 ? this.wall.layout.colours.ground : this.wall.layout.bands[runs[n]];
          paint.fillRect(col, rows - 1 - row, runs[n + 1], 1);
        }
        col += runs[n + 1];
      }
    });
    const [east, north] = grid.origin;
    set(this.image, {
      href: canvas.toDataURL(), x: this.x(east), y: this.y(north + rows * grid.cell), width: canvas.width * grid.cell * this.metre,
      height: rows * grid.cell * this.metre,
    });
  }

  // What stands still: gates and cameras.
  fix() {
    const { layout } = this.wall, small = this.wall.u * 1.7;
    this.gates = new Map();
    for (const gate of layout.gates) {
      const [a, b] = gate.line;
      draw("line", this.fixtures, { x1: this.x(a[0]), y1: this.y(a[1]), x2: this.x(b[0]), y2: this.y(b[1]), stroke: "#f2f5f7", "stroke-width": 5 * this.wall.fine, "stroke-dasharray": "2 4" });
      const x = this.x((a[0] + b[0]) / 2), y = this.y((a[1] + b[1]) / 2);
      const anchor = x < this.width * 0.2 ? "start" : x > this.width * 0.8 ? "end" : "middle";
      const text = draw("text", this.fixtures, { class: "svgtext", x, y: y > small * 3 && y < this.height / 2 ? y - small * 0.6 : y < this.height - small * 2 ? y + small * 1.25 : y - small * 0.6, "font-size": small, "stroke-width": small / 4, "text-anchor": anchor });
      this.gates.set(gate.id, { gate, text });
    }
    this.cameraMarks = new Map();
    for (const camera of layout.cameras) {
      const cones = camera.cone.map((ring) => draw("path", this.cones, { d: this.path(ring), fill: "#fff", "fill-opacity": 0.07, stroke: "#fff", "stroke-width": 2 * this.wall.fine, "stroke-dasharray": `${6 * this.wall.fine} ${5 * this.wall.fine}` }));
      let body = null;
      if (camera.at) {
        const r = this.wall.u * 0.9, within = (value, most) => Math.min(Math.max(value, r + 2), most - r - 2);
        const x = within(this.x(camera.at[0]), this.width), y = within(this.y(camera.at[1]), this.height);
        body = draw("path", this.fixtures, { d: `M${x - r} ${y}L${x} ${y - r}L${x + r} ${y}L${x} ${y + r}Z`, fill: "#f2f5f7", stroke: "#000", "stroke-width": 2 });
        draw("title", body).textContent = camera.name;
      }
      this.cameraMarks.set(camera.id, { cones, body });
    }
    this.units = draw("g", this.fixtures);
  }

  move(scene) {
    const { layout } = this.wall, small = this.wall.u * 1.7;
    for (const gate of scene.gates) {
      const held = this.gates.get(gate.id);
      if (held) say(held.text, this.wall.box.classList.contains("tall") ? "" : gate.brief);
    }
    const own = layout.zone_cameras[this.wall.selected.zone] ?? [];
    for (const camera of scene.cameras) {
      const held = this.cameraMarks.get(camera.id);
      if (!held) continue;
      for (const cone of held.cones) show(cone, this.layers.cones || own.includes(camera.id) || !camera.ok);
      for (const cone of held.cones) set(cone, { stroke: camera.ok ? "#fff" : "#ffb3a8", "fill-opacity": camera.ok ? 0.05 : 0, "stroke-opacity": camera.ok && !this.layers.cones ? 0.35 : 0.8 });
      if (held.body) set(held.body, { fill: camera.ok ? "#f2f5f7" : "url(#cw-hatch)", stroke: camera.ok ? "#000" : "#fff" });
    }
    const names = new Map(layout.units.map((unit) => [unit.id, unit]));
    const key = JSON.stringify(scene.units) + this.metre;
    if (key === this.unitsOf) return;
    this.unitsOf = key;
    this.units.replaceChildren();
    for (const unit of scene.units) {
      const kind = names.get(unit.id)?.kind, x = this.x(unit.at[0]), y = this.y(unit.at[1]), r = this.wall.u * 0.95;
      const look = { fill: unit.free ? "#0f141a" : "#f2f5f7", stroke: unit.state === "off" ? "#8d959d" : "#f2f5f7", "stroke-width": 2 };
      if (kind === "drone") draw("path", this.units, { ...look, d: `M${x} ${y - r}L${x + r} ${y + r}L${x - r} ${y + r}Z` });
      else draw("circle", this.units, { ...look, cx: x, cy: y, r });
      draw("text", this.units, { x, y: y + small * 0.33, "font-size": small * 0.95, "text-anchor": "middle", fill: unit.free ? "#fff" : "#000", "font-weight": 800 })
        .textContent = kind === "medic" ? "+" : kind === "drone" ? "" : cut(unit.id, 3);
    }
  }

  switches() {
    const { texts, layout } = this.wall;
    this.buttons.replaceChildren();
    for (const layer of ["density", "age", "cones"]) {
      const button = el("button", "", this.buttons, texts["layer_" + layer]);
      button.type = "button";
      button.setAttribute("aria-pressed", this.layers[layer]);
      button.addEventListener("click", () => {
        this.layers[layer] = !this.layers[layer];
        button.setAttribute("aria-pressed", this.layers[layer]);
        show(this.scale, this.layers.density);
        this.wall.look();
        this.wall.redraw();
      });
    }
    this.scale.replaceChildren();
    layout.bands.forEach((colour, n) => {
      const part = el("span", "", this.scale, (n ? "" : texts.unit_density + " ") + layout.edges[n]);
      part.style.background = colour;
      part.style.color = n < 4 ? "#fff" : "#000";
    });
    show(this.scale, this.layers.density);
  }

  // Arrow keys go to the nearest zone in that direction; Enter selects it.
  key(event) {
    const ways = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    if (event.key in ways) this.step(ways[event.key]);
    else if (event.key === "Enter" && this.cursor) this.wall.select(this.cursor, null, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  step([east, north]) {
    const zones = this.wall.layout.zones;
    const from = zones.find((zone) => zone.id === (this.cursor ?? this.wall.selected.zone)) ?? null;
    const cost = (zone) => {
      const ahead = (zone.spot[0] - from.spot[0]) * east + (zone.spot[1] - from.spot[1]) * north;
      const aside = Math.abs((zone.spot[0] - from.spot[0]) * north) + Math.abs((zone.spot[1] - from.spot[1]) * east);
      return ahead > 0.1 ? ahead + 2 * aside : Infinity;
    };
    const near = from ? zones.filter((zone) => zone !== from && cost(zone) < Infinity).sort((a, b) => cost(a) - cost(b))[0] : zones[0];
    this.cursor = (near ?? from).id;
    this.box.setAttribute("aria-activedescendant", this.zones.get(this.cursor).group.id);
    this.wall.redraw();
  }
}
