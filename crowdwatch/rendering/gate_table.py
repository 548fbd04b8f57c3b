"""Every reading of every gate as a table: ``gates.csv``.

=====================================  ====================================================  ========
columns                                what                                                  digits
=====================================  ====================================================  ========
``ingress_p_min``, ``egress_p_min``    crossings a minute, with their 90 % intervals         1
``*_total``                            crossings since the run began, gaps not among them    1
``capacity_frac``, ``watched_frac``    shares of 1                                           3
``queue``                              people who wait in front                              1
``usable_width_m``                     metres                                                2
``t_utc``, ``t_ns``                    the tick: ISO 8601, and nanoseconds since 1970        whole
=====================================  ====================================================  ========

What is unknown is empty.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO

from crowdwatch.core.movement import GateReading
from crowdwatch.core.site import Gate, Site
from crowdwatch.rendering.provenance import Provenance, named
from crowdwatch.rendering.zone_table import utc
from crowdwatch.words import reason_text

__all__ = ["GateTable"]

DIGITS = {
    "window_s": 0, "ingress_p_min": 1, "ingress_low": 1, "ingress_high": 1, "egress_p_min": 1, "egress_low": 1,
    "egress_high": 1, "ingress_total": 1, "egress_total": 1, "capacity_frac": 3, "queue": 1, "watched_frac": 3,
}  # fmt: skip
GATE_COLUMNS = (
    "gate_id", "name_en", "name_zh", "usable_width_m", "stairs", "t_utc", "t_local", "t_ns", *DIGITS,
    "quality", "reasons",
)  # fmt: skip
"""Behind those of :meth:`~crowdwatch.rendering.provenance.Provenance.facts`."""


@dataclass(slots=True)
class GateTable:
    """Writes the table, tick by tick.

    Args:
        file: open for text, with ``newline=""``.
        site: whose gates.
        whose: run and event.
    """

    file: TextIO
    site: Site
    whose: Provenance
    _gates: dict[str, Gate] = field(init=False)
    _writer: Any = field(init=False)

    def __post_init__(self) -> None:
        self._gates = {gate.gate_id: gate for gate in self.site.gates}
        self._writer = csv.writer(self.file)
        self._writer.writerow([*self.whose.facts(), *GATE_COLUMNS])

    def add(self, readings: Iterable[GateReading]) -> None:
        """Write the readings of one tick."""
        self._writer.writerows(self._row(reading) for reading in readings)

    def _row(self, reading: GateReading) -> list[Any]:
        gate = self._gates[reading.gate_id]
        numbers = ((getattr(reading, name), digits) for name, digits in DIGITS.items())
        return [
            *self.whose.facts().values(), gate.gate_id, named(gate.name["en"]),
            named(gate.name.get("zh", gate.name["en"])), f"{gate.usable_width_m:.2f}", str(gate.stairs).lower(),
            utc(reading.t_ns), self.whose.local(reading.t_ns), reading.t_ns,
            *("" if math.isnan(n) else f"{n:.{digits}f}" for n, digits in numbers),
            reading.quality.name.lower(), reason_text("en", reading.reasons),
        ]  # fmt: skip
