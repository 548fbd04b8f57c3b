"""What the alarms of a zone have to know of the cameras that look at it."""

from __future__ import annotations

import numpy as np

from crowdwatch.analytics.coverage import Coverage, SiteView
from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.core.site import Camera

__all__ = ["bridges_of", "cameras_of"]


def bridges_of(view: SiteView, coverage: Coverage) -> dict[str, float]:
    """Per zone, the longest stale limit of the cameras that see it: the gap an on-delay may bridge."""
    bridges = {zone.zone_id: stale_limit_s(0.0) for zone in view.zones.zones}
    for camera in coverage.views.values():
        limit_s = stale_limit_s(camera.camera.sample_interval_s)
        for index in np.flatnonzero(camera.zones_seen):
            zone_id = view.zones.zones[index].zone_id
            bridges[zone_id] = max(bridges[zone_id], limit_s)
    return bridges


def cameras_of(view: SiteView, coverage: Coverage) -> dict[str, tuple[Camera, ...]]:
    """Per zone with rules, the cameras that look at it."""
    ruled = {limits.zone_id for phase in view.site.phases for limits in phase.zone_limits if limits.rules}
    if not ruled:
        return {}
    cameras: dict[str, list[Camera]] = {zone_id: [] for zone_id in ruled}
    for camera in coverage.views.values():
        for index in np.flatnonzero(camera.zones_seen):
            zone_id = view.zones.zones[index].zone_id
            if zone_id in cameras:
                cameras[zone_id].append(camera.camera)
    return {zone_id: tuple(found) for zone_id, found in cameras.items()}
