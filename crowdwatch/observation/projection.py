"""Density maps from pixel blocks to ground cells, without gain or loss.

A block is cut into pieces that are no larger than a cell; each is mapped through the head plane, and what falls on a
cell is the part of the piece that lies on it. Within a block people are taken to stand evenly on the ground. So the sum
on the ground, plus what is stated as beyond and unseen, is the sum in the picture. The picture of a density is never
interpolated: that would multiply people where the ground is far.

Nobody stands beyond a wall: what a block that lies across the edge of the walkable area would put there goes to its
part on this side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray, GroundMass, GroundPlane, HeadMass
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground import Grid, Ground, IntArray, Window, heads_fault, to_ground, valid_ground, valid_px

__all__ = ["Projection", "check_plane", "project_to_ground", "projection_of"]

MOST_PIECES = 32
"""Pieces along a block's side: with a block that covers 16 m they are still as fine as cells of half a metre."""

EDGE_PIECES = 4
"""The fewest pieces along the side of a block that may be partly valid."""

MOST_PULL = 4.0
"""How many times its own share the part of a block on walkable ground may take. Of a crowd up to a wall only a part of
the blocks is lost of which less than a quarter lies on this side. And where the area was drawn through a crowd, the
people outside are not heaped up along its edge."""

DIGITS = np.float32
"""Masses on the ground are rounded to 24 bits (6e-8 of a cell's mass), which halves the observation log."""

KEPT = 16
"""Cameras whose shares are remembered: 6 MB each at 1080p. To work them out anew takes less than a counter does."""

EastNorth: TypeAlias = tuple[FloatArray, FloatArray]

_WORKING_OUT = Lock()
"""Held while shares are looked up: frames that are observed at once would work them out once each."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Where the mass of every block of a picture goes.

    Args:
        window: the cells of the grid that get any.
        cell: (P,) cells within the window, row by row.
        block: (P,) blocks that give to them.
        share: (P,) of the block's mass that it gives.
        beyond: (blocks,) share on valid ground where nobody can be or that the grid does not cover.
        unseen: (blocks,) share in pixels without valid ground.
    """

    window: Window
    cell: IntArray
    block: IntArray
    share: FloatArray
    beyond: FloatArray
    unseen: FloatArray


def check_plane(plane: GroundPlane) -> None:
    """See that heads can be put on the ground with this plane.

    Raises:
        AnchorRefused: the camera's position is unknown, or it is not above the heads.
    """
    fault = heads_fault(plane)
    if fault is not None:
        raise AnchorRefused(f"the density map cannot be put on the ground: {fault}")


def projection_of(plane: GroundPlane, block_px: float, ground: Ground) -> Projection:
    """Work out where the mass of blocks goes.

    Raises:
        AnchorRefused: see :func:`check_plane`.
    """
    check_plane(plane)
    height, width = plane.image_hw
    down, across = (_edges(side, block_px) for side in (height, width))
    pieces_v, pieces_u, sure = _pieces_along(plane, across, down, ground.grid.cell_m)
    unseen, beyond = np.ones(sure.size), np.zeros(sure.size)
    walks = np.append(_walkable(ground), False)  # the last is for what lies outside the grid
    parts = []
    for code in np.unique(pieces_v * (MOST_PIECES + 1) + pieces_u):
        k_v, k_u = divmod(int(code), MOST_PIECES + 1)
        if code == 0:
            continue  # nothing near it is valid: all of it is unseen
        rows, cols = np.nonzero((pieces_v == k_v) & (pieces_u == k_u))
        block = rows * (len(across) - 1) + cols
        corners = _lattice(across, down, rows, cols, np.arange(k_u + 1) / k_u, np.arange(k_v + 1) / k_v)
        on_ground = to_ground(plane, corners.reshape(-1, 2), plane.head_plane_m).reshape(corners.shape)
        own, centre_m, size_m = _shapes(on_ground)
        unsure = np.flatnonzero(~sure[rows, cols])
        middles = (np.arange(k_u) + 0.5) / k_u, (np.arange(k_v) + 0.5) / k_v
        valid = np.ones(own.shape, dtype=np.bool_)
        valid[:, unsure] = _valid(plane, _lattice(across, down, rows[unsure], cols[unsure], *middles))
        cell, share = _on_cells(ground.grid, centre_m, size_m)
        own *= valid
        share *= own
        share *= walks[cell]
        seen, on = own.sum(axis=0), share.sum(axis=(0, 1))
        pull = np.minimum(seen / np.maximum(on, 1e-12), MOST_PULL)
        unseen[block], beyond[block] = np.maximum(0.0, 1.0 - seen), np.maximum(0.0, seen - pull * on)
        kept = np.flatnonzero(share)
        giver = kept % len(block)
        parts.append((cell.ravel()[kept], block[giver], share.ravel()[kept] * pull[giver]))
    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    cell, block, share = (np.concatenate(each) for each in zip(nothing, *parts, strict=True))
    filled = np.zeros(ground.grid.shape, dtype=np.bool_)
    filled.ravel()[cell] = True
    window = _around(*np.nonzero(filled))
    within = np.zeros(ground.grid.shape, dtype=np.int64)
    within[window.slices] = np.arange(window.rows * window.cols).reshape(window.shape)
    return Projection(window, within.ravel()[cell], block, share, beyond, unseen)


_remembered = lru_cache(maxsize=KEPT)(projection_of)


def project_to_ground(mass: HeadMass, plane: GroundPlane, ground: Ground, *, moves: bool = False) -> GroundMass:
    """Put a picture's density map on the ground.

    Args:
        mass: from a counter.
        plane: of the camera, with its position.
        ground: cells to fill, and where people can be.
        moves: the plane will not come again; a fixed camera's shares are remembered.

    Returns:
        Persons per cell, and what lies beyond the ground or where none is seen.

    Raises:
        AnchorRefused: see :func:`check_plane`.
        CalibrationError: the picture is not the one that the calibration is for.

    >>> import shapely
    >>> from crowdwatch.ground import plane_from_pose, walkable_ground
    >>> from crowdwatch.core.records import Stamp
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]),
    ...     np.array([0.0, 0.0, 10.0]), image_hw=(100, 100), head_plane_m=2.0)
    >>> one = np.zeros((10, 10))
    >>> one[0, 5] = 3.0  # heads are 8 m below the camera: 0.8 m a block
    >>> seen = project_to_ground(HeadMass(Stamp("c", 0, 0), one, 10.0, (100, 100), "n"), down,
    ...     walkable_ground(shapely.box(0, -4, 8, 0), 0.8))
    >>> seen.mass[4].round(6).tolist(), seen.unseen
    ([0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0], 0.0)
    """
    if mass.image_hw != plane.image_hw:
        got, need = mass.image_hw, plane.image_hw
        raise CalibrationError(
            f"density map: the picture is {got[1]}x{got[0]}, the calibration is for {need[1]}x{need[0]}. Is it "
            "turned or resized? Calibrate for this footage."
        )
    if moves:
        shares = projection_of(plane, mass.block_px, ground)
    else:
        with _WORKING_OUT:
            shares = _remembered(plane, mass.block_px, ground)
    flat = mass.mass.ravel()
    rows, cols = shares.window.shape
    on_ground = np.bincount(shares.cell, shares.share * flat[shares.block], rows * cols)
    return GroundMass(
        stamp=mass.stamp,
        origin_m=ground.grid.part(shares.window).origin_m,
        cell_m=ground.grid.cell_m,
        mass=on_ground.astype(DIGITS).astype(np.float64).reshape(rows, cols),
        beyond=float(shares.beyond @ flat),
        unseen=float(shares.unseen @ flat),
        counter_id=mass.counter_id,
        fewer_frac=mass.fewer_frac,
        more_frac=mass.more_frac,
    )


def _edges(side: int, block_px: float) -> FloatArray:
    """Edges of the blocks along one side; the last one is cut by the picture's edge (as in ``HeadMass``)."""
    edges: FloatArray = np.minimum(np.arange(math.ceil(side / block_px - 1e-9) + 1) * block_px, side)
    return edges


def _pieces_along(
    plane: GroundPlane, across: FloatArray, down: FloatArray, cell_m: float
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """(rows, cols) pieces along the upright and the level side of each block, powers of two, so that none is larger
    than a cell; 0 where the block and all around it is invalid. And whether it and all around it is valid."""
    u, v = np.meshgrid(across, down)
    ground, sigma = valid_ground(plane, np.column_stack([u.ravel(), v.ravel()]), plane.head_plane_m)
    lattice = ground.reshape(len(down), len(across), 2)
    good = np.isfinite(sigma).reshape(len(down), len(across)).astype(np.int64)
    wide = np.pad(good[:-1, :-1] + good[:-1, 1:] + good[1:, :-1] + good[1:, 1:], 1, mode="edge")
    rows, cols = len(down) - 1, len(across) - 1
    near = np.sum([wide[r : r + rows, c : c + cols] for r in range(3) for c in range(3)], axis=0)
    sides = []
    for axis in (0, 1):
        length = np.hypot(*np.moveaxis(np.diff(lattice, axis=axis), 2, 0))
        both = (length[:, :-1], length[:, 1:]) if axis == 0 else (length[:-1], length[1:])
        span_m = np.fmax(*both)
        span_m = np.where(np.isnan(span_m), np.nanmax(span_m, initial=cell_m), span_m)  # no corner of it is valid
        pieces = 2 ** np.ceil(np.log2(np.clip(span_m / cell_m, 1, MOST_PIECES)))
        pieces = np.where(near == 36, pieces, np.maximum(pieces, EDGE_PIECES))
        sides.append(np.where(near == 0, 0, pieces).astype(np.int64))
    return sides[0], sides[1], near == 36


def _lattice(
    across: FloatArray, down: FloatArray, rows: IntArray, cols: IntArray, at_u: FloatArray, at_v: FloatArray
) -> FloatArray:
    """(len(at_v), len(at_u), blocks, 2) pixels at these shares of the sides of some blocks."""
    left, top = across[cols], down[rows]
    uv = np.empty((len(at_v), len(at_u), len(rows), 2))
    uv[..., 0] = left + (across[cols + 1] - left) * at_u[:, None]
    uv[..., 1] = top + (down[rows + 1] - top) * at_v[:, None, None]
    return uv


def _shapes(corners_m: FloatArray) -> tuple[FloatArray, EastNorth, EastNorth]:
    """Of the pieces between (k_v + 1, k_u + 1, blocks, 2) corners on the ground, (pieces, blocks): the share of the
    block's ground, the middle, and the sides of an upright box of the same variance."""
    blocks = corners_m.shape[2]
    across, along, centre, size = [], [], [], []
    for axis in (0, 1):
        at = np.ascontiguousarray(corners_m[..., axis])
        a, b, d, c = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
        across.append((b + c - a - d) / 2)
        along.append((d + c - a - b) / 2)
        centre.append(((a + b + c + d) / 4).reshape(-1, blocks))
        size.append(np.sqrt(across[axis] ** 2 + along[axis] ** 2).reshape(-1, blocks))
    area = np.nan_to_num(np.abs(across[0] * along[1] - across[1] * along[0])).reshape(-1, blocks)
    whole = np.broadcast_to(area.sum(axis=0), area.shape)
    share = np.divide(area, whole, out=np.zeros(area.shape), where=whole > 0)
    return share, (centre[0], centre[1]), (size[0], size[1])


def _valid(plane: GroundPlane, middles_px: FloatArray) -> NDArray[np.bool_]:
    """(pieces, blocks) whether the middle of each piece shows valid ground."""
    valid: NDArray[np.bool_] = valid_px(plane, middles_px.reshape(-1, 2), plane.head_plane_m)
    return valid.reshape(middles_px.shape[0] * middles_px.shape[1], middles_px.shape[2])


def _on_cells(grid: Grid, centre_m: EastNorth, size_m: EastNorth) -> tuple[IntArray, FloatArray]:
    """(4, pieces, blocks) the cells that upright boxes lie on, -1 outside the grid, and the share of each box there."""
    places = []
    for axis in (0, 1):
        size = np.clip(np.nan_to_num(size_m[axis] / grid.cell_m, nan=1.0), 1e-6, 1.0)
        low = np.nan_to_num((centre_m[axis] - grid.origin_m[axis]) / grid.cell_m, nan=-2.0) - size / 2
        first = np.floor(low)
        in_first = np.minimum(1.0, (first + 1 - low) / size)
        at, count = first.astype(np.int64), grid.shape[1 - axis]
        within = [(at >= 0) & (at < count), (at >= -1) & (at < count - 1)]
        places.append((at, within, (in_first, 1 - in_first)))
    (col, col_within, across), (row, row_within, along) = places
    cell = np.empty((4, *row.shape), dtype=np.int64)
    share = np.empty(cell.shape)
    southwest = row * grid.shape[1] + col
    for corner, (east, north) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        step = north * grid.shape[1] + east
        cell[corner] = np.where(col_within[east] & row_within[north], southwest + step, -1)
        share[corner] = across[east] * along[north]
    return cell, share


def _walkable(ground: Ground) -> NDArray[np.bool_]:
    """(cells,) whether people can be there."""
    walks = np.zeros(ground.grid.shape, dtype=np.bool_)
    walks[ground.walkable.window.slices] = ground.walkable.share > 0
    return walks.ravel()


def _around(row: IntArray, col: IntArray) -> Window:
    """The smallest rectangle around some cells; a single cell where there are none."""
    if not len(row):
        return Window(0, 0, 1, 1)
    return Window(int(row.min()), int(col.min()), int(np.ptp(row)) + 1, int(np.ptp(col)) + 1)
