"""The mean over a window of pictures that were taken from different places: what a moving camera counts.

Each cell of the ground that the camera counts now takes the mean of the pictures that saw it. Ground that has just come
into view has fewer of them, and never none: the newest picture sees all that is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.records import FloatArray
from crowdwatch.ground import IntArray, Masks, Window, moved

__all__ = ["Pose", "places_in", "shares_in_mean"]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """What a picture of a moving camera saw, as :class:`~crowdwatch.analytics.coverage.CameraView` has it.

    Args:
        window: the cells that it reached.
        seen: (rows, cols) the parts on which people were seen.
        heads_share: (rows, cols) share of each cell where heads were seen on walkable ground.
    """

    window: Window
    seen: Masks
    heads_share: FloatArray


def places_in(place: IntArray, window: Window, to: Window) -> IntArray:
    """(N,) cells, row by row, of one window as cells of another; -1 beyond it.

    >>> places_in(np.array([0, 3]), Window(0, 0, 2, 2), Window(1, 1, 2, 2)).tolist()
    [-1, 0]
    """
    row, col = np.divmod(place, max(window.cols, 1))
    row, col = row + window.row - to.row, col + window.col - to.col
    inside = (row >= 0) & (row < to.rows) & (col >= 0) & (col < to.cols)
    return np.where(inside, row * to.cols + col, -1)


def shares_in_mean(poses: Sequence[Pose], window: Window, owned: Masks) -> list[FloatArray]:
    """What each picture counts for in the mean of each cell: 1 / N for each of the N pictures that saw all of the
    ground that is counted there, else 0.

    Args:
        poses: of the pictures; the last one saw all that is counted.
        window: the cells that the last one reaches.
        owned: (rows, cols) over it, the parts that the camera counts.

    Returns:
        (rows, cols) over ``window`` for each picture.
    """
    saw = [owned & ~moved(pose.seen, pose.window, window) == 0 for pose in poses]
    times = np.sum(saw, axis=0)
    return [np.divide(here, times, out=np.zeros(window.shape), where=times > 0) for here in saw]
