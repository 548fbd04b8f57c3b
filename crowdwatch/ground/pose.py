"""A camera whose full pose is known: its ground plane follows from where it stands and how it looks."""

from __future__ import annotations

import cv2
import numpy as np

from crowdwatch.core.records import FloatArray, GroundPlane, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground.plane import sees_ground

__all__ = ["plane_from_pose", "rotation_matrix"]


def plane_from_pose(
    camera_matrix: FloatArray,
    rotation: FloatArray,
    translation_m: FloatArray,
    *,
    image_hw: tuple[int, int],
    lens: Lens | None = None,
    head_plane_m: float = 1.65,
    rmse_m: float = float("nan"),
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
    homography_cov: FloatArray | None = None,
) -> GroundPlane:
    """Build the ground plane of a camera whose full pose is known.

    p ~ K [r1 r2 t] (X, Y, 1) for the ground z = 0; the camera stands at -R^T t.

    Args:
        camera_matrix: K, (3, 3) pixels.
        rotation: R, (3, 3), world (east, north, up) to camera (right, down, forward).
        translation_m: t, (3,), camera coordinates = R X + t.
        image_hw: height and width of the picture.
        lens: how the picture departs from a pinhole.
        head_plane_m, rmse_m, max_sigma_m, pixel_sigma_px, homography_cov: as in :class:`GroundPlane`.

    Raises:
        CalibrationError: R is no rotation, the camera is not above the ground, or no pixel sees the ground.

    Source: Hartley and Zisserman 2004, eq. 8.1.

    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([1.0, 2.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> down.camera_centre_m.tolist()
    [-1.0, 2.0, 10.0]
    """
    k, r, t = (np.asarray(a, dtype=np.float64) for a in (camera_matrix, rotation, translation_m))
    if k.shape != (3, 3) or r.shape != (3, 3) or t.size != 3:
        raise CalibrationError(
            f"camera pose: got shapes K {k.shape}, R {r.shape}, t {t.shape}, need (3, 3), (3, 3), (3,)."
        )
    t = t.reshape(3)
    if not (np.isfinite(k).all() and np.isfinite(r).all() and np.isfinite(t).all()) or k[0, 0] * k[1, 1] <= 0:
        raise CalibrationError("camera pose: K, R and t must be finite and the focal lengths > 0. Check the file.")
    skew = float(np.abs(r @ r.T - np.eye(3)).max())
    if skew > 1e-4 or np.linalg.det(r) < 0:
        raise CalibrationError(
            f"camera pose: R is no rotation (|R R^T - 1| = {skew:.2g}, det = {np.linalg.det(r):.3f}). "
            "Check that the matrix is complete and that east, north, up form a right-handed frame."
        )
    centre = -r.T @ t
    if not centre[2] > 0:
        raise CalibrationError(
            f"camera pose: the camera lies {centre[2]:.2f} m above the ground, need > 0. Check that z points up "
            "(survey east, north, up), that the unit is metres, and that R and t map the world to the camera."
        )
    g = np.linalg.inv(k @ np.column_stack([r[:, 0], r[:, 1], t]))
    plane = GroundPlane(
        image_to_ground=g / np.linalg.norm(g),
        image_hw=image_hw,
        lens=lens,
        camera_centre_m=centre,
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
        homography_cov=homography_cov,
    )
    if not sees_ground(plane):
        raise CalibrationError(
            f"camera pose: no pixel of the {image_hw[1]} x {image_hw[0]} picture sees the ground: all depths are "
            "negative. Either the camera looks at the sky (check the sign of its tilt), or the surveyed world is "
            "mirrored (north before east: swap them), or the axes are those of computer graphics (calibrate with "
            "OpenCV's: x right, y down, z forward)."
        )
    return plane


def rotation_matrix(rotation: FloatArray) -> FloatArray:
    """Return a rotation as a matrix, given as a (3, 3) matrix or as a Rodrigues vector (3,): axis times angle.

    Raises:
        CalibrationError: another number of values, or one that is not finite.

    >>> rotation_matrix(np.array([np.pi, 0.0, 0.0])).round(9).tolist()
    [[1.0, 0.0, 0.0], [0.0, -1.0, -0.0], [0.0, 0.0, -1.0]]
    """
    values = np.asarray(rotation, dtype=np.float64)
    if values.size not in (3, 9) or not np.isfinite(values).all():
        raise CalibrationError(f"rotation: got {values.tolist()}, need 3 or 9 finite numbers. Check the file.")
    matrix = cv2.Rodrigues(values.reshape(3, 1))[0] if values.size == 3 else values.reshape(3, 3)
    return np.asarray(matrix, dtype=np.float64)
