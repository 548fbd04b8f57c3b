"""What a drone wrote during a film, whatever the format of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.errors import RecordError

__all__ = ["Field", "FlightLog", "Order", "log_of"]


class Field(StrEnum):
    """What one number of telemetry says. Angles are degrees, lengths metres."""

    LAT = "latitude"
    LON = "longitude"
    FIRST = "first of a pair without names"
    SECOND = "second of a pair without names"
    HOME_FIRST = "first of home"
    HOME_SECOND = "second of home"
    HOME_DISTANCE = "distance to home"
    HEIGHT = "height above take-off"
    ALTITUDE = "altitude above the sea"
    ALTITUDE_UNTOLD = "altitude, above what is not said"
    GROUND = "elevation of the ground looked at"
    GIMBAL_YAW = "gimbal yaw"
    GIMBAL_PITCH = "gimbal pitch"
    GIMBAL_ROLL = "gimbal roll"
    BODY_YAW = "yaw of the aircraft"
    BODY_PITCH = "pitch of the aircraft"
    BODY_ROLL = "roll of the aircraft"
    FOCAL_35_MM = "focal length as of 35 mm film"
    ZOOM = "digital zoom"
    VIEW_DEG = "horizontal field of view"
    SPEED = "speed over ground"
    CLIMB = "vertical speed"
    FRAME = "number of the picture"


class Order(StrEnum):
    """Which of two numbers without names is the latitude."""

    NAMED = "named"
    LON_LAT = "lon_lat"
    LAT_LON = "lat_lon"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, eq=False)
class FlightLog:
    """Telemetry as it was written: nothing is corrected yet.

    Args:
        name: of the file, for people.
        layout: of the file, for people.
        t_s: (N,) seconds of the film's own time at which each entry was shown, rising.
        values: (N,) for each field that any entry has; NaN where an entry lacks it.
        t_sigma_s: standard error of ``t_s``.
        degrees_step: the last digit of written positions; 0 where they are exact.
        clock_s: (N,) seconds since 1970 of the clock in the text, whatever its zone; NaN where there is none.
        order: of the numbers of a position.
        by_clock: its times follow the clock in the text, for want of the film's own.
        notes: what is odd, for people.
    """

    name: str
    layout: str
    t_s: FloatArray
    values: Mapping[Field, FloatArray]
    t_sigma_s: float
    degrees_step: float = 0.0
    clock_s: FloatArray | None = None
    order: Order = Order.NAMED
    by_clock: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "t_s", readonly("t_s", self.t_s, (None,)))
        n = len(self.t_s)
        if n and not (np.isfinite(self.t_s).all() and (np.diff(self.t_s) > 0).all()):
            raise RecordError("t_s of telemetry must rise from entry to entry.")
        held = {field: readonly(field.value, array, (n,)) for field, array in self.values.items()}
        object.__setattr__(self, "values", held)

    def __len__(self) -> int:
        return len(self.t_s)

    @property
    def step_s(self) -> float:
        """The usual time between two entries; NaN for one alone."""
        return float(np.median(np.diff(self.t_s))) if len(self) > 1 else float("nan")

    def get(self, field: Field) -> FloatArray:
        """(N,) values of a field; NaN where it was never written."""
        return self.values.get(field, np.full(len(self), np.nan))

    def has(self, field: Field) -> bool:
        """Whether any entry has it."""
        return field in self.values and bool(np.isfinite(self.values[field]).any())


def log_of(
    name: str,
    layout: str,
    times_s: Sequence[float],
    entries: Sequence[Mapping[Field, float]],
    *,
    t_sigma_s: float,
    degrees_step: float = 0.0,
    clock_s: Sequence[float] | None = None,
    order: Order = Order.NAMED,
    by_clock: bool = False,
    notes: Sequence[str] = (),
) -> FlightLog:
    """Entries as arrays. Of entries whose time does not rise the later ones are left out, and that is said."""
    kept: list[int] = []
    for number, at_s in enumerate(times_s):
        if not kept or at_s > times_s[kept[-1]]:
            kept.append(number)
    said = list(notes)
    if len(kept) < len(times_s):
        said.append(f"{len(times_s) - len(kept)} entries are not later than the one before and are left out.")
    found = {field for number in kept for field in entries[number]}
    values = {
        field: np.array([entries[number].get(field, np.nan) for number in kept])
        for field in sorted(found)  # by name, whatever the order in the file
    }
    clock = None if clock_s is None else np.array([clock_s[number] for number in kept])
    return FlightLog(
        name, layout, np.array([times_s[number] for number in kept], dtype=np.float64), values, t_sigma_s, degrees_step,
        clock, order, by_clock, tuple(said),
    )  # fmt: skip
