"""Control points or a camera pose -> a ground plane that says how far it is wrong, in metres.

Four points decide a homography exactly, so nothing is left to judge it by: its error is unknown and is said to be.
From five points on, every point is predicted from the others. Spread matters more than number: with 2 px clicks and
5 cm survey error a camera 8 m up is off by 2.5 m at 60 m with four points between 10 and 20 m, and by 0.6 m with four
points between 10 and 40 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.calibration.control_points import ControlPoint, point_faults
from crowdwatch.calibration.opencv_files import read_opencv
from crowdwatch.calibration.tsai_files import plane_from_tsai, read_tsai
from crowdwatch.core.records import FloatArray, GroundPlane, Lens, readonly
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import (
    Fit,
    fisheye_lens,
    fit_homography,
    leave_one_out,
    opencv_lens,
    plane_from_pose,
    position_sigma_m,
    rotation_matrix,
    to_ground,
    undistort,
    valid_px,
    visible_area,
)

__all__ = [
    "Calibration",
    "ControlPoint",
    "from_points",
    "from_pose",
    "implied_camera_m",
    "plane_from_tsai",
    "read_opencv",
    "read_tsai",
    "report",
]

REPORT_DISTANCES_M = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0)
"""Where the report states the position error."""

OUTLIER_SIGMAS = 3.5
"""A residual this many expected errors long points to a wrong point: chance exceeds it once in 460 (2 axes)."""

NARROW_FRAC = 0.05
"""Control points that span less of the picture than this are warned about."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A ground plane made from control points, with the evidence.

    Args:
        plane: the result.
        points: the control points.
        residuals_m: (N,) distance on the ground between a surveyed point and the one its pixel maps to.
        residuals_sigma: (N,) the same residuals, measured in the error that clicks and survey explain.
        leave_one_out_m: (N,) distance when the point is predicted from the others; NaN where the others alone decide
            nothing; None with exactly four points.
        condition: ratio of the greatest to the least meaningful singular value of the normalised equations.
        warnings: what the engineer should know, one sentence each.
    """

    plane: GroundPlane
    points: tuple[ControlPoint, ...]
    residuals_m: FloatArray
    residuals_sigma: FloatArray
    leave_one_out_m: FloatArray | None
    condition: float
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("residuals_m", "residuals_sigma"):
            object.__setattr__(self, name, readonly(name, getattr(self, name), (len(self.points),)))

    @property
    def leave_one_out_rmse_m(self) -> float:
        """Root mean square of the leave-one-out distances; NaN when there are none."""
        if self.leave_one_out_m is None or np.isnan(self.leave_one_out_m).all():
            return float("nan")
        return float(np.sqrt(np.nanmean(self.leave_one_out_m**2)))


def from_points(
    points: Sequence[ControlPoint],
    image_hw: tuple[int, int],
    *,
    lens: Lens | None = None,
    camera_centre_m: FloatArray | Sequence[float] | None = None,
    head_plane_m: float = 1.65,
    click_sigma_px: float = 2.0,
    pixel_sigma_px: float = 2.0,
    hull_reach: float = 1.5,
    max_sigma_m: float = 1.0,
) -> Calibration:
    """Calibrate a camera from points that were surveyed on the ground and clicked in the picture.

    Undistort, normalised DLT, then minimise the reprojection error, each point weighted by what its click and its
    survey allow. The covariance of the homography is first order, and is scaled up by the residuals when they are
    larger than expected. ``rmse_m`` is sqrt(sum d^2 / N) sqrt(2N / (2N - 8)): corrected for the 8 fitted numbers.

    Args:
        points: at least four, not all but one on a line, all on the same flat ground.
        image_hw: size of the picture in which they were clicked.
        lens: None when the picture needs no undistortion.
        camera_centre_m: surveyed east, north and height of the camera; without it heads are refused.
        head_plane_m, pixel_sigma_px, hull_reach, max_sigma_m: as in :class:`~crowdwatch.core.records.GroundPlane`.
        click_sigma_px: standard deviation of a click.

    Raises:
        CalibrationError: the points do not decide a ground plane; the message lists every fault.

    Source: Hartley and Zisserman 2004, algorithms 4.2 and 4.3, section 5.2; Criminisi, Reid and Zisserman 1997.

    >>> square = [(0, 90, 0, 0), (90, 90, 9, 0), (90, 0, 9, 9), (0, 0, 0, 9)]
    >>> made = from_points([ControlPoint(*numbers) for numbers in square], (100, 100))
    >>> to_ground(made.plane, np.array([[10.0, 70.0]])).round(6).tolist(), made.plane.rmse_m
    ([[1.0, 2.0]], nan)
    """
    faults = point_faults(points, image_hw, click_sigma_px)
    if not click_sigma_px > 0:
        faults.append(f"click_sigma_px: got {click_sigma_px}, need > 0. 2 px is usual.")
    centre = None if camera_centre_m is None else np.asarray(camera_centre_m, dtype=np.float64).reshape(-1)
    if centre is not None and not (centre.shape == (3,) and np.isfinite(centre).all() and centre[2] > 0):
        faults.append(f"camera position {centre.tolist()}: need east, north and a height > 0 m above the ground.")
    if faults:
        raise CalibrationError("control points: " + " ".join(faults))
    uv = np.array([(p.u_px, p.v_px) for p in points], dtype=np.float64)
    xy = np.array([(p.x_m, p.y_m) for p in points], dtype=np.float64)
    survey = np.array([p.survey_sigma_m for p in points], dtype=np.float64)
    fit = fit_homography(uv, xy, survey, click_sigma_px, lens)
    plane = _plane(fit, uv, xy, image_hw, lens, centre, (head_plane_m, pixel_sigma_px, hull_reach, max_sigma_m))
    missed = np.linalg.norm(to_ground(plane, uv) - xy, axis=1)
    left_out = leave_one_out(uv, xy, survey, click_sigma_px, lens) if len(points) > 4 else None
    return Calibration(
        plane=plane,
        points=tuple(points),
        residuals_m=missed,
        residuals_sigma=fit.residual_sigmas,
        leave_one_out_m=left_out,
        condition=fit.condition,
        warnings=tuple(_warnings(plane, points, uv, fit)),
    )


def _plane(
    fit: Fit,
    uv: FloatArray,
    xy: FloatArray,
    image_hw: tuple[int, int],
    lens: Lens | None,
    centre: FloatArray | None,
    settings: tuple[float, float, float, float],
) -> GroundPlane:
    from scipy.spatial import ConvexHull  # 0.4 s, which a process that calibrates nothing has no use for

    n = len(xy)
    head_plane_m, pixel_sigma_px, hull_reach, max_sigma_m = settings
    ideal = np.column_stack([undistort(lens, uv), np.ones(n)])
    q = ideal @ fit.image_to_ground.T
    missed = q[:, :2] / q[:, 2:] - xy
    rmse = float(np.sqrt(np.sum(missed**2) / n) * np.sqrt(2 * n / (2 * n - 8))) if n > 4 else float("nan")
    return GroundPlane(
        image_to_ground=fit.image_to_ground,
        image_hw=image_hw,
        lens=lens,
        camera_centre_m=centre,
        head_plane_m=head_plane_m,
        rmse_m=rmse,
        hull_m=xy[ConvexHull(xy).vertices],
        hull_reach=hull_reach,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
        homography_cov=fit.covariance,
    )


def _warnings(plane: GroundPlane, points: Sequence[ControlPoint], uv: FloatArray, fit: Fit) -> list[str]:
    from scipy.spatial import ConvexHull  # see _plane

    found = []
    if len(points) == 4:
        found.append("with exactly four points the error of the calibration is unknown: survey a fifth point or more.")
    for point, sigmas in zip(points, fit.residual_sigmas, strict=True):
        if sigmas > OUTLIER_SIGMAS:
            found.append(f"point {point.name or '?'} misses by {sigmas:.1f} times its expected error: check it.")
    if fit.misfit > 2:
        found.append(
            f"the points disagree {fit.misfit:.1f} times more than clicks and survey allow: the ground may not be "
            "flat, the lens may need its coefficients, or a point is wrong. The stated errors include the misfit."
        )
    share = ConvexHull(uv).volume / (plane.image_hw[0] * plane.image_hw[1])
    if share < NARROW_FRAC:
        found.append(f"the points span only {share:.3f} of the picture: spread them, near and far, left and right.")
    if plane.camera_centre_m is None:
        found.append("the camera's position is not given: detections of heads will be refused.")
    else:
        implied = implied_camera_m(plane)
        apart = np.inf if implied is None else float(np.linalg.norm(implied - plane.camera_centre_m))
        if implied is not None and apart > max(1.0, 0.25 * float(plane.camera_centre_m[2])):
            found.append(
                f"the control points place the camera at ({_written(implied, 1)}) m, "
                f"{apart:.1f} m from the surveyed position: check both, a wrong position moves every head."
            )
    return found


def from_pose(
    camera_matrix: FloatArray,
    rotation: FloatArray,
    translation_m: FloatArray,
    image_hw: tuple[int, int],
    *,
    distortion: Sequence[float] | FloatArray = (),
    lens_model: str = "opencv",
    head_plane_m: float = 1.65,
    rmse_m: float = float("nan"),
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
) -> GroundPlane:
    """Build the ground plane of a camera with a known pose, in OpenCV's terms.

    Args:
        camera_matrix: K, (3, 3) pixels.
        rotation: R, (3, 3), or the Rodrigues vector, (3,): world (east, north, up) to camera.
        translation_m: t, (3,).
        image_hw: size of the picture.
        distortion: OpenCV's k1 k2 p1 p2 k3 ...; empty or all zero for a pinhole. Of a fisheye its k1 k2 k3 k4.
        lens_model: ``opencv`` or ``fisheye``.
        head_plane_m, rmse_m, max_sigma_m, pixel_sigma_px: as in :class:`~crowdwatch.core.records.GroundPlane`.

    Raises:
        CalibrationError: as :func:`crowdwatch.ground.plane_from_pose`, or a number of coefficients that OpenCV does
            not know.

    >>> down = np.array([np.pi, 0.0, 0.0])
    >>> plane = from_pose(np.diag([100.0, 100.0, 1.0]), down, np.array([3.0, 4.0, 10.0]), (99, 99))
    >>> plane.camera_centre_m.round(9).tolist()
    [-3.0, 4.0, 10.0]
    """
    return plane_from_pose(
        camera_matrix,
        rotation_matrix(rotation),
        translation_m,
        image_hw=image_hw,
        lens=(fisheye_lens if lens_model == "fisheye" else opencv_lens)(camera_matrix, distortion),
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
    )


def implied_camera_m(plane: GroundPlane) -> FloatArray | None:
    """Work out where the homography itself places the camera, as a check of a surveyed position.

    With the lens's camera matrix, or else with square pixels and the principal point in the middle of the picture,
    whose focal length follows from h1^T w h2 = 0 and h1^T w h1 = h2^T w h2.

    Returns:
        (3,) east, north, height; None where the homography does not decide it.

    Source: Zhang 2000, eqs. 3 and 4.

    >>> plane = from_pose(np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]]), np.array([2.5, 0.0, 0.0]),
    ...     np.array([0.0, 0.0, 10.0]), (100, 100))
    >>> bool(np.allclose(implied_camera_m(plane), plane.camera_centre_m))
    True
    """
    to_image = np.linalg.inv(plane.image_to_ground)
    height, width = plane.image_hw
    if plane.lens is not None:
        matrix = plane.lens.camera_matrix
    else:
        middle = np.array([[1.0, 0.0, width / 2], [0.0, 1.0, height / 2], [0.0, 0.0, 1.0]])
        a, b = np.linalg.inv(middle) @ to_image[:, 0], np.linalg.inv(middle) @ to_image[:, 1]
        # f^2 from both conditions, weighted by their denominators so that a vanishing one does not count
        tops = np.array([-(a[0] * b[0] + a[1] * b[1]), -(a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2)])
        bottoms = np.array([a[2] * b[2], a[2] ** 2 - b[2] ** 2])
        squared = float(tops @ bottoms) / max(float(bottoms @ bottoms), 1e-300)
        if not (1e-2 * width**2 < squared < 1e4 * width**2):
            return None
        matrix = middle @ np.diag([np.sqrt(squared), np.sqrt(squared), 1.0])
    r = np.linalg.inv(matrix) @ to_image
    r = r / np.sqrt(np.linalg.norm(r[:, 0]) * np.linalg.norm(r[:, 1]))
    u, _, vt = np.linalg.svd(np.column_stack([r[:, 0], r[:, 1], np.cross(r[:, 0], r[:, 1])]))
    centre: FloatArray = -(u @ vt).T @ r[:, 2]
    return centre


def report(calibration: Calibration | GroundPlane) -> str:
    """Say in plain text how good a calibration is: its error, how the error grows with distance, the ground it covers.

    Args:
        calibration: made from control points, or the plane of a surveyed pose.
    """
    made, plane = (calibration, calibration.plane) if isinstance(calibration, Calibration) else (None, calibration)
    lines = [_error_line(plane, made)]
    if made is not None:
        lines += ["points:", *_point_lines(made)]
    if plane.camera_centre_m is None:
        lines.append("camera: position unknown; heads are refused")
    else:
        up = float(plane.camera_centre_m[2])
        lost = 1 - ((up - plane.head_plane_m) / up) ** 2 if up > plane.head_plane_m else 1.0
        lines.append(
            f"camera: {up:.2f} m above ({_written(plane.camera_centre_m[:2], 2)}); "
            f"heads put on the ground instead of {plane.head_plane_m:g} m would lose {lost:.2f} of the density"
        )
    lines += ["position error, up the middle of the picture:", *_growth_lines(plane)]
    area = visible_area(plane)
    west, south, east, north = area.bounds if not area.is_empty else (np.nan,) * 4
    lines.append(
        f"valid ground (error at most {plane.max_sigma_m:g} m): {area.area:.0f} m2, "
        f"east {west:.1f} to {east:.1f} m, north {south:.1f} to {north:.1f} m"
    )
    lines += [f"warning: {text}" for text in (made.warnings if made is not None else ())]
    if area.is_empty:
        lines.append("warning: no ground is valid: raise the limit of the position error, or calibrate again.")
    return "\n".join(lines)


def _written(values: FloatArray, digits: int) -> str:
    """Numbers with commas between, never a minus zero."""
    return ", ".join(f"{round(float(value), digits) + 0.0:.{digits}f}" for value in values)


def _error_line(plane: GroundPlane, made: Calibration | None) -> str:
    if made is None:
        known = "not stated" if np.isnan(plane.rmse_m) else f"{plane.rmse_m:.3f} m"
        return f"camera pose; error of the calibration on the ground: {known}"
    if made.leave_one_out_m is None:
        return "4 control points: they decide the homography exactly, so the error is UNKNOWN"
    return (
        f"{len(made.points)} control points: RMSE {plane.rmse_m:.3f} m, "
        f"leave-one-out RMSE {made.leave_one_out_rmse_m:.3f} m, condition {made.condition:.0f}"
    )


def _point_lines(made: Calibration) -> list[str]:
    left_out = made.leave_one_out_m
    lines = []
    for row, point in enumerate(made.points):
        text = f"  {point.name or row + 1!s:<12} pixel ({point.u_px:.1f}, {point.v_px:.1f})"
        text += f" ground ({point.x_m:.2f}, {point.y_m:.2f}) m"
        if left_out is not None:
            own = "undecided" if np.isnan(left_out[row]) else f"{left_out[row]:.3f} m"
            text += f": misses by {made.residuals_m[row]:.3f} m, left out by {own}"
        lines.append(text)
    return lines


def _growth_lines(plane: GroundPlane) -> list[str]:
    height, width = plane.image_hw
    v = np.linspace(height, 0, 40 * len(REPORT_DISTANCES_M))
    uv = np.column_stack([np.full(len(v), width / 2), v])
    xy = to_ground(plane, uv)
    sigma = position_sigma_m(plane, uv)
    valid = valid_px(plane, uv)
    seen = np.isfinite(sigma)
    if not seen.any():
        return ["  no ground there"]
    start = xy[seen][0] if plane.camera_centre_m is None else plane.camera_centre_m[:2]
    distance = np.where(seen, np.linalg.norm(xy - start, axis=1), np.nan)
    rows = np.flatnonzero(seen & (np.arange(len(v)) >= np.nanargmin(distance)))
    lines = []
    for wanted in REPORT_DISTANCES_M:
        if distance[rows[0]] <= wanted <= distance[rows[-1]]:
            there = float(np.interp(wanted, distance[rows], sigma[rows]))
            used = valid[rows[np.searchsorted(distance[rows], wanted)]]
            lines.append(f"  {wanted:6.1f} m away: {there:.2f} m{'' if used else '  (not used)'}")
    return lines or ["  none of the distances of the table is seen there"]
