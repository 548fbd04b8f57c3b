"""Which signs of a crush each zone shows at a tick, and since when: what :mod:`.precursors` finds, over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from crowdwatch.analytics.precursors import (
    LEAST_CYCLES,
    STANDING_M_S,
    WALKING_M_S,
    oscillation,
    reversal_rad,
    slowing_frac,
    stop_and_go,
    sudden_stop_m_s,
)
from crowdwatch.core.movement import Precursor, PrecursorKind
from crowdwatch.core.records import FloatArray

__all__ = ["COLUMNS", "KEPT_S", "Since", "ZoneSeries", "signs_of"]

KEPT_S = 300.0
"""How long a zone's movement is remembered: five cycles of the longest wave of a minute."""

CROWD_P_M2, DENSE_P_M2 = 1.0, 4.0
"""From the one on people hinder one another: waves, counter-flow, stops mean something. From the other on crowds push
and swing (domain 1.7, 2.1)."""

PRESSURE_S2, PRESSED_M_S, PRESSED_TICKS_S = 0.02, 0.4, 30.0
"""Crowd pressure of turbulence (Helbing et al. 2007), told only where the crowd hardly walks, for three windows: alone
it is passed in every tenth window of a laboratory's bottleneck where nobody was hurt."""

WAVES_MOST_S = 90.0
COUNTER_FRAC = 0.2
CONVERGENCE_P_MIN_M2 = 0.5
STOP_M_S = 0.4
REVERSAL_RAD = 2 * math.pi / 3
SWING_SHARE = 0.5
SLOWING_FRAC, SLOWING_P_M2 = 0.5, 2.0
"""Below that density a group that comes and stops slows a zone: with 0.3 from 1 p/m2 on it was called four times in 49
minutes of streets and corridors."""

Since: TypeAlias = Mapping[tuple[str, PrecursorKind], int]
COLUMNS = ("speed_m_s", "east_m_s", "north_m_s", "density_p_m2")


@dataclass(frozen=True, slots=True, eq=False)
class ZoneSeries:
    """One zone over the last :data:`KEPT_S`, and now.

    Args:
        t_s: (N,) rising, of its ticks.
        values: (N, 4) of :data:`COLUMNS`, each of the newest pictures; NaN unknown.
        density_p_m2: now, over the window.
        counter_frac: share of those who walk against the main direction; NaN unknown.
        inflow_p_s, outflow_p_s: over its edge; NaN unknown.
        area_m2: of the zone.
        pressure_s2: at its worst patch among those dense and slow enough; NaN where there is none.
    """

    t_s: FloatArray
    values: FloatArray
    density_p_m2: float
    counter_frac: float
    inflow_p_s: float
    outflow_p_s: float
    area_m2: float
    pressure_s2: float


def signs_of(zone_id: str, now: ZoneSeries, t_ns: int, since: Since) -> tuple[tuple[Precursor, ...], Since]:
    """The signs that could be looked for in a zone, and since when each is there.

    Args:
        zone_id: the zone.
        now: its movement.
        t_ns: the tick.
        since: when each sign began, as of the tick before.
    """
    found, begun = [], {}
    for kind, value, limit, unit, period_s in _looked_for(now):
        held_s = 0.0
        if value >= limit:
            begun[zone_id, kind] = since.get((zone_id, kind), t_ns)
            held_s = (t_ns - begun[zone_id, kind]) / 1e9
            held_s = max(held_s, 1e-9) if kind is not PrecursorKind.PRESSURE else max(0.0, held_s - PRESSED_TICKS_S)
        found.append(Precursor(kind, value, limit, unit, held_s, period_s))
    return tuple(found), begun


def _looked_for(now: ZoneSeries) -> Iterator[tuple[PrecursorKind, float, float, str, float]]:
    """(kind, value, limit, unit, period) of every sign whose density is given and whose value is known."""
    kind, nan = PrecursorKind, math.nan
    if not now.density_p_m2 >= CROWD_P_M2:
        return
    speed, density = now.values[:, 0], now.values[:, 3]
    waves = stop_and_go(now.t_s, speed)
    cycles = 0.0 if math.isnan(waves.period_s) else float(waves.cycles)
    recent = cycles > 0 and _still_going(now.t_s, speed, waves.period_s)
    yield kind.STOP_AND_GO, cycles if recent else 0.0, float(LEAST_CYCLES), "cycles", waves.period_s if recent else nan
    net = (now.inflow_p_s - now.outflow_p_s) * 60 / now.area_m2
    closed = now.outflow_p_s <= 0.1 * now.inflow_p_s
    others = [
        (kind.COUNTER_FLOW, now.counter_frac, COUNTER_FRAC, "share"),
        (kind.CONVERGENCE, net if closed else min(net, 0.0), CONVERGENCE_P_MIN_M2, "p/min/m2"),
        (kind.SUDDEN_STOP, sudden_stop_m_s(now.t_s, speed), STOP_M_S, "m/s"),
        (kind.REVERSAL, reversal_rad(now.t_s, now.values[:, 1:3]), REVERSAL_RAD, "rad"),
    ]
    if now.density_p_m2 >= SLOWING_P_M2:
        others.append((kind.SLOWING, slowing_frac(now.t_s, speed, density), SLOWING_FRAC, "share"))
    yield from ((*each, nan) for each in others if not math.isnan(each[1]))
    if not now.density_p_m2 >= DENSE_P_M2:
        return
    swing = oscillation(now.t_s, now.values[:, 1:3])
    yield kind.OSCILLATION, swing.share, SWING_SHARE, "share", swing.period_s
    if not math.isnan(now.pressure_s2):
        yield kind.PRESSURE, now.pressure_s2, PRESSURE_S2, "1/s2", nan


def _still_going(t_s: FloatArray, speed: FloatArray, period_s: float) -> bool:
    """Whether the last two periods saw both standing and walking: waves of five minutes ago are over."""
    recent = speed[(t_s > t_s[-1] - 2.2 * period_s) & np.isfinite(speed)]
    return bool(len(recent) and recent.min() < STANDING_M_S and recent.max() >= WALKING_M_S)
