"""Velocities on the ground from two pictures: optical flow where people are, less what the camera itself did.

Nobody is followed. Dense inverse search (Kroeger, Timofte, Dai and Van Gool 2016, ECCV) says for every pixel of the
current picture where it was in the earlier one, and back. What does not come back to itself is left out: rain,
confetti, flicker, occlusion. What the background did (a mast that sways, a drone between two poses) is fitted and taken
out. The rest goes to the ground through the plane in which the upper bodies of people are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame, FramePair, GroundMass, GroundPlane
from crowdwatch.ground import heads_fault, to_ground, to_image, valid_ground

__all__ = ["BEST_S", "FARTHEST_S", "FLOW_EVERY_S", "NEAREST_S", "measure_flow"]

NEAREST_S, BEST_S, FARTHEST_S = 0.1, 0.2, 0.4
"""How far apart the two pictures may lie, and at best do: nearer people have hardly moved, farther they are mistaken
for others. At 0.12 s errors are half as large again as at 0.2 s (docs/decisions.md)."""

FLOW_EVERY_S = Fraction(1)
"""Event time between two measurements: a wave of 5 s is seen five times, and it costs a tenth of what boxes and density
map do (docs/decisions.md)."""

WIDTH_PX = 640
"""The longer side of the pictures that are compared (docs/decisions.md)."""

STEP_PX = 4
"""Flow is taken at every so many pixels of the compared pictures: half the side of a patch that was matched."""

PATCH_PX = 8

THERE_SCALE, BACK_SCALE = 1, 2
"""Halvings of the compared pictures at which flow is searched last, there and back. With 2 both ways it costs two
thirds and is off three times as far."""

BELOW_HEADS_M = 0.2
"""What moves in a crowd's picture are heads and shoulders: 0.2 m below the plane of the heads in the mean."""

HEIGHT_SIGMA_M = 0.12
"""How far off that plane is for one person: statures, and how much of the body is seen."""

BOB_FRAC = 0.06
"""Walking heads rise and fall by 2 cm twice a stride: 0.12 m/s in the mean of a pair at 1.3 m/s. Seen from a low mast
far away that looks like walking to and fro, D / (Hc - h) times as fast; this is its share on each axis."""

UPPER_FRAC, ACROSS_FRAC = 0.4, 0.7
"""The part of a person's box that is looked at: legs swing, and beside the body is ground."""

SCORE_MIN = 0.25
CROWD_P_M2 = 0.5
"""People are where a box of this score is, or where the density map holds so many on a square of 1.5 m."""

ROUND_TRIP_PX = 1.0
"""Flow there and back that ends farther from where it began is not believed (compared pictures)."""

FLOW_SIGMA_PX = 0.12
"""Error of flow that comes back to itself (compared pictures; docs/decisions.md)."""

FASTEST_M_S = 7.0
"""Nobody runs faster through a crowd: it is something else that moved."""

FLASH_LEVELS = 12.0
"""A mean brightness that jumped by so many of 255 levels: a flash between the two pictures."""

SAME_LEVELS = 0.05
"""Pictures that differ by less, in the mean, are one picture shown twice."""

LEAST_TEXTURE = 4.0
"""Standard deviation of brightness around a background point, below which its flow says nothing."""

LEAST_BACKGROUND, BACKGROUND_STEP_PX = 24, 16
UNHELD_SIGMA_PX = 0.5
"""Without so many points of background the camera may have swayed by this much unseen."""

CELL_M, MOST_SAMPLES = 1.0, 400
"""One velocity for every square of this side; larger squares where there would be more velocities than this."""

Gray: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """Where flow is taken: at every :data:`STEP_PX` of the compared pictures.

    Args:
        scale: pixels of the frame in one compared pixel.
        size: width and height of the compared pictures.
        u, v: (rows, cols) the places, in compared pixels.
        at_px: (N, 2) the same in pixels of the frame.
    """

    scale: float
    size: tuple[int, int]
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    at_px: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the places."""
        return self.u.shape[0], self.u.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """Flow from the current picture to the earlier one at the places of a lattice.

    Args:
        lattice: the places.
        was_px: (N, 2) where what is seen there was, in pixels of the frame.
        off: (N,) how far the way there and back ends from where it began, in compared pixels.
        texture: (N,) standard deviation of brightness around.
    """

    lattice: _Lattice
    was_px: FloatArray
    off: FloatArray
    texture: FloatArray


def measure_flow(
    pair: FramePair, detections: Detections, plane: GroundPlane, mass: GroundMass | None = None
) -> FlowSamples | None:
    """Measure how people move on the ground, between a picture and an earlier one.

    v = (G(p) - G'(q)) / span, p a pixel of the current picture, q where it was, the motion of the background taken out,
    G and G' the maps of both pictures to the plane ``BELOW_HEADS_M`` below the heads. Of the velocities in a square of
    the ground the one with the median in east and in north stands for all.

    Its standard error is that of the flow in pixels, mapped as above; |v| ``HEIGHT_SIGMA_M`` / (Hc - h), since a body
    above or below the plane seems to move faster or slower; and |v| ``BOB_FRAC`` D / (Hc - h), D the way from below the
    camera, since heads bob.

    Args:
        pair: the pictures; without one 0.1 to 0.4 s earlier nothing is measured.
        detections: of the current one.
        plane: that it was taken through.
        mass: the density map on the ground, where there is one for this picture.

    Returns:
        None where nothing can be known: no such earlier picture, the same picture twice, a flash between them, a plane
        that does not say where heads are. A picture without people has samples of length 0.

    >>> from crowdwatch.core.records import Stamp
    >>> image = np.zeros((90, 160, 3), np.uint8)
    >>> twice = FramePair(Frame(Stamp("c", 0, 0), image), Frame(Stamp("c", 1, 200_000_000), image))
    >>> down = GroundPlane(np.eye(3), (90, 160), camera_centre_m=np.array([0.0, 0.0, 9.0]))
    >>> boxes = Detections(twice.current.stamp, np.empty((0, 4)), np.empty(0), np.empty(0), Anchor.FEET, (90, 160), "-")
    >>> measure_flow(twice, boxes, down) is None
    True
    """
    earlier = _earlier(pair)
    if earlier is None or heads_fault(plane) is not None or plane.camera_centre_m is None:
        return None
    earlier_plane = plane if earlier.plane is None else earlier.plane
    if (pair.current.plane is None) != (earlier.plane is None):
        return None
    span_s = (pair.current.stamp.t_ns - earlier.stamp.t_ns) / 1e9
    lattice = _lattice(pair.current.image_hw)
    compared = None if lattice is None else _compared(pair.current, earlier, lattice)
    if lattice is None or compared is None:
        return None
    height_m = plane.head_plane_m - BELOW_HEADS_M
    # of a camera that stands the places are those of the picture before
    xy_m = _standing_ground(plane, lattice) if earlier.plane is None else _valid_ground(plane, lattice)
    crowded = np.zeros(len(xy_m), dtype=np.bool_) if mass is None else _crowded(mass, xy_m)
    people = (crowded | _in_boxes(lattice, detections)) & np.isfinite(xy_m).all(axis=1)
    if not people.any():
        return FlowSamples(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), span_s)
    matched = _match(*compared, lattice)
    fitted = _background(matched, ~(crowded | _in_boxes(lattice, detections, whole=True)), plane, earlier_plane)
    at_px, xy_m, off = lattice.at_px[people], xy_m[people], matched.off[people]
    was_px = _undone(matched.was_px[people], _STILL if fitted is None else fitted)
    velocity = (xy_m - to_ground(earlier_plane, was_px, height_m)) / span_s
    sigma_px = np.hypot(FLOW_SIGMA_PX, off / 2)
    if fitted is None:
        sigma_px = np.hypot(sigma_px, UNHELD_SIGMA_PX)
    sigma = sigma_px * lattice.scale * _metres_per_px(plane, at_px, height_m) / span_s
    speed = np.hypot(*velocity.T)
    good = (off <= ROUND_TRIP_PX) & np.isfinite(speed + sigma) & (speed <= FASTEST_M_S)
    away_m = np.hypot(*(xy_m - plane.camera_centre_m[:2]).T)
    per_speed = np.hypot(HEIGHT_SIGMA_M, BOB_FRAC * away_m) / (float(plane.camera_centre_m[2]) - height_m)
    return _thinned(xy_m[good], velocity[good], sigma[good], per_speed[good], span_s)


def _earlier(pair: FramePair) -> Frame | None:
    """The picture of the pair's past that lies at the right distance."""
    for frame in (pair.earlier, pair.previous):
        if frame is None or frame.image_hw != pair.current.image_hw:
            continue
        if NEAREST_S <= (pair.current.stamp.t_ns - frame.stamp.t_ns) / 1e9 <= FARTHEST_S:
            return frame
    return None


@lru_cache(maxsize=64)
def _lattice(image_hw: tuple[int, int]) -> _Lattice | None:
    """The places in pictures of a size; None where they are too small to be compared."""
    height, width = image_hw
    scale = max(1.0, max(height, width) / WIDTH_PX)
    size = (round(width / scale), round(height / scale))
    if min(size) < 4 * PATCH_PX:
        return None
    v, u = np.mgrid[STEP_PX // 2 : size[1] : STEP_PX, STEP_PX // 2 : size[0] : STEP_PX].astype(np.float32)
    return _Lattice(scale, size, u, v, _in_frame(np.stack([u, v], axis=2).reshape(-1, 2).astype(np.float64), scale))


def _in_frame(compared_px: FloatArray, scale: float) -> FloatArray:
    """Compared pixels as pixels of the frame."""
    return (compared_px + 0.5) * scale - 0.5


def _valid_ground(plane: GroundPlane, lattice: _Lattice) -> FloatArray:
    """(N, 2) where the places lie on the plane below the heads; NaN where that is not valid."""
    return valid_ground(plane, lattice.at_px, plane.head_plane_m - BELOW_HEADS_M)[0]


_standing_ground = lru_cache(maxsize=64)(_valid_ground)
"""The same of cameras that stand, 0.3 MB each: it is the costliest map, and never changes."""


def _compared(current: Frame, earlier: Frame, lattice: _Lattice) -> tuple[Gray, Gray] | None:
    """Both pictures as they are compared; None where they are one picture twice, or a flash came between."""
    now, before = (_gray(frame, lattice.size) for frame in (current, earlier))
    difference = float(cv2.mean(cv2.absdiff(now, before))[0])
    if difference < SAME_LEVELS or abs(cv2.mean(now)[0] - cv2.mean(before)[0]) > FLASH_LEVELS:
        return None
    return now, before


def _match(now: Gray, before: Gray, lattice: _Lattice) -> _Matched:
    """Flow between two pictures, there and back."""
    there = _flow(now, before, THERE_SCALE)[STEP_PX // 2 :: STEP_PX, STEP_PX // 2 :: STEP_PX]
    back = _flow(before, now, BACK_SCALE)
    to_u, to_v = lattice.u + there[..., 0], lattice.v + there[..., 1]
    returned = cv2.remap(back, to_u, to_v, cv2.INTER_LINEAR, borderValue=(1e3, 1e3))
    off = np.hypot(*np.moveaxis(there + returned, 2, 0))
    place = np.stack([lattice.u, lattice.v], axis=2).reshape(-1, 2).astype(np.float64)
    was_px = _in_frame(place + there.reshape(-1, 2), lattice.scale)
    return _Matched(lattice, was_px, off.ravel().astype(np.float64), _texture(now).ravel())


def _gray(frame: Frame, size: tuple[int, int]) -> Gray:
    green = cv2.extractChannel(frame.image_bgr, 1)
    if size != (green.shape[1], green.shape[0]):
        green = cv2.resize(green, size, interpolation=cv2.INTER_AREA)
    return np.asarray(green, np.uint8)


def _flow(one: Gray, other: Gray, finest: int) -> NDArray[np.float32]:
    """(h, w, 2) where in the other picture each pixel of one is, less where it is. A new search for every pair: it
    keeps what it found last, and pairs are observed in several threads at once."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(finest)
    return np.asarray(search.calc(one, other, None), np.float32)  # type: ignore[call-overload]


def _in_boxes(lattice: _Lattice, detections: Detections, *, whole: bool = False) -> Mask:
    """(N,) where the upper bodies of boxed people are; with ``whole``, all of every box, low scores too, and around."""
    where = np.zeros(lattice.shape, dtype=np.bool_)
    step = STEP_PX * lattice.scale
    upper = 1.0 if whole or detections.anchor is Anchor.HEAD else UPPER_FRAC
    across = 1.0 if whole else ACROSS_FRAC
    around = 2 * STEP_PX * lattice.scale if whole else 0.0
    boxes = detections.xyxy_px if whole else detections.xyxy_px[detections.score >= SCORE_MIN]
    middle, half = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 2] - boxes[:, 0]) / 2 * across + around
    low = np.stack([middle - half, boxes[:, 1] - around], axis=1)
    high = np.stack([middle + half, boxes[:, 1] + (boxes[:, 3] - boxes[:, 1]) * upper + around], axis=1)
    first = np.maximum(0, np.ceil((low - lattice.at_px[0]) / step)).astype(int)
    last = np.maximum(0, np.floor((high - lattice.at_px[0]) / step) + 1).astype(int)
    for (left, top), (right, bottom) in zip(first.tolist(), last.tolist(), strict=True):
        where[top:bottom, left:right] = True
    return where.ravel()


def _crowded(mass: GroundMass, xy_m: FloatArray) -> Mask:
    """(N,) whether the density map has people around places on the ground."""
    side = max(1, round(1.5 / mass.cell_m)) | 1
    around = cv2.boxFilter(mass.mass, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    held = np.asarray(around, np.float64)
    dense: Mask = np.asarray(held >= CROWD_P_M2 * (side * mass.cell_m) ** 2, np.bool_)
    with np.errstate(invalid="ignore"):
        place = np.floor((xy_m - mass.origin_m) / mass.cell_m)
        inside: Mask = np.asarray(((place >= 0) & (place < mass.mass.shape[::-1])).all(axis=1), np.bool_)
    col, row = np.where(inside[:, None], place, 0).astype(np.int64).T
    found: Mask = np.logical_and(inside, dense[row, col])
    return found


_STILL: FloatArray = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def _background(matched: _Matched, free: Mask, plane: GroundPlane, earlier_plane: GroundPlane) -> FloatArray | None:
    """The map (2, 3) from where the background should have been in the earlier picture to where it was, in pixels of
    the frame; None where there is too little of it to say."""
    rows, cols = matched.lattice.shape
    every = BACKGROUND_STEP_PX // STEP_PX
    thin = np.zeros((rows, cols), dtype=np.bool_)
    thin[::every, ::every] = True
    held = np.flatnonzero(thin.ravel() & free & (matched.off <= ROUND_TRIP_PX / 2) & (matched.texture > LEAST_TEXTURE))
    expected_px, was_px = matched.lattice.at_px[held], matched.was_px[held]
    if earlier_plane is not plane:
        expected_px = to_image(earlier_plane, to_ground(plane, expected_px))
        seen = np.isfinite(expected_px).all(axis=1)
        expected_px, was_px = expected_px[seen], was_px[seen]
    if len(was_px) < LEAST_BACKGROUND:
        return None
    away = was_px - expected_px
    together = np.hypot(*(away - np.median(away, axis=0)).T) <= 3 * matched.lattice.scale  # a car is no background
    if together.sum() < LEAST_BACKGROUND:
        return None
    fitted, _ = cv2.estimateAffinePartial2D(
        expected_px[together], was_px[together], method=cv2.RANSAC, ransacReprojThreshold=0.5 * matched.lattice.scale,
        maxIters=200, refineIters=5,
    )  # fmt: skip
    return None if fitted is None else np.asarray(fitted, np.float64)


def _texture(gray: Gray) -> FloatArray:
    """(rows, cols) standard deviation of brightness within a patch, at the places of the lattice."""
    values = gray.astype(np.float32)
    at = slice(STEP_PX // 2, None, STEP_PX)
    mean, squared = (
        np.asarray(cv2.blur(each, (PATCH_PX, PATCH_PX))[at, at], np.float64) for each in (values, values**2)
    )
    return np.asarray(np.sqrt(np.maximum(0.0, squared - mean**2)), np.float64)


def _undone(was_px: FloatArray, moved: FloatArray) -> FloatArray:
    """Pixels of the earlier picture as they would be without what the camera did."""
    return np.asarray(np.linalg.solve(moved[:, :2], (was_px - moved[:, 2]).T).T, np.float64)


def _metres_per_px(plane: GroundPlane, uv_px: FloatArray, height_m: float) -> FloatArray:
    """(N,) standard error of each coordinate on the ground for one pixel's error in each of the picture's."""
    at = to_ground(plane, uv_px, height_m)
    steps = [to_ground(plane, uv_px + step, height_m) - at for step in ((1.0, 0.0), (0.0, 1.0))]
    squares = np.sum([(step**2).sum(axis=1) for step in steps], axis=0)
    return np.asarray(np.sqrt(squares / 2), np.float64)


def _thinned(
    xy_m: FloatArray, velocity: FloatArray, sigma: FloatArray, per_speed: FloatArray, span_s: float
) -> FlowSamples:
    """One sample for every square of the ground."""
    cell_m = CELL_M
    while True:
        cell = np.floor(xy_m / cell_m).astype(np.int64)
        cell -= cell.min(axis=0, initial=0)
        _, number, count = np.unique(cell[:, 0] * 1_000_000 + cell[:, 1], return_inverse=True, return_counts=True)
        if len(count) <= MOST_SAMPLES:
            break
        cell_m *= 1.5
    xy = np.stack([np.bincount(number, xy_m[:, axis], len(count)) / count for axis in (0, 1)], axis=1)
    middle = np.stack([_medians(velocity[:, axis], number, count) for axis in (0, 1)], axis=1)
    apart = np.maximum(1.0, count * (STEP_PX / PATCH_PX) ** 2)  # patches that do not overlap
    error = np.sqrt(np.bincount(number, sigma**2, len(count)) / count / apart)
    spread = np.stack([_medians(np.abs(velocity[:, axis] - middle[number, axis]), number, count) for axis in (0, 1)])
    error = np.sqrt(error**2 + (1.4826 * spread).mean(axis=0) ** 2 / apart)
    error = np.hypot(error, np.bincount(number, per_speed, len(count)) / count * np.hypot(*middle.T))
    return FlowSamples(_coarse(xy, 128), _coarse(middle, 1024), np.maximum(_coarse(error, 1024), 1 / 1024), span_s)


def _medians(values: FloatArray, number: NDArray[np.int64], count: NDArray[np.int64]) -> FloatArray:
    """The median of each group; the lower one of two."""
    first = np.cumsum(count) - count
    by_group = np.sort(number + 1j * values)  # by group, then by value
    found: FloatArray = by_group.imag[first + (count - 1) // 2]
    return found


def _coarse(values: FloatArray, parts: int) -> FloatArray:
    """Rounded to binary fractions: a centimetre, a millimetre a second. What is rounded so packs well in the log."""
    rounded: FloatArray = np.round(values * parts) / parts
    return rounded + 0.0
