"""The nouns of what the fold says of movement: fields, zones, gates, the whole site.

As everywhere in the core, units stand in the names, arrays are checked once and made read-only, and NaN means unknown,
never standing still. A direction is an angle in radians from east, counter-clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.planes import FloatArray, readonly
from crowdwatch.core.quality import Quality
from crowdwatch.core.reasons import Reason

__all__ = ["FlowGrid", "GateReading", "Precursor", "PrecursorKind", "SiteOccupancy", "ZoneMovement"]


@dataclass(frozen=True, slots=True, eq=False)
class FlowGrid:
    """Velocity on the ground, row 0 south, column 0 west.

    Args:
        t_ns: the tick.
        origin_m: (2,) east and north of the south-west corner of cell (0, 0).
        cell_m: side of a square cell.
        v_m_s: (rows, cols, 2) mean velocity; NaN where nothing is known.
        variance_m2_s2: (rows, cols) mean squared deviation of the velocity, both components together, less what its
            measurement adds; NaN likewise.
        n: (rows, cols) samples behind it.
        age_s: (rows, cols) time since the newest one; infinite where there was none.
    """

    t_ns: int
    origin_m: FloatArray
    cell_m: float
    v_m_s: FloatArray
    variance_m2_s2: FloatArray
    n: NDArray[np.int64]
    age_s: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))
        object.__setattr__(self, "v_m_s", readonly("v_m_s", self.v_m_s, (None, None, 2)))
        shape = self.v_m_s.shape[:2]
        object.__setattr__(self, "variance_m2_s2", readonly("variance_m2_s2", self.variance_m2_s2, shape))
        object.__setattr__(self, "n", readonly("n", self.n, shape, np.int64))
        object.__setattr__(self, "age_s", readonly("age_s", self.age_s, shape))


class PrecursorKind(StrEnum):
    """Signs in movement that came before crushes; :mod:`crowdwatch.analytics.precursors` says how each is found."""

    PRESSURE = "pressure"
    STOP_AND_GO = "stop_and_go"
    COUNTER_FLOW = "counter_flow"
    CONVERGENCE = "convergence"
    SUDDEN_STOP = "sudden_stop"
    REVERSAL = "reversal"
    OSCILLATION = "oscillation"
    SLOWING = "slowing"


@dataclass(frozen=True, slots=True)
class Precursor:
    """One sign at one tick. It may raise a level and never lowers one.

    Args:
        kind: which sign.
        value, limit, unit: the measurement, from where on it is a sign, and their unit.
        held_s: for how long it has been one without a break; 0 where it is none.
        period_s: of waves and oscillations; NaN for the other signs.
    """

    kind: PrecursorKind
    value: float
    limit: float
    unit: str
    held_s: float
    period_s: float = float("nan")


@dataclass(frozen=True, slots=True)
class ZoneMovement:
    """How people move in one zone at one tick. Every number is NaN where it is unknown.

    Args:
        zone_id: the zone.
        t_ns: the tick; means are over the window that ends there.
        window_s: length of that window.
        speed_m_s, speed_low, speed_high: mean walking speed and its 90 % interval.
        direction_rad: of the mean velocity; NaN where nobody moves.
        moving_frac: share of people who walk (0.15 m/s or more).
        specific_flow_p_m_s: density times speed.
        inflow_p_s, outflow_p_s: people who come in and go out over the zone's edge.
        counter_flow_frac: share of those who walk against the main direction: 0 to 0.5.
        pressure_s2: density times the variance of velocity at the worst patch (Helbing, Johansson and Al-Abideen 2007).
        measured_frac: share of the zone's people of whom velocities are known.
        reasons: why something is unknown or doubtful.
        precursors: the signs that were looked for and could be: those with ``held_s`` above 0 are there.
    """

    zone_id: str
    t_ns: int
    window_s: float
    speed_m_s: float
    speed_low: float
    speed_high: float
    direction_rad: float
    moving_frac: float
    specific_flow_p_m_s: float
    inflow_p_s: float
    outflow_p_s: float
    counter_flow_frac: float
    pressure_s2: float
    measured_frac: float
    reasons: tuple[Reason, ...] = ()
    precursors: tuple[Precursor, ...] = ()


@dataclass(frozen=True, slots=True)
class GateReading:
    """Who crosses one gate. Every number is NaN where it is unknown.

    Args:
        gate_id: the gate.
        t_ns: the tick; rates are over the window that ends there.
        window_s: length of that window.
        ingress_p_min, ingress_low, ingress_high: crossings in, and their 90 % interval.
        egress_p_min, egress_low, egress_high: crossings out, likewise.
        ingress_total, egress_total: crossings since the run began, those in gaps not among them.
        capacity_frac: flow in both directions over what the usable width carries.
        queue: people who wait in front of it.
        watched_frac: share of the line that healthy cameras see now.
        quality: how far to trust it.
        reasons: why the quality is not GOOD.
    """

    gate_id: str
    t_ns: int
    window_s: float
    ingress_p_min: float
    ingress_low: float
    ingress_high: float
    egress_p_min: float
    egress_low: float
    egress_high: float
    ingress_total: float
    egress_total: float
    capacity_frac: float
    queue: float
    watched_frac: float
    quality: Quality
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteOccupancy:
    """How many people are on the whole site, by its gates, corrected by what zones and people with clickers count.

    Args:
        t_ns: the tick.
        count, count_low, count_high: people and the 90 % interval; NaN where it is unknown.
        drift_p_h: how far gates alone would be off in an hour.
        anchored_s: time since counts of zones or people last corrected it; infinite when nothing has.
        reasons: what it lacks.
    """

    t_ns: int
    count: float
    count_low: float
    count_high: float
    drift_p_h: float
    anchored_s: float
    reasons: tuple[Reason, ...] = ()
