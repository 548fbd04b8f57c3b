"""Movement: a sign that came before crushes is there (waves, pressure, counter-flow, a sudden stop)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from crowdwatch.analytics.rules.base import STEPS, Inputs, Rule, Verdict
from crowdwatch.analytics.rules.parameters import parameter
from crowdwatch.core.movement import Precursor
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason

__all__ = ["MOVEMENT", "Movement"]

_STEPS = tuple(STEPS)


@dataclass(frozen=True, slots=True)
class Movement:
    """Which signs are heard, and what one of them is worth. More than one at a time is a step more, at most ALERT.

    Nobody has measured on real crushes how often a sign is right: none is worth more than WATCH by default, and the
    rule is in force only where the event file names it.
    """

    level: str = parameter("watch", "", choices=_STEPS[:3], source="design value: look there")
    pressure: bool = parameter(True, "", source="Helbing, Johansson and Al-Abideen 2007")
    stop_and_go: bool = parameter(True, "", source="Helbing and Mukerji 2012, Table 6: level 3")
    counter_flow: bool = parameter(True, "", source="the Bund, Shanghai 2014")
    convergence: bool = parameter(True, "", source="balance of people")
    sudden_stop: bool = parameter(True, "", source="design value")
    reversal: bool = parameter(True, "", source="design value")
    oscillation: bool = parameter(True, "", source="Gu et al. 2025")
    slowing: bool = parameter(True, "", source="Weidmann 1993, falling side")


SIGNS = tuple(each.name for each in fields(Movement) if each.name != "level")


def _judge(inputs: Inputs, settings: Movement) -> Verdict:
    moved = inputs.movement
    heard = [] if moved is None else [each for each in moved.precursors if getattr(settings, each.kind.value)]
    if not heard:
        return Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), "movement")
    there = sorted((each for each in heard if each.held_s > 0), key=lambda each: -each.held_s)
    if not there:
        return Verdict(Level.NORMAL, Reason.of(Code.NO_SIGN), "movement")
    longest: Precursor = there[0]
    level = STEPS[settings.level]
    if len(there) > 1:
        level = min(Level(level + 1), Level.ALERT)
    reason = Reason.of(
        Code.SIGN, sign=longest.kind.value, value=longest.value, limit=longest.limit, unit=longest.unit,
        held_s=longest.held_s, more=float(len(there) - 1),
    )  # fmt: skip
    return Verdict(level, reason, "movement", longest.value, longest.limit, longest.unit)


MOVEMENT = Rule("movement", Movement, _judge, on_delay_s=10.0, off_delay_s=60.0)
