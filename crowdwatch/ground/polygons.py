"""Areas on the ground."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import RecordError

__all__ = ["inside", "polygon", "polygon_fault"]

MIN_AREA_M2 = 1e-6


def polygon_fault(xy_m: FloatArray | Sequence[Sequence[float]]) -> str | None:
    """Say in one line what is wrong with a ring of corners and how to repair it, or None when nothing is.

    Args:
        xy_m: (N, 2) corners in order around the edge; the first need not be repeated at the end.

    >>> polygon_fault([(0, 0), (2, 0), (2, 2)]) is None
    True
    >>> polygon_fault([(0, 0), (2, 2), (2, 0), (0, 2)])
    'the edge crosses itself near (1.00, 1.00). List the corners in the order in which one walks around the area.'
    """
    try:
        xy = np.asarray(xy_m, dtype=np.float64)
    except (TypeError, ValueError):
        return "the corners are not pairs of numbers. Give each corner as [east, north] in metres."
    if xy.ndim != 2 or xy.shape[1] != 2:
        return f"the corners have shape {xy.shape}. Give each corner as [east, north] in metres."
    if not np.isfinite(xy).all():
        return f"corner {int(np.argmin(np.isfinite(xy).all(axis=1))) + 1} is not finite. Give numbers in metres."
    corners = len(np.unique(xy, axis=0))
    if corners < 3:
        return f"got {corners} different corners, need at least 3. Add the missing corners."
    ring = shapely.Polygon(xy)
    if not ring.is_valid:
        place = re.search(r"\[(\S+) (\S+)\]", explain_validity(ring))
        where = f" near ({float(place[1]):.2f}, {float(place[2]):.2f})" if place else ""
        if np.linalg.matrix_rank(xy - xy.mean(axis=0), tol=1e-9) < 2:
            return "all corners lie on one line: the area is 0 m2. Give the corners of an area."
        return f"the edge crosses itself{where}. List the corners in the order in which one walks around the area."
    if ring.area < MIN_AREA_M2:
        return f"the area is {ring.area:.3g} m2, need > {MIN_AREA_M2:g}. Give the corners in metres."
    return None


def polygon(
    xy_m: FloatArray | Sequence[Sequence[float]], holes: Sequence[FloatArray | Sequence[Sequence[float]]] = ()
) -> BaseGeometry:
    """Build an area from its outer ring, less the holes.

    A hole may cross the outer ring (a stage at the edge of a square): what lies outside changes nothing.

    Args:
        xy_m: (N, 2) corners in order around the edge.
        holes: rings of the same form.

    Returns:
        A valid Polygon, or MultiPolygon where a hole cuts the area in two.

    Raises:
        RecordError: a ring has a fault, or the holes leave nothing.

    >>> polygon([(0, 0), (4, 0), (4, 3), (0, 3)], holes=[[(1, 1), (2, 1), (2, 2), (1, 2)]]).area
    11.0
    """
    fault = polygon_fault(xy_m)
    if fault:
        raise RecordError(f"polygon: {fault}")
    area: BaseGeometry = shapely.Polygon(np.asarray(xy_m, dtype=np.float64))
    for number, ring in enumerate(holes, start=1):
        fault = polygon_fault(ring)
        if fault:
            raise RecordError(f"polygon: hole {number}: {fault}")
        area = area.difference(shapely.Polygon(np.asarray(ring, dtype=np.float64)))
    if area.area < MIN_AREA_M2:
        raise RecordError(f"polygon: the {len(holes)} holes cover all of it. Make the holes smaller.")
    return area


def inside(area: BaseGeometry, xy_m: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which points lie in an area; its edge belongs to it.

    Args:
        area: any shapely area.
        xy_m: (N, 2) metres.

    Returns:
        (N,) bool; False where a coordinate is NaN.

    >>> inside(polygon([(0, 0), (1, 0), (1, 1)]), np.array([[0.9, 0.1], [0.1, 0.9], [np.nan, 0.0]])).tolist()
    [True, False, False]
    """
    xy = np.asarray(xy_m, dtype=np.float64).reshape(-1, 2)
    known = np.isfinite(xy).all(axis=1)
    found = np.zeros(len(xy), dtype=np.bool_)
    shapely.prepare(area)
    found[known] = shapely.intersects_xy(area, xy[known, 0], xy[known, 1])
    return found
