"""How many people an area may hold: room to stand, and ways out with the widest one closed. With sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crowdwatch.analytics.gates import LEVEL_P_MIN_M, STAIRS_P_MIN_M

__all__ = ["EGRESS_MIN", "HOLDING", "SOURCES", "Capacity", "Exit", "capacity"]

HOLDING: dict[str, float] = {"planning": 2.0, "standing": 4.7}
"""Persons per square metre for which a place is planned."""

EGRESS_MIN = 8.0
"""Minutes in which everybody must be able to leave: the most that is normal."""

SOURCES: dict[str, str] = {
    "planning": "0.5 m2 a person, outdoor music (HSG195, paragraph 87)",
    "standing": "47 persons on 10 m2, the most for standing (Green Guide; Taylor report)",
    "level": f"{LEVEL_P_MIN_M:g} persons a minute and metre on level ground (Green Guide)",
    "stairs": f"{STAIRS_P_MIN_M:g} persons a minute and metre on steps (Green Guide)",
    "egress": f"everybody out within {EGRESS_MIN:g} minutes (Green Guide, 13.4)",
}
"""Where each number comes from."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out: usable width, and whether it is stepped."""

    gate_id: str
    width_m: float
    stairs: bool = False

    @property
    def people(self) -> float:
        """How many can leave through it in :data:`EGRESS_MIN`."""
        return self.width_m * (STAIRS_P_MIN_M if self.stairs else LEVEL_P_MIN_M) * EGRESS_MIN


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an area holds.

    Args:
        holding: people who have room to stand.
        leaving: people who can leave with the exit closed that takes most; NaN where no exit is known.
        closed: the id of that exit; empty without exits.
    """

    holding: int
    leaving: float
    closed: str

    @property
    def people(self) -> int:
        """The lesser of both, or the room alone where no exit is known."""
        return self.holding if math.isnan(self.leaving) else min(self.holding, math.floor(self.leaving))


def capacity(area_m2: float, holding_p_m2: float, exits: Sequence[Exit] = ()) -> Capacity:
    """How many people may be on an area.

    min(area x density, sum over the exits but the largest of width x rate x 8 min).

    Args:
        area_m2: usable area.
        holding_p_m2: density for which it is planned.
        exits: all ways out.

    Source: Green Guide: final capacity is the least of holding and exit capacity; rates in :data:`SOURCES`.

    >>> capacity(1000, 2.0, [Exit("north", 2.0), Exit("south", 1.0), Exit("steps", 1.0, stairs=True)])
    Capacity(holding=2000, leaving=1184.0, closed='north')
    >>> capacity(1000, 2.0).people
    2000
    >>> capacity(100, 2.0, [Exit("only", 3.0)]).people
    0
    """
    holding = math.floor(area_m2 * holding_p_m2 + 1e-9)
    if not exits:
        return Capacity(holding, math.nan, "")
    largest = max(exits, key=lambda each: each.people)
    return Capacity(holding, sum(each.people for each in exits) - largest.people, largest.gate_id)
