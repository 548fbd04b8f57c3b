"""What one picture sees of the grid: the parts of cells that it validly sees, how well, and how large they appear.

A camera that stands still has one footprint; a drone has one for every pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, FloatArray, GroundPlane
from crowdwatch.ground.grid import Grid, Window
from crowdwatch.ground.parts import EVERY_PART, SIDE, Masks, packed
from crowdwatch.ground.plane import (
    anchor_height_m,
    heads_fault,
    hull_area,
    image_at,
    picture_edges_px,
    sigma_at,
    valid_at,
)
from crowdwatch.ground.polygons import inside

__all__ = ["Footprint", "footprint", "reach_m", "sees"]

THERE_AND_BACK_PX = 1e-3
"""A pixel on the picture's edge that goes to the ground and back may come to lie this far beyond it, through a lens."""

LATTICE = 65
"""Pixels along either side of the picture that are mapped to find how far it reaches: every 30 px at 1080p."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """A picture on a rectangle of cells.

    Args:
        window: the cells that it reaches.
        seen: (rows, cols) the parts on which people are seen: their anchors and, where a density estimator runs, their
            heads too.
        heads: (rows, cols) the parts on which heads are seen, whether or not the feet below; none without an estimator.
        sigma_m: (rows, cols) position error at the cell's centre; infinite where it is not valid.
        px2_m2: (rows, cols) pixels that a square metre takes, at the height of heads where that is known; NaN behind
            the camera.
    """

    window: Window
    seen: Masks
    heads: Masks
    sigma_m: FloatArray
    px2_m2: FloatArray


def reach_m(plane: GroundPlane, heights_m: tuple[float, ...]) -> tuple[float, float, float, float] | None:
    """Bounds (west, south, east, north) of the ground that a picture validly sees, with some room around it.

    The room is one and a half times the largest step between neighbours of a lattice of pixels on the ground.

    Args:
        plane: the calibration.
        heights_m: planes that count, as 0 for feet.

    Returns:
        None where nothing is validly seen.

    Raises:
        AnchorRefused: a height is not 0 and the camera's position is unknown.
    """
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    u, v = np.linspace(left, right, LATTICE), np.linspace(top, bottom, LATTICE)[:, None]
    bounds = []
    for height_m in heights_m:
        places = valid_at(plane, u, v, height_m)[:2]
        known = np.isfinite(places[0])
        if not known.any():
            continue
        steps = [np.abs(np.diff(at, axis=axis)) for at in places for axis in (0, 1)]
        largest = np.array([np.fmax.reduce(step, axis=None) for step in steps])
        room = 1.5 * float(np.nanmax(largest) if np.isfinite(largest).any() else plane.max_sigma_m)
        inner = [at[known] for at in places]
        bounds.append([*(at.min() - room for at in inner), *(at.max() + room for at in inner)])
    if not bounds:
        return None
    west, south = np.min(bounds, axis=0)[:2]
    east, north = np.max(bounds, axis=0)[2:]
    return float(west), float(south), float(east), float(north)


def footprint(plane: GroundPlane, anchor: Anchor, counts_heads: bool, grid: Grid) -> Footprint:
    """Find what a picture sees of the grid.

    Cells whose neighbours are all seen, or all unseen, are so themselves; of the others every part is looked at.

    Args:
        plane: of the picture.
        anchor: the part of a person that its detections mark.
        counts_heads: whether a density estimator looks at it: ground is then seen only with the heads of who stands
            there, because the picture's edge cuts heads off before feet.
        grid: the cells.

    Raises:
        AnchorRefused: heads are the anchor, and the camera's position is unknown.
    """
    height_m = anchor_height_m(anchor, plane)
    with_heads = counts_heads and heads_fault(plane) is None
    heights = (height_m, plane.head_plane_m) if with_heads and height_m == 0.0 else (height_m,)
    bounds = reach_m(plane, heights)
    window = Window(0, 0, 0, 0) if bounds is None else grid.around(*bounds)
    if not window:
        window = Window(0, 0, 0, 0)
        nothing = np.zeros(window.shape, dtype=np.uint16)
        return Footprint(window, nothing, nothing, np.zeros(window.shape), np.zeros(window.shape))
    while True:
        anchors, sigma, shown_px = _seen(plane, height_m, grid, window)
        masks = [anchors]
        if len(heights) > 1:
            heads, _, shown_px = _seen(plane, plane.head_plane_m, grid, window)
            masks.append(heads)
        larger = _grown(masks, grid, window)
        if larger == window:
            break
        window = larger
    heads = masks[-1] if with_heads else np.zeros(window.shape, dtype=np.uint16)
    seen = anchors & heads if with_heads else anchors
    kept = _cropped(seen | heads, window)
    here = kept.within(window)
    if heights[-1] != (plane.head_plane_m if heads_fault(plane) is None else 0.0):
        around = _around(kept)
        east, north = grid.centres(around)
        shown_px, window = image_at(plane, east, north[:, None], plane.head_plane_m), kept
    pixels = _px2_m2(shown_px, grid.cell_m, kept.within(window))
    sigma = np.where(np.isfinite(sigma), sigma, np.inf)[here]
    return Footprint(kept, seen[here].copy(), heads[here].copy(), sigma, pixels)


def sees(plane: GroundPlane, anchor: Anchor, counts_heads: bool, xy_m: FloatArray) -> NDArray[np.bool_]:
    """(N,) whether people at (N, 2) places are validly seen: what the masks of :func:`footprint` say of parts of cells.

    Args:
        plane, anchor, counts_heads: as there.
        xy_m: where they stand.
    """
    height_m = anchor_height_m(anchor, plane)
    east, north = np.ascontiguousarray(xy_m.T)
    seen = _valid(plane, east, north, height_m)[0]
    if counts_heads and height_m == 0.0 and heads_fault(plane) is None:
        seen &= _valid(plane, east, north, plane.head_plane_m)[0]
    return seen


def _valid(
    plane: GroundPlane, east_m: FloatArray, north_m: FloatArray, height_m: float
) -> tuple[NDArray[np.bool_], FloatArray, tuple[FloatArray, FloatArray]]:
    """Whether ground points, whose coordinates broadcast, are validly seen; their position errors, NaN outside the
    picture; and the pixels where they would be."""
    u, v = image_at(plane, east_m, north_m, height_m)
    left, top, right, bottom = np.array(picture_edges_px(plane.image_hw)) + np.array([-1, -1, 1, 1]) * THERE_AND_BACK_PX
    valid: NDArray[np.bool_] = (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
    pictured, sigma = np.flatnonzero(valid), np.full(u.shape, np.nan)
    sigma.ravel()[pictured] = sigma_at(plane, u.ravel()[pictured], v.ravel()[pictured], height_m)
    valid = sigma <= plane.max_sigma_m
    hull = hull_area(plane)
    if hull is not None:
        east, north = (np.broadcast_to(each, u.shape)[valid] for each in (east_m, north_m))
        valid[valid] = inside(hull, np.stack([east, north], axis=1))
    return valid, sigma, (u, v)


def _around(window: Window) -> Window:
    """With one more cell on each side."""
    return Window(window.row - 1, window.col - 1, window.rows + 2, window.cols + 2)


def _seen(
    plane: GroundPlane, height_m: float, grid: Grid, window: Window
) -> tuple[Masks, FloatArray, tuple[FloatArray, FloatArray]]:
    """(rows, cols) masks of the parts that are validly seen at a height; the position error at the centres of the cells
    near to what is seen, NaN elsewhere or there, too; and the pixels of the centres, one more cell on each side."""
    east, north = grid.centres(_around(window))
    valid, sigma, (u, v) = _valid(plane, east, north[:, None], height_m)
    good = valid.view(np.uint8)
    three = good[:-2] + good[1:-1] + good[2:]
    near = three[:, :-2] + three[:, 1:-1] + three[:, 2:]
    masks = (near == 9) * EVERY_PART
    row, col = np.nonzero((near > 0) & (near < 9))
    step = (np.arange(SIDE) + 0.5) / SIDE * grid.cell_m
    x = grid.origin_m[0] + (window.col + col)[:, None] * grid.cell_m + step
    y = grid.origin_m[1] + (window.row + row)[:, None] * grid.cell_m + step
    fine = _valid(plane, x[:, None, :], y[:, :, None], height_m)[0]
    masks[row, col] = packed(fine.transpose(1, 0, 2).reshape(SIDE, -1))[0] if len(row) else 0
    sigma = sigma[1:-1, 1:-1]
    row, col = np.nonzero((near > 0) & np.isnan(sigma))  # cells that show in part, not at their centre
    sigma[row, col] = sigma_at(plane, u[row + 1, col + 1], v[row + 1, col + 1], height_m)
    return masks, sigma, (u, v)


def _grown(masks: list[Masks], grid: Grid, window: Window) -> Window:
    """The window with half of its size more on each side at which something is still seen."""
    seen = np.any([mask != 0 for mask in masks], axis=0)
    rows, cols = (max(2, side // 2) for side in window.shape)
    south, north = rows * bool(seen[0].any()), rows * bool(seen[-1].any())
    west, east = cols * bool(seen[:, 0].any()), cols * bool(seen[:, -1].any())
    wanted = Window(window.row - south, window.col - west, window.rows + south + north, window.cols + west + east)
    return wanted & grid.window


def _cropped(masks: Masks, window: Window) -> Window:
    """The smallest rectangle around the cells of which something is seen."""
    rows, cols = np.flatnonzero(masks.any(axis=1)), np.flatnonzero(masks.any(axis=0))
    if not len(rows):
        return Window(window.row, window.col, 0, 0)
    return Window(
        window.row + int(rows[0]), window.col + int(cols[0]),
        int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1,
    )  # fmt: skip


def _px2_m2(shown_px: tuple[FloatArray, FloatArray], cell_m: float, here: tuple[slice, slice]) -> FloatArray:
    """(rows, cols) pixels that a square metre takes, by the differences to the neighbours' centres.

    Args:
        shown_px: where the centres of cells are shown, with one more on each side.
        cell_m: a cell's side.
        here: the cells that are wanted, without those beside them.
    """
    rows, cols = (slice(side.start, side.stop + 2) for side in here)
    across, along = [], []
    for at in (each[rows, cols] for each in shown_px):
        across.append((at[1:-1, 2:] - at[1:-1, :-2]) / (2 * cell_m))
        along.append((at[2:, 1:-1] - at[:-2, 1:-1]) / (2 * cell_m))
    pixels: FloatArray = np.abs(across[0] * along[1] - across[1] * along[0])
    return pixels
