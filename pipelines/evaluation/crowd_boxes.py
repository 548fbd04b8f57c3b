"""Head points -> head boxes, for training a detector of heads.

How large a head is follows from the picture's own perspective where whole people can be boxed: stature over the row in
which they stand, fitted robustly, and a head is a seventh of it. Elsewhere, in dense crowds, from the spacing of the
neighbours: shoulder to shoulder, heads are about half the mean distance to the three nearest apart.

Sources: head height 0.13 of the stature (Drillis and Contini 1966), hair and chin included 0.145; spacing rule: the
geometry-adaptive kernel of Zhang et al. 2016, section 2.3, there 0.3 of the mean distance as a standard deviation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import theilslopes

from crowdwatch.core.records import FloatArray

__all__ = ["HEAD_OF_STATURE", "head_boxes", "head_sizes", "stature_line", "whole_people"]

HEAD_OF_STATURE = 0.145
SPACING = 0.5
LEAST_PX, MOST_PX = 5.0, 80.0
NEIGHBOURS = 3
SMOOTH = 8
"""Neighbours over which the local spacing is smoothed by its median."""

ENOUGH = 8
"""Whole people from which a perspective is fitted."""

LEAST_SPREAD_PX = 40
"""Rows over which their heads must lie apart."""

UPRIGHT = (1.8, 4.0)
"""Height over width of an unobstructed body: outside, something hides a part of it."""


def whole_people(people_xyxy: FloatArray, heads_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Upright boxes that hold one head, in their upper quarter.

    Args:
        people_xyxy: (M, 4) boxes of people.
        heads_px: (N, 2) annotated heads.

    Returns:
        (K, 4) those boxes, and (K, 2) the head in each.
    """
    size = people_xyxy[:, 2:] - people_xyxy[:, :2]
    ratio = size[:, 1] / np.maximum(size[:, 0], 1e-6)
    boxes, heads = [], []
    for box in people_xyxy[(ratio > UPRIGHT[0]) & (ratio < UPRIGHT[1])]:
        left, top, right, bottom = box
        x, y = heads_px.T
        inside = (x > left) & (x < right) & (y > top - 0.05 * (bottom - top)) & (y < top + 0.25 * (bottom - top))
        if inside.sum() == 1:
            boxes.append(box)
            heads.append(heads_px[inside][0])
    return np.reshape(boxes, (-1, 4)), np.reshape(heads, (-1, 2))


def stature_line(people_xyxy: FloatArray, heads_px: FloatArray) -> tuple[float, float] | None:
    """Fit stature = a + b * row of the head, over boxes that hold a head in their upper quarter.

    Args:
        people_xyxy: (M, 4) boxes of people.
        heads_px: (N, 2) annotated heads.

    Returns:
        a in px and b, or None when too few whole people are there or they do not grow downwards.

    Source: Theil 1950 and Sen 1968 (median of slopes).
    """
    if len(people_xyxy) < ENOUGH or len(heads_px) == 0:
        return None
    boxes, heads = whole_people(people_xyxy, heads_px)
    if len(heads) < ENOUGH or np.ptp(heads[:, 1]) < LEAST_SPREAD_PX:
        return None
    slope, intercept, _, _ = theilslopes(boxes[:, 3] - boxes[:, 1], heads[:, 1])
    return (float(intercept), float(slope)) if slope > 0 else None


def head_sizes(heads_px: FloatArray, line: tuple[float, float] | None = None) -> FloatArray:
    """(N,) side of each head in px.

    >>> row = np.array([[x, 0.0] for x in range(0, 200, 20)])
    >>> round(float(head_sizes(row)[5]), 2)  # neighbours at 20, 20 and 40 px
    13.33
    """
    count = len(heads_px)
    if count == 0:
        return np.empty(0)
    spacing, nearest = np.full(count, MOST_PX / SPACING), np.full(count, np.inf)
    if count > NEIGHBOURS:
        tree = cKDTree(heads_px)
        found: Any = tree.query(heads_px, k=min(SMOOTH + 1, count))
        distance, index = found
        nearest = distance[:, 1]
        own = distance[:, 1 : NEIGHBOURS + 1].mean(axis=1)
        spacing = np.median(own[index], axis=1)
    size = SPACING * spacing
    if line is not None:
        size = np.minimum(HEAD_OF_STATURE * (line[0] + line[1] * heads_px[:, 1]), 1.5 * size)
    size = np.minimum(size, 1.2 * nearest)  # two heads do not cover each other
    return np.asarray(np.clip(size, LEAST_PX, MOST_PX))


def head_boxes(heads_px: FloatArray, line: tuple[float, float] | None = None) -> FloatArray:
    """(N, 4) square boxes about the heads."""
    half = head_sizes(heads_px, line)[:, None] / 2
    return np.hstack([heads_px - half, heads_px + half])
