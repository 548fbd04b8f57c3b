"""How people move in every zone: speed, direction, flow over the edge, and the signs in it. Once a tick, pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.flow_field import (
    Batch,
    FlowField,
    first_field,
    pressure,
    remember_flow,
)
from crowdwatch.analytics.precursors import STANDING_M_S
from crowdwatch.analytics.signs import DENSE_P_M2, KEPT_S, PRESSED_M_S, Since, ZoneSeries, signs_of
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.intervals import Z
from crowdwatch.core.movement import FlowGrid, PrecursorKind, ZoneMovement
from crowdwatch.core.outcomes import Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import FloatArray
from crowdwatch.core.walking_speed import walking_m_s
from crowdwatch.ground import IntArray, parts_at

__all__ = ["Movement", "step_movement"]

WALKS_M_S = STANDING_M_S
"""Slower people stand: they sway and shuffle."""

PICTURE_EVERY_S = 5.0
"""Event time between two fields for the map."""

NOW_S = 1.6
"""Velocities that tell what happens now, for waves and stops: flow is measured once a second."""

MEASURED_FRAC = 0.3
"""A zone's movement is not told where fewer of its people's velocities are known. [design value]"""

PARTLY_FRAC = 0.7
SYSTEMATIC_FRAC, SYSTEMATIC_M_S = 0.06, 0.02
"""Error of a zone's speed that more samples do not lessen: height of the plane, what a search misses."""

ALONG = 0.7
"""cos 45 degrees: who walks along the zone's main axis. Others walk across and are no counter-flow."""

LEAST_WALKING = 8
PRESSURE_ERRORS = 4.0
"""The worst of some hundred patches is looked at: noise alone reaches three errors there."""

SURELY = 2.5
"""A velocity across an edge below so many of its standard errors is none: noise would be people at both sides."""

EDGE_STEP_M = 0.5
IMPLAUSIBLE = 1.5
"""A crowd that walks faster than this many times what is usual at its density (Weidmann 1993) is doubted."""


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Pieces of the zones' edges that people can cross: (E,) zone, middle, normal outwards, length."""

    zone: IntArray
    xy_m: FloatArray
    normal: FloatArray
    length_m: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """What the fold remembers of movement.

    Args:
        flow: velocities of the window; answers ``velocity_at``.
        edges: of the zones.
        history: (time, (zones, 4)) of the ticks of the last five minutes.
        since: when each sign began.
        pictured_ns: the last tick that carried a field for the map.
    """

    flow: FlowField
    edges: _Edges
    history: tuple[tuple[int, FloatArray], ...] = ()
    since: Since = field(default_factory=dict)
    pictured_ns: int | None = None


def step_movement(
    view: SiteView,
    old: Movement | None,
    found: Iterable[tuple[int, FlowSamples]],
    rho_p_m2: FloatArray,
    mean_p_m2: FloatArray,
    readings: Sequence[ZoneReading],
    t_ns: int,
) -> tuple[Movement, tuple[ZoneMovement, ...], FlowGrid | None]:
    """Movement of all zones at a tick.

    Args:
        view: the prepared site.
        old: what was remembered; None before the first tick.
        found: exposure and velocities of the pictures that the tick includes, of healthy cameras.
        rho_p_m2, mean_p_m2: (rows, cols) density of the newest pictures, and its mean over the window.
        readings: of the zones, in their order.
        t_ns: the tick.
    """
    old = old or Movement(first_field(view), _edges(view))
    flow = remember_flow(view, old.flow, found, rho_p_m2, t_ns)
    zones = len(view.zones)
    means = _means(flow.window, zones)
    measured = _measured(view, flow, mean_p_m2)
    inflow, outflow = _over_edges(view, flow, old.edges, mean_p_m2)
    pressed = _pressures(view, flow, mean_p_m2)
    density = np.array([reading.density_p_m2 for reading in readings])
    now = _now(flow.window, zones, t_ns, density)
    kept_ns = t_ns - round(KEPT_S * 1e9)
    history = (*(each for each in old.history if each[0] > kept_ns), (t_ns, now))
    at_s = np.array([(each[0] - t_ns) / 1e9 for each in history])
    values = np.stack([each[1] for each in history])
    since: dict[tuple[str, PrecursorKind], int] = {}
    told = []
    for index, reading in enumerate(readings):
        movement = _told(reading, view.site.window_s, means[index], measured[index], (inflow[index], outflow[index]))
        series = ZoneSeries(
            at_s, values[:, index], reading.density_p_m2, movement.counter_flow_frac, movement.inflow_p_s,
            movement.outflow_p_s, float(view.zones.ground_m2[index]), float(pressed[index, 1]),
        )  # fmt: skip
        signs, begun = signs_of(reading.zone_id, series, t_ns, old.since)
        since |= begun
        if not math.isnan(movement.speed_m_s):
            movement = replace(movement, pressure_s2=float(pressed[index, 0]), precursors=signs)
        told.append(movement)
    due = old.pictured_ns is None or t_ns - old.pictured_ns >= PICTURE_EVERY_S * 1e9
    picture = flow.picture(t_ns) if due and len(flow.window) else None
    pictured_ns = old.pictured_ns if picture is None else t_ns
    return Movement(flow, old.edges, history, since, pictured_ns), tuple(told), picture


@dataclass(frozen=True, slots=True)
class _Mean:
    """Of one zone: numbers of samples and moments, mean speed and its error, mean velocity, shares."""

    samples: int = 0
    speed: float = math.nan
    error: float = math.nan
    east: float = math.nan
    north: float = math.nan
    moving: float = math.nan
    counter: float = math.nan


def _means(window: Batch, zones: int) -> list[_Mean]:
    """The samples of each zone, each for the people that it stands for."""
    found = [_Mean()] * zones
    order = np.argsort(window.zone, kind="stable")
    ends = np.searchsorted(window.zone[order], np.arange(zones + 1))
    for zone in np.flatnonzero(np.diff(ends)).tolist():
        rows = window.sample[order[ends[zone] : ends[zone + 1]]]
        found[zone] = _mean(window.v_m_s[rows], window.sigma_m_s[rows], window.weight[rows], window.t_ns[rows])
    return found


def _mean(v: FloatArray, sigma: FloatArray, weight: FloatArray, t_ns: IntArray) -> _Mean:
    """Means by weight. The speed of a sample is sqrt(|v|^2 - 2 sigma^2), not below 0: noise alone is no speed."""
    share = weight / weight.sum()
    speed = np.sqrt(np.maximum((v**2).sum(axis=1) - 2 * sigma**2, 0.0))
    mean = float(share @ speed)
    moments = len(np.unique(t_ns))
    independent = max(1.0, len(v) / moments * min(moments, 3))  # the same people are measured at every moment
    sampling = float(share @ (speed - mean) ** 2 + share @ sigma**2) / independent
    error = math.sqrt(sampling + (SYSTEMATIC_FRAC * mean) ** 2 + SYSTEMATIC_M_S**2)
    walks = speed >= WALKS_M_S
    east, north = (float(each) for each in share @ v)
    return _Mean(len(v), mean, error, east, north, float(share @ walks), _counter(v[walks], share[walks]))


def _counter(v: FloatArray, share: FloatArray) -> float:
    """Share of those who walk along the main axis that walk against its main direction.

    The axis is that of the mean of the doubled angles, which both directions of a lane have in common.

    >>> _counter(np.array([[1.0, 0.1], [1.0, 0.0], [-1.0, 0.0], [1.0, -0.1]] * 2), np.full(8, 0.125))
    0.25
    """
    if len(v) < LEAST_WALKING:
        return math.nan
    speed = np.hypot(*v.T)
    doubled = (share * ((v[:, 0] + 1j * v[:, 1]) / speed) ** 2).sum()
    axis = np.array([math.cos(np.angle(doubled) / 2), math.sin(np.angle(doubled) / 2)])
    along = v @ axis / speed
    one, other = float(share[along > ALONG].sum()), float(share[along < -ALONG].sum())
    return min(one, other) / (one + other) if one + other > 0 else math.nan


def _now(window: Batch, zones: int, t_ns: int, density: FloatArray) -> FloatArray:
    """(zones, 4) speed and velocity by the newest pictures, and density; NaN where there are none."""
    recent = window.t_ns[window.sample] > t_ns - round(NOW_S * 1e9)
    rows, zone = window.sample[recent], window.zone[recent]
    weight = window.weight[rows]
    total = np.bincount(zone, weight, zones)
    total = np.where(total > 0, total, np.nan)
    v, sigma = window.v_m_s[rows], window.sigma_m_s[rows]
    speed = np.sqrt(np.maximum((v**2).sum(axis=1) - 2 * sigma**2, 0.0))
    sums = [np.bincount(zone, weight * each, zones) / total for each in (speed, v[:, 0], v[:, 1])]
    return np.stack([*sums, density], axis=1)


def _measured(view: SiteView, flow: FlowField, mean_p_m2: FloatArray) -> FloatArray:
    """(zones,) share of a zone's people who stand on squares with velocities; NaN where there is hardly anybody."""
    zones = view.zones
    people = np.nan_to_num(mean_p_m2).ravel()[zones.cell] * zones.share * view.grid.cell_m**2
    rows, cols = np.divmod(zones.cell, view.grid.shape[1])
    times = round(flow.grid.cell_m / view.grid.cell_m)
    known = np.zeros(flow.grid.shape, dtype=np.bool_)
    known.ravel()[flow.window.cell[flow.window.cell >= 0]] = True
    near = np.pad(known, 1)
    near = near[1:-1, 1:-1] | near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:]
    held = people * near[rows // times, cols // times]
    total = np.bincount(zones.zone, people, len(zones))
    found: FloatArray = np.bincount(zones.zone, held, len(zones)) / np.where(total >= 0.5, total, np.nan)
    return found


def _edges(view: SiteView) -> _Edges:
    """Pieces of all zones' edges with walkable ground on both sides: nobody crosses a wall."""
    parts = []
    for index, area in enumerate(view.zones.areas):
        for ring in shapely.get_parts(area.boundary):
            line = shapely.get_coordinates(shapely.segmentize(ring, EDGE_STEP_M))
            step = np.diff(line, axis=0)
            length = np.hypot(*step.T)
            normal = np.stack([step[:, 1], -step[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
            middle = (line[1:] + line[:-1]) / 2
            inwards = shapely.contains_xy(area, middle + 0.05 * normal)
            normal[inwards] *= -1
            beyond = middle + 0.3 * normal
            open_ = shapely.contains_xy(view.walkable.area, beyond) & (length > 1e-6)
            parts.append((np.full(int(open_.sum()), index), middle[open_], normal[open_], length[open_]))
    zone, xy, normal, length = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _Edges(zone.astype(np.int64), xy, normal, length)


def _over_edges(view: SiteView, flow: FlowField, edges: _Edges, mean_p_m2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(zones,) people a second who come in and go out: sum over the edge's pieces of rho l E[max(0, -+ v n)], of
    normal velocities beyond their own error. NaN where half of the people at the edge have no velocity."""
    zones, window = len(view.zones), flow.window
    cell, _ = parts_at(view.grid, edges.xy_m)
    rho = np.nan_to_num(np.where(cell >= 0, mean_p_m2.ravel()[np.maximum(cell, 0)], np.nan))
    order = np.argsort(window.cell, kind="stable")
    sorted_cells = window.cell[order]
    own = flow.cells_at(edges.xy_m)
    first, last = np.searchsorted(sorted_cells, own), np.searchsorted(sorted_cells, own, side="right")
    count = np.where(own >= 0, last - first, 0)
    piece = np.repeat(np.arange(len(own)), count)
    rows = order[np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())]
    across = (window.v_m_s[rows] * edges.normal[piece]).sum(axis=1)
    across = np.where(np.abs(across) > SURELY * window.sigma_m_s[rows], across, 0.0)
    rates = []
    people = rho * edges.length_m
    known = np.bincount(edges.zone, people * (count > 0), zones)
    at_edge = np.bincount(edges.zone, people, zones)
    for sign in (-1.0, 1.0):
        mean = np.bincount(piece, np.maximum(0.0, sign * across), len(own)) / np.maximum(count, 1)
        total = np.bincount(edges.zone, people * mean, zones)
        scaled = np.divide(total * at_edge, known, out=np.zeros(zones), where=known > 0)
        rates.append(np.where(known >= 0.5 * at_edge, scaled, np.where(at_edge < 0.1, 0.0, np.nan)))
    return rates[0], rates[1]


def _pressures(view: SiteView, flow: FlowField, mean_p_m2: FloatArray) -> FloatArray:
    """(zones, 2) crowd pressure at the worst patch of each zone, and what is surely there of it at the worst that is
    dense and slow; NaN none."""
    worst = np.full((len(view.zones), 2), -np.inf)
    found = pressure(flow, mean_p_m2, view.grid)
    rho = found.density_p_m2
    cell, _ = parts_at(view.grid, found.middle_m)
    inside = (cell >= 0) & np.isfinite(rho)
    patch, zone = view.zones.containing(found.middle_m[inside], cell[inside])
    value = (rho * found.variance_m2_s2)[inside][patch]
    surely = (rho * np.maximum(found.variance_m2_s2 - PRESSURE_ERRORS * found.error_m2_s2, 0.0))[inside][patch]
    dense = ((rho >= DENSE_P_M2) & (found.speed_m_s < PRESSED_M_S))[inside][patch]
    np.maximum.at(worst[:, 0], zone, value)
    np.maximum.at(worst[:, 1], zone[dense], surely[dense])
    return np.where(np.isfinite(worst), worst, np.nan)


def _told(
    reading: ZoneReading, window_s: float, mean: _Mean, measured_frac: float, over_edge: tuple[float, float]
) -> ZoneMovement:
    """One zone, unknown where it is not seen or too few velocities are known."""
    nan = math.nan
    unseen = reading.quality in (Quality.STALE, Quality.BLIND)
    nobody = not unseen and math.isnan(measured_frac)
    inflow, outflow = (nan, nan) if unseen else over_edge
    if unseen or nobody or mean.samples == 0 or measured_frac < MEASURED_FRAC:
        why = () if nobody else (Reason.of(Code.NO_VELOCITIES),)
        flow = 0.0 if nobody else nan
        return ZoneMovement(
            reading.zone_id, reading.t_ns, window_s, nan, nan, nan, nan, nan, flow, inflow if nobody else nan,
            outflow if nobody else nan, nan, nan, nan if unseen else measured_frac, why,
        )  # fmt: skip
    reasons = []
    if measured_frac < PARTLY_FRAC:
        reasons.append(Reason.of(Code.VELOCITIES_PARTLY, measured_frac=measured_frac))
    half = Z * mean.error
    low, high = max(0.0, mean.speed - half), mean.speed + half
    usual = float(walking_m_s(np.asarray(np.nan_to_num(reading.density_low))))
    if low > IMPLAUSIBLE * usual + 0.2 and reading.density_p_m2 >= 1.0:
        reasons.append(Reason.of(Code.SPEED_IMPLAUSIBLE, speed=mean.speed, usual=usual))
    straight = mean.moving >= 0.1 and math.hypot(mean.east, mean.north) > max(0.05, mean.error)
    direction = math.atan2(mean.north, mean.east) if straight else nan
    return ZoneMovement(
        reading.zone_id, reading.t_ns, window_s, mean.speed, low, high, direction, mean.moving,
        reading.density_p_m2 * mean.speed, inflow, outflow, mean.counter, nan, measured_frac, tuple(reasons),
    )  # fmt: skip
