"""A drone's picture laid on a picture of the same ground: its pose from telemetry becomes better, or stays what it was.

Both pictures are brought onto one raster of the ground, the drone's through the pose of its telemetry, so that they
differ only by what that pose is wrong by: a shift, and a little turn. Around corners of the reference the same patch is
looked for in the drone's picture, as far away as telemetry may be wrong (normalised cross-correlation). Places that
agree on one homography (RANSAC) are those that both show; the pose is fitted to them, held by telemetry and its errors
(least squares with a prior). People move and agree on nothing: they fall out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray, GroundPlane, Lens
from crowdwatch.ground import AerialPose, aerial_plane, homography_of, picture_edges_px, to_ground

__all__ = ["GroundPicture", "Refined", "refined"]

Gray: TypeAlias = NDArray[np.uint8]

MOST_RASTER_PX = 1200
"""Sides of the raster, at most: features are found to a third of a pixel, and 100 m at 0.1 m are enough."""

CORNERS, APART_PX = 160, 24
"""Corners of the reference that are looked for, and how far they lie apart."""

PATCH_PX = 48
"""Side of the patch around each: 5 m at 0.1 m, more than single people hide."""

BLUR_PX = 1.5
LEAST_ALIKE = 0.4
"""Normalised correlation of a patch and its like. Descriptors of features (ORB, compared without regard to their
places) found too few on 2 of the first 4 drawn pictures with 1,500 people; patches within telemetry's reach on none."""

DISTINCT, AROUND_PX = 0.1, 8
"""A patch's like must be so much more alike than any other place: paving repeats itself, and then nobody knows."""

MOST_FITTED = 300
"""Of the places that agree, evenly chosen: more make the fit slow and no better."""

BLUR_PX = 2.5
"""Of the raster: sensor noise and single people look alike to nothing. On drawn ground twice as many features agree
with it as without."""

LEAST_MATCHES = 20
"""Places that must agree: five times what a homography needs, and chance never agrees on so many."""

LEAST_SHARE = 0.3
"""Of the patches that look alike so many must agree, or what agrees is a pattern that repeats."""

LEAST_AREA_FRAC = 0.08
"""Of the picture that they must lie around: from one corner a pose is not known."""

RANSAC_PX = 3.0
MOST_REACH_PX = 150
"""Telemetry that may be wrong by more of the raster is looked for no farther: what lies there is found by chance."""

REACH_SIGMAS = 4.0
"""How far from telemetry's pose a better one may lie, in its standard errors; what lies farther is a wrong match."""

MATCH_SIGMA_PX = 1.0
"""Of a matched feature in the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundPicture:
    """A picture whose pixels are known places: an orthophoto, or a calibrated picture of the scene.

    Args:
        gray: (H, W) of it, straightened.
        image_to_ground: (3, 3) from its pixels to metres on the site.
        sigma_m: standard error of its own position.
        mask: (H, W) where it shows ground; None everywhere.
    """

    gray: Gray
    image_to_ground: FloatArray
    sigma_m: float = 0.15
    mask: Gray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What became of a pose.

    Args:
        plane: refined, or that of telemetry.
        pose: the refined pose; None where matching failed.
        why: why it failed; empty where it did not.
        matches: places that agree.
        before_m, after_m: root mean square distance on the ground between those places in the two pictures.
    """

    plane: GroundPlane
    pose: AerialPose | None = None
    why: str = ""
    matches: int = 0
    before_m: float = float("nan")
    after_m: float = float("nan")


@dataclass(slots=True)
class _Raster:
    """One raster of the ground: its south-west corner, metres a pixel, size."""

    west: float
    north: float
    step_m: float
    shape: tuple[int, int]
    to_ground: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.to_ground = np.array([[self.step_m, 0, self.west], [0, -self.step_m, self.north], [0, 0, 1.0]])

    def of(self, gray: Gray, image_to_ground: FloatArray, border: int = 0) -> Gray:
        """A picture on the raster."""
        warp = np.linalg.inv(self.to_ground) @ image_to_ground
        size = self.shape[1], self.shape[0]
        return np.asarray(cv2.warpPerspective(gray, warp, size, flags=cv2.INTER_AREA, borderValue=border), np.uint8)


def refined(
    gray: Gray, pose: AerialPose, errors: AerialPose, reference: GroundPicture, *, lens: Lens | None = None,
    head_plane_m: float = 1.65, max_sigma_m: float = 1.0,
) -> Refined:  # fmt: skip
    """Lay a picture on a reference and fit its pose.

    Args:
        gray: (H, W) u8, as the picture shows it.
        pose, errors: what telemetry says, and its standard errors.
        reference: of the same ground.
        lens: how the picture departs from a pinhole.
        head_plane_m, max_sigma_m: as in :class:`GroundPlane`.

    Returns:
        With a plane in any case: the covariance of the fit is (J^T J)^-1 of the whitened residuals, widened by what
        they are larger than expected, and the reference's own error is added to its position.

    Raises:
        CalibrationError: telemetry's pose alone sees no ground.
    """
    image_hw = gray.shape[0], gray.shape[1]
    settings: dict[str, Any] = {"lens": lens, "head_plane_m": head_plane_m, "max_sigma_m": max_sigma_m}
    plane = aerial_plane(pose, errors, image_hw, **settings)
    straight = gray if lens is None else _straightened(gray, lens)
    raster = _raster(plane, pose, reference)
    if raster is None:
        return Refined(plane, why="the picture shows nothing of the reference")
    pair = _matches(raster, straight, plane, reference)
    if isinstance(pair, str):
        return Refined(plane, why=pair)
    uv, xy = pair
    fit = _fit(uv, xy, pose, errors, image_hw, lens)
    if isinstance(fit, str):
        return Refined(plane, why=fit, matches=len(uv))
    better, covariance = fit
    covariance[0, 0] += reference.sigma_m**2
    covariance[1, 1] += reference.sigma_m**2
    found = aerial_plane(better, covariance, image_hw, **settings)
    ideal = np.column_stack([uv, np.ones(len(uv))])
    before, after = (_rms(ideal @ each.image_to_ground.T, xy) for each in (plane, found))
    return Refined(found, better, "", len(uv), before, after)


def _straightened(gray: Gray, lens: Lens) -> Gray:
    if lens.model != "opencv":
        return gray
    return np.asarray(cv2.undistort(gray, lens.camera_matrix, lens.coefficients), np.uint8)


def _rms(homogeneous: FloatArray, xy: FloatArray) -> float:
    off = homogeneous[:, :2] / homogeneous[:, 2:] - xy
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1))))


def _raster(plane: GroundPlane, pose: AerialPose, reference: GroundPicture) -> _Raster | None:
    """The ground that both pictures may show, as fine as the coarser of them."""
    left, top, right, bottom = picture_edges_px(plane.image_hw)
    u, v = np.meshgrid(np.linspace(left, right, 9), np.linspace(top, bottom, 9))
    ground = to_ground(plane, np.column_stack([u.ravel(), v.ravel()]))
    ground = ground[np.isfinite(ground).all(axis=1)]
    near = np.hypot(*(ground - [pose.east_m, pose.north_m]).T) < 4 * pose.up_m  # beyond, people are grains
    if near.sum() < 4:
        return None
    height, width = reference.gray.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]]) @ reference.image_to_ground.T
    if not (corners[:, 2] > 0).all():
        corners = np.array([[0, height / 2, 1], [width, height / 2, 1], [width, height, 1], [0, height, 1.0]])
        corners = corners @ reference.image_to_ground.T
    there = corners[:, :2] / corners[:, 2:]
    room_m = 5.0
    west, south = np.maximum(ground[near].min(axis=0), there.min(axis=0)) - room_m
    east, north = np.minimum(ground[near].max(axis=0), there.max(axis=0)) + room_m
    if not (east - west > 2 * room_m and north - south > 2 * room_m):
        return None
    own_m = pose.up_m / pose.focal_px
    its_m = float(np.sqrt(abs(np.linalg.det(reference.image_to_ground[:2, :2])))) / abs(reference.image_to_ground[2, 2])
    step_m = max(own_m, its_m if np.allclose(reference.image_to_ground[2, :2], 0) else own_m, 0.02)
    step_m = max(step_m, (east - west) / MOST_RASTER_PX, (north - south) / MOST_RASTER_PX)
    shape = int(np.ceil((north - south) / step_m)), int(np.ceil((east - west) / step_m))
    return _Raster(float(west), float(north), step_m, shape)


def _matches(
    raster: _Raster, gray: Gray, plane: GroundPlane, reference: GroundPicture
) -> tuple[FloatArray, FloatArray] | str:
    """(N, 2) straightened pixels of the picture and (N, 2) metres of the same places by the reference; or why none."""
    everywhere = np.full(gray.shape, 255, np.uint8)
    there = np.full(reference.gray.shape, 255, np.uint8) if reference.mask is None else reference.mask
    own, its = (
        np.asarray(cv2.GaussianBlur(raster.of(image, matrix), (0, 0), BLUR_PX), np.uint8)
        for image, matrix in ((gray, plane.image_to_ground), (reference.gray, reference.image_to_ground))
    )
    own_mask, its_mask = (
        np.asarray(raster.of(mask, matrix) == 255, np.uint8) * np.uint8(255)
        for mask, matrix in ((everywhere, plane.image_to_ground), (there, reference.image_to_ground))
    )
    corners = cv2.goodFeaturesToTrack(its, CORNERS, 0.01, APART_PX, mask=own_mask & its_mask)
    if corners is None or len(corners) < LEAST_MATCHES:
        return "too few corners on the ground"
    reach_px = min(MOST_REACH_PX, round(REACH_SIGMAS * max(plane.rmse_m, 0.5) / raster.step_m))
    found = [_alike(own, own_mask, its, corner, reach_px) for corner in np.asarray(corners, np.float32).reshape(-1, 2)]
    pairs = [pair for pair in found if pair is not None]
    if len(pairs) < LEAST_MATCHES:
        return f"only {len(pairs)} patches of {len(found)} look alike"
    here, at = (np.array([pair[side] for pair in pairs], np.float64) for side in (0, 1))
    _, good = cv2.findHomography(here, at, cv2.RANSAC, RANSAC_PX, maxIters=4000, confidence=0.999)
    agree = np.zeros(len(here), np.bool_) if good is None else good.ravel().astype(np.bool_)
    if agree.sum() < LEAST_MATCHES or agree.mean() < LEAST_SHARE:
        return f"only {int(agree.sum())} of {len(here)} patches that look alike agree"
    uv = _through(np.linalg.inv(plane.image_to_ground) @ raster.to_ground, here[agree])
    xy = _through(raster.to_ground, at[agree])
    hull = cv2.contourArea(cv2.convexHull(uv.astype(np.float32)))
    if hull < LEAST_AREA_FRAC * gray.size:
        return "the places that agree lie in one corner of the picture"
    return uv, xy


def _alike(
    own: Gray, own_mask: Gray, its: Gray, corner: NDArray[np.float32], reach_px: int
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Where a patch of the reference lies in the picture, and in the reference, in pixels of the raster."""
    half = PATCH_PX // 2
    col, row = round(float(corner[0])), round(float(corner[1]))
    left, top = col - half - reach_px, row - half - reach_px
    if row < half or col < half or row + half > its.shape[0] or col + half > its.shape[1]:
        return None
    from_col, from_row = max(left, 0), max(top, 0)
    window = (slice(from_row, row + half + reach_px), slice(from_col, col + half + reach_px))
    if min(own[window].shape) < PATCH_PX:
        return None
    alike = cv2.matchTemplate(own[window], its[row - half : row + half, col - half : col + half], cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(alike)
    if best < LEAST_ALIKE or not (0 < x < alike.shape[1] - 1 and 0 < y < alike.shape[0] - 1):
        return None
    others = alike.copy()
    others[max(0, y - AROUND_PX) : y + AROUND_PX + 1, max(0, x - AROUND_PX) : x + AROUND_PX + 1] = -1.0
    if float(others.max()) > best - DISTINCT:
        return None
    centre = from_col + x + half, from_row + y + half
    if not own_mask[min(centre[1], own_mask.shape[0] - 1), min(centre[0], own_mask.shape[1] - 1)]:
        return None
    shift_x, shift_y = (
        _peak(float(low), float(best), float(high))
        for low, high in ((alike[y, x - 1], alike[y, x + 1]), (alike[y - 1, x], alike[y + 1, x]))
    )
    return (centre[0] + shift_x, centre[1] + shift_y), (float(col), float(row))


def _peak(low: float, middle: float, high: float) -> float:
    """Where between its neighbours a parabola through three values has its top: -0.5 to 0.5."""
    bend = low - 2 * middle + high
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * (low - high) / bend))


def _through(matrix: FloatArray, points: FloatArray) -> FloatArray:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def _fit(
    uv: FloatArray, xy: FloatArray, pose: AerialPose, errors: AerialPose, image_hw: tuple[int, int], lens: Lens | None
) -> tuple[AerialPose, FloatArray] | str:
    """The pose that fits matched places and telemetry, and its covariance; or why there is none."""
    from scipy.optimize import least_squares

    chosen = np.unique(np.linspace(0, len(uv) - 1, min(len(uv), MOST_FITTED)).astype(int))
    uv, xy = uv[chosen], xy[chosen]
    prior, spread = pose.values(), np.maximum(errors.values(), 1e-6)
    centre = None if lens is None else (float(lens.camera_matrix[0, 2]), float(lens.camera_matrix[1, 2]))

    def miss(step: FloatArray) -> FloatArray:
        to_px = np.linalg.inv(homography_of(prior + step * spread, image_hw, centre))
        return np.concatenate([((_through(np.asarray(to_px), xy) - uv) / MATCH_SIGMA_PX).ravel(), step])

    fit = least_squares(miss, np.zeros(7), loss="soft_l1", x_scale="jac", max_nfev=50)
    if not fit.success or np.abs(fit.x).max() > REACH_SIGMAS:
        return "the pose that fits is too far from telemetry's"
    residual = miss(fit.x)[: 2 * len(uv)]
    misfit = max(1.0, float(np.median(np.abs(residual)) / 0.6745) ** 2)
    jacobian = np.asarray(fit.jac)
    covariance = np.linalg.inv(jacobian.T @ jacobian) * misfit * np.outer(spread, spread)
    return AerialPose.of(prior + fit.x * spread), np.asarray(covariance)
