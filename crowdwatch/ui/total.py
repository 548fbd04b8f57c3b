"""How many people the zones hold together, for every page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from crowdwatch.core.outcomes import Quality, ZoneReading
from crowdwatch.core.site import Site
from crowdwatch.ground import polygon

__all__ = ["PeopleSeen", "outer_zones", "people_seen"]


@dataclass(frozen=True, slots=True)
class PeopleSeen:
    """People seen in the zones: a sum of counts, with the interval that the zones' intervals give.

    ``high`` is NaN when a zone is unknown: then nobody knows how many there are.
    """

    count: float
    low: float
    high: float
    zones_unknown: int
    overlap: bool


@lru_cache(maxsize=16)
def outer_zones(site: Site) -> tuple[frozenset[str], bool]:
    """The zones that do not lie within another one, and whether these still overlap."""
    shapes = {zone.zone_id: polygon(zone.polygon_m) for zone in site.zones}
    outer: list[str] = []
    for zone_id in sorted(shapes, key=lambda z: -shapes[z].area):
        inside = any(shapes[zone_id].intersection(shapes[other]).area > 0.99 * shapes[zone_id].area for other in outer)
        if not inside:
            outer.append(zone_id)
    shared = sum(shapes[a].intersection(shapes[b]).area for number, a in enumerate(outer) for b in outer[number + 1 :])
    return frozenset(outer), shared > 0.01 * sum(shapes[z].area for z in outer)


def people_seen(site: Site, readings: Sequence[ZoneReading]) -> PeopleSeen:
    """Sum the zones' counts; a zone that lies within another one is not counted twice.

    N = sum n_i, with the ends N - sqrt(sum (n_i - low_i)^2) and N + sqrt(sum (high_i - n_i)^2): errors of zones that
    do not know of each other add in quadrature, since they are seldom all too high at once. Two things do not cancel
    and are treated as they are. The upper end of a zone that is not GOOD, or where people are known to be missing, is
    a bound of who may be on ground that nobody sees: its reach is added in full. What all zones of a camera share (its
    factor, a calibration) makes their errors alike: with one camera over all zones the ends are up to sqrt(zones)
    nearer to N than the zones' own intervals allow.

    Ends are those of 90 %, as of the zones. ``high`` is NaN when a zone is unknown.
    """
    outer, overlap = outer_zones(site)
    counted = [reading for reading in readings if reading.zone_id in outer]
    known = [reading for reading in counted if math.isfinite(reading.count)]
    unknown = len(counted) - len(known)
    if not known:
        return PeopleSeen(math.nan, math.nan, math.nan, unknown, overlap)
    count = sum(reading.count for reading in known)
    low = count - math.hypot(*(reading.count - reading.count_low for reading in known))
    bounded = [reading for reading in known if reading.quality is not Quality.GOOD or reading.too_few]
    free = [reading for reading in known if reading not in bounded]
    above = math.hypot(*(reading.count_high - reading.count for reading in free))
    above += sum(reading.count_high - reading.count for reading in bounded)
    return PeopleSeen(count, max(0.0, low), math.nan if unknown else count + above, unknown, overlap)
