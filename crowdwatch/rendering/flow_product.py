"""Velocity fields as a product of a batch job: ``flow.parquet``, a row a field, and ``movement.csv``, a row a zone."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.movement import FlowGrid, ZoneMovement
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.reasons import reasons_to_json
from crowdwatch.core.text import plain
from crowdwatch.rendering.zone_table import utc
from crowdwatch.store.dictionary import described

__all__ = ["FlowProduct"]

GROUP = 60
"""Fields in a group of rows: five minutes of them."""

_CELLS = pa.list_(pa.field("element", pa.float32()))
FLOW = pa.schema(
    [
        ("t_ns", pa.int64()),
        ("t_utc", pa.string()),
        ("west_m", pa.float64()),
        ("south_m", pa.float64()),
        ("cell_m", pa.float64()),
        ("rows", pa.int32()),
        ("cols", pa.int32()),
        *((name, _CELLS) for name in ("v_east_m_s", "v_north_m_s", "variance_m2_s2", "n", "age_s")),
    ]
)
NUMBERS = tuple(
    each.name for each in fields(ZoneMovement) if each.name not in ("zone_id", "t_ns", "reasons", "precursors")
)
COLUMNS = ("zone_id", "t_utc", *NUMBERS, "signs", "reasons")
"""Of ``movement.csv``."""


@dataclass(slots=True)
class FlowProduct:
    """Writes both files, outcome by outcome; nothing counts before :meth:`close`.

    Args:
        folder: of the products; it exists.
        origin_m: map position of the site's own (0, 0).
    """

    folder: Path
    origin_m: tuple[float, float] = (0.0, 0.0)
    _held: list[FlowGrid] = field(default_factory=list)
    _parquet: Any = None
    _file: TextIO | None = None
    _csv: Any = None

    def add(self, outcome: Outcome) -> None:
        """Take in one tick."""
        if self._file is None:
            self._parquet = pq.ParquetWriter(self._scratch("flow.parquet"), FLOW.with_metadata(described(FLOW.names)))
            self._file = self._scratch("movement.csv").open("w", newline="", encoding="utf-8")
            self._csv = csv.writer(self._file, lineterminator="\n")
            self._csv.writerow(COLUMNS)
        for moved in outcome.movement:
            self._csv.writerow(_row(moved))
        if outcome.flow is not None:
            self._held.append(outcome.flow)
        if len(self._held) >= GROUP:
            self._write()

    def close(self) -> None:
        """Write what is held, and put both files in their place."""
        if self._file is None:
            return
        self._write()
        self._parquet.close()
        self._file.close()
        for name in ("flow.parquet", "movement.csv"):
            self._scratch(name).replace(self.folder / name)

    def _scratch(self, name: str) -> Path:
        return self.folder / f".{name}.tmp"

    def _write(self) -> None:
        if not self._held:
            return
        columns: dict[str, list[Any]] = {name: [] for name in FLOW.names}
        for grid in self._held:
            place = (grid.origin_m + np.array(self.origin_m)).tolist()
            layers = [grid.v_m_s[..., 0], grid.v_m_s[..., 1], grid.variance_m2_s2, grid.n, grid.age_s]
            values = [grid.t_ns, utc(grid.t_ns), *place, grid.cell_m, *grid.n.shape]
            values += [layer.astype(np.float32).ravel() for layer in layers]
            for name, value in zip(FLOW.names, values, strict=True):
                columns[name].append(value)
        self._parquet.write_table(pa.table(columns, schema=FLOW))
        self._held = []


def _row(moved: ZoneMovement) -> list[str]:
    """Numbers to four digits, the unknown left empty."""
    numbers = ["" if math.isnan(value) else f"{value:.4g}" for value in (getattr(moved, name) for name in NUMBERS)]
    signs = json.dumps({each.kind.value: round(each.held_s, 1) for each in moved.precursors if each.held_s > 0})
    return [plain(moved.zone_id), utc(moved.t_ns), *numbers, signs, reasons_to_json(moved.reasons)]
