"""What the rule ``time_to_limit`` foretells on a night: by its own trend every half minute, and by its alarms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from crowdwatch.analytics.phases import phase_at
from crowdwatch.analytics.rule_steps import sampled
from crowdwatch.analytics.rules import Sample
from crowdwatch.analytics.rules.base import series
from crowdwatch.analytics.rules.time_to_limit import TimeToLimit
from crowdwatch.analytics.trend import forecast
from crowdwatch.core.outcomes import AlertEvent, Level, Outcome
from crowdwatch.core.site import Quantity, Site, ZoneLimits
from pipelines.evaluation.forecast_score import EVERY_S, Forecast

__all__ = ["RULE", "RuleForecasts", "alert_limit"]

NS = 1_000_000_000
RULE = "time_to_limit"


def alert_limit(limits: ZoneLimits) -> float:
    """The density at which a zone is on alert; infinite without one."""
    at = [each.raise_at for each in limits.limits if each.quantity is Quantity.DENSITY and each.level is Level.ALERT]
    return min(at, default=math.inf)


@dataclass(slots=True)
class RuleForecasts:
    """Every half minute, for every zone where the rule is in force and crowding is below alert: when the density
    reaches the limit of alert. That is what the rule's alarm rests on, before its steps and delays.

    Args:
        site: whose zones.
        found: the forecasts, seconds in event time.
    """

    site: Site
    found: list[Forecast] = field(default_factory=list)
    _history: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    _next_ns: int = 0

    def see(self, outcome: Outcome) -> None:
        """Look at what a tick says."""
        over_s = TimeToLimit().over_s
        for reading in outcome.readings:
            before = self._history.get(reading.zone_id, ())
            self._history[reading.zone_id] = sampled(before, reading, over_s)
        if outcome.t_ns < self._next_ns:
            return
        self._next_ns = outcome.t_ns + round(EVERY_S * NS)
        levels = {alarm.zone_id: alarm.level for alarm in outcome.alarms if alarm.alarm == "crowding"}
        for zone_id, limits in phase_at(self.site, outcome.t_ns).items():
            ruled = any(setting.rule == RULE for setting in limits.rules)
            if not ruled or levels.get(zone_id, Level.NORMAL) >= Level.ALERT:
                continue
            history, limit = self._history.get(zone_id, ()), alert_limit(limits)
            seen = forecast(*series(history, "density_p_m2", over_s), limit)
            if seen.minutes > 0:
                self.found.append(
                    Forecast(outcome.t_ns / NS, zone_id, seen.minutes, limit, history[-1].density_p_m2)
                )  # fmt: skip

    def warnings(self, alerts: Iterable[AlertEvent]) -> list[Forecast]:
        """Its alarms as they were raised."""
        raised = [each for each in alerts if each.alarm == RULE and each.transition == "raised" and each.value > 0]
        limits = {each.zone_id: alert_limit(each) for each in self.site.phases[0].zone_limits}
        return [Forecast(each.t_ns / NS, each.zone_id, each.value, limits[each.zone_id], math.nan) for each in raised]
