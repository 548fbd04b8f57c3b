"""Open alarms with their buttons, and what happened. An acknowledgement is a command: the engine takes it in."""

from __future__ import annotations

import math

import streamlit as st

from crowdwatch.analytics.alarm_load import Group, grouped
from crowdwatch.core.outcomes import Alarm, AlertEvent, Level, kind_of
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.core.site import Quantity
from crowdwatch.core.text import plain
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui.alarm_forms import load_line, shelf_text, show_report, show_silence
from crowdwatch.ui.sending import FAULT, send
from crowdwatch.ui.style import badge, notice
from crowdwatch.ui.view import Moment, Pulse
from crowdwatch.ui.writing import clock, duration, markdown, name_of, number, safe, service_text, short
from crowdwatch.words import joined, reason_text, t, term

__all__ = ["alert_rows", "send", "show_alerts", "show_recent"]

RECENT, REFUSED = 8, 3
"""How many of the newest transitions and of the newest refused commands are shown."""

FIT, LIST_PX = 2, 300
"""More open alarms than fit scroll in a list of so many pixels, so that the picture below stays in sight."""

MOST_FORMS = 12
"""Of so many alarms, the most urgent, can be silenced here; of the others when they come up."""


def _zone_name(moment: Moment, zone_id: str, language: str) -> str:
    zone = moment.zone(zone_id)
    return name_of(zone.name if zone else {}, zone_id, language)


def _service(moment: Moment, zone_id: str, density_p_m2: float, language: str) -> str:
    """The level of service of a density in a zone; empty where the site has no such zone."""
    zone = moment.zone(zone_id)
    return service_text(language, zone.kind, density_p_m2) if zone else ""


def _why(moment: Moment, alarm: Alarm, language: str) -> str:
    """The reasons of an alarm, and the level of service of the density that raised it."""
    values = [dict(reason.values) for reason in alarm.reasons]
    densities = [float(each["value"]) for each in values if each.get("quantity") == "density" and "value" in each]
    letters = [_service(moment, alarm.zone_id, each, language) for each in densities]
    return joined(language, [reason_text(language, alarm.reasons), *letters])


def _name(language: str, alarm: str) -> str:
    """The name of an alarm."""
    return t(language, f"alarm.{kind_of(alarm)}")


def _now(alarm: Alarm, language: str) -> str:
    """The value now and the worst one: what the reasons say is of the moment at which the level was reached."""
    if alarm.level == Level.NORMAL or not alarm.unit:
        return ""
    unit = term(language, "unit", alarm.unit)
    values = (alarm.value, alarm.worst_value)
    now, worst = (f"{number(value, 2)}{unit if math.isfinite(value) else ''}" for value in values)
    what = term(language, "quantity", alarm.quantity) if alarm.quantity in set(Quantity) else ""
    return t(language, "alerts.now", what=what, now=now, worst=worst).strip()


def _card(moment: Moment, alarm: Alarm, language: str) -> str:
    name = _zone_name(moment, alarm.zone_id, language)
    colour = LEVEL_STYLES[alarm.level].colour
    calm = not alarm.unacknowledged
    state = t(language, f"state.{alarm.state.value}")
    age = duration((moment.t_ns - alarm.since_ns) / 1e9)
    since = t(language, "alerts.since", time=f"{clock(alarm.since_ns)} UTC", age=age)
    said = [_why(moment, alarm, language), _now(alarm, language), shelf_text(alarm, language), since]
    if alarm.level_ns and alarm.level_ns[-1][1] > alarm.since_ns and alarm.level > Level.NORMAL:
        said.append(t(language, "alerts.level_since", time=f"{clock(alarm.level_ns[-1][1])} UTC"))
    return (
        f'<div class="cw-alarm{"" if calm else " cw-open"}" style="border-left-color:{colour}" role="listitem">'
        f'{badge(language, alarm.level)} <span class="z" title="{safe(name)}">{safe(short(name, 24))}</span> '
        f"<b>{_name(language, alarm.alarm)}: {state}</b>"
        f'<div class="r">{safe("; ".join(filter(None, said)))}</div></div>'
    )


def _cause(moment: Moment, group: Group, language: str) -> str:
    """What several alarms have in common: a heading over their cards."""
    cameras = group.cause_key.partition(":")[2]
    names = ", ".join(short(_zone_name(moment, zone_id, language), 24) for zone_id in group.zone_ids)
    return notice(t(language, "alerts.cause", cameras=cameras, n=len(group.zone_ids)), names, loud=False)


def _refusal(moment: Moment, command: Command, language: str) -> str:
    """What the engine did not carry out, and why."""
    what = t(language, f"command.{command.kind.value}")
    if command.zone_id:
        what = f"{what} {short(_zone_name(moment, command.zone_id, language), 24)}"
    reason = reason_text(language, command.refused)
    return t(language, "refused.text", what=what, actor=command.actor, reason=reason)


def _why_not(moment: Moment, language: str) -> str:
    """Why nothing can be acknowledged now; empty when it can."""
    if moment.pulse in (Pulse.STOPPED, Pulse.FINISHED, Pulse.FAILED):
        return t(language, "ack.over")
    if moment.pulse == Pulse.DEAD:
        return t(language, "command.dead")
    return "" if moment.following else t(language, "ack.back")


def show_alerts(store: Store, moment: Moment, language: str) -> None:
    """Open alarms, those not acknowledged first."""
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "alerts")}</div>')
    if st.session_state.get(FAULT):
        st.html(notice("!", t(language, "ack.failed", message=st.session_state[FAULT]), loud=True))
    for command in moment.refused[:REFUSED]:
        st.html(notice(t(language, "refused.title"), _refusal(moment, command, language), loud=False))
    if moment.hidden:
        shown = f"{clock(moment.t_ns)} UTC"
        st.html(f'<div class="cw-alarm cw-hatch">{safe(t(language, "alerts.stale", time=shown))}</div>')
    elif not moment.alarms:
        st.html(f'<div class="cw-alarm">{t(language, "alerts.none")}</div>')
    why_not = _why_not(moment, language)
    if why_not and any(alarm.unacknowledged for alarm in moment.alarms):
        st.html(f'<div class="cw-note">{safe(why_not)}</div>')
    if not moment.hidden:
        st.html(load_line(moment, language))
    with st.container(height=LIST_PX if len(moment.alarms) > FIT else "content", border=False):
        _cards(store, moment, language, may_acknowledge=not why_not)
    if not why_not:
        show_report(store, moment, language)


def _cards(store: Store, moment: Moment, language: str, *, may_acknowledge: bool) -> None:
    """One card per alarm. The key A belongs to the alarm that is open longest, so that one which comes in at that very
    moment is not acknowledged unseen."""
    open_ = [alarm for alarm in moment.alarms if alarm.unacknowledged]
    oldest = min(open_, key=lambda alarm: (alarm.since_ns, alarm.zone_id, alarm.alarm), default=None)
    shown = 0
    for group in grouped(moment.alarms):
        if len(group.alarms) > 1:
            st.html(_cause(moment, group, language))
        for alarm in group.alarms:
            st.html(_card(moment, alarm, language))
            if may_acknowledge and alarm.unacknowledged:
                _acknowledge_button(store, moment, alarm, language, by_key=alarm is oldest)
            if may_acknowledge and shown < MOST_FORMS:
                show_silence(store, moment, alarm, language)
            shown += 1


def _acknowledge_button(store: Store, moment: Moment, alarm: Alarm, language: str, *, by_key: bool) -> None:
    """A native button, reached with Tab and pressed with Enter."""
    if moment.waiting(CommandKind.ACKNOWLEDGE, alarm.zone_id, alarm.alarm):
        st.html(f'<div class="cw-note" role="status">✓ {t(language, "ack.sent")}</div>')
        return
    name = markdown(short(_zone_name(moment, alarm.zone_id, language), 24))
    st.button(
        t(language, "ack", zone=name, alarm=_name(language, alarm.alarm)),
        key=f"ack-{moment.run.run_id}-{alarm.zone_id}-{alarm.alarm}",
        type="primary",
        width="stretch",
        shortcut="A" if by_key else None,
        on_click=send,
        args=(store, moment.run.run_id, CommandKind.ACKNOWLEDGE),
        kwargs={"zone_id": alarm.zone_id, "alarm": alarm.alarm, "value": float(alarm.level)},
    )


def _happened(moment: Moment, alert: AlertEvent, language: str) -> str:
    what = f"{_name(language, alert.alarm)} {t(language, f'transition.{alert.transition}')}"
    sign = "✓" if alert.transition == "acknowledged" else LEVEL_STYLES[alert.level].sign
    name = short(_zone_name(moment, alert.zone_id, language), 22)
    by = f" ({safe(alert.cause)})" if alert.actor else ""
    word = t(language, f"level.{alert.level.name.lower()}")
    return f"<tr><td>{clock(alert.t_ns)}</td><td>{sign} {word}</td><td>{safe(name)}: {what}{by}</td></tr>"


def show_recent(moment: Moment, language: str) -> None:
    """The newest transitions."""
    title = f'<div class="cw-h" role="heading" aria-level="3">{t(language, "alerts.recent")}</div>'
    if not moment.alerts:
        st.html(f'{title}<div class="cw-note">{t(language, "alerts.recent.none")}</div>')
        return
    rows = "".join(_happened(moment, alert, language) for alert in moment.alerts[:RECENT])
    st.html(f'{title}<table class="cw-log"><tbody>{rows}</tbody></table>')


def alert_rows(moment: Moment, language: str) -> list[dict[str, str]]:
    """Every transition as a table, newest first."""
    rows = []
    for alert in moment.alerts:
        unit = term(language, "unit", alert.unit)
        letter = _service(moment, alert.zone_id, alert.value, language) if alert.quantity == "density" else ""
        values = (
            f"{clock(alert.t_ns, date=True)} UTC",
            _zone_name(moment, alert.zone_id, language),
            f"{LEVEL_STYLES[alert.level].sign} {t(language, f'level.{alert.level.name.lower()}')}",
            f"{_name(language, alert.alarm)} {t(language, f'transition.{alert.transition}')}",
            f"{number(alert.value, 2)}{unit} {letter}".strip() if math.isfinite(alert.value) else "",
            f"{alert.limit:g}{unit}" if math.isfinite(alert.limit) else "",
            plain(reason_text(language, alert.reasons)),
            plain(alert.cause),
        )
        keys = ("time", "zone", "level", "what", "value", "limit", "reason", "cause")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows
