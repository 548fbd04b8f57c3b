"""Level of service: what a density means to those who walk, queue or climb stairs there."""

from __future__ import annotations

import bisect
import math

from crowdwatch.core.site import ZoneKind

__all__ = ["level_of_service"]

_FT2_M2 = 0.3048**2

_LEAST_SPACE_FT2 = {
    ZoneKind.MOVING: (35, 25, 15, 10, 5),
    ZoneKind.STANDING: (13, 10, 7, 3, 2),
    ZoneKind.STAIRS: (20, 15, 10, 7, 4),
}
"""The space of a person, in square feet, down to which each of the levels A to E reaches."""


def level_of_service(kind: ZoneKind, density_p_m2: float) -> str:
    """Fruin's level of service, A (free) to F (full), of a density.

    It is a scale of comfort for planning and ends at about 2.2 p/m2 on walkways: it says nothing of a crush, and no
    alarm uses it. Walkways are for zones of moving people, queues for standing people, stairs for stairs.

    Args:
        kind: of the zone.
        density_p_m2: people per square metre.

    Returns:
        One letter; empty where the density is unknown (NaN).

    Source: Fruin (1971), Pedestrian Planning and Design, space per person in square feet. Walkways: at 5 ft2, which
    is 0.46 m2 or 2.15 p/m2, E becomes F.

    >>> [level_of_service(ZoneKind.MOVING, rho) for rho in (0.0, 0.35, 1.0, 2.1, 2.2)]
    ['A', 'B', 'D', 'E', 'F']
    >>> [level_of_service(kind, 2.2) for kind in (ZoneKind.STANDING, ZoneKind.STAIRS)]
    ['D', 'E']
    """
    if math.isnan(density_p_m2):
        return ""
    limits_p_m2 = [1 / (feet * _FT2_M2) for feet in _LEAST_SPACE_FT2[kind]]
    return "ABCDEF"[bisect.bisect_left(limits_p_m2, density_p_m2)]
