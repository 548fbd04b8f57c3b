"""Edge-corrected kernel density on a ground grid: people per square metre, absolute.

The kernel is a Gaussian, cut off at :data:`REACH` bandwidths. It is a product of one for each axis, so everything here
is two passes of a short filter, whose cost grows with the ground and not with its square.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray
from crowdwatch.ground import EVERY_PART, SIDE, Covered, Grid, IntArray, Window, cells_of

__all__ = ["MIN_SHARE", "REACH", "area_share", "kernel_share", "mean_known", "reach_cells", "smooth", "smooth_mass"]

MIN_SHARE = 0.05
"""Where less of the kernel than this lies over seen ground, dividing by it would multiply noise by 20: unknown."""

REACH = 4.5
"""Bandwidths at which the kernel is cut off: 7e-6 of it lies beyond on each axis."""

NO_TAP: FloatArray = np.ones(1)
"""Along an axis that is not filtered."""


def reach_cells(cell_m: float, bandwidth_m: float) -> int:
    """Cells on either side of a place that its kernel reaches."""
    return math.ceil(REACH * bandwidth_m / cell_m)


def _taps(cell_m: float, bandwidth_m: float, parts: int) -> list[FloatArray]:
    """For each part of a cell, the integrals of a unit Gaussian at a cell's centre over that part of its neighbours."""
    reach = reach_cells(cell_m, bandwidth_m)
    edges = (np.arange((2 * reach + 1) * parts + 1) / parts - reach - 0.5) * cell_m
    integrals = np.diff(erf(edges / (bandwidth_m * math.sqrt(2)))) / 2
    return [integrals[part::parts] for part in range(parts)]


def _filtered(values: FloatArray, along_row: FloatArray, along_col: FloatArray) -> FloatArray:
    """(rows, cols) filtered along both axes, 0 beyond the edges. OpenCV's filter takes a third of the time of SciPy's
    ``correlate1d``, and is equal to it within 1e-15."""
    if not values.size:
        return values.copy()
    done = cv2.sepFilter2D(values, cv2.CV_64F, along_row, along_col, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(done, dtype=np.float64)


def kernel_share(covered: Covered, wanted: Window, cell_m: float, bandwidth_m: float) -> FloatArray:
    """Share of the kernel at each cell's centre that lies over seen, walkable ground.

    s(c) = integral over the ground of K(x - c) dx, K the Gaussian with standard deviation ``bandwidth_m``. Dividing a
    plain kernel density by s(c) makes a uniform crowd read its true density up to the wall (Diggle 1985, J. R. Stat.
    Soc. C 34:138, eq. 3.4). Cells whose parts are alike are filtered whole; the others are added part by part.

    Args:
        covered: how much of the cells around, and of their parts, is seen, walkable ground; what lies outside its
            window is taken for unseen.
        wanted: the cells for which the share is wanted, within that window.
        cell_m: side of a cell.
        bandwidth_m: of the kernel.

    Returns:
        (rows, cols) of ``wanted``; NaN where the share is below :data:`MIN_SHARE`.

    >>> import shapely
    >>> grid = Grid(np.zeros(2), 0.5, (40, 40))
    >>> wall = cells_of(grid, shapely.box(0, 0, 10.125, 20), fine=True)  # 0.125 m past the middle of 20 m
    >>> half = wall.covered(grid.window, np.full(grid.shape, EVERY_PART))
    >>> round(float(kernel_share(half, grid.window, 0.5, 1.0)[20, 20]), 3)  # the cell's centre lies beyond it
    0.45
    """
    (tap,) = _taps(cell_m, bandwidth_m, 1)
    whole = covered.share.copy()
    whole[covered.row, covered.col] = 0.0
    here = wanted.within(covered.window)
    share = _filtered(_filtered(whole, NO_TAP, tap)[here[0]], tap, NO_TAP)[:, here[1]]
    share += _by_parts(covered, wanted, cell_m, bandwidth_m)
    return np.where(share < MIN_SHARE, np.nan, share)


def _by_parts(covered: Covered, wanted: Window, cell_m: float, bandwidth_m: float) -> FloatArray:
    """(rows, cols) of ``wanted``: what cells whose parts are not alike add to :func:`kernel_share`."""
    reach = reach_cells(cell_m, bandwidth_m)
    taps = _taps(cell_m, bandwidth_m, SIDE)
    row, col = covered.row + covered.window.row - wanted.row, covered.col + covered.window.col - wanted.col
    near = (row >= -reach) & (row < wanted.rows + reach) & (col >= -reach) & (col < wanted.cols + reach)
    row, col, parts = row[near], col[near], covered.parts[near]
    if not len(row):
        return np.zeros(wanted.shape)
    rows, cols = wanted.rows + 2 * reach, wanted.cols + 4 * reach  # the margin takes what lies beyond
    spread = parts @ np.stack(taps)[:, ::-1]  # from a part to the columns around it
    at = (np.arange(SIDE) * rows + row[:, None] + reach) * cols + col[:, None] + reach
    along_row = np.bincount((at[:, :, None] + np.arange(2 * reach + 1)).ravel(), spread.ravel(), SIDE * rows * cols)
    inner = along_row.reshape(SIDE, rows, cols)[:, :, 2 * reach : 2 * reach + wanted.cols]
    each = (_filtered(np.ascontiguousarray(held), NO_TAP, tap) for held, tap in zip(inner, taps, strict=True))
    total: FloatArray = sum(each, np.zeros((rows, wanted.cols)))
    return total[reach : reach + wanted.rows]


def area_share(
    grid: Grid, area: BaseGeometry, bandwidth_m: float, where: NDArray[np.bool_] | None = None
) -> FloatArray:
    """:func:`kernel_share` of a polygon: over all of a grid, NaN where it is not wanted.

    Args:
        grid: the cells.
        area: seen, walkable ground.
        bandwidth_m: of the kernel.
        where: (rows, cols) the cells that are wanted; by default those whose centre lies in the area.

    >>> import shapely
    >>> grid = Grid(np.array([-10.0, -10.0]), 0.5, (40, 40))
    >>> round(float(area_share(grid, shapely.box(-10, -10, 0.25, 10), 1.0)[20, 20]), 3)  # on the wall: half
    0.5
    """
    cells = cells_of(grid, area, fine=True)
    everywhere = np.full(grid.shape, EVERY_PART)
    share = kernel_share(cells.covered(grid.window, everywhere), grid.window, grid.cell_m, bandwidth_m)
    wanted = np.zeros(grid.shape, dtype=np.bool_)
    wanted[cells.window.slices] = cells.centre
    return np.where(wanted if where is None else where, share, np.nan)


def smooth(
    grid: Grid, xy_m: FloatArray, share: FloatArray, bandwidth_m: float, weight: FloatArray | None = None
) -> FloatArray:
    """Density at every cell's centre: rho(c) = sum_i a_i K(x_i - c) / s(c).

    K(d) = exp(-|d|^2 / (2 b^2)) / (2 pi b^2). The kernel of Helbing et al. (2007, PRE 75:046109) with R is
    b = R / sqrt(2). Nothing is binned: the result is the Gaussian at the person within 2e-5 of its peak.

    Args:
        grid: where.
        xy_m: (N, 2) people, all finite.
        share: (rows, cols) of :func:`kernel_share`.
        bandwidth_m: b.
        weight: (N,) a, what each counts for; by default 1.

    Returns:
        (rows, cols) p/m2; NaN where ``share`` is NaN.

    >>> grid = Grid(np.array([-5.0, -5.0]), 0.5, (20, 20))
    >>> rho = smooth(grid, np.array([[0.25, 0.25]]), np.ones(grid.shape), 1.0)
    >>> round(float(rho[10, 10]), 4), round(1 / (2 * math.pi), 4)
    (0.1592, 0.1592)
    """
    weights = np.ones(len(xy_m)) if weight is None else weight
    xy_m, weights = xy_m[weights != 0], weights[weights != 0]
    reach = reach_cells(grid.cell_m, bandwidth_m)
    rows, cols = grid.shape
    place = (xy_m - grid.origin_m) / grid.cell_m
    col = np.clip(np.floor(place[:, 0]).astype(np.int64), 0, cols - 1)
    steps = np.arange(-reach, reach + 1)
    scale = grid.cell_m / bandwidth_m
    across = np.exp(-((((col + 0.5 - place[:, 0])[:, None] + steps) * scale) ** 2) / 2) * weights[:, None]
    # along the other axis, lines a quarter of a cell apart stand for the person, and one filter takes them all
    line, share_of_line = _cubic(place[:, 1] * SIDE - 0.5)
    wide = cols + 2 * reach  # the margin takes what lies beyond the grid
    lines = (rows + 2) * SIDE
    line = np.clip(line + SIDE, 0, lines - 1)
    at = (line[:, :, None] * wide + col[:, None, None]) + (steps + reach)
    held = np.bincount(at.ravel(), (share_of_line[:, :, None] * across[:, None, :]).ravel(), lines * wide)
    on_lines = held.astype(np.float64).reshape(lines, wide)[:, reach : reach + cols]
    total = np.zeros((rows + 2, cols))
    for part, tap in enumerate(_lines(grid.cell_m, bandwidth_m)):
        total += _filtered(on_lines[part::SIDE], NO_TAP, tap)
    return total[1:-1] / (2 * math.pi * bandwidth_m**2) / share


def _cubic(place: FloatArray) -> tuple[IntArray, FloatArray]:
    """(N, 4) the four lines around each place on an axis, and the weights by which they stand for it.

    These are the weights of cubic interpolation: the sum over the lines of a smooth function is its value at the
    place, up to (3 / 128) h^4 of its fourth derivative. For a Gaussian that is (9 / 128) (h / b)^4 of its peak: 2e-5
    with lines of 0.125 m and b = 1 m.
    """
    first = np.floor(place).astype(np.int64)
    t = place - first
    weights = [
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    ]
    return first[:, None] + np.arange(-1, 3), np.stack(weights, axis=1)


def _lines(cell_m: float, bandwidth_m: float) -> list[FloatArray]:
    """As :func:`_taps`, of the Gaussian's values at the middles of the parts."""
    reach = reach_cells(cell_m, bandwidth_m)
    middles = ((np.arange((2 * reach + 1) * SIDE) + 0.5) / SIDE - reach - 0.5) * cell_m / bandwidth_m
    values: FloatArray = np.exp(-(middles**2) / 2)
    return [values[part::SIDE] for part in range(SIDE)]


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

    >>> grid = Grid(np.zeros(2), 0.5, (40, 40))
    >>> import shapely
    >>> all_of_it = area_share(grid, shapely.box(0, 0, 20, 20), 1.0)
    >>> rho = smooth_mass(grid, np.full(grid.shape, 0.75), all_of_it, 1.0)  # 0.75 in 0.25 m2, up to the walls
    >>> bool(np.allclose(rho, 3.0, atol=1e-9))
    True
    """
    (tap,) = _taps(grid.cell_m, bandwidth_m, 1)
    return _filtered(mass, tap, tap) / grid.cell_m**2 / share


def mean_known(fields: list[FloatArray]) -> FloatArray:
    """Mean over the known values of each cell; NaN where there is none."""
    mean: FloatArray = fields[0].copy()
    for field_p_m2 in fields[1:]:
        mean += field_p_m2
    mean /= len(fields)
    partly = np.flatnonzero(np.isnan(mean))  # unknown in one of them at least
    values = np.array([field_p_m2.ravel()[partly] for field_p_m2 in fields])
    known = np.isfinite(values)
    times = known.sum(axis=0)
    of_known = np.full(len(partly), np.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=0), times, out=of_known, where=times > 0)
    mean.ravel()[partly] = of_known
    return mean
