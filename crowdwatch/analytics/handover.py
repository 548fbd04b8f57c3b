"""Boxes where people stand apart, the density map where they do not: one number from both, cell by cell.

    n(zone) = sum over boxes of (1 - w(where it stands)) + sum over cells of w m,    w = s((rho - low) / (high - low)),

rho the counter's own density, smoothed and edge-corrected, and s(t) = t^2 (3 - 2 t) between 0 and 1. The weight looks
at the counter alone: were it to look at boxes, it would fall back to them just where they fail. It is applied after
the seam, so that another band can be tried on a log. Where people are known to look too small for boxes, w is 1.

Where the state of a picture says that there may be more people, by a share s of the map, there may be as many as the
map would count with them: (1 + s) m w((1 + s) rho). A crowd that the counter reads low is thus not handed to boxes and
forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crowdwatch.analytics.coverage import CameraView
from crowdwatch.analytics.density import smooth_mass
from crowdwatch.core.records import FloatArray, GroundMass
from crowdwatch.core.site import HandOver
from crowdwatch.ground import Grid, Window, moved

__all__ = ["Heads", "heads_of", "on_grid", "weight_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """One answer of a camera's counter, on the cells that the camera's view reaches.

    Args:
        t_ns: exposure.
        mass: (rows, cols) persons per cell; 0 where no heads are seen on walkable ground.
        weight: (rows, cols) w, 0 where boxes count, 1 where the mass does.
        counted: (rows, cols) w m, what the mass counts for.
        fewer_frac, more_frac: as in :class:`~crowdwatch.core.records.HeadMass`; NaN where nobody measured it.
        more: (rows, cols) how many more there may be for that; None where there are none.
    """

    t_ns: int
    mass: FloatArray
    weight: FloatArray
    counted: FloatArray
    fewer_frac: float = math.nan
    more_frac: float = math.nan
    more: FloatArray | None = None


def weight_of(rho_p_m2: FloatArray, low_p_m2: float, high_p_m2: float) -> FloatArray:
    """w for each density; 0 where it is unknown.

    >>> weight_of(np.array([0.2, 1.0, 1.5, 3.0, np.nan]), 1.0, 2.0).tolist()
    [0.0, 0.0, 0.5, 1.0, 0.0]
    """
    t = np.clip((np.nan_to_num(rho_p_m2) - low_p_m2) / (high_p_m2 - low_p_m2), 0.0, 1.0)
    w: FloatArray = t * t * (3 - 2 * t)
    return w


def on_grid(mass: GroundMass, grid: Grid) -> FloatArray:
    """(rows, cols) the mass on another grid: each cell's is shared by area. What lies outside that grid is left out.

    >>> from crowdwatch.core.records import Stamp
    >>> two = GroundMass(Stamp("c", 0, 0), np.zeros(2), 1.0, np.array([[2.0, 4.0]]), 0.0, 0.0, "n")
    >>> on_grid(two, Grid(np.array([0.5, 0.0]), 1.0, (1, 2))).tolist()
    [[3.0, 2.0]]
    """
    shift = (grid.origin_m - mass.origin_m) / grid.cell_m
    whole = np.round(shift).astype(int)
    if mass.cell_m == grid.cell_m and np.allclose(shift, whole, atol=1e-6):
        row, col = int(whole[1]), int(whole[0])
        return moved(mass.mass, Window(0, 0, *mass.mass.shape), Window(row, col, *grid.shape))
    rows, cols = (
        _shares(mass.origin_m[axis], mass.cell_m, mass.mass.shape[side], grid.origin_m[axis], grid.cell_m, length)
        for axis, side, length in ((1, 0, grid.shape[0]), (0, 1, grid.shape[1]))
    )
    shared: FloatArray = rows @ mass.mass @ cols.T
    return shared


def heads_of(view: CameraView, mass: GroundMass, grid: Grid, bandwidth_m: float, band: HandOver) -> Heads:
    """Work out where an answer of a camera's counter counts; ground where it sees no heads is left to boxes.

    A cell's mass is taken as it is, however little of the cell the camera sees: it came from that part alone. Only the
    kernel's share knows how much ground that was.

    Args:
        view: of the camera when it took the picture.
        mass: the answer.
        grid: of the site.
        bandwidth_m: of the kernel.
        band: the densities between which heads take over.
    """
    own = grid.part(view.window)
    placed = np.where(view.heads_share > 0, on_grid(mass, own), 0.0)
    rho = smooth_mass(own, placed, view.heads_kernel, bandwidth_m)

    def taken(density_p_m2: FloatArray) -> FloatArray:
        return np.where(view.unboxed, 1.0, weight_of(density_p_m2, band.low_p_m2, band.high_p_m2))

    weight = taken(rho)
    counted, more = placed * weight, None
    if mass.more_frac > 0:
        most = 1.0 + mass.more_frac
        more = most * placed * taken(most * rho) - counted
    return Heads(mass.stamp.t_ns, placed, weight, counted, mass.fewer_frac, mass.more_frac, more)


def _shares(from_m: float, cell_m: float, count: int, to_from_m: float, to_cell_m: float, to_count: int) -> FloatArray:
    """(to_count, count) share of each stretch of one axis that falls into each stretch of another."""
    edges = from_m + np.arange(count + 1) * cell_m
    to_edges = to_from_m + np.arange(to_count + 1) * to_cell_m
    low = np.maximum(edges[None, :-1], to_edges[:-1, None])
    high = np.minimum(edges[None, 1:], to_edges[1:, None])
    shares: FloatArray = np.maximum(high - low, 0.0) / cell_m
    return shares
