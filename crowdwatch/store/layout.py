"""Where the pieces of an observation log lie, and how they are read back with their faults named.

::

    event.json                                                    header: the resolved event file, its digest, versions
    observations/event=<id>/camera=<id>/hour=<YYYYMMDDTHH>/part-<n>.parquet     hour of exposure, UTC
    timeline/part-<n>.parquet                                     every event in its order
    end.json                                                      only when the log is complete

``<n>`` is the log sequence number of the first event of a flush: one flush makes one timeline part and, with the same
number, one part per camera and hour. The timeline part comes last and makes the flush count: parts of observations
without it are the remains of a kill, and readers of CrowdWatch pass over them. Names of cameras and events are
percent-encoded, as PyArrow and Dask expect in a partitioned data set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.records import Observation
from crowdwatch.errors import LogCorrupt, RecordError, StoreError
from crowdwatch.store.columns import (
    BEFORE_ACTIONS,
    READ_VERSIONS,
    SCHEMA_VERSION,
    TIMELINE,
    EventRow,
    as_now,
    observations,
)

__all__ = ["Header", "Layout", "Part", "digest_of"]

_PART = re.compile(r"part-\d{12,}\.parquet")
_MEND = "Restore it from a copy, or replay the footage into a new folder."


def digest_of(text: str) -> str:
    """sha256 of a text, as hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Header:
    """What ``event.json`` says."""

    event_id: str
    config_json: str
    crowdwatch: str

    def to_json(self) -> str:
        """The file's text; equal headers give equal texts."""
        return json.dumps(
            {
                "schema": SCHEMA_VERSION,
                "crowdwatch": self.crowdwatch,
                "event_id": self.event_id,
                "config_sha256": digest_of(self.config_json),
                "config_json": self.config_json,
            },
            indent=2,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One timeline part, as its own footer describes it: events ``first <= log_seq < next``.

    Args:
        path: the file.
        first, next: log sequence numbers.
        observations: how many of its events are observations.
        from_ns, to_ns: first and last exposure of these; None without any.
        last_tick_ns: None when it has no tick.
    """

    path: Path
    first: int
    next: int
    observations: int
    from_ns: int | None
    to_ns: int | None
    last_tick_ns: int | None

    @classmethod
    def of(cls, path: Path, first: int, next_seq: int, rows: Iterable[EventRow]) -> Part:
        """Describe a part by its rows."""
        exposed: list[int] = []
        last_tick_ns = None
        for row in rows:
            if row["kind"] == "observation":
                exposed.append(row["t_ns"])
            elif row["kind"] == "tick":
                last_tick_ns = row["t_ns"]
        from_ns, to_ns = min(exposed, default=None), max(exposed, default=None)
        return cls(path, first, next_seq, len(exposed), from_ns, to_ns, last_tick_ns)

    def metadata(self) -> dict[str, str]:
        """The footer's key and values."""
        names = ("first", "next", "observations", "from_ns", "to_ns", "last_tick_ns")
        facts = {name: getattr(self, name) for name in names}
        return {"crowdwatch_log": str(SCHEMA_VERSION), "crowdwatch_part": json.dumps(facts)}


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one log."""

    folder: Path

    @property
    def header(self) -> Path:
        """The header file."""
        return self.folder / "event.json"

    @property
    def end(self) -> Path:
        """The file that says that the log is complete."""
        return self.folder / "end.json"

    @property
    def lock(self) -> Path:
        """The file that the one writer holds."""
        return self.folder / ".writer.lock"

    @property
    def timeline(self) -> Path:
        """The folder of timeline parts."""
        return self.folder / "timeline"

    @property
    def observations(self) -> Path:
        """The folder of observation parts."""
        return self.folder / "observations"

    def timeline_part(self, first: int) -> Path:
        """The timeline part that starts with one log sequence number."""
        return self.timeline / f"part-{first:012d}.parquet"

    def observation_part(self, event_id: str, camera_id: str, t_ns: int, first: int) -> Path:
        """The observation part for one camera and time in the flush that starts with ``first``."""
        hour = datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime("%Y%m%dT%H")
        keys = (f"event={quote(event_id, safe='')}", f"camera={quote(camera_id, safe='')}", f"hour={hour}")
        return self.observations.joinpath(*keys, f"part-{first:012d}.parquet")

    def read_header(self) -> Header:
        """Read ``event.json``.

        Raises:
            LogCorrupt: it is missing, damaged, edited, or of another version.
        """
        where = f"observation log {self.header}"
        with _readable(self.header, "This folder holds no observation log: name the folder of a run."):
            text = self.header.read_text(encoding="utf-8")
        try:
            found = json.loads(text)
            schema = found["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise LogCorrupt(f"{where}: not the header of an observation log. {_MEND}") from error
        if schema not in READ_VERSIONS:
            raise LogCorrupt(
                f"{where}: got schema {schema!r}, this CrowdWatch reads {' and '.join(map(str, READ_VERSIONS))}. "
                "Use the version of CrowdWatch that wrote it, named in the file."
            )
        try:
            header = Header(found["event_id"], found["config_json"], found["crowdwatch"])
            intact = digest_of(header.config_json) == found["config_sha256"] and isinstance(header.event_id, str)
        except (KeyError, AttributeError) as error:
            raise LogCorrupt(f"{where}: not the header of an observation log. {_MEND}") from error
        if not intact:
            raise LogCorrupt(f"{where}: the event file in it was changed after it was written. {_MEND}")
        return header

    def read_end(self) -> int | None:
        """The log sequence number after the last event of a complete log, else None."""
        if not self.end.exists():
            return None
        with _readable(self.end, _MEND):
            try:
                return int(json.loads(self.end.read_text(encoding="utf-8"))["next"])
            except (ValueError, KeyError, TypeError) as error:
                raise LogCorrupt(f"observation log {self.end}: not the end mark of a log. {_MEND}") from error

    def parts(self) -> list[Part]:
        """Every timeline part in order.

        Raises:
            LogCorrupt: one is missing, damaged or not a timeline part.
        """
        with _readable(self.timeline, _MEND):
            names = sorted(self.timeline.iterdir()) if self.timeline.is_dir() else []
        parts: list[Part] = []
        for path in names:
            if path.name.startswith("."):
                continue
            if not _PART.fullmatch(path.name):
                raise LogCorrupt(f"observation log {path}: not a part of a timeline. Take it out of the log's folder.")
            part = self._describe(path)
            expected = parts[-1].next if parts else 0
            if part.first != expected or path != self.timeline_part(part.first):
                raise LogCorrupt(
                    f"observation log {path}: starts at event {part.first}, expected {expected}: "
                    f"a part is missing. {_MEND}"
                )
            parts.append(part)
        return parts

    def _describe(self, path: Path) -> Part:
        with _readable(path, _MEND):
            found = pq.read_metadata(path).metadata or {}
        if found.get(b"crowdwatch_log", b"").decode() not in map(str, READ_VERSIONS):
            known = " or ".join(map(str, READ_VERSIONS))
            raise LogCorrupt(f"observation log {path}: not a timeline part of schema {known}. {_MEND}")
        try:
            return Part(path, **json.loads(found[b"crowdwatch_part"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LogCorrupt(f"observation log {path}: its footer is damaged. {_MEND}") from error

    def read_timeline(self, part: Part) -> list[EventRow]:
        """The rows of one timeline part."""
        table = _read(part.path)
        if not any(table.schema.equals(known) for known in (TIMELINE, BEFORE_ACTIONS)):
            raise _other_columns(part.path)
        rows: list[EventRow] = table.to_pylist()
        return rows

    def read_observations(self, path: Path, wanted: set[int]) -> dict[int, Observation]:
        """The observations of one part whose log sequence numbers are wanted.

        Raises:
            LogCorrupt: the part is damaged or missing, or lacks one of them.
        """
        table = _read_observations(path)
        try:
            found = {log_seq: each for log_seq, each in observations(table) if log_seq in wanted}
        except (RecordError, ValueError, IndexError) as error:
            raise LogCorrupt(f"observation log {path}: holds an impossible observation: {error} {_MEND}") from error
        if len(found) != len(wanted):
            lost = min(wanted - found.keys())
            raise LogCorrupt(f"observation log {path}: observation {lost} of the timeline is not in it. {_MEND}")
        return found

    def keep_observations(self, path: Path, kept: set[int]) -> Any | None:
        """The table of a part without the rows that are not to be kept; None when it has no others."""
        with _readable(path, _MEND):
            if pq.read_metadata(path).num_rows == len(kept):
                return None
        table = _read_observations(path)
        return table.filter(pa.array([log_seq in kept for log_seq in table["log_seq"].to_pylist()], pa.bool_()))


def _read(path: Path) -> Any:
    with _readable(path, _MEND), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read()


def _read_observations(path: Path) -> Any:
    table = as_now(_read(path))
    if table is None:
        raise _other_columns(path)
    return table


def _other_columns(path: Path) -> LogCorrupt:
    return LogCorrupt(f"observation log {path}: its columns are not those of schema {SCHEMA_VERSION}. {_MEND}")


@contextmanager
def _readable(path: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise LogCorrupt(f"observation log {path}: it is missing. {remedy}") from error
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        if isinstance(error, StoreError):
            raise
        reason = " ".join(str(error).split())
        raise LogCorrupt(f"observation log {path}: cannot be read: {reason}. {_MEND}") from error
