"""Crowding: the limits of a zone on density, densest place, count and share of the capacity. The highest active one is
the zone's level.

Loss of sight never lowers a level. A level that stays for want of sight is held. When a phase begins that does not have
an active limit, the limit stays until values have been known for its off-delay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crowdwatch.analytics.alarm_states import Cause
from crowdwatch.analytics.rules.base import Rule
from crowdwatch.analytics.timers import Timer, Value
from crowdwatch.core.intervals import exceeded
from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import UNITS, Limit, Quantity

__all__ = ["CROWDING", "QUANTITY_NAMES", "Judged", "crowding", "evidence_level", "nearest", "value_of"]

CROWDING = "crowding"
QUANTITY_NAMES = frozenset(quantity.value for quantity in Quantity)
_BELOW_LIMITS = Reason.of(Code.BELOW_LIMITS)


@dataclass(frozen=True, slots=True)
class Crowding:
    """It has no parameters of its own: its limits stand in the event file under ``limits``."""


RULE = Rule(CROWDING, Crowding, None, on_delay_s=10.0, off_delay_s=30.0, raises_zone=True)


@dataclass(frozen=True, slots=True)
class Judged:
    """A zone's level at a tick: what decides it, whether it is held for want of sight alone, and the phase that took an
    active limit away."""

    cause: Cause
    held: bool = False
    phase_id: str = ""


def value_of(reading: ZoneReading, quantity: Quantity, capacity: float | None, chance: float | None) -> Value:
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
    return Value(now * scale, high * scale, reading.visible_frac, reading.too_few)


def nearest(
    reading: ZoneReading, limits: tuple[Limit, ...], capacity: float | None, chance: float | None = None
) -> float:
    """How near a reading comes to a limit: the largest value / ``raise_at`` of any quantity.

    Returns:
        1 where a limit is reached; NaN where nothing is known, 0 without a limit.
    """
    if math.isnan(reading.density_p_m2):
        return math.nan
    values = [(value_of(reading, limit.quantity, capacity, chance).now, limit.raise_at) for limit in limits]
    shares = [value / raise_at for value, raise_at in values if raise_at > 0]
    return max((share for share in shares if not math.isnan(share)), default=0.0)


def evidence_level(timers: dict[tuple[str, Level], Timer]) -> Level:
    """The highest active limit of a zone."""
    active = (key[1] for key, timer in timers.items() if timer.active and key[0] in QUANTITY_NAMES)
    return max(active, default=Level.NORMAL)


def crowding(
    reading: ZoneReading,
    limits: tuple[Limit, ...],
    timers: dict[tuple[str, Level], Timer],
    stale_s: float,
    capacity: float | None,
    chance: float | None,
    phase_id: str,
) -> Judged:
    """Step every limit of a zone and return what decides its level."""
    in_force = {(limit.quantity.value, limit.level): limit for limit in limits}
    for key, timer in timers.items():
        if key[0] in QUANTITY_NAMES and key not in in_force and timer.limit is not None:
            # this phase does not have the limit, and it is active: whatever is known is below it
            in_force[key] = replace(timer.limit, raise_at=math.inf, clear_below=math.inf)
    here = f"zone:{reading.zone_id}"
    decided = Cause(Level.NORMAL, "density", reading.density_p_m2, math.nan, "p/m2", _BELOW_LIMITS, "rule", here)
    held, ended_by = False, ""
    asked = {limit.quantity for limit in in_force.values()}
    values = {quantity: value_of(reading, quantity, capacity, chance) for quantity in asked}
    for key, limit in in_force.items():
        value, old = values[limit.quantity], timers.get(key, Timer())
        new = timers[key] = old.step(value, reading.t_ns, limit, stale_s, phase_id)
        if old.active and not new.active and old.phase_id != phase_id and old.limit != limit:
            ended_by = phase_id
        if new.active and limit.level > decided.level:
            rule = f"rule {limit.quantity.value} {limit.level.name.lower()}"
            at = limit if new.limit is None or math.isfinite(limit.raise_at) else new.limit
            why = _reached(at, value.now, chance)
            decided = Cause(at.level, at.quantity.value, value.now, at.raise_at, UNITS[at.quantity], why, rule, here)
            held = new.held
        elif new.active and limit.level == decided.level:
            held = held and new.held
    for key in [k for k, timer in timers.items() if k[0] in QUANTITY_NAMES and not timer.active]:
        if key not in in_force or math.isinf(in_force[key].raise_at):
            del timers[key]  # of an earlier phase
    return Judged(decided, held, ended_by)


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
