"""How long the lenses of drones are: by model, from what their makers state."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["DRONES", "FILM_DIAGONAL_MM", "DroneLens", "focal_px"]

FILM_DIAGONAL_MM = 43.27
"""Of 35 mm film, 36 x 24 mm: makers state focal lengths as if the sensor had this diagonal."""


@dataclass(frozen=True, slots=True)
class DroneLens:
    """The lens of a model's widest camera.

    Args:
        focal_35_mm: focal length as of 35 mm film, over the sensor's diagonal.
        aspect: width / height of the whole sensor; films of 16:9 use its whole width.
        sigma_frac: standard error of the focal length: a film's mode may crop a little, and lenses differ.
    """

    focal_35_mm: float
    aspect: float = 4 / 3
    sigma_frac: float = 0.03


DRONES = {
    "air-2s": DroneLens(22.0, 3 / 2),
    "air-3": DroneLens(24.0),
    "air-3s": DroneLens(24.0),
    "matrice-30": DroneLens(24.0),
    "matrice-4e": DroneLens(24.0),
    "mavic-2-pro": DroneLens(28.0, 3 / 2),
    "mavic-3": DroneLens(24.0),
    "mavic-3-enterprise": DroneLens(24.0),
    "mavic-air-2": DroneLens(24.0),
    "mavic-mini": DroneLens(24.0),
    "mavic-pro": DroneLens(26.0),
    "mini-2": DroneLens(24.0),
    "mini-3-pro": DroneLens(24.0),
    "mini-4-pro": DroneLens(24.0),
    "phantom-4-pro": DroneLens(24.0, 3 / 2),
    "phantom-4-rtk": DroneLens(24.0, 3 / 2),
    "zenmuse-h20": DroneLens(24.0),
}
"""By model. The numbers are those of the makers' data sheets; a calibration of the drone at hand is better."""


def focal_px(lens: DroneLens, width_px: int) -> float:
    """Focal length in pixels of a picture that shows the sensor's whole width.

    f = W f35 / w35, with w35 = d35 a / sqrt(1 + a^2) the width of the sensor of aspect a as of 35 mm film.

    >>> round(focal_px(DroneLens(36.0, 3 / 2), 3600), 1)  # a sensor of 3:2 is 36 mm wide as of 35 mm film
    3599.7
    """
    width_35_mm = FILM_DIAGONAL_MM * lens.aspect / math.hypot(1.0, lens.aspect)
    return width_px * lens.focal_35_mm / width_35_mm
