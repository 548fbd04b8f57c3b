"""Verb 1: pairs of frames -> Observations. No memory beyond a pair; the result holds no image."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import xxhash

from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import (
    Detections,
    Evidence,
    Frame,
    FramePair,
    GroundMass,
    GroundPlane,
    Observation,
    Positions,
)
from crowdwatch.errors import CalibrationError, ModelError
from crowdwatch.ground import Ground, anchor_height_m, heads_fault, valid_ground
from crowdwatch.observation.projection import project_to_ground
from crowdwatch.observation.schedule import Schedule

__all__ = ["HeadCounter", "count_heads", "evidence", "locate", "observe"]

_log = logging.getLogger(__name__)

EVIDENCE_WIDTH_PX = 160
"""Evidence is measured on a picture of this width: 0.3 ms at 768x576, and sensor noise still shows."""


def locate(detections: Detections, plane: GroundPlane) -> Positions:
    """Put detections on the ground; those whose pixel shows no valid ground become NaN and count as dropped.

    Raises:
        AnchorRefused: heads, and the camera's position is unknown.
    """
    height_m = anchor_height_m(detections.anchor, plane)
    xy_m, sigma_m = valid_ground(plane, detections.anchor_px(), height_m)
    return Positions(detections.stamp, xy_m, sigma_m, detections.score)


def _luma(frame: Frame) -> np.ndarray:
    height, width = frame.image_hw
    size = (EVIDENCE_WIDTH_PX, max(1, round(height * EVIDENCE_WIDTH_PX / width)))
    # INTER_NEAREST keeps the sensor's noise, which tells a quiet scene from a frozen picture
    small = cv2.resize(frame.image_bgr, size, interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)


def evidence(pair: FramePair) -> Evidence:
    """Measure what ``advance`` needs to judge the camera's health; judge nothing here."""
    luma = _luma(pair.current)
    change = float("nan")
    if pair.previous is not None and pair.previous.image_hw == pair.current.image_hw:
        change = float(np.abs(luma.astype(np.int16) - _luma(pair.previous)).mean())
    return Evidence(
        frame_hash=xxhash.xxh3_64_hexdigest(np.ascontiguousarray(pair.current.image_bgr).data),
        luma=float(luma.mean()),
        contrast=float(luma.std()),
        sharpness=float(cv2.Laplacian(luma, cv2.CV_64F).var()),
        change=change,
    )


@dataclass(frozen=True, slots=True, eq=False)
class HeadCounter:
    """A counter on one camera.

    Args:
        counter: None where this camera cannot use the counter that the site has.
        ground: that its mass goes to.
        schedule: when it runs.
        fault: why ``counter`` is None.
    """

    counter: Counter | None
    ground: Ground
    schedule: Schedule
    fault: Code | None = None


def observe(
    pairs: Sequence[FramePair], detector: Detector, plane: GroundPlane | None, heads: HeadCounter | None = None
) -> list[Observation]:
    """Detect people in the current frames, put them on the ground, and note the evidence of the camera's health.

    A frame that says from where it was taken (a drone's) goes through its own plane, others through the camera's. Where
    neither is known nobody has a position.

    Pairs that come together go through the detector together; what is observed of each is what it would be alone.
    Where a counter is due, its head mass goes to the ground too. One that fails is a fault of this observation, not the
    end of the run.

    Raises:
        ModelError: the detector failed.
    """
    found = detector.detect([pair.current for pair in pairs])
    return [_observe(pair, detections, plane, heads) for pair, detections in zip(pairs, found, strict=True)]


def _observe(
    pair: FramePair, detections: Detections, plane: GroundPlane | None, heads: HeadCounter | None
) -> Observation:
    own = pair.current.plane
    plane = plane if own is None else own
    if plane is None:
        return Observation(detections, _nowhere(detections), evidence(pair), "")
    positions = locate(detections, plane)
    mass, fault = count_heads(pair, heads, plane, positions, detections.saturated)
    return Observation(detections, positions, evidence(pair), plane.plane_id, mass, fault, own)


def _nowhere(detections: Detections) -> Positions:
    unknown = np.full((len(detections), 2), np.nan)
    return Positions(detections.stamp, unknown, unknown[:, 0], detections.score)


def count_heads(
    pair: FramePair, heads: HeadCounter | None, plane: GroundPlane, positions: Positions, saturated: bool
) -> tuple[GroundMass | None, Code | None]:
    """Head mass on the ground if a counter is due, and why there is none if there should be."""
    if heads is None:
        return None, None
    if heads.counter is None:
        return None, heads.fault
    moves = pair.current.plane is not None
    if moves and heads_fault(plane) is not None:
        return None, Code.HEADS_NOT_PROJECTED
    before_ns = None if pair.previous is None else pair.previous.stamp.t_ns
    if not heads.schedule.due(before_ns, pair.current.stamp.t_ns, positions, saturated):
        return None, None
    try:
        (seen,) = heads.counter.count([pair.current])
        return project_to_ground(seen, plane, heads.ground, moves=moves), None
    except (ModelError, CalibrationError) as error:
        _log.warning("camera %s: %s", pair.current.stamp.camera_id, error)
        return None, Code.ESTIMATOR_FAILED
