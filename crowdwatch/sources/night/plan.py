"""What happens on a scripted night, drawn from a seed: how many come, and every incident with its time and place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = [
    "DURATION_S",
    "EGRESS_S",
    "MIDNIGHT_S",
    "SHOWN_S",
    "TOLD_S",
    "Incident",
    "IncidentKind",
    "NightPlan",
    "plan_night",
    "plan_show",
]

TOLD_S, DURATION_S, MIDNIGHT_S, EGRESS_S = 6_300.0, 17_100.0, 14_400.0, 15_120.0
"""Seconds after the beginning, 20:00: from when on it is told, the end at 00:45, midnight, and when people leave."""

PEOPLE = (20_000, 24_000)
"""Who come to stay. Some thousands walk along the promenade besides."""

COUNTER_PEOPLE = (1_700, 2_000)
"""Who meet in a counter-flow, from each side."""

FRONT, EXITS = ("front-west", "front-centre", "front-east"), ("exit-west", "exit-centre", "exit-east")
SHORE = ("promenade", *FRONT)
"""What the cameras on the piers look at."""

SIDES = ("west", "east")
PIERS = ("pier-west", "pier-centre", "pier-east")


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
        near: zones beside them to which it may spread: an alarm there is not false.
        cameras: which of them it befalls.
        size: of a build-up the density that is sought, p/m2; of a counter-flow the people from each side; of a flare
            what the density estimator reads, as a multiple.
    """

    incident_id: str
    kind: IncidentKind
    from_s: float
    to_s: float
    zones: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
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
    lost_s, smoke_s, blocked_s = about(13_980, 60), about(14_600, 60), about(15_500, 100)
    ramp_s, meet = about(900, 180), float(rng.integers(*COUNTER_PEOPLE))
    kinds = IncidentKind
    incidents = (
        Incident("flare", kinds.FALSE_FLARE, flare_s, flare_s + 20, (one(FRONT),), size=1.8),
        Incident("child", kinds.CHILD_LOST, child_s, child_s + 900, (one(FRONT),)),
        Incident("counter-flow", kinds.COUNTER_FLOW, counter_s, counter_s + 720, ("promenade",), size=meet),
        Incident("build-up", kinds.BUILD_UP, build_s, build_s + ramp_s + 900, (front,), _beside(front), size=6.6),
        Incident(
            "cameras-lost",
            kinds.CAMERAS_LOST,
            lost_s,
            lost_s + 300,
            _before(side),
            cameras=(f"pier-{side}", f"roof-{side}"),
        ),
        Incident("flash", kinds.FLASH, MIDNIGHT_S, MIDNIGHT_S + 480, SHORE, cameras=PIERS),
        Incident("smoke", kinds.SMOKE, smoke_s, smoke_s + 90, SHORE, cameras=PIERS),
        Incident("blocked-exit", kinds.BLOCKED_EXIT, blocked_s, blocked_s + 540, (exit_id,), _mouth(exit_id)),
    )
    return NightPlan(seed, people, tuple(sorted(incidents, key=lambda each: each.from_s)))


SHOWN_S = 13_200.0
"""From when on the night of :func:`plan_show` is told: 23:40."""

SHOWS_LOST_S, SHOWN_RAMP_S, SHOWN_SEED = 330.0, 540.0, 1
"""Of that night: when cameras are lost after it has begun, how long people press in, its seed. [design values]"""


def plan_show() -> NightPlan:
    """A night to show: a build-up when it begins at :data:`SHOWN_S`, minutes later cameras that are lost elsewhere,
    then midnight and the way home of the night of its seed.

    >>> [each.kind.value for each in plan_show().incidents]
    ['build_up', 'cameras_lost', 'flash', 'smoke', 'blocked_exit']
    """
    whole, front, side = plan_night(SHOWN_SEED), "front-centre", "east"
    build_s, lost_s = SHOWN_S - 60, SHOWN_S + SHOWS_LOST_S
    build = Incident(
        "build-up", IncidentKind.BUILD_UP, build_s, build_s + SHOWN_RAMP_S + 900, (front,), _beside(front), size=6.6
    )
    lost = Incident(
        "cameras-lost", IncidentKind.CAMERAS_LOST, lost_s, lost_s + 300, _before(side),
        cameras=(f"pier-{side}", f"roof-{side}"),
    )  # fmt: skip
    later = [each for each in whole.incidents if each.from_s >= MIDNIGHT_S]
    return NightPlan(SHOWN_SEED, whole.people, (build, lost, *later))


def _beside(front: str) -> tuple[str, ...]:
    return ("promenade", front.replace("front", "mid"), *(each for each in FRONT if each != front))


def _before(side: str) -> tuple[str, ...]:
    return ("promenade", f"front-{side}", f"mid-{side}", f"back-{side}", f"exit-{side}")


def _mouth(exit_id: str) -> tuple[str, ...]:
    return tuple(f"back-{side}" for side in SIDES if side in exit_id) or ("back-west", "back-east")
