"""Telemetry as a table: CSV logs of flight apps and of our own, by the names of their columns."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.log import Field, FlightLog, log_of
from crowdwatch.sources.flight.words import FOOT_M, field_named

__all__ = ["column_of", "delimiter_of", "number_in", "read_csv"]

SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
}  # fmt: skip
TIME_NAMES = {
    "time",
    "t",
    "elapsedtime",
    "flytime",
    "osdflytime",
    "offset",
    "timestamp",
    "times",
    "timems",
    "flighttime",
}
CLOCK_NAMES = {"datetime", "datetimeutc", "utc", "date", "customdateupdatetime", "timeutc", "clock"}
UNIT = re.compile(r"^(.*?)\s*[\[(/]\s*([A-Za-z°/]+)\s*[\])]?\s*$")
LEAST_T_SIGMA_S = 0.1
MOST_BYTES = 500_000_000


def read_csv(path: Path, name: str | None = None) -> FlightLog:
    """Read a log whose first line with known names is its header; commas, semicolons or tabs.

    A unit may stand behind a name: ``height_above_takeoff(feet)``, ``t/s``, ``altitude [m]``. Times count from the
    first row that the log marks as filmed (column ``isVideo`` or the like); without such marks they are the film's own.

    Raises:
        SourceUnavailable: it cannot be read, or has no column of time or none of a position.
    """
    name = name or path.name
    lines = _lines(path, name)
    start, header = _header(lines, name)
    delimiter = delimiter_of(lines[start])
    rows = list(csv.reader(io.StringIO("\n".join(lines[start + 1 :])), delimiter=delimiter))
    notes: list[str] = []
    if rows and len(rows[-1]) < len(header):
        rows.pop()
        notes.append(f"is cut off in row {len(rows) + 1}: {len(rows)} rows are whole and are read.")
    columns = [column_of(each) for each in header]
    taken: dict[Field, int] = {}
    for number, (field, _) in enumerate(columns):
        if isinstance(field, Field):
            taken.setdefault(field, number)
    film = next((n for n, (field, _) in enumerate(columns) if field == "filmed"), None)
    if film is not None and any(number_in(row, film) == 1 for row in rows):
        rows = [row for row in rows if number_in(row, film) == 1]
    times = _times(rows, columns, name)
    entries, digits = [], 0
    for row in rows:
        entry = {}
        for field, number in taken.items():
            value = number_in(row, number) * columns[number][1]
            if math.isfinite(value):
                entry[field] = value
        entries.append(entry)
        if Field.LAT in taken and taken[Field.LAT] < len(row):
            digits = max(digits, len(row[taken[Field.LAT]].strip().partition(".")[2]))
    known = [number for number, at_s in enumerate(times) if math.isfinite(at_s)]
    if not known:
        raise SourceUnavailable(f"telemetry {name}: no row has a time. Export it again with times.")
    times_s = [times[number] - times[known[0]] if film is not None else times[number] for number in known]
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    return log_of(
        name, f"CSV, {'gimbal' if Field.GIMBAL_PITCH in taken else 'no gimbal'}", times_s,
        [entries[number] for number in known], t_sigma_s=float(np.hypot(LEAST_T_SIGMA_S, step_s / np.sqrt(12))),
        degrees_step=10.0 ** -min(digits, 15) if digits else 0.0, notes=notes,
    )  # fmt: skip


def _lines(path: Path, name: str) -> list[str]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceUnavailable(f"telemetry {name}: is larger than {MOST_BYTES:,} bytes. It is no log of a flight.")
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise SourceUnavailable(f"telemetry {name}: {error.strerror or error}. Check the path.") from error
    return text.splitlines()


def delimiter_of(line: str) -> str:
    """What separates the cells of a line."""
    return max(",;\t", key=line.count)


def _header(lines: Sequence[str], name: str) -> tuple[int, list[str]]:
    """The first line that names a latitude and a longitude, and its cells."""
    for number, line in enumerate(lines[:50]):
        cells = next(csv.reader([line], delimiter=delimiter_of(line)), [])
        fields = {column_of(cell)[0] for cell in cells}
        if {Field.LAT, Field.LON} <= fields:
            return number, cells
    raise SourceUnavailable(
        f"telemetry {name}: no line names columns of latitude and longitude. Name them so; a file of subtitles ends in "
        ".srt."
    )


def column_of(cell: str) -> tuple[Field | str | None, float]:
    """What a column holds, and the factor of its unit."""
    match = UNIT.match(cell.strip())
    name, unit = (match[1], match[2].lower()) if match else (cell, "")
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in ("isvideo", "filmed", "cameraisvideo", "recording"):
        return "filmed", 1.0
    if plain in TIME_NAMES:
        return "time", SECONDS.get(unit, 1e-3 if plain == "timems" else 1.0)
    if plain in CLOCK_NAMES:
        return "clock", 1.0
    factor = FOOT_M if unit in ("ft", "feet", "foot") else 0.44704 if unit == "mph" else 1.0
    return field_named(name), factor


def number_in(row: Sequence[str], number: int) -> float:
    """A cell of a row; NaN where it holds no number."""
    try:
        return float(row[number])
    except (IndexError, ValueError):
        return (
            {"true": 1.0, "recording": 1.0}.get(row[number].strip().lower(), math.nan)
            if number < len(row)
            else math.nan
        )


def _times(
    rows: Sequence[Sequence[str]], columns: Sequence[tuple[Field | str | None, float]], name: str
) -> list[float]:
    for number, (field, factor) in enumerate(columns):
        if field == "time" and any(math.isfinite(number_in(row, number)) for row in rows):
            return [number_in(row, number) * factor for row in rows]
    for number, (field, _) in enumerate(columns):
        if field in ("clock", "time"):
            found = [_moment(row[number] if number < len(row) else "") for row in rows]
            if any(map(math.isfinite, found)):
                first = next(each for each in found if math.isfinite(each))
                return [each - first for each in found]
    raise SourceUnavailable(
        f"telemetry {name}: no column of time. Name one as t/s, time(millisecond) or datetime, counted from the film's "
        "first picture."
    )


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).timestamp()
    except ValueError:
        return math.nan
