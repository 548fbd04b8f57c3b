"""What zones were like in the last quarter of an hour, in steps of 10 s: for sparklines, trends and forecasts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from crowdwatch.core.outcomes import Quality, ZoneReading

__all__ = ["SPAN_S", "STEP_S", "History"]

SPAN_S, STEP_S = 900, 10
NS = 1_000_000_000


class History:
    """Means of density and count by zone and step. It is fed with every reading once, in any order."""

    def __init__(self) -> None:
        self.newest_ns = 0
        self._sums: dict[str, dict[int, list[float]]] = {}

    def feed(self, readings: Iterable[ZoneReading]) -> None:
        """Take in readings, and forget what is older than :data:`SPAN_S`."""
        for reading in readings:
            self.newest_ns = max(self.newest_ns, reading.t_ns)
            steps = self._sums.setdefault(reading.zone_id, {})
            held = steps.setdefault(reading.t_ns // (STEP_S * NS), [0.0, 0.0, 0.0, 0.0])
            # people who are out of sight do not make a trend that falls
            sure = reading.quality is Quality.GOOD and not reading.too_few
            count, density = (reading.count, reading.density_p_m2) if sure else (math.nan, math.nan)
            for place, value in enumerate((1.0, reading.density_p_m2, count, density)):
                held[place] += value
        oldest = self.newest_ns // (STEP_S * NS) - SPAN_S // STEP_S
        for steps in self._sums.values():
            for step in [step for step in steps if step <= oldest]:
                del steps[step]

    def density(self, zone_id: str) -> tuple[list[float], list[float]]:
        """Times in seconds and mean densities of the steps of which all is sure; none where that is not so now."""
        return self._known(zone_id, 3)

    def count(self, zone_ids: Sequence[str]) -> tuple[list[float], list[float]]:
        """Times in seconds and people in all of these zones together, of the steps in which all are sure; none where
        one is not so now."""
        series = [dict(zip(*self._known(zone_id, 2), strict=True)) for zone_id in zone_ids]
        times = sorted(set.intersection(*(set(each) for each in series))) if series else []
        return times, [sum(each[t] for each in series) for t in times]

    def line(self, zone_id: str, points: int = 45) -> list[float | None]:
        """Densities over the whole span, oldest first, the highest of every point; None where nothing is known."""
        last, wide = self.newest_ns // (STEP_S * NS), SPAN_S // STEP_S // points
        steps = self._sums.get(zone_id, {})
        found: list[float | None] = []
        for number in range(points):
            first = last - (points - number) * wide + 1
            held = [steps[each] for each in range(first, first + wide) if each in steps]
            known = [each[1] / each[0] for each in held if math.isfinite(each[1])]
            found.append(round(max(known), 2) if known and len(known) == len(held) else None)
        return found

    def _known(self, zone_id: str, place: int) -> tuple[list[float], list[float]]:
        steps = self._sums.get(zone_id, {})
        known = [step for step in sorted(steps) if math.isfinite(steps[step][place])]
        if not known or known[-1] < self.newest_ns // (STEP_S * NS) - 1:
            return [], []  # a trend that ended is none of now
        return [float(step * STEP_S) for step in known], [steps[step][place] / steps[step][0] for step in known]
