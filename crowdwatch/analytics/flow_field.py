"""The velocities of the window on the ground: what zones, gates and the map read movement from.

The fold keeps the samples themselves, tick by tick, while they are within the window. They lie on squares of about a
metre that follow the density grid; what is not measured has no sample. Samples of several cameras count by their
errors: nobody is counted here, so that ground seen twice is measured twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.movement import FlowGrid
from crowdwatch.core.records import FloatArray
from crowdwatch.ground import Grid, IntArray, parts_at

__all__ = ["Batch", "CellFlow", "FlowField", "Patches", "cell_flow", "first_field", "pressure", "remember_flow"]

CELL_M = 1.0
LEAST_SIGMA_M_S = 0.02
"""No sample counts as if it were better known: people sway by as much as they walk."""

LEAST_WEIGHT = 0.15
"""p/m2 that a sample counts for at least: about the peak of one person's kernel."""

LEAST_N = 4
"""A variance is told from so many samples of a square on, its pressure from so many squares."""

PATCH = 2
"""Squares along the side of the patch on which pressure is told: 4 m2, as far as one person's wave reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The velocities that one tick brought.

    Args:
        t_ns: (N,) exposure of each.
        xy_m, v_m_s, sigma_m_s: (N, 2), (N, 2), (N,) as of :class:`FlowSamples`.
        cell: (N,) the square of the field that each lies on, row by row.
        weight: (N,) density there, p/m2: what each stands for.
        sample, zone: (P,) which of them lies in which zone.
    """

    t_ns: IntArray
    xy_m: FloatArray
    v_m_s: FloatArray
    sigma_m_s: FloatArray
    cell: IntArray
    weight: FloatArray
    sample: IntArray
    zone: IntArray

    def __len__(self) -> int:
        return len(self.cell)

    def part(self, kept: NDArray[np.bool_]) -> Batch:
        """Some of them."""
        number = np.cumsum(kept) - 1
        pairs = kept[self.sample]
        return Batch(
            self.t_ns[kept], self.xy_m[kept], self.v_m_s[kept], self.sigma_m_s[kept], self.cell[kept],
            self.weight[kept], number[self.sample[pairs]], self.zone[pairs],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CellFlow:
    """The field on the squares that have samples.

    Args:
        cell: (C,) squares, rising.
        v_m_s: (C, 2) mean velocity, by the samples' errors.
        variance_m2_s2: (C,) of both components together, less what measurement adds; NaN of fewer than two samples.
        sigma_m_s: (C,) standard error of each component of the mean.
        n: (C,) samples.
        newest_ns: (C,) the newest.
    """

    cell: IntArray
    v_m_s: FloatArray
    variance_m2_s2: FloatArray
    sigma_m_s: FloatArray
    n: IntArray
    newest_ns: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Movement on patches of :data:`PATCH` squares along their side.

    Args:
        middle_m: (P, 2).
        density_p_m2: (P,).
        variance_m2_s2: (P,) of velocity, both components together, less what measurement adds.
        speed_m_s: (P,) of the mean velocity.
        error_m2_s2: (P,) standard error of the variance where nothing but measurement varies.
    """

    middle_m: FloatArray
    density_p_m2: FloatArray
    variance_m2_s2: FloatArray
    speed_m_s: FloatArray
    error_m2_s2: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FlowField:
    """What is remembered of movement.

    Args:
        grid: its squares.
        window: the velocities within the window, oldest first.
    """

    grid: Grid
    window: Batch

    def cells_at(self, xy_m: FloatArray) -> IntArray:
        """(N,) the squares of places; -1 outside."""
        return _cells(self.grid, xy_m)

    def velocity_at(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, 2) mean velocity over the window at places on the ground, and (N,) the standard error of each of its
        components; NaN where it is unknown."""
        field = cell_flow(self.window)
        v, sigma = np.full((len(xy_m), 2), np.nan), np.full(len(xy_m), np.nan)
        if len(field.cell):
            cell = self.cells_at(np.asarray(xy_m, dtype=np.float64).reshape(-1, 2))
            place = np.minimum(np.searchsorted(field.cell, cell), len(field.cell) - 1)
            known = (cell >= 0) & (field.cell[place] == cell)
            v[known], sigma[known] = field.v_m_s[place[known]], field.sigma_m_s[place[known]]
        return v, sigma

    def picture(self, t_ns: int) -> FlowGrid:
        """The field for the map: the smallest rectangle of squares around all that are known."""
        field = cell_flow(self.window)
        row, col = np.divmod(field.cell, self.grid.shape[1])
        low, shape = np.zeros(2, dtype=np.int64), (1, 1)
        if len(row):
            low = np.array([row.min(), col.min()])
            shape = (int(row.max() - low[0] + 1), int(col.max() - low[1] + 1))
        at = (row - low[0], col - low[1])
        v, variance, age = np.full((*shape, 2), np.nan), np.full(shape, np.nan), np.full(shape, np.inf)
        n = np.zeros(shape, dtype=np.int64)
        v[at], variance[at], n[at] = field.v_m_s, field.variance_m2_s2, field.n
        age[at] = (t_ns - field.newest_ns) / 1e9
        origin_m = self.grid.origin_m + low[::-1] * self.grid.cell_m
        return FlowGrid(t_ns, origin_m, self.grid.cell_m, v, variance, n, age)


def first_field(view: SiteView) -> FlowField:
    """Nothing was measured so far."""
    times = max(1, round(CELL_M / view.grid.cell_m))
    rows, cols = (math.ceil(side / times) for side in view.grid.shape)
    none, whole = np.empty(0), np.empty(0, dtype=np.int64)
    nothing = Batch(whole, np.empty((0, 2)), np.empty((0, 2)), none, whole, none, whole, whole)
    return FlowField(Grid(view.grid.origin_m, view.grid.cell_m * times, (rows, cols)), nothing)


def remember_flow(
    view: SiteView, old: FlowField, found: Iterable[tuple[int, FlowSamples]], rho_p_m2: FloatArray, t_ns: int
) -> FlowField:
    """The field after a tick.

    Args:
        view: the prepared site.
        old: the field before.
        found: exposure and velocities of the pictures that the tick includes, of healthy cameras.
        rho_p_m2: (rows, cols) density of the newest pictures.
        t_ns: the tick.
    """
    oldest_ns = t_ns - round(view.site.window_s * 1e9)
    new = [_batch(view, old.grid, at_ns, flow, rho_p_m2) for at_ns, flow in found if len(flow)]
    window = _joined([old.window, *new])
    recent = window.t_ns > oldest_ns
    return replace(old, window=window if recent.all() else window.part(recent))


def _batch(view: SiteView, grid: Grid, t_ns: int, flow: FlowSamples, rho_p_m2: FloatArray) -> Batch:
    own, _ = parts_at(view.grid, flow.xy_m)
    kept = own >= 0
    own, xy_m = own[kept], flow.xy_m[kept]
    rho = rho_p_m2.ravel()[own]
    weight = np.fmax(np.nan_to_num(rho), LEAST_WEIGHT)
    sample, zone = view.zones.containing(xy_m, own)
    sigma = np.maximum(flow.sigma_m_s[kept], LEAST_SIGMA_M_S)
    times = np.full(len(own), t_ns, dtype=np.int64)
    return Batch(times, xy_m, flow.v_m_s[kept], sigma, _cells(grid, xy_m), weight, sample, zone)


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    starts = np.cumsum([0, *(len(each) for each in batches)])

    def of(name: str) -> np.ndarray:
        return np.concatenate([getattr(each, name) for each in batches])

    pairs = np.concatenate([each.sample + start for each, start in zip(batches, starts, strict=False)])
    return Batch(
        of("t_ns"), of("xy_m"), of("v_m_s"), of("sigma_m_s"), of("cell"), of("weight"), pairs, of("zone")
    )  # fmt: skip


def _cells(grid: Grid, xy_m: FloatArray) -> IntArray:
    """(N,) cells, row by row; -1 outside the grid."""
    cell: IntArray
    cell, _ = parts_at(grid, xy_m)
    return cell


def cell_flow(window: Batch) -> CellFlow:
    """Means and variances of the squares that have samples.

    With weights w = 1 / sigma^2: V = sum w v / sum w. Its standard error squared is 1 / sum w, and the variance of the
    samples about it over their number. The variance is sum |v - V|^2 / (n - 1), less 2 mean sigma^2, not below 0.
    """
    cell, number, n = np.unique(window.cell, return_inverse=True, return_counts=True)
    w = window.sigma_m_s**-2
    total = np.bincount(number, w, len(n))
    v = np.stack([np.bincount(number, w * window.v_m_s[:, a], len(n)) / total for a in (0, 1)], axis=1)
    off = ((window.v_m_s - v[number]) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(n > 1, np.bincount(number, off, len(n)) / (n - 1), np.nan)
    noise = 2 * np.bincount(number, window.sigma_m_s**2, len(n)) / np.maximum(n, 1)
    newest = np.zeros(len(n), dtype=np.int64)
    np.maximum.at(newest, number, window.t_ns)
    sigma = np.sqrt(1 / total + np.nan_to_num(spread) / 2 / np.maximum(n, 1)) if len(n) else np.empty(0)
    return CellFlow(cell, v, np.maximum(spread - noise, 0.0), sigma, n.astype(np.int64), newest)


def pressure(field: FlowField, rho_p_m2: FloatArray, site_grid: Grid) -> Patches:
    """Crowd pressure on every patch of :data:`PATCH` squares along its side.

    P = rho Var(V), Var the variance over the window of the velocity at one place, both components together, a linear
    trend and what measurement adds (2 sigma^2) taken out. Source: Helbing, Johansson and Al-Abideen 2007, PRE
    75:046109; detrending after docs/movement.md.

    Args:
        field: of velocities.
        rho_p_m2: (rows, cols) the window's mean density.
        site_grid: its cells.

    Returns:
        Only patches all of whose squares have :data:`LEAST_N` samples or more.
    """
    window = field.window
    cell, number, n = np.unique(window.cell, return_inverse=True, return_counts=True)
    t = (window.t_ns - (window.t_ns[0] if len(window) else 0)) / 1e9
    count = len(cell)

    def mean(values: FloatArray) -> FloatArray:
        return np.bincount(number, values, count) / np.maximum(n, 1)

    from_mean = t - mean(t)[number]
    spread = mean(from_mean**2)
    variance, squared = np.zeros(count), np.zeros(count)
    for axis in (0, 1):
        v = window.v_m_s[:, axis]
        middle = mean(v)
        slope = np.divide(mean(from_mean * v), spread, out=np.zeros(count), where=spread > 1e-9)
        rest = v - middle[number] - slope[number] * from_mean
        variance += mean(rest**2) * n / np.maximum(n - 2, 1)
        squared += middle**2
    noise = 2 * mean(window.sigma_m_s**2)
    error = noise / np.sqrt(np.maximum(n - 2, 1))  # of the variance of noise alone, by its 2 (n - 2) free numbers
    known = n >= LEAST_N
    values = np.stack([variance - noise, np.sqrt(squared), error**2])[:, known]
    return _patches(field.grid, cell[known], values, rho_p_m2, site_grid)


def _patches(grid: Grid, cell: IntArray, values: FloatArray, rho_p_m2: FloatArray, site_grid: Grid) -> Patches:
    cols = grid.shape[1]
    steps = [row * cols + col for row in range(PATCH) for col in range(PATCH)]
    place = np.stack([np.searchsorted(cell, cell + step) for step in steps], axis=1)
    place = np.minimum(place, max(0, len(cell) - 1))
    whole = (cell[place] == cell[:, None] + steps).all(axis=1) & (cell % cols <= cols - PATCH)
    members = place[whole]
    row, col = np.divmod(cell[members[:, 0]], cols)
    middle = grid.origin_m + (np.stack([col, row], axis=1) + PATCH / 2) * grid.cell_m
    half = PATCH * grid.cell_m / 4
    corners = [middle + np.array(each) * half for each in ((-1, -1), (-1, 1), (1, -1), (1, 1))]
    rho = np.mean([_at(rho_p_m2, site_grid, corner) for corner in corners], axis=0)
    variance, speed, squared = values[:, members].mean(axis=2)
    return Patches(middle, rho, np.maximum(variance, 0.0), speed, np.sqrt(squared) / PATCH)


def _at(values: FloatArray, grid: Grid, xy_m: FloatArray) -> FloatArray:
    """(N,) of places; NaN outside."""
    cell, _ = parts_at(grid, xy_m)
    found: FloatArray = np.where(cell >= 0, values.ravel()[np.maximum(cell, 0)], np.nan)
    return found
