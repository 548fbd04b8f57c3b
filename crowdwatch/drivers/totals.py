"""What a run did, counted for its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from crowdwatch.core.outcomes import Health, Outcome, Quality, kind_of
from crowdwatch.core.records import LogEvent, Observation
from crowdwatch.core.site import Site

__all__ = ["CameraTotals", "RunTotals", "working_limits"]

MOST_RAISED = 200
"""Alarms that a summary can list; all of them stand in the store."""


@dataclass(slots=True)
class CameraTotals:
    """What a run had of one camera.

    Args:
        observations: pictures that were analysed.
        unfit: health -> ticks at which its pictures could not be counted from, the first of them and the last, in ns.
    """

    observations: int = 0
    unfit: dict[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class RunTotals:
    """Counts over the events and outcomes of a run.

    Args:
        score_min: camera -> the working limit: boxes below are logged and not counted.
        ticks, observations: how many there were.
        boxes: boxes at or above the working limit of their camera.
        off_ground: those of them without valid ground.
        logged: all boxes, down to the detector's floor.
        saturated: observations whose boxes a limit of the detector cut off.
        counted: observations with a density map.
        last_tick_ns: the newest tick.
        alerts: how often each alarm made each transition.
        raised: the first of the alarms that were raised or rose: time, alarm, zone, transition, level.
        peaks: zone -> highest density, the count then, and when.
        unknown_ticks: zone -> ticks at which it was not read.
        degraded_ticks: zone -> ticks at which it was read, and not to be trusted fully.
        cameras: what the run had of each camera.
        detector_ids: of all detections.
    """

    score_min: Mapping[str, float] = field(default_factory=dict)
    ticks: int = 0
    observations: int = 0
    boxes: int = 0
    off_ground: int = 0
    logged: int = 0
    saturated: int = 0
    counted: int = 0
    last_tick_ns: int | None = None
    alerts: dict[str, int] = field(default_factory=dict)
    raised: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    peaks: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    unknown_ticks: dict[str, int] = field(default_factory=dict)
    degraded_ticks: dict[str, int] = field(default_factory=dict)
    cameras: dict[str, CameraTotals] = field(default_factory=dict)
    detector_ids: set[str] = field(default_factory=set)

    def add(self, event: LogEvent, outcome: Outcome | None) -> None:
        """Count one event and its outcome."""
        if isinstance(event, Observation):
            self._observation(event)
        if outcome is None:
            return
        self.ticks += 1
        self.last_tick_ns = outcome.t_ns
        for alert in outcome.alerts:
            key = f"{kind_of(alert.alarm)} {alert.transition}"
            self.alerts[key] = self.alerts.get(key, 0) + 1
            if alert.transition in ("raised", "level_up") and len(self.raised) < MOST_RAISED:
                level = alert.level.name.lower()
                self.raised.append((alert.t_ns, alert.alarm, alert.zone_id, alert.transition, level))
        for reading in outcome.readings:
            if math.isnan(reading.density_p_m2):
                self.unknown_ticks[reading.zone_id] = self.unknown_ticks.get(reading.zone_id, 0) + 1
            elif reading.density_p_m2 > self.peaks.get(reading.zone_id, (-1.0, 0.0, 0))[0]:
                self.peaks[reading.zone_id] = (reading.density_p_m2, reading.count, outcome.t_ns)
            if reading.quality is Quality.DEGRADED:
                self.degraded_ticks[reading.zone_id] = self.degraded_ticks.get(reading.zone_id, 0) + 1
        for camera in outcome.health:
            if camera.health is not Health.OK:
                unfit = self.cameras.setdefault(camera.camera_id, CameraTotals()).unfit
                ticks, first_ns, _ = unfit.get(camera.health.value, (0, outcome.t_ns, 0))
                unfit[camera.health.value] = (ticks + 1, first_ns, outcome.t_ns)

    def _observation(self, seen: Observation) -> None:
        camera_id = seen.stamp.camera_id
        self.observations += 1
        self.cameras.setdefault(camera_id, CameraTotals()).observations += 1
        working = seen.detections.score >= self.score_min.get(camera_id, 0.0)
        self.boxes += int(working.sum())
        self.off_ground += int((working & np.isnan(seen.positions.xy_m).any(axis=1)).sum())
        self.logged += len(seen.detections)
        self.saturated += seen.detections.saturated
        self.detector_ids.add(seen.detections.detector_id)
        self.counted += seen.mass is not None

    def facts(self) -> dict[str, Any]:
        """Everything as plain values, for a file that :meth:`of_facts` reads back."""
        found = asdict(self)
        return found | {"score_min": dict(self.score_min), "detector_ids": sorted(self.detector_ids)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> RunTotals:
        """The inverse of :meth:`facts`.

        >>> totals = RunTotals(peaks={"z": (1.0, 3.0, 7)}, cameras={"c": CameraTotals(1, {"silent": (1, 5, 5)})})
        >>> RunTotals.of_facts(totals.facts()) == totals
        True
        """
        values = dict(facts)
        values["detector_ids"] = set(values["detector_ids"])
        values["raised"] = [tuple(each) for each in values.get("raised", ())]
        values["peaks"] = {zone: tuple(peak) for zone, peak in values["peaks"].items()}
        values["cameras"] = {
            camera: CameraTotals(had["observations"], {health: tuple(span) for health, span in had["unfit"].items()})
            for camera, had in values["cameras"].items()
        }
        return cls(**values)


def working_limits(site: Site) -> dict[str, float]:
    """The score from which each camera's boxes are counted."""
    return {camera.camera_id: camera.score_min for camera in site.cameras}
