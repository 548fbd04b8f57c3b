"""Zone readings: count, density, peak, what is seen, how old it is, how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from crowdwatch import ground as geometry
from crowdwatch.analytics.fuse import SiteView
from crowdwatch.analytics.handover import Heads
from crowdwatch.core import intervals
from crowdwatch.core.outcomes import Health, Level, Quality, ZoneReading
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import FACTOR_RANGE, Bias

__all__ = ["CameraNow", "Entry", "foretold", "read_zones", "zone_counts"]

BLIND_BELOW_FRAC = 0.1
DEGRADED_BELOW_FRAC = 0.9
"""A zone of which less than a tenth is seen is not read at all; below nine tenths its reading is degraded. [design
values: at a tenth the count interval spans a factor of ten]"""

COVERED_FRAC = 0.01
"""A detector's limit costs nothing where boxes count fewer than this share of a zone's people by the counter."""

LOST_FRAC, LOST_P = 0.1, 1.0
"""A zone is not read when its counter is silent and boxes would have to stand in for more than this share of its
people, and for more than this many: the number would fall while the crowd stays. [design values]"""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One observation within the window.

    Args:
        t_ns: exposure.
        candidates_m: (N, 2) everyone whose score is high enough.
        heads: the head mass that stands for this moment, if any.
        counted_for: the set of healthy cameras for which the rest was worked out; it decides who owns what ground.
        xy_m: (M, 2) those who count for this camera.
        weight: (M,) what each of them counts for.
        boxes, masses: (zones,) people in each zone by boxes, and by head mass, after the hand-over.
    """

    t_ns: int
    candidates_m: FloatArray
    heads: Heads | None = None
    counted_for: frozenset[str] = frozenset()
    xy_m: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    weight: FloatArray = field(default_factory=lambda: np.empty(0))
    boxes: FloatArray = field(default_factory=lambda: np.empty(0))
    masses: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class CameraNow:
    """A camera at a tick.

    Args:
        health: of its picture.
        age_s: of its newest picture.
        saturated: whether a limit cut its newest boxes off.
        window: its observations, oldest first.
        counter_fault: why its counter gave nothing for the newest picture; empty when nothing is wrong.
        silent: the newest head mass, when it is too old to stand for what is there now.
    """

    health: Health
    age_s: float
    saturated: bool
    window: tuple[Entry, ...]
    counter_fault: str = ""
    silent: Heads | None = None


@dataclass(frozen=True, slots=True)
class _Zone:
    """What is known of one zone before it is judged: who watches it and who of them is well, and the people counted."""

    index: int
    visible_frac: float
    watching: tuple[str, ...]
    well: tuple[str, ...]
    boxes: float
    masses: float


def foretold(view: SiteView) -> list[str]:
    """What is known before any picture: zones of which too little is seen, and cameras that cannot place heads."""
    said = []
    visible = view.seen(frozenset(view.cameras)).visible_frac
    for ground, frac in zip(view.zones, visible, strict=True):
        if frac < DEGRADED_BELOW_FRAC:
            becomes = "blind: it is never read" if frac < BLIND_BELOW_FRAC else "degraded"
            said.append(f"zone {ground.zone.zone_id}: the cameras see {frac:.0%} of it, so it will be {becomes}.")
    for camera_id, seen in view.cameras.items():
        fault = geometry.heads_fault(seen.camera.plane)
        if seen.camera.counts_heads and fault is not None:
            said.append(f"camera {camera_id}: boxes count alone, and dense crowds are missed: {fault}")
    return said


def zone_counts(view: SiteView, xy_m: FloatArray, weight: FloatArray) -> FloatArray:
    """(zones,) how many of these people stand in each zone, each counted by its weight."""
    return np.array([weight[geometry.inside(zone.ground, xy_m)].sum() for zone in view.zones], dtype=np.float64)


def _zones(view: SiteView, cameras: Mapping[str, CameraNow], healthy: frozenset[str]) -> list[_Zone]:
    """Every zone with the sums over the cameras of their mean counts over the window."""
    boxes, masses = np.zeros(len(view.zones)), np.zeros(len(view.zones))
    for camera_id in sorted(healthy):
        window = cameras[camera_id].window
        boxes += np.mean([entry.boxes for entry in window], axis=0)
        masses += np.mean([entry.masses for entry in window], axis=0)
    visible = view.seen(healthy).visible_frac
    zones = []
    for index in range(len(view.zones)):
        watching = tuple(c for c in sorted(view.cameras) if view.sees_zone(c, index))
        well = tuple(c for c in watching if cameras[c].health is Health.OK)
        zones.append(_Zone(index, float(visible[index]), watching, well, float(boxes[index]), float(masses[index])))
    return zones


def _quality(
    view: SiteView, zone: _Zone, cameras: Mapping[str, CameraNow], healthy: frozenset[str]
) -> tuple[Quality, str]:
    """How far to trust a zone's reading, and why not."""
    if not zone.watching:
        return Quality.BLIND, "no camera sees this zone"
    ill = [camera_id for camera_id in zone.watching if camera_id not in zone.well]
    because = ", ".join(f"camera {camera_id} is {cameras[camera_id].health.value}" for camera_id in ill)
    if not zone.well:
        silent = all(cameras[camera_id].health is Health.SILENT for camera_id in ill)
        return (Quality.STALE if silent else Quality.BLIND), because
    seen = f"{zone.visible_frac * 100:.0f} % of the zone is seen"
    if zone.visible_frac < BLIND_BELOW_FRAC:
        return Quality.BLIND, "; ".join(filter(None, [seen, because]))
    if not any(cameras[camera_id].window for camera_id in zone.well):
        return Quality.BLIND, "no picture yet"
    lost = [c for c in zone.well if _lost(view, c, cameras[c], zone, healthy)]
    if lost:
        return Quality.BLIND, "; ".join(f"camera {c}: the counter is silent where people stand close" for c in lost)
    doubts = [because] if because else []
    if zone.visible_frac < DEGRADED_BELOW_FRAC:
        doubts.append(seen)
    doubts += [doubt for c in zone.well for doubt in _doubts(view, c, cameras[c], zone, healthy)]
    notes = [note for c in zone.well for note in _notes(c, view.cameras[c].camera.bias)]
    return Quality.DEGRADED if doubts else Quality.GOOD, "; ".join([*doubts, *notes])


def _notes(camera_id: str, bias: Bias | None) -> list[str]:
    """What is worth saying of a camera's counts though it is no reason to doubt them."""
    if bias is None or bias.factor == 1.0:
        return []
    return [f"camera {camera_id}: counts times {bias.factor:.2f} after {bias.audits} hand counts"]


def _doubts(view: SiteView, camera_id: str, now: CameraNow, zone: _Zone, healthy: frozenset[str]) -> list[str]:
    """What one healthy camera's part of a reading suffers from."""
    heads = now.window[-1].heads if now.window else None
    found = []
    if now.saturated and not _covered(view, camera_id, heads, zone.index, healthy):
        found.append("detector limit reached, people may be missing")
    if now.counter_fault:
        found.append(now.counter_fault)
    if now.silent is not None:
        found.append("the counter is silent")
    area_m2 = view.zones[zone.index].zone.usable_area_m2 * zone.visible_frac
    if heads is None and zone.boxes > view.site.hand_over.low_p_m2 * area_m2:
        found.append("people stand too close to be counted by boxes alone")
    camera = view.cameras[camera_id].camera
    if camera.bias is not None and not FACTOR_RANGE[0] < camera.bias.factor < FACTOR_RANGE[1]:
        found.append("hand counts are too far from the program's")
    if not math.isfinite(camera.plane.rmse_m):
        found.append("calibration error unknown")
    return [f"camera {camera_id}: {each}" for each in found]


def _covered(view: SiteView, camera_id: str, heads: Heads | None, index: int, healthy: frozenset[str]) -> bool:
    """Whether head mass counts all but a few of a zone's people, so that missing boxes do not matter."""
    if heads is None or camera_id not in healthy:
        return False
    here = view.cover(camera_id, healthy).zones[[index]]
    total, by_boxes = (float((here @ part.ravel())[0]) for part in (heads.mass, heads.mass * (1 - heads.weight)))
    return by_boxes <= COVERED_FRAC * total


def _lost(view: SiteView, camera_id: str, now: CameraNow, zone: _Zone, healthy: frozenset[str]) -> bool:
    """Whether too many people of a zone were last counted by a counter that is silent now."""
    if now.silent is None or camera_id not in healthy:
        return False
    here = view.cover(camera_id, healthy).zones[[zone.index]]
    people = float((here @ (now.silent.mass * now.silent.weight).ravel())[0])
    return people > LOST_P and people > LOST_FRAC * (people + zone.boxes + zone.masses)


def _unknown(view: SiteView, zone: _Zone, t_ns: int, age_s: float, quality: Quality, why: str) -> ZoneReading:
    nan = math.nan
    site = view.site
    return ZoneReading(
        zone_id=view.zones[zone.index].zone.zone_id, t_ns=t_ns, window_s=site.window_s, count=nan, count_low=nan,
        count_high=nan, density_p_m2=nan, density_low=nan, density_high=nan, peak_p_m2=nan,
        bandwidth_m=site.bandwidth_m, visible_frac=zone.visible_frac, age_s=age_s, quality=quality,
        level=Level.UNKNOWN, occupancy_frac=nan, reason=why,
    )  # fmt: skip


def _interval(view: SiteView, zone: _Zone, field_p_m2: FloatArray, px2_m2: FloatArray) -> tuple[float, float, float]:
    """Count of the seen part of a zone with the ends of its interval: errors of boxes, of head mass, of the cameras'
    own factors and of the calibrated area, as independent ones. A camera's factor is what hand counts say of it, else
    what is known of cameras in general.

    Each side of the zone, L long, is known to rmse_m / L (both of its ends are off by rmse_m / sqrt 2 along it), its
    area to sqrt 2 rmse_m / L.
    """
    ground = view.zones[zone.index]
    cell_m2 = view.grid.cell_m**2
    crowded = intervals.crowding(field_p_m2[ground.cells] * cell_m2, px2_m2[ground.cells] * cell_m2)
    tables = view.site.hand_over
    parts = [
        (n, *table.bounds(n, crowded)) for n, table in ((zone.boxes, tables.boxes), (zone.masses, tables.heads)) if n
    ]
    count, low, high = intervals.merged(parts or [(0.0, *tables.boxes.bounds(0.0, crowded))])
    own = [view.cameras[camera_id].camera for camera_id in zone.well]
    errors = [camera.plane.rmse_m for camera in own if math.isfinite(camera.plane.rmse_m)]
    area = intervals.Z * math.sqrt(2) * max(errors, default=0.0) / math.sqrt(ground.ground.area) * count
    general = zip(tables.boxes.factor, tables.heads.factor, strict=True)
    unknown = [zone.boxes * box + zone.masses * head for box, head in general]
    ends = [unknown if camera.bias is None else [share * count for share in _factor(camera.bias)] for camera in own]
    down, up = (max(each) for each in zip(*ends, strict=True))
    return count, max(0.0, count - math.hypot(count - low, area, down)), count + math.hypot(high - count, area, up)


def _factor(bias: Bias) -> tuple[float, float]:
    """As :attr:`IntervalTable.factor`, of a camera that was audited."""
    return 1 - bias.low / bias.factor, bias.high / bias.factor - 1


def read_zones(
    view: SiteView, t_ns: int, cameras: Mapping[str, CameraNow], healthy: frozenset[str], field_p_m2: FloatArray
) -> tuple[ZoneReading, ...]:
    """Read every zone at a tick. The level is left NORMAL here: alarms decide it.

    count = sum over cameras of the mean over the window of the people whom that camera counts in the zone, by boxes and
    by head mass; density = count / (usable area x visible share), never the integral of a heatmap. The count's interval
    also reaches up to the unseen usable area at the densest place seen.

    Args:
        view: the prepared site.
        t_ns: the tick.
        cameras: every camera's state.
        healthy: the cameras whose health is OK and whose window is not empty.
        field_p_m2: (rows, cols) the window's mean density field.
    """
    px2_m2 = view.seen(healthy).px2_m2
    readings = []
    for zone in _zones(view, cameras, healthy):
        age_s = min((cameras[c].age_s for c in zone.watching), default=math.inf)
        quality, why = _quality(view, zone, cameras, healthy)
        if quality in (Quality.STALE, Quality.BLIND):
            readings.append(_unknown(view, zone, t_ns, age_s, quality, why))
        else:
            readings.append(_known(view, zone, t_ns, age_s, quality, why, field_p_m2, px2_m2))
    return tuple(readings)


def _known(
    view: SiteView, zone: _Zone, t_ns: int, age_s: float, quality: Quality, why: str,
    field_p_m2: FloatArray, px2_m2: FloatArray,
) -> ZoneReading:  # fmt: skip
    ground = view.zones[zone.index]
    of = ground.zone
    area_m2 = of.usable_area_m2 * zone.visible_frac
    count, low, high = _interval(view, zone, field_p_m2, px2_m2)
    cells = field_p_m2[ground.cells]
    peak = float(np.nanmax(cells)) if np.isfinite(cells).any() else math.nan
    unseen = of.usable_area_m2 * (1 - zone.visible_frac) * float(np.fmax(peak, count / area_m2))
    return ZoneReading(
        zone_id=of.zone_id,
        t_ns=t_ns,
        window_s=view.site.window_s,
        count=count,
        count_low=low,
        count_high=high + unseen,
        density_p_m2=count / area_m2,
        density_low=low / area_m2,
        density_high=high / area_m2,
        peak_p_m2=peak,
        bandwidth_m=view.site.bandwidth_m,
        visible_frac=zone.visible_frac,
        age_s=age_s,
        quality=quality,
        level=Level.NORMAL,
        occupancy_frac=count / of.capacity if of.capacity else math.nan,
        reason=why,
    )
