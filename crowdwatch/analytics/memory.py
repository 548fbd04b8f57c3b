"""What was last seen of ground that is not seen now: how many people stood there, and how many may by now.

Loss of sight must not read as few people. Every tick notes the people on the ground that is seen; ground that is not
seen any more keeps what was noted last. How many people may have come since grows with time, up to
:data:`~crowdwatch.core.site.MOST_P_M2`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from crowdwatch.analytics.coverage import CameraView, SiteView
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import MOST_P_M2
from crowdwatch.ground import IntArray, Masks, share_of

__all__ = ["INFLOW_P_M_S", "Lost", "LostGround", "Memory", "first_memory", "lost_of", "remember"]

INFLOW_P_M_S = 1.225
"""The greatest specific flow of people on foot, persons per metre and second, at 1.75 p/m2 (Weidmann 1993)."""

KEPT = 3
"""Counts that are kept of each cell, one for each window of time. A fault often hides people before it is found, so
what is held is the highest of the last windows: the one that the fault spoiled, and those before it. [design value]"""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Who was last seen on the ground.

    Args:
        ever: (rows, cols) the parts that were seen at any time.
        people: KEPT times (rows, cols) persons per cell, newest first: the mean over time with the time constant of
            half a window, and what it was one and two windows before.
        since_ns: when the newest of them began.
        t_ns: the tick.
        seen_ns: (rows, cols) the tick at which each cell was last seen whole, or as much of it as ever was.
    """

    ever: Masks
    people: tuple[FloatArray, ...]
    since_ns: int
    t_ns: int
    seen_ns: IntArray


@dataclass(frozen=True, slots=True)
class LostGround:
    """Ground of one zone that was seen once and is not now.

    Args:
        area_frac: share of the zone's ground.
        people: who stood there when it was last seen.
        hidden: those of them who stood where an unhealthy camera still looks, not where a moving one has turned away.
        inflow: how many may have come since.
        age_s: since the first of it was lost; 0 where none is.
    """

    area_frac: float
    people: float
    hidden: float
    inflow: float
    age_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """:class:`LostGround` of every zone, as arrays (zones,)."""

    area_frac: FloatArray
    people: FloatArray
    hidden: FloatArray
    inflow: FloatArray
    age_s: FloatArray

    def of(self, index: int) -> LostGround:
        """Of one zone."""
        of = (self.area_frac, self.people, self.hidden, self.inflow, self.age_s)
        return LostGround(*(float(each[index]) for each in of))


def first_memory(view: SiteView, t_ns: int) -> Memory:
    """Nothing has been seen yet."""
    shape = view.grid.shape
    nobody = (np.zeros(shape),) * KEPT
    return Memory(np.zeros(shape, dtype=np.uint16), nobody, t_ns, t_ns, np.zeros(shape, dtype=np.int64))


def remember(memory: Memory, seen: Masks, people: FloatArray, t_ns: int, window_s: float) -> Memory:
    """Note a tick.

    Args:
        memory: of the ticks before.
        seen: (rows, cols) the parts that are seen now.
        people: (rows, cols) persons per cell in the newest pictures.
        t_ns: the tick.
        window_s: the length of the window over which readings are averaged.
    """
    sees = seen != 0
    newest, *older = memory.people
    since_ns = memory.since_ns
    if (t_ns - since_ns) / 1e9 >= window_s:  # what is not seen keeps what it had
        older = [np.where(sees, new, old) for new, old in zip(memory.people, older, strict=False)]
        since_ns = t_ns
    kept = np.exp(-(t_ns - memory.t_ns) / 1e9 / (window_s / 2))
    mean = newest - people
    mean *= np.where(memory.ever != 0, kept, 0.0)
    mean += people
    np.copyto(mean, newest, where=~sees)
    ever = memory.ever | seen
    seen_ns = np.where(ever & ~seen == 0, t_ns, memory.seen_ns)
    return Memory(ever, (mean, *older), since_ns, t_ns, seen_ns)


def lost_of(view: SiteView, memory: Memory, seen: Masks, views: Iterable[CameraView], t_ns: int) -> Lost:
    """What of every zone was seen once and is not seen now, and who stood there.

    Args:
        view: the prepared site.
        memory: up to this tick.
        seen: (rows, cols) the parts that are seen now.
        views: of all cameras, healthy or not: where they look, whatever they see there.
        t_ns: the tick.
    """
    zones, counts = view.zones, len(view.zones)
    gone = (memory.ever & ~seen).ravel()
    here = np.flatnonzero(gone[zones.cell] & zones.mask)
    if not len(here):
        nothing = np.zeros(counts)
        return Lost(nothing, nothing, nothing, nothing, nothing)
    looked_at = np.zeros(view.grid.shape, dtype=np.uint16)
    for camera in views:
        looked_at[camera.window.slices] |= camera.seen
    cell, zone, mask = zones.cell[here], zones.zone[here], zones.mask[here]
    part = share_of(gone[cell], mask)
    area = _by_zone(zone, zones.share[here] * part * view.grid.cell_m**2, counts)
    # of a cell that several zones share, each takes the people on its share of the ground
    part = part * zones.share[here]
    held = [each.ravel()[cell] for each in memory.people]
    people = np.max([_by_zone(zone, each * part, counts) for each in held], axis=0)
    still = share_of(gone[cell] & looked_at.ravel()[cell], mask) * zones.share[here]
    hidden = np.max([_by_zone(zone, each * still, counts) for each in held], axis=0)
    age_s = np.zeros(counts)
    np.maximum.at(age_s, zone, (t_ns - memory.seen_ns.ravel()[cell]) / 1e9)
    # people may come in over all of an edge that is at least a square's
    room = np.maximum(MOST_P_M2 * area - people, 0.0)
    inflow = np.minimum(INFLOW_P_M_S * 4 * np.sqrt(area) * age_s, room)
    return Lost(area / np.maximum(zones.ground_m2, 1e-12), people, hidden, inflow, age_s)


def _by_zone(zone: IntArray, values: FloatArray, counts: int) -> FloatArray:
    return np.bincount(zone, values, counts).astype(np.float64)
