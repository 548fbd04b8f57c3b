"""Areas on the grid: which cells a polygon covers, and how much of those that its edge cuts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray
from crowdwatch.ground.grid import Grid, IntArray, Window
from crowdwatch.ground.parts import EVERY_PART, SIDE, Masks, unpacked

__all__ = ["AreaCells", "Covered", "cell_shares", "cells_of"]

NO_CELLS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class AreaCells:
    """A polygon on a rectangle of cells.

    Args:
        area: the polygon.
        window: the cells around it.
        share: (rows, cols) of each cell that it covers, exact.
        mask: (rows, cols) the parts whose centres it holds; all parts where it covers a cell without holding the centre
            of any part, so that something of that cell can be seen.
        centre: (rows, cols) whether it holds the cell's centre; its edge belongs to it.
        cut: (rows, cols) whether its edge may run through the cell: the polygon decides who stands there.
        fine: (C, 4, 4) share of each part of the cut cells, row by row, that it covers, exact; None where nobody asked.
    """

    area: BaseGeometry
    window: Window
    share: FloatArray
    mask: Masks
    centre: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    fine: FloatArray | None = None

    def covered(self, window: Window, masks: Masks) -> Covered:
        """How much of the cells of a rectangle is both in this area and in ``masks``; nothing outside its own window.

        Exact where ``fine`` was asked for, else by the parts' centres.

        Args:
            window: the rectangle.
            masks: (rows, cols) over it, the parts that count.
        """
        common = window & self.window
        share = np.zeros(window.shape)
        if not common:
            return Covered(window, share, NO_CELLS, NO_CELLS, np.empty((0, SIDE, SIDE)))
        here, own = common.within(window), common.within(self.window)
        asked, exact = masks[here], self.cut[own] & (self.fine is not None)
        both = asked & self.mask[own]
        share[here] = (both == EVERY_PART) & ~exact
        row, col = np.nonzero(np.where(exact, asked != 0, (both != 0) & (both != EVERY_PART)))
        parts = _bits(np.where(exact, asked, both)[row, col]).astype(np.float64)
        if self.fine is not None:
            edge = exact[row, col]
            place = (row[edge] + own[0].start) * self.cut.shape[1] + col[edge] + own[1].start
            parts[edge] *= self.fine[np.searchsorted(np.flatnonzero(self.cut), place)]
        row, col = row + common.row - window.row, col + common.col - window.col
        share[row, col] = parts.mean(axis=(1, 2))
        mixed = np.ptp(parts, axis=(1, 2)) > 0
        return Covered(window, share, row[mixed], col[mixed], parts[mixed])


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """How much of some cells is covered: of each cell, and of the parts of those cells whose parts are not alike.

    Args:
        window: the cells.
        share: (rows, cols) of each cell.
        row, col: (K,) the cells whose parts are not alike.
        parts: (K, 4, 4) share of each of their parts, rows from the south.
    """

    window: Window
    share: FloatArray
    row: IntArray
    col: IntArray
    parts: FloatArray


def cells_of(grid: Grid, area: BaseGeometry, *, fine: bool = False) -> AreaCells:
    """Put a polygon on the grid; what lies outside the grid is left out.

    Args:
        grid: the cells.
        area: any shapely area.
        fine: whether to work out the shares of the parts of the cells that its edge cuts.

    >>> grid = Grid(np.zeros(2), 1.0, (1, 3))
    >>> found = cells_of(grid, shapely.box(0.5, 0, 3, 1))
    >>> found.share.tolist(), np.bitwise_count(found.mask).tolist()
    ([[0.5, 1.0, 1.0]], [[8, 16, 16]])
    >>> half = found.covered(grid.window, found.mask)
    >>> half.share.tolist(), half.col.tolist(), half.parts[0, 0].tolist()
    ([[0.5, 1.0, 1.0]], [0], [0.0, 0.0, 1.0, 1.0])
    """
    window = grid.window if area.is_empty else grid.around(*area.bounds).widened(1, grid)
    shapely.prepare(area)
    east, north = np.meshgrid(*grid.centres(window))
    centre: NDArray[np.bool_] = shapely.intersects_xy(area, east, north)
    cut = _edge_cells(grid, window, area)
    share = (centre & ~cut).astype(np.float64)
    mask = np.where(centre & ~cut, EVERY_PART, np.uint16(0)).astype(np.uint16)
    rows, cols = np.nonzero(cut)
    parts = None
    if fine:
        parts = _covered(area, *_boxes(grid, window, rows, cols, SIDE), grid.cell_m / SIDE).reshape(-1, SIDE, SIDE)
    if len(rows):
        share[rows, cols] = _covered(area, *_boxes(grid, window, rows, cols, 1), grid.cell_m)
        west, south = _boxes(grid, window, rows, cols, SIDE)
        half = grid.cell_m / SIDE / 2
        held = shapely.intersects_xy(area, west + half, south + half)
        bits = (held << np.arange(SIDE * SIDE, dtype=np.uint32)).sum(axis=1).astype(np.uint16)
        mask[rows, cols] = np.where((bits == 0) & (share[rows, cols] > 0), EVERY_PART, bits)
    return AreaCells(area, window, share, mask, centre, cut, parts)


def cell_shares(grid: Grid, area: BaseGeometry) -> FloatArray:
    """(rows, cols) share of each cell of the grid that an area covers, exact."""
    found = cells_of(grid, area)
    shares: FloatArray = np.zeros(grid.shape)
    shares[found.window.slices] = found.share
    return shares


def _edge_cells(grid: Grid, window: Window, area: BaseGeometry) -> NDArray[np.bool_]:
    """The cells through which an area's edge may run, and their neighbours: it is sampled every quarter of a cell."""
    near = np.zeros((window.rows + 2, window.cols + 2), dtype=np.bool_)
    if not area.is_empty:
        edge = shapely.segmentize(area.boundary, grid.cell_m / 4)
        place = np.floor((shapely.get_coordinates(edge) - grid.origin_m) / grid.cell_m).astype(np.int64)
        row = np.clip(place[:, 1] - window.row + 1, 0, window.rows + 1)
        col = np.clip(place[:, 0] - window.col + 1, 0, window.cols + 1)
        near[row, col] = True
    for axis in (0, 1):
        ahead, behind = np.roll(near, 1, axis), np.roll(near, -1, axis)
        near = near | ahead | behind
    return near[1:-1, 1:-1]


def _boxes(grid: Grid, window: Window, rows: IntArray, cols: IntArray, side: int) -> tuple[FloatArray, FloatArray]:
    """(N, side * side) west and south of the parts of some cells of a rectangle, row by row."""
    step = grid.cell_m / side
    east, north = np.tile(np.arange(side), side), np.repeat(np.arange(side), side)
    west = grid.origin_m[0] + (window.col + cols)[:, None] * grid.cell_m + east * step
    south = grid.origin_m[1] + (window.row + rows)[:, None] * grid.cell_m + north * step
    return west, south


def _covered(area: BaseGeometry, west: FloatArray, south: FloatArray, side_m: float) -> FloatArray:
    """Share of squares that an area covers; a single one a row is given as (N,)."""
    boxes = shapely.box(west, south, west + side_m, south + side_m)
    shapely.prepare(area)
    shares: FloatArray = shapely.covers(area, boxes).astype(np.float64)
    cut = (shares == 0) & shapely.intersects(area, boxes)
    shares[cut] = shapely.area(shapely.intersection(area, boxes[cut])) / side_m**2
    return shares[:, 0] if shares.ndim > 1 and shares.shape[1] == 1 else shares


def _bits(masks: Masks) -> NDArray[np.bool_]:
    """(K, 4, 4) parts of (K,) masks, rows from the south."""
    return unpacked(masks[:, None]).reshape(-1, SIDE, SIDE)
