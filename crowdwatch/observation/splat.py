"""Head mass from pixel blocks to ground cells, without gain or loss.

A block's mass is spread evenly over k x k points of the block; each point is mapped through the head plane and gives
its share to the cell it falls into. So the sum on the ground, plus what is stated as beyond and unseen, is the sum in
the picture. The picture of a density is never interpolated: that would multiply people where the ground is far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
from scipy.sparse import csr_array

from crowdwatch.core.records import FloatArray, GroundMass, GroundPlane, HeadMass
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground import Grid, heads_fault, to_ground, valid_ground

__all__ = ["Splat", "check_plane", "splat", "splat_of"]

LEAST_POINTS, MOST_POINTS = 2, 64
"""Points along a block's side. The fewest put every point of a block that is smaller than a cell within a quarter block
of its place; the most make a block that covers 16 m still fine for cells of half a metre."""

POINTS_A_CELL = 2.0
"""Points along a block's side for every cell that the block covers there."""

CHUNK = 50_000
"""Points that are mapped at once: 15 MB."""

DIGITS = np.float32
"""Masses on the ground are rounded to 24 bits (6e-8 of a cell's mass), which halves the observation log."""

_WORKING_OUT = Lock()
"""Held while shares are looked up: frames that are observed at once would work them out once each."""


@dataclass(frozen=True, slots=True, eq=False)
class Splat:
    """Where the mass of every block of a picture goes.

    Args:
        to_ground: (cells, blocks) sparse shares; cells and blocks by row. A column sums to 1 less the other two.
        beyond: (blocks,) share on valid ground outside the grid.
        unseen: (blocks,) share in pixels without valid ground.
    """

    to_ground: csr_array
    beyond: FloatArray
    unseen: FloatArray


def check_plane(plane: GroundPlane) -> None:
    """See that heads can be put on the ground with this plane.

    Raises:
        AnchorRefused: the camera's position is unknown, or it is not above the heads.
    """
    fault = heads_fault(plane)
    if fault is not None:
        raise AnchorRefused(f"head mass cannot be put on the ground: {fault}")


@lru_cache(maxsize=512)
def splat_of(plane: GroundPlane, block_px: float, grid: Grid) -> Splat:
    """Work out where the mass of blocks goes; remembered by plane, side of a block and grid.

    Raises:
        AnchorRefused: see :func:`check_plane`.
    """
    check_plane(plane)
    height, width = plane.image_hw
    down, across = (_edges(side, block_px) for side in (height, width))
    left, top = np.meshgrid(across[:-1], down[:-1])
    right, bottom = np.meshgrid(across[1:], down[1:])
    ltrb = np.stack([left, top, right, bottom], axis=2).reshape(-1, 4)
    points = _points_along(plane, ltrb, grid.cell_m)
    cells = grid.shape[0] * grid.shape[1]
    moved = csr_array((cells, len(ltrb)))
    unseen, beyond = np.zeros(len(ltrb)), np.zeros(len(ltrb))
    for k in np.unique(points):
        of_k = np.flatnonzero(points == k)
        for blocks in np.array_split(of_k, max(1, math.ceil(len(of_k) * k * k / CHUNK))):
            cell, valid = _cells(plane, ltrb[blocks], int(k), grid)
            unseen[blocks] = (~valid).mean(axis=1)
            beyond[blocks] = (valid & (cell < 0)).mean(axis=1)
            hit = cell >= 0
            where = cell[hit], np.repeat(blocks, hit.sum(axis=1))
            shares = np.full(len(where[0]), 1.0 / (k * k))
            moved = moved + csr_array((shares, where), shape=moved.shape)  # equal places are added
    return Splat(moved, beyond, unseen)


def splat(mass: HeadMass, plane: GroundPlane, grid: Grid) -> GroundMass:
    """Put a picture's head mass on the ground.

    Args:
        mass: from a counter.
        plane: of the camera, with its position.
        grid: cells to fill.

    Returns:
        Persons per cell, and what lies beyond the grid or where no ground is seen.

    Raises:
        AnchorRefused: see :func:`check_plane`.
        CalibrationError: the picture is not the one that the calibration is for.

    >>> import shapely
    >>> from crowdwatch.ground import make_grid, plane_from_pose
    >>> from crowdwatch.core.records import Stamp
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]),
    ...     np.array([0.0, 0.0, 10.0]), image_hw=(100, 100), head_plane_m=2.0)
    >>> one = np.zeros((10, 10))
    >>> one[0, 5] = 3.0  # heads are 8 m below the camera: 0.8 m a block
    >>> seen = splat(HeadMass(Stamp("c", 0, 0), one, 10.0, (100, 100), "n"), down,
    ...     make_grid(shapely.box(0, -4, 8, 0), 0.8))
    >>> seen.mass[4].round(6).tolist(), seen.unseen
    ([0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0], 0.0)
    """
    if mass.image_hw != plane.image_hw:
        got, need = mass.image_hw, plane.image_hw
        raise CalibrationError(
            f"head mass: the picture is {got[1]}x{got[0]}, the calibration is for {need[1]}x{need[0]}. Is it turned or "
            "resized? Calibrate for this footage."
        )
    with _WORKING_OUT:
        shares = splat_of(plane, mass.block_px, grid)
    flat = mass.mass.ravel()
    on_ground = (shares.to_ground @ flat).astype(DIGITS).astype(np.float64).reshape(grid.shape)
    return GroundMass(
        stamp=mass.stamp,
        origin_m=grid.origin_m,
        cell_m=grid.cell_m,
        mass=on_ground,
        beyond=float(shares.beyond @ flat),
        unseen=float(shares.unseen @ flat),
        counter_id=mass.counter_id,
    )


def _edges(side: int, block_px: float) -> FloatArray:
    """Edges of the blocks along one side; the last one is cut by the picture's edge (as in ``HeadMass``)."""
    edges: FloatArray = np.minimum(np.arange(math.ceil(side / block_px - 1e-9) + 1) * block_px, side)
    return edges


def _points_along(plane: GroundPlane, ltrb: FloatArray, cell_m: float) -> np.ndarray:
    """(blocks,) points along a block's side: a power of two that grows with the ground that the block covers."""
    corners = ltrb[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    ground = to_ground(plane, corners.reshape(-1, 2), plane.head_plane_m).reshape(-1, 4, 2)
    span_m = np.hypot(*np.ptp(ground, axis=1).T)  # NaN where the horizon cuts the block: the most points
    wanted = np.nan_to_num(POINTS_A_CELL * span_m / cell_m, nan=MOST_POINTS, posinf=MOST_POINTS)
    powers = np.ceil(np.log2(np.clip(wanted, LEAST_POINTS, MOST_POINTS)))
    corner_above = np.isnan(ground[:, :, 0])
    return np.where(np.all(corner_above, axis=1), LEAST_POINTS, 2**powers).astype(np.int64)


def _cells(plane: GroundPlane, ltrb: FloatArray, k: int, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, k * k) cell of every point, -1 outside the grid or without ground; and whether it has valid ground."""
    step = (np.arange(k) + 0.5) / k
    fx, fy = np.meshgrid(step, step)
    x = ltrb[:, :1] + (ltrb[:, 2:3] - ltrb[:, :1]) * fx.ravel()
    y = ltrb[:, 1:2] + (ltrb[:, 3:] - ltrb[:, 1:2]) * fy.ravel()
    uv = np.stack([x, y], axis=2).reshape(-1, 2)
    xy_m, sigma_m = valid_ground(plane, uv, plane.head_plane_m)
    valid = np.isfinite(sigma_m)
    place = np.floor((xy_m - grid.origin_m) / grid.cell_m)
    rows, cols = grid.shape
    within = valid & (place >= 0).all(axis=1) & (place[:, 0] < cols) & (place[:, 1] < rows)
    cell = np.full(len(uv), -1, dtype=np.int64)
    cell[within] = (place[within, 1] * cols + place[within, 0]).astype(np.int64)
    return cell.reshape(-1, k * k), valid.reshape(-1, k * k)
