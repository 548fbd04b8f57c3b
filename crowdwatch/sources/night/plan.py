"""What happens on a scripted night, drawn from a seed: how many come, and every incident with its time and place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = ["DURATION_S", "EGRESS_S", "MIDNIGHT_S", "Incident", "IncidentKind", "NightPlan", "plan_night"]

DURATION_S, MIDNIGHT_S, EGRESS_S = 17_100.0, 14_400.0, 15_120.0
"""20:00 to 00:45; midnight; when people leave, seconds after the beginning."""

PEOPLE = (20_000, 24_000)
"""Who come to stay. Some thousands walk along the promenade besides."""

COUNTER_PEOPLE = (1_700, 2_000)
"""Who meet in a counter-flow, from each side."""

FRONT, EXITS = ("front-west", "front-centre", "front-east"), ("exit-west", "exit-centre", "exit-east")
SIDES = ("west", "east")


class IncidentKind(StrEnum):
    """What happens. A stored kind is never renamed."""

    BUILD_UP = "build_up"
    BLOCKED_EXIT = "blocked_exit"
    CAMERAS_LOST = "cameras_lost"
    FLASH = "flash"
    SMOKE = "smoke"
    COUNTER_FLOW = "counter_flow"
    FALSE_FLARE = "false_flare"
    CHILD_LOST = "child_lost"


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of the script.

    Args:
        incident_id: its name, once a night.
        kind: what happens.
        from_s, to_s: seconds after the beginning, from its cause to its end.
        zones: where.
        cameras: which of them it befalls.
        size: of a build-up the density that is sought, p/m2; of a counter-flow the people from each side; of a flare
            what the density estimator reads, as a multiple.
    """

    incident_id: str
    kind: IncidentKind
    from_s: float
    to_s: float
    zones: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class NightPlan:
    """A night: its seed, who come to stay, and what happens, by time."""

    seed: int
    people: int
    incidents: tuple[Incident, ...]

    def of(self, kind: IncidentKind) -> list[Incident]:
        """The incidents of a kind."""
        return [each for each in self.incidents if each.kind is kind]


def plan_night(seed: int) -> NightPlan:
    """Draw a night. The same seed gives the same night.

    >>> plan_night(1) == plan_night(1), plan_night(1) == plan_night(2)
    (True, False)
    """
    rng = np.random.default_rng((seed, 0))

    def one(names: tuple[str, ...]) -> str:
        return names[int(rng.integers(len(names)))]

    def about(middle_s: float, spread_s: float) -> float:
        return round(float(rng.uniform(middle_s - spread_s, middle_s + spread_s)) / 10) * 10.0

    people = int(rng.integers(*PEOPLE))
    front, exit_id, side = one(FRONT), one(EXITS), one(SIDES)
    flare_s, child_s = about(7_500, 600), about(8_700, 300)
    counter_s, build_s = about(9_900, 400), about(11_600, 500)
    lost_s, smoke_s, blocked_s = about(14_280, 60), about(14_530, 60), about(15_500, 100)
    ramp_s = about(900, 180)
    incidents = (
        Incident("flare", IncidentKind.FALSE_FLARE, flare_s, flare_s + 20, (one(FRONT),), size=1.8),
        Incident("child", IncidentKind.CHILD_LOST, child_s, child_s + 900, (one(FRONT),)),
        Incident(
            "counter-flow", IncidentKind.COUNTER_FLOW, counter_s, counter_s + 900, ("promenade",),
            size=float(rng.integers(*COUNTER_PEOPLE)),
        ),
        Incident("build-up", IncidentKind.BUILD_UP, build_s, build_s + ramp_s + 900, (front,), size=6.6),
        Incident(
            "cameras-lost", IncidentKind.CAMERAS_LOST, lost_s, lost_s + 420, _around(side),
            (f"pier-{side}", f"roof-{side}"),
        ),
        Incident("flash", IncidentKind.FLASH, MIDNIGHT_S, MIDNIGHT_S + 480, FRONT, ("pier-west", "pier-centre", "pier-east")),
        Incident("smoke", IncidentKind.SMOKE, smoke_s, smoke_s + 90, FRONT, ("pier-centre", f"pier-{_other(side)}")),
        Incident("blocked-exit", IncidentKind.BLOCKED_EXIT, blocked_s, blocked_s + 600, (exit_id,)),
    )  # fmt: skip
    return NightPlan(seed, people, tuple(sorted(incidents, key=lambda each: each.from_s)))


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


def _around(side: str) -> tuple[str, ...]:
    return ("promenade", f"front-{side}", f"mid-{side}", f"back-{side}", f"exit-{side}")
