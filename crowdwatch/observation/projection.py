"""Density maps from pixel blocks to ground cells, without gain or loss.

A block is cut into pieces that are no larger than a cell; each is mapped through the head plane, and what falls on a
cell is the part of the piece that lies on it. Within a block people are taken to stand evenly on the ground. So the sum
on the ground, plus what is stated as beyond and unseen, is the sum in the picture. The picture of a density is never
interpolated: that would multiply people where the ground is far.

Nobody stands beyond a wall: what a block that lies across the edge of the walkable area would put there goes to its
part on this side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from crowdwatch.core.records import FloatArray, GroundMass, GroundPlane, HeadMass
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground import Ground, IntArray, Window, heads_fault
from crowdwatch.observation.pieces import PaddedCells, cut_blocks

__all__ = ["Projection", "check_plane", "project_to_ground", "projection_of"]

MOST_PULL = 4.0
"""How many times its own share the part of a block on walkable ground may take. Of a crowd up to a wall only a part of
the blocks is lost of which less than a quarter lies on this side. And where the area was drawn through a crowd, the
people outside are not heaped up along its edge."""

DIGITS = np.float32
"""Masses on the ground are rounded to 24 bits (6e-8 of a cell's mass), which halves the observation log."""

KEPT = 16
"""Cameras whose shares are remembered: 6 MB each at 1080p. To work them out anew takes less than a counter does."""

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
    cut, cells = cut_blocks(plane, block_px, ground.grid.cell_m), PaddedCells.of(ground)
    unseen, beyond = np.ones(cut.sure.size), np.zeros(cut.sure.size)
    most = 4 * cut.pieces  # filled in place: fresh memory costs more than what is worked out
    cell, block, share = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    count = 0
    for blocks in cut.alike():
        own, centre_m, size_m = blocks.shapes()
        if len(blocks.unsure):
            own[:, blocks.unsure] *= blocks.partly_valid()
        under, part = cells.under(centre_m, size_m)
        part *= own
        seen, on = own.sum(axis=0), part.sum(axis=(0, 1))
        pull = np.minimum(seen / np.maximum(on, 1e-12), MOST_PULL)
        unseen[blocks.block], beyond[blocks.block] = np.maximum(0.0, 1.0 - seen), np.maximum(0.0, seen - pull * on)
        part *= pull
        kept = part != 0
        some = slice(count, count + int(np.count_nonzero(kept)))
        cell[some], share[some] = under[kept], part[kept]
        block[some] = np.broadcast_to(blocks.block, kept.shape)[kept]
        count = some.stop
    cell, block, share = cell[:count], block[:count], share[:count]
    return Projection(cells.placed(cell), cell, block, share, beyond, unseen)


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
