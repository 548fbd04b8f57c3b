"""A raster on the ground, and how much of each cell an area covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray, readonly

__all__ = ["Grid", "cell_cover", "make_grid"]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A raster on the ground; row 0 is south, column 0 west.

    Args:
        origin_m: (2,) south-west corner.
        cell_m: side of a cell.
        shape: rows, columns.
    """

    origin_m: FloatArray
    cell_m: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))

    def centres(self) -> tuple[FloatArray, FloatArray]:
        """East of every column's centre (cols,), north of every row's centre (rows,)."""
        rows, cols = self.shape
        east = self.origin_m[0] + (np.arange(cols) + 0.5) * self.cell_m
        north = self.origin_m[1] + (np.arange(rows) + 0.5) * self.cell_m
        return east, north

    def contains(self, area: BaseGeometry) -> np.ndarray:
        """(rows, cols) bool: does the cell's centre lie in the area?"""
        east, north = np.meshgrid(*self.centres())
        inside: np.ndarray = shapely.contains_xy(area, east, north)
        return inside


def make_grid(area: BaseGeometry, cell_m: float) -> Grid:
    """The smallest grid on multiples of ``cell_m`` that covers an area.

    >>> make_grid(shapely.box(0.2, 0, 3, 1.1), 0.5).shape
    (3, 6)
    """
    west, south, east, north = area.bounds
    first = np.floor(np.array([west, south]) / cell_m)
    last = np.ceil(np.array([east, north]) / cell_m)
    cols, rows = np.maximum(last - first, 1).astype(int)
    return Grid(first * cell_m, cell_m, (int(rows), int(cols)))


def cell_cover(grid: Grid, area: BaseGeometry, parts: int = 1) -> FloatArray:
    """(rows * parts, cols * parts) share of each cell, or of each part of a cell, that an area covers.

    >>> cell_cover(make_grid(shapely.box(0, 0, 2, 1), 1.0), shapely.box(0.5, 0, 3, 1)).tolist()
    [[0.5, 1.0]]
    """
    sub = grid.cell_m / parts
    rows, cols = grid.shape[0] * parts, grid.shape[1] * parts
    result: FloatArray = np.zeros((rows, cols))
    if area.is_empty:
        return result
    bounds = (np.array(area.bounds).reshape(2, 2) - grid.origin_m) / sub
    (first_col, first_row), (last_col, last_row) = np.floor(bounds[0]).astype(int), np.ceil(bounds[1]).astype(int)
    row, col = np.arange(max(first_row, 0), min(last_row, rows)), np.arange(max(first_col, 0), min(last_col, cols))
    west, south = np.meshgrid(grid.origin_m[0] + col * sub, grid.origin_m[1] + row * sub)
    boxes = shapely.box(west, south, west + sub, south + sub)
    shapely.prepare(area)
    covered = shapely.contains_properly(area, boxes).astype(float)
    border = (covered == 0) & shapely.intersects(area, boxes)
    covered[border] = shapely.area(shapely.intersection(area, boxes[border])) / sub**2
    result[np.ix_(row, col)] = covered
    return result
