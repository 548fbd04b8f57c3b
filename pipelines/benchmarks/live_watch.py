"""What a page would see of a live run, and when: every tick in the store with the moment at which it stood there."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from crowdwatch.core.outcomes import Quality, ZoneReading
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode
from crowdwatch.drivers import build
from crowdwatch.errors import ConfigError, CrowdWatchError
from pipelines.benchmarks.live_process import Engine

__all__ = ["LOOK_S", "SeenTick", "StoreWatch", "known"]

LOOK_S = 0.005
"""How often it is asked whether the store changed: what is seen is at most so much late, and one query."""

RUNS_S = 0.5
"""How often it is asked which runs there are."""


@dataclass(frozen=True, slots=True)
class SeenTick:
    """A tick as it stood in the store.

    Args:
        t_ns: the tick, event time.
        seen_ns: wall clock when it was first seen there.
        seen_s: the same on the monotonic clock.
        readings: by zone.
    """

    t_ns: int
    seen_ns: int
    seen_s: float
    readings: dict[str, ZoneReading]


def known(reading: ZoneReading) -> bool:
    """Whether it says a number."""
    return reading.quality not in (Quality.STALE, Quality.BLIND)


class StoreWatch:
    """Looks at an SQLite store in a thread of its own, from entering the context to leaving it.

    Args:
        engine: that writes it; the store need not be there yet.
    """

    def __init__(self, engine: Engine) -> None:
        self.ticks: list[SeenTick] = []
        self.run_ids: list[str] = []
        self.messages: dict[str, int] = {}
        """What ailed the runs, as their heartbeats said it, and how often it was seen."""
        self._path, self._engine = engine.store_path, engine
        self._changed, self._over = threading.Condition(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="store watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def last_message(self) -> str:
        """What ailed the run when something did last."""
        return next(reversed(self.messages), "")

    def mark(self) -> int:
        """Ticks that come from now on have this index or a later one."""
        with self._changed:
            return len(self.ticks)

    def each_zone(
        self, zone_ids: Collection[str], wanted: Callable[[ZoneReading], bool], since: int, within_s: float, what: str
    ) -> dict[str, SeenTick]:
        """Wait until every zone has had a reading that is wanted: the first such tick of each.

        Args:
            zone_ids: the zones.
            wanted: tells.
            since: index of the first tick that is looked at.
            within_s: how long it waits.
            what: for the error.

        Raises:
            ConfigError: it did not come.
        """
        found: dict[str, SeenTick] = {}
        looked = since
        ends_s = time.monotonic() + within_s
        while True:
            with self._changed:
                if len(self.ticks) == looked:
                    self._changed.wait(0.2)
                new, looked = self.ticks[looked:], len(self.ticks)
            for tick in new:
                for zone_id in zone_ids:
                    if zone_id not in found and zone_id in tick.readings and wanted(tick.readings[zone_id]):
                        found[zone_id] = tick
            if len(found) == len(zone_ids):
                return found
            if self._error is not None:
                raise ConfigError(f"{what}: the store could not be read: {self._error}") from self._error
            self._engine.check()
            if time.monotonic() > ends_s:
                left = sorted(set(zone_ids) - set(found))
                raise ConfigError(
                    f"{what}: had not come after {within_s:.0f} s for {len(left)} of {len(zone_ids)} zones "
                    f"({', '.join(left[:4])}). What ailed the run last: {self.last_message or 'nothing'} "
                    f"The last words of its processes: {self._engine.last_words()}"
                )

    def _run(self) -> None:
        try:
            self._wait_for_store()
            if not self._over.is_set():
                with closing(build.open_store(f"sqlite:///{self._path}", create=False)) as store:
                    self._watch(store)
        except (CrowdWatchError, sqlite3.Error) as error:
            self._error = error

    def _wait_for_store(self) -> None:
        """Until an engine has made it."""
        while not self._over.wait(0.05):
            try:
                with closing(build.open_store(f"sqlite:///{self._path}", create=False)) as store:
                    if store.runs():
                        return
            except CrowdWatchError:
                continue

    def _watch(self, store: Store) -> None:
        with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            version, runs_s = None, 0.0
            while not self._over.wait(LOOK_S):
                if time.monotonic() - runs_s > RUNS_S:
                    runs_s = time.monotonic()
                    self._look_at_runs(store)
                now = file.execute("PRAGMA data_version").fetchone()[0]
                if now != version and self.run_ids:
                    version = now
                    self._look(store)

    def _look_at_runs(self, store: Store) -> None:
        live = [run for run in store.runs() if run.mode is Mode.LIVE]
        if not live:
            return
        if live[0].run_id not in self.run_ids:
            self.run_ids.append(live[0].run_id)
        if live[0].message:
            self.messages[live[0].message] = self.messages.pop(live[0].message, 0) + 1

    def _look(self, store: Store) -> None:
        last_ns = self.ticks[-1].t_ns if self.ticks else 0
        found = store.readings(self.run_ids[-1], from_ns=last_ns + 1)
        seen_ns, seen_s = time.time_ns(), time.monotonic()
        by_tick: dict[int, dict[str, ZoneReading]] = {}
        for reading in found:
            by_tick.setdefault(reading.t_ns, {})[reading.zone_id] = reading
        if by_tick:
            with self._changed:
                self.ticks += [SeenTick(t_ns, seen_ns, seen_s, by_tick[t_ns]) for t_ns in sorted(by_tick)]
                self._changed.notify_all()
