"""Everything that the wall draws of one moment, as one JSON-able object. Pure: the same moment gives the same scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crowdwatch.analytics.dispatch import roster_of
from crowdwatch.analytics.phases import chosen_by_hand, phase_in_force
from crowdwatch.core.dispatch import UnitNow, UnitState
from crowdwatch.core.outcomes import DensityGrid, Health, Level, Quality, ZoneReading, kind_of
from crowdwatch.core.runs import CommandKind, Mode
from crowdwatch.core.site import Quantity
from crowdwatch.rendering.palette import LEVEL_STYLES, band_index
from crowdwatch.ui.gates import gate_label
from crowdwatch.ui.total import outer_zones, people_seen
from crowdwatch.ui.view import Moment, Pulse, limits_at, worst_zone
from crowdwatch.ui.wall import figures
from crowdwatch.ui.wall.alarm_cards import alarm_card, local_clock, refusal
from crowdwatch.ui.wall.history import History
from crowdwatch.ui.wall.layout import phase_names, time_zone_of
from crowdwatch.ui.wall.slots import Key, key_of
from crowdwatch.ui.writing import duration, name_of, number, short
from crowdwatch.words import t

__all__ = ["Around", "grid_rows", "scene_of", "units_of"]

NS = 1_000_000_000
WORST, REFUSED, TIMELINE_S = 5, 6, 900
EXERCISE = ("exercise", "演练")


@dataclass(frozen=True, slots=True)
class Around:
    """What a scene needs beside its moment.

    Args:
        history: of the zones, up to the moment.
        slots, more: the places of the alarms (:mod:`crowdwatch.ui.wall.slots`).
    """

    history: History
    slots: Sequence[Key | None]
    more: Sequence[Key]


def _mode(moment: Moment) -> str:
    """LIVE, or EXERCISE where the event file's labels say so; REPLAY; BACK-TEST of what was folded in a batch."""
    if moment.run.mode is not Mode.LIVE:
        return moment.run.mode.value
    return "exercise" if any(label.casefold() in EXERCISE for label in moment.site.labels) else "live"


def _strip(moment: Moment, language: str) -> dict[str, Any]:
    site, config_json = moment.site, moment.run.config_json
    zone = ZoneInfo(time_zone_of(config_json))
    offset = datetime.fromtimestamp(moment.t_ns // NS, UTC).astimezone(zone).utcoffset()
    phases, phase, following = phase_names(config_json, language), None, None
    if site.phases:
        now = phase_in_force(site, moment.t_ns, chosen_by_hand(moment.alerts, moment.t_ns))
        phase = phases.get(now.phase_id, now.phase_id)
        later = [each for each in site.phases if each.start_ns > moment.t_ns]
        if later:
            name = phases.get(later[0].phase_id, later[0].phase_id)
            following = {"text": t(language, "wall.until", phase=name), "ms": later[0].start_ns // 1_000_000}
    steady = moment.run.mode is Mode.LIVE or not math.isfinite(moment.pace)
    return {
        "mode": _mode(moment),
        "zone": zone.key,
        "offset_min": int(offset.total_seconds() // 60) if offset else 0,
        "phase": phase,
        "next": following,
        "pulse": moment.pulse.value,
        "pulse_text": t(language, f"pulse.{moment.pulse.value}"),
        "speed": "" if steady else t(language, "wall.speed", speed=f"{moment.pace:.1f}"),
        "says": moment.run.message,
        "moves": moment.pulse in (Pulse.RUNNING, Pulse.PAUSED),
    }


def _number(key: str, value: str, note: str, level: Level | None = None, *, hatched: bool = False) -> dict[str, Any]:
    return {"key": key, "value": value, "note": note, "level": None if level is None else int(level), "hatch": hatched}


def _numbers(moment: Moment, around: Around, language: str) -> list[dict[str, Any]]:
    """The boxes of the second row, each with its value and what stands below."""
    return [
        *_people(moment, around, language),
        _flow(moment, language),
        _coverage(moment, language),
        _worst_box(moment, language),
        _open_box(moment, language),
    ]


def _people(moment: Moment, around: Around, language: str) -> list[dict[str, Any]]:
    total = people_seen(moment.site, moment.readings)
    capacity = figures.capacity_of(moment.site)
    if math.isnan(total.count):
        value, note = "?", t(language, "wall.total_none")
    elif total.zones_unknown:
        value, note = f"≥ {math.floor(total.low):,}", t(language, "wall.total_least", n=total.zones_unknown)
    else:
        ends = f"{math.floor(total.low):,}", f"{math.ceil(total.high):,}"
        value, note = f"{total.count:,.0f}", t(language, "wall.total_between", low=ends[0], high=ends[1])
    if total.overlap:
        note = f"{note}; {t(language, 'wall.total_overlap')}"
    boxes = [_number("total", value, note, hatched=bool(total.zones_unknown))]
    if not math.isfinite(capacity):
        return [*boxes, _number("capacity", "–", t(language, "wall.capacity_none"))]
    least = "≥ " if total.zones_unknown and math.isfinite(total.count) else ""
    share = f"{least}{number(total.count / capacity * 100, 0)} %"
    outer, _ = outer_zones(moment.site)
    series = around.history.count(sorted(outer))
    soon = [_minutes(figures.time_to(part * capacity, series).minutes) for part in (0.8, 1.0)]
    when = " / ".join(soon) if any(each != "–" for each in soon) and not moment.hidden else t(language, "wall.no_trend")
    return [
        *boxes,
        _number("capacity", share, f"{t(language, 'wall.time_to')}: {when}", hatched=bool(total.zones_unknown)),
    ]


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if math.isfinite(value) else "–"


def _flow(moment: Moment, language: str) -> dict[str, Any]:
    flow = figures.flow_of(moment.site, moment.gates)
    if math.isnan(flow.into_p_min):
        return _number("flow", "? / ?" if flow.gates else "–", t(language, "wall.flow_none"), hatched=flow.gates > 0)
    net = f"{flow.into_p_min - flow.out_p_min:+.0f}"
    key = "wall.flow_some" if flow.unknown else "wall.flow_net"
    value = f"{flow.into_p_min:.0f} / {flow.out_p_min:.0f}"
    return _number("flow", value, t(language, key, net=net, n=flow.unknown), hatched=flow.unknown > 0)


def _coverage(moment: Moment, language: str) -> dict[str, Any]:
    share = 0.0 if moment.hidden else figures.coverage_frac(moment.site, moment.readings)
    unknown = sum(reading.level == Level.UNKNOWN for reading in moment.readings)
    note = t(language, "wall.coverage_zones", n=unknown, m=len(moment.readings))
    return _number("coverage", f"{share * 100:.0f} %", note, hatched=unknown > 0)


def _worst_box(moment: Moment, language: str) -> dict[str, Any]:
    worst = worst_zone(moment.readings)
    if worst is None:
        return _number("worst", "?", t(language, "wall.worst_none"), Level.UNKNOWN, hatched=True)
    zone = moment.zone(worst.zone_id)
    name = short(name_of(zone.name if zone else {}, worst.zone_id, language), 40)
    style, word = LEVEL_STYLES[worst.level], t(language, f"level.{worst.level.name.lower()}")
    return _number("worst", _density(moment, worst, language), f"{style.sign} {word} · {name}", worst.level)


def _open_box(moment: Moment, language: str) -> dict[str, Any]:
    waiting = [alarm for alarm in moment.alarms if alarm.unacknowledged]
    if not waiting:
        key = "wall.all_acknowledged" if moment.alarms else "wall.none_open"
        return _number("open", "0", t(language, key, n=len(moment.alarms)), hatched=moment.hidden)
    oldest = min(alarm.first_raised_ns or alarm.since_ns for alarm in waiting)
    level = max(alarm.level for alarm in waiting)
    note = t(language, "wall.oldest", age=duration(max(0.0, (moment.t_ns - oldest) / NS)))
    return _number("open", str(len(waiting)), note, level, hatched=moment.hidden)


def _deciding(moment: Moment, reading: ZoneReading) -> tuple[float, bool]:
    """The density that stands for a zone, and whether it is that of its densest place: where that decides the level,
    the mean beside it would contradict the colour."""
    for alarm in moment.alarms:
        own = (alarm.zone_id, alarm.alarm, alarm.quantity) == (reading.zone_id, "crowding", Quantity.PEAK.value)
        if own and alarm.level == reading.level > Level.NORMAL and math.isfinite(reading.peak_p_m2):
            return reading.peak_p_m2, True
    return reading.density_p_m2, False


def _density(moment: Moment, reading: ZoneReading, language: str) -> str:
    value, densest = _deciding(moment, reading)
    least = "≥ " if reading.too_few and math.isfinite(value) else ""
    said = f"{least}{number(value, 1)} {t(language, 'wall.unit_density')}"
    return f"{t(language, 'wall.most')} {said}" if densest else said


def _zone(moment: Moment, reading: ZoneReading, around: Around, language: str) -> dict[str, Any]:
    """One zone of the map; numbers that are unknown are a question mark, never an empty place."""
    unknown = reading.level == Level.UNKNOWN
    value, densest = _deciding(moment, reading)
    rise = math.nan if unknown or densest else figures.rise_p_m2_min(around.history.density(reading.zone_id))
    seen = reading.visible_frac * 100 if math.isfinite(reading.visible_frac) else 0.0
    return {
        "id": reading.zone_id,
        "level": int(reading.level),
        "value": "?" if unknown else number(value, 1),
        "densest": densest and not unknown,
        "least": reading.too_few and not unknown,
        "trend": "" if math.isnan(rise) else "→" if rise == 0 else "↑" if rise > 0 else "↓",
        "degraded": reading.quality is Quality.DEGRADED,
        "seen": t(language, "wall.seen", share=f"{seen:.0f}"),
        "age": duration(reading.age_s),
    }


def _order(reading: ZoneReading) -> tuple[int, float]:
    """The worst is drawn last, over the others."""
    return int(reading.level), reading.density_p_m2 if math.isfinite(reading.density_p_m2) else -1.0


def _row(moment: Moment, reading: ZoneReading, around: Around, language: str) -> dict[str, Any]:
    """One of the worst zones: its line of 15 minutes, and when it reaches the next limit."""
    quality = t(language, "wall.degraded" if reading.quality is Quality.DEGRADED else "wall.unknown")
    known = reading.level != Level.UNKNOWN
    return {
        "id": reading.zone_id,
        "level": int(reading.level),
        "value": _density(moment, reading, language) if known else "?",
        "line": around.history.line(reading.zone_id),
        "limit": _to_limit(moment, reading, around, language) if known else "",
        "quality": "" if reading.quality is Quality.GOOD else quality,
    }


def _to_limit(moment: Moment, reading: ZoneReading, around: Around, language: str) -> str:
    """When the next limit of the density is reached, where the trend has skill."""
    limits = limits_at(moment.site, reading.zone_id, moment.t_ns, Quantity.DENSITY, moment.alerts)
    above = [limit for limit in limits if limit.raise_at > reading.density_p_m2]
    if not above:
        if not limits:
            return ""
        word = t(language, f"level.{limits[-1].level.name.lower()}")
        return t(language, "wall.at_limit", limit=word)
    word = t(language, f"level.{above[0].level.name.lower()}")
    limit = t(language, "wall.limit_text", level=word, value=f"{above[0].raise_at:g}")
    seen = figures.time_to(above[0].raise_at, around.history.density(reading.zone_id))
    if not math.isfinite(seen.minutes):
        return f"{limit}: {t(language, 'wall.no_trend')}"
    low, high, minutes = (f"{value:.0f}" for value in (seen.low, seen.high, seen.minutes))
    return t(language, "wall.limit_in", limit=limit, minutes=minutes, low=low, high=high)


def _gate(moment: Moment, gate_id: str, language: str) -> dict[str, Any]:
    """A gate: its flow in words, and in short as in and out a minute."""
    reading = moment.gate(gate_id)
    flows = (reading.ingress_p_min, reading.egress_p_min) if reading is not None else (math.nan, math.nan)
    brief = t(language, "wall.gate_brief", into=number(flows[0], 0), out=number(flows[1], 0))
    return {"id": gate_id, "text": gate_label(reading, language), "brief": brief}


def _cameras(moment: Moment, language: str) -> list[dict[str, Any]]:
    """A tile each; the unhealthy first, then those that were silent longest."""
    known = {each.camera_id: each for each in moment.health}
    tiles = []
    for camera in moment.site.cameras:
        health = None if moment.hidden else known.get(camera.camera_id)
        if health is None:
            said, well, age_s = t(language, "wall.camera_none"), False, math.inf
        else:
            well, age_s = health.health is Health.OK and not health.saturated, health.age_s
            word = t(language, f"health.{health.health.value}")
            key = "wall.camera_ok" if health.health is Health.OK else "wall.camera_unhealthy"
            said = t(language, key, health=word, age=duration(health.age_s))
            if health.saturated:
                said = f"{said}; {t(language, 'camera.saturated')}"
        tiles.append((well, -age_s, {"id": camera.camera_id, "ok": well, "text": said}))
    return [tile for _, _, tile in sorted(tiles, key=lambda each: each[:2])]


def units_of(moment: Moment) -> tuple[UnitNow, ...]:
    """Every unit as it is at the moment."""
    return tuple(roster_of(moment.site, moment.dispatches).units.values())


def _units(moment: Moment, language: str) -> list[dict[str, Any]]:
    """Where units are, and what they do."""
    return [
        {
            "id": unit.unit_id, "at": [round(unit.east_m, 1), round(unit.north_m, 1)], "zone": unit.zone_id,
            "state": unit.state.value, "free": unit.state is UnitState.FREE,
            "text": t(language, f"unit.{unit.state.value}"),
        }
        for unit in units_of(moment)
        if math.isfinite(unit.east_m + unit.north_m)
    ]  # fmt: skip


def _timeline(moment: Moment, language: str) -> list[dict[str, Any]]:
    """What happened in the last quarter of an hour, oldest first: alarms, people, units."""
    from_ns = moment.t_ns - TIMELINE_S * NS
    found: list[dict[str, Any]] = []
    for alert in moment.alerts:
        if alert.t_ns < from_ns or alert.transition in ("realarmed", "escalated"):
            continue
        zone = moment.zone(alert.zone_id)
        name = short(name_of(zone.name if zone else {}, alert.zone_id, language), 24)
        kind, happened = t(language, f"alarm.{kind_of(alert.alarm)}"), t(language, f"transition.{alert.transition}")
        sign = "✓" if alert.transition == "acknowledged" else LEVEL_STYLES[alert.level].sign
        found.append(
            {
                "ms": alert.t_ns // 1_000_000,
                "level": int(alert.level),
                "sign": sign,
                "text": f"{name}: {kind} {happened}",
            }
        )
    for event in moment.dispatches:
        if event.t_ns >= from_ns and event.transition in ("assigned", "arrived"):
            state = t(language, f"unit.{event.state.value}")
            found.append(
                {"ms": event.t_ns // 1_000_000, "level": None, "sign": "●", "text": f"{event.unit_id}: {state}"}
            )
    return sorted(found, key=lambda each: each["ms"])[-120:]


def _may_act(moment: Moment, language: str) -> str:
    """Why nothing can be done; empty where it can."""
    if moment.pulse in (Pulse.RUNNING, Pulse.PAUSED):
        return ""
    return t(language, f"wall.why.{'dead' if moment.pulse == Pulse.DEAD else 'over'}")


def scene_of(moment: Moment, around: Around, language: str) -> dict[str, Any]:
    """The scene of a moment.

    Args:
        moment: read from the store at once.
        around: what the wall remembers.
        language: of its texts.
    """
    by_key = {key_of(alarm): alarm for alarm in moment.alarms}
    readings = sorted(moment.readings, key=_order)
    worst = sorted(moment.readings, key=_order, reverse=True)[:WORST]
    more = [by_key[key] for key in around.more if key in by_key]
    asking = [int(alarm.level) for alarm in more if alarm.unacknowledged and alarm.level > Level.NORMAL]
    clock = local_clock(time_zone_of(moment.run.config_json))
    return {
        "run": moment.run.run_id,
        "ms": moment.t_ns // 1_000_000,
        "strip": _strip(moment, language),
        "numbers": _numbers(moment, around, language),
        "hidden": moment.hidden,
        "zones": [_zone(moment, reading, around, language) for reading in readings],
        "gates": [
            _gate(moment, gate.gate_id, language) for gate in moment.site.gates
        ],
        "slots": [
            alarm_card(moment, by_key[key], around.history, clock, language) if key in by_key else None
            for key in around.slots
        ],
        "more": len(more),
        "more_level": max(asking, default=None),
        "worst": [_row(moment, reading, around, language) for reading in worst],
        "cameras": _cameras(moment, language),
        "units": _units(moment, language) if moment.site.units else [],
        "timeline": _timeline(moment, language),
        "waits_report": moment.waiting(CommandKind.REPORT),
        "no_acts": _may_act(moment, language),
        "refused": [refusal(moment, each, language) for each in moment.refused[:REFUSED]],
    }  # fmt: skip


def grid_rows(grid: DensityGrid | None) -> dict[str, Any] | None:
    """The density field as runs of bands, row 0 south: ``[band, cells, band, cells, ...]`` a row.

    A band is an index of :data:`~crowdwatch.rendering.palette.BAND_COLOURS`; -1 is seen and below the first edge, -2
    is not seen.
    """
    if grid is None:
        return None
    rows = []
    for row in band_index(grid.rho_p_m2).tolist():
        runs: list[int] = []
        for band in row:
            if runs and runs[-2] == band:
                runs[-1] += 1
            else:
                runs += [band, 1]
        rows.append(runs)
    return {
        "origin": [float(v) for v in grid.origin_m],
        "cell": grid.cell_m,
        "rows": rows,
        "ms": grid.t_ns // 1_000_000,
    }
