"""Pixels to metres on the ground and back: homography, pose, and how well both are known."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import Anchor, FloatArray, GroundPlane, Lens
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground.lens import distort, undistort, undistort_jacobian
from crowdwatch.ground.polygons import inside

__all__ = [
    "BoolArray",
    "anchor_height_m",
    "heads_fault",
    "hull_area",
    "picture_edges_px",
    "plane_from_pose",
    "position_sigma_m",
    "rotation_matrix",
    "sees_ground",
    "sees_valid_ground",
    "to_ground",
    "to_image",
    "valid_ground",
    "valid_px",
]

BoolArray: TypeAlias = NDArray[np.bool_]


def to_ground(plane: GroundPlane, uv_px: FloatArray, height_m: float = 0.0) -> FloatArray:
    """Find where pixels lie on the plane ``height_m`` above the ground.

    X' = G p / w on the ground, with w the third homogeneous coordinate; at height h, X = Xc + (X' - Xc)(Hc - h)/Hc
    with the camera at (Xc, Hc).

    Args:
        plane: the calibration.
        uv_px: (N, 2) pixels as the picture shows them.
        height_m: 0 for feet, ``plane.head_plane_m`` for heads.

    Returns:
        (N, 2) east and north; NaN at and above the horizon, behind the camera, and when the plane is not below it.

    Raises:
        AnchorRefused: ``height_m`` is not 0 and the camera's position is unknown.

    Source: Criminisi, Reid and Zisserman 1997; the shadow formula is the intersection of two similar triangles.

    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> [(to_ground(down, np.array([[50.0, 0.0]]), height).round(9) + 0.0).tolist() for height in (0.0, 2.0)]
    [[[5.0, 0.0]], [[4.0, 0.0]]]
    """
    x, y, w = _homogeneous(plane, undistort(plane.lens, uv_px))
    ground = np.empty((len(w), 2))
    shrink = _shrink(plane, height_m)
    centre = np.zeros(2) if plane.camera_centre_m is None else plane.camera_centre_m[:2]
    with np.errstate(over="ignore", invalid="ignore"):
        for axis, value in enumerate((x, y)):
            ground[:, axis] = value / w if height_m == 0 else centre[axis] + (value / w - centre[axis]) * shrink
    return ground


def to_image(plane: GroundPlane, xy_m: FloatArray, height_m: float | FloatArray = 0.0) -> FloatArray:
    """Find the pixels at which points on the ground, or above it, are seen.

    The inverse of :func:`to_ground` for any height: p ~ G^-1 (X Hc - h Xc, Hc - h).

    Args:
        plane: the calibration.
        xy_m: (N, 2) east and north.
        height_m: one height, or (N,).

    Returns:
        (N, 2) pixels, lens included; NaN behind the camera and where the lens model folds over. A pixel may lie
        outside the picture.

    Raises:
        AnchorRefused: a height is not 0 and the camera's position is unknown.

    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> (to_image(down, np.array([[4.0, 0.0]]), 2.0).round(9) + 0.0).tolist()
    [[50.0, 0.0]]
    """
    xy = np.asarray(xy_m, dtype=np.float64).reshape(-1, 2)
    height = np.asarray(height_m, dtype=np.float64)
    x, y = xy[:, 0], xy[:, 1]
    up_to: float | FloatArray = 1.0
    if np.any(height != 0):
        centre, up = _camera(plane)
        x, y = (x * up - height * centre[0]) / up, (y * up - height * centre[1]) / up
        up_to = (up - height) / up
    g = np.linalg.inv(plane.image_to_ground)
    u, v, w = (row[0] * x + row[1] * y + row[2] * up_to for row in g)
    w = np.where(w > 0, w, np.nan)
    return distort(plane.lens, np.stack([u / w, v / w], axis=1))


def position_sigma_m(plane: GroundPlane, uv_px: FloatArray, height_m: float = 0.0) -> FloatArray:
    """Say how uncertain the ground points of pixels are.

    sigma^2 = trace(J J^T) sigma_px^2 + trace(B C B^T), J = dX/d(u, v) with the lens, B = dX/dG, C the covariance of
    the homography. A plane without C (a surveyed pose) adds its RMSE squared instead; with C the RMSE is not added,
    because the residuals of the control points already scale C.

    Args:
        plane: the calibration.
        uv_px: (N, 2) pixels.
        height_m: plane on which they lie.

    Returns:
        (N,) root of the summed variances of both axes, metres; NaN where there is no ground point.

    Raises:
        AnchorRefused: as :func:`to_ground`.

    Source: Criminisi, Reid and Zisserman 1997 (first-order propagation).

    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100), pixel_sigma_px=1.0)
    >>> bool(np.isclose(position_sigma_m(down, np.array([[50.0, 50.0]]))[0], np.sqrt(2) * 0.1))
    True
    """
    uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
    ideal = undistort(plane.lens, uv)
    x, y, w = _homogeneous(plane, ideal)
    shrink = _shrink(plane, height_m)
    with np.errstate(over="ignore", invalid="ignore"):
        x, y, scale = x / w, y / w, shrink / w
        g = plane.image_to_ground
        to_metres = [[scale * (row[axis] - at * g[2, axis]) for axis in (0, 1)] for row, at in ((g[0], x), (g[1], y))]
        variance = _spread(to_metres, plane, uv) * plane.pixel_sigma_px**2
        if plane.homography_cov is not None:
            scaled = np.column_stack([ideal, np.ones(len(ideal))]) * scale[:, None]
            zero = np.zeros_like(scaled)
            for axis, at in enumerate((x, y)):
                parts = [scaled, zero] if axis == 0 else [zero, scaled]
                b = np.concatenate([*parts, -at[:, None] * scaled], axis=1)
                variance = variance + np.maximum(np.einsum("ni,ni->n", b @ plane.homography_cov, b), 0.0)
        elif np.isfinite(plane.rmse_m):
            variance = variance + plane.rmse_m**2
        sigma: FloatArray = np.sqrt(variance)
    return sigma


def _homogeneous(plane: GroundPlane, ideal: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The three homogeneous ground coordinates of undistorted pixels, each (N,); the third NaN where none is seen."""
    u, v = np.ascontiguousarray(ideal.T)
    x, y, w = found = [row[0] * u for row in plane.image_to_ground]
    for coordinate, row in zip(found, plane.image_to_ground, strict=True):  # in place: a picture has many pixels
        coordinate += row[1] * v
        coordinate += row[2]
    w[~(w > 0)] = np.nan
    return x, y, w


def _spread(to_metres: list[list[FloatArray]], plane: GroundPlane, uv: FloatArray) -> FloatArray:
    """(N,) trace(J J^T) of the derivative by the undistorted pixel, carried on through the lens to the shown one."""
    if plane.lens is None:
        return sum((each**2 for row in to_metres for each in row), np.zeros(len(uv)))
    by_lens = undistort_jacobian(plane.lens, uv)
    total = np.zeros(len(uv))
    for row in to_metres:
        for axis in (0, 1):
            total += (row[0] * by_lens[:, 0, axis] + row[1] * by_lens[:, 1, axis]) ** 2
    return total


def valid_ground(plane: GroundPlane, uv_px: FloatArray, height_m: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Find the ground points of pixels that may be used, and how uncertain they are.

    A pixel is valid inside the picture, below the horizon, inside the hull of the control points scaled by
    ``hull_reach`` (when there is one), and where its position error is at most ``max_sigma_m``.

    Args:
        plane: the calibration.
        uv_px: (N, 2) pixels.
        height_m: plane on which they lie.

    Returns:
        (N, 2) metres as of :func:`to_ground` and (N,) metres as of :func:`position_sigma_m`; NaN where not valid.

    Raises:
        AnchorRefused: as :func:`to_ground`.
    """
    uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    good: BoolArray = (uv[:, 0] >= left) & (uv[:, 0] <= right) & (uv[:, 1] >= top) & (uv[:, 1] <= bottom)
    sigma, xy = position_sigma_m(plane, uv, height_m), to_ground(plane, uv, height_m)
    hull = hull_area(plane)
    good &= sigma <= plane.max_sigma_m
    good &= np.isfinite(xy).all(axis=1) if hull is None else inside(hull, xy)
    return np.where(good[:, None], xy, np.nan), np.where(good, sigma, np.nan)


def valid_px(plane: GroundPlane, uv_px: FloatArray, height_m: float = 0.0) -> BoolArray:
    """(N,) bool: which pixels have a ground point that may be used, see :func:`valid_ground`."""
    valid: BoolArray = np.isfinite(valid_ground(plane, uv_px, height_m)[1])
    return valid


def heads_fault(plane: GroundPlane) -> str | None:
    """Say why heads cannot be put on the ground and what to do about it, or None when they can."""
    centre = plane.camera_centre_m
    if centre is None:
        return (
            "control points without the camera's position do not tell where a head stands. "
            "Survey camera_position_m (east, north, height), or give a full pose."
        )
    if not centre[2] > plane.head_plane_m:
        return (
            f"the camera is {centre[2]:.2f} m up, need more than head_plane_m {plane.head_plane_m:g}. "
            "Check the camera's height."
        )
    return None


def picture_edges_px(image_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the picture as positions that count as inside.

    Half a pixel is added at the left and top, and the last row and column end at ``width`` and ``height``, so that
    both conventions (pixel centres at whole numbers, box edges from 0 to width) lie inside.

    >>> picture_edges_px((576, 768))
    (-0.5, -0.5, 768.0, 576.0)
    """
    return -0.5, -0.5, float(image_hw[1]), float(image_hw[0])


def hull_area(plane: GroundPlane) -> BaseGeometry | None:
    """Return the convex hull of the control points, scaled about its centroid by ``hull_reach``; None without one."""
    if plane.hull_m is None:
        return None
    hull = shapely.MultiPoint(plane.hull_m).convex_hull
    scaled: BaseGeometry = affinity.scale(hull, plane.hull_reach, plane.hull_reach, origin=hull.centroid)
    return scaled


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


def sees_ground(plane: GroundPlane) -> bool:
    """Tell whether any pixel of the picture has a ground point, valid or not."""
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    u, v = np.meshgrid(np.linspace(left, right, 33), np.linspace(top, bottom, 33))
    return bool(np.isfinite(to_ground(plane, np.column_stack([u.ravel(), v.ravel()]))).all(axis=1).any())


def sees_valid_ground(plane: GroundPlane) -> bool:
    """Tell whether any pixel of the picture has a ground point that may be used, see :func:`valid_ground`."""
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    u, v = np.meshgrid(np.linspace(left, right, 17), np.linspace(top, bottom, 17))
    return bool(valid_px(plane, np.column_stack([u.ravel(), v.ravel()])).any())


def _camera(plane: GroundPlane) -> tuple[FloatArray, float]:
    if plane.camera_centre_m is None:
        raise AnchorRefused(
            "heads cannot be put on the ground: the calibration is a bare homography without the camera's position. "
            "Survey the camera's position (east, north, height), or give a full pose, or use a detector of feet."
        )
    return plane.camera_centre_m[:2], float(plane.camera_centre_m[2])


def _shrink(plane: GroundPlane, height_m: float) -> float:
    """(Hc - h) / Hc; NaN when the plane is not below the camera."""
    if height_m == 0:
        return 1.0
    _, up = _camera(plane)
    return (up - height_m) / up if height_m < up else float("nan")


def anchor_height_m(anchor: Anchor, plane: GroundPlane) -> float:
    """Height of the plane that an anchor's pixel is mapped through: the ground for FEET, the head plane for HEAD."""
    return plane.head_plane_m if anchor is Anchor.HEAD else 0.0
