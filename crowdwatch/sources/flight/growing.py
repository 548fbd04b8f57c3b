"""Telemetry that comes while the drone flies: text as it grows, cut into entries that are whole."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from crowdwatch.sources.flight.csv_log import column_of, delimiter_of, number_in
from crowdwatch.sources.flight.log import Field
from crowdwatch.sources.flight.srt import NUMBER_LINE, seconds_of
from crowdwatch.sources.flight.words import Entry, entry_of

__all__ = ["GrowingText", "Timed", "entry_of_message"]

Timed: TypeAlias = tuple[float | None, Entry]
"""Seconds of the stream's own time, None where it says none; and what was written."""

LONGEST_LINE = 100_000
"""Characters without an end of line: it is no telemetry, and is thrown away."""


@dataclass(slots=True)
class GrowingText:
    """Subtitles or a table that grow. What has not ended yet is kept for the next piece.

    Attributes:
        header: of a table, once its line was there.

    >>> text = GrowingText()
    >>> text.feed("1\\n00:00:01,000 --> 00:00:01,100\\n[latitude: 1.5] [longitude: 2.5] [rel_a")
    []
    >>> ((t_s, entry),) = text.feed("lt: 30.0]\\n\\n2\\n00:00:01,1")
    >>> t_s, entry.values[Field.HEIGHT]
    (1.0, 30.0)
    """

    header: list[str] | None = None
    _rest: str = ""
    _t_s: float | None = None
    _lines: list[str] = field(default_factory=list)

    def feed(self, text: str) -> list[Timed]:
        """Take a piece in; the entries that are whole now."""
        lines = (self._rest + text).split("\n")
        self._rest = lines.pop()[-LONGEST_LINE:]
        found: list[Timed] = []
        for line in lines:
            self._take(line.rstrip("\r"), found)
        return found

    def _take(self, line: str, found: list[Timed]) -> None:
        if self.header is not None:
            entry = _row(self.header, line)
            if entry is not None:
                found.append(entry)
            return
        t_s = seconds_of(line)
        if t_s is not None or not line.strip():
            self._end(found)
            self._t_s = t_s
        elif not self._lines and self._t_s is None and _is_header(line):
            self.header = next(csv.reader([line], delimiter=delimiter_of(line)), [])
        elif not NUMBER_LINE.match(line):
            self._lines.append(line)

    def _end(self, found: list[Timed]) -> None:
        if self._lines:
            entry = entry_of("\n".join(self._lines))
            if entry.values:
                found.append((self._t_s, entry))
        self._lines, self._t_s = [], None


def _is_header(line: str) -> bool:
    cells = next(csv.reader([line], delimiter=delimiter_of(line)), [])
    return {Field.LAT, Field.LON} <= {column_of(cell)[0] for cell in cells}


def _row(header: list[str], line: str) -> Timed | None:
    """One row of a table; None where it is shorter than the header."""
    cells = next(csv.reader([line], delimiter=delimiter_of("".join(line))), [])
    if len(cells) < len(header):
        return None
    entry, t_s = Entry(), None
    for number, name in enumerate(header):
        known, factor = column_of(name)
        value = number_in(cells, number) * factor
        if not math.isfinite(value):
            continue
        if known == "time":
            t_s = value
        elif isinstance(known, Field) and known not in entry.values:
            entry.values[known] = value
            if known is Field.LAT:
                entry.digits = len(cells[number].strip().partition(".")[2])
    return (t_s, entry) if entry.values else None


CLOUD_HEIGHTS = {"elevation": "rel_alt", "height": "abs_alt"}
"""DJI's Cloud API calls the height above take-off ``elevation``, and that above the ellipsoid ``height``."""


def entry_of_message(payload: bytes) -> Timed | None:
    """One message: a JSON object with the names that subtitles have, or the text of a subtitle; None where it holds no
    telemetry. ``t_s`` is the stream's own time.

    >>> t_s, entry = entry_of_message(b'{"t_s": 2.5, "latitude": 1.5, "longitude": 2.5, "gb_pitch": -60}')
    >>> t_s, entry.values[Field.GIMBAL_PITCH]
    (2.5, -60.0)
    >>> entry_of_message(b'{"data": {"elevation": 30, "height": 80, "latitude": 1.5}}')[1].values[Field.HEIGHT]
    30.0
    """
    text = payload.decode("utf-8", errors="replace")
    if not text.lstrip().startswith("{"):
        entry = entry_of(text)
        return (None, entry) if entry.values else None
    try:
        said = _flat(json.loads(text))
    except (ValueError, RecursionError):
        return None
    if "elevation" in said:
        said = {CLOUD_HEIGHTS.get(name, name): value for name, value in said.items()}
    entry = entry_of(" ".join(f"[{name}: {value!r}]" for name, value in said.items() if name != "t_s"))
    t_s = said.get("t_s")
    return (t_s, entry) if entry.values else None


def _flat(said: Any) -> dict[str, float]:
    """Names and finite numbers of an object and of those within it."""
    found: dict[str, float] = {}
    if isinstance(said, Mapping):
        for name, value in said.items():
            if isinstance(value, Mapping):
                found |= _flat(value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                found[str(name)] = float(value)
    return found
