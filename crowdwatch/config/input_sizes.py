"""``image_px: auto``: the detector's input by how tall people look on the ground that a camera watches."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry.base import BaseGeometry

from crowdwatch.config.programs import DetectorSettings
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.core.site import LEAST_TALL_PX
from crowdwatch.ground import heads_fault, inside, statures_px, to_image, valid_px

__all__ = ["OWN_PX", "chosen_px", "watched_statures_px"]

OWN_PX = 640
"""What the shipped weights were made for. Auto never goes below: recall still rises with height beyond 64 px."""

MULTIPLE = 32
"""The networks halve a picture five times."""

LEFT_OUT_FRAC = 0.05
"""Share of the watched ground, the farthest, that does not decide the size."""

POINTS = 60
"""Of the lattice over the watched ground, along its longer side."""


def watched_statures_px(plane: GroundPlane, watched: BaseGeometry) -> FloatArray:
    """How tall people look in the picture, over a lattice of the watched ground that it shows; ascending, (N,) pixels.

    Empty where it shows none of it, or where the camera's height is not known.
    """
    if watched.is_empty:
        return np.empty(0)
    west, south, east, north = watched.bounds
    step = max(east - west, north - south) / POINTS
    x, y = (np.arange(low + step / 2, high, step) for low, high in ((west, east), (south, north)))
    lattice = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    lattice = lattice[inside(watched, lattice)]
    tall = statures_px(plane, lattice[valid_px(plane, to_image(plane, lattice))])
    return np.sort(tall[np.isfinite(tall)])


def chosen_px(settings: DetectorSettings, plane: GroundPlane | None, watched: BaseGeometry) -> int | None:
    """The input's longer side for one camera: the smallest multiple of 32 at which people on nearly all of the watched
    ground that it sees look at least 64 px tall, between 640 and ``image_px_most``. It is no larger than the picture:
    enlarged, a picture shows no more.

    None where the event file does not ask for it. Where heights are not known (a camera that moves, or one without a
    position), the most that the budget allows.
    """
    if settings.image_px != "auto":
        return None
    if plane is None:
        return settings.image_px_most
    longest = max(plane.image_hw)
    tall = watched_statures_px(plane, watched)
    unknown = math.inf if heads_fault(plane) is not None else 0.0  # the second: it sees no ground of a zone
    wanted = longest * LEAST_TALL_PX / float(np.quantile(tall, LEFT_OUT_FRAC)) if len(tall) else unknown
    return min(max(math.ceil(min(wanted, longest) / MULTIPLE) * MULTIPLE, OWN_PX), settings.image_px_most)
