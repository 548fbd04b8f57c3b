"""How much a control room is asked, by the figures of EEMUA 191, and which alarms have one cause. Pure functions over
what happened and what stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, Level

__all__ = ["TARGETS", "AlarmLoad", "Group", "alarm_load", "annunciations", "cause_of", "grouped"]

NS = 1_000_000_000

SPAN_S = 600.0
"""EEMUA 191 counts in ten minutes."""

FLOOD, CHATTER, CHATTER_S = 10, 3, 60.0
"""More alarms in ten minutes are a flood; so many of one alarm in a minute are chattering."""

SAME_CAUSE_S = 10.0
"""Alarms of one cause that come within so many seconds are one: cameras of one switch fail within the stale limit."""

STANDING_S = 24 * 3600.0
"""An alarm that is active for so long is standing (stale)."""

ANNOUNCED = frozenset({"raised", "level_up", "reported"})
"""Transitions that call for somebody. What is said again because nobody answered is counted apart."""

TARGETS = {"mean_10_min": 1.0, "most_10_min": 10.0, "most_1_min": 2.0, "chattering": 0.0, "standing": 5.0}
"""At most, for one operator: EEMUA 191 (1, 10, 2, 0), ISA-18.2 (fewer than 5 standing)."""


@dataclass(frozen=True, slots=True)
class AlarmLoad:
    """What was asked of a control room over a span.

    Args:
        from_ns, to_ns: the span.
        alarms: alarms that called for somebody, each cause once.
        single: the same, each alarm by itself.
        again: how often an alarm was said again, or passed on, because nobody acknowledged it.
        mean_10_min, most_10_min: alarms in ten minutes: on average, and in the worst ten.
        most_1_min: in the worst minute.
        flood_share: share of the span in which more than ten came in ten minutes.
        chattering: (zone, alarm) that came three times within a minute or oftener.
        standing: (zone, alarm) that had been active for 24 h or longer when the span ended.
        open_at_end: alarms that were active when the span ended.
        by_level: alarms by level, WATCH first: EEMUA wants about 80, 15 and 5 % of low, medium and high.
    """

    from_ns: int
    to_ns: int
    alarms: int
    single: int
    again: int
    mean_10_min: float
    most_10_min: int
    most_1_min: int
    flood_share: float
    chattering: tuple[tuple[str, str], ...]
    standing: tuple[tuple[str, str], ...]
    open_at_end: int
    by_level: tuple[int, int, int, int]

    def beyond(self) -> list[str]:
        """The figures that are above their targets (:data:`TARGETS`)."""
        figures = {
            "mean_10_min": self.mean_10_min,
            "most_10_min": self.most_10_min,
            "most_1_min": self.most_1_min,
            "chattering": len(self.chattering),
            "standing": len(self.standing),
        }
        return [name for name, value in figures.items() if value > TARGETS[name]]


def annunciations(events: Iterable[AlertEvent]) -> list[AlertEvent]:
    """What called for somebody, oldest first: alarms that are silenced called for nobody."""
    silent = (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
    found = (event for event in events if event.transition in ANNOUNCED and event.to_state not in silent)
    return sorted(found, key=lambda event: (event.t_ns, event.zone_id, event.alarm, event.seq))


def _causes(called: Sequence[AlertEvent]) -> list[AlertEvent]:
    """Of alarms with one cause that came together, the first alone. A level above what was said is said."""
    told: dict[str, tuple[int, Level]] = {}
    kept = []
    for event in called:
        key = event.cause_key or f"{event.zone_id} {event.alarm}"
        at_ns, level = told.get(key, (-(10**19), Level.NORMAL))
        if event.t_ns - at_ns > SAME_CAUSE_S * NS or event.level > level:
            kept.append(event)
            told[key] = event.t_ns, event.level
    return kept


def _most(times_ns: Sequence[int], span_s: float) -> int:
    """The most in any span of a length."""
    most, first = 0, 0
    for last, t_ns in enumerate(times_ns):
        while t_ns - times_ns[first] >= span_s * NS:
            first += 1
        most = max(most, last - first + 1)
    return most


def _chattering(called: Sequence[AlertEvent]) -> tuple[tuple[str, str], ...]:
    by_alarm = sorted(called, key=lambda event: (event.zone_id, event.alarm, event.t_ns))
    found = []
    for key, own in groupby(by_alarm, key=lambda event: (event.zone_id, event.alarm)):
        if _most([event.t_ns for event in own if event.transition == "raised"], CHATTER_S) >= CHATTER:
            found.append(key)
    return tuple(found)


def _standing(events: Iterable[AlertEvent], to_ns: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """Alarms that had been active for long at the end, and how many were active then."""
    active: dict[tuple[str, str], int] = {}
    for event in sorted(events, key=lambda each: (each.t_ns, each.seq)):
        key = event.zone_id, event.alarm
        if event.level == Level.NORMAL:
            active.pop(key, None)
        else:
            active.setdefault(key, event.t_ns)
    old = tuple(sorted(key for key, since_ns in active.items() if to_ns - since_ns >= STANDING_S * NS))
    return old, len(active)


def alarm_load(events: Sequence[AlertEvent], from_ns: int, to_ns: int) -> AlarmLoad:
    """The figures of EEMUA 191 over a span.

    Args:
        events: what happened, in any order; what was before the span counts for what stands alone.
        from_ns, to_ns: the span, its end included.

    Source: EEMUA 191 (as Nimmo quotes it): at most 1 alarm in 10 minutes on average, 10 after an upset; chattering is
    three and more in a minute. Alarms of one cause within ten seconds count as one.
    """
    until = [event for event in events if event.t_ns <= to_ns]
    within = [event for event in until if event.t_ns >= from_ns]
    called = annunciations(within)
    causes = _causes(called)
    times_ns = [event.t_ns for event in causes]
    spans = max((to_ns - from_ns) / NS / SPAN_S, 1e-9)
    standing, open_at_end = _standing(until, to_ns)
    levels = [event.level for event in causes]
    return AlarmLoad(
        from_ns=from_ns,
        to_ns=to_ns,
        alarms=len(causes),
        single=len(called),
        again=sum(event.transition in ("realarmed", "escalated") for event in within),
        mean_10_min=len(causes) / max(spans, 1.0),
        most_10_min=_most(times_ns, SPAN_S),
        most_1_min=_most(times_ns, 60.0),
        flood_share=_flooded_s(times_ns) / max((to_ns - from_ns) / NS, 1e-9),
        chattering=_chattering(called),
        standing=standing,
        open_at_end=open_at_end,
        by_level=(
            levels.count(Level.WATCH), levels.count(Level.CAUTION), levels.count(Level.ALERT),
            levels.count(Level.CRITICAL),
        ),
    )  # fmt: skip


def _flooded_s(times_ns: Sequence[int]) -> float:
    """Seconds from the alarm that is one too many until fewer than eleven lie within ten minutes."""
    total, end_ns = 0.0, -math.inf
    for index in range(FLOOD, len(times_ns)):
        if times_ns[index] - times_ns[index - FLOOD] < SPAN_S * NS:
            begins, ends = max(times_ns[index], end_ns), times_ns[index - FLOOD] + SPAN_S * NS
            total, end_ns = total + max(ends - begins, 0.0) / NS, max(end_ns, ends)
    return total


@dataclass(frozen=True, slots=True)
class Group:
    """Alarms that stand and have one cause: one line for a person.

    Args:
        cause_key: what they have in common.
        alarms: the most urgent first.
    """

    cause_key: str
    alarms: tuple[Alarm, ...]

    @property
    def zone_ids(self) -> tuple[str, ...]:
        """The zones, in the order of their alarms."""
        return tuple(dict.fromkeys(alarm.zone_id for alarm in self.alarms))

    @property
    def level(self) -> Level:
        """The highest level."""
        return max(alarm.level for alarm in self.alarms)


def cause_of(one: Alarm | AlertEvent) -> str:
    """What alarms of one group have in common: a cause outside of the zone and the alarm's name, else themselves."""
    outside = one.cause_key.startswith(("camera:", "calibration:"))
    return f"{one.cause_key if outside else one.zone_id} {one.alarm}"


def grouped(alarms: Iterable[Alarm]) -> tuple[Group, ...]:
    """Alarms by what caused them, in the order in which they come: a lost camera is one group with its zones.

    Only what has a cause outside of the zone is put together: two measurements of one zone stay two lines.
    """
    groups: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        groups.setdefault(cause_of(alarm), []).append(alarm)
    return tuple(Group(own[0].cause_key, tuple(own)) for own in groups.values())
