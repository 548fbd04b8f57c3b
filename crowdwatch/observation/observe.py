"""Verb 1: pairs of frames -> Observations. No memory beyond a pair; the result holds no image."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import (
    Detections,
    FramePair,
    GroundMass,
    GroundPlane,
    Observation,
    Positions,
)
from crowdwatch.errors import CalibrationError, ModelError
from crowdwatch.ground import Ground, anchor_height_m, heads_fault, valid_ground
from crowdwatch.observation.evidence import evidence
from crowdwatch.observation.flow import FLOW_EVERY_S, measure_flow
from crowdwatch.observation.projection import project_to_ground
from crowdwatch.observation.schedule import Schedule, first_of_span

__all__ = ["HeadCounter", "count_heads", "locate", "observe"]

_log = logging.getLogger(__name__)

PROFILES_EVERY_S = Fraction(1)
"""Event time between two measurements of gradient profiles: a knock is recognised from several of them."""


def locate(detections: Detections, plane: GroundPlane) -> Positions:
    """Put detections on the ground; those whose pixel shows no valid ground become NaN and count as dropped.

    Raises:
        AnchorRefused: heads, and the camera's position is unknown.
    """
    height_m = anchor_height_m(detections.anchor, plane)
    xy_m, sigma_m = valid_ground(plane, detections.anchor_px(), height_m)
    return Positions(detections.stamp, xy_m, sigma_m, detections.score)


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
    pairs: Sequence[FramePair],
    detector: Detector,
    plane: GroundPlane | None,
    heads: HeadCounter | None = None,
    sample_hz: Fraction | None = None,
    *,
    velocities: bool = True,
) -> list[Observation]:
    """Detect people in the current frames, put them on the ground, and note the evidence of the camera's health.

    A frame that says from where it was taken (a drone's) goes through its own plane, others through the camera's. Where
    neither is known nobody has a position.

    Pairs that come together go through the detector together; what is observed of each is what it would be alone.
    Where a counter is due, its density map goes to the ground too. One that fails is a fault of this observation, not
    the end of the run.

    Args:
        pairs: what to look at.
        detector: finds people.
        plane: of a camera that stands still.
        heads: the counter, if there is one.
        sample_hz: frames analysed per second, None for every frame: it decides which frame is the first of a second.
        velocities: whether they are measured; without, movement is unknown.

    Raises:
        ModelError: the detector failed.
    """
    found = detector.detect([pair.current for pair in pairs])
    return [
        _observe(pair, detections, plane, heads, sample_hz, velocities=velocities)
        for pair, detections in zip(pairs, found, strict=True)
    ]


def _observe(
    pair: FramePair,
    detections: Detections,
    plane: GroundPlane | None,
    heads: HeadCounter | None,
    sample_hz: Fraction | None,
    *,
    velocities: bool,
) -> Observation:
    profiles = first_of_span(PROFILES_EVERY_S, pair.before_ns, pair.current.stamp.t_ns, sample_hz)
    seen = evidence(pair, profiles=profiles)
    own = pair.current.plane
    plane = plane if own is None else own
    if plane is None:
        return Observation(detections, _nowhere(detections), seen, "")
    positions = locate(detections, plane)
    mass, fault = count_heads(pair, heads, plane, positions, detections.saturated)
    flow = None
    # with a density estimator as often as it, so that a machine that is too slow for both saves both
    counts = heads is not None and heads.counter is not None
    if velocities and (
        mass is not None
        or (not counts and first_of_span(FLOW_EVERY_S, pair.before_ns, pair.current.stamp.t_ns, sample_hz))
    ):
        flow = measure_flow(pair, detections, plane, mass)
    return Observation(detections, positions, seen, plane.plane_id, mass, fault, own, flow)


def _nowhere(detections: Detections) -> Positions:
    unknown = np.full((len(detections), 2), np.nan)
    return Positions(detections.stamp, unknown, unknown[:, 0], detections.score)


def count_heads(
    pair: FramePair, heads: HeadCounter | None, plane: GroundPlane, positions: Positions, saturated: bool
) -> tuple[GroundMass | None, Code | None]:
    """The density map on the ground if a counter is due, and why there is none if there should be."""
    if heads is None:
        return None, None
    if heads.counter is None:
        return None, heads.fault
    moves = pair.current.plane is not None
    if moves and heads_fault(plane) is not None:
        return None, Code.HEADS_NOT_PROJECTED
    if not heads.schedule.due(pair.before_ns, pair.current.stamp.t_ns, positions, saturated):
        return None, None
    try:
        (seen,) = heads.counter.count([pair.current])
        return project_to_ground(seen, plane, heads.ground, moves=moves), None
    except (ModelError, CalibrationError) as error:
        _log.warning("camera %s: %s", pair.current.stamp.camera_id, error)
        return None, Code.ESTIMATOR_FAILED
