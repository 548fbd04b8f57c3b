"""The nouns of dispatch: units on the ground, what each is doing, and what happened to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crowdwatch.core.reasons import Reason

__all__ = ["DispatchEvent", "Unit", "UnitKind", "UnitNow", "UnitState"]


class UnitKind(StrEnum):
    """What a unit is; a drone flies, the others walk."""

    PATROL = "patrol"
    MEDIC = "medic"
    DRONE = "drone"


class UnitState(StrEnum):
    """What a unit is doing. OFF is not there: nobody can assign it."""

    FREE = "free"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the event file: a patrol, medics, the dock of a drone.

    Args:
        unit_id: its id.
        name: by language.
        kind: what it is.
        at_m: where it begins: east and north.
    """

    unit_id: str
    name: Mapping[str, str]
    kind: UnitKind
    at_m: tuple[float, float]


@dataclass(frozen=True, slots=True)
class UnitNow:
    """A unit after a tick.

    Args:
        unit_id: the unit.
        state: what it is doing.
        east_m, north_m: where it said it is, or where it began.
        zone_id, alarm: what it is assigned to; empty where it is not.
        since_ns: when its state changed last; 0 before it ever did.
    """

    unit_id: str
    state: UnitState
    east_m: float
    north_m: float
    zone_id: str = ""
    alarm: str = ""
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class DispatchEvent:
    """One thing that happened to a unit, or that was refused. ``event_id`` is a hash of it: writing it twice is writing
    it once.

    Args:
        transition: ``assigned``, ``accepted``, ``arrived``, ``released``, ``moved``, ``off``, ``on`` or ``refused``.
        command_id: the command that asked for it.
        state: of the unit afterwards.
        zone_id, alarm: what it is about; empty where it is about no alarm.
        east_m, north_m: where the unit is; NaN of a unit that nobody knows.
        actor: who asked.
        reasons: why it was refused; empty otherwise.
    """

    event_id: str
    unit_id: str
    t_ns: int
    transition: str
    command_id: int
    state: UnitState
    zone_id: str
    alarm: str
    east_m: float = math.nan
    north_m: float = math.nan
    actor: str = ""
    reasons: tuple[Reason, ...] = ()
