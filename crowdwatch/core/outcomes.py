"""The nouns of what ``advance`` says to the world: readings, alarms, health of cameras, the density grid.

As in :mod:`crowdwatch.core.records`, everything is frozen, units stand in the names, and NaN means unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.movement import FlowGrid, GateReading, SiteOccupancy, ZoneMovement
from crowdwatch.core.quality import Quality
from crowdwatch.core.reasons import TOO_FEW, Reason
from crowdwatch.core.records import FloatArray, readonly

__all__ = [
    "Alarm",
    "AlarmState",
    "AlertEvent",
    "CameraHealth",
    "DensityGrid",
    "Health",
    "Level",
    "Outcome",
    "Quality",
    "ZoneReading",
]


class Level(IntEnum):
    """Alarm level of a zone. ``UNKNOWN`` is below all others in order but is never a reassurance."""

    UNKNOWN = -1
    NORMAL = 0
    WATCH = 1
    CAUTION = 2
    ALERT = 3
    CRITICAL = 4


class Health(StrEnum):
    """What a camera's evidence says of its picture."""

    OK = "ok"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    COVERED = "covered"
    BLURRED = "blurred"
    NOISY = "noisy"
    DAMAGED = "damaged"
    MOVED = "moved"
    FROZEN = "frozen"
    SILENT = "silent"


class AlarmState(StrEnum):
    """Alarm states after ISA-18.2 (shelving and suppression are not built yet)."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"


@dataclass(frozen=True, slots=True, eq=False)
class DensityGrid:
    """People per square metre on the ground, row 0 south, column 0 west.

    Args:
        t_ns: the tick.
        origin_m: (2,) east and north of the south-west corner of cell (0, 0).
        cell_m: side of a square cell.
        rho_p_m2: (rows, cols); NaN where nothing is known.
        bandwidth_m: standard deviation of the Gaussian kernel.
    """

    t_ns: int
    origin_m: FloatArray
    cell_m: float
    rho_p_m2: FloatArray
    bandwidth_m: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))
        object.__setattr__(self, "rho_p_m2", readonly("rho_p_m2", self.rho_p_m2, (None, None)))


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """What is known of one zone at one tick. Every number is NaN when quality is STALE or BLIND.

    Args:
        zone_id: the zone.
        t_ns: the tick; the reading averages the window that ends there.
        window_s: length of that window.
        count: mean number of people seen in the zone.
        count_low, count_high: the 90 % interval: errors of the models and of the calibration; its upper end includes
            who was last seen on ground that is not seen any more, those who may have come there since, and ground that
            was never seen at the densest seen density.
        density_p_m2: people seen / usable area seen.
        density_low, density_high: its 90 % interval, of the area that is seen and of that which was seen before.
        peak_p_m2: the densest place of the time-averaged density field, quoted with its bandwidth.
        bandwidth_m: standard deviation of the kernel behind the peak.
        visible_frac: share of the zone's walkable area that healthy cameras see now.
        age_s: time since the newest observation that contributes; infinite when there never was one.
        quality: how far to trust it.
        level: the zone's alarm level; UNKNOWN when quality is STALE or BLIND.
        occupancy_frac: count / declared capacity; NaN without one.
        reasons: why the quality is not GOOD, and what else is worth saying of the count.
    """

    zone_id: str
    t_ns: int
    window_s: float
    count: float
    count_low: float
    count_high: float
    density_p_m2: float
    density_low: float
    density_high: float
    peak_p_m2: float
    bandwidth_m: float
    visible_frac: float
    age_s: float
    quality: Quality
    level: Level
    occupancy_frac: float
    reasons: tuple[Reason, ...] = ()

    @property
    def too_few(self) -> bool:
        """Whether more people may be there than were counted, nobody knows how many."""
        return any(reason.code in TOO_FEW for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What ``advance`` makes of one camera's evidence at one tick."""

    camera_id: str
    t_ns: int
    health: Health
    age_s: float
    saturated: bool


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One transition of one alarm. ``event_id`` is a hash of alarm, zone, tick and transition: writing it twice is
    writing it once.

    Args:
        alarm: ``crowding`` or ``blindness``.
        zone_id: the zone.
        t_ns: the tick of the transition.
        transition: ``raised``, ``level_up``, ``level_down``, ``cleared`` or ``acknowledged``.
        from_state, to_state: states of the alarm.
        level: the level after the transition.
        quantity: what was compared: ``density``, ``peak``, ``count``, ``occupancy`` or ``visible_frac``.
        value, limit, unit: the measurement, the limit that decided, and their unit; NaN where none applies.
        reasons: why.
        cause: who or what caused it: a rule or an operator.
    """

    event_id: str
    alarm: str
    zone_id: str
    t_ns: int
    transition: str
    from_state: AlarmState
    to_state: AlarmState
    level: Level
    quantity: str
    value: float
    limit: float
    unit: str
    reasons: tuple[Reason, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands after a tick: a zone has at most one for crowding and one for blindness."""

    alarm: str
    zone_id: str
    state: AlarmState
    level: Level
    since_ns: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one tick of ``advance`` says to the world.

    ``grid`` and ``flow`` are None between the ticks that carry one, ``occupancy`` where the site has no gates.
    """

    t_ns: int
    readings: tuple[ZoneReading, ...]
    grid: DensityGrid | None
    alerts: tuple[AlertEvent, ...]
    alarms: tuple[Alarm, ...]
    health: tuple[CameraHealth, ...]
    movement: tuple[ZoneMovement, ...] = ()
    gates: tuple[GateReading, ...] = ()
    flow: FlowGrid | None = None
    occupancy: SiteOccupancy | None = None
    dispatched: tuple[DispatchEvent, ...] = ()
