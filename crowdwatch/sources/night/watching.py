"""What the cameras of a scripted night would report: boxes, density maps and evidence, with the errors that were
measured of the models that ship."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import (
    Anchor,
    CameraFault,
    Detections,
    Evidence,
    FloatArray,
    GroundMass,
    GroundPlane,
    Observation,
    Positions,
    Stamp,
)
from crowdwatch.core.site import BAND_P_M2, LEAST_RECALL, Camera, Site
from crowdwatch.ground import to_image, valid_ground
from crowdwatch.sources.night.crowd import CELL_M, Crowd
from crowdwatch.sources.night.plan import Incident, IncidentKind, NightPlan

__all__ = ["Watcher", "recall_at"]

RECALL, POSITION_M = 0.94, 0.10
"""Of people who stand apart, and the standard deviation of either coordinate: ``models/crowd-n/card.md``, PETS2009,
recall 0.937, median error 0.14 m."""

SPARSE_P_M2, DENSE_P_M2 = BAND_P_M2
"""Up to the first density boxes find nearly all. From the second on the density map has taken over, and what boxes find
does not matter: no more than ``LEAST_RECALL`` are drawn, which keeps a night small."""

BIAS_LOG, DRIFT_LOG, DRIFT_S, CELL_LOG = 0.06, 0.03, 120.0, 0.15
"""Of the density map: a factor of each camera, one that drifts, and one of each cell, as standard deviations of their
logarithm. ``models/counter-n/card.md`` has -7 % to +11 % by fifth of the photographs."""

STEP = 64.0
"""Masses are multiples of 1/64 person, so that a log of a night stays small."""

VELOCITY_M_S, STATED_M_S, MEASURED, SPAN_S = 0.06, 0.10, 0.7, 0.2
"""Of the velocity of a square: the standard deviation of either component; what is said of it (a square of a drawn
crowd is off by 0.61 of its stated error, docs/movement.md); how many squares have one; the span of a pair."""

MOST_VELOCITIES, FASTEST_M_S = 400, 4.0
"""In a picture: more, and the squares become larger. Nobody of the script is as fast as the other."""

STATURE_M = 1.75
FINE = Evidence("", luma=70.0, contrast=38.0, sharpness=90.0, change=2.5)
FLASH = replace(FINE, luma=252.0, contrast=5.0, sharpness=4.0, change=60.0)
SMOKE = replace(FINE, luma=120.0, contrast=2.5, sharpness=1.0, change=0.8)

FLASHES_EVERY_S, FLASH_S = 60.0, 1.0
"""While fireworks burn, one shell in every minute, at a time of its own, clips the pictures of all cameras that look at
it for a second. [design values]"""


def recall_at(rho_p_m2: FloatArray) -> FloatArray:
    """(N,) the share of people whom boxes find, by the density around them.

    >>> recall_at(np.array([0.1, 0.45, 4.0])).round(2).tolist()
    [0.94, 0.49, 0.04]
    """
    recall: FloatArray = np.interp(rho_p_m2, [SPARSE_P_M2, DENSE_P_M2], [RECALL, LEAST_RECALL])
    return recall


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What one camera sees of the crowd's cells: those whose middle shows feet and heads, and the position error."""

    camera: Camera
    plane: GroundPlane
    feet: NDArray[np.bool_]
    heads: NDArray[np.bool_]
    sigma_m: FloatArray
    rows: slice
    cols: slice


class Watcher:
    """Cameras that look at a crowd.

    Args:
        site: whose cameras.
        crowd: at whom.
        plan: what befalls the cameras.
    """

    def __init__(self, site: Site, crowd: Crowd, plan: NightPlan) -> None:
        self._rng = np.random.default_rng((plan.seed, 2))
        self._crowd, self._plan = crowd, plan
        self._views = [_view(camera, crowd) for camera in site.cameras]
        self._bias = self._rng.normal(0, BIAS_LOG, len(self._views))
        self._drift = self._rng.normal(0, DRIFT_LOG, len(self._views))
        self._drift_ns: int | None = None
        self._lost: set[str] = set()
        self._seq = [0] * len(self._views)
        self._flashes_s = _flashes(plan)
        low_high = {zone.zone_id: (zone.polygon_m.min(axis=0), zone.polygon_m.max(axis=0)) for zone in site.zones}
        self._glare = {
            each.incident_id: self._cells_of(*low_high[each.zones[0]]) for each in plan.of(IncidentKind.FALSE_FLARE)
        }

    @property
    def lost(self) -> frozenset[str]:
        """Cameras that report nothing now."""
        return frozenset(self._lost)

    def look(self, t_s: float, start_ns: int, period_s: float) -> list[Observation | CameraFault]:
        """What all cameras report within the period that ends at ``t_s``, by time."""
        rho = self._crowd.rho_p_m2()
        xy_m = self._crowd.standing()
        cell = self._crowd.cells(xy_m)
        self._let_drift(period_s)
        found: list[Observation | CameraFault] = []
        active = [each for each in self._plan.incidents if each.from_s <= t_s < each.to_s]
        for index, view in enumerate(self._views):
            offset_s = period_s * (index + 1) / (len(self._views) + 1)
            at_s = t_s - period_s + offset_s
            t_ns = start_ns + round(at_s * 1e9)
            self._seq[index] += 1
            camera_id = view.camera.camera_id
            if _befalls(active, IncidentKind.CAMERAS_LOST, camera_id):
                if camera_id not in self._lost:
                    found.append(CameraFault(camera_id, t_ns, Code.CONNECTION_LOST))
                self._lost.add(camera_id)
                continue
            self._lost.discard(camera_id)
            stamp = Stamp(camera_id, self._seq[index], t_ns, "arrival")
            flash = bool(((self._flashes_s <= at_s) & (at_s < self._flashes_s + FLASH_S)).any())
            found.append(self._observe(index, stamp, xy_m, cell, rho, active, flash))
        return sorted(found, key=lambda one: one.t_ns)

    def _let_drift(self, period_s: float) -> None:
        kept = math.exp(-period_s / DRIFT_S)
        fresh = self._rng.normal(0, DRIFT_LOG, len(self._drift))
        self._drift = kept * self._drift + math.sqrt(1 - kept**2) * fresh

    def _observe(
        self, index: int, stamp: Stamp, xy_m: FloatArray, cell: NDArray[np.int64], rho: FloatArray,
        active: list[Incident], flash: bool,
    ) -> Observation:  # fmt: skip
        view = self._views[index]
        near = np.flatnonzero(view.feet[cell])
        near = near[self._rng.random(len(near)) < recall_at(rho[cell[near]])]
        boxes = self._boxes(view, stamp, xy_m[near])
        where_m = xy_m[near] + self._rng.normal(0, POSITION_M, (len(near), 2))
        positions = Positions(stamp, where_m, view.sigma_m[cell[near]], boxes.score)
        evidence = self._evidence(stamp, active, flash)
        mass = self._mass(index, stamp, cell, active)
        shown = evidence.luma == FINE.luma
        flow = self._flow(view, xy_m[view.heads[cell]], self._crowd.walking()[view.heads[cell]]) if shown else None
        return Observation(boxes, positions, evidence, view.plane.plane_id, mass, flow=flow)

    def _flow(self, view: _View, xy_m: FloatArray, v_m_s: FloatArray) -> FlowSamples:
        """One median velocity for each square with people; those who pass each other in a square have one."""
        square = np.floor((xy_m - self._crowd.origin_m) / CELL_M).astype(np.int64)
        side = 1
        while True:
            number = (square[:, 1] // side) * (self._crowd.shape[1] + 1) + square[:, 0] // side
            found, count = np.unique(number, return_counts=True)
            if len(found) * MEASURED <= MOST_VELOCITIES:
                break
            side += 1
        kept = self._rng.random(len(found)) < MEASURED
        middle = np.cumsum(count) - count + (count - 1) // 2
        row, col = np.divmod(found, self._crowd.shape[1] + 1)
        at_m = self._crowd.origin_m + side * CELL_M * (np.stack([col, row], axis=1) + 0.5)
        # sorted by square and by speed within it: the middle of each square is its median
        width = 2 * FASTEST_M_S
        median = [
            np.sort(number * width + v_m_s[:, axis] + FASTEST_M_S)[middle] - found * width - FASTEST_M_S
            for axis in (0, 1)
        ]
        v = np.stack(median, axis=1)[kept] + self._rng.normal(0, VELOCITY_M_S, (int(kept.sum()), 2))
        return FlowSamples(at_m[kept], np.round(v * 1024) / 1024, np.full(len(v), STATED_M_S), SPAN_S)

    def _boxes(self, view: _View, stamp: Stamp, xy_m: FloatArray) -> Detections:
        feet, top = to_image(view.plane, xy_m), to_image(view.plane, xy_m, STATURE_M)
        half = 0.15 * np.abs(feet[:, 1] - top[:, 1])
        sides = np.stack([feet[:, 0] - half, top[:, 1], feet[:, 0] + half, feet[:, 1]], axis=1)
        score = self._rng.integers(30, 96, len(xy_m)) / 100
        kinds = np.zeros(len(xy_m), np.int64)
        return Detections(stamp, sides.round(1), score, kinds, Anchor.FEET, view.plane.image_hw, "scripted")

    def _mass(self, index: int, stamp: Stamp, cell: NDArray[np.int64], active: list[Incident]) -> GroundMass:
        view = self._views[index]
        counts = np.bincount(cell[view.heads[cell]], minlength=view.heads.size).astype(np.float64)
        for incident in active:
            if incident.kind is IncidentKind.FALSE_FLARE:
                counts = np.where(self._glare[incident.incident_id], incident.size * counts, counts)
        here = counts.reshape(self._crowd.shape)[view.rows, view.cols]
        gain = math.exp(self._bias[index] + self._drift[index])
        noisy = gain * here * np.exp(self._rng.normal(0, CELL_LOG, here.shape))
        origin_m = self._crowd.origin_m + CELL_M * np.array([view.cols.start, view.rows.start])
        mass = np.round(STEP * noisy) / STEP
        return GroundMass(stamp, origin_m, CELL_M, mass, 0.0, 0.0, "scripted", 0.0, 0.0)

    def _evidence(self, stamp: Stamp, active: list[Incident], flash: bool) -> Evidence:
        evidence = FINE
        if flash and _befalls(active, IncidentKind.FLASH, stamp.camera_id):
            evidence = FLASH
        if _befalls(active, IncidentKind.SMOKE, stamp.camera_id):
            evidence = SMOKE
        return replace(evidence, frame_hash=f"{stamp.seq:016x}")

    def _cells_of(self, low_m: FloatArray, high_m: FloatArray) -> NDArray[np.bool_]:
        rows, cols = self._crowd.shape
        x, y = np.meshgrid(
            np.arange(cols) + 0.5 + self._crowd.origin_m[0], np.arange(rows) + 0.5 + self._crowd.origin_m[1]
        )
        inside: NDArray[np.bool_] = ((x > low_m[0]) & (x < high_m[0]) & (y > low_m[1]) & (y < high_m[1])).ravel()
        return inside


def _flashes(plan: NightPlan) -> FloatArray:
    """Seconds after the beginning at which each shell begins to clip pictures."""
    rng = np.random.default_rng((plan.seed, 4))
    spans = [np.arange(each.from_s, each.to_s, FLASHES_EVERY_S) for each in plan.of(IncidentKind.FLASH)]
    minutes = np.concatenate([np.empty(0), *spans])
    found: FloatArray = minutes + rng.uniform(0, FLASHES_EVERY_S - FLASH_S, len(minutes))
    return found


def _befalls(active: list[Incident], kind: IncidentKind, camera_id: str) -> bool:
    return any(each.kind is kind and camera_id in each.cameras for each in active)


def _view(camera: Camera, crowd: Crowd) -> _View:
    rows, cols = crowd.shape
    x, y = np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    middles = crowd.origin_m + CELL_M * np.stack([x.ravel(), y.ravel()], axis=1)
    plane = camera.fixed_plane
    sigma_m = valid_ground(plane, to_image(plane, middles))[1]
    heads = np.isfinite(valid_ground(plane, to_image(plane, middles, plane.head_plane_m), plane.head_plane_m)[1])
    grid = heads.reshape(crowd.shape)
    spans = [np.flatnonzero(grid.any(axis=axis)) for axis in (1, 0)]
    reach = [slice(int(span[0]), int(span[-1]) + 1) if len(span) else slice(0, 1) for span in spans]
    return _View(camera, plane, np.isfinite(sigma_m), heads, sigma_m, reach[0], reach[1])
