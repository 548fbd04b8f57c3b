"""What a rule is: a small pure function from named inputs to a verdict, with parameters that say their units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crowdwatch.core.movement import GateReading, ZoneMovement
from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.reasons import Reason
from crowdwatch.core.site import Camera, Expected, Limit, Zone

__all__ = ["STEPS", "Inputs", "Rule", "Sample", "Verdict", "level_of", "series"]

STEPS: dict[str, Level] = {
    "watch": Level.WATCH,
    "caution": Level.CAUTION,
    "alert": Level.ALERT,
    "critical": Level.CRITICAL,
}
"""The steps of a ladder, as the event file names them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is remembered of one reading. NaN is unknown; ``too_few`` says that more people may have been there."""

    t_ns: int
    density_p_m2: float
    count: float
    too_few: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a rule may look at. It sees one zone at one tick.

    Args:
        zone: the zone.
        reading: what is known of it now.
        limits: the limits in force there.
        history: earlier readings, oldest first, about five seconds apart, as far back as the rule asks for, and now.
        standing: the level of this rule's own alarm.
        crowding: the level of the zone's crowding alarm, as evidence has it.
        cameras: the cameras that look at the zone.
        expected: how many people are planned there; None where nobody said.
        capacity: of the zone; None where none is declared.
        movement: how people move there; None where nobody measures it.
        gates: what crosses the site's gates; empty where nobody measures it.
    """

    zone: Zone
    reading: ZoneReading
    limits: tuple[Limit, ...] = ()
    history: tuple[Sample, ...] = ()
    standing: Level = Level.NORMAL
    crowding: Level = Level.NORMAL
    cameras: tuple[Camera, ...] = ()
    expected: Expected | None = None
    capacity: float | None = None
    movement: ZoneMovement | None = None
    gates: tuple[GateReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says. UNKNOWN raises nothing and clears nothing.

    Args:
        level: what the inputs call for now; the delays of the rule come after it.
        reason: why.
        quantity, value, limit, unit: what was compared, with what.
        cause_key: what else has this cause; empty for the zone itself.
        less_is_worse: whether the lowest value is the worst one.
    """

    level: Level
    reason: Reason
    quantity: str = ""
    value: float = math.nan
    limit: float = math.nan
    unit: str = ""
    cause_key: str = ""
    less_is_worse: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the registry.

    Args:
        name: as in the event file, and of its alarm.
        parameters: a frozen dataclass; its fields are made by :func:`~crowdwatch.analytics.rules.parameters.parameter`.
        judge: inputs and parameters -> verdict; pure. None for the rules that step the limits themselves.
        on_delay_s, off_delay_s: where the event file says nothing.
        history_s: how far back it looks, seconds. Such a rule is judged about every five seconds.
        needs_sight: its alarm falls only where the zone is seen as well as when it rose.
        raises_zone: its level is one of the zone too: what it says holds now, and is no forecast.
    """

    name: str
    parameters: type[object]
    judge: Callable[[Inputs, Any], Verdict] | None
    on_delay_s: float = 10.0
    off_delay_s: float = 30.0
    history_s: float = 0.0
    needs_sight: bool = True
    raises_zone: bool = False


def level_of(value: float, ladder: Mapping[str, float], standing: Level, deadband: float) -> tuple[Level, float]:
    """The highest step of a ladder that a value has reached, and that step's limit.

    A step that the standing alarm has is kept until the value is below it by the deadband.

    Returns:
        UNKNOWN and NaN where the value is NaN; NORMAL and the lowest limit where none is reached.

    >>> level_of(2.9, {"watch": 2, "caution": 3}, Level.NORMAL, 0.3)
    (<Level.WATCH: 1>, 2)
    >>> level_of(2.9, {"watch": 2, "caution": 3}, Level.CAUTION, 0.3)
    (<Level.CAUTION: 2>, 3)
    """
    if math.isnan(value):
        return Level.UNKNOWN, math.nan
    found, limit = Level.NORMAL, min(ladder.values(), default=math.nan)
    for step, at in ladder.items():
        level = STEPS[step]
        if level > found and value >= (at - deadband if level <= standing else at):
            found, limit = level, at
    return found, limit


def series(history: tuple[Sample, ...], quantity: str, over_s: float) -> tuple[list[float], list[float]]:
    """Times and values of the last seconds, unknown ones left out; times in seconds before the newest, so <= 0.

    A count that may be too low is not compared with one that is not: only those that are as sure as the newest stay.

    Returns:
        Two empty lists where the newest is unknown.
    """
    if not history or math.isnan(getattr(history[-1], quantity)):
        return [], []
    newest = history[-1]
    kept = [
        ((sample.t_ns - newest.t_ns) / 1e9, getattr(sample, quantity))
        for sample in history
        if sample.too_few == newest.too_few and not math.isnan(getattr(sample, quantity))
    ]
    kept = [each for each in kept if each[0] >= -over_s]
    return [each[0] for each in kept], [each[1] for each in kept]
