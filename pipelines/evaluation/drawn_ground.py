"""Ground with a texture of its own, and pictures of it from the air: what drone figures are measured on.

Everything is drawn by this program from a seed: paving, stains, painted lines, covers, people. No photograph is in it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.calibration.registration import GroundPicture
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.ground import to_image

__all__ = ["drawn_ground", "drawn_picture"]

Gray = NDArray[np.uint8]

STATURE_M, SHOULDER_M = 1.75, 0.45


def drawn_ground(
    west: float, south: float, east: float, north: float, step_m: float = 0.1, seed: int = 3
) -> GroundPicture:
    """An orthophoto of a square that never was.

    Args:
        west, south, east, north: its bounds in metres.
        step_m: metres a pixel.
        seed: of everything in it.
    """
    rng = np.random.default_rng(seed)
    height, width = round((north - south) / step_m), round((east - west) / step_m)
    tone = np.full((height, width), 135.0, np.float32)
    for size_m, strength in ((8.0, 25.0), (2.0, 18.0), (0.5, 14.0), (0.2, 10.0)):
        rows, cols = max(2, round((north - south) / size_m)), max(2, round((east - west) / size_m))
        noise = rng.normal(0.0, strength, (rows, cols)).astype(np.float32)
        tone += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(round(width * height * step_m**2 / 30)):  # a mark every 30 m2
        at = int(rng.integers(width)), int(rng.integers(height))
        shade, size = float(rng.integers(30, 230)), max(1, round(rng.uniform(0.2, 1.2) / step_m))
        if rng.random() < 0.5:
            cv2.circle(tone, at, size, shade, -1 if rng.random() < 0.5 else 1)
        else:
            to = at[0] + int(rng.integers(-3 * size, 3 * size + 1)), at[1] + int(rng.integers(-3 * size, 3 * size + 1))
            cv2.rectangle(tone, at, to, shade, -1 if rng.random() < 0.4 else 1)
    gray = np.clip(tone, 0, 255).astype(np.uint8)
    return GroundPicture(gray, np.array([[step_m, 0, west], [0, -step_m, north], [0, 0, 1.0]]), 0.05)


def drawn_picture(
    plane: GroundPlane, ground: GroundPicture, people_m: FloatArray, *, light: float = 1.0, seed: int = 0
) -> NDArray[np.uint8]:
    """(H, W, 3) the ground and people on it, as a camera sees them: light and noise are not those of the orthophoto."""
    height, width = plane.image_hw
    warp = np.linalg.inv(plane.image_to_ground) @ ground.image_to_ground
    gray = cv2.warpPerspective(ground.gray, warp, (width, height), flags=cv2.INTER_LINEAR, borderValue=120)
    rng = np.random.default_rng((seed, 17))
    noisy = np.asarray(gray, np.float32) * light + np.asarray(rng.normal(0.0, 4.0, (height, width)), np.float32)
    image = np.repeat(np.asarray(np.clip(noisy, 0, 255), np.uint8)[:, :, None], 3, axis=2)
    feet, heads = to_image(plane, people_m), to_image(plane, people_m, STATURE_M)
    near = np.isfinite(feet).all(axis=1) & np.isfinite(heads).all(axis=1)
    near &= (np.abs(feet - [width / 2, height / 2]) < [width, height]).all(axis=1)
    for number in np.flatnonzero(near).tolist():
        shade = tuple(int(value) for value in np.random.default_rng((seed, number)).integers(20, 236, 3))
        wide = max(1, round(SHOULDER_M / 2 * _px_per_m(plane, people_m[number])))
        ends = [tuple(int(v) for v in np.round(each).tolist()) for each in (feet[number], heads[number])]
        cv2.line(image, ends[0], ends[1], shade, 2 * wide, cv2.LINE_AA)
        cv2.circle(image, ends[1], wide, (150, 175, 205), -1, cv2.LINE_AA)
    return image


def _px_per_m(plane: GroundPlane, xy: FloatArray) -> float:
    ends = to_image(plane, np.stack([xy, xy + np.array([0.5, 0.0]), xy + np.array([0.0, 0.5])]))
    return float(2 * max(np.hypot(*(ends[1] - ends[0])), np.hypot(*(ends[2] - ends[0]))))
