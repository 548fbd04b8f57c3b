"""The log of a live run: every tick in the journal at once, in the Parquet log with the part that it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from crowdwatch.core.records import LogEvent, Tick
from crowdwatch.errors import LogCorrupt
from crowdwatch.store import files
from crowdwatch.store.live_journal import JOURNAL, LiveJournal, Snapshot
from crowdwatch.store.log import PART_EVENTS, PART_S, LogReader, LogWriter

__all__ = ["LiveLog"]

_log = logging.getLogger(__name__)


class LiveLog:
    """Writes the log of one live run; one process at a time.

    Events wait in memory until their tick comes, and are on the disk when :meth:`append` returns with it: nothing that
    follows from a tick is known outside before the tick is safe. What no tick has followed is left out: nothing was
    made of it.

    Args:
        folder: of the run.
        config_json: the resolved event file.
        resume: go on with the log in the folder.
        part_s, part_events: as of :class:`~crowdwatch.store.log.LogWriter`.

    Raises:
        LogCorrupt, StoreUnavailable: as of :class:`~crowdwatch.store.log.LogWriter`. A journal that is damaged is moved
            aside and said; the log then ends with its last closed part.
    """

    def __init__(
        self,
        folder: Path,
        config_json: str,
        *,
        resume: bool = False,
        part_s: float = PART_S,
        part_events: int = PART_EVENTS,
    ) -> None:
        self._folder = folder
        self._writer = LogWriter(folder, config_json, part_s=part_s, part_events=part_events, resume=resume)
        self._waiting: list[LogEvent] = []
        self._ended = False
        self.lost = ""
        try:
            self._journal, before = self._opened()
        except BaseException:
            self._writer.close(complete=False)
            raise
        for _, event in before:
            self._writer.append(event)
        self._journal.forget(self._writer.closed)

    def _opened(self) -> tuple[LiveJournal, list[tuple[int, LogEvent]]]:
        """The journal, and what it holds behind the closed parts."""
        try:
            journal = LiveJournal(self._folder)
            try:
                return journal, self._behind(journal)
            except LogCorrupt:
                journal.close()
                raise
        except LogCorrupt as error:
            aside = _aside(self._folder)
            self.lost = f"{error} It was moved to {aside.name}: the last minute before the restart is lost."
            _log.error("%s", self.lost)
            return LiveJournal(self._folder), []

    def _behind(self, journal: LiveJournal) -> list[tuple[int, LogEvent]]:
        found = list(journal.events(self._writer.closed))
        if [number for number, _ in found] != list(range(self._writer.closed, self._writer.closed + len(found))):
            raise LogCorrupt(f"journal {journal.path}: does not go on where the closed parts end.")
        return found

    @property
    def last_tick_ns(self) -> int | None:
        """The newest tick that is on the disk."""
        return self._writer.last_tick_ns

    def append(self, event: LogEvent) -> None:
        """Add one event behind all others; with a tick everything is on the disk.

        Raises:
            StoreUnavailable: disk full, read-only. The tick and what waited for it are not in the log.
        """
        self._waiting.append(event)
        if isinstance(event, Tick):
            self._journal.add(list(enumerate(self._waiting, self._writer.next)))
            waiting, self._waiting = self._waiting, []
            closed = self._writer.closed
            for each in waiting:
                self._writer.append(each)
            if self._writer.closed > closed:
                self._journal.forget(self._writer.closed)

    def events(self, from_number: int = 0) -> Iterator[LogEvent]:
        """Every event on the disk, from a log sequence number on. Raises LogCorrupt."""
        return LogReader(self._folder).events(from_number)

    def keep(self, t_ns: int, program: str, facts: str, state: bytes, alert_ids: Sequence[str]) -> None:
        """Keep a snapshot of what the fold remembers after the newest tick; see :class:`LiveJournal`.

        Raises:
            StoreUnavailable: it cannot be written; the log is as it was.
        """
        self._journal.keep(Snapshot(self._writer.next, t_ns, program, facts, state), alert_ids)

    def snapshots(self) -> Iterator[Snapshot]:
        """Those that are undamaged, newest first."""
        return self._journal.snapshots()

    def alert_ids(self, count: int) -> list[str]:
        """As of :meth:`LiveJournal.alert_ids`."""
        return self._journal.alert_ids(count)

    def close(self, complete: bool) -> None:
        """Write what is still in memory into a closed part. ``complete`` says that the run came to its end, and needs
        no journal any more. Safe to call twice.

        Raises:
            StoreUnavailable: it cannot be written; call it again when there is space.
        """
        if self._ended:
            return
        self._writer.close(complete)
        if complete:
            self._journal.remove()
        else:
            self._journal.forget(self._writer.closed)
            self._journal.close()
        self._ended = True


def _aside(folder: Path) -> Path:
    """Move a journal that cannot be used out of the way; it is kept for whoever can mend it."""
    number = next(n for n in count(1) if not (folder / f"{JOURNAL}.damaged-{n}").exists())
    aside = folder / f"{JOURNAL}.damaged-{number}"
    with files.writable(aside):
        for suffix in ("-wal", "-shm", ""):
            found = folder / f"{JOURNAL}{suffix}"
            if found.exists():
                found.rename(folder / f"{JOURNAL}.damaged-{number}{suffix}")
        files.sync(folder)
    return aside
