"""People whom somebody or something else counted at a gate: how an operator's action says so.

The action's ``subject`` is the gate, ``value`` the people, ``duration_s`` over how long they were counted, ``text`` the
way and, where that is not now, the end of that time: ``in`` or ``out 1262347200000000000`` (UTC nanoseconds).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["MOST_COUNTED", "GateCount", "count_fault", "count_text", "parse_count"]

MOST_COUNTED = 100_000
"""No gate lets more through in the time that somebody counts without a pause."""

WAYS = ("in", "out")


@dataclass(frozen=True, slots=True)
class GateCount:
    """People who crossed a gate one way in the ``duration_s`` before ``until_ns``; None: before the action's tick."""

    gate_id: str
    inward: bool
    people: float
    duration_s: float
    until_ns: int | None = None


def count_text(inward: bool, until_ns: int | None = None) -> str:
    """What an action's text is.

    >>> count_text(True), count_text(False, 12)
    ('in', 'out 12')
    """
    way = WAYS[0] if inward else WAYS[1]
    return way if until_ns is None else f"{way} {until_ns}"


def parse_count(subject: str, text: str, value: float, duration_s: float) -> GateCount | None:
    """What an action says; None where it says nothing that can be understood.

    >>> parse_count("north", "out 12", 7.0, 60.0)
    GateCount(gate_id='north', inward=False, people=7.0, duration_s=60.0, until_ns=12)
    >>> parse_count("north", "around", 7.0, 60.0) is None
    True
    """
    way, _, until = text.partition(" ")
    if way not in WAYS or not (until == "" or until.isdecimal()) or count_fault(value, duration_s) is not None:
        return None
    return GateCount(subject, way == WAYS[0], value, duration_s, int(until) if until else None)


def count_fault(value: float, duration_s: float) -> float | None:
    """The number that cannot be, of a count and its time; None where both can.

    >>> count_fault(12.0, 60.0), count_fault(-1.0, 60.0), count_fault(2.5, 60.0), count_fault(12.0, -1.0)
    (None, -1.0, 2.5, -1.0)
    """
    if not math.isfinite(value) or value != round(value) or not 0 <= value <= MOST_COUNTED:
        return value
    if not math.isfinite(duration_s) or not 0 <= duration_s <= 86_400:
        return duration_s
    return None
