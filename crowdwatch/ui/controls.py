"""Language, operator, run picker, time, and the commands that steer a replay."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import streamlit as st

from crowdwatch.core.ports import Store
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import STEERING, CommandKind, Run
from crowdwatch.core.text import plain
from crowdwatch.errors import NotAllowed
from crowdwatch.ui.launch import Started, start_replay
from crowdwatch.ui.run_choice import choose
from crowdwatch.ui.selection import point_to, recall, remember
from crowdwatch.ui.sending import send
from crowdwatch.ui.session import demo, denied, require
from crowdwatch.ui.view import Glance, Moment, Pulse
from crowdwatch.ui.writing import markdown, name_of, offset_of, safe, short
from crowdwatch.words import LANGUAGES, t

__all__ = [
    "event_name",
    "language",
    "pick_camera",
    "pick_language",
    "pick_run",
    "pick_time",
    "run_title",
    "show_playback",
]

NS = 1_000_000_000
SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 0.0)
MOST_BUTTONS = 5
"""Of more cameras one is chosen from a list."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def language() -> str:
    """The language of this viewer; ``?lang=zh`` in the address sets it."""
    chosen = st.session_state.get("lang") or st.query_params.get("lang")
    return chosen if chosen in LANGUAGES else "en"


def pick_language() -> str:
    """Language, and in a demonstration the operator's name. Returns the language."""
    recall("lang", LANGUAGES)
    st.session_state.setdefault("lang", language())
    st.segmented_control(
        "Language / 语言", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="lang", required=True
    )
    chosen = language()
    remember("lang", chosen)
    if demo():
        st.text_input(
            t(chosen, "operator"), value="operator", key="operator", max_chars=64, help=t(chosen, "operator.help")
        )
    return chosen


@lru_cache(maxsize=256)
def event_name(config_json: str, event_id: str, chosen_language: str) -> str:
    """What the event of a run is called, read from its text alone, since lists are long; else its id.

    >>> event_name('{"name": {"en": "Eve", "zh": "跨年夜"}}', "eve", "zh"), event_name("{}", "eve", "en")
    ('跨年夜', 'eve')
    """
    try:
        found = json.loads(config_json).get("name")
    except (ValueError, AttributeError):
        found = None
    names = {key: str(text) for key, text in found.items() if text} if isinstance(found, dict) else {}
    return name_of(names, event_id, chosen_language)


def run_title(run: Run, chosen_language: str) -> str:
    """A run in one line: event, when it was started, how it was driven."""
    started = datetime.fromtimestamp(run.started_wall_ns / NS, UTC).astimezone()
    mode = t(chosen_language, f"mode.{run.mode.value}")
    return (
        f"{short(event_name(run.config_json, run.event_id, chosen_language), 24)} · {started:%m-%d %H:%M:%S} · {mode}"
    )


def pick_run(runs: Sequence[Run], chosen_language: str) -> str:
    """The run to show: one that is live, that runs, or that is the newest, in this order, unless another one is picked.
    A run that began since is offered and not shown by itself. Returns its id."""
    by_id = {run.run_id: run for run in runs}

    def title(run_id: str) -> str:
        return run_title(by_id[run_id], chosen_language) if run_id else t(chosen_language, "run.newest")

    asked = st.query_params.get("run")
    if asked and asked not in by_id:
        st.session_state["run_missing"] = asked
    recall("run", ["", *by_id], "run")
    picked = st.selectbox(t(chosen_language, "run"), ["", *by_id], format_func=title, key="run")
    choice = choose(runs, picked or st.session_state.get("shown_run"), time.time_ns())
    shown = picked or choice.shown.run_id
    st.session_state["shown_run"] = shown
    remember("run", picked, "run")
    missing = st.session_state.get("run_missing")
    if missing and not picked:
        said = t(chosen_language, "run.missing", run=short(plain(missing), 60))
        st.html(f'<div class="cw-calm" role="status"><b>!</b>{safe(said)}</div>')
    if not picked and choice.newer is not None:
        st.button(
            t(chosen_language, "run.newer", run=markdown(title(choice.newer.run_id))), key="newer-run", width="stretch",
            on_click=_show, args=(choice.newer.run_id,),
        )  # fmt: skip
    return shown


def _show(run_id: str) -> None:
    point_to("run", run_id)


def pick_camera(moment: Moment, chosen_language: str) -> str:
    """The camera that the pages show; empty where the site has none."""
    ids = [one.camera_id for one in moment.site.cameras]
    recall("camera", ids)
    if not ids:
        return ""
    st.session_state.setdefault("camera", ids[0])
    names = {
        one.camera_id: markdown(short(name_of(one.name, one.camera_id, chosen_language), 20))
        for one in moment.site.cameras
    }
    if 1 < len(ids) <= MOST_BUTTONS:
        label = t(chosen_language, "camera")
        st.segmented_control(label, ids, format_func=names.__getitem__, key="camera", required=True)
    elif len(ids) > 1:
        st.selectbox(t(chosen_language, "camera"), ids, format_func=lambda each: plain(names[each]), key="camera")
    chosen: str = st.session_state["camera"]
    remember("camera", chosen)
    return chosen


def _as_time(t_ns: int, place: tzinfo) -> datetime:
    """A time to whole microseconds in a zone, as a slider takes it."""
    at = EPOCH + timedelta(microseconds=t_ns // 1000)
    return at + (place.utcoffset(at) or timedelta())


def pick_time(run: Run, moment: Moment, chosen_language: str) -> int | None:
    """The time to look at, or None for the newest. A run that is over has its slider always, a live one on demand."""
    live = run.state.value in ("running", "paused")
    follow = f"follow-{run.run_id}"
    if live:
        recall(follow)
        st.session_state.setdefault(follow, True)
        follows = st.toggle(t(chosen_language, "follow"), key=follow)
        remember(follow, follows)
        if follows:
            return None
    newest_ns = run.t_ns or run.from_ns
    place, place_name = offset_of(moment.time_zone, newest_ns)
    first, last = (_as_time(t_ns, place) for t_ns in (run.from_ns, newest_ns))
    step = timedelta(seconds=moment.site.tick_s)
    if last - first < step:
        return None
    key = f"at-{run.run_id}"
    recall(key)
    st.session_state[key] = min(max(st.session_state.get(key, last), first), last)
    picked: datetime = st.slider(
        t(chosen_language, "look_at", zone=place_name), first, last, key=key, step=step, format="HH:mm:ss"
    )
    if picked >= last:
        remember(key, None)
        return newest_ns if live else None
    remember(key, picked)
    return (
        run.from_ns // 1000 * 1000 + (picked - first) // timedelta(microseconds=1) * 1000 + 999
    )  # the whole microsecond


def show_playback(store: Store, store_url: str, glance: Glance, chosen_language: str) -> None:
    """Pause, resume, speed, stop while the engine runs; watch again when the run is over. Not for a live run."""
    if glance.pulse in (Pulse.RUNNING, Pulse.PAUSED):
        _steer(store, glance, chosen_language)
    elif glance.pulse == Pulse.DEAD:
        st.html(f'<div class="cw-note">{t(chosen_language, "command.dead")}</div>')
    _again(store_url, glance, chosen_language)


def _pace(chosen_language: str, speed: float) -> str:
    return f"×{speed:g}" if speed > 0 else t(chosen_language, "speed.max")


def _pace_it(store: Store, glance: Glance, chosen_language: str, lacks: str) -> None:
    run_id, paused = glance.run.run_id, glance.pulse == Pulse.PAUSED
    kind = CommandKind.RESUME if paused else CommandKind.PAUSE
    if paused:
        st.button(
            t(chosen_language, "resume"), key=f"resume-{run_id}", width="stretch", icon=":material/play_arrow:",
            on_click=send, args=(store, run_id, kind), disabled=bool(lacks), help=lacks or None,
        )  # fmt: skip
    else:
        with st.popover(
            t(chosen_language, "pause"), width="stretch", icon=":material/pause:", disabled=bool(lacks),
            help=lacks or None,
        ):  # fmt: skip
            st.button(
                t(chosen_language, "pause.sure"), key=f"pause-{run_id}", type="primary", on_click=send,
                args=(store, run_id, kind),
            )  # fmt: skip
    speed = st.selectbox(
        t(chosen_language, "set_speed"), SPEEDS, format_func=lambda value: _pace(chosen_language, value),
        index=SPEEDS.index(glance.run.speed) if glance.run.speed in SPEEDS else 1, key=f"speed-{run_id}",
    )  # fmt: skip
    st.button(
        t(chosen_language, "apply"), key=f"apply-{run_id}", width="stretch", on_click=send,
        args=(store, run_id, CommandKind.SPEED), kwargs={"value": float(speed)}, disabled=bool(lacks),
        help=lacks or None,
    )  # fmt: skip


def _steer(store: Store, glance: Glance, chosen_language: str) -> None:
    run_id, lacks = glance.run.run_id, denied(Right.STEER)
    if lacks:
        st.html(f'<div class="cw-note" role="status">{safe(lacks)}</div>')
    _pace_it(store, glance, chosen_language, lacks)
    with st.popover(
        t(chosen_language, "stop"), width="stretch", icon=":material/stop:", disabled=bool(lacks), help=lacks or None
    ):
        st.button(
            t(chosen_language, "stop.sure"), key=f"stop-{run_id}", type="primary", on_click=send,
            args=(store, run_id, CommandKind.STOP),
        )  # fmt: skip
    for command in glance.pending:
        if command.kind in STEERING:
            what = t(chosen_language, f"command.{command.kind.value}")
            st.html(f'<div role="status">{t(chosen_language, "command.sent", what=what)}</div>')


def _again(store_url: str, glance: Glance, chosen_language: str) -> None:
    started: Started | None = st.session_state.get("started")
    if glance.pulse in (Pulse.FINISHED, Pulse.STOPPED, Pulse.FAILED):
        run = glance.run
        speed = st.selectbox(
            t(chosen_language, "again.speed"), SPEEDS, index=4, key=f"again-speed-{run.run_id}",
            format_func=lambda value: _pace(chosen_language, value),
        )  # fmt: skip
        lacks = denied(Right.START_REPLAY)
        waiting = started is not None and started.process.poll() is None and run.started_wall_ns < started.after_wall_ns
        st.button(
            t(chosen_language, "again"), icon=":material/replay:", key=f"again-{run.run_id}", width="stretch",
            disabled=waiting or bool(lacks), help=lacks or None, on_click=_launch, args=(run, float(speed), store_url),
        )  # fmt: skip
        if waiting:
            st.html(f'<div role="status">{t(chosen_language, "again.started")}</div>')
    fault = st.session_state.get("start_fault") or (started.fault() if started is not None else "")
    if fault:
        st.html(f'<div role="alert"><b>{safe(t(chosen_language, "again.failed", message=fault))}</b></div>')


def _launch(run: Run, speed: float, store_url: str) -> None:
    """Start a replay and go back to the newest run, so that it is shown when it begins."""
    st.session_state.pop("start_fault", None)
    try:
        require(Right.START_REPLAY, run=run.run_id, speed=speed)
        st.session_state["started"] = start_replay(run, speed, store_url, time.time_ns())
        st.session_state["run"], st.session_state["shown_run"] = "", None
    except NotAllowed as error:
        st.session_state["start_fault"] = str(error)
    except OSError as error:
        st.session_state["start_fault"] = error.strerror or str(error)
