"""Stepping the rules of a zone: what they remember between two ticks, and the levels that their delays make of what
they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from crowdwatch.analytics.alarm_states import Cause
from crowdwatch.analytics.rules import REGISTRY, Inputs, Rule, Sample, Verdict
from crowdwatch.analytics.rules.parameters import read
from crowdwatch.analytics.timers import Timer, Value
from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import Limit, Quantity, RuleSetting

__all__ = ["SAMPLE_S", "Remembered", "ended", "judge", "sampled"]

SAMPLE_S = 10.0
"""How far apart the remembered readings are: a reading is a mean of ten seconds, and means that share pictures are not
independent."""

_STEPS = (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What rules remember of one zone: earlier readings, and what those that look back said last."""

    history: tuple[Sample, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


def sampled(before: tuple[Sample, ...], reading: ZoneReading, keep_s: float) -> tuple[Sample, ...]:
    """The earlier readings with the new one, where :data:`SAMPLE_S` have passed; the same object where not."""
    t_ns = reading.t_ns
    if before and 0 <= t_ns - before[-1].t_ns < SAMPLE_S * 1e9:
        return before
    kept = tuple(sample for sample in before if t_ns - keep_s * 1e9 <= sample.t_ns < t_ns)
    return (*kept, Sample(t_ns, reading.density_p_m2, reading.count, reading.too_few))


def judge(
    setting: RuleSetting, inputs: Inputs, own: dict[tuple[str, Level], Timer], stale_s: float, last: Verdict | None
) -> tuple[Cause, Verdict]:
    """Ask one rule, unless what it said last still holds, and step its delays.

    Args:
        setting: the rule, as it is in force here.
        inputs: what it may look at.
        own: the timers of the zone, which are stepped.
        stale_s: how long a gap an on-delay may bridge.
        last: what it said last, where nothing that it looks at is newer; None to ask it.
    """
    rule = REGISTRY[setting.rule]
    assert rule.judge is not None
    reading = inputs.reading
    parameters = read(rule.parameters, setting.parameters)  # type: ignore[arg-type]  # a class can be hashed
    verdict = last if last is not None else rule.judge(inputs, parameters)
    if rule.needs_sight and math.isnan(reading.density_p_m2):
        verdict = Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), verdict.quantity, unit=verdict.unit)
    return _stepped(rule, setting, verdict, reading, own, stale_s), verdict


def ended(rule: Rule, inputs: Inputs, own: dict[tuple[str, Level], Timer], stale_s: float) -> Cause:
    """Step the delays of a rule that is no longer in force here: its alarm falls once the zone is seen."""
    known = not math.isnan(inputs.reading.density_p_m2)
    verdict = Verdict(Level.NORMAL if known else Level.UNKNOWN, Reason.of(Code.RULE_ENDED))
    setting = RuleSetting(rule.name, (), rule.on_delay_s, rule.off_delay_s)
    return _stepped(rule, setting, verdict, inputs.reading, own, stale_s)


def _stepped(
    rule: Rule,
    setting: RuleSetting,
    verdict: Verdict,
    reading: ZoneReading,
    own: dict[tuple[str, Level], Timer],
    stale_s: float,
) -> Cause:
    known = verdict.level is not Level.UNKNOWN
    sight = (reading.visible_frac, reading.too_few) if rule.needs_sight else (1.0, False)
    value = Value(float(verdict.level) if known else math.nan, math.nan, *sight)
    level = Level.NORMAL
    for step in _STEPS:
        key = (rule.name, step)
        old = own.get(key)
        if old is None and not value.now >= step:
            continue  # nothing to remember
        # what a rule is at is compared with the level itself: its deadband is its own
        limit = Limit(Quantity.COUNT, step, float(step), float(step), setting.on_delay_s, setting.off_delay_s)
        new = own[key] = (old or Timer()).step(value, reading.t_ns, limit, stale_s)
        if new.active:
            level = step
    key_of = verdict.cause_key or f"zone:{reading.zone_id}"
    return Cause(
        level, verdict.quantity, verdict.value, verdict.limit, verdict.unit, verdict.reason, f"rule {rule.name}",
        key_of, verdict.less_is_worse,
    )  # fmt: skip
