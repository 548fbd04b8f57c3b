"""One zone: what is there now, what is in force, how people move, and what to do."""

from __future__ import annotations

import math

import streamlit as st

from crowdwatch.core.movement import ZoneMovement
from crowdwatch.core.outcomes import Alarm, Level, ZoneReading
from crowdwatch.core.ports import Store
from crowdwatch.core.site import UNITS, Limit, Quantity, Zone
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui import frame, gates
from crowdwatch.ui.alertlist import alarm_card
from crowdwatch.ui.pages import diagrams, outlook
from crowdwatch.ui.pages.zone_chart import PLOT, pick_span, pick_zone, readings_of, show_chart, since, zone_name
from crowdwatch.ui.respond import show_playbook
from crowdwatch.ui.shared import shared
from crowdwatch.ui.sitemap import quality_text
from crowdwatch.ui.style import badge, box
from crowdwatch.ui.view import Moment, limits_at, phase_now
from crowdwatch.ui.writing import interval, level_text, name_of, number, safe, service_text, short, table
from crowdwatch.words import joined, reason_text, t, term

__all__ = ["zone_page"]

SHORT_MIN = 3.0
"""Shorter times are said to a tenth of a minute."""


def zone_page() -> None:
    """One zone of one run."""
    frame.page(_zone)


def _zone(store: Store, moment: Moment, language: str) -> None:
    pick, span = st.columns([2, 1], vertical_alignment="bottom")
    with pick:
        zone_id = pick_zone(moment, language)
    with span:
        span_s = pick_span(language)
    zone = moment.zone(zone_id)
    if zone is None:
        return
    reading, moved = moment.reading(zone_id), moment.moved(zone_id)
    st.html(f'<div class="cw-strip">{"".join(_tiles(zone, reading, moved, language))}</div>')
    why = joined(language, (quality_text(language, reading), reason_text(language, reading.reasons)))
    seen = t(language, "zone.seen", share=f"{number(reading.visible_frac * 100, 0)} %")
    st.html(f'<div class="cw-note">{safe(f"{seen}; {why}")}</div>')
    left, right = st.columns([60, 40], gap="small")
    with left:
        show_chart(store, moment, zone_id, span_s, language)
        _movement(store, moment, zone_id, span_s, language)
    with right:
        _ahead(store, moment, zone, reading, moved, language)
        _alarms(moment, zone_id, language)
        _in_force(moment, zone, language)
        _gate_history(store, moment, span_s, language)


def _tiles(zone: Zone, reading: ZoneReading, moved: ZoneMovement | None, language: str) -> list[str]:
    unit = t(language, "unit.density")
    unknown = reading.level == Level.UNKNOWN
    least = "≥ " if reading.too_few and math.isfinite(reading.count) else ""
    ends = f"{number(reading.density_low, 2)} – {number(reading.density_high, 2)} {unit}"
    letter = service_text(language, zone.kind, reading.density_p_m2)
    peak = t(language, "zone.peak", value=number(reading.peak_p_m2, 2), unit=unit, b=f"{reading.bandwidth_m:g}")
    density = box(
        t(language, "chart.density"), f"{least}{number(reading.density_p_m2, 2)}",
        f"{badge(language, reading.level)} {safe(joined(language, (letter, ends, peak)))}",
        LEVEL_STYLES[reading.level].colour, hatched=unknown,
    )  # fmt: skip
    share = "" if not zone.capacity else t(
        language, "zone.capacity", share=f"{number(reading.occupancy_frac * 100, 0)} %", capacity=f"{zone.capacity:g}"
    )  # fmt: skip
    count = box(
        t(language, "chart.count"), f"{least}{number(reading.count, 0)}",
        safe(joined(language, (interval(reading.count_low, reading.count_high), share))), hatched=unknown,
    )  # fmt: skip
    return [density, count, *_moving_tiles(moved, language)]


def _moving_tiles(moved: ZoneMovement | None, language: str) -> list[str]:
    nan = math.nan
    speed, low, high, moving = (
        (nan,) * 4 if moved is None else (moved.speed_m_s, moved.speed_low, moved.speed_high, moved.moving_frac)
    )
    into, out = (nan, nan) if moved is None else (moved.inflow_p_s * 60, moved.outflow_p_s * 60)
    unit = t(language, "unit.speed")
    walk = t(language, "zone.moving", share=f"{number(moving * 100, 0)} %")
    why = "" if moved is None else reason_text(language, moved.reasons)
    ends = f"{number(low, 2)} – {number(high, 2)} {unit}"
    edges = t(language, "zone.net", net=f"{into - out:+.0f}" if math.isfinite(into - out) else "?")
    return [
        box(
            t(language, "zone.speed_now"), f"{number(speed, 2)} <span class='n'>{unit}</span>",
            safe(joined(language, (ends, walk, why))), hatched=math.isnan(speed),
        ),
        box(
            t(language, "zone.edges"), f"+{number(into, 0)} −{number(out, 0)}", safe(edges),
            hatched=math.isnan(into) or math.isnan(out),
        ),
    ]  # fmt: skip


def _heading(language: str, key: str) -> None:
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, key)}</div>')


def _limits(moment: Moment, zone: Zone) -> list[Limit]:
    return [
        limit for kind in Quantity for limit in limits_at(moment.site, zone.zone_id, moment.t_ns, kind, moment.alerts)
    ]


def _in_force(moment: Moment, zone: Zone, language: str) -> None:
    """The phase and the limits of the zone in it."""
    _heading(language, "zone.limits")
    now = phase_now(moment)
    if now is not None:
        st.html(f"<div>{t(language, 'phase')} <b>{safe(name_of(now.name, now.phase_id, language))}</b></div>")
    rows = []
    for limit in _limits(moment, zone):
        unit = term(language, "unit", UNITS[limit.quantity])
        values = (
            term(language, "quantity", limit.quantity.value),
            level_text(limit.level, language),
            f"{limit.raise_at:g}{unit}", f"{limit.clear_below:g}{unit}", f"{limit.on_delay_s:g} s",
        )  # fmt: skip
        keys = ("quantity", "level", "limit", "clear", "delay")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    if rows:
        st.table(table(rows))
    else:
        st.html(f'<div class="cw-note">{t(language, "zone.no_limits")}</div>')


def _ahead(
    store: Store, moment: Moment, zone: Zone, reading: ZoneReading, moved: ZoneMovement | None, language: str
) -> None:  # fmt: skip
    """When the limit is reached, if it goes on like this, and how far that may be trusted."""
    _heading(language, "zone.ahead")
    if reading.level == Level.UNKNOWN:
        st.html(f'<div class="cw-note">{t(language, "zone.ahead.unknown")}</div>')
        return
    points = readings_of(store, moment, zone.zone_id, moment.t_ns - round(outlook.OVER_S * 1e9))
    found = outlook.outlook_of(points, _limits(moment, zone), zone.capacity)
    if found is None:
        st.html(f'<div class="cw-note">{t(language, "zone.ahead.no_limit")}</div>')
        return
    unit = term(language, "unit", UNITS[found.limit.quantity])
    what = f"{term(language, 'quantity', found.limit.quantity.value)} {found.limit.raise_at:g}{unit}"
    if math.isnan(found.seen.minutes):
        said = t(language, "zone.ahead.none", limit=what)
    elif found.seen.minutes == 0:
        said = t(language, "zone.ahead.reached", limit=what)
    else:
        seen = found.seen
        said = t(
            language, "zone.ahead.trend", limit=what, minutes=_minutes(seen.minutes), low=_minutes(seen.low),
            high=_minutes(seen.high),
        )  # fmt: skip
    skilled = t(language, "zone.ahead.skill", skill=number(found.skill, 2))
    st.html(f"<div><b>{safe(said)}</b></div><div class='cw-note'>{safe(skilled)}</div>")
    minutes = outlook.by_balance_min(zone, reading, moved, found.limit)
    key = "unknown" if math.isnan(minutes) else "never" if math.isinf(minutes) else "minutes"
    balance = t(language, f"zone.balance.{key}", minutes=_minutes(minutes))
    st.html(f'<div class="cw-note">{safe(balance)}</div>')


def _minutes(minutes: float) -> str:
    return number(minutes, 1 if minutes < SHORT_MIN else 0)


def _alarms(moment: Moment, zone_id: str, language: str) -> None:
    """The alarms of the zone, and what the playbook says of each."""
    _heading(language, "alerts")
    own: list[Alarm] = [alarm for alarm in moment.alarms if alarm.zone_id == zone_id]
    if not own:
        text = t(language, "alerts.none" if not moment.hidden else "zone.alarms_unknown")
        st.html(f'<div class="cw-note">{text}</div>')
    for alarm in own:
        st.html(alarm_card(moment, alarm, "", language))
        if alarm.level > Level.NORMAL:
            show_playbook(moment, alarm, language)


def _movement(store: Store, moment: Moment, zone_id: str, span_s: float, language: str) -> None:
    """Speed over time, and speed over density with the curve of people on foot."""
    run_id, from_ns = moment.run.run_id, since(moment, span_s)
    moved = shared(store).series(
        ("moved", run_id, zone_id), from_ns, moment.t_ns,
        lambda a, b: [
            diagrams.Moved.of(each) for each in store.movement(run_id, zone_id=zone_id, from_ns=a, to_ns=b)
        ],
    )  # fmt: skip
    if not any(math.isfinite(each.speed_m_s) for each in moved):
        st.html(f'<div class="cw-note">{t(language, "zone.no_movement")}</div>')
        return
    pairs = diagrams.pairs_of(readings_of(store, moment, zone_id, from_ns), moved)
    name = zone_name(moment, zone_id, language)
    speed, diagram = st.columns(2, gap="small")
    with speed:
        drawn = diagrams.speed_figure(moved, moment.t_ns, language, moment.time_zone)
        alt = t(language, "zone.speed.alt", zone=name)
        st.plotly_chart(drawn, key="speed", theme=None, config=PLOT, alt=alt)
    with diagram:
        alt = t(language, "zone.diagram.alt", zone=name)
        st.plotly_chart(diagrams.diagram_figure(pairs, language), key="diagram", theme=None, config=PLOT, alt=alt)
    st.html(f'<div class="cw-note">{t(language, "zone.diagram.note")}</div>')
    with st.expander(t(language, "zone.diagram.table")):
        st.dataframe(diagrams.diagram_rows(pairs, language, moment.time_zone), hide_index=True)


def _gate_history(store: Store, moment: Moment, span_s: float, language: str) -> None:
    """What crosses the gates now, and the count of one of them over the span."""
    if not moment.site.gates:
        return
    _heading(language, "gate.table")
    said = gates.occupancy_text(moment.occupancy, language)
    if said:
        st.html(f'<div class="cw-note">{safe(said)}</div>')
    with st.expander(t(language, "gate.table_now")):
        st.table(table(gates.gate_rows(moment, language)))
    known = {gate.gate_id: gate for gate in moment.site.gates}
    names = {gate_id: short(name_of(gate.name, gate_id, language), 40) for gate_id, gate in known.items()}
    gate_id: str = st.selectbox(
        t(language, "gate.pick"), list(names), format_func=names.__getitem__, key=f"gate-{moment.site.event_id}"
    )
    run_id = moment.run.run_id
    found = shared(store).series(
        ("gate", run_id, gate_id), since(moment, span_s), moment.t_ns,
        lambda a, b: store.gate_readings(run_id, gate_id=gate_id, from_ns=a, to_ns=b),
    )  # fmt: skip
    if found:
        drawn = gates.n_t_figure(found, known[gate_id], language, moment.time_zone)
        alt = t(language, "gate.n_t", name=names[gate_id])
        st.plotly_chart(drawn, key="gate-chart", theme=None, config=PLOT, alt=alt)
        with st.expander(t(language, "gate.n_t.table")):
            st.dataframe(gates.n_t_rows(found, language, moment.time_zone), hide_index=True)
