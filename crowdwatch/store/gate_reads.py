"""What the store says of gates and of the whole site: a part of :class:`~crowdwatch.store.sql.SqlStore`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crowdwatch.core.movement import GateReading, SiteOccupancy
from crowdwatch.store import tables

__all__ = ["GateReads", "within"]


class GateReads:
    """Reads gate readings and occupancy."""

    def _read(self, kind: Any, table: sa.Table, *wanted: sa.ColumnElement[bool]) -> Any:
        raise NotImplementedError

    def gate_readings(
        self, run_id: str, *, gate_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[GateReading]:
        """Readings of gates with ``from_ns <= t <= to_ns`` by time, then gate."""
        found = self._read(GateReading, tables.gate_readings, *within(tables.gate_readings, run_id, from_ns, to_ns))
        kept = [each for each in found if gate_id in (None, each.gate_id)]
        return sorted(kept, key=lambda reading: (reading.t_ns, reading.gate_id))

    def occupancy(self, run_id: str, *, from_ns: int | None = None, to_ns: int | None = None) -> list[SiteOccupancy]:
        """How many were on the whole site with ``from_ns <= t <= to_ns``, by time."""
        found = self._read(SiteOccupancy, tables.occupancy, *within(tables.occupancy, run_id, from_ns, to_ns))
        return sorted(found, key=lambda each: each.t_ns)


def within(table: sa.Table, run_id: str, from_ns: int | None, to_ns: int | None) -> list[sa.ColumnElement[bool]]:
    """The rows of a run with ``from_ns <= t <= to_ns``; None is no bound."""
    column = table.c
    wanted = [column.run_id == run_id]
    wanted += [] if from_ns is None else [column.t_ns >= from_ns]
    return wanted + ([] if to_ns is None else [column.t_ns <= to_ns])
