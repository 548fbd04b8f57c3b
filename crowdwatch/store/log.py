"""The observation log: everything that ``advance`` reacts to, in its order, in Parquet, without any image.

What is written is closed in parts at the end of a tick, about every minute of event time; a kill loses at most the open
part. A part counts once its timeline file has its name, which is the last step; until then nothing refers to its
observations.

Resuming continues after the last tick in the log. Everything logged for a later time than that tick (observations that
no tick has included yet, actions) is taken out of the log first, because a resumed run makes it again:
it reads footage exposed after the tick, and queued commands are reopened after it. Late observations, exposed before
the tick and never included, stay. Open the writer with ``resume=True`` first and fold what :class:`LogReader` then
gives.

Measured (two busy CPU cores): 454 kB per 1000 observations of 10 people and 3.7 MB of 100 people, 18 kB of it timeline;
0.09 ms to write and 0.07 ms to read an observation; peak memory of writing and of reading is flat in the log's length.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crowdwatch.core.records import LogEvent, Observation, Tick
from crowdwatch.core.version import __version__
from crowdwatch.errors import LogCorrupt, StoreUnavailable
from crowdwatch.store import files
from crowdwatch.store.columns import (
    SCHEMA_VERSION,
    EventRow,
    event_row,
    observation_table,
    row_event,
    timeline_table,
    write_parquet,
)
from crowdwatch.store.layout import Header, Layout, Part, digest_of
from crowdwatch.store.live_journal import journaled_events

__all__ = ["LogReader", "LogWriter"]

PART_S = 60.0
"""Event time in a part: what a kill can lose against how many files a night makes (480 per camera in 8 hours)."""

PART_EVENTS = 10_000
"""Events in memory before a part is closed early; 64 boxes weigh as much as one more event."""


class LogWriter:
    """Writes the log of one run; one process at a time.

    Args:
        folder: the log's folder; made when there is none.
        config_json: the resolved event file.
        event_id: the event, for the partitioned folders; by default ``id`` in ``config_json``.
        part_s: event time after which a part is closed, at the end of a tick, on multiples of absolute time.
        part_events: events after which a part is closed at the next tick, and at twice as many without one.
        resume: continue the log in the folder (one that is not there yet is begun).

    Raises:
        StoreUnavailable: the folder cannot be written, another process writes it, it already holds a log and
            ``resume`` is False, or the log was made with another configuration.
        LogCorrupt: the log to be resumed is damaged.
    """

    def __init__(
        self,
        folder: Path,
        config_json: str,
        *,
        event_id: str | None = None,
        part_s: float = PART_S,
        part_events: int = PART_EVENTS,
        resume: bool = False,
    ) -> None:
        self._layout = Layout(Path(folder))
        self._part_ns = max(1, round(part_s * 1e9))
        self._part_events = part_events
        self._rows: list[EventRow] = []
        self._pending: list[tuple[int, Observation]] = []
        self._weight = 0.0
        self._first = self._next = 0
        self._last_tick_ns: int | None = None
        self._lock: int | None = files.hold(self._layout.lock)
        try:
            if self._layout.header.exists():
                self._resume(config_json, resume)
            else:
                self._start(config_json, event_id)
        except BaseException:
            self._release()
            raise

    @property
    def last_tick_ns(self) -> int | None:
        """The newest tick that was appended, or that the resumed log has."""
        return self._last_tick_ns

    @property
    def next(self) -> int:
        """The log sequence number of the next event."""
        return self._next

    @property
    def closed(self) -> int:
        """The log sequence number before which every event is in a closed part."""
        return self._first

    def append(self, event: LogEvent) -> None:
        """Add one event behind all others.

        Raises:
            StoreUnavailable: a part cannot be written (disk full, read-only). The event has been taken: free some
                space, then :meth:`close` or the next append writes it.
        """
        if self._lock is None:
            raise StoreUnavailable(f"observation log {self._layout.folder}: it is closed. Resume it to write on.")
        self._rows.append(event_row(self._next, event))
        self._weight += 1
        if isinstance(event, Observation):
            self._pending.append((self._next, event))
            self._weight += len(event.detections) / 64
        self._next += 1
        crowded = self._weight >= self._part_events
        if isinstance(event, Tick):
            before, self._last_tick_ns = self._last_tick_ns, event.t_ns
            passed = before is not None and event.t_ns // self._part_ns > before // self._part_ns
            if passed or crowded:
                self._flush()
        elif crowded and self._weight >= 2 * self._part_events:
            self._flush()

    def close(self, complete: bool) -> None:
        """Write what is still in memory; ``complete`` says that the run came to its end. Safe to call twice.

        Raises:
            StoreUnavailable: it cannot be written; call it again when there is space.
        """
        if self._lock is None:
            return
        self._flush()
        if complete:
            text = json.dumps({"next": self._next})
            files.replace_file(self._layout.end, lambda file: _write_text(file, text))
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            files.release(self._lock)
            self._lock = None

    def _start(self, config_json: str, event_id: str | None) -> None:
        folder = self._layout.folder
        if self._layout.timeline.exists() or self._layout.observations.exists():
            raise StoreUnavailable(
                f"observation log {folder}: it holds parts of a log whose event.json is gone. Name another folder."
            )
        self._event_id = event_id or _id_in(config_json)
        header = Header(self._event_id, config_json, __version__)
        files.replace_file(self._layout.header, lambda file: _write_text(file, header.to_json()))

    def _resume(self, config_json: str, resume: bool) -> None:
        folder = self._layout.folder
        if not resume:
            raise StoreUnavailable(
                f"observation log {folder}: it already holds one. Resume it, or name another folder."
            )
        header = self._layout.read_header()
        if header.config_json != config_json:
            raise StoreUnavailable(
                f"observation log {folder}: it was made with another configuration (sha256 "
                f"{digest_of(header.config_json)[:12]}, now {digest_of(config_json)[:12]}). "
                "Undo the change of the event file, or start a new run."
            )
        self._event_id = header.event_id
        parts = _checked(self._layout)
        files.remove(self._layout.end)
        self._last_tick_ns = _last_tick(parts)
        _cut(self._layout, self._event_id, parts, self._last_tick_ns)
        self._first = self._next = parts[-1].next if parts else 0

    def _flush(self) -> None:
        """Write the open part: its observations, then the timeline part that makes them count."""
        if not self._rows:
            return
        groups: dict[Path, list[tuple[int, Observation]]] = {}
        for log_seq, observation in self._pending:
            stamp = observation.stamp
            path = self._layout.observation_part(self._event_id, stamp.camera_id, stamp.t_ns, self._first)
            groups.setdefault(path, []).append((log_seq, observation))
        for path, group in groups.items():
            _write_table(path, observation_table(group))
        part = Part.of(self._layout.timeline_part(self._first), self._first, self._next, self._rows)
        _write_table(part.path, timeline_table(self._rows), part.metadata())
        self._rows, self._pending, self._weight = [], [], 0.0
        self._first = self._next


class LogReader:
    """Reads a log, also while another process writes it: what is in closed parts when it is opened, and of a live run
    what its journal holds behind them.

    Raises:
        LogCorrupt: the folder holds no log, or one that is damaged; the message names the file and the remedy.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(Path(folder))
        self._header = self._layout.read_header()
        # the end mark first: were it written between the two looks, the parts would be behind it
        self._complete = self._layout.read_end() is not None
        tail = journaled_events(self._layout.folder)  # before the parts: what is closed meanwhile stands in both
        self._parts = _checked(self._layout)
        closed = self._parts[-1].next if self._parts else 0
        self._tail = [(number, event) for number, event in tail if number >= closed]

    @property
    def config_json(self) -> str:
        """The resolved event file, character for character."""
        return self._header.config_json

    @property
    def event_id(self) -> str:
        """The event."""
        return self._header.event_id

    @property
    def complete(self) -> bool:
        """Whether the run came to its end; False for one that was stopped, killed or still runs."""
        return self._complete

    @property
    def last_tick_ns(self) -> int | None:
        """The newest tick; None when there is none."""
        journaled = (event.t_ns for _, event in reversed(self._tail) if isinstance(event, Tick))
        return next(journaled, _last_tick(self._parts))

    @property
    def observation_count(self) -> int:
        """How many observations it holds."""
        journaled = sum(isinstance(event, Observation) for _, event in self._tail)
        return sum(part.observations for part in self._parts) + journaled

    def events(self, from_number: int = 0) -> Iterator[LogEvent]:
        """Yield every event in its order, from a log sequence number on; one part is in memory at a time."""
        for part in self._parts:
            if part.next <= from_number:
                continue
            rows = [row for row in self._layout.read_timeline(part) if row["log_seq"] >= from_number]
            found = self._load(part, rows)
            for row in rows:
                try:
                    event = found.pop(row["log_seq"]) if row["kind"] == "observation" else row_event(row)
                except (ValueError, TypeError) as error:
                    raise LogCorrupt(
                        f"observation log {part.path}: event {row['log_seq']} is impossible: {error}. "
                        "Restore it from a copy, or replay the footage into a new folder."
                    ) from error
                yield event
        yield from (event for number, event in self._tail if number >= from_number)

    def observations(
        self, camera_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> Iterator[Observation]:
        """Yield the observations of one camera or all with ``from_ns <= t < to_ns``, in the log's order."""
        for part in self._parts:
            if part.from_ns is None or part.to_ns is None:
                continue
            if (to_ns is not None and part.from_ns >= to_ns) or (from_ns is not None and part.to_ns < from_ns):
                continue
            rows = [
                row
                for row in self._layout.read_timeline(part)
                if row["kind"] == "observation"
                and (camera_id is None or row["camera_id"] == camera_id)
                and (from_ns is None or row["t_ns"] >= from_ns)
                and (to_ns is None or row["t_ns"] < to_ns)
            ]
            found = self._load(part, rows)
            for row in rows:
                yield found.pop(row["log_seq"])
        for _, event in self._tail:
            if (
                isinstance(event, Observation)
                and (camera_id is None or event.stamp.camera_id == camera_id)
                and (from_ns is None or event.t_ns >= from_ns)
                and (to_ns is None or event.t_ns < to_ns)
            ):
                yield event

    def _load(self, part: Part, rows: list[EventRow]) -> dict[int, Observation]:
        found: dict[int, Observation] = {}
        for path, wanted in _references(self._layout, self._header.event_id, part, rows).items():
            found |= self._layout.read_observations(path, wanted)
        return found


def _references(layout: Layout, event_id: str, part: Part, rows: list[EventRow]) -> dict[Path, set[int]]:
    """The observation parts that a timeline part refers to, and the log sequence numbers in each."""
    wanted: dict[Path, set[int]] = {}
    for row in rows:
        if row["kind"] == "observation":
            path = layout.observation_part(event_id, row["camera_id"], row["t_ns"], part.first)
            wanted.setdefault(path, set()).add(row["log_seq"])
    return wanted


def _checked(layout: Layout) -> list[Part]:
    """Every part; a complete log must have them all."""
    end = layout.read_end()
    parts = layout.parts()
    last = parts[-1].next if parts else 0
    if end is not None and last < end:
        raise LogCorrupt(
            f"observation log {layout.timeline_part(last)}: it is missing: the log is complete with {end} events, "
            f"found {last}. Restore it from a copy, or replay the footage into a new folder."
        )
    return parts


def _last_tick(parts: list[Part]) -> int | None:
    return next((part.last_tick_ns for part in reversed(parts) if part.last_tick_ns is not None), None)


def _cut(layout: Layout, event_id: str, parts: list[Part], last_tick_ns: int | None) -> None:
    """Take out what was logged for later than the last tick, and what a kill left half written.

    In each flush the timeline goes first: a kill in between leaves observations that nothing refers to, which the next
    resume takes out.
    """
    referenced: set[Path] = set()
    for part in parts:
        rows = layout.read_timeline(part)
        kept = [row for row in rows if last_tick_ns is not None and row["t_ns"] <= last_tick_ns]
        if len(kept) < len(rows):
            described = Part.of(part.path, part.first, part.next, kept)
            _write_table(part.path, timeline_table(kept), described.metadata())
        for path, numbers in _references(layout, event_id, part, kept).items():
            referenced.add(path)
            rest = layout.keep_observations(path, numbers)
            if rest is not None:
                _write_table(path, rest)
    for path in (*layout.observations.rglob("*"), *layout.timeline.glob("*"), *layout.folder.glob(".*")):
        stray = path.suffix == ".parquet" and layout.observations in path.parents and path not in referenced
        if path.is_file() and (stray or files.is_scratch(path)):
            files.remove(path)


def _write_table(path: Path, table: Any, metadata: dict[str, str] | None = None) -> None:
    facts = metadata or {"crowdwatch_log": str(SCHEMA_VERSION)}
    files.replace_file(path, lambda file: write_parquet(table, file, facts))


def _write_text(file: Any, text: str) -> None:
    file.write((text + "\n").encode())


def _id_in(config_json: str) -> str:
    """The event's id in its resolved event file; the file's digest when it has none."""
    try:
        found = json.loads(config_json)["id"]
    except (ValueError, KeyError, TypeError):
        found = None
    return found if isinstance(found, str) and found else digest_of(config_json)[:12]
