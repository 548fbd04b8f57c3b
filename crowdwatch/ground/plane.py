"""Pixels to metres on the ground and back, and how well both are known."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import Anchor, FloatArray, GroundPlane
from crowdwatch.errors import AnchorRefused
from crowdwatch.ground.lens import distort, undistort, undistort_jacobian
from crowdwatch.ground.polygons import inside

__all__ = [
    "BoolArray",
    "EastNorth",
    "anchor_height_m",
    "ground_at",
    "heads_fault",
    "hull_area",
    "image_at",
    "picture_edges_px",
    "position_sigma_m",
    "sees_ground",
    "sees_valid_ground",
    "sigma_at",
    "to_ground",
    "to_image",
    "valid_at",
    "valid_ground",
    "valid_px",
]

BoolArray: TypeAlias = NDArray[np.bool_]
EastNorth: TypeAlias = tuple[FloatArray, FloatArray]


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

    >>> from crowdwatch.ground.pose import plane_from_pose
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> [(to_ground(down, np.array([[50.0, 0.0]]), height).round(9) + 0.0).tolist() for height in (0.0, 2.0)]
    [[[5.0, 0.0]], [[4.0, 0.0]]]
    """
    return np.stack(ground_at(plane, *_columns(uv_px), height_m), axis=1)


def ground_at(plane: GroundPlane, u_px: FloatArray, v_px: FloatArray, height_m: float = 0.0) -> EastNorth:
    """:func:`to_ground` of pixels whose two coordinates broadcast against each other, as those of a lattice do.

    Returns:
        East and north, of the shape that both have together.
    """
    x, y, w = _homogeneous(plane, *_ideal(plane, u_px, v_px))
    shrink = _shrink(plane, height_m)
    centre = np.zeros(2) if plane.camera_centre_m is None else plane.camera_centre_m
    with np.errstate(over="ignore", invalid="ignore"):
        for axis, value in enumerate((x, y)):  # in place: a picture has many pixels
            value /= w
            if height_m != 0:
                value -= centre[axis]
                value *= shrink
                value += centre[axis]
    return x, y


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

    >>> from crowdwatch.ground.pose import plane_from_pose
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100))
    >>> (to_image(down, np.array([[4.0, 0.0]]), 2.0).round(9) + 0.0).tolist()
    [[50.0, 0.0]]
    """
    return np.stack(image_at(plane, *_columns(xy_m), height_m), axis=1)


def image_at(
    plane: GroundPlane, east_m: FloatArray, north_m: FloatArray, height_m: float | FloatArray = 0.0
) -> tuple[FloatArray, FloatArray]:
    """:func:`to_image` of points whose coordinates broadcast against each other, as those of a raster do.

    Returns:
        Columns and rows, of the shape that the points have together.
    """
    height = np.asarray(height_m, dtype=np.float64)
    x, y = east_m, north_m
    up_to: float | FloatArray = 1.0
    if np.any(height != 0):
        centre, up = _camera(plane)
        x, y = (x * up - height * centre[0]) / up, (y * up - height * centre[1]) / up
        up_to = (up - height) / up
    g = np.linalg.inv(plane.image_to_ground)
    u, v, w = found = [row[0] * x + row[1] * y for row in g]
    for value, row in zip(found, g, strict=True):
        value += row[2] * up_to
    w[~(w > 0)] = np.nan
    u /= w
    v /= w
    if plane.lens is None:
        return u, v
    seen = distort(plane.lens, np.stack([u.ravel(), v.ravel()], axis=1))
    return seen[:, 0].reshape(u.shape), seen[:, 1].reshape(u.shape)


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

    >>> from crowdwatch.ground.pose import plane_from_pose
    >>> down = plane_from_pose(np.diag([100.0, 100.0, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 10.0]),
    ...     image_hw=(100, 100), pixel_sigma_px=1.0)
    >>> bool(np.isclose(position_sigma_m(down, np.array([[50.0, 50.0]]))[0], np.sqrt(2) * 0.1))
    True
    """
    return sigma_at(plane, *_columns(uv_px), height_m)


def sigma_at(plane: GroundPlane, u_px: FloatArray, v_px: FloatArray, height_m: float = 0.0) -> FloatArray:
    """:func:`position_sigma_m` of pixels whose two coordinates broadcast against each other."""
    ideal = _ideal(plane, u_px, v_px)
    x, y, w = _homogeneous(plane, *ideal)
    with np.errstate(over="ignore", invalid="ignore"):
        x /= w
        y /= w
        scale = _shrink(plane, height_m) / w
        g = plane.image_to_ground
        to_metres = [[scale * (row[axis] - at * g[2, axis]) for axis in (0, 1)] for row, at in ((g[0], x), (g[1], y))]
        variance = _spread(to_metres, plane, u_px, v_px)
        variance *= plane.pixel_sigma_px**2
        if plane.homography_cov is not None:
            scaled = np.stack([each * scale for each in (*ideal, 1.0)], axis=-1)
            zero = np.zeros_like(scaled)
            for axis, at in enumerate((x, y)):
                parts = [scaled, zero] if axis == 0 else [zero, scaled]
                b = np.concatenate([*parts, -at[..., None] * scaled], axis=-1)
                variance += np.maximum(np.einsum("...i,...i->...", b @ plane.homography_cov, b), 0.0)
        elif np.isfinite(plane.rmse_m):
            variance += plane.rmse_m**2
        sigma: FloatArray = np.sqrt(variance, out=variance)
    return sigma


def _columns(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The two coordinates of (N, 2) points, (N,) each."""
    first, second = np.ascontiguousarray(np.asarray(points, dtype=np.float64).reshape(-1, 2).T)
    return first, second


def _ideal(plane: GroundPlane, u_px: FloatArray, v_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Undistorted pixels; without a lens the pixels themselves, which still broadcast."""
    if plane.lens is None:
        return u_px, v_px
    u, v = np.broadcast_arrays(u_px, v_px)
    ideal = undistort(plane.lens, np.stack([u.ravel(), v.ravel()], axis=1))
    return np.ascontiguousarray(ideal[:, 0]).reshape(u.shape), np.ascontiguousarray(ideal[:, 1]).reshape(u.shape)


def _homogeneous(plane: GroundPlane, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The three homogeneous ground coordinates of undistorted pixels; the third is NaN where none is seen."""
    x, y, w = found = [row[0] * u + row[1] * v for row in plane.image_to_ground]
    for coordinate, row in zip(found, plane.image_to_ground, strict=True):
        coordinate += row[2]
    w[~(w > 0)] = np.nan
    return x, y, w


def _spread(to_metres: list[list[FloatArray]], plane: GroundPlane, u_px: FloatArray, v_px: FloatArray) -> FloatArray:
    """trace(J J^T) of the derivative by the undistorted pixel, carried on through the lens to the shown one."""
    total: FloatArray = np.zeros(to_metres[0][0].shape)
    if plane.lens is None:
        for each in (value for row in to_metres for value in row):
            each *= each
            total += each
        return total
    u, v = np.broadcast_arrays(u_px, v_px)
    by_lens = undistort_jacobian(plane.lens, np.stack([u.ravel(), v.ravel()], axis=1)).reshape(*total.shape, 2, 2)
    for row in to_metres:
        for axis in (0, 1):
            total += (row[0] * by_lens[..., 0, axis] + row[1] * by_lens[..., 1, axis]) ** 2
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
    east, north, sigma = valid_at(plane, *_columns(uv_px), height_m)
    return np.stack([east, north], axis=1), sigma


def valid_at(
    plane: GroundPlane, u_px: FloatArray, v_px: FloatArray, height_m: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """:func:`valid_ground` of pixels whose two coordinates broadcast against each other.

    Returns:
        East, north and position error, of the shape that the pixels have together; NaN where not valid.
    """
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    sigma, (east, north) = sigma_at(plane, u_px, v_px, height_m), ground_at(plane, u_px, v_px, height_m)
    good: BoolArray = ((u_px >= left) & (u_px <= right)) & ((v_px >= top) & (v_px <= bottom))
    good = good & (sigma <= plane.max_sigma_m)
    hull = hull_area(plane)
    if hull is None:
        good &= np.isfinite(east) & np.isfinite(north)
    else:
        good &= inside(hull, np.stack([east.ravel(), north.ravel()], axis=1)).reshape(good.shape)
    for each in (east, north, sigma):
        each[~good] = np.nan
    return east, north, sigma


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
