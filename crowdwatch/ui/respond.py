"""What to do about an alert: the playbook, the nearest free units, and who has been told."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from crowdwatch import config
from crowdwatch.analytics.advice import Adviser
from crowdwatch.analytics.dispatch import roster_of
from crowdwatch.analytics.walking import Walker
from crowdwatch.core.dispatch import UnitNow, UnitState
from crowdwatch.core.notices import Notification, NotificationState
from crowdwatch.core.outcomes import Alarm, Level
from crowdwatch.core.ports import Outgoing, Store
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import CommandKind
from crowdwatch.core.text import plain
from crowdwatch.drivers import build
from crowdwatch.errors import CrowdWatchError, StoreUnavailable
from crowdwatch.ui.alertlist import send
from crowdwatch.ui.session import denied
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import Moment, Pulse, site_of
from crowdwatch.ui.writing import local, markdown, name_of, safe, short
from crowdwatch.words import reason_text, t, term

__all__ = ["adviser_of", "nearest_units", "outgoing_of", "show_playbook", "show_response", "walker_of"]

NEAREST = 3
"""How many of the nearest free units are offered."""


@lru_cache(maxsize=8)
def adviser_of(config_json: str) -> Adviser:
    """What the playbook of a run says."""
    return Adviser(site_of(config_json), config.playbook_of(config.from_json(config_json).playbook))


@lru_cache(maxsize=8)
def walker_of(config_json: str) -> Walker:
    """Distances on the ground of a run's site."""
    return Walker(site_of(config_json))


@lru_cache(maxsize=64)
def nearest_units(config_json: str, zone_id: str, units: tuple[UnitNow, ...]) -> list[tuple[UnitNow, float]]:
    """Free units with their metres to a zone, the nearest first; worked out once for the places of the units."""
    return walker_of(config_json).nearest(zone_id, units)


def show_response(store: Store, url: str, moment: Moment, language: str) -> None:
    """For one of the open alarms: what to do, whom to send, who was told."""
    alarms = [alarm for alarm in moment.alarms if alarm.level > Level.NORMAL]
    if not alarms:
        return
    with st.expander(t(language, "respond"), expanded=False):
        keys = [f"{alarm.zone_id}|{alarm.alarm}" for alarm in alarms]
        names = {key: _named(moment, alarm, language) for key, alarm in zip(keys, alarms, strict=True)}
        key = st.selectbox(t(language, "respond.alert"), keys, format_func=names.__getitem__, key="respond")
        alarm = alarms[keys.index(key)]
        show_playbook(moment, alarm, language)
        _units(store, moment, alarm, language)
        _told(url, moment, alarm, language)


def _zone(moment: Moment, zone_id: str, language: str) -> str:
    zone = moment.zone(zone_id)
    return name_of(zone.name if zone else {}, zone_id, language)


def _named(moment: Moment, alarm: Alarm, language: str) -> str:
    word = term(language, "alarm", alarm.alarm.partition(":")[0])
    level = t(language, f"level.{alarm.level.name.lower()}")
    return plain(f"{level} {short(_zone(moment, alarm.zone_id, language), 40)}: {word}")


def show_playbook(moment: Moment, alarm: Alarm, language: str) -> None:
    """What to do about an alarm, whom to call, and what is read out."""
    levels = {reading.zone_id: reading.level for reading in moment.readings}
    values = [dict(reason.values).get("value") for reason in alarm.reasons]
    value = next((float(each) for each in values if isinstance(each, float)), float("nan"))
    advice = adviser_of(moment.run.config_json).advise(
        alarm.zone_id, alarm.alarm, alarm.level, levels, value=value, clock=local(alarm.since_ns, moment.time_zone)
    )
    if advice is None:
        st.html(f'<div class="cw-note">{t(language, "playbook.none")}</div>')
        return
    if advice.doubts:
        st.html(notice("!", reason_text(language, advice.doubts), loud=True))
    lines = [f"<b>{t(language, 'playbook.do')}</b>: {safe(advice.do(language))}"]
    if advice.measure.call:
        lines.append(safe(t(language, "playbook.call", names=", ".join(advice.measure.call))))
    if advice.message(language):
        lines.append(safe(t(language, "playbook.message", text=advice.message(language))))
    st.html("".join(f'<div class="cw-note">{line}</div>' for line in lines))


def _units(store: Store, moment: Moment, alarm: Alarm, language: str) -> None:
    """Busy units of this alarm, and the nearest free ones with a button each."""
    st.html(f"<b>{t(language, 'units')}</b>")
    if not moment.site.units:
        st.html(f'<div class="cw-note">{t(language, "units.none")}</div>')
        return
    try:
        events = store.dispatches(moment.run.run_id, to_ns=moment.t_ns)
    except StoreUnavailable:
        return  # said above, loudly
    now = roster_of(moment.site, events).units
    last = next((event for event in reversed(events) if event.transition == "refused"), None)
    if last is not None and moment.t_ns - last.t_ns < 30_000_000_000:
        text = t(language, "units.last", unit=last.unit_id, reason=reason_text(language, last.reasons))
        st.html(notice("!", text, loud=False))
    for unit in now.values():
        if unit.state not in (UnitState.FREE, UnitState.OFF):
            st.html(f'<div class="cw-note">{safe(_away(moment, unit, language))}</div>')
    acts = moment.following and moment.pulse in (Pulse.RUNNING, Pulse.PAUSED)
    known = moment.zone(alarm.zone_id) is not None
    free = nearest_units(moment.run.config_json, alarm.zone_id, tuple(now.values())) if known else []
    if not free:
        st.html(f'<div class="cw-note">{t(language, "units.nobody")}</div>')
    lacks = denied(Right.OPERATE)
    if lacks:
        st.html(f'<div class="cw-note" role="status">{safe(lacks)}</div>')
    for unit, metres in free[:NEAREST]:
        st.button(
            t(language, "units.assign", unit=markdown(_unit(moment, unit, language)), metres=f"{metres:.0f}"),
            key=f"assign-{moment.run.run_id}-{unit.unit_id}",
            help=lacks or None,
            disabled=bool(lacks) or not acts or moment.waiting(CommandKind.ASSIGN, alarm.zone_id, alarm.alarm),
            on_click=send,
            args=(store, moment.run.run_id, CommandKind.ASSIGN),
            kwargs={"zone_id": alarm.zone_id, "alarm": alarm.alarm, "subject": unit.unit_id},
        )


def _unit(moment: Moment, unit: UnitNow, language: str) -> str:
    names = {each.unit_id: dict(each.name) for each in moment.site.units}
    return short(name_of(names.get(unit.unit_id, {}), unit.unit_id, language), 24)


def _away(moment: Moment, unit: UnitNow, language: str) -> str:
    state, zone = t(language, f"unit.{unit.state.value}"), _zone(moment, unit.zone_id, language)
    return t(language, "units.away", unit=_unit(moment, unit, language), state=state, zone=short(zone, 24))


def _told(url: str, moment: Moment, alarm: Alarm, language: str) -> None:
    """Every notification of this alarm, newest first."""
    st.html(f"<b>{t(language, 'delivery')}</b>")
    try:
        outgoing = outgoing_of(url)
        rows = [row for row in outgoing.notifications(moment.run.run_id) if row.t_ns <= moment.t_ns]
    except CrowdWatchError as error:
        st.html(f'<div class="cw-note">{safe(str(error))}</div>')
        return
    own = [row for row in rows if (row.zone_id, row.alarm) == (alarm.zone_id, alarm.alarm) and not row.test]
    if not own:
        st.html(f'<div class="cw-note">{safe(t(language, "delivery.none"))}</div>')
        return
    lines = "".join(
        f"<tr><td>{moment.at(row.t_ns)}</td><td>{safe(row.target_id)}</td>"
        f"<td>{safe(_state(moment, row, language))}</td></tr>"
        for row in own[::-1][:20]
    )
    st.html(f'<table class="cw-log"><tbody>{lines}</tbody></table>')


@st.cache_resource(show_spinner=False)
def outgoing_of(url: str) -> Outgoing:
    """One handle per store for all viewers. Raises StoreUnavailable."""
    return build.open_outgoing(url)


def _state(moment: Moment, row: Notification, language: str) -> str:
    if row.state is NotificationState.SENT:
        return t(language, "delivery.sent", time=moment.at(row.done_wall_ns))
    if row.state is NotificationState.SUPPRESSED:
        return t(language, "delivery.suppressed", why=t(language, f"suppressed.{row.why}"))
    if row.state is NotificationState.SENDING:
        return t(language, "delivery.sending", n=row.attempts)
    return t(language, "delivery.waiting", n=row.attempts, why=row.why or t(language, "delivery.first"))
