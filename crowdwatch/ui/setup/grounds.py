"""Third step: the walkable area, obstacles, zones and gates, drawn on the plan or on a camera's frame."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from crowdwatch.config import capacity as capacities
from crowdwatch.config import event_shapes as drawing
from crowdwatch.config.event_shapes import Pair, Shape, Values
from crowdwatch.core.rights import Right
from crowdwatch.core.text import plain
from crowdwatch.ground import to_ground, to_image
from crowdwatch.ui import session
from crowdwatch.ui.setup import plans
from crowdwatch.ui.setup.board import Drawn, Operation, show_board
from crowdwatch.ui.setup.work import Work, plane_of, say, the_work
from crowdwatch.ui.style import notice
from crowdwatch.ui.writing import markdown, name_of, number, safe, short
from crowdwatch.words import t

__all__ = ["show"]

COLOURS = {"walkable": "#f2f5f7", "obstacle": "#d55e00", "zone": "#56b4e9", "gate": "#f0e442"}
ON_PLAN = "plan"
SNAP_PX = 12.0
"""A click so near to another corner takes its place: pixels of a picture 1000 wide."""


def show(language: str) -> None:
    """Draw, name and measure the shapes of the ground."""
    work = the_work()
    assert work is not None
    if work.plan is None:
        plans.show(work, language)
    views = ([ON_PLAN] if work.plan is not None else []) + _frames(work)
    if not views:
        st.html(notice("?", t(language, "setup.ground.none"), loud=False))
        return
    names = {view: t(language, "setup.plan") if view == ON_PLAN else plain(view) for view in views}
    shapes = drawing.shapes(work.values.now)
    if st.session_state.get("setup-shape") not in shapes:
        st.session_state["setup-shape"] = shapes[0]
    where, what = st.columns([1, 2], vertical_alignment="bottom")
    view = str(where.selectbox(t(language, "setup.draw.on"), views, format_func=names.__getitem__, key="setup-view"))
    shape: Shape = what.selectbox(
        t(language, "setup.shape"), shapes, format_func=lambda each: _title(work.values.now, each, language),
        key="setup-shape", on_change=_let_go,
    )  # fmt: skip
    _new(language)
    board, side = st.columns([7, 3], gap="small")
    with board:
        _board(work, view, shape, language)
    with side:
        _properties(work, shape, language)


def _frames(work: Work) -> list[str]:
    """Cameras whose clear frame is held and whose calibration stands in the draft."""
    if not session.allowed(Right.CLEAR_PICTURE):
        return []
    held = [name for name in work.clear if work.camera(name)]
    return [name for name in held if plane_of(work, work.camera(name)) is not None]


def _title(values: Values, shape: Shape, language: str) -> str:
    kind, number_ = shape
    word = t(language, f"setup.shape.{kind}")
    if kind == "walkable":
        return word
    if kind == "obstacle":
        return f"{word} {number_ + 1}"
    item = values[f"{kind}s"][number_]
    names = item.get("name") if isinstance(item.get("name"), dict) else {}
    return f"{word}: {short(name_of(names, str(item.get('id')), language), 60)}"


def _let_go() -> None:
    work = the_work()
    if work is not None:
        work.chosen["ground"] = None


def _new(language: str) -> None:
    """The row that adds a shape."""
    columns = st.columns([1.2, 1.6, 1.6, 1.2, 1], vertical_alignment="bottom")
    kind = columns[0].selectbox(
        t(language, "setup.new.kind"), ("zone", "gate", "obstacle"), key="setup-new-kind",
        format_func=lambda each: t(language, f"setup.shape.{each}"),
    )  # fmt: skip
    if kind != "obstacle":
        columns[1].text_input(t(language, "setup.shape.name"), max_chars=500, key="su-shape-name")
        columns[2].text_input(t(language, "setup.name_zh"), max_chars=500, key="su-shape-name-zh")
    if kind == "zone":
        columns[3].selectbox(
            t(language, "setup.zone.kind"), ("standing", "moving", "stairs"), key="setup-zone-kind",
            format_func=lambda each: t(language, f"setup.zone.{each}"), help=t(language, "setup.zone.kind.help"),
        )  # fmt: skip
    columns[4].button(t(language, "setup.add"), key="setup-add", on_click=_add, width="stretch")


def _add() -> None:
    work = the_work()
    if work is None:
        return
    name, name_zh = (plain(str(st.session_state.get(f"su-shape-{key}") or "")) for key in ("name", "name-zh"))
    kind, zone_kind = (
        str(st.session_state["setup-new-kind"]),
        str(st.session_state.get("setup-zone-kind") or "standing"),
    )
    values, shape = drawing.added(work.values.now, kind, name, name_zh, zone_kind)
    work.values = work.values.then(values)
    work.chosen["ground"] = None
    st.session_state["setup-shape"] = shape
    st.session_state["su-shape-name"] = st.session_state["su-shape-name-zh"] = ""


def _board(work: Work, view: str, shape: Shape, language: str) -> None:
    shown = work.plan[0] if view == ON_PLAN and work.plan is not None else work.clear[view]
    things = []
    hidden = 0
    for each in drawing.shapes(work.values.now):
        ring = drawing.corners(work.values.now, each)
        pixels = _pixels(work, view, ring)
        mine = each == shape
        hidden += int(np.isnan(pixels[:, 0]).sum()) if mine and len(pixels) else 0
        label = "" if each[0] == "walkable" else _title(work.values.now, each, language).rpartition(": ")[2]
        things.append(
            Drawn(_name(each), "line" if each[0] == "gate" else "area", [(float(u), float(v)) for u, v in pixels],
                  short(label, 24), COLOURS[each[0]], active=mine)
        )  # fmt: skip
    things.sort(key=lambda each: each.active)
    show_board(
        f"sub-ground-{view}", shown, things, work.chosen.get("ground"), partial(_act, view, language),
        language=language, label=names_board(view, language),
    )  # fmt: skip
    if hidden:
        st.html(f'<div class="cw-note">{t(language, "setup.hidden", n=hidden)}</div>')


def names_board(view: str, language: str) -> str:
    """What the picture is."""
    return t(language, "setup.board.plan") if view == ON_PLAN else t(language, "setup.board.frame")


def _name(shape: Shape) -> str:
    return f"{shape[0]}-{shape[1]}"


def _pixels(work: Work, view: str, ring: list[Pair]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    xy = np.array(ring, dtype=np.float64).reshape(-1, 2)
    if view == ON_PLAN and work.plan is not None:
        return work.plan[1].pixels(xy)
    plane = plane_of(work, work.camera(view))
    return np.full_like(xy, np.nan) if plane is None else to_image(plane, xy)


def _metres(work: Work, view: str, at_px: Pair) -> Pair | None:
    """The place of a click; None where the picture shows no ground."""
    if view == ON_PLAN and work.plan is not None:
        east, north = work.plan[1].ground_m(np.array([at_px]))[0]
    else:
        plane = plane_of(work, work.camera(view))
        east, north = (math.nan, math.nan) if plane is None else to_ground(plane, np.array([at_px]))[0]
    return (float(east), float(north)) if math.isfinite(east + north) else None


def _act(view: str, language: str, done: Operation) -> None:
    work = the_work()
    shape: Shape | None = st.session_state.get("setup-shape")
    if work is None or shape is None:
        return
    chosen = work.chosen.get("ground")
    corner = chosen[1] if chosen is not None else None
    if done.what in ("undo", "redo"):
        work.values = work.values.undo() if done.what == "undo" else work.values.redo()
        work.chosen["ground"] = None
        return
    ring = drawing.corners(work.values.now, shape)
    if done.what == "leave":
        corner = None
    elif done.what == "choose":
        corner = done.corner if done.corner < len(ring) else None
    elif done.what == "delete" and done.corner < len(ring):
        ring, corner = drawing.corner_deleted(ring, done.corner)
    elif done.what in ("add", "move"):
        at = _snapped(work, view, done, shape)
        if at is None:
            say(t(language, "setup.horizon"), loud=True)
            return
        if done.what == "move" and done.corner < len(ring):
            ring[done.corner], corner = at, done.corner
        else:
            ring, corner = drawing.corner_placed(ring, at, corner, most=2 if shape[0] == "gate" else 1000)
    if ring != drawing.corners(work.values.now, shape):
        work.values = work.values.then(drawing.with_corners(work.values.now, shape, ring))
    work.chosen["ground"] = None if corner is None else (_name(shape), corner)


def _snapped(work: Work, view: str, done: Operation, shape: Shape) -> Pair | None:
    """A click in metres; near another shape's corner it is that very corner."""
    here = _metres(work, view, done.at_px)
    if here is None or not st.session_state.get("setup-snap", True):
        return here
    others = [at for each in drawing.shapes(work.values.now) if each != shape
              for at in drawing.corners(work.values.now, each)]  # fmt: skip
    pixels = _pixels(work, view, others)
    shown = work.plan[0] if view == ON_PLAN and work.plan is not None else work.clear[view]
    known = [(float(u), float(v)) for u, v in pixels if math.isfinite(u + v)]
    near = drawing.snapped(done.at_px, known, SNAP_PX * shown.image_hw[1] / 1000)
    places = {(float(u), float(v)): other for (u, v), other in zip(pixels, others, strict=True)}
    return places.get(near, here)


def _properties(work: Work, shape: Shape, language: str) -> None:
    """Area, capacity and name of the shape that is drawn."""
    values = work.values.now
    st.html(f'<div class="cw-h">{safe(_title(values, shape, language))}</div>')
    st.toggle(t(language, "setup.snap"), value=True, key="setup-snap")
    fault = drawing.shape_fault(values, shape)
    if fault:
        st.html(notice("!", fault, loud=False))
    if shape[0] == "gate":
        _gate(values, shape, language)
    else:
        area_m2 = drawing.usable_area_m2(values, shape)
        st.html(f'<div class="cw-note"><b>{t(language, "setup.area", area=number(area_m2))}</b></div>')
        if shape[0] in ("zone", "walkable") and math.isfinite(area_m2):
            _capacity(values, shape, area_m2, language)
    st.button(t(language, "setup.remove"), key="setup-remove", on_click=_remove, help=t(language, "setup.undo"))


def _gate(values: Values, shape: Shape, language: str) -> None:
    ends = drawing.corners(values, shape)
    if len(ends) == 2:
        width = math.dist(*ends)
        way = capacities.Exit(
            str(values["gates"][shape[1]].get("id")), width, bool(values["gates"][shape[1]].get("stairs"))
        )
        text = t(language, "setup.gate", width=number(width, 2), people=f"{way.people:.0f}")
        st.html(f'<div class="cw-note"><b>{safe(text)}</b></div>')
    st.html(f'<div class="cw-note">{t(language, "setup.gate.way")}</div>')


def exits_of(values: Values) -> list[capacities.Exit]:
    """The gates that lead off the site, as ways out."""
    found = []
    for number_, gate in enumerate(values.get("gates") or []):
        ends = drawing.corners(values, ("gate", number_))
        if len(ends) == 2 and gate.get("site_edge", True):
            width = gate.get("usable_width_m")
            wide = float(width) if isinstance(width, int | float) else math.dist(*ends)
            found.append(capacities.Exit(str(gate.get("id")), wide, bool(gate.get("stairs"))))
    return found


def _capacity(values: Values, shape: Shape, area_m2: float, language: str) -> None:
    holding = str(st.selectbox(
        t(language, "setup.holding"), list(capacities.HOLDING), key="setup-holding",
        format_func=lambda each: f"{capacities.HOLDING[each]:g} {t(language, 'unit.density')}",
    ))  # fmt: skip
    exits = exits_of(values)
    found = capacities.capacity(area_m2, capacities.HOLDING[holding], exits)
    rows = [t(language, "setup.capacity.holding", n=found.holding, source=t(language, f"setup.source.{holding}"))]
    if exits:
        closed = t(language, "setup.capacity.leaving", n=f"{found.leaving:.0f}", gate=plain(found.closed))
        rates = "level" if not all(each.stairs for each in exits) else "stairs"
        rows.append(f"{closed} {t(language, f'setup.source.{rates}')}; {t(language, 'setup.source.egress')}")
    else:
        rows.append(t(language, "setup.capacity.noexit"))
    st.html("".join(f'<div class="cw-note">{safe(row)}</div>' for row in rows))
    st.html(f'<div class="cw-h">{t(language, "setup.capacity", n=found.people)}</div>')
    if shape[0] == "zone":
        st.button(
            t(language, "setup.capacity.take"), key="setup-capacity", disabled=found.people < 1,
            on_click=_take_capacity, args=(shape, found.people),
        )  # fmt: skip
        kept: Any = values["zones"][shape[1]].get("capacity_persons")
        st.html(f'<div class="cw-note">{t(language, "setup.capacity.now", n=markdown(str(kept or "–")))}</div>')


def _take_capacity(shape: Shape, people: int) -> None:
    work = the_work()
    if work is None:
        return
    made = copy.deepcopy(work.values.now)
    made["zones"][shape[1]]["capacity_persons"] = people
    work.values = work.values.then(made)


def _remove() -> None:
    """Remove the shape that is chosen now, also where it was chosen a moment before the click."""
    work = the_work()
    shape: Shape | None = st.session_state.get("setup-shape")
    if work is None or shape not in drawing.shapes(work.values.now):
        return
    work.values = work.values.then(drawing.removed(work.values.now, shape))
    work.chosen["ground"] = None
