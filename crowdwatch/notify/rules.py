"""Whether a target is told of an alert event: the one rule, which a test message takes too. Pure.

What is not told has a code that says why; the store keeps it and the status shows it (``suppressed.CODE`` in
:mod:`crowdwatch.words`).
"""

from __future__ import annotations

from crowdwatch.core.notices import ACTS, SET_ASIDE, Target
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.reasons import Code

__all__ = [
    "ACKNOWLEDGED",
    "ASIDE",
    "BELOW_LEVEL",
    "CLEARED",
    "NEVER_TOLD",
    "OTHER_ALARM",
    "OTHER_ROLE",
    "QUIET",
    "TEST",
    "TOO_OLD",
    "why_not",
]

BELOW_LEVEL, OTHER_ALARM, OTHER_ROLE, QUIET = "below_level", "other_alarm", "other_role", "quiet"
CLEARED, ACKNOWLEDGED, NEVER_TOLD, TOO_OLD, ASIDE = "cleared", "acknowledged", "never_told", "too_old", "set_aside"

TEST = "test"
"""Name of the alarm by which a person tries whether a target is reached."""


def why_not(target: Target, alert: AlertEvent, *, told: bool, minute: int) -> str:
    """Why a target is not told of an alert event; empty where it is.

    Whoever was told of an alarm hears of its end and of its fall, whatever the level and the hour: nobody is left with
    an alarm that is over. An alarm that nobody acknowledged and that is passed on to a role goes to the targets of that
    role, and to those without one, from whatever level they hear otherwise; said again, it goes to all who were told.

    Args:
        target: who.
        alert: what.
        told: whether the target has heard of this alarm since it was raised.
        minute: minute of the day of the alert event, in the event's time zone.
    """
    if target.alarms and alert.alarm != TEST and alert.alarm.partition(":")[0] not in target.alarms:
        return OTHER_ALARM
    if alert.transition in ACTS:
        return "" if target.acknowledged and told else ACKNOWLEDGED
    if alert.level == Level.NORMAL:
        if not target.cleared:
            return CLEARED
        return "" if told else NEVER_TOLD
    if alert.to_state.value in SET_ASIDE:
        return ASIDE
    if alert.transition == "level_down" and told:
        return ""
    passed_on = alert.transition == "escalated"
    if passed_on and target.role and target.role not in _roles_of(alert):
        return OTHER_ROLE
    asked = (passed_on and bool(target.role)) or (alert.transition == "realarmed" and told)
    if alert.level < target.level and not asked:
        return BELOW_LEVEL
    if any(quiet.holds(minute) and alert.level < quiet.level for quiet in target.quiet):
        return QUIET
    return ""


def _roles_of(alert: AlertEvent) -> set[object]:
    """To whom an alarm is passed on."""
    return {dict(reason.values).get("role") for reason in alert.reasons if reason.code is Code.ESCALATED}
