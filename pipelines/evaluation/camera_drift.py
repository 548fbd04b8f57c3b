"""Whether the camera of a recording stands still: told apart from what the product says of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np

from pipelines.evaluation.health_faults import Picture

__all__ = ["drift_frac"]

FEATURES = 1000

ALIKE_BITS, LEAST_PAIRS = 40, 20
"""Bits of 256 by which descriptors of one point differ at most, and the fewest points that tell of a drift."""


def drift_frac(pictures: Sequence[Picture], hz: Fraction) -> float:
    """How far a camera's picture drifts from the first one at most, as a share of its width.

    It is the shift of the picture's centre under a similarity between ORB features (RANSAC), looked at every second or
    so; 0 where too few features agree.

    Args:
        pictures: in order.
        hz: pictures a second.
    """
    orb, matcher = cv2.ORB.create(FEATURES), cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    height, width = pictures[0].shape[:2]
    centre, most = np.array([width / 2, height / 2, 1.0]), 0.0
    points, descriptors = orb.detectAndCompute(cv2.cvtColor(pictures[0], cv2.COLOR_BGR2GRAY), None)
    for picture in pictures[:: max(1, round(hz))]:
        now, described = orb.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), None)
        if not len(points) or not len(now):
            continue
        pairs = [each for each in matcher.match(descriptors, described) if each.distance < ALIKE_BITS]
        if len(pairs) < LEAST_PAIRS:
            continue
        there = np.array([points[each.queryIdx].pt for each in pairs])
        here = np.array([now[each.trainIdx].pt for each in pairs])
        moved = cv2.estimateAffinePartial2D(there, here)[0]
        if np.size(moved) == 6:  # else no similarity was found
            most = max(most, float(np.linalg.norm(moved @ centre - centre[:2])) / width)
    return most
