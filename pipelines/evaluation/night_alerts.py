"""From the observations of a scripted night to its alerts, and what they were worth: ``evaluate alerts``.

Limits were chosen on the night of :data:`CHOICES`. Figures are of :data:`FIGURES`, on which nothing was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.dispatch import Figures, figures, wilson
from crowdwatch.analytics.engine import advance, start
from crowdwatch.config import EventFile, IncidentFile
from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.outcomes import AlertEvent, Outcome
from crowdwatch.core.records import FloatArray, Tick
from crowdwatch.core.site import Site
from crowdwatch.drivers.backtest.alarm_load import AlarmLoad, alarm_load, announces
from crowdwatch.drivers.backtest.scoring import Score, quiet_alarms, quiet_hours, score
from crowdwatch.drivers.configuration import measured
from crowdwatch.drivers.night import Truth, open_night
from crowdwatch.drivers.scripted_operator import ScriptedOperator
from crowdwatch.errors import ConfigError
from pipelines.evaluation.forecast_score import ForecastScore, joined, score_forecasts, trend_forecasts
from pipelines.evaluation.rule_forecasts import RULE, RuleForecasts, alert_limit

__all__ = ["CHOICES", "FIGURES", "NightAlerts", "fold_night", "summary"]

CHOICES, FIGURES = 1, (11, 12, 13)
"""Seeds: of the night that limits were chosen on, and of those that figures are of."""

NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class NightAlerts:
    """One night, evaluated.

    Args:
        seed: of the night.
        score: its alerts against its incidents.
        load: alarms by ten minutes.
        quiet_h, quiet_alarms: hours in which nothing happens, and the alarms in them.
        trend, rule: what a plain trend and the rule ``time_to_limit`` foretold; the rule's is None where it is in
            force nowhere. Its skill is of its trend, its warnings are its alarms.
        alerts: every transition.
        dispatch: how fast a scripted operator answered them.
        people: who came to stay.
        read_error: mean of density read / true - 1, where the true one is 1 p/m2 or more.
    """

    seed: int
    score: Score
    load: AlarmLoad
    quiet_h: float
    quiet_alarms: int
    trend: ForecastScore
    rule: ForecastScore | None
    alerts: tuple[AlertEvent, ...]
    dispatch: Figures
    people: int
    read_error: float


def fold_night(
    event: EventFile,
    seed: int,
    shown: Callable[[int, int], None] = lambda done, total: None,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> NightAlerts:
    """Play one night through ``advance`` and score what it says.

    Args:
        event: of ``examples/new_year``, or one with its zones.
        seed: of the night.
        shown: called with the ticks that are done, and how many there are.
        from_ns, to_ns: the part that is told.
    """
    event = measured(event)
    night = open_night(event, seed, from_ns, to_ns)
    site, truth, operator = night.site, Truth(night.site), ScriptedOperator(night.site, seed)
    state = start(view_site(site))
    alerts: list[AlertEvent] = []
    read: list[list[float]] = []
    said = RuleForecasts(site)
    for beat in night.beats():
        events = [*beat.events[:-1], *operator.acts(beat.t_ns), beat.events[-1]]
        outcome: Outcome | None = None
        for each in events:
            state, outcome = advance(state, each)
        if outcome is None or not isinstance(events[-1], Tick):
            raise ConfigError("scripted night: a beat must end with a tick. Report this as a fault.")
        truth.add(beat)
        operator.see(outcome)
        said.see(outcome)
        alerts += outcome.alerts
        read.append([reading.density_p_m2 for reading in outcome.readings])
        shown(len(read), night.ticks)
    found = _Told(
        site, truth, np.array(read), tuple(alerts), tuple(operator.dispatched), truth.incidents(night), said,
    )  # fmt: skip
    return found.judged(seed, night.plan.people)


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What a night said, before it is judged."""

    site: Site
    truth: Truth
    read_p_m2: FloatArray
    alerts: tuple[AlertEvent, ...]
    dispatched: tuple[DispatchEvent, ...]
    incidents: tuple[IncidentFile, ...]
    foretold: RuleForecasts

    def judged(self, seed: int, people: int) -> NightAlerts:
        """Hold it against the truth."""
        t_ns = self.truth.t_ns
        hours = (t_ns[-1] - t_ns[0]) / NS / 3600
        scored = score(self.incidents, self.alerts, hours, len(self.site.cameras))
        asked = [alert for alert in self.alerts if announces(alert)]
        load = alarm_load([alert.t_ns for alert in asked], t_ns[0], t_ns[-1])
        quiet = quiet_alarms(self.incidents, self.alerts)
        density = self.truth.density_p_m2()
        dense = density >= 1.0
        error = float(np.nanmean(self.read_p_m2[dense] / density[dense] - 1)) if dense.any() else math.nan
        trend, rule = self._forecasts(density)
        return NightAlerts(
            seed, scored, load, quiet_hours(self.incidents, t_ns[0], t_ns[-1]), quiet, trend, rule, self.alerts,
            figures(self.alerts, self.dispatched, t_ns[-1]), people, error,
        )  # fmt: skip

    def _forecasts(self, density: FloatArray) -> tuple[ForecastScore, ForecastScore | None]:
        zone_ids = [zone.zone_id for zone in self.site.zones]
        of = {each.zone_id: alert_limit(each) for each in self.site.phases[0].zone_limits}
        t_s = np.array(self.truth.t_ns) / NS
        plain = trend_forecasts(t_s, self.read_p_m2, zone_ids, [of[zone_id] for zone_id in zone_ids])
        trend = score_forecasts(plain, t_s, density, zone_ids)
        if not any(
            each.rule == RULE for phase in self.site.phases for zone in phase.zone_limits for each in zone.rules
        ):
            return trend, None
        held = score_forecasts(self.foretold.found, t_s, density, zone_ids)
        warned = score_forecasts(self.foretold.warnings(self.alerts), t_s, density, zone_ids)
        return trend, replace(held, warnings=warned.warnings, wrong=warned.wrong)


def summary(nights: Sequence[NightAlerts]) -> dict[str, Any]:
    """The figures of some nights, for programs."""
    hours = sum(night.score.hours for night in nights)
    cameras = nights[0].score.cameras
    false = sum(len(night.score.false_ids) for night in nights)
    incidents = [each for night in nights for each in night.score.incidents]
    expected = [each for each in incidents if each.expects != "none"]  # by a rule, or reported by a person
    judged, within = (sum(getattr(night.dispatch, name) for night in nights) for name in ("alerts", "within"))
    leads = [each.lead_s for each in incidents if not math.isnan(each.lead_s)]
    delays = [each.delay_s for each in incidents if each.expects == "alert" and each.raised]
    held_back = [each for each in incidents if each.expects == "none"]
    trend = joined([night.trend for night in nights])
    rules = [night.rule for night in nights if night.rule is not None]
    return {
        "seeds": [night.seed for night in nights],
        "hours": round(hours, 3),
        "cameras": cameras,
        "recall": sum(each.raised for each in expected) / len(expected) if expected else math.nan,
        "incidents": len(expected),
        "lead_time_s": float(np.median(leads)) if leads else math.nan,
        "lead_time_least_s": min(leads, default=math.nan),
        "delay_s": float(np.median(delays)) if delays else math.nan,
        "false_alarms": false,
        "false_actionable": sum(night.score.false_actionable for night in nights),
        "false_per_camera_hour": false / (hours * cameras),
        "false_flares_raised": sum(each.raised for each in held_back),
        "quiet_hours": round(sum(night.quiet_h for night in nights), 3),
        "quiet_alarms": sum(night.quiet_alarms for night in nights),
        "alarms": sum(night.load.alarms for night in nights),
        "alarms_per_10min_most": max(night.load.most for night in nights),
        "alarms_per_10min_mean": float(np.mean([night.load.mean for night in nights])),
        "windows_above_10_frac": float(np.mean([night.load.above_frac for night in nights])),
        "one_minute_dispatch": within / judged if judged else math.nan,
        "one_minute_dispatch_low": wilson(within, judged)[0],
        "one_minute_dispatch_high": wilson(within, judged)[1],
        "actionable_alerts": judged,
        "dispatch_by_night": [{"seed": night.seed, **asdict(night.dispatch)} for night in nights],
        "time_to_limit": _forecast_facts(joined(rules)) if rules else None,
        "trend_for_comparison": _forecast_facts(trend),
        "density_read_error": float(np.mean([night.read_error for night in nights])),
        "false": [
            _false_facts(night, each)
            for night in nights
            for each in night.alerts
            if each.event_id in night.score.false_ids
        ],
        "by_incident": [_incident_facts(night.seed, each) for night in nights for each in night.score.incidents],
    }


def _forecast_facts(found: ForecastScore) -> dict[str, Any]:
    return {
        "skill_5min": found.skill,
        "wrong_warnings_frac": found.wrong_frac,
        "warnings": found.warnings,
        "forecasts": found.forecasts,
    }


def _false_facts(night: NightAlerts, each: AlertEvent) -> dict[str, Any]:
    return {
        "seed": night.seed, "t_ns": each.t_ns, "zone_id": each.zone_id, "alarm": each.alarm,
        "level": each.level.name.lower(), "transition": each.transition,
    }  # fmt: skip


def _incident_facts(seed: int, each: Any) -> dict[str, Any]:
    return {
        "seed": seed, "id": each.incident_id, "expects": each.expects, "raised": each.raised, "alarm": each.alarm,
        "zone_id": each.zone_id, "level": each.level.name.lower() if each.raised else "", "delay_s": each.delay_s,
        "lead_time_s": each.lead_s, "first_word_s": each.first_word_s,
    }  # fmt: skip
