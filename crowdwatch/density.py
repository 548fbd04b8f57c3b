"""Edge-corrected kernel density on a ground grid: people per square metre, absolute."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.special import erf
from shapely.geometry.base import BaseGeometry

from crowdwatch.records import FloatArray, readonly

__all__ = ["Grid", "kernel_share", "make_grid", "smooth"]

MIN_SHARE = 0.05
"""Where less of the kernel than this lies over seen ground, dividing by it would multiply noise by 20: unknown."""

SUBCELLS = 4
"""A cell is split 4 x 4 to find the share of the kernel. Against a closed form (a wall at any angle, sigma two
cells) the share is then exact to 0.002; tests/unit/test_density.py holds that."""


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


def _coverage(grid: Grid, area: BaseGeometry) -> FloatArray:
    """(rows * SUBCELLS, cols * SUBCELLS) share of each sub-cell that the area covers."""
    sub = grid.cell_m / SUBCELLS
    rows, cols = grid.shape[0] * SUBCELLS, grid.shape[1] * SUBCELLS
    west, south = np.meshgrid(grid.origin_m[0] + np.arange(cols) * sub, grid.origin_m[1] + np.arange(rows) * sub)
    boxes = shapely.box(west, south, west + sub, south + sub)
    shapely.prepare(area)
    covered = shapely.contains_properly(area, boxes).astype(float)
    border = (covered == 0) & shapely.intersects(area, boxes)
    covered[border] = shapely.area(shapely.intersection(area, boxes[border])) / sub**2
    result: FloatArray = covered
    return result


def _kernel_mass(centres: FloatArray, edges: FloatArray, bandwidth_m: float) -> FloatArray:
    """(centres, edges - 1) integral of a unit Gaussian about each centre between neighbouring edges."""
    cdf = erf((edges[None, :] - centres[:, None]) / (bandwidth_m * math.sqrt(2))) / 2
    mass: FloatArray = np.diff(cdf, axis=1)
    return mass


def kernel_share(grid: Grid, area: BaseGeometry, bandwidth_m: float) -> FloatArray:
    """Share of the kernel at each cell's centre that lies over seen, walkable ground.

    s(c) = integral over the area of K(x - c) dx, K the Gaussian with standard deviation ``bandwidth_m``. Dividing a
    plain kernel density by s(c) makes a uniform crowd read its true density up to the wall (Diggle 1985, J. R. Stat.
    Soc. C 34:138, eq. 3.4).

    Returns:
        (rows, cols); NaN where the centre lies outside the area or the share is below ``MIN_SHARE``.

    >>> grid = make_grid(shapely.box(-10, -10, 10, 10), 0.5)
    >>> round(float(kernel_share(grid, shapely.box(-10, -10, 0.25, 10), 1.0)[20, 20]), 3)  # on the wall: half
    0.5
    """
    sub = grid.cell_m / SUBCELLS
    east, north = grid.centres()
    rows, cols = grid.shape
    east_edges = grid.origin_m[0] + np.arange(cols * SUBCELLS + 1) * sub
    north_edges = grid.origin_m[1] + np.arange(rows * SUBCELLS + 1) * sub
    by_row = _kernel_mass(north, north_edges, bandwidth_m) @ _coverage(grid, area)
    share: FloatArray = by_row @ _kernel_mass(east, east_edges, bandwidth_m).T
    share[~grid.contains(area.buffer(1e-9)) | (share < MIN_SHARE)] = np.nan
    return share


def smooth(grid: Grid, xy_m: FloatArray, share: FloatArray, bandwidth_m: float) -> FloatArray:
    """Density at every cell's centre: rho(c) = sum_i K(x_i - c) / s(c).

    K(d) = exp(-|d|^2 / (2 b^2)) / (2 pi b^2). The kernel of Helbing et al. (2007, PRE 75:046109) with R is
    b = R / sqrt(2). Exact: the Gaussian is evaluated at the person, nothing is binned.

    Args:
        grid: where.
        xy_m: (N, 2) people, all finite.
        share: (rows, cols) of :func:`kernel_share`.
        bandwidth_m: b.

    Returns:
        (rows, cols) p/m2; NaN where ``share`` is NaN.

    >>> grid = make_grid(shapely.box(-5, -5, 5, 5), 1.0)
    >>> rho = smooth(grid, np.array([[0.5, 0.5]]), np.ones(grid.shape), 1.0)
    >>> bool(np.isclose(rho[5, 5], 1 / (2 * math.pi)))
    True
    """
    east, north = grid.centres()
    gx = np.exp(-((xy_m[:, 0, None] - east) ** 2) / (2 * bandwidth_m**2))
    gy = np.exp(-((xy_m[:, 1, None] - north) ** 2) / (2 * bandwidth_m**2))
    rho: FloatArray = (gy.T @ gx) / (2 * math.pi * bandwidth_m**2) / share
    return rho
