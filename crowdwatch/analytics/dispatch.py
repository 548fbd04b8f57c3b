"""Units: the fold of what operators ask of them, and the figures of dispatch. Pure and event-timed.

A unit is free, assigned, accepted, arrived, or off. It has one task at a time: who assigns it twice is refused, with
what it is doing. A refusal is an event too, so that whoever asked hears of it, and a replay says the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crowdwatch.analytics.alarm_load import cause_of
from crowdwatch.core.dispatch import DispatchEvent, UnitNow, UnitState
from crowdwatch.core.notices import ACTS, SET_ASIDE, order_of
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.response_commands import DISPATCH, OFF, place_of
from crowdwatch.core.runs import CommandKind
from crowdwatch.core.site import Site

__all__ = ["ONE_MINUTE_S", "Figures", "Roster", "Waits", "figures", "first_roster", "roster_of", "step", "wilson"]

ONE_MINUTE_S = 60.0
"""NFPA 1225 (2022): first unit dispatched within 60 s, in nine of ten cases."""

KINDS = frozenset(kind.value for kind in DISPATCH)

Z_95 = 1.959964
"""Of a normal distribution: 95 % lie within."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Every unit as it is."""

    units: Mapping[str, UnitNow] = field(default_factory=dict)


def first_roster(site: Site) -> Roster:
    """Every unit free, where it begins."""
    return Roster({unit.unit_id: UnitNow(unit.unit_id, UnitState.FREE, *unit.at_m) for unit in site.units})


def roster_of(site: Site, events: Iterable[DispatchEvent]) -> Roster:
    """The units after events that the store holds, in any order."""
    units = dict(first_roster(site).units)
    for event in sorted(events, key=lambda each: (each.t_ns, each.command_id)):
        if event.transition == "refused" or event.unit_id not in units:
            continue
        old = units[event.unit_id]
        task = ("", "") if event.state in (UnitState.FREE, UnitState.OFF) else (event.zone_id, event.alarm)
        since_ns = old.since_ns if event.state is old.state else event.t_ns
        units[event.unit_id] = UnitNow(event.unit_id, event.state, event.east_m, event.north_m, *task, since_ns)
    return Roster(units)


def step(
    roster: Roster, actions: Iterable[OperatorAction], standing: Collection[tuple[str, str]], t_ns: int
) -> tuple[Roster, tuple[DispatchEvent, ...]]:
    """Take in what operators did at one tick; other kinds of action are passed over.

    Args:
        roster: the units before.
        actions: in their order.
        standing: (zone, alarm) of the alarms that are not NORMAL after this tick.
        t_ns: the tick.
    """
    units, events = dict(roster.units), list[DispatchEvent]()
    for action in actions:
        if action.kind not in KINDS:
            continue
        old = units.get(action.subject)
        done = Reason.of(Code.REFUSED_UNIT, unit=action.subject) if old is None else _act(old, action, standing, t_ns)
        if isinstance(done, Reason):
            events.append(_event(action, t_ns, "refused", old, (done,)))
        else:
            transition, units[action.subject] = done
            task = old if transition == "released" else units[action.subject]
            events.append(_event(action, t_ns, transition, units[action.subject], (), task))
    return (Roster(units) if events else roster), tuple(events)


def _act(
    old: UnitNow, action: OperatorAction, standing: Collection[tuple[str, str]], t_ns: int
) -> tuple[str, UnitNow] | Reason:
    """A unit after an action, and what happened; or why not."""
    kind, busy = CommandKind(action.kind), old.state in (UnitState.ASSIGNED, UnitState.ACCEPTED, UnitState.ARRIVED)
    task = Reason.of(Code.UNIT_BUSY, unit=old.unit_id, zone_id=old.zone_id, alarm=old.alarm)
    if kind is CommandKind.UNIT:
        return _report(old, action, busy, task, t_ns)
    if kind is CommandKind.ASSIGN:
        if old.state is UnitState.OFF:
            return Reason.of(Code.UNIT_OFF, unit=old.unit_id)
        if busy:
            return task
        if (action.zone_id, action.alarm) not in standing:
            return Reason.of(Code.NO_ALARM, zone_id=action.zone_id, alarm=action.alarm)
        new = replace(
            old, state=UnitState.ASSIGNED, zone_id=action.zone_id, alarm=action.alarm, since_ns=t_ns
        )  # fmt: skip
        return "assigned", new
    if not busy:
        return Reason.of(Code.UNIT_FREE, unit=old.unit_id)
    if kind is CommandKind.RELEASE:
        return "released", replace(old, state=UnitState.FREE, zone_id="", alarm="", since_ns=t_ns)
    arrives = kind is CommandKind.ARRIVE
    if old.state is UnitState.ARRIVED or (old.state is UnitState.ACCEPTED and not arrives):
        return task
    state = UnitState.ARRIVED if arrives else UnitState.ACCEPTED
    return state.value, replace(old, state=state, since_ns=t_ns)


def _report(old: UnitNow, action: OperatorAction, busy: bool, task: Reason, t_ns: int) -> tuple[str, UnitNow] | Reason:
    """Where a unit says it is, or whether it is there at all."""
    place = place_of(action.text)
    if place is not None:
        return "moved", replace(old, east_m=place[0], north_m=place[1])
    if action.text == OFF:
        return task if busy else ("off", replace(old, state=UnitState.OFF, since_ns=t_ns))
    return "on", (replace(old, state=UnitState.FREE, since_ns=t_ns) if old.state is UnitState.OFF else old)


def _event(
    action: OperatorAction, t_ns: int, transition: str, unit: UnitNow | None, reasons: tuple[Reason, ...],
    task: UnitNow | None = None,
) -> DispatchEvent:  # fmt: skip
    identity = f"{action.command_id}|{action.subject}|{t_ns}|{transition}"
    zone_id, alarm = (action.zone_id, action.alarm) if task is None else (task.zone_id, task.alarm)
    place = (math.nan, math.nan) if unit is None else (unit.east_m, unit.north_m)
    state = UnitState.OFF if unit is None else unit.state
    return DispatchEvent(
        hashlib.sha256(identity.encode()).hexdigest()[:16], action.subject, t_ns, transition, action.command_id, state,
        zone_id, alarm, *place, action.actor, reasons,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ figures


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds until something happened, of those alerts where it did.

    Args:
        n: of how many alerts.
        p50_s, p90_s: median and 90th percentile, linear between values; NaN without any.
    """

    n: int
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How fast alerts were answered.

    Args:
        alerts: actionable alerts that are judged: dispatched, or older than a minute.
        within: those whose first unit was assigned within a minute.
        rate, low, high: their share, with the Wilson 95 % interval; NaN without alerts.
        undispatched: those that never had a unit, which are misses.
        open: alerts younger than a minute without a unit: not judged yet.
        dispatch, acknowledge, arrive: seconds until the first unit, acknowledgement, arrival.
    """

    alerts: int
    within: int
    rate: float
    low: float
    high: float
    undispatched: int
    open: int
    dispatch: Waits
    acknowledge: Waits
    arrive: Waits


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The Wilson 95 % interval of a share.

    With p = hits / n and z = 1.96: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n).

    Source: E. B. Wilson (1927), J. Am. Stat. Assoc. 22:209.

    >>> [round(end, 4) for end in wilson(8, 10)], wilson(0, 0)
    ([0.4902, 0.9433], (nan, nan))
    """
    if not n:
        return math.nan, math.nan
    p, z2 = hits / n, Z_95 * Z_95
    middle, half = p + z2 / (2 * n), Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n))


@dataclass(slots=True)
class _Episode:
    """Alarms of one cause, from when the first of them reached the actionable level to the end of the last."""

    began_ns: int
    keys: set[tuple[str, str]] = field(default_factory=set)
    standing: set[tuple[str, str]] = field(default_factory=set)
    aside: set[tuple[str, str]] = field(default_factory=set)
    end_ns: int | None = None
    acknowledged_ns: int | None = None


def _episodes(alerts: Sequence[AlertEvent], level: Level) -> list[_Episode]:
    running: dict[tuple[str, str], _Episode] = {}
    causes: dict[str, _Episode] = {}
    found: list[_Episode] = []
    for event in sorted(alerts, key=order_of):
        key = event.zone_id, event.alarm
        one = running.get(key)
        if one is None and event.transition not in ACTS and event.level >= level:
            group = causes.get(cause_of(event))
            if group is None or not group.standing:
                group = causes[cause_of(event)] = _Episode(event.t_ns)
                found.append(group)
            one = running[key] = group
            group.keys.add(key)
            group.standing.add(key)
        elif one is not None and event.transition == "acknowledged":
            one.acknowledged_ns = event.t_ns if one.acknowledged_ns is None else one.acknowledged_ns
        elif one is not None and event.to_state.value in SET_ASIDE:
            one.aside.add(key)
        if one is not None and event.level == Level.NORMAL and event.transition not in ACTS:
            one.standing.discard(key)
            one.end_ns = None if one.standing else event.t_ns
            del running[key]
    return found


def figures(
    alerts: Sequence[AlertEvent], dispatched: Sequence[DispatchEvent], now_ns: int, *, level: Level = Level.ALERT
) -> Figures:
    """The one-minute dispatch rate and its company.

    An actionable alert is an alarm that reached ``level``; time counts from there. Alarms of one cause that stand
    together (:func:`~crowdwatch.analytics.alarm_load.grouped`: the zones of one lost camera) are one alert: a unit that
    is sent to one of them is sent to all. One that was shelved, or taken out of service, before any unit was assigned
    is left out. A unit that had been sent to the alarm before it reached the
    level, and is still on its way or there, counts as 0 s. An alert that cleared without a unit is a miss.

    Args:
        alerts: alert events of one run.
        dispatched: what happened to its units.
        now_ns: event time up to which is judged.
        level: from which level on an alert is actionable.
    """
    waits: dict[str, list[float]] = {"assigned": [], "acknowledged": [], "arrived": []}
    judged = within = undispatched = open_ = 0
    for one in _episodes(alerts, level):
        sent = _first(dispatched, one, "assigned")
        if sent is None and one.keys <= one.aside:
            continue
        if sent is None and (now_ns - one.began_ns) / 1e9 < ONE_MINUTE_S and one.end_ns is None:
            open_ += 1
            continue
        judged += 1
        undispatched += sent is None
        within += sent is not None and sent <= ONE_MINUTE_S
        arrived = _first(dispatched, one, "arrived")
        known = None if one.acknowledged_ns is None else (one.acknowledged_ns - one.began_ns) / 1e9
        for name, value in (("assigned", sent), ("arrived", arrived), ("acknowledged", known)):
            if value is not None:
                waits[name].append(value)
    low, high = wilson(within, judged)
    rate = within / judged if judged else math.nan
    return Figures(
        judged, within, rate, low, high, undispatched, open_, _waits(waits["assigned"]), _waits(waits["acknowledged"]),
        _waits(waits["arrived"]),
    )  # fmt: skip


def _first(dispatched: Sequence[DispatchEvent], one: _Episode, transition: str) -> float | None:
    """Seconds from the beginning of an alert to the first such event of a unit; None where there is none."""
    gone: dict[str, int] = {}
    for each in dispatched:
        if each.transition == "released" and (each.zone_id, each.alarm) in one.keys:
            gone[each.unit_id] = max(each.t_ns, gone.get(each.unit_id, 0))
    times = [
        max(0.0, (each.t_ns - one.began_ns) / 1e9)
        for each in dispatched
        if each.transition == transition
        and (each.zone_id, each.alarm) in one.keys
        and (one.end_ns is None or each.t_ns <= one.end_ns)
        and (each.t_ns >= one.began_ns or not each.t_ns < gone.get(each.unit_id, 0) <= one.began_ns)
    ]
    return min(times, default=None)


def _waits(seconds: list[float]) -> Waits:
    if not seconds:
        return Waits(0, math.nan, math.nan)
    return Waits(len(seconds), float(np.percentile(seconds, 50)), float(np.percentile(seconds, 90)))
