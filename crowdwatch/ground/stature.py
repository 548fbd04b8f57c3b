"""How tall people look: it decides whether a detector finds them, far more than how close they stand."""

from __future__ import annotations

import numpy as np

from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.ground.plane import heads_fault, to_image

__all__ = ["STATURE_M", "statures_px"]

STATURE_M = 1.7
"""Height of the people that recall was measured on; see ``pipelines.recall``."""


def statures_px(plane: GroundPlane, xy_m: FloatArray) -> FloatArray:
    """How many pixels of the picture lie between the feet and the top of people.

    Args:
        plane: the calibration.
        xy_m: (N, 2) where they stand.

    Returns:
        (N,) pixels; NaN behind the camera, and everywhere where the camera's height is not known or no more than
        people's.

    >>> from crowdwatch.ground import plane_from_pose
    >>> level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # looks north from 10 m up, 1000 px are one in one
    >>> plane = plane_from_pose(np.diag([1000.0, 1000, 1]), level, np.array([0.0, 10, 0]), image_hw=(1000, 1000))
    >>> statures_px(plane, np.array([[0.0, 20], [0, 40]])).round(6).tolist()
    [85.0, 42.5]
    """
    xy = np.asarray(xy_m, dtype=np.float64).reshape(-1, 2)
    centre = plane.camera_centre_m
    if heads_fault(plane) is not None or centre is None or not centre[2] > STATURE_M:
        return np.full(len(xy), np.nan)
    between = to_image(plane, xy) - to_image(plane, xy, STATURE_M)
    tall: FloatArray = np.hypot(between[:, 0], between[:, 1])
    return tall
