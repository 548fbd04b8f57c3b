"""One site out of many cameras: what is seen, and which camera counts a person where views overlap.

Each piece of ground belongs to one camera, the one with the smallest position error there among the healthy ones;
a person counts only in the view that owns the ground they stand on. Counts are averaged over no cameras and added
over none, so that nobody is counted twice and the sum is the sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch import geometry
from crowdwatch.density import Grid, kernel_share, make_grid
from crowdwatch.observe import anchor_height_m
from crowdwatch.records import FloatArray
from crowdwatch.site import Camera, Site, Zone

__all__ = ["CameraView", "SeenGround", "SiteView", "ZoneGround", "view_site"]


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """A camera and the walkable ground that it validly sees; ``sigma_m`` (rows, cols) is its position error."""

    camera: Camera
    visible: BaseGeometry
    sigma_m: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ZoneGround:
    """A zone's walkable ground and the cells whose centres lie on it."""

    zone: Zone
    ground: BaseGeometry
    cells: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class SeenGround:
    """What a set of healthy cameras sees together: the area, the kernel's share, each zone's visible share."""

    area: BaseGeometry
    share: FloatArray
    visible_frac: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """A site prepared for the fold: everything here follows from the :class:`Site` and is computed once."""

    site: Site
    walkable: BaseGeometry
    grid: Grid
    cameras: dict[str, CameraView]
    zones: tuple[ZoneGround, ...]
    _seen: dict[frozenset[str], SeenGround] = field(default_factory=dict)

    def seen(self, healthy: frozenset[str]) -> SeenGround:
        """What these cameras see together; remembered, since it changes only when a camera's health does."""
        if healthy not in self._seen:
            area = shapely.union_all([self.cameras[camera_id].visible for camera_id in sorted(healthy)])
            shapely.prepare(area)
            fractions = [shapely.area(zone.ground & area) / zone.ground.area for zone in self.zones]
            share = kernel_share(self.grid, area, self.site.bandwidth_m)
            self._seen[healthy] = SeenGround(area, share, np.array(fractions))
        return self._seen[healthy]

    def sees_zone(self, camera_id: str, index: int) -> bool:
        """Does this camera see any of the zone's ground?"""
        return bool(self.cameras[camera_id].visible.intersects(self.zones[index].ground))

    def counted(self, camera_id: str, xy_m: FloatArray, healthy: frozenset[str]) -> np.ndarray:
        """(N,) bool: which of a camera's people count for it, given the cameras that are healthy.

        Those on walkable ground that it sees, unless another healthy camera sees the same spot with a smaller
        position error (by cell; equal errors go to the camera whose id sorts first).
        """
        view = self.cameras[camera_id]
        mine: np.ndarray = geometry.inside(view.visible, xy_m)
        sigma = self._sigma_at(view, xy_m)
        for other_id in sorted(healthy - {camera_id}):
            other = self.cameras[other_id]
            theirs = self._sigma_at(other, xy_m)
            better = (theirs < sigma) | ((theirs == sigma) & (other_id < camera_id))
            mine &= ~(better & geometry.inside(other.visible, xy_m))
        return mine

    def _sigma_at(self, view: CameraView, xy_m: FloatArray) -> FloatArray:
        cell = np.floor((np.nan_to_num(xy_m) - self.grid.origin_m) / self.grid.cell_m).astype(int)
        rows, cols = self.grid.shape
        row, col = np.clip(cell[:, 1], 0, rows - 1), np.clip(cell[:, 0], 0, cols - 1)
        sigma: FloatArray = view.sigma_m[row, col]
        return sigma


def _view_camera(camera: Camera, walkable: BaseGeometry, grid: Grid) -> CameraView:
    height_m = anchor_height_m(camera.anchor, camera.plane)
    visible = geometry.visible_area(camera.plane, height_m, within=walkable)
    shapely.prepare(visible)
    east, north = np.meshgrid(*grid.centres())
    uv_px = geometry.to_image(camera.plane, np.stack([east.ravel(), north.ravel()], axis=1), height_m)
    sigma = geometry.position_sigma_m(camera.plane, uv_px, height_m).reshape(grid.shape)
    return CameraView(camera, visible, np.where(np.isfinite(sigma), sigma, np.inf))


def view_site(site: Site) -> SiteView:
    """Prepare a site for the fold.

    Raises:
        AnchorRefused: a camera that marks heads and has no known position.
    """
    walkable = geometry.polygon(site.walkable_m, site.obstacles_m)
    shapely.prepare(walkable)
    grid = make_grid(walkable, site.cell_m)
    zones = []
    for zone in site.zones:
        ground = geometry.polygon(zone.polygon_m) & walkable
        shapely.prepare(ground)
        zones.append(ZoneGround(zone, ground, grid.contains(ground)))
    cameras = {camera.camera_id: _view_camera(camera, walkable, grid) for camera in site.cameras}
    return SiteView(site, walkable, grid, cameras, tuple(zones))
