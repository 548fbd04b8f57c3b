"""When a zone reaches the limit at which people are held back, if it goes on as it does: by its trend, as the rule
``time_to_limit`` judges it, and by who comes and goes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crowdwatch.analytics.balance import Measured, limit_count, time_to_limit
from crowdwatch.analytics.trend import LEAST_POINTS, SILENT, Forecast, forecast, skill
from crowdwatch.core.movement import ZoneMovement
from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.site import Limit, Quantity, Zone
from crowdwatch.ui.chart import Point

__all__ = ["OVER_S", "Outlook", "by_balance_min", "outlook_of"]

OVER_S = 180.0
"""The span of the trend, as of the rule."""

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outlook:
    """The limit that is reached first.

    Args:
        limit: which.
        seen: minutes until then and the 90 % interval; NaN where the trend says nothing.
        skill: how much nearer the trend was, over its last third, than saying that nothing changes: 1 is exact, 0 or
            less no better; NaN where too little is known.
    """

    limit: Limit
    seen: Forecast
    skill: float


def outlook_of(points: Sequence[Point], limits: Sequence[Limit], capacity: float | None) -> Outlook | None:
    """The first of the ALERT limits of density, count and occupancy that the trend of the last minutes reaches.

    Args:
        points: of the zone, by time; the newest is now.
        limits: in force.
        capacity: of the zone, in persons; None without one.

    Returns:
        None where the zone has no such limit, or its newest reading is not known.

    >>> from crowdwatch.core.outcomes import Level
    >>> limit = Limit(Quantity.DENSITY, Level.ALERT, 4.0, 3.6, 5.0, 30.0)
    >>> rising = [Point(s * NS, Level.NORMAL, 2 + 0.005 * s, 3.0, 100.0) for s in range(0, 180, 10)]
    >>> found = outlook_of(rising, [limit], None)
    >>> round(found.seen.minutes, 2), round(found.skill, 2)
    (3.83, 1.0)
    """
    if not points or not math.isfinite(points[-1].density_p_m2) or points[-1].level == Level.UNKNOWN:
        return None
    newest = points[-1]
    recent = [
        each for each in points
        if newest.t_ns - each.t_ns <= OVER_S * NS and each.too_few == newest.too_few
        and math.isfinite(each.density_p_m2)
    ]  # fmt: skip
    times_s = [(each.t_ns - newest.t_ns) / NS for each in recent]
    found: Outlook | None = None
    for limit in limits:
        if limit.level != Level.ALERT or limit.quantity is Quantity.PEAK:
            continue
        if limit.quantity is Quantity.DENSITY:
            values = [each.density_p_m2 for each in recent]
        else:
            scale = 1.0 if limit.quantity is Quantity.COUNT else 1 / (capacity or math.nan)
            values = [each.count * scale for each in recent]
        enough = len(times_s) >= LEAST_POINTS and all(map(math.isfinite, values))
        seen = forecast(times_s, values, limit.raise_at) if enough else SILENT
        had = skill(times_s, values) if enough else math.nan
        if found is None or _sooner(seen.minutes, found.seen.minutes):
            found = Outlook(limit, seen, had)
    return found


def _sooner(minutes: float, than: float) -> bool:
    """Whether a time is sooner than another one; what is not known is later than all."""
    return not math.isnan(minutes) and (math.isnan(than) or minutes < than)


def by_balance_min(zone: Zone, reading: ZoneReading, moved: ZoneMovement | None, limit: Limit | None) -> float:
    """Minutes until a limit by who comes and goes over the zone's edge; infinite where they do not become more, NaN
    where it is not known. The flows over an edge have no interval, so that this has none either."""
    if moved is None or limit is None:
        return math.nan
    most = {
        Quantity.DENSITY: limit_count(limit.raise_at, zone.usable_area_m2),
        Quantity.COUNT: limit.raise_at,
        Quantity.OCCUPANCY: limit.raise_at * (zone.capacity or math.nan),
    }.get(limit.quantity, math.nan)
    into, out = (Measured(flow, flow, flow) for flow in (moved.inflow_p_s, moved.outflow_p_s))
    count = Measured(reading.count, reading.count_low, reading.count_high)
    return time_to_limit(count, into, out, most).value_s / 60
