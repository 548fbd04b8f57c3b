"""Zones on the grid: which of them lie on a cell, with how much of it, and who stands in which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Zone
from crowdwatch.ground import Grid, IntArray, Masks, Window, cells_of, polygon

__all__ = ["ZoneCells", "place_zones"]


@dataclass(frozen=True, slots=True, eq=False)
class ZoneCells:
    """All zones of a site, as a list of entries: one for every zone on every cell that it covers or may touch.

    Args:
        zones: as the site has them.
        areas: the walkable ground of each.
        ground_m2: (zones,) its area.
        cell: (N,) of each entry, counted row by row; rising.
        zone: (N,) of each entry, its number.
        share: (N,) of the cell that the zone's ground covers, exact.
        mask: (N,) the parts of the cell that it covers.
        whole: (N,) whether it covers all of the cell, so that whoever stands there stands in the zone.
        first: (cells + 1,) the first entry of each cell.
        peak_cells: (M,) the cells whose centres lie in a zone, zone by zone.
        peak_first: (zones + 1,) the first of them of each zone.
        peak_zone: (M,) the zone of each.
    """

    zones: tuple[Zone, ...]
    areas: NDArray[np.object_]
    ground_m2: FloatArray
    cell: IntArray
    zone: IntArray
    share: FloatArray
    mask: Masks
    whole: NDArray[np.bool_]
    first: IntArray
    peak_cells: IntArray
    peak_first: IntArray
    peak_zone: IntArray

    def __len__(self) -> int:
        return len(self.zones)

    def within(self, window: Window, grid: Grid) -> IntArray:
        """The entries on the cells of a rectangle."""
        row_starts = (np.arange(window.rows) + window.row) * grid.shape[1] + window.col
        starts, ends = self.first[row_starts], self.first[row_starts + window.cols]
        length = ends - starts
        before = np.cumsum(length) - length
        return np.repeat(starts - before, length) + np.arange(length.sum())

    def containing(self, xy_m: FloatArray, cell: IntArray) -> tuple[IntArray, IntArray]:
        """Who stands in which zone: (P,) numbers of people and (P,) of zones, one pair for each zone of each person.

        Args:
            xy_m: (N, 2) people.
            cell: (N,) their cells, none outside the grid.
        """
        starts = self.first[cell]
        length = self.first[cell + 1] - starts
        person = np.repeat(np.arange(len(cell)), length)
        entry = np.repeat(starts - (np.cumsum(length) - length), length) + np.arange(length.sum())
        zone, inside = self.zone[entry], self.whole[entry].copy()
        unsure = np.flatnonzero(~inside)
        at = xy_m[person[unsure]]
        inside[unsure] = shapely.intersects_xy(self.areas[zone[unsure]], at[:, 0], at[:, 1])
        return person[inside], zone[inside]


def place_zones(grid: Grid, zones: Sequence[Zone], walkable: BaseGeometry) -> ZoneCells:
    """Put the walkable ground of zones on the grid."""
    areas = np.empty(len(zones), dtype=np.object_)
    areas[:] = [polygon(zone.polygon_m) & walkable for zone in zones]
    shapely.prepare(areas)
    entries, peaks = [], []
    for number, area in enumerate(areas):
        found = cells_of(grid, area)
        row, col = np.nonzero((found.share > 0) | found.cut)
        cell = (row + found.window.row) * grid.shape[1] + col + found.window.col
        whole = ~found.cut[row, col]
        entries.append((cell, np.full(len(cell), number), found.share[row, col], found.mask[row, col], whole))
        row, col = np.nonzero(found.centre)
        peaks.append((row + found.window.row) * grid.shape[1] + col + found.window.col)
    cell, zone, share, mask, whole = (np.concatenate(each) for each in zip(*entries, strict=True))
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], np.arange(grid.shape[0] * grid.shape[1] + 1))
    peak_first = np.concatenate([[0], np.cumsum([len(each) for each in peaks])])
    return ZoneCells(
        tuple(zones), areas, np.array([area.area for area in areas]), cell[order], zone[order], share[order],
        mask[order], whole[order], first, np.concatenate(peaks), peak_first,
        np.repeat(np.arange(len(zones)), np.diff(peak_first)),
    )  # fmt: skip
