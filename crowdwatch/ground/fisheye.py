"""OpenCV's fisheye lens: the angle from the axis, not its tangent, grows with the distance from the picture's centre.

theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8), with theta the angle of a ray from the axis and
theta_d its distance from the centre in focal lengths. A pinhole sees angles below 90 degrees only; so what a fisheye
sees at its side or behind it has no ground point here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import Polynomial

from crowdwatch.core.records import FloatArray, Lens
from crowdwatch.errors import CalibrationError

__all__ = ["fisheye_ideal", "fisheye_lens", "fisheye_seen"]

WIDEST_RAD = np.radians(89.0)
"""Rays farther from the axis are left out: at 89 degrees a pinhole's picture is 57 focal lengths from its centre."""

_STEPS = 60  # halves an angle of 1.6 down to the last bit


def fisheye_lens(camera_matrix: FloatArray, coefficients: Sequence[float] | FloatArray) -> Lens:
    """Build a lens from k1 k2 k3 k4. Unlike the plain model it is never a pinhole, even where all four are zero.

    Raises:
        CalibrationError: there are not four finite coefficients, or the picture does not grow with the angle at all.

    >>> fisheye_lens(np.eye(3), [0.0, 0.0, 0.0, 0.0]).model
    'fisheye'
    """
    numbers = np.asarray(coefficients, dtype=np.float64).reshape(-1)
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise CalibrationError(f"fisheye coefficients: got {numbers.tolist()}, need the four finite k1 k2 k3 k4.")
    return Lens("fisheye", camera_matrix, numbers)


def fisheye_seen(lens: Lens, ideal: FloatArray) -> FloatArray:
    """From a pinhole's picture to the fisheye's, both in focal lengths from the centre.

    Args:
        lens: of the model ``fisheye``.
        ideal: (N, 2).

    Returns:
        (N, 2); NaN beyond the angle at which the model folds over.

    A ray at 45 degrees is one focal length from a pinhole's centre, and pi / 4 from that of an equidistant lens:

    >>> fisheye_seen(fisheye_lens(np.eye(3), [0.0] * 4), np.array([[1.0, 0.0]])).round(6).tolist()
    [[0.785398, 0.0]]
    """
    curve, widest = _curve(lens)
    radius = np.linalg.norm(ideal, axis=1)
    theta = np.arctan(radius)
    scale = np.where(radius > 1e-12, curve(theta) / np.maximum(radius, 1e-12), 1.0)
    seen: FloatArray = np.where((theta < widest)[:, None], ideal * scale[:, None], np.nan)
    return seen


def fisheye_ideal(lens: Lens, seen: FloatArray) -> FloatArray:
    """The inverse of :func:`fisheye_seen`, by halving: the curve rises up to where it folds over.

    >>> lens = fisheye_lens(np.eye(3), [0.0] * 4)
    >>> fisheye_ideal(lens, np.array([[np.pi / 4, 0.0], [1.6, 0.0]])).round(6).tolist()
    [[1.0, 0.0], [nan, nan]]
    """
    curve, widest = _curve(lens)
    radius = np.linalg.norm(seen, axis=1)
    low, high = np.zeros(len(radius)), np.full(len(radius), widest)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = curve(middle) < radius
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    scale = np.where(radius > 1e-12, np.tan(low) / np.maximum(radius, 1e-12), 1.0)
    ideal: FloatArray = np.where((radius < curve(widest))[:, None], seen * scale[:, None], np.nan)
    return ideal


def _curve(lens: Lens) -> tuple[Polynomial, float]:
    """theta_d over theta, and the angle up to which it rises."""
    k1, k2, k3, k4 = lens.coefficients.tolist()
    curve = Polynomial([0.0, 1.0, 0.0, k1, 0.0, k2, 0.0, k3, 0.0, k4])
    turns = curve.deriv().trim().roots()
    real = turns.real[(np.abs(turns.imag) < 1e-9) & (turns.real > 1e-9)]
    return curve, float(min([WIDEST_RAD, *real]))
