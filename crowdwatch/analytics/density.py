"""Edge-corrected kernel density on a ground grid: people per square metre, absolute."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import shapely  # noqa: F401  (the examples build areas with it)
from scipy.special import erf
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray
from crowdwatch.ground import Grid, cell_cover, make_grid  # noqa: F401  (the examples make grids)

__all__ = ["kernel_share", "smooth", "smooth_mass"]

MIN_SHARE = 0.05
"""Where less of the kernel than this lies over seen ground, dividing by it would multiply noise by 20: unknown."""

SUBCELLS = 4
"""A cell is split 4 x 4 to find the share of the kernel. Against a closed form (a wall at any angle, sigma two
cells) the share is then exact to 0.002; tests/unit/test_density.py holds that."""


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
