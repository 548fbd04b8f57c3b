"""A back-test on the page: the log of the chosen run under other limits, in a process of its own; nothing is written
into the store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from crowdwatch.core.outcomes import Level
from crowdwatch.core.rights import Right
from crowdwatch.errors import NotAllowed
from crowdwatch.ui.launch import BackTest, begin_backtest
from crowdwatch.ui.pages.zone_chart import zone_name
from crowdwatch.ui.session import require
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import level_text, safe, short, table
from crowdwatch.words import t

__all__ = ["fact_rows", "minute_rows", "rules_fault", "show_backtest"]

RUNNING, FAULT = "backtest", "backtest_fault"
MOST_RULES = 100_000
EXAMPLE = "version: 1\nlimits_by_kind:\n  standing:\n    density_p_m2: {alert: 4.2}\n"
LEVELS = (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL, Level.UNKNOWN)
WHOLE_EVENT = frozenset({"site", "cameras", "zones", "gates", "notify", "voice"})


def rules_fault(text: str) -> str:
    """Why a text is not tried here: a key of the page's texts, or empty. The page takes limits alone: a whole event
    file names files and addresses of the machine.

    >>> rules_fault("limits_by_kind: {}"), rules_fault("site: {}"), rules_fault("{"), rules_fault(" ")
    ('', 'backtest.whole', 'backtest.yaml', 'backtest.empty')
    """
    if not text.strip():
        return "backtest.empty"
    if len(text) > MOST_RULES:
        return "backtest.long"
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError):
        return "backtest.yaml"
    if not isinstance(found, dict):
        return "backtest.yaml"
    return "backtest.whole" if WHOLE_EVENT & found.keys() else ""


def show_backtest(moment: Moment, language: str) -> None:
    """The form, how far it is, and what came out."""
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "backtest")}</div>')
    st.html(f'<div class="cw-note">{safe(t(language, "backtest.what"))}</div>')
    st.session_state.setdefault("backtest-rules", EXAMPLE)
    st.file_uploader(t(language, "backtest.file"), type=["yaml", "yml"], key="backtest-file", on_change=_take_file)
    st.text_area(t(language, "backtest.rules"), key="backtest-rules", height=160, max_chars=MOST_RULES)
    held: BackTest | None = st.session_state.get(RUNNING)
    going = held is not None and held.started.runs
    st.button(
        t(language, "backtest.start"), key="backtest-start", width="stretch", disabled=going,
        on_click=_start, args=(moment,),
    )  # fmt: skip
    fault = st.session_state.get(FAULT)
    if fault:
        said = t(language, fault) if fault.startswith("backtest.") else fault
        st.html(notice("!", said, loud=False))
    if held is None:
        return
    if going:
        passed_s = (time.time_ns() - held.started.after_wall_ns) / 1e9
        st.html(f'<div role="status">{safe(t(language, "backtest.runs", s=f"{passed_s:.0f}"))}</div>')
        st.button(t(language, "backtest.stop"), key="backtest-stop", on_click=_end)
        st.fragment(_again_when_done, run_every=1.0)(held)
        return
    facts = held.facts()
    if facts is None:
        st.html(notice(t(language, "backtest.failed"), held.started.fault() or "?", loud=True))
        return
    _result(held, facts, moment, language)


def _again_when_done(held: BackTest) -> None:
    """Draw the page anew once the process has ended, also of a run that is over and is not redrawn."""
    if not held.started.runs:
        st.rerun()


def _take_file() -> None:
    """What was uploaded is put into the field, where it can be read and changed."""
    file = st.session_state.get("backtest-file")
    if file is None:
        return
    try:
        st.session_state["backtest-rules"] = file.getvalue()[:MOST_RULES].decode("utf-8")
        st.session_state.pop(FAULT, None)
    except UnicodeDecodeError:
        st.session_state[FAULT] = "backtest.yaml"


def _end() -> None:
    held: BackTest | None = st.session_state.pop(RUNNING, None)
    if held is not None:
        held.end()


def _start(moment: Moment) -> None:
    text = str(st.session_state.get("backtest-rules") or "")
    fault = rules_fault(text)
    try:
        require(Right.START_REPLAY, backtest=moment.run.run_id)
    except NotAllowed as error:
        fault = str(error)
    if fault:
        st.session_state[FAULT] = fault
        return
    _end()
    st.session_state.pop(FAULT, None)
    try:
        st.session_state[RUNNING] = begin_backtest(moment.run, text, time.time_ns())
    except OSError as error:
        st.session_state[FAULT] = error.strerror or str(error)


def _result(held: BackTest, facts: Mapping[str, Any], moment: Moment, language: str) -> None:
    rows = fact_rows(facts, moment, language)
    same = sum(each["kind"] == "same" for each in facts["changes"])
    said = t(language, "backtest.done", run=short(held.run_id, 40), n=len(rows), same=same)
    st.html(f'<div role="status"><b>{safe(said)}</b></div>')
    for side in ("old", "new"):
        load = facts[side]["alarm_load"]
        text = t(language, f"backtest.load.{side}", alarms=load["alarms"], most=load["most"])
        st.html(f'<div class="cw-note">{safe(text)}</div>')
    if rows:
        st.dataframe(rows, hide_index=True)
    with st.expander(t(language, "backtest.minutes")):
        st.table(table(minute_rows(facts, moment, language)))
    if held.picture.is_file():
        st.image(held.picture.read_bytes(), width="stretch", alt=t(language, "backtest.picture"))


def fact_rows(facts: Mapping[str, Any], moment: Moment, language: str) -> list[dict[str, str]]:
    """What is different, from the answer of ``crowdwatch backtest --json``."""
    rows = []
    for each in facts["changes"]:
        if each["kind"] == "same":
            continue
        level = Level[each["level"].upper()]
        values = (
            t(language, f"change.{each['kind']}"), zone_name(moment, each["zone_id"], language),
            t(language, f"alarm.{each['alarm'].partition(':')[0]}"),
            level_text(level, language),
            _time(moment, each["old"]), _time(moment, each["new"]),
            "" if each["shift_s"] is None else f"{each['shift_s']:+.0f} s",
        )  # fmt: skip
        keys = ("change", "zone", "alarm", "level", "as_it_was", "other_limits", "shift")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows


def _time(moment: Moment, text: str | None) -> str:
    if text is None:
        return "–"
    return moment.at(round(datetime.fromisoformat(text).timestamp()) * 1_000_000_000)


def minute_rows(facts: Mapping[str, Any], moment: Moment, language: str) -> list[dict[str, str]]:
    """Minutes of every zone at each level under both sets of limits."""
    rows = []
    for zone_id in facts["old"]["minutes_at_level"]:
        for side in ("old", "new"):
            minutes = facts[side]["minutes_at_level"].get(zone_id, {})
            row = {
                t(language, "col.zone"): zone_name(moment, zone_id, language),
                t(language, "col.limits"): t(language, f"backtest.{side}"),
            }
            for level in LEVELS:
                key = level_text(level, language)
                row[key] = f"{minutes.get(level.name.lower(), 0.0):.1f}"
            rows.append(row)
    return rows
