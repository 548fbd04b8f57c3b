"""Edge-corrected kernel density on a ground grid: people per square metre, absolute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from scipy.special import erf
from shapely.geometry.base import BaseGeometry

from crowdwatch.records import FloatArray, readonly

__all__ = ["Grid", "cell_cover", "kernel_share", "make_grid", "smooth", "smooth_mass"]

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


def _kernel_mass(centres: FloatArray, edges: FloatArray, bandwidth_m: float) -> FloatArray:
    """(centres, edges - 1) integral of a unit Gaussian about each centre between neighbouring edges."""
    cdf = erf((edges[None, :] - centres[:, None]) / (bandwidth_m * math.sqrt(2))) / 2
    mass: FloatArray = np.diff(cdf, axis=1)
    return mass


@lru_cache(maxsize=16)
def _cell_kernels(grid: Grid, bandwidth_m: float) -> tuple[FloatArray, FloatArray]:
    """(rows, rows) and (cols, cols): integral over the second index's cells of a kernel at the first one's centre."""
    east, north = grid.centres()
    half = grid.cell_m / 2
    pair = []
    for centres in (north, east):
        edges = np.append(centres - half, centres[-1] + half)
        pair.append(_kernel_mass(centres, edges, bandwidth_m))
    return pair[0], pair[1]


def kernel_share(grid: Grid, area: BaseGeometry, bandwidth_m: float, where: np.ndarray | None = None) -> FloatArray:
    """Share of the kernel at each cell's centre that lies over seen, walkable ground.

    s(c) = integral over the area of K(x - c) dx, K the Gaussian with standard deviation ``bandwidth_m``. Dividing a
    plain kernel density by s(c) makes a uniform crowd read its true density up to the wall (Diggle 1985, J. R. Stat.
    Soc. C 34:138, eq. 3.4).

    Args:
        grid: the cells.
        area: seen, walkable ground.
        bandwidth_m: of the kernel.
        where: (rows, cols) bool, the cells that are wanted; by default those whose centre lies in the area.

    Returns:
        (rows, cols); NaN where it is not wanted or the share is below ``MIN_SHARE``.

    >>> grid = make_grid(shapely.box(-10, -10, 10, 10), 0.5)
    >>> round(float(kernel_share(grid, shapely.box(-10, -10, 0.25, 10), 1.0)[20, 20]), 3)  # on the wall: half
    0.5
    """
    sub = grid.cell_m / SUBCELLS
    east, north = grid.centres()
    rows, cols = grid.shape
    east_edges = grid.origin_m[0] + np.arange(cols * SUBCELLS + 1) * sub
    north_edges = grid.origin_m[1] + np.arange(rows * SUBCELLS + 1) * sub
    by_row = _kernel_mass(north, north_edges, bandwidth_m) @ cell_cover(grid, area, SUBCELLS)
    share: FloatArray = by_row @ _kernel_mass(east, east_edges, bandwidth_m).T
    wanted = grid.contains(area.buffer(1e-9)) if where is None else where
    share[~wanted | (share < MIN_SHARE)] = np.nan
    return share


def smooth(
    grid: Grid, xy_m: FloatArray, share: FloatArray, bandwidth_m: float, weight: FloatArray | None = None
) -> FloatArray:
    """Density at every cell's centre: rho(c) = sum_i a_i K(x_i - c) / s(c).

    K(d) = exp(-|d|^2 / (2 b^2)) / (2 pi b^2). The kernel of Helbing et al. (2007, PRE 75:046109) with R is
    b = R / sqrt(2). Exact: the Gaussian is evaluated at the person, nothing is binned.

    Args:
        grid: where.
        xy_m: (N, 2) people, all finite.
        share: (rows, cols) of :func:`kernel_share`.
        bandwidth_m: b.
        weight: (N,) a, what each counts for; by default 1.

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
    gx = gx if weight is None else gx * weight[:, None]
    rho: FloatArray = (gy.T @ gx) / (2 * math.pi * bandwidth_m**2) / share
    return rho


def smooth_mass(grid: Grid, mass: FloatArray, share: FloatArray, bandwidth_m: float) -> FloatArray:
    """Density at every cell's centre of people who are spread evenly over cells, as :func:`smooth` gives it.

    rho(c) = sum_j (m_j / a) integral over cell j of K(x - c) dx / s(c), a the area of a cell.

    Args:
        grid: where.
        mass: (rows, cols) m, persons per cell.
        share: (rows, cols) of :func:`kernel_share`.
        bandwidth_m: of the kernel.

    Returns:
        (rows, cols) p/m2; NaN where ``share`` is NaN.

    >>> grid = make_grid(shapely.box(-5, -5, 5, 5), 0.5)
    >>> share = kernel_share(grid, shapely.box(-5, -5, 5, 5), 1.0)
    >>> rho = smooth_mass(grid, np.full(grid.shape, 0.75), share, 1.0)  # 0.75 in 0.25 m2, up to the walls
    >>> bool(np.allclose(rho, 3.0, atol=1e-9))
    True
    """
    by_row, by_column = _cell_kernels(grid, bandwidth_m)
    rho: FloatArray = by_row @ mass @ by_column.T / grid.cell_m**2 / share
    return rho
