"""The numbers of the wall that are not read from the store as they stand: coverage, flow, time to a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crowdwatch.analytics.trend import Forecast, forecast, theil_sen
from crowdwatch.core.movement import GateReading
from crowdwatch.core.outcomes import ZoneReading
from crowdwatch.core.site import Site
from crowdwatch.ui.total import outer_zones

__all__ = ["Flow", "capacity_of", "coverage_frac", "flow_of", "rise_p_m2_min", "time_to"]

TREND_S = 180.0
"""The span of trends, as that of the rule ``time_to_limit``."""


def capacity_of(site: Site) -> float:
    """Declared capacity of the zones that the total counts; NaN where one of them has none."""
    outer, _ = outer_zones(site)
    return math.fsum(zone.capacity or math.nan for zone in site.zones if zone.zone_id in outer)


def coverage_frac(site: Site, readings: Sequence[ZoneReading]) -> float:
    """Share of the zones' usable area that healthy cameras see now. What nobody knows is not seen."""
    area = {zone.zone_id: zone.usable_area_m2 for zone in site.zones}
    seen = math.fsum(
        area[each.zone_id] * each.visible_frac for each in readings if math.isfinite(each.visible_frac)
    )  # fmt: skip
    return seen / math.fsum(area.values())


@dataclass(frozen=True, slots=True)
class Flow:
    """People a minute over the site's edge; NaN without a gate that is known. ``unknown`` gates are not in it."""

    into_p_min: float
    out_p_min: float
    unknown: int
    gates: int


def flow_of(site: Site, gates: Sequence[GateReading]) -> Flow:
    """Ingress and egress of the gates of the site's edge together."""
    edge = {gate.gate_id for gate in site.gates if gate.site_edge}
    known = [each for each in gates if each.gate_id in edge and math.isfinite(each.ingress_p_min + each.egress_p_min)]
    if not known:
        return Flow(math.nan, math.nan, len(edge), len(edge))
    into, out = (math.fsum(values) for values in zip(*((e.ingress_p_min, e.egress_p_min) for e in known), strict=True))
    return Flow(into, out, len(edge) - len(known), len(edge))


def _recent(series: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    times, values = series
    kept = [number for number, t in enumerate(times) if t > times[-1] - TREND_S]
    return [times[number] for number in kept], [values[number] for number in kept]


def time_to(limit: float, series: tuple[list[float], list[float]]) -> Forecast:
    """Minutes until a rising series reaches a limit; NaN where the forecast has no skill or there is no limit."""
    if not math.isfinite(limit):
        return Forecast(math.nan, math.nan, math.nan)
    return forecast(*_recent(series), limit)


def rise_p_m2_min(series: tuple[list[float], list[float]]) -> float:
    """How fast a density rises or falls, per minute; 0 where its 90 % interval holds 0, NaN without a trend."""
    times, values = _recent(series)
    if len(times) < 4:
        return math.nan
    line = theil_sen(times, values)
    return 0.0 if line.low <= 0 <= line.high else line.slope * 60
