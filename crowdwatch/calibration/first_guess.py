"""A camera's pose where nobody has surveyed anything: lines that are parallel on the ground, and a person's height.

It is a guess for a first look. What it is wrong by is stated from clicks and from how tall people are, and is wide.

* Lines that are parallel on the ground meet in the picture at a vanishing point v. Its direction is K^-1 v.
* Two such families at right angles give the focal length: f^2 = -(v1 - c) . (v2 - c). With one, the angle of view is
  asked for, and the camera is taken to stand upright.
* The ground's normal is at right angles to both. A person of known height H gives the scale: the foot's ray meets the
  ground at the horizontal distance k Hc, and the head's ray passes over that place at Hc (1 + k s), with s the slope of
  the head's ray; so Hc = H / (1 + k s).

Source: Criminisi, Reid and Zisserman 2000, "Single View Metrology", IJCV 40; Caprile and Torre 1990.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import CalibrationError

__all__ = ["FirstGuess", "first_guess"]

CLICK_PX = 2.0
"""Standard error of a click."""

PERSON_SIGMA_M = 0.08
"""Standard deviation of the stature of adults about a height that is said of one [design value]."""

PERSON_M = (0.8, 2.3)


@dataclass(frozen=True, slots=True, eq=False)
class FirstGuess:
    """A pose that nobody surveyed: the camera stands above (0, 0), north is the direction of the first lines.

    Args:
        focal_px: focal length.
        rotation: (3, 3) site (east, north, up) to camera (right, down, forward).
        height_m: of the camera.
        height_sigma_m: its standard error, from clicks and stature.
    """

    focal_px: float
    rotation: FloatArray
    height_m: float
    height_sigma_m: float

    def calibration(self, image_hw: tuple[int, int]) -> dict[str, Any]:
        """The calibration as keys of an event file. Without ``rmse_m``: its error is unknown, and readings say so."""
        translation = -self.rotation @ np.array([0.0, 0.0, self.height_m])
        return {
            "pose": {
                "focal_px": [round(self.focal_px, 2)] * 2,
                "centre_px": [image_hw[1] / 2, image_hw[0] / 2],
                "rotation": [[round(float(value), 9) for value in row] for row in self.rotation],
                "translation_m": [round(float(value), 6) for value in translation],
            }
        }


def first_guess(
    image_hw: tuple[int, int],
    along: Sequence[FloatArray],
    across: Sequence[FloatArray],
    people: Sequence[FloatArray],
    person_m: float = 1.7,
    view_deg: float = 70.0,
) -> FirstGuess:
    """Guess a camera's pose.

    Args:
        image_hw: size of the picture.
        along: lines, (2, 2) pixels each, that are parallel on the ground; at least two. Their direction is north.
        across: lines on the ground at right angles to these; none or at least two.
        people: (2, 2) pixels each: the feet of somebody who stands, and the top of the head; at least one.
        person_m: how tall these people are.
        view_deg: angle of view across the picture, used without ``across``.

    Raises:
        CalibrationError: too few lines, or lines and people that no camera sees like this.
    """
    faults = []
    if len(along) < 2 or len(across) == 1:
        faults.append(
            f"got {len(along)} lines along and {len(across)} across, need at least 2 along, and none or 2 across. "
            "Draw edges that are parallel on the ground, such as kerbs."
        )
    if not people:
        faults.append("nobody is drawn. Draw a person from the feet to the top of the head.")
    if not PERSON_M[0] <= person_m <= PERSON_M[1]:
        faults.append(f"got a person of {person_m:g} m, need {PERSON_M[0]:g} to {PERSON_M[1]:g} m.")
    if not 5 <= view_deg <= 150:
        faults.append(f"got an angle of view of {view_deg:g} degrees, need 5 to 150.")
    if faults:
        raise CalibrationError("first guess: " + " ".join(faults))
    lines = np.array([*along, *across, *people], dtype=np.float64).reshape(-1, 2, 2)
    counts = (len(along), len(across))
    focal, rotation, height = _solved(image_hw, lines, counts, person_m, view_deg)
    variance = (height / person_m * PERSON_SIGMA_M) ** 2 / len(people)
    for place in np.ndindex(lines.shape):  # by how much a click moves the height
        moved = lines.copy()
        moved[place] += 1.0
        try:
            variance += (CLICK_PX * (_solved(image_hw, moved, counts, person_m, view_deg)[2] - height)) ** 2
        except CalibrationError:
            variance = math.inf
    return FirstGuess(focal, rotation, height, math.sqrt(variance))


def _solved(
    image_hw: tuple[int, int], lines: FloatArray, counts: tuple[int, int], person_m: float, view_deg: float
) -> tuple[float, FloatArray, float]:
    n_along, n_across = counts
    centred = lines - np.array([image_hw[1] / 2, image_hw[0] / 2])
    size = float(max(image_hw))
    first = _vanishing(centred[:n_along] / size)
    if n_across:
        second = _vanishing(centred[n_along : n_along + n_across] / size)
        a, b = first[:2] * second[2], second[:2] * first[2]
        w = first[2] * second[2]
        squared = -float(a @ b) / w**2 if abs(w) > 1e-9 else math.nan
        if not 0.05 < squared < 25:
            raise CalibrationError(
                "first guess: the two families of lines are not at right angles on the ground, or do not converge in "
                "the picture, so that they say nothing of the lens. Draw others, or lines along alone with an angle of "
                "view."
            )
        focal = math.sqrt(squared)
    else:
        second = None
        focal = image_hw[1] / size / 2 / math.tan(math.radians(view_deg) / 2)
    north = _unit(np.array([first[0], first[1], first[2] * focal]))
    north = north if north[2] > 0 else -north
    if second is None:
        up = np.array([0.0, -north[2], north[1]])  # an upright camera: the normal has no part to the right
    else:
        across = _unit(np.array([second[0], second[1], second[2] * focal]))
        up = np.cross(north, across)
    up = _unit(up) * (1 if up[1] < 0 else -1)
    rotation = np.column_stack([np.cross(north, up), north, up])
    heights = [_height(rotation, focal, ends / size, person_m) for ends in centred[n_along + n_across :]]
    return focal * size, rotation, float(np.median(heights))


def _vanishing(lines: FloatArray) -> FloatArray:
    """Where lines meet, homogeneous, by least squares over their unit normals."""
    ends = np.concatenate([lines, np.ones((*lines.shape[:2], 1))], axis=2)
    if float(np.linalg.norm(lines[:, 0] - lines[:, 1], axis=1).min()) < 0.01:
        raise CalibrationError("first guess: a line is too short. Draw lines over a tenth of the picture or more.")
    normals = np.cross(ends[:, 0], ends[:, 1])
    normals /= np.linalg.norm(normals[:, :2], axis=1, keepdims=True)
    point: FloatArray = np.linalg.svd(normals)[2][-1]
    return point


def _height(rotation: FloatArray, focal: float, ends: FloatArray, person_m: float) -> float:
    rays = np.column_stack([ends, np.full(2, focal)]) @ rotation  # camera to site
    rays = rays if ends[0, 1] >= ends[1, 1] else rays[::-1]  # feet are below the head in the picture
    foot, head = rays
    if foot[2] >= -1e-6:
        raise CalibrationError(
            "first guess: the feet of a person lie at or above the horizon of the lines. Check both: lines must lie on "
            "the ground."
        )
    reach = float(np.hypot(*foot[:2])) / -foot[2]
    over = 1 + reach * float(head[2]) / max(float(np.hypot(*head[:2])), 1e-9)
    if not over > 0.005:
        raise CalibrationError("first guess: a person's head lies below the feet on the ground. Draw the person again.")
    return person_m / float(over)


def _unit(vector: FloatArray) -> FloatArray:
    made: FloatArray = vector / np.linalg.norm(vector)
    return made
