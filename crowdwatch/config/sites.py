"""From the event file to the plain values that the core works with."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.config.calibrations import ground_plane
from crowdwatch.config.input_sizes import chosen_px
from crowdwatch.config.limits import event_limit_steps, to_limit
from crowdwatch.config.programs import BiasSettings, CounterSettings
from crowdwatch.config.references import ReferenceNumbers
from crowdwatch.config.rules import alarm_settings, expected, rules_of
from crowdwatch.config.schema import CameraFile, EventFile, Text
from crowdwatch.config.unit_keys import unit_of
from crowdwatch.core.intervals import UNMEASURED
from crowdwatch.core.site import Bias, Camera, Gate, HandOver, Limit, Phase, Site, Zone, ZoneLimits
from crowdwatch.ground import polygon

__all__ = ["counts_heads", "to_site"]

UNTOLD_INTERVAL_S = 0.2
"""How often a camera that analyses every frame is expected to speak where neither sampling nor capture rate is given:
5 pictures a second, the slowest video camera that is sold. It only bounds how soon silence is called silence."""


HOLD_S, HOLD_TIMES = 5.0, 3.0
"""How long a density map stands for what is there now: as long as a picture does before its camera is silent."""


def to_site(event: EventFile) -> Site:
    """Build the site: ground planes, areas, and the limits of every zone in every phase.

    Without phases there is one, ``event``, from the event's start.

    Raises:
        CalibrationError: a calibration gives no usable plane (:func:`~crowdwatch.config.load` has checked that).
    """
    area = polygon(event.site.walkable_area_m, event.site.obstacles_m)
    zones = tuple(
        Zone(
            zone.id,
            _both(zone.name, zone.id),
            np.array(zone.polygon_m),
            zone.kind,
            zone.usable_area_m2 or float(polygon(zone.polygon_m).intersection(area).area),
            zone.capacity_persons,
            zone.hazard,
        )
        for zone in event.zones
    )
    watched = shapely.union_all([polygon(zone.polygon_m) for zone in event.zones]).intersection(area)
    gates = tuple(
        Gate(
            gate.id,
            _both(gate.name, gate.id),
            np.array(gate.line_m),
            gate.usable_width_m or math.dist(*gate.line_m),
            gate.stairs,
            gate.site_edge,
        )
        for gate in event.gates
    )
    return Site(
        event_id=event.id,
        name=event.name.both(),
        notice=event.notice.both() if event.notice is not None else {},
        walkable_m=np.array(event.site.walkable_area_m),
        obstacles_m=tuple(np.array(ring) for ring in event.site.obstacles_m),
        zones=zones,
        gates=gates,
        cameras=tuple(_camera(camera, event, watched) for camera in event.cameras),
        phases=_phases(event),
        alarms=alarm_settings(event.alarms),
        expected=expected(event),
        tick_s=event.tick_s,
        window_s=event.readings.window_s,
        cell_m=event.readings.cell_m,
        bandwidth_m=event.readings.bandwidth_m,
        crs=event.site.crs,
        labels=tuple(event.labels),
        hand_over=_hand_over(event),
        alert_chance=event.readings.alert_probability,
        units=tuple(unit_of(unit) for unit in event.units),
    )


def _both(name: Text | None, otherwise: str) -> dict[str, str]:
    return name.both() if name is not None else {"en": otherwise, "zh": otherwise}


def _hand_over(event: EventFile) -> HandOver:
    low, high = event.counter.band_p_m2
    boxes, heads = (
        UNMEASURED if each is None else each.table() for each in (event.detector.intervals, event.counter.intervals)
    )
    return HandOver(low, high, boxes, heads)


def _hold_s(camera: CameraFile, event: EventFile) -> float:
    every_s = camera.counter.every_s or event.counter.every_s
    return event.counter.hold_s or max(HOLD_S, HOLD_TIMES * every_s)


def counts_heads(camera: CameraFile, counter: CounterSettings) -> bool:
    """Whether a counter looks at a camera's pictures, as far as the event file says."""
    return counter.model != "none" and camera.counter.use


def _camera(camera: CameraFile, event: EventFile, watched: BaseGeometry) -> Camera:
    rate_hz = camera.sample_hz or camera.source.capture_rate_hz
    interval_s = float(1 / Fraction(str(rate_hz))) if rate_hz else UNTOLD_INTERVAL_S
    if camera.keyframe_interval_s is not None:
        interval_s = max(interval_s, camera.keyframe_interval_s)
    plane = None if camera.moves else ground_plane(camera)
    return Camera(
        camera_id=camera.id,
        name=_both(camera.name, camera.id),
        plane=plane,
        anchor=camera.anchor,
        sample_interval_s=interval_s,
        score_min=camera.score_min,
        heads_hold_s=_hold_s(camera, event),
        bias=None if camera.bias is None else _bias(camera.bias),
        counts_heads=counts_heads(camera, event.counter),
        reference=camera.reference.blocks() if isinstance(camera.reference, ReferenceNumbers) else None,
        image_px=None if camera.source.synthetic is not None else chosen_px(event.detector, plane, watched),
    )


def _bias(said: BiasSettings) -> Bias:
    low, high = said.offset_ends
    return Bias(**said.model_dump() | {"offset_low": low, "offset_high": high})


def _phases(event: EventFile) -> tuple[Phase, ...]:
    limits: dict[tuple[str, str], list[Limit]] = {}
    for limit_step in event_limit_steps(event):
        limits.setdefault((limit_step.phase_id, limit_step.zone_id), []).append(to_limit(limit_step))
    starts = [(phase.id, event.phase_start_ns(phase)) for phase in event.phases] or [("event", event.start_ns)]
    return tuple(
        Phase(
            phase_id,
            start_ns,
            tuple(
                ZoneLimits(
                    zone.id,
                    tuple(limits.get((phase_id, zone.id), ())),
                    zone.watch_blindness,
                    rules_of(event, zone, phase_id),
                )
                for zone in event.zones
            ),
        )
        for phase_id, start_ns in starts
    )
