"""One alarm as the wall shows it in its place: what, where, since when, who has it, and what the playbook says."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crowdwatch.analytics.alarm_load import cause_of
from crowdwatch.analytics.dispatch import roster_of
from crowdwatch.analytics.voice import BEGINS, MOVES
from crowdwatch.core.outcomes import Alarm, AlarmState, Level, kind_of
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.core.site import Quantity
from crowdwatch.core.text import plain
from crowdwatch.ui.alarm_forms import LATCHED, SILENT, shelf_text
from crowdwatch.ui.respond import adviser_of
from crowdwatch.ui.view import Moment
from crowdwatch.ui.wall import figures
from crowdwatch.ui.wall.history import History
from crowdwatch.ui.wall.layout import cameras_of_zones, speaks
from crowdwatch.ui.writing import name_of, number
from crowdwatch.words import LANGUAGES, reason_text, t, term

__all__ = ["Clock", "alarm_card", "local_clock", "refusal"]

NS = 1_000_000_000

Clock = Callable[[int], str]
"""Event time in nanoseconds -> time of day at the event."""


def local_clock(zone: str) -> Clock:
    """Time of day in a time zone.

    >>> local_clock("Asia/Shanghai")(1_798_732_800_000_000_000)
    '00:00:00'
    """
    place = ZoneInfo(zone)
    return lambda t_ns: datetime.fromtimestamp(t_ns // NS, UTC).astimezone(place).strftime("%H:%M:%S")


def _zone_name(moment: Moment, zone_id: str, language: str) -> str:
    zone = moment.zone(zone_id)
    return name_of(zone.name if zone else {}, zone_id, language)


def _asked_ns(alarm: Alarm) -> int:
    """Since when somebody is asked: a higher level asks anew."""
    if not alarm.level_ns:
        return alarm.first_raised_ns or alarm.since_ns
    rose = [now[1] for before, now in zip(alarm.level_ns, alarm.level_ns[1:], strict=False) if now[0] > before[0]]
    return rose[-1] if rose else alarm.first_raised_ns or alarm.level_ns[0][1]


def _value(language: str, value: float, unit: str) -> str:
    return f"{number(value, 2)} {term(language, 'unit', unit).strip()}".strip()


def _values(alarm: Alarm, history: History, language: str) -> dict[str, str]:
    """The value now in large (``big``, ``unit``, with its trend), or in words; and the worst. Empty without any."""
    if not alarm.unit or alarm.level == Level.NORMAL:
        return {"big": "", "unit": "", "now": "", "worst": ""}
    worst = t(language, "wall.worst_value", value=number(alarm.worst_value, 2))
    if alarm.quantity in (Quantity.DENSITY, Quantity.PEAK):
        densest = alarm.quantity == Quantity.PEAK
        rise = math.nan if densest else figures.rise_p_m2_min(history.density(alarm.zone_id))
        trend = "" if math.isnan(rise) else "→" if rise == 0 else "↑" if rise > 0 else "↓"
        speed = f"{rise:+.1f} {t(language, 'wall.a_minute')}" if math.isfinite(rise) and rise != 0 else ""
        unit = t(language, "wall.unit_density")
        said = t(language, "wall.densest") if densest else speed
        return {"big": number(alarm.value, 1) + trend, "unit": unit, "now": said, "worst": worst}
    now = t(language, "wall.now", value=_value(language, alarm.value, alarm.unit))
    return {"big": "", "unit": "", "now": now, "worst": worst}


def _owner(moment: Moment, alarm: Alarm, language: str) -> str:
    """Who has it: who acknowledged it, the units sent to any alarm of its cause, or the role that is asked."""
    group = {(each.zone_id, each.alarm) for each in (alarm, *moment.alarms) if cause_of(each) == cause_of(alarm)}
    units = roster_of(moment.site, moment.dispatches).units.values() if moment.site.units else ()
    names = {unit.unit_id: dict(unit.name) for unit in moment.site.units}
    sent = [
        f"{name_of(names.get(unit.unit_id, {}), unit.unit_id, language)} {t(language, f'unit.{unit.state.value}')}"
        for unit in units
        if (unit.zone_id, unit.alarm) in group
    ]
    has = [t(language, "wall.owner", name=plain(alarm.acknowledged_by))] if alarm.acknowledged_by else []
    if not has and alarm.unacknowledged and alarm.role:
        known = alarm.role in ("viewer", "operator", "commander", "administrator")
        has = [t(language, "wall.asks", name=t(language, f"wall.role.{alarm.role}") if known else plain(alarm.role))]
    return "; ".join([*has, *sent])


def _action(moment: Moment, alarm: Alarm, clock: Clock, language: str) -> dict[str, Any] | None:
    """What the playbook says of it: what to do, whom to call, what to read to people in every language."""
    levels = {reading.zone_id: reading.level for reading in moment.readings}
    value = alarm.value if alarm.unit else math.nan
    advice = adviser_of(moment.run.config_json).advise(
        alarm.zone_id, alarm.alarm, alarm.level, levels, value=value, clock=clock(alarm.first_raised_ns)
    )
    if advice is None:
        return None
    return {
        "do": plain(advice.do(language)),
        "call": t(language, "wall.call", names=plain(", ".join(advice.measure.call))) if advice.measure.call else "",
        "doubt": t(language, "wall.doubt", why=reason_text(language, advice.doubts)) if advice.doubts else "",
        "messages": {each: plain(advice.message(each)) for each in LANGUAGES if advice.message(each)},
    }


def _announcement(moment: Moment, alarm: Alarm) -> str:
    """The message that waits to be confirmed: it has the id of the event that began it. Empty where nothing speaks."""
    if not speaks(moment.run.config_json):
        return ""
    own = [each for each in moment.alerts if (each.zone_id, each.alarm) == (alarm.zone_id, alarm.alarm)]
    last = next((each for each in own if each.transition in MOVES), None)  # the newest comes first
    return last.event_id if last is not None and last.transition in BEGINS else ""


def _waits(moment: Moment, alarm: Alarm) -> list[str]:
    """What was asked of it and is not taken by the engine yet."""
    return [
        command.kind.value
        for command in moment.pending
        if (command.zone_id, command.alarm) == (alarm.zone_id, alarm.alarm)
    ]


def refusal(moment: Moment, command: Command, language: str) -> dict[str, str]:
    """What the engine did not carry out, of which alarm, and why."""
    what = t(language, f"command.{command.kind.value}")
    reason = reason_text(language, command.refused)
    return {
        "zone": command.zone_id, "alarm": command.alarm, "id": str(command.command_id),
        "text": t(language, "wall.refused", reason=f"{what} ({plain(command.actor)}): {reason}"),
    }  # fmt: skip


def alarm_card(moment: Moment, alarm: Alarm, history: History, clock: Clock, language: str) -> dict[str, Any]:
    """What stands in the place of an alarm.

    Args:
        moment: of the page.
        alarm: the alarm.
        history: of the zones, for the trend.
        clock: local time of the event.
        language: of the texts.
    """
    kind, asked_ns = kind_of(alarm.alarm), _asked_ns(alarm)
    level_ns = alarm.level_ns[-1][1] if alarm.level_ns else 0
    times = [t(language, "wall.raised", time=clock(alarm.first_raised_ns or alarm.since_ns))]
    if level_ns > alarm.first_raised_ns > 0:
        times.append(t(language, "wall.level_at", time=clock(level_ns)))
    known = moment.zone(alarm.zone_id) is not None
    return {
        "zone": alarm.zone_id,
        "alarm": alarm.alarm,
        "level": int(alarm.level),
        "name": _zone_name(moment, alarm.zone_id, language),
        "what": plain(f"{t(language, f'alarm.{kind}')}{f' ({alarm.kind})' if alarm.kind else ''}"),
        "state": t(language, f"state.{alarm.state.value}"),
        "asks": alarm.unacknowledged,
        "silent": alarm.state in SILENT,
        "over": alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED,
        "times": " · ".join(times),
        "asked_ms": asked_ns // 1_000_000,
        **_values(alarm, history, language),
        "owner": _owner(moment, alarm, language),
        "why": plain(reason_text(language, alarm.reasons) or alarm.text),
        "shelf": shelf_text(moment, alarm, language),
        "may_close": kind == "report" or alarm.state in LATCHED,
        "may_unshelve": alarm.state is AlarmState.SHELVED,
        "may_send": bool(moment.site.units) and (known or kind == "report"),
        "cameras": list(cameras_of_zones(moment.run.config_json).get(alarm.zone_id, ())),
        "waits": _waits(moment, alarm),
        "waits_ack": moment.waiting(CommandKind.ACKNOWLEDGE, alarm.zone_id, alarm.alarm),
        "action": _action(moment, alarm, clock, language),
        "announcement": _announcement(moment, alarm),
    }
