"""Pictures of drawn crowds whose walking speed is known: what velocities from pictures are measured against.

People are drawn to a sixteenth of a pixel, far ones first: legs, a body and shoulders in an own colour with an own
pattern, a head with hair. They sway and bob as they walk. The ground has slabs and a grain that stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame, FramePair, GroundPlane, Stamp
from crowdwatch.ground import to_ground, to_image

__all__ = ["Crowd", "boxes_of", "draw", "pair_of", "walking_crowd"]

PARTS = 4
"""cv2 draws to 1 / 2**PARTS of a pixel."""

SWAY_M, BOB_M, STEP_HZ = 0.02, 0.02, 0.9
EAST = np.array([0.25, 0.0])
Picture: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Some people.

    Args:
        place: seconds -> (N, 2) where each is.
        lift_m: seconds -> (N,) how far the upper bodies are above their mean: walking heads bob.
        tall_m: (N,) how tall each is.
        colour: (N, 3, 3) of trousers, coat and hair, BGR.
        spot: (N, 3) where on the coat its pattern is, and how large.
    """

    place: Callable[[float], FloatArray]
    lift_m: Callable[[float], FloatArray]
    tall_m: FloatArray
    colour: NDArray[np.int64]
    spot: FloatArray


def walking_crowd(
    p_m2: float,
    velocity_m_s: tuple[float, float],
    box_m: tuple[float, float, float, float],
    seed: int,
    *,
    spread: float = 0.1,
    against_frac: float = 0.0,
) -> Crowd:
    """People spread over a rectangle (west, south, east, north), all with about the same velocity; who leaves it on one
    side comes in on the other.

    Args:
        p_m2: how many stand on a square metre.
        velocity_m_s: mean velocity.
        box_m: the rectangle.
        seed: of everything that is drawn by lot.
        spread: standard deviation of a person's speed, as a share of the mean.
        against_frac: share of people who walk the other way.
    """
    rng = np.random.default_rng(seed)
    west, south, east, north = box_m
    low, size = np.array([west, south]), np.array([east - west, north - south])
    step = 1 / math.sqrt(p_m2)
    at = np.stack(np.meshgrid(np.arange(0, size[0], step), np.arange(0, size[1], step)), axis=2).reshape(-1, 2)
    at = at + rng.uniform(-0.3, 0.3, at.shape) * step
    n = len(at)
    own = np.array(velocity_m_s) * (1 + spread * rng.standard_normal((n, 1)))
    own *= np.where(rng.random((n, 1)) < against_frac, -1.0, 1.0)
    phase = rng.uniform(0, 2 * math.pi, n)
    across = np.array([-velocity_m_s[1], velocity_m_s[0]]) / (math.hypot(*velocity_m_s) or 1.0)

    def place(t_s: float) -> FloatArray:
        sway = SWAY_M * np.sin(2 * math.pi * STEP_HZ * t_s + phase)[:, None] * across
        where: FloatArray = low + (at + own * t_s) % size + sway
        return where

    bob = BOB_M * np.minimum(1.0, np.hypot(*own.T) / 1.3)

    def lift(t_s: float) -> FloatArray:
        risen: FloatArray = bob * np.sin(4 * math.pi * STEP_HZ * t_s + 2 * phase)
        return risen

    colour = rng.integers(20, 200, (n, 3, 3))
    colour[:, 2] //= 3
    spot = rng.uniform((-0.5, 0.2, 0.3), (0.5, 0.8, 0.7), (n, 3))
    return Crowd(place, lift, rng.normal(1.70, 0.08, n), colour, spot)


def draw(crowd: Crowd, plane: GroundPlane, t_s: float, seed: int = 0) -> Picture:
    """The picture at a time, with sensor noise of ``seed``."""
    image = _ground(plane).copy()
    xy = crowd.place(t_s)
    assert plane.camera_centre_m is not None
    order = np.argsort(-np.hypot(*(xy - plane.camera_centre_m[:2]).T), kind="stable")
    xy, tall = xy[order], crowd.tall_m[order]
    heights = np.array([0.0, 0.45, 0.62, 0.82, 0.93])
    lift = crowd.lift_m(t_s)[order]
    marks = [to_image(plane, xy, tall * share + (lift if share else 0.0)) for share in heights.tolist()]
    height, width = plane.image_hw
    shown = np.isfinite(np.concatenate(marks, axis=1)).all(axis=1)
    shown &= (np.abs(marks[3] - (width / 2, height / 2)) < (0.6 * width, 0.6 * height)).all(axis=1)
    px_m = np.hypot(*(to_image(plane, xy + EAST, 1.4) - to_image(plane, xy - EAST, 1.4)).T) / 0.5
    for i in np.flatnonzero(shown):
        legs, hip, chest, neck, head = (mark[i] for mark in marks)
        trousers, coat, hair = (tuple(map(int, each)) for each in crowd.colour[order[i]])
        wide = float(px_m[i])
        _oval(image, (legs + hip) / 2, wide * 0.15, max(np.hypot(*(hip - legs)) / 2, wide * 0.12), trousers)
        _oval(image, (hip + neck) / 2, wide * 0.23, np.hypot(*(neck - hip)) / 2 + wide * 0.12, coat)
        aside, along, size = crowd.spot[order[i]]
        pattern = tuple(255 - each for each in coat)
        _oval(
            image, hip + (neck - hip) * along + (aside * wide * 0.2, 0), wide * 0.1 * size, wide * 0.14 * size, pattern
        )
        _oval(image, chest + (neck - chest), wide * 0.24, wide * 0.13, coat)
        _oval(image, head, wide * 0.09, wide * 0.12, (150, 175, 205))
        _oval(image, head - (0, wide * 0.03), wide * 0.095, wide * 0.1, hair)
    rng = np.random.default_rng((seed, round(t_s * 1000)))
    noise = rng.integers(-4, 5, (height, width, 1), dtype=np.int16)
    return np.asarray(cv2.add(image, cv2.merge([noise] * 3), dtype=cv2.CV_8U), np.uint8)


def _oval(image: Picture, at_px: FloatArray, wide: float, high: float, colour: tuple[int, ...]) -> None:
    scale = 1 << PARTS
    x, y = (at_px * scale).round().astype(int).tolist()
    axes = (max(1, round(wide * scale)), max(1, round(high * scale)))
    cv2.ellipse(image, (x, y), axes, 0, 0, 360, colour, -1, cv2.LINE_AA, PARTS)


@lru_cache(maxsize=4)
def _ground(plane: GroundPlane) -> Picture:
    """Slabs of a metre with a grain; sky above the horizon."""
    height, width = plane.image_hw
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    xy = to_ground(plane, np.stack([u.ravel(), v.ravel()], axis=1))
    known = np.isfinite(xy).all(axis=1)
    slab = np.floor(np.nan_to_num(xy)).astype(np.int64)
    grain = np.random.default_rng(3).integers(-18, 19, 4096)[(slab[:, 0] * 73 + slab[:, 1] * 179) % 4096]
    tone = np.where(known, 130 + grain, 215).reshape(height, width)
    fine = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 12, (height, width)), (0, 0), 1.2)
    return np.repeat(np.clip(tone + fine, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def boxes_of(crowd: Crowd, plane: GroundPlane, stamp: Stamp, t_s: float, recall: float = 1.0) -> Detections:
    """Boxes of the people of a picture, all of them or a share of them, as a detector would draw them."""
    xy = crowd.place(t_s)
    feet, top = to_image(plane, xy), to_image(plane, xy, crowd.tall_m)
    wide = np.hypot(*(top - feet).T)[:, None] * 0.18
    boxes = np.concatenate([np.minimum(feet, top) - wide * (1, 0), np.maximum(feet, top) + wide * (1, 0)], axis=1)
    height, width = plane.image_hw
    kept = np.isfinite(boxes).all(axis=1) & (feet >= 0).all(axis=1) & (feet < (width, height)).all(axis=1)
    kept &= np.random.default_rng(len(xy)).random(len(xy)) < recall
    n = int(kept.sum())
    kinds = np.zeros(n, dtype=np.int64)
    return Detections(stamp, boxes[kept], np.full(n, 0.9), kinds, Anchor.FEET, plane.image_hw, "drawn/boxes")


def pair_of(crowd: Crowd, plane: GroundPlane, t_s: float, span_s: float, camera_id: str = "c") -> FramePair:
    """The pictures ``span_s`` apart that end at a time, as a pair whose previous picture is the earlier one."""
    stamps = [Stamp(camera_id, number, round(at * 1e9)) for number, at in enumerate((t_s - span_s, t_s))]
    frames = [Frame(stamp, draw(crowd, plane, stamp.t_ns / 1e9)) for stamp in stamps]
    return FramePair(frames[0], frames[1])
