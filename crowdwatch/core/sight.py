"""What moving cameras look at, and when the ground was last seen: what a map shows of a patrol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdwatch.core.planes import FloatArray, readonly

__all__ = ["Footprint", "SiteSight"]


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Ground that a moving camera sees well enough.

    Args:
        camera_id: which.
        ring_m: (K, 2) around it, east and north; (0, 2) where it sees none.
        at_m: (3,) where the camera is: east, north, up; NaN where that is unknown.
        sigma_m: position error where its axis meets the ground.
    """

    camera_id: str
    ring_m: FloatArray
    at_m: FloatArray
    sigma_m: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "ring_m", readonly("ring_m", self.ring_m, (None, 2)))
        object.__setattr__(self, "at_m", readonly("at_m", self.at_m, (3,)))


@dataclass(frozen=True, slots=True, eq=False)
class SiteSight:
    """The sight of a site at a tick. Only sites with moving cameras have one.

    Args:
        t_ns: the tick.
        origin_m: (2,) of the south-west corner of cell (0, 0).
        cell_m: side of a cell.
        age_s: (rows, cols) since each cell was seen whole, or as much of it as ever was; infinite where it never was.
        footprints: of the moving cameras that see now.
    """

    t_ns: int
    origin_m: FloatArray
    cell_m: float
    age_s: FloatArray
    footprints: tuple[Footprint, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))
        object.__setattr__(self, "age_s", readonly("age_s", self.age_s, (None, None)))

    def fresh_frac(self, limit_s: float) -> float:
        """Share of the cells that were ever seen which were seen within ``limit_s``; NaN where none was.

        >>> SiteSight(0, np.zeros(2), 1.0, np.array([[0.0, 30.0, np.inf]])).fresh_frac(10.0)
        0.5
        """
        known = self.age_s[np.isfinite(self.age_s)]
        return float((known <= limit_s).mean()) if known.size else float("nan")
