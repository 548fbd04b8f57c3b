"""Build-up: how fast the density rises, whatever it is compared with a limit."""

from __future__ import annotations

from dataclasses import dataclass

from crowdwatch.analytics.rules.base import Inputs, Rule, Verdict, level_of, series
from crowdwatch.analytics.rules.parameters import Ladder, ladder, parameter
from crowdwatch.analytics.trend import LEAST_POINTS, theil_sen
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason

__all__ = ["BUILD_UP", "BuildUp"]

UNIT = "p/m2/min"


@dataclass(frozen=True, slots=True)
class BuildUp:
    """Limits of a rise, the span it is taken over, and the density from which on it matters."""

    rise_p_m2_min: Ladder = ladder(
        UNIT, watch=0.2, caution=0.4, alert=0.8, source="a step of the default limits in 5, 2.5 and 1.25 minutes"
    )
    over_s: float = parameter(120.0, "s", least=60.0, most=300.0, source="60 to 300 s: Theil-Sen, domain practice")
    from_p_m2: float = parameter(1.0, "p/m2", most=10.0, source="below 1 p/m2 people move freely (Still)")


def _judge(inputs: Inputs, limits: BuildUp) -> Verdict:
    times_s, values = series(inputs.history, "density_p_m2", limits.over_s)
    if len(times_s) < LEAST_POINTS:
        return Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), "build_up", unit=UNIT)
    line = theil_sen(times_s, values)
    rise, sure = line.slope * 60, line.low * 60
    level, limit = level_of(rise, limits.rise_p_m2_min, inputs.standing, 0.25 * min(limits.rise_p_m2_min.values()))
    if line.at_zero < limits.from_p_m2 or not sure > 0:
        level = Level.NORMAL
    reason = Reason.of(Code.NO_BUILD_UP, value=rise, window_s=limits.over_s)
    if level > Level.NORMAL:
        reason = Reason.of(Code.BUILDS_UP, value=rise, low=sure, limit=limit, window_s=limits.over_s)
    return Verdict(level, reason, "build_up", rise, limit, UNIT)


BUILD_UP = Rule("build_up", BuildUp, _judge, on_delay_s=10.0, off_delay_s=60.0, history_s=300.0)
