"""Small worlds whose truth is known, for the tests of the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.outcomes import Level, Outcome
from crowdwatch.core.records import (
    Anchor,
    Detections,
    Evidence,
    FloatArray,
    GroundPlane,
    LogEvent,
    Observation,
    Positions,
    Stamp,
    Tick,
)
from crowdwatch.core.site import Camera, HandOver, Limit, Phase, Quantity, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.streams import RecordedStream
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthDetector, looking_down

S = 1_000_000_000
T0 = 1_700_000_000 * S
FINE = Evidence("0" * 16, luma=120.0, contrast=40.0, sharpness=100.0, change=2.0)
SQUARE = [[-6, -2], [6, -2], [6, 8], [-6, 8]]
ZONE = [[-4, 0], [4, 0], [4, 6], [-4, 6]]


def ladder(
    *steps: float, quantity: Quantity = Quantity.DENSITY, on_s: float = 2, off_s: float = 3
) -> tuple[Limit, ...]:
    """Limits WATCH, CAUTION, ... with a deadband of a tenth."""
    levels = (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)
    return tuple(Limit(quantity, level, at, at * 0.9, on_s, off_s) for level, at in zip(levels, steps, strict=False))


def camera(camera_id: str = "c", plane: GroundPlane | None = None, anchor: Anchor = Anchor.FEET) -> Camera:
    plane = plane or looking_down((0, -12, 10), (0, 3))
    return Camera(camera_id, {"en": camera_id}, plane, anchor, sample_interval_s=0.2, score_min=0.3)


def square(
    *,
    cameras: Iterable[Camera] | None = None,
    limits: tuple[Limit, ...] = (),
    zone: list[list[float]] = ZONE,
    walkable: list[list[float]] = SQUARE,
    area_m2: float = 48.0,
    capacity: float | None = 100.0,
) -> Site:
    """A square of 12 x 10 m with one zone of 8 x 6 m, seen whole by one camera unless told otherwise.

    Boxes are perfect here: they are trusted alone, too.
    """
    zones = (Zone("z", {"en": "Zone"}, np.array(zone, float), ZoneKind.STANDING, area_m2, capacity),)
    phases = (Phase("all", 0, (ZoneLimits("z", limits),)),)
    seen_by = tuple(cameras) if cameras is not None else (camera(),)
    walkable_m = np.array(walkable, float)
    return Site(
        "square", {"en": "Square"}, {}, walkable_m, (), zones, (), seen_by, phases, hand_over=HandOver(least_recall=1.0)
    )


def see(
    t_ns: int,
    xy_m: FloatArray,
    *,
    camera_id: str = "c",
    evidence: Evidence = FINE,
    scores: FloatArray | None = None,
    saturated: bool = False,
    seq: int | None = None,
) -> Observation:
    """An observation of people at known positions; the picture's content differs from any other time's."""
    n = len(xy_m)
    stamp = Stamp(camera_id, (t_ns - T0) // 1000 if seq is None else seq, t_ns)
    scores = np.ones(n) if scores is None else scores
    boxes = np.tile([0.0, 0.0, 10.0, 20.0], (n, 1))
    detections = Detections(stamp, boxes, scores, np.zeros(n, int), Anchor.FEET, (576, 768), "test", saturated)
    positions = Positions(stamp, np.reshape(xy_m, (n, 2)), np.full(n, 0.1), scores)
    if evidence is FINE:
        evidence = replace(FINE, frame_hash=f"{t_ns:016x}")
    return Observation(detections, positions, evidence, "plane")


def fold(state: State, events: Iterable[LogEvent]) -> tuple[State, list[Outcome]]:
    """Advance through events; return the outcomes of the ticks."""
    outcomes = []
    for event in events:
        state, outcome = advance(state, event)
        if outcome is not None:
            outcomes.append(outcome)
    return state, outcomes


def every_second(
    people: Callable[[float], FloatArray | None], seconds: int, camera_id: str = "c", first_s: int = 0
) -> list[LogEvent]:
    """One observation and one tick a second; a second whose people are None has a tick alone."""
    events: list[LogEvent] = []
    for second in range(first_s, first_s + seconds):
        t_ns = T0 + second * S
        xy_m = people(float(second))
        if xy_m is None:
            events.append(Tick(t_ns, ()))
            continue
        observation = see(t_ns, xy_m, camera_id=camera_id)
        events += [observation, Tick(t_ns, (observation.stamp.id,))]
    return events


def started(site: Site) -> State:
    return start(view_site(site))


def rendered(scene: Scene, site: Site) -> list[Outcome]:
    """The whole path over a synthetic scene, seen by a perfect model: its truth as detections."""
    one = site.cameras[0]
    source = SyntheticSource(scene, camera_id=one.camera_id)
    stream = RecordedStream([Feed(source, TruthDetector(scene, one.anchor), one.plane)], *source.span_ns, S)
    return fold(started(site), (event for event, _ in stream))[1]
