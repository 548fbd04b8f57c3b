"""The journal of a live run: what a kill or a power cut must not take, in SQLite, one transaction for each tick.

A part of the Parquet log is closed about once a minute; the footage of a live camera is gone then. So every tick is
written here first, with the observations that it includes, the faults and the actions before it, and is on the disk
(``synchronous=FULL``) before anything follows from it. What the Parquet log has closed is deleted from here: the log
of a live run is the closed parts and then the journal.

Beside the events stand snapshots of what the fold remembers, so that a restart need not fold the whole night again.
They are derived from the events and can be thrown away. To this module they are bytes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from crowdwatch.core.records import LogEvent, Observation
from crowdwatch.errors import LogCorrupt, RecordError, StoreUnavailable
from crowdwatch.store import files
from crowdwatch.store.columns import event_row, observation_table, observations, row_event, timeline_table
from crowdwatch.store.connect import explained

__all__ = ["JOURNAL", "LiveJournal", "Snapshot", "journaled_events"]

JOURNAL = "journal.sqlite"

VERSION = 1

TABLES = """
CREATE TABLE pieces (
    first INTEGER PRIMARY KEY, next INTEGER NOT NULL, timeline BLOB NOT NULL, observations BLOB NOT NULL
);
CREATE TABLE snapshots (
    next INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, program TEXT NOT NULL, facts TEXT NOT NULL, state BLOB NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE alerts (number INTEGER PRIMARY KEY, event_id TEXT NOT NULL);
"""

KEPT_SNAPSHOTS = 2
"""The newest, and the one before: the store has all that came before that one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the fold remembers after one tick.

    Args:
        next: log sequence number of the first event that it has not taken in.
        t_ns: the tick.
        program: names the code that can read ``state``; another one cannot.
        facts: JSON of what was counted up to there.
        state: bytes.
    """

    next: int
    t_ns: int
    program: str
    facts: str
    state: bytes

    @property
    def sha256(self) -> str:
        """Of all of it."""
        text = f"{self.next} {self.t_ns} {self.program} {self.facts} ".encode()
        return hashlib.sha256(text + self.state).hexdigest()


class LiveJournal:
    """The journal in one run's folder. Only its user can read the file.

    Args:
        folder: of the run.

    Raises:
        LogCorrupt: the file is damaged, or of another version.
        StoreUnavailable: it cannot be opened or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        with files.writable(self.path):
            files.make_folder(folder)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with _readable(self.path):
            self._file = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._file.close()
                raise

    def _prepare(self) -> None:
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=FULL")
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._file.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;")
        elif version != VERSION:
            raise LogCorrupt(f"journal {self.path}: has version {version}, this CrowdWatch reads {VERSION}.")

    def add(self, events: Sequence[tuple[int, LogEvent]]) -> None:
        """Write events with their log sequence numbers; they are on the disk when this returns.

        Raises:
            StoreUnavailable: disk full, read-only. None of them is kept.
        """
        timeline = _packed(timeline_table([event_row(number, event) for number, event in events]))
        found = [(number, event) for number, event in events if isinstance(event, Observation)]
        row = events[0][0], events[-1][0] + 1, timeline, _packed(observation_table(found)) if found else b""
        with self._writing("write"):
            self._file.execute("INSERT INTO pieces VALUES (?, ?, ?, ?)", row)

    def events(self, from_number: int = 0) -> Iterator[tuple[int, LogEvent]]:
        """Every event from a log sequence number on, with its own, in their order. Raises LogCorrupt."""
        with _readable(self.path):
            rows = self._file.execute(
                "SELECT timeline, observations FROM pieces WHERE next > ? ORDER BY first", (from_number,)
            ).fetchall()
        for timeline, found in rows:
            yield from (each for each in _unpacked(self.path, timeline, found) if each[0] >= from_number)

    def forget(self, before: int) -> None:
        """Delete the events before a log sequence number, which stand elsewhere by now. Raises StoreUnavailable."""
        with self._writing("tidy up"):
            self._file.execute("DELETE FROM pieces WHERE next <= ?", (before,))

    def keep(self, snapshot: Snapshot, alert_ids: Sequence[str]) -> None:
        """Keep a snapshot, and the ids of the alerts since the one before; older ones go. Raises StoreUnavailable."""
        values = snapshot.next, snapshot.t_ns, snapshot.program, snapshot.facts, snapshot.state, snapshot.sha256
        with self._writing("write"):
            self._file.executemany("INSERT INTO alerts (event_id) VALUES (?)", [(each,) for each in alert_ids])
            self._file.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?)", values)
            self._file.execute(
                "DELETE FROM snapshots WHERE next NOT IN (SELECT next FROM snapshots ORDER BY next DESC LIMIT ?)",
                (KEPT_SNAPSHOTS,),
            )

    def snapshots(self) -> Iterator[Snapshot]:
        """Snapshots that are undamaged, newest first."""
        query = "SELECT next, t_ns, program, facts, state, sha256 FROM snapshots ORDER BY next DESC"
        with _readable(self.path):
            rows = self._file.execute(query).fetchall()
        for *values, digest in rows:
            snapshot = Snapshot(*values)
            if snapshot.sha256 == digest:
                yield snapshot

    def alert_ids(self, count: int) -> list[str]:
        """The ids of the first alerts; those after them are forgotten. Raises LogCorrupt, StoreUnavailable."""
        with self._writing("tidy up"):
            self._file.execute("DELETE FROM alerts WHERE number > ?", (count,))
            return [row[0] for row in self._file.execute("SELECT event_id FROM alerts ORDER BY number")]

    def close(self) -> None:
        """Release the file; safe to call twice."""
        self._file.close()

    def remove(self) -> None:
        """Close it and take it away: a log that is complete needs none. Raises StoreUnavailable."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            files.remove(self.path.with_name(self.path.name + suffix))

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """One transaction."""
        with explained(str(self.path), what):
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")


def journaled_events(folder: Path) -> list[tuple[int, LogEvent]]:
    """What the journal in a log's folder holds, also while an engine writes it; nothing where there is none, and where
    it is another user's.

    Raises:
        LogCorrupt: it is damaged, of another version, or cannot be opened.
    """
    path = folder / JOURNAL
    if not path.is_file() or not path.stat().st_size:  # a kill before its first transaction leaves an empty one
        return []
    if not os.access(path, os.R_OK):
        return []
    with _readable(path):
        file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            version = file.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                return []
            if version != VERSION:
                raise LogCorrupt(f"journal {path}: has version {version}, this CrowdWatch reads {VERSION}.")
            rows = file.execute("SELECT timeline, observations FROM pieces ORDER BY first").fetchall()
        finally:
            file.close()
    return [each for timeline, found in rows for each in _unpacked(path, timeline, found)]


def _packed(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _unpacked(path: Path, timeline: bytes, found: bytes) -> list[tuple[int, LogEvent]]:
    try:
        seen = dict(observations(pa.ipc.open_stream(found).read_all())) if found else {}
        rows = pa.ipc.open_stream(timeline).read_all().to_pylist()
        return [
            (row["log_seq"], seen[row["log_seq"]] if row["kind"] == "observation" else row_event(row)) for row in rows
        ]
    except (pa.ArrowException, RecordError, KeyError, ValueError, TypeError, OSError) as error:
        raise LogCorrupt(f"journal {path}: an event in it is damaged: {error}. {_ASIDE}") from error


_ASIDE = "Move the file away: the log then ends with its last closed part, about a minute earlier."


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what SQLite finds wrong with a file into LogCorrupt or StoreUnavailable."""
    try:
        with explained(str(path), "cannot be read"):
            yield
    except StoreUnavailable as error:
        cause = error.__cause__
        if getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")):
            raise LogCorrupt(f"journal {path}: is damaged: {cause}. {_ASIDE}") from error
        raise
