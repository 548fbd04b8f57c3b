"""How long alarms take beyond what they are meant to take: from the picture that crossed a limit to the alarm on the
page, less the limit's own on-delay. The averaging is in the reading that crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from crowdwatch.core.outcomes import AlertEvent, ZoneReading
from crowdwatch.core.site import Limit, Quantity, Site
from pipelines.benchmarks.live_watch import SeenTick

__all__ = ["beyond_delays"]

NS = 1_000_000_000
ROSE = ("raised", "level_up")

VALUES: dict[Quantity, Callable[[ZoneReading], float]] = {
    Quantity.DENSITY: lambda reading: reading.density_p_m2,
    Quantity.PEAK: lambda reading: reading.peak_p_m2,
    Quantity.COUNT: lambda reading: reading.count,
    Quantity.OCCUPANCY: lambda reading: reading.occupancy_frac,
}


def beyond_delays(
    site: Site,
    ticks: Sequence[SeenTick],
    alerts: Iterable[AlertEvent],
    exposed_ns: Mapping[int, Mapping[str, int]],
    camera_of: Mapping[str, str],
) -> list[float]:
    """Seconds of each alarm that rose within the ticks, whose crossing lies within them too.

    The picture that crossed the limit is the earliest one of the zone's camera that the tick of the crossing includes:
    what came before it was below the limit.

    Args:
        site: with the limits.
        ticks: one after the other, with the moments at which they stood in the store.
        alerts: of the run.
        exposed_ns: tick -> camera -> exposure of the earliest picture that it includes.
        camera_of: zone -> the camera that sees it.
    """
    place = {tick.t_ns: index for index, tick in enumerate(ticks)}
    found = []
    for alert in alerts:
        limit = _limit_of(site, alert)
        if alert.transition not in ROSE or limit is None or alert.t_ns not in place:
            continue
        value, index = VALUES[limit.quantity], place[alert.t_ns]
        while index and value(ticks[index - 1].readings[alert.zone_id]) >= limit.raise_at:
            index -= 1
        crossed_ns = exposed_ns.get(ticks[index].t_ns, {}).get(camera_of[alert.zone_id])
        if index and crossed_ns is not None:
            seen_ns = ticks[place[alert.t_ns]].seen_ns
            found.append((seen_ns - crossed_ns) / NS - limit.on_delay_s)
    return found


def _limit_of(site: Site, alert: AlertEvent) -> Limit | None:
    """The limit that raised an alarm, of the phase in force; None where no limit did."""
    phases = [phase for phase in site.phases if phase.start_ns <= alert.t_ns] or site.phases[:1]
    limits = next((each.limits for each in phases[-1].zone_limits if each.zone_id == alert.zone_id), ())
    fits = (each for each in limits if each.quantity.value == alert.quantity and each.level == alert.level)
    return next(fits, None)
