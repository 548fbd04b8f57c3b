"""What all viewers of a store share: one reading of the store for each tick, the history of zones, places of alarms.

A viewer asks once a second. The run's row and the queued commands are read at most every :data:`GLANCE_S`; everything
else when the tick or the commands have changed.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Run
from crowdwatch.ui.view import Glance, Moment, glance_at, look, pulse_of
from crowdwatch.ui.wall.history import SPAN_S, History
from crowdwatch.ui.wall.scene import Around, grid_rows, scene_of
from crowdwatch.ui.wall.slots import Key, assign

__all__ = ["Desk"]

GLANCE_S = 0.4
"""A row that is younger is not read again: ten viewers ask twice a second together as one does."""

RUNS_S = 1.0
MOST_RUNS = 8

PART_S = 180
"""Readings are read in parts of so many seconds of event time: as long as trends look back."""

NS = 1_000_000_000


@dataclass
class _OfRun:
    """What is remembered of one run."""

    history: History = field(default_factory=History)
    oldest_ns: int = 0
    slots: tuple[Key | None, ...] = ()
    more: tuple[Key, ...] = ()
    glance: Glance | None = None
    glanced_s: float = -math.inf
    key: tuple[object, ...] = ()
    moment: Moment | None = None
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    grid: dict[str, Any] | None = None


class Desk:
    """One for each store, shared by all browser sessions; every call may come from another thread.

    Args:
        store: what is read.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = 0
        self._lock = threading.Lock()
        self._runs: list[Run] = []
        self._runs_s = -math.inf
        self._of: dict[str, _OfRun] = {}

    def runs(self) -> list[Run]:
        """Every run of the store, newest start first. Raises StoreUnavailable."""
        with self._lock:
            if time.monotonic() - self._runs_s > RUNS_S:
                self._runs, self._runs_s = self.store.runs(), time.monotonic()
            return self._runs

    def scene(self, run_id: str, language: str, *, density: bool = False) -> dict[str, Any]:
        """The scene of a run now, with the age of its engine's heartbeat, and the density field where it is asked for.

        Raises:
            RunNotFound, StoreUnavailable, ConfigError: the run cannot be read.
        """
        with self._lock:
            of = self._remembered(run_id)
            moment, now_ns = self._moment(run_id, of), time.time_ns()
            if language not in of.scenes:
                around = Around(of.history, of.slots, of.more)
                of.scenes[language] = scene_of(moment, around, language)
            beat_age_s = pulse_of(moment.run, now_ns)[1]
            scene = of.scenes[language] | {"beat_age_s": round(beat_age_s, 2), "pace": _rounded(moment.pace)}
            if density:
                of.grid = of.grid or grid_rows(moment.grid)
                scene["grid"] = of.grid
            return scene

    def moment(self, run_id: str) -> Moment:
        """The moment behind the newest scene of a run. Raises as :meth:`scene`."""
        with self._lock:
            return self._moment(run_id, self._remembered(run_id))

    def _remembered(self, run_id: str) -> _OfRun:
        of = self._of.pop(run_id, None) or _OfRun()
        self._of[run_id] = of
        while len(self._of) > MOST_RUNS:
            del self._of[next(iter(self._of))]
        return of

    def _moment(self, run_id: str, of: _OfRun) -> Moment:
        now_s = time.monotonic()
        if of.moment is not None and now_s - of.glanced_s < GLANCE_S:
            return of.moment
        glance = glance_at(self.store, run_id, now_ns=time.time_ns())
        run = glance.run
        key = (run.t_ns, run.state, run.message, glance.pulse, tuple(c.command_id for c in glance.pending))
        of.glance, of.glanced_s = glance, now_s
        if of.moment is not None and key == of.key:
            of.moment = replace(of.moment, run=run, beat_age_s=glance.beat_age_s)
            return of.moment
        moment = look(self.store, run_id, now_ns=time.time_ns())
        self.reads += 1
        of.key, of.moment, of.scenes, of.grid = key, moment, {}, None
        self._learn(run_id, of, moment)
        return moment

    def _learn(self, run_id: str, of: _OfRun, moment: Moment) -> None:
        """Take in what is new since the last moment, and a part of what is older, so that nobody waits for a quarter
        of an hour of readings; a run that went back begins anew."""
        if of.history.newest_ns > moment.t_ns:
            of.history, of.oldest_ns = History(), 0
        parts = [(max(of.history.newest_ns + 1, moment.t_ns - PART_S * NS), moment.t_ns)]
        of.oldest_ns = of.oldest_ns or parts[0][0]
        if of.oldest_ns > moment.t_ns - SPAN_S * NS and of.history.newest_ns:
            parts.append((of.oldest_ns - PART_S * NS, of.oldest_ns - 1))
            of.oldest_ns -= PART_S * NS
        for from_ns, to_ns in parts:
            of.history.feed(self.store.readings(run_id, from_ns=from_ns, to_ns=to_ns))
        of.slots, of.more = assign(of.slots, moment.alarms)


def _rounded(pace: float) -> float:
    return round(pace, 3) if math.isfinite(pace) else 0.0
