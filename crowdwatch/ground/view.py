"""What a camera sees: the ground it covers, and how large a head appears."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import Anchor, FloatArray, GroundPlane
from crowdwatch.ground.lens import undistort
from crowdwatch.ground.plane import (
    BoolArray,
    heads_fault,
    hull_area,
    picture_edges_px,
    position_sigma_m,
    to_ground,
    to_image,
)

__all__ = ["areas_only", "ground_seen", "head_size_px", "visible_area"]

# The picture is cut into this many cells along its longer side. A straight chord of 1/96 of the picture departs from
# a lens-curved edge by less than 0.05 px even at 4K.
_CELLS = 96
_HALVINGS = 40

TALLEST_ABOVE_HEAD_PLANE_M = 0.35
"""Heads up to this far above the head plane still appear no larger than :func:`head_size_px` says."""

BARE_HOMOGRAPHY_FACTOR = 3.0
"""Without a camera position a head is taken to be this much nearer than the ground behind it: Hc / (Hc - 2.0) is 3
for a camera 3 m up and less for every higher one. A lower camera needs its position for the size to be a bound."""


def visible_area(plane: GroundPlane, height_m: float = 0.0, within: BaseGeometry | None = None) -> BaseGeometry:
    """Find the ground inside ``within`` that the camera validly sees, for people whose anchor is at ``height_m``.

    It is the image of the valid pixels (:func:`~crowdwatch.ground.plane.valid_px`): the picture is cut into cells,
    the curve where the position error reaches its limit is traced through them (marching squares, every crossing
    found by bisection), the cells are mapped to the ground and joined, then cut with the hull of the control points.
    Cells keep the lens, and a horizon inside the picture, exact at their corners.

    Args:
        plane: the calibration.
        height_m: 0 for feet, ``plane.head_plane_m`` for heads.
        within: the walkable area, metres; None for everything that is validly seen.

    Returns:
        A Polygon or MultiPolygon, empty when nothing of ``within`` is seen.

    Raises:
        AnchorRefused: heads, and the camera's position is unknown.

    >>> from crowdwatch.ground import plane_from_pose
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> visible_area(down, within=shapely.box(1.0, -4.0, 3.0, -1.0)).area
    6.0
    """
    cut = _least_w(plane, within, height_m)
    if cut is None:
        return shapely.Polygon()
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    cell = max(right - left, bottom - top) / _CELLS
    u = np.linspace(left, right, max(1, round((right - left) / cell)) + 1)
    v = np.linspace(top, bottom, max(1, round((bottom - top) / cell)) + 1)
    rings = _valid_rings(plane, u, v, height_m, cut)
    if not rings:
        return shapely.Polygon()
    ground = to_ground(plane, np.concatenate(rings), height_m)
    parts = np.split(ground, np.cumsum([len(ring) for ring in rings])[:-1])
    seen: BaseGeometry = shapely.union_all([shapely.make_valid(shapely.Polygon(part)) for part in parts])
    for limit in (hull_area(plane), within):
        seen = seen if limit is None else seen.intersection(limit)
    return areas_only(seen)


def ground_seen(
    plane: GroundPlane, anchor: Anchor, counts_heads: bool, walkable: BaseGeometry
) -> tuple[BaseGeometry, BaseGeometry]:
    """The walkable ground that a camera sees, and the part of all of it on which it sees heads.

    Where a counter counts, ground is seen only if the heads of who stands there are: the picture's edge cuts them off
    before the feet, and boxes alone would make a dense crowd there few people. Without a counter the second is empty.

    Raises:
        AnchorRefused: heads are the anchor, and the camera's position is unknown.
    """
    anchors = visible_area(plane, plane.head_plane_m if anchor is Anchor.HEAD else 0.0, within=walkable)
    if not counts_heads or heads_fault(plane) is not None:
        return anchors, shapely.Polygon()
    heads = anchors if anchor is Anchor.HEAD else visible_area(plane, plane.head_plane_m, within=walkable)
    return areas_only(anchors & heads), heads


def head_size_px(plane: GroundPlane, head_m: float = 0.25, step_px: int = 16) -> FloatArray:
    """Say how many pixels across a head would appear, were it centred at each pixel: the size privacy must blur.

    The largest singular value of d(u, v)/d(X, Y, Z), taken over the head's own size, on a plane 0.35 m above the
    head plane, where the tallest people's heads are: it is an upper bound for heads at or below that height. Without
    a camera position, the largest scale of the ground times 3, because a head is nearer than the ground behind it.

    Args:
        plane: the calibration.
        head_m: diameter of a head.
        step_px: the size is computed on a lattice of this step; every pixel takes the largest of its four corners.

    Returns:
        (H, W) pixels; 0 above the horizon; never more than the longer side of the picture, which is also the answer
        everywhere when the camera is not clearly above people's heads.

    >>> from crowdwatch.ground import plane_from_pose
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 12.0]),
    ...     image_hw=(100, 100))
    >>> bool(head_size_px(down)[50, 50] >= 100 * 0.25 / (12 - 1.65))
    True
    """
    height, width = plane.image_hw
    longest = float(max(height, width))
    u, v = (np.minimum(np.arange(0, size + step_px, step_px), size) for size in (width, height))
    uv = np.stack(np.meshgrid(u, v), axis=2).reshape(-1, 2).astype(np.float64)
    size = _head_sizes(plane, uv, head_m, longest)
    size[np.isnan(undistort(plane.lens, uv)).any(axis=1)] = size.max(initial=0.0)
    corner = np.minimum(size, longest).reshape(len(v), len(u))
    largest = np.max([corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:], corner[1:, 1:]], axis=0)
    dense: FloatArray = np.repeat(np.repeat(largest, step_px, axis=0), step_px, axis=1)[:height, :width]
    return dense


def _head_sizes(plane: GroundPlane, uv: FloatArray, head_m: float, longest: float) -> FloatArray:
    """(N,) size at single pixels: 0 above the horizon, ``longest`` where it has no bound."""
    centre = plane.camera_centre_m
    level = 0.0 if centre is None else plane.head_plane_m + TALLEST_ABOVE_HEAD_PLANE_M
    if centre is not None and level + head_m > centre[2]:
        return np.full(len(uv), longest)
    xy = to_ground(plane, uv, level)
    seen = np.isfinite(xy).all(axis=1)
    columns = []
    for axis in (0, 1) if centre is None else (0, 1, 2):
        step = np.zeros(3)
        step[axis] = head_m / 2
        ends = [to_image(plane, xy[seen] + sign * step[:2], level + sign * step[2]) for sign in (1, -1)]
        columns.append(ends[0] - ends[1])
    size = np.zeros(len(uv))
    jacobian = np.stack(columns, axis=2)
    unbounded: BoolArray = np.asarray(np.isnan(jacobian).any(axis=(1, 2)))
    known: FloatArray = np.where(unbounded[:, None, None], 0.0, jacobian)
    across: FloatArray = np.linalg.norm(known, ord=2, axis=(1, 2))
    size[seen] = np.where(unbounded, longest, across * (BARE_HOMOGRAPHY_FACTOR if centre is None else 1.0))
    return size


def _least_w(plane: GroundPlane, within: BaseGeometry | None, height_m: float) -> float | None:
    """Return a lower bound of the third homogeneous coordinate w over ``within``; None when all of it is behind.

    1 / w is linear on the ground, so its largest value over an area is at a corner. Half the bound is returned: the
    cut stays clear of the area, and everything mapped stays finite.
    """
    if within is None:
        return 0.0
    if within.is_empty:
        return None
    corners = shapely.get_coordinates(within.convex_hull)
    shadow = corners
    if height_m != 0 and plane.camera_centre_m is not None:
        nadir, up = plane.camera_centre_m[:2], plane.camera_centre_m[2]
        if height_m >= up:
            return None
        shadow = nadir + (corners - nadir) * up / (up - height_m)
    inverse_w = np.column_stack([shadow, np.ones(len(shadow))]) @ np.linalg.inv(plane.image_to_ground)[2]
    greatest = float(inverse_w.max())
    return 0.5 / greatest if greatest > 0 else None


def _valid_rings(plane: GroundPlane, u: FloatArray, v: FloatArray, height_m: float, cut: float) -> list[FloatArray]:
    """Rings of pixels that together cover the valid part of a lattice of cells: runs of whole cells, and cut cells."""

    def valid(uv: FloatArray) -> BoolArray:
        ideal = undistort(plane.lens, uv)
        w = np.column_stack([ideal, np.ones(len(ideal))]) @ plane.image_to_ground[2]
        good: BoolArray = (w >= cut) & (position_sigma_m(plane, uv, height_m) <= plane.max_sigma_m)
        return good

    nodes = np.stack(np.meshgrid(u, v), axis=2)
    good = valid(nodes.reshape(-1, 2)).reshape(nodes.shape[:2])
    across = _crossings(valid, nodes[:, :-1], nodes[:, 1:], good[:, :-1], good[:, 1:])
    down = _crossings(valid, nodes[:-1], nodes[1:], good[:-1], good[1:])
    corners = good[:-1, :-1].astype(int) + good[:-1, 1:] + good[1:, :-1] + good[1:, 1:]
    rings = []
    for row in range(len(v) - 1):
        whole = np.flatnonzero(corners[row] == 4)
        for run in np.split(whole, np.flatnonzero(np.diff(whole) > 1) + 1):
            if len(run):
                span = slice(run[0], run[-1] + 2)
                rings.append(np.concatenate([nodes[row, span], nodes[row + 1, span][::-1]]))
        for col in np.flatnonzero((corners[row] > 0) & (corners[row] < 4)):
            turn = [(row, col), (row, col + 1), (row + 1, col + 1), (row + 1, col)]
            edges = [across[row, col], down[row, col + 1], across[row + 1, col], down[row, col]]
            ring = []
            for here, following, crossing in zip(turn, turn[1:] + turn[:1], edges, strict=True):
                if good[here]:
                    ring.append(nodes[here])
                if good[here] != good[following]:
                    ring.append(crossing)
            rings.append(np.array(ring))
    return rings


def _crossings(
    valid: Callable[[FloatArray], BoolArray],
    start: FloatArray,
    end: FloatArray,
    start_good: BoolArray,
    end_good: BoolArray,
) -> FloatArray:
    """Return the last valid pixel on every edge that has one valid end (undefined on the others)."""
    found = start.copy()
    cut = start_good != end_good
    if cut.any():
        first = start_good[cut][:, None]
        inner = np.where(first, start[cut], end[cut])
        outer = np.where(first, end[cut], start[cut])
        for _ in range(_HALVINGS):
            middle = (inner + outer) / 2
            good = valid(middle)[:, None]
            inner, outer = np.where(good, middle, inner), np.where(good, outer, middle)
        found[cut] = inner
    return found


def areas_only(shape: BaseGeometry) -> BaseGeometry:
    """Drop points and lines that an intersection may leave."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    kept = [part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon")]
    joined: BaseGeometry = shapely.union_all(kept) if kept else shapely.Polygon()
    return joined
