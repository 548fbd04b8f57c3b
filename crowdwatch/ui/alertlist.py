"""Open alarms with their buttons, and what happened. An acknowledgement is a command: the engine takes it in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from crowdwatch.analytics.alarm_load import Group, grouped
from crowdwatch.core.outcomes import Alarm, AlertEvent, Level, kind_of
from crowdwatch.core.ports import Store
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.core.site import Quantity
from crowdwatch.core.text import plain
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui.alarm_forms import load_line, shelf_text, show_report, show_silence
from crowdwatch.ui.places import keep_places
from crowdwatch.ui.sending import FAULT, send
from crowdwatch.ui.session import denied
from crowdwatch.ui.style import badge, notice
from crowdwatch.ui.view import Moment, Pulse
from crowdwatch.ui.writing import duration, markdown, name_of, number, safe, service_text, short
from crowdwatch.words import joined, reason_text, t, term

__all__ = ["alarm_card", "alert_rows", "send", "show_alerts", "show_recent", "why_not"]

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


def alarm_card(moment: Moment, alarm: Alarm, cause: str, language: str) -> str:
    """What an alarm is, why, since when: HTML. ``cause`` is what it has in common with others, or empty."""
    name = _zone_name(moment, alarm.zone_id, language)
    colour = LEVEL_STYLES[alarm.level].colour
    calm = not alarm.unacknowledged
    state = t(language, f"state.{alarm.state.value}")
    age = duration((moment.t_ns - alarm.since_ns) / 1e9)
    since = t(language, "alerts.since", time=moment.at(alarm.since_ns), age=age)
    said = [_why(moment, alarm, language), _now(alarm, language), shelf_text(moment, alarm, language), since]
    if alarm.level_ns and alarm.level_ns[-1][1] > alarm.since_ns and alarm.level > Level.NORMAL:
        said.append(t(language, "alerts.level_since", time=moment.at(alarm.level_ns[-1][1])))
    shared = f'<div class="r"><b>{safe(cause)}</b></div>' if cause else ""
    return (
        f'<div class="cw-alarm{"" if calm else " cw-open"}" style="border-left-color:{colour}" role="listitem">'
        f'{badge(language, alarm.level)} <span class="z" title="{safe(name)}">{safe(short(name, 24))}</span> '
        f"<b>{_name(language, alarm.alarm)}: {state}</b>{shared}"
        f'<div class="r">{safe("; ".join(filter(None, said)))}</div></div>'
    )


def _cause(group: Group, language: str) -> str:
    """What several alarms have in common, said in the card of each; empty for one that stands alone."""
    if len(group.alarms) == 1:
        return ""
    cameras = group.cause_key.partition(":")[2]
    return t(language, "alerts.cause", cameras=cameras, n=len(group.zone_ids))


def _refusal(moment: Moment, command: Command, language: str) -> str:
    """What the engine did not carry out, and why."""
    what = t(language, f"command.{command.kind.value}")
    if command.zone_id:
        what = f"{what} {short(_zone_name(moment, command.zone_id, language), 24)}"
    reason = reason_text(language, command.refused)
    return t(language, "refused.text", what=what, actor=command.actor, reason=reason)


def why_not(moment: Moment, language: str) -> str:
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
        shown = moment.at(moment.t_ns)
        st.html(f'<div class="cw-alarm cw-hatch">{safe(t(language, "alerts.stale", time=shown))}</div>')
    elif not moment.alarms:
        st.html(f'<div class="cw-alarm">{t(language, "alerts.none")}</div>')
    refusal = why_not(moment, language)
    lacks = denied(Right.OPERATE)
    if lacks and not refusal:
        st.html(f'<div class="cw-note" role="status">{safe(lacks)}</div>')
    if refusal and any(alarm.unacknowledged for alarm in moment.alarms):
        st.html(f'<div class="cw-note">{safe(refusal)}</div>')
    if not moment.hidden:
        st.html(load_line(moment, language))
    foremost = _foremost(moment, language)
    if foremost:
        st.html(foremost)
    with st.container(height=LIST_PX if len(moment.alarms) > FIT else "content", border=False):
        _cards(store, moment, language, lacks, may_acknowledge=not refusal)
    if not refusal:
        show_report(store, moment, language, lacks)


def _cards(store: Store, moment: Moment, language: str, lacks: str, *, may_acknowledge: bool) -> None:
    """One card per alarm; its buttons are grey where ``lacks`` says why. An alarm keeps its place until it is gone, and
    no key acknowledges one: it might be out of sight."""
    cards = {
        (alarm.zone_id, alarm.alarm): (alarm, _cause(group, language))
        for group in grouped(moment.alarms)
        for alarm in group.alarms
    }
    held = f"places-{moment.run.run_id}"
    st.session_state[held] = places = keep_places(st.session_state.get(held, []), list(cards))
    for shown, key in enumerate(places):
        if key is None:
            st.html(f'<div class="cw-alarm" style="min-height:9rem;opacity:.6">{t(language, "alerts.gone")}</div>')
            continue
        alarm, cause = cards[key]
        st.html(alarm_card(moment, alarm, cause, language))
        if may_acknowledge and alarm.unacknowledged:
            _acknowledge_button(store, moment, alarm, language, lacks)
        if may_acknowledge and shown < MOST_FORMS:
            show_silence(store, moment, alarm, language, lacks)


def _foremost(moment: Moment, language: str) -> str:
    """The most urgent alarm in one line over the list, wherever in the list it stands: HTML."""
    waiting = [alarm for alarm in moment.alarms if alarm.unacknowledged]
    if not waiting:
        return ""
    worst = max(waiting, key=lambda alarm: (alarm.level, alarm.since_ns))
    name = safe(short(_zone_name(moment, worst.zone_id, language), 24))
    what = safe(t(language, "alerts.waiting", n=len(waiting)))
    return f'<div role="status"><b>{what}</b> {badge(language, worst.level)} <b>{name}</b></div>'


def _acknowledge_button(store: Store, moment: Moment, alarm: Alarm, language: str, lacks: str) -> None:
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
        disabled=bool(lacks),
        help=lacks or None,
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
    return f"<tr><td>{moment.at(alert.t_ns)}</td><td>{sign} {word}</td><td>{safe(name)}: {what}{by}</td></tr>"


def show_recent(moment: Moment, language: str) -> None:
    """The newest transitions."""
    title = f'<div class="cw-h" role="heading" aria-level="3">{t(language, "alerts.recent")}</div>'
    if not moment.alerts:
        st.html(f'{title}<div class="cw-note">{t(language, "alerts.recent.none")}</div>')
        return
    rows = "".join(_happened(moment, alert, language) for alert in moment.alerts[:RECENT])
    st.html(f'{title}<table class="cw-log"><tbody>{rows}</tbody></table>')


def alert_rows(moment: Moment, language: str, alerts: Sequence[AlertEvent]) -> list[dict[str, str]]:
    """Transitions as a table, in their order."""
    rows = []
    for alert in alerts:
        unit = term(language, "unit", alert.unit)
        letter = _service(moment, alert.zone_id, alert.value, language) if alert.quantity == "density" else ""
        values = (
            moment.at(alert.t_ns, date=True),
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
