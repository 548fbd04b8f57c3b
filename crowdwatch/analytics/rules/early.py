"""Earlier than planned: a zone holds as many people as the event's own plan has for a later time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crowdwatch.analytics.rules.base import Inputs, Rule, Verdict, level_of
from crowdwatch.analytics.rules.parameters import Ladder, ladder, parameter
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import Expected

__all__ = ["EARLY", "Early", "minutes_ahead"]


@dataclass(frozen=True, slots=True)
class Early:
    """How early is early, and from which share of the planned peak on it matters."""

    ahead_min: Ladder = ladder(
        "min", most=720.0, watch=15.0, caution=30.0, alert=60.0, source="design value: 15 min is what managers react in"
    )
    from_share: float = parameter(0.25, "of the planned peak", most=1.0, source="design value: below it is noise")


def minutes_ahead(plan: Expected, t_ns: int, count: float) -> float:
    """How long from now the plan first has as many people as are there; infinite where it never has so many.

    Negative where that was planned for earlier: fewer have come than planned.

    >>> plan = Expected("z", (0, 3_600_000_000_000), (0.0, 600.0))
    >>> minutes_ahead(plan, 600_000_000_000, 300.0), minutes_ahead(plan, 0, 700.0)
    (20.0, inf)
    """
    if count > max(plan.count):
        return math.inf
    highest = np.maximum.accumulate(plan.count)
    index = int(np.searchsorted(highest, count))
    if index == 0:
        return (plan.t_ns[0] - t_ns) / 6e10
    low, high = plan.count[index - 1], plan.count[index]
    share = (count - low) / (high - low) if high > low else 0.0
    reached_ns = plan.t_ns[index - 1] + share * (plan.t_ns[index] - plan.t_ns[index - 1])
    return (reached_ns - t_ns) / 6e10


def _judge(inputs: Inputs, settings: Early) -> Verdict:
    plan, reading = inputs.expected, inputs.reading
    if plan is None or math.isnan(reading.count):
        return Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), "ahead", unit="min")
    peak = max(plan.count)
    planned = float(np.interp(reading.t_ns, plan.t_ns, plan.count))
    ahead = minutes_ahead(plan, reading.t_ns, reading.count)
    level, limit = level_of(ahead, settings.ahead_min, inputs.standing, 5.0)
    after = reading.t_ns >= plan.t_ns[int(np.argmax(plan.count))]
    if reading.count < settings.from_share * peak or (after and math.isfinite(ahead)):
        level = Level.NORMAL
    reason = Reason.of(Code.AS_PLANNED)
    if level > Level.NORMAL and math.isinf(ahead):
        reason = Reason.of(Code.ABOVE_PLAN, count=reading.count, planned=peak)
    elif level > Level.NORMAL:
        reason = Reason.of(Code.EARLIER, minutes=ahead, count=reading.count, planned=planned)
    return Verdict(level, reason, "ahead", ahead, limit, "min")


EARLY = Rule("early", Early, _judge, on_delay_s=60.0, off_delay_s=120.0)
