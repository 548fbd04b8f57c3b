"""Sudden falls of a zone's count that nobody's walking explains: people do not vanish, so the picture or a model fails.

Those who stand in the middle of a dense crowd cannot leave their zone within seconds. Where the zone holds far fewer
now than these, whatever happened since, the count is doubted until it is back, or for :data:`DOUBTED_S`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.core.records import FloatArray

__all__ = ["Fall", "falls_of", "walking_m_s"]

LEFT_FRAC = 0.6
"""A fall is sudden where less than this of those who cannot have left is still counted. Detections of one crowd differ
by a tenth or two from picture to picture. [design value]"""

LEAST_PEOPLE = 10.0
"""Fewer missing people than this are within what single pictures differ by. [design value]"""

FASTER = 1.5
"""How much faster than a crowd of that density people may walk, when they hurry. [design value]"""

DOUBTED_S = 300.0
"""How long a count that fell is doubted when it does not come back: by then even a packed zone can have emptied.
[design value]"""


@dataclass(frozen=True, slots=True)
class Fall:
    """A count that fell and is doubted.

    Args:
        since_ns: when it was found.
        people: those who cannot have left.
        before: those who were counted before it.
    """

    since_ns: int
    people: float
    before: float


def walking_m_s(density_p_m2: FloatArray) -> FloatArray:
    """Speed of people on foot: v = 1.34 (1 - exp(-1.913 (1 / rho - 1 / 5.4))) m/s, never below 0 (Weidmann 1993).

    >>> [round(float(v), 2) for v in walking_m_s(np.array([1.0, 3.0, 5.0, 6.0]))]
    [1.06, 0.33, 0.04, 0.0]
    """
    rho = np.maximum(density_p_m2, 1e-9)
    speed: FloatArray = 1.34 * np.maximum(0.0, 1 - np.exp(-1.913 * (1 / rho - 1 / 5.4)))
    return speed


def falls_of(
    view: SiteView,
    before: Mapping[str, Fall],
    counts: Sequence[tuple[int, FloatArray]],
    fields: Sequence[tuple[int, FloatArray]],
    known: FloatArray,
    t_ns: int,
) -> dict[str, Fall]:
    """The counts that are doubted at a tick.

    Args:
        view: the prepared site.
        before: those of the tick before.
        counts: of every tick within the window, oldest first: its time and (zones,) people in the newest pictures.
        fields: the same of the density field (rows, cols), p/m2.
        known: (rows, cols) NaN where the ground is not seen now.
        t_ns: the tick.
    """
    now = counts[-1][1]
    found = {}
    for index, zone in enumerate(view.zones.zones):
        old = before.get(zone.zone_id)
        if old is not None:
            if now[index] < LEFT_FRAC * old.people and (t_ns - old.since_ns) / 1e9 < DOUBTED_S:
                found[zone.zone_id] = old
            continue
        most = max(count[index] for _, count in counts)
        if most - now[index] <= LEAST_PEOPLE or now[index] >= LEFT_FRAC * most:
            continue
        deep = max(_cannot_have_left(view, index, field, known, (t_ns - at) / 1e9) for at, field in fields[:-1])
        if deep - now[index] > LEAST_PEOPLE and now[index] < LEFT_FRAC * deep:
            found[zone.zone_id] = Fall(t_ns, deep, float(most))
    return found


def _cannot_have_left(view: SiteView, index: int, field_p_m2: FloatArray, known: FloatArray, seconds: float) -> float:
    """How many people of an earlier field must still stand in a zone, on ground that is seen now."""
    zones, grid = view.zones, view.grid
    here = np.flatnonzero(zones.zone == index)
    cell = zones.cell[here]
    density = np.where(np.isfinite(known.ravel()[cell]), np.nan_to_num(field_p_m2.ravel()[cell]), 0.0)
    row, col = np.divmod(cell, grid.shape[1])
    at = grid.origin_m + (np.stack([col, row], axis=1) + 0.5) * grid.cell_m
    depth_m = shapely.distance(shapely.points(at), shapely.boundary(zones.areas[index]))
    stays = depth_m > FASTER * walking_m_s(density) * seconds + view.site.bandwidth_m  # the field is smoothed
    return float((density * zones.share[here])[stays].sum() * grid.cell_m**2)
