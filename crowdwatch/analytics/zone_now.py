"""What there is of every zone at a tick, before it is judged how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.counting import Assignment
from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.memory import Lost, LostGround
from crowdwatch.analytics.sudden_fall import Fall
from crowdwatch.core import intervals
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Zone
from crowdwatch.ground import share_of

__all__ = ["Doubts", "ZoneNow", "zones_now"]

PEAK_SHARE = 0.25
"""Of the kernel that must lie over seen, walkable ground where a peak is read: with bandwidth 1 m it then averages over
3 m2 and more. Beside a sliver of ground a single person would read as a dense crowd."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is said against the numbers of a tick: ground that is not seen any more, counts that fell faster than people
    walk, and how many more people cameras find where others count."""

    lost: Lost
    falls: Mapping[str, Mapping[str, Fall]]
    more: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class ZoneNow:
    """What is known of one zone before it is judged: who watches it, who of them is well, the people counted, and how
    many fewer and more of them there may be for the state of the pictures (``margin``). ``blank`` and ``unproven`` are
    shares of its ground: by camera, where pictures have never shown anything; and that cameras count which have found
    nobody yet, or show next to no detail, and for which no reference picture speaks."""

    index: int
    zone: Zone
    visible_frac: float
    watching: tuple[str, ...]
    well: tuple[str, ...]
    boxes: float
    masses: float
    margin: tuple[float, float]
    alone: float
    peak_p_m2: float
    crowding: float
    lost: LostGround
    falls: Mapping[str, Fall]
    more: Mapping[str, float]
    blank: Mapping[str, float]
    unproven: float

    @property
    def found(self) -> float:
        """People counted."""
        return self.boxes + self.masses


def zones_now(view: SiteView, assignment: Assignment, field_p_m2: FloatArray, doubts: Doubts) -> list[ZoneNow]:
    """Every zone with its people, and the densest place and the crowding of the mean density field on it."""
    coverage, zones, lost, blank = assignment.coverage, view.zones, doubts.lost, _blank(view, assignment)
    unproven = _unproven(view, assignment)
    peaks, crowded = _peaks(view, field_p_m2, coverage.kernel), _crowding(view, field_p_m2, coverage.px2_m2)
    watching: list[list[str]] = [[] for _ in zones.zones]
    for camera_id in sorted(coverage.views):
        for index in np.flatnonzero(coverage.views[camera_id].zones_seen):
            watching[index].append(camera_id)
    return [
        ZoneNow(
            index, zone, float(coverage.visible_frac[index]), tuple(watching[index]),
            tuple(c for c in watching[index] if assignment.cameras[c].health is Health.OK),
            float(assignment.boxes[index]), float(assignment.masses[index]),
            (float(assignment.margin[0, index]), float(assignment.margin[1, index])), float(assignment.alone[index]),
            float(peaks[index]), float(crowded[index]),
            lost.of(index), doubts.falls.get(zone.zone_id, {}), doubts.more.get(zone.zone_id, {}),
            {camera_id: float(frac[index]) for camera_id, frac in blank.items()}, float(unproven[index]),
        )
        for index, zone in enumerate(zones.zones)
    ]  # fmt: skip


def _blank(view: SiteView, assignment: Assignment) -> dict[str, FloatArray]:
    """Camera -> (zones,) the share of each zone that it counts and of which its pictures have shown nothing so far."""
    found = {}
    for camera_id in sorted(assignment.coverage.healthy):
        cells = assignment.cameras[camera_id].blank_cells
        if cells is None:
            continue
        found[camera_id] = _ground_frac(view, assignment, camera_id, cells)
    return found


def _unproven(view: SiteView, assignment: Assignment) -> FloatArray:
    """(zones,) the share of each zone that is counted by cameras of which nothing says that they show what they should.
    A camera that shows blank ground says so of that alone."""
    found = np.zeros(len(view.zones))
    for camera_id in sorted(assignment.coverage.healthy):
        now = assignment.cameras[camera_id]
        if now.unproven or now.soft:
            cells = True if now.blank_cells is None else ~now.blank_cells
            found += _ground_frac(view, assignment, camera_id, cells)
    return found


def _ground_frac(view: SiteView, assignment: Assignment, camera_id: str, cells: NDArray[np.bool_] | bool) -> FloatArray:
    """(zones,) the share of each zone that a camera counts within some cells of its window."""
    zones, camera = view.zones, assignment.coverage.views[camera_id]
    owned = np.where(cells, assignment.coverage.owned[camera_id], 0).ravel()[camera.cells].astype(np.uint16)
    area = zones.share[camera.entries] * share_of(owned, zones.mask[camera.entries]) * view.grid.cell_m**2
    shares: FloatArray = np.bincount(camera.entry_zones, area, len(zones)) / np.maximum(zones.ground_m2, 1e-12)
    return shares


def _peaks(view: SiteView, field_p_m2: FloatArray, kernel: FloatArray) -> FloatArray:
    """(zones,) the densest cell whose centre lies in each zone, of those with :data:`PEAK_SHARE` of the kernel; NaN
    where none is known."""
    zones = view.zones
    known = np.nan_to_num(field_p_m2.ravel()[zones.peak_cells], nan=-1.0)
    known[~(kernel.ravel()[zones.peak_cells] >= PEAK_SHARE)] = -1.0
    peaks = np.full(len(zones), -1.0)
    held = zones.peak_first[:-1] < zones.peak_first[1:]
    if held.any():
        peaks[held] = np.maximum.reduceat(known, zones.peak_first[:-1][held])
    return np.where(peaks < 0, np.nan, peaks)


def _crowding(view: SiteView, field_p_m2: FloatArray, px2_m2: FloatArray) -> FloatArray:
    """(zones,) :func:`~crowdwatch.core.intervals.crowding` of the cells whose centres lie in each zone."""
    zones, cell_m2 = view.zones, view.grid.cell_m**2
    people = field_p_m2.ravel()[zones.peak_cells] * cell_m2
    pixels = px2_m2.ravel()[zones.peak_cells] * cell_m2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = people / pixels
    unknown = ~(np.isfinite(share) & (pixels > 0))
    people[unknown], share[unknown] = 0.0, 0.0
    counts = len(zones)
    total = np.bincount(zones.peak_zone, people, counts)
    close = np.bincount(zones.peak_zone, people * share, counts)
    nothing: FloatArray = np.full(counts, np.nan)
    np.divide(close * intervals.PATCH_PX2, total, out=nothing, where=total > 0)
    return nothing
