"""Which free unit is nearest, by walking distance around walls and obstacles; a drone flies straight. Pure.

The walkable area is cut into square cells. A step leads to one of 16 neighbours (as a king or a knight of chess), where
no cell that it passes is blocked; the distance is at most 2.8 % too long (the angle between two steps is at most 26.6
degrees: 1 / cos(13.3 deg) = 1.027), never too short but for the size of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra

from crowdwatch.core.dispatch import UnitKind, UnitNow, UnitState
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Site
from crowdwatch.ground import polygon

__all__ = ["Walker"]

CELL_M = 0.5
"""Side of a cell: half the width of the narrowest passage that people walk through."""

MOST_CELLS = 300_000
"""A larger site has larger cells: 300 000 take about a second and 100 MB."""

SNAP_M = 10.0
"""A unit beside the walkable area begins at the nearest place on it, if that is no farther."""

STEPS = [(0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (2, -1), (1, -2)]
"""Half of the 16 steps (rows, columns); the other half are the same backwards."""


class Walker:
    """Distances on the walkable ground of a site.

    Args:
        site: its walkable area, zones and units.
        cell_m: side of a cell; None chooses it by the size of the site.
    """

    def __init__(self, site: Site, cell_m: float | None = None) -> None:
        self._site = site
        area = polygon(site.walkable_m, site.obstacles_m)
        west, south, east, north = area.bounds
        least_m = math.sqrt((east - west) * (north - south) / MOST_CELLS)
        self._cell_m = max(CELL_M, least_m) if cell_m is None else cell_m
        cols, rows = (max(1, math.ceil(side / self._cell_m)) for side in (east - west, north - south))
        x = west + (np.arange(cols) + 0.5) * self._cell_m
        y = south + (np.arange(rows) + 0.5) * self._cell_m
        self._x, self._y = np.meshgrid(x, y)
        shapely.prepare(area)
        self._free: NDArray[np.bool_] = np.asarray(shapely.contains_xy(area, self._x, self._y))
        self._number = np.full(self._free.shape, -1)
        self._number[self._free] = np.arange(int(self._free.sum()))
        self._graph = self._steps()

    def _steps(self) -> csr_matrix:
        ends: list[tuple[NDArray[np.int64], NDArray[np.int64], float]] = []
        for down, right in STEPS:
            here, there = self._pair(self._free, down, right)
            can = here & there
            for row, col in _passed(down, right):
                can &= self._between(row, col, down, right)
            a, b = self._pair(self._number, down, right)
            ends.append((a[can], b[can], math.hypot(down, right) * self._cell_m))
        n = int(self._free.sum())
        of, to = (np.concatenate([each[k] for each in ends]) for k in (0, 1))
        length = np.concatenate([np.full(len(each[0]), each[2]) for each in ends])
        return coo_matrix((length, (of, to)), shape=(n, n)).tocsr()

    def _pair(self, values: NDArray, down: int, right: int) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
        """Views of an array at the beginning and at the end of a step, wherever both lie on the grid."""
        rows, cols = values.shape
        left = max(0, -right)
        here = values[: rows - down, left : cols - max(0, right)]
        there = values[down:, left + right : cols - max(0, right) + right]
        return here, there

    def _between(self, row: int, col: int, down: int, right: int) -> NDArray[np.bool_]:
        """Whether a cell that a step passes is free, for every beginning of the step."""
        rows, cols = self._free.shape
        left = max(0, -right)
        first, last = left + col, cols - max(0, right) + col
        return self._free[row : rows - down + row, first:last]

    def to_zone(self, zone_id: str, units: Iterable[UnitNow]) -> dict[str, float]:
        """Metres from every unit to the nearest place of a zone; infinite where there is no way on foot.

        Args:
            zone_id: a zone of the site.
            units: where they are.
        """
        zone = next(each for each in self._site.zones if each.zone_id == zone_id)
        shape = polygon(zone.polygon_m)
        shapely.prepare(shape)
        inside = self._number[shapely.contains_xy(shape, self._x, self._y) & self._free]
        flies = {unit.unit_id for unit in self._site.units if unit.kind is UnitKind.DRONE}
        units = list(units)
        reach = self._from(inside) if len(inside) and any(u.unit_id not in flies for u in units) else None
        return {
            unit.unit_id: float(shape.distance(shapely.Point(unit.east_m, unit.north_m)))
            if unit.unit_id in flies
            else self._at(reach, unit)
            for unit in units
        }

    def _from(self, cells: NDArray[np.int64]) -> FloatArray:
        found: FloatArray = dijkstra(self._graph, directed=False, indices=cells, min_only=True)
        return found

    def _at(self, reach: FloatArray | None, unit: UnitNow) -> float:
        if reach is None or not math.isfinite(unit.east_m + unit.north_m):
            return math.inf
        away = np.hypot(self._x - unit.east_m, self._y - unit.north_m)
        away[~self._free] = np.inf
        nearest = np.unravel_index(int(np.argmin(away)), away.shape)
        snap_m = float(away[nearest])
        if snap_m > SNAP_M:
            return math.inf
        own = snap_m if snap_m > self._cell_m else 0.0
        return float(reach[self._number[nearest]]) + own

    def nearest(
        self, zone_id: str, units: Iterable[UnitNow], *, kinds: Collection[UnitKind] | None = None
    ) -> list[tuple[UnitNow, float]]:
        """The free units that can get to a zone, with their metres, nearest first.

        Args:
            zone_id: where they are needed.
            units: all units as they are now.
            kinds: only such; None is all.
        """
        of = {unit.unit_id: unit.kind for unit in self._site.units}
        free = [
            unit for unit in units
            if unit.state is UnitState.FREE and (kinds is None or of.get(unit.unit_id) in kinds)
        ]  # fmt: skip
        metres = self.to_zone(zone_id, free)
        known = [(unit, metres[unit.unit_id]) for unit in free if math.isfinite(metres[unit.unit_id])]
        return sorted(known, key=lambda each: (each[1], each[0].unit_id))


def _passed(down: int, right: int) -> list[tuple[int, int]]:
    """The cells that a step passes, relative to its beginning: none may be blocked, so that no corner is cut."""
    side = 1 if right > 0 else -1
    if (down, abs(right)) == (1, 1):
        return [(1, 0), (0, side)]
    if (down, abs(right)) == (1, 2):
        return [(0, side), (1, side)]
    if (down, abs(right)) == (2, 1):
        return [(1, 0), (1, side)]
    return []
