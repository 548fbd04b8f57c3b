"""Presence: somebody is where nobody should be (a water's edge, a roof, a closed street)."""

from __future__ import annotations

from dataclasses import dataclass

from crowdwatch.analytics.rules.base import Inputs, Rule, Verdict, level_of
from crowdwatch.analytics.rules.parameters import Ladder, ladder
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason

__all__ = ["PRESENCE", "Presence"]


@dataclass(frozen=True, slots=True)
class Presence:
    """People, as means over the reading's window: half a person is somebody in every second picture."""

    persons: Ladder = ladder("persons", alert=0.5, critical=5.0, source="design value: somebody, and a group")


def _judge(inputs: Inputs, settings: Presence) -> Verdict:
    count = inputs.reading.count
    level, limit = level_of(count, settings.persons, inputs.standing, 0.25)
    if level is Level.UNKNOWN:
        return Verdict(level, Reason.of(Code.RULE_UNKNOWN), "count", unit="persons")
    reason = Reason.of(Code.PRESENT, count=count, limit=limit) if level else Reason.of(Code.NOBODY_PRESENT)
    return Verdict(level, reason, "count", count, limit, "persons")


PRESENCE = Rule("presence", Presence, _judge, on_delay_s=5.0, off_delay_s=30.0, raises_zone=True)
