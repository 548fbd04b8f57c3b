"""Zone readings: count, density, peak, what is seen, how old it is, how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from crowdwatch import geometry
from crowdwatch.fuse import SiteView
from crowdwatch.outcomes import Health, Level, Quality, ZoneReading
from crowdwatch.records import FloatArray

__all__ = ["CameraNow", "Entry", "read_zones", "zone_counts"]

BLIND_BELOW_FRAC = 0.1
DEGRADED_BELOW_FRAC = 0.9
"""A zone of which less than a tenth is seen is not read at all; below nine tenths its reading is degraded. [design
values: at a tenth the count interval spans a factor of ten]"""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One observation within the window.

    Args:
        t_ns: exposure.
        candidates_m: (N, 2) everyone whose score is high enough.
        counted_for: the set of healthy cameras for which the rest was worked out; it decides who owns what ground.
        xy_m: (M, 2) those who count for this camera.
        counts: (zones,) how many of them stand in each zone.
    """

    t_ns: int
    candidates_m: FloatArray
    counted_for: frozenset[str] = frozenset()
    xy_m: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    counts: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class CameraNow:
    """A camera at a tick: its health, the age of its newest picture, whether a limit cut its boxes off."""

    health: Health
    age_s: float
    saturated: bool
    window: tuple[Entry, ...]


def zone_counts(view: SiteView, xy_m: FloatArray) -> FloatArray:
    """(zones,) how many of these people stand in each zone."""
    return np.array([geometry.inside(zone.ground, xy_m).sum() for zone in view.zones], dtype=np.float64)


def _mean_counts(view: SiteView, cameras: Mapping[str, CameraNow], healthy: frozenset[str]) -> FloatArray:
    """(zones,) sum over the cameras of the mean count over their window."""
    total = np.zeros(len(view.zones))
    for camera_id in sorted(healthy):
        total += np.mean([entry.counts for entry in cameras[camera_id].window], axis=0)
    return total


def _quality(view: SiteView, index: int, cameras: Mapping[str, CameraNow], visible_frac: float) -> tuple[Quality, str]:
    """How far to trust a zone's reading, and why not."""
    watching = [camera_id for camera_id in sorted(view.cameras) if view.sees_zone(camera_id, index)]
    if not watching:
        return Quality.BLIND, "no camera sees this zone"
    ill = [camera_id for camera_id in watching if cameras[camera_id].health is not Health.OK]
    because = ", ".join(f"camera {camera_id} is {cameras[camera_id].health.value}" for camera_id in ill)
    if len(ill) == len(watching):
        silent = all(cameras[camera_id].health is Health.SILENT for camera_id in ill)
        return (Quality.STALE if silent else Quality.BLIND), because
    seen = f"{visible_frac * 100:.0f} % of the zone is seen"
    if visible_frac < BLIND_BELOW_FRAC:
        return Quality.BLIND, "; ".join(filter(None, [seen, because]))
    well = [camera_id for camera_id in watching if camera_id not in ill]
    if not any(cameras[camera_id].window for camera_id in well):
        return Quality.BLIND, "no picture yet"
    doubts = [because] if because else []
    if visible_frac < DEGRADED_BELOW_FRAC:
        doubts.append(seen)
    doubts += [f"camera {c}: detector limit reached, people may be missing" for c in well if cameras[c].saturated]
    doubts += [
        f"camera {c}: calibration error unknown" for c in well if not math.isfinite(view.cameras[c].camera.plane.rmse_m)
    ]
    return (Quality.DEGRADED, "; ".join(doubts)) if doubts else (Quality.GOOD, "")


def _unknown(
    view: SiteView, index: int, t_ns: int, visible_frac: float, age_s: float, quality: Quality, why: str
) -> ZoneReading:
    nan = math.nan
    site = view.site
    return ZoneReading(
        zone_id=view.zones[index].zone.zone_id, t_ns=t_ns, window_s=site.window_s, count=nan, count_low=nan,
        count_high=nan, density_p_m2=nan, peak_p_m2=nan, bandwidth_m=site.bandwidth_m, visible_frac=visible_frac,
        age_s=age_s, quality=quality, level=Level.UNKNOWN, occupancy_frac=nan, reason=why,
    )  # fmt: skip


def read_zones(
    view: SiteView, t_ns: int, cameras: Mapping[str, CameraNow], healthy: frozenset[str], field_p_m2: FloatArray
) -> tuple[ZoneReading, ...]:
    """Read every zone at a tick. The level is left NORMAL here: alarms decide it.

    count = sum over cameras of the mean over the window of the people whom that camera counts in the zone;
    density = count / (usable area x visible share), never the integral of a heatmap; the interval runs from the
    count to the count plus the unseen usable area at the densest place seen.

    Args:
        view: the prepared site.
        t_ns: the tick.
        cameras: every camera's state.
        healthy: the cameras whose health is OK and whose window is not empty.
        field_p_m2: (rows, cols) the window's mean density field.
    """
    seen = view.seen(healthy)
    counts = _mean_counts(view, cameras, healthy)
    readings = []
    for index, ground in enumerate(view.zones):
        frac = float(seen.visible_frac[index])
        watching = [c for c in view.cameras if view.sees_zone(c, index)]
        age_s = min((cameras[c].age_s for c in watching), default=math.inf)
        quality, why = _quality(view, index, cameras, frac)
        if quality in (Quality.STALE, Quality.BLIND):
            readings.append(_unknown(view, index, t_ns, frac, age_s, quality, why))
            continue
        zone = ground.zone
        count = float(counts[index])
        density = count / (zone.usable_area_m2 * frac)
        cells = field_p_m2[ground.cells]
        peak = float(np.nanmax(cells)) if np.isfinite(cells).any() else math.nan
        unseen = zone.usable_area_m2 * (1 - frac) * np.fmax(peak, density)
        readings.append(
            ZoneReading(
                zone_id=zone.zone_id,
                t_ns=t_ns,
                window_s=view.site.window_s,
                count=count,
                count_low=count,
                count_high=count + float(unseen),
                density_p_m2=density,
                peak_p_m2=peak,
                bandwidth_m=view.site.bandwidth_m,
                visible_frac=frac,
                age_s=age_s,
                quality=quality,
                level=Level.NORMAL,
                occupancy_frac=count / zone.capacity if zone.capacity else math.nan,
                reason=why,
            )
        )
    return tuple(readings)
