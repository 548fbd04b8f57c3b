"""What moving cameras look at, and the age of the last sight of every cell, out of what the fold remembers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely

from crowdwatch.analytics.coverage import CameraView, Coverage, SiteView
from crowdwatch.analytics.memory import Memory
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.ground import picture_edges_px, valid_at

__all__ = ["sight_of"]

LATTICE = 17
"""Pixels along either side of the picture whose ground is looked for: its outline is known to a sixteenth of a side."""


def sight_of(view: SiteView, memory: Memory, coverage: Coverage, t_ns: int) -> SiteSight | None:
    """The sight of a site at a tick; None where no camera moves."""
    moving = [camera.camera_id for camera in view.site.cameras if camera.moves]
    if not moving:
        return None
    age_s = np.where(memory.ever != 0, (t_ns - memory.seen_ns) / 1e9, np.inf)
    return SiteSight(t_ns, view.grid.origin_m, view.grid.cell_m, age_s, _footprints(moving, coverage))


def _footprints(moving: list[str], coverage: Coverage) -> tuple[Footprint, ...]:
    views: Mapping[str, CameraView] = coverage.views
    return tuple(_footprint(name, views[name].plane) for name in moving if name in coverage.healthy)


def _footprint(camera_id: str, plane: GroundPlane) -> Footprint:
    centre = plane.camera_centre_m
    return Footprint(camera_id, _ring(plane), np.full(3, np.nan) if centre is None else centre, plane.rmse_m)


def _ring(plane: GroundPlane) -> FloatArray:
    """(K, 2) hull of the ground of a lattice of pixels: what a plane shows well enough is convex on the ground, but
    for the bend of a lens."""
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    u, v = np.linspace(left, right, LATTICE), np.linspace(top, bottom, LATTICE)[:, None]
    east, north = valid_at(plane, u, v, 0.0)[:2]
    known = np.isfinite(east) & np.isfinite(north)
    hull = shapely.MultiPoint(np.column_stack([east[known], north[known]])).convex_hull
    if hull.geom_type != "Polygon":
        return np.empty((0, 2))
    return np.asarray(shapely.get_coordinates(hull)[:-1], np.float64)
