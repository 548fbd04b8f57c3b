"""What a batch job leaves for people: heatmaps and time series, beside the run's log.

::

    products/heatmap_minutes.parquet     a row a minute: mean density of every cell, and how long it was known
    products/heatmap_maps.parquet        mean, maximum and percentiles of the whole
    products/mean.tif maximum.tif p50.tif p95.tif, and each as .png
    products/minutes/<YYYYMMDDTHH>.tif   a band a minute;  products/minutes/<YYYYMMDDTHHMM>.png
    products/zones.csv                   every reading of every zone, its reasons in English

Percentiles are those of the minutes' means, each weighted by the time during which the cell was known.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.outcomes import DensityGrid, Outcome, ZoneReading
from crowdwatch.rendering import heatmap
from crowdwatch.rendering.geotiff import MapFrame, geotiff, png
from crowdwatch.rendering.heatmap import GroundMap, HeatState
from crowdwatch.store import files
from crowdwatch.words import reason_text

__all__ = ["PERCENTILES", "Products"]

PERCENTILES = {"p50": 0.50, "p95": 0.95}
MOST_VALUES = 8_000_000
"""Values of minutes in memory while percentiles are taken: 64 MB."""

GROUP_MINUTES = 60

_CELLS = pa.list_(pa.field("element", pa.float32()))
MINUTES = pa.schema([("t_ns", pa.int64()), ("t_utc", pa.string()), ("rho_p_m2", _CELLS), ("known_s", _CELLS)])
MAPS = pa.schema([("map", pa.string()), ("rho_p_m2", _CELLS), ("known_s", _CELLS)])


@dataclass(slots=True)
class Products:
    """Writes the products of one fold, outcome by outcome; nothing counts before :meth:`close`.

    Args:
        folder: the folder of the products; what lies there from an earlier fold is replaced.
        tick_s: event time between two outcomes.
        crs: ``local`` or ``EPSG:...``.
        origin_m: map position of the site's own (0, 0).

    Raises:
        StoreUnavailable: disk full, read-only.
    """

    folder: Path
    tick_s: float
    crs: str = "local"
    origin_m: tuple[float, float] = (0.0, 0.0)
    _state: HeatState | None = None
    _grid: DensityGrid | None = None
    _hour: list[GroundMap] = field(default_factory=list)
    _parquet: Any = None
    _csv: TextIO | None = None
    _minutes: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take in one tick."""
        with files.writable(self.folder):
            self._write_readings(outcome.readings)
            if outcome.grid is None:
                return
            self._grid = outcome.grid
            self._state, closed = heatmap.add(self._state, outcome.grid, self.tick_s)
            if closed is not None:
                self._keep(closed)

    def close(self) -> None:
        """Write what is open, then the maps of the whole."""
        if self._state is None or self._csv is None:
            return
        with files.writable(self.folder):
            minute, mean, highest = heatmap.finish(self._state)
            self._keep(minute)
            self._write_hour()
            self._parquet.close()
            self._csv.close()
            for name in ("zones.csv", "heatmap_minutes.parquet"):
                _scratch(self.folder / name).replace(self.folder / name)
        found = {"mean": mean.rho_p_m2, "maximum": highest.rho_p_m2}
        found |= dict(zip(PERCENTILES, self._percentiles(mean.rho_p_m2.shape), strict=True))
        self._write_maps(found, mean)

    def _write_readings(self, readings: Sequence[ZoneReading]) -> None:
        names = [each.name for each in fields(ZoneReading)]
        if self._csv is None:
            files.make_folder(self.folder / "minutes")
            self._csv = _scratch(self.folder / "zones.csv").open("w", newline="", encoding="utf-8")
            csv.writer(self._csv).writerow(["t_utc", *names])
        rows = ([_utc(each.t_ns), *(_plain(getattr(each, name)) for name in names)] for each in readings)
        csv.writer(self._csv).writerows(rows)

    def _keep(self, minute: GroundMap) -> None:
        if self._parquet is None:
            schema = MINUTES.with_metadata({"crowdwatch_grid": json.dumps(self._facts())})
            self._parquet = pq.ParquetWriter(_scratch(self.folder / "heatmap_minutes.parquet"), schema)
        if self._hour and self._hour[0].t_ns // (60 * heatmap.MINUTE_NS) != minute.t_ns // (60 * heatmap.MINUTE_NS):
            self._write_hour()
        self._hour.append(minute)
        title = f"{_utc(minute.t_ns)}, mean of the minute"
        _replace(self.folder / "minutes" / f"{_name(minute.t_ns, '%Y%m%dT%H%M')}.png", png(minute.rho_p_m2, title))

    def _write_hour(self) -> None:
        """One GeoTIFF and one row group of what the hour has."""
        if not self._hour:
            return
        names = [_utc(each.t_ns) for each in self._hour]
        columns = {
            "t_ns": [each.t_ns for each in self._hour],
            "t_utc": names,
            "rho_p_m2": [each.rho_p_m2.ravel().astype(np.float32) for each in self._hour],
            "known_s": [each.known_s.ravel().astype(np.float32) for each in self._hour],
        }
        self._parquet.write_table(pa.table(columns, schema=MINUTES))
        data = geotiff(np.stack([m.rho_p_m2 for m in self._hour]), names, self._frame())
        _replace(self.folder / "minutes" / f"{_name(self._hour[0].t_ns, '%Y%m%dT%H')}.tif", data)
        self._minutes += len(self._hour)
        self._hour = []

    def _percentiles(self, shape: tuple[int, ...]) -> np.ndarray:
        """(k, rows, cols) percentiles of the minutes' means, band by band, so that memory stays flat."""
        rows, cols = shape
        found = np.full((len(PERCENTILES), rows, cols), np.nan)
        with pq.ParquetFile(self.folder / "heatmap_minutes.parquet") as file:
            for band in heatmap.bands(rows, cols, self._minutes, MOST_VALUES):
                parts = [_band(group, rows, cols, band) for group in file.iter_batches(GROUP_MINUTES)]
                values, known_s = (np.concatenate(each) for each in zip(*parts, strict=True))
                found[:, band] = heatmap.weighted_percentile(values, known_s, list(PERCENTILES.values()))
        return found

    def _write_maps(self, found: dict[str, np.ndarray], mean: GroundMap) -> None:
        known = mean.known_s.ravel().astype(np.float32)
        columns = {
            "map": list(found),
            "rho_p_m2": [rho.ravel().astype(np.float32) for rho in found.values()],
            "known_s": [known for _ in found],
        }
        table = pa.table(columns, schema=MAPS.with_metadata({"crowdwatch_grid": json.dumps(self._facts())}))
        files.replace_file(self.folder / "heatmap_maps.parquet", lambda file: pq.write_table(table, file))
        for name, rho in found.items():
            _replace(self.folder / f"{name}.tif", geotiff(rho[None], [name], self._frame()))
            _replace(self.folder / f"{name}.png", png(rho, f"{name}, people per square metre"))

    def _frame(self) -> MapFrame:
        facts = self._facts()
        return MapFrame(facts["west_m"], facts["south_m"], facts["cell_m"], self.crs)

    def _facts(self) -> dict[str, Any]:
        """Where the grid lies: rows run north, columns east."""
        if self._grid is None:
            return {}
        rows, cols = self._grid.rho_p_m2.shape
        west_m, south_m = (float(a + b) for a, b in zip(self._grid.origin_m, self.origin_m, strict=True))
        place = {"west_m": west_m, "south_m": south_m, "cell_m": self._grid.cell_m, "crs": self.crs}
        return {"rows": rows, "cols": cols, "bandwidth_m": self._grid.bandwidth_m} | place


def _band(group: Any, rows: int, cols: int, band: slice) -> tuple[np.ndarray, np.ndarray]:
    """(minutes, band's rows, cols) means and known seconds of a row group."""
    shape = (group.num_rows, rows, cols)
    one, other = (group[name].flatten().to_numpy(zero_copy_only=False).reshape(shape) for name in MINUTES.names[2:])
    return one[:, band], other[:, band]


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _replace(path: Path, data: bytes) -> None:
    files.replace_file(path, lambda file: file.write(data))


def _utc(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(t_ns: int, form: str) -> str:
    return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime(form)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, Enum):
        return value.name.lower()
    return reason_text("en", value) if isinstance(value, tuple) else value
