"""How a camera's pixels become metres: the lens and the ground plane, and the arrays that all nouns are made of.

:mod:`crowdwatch.core.records` passes everything here on: import it from there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crowdwatch.errors import RecordError

__all__ = ["FloatArray", "GroundPlane", "Lens", "readonly"]

FloatArray: TypeAlias = NDArray[np.float64]


def readonly(what: str, values: Any, shape: tuple[int | None, ...], dtype: type = np.float64) -> NDArray[Any]:
    """Return ``values`` as a read-only array of the given shape (``None`` matches any length).

    Raises:
        RecordError: the shape does not fit.

    >>> readonly("xy_m", [[1, 2]], (None, 2)).shape
    (1, 2)
    """
    array: NDArray[Any] = np.array(values, dtype=dtype)
    if array.size == 0 and None in shape:
        array = array.reshape(tuple(0 if n is None else n for n in shape))
    fits = array.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, array.shape, strict=True))
    if not fits:
        raise RecordError(f"{what}: got shape {array.shape}, need {shape}.")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """How a picture departs from a pinhole.

    Args:
        model: ``opencv`` (coefficients k1 k2 p1 p2 k3 ..., distort = f(ideal)), ``fisheye`` (OpenCV's k1 k2 k3 k4 over
            the angle from the axis) or ``tsai`` (one coefficient, ideal = distorted * (1 + kappa r^2) in normalised
            coordinates).
        camera_matrix: (3, 3), pixels.
        coefficients: (n,).
    """

    model: str
    camera_matrix: FloatArray
    coefficients: FloatArray

    def __post_init__(self) -> None:
        if self.model not in ("opencv", "fisheye", "tsai"):
            raise RecordError(f"lens model: got {self.model!r}, need 'opencv', 'fisheye' or 'tsai'.")
        object.__setattr__(self, "camera_matrix", readonly("camera_matrix", self.camera_matrix, (3, 3)))
        object.__setattr__(self, "coefficients", readonly("coefficients", self.coefficients, (None,)))


@dataclass(frozen=True, slots=True, eq=False)
class GroundPlane:
    """Where a camera's pixels lie on the ground, and how well that is known.

    Everything follows from the homography and the camera centre: a point at height h casts its "shadow" from the
    centre onto the ground, X' = Xc + (X - Xc) Hc / (Hc - h), and the homography maps the shadow to the picture.

    Args:
        image_to_ground: (3, 3) homography from undistorted pixels to site metres, with its sign chosen so that the
            third homogeneous coordinate is positive for every pixel that shows ground.
        image_hw: size of the picture that the calibration belongs to.
        lens: None when the picture needs no undistortion.
        camera_centre_m: (3,) east, north, up; None for a bare homography whose camera position is unknown.
        head_plane_m: height of the plane on which heads are seen.
        rmse_m: error of the calibration on the ground; NaN when it is unknown (exactly four control points).
        hull_m: (K, 2) convex hull of the control points, None for a surveyed pose.
        hull_reach: ground is valid up to this many times the hull, scaled about its centroid.
        max_sigma_m: ground is valid only where a pixel's position error stays below this.
        pixel_sigma_px: standard deviation of an anchor pixel.
        homography_cov: (9, 9) covariance of the row-major homography, or None when it is not estimated.
    """

    image_to_ground: FloatArray
    image_hw: tuple[int, int]
    lens: Lens | None = None
    camera_centre_m: FloatArray | None = None
    head_plane_m: float = 1.65
    rmse_m: float = float("nan")
    hull_m: FloatArray | None = None
    hull_reach: float = 1.5
    max_sigma_m: float = 1.0
    pixel_sigma_px: float = 2.0
    homography_cov: FloatArray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_to_ground", readonly("image_to_ground", self.image_to_ground, (3, 3)))
        # plain numbers, so that a plane that is read back from a log has the id of the one that was written
        object.__setattr__(self, "image_hw", (int(self.image_hw[0]), int(self.image_hw[1])))
        for name in ("head_plane_m", "rmse_m", "hull_reach", "max_sigma_m", "pixel_sigma_px"):
            object.__setattr__(self, name, float(getattr(self, name)))
        for name, shape in (("camera_centre_m", (3,)), ("hull_m", (None, 2)), ("homography_cov", (9, 9))):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, readonly(name, value, shape))
        if not np.isfinite(self.image_to_ground).all():
            raise RecordError("image_to_ground must be finite.")

    @property
    def plane_id(self) -> str:
        """Twelve hex digits that change when anything that moves a position changes."""
        digest = hashlib.sha256(self.image_to_ground.tobytes())
        for part in (self.camera_centre_m, self.hull_m, self.homography_cov):
            digest.update(b"-" if part is None else part.tobytes())
        if self.lens is not None:
            digest.update(self.lens.model.encode() + self.lens.camera_matrix.tobytes())
            digest.update(self.lens.coefficients.tobytes())
        rest = (self.image_hw, self.head_plane_m, self.hull_reach, self.max_sigma_m, self.pixel_sigma_px)
        digest.update(repr((*rest, self.rmse_m)).encode())
        return digest.hexdigest()[:12]
