"""Fourth step: limits of each zone, what changes, and what they would have raised in a recorded run."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from crowdwatch.config.event_files import difference, with_limit
from crowdwatch.config.limits import DENSITY_P_M2, DENSITY_SOURCE, STEPS
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import Run
from crowdwatch.core.site import ZoneKind
from crowdwatch.core.text import plain
from crowdwatch.drivers import build
from crowdwatch.errors import CrowdWatchError, StoreUnavailable
from crowdwatch.ui import launch, writing
from crowdwatch.ui.frame import store_url
from crowdwatch.ui.setup.work import Work, guarded, show_in_field, the_work
from crowdwatch.ui.style import notice
from crowdwatch.ui.writing import name_of, number, safe, short
from crowdwatch.words import t

__all__ = ["show"]

TRIAL = "setup_backtest"
MOST_ROWS = 40


def show(language: str) -> None:
    """The limits of one zone, the difference to what is stored, and the back-test."""
    work = the_work()
    assert work is not None
    zones = [each for each in work.values.now.get("zones") or [] if isinstance(each, dict) and each.get("id")]
    if not zones:
        st.html(notice("?", t(language, "setup.zone.none"), loud=False))
        return
    left, right = st.columns([1, 1], gap="large")
    with left:
        names = {n: short(name_of(_names(zone), str(zone["id"]), language), 60) for n, zone in enumerate(zones)}
        chosen = int(
            st.selectbox(t(language, "chart.zone"), list(names), format_func=names.__getitem__, key="setup-zone")
        )
        _ladder(work, zones[chosen], chosen, language)
        st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.diff")}</div>')
        show_difference(work, language)
    with right:
        _backtest(work, language)


def _names(item: dict[str, Any]) -> dict[str, str]:
    found = item.get("name")
    return {key: str(value) for key, value in found.items() if value} if isinstance(found, dict) else {}


def _ladder(work: Work, zone: dict[str, Any], place: int, language: str) -> None:
    kinds = {each.value: each for each in ZoneKind}
    kind = kinds.get(str(zone.get("kind")), ZoneKind.STANDING)
    own = (zone.get("limits") or {}).get("density_p_m2") or {}
    for column, step, default in zip(st.columns(4), STEPS, DENSITY_P_M2[kind], strict=True):
        key = f"su-limit-{zone['id']}-{step}"
        value = own.get(step)
        show_in_field(key, float(value) if isinstance(value, int | float) else None)
        column.number_input(
            t(language, f"level.{step}"), value=None, min_value=0.01, max_value=10.0, step=0.1, format="%.2f", key=key,
            placeholder=f"{default:g}", on_change=_typed, args=(place, step, key),
        )  # fmt: skip
    text = t(language, "setup.limits.default", unit=t(language, "unit.density"), source=DENSITY_SOURCE[kind])
    st.html(f'<div class="cw-note">{safe(text)}</div>')


def _typed(place: int, step: str, key: str) -> None:
    work = the_work()
    if work is not None:
        value = st.session_state.get(key)
        limit = None if value is None else round(float(value), 3)
        work.values = work.values.then(with_limit(work.values.now, place, step, limit))


def show_difference(work: Work, language: str) -> None:
    """What saving would change in the file."""
    if not work.stored:
        st.html(f'<div class="cw-note">{t(language, "setup.new")}</div>')
        return
    rows = difference(work.stored, work.text())
    if rows:
        st.code("\n".join(rows), language="diff")
    else:
        st.html(f'<div class="cw-note">{t(language, "setup.diff.none")}</div>')


def _backtest(work: Work, language: str) -> None:
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.backtest")}</div>')
    runs = _runs()
    if not runs:
        st.html(f'<div class="cw-note">{t(language, "setup.backtest.none")}</div>')
        return
    named = {run_id: plain(f"{run.event_id} · {run_id}") for run_id, run in runs.items()}
    st.selectbox(t(language, "run"), list(named), format_func=named.__getitem__, key="setup-run")
    st.button(
        t(language, "setup.backtest"), key="setup-backtest", help=t(language, "setup.backtest.help"), on_click=guarded,
        args=(Right.START_REPLAY, partial(_start, runs, language)),
    )  # fmt: skip
    trial: launch.BackTest | None = st.session_state.get(TRIAL)
    if trial is not None:
        going = trial.started.runs
        st.fragment(_answer, run_every=1.0 if going else None)(trial, language)


def _runs() -> dict[str, Run]:
    """Recorded runs that have a log here, newest first."""
    try:
        store = build.open_store(store_url(), create=False)
    except CrowdWatchError:
        return {}
    try:
        found = {run.run_id: run for run in store.runs() if run.folder}
    except StoreUnavailable:
        return {}
    finally:
        store.close()
    return {run_id: run for run_id, run in found.items() if Path(run.folder).is_dir()}


def _start(runs: dict[str, Run], language: str) -> str:
    work = the_work()
    run_id = str(st.session_state.get("setup-run") or "")
    assert work is not None
    before: launch.BackTest | None = st.session_state.get(TRIAL)
    if before is not None:
        before.end()
    st.session_state[TRIAL] = launch.begin_backtest(runs[run_id], _rules(work), time.time_ns())
    return t(language, "setup.backtest.started", run=plain(run_id))


def _rules(work: Work) -> str:
    """The draft's limits alone, as a file of rules: a log may be of another footage or an older ground."""
    values = work.values.now
    zones = {str(z["id"]): z for z in values.get("zones") or [] if isinstance(z, dict) and z.get("id")}
    rules: dict[str, Any] = {"version": 1}
    if values.get("limits_by_kind"):
        rules["limits_by_kind"] = values["limits_by_kind"]
    rules["limits_by_zone"] = {key: zone["limits"] for key, zone in zones.items() if zone.get("limits")}
    rules["capacity_persons"] = {k: z["capacity_persons"] for k, z in zones.items() if z.get("capacity_persons")}
    return json.dumps({key: value for key, value in rules.items() if value})


def _answer(trial: launch.BackTest, language: str) -> None:
    """What the back-test says, once it is done."""
    if trial.started.runs:
        st.html(f'<div class="cw-note" role="status">{t(language, "setup.backtest.runs")}</div>')
        return
    found = trial.facts()
    if found is None:
        st.html(notice(t(language, "setup.backtest.failed"), trial.started.text()[-1500:], loud=True))
        return
    changes = [each for each in found.get("changes", []) if each.get("kind") != "same"]
    old, new = ((found.get(side) or {}).get("alarm_load", {}).get("alarms") for side in ("old", "new"))
    if old is not None and new is not None:
        st.html(f'<div class="cw-h">{t(language, "setup.backtest.alarms", old=old, new=new)}</div>')
    if not changes:
        st.html(f'<div class="cw-note">{t(language, "setup.backtest.same")}</div>')
        return
    st.table(writing.table(_row(each, language) for each in changes[:MOST_ROWS]))
    if len(changes) > MOST_ROWS:
        st.html(f'<div class="cw-note">{t(language, "setup.more", n=len(changes) - MOST_ROWS)}</div>')


def _row(each: dict[str, Any], language: str) -> dict[str, str]:
    times = [str(each.get(key) or "–")[11:19] or "–" for key in ("old", "new")]
    shift = each.get("shift_s")
    values = (
        t(language, f"setup.change.{each['kind']}"), str(each.get("zone_id", "")),
        t(language, f"level.{str(each.get('level', 'unknown')).lower()}"), *times,
        number(float(shift), 0) if isinstance(shift, int | float) else "–",
    )  # fmt: skip
    keys = ("what", "zone", "level", "old", "new", "shift")
    return {t(language, f"setup.col.{key}"): value for key, value in zip(keys, values, strict=True)}
