"""The journal: every transition of a run, what people wrote, and what of it leaves the house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

import streamlit as st

from crowdwatch.core.commands import MOST_TEXT
from crowdwatch.core.outcomes import AlertEvent, Level, kind_of
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import CommandKind
from crowdwatch.core.text import plain
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import frame
from crowdwatch.ui.alertlist import alert_rows, why_not
from crowdwatch.ui.downloads import offer
from crowdwatch.ui.pages.exports import alerts_csv, cap_of, methane
from crowdwatch.ui.pages.zone_chart import zone_name
from crowdwatch.ui.selection import recall, remember
from crowdwatch.ui.sending import FAULT, send
from crowdwatch.ui.session import actor
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import level_text, safe
from crowdwatch.words import t

__all__ = ["Wanted", "journal_page", "wanted_of"]

MOST_ROWS = 1000
"""The newest of so many are listed; the CSV has all."""

FIELDS = ("journal-kinds", "journal-zones", "journal-person", "journal-level", "journal-from", "journal-to")
LEVELS = (Level.UNKNOWN, Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the journal is listed; what is empty lists all.

    Args:
        kinds: kinds of alarms: names of rules, ``report``, ``note``, ``phase``.
        zones: their ids.
        person: part of the name of who did it, in any case.
        level: at least this one.
        from_time, to_time: time of day at the event, both with it; a span may reach over midnight.
    """

    kinds: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    person: str = ""
    level: Level = Level.UNKNOWN
    from_time: time | None = None
    to_time: time | None = None


def wanted_of(moment: Moment, wanted: Wanted) -> list[AlertEvent]:
    """The transitions that are wanted, newest first."""
    return [each for each in moment.alerts if _is_wanted(moment, each, wanted)]


def _is_wanted(moment: Moment, alert: AlertEvent, wanted: Wanted) -> bool:
    if wanted.kinds and kind_of(alert.alarm) not in wanted.kinds:
        return False
    if wanted.zones and alert.zone_id not in wanted.zones:
        return False
    if wanted.person and wanted.person.casefold() not in alert.actor.casefold():
        return False
    if alert.level < wanted.level:
        return False
    at = datetime.fromtimestamp(alert.t_ns // 1_000_000_000, UTC).astimezone(moment.time_zone).time()
    first, last = wanted.from_time or time.min, wanted.to_time or time.max
    return first <= at <= last if first <= last else at >= first or at <= last


def journal_page() -> None:
    """Every transition of one run, with what was measured and who did what."""
    frame.page(_journal, beat_s=frame.SLOW_BEAT_S, looks_back=False)


def _journal(store: Store, moment: Moment, language: str) -> None:
    _note(store, moment, language)
    found = wanted_of(moment, _filters(moment, language))
    said = t(language, "journal.count", n=len(found), m=len(moment.alerts))
    said += t(language, "journal.most", most=MOST_ROWS) if len(found) > MOST_ROWS else ""
    st.html(f'<div class="cw-note" role="status">{safe(said)}</div>')
    if found:
        rows = alert_rows(moment, language, found[:MOST_ROWS])
        st.dataframe(rows, hide_index=True, height=min(560, 38 + 35 * len(rows)))
    else:
        st.html(f'<div class="cw-note">{t(language, "alerts.recent.none")}</div>')
    offer(
        t(language, "journal.csv"), lambda: alerts_csv(moment), file_name=f"{moment.run.run_id}-alerts.csv",
        mime="text/csv", what=f"alerts of run {moment.run.run_id}", key="journal-csv",
        help=t(language, "journal.csv.help"),
    )  # fmt: skip
    _one(moment, found, language)


def _kinds(moment: Moment) -> list[str]:
    return sorted({kind_of(alert.alarm) for alert in moment.alerts})


def _filters(moment: Moment, language: str) -> Wanted:
    zones = sorted({alert.zone_id for alert in moment.alerts if alert.zone_id})
    kinds = _kinds(moment)
    for key, allowed in (("journal-kinds", set(kinds)), ("journal-zones", set(zones))):
        recall(key)
        if key in st.session_state:
            st.session_state[key] = [each for each in st.session_state[key] if each in allowed]
    for key in FIELDS[2:]:
        recall(key)
    what, where, who, level, first, last = st.columns([2, 2, 1.3, 1.3, 1, 1], gap="small")
    every = t(language, "journal.all")
    wanted_kinds: list[str] = what.multiselect(
        t(language, "journal.kinds"), kinds, key="journal-kinds", placeholder=every,
        format_func=lambda kind: t(language, f"alarm.{kind}"),
    )  # fmt: skip
    wanted_zones: list[str] = where.multiselect(
        t(language, "journal.zones"), zones, key="journal-zones", placeholder=every,
        format_func=lambda zone_id: zone_name(moment, zone_id, language),
    )  # fmt: skip
    person = who.text_input(t(language, "journal.person"), key="journal-person", max_chars=64)
    least: Level = level.selectbox(
        t(language, "journal.level"), LEVELS, key="journal-level",
        format_func=lambda each: every if each is Level.UNKNOWN else level_text(each, language),
    )  # fmt: skip
    from_time = first.time_input(t(language, "journal.from"), value=None, key="journal-from", step=60)
    to_time = last.time_input(t(language, "journal.to"), value=None, key="journal-to", step=60)
    for key, value in zip(FIELDS, (wanted_kinds, wanted_zones, person, least, from_time, to_time), strict=True):
        remember(key, value)
    return Wanted(frozenset(wanted_kinds), frozenset(wanted_zones), plain(person), least, from_time, to_time)


def _write(store: Store, run_id: str) -> None:
    """Send the note; the field is emptied when it was queued, and keeps what was typed when it was not."""
    state = st.session_state
    zone_id = str(state.get("note-zone") or "")
    send(store, run_id, CommandKind.NOTE, zone_id=zone_id, text=str(state.get("note-text") or ""))
    if FAULT not in state:
        state["note-text"] = ""


def _note(store: Store, moment: Moment, language: str) -> None:
    if st.session_state.get(FAULT):
        st.html(notice("!", t(language, "ack.failed", message=st.session_state[FAULT]), loud=True))
    if why_not(moment, language):
        st.html(f'<div class="cw-note">{safe(t(language, "note.not"))}</div>')
        return
    ids = ["", *(zone.zone_id for zone in moment.site.zones)]
    text, zone, button = st.columns([4, 2, 1], vertical_alignment="bottom", gap="small")
    text.text_input(t(language, "note.text"), key="note-text", max_chars=MOST_TEXT)
    zone.selectbox(
        t(language, "note.zone"), ids, key="note-zone",
        format_func=lambda each: zone_name(moment, each, language) if each else t(language, "note.no_zone"),
    )  # fmt: skip
    button.button(
        t(language, "note.send"), key="note-send", width="stretch", on_click=_write, args=(store, moment.run.run_id)
    )
    if any(command.kind is CommandKind.NOTE for command in moment.pending):
        st.html(f'<div class="cw-note" role="status">✓ {t(language, "ack.sent")}</div>')


def _one(moment: Moment, found: Sequence[AlertEvent], language: str) -> None:
    """One alert as a message to others: CAP and METHANE."""
    alarms = {alert.event_id: alert for alert in found[:MOST_ROWS] if kind_of(alert.alarm) not in ("note", "phase")}
    if not alarms:
        return
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "journal.tell")}</div>')

    def title(event_id: str) -> str:
        alert = alarms[event_id]
        name, word = zone_name(moment, alert.zone_id, language), t(language, f"alarm.{kind_of(alert.alarm)}")
        done = t(language, f"transition.{alert.transition}")
        return f"{moment.at(alert.t_ns)} {level_text(alert.level, language)} {name}: {word} {done}"

    recall("journal-alert", alarms)
    chosen: str = st.selectbox(t(language, "journal.alert"), list(alarms), format_func=title, key="journal-alert")
    remember("journal-alert", chosen)
    alert = alarms[chosen]
    text = methane(moment, alert, actor().name, language)
    report, message = st.columns(2, gap="small")
    with report:
        st.code(text, language=None, wrap_lines=True)
        offer(
            t(language, "journal.methane"), text.encode, file_name=f"METHANE-{chosen}.txt", mime="text/plain",
            what=f"METHANE of alert {chosen}", key="journal-methane",
        )  # fmt: skip
    with message:
        try:
            xml = cap_of(moment, alert)
        except CrowdWatchError as error:
            st.html(notice("!", str(error), loud=False))
            return
        st.code(xml, language="xml", wrap_lines=True, height=260)
        offer(
            t(language, "journal.cap"), xml.encode, file_name=f"CAP-{chosen}.xml", mime="application/cap+xml",
            what=f"CAP of alert {chosen}", key="journal-cap",
        )  # fmt: skip
