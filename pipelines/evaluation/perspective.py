"""The camera of a photograph without calibration, from the whole people in it.

How tall people of 1.7 m look, and where, gives the camera's height and its tilt. Both are fitted to the boxes through
the full projection. That stature grows by a straight line (single-view metrology with vertical lines that stay
parallel, Criminisi, Reid and Zisserman 2000) holds for level cameras only: at the tilts of street photographs, 15 to 35
degrees, it puts the camera half as high again as it is, and people of one spot up to twice as far apart.

The focal length does not follow from statures; it is assumed to be the picture's longer side, a view of 53 degrees.
Between 44 and 64 degrees distances are still good to a tenth, and densities to a fifth
(``tests/unit/test_perspective.py``).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import theilslopes

from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import plane_from_pose, to_ground, to_image
from pipelines.evaluation.crowd_boxes import ENOUGH, LEAST_SPREAD_PX, whole_people

__all__ = ["HEAD_M", "fitted_plane", "ground_of", "statures_px"]

STATURE_M, HEAD_M = 1.7, 1.6
HEIGHTS_M = (2.5, 30.0)
"""A fitted camera outside these heights is a bad fit."""
TILTS_DEG = (-10.0, 60.0)
"""Of the middle of the picture below the horizon; seen more steeply, nobody's box is upright."""
MISFIT = 0.15
"""So is one that tells half of the statures wrong by more than this."""
SCATTER = 0.1
"""Statures differ by about a tenth; what is further off counts less (soft L1)."""
STARTS = tuple((up_m, tilt_deg) for up_m in (4.0, 8.0, 15.0) for tilt_deg in (5.0, 20.0, 35.0, 50.0))
EDGE_PX = 2.0
"""A box this near to the picture's upper or lower edge may be cut off by it."""


def ground_of(image_hw: tuple[int, int], people_xyxy: FloatArray, heads_px: FloatArray) -> GroundPlane | None:
    """The camera behind boxes of people and annotated heads; None with too few whole people, or a bad fit.

    Args:
        image_hw: height and width of the picture.
        people_xyxy: (M, 4) boxes of people.
        heads_px: (N, 2) annotated heads.
    """
    boxes, heads = whole_people(people_xyxy, heads_px)
    uncut = (boxes[:, 1] > EDGE_PX) & (boxes[:, 3] < image_hw[0] - EDGE_PX)
    boxes, heads = boxes[uncut], heads[uncut]
    if len(heads) < ENOUGH or np.ptp(heads[:, 1]) < LEAST_SPREAD_PX:
        return None
    return fitted_plane(image_hw, heads, boxes[:, 3] - boxes[:, 1])


def fitted_plane(image_hw: tuple[int, int], heads_px: FloatArray, statures: FloatArray) -> GroundPlane | None:
    """The camera in which people with these heads (N, 2) look that many pixels tall (N,); None where none does.

    >>> rows = np.arange(50.0, 550.0, 50.0)
    >>> heads = np.stack([np.full(10, 400.0), rows], axis=1)
    >>> plane = fitted_plane((600, 800), heads, _statures((600, 800), 6.0, math.radians(30), heads))
    >>> round(float(plane.camera_centre_m[2]), 2)
    6.0
    """
    if theilslopes(statures, heads_px[:, 1])[0] <= 0:
        return None  # people look smaller towards a camera above them, and nobody's box is upright there

    def off(unknown: FloatArray) -> FloatArray:
        seen = _statures(image_hw, math.exp(unknown[0]), float(unknown[1]), heads_px)
        return np.asarray(np.log(np.maximum(seen, 0.5) / statures))

    limits = [math.log(1.8), math.radians(TILTS_DEG[0])], [math.log(60.0), math.radians(TILTS_DEG[1])]
    fits = [
        least_squares(off, [math.log(up_m), math.radians(tilt)], bounds=limits, loss="soft_l1", f_scale=SCATTER)
        for up_m, tilt in STARTS
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    up, tilt = math.exp(best.x[0]), float(best.x[1])
    if not HEIGHTS_M[0] <= up <= HEIGHTS_M[1] or float(np.median(np.abs(best.fun))) > MISFIT:
        return None
    return _plane(image_hw, up, tilt)


def statures_px(plane: GroundPlane, heads_px: FloatArray) -> FloatArray:
    """(N,) how many rows of the picture people of 1.7 m with these heads take; NaN above the horizon."""
    xy_m = to_ground(plane, heads_px, HEAD_M)
    here = np.isfinite(xy_m).all(axis=1)
    tall = np.full(len(xy_m), np.nan)
    feet, tops = (to_image(plane, xy_m[here], height) for height in (0.0, STATURE_M))
    tall[here] = feet[:, 1] - tops[:, 1]
    return tall


def _statures(image_hw: tuple[int, int], up: float, tilt: float, heads_px: FloatArray) -> FloatArray:
    """:func:`statures_px` of a camera ``up`` metres high that looks ``tilt`` below the horizon."""
    focal = float(max(image_hw))
    down = (heads_px[:, 1] - image_hw[0] / 2) / focal
    cos, sin = math.cos(tilt), math.sin(tilt)
    ahead = (up - HEAD_M) * (cos - sin * down) / np.maximum(cos * down + sin, 1e-3)
    feet, tops = (
        focal * ((up - height) * cos - ahead * sin) / np.maximum(ahead * cos + (up - height) * sin, 1e-3)
        for height in (0.0, STATURE_M)
    )
    return np.asarray(feet - tops)


def _plane(image_hw: tuple[int, int], up: float, tilt: float) -> GroundPlane | None:
    focal = float(max(image_hw))
    rotation = np.array(
        [[1.0, 0.0, 0.0], [0.0, -math.sin(tilt), -math.cos(tilt)], [0.0, math.cos(tilt), -math.sin(tilt)]]
    )
    matrix = np.array([[focal, 0.0, image_hw[1] / 2], [0.0, focal, image_hw[0] / 2], [0.0, 0.0, 1.0]])
    try:
        return plane_from_pose(
            matrix, rotation, -rotation @ np.array([0.0, 0.0, up]), image_hw=image_hw, head_plane_m=HEAD_M,
            max_sigma_m=0.5,
        )  # fmt: skip
    except CalibrationError:
        return None
