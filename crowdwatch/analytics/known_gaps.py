"""What will be missing, known before any picture: for those who set a site up."""

from __future__ import annotations

import math

from crowdwatch.analytics.coverage import SiteView, cover, first_cover
from crowdwatch.analytics.readings import BLIND_BELOW_FRAC, DEGRADED_BELOW_FRAC
from crowdwatch.core.site import Quantity, Site, Zone
from crowdwatch.ground import heads_fault

__all__ = ["known_gaps"]

CRUSH_M2, CRUSH_P_M2 = 10.0, 6.0
"""The smallest ground worth a reading, and a density at which people are crushed."""


def known_gaps(view: SiteView) -> list[str]:
    """What is known before any picture: zones of which too little is seen, zones whose mean hides a crush, and cameras
    that cannot place heads.

    Zones that a moving camera may come to see are not among them.
    """
    said = []
    everybody = cover(view, first_cover(view), view.cameras, frozenset(view.cameras))
    moving = any(camera.moves for camera in view.site.cameras)
    for zone, frac in zip(view.zones.zones, everybody.visible_frac, strict=True):
        if frac < DEGRADED_BELOW_FRAC and not moving:
            becomes = "blind: it is never read" if frac < BLIND_BELOW_FRAC else "degraded"
            said.append(f"zone {zone.zone_id}: the cameras see {frac:.0%} of it, so it will be {becomes}.")
    said += [_averaged_away(zone) for zone in view.zones.zones if _hides_a_crush(view.site, zone)]
    for camera_id, seen in view.cameras.items():
        fault = heads_fault(seen.plane)
        if seen.camera.counts_heads and fault is not None:
            said.append(f"camera {camera_id}: the detector counts alone, and dense crowds are missed: {fault}")
    return said


def _hides_a_crush(site: Site, zone: Zone) -> bool:
    """Whether a crush on :data:`CRUSH_M2` of a zone may reach no limit in some phase: it has none on the densest place,
    and the mean stays below all limits of the density."""
    for phase in site.phases:
        limits = [limit for each in phase.zone_limits if each.zone_id == zone.zone_id for limit in each.limits]
        quantities = {limit.quantity for limit in limits}
        lowest = min((limit.raise_at for limit in limits if limit.quantity is Quantity.DENSITY), default=math.inf)
        if limits and Quantity.PEAK not in quantities and CRUSH_P_M2 * CRUSH_M2 / zone.usable_area_m2 < lowest:
            return True
    return False


def _averaged_away(zone: Zone) -> str:
    return (
        f"zone {zone.zone_id}: a crush on {CRUSH_M2:g} m2 of its {zone.usable_area_m2:.0f} m2 may reach no limit. "
        "Give limits on its densest place, peak_p_m2, or divide the zone."
    )
