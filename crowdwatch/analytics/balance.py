"""When a limit is reached, by who comes in and who goes out.

    t = (limit - N) / (inflow - outflow)

All of it has intervals: the soonest time is from the most people with the greatest gain, the latest from the fewest
with the smallest; where people may as well become fewer there is no latest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Measured", "TimeToLimit", "limit_count", "time_to_limit"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number and its 90 % interval; NaN where it is unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """Seconds until a limit is reached: likely, soonest, latest; infinite where it never is, NaN where unknown."""

    value_s: float
    soonest_s: float
    latest_s: float


def limit_count(limit_p_m2: float, usable_area_m2: float) -> float:
    """How many people stand on an area when it is as dense as a limit.

    >>> limit_count(4.0, 250.0)
    1000.0
    """
    return limit_p_m2 * usable_area_m2


def time_to_limit(count: Measured, inflow_p_s: Measured, outflow_p_s: Measured, limit: float) -> TimeToLimit:
    """How long until ``count`` reaches ``limit`` when people go on to come and go as they do.

    The gain's interval is of two independent flows: their distances to the ends add in squares.

    Args:
        count: people there now.
        inflow_p_s, outflow_p_s: who comes in and goes out.
        limit: how many are too many.

    >>> flows = Measured(2.0, 1.5, 2.5), Measured(1.0, 1.0, 1.0)
    >>> time_to_limit(Measured(400.0, 380.0, 420.0), *flows, 500.0)
    TimeToLimit(value_s=100.0, soonest_s=53.333333333333336, latest_s=240.0)
    >>> time_to_limit(Measured(400.0, 400.0, 400.0), Measured(1.0, 1.0, 1.0), Measured(2.0, 2.0, 2.0), 500.0).value_s
    inf
    """
    gain = inflow_p_s.value - outflow_p_s.value
    least = gain - math.hypot(inflow_p_s.value - inflow_p_s.low, outflow_p_s.high - outflow_p_s.value)
    most = gain + math.hypot(inflow_p_s.high - inflow_p_s.value, outflow_p_s.value - outflow_p_s.low)
    return TimeToLimit(
        _until(limit - count.value, gain), _until(limit - count.high, most), _until(limit - count.low, least)
    )


def _until(missing: float, gain_p_s: float) -> float:
    if math.isnan(missing) or math.isnan(gain_p_s):
        return math.nan
    if missing <= 0:
        return 0.0
    return missing / gain_p_s if gain_p_s > 0 else math.inf
