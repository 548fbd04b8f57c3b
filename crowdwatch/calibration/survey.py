"""Control points while they are collected: a pixel may wait for its place on the ground, and the other way round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crowdwatch.calibration.calibrate import Calibration, from_points
from crowdwatch.calibration.control_points import ControlPoint
from crowdwatch.core.records import FloatArray
from crowdwatch.errors import CalibrationError

__all__ = ["Mark", "Trial", "as_pairs", "from_pairs", "next_name", "placed", "tried"]

NAN = math.nan


@dataclass(frozen=True, slots=True)
class Mark:
    """A control point in the making: pixel and place, NaN where it has none yet."""

    name: str
    u_px: float = NAN
    v_px: float = NAN
    east_m: float = NAN
    north_m: float = NAN
    sigma_m: float = 0.05

    @property
    def seen(self) -> bool:
        """Whether its pixel is known."""
        return math.isfinite(self.u_px + self.v_px)

    @property
    def surveyed(self) -> bool:
        """Whether its place is known."""
        return math.isfinite(self.east_m + self.north_m)

    def at(self, pixel: tuple[float, float] | None = None, ground: tuple[float, float] | None = None) -> Mark:
        """The same point with another pixel, another place, or both."""
        u, v = (self.u_px, self.v_px) if pixel is None else pixel
        east, north = (self.east_m, self.north_m) if ground is None else ground
        return replace(self, u_px=u, v_px=v, east_m=east, north_m=north)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What the complete points give.

    Args:
        calibration: None where they give none.
        fault: why; empty where they do.
        rmse_m, left_out_m: error of the fit, and of points predicted from the others, root mean square; NaN unknown.
        residual_m, alone_m: per mark, in metres; NaN where it has none.
    """

    calibration: Calibration | None
    fault: str
    rmse_m: float
    left_out_m: float
    residual_m: FloatArray
    alone_m: FloatArray


def next_name(marks: Sequence[Mark]) -> str:
    """The name of the next point.

    >>> next_name([Mark("P1"), Mark("kerb")]), next_name([Mark("P2"), Mark("P1")])
    ('P2', 'P3')
    """
    taken = {mark.name for mark in marks}
    return next(name for name in (f"P{n}" for n in range(1, len(marks) + 2)) if name not in taken)


def placed(
    marks: Sequence[Mark], chosen: int | None, *, pixel: tuple[float, float] | None = None,
    ground: tuple[float, float] | None = None,
) -> tuple[tuple[Mark, ...], int]:  # fmt: skip
    """A click: it completes the chosen point where that still lacks this half, and begins a new one otherwise.

    Returns:
        The points, and which one is chosen.

    >>> one, chosen = placed((), None, pixel=(10.0, 20.0))
    >>> both, chosen = placed(one, chosen, ground=(1.0, 2.0))
    >>> len(both), both[0].surveyed, len(placed(both, chosen, ground=(3.0, 4.0))[0])
    (1, True, 2)
    """
    lacks = chosen is not None and chosen < len(marks) and not (
        marks[chosen].seen if pixel is not None else marks[chosen].surveyed
    )  # fmt: skip
    if chosen is not None and lacks:
        return tuple(mark.at(pixel, ground) if n == chosen else mark for n, mark in enumerate(marks)), chosen
    return (*marks, Mark(next_name(marks)).at(pixel, ground)), len(marks)


def tried(marks: Sequence[Mark], image_hw: tuple[int, int], camera_m: tuple[float, float, float] | None) -> Trial:
    """Calibrate from the points that are complete; never raises.

    Args:
        marks: all points.
        image_hw: size of the picture.
        camera_m: east, north and height of the camera, where known.
    """
    whole = [n for n, mark in enumerate(marks) if mark.seen and mark.surveyed]
    points = [
        ControlPoint(mark.u_px, mark.v_px, mark.east_m, mark.north_m, mark.name, mark.sigma_m)
        for mark in (marks[n] for n in whole)
    ]
    residual, alone = np.full(len(marks), NAN), np.full(len(marks), NAN)
    try:
        made = from_points(points, image_hw, camera_centre_m=camera_m)
    except CalibrationError as error:
        return Trial(None, str(error), NAN, NAN, residual, alone)
    residual[whole] = made.residuals_m
    if made.leave_one_out_m is not None:
        alone[whole] = made.leave_one_out_m
    return Trial(made, "", made.plane.rmse_m, made.leave_one_out_rmse_m, residual, alone)


def as_pairs(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """The complete points as the event file holds them.

    >>> as_pairs([Mark("a", 1.04, 2, 3, 4.001), Mark("b", 1, 2)])
    [{'name': 'a', 'pixel_px': [1.0, 2.0], 'ground_m': [3.0, 4.001]}]
    """
    return [
        {
            "name": mark.name,
            "pixel_px": [round(float(mark.u_px), 1), round(float(mark.v_px), 1)],
            "ground_m": [round(float(mark.east_m), 3) + 0.0, round(float(mark.north_m), 3) + 0.0],
            **({} if mark.sigma_m == 0.05 else {"survey_sigma_m": mark.sigma_m}),
        }
        for mark in marks
        if mark.seen and mark.surveyed
    ]


def from_pairs(pairs: Any) -> tuple[Mark, ...]:
    """Points of an event file; what is none is left out."""
    found: list[Mark] = []
    for each in pairs if isinstance(pairs, list) else []:
        try:
            (u, v), (east, north) = each["pixel_px"], each["ground_m"]
            sigma = float(each.get("survey_sigma_m", 0.05))
            found.append(
                Mark(str(each.get("name") or next_name(found)), float(u), float(v), float(east), float(north), sigma)
            )
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)
