"""One site out of many cameras: what is seen, and which camera counts a person where views overlap.

Each piece of ground belongs to one camera, the one with the smallest position error there among the healthy ones;
a person counts only in the view that owns the ground they stand on. Counts are averaged over no cameras and added
over none, so that nobody is counted twice and the sum is the sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from scipy.sparse import csr_array
from shapely.geometry.base import BaseGeometry

from crowdwatch import ground as geometry
from crowdwatch.analytics.density import kernel_share
from crowdwatch.core.records import Anchor, FloatArray, GroundPlane
from crowdwatch.core.site import Camera, Site, Zone
from crowdwatch.ground import Grid, anchor_height_m, cell_cover, make_grid

__all__ = ["CameraView", "Cover", "SeenGround", "SiteView", "ZoneGround", "ground_seen", "view_site"]

LEAST_SHARE = 0.01
"""Where less of a cell than this shows heads on walkable ground, its mass is what spilled over from elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """A camera and the walkable ground that it validly sees.

    Args:
        camera: as the site has it.
        visible: that ground: where it sees the anchors of people and, where a counter counts, their heads too.
        heads: the walkable ground on which it sees heads, whether or not the feet below; empty without a counter.
        sigma_m: (rows, cols) its position error.
        px2_m2: (rows, cols) pixels of its picture that a square metre of heads takes; NaN behind it.
    """

    camera: Camera
    visible: BaseGeometry
    heads: BaseGeometry
    sigma_m: FloatArray
    px2_m2: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ZoneGround:
    """A zone's walkable ground and the cells whose centres lie on it."""

    zone: Zone
    ground: BaseGeometry
    cells: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class SeenGround:
    """What a set of healthy cameras sees together: the area, the kernel's share, each zone's visible share, and how
    many pixels a square metre takes in the camera that counts there."""

    area: BaseGeometry
    share: FloatArray
    visible_frac: FloatArray
    px2_m2: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What a camera counts of the head mass that it sees in every cell: ``owned`` (rows, cols) is the share that it
    counts at all, ``zones`` (zones, cells) sparse the share that it counts for a zone.

    A cell's mass stands on the part of it where the camera sees heads and people can be, so these are shares of that
    part, not of the cell: the unseen part has put nothing into the sum that would have to be taken out again.
    """

    owned: FloatArray
    zones: csr_array


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """A site prepared for the fold: everything here follows from the :class:`Site` and is computed once."""

    site: Site
    walkable: BaseGeometry
    grid: Grid
    cameras: dict[str, CameraView]
    zones: tuple[ZoneGround, ...]
    _seen: dict[frozenset[str], SeenGround] = field(default_factory=dict)
    _covers: dict[tuple[str, frozenset[str]], Cover] = field(default_factory=dict)
    _heads: dict[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    def seen(self, healthy: frozenset[str]) -> SeenGround:
        """What these cameras see together; remembered, since it changes only when a camera's health does."""
        if healthy not in self._seen:
            area = shapely.union_all([self.cameras[camera_id].visible for camera_id in sorted(healthy)])
            shapely.prepare(area)
            fractions = [shapely.area(zone.ground & area) / zone.ground.area for zone in self.zones]
            share = kernel_share(self.grid, area, self.site.bandwidth_m)
            self._seen[healthy] = SeenGround(area, share, np.array(fractions), self._pixels(healthy))
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

    def cover(self, camera_id: str, healthy: frozenset[str]) -> Cover:
        """What a camera counts of its head mass, given the cameras that are healthy: :meth:`counted`, for cells."""
        key = camera_id, healthy
        if key not in self._covers:
            self._covers[key] = self._work_out_cover(camera_id, healthy)
        return self._covers[key]

    def heads(self, camera_id: str) -> tuple[FloatArray, FloatArray]:
        """(rows, cols) the share of each cell where a camera sees heads, and the kernel's share where it sees any."""
        if camera_id not in self._heads:
            area = self.cameras[camera_id].heads
            seen = cell_cover(self.grid, area)
            seen[seen < LEAST_SHARE] = 0.0
            self._heads[camera_id] = seen, kernel_share(self.grid, area, self.site.bandwidth_m, seen > 0)
        return self._heads[camera_id]

    def cells_at(self, xy_m: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the cells of (N, 2) points; those outside the grid get its nearest cell."""
        cell = np.floor((np.nan_to_num(xy_m) - self.grid.origin_m) / self.grid.cell_m).astype(int)
        rows, cols = self.grid.shape
        return np.clip(cell[:, 1], 0, rows - 1), np.clip(cell[:, 0], 0, cols - 1)

    def _work_out_cover(self, camera_id: str, healthy: frozenset[str]) -> Cover:
        view = self.cameras[camera_id]
        others = [c for c in sorted(healthy - {camera_id}) if self.cameras[c].visible.intersects(view.visible)]
        better = np.zeros(self.grid.shape, dtype=np.int64)  # a bit for every camera that would count this cell
        for bit, other_id in enumerate(others):
            theirs = self.cameras[other_id].sigma_m
            wins = (theirs < view.sigma_m) | ((theirs == view.sigma_m) & (other_id < camera_id))
            better |= wins.astype(np.int64) << bit
        seen, _ = self.heads(camera_id)
        owned = np.zeros(self.grid.shape)
        zones = [np.zeros(0)] * len(self.zones)
        cells = [np.zeros(0, dtype=np.int64)] * len(self.zones)
        for code in np.unique(better):
            winners = [self.cameras[c].visible for bit, c in enumerate(others) if code >> bit & 1]
            mine = view.visible - shapely.union_all(winners) if winners else view.visible
            here = (better == code) & (seen > 0)
            owned[here] = cell_cover(self.grid, mine)[here] / seen[here]
            for index, zone in enumerate(self.zones):
                flat = np.where(here, cell_cover(self.grid, zone.ground & mine), 0.0).ravel()
                filled = np.flatnonzero(flat)
                cells[index] = np.concatenate([cells[index], filled])
                zones[index] = np.concatenate([zones[index], flat[filled] / seen.ravel()[filled]])
        rows = np.repeat(np.arange(len(zones)), [len(each) for each in cells])
        where = (rows, np.concatenate(cells)) if zones else (rows, np.zeros(0, dtype=np.int64))
        values = np.concatenate(zones) if zones else np.zeros(0)
        return Cover(owned, csr_array((values, where), shape=(len(zones), better.size)))

    def _pixels(self, healthy: frozenset[str]) -> FloatArray:
        """(rows, cols) ``px2_m2`` of the healthy camera with the smallest position error; NaN where none sees."""
        best = np.full(self.grid.shape, np.inf)
        pixels = np.full(self.grid.shape, np.nan)
        for camera_id in sorted(healthy):
            view = self.cameras[camera_id]
            wins = view.sigma_m < best
            best, pixels = np.where(wins, view.sigma_m, best), np.where(wins, view.px2_m2, pixels)
        return pixels

    def _sigma_at(self, view: CameraView, xy_m: FloatArray) -> FloatArray:
        row, col = self.cells_at(xy_m)
        sigma: FloatArray = view.sigma_m[row, col]
        return sigma


def ground_seen(
    plane: GroundPlane, anchor: Anchor, counts_heads: bool, walkable: BaseGeometry
) -> tuple[BaseGeometry, BaseGeometry]:
    """The walkable ground that a camera sees, and the part of all of it on which it sees heads.

    Where a counter counts, ground is seen only if the heads of who stands there are: the picture's edge cuts them off
    before the feet, and boxes alone would make a dense crowd there few people. Without a counter the second is empty.

    Raises:
        AnchorRefused: heads are the anchor, and the camera's position is unknown.
    """
    anchors = geometry.visible_area(plane, anchor_height_m(anchor, plane), within=walkable)
    if not counts_heads or geometry.heads_fault(plane) is not None:
        return anchors, shapely.Polygon()
    heads = anchors if anchor is Anchor.HEAD else geometry.visible_area(plane, plane.head_plane_m, within=walkable)
    return geometry.areas_only(anchors & heads), heads


def _view_camera(camera: Camera, walkable: BaseGeometry, grid: Grid) -> CameraView:
    height_m = anchor_height_m(camera.anchor, camera.plane)
    visible, heads = ground_seen(camera.plane, camera.anchor, camera.counts_heads, walkable)
    shapely.prepare(visible)
    east, north = np.meshgrid(*grid.centres())
    uv_px = geometry.to_image(camera.plane, np.stack([east.ravel(), north.ravel()], axis=1), height_m)
    sigma = geometry.position_sigma_m(camera.plane, uv_px, height_m).reshape(grid.shape)
    return CameraView(camera, visible, heads, np.where(np.isfinite(sigma), sigma, np.inf), _pixels_of(camera, grid))


def _pixels_of(camera: Camera, grid: Grid) -> FloatArray:
    """(rows, cols) px2 that a square metre takes at every cell's centre, at the height of heads where it is known."""
    plane = camera.plane
    height_m = plane.head_plane_m if geometry.heads_fault(plane) is None else 0.0
    east, north = (axis.ravel() for axis in np.meshgrid(*grid.centres()))
    half = grid.cell_m / 2
    ends = [(half, 0), (-half, 0), (0, half), (0, -half)]
    right, left, far, near = (
        geometry.to_image(plane, np.stack([east + dx, north + dy], axis=1), height_m) for dx, dy in ends
    )
    across, along = (right - left) / grid.cell_m, (far - near) / grid.cell_m
    pixels: FloatArray = np.abs(across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]).reshape(grid.shape)
    return pixels


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
