"""The fit behind a calibration: normalised DLT, refined by reprojection, with its covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground.lens import undistort, undistort_jacobian

__all__ = ["Fit", "fit_homography", "leave_one_out"]

_Array: TypeAlias = NDArray[Any]

MOST_LEFT_OUT = 200
"""With more points than this, leave-one-out is done for this many, evenly chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted homography.

    Args:
        image_to_ground: (3, 3), undistorted pixels to metres, norm 1, w > 0 at the points.
        covariance: (9, 9) of its row-major numbers.
        residual_sigmas: (N,) residual over the error that click and survey explain.
        misfit: root of the reduced chi-square, 1 when the residuals are as expected; NaN for four points.
        condition: of the normalised DLT equations.
    """

    image_to_ground: FloatArray
    covariance: FloatArray
    residual_sigmas: FloatArray
    misfit: float
    condition: float


def fit_homography(uv: FloatArray, xy: FloatArray, survey: FloatArray, click_sigma_px: float, lens: Lens | None) -> Fit:
    """Fit the homography from undistorted pixels to the ground.

    Args:
        uv: (N, 2) pixels as shown.
        xy: (N, 2) metres.
        survey: (N,) standard deviation of each surveyed coordinate.
        click_sigma_px: standard deviation of a click.
        lens: None for a pinhole.

    Raises:
        CalibrationError: no camera sees the points like this.

    Source: Hartley and Zisserman 2004, algorithms 4.2 and 4.3 and section 5.2.
    """
    ideal = undistort(lens, uv)
    if not np.isfinite(ideal).all():
        raise CalibrationError(
            "control points: the lens model folds over inside the picture, so some points cannot be undistorted. "
            "Check the lens coefficients and that they belong to this picture size."
        )
    to_px, to_m = _normaliser(ideal), _normaliser(xy)
    p, x = _moved(to_px, ideal), np.column_stack([_moved(to_m, xy), np.ones(len(xy))])
    by_click = undistort_jacobian(lens, uv)
    # at the very edge of what the lens model inverts, a click counts as in the middle of the picture
    by_click = np.where(np.isfinite(by_click), by_click, np.eye(2)) * (to_px[0, 0] * click_sigma_px)
    h, condition = _dlt(p, x)
    _check_sides(x @ h[2])
    for _ in range(2):
        whiten = _whitening(h, x, by_click, survey * to_m[0, 0])
        h = _refined(h, p, x, whiten)
    back = np.linalg.inv(to_px)
    image_from_ground = back @ h @ to_m
    g = np.linalg.inv(image_from_ground) * _check_sides(x @ h[2])
    scale = 1 / np.linalg.norm(g)
    if np.linalg.det(g) > 0:
        raise CalibrationError(
            "control points: the ground comes out mirrored. Check that ground coordinates are east, north in this "
            "order, that pixels are counted from the top left, and that the picture is not flipped."
        )
    residual, jacobian = _residuals(h, p, x, whiten)
    free = 2 * len(x) - 8
    chi2 = float(residual @ residual)
    misfit = float(np.sqrt(chi2 / free)) if free > 0 else float("nan")
    basis = _tangent(h)
    tangent_cov = np.linalg.pinv(basis.T @ jacobian.T @ jacobian @ basis) * max(1.0, chi2 / free if free > 0 else 1.0)
    carry = -scale * np.kron(g, g.T) @ np.kron(back, to_m.T) @ basis
    sigmas = np.sqrt(np.sum(residual.reshape(-1, 2) ** 2, axis=1))
    return Fit(g * scale, carry @ tangent_cov @ carry.T, sigmas, misfit, condition)


def leave_one_out(
    uv: FloatArray, xy: FloatArray, survey: FloatArray, click_sigma_px: float, lens: Lens | None
) -> FloatArray:
    """Predict each point from all others.

    Returns:
        (N,) distance on the ground, metres; NaN where the others do not decide a plane or do not see the point, and
        beyond :data:`MOST_LEFT_OUT` points for those that were not tried.
    """
    n = len(xy)
    missed = np.full(n, np.nan)
    ideal = np.column_stack([undistort(lens, uv), np.ones(n)])
    for row in np.unique(np.linspace(0, n - 1, min(n, MOST_LEFT_OUT)).astype(int)):
        keep = np.arange(n) != row
        # with three of the four others on a line, their fit is undetermined
        if n == 5 and min(_spread(ideal[keep][:, :2]), _spread(xy[keep])) < 1e-3:
            continue
        try:
            g = fit_homography(uv[keep], xy[keep], survey[keep], click_sigma_px, lens).image_to_ground
        except CalibrationError:
            continue
        q = g @ ideal[row]
        if q[2] > 0:
            missed[row] = float(np.linalg.norm(q[:2] / q[2] - xy[row]))
    return missed


def _spread(values: FloatArray) -> float:
    """Smallest height of the four triangles of four points, relative to their extent: 0 when three lie on a line."""
    heights = []
    for row in range(4):
        a, b, c = np.delete(values, row, axis=0)
        sides = [np.linalg.norm(b - a), np.linalg.norm(c - b), np.linalg.norm(a - c)]
        twice = abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])
        heights.append(twice / max(max(sides), 1e-300))
    return float(min(heights) / max(float(np.ptp(values, axis=0).max()), 1e-300))


def _normaliser(values: FloatArray) -> FloatArray:
    """Move the centroid to 0 and scale the mean distance to sqrt(2)."""
    centre = values.mean(axis=0)
    scale = np.sqrt(2) / np.linalg.norm(values - centre, axis=1).mean()
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1.0]])


def _moved(transform: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(values * transform[0, 0] + transform[:2, 2])


def _dlt(p: FloatArray, x: FloatArray) -> tuple[FloatArray, float]:
    zero = np.zeros_like(x)
    # the row of zeros keeps the ninth singular vector, the answer, where four points give eight equations
    rows = np.concatenate([np.hstack([x, zero, -p[:, :1] * x]), np.hstack([zero, x, -p[:, 1:] * x]), np.zeros((1, 9))])
    _, values, vt = np.linalg.svd(rows, full_matrices=False)
    if values[7] <= 1e-9 * values[0]:
        raise CalibrationError(
            "control points: they do not decide a homography (all but one lie on a line). Add points to either side."
        )
    return np.asarray(vt[-1].reshape(3, 3)), float(values[0] / values[7])


def _check_sides(depth: FloatArray) -> float:
    """Return the sign that all depths share."""
    least = 1e-9 * float(np.abs(depth).max())
    if not (np.all(depth > least) or np.all(depth < -least)):
        raise CalibrationError(
            "control points: no camera sees these points like this, the fit puts some of them above the horizon. "
            "Two points are probably swapped: check each point's pixel against its ground coordinates."
        )
    return float(np.sign(depth[0]))


def _whitening(h: FloatArray, x: FloatArray, click: _Array, survey: FloatArray) -> FloatArray:
    """(N, 2, 2) matrices that turn a reprojection residual into multiples of its expected error."""
    q = x @ h.T
    seen = q[:, :2] / q[:, 2:]
    by_ground = (h[None, :2, :2] - seen[:, :, None] * h[None, None, 2, :2]) / q[:, 2, None, None]
    covariance = click @ np.swapaxes(click, 1, 2)
    covariance = covariance + survey[:, None, None] ** 2 * by_ground @ np.swapaxes(by_ground, 1, 2)
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _residuals(h: FloatArray, p: FloatArray, x: FloatArray, whiten: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Whitened residuals (2N,) and their derivative by the nine numbers of h (2N, 9)."""
    q = x @ h.T
    seen = q[:, :2] / q[:, 2:]
    scaled = x / q[:, 2:]
    zero = np.zeros_like(x)
    by_h = np.stack(
        [np.hstack([scaled, zero, -seen[:, :1] * scaled]), np.hstack([zero, scaled, -seen[:, 1:] * scaled])], axis=1
    )
    residual = np.einsum("nij,nj->ni", whiten, seen - p)
    return residual.ravel(), np.asarray((whiten @ by_h).reshape(-1, 9))


def _tangent(h: FloatArray) -> FloatArray:
    """(9, 8) directions in which a homography can change: all but its scale."""
    return np.asarray(np.linalg.svd(h.reshape(1, 9))[2][1:].T)


def _refined(h: FloatArray, p: FloatArray, x: FloatArray, whiten: FloatArray) -> FloatArray:
    basis = _tangent(h)

    def at(step: FloatArray) -> FloatArray:
        return np.asarray(h + (basis @ step).reshape(3, 3))

    def miss(step: FloatArray) -> FloatArray:
        return _residuals(at(step), p, x, whiten)[0]

    def slope(step: FloatArray) -> FloatArray:
        return np.asarray(_residuals(at(step), p, x, whiten)[1] @ basis)

    from scipy.optimize import least_squares  # 40 MB, which a worker of a batch job has no use for

    better = at(least_squares(miss, np.zeros(8), jac=slope, method="lm").x)
    return better / np.linalg.norm(better)
