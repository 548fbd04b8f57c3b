"""The nouns of what ``advance`` says to the world: readings, alarms, health of cameras, the density grid.

As in :mod:`crowdwatch.core.records`, everything is frozen, units stand in the names, and NaN means unknown, never zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.movement import FlowGrid, GateReading, SiteOccupancy, ZoneMovement
from crowdwatch.core.quality import Quality
from crowdwatch.core.reasons import TOO_FEW, Reason
from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.core.sight import SiteSight

__all__ = [
    "TRANSITIONS",
    "Alarm",
    "AlarmState",
    "AlertEvent",
    "CameraHealth",
    "DensityGrid",
    "Health",
    "Level",
    "Outcome",
    "Quality",
    "RefusedAction",
    "ZoneReading",
    "kind_of",
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
    """Alarm states after ISA-18.2 and IEC 62682. A latched alarm stays after its condition is over, until a person
    closes it. A shelved alarm, and one that is out of service, is evaluated and logged as ever, and asks nobody."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"
    LATCHED = "latched"
    SHELVED = "shelved"
    OUT_OF_SERVICE = "out_of_service"


TRANSITIONS = (
    "raised", "level_up", "level_down", "cleared", "latched",
    "realarmed", "escalated", "level_over",
    "acknowledged", "shelve_asked", "shelved", "unshelved", "out_of_service", "in_service",
    "level_set", "reported", "closed", "noted", "phase",
)  # fmt: skip
"""What can happen to an alarm: by what a rule says, by time, by people."""


_UNACKNOWLEDGED = frozenset(
    {AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED}
)


def kind_of(alarm: str) -> str:
    """The kind of an alarm: its rule, or ``report`` for what a person reported.

    >>> kind_of("crowding"), kind_of("report:12")
    ('crowding', 'report')
    """
    return alarm.partition(":")[0]


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
    writing it once. An alert, from its first raise until it is NORMAL again, is named by ``zone_id``, ``alarm`` and
    ``first_raised_ns``.

    Args:
        alarm: the name of a rule, ``report:<command id>`` for what a person reported; ``phase`` and ``note`` are no
            alarms, and stand in the log of what happened.
        zone_id: the zone; of a report the place in free words, where it is about no zone.
        t_ns: the tick of the transition.
        transition: one of :data:`TRANSITIONS`.
        from_state, to_state: states of the alarm.
        level: the level after the transition.
        quantity: what was compared: ``density``, ``peak``, ``count``, ``occupancy``, ``visible_frac``, or what the rule
            says.
        value, limit, unit: the measurement, the limit that decided, and their unit; NaN where none applies.
        reasons: why.
        cause: who or what caused it: a rule, a phase, time or an operator.
        cause_key: alarms with the same one have one cause: ``camera:a,b`` or ``zone:x``.
        first_raised_ns: when the alert was first raised; 0 where it never was.
        actor, role, text: who did it, in which role, and the reason or the report in that person's words; empty where
            no person did.
        seen_level: the level that the person saw.
        until_ns: until when it holds (shelved, out of service, a level set by hand); 0 for no end.
        command_id: the command that asked for it; 0 for none.
        seq: of one tick and alarm, which came first.
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
    cause_key: str = ""
    first_raised_ns: int = 0
    actor: str = ""
    role: str = ""
    text: str = ""
    seen_level: int = 0
    until_ns: int = 0
    command_id: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands after a tick: a zone has at most one for every rule, and one for every report.

    Args:
        alarm, zone_id: its name and place, as in :class:`AlertEvent`.
        state: SHELVED and OUT_OF_SERVICE stand before what it is besides.
        level: now.
        since_ns: since when it has been active without a break, whatever its level; once it is over, since when.
        reasons: why it is at its level.
        first_raised_ns: when this alert was first raised: it may have been over in between, unacknowledged.
        level_ns: (level, time) whenever its level changed, oldest first; the newest 32 of them.
        worst_level: the highest level so far.
        quantity, value, limit, unit: what decides its level, its value now, and the limit; NaN where unknown.
        worst_value: the highest value so far of the quantity that decides.
        cause_key: as in :class:`AlertEvent`.
        acknowledged_by: who acknowledged it at this level; empty for nobody.
        role: who is asked now: an alarm that nobody acknowledges goes to the next role.
        shelved_until_ns, shelved_by, shelved_text: until when (0: no end), by whom and why it is shelved or out of
            service.
        waits_for_second: who asked to shelve it and needs a second person to confirm; empty otherwise.
        kind, text: of a report: what it is, and its words.
    """

    alarm: str
    zone_id: str
    state: AlarmState
    level: Level
    since_ns: int
    reasons: tuple[Reason, ...]
    first_raised_ns: int = 0
    level_ns: tuple[tuple[Level, int], ...] = ()
    worst_level: Level = Level.NORMAL
    quantity: str = ""
    value: float = math.nan
    limit: float = math.nan
    unit: str = ""
    worst_value: float = math.nan
    cause_key: str = ""
    acknowledged_by: str = ""
    role: str = ""
    shelved_until_ns: int = 0
    shelved_by: str = ""
    shelved_text: str = ""
    waits_for_second: str = ""
    kind: str = ""
    text: str = ""

    @property
    def unacknowledged(self) -> bool:
        """Whether it waits for somebody to acknowledge it. One that is silenced does not."""
        return self.state in _UNACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class RefusedAction:
    """An action that could not be carried out when its tick came, and why."""

    command_id: int
    reason: Reason


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one tick of ``advance`` says to the world.

    ``grid`` and ``flow`` are None between the ticks that carry one, ``occupancy`` where the site has no gates,
    ``sight`` where no camera moves.
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
    refused: tuple[RefusedAction, ...] = ()
    sight: SiteSight | None = None
