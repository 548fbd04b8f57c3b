"""What a run did, counted for its summary."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.records import LogEvent, Observation

__all__ = ["RunTotals"]


@dataclass(slots=True)
class RunTotals:
    """Counts over the events and outcomes of a run.

    Args:
        ticks, observations, detections: how many there were.
        dropped: detections without valid ground.
        saturated: observations whose boxes a limit of the detector cut off.
        counted: observations with a density map.
        last_tick_ns: the newest tick.
        alerts: how often each alarm made each transition.
        peaks: zone -> highest density, the count then, and when.
        unknown_ticks: zone -> ticks at which it was not read.
        detector_ids: of all detections.
    """

    ticks: int = 0
    observations: int = 0
    detections: int = 0
    dropped: int = 0
    saturated: int = 0
    counted: int = 0
    last_tick_ns: int | None = None
    alerts: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    unknown_ticks: dict[str, int] = field(default_factory=dict)
    detector_ids: set[str] = field(default_factory=set)

    def add(self, event: LogEvent, outcome: Outcome | None) -> None:
        """Count one event and its outcome."""
        if isinstance(event, Observation):
            self.observations += 1
            self.detections += len(event.detections)
            self.dropped += event.positions.dropped
            self.saturated += event.detections.saturated
            self.detector_ids.add(event.detections.detector_id)
            self.counted += event.mass is not None
        if outcome is None:
            return
        self.ticks += 1
        self.last_tick_ns = outcome.t_ns
        for alert in outcome.alerts:
            key = f"{alert.alarm} {alert.transition}"
            self.alerts[key] = self.alerts.get(key, 0) + 1
        for reading in outcome.readings:
            if math.isnan(reading.density_p_m2):
                self.unknown_ticks[reading.zone_id] = self.unknown_ticks.get(reading.zone_id, 0) + 1
            elif reading.density_p_m2 > self.peaks.get(reading.zone_id, (-1.0, 0.0, 0))[0]:
                self.peaks[reading.zone_id] = (reading.density_p_m2, reading.count, outcome.t_ns)
