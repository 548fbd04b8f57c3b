"""Alarms: one for crowding and one for blindness per zone, each with a level that moves. Pure and event-timed.

A limit becomes active when its quantity has been at or above ``raise_at`` for ``on_delay_s``, and inactive when it
has been below ``clear_below`` for ``off_delay_s``. The level of a zone is the highest active limit of any quantity.
An unknown value (NaN) never clears anything: an on-delay bridges a gap shorter than the stale limit, an off-delay
starts again. There is no cool-down, so nothing can hide a higher level.

States after ISA-18.2: normal -> unacknowledged -> acknowledged -> normal, or cleared before it was acknowledged. A
higher level asks for a new acknowledgement.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from crowdwatch.core.intervals import exceeded
from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, Level, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.site import UNITS, Limit, Quantity, Site, ZoneLimits

__all__ = ["BLINDNESS", "CROWDING", "AlarmBook", "nearest_frac", "phase_at", "step"]

CROWDING, BLINDNESS = "crowding", "blindness"

BLIND_ON_DELAY_S, BLIND_OFF_DELAY_S = 3.0, 10.0
"""A firework's flash blinds a camera for a second or two: three are bridged. (Silence has waited for the stale limit
already.) Ten seconds of good sight end it. [design values]"""

BLIND_LEVEL = Level.ALERT

_BELOW_LIMITS, _SEEN_AGAIN = Reason.of(Code.BELOW_LIMITS), Reason.of(Code.SEEN_AGAIN)


@dataclass(frozen=True, slots=True)
class Timer:
    """One limit's memory: is it active, since when has its quantity been beyond the limit that would change that."""

    active: bool = False
    beyond_since_ns: int | None = None
    known_ns: int | None = None

    def step(self, value: float, t_ns: int, limit: Limit, stale_s: float) -> Timer:
        """Take in one value; NaN is unknown."""
        if math.isnan(value):
            gap_s = math.inf if self.known_ns is None else (t_ns - self.known_ns) / 1e9
            keep = not self.active and gap_s <= stale_s
            return self if keep else replace(self, beyond_since_ns=None)
        beyond = value < limit.clear_below if self.active else value >= limit.raise_at
        if not beyond:
            return replace(self, beyond_since_ns=None, known_ns=t_ns)
        since_ns = t_ns if self.beyond_since_ns is None else self.beyond_since_ns
        delay_s = limit.off_delay_s if self.active else limit.on_delay_s
        if (t_ns - since_ns) / 1e9 >= delay_s:
            return Timer(active=not self.active, known_ns=t_ns)
        return replace(self, beyond_since_ns=since_ns, known_ns=t_ns)


@dataclass(frozen=True, slots=True)
class _Standing:
    """An alarm's state, level and since when."""

    state: AlarmState = AlarmState.NORMAL
    level: Level = Level.NORMAL
    since_ns: int = 0
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """All that alarms remember. Keys: (zone, quantity, level) for timers, (zone, alarm) for alarms."""

    timers: Mapping[tuple[str, str, Level], Timer] = field(default_factory=dict)
    standing: Mapping[tuple[str, str], _Standing] = field(default_factory=dict)

    def level(self, zone_id: str) -> Level:
        """The crowding level of a zone."""
        return self.standing.get((zone_id, CROWDING), _Standing()).level

    def alarms(self) -> tuple[Alarm, ...]:
        """Every alarm that is not NORMAL, by zone and name."""
        return tuple(
            Alarm(alarm, zone_id, s.state, s.level, s.since_ns, s.reasons)
            for (zone_id, alarm), s in sorted(self.standing.items())
            if s.state is not AlarmState.NORMAL
        )


@dataclass(frozen=True, slots=True)
class _Cause:
    """What decides a level: the limit and the value it was compared with, or why there is none."""

    level: Level
    quantity: str
    value: float
    limit: float
    unit: str
    reason: Reason
    cause: str


def phase_at(site: Site, t_ns: int) -> dict[str, ZoneLimits]:
    """The limits in force at a time, by zone: those of the newest phase that has started, else of the first."""
    started = [phase for phase in site.phases if phase.start_ns <= t_ns]
    phase = started[-1] if started else site.phases[0]
    return {limits.zone_id: limits for limits in phase.zone_limits}


def nearest_frac(site: Site, reading: ZoneReading) -> float:
    """How near a reading comes to a limit of its zone: the largest value / ``raise_at`` of any quantity.

    Returns:
        1 where a limit is reached; NaN where nothing is known, 0 without a limit.
    """
    limits = phase_at(site, reading.t_ns)[reading.zone_id].limits
    chance = site.alert_chance
    shares = [_value(reading, limit.quantity, chance) / limit.raise_at for limit in limits if limit.raise_at > 0]
    if math.isnan(reading.density_p_m2):
        return math.nan
    return max((share for share in shares if not math.isnan(share)), default=0.0)


def _value(reading: ZoneReading, quantity: Quantity, chance: float | None) -> float:
    """What is compared with a limit: the value, or what it exceeds with a chance x. That this is at least the limit
    says that P(value > limit) is at least x."""
    if quantity is Quantity.DENSITY:
        middle, low, high = reading.density_p_m2, reading.density_low, reading.density_high
    else:
        middle, low, high = reading.count, reading.count_low, reading.count_high
    value = middle if chance is None or math.isnan(middle) else exceeded(middle, low, high, chance)
    if quantity is not Quantity.OCCUPANCY:
        return value
    return reading.occupancy_frac * (value / middle if middle > 0 else 1.0)


def _crowding(
    reading: ZoneReading,
    limits: ZoneLimits,
    timers: dict[tuple[str, str, Level], Timer],
    stale_s: float,
    chance: float | None,
) -> _Cause:
    """Step every timer of a zone and return what decides its level."""
    decided = _Cause(Level.NORMAL, "density", reading.density_p_m2, math.nan, "p/m2", _BELOW_LIMITS, "rule")
    kept = set()
    for limit in limits.limits:
        key = (reading.zone_id, limit.quantity.value, limit.level)
        kept.add(key)
        value = _value(reading, limit.quantity, chance)
        timers[key] = timers.get(key, Timer()).step(value, reading.t_ns, limit, stale_s)
        if timers[key].active and limit.level > decided.level:
            unit = UNITS[limit.quantity]
            rule = f"rule {limit.quantity.value} {limit.level.name.lower()}"
            why = _reached(limit, value, chance)
            decided = _Cause(limit.level, limit.quantity.value, value, limit.raise_at, unit, why, rule)
    for key in [k for k in timers if k[0] == reading.zone_id and k[1] != BLINDNESS and k not in kept]:
        del timers[key]  # a limit of an earlier phase
    return decided


def _reached(limit: Limit, value: float, chance: float | None) -> Reason:
    """Why a limit is active: the value that is compared with it now, NaN where it is unknown."""
    against = [
        ("quantity", limit.quantity.value),
        ("limit", limit.raise_at),
        ("unit", UNITS[limit.quantity]),
        ("delay_s", limit.on_delay_s),
    ]
    if math.isnan(value):
        return Reason(Code.LIMIT_UNKNOWN, values=tuple(against))
    if chance is None:
        return Reason(Code.LIMIT_REACHED, values=(*against, ("value", value)))
    return Reason(Code.LIMIT_LIKELY, values=(*against, ("value", value), ("chance", chance)))


def _blindness(
    reading: ZoneReading, watched: bool, timers: dict[tuple[str, str, Level], Timer], stale_s: float
) -> _Cause:
    """Step the timer of a zone's blindness and return what decides it."""
    blind = watched and reading.quality in (Quality.STALE, Quality.BLIND)
    # silence has already lasted for the stale limit: it needs no further delay
    on_delay_s = 0.0 if reading.quality is Quality.STALE else BLIND_ON_DELAY_S
    limit = Limit(Quantity.OCCUPANCY, BLIND_LEVEL, 1.0, 1.0, on_delay_s, BLIND_OFF_DELAY_S)
    key = (reading.zone_id, BLINDNESS, BLIND_LEVEL)
    timers[key] = timers.get(key, Timer()).step(float(blind), reading.t_ns, limit, stale_s)
    level = BLIND_LEVEL if timers[key].active else Level.NORMAL
    reason = Reason.of(Code.NOT_COUNTED, because=reading.reasons) if blind else _SEEN_AGAIN
    return _Cause(level, "visible_frac", reading.visible_frac, math.nan, "", reason, "rule blindness")


def _event(
    site: Site, alarm: str, zone_id: str, t_ns: int, transition: str, old: _Standing, new: _Standing, why: _Cause
) -> AlertEvent:
    identity = f"{site.event_id}|{alarm}|{zone_id}|{t_ns}|{transition}|{int(new.level)}"
    return AlertEvent(
        event_id=hashlib.sha256(identity.encode()).hexdigest()[:16], alarm=alarm, zone_id=zone_id, t_ns=t_ns,
        transition=transition, from_state=old.state, to_state=new.state, level=new.level, quantity=why.quantity,
        value=why.value, limit=why.limit, unit=why.unit, reasons=(why.reason,), cause=why.cause,
    )  # fmt: skip


def _move(old: _Standing, why: _Cause, t_ns: int) -> tuple[str, _Standing] | None:
    """The transition that a decided level asks for, or None."""
    if why.level == old.level:
        return None
    if why.level == Level.NORMAL:
        acknowledged = old.state is AlarmState.ACKNOWLEDGED
        state = AlarmState.NORMAL if acknowledged else AlarmState.CLEARED_UNACKNOWLEDGED
        return "cleared", _Standing(state, Level.NORMAL, t_ns, (why.reason,))
    if why.level > old.level:
        name = "raised" if old.level == Level.NORMAL else "level_up"
        return name, _Standing(AlarmState.UNACKNOWLEDGED, why.level, t_ns, (why.reason,))
    return "level_down", _Standing(old.state, why.level, t_ns, (why.reason,))


def _acknowledge(old: _Standing, action: OperatorAction, t_ns: int) -> _Standing | None:
    """The alarm after an acknowledgement; None when there is nothing open, or it has risen above what was seen."""
    if old.level > action.seen_level:
        return None
    if old.state is AlarmState.UNACKNOWLEDGED:
        return replace(old, state=AlarmState.ACKNOWLEDGED)
    if old.state is AlarmState.CLEARED_UNACKNOWLEDGED:
        return _Standing(AlarmState.NORMAL, Level.NORMAL, t_ns, old.reasons)
    return None


def step(
    book: AlarmBook,
    site: Site,
    readings: Iterable[ZoneReading],
    actions: Iterable[OperatorAction],
    t_ns: int,
    stale_s: Mapping[str, float],
) -> tuple[AlarmBook, tuple[AlertEvent, ...]]:
    """Take in one tick: operators' actions first, then every zone's reading.

    Args:
        book: what is remembered.
        site: limits and phases.
        readings: one per zone, NaN where unknown.
        actions: acknowledgements sequenced for this tick; one that fits no open alarm, or that saw a
            lower level than the alarm has now, changes nothing.
        t_ns: the tick.
        stale_s: per zone, how long a gap an on-delay may bridge.
    """
    timers, standing = dict(book.timers), dict(book.standing)
    events: list[AlertEvent] = []
    for action in actions:
        key = (action.zone_id, action.alarm)
        old = standing.get(key, _Standing())
        new = _acknowledge(old, action, t_ns)
        if new is not None:
            reason = Reason.of(Code.ACKNOWLEDGED, actor=action.actor)
            by = _Cause(new.level, "", math.nan, math.nan, "", reason, action.actor)
            events.append(_event(site, action.alarm, action.zone_id, t_ns, "acknowledged", old, new, by))
            standing[key] = new
    limits = phase_at(site, t_ns)
    for reading in readings:
        zone_limits = limits.get(reading.zone_id, ZoneLimits(reading.zone_id, ()))
        bridge_s = stale_s[reading.zone_id]
        for alarm, why in (
            (CROWDING, _crowding(reading, zone_limits, timers, bridge_s, site.alert_chance)),
            (BLINDNESS, _blindness(reading, zone_limits.watch_blindness, timers, bridge_s)),
        ):
            old = standing.get((reading.zone_id, alarm), _Standing())
            moved = _move(old, why, t_ns)
            if moved is not None:
                events.append(_event(site, alarm, reading.zone_id, t_ns, moved[0], old, moved[1], why))
                standing[reading.zone_id, alarm] = moved[1]
    return AlarmBook(timers, standing), tuple(events)
