"""Alarms: one for crowding and one for blindness per zone, each with a level that moves. Pure and event-timed.

A limit becomes active when its quantity has been at or above ``raise_at`` for ``on_delay_s``, and inactive when it
has been below ``clear_below`` for ``off_delay_s``. The level of a zone is the highest active limit of any quantity.
An unknown value (NaN) never clears anything: an on-delay bridges a gap shorter than the stale limit, an off-delay
starts again. There is no cool-down, so nothing can hide a higher level.

Loss of sight never lowers a level. A limit becomes inactive only where as much of the zone is seen as when it became
active, by counts that are not known to be too low, or where even the upper end of the interval is below
``clear_below``. A level that stays for want of sight is held, and the book says since when. When a phase begins that
does not have an active limit, the limit stays until values have been known for its off-delay.

States after ISA-18.2: normal -> unacknowledged -> acknowledged -> normal, or cleared before it was acknowledged. A
higher level asks for a new acknowledgement.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from crowdwatch.core.intervals import exceeded
from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, Level, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.site import UNITS, Limit, Phase, Quantity, Site, ZoneLimits

__all__ = ["BLINDNESS", "CROWDING", "AlarmBook", "nearest_frac", "phase_at", "step"]

CROWDING, BLINDNESS = "crowding", "blindness"

BLIND_ON_DELAY_S, BLIND_OFF_DELAY_S = 3.0, 10.0
"""A firework's flash blinds a camera for a second or two: three are bridged. (Silence has waited for the stale limit
already.) Ten seconds of good sight end it. [design values]"""

BLIND_WINDOW_S, BLIND_SHARE = 30.0, 0.25
"""A zone that is blind again and again: its blind time is averaged with this time constant, and the alarm is raised at
this share: after about ten seconds of blindness, where every other second is blind. [design values]"""

BLIND_LEVEL = Level.ALERT

SIGHT_FRAC = 0.02
"""As much of a zone is seen as before if no more than this share of it is missing: moving cameras sway."""

_BELOW_LIMITS, _SEEN_AGAIN = Reason.of(Code.BELOW_LIMITS), Reason.of(Code.SEEN_AGAIN)


@dataclass(frozen=True, slots=True)
class Timer:
    """One limit's memory: is it active, since when has its quantity been beyond the limit that would change that.

    ``limit``, ``phase_id`` and ``visible_frac`` are those with which it became active: the limit, the phase that had
    it, and the share of the zone that was seen. ``held`` says that its value would clear it, and sight does not allow.
    """

    active: bool = False
    beyond_since_ns: int | None = None
    known_ns: int | None = None
    limit: Limit | None = None
    phase_id: str = ""
    visible_frac: float = 0.0
    held: bool = False

    def step(self, value: _Value, t_ns: int, limit: Limit, stale_s: float, phase_id: str = "") -> Timer:
        """Take in one value; NaN is unknown."""
        if math.isnan(value.now):
            gap_s = math.inf if self.known_ns is None else (t_ns - self.known_ns) / 1e9
            keep = not self.active and gap_s <= stale_s
            return self if keep else replace(self, beyond_since_ns=None, held=self.active)
        beyond = value.now < limit.clear_below if self.active else value.now >= limit.raise_at
        held = self.active and beyond and not self._sees(value, limit)
        if not beyond or held:  # nearly always
            return Timer(self.active, None, t_ns, self.limit, self.phase_id, self.visible_frac, held)
        since_ns = t_ns if self.beyond_since_ns is None else self.beyond_since_ns
        delay_s = limit.off_delay_s if self.active else limit.on_delay_s
        if (t_ns - since_ns) / 1e9 < delay_s:
            return replace(self, beyond_since_ns=since_ns, known_ns=t_ns, held=False)
        if self.active:
            return Timer(known_ns=t_ns)
        return Timer(True, None, t_ns, limit, phase_id, value.visible_frac)

    def _sees(self, value: _Value, limit: Limit) -> bool:
        """Whether sight is good enough to clear."""
        as_good = value.visible_frac >= self.visible_frac - SIGHT_FRAC and not value.too_few
        # a limit that this phase does not have has no value to clear below: its own holds
        clear_below = min(limit.clear_below, math.inf if self.limit is None else self.limit.clear_below)
        return as_good or value.high < clear_below


@dataclass(frozen=True, slots=True)
class _Value:
    """What a limit is compared with: the value, the upper end of its interval, and how it was seen."""

    now: float
    high: float = math.nan
    visible_frac: float = 1.0
    too_few: bool = False


@dataclass(frozen=True, slots=True)
class _Sight:
    """How much of the last time a zone was blind: its share, averaged with :data:`BLIND_WINDOW_S`."""

    t_ns: int
    share: float

    def step(self, blind: bool, t_ns: int) -> _Sight:
        """Take in one tick."""
        kept = math.exp(-(t_ns - self.t_ns) / 1e9 / BLIND_WINDOW_S)
        return _Sight(t_ns, kept * self.share + (1 - kept) * blind)


@dataclass(frozen=True, slots=True)
class _Standing:
    """An alarm's state, level and since when."""

    state: AlarmState = AlarmState.NORMAL
    level: Level = Level.NORMAL
    since_ns: int = 0
    reasons: tuple[Reason, ...] = ()


ZoneTimers: TypeAlias = Mapping[tuple[str, Level], Timer]
"""The timers of one zone, by quantity and level; that of blindness too."""


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """All that alarms remember. Keys: zones for timers, sight and ``held_ns``, (zone, alarm) for alarms. ``held_ns`` is
    since when a zone's level stays for want of sight alone."""

    timers: Mapping[str, ZoneTimers] = field(default_factory=dict)
    standing: Mapping[tuple[str, str], _Standing] = field(default_factory=dict)
    sight: Mapping[str, _Sight] = field(default_factory=dict)
    held_ns: Mapping[str, int] = field(default_factory=dict)

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
    return {limits.zone_id: limits for limits in _phase(site, t_ns).zone_limits}


def _phase(site: Site, t_ns: int) -> Phase:
    started = [phase for phase in site.phases if phase.start_ns <= t_ns]
    return started[-1] if started else site.phases[0]


def nearest_frac(site: Site, reading: ZoneReading) -> float:
    """How near a reading comes to a limit of its zone: the largest value / ``raise_at`` of any quantity.

    Returns:
        1 where a limit is reached; NaN where nothing is known, 0 without a limit.
    """
    limits = phase_at(site, reading.t_ns)[reading.zone_id].limits
    capacity = next(zone.capacity for zone in site.zones if zone.zone_id == reading.zone_id)
    values = [(_value(reading, limit.quantity, capacity, site.alert_chance).now, limit.raise_at) for limit in limits]
    shares = [value / raise_at for value, raise_at in values if raise_at > 0]
    if math.isnan(reading.density_p_m2):
        return math.nan
    return max((share for share in shares if not math.isnan(share)), default=0.0)


def _value(reading: ZoneReading, quantity: Quantity, capacity: float | None, chance: float | None) -> _Value:
    """What is compared with a limit: the value, or what it exceeds with a chance x. That this is at least the limit
    says that P(value > limit) is at least x."""
    if quantity in (Quantity.DENSITY, Quantity.PEAK):
        middle, low, high = reading.density_p_m2, reading.density_low, reading.density_high
    else:
        middle, low, high = reading.count, reading.count_low, reading.count_high
    now = middle if chance is None or math.isnan(middle) else exceeded(middle, low, high, chance)
    scale = 1.0
    if quantity is Quantity.OCCUPANCY:
        scale = 1 / capacity if capacity else math.nan
    elif quantity is Quantity.PEAK and middle > 0:
        scale = reading.peak_p_m2 / middle
    return _Value(now * scale, high * scale, reading.visible_frac, reading.too_few)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A zone's level at a tick: what decides it, whether it is held for want of sight alone, and the phase that took an
    active limit away."""

    cause: _Cause
    held: bool = False
    phase_id: str = ""


def _crowding(
    reading: ZoneReading,
    limits: ZoneLimits,
    timers: dict[tuple[str, Level], Timer],
    stale_s: float,
    capacity: float | None,
    chance: float | None,
    phase_id: str,
) -> _Judged:
    """Step every timer of a zone and return what decides its level."""
    in_force = {(limit.quantity.value, limit.level): limit for limit in limits.limits}
    for key, timer in timers.items():
        if key[0] != BLINDNESS and key not in in_force and timer.limit is not None:
            # this phase does not have the limit, and it is active: whatever is known is below it
            in_force[key] = replace(timer.limit, raise_at=math.inf, clear_below=math.inf)
    decided = _Cause(Level.NORMAL, "density", reading.density_p_m2, math.nan, "p/m2", _BELOW_LIMITS, "rule")
    held, ended_by = False, ""
    asked = {limit.quantity for limit in in_force.values()}
    values = {quantity: _value(reading, quantity, capacity, chance) for quantity in asked}
    for key, limit in in_force.items():
        value, old = values[limit.quantity], timers.get(key, Timer())
        new = timers[key] = old.step(value, reading.t_ns, limit, stale_s, phase_id)
        if old.active and not new.active and old.phase_id != phase_id and old.limit != limit:
            ended_by = phase_id
        if new.active and limit.level > decided.level:
            rule = f"rule {limit.quantity.value} {limit.level.name.lower()}"
            at = limit if new.limit is None or math.isfinite(limit.raise_at) else new.limit
            why = _reached(at, value.now, chance)
            decided = _Cause(at.level, at.quantity.value, value.now, at.raise_at, UNITS[at.quantity], why, rule)
            held = new.held
        elif new.active and limit.level == decided.level:
            held = held and new.held
    for key in [k for k, timer in timers.items() if k[0] != BLINDNESS and not timer.active]:
        if key not in in_force or math.isinf(in_force[key].raise_at):
            del timers[key]  # of an earlier phase
    return _Judged(decided, held, ended_by)


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
    reading: ZoneReading,
    watched: bool,
    timers: dict[tuple[str, Level], Timer],
    sight: dict[str, _Sight],
    stale_s: float,
) -> _Cause:
    """Step the timer of a zone's blindness and return what decides it. A phase that does not watch the zone ends no
    alarm: sight does."""
    key = (BLINDNESS, BLIND_LEVEL)
    old = timers.get(key, Timer())
    blind = (watched or old.active) and reading.quality in (Quality.STALE, Quality.BLIND)
    # silence has already lasted for the stale limit: it needs no further delay
    on_delay_s = 0.0 if reading.quality is Quality.STALE else BLIND_ON_DELAY_S
    limit = Limit(Quantity.OCCUPANCY, BLIND_LEVEL, 1.0, 1.0, on_delay_s, BLIND_OFF_DELAY_S)
    new = old.step(_Value(float(blind)), reading.t_ns, limit, stale_s)
    seen = sight.get(reading.zone_id, _Sight(reading.t_ns, 0.0)).step(blind, reading.t_ns)
    often = not old.active and not new.active and seen.share >= BLIND_SHARE
    if often:
        new = Timer(True, known_ns=reading.t_ns, limit=limit)
    if old.active and not new.active:
        seen = _Sight(reading.t_ns, 0.0)  # ten seconds of sight end it, whatever was before
    timers[key], sight[reading.zone_id] = new, seen
    reason = Reason.of(Code.NOT_COUNTED, because=reading.reasons) if blind else _SEEN_AGAIN
    if often:
        share = seen.share
        reason = Reason.of(Code.OFTEN_NOT_COUNTED, because=reading.reasons, share=share, window_s=BLIND_WINDOW_S)
    level = BLIND_LEVEL if new.active else Level.NORMAL
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
    starting: Collection[str] = (),
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
        starting: zones that may be blind still, since the run has just begun.
    """
    timers = {zone_id: dict(of_zone) for zone_id, of_zone in book.timers.items()}
    standing = dict(book.standing)
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
    sight, held_ns = dict(book.sight), dict(book.held_ns)
    phase = _phase(site, t_ns)
    limits = {each.zone_id: each for each in phase.zone_limits}
    capacity = {zone.zone_id: zone.capacity for zone in site.zones}
    for reading in readings:
        zone_id, bridge_s = reading.zone_id, stale_s[reading.zone_id]
        of = limits.get(zone_id, ZoneLimits(zone_id, ()))
        own = timers.setdefault(zone_id, {})
        crowding = _crowding(reading, of, own, bridge_s, capacity[zone_id], site.alert_chance, phase.phase_id)
        if crowding.held:
            held_ns.setdefault(zone_id, t_ns)
        else:
            held_ns.pop(zone_id, None)
        for alarm, why in (
            (CROWDING, crowding.cause),
            (BLINDNESS, _blindness(reading, of.watch_blindness and zone_id not in starting, own, sight, bridge_s)),
        ):
            old = standing.get((zone_id, alarm), _Standing())
            if alarm == CROWDING and crowding.phase_id and why.level < old.level:
                reason = Reason.of(Code.PHASE_CHANGED, phase=crowding.phase_id)
                why = replace(why, reason=reason, cause=f"phase {crowding.phase_id}")
            moved = _move(old, why, t_ns)
            if moved is not None:
                events.append(_event(site, alarm, zone_id, t_ns, moved[0], old, moved[1], why))
                standing[zone_id, alarm] = moved[1]
    return AlarmBook(timers, standing, sight, held_ns), tuple(events)
