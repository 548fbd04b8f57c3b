"""From the picture a lens makes to the picture a pinhole would make, and back."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.polynomial import Polynomial

from crowdwatch.core.records import FloatArray, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground.fisheye import fisheye_ideal, fisheye_seen

__all__ = ["distort", "opencv_lens", "undistort", "undistort_jacobian"]

# Residual of an inverted lens model, in units of the focal length: 1e-10 is 1e-6 px at f = 10,000 px.
_CLOSED = 1e-10
_NEWTON_STEPS = 40


def undistort(lens: Lens | None, uv_px: FloatArray) -> FloatArray:
    """Move pixels to where a pinhole camera with the same camera matrix would have seen them.

    ``tsai``: ideal = distorted (1 + kappa r^2), exact. ``opencv``: distorted = f(ideal) is inverted by fixed-point
    iteration, finished by Newton's method where that did not close. ``fisheye``: by :mod:`crowdwatch.ground.fisheye`.

    Args:
        lens: None leaves the pixels as they are.
        uv_px: (N, 2) pixels of the picture.

    Returns:
        (N, 2) undistorted pixels; NaN where the lens model folds over and has no inverse.

    Source: Tsai 1987, eq. 5; Brown 1966; OpenCV, camera calibration and 3D reconstruction.

    >>> lens = Lens("tsai", np.diag([100.0, 100.0, 1.0]), np.array([0.1]))
    >>> undistort(lens, np.array([[100.0, 0.0]])).round(9).tolist()
    [[110.0, 0.0]]
    """
    uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
    if lens is None or uv.size == 0:
        return uv.copy()
    seen = _normalised(lens, uv)
    if lens.model == "fisheye":
        return _pixels(lens, fisheye_ideal(lens, seen))
    ideal = _tsai_ideal(lens, seen) if lens.model == "tsai" else _opencv_ideal(lens, seen)
    return _pixels(lens, ideal)


def distort(lens: Lens | None, uv_px: FloatArray) -> FloatArray:
    """Move pinhole pixels to where the lens shows them: the inverse of :func:`undistort`.

    Args:
        lens: None leaves the pixels as they are.
        uv_px: (N, 2) undistorted pixels.

    Returns:
        (N, 2) pixels of the picture; NaN beyond the radius where the lens model folds over, so that a point far
        outside the view never reappears inside the picture.

    >>> lens = Lens("opencv", np.diag([100.0, 100.0, 1.0]), np.array([-0.1, 0.0, 0.0, 0.0]))
    >>> distort(lens, np.array([[100.0, 0.0], [190.0, 0.0]])).round(9).tolist()
    [[90.0, 0.0], [nan, nan]]
    """
    uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
    if lens is None or uv.size == 0:
        return uv.copy()
    ideal = _normalised(lens, uv)
    if lens.model == "fisheye":
        return _pixels(lens, fisheye_seen(lens, ideal))
    seen = _tsai_seen(lens, ideal) if lens.model == "tsai" else _opencv_seen(lens, ideal, _fold_radius(lens))
    return _pixels(lens, seen)


def undistort_jacobian(lens: Lens | None, uv_px: FloatArray) -> FloatArray:
    """Differentiate :func:`undistort` by the shown pixel, with differences half a pixel to either side.

    Args:
        lens: None for a pinhole.
        uv_px: (N, 2) pixels.

    Returns:
        (N, 2, 2); NaN where the lens model has no inverse within half a pixel.
    """
    uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
    if lens is None:
        return np.broadcast_to(np.eye(2), (len(uv), 2, 2))
    steps = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    right, left, below, above = undistort(lens, (uv + steps[:, None]).reshape(-1, 2)).reshape(4, -1, 2)
    return np.stack([right - left, below - above], axis=2)


def opencv_lens(camera_matrix: FloatArray, distortion: Sequence[float] | FloatArray) -> Lens | None:
    """Build a lens from OpenCV's coefficients k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]].

    Returns:
        None when all coefficients are zero or there are none: a pinhole.

    Raises:
        CalibrationError: a number of coefficients that OpenCV does not know, or one that is not finite.

    >>> opencv_lens(np.eye(3), [0.0, 0.0, 0.0, 0.0]) is None
    True
    """
    numbers = np.asarray(distortion, dtype=np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise CalibrationError(f"lens coefficients: got {numbers.tolist()}, need finite numbers. Check the file.")
    if len(numbers) not in (0, 4, 5, 8, 12, 14):
        raise CalibrationError(
            f"lens coefficients: got {len(numbers)}, OpenCV knows 4, 5, 8, 12 or 14. Fill up with zeros."
        )
    return Lens("opencv", camera_matrix, numbers) if np.any(numbers) else None


def _normalised(lens: Lens, uv: FloatArray) -> FloatArray:
    rays: FloatArray = np.column_stack([uv, np.ones(len(uv))]) @ np.linalg.inv(lens.camera_matrix).T
    return rays[:, :2] / rays[:, 2:]


def _pixels(lens: Lens, xy: FloatArray) -> FloatArray:
    points: FloatArray = np.column_stack([xy, np.ones(len(xy))]) @ lens.camera_matrix.T
    return points[:, :2] / points[:, 2:]


def _tsai_kappa(lens: Lens) -> float:
    return float(lens.coefficients[0]) if len(lens.coefficients) else 0.0


def _tsai_ideal(lens: Lens, seen: FloatArray) -> FloatArray:
    kappa = _tsai_kappa(lens)
    r2 = np.sum(seen**2, axis=1, keepdims=True)
    ideal: FloatArray = np.where(1 + 3 * kappa * r2 > 0, seen * (1 + kappa * r2), np.nan)
    return ideal


def _tsai_seen(lens: Lens, ideal: FloatArray) -> FloatArray:
    """Solve kappa s^3 + s = 1 for s = r / r_ideal, kappa scaled by r_ideal^2, with Newton's method."""
    k = _tsai_kappa(lens) * np.sum(ideal**2, axis=1, keepdims=True)
    # k < 0 has a root below the fold only while k >= -4/27; clipped so that Newton stays finite
    solvable = np.nan_to_num(np.maximum(k, -4 / 27))
    s = np.ones_like(solvable)
    for _ in range(_NEWTON_STEPS):
        slope = 1 + 3 * solvable * s**2
        s = s - (solvable * s**3 + s - 1) / np.where(slope > 1e-9, slope, 1e-9)
    seen: FloatArray = np.where((k > -4 / 27) & (np.abs(k * s**3 + s - 1) < _CLOSED), ideal * s, np.nan)
    return seen


def _fold_radius(lens: Lens) -> float:
    """Return the smallest radius at which the radial part of the OpenCV model stops growing (infinite if never)."""
    c = np.zeros(8)
    n = min(len(lens.coefficients), 8)
    c[:n] = lens.coefficients[:n]
    top = Polynomial([0, 1, 0, c[0], 0, c[1], 0, c[4]])
    bottom = Polynomial([1, 0, c[5], 0, c[6], 0, c[7]])
    slope = top.deriv() * bottom - top * bottom.deriv()
    roots = np.concatenate([slope.trim().roots(), bottom.trim().roots()])
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 1e-9)]
    return float(real.min()) if len(real) else float("inf")


def _opencv_seen(lens: Lens, ideal: FloatArray, fold: float) -> FloatArray:
    good = np.hypot(ideal[:, 0], ideal[:, 1]) < fold
    seen = np.full_like(ideal, np.nan)
    if good.any():
        points = np.column_stack([ideal[good], np.ones(int(good.sum()))])
        zero = np.zeros(3)
        flat, _ = cv2.projectPoints(points[:, None, :], zero, zero, np.eye(3), np.asarray(lens.coefficients))
        seen[good] = flat.reshape(-1, 2)
    return seen


def _opencv_ideal(lens: Lens, seen: FloatArray) -> FloatArray:
    fold = _fold_radius(lens)
    finite = np.isfinite(seen).all(axis=1)
    ideal = np.full_like(seen, np.nan)
    if finite.any():
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-13)
        source = np.ascontiguousarray(seen[finite])[:, None, :]
        first = cv2.undistortPoints(source, np.eye(3), np.asarray(lens.coefficients), None, None, None, criteria)
        ideal[finite] = first.reshape(-1, 2)
    open_rows = ~(np.abs(_opencv_seen(lens, ideal, fold) - seen) < _CLOSED).all(axis=1) & finite
    if open_rows.any():
        ideal[open_rows] = _newton(lens, seen[open_rows], fold)
    closed = (np.abs(_opencv_seen(lens, ideal, fold) - seen) < _CLOSED).all(axis=1)
    ideal[~closed] = np.nan
    return ideal


def _newton(lens: Lens, seen: FloatArray, fold: float) -> FloatArray:
    """Invert the OpenCV model row by row, never leaving the radius where it is one to one."""
    x = seen.copy()
    h = 1e-6
    reach = 0.999999 * fold
    for _ in range(_NEWTON_STEPS):
        r = np.hypot(x[:, 0], x[:, 1])[:, None]
        if np.isfinite(fold):
            x = np.where(r > reach, x * reach / np.maximum(r, 1e-30), x)
        miss = _opencv_seen(lens, x, fold) - seen
        columns = [
            (_opencv_seen(lens, x + d, np.inf) - _opencv_seen(lens, x - d, np.inf)) / (2 * h)
            for d in (np.array([h, 0.0]), np.array([0.0, h]))
        ]
        jacobian = np.stack(columns, axis=2)
        det = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        det = np.where(np.abs(det) > 1e-12, det, 1e-12)
        x = x - np.column_stack(
            [
                (jacobian[:, 1, 1] * miss[:, 0] - jacobian[:, 0, 1] * miss[:, 1]) / det,
                (jacobian[:, 0, 0] * miss[:, 1] - jacobian[:, 1, 0] * miss[:, 0]) / det,
            ]
        )
    return x
