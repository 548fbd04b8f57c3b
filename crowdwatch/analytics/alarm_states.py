"""States of one alarm after ISA-18.2 and IEC 62682, and the transitions that evidence and time ask for.

normal -> unacknowledged -> acknowledged -> normal, or cleared before it was acknowledged; a latching alarm stays until
a person closes it. A higher level asks for a new acknowledgement. Being shelved or out of service lies over all that:
the alarm is stepped and logged as ever, and a level above the one that was silenced ends it.

An alert keeps when it was first raised, when it reached each level, its worst value and its value now, until it is
normal again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crowdwatch.core.outcomes import Alarm, AlarmState, Level
from crowdwatch.core.reasons import Code, Reason

__all__ = ["Cause", "Shelf", "Standing", "acknowledged", "closed", "moved", "tracked", "unshelved"]

MOST_LEVELS = 32
"""Changes of level that an alert remembers."""

OPERATOR = "operator"
"""The role that every alarm asks first."""

UNACKNOWLEDGED = (AlarmState.UNACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Cause:
    """What decides a level: the limit and the value it was compared with, or why there is none."""

    level: Level
    quantity: str
    value: float
    limit: float
    unit: str
    reason: Reason
    cause: str
    key: str = ""
    less_is_worse: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """An alarm that asks nobody for a while.

    Args:
        until_ns: when that ends; 0 for no end.
        by, role, text: who did it, in which role, and why.
        level: the highest level that is silenced: a higher one breaks through.
        out_of_service: taken out of service, not shelved.
        seconds: for how long it was asked.
    """

    until_ns: int
    by: str
    role: str
    text: str
    level: Level
    out_of_service: bool = False
    seconds: float = 0.0

    @property
    def state(self) -> AlarmState:
        """How an alarm that lies on it is shown."""
        return AlarmState.OUT_OF_SERVICE if self.out_of_service else AlarmState.SHELVED

    def over(self, t_ns: int) -> bool:
        """Whether its time is over."""
        return 0 < self.until_ns <= t_ns


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is remembered of one alarm.

    Args:
        state: what it is besides being shelved.
        level: in force now.
        since_ns: since when it is active, or over, without a break.
        reasons: of its last transition.
        first_raised_ns, level_ns, worst_level, worst_value: of this alert.
        value, limit, unit, quantity: what decides now.
        cause_key: what else has its cause.
        asked_ns: since when somebody is asked to acknowledge it.
        said_ns: when that was said last.
        role: who is asked.
        by: who acknowledged it.
        shelf: what it lies on, or None.
        wish: who asked to shelve it and waits for a second person, and until when; or None.
        kind, text: of a report.
    """

    state: AlarmState = AlarmState.NORMAL
    level: Level = Level.NORMAL
    since_ns: int = 0
    reasons: tuple[Reason, ...] = ()
    first_raised_ns: int = 0
    level_ns: tuple[tuple[Level, int], ...] = ()
    worst_level: Level = Level.NORMAL
    worst_value: float = math.nan
    value: float = math.nan
    limit: float = math.nan
    unit: str = ""
    quantity: str = ""
    cause_key: str = ""
    asked_ns: int = 0
    said_ns: int = 0
    role: str = OPERATOR
    by: str = ""
    shelf: Shelf | None = None
    wish: tuple[Shelf, int] | None = None
    kind: str = ""
    text: str = ""

    @property
    def shown(self) -> AlarmState:
        """The state as people see it."""
        return self.state if self.shelf is None else self.shelf.state

    @property
    def asks(self) -> bool:
        """Whether it is active and somebody is asked to acknowledge it."""
        return self.shelf is None and self.state in UNACKNOWLEDGED

    def alarm(self, alarm: str, zone_id: str) -> Alarm:
        """The noun that the world sees."""
        shelf = self.shelf
        return Alarm(
            alarm, zone_id, self.shown, self.level, self.since_ns, self.reasons, self.first_raised_ns, self.level_ns,
            self.worst_level, self.quantity, self.value, self.limit, self.unit, self.worst_value, self.cause_key,
            self.by, self.role, 0 if shelf is None else shelf.until_ns, "" if shelf is None else shelf.by,
            "" if shelf is None else shelf.text, "" if self.wish is None else self.wish[0].by, self.kind, self.text,
        )  # fmt: skip


def tracked(old: Standing, why: Cause) -> Standing:
    """The alarm with its value now; unknown values change neither the worst nor the level."""
    if old.state is AlarmState.NORMAL and old.shelf is None and why.level == Level.NORMAL:
        return old
    value, worst = why.value, old.worst_value
    if why.level > Level.NORMAL and not math.isnan(value):
        if why.quantity != old.quantity or math.isnan(worst):
            worst = value
        else:
            worst = min(worst, value) if why.less_is_worse else max(worst, value)
    same = (old.value == value or (math.isnan(old.value) and math.isnan(value))) and why.quantity == old.quantity
    same = same and (old.limit == why.limit or why.level == Level.NORMAL)
    key = why.key or old.cause_key
    if same and old.cause_key == key:
        return old
    if why.level == Level.NORMAL:
        return replace(old, value=value)
    return replace(
        old, value=value, limit=why.limit, unit=why.unit, quantity=why.quantity, worst_value=worst, cause_key=key
    )


def _risen(old: Standing, why: Cause, t_ns: int) -> Standing:
    """The alarm at a higher level, or active again. What lies above the shelf breaks through it."""
    begins = old.level == Level.NORMAL or old.state in (AlarmState.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED)
    fresh = old.state is AlarmState.NORMAL
    shelf = old.shelf if old.shelf is None or why.level <= old.shelf.level else None
    broke = old.shelf is not None and shelf is None
    reasons = (why.reason, Reason.of(Code.BROKE_THROUGH)) if broke else (why.reason,)
    return replace(
        old,
        state=AlarmState.UNACKNOWLEDGED,
        level=why.level,
        since_ns=t_ns if begins else old.since_ns,
        reasons=reasons,
        first_raised_ns=t_ns if fresh else old.first_raised_ns,
        level_ns=_noted((() if fresh else old.level_ns), why.level, t_ns),
        worst_level=why.level if fresh else max(old.worst_level, why.level),
        worst_value=why.value if fresh else old.worst_value,
        asked_ns=t_ns,
        said_ns=t_ns,
        role=OPERATOR,
        by="",
        shelf=shelf,
        wish=None,
    )


def _noted(before: tuple[tuple[Level, int], ...], level: Level, t_ns: int) -> tuple[tuple[Level, int], ...]:
    return (*before, (level, t_ns))[-MOST_LEVELS:]


def moved(old: Standing, why: Cause, t_ns: int, *, latch: bool = False) -> tuple[str, Standing] | None:
    """The transition that a decided level asks for and the alarm after it, or None."""
    latched = old.state in (AlarmState.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED)
    if latched:
        if why.level == Level.NORMAL:
            return None
        return "raised", tracked(_risen(old, why, t_ns), why)
    if why.level == old.level:
        return None
    if why.level > old.level:
        return "raised" if old.level == Level.NORMAL else "level_up", tracked(_risen(old, why, t_ns), why)
    acknowledged = old.state is AlarmState.ACKNOWLEDGED
    if why.level > Level.NORMAL:
        level_ns = _noted(old.level_ns, why.level, t_ns)
        return "level_down", tracked(replace(old, level=why.level, reasons=(why.reason,), level_ns=level_ns), why)
    if latch:
        state = AlarmState.LATCHED if acknowledged else AlarmState.LATCHED_UNACKNOWLEDGED
        return "latched", replace(old, state=state, reasons=(why.reason, Reason.of(Code.LATCHED)))
    if acknowledged:
        return "cleared", _normal(old, t_ns, (why.reason,))
    state, level_ns = AlarmState.CLEARED_UNACKNOWLEDGED, _noted(old.level_ns, Level.NORMAL, t_ns)
    return "cleared", replace(
        old, state=state, level=Level.NORMAL, since_ns=t_ns, reasons=(why.reason,), level_ns=level_ns, value=why.value
    )


def _normal(old: Standing, t_ns: int, reasons: tuple[Reason, ...]) -> Standing:
    """The alert is over; what silences the alarm stays until it is due."""
    return Standing(since_ns=t_ns, reasons=reasons, shelf=old.shelf)


def acknowledged(old: Standing, by: str, t_ns: int) -> Standing | None:
    """The alarm after an acknowledgement; None where there is nothing to acknowledge."""
    match old.state:
        case AlarmState.UNACKNOWLEDGED:
            return replace(old, state=AlarmState.ACKNOWLEDGED, by=by)
        case AlarmState.LATCHED_UNACKNOWLEDGED:
            return replace(old, state=AlarmState.LATCHED, by=by)
        case AlarmState.CLEARED_UNACKNOWLEDGED:
            return _normal(old, t_ns, old.reasons)
    return None


def closed(old: Standing, t_ns: int) -> Standing | None:
    """The alarm after a person closed it; None where what is measured stands, or there is nothing to close."""
    over = (AlarmState.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED)
    if old.state in over or (old.kind and old.state is not AlarmState.NORMAL):
        return replace(_normal(old, t_ns, old.reasons), shelf=None if old.kind else old.shelf)
    return None


def unshelved(old: Standing, t_ns: int, reason: Reason) -> Standing:
    """The alarm without what silenced it: it asks anew if nobody has acknowledged it."""
    return replace(old, shelf=None, asked_ns=t_ns, said_ns=t_ns, role=OPERATOR, reasons=(*old.reasons[:1], reason))
