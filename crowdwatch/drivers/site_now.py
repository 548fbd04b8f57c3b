"""What a run's zones and alarms say now, for messages that are written while it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crowdwatch.core.outcomes import Alarm, Level
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.errors import StoreError

__all__ = ["DEAD_AFTER_S", "SiteNow"]

NS = 1_000_000_000

DEAD_AFTER_S = 5.0
"""A heartbeat that has not changed for longer is a dead engine: its zones are unknown."""

KEPT_S = 1.0
"""Messages of one moment share what was read: a lost camera has many."""


@dataclass(slots=True)
class SiteNow:
    """Zones and alarms of runs as the store has them; read again when they are older than a second.

    Args:
        store: where they are.
        zone_ids: the zones of the event.
        tick_s: event time between two readings.
        wall_ns: the wall clock.
    """

    store: Store
    zone_ids: Sequence[str]
    tick_s: float
    wall_ns: Callable[[], int] = time.time_ns
    _read: dict[str, tuple[int, dict[str, Level], tuple[Alarm, ...]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def levels(self, run_id: str) -> dict[str, Level]:
        """Every zone's level; UNKNOWN where the store, the engine or the zone says nothing now."""
        return self._now(run_id)[1]

    def alarms(self, run_id: str) -> tuple[Alarm, ...]:
        """The alarms that stand; none where the store says nothing."""
        return self._now(run_id)[2]

    def _now(self, run_id: str) -> tuple[int, dict[str, Level], tuple[Alarm, ...]]:
        with self._lock:
            kept, now_ns = self._read.get(run_id), self.wall_ns()
            if kept is None or abs(now_ns - kept[0]) > KEPT_S * NS:
                kept = self._read[run_id] = (now_ns, *self._looked_up(run_id, now_ns))
            return kept

    def _looked_up(self, run_id: str, now_ns: int) -> tuple[dict[str, Level], tuple[Alarm, ...]]:
        levels = dict.fromkeys(self.zone_ids, Level.UNKNOWN)
        try:
            run = self.store.run(run_id)
            if self._speaks(run, now_ns):
                since_ns = run.t_ns - round(max(DEAD_AFTER_S, 3 * self.tick_s) * NS)
                for reading in self.store.readings(
                    run_id, from_ns=since_ns, to_ns=run.t_ns
                ):  # by time: the newest stays
                    levels[reading.zone_id] = reading.level
            return levels, tuple(self.store.alarms(run_id, run.t_ns))
        except StoreError:
            return dict.fromkeys(self.zone_ids, Level.UNKNOWN), ()

    def _speaks(self, run: Run, now_ns: int) -> bool:
        """Whether what the run said last is still true: of a replay, what it said at its end."""
        if run.mode is not Mode.LIVE:
            return True
        return run.state in (RunState.RUNNING, RunState.PAUSED) and now_ns - run.beat_wall_ns <= DEAD_AFTER_S * NS
