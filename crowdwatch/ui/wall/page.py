"""``?view=wall``: the commander's wall. One component draws it, a second one feeds it once a second."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance

from crowdwatch.core.rights import Right
from crowdwatch.core.runs import Run
from crowdwatch.drivers.build import newest_picture, open_store
from crowdwatch.errors import CrowdWatchError, RunNotFound
from crowdwatch.ui.camera import stream_address
from crowdwatch.ui.controls import language as language_of
from crowdwatch.ui.frame import store_url
from crowdwatch.ui.respond import nearest_units
from crowdwatch.ui.run_choice import Choice, choose
from crowdwatch.ui.sending import FAULT, send
from crowdwatch.ui.session import actor, denied
from crowdwatch.ui.style import CSS, notice
from crowdwatch.ui.view import Moment
from crowdwatch.ui.wall.actions import Answers, Asked, asked_of
from crowdwatch.ui.wall.desk import Desk
from crowdwatch.ui.wall.layout import layout_of
from crowdwatch.ui.wall.scene import units_of
from crowdwatch.ui.writing import duration
from crowdwatch.words import LANGUAGES, t

__all__ = ["wall"]

BEAT_S, SLOW_BEAT_S = 1.0, 5.0
LEAST_SCALE, MOST_SCALE = 0.5, 2.5
MOST_PICTURES = 2
FEED, RUN, ANSWERS, EXCHANGE = "wall-feed", "wall_run", "wall_answers", "wall_exchange"

BROWSER = Path(__file__).parent / "browser"


def _text(*names: str) -> str:
    return "\n".join((BROWSER / name).read_text(encoding="utf-8") for name in names)


_layout_component = st.components.v2.component(
    "crowdwatch_wall",
    css=_text("wall.css"),
    js=_text("1_parts.js", "2_map.js", "3_alarms.js", "4_panels.js", "5_wall.js"),
)
_feed_component = st.components.v2.component("crowdwatch_wall_feed", js=_text("feed.js"))


@st.cache_resource(show_spinner=False)
def _desk(url: str) -> Desk:
    """One for each store, for all viewers; a store that cannot be opened is not remembered."""
    return Desk(open_store(url, create=False))


def _scale() -> float:
    """``?scale=``: how much larger texts are than on a wall of 55 inches."""
    try:
        asked = float(st.query_params.get("scale") or 1.0)
    except ValueError:
        return 1.0
    return min(max(asked, LEAST_SCALE), MOST_SCALE) if math.isfinite(asked) else 1.0


def _choice(desk: Desk, event_id: str) -> Choice | None:
    """The run to show of the event of the address, or of all; None where there is none."""
    runs: list[Run] = [run for run in desk.runs() if not event_id or run.event_id == event_id]
    return choose(runs, st.session_state.get(RUN), time.time_ns()) if runs else None


def _again() -> None:
    """Draw the whole page anew at the fragment's next beat."""
    if st.session_state.get(EXCHANGE):
        st.session_state[EXCHANGE] = False
        st.rerun()
    st.session_state[EXCHANGE] = True


def _wait(title: str, text: str, *, loud: bool) -> None:
    st.html(CSS)
    st.html(notice(title, text, loud=loud))
    st.session_state[EXCHANGE] = False
    st.fragment(_again, run_every=2 * BEAT_S)()


def wall() -> None:
    """The wall of the event in the address (``event``), else of the run that matters most."""
    language, event_id = language_of(), str(st.query_params.get("event") or "")
    try:
        desk = _desk(store_url())
        choice = _choice(desk, event_id)
        if choice is None:
            key = "wall.no_event" if event_id else "store.empty.text"
            return _wait(t(language, "store.empty.title"), t(language, key, event=event_id), loud=False)
        run = choice.shown
        layout = layout_of(run.config_json, language)
    except CrowdWatchError as error:
        return _wait(t(language, "wall.dead_store"), str(error), loud=True)
    st.session_state[RUN] = run.run_id
    st.session_state[EXCHANGE] = False
    key = f"{run.run_id}/{language}/{_scale()}"
    _layout_component(key="wall", data=layout | {"key": key, "scale": _scale()})
    moves = run.state.value in ("running", "paused")
    st.fragment(_feed, run_every=BEAT_S if moves else SLOW_BEAT_S)(desk, event_id, run.run_id, key, language, moves)
    return None


def _feed(desk: Desk, event_id: str, run_id: str, key: str, language: str, moves: bool) -> None:
    """One message to the browser."""
    if st.session_state.pop(EXCHANGE, False):
        st.rerun()
    try:
        choice = _choice(desk, event_id)
        scene_run = run_id if choice is None else choice.shown.run_id
        changed = choice is not None and (choice.shown.state.value in ("running", "paused")) != moves
        if scene_run != run_id or changed:
            st.rerun()
        message = _message(desk, run_id, language)
        message["newer"] = choice is not None and choice.newer is not None
    except RunNotFound:
        st.rerun()
    except CrowdWatchError as error:
        message = {"fault": str(error), "title": t(language, "wall.dead_store")}
    message |= {"layout": key, "drawn": time.time_ns() // 1_000_000}
    # a browser that reads JSON refuses NaN: better no message than one that stops the page
    json.dumps(message, allow_nan=False)
    _feed_component(
        key=FEED, data=message, on_act_change=_act_on(desk, run_id), on_go_change=_go_on(desk, event_id),
        on_look_change=lambda: None,
    )  # fmt: skip


def _message(desk: Desk, run_id: str, language: str) -> dict[str, Any]:
    wish = _wish()
    scene = desk.scene(run_id, language, density=bool(wish.get("density")))
    who = actor()
    message: dict[str, Any] = {
        "scene": scene,
        "answers": _answers().newest(),
        "denied": denied(Right.OPERATE),
        "who": t(language, "wall.acts", name=who.name, role=t(language, f"wall.role.{who.role}")),
    }
    cameras, zone_id = wish.get("cameras"), wish.get("zone")
    if isinstance(cameras, list) and cameras and not scene["hidden"]:
        message["pictures"] = _pictures(desk.moment(run_id), [str(each) for each in cameras[:MOST_PICTURES]])
    if isinstance(zone_id, str) and zone_id:
        message["nearest"] = _nearest(desk.moment(run_id), zone_id)
    return message


def _wish() -> dict[str, Any]:
    """What the browser asks for beside the scene."""
    state = st.session_state.get(FEED)
    wish = state.get("look") if state is not None else None
    return wish if isinstance(wish, dict) else {}


def _nearest(moment: Moment, zone_id: str) -> list[tuple[str, float]]:
    """Free units with their metres on foot."""
    if moment.zone(zone_id) is None:
        return []
    found = nearest_units(moment.run.config_json, zone_id, units_of(moment))
    return [(unit.unit_id, round(metres, 1)) for unit, metres in found if math.isfinite(metres)]


def _pictures(moment: Moment, camera_ids: list[str]) -> dict[str, dict[str, str]]:
    """Addresses of coarsened pictures and their ages. Two names a camera take turns, so that the browser can still
    fetch the one that it was told of last."""
    found = {}
    known = {camera.camera_id for camera in moment.site.cameras}
    for camera_id in [each for each in camera_ids if each in known]:
        address = stream_address(moment.run, camera_id, moment.t_ns, time.time())
        if address is not None:
            found[camera_id] = {"url": address, "age": ""}
            continue
        newest = newest_picture(moment.run.folder, camera_id, moment.t_ns)
        if newest is None:
            continue
        jpeg, t_ns = newest
        place = f"wall-{camera_id}-{t_ns // 1_000_000_000 % 3}"
        url = get_instance().media_file_mgr.add(jpeg, "image/jpeg", place)
        found[camera_id] = {"url": url, "age": duration(max(0.0, (moment.t_ns - t_ns) / 1e9))}
    return found


def _answers() -> Answers:
    answers: Answers = st.session_state.setdefault(ANSWERS, Answers())
    return answers


def _act_on(desk: Desk, run_id: str) -> Any:
    """What is done when the browser sends actions: each once, through the one way of all commands."""

    def do(asked: Asked) -> str:
        more: dict[str, str | float] = {"zone_id": asked.zone_id, "alarm": asked.alarm, "value": asked.value}
        more |= {"subject": asked.subject, "text": asked.text, "duration_s": asked.duration_s}
        st.session_state.pop(FAULT, None)
        send(desk.store, run_id, asked.kind, **more)
        return str(st.session_state.pop(FAULT, ""))

    return lambda: _answers().take(asked_of(_sent("act")), do)


def _sent(name: str) -> Any:
    state = st.session_state.get(FEED)
    return None if state is None else state.get(name)


def _go_on(desk: Desk, event_id: str) -> Any:
    """Another run or another language: the page is drawn anew."""

    def go() -> None:
        where = _sent("go")
        if not isinstance(where, dict):
            return
        if where.get("language") in LANGUAGES:
            st.session_state["lang"] = where["language"]
        choice = _choice(desk, event_id)
        if where.get("newer") and choice is not None and choice.newer is not None:
            st.session_state[RUN] = choice.newer.run_id
        st.session_state[EXCHANGE] = True

    return go
