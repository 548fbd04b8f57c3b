"""What people on the ground of a scripted night tell the control room by radio."""

from __future__ import annotations

from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import CommandKind
from crowdwatch.sources.night.plan import IncidentKind, NightPlan

__all__ = ["radioed"]

REPORTED_S, FOUND_S = 40.0, 720.0
"""After a child is lost: a steward reports it, and its parents are found. [design values]"""

FIRST_NUMBER = 1_000_001
"""Of these actions: beyond the numbers that a store gives to the commands of those who exercise on the night's log."""

STEWARD = "steward"


def radioed(plan: NightPlan, from_s: float, to_s: float) -> list[tuple[float, OperatorAction]]:
    """(seconds after the beginning, what is done), by time: a lost child is reported, and the report closed when its
    parents are found. Its tick is still 0. What does not lie in the told part as a whole is left out.

    >>> from crowdwatch.sources.night.plan import plan_night
    >>> [(said.kind, said.alarm) for _, said in radioed(plan_night(1), 0.0, 17_100.0)]
    [('report', ''), ('close', 'report:1000001')]
    """
    found: list[tuple[float, OperatorAction]] = []
    level = Level.ALERT
    for each in plan.of(IncidentKind.CHILD_LOST):
        if not (from_s <= each.from_s and each.to_s <= to_s):
            continue
        number, zone_id = FIRST_NUMBER + len(found), each.zones[0]
        report = OperatorAction(
            number, 0, CommandKind.REPORT.value, zone_id, "", STEWARD, level, "operator", "lost child",
            "A child cannot find its parents. It waits with a steward.", float(level),
        )  # fmt: skip
        close = OperatorAction(
            number + 1, 0, CommandKind.CLOSE.value, zone_id, f"report:{number}", STEWARD, level, "operator", "",
            "The parents are there.", float(level),
        )  # fmt: skip
        found += [(each.from_s + REPORTED_S, report), (each.from_s + FOUND_S, close)]
    return sorted(found, key=lambda one: one[0])
