"""The walkable ground of a site on its grid: only what a view or a zone reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import GroundPlane
from crowdwatch.core.site import Camera, Site
from crowdwatch.ground.cells import AreaCells, cells_of
from crowdwatch.ground.footprint import reach_m
from crowdwatch.ground.grid import Grid, make_grid
from crowdwatch.ground.plane import anchor_height_m, heads_fault
from crowdwatch.ground.polygons import polygon

__all__ = ["Ground", "site_ground", "walkable_ground"]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The cells of a place, and the walkable area on them."""

    grid: Grid
    walkable: AreaCells


def walkable_ground(walkable: BaseGeometry, cell_m: float, reached: BaseGeometry | None = None) -> Ground:
    """Put a walkable area on a grid around it, or around the part of it that is reached.

    Raises:
        ConfigError: there are too many cells; see :func:`~crowdwatch.ground.grid.make_grid`.
    """
    grid = make_grid(walkable if reached is None else walkable & reached, cell_m)
    return Ground(grid, cells_of(grid, walkable, fine=True))


def site_ground(site: Site) -> Ground:
    """The walkable ground around the views and zones of a site; all of it where a camera moves.

    Raises:
        ConfigError: there are too many cells.
        AnchorRefused: heads are the anchor of a camera whose position is unknown.
    """
    walkable = polygon(site.walkable_m, site.obstacles_m)
    planes = [(camera.plane, camera) for camera in site.cameras if camera.plane is not None]
    if len(planes) < len(site.cameras):
        return walkable_ground(walkable, site.cell_m)
    bounds = [polygon(zone.polygon_m).bounds for zone in site.zones]
    bounds += [each for plane, camera in planes if (each := reach_m(plane, _heights(plane, camera))) is not None]
    ends = np.array(bounds)
    return walkable_ground(walkable, site.cell_m, shapely.box(*ends[:, :2].min(axis=0), *ends[:, 2:].max(axis=0)))


def _heights(plane: GroundPlane, camera: Camera) -> tuple[float, ...]:
    """Heights of the planes on which a camera's people are seen."""
    feet = anchor_height_m(camera.anchor, plane)
    with_heads = camera.counts_heads and heads_fault(plane) is None
    return (feet, plane.head_plane_m) if with_heads else (feet,)
