"""The ground plane of a camera in the air: its pose, and how the errors of that pose grow over the picture."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np

from crowdwatch.core.records import FloatArray, GroundPlane, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground.plane import position_sigma_m
from crowdwatch.ground.pose import plane_from_pose

__all__ = ["AerialPose", "Surface", "aerial_plane", "aerial_rotation", "camera_matrix", "homography_of"]


Surface: TypeAlias = tuple[float, float, float]
"""(a, b, c) of ground z = a + b E + c N."""


@dataclass(frozen=True, slots=True)
class AerialPose:
    """Where a camera in the air is, where it looks, and how long its lens is; or the standard errors of all that.

    Args:
        east_m, north_m: of the camera on the site.
        up_m: its height above the ground.
        yaw_deg: direction of its axis, clockwise from the north of the site's map.
        pitch_deg: 0 to the horizon, -90 straight down.
        roll_deg: positive where the picture's right side is lower.
        focal_px: focal length in pixels.
    """

    east_m: float
    north_m: float
    up_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    focal_px: float

    def values(self) -> FloatArray:
        """(7,) in the order of the fields."""
        return np.array([getattr(self, each.name) for each in fields(self)])

    @classmethod
    def of(cls, values: FloatArray) -> AerialPose:
        """The inverse of :meth:`values`."""
        return cls(*(float(value) for value in values))


def aerial_rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> FloatArray:
    """(3, 3) world (east, north, up) to camera (right, down, forward).

    R = R_roll R_pitch R_yaw, as a gimbal turns: yaw about the vertical, pitch about the right, roll about the axis.

    >>> aerial_rotation(90.0, 0.0, 0.0).round(9)[2].tolist()  # it looks to the east
    [1.0, 0.0, 0.0]
    >>> (aerial_rotation(0.0, -90.0, 0.0).round(9) + 0.0).tolist()  # straight down, north is up in the picture
    [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]
    """
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    ahead = np.array([np.sin(yaw), np.cos(yaw), 0.0])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    forward = np.cos(pitch) * ahead + np.sin(pitch) * up
    down = np.sin(pitch) * ahead - np.cos(pitch) * up
    return np.stack([np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, forward])


def camera_matrix(
    focal_px: float, image_hw: tuple[int, int], centre_px: tuple[float, float] | None = None
) -> FloatArray:
    """(3, 3) K of square pixels; the axis goes through the middle of the picture unless told otherwise."""
    u, v = (image_hw[1] / 2, image_hw[0] / 2) if centre_px is None else centre_px
    return np.array([[focal_px, 0.0, u], [0.0, focal_px, v], [0.0, 0.0, 1.0]])


def homography_of(
    values: FloatArray,
    image_hw: tuple[int, int],
    centre_px: tuple[float, float] | None = None,
    surface: Surface = (0.0, 0.0, 0.0),
) -> FloatArray:
    """(3, 3) image to ground of norm 1 for seven values of a pose, over a plane z = a + b E + c N."""
    rotation = aerial_rotation(*values[3:6])
    a, b, c = surface
    translation = rotation @ (np.array([0.0, 0.0, a]) - values[:3])
    k = camera_matrix(float(values[6]), image_hw, centre_px)
    up = rotation[:, 2]
    g = np.linalg.inv(k @ np.column_stack([rotation[:, 0] + b * up, rotation[:, 1] + c * up, translation]))
    return np.asarray(g / np.linalg.norm(g))


def aerial_plane(
    pose: AerialPose,
    covariance: FloatArray | AerialPose,
    image_hw: tuple[int, int],
    *,
    lens: Lens | None = None,
    head_plane_m: float = 1.65,
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
    surface: Surface = (0.0, 0.0, 0.0),
) -> GroundPlane:
    """The ground plane of a camera in the air.

    The covariance of the homography is J C J^T, with J its derivative by the seven values of the pose (central
    differences) and C their covariance: errors of yaw and of height grow away from the point below the camera, and
    :func:`~crowdwatch.ground.plane.valid_ground` leaves out what is less certain than ``max_sigma_m``. ``rmse_m`` is
    the error where the axis meets the ground.

    Args:
        pose: the camera.
        covariance: (7, 7) of the pose's values, or their standard errors.
        image_hw: height and width of the picture.
        lens: how the picture departs from a pinhole of this focal length and its own centre.
        head_plane_m, max_sigma_m, pixel_sigma_px: as in :class:`GroundPlane`.
        surface: (a, b, c) of ground z = a + b E + c N. Heights count from it: taken as level by the shear
            z' = z - a - b E - c N, which moves nothing on the map and keeps every height above the ground.

    Raises:
        CalibrationError: the camera is not above people's heads, or no pixel sees the ground.

    >>> still = AerialPose(0.0, 0.0, 60.0, 0.0, -90.0, 0.0, 1000.0)
    >>> errors = AerialPose(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)  # one degree of yaw
    >>> plane = aerial_plane(still, errors, (1000, 1000), pixel_sigma_px=0.0)
    >>> below, beside = position_sigma_m(plane, np.array([[500.0, 500.0], [1000.0, 500.0]])).round(3) + 0.0
    >>> float(below), float(beside)  # 30 m away: 30 m * pi / 180
    (0.0, 0.524)
    """
    above_m = pose.up_m - (surface[0] + surface[1] * pose.east_m + surface[2] * pose.north_m)
    if not above_m > head_plane_m:
        raise CalibrationError(
            f"drone: it is {above_m:.1f} m above the ground, need more than head_plane_m {head_plane_m:g}. Check its "
            "height and takeoff_height_m."
        )
    centre = None if lens is None else (float(lens.camera_matrix[0, 2]), float(lens.camera_matrix[1, 2]))
    values = pose.values()
    spread = np.diag(covariance.values() ** 2) if isinstance(covariance, AerialPose) else np.asarray(covariance)
    rotation = aerial_rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    plane = plane_from_pose(
        camera_matrix(pose.focal_px, image_hw, centre), rotation, -rotation @ values[:3], image_hw=image_hw, lens=lens,
        head_plane_m=head_plane_m, max_sigma_m=max_sigma_m, pixel_sigma_px=pixel_sigma_px,
        homography_cov=_covariance(values, spread, image_hw, centre, surface),
    )  # fmt: skip
    if surface != (0.0, 0.0, 0.0):
        stands = np.array([pose.east_m, pose.north_m, above_m])
        plane = replace(plane, image_to_ground=homography_of(values, image_hw, centre, surface), camera_centre_m=stands)
    k = camera_matrix(pose.focal_px, image_hw, centre)
    rmse_m = float(position_sigma_m(plane, k[:2, 2][None])[0])
    return replace(plane, rmse_m=rmse_m)


STEPS = np.array([1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-2])
"""Steps of the differences, in the units of :class:`AerialPose`: a thousandth of what is known of any of them."""


def _covariance(
    values: FloatArray, spread: FloatArray, image_hw: tuple[int, int], centre: tuple[float, float] | None,
    surface: Surface,
) -> FloatArray:  # fmt: skip
    """(9, 9) covariance of the row-major homography of norm 1."""
    jacobian = np.empty((9, len(values)))
    for column, step in enumerate(STEPS):
        shift = np.zeros(len(values))
        shift[column] = step
        ahead, behind = (homography_of(values + sign * shift, image_hw, centre, surface) for sign in (1, -1))
        jacobian[:, column] = (ahead - behind).ravel() / (2 * step)
    found = jacobian @ spread @ jacobian.T
    return np.asarray((found + found.T) / 2)
