"""What a person can do to an alarm beside acknowledging it, reporting, and how much alarms ask of the control room."""

from __future__ import annotations

import streamlit as st

from crowdwatch.analytics.alarm_load import TARGETS, alarm_load
from crowdwatch.core.commands import MOST_SHELVED_S, MOST_TEXT
from crowdwatch.core.outcomes import Alarm, AlarmState, Level, kind_of
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import CommandKind
from crowdwatch.core.text import plain
from crowdwatch.ui.sending import FAULT, send
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import markdown, name_of, safe, short
from crowdwatch.words import t

__all__ = ["load_line", "shelf_text", "show_report", "show_silence"]

MINUTES = (5, 10, 15)
LEVELS = (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)
SPAN_NS = 600 * 1_000_000_000
SILENT = (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
LATCHED = (AlarmState.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED)


def shelf_text(moment: Moment, alarm: Alarm, language: str) -> str:
    """By whom, why and until when an alarm is silent, or who asks for it; empty where nobody does."""
    if alarm.waits_for_second:
        return t(language, "shelve.second", actor=plain(alarm.waits_for_second))
    if alarm.state not in SILENT:
        return ""
    until = moment.at(alarm.shelved_until_ns) if alarm.shelved_until_ns else t(language, "shelve.no_end")
    return t(language, "shelve.by", time=until, actor=plain(alarm.shelved_by), text=plain(alarm.shelved_text))


def _key(moment: Moment, alarm: Alarm) -> str:
    return f"{moment.run.run_id}-{alarm.zone_id}-{alarm.alarm}"


def _shelve(store: Store, run_id: str, alarm: Alarm, key: str) -> None:
    text, minutes = str(st.session_state.get(f"why-{key}") or ""), st.session_state.get(f"for-{key}")
    send(
        store, run_id, CommandKind.SHELVE, zone_id=alarm.zone_id, alarm=alarm.alarm, value=float(alarm.level),
        text=text, duration_s=float(minutes or MINUTES[0]) * 60,
    )  # fmt: skip


def _close(store: Store, run_id: str, alarm: Alarm, key: str) -> None:
    text = str(st.session_state.get(f"why-{key}") or "")
    send(
        store, run_id, CommandKind.CLOSE, zone_id=alarm.zone_id, alarm=alarm.alarm, value=float(alarm.level),
        text=text,
    )  # fmt: skip


def show_silence(store: Store, moment: Moment, alarm: Alarm, language: str, lacks: str = "") -> None:
    """Shelve an alarm with reason and time, or end that; close one that only people close. ``lacks`` says why who looks
    may do none of it."""
    key = _key(moment, alarm)
    if alarm.state in SILENT:
        kind = CommandKind.UNSHELVE if alarm.state is AlarmState.SHELVED else None
        if kind is not None and not moment.waiting(kind, alarm.zone_id, alarm.alarm):
            st.button(
                t(language, "unshelve"), key=f"unshelve-{key}", width="stretch", on_click=send,
                args=(store, moment.run.run_id, kind), kwargs={"zone_id": alarm.zone_id, "alarm": alarm.alarm},
                disabled=bool(lacks), help=lacks or None,
            )  # fmt: skip
        return
    zone = moment.zone(alarm.zone_id)
    name = markdown(short(name_of(zone.name if zone else {}, alarm.zone_id, language), 24))
    with st.popover(t(language, "shelve", zone=name), width="stretch", disabled=bool(lacks), help=lacks or None):
        st.text_input(t(language, "shelve.why"), key=f"why-{key}", max_chars=MOST_TEXT)
        st.selectbox(t(language, "shelve.minutes"), MINUTES, key=f"for-{key}")
        run_id = moment.run.run_id
        if alarm.state is not AlarmState.CLEARED_UNACKNOWLEDGED:
            st.button(
                t(language, "shelve.send"), key=f"shelve-{key}", width="stretch", on_click=_shelve,
                args=(store, run_id, alarm, key), help=t(language, "shelve.help", minutes=f"{MOST_SHELVED_S / 60:g}"),
            )  # fmt: skip
        if kind_of(alarm.alarm) == "report" or alarm.state in LATCHED:
            st.button(
                t(language, "close"), key=f"close-{key}", width="stretch", on_click=_close,
                args=(store, run_id, alarm, key),
            )  # fmt: skip


def _report(store: Store, run_id: str) -> None:
    """Send what stands in the form; it is emptied when it was queued."""
    state = st.session_state
    words = plain(str(state.get("report-words") or ""))
    place = words or str(state.get("report-zone") or "")
    send(
        store, run_id, CommandKind.REPORT, zone_id=place, subject=str(state.get("report-kind") or ""),
        text=str(state.get("report-text") or ""), value=float(state.get("report-level") or Level.CAUTION),
    )  # fmt: skip
    if FAULT not in state:
        state["report-text"], state["report-words"] = "", ""


def show_report(store: Store, moment: Moment, language: str, lacks: str = "") -> None:
    """A form for what people report by radio or telephone; ``lacks`` says why who looks may not use it."""
    names = {zone.zone_id: plain(name_of(zone.name, zone.zone_id, language)) for zone in moment.site.zones}
    with st.popover(t(language, "report"), width="stretch", disabled=bool(lacks), help=lacks or None):
        st.selectbox(t(language, "report.zone"), list(names), format_func=names.__getitem__, key="report-zone")
        st.text_input(t(language, "report.words"), key="report-words", max_chars=100)
        st.text_input(t(language, "report.kind"), key="report-kind", max_chars=64)
        st.selectbox(
            t(language, "report.level"), LEVELS, index=1, key="report-level",
            format_func=lambda level: t(language, f"level.{level.name.lower()}"),
        )  # fmt: skip
        st.text_area(t(language, "report.text"), key="report-text", max_chars=MOST_TEXT)
        st.button(t(language, "report.send"), key="report-send", on_click=_report, args=(store, moment.run.run_id))
    if moment.waiting(CommandKind.REPORT):
        st.html(f'<div class="cw-note" role="status">✓ {t(language, "ack.sent")}</div>')


def load_line(moment: Moment, language: str) -> str:
    """How many alarms came in the last ten minutes, against EEMUA 191, and which chatter or stand: HTML."""
    from_ns = moment.t_ns - SPAN_NS
    recent = [alert for alert in moment.alerts if alert.t_ns >= from_ns]
    found = alarm_load(recent, from_ns, moment.t_ns)
    parts = [t(language, "load", n=found.alarms, most=f"{TARGETS['most_10_min']:g}")]
    if found.again:
        parts.append(t(language, "load.again", n=found.again))
    if found.chattering:
        zones = (moment.zone(zone_id) for zone_id, _ in found.chattering)
        names = [name_of(zone.name, zone.zone_id, language) for zone in zones if zone is not None]
        parts.append(t(language, "load.chattering", names=", ".join(names)))
    flood = f" <b>{t(language, 'load.flood')}</b>" if "most_10_min" in found.beyond() else ""
    return f'<div class="cw-note">{safe("; ".join(parts))}{flood}</div>'
