"""What a batch job leaves for people: heatmaps and time series, beside the run's log.

::

    products/heatmap_minutes.parquet     a row a minute: mean density of every cell, and how long it was known
    products/heatmap_maps.parquet        mean, maximum and percentiles of the whole
    products/mean.tif maximum.tif p50.tif p95.tif, and each as .png
    products/minutes/<YYYYMMDDTHH>.tif   a band a minute;  products/minutes/<YYYYMMDDTHHMM>.png
    products/gates.csv                   every reading of every gate, as :mod:`~crowdwatch.rendering.gate_table` says
    products/zones.csv                   every reading of every zone, as :mod:`~crowdwatch.rendering.zone_table` says
    products/movement.csv flow.parquet   movement of every zone, velocities on the ground: :mod:`.flow_product`

Percentiles are those of the minutes' means, each weighted by the time during which the cell was known. Every file says
of itself what it shows: the unit, the time, the run, the bandwidth. A tick stands for the footage since the tick before
it: before the run begins and after its end there is no footage, and no minute.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.outcomes import DensityGrid, Outcome, ZoneReading
from crowdwatch.core.runs import Run
from crowdwatch.core.site import Site
from crowdwatch.core.version import __version__
from crowdwatch.errors import StoreUnavailable
from crowdwatch.rendering import heatmap
from crowdwatch.rendering.flow_product import FlowProduct
from crowdwatch.rendering.gate_table import GateTable
from crowdwatch.rendering.geotiff import Band, MapFrame, geotiff
from crowdwatch.rendering.heatmap import GroundMap, HeatState
from crowdwatch.rendering.map_picture import MapPicture
from crowdwatch.rendering.provenance import Provenance, zone_facts
from crowdwatch.rendering.zone_table import ZoneTable, utc
from crowdwatch.store import files
from crowdwatch.store.dictionary import described

__all__ = ["PERCENTILES", "Products"]

PERCENTILES = {"p50": 0.50, "p95": 0.95}
MOST_VALUES = 8_000_000
"""Values of minutes in memory while percentiles are taken: 64 MB."""

GROUP_MINUTES = 60
MAP_TITLES = {
    "mean": "Mean density",
    "maximum": "Highest density of any reading",
    "p50": "Median of the minutes' mean densities",
    "p95": "95th percentile of the minutes' mean densities",
}

_CELLS = pa.list_(pa.field("element", pa.float32()))
MINUTES = pa.schema(
    [
        ("t_ns", pa.int64()),
        ("t_utc", pa.string()),
        ("rho_p_m2", _CELLS),
        ("known_s", _CELLS),
        ("t", pa.timestamp("ns", tz="UTC")),
    ]
)
MAPS = pa.schema([("map", pa.string()), ("rho_p_m2", _CELLS), ("known_s", _CELLS)])


@dataclass(slots=True)
class Products:
    """Writes the products of one fold, outcome by outcome; nothing counts before :meth:`close`.

    Args:
        folder: the folder of the products; what lies there from an earlier fold is replaced.
        site: whose readings.
        run: whose products; its span bounds the time that they cover.
        origin_m: map position of the site's own (0, 0).

    Raises:
        StoreUnavailable: disk full, read-only.
    """

    folder: Path
    site: Site
    run: Run
    origin_m: tuple[float, float] = (0.0, 0.0)
    _state: HeatState | None = None
    _grid: DensityGrid | None = None
    _hour: list[GroundMap] = field(default_factory=list)
    _parquet: Any = None
    _csv: TextIO | None = None
    _table: ZoneTable | None = None
    _gates_csv: TextIO | None = None
    _gate_table: GateTable | None = None
    _flow: FlowProduct | None = None
    _picture: MapPicture | None = None
    _minutes: int = 0
    _end_ns: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take in one tick."""
        with files.writable(self.folder):
            self._write_readings(outcome.readings)
            if self._gate_table is not None:
                self._gate_table.add(outcome.gates)
            if self._flow is None:
                self._flow = FlowProduct(self.folder, self.origin_m)
            self._flow.add(outcome)
            begin_ns = max(outcome.t_ns - round(self.site.tick_s * 1e9), self.run.from_ns)
            end_ns = min(outcome.t_ns, self.run.to_ns)
            if outcome.grid is None or not begin_ns < end_ns:
                return
            self._grid = outcome.grid
            self._state, closed = heatmap.add(self._state, outcome.grid, begin_ns, end_ns)
            self._end_ns = end_ns
            if closed is not None:
                self._keep(closed)

    def close(self) -> None:
        """Write what is open, then the maps of the whole."""
        if self._csv is None:
            return
        with files.writable(self.folder):
            self._csv.close()
            if self._flow is not None:
                self._flow.close()
            _scratch(self.folder / "zones.csv").replace(self.folder / "zones.csv")
            if self._gates_csv is not None:
                self._gates_csv.close()
                _scratch(self.folder / "gates.csv").replace(self.folder / "gates.csv")
            if self._state is None:
                return
            minute, mean, highest = heatmap.finish(self._state)
            self._keep(minute)
            self._write_hour()
            self._parquet.close()
            _scratch(self.folder / "heatmap_minutes.parquet").replace(self.folder / "heatmap_minutes.parquet")
        found = {"mean": mean.rho_p_m2, "maximum": highest.rho_p_m2}
        found |= dict(zip(PERCENTILES, self._percentiles(mean.rho_p_m2.shape), strict=True))
        self._write_maps(found, mean)

    def _write_readings(self, readings: Sequence[ZoneReading]) -> None:
        if self._table is None:
            files.make_folder(self.folder / "minutes")
            self._csv = _scratch(self.folder / "zones.csv").open("w", newline="", encoding="utf-8")
            self._table = ZoneTable(self._csv, self.site, Provenance.of(self.run))
            if self.site.gates:
                self._gates_csv = _scratch(self.folder / "gates.csv").open("w", newline="", encoding="utf-8")
                self._gate_table = GateTable(self._gates_csv, self.site, Provenance.of(self.run))
        self._table.add(readings)

    def _keep(self, minute: GroundMap) -> None:
        if self._parquet is None:
            schema = MINUTES.with_metadata(self._metadata(MINUTES))
            self._parquet = pq.ParquetWriter(_scratch(self.folder / "heatmap_minutes.parquet"), schema)
        if self._hour and self._hour[0].t_ns // (60 * heatmap.MINUTE_NS) != minute.t_ns // (60 * heatmap.MINUTE_NS):
            self._write_hour()
        self._hour.append(minute)
        band = self._minute_band(minute)
        data = self._drawn().png(band.rho_p_m2, "Mean density of a minute", _span(band))
        _replace(self.folder / "minutes" / f"{_name(minute.t_ns, '%Y%m%dT%H%M')}.png", data)

    def _minute_band(self, minute: GroundMap) -> Band:
        """A minute, and the part of it that the run covers."""
        begin_ns = max(minute.t_ns, self.run.from_ns)
        end_ns = min(minute.t_ns + heatmap.MINUTE_NS, self.run.to_ns)
        return Band(minute.rho_p_m2, f"mean of {utc(begin_ns)} to {utc(end_ns)}", utc(begin_ns), utc(end_ns))

    def _write_hour(self) -> None:
        """One GeoTIFF and one row group of what the hour has."""
        if not self._hour:
            return
        names = [utc(each.t_ns) for each in self._hour]
        columns = {
            "t_ns": [each.t_ns for each in self._hour],
            "t_utc": names,
            "rho_p_m2": [each.rho_p_m2.ravel().astype(np.float32) for each in self._hour],
            "known_s": [each.known_s.ravel().astype(np.float32) for each in self._hour],
            "t": [each.t_ns for each in self._hour],
        }
        self._parquet.write_table(pa.table(columns, schema=MINUTES))
        data = geotiff([self._minute_band(each) for each in self._hour], self._frame(), self._tags())
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
        table = pa.table(columns, schema=MAPS.with_metadata(self._metadata(MAPS)))
        files.replace_file(self.folder / "heatmap_maps.parquet", lambda file: pq.write_table(table, file))
        for name, rho in found.items():
            band = Band(rho, MAP_TITLES[name], utc(mean.t_ns), utc(self._end_ns))
            _replace(self.folder / f"{name}.tif", geotiff([band], self._frame(), self._tags()))
            _replace(self.folder / f"{name}.png", self._drawn().png(rho, MAP_TITLES[name], _span(band)))

    def _drawn(self) -> MapPicture:
        """What draws the maps, all alike."""
        if self._picture is None:
            if self._grid is None:
                raise StoreUnavailable("maps: there is no tick with a grid to draw. Report this as a fault.")
            foot = (
                f"run {self.run.run_id} - Gaussian kernel, standard deviation {self._grid.bandwidth_m:g} m - "
                f"cells {self._grid.cell_m:g} m - CrowdWatch {__version__}"
            )
            grid = self._grid
            rows, cols = grid.rho_p_m2.shape
            self._picture = MapPicture(self.site, grid.origin_m, grid.cell_m, (rows, cols), foot)
        return self._picture

    def _tags(self) -> dict[str, str]:
        """What holds for every map of the run."""
        facts = self._facts()
        return Provenance.of(self.run).facts() | {
            "event_id": self.site.event_id,
            "bandwidth_m": f"{facts['bandwidth_m']:g}",
            "kernel": "Gaussian; bandwidth_m is its standard deviation",
            "cell_m": f"{facts['cell_m']:g}",
        }

    def _frame(self) -> MapFrame:
        facts = self._facts()
        return MapFrame(facts["west_m"], facts["south_m"], facts["cell_m"], self.site.crs)

    def _metadata(self, schema: Any) -> dict[str, str]:
        """Of a Parquet file: where the grid lies and whose it is, the zones with areas and limits, and what the columns
        mean."""
        zones = json.dumps(zone_facts(self.site), ensure_ascii=False)
        return {
            "crowdwatch_grid": json.dumps(self._facts()),
            "crowdwatch_zones": zones,
            **described(schema.names),
        }

    def _facts(self) -> dict[str, Any]:
        """Where the grid lies: rows run north, columns east."""
        if self._grid is None:
            return {}
        rows, cols = self._grid.rho_p_m2.shape
        west_m, south_m = (float(a + b) for a, b in zip(self._grid.origin_m, self.origin_m, strict=True))
        place = {"west_m": west_m, "south_m": south_m, "cell_m": self._grid.cell_m, "crs": self.site.crs}
        whose = Provenance.of(self.run).facts() | {"event_id": self.site.event_id, "unit": "people/m2"}
        whose |= {"from_utc": utc(self.run.from_ns), "to_utc": utc(self.run.to_ns)}
        return {"rows": rows, "cols": cols, "bandwidth_m": self._grid.bandwidth_m} | place | whose


def _band(group: Any, rows: int, cols: int, band: slice) -> tuple[np.ndarray, np.ndarray]:
    """(minutes, band's rows, cols) means and known seconds of a row group."""
    shape = (group.num_rows, rows, cols)
    one, other = (
        group[name].flatten().to_numpy(zero_copy_only=False).reshape(shape) for name in ("rho_p_m2", "known_s")
    )
    return one[:, band], other[:, band]


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _replace(path: Path, data: bytes) -> None:
    files.replace_file(path, lambda file: file.write(data))


def _name(t_ns: int, form: str) -> str:
    return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime(form)


def _span(band: Band) -> str:
    """The time of a map for people: the date once where it is one."""
    (day, begin), (other, end) = (text.removesuffix("Z").split("T") for text in (band.from_utc, band.to_utc))
    return f"{day} {begin} to {end if day == other else f'{other} {end}'} UTC"
