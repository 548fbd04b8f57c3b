"""The state of zones for those who only want to know how it stands: unknown where nobody knows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.quality import Quality
from crowdwatch.notify.context import Context

__all__ = ["ZoneState", "states_of"]


@dataclass(frozen=True, slots=True)
class ZoneState:
    """One zone now; numbers are NaN, and the level UNKNOWN, where nobody knows."""

    zone_id: str
    level: Level
    density_p_m2: float
    count: float
    quality: str
    at: str
    exercise: bool = False

    def as_json(self) -> dict[str, Any]:
        """Its values; unknown numbers are null."""
        return {
            "zone": self.zone_id,
            "level": self.level.name.lower(),
            "density_p_m2": _finite(self.density_p_m2),
            "count": _finite(self.count),
            "quality": self.quality,
            "t": self.at,
            "exercise": self.exercise,
        }


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def states_of(
    zone_ids: Iterable[str],
    readings: Iterable[ZoneReading],
    context: Context,
    t_ns: int,
    *,
    alive: bool,
    exercise: bool,
) -> list[ZoneState]:
    """The state of every zone.

    Args:
        zone_ids: all zones.
        readings: the newest ones, at most a few seconds old.
        context: the event.
        t_ns: event time.
        alive: whether the engine lives; a dead one knows nothing.
        exercise: whether it is a replay.
    """
    newest = {reading.zone_id: reading for reading in readings} if alive else {}
    return [_state(zone_id, newest.get(zone_id), context.iso(t_ns), exercise) for zone_id in zone_ids]


def _state(zone_id: str, reading: ZoneReading | None, at: str, exercise: bool) -> ZoneState:
    if reading is None or reading.quality in (Quality.STALE, Quality.BLIND) or math.isnan(reading.density_p_m2):
        quality = "none" if reading is None else reading.quality.value
        return ZoneState(zone_id, Level.UNKNOWN, math.nan, math.nan, quality, at, exercise)
    return ZoneState(
        zone_id, reading.level, reading.density_p_m2, reading.count, reading.quality.value, at, exercise
    )  # fmt: skip
