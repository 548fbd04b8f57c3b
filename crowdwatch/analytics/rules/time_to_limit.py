"""Time to limit: when a zone that fills will reach the limit that must not be reached, if it goes on as it does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crowdwatch.analytics.rules.base import STEPS, Inputs, Rule, Verdict, series
from crowdwatch.analytics.rules.parameters import Ladder, ladder, parameter
from crowdwatch.analytics.trend import LEAST_POINTS, Forecast, forecast
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import UNITS, Limit, Quantity

__all__ = ["TIME_TO_LIMIT", "TimeToLimit"]

QUANTITIES = {Quantity.DENSITY: "density_p_m2", Quantity.COUNT: "count", Quantity.OCCUPANCY: "count"}
"""What is forecast. The densest place jumps from cell to cell: it has no trend of its own."""

KEEPS = 1.3
"""A step is kept until the forecast is so many times its minutes away."""


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """How near is near, which step of the zone's limits is meant, and the span of the trend."""

    minutes: Ladder = ladder(
        "min", falling=True, most=30.0, watch=10.0, caution=5.0, alert=2.0,
        source="managers work with about 15 min of response time (TU Delft); a unit walks 300 m in 5 min",
    )  # fmt: skip
    target: str = parameter("alert", "", choices=tuple(STEPS), source="the step at which people are held back")
    over_s: float = parameter(180.0, "s", least=60.0, most=300.0, source="1 to 5 minutes")


def _first(inputs: Inputs, settings: TimeToLimit) -> tuple[Limit, Forecast] | None:
    """The limit that is reached first; None where no trend can be told for want of data."""
    found: tuple[Limit, Forecast] | None = None
    for limit in inputs.limits:
        if limit.level != STEPS[settings.target] or limit.quantity not in QUANTITIES:
            continue
        times_s, values = series(inputs.history, QUANTITIES[limit.quantity], settings.over_s)
        if len(times_s) < LEAST_POINTS:
            continue
        scale = 1.0 if limit.quantity is not Quantity.OCCUPANCY else 1 / (inputs.capacity or math.nan)
        seen = forecast(times_s, [value * scale for value in values], limit.raise_at)
        if found is None or seen.minutes < found[1].minutes or math.isnan(found[1].minutes):
            found = limit, seen
    return found


def _judge(inputs: Inputs, settings: TimeToLimit) -> Verdict:
    if inputs.crowding >= STEPS[settings.target]:
        return Verdict(Level.NORMAL, Reason.of(Code.REACHED), "minutes", 0.0, unit="min", less_is_worse=True)
    first = _first(inputs, settings)
    if first is None:
        return Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), "minutes", unit="min", less_is_worse=True)
    limit, seen = first
    level, near = Level.NORMAL, max(settings.minutes.values())
    for step, at in settings.minutes.items():
        keeps = at * KEEPS if STEPS[step] <= inputs.standing else at
        if seen.minutes <= keeps and STEPS[step] > level:
            level, near = STEPS[step], at
    reason = Reason.of(Code.REACHES_NO_LIMIT)
    if level > Level.NORMAL:
        reason = Reason.of(
            Code.REACHES_LIMIT, quantity=limit.quantity.value, limit=limit.raise_at, unit=UNITS[limit.quantity],
            minutes=seen.minutes, low=seen.low, high=seen.high,
        )  # fmt: skip
    return Verdict(level, reason, "minutes", seen.minutes, near, "min", less_is_worse=True)


TIME_TO_LIMIT = Rule("time_to_limit", TimeToLimit, _judge, on_delay_s=60.0, off_delay_s=60.0, history_s=300.0)
