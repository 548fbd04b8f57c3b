"""Every reading of every zone as a table, which says in itself whose it is: the run, the zone, its area, its limits.

========================================  ==================================================  ========
columns                                   what                                                digits
========================================  ==================================================  ========
``density_*``, ``peak_p_m2``              people per square metre                             3
``count*``                                people                                              2
``visible_frac``, ``occupancy_frac``      shares of 1                                         3
``usable_area_m2``                        square metres                                       2
``age_s``                                 seconds; ``inf`` where there never was a picture    1
``limit_*``                               where the step is raised, in force at that time     as given
``t_utc``, ``t_ns``                       the tick: ISO 8601, and nanoseconds since 1970      whole
========================================  ==================================================  ========

What is unknown is empty, and so is a limit that a zone does not have. Digits beyond these are noise: a thousandth of a
person per square metre is one person in 1,000 square metres.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from crowdwatch.core.outcomes import Level, ZoneReading
from crowdwatch.core.site import Phase, Quantity, Site, Zone
from crowdwatch.core.text import plain
from crowdwatch.words import reason_text

__all__ = ["ZoneTable", "table_name", "utc"]

READ = (
    "count", "count_low", "count_high", "density_p_m2", "density_low", "density_high", "peak_p_m2", "bandwidth_m",
    "visible_frac", "age_s", "quality", "level", "occupancy_frac",
)  # fmt: skip
DIGITS = {
    "count": 2, "count_low": 2, "count_high": 2, "density_p_m2": 3, "density_low": 3, "density_high": 3, "peak_p_m2": 3,
    "visible_frac": 3, "age_s": 1, "occupancy_frac": 3,
}  # fmt: skip
SUFFIX = {
    Quantity.DENSITY: "p_m2", Quantity.PEAK: "p_m2", Quantity.COUNT: "persons", Quantity.OCCUPANCY: "frac",
}  # fmt: skip


@dataclass(slots=True)
class ZoneTable:
    """Writes the table, tick by tick.

    Args:
        file: open for text, with ``newline=""``.
        site: whose zones and limits.
        run_id: whose readings.
    """

    file: TextIO
    site: Site
    run_id: str
    _steps: list[tuple[Quantity, Level]] = field(init=False)
    _zones: dict[str, Zone] = field(init=False)
    _limits: dict[tuple[str, str], list[str]] = field(init=False)
    _writer: Any = field(init=False)

    def __post_init__(self) -> None:
        self._steps = sorted(
            {
                (each.quantity, each.level)
                for phase in self.site.phases
                for of in phase.zone_limits
                for each in of.limits
            }
        )
        names = [f"limit_{quantity.value}_{level.name.lower()}_{SUFFIX[quantity]}" for quantity, level in self._steps]
        head = (
            "run_id",
            "event_id",
            "phase_id",
            "zone_id",
            "name_en",
            "name_zh",
            "kind",
            "usable_area_m2",
            "capacity_persons",
        )
        self._zones = {zone.zone_id: zone for zone in self.site.zones}
        self._limits = {}
        self._writer = csv.writer(self.file)
        self._writer.writerow([*head, "t_utc", "t_ns", "window_s", *READ, *names, "reasons"])

    def add(self, readings: Iterable[ZoneReading]) -> None:
        """Write the readings of one tick."""
        self._writer.writerows(self._row(reading) for reading in readings)

    def _row(self, reading: ZoneReading) -> list[Any]:
        zone, phase = self._zones[reading.zone_id], self._phase(reading.t_ns)
        capacity = "" if zone.capacity is None else f"{zone.capacity:g}"
        return [
            self.run_id, self.site.event_id, phase.phase_id, zone.zone_id, table_name(zone.name["en"]),
            table_name(zone.name.get("zh", zone.name["en"])),
            zone.kind.value, f"{zone.usable_area_m2:.2f}", capacity, utc(reading.t_ns), reading.t_ns,
            f"{reading.window_s:g}",
            *(_written(name, getattr(reading, name)) for name in READ), *self._raise_at(phase, zone),
            reason_text("en", reading.reasons),
        ]  # fmt: skip

    def _phase(self, t_ns: int) -> Phase:
        """The phase in force: before the first one begins it is the first."""
        begun = [phase for phase in self.site.phases if phase.start_ns <= t_ns]
        return begun[-1] if begun else self.site.phases[0]

    def _raise_at(self, phase: Phase, zone: Zone) -> list[str]:
        """The limits of a zone in a phase, one text a column."""
        key = phase.phase_id, zone.zone_id
        if key not in self._limits:
            limits = (limit for of in phase.zone_limits if of.zone_id == zone.zone_id for limit in of.limits)
            values = {(limit.quantity, limit.level): f"{limit.raise_at:g}" for limit in limits}
            self._limits[key] = [values.get(step, "") for step in self._steps]
        return self._limits[key]


def utc(t_ns: int) -> str:
    """A time as ISO 8601, with milliseconds where it has some.

    >>> utc(1_700_000_000_000_000_000), utc(1_700_000_000_250_000_000)
    ('2023-11-14T22:13:20Z', '2023-11-14T22:13:20.250Z')
    """
    whole = datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    milliseconds = t_ns // 1_000_000 % 1000
    return f"{whole}.{milliseconds:03d}Z" if milliseconds else f"{whole}Z"


def table_name(name: str) -> str:
    """A name as text: a spreadsheet would take one that begins like a formula for one.

    >>> table_name("=1+1"), table_name(" North gate ")
    ("'=1+1", 'North gate')
    """
    text = plain(name)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _written(name: str, value: Any) -> str:
    if name in ("quality", "level"):
        return str(value.name.lower())
    if math.isnan(value):
        return ""
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else f"{value:g}"
