"""Ground that is not flat: where rays of a picture meet it, and the plane that stands for it in that picture.

A picture's ground is one plane z = a + b E + c N. What the ground departs from it by r moves a person by r d / h,
at the horizontal distance d from a camera h above: as if the camera's height were wrong by r. So the root mean square
of r goes into the error of the height, and from there, larger with distance, into the error of every place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.errors import CalibrationError
from crowdwatch.ground.aerial import AerialPose, Surface, aerial_rotation, camera_matrix

__all__ = ["LocalGround", "Terrain"]

LATTICE = (17, 25)
"""Rays down and across a picture."""

STEPS = 48
"""Points of a ray between the highest and the lowest ground at which it is looked whether it has met the ground."""

LEAST_HITS = 12
"""Rays that must meet known ground: four times what a plane needs."""


@dataclass(frozen=True, slots=True)
class LocalGround:
    """The plane of one picture.

    Args:
        surface: (a, b, c) of z = a + b E + c N.
        off_m: root of the mean square by which the ground departs from it.
        most_m: the most that it does.
        hits: rays that met known ground.
    """

    surface: Surface
    off_m: float
    most_m: float
    hits: int


@dataclass(frozen=True, slots=True, eq=False)
class Terrain:
    """Heights of the ground above the site's level.

    Args:
        heights_m: (rows, cols), NaN where unknown.
        site_to_cell: (3, 3) affine from metres of the site to column and row, whole at the centres of cells.
        sigma_m: standard error of the heights.
    """

    heights_m: FloatArray
    site_to_cell: FloatArray
    sigma_m: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "heights_m", readonly("heights_m", self.heights_m, (None, None)))
        object.__setattr__(self, "site_to_cell", readonly("site_to_cell", self.site_to_cell, (3, 3)))

    def at(self, xy_m: FloatArray) -> FloatArray:
        """(...,) heights at (..., 2) places, between the cells' centres; NaN beyond them and beside unknown ones.

        >>> slope = Terrain(np.array([[0.0, 1.0], [0.0, 1.0]]), np.eye(3))
        >>> slope.at(np.array([[0.25, 0.5], [2.0, 0.0]])).tolist()
        [0.25, nan]
        """
        place = xy_m @ self.site_to_cell[:2, :2].T + self.site_to_cell[:2, 2]
        rows, cols = self.heights_m.shape
        inside = (place >= 0).all(axis=-1) & (place[..., 0] <= cols - 1) & (place[..., 1] <= rows - 1)
        held = np.where(inside[..., None], place, 0.0)
        col, row = (np.minimum(np.floor(held[..., i]).astype(np.int64), most - 2) for i, most in ((0, cols), (1, rows)))
        x, y = held[..., 0] - col, held[..., 1] - row
        z = self.heights_m
        low = (1 - x) * z[row, col] + x * z[row, col + 1]
        high = (1 - x) * z[row + 1, col] + x * z[row + 1, col + 1]
        return np.where(inside, (1 - y) * low + y * high, np.nan)

    def met(self, centre_m: FloatArray, rays: FloatArray) -> FloatArray:
        """(N, 3) where rays first meet the ground; NaN of those that meet none that is known.

        Args:
            centre_m: (3,) of the camera, above all ground.
            rays: (N, 3) directions.
        """
        low, high = float(np.nanmin(self.heights_m)), float(np.nanmax(self.heights_m))
        down = -rays[:, 2]
        met = np.full((len(rays), 3), np.nan)
        looks = np.flatnonzero(down > 1e-6)
        share = np.linspace(0.0, 1.0, STEPS)
        room = 1e-6 + 1e-3 * (high - low)
        first, last = (((centre_m[2] - z) / down[looks])[:, None] for z in (high + room, low - room))
        along = first + share * (last - first)
        points = centre_m + along[:, :, None] * rays[looks][:, None, :]
        above = points[:, :, 2] - self.at(points[:, :, :2])
        crosses = (above[:, :-1] > 0) & (above[:, 1:] <= 0)
        hit = np.flatnonzero(crosses.any(axis=1))
        step = crosses[hit].argmax(axis=1)
        before, after = above[hit, step], above[hit, step + 1]
        part = (before / (before - after))[:, None]
        met[looks[hit]] = (1 - part) * points[hit, step] + part * points[hit, step + 1]
        return met

    def local(
        self, pose: AerialPose, image_hw: tuple[int, int], centre_px: tuple[float, float] | None = None
    ) -> LocalGround:
        """The plane that fits the ground of a picture best.

        Raises:
            CalibrationError: the camera is not above the ground, or too little of what it sees is known.
        """
        centre = np.array([pose.east_m, pose.north_m, pose.up_m])
        if not pose.up_m > float(np.nanmax(self.heights_m)):
            raise CalibrationError(
                f"drone: it is at {pose.up_m:.1f} m, and the terrain rises to {float(np.nanmax(self.heights_m)):.1f} m "
                "above the site's level. Check its height, takeoff_height_m and ground_elevation_m."
            )
        v, u = (np.linspace(0.0, side, count) for side, count in zip(image_hw, LATTICE, strict=True))
        px = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        k = camera_matrix(pose.focal_px, image_hw, centre_px)
        rotation = aerial_rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
        rays = np.column_stack([px, np.ones(len(px))]) @ np.linalg.inv(k).T @ rotation
        met = self.met(centre, rays)
        met = met[np.isfinite(met).all(axis=1)]
        if len(met) < LEAST_HITS:
            raise CalibrationError("drone: the terrain's raster does not hold the ground that it looks at.")
        fit = np.column_stack([np.ones(len(met)), met[:, :2] - centre[:2]])
        (a, b, c), *_ = np.linalg.lstsq(fit, met[:, 2], rcond=None)
        off = met[:, 2] - fit @ np.array([a, b, c])
        surface = float(a - b * centre[0] - c * centre[1]), float(b), float(c)
        return LocalGround(surface, math.sqrt(float(np.mean(off**2))), float(np.abs(off).max()), len(met))
