"""Zone readings: count, density, peak, what is seen, how old it is, how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.analytics import correction
from crowdwatch.analytics.counting import Assignment, CameraNow, Entry, zone_mass
from crowdwatch.analytics.coverage import CameraView, SiteView
from crowdwatch.analytics.sudden_fall import EVERYBODY
from crowdwatch.analytics.zone_now import Doubts, ZoneNow, zones_now
from crowdwatch.core import intervals
from crowdwatch.core.outcomes import Health, Level, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import FACTOR_RANGE, MOST_P_M2, Bias

__all__ = ["BLIND_BELOW_FRAC", "DEGRADED_BELOW_FRAC", "UNLIKE_FRAC", "read_zones"]

BLIND_BELOW_FRAC = 0.1
DEGRADED_BELOW_FRAC = 0.9
"""A zone of which less than a tenth is seen is not read at all; below nine tenths its reading is degraded. [design
values: at a tenth the count interval spans a factor of ten]"""

COVERED_FRAC = 0.01
"""A detector's limit costs nothing where boxes count fewer than this share of a zone's people by the counter."""

LOST_FRAC, LOST_P = 0.1, 1.0
"""A zone is not read when more than this share of its people, and more than this many, stood where nobody sees now, or
where boxes would have to stand in for a counter that is silent: the number would fall while the crowd stays. [design
values]"""

CROWD_P_M2 = 1.0
"""From this density on people hide one another. Boxes alone are doubted where there may be so many. [design value]"""

BLANK_FRAC = 0.1
"""More of a zone than this in which a camera's pictures have never shown anything is said: it is plain, or has been
covered since before the first picture. [design value]"""

UNLIKE_FRAC = 0.5
"""From this share of the people on, by which there may be more or fewer for the state of the pictures, it is said.
[design value]"""

LOST_GROUND_FRAC = 0.02
"""Less lost ground of a zone than this is not said: moving cameras sway. [design value]"""


@dataclass(frozen=True, slots=True)
class _Masses:
    """(zones,) of one camera: the people of its density map, those of them whom boxes count instead, and whom the map
    counted before there was no recent one."""

    total: FloatArray
    by_boxes: FloatArray
    lost: FloatArray


def _masses(view: SiteView, assignment: Assignment) -> dict[str, _Masses]:
    """Of the healthy cameras whose boxes were cut off by a limit, or whose density estimator is silent."""
    found, nothing = {}, np.zeros(len(view.zones))
    for camera_id in sorted(assignment.coverage.healthy):
        now = assignment.cameras[camera_id]
        heads = now.window[-1].heads
        if now.silent is None and not (now.saturated and heads is not None):
            continue

        def of(mass: FloatArray, camera_id: str = camera_id) -> FloatArray:
            return zone_mass(view, assignment.coverage, camera_id, mass)

        found[camera_id] = _Masses(
            nothing if heads is None else of(heads.mass),
            nothing if heads is None else of(heads.mass - heads.counted),
            nothing if now.silent is None else of(now.silent.counted),
        )
    return found


def _quality(
    view: SiteView, zone: ZoneNow, assignment: Assignment, masses: Mapping[str, _Masses]
) -> tuple[Quality, list[Reason]]:
    """How far to trust a zone's reading, and why not."""
    cameras = assignment.cameras
    if not zone.watching:
        return Quality.BLIND, [Reason.of(Code.NO_CAMERA)]
    healths = {camera_id: cameras[camera_id].health for camera_id in zone.watching if camera_id not in zone.well}
    doubts = [Reason.of(Code.UNHEALTHY, camera_id, health=health.value) for camera_id, health in healths.items()]
    if not zone.well:
        all_silent = all(health is Health.SILENT for health in healths.values())
        return (Quality.STALE if all_silent else Quality.BLIND), doubts
    if zone.visible_frac < BLIND_BELOW_FRAC:
        partly = Reason.of(Code.PARTLY_SEEN, visible_frac=zone.visible_frac)
        return Quality.BLIND, [partly, *_unclear(zone, assignment), *doubts]
    if not any(cameras[camera_id].window for camera_id in zone.well):
        return Quality.BLIND, [Reason.of(Code.NO_PICTURE)]
    if _many(zone.lost.hidden, zone.found):
        unseen = Reason.of(Code.CROWD_UNSEEN, people=zone.lost.hidden, age_s=zone.lost.age_s)
        return Quality.BLIND, [unseen, *_unclear(zone, assignment), *doubts]
    silent = [c for c in zone.well if c in masses and _many(float(masses[c].lost[zone.index]), zone.found)]
    if silent:
        return Quality.BLIND, [Reason.of(Code.NO_ESTIMATE_IN_CROWD, c) for c in silent]
    if zone.visible_frac < DEGRADED_BELOW_FRAC:
        doubts.append(Reason.of(Code.PARTLY_SEEN, visible_frac=zone.visible_frac))
    if zone.lost.area_frac > LOST_GROUND_FRAC:
        lost = zone.lost
        doubts.append(Reason.of(Code.GROUND_LOST, area_frac=lost.area_frac, people=lost.people, age_s=lost.age_s))
    doubts += _fallen(zone)
    doubts += [Reason.of(Code.FINDS_MORE, camera_id, people=more) for camera_id, more in zone.more.items()]
    doubts += _unclear(zone, assignment)
    views = assignment.coverage.views
    doubts += [doubt for c in zone.well for doubt in _doubts(view, views[c], cameras[c], zone, masses.get(c))]
    notes = [note for c in zone.well for note in _notes(c, views[c].camera.bias, cameras[c].window)]
    return Quality.DEGRADED if doubts else Quality.GOOD, [*doubts, *notes]


def _fallen(zone: ZoneNow) -> list[Reason]:
    """Counts that fell faster than people walk, or did and came back."""
    people = {c: fall.people for c, fall in zone.falls.items() if fall.back_ns is None}
    back = sorted(c for c, fall in zone.falls.items() if fall.back_ns is not None and c != EVERYBODY)
    said = [Reason.of(Code.COUNT_CAME_BACK, camera_id) for camera_id in back]
    if people:
        vanished = people.pop(EVERYBODY, 0.0)
        said.append(Reason.of(Code.SUDDEN_FALL, people=max(vanished, *people.values(), 0.0), count=zone.found))
    return said


def _unclear(zone: ZoneNow, assignment: Assignment) -> list[Reason]:
    """What is wrong with a part of the pictures of cameras that are well otherwise, as far as it concerns the zone."""
    found = []
    for camera_id in zone.well:
        now, view = assignment.cameras[camera_id], assignment.coverage.views[camera_id]
        if now.partly is Health.DAMAGED or (now.partly is not Health.OK and view.zones_hidden[zone.index]):
            found.append(Reason.of(Code.PARTLY_UNCLEAR, camera_id, loss=now.partly.value))
        if now.untold:
            found.append(Reason.of(Code.PERHAPS_FROZEN, camera_id))
        if now.kept is not None:
            found.append(Reason.of(Code.UNCLEAR, camera_id, kept=now.kept))
        if now.unproven:
            found.append(Reason.of(Code.UNPROVEN, camera_id))
        if now.soft:
            found.append(Reason.of(Code.NO_DETAIL, camera_id))
        if zone.blank.get(camera_id, 0.0) > BLANK_FRAC:
            found.append(Reason.of(Code.BLANK_GROUND, camera_id, area_frac=zone.blank[camera_id]))
    return found


def _notes(camera_id: str, bias: Bias | None, window: Sequence[Entry]) -> list[Reason]:
    """What is worth saying of a camera's counts though it is no reason to doubt them."""
    if bias is None or not window:
        return []
    newest = window[-1]
    if newest.factor == 1.0:
        fewer = bias.lowers and correction.said(bias, newest.found) < 1.0
        return [Reason.of(Code.NOT_LOWERED, camera_id, audits=bias.audits)] if fewer else []
    if bias.offset == 0.0:
        return [Reason.of(Code.SCALED, camera_id, factor=bias.factor, audits=bias.audits)]
    return [Reason.of(Code.CORRECTED, camera_id, factor=bias.factor, offset=bias.offset, audits=bias.audits)]


def _doubts(view: SiteView, seen: CameraView, now: CameraNow, zone: ZoneNow, masses: _Masses | None) -> list[Reason]:
    """What one healthy camera's part of a reading suffers from."""
    heads = now.window[-1].heads if now.window else None
    found = []
    if now.saturated and (heads is None or masses is None or not _covered(masses, zone)):
        found.append(Code.DETECTOR_LIMIT)
    if now.counter_fault:
        found.append(now.counter_fault)
    if now.silent is not None:
        found.append(Code.NO_ESTIMATE)
    area_m2 = zone.zone.usable_area_m2 * zone.visible_frac
    if heads is None and zone.boxes > view.site.hand_over.low_p_m2 * area_m2:
        found.append(Code.TOO_CLOSE)
    elif heads is None and _most_alone(view, zone) > max(zone.alone, CROWD_P_M2 * area_m2):
        found.append(Code.BOXES_ALONE)
    if seen.camera.bias is not None and _beyond(seen.camera.bias, now.window):
        found.append(Code.FACTOR_OUT_OF_RANGE)
    if not math.isfinite(seen.plane.rmse_m):
        found.append(Code.CALIBRATION_ERROR_UNKNOWN)
    return [*(Reason.of(code, seen.camera.camera_id) for code in found), *_unlike(seen.camera.camera_id, now.window)]


def _unlike(camera_id: str, window: Sequence[Entry]) -> list[Reason]:
    """Whether the density estimator cannot be relied on for the state of a camera's pictures."""
    shares = [(entry.heads.fewer_frac, entry.heads.more_frac) for entry in window if entry.heads is not None]
    known = [each for each in shares if not math.isnan(each[1])]
    if not known:
        return []
    fewer, more = np.mean(known, axis=0)
    if max(fewer, more) < UNLIKE_FRAC:
        return []
    return [Reason.of(Code.UNLIKE_LEARNED, camera_id, fewer=float(fewer), more=float(more))]


def _beyond(bias: Bias, window: Sequence[Entry]) -> bool:
    """Whether hand counts are further from the program's than they may correct it."""
    return not FACTOR_RANGE[0] < bias.factor < FACTOR_RANGE[1] or bool(window and window[-1].factor >= FACTOR_RANGE[1])


def _covered(masses: _Masses, zone: ZoneNow) -> bool:
    """Whether the density map counts all but a few of a zone's people, so that missing boxes do not matter."""
    return bool(masses.by_boxes[zone.index] <= COVERED_FRAC * masses.total[zone.index])


def _many(lost: float, found: float) -> bool:
    """Whether too many people of a zone are not counted any more."""
    return lost > LOST_P and lost > LOST_FRAC * (lost + found)


def _unknown(
    view: SiteView, zone: ZoneNow, t_ns: int, age_s: float, quality: Quality, why: Sequence[Reason]
) -> ZoneReading:
    nan = math.nan
    site = view.site
    return ZoneReading(
        zone_id=zone.zone.zone_id, t_ns=t_ns, window_s=site.window_s, count=nan, count_low=nan,
        count_high=nan, density_p_m2=nan, density_low=nan, density_high=nan, peak_p_m2=nan,
        bandwidth_m=site.bandwidth_m, visible_frac=zone.visible_frac, age_s=age_s, quality=quality,
        level=Level.UNKNOWN, occupancy_frac=nan, reasons=tuple(why),
    )  # fmt: skip


def _interval(
    view: SiteView, zone: ZoneNow, views: Mapping[str, CameraView], cameras: Mapping[str, CameraNow]
) -> tuple[float, float, float]:
    """Count of the seen part of a zone with the ends of its interval: errors of boxes, of density maps, of the cameras'
    own counting and of the calibrated area, as independent ones. A camera's counting is what hand counts say of it,
    else what is known of cameras in general. What density maps miss for the state of the pictures is added, since it
    goes one way, as far as people can stand there.

    Each side of the zone, L long, is known to rmse_m / L (both of its ends are off by rmse_m / sqrt 2 along it), its
    area to sqrt 2 rmse_m / L.
    """
    crowded = zone.crowding
    tables = view.site.hand_over
    parts = [
        (n, *table.bounds(n, crowded)) for n, table in ((zone.boxes, tables.boxes), (zone.masses, tables.heads)) if n
    ]
    count, low, high = intervals.merged(parts or [(0.0, *tables.boxes.bounds(0.0, crowded))])
    errors = [views[c].plane.rmse_m for c in zone.well if math.isfinite(views[c].plane.rmse_m)]
    side_m = math.sqrt(view.zones.ground_m2[zone.index])
    area = intervals.Z * math.sqrt(2) * max(errors, default=0.0) / side_m * count
    general = zip(tables.boxes.factor, tables.heads.factor, strict=True)
    fewer, more = (zone.boxes * box + zone.masses * head for box, head in general)
    unknown = fewer, more
    ends = [
        unknown if bias is None else correction.ends(bias, cameras[c].window, count, unknown)
        for c, bias in ((c, views[c].camera.bias) for c in zone.well)
    ]
    down, up = (max(each) for each in zip(*ends, strict=True))
    fewer, more = zone.margin
    low = max(0.0, count - math.hypot(count - low, area, down) - fewer)
    high = count + math.hypot(high - count, area, up)
    most = MOST_P_M2 * zone.zone.usable_area_m2 * zone.visible_frac
    return count, low, max(high, min(high + more, most))


def read_zones(
    view: SiteView,
    t_ns: int,
    assignment: Assignment,
    field_p_m2: FloatArray,
    seen_ns: Mapping[str, int],
    doubts: Doubts,
) -> tuple[ZoneReading, ...]:
    """Read every zone at a tick. The level is left NORMAL here: alarms decide it.

    count = sum over cameras of the mean over the window of the people whom that camera counts in the zone, by boxes or
    density map; density = count / (usable area x visible share), never the integral of a heatmap. The count's interval
    also reaches up to those who were last seen on ground that is not seen now and may have come there since, to ground
    that was never seen at the density of the densest place seen, and, where nothing says that a camera shows the ground
    at all, to the densest that can be.

    Args:
        view: the prepared site.
        t_ns: the tick.
        assignment: who is counted where.
        field_p_m2: (rows, cols) the window's mean density field.
        seen_ns: per zone, the newest picture of a camera that looked at it.
        doubts: what the ticks before say against the numbers.
    """
    masses = _masses(view, assignment)
    readings = []
    for zone in zones_now(view, assignment, field_p_m2, doubts):
        last_ns = seen_ns.get(zone.zone.zone_id)
        age_s = math.inf if last_ns is None else (t_ns - last_ns) / 1e9
        quality, why = _quality(view, zone, assignment, masses)
        if quality in (Quality.STALE, Quality.BLIND):
            readings.append(_unknown(view, zone, t_ns, age_s, quality, why))
        else:
            readings.append(_known(view, zone, t_ns, age_s, quality, why, assignment))
    return tuple(readings)


def _known(
    view: SiteView,
    zone: ZoneNow,
    t_ns: int,
    age_s: float,
    quality: Quality,
    why: Sequence[Reason],
    assignment: Assignment,
) -> ZoneReading:
    of = zone.zone
    area_m2 = of.usable_area_m2 * zone.visible_frac
    count, low, high = _interval(view, zone, assignment.coverage.views, assignment.cameras)
    high = max(high, count - zone.alone + _most_alone(view, zone))
    lost_m2 = of.usable_area_m2 * zone.lost.area_frac
    unclear = _before_unclear(view, zone, assignment)
    high = max(high, _before_falls(view, zone, high, assignment), high + sum(zone.more.values()), high + unclear)
    high_lost = high + min(_most(view, zone.lost.people) + zone.lost.inflow, MOST_P_M2 * lost_m2)
    blank = sum(frac for frac in zone.blank.values() if frac > BLANK_FRAC)
    never_m2 = of.usable_area_m2 * max(0.0, 1 - zone.visible_frac - zone.lost.area_frac)
    unproven_m2 = of.usable_area_m2 * (blank + zone.unproven)
    densest = float(np.fmax(zone.peak_p_m2, count / area_m2))
    return ZoneReading(
        zone_id=of.zone_id,
        t_ns=t_ns,
        window_s=view.site.window_s,
        count=count,
        count_low=low,
        count_high=high_lost + never_m2 * densest + unproven_m2 * MOST_P_M2,
        density_p_m2=count / area_m2,
        density_low=low / area_m2,
        density_high=max(high / area_m2, high_lost / (area_m2 + lost_m2)),
        peak_p_m2=zone.peak_p_m2,
        bandwidth_m=view.site.bandwidth_m,
        visible_frac=zone.visible_frac,
        age_s=age_s,
        quality=quality,
        level=Level.NORMAL,
        occupancy_frac=count / of.capacity if of.capacity else math.nan,
        reasons=tuple(why),
    )


def _before_falls(view: SiteView, zone: ZoneNow, high: float, assignment: Assignment) -> float:
    """The upper end of the interval where counts fell that are doubted: who was counted before is still there."""
    missing = 0.0
    for camera_id, fall in zone.falls.items():
        if camera_id in assignment.counts:
            now = float(assignment.counts[camera_id][:, zone.index].mean())
            missing += max(0.0, _most(view, fall.before) - now)
    everybody = zone.falls.get(EVERYBODY)
    return max(high + missing, 0.0 if everybody is None else _most(view, everybody.before))


def _before_unclear(view: SiteView, zone: ZoneNow, assignment: Assignment) -> float:
    """How many more there may be where pictures became unclear: those who were counted before."""
    missing = 0.0
    for camera_id in zone.well:
        now = assignment.cameras[camera_id]
        if now.kept is not None and now.clear is not None and camera_id in assignment.counts:
            counted = float(assignment.counts[camera_id][:, zone.index].mean())
            missing += max(0.0, _most(view, float(now.clear[zone.index])) - counted)
    return missing


def _most_alone(view: SiteView, zone: ZoneNow) -> float:
    """How many people there may be where boxes alone have counted: they find almost nobody in a dense crowd."""
    area_m2 = zone.zone.usable_area_m2 * zone.visible_frac
    return max(zone.alone, min(zone.alone / view.site.hand_over.least_recall, MOST_P_M2 * area_m2))


def _most(view: SiteView, people: float) -> float:
    """The upper end of the interval of people who were counted, by boxes or by a density estimator."""
    tables = view.site.hand_over
    return max(table.bounds(people, math.nan)[1] for table in (tables.boxes, tables.heads)) if people > 0 else 0.0
