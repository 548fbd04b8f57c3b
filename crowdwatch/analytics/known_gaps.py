"""What will be missing, known before any picture: for those who set a site up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from crowdwatch.analytics.coverage import SiteView, cover, first_cover
from crowdwatch.analytics.readings import BLIND_BELOW_FRAC, DEGRADED_BELOW_FRAC
from crowdwatch.core.site import Quantity, Site, Zone
from crowdwatch.ground import heads_fault

__all__ = ["known_gaps"]

CRUSH_M2, CRUSH_P_M2 = 10.0, 6.0
"""The smallest ground worth a reading, and a density at which people are crushed."""


def known_gaps(view: SiteView) -> list[str]:
    """What is known before any picture: zones of which too little is seen, zones whose mean hides a crush, and cameras
    that cannot place heads. What is wrong with many is said once.

    Zones that a moving camera may come to see are not among them.
    """
    everybody = cover(view, first_cover(view), view.cameras, frozenset(view.cameras))
    moving = any(camera.moves for camera in view.site.cameras)
    seen_fracs = {
        zone.zone_id: float(frac)
        for zone, frac in zip(view.zones.zones, everybody.visible_frac, strict=True)
        if frac < DEGRADED_BELOW_FRAC and not moving
    }
    blind = {zone_id: frac for zone_id, frac in seen_fracs.items() if frac < BLIND_BELOW_FRAC}
    partly = {zone_id: frac for zone_id, frac in seen_fracs.items() if zone_id not in blind}
    said = [*_too_little(blind, "blind", never_read=True), *_too_little(partly, "degraded")]
    said += _averaged_away([zone for zone in view.zones.zones if _hides_a_crush(view.site, zone)])
    faults: dict[str, list[str]] = {}
    for camera_id, seen in view.cameras.items():
        fault = heads_fault(seen.plane)
        if seen.camera.counts_heads and fault is not None:
            faults.setdefault(fault, []).append(camera_id)
    for fault, camera_ids in faults.items():
        who = _called("camera", camera_ids)
        said.append(f"{who}: the detector counts alone, and dense crowds are missed: {fault}")
    return said


def _called(what: str, ids: Sequence[str]) -> str:
    """One thing, or many, by their ids."""
    return f"{what}{'' if len(ids) == 1 else 's'} {', '.join(ids)}"


def _too_little(seen_fracs: Mapping[str, float], becomes: str, *, never_read: bool = False) -> list[str]:
    """What becomes of zones of which too little is seen: one line for all of them."""
    if not seen_fracs:
        return []
    one = len(seen_fracs) == 1
    low, high = f"{min(seen_fracs.values()):.0%}", f"{max(seen_fracs.values()):.0%}"
    share = low if low == high else f"{low} to {high}"
    end = f": {'it is' if one else 'they are'} never read" if never_read else ""
    of, who = ("it", "it") if one else ("each", "they")
    return [f"{_called('zone', list(seen_fracs))}: the cameras see {share} of {of}, so {who} will be {becomes}{end}."]


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


def _averaged_away(zones: Sequence[Zone]) -> list[str]:
    if not zones:
        return []
    areas = [zone.usable_area_m2 for zone in zones]
    low, high = f"{min(areas):.0f}", f"{max(areas):.0f}"
    whose = f"its {low} m2" if len(zones) == 1 else f"their {low if low == high else f'{low} to {high}'} m2"
    remedy = "Give limits on its densest place, peak_p_m2, or divide the zone."
    if len(zones) > 1:
        remedy = "Give limits on their densest place, peak_p_m2, or divide the zones."
    who = _called("zone", [zone.zone_id for zone in zones])
    return [f"{who}: a crush on {CRUSH_M2:g} m2 of {whose} may reach no limit. {remedy}"]
