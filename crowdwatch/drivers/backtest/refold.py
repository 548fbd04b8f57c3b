"""A log folded again in memory: no store, no clock, only what came out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.core.outcomes import AlertEvent, Level, Outcome
from crowdwatch.core.records import FloatArray, Tick
from crowdwatch.core.site import Site
from crowdwatch.errors import LogCorrupt
from crowdwatch.store.log import LogReader

__all__ = ["STANDS_P_M2", "Folded", "fold_log"]

STANDS_P_M2 = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Densities above which the time that people stood is told."""

MOST_STEP_S = 60.0
"""A tick stands for no more time than this: a log with a gap says nothing of it."""


@dataclass(slots=True)
class Folded:
    """What one set of rules says of a log.

    Args:
        site: the rules.
        t_ns: the ticks.
        alerts: every transition, in order.
        levels: (ticks, zones) level of each zone, one byte each.
        level_s: (zones,) per level, seconds of it.
        people_s: (densities, zones) person-seconds at each of :data:`STANDS_P_M2` or more.
    """

    site: Site
    t_ns: list[int] = field(default_factory=list)
    alerts: list[AlertEvent] = field(default_factory=list)
    levels: list[np.ndarray] = field(default_factory=list)
    level_s: dict[Level, FloatArray] = field(default_factory=dict)
    people_s: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        self.level_s = {level: np.zeros(len(self.site.zones)) for level in Level}
        self.people_s = np.zeros((len(STANDS_P_M2), len(self.site.zones)))

    @property
    def hours(self) -> float:
        """From the first tick to the last."""
        return (self.t_ns[-1] - self.t_ns[0]) / 3.6e12 if self.t_ns else 0.0

    def add(self, outcome: Outcome) -> None:
        """Take in one tick. It stands for the time since the tick before it."""
        step_s = self.site.tick_s if not self.t_ns else min((outcome.t_ns - self.t_ns[-1]) / 1e9, MOST_STEP_S)
        self.t_ns.append(outcome.t_ns)
        self.alerts += outcome.alerts
        levels = np.array([int(reading.level) for reading in outcome.readings], dtype=np.int8)
        self.levels.append(levels)
        for level, seconds in self.level_s.items():
            seconds[levels == level] += step_s
        density, count = (
            np.nan_to_num(np.array([getattr(reading, name) for reading in outcome.readings]))
            for name in ("density_p_m2", "count")
        )
        self.people_s += step_s * np.where(density >= np.array(STANDS_P_M2)[:, None], count, 0.0)


def fold_log(
    reader: LogReader,
    site: Site,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda t_ns: None,
) -> Folded:
    """Fold a log under the rules of a site, actions of its operators included.

    Args:
        reader: of the log.
        site: with the cameras of the log.
        stop: set it, and what was folded so far is returned.
        progress: called with the event time reached.

    Raises:
        LogCorrupt: the log cannot be read, or holds no tick.
    """
    state, folded = start(view_site(site)), Folded(site)
    for event in reader.events():
        if stop is not None and stop.is_set():
            break
        state, outcome = advance(state, event)
        if outcome is not None and isinstance(event, Tick):
            folded.add(outcome)
            progress(event.t_ns)
    if not folded.t_ns and not (stop is not None and stop.is_set()):
        raise LogCorrupt("log: holds no tick, so there is nothing to fold. Replay the recording.")
    return folded
